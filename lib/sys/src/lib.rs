//! The operating system: the only crate that calls it.
//!
//! * Every call that can touch storage announces itself in [`inflight`], so that a supervisor can
//!   tell which operation on which path hangs; see [`supervise`].
//! * Every failure is an [`IoError`]: the operation, the path, the system's reason.
//! * Every descriptor is close-on-exec. No function follows a symbolic link in the last component
//!   of a path unless its name or its text says so, and none hangs on a planted FIFO.
//! * Modes are exact: what the caller asks for is what the file has, whatever the umask.

pub mod clock;
pub mod disk;
pub mod error;
pub mod fs;
pub mod inflight;
pub mod journal;
pub mod lock;
pub mod mount;
pub mod port;
pub mod probe;
pub mod proc;
pub mod random;
pub mod sd;
pub mod signal;
pub mod socket;
pub mod supervise;

pub mod user;
pub mod worker;

pub use error::{IoError, Op};
