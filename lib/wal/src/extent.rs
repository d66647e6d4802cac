//! One extent: making it, using one again, reading its header.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use miqm_format::extent::{ExtentHeader, ExtentStart};
use miqm_format::page::BadPage;
use miqm_format::record::{HEADER_BYTES, Kind, Record};
use miqm_sys::IoError;
use miqm_sys::clock::utc_now;
use miqm_sys::disk::{Allocation, Disk, DiskFile};
use miqm_types::{Epoch, ExtentNo, InstanceId, Lsn, PAGE_BYTES, QmgrId};

use crate::error::{Lost, Poison};

/// A page, in bytes.
pub(crate) const PAGE: u64 = PAGE_BYTES as u64;
/// How far ahead of the records an extent is filled with zeros while it is in use, in bytes.
const ZERO_AHEAD_BYTES: u64 = 256 * 1024;
/// What is written at a time to fill an extent with zeros before its use, in bytes.
const ZEROS_BYTES: usize = 256 * 1024;
static ZEROS: [u8; ZEROS_BYTES] = [0; ZEROS_BYTES];

/// What all extents of one epoch share.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Family {
    pub(crate) qmgr: QmgrId,
    pub(crate) instance: InstanceId,
    pub(crate) salt: u32,
    pub(crate) epoch: Epoch,
    pub(crate) extent_pages: u32,
}

impl Family {
    pub(crate) fn extent_bytes(&self) -> u64 {
        u64::from(self.extent_pages) * PAGE
    }

    pub(crate) fn start_of(&self, no: ExtentNo) -> Lsn {
        Lsn(no.0 * self.extent_bytes())
    }

    fn header(&self, no: ExtentNo) -> ExtentHeader {
        ExtentHeader {
            qmgr: self.qmgr,
            instance: self.instance,
            number: no,
            start: self.start_of(no),
            epoch: self.epoch,
            created: utc_now(),
            salt: self.salt,
            extent_pages: self.extent_pages,
        }
    }
}

/// An extent of one's own epoch, locked.
#[derive(Debug)]
pub(crate) struct Extent<F> {
    pub(crate) no: ExtentNo,
    pub(crate) start: Lsn,
    pub(crate) file: Arc<F>,
    path: PathBuf,
    /// Up to where the file holds written bytes, so that a write changes no metadata.
    filled: AtomicU64,
}

impl<F: DiskFile> Extent<F> {
    /// Writes a batch and makes it durable.
    pub(crate) fn write_batch(&self, bytes: &[u8], at: Lsn, limit: u64) -> Result<(), IoError> {
        let offset = at.0 - self.start.0;
        let end = offset + bytes.len() as u64;
        let result = self.file.write_at(bytes, offset).and_then(|()| {
            let filled = self.filled.load(Ordering::Relaxed);
            if end > filled {
                let ahead = (end + ZERO_AHEAD_BYTES).min(limit);
                fill(&*self.file, end, ahead)?;
                self.filled.store(ahead, Ordering::Relaxed);
            }
            self.file.sync_data()
        });
        result.map_err(|error| self.renamed(error))
    }

    /// The error with the name that the file has by now.
    pub(crate) fn renamed(&self, error: IoError) -> IoError {
        IoError { path: self.path.clone(), ..error }
    }
}

fn fill<F: DiskFile>(file: &F, from: u64, to: u64) -> Result<(), IoError> {
    let mut at = from;
    while at < to {
        let n = usize::try_from(to - at).map_or(ZEROS_BYTES, |left| left.min(ZEROS_BYTES));
        file.write_at(&ZEROS[..n], at)?;
        at += n as u64;
    }
    Ok(())
}

/// The name of an extent in the making.
fn temporary_name(family: &Family, no: ExtentNo) -> String {
    format!("{TEMPORARY_PREFIX}{}-{no}{TEMPORARY_SUFFIX}", family.instance)
}

const TEMPORARY_PREFIX: &str = "new-";
const TEMPORARY_SUFFIX: &str = ".tmp";

/// Whether a name is that of an extent that was never finished.
pub(crate) fn is_temporary(name: &str) -> bool {
    name.starts_with(TEMPORARY_PREFIX) && name.ends_with(TEMPORARY_SUFFIX)
}

/// How to prepare an extent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Filling {
    /// Fill it with zeros first: commits change no metadata.
    Now,
    /// Set the space aside and fill it as it is used: it is there at once.
    Later,
}

/// A file that may become an extent: locked, with its space set aside, under a temporary name.
#[derive(Debug)]
pub(crate) struct Staged<F> {
    file: F,
    name: String,
    filled: u64,
    /// The number in the header, if it is durable already.
    header: Option<ExtentNo>,
}

/// Makes a file that may become extent `no`, or a later one.
pub(crate) fn stage<D: Disk>(
    disk: &D,
    family: &Family,
    no: ExtentNo,
    filling: Filling,
) -> Result<Staged<D::File>, Poison> {
    let name = temporary_name(family, no);
    // Left over from a try of one's own that ended for lack of space.
    disk.unlink(&name)?;
    let file = disk.create_new(&name)?;
    let filled = (|| {
        if !file.try_lock_exclusive()? {
            return Err(Lost.into());
        }
        let bytes = family.extent_bytes();
        let space = file.allocate(bytes)?;
        let filled = match (space, filling) {
            (Allocation::Zeroed, _) | (Allocation::Reserved, Filling::Now) => bytes,
            (Allocation::Reserved, Filling::Later) => bytes.min(PAGE + ZERO_AHEAD_BYTES),
        };
        if space == Allocation::Reserved {
            fill(&file, PAGE, filled)?;
        }
        if filling == Filling::Later {
            // So that what is made durable with the header is not left for the first commit.
            file.write_at(&family.header(no).encode(), 0)?;
            file.sync_data()?;
        }
        Ok(filled)
    })();
    match filled {
        Ok(filled) => {
            let header = (filling == Filling::Later).then_some(no);
            Ok(Staged { file, name, filled, header })
        }
        Err(error) => Err(give_up(disk, &name, error)),
    }
}

/// Makes a staged file an extent, with the lowest free number from `no` on.
///
/// A number that is taken is passed over, never freed: only an instance that is no longer active
/// can have made it, and to remove a name that another may have made meanwhile is the one thing
/// that could lose data.
pub(crate) fn publish<D: Disk>(
    disk: &D,
    family: &Family,
    staged: Staged<D::File>,
    no: ExtentNo,
) -> Result<Extent<D::File>, Poison> {
    let Staged { file, name: temporary, filled, header } = staged;
    match name(disk, family, &file, &temporary, no, header) {
        Ok(no) => {
            disk.unlink(&temporary)?;
            Ok(extent(disk, family, no, Arc::new(file), filled))
        }
        Err(error) => Err(give_up(disk, &temporary, error)),
    }
}

/// Lets go of the space, for the next try. That this fails changes nothing.
fn give_up<D: Disk>(disk: &D, temporary: &str, error: Poison) -> Poison {
    disk.unlink(temporary).ok();
    error
}

/// Makes a new extent, filled with zeros.
pub(crate) fn make<D: Disk>(
    disk: &D,
    family: &Family,
    no: ExtentNo,
) -> Result<Extent<D::File>, Poison> {
    publish(disk, family, stage(disk, family, no, Filling::Now)?, no)
}

/// Uses an extent again that recovery no longer needs, under the lowest free number from `no` on.
pub(crate) fn reuse<D: Disk>(
    disk: &D,
    family: &Family,
    old: &Extent<D::File>,
    no: ExtentNo,
) -> Result<Extent<D::File>, Poison> {
    let old_name = old.no.file_name();
    let no = name(disk, family, &*old.file, &old_name, no, None)?;
    disk.unlink(&old_name)?;
    let filled = old.filled.load(Ordering::Relaxed);
    Ok(extent(disk, family, no, Arc::clone(&old.file), filled))
}

/// Writes the header, makes it durable, and only then gives the file its name.
fn name<D: Disk>(
    disk: &D,
    family: &Family,
    file: &D::File,
    known_as: &str,
    from: ExtentNo,
    staged: Option<ExtentNo>,
) -> Result<ExtentNo, Poison> {
    let mut no = from;
    loop {
        if no > ExtentNo::MAX {
            return Err(Poison::NumbersUsedUp);
        }
        if staged != Some(no) {
            file.write_at(&family.header(no).encode(), 0)?;
            file.sync_data()?;
        }
        let name = no.file_name();
        match disk.link(known_as, &name) {
            Ok(()) => break,
            Err(error) if error.is_already_there() => {
                // Over a network an answer may be lost and the request repeated.
                if disk.names(&name, file)? {
                    break;
                }
                refuse_newer(disk, family, &name)?;
                no = no.next();
            }
            Err(error) => return Err(error.into()),
        }
    }
    disk.sync_dir()?;
    Ok(no)
}

/// Ends this instance if an extent shows that a later one has become active.
fn refuse_newer<D: Disk>(disk: &D, family: &Family, name: &str) -> Result<(), Poison> {
    let Some(file) = disk.open_ro(name)? else { return Ok(()) };
    match read_header(&file)? {
        Ok(header) if header.qmgr == family.qmgr && header.epoch >= family.epoch => {
            Err(Poison::Fenced { path: disk.path_of(name), epoch: header.epoch })
        }
        _ => Ok(()),
    }
}

fn extent<D: Disk>(
    disk: &D,
    family: &Family,
    no: ExtentNo,
    file: Arc<D::File>,
    filled: u64,
) -> Extent<D::File> {
    let path = disk.path_of(&no.file_name());
    Extent { no, start: family.start_of(no), file, path, filled: AtomicU64::new(filled) }
}

/// Reads the header page of an extent.
pub(crate) fn read_header<F: DiskFile>(file: &F) -> Result<Result<ExtentHeader, BadPage>, IoError> {
    let mut page = [0; PAGE_BYTES as usize];
    let read = file.read_at(&mut page, 0)?;
    Ok(ExtentHeader::decode(&page[..read]))
}

/// Reads the first record of an extent, or `None` if there is no valid one.
pub(crate) fn read_start<F: DiskFile>(
    file: &F,
    header: &ExtentHeader,
) -> Result<Option<ExtentStart>, IoError> {
    let at = Lsn(header.start.0 + PAGE);
    // It may be the only record of its batch, and then it fills its page.
    let mut bytes = [0; PAGE_BYTES as usize + HEADER_BYTES];
    let read = file.read_at(&mut bytes, PAGE)?;
    Ok(Record::decode(at, header.salt, &bytes[..read])
        .ok()
        .filter(|record| {
            let is = record.header;
            is.kind == Kind::EXTENT_START && is.epoch == header.epoch && is.batch_lsn == at
        })
        .and_then(|record| ExtentStart::decode(record.body)))
}
