//! Finding and taking the directories of a new queue manager.

use std::path::{Path, PathBuf};

use miqm_qmgr::intent::{Intent, Place, marker};
use miqm_qmgr::layout::{DIR_MODE, FILE_MODE, LOG_PATH_BYTES_MAX, candidates, short_candidates};
use miqm_qmgr::owner::Admin;
use miqm_sys::fs::Presence;
use miqm_sys::{IoError, fs, user};
use miqm_types::{QmgrId, QmgrName};

use super::CreateError;

/// What a directory is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The data directory.
    Data,
    /// The log directory.
    Log,
}

/// Why a directory cannot hold a queue manager or its log.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// Its path does not begin with a slash.
    #[error("the path does not begin with a slash")]
    NotAbsolute,
    /// Its path cannot stand in an ini file.
    #[error("the path is not plain text")]
    NotText,
    /// Its path is longer than the interface can hold.
    #[error("the path is longer than {LOG_PATH_BYTES_MAX} bytes")]
    TooLong,
    /// It does not exist.
    #[error("it does not exist")]
    Missing,
    /// It is something else.
    #[error("it is not a directory")]
    NotADirectory,
    /// It is a symbolic link; a directory of a queue manager must be the directory itself.
    #[error("it is a symbolic link")]
    Link,
    /// It belongs to somebody who has nothing to do with the installation.
    #[error("it belongs to the user '{user}'")]
    Foreign {
        /// Whom it belongs to.
        user: String,
    },
    /// The log directory would be in the data directory.
    #[error("it is in the data directory")]
    InData,
    /// The owner of the installation could not get there.
    #[error("the user '{user}' may not search '{}'", at.display())]
    Unreachable {
        /// The owner of the installation.
        user: String,
        /// The directory on the way.
        at: PathBuf,
    },
    /// The system refused.
    #[error("{}", .0.source)]
    Refused(IoError),
}

/// Makes sure that an operator's path can be used: absolute, text, an existing directory that
/// the owner of the installation can reach.
pub(super) fn check_parent(
    path: &Path,
    purpose: Purpose,
    admin: &Admin,
) -> Result<(), CreateError> {
    let unusable = |why| CreateError::Location { purpose, path: path.to_owned(), why };
    check_text(path).map_err(unusable)?;
    match fs::stat(path) {
        Ok(stat) if stat.is_dir => {}
        Ok(_) => return Err(unusable(Unusable::NotADirectory)),
        Err(error) if error.is_not_found() => {
            let link = fs::presence(path).is_ok_and(|found| found == Presence::Symlink);
            let why = if link { Unusable::Refused(error) } else { Unusable::Missing };
            return Err(unusable(why));
        }
        Err(error) => return Err(unusable(Unusable::Refused(error))),
    }
    let real = fs::canonical(path).map_err(|error| unusable(Unusable::Refused(error)))?;
    reachable(&real, admin).map_err(unusable)
}

/// Whether a path can be used in an ini file and in the interface.
pub(super) fn check_text(path: &Path) -> Result<(), Unusable> {
    let text = path.to_str().ok_or(Unusable::NotText)?;
    if text.contains(char::is_control) || text.trim() != text {
        return Err(Unusable::NotText);
    }
    if !path.is_absolute() {
        return Err(Unusable::NotAbsolute);
    }
    if text.len() > LOG_PATH_BYTES_MAX {
        return Err(Unusable::TooLong);
    }
    Ok(())
}

/// Root can go everywhere; the instance that runs as the owner cannot.
fn reachable(path: &Path, admin: &Admin) -> Result<(), Unusable> {
    if !admin.caller.is_root() || admin.owner.uid == 0 {
        return Ok(());
    }
    for at in path.ancestors() {
        let stat = fs::stat(at).map_err(Unusable::Refused)?;
        let search = if stat.owner.uid == admin.owner.uid {
            stat.mode & 0o100
        } else if stat.owner.gid == admin.owner.gid {
            stat.mode & 0o010
        } else {
            stat.mode & 0o001
        };
        if search == 0 {
            let user = user::user_name(admin.owner.uid);
            return Err(Unusable::Unreachable { user, at: at.to_owned() });
        }
    }
    Ok(())
}

/// Takes a directory for the queue manager in `parent`: the first name that is free, or that is
/// an empty directory of the installation.
///
/// The directory is noted before it is touched and marked before anything else is made in it.
pub(super) fn take(
    parent: &Path,
    name: &QmgrName,
    purpose: Purpose,
    admin: &Admin,
    intent: &mut Intent,
    id: QmgrId,
    is_taken: impl Fn(&Path) -> bool,
) -> Result<Taken, CreateError> {
    let mut names: Box<dyn Iterator<Item = String>> = Box::new(candidates(name));
    let mut is_short = false;
    while let Some(directory) = names.next() {
        let path = parent.join(&directory);
        if is_taken(&path) {
            continue;
        }
        match try_take(&path, purpose, admin, intent, id) {
            Ok(Some(place)) => return Ok(Taken { directory, place }),
            Ok(None) => {}
            Err(CreateError::Location { why: Unusable::Refused(error), .. })
                if !is_short && name_is_refused(&error) =>
            {
                is_short = true;
                names = Box::new(short_candidates(name));
            }
            Err(error) => return Err(error),
        }
    }
    Err(CreateError::NoDirectoryName { directory: name.to_dir_component(), qmgr: name.clone() })
}

/// A directory that is the queue manager's now.
#[derive(Clone, Debug)]
pub(super) struct Taken {
    /// Its name.
    pub(super) directory: String,
    pub(super) place: Place,
}

/// Whether a file system cannot have such a name, as opposed to refusing the directory.
fn name_is_refused(error: &IoError) -> bool {
    const EINVAL: i32 = 22;
    const ENAMETOOLONG: i32 = 36;
    matches!(error.errno(), Some(EINVAL | ENAMETOOLONG))
}

/// Takes a directory: `None` if the path is in use.
pub(super) fn try_take(
    path: &Path,
    purpose: Purpose,
    admin: &Admin,
    intent: &mut Intent,
    id: QmgrId,
) -> Result<Option<Place>, CreateError> {
    match mark(path, purpose, admin, intent, id) {
        // It was there, and another host has removed it: one that had made it and gives way, or that undoes a
        // creation which was killed before it had made it. (What cannot be made at all has no parent.)
        Err(CreateError::Location { why: Unusable::Refused(error), .. })
            if error.is_not_found() && path.parent().is_some_and(|dir| fs::stat(dir).is_ok()) =>
        {
            Ok(None)
        }
        other => other,
    }
}

fn mark(
    path: &Path,
    purpose: Purpose,
    admin: &Admin,
    intent: &mut Intent,
    id: QmgrId,
) -> Result<Option<Place>, CreateError> {
    let unusable = |why| CreateError::Location { purpose, path: path.to_owned(), why };
    let refused = |error| unusable(Unusable::Refused(error));
    check_text(path).map_err(unusable)?;
    let place = match fs::presence(path).map_err(refused)? {
        Presence::Absent => {
            let place = Place { path: path.to_owned(), made: true };
            intent.note(&place)?;
            match fs::make_dir(path, DIR_MODE, Some(admin.maker)) {
                Ok(()) => place,
                // Somebody was quicker: it is theirs.
                Err(error) if error.is_already_there() => return Ok(None),
                Err(error) => return Err(refused(error)),
            }
        }
        Presence::Dir => {
            let stat = fs::stat(path).map_err(refused)?;
            if !admin.is_ours(stat.owner.uid) {
                let user = user::user_name(stat.owner.uid);
                return Err(unusable(Unusable::Foreign { user }));
            }
            if !fs::list(path).map_err(refused)?.is_empty() {
                return Ok(None);
            }
            let place = Place { path: path.to_owned(), made: false };
            intent.note(&place)?;
            if stat.mode != DIR_MODE {
                fs::set_mode(path, DIR_MODE).map_err(refused)?;
            }
            place
        }
        Presence::Symlink => return Err(unusable(Unusable::Link)),
        Presence::File | Presence::Other => return Ok(None),
    };
    let own = marker(id);
    let mark = path.join(&own);
    fs::create_new(&mark, FILE_MODE, Some(admin.maker)).map(drop).map_err(refused)?;
    fs::sync_dir(path).map_err(refused)?;
    if let Some(parent) = path.parent().filter(|_| place.made) {
        fs::sync_dir(parent).map_err(refused)?;
    }
    // Another host may have found it empty, too. Whoever is not alone gives way.
    if fs::list(path).map_err(refused)?.iter().any(|name| name.to_str() != Some(&own)) {
        fs::remove_file(&mark).map_err(refused)?;
        return Ok(None);
    }
    Ok(Some(place))
}
