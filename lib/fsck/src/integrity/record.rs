//! A record of the log.
//!
//! ```text
//!   0   4  magic
//!   4   1  kind: 1 epoch, 2 sequence, 3 marker, 4 end
//!   5   1  how this record was made durable
//!   6   1  how the page of the sequence is made durable; else 0
//!   7   1  flags: 1 the holder before had ended in order, 2 directories cannot be synced
//!   8   4  epoch
//!  12   4  zero
//!  16   8  sequence: its own, or the last one before
//!  24   8  of a sequence: its page; of a marker: its number; of an epoch: see `extra`
//!  32   8  wall clock of the writer, microseconds since 1970 UTC
//!  40   8  of an epoch: microseconds since the last known sign of the holder before; else 0
//!  48   8  the first half of the run id
//!  56   8  the position of this record in the file
//!  64  56  name of the writer's host, filled up with zeros
//! 120   4  zero
//! 124   4  CRC-32C of all before
//! ```

use super::layout::Method;
use super::page::{PAGE_BYTES, RunId, clip, text, u32_at, u64_at};

/// Bytes of a record.
pub(crate) const RECORD: usize = 128;
/// Bytes of a record, as a length in a file.
pub(crate) const RECORD_BYTES: u64 = 128;
/// Where the first record is: after a header page.
pub(crate) const FIRST_RECORD: u64 = PAGE_BYTES;
/// What an epoch says if it does not know how long it took to take over.
pub(crate) const UNKNOWN: u64 = u64::MAX;
const MAGIC: [u8; 4] = *b"fsk\x02";
const HOST_BYTES: usize = 56;

/// What a record says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Entry {
    /// Somebody took the lock.
    Epoch = 1,
    /// A sequence is about to be written.
    Sequence = 2,
    /// A marker file was made.
    Marker = 3,
    /// The holder ended in order.
    End = 4,
}

/// A record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) entry: Entry,
    pub(crate) own_method: u8,
    pub(crate) page_method: u8,
    pub(crate) flags: u8,
    pub(crate) epoch: u32,
    pub(crate) sequence: u64,
    pub(crate) page: u64,
    pub(crate) time: i64,
    pub(crate) extra: u64,
    pub(crate) offset: u64,
    pub(crate) host: String,
}

impl Record {
    /// The holder before had ended in order.
    pub(crate) const ORDERLY: u8 = 1;
    /// The storage refused to sync a directory, so nothing follows from names that are lost.
    pub(crate) const NO_DIR_SYNC: u8 = 2;

    /// The bytes of it.
    pub(crate) fn bytes(&self, run: &RunId) -> [u8; RECORD] {
        let mut bytes = [0; RECORD];
        bytes[..4].copy_from_slice(&MAGIC);
        bytes[4..8].copy_from_slice(&[
            self.entry as u8,
            self.own_method,
            self.page_method,
            self.flags,
        ]);
        bytes[8..12].copy_from_slice(&self.epoch.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.sequence.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.page.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.time.to_le_bytes());
        bytes[40..48].copy_from_slice(&self.extra.to_le_bytes());
        bytes[48..56].copy_from_slice(&run[..8]);
        bytes[56..64].copy_from_slice(&self.offset.to_le_bytes());
        let host = clip(&self.host, HOST_BYTES);
        bytes[64..64 + host.len()].copy_from_slice(host.as_bytes());
        let sum = crc32c::crc32c(&bytes[..124]);
        bytes[124..].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    /// Reads 128 bytes; `None` if they are no whole record of this run.
    pub(crate) fn read(bytes: &[u8], run: &RunId) -> Option<Self> {
        let whole = bytes.len() == RECORD
            && bytes[..4] == MAGIC
            && bytes[48..56] == run[..8]
            && u32_at(bytes, 124) == crc32c::crc32c(&bytes[..124]);
        let entries = [Entry::Epoch, Entry::Sequence, Entry::Marker, Entry::End];
        let entry = entries.into_iter().find(|entry| whole && *entry as u8 == bytes[4])?;
        Some(Self {
            entry,
            own_method: bytes[5],
            page_method: bytes[6],
            flags: bytes[7],
            epoch: u32_at(bytes, 8),
            sequence: u64_at(bytes, 16),
            page: u64_at(bytes, 24),
            time: i64::from_le_bytes(u64_at(bytes, 32).to_le_bytes()),
            extra: u64_at(bytes, 40),
            offset: u64_at(bytes, 56),
            host: text(&bytes[64..120]),
        })
    }

    /// How it was made durable.
    pub(crate) fn durable_by(&self) -> Option<Method> {
        Method::from_byte(self.own_method)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_comes_back_and_every_flipped_bit_is_noticed() {
        let record = Record {
            entry: Entry::Sequence,
            own_method: 2,
            page_method: 5,
            flags: 0,
            epoch: 3,
            sequence: 0x0102_0304_0506_0708,
            page: 9,
            time: 1_700_000_000_000_000,
            extra: 0,
            offset: 4224,
            host: "here".into(),
        };
        let run = *b"0123456789abcdef";
        let bytes = record.bytes(&run);
        assert_eq!(
            bytes[..24],
            *b"fsk\x02\x02\x02\x05\x00\x03\0\0\0\0\0\0\0\x08\x07\x06\x05\x04\x03\x02\x01"
        );
        assert_eq!(Record::read(&bytes, &run), Some(record));
        assert_eq!(Record::read(&bytes, b"x123456789abcdef"), None);
        for bit in 0..RECORD * 8 {
            let mut bad = bytes;
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Record::read(&bad, &run), None, "bit {bit}");
        }
        assert_eq!(Record::read(&bytes[..127], &run), None);
        assert_eq!(Record::read(&[], &run), None);
    }
}
