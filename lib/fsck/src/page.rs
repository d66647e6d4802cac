//! The page of a report as a file.

use std::path::Path;

use miqm_sys::fs::{self, Presence};
use miqm_sys::{IoError, Op};

use crate::{Report, render};

/// Writes the page of a report that is not complete, so that what stands in the way of the file is known
/// before the run and not after it. The page says that the run was not over.
///
/// # Errors
///
/// As [`write()`].
pub fn begin(path: &Path, report: &Report) -> Result<(), IoError> {
    let ended_early = "It was not over when this page was written.".to_owned();
    let mut unfinished = Report { ended_early, ..report.clone() };
    unfinished.close(0.0);
    write(path, &unfinished)
}

/// Writes the page of a report: in place of what was there, in one step.
///
/// # Errors
///
/// If there is something else than a file, or it cannot be written.
pub fn write(path: &Path, report: &Report) -> Result<(), IoError> {
    let refuse = |why: &str| {
        let error = std::io::Error::new(std::io::ErrorKind::InvalidInput, why);
        Err(IoError::new(Op::Create, path, error))
    };
    match fs::presence(path)? {
        Presence::Absent | Presence::File => {}
        // Replacing it would make something else of it, as of /dev/stdout.
        Presence::Dir => return refuse("it is a directory"),
        Presence::Symlink => return refuse("it is a symbolic link"),
        Presence::Other => return refuse("it is no file"),
    }
    fs::replace(path, render::page(report).as_bytes(), 0o644, None)
        // Nobody knows the temporary file.
        .map_err(|error| IoError { path: path.to_owned(), ..error })
}
