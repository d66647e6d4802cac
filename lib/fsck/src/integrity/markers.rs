//! Marker files: whether names are durable.
//!
//! To make marker `k` is to create a file, sync it, rename it to the name of `k`, sync the directory,
//! remove marker `k - 2`, sync the directory, and note `k` in the log. The names have the epoch in them:
//! names are not locked, so a call of a holder that was cut off may take effect later, and must meet
//! nothing of its successor's.

use std::os::fd::AsFd;

use miqm_sys::clock;
use miqm_sys::probe::{self, Dir, How};

use super::files::{self, ENOENT, First, refused, write_all};
use super::job::Problem;
use super::log_scan::LogScan;
use super::page::{File, Kind, RunId, Stamp};
use super::survey::Survey;
use super::{MARK, MARK_NEW};
use crate::finding::Evidence;

/// What file systems say that cannot sync a directory.
const NO_DIR_SYNC: [i32; 4] = [9, 22, 38, 95];

/// The name of a marker.
pub(super) fn name(number: u64, epoch: u32) -> String {
    format!("{MARK}{epoch}-{number}")
}

/// Makes a marker and removes an older one; whether the directory could be synced.
pub(super) fn make(dir: &Dir, stamp: &Stamp, older: Option<(u64, u32)>) -> Result<bool, Problem> {
    let new = format!("{MARK_NEW}{}", stamp.epoch);
    files::remove_one(dir, &new)?;
    let fd = dir.open_file(&new, How::NEW).map_err(|errno| refused("open", &new, errno))?;
    write_all(fd.as_fd(), &stamp.page_bytes(), 0).map_err(|e| refused("pwrite", &new, e))?;
    probe::fsync(fd.as_fd()).map_err(|errno| refused("fsync", &new, errno))?;
    probe::close(fd).map_err(|errno| refused("close", &new, errno))?;
    let to = name(stamp.extra, stamp.epoch);
    dir.rename(&new, &to).map_err(|errno| refused("rename", &new, errno))?;
    let mut synced = sync(dir)?;
    if let Some((number, epoch)) = older {
        let older = name(number, epoch);
        match dir.unlink(&older) {
            Ok(()) | Err(ENOENT) => {}
            Err(errno) => return Err(refused("unlink", &older, errno)),
        }
        synced &= sync(dir)?;
    }
    Ok(synced)
}

fn sync(dir: &Dir) -> Result<bool, Problem> {
    match dir.sync(".") {
        Ok(()) => Ok(true),
        Err(errno) if NO_DIR_SYNC.contains(&errno) => Ok(false),
        Err(errno) => Err(refused("fsync", ".", errno)),
    }
}

/// What a marker file says.
pub(super) fn stamp(run: RunId, epoch: u32, number: u64, sequence: u64, host: &str) -> Stamp {
    let new = Stamp::new(run, File::Marker, Kind::Marker, 0);
    let (time, host) = (clock::utc_now().0, host.to_owned());
    Stamp { epoch, sequence, extra: number, time, host, ..new }
}

/// Compares the marker files with the log.
pub(super) fn judge(
    dir: &Dir,
    run: &RunId,
    log: &LogScan,
    survey: &mut Survey,
) -> Result<(), Problem> {
    let Some(last) = log.marker(0) else { return Ok(()) };
    let there = |(number, epoch): (u64, u32)| match files::first(dir, &name(number, epoch))? {
        First::Absent => Ok(None),
        First::Ours(stamp, true) if stamp.run == *run && stamp.extra == number => Ok(Some(true)),
        _ => Ok::<_, Problem>(Some(false)),
    };
    let next = there((last.0 + 1, log.epoch()))?.is_some();
    // The one before is removed only after the next one is durably there.
    let before = log.marker(1).filter(|_| !next);
    for (marker, required) in [(Some(last), true), (before, true), (log.marker(2), false)] {
        let Some(marker) = marker else { continue };
        let what = match (there(marker)?, required) {
            (Some(true), true) | (None, false) => continue,
            (Some(false), true) => {
                "its bytes were synced before it got its name, and are not there"
            }
            (None, true) => {
                "it was created, renamed and synced with its directory, and is not there"
            }
            (Some(_), false) => "it was removed, and the directory synced, and it is still there",
        };
        survey.note("int.names", Evidence::note(what).file(name(marker.0, marker.1)));
    }
    Ok(())
}
