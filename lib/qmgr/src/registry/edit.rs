//! Changes of the registry: one at a time, whole or not at all.

use std::path::{Path, PathBuf};
use std::time::Duration;

use miqm_format::stanza::BadEdit;
use miqm_sys::clock::{self, BootInstant};
use miqm_sys::fs::{Owner, Presence};
use miqm_sys::lock::LockedFile;
use miqm_sys::{IoError, fs};
use miqm_types::QmgrName;

use super::{
    DEFAULT_QUEUE_MANAGER, DefaultQmgr, Entry, QUEUE_MANAGER, Registry, RegistryError,
    defaults_document, read,
};
use crate::env::Env;
use crate::layout::INI_MODE;
use crate::runtime::lock_or_create;

/// How long a command waits for its turn to change the registry.
pub const EDIT_WAIT: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(10);

/// The registry, locked, to be changed. Nothing is written before [`edit`] is done.
#[derive(Debug)]
pub struct Edit {
    registry: Registry,
    changed: bool,
}

/// Changes the registry: takes its lock, reads it, lets `change` change it, replaces it.
///
/// A registry that is not there begins with the defaults. If `change` fails, or has changed
/// nothing, the file stays as it is.
///
/// # Errors
///
/// What `change` returns; [`RegistryError`] if the registry cannot be locked within
/// [`EDIT_WAIT`], read or replaced.
pub fn edit<T, E: From<RegistryError>>(
    env: &Env,
    owner: Owner,
    change: impl FnOnce(&mut Edit) -> Result<T, E>,
) -> Result<T, E> {
    let file = resolved(&env.mqs_ini)?;
    let _lock = lock(&file, owner)?;
    sweep(env, &file);
    let found = read(&file)?;
    let changed = found.is_none();
    let bad = |source| RegistryError::Edit { file: file.clone(), source };
    let document = found.map_or_else(|| defaults_document(&env.prefix).map_err(bad), Ok)?;
    let mut edit = Edit { registry: Registry::of(document, file), changed };
    let done = change(&mut edit)?;
    if edit.changed {
        let registry = &edit.registry;
        // An existing file keeps its owner and mode; they may have been set with care.
        let (mode, owner) = match fs::stat(&registry.file) {
            Ok(stat) => (stat.mode, stat.owner),
            Err(_) => (INI_MODE, owner),
        };
        replace(&registry.file, &registry.document.to_bytes(), mode, owner)
            .map_err(RegistryError::from)?;
    }
    Ok(done)
}

/// Removes what a command that was killed while it replaced the registry has left in the prefix,
/// where nobody else replaces files. Elsewhere somebody may. Whoever cannot, leaves it.
fn sweep(env: &Env, file: &Path) {
    let Some(dir) = file.parent().filter(|dir| *dir == env.prefix) else { return };
    for name in fs::list(dir).unwrap_or_default() {
        if name.to_str().is_some_and(|name| name.starts_with(".miqm-")) {
            drop(fs::remove_file(&dir.join(name)));
        }
    }
}

/// Replaces a file and lets it keep its owner, if the caller may give files away.
fn replace(file: &Path, bytes: &[u8], mode: u32, owner: Owner) -> Result<(), IoError> {
    match fs::replace(file, bytes, mode, Some(owner)) {
        Err(error) if error.op == miqm_sys::Op::SetOwner => fs::replace(file, bytes, mode, None),
        other => other,
    }
}

/// The file behind a symbolic link: replacing the link itself would leave the file behind.
fn resolved(file: &Path) -> Result<PathBuf, RegistryError> {
    if fs::presence(file)? != Presence::Symlink {
        return Ok(file.to_owned());
    }
    fs::canonical(file).map_err(|source| RegistryError::DeadLink { file: file.to_owned(), source })
}

fn lock(file: &Path, owner: Owner) -> Result<LockedFile, RegistryError> {
    let mut name = file.as_os_str().to_owned();
    name.push(".lock");
    let path = PathBuf::from(name);
    let start = BootInstant::now();
    loop {
        if let Some(lock) = lock_or_create(&path, owner)? {
            return Ok(lock);
        }
        let waited = start.elapsed();
        if waited >= EDIT_WAIT {
            return Err(RegistryError::Busy { file: path, waited });
        }
        clock::sleep(POLL);
    }
}

impl Edit {
    /// The registry as it is now, with the changes so far.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Adds a stanza. The caller has made sure that the name is free.
    ///
    /// # Errors
    ///
    /// [`RegistryError::Edit`] if a value cannot stand in an ini file.
    pub fn add(&mut self, entry: &Entry) -> Result<(), RegistryError> {
        self.try_add(entry).map_err(|source| self.bad(source))?;
        self.registry.entries.push(entry.clone());
        self.changed = true;
        Ok(())
    }

    fn try_add(&mut self, entry: &Entry) -> Result<(), BadEdit> {
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let stanza = self.registry.document.push_stanza(QUEUE_MANAGER)?;
        stanza.set("Name", entry.name.as_str())?;
        stanza.set("Prefix", &text(&entry.prefix))?;
        stanza.set("Directory", &entry.directory)?;
        if let Some(path) = &entry.data_path {
            stanza.set("DataPath", &text(path))?;
        }
        if let Some(name) = &entry.installation {
            stanza.set("InstallationName", name)?;
        }
        if let Some(id) = entry.identity {
            stanza.set("Identity", &id.to_string())?;
        }
        Ok(())
    }

    /// Removes the stanza of a queue manager, and returns whether there was one.
    pub fn remove(&mut self, name: &QmgrName) -> bool {
        let is_it = |text: Option<&str>| text == Some(name.as_str());
        let document = &mut self.registry.document;
        let removed = document.remove_stanzas(QUEUE_MANAGER, |stanza| is_it(stanza.value("Name")));
        self.registry.entries.retain(|entry| entry.name != *name);
        self.registry.problems.retain(|problem| !is_it(problem.name.as_deref()));
        self.changed |= removed > 0;
        removed > 0
    }

    /// Makes a queue manager the default one, in place of another if there is one.
    ///
    /// # Errors
    ///
    /// The line, if the stanza of the default queue manager is damaged. Nothing is changed then.
    pub fn set_default(&mut self, name: &QmgrName) -> Result<(), DefaultDamaged> {
        let damaged = |line| DefaultDamaged { line };
        let before = self.registry.default_qmgr();
        let document = &mut self.registry.document;
        match before {
            DefaultQmgr::Damaged { line } => return Err(damaged(line)),
            DefaultQmgr::Name(_) => {
                let stanza = document.find_mut(DEFAULT_QUEUE_MANAGER, |_| true);
                let set = stanza.map(|stanza| stanza.set("Name", name.as_str()));
                if !matches!(set, Some(Ok(()))) {
                    return Err(damaged(0));
                }
            }
            DefaultQmgr::None => {
                let stanza = document.push_stanza(DEFAULT_QUEUE_MANAGER);
                let set = stanza.and_then(|stanza| stanza.set("Name", name.as_str()));
                set.map_err(|_| damaged(0))?;
            }
        }
        self.changed = true;
        Ok(())
    }

    /// Makes sure that a queue manager is not the default one.
    ///
    /// # Errors
    ///
    /// The line, if the stanza of the default queue manager is damaged. Nothing is changed then.
    pub fn unset_default(&mut self, name: &QmgrName) -> Result<(), DefaultDamaged> {
        match self.registry.default_qmgr() {
            DefaultQmgr::Damaged { line } => Err(DefaultDamaged { line }),
            DefaultQmgr::Name(found) if found == *name => {
                self.registry.document.remove_stanzas(DEFAULT_QUEUE_MANAGER, |_| true);
                self.changed = true;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn bad(&self, source: BadEdit) -> RegistryError {
        RegistryError::Edit { file: self.registry.file.clone(), source }
    }
}

/// The stanza of the default queue manager cannot be processed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DefaultDamaged {
    /// The line of the stanza.
    pub line: usize,
}
