//! What is published: a head, a state as JSON, and messages.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::wire::WIRE_BYTES_MAX;

const MAGIC: [u8; 8] = *b"AMQMFSCK";
/// The version of the head. What it says of states is in the states.
const VERSION: u32 = 1;
/// The bytes of the head: magic, version, length of the rest, number, id, checksum.
pub(crate) const HEAD_BYTES: usize = 48;
/// The longest state, in bytes.
const STATE_BYTES_MAX: usize = 64 * 1024;
/// When a copy has so many bytes of messages that the other one has not taken, it takes no more from its
/// owner.
pub(crate) const MAIL_BYTES: usize = 1 << 20;
/// The longest sheet.
pub(crate) const SHEET_BYTES_MAX: usize =
    HEAD_BYTES + STATE_BYTES_MAX + MAIL_BYTES + WIRE_BYTES_MAX + 1024;

/// The name of a copy: random, and so never that of another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Id(pub [u8; 16]);

impl Id {
    /// A new one.
    ///
    /// # Errors
    ///
    /// If the kernel has no random bytes.
    pub fn random() -> Result<Self, miqm_sys::IoError> {
        miqm_sys::random::bytes16().map(Self)
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for Id {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WRONG: &str = "an id has 32 hexadecimal digits";
        let small = |c: u8| c.is_ascii_digit() || (b'a'..=b'f').contains(&c);
        if text.len() != 32 || !text.bytes().all(small) {
            return Err(WRONG);
        }
        let mut bytes = [0; 16];
        for (at, byte) in bytes.iter_mut().enumerate() {
            let digits = text.get(2 * at..2 * at + 2).ok_or(WRONG)?;
            *byte = u8::from_str_radix(digits, 16).map_err(|_| WRONG)?;
        }
        Ok(Self(bytes))
    }
}

impl TryFrom<String> for Id {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Id> for String {
    fn from(id: Id) -> Self {
        id.to_string()
    }
}

/// A message and its number, counted from 1.
pub(crate) type Letter = (u64, Vec<u8>);

/// What a file of a copy holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sheet {
    pub(crate) id: Id,
    pub(crate) number: u64,
    pub(crate) state: Vec<u8>,
    pub(crate) letters: Vec<Letter>,
}

/// What the head of a sheet says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) number: u64,
    pub(crate) id: Id,
    /// The bytes of the whole sheet.
    pub(crate) bytes: usize,
    sum: u64,
}

impl Head {
    /// The head that `bytes` begin with; `None` if that is none, or one of a sheet that is too long.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let rest = bytes.strip_prefix(&MAGIC)?;
        let (version, rest) = rest.split_first_chunk::<4>()?;
        let (len, rest) = rest.split_first_chunk::<4>()?;
        let (number, rest) = rest.split_first_chunk::<8>()?;
        let (id, rest) = rest.split_first_chunk::<16>()?;
        let sum = rest.first_chunk::<8>()?;
        let bytes = HEAD_BYTES.checked_add(u32::from_le_bytes(*len) as usize)?;
        (u32::from_le_bytes(*version) == VERSION && bytes <= SHEET_BYTES_MAX).then_some(Self {
            number: u64::from_le_bytes(*number),
            id: Id(*id),
            bytes,
            sum: u64::from_le_bytes(*sum),
        })
    }
}

impl Sheet {
    /// The bytes of the file. `None` if there are too many.
    pub(crate) fn to_bytes(&self) -> Option<Vec<u8>> {
        let mut rest = Vec::new();
        rest.extend_from_slice(&u32::try_from(self.state.len()).ok()?.to_le_bytes());
        rest.extend_from_slice(&self.state);
        for (number, letter) in &self.letters {
            rest.extend_from_slice(&number.to_le_bytes());
            rest.extend_from_slice(&u32::try_from(letter.len()).ok()?.to_le_bytes());
            rest.extend_from_slice(letter);
        }
        if self.state.len() > STATE_BYTES_MAX || HEAD_BYTES + rest.len() > SHEET_BYTES_MAX {
            return None;
        }
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&u32::try_from(rest.len()).ok()?.to_le_bytes());
        bytes.extend_from_slice(&self.number.to_le_bytes());
        bytes.extend_from_slice(&self.id.0);
        let sum = sum(&[&bytes, &rest]);
        bytes.extend_from_slice(&sum.to_le_bytes());
        bytes.extend_from_slice(&rest);
        Some(bytes)
    }

    /// The sheet that `bytes` begin with; `None` if there is no whole one.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let head = Head::read(bytes)?;
        let rest = bytes.get(HEAD_BYTES..head.bytes)?;
        if sum(&[bytes.get(..HEAD_BYTES - 8)?, rest]) != head.sum {
            return None;
        }
        let (len, rest) = rest.split_first_chunk::<4>()?;
        let (state, mut rest) = rest.split_at_checked(u32::from_le_bytes(*len) as usize)?;
        let mut letters = Vec::new();
        while !rest.is_empty() {
            let (number, after) = rest.split_first_chunk::<8>()?;
            let (len, after) = after.split_first_chunk::<4>()?;
            let (letter, after) = after.split_at_checked(u32::from_le_bytes(*len) as usize)?;
            letters.push((u64::from_le_bytes(*number), letter.to_vec()));
            rest = after;
        }
        Some(Self { id: head.id, number: head.number, state: state.to_vec(), letters })
    }
}

/// The 64-bit FNV-1a sum: it has to notice halves of two sheets in one, and not an enemy.
fn sum(parts: &[&[u8]]) -> u64 {
    let add = |sum: u64, byte: &u8| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    parts.iter().flat_map(|part| part.iter()).fold(0xcbf2_9ce4_8422_2325, add)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sheet() -> Sheet {
        let letters = vec![(7, b"seven".to_vec()), (8, Vec::new())];
        Sheet { id: Id([9; 16]), number: 3, state: b"{}".to_vec(), letters }
    }

    #[test]
    fn a_sheet_is_read_as_it_was_written_whatever_follows() {
        let mut bytes = sheet().to_bytes().unwrap();
        assert_eq!(Sheet::read(&bytes), Some(sheet()));
        bytes.extend_from_slice(b"the rest of an older one");
        assert_eq!(Sheet::read(&bytes), Some(sheet()));
        assert_eq!(Head::read(&bytes).unwrap().number, 3);
    }

    #[test]
    fn a_sheet_with_any_other_bit_or_a_part_of_it_is_none() {
        let whole = sheet().to_bytes().unwrap();
        for at in 0..whole.len() {
            assert_eq!(Sheet::read(&whole[..at]), None, "{at} bytes");
            for bit in 0..8 {
                let mut bytes = whole.clone();
                bytes[at] ^= 1 << bit;
                assert_eq!(Sheet::read(&bytes), None, "byte {at}, bit {bit}");
            }
        }
    }

    #[test]
    fn a_sheet_that_is_too_long_is_not_begun() {
        let mut bytes = sheet().to_bytes().unwrap();
        bytes[12..16].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(Head::read(&bytes), None);
        let letters = vec![(1, vec![0; SHEET_BYTES_MAX])];
        assert_eq!(Sheet { letters, ..sheet() }.to_bytes(), None);
    }

    #[test]
    fn ids_are_read_as_they_are_written() {
        let id = Id::random().unwrap();
        assert_eq!(id.to_string().parse(), Ok(id));
        for wrong in ["", "12", &"g".repeat(32), &"A".repeat(32), &"+1".repeat(16)] {
            assert!(wrong.parse::<Id>().is_err(), "{wrong}");
        }
        let text = serde_json::to_string(&id).unwrap();
        assert_eq!(serde_json::from_str::<Id>(&text).unwrap(), id);
    }
}
