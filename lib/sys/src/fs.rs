//! Files and directories.
//!
//! * The last component of a path is never followed if it is a symbolic link, unless the function
//!   says so; what is opened is a regular file, and no FIFO can block the open.
//! * What is made has exactly the mode and owner asked for, whatever the umask.
//! * Absent, present and unreadable are three answers.
//! * Every call is announced in [`crate::inflight`].

mod append;
mod dir;
mod file;
mod replace;
mod tree;

pub use append::AppendFile;
pub use dir::{
    canonical, free_bytes, is_mount_point, link, list, make_dir, make_dir_all, remove_dir,
    remove_file, remove_file_if_there, rename, set_mode, set_owner, sync_dir,
};
pub use file::{
    allocate, close, create_new, open_read, open_read_following, open_rw, read_at, read_limited,
    read_limited_following, set_len, sync_all, sync_data, write_all_at,
};
pub use replace::{replace, replace_volatile};
pub use tree::remove_tree;

pub use std::fs::File;

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::error::{At, IoError, Op};
use crate::inflight;

/// Whom a file belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Owner {
    /// The user.
    pub uid: u32,
    /// The group.
    pub gid: u32,
}

/// What a path names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Presence {
    /// Nothing.
    Absent,
    /// A regular file.
    File,
    /// A directory.
    Dir,
    /// A symbolic link, wherever it leads.
    Symlink,
    /// A FIFO, a socket or a device.
    Other,
}

/// A file's attributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// Whom it belongs to.
    pub owner: Owner,
    /// Permission bits, set-id bits and sticky bit.
    pub mode: u32,
    /// The device of its file system.
    pub dev: u64,
    /// Its number in the file system.
    pub ino: u64,
    /// Its length in bytes.
    pub size: u64,
    /// The number of its names.
    pub links: u64,
    /// What it is.
    pub kind: Presence,
    /// Whether it is a directory.
    pub is_dir: bool,
}

impl From<&Metadata> for Stat {
    fn from(data: &Metadata) -> Self {
        let kind = match data.file_type() {
            kind if kind.is_file() => Presence::File,
            kind if kind.is_dir() => Presence::Dir,
            kind if kind.is_symlink() => Presence::Symlink,
            _ => Presence::Other,
        };
        Self {
            owner: Owner { uid: data.uid(), gid: data.gid() },
            mode: data.mode() & 0o7777,
            dev: data.dev(),
            ino: data.ino(),
            size: data.size(),
            links: data.nlink(),
            kind,
            is_dir: data.is_dir(),
        }
    }
}

/// What `path` names, symbolic links not followed.
///
/// # Errors
///
/// If that cannot be found out: a directory that may not be searched is not an absent file.
pub fn presence(path: &Path) -> Result<Presence, IoError> {
    match lstat(path) {
        Ok(stat) => Ok(stat.kind),
        Err(error) if error.is_not_found() => Ok(Presence::Absent),
        Err(error) => Err(error),
    }
}

/// The attributes of what `path` leads to, symbolic links followed.
///
/// # Errors
///
/// If there is nothing, if links lead nowhere, or if it cannot be found out.
pub fn stat(path: &Path) -> Result<Stat, IoError> {
    let _entered = inflight::enter(Op::Stat, path);
    Ok(Stat::from(&std::fs::metadata(path).at(Op::Stat, path)?))
}

/// The attributes of `path` itself, a symbolic link not followed.
///
/// # Errors
///
/// If there is nothing, or if it cannot be found out.
pub fn lstat(path: &Path) -> Result<Stat, IoError> {
    let _entered = inflight::enter(Op::Stat, path);
    Ok(Stat::from(&std::fs::symlink_metadata(path).at(Op::Stat, path)?))
}

/// The attributes of an open file.
///
/// # Errors
///
/// If the storage does not tell them.
pub fn stat_file(file: &File, path: &Path) -> Result<Stat, IoError> {
    let _entered = inflight::enter(Op::Stat, path);
    Ok(Stat::from(&file.metadata().at(Op::Stat, path)?))
}

#[cfg(test)]
mod tests;
