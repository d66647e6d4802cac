//! Regular files: opened, made, read, written, made durable.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, FcntlArg, OFlag, fallocate, fcntl, open};
use nix::sys::stat::Mode;

use super::dir::{owned_and_moded, unlink_quietly};
use super::{Owner, Presence, stat_file};
use crate::error::{At, IoError, Op};
use crate::inflight;

/// Opens a regular file for reading.
///
/// # Errors
///
/// If it cannot be opened, is a symbolic link, or is no regular file.
pub fn open_read(path: &Path) -> Result<File, IoError> {
    open_regular(path, OFlag::O_RDONLY | OFlag::O_NOFOLLOW)
}

/// Opens a regular file for reading; a symbolic link is followed. For what an operator names.
///
/// # Errors
///
/// If it cannot be opened or is no regular file.
pub fn open_read_following(path: &Path) -> Result<File, IoError> {
    open_regular(path, OFlag::O_RDONLY)
}

/// Opens an existing regular file for reading and writing.
///
/// # Errors
///
/// If it cannot be opened, is a symbolic link, or is no regular file.
pub fn open_rw(path: &Path) -> Result<File, IoError> {
    open_regular(path, OFlag::O_RDWR | OFlag::O_NOFOLLOW)
}

/// Makes a file that was not there, with exactly this mode and owner; open for reading and writing.
///
/// Its name is durable after [`super::sync_dir`] of its directory.
///
/// # Errors
///
/// If there is something of that name, a dangling symbolic link included, or if it cannot be
/// made as asked; then nothing of it is left.
pub fn create_new(path: &Path, mode: u32, owner: Option<Owner>) -> Result<File, IoError> {
    let flags = OFlag::O_RDWR | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW;
    let private = Mode::S_IRUSR | Mode::S_IWUSR;
    let file = {
        let _entered = inflight::enter(Op::Create, path);
        File::from(retry(|| open(path, flags | OFlag::O_CLOEXEC, private)).at(Op::Create, path)?)
    };
    match owned_and_moded(&file, path, mode, owner) {
        Ok(()) => Ok(file),
        Err(error) => {
            unlink_quietly(path);
            Err(error)
        }
    }
}

/// The bytes of a regular file that has at most `bytes_max`.
///
/// # Errors
///
/// If it cannot be read, is a symbolic link or no regular file, or is longer (`EFBIG`).
pub fn read_limited(path: &Path, bytes_max: usize) -> Result<Vec<u8>, IoError> {
    let file = open_read(path)?;
    read_whole(file, path, bytes_max)
}

/// Like [`read_limited`], but a symbolic link is followed. For what an operator names.
///
/// # Errors
///
/// If it cannot be read, is no regular file, or is longer (`EFBIG`).
pub fn read_limited_following(path: &Path, bytes_max: usize) -> Result<Vec<u8>, IoError> {
    let file = open_read_following(path)?;
    read_whole(file, path, bytes_max)
}

/// Reads from `offset` until `buffer` is full or the file ends; the number of bytes read.
///
/// # Errors
///
/// If a read fails.
pub fn read_at(file: &File, path: &Path, buffer: &mut [u8], offset: u64) -> Result<usize, IoError> {
    let mut done = 0;
    while done < buffer.len() {
        let _entered = inflight::enter(Op::Read, path);
        match file.read_at(&mut buffer[done..], offset.saturating_add(done as u64)) {
            Ok(0) => break,
            Ok(n) => done += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(IoError::new(Op::Read, path, error)),
        }
    }
    Ok(done)
}

/// Writes all of `bytes` at `offset`.
///
/// # Errors
///
/// If a write fails. Some of the bytes may have been written.
pub fn write_all_at(file: &File, path: &Path, bytes: &[u8], offset: u64) -> Result<(), IoError> {
    let mut done = 0;
    while done < bytes.len() {
        let _entered = inflight::enter(Op::Write, path);
        match file.write_at(&bytes[done..], offset.saturating_add(done as u64)) {
            Ok(0) => return Err(IoError::new(Op::Write, path, io::ErrorKind::WriteZero)),
            Ok(n) => done += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(IoError::new(Op::Write, path, error)),
        }
    }
    Ok(())
}

/// Makes a file's bytes and its length durable, not its times.
///
/// # Errors
///
/// If the sync fails. The kernel may have dropped the bytes, so a second sync that succeeds
/// proves nothing.
pub fn sync_data(file: &File, path: &Path) -> Result<(), IoError> {
    let _entered = inflight::enter(Op::Sync, path);
    file.sync_data().at(Op::Sync, path)
}

/// Makes a file's bytes and all its attributes durable.
///
/// # Errors
///
/// As with [`sync_data`].
pub fn sync_all(file: &File, path: &Path) -> Result<(), IoError> {
    let _entered = inflight::enter(Op::Sync, path);
    file.sync_all().at(Op::Sync, path)
}

/// Sets a file's length; what is added reads as zeros and may have no space yet.
///
/// # Errors
///
/// If the file system refuses.
pub fn set_len(file: &File, path: &Path, bytes: u64) -> Result<(), IoError> {
    let _entered = inflight::enter(Op::Truncate, path);
    file.set_len(bytes).at(Op::Truncate, path)
}

/// Reserves space for the first `bytes` bytes, which become part of the file and read as zeros
/// where nothing was written. `false` where the file system cannot reserve (NFS before 4.2, for
/// one): write zeros instead.
///
/// # Errors
///
/// If there is no space, or the file system fails.
pub fn allocate(file: &File, path: &Path, bytes: u64) -> Result<bool, IoError> {
    let len = nix::libc::off_t::try_from(bytes);
    let len = len.map_err(|_| io::Error::from(Errno::EFBIG)).at(Op::Allocate, path)?;
    let _entered = inflight::enter(Op::Allocate, path);
    match retry(|| fallocate(file, FallocateFlags::empty(), 0, len)) {
        Ok(()) => Ok(true),
        Err(Errno::EOPNOTSUPP | Errno::ENOSYS) => Ok(false),
        Err(errno) => Err(IoError::new(Op::Allocate, path, errno)),
    }
}

/// Closes a file: on network storage that may write, and wait.
pub fn close(file: File, path: &Path) {
    let _entered = inflight::enter(Op::Close, path);
    drop(file);
}

/// Repeats a call that a signal interrupted.
pub(super) fn retry<T>(mut call: impl FnMut() -> nix::Result<T>) -> nix::Result<T> {
    loop {
        match call() {
            Err(Errno::EINTR) => {}
            other => return other,
        }
    }
}

fn open_regular(path: &Path, flags: OFlag) -> Result<File, IoError> {
    // Without O_NONBLOCK the open of a FIFO waits for its other end.
    let flags = flags | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let file = {
        let _entered = inflight::enter(Op::Open, path);
        File::from(retry(|| open(path, flags, Mode::empty())).at(Op::Open, path)?)
    };
    match stat_file(&file, path)?.kind {
        Presence::File => {}
        Presence::Dir => return Err(IoError::new(Op::Open, path, Errno::EISDIR)),
        Presence::Absent | Presence::Symlink | Presence::Other => {
            let source = io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file");
            return Err(IoError::new(Op::Open, path, source));
        }
    }
    let rest = flags & (OFlag::O_RDWR | OFlag::O_WRONLY);
    fcntl(&file, FcntlArg::F_SETFL(rest)).at(Op::Open, path)?;
    Ok(file)
}

fn read_whole(file: File, path: &Path, bytes_max: usize) -> Result<Vec<u8>, IoError> {
    let too_long = || IoError::new(Op::Read, path, Errno::EFBIG);
    let size = usize::try_from(stat_file(&file, path)?.size).map_err(|_| too_long())?;
    if size > bytes_max {
        return Err(too_long());
    }
    // The size is a hint only: the file may grow while it is read, and some report 0.
    let mut bytes = Vec::new();
    let mut buffer = vec![0; size.saturating_add(1).clamp(512, 1 << 20)];
    loop {
        let n = read_at(&file, path, &mut buffer, bytes.len() as u64)?;
        if bytes.len() + n > bytes_max {
            return Err(too_long());
        }
        bytes.extend_from_slice(&buffer[..n]);
        if n < buffer.len() {
            break;
        }
    }
    close(file, path);
    Ok(bytes)
}
