//! The recovery log: extents, append, group force, checkpoint positions, replay that only reads.
//!
//! Invariants:
//!
//! * **Batches.** What is appended between two forces is one batch: one write, one sync. A batch
//!   starts on a page, ends with one, lies in one extent and is written once. The next batch is
//!   written only after the sync of the one before came back, so at most one batch is ever in doubt.
//! * **Extents.** Extent `n` holds the positions from `n * extent_bytes` on. Its first page is its
//!   header; its first record names the exact position where the log before it ended, so the log
//!   is a chain that is followed backwards from its last extent. An extent has a name only after
//!   its header is durable.
//! * **Epochs.** An instance writes only files that it made itself. A new epoch first writes the
//!   control file: its number, the position where the log before it ended (the fence), and the
//!   lowest number of its own extents, which is higher than any that exists. A name is removed
//!   only if no later epoch can ever use it, so a former active that wakes up in the middle of
//!   anything has nothing to destroy: what it writes, links or removes is not part of the chain.
//! * **Reading never writes.** [`Recovery`] and [`Reader`] change nothing.
//! * **A failed write or sync is the end.** Nothing is retried; the log is poisoned, everybody
//!   who waits is told, and recovery starts from what is really on disk.

mod create;
mod error;
mod extent;
mod log;
mod reader;
mod recover;
mod scan;
mod slots;
mod supply;
mod write;

pub use create::{Creation, create};
pub use error::{Damage, Full, LogError, Lost, OpenError, Poison, ReplayError};
pub use log::{Activation, Appended, Entry, Hold, Log, Pressure, Stats};
pub use reader::{Extent, Item, Place, Reader};
pub use recover::{Identity, Opened, Progress, Recovered, Recovery, Replayed};

pub use miqm_format::control::Control;
pub use miqm_format::record::{Kind, Record, RecordHeader};
pub use miqm_types::Lsn;
