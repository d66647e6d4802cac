//! A directory in memory, for the target that recovers a whole log.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use miqm_sys::disk::{Allocation, Disk, DiskFile};
use miqm_sys::{IoError, Op};

type Bytes = Arc<Mutex<Arc<Vec<u8>>>>;
/// Names and contents. Contents are shared until they change: a copy costs nothing.
pub(crate) type Image = BTreeMap<String, Arc<Vec<u8>>>;

/// A directory.
#[derive(Clone, Default)]
pub(crate) struct Memory(Arc<Mutex<BTreeMap<String, Bytes>>>);

/// A file in it.
pub(crate) struct MemoryFile {
    bytes: Bytes,
    path: PathBuf,
}

impl Memory {
    pub(crate) fn of(image: &Image) -> Self {
        let file = |(name, bytes): (&String, &Arc<Vec<u8>>)| {
            (name.clone(), Arc::new(Mutex::new(bytes.clone())))
        };
        Self(Arc::new(Mutex::new(image.iter().map(file).collect())))
    }

    pub(crate) fn image(&self) -> Image {
        let files = lock(&self.0);
        files.iter().map(|(name, bytes)| (name.clone(), lock(bytes).clone())).collect()
    }

    fn file(&self, name: &str) -> Option<MemoryFile> {
        let bytes = lock(&self.0).get(name)?.clone();
        Some(MemoryFile { bytes, path: name.into() })
    }
}

impl Disk for Memory {
    type File = MemoryFile;

    fn open_rw(&self, name: &str) -> Result<Option<MemoryFile>, IoError> {
        Ok(self.file(name))
    }

    fn open_ro(&self, name: &str) -> Result<Option<MemoryFile>, IoError> {
        Ok(self.file(name))
    }

    fn create_new(&self, name: &str) -> Result<MemoryFile, IoError> {
        let bytes = Bytes::default();
        let mut files = lock(&self.0);
        if files.contains_key(name) {
            return Err(IoError::new(Op::Create, name, ErrorKind::AlreadyExists));
        }
        files.insert(name.to_owned(), bytes.clone());
        Ok(MemoryFile { bytes, path: name.into() })
    }

    fn link(&self, old: &str, new: &str) -> Result<(), IoError> {
        let mut files = lock(&self.0);
        let bytes = files.get(old).cloned();
        let bytes = bytes.ok_or_else(|| IoError::new(Op::Link, old, ErrorKind::NotFound))?;
        files.insert(new.to_owned(), bytes);
        Ok(())
    }

    fn unlink(&self, name: &str) -> Result<bool, IoError> {
        Ok(lock(&self.0).remove(name).is_some())
    }

    fn list(&self) -> Result<Vec<String>, IoError> {
        Ok(lock(&self.0).keys().cloned().collect())
    }

    fn sync_dir(&self) -> Result<(), IoError> {
        Ok(())
    }

    fn names(&self, name: &str, file: &MemoryFile) -> Result<bool, IoError> {
        Ok(lock(&self.0).get(name).is_some_and(|bytes| Arc::ptr_eq(bytes, &file.bytes)))
    }

    fn path_of(&self, name: &str) -> PathBuf {
        name.into()
    }
}

impl DiskFile for MemoryFile {
    fn path(&self) -> &Path {
        &self.path
    }

    fn read_at(&self, to: &mut [u8], offset: u64) -> Result<usize, IoError> {
        let bytes = lock(&self.bytes);
        let from = usize::try_from(offset).ok().and_then(|offset| bytes.get(offset..));
        let from = from.unwrap_or_default();
        let len = from.len().min(to.len());
        to[..len].copy_from_slice(&from[..len]);
        Ok(len)
    }

    fn write_at(&self, from: &[u8], offset: u64) -> Result<(), IoError> {
        let mut bytes = lock(&self.bytes);
        let bytes = Arc::make_mut(&mut bytes);
        let start = usize::try_from(offset).expect("a small file");
        let end = start + from.len();
        if bytes.len() < end {
            bytes.resize(end, 0);
        }
        bytes[start..end].copy_from_slice(from);
        Ok(())
    }

    fn sync_data(&self) -> Result<(), IoError> {
        Ok(())
    }

    fn allocate(&self, len: u64) -> Result<Allocation, IoError> {
        let mut bytes = lock(&self.bytes);
        Arc::make_mut(&mut bytes).resize(usize::try_from(len).expect("a small file"), 0);
        Ok(Allocation::Zeroed)
    }

    fn len(&self) -> Result<u64, IoError> {
        Ok(lock(&self.bytes).len() as u64)
    }

    fn try_lock_exclusive(&self) -> Result<bool, IoError> {
        Ok(true)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
