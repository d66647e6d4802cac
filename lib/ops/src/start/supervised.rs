//! A start that the service manager does: asked for, followed to its end, and reported as any other.
//!
//! What the instance tells through the socket `start` ([`miqm_server::wish`]) decides. Only if it does not
//! connect, the state of the unit does.

use std::time::Duration;

use miqm_qmgr::owner::Admin;
use miqm_qmgr::registry::Entry;
use miqm_qmgr::runtime::{LocalRole, RuntimeDir};
use miqm_server::wish::{Heard, Options, Waiting};
use miqm_sys::clock::BootInstant;
use miqm_sys::sd::systemctl::{Active, Ended, Running, SystemctlError, Unit as State};

use super::{StartError, StartEvent, StartRequest, Started};
use crate::systemd::{How, Unit, WhySystemd};

/// How long to listen at a time.
const LISTEN: Duration = Duration::from_millis(50);
/// How often the unit is looked at while nothing is heard.
const LOOK: Duration = Duration::from_secs(1);
/// How often to say that nothing has begun.
const SAY: Duration = Duration::from_secs(5);
/// How long the service manager may take to see what the instance has said.
const SETTLE: Duration = Duration::from_secs(5);
/// What `miqmd` ends with if an instance runs on this host.
const RUNS_HERE: How = How::Code(5);

/// Lets the service manager start an instance. If that fails, it is told not to try again: a command that says
/// that nothing was started is right for good.
pub(super) fn start(
    runtime: &RuntimeDir,
    entry: &Entry,
    request: &StartRequest,
    admin: &Admin,
    unit: &Unit<'_>,
    on_event: &mut dyn FnMut(&StartEvent),
) -> Result<Started, StartError> {
    unit.usable()?;
    // Before anything listens there: the instance has no right to make it any more.
    runtime.prepare(admin.maker)?;
    let options = Options {
        multi_instance: request.multi_instance,
        remake_dirs: request.remake_dirs,
        services: request.services,
    };
    let Some(waiting) = Waiting::listen(runtime, options, admin.owner, admin.maker)? else {
        return Err(StartError::RunsHere { qmgr: request.qmgr.clone(), role: LocalRole::Starting });
    };
    let job = unit.begin_start()?;
    let now = BootInstant::now();
    let mut follow =
        Follow { runtime, entry, request, unit, waiting, job, began: now, looked: now, said: now };
    let followed = follow.until_decided(on_event);
    match &followed {
        Ok(_) => follow.settle(),
        Err(error) => follow.leave_nothing_behind(error),
    }
    followed
}

struct Follow<'a> {
    runtime: &'a RuntimeDir,
    entry: &'a Entry,
    request: &'a StartRequest,
    unit: &'a Unit<'a>,
    waiting: Waiting,
    job: Running,
    began: BootInstant,
    looked: BootInstant,
    said: BootInstant,
}

impl Follow<'_> {
    fn until_decided(
        &mut self,
        on_event: &mut dyn FnMut(&StartEvent),
    ) -> Result<Started, StartError> {
        loop {
            match self.waiting.hear(LISTEN)? {
                Heard::Event(event) => {
                    on_event(&event);
                    if let Some(decided) = super::decided(event, self.request) {
                        return decided;
                    }
                }
                Heard::Over => {
                    return Err(StartError::Died { qmgr: self.request.qmgr.clone() });
                }
                Heard::Nothing if self.waiting.is_taken() => {}
                Heard::Nothing => {
                    if let Some(ended) = self.job.look(Duration::ZERO)?
                        && !self.waiting.is_connected()?
                    {
                        return self.without_a_word(ended);
                    }
                    self.look_at_the_unit(on_event)?;
                }
            }
        }
    }

    /// The job is over, and no instance has taken the options.
    fn without_a_word(&self, ended: Ended) -> Result<Started, StartError> {
        match ended.result() {
            Ok(_) => self.as_it_is(),
            Err(SystemctlError::Refused(why)) => {
                let state = self.unit.look()?;
                if state.invocation == self.unit.state.invocation {
                    return Err(self.error(WhySystemd::NotDone(why)));
                }
                Err(self.gone(&state, why))
            }
            Err(error) => Err(self.unit.explain(error).into()),
        }
    }

    /// The instance that was started is gone.
    fn gone(&self, state: &State, why: String) -> StartError {
        match state.last_exit {
            Some(RUNS_HERE) => {
                StartError::RunsHere { qmgr: self.request.qmgr.clone(), role: LocalRole::Starting }
            }
            Some(exit) if exit != How::Code(0) => self.error(WhySystemd::Ended(exit)),
            _ => self.error(WhySystemd::NotDone(why)),
        }
    }

    /// The unit is up: by a start that had begun before, or with a command of its own that takes no options.
    fn as_it_is(&self) -> Result<Started, StartError> {
        let status = self.runtime.status().ok().flatten();
        let Some(status) = status.filter(|_| self.runtime.running().unwrap_or(false)) else {
            let why = format!(
                "it is up, but no instance shows itself in {}",
                self.runtime.path().display()
            );
            return Err(self.error(WhySystemd::NotDone(why)));
        };
        let request = self.request;
        let as_asked = status.multi_instance == request.multi_instance
            && request.services
            && !request.remake_dirs;
        match (status.role, status.epoch) {
            _ if !as_asked => Err(self.error(WhySystemd::Deaf)),
            (LocalRole::Active, Some(epoch)) => Ok(Started::Active(epoch)),
            (LocalRole::Standby, _) => {
                let active_host = crate::end::active_elsewhere(self.entry.data_dir().path());
                Ok(Started::Standby { active_host })
            }
            (role, _) => Err(StartError::RunsHere { qmgr: request.qmgr.clone(), role }),
        }
    }

    /// While nothing is heard: whether the service manager is on its way at all.
    fn look_at_the_unit(
        &mut self,
        on_event: &mut dyn FnMut(&StartEvent),
    ) -> Result<(), StartError> {
        if self.looked.elapsed() < LOOK {
            return Ok(());
        }
        self.looked = BootInstant::now();
        let state = self.unit.look()?;
        let began = state.active == Active::Activating && !state.waits_to_be_restarted();
        if began || state.active == Active::Active {
            return Ok(());
        }
        if !state.has_job && state.is_down() && self.began.elapsed() > self.unit.patience {
            let seconds = self.began.elapsed().as_secs();
            let why = format!("it has not accepted the start for {seconds} s");
            return Err(self.error(WhySystemd::Silent(why)));
        }
        if self.said.elapsed() >= SAY {
            self.said = BootInstant::now();
            let unit = self.unit.name.clone();
            on_event(&StartEvent::Queued { unit, seconds: self.began.elapsed().as_secs() });
        }
        Ok(())
    }

    fn error(&self, why: WhySystemd) -> StartError {
        self.unit.error(why).into()
    }

    /// The service manager learns a moment later than the command how a start went.
    fn settle(&mut self) {
        let began = BootInstant::now();
        while began.elapsed() < SETTLE && matches!(self.job.look(LISTEN), Ok(None)) {}
    }

    /// After an exit that a retry might mend the service manager tries again, and a job may be queued: that is
    /// over. What it shows of the failure stays, if it can.
    fn leave_nothing_behind(&mut self, error: &StartError) {
        let why = match error {
            StartError::Systemd(error) => Some(&error.why),
            _ => None,
        };
        // Of an instance that was killed; if it is there after all, the next start says so.
        drop(crate::instance::forget(self.runtime));
        match (error, why) {
            // Nothing was begun; or nobody listens, and would not to this either.
            (StartError::RunsHere { .. }, _)
            | (_, Some(WhySystemd::Denied(_) | WhySystemd::Silent(_))) => {}
            // It can only end when the storage answers.
            (StartError::Stuck { .. }, _) => drop(self.unit.begin_stop()),
            (StartError::Failed { .. } | StartError::Died { .. }, _) => {
                self.settle();
                if !self.unit.look().is_ok_and(|state| state.is_down()) {
                    drop(self.unit.stop());
                }
            }
            _ => drop(self.unit.stop()),
        }
    }
}

#[cfg(test)]
mod tests;
