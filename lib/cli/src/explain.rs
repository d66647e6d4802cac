//! Errors of the libraries: what is said about them, and how a command ends.
//!
//! A command that gives a situation a number of its own maps it before `?`, or changes the exit of
//! the [`Failure`] that it gets from here.

mod creation;
mod provision;

use std::path::Path;

use miqm_messages::Message;
use miqm_ops::inf::InfError;
use miqm_ops::status::Unavailable;
use miqm_ops::{
    BadValue, ConfigError, IdentityError, InvalidEntry, IoError, LocalRole, OwnerError,
    RegistryError, WhyInvalid,
};
use miqm_types::QmgrName;

use crate::{Env, Exit, Failure};

pub use creation::{creation, deletion};
pub use provision::provisioning;

impl Env {
    /// What the operations know of this host.
    ///
    /// # Errors
    ///
    /// If the kernel does not tell where this program is.
    pub fn host_env(&self) -> Result<miqm_ops::Env, Failure> {
        let bin = miqm_ops::program_directory()?;
        Ok(miqm_ops::Env {
            prefix: self.prefix.clone(),
            runtime: self.runtime_dir.clone(),
            mqs_ini: self.mqs_ini.clone(),
            default_prefix: self.default_prefix.clone(),
            host: self.host.clone(),
            installation: miqm_ops::Installation {
                name: miqm_ops::Installation::NAME.to_owned(),
                path: bin.parent().unwrap_or(&bin).to_owned(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
            },
        })
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

fn number(line: usize) -> u64 {
    u64::try_from(line).unwrap_or(u64::MAX)
}

/// The message about a file operation that failed.
pub fn io_message(error: &IoError) -> Message {
    Message::FileFailed {
        operation: error.op.to_string(),
        path: shown(&error.path),
        cause: error.source.to_string(),
    }
}

impl From<IoError> for Failure {
    fn from(error: IoError) -> Self {
        Self::new(Exit::Failed, io_message(&error))
    }
}

impl From<OwnerError> for Failure {
    fn from(error: OwnerError) -> Self {
        match error {
            OwnerError::NotAuthorized { user, owner: _ } => {
                Self::new(Exit::NotAuthorized, Message::NotAuthorized { user })
            }
            OwnerError::NoMqmUser => {
                Self::new(Exit::Failed, Message::UserMissing { user: Env::OWNER_USER.into() })
            }
            OwnerError::NotADirectory { path } => {
                let why = "it is not a directory".into();
                Self::new(Exit::Failed, Message::LocationInvalid { path: shown(&path), why })
            }
            OwnerError::Io(error) => error.into(),
        }
    }
}

/// The message about a stanza of the registry that is wrong.
pub fn stanza_message(file: &Path, invalid: &InvalidEntry) -> Message {
    let file = shown(file);
    let line = number(invalid.line);
    match &invalid.why {
        WhyInvalid::Missing(attribute) => Message::AttributeMissing {
            attribute: (*attribute).into(),
            stanza: "QueueManager".into(),
            file,
            line,
        },
        WhyInvalid::Value { key, value, expected } => Message::BadSetting {
            file,
            line,
            attribute: (*key).into(),
            value: value.clone(),
            expected: (*expected).into(),
        },
        WhyInvalid::Repeated { first } => Message::StanzaRepeated {
            qmgr: invalid.name.clone().unwrap_or_default(),
            file,
            line,
            first: number(*first),
        },
    }
}

fn value_message(bad: BadValue) -> Message {
    Message::BadSetting {
        file: shown(&bad.file),
        line: number(bad.line),
        attribute: bad.key,
        value: bad.value,
        expected: bad.expected,
    }
}

impl From<RegistryError> for Failure {
    fn from(error: RegistryError) -> Self {
        let message = match error {
            RegistryError::Io(error) => return error.into(),
            RegistryError::DeadLink { file, source } => {
                Message::DeadLink { path: shown(&file), cause: source.source.to_string() }
            }
            RegistryError::Syntax { file, source } => Message::BadLine {
                file: shown(&file),
                line: number(source.line),
                why: source.why.to_string(),
            },
            RegistryError::Entry { file, invalid } => stanza_message(&file, &invalid),
            RegistryError::Value(bad) => value_message(*bad),
            RegistryError::Busy { file, waited } => {
                Message::RegistryBusy { file: shown(&file), seconds: waited.as_secs() }
            }
            RegistryError::Edit { file, source } => {
                Message::NotForIniFile { file: shown(&file), why: source.to_string() }
            }
        };
        Self::new(Exit::Failed, message)
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        let message = match error {
            ConfigError::Io(error) => return error.into(),
            ConfigError::Syntax { file, source } => Message::BadLine {
                file: shown(&file),
                line: number(source.line),
                why: source.why.to_string(),
            },
            ConfigError::Missing { file, line, stanza, key } => Message::AttributeMissing {
                attribute: key.into(),
                stanza: stanza.into(),
                file: shown(&file),
                line: number(line),
            },
            ConfigError::Value(bad) => value_message(*bad),
            ConfigError::Channels(bad) => Message::ChannelSetting {
                file: shown(&bad.file),
                line: number(bad.line),
                attribute: bad.key,
                value: bad.value,
                expected: bad.expected,
            },
            ConfigError::Geometry { file, source } => {
                Message::LogNumbers { file: shown(&file), why: source.to_string() }
            }
            ConfigError::Times { file, what } => {
                Message::TimesConflict { file: shown(&file), why: what }
            }
        };
        Self::new(Exit::Failed, message)
    }
}

impl From<IdentityError> for Failure {
    fn from(error: IdentityError) -> Self {
        let message = match error {
            IdentityError::Io(error) => return error.into(),
            IdentityError::Absent { file } => Message::IdentityAbsent { path: shown(&file) },
            IdentityError::Syntax { file, source } => Message::BadLine {
                file: shown(&file),
                line: number(source.line),
                why: source.why.to_string(),
            },
            IdentityError::Damaged { file, line, key } => Message::IdentityDamaged {
                path: shown(&file),
                line: number(line),
                attribute: key.into(),
            },
            IdentityError::Newer { file, found, known } => {
                Message::IdentityNewer { path: shown(&file), found, known }
            }
            IdentityError::Foreign { file, found, found_id } => {
                Message::IdentityForeign { path: shown(&file), qmgr: found, id: found_id }
            }
        };
        Self::new(Exit::Failed, message)
    }
}

impl From<InfError> for Failure {
    fn from(error: InfError) -> Self {
        let at = |exit, failure: Self| Self { exit, ..failure };
        match error {
            InfError::Owner(error) => error.into(),
            InfError::Registry(error) => error.into(),
            InfError::Io(error) => error.into(),
            InfError::NoStanza(qmgr) => Self::new(Exit::NoStanza, Message::StanzaMissing { qmgr }),
            InfError::Exists(qmgr) => Self::new(Exit::StanzaExists, Message::StanzaExists { qmgr }),
            InfError::OtherInstallation { qmgr, installation } => {
                Self::new(Exit::Installations, Message::OtherInstallation { qmgr, installation })
            }
            InfError::Unfinished { marker } => Self::new(
                Exit::BeingCreated,
                Message::CreationUnfinished { marker: shown(&marker) },
            ),
            InfError::Location(error) => at(Exit::LocationInvalid, error.into()),
            InfError::Settings(error) => at(Exit::LocationInvalid, error.into()),
            InfError::Log { path, source } => {
                let why = source.source.to_string();
                Self::new(Exit::LogLocation, Message::LogPathInvalid { path: shown(&path), why })
            }
            InfError::Running { qmgr, role } => running(qmgr, role),
        }
    }
}

/// The failure of a command that needs an instance on this host to have ended.
pub fn running(qmgr: QmgrName, role: Option<LocalRole>) -> Failure {
    match role {
        Some(LocalRole::Standby) => {
            Failure::new(Exit::RunningAsStandby, Message::StandbyRunsHere { qmgr })
        }
        Some(
            LocalRole::Quiescing | LocalRole::EndingImmediately | LocalRole::EndingPreemptively,
        ) => Failure::new(Exit::Stopping, Message::QmgrStopping { qmgr }),
        Some(LocalRole::Starting | LocalRole::Recovering | LocalRole::Active) | None => {
            Failure::new(Exit::Running, Message::QmgrRunning { qmgr })
        }
    }
}

/// What could not be read about a queue manager, as the end of a sentence without its full stop.
pub fn trouble(trouble: &Unavailable) -> String {
    let mut text = trouble.to_string();
    let mut source = std::error::Error::source(trouble);
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.extend([": ", &cause_text]);
        }
        source = cause.source();
    }
    text
}
