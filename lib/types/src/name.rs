//! Names of queue managers, objects and channels.

use std::fmt::{self, Write as _};
use std::str::FromStr;

/// Why a name is not one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadName {
    /// Nothing was given.
    #[error("the name is empty")]
    Empty,
    /// More bytes than the kind of name may have.
    #[error("the name is {len_bytes} bytes long; the limit is {max_bytes}")]
    TooLong {
        /// How long it is, in bytes.
        len_bytes: usize,
        /// How long it may be, in bytes.
        max_bytes: usize,
    },
    /// A character outside `A-Z a-z 0-9 . / _ %`.
    #[error("the character {found:?} is not allowed in a name")]
    Forbidden {
        /// The first such character.
        found: char,
    },
}

fn check(text: &str, max_bytes: usize) -> Result<(), BadName> {
    if text.is_empty() {
        return Err(BadName::Empty);
    }
    if let Some(found) =
        text.chars().find(|c| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '/' | '_' | '%')))
    {
        return Err(BadName::Forbidden { found });
    }
    if text.len() > max_bytes {
        return Err(BadName::TooLong { len_bytes: text.len(), max_bytes });
    }
    Ok(())
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $max:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Box<str>);

        impl $name {
            /// The longest name, in bytes.
            pub const LEN_MAX: usize = $max;

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = BadName;

            fn from_str(text: &str) -> Result<Self, BadName> {
                check(text, Self::LEN_MAX)?;
                Ok(Self(text.into()))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    };
}

name! {
    /// The name of a queue manager: 1 to 48 bytes of `A-Z a-z 0-9 . / _ %`.
    QmgrName, 48
}
name! {
    /// The name of a queue, process, namelist, topic, listener, service or authentication object.
    ObjectName, 48
}
name! {
    /// The name of a channel.
    ChannelName, 20
}

impl QmgrName {
    /// The directory component to try first at creation: `.` becomes `!` and `/` becomes `&`.
    ///
    /// No two names give the same component, because neither `!` nor `&` can be in a name. On
    /// shared and default storage only creation may call this, everyone else reads the directory
    /// from the registry; the runtime directory is always named so.
    pub fn to_dir_component(&self) -> String {
        self.0.replace('.', "!").replace('/', "&")
    }

    /// The name between `@` and `.service` in a unit of systemd, as `systemd-escape` writes it: `/` becomes
    /// `-`; a `.` at the beginning and whatever else a unit cannot have becomes `\x` and two digits.
    ///
    /// No two names give the same, because `-` and `\` cannot be in a name. At most four bytes for each of
    /// the name.
    pub fn to_unit_instance(&self) -> String {
        let mut escaped = String::with_capacity(self.0.len());
        for (at, byte) in self.0.bytes().enumerate() {
            match byte {
                b'/' => escaped.push('-'),
                b'.' if at > 0 => escaped.push('.'),
                b'_' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => escaped.push(char::from(byte)),
                _ => write!(escaped, "\\x{byte:02x}").expect("a string takes all"),
            }
        }
        escaped
    }

    /// The name of which [`QmgrName::to_unit_instance`] makes this; `None` if it makes it of none.
    pub fn from_unit_instance(text: &str) -> Option<Self> {
        let mut name = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(character) = rest.chars().next() {
            rest = &rest[character.len_utf8()..];
            match (character, rest.strip_prefix('x').and_then(|digits| digits.get(..2))) {
                ('-', _) => name.push('/'),
                ('\\', Some(digits)) => {
                    name.push(char::from(u8::from_str_radix(digits, 16).ok()?));
                    rest = &rest[3..];
                }
                _ => name.push(character),
            }
        }
        let name: Self = name.parse().ok()?;
        (name.to_unit_instance() == text).then_some(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_to_the_character_set_and_the_limit() {
        assert_eq!("QM1".parse::<QmgrName>().unwrap().as_str(), "QM1");
        assert_eq!("".parse::<QmgrName>(), Err(BadName::Empty));
        assert_eq!("a b".parse::<QmgrName>(), Err(BadName::Forbidden { found: ' ' }));
        assert_eq!("a-b".parse::<QmgrName>(), Err(BadName::Forbidden { found: '-' }));
        assert_eq!("a\u{e9}".parse::<QmgrName>(), Err(BadName::Forbidden { found: '\u{e9}' }));
        assert!("x".repeat(48).parse::<QmgrName>().is_ok());
        assert_eq!(
            "x".repeat(49).parse::<QmgrName>(),
            Err(BadName::TooLong { len_bytes: 49, max_bytes: 48 })
        );
        assert!("x".repeat(21).parse::<ChannelName>().is_err());
    }

    #[test]
    fn a_unit_is_named_as_systemd_escape_does() {
        let unit = |name: &str| name.parse::<QmgrName>().unwrap().to_unit_instance();
        assert_eq!(unit("QM1"), "QM1");
        assert_eq!(unit("QM.1/PAY_2"), "QM.1-PAY_2");
        assert_eq!(unit("./.a"), r"\x2e-.a");
        assert_eq!(unit(".."), r"\x2e.");
        assert_eq!(unit("%I"), r"\x25I");
        assert_eq!(unit(&"%".repeat(48)).len(), 192);
    }

    #[test]
    fn a_unit_instance_has_the_name_that_it_was_made_of() {
        for name in ["QM1", "QM.1/PAY_2", "./.a", "..", "%I", "%%%"] {
            let name: QmgrName = name.parse().unwrap();
            assert_eq!(QmgrName::from_unit_instance(&name.to_unit_instance()), Some(name));
        }
        // Of the first of these systemd-escape makes something else.
        for text in
            [".a", r"\x41", r"\x2", r"\x\u{e9}", "\u{e9}", r"\xg0", r"\", "a b", "a/b", "", r"\x2E"]
        {
            assert_eq!(QmgrName::from_unit_instance(text), None, "{text}");
        }
    }

    #[test]
    fn a_directory_component_has_neither_dot_nor_slash() {
        let dir = |name: &str| name.parse::<QmgrName>().unwrap().to_dir_component();
        assert_eq!(dir("a/b"), "a&b");
        assert_eq!(dir(".."), "!!");
        assert_eq!(dir("queue.manager"), "queue!manager");
    }
}
