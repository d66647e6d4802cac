//! Breaking text into lines of a terminal.

/// The narrowest that text is broken to: what does not fit then, the terminal breaks itself.
const COLUMNS_MIN: usize = 24;

/// Appends `text` with `first` in front, its further lines indented by `indent` blanks, none longer
/// than `columns` if its words allow it. Without `columns` it is one line.
pub(super) fn wrap(
    to: &mut String,
    columns: Option<usize>,
    first: &str,
    indent: usize,
    text: &str,
) {
    to.push_str(first);
    let Some(columns) = columns else {
        to.push_str(text);
        to.push('\n');
        return;
    };
    let columns = columns.max(indent + COLUMNS_MIN);
    let mut column = width(first);
    let mut fresh = true;
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        for (at, piece) in pieces(word, columns - indent).into_iter().enumerate() {
            let gap = usize::from(!fresh && at == 0);
            if !fresh && column + gap + width(piece) > columns {
                to.push('\n');
                to.extend(std::iter::repeat_n(' ', indent));
                column = indent;
            } else if gap > 0 {
                to.push(' ');
                column += 1;
            }
            to.push_str(piece);
            column += width(piece);
            fresh = false;
        }
    }
    to.push('\n');
}

/// A word that is longer than a line, broken after its commas; any other as it is.
fn pieces(word: &str, room: usize) -> Vec<&str> {
    if width(word) <= room { vec![word] } else { word.split_inclusive(',').collect() }
}

/// The columns that text takes, without the sequences that colour it. Wide characters count as one.
pub(super) fn width(text: &str) -> usize {
    let mut columns = 0;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c == '\x1b' {
            // Only colours, which end with this letter, are ever put in.
            while chars.next().is_some_and(|c| c != 'm') {}
        } else {
            columns += 1;
        }
    }
    columns
}

/// The text filled up with blanks to so many columns.
pub(super) fn pad(text: &str, columns: usize) -> String {
    let missing = columns.saturating_sub(width(text));
    let mut padded = text.to_owned();
    padded.extend(std::iter::repeat_n(' ', missing));
    padded
}

/// The text with blanks in front, up to so many columns.
pub(super) fn pad_left(text: &str, columns: usize) -> String {
    format!("{}{text}", " ".repeat(columns.saturating_sub(width(text))))
}
