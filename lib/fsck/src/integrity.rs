//! The integrity test: pages appended under a lock, and verified after a failure.
//!
//! The files in the tested directory are [`DATA`], whose pages are overwritten round and round, [`LOG`],
//! which only grows, one file for each [`Method`], which grows, too, and small marker files, which are
//! created, renamed and removed. To append sequence `n` is:
//!
//! 1. write a record of `n` at the end of the log, and make it durable;
//! 2. write a record of `n` at the end of the file of one method, and make it durable by that;
//! 3. write page `n` of the data file, and make it durable by the same method;
//! 4. write one of two checkpoint pages, and make it durable;
//! 5. only now is `n` acknowledged, and witnesses outside the storage are told.
//!
//! So at most one sequence is in flight, and whatever fails, everything that was acknowledged must be
//! there. Which call makes a page durable depends on its sequence, so that a call that lies is known by
//! name; and the files of the methods are never synced otherwise, because an honest call would make
//! durable what a lying one did not. Whoever takes the lock begins a new *epoch*, noted in the log and in every page: a page of an
//! older epoch where a newer one has written is a holder that wrote after it had lost the lock.
//!
//! The work is a [`task`] of an actor, done in short steps, so that a storage that hangs costs a process
//! and not the test, and so that it can be done on another host. [`drive`] has the other side.

mod append;
pub mod drive;
mod files;
mod format;
pub mod job;
pub(crate) mod judge;
mod layout;
mod log_scan;
mod markers;
mod page;
mod record;
mod scan;
mod side;
mod survey;
pub mod task;
pub mod witness;

pub use drive::{Event, Formatted, Options, Patience};
pub use job::{Job, Problem, Progress, Step};
pub use judge::findings;
pub use layout::{Method, PAGES_DEFAULT, PAGES_MIN, round_pages};
pub use survey::{Survey, Takeover, Wrong};
pub use witness::Witness;

/// The data file: pages of 4096 bytes.
pub const DATA: &str = "amqmfsck.dat";
/// The log of the sequences.
pub const LOG: &str = "amqmfsck.log";
/// What the names of marker files begin with; the epoch and the number of the marker follow.
pub const MARK: &str = "amqmfsck.mark-";
/// What the name of a marker file begins with before it is renamed; the epoch follows.
pub const MARK_NEW: &str = "amqmfsck.new-";

/// Whether a file of this name in the tested directory may be one of this test.
pub fn is_name(name: &str) -> bool {
    let side = Method::ALL.into_iter().any(|method| method.file() == name);
    name == DATA || name == LOG || side || name.starts_with(MARK) || name.starts_with(MARK_NEW)
}

#[cfg(test)]
mod tests;
