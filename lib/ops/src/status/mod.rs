//! What runs where: the truth that every host can tell without asking a running instance.
//!
//! First the host's own runtime directory, where the lock of `instance.lock` says whether an
//! instance runs here and its status file what it is doing. Then, if nothing runs here or if
//! the instances are asked for, the lock files `master` and `standby` in the data directory, and
//! nothing else there. The locks decide, the records explain: a record whose lock nobody holds is
//! a dead holder and never shown as an instance.
//!
//! | on this host | `master` | the record of `master` says | status |
//! |---|---|---|---|
//! | an instance | | | what the instance says; starting, if it has not said anything |
//! | nothing | held | its holder runs | running elsewhere |
//! | nothing | held | an orderly end: somebody looks, or is about to take over | as if it were free |
//! | nothing | free, `standby` held | it ended unexpectedly, or wants a successor | running elsewhere: it is being taken over |
//! | nothing | free | an orderly end | that end |
//! | nothing | free | anything else | ended unexpectedly |
//! | | cannot be read | | not available, with the reason |
//!
//! A lock that is held while its record cannot be read, several times in a row, is shown as an
//! instance on the host `unknown`, with the reason.

mod pool;
mod probe;
#[cfg(test)]
mod tests;

use std::time::Duration;

use miqm_qmgr::env::Env;
use miqm_qmgr::registry::Entry;
use miqm_types::{HostName, QmgrName};

pub use pool::survey;
pub use probe::Unavailable;

/// The status of a queue manager as seen from this host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// An instance on this host has begun to start, or recovers.
    Starting,
    /// The active instance is on this host.
    Running,
    /// A standby instance is on this host.
    RunningAsStandby,
    /// The active instance is on another host.
    RunningElsewhere,
    /// The active instance on this host ends when applications have disconnected.
    Quiescing,
    /// The active instance on this host ends when calls have completed.
    EndingImmediately,
    /// The active instance on this host ends.
    EndingPreemptively,
    /// It ended after [`Status::Quiescing`], or has never run.
    EndedNormally,
    /// It ended after [`Status::EndingImmediately`].
    EndedImmediately,
    /// It ended after [`Status::EndingPreemptively`].
    EndedPreemptively,
    /// It ended without an end that was asked for.
    EndedUnexpectedly,
    /// That cannot be found out.
    NotAvailable,
}

impl Status {
    /// The words of the interface.
    pub fn words(self) -> &'static str {
        match self {
            Self::Starting => "Starting",
            Self::Running => "Running",
            Self::RunningAsStandby => "Running as standby",
            Self::RunningElsewhere => "Running elsewhere",
            Self::Quiescing => "Quiescing",
            Self::EndingImmediately => "Ending immediately",
            Self::EndingPreemptively => "Ending pre-emptively",
            Self::EndedNormally => "Ended normally",
            Self::EndedImmediately => "Ended immediately",
            Self::EndedPreemptively => "Ended pre-emptively",
            Self::EndedUnexpectedly => "Ended unexpectedly",
            Self::NotAvailable => "Status not available",
        }
    }
}

/// Whether a standby instance may be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StandbyPermission {
    /// It runs and permits one.
    Permitted,
    /// It runs and does not.
    NotPermitted,
    /// It does not run, or nobody can tell.
    NotApplicable,
}

impl StandbyPermission {
    /// The words of the interface.
    pub fn words(self) -> &'static str {
        match self {
            Self::Permitted => "Permitted",
            Self::NotPermitted => "Not permitted",
            Self::NotApplicable => "Not applicable",
        }
    }
}

/// What an instance is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It holds `master`.
    Active,
    /// It holds a slot of `standby`.
    Standby,
}

impl Mode {
    /// The word of the interface.
    pub fn word(self) -> &'static str {
        match self {
            Self::Active => "Active",
            Self::Standby => "Standby",
        }
    }
}

/// An instance that holds its lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    /// Its host; `None` if its record cannot be read.
    pub host: Option<HostName>,
    /// What it is.
    pub mode: Mode,
}

/// An instance process of this host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalProcess {
    /// Its process id, once it has said so.
    pub pid: Option<u32>,
}

/// What was found out about a queue manager.
#[derive(Debug)]
pub struct View {
    /// Which one.
    pub name: QmgrName,
    /// Its status.
    pub status: Status,
    /// Whether a standby may be there.
    pub standby: StandbyPermission,
    /// Its instances, the active one first; empty unless asked for.
    pub instances: Vec<Instance>,
    /// Its process on this host, if there is one.
    pub process: Option<LocalProcess>,
    /// What could not be read, and why.
    pub trouble: Option<Unavailable>,
}

impl View {
    fn unavailable(name: &QmgrName, trouble: Unavailable) -> Self {
        Self {
            name: name.clone(),
            status: Status::NotAvailable,
            standby: StandbyPermission::NotApplicable,
            instances: Vec::new(),
            process: None,
            trouble: Some(trouble),
        }
    }

    /// Whether an instance is on this host.
    pub fn runs_here(&self) -> bool {
        self.process.is_some()
    }
}

/// What to look at, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask {
    /// Whether the instances are wanted; else the shared storage is only touched for queue
    /// managers of which nothing runs on this host.
    pub instances: bool,
    /// Whether more than the local runtime directory is wanted.
    pub shared: bool,
    /// How long to wait for the storage of one queue manager.
    pub deadline: Duration,
}

/// Looks at one queue manager, for as long as that takes.
pub fn look(env: &Env, entry: &Entry, ask: Ask) -> View {
    probe::look(env, entry, ask)
}
