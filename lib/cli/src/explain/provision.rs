//! What is said about provisioning that fails.

use std::path::Path;

use miqm_messages::Message;
use miqm_ops::provision::{FileError, ProvisionError};
use miqm_types::QmgrName;

use super::{creation, number, shown};
use crate::{Exit, Failure};

/// The largest provisioning file, in bytes.
const FILE_BYTES_MAX: u64 = 65_536;

impl From<FileError> for Failure {
    fn from(error: FileError) -> Self {
        let message = match error {
            FileError::Owner(error) => return error.into(),
            FileError::Io(error) => super::io_message(&error),
            FileError::Absent { file } => Message::ProvisionNoFile { file: shown(&file) },
            FileError::Untrusted { path, why } => {
                Message::ProvisionUntrusted { path: shown(&path), why: why.to_string() }
            }
            FileError::TooLong { file } => {
                Message::ProvisionTooLong { file: shown(&file), bytes: FILE_BYTES_MAX }
            }
            FileError::Wrong { file, problems } => {
                let messages = problems.into_iter().map(|problem| Message::ProvisionWrong {
                    file: shown(&file),
                    line: number(problem.line),
                    column: number(problem.column),
                    why: problem.why.to_string(),
                });
                let messages = messages.collect();
                return Self { exit: Exit::ProvisionFile, messages, told: Vec::new() };
            }
        };
        Self::new(Exit::ProvisionFile, message)
    }
}

/// The failure of a provisioning, which knows what was asked for by which file.
pub fn provisioning(error: ProvisionError, qmgr: QmgrName, file: &Path) -> Failure {
    let new = Failure::new;
    match error {
        ProvisionError::Owner(error) => error.into(),
        ProvisionError::Registry(error) => error.into(),
        ProvisionError::Create(error) => creation(error, qmgr),
        ProvisionError::Join(error) => error.into(),
        ProvisionError::Identity(error) => Failure { exit: Exit::LocationInvalid, ..error.into() },
        ProvisionError::Settings(error) => Failure { exit: Exit::LocationInvalid, ..error.into() },
        ProvisionError::Io(error) => Failure { exit: Exit::DirectoryCheck, ..error.into() },
        ProvisionError::NotMounted { path, named } => {
            let path = shown(&path);
            let message = if named {
                Message::NothingMounted { path }
            } else {
                Message::OnRootFileSystem { path }
            };
            new(Exit::DirectoryCheck, message)
        }
        ProvisionError::Taken { path, by } => {
            let message = Message::DirectoryInUse { path: shown(&path), why: by.to_string() };
            new(Exit::DirectoryCheck, message)
        }
        ProvisionError::Ambiguous { one, other } => {
            let (one, other) = (shown(&one), shown(&other));
            new(Exit::DirectoryCheck, Message::TwoDirectories { qmgr, one, other })
        }
        ProvisionError::OnePlace { path } => {
            new(Exit::ProvisionFile, Message::OneDirectory { path: shown(&path) })
        }
        ProvisionError::Contradicts(all) => {
            let messages = all.into_iter().map(|one| Message::Contradiction {
                key: one.key.to_owned(),
                is: one.is,
                file: shown(file),
                line: number(one.line),
                asked: one.asked,
            });
            Failure { exit: Exit::Exists, messages: messages.collect(), told: Vec::new() }
        }
        ProvisionError::BeingCreated { at, waited } => {
            let (at, seconds) = (shown(&at), waited.as_secs());
            new(Exit::BeingCreated, Message::StillBeingCreated { qmgr, at, seconds })
        }
        ProvisionError::Interrupted => new(Exit::Failed, Message::ProvisionInterrupted { qmgr }),
    }
}
