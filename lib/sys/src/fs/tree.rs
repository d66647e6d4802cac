//! Removal of a whole tree.

use std::ffi::{CStr, CString};
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, OpenHow, ResolveFlag, openat, openat2};
use nix::sys::stat::{Mode, SFlag, fstatat};
use nix::unistd::{UnlinkatFlags, unlinkat};

use super::dir::open_dir;
use super::file::retry;
use crate::error::{At, IoError, Op};
use crate::inflight;

/// How deep a tree may be. Ours have four levels; each costs a descriptor.
const LEVELS_MAX: usize = 64;

/// Removes a directory and all that is in it, or a file.
///
/// Symbolic links are removed, never followed, also if they are put there meanwhile. What is
/// mounted in the tree is not entered: the removal fails there (`EXDEV` or `EBUSY`).
///
/// # Errors
///
/// If there is nothing, or if something cannot be removed; what was removed until then is gone.
pub fn remove_tree(path: &Path) -> Result<(), IoError> {
    let name = path.file_name().ok_or_else(|| IoError::new(Op::Remove, path, Errno::EINVAL))?;
    let name = CString::new(name.as_encoded_bytes());
    let name = name.map_err(|_| io::Error::from(Errno::EINVAL)).at(Op::Remove, path)?;
    let parent = match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    };
    let parent_dir = open_dir(parent, OFlag::empty(), Op::Remove)?;
    remove_entry(&parent_dir, &name, path, None, 0)
}

/// Removes `name` in `dir`. `device` is the tree's, known from its first directory on.
fn remove_entry(
    dir: &File,
    name: &CStr,
    path: &Path,
    device: Option<u64>,
    level: usize,
) -> Result<(), IoError> {
    let found = {
        let _entered = inflight::enter(Op::Stat, path);
        retry(|| fstatat(dir, name, AtFlags::AT_SYMLINK_NOFOLLOW)).at(Op::Remove, path)?
    };
    let is_dir = found.st_mode & SFlag::S_IFMT.bits() == SFlag::S_IFDIR.bits();
    if is_dir {
        if level == LEVELS_MAX {
            return Err(IoError::new(Op::Remove, path, Errno::ELOOP));
        }
        empty_directory(dir, name, path, device, level)?;
    }
    let flag = if is_dir { UnlinkatFlags::RemoveDir } else { UnlinkatFlags::NoRemoveDir };
    let _entered = inflight::enter(Op::Remove, path);
    retry(|| unlinkat(dir, name, flag)).at(Op::Remove, path)
}

fn empty_directory(
    dir: &File,
    name: &CStr,
    path: &Path,
    device: Option<u64>,
    level: usize,
) -> Result<(), IoError> {
    let inner = {
        let _entered = inflight::enter(Op::Open, path);
        File::from(open_beneath(dir, name).at(Op::Remove, path)?)
    };
    let here = {
        let _entered = inflight::enter(Op::Stat, path);
        inner.metadata().at(Op::Remove, path)?.dev()
    };
    if device.is_some_and(|device| device != here) {
        return Err(IoError::new(Op::Remove, path, Errno::EXDEV));
    }
    for entry in entries(&inner, path)? {
        let entry_path = path.join(entry.to_string_lossy().as_ref());
        match remove_entry(&inner, &entry, &entry_path, Some(here), level + 1) {
            Err(error) if error.is_not_found() => {}
            other => other?,
        }
    }
    Ok(())
}

/// Opens a directory in `dir` without following a link or crossing into a mount.
fn open_beneath(dir: &File, name: &CStr) -> nix::Result<OwnedFd> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let resolve = ResolveFlag::RESOLVE_NO_XDEV
        | ResolveFlag::RESOLVE_NO_SYMLINKS
        | ResolveFlag::RESOLVE_BENEATH;
    match retry(|| openat2(dir, name, OpenHow::new().flags(flags).resolve(resolve))) {
        // A kernel before 5.6, or a filter that does not know the call: then a mount of the same
        // file system is not noticed, as no older call can.
        Err(Errno::ENOSYS | Errno::EPERM) => retry(|| openat(dir, name, flags, Mode::empty())),
        other => other,
    }
}

fn entries(dir: &File, path: &Path) -> Result<Vec<CString>, IoError> {
    let _entered = inflight::enter(Op::List, path);
    let copy = dir.try_clone().at(Op::List, path)?;
    let mut stream = Dir::from_fd(OwnedFd::from(copy)).at(Op::List, path)?;
    let mut names = Vec::new();
    for entry in stream.iter() {
        let entry = entry.at(Op::List, path)?;
        let name = entry.file_name();
        if !matches!(name.to_bytes(), b"." | b"..") {
            names.push(name.to_owned());
        }
    }
    Ok(names)
}
