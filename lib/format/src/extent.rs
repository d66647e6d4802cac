//! The header page of a log extent, and the body of the first record in it.
//!
//! ```text
//! offset  bytes  field         meaning
//!      0      8  magic         the ASCII letters "MIQMLEXT"
//!      8      4  version       1
//!     12      4  checksum      CRC-32C of the whole page but this field
//!     16     16  qmgr          id of the queue manager
//!     32     16  instance      id of the instance that wrote it
//!     48      8  number        number of the extent, as in its name
//!     56      8  start         position of the first byte of this page
//!     64      8  epoch         the epoch that writes this extent
//!     72      8  created       wall clock, microseconds since 1970 UTC; for people only
//!     80      4  salt          seed of the checksums of the records
//!     84      4  extent_pages  size of the extent, in pages of 4 KiB, this one included
//!     88   4008  unused        0
//! ```
//!
//! The first record, at the second page, is an `ExtentStart` with this body:
//!
//! ```text
//! offset  bytes  field         meaning
//!      0      8  prev_end      where the log before this extent ended; 0 in the first extent
//!      8      8  prev_extent   number of the extent that holds the end of the log before; or 0
//! ```
//! All integers are little-endian. The checksum's place and the way it is computed, the magic and
//! the version are the same in every version of the format, so a newer one is told from damage.

use miqm_types::{Epoch, ExtentNo, InstanceId, Lsn, PAGE_BYTES, QmgrId, UtcTime};
use zerocopy::little_endian::{I64, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::page::{self, BadPage};

/// The version of the extent format. On disk.
pub const VERSION: u32 = 1;
/// The first bytes of an extent. On disk.
pub const MAGIC: [u8; 8] = *b"MIQMLEXT";

#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct RawExtent {
    magic: [u8; 8],
    version: U32,
    checksum: U32,
    qmgr: [u8; 16],
    instance: [u8; 16],
    number: U64,
    start: U64,
    epoch: U64,
    created: I64,
    salt: U32,
    extent_pages: U32,
    unused: [u8; 4008],
}

const _: () = assert!(size_of::<RawExtent>() == PAGE_BYTES as usize);

/// What the header page of an extent says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExtentHeader {
    /// The queue manager it belongs to.
    pub qmgr: QmgrId,
    /// The instance that wrote it.
    pub instance: InstanceId,
    /// Its number, as in its name.
    pub number: ExtentNo,
    /// The position of its first byte.
    pub start: Lsn,
    /// The epoch that writes it.
    pub epoch: Epoch,
    /// When it was made, by the wall clock.
    pub created: UtcTime,
    /// The seed of the checksums of its records.
    pub salt: u32,
    /// Its size, in pages.
    pub extent_pages: u32,
}

impl ExtentHeader {
    /// The header as a page.
    pub fn encode(&self) -> [u8; PAGE_BYTES as usize] {
        let mut raw = RawExtent {
            magic: MAGIC,
            version: U32::new(VERSION),
            checksum: U32::ZERO,
            qmgr: self.qmgr.0,
            instance: self.instance.0,
            number: U64::new(self.number.0),
            start: U64::new(self.start.0),
            epoch: U64::new(self.epoch.0),
            created: I64::new(self.created.0),
            salt: U32::new(self.salt),
            extent_pages: U32::new(self.extent_pages),
            unused: [0; 4008],
        };
        raw.checksum = U32::new(page::checksum(raw.as_bytes()));
        zerocopy::transmute!(raw)
    }

    /// Reads a header page.
    ///
    /// # Errors
    ///
    /// [`BadPage`] with the first thing found wrong.
    pub fn decode(bytes: &[u8]) -> Result<Self, BadPage> {
        let (raw, _) = RawExtent::ref_from_prefix(bytes).map_err(|_| BadPage::Short)?;
        page::verify(raw.as_bytes(), MAGIC, VERSION)?;
        if raw.unused.iter().any(|byte| *byte != 0) {
            return Err(BadPage::Content);
        }
        Ok(Self {
            qmgr: QmgrId(raw.qmgr),
            instance: InstanceId(raw.instance),
            number: ExtentNo(raw.number.get()),
            start: Lsn(raw.start.get()),
            epoch: Epoch(raw.epoch.get()),
            created: UtcTime(raw.created.get()),
            salt: raw.salt.get(),
            extent_pages: raw.extent_pages.get(),
        })
    }
}

#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct RawStart {
    prev_end: U64,
    prev_extent: U64,
}

/// The body of an extent's first record: what the extent continues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExtentStart {
    /// Where the log before this extent ended; [`Lsn::ZERO`] in the first extent of the log.
    ///
    /// In the first extent of an epoch it is the fence: whatever an older epoch wrote past it is
    /// not part of the log.
    pub prev_end: Lsn,
    /// The extent that holds the end of the log before; 0 in the first extent of the log.
    pub prev_extent: ExtentNo,
}

impl ExtentStart {
    /// The length of the body, in bytes. On disk.
    pub const BYTES: usize = size_of::<RawStart>();

    /// The body's bytes.
    pub fn encode(&self) -> [u8; Self::BYTES] {
        zerocopy::transmute!(RawStart {
            prev_end: U64::new(self.prev_end.0),
            prev_extent: U64::new(self.prev_extent.0),
        })
    }

    /// Reads the body of a record that has been checked, or `None` if it is not one.
    pub fn decode(body: &[u8]) -> Option<Self> {
        let raw = RawStart::read_from_bytes(body).ok()?;
        Some(Self {
            prev_end: Lsn(raw.prev_end.get()),
            prev_extent: ExtentNo(raw.prev_extent.get()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doc_table;

    fn sample() -> ExtentHeader {
        ExtentHeader {
            qmgr: QmgrId([0x11; 16]),
            instance: InstanceId([0x22; 16]),
            number: ExtentNo(5),
            start: Lsn(5 << 24),
            epoch: Epoch(3),
            created: UtcTime(1_700_000_000_000_000),
            salt: 0x5eed_cafe,
            extent_pages: 4096,
        }
    }

    #[test]
    fn the_tables_are_the_structs() {
        let source = include_str!("extent.rs");
        let fields = doc_table::fields!(RawExtent {
            magic,
            version,
            checksum,
            qmgr,
            instance,
            number,
            start,
            epoch,
            created,
            salt,
            extent_pages,
            unused
        });
        assert_eq!(doc_table::parse_nth(source, 0), fields);
        let fields = doc_table::fields!(RawStart { prev_end, prev_extent });
        assert_eq!(doc_table::parse_nth(source, 1), fields);
    }

    #[test]
    fn golden_bytes() {
        let hex = doc_table::hex(&sample().encode()[..88]);
        assert_eq!(
            hex,
            concat!(
                "4d49514d4c4558540100000093357f2111111111111111111111111111111111",
                "2222222222222222222222222222222205000000000000000000000500000000",
                "030000000000000000401e18240a0600fecaed5e00100000",
            )
        );
        let start = ExtentStart { prev_end: Lsn(0x1234), prev_extent: ExtentNo(9) };
        assert_eq!(start.encode(), [0x34, 0x12, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn a_header_reads_as_it_was_written() {
        assert_eq!(ExtentHeader::decode(&sample().encode()), Ok(sample()));
        let start = ExtentStart { prev_end: Lsn(0x1234), prev_extent: ExtentNo(9) };
        assert_eq!(ExtentStart::decode(&start.encode()), Some(start));
        assert_eq!(ExtentStart::decode(&start.encode()[..15]), None);
        assert_eq!(ExtentStart::decode(&[0; 17]), None);
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_refused() {
        crate::page::tests::every_flip_and_cut(&sample().encode(), |bytes| {
            ExtentHeader::decode(bytes).is_err()
        });
    }

    #[test]
    fn a_newer_format_is_not_called_damage() {
        let mut bytes = sample().encode();
        bytes[8] = 2;
        let checksum = page::checksum(&bytes);
        bytes[12..16].copy_from_slice(&checksum.to_le_bytes());
        assert_eq!(ExtentHeader::decode(&bytes), Err(BadPage::Newer(2)));
    }
}
