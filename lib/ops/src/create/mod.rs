//! `crtmqm`: a queue manager is created whole or not at all.
//!
//! Order: everything is checked; the creation is noted in the prefix ([`miqm_qmgr::intent`]); the
//! directories are taken and filled, the log and the default objects made; the identity file is
//! written last. Until then nothing could be started from what is there. The stanza in the registry is
//! what makes it a queue manager: a creation that does not get so far is undone, by itself if it
//! fails or is interrupted, by the next `crtmqm` or `dltmqm` of that name if it was killed.

mod build;
mod disk;
mod place;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use miqm_engine::BadDefinition;
use miqm_qmgr::autoconf::AutoConfigError;
use miqm_qmgr::config::{ConfigError, SecurityPolicy};
use miqm_qmgr::env::Env;
use miqm_qmgr::intent::{self, Begun, Intent, Notes, Operation};
use miqm_qmgr::layout::{DIR_MODE, DataDir, LogDir};
use miqm_qmgr::owner::{self, Admin, OwnerError};
use miqm_qmgr::registry::{self, DefaultDamaged, Entry, LogDefaults, Registry, RegistryError};
use miqm_sys::fs::Presence;
use miqm_sys::{IoError, fs, user};
use miqm_types::{BadGeometry, LogGeometry, LogType, ObjectName, QmgrId, QmgrName};

pub(crate) use build::birth;
pub use place::{Purpose, Unusable};

/// Tells whether the work was asked to stop. It is asked often.
pub type Stop = Arc<dyn Fn() -> bool + Send + Sync>;

/// What a new queue manager is to be.
#[derive(Clone, Debug)]
pub struct Request {
    /// Its name.
    pub name: QmgrName,
    /// `-c`.
    pub description: Option<String>,
    /// `-d`.
    pub default_xmitq: Option<ObjectName>,
    /// `-u`.
    pub dead_letter: Option<ObjectName>,
    /// `-h`.
    pub max_handles: Option<u32>,
    /// `-x`.
    pub max_uncommitted: Option<u32>,
    /// `-t`, in milliseconds.
    pub trigger_interval: Option<u32>,
    /// `-lc`, `-ll`, `-lla` or `-lln`.
    pub log_type: Option<LogType>,
    /// `-lf`, in pages of 4 KiB.
    pub extent_pages: Option<u32>,
    /// `-lp`.
    pub primary: Option<u16>,
    /// `-ls`.
    pub secondary: Option<u16>,
    /// `-ld`: the directory under which the log directory is made.
    pub log_parent: Option<PathBuf>,
    /// `-md`: the directory under which the data directory is made.
    pub data_parent: Option<PathBuf>,
    /// The only name that the data directory may have; `None` takes the first that is free.
    pub data_name: Option<String>,
    /// The only name that the log directory may have; `None` takes the first that is free.
    pub log_name: Option<String>,
    /// `-oa`.
    pub security_policy: Option<SecurityPolicy>,
    /// `-g`.
    pub restricted_group: Option<String>,
    /// `-p`.
    pub port: Option<u16>,
    /// `-q`.
    pub make_default: bool,
    /// `-ii`.
    pub auto_ini: Option<PathBuf>,
    /// `-iv`.
    pub variables: Vec<(String, String)>,
}

impl Request {
    /// A queue manager with nothing but a name.
    pub fn new(name: QmgrName) -> Self {
        Self {
            name,
            description: None,
            default_xmitq: None,
            dead_letter: None,
            max_handles: None,
            max_uncommitted: None,
            trigger_interval: None,
            log_type: None,
            extent_pages: None,
            primary: None,
            secondary: None,
            log_parent: None,
            data_parent: None,
            data_name: None,
            log_name: None,
            security_policy: None,
            restricted_group: None,
            port: None,
            make_default: false,
            auto_ini: None,
            variables: Vec::new(),
        }
    }
}

/// A queue manager that was created.
#[derive(Debug)]
pub struct Created {
    /// Its stanza.
    pub entry: Entry,
    /// Its data directory.
    pub data: DataDir,
    /// Its log directory.
    pub log: LogDir,
    /// How many default objects were created, replaced, and not.
    pub objects: (u64, u64, u64),
    /// Why it is not the default queue manager although it was to be.
    pub not_default: Option<DefaultDamaged>,
}

/// Why a queue manager was not created.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// The caller may not, or there is no owner.
    #[error(transparent)]
    Owner(#[from] OwnerError),
    /// The registry cannot be read or changed.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// There is a queue manager of this name.
    #[error("{0} exists")]
    Exists(QmgrName),
    /// Another command is at work on this name.
    #[error("{0} is being created or deleted")]
    Busy(QmgrName),
    /// A deletion of a queue manager of this name did not finish.
    #[error("the deletion of {0} did not finish")]
    HalfDeleted(QmgrName),
    /// The log cannot have this size.
    #[error(transparent)]
    Geometry(#[from] BadGeometry),
    /// A directory cannot be used.
    #[error("{} cannot be used: {why}", path.display())]
    Location {
        /// What for.
        purpose: Purpose,
        /// Which.
        path: PathBuf,
        /// Why not.
        why: Unusable,
    },
    /// The directory that the queue manager was to have is in use.
    #[error("{} is in use", path.display())]
    Taken {
        /// What for.
        purpose: Purpose,
        /// Which.
        path: PathBuf,
    },
    /// Every directory name that could be tried is taken.
    #[error("no name like {directory} is free")]
    NoDirectoryName {
        /// The first name that was tried.
        directory: String,
        /// The queue manager.
        qmgr: QmgrName,
    },
    /// The log does not fit.
    #[error("{} has too little space", path.display())]
    NoSpace {
        /// Where it was to be.
        path: PathBuf,
        /// What it needs, in bytes.
        needed_bytes: u64,
        /// What there is, in bytes.
        free_bytes: u64,
    },
    /// There is no such group.
    #[error("there is no group {0}")]
    NoGroup(String),
    /// Somebody who must be in the group is not.
    #[error("{user} is not in group {group}")]
    NotInGroup {
        /// Who.
        user: String,
        /// Which group.
        group: String,
    },
    /// An automatic ini file cannot be used.
    #[error(transparent)]
    Auto(#[from] AutoConfigError),
    /// The settings, with those of automatic files, cannot be right.
    #[error(transparent)]
    Settings(#[from] ConfigError),
    /// An attribute of the queue manager cannot have the value.
    #[error(transparent)]
    Attribute(#[from] BadDefinition),
    /// The log or the objects cannot be made.
    #[error(transparent)]
    Store(#[from] Box<miqm_engine::CreateError>),
    /// A file cannot be made.
    #[error(transparent)]
    Io(#[from] IoError),
    /// It was asked to stop.
    #[error("interrupted")]
    Interrupted,
    /// It failed, and what it had made cannot be removed.
    #[error("{error}, and {} is left", notes.display())]
    LeftBehind {
        /// Why it failed.
        error: Box<CreateError>,
        /// Why the rest could not be removed.
        undo: IoError,
        /// The notes about it.
        notes: PathBuf,
    },
}

impl CreateError {
    /// The file operation that failed, if one did.
    pub fn io(&self) -> Option<&IoError> {
        match self {
            Self::Io(error)
            | Self::Location { why: Unusable::Refused(error), .. }
            | Self::Auto(AutoConfigError::Io(error)) => Some(error),
            Self::Store(error) => store_io(error),
            _ => None,
        }
    }
}

fn store_io(error: &miqm_engine::CreateError) -> Option<&IoError> {
    use miqm_engine::{CheckpointError, CreateError as Store};

    fn log(error: &miqm_wal::LogError) -> Option<&IoError> {
        match error {
            miqm_wal::LogError::Poisoned(poison) => match &**poison {
                miqm_wal::Poison::Io(error) => Some(error),
                _ => None,
            },
            miqm_wal::LogError::Full(_) => None,
        }
    }
    match error {
        Store::Open(miqm_wal::OpenError::Io(error))
        | Store::Checkpoint(CheckpointError::Snapshot(error)) => Some(error),
        Store::Open(miqm_wal::OpenError::Log(error))
        | Store::Log(error)
        | Store::Checkpoint(CheckpointError::Log(error)) => log(error),
        Store::Open(_) | Store::Bad(_) => None,
    }
}

/// Creates a queue manager. When it fails nothing of it is left.
///
/// # Errors
///
/// [`CreateError`].
pub fn create(env: &Env, request: &Request, stop: &Stop) -> Result<Created, CreateError> {
    let admin = owner::authorize(env)?;
    settle_killed(env, &request.name, &admin)?;
    let plan = Plan::of(env, request, &admin)?;
    owner::establish(env)?;
    let mut intent = match Intent::begin(env, &request.name, admin.maker)? {
        Begun::Busy => return Err(CreateError::Busy(request.name.clone())),
        Begun::Free(intent, None) => intent,
        Begun::Free(intent, Some(notes)) => {
            clean_up(env, &request.name, &notes)?;
            intent
        }
    };
    let id = QmgrId(miqm_sys::random::bytes16()?);
    let made = begin(env, &request.name, &mut intent, id).and_then(|()| {
        let mut work = build::Work { env, request, admin: &admin, plan: &plan, stop, id };
        work.build(&mut intent)
    });
    match made {
        Ok(created) => {
            // It exists now, whatever happens to the marks; another command removes those.
            let places = [created.data.path(), created.log.path()];
            drop(finish(&places, id).and_then(|()| intent.finish()));
            Ok(created)
        }
        Err(error) => {
            let error = if stop() { CreateError::Interrupted } else { error };
            Err(take_back(error, intent, id))
        }
    }
}

/// Makes the checks of a creation that need not make anything. A creation that passes them can still fail.
///
/// # Errors
///
/// [`CreateError`].
pub fn check(env: &Env, request: &Request) -> Result<(), CreateError> {
    let admin = owner::authorize(env)?;
    let plan = Plan::of(env, request, &admin)?;
    if fs::presence(&plan.log_parent)? == Presence::Absent {
        return Ok(());
    }
    build::space(&plan, &plan.log_parent)
}

/// Completes or undoes what a creation of this name left that was killed, if there is such a thing.
///
/// # Errors
///
/// [`CreateError::Busy`] if one is at work, or why it cannot be dealt with.
pub fn settle_name(env: &Env, name: &QmgrName) -> Result<(), CreateError> {
    settle_killed(env, name, &owner::authorize(env)?)
}

fn begin(env: &Env, name: &QmgrName, intent: &mut Intent, id: QmgrId) -> Result<(), CreateError> {
    // Looked at again: another command may have created it before this one had the right to.
    free(&Registry::load(env)?, name)?;
    Ok(intent.start(Operation::Create, id)?)
}

fn free(registry: &Registry, name: &QmgrName) -> Result<(), CreateError> {
    match registry.find(name) {
        Ok(None) => Ok(()),
        // A name in a stanza that is damaged is taken, too.
        Ok(Some(_)) | Err(RegistryError::Entry { .. }) => Err(CreateError::Exists(name.clone())),
        Err(error) => Err(error.into()),
    }
}

/// Undoes what was done, and returns the error to report.
fn take_back(error: CreateError, intent: Intent, id: QmgrId) -> CreateError {
    let notes = intent.path().to_owned();
    let undone =
        intent.notes().map_or(Ok(()), |notes| undo_all(&notes, id)).and_then(|()| intent.finish());
    match undone {
        Ok(()) => error,
        Err(undo) => CreateError::LeftBehind { error: Box::new(error), undo, notes },
    }
}

fn undo_all(notes: &Notes, id: QmgrId) -> Result<(), IoError> {
    notes.places.iter().rev().try_for_each(|place| intent::undo(place, id))
}

/// Removes the marks of a creation that is complete.
fn finish(places: &[&Path], id: QmgrId) -> Result<(), IoError> {
    for place in places {
        fs::remove_file_if_there(&place.join(intent::marker(id)))?;
        fs::sync_dir(place)?;
    }
    Ok(())
}

/// Deals with what a creation of this name left that was killed, if there is such a thing.
fn settle_killed(env: &Env, name: &QmgrName, admin: &Admin) -> Result<(), CreateError> {
    if fs::presence(&intent::file_of(env, name))? == Presence::Absent {
        return Ok(());
    }
    match Intent::begin(env, name, admin.maker)? {
        Begun::Busy => Err(CreateError::Busy(name.clone())),
        Begun::Free(intent, notes) => {
            notes.map_or(Ok(()), |notes| clean_up(env, name, &notes))?;
            Ok(intent.finish()?)
        }
    }
}

/// Deals with what a command left that was killed: a creation that had come to its end is
/// completed, another is undone.
fn clean_up(env: &Env, name: &QmgrName, notes: &Notes) -> Result<(), CreateError> {
    if notes.operation == Operation::Delete {
        // The registry may have forgotten it already; then only the notes were left.
        return match Registry::load(env)?.find(name) {
            Ok(None) => Ok(()),
            _ => Err(CreateError::HalfDeleted(name.clone())),
        };
    }
    Ok(settle(env, name, notes)?)
}

/// The same for any command: completes or undoes a creation that was killed.
pub(crate) fn settle(env: &Env, name: &QmgrName, notes: &Notes) -> Result<(), SettleError> {
    let registry = Registry::load(env)?;
    let exists = registry.find(name).ok().flatten().is_some_and(|e| e.identity == Some(notes.id));
    if exists {
        let places: Vec<_> = notes.places.iter().map(|place| place.path.as_path()).collect();
        let there = |path: &&&Path| fs::presence(path).is_ok_and(|p| p == Presence::Dir);
        let places: Vec<_> = places.iter().filter(there).copied().collect();
        return Ok(finish(&places, notes.id)?);
    }
    Ok(undo_all(notes, notes.id)?)
}

/// Why what a killed command left cannot be dealt with.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SettleError {
    /// The registry cannot be read.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// Something cannot be removed.
    #[error(transparent)]
    Io(#[from] IoError),
}

impl From<SettleError> for CreateError {
    fn from(error: SettleError) -> Self {
        match error {
            SettleError::Registry(error) => error.into(),
            SettleError::Io(error) => error.into(),
        }
    }
}

/// What was decided before anything is made.
struct Plan {
    /// The `Prefix` of the stanza.
    prefix: PathBuf,
    data_parent: PathBuf,
    log_parent: PathBuf,
    log_type: LogType,
    geometry: LogGeometry,
    buffer_pages: u32,
    auto: Vec<miqm_qmgr::autoconf::AutoFile>,
    qmgr: miqm_engine::Object,
    at: miqm_types::UtcTime,
}

impl Plan {
    fn of(env: &Env, request: &Request, admin: &Admin) -> Result<Self, CreateError> {
        let registry = Registry::load(env)?;
        free(&registry, &request.name)?;
        let defaults = registry.log_defaults()?;
        let geometry = LogGeometry::new(
            request.extent_pages.unwrap_or(defaults.extent_pages),
            request.primary.unwrap_or(defaults.primary),
            request.secondary.unwrap_or(defaults.secondary),
        )?;
        let at = miqm_sys::clock::utc_now();
        let qmgr = build::attributes(request, at)?;
        if let Some(group) = &request.restricted_group {
            check_group(group, admin)?;
        }
        let prefix = match &env.default_prefix {
            Some(prefix) => prefix.clone(),
            None => registry.default_prefix()?.unwrap_or_else(|| env.prefix.clone()),
        };
        if prefix != env.prefix {
            place::check_parent(&prefix, Purpose::Data, admin)?;
        }
        let auto = request.auto_ini.as_deref().map(miqm_qmgr::autoconf::read).transpose()?;
        Ok(Self {
            data_parent: data_parent(request, &prefix, admin)?,
            log_parent: log_parent(env, request, &defaults, admin)?,
            log_type: request.log_type.unwrap_or(defaults.log_type),
            geometry,
            buffer_pages: defaults.buffer_pages,
            auto: auto.unwrap_or_default(),
            prefix,
            qmgr,
            at,
        })
    }
}

fn data_parent(request: &Request, prefix: &Path, admin: &Admin) -> Result<PathBuf, CreateError> {
    match &request.data_parent {
        None => Ok(prefix.join("qmgrs")),
        Some(path) => place::check_parent(path, Purpose::Data, admin).map(|()| tidy(path)),
    }
}

fn log_parent(
    env: &Env,
    request: &Request,
    defaults: &LogDefaults,
    admin: &Admin,
) -> Result<PathBuf, CreateError> {
    if let Some(path) = &request.log_parent {
        return place::check_parent(path, Purpose::Log, admin).map(|()| tidy(path));
    }
    let own = env.prefix.join("log");
    match &defaults.path {
        // The registry says so itself when it is new: then it is made like the prefix.
        Some(path) if *path != own => {
            place::check_parent(path, Purpose::Log, admin).map(|()| tidy(path))
        }
        _ => Ok(own),
    }
}

/// Without repeated slashes, dots, and a slash at the end.
fn tidy(path: &Path) -> PathBuf {
    path.components().collect()
}

fn check_group(group: &str, admin: &Admin) -> Result<(), CreateError> {
    let gid = user::group_id(group)?.ok_or_else(|| CreateError::NoGroup(group.to_owned()))?;
    let absent =
        |uid| CreateError::NotInGroup { user: user::user_name(uid), group: group.to_owned() };
    if !admin.caller.is_root() && !admin.caller.in_group(gid) {
        return Err(absent(admin.caller.uid));
    }
    if admin.owner.uid != 0 && !user::groups_of(admin.owner.uid)?.contains(&gid) {
        return Err(absent(admin.owner.uid));
    }
    Ok(())
}

/// Makes a directory of the installation that holds those of queue managers.
fn make_parent(path: &Path, admin: &Admin) -> Result<(), IoError> {
    fs::make_dir_all(path, DIR_MODE, Some(admin.maker)).map(drop)
}

/// Whether a stanza, of a queue manager that may not be mounted now, has this data directory.
fn in_registry(registry: &Registry, path: &Path) -> bool {
    registry.entries().iter().any(|entry| entry.data_dir().path() == path)
}

/// Adds the stanza: from here on the queue manager exists.
fn register(
    env: &Env,
    request: &Request,
    admin: &Admin,
    entry: &Entry,
) -> Result<Option<DefaultDamaged>, CreateError> {
    registry::edit(env, admin.maker, |edit| {
        free(edit.registry(), &request.name)?;
        edit.add(entry)?;
        if !request.make_default {
            return Ok(None);
        }
        Ok(edit.set_default(&request.name).err())
    })
}

/// What tells that SIGINT, SIGTERM or SIGHUP has come, from now on.
///
/// # Errors
///
/// [`IoError`] if the signals cannot be caught.
pub fn stop_on_signals() -> Result<Stop, IoError> {
    use std::sync::atomic::{AtomicBool, Ordering};
    let signals = miqm_sys::signal::Signals::catch()?;
    let stopped = AtomicBool::new(false);
    Ok(Arc::new(move || {
        // Once is enough: the signal itself is gone from the pipe when it was seen.
        if matches!(signals.wait(std::time::Duration::ZERO), Ok(Some(_)) | Err(_)) {
            stopped.store(true, Ordering::Relaxed);
        }
        stopped.load(Ordering::Relaxed)
    }))
}
