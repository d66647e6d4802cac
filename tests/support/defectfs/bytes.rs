//! What is in a file. Holes take no memory, and a copy shares its pages.

use std::collections::BTreeMap;
use std::sync::Arc;

/// The size of a page, in bytes.
pub(super) const PAGE: u64 = PAGE_BYTES as u64;
const PAGE_BYTES: usize = 4096;

type Whole = Arc<[u8; PAGE_BYTES]>;

/// A page; none is full of zeros.
pub(super) type Page = Option<Whole>;

#[derive(Clone, Debug, Default)]
pub(super) struct Bytes {
    len: u64,
    pages: BTreeMap<u64, Whole>,
}

/// The parts of pages that some bytes are: the page, its first byte and how many.
fn parts(offset: u64, len: u64) -> impl Iterator<Item = (u64, usize, usize)> {
    let mut at = offset;
    std::iter::from_fn(move || {
        let left = (offset + len).checked_sub(at).filter(|left| *left > 0)?;
        let within = at % PAGE;
        let many = left.min(PAGE - within);
        let part = (at / PAGE, usize::try_from(within).ok()?, usize::try_from(many).ok()?);
        at += many;
        Some(part)
    })
}

impl Bytes {
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// How many pages take memory.
    pub(super) fn allocated(&self) -> u64 {
        self.pages.len() as u64
    }

    /// The numbers of the pages that some bytes are in.
    pub(super) fn touched(offset: u64, len: u64) -> impl Iterator<Item = u64> {
        parts(offset, len).map(|(page, ..)| page)
    }

    /// As many bytes as there are up to the end, `size` at most.
    pub(super) fn read(&self, offset: u64, size: u64, hole: u8) -> Vec<u8> {
        let len = size.min(self.len.saturating_sub(offset));
        let mut bytes = Vec::with_capacity(usize::try_from(len).unwrap_or_default());
        for (page, from, many) in parts(offset, len) {
            match self.pages.get(&page) {
                Some(page) => bytes.extend_from_slice(&page[from..from + many]),
                None => bytes.resize(bytes.len() + many, hole),
            }
        }
        bytes
    }

    pub(super) fn write(&mut self, offset: u64, data: &[u8]) {
        let mut rest = data;
        for (number, from, many) in parts(offset, data.len() as u64) {
            let page = self.pages.entry(number).or_insert_with(|| Arc::new([0; PAGE_BYTES]));
            let (now, later) = rest.split_at(many);
            Arc::make_mut(page)[from..from + many].copy_from_slice(now);
            rest = later;
        }
        self.len = self.len.max(offset + data.len() as u64);
    }

    /// Cuts or extends. `keep` leaves what is cut off where it is.
    pub(super) fn set_len(&mut self, len: u64, keep: bool) {
        if len < self.len && !keep {
            drop(self.pages.split_off(&len.div_ceil(PAGE)));
            let tail = usize::try_from(len % PAGE).unwrap_or_default();
            if tail > 0
                && let Some(page) = self.pages.get_mut(&(len / PAGE))
            {
                Arc::make_mut(page)[tail..].fill(0);
            }
        }
        self.len = len;
    }

    pub(super) fn page(&self, number: u64) -> Page {
        self.pages.get(&number).cloned()
    }

    /// Puts a page there as it is. The length stays.
    pub(super) fn set_page(&mut self, number: u64, page: Page) {
        match page {
            Some(page) => drop(self.pages.insert(number, page)),
            None => drop(self.pages.remove(&number)),
        }
    }
}

/// A page whose sectors of 512 bytes are of the one or the other page.
pub(super) fn mixed(one: &Page, other: &Page, of_one: impl Fn(usize) -> bool) -> Whole {
    let zeros = [0; PAGE_BYTES];
    let (one, other) = (one.as_deref().unwrap_or(&zeros), other.as_deref().unwrap_or(&zeros));
    let mut page = *other;
    for (at, sector) in page.chunks_mut(512).enumerate().filter(|(at, _)| of_one(*at)) {
        sector.copy_from_slice(&one[at * 512..(at + 1) * 512]);
    }
    Arc::new(page)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_where_they_were_put_and_zeros_elsewhere() {
        let mut bytes = Bytes::default();
        bytes.write(PAGE - 2, b"abcd");
        assert_eq!(bytes.len(), PAGE + 2);
        assert_eq!(bytes.read(PAGE - 3, 100, 0), b"\0abcd");
        bytes.write(5 << 40, b"far");
        assert_eq!(bytes.allocated(), 3);
        assert_eq!(bytes.read((5 << 40) - 1, 2, 7), [7, b'f'], "a hole, then a page");
        assert_eq!(bytes.read(PAGE * 9, 2, 7), [7, 7], "a hole");
        bytes.set_len(PAGE - 1, false);
        bytes.set_len(PAGE + 1, false);
        assert_eq!(bytes.read(PAGE - 2, 100, 0), b"a\0\0");
        bytes.write(0, b"x");
        bytes.set_len(0, true);
        bytes.set_len(1, true);
        assert_eq!(bytes.read(0, 9, 0), b"x", "kept");
    }

    #[test]
    fn a_mixed_page_has_sectors_of_both() {
        let page = |byte| Some(Arc::new([byte; PAGE_BYTES]));
        let mixed = mixed(&page(1), &page(2), |sector| sector < 3);
        assert_eq!([mixed[0], mixed[1535], mixed[1536], mixed[4095]], [1, 1, 2, 2]);
    }
}
