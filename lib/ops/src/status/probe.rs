//! Looking at one queue manager. Blocks as long as its storage does.

use std::path::{Path, PathBuf};
use std::time::Duration;

use miqm_format::lockrec::{BadLockRecord, LOCK_RECORD_BYTES, LockRecord, LockSlot, State};
use miqm_qmgr::config::STANDBYS_MAX;
use miqm_qmgr::env::Env;
use miqm_qmgr::layout::DataDir;
use miqm_qmgr::registry::Entry;
use miqm_qmgr::runtime::{LocalRole, LocalStatus, RuntimeDir};
use miqm_sys::lock::{self, Range};
use miqm_sys::{IoError, clock, fs, proc};
use miqm_types::QmgrId;

use super::{Ask, Instance, LocalProcess, Mode, StandbyPermission, Status, View};

/// How often a record is read before it counts as unreadable, and how long between.
const READS: u32 = 5;
const READ_AGAIN: Duration = Duration::from_millis(3);

/// Why something about a queue manager is not known.
#[derive(Debug, thiserror::Error)]
pub enum Unavailable {
    /// A file cannot be read.
    #[error(transparent)]
    Io(#[from] IoError),
    /// A lock file is not there: the storage is not mounted, or this is not the directory.
    #[error("{} does not exist", file.display())]
    NoLockFile {
        /// The file.
        file: PathBuf,
    },
    /// A lock file holds no record that can be read.
    #[error("the lock record in {} cannot be read", file.display())]
    Record {
        /// The file.
        file: PathBuf,
        /// What is wrong with it; `None` if nothing was ever written.
        source: Option<BadLockRecord>,
    },
    /// The data directory belongs to another queue manager of the same name.
    #[error("{} belongs to another queue manager", file.display())]
    Foreign {
        /// The file.
        file: PathBuf,
        /// The identity of that one.
        found: QmgrId,
    },
    /// The storage does not answer.
    #[error("the storage of {} does not answer within {} s", path.path().display(), waited.as_secs())]
    NoAnswer {
        /// The data directory.
        path: DataDir,
        /// How long was waited.
        waited: Duration,
    },
}

pub(super) fn look(env: &Env, entry: &Entry, ask: Ask) -> View {
    match try_look(env, entry, ask) {
        Ok(view) => view,
        Err(trouble) => View::unavailable(&entry.name, trouble),
    }
}

/// An instance on this host.
struct Local {
    process: LocalProcess,
    status: Status,
    standby: StandbyPermission,
}

fn try_look(env: &Env, entry: &Entry, ask: Ask) -> Result<View, Unavailable> {
    let local = local(env, entry)?;
    let mut view = View {
        name: entry.name.clone(),
        status: Status::NotAvailable,
        standby: StandbyPermission::NotApplicable,
        instances: Vec::new(),
        process: local.as_ref().map(|local| local.process),
        trouble: None,
    };
    let need_shared = ask.instances || (ask.shared && local.is_none());
    let shared = if need_shared { Some(shared(entry)) } else { None };
    match (local, shared) {
        (Some(local), shared) => {
            view.status = local.status;
            view.standby = local.standby;
            match shared {
                None => {}
                Some(Ok(shared)) => view.take_instances(shared),
                Some(Err(trouble)) => view.trouble = Some(trouble),
            }
        }
        (None, None) => {}
        (None, Some(shared)) => {
            let shared = shared?;
            view.status = shared.status;
            view.standby = shared.standby;
            view.take_instances(shared);
        }
    }
    if !ask.instances {
        view.instances.clear();
    }
    Ok(view)
}

impl View {
    fn take_instances(&mut self, shared: Shared) {
        self.instances = shared.instances;
        self.trouble = shared.trouble;
    }
}

fn local(env: &Env, entry: &Entry) -> Result<Option<Local>, Unavailable> {
    let runtime = RuntimeDir::open(&env.runtime, &entry.name);
    if !runtime.running()? {
        return Ok(None);
    }
    // Between the lock and its first word, an instance finds the status of the one before it.
    let said = runtime.status().ok().flatten().filter(|status| proc::alive(status.pid));
    Ok(Some(match said {
        None => Local {
            process: LocalProcess { pid: None },
            status: Status::Starting,
            standby: StandbyPermission::NotApplicable,
        },
        Some(said) => Local {
            process: LocalProcess { pid: Some(said.pid) },
            status: status_of(said.role),
            standby: standby_of(&said),
        },
    }))
}

fn status_of(role: LocalRole) -> Status {
    match role {
        LocalRole::Starting | LocalRole::Recovering => Status::Starting,
        LocalRole::Standby => Status::RunningAsStandby,
        LocalRole::Active => Status::Running,
        LocalRole::Quiescing => Status::Quiescing,
        LocalRole::EndingImmediately => Status::EndingImmediately,
        LocalRole::EndingPreemptively => Status::EndingPreemptively,
    }
}

fn standby_of(said: &LocalStatus) -> StandbyPermission {
    if said.multi_instance { StandbyPermission::Permitted } else { StandbyPermission::NotPermitted }
}

/// What the lock files say.
struct Shared {
    status: Status,
    standby: StandbyPermission,
    instances: Vec<Instance>,
    trouble: Option<Unavailable>,
}

fn shared(entry: &Entry) -> Result<Shared, Unavailable> {
    let data = entry.data_dir();
    let mut trouble = None;
    let mut instances = Vec::new();
    let active = holder(&data.master(), 0, entry.identity)?;
    let standbys = standbys(&data.standby(), entry.identity)?;

    let (status, standby) = match active {
        Holder::Alive(record) => {
            let permits = match &record {
                Ok(record) if record.permits_standby => StandbyPermission::Permitted,
                Ok(_) => StandbyPermission::NotPermitted,
                Err(_) => StandbyPermission::NotApplicable,
            };
            instances.push(instance(record, Mode::Active, &mut trouble));
            (Status::RunningElsewhere, permits)
        }
        // A standby that waits for locks that nobody holds is about to have them.
        Holder::Dead(record)
            if !standbys.is_empty() && (record.successor_wanted || !record.state.is_end()) =>
        {
            (Status::RunningElsewhere, StandbyPermission::Permitted)
        }
        Holder::Dead(record) => {
            let status = match record.state {
                State::EndedNormally => Status::EndedNormally,
                State::EndedImmediately => Status::EndedImmediately,
                State::EndedPreemptively => Status::EndedPreemptively,
                _ => Status::EndedUnexpectedly,
            };
            (status, StandbyPermission::NotApplicable)
        }
    };
    for record in standbys {
        instances.push(instance(record, Mode::Standby, &mut trouble));
    }
    Ok(Shared { status, standby, instances, trouble })
}

fn instance(
    record: Result<LockRecord, Unavailable>,
    mode: Mode,
    trouble: &mut Option<Unavailable>,
) -> Instance {
    match record {
        Ok(record) => Instance { host: Some(record.host), mode },
        Err(why) => {
            trouble.get_or_insert(why);
            Instance { host: None, mode }
        }
    }
}

/// Who holds a lock, or held it last.
enum Holder {
    /// Somebody holds it; what the record says, if it can be read.
    Alive(Result<LockRecord, Unavailable>),
    /// Nobody holds it; this is who did.
    Dead(LockRecord),
}

/// A lock file that was opened to be looked at.
struct LockFile<'a> {
    path: &'a Path,
    file: fs::File,
    expected: Option<QmgrId>,
}

fn open(path: &Path, expected: Option<QmgrId>) -> Result<LockFile<'_>, Unavailable> {
    match fs::open_read(path) {
        Ok(file) => Ok(LockFile { path, file, expected }),
        Err(error) if error.is_not_found() => {
            Err(Unavailable::NoLockFile { file: path.to_owned() })
        }
        Err(error) => Err(error.into()),
    }
}

impl LockFile<'_> {
    fn is_held(&self, slot: u64) -> Result<bool, IoError> {
        let len = LOCK_RECORD_BYTES as u64;
        lock::held_elsewhere(&self.file, self.path, Range { start: slot * len, len })
    }

    /// The record of a slot; who reads without the lock may find half of two writes.
    fn record(
        &self,
        slot: u64,
        is_settled: impl Fn(&LockRecord) -> bool,
    ) -> Result<LockRecord, Unavailable> {
        let mut found = LockSlot::Absent;
        for round in 0..READS {
            if round > 0 {
                clock::sleep(READ_AGAIN);
            }
            let mut bytes = [0; LOCK_RECORD_BYTES];
            let offset = slot * LOCK_RECORD_BYTES as u64;
            let len = fs::read_at(&self.file, self.path, &mut bytes, offset)?;
            found = LockSlot::decode(&bytes[..len]);
            if matches!(&found, LockSlot::Present(record) if is_settled(record)) {
                break;
            }
        }
        let record = |source| Unavailable::Record { file: self.path.to_owned(), source };
        match found {
            LockSlot::Absent => Err(record(None)),
            LockSlot::Unreadable(bad) => Err(record(Some(bad))),
            LockSlot::Present(found) => match self.expected {
                Some(expected) if expected != found.qmgr_id => {
                    Err(Unavailable::Foreign { file: self.path.to_owned(), found: found.qmgr_id })
                }
                _ => Ok(found),
            },
        }
    }
}

fn holder(path: &Path, slot: u64, expected: Option<QmgrId>) -> Result<Holder, Unavailable> {
    let file = open(path, expected)?;
    loop {
        if file.is_held(slot)? {
            // A holder that has just got the lock finds the record of the one before it.
            return match file.record(slot, |record| !record.state.is_end()) {
                Err(foreign @ Unavailable::Foreign { .. }) => Err(foreign),
                // Held for a moment by somebody who looks, and perhaps goes on to take over: whoever
                // is named in the record is not the holder.
                Ok(record) if record.state.is_end() => Ok(Holder::Dead(record)),
                record => Ok(Holder::Alive(record)),
            };
        }
        let record = file.record(slot, |_| true)?;
        // The lock may have been taken, and the record written, since it was looked at.
        if record.state.is_end() || !file.is_held(slot)? {
            return Ok(Holder::Dead(record));
        }
    }
}

/// What the records of the held slots say, in the order of the slots.
fn standbys(
    path: &Path,
    expected: Option<QmgrId>,
) -> Result<Vec<Result<LockRecord, Unavailable>>, Unavailable> {
    let mut found = Vec::new();
    let file = match open(path, expected) {
        // A standby would make it anew.
        Err(Unavailable::NoLockFile { .. }) => return Ok(found),
        file => file?,
    };
    if !lock::held_elsewhere(&file.file, path, Range::WHOLE)? {
        return Ok(found);
    }
    for slot in 0..u64::from(STANDBYS_MAX) {
        if !file.is_held(slot)? {
            continue;
        }
        let record = file.record(slot, |record| record.state == State::Standby);
        // Gone meanwhile? Then there is no instance to show.
        if file.is_held(slot)? {
            found.push(record);
        }
    }
    Ok(found)
}
