//! A page: eight sectors, each of which says for itself what it is.
//!
//! ```text
//!   0   8  magic
//!   8  16  run id
//!  24   1  file: 1 data, 2 log, 3 marker
//!  25   1  sector in the page, 0 to 7
//!  26   1  kind
//!  27   1  method by which it was made durable, 0 none
//!  28   4  epoch
//!  32   8  page in the file
//!  40   8  sequence; of a header: the pages that were asked for
//!  48   8  wall clock of the writer, microseconds since 1970 UTC
//!  56   8  of a header: the pages of the data file; of a marker: its number; else 0
//!  64  64  name of the writer's host, filled up with zeros
//! 128 380  bytes that depend on sequence and sector
//! 508   4  CRC-32C of all before
//! ```
//!
//! Numbers have their lowest byte first. What this program never wrote, or wrote elsewhere, or only in
//! part, is known sector by sector.

use crate::call::seeded;

/// Bytes of a page.
pub(crate) const PAGE: usize = 4096;
/// Bytes of a page, as a length in a file.
pub(crate) const PAGE_BYTES: u64 = 4096;
/// Bytes of a sector.
pub(crate) const SECTOR: usize = 512;
/// Sectors of a page.
pub(crate) const SECTORS: usize = PAGE / SECTOR;
/// The last byte is the version of all of these formats.
const MAGIC: [u8; 8] = *b"miqmfsk\x01";
const BODY: usize = 128;
const SUM: usize = 508;
const HOST_BYTES: usize = 64;

/// Names the files of one `-f`.
pub(crate) type RunId = [u8; 16];

/// A file of the test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum File {
    Data = 1,
    Log = 2,
    Marker = 3,
}

/// What a page is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// The header of a file that is complete.
    Header = 1,
    /// The header of a file that is being formatted.
    Begun = 2,
    /// Formatted, and not written since.
    Empty = 3,
    /// A sequence.
    Sequence = 4,
    /// A checkpoint.
    Checkpoint = 5,
    /// A marker file.
    Marker = 6,
}

impl Kind {
    fn from_byte(byte: u8) -> Option<Self> {
        [Self::Header, Self::Begun, Self::Empty, Self::Sequence, Self::Checkpoint, Self::Marker]
            .into_iter()
            .find(|kind| *kind as u8 == byte)
    }
}

/// What a page says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) run: RunId,
    pub(crate) file: File,
    pub(crate) kind: Kind,
    pub(crate) method: u8,
    pub(crate) epoch: u32,
    pub(crate) page: u64,
    pub(crate) sequence: u64,
    pub(crate) time: i64,
    pub(crate) extra: u64,
    pub(crate) host: String,
}

impl Stamp {
    /// Of a page that says nothing but where it is.
    pub(crate) fn new(run: RunId, file: File, kind: Kind, page: u64) -> Self {
        let host = String::new();
        Self { run, file, kind, method: 0, epoch: 0, page, sequence: 0, time: 0, extra: 0, host }
    }

    /// The whole page.
    pub(crate) fn page_bytes(&self) -> Vec<u8> {
        let mut page = vec![0; PAGE];
        for (at, sector) in (0u8..).zip(page.chunks_exact_mut(SECTOR)) {
            self.write_sector(at, sector);
        }
        page
    }

    /// One sector of it, into 512 bytes.
    pub(crate) fn write_sector(&self, at: u8, sector: &mut [u8]) {
        sector[..8].copy_from_slice(&MAGIC);
        sector[8..24].copy_from_slice(&self.run);
        sector[24..28].copy_from_slice(&[self.file as u8, at, self.kind as u8, self.method]);
        sector[28..32].copy_from_slice(&self.epoch.to_le_bytes());
        sector[32..40].copy_from_slice(&self.page.to_le_bytes());
        sector[40..48].copy_from_slice(&self.sequence.to_le_bytes());
        sector[48..56].copy_from_slice(&self.time.to_le_bytes());
        sector[56..64].copy_from_slice(&self.extra.to_le_bytes());
        sector[64..BODY].fill(0);
        let host = clip(&self.host, HOST_BYTES);
        sector[64..64 + host.len()].copy_from_slice(host.as_bytes());
        let seed = self.sequence.wrapping_mul(8).wrapping_add(at.into());
        sector[BODY..SUM].copy_from_slice(&seeded(seed, SUM - BODY));
        let sum = crc32c::crc32c(&sector[..SUM]);
        sector[SUM..].copy_from_slice(&sum.to_le_bytes());
    }
}

/// The beginning of a text that has at most so many bytes.
pub(crate) fn clip(text: &str, bytes: usize) -> &str {
    let mut end = bytes.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// A text filled up with zeros.
pub(crate) fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

/// Numbers in bytes that are known to be long enough.
pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut number = [0; 8];
    number.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(number)
}

/// As [`u64_at`].
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut number = [0; 4];
    number.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(number)
}

/// What 512 bytes are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Sector {
    /// A whole sector of this program, and which of its page.
    Good(Stamp, u8),
    /// Zeros.
    Zero,
    /// It begins as a sector of this program and its checksum is wrong.
    Damaged,
    /// Nothing of this program.
    Foreign,
}

/// Reads 512 bytes.
pub(crate) fn read_sector(bytes: &[u8]) -> Sector {
    if bytes.len() != SECTOR || bytes[..8] != MAGIC {
        let zero = bytes.len() == SECTOR && bytes.iter().all(|byte| *byte == 0);
        return if zero { Sector::Zero } else { Sector::Foreign };
    }
    if u32_at(bytes, SUM) != crc32c::crc32c(&bytes[..SUM]) {
        return Sector::Damaged;
    }
    let file = [File::Data, File::Log, File::Marker].into_iter().find(|f| *f as u8 == bytes[24]);
    let (Some(file), Some(kind)) = (file, Kind::from_byte(bytes[26])) else {
        return Sector::Damaged;
    };
    let mut run = [0; 16];
    run.copy_from_slice(&bytes[8..24]);
    let stamp = Stamp {
        run,
        file,
        kind,
        method: bytes[27],
        epoch: u32_at(bytes, 28),
        page: u64_at(bytes, 32),
        sequence: u64_at(bytes, 40),
        time: i64::from_le_bytes(u64_at(bytes, 48).to_le_bytes()),
        extra: u64_at(bytes, 56),
        host: text(&bytes[64..BODY]),
    };
    Sector::Good(stamp, bytes[25])
}

/// Reads a page of which all sectors say the same and each the place where it is; else `None`.
pub(crate) fn read_whole(bytes: &[u8]) -> Option<Stamp> {
    let mut sectors = bytes.chunks_exact(SECTOR).map(read_sector);
    let Sector::Good(first, 0) = sectors.next()? else { return None };
    let mut others = (1u8..).zip(sectors);
    let whole = bytes.len() == PAGE
        && others.all(
            |(at, sector)| matches!(&sector, Sector::Good(stamp, n) if *n == at && *stamp == first),
        );
    whole.then_some(first)
}

/// Makes the pages of a freshly formatted file, quickly: only the number of a page differs from page to
/// page, and a CRC is linear, so the checksum of a sector is that of page 0 changed by what each byte
/// of the number adds.
#[derive(Debug)]
pub(crate) struct Stencil {
    /// The checksums of the sectors of page 0.
    sums: [u32; SECTORS],
    /// What a byte of the number, by its place and value, adds to the checksum.
    adds: Vec<[u32; 256]>,
}

impl Stencil {
    /// For the data file of a run.
    pub(crate) fn new(run: RunId) -> (Self, Vec<u8>) {
        let page = Stamp::new(run, File::Data, Kind::Empty, 0).page_bytes();
        let mut sums = [0; SECTORS];
        for (sum, sector) in sums.iter_mut().zip(page.chunks_exact(SECTOR)) {
            *sum = u32_at(sector, SUM);
        }
        let mut zeros = [0; SUM];
        let base = crc32c::crc32c(&zeros);
        let mut adds = Vec::with_capacity(8);
        for place in 32..40 {
            let mut add = [0; 256];
            for (value, sum) in (0u8..=255).zip(add.iter_mut()) {
                zeros[place] = value;
                *sum = crc32c::crc32c(&zeros) ^ base;
            }
            zeros[place] = 0;
            adds.push(add);
        }
        (Self { sums, adds }, page)
    }

    /// Turns any empty page of the run into the empty page of another number.
    pub(crate) fn renumber(&self, page: &mut [u8], number: u64) {
        let bytes = number.to_le_bytes();
        let change =
            bytes.iter().zip(&self.adds).fold(0, |sum, (byte, add)| sum ^ add[usize::from(*byte)]);
        for (sector, sum) in page.chunks_exact_mut(SECTOR).zip(&self.sums) {
            sector[32..40].copy_from_slice(&bytes);
            sector[SUM..].copy_from_slice(&(sum ^ change).to_le_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp() -> Stamp {
        Stamp {
            run: *b"0123456789abcdef",
            file: File::Data,
            kind: Kind::Sequence,
            method: 4,
            epoch: 7,
            page: 0x0102_0304_0506,
            sequence: 99,
            time: -5,
            extra: 3,
            host: "host-a".into(),
        }
    }

    #[test]
    fn a_page_comes_back_and_every_flipped_bit_is_noticed() {
        let page = stamp().page_bytes();
        assert_eq!(read_whole(&page), Some(stamp()));
        assert_eq!(&page[..8], b"miqmfsk\x01");
        assert_eq!(page[24..28], [1, 0, 4, 4]);
        for bit in 0..PAGE * 8 {
            let mut bad = page.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(read_whole(&bad), None, "bit {bit}");
        }
        for len in [0, 1, 511, 512, 4095] {
            assert_eq!(read_whole(&page[..len]), None);
            assert!(!matches!(read_sector(&page[..len.min(511)]), Sector::Good(..)));
        }
        assert_eq!(read_sector(&[0; 512]), Sector::Zero);
        assert_eq!(read_sector(&[1; 512]), Sector::Foreign);
    }

    #[test]
    fn sectors_in_the_wrong_order_are_no_page() {
        let mut page = stamp().page_bytes();
        let (first, rest) = page.split_at_mut(SECTOR);
        first.swap_with_slice(&mut rest[..SECTOR]);
        assert_eq!(read_whole(&page), None);
    }

    #[test]
    fn a_renumbered_page_is_the_page_of_that_number() {
        let run = *b"fedcba9876543210";
        let (stencil, mut page) = Stencil::new(run);
        for number in [0, 1, 255, 256, 262_143, 0x0123_4567_89ab_cdef, u64::MAX, 5] {
            stencil.renumber(&mut page, number);
            assert_eq!(page, Stamp::new(run, File::Data, Kind::Empty, number).page_bytes());
        }
    }

    #[test]
    fn long_names_are_clipped_between_characters() {
        let host = "\u{e4}".repeat(40);
        let stamp = Stamp { host, ..stamp() };
        let read = read_whole(&stamp.page_bytes()).unwrap();
        assert_eq!(read.host, "\u{e4}".repeat(32));
        assert_eq!(clip("abc", 2), "ab");
    }
}
