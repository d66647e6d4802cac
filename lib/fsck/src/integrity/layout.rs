//! Which sequence goes to which page, and how it is made durable.
//!
//! ```text
//! page 0            header: the parameters, written once
//! page 1, page 2    checkpoints: of the odd sequences in page 2, of the even ones in page 1
//! page 3 ...        five regions of equal length, one for each method; the last may be longer,
//!                   and the pages beyond its length are formatted and never written again
//! ```
//!
//! Sequence 1 goes to the first page of the first region, 2 to the first page of the second, 6 to the
//! second page of the first, and so on, round and round. The regions have descriptors of their own
//! because `O_SYNC` and `O_DSYNC` are properties of a descriptor, and what is written is locked through
//! the descriptor that writes it.

use serde::{Deserialize, Serialize};

/// The pages if nobody says how many: 1 GiB.
pub const PAGES_DEFAULT: u64 = 262_144;
/// The fewest pages, and what their number is a multiple of.
pub const PAGES_MIN: u64 = 16;
/// The first page of the first region.
pub(crate) const FIRST: u64 = 3;

/// The number of pages for a number that was asked for: rounded up to a multiple of 16. `None` if it is
/// 0, or if the file would be longer than a file can be.
pub fn round_pages(pages: u64) -> Option<u64> {
    let rounded = pages.checked_next_multiple_of(PAGES_MIN)?;
    let bytes = rounded.checked_mul(u64::from(miqm_types::PAGE_BYTES))?;
    (pages > 0 && i64::try_from(bytes).is_ok()).then_some(rounded)
}

/// How something was made durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum Method {
    /// `fsync(2)` after the write.
    Fsync = 1,
    /// `fdatasync(2)` after the write.
    Fdatasync = 2,
    /// A write with `RWF_DSYNC`.
    Rwf = 3,
    /// A descriptor opened with `O_DSYNC`.
    Odsync = 4,
    /// A descriptor opened with `O_SYNC`.
    Osync = 5,
}

impl Method {
    /// Every one, in the order of the regions.
    pub const ALL: [Self; 5] = [Self::Fsync, Self::Fdatasync, Self::Rwf, Self::Odsync, Self::Osync];
    /// Those that work on any descriptor.
    pub(crate) const ANYWHERE: [Self; 3] = [Self::Fsync, Self::Fdatasync, Self::Rwf];

    /// As people write it.
    pub fn words(self) -> &'static str {
        match self {
            Self::Fsync => "fsync",
            Self::Fdatasync => "fdatasync",
            Self::Rwf => "RWF_DSYNC",
            Self::Odsync => "O_DSYNC",
            Self::Osync => "O_SYNC",
        }
    }

    /// The file that is made durable in this way only.
    pub fn file(self) -> &'static str {
        match self {
            Self::Fsync => "amqmfsck.fsync",
            Self::Fdatasync => "amqmfsck.fdatasync",
            Self::Rwf => "amqmfsck.rwf",
            Self::Odsync => "amqmfsck.odsync",
            Self::Osync => "amqmfsck.osync",
        }
    }

    /// The id of the check that is about it.
    pub fn check(self) -> &'static str {
        match self {
            Self::Fsync => "int.fsync",
            Self::Fdatasync => "int.fdatasync",
            Self::Rwf => "int.rwf",
            Self::Odsync => "int.odsync",
            Self::Osync => "int.osync",
        }
    }

    /// From what stands in a file.
    pub(crate) fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|method| *method as u8 == byte)
    }

    pub(crate) fn at(self) -> usize {
        self as usize - 1
    }
}

/// The geometry of a data file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    pages: u64,
}

impl Layout {
    /// Of a file of so many pages; `None` if that is no number of pages.
    pub(crate) fn of(pages: u64) -> Option<Self> {
        (round_pages(pages) == Some(pages)).then_some(Self { pages })
    }

    pub(crate) fn pages(self) -> u64 {
        self.pages
    }

    /// The pages of a region.
    pub(crate) fn region(self) -> u64 {
        (self.pages - FIRST) / 5
    }

    /// The first page of the region of a method.
    pub(crate) fn region_start(self, method: Method) -> u64 {
        FIRST + self.region() * method.at() as u64
    }

    /// How many sequences it takes to come round.
    pub(crate) fn lap(self) -> u64 {
        self.region() * 5
    }

    /// The page of a sequence, which is at least 1.
    pub(crate) fn page(self, sequence: u64) -> u64 {
        let (n, method) = (sequence.saturating_sub(1), Self::method(sequence));
        self.region_start(method) + n / 5 % self.region()
    }

    /// Which record of the file of its method a sequence is, from 0.
    pub(crate) fn place(sequence: u64) -> u64 {
        sequence.saturating_sub(1) / 5
    }

    /// The sequence of a record of the file of a method.
    pub(crate) fn sequence_of(method: Method, place: u64) -> u64 {
        place.saturating_mul(5).saturating_add(method.at() as u64 + 1)
    }

    /// How a sequence is made durable.
    pub(crate) fn method(sequence: u64) -> Method {
        Method::ALL[usize::try_from(sequence.saturating_sub(1) % 5).unwrap_or_default()]
    }

    /// The last sequence, up to `last`, that went to a page; `None` if none did.
    pub(crate) fn sequence(self, page: u64, last: u64) -> Option<u64> {
        let at = page.checked_sub(FIRST)?;
        let (method, place) = (at / self.region(), at % self.region());
        if method >= 5 {
            return None;
        }
        let first = place * 5 + method + 1;
        let laps = last.checked_sub(first)? / self.lap();
        Some(first + laps * self.lap())
    }

    /// The checkpoint page of a sequence.
    pub(crate) fn checkpoint(sequence: u64) -> u64 {
        1 + sequence % 2
    }

    /// How the log record and the checkpoint of a sequence are made durable.
    pub(crate) fn small_method(sequence: u64) -> Method {
        Method::ANYWHERE[Self::small_place(sequence)]
    }

    /// The place of that in [`Method::ANYWHERE`].
    pub(crate) fn small_place(sequence: u64) -> usize {
        usize::try_from(sequence % 3).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_pages_is_a_multiple_of_sixteen() {
        assert_eq!(round_pages(0), None);
        assert_eq!(round_pages(1), Some(16));
        assert_eq!(round_pages(17), Some(32));
        assert_eq!(round_pages(PAGES_DEFAULT), Some(PAGES_DEFAULT));
        assert_eq!(round_pages(u64::MAX), None);
        assert_eq!(round_pages(i64::MAX.unsigned_abs() / 4096 + 1), None);
    }

    #[test]
    fn every_page_knows_its_last_sequence() {
        for pages in [16, 32, 48, 4096] {
            let layout = Layout::of(pages).unwrap();
            assert!(layout.region_start(Method::Osync) + layout.region() <= pages);
            for last in [0, 1, 4, 5, 6, 9, 10, 11, 37, 100, 1001] {
                let mut expected = std::collections::BTreeMap::new();
                for sequence in 1..=last {
                    expected.insert(layout.page(sequence), sequence);
                    assert_eq!(
                        layout.region_start(Layout::method(sequence)),
                        layout.page(sequence) - (sequence - 1) / 5 % layout.region()
                    );
                }
                for sequence in 1..=last {
                    let (method, place) = (Layout::method(sequence), Layout::place(sequence));
                    assert_eq!(Layout::sequence_of(method, place), sequence);
                }
                for page in 0..pages {
                    assert_eq!(layout.sequence(page, last), expected.get(&page).copied());
                }
            }
        }
    }
}
