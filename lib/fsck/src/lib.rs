//! Whether a directory can carry an active and a standby instance.
//!
//! * The process that decides never touches the directory. All that happens there is done by
//!   *actors*: processes of their own that make one [`Call`] at a time and answer with its result.
//!   A call that hangs costs an actor, and what happened in which order is known outside the storage.
//! * Actors live on *hosts* ([`host`]): this one, or one that is reached through a port: over a
//!   program's input and output, or over files in the directory itself.
//! * A [`Check`] is a row of a table and a function over a [`Stage`], written once for two places:
//!   two processes of one host, or two hosts.
//! * What was found is a [`Report`].

pub mod actor;
pub mod agent;
pub mod call;
pub mod check;
pub mod checks;
pub mod facts;
pub mod finding;
pub mod golive;
pub mod hold;
pub mod host;
pub mod integrity;
pub mod page;
pub mod pair;
mod post;
pub mod render;
mod report;
pub mod run;
pub mod session;
pub mod ssh;
pub mod stage;
pub mod stamp;
pub mod two_hosts;
pub mod wire;

pub use call::{Call, Reply, Value};
pub use check::{Check, Runs};
pub use finding::{Evidence, Finding, Series, Told, Verdict};
pub use miqm_sys::clock::BootInstant;
pub use report::{HostFacts, Outcome, Phase, Report};
pub use stage::{Actor, Place, Stage, Trouble};

/// The system's words for an error number: "No locks available".
pub fn errno_text(errno: i32) -> &'static str {
    miqm_sys::probe::errno_text(errno)
}

/// What the clock on the wall says.
pub fn now() -> miqm_types::UtcTime {
    miqm_sys::clock::utc_now()
}
