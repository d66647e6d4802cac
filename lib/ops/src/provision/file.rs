//! The file itself: how it is called, who may have written it, and its bytes.

use std::fmt;
use std::path::{Path, PathBuf};

use miqm_format::provision::{FILE_BYTES_MAX, Problem, Provision};
use miqm_qmgr::env::Env;
use miqm_qmgr::owner::{self, Admin, OwnerError};
use miqm_sys::fs::Stat;
use miqm_sys::{IoError, fs, user};
use miqm_types::QmgrName;

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The caller may not.
    #[error(transparent)]
    Owner(#[from] OwnerError),
    /// It is not there.
    #[error("{} does not exist", file.display())]
    Absent {
        /// The file.
        file: PathBuf,
    },
    /// It cannot be read.
    #[error(transparent)]
    Io(#[from] IoError),
    /// Somebody may have written it who does not administer this host.
    #[error("{}: {why}", path.display())]
    Untrusted {
        /// The file, or the directory that it is in.
        path: PathBuf,
        /// Who may.
        why: Untrusted,
    },
    /// It is larger than such files are.
    #[error("{} is longer than {FILE_BYTES_MAX} bytes", file.display())]
    TooLong {
        /// The file.
        file: PathBuf,
    },
    /// It is wrong.
    #[error("{} is wrong in {} places", file.display(), problems.len())]
    Wrong {
        /// The file.
        file: PathBuf,
        /// What is wrong with it, at least one thing.
        problems: Vec<Problem>,
    },
}

/// Who may have written a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Untrusted {
    /// It belongs to a user who is neither root nor the owner of the installation nor the caller.
    User(String),
    /// Everybody.
    Everybody,
    /// The members of a group that is neither root's nor that of the installation.
    Group(u32),
}

impl fmt::Display for Untrusted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(user) => write!(f, "it belongs to the user '{user}'"),
            Self::Everybody => f.write_str("everybody may write it"),
            Self::Group(gid) => write!(f, "the members of group {gid} may write it"),
        }
    }
}

/// The name of the file of a queue manager: as its units are called.
pub fn file_name(name: &QmgrName) -> String {
    format!("{}.toml", name.to_unit_instance())
}

/// Reads a file.
///
/// What it says is done with the rights of whoever runs the command, so only root, the owner of the
/// installation, its group and the caller may be able to write it.
///
/// # Errors
///
/// [`FileError`].
pub fn read(env: &Env, file: &Path) -> Result<Provision, FileError> {
    let admin = owner::authorize(env)?;
    let absent = |error: IoError| {
        if error.is_not_found() {
            return FileError::Absent { file: file.to_owned() };
        }
        error.into()
    };
    let opened = fs::open_read_following(file).map_err(absent)?;
    let stat = fs::stat_file(&opened, file)?;
    let untrusted = |path: &Path| {
        let path = path.to_owned();
        move |why| FileError::Untrusted { path, why }
    };
    trusted(&stat, &admin)?.map_or(Ok(()), |why| Err(untrusted(file)(why)))?;
    // Whoever may write the directory may put another file there.
    let directory = match file.parent() {
        Some(directory) if !directory.as_os_str().is_empty() => directory,
        _ => Path::new("."),
    };
    let stat = fs::stat(directory)?;
    let sticky = stat.mode & 0o1000 != 0;
    match trusted(&stat, &admin)? {
        Some(Untrusted::Everybody | Untrusted::Group(_)) if sticky => {}
        Some(why) => return Err(untrusted(directory)(why)),
        None => {}
    }
    let mut bytes = vec![0; FILE_BYTES_MAX + 1];
    let len = fs::read_at(&opened, file, &mut bytes, 0)?;
    if len > FILE_BYTES_MAX {
        return Err(FileError::TooLong { file: file.to_owned() });
    }
    Provision::parse(&bytes[..len])
        .map_err(|problems| FileError::Wrong { file: file.to_owned(), problems })
}

/// Why something is not to be trusted; `None` if it is.
fn trusted(stat: &Stat, admin: &Admin) -> Result<Option<Untrusted>, IoError> {
    let uid = stat.owner.uid;
    if uid != 0 && !admin.is_ours(uid) {
        return Ok(Some(Untrusted::User(user::user_name(uid))));
    }
    if stat.mode & 0o002 != 0 {
        return Ok(Some(Untrusted::Everybody));
    }
    let gid = stat.owner.gid;
    let ours = gid == 0 || gid == admin.owner.gid || user::mqm_group()? == Some(gid);
    // A user's own group, as many systems have it, is the user.
    let own = uid == admin.caller.uid && gid == admin.caller.gid;
    Ok((stat.mode & 0o020 != 0 && !ours && !own).then_some(Untrusted::Group(gid)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_called_as_units_are() {
        for (name, file) in [
            ("QM1", "QM1.toml"),
            ("QM.1/PAY", "QM.1-PAY.toml"),
            (".a_b", "\\x2ea_b.toml"),
            ("100%", "100\\x25.toml"),
            ("/", "-.toml"),
        ] {
            assert_eq!(file_name(&name.parse().unwrap()), file);
        }
    }
}
