//! What a host has to know of a queue manager before its storage is there.
//!
//! ```text
//! PREFIX/boot/<name>.ini    Boot:
//!                              DataPath=/shared/qm1/data
//!                              LogPath=/shared/qm1/log
//! ```
//!
//! `mqs.ini` says where the data directory is, and `qm.ini` in the data directory where the log is: too late
//! for who orders the units of a boot by the mounts that they need. So an instance that starts notes both. Nothing
//! else is decided by the note, and one that does not fit `mqs.ini` says nothing.

use std::path::{Path, PathBuf};

use miqm_format::stanza::Document;
use miqm_sys::fs::{self, Owner};
use miqm_sys::{IoError, Op};
use miqm_types::QmgrName;

use crate::env::Env;
use crate::layout::{DIR_MODE, INI_MODE};
use crate::registry::Entry;

/// The longest note, in bytes.
const FILE_BYTES_MAX: usize = 65_536;
const STANZA: &str = "Boot";

/// Where the note about a queue manager is.
pub fn note_file(env: &Env, name: &QmgrName) -> PathBuf {
    env.prefix.join("boot").join(format!("{}.ini", name.to_dir_component()))
}

/// Notes where data and log are. A note that says so already is left alone.
///
/// # Errors
///
/// If it cannot be written, or a path cannot stand in an ini file (`EINVAL`).
pub fn note(file: &Path, data: &Path, log: &Path, owner: Owner) -> Result<(), IoError> {
    let invalid = || IoError::new(Op::Write, file, std::io::ErrorKind::InvalidInput);
    let mut document = Document::new();
    let stanza = document.push_stanza(STANZA).map_err(|_| invalid())?;
    for (key, path) in [("DataPath", data), ("LogPath", log)] {
        let text = path.to_str().ok_or_else(invalid)?;
        stanza.set(key, text).map_err(|_| invalid())?;
    }
    let bytes = document.to_bytes();
    if fs::read_limited(file, FILE_BYTES_MAX).is_ok_and(|there| there == bytes) {
        return Ok(());
    }
    if let Some(dir) = file.parent() {
        fs::make_dir_all(dir, DIR_MODE, Some(owner))?;
    }
    fs::replace(file, &bytes, INI_MODE, Some(owner))
}

/// Removes the note about a queue manager that this host does not run any more.
///
/// # Errors
///
/// If there is one and it cannot be removed.
pub fn forget(env: &Env, name: &QmgrName) -> Result<(), IoError> {
    fs::remove_file_if_there(&note_file(env, name))
}

/// The log directory of a queue manager as it was noted last; `None` if nothing was noted, or nothing that
/// can be used.
pub fn noted_log(env: &Env, entry: &Entry) -> Option<PathBuf> {
    let bytes = fs::read_limited(&note_file(env, &entry.name), FILE_BYTES_MAX).ok()?;
    let document = Document::parse(&bytes).ok()?;
    let path = |key| document.get(STANZA, key).map(|setting| PathBuf::from(setting.value));
    let fits = path("DataPath")? == entry.data_dir().path();
    path("LogPath").filter(|log| fits && log.is_absolute())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::Installation;

    fn env(prefix: &Path) -> Env {
        Env {
            prefix: prefix.to_owned(),
            runtime: prefix.join("run"),
            mqs_ini: prefix.join("mqs.ini"),
            default_prefix: None,
            host: "host1".parse().unwrap(),
            installation: Installation {
                name: Installation::NAME.into(),
                path: "/usr".into(),
                version: "0".into(),
            },
        }
    }

    #[test]
    fn a_note_is_believed_only_while_it_fits_the_registry() {
        let base = tempfile::tempdir().unwrap();
        let env = env(base.path());
        let caller = miqm_sys::user::caller().unwrap();
        let owner = Owner { uid: caller.uid, gid: caller.gid };
        let entry = |data: &str| Entry {
            name: "Q.1".parse().unwrap(),
            prefix: "/var/mqm".into(),
            directory: "Q!1".into(),
            data_path: Some(data.into()),
            installation: None,
            identity: None,
        };
        let entry_1 = entry("/s/a b%");
        assert_eq!(noted_log(&env, &entry_1), None);
        let file = note_file(&env, &entry_1.name);
        assert_eq!(file, base.path().join("boot/Q!1.ini"));
        note(&file, Path::new("/s/a b%"), Path::new("/s/log \"x\""), owner).unwrap();
        assert_eq!(noted_log(&env, &entry_1).unwrap(), Path::new("/s/log \"x\""));
        assert_eq!(noted_log(&env, &entry("/s/other")), None);
        assert!(note(&file, Path::new("/a\nb"), Path::new("/s"), owner).is_err());
        for garbage in [&b"Boot:\n   DataPath=/s/a b%\n   LogPath=log\n"[..], b"\xff", b"Boot"] {
            std::fs::write(&file, garbage).unwrap();
            assert_eq!(noted_log(&env, &entry_1), None, "{garbage:?}");
        }
        forget(&env, &entry_1.name).unwrap();
        forget(&env, &entry_1.name).unwrap();
        assert!(!file.exists());
    }
}
