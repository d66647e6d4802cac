//! What there is where a queue manager is to be.

use std::fmt;
use std::path::{Path, PathBuf};

use miqm_qmgr::identity::{Identity, IdentityError};
use miqm_qmgr::layout::DataDir;
use miqm_sys::fs::Presence;
use miqm_sys::{IoError, fs};
use miqm_types::QmgrName;

use super::{Place, ProvisionError, Spot};

/// What was found.
pub(super) enum Found {
    /// Nobody has it.
    Nothing,
    /// A creation is under way; this is the trace of it.
    Busy(PathBuf),
    /// It is in this data directory.
    Ours(PathBuf),
    /// A directory that it was to have is in use.
    Taken(PathBuf, Holder),
}

/// By whom or what a directory is used that a queue manager was to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holder {
    /// Another queue manager.
    Qmgr(QmgrName),
    /// A queue manager that is being deleted, or was in part.
    Deleted,
    /// Something that is no queue manager.
    Unknown,
    /// It is no directory.
    NotADirectory,
    /// It is a symbolic link.
    Link,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Qmgr(name) => write!(f, "it is the directory of queue manager '{name}'"),
            Self::Deleted => f.write_str("a queue manager in it was deleted in part"),
            Self::Unknown => f.write_str("it holds something that is no queue manager"),
            Self::NotADirectory => f.write_str("it is not a directory"),
            Self::Link => f.write_str("it is a symbolic link"),
        }
    }
}

/// What is in one directory.
enum State {
    Free,
    Busy(PathBuf),
    Ours,
    Taken(Holder),
}

/// Looks for the queue manager where the file wants it.
///
/// The log is looked at first: whoever makes a queue manager takes its data directory before that of the
/// log, so a log that is in use while the data directory is free is nobody's who is at work.
///
/// Directories are listed rather than asked for a name: on NFS, that a name was not there may be remembered
/// for a minute, while opening a directory to list it asks the server.
pub(super) fn look(place: &Place, name: &QmgrName) -> Result<Found, ProvisionError> {
    let log = state(&place.log.path(), name)?;
    let mut ours: Option<PathBuf> = None;
    for path in others(&place.data, name)? {
        match state(&path, name)? {
            State::Busy(at) => return Ok(Found::Busy(at)),
            State::Ours => {
                if let Some(one) = ours {
                    return Err(ProvisionError::Ambiguous { one, other: path });
                }
                ours = Some(path);
            }
            State::Free | State::Taken(_) => {}
        }
    }
    let wanted = place.data.path();
    match (state(&wanted, name)?, ours) {
        (State::Busy(at), _) => Ok(Found::Busy(at)),
        (State::Ours, Some(other)) => Err(ProvisionError::Ambiguous { one: wanted, other }),
        (State::Ours, None) => Ok(Found::Ours(wanted)),
        (_, Some(ours)) => Ok(Found::Ours(ours)),
        (State::Taken(by), None) => Ok(Found::Taken(wanted, by)),
        (State::Free, None) => Ok(match log {
            State::Free => Found::Nothing,
            State::Busy(at) => Found::Busy(at),
            State::Ours => Found::Taken(place.log.path(), Holder::Qmgr(name.clone())),
            State::Taken(by) => Found::Taken(place.log.path(), by),
        }),
    }
}

/// The other directories in which `crtmqm` may have put it because the first was taken: the same name, or the
/// first eight characters of it, with a number after it.
fn others(spot: &Spot, name: &QmgrName) -> Result<Vec<PathBuf>, IoError> {
    if spot.named {
        return Ok(Vec::new());
    }
    let whole = name.to_dir_component();
    let short: String = whole.chars().take(8).collect();
    let is_one = |found: &str| {
        let numbered = |base: &str| {
            let number = found.strip_prefix(base).and_then(|rest| rest.strip_prefix('.'));
            number.is_some_and(|n| n.len() == 3 && n.bytes().all(|b| b.is_ascii_digit()))
        };
        numbered(&whole) || numbered(&short)
    };
    let names = match fs::list(&spot.parent) {
        Err(error) if error.is_not_found() => return Ok(Vec::new()),
        names => names?,
    };
    let names = names.into_iter().filter(|found| found.to_str().is_some_and(is_one));
    Ok(names.map(|found| spot.parent.join(found)).collect())
}

fn state(path: &Path, name: &QmgrName) -> Result<State, ProvisionError> {
    match fs::presence(path)? {
        Presence::Absent => return Ok(State::Free),
        Presence::Symlink => return Ok(State::Taken(Holder::Link)),
        Presence::File | Presence::Other => return Ok(State::Taken(Holder::NotADirectory)),
        Presence::Dir => {}
    }
    let names = match fs::list(path) {
        Err(error) if error.is_not_found() => return Ok(State::Free),
        names => names?,
    };
    if names.is_empty() {
        return Ok(State::Free);
    }
    let data = DataDir::new(path);
    let has = |file: &Path| names.iter().any(|name| Some(name.as_os_str()) == file.file_name());
    let marked =
        |name: &&std::ffi::OsString| name.to_str().is_some_and(|name| name.starts_with(MARK));
    if let Some(marker) = names.iter().find(marked) {
        return Ok(State::Busy(path.join(marker)));
    }
    if has(&data.identity()) {
        return match Identity::load(&data.identity()) {
            Ok(found) if found.name == *name => Ok(State::Ours),
            Ok(found) => Ok(State::Taken(Holder::Qmgr(found.name))),
            // It has just gone.
            Err(IdentityError::Absent { .. }) => Ok(State::Busy(path.to_owned())),
            Err(error) => Err(error.into()),
        };
    }
    let deleted = has(&data.deleted_identity());
    Ok(State::Taken(if deleted { Holder::Deleted } else { Holder::Unknown }))
}

/// How the mark of a creation begins; see [`miqm_qmgr::intent::marker`].
pub(super) const MARK: &str = ".creating-";
