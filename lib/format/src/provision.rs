//! What a queue manager is to be: the file `NAME.toml` in `qmgr.d`.
//!
//! The file is TOML. Every key that may stand in it has an effect; a key that nobody knows, a value of the
//! wrong type or out of range is an error with line and column, and all of them are told at once. What the
//! file does not say is as `crtmqm` has it.

mod near;
mod reader;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use miqm_types::{LogManagement, ObjectName};

/// The largest file, in bytes.
pub const FILE_BYTES_MAX: usize = 65_536;
/// The longest path in the file, in bytes.
pub const PATH_BYTES_MAX: usize = 1024;
/// The longest description, in characters.
pub const DESCRIPTION_MAX: usize = 64;
/// The most problems that are told of one file.
pub const PROBLEMS_MAX: usize = 20;
/// The names of security policies.
pub const POLICIES: [&str; 3] = ["group", "user", "UserExternal"];

/// What the file says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Provision {
    /// `description`.
    pub description: Option<String>,
    /// `dead-letter-queue`.
    pub dead_letter: Option<ObjectName>,
    /// `default-transmission-queue`.
    pub default_xmitq: Option<ObjectName>,
    /// `max-handles`.
    pub max_handles: Option<u32>,
    /// `max-uncommitted-messages`.
    pub max_uncommitted: Option<u32>,
    /// `trigger-interval`, in milliseconds.
    pub trigger_interval: Option<u32>,
    /// `port`.
    pub port: Option<u16>,
    /// `default`: whether it is the default queue manager of the host.
    pub is_default: Option<bool>,
    /// `security-policy`: one of [`POLICIES`].
    pub security_policy: Option<&'static str>,
    /// `application-group`.
    pub application_group: Option<String>,
    /// `paths.data` or `paths.data-under`.
    pub data: Option<Directory>,
    /// `paths.log` or `paths.log-under`.
    pub log: Option<Directory>,
    /// `paths.require-mount`.
    pub require_mount: Option<Mounts>,
    /// `log.type` and `log.management`.
    pub log_kind: Option<LogKind>,
    /// `log.file-pages`, in pages of 4 KiB.
    pub extent_pages: Option<u32>,
    /// `log.primary-files`.
    pub primary: Option<u16>,
    /// `log.secondary-files`.
    pub secondary: Option<u16>,
    /// `config.ini`.
    pub ini: Option<PathBuf>,
    /// `config.variables`, in the order of their names.
    pub variables: Option<Vec<(String, String)>>,
    /// The line of each key that the file has.
    pub lines: BTreeMap<&'static str, usize>,
}

/// Where a directory of the queue manager is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Directory {
    /// The directory itself.
    At(PathBuf),
    /// The directory in which it is made, under the name of the queue manager.
    Under(PathBuf),
}

impl Directory {
    /// The path as it was written.
    pub fn path(&self) -> &Path {
        match self {
            Self::At(path) | Self::Under(path) => path,
        }
    }
}

/// What must be mounted before anything is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mounts {
    /// Whether data and log must be on a file system other than that of `/`.
    Any(bool),
    /// These directories must be mount points.
    These(Vec<PathBuf>),
}

/// How the log is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogKind {
    /// Its files are used again.
    Circular,
    /// Its files are kept; who removes them, if the file says so.
    Linear(Option<LogManagement>),
}

/// Something in the file that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The line, from 1.
    pub line: usize,
    /// The character in the line, from 1.
    pub column: usize,
    /// What is wrong.
    pub why: Why,
}

/// What is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// It is not text in UTF-8.
    NotText,
    /// It does not keep to the grammar; what the reader of it says.
    Syntax(String),
    /// There is no such key.
    Unknown {
        /// The key, with its table.
        key: String,
        /// The key that may have been meant.
        near: Option<&'static str>,
    },
    /// A value of another type than the key has.
    Type {
        /// The key.
        key: String,
        /// The type that it has: "a string".
        expected: &'static str,
        /// The type that was found.
        found: &'static str,
    },
    /// A value that the key cannot have.
    Value {
        /// The key.
        key: String,
        /// The value.
        value: String,
        /// The end of the sentence "... is not possible: it must ...".
        why: String,
    },
    /// Two keys that exclude each other.
    Both {
        /// The one.
        key: &'static str,
        /// The other.
        other: &'static str,
    },
    /// A key that means something only with another.
    Alone {
        /// The key.
        key: &'static str,
        /// What it needs: "log.type = \"linear\"".
        needs: &'static str,
    },
    /// A key of something that this version does not do.
    Refused {
        /// The key.
        key: &'static str,
        /// Why.
        why: &'static str,
    },
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotText => f.write_str("this is not text in UTF-8"),
            Self::Syntax(what) => write!(f, "this is not TOML ({what})"),
            Self::Unknown { key, near: None } => write!(f, "there is no key '{key}'"),
            Self::Unknown { key, near: Some(near) } => {
                write!(f, "there is no key '{key}'; '{near}' may be meant")
            }
            Self::Type { key, expected, found } => {
                write!(f, "'{key}' must be {expected}, and not {found}")
            }
            Self::Value { key, value, why } => {
                write!(f, "'{key}' cannot be '{value}': it must be {why}")
            }
            Self::Both { key, other } => write!(f, "'{key}' and '{other}' exclude each other"),
            Self::Alone { key, needs } => write!(f, "'{key}' means nothing without {needs}"),
            Self::Refused { key, why } => write!(f, "'{key}' is refused: {why}"),
        }
    }
}

impl Provision {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it, at least one and at most [`PROBLEMS_MAX`], in the order of
    /// the lines; only the first thing if the file is no TOML.
    pub fn parse(bytes: &[u8]) -> Result<Self, Vec<Problem>> {
        reader::read(bytes)
    }

    /// The paths that must be there before the queue manager can be: the directories of data and log, as
    /// they were written, and the mounts that are asked for.
    pub fn storage(&self) -> Vec<&Path> {
        let directories = [&self.data, &self.log].into_iter().flatten().map(Directory::path);
        let mounts = match &self.require_mount {
            Some(Mounts::These(paths)) => paths.as_slice(),
            _ => &[],
        };
        directories.chain(mounts.iter().map(PathBuf::as_path)).collect()
    }

    /// The line of a key; 0 if the file does not have it.
    pub fn line_of(&self, key: &str) -> usize {
        self.lines.get(key).copied().unwrap_or(0)
    }
}
