//! A disk on which the work can be stopped at every operation that changes something.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use miqm_sys::disk::{Allocation, Disk, DiskFile};
use miqm_sys::{IoError, Op};

use super::Stop;

/// "Interrupted system call".
const EINTR: i32 = 4;

/// A directory that refuses changes once it was asked to stop.
pub(super) struct Stoppable<D> {
    pub(super) inner: D,
    pub(super) stop: Stop,
}

/// A file of such a directory.
pub(super) struct StoppableFile<F> {
    inner: F,
    stop: Stop,
}

fn go_on(stop: &Stop, op: Op, path: &Path) -> Result<(), IoError> {
    if stop() {
        return Err(IoError::new(op, path, std::io::Error::from_raw_os_error(EINTR)));
    }
    Ok(())
}

impl<D: Disk> Stoppable<D> {
    fn wrap(&self, file: D::File) -> StoppableFile<D::File> {
        StoppableFile { inner: file, stop: Arc::clone(&self.stop) }
    }

    fn go_on(&self, op: Op, name: &str) -> Result<(), IoError> {
        go_on(&self.stop, op, &self.inner.path_of(name))
    }
}

impl<D: Disk> Disk for Stoppable<D> {
    type File = StoppableFile<D::File>;

    fn open_rw(&self, name: &str) -> Result<Option<Self::File>, IoError> {
        Ok(self.inner.open_rw(name)?.map(|file| self.wrap(file)))
    }

    fn open_ro(&self, name: &str) -> Result<Option<Self::File>, IoError> {
        Ok(self.inner.open_ro(name)?.map(|file| self.wrap(file)))
    }

    fn create_new(&self, name: &str) -> Result<Self::File, IoError> {
        self.go_on(Op::Create, name)?;
        Ok(self.wrap(self.inner.create_new(name)?))
    }

    fn link(&self, old: &str, new: &str) -> Result<(), IoError> {
        self.go_on(Op::Link, new)?;
        self.inner.link(old, new)
    }

    fn unlink(&self, name: &str) -> Result<bool, IoError> {
        self.inner.unlink(name)
    }

    fn list(&self) -> Result<Vec<String>, IoError> {
        self.inner.list()
    }

    fn sync_dir(&self) -> Result<(), IoError> {
        self.go_on(Op::SyncDir, "")?;
        self.inner.sync_dir()
    }

    fn names(&self, name: &str, file: &Self::File) -> Result<bool, IoError> {
        self.inner.names(name, &file.inner)
    }

    fn path_of(&self, name: &str) -> PathBuf {
        self.inner.path_of(name)
    }
}

impl<F: DiskFile> DiskFile for StoppableFile<F> {
    fn path(&self) -> &Path {
        self.inner.path()
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> Result<usize, IoError> {
        self.inner.read_at(bytes, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> Result<(), IoError> {
        go_on(&self.stop, Op::Write, self.path())?;
        self.inner.write_at(bytes, offset)
    }

    fn sync_data(&self) -> Result<(), IoError> {
        go_on(&self.stop, Op::Sync, self.path())?;
        self.inner.sync_data()
    }

    fn allocate(&self, bytes: u64) -> Result<Allocation, IoError> {
        go_on(&self.stop, Op::Allocate, self.path())?;
        self.inner.allocate(bytes)
    }

    fn len(&self) -> Result<u64, IoError> {
        self.inner.len()
    }

    fn try_lock_exclusive(&self) -> Result<bool, IoError> {
        self.inner.try_lock_exclusive()
    }
}
