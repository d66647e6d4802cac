//! Directories and names.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::{Mode, fchmod};
use nix::sys::statvfs::statvfs;
use nix::unistd::{Gid, Uid, fchown};

use super::file::retry;
use super::{Owner, Presence, lstat, presence, stat, stat_file};
use crate::error::{At, IoError, Op};
use crate::inflight;
use crate::mount;

/// Makes a directory with exactly this mode and owner.
///
/// Its name is durable after [`sync_dir`] of the directory that it is in.
///
/// # Errors
///
/// If there is something of that name, or if it cannot be made as asked; then nothing of it is left.
pub fn make_dir(path: &Path, mode: u32, owner: Option<Owner>) -> Result<(), IoError> {
    {
        let _entered = inflight::enter(Op::Create, path);
        std::fs::DirBuilder::new().mode(0o700).create(path).at(Op::Create, path)?;
    }
    let result = open_dir(path, OFlag::O_NOFOLLOW, Op::Create)
        .and_then(|dir| owned_and_moded(&dir, path, mode, owner));
    if result.is_err() {
        // The first error is the one to tell.
        drop(remove_dir(path));
    }
    result
}

/// Makes a directory and those above it that are missing, each with exactly this mode and owner;
/// tells which it made, outermost first. What exists is left as it is.
///
/// # Errors
///
/// If one cannot be made, or if something that is no directory is in the way. Those made until
/// then stay.
pub fn make_dir_all(path: &Path, mode: u32, owner: Option<Owner>) -> Result<Vec<PathBuf>, IoError> {
    let mut missing = Vec::new();
    let mut at = path;
    loop {
        // A symbolic link to a directory is as good as one.
        match stat(at) {
            Ok(found) if found.is_dir => break,
            Ok(_) => return Err(IoError::new(Op::Create, at, Errno::ENOTDIR)),
            Err(error) if error.is_not_found() => match presence(at)? {
                Presence::Absent => {}
                // Somebody else has just made it.
                Presence::Dir => break,
                _ => return Err(error),
            },
            Err(error) => return Err(error),
        }
        missing.push(at);
        match at.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => at = parent,
            _ => break,
        }
    }
    let mut new = Vec::new();
    for dir in missing.into_iter().rev() {
        match make_dir(dir, mode, owner) {
            Ok(()) => new.push(dir.to_owned()),
            // Somebody else was faster.
            Err(error) if error.is_already_there() && stat(dir)?.is_dir => {}
            Err(error) => return Err(error),
        }
    }
    Ok(new)
}

/// Sets the mode of a file or directory, not of what a symbolic link leads to.
///
/// # Errors
///
/// If the path is a symbolic link, cannot be opened for reading, or may not be changed.
pub fn set_mode(path: &Path, mode: u32) -> Result<(), IoError> {
    let file = open_any(path, Op::SetMode)?;
    let _entered = inflight::enter(Op::SetMode, path);
    fchmod(&file, Mode::from_bits_truncate(mode)).at(Op::SetMode, path)
}

/// Sets the owner of a file or directory, not of what a symbolic link leads to.
///
/// # Errors
///
/// If the path is a symbolic link, cannot be opened for reading, or may not be changed.
pub fn set_owner(path: &Path, owner: Owner) -> Result<(), IoError> {
    let file = open_any(path, Op::SetOwner)?;
    let mode = stat_file(&file, path)?.mode;
    owned_and_moded(&file, path, mode, Some(owner))
}

/// Makes the names in a directory durable.
///
/// # Errors
///
/// If the directory cannot be opened or the sync fails.
pub fn sync_dir(path: &Path) -> Result<(), IoError> {
    let dir = open_dir(path, OFlag::empty(), Op::SyncDir)?;
    let _entered = inflight::enter(Op::SyncDir, path);
    dir.sync_all().at(Op::SyncDir, path)
}

/// Removes a name of a file, or a symbolic link itself.
///
/// # Errors
///
/// If there is nothing, or it is a directory, or it may not be removed.
pub fn remove_file(path: &Path) -> Result<(), IoError> {
    let _entered = inflight::enter(Op::Remove, path);
    std::fs::remove_file(path).at(Op::Remove, path)
}

/// As [`remove_file`], and no error if there is nothing.
///
/// # Errors
///
/// If it is a directory, or may not be removed.
pub fn remove_file_if_there(path: &Path) -> Result<(), IoError> {
    match remove_file(path) {
        Err(error) if !error.is_not_found() => Err(error),
        _ => Ok(()),
    }
}

/// Removes an empty directory.
///
/// # Errors
///
/// If there is nothing, or it is no directory, or not empty, or may not be removed.
pub fn remove_dir(path: &Path) -> Result<(), IoError> {
    let _entered = inflight::enter(Op::Remove, path);
    std::fs::remove_dir(path).at(Op::Remove, path)
}

/// The names in a directory, sorted, without `.` and `..`.
///
/// # Errors
///
/// If it cannot be listed.
pub fn list(path: &Path) -> Result<Vec<OsString>, IoError> {
    let mut entries = {
        let _entered = inflight::enter(Op::List, path);
        std::fs::read_dir(path).at(Op::List, path)?
    };
    let mut names = Vec::new();
    loop {
        let _entered = inflight::enter(Op::List, path);
        match entries.next() {
            Some(entry) => names.push(entry.at(Op::List, path)?.file_name()),
            None => break,
        }
    }
    names.sort();
    Ok(names)
}

/// Gives a file one more name.
///
/// # Errors
///
/// If there is something of the new name, or the file system refuses.
pub fn link(from: &Path, to: &Path) -> Result<(), IoError> {
    let _entered = inflight::enter(Op::Link, to);
    std::fs::hard_link(from, to).at(Op::Link, to)
}

/// Gives a file another name, which takes the place of what had that name.
///
/// # Errors
///
/// If the file system refuses.
pub fn rename(from: &Path, to: &Path) -> Result<(), IoError> {
    let _entered = inflight::enter(Op::Rename, from);
    std::fs::rename(from, to).at(Op::Rename, from)
}

/// The bytes that a user other than root may still write to the file system of `path`.
///
/// # Errors
///
/// If the file system does not tell.
pub fn free_bytes(path: &Path) -> Result<u64, IoError> {
    let _entered = inflight::enter(Op::StatFs, path);
    let found = retry(|| statvfs(path)).at(Op::StatFs, path)?;
    Ok(found.blocks_available().saturating_mul(found.fragment_size()))
}

/// The absolute path of `path` without symbolic links, `.` and `..`.
///
/// # Errors
///
/// If a component does not exist or may not be searched.
pub fn canonical(path: &Path) -> Result<PathBuf, IoError> {
    let _entered = inflight::enter(Op::Resolve, path);
    std::fs::canonicalize(path).at(Op::Resolve, path)
}

/// Whether something is mounted at `path`.
///
/// # Errors
///
/// If the path cannot be resolved or the mounts not be read.
pub fn is_mount_point(path: &Path) -> Result<bool, IoError> {
    let path = canonical(path)?;
    Ok(mount::mounts()?.iter().any(|mount| mount.mount_point == path))
}

/// Opens a directory for its entries.
pub(super) fn open_dir(path: &Path, more: OFlag, op: Op) -> Result<File, IoError> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC | more;
    let _entered = inflight::enter(op, path);
    Ok(File::from(retry(|| open(path, flags, Mode::empty())).at(op, path)?))
}

/// Gives an open file exactly this owner and mode. The owner comes first: changing it clears bits
/// of the mode.
pub(super) fn owned_and_moded(
    file: &File,
    path: &Path,
    mode: u32,
    owner: Option<Owner>,
) -> Result<(), IoError> {
    let found = stat_file(file, path)?;
    if let Some(owner) = owner.filter(|owner| *owner != found.owner) {
        let _entered = inflight::enter(Op::SetOwner, path);
        let (uid, gid) = (Uid::from_raw(owner.uid), Gid::from_raw(owner.gid));
        fchown(file, Some(uid), Some(gid)).at(Op::SetOwner, path)?;
    }
    let _entered = inflight::enter(Op::SetMode, path);
    fchmod(file, Mode::from_bits_truncate(mode)).at(Op::SetMode, path)
}

/// Removes what a failed operation made; the failure is the error to tell, not this one's.
pub(super) fn unlink_quietly(path: &Path) {
    drop(remove_file(path));
}

fn open_any(path: &Path, op: Op) -> Result<File, IoError> {
    if !matches!(lstat(path)?.kind, Presence::File | Presence::Dir) {
        let source = io::Error::new(io::ErrorKind::InvalidInput, "it is no file or directory");
        return Err(IoError::new(op, path, source));
    }
    let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK;
    let _entered = inflight::enter(op, path);
    Ok(File::from(retry(|| open(path, flags, Mode::empty())).at(op, path)?))
}
