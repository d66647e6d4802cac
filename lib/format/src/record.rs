//! A record of the recovery log.
//!
//! ```text
//! offset  bytes  field       meaning
//!      0      4  checksum    CRC-32C, seeded with the log's salt, of all else: header, body, padding
//!      4      4  body_bytes  length of the body that follows, at most [`BODY_BYTES_MAX`]
//!      8      2  kind        what the body holds, see [`Kind`]
//!     10      2  pad_bytes   length of the padding after the body, at most [`PAD_BYTES_MAX`]
//!     12      1  version     1
//!     13      1  flags       bit 0: the last record of its write batch
//!     14      2  reserved    0
//!     16      8  lsn         this record's own position
//!     24      8  batch_lsn   position of the first record of its write batch
//!     32      8  uow         unit of work; 0 for none
//!     40      8  uow_prev    position of the record before it in its unit of work; 0 for none
//!     48      8  epoch       the epoch that wrote it
//!     56      8  time        wall clock, microseconds since 1970 UTC; for people only
//! ```
//! All integers are little-endian. Records are a multiple of 8 bytes long. A *batch* is what was
//! written with one write and made durable with one sync: it starts on a page, and its last record
//! is padded to the end of a page, so every byte of a written page is covered by a checksum. The
//! checksum covers `lsn`, so a record left over from an earlier use of an extent does not verify;
//! it is seeded with a random number of the queue manager, so the body of a message cannot forge
//! a record. A stuck or lost sector does not verify either.

use miqm_types::{Epoch, Lsn, PAGE_BYTES, UtcTime};
use zerocopy::little_endian::{I64, U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// The size of a record's header, in bytes. On disk.
pub const HEADER_BYTES: usize = 64;
/// The longest body, in bytes: a whole record is at most 128 KiB before padding. On disk.
pub const BODY_BYTES_MAX: usize = 128 * 1024 - HEADER_BYTES;
/// The longest padding, in bytes. On disk.
pub const PAD_BYTES_MAX: usize = PAGE_BYTES as usize + 8;
/// The longest record with header and padding, in bytes. On disk.
pub const RECORD_BYTES_MAX: usize = HEADER_BYTES + BODY_BYTES_MAX + PAD_BYTES_MAX;
/// The largest write batch, in bytes. On disk: damage is told from a torn tail with it.
pub const BATCH_BYTES_MAX: usize = 1024 * 1024;
/// The version of the record format. On disk.
pub const VERSION: u8 = 1;

const FLAG_LAST: u8 = 1;
const ALIGN: usize = 8;

/// What a record's body holds: a number that is never used for anything else.
///
/// The log knows only its own kinds; the others belong to the engine. A kind without a name here
/// still decodes, so that an older tool can list a newer log.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Kind(pub u16);

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $text:literal;)*) => {
        impl Kind {
            $($(#[$doc])* pub const $name: Self = Self($number);)*

            /// Every kind that has a name, ascending.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The name of the kind, or `None` if this version knows none.
            pub fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($number => Some($text),)*
                    _ => None,
                }
            }
        }
    };
}

kinds! {
    /// The first record of an extent; body: [`ExtentStart`](super::extent::ExtentStart).
    EXTENT_START = 1, "ExtentStart";
    /// The first record of an epoch; the body is the instance's.
    EPOCH_START = 2, "EpochStart";
    /// A checkpoint begins; the body is the engine's.
    CHECKPOINT_BEGIN = 3, "CheckpointBegin";
    /// The checkpoint that began at the position in the body is complete.
    CHECKPOINT_END = 4, "CheckpointEnd";
    /// An object is defined.
    OBJECT_DEFINE = 16, "ObjectDefine";
    /// An object is altered.
    OBJECT_ALTER = 17, "ObjectAlter";
    /// An object is deleted.
    OBJECT_DELETE = 18, "ObjectDelete";
    /// The queue manager's attributes change.
    QMGR_ATTRIBUTES = 19, "QmgrAttributes";
    /// A persistent message is put.
    PUT = 32, "Put";
    /// A persistent message is got destructively.
    GET = 33, "Get";
    /// A unit of work commits.
    COMMIT = 34, "Commit";
    /// A unit of work backs out.
    BACKOUT = 35, "Backout";
    /// A unit of work is prepared.
    PREPARE = 36, "Prepare";
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.name() {
            Some(name) => f.pad(name),
            None => write!(f, "Kind{}", self.0),
        }
    }
}

impl std::fmt::Debug for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self}")
    }
}

#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct RawHeader {
    checksum: U32,
    body_bytes: U32,
    kind: U16,
    pad_bytes: U16,
    version: u8,
    flags: u8,
    reserved: U16,
    lsn: U64,
    batch_lsn: U64,
    uow: U64,
    uow_prev: U64,
    epoch: U64,
    time: I64,
}

const _: () = assert!(size_of::<RawHeader>() == HEADER_BYTES);

/// What a record says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordHeader {
    /// What the body holds.
    pub kind: Kind,
    /// Whether it is the last of its write batch.
    pub last: bool,
    /// Its position.
    pub lsn: Lsn,
    /// The position of the first record of its write batch.
    pub batch_lsn: Lsn,
    /// Its unit of work; 0 for none.
    pub uow: u64,
    /// The record before it in its unit of work; [`Lsn::ZERO`] for none.
    pub uow_prev: Lsn,
    /// The epoch that wrote it.
    pub epoch: Epoch,
    /// When it was logged, by the wall clock.
    pub time: UtcTime,
}

/// A record that has been checked, borrowed from the bytes it was read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// What it says about itself.
    pub header: RecordHeader,
    /// What it holds.
    pub body: &'a [u8],
    /// Its length in the log, with header and padding, in bytes.
    pub total_bytes: usize,
    /// Its checksum, for people: it has been verified.
    pub checksum: u32,
}

impl Record<'_> {
    /// The position after it: of the next record, if there is one in this extent.
    pub fn end(&self) -> Lsn {
        Lsn(self.header.lsn.0.saturating_add(self.total_bytes as u64))
    }
}

/// Why bytes are not a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadRecord {
    /// Not enough bytes for the header, or for what the header announces.
    #[error("it is cut short")]
    Short,
    /// Longer than any record may be, or not a multiple of 8 bytes.
    #[error("its length is impossible")]
    Length,
    /// The checksum does not fit the bytes.
    #[error("its checksum does not match")]
    Checksum,
    /// A version of the record format that this program does not know.
    #[error("its format version {0} is unknown")]
    Version(u8),
    /// Unknown flags or a used reserved field.
    #[error("it has unknown flags")]
    Flags,
    /// It belongs to another position.
    #[error("it belongs to position {0}")]
    Position(Lsn),
}

impl<'a> Record<'a> {
    /// Reads the record that should be at position `at`.
    ///
    /// # Errors
    ///
    /// [`BadRecord`] with the first thing found wrong. Nothing is trusted before the checksum,
    /// except the lengths, which are bounded first.
    pub fn decode(at: Lsn, salt: u32, bytes: &'a [u8]) -> Result<Self, BadRecord> {
        let (raw, rest) = RawHeader::ref_from_prefix(bytes).map_err(|_| BadRecord::Short)?;
        let body_bytes = raw.body_bytes.get() as usize;
        let pad_bytes = usize::from(raw.pad_bytes.get());
        if body_bytes > BODY_BYTES_MAX || pad_bytes > PAD_BYTES_MAX {
            return Err(BadRecord::Length);
        }
        let total_bytes = HEADER_BYTES + body_bytes + pad_bytes;
        if !total_bytes.is_multiple_of(ALIGN) {
            return Err(BadRecord::Length);
        }
        let covered = bytes.get(4..total_bytes).ok_or(BadRecord::Short)?;
        if crc32c::crc32c_append(salt, covered) != raw.checksum.get() {
            return Err(BadRecord::Checksum);
        }
        if raw.version != VERSION {
            return Err(BadRecord::Version(raw.version));
        }
        if raw.flags & !FLAG_LAST != 0 || raw.reserved.get() != 0 {
            return Err(BadRecord::Flags);
        }
        let header = raw.header();
        if header.lsn != at {
            return Err(BadRecord::Position(header.lsn));
        }
        let body = rest.get(..body_bytes).ok_or(BadRecord::Short)?;
        Ok(Self { header, body, total_bytes, checksum: raw.checksum.get() })
    }

    /// The length a record would have by its first [`HEADER_BYTES`] bytes, unverified; `None` if
    /// they cannot begin a record. Tells a reader how much to read before [`Record::decode`].
    pub fn announced_bytes(bytes: &[u8]) -> Option<usize> {
        let (raw, _) = RawHeader::ref_from_prefix(bytes).ok()?;
        let body_bytes = raw.body_bytes.get() as usize;
        let pad_bytes = usize::from(raw.pad_bytes.get());
        let total_bytes = HEADER_BYTES + body_bytes + pad_bytes;
        let good = body_bytes <= BODY_BYTES_MAX
            && pad_bytes <= PAD_BYTES_MAX
            && total_bytes.is_multiple_of(ALIGN);
        good.then_some(total_bytes)
    }

    /// Whether bytes that might be a record name position `at` as their own, unverified: a cheap
    /// test before [`Record::decode`] for a search.
    pub fn claims(at: Lsn, bytes: &[u8]) -> bool {
        bytes.get(16..24).is_some_and(|lsn| lsn == at.0.to_le_bytes())
    }
}

impl RawHeader {
    fn header(&self) -> RecordHeader {
        RecordHeader {
            kind: Kind(self.kind.get()),
            last: self.flags & FLAG_LAST != 0,
            lsn: Lsn(self.lsn.get()),
            batch_lsn: Lsn(self.batch_lsn.get()),
            uow: self.uow.get(),
            uow_prev: Lsn(self.uow_prev.get()),
            epoch: Epoch(self.epoch.get()),
            time: UtcTime(self.time.get()),
        }
    }
}

/// The length of a record with a body of `body_bytes`, without padding to a page, in bytes.
pub const fn record_bytes(body_bytes: usize) -> usize {
    (HEADER_BYTES + body_bytes).next_multiple_of(ALIGN)
}

/// Appends a record to `out`, without its checksum: see [`seal`]. Returns its length in bytes.
///
/// # Panics
///
/// If the body is longer than [`BODY_BYTES_MAX`].
pub fn encode(header: &RecordHeader, body: &[u8], out: &mut Vec<u8>) -> usize {
    assert!(body.len() <= BODY_BYTES_MAX, "the body of a log record fits");
    let total_bytes = record_bytes(body.len());
    let pad_bytes = total_bytes - HEADER_BYTES - body.len();
    let raw = RawHeader {
        checksum: U32::ZERO,
        body_bytes: u32_of(body.len()),
        kind: U16::new(header.kind.0),
        pad_bytes: u16_of(pad_bytes),
        version: VERSION,
        flags: if header.last { FLAG_LAST } else { 0 },
        reserved: U16::ZERO,
        lsn: U64::new(header.lsn.0),
        batch_lsn: U64::new(header.batch_lsn.0),
        uow: U64::new(header.uow),
        uow_prev: U64::new(header.uow_prev.0),
        epoch: U64::new(header.epoch.0),
        time: I64::new(header.time.0),
    };
    out.extend_from_slice(raw.as_bytes());
    out.extend_from_slice(body);
    out.extend_from_slice(&[0; ALIGN][..pad_bytes]);
    total_bytes
}

/// Computes the checksum of a record that [`encode`] wrote; `record` is exactly the record.
///
/// # Panics
///
/// If `record` is shorter than a header.
pub fn seal(salt: u32, record: &mut [u8]) {
    let checksum = crc32c::crc32c_append(salt, &record[4..]);
    record[..4].copy_from_slice(&checksum.to_le_bytes());
}

/// Makes the record at `start`, the last in `batch`, the end of the write batch: pads it to the
/// end of a page and computes its checksum.
///
/// # Panics
///
/// If there is no record that [`encode`] wrote at `start`.
pub fn seal_last(salt: u32, batch: &mut Vec<u8>, start: usize) {
    batch.resize(batch.len().next_multiple_of(PAGE_BYTES as usize), 0);
    let record = &mut batch[start..];
    let total_bytes = record.len();
    let (raw, _) = RawHeader::mut_from_prefix(record).expect("a whole header");
    raw.flags |= FLAG_LAST;
    raw.pad_bytes = u16_of(total_bytes - HEADER_BYTES - raw.body_bytes.get() as usize);
    seal(salt, record);
}

fn u32_of(n: usize) -> U32 {
    U32::new(u32::try_from(n).expect("a body length fits 32 bits"))
}

fn u16_of(n: usize) -> U16 {
    U16::new(u16::try_from(n).expect("a padding length fits 16 bits"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doc_table;

    const SALT: u32 = 0x5eed_cafe;

    fn sample() -> RecordHeader {
        RecordHeader {
            kind: Kind::PUT,
            last: false,
            lsn: Lsn(0x1_0040),
            batch_lsn: Lsn(0x1_0000),
            uow: 7,
            uow_prev: Lsn(0x9000),
            epoch: Epoch(3),
            time: UtcTime(1_700_000_000_000_000),
        }
    }

    fn encoded(header: &RecordHeader, body: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        encode(header, body, &mut out);
        seal(SALT, &mut out);
        out
    }

    #[test]
    fn the_table_is_the_struct() {
        let fields = doc_table::fields!(RawHeader {
            checksum,
            body_bytes,
            kind,
            pad_bytes,
            version,
            flags,
            reserved,
            lsn,
            batch_lsn,
            uow,
            uow_prev,
            epoch,
            time
        });
        assert_eq!(doc_table::parse(include_str!("record.rs")), fields);
    }

    #[test]
    fn golden_bytes() {
        let bytes = encoded(&sample(), b"hello");
        let hex = doc_table::hex(&bytes);
        assert_eq!(
            hex,
            concat!(
                "5e67eeb105000000200003000100000040000100000000000000010000000000",
                "07000000000000000090000000000000030000000000000000401e18240a0600",
                "68656c6c6f000000",
            )
        );
    }

    #[test]
    fn a_record_reads_as_it_was_written() {
        for body_bytes in [0, 1, 7, 8, 4000, BODY_BYTES_MAX] {
            let body = vec![0xa5; body_bytes];
            let bytes = encoded(&sample(), &body);
            assert_eq!(bytes.len(), record_bytes(body_bytes));
            assert_eq!(Record::announced_bytes(&bytes), Some(bytes.len()));
            let record = Record::decode(sample().lsn, SALT, &bytes).unwrap();
            assert_eq!(record.header, sample());
            assert_eq!(record.body, body);
            assert_eq!(record.total_bytes, bytes.len());
        }
    }

    #[test]
    fn the_last_record_of_a_batch_fills_its_page() {
        for body_bytes in [0, 5, 3900, 4032, 4033, 5000] {
            let mut batch = Vec::new();
            encode(&sample(), &vec![1; body_bytes], &mut batch);
            seal_last(SALT, &mut batch, 0);
            assert!(batch.len().is_multiple_of(4096));
            let record = Record::decode(sample().lsn, SALT, &batch).unwrap();
            assert!(record.header.last);
            assert_eq!(record.total_bytes, batch.len());
            assert_eq!(record.body.len(), body_bytes);
        }
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_refused() {
        let mut batch = Vec::new();
        encode(&sample(), b"hello", &mut batch);
        seal_last(SALT, &mut batch, 0);
        for bit in 0..batch.len() * 8 {
            let mut bad = batch.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(Record::decode(sample().lsn, SALT, &bad).is_err(), "bit {bit}");
        }
        for len in 0..batch.len() {
            assert!(Record::decode(sample().lsn, SALT, &batch[..len]).is_err(), "cut at {len}");
        }
    }

    #[test]
    fn another_salt_and_another_position_are_refused() {
        let bytes = encoded(&sample(), b"hello");
        assert_eq!(Record::decode(sample().lsn, SALT ^ 1, &bytes), Err(BadRecord::Checksum));
        assert_eq!(
            Record::decode(Lsn(0x2_0040), SALT, &bytes),
            Err(BadRecord::Position(sample().lsn))
        );
        assert!(Record::claims(sample().lsn, &bytes) && !Record::claims(Lsn(8), &bytes));
    }

    #[test]
    fn a_length_is_bounded_before_it_is_used() {
        let mut bytes = encoded(&sample(), b"hello");
        bytes[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(Record::decode(sample().lsn, SALT, &bytes), Err(BadRecord::Length));
        assert_eq!(Record::announced_bytes(&bytes), None);
    }

    #[test]
    fn unknown_versions_flags_and_kinds() {
        let good = encoded(&sample(), b"");
        let with = |at: usize, value: u8| {
            let mut bytes = good.clone();
            bytes[at] = value;
            seal(SALT, &mut bytes);
            Record::decode(sample().lsn, SALT, &bytes).map(|r| r.header.kind)
        };
        assert_eq!(with(12, 2), Err(BadRecord::Version(2)));
        assert_eq!(with(13, 2), Err(BadRecord::Flags));
        assert_eq!(with(14, 1), Err(BadRecord::Flags));
        assert_eq!(with(9, 0x70), Ok(Kind(0x7020)));
        assert_eq!(Kind(0x7020).to_string(), "Kind28704");
        assert_eq!(Kind::EXTENT_START.to_string(), "ExtentStart");
        assert!(Kind::ALL.is_sorted());
    }
}
