//! `dltmqm`: a queue manager is removed, with its log.
//!
//! Every lock that an active or standby instance would need is taken first, and held to the end. Then
//! the identity file is renamed: from there on nothing starts from the directory, on any host,
//! and the only way is forward. The log goes first, because the settings say where it is; what
//! the directory is recognised by goes last, then the stanza. A deletion that was killed is
//! finished by running it again, on this host or another.
//!
//! Only what is the queue manager's is removed, and links are never followed. A directory that holds
//! anything else is left with it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use miqm_qmgr::boot;
use miqm_qmgr::config::{ConfigError, Settings};
use miqm_qmgr::env::Env;
use miqm_qmgr::identity::{Identity, IdentityError};
use miqm_qmgr::intent::{self, Begun, Intent, Notes, Operation, Place};
use miqm_qmgr::layout::{DataDir, LogDir};
use miqm_qmgr::owner::{self, Admin, OwnerError};
use miqm_qmgr::registry::{self, Entry, Registry, RegistryError};
use miqm_qmgr::runtime::{LocalRole, RuntimeDir};
use miqm_sys::disk::RealDir;
use miqm_sys::fs::Presence;
use miqm_sys::lock::{LockedFile, Range};
use miqm_sys::{IoError, fs};
use miqm_types::{QmgrId, QmgrName};
use miqm_wal::{OpenError, Reader};

use crate::create::{self, SettleError};
use crate::inf::{self, DefaultNow, InfError};

/// Why a queue manager was not deleted.
#[derive(Debug, thiserror::Error)]
pub enum DeleteError {
    /// The caller may not.
    #[error(transparent)]
    Owner(#[from] OwnerError),
    /// The registry cannot be read or changed.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// There is no such queue manager.
    #[error("{0} does not exist")]
    NoSuchQmgr(QmgrName),
    /// Another command creates or deletes it.
    #[error("{0} is being created or deleted")]
    Busy(QmgrName),
    /// The stanza is another installation's.
    #[error("{qmgr} belongs to installation {installation}")]
    OtherInstallation {
        /// The queue manager.
        qmgr: QmgrName,
        /// Whose it is.
        installation: String,
    },
    /// An instance runs on this host.
    #[error("{qmgr} runs on this host")]
    Running {
        /// The queue manager.
        qmgr: QmgrName,
        /// What it is doing; `None` if it does not say.
        role: Option<LocalRole>,
    },
    /// Another instance holds a lock.
    #[error("{} is locked", file.display())]
    Locked {
        /// The queue manager.
        qmgr: QmgrName,
        /// The file.
        file: PathBuf,
    },
    /// The data directory is not this queue manager's, or not there.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The settings, which say where the log is, cannot be used.
    #[error(transparent)]
    Settings(#[from] ConfigError),
    /// The log is not there, or not this queue manager's.
    #[error("the log in {} cannot be deleted", path.display())]
    Log {
        /// The log directory.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<OpenError>,
    },
    /// A file cannot be examined or locked; nothing was deleted.
    #[error(transparent)]
    Check(#[from] IoError),
    /// Something cannot be removed. The deletion has begun and must be finished.
    #[error("{0}")]
    Remove(IoError),
}

impl From<SettleError> for DeleteError {
    fn from(error: SettleError) -> Self {
        match error {
            SettleError::Registry(error) => error.into(),
            SettleError::Io(error) => error.into(),
        }
    }
}

/// What was left of a queue manager that was deleted.
#[derive(Debug)]
pub struct Deleted {
    /// Directories that hold something that is not the queue manager's, or cannot be removed.
    pub kept: Vec<PathBuf>,
    /// What became of the default queue manager.
    pub default: DefaultNow,
}

/// Deletes a queue manager of which no instance runs anywhere.
///
/// # Errors
///
/// [`DeleteError`]. Nothing was changed, except with [`DeleteError::Remove`].
pub fn delete(env: &Env, name: &QmgrName) -> Result<Deleted, DeleteError> {
    let admin = owner::authorize(env)?;
    let leftover = fs::presence(&intent::file_of(env, name))? != Presence::Absent;
    let registry = Registry::load(env)?;
    let known = registry.find(name)?.is_some();
    if !known && !leftover {
        return Err(DeleteError::NoSuchQmgr(name.clone()));
    }
    let (mut intent, notes) = match Intent::begin(env, name, admin.maker)? {
        Begun::Busy => return Err(DeleteError::Busy(name.clone())),
        Begun::Free(intent, notes) => (intent, notes),
    };
    let was_deleting = notes.as_ref().is_some_and(|notes| notes.operation == Operation::Delete);
    if was_deleting && !known {
        // All but the last step was done.
        forget_runtime(env, name).and_then(|()| intent.finish()).map_err(DeleteError::Remove)?;
        return Ok(Deleted { kept: Vec::new(), default: DefaultNow::Good });
    }
    let deleted = match &notes {
        Some(notes) if notes.operation == Operation::Create => create::settle(env, name, notes)
            .map_err(DeleteError::from)
            .and_then(|()| Work::begin(env, name, &admin, None)),
        notes => Work::begin(env, name, &admin, notes.as_ref()),
    };
    match deleted {
        Ok(work) => {
            let done = work.run(&mut intent)?;
            intent.finish().map_err(DeleteError::Remove)?;
            Ok(done)
        }
        // A deletion that was begun before is still to be finished.
        Err(error) if was_deleting => Err(error),
        Err(error) => {
            intent.finish()?;
            Err(error)
        }
    }
}

/// A deletion that may go ahead: all is checked and locked.
struct Work<'a> {
    env: &'a Env,
    admin: &'a Admin,
    entry: Entry,
    id: QmgrId,
    data: DataDir,
    /// `None` if a deletion that was begun before has removed it.
    log: Option<LogDir>,
    locks: Locks,
}

/// What keeps every instance away.
#[derive(Default)]
struct Locks {
    _host: Option<LockedFile>,
    others: Vec<LockedFile>,
}

impl<'a> Work<'a> {
    fn begin(
        env: &'a Env,
        name: &QmgrName,
        admin: &'a Admin,
        notes: Option<&Notes>,
    ) -> Result<Self, DeleteError> {
        let registry = Registry::load(env)?;
        let Some(entry) = registry.find(name)?.cloned() else {
            return Err(DeleteError::NoSuchQmgr(name.clone()));
        };
        let mapped = |error| match error {
            InfError::Running { qmgr, role } => DeleteError::Running { qmgr, role },
            InfError::OtherInstallation { qmgr, installation } => {
                DeleteError::OtherInstallation { qmgr, installation }
            }
            InfError::Io(error) => DeleteError::Check(error),
            _ => DeleteError::NoSuchQmgr(name.clone()),
        };
        inf::own_installation(env, &entry).map_err(mapped)?;
        inf::not_running(env, name).map_err(mapped)?;

        let data = entry.data_dir();
        let resumed = notes.filter(|notes| entry.identity.is_none_or(|id| id == notes.id));
        let id = match identity(&data, &entry) {
            Ok((id, _)) => id,
            // The last thing in it is gone, and the command that removed it noted that it would.
            Err(IdentityError::Absent { .. }) if resumed.is_some() => {
                resumed.map_or(QmgrId([0; 16]), |notes| notes.id)
            }
            Err(error) => return Err(error.into()),
        };
        let begun = resumed.is_some() || fs::presence(&data.deleted_identity())? == Presence::File;
        let log = log_dir(&data, id, begun)?;
        let mut work = Self { env, admin, entry, id, data, log, locks: Locks::default() };
        work.locks = work.lock()?;
        Ok(work)
    }

    fn lock(&self) -> Result<Locks, DeleteError> {
        let name = &self.entry.name;
        let locked = |file: PathBuf| DeleteError::Locked { qmgr: name.clone(), file };
        let runtime = RuntimeDir::open(&self.env.runtime, name);
        runtime.prepare(self.admin.maker)?;
        let Some(host) = runtime.try_own(self.admin.maker)? else {
            return Err(DeleteError::Running { qmgr: name.clone(), role: None });
        };
        if fs::presence(self.data.path())? == Presence::Absent {
            return Ok(Locks { _host: Some(host), ..Locks::default() });
        }
        let mut others = Vec::new();
        let log_control = self.log.as_ref().map(LogDir::control);
        let files = [self.data.master(), self.data.active(), self.data.standby()];
        for path in files.into_iter().chain(log_control) {
            let file = match fs::open_rw(&path) {
                // None is made anew: a deletion that was killed may have come so far, and of an
                // instance whose file was removed the others are still locked.
                Err(error) if error.is_not_found() => continue,
                file => file?,
            };
            match LockedFile::try_lock(file, &path, Range::WHOLE)? {
                Ok(lock) => others.push(lock),
                Err(_) => return Err(locked(path)),
            }
        }
        Ok(Locks { _host: Some(host), others })
    }

    fn run(mut self, intent: &mut Intent) -> Result<Deleted, DeleteError> {
        let kept = self.remove(intent).map_err(DeleteError::Remove)?;
        let default = registry::edit(self.env, self.admin.maker, |edit| {
            edit.remove(&self.entry.name);
            Ok::<_, RegistryError>(match edit.unset_default(&self.entry.name) {
                Ok(()) => DefaultNow::Good,
                Err(damaged) => DefaultNow::Damaged(damaged),
            })
        })?;
        forget_runtime(self.env, &self.entry.name).map_err(DeleteError::Remove)?;
        Ok(Deleted { kept, default })
    }

    fn remove(&mut self, intent: &mut Intent) -> Result<Vec<PathBuf>, IoError> {
        intent.start(Operation::Delete, self.id)?;
        let data = self.data.path();
        let log = self.log.as_ref().map(LogDir::path);
        for path in [Some(data), log].into_iter().flatten() {
            intent.note(&Place { path: path.to_owned(), made: true })?;
        }
        let mut kept = Vec::new();
        if fs::presence(data)? == Presence::Absent {
            return Ok(kept);
        }
        if fs::presence(&self.data.identity())? == Presence::File {
            fs::rename(&self.data.identity(), &self.data.deleted_identity())?;
            fs::sync_dir(data)?;
        }
        if let Some(log) = &self.log {
            // The control file last: with it the log is recognised.
            remove_all(log.path(), &["active", "amqhlctl.lfh"])?;
        }
        // Without an identity nothing starts any more, so the locks have done their work; and on NFS a
        // file that is open stays in its directory under another name, which could not be removed.
        self.locks.others.clear();
        if let Some(log) = &self.log {
            kept.extend(remove_directory(log.path())?);
        }
        let mut order: Vec<&str> = DataDir::SUBDIRS.to_vec();
        order.extend(DataDir::FILES);
        remove_all(data, &order)?;
        fs::sync_dir(data)?;
        gone(fs::remove_file(&self.data.deleted_identity()))?;
        kept.extend(remove_directory(data)?);
        Ok(kept)
    }
}

/// Removes what an instance of this host may have left. Whoever deletes holds the lock in it.
fn forget_runtime(env: &Env, name: &QmgrName) -> Result<(), IoError> {
    boot::forget(env, name)?;
    gone(fs::remove_tree(RuntimeDir::open(&env.runtime, name).path()))
}

/// The identity in a data directory, and whether its deletion has begun.
fn identity(data: &DataDir, entry: &Entry) -> Result<(QmgrId, bool), IdentityError> {
    match Identity::expect(&data.identity(), &entry.name, entry.identity) {
        Ok(found) => Ok((found.id, false)),
        Err(absent @ IdentityError::Absent { .. }) => {
            match Identity::expect(&data.deleted_identity(), &entry.name, entry.identity) {
                Ok(found) => Ok((found.id, true)),
                Err(IdentityError::Absent { .. }) => Err(absent),
                Err(error) => Err(error),
            }
        }
        Err(error) => Err(error),
    }
}

/// The log directory, made sure to be this queue manager's; `None` if it is gone, which only a
/// deletion that has `begun` may find.
fn log_dir(data: &DataDir, id: QmgrId, begun: bool) -> Result<Option<LogDir>, DeleteError> {
    let settings = match Settings::load(&data.qm_ini()) {
        Err(ConfigError::Io(error)) if begun && error.is_not_found() => return Ok(None),
        settings => settings?,
    };
    let log = LogDir::new(settings.log.path.components().collect::<PathBuf>());
    if begun && fs::presence(log.path())? == Presence::Absent {
        return Ok(None);
    }
    let bad = |source| DeleteError::Log { path: log.path().to_owned(), source: Box::new(source) };
    let control = match RealDir::open(log.path(), None) {
        Err(error) => return Err(bad(error.into())),
        Ok(directory) => control(&directory, &log),
    };
    match control {
        Ok(Some(found)) if found.0 != id => {
            Err(bad(OpenError::Foreign { path: log.control(), name: Some(found.1) }))
        }
        // What is damaged is deleted, too: the settings are the queue manager's, and say so.
        Ok(_) | Err(OpenError::Damaged { .. }) => Ok(Some(log)),
        Err(OpenError::Missing { .. }) if begun => Ok(Some(log)),
        Err(error) => Err(bad(error)),
    }
}

type Found = Option<(QmgrId, QmgrName)>;

fn control(directory: &RealDir, log: &LogDir) -> Result<Found, OpenError> {
    let active = match RealDir::open(&log.active(), None) {
        // A deletion has come so far.
        Err(error) if error.is_not_found() => {
            return match fs::presence(&log.control())? {
                Presence::Absent => Err(OpenError::Missing { path: log.control() }),
                _ => Ok(None),
            };
        }
        active => active?,
    };
    let reader = Reader::open(directory, active)?;
    Ok(reader.control().map(|control| (control.qmgr, control.name.clone())))
}

/// Removes what is in a directory and has one of these names, and what a command that was killed
/// may have left.
fn remove_all(dir: &Path, names: &[&str]) -> Result<(), IoError> {
    for name in names {
        gone(fs::remove_tree(&dir.join(name)))?;
    }
    for name in fs::list(dir)?.iter().filter(|name| is_leftover(name)) {
        gone(fs::remove_tree(&dir.join(name)))?;
    }
    Ok(())
}

/// Temporary files of replacements, and marks of creations.
fn is_leftover(name: &OsString) -> bool {
    let name = name.to_string_lossy();
    name.starts_with(".miqm-") || name.starts_with(".creating-")
}

/// Removes a directory, or returns it if it is to be kept: it holds something, something is mounted
/// there, or the path is a link.
fn remove_directory(path: &Path) -> Result<Option<PathBuf>, IoError> {
    const KEPT: [i32; 3] = [
        39, // ENOTEMPTY
        16, // EBUSY
        20, // ENOTDIR
    ];
    match gone(remove_dir_patiently(path)) {
        Err(error) if error.errno().is_some_and(|errno| KEPT.contains(&errno)) => {
            Ok(Some(path.to_owned()))
        }
        Err(error) => Err(error),
        Ok(()) => {
            path.parent().map_or(Ok(()), fs::sync_dir)?;
            Ok(None)
        }
    }
}

/// Removes a directory. An NFS client may need a moment to remove what was closed just now.
fn remove_dir_patiently(path: &Path) -> Result<(), IoError> {
    const TRIES: u32 = 50;
    for _ in 0..TRIES {
        match fs::remove_dir(path) {
            Err(error) if error.errno() == Some(39) => {
                let left = fs::list(path)?;
                if !left.iter().all(|name| name.as_encoded_bytes().starts_with(b".nfs")) {
                    return Err(error);
                }
            }
            removed => return removed,
        }
        miqm_sys::clock::sleep(std::time::Duration::from_millis(20));
    }
    fs::remove_dir(path)
}

fn gone(result: Result<(), IoError>) -> Result<(), IoError> {
    match result {
        Err(error) if error.is_not_found() => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests;
