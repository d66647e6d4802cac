//! Values: checked against the table, read from MQSC text and shown as it.

use super::{Attr, Form, Shape, Value};

/// Why a value is not one an attribute can have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadValue {
    /// A text where a number belongs, or the like.
    #[error("the value is not of the attribute's type")]
    Type,
    /// Not a number, and not a keyword that stands for one.
    #[error("the value is neither a number nor a keyword of the attribute")]
    NotNumber,
    /// A number out of range.
    #[error("the number {found} is not between {min} and {max}")]
    Range {
        /// The number.
        found: i64,
        /// The smallest allowed.
        min: i32,
        /// The largest allowed.
        max: i32,
    },
    /// A keyword that the attribute does not have, or twice the same.
    #[error("the value is not a keyword of the attribute")]
    Keyword,
    /// A text that is too long.
    #[error("the text is {len_bytes} bytes long; the limit is {max_bytes}")]
    TooLong {
        /// How long it is, in bytes.
        len_bytes: usize,
        /// How long it may be, in bytes.
        max_bytes: u16,
    },
    /// More entries than the list may have.
    #[error("the list has {found} entries; the limit is {max}")]
    TooMany {
        /// How many there are.
        found: usize,
        /// How many there may be.
        max: u16,
    },
    /// A character that is not allowed in such a text.
    #[error("the character {found:?} is not allowed")]
    Forbidden {
        /// The first such character.
        found: char,
    },
}

impl Attr {
    /// Whether the attribute can have a value.
    ///
    /// # Errors
    ///
    /// [`BadValue`] with the first thing found wrong.
    pub fn check(&self, value: &Value) -> Result<(), BadValue> {
        match (self.shape, value) {
            (Shape::Number { min, max, words }, Value::Int(found)) => {
                let word = words.iter().any(|(_, number)| number == found);
                if word || (min..=max).contains(found) {
                    return Ok(());
                }
                Err(BadValue::Range { found: i64::from(*found), min, max })
            }
            (Shape::Words(words), Value::Int(found)) => {
                let known = words.iter().any(|(_, number)| number == found);
                if known { Ok(()) } else { Err(BadValue::Keyword) }
            }
            (Shape::Flag { .. }, Value::Int(found)) => {
                if matches!(found, 0 | 1) {
                    Ok(())
                } else {
                    Err(BadValue::Keyword)
                }
            }
            (Shape::WordList(words), Value::Ints(found)) => {
                let known = |found: &i32| words.iter().any(|(_, number)| number == found);
                let once = (1..found.len()).all(|at| !found[..at].contains(&found[at]));
                if once && found.iter().all(known) { Ok(()) } else { Err(BadValue::Keyword) }
            }
            (Shape::Text { max_bytes, form }, Value::Text(text)) => {
                check_text(text, max_bytes, form)
            }
            (Shape::TextList { items_max, max_bytes, form }, Value::Texts(texts)) => {
                if texts.len() > usize::from(items_max) {
                    return Err(BadValue::TooMany { found: texts.len(), max: items_max });
                }
                texts.iter().try_for_each(|text| check_text(text, max_bytes, form))
            }
            _ => Err(BadValue::Type),
        }
    }

    /// Reads a value as it stands in a command, without the quotes; for a flag, its keyword.
    /// Keywords are in upper case.
    ///
    /// # Errors
    ///
    /// [`BadValue`] with the first thing found wrong.
    pub fn parse(&self, text: &str) -> Result<Value, BadValue> {
        let value = match self.shape {
            Shape::Number { min, max, words } => {
                Value::Int(word(words, text).map_or_else(|| decimal(text, min, max), Ok)?)
            }
            Shape::Words(words) => Value::Int(word(words, text).ok_or(BadValue::Keyword)?),
            Shape::Flag { on, off } => match text {
                _ if text == on => Value::Int(1),
                _ if text == off => Value::Int(0),
                _ => return Err(BadValue::Keyword),
            },
            Shape::WordList(words) => Value::Ints(
                items(text)
                    .map(|item| word(words, item).ok_or(BadValue::Keyword))
                    .collect::<Result<_, _>>()?,
            ),
            Shape::Text { .. } => Value::Text(text.trim_end_matches(' ').into()),
            Shape::TextList { .. } => Value::Texts(items(text).map(Into::into).collect()),
        };
        self.check(&value)?;
        Ok(value)
    }

    /// The value as MQSC shows it between the parentheses; for a flag, its keyword. A value of
    /// another type than the attribute's is shown as what it is.
    pub fn text_of(&self, value: &Value) -> String {
        let keyword = |words: &'static [super::Word], found: i32| {
            let known = words.iter().find(|(_, number)| *number == found);
            known.map_or_else(|| found.to_string(), |(word, _)| (*word).to_owned())
        };
        match (self.shape, value) {
            (Shape::Number { words, .. } | Shape::Words(words), Value::Int(found)) => {
                keyword(words, *found)
            }
            (Shape::Flag { on, .. }, Value::Int(1)) => on.to_owned(),
            (Shape::Flag { off, .. }, Value::Int(0)) => off.to_owned(),
            (Shape::WordList(words), Value::Ints(found)) => {
                found.iter().map(|found| keyword(words, *found)).collect::<Vec<_>>().join(",")
            }
            _ => show_plain(value),
        }
    }

    /// The attribute and its value as MQSC shows them: `MAXDEPTH(5000)`, `NOSHARE`, `DESCR( )`.
    pub fn show(&self, value: &Value) -> String {
        let text = self.text_of(value);
        match self.shape {
            Shape::Flag { .. } => text,
            _ if text.is_empty() => format!("{}( )", self.keyword),
            _ => format!("{}({text})", self.keyword),
        }
    }
}

/// A value of an attribute that no table knows.
pub(crate) fn show_plain(value: &Value) -> String {
    match value {
        Value::Int(number) => number.to_string(),
        Value::Text(text) => text.to_string(),
        Value::Ints(numbers) => {
            numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
        }
        Value::Texts(texts) => texts.join(","),
    }
}

fn word(words: &[super::Word], text: &str) -> Option<i32> {
    words.iter().find(|(word, _)| *word == text).map(|(_, number)| *number)
}

fn decimal(text: &str, min: i32, max: i32) -> Result<i32, BadValue> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(BadValue::NotNumber);
    }
    // So many digits that no attribute takes the number: which number it is does not matter.
    let found = text.parse::<i64>().unwrap_or(i64::MAX);
    i32::try_from(found).map_err(|_| BadValue::Range { found, min, max })
}

fn items(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(|item| item.trim_matches(' ')).filter(|item| !item.is_empty())
}

fn check_text(text: &str, max_bytes: u16, form: Form) -> Result<(), BadValue> {
    if text.len() > usize::from(max_bytes) {
        return Err(BadValue::TooLong { len_bytes: text.len(), max_bytes });
    }
    let good = |c: char| match form {
        Form::Any => !c.is_control(),
        Form::Name => c.is_ascii_alphanumeric() || matches!(c, '.' | '/' | '_' | '%'),
    };
    match text.chars().find(|c| !good(*c)) {
        Some(found) => Err(BadValue::Forbidden { found }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Kind, by_keyword};
    use super::*;

    fn parse(keyword: &str, text: &str) -> Result<Value, BadValue> {
        by_keyword(Kind::Qlocal, keyword).expect("in the table").parse(text)
    }

    #[test]
    fn values_are_read_by_type_and_within_limits() {
        assert_eq!(parse("MAXDEPTH", "10"), Ok(Value::Int(10)));
        let range = BadValue::Range { found: 1_000_000_000, min: 0, max: 999_999_999 };
        assert_eq!(parse("MAXDEPTH", "1000000000"), Err(range));
        assert_eq!(parse("MAXDEPTH", "ten"), Err(BadValue::NotNumber));
        assert_eq!(parse("MAXDEPTH", ""), Err(BadValue::NotNumber));
        assert!(matches!(parse("MAXDEPTH", &"9".repeat(40)), Err(BadValue::Range { .. })));
        assert_eq!(parse("DEFPSIST", "YES"), Ok(Value::Int(1)));
        assert_eq!(parse("DEFPSIST", "1"), Err(BadValue::Keyword));
        assert_eq!(parse("NOSHARE", "NOSHARE"), Ok(Value::Int(0)));
        assert_eq!(parse("INITQ", "A B"), Err(BadValue::Forbidden { found: ' ' }));
        assert_eq!(parse("DESCR", "a\u{7}"), Err(BadValue::Forbidden { found: '\u{7}' }));
        assert_eq!(
            parse("DESCR", &"x".repeat(65)),
            Err(BadValue::TooLong { len_bytes: 65, max_bytes: 64 })
        );
    }

    #[test]
    fn values_are_shown_as_in_mqsc() {
        let show = |keyword: &str, value: Value| {
            by_keyword(Kind::Qlocal, keyword).expect("in the table").show(&value)
        };
        assert_eq!(show("MAXDEPTH", Value::Int(5000)), "MAXDEPTH(5000)");
        assert_eq!(show("SHARE", Value::Int(0)), "NOSHARE");
        assert_eq!(show("DESCR", Value::Text("".into())), "DESCR( )");
        assert_eq!(show("USAGE", Value::Int(77)), "USAGE(77)");
    }
}
