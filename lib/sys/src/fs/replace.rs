//! Atomic replacement of a small file.

use std::fs::File;
use std::path::Path;

use nix::errno::Errno;

use super::dir::unlink_quietly;
use super::{Owner, create_new, rename, sync_all, sync_dir, write_all_at};
use crate::error::{IoError, Op};
use crate::random;

/// Makes `path` a file with exactly these bytes, mode and owner, durably; whoever reads it finds the
/// old bytes or the new ones, also after a crash.
///
/// A symbolic link at `path` is replaced, not followed. Never to be used on a file that recovery
/// depends on: a rename succeeds also for a host that has lost its locks.
///
/// # Errors
///
/// If any step fails. No temporary file is left, unless the process dies; after an
/// [`Op::SyncDir`] error the new bytes are in place but perhaps not durable.
pub fn replace(path: &Path, bytes: &[u8], mode: u32, owner: Option<Owner>) -> Result<(), IoError> {
    let dir = exchange(path, bytes, mode, owner, sync_all)?;
    sync_dir(dir)
}

/// As [`replace`], but durable only some time later, and then perhaps empty after a crash of the host:
/// for what means nothing after it.
///
/// # Errors
///
/// If any step fails. No temporary file is left, unless the process dies.
pub fn replace_volatile(
    path: &Path,
    bytes: &[u8],
    mode: u32,
    owner: Option<Owner>,
) -> Result<(), IoError> {
    exchange(path, bytes, mode, owner, |_, _| Ok(())).map(drop)
}

/// Writes the new file, lets `settle` make it durable, and puts it in place. Returns its directory.
fn exchange<'a>(
    path: &'a Path,
    bytes: &[u8],
    mode: u32,
    owner: Option<Owner>,
    settle: fn(&File, &Path) -> Result<(), IoError>,
) -> Result<&'a Path, IoError> {
    let dir = match path.parent() {
        Some(dir) if dir.as_os_str().is_empty() => Path::new("."),
        Some(dir) => dir,
        None => return Err(IoError::new(Op::Create, path, Errno::EISDIR)),
    };
    // Not made of the file's name, which may be as long as a name can be.
    let temporary = dir.join(format!(".miqm-{:08x}{:08x}.tmp", random::u32()?, random::u32()?));
    let file = create_new(&temporary, mode, owner)?;
    let written =
        write_all_at(&file, &temporary, bytes, 0).and_then(|()| settle(&file, &temporary));
    super::close(file, &temporary);
    if let Err(error) = written.and_then(|()| rename(&temporary, path)) {
        unlink_quietly(&temporary);
        // The operator knows the file, not the temporary one.
        return Err(IoError { path: path.to_owned(), ..error });
    }
    Ok(dir)
}
