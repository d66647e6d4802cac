//! Bytes that say where they belong.
//!
//! A stamp is a word of eight bytes, made of a tag (which file, which generation) and a position. From
//! a wrong word one can therefore tell what went wrong: another generation is a lost or late write,
//! another position is a write that went astray.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The bits of a position, in words.
const INDEX_BITS: u32 = 40;
/// Tags that a check uses; a word with another one is no stamp.
const TAG_MAX: u32 = 0xffff;
/// Makes sure that no stamp is all zeros.
const SHIFT: u64 = 0x9e37_79b9_7f4a_7c15;
const WORD: usize = 8;

/// What a range of a file is meant to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Content {
    /// Zeros.
    Zeros,
    /// Stamps with this tag, 1 to 65535.
    Stamps(u32),
}

/// What was there instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Seen {
    /// Zeros.
    Zeros,
    /// One bit is another.
    Flipped,
    /// A stamp: its tag, and the position that it belongs to.
    Stamp {
        /// Its tag.
        tag: u32,
        /// In bytes.
        at: u64,
    },
    /// Something else.
    Other,
}

/// How a range differs from what it is meant to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// The first byte that differs.
    pub at: u64,
    /// How many do, as far as was looked.
    pub bytes: u64,
    /// What was there instead.
    pub seen: Seen,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, bytes, .. } = self;
        match self.seen {
            Seen::Zeros => write!(f, "{bytes} bytes from {at} on are zeros"),
            Seen::Flipped => write!(f, "a bit of the byte at {at} is another"),
            Seen::Stamp { tag, at: home } if home / 8 == at / 8 => {
                write!(f, "{bytes} bytes from {at} on are of another write (number {tag})")
            }
            Seen::Stamp { tag, at: home } => {
                write!(f, "{bytes} bytes from {at} on belong to byte {home} (of write {tag})")
            }
            Seen::Other => write!(f, "{bytes} bytes from {at} on were never written"),
        }
    }
}

/// The bytes of a range.
pub fn content(content: Content, at: u64, len: usize) -> Vec<u8> {
    let Content::Stamps(tag) = content else { return vec![0; len] };
    let skip = usize::try_from(at % WORD as u64).unwrap_or_default();
    let mut bytes = Vec::with_capacity(skip + len + WORD);
    let mut index = at / WORD as u64;
    while bytes.len() < skip + len {
        bytes.extend_from_slice(&stamp(tag, index).to_le_bytes());
        index += 1;
    }
    bytes.truncate(skip + len);
    bytes.drain(..skip);
    bytes
}

/// How bytes at a position differ from what is meant to be there.
pub fn compare(wanted: Content, at: u64, found: &[u8]) -> Option<Difference> {
    let expected = content(wanted, at, found.len());
    if expected == found {
        return None;
    }
    let first = expected.iter().zip(found).position(|(a, b)| a != b)?;
    let bytes = expected.iter().zip(found).filter(|(a, b)| a != b).count() as u64;
    let at_first = at + first as u64;
    // The whole word, if it is there.
    let start = first.checked_sub(usize::try_from(at_first % WORD as u64).unwrap_or_default());
    let word = |bytes: &[u8]| {
        let part = bytes.get(start?..start? + WORD)?;
        Some(u64::from_le_bytes(part.try_into().ok()?))
    };
    let seen = match (word(found), word(&expected)) {
        (Some(found), Some(expected)) => seen(found, expected, bytes),
        _ if found[first] == 0 => Seen::Zeros,
        _ => Seen::Other,
    };
    Some(Difference { at: at_first, bytes, seen })
}

fn seen(found: u64, expected: u64, bytes: u64) -> Seen {
    if found == 0 {
        return Seen::Zeros;
    }
    if bytes == 1 && (found ^ expected).is_power_of_two() {
        return Seen::Flipped;
    }
    let plain = unmix(found).wrapping_sub(SHIFT);
    match u32::try_from(plain >> INDEX_BITS) {
        Ok(tag) if (1..=TAG_MAX).contains(&tag) => {
            Seen::Stamp { tag, at: (plain & ((1 << INDEX_BITS) - 1)) * WORD as u64 }
        }
        _ => Seen::Other,
    }
}

fn stamp(tag: u32, index: u64) -> u64 {
    let plain = u64::from(tag) << INDEX_BITS | index & ((1 << INDEX_BITS) - 1);
    mix(plain.wrapping_add(SHIFT))
}

/// The last step of splitmix64, which can be undone.
fn mix(mut word: u64) -> u64 {
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

fn unmix(mut word: u64) -> u64 {
    word = (word ^ (word >> 31) ^ (word >> 62)).wrapping_mul(0x3196_42b2_d24d_8ec3);
    word = (word ^ (word >> 27) ^ (word >> 54)).wrapping_mul(0x96de_1b17_3f11_9089);
    word ^ (word >> 30) ^ (word >> 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_part_of_a_range_is_the_same_as_in_the_whole() {
        let whole = content(Content::Stamps(7), 40, 100);
        assert_eq!(content(Content::Stamps(7), 53, 20), whole[13..33]);
        assert_eq!(content(Content::Zeros, 53, 3), [0; 3]);
        assert_eq!(unmix(mix(0x0123_4567_89ab_cdef)), 0x0123_4567_89ab_cdef);
    }

    #[test]
    fn what_went_wrong_is_told() {
        let right = Content::Stamps(3);
        assert_eq!(compare(right, 4096, &content(right, 4096, 999)), None);
        let told = |found: &[u8]| compare(right, 4096, found).unwrap();
        let astray = told(&content(right, 8192, 64));
        assert_eq!(astray.seen, Seen::Stamp { tag: 3, at: 8192 });
        assert!(astray.to_string().ends_with("belong to byte 8192 (of write 3)"), "{astray}");
        let old = told(&content(Content::Stamps(2), 4096, 64));
        assert_eq!(old.seen, Seen::Stamp { tag: 2, at: 4096 });
        assert!(old.to_string().contains("another write (number 2)"), "{old}");
        assert_eq!(told(&[0; 64]).seen, Seen::Zeros);
        let mut flipped = content(right, 4096, 64);
        flipped[33] ^= 4;
        assert_eq!(told(&flipped), Difference { at: 4129, bytes: 1, seen: Seen::Flipped });
        assert_eq!(told(b"garbage that nobody wrote").seen, Seen::Other);
        // Too short to tell.
        assert_eq!(told(&[0; 3]).seen, Seen::Zeros);
        assert_eq!(compare(Content::Zeros, 1, &[0, 0, 9]).unwrap().at, 3);
        assert_eq!(compare(right, 0, &[]), None);
    }
}
