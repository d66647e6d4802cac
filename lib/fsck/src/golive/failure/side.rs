//! One of the two who append or wait, as it is seen from outside.

use std::time::Duration;

use miqm_sys::clock::{BootInstant, sleep};

use crate::integrity::drive::{Runner, Stall};
use crate::integrity::job::{Job, Known, Problem, Progress, Step};
use crate::integrity::{Event, Patience, Takeover};
use crate::stage::{Place, Stage, Trouble};

const STEP_MS: u32 = 50;
/// How long one of them is looked at.
const LOOK: Duration = Duration::from_millis(20);
/// The longest a single answer is waited for when it ends.
const NAP: Duration = Duration::from_millis(5);

/// What it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doing {
    /// Nothing yet.
    New,
    /// It has not got to the lock yet, or verifies under it.
    Starting,
    /// Somebody else holds the lock.
    Waiting,
    /// It holds the lock.
    Writing,
    /// It has ended, whatever it did.
    Over,
}

#[derive(Debug)]
pub(super) struct Side {
    runner: Runner,
    pub(super) host: String,
    pub(super) doing: Doing,
    pub(super) takeover: Option<Takeover>,
    /// Whether the takeover was in the last turn.
    fresh: bool,
    /// When it was granted the lock, if it had to wait for it.
    pub(super) waited: bool,
    /// How many it appended.
    pub(super) count: u64,
    /// How many it had when the failure was seen last.
    pub(super) mark: u64,
    /// The last sequence when the other one was seen to have the lock.
    pub(super) count_at_loss: Option<u64>,
    /// The last sequence that it saw while waiting.
    pub(super) seen: u64,
    /// Why it ended, as a sentence without a full stop.
    pub(super) problem: Option<String>,
    cause: Option<Problem>,
    /// It was started after the failure, in place of the one that is gone.
    pub(super) instead: bool,
}

impl Side {
    pub(super) fn new(stage: &Stage, place: Place, patience: Patience) -> Result<Self, Trouble> {
        let runner = Runner::new(stage, place, patience)?;
        Ok(Self {
            runner,
            host: stage.host_name(place),
            doing: Doing::New,
            takeover: None,
            fresh: false,
            waited: false,
            count: 0,
            mark: 0,
            count_at_loss: None,
            seen: 0,
            problem: None,
            cause: None,
            instead: false,
        })
    }

    /// Lets it go on, and looks what it did. Only that the run was asked to end is an error.
    pub(super) fn turn(
        &mut self,
        known: Option<&Known>,
        on: &mut dyn FnMut(&str, Event<'_>),
    ) -> Result<(), Trouble> {
        self.fresh = false;
        if self.doing == Doing::Over {
            return Ok(());
        }
        match self.try_turn(known, on) {
            Err(Trouble::Asked) => Err(Trouble::Asked),
            Err(trouble) => {
                self.doing = Doing::Over;
                self.problem = Some(match trouble {
                    Trouble::Lost(lost) => format!("the connection was lost: {}", lost.why),
                    Trouble::Died(_) => "the process died".to_owned(),
                    Trouble::Stuck(evidence) | Trouble::Refused(evidence) => evidence.note,
                    Trouble::Asked => String::new(),
                });
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    fn try_turn(
        &mut self,
        known: Option<&Known>,
        on: &mut dyn FnMut(&str, Event<'_>),
    ) -> Result<(), Trouble> {
        if !self.runner.busy() {
            let step = if self.doing == Doing::New {
                Step::Begin(Job::Append { host: self.host.clone(), known: known.cloned() })
            } else {
                Step::Go { ms: STEP_MS, known: known.cloned() }
            };
            if self.doing == Doing::New {
                self.doing = Doing::Starting;
            }
            self.runner.send(step)?;
        }
        let host = self.host.clone();
        let progress = self.runner.poll(LOOK, &mut |event| on(&host, event))?;
        let Some(progress) = progress else { return Ok(()) };
        match progress {
            Progress::Waiting { holder, seen } => {
                (self.doing, self.waited, self.seen) = (Doing::Waiting, true, seen);
                on(&host, Event::Waiting { holder: &holder, seconds: 0.0, seen });
            }
            Progress::Checking { done, of } => {
                self.doing = Doing::Starting;
                on(&host, Event::Checking { done, of });
            }
            Progress::Checked(survey) => on(&host, Event::Checked(&survey)),
            Progress::Taken(takeover) => {
                on(&host, Event::Taken(&takeover));
                (self.doing, self.fresh) = (Doing::Writing, true);
                self.takeover = Some(*takeover);
            }
            Progress::Appended { sequence, count, .. } => {
                self.count += count;
                on(&host, Event::Appended { sequence, count });
            }
            Progress::Problem { problem, .. } => {
                (self.doing, self.problem) = (Doing::Over, Some(problem.to_string()));
                self.cause = Some(problem);
            }
            _ => {}
        }
        Ok(())
    }

    /// The last sequence that it acknowledged.
    pub(super) fn sequence(&self) -> u64 {
        self.runner.sequence
    }

    /// Whether it was granted the lock in the last turn.
    pub(super) fn just_taken(&self) -> bool {
        self.fresh
    }

    /// Whether it was granted the lock after somebody else had it.
    pub(super) fn took(&self) -> bool {
        (self.waited || self.instead) && self.takeover.is_some()
    }

    /// Whether it ended because it was told that its lock is lost.
    pub(super) fn told_of_loss(&self) -> bool {
        matches!(self.cause, Some(Problem::LockLost { .. }))
    }

    /// What it has acknowledged.
    pub(super) fn known(&self) -> Option<Known> {
        let run = self.takeover.as_ref()?.run.clone();
        Some(Known { run, sequence: self.sequence(), idle_ms: None })
    }

    /// How long it has had no answer.
    pub(super) fn waiting(&self) -> Duration {
        self.runner.waiting()
    }

    pub(super) fn stalls(&self) -> &[Stall] {
        &self.runner.stalls
    }

    pub(super) fn kill(&mut self) {
        self.runner.kill().ok();
        self.doing = Doing::Over;
        self.problem = Some("it was killed".to_owned());
    }

    /// Ends it in order, if it answers.
    pub(super) fn finish(&mut self) {
        if self.doing == Doing::Over {
            return;
        }
        self.doing = Doing::Over;
        if self.runner.finish().is_err() {
            self.runner.kill().ok();
            // The kernel needs a moment to close what it had open.
            let until = BootInstant::now().saturating_add(NAP);
            sleep(until.left());
        }
    }
}
