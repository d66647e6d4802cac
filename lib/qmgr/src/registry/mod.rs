//! The registry of queue managers: `mqs.ini`.
//!
//! Reading takes no lock: the file is only ever replaced as a whole. Whoever changes it holds the
//! lock of `mqs.ini.lock` beside it, from before it reads until after it has replaced. Comments
//! and whatever is not ours stay as they are. The order of `QueueManager` stanzas is the order
//! in which queue managers are displayed.
//!
//! A stanza that is wrong does not hide the others: it is one of the [`Registry::problems`], and
//! its name, if that can be read, is refused.

mod defaults;
mod edit;
mod entry;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use miqm_format::stanza::{BadEdit, BadStanza, Document, FILE_BYTES_MAX};
use miqm_sys::fs::Presence;
use miqm_sys::{IoError, fs};
use miqm_types::QmgrName;

pub use defaults::{LogDefaults, defaults_document};
pub use edit::{DefaultDamaged, EDIT_WAIT, Edit, edit};
pub use entry::{Entry, InvalidEntry, WhyInvalid};

use crate::config::BadValue;
use crate::env::Env;

/// The stanza of one queue manager.
pub const QUEUE_MANAGER: &str = "QueueManager";
const DEFAULT_QUEUE_MANAGER: &str = "DefaultQueueManager";
const ALL_QUEUE_MANAGERS: &str = "AllQueueManagers";
const LOG_DEFAULTS: &str = "LogDefaults";

/// Why the registry cannot be used, or not changed.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// It, or its lock file, cannot be read or written.
    #[error(transparent)]
    Io(#[from] IoError),
    /// It is a symbolic link that leads nowhere, or round in a circle.
    #[error("{} is a symbolic link that leads to no file", file.display())]
    DeadLink {
        /// The link.
        file: PathBuf,
        /// What the system said.
        source: IoError,
    },
    /// It does not keep to the grammar.
    #[error("{} is not a file of stanzas", file.display())]
    Syntax {
        /// The file.
        file: PathBuf,
        /// The line, and what is wrong with it.
        source: BadStanza,
    },
    /// A `QueueManager` stanza is wrong.
    #[error("{}:{}: {}", file.display(), invalid.line, invalid.why)]
    Entry {
        /// The file.
        file: PathBuf,
        /// The line, and what is wrong.
        invalid: Box<InvalidEntry>,
    },
    /// Another setting is wrong.
    #[error(transparent)]
    Value(Box<BadValue>),
    /// Somebody else has been changing it for too long.
    #[error("{} has been locked for {} s", file.display(), waited.as_secs())]
    Busy {
        /// The lock file.
        file: PathBuf,
        /// How long this command waited.
        waited: std::time::Duration,
    },
    /// A value cannot stand in an ini file.
    #[error("{} cannot hold this", file.display())]
    Edit {
        /// The file.
        file: PathBuf,
        /// What cannot be written.
        source: BadEdit,
    },
}

/// What `mqs.ini` says of the default queue manager.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DefaultQmgr {
    /// There is none.
    None,
    /// This one.
    Name(QmgrName),
    /// The stanza at this line does not tell: it has no name, a wrong one, or is not the only one.
    Damaged {
        /// The line.
        line: usize,
    },
}

/// The registry as it was read.
#[derive(Clone, Debug)]
pub struct Registry {
    file: PathBuf,
    document: Document,
    entries: Vec<Entry>,
    problems: Vec<InvalidEntry>,
}

impl Registry {
    /// Reads the registry. A registry that is not there is one without queue managers.
    ///
    /// # Errors
    ///
    /// [`RegistryError`]: unreadable, a dead link, or not a file of stanzas.
    pub fn load(env: &Env) -> Result<Self, RegistryError> {
        let file = env.mqs_ini.clone();
        Ok(Self::of(read(&file)?.unwrap_or_default(), file))
    }

    /// The registry that `file` says. Never fails: what is wrong is among its [problems].
    ///
    /// [problems]: Self::problems
    pub fn of(document: Document, file: PathBuf) -> Self {
        let (entries, problems) = entry::read_all(&document);
        Self { file, document, entries, problems }
    }

    /// The file.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// The queue managers, in order.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The stanzas that are wrong, in order.
    pub fn problems(&self) -> &[InvalidEntry] {
        &self.problems
    }

    /// The queue manager of this name.
    ///
    /// # Errors
    ///
    /// [`RegistryError::Entry`] if its stanza is wrong.
    pub fn find(&self, name: &QmgrName) -> Result<Option<&Entry>, RegistryError> {
        let wrong = self.problems.iter().find(|p| p.name.as_deref() == Some(name.as_str()));
        match wrong {
            None => Ok(self.entries.iter().find(|entry| entry.name == *name)),
            Some(invalid) => Err(RegistryError::Entry {
                file: self.file.clone(),
                invalid: Box::new(invalid.clone()),
            }),
        }
    }

    /// What it says of the default queue manager.
    pub fn default_qmgr(&self) -> DefaultQmgr {
        let mut stanzas = self.document.stanzas(DEFAULT_QUEUE_MANAGER);
        let Some(first) = stanzas.next() else { return DefaultQmgr::None };
        if let Some(second) = stanzas.next() {
            return DefaultQmgr::Damaged { line: second.line().unwrap_or(0) };
        }
        match first.value("Name").map(str::parse) {
            Some(Ok(name)) => DefaultQmgr::Name(name),
            _ => DefaultQmgr::Damaged { line: first.line().unwrap_or(0) },
        }
    }

    /// The prefix of queue managers that are created without one; `None` if it does not say.
    ///
    /// # Errors
    ///
    /// [`RegistryError::Value`] if it is not an absolute path.
    pub fn default_prefix(&self) -> Result<Option<PathBuf>, RegistryError> {
        self.path_setting(ALL_QUEUE_MANAGERS, "DefaultPrefix")
    }

    /// The settings for the logs of queue managers that are created.
    ///
    /// # Errors
    ///
    /// [`RegistryError::Value`] with the first one that cannot be right.
    pub fn log_defaults(&self) -> Result<LogDefaults, RegistryError> {
        defaults::log_defaults(self)
    }

    fn path_setting(
        &self,
        stanza: &'static str,
        key: &'static str,
    ) -> Result<Option<PathBuf>, RegistryError> {
        let Some(setting) = self.document.get(stanza, key) else { return Ok(None) };
        let path = PathBuf::from(setting.value);
        if path.is_absolute() {
            return Ok(Some(path));
        }
        Err(self.bad_value(stanza, key, "an absolute path"))
    }

    fn bad_value(
        &self,
        stanza: &'static str,
        key: &'static str,
        expected: &'static str,
    ) -> RegistryError {
        let setting = self.document.get(stanza, key);
        RegistryError::Value(Box::new(BadValue {
            file: self.file.clone(),
            line: setting.and_then(|setting| setting.line).unwrap_or(0),
            stanza,
            key: key.to_owned(),
            value: setting.map(|setting| setting.value).unwrap_or_default().to_owned(),
            expected: expected.to_owned(),
        }))
    }
}

/// Reads the file, through a symbolic link if it is one; `None` if it is not there.
fn read(file: &Path) -> Result<Option<Document>, RegistryError> {
    let bytes = match fs::read_limited_following(file, FILE_BYTES_MAX) {
        Ok(bytes) => bytes,
        Err(error) => {
            return match fs::presence(file)? {
                Presence::Absent => Ok(None),
                Presence::Symlink if !error.is_denied() => {
                    Err(RegistryError::DeadLink { file: file.to_owned(), source: error })
                }
                _ => Err(error.into()),
            };
        }
    };
    Document::parse(&bytes)
        .map(Some)
        .map_err(|source| RegistryError::Syntax { file: file.to_owned(), source })
}
