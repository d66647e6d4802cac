//! The service manager as commands see it: the unit that starts and ends an instance on this host.
//!
//! Where the machine runs systemd and has the unit, what starts an instance is the unit, whoever asks for
//! it. A command that cannot ask says so; it never starts something beside.

use std::time::Duration;

use miqm_qmgr::env::{DEFAULT_PREFIX, DEFAULT_RUNTIME_DIR, Env};
use miqm_sys::clock::{self, BootInstant};
use miqm_sys::sd;
use miqm_sys::sd::systemctl::{Active, Load, Running, Systemctl, SystemctlError, Unit as State};
use miqm_types::QmgrName;

pub use miqm_sys::proc::Exit as How;

/// How often a unit is looked at that is about to be down.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Why the service manager did not do what a command asked.
#[derive(Debug, thiserror::Error)]
#[error("{unit}: {why}")]
pub struct SystemdError {
    /// The unit.
    pub unit: String,
    /// Why.
    pub why: WhySystemd,
}

/// See [`SystemdError`].
#[derive(Debug, thiserror::Error)]
pub enum WhySystemd {
    /// It cannot be asked.
    #[error("systemd cannot be asked: {0}")]
    Silent(String),
    /// The caller may not.
    #[error("systemd does not permit it: {0}")]
    Denied(String),
    /// The unit is masked, or its file is no good.
    #[error("the unit is {0}")]
    Unusable(String),
    /// What was asked was not done.
    #[error("systemd did not do it: {0}")]
    NotDone(String),
    /// The instance was started with other options than those that were asked for.
    #[error("the unit does not take options")]
    Deaf,
    /// The instance was started and ended, and could not tell why.
    #[error("the instance ended: {0:?}")]
    Ended(How),
}

/// The service manager of this host.
#[derive(Clone, Debug)]
pub struct Systemd {
    /// `None` if the machine has no program to ask it with.
    systemctl: Option<Systemctl>,
    patience: Duration,
}

impl Systemd {
    /// The service manager that starts instances on this host; `None` if none does: the machine was not booted
    /// with systemd, or this is one of several hosts on one machine, with places of its own.
    ///
    /// `patience` is for each question that it is asked.
    pub fn of(env: &Env, patience: Duration) -> Option<Self> {
        // What cannot be looked at is not there: nothing but the file system of the machine is looked at.
        (is_the_machine(env) && sd::booted().unwrap_or(false))
            .then(|| Self { systemctl: Systemctl::of_this_host().ok(), patience })
    }

    /// The service manager behind this program.
    pub fn through(systemctl: Systemctl, patience: Duration) -> Self {
        Self { systemctl: Some(systemctl), patience }
    }

    /// The unit of a queue manager; `None` if it is not installed.
    ///
    /// # Errors
    ///
    /// [`SystemdError`] if the service manager cannot be asked.
    pub(crate) fn unit(&self, qmgr: &QmgrName) -> Result<Option<Unit<'_>>, SystemdError> {
        let name = unit_name(qmgr);
        let Some(systemctl) = &self.systemctl else {
            return Err(explain(&name, SystemctlError::Missing));
        };
        let patience = self.patience;
        let asked = systemctl.unit(&name, patience).map_err(|error| explain(&name, error));
        let state = match asked {
            // Whatever the reason, it was only looked at.
            Err(SystemdError { unit, why: WhySystemd::Denied(why) | WhySystemd::NotDone(why) }) => {
                return Err(SystemdError { unit, why: WhySystemd::Silent(why) });
            }
            asked => asked?,
        };
        Ok((state.load != Load::NotFound).then_some(Unit { systemctl, patience, name, state }))
    }

    /// The name of the unit of a queue manager if it is started at boot, as far as that can be told.
    pub fn enabled_unit(&self, qmgr: &QmgrName) -> Option<String> {
        let unit = self.unit(qmgr).ok()??;
        unit.state.enabled.then_some(unit.name)
    }
}

/// Whether these are the places of the machine, which the unit uses.
fn is_the_machine(env: &Env) -> bool {
    env.prefix.as_os_str() == DEFAULT_PREFIX
        && env.runtime.as_os_str() == DEFAULT_RUNTIME_DIR
        && env.mqs_ini == env.prefix.join("mqs.ini")
}

/// The unit of a queue manager.
pub fn unit_name(qmgr: &QmgrName) -> String {
    format!("mqm@{}.service", qmgr.to_unit_instance())
}

fn explain(unit: &str, error: SystemctlError) -> SystemdError {
    let why = match error {
        SystemctlError::Denied(why) => WhySystemd::Denied(why),
        SystemctlError::Refused(why) => WhySystemd::NotDone(why),
        error @ (SystemctlError::Missing | SystemctlError::Silent(_) | SystemctlError::Io(_)) => {
            WhySystemd::Silent(error.to_string())
        }
    };
    SystemdError { unit: unit.to_owned(), why }
}

/// The unit of a queue manager, and what was known of it when it was looked at.
#[derive(Debug)]
pub(crate) struct Unit<'a> {
    systemctl: &'a Systemctl,
    /// How long each question may take.
    pub(crate) patience: Duration,
    pub(crate) name: String,
    pub(crate) state: State,
}

impl Unit<'_> {
    /// An error about this unit.
    pub(crate) fn error(&self, why: WhySystemd) -> SystemdError {
        SystemdError { unit: self.name.clone(), why }
    }

    /// Makes sure that it can be started.
    pub(crate) fn usable(&self) -> Result<(), SystemdError> {
        let state = match &self.state.load {
            Load::Loaded | Load::NotFound => return Ok(()),
            Load::Masked => "masked".to_owned(),
            Load::Broken(word) => format!("not usable ({word})"),
        };
        Err(self.error(WhySystemd::Unusable(state)))
    }

    /// Looks again.
    pub(crate) fn look(&self) -> Result<State, SystemdError> {
        self.systemctl
            .unit(&self.name, self.patience)
            .map_err(|error| self.error(WhySystemd::Silent(error.to_string())))
    }

    /// Begins to start it.
    pub(crate) fn begin_start(&self) -> Result<Running, SystemdError> {
        self.systemctl.begin_start(&self.name).map_err(|error| self.explain(error))
    }

    /// Stops it for good, and waits until it is.
    pub(crate) fn stop(&self) -> Result<(), SystemdError> {
        self.systemctl.stop(&self.name, self.patience).map_err(|error| self.explain(error))
    }

    /// Stops it for good.
    pub(crate) fn begin_stop(&self) -> Result<(), SystemdError> {
        self.systemctl.begin_stop(&self.name, self.patience).map_err(|error| self.explain(error))
    }

    pub(crate) fn explain(&self, error: SystemctlError) -> SystemdError {
        explain(&self.name, error)
    }

    /// Whether it has, or is going to have, a process.
    pub(crate) fn is_not_done(&self) -> bool {
        !self.state.is_down() || self.state.has_job
    }

    /// Whether it was on its way down after an end in order.
    pub(crate) fn was_ending(&self) -> bool {
        self.state.active == Active::Deactivating && self.state.result == "success"
    }

    /// Waits until it is down, if the instance of this process was its own.
    pub(crate) fn wait_until_down(&self, pid: u32) {
        let began = BootInstant::now();
        while began.elapsed() < self.patience {
            // Who cannot be asked is not waited for: the instance is gone.
            let Ok(state) = self.look() else { return };
            let another = state.main_pid != 0 && state.main_pid != pid;
            if state.is_down() || another || state.waits_to_be_restarted() {
                return;
            }
            clock::sleep(LOOK_AGAIN);
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
