//! One directory of files that are written in place, locked and made durable: what the recovery
//! log needs of an operating system, as a trait, so that its crash tests can bring a disk that
//! loses power.
//!
//! * A file that is locked is written through the very descriptor that holds the lock; see
//!   [`crate::lock`] for why.
//! * Names are plain file names in the one directory, which is held open: renaming a directory
//!   above it changes nothing.
//! * A name is durable after [`Disk::sync_dir`], a byte after [`DiskFile::sync_data`], and nothing
//!   earlier.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, OFlag, PosixFadviseAdvice};
use nix::fcntl::{fallocate, open, openat, posix_fadvise};
use nix::sys::stat::{Mode, fchmod};
use nix::unistd::{Gid, LinkatFlags, Uid, UnlinkatFlags, fchown, fsync, linkat, unlinkat};

use crate::error::{At, IoError, Op};
use crate::fs::Owner;
use crate::inflight;
use crate::lock::{self, Range};

/// How [`DiskFile::allocate`] got the space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allocation {
    /// The file system set it aside: it reads as zeros, but its first write changes metadata.
    Reserved,
    /// Zeros were written.
    Zeroed,
}

/// A directory of files; see the module.
pub trait Disk: Send + Sync + 'static {
    /// A file of it.
    type File: DiskFile;

    /// Opens a file for reading and writing past what the system has cached of it, or returns
    /// `None` if there is none of that name.
    ///
    /// # Errors
    ///
    /// If the system refuses, or the name is not a regular file's.
    fn open_rw(&self, name: &str) -> Result<Option<Self::File>, IoError>;

    /// Opens a file for reading, or returns `None` if there is none of that name.
    ///
    /// # Errors
    ///
    /// If the system refuses, or the name is not a regular file's.
    fn open_ro(&self, name: &str) -> Result<Option<Self::File>, IoError>;

    /// Makes a file that did not exist, empty, open for reading and writing.
    ///
    /// # Errors
    ///
    /// [`IoError::is_already_there`] if the name is taken; otherwise if the system refuses.
    fn create_new(&self, name: &str) -> Result<Self::File, IoError>;

    /// Gives the file `old` the name `new` as well.
    ///
    /// # Errors
    ///
    /// [`IoError::is_already_there`] if the name is taken (over a network also if a lost answer
    /// was repeated: see [`Disk::names`]); otherwise if the system refuses.
    fn link(&self, old: &str, new: &str) -> Result<(), IoError>;

    /// Removes a name; `false` if there was none.
    ///
    /// # Errors
    ///
    /// If the system refuses.
    fn unlink(&self, name: &str) -> Result<bool, IoError>;

    /// Every name, in no order.
    ///
    /// # Errors
    ///
    /// If the system refuses.
    fn list(&self) -> Result<Vec<String>, IoError>;

    /// Makes the names durable as they are.
    ///
    /// # Errors
    ///
    /// If the system refuses; the names may then be durable or not.
    fn sync_dir(&self) -> Result<(), IoError>;

    /// Whether the name is this file's.
    ///
    /// # Errors
    ///
    /// If the system does not tell.
    fn names(&self, name: &str, file: &Self::File) -> Result<bool, IoError>;

    /// The path of a name, for people.
    fn path_of(&self, name: &str) -> PathBuf;
}

/// An open file of a [`Disk`].
pub trait DiskFile: Send + Sync + 'static {
    /// What it was opened as, for people.
    fn path(&self) -> &Path;

    /// Reads from `offset` until `bytes` is full or the file ends; returns how much was read.
    ///
    /// # Errors
    ///
    /// If the storage refuses.
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> Result<usize, IoError>;

    /// Says that `bytes` bytes from `offset` on will be read soon, so that they can be fetched
    /// already. Advice: nothing depends on it.
    fn will_read(&self, _offset: u64, _bytes: u64) {}

    /// Writes all of `bytes` at `offset`.
    ///
    /// # Errors
    ///
    /// If the storage refuses. Any part may have been written, and the file must not be trusted.
    fn write_at(&self, bytes: &[u8], offset: u64) -> Result<(), IoError>;

    /// Makes every byte written so far durable, and what is needed to find it.
    ///
    /// # Errors
    ///
    /// If the storage refuses. The system may have dropped what was written, so a second try that
    /// succeeds proves nothing.
    fn sync_data(&self) -> Result<(), IoError>;

    /// Makes the file `bytes` long, with the space set aside.
    ///
    /// # Errors
    ///
    /// If there is not enough space, or the storage refuses.
    fn allocate(&self, bytes: u64) -> Result<Allocation, IoError>;

    /// The length of the file, in bytes. Not to be trusted while another host writes it.
    ///
    /// # Errors
    ///
    /// If the storage refuses.
    fn len(&self) -> Result<u64, IoError>;

    /// Whether the file is empty; see [`DiskFile::len`].
    ///
    /// # Errors
    ///
    /// If the storage refuses.
    fn is_empty(&self) -> Result<bool, IoError> {
        self.len().map(|bytes| bytes == 0)
    }

    /// Takes an exclusive lock of the whole file, through this descriptor; `false` if another open
    /// file holds one. It is held until the file is dropped. To ask again is to assert it anew.
    ///
    /// # Errors
    ///
    /// If the storage cannot lock.
    fn try_lock_exclusive(&self) -> Result<bool, IoError>;

    /// Asserts the lock anew: a server that forgot it learns it again; `false` if it is somebody
    /// else's now. After `false`, or an error, the file is useless for good.
    ///
    /// # Errors
    ///
    /// If the storage cannot lock.
    fn reassert(&self) -> Result<bool, IoError> {
        self.try_lock_exclusive()
    }
}

/// The mode of every file made here: owner and group read and write, nobody else.
const MODE: Mode = Mode::from_bits_truncate(0o660);

/// A directory of the operating system.
#[derive(Debug)]
pub struct RealDir {
    dir: OwnedFd,
    path: PathBuf,
    owner: Option<Owner>,
}

impl RealDir {
    /// Opens a directory. What is made in it gets mode 0660, and `owner` if one is given.
    ///
    /// # Errors
    ///
    /// If the path names no directory that can be opened, or a symbolic link.
    pub fn open(path: &Path, owner: Option<Owner>) -> Result<Self, IoError> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let _entered = inflight::enter(Op::Open, path);
        let dir = open(path, flags, Mode::empty()).at(Op::Open, path)?;
        Ok(Self { dir, path: path.to_owned(), owner })
    }

    fn open_with(&self, name: &str, flags: OFlag) -> Result<Option<RealFile>, IoError> {
        let path = self.path.join(name);
        let _entered = inflight::enter(Op::Open, &path);
        // O_NONBLOCK: a planted FIFO must not hang the open; it means nothing for regular files.
        let flags = flags | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK;
        let file = match openat(&self.dir, name, flags, Mode::empty()) {
            Ok(fd) => File::from(fd),
            Err(Errno::ENOENT) => return Ok(None),
            Err(errno) => return Err(IoError::new(Op::Open, path, errno)),
        };
        if !file.metadata().at(Op::Stat, &path)?.is_file() {
            let source = io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file");
            return Err(IoError::new(Op::Open, path, source));
        }
        // What this host has cached of a file that another host wrote may be old. Advice: a
        // system that does not take it keeps its own rules of freshness.
        posix_fadvise(&file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED).ok();
        Ok(Some(RealFile { file, path }))
    }
}

impl Disk for RealDir {
    type File = RealFile;

    fn open_rw(&self, name: &str) -> Result<Option<RealFile>, IoError> {
        self.open_with(name, OFlag::O_RDWR)
    }

    fn open_ro(&self, name: &str) -> Result<Option<RealFile>, IoError> {
        self.open_with(name, OFlag::O_RDONLY)
    }

    fn create_new(&self, name: &str) -> Result<RealFile, IoError> {
        let path = self.path.join(name);
        let flags =
            OFlag::O_RDWR | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let _entered = inflight::enter(Op::Create, &path);
        let file = openat(&self.dir, name, flags, MODE).at(Op::Create, &path)?;
        fchmod(&file, MODE).at(Op::SetMode, &path)?;
        if let Some(owner) = self.owner {
            let (uid, gid) = (Uid::from_raw(owner.uid), Gid::from_raw(owner.gid));
            fchown(&file, Some(uid), Some(gid)).at(Op::SetOwner, &path)?;
        }
        Ok(RealFile { file: File::from(file), path })
    }

    fn link(&self, old: &str, new: &str) -> Result<(), IoError> {
        let path = self.path.join(new);
        let _entered = inflight::enter(Op::Link, &path);
        linkat(&self.dir, old, &self.dir, new, LinkatFlags::empty()).at(Op::Link, &path)
    }

    fn unlink(&self, name: &str) -> Result<bool, IoError> {
        let path = self.path.join(name);
        let _entered = inflight::enter(Op::Remove, &path);
        match unlinkat(&self.dir, name, UnlinkatFlags::NoRemoveDir) {
            Ok(()) => Ok(true),
            Err(Errno::ENOENT) => Ok(false),
            Err(errno) => Err(IoError::new(Op::Remove, path, errno)),
        }
    }

    fn list(&self) -> Result<Vec<String>, IoError> {
        let _entered = inflight::enter(Op::List, &self.path);
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let mut dir = Dir::openat(&self.dir, ".", flags, Mode::empty()).at(Op::List, &self.path)?;
        let mut names = Vec::new();
        for entry in dir.iter() {
            let entry = entry.at(Op::List, &self.path)?;
            // A name that is not UTF-8 is none of ours.
            if let Ok(name) = entry.file_name().to_str()
                && name != "."
                && name != ".."
            {
                names.push(name.to_owned());
            }
        }
        Ok(names)
    }

    fn sync_dir(&self) -> Result<(), IoError> {
        let _entered = inflight::enter(Op::SyncDir, &self.path);
        fsync(&self.dir).at(Op::SyncDir, &self.path)
    }

    fn names(&self, name: &str, file: &RealFile) -> Result<bool, IoError> {
        let path = self.path.join(name);
        let _entered = inflight::enter(Op::Stat, &path);
        let own = file.file.metadata().at(Op::Stat, &file.path)?;
        // By the whole path, and not in the open directory: that one may have been renamed away.
        match std::fs::symlink_metadata(&path) {
            Ok(named) => Ok((named.dev(), named.ino()) == (own.dev(), own.ino())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(IoError::new(Op::Stat, path, error)),
        }
    }

    fn path_of(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

/// A file of a [`RealDir`].
#[derive(Debug)]
pub struct RealFile {
    file: File,
    path: PathBuf,
}

/// What [`RealFile::allocate`] writes at a time where the file system cannot set space aside.
const ZEROS_BYTES: usize = 256 * 1024;

impl DiskFile for RealFile {
    fn path(&self) -> &Path {
        &self.path
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> Result<usize, IoError> {
        let _entered = inflight::enter(Op::Read, &self.path);
        let mut done = 0;
        while done < bytes.len() {
            match self.file.read_at(&mut bytes[done..], offset + done as u64) {
                Ok(0) => break,
                Ok(n) => done += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(IoError::new(Op::Read, &self.path, e)),
            }
        }
        Ok(done)
    }

    fn will_read(&self, offset: u64, bytes: u64) {
        if let (Ok(offset), Ok(bytes)) = (i64::try_from(offset), i64::try_from(bytes)) {
            let _entered = inflight::enter(Op::Read, &self.path);
            let advice = PosixFadviseAdvice::POSIX_FADV_WILLNEED;
            posix_fadvise(&self.file, offset, bytes, advice).ok();
        }
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> Result<(), IoError> {
        let _entered = inflight::enter(Op::Write, &self.path);
        self.file.write_all_at(bytes, offset).at(Op::Write, &self.path)
    }

    fn sync_data(&self) -> Result<(), IoError> {
        let _entered = inflight::enter(Op::Sync, &self.path);
        self.file.sync_data().at(Op::Sync, &self.path)
    }

    fn allocate(&self, bytes: u64) -> Result<Allocation, IoError> {
        let _entered = inflight::enter(Op::Allocate, &self.path);
        let len = i64::try_from(bytes).map_err(|_| Errno::EFBIG).at(Op::Allocate, &self.path)?;
        match fallocate(&self.file, FallocateFlags::empty(), 0, len) {
            Ok(()) => return Ok(Allocation::Reserved),
            Err(Errno::EOPNOTSUPP | Errno::ENOSYS) => {}
            Err(errno) => return Err(IoError::new(Op::Allocate, &self.path, errno)),
        }
        let zeros = vec![0; ZEROS_BYTES];
        let mut at = 0;
        while at < bytes {
            let n = usize::try_from(bytes - at).map_or(ZEROS_BYTES, |left| left.min(ZEROS_BYTES));
            self.file.write_all_at(&zeros[..n], at).at(Op::Allocate, &self.path)?;
            at += n as u64;
        }
        Ok(Allocation::Zeroed)
    }

    fn len(&self) -> Result<u64, IoError> {
        let _entered = inflight::enter(Op::Stat, &self.path);
        Ok(self.file.metadata().at(Op::Stat, &self.path)?.len())
    }

    fn try_lock_exclusive(&self) -> Result<bool, IoError> {
        lock::set_lock(&self.file, &self.path, Range::WHOLE)
    }
}

#[cfg(test)]
#[path = "disk_tests.rs"]
mod tests;
