//! Locks: of open file descriptions, over byte ranges, exclusive.
//!
//! * A lock belongs to the open file: opening and closing the same file elsewhere in the process does
//!   not release it (as it would a traditional record lock), and another descriptor of this very
//!   process conflicts with it.
//! * Nothing here waits for a lock. Whoever wants one that is held tries again later.
//! * What is read and written under a lock goes through the very descriptor that holds it: after
//!   the storage gave the lock away, such a write fails, while one through another descriptor may
//!   reach the storage.
//! * A lock ends with the descriptor: when the holder drops it or dies, however it dies.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use nix::libc;

use crate::error::{IoError, Op};
use crate::fs;
use crate::inflight;
use crate::probe::{self, Family, Kind};

/// A range of bytes of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Range {
    /// The first byte.
    pub start: u64,
    /// The number of bytes; 0 is all to the end, however far that moves.
    pub len: u64,
}

impl Range {
    /// The whole file.
    pub const WHOLE: Self = Self { start: 0, len: 0 };
}

/// Whether another open file description, of this or another process or host, holds a lock in
/// `range`. A descriptor for reading is enough.
///
/// # Errors
///
/// If the storage does not tell.
pub fn held_elsewhere(file: &File, path: &Path, range: Range) -> Result<bool, IoError> {
    let _entered = inflight::enter(Op::Lock, path);
    loop {
        match probe::test_lock(file.as_fd(), Family::Ofd, Kind::Write, range) {
            Ok(held) => return Ok(held.is_some()),
            Err(libc::EINTR) => {}
            Err(errno) => return Err(refused(path, errno)),
        }
    }
}

/// An open file and the lock it holds.
#[derive(Debug)]
pub struct LockedFile {
    /// `None` only while it is being dropped.
    file: Option<File>,
    path: PathBuf,
    range: Range,
}

impl LockedFile {
    /// Takes the lock, or gives the file back if somebody else holds it.
    ///
    /// `file` must be open for writing; `path` is what it was opened as.
    ///
    /// # Errors
    ///
    /// If the storage cannot lock, or does not answer.
    pub fn try_lock(file: File, path: &Path, range: Range) -> Result<Result<Self, File>, IoError> {
        if set_lock(&file, path, range)? {
            Ok(Ok(Self { file: Some(file), path: path.to_owned(), range }))
        } else {
            Ok(Err(file))
        }
    }

    /// Asks for the same lock again through the same descriptor: `false` if somebody else has it.
    ///
    /// A server that forgot the lock learns it anew. After `false`, or after an error, the
    /// descriptor is useless for good, also if a later try succeeds.
    ///
    /// # Errors
    ///
    /// If the storage does not tell.
    pub fn reassert(&self) -> Result<bool, IoError> {
        set_lock(self.file(), &self.path, self.range)
    }

    /// Whether the path still names this file.
    ///
    /// # Errors
    ///
    /// If the path cannot be examined for another reason than that it names nothing.
    pub fn still_named(&self) -> Result<bool, IoError> {
        let own = fs::stat_file(self.file(), &self.path)?;
        match fs::lstat(&self.path) {
            Ok(named) => Ok((named.dev, named.ino) == (own.dev, own.ino)),
            Err(error) if error.is_not_found() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The open file.
    ///
    /// # Panics
    ///
    /// Never: it is there until it is dropped.
    pub fn file(&self) -> &File {
        self.file.as_ref().expect("a locked file is open until it is dropped")
    }

    /// What the file was opened as.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The locked range.
    pub fn range(&self) -> Range {
        self.range
    }

    /// Notes that the file, still open and locked, has another name now.
    pub fn set_path(&mut self, path: &Path) {
        path.clone_into(&mut self.path);
    }

    /// Reads from `offset` until `buffer` is full or the file ends; the number of bytes read.
    ///
    /// # Errors
    ///
    /// If a read fails.
    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize, IoError> {
        fs::read_at(self.file(), &self.path, buffer, offset)
    }

    /// Writes all of `bytes` at `offset`.
    ///
    /// # Errors
    ///
    /// If a write fails. Some of the bytes may have been written.
    pub fn write_all_at(&self, bytes: &[u8], offset: u64) -> Result<(), IoError> {
        fs::write_all_at(self.file(), &self.path, bytes, offset)
    }

    /// Makes what was written durable, with the file's length but without its times.
    ///
    /// # Errors
    ///
    /// If the sync fails. The kernel may have dropped the bytes, so a second sync that succeeds
    /// proves nothing.
    pub fn sync_data(&self) -> Result<(), IoError> {
        fs::sync_data(self.file(), &self.path)
    }

    /// The file's length in bytes.
    ///
    /// # Errors
    ///
    /// If the file cannot be examined.
    pub fn len(&self) -> Result<u64, IoError> {
        Ok(fs::stat_file(self.file(), &self.path)?.size)
    }

    /// Whether the file has no bytes.
    ///
    /// # Errors
    ///
    /// If the file cannot be examined.
    pub fn is_empty(&self) -> Result<bool, IoError> {
        Ok(self.len()? == 0)
    }
}

impl Drop for LockedFile {
    fn drop(&mut self) {
        // Closing may wait for the storage. It is what releases the lock; unlocking first would
        // also release it for a process that was forked off and shares the descriptor.
        let _entered = inflight::enter(Op::Close, &self.path);
        drop(self.file.take());
    }
}

/// Takes the lock of the open file, or asserts it anew; `false` if another open file holds one.
pub(crate) fn set_lock(file: &File, path: &Path, range: Range) -> Result<bool, IoError> {
    let _entered = inflight::enter(Op::Lock, path);
    loop {
        match probe::lock(file.as_fd(), Family::Ofd, Kind::Write, range, false) {
            Ok(()) => return Ok(true),
            Err(libc::EAGAIN | libc::EACCES) => return Ok(false),
            Err(libc::EINTR) => {}
            Err(errno) => return Err(refused(path, errno)),
        }
    }
}

fn refused(path: &Path, errno: i32) -> IoError {
    IoError::new(Op::Lock, path, io::Error::from_raw_os_error(errno))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORD: Range = Range { start: 512, len: 512 };

    fn open(path: &Path) -> File {
        fs::open_rw(path).unwrap()
    }

    fn locked(path: &Path, range: Range) -> LockedFile {
        LockedFile::try_lock(open(path), path, range).unwrap().expect("the lock is free")
    }

    fn lock_file() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("master");
        drop(fs::create_new(&path, 0o660, None).unwrap());
        (dir, path)
    }

    #[test]
    fn a_lock_survives_that_the_file_is_opened_and_closed_elsewhere() {
        let (_dir, path) = lock_file();
        let held = locked(&path, Range::WHOLE);
        drop(open(&path));
        drop(fs::open_read(&path).unwrap());
        let other = LockedFile::try_lock(open(&path), &path, Range::WHOLE).unwrap();
        assert!(other.is_err());
        assert!(held.reassert().unwrap());
    }

    #[test]
    fn a_lock_ends_when_it_is_dropped() {
        let (_dir, path) = lock_file();
        let probe = fs::open_read(&path).unwrap();
        let held = locked(&path, Range::WHOLE);
        assert!(held_elsewhere(&probe, &path, Range::WHOLE).unwrap());
        assert!(!held_elsewhere(held.file(), &path, Range::WHOLE).unwrap());
        drop(held);
        assert!(!held_elsewhere(&probe, &path, Range::WHOLE).unwrap());
    }

    #[test]
    fn ranges_are_independent() {
        let (_dir, path) = lock_file();
        let slot = locked(&path, RECORD);
        let other = locked(&path, Range { start: 0, len: 512 });
        let probe = fs::open_read(&path).unwrap();
        assert!(held_elsewhere(&probe, &path, RECORD).unwrap());
        assert!(!held_elsewhere(&probe, &path, Range { start: 1024, len: 0 }).unwrap());
        drop((slot, other));
        let too_far = Range { start: u64::MAX, len: 1 };
        assert!(held_elsewhere(&probe, &path, too_far).is_err());
    }

    #[test]
    fn a_file_that_was_moved_or_replaced_is_no_longer_named() {
        let (dir, path) = lock_file();
        let mut held = locked(&path, Range::WHOLE);
        assert!(held.still_named().unwrap());
        let moved = dir.path().join("moved");
        fs::rename(&path, &moved).unwrap();
        assert!(!held.still_named().unwrap());
        drop(fs::create_new(&path, 0o660, None).unwrap());
        assert!(!held.still_named().unwrap());
        held.set_path(&moved);
        assert!(held.still_named().unwrap());
    }

    #[test]
    fn reading_stops_at_the_end_and_writing_makes_the_file_longer() {
        let (_dir, path) = lock_file();
        let held = locked(&path, Range::WHOLE);
        assert!(held.is_empty().unwrap());
        held.write_all_at(b"record", 512).unwrap();
        held.sync_data().unwrap();
        assert_eq!(held.len().unwrap(), 518);
        let mut buffer = [1; 16];
        assert_eq!(held.read_at(&mut buffer, 510).unwrap(), 8);
        assert_eq!(&buffer[..8], b"\0\0record");
        assert_eq!(held.read_at(&mut buffer, 9999).unwrap(), 0);
    }

    #[test]
    fn a_lock_ends_when_its_holder_is_killed() {
        let (_dir, path) = lock_file();
        // The child inherits the open file, so the lock is its own as soon as the parent's
        // descriptor is closed; `cat` waits for the end of its input.
        let held = locked(&path, Range::WHOLE);
        let shared = held.file().try_clone().unwrap();
        let mut child = std::process::Command::new("cat")
            .stdin(std::process::Stdio::piped())
            .stdout(shared)
            .spawn()
            .unwrap();
        drop(held);
        let probe = fs::open_read(&path).unwrap();
        assert!(held_elsewhere(&probe, &path, Range::WHOLE).unwrap());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!held_elsewhere(&probe, &path, Range::WHOLE).unwrap());
    }
}
