//! The log as an active instance writes it.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use miqm_format::control::{BODY_BYTES_MAX, Control};
use miqm_format::record::{BATCH_BYTES_MAX, Kind, record_bytes};
use miqm_sys::IoError;
use miqm_sys::clock::BootInstant;
use miqm_sys::disk::{Disk, RealDir};
use miqm_types::{Epoch, InstanceId, Lsn, PAGE_BYTES};

use crate::error::{LogError, Lost, OpenError, Poison};
use crate::extent::{Family, PAGE};
use crate::slots::ControlFile;
use crate::supply::Supply;
use crate::write::State;

/// The instance's hold on the storage, as the log asks it around every batch.
pub trait Hold: Send + Sync + 'static {
    /// Before a write: whether this instance may still write.
    ///
    /// # Errors
    ///
    /// [`Lost`] ends the log.
    fn before_write(&self) -> Result<(), Lost>;

    /// After a write that began at `started` came back durable: whether it may be acknowledged.
    ///
    /// # Errors
    ///
    /// [`Lost`] ends the log.
    fn before_ack(&self, started: BootInstant) -> Result<(), Lost>;

    /// A write through a locked file that began at `started` came back durable.
    fn proven(&self, started: BootInstant);
}

/// A record to be logged.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// What the body holds.
    pub kind: Kind,
    /// Its unit of work; 0 for none.
    pub uow: u64,
    /// The record before it in its unit of work; [`Lsn::ZERO`] for none.
    pub uow_prev: Lsn,
    /// What it holds, at most [`miqm_format::record::BODY_BYTES_MAX`] bytes.
    pub body: &'a [u8],
}

/// Where records were logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// The position of the first.
    pub first: Lsn,
    /// The position of the last.
    pub last: Lsn,
    /// What to [`Log::force`] to make them durable.
    pub end: Lsn,
}

/// How much of the log recovery needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pressure {
    /// The number of extents that recovery needs.
    pub needed: usize,
    /// The number of primary extents.
    pub primary: usize,
    /// The number of primary and secondary extents.
    pub limit: usize,
    /// The number of bytes logged since the latest checkpoint began.
    pub since_checkpoint_bytes: u64,
    /// Whether the next extent could not be prepared for lack of disk space.
    pub disk_full: bool,
}

/// What the log has done since it was activated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Records logged.
    pub records: u64,
    /// Bytes of their bodies.
    pub body_bytes: u64,
    /// Batches made durable, each with one write and one sync.
    pub batches: u64,
    /// Bytes written in batches.
    pub batch_bytes: u64,
    /// Extents prepared, new and used again.
    pub extents_made: u64,
    /// Of these, used again.
    pub extents_reused: u64,
    /// Extents removed.
    pub extents_removed: u64,
    /// Checkpoints completed.
    pub checkpoints: u64,
}

/// How an epoch begins.
pub struct Activation<'a> {
    /// The instance.
    pub instance: InstanceId,
    /// Its hold on the storage.
    pub hold: Arc<dyn Hold>,
    /// The number of primary and secondary extents from now on, if it is to change; within the
    /// limits of [`miqm_types::LogGeometry`].
    pub files: Option<(u16, u16)>,
    /// The body of the epoch's first record: who begins it, for people.
    pub body: &'a [u8],
    /// Whether extents are prepared by a thread. Without one they are prepared by whoever logs
    /// and nothing happens at an uncertain time: for tests and short-lived logs.
    pub background: bool,
}

/// What the threads of a log share.
pub(crate) struct Shared<D: Disk> {
    pub(crate) directory: D,
    pub(crate) disk: D,
    pub(crate) family: Family,
    pub(crate) background: bool,
    hold: Arc<dyn Hold>,
    control: Mutex<ControlFile<D::File>>,
    state: Mutex<State<D::File>>,
    /// Told when an extent is ready, or will not be.
    pub(crate) supplied: Condvar,
    /// Tells the preparing thread that something is due.
    pub(crate) due: Condvar,
    durable: AtomicU64,
    /// Changes when a batch of even or odd generation is done, or may be led.
    pub(crate) done: [AtomicU32; 2],
    poison: OnceLock<Arc<Poison>>,
}

impl<D: Disk> Shared<D> {
    pub(crate) fn lock(&self) -> MutexGuard<'_, State<D::File>> {
        // Whoever panics with the lock has broken no promise that is not checked on disk.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn lock_control(&self) -> MutexGuard<'_, ControlFile<D::File>> {
        self.control.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn durable(&self) -> Lsn {
        Lsn(self.durable.load(Ordering::Acquire))
    }

    pub(crate) fn set_durable(&self, lsn: Lsn) {
        self.durable.store(lsn.0, Ordering::Release);
    }

    pub(crate) fn check(&self) -> Result<(), LogError> {
        self.poison.get().map_or(Ok(()), |poison| Err(LogError::Poisoned(Arc::clone(poison))))
    }

    /// Ends the log; the first reason stays.
    pub(crate) fn poison(&self, poison: Poison) -> LogError {
        let poison = self.poison.get_or_init(|| Arc::new(poison));
        let error = LogError::Poisoned(Arc::clone(poison));
        // Under the lock, so that nobody misses it between looking and waiting.
        drop(self.lock());
        self.supplied.notify_all();
        self.due.notify_all();
        for word in &self.done {
            word.fetch_add(1, Ordering::Release);
            atomic_wait::wake_all(word);
        }
        error
    }

    pub(crate) fn before_write(&self) -> Result<(), Poison> {
        Ok(self.hold.before_write()?)
    }

    pub(crate) fn before_ack(&self, started: BootInstant) -> Result<(), Poison> {
        self.hold.before_ack(started)?;
        self.hold.proven(started);
        Ok(())
    }

    fn update_control(&self, change: impl FnOnce(&mut Control)) -> Result<(), LogError> {
        let mut control = self.lock_control();
        let result = self.before_write().and_then(|()| control.update(change));
        drop(control);
        result.map_err(|poison| self.poison(poison))?;
        self.check()
    }
}

/// The recovery log of the active instance. All methods may be called from any thread.
///
/// To drop it leaves the log as a crash would: see [`Log::close`].
pub struct Log<D: Disk = RealDir> {
    shared: Arc<Shared<D>>,
    preparer: Option<JoinHandle<()>>,
    checkpoint: Mutex<()>,
}

impl<D: Disk> Log<D> {
    /// Logs `entries` in order and without a gap, all or none, and returns without waiting for
    /// them to be durable: see [`Log::force`].
    ///
    /// It waits while a full batch is being written or the next extent is being prepared.
    ///
    /// # Errors
    ///
    /// [`LogError::Full`] if there is no room: nothing was logged. [`LogError::Poisoned`].
    ///
    /// # Panics
    ///
    /// If a body is too long, there are no entries, or they need more than
    /// [`Log::append_bytes_max`].
    pub fn append(&self, entries: &[Entry<'_>]) -> Result<Appended, LogError> {
        self.shared.append(entries, false)
    }

    /// Like [`Log::append`], but may use the room that is kept back for what makes room:
    /// checkpoints, and the ends of units of work. Small records only.
    ///
    /// # Errors
    ///
    /// As [`Log::append`].
    ///
    /// # Panics
    ///
    /// As [`Log::append`].
    pub fn append_urgent(&self, entries: &[Entry<'_>]) -> Result<Appended, LogError> {
        self.shared.append(entries, true)
    }

    /// The most that one call of [`Log::append`] may need, in bytes; each entry needs
    /// [`Log::entry_bytes`].
    pub fn append_bytes_max(&self) -> usize {
        append_bytes_max(&self.shared.family)
    }

    /// What an entry with a body of `body_bytes` needs, in bytes.
    pub fn entry_bytes(body_bytes: usize) -> usize {
        record_bytes(body_bytes)
    }

    /// Waits until everything before `lsn` is durable and may be acknowledged.
    ///
    /// Everyone who waits shares one write and one sync; whoever comes first does them in its own
    /// thread.
    ///
    /// # Errors
    ///
    /// [`LogError::Poisoned`]: it may be durable or not.
    ///
    /// # Panics
    ///
    /// If nothing was logged up to `lsn`.
    pub fn force(&self, lsn: Lsn) -> Result<(), LogError> {
        self.shared.force(lsn)
    }

    /// Up to where the log is durable and acknowledged.
    pub fn durable(&self) -> Lsn {
        self.shared.durable()
    }

    /// The position after the last record logged.
    pub fn end(&self) -> Lsn {
        self.shared.lock().end()
    }

    /// The epoch this log belongs to.
    pub fn epoch(&self) -> Epoch {
        self.shared.family.epoch
    }

    /// What the control file says now.
    pub fn control(&self) -> Control {
        self.shared.lock_control().state().clone()
    }

    /// Completes the checkpoint whose first record is at `begin`: replay will start there.
    ///
    /// `body` is the caller's reference to what it saved, at most 256 bytes; it is kept in the
    /// control file. Extents before the one of `oldest_needed` are let go.
    ///
    /// # Errors
    ///
    /// [`LogError::Full`] if there is not even room for the end record; [`LogError::Poisoned`].
    ///
    /// # Panics
    ///
    /// If `body` is too long, `begin` was not logged, or `oldest_needed` is after `begin`.
    pub fn checkpoint(
        &self,
        begin: Lsn,
        oldest_needed: Lsn,
        body: &[u8],
    ) -> Result<Appended, LogError> {
        assert!(body.len() <= BODY_BYTES_MAX, "the reference of a checkpoint fits");
        assert!(oldest_needed <= begin && begin < self.end(), "a checkpoint is of what was logged");
        let one_at_a_time = self.checkpoint.lock().unwrap_or_else(PoisonError::into_inner);
        let appended = self.append_urgent(&[Entry {
            kind: Kind::CHECKPOINT_END,
            uow: 0,
            uow_prev: begin,
            body: &begin.0.to_le_bytes(),
        }])?;
        self.force(appended.end)?;
        let geometry = self.control().geometry;
        let oldest = self.control().oldest_extent.max(geometry.extent_of(oldest_needed));
        let durable = self.durable();
        self.shared.update_control(|control| {
            control.checkpoint = Some(begin);
            control.oldest_extent = oldest;
            control.body = body.to_vec();
            control.durable = durable;
        })?;
        let mut state = self.shared.lock();
        state.checkpoint = begin;
        state.stats.checkpoints += 1;
        state.supply.release(oldest);
        drop(state);
        drop(one_at_a_time);
        self.shared.something_is_due();
        Ok(appended)
    }

    /// Makes everything durable and notes in the control file that the epoch ended here, and how.
    /// Returns the end of the log.
    ///
    /// # Errors
    ///
    /// [`LogError::Poisoned`]: the log is left as a crash would leave it.
    pub fn close(mut self, end_state: u8) -> Result<Lsn, LogError> {
        let end = self.end();
        self.force(end)?;
        self.stop();
        self.shared.check()?;
        self.shared.update_control(|control| {
            control.durable = end;
            control.ended = Some(end_state);
        })?;
        Ok(end)
    }

    /// How much of the log recovery needs.
    pub fn pressure(&self) -> Pressure {
        self.shared.lock().pressure()
    }

    /// What the log has done since it was activated.
    pub fn stats(&self) -> Stats {
        self.shared.lock().stats()
    }

    /// Why the log has ended, if it has.
    pub fn poisoned(&self) -> Option<Arc<Poison>> {
        self.shared.poison.get().cloned()
    }

    /// Ends the log at once: nothing is written or acknowledged any more.
    pub fn abandon(&self) {
        self.shared.poison(Poison::Lost(Lost));
    }

    /// Asserts the lock of every file that the log may write; `false` if one is somebody else's.
    ///
    /// # Errors
    ///
    /// If the storage does not tell; the hold is lost then, too.
    pub fn reassert_all(&self) -> Result<bool, IoError> {
        self.shared.reassert_all()
    }

    /// Returns the first file that is held but no longer named as it should be.
    ///
    /// # Errors
    ///
    /// If the storage does not tell.
    pub fn misnamed(&self) -> Result<Option<PathBuf>, IoError> {
        let shared = &self.shared;
        let name = miqm_format::control::FILE_NAME;
        if !shared.directory.names(name, shared.lock_control().file())? {
            return Ok(Some(shared.directory.path_of(name)));
        }
        for (name, extent) in shared.held_files() {
            if !shared.disk.names(&name, &extent.file)?
                // It may have been used again, or removed, since it was looked up.
                && shared.held_files().iter().any(|(held, _)| *held == name)
            {
                return Ok(Some(shared.disk.path_of(&name)));
            }
        }
        Ok(None)
    }

    /// Begins an epoch: the caller has made the control file say so.
    pub(crate) fn begin(
        (directory, disk): (D, D),
        family: Family,
        control: ControlFile<D::File>,
        supply: Supply<D::File>,
        activation: Activation<'_>,
    ) -> Result<Self, OpenError> {
        let (fence, checkpoint) = (control.state().fence, control.state().checkpoint);
        let shared = Arc::new(Shared {
            directory,
            disk,
            family,
            background: activation.background,
            hold: activation.hold,
            control: Mutex::new(control),
            state: Mutex::new(State::new(supply, fence, checkpoint)),
            supplied: Condvar::new(),
            due: Condvar::new(),
            durable: AtomicU64::new(fence.0),
            done: [AtomicU32::new(0), AtomicU32::new(0)],
            poison: OnceLock::new(),
        });
        shared.lock().first_extent(&family);
        let mut log = Self { shared, preparer: None, checkpoint: Mutex::new(()) };
        let entry =
            Entry { kind: Kind::EPOCH_START, uow: 0, uow_prev: Lsn::ZERO, body: activation.body };
        let appended = log.append(&[entry])?;
        log.force(appended.end)?;
        if activation.background {
            log.preparer = Some(log.spawn()?);
        } else {
            log.shared.tend(true);
        }
        Ok(log)
    }

    fn spawn(&self) -> Result<JoinHandle<()>, OpenError> {
        let shared = Arc::clone(&self.shared);
        std::thread::Builder::new()
            .name("log-extents".into())
            .spawn(move || shared.prepare_until_stopped())
            .map_err(|source| {
                let path = self.shared.disk.path_of("");
                OpenError::Io(IoError { op: miqm_sys::Op::Spawn, path, source })
            })
    }

    fn stop(&mut self) {
        self.shared.lock().stopping = true;
        self.shared.due.notify_all();
        if let Some(preparer) = self.preparer.take() {
            // A panic there has been reported by itself and ends nothing more here.
            preparer.join().ok();
        }
    }
}

impl<D: Disk> Drop for Log<D> {
    fn drop(&mut self) {
        self.stop();
    }
}

impl<D: Disk> Shared<D> {
    pub(crate) fn something_is_due(&self) {
        if self.background {
            self.due.notify_all();
        } else {
            self.tend(true);
        }
    }

    fn prepare_until_stopped(&self) {
        /// How long to wait before what failed for lack of space is tried again.
        const RETRY: Duration = Duration::from_secs(1);
        let mut retry = true;
        loop {
            self.tend(retry);
            let state = self.lock();
            if state.stopping || self.check().is_err() {
                return;
            }
            retry = state.supply.no_space.is_some();
            if state.supply.is_due() {
                continue;
            }
            drop(if retry {
                self.due.wait_timeout(state, RETRY).map_or_else(|e| e.into_inner().0, |r| r.0)
            } else {
                self.due.wait(state).unwrap_or_else(PoisonError::into_inner)
            });
        }
    }
}

/// The most that fits one batch, and an extent after its first record.
pub(crate) fn append_bytes_max(family: &Family) -> usize {
    let records = usize::try_from(family.extent_bytes() - PAGE).unwrap_or(usize::MAX);
    records.min(BATCH_BYTES_MAX) - PAGE_BYTES as usize
}
