//! The objects of an active instance: read by everybody, changed through the log.
//!
//! * A change is checked against the objects *as logged*, and logged in that order; it is made
//!   visible, in the order of the log, only when it is durable. So nobody sees what a crash takes
//!   back, many changes share one force, and whoever logs several before it waits pays once.
//! * A checkpoint saves the objects as logged at one position, beside normal work: what it holds up
//!   is one copy of the catalogue, which shares the objects.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use miqm_format::catalogue::SnapshotRef;
use miqm_sys::IoError;
use miqm_sys::clock::utc_now;
use miqm_sys::disk::{Disk, DiskFile, RealDir};
use miqm_types::{Lsn, QmgrId, UtcTime};
use miqm_wal::{Entry, Kind as RecordKind, Log, LogError};

use crate::attr::Value;
use crate::catalogue::Catalogue;
use crate::change::Change;
use crate::date::Stamp;
use crate::defaults;
use crate::error::{ChangeError, CheckpointError};
use crate::kind::{Class, Kind};
use crate::level;
use crate::object::{BadDefinition, CRDATE, CRTIME, Key, Object, SharedObject};
use crate::qmgr;
use crate::snapshot::{self, NewSnapshot, Snapshot};

/// The objects of a queue manager and the log that keeps them. All methods may be called from any
/// thread. To drop it leaves everything as a crash would: see [`Engine::close`].
pub struct Engine<D: Disk = RealDir> {
    log: Log<D>,
    /// The directory of snapshots.
    objects: D,
    id: QmgrId,
    /// What was logged, and what of it is not visible yet.
    ahead: Mutex<Ahead>,
    /// What is durable.
    catalogue: RwLock<Catalogue>,
    /// Held throughout a checkpoint.
    saved: Mutex<Saved>,
    /// What the latest checkpoint names, locked. Never held during I/O: whoever looks after the
    /// locks must not wait for a checkpoint.
    held: Mutex<Option<Arc<Snapshot<D::File>>>>,
}

struct Ahead {
    catalogue: Catalogue,
    /// Logged and not yet visible, each with the position up to which the log must be durable.
    unsettled: VecDeque<(Lsn, Change)>,
    /// Changes logged since the engine began.
    changes: u64,
}

struct Saved {
    /// The number of the latest snapshot that this epoch tried to write.
    seq: u64,
    /// [`Ahead::changes`] when the snapshot was taken.
    changes: u64,
}

/// Whether a definition may replace an object of the same name and type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replace {
    /// It may not.
    No,
    /// It may.
    Yes,
}

/// How many objects were made, made anew, and not made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Did not exist.
    pub created: u64,
    /// Existed.
    pub replaced: u64,
    /// Could not be made.
    pub failed: u64,
}

/// What was logged; to be given to [`Engine::settle`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a change is neither durable nor visible before it is settled"]
pub struct Ticket(Lsn);

/// What a checkpoint did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Replay starts here from now on.
    pub begin: Lsn,
    /// The snapshot of the objects.
    pub snapshot: SnapshotRef,
    /// Whether it was written for this checkpoint; if nothing changed, the one before serves on.
    pub written: bool,
    /// The number of older snapshots removed.
    pub removed: u64,
}

impl<D: Disk> Engine<D> {
    pub(crate) fn new(
        log: Log<D>,
        objects: D,
        id: QmgrId,
        catalogue: Catalogue,
        snapshot: Option<Snapshot<D::File>>,
        changes: u64,
    ) -> Self {
        Self {
            log,
            objects,
            id,
            ahead: Mutex::new(Ahead {
                catalogue: catalogue.clone(),
                unsettled: VecDeque::new(),
                changes,
            }),
            catalogue: RwLock::new(catalogue),
            saved: Mutex::new(Saved { seq: 0, changes: 0 }),
            held: Mutex::new(snapshot.map(Arc::new)),
        }
    }

    /// The log.
    pub fn log(&self) -> &Log<D> {
        &self.log
    }

    /// Looks at the objects. What is looked at does not change meanwhile, and changes become
    /// visible only afterwards: be short.
    pub fn read<T>(&self, look: impl FnOnce(&Catalogue) -> T) -> T {
        look(&self.catalogue.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The object with a key.
    pub fn get(&self, key: &Key) -> Option<SharedObject> {
        self.read(|catalogue| catalogue.get(key).cloned())
    }

    /// The queue manager object.
    pub fn qmgr(&self) -> Option<SharedObject> {
        self.read(|catalogue| catalogue.qmgr().cloned())
    }

    /// Defines an object; returns whether one was replaced. When it returns, the change is durable
    /// and visible.
    ///
    /// An object that is replaced keeps the date of its creation.
    ///
    /// # Errors
    ///
    /// [`ChangeError`]: nothing was changed.
    pub fn define(
        &self,
        object: Object,
        replace: Replace,
        at: UtcTime,
    ) -> Result<bool, ChangeError> {
        let (ticket, replaced) = self.log_define(object, replace, at)?;
        self.settle(ticket)?;
        Ok(replaced)
    }

    /// Like [`Engine::define`], but returns when the change is logged.
    ///
    /// # Errors
    ///
    /// As [`Engine::define`].
    pub fn log_define(
        &self,
        mut object: Object,
        replace: Replace,
        at: UtcTime,
    ) -> Result<(Ticket, bool), ChangeError> {
        if object.kind() == Kind::Qmgr {
            return Err(ChangeError::Qmgr);
        }
        object.created(&Stamp::of(at));
        let mut ahead = self.lock_ahead();
        let existing = ahead.catalogue.get(&object.key());
        if let Some(existing) = existing {
            if existing.kind() != object.kind() {
                return Err(ChangeError::OtherType {
                    name: object.name().into(),
                    is: existing.kind(),
                    asked: object.kind(),
                });
            }
            if replace == Replace::No {
                return Err(ChangeError::Exists { object: object.to_string() });
            }
            keep_creation(&mut object, existing);
        }
        let replaced = existing.is_some();
        let ticket = self.append(&mut ahead, vec![Change::Define(object.into())])?;
        Ok((ticket, replaced))
    }

    /// Alters an object: `edit` is given its attributes as they are. When it returns, the change
    /// is durable and visible.
    ///
    /// # Errors
    ///
    /// [`ChangeError`]: nothing was changed.
    pub fn alter(
        &self,
        key: &Key,
        at: UtcTime,
        edit: impl FnOnce(&mut Object) -> Result<(), BadDefinition>,
    ) -> Result<(), ChangeError> {
        let ticket = self.log_alter(key, at, |object| Ok(edit(object)?))?;
        self.settle(ticket)
    }

    /// Alters the queue manager's attributes; see [`Engine::alter`].
    ///
    /// # Errors
    ///
    /// As [`Engine::alter`].
    pub fn alter_qmgr(
        &self,
        at: UtcTime,
        edit: impl FnOnce(&mut Object) -> Result<(), BadDefinition>,
    ) -> Result<(), ChangeError> {
        self.alter(&self.qmgr_key()?, at, edit)
    }

    /// Raises the command level of the queue manager.
    ///
    /// # Errors
    ///
    /// [`ChangeError::Level`] if it is not one of this version or not higher; [`ChangeError::Log`].
    pub fn raise_level(&self, to: u16, at: UtcTime) -> Result<(), ChangeError> {
        let ticket = self.log_alter(&self.qmgr_key()?, at, |qmgr| {
            level::check(to, qmgr::level_of(qmgr))?;
            Ok(qmgr::set_level(qmgr, to)?)
        })?;
        self.settle(ticket)
    }

    /// Like [`Engine::alter`], but returns when the change is logged, and `edit` may refuse for
    /// any reason.
    ///
    /// # Errors
    ///
    /// As [`Engine::alter`].
    pub fn log_alter(
        &self,
        key: &Key,
        at: UtcTime,
        edit: impl FnOnce(&mut Object) -> Result<(), ChangeError>,
    ) -> Result<Ticket, ChangeError> {
        let mut ahead = self.lock_ahead();
        let existing = ahead.catalogue.get(key).ok_or_else(|| missing(key))?;
        let mut object = Object::clone(existing);
        edit(&mut object)?;
        if object.key() != *key {
            // What tells rules apart cannot be altered: that would be another rule.
            return Err(missing(&object.key()));
        }
        object.altered(&Stamp::of(at));
        self.append(&mut ahead, vec![Change::Alter(object.into())])
    }

    /// Deletes an object. When it returns, the change is durable and visible.
    ///
    /// # Errors
    ///
    /// [`ChangeError`]: nothing was changed.
    pub fn delete(&self, key: &Key) -> Result<(), ChangeError> {
        let ticket = self.log_delete(key)?;
        self.settle(ticket)
    }

    /// Like [`Engine::delete`], but returns when the change is logged.
    ///
    /// # Errors
    ///
    /// As [`Engine::delete`].
    pub fn log_delete(&self, key: &Key) -> Result<Ticket, ChangeError> {
        if key.class == Class::Qmgr {
            return Err(ChangeError::Qmgr);
        }
        let mut ahead = self.lock_ahead();
        let existing = ahead.catalogue.get(key).cloned().ok_or_else(|| missing(key))?;
        self.append(&mut ahead, vec![Change::Delete(existing)])
    }

    /// Makes the default objects anew: those that are gone are created, the others get their
    /// defaults back. Everything else stays, the queue manager's attributes too.
    ///
    /// # Errors
    ///
    /// [`ChangeError::Log`]: any part may have been done; another try does it all.
    pub fn redefine_defaults(&self, at: UtcTime) -> Result<Counts, ChangeError> {
        let stamp = Stamp::of(at);
        let mut counts = Counts::default();
        let mut ahead = self.lock_ahead();
        let mut changes = Vec::with_capacity(defaults::COUNT);
        for mut object in defaults::objects() {
            object.created(&stamp);
            match ahead.catalogue.get(&object.key()) {
                Some(existing) if existing.kind() != object.kind() => {
                    counts.failed += 1;
                    continue;
                }
                Some(existing) => {
                    keep_creation(&mut object, existing);
                    counts.replaced += 1;
                }
                None => counts.created += 1,
            }
            changes.push(Change::Define(object.into()));
        }
        let ticket = self.append(&mut ahead, changes)?;
        drop(ahead);
        self.settle(ticket)?;
        Ok(counts)
    }

    /// Waits until what was logged is durable, and makes it visible.
    ///
    /// # Errors
    ///
    /// [`ChangeError::Log`]: the log has ended; recovery tells whether it is durable.
    pub fn settle(&self, ticket: Ticket) -> Result<(), ChangeError> {
        self.log.force(ticket.0)?;
        let durable = self.log.durable();
        let mut ahead = self.lock_ahead();
        let mut catalogue = self.catalogue.write().unwrap_or_else(PoisonError::into_inner);
        while ahead.unsettled.front().is_some_and(|(end, _)| *end <= durable) {
            if let Some((_, change)) = ahead.unsettled.pop_front() {
                catalogue.apply(change);
            }
        }
        Ok(())
    }

    /// Logs changes in order. Each counts for itself; if it fails, some may have been logged.
    pub(crate) fn log_changes(&self, changes: Vec<Change>) -> Result<Ticket, ChangeError> {
        self.append(&mut self.lock_ahead(), changes)
    }

    fn append(&self, ahead: &mut Ahead, changes: Vec<Change>) -> Result<Ticket, ChangeError> {
        let most = self.log.append_bytes_max();
        let mut ticket = Ticket(self.log.durable());
        let mut batch: Vec<(Change, RecordKind, Vec<u8>)> = Vec::new();
        let mut batch_bytes = 0;
        for change in changes {
            let (kind, body) = change.to_record();
            let bytes = Log::<D>::entry_bytes(body.len());
            if batch_bytes + bytes > most {
                ticket = self.append_batch(ahead, std::mem::take(&mut batch))?;
                batch_bytes = 0;
            }
            batch_bytes += bytes;
            batch.push((change, kind, body));
        }
        if batch.is_empty() { Ok(ticket) } else { self.append_batch(ahead, batch) }
    }

    fn append_batch(
        &self,
        ahead: &mut Ahead,
        batch: Vec<(Change, RecordKind, Vec<u8>)>,
    ) -> Result<Ticket, ChangeError> {
        let entries: Vec<Entry<'_>> = batch
            .iter()
            .map(|(_, kind, body)| Entry { kind: *kind, uow: 0, uow_prev: Lsn::ZERO, body })
            .collect();
        let end = self.log.append(&entries)?.end;
        for (change, _, _) in batch {
            ahead.catalogue.apply(change.clone());
            ahead.unsettled.push_back((end, change));
            ahead.changes += 1;
        }
        Ok(Ticket(end))
    }

    /// Takes a checkpoint beside normal work: saves the objects and tells the log, which can then
    /// use its older extents again.
    ///
    /// # Errors
    ///
    /// [`CheckpointError`]: the checkpoint before this one still counts.
    pub fn checkpoint(&self) -> Result<Checkpoint, CheckpointError> {
        let mut saved = self.saved.lock().unwrap_or_else(PoisonError::into_inner);
        let ahead = self.lock_ahead();
        let begin = self
            .log
            .append_urgent(&[Entry {
                kind: RecordKind::CHECKPOINT_BEGIN,
                uow: 0,
                uow_prev: Lsn::ZERO,
                body: &[],
            }])?
            .first;
        // Everything logged before the record is in this, whether it is durable yet or not: the
        // end of the checkpoint comes after it in the log, and counts only when it is durable.
        let catalogue = ahead.catalogue.clone();
        let changes = ahead.changes;
        drop(ahead);
        let (snapshot, written) = match self.held() {
            Some(snapshot) if saved.changes == changes => (snapshot, false),
            _ => (Arc::new(self.save(&mut saved, begin, &catalogue)?), true),
        };
        let reference = snapshot.header.reference();
        self.log.checkpoint(begin, begin, &reference.encode())?;
        // Only now may the file that the checkpoint before names be let go.
        let before = self.lock_held().replace(snapshot);
        drop(before);
        saved.changes = changes;
        // The checkpoint counts; what is left behind now is removed by the next.
        let removed = snapshot::remove_before(&self.objects, reference).unwrap_or(0);
        Ok(Checkpoint { begin, snapshot: reference, written, removed })
    }

    fn save(
        &self,
        saved: &mut Saved,
        begin: Lsn,
        catalogue: &Catalogue,
    ) -> Result<Snapshot<D::File>, CheckpointError> {
        if let Some(poison) = self.log.poisoned() {
            return Err(LogError::Poisoned(poison).into());
        }
        // A name is tried once only: what a failed try left behind is not written into.
        saved.seq += 1;
        let new = NewSnapshot {
            qmgr: self.id,
            epoch: self.log.epoch(),
            seq: saved.seq,
            begin,
            level: catalogue.qmgr().map_or(0, |qmgr| qmgr::level_of(qmgr)),
            written: utc_now(),
        };
        Ok(new.write(&self.objects, catalogue)?)
    }

    /// Whether a checkpoint would shorten a replay noticeably, or make room in the log.
    pub fn checkpoint_due(&self) -> bool {
        let pressure = self.log.pressure();
        pressure.since_checkpoint_bytes > CHECKPOINT_BYTES
            || pressure.needed > 1 && pressure.needed * 2 > pressure.primary
    }

    /// Asserts the lock of the snapshot that is held; `false` if it is somebody else's now.
    ///
    /// # Errors
    ///
    /// If the storage does not tell; the hold is lost then, too.
    pub fn reassert(&self) -> Result<bool, IoError> {
        self.held().map_or(Ok(true), |snapshot| snapshot.file.reassert())
    }

    /// Returns the path of the snapshot that is held if it is no longer named as it should be.
    ///
    /// # Errors
    ///
    /// If the storage does not tell.
    pub fn misnamed(&self) -> Result<Option<PathBuf>, IoError> {
        let Some(snapshot) = self.held() else { return Ok(None) };
        let name = snapshot.header.reference().file_name();
        if self.objects.names(&name, &snapshot.file)?
            // A checkpoint may have let it go meanwhile.
            || !self.held().is_some_and(|now| Arc::ptr_eq(&now, &snapshot))
        {
            return Ok(None);
        }
        Ok(Some(self.objects.path_of(&name)))
    }

    /// Ends orderly: takes a last checkpoint if there is anything to save, makes everything
    /// durable and notes how the epoch ended. Returns the end of the log.
    ///
    /// # Errors
    ///
    /// [`CheckpointError::Log`]: it is left as a crash would leave it. That the last checkpoint
    /// could not save the objects is no error: the log has them.
    pub fn close(self, end_state: u8) -> Result<Lsn, CheckpointError> {
        let unsaved = {
            let saved = self.saved.lock().unwrap_or_else(PoisonError::into_inner);
            self.held().is_none() || saved.changes != self.lock_ahead().changes
        };
        if unsaved
            && let Err(CheckpointError::Log(error @ LogError::Poisoned(_))) = self.checkpoint()
        {
            return Err(error.into());
        }
        Ok(self.log.close(end_state)?)
    }

    fn qmgr_key(&self) -> Result<Key, ChangeError> {
        let qmgr = self.qmgr().map(|qmgr| qmgr.key());
        qmgr.ok_or_else(|| ChangeError::Missing { object: Class::Qmgr.keyword().into() })
    }

    fn held(&self) -> Option<Arc<Snapshot<D::File>>> {
        self.lock_held().clone()
    }

    fn lock_held(&self) -> MutexGuard<'_, Option<Arc<Snapshot<D::File>>>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_ahead(&self) -> MutexGuard<'_, Ahead> {
        // Whoever panics with the lock has broken no promise: objects are replaced, not edited.
        self.ahead.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// So much log since the latest checkpoint, in bytes, is worth a new one: replay reads it in a
/// fraction of a second.
const CHECKPOINT_BYTES: u64 = 16 * 1024 * 1024;

fn missing(key: &Key) -> ChangeError {
    ChangeError::Missing { object: format!("{}('{}')", key.class.keyword(), key.name) }
}

/// Gives an object the date of creation of the one that it replaces.
fn keep_creation(object: &mut Object, existing: &Arc<Object>) {
    for id in [CRDATE, CRTIME] {
        if let Some(value @ Value::Text(_)) = existing.get(id) {
            object.put(id, value);
        }
    }
}
