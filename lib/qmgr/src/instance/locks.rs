//! Taking the locks that make an instance active or a standby.
//!
//! Order: `master`, then `active`; after them the log's control file and extents, which the log takes
//! itself. Whoever fails at one lets go of all before it tries again. Locks are tried, never waited
//! for: some servers wake a waiter half a minute late, and an interrupted wait can leave a lock that
//! nobody owns.
//!
//! A lock file that is missing is made anew: that is safe because becoming active needs *every* lock
//! that an active holds, and the others are still held if there is one. A lock counts only if the path
//! still names the file after it was taken.
//!
//! This module touches nothing in the data directory but the three lock files. On a caching mount, a
//! listing or a look at another file by a standby makes the next active read truncated files. Only before
//! a missing lock file is made anew it looks whether there is an identity file, which never changes:
//! under a mount that has gone, an empty directory must not become a second queue manager.

use miqm_sys::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use miqm_format::lockrec::{LOCK_RECORD_BYTES, LockRecord, LockSlot};
use miqm_sys::lock::{LockedFile, Range};
use miqm_sys::{IoError, fs};

use crate::layout::DataDir;

/// Mode of a lock file.
const MODE: u32 = 0o660;

/// The outcome of a try.
#[derive(Debug)]
pub enum Attempt<T> {
    /// The locks are ours.
    Taken(T),
    /// Another instance holds one of them.
    Busy,
}

/// The locks of an active instance in its data directory.
#[derive(Debug)]
pub struct ActiveLocks {
    /// Who is active.
    pub master: Arc<LockedFile>,
    /// The heartbeat.
    pub active: Arc<LockedFile>,
}

/// The lock of a standby.
#[derive(Debug)]
pub struct StandbySlot {
    /// Which slot, from 0.
    pub number: u16,
    lock: LockedFile,
}

/// The lock files of a queue manager.
#[derive(Debug)]
pub struct LockFiles {
    dir: PathBuf,
    owner: fs::Owner,
    master: Option<File>,
}

/// What a lock file tells without being locked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Whether some other open file holds the lock.
    pub held: bool,
    /// What stands in it.
    pub record: LockSlot,
}

impl LockFiles {
    /// The lock files in data directory `dir`; one that has to be made will belong to `owner`.
    pub fn new(dir: &Path, owner: fs::Owner) -> Self {
        Self { dir: dir.to_owned(), owner, master: None }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    fn open_or_make(&self, name: &str) -> Result<File, IoError> {
        let path = self.path(name);
        match fs::open_rw(&path) {
            Err(error) if error.is_not_found() => {
                // Not in a directory that is no queue manager's: the mount may have gone.
                fs::lstat(&DataDir::new(&self.dir).identity())?;
                match fs::create_new(&path, MODE, Some(self.owner)) {
                    // Another instance was quicker.
                    Err(error) if error.is_already_there() => fs::open_rw(&path),
                    made => made,
                }
            }
            opened => opened,
        }
    }

    /// Tries to take `master` and `active`.
    ///
    /// The open file of `master` is kept from one try to the next, so that a standby's poll is one
    /// system call; [`LockFiles::refresh`] drops it.
    ///
    /// # Errors
    ///
    /// [`IoError`] if a file cannot be opened or the storage refuses to lock. The next try opens anew.
    pub fn try_active(&mut self) -> Result<Attempt<ActiveLocks>, IoError> {
        let file = match self.master.take() {
            Some(file) => file,
            None => self.open_or_make("master")?,
        };
        let master = match LockedFile::try_lock(file, &self.path("master"), Range::WHOLE)? {
            Ok(master) => master,
            Err(file) => {
                self.master = Some(file);
                return Ok(Attempt::Busy);
            }
        };
        if !master.still_named()? {
            return Ok(Attempt::Busy);
        }
        let file = self.open_or_make("active")?;
        match LockedFile::try_lock(file, &self.path("active"), Range::WHOLE)? {
            Ok(active) if active.still_named()? => Ok(Attempt::Taken(ActiveLocks {
                master: Arc::new(master),
                active: Arc::new(active),
            })),
            _ => Ok(Attempt::Busy),
        }
    }

    /// Makes the next try open `master` anew: it may have been replaced.
    pub fn refresh(&mut self) {
        self.master = None;
    }

    /// Tries to take a standby slot; `None` if all are taken.
    ///
    /// # Errors
    ///
    /// [`IoError`] as for [`LockFiles::try_active`].
    pub fn try_standby(&self, slots: u16) -> Result<Option<StandbySlot>, IoError> {
        for number in 0..slots {
            let file = self.open_or_make("standby")?;
            let at = u64::from(number) * LOCK_RECORD_BYTES as u64;
            let range = Range { start: at, len: LOCK_RECORD_BYTES as u64 };
            match LockedFile::try_lock(file, &self.path("standby"), range)? {
                Ok(lock) if lock.still_named()? => return Ok(Some(StandbySlot { number, lock })),
                _ => {}
            }
        }
        Ok(None)
    }

    /// Looks at `master` without a lock.
    ///
    /// # Errors
    ///
    /// [`IoError`] if the file cannot be opened or read.
    pub fn see_master(&self) -> Result<Seen, IoError> {
        see(&fs::open_read(&self.path("master"))?, &self.path("master"), 0, Range::WHOLE)
    }

    /// Whether any standby slot is held.
    ///
    /// # Errors
    ///
    /// [`IoError`] if the file cannot be opened or the storage does not tell.
    pub fn standby_waits(&self) -> Result<bool, IoError> {
        let path = self.path("standby");
        match fs::open_read(&path) {
            Ok(file) => miqm_sys::lock::held_elsewhere(&file, &path, Range::WHOLE),
            Err(error) if error.is_not_found() => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// Looks at a lock and its record without taking it.
///
/// # Errors
///
/// [`IoError`] if the file cannot be read or the storage does not tell.
pub fn see(file: &File, path: &Path, at: u64, range: Range) -> Result<Seen, IoError> {
    let held = miqm_sys::lock::held_elsewhere(file, path, range)?;
    Ok(Seen { held, record: read_record(file, path, at)? })
}

/// Reads a lock record. A reader without the lock may meet one that is being written: it is read
/// again a few times before it counts as unreadable.
///
/// # Errors
///
/// [`IoError`] if the file cannot be read.
pub fn read_record(file: &File, path: &Path, at: u64) -> Result<LockSlot, IoError> {
    const TRIES: u32 = 5;
    let mut found = LockSlot::Absent;
    for _ in 0..TRIES {
        let mut bytes = [0; LOCK_RECORD_BYTES];
        let read = fs::read_at(file, path, &mut bytes, at)?;
        found = LockSlot::decode(&bytes[..read]);
        if !matches!(found, LockSlot::Unreadable(_)) {
            break;
        }
    }
    Ok(found)
}

impl ActiveLocks {
    /// What the last active instance left in `master`.
    ///
    /// # Errors
    ///
    /// [`IoError`] if it cannot be read.
    pub fn predecessor(&self) -> Result<LockSlot, IoError> {
        read_record(self.master.file(), self.master.path(), 0)
    }

    /// What the last active instance left in `active`: its last heartbeat.
    ///
    /// # Errors
    ///
    /// [`IoError`] if it cannot be read.
    pub fn last_heartbeat(&self) -> Result<LockSlot, IoError> {
        read_record(self.active.file(), self.active.path(), 0)
    }
}

/// Writes a record durably through the lock.
///
/// # Errors
///
/// [`IoError`] if the storage refuses: the hold is lost.
pub fn write_record(lock: &LockedFile, record: &LockRecord, at: u64) -> Result<(), IoError> {
    lock.write_all_at(&record.encode(), at)?;
    lock.sync_data()
}

impl StandbySlot {
    /// Writes who waits here.
    ///
    /// # Errors
    ///
    /// [`IoError`] if the storage refuses.
    pub fn write(&self, record: &LockRecord) -> Result<(), IoError> {
        write_record(&self.lock, record, u64::from(self.number) * LOCK_RECORD_BYTES as u64)
    }

    /// Whether the slot is still this instance's.
    ///
    /// # Errors
    ///
    /// [`IoError`] if the storage does not tell.
    pub fn check(&self) -> Result<bool, IoError> {
        Ok(self.lock.reassert()? && self.lock.still_named()?)
    }
}
