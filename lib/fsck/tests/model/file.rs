//! The bytes of a file, with holes.

use std::collections::BTreeMap;

pub(crate) const PAGE: u64 = 4096;

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct File {
    pages: BTreeMap<u64, Vec<u8>>,
    pub(crate) size: u64,
}

fn index(at: u64) -> usize {
    usize::try_from(at % PAGE).unwrap()
}

impl File {
    /// What is there, up to the end.
    pub(crate) fn read(&self, at: u64, len: u64) -> Vec<u8> {
        let end = at.saturating_add(len).min(self.size);
        let mut bytes = Vec::new();
        let mut at = at;
        while at < end {
            let n = (PAGE - at % PAGE).min(end - at);
            let from = index(at);
            let n = usize::try_from(n).unwrap();
            match self.pages.get(&(at / PAGE)) {
                Some(page) => bytes.extend_from_slice(&page[from..from + n]),
                None => bytes.resize(bytes.len() + n, 0),
            }
            at += n as u64;
        }
        bytes
    }

    /// Writes, and moves the end if that is behind it.
    pub(crate) fn write(&mut self, at: u64, bytes: &[u8]) {
        let mut at = at;
        let mut left = bytes;
        while !left.is_empty() {
            let n = usize::try_from(PAGE - at % PAGE).unwrap().min(left.len());
            let page = self.pages.entry(at / PAGE).or_insert_with(|| vec![0; 4096]);
            page[index(at)..index(at) + n].copy_from_slice(&left[..n]);
            at += n as u64;
            left = &left[n..];
        }
        self.size = self.size.max(at);
    }

    /// Cuts, or moves the end; `keep` leaves the old bytes behind the new end.
    pub(crate) fn set_size(&mut self, size: u64, keep: bool) {
        if size < self.size && !keep {
            self.pages.retain(|page, _| page * PAGE < size);
            if let Some(page) = self.pages.get_mut(&(size / PAGE)) {
                page[index(size)..].fill(0);
            }
        }
        self.size = size;
    }

    /// Whether anything was ever written in the page of a position.
    pub(crate) fn has(&self, at: u64) -> bool {
        self.pages.contains_key(&(at / PAGE))
    }
}
