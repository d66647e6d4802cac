//! `endmqm`: ending the instance on this host.

use std::time::Duration;

use miqm_qmgr::env::Env;
use miqm_qmgr::instance::locks::LockFiles;
use miqm_qmgr::owner::{self, OwnerError};
use miqm_qmgr::registry::{Registry, RegistryError};
use miqm_qmgr::runtime::{LocalRole, RuntimeDir};
use miqm_server::control::client::{Call, CallError};
use miqm_server::control::protocol::{Answer, Ask};

pub use miqm_server::control::protocol::{EndRequest, Refusal, WireMode};

use miqm_sys::clock::{self, BootInstant};
use miqm_sys::{IoError, proc};
use miqm_types::QmgrName;

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
    },
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The instance has accepted it.
    Accepted,
    /// The instance is gone.
    Over,
}

/// Ends the instance on this host. `on_accepted` is called once the instance has accepted.
///
/// # Errors
///
/// [`EndError`]; nothing has changed, except after [`EndError::NoAnswer`].
pub fn end(
    env: &Env,
    qmgr: &QmgrName,
    request: EndRequest,
    patience: Duration,
    on_accepted: &mut dyn FnMut(),
) -> Result<Ended, EndError> {
    owner::authorize(env)?;
    let registry = Registry::load(env)?;
    let Some(entry) = registry.find(qmgr)? else {
        if crate::start::being_created(env, qmgr)? {
            return Err(EndError::BeingCreated(qmgr.clone()));
        }
        return Err(EndError::NoSuchQmgr(qmgr.clone()));
    };
    let runtime = RuntimeDir::open(&env.runtime, qmgr);
    if !runtime.running()? {
        let data = entry.data_dir();
        return Err(EndError::NotRunning {
            qmgr: qmgr.clone(),
            active_host: active_elsewhere(data.path()),
        });
    }
    let mut call = match Call::new(&runtime.control(), Ask::End(request), patience) {
        // It has just begun, or is about to be gone.
        Err(CallError::NobodyListens(path)) => {
            clock::sleep(LOOK_AGAIN * 10);
            if !runtime.running()? {
                return Err(EndError::NotRunning { qmgr: qmgr.clone(), active_host: None });
            }
            Call::new(&path, Ask::End(request), patience)?
        }
        called => called?,
    };
    match call.answer(Some(patience))? {
        Some(Answer::Accepted) => on_accepted(),
        Some(Answer::Refused(refusal)) => return Err(EndError::Refused(refusal)),
        _ => return Err(EndError::NoAnswer { qmgr: qmgr.clone() }),
    }
    if !request.wait {
        return Ok(Ended::Accepted);
    }
    // The instance bounds its own end; whoever asked may give up at any time.
    let done = call.answer(None);
    let began = BootInstant::now();
    while runtime.running()? {
        if began.elapsed() > patience {
            return Err(EndError::NoAnswer { qmgr: qmgr.clone() });
        }
        clock::sleep(LOOK_AGAIN);
    }
    match done {
        Ok(Some(Answer::Done)) => Ok(Ended::Over),
        // It went, and not in the orderly way: it has lost its hold, or was killed.
        _ => Err(EndError::NoAnswer { qmgr: qmgr.clone() }),
    }
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
fn active_elsewhere(data_dir: &std::path::Path) -> Option<String> {
    let nobody = miqm_sys::fs::Owner { uid: 0, gid: 0 };
    let seen = LockFiles::new(data_dir, nobody).see_master().ok()?;
    let record = seen.record.present()?;
    seen.held.then(|| record.host.to_string())
}
