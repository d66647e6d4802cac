//! The stanza grammar of `mqs.ini`, `qm.ini`, `qmstatus.ini` and `qmid`: read, edited and written
//! back without losing a byte that was not edited.
//!
//! ```text
//! # a comment, also with a semicolon, also indented
//! QueueManager:
//!    Name=QM1
//!    Prefix=/var/mqm
//! ```
//!
//! - A line whose first non-blank is `#` or `;` is a comment. Blank lines may stand anywhere. Blanks
//!   are spaces and tabs. Lines end with LF or CR LF; the last one may end with neither.
//! - A *header* is a name and a colon at the start of a line; blanks and a comment may follow.
//!   It starts a stanza, which goes on to the next header. Stanzas may be repeated.
//! - A *setting* is `Key=Value`, indented or not, after a header. Blanks around the key and at both
//!   ends of the value do not count. The value is literal: no quotes, no escapes, and a `#`, `;`
//!   or comma in it is part of it. It may be empty.
//! - In the stanzas of [`SHARED_LINE_STANZAS`] only, several settings may share a line, and a
//!   comment may follow them. Another setting starts where blanks or commas are followed by a
//!   key, perhaps blanks, and `=`; a comment where blanks are followed by `#` or `;`. (There, values are numbers
//!   and words. Elsewhere they are paths, in which all of this can occur.)
//! - Names and keys are ASCII, without blanks, control characters and `= : , ; #`. They are
//!   compared without regard to case, and kept as written.
//! - If a key is repeated, the last one counts.
//!
//! Refused, with the line number: text that is none of these, a setting before the first
//! header, NUL and other control characters, bytes that are not UTF-8, and what exceeds
//! [`FILE_BYTES_MAX`], [`LINE_BYTES_MAX`] or [`LINES_MAX`]. A byte order mark at the start is kept.

mod line;

use line::{Ending, Line, is_word};

/// The largest file, in bytes.
pub const FILE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// The longest line, in bytes, without its end.
pub const LINE_BYTES_MAX: usize = 8192;
/// The most lines.
pub const LINES_MAX: usize = 1_000_000;
/// The stanzas of distributed queuing, where several settings may share a line.
pub const SHARED_LINE_STANZAS: &[&str] = &["Channels", "TCP", "LU62", "NETBIOS", "SPX"];

const BYTE_ORDER_MARK: &str = "\u{feff}";
const INDENT: &str = "   ";

/// A file does not keep to the grammar.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {why}")]
pub struct BadStanza {
    /// The first line that is wrong, counted from 1.
    pub line: usize,
    /// What is wrong with it.
    pub why: Why,
}

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    /// The file is longer than [`FILE_BYTES_MAX`]; this line passes the limit.
    #[error("the file is longer than {FILE_BYTES_MAX} bytes")]
    FileTooLong,
    /// There are more lines than [`LINES_MAX`].
    #[error("the file has more than {LINES_MAX} lines")]
    TooManyLines,
    /// The line is longer than [`LINE_BYTES_MAX`].
    #[error("the line is {len_bytes} bytes long; the limit is {LINE_BYTES_MAX}")]
    LineTooLong {
        /// How long it is, in bytes.
        len_bytes: usize,
    },
    /// The line has bytes that are not UTF-8.
    #[error("byte {at} of the line is not UTF-8 text")]
    NotUtf8 {
        /// The first such byte, counted from 1.
        at: usize,
    },
    /// The line has a control character, NUL for example, other than a tab.
    #[error("byte {at} of the line is the control character {found:?}")]
    Control {
        /// Which byte, counted from 1.
        at: usize,
        /// The character.
        found: char,
    },
    /// A header is indented.
    #[error("a stanza header must start at the beginning of the line")]
    IndentedHeader,
    /// The name of a stanza is empty or has a character that a name cannot have.
    #[error("{name:?} is not a stanza name")]
    StanzaName {
        /// The name.
        name: String,
    },
    /// The key of a setting is empty or has a character that a key cannot have.
    #[error("{key:?} is not an attribute name")]
    Key {
        /// The key.
        key: String,
    },
    /// A setting stands before the first header.
    #[error("the setting {key} belongs to no stanza")]
    NoStanza {
        /// The key.
        key: String,
    },
    /// The line is neither a comment nor a header nor a setting.
    #[error("neither a stanza header (Name:) nor a setting (Key=Value) nor a comment")]
    NotASetting,
}

/// A change would make a text that reads back differently, or not at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadEdit {
    /// Not a stanza name.
    #[error("{0:?} is not a stanza name")]
    StanzaName(String),
    /// Not a key.
    #[error("{0:?} is not an attribute name")]
    Key(String),
    /// The value of this key has a control character (a new line for example), starts or ends
    /// with a blank, is too long, or looks like a second setting where those may share a line.
    #[error("the value {value:?} of {key} cannot be written in a stanza")]
    Value {
        /// The key.
        key: String,
        /// The value.
        value: String,
    },
}

/// A file of stanzas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    byte_order_mark: bool,
    ending: Ending,
    /// Comments and blank lines before the first header.
    preamble: Vec<Line>,
    stanzas: Vec<Stanza>,
}

/// A header and what follows it up to the next one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stanza {
    header: Line,
    lines: Vec<Line>,
    ending: Ending,
}

/// A setting in a stanza.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting<'a> {
    /// The key as written.
    pub key: &'a str,
    /// The value without surrounding blanks.
    pub value: &'a str,
    /// The line in the file as it was read, counted from 1; `None` if it was added since.
    pub line: Option<usize>,
}

impl Default for Document {
    fn default() -> Self {
        Self::new()
    }
}

impl Document {
    /// A document without a byte.
    pub const fn new() -> Self {
        Self {
            byte_order_mark: false,
            ending: Ending::Lf,
            preamble: Vec::new(),
            stanzas: Vec::new(),
        }
    }

    /// Reads a file, in time and memory proportional to its length.
    ///
    /// # Errors
    ///
    /// [`BadStanza`] with the first line that is wrong.
    pub fn parse(bytes: &[u8]) -> Result<Self, BadStanza> {
        if bytes.len() > FILE_BYTES_MAX {
            let line = bytes[..FILE_BYTES_MAX].split(|b| *b == b'\n').count();
            return Err(BadStanza { line, why: Why::FileTooLong });
        }
        let mut document = Self::new();
        let rest = bytes.strip_prefix(BYTE_ORDER_MARK.as_bytes());
        document.byte_order_mark = rest.is_some();
        for (index, raw) in rest.unwrap_or(bytes).split_inclusive(|b| *b == b'\n').enumerate() {
            let number = index + 1;
            let bad = |why| BadStanza { line: number, why };
            if number > LINES_MAX {
                return Err(bad(Why::TooManyLines));
            }
            document.add_line(number, raw).map_err(bad)?;
        }
        Ok(document)
    }

    fn add_line(&mut self, number: usize, raw: &[u8]) -> Result<(), Why> {
        let shared = self.stanzas.last().is_some_and(|stanza| shares_lines(stanza.name()));
        let line = Line::parse(number, raw, shared)?;
        if number == 1 {
            self.ending = line.ending().unwrap_or(Ending::Lf);
        }
        if line.header().is_some() {
            let ending = line.ending().unwrap_or(self.ending);
            self.stanzas.push(Stanza { header: line, lines: Vec::new(), ending });
            return Ok(());
        }
        if let Some(stanza) = self.stanzas.last_mut() {
            stanza.lines.push(line);
            return Ok(());
        }
        if let Some((key, _)) = line.settings().next() {
            return Err(Why::NoStanza { key: key.to_owned() });
        }
        self.preamble.push(line);
        Ok(())
    }

    /// The file: byte for byte what was read, but for what was edited.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = String::new();
        if self.byte_order_mark {
            out.push_str(BYTE_ORDER_MARK);
        }
        let stanzas = self.stanzas.iter().flat_map(Stanza::all_lines);
        self.preamble.iter().chain(stanzas).for_each(|line| line.print(&mut out));
        out.into_bytes()
    }

    /// All stanzas, in order.
    pub fn all(&self) -> impl DoubleEndedIterator<Item = &Stanza> {
        self.stanzas.iter()
    }

    /// The stanzas of this name, in order.
    pub fn stanzas<'a>(&'a self, name: &'a str) -> impl DoubleEndedIterator<Item = &'a Stanza> {
        self.stanzas.iter().filter(move |stanza| stanza.is(name))
    }

    /// The stanzas of this name, in order, to be edited.
    pub fn stanzas_mut<'a>(
        &'a mut self,
        name: &'a str,
    ) -> impl DoubleEndedIterator<Item = &'a mut Stanza> {
        self.stanzas.iter_mut().filter(move |stanza| stanza.is(name))
    }

    /// The first stanza of this name that `wanted` accepts.
    pub fn find(&self, name: &str, mut wanted: impl FnMut(&Stanza) -> bool) -> Option<&Stanza> {
        self.stanzas.iter().find(|stanza| stanza.is(name) && wanted(stanza))
    }

    /// The first stanza of this name that `wanted` accepts, to be edited.
    pub fn find_mut(
        &mut self,
        name: &str,
        mut wanted: impl FnMut(&Stanza) -> bool,
    ) -> Option<&mut Stanza> {
        self.stanzas.iter_mut().find(|stanza| stanza.is(name) && wanted(stanza))
    }

    /// The setting of this key in the stanzas of this name; the last one counts.
    pub fn get(&self, name: &str, key: &str) -> Option<Setting<'_>> {
        self.stanzas.iter().rev().filter(|stanza| stanza.is(name)).find_map(|s| s.get(key))
    }

    /// Adds an empty stanza at the end.
    ///
    /// # Errors
    ///
    /// [`BadEdit::StanzaName`].
    #[expect(clippy::missing_panics_doc, reason = "the stanza was pushed on the line before")]
    pub fn push_stanza(&mut self, name: &str) -> Result<&mut Stanza, BadEdit> {
        let bad = || BadEdit::StanzaName(name.to_owned());
        let header = Line::new_header(name, self.ending).ok_or_else(bad)?;
        let last = match self.stanzas.last_mut() {
            Some(stanza) => Some(stanza.lines.last_mut().unwrap_or(&mut stanza.header)),
            None => self.preamble.last_mut(),
        };
        if let Some(line) = last {
            line.terminate(self.ending);
        }
        self.stanzas.push(Stanza { header, lines: Vec::new(), ending: self.ending });
        Ok(self.stanzas.last_mut().expect("a stanza was just pushed"))
    }

    /// Removes the stanzas of this name that `unwanted` accepts, and returns how many.
    ///
    /// What stands between the last setting of such a stanza and the next header stays:
    /// comments there speak of what follows.
    pub fn remove_stanzas(
        &mut self,
        name: &str,
        mut unwanted: impl FnMut(&Stanza) -> bool,
    ) -> usize {
        let before = self.stanzas.len();
        let mut kept: Vec<Stanza> = Vec::with_capacity(before);
        for mut stanza in std::mem::take(&mut self.stanzas) {
            if !(stanza.is(name) && unwanted(&stanza)) {
                kept.push(stanza);
                continue;
            }
            let tail = stanza.lines.split_off(stanza.end_of_settings());
            let above = kept.last_mut().map_or(&mut self.preamble, |stanza| &mut stanza.lines);
            above.extend(tail);
        }
        self.stanzas = kept;
        before - self.stanzas.len()
    }
}

impl Stanza {
    /// The name as written.
    pub fn name(&self) -> &str {
        self.header.header().unwrap_or_default()
    }

    /// The line of the header in the file as it was read, counted from 1; `None` if it was
    /// added since.
    pub fn line(&self) -> Option<usize> {
        self.header.number()
    }

    /// The settings in order, repeated ones too.
    pub fn settings(&self) -> impl DoubleEndedIterator<Item = Setting<'_>> {
        self.lines.iter().flat_map(|line| {
            line.settings().map(|(key, value)| Setting { key, value, line: line.number() })
        })
    }

    /// The setting of this key; the last one if there are several.
    pub fn get(&self, key: &str) -> Option<Setting<'_>> {
        self.settings().rfind(|setting| setting.key.eq_ignore_ascii_case(key))
    }

    /// The value of this key; the last one if there are several.
    pub fn value(&self, key: &str) -> Option<&str> {
        self.get(key).map(|setting| setting.value)
    }

    /// Gives a key a value: where the key stands now, else on a new line after the last setting.
    ///
    /// # Errors
    ///
    /// [`BadEdit`] if the text would not read back as this key and this value; then nothing
    /// is changed.
    pub fn set(&mut self, key: &str, value: &str) -> Result<(), BadEdit> {
        if !is_word(key) {
            return Err(BadEdit::Key(key.to_owned()));
        }
        let bad = || BadEdit::Value { key: key.to_owned(), value: value.to_owned() };
        let shared = shares_lines(self.name());
        if let Some(line) = self.lines.iter_mut().rev().find(|line| line.has(key)) {
            return line.set(key, value, shared).ok_or_else(bad);
        }
        let text = format!("{INDENT}{key}={value}");
        let line = Line::new_setting(text, self.ending, shared).ok_or_else(bad)?;
        if line.settings().ne([(key, value)]) {
            return Err(bad());
        }
        let at = self.end_of_settings();
        let above = at.checked_sub(1).and_then(|i| self.lines.get_mut(i));
        let above = above.unwrap_or(&mut self.header);
        above.terminate(self.ending);
        self.lines.insert(at, line);
        Ok(())
    }

    /// Removes every setting of this key, and returns whether there was one. A line that
    /// has no other setting goes as a whole.
    pub fn remove(&mut self, key: &str) -> bool {
        let mut found = false;
        self.lines.retain_mut(|line| {
            let has = line.has(key);
            found |= has;
            !has || line.remove(key)
        });
        found
    }

    fn is(&self, name: &str) -> bool {
        self.name().eq_ignore_ascii_case(name)
    }

    fn end_of_settings(&self) -> usize {
        let last = self.lines.iter().rposition(|line| line.settings().next().is_some());
        last.map_or(0, |index| index + 1)
    }

    fn all_lines(&self) -> impl Iterator<Item = &Line> {
        std::iter::once(&self.header).chain(&self.lines)
    }
}

fn shares_lines(name: &str) -> bool {
    SHARED_LINE_STANZAS.iter().any(|shared| shared.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests;
