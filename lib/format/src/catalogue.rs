//! A snapshot of the objects of a queue manager: `objects/C<epoch>-<seq>.cat`.
//!
//! ```text
//! offset  bytes  field         meaning
//!      0      8  magic         the ASCII letters "MIQMCATL"
//!      8      4  version       1
//!     12      4  checksum      CRC-32C of the whole page but this field
//!     16     16  qmgr          id of the queue manager
//!     32      8  epoch         the epoch that wrote it
//!     40      8  seq           number of the snapshot in its epoch, from 1
//!     48      8  begin         every change logged before this position is in it
//!     56      8  entry_bytes   length of the entries, which follow this page
//!     64      4  entries       number of entries
//!     68      4  entries_crc   CRC-32C of all entries
//!     72      8  written       wall clock, microseconds since 1970 UTC; for people only
//!     80      2  level         command level of the queue manager
//!     82   4014  unused        0
//! ```
//! Then the entries, one behind the other and by ascending key of their objects:
//!
//! ```text
//! offset  bytes  field        meaning
//!      0      4  image_bytes  length of the image that follows
//!      4      4  checksum     CRC-32C, seeded with the number of the entry, of length and image
//! ```
//!
//! The image is an [`ObjectImage`](crate::object::ObjectImage). All integers are little-endian. A
//! file is written once: entries, then the page, then it is made durable, and only then does a
//! checkpoint refer to it, with a [`SnapshotRef`]:
//!
//! ```text
//! offset  bytes  field        meaning
//!      0      2  version      1
//!      2      2  level        as in the page
//!      4      4  entries_crc  as in the page
//!      8      8  epoch        as in the page
//!     16      8  seq          as in the page
//! ```
//!
//! So neither a file left over from an interrupted checkpoint nor one put in its place is taken
//! for the one that recovery needs.

use miqm_types::{Epoch, Lsn, PAGE_BYTES, QmgrId, UtcTime};
use zerocopy::little_endian::{I64, U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::object::IMAGE_BYTES_MAX;
use crate::page::{self, BadPage};

/// The first bytes of a snapshot. On disk.
pub const MAGIC: [u8; 8] = *b"MIQMCATL";
/// The version of the snapshot format. On disk.
pub const VERSION: u32 = 1;
/// The size of the page before the entries, in bytes. On disk.
pub const HEADER_BYTES: usize = PAGE_BYTES as usize;
/// The size of an entry without its image, in bytes. On disk.
pub const ENTRY_HEADER_BYTES: usize = 8;
/// The size of a reference, in bytes. On disk.
pub const REF_BYTES: usize = 24;
/// The version of the reference. On disk.
pub const REF_VERSION: u16 = 1;

#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct RawHeader {
    magic: [u8; 8],
    version: U32,
    checksum: U32,
    qmgr: [u8; 16],
    epoch: U64,
    seq: U64,
    begin: U64,
    entry_bytes: U64,
    entries: U32,
    entries_crc: U32,
    written: I64,
    level: U16,
    unused: [u8; 4014],
}

#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct RawEntry {
    image_bytes: U32,
    checksum: U32,
}

#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct RawRef {
    version: U16,
    level: U16,
    entries_crc: U32,
    epoch: U64,
    seq: U64,
}

const _: () = assert!(
    size_of::<RawHeader>() == HEADER_BYTES
        && size_of::<RawEntry>() == ENTRY_HEADER_BYTES
        && size_of::<RawRef>() == REF_BYTES
);

/// What the first page of a snapshot says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotHeader {
    /// The queue manager.
    pub qmgr: QmgrId,
    /// The epoch that wrote it.
    pub epoch: Epoch,
    /// Its number in the epoch, from 1.
    pub seq: u64,
    /// Every change logged before this position is in it.
    pub begin: Lsn,
    /// The length of the entries, in bytes.
    pub entry_bytes: u64,
    /// The number of entries.
    pub entries: u32,
    /// The checksum of all entries.
    pub entries_crc: u32,
    /// When it was written, by the wall clock.
    pub written: UtcTime,
    /// The command level of the queue manager.
    pub level: u16,
}

/// What a checkpoint says of its snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotRef {
    /// The epoch that wrote it.
    pub epoch: Epoch,
    /// Its number in the epoch.
    pub seq: u64,
    /// The checksum of all its entries.
    pub entries_crc: u32,
    /// The command level of the queue manager.
    pub level: u16,
}

/// Why bytes are not an entry of a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadEntry {
    /// The bytes end before the entry does.
    #[error("it is cut short")]
    Short,
    /// Longer than any image may be.
    #[error("its length is impossible")]
    Length,
    /// The checksum does not fit the bytes.
    #[error("its checksum does not match")]
    Checksum,
}

/// The name of a snapshot's file.
pub fn file_name(epoch: Epoch, seq: u64) -> String {
    format!("C{}-{seq}.cat", epoch.0)
}

/// Epoch and number of the snapshot with a file name, or `None` if it is not a snapshot's.
pub fn from_file_name(name: &str) -> Option<(Epoch, u64)> {
    let (epoch, seq) = name.strip_prefix('C')?.strip_suffix(".cat")?.split_once('-')?;
    let (epoch, seq) = (epoch.parse().ok()?, seq.parse().ok()?);
    // Only the one spelling: no sign, no leading zero.
    (file_name(Epoch(epoch), seq) == name).then_some((Epoch(epoch), seq))
}

impl SnapshotHeader {
    /// The page.
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut raw = RawHeader {
            magic: MAGIC,
            version: U32::new(VERSION),
            checksum: U32::ZERO,
            qmgr: self.qmgr.0,
            epoch: U64::new(self.epoch.0),
            seq: U64::new(self.seq),
            begin: U64::new(self.begin.0),
            entry_bytes: U64::new(self.entry_bytes),
            entries: U32::new(self.entries),
            entries_crc: U32::new(self.entries_crc),
            written: I64::new(self.written.0),
            level: U16::new(self.level),
            unused: [0; 4014],
        };
        raw.checksum = U32::new(page::checksum(raw.as_bytes()));
        zerocopy::transmute!(raw)
    }

    /// Reads the page.
    ///
    /// # Errors
    ///
    /// [`BadPage`] with the first thing found wrong.
    pub fn decode(bytes: &[u8]) -> Result<Self, BadPage> {
        let (raw, _) = RawHeader::ref_from_prefix(bytes).map_err(|_| BadPage::Short)?;
        page::verify(raw.as_bytes(), MAGIC, VERSION)?;
        let header = Self {
            qmgr: QmgrId(raw.qmgr),
            epoch: Epoch(raw.epoch.get()),
            seq: raw.seq.get(),
            begin: Lsn(raw.begin.get()),
            entry_bytes: raw.entry_bytes.get(),
            entries: raw.entries.get(),
            entries_crc: raw.entries_crc.get(),
            written: UtcTime(raw.written.get()),
            level: raw.level.get(),
        };
        let least = u64::from(header.entries) * ENTRY_HEADER_BYTES as u64;
        let most = u64::from(header.entries) * (ENTRY_HEADER_BYTES + IMAGE_BYTES_MAX) as u64;
        let possible = (least..=most).contains(&header.entry_bytes);
        if !possible || raw.unused.iter().any(|byte| *byte != 0) {
            return Err(BadPage::Content);
        }
        Ok(header)
    }

    /// What a checkpoint says of this snapshot.
    pub fn reference(&self) -> SnapshotRef {
        let Self { epoch, seq, entries_crc, level, .. } = *self;
        SnapshotRef { epoch, seq, entries_crc, level }
    }
}

impl SnapshotRef {
    /// The reference's bytes.
    pub fn encode(&self) -> [u8; REF_BYTES] {
        zerocopy::transmute!(RawRef {
            version: U16::new(REF_VERSION),
            level: U16::new(self.level),
            entries_crc: U32::new(self.entries_crc),
            epoch: U64::new(self.epoch.0),
            seq: U64::new(self.seq),
        })
    }

    /// Reads a reference; `None` if the bytes are none, or of a newer version.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let raw = RawRef::ref_from_bytes(bytes).ok()?;
        (raw.version.get() == REF_VERSION).then(|| Self {
            epoch: Epoch(raw.epoch.get()),
            seq: raw.seq.get(),
            entries_crc: raw.entries_crc.get(),
            level: raw.level.get(),
        })
    }

    /// The name of the snapshot's file.
    pub fn file_name(&self) -> String {
        file_name(self.epoch, self.seq)
    }
}

/// Appends entry `number`, from 0, to `out`.
///
/// # Panics
///
/// If the image is longer than [`IMAGE_BYTES_MAX`].
pub fn encode_entry(number: u32, image: &[u8], out: &mut Vec<u8>) {
    assert!(image.len() <= IMAGE_BYTES_MAX, "the image of an object is within its limit");
    let image_bytes = u32::try_from(image.len()).expect("an image's length fits 32 bits");
    let checksum = entry_checksum(number, image_bytes, image);
    let raw = RawEntry { image_bytes: U32::new(image_bytes), checksum: U32::new(checksum) };
    out.extend_from_slice(raw.as_bytes());
    out.extend_from_slice(image);
}

/// Reads entry `number` from the start of `bytes`; returns its image and the bytes after it.
///
/// # Errors
///
/// [`BadEntry`] with the first thing found wrong.
pub fn decode_entry(number: u32, bytes: &[u8]) -> Result<(&[u8], &[u8]), BadEntry> {
    let (raw, rest) = RawEntry::ref_from_prefix(bytes).map_err(|_| BadEntry::Short)?;
    let image_bytes = raw.image_bytes.get();
    if image_bytes as usize > IMAGE_BYTES_MAX {
        return Err(BadEntry::Length);
    }
    let (image, rest) = rest.split_at_checked(image_bytes as usize).ok_or(BadEntry::Short)?;
    if entry_checksum(number, image_bytes, image) != raw.checksum.get() {
        return Err(BadEntry::Checksum);
    }
    Ok((image, rest))
}

fn entry_checksum(number: u32, image_bytes: u32, image: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c_append(number, &image_bytes.to_le_bytes()), image)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doc_table;

    fn sample() -> SnapshotHeader {
        SnapshotHeader {
            qmgr: QmgrId([0x11; 16]),
            epoch: Epoch(3),
            seq: 2,
            begin: Lsn(0x0600_1000),
            entry_bytes: 1000,
            entries: 84,
            entries_crc: 0xcafe_f00d,
            written: UtcTime(1_700_000_000_000_000),
            level: 940,
        }
    }

    #[test]
    fn the_tables_are_the_structs() {
        let source = include_str!("catalogue.rs");
        let page = doc_table::fields!(RawHeader {
            magic,
            version,
            checksum,
            qmgr,
            epoch,
            seq,
            begin,
            entry_bytes,
            entries,
            entries_crc,
            written,
            level,
            unused
        });
        assert_eq!(doc_table::parse_nth(source, 0), page);
        let entry = doc_table::fields!(RawEntry { image_bytes, checksum });
        assert_eq!(doc_table::parse_nth(source, 1), entry);
        let reference = doc_table::fields!(RawRef { version, level, entries_crc, epoch, seq });
        assert_eq!(doc_table::parse_nth(source, 2), reference);
    }

    #[test]
    fn golden_bytes() {
        assert_eq!(
            doc_table::hex(&sample().encode()[..96]),
            concat!(
                "4d49514d4341544c01000000c30fb7ff11111111111111111111111111111111",
                "030000000000000002000000000000000010000600000000e803000000000000",
                "540000000df0feca00401e18240a0600ac030000000000000000000000000000",
            )
        );
        assert_eq!(
            doc_table::hex(&sample().reference().encode()),
            "0100ac030df0feca03000000000000000200000000000000"
        );
        let mut entry = Vec::new();
        encode_entry(7, b"image", &mut entry);
        assert_eq!(doc_table::hex(&entry), "050000004938fd86696d616765");
    }

    #[test]
    fn what_is_written_is_read() {
        assert_eq!(SnapshotHeader::decode(&sample().encode()), Ok(sample()));
        let reference = sample().reference();
        assert_eq!(SnapshotRef::decode(&reference.encode()), Some(reference));
        assert_eq!(reference.file_name(), "C3-2.cat");
        let mut bytes = Vec::new();
        encode_entry(0, b"one", &mut bytes);
        encode_entry(1, b"", &mut bytes);
        let (image, rest) = decode_entry(0, &bytes).unwrap();
        assert_eq!(image, b"one");
        assert_eq!(decode_entry(1, rest), Ok((&b""[..], &b""[..])));
        assert_eq!(decode_entry(0, rest), Err(BadEntry::Checksum));
    }

    #[test]
    fn every_flip_and_cut_is_refused() {
        page::tests::every_flip_and_cut(&sample().encode(), |bytes| {
            SnapshotHeader::decode(bytes).is_err()
        });
        let mut entry = Vec::new();
        encode_entry(7, b"image", &mut entry);
        page::tests::every_flip_and_cut(&entry, |bytes| decode_entry(7, bytes).is_err());
        assert_eq!(SnapshotRef::decode(&sample().reference().encode()[1..]), None);
    }

    #[test]
    fn impossible_lengths_are_refused() {
        let header = SnapshotHeader { entry_bytes: 84 * 8 - 1, ..sample() };
        assert_eq!(SnapshotHeader::decode(&header.encode()), Err(BadPage::Content));
        let header = SnapshotHeader { entry_bytes: u64::MAX, ..sample() };
        assert_eq!(SnapshotHeader::decode(&header.encode()), Err(BadPage::Content));
        assert_eq!(decode_entry(0, &[0xff; 32]), Err(BadEntry::Length));
    }

    #[test]
    fn only_a_snapshot_s_name_is_one() {
        assert_eq!(from_file_name("C3-2.cat"), Some((Epoch(3), 2)));
        for bad in ["C3-2.ca", "C03-2.cat", "C+3-2.cat", "C3.cat", "C-2.cat", "c3-2.cat", "C3-.cat"]
        {
            assert_eq!(from_file_name(bad), None, "{bad}");
        }
    }
}
