//! The instance process: role driver, hold guard, control socket, log output.
//!
//! * [`run`] is an instance from beginning to end.
//! * The `driver` lives on the thread that called [`run`], does what the role machine says, and does
//!   no I/O on shared storage.
//! * The `keeper` has a thread of its own and does everything on shared storage that is not an
//!   application's call: locks, replay, proof of hold, the orderly end.
//! * The `control` socket takes requests of commands on the same host.
//!
//! The order at a loss of the hold is: stop serving, say so to the local world, say so in the host's
//! own log, end the process. Nothing shared is touched any more.

use std::path::PathBuf;
use std::sync::mpsc::channel;
use std::sync::{Arc, Weak};
use std::time::Duration;

use miqm_engine::Engine;
use miqm_messages::Message;
use miqm_qmgr::autoconf::AutoConfigError;
use miqm_qmgr::config::ConfigError;
use miqm_qmgr::identity::IdentityError;
use miqm_qmgr::instance::hold::Loss;
use miqm_qmgr::layout::DataDir;
use miqm_qmgr::runtime::RuntimeDir;
use miqm_sys::disk::RealDir;
use miqm_sys::fs::Owner;
use miqm_sys::signal::{self, Signals};
use miqm_sys::{IoError, Op, inflight};
use miqm_types::{HostName, QmgrId, QmgrName};

pub mod control;
mod driver;
pub mod eventlog;
mod keeper;
pub mod maintain;
mod notify;
mod pulse;
pub mod report;
pub mod sessions;
mod shared;
mod store;
#[cfg(test)]
mod tests;
pub mod wish;

pub use keeper::EndState;
pub use store::StoreError;

use driver::{Driver, Input};
use eventlog::{EventLog, Origin};
use keeper::Keeper;
use report::Report;
use sessions::Sessions;
use shared::Shared;

/// What an instance has to know to start.
#[derive(Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of the command of its own")]
pub struct Start {
    /// The queue manager.
    pub qmgr: QmgrName,
    /// Its data directory, from the registry.
    pub data_dir: DataDir,
    /// Its identity as the registry of this host has it.
    pub expected_id: Option<QmgrId>,
    /// Whether another instance may wait, here or elsewhere (`-x`).
    pub multi_instance: bool,
    /// Whether missing directories of the queue manager are made anew (`-f`).
    pub remake_dirs: bool,
    /// Whether listeners and services are started (not `-ns`).
    pub services: bool,
    /// What this host is called.
    pub host: HostName,
    /// Who owns files that have to be made.
    pub owner: Owner,
    /// Where the instance shows itself to its host.
    pub runtime: RuntimeDir,
    /// `<prefix>/errors`.
    pub errors_dir: PathBuf,
    /// What the host is to know of it before its storage is there; see [`miqm_qmgr::boot`].
    pub boot_note: PathBuf,
    /// Whether the journal is to be used if there is one.
    pub journal: bool,
    /// Where the events of the start are told.
    pub report: Report,
    /// What serves applications.
    pub when_active: Option<WhenActive>,
}

/// What an instance that has become active offers to those who serve applications.
#[derive(Clone)]
pub struct Applications {
    /// The objects and their log. Weak: an application keeps them only during a call.
    pub engine: Weak<Engine<RealDir>>,
    /// Where each application signs on, and learns that the instance ends.
    pub sessions: Sessions,
    /// Whether listeners and services are to be started (not `-ns`).
    pub services: bool,
}

/// Called once when the instance has become active; must not wait for anything.
pub type WhenActive = Arc<dyn Fn(Applications) + Send + Sync>;

/// How an instance ended in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The state in which the queue manager was left; for a standby, how it was asked.
    pub end: EndState,
}

/// Another instance is in the way.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// There is an active instance, and this one may not wait for it.
    #[error("an active instance runs on {}", host.as_deref().unwrap_or("another host"))]
    ActiveElsewhere {
        /// Where, if its record can be read.
        host: Option<String>,
        /// Whether it was started so that another may wait for it.
        permits_standby: bool,
    },
    /// As many wait as may.
    #[error("{most} standby instances wait already")]
    TooManyStandbys {
        /// How many may wait.
        most: u16,
    },
    /// An instance of this queue manager runs on this host.
    #[error("an instance runs on this host")]
    RunsHere,
}

/// Why an instance did not start, or ended without being asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another instance is in the way.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The data directory is not the queue manager's.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The settings cannot be used.
    #[error(transparent)]
    Config(Box<ConfigError>),
    /// An automatic ini file cannot be used.
    #[error(transparent)]
    Auto(Box<AutoConfigError>),
    /// A directory of the queue manager is not there, and was not to be made anew.
    #[error("{} does not exist", .0.display())]
    MissingDirectory(PathBuf),
    /// The log or the objects cannot be recovered, or not written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The hold on the queue manager is lost.
    #[error(transparent)]
    Fenced(Loss),
    /// A call failed.
    #[error(transparent)]
    Io(#[from] IoError),
}

impl From<ConfigError> for Error {
    fn from(error: ConfigError) -> Self {
        Self::Config(Box::new(error))
    }
}

impl From<AutoConfigError> for Error {
    fn from(error: AutoConfigError) -> Self {
        match error {
            AutoConfigError::Settings(error) => Self::Config(error),
            error => Self::Auto(Box::new(error)),
        }
    }
}

/// Runs an instance until it ends.
///
/// # Errors
///
/// [`Error`]: it could not start, or gave itself up.
pub fn run(start: Start) -> Result<Outcome, Error> {
    inflight::observe();
    signal::ignore_sigpipe()?;
    start.runtime.prepare(start.owner)?;
    let Some(_only_one_here) = start.runtime.try_own(start.owner)? else {
        return Err(Refused::RunsHere.into());
    };
    let log = EventLog::new(Origin::of(&start))?;
    let (inputs, driver_inputs) = channel();
    let (orders, keeper_orders) = channel();
    let emptied = inputs.clone();
    let sessions = Sessions::new(move || {
        drop(emptied.send(Input::Event(miqm_qmgr::instance::role::Event::Drained)));
    });
    let multi_instance = start.multi_instance;
    let shared = Shared::new(start, log, sessions)?;
    shared.log(&Message::InstanceStarting { qmgr: shared.qmgr().clone() });

    let (signals, on_signal) = (Signals::catch()?, inputs.clone());
    spawn("signals", move || {
        loop {
            match signals.wait(Duration::from_hours(1)) {
                Ok(Some(signal::Event::Terminate | signal::Event::Interrupt)) => {
                    drop(on_signal.send(Input::Terminate));
                }
                // A terminal that has gone is no reason to end a queue manager.
                Ok(_) => {}
                Err(_) => return,
            }
        }
    })?;
    control::listener::start(shared.clone(), inputs.clone())?;
    let keeper = Keeper { shared: shared.clone(), driver: inputs, orders: keeper_orders };
    spawn("keeper", move || keeper.run())?;
    Driver::new(shared, driver_inputs, orders, multi_instance).run()
}

/// Starts a thread. Its stack is small: there may be many.
fn spawn(
    name: &str,
    body: impl FnOnce() + Send + 'static,
) -> Result<std::thread::JoinHandle<()>, IoError> {
    const STACK_BYTES: usize = 512 * 1024;
    let builder = std::thread::Builder::new().name(name.to_owned()).stack_size(STACK_BYTES);
    builder.spawn(body).map_err(|error| IoError::new(Op::Spawn, name, error))
}
