//! One line: its text, what it is, and where its keys and values stand.

use std::ops::Range;

use super::{LINE_BYTES_MAX, Why};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    Lf,
    CrLf,
}

impl Ending {
    fn as_str(self) -> &'static str {
        match self {
            Self::Lf => "\n",
            Self::CrLf => "\r\n",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    /// A comment or a blank line.
    Other,
    /// A header: where its name is.
    Header(Range<usize>),
    /// Settings: where the keys and values are. Never empty.
    Settings(Vec<Span>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Span {
    key: Range<usize>,
    value: Range<usize>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// Without the end of the line.
    text: String,
    kind: Kind,
    /// `None` for the last line of a file that does not end with a line end.
    ending: Option<Ending>,
    number: Option<usize>,
}

impl Line {
    /// Reads a line with its end. `shared` says that several settings may stand on it.
    pub(super) fn parse(number: usize, raw: &[u8], shared: bool) -> Result<Self, Why> {
        let (bytes, ending) = match raw.strip_suffix(b"\n") {
            None => (raw, None),
            Some(rest) => match rest.strip_suffix(b"\r") {
                None => (rest, Some(Ending::Lf)),
                Some(rest) => (rest, Some(Ending::CrLf)),
            },
        };
        if bytes.len() > LINE_BYTES_MAX {
            return Err(Why::LineTooLong { len_bytes: bytes.len() });
        }
        let text =
            std::str::from_utf8(bytes).map_err(|e| Why::NotUtf8 { at: e.valid_up_to() + 1 })?;
        let kind = classify(text, shared)?;
        Ok(Self { text: text.to_owned(), kind, ending, number: Some(number) })
    }

    pub(super) fn new_header(name: &str, ending: Ending) -> Option<Self> {
        let text = format!("{name}:");
        let kind = classify(&text, false).ok()?;
        let line = Self { text, kind, ending: Some(ending), number: None };
        (line.text.len() <= LINE_BYTES_MAX && line.header() == Some(name)).then_some(line)
    }

    pub(super) fn new_setting(text: String, ending: Ending, shared: bool) -> Option<Self> {
        let kind = classify(&text, shared).ok()?;
        let fits = text.len() <= LINE_BYTES_MAX;
        fits.then_some(Self { text, kind, ending: Some(ending), number: None })
    }

    pub(super) fn print(&self, out: &mut String) {
        out.push_str(&self.text);
        out.push_str(self.ending.map_or("", Ending::as_str));
    }

    pub(super) fn number(&self) -> Option<usize> {
        self.number
    }

    pub(super) fn ending(&self) -> Option<Ending> {
        self.ending
    }

    /// Gives the line an end if it has none, because something is added below.
    pub(super) fn terminate(&mut self, ending: Ending) {
        self.ending.get_or_insert(ending);
    }

    /// The name, if this is a header.
    pub(super) fn header(&self) -> Option<&str> {
        match &self.kind {
            Kind::Header(name) => self.text.get(name.clone()),
            Kind::Other | Kind::Settings(_) => None,
        }
    }

    /// Keys and values.
    pub(super) fn settings(&self) -> impl DoubleEndedIterator<Item = (&str, &str)> {
        self.spans()
            .iter()
            .map(|span| (&self.text[span.key.clone()], &self.text[span.value.clone()]))
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.last_of(key).is_some()
    }

    /// Replaces the value of the last setting of this key, or returns `None` and changes
    /// nothing if the line would then say anything else than before but for this value.
    pub(super) fn set(&mut self, key: &str, value: &str, shared: bool) -> Option<()> {
        let index = self.last_of(key)?;
        let mut text = self.text.clone();
        text.replace_range(self.spans().get(index)?.value.clone(), value);
        let mut expected: Vec<(&str, &str)> = self.settings().collect();
        expected.get_mut(index)?.1 = value;
        let new = Self::new_setting(text, Ending::Lf, shared)?;
        if new.settings().ne(expected) {
            return None;
        }
        self.text = new.text;
        self.kind = new.kind;
        Some(())
    }

    /// Removes the settings of this key, and returns whether others are left on the line.
    pub(super) fn remove(&mut self, key: &str) -> bool {
        while let Some(index) = self.last_of(key) {
            let Kind::Settings(spans) = &mut self.kind else { return false };
            let unwanted = spans.remove(index);
            let cut = match (index.checked_sub(1), spans.get(index)) {
                (_, Some(next)) => unwanted.key.start..next.key.start,
                (Some(previous), None) => spans[previous].value.end..unwanted.value.end,
                (None, None) => return false,
            };
            for span in &mut spans[index..] {
                for range in [&mut span.key, &mut span.value] {
                    *range = range.start - cut.len()..range.end - cut.len();
                }
            }
            self.text.replace_range(cut, "");
        }
        !self.spans().is_empty()
    }

    fn last_of(&self, key: &str) -> Option<usize> {
        let is = |span: &Span| self.text[span.key.clone()].eq_ignore_ascii_case(key);
        self.spans().iter().rposition(is)
    }

    fn spans(&self) -> &[Span] {
        match &self.kind {
            Kind::Settings(spans) => spans,
            Kind::Other | Kind::Header(_) => &[],
        }
    }
}

/// Whether a text can be a key or the name of a stanza.
pub(super) fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(is_word_byte)
}

fn is_word_byte(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'=' | b':' | b',' | b';' | b'#')
}

fn is_blank(c: char) -> bool {
    c == ' ' || c == '\t'
}

fn is_comment_start(byte: u8) -> bool {
    byte == b'#' || byte == b';'
}

/// The range without the blanks at both ends; of nothing but blanks, its start.
fn trimmed(text: &str, range: Range<usize>) -> Range<usize> {
    let inner = text[range.clone()].trim_end_matches(is_blank);
    let trimmed = inner.trim_start_matches(is_blank);
    let start = range.start + (inner.len() - trimmed.len());
    start..start + trimmed.len()
}

fn classify(text: &str, shared: bool) -> Result<Kind, Why> {
    if let Some((at, found)) = text.char_indices().find(|(_, c)| c.is_control() && *c != '\t') {
        return Err(Why::Control { at: at + 1, found });
    }
    let body = trimmed(text, 0..text.len());
    if text[body.clone()].bytes().next().is_none_or(is_comment_start) {
        return Ok(Kind::Other);
    }
    // A header is told from a setting by which of ':' and '=' comes first: a value may have
    // a colon, and the comment after a header may have an equals sign.
    match text.find([':', '=']) {
        Some(at) if text.as_bytes()[at] == b'=' => settings(text, at, shared).map(Kind::Settings),
        Some(at) => header(text, body.start, at).map(Kind::Header),
        None => Err(Why::NotASetting),
    }
}

fn header(text: &str, start: usize, colon: usize) -> Result<Range<usize>, Why> {
    let rest = text[colon + 1..].trim_start_matches(is_blank);
    if !(rest.is_empty() || is_comment_start(rest.as_bytes()[0])) {
        return Err(Why::NotASetting);
    }
    let name = trimmed(text, start..colon);
    if !is_word(&text[name.clone()]) {
        return Err(Why::StanzaName { name: text[name].to_owned() });
    }
    if start > 0 {
        return Err(Why::IndentedHeader);
    }
    Ok(name)
}

fn settings(text: &str, equals: usize, shared: bool) -> Result<Vec<Span>, Why> {
    let mut spans = Vec::new();
    let (mut start, mut equals) = (0, equals);
    loop {
        let key = trimmed(text, start..equals);
        if !is_word(&text[key.clone()]) {
            return Err(Why::Key { key: text[key].to_owned() });
        }
        let (end, next) = if shared { value_end(text, equals + 1) } else { (text.len(), None) };
        spans.push(Span { key, value: trimmed(text, equals + 1..end) });
        match next {
            Some(next) => (start, equals) = next,
            None => return Ok(spans),
        }
    }
}

/// Where the value that starts at `from` ends on a line that settings may share, and where the
/// key and the equals sign of the next setting stand, if there is one.
fn value_end(text: &str, from: usize) -> (usize, Option<(usize, usize)>) {
    let bytes = text.as_bytes();
    let mut at = from;
    while at < bytes.len() {
        let run = bytes[at..].iter().take_while(|b| matches!(b, b' ' | b'\t' | b',')).count();
        if run == 0 {
            at += 1;
            continue;
        }
        let after = at + run;
        let blank_before = matches!(bytes[after - 1], b' ' | b'\t');
        if blank_before && bytes.get(after).copied().is_some_and(is_comment_start) {
            // Commas before the comment belong to the value, blanks do not.
            return (after, None);
        }
        let word = bytes[after..].iter().take_while(|b| is_word_byte(**b)).count();
        let gap = bytes[after + word..].iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
        let equals = after + word + gap;
        if word > 0 && bytes.get(equals) == Some(&b'=') {
            return (at, Some((after, equals)));
        }
        // No setting starts in this word, so none is looked for there again: linear time.
        at = after + word;
    }
    (bytes.len(), None)
}
