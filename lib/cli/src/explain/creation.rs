//! What is said about creations and deletions that fail.

use miqm_messages::Message;
use miqm_ops::AutoConfigError;
use miqm_ops::create::{CreateError, Purpose, Unusable};
use miqm_ops::delete::DeleteError;
use miqm_types::{BadGeometry, QmgrName};

use super::{io_message, number, running, shown};
use crate::{Exit, Failure};

const KIB: u64 = 1024;

fn geometry(bad: BadGeometry) -> Message {
    use miqm_types::{
        EXTENT_PAGES_MAX, EXTENT_PAGES_MIN, LOG_FILES_MAX, LOG_FILES_MIN, PRIMARY_MAX, PRIMARY_MIN,
        SECONDARY_MAX, SECONDARY_MIN,
    };
    match bad {
        BadGeometry::ExtentPages(pages) => Message::LogFileSize {
            pages: pages.into(),
            min: EXTENT_PAGES_MIN.into(),
            max: EXTENT_PAGES_MAX.into(),
        },
        BadGeometry::Primary(files) => Message::PrimaryLogFiles {
            files: files.into(),
            min: PRIMARY_MIN.into(),
            max: PRIMARY_MAX.into(),
        },
        BadGeometry::Secondary(files) => Message::SecondaryLogFiles {
            files: files.into(),
            min: SECONDARY_MIN.into(),
            max: SECONDARY_MAX.into(),
        },
        BadGeometry::Total(files) => Message::LogFilesInAll {
            files: files.into(),
            min: LOG_FILES_MIN.into(),
            max: LOG_FILES_MAX.into(),
        },
    }
}

impl From<AutoConfigError> for Failure {
    fn from(error: AutoConfigError) -> Self {
        let message = match error {
            AutoConfigError::Io(error) => return error.into(),
            AutoConfigError::Settings(error) => return (*error).into(),
            AutoConfigError::Nothing { path } => Message::NoAutoFiles { path: shown(&path) },
            AutoConfigError::Syntax { file, source } => Message::BadLine {
                file: shown(&file),
                line: number(source.line),
                why: source.why.to_string(),
            },
            AutoConfigError::Variable { file, line, name } => {
                Message::AutoVariable { file: shown(&file), line: number(line), name }
            }
            AutoConfigError::Fixed { file, line, key } => {
                Message::AutoFixed { file: shown(&file), line: number(line), attribute: key }
            }
            AutoConfigError::Edit { file, source } => {
                Message::NotForIniFile { file: shown(&file), why: source.to_string() }
            }
        };
        Self::new(Exit::Failed, message)
    }
}

impl From<CreateError> for Failure {
    fn from(error: CreateError) -> Self {
        let full = error.io().is_some_and(miqm_ops::IoError::is_no_space);
        match error {
            CreateError::Owner(error) => error.into(),
            CreateError::Registry(error) => Self::from(error).cannot_complete(),
            CreateError::Exists(qmgr) => Self::new(Exit::Exists, Message::QmgrExists { qmgr }),
            CreateError::Busy(qmgr) => {
                Self::new(Exit::BeingCreated, Message::BeingCreated { qmgr })
            }
            CreateError::HalfDeleted(qmgr) => {
                Self::new(Exit::Exists, Message::HalfDeleted { qmgr })
            }
            CreateError::Geometry(bad) => Self::new(Exit::LogSize, geometry(bad)),
            CreateError::Location { purpose: _, path: _, why: Unusable::Refused(error) }
                if full =>
            {
                Self::new(Exit::NoQueueSpace, io_message(&error)).cannot_complete()
            }
            CreateError::Location { purpose, path, why } => {
                let (path, why) = (shown(&path), why.to_string());
                match purpose {
                    Purpose::Data => {
                        Self::new(Exit::Failed, Message::LocationInvalid { path, why })
                    }
                    Purpose::Log => {
                        Self::new(Exit::LogLocation, Message::LogPathInvalid { path, why })
                    }
                }
                .cannot_complete()
            }
            CreateError::Taken { purpose, path } => {
                let (path, why) = (shown(&path), "it is in use".to_owned());
                match purpose {
                    Purpose::Data => {
                        Self::new(Exit::DirectoryCheck, Message::LocationInvalid { path, why })
                    }
                    Purpose::Log => {
                        Self::new(Exit::LogLocation, Message::LogPathInvalid { path, why })
                    }
                }
                .cannot_complete()
            }
            CreateError::NoDirectoryName { directory, qmgr } => {
                Self::new(Exit::Failed, Message::DirectoryNameTaken { directory, qmgr })
                    .cannot_complete()
            }
            CreateError::NoSpace { path, needed_bytes, free_bytes } => {
                let message = Message::NoSpace {
                    path: shown(&path),
                    needed_kib: needed_bytes.div_ceil(KIB),
                    free_kib: free_bytes / KIB,
                };
                Self::new(Exit::NoQueueSpace, message).cannot_complete()
            }
            CreateError::NoGroup(group) => Self::new(Exit::Usage, Message::GroupMissing { group }),
            CreateError::NotInGroup { user, group } => {
                Self::new(Exit::NotAuthorized, Message::NotInGroup { user, group })
            }
            CreateError::Auto(error) => Self::from(error).cannot_complete(),
            CreateError::Settings(error) => Self::from(error).cannot_complete(),
            CreateError::Attribute(error) => {
                Self::new(Exit::Usage, Message::AttributeImpossible { why: error.to_string() })
            }
            CreateError::Io(error) => made_of_io(&error).cannot_complete(),
            CreateError::Store(_) => store(&error).cannot_complete(),
            CreateError::Interrupted => Self::silent(Exit::Failed),
            CreateError::LeftBehind { error, undo, notes } => Self::from(*error)
                .and(Message::LeftBehind { notes: shown(&notes), cause: undo.to_string() }),
        }
    }
}

fn made_of_io(error: &miqm_ops::IoError) -> Failure {
    let exit = if error.is_no_space() { Exit::NoQueueSpace } else { Exit::Failed };
    Failure::new(exit, io_message(error))
}

fn store(error: &CreateError) -> Failure {
    match error.io() {
        Some(error) => made_of_io(error),
        None => Failure::new(Exit::Failed, Message::StoreFailed { why: error.to_string() }),
    }
}

/// The failure of a creation, which knows what was to be created.
pub fn creation(error: CreateError, qmgr: QmgrName) -> Failure {
    match error {
        CreateError::Interrupted => {
            Failure::new(Exit::Failed, Message::CreationInterrupted { qmgr })
        }
        CreateError::LeftBehind { error, undo, notes }
            if matches!(*error, CreateError::Interrupted) =>
        {
            let message = Message::LeftBehind { notes: shown(&notes), cause: undo.to_string() };
            Failure::new(Exit::Failed, message)
        }
        error => error.into(),
    }
}

/// The failure of a deletion.
pub fn deletion(error: DeleteError, qmgr: QmgrName) -> Failure {
    let at = |exit, failure: Failure| Failure { exit, ..failure };
    match error {
        DeleteError::Owner(error) => error.into(),
        DeleteError::Registry(error) => Failure::from(error).cannot_complete(),
        DeleteError::NoSuchQmgr(qmgr) => {
            Failure::new(Exit::NoSuchQmgr, Message::NoSuchQmgr { qmgr })
        }
        DeleteError::Busy(qmgr) => Failure::new(Exit::BeingCreated, Message::BeingCreated { qmgr }),
        DeleteError::OtherInstallation { qmgr, installation } => {
            let message = Message::OtherInstallation { qmgr, installation };
            Failure::new(Exit::OtherInstallation, message)
        }
        DeleteError::Running { qmgr, role } => running(qmgr, role),
        DeleteError::Locked { qmgr, file } => {
            Failure::new(Exit::DataLocked, Message::DataLocked { qmgr, file: shown(&file) })
        }
        DeleteError::Identity(error) => at(Exit::DirectoryCheck, error.into()).cannot_complete(),
        DeleteError::Settings(error) => at(Exit::DirectoryCheck, error.into()).cannot_complete(),
        DeleteError::Log { path, source } => {
            let message = Message::LogNotDeletable { path: shown(&path), why: source.to_string() };
            Failure::new(Exit::LogLocation, message).cannot_complete()
        }
        DeleteError::Check(error) => at(Exit::DirectoryCheck, error.into()).cannot_complete(),
        DeleteError::Remove(error) => {
            at(Exit::DirectoryDelete, error.into()).and(Message::DeletionUnfinished { qmgr })
        }
    }
}
