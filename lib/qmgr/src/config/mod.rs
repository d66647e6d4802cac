//! The settings of a queue manager: `qm.ini`, read into checked values.
//!
//! What is written is a [`Document`]; what it means is [`Settings`]. An attribute that nobody
//! knows is kept and reported ([`Unknown`]); a value that cannot be right is an error that names
//! file and line. Names of stanzas and attributes are compared without regard to case.

mod initial;
mod known;
mod reader;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::time::Duration;

use miqm_format::stanza::{BadStanza, Document, Stanza};
use miqm_sys::IoError;
use miqm_types::{BadGeometry, LogGeometry, LogManagement, LogType};

pub use initial::{Initial, SecurityPolicy, initial};
pub use known::known_attributes;
use reader::Reader;

/// The most standby instances that a queue manager can permit at a time.
pub const STANDBYS_MAX: u16 = 16;

/// Why `qm.ini` cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It cannot be read.
    #[error(transparent)]
    Io(#[from] IoError),
    /// It does not keep to the grammar.
    #[error("{} is not a file of stanzas", file.display())]
    Syntax {
        /// The file.
        file: PathBuf,
        /// The line, and what is wrong with it.
        source: BadStanza,
    },
    /// An attribute that has no default is not there.
    #[error("{}: the {stanza} stanza lacks {key}", file.display())]
    Missing {
        /// The file.
        file: PathBuf,
        /// The line of the stanza; 0 if there is no such stanza.
        line: usize,
        /// The stanza.
        stanza: &'static str,
        /// The attribute.
        key: &'static str,
    },
    /// A value is not one that the attribute can have.
    #[error(transparent)]
    Value(Box<BadValue>),
    /// A value in the `Channels` or `SSL` stanza is not one that the attribute can have.
    #[error(transparent)]
    Channels(Box<BadValue>),
    /// The numbers of log files do not go together.
    #[error("{}: the size of the log is not possible", file.display())]
    Geometry {
        /// The file.
        file: PathBuf,
        /// Which number, and its limits.
        source: BadGeometry,
    },
    /// Two times do not go together.
    #[error("{}: {what}", file.display())]
    Times {
        /// The file.
        file: PathBuf,
        /// Which, and the rule.
        what: String,
    },
}

/// A value that an attribute cannot have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}:{line}: {key}={value} is not {expected}", file.display())]
pub struct BadValue {
    /// The file.
    pub file: PathBuf,
    /// The line.
    pub line: usize,
    /// The stanza.
    pub stanza: &'static str,
    /// The attribute.
    pub key: String,
    /// The value as written.
    pub value: String,
    /// What it can be.
    pub expected: String,
}

/// An attribute or stanza that nobody knows. It is kept and has no effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown {
    /// The line.
    pub line: usize,
    /// The stanza.
    pub stanza: String,
    /// The attribute; `None` if the stanza itself is unknown.
    pub key: Option<String>,
}

/// How the recovery log is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSettings {
    /// Its size. The size of an extent never changes after creation.
    pub geometry: LogGeometry,
    /// What becomes of extents that recovery does not need.
    pub log_type: LogType,
    /// The log directory.
    pub path: PathBuf,
    /// The buffer of the log writer, in pages of 4 KiB; 0 leaves it to the queue manager.
    pub buffer_pages: u32,
}

/// The times of the lock protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockSettings {
    /// `LockPollInterval`: between two attempts of a standby to take the locks.
    pub poll_interval: Duration,
    /// `HoldCheckInterval`: between two proofs of an active that it still holds its locks.
    pub hold_check_interval: Duration,
    /// `HoldDeadline`: how long such a proof may take before the instance ends itself.
    pub hold_deadline: Duration,
    /// `LeaseTime`: after which time without a word from a holder the storage gives its locks
    /// to others; the longest that an active serves without a proof.
    pub lease: Duration,
    /// `MaxStandbys`: how many standby instances there can be at a time.
    pub standbys_max: u16,
}

/// Everything that `qm.ini` says and this version heeds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The recovery log.
    pub log: LogSettings,
    /// The lock protocol.
    pub locks: LockSettings,
    /// The group to which use is restricted, if it is.
    pub restricted_group: Option<String>,
    /// Who is asked for authority.
    pub security_policy: SecurityPolicy,
    /// The size of each of the three error logs, in bytes.
    pub error_log_bytes_max: u64,
    /// The file or directory of ini files that are applied at every start.
    pub auto_ini: Option<PathBuf>,
    /// The variables that such files can use.
    pub variables: Vec<(String, String)>,
    /// What was not understood.
    pub unknown: Vec<Unknown>,
}

/// The stanza of our own numbers.
pub const TUNING: &str = "TuningParameters";

/// The default of `LockPollInterval`, in milliseconds.
pub const LOCK_POLL_INTERVAL_MS: u64 = 100;
/// The default of `HoldCheckInterval`, in milliseconds.
pub const HOLD_CHECK_INTERVAL_MS: u64 = 1000;
/// The default of `HoldDeadline`, in seconds.
pub const HOLD_DEADLINE_S: u64 = 20;
/// The default of `LeaseTime`, in seconds: that of `NFSv4` servers on Linux.
pub const LEASE_TIME_S: u64 = 90;
/// The default of `StorageRetryTime`, in seconds.
pub const STORAGE_RETRY_TIME_S: u64 = 5;
/// The default of `ErrorLogSize`, in bytes.
pub const ERROR_LOG_BYTES: u64 = 33_554_432;

impl Settings {
    /// Reads and checks `qm.ini`.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] with the first thing found wrong.
    pub fn load(file: &Path) -> Result<Self, ConfigError> {
        Self::of(&load_document(file)?, file)
    }

    /// Checks what `file` says.
    ///
    /// # Errors
    ///
    /// [`ConfigError`], but for its I/O and syntax.
    pub fn of(document: &Document, file: &Path) -> Result<Self, ConfigError> {
        let reader = Reader { document, file };
        let log = log_settings(&reader)?;
        let locks = lock_settings(&reader)?;
        let size =
            reader.number("QMErrorLog", "ErrorLogSize", ERROR_LOG_BYTES, known::ERROR_LOG)?;
        reader.check_all()?;
        Ok(Self {
            log,
            locks,
            restricted_group: reader.text("RestrictedMode", "ApplicationGroup"),
            security_policy: reader
                .choice("Service", "SecurityPolicy", &SecurityPolicy::NAMED)?
                .unwrap_or(SecurityPolicy::Group),
            error_log_bytes_max: size,
            auto_ini: reader.absolute_path("AutoConfig", "IniConfig")?,
            variables: variables(document),
            unknown: known::unknown(document),
        })
    }
}

/// Reads `qm.ini` without looking at what it means.
///
/// # Errors
///
/// [`ConfigError::Io`] or [`ConfigError::Syntax`].
pub fn load_document(file: &Path) -> Result<Document, ConfigError> {
    let bytes = miqm_sys::fs::read_limited(file, miqm_format::stanza::FILE_BYTES_MAX)?;
    Document::parse(&bytes).map_err(|source| ConfigError::Syntax { file: file.to_owned(), source })
}

fn log_settings(reader: &Reader<'_>) -> Result<LogSettings, ConfigError> {
    let path =
        reader.absolute_path("Log", "LogPath")?.ok_or_else(|| reader.missing("Log", "LogPath"))?;
    let default = LogGeometry::DEFAULT;
    let pages = reader.number("Log", "LogFilePages", u64::from(default.extent_pages()), ANY_U32)?;
    let primary = reader.number("Log", "LogPrimaryFiles", u64::from(default.primary()), ANY_U16)?;
    let secondary =
        reader.number("Log", "LogSecondaryFiles", u64::from(default.secondary()), ANY_U16)?;
    let narrow = |n: u64| u16::try_from(n).unwrap_or(u16::MAX);
    let geometry = LogGeometry::new(
        u32::try_from(pages).unwrap_or(u32::MAX),
        narrow(primary),
        narrow(secondary),
    )
    .map_err(|source| ConfigError::Geometry { file: reader.file.to_owned(), source })?;
    let linear =
        reader.choice("Log", "LogType", &[("CIRCULAR", false), ("LINEAR", true)])?.unwrap_or(false);
    let management = reader
        .choice("Log", "LogManagement", &known::LOG_MANAGEMENT)?
        .unwrap_or(LogManagement::Manual);
    let buffer = reader.number("Log", "LogBufferPages", 0, (0, 4096))?;
    if (1..18).contains(&buffer) {
        return Err(reader.bad("Log", "LogBufferPages", "0 or a number from 18 to 4096"));
    }
    Ok(LogSettings {
        geometry,
        log_type: if linear { LogType::Linear(management) } else { LogType::Circular },
        path,
        buffer_pages: u32::try_from(buffer).unwrap_or(0),
    })
}

const ANY_U32: (u64, u64) = (0, u32::MAX as u64);
const ANY_U16: (u64, u64) = (0, 30_000);

fn lock_settings(reader: &Reader<'_>) -> Result<LockSettings, ConfigError> {
    let ms =
        |key, default, range| reader.number(TUNING, key, default, range).map(Duration::from_millis);
    let s =
        |key, default, range| reader.number(TUNING, key, default, range).map(Duration::from_secs);
    let poll_interval = ms("LockPollInterval", LOCK_POLL_INTERVAL_MS, (10, 10_000))?;
    let hold_check_interval = ms("HoldCheckInterval", HOLD_CHECK_INTERVAL_MS, (10, 10_000))?;
    let hold_deadline = s("HoldDeadline", HOLD_DEADLINE_S, (1, 1800))?;
    let lease = s("LeaseTime", LEASE_TIME_S, (4, 3600))?;
    let retry = s("StorageRetryTime", STORAGE_RETRY_TIME_S, (0, 600))?;
    let standbys = reader.number(TUNING, "MaxStandbys", 1, (1, u64::from(STANDBYS_MAX)))?;

    let rules = [
        (
            hold_deadline > 2 * retry,
            "HoldDeadline must be more than twice StorageRetryTime: a stall is not a loss",
        ),
        (
            2 * hold_deadline <= lease,
            "HoldDeadline must be at most half of LeaseTime: an instance must end before its locks \
             pass to another",
        ),
        (
            2 * hold_check_interval <= hold_deadline,
            "HoldCheckInterval must be at most half of HoldDeadline",
        ),
    ];
    if let Some((_, what)) = rules.into_iter().find(|(kept, _)| !kept) {
        return Err(ConfigError::Times { file: reader.file.to_owned(), what: what.to_owned() });
    }
    Ok(LockSettings {
        poll_interval,
        hold_check_interval,
        hold_deadline,
        lease,
        standbys_max: u16::try_from(standbys).unwrap_or(1),
    })
}

fn variables(document: &Document) -> Vec<(String, String)> {
    document
        .stanzas("Variables")
        .flat_map(Stanza::settings)
        .map(|setting| (setting.key.to_owned(), setting.value.to_owned()))
        .collect()
}
