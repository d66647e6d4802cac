//! A page of 4 KiB that is complete by itself: magic, version and checksum in fixed places.
//!
//! ```text
//! offset  bytes  field     meaning
//!      0      8  magic     which structure it is
//!      8      4  version   of that structure's format, from 1
//!     12      4  checksum  CRC-32C of the whole page but this field
//! ```
//! These are the same in every version, so a newer format is told from damage.

use miqm_types::PAGE_BYTES;

/// Why a page is not what it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadPage {
    /// Fewer bytes than a page.
    #[error("it is cut short")]
    Short,
    /// It begins with other bytes.
    #[error("it does not begin with the expected letters")]
    Magic,
    /// The checksum does not fit the bytes.
    #[error("its checksum does not match")]
    Checksum,
    /// Whole, but written by a newer version of this program.
    #[error("its format version {0} is newer than this program")]
    Newer(u32),
    /// Whole, but a field has a value that none may have.
    #[error("a field has an impossible value")]
    Content,
}

/// The checksum of a page: of all its bytes but 12 to 15.
pub(crate) fn checksum(page: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&page[..12]), &page[16..])
}

/// Checks magic, checksum and version of a page, in this order.
pub(crate) fn verify(page: &[u8], magic: [u8; 8], version: u32) -> Result<(), BadPage> {
    if page.len() < PAGE_BYTES as usize {
        return Err(BadPage::Short);
    }
    let page = &page[..PAGE_BYTES as usize];
    if page[..8] != magic {
        return Err(BadPage::Magic);
    }
    let word = |at: usize| u32::from_le_bytes([page[at], page[at + 1], page[at + 2], page[at + 3]]);
    if checksum(page) != word(12) {
        return Err(BadPage::Checksum);
    }
    match word(8) {
        found if found == version => Ok(()),
        found if found > version => Err(BadPage::Newer(found)),
        _ => Err(BadPage::Content),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    /// Asserts that every flipped bit and every cut of a page is refused.
    pub(crate) fn every_flip_and_cut(page: &[u8], refused: impl Fn(&[u8]) -> bool) {
        let mut bad = page.to_vec();
        for bit in 0..bad.len() * 8 {
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(refused(&bad), "bit {bit}");
            bad[bit / 8] ^= 1 << (bit % 8);
        }
        for len in 0..page.len() {
            assert!(refused(&page[..len]), "cut at {len}");
        }
    }
}
