//! What can go wrong with objects, by what an operator does about it.

use miqm_sys::IoError;
use miqm_types::QmgrName;
use miqm_wal::{LogError, OpenError, ReplayError};

use crate::kind::Kind;
use crate::level::BadLevel;
use crate::object::BadDefinition;
use crate::redo::BadRedo;
use crate::snapshot::SnapshotError;

/// Why a change to an object was not made.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ChangeError {
    /// The object exists, and was not to be replaced.
    #[error("{object} exists")]
    Exists {
        /// The object, as a command names it.
        object: String,
    },
    /// An object of another type has the name.
    #[error("'{name}' is a {is}, not a {asked}")]
    OtherType {
        /// The name.
        name: Box<str>,
        /// What it is.
        is: Kind,
        /// What it was to be.
        asked: Kind,
    },
    /// There is no such object.
    #[error("{object} does not exist")]
    Missing {
        /// The object, as a command names it.
        object: String,
    },
    /// The queue manager object is neither defined nor deleted by a command.
    #[error("the queue manager can be altered, and nothing else")]
    Qmgr,
    /// The object cannot be as asked for.
    #[error(transparent)]
    Bad(#[from] BadDefinition),
    /// The command level cannot be as asked for.
    #[error(transparent)]
    Level(#[from] BadLevel),
    /// It could not be logged. If the log has ended, the change may be there after recovery or
    /// not; if it is full, it is not.
    #[error(transparent)]
    Log(#[from] LogError),
}

/// Why a checkpoint was not taken.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The objects could not be saved. The checkpoint before this one still counts, and another
    /// try may succeed; but on shared storage an error that is not lack of space may mean that the
    /// storage is somebody else's now.
    #[error(transparent)]
    Snapshot(#[from] IoError),
    /// The log is full or has ended.
    #[error(transparent)]
    Log(#[from] LogError),
}

/// Why a queue manager cannot be recovered.
#[derive(Debug, thiserror::Error)]
pub enum RecoverError {
    /// The control file refers to no snapshot that this version knows.
    #[error("the checkpoint of {qmgr} was taken by a newer version of this program, or is none")]
    Reference {
        /// The queue manager.
        qmgr: QmgrName,
    },
    /// The queue manager has run at a higher command level than this version has.
    #[error("{qmgr} has command level {level}; this version has levels up to {most}")]
    NewerLevel {
        /// The queue manager.
        qmgr: QmgrName,
        /// Its level.
        level: u16,
        /// The highest level of this version.
        most: u16,
    },
    /// There is a log, but no queue manager in it: its creation did not finish.
    #[error("the creation of {qmgr} did not finish")]
    Unfinished {
        /// The queue manager.
        qmgr: QmgrName,
    },
    /// The objects in the log are another queue manager's.
    #[error("the objects belong to {found}, not to {qmgr}")]
    Foreign {
        /// The queue manager.
        qmgr: QmgrName,
        /// Whose they are.
        found: Box<str>,
    },
    /// The saved objects cannot be read.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// The log cannot be read.
    #[error(transparent)]
    Replay(#[from] ReplayError<BadRedo>),
}

/// Why a queue manager's log and objects cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// The log cannot be made.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A default object, or the queue manager, cannot be stored.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The objects cannot be saved.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The object asked for cannot be as asked for.
    #[error(transparent)]
    Bad(#[from] BadDefinition),
}
