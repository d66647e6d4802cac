//! Identifiers: of queue managers, instances, boots, hosts, and the epoch.

use std::fmt;
use std::str::FromStr;

/// A text is not 32 hexadecimal digits (dashes are skipped), or not a host name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an identifier")]
pub struct BadId;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; 16]);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{self}")
            }
        }

        impl FromStr for $name {
            type Err = BadId;

            fn from_str(text: &str) -> Result<Self, BadId> {
                parse_hex(text).map(Self)
            }
        }
    };
}

fn parse_hex(text: &str) -> Result<[u8; 16], BadId> {
    let mut bytes = [0; 16];
    let mut digits = 0;
    for c in text.chars().filter(|c| *c != '-') {
        let digit = u8::try_from(c.to_digit(16).ok_or(BadId)?).map_err(|_| BadId)?;
        let byte: &mut u8 = bytes.get_mut(digits / 2).ok_or(BadId)?;
        *byte = *byte << 4 | digit;
        digits += 1;
    }
    if digits == 32 { Ok(bytes) } else { Err(BadId) }
}

id! {
    /// The identity of a queue manager: random, made by its creation, in its data and its log.
    QmgrId
}
id! {
    /// The identity of one running instance: random, made when it starts.
    InstanceId
}
id! {
    /// The kernel's boot id: with it a process id of before the last boot is told from a live one.
    BootId
}

/// The number of an activation: it grows by one each time an instance becomes active.
///
/// Creation is epoch 1. Every durable file belongs to one epoch, and only an instance of that
/// epoch writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub u64);

impl Epoch {
    /// The epoch of the next instance to become active.
    ///
    /// # Panics
    ///
    /// After 2^64 activations.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.checked_add(1).expect("epochs do not run out"))
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A host name as shown in `INSTANCE(...)`: 1 to 64 printable ASCII bytes without blanks and
/// parentheses.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostName(Box<str>);

impl HostName {
    /// The longest name, in bytes: the kernel's own limit.
    pub const LEN_MAX: usize = 64;

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for HostName {
    type Err = BadId;

    fn from_str(text: &str) -> Result<Self, BadId> {
        let good = |c: char| c.is_ascii_graphic() && c != '(' && c != ')';
        if text.is_empty() || text.len() > Self::LEN_MAX || !text.chars().all(good) {
            return Err(BadId);
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_read_what_they_print() {
        let id = QmgrId([0xab; 16]);
        assert_eq!(id.to_string().parse::<QmgrId>(), Ok(id));
        assert_eq!("abababab-abab-abab-abab-abababababab".parse(), Ok(BootId([0xab; 16])));
        assert_eq!("ab".parse::<QmgrId>(), Err(BadId));
        assert_eq!("ab".repeat(17).parse::<QmgrId>(), Err(BadId));
        assert_eq!("zz".repeat(16).parse::<QmgrId>(), Err(BadId));
    }

    #[test]
    fn a_host_name_cannot_forge_an_instance_line() {
        assert!("host1.example".parse::<HostName>().is_ok());
        assert!("a) MODE(Active".parse::<HostName>().is_err());
        assert!("".parse::<HostName>().is_err());
        assert!("h".repeat(65).parse::<HostName>().is_err());
    }
}
