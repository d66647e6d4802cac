//! Appending to the open batch, and the group force.

use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard, PoisonError};

use miqm_format::extent::ExtentStart;
use miqm_format::record::{
    BATCH_BYTES_MAX, Kind, RecordHeader, encode, record_bytes, seal, seal_last,
};
use miqm_sys::clock::{BootInstant, utc_now};
use miqm_sys::disk::{Disk, DiskFile};
use miqm_types::{ExtentNo, Lsn, UtcTime};

use crate::error::{LogError, Poison};
use crate::extent::{Extent, Family, PAGE};
use crate::log::{Appended, Entry, Pressure, Shared, Stats, append_bytes_max};
use crate::supply::{Link, Supply};

/// What is kept back in the last extent for what makes room, in bytes.
const RESERVE_BYTES: u64 = 16 * PAGE;

/// Records that are written together: they start on a page of one extent.
#[derive(Debug)]
pub(crate) struct Batch<F> {
    extent: Arc<Extent<F>>,
    start: Lsn,
    bytes: Vec<u8>,
    /// Where the last record begins in `bytes`: its checksum is not there yet.
    last: usize,
}

impl<F> Batch<F> {
    fn end(&self) -> Lsn {
        Lsn(self.start.0 + self.bytes.len() as u64)
    }

    /// Where the batch ends once its last record is padded to the page.
    fn padded_end(&self) -> Lsn {
        Lsn(self.start.0 + (self.bytes.len() as u64).next_multiple_of(PAGE))
    }
}

/// What is guarded by the log's one lock.
#[derive(Debug)]
pub(crate) struct State<F> {
    pub(crate) supply: Supply<F>,
    pub(crate) stats: Stats,
    pub(crate) checkpoint: Lsn,
    pub(crate) stopping: bool,
    /// Batches that are full because their extent is; older than `open`.
    sealed: Vec<Batch<F>>,
    open: Option<Batch<F>>,
    /// Where the next batch starts, if none is open.
    next: Lsn,
    /// Where the batches end that are being written.
    writing: Option<Lsn>,
    /// The number of the set of batches that is being filled.
    generation: usize,
    spare: Vec<Vec<u8>>,
}

impl<F: DiskFile> State<F> {
    pub(crate) fn new(supply: Supply<F>, end: Lsn, checkpoint: Option<Lsn>) -> Self {
        Self {
            supply,
            stats: Stats::default(),
            checkpoint: checkpoint.unwrap_or(end),
            stopping: false,
            sealed: Vec::new(),
            open: None,
            next: end,
            writing: None,
            generation: 0,
            spare: Vec::new(),
        }
    }

    /// The position after the last record, once what is open is written.
    pub(crate) fn end(&self) -> Lsn {
        self.open.as_ref().map_or(self.next, Batch::padded_end)
    }

    pub(crate) fn pressure(&self) -> Pressure {
        Pressure {
            needed: self.supply.chain.len(),
            primary: self.supply.primary,
            limit: self.supply.limit,
            since_checkpoint_bytes: self.end().0.saturating_sub(self.checkpoint.0),
            disk_full: self.supply.no_space.is_some(),
        }
    }

    pub(crate) fn stats(&self) -> Stats {
        Stats {
            extents_made: self.supply.made,
            extents_reused: self.supply.reused,
            extents_removed: self.supply.removed,
            ..self.stats
        }
    }

    /// Goes on in the extent that the epoch begins with.
    pub(crate) fn first_extent(&mut self, family: &Family) {
        assert!(self.next_extent(family, utc_now()), "an epoch begins with an extent");
    }

    /// Goes on in the next extent, if one is ready: its first record says where the log before it
    /// ended.
    fn next_extent(&mut self, family: &Family, time: UtcTime) -> bool {
        let Some(extent) = self.supply.ready.pop_front() else { return false };
        let prev_end = self.end();
        if let Some(open) = self.open.take() {
            self.sealed.push(open);
        }
        let prev_extent = self.supply.chain.back().map_or(ExtentNo(0), |link| link.no);
        self.supply.chain.push_back(Link { no: extent.no, own: Some(Arc::clone(&extent)) });
        self.next = Lsn(extent.start.0 + PAGE);
        let start = ExtentStart { prev_end, prev_extent };
        let entry =
            Entry { kind: Kind::EXTENT_START, uow: 0, uow_prev: Lsn::ZERO, body: &start.encode() };
        self.push(family, time, &entry);
        true
    }

    fn extent(&self) -> Arc<Extent<F>> {
        let link = self.supply.chain.back().expect("an epoch has an extent");
        Arc::clone(link.own.as_ref().expect("the last extent is one's own"))
    }

    /// How many bytes the extent still takes.
    fn left_bytes(&self, family: &Family) -> u64 {
        let link = self.supply.chain.back().expect("an epoch has an extent");
        let at = self.open.as_ref().map_or(self.next, Batch::end);
        family.start_of(link.no.next()).0 - at.0
    }

    fn push(&mut self, family: &Family, time: UtcTime, entry: &Entry<'_>) -> Lsn {
        if self.open.is_none() {
            let bytes = self.spare.pop().unwrap_or_default();
            self.open = Some(Batch { extent: self.extent(), start: self.next, bytes, last: 0 });
        }
        let batch = self.open.as_mut().expect("it was just opened");
        if !batch.bytes.is_empty() {
            seal(family.salt, &mut batch.bytes[batch.last..]);
        }
        let lsn = batch.end();
        let header = RecordHeader {
            kind: entry.kind,
            last: false,
            lsn,
            batch_lsn: batch.start,
            uow: entry.uow,
            uow_prev: entry.uow_prev,
            epoch: family.epoch,
            time,
        };
        batch.last = batch.bytes.len();
        encode(&header, entry.body, &mut batch.bytes);
        self.next = batch.padded_end();
        self.stats.records += 1;
        self.stats.body_bytes += entry.body.len() as u64;
        lsn
    }

    /// Takes all that is to be written.
    fn take(&mut self) -> Vec<Batch<F>> {
        let mut set = std::mem::take(&mut self.sealed);
        set.extend(self.open.take());
        self.generation += 1;
        self.writing = set.last().map(Batch::padded_end);
        set
    }
}

impl<D: Disk> Shared<D> {
    pub(crate) fn append(&self, entries: &[Entry<'_>], urgent: bool) -> Result<Appended, LogError> {
        let need: usize = entries.iter().map(|entry| record_bytes(entry.body.len())).sum();
        assert!(!entries.is_empty(), "there is something to log");
        assert!(need <= append_bytes_max(&self.family), "one call logs what fits an extent");
        let time = utc_now();
        let mut state = self.lock();
        loop {
            self.check()?;
            if !urgent && self.in_reserve(&state, need) {
                return Err(LogError::Full(state.supply.full().expect("there is no next extent")));
            }
            if state.left_bytes(&self.family) < need as u64 {
                state = self.go_on(state, time)?;
                continue;
            }
            let open_bytes = state.open.as_ref().map_or(0, |batch| batch.bytes.len());
            if open_bytes + need <= BATCH_BYTES_MAX {
                break;
            }
            let end = state.end();
            drop(state);
            self.force(end)?;
            state = self.lock();
        }
        let mut lsns = (None, Lsn::ZERO);
        for entry in entries {
            lsns.1 = state.push(&self.family, time, entry);
            lsns.0.get_or_insert(lsns.1);
        }
        let end = state.open.as_ref().map_or(state.next, Batch::end);
        Ok(Appended { first: lsns.0.unwrap_or(lsns.1), last: lsns.1, end })
    }

    /// Whether `need` bytes would use what is kept back for what makes room.
    fn in_reserve(&self, state: &State<D::File>, need: usize) -> bool {
        state.left_bytes(&self.family) < need as u64 + RESERVE_BYTES
            && state.supply.full().is_some()
    }

    /// Goes on in the next extent, or waits for it.
    fn go_on<'a>(
        &'a self,
        mut state: MutexGuard<'a, State<D::File>>,
        time: UtcTime,
    ) -> Result<MutexGuard<'a, State<D::File>>, LogError> {
        if state.next_extent(&self.family, time) {
            drop(state);
            self.something_is_due();
        } else if let Some(full) = state.supply.full() {
            return Err(LogError::Full(full));
        } else if self.background {
            self.due.notify_all();
            return Ok(self.supplied.wait(state).unwrap_or_else(PoisonError::into_inner));
        } else {
            drop(state);
            self.tend(true);
        }
        Ok(self.lock())
    }

    pub(crate) fn force(&self, lsn: Lsn) -> Result<(), LogError> {
        loop {
            if self.durable() >= lsn {
                return Ok(());
            }
            self.check()?;
            let mut state = self.lock();
            if self.durable() >= lsn {
                return Ok(());
            }
            if let Some(writing) = state.writing {
                // The set that is being written, or the next: each has its own word to wait on,
                // so that only those are woken who are done, and one who writes next.
                let set = if lsn <= writing { state.generation - 1 } else { state.generation };
                let word = &self.done[set % 2];
                let seen = word.load(Ordering::Acquire);
                drop(state);
                if self.check().is_ok() {
                    atomic_wait::wait(word, seen);
                }
            } else {
                assert!(lsn <= state.end(), "only what was logged can be made durable");
                let generation = state.generation;
                let set = state.take();
                drop(state);
                self.lead(set, generation);
            }
        }
    }

    /// Writes a set of batches for everyone who waits.
    fn lead(&self, mut set: Vec<Batch<D::File>>, generation: usize) {
        let mut result = Ok(());
        let mut bytes = 0;
        let mut new_extent = false;
        for batch in &mut set {
            result = self.write(batch);
            if result.is_err() {
                break;
            }
            bytes += batch.bytes.len() as u64;
            new_extent |= batch.start.0 == batch.extent.start.0 + PAGE;
        }
        if let Err(poison) = result {
            self.poison(poison);
            return;
        }
        let mut state = self.lock();
        state.writing = None;
        state.stats.batches += set.len() as u64;
        state.stats.batch_bytes += bytes;
        state.supply.note_durable |= new_extent;
        for mut batch in set {
            batch.bytes.clear();
            state.spare.push(batch.bytes);
        }
        drop(state);
        for word in &self.done {
            word.fetch_add(1, Ordering::Release);
        }
        atomic_wait::wake_all(&raw const self.done[generation % 2]);
        atomic_wait::wake_one(&raw const self.done[(generation + 1) % 2]);
        if new_extent {
            self.something_is_due();
        }
    }

    fn write(&self, batch: &mut Batch<D::File>) -> Result<(), Poison> {
        seal_last(self.family.salt, &mut batch.bytes, batch.last);
        if self.check().is_err() {
            return Ok(());
        }
        self.before_write()?;
        let started = BootInstant::now();
        let limit = self.family.extent_bytes();
        batch.extent.write_batch(&batch.bytes, batch.start, limit)?;
        self.before_ack(started)?;
        if self.check().is_err() {
            // Somebody else found the storage failing while this sync came back well.
            return Ok(());
        }
        self.set_durable(batch.end());
        Ok(())
    }
}
