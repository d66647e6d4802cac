//! `endmqm`: ending the instance on this host.

use std::time::Duration;

use miqm_qmgr::env::Env;
use miqm_qmgr::instance::locks::LockFiles;
use miqm_qmgr::owner::{self, OwnerError};
use miqm_qmgr::registry::{Entry, Registry, RegistryError};
use miqm_qmgr::runtime::{LocalRole, RuntimeDir};
use miqm_server::control::client::{Call, CallError};
use miqm_server::control::protocol::{Answer, Ask};

pub use miqm_server::control::protocol::{EndRequest, Refusal, WireMode};

use miqm_sys::clock::{self, BootInstant};
use miqm_sys::{IoError, proc};
use miqm_types::QmgrName;

use crate::systemd::{Systemd, SystemdError, Unit};

/// How often to look whether the instance has gone.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// Why an end was not done.
#[derive(Debug, thiserror::Error)]
pub enum EndError {
    /// The registry has no such name.
    #[error("queue manager {0} is not in the registry")]
    NoSuchQmgr(QmgrName),
    /// Nothing runs on this host.
    #[error("no instance of queue manager {qmgr} runs on this host")]
    NotRunning {
        /// Which queue manager.
        qmgr: QmgrName,
        /// Where an active instance runs, if one does.
        active_host: Option<String>,
    },
    /// It is being created.
    #[error("queue manager {0} is being created")]
    BeingCreated(QmgrName),
    /// The instance refuses.
    #[error(transparent)]
    Refused(Refusal),
    /// The instance cannot be asked.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The instance did not end in the way that was asked: it is gone, or answers no more.
    #[error("the instance of queue manager {qmgr} did not answer to the end")]
    NoAnswer {
        /// Which queue manager.
        qmgr: QmgrName,
        /// Why the service manager may start it again.
        restart: Option<SystemdError>,
    },
    /// Nothing runs, and the service manager could not be kept from starting it.
    #[error(transparent)]
    Systemd(#[from] SystemdError),
    /// The registry cannot be read.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The caller may not.
    #[error(transparent)]
    Owner(#[from] OwnerError),
    /// A call failed.
    #[error(transparent)]
    Io(#[from] IoError),
}

/// How far an end has come when the command returns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The instance has accepted it.
    Accepted,
    /// The instance is gone.
    Over,
    /// There was none, and the service manager is not going to start one any more.
    NotRestarted {
        /// The unit.
        unit: String,
    },
}

/// Ends the instance on this host, whoever has started it. `on_accepted` is called once the instance has
/// accepted.
///
/// # Errors
///
/// [`EndError`]; nothing has changed, except after [`EndError::NoAnswer`].
pub fn end(
    env: &Env,
    qmgr: &QmgrName,
    systemd: Option<&Systemd>,
    request: EndRequest,
    patience: Duration,
    on_accepted: &mut dyn FnMut(),
) -> Result<Ended, EndError> {
    owner::authorize(env)?;
    let registry = Registry::load(env)?;
    let Some(entry) = registry.find(qmgr)?.cloned() else {
        if crate::start::being_created(env, qmgr)? {
            return Err(EndError::BeingCreated(qmgr.clone()));
        }
        return Err(EndError::NoSuchQmgr(qmgr.clone()));
    };
    let runtime = RuntimeDir::open(&env.runtime, qmgr);
    if !runtime.running()? {
        return nothing_runs(env, &entry, qmgr, systemd);
    }
    // Before it is asked to end: afterwards nobody would know whose it was.
    let pid = runtime.status().ok().flatten().map_or(0, |status| status.pid);
    // Who cannot be asked is not waited for; the instance ends all the same.
    let unit = systemd.and_then(|systemd| systemd.unit(qmgr).ok().flatten());
    let unit = unit.filter(|unit| pid != 0 && unit.state.main_pid == pid);
    let mut call = match Call::new(&runtime.control(), Ask::End(request), patience) {
        // It has just begun, or is about to be gone.
        Err(CallError::NobodyListens(path)) => {
            clock::sleep(LOOK_AGAIN * 10);
            if !runtime.running()? {
                return nothing_runs(env, &entry, qmgr, systemd);
            }
            Call::new(&path, Ask::End(request), patience)?
        }
        called => called?,
    };
    match call.answer(Some(patience))? {
        Some(Answer::Accepted) => on_accepted(),
        Some(Answer::Refused(refusal)) => return Err(EndError::Refused(refusal)),
        _ => return Err(EndError::NoAnswer { qmgr: qmgr.clone(), restart: None }),
    }
    if !request.wait {
        return Ok(Ended::Accepted);
    }
    // The instance bounds its own end; whoever asked may give up at any time.
    let done = call.answer(None);
    let began = BootInstant::now();
    while runtime.running()? {
        if began.elapsed() > patience {
            return Err(EndError::NoAnswer { qmgr: qmgr.clone(), restart: None });
        }
        clock::sleep(LOOK_AGAIN);
    }
    if matches!(done, Ok(Some(Answer::Done))) {
        if let Some(unit) = unit {
            unit.wait_until_down(pid);
        }
        return Ok(Ended::Over);
    }
    // It went, and not in the orderly way: it has lost its hold, or was killed.
    let restart = unit.map_or(Ok(()), |unit| unit.begin_stop()).err();
    Err(EndError::NoAnswer { qmgr: qmgr.clone(), restart })
}

/// There is no instance, but perhaps one that the service manager is about to start: that it does not any more.
fn nothing_runs(
    env: &Env,
    entry: &Entry,
    qmgr: &QmgrName,
    systemd: Option<&Systemd>,
) -> Result<Ended, EndError> {
    let unit = systemd.map(|systemd| systemd.unit(qmgr)).transpose()?.flatten();
    if let Some(unit) = unit.filter(Unit::is_not_done) {
        unit.stop()?;
        // If it is there after all, the next start says so.
        drop(crate::instance::forget(&RuntimeDir::open(&env.runtime, qmgr)));
        if !unit.was_ending() {
            return Ok(Ended::NotRestarted { unit: unit.name });
        }
    }
    let active_host = active_elsewhere(entry.data_dir().path());
    Err(EndError::NotRunning { qmgr: qmgr.clone(), active_host })
}

/// What runs on this host, if anything does.
///
/// # Errors
///
/// [`IoError`] if the runtime directory cannot be looked at.
pub fn role_here(env: &Env, qmgr: &QmgrName) -> Result<Option<LocalRole>, IoError> {
    let runtime = RuntimeDir::open(&env.runtime, qmgr);
    if !runtime.running()? {
        return Ok(None);
    }
    Ok(Some(match runtime.status().ok().flatten() {
        None => LocalRole::Starting,
        // Killed, and held up in a call: its locks go when that returns, whatever it said last.
        Some(status) if !proc::alive(status.pid) => LocalRole::EndingImmediately,
        Some(status) => status.role,
    }))
}

/// Where the active instance runs, for people: nothing is decided by it.
pub(crate) fn active_elsewhere(data_dir: &std::path::Path) -> Option<String> {
    let nobody = miqm_sys::fs::Owner { uid: 0, gid: 0 };
    let seen = LockFiles::new(data_dir, nobody).see_master().ok()?;
    let record = seen.record.present()?;
    seen.held.then(|| record.host.to_string())
}

#[cfg(test)]
mod tests;
