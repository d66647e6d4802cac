//! What can go wrong with the log, by what an operator does about it.

use std::path::PathBuf;
use std::sync::Arc;

use miqm_format::page::BadPage;
use miqm_sys::IoError;
use miqm_types::{Epoch, Lsn, QmgrName};

/// The instance lost its hold on the storage, or can no longer prove it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the hold on the storage is lost or cannot be proven")]
pub struct Lost;

/// Why a log cannot be opened, created or activated.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another instance holds a file of the log.
    #[error("{} is locked by another instance", .path.display())]
    Busy {
        /// Which file.
        path: PathBuf,
    },
    /// A file that recovery needs does not exist.
    #[error("{} does not exist", .path.display())]
    Missing {
        /// Which file.
        path: PathBuf,
    },
    /// Bytes that were durable are not what they were.
    #[error("{} is damaged at offset {offset}: {what}", .path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// Where in it, in bytes.
        offset: u64,
        /// What does not fit.
        what: Damage,
    },
    /// A file belongs to another queue manager.
    #[error("{} belongs to another queue manager", .path.display())]
    Foreign {
        /// Which file.
        path: PathBuf,
        /// The queue manager's name in it, if it has one.
        name: Option<QmgrName>,
    },
    /// A file was written by a newer version of this program.
    #[error("{} has format version {version}, which is newer than this program", .path.display())]
    NewerFormat {
        /// Which file.
        path: PathBuf,
        /// Its format version.
        version: u32,
    },
    /// Extent numbers have run out.
    #[error("extent numbers have run out in {}", .path.display())]
    NumbersUsedUp {
        /// The directory of the extents.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error(transparent)]
    Io(#[from] IoError),
    /// The log ended while it was being activated.
    #[error(transparent)]
    Log(#[from] LogError),
}

/// What does not fit in a damaged place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// A page that must be whole is not.
    #[error(transparent)]
    Page(BadPage),
    /// There is no valid record where one was durable.
    #[error("there is no valid record at position {0}, although the log goes on after it")]
    Record(Lsn),
    /// The extent's header names another extent or another size.
    #[error("its header does not fit its name")]
    Misnamed,
    /// The extent's epoch does not fit its place in the log.
    #[error("epoch {0} does not belong there")]
    Epoch(Epoch),
    /// The chain of extents does not hold together here.
    #[error("it does not continue the log where the log ends")]
    Chain,
}

/// Why a replay ended early.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError<E> {
    /// Bytes that were durable are not what they were.
    #[error("{} is damaged at offset {offset}: {what}", .path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// Where in it, in bytes.
        offset: u64,
        /// The position in the log.
        lsn: Lsn,
        /// What does not fit.
        what: Damage,
    },
    /// The operating system refused.
    #[error(transparent)]
    Io(#[from] IoError),
    /// Whoever applies the records refused.
    #[error("position {lsn} cannot be applied")]
    Apply {
        /// The record.
        lsn: Lsn,
        /// Why.
        source: E,
    },
}

/// What ended a log for good.
#[derive(Debug, thiserror::Error)]
pub enum Poison {
    /// A write, a sync or another operation on a file of the log failed.
    #[error(transparent)]
    Io(#[from] IoError),
    /// The hold on the storage is gone.
    #[error(transparent)]
    Lost(#[from] Lost),
    /// Another instance has become active.
    #[error("{} was made by epoch {epoch}: another instance has become active", .path.display())]
    Fenced {
        /// The file that shows it.
        path: PathBuf,
        /// The other's epoch.
        epoch: Epoch,
    },
    /// Extent numbers have run out.
    #[error("extent numbers have run out")]
    NumbersUsedUp,
}

/// Why there is no room in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Full {
    /// Every primary and secondary extent is needed for recovery.
    Extents,
    /// The file system has no room for another extent.
    Disk(PathBuf),
}

impl std::fmt::Display for Full {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Extents => f.write_str("recovery needs every primary and secondary extent"),
            Self::Disk(path) => write!(f, "there is no space for {}", path.display()),
        }
    }
}

/// Why a record cannot be logged or made durable.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LogError {
    /// There is no room. Nothing of the call was logged; a checkpoint may make room.
    #[error("the log is full: {0}")]
    Full(Full),
    /// The log has ended: nothing can be logged any more, and what was not yet acknowledged may
    /// be durable or not.
    #[error("the log has ended: {0}")]
    Poisoned(Arc<Poison>),
}
