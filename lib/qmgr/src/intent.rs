//! What is under way: notes about a creation or deletion, from which the next command can tell what
//! one that was killed has left behind.
//!
//! `PREFIX/intent/<name>.ini` is locked by the command at work. Each note is appended and made
//! durable *before* what it speaks of is done; a last line without its end was not. The file is
//! removed when the work is done. One that is there and locked by nobody is a dead command's.
//!
//! Notes alone are not enough to remove a directory by: on shared storage, another host may have made
//! it. So the first thing that a creation makes in a directory is a marker with the identity of the
//! new queue manager, `.creating-<identity>`, and only a directory with that marker is emptied.

use std::path::{Path, PathBuf};

use miqm_format::stanza::Document;
use miqm_sys::fs::{Owner, Presence};
use miqm_sys::lock::{LockedFile, Range};
use miqm_sys::{IoError, fs};
use miqm_types::{QmgrId, QmgrName};

use crate::env::Env;
use crate::layout::{DIR_MODE, FILE_MODE};

const STANZA: &str = "Intent";
const BYTES_MAX: usize = 1 << 20;

/// What is being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// `crtmqm`.
    Create,
    /// `dltmqm`.
    Delete,
}

/// A directory that is being made or used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Where.
    pub path: PathBuf,
    /// Whether it was to be made, as opposed to having been there, empty.
    pub made: bool,
}

/// The notes of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notes {
    /// What it was doing.
    pub operation: Operation,
    /// The identity of the queue manager.
    pub id: QmgrId,
    /// Data and log directories, in the order in which they were begun; of two notes about one
    /// path the last one counts.
    pub places: Vec<Place>,
}

/// The name of the marker in a directory that is being filled.
pub fn marker(id: QmgrId) -> String {
    format!(".creating-{id}")
}

/// The notes of a command at work, locked.
#[derive(Debug)]
pub struct Intent {
    lock: LockedFile,
    len: u64,
}

/// What a try to begin finds.
#[derive(Debug)]
pub enum Begun {
    /// Nobody else is at work. The notes of a dead command, if there was one.
    Free(Intent, Option<Notes>),
    /// Another command is at work on a queue manager of this name.
    Busy,
}

/// The notes of work on a queue manager of this name.
pub fn file_of(env: &Env, name: &QmgrName) -> PathBuf {
    env.intent_dir().join(format!("{}.ini", name.to_dir_component()))
}

impl Intent {
    /// Takes the right to create or delete a queue manager of this name on this host.
    ///
    /// # Errors
    ///
    /// [`IoError`] if the notes cannot be made, locked or read.
    pub fn begin(env: &Env, name: &QmgrName, owner: Owner) -> Result<Begun, IoError> {
        let dir = env.intent_dir();
        if fs::presence(&dir)? == Presence::Absent {
            match fs::make_dir(&dir, DIR_MODE, Some(owner)) {
                Err(error) if !error.is_already_there() => return Err(error),
                _ => {}
            }
        }
        let path = file_of(env, name);
        loop {
            let opened = match fs::open_rw(&path) {
                Err(error) if error.is_not_found() => fs::create_new(&path, FILE_MODE, Some(owner)),
                other => other,
            };
            let file = match opened {
                Err(error) if error.is_already_there() => continue,
                other => other?,
            };
            let Ok(lock) = LockedFile::try_lock(file, &path, Range::WHOLE)? else {
                return Ok(Begun::Busy);
            };
            // The command before may have removed the file between our open and our lock.
            if lock.still_named()? {
                let bytes = fs::read_limited(&path, BYTES_MAX)?;
                let len = bytes.len() as u64;
                return Ok(Begun::Free(Self { lock, len }, parse(&bytes)));
            }
        }
    }

    /// Begins the notes anew.
    ///
    /// # Errors
    ///
    /// [`IoError`] if they cannot be written.
    pub fn start(&mut self, operation: Operation, id: QmgrId) -> Result<(), IoError> {
        fs::set_len(self.lock.file(), self.lock.path(), 0)?;
        self.len = 0;
        let operation = match operation {
            Operation::Create => "Create",
            Operation::Delete => "Delete",
        };
        self.append(&format!("{STANZA}:\n   Operation={operation}\n   QMgrId={id}\n"))?;
        self.lock.path().parent().map_or(Ok(()), fs::sync_dir)
    }

    /// Notes that a directory is about to be made or used.
    ///
    /// # Errors
    ///
    /// [`IoError`] if that cannot be written; then it must not be made or used.
    pub fn note(&mut self, place: &Place) -> Result<(), IoError> {
        let key = if place.made { "Make" } else { "Use" };
        self.append(&format!("   {key}={}\n", place.path.display()))
    }

    fn append(&mut self, text: &str) -> Result<(), IoError> {
        self.lock.write_all_at(text.as_bytes(), self.len)?;
        self.lock.sync_data()?;
        self.len += text.len() as u64;
        Ok(())
    }

    /// Ends the work: the notes are removed.
    ///
    /// # Errors
    ///
    /// [`IoError`] if they cannot be.
    pub fn finish(self) -> Result<(), IoError> {
        fs::remove_file(self.lock.path())?;
        self.lock.path().parent().map_or(Ok(()), fs::sync_dir)
    }

    /// The notes so far; `None` if none were begun.
    pub fn notes(&self) -> Option<Notes> {
        fs::read_limited(self.lock.path(), BYTES_MAX).ok().and_then(|bytes| parse(&bytes))
    }

    /// The file.
    pub fn path(&self) -> &Path {
        self.lock.path()
    }
}

/// Reads notes as far as they go; `None` if not even the beginning is there, so that nothing had
/// been done.
fn parse(bytes: &[u8]) -> Option<Notes> {
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let document = Document::parse(bytes.get(..whole)?).ok()?;
    let stanza = document.find(STANZA, |_| true)?;
    let operation = match stanza.value("Operation")? {
        "Create" => Operation::Create,
        "Delete" => Operation::Delete,
        _ => return None,
    };
    let id = stanza.value("QMgrId")?.parse().ok()?;
    let mut places: Vec<Place> = Vec::new();
    for setting in stanza.settings() {
        let made = match setting.key {
            "Make" => true,
            "Use" => false,
            _ => continue,
        };
        let place = Place { path: PathBuf::from(setting.value), made };
        places.retain(|other| other.path != place.path);
        places.push(place);
    }
    Some(Notes { operation, id, places })
}

/// Removes what a creation has made in a place; what is another's stays.
///
/// # Errors
///
/// [`IoError`] if something cannot be removed; doing it again goes on from there.
pub fn undo(place: &Place, id: QmgrId) -> Result<(), IoError> {
    let marker = marker(id);
    let names = match fs::list(&place.path) {
        Err(error) if error.is_not_found() => return Ok(()),
        names => names?,
    };
    if names.iter().any(|name| name.to_str() == Some(&marker)) {
        for name in names.iter().filter(|name| name.to_str() != Some(&marker)) {
            gone(fs::remove_tree(&place.path.join(name)))?;
        }
        fs::sync_dir(&place.path)?;
        gone(fs::remove_file(&place.path.join(&marker)))?;
        fs::sync_dir(&place.path)?;
    } else if !names.is_empty() {
        return Ok(());
    }
    if place.made {
        match fs::remove_dir(&place.path) {
            // Somebody has just begun to use it.
            Err(error) if error.errno() == Some(ENOTEMPTY) => return Ok(()),
            result => gone(result)?,
        }
        if let Some(parent) = place.path.parent() {
            fs::sync_dir(parent)?;
        }
    }
    Ok(())
}

/// "Directory not empty".
const ENOTEMPTY: i32 = 39;

fn gone(result: Result<(), IoError>) -> Result<(), IoError> {
    match result {
        Err(error) if error.is_not_found() => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_count_as_far_as_they_go() {
        let text = "Intent:\n   Operation=Create\n   QMgrId=01010101010101010101010101010101\n   \
                    Use=/a\n   Make=/b c\n   Make=/a\n   Use=/d";
        let notes = parse(text.as_bytes()).unwrap();
        assert_eq!(notes.operation, Operation::Create);
        let place = |path: &str, made| Place { path: path.into(), made };
        assert_eq!(notes.places, [place("/b c", true), place("/a", true)]);
        for len in 0..text.len() {
            let cut = parse(&text.as_bytes()[..len]);
            assert!(cut.is_none_or(|notes| notes.places.len() <= 2), "{len}");
        }
    }

    #[test]
    fn only_what_is_marked_is_undone() {
        let dir = tempfile::tempdir().unwrap();
        let id = QmgrId([1; 16]);
        let place = Place { path: dir.path().join("Q"), made: true };
        undo(&place, id).unwrap();
        std::fs::create_dir_all(place.path.join("objects/deep")).unwrap();
        undo(&place, id).unwrap();
        assert!(place.path.join("objects").exists(), "not marked");
        std::fs::write(place.path.join(marker(QmgrId([2; 16]))), "").unwrap();
        undo(&place, id).unwrap();
        assert!(place.path.join("objects").exists(), "marked by another");
        std::fs::write(place.path.join(marker(id)), "").unwrap();
        std::os::unix::fs::symlink("/", place.path.join("link")).unwrap();
        undo(&Place { made: false, ..place.clone() }, id).unwrap();
        assert_eq!(std::fs::read_dir(&place.path).unwrap().count(), 0);
        undo(&place, id).unwrap();
        assert!(!place.path.exists());
    }
}
