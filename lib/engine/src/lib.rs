//! Objects and their attributes, and their recovery from the log.

pub mod attr;
mod catalogue;
mod change;
mod create;
mod date;
pub mod defaults;
pub mod describe;
mod engine;
mod error;
mod kind;
pub mod level;
mod object;
mod qmgr;
mod recover;
mod redo;
mod snapshot;

pub use catalogue::Catalogue;
pub use change::Change;
pub use create::{Created, Creation, Dirs, create};
pub use date::Stamp;
pub use engine::{Checkpoint, Counts, Engine, Replace, Ticket};
pub use error::{ChangeError, CheckpointError, CreateError, RecoverError};
pub use kind::{Class, Kind, KindSet};
pub use object::{BadDefinition, BadImage, Key, Object, SharedObject};
pub use qmgr::new_qmgr;
pub use recover::{Recovered, Report, recover};
pub use redo::{BadRedo, Redone};
pub use snapshot::{SnapshotDamage, SnapshotError, saved};
