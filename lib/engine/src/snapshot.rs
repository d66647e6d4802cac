//! Snapshots of the catalogue in files: written once, read once, removed when a later one serves.
//!
//! A snapshot is locked from before its first byte, is complete and durable before a checkpoint
//! names it, and belongs to the epoch in its name: no instance writes to one of another epoch. An
//! instance removes only snapshots before the one that its own finished checkpoint names, and no
//! recovery can need those any more, whoever does it.

use std::path::PathBuf;

use miqm_format::catalogue::{
    self, BadEntry, ENTRY_HEADER_BYTES, HEADER_BYTES, SnapshotHeader, SnapshotRef,
};
use miqm_format::object::{BadObject, IMAGE_BYTES_MAX, ObjectImage};
use miqm_format::page::BadPage;
use miqm_sys::IoError;
use miqm_sys::disk::{Disk, DiskFile};
use miqm_types::{Epoch, Lsn, QmgrId, UtcTime};

use crate::catalogue::Catalogue;
use crate::object::{BadImage, Key, Object};

/// How much is read or written at a time, in bytes: some entries.
const CHUNK_BYTES: usize = 1024 * 1024;
const _: () = assert!(CHUNK_BYTES > 2 * (ENTRY_HEADER_BYTES + IMAGE_BYTES_MAX));

/// Why a snapshot cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The file does not exist.
    #[error("{} does not exist", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// Another instance holds the file.
    #[error("{} is locked by another instance", path.display())]
    Busy {
        /// The file.
        path: PathBuf,
    },
    /// Bytes that were durable are not what they were.
    #[error("{} is damaged at offset {offset}: {what}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where in it, in bytes.
        offset: u64,
        /// What does not fit.
        what: SnapshotDamage,
    },
    /// The file belongs to another queue manager.
    #[error("{} belongs to another queue manager", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// A newer version of this program wrote the file.
    #[error("{} has format version {version}, which is newer than this program", path.display())]
    NewerFormat {
        /// The file.
        path: PathBuf,
        /// Its format version.
        version: u32,
    },
    /// An object in the file is not one that this version knows.
    #[error("{}, offset {offset}: {source}", path.display())]
    Object {
        /// The file.
        path: PathBuf,
        /// Where in it, in bytes.
        offset: u64,
        /// What is wrong.
        source: BadImage,
    },
    /// The operating system refused.
    #[error(transparent)]
    Io(#[from] IoError),
}

/// What does not fit in a damaged snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotDamage {
    /// The first page.
    #[error(transparent)]
    Page(BadPage),
    /// An entry.
    #[error("entry {number}: {what}")]
    Entry {
        /// The number of the entry, from 0.
        number: u32,
        /// What is wrong with it.
        what: BadEntry,
    },
    /// The bytes of an entry are not an object.
    #[error("entry {number}: {what}")]
    Object {
        /// The number of the entry, from 0.
        number: u32,
        /// What is wrong with it.
        what: BadObject,
    },
    /// An entry does not come after the one before it.
    #[error("entry {number} is out of order")]
    Order {
        /// The number of the entry, from 0.
        number: u32,
    },
    /// It is not the file that the checkpoint names.
    #[error("it is not the snapshot that the checkpoint names")]
    Another,
    /// The entries together are not what the first page says.
    #[error("the entries do not fit the first page")]
    Whole,
}

/// A snapshot that has been read or written, and is held.
pub(crate) struct Snapshot<F> {
    /// What its first page says.
    pub(crate) header: SnapshotHeader,
    /// The file, locked until this is dropped.
    pub(crate) file: F,
}

/// What a new snapshot is to say of itself.
pub(crate) struct NewSnapshot {
    pub(crate) qmgr: QmgrId,
    pub(crate) epoch: Epoch,
    pub(crate) seq: u64,
    pub(crate) begin: Lsn,
    pub(crate) level: u16,
    pub(crate) written: UtcTime,
}

impl NewSnapshot {
    /// Writes a catalogue, makes file and name durable, and keeps the file locked.
    ///
    /// # Errors
    ///
    /// If the system refuses; what was made is removed again, if the system lets it.
    pub(crate) fn write<D: Disk>(
        &self,
        disk: &D,
        catalogue: &Catalogue,
    ) -> Result<Snapshot<D::File>, IoError> {
        let name = catalogue::file_name(self.epoch, self.seq);
        let file = disk.create_new(&name)?;
        let done = self.fill(&file, catalogue).and_then(|header| {
            disk.sync_dir()?;
            Ok(header)
        });
        match done {
            Ok(header) => Ok(Snapshot { header, file }),
            Err(error) => {
                // No checkpoint names it, so it harms nobody if it stays.
                disk.unlink(&name).ok();
                Err(error)
            }
        }
    }

    fn fill<F: DiskFile>(
        &self,
        file: &F,
        catalogue: &Catalogue,
    ) -> Result<SnapshotHeader, IoError> {
        // Nobody else can have it: it has had its name for a moment, and names are not used twice.
        // The lock is for later, when the storage has to tell whether this is still the owner.
        file.try_lock_exclusive()?;
        let mut header = SnapshotHeader {
            qmgr: self.qmgr,
            epoch: self.epoch,
            seq: self.seq,
            begin: self.begin,
            entry_bytes: 0,
            entries: 0,
            entries_crc: 0,
            written: self.written,
            level: self.level,
        };
        let mut chunk = Vec::with_capacity(CHUNK_BYTES);
        let mut image = Vec::new();
        let flush = |chunk: &mut Vec<u8>, header: &mut SnapshotHeader| {
            file.write_at(chunk, HEADER_BYTES as u64 + header.entry_bytes)?;
            header.entries_crc = crc32c::crc32c_append(header.entries_crc, chunk);
            header.entry_bytes += chunk.len() as u64;
            chunk.clear();
            Ok::<_, IoError>(())
        };
        for object in catalogue.iter() {
            image.clear();
            object.to_image().encode(&mut image).expect("an object in the catalogue was checked");
            catalogue::encode_entry(header.entries, &image, &mut chunk);
            header.entries += 1;
            if chunk.len() > CHUNK_BYTES / 2 {
                flush(&mut chunk, &mut header)?;
            }
        }
        flush(&mut chunk, &mut header)?;
        file.write_at(&header.encode(), 0)?;
        file.sync_data()?;
        Ok(header)
    }
}

/// Reads the snapshot that a checkpoint names.
///
/// # Errors
///
/// [`SnapshotError`].
pub(crate) fn read<F: DiskFile>(
    file: F,
    wanted: SnapshotRef,
    qmgr: QmgrId,
) -> Result<(Catalogue, Snapshot<F>), SnapshotError> {
    let path = || file.path().to_owned();
    let damaged = |offset, what| SnapshotError::Damaged { path: path(), offset, what };
    let mut page = vec![0; HEADER_BYTES];
    let len = file.read_at(&mut page, 0)?;
    let header = SnapshotHeader::decode(&page[..len]).map_err(|bad| match bad {
        BadPage::Newer(version) => SnapshotError::NewerFormat { path: path(), version },
        bad => damaged(0, SnapshotDamage::Page(bad)),
    })?;
    if header.qmgr != qmgr {
        return Err(SnapshotError::Foreign { path: path() });
    }
    if header.reference() != wanted {
        return Err(damaged(0, SnapshotDamage::Another));
    }
    let catalogue = Entries::new(&file, header).read()?;
    Ok((catalogue, Snapshot { header, file }))
}

/// The objects that a checkpoint saved, for whoever only looks: nothing is locked or changed.
///
/// `body` is the checkpoint's reference as the control file has it.
///
/// # Errors
///
/// [`SnapshotError`]; a reference that is none is [`SnapshotError::Missing`].
pub fn saved<D: Disk>(objects: &D, body: &[u8], qmgr: QmgrId) -> Result<Catalogue, SnapshotError> {
    let wanted = SnapshotRef::decode(body)
        .ok_or_else(|| SnapshotError::Missing { path: objects.path_of("") })?;
    Ok(read(open(objects, wanted, false)?, wanted, qmgr)?.0)
}

/// Opens the snapshot that a checkpoint names, for its owner: locked, or for whoever only looks.
///
/// # Errors
///
/// [`SnapshotError::Missing`], [`SnapshotError::Busy`] or [`SnapshotError::Io`].
pub(crate) fn open<D: Disk>(
    disk: &D,
    wanted: SnapshotRef,
    lock: bool,
) -> Result<D::File, SnapshotError> {
    let name = wanted.file_name();
    let file = if lock { disk.open_rw(&name)? } else { disk.open_ro(&name)? };
    let file = file.ok_or_else(|| SnapshotError::Missing { path: disk.path_of(&name) })?;
    if lock && !file.try_lock_exclusive()? {
        return Err(SnapshotError::Busy { path: disk.path_of(&name) });
    }
    Ok(file)
}

/// Removes the snapshots before one that a finished checkpoint names; returns how many.
///
/// # Errors
///
/// If the system refuses. What could not be removed is taken up by the next call.
pub(crate) fn remove_before<D: Disk>(disk: &D, kept: SnapshotRef) -> Result<u64, IoError> {
    let mut removed = 0;
    for name in disk.list()? {
        if catalogue::from_file_name(&name).is_some_and(|found| found < (kept.epoch, kept.seq))
            && disk.unlink(&name)?
        {
            removed += 1;
        }
    }
    Ok(removed)
}

/// Reads the entries of a snapshot, a chunk at a time.
struct Entries<'a, F> {
    file: &'a F,
    header: SnapshotHeader,
    /// What has been read and not yet used.
    chunk: Vec<u8>,
    /// How many bytes of entries were used before the chunk.
    used: u64,
    crc: u32,
}

impl<'a, F: DiskFile> Entries<'a, F> {
    fn new(file: &'a F, header: SnapshotHeader) -> Self {
        Self { file, header, chunk: Vec::new(), used: 0, crc: 0 }
    }

    fn read(mut self) -> Result<Catalogue, SnapshotError> {
        let mut objects = Vec::new();
        let mut last: Option<Key> = None;
        let mut number = 0;
        while number < self.header.entries {
            self.fill()?;
            let mut rest = self.chunk.as_slice();
            while number < self.header.entries {
                let at = self.used + (self.chunk.len() - rest.len()) as u64;
                let (image, after) = match catalogue::decode_entry(number, rest) {
                    Ok(found) => found,
                    // It goes on in the next chunk; unless this was all, or nothing of this one
                    // was used, so that another try would be the same.
                    Err(BadEntry::Short)
                        if rest.len() < self.chunk.len()
                            && self.used + (self.chunk.len() as u64) < self.header.entry_bytes =>
                    {
                        break;
                    }
                    Err(what) => {
                        return Err(self.damaged(at, SnapshotDamage::Entry { number, what }));
                    }
                };
                let object = self.object(number, at, image)?;
                let key = object.key();
                if last.as_ref().is_some_and(|last| *last >= key) {
                    return Err(self.damaged(at, SnapshotDamage::Order { number }));
                }
                last = Some(key);
                objects.push(object);
                rest = after;
                number += 1;
            }
            let taken = self.chunk.len() - rest.len();
            self.crc = crc32c::crc32c_append(self.crc, &self.chunk[..taken]);
            self.used += taken as u64;
            self.chunk.drain(..taken);
        }
        if self.used != self.header.entry_bytes || self.crc != self.header.entries_crc {
            return Err(self.damaged(self.used, SnapshotDamage::Whole));
        }
        Ok(objects.into_iter().collect())
    }

    /// Reads on until the chunk is full or there is no more.
    fn fill(&mut self) -> Result<(), SnapshotError> {
        let have = self.chunk.len();
        let left = self.header.entry_bytes - self.used - have as u64;
        let want = usize::try_from(left).unwrap_or(CHUNK_BYTES).min(CHUNK_BYTES - have);
        self.chunk.resize(have + want, 0);
        let at = HEADER_BYTES as u64 + self.used + have as u64;
        let got = self.file.read_at(&mut self.chunk[have..], at)?;
        self.chunk.truncate(have + got);
        Ok(())
    }

    fn object(&self, number: u32, at: u64, image: &[u8]) -> Result<Object, SnapshotError> {
        let image = ObjectImage::decode(image)
            .map_err(|what| self.damaged(at, SnapshotDamage::Object { number, what }))?;
        Object::from_image(image).map_err(|source| SnapshotError::Object {
            path: self.file.path().to_owned(),
            offset: HEADER_BYTES as u64 + at,
            source,
        })
    }

    fn damaged(&self, at: u64, what: SnapshotDamage) -> SnapshotError {
        let path = self.file.path().to_owned();
        SnapshotError::Damaged { path, offset: HEADER_BYTES as u64 + at, what }
    }
}

#[cfg(test)]
#[path = "snapshot_tests.rs"]
mod tests;
