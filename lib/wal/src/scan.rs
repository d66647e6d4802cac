//! Reading an extent's records in sequence, in large pieces, without copying a record.

use miqm_format::record::{BATCH_BYTES_MAX, HEADER_BYTES, RECORD_BYTES_MAX, Record};
use miqm_sys::IoError;
use miqm_sys::disk::DiskFile;
use miqm_types::{Epoch, Lsn};

use crate::extent::PAGE;

/// What is read at a time, in bytes.
const PIECE_BYTES: usize = 1024 * 1024;
/// How far after a bad record a later batch is looked for, in bytes. The next batch begins within
/// one batch's length; the rest is for more than one bad batch.
const SEARCH_BYTES: u64 = 4 * BATCH_BYTES_MAX as u64;

/// Bytes that cannot begin a record: the position of none is 0.
static BLANK: [u8; 1024] = [0; 1024];

/// Which records an extent should hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    /// The position of the extent's first byte.
    pub(crate) start: Lsn,
    /// The position of the first record to read.
    pub(crate) from: Lsn,
    /// Where to stop: the exact end, or the extent's end.
    pub(crate) to: Lsn,
    /// The epoch that wrote the extent; `None` for any.
    pub(crate) epoch: Option<Epoch>,
    /// The seed of the checksums.
    pub(crate) salt: u32,
}

/// Where a reading stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stop {
    /// The position after the last good record.
    pub(crate) at: Lsn,
    /// The batch that the record there would belong to.
    pub(crate) batch: Lsn,
}

/// Reads records with a buffer that is kept from extent to extent.
#[derive(Debug)]
pub(crate) struct Scanner {
    buffer: Vec<u8>,
}

impl Scanner {
    pub(crate) fn new() -> Self {
        Self { buffer: vec![0; PIECE_BYTES + RECORD_BYTES_MAX] }
    }

    /// Hands every record of the span to `take`, until the span ends, a record is not valid, or
    /// `take` refuses.
    pub(crate) fn read<F: DiskFile, E: From<IoError>>(
        &mut self,
        file: &F,
        span: &Span,
        mut take: impl FnMut(&Record<'_>) -> Result<(), E>,
        mut piece_read: impl FnMut(Lsn),
    ) -> Result<Stop, E> {
        let mut stop = Stop { at: span.from, batch: span.from };
        let mut first = true;
        // The bytes from `low` to `high` are those from position `stop.at` on.
        let (mut low, mut high, mut ended) = (0, 0, false);
        while stop.at < span.to {
            let have = &self.buffer[low..high];
            let need = Record::announced_bytes(have).unwrap_or(HEADER_BYTES);
            if have.len() < need && !ended {
                self.buffer.copy_within(low..high, 0);
                (low, high) = (0, high - low);
                let at = stop.at.0 - span.start.0 + high as u64;
                let left = span.to.0 - span.start.0 - at;
                let n = usize::try_from(left).map_or(PIECE_BYTES, |left| left.min(PIECE_BYTES));
                let read = file.read_at(&mut self.buffer[high..high + n], at)?;
                high += read;
                ended = read < PIECE_BYTES;
                piece_read(Lsn(span.start.0 + at + read as u64));
                continue;
            }
            let Ok(record) = Record::decode(stop.at, span.salt, have) else { break };
            let header = record.header;
            let fits = span.epoch.is_none_or(|epoch| header.epoch == epoch)
                && record.end() <= span.to
                && (header.batch_lsn == stop.batch || first && header.batch_lsn <= header.lsn);
            if !fits {
                break;
            }
            take(&record)?;
            first = false;
            low += record.total_bytes;
            stop.at = record.end();
            stop.batch = if header.last { stop.at } else { header.batch_lsn };
        }
        Ok(stop)
    }

    /// Whether a batch later than `stop.batch` was written after `stop.at`: then what is bad there
    /// had been durable. Looks at most as far as `limit`, an absolute position.
    pub(crate) fn later_batch<F: DiskFile>(
        &mut self,
        file: &F,
        span: &Span,
        stop: Stop,
        limit: Lsn,
    ) -> Result<bool, IoError> {
        let limit = Lsn(limit.0.min(stop.at.0.saturating_add(SEARCH_BYTES)));
        let later = |batch: Lsn| batch > stop.batch;
        Ok(self.find(file, span, stop.at, limit, later)?.is_some())
    }

    /// The first position from `from` on and before `limit` where there is a valid record of a
    /// batch that will do.
    pub(crate) fn find<F: DiskFile>(
        &mut self,
        file: &F,
        span: &Span,
        from: Lsn,
        limit: Lsn,
        will_do: impl Fn(Lsn) -> bool,
    ) -> Result<Option<Lsn>, IoError> {
        let mut at = from.0.next_multiple_of(8);
        while at < limit.0 {
            // Positions are tried in the first piece; a record that begins there may reach beyond.
            let read = file.read_at(&mut self.buffer, at - span.start.0)?;
            let piece = &self.buffer[..read];
            let mut low = 0;
            while low < read.min(PIECE_BYTES) {
                // Most of what is looked through was never written.
                if piece[low..].starts_with(&BLANK) {
                    low += BLANK.len();
                    continue;
                }
                let (lsn, bytes) = (Lsn(at + low as u64), &piece[low..]);
                if Record::claims(lsn, bytes)
                    && let Ok(record) = Record::decode(lsn, span.salt, bytes)
                    && span.epoch.is_none_or(|epoch| record.header.epoch == epoch)
                    && will_do(record.header.batch_lsn)
                {
                    return Ok((lsn < limit).then_some(lsn));
                }
                low += 8;
            }
            if read < self.buffer.len() {
                break;
            }
            at += PIECE_BYTES as u64;
        }
        Ok(None)
    }
}

/// The position of the first record of an extent.
pub(crate) fn first_record(start: Lsn) -> Lsn {
    Lsn(start.0 + PAGE)
}
