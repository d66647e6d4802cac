//! That the storage is there: nothing may be made below a mount point on which nothing is mounted.

use std::path::Path;

use miqm_format::provision::{Directory, Mounts, Provision};
use miqm_sys::mount::{self, Mount};
use miqm_sys::{IoError, fs};

use super::ProvisionError;

/// Makes sure that the mounts are there that the file asks for.
///
/// If it does not say, directories outside of the prefix must not be on the file system of `/`: they were
/// named because they are on other storage.
pub(super) fn check(prefix: &Path, content: &Provision) -> Result<(), ProvisionError> {
    let none = Vec::new();
    let (named, everywhere) = match &content.require_mount {
        Some(Mounts::Any(false)) => return Ok(()),
        Some(Mounts::Any(true)) => (&none, true),
        Some(Mounts::These(paths)) => (paths, false),
        None => (&none, false),
    };
    for point in named {
        if !is_mounted_at(point)? {
            return Err(ProvisionError::NotMounted { path: point.clone(), named: true });
        }
    }
    for directory in [&content.data, &content.log].into_iter().flatten() {
        let path = directory.path();
        let known = named.iter().any(|point| path.starts_with(point));
        if !known && (everywhere || !path.starts_with(prefix)) {
            is_on_another(directory)?;
        }
    }
    Ok(())
}

/// Whether something is mounted at a path. Looking at it first is what makes an automounter mount it.
fn is_mounted_at(point: &Path) -> Result<bool, IoError> {
    let real = match fs::canonical(point).and_then(|real| fs::stat(&real).map(|_| real)) {
        Err(error) if error.is_not_found() => return Ok(false),
        real => real?,
    };
    let mounts = mount::mounts()?;
    Ok(covering(&mounts, &real).is_some_and(|mount| mount.mount_point == real && is_storage(mount)))
}

fn is_on_another(directory: &Directory) -> Result<(), ProvisionError> {
    let path = directory.path();
    let mut at = path;
    // The directory itself may be the mount point; if it is not there, the one in which it is made counts.
    if matches!(directory, Directory::At(_)) && real(path)?.is_none() {
        at = path.parent().unwrap_or(path);
    }
    // That a directory is missing is said better by the creation.
    let Some(found) = real(at)? else { return Ok(()) };
    if is_apart(&mount::mounts()?, &found) {
        return Ok(());
    }
    Err(ProvisionError::NotMounted { path: at.to_owned(), named: false })
}

fn real(path: &Path) -> Result<Option<std::path::PathBuf>, IoError> {
    match fs::canonical(path).and_then(|real| fs::stat(&real).map(|_| real)) {
        Err(error) if error.is_not_found() => Ok(None),
        real => real.map(Some),
    }
}

/// Whether a directory without symbolic links is on a mounted file system other than that of `/`.
fn is_apart(mounts: &[Mount], path: &Path) -> bool {
    let root = Path::new("/");
    covering(mounts, path).is_some_and(|mount| mount.mount_point != root && is_storage(mount))
}

/// An automounter is a place where something will be mounted.
fn is_storage(mount: &Mount) -> bool {
    mount.fs_type != "autofs"
}

fn covering<'m>(mounts: &'m [Mount], path: &Path) -> Option<&'m Mount> {
    let over = mounts.iter().filter(|mount| path.starts_with(&mount.mount_point));
    over.max_by_key(|mount| mount.mount_point.components().count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_on_the_root_or_waits_to_be_mounted_is_not_storage() {
        let table = b"22 1 8:1 / / rw - ext4 /dev/sda1 rw\n\
            40 22 0:35 / /mnt/mqha rw - nfs4 filer:/mqm rw\n\
            41 22 0:36 / /mnt/auto rw - autofs systemd-1 rw\n\
            42 22 0:37 / /mnt/auto2 rw - autofs systemd-1 rw\n\
            43 42 0:38 / /mnt/auto2 rw - nfs4 filer:/two rw\n";
        let mounts = mount::parse_table(table);
        assert_eq!(mounts.len(), 5);
        for (path, apart) in [
            ("/mnt/mqha", true),
            ("/mnt/mqha/a/b", true),
            ("/mnt/mqhax", false),
            ("/mnt", false),
            ("/", false),
            ("/mnt/auto/a", false),
            ("/mnt/auto2/a", true),
        ] {
            assert_eq!(is_apart(&mounts, path.as_ref()), apart, "{path}");
        }
        assert!(!is_apart(&[], "/mnt".as_ref()));
    }

    #[test]
    fn a_mount_that_is_named_must_be_one() {
        assert!(is_mounted_at("/proc".as_ref()).unwrap());
        assert!(!is_mounted_at("/proc/self".as_ref()).unwrap());
        assert!(!is_mounted_at("/proc/no-such-file".as_ref()).unwrap());
    }
}
