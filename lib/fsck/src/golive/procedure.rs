//! Going through the steps.

use miqm_sys::clock;

use super::failure;
use super::record::{Attempt, Record, State};
use super::step::{Action, Step};
use crate::finding::{Finding, Told};
use crate::integrity::{self, Patience, judge};
use crate::report::Phase;
use crate::stage::Stage;

/// Why the procedure ends early. What was done is in the record, and it can be resumed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Halt {
    /// A signal asked the run to end.
    Asked,
    /// Somebody said that it is enough for now.
    Stopped,
    /// It cannot go on; why, as a sentence without a full stop.
    CannotGoOn(String),
}

/// What people, or whoever answers for them, say while something goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// Nothing.
    Nothing,
    /// What was asked for has been done.
    Done,
    /// The step is not to be done; why.
    Skip(String),
    /// It is enough for now.
    Stop,
}

/// Which steps are done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// All on which nothing was decided yet, in order.
    Open,
    /// One, also if it was done before.
    One(Step),
}

/// What happens.
#[derive(Debug)]
pub enum Event<'a> {
    /// A step begins: the how-manieth of how many in the record.
    Begins {
        /// Which.
        step: &'a Step,
        /// Counted from 1.
        number: usize,
        /// All of them.
        of: usize,
    },
    /// Somebody has to do something now: see [`Step::to_do`]. It is recognised when it shows; only if it
    /// does not show is [`Said::Done`] needed.
    Inject {
        /// What.
        step: &'a Step,
        /// Whether the host that directs is the one that fails: this program ends with it, and the
        /// procedure is to be resumed afterwards.
        director_dies: bool,
    },
    /// It was recognised what happened: a sentence.
    Recognised(&'a str),
    /// Another host goes on; the one that failed is to be brought back, and [`Said::Done`] to be said
    /// when it is.
    Return {
        /// Which step.
        step: &'a Step,
    },
    /// The files are verified.
    Verifying,
    /// The appending copies.
    Work {
        /// On which host.
        host: &'a str,
        /// What happens there.
        event: integrity::Event<'a>,
    },
    /// A step has ended; what came of it is in the record.
    Ended {
        /// Which.
        step: &'a Step,
        /// How far it is now.
        state: State,
        /// What was tried last.
        attempt: Option<&'a Attempt>,
    },
}

/// Who does what this library does not: other phases, connections, and speaking with people.
pub trait Crew {
    /// Makes the checks of a phase: [`Phase::Environment`], [`Phase::Basic`], [`Phase::Concurrent`] or
    /// [`Phase::Waiting`], on all hosts that it is about.
    ///
    /// # Errors
    ///
    /// If the run was asked to end, or cannot go on.
    fn checks(&mut self, phase: Phase) -> Result<Vec<Finding>, Halt>;

    /// Formats the files: what was found, and the run that names them. Files of this size that are there
    /// already are formatted anew.
    ///
    /// # Errors
    ///
    /// As [`Crew::checks`].
    fn format(&mut self) -> Result<(Vec<Finding>, String), Halt>;

    /// A stage with `host` as its first place, and another host as its second one; one of two other hosts if
    /// that one cannot be reached; of a single host if there is no second one. An empty `host` is
    /// whichever directs. Connections that were lost are made anew.
    ///
    /// # Errors
    ///
    /// If no host can be reached.
    fn stage(&mut self, host: &str) -> Result<&Stage, Halt>;

    /// The name of the host that directs, and the kernel's id of its boot; that is empty if unknown.
    fn here(&self) -> (String, String);

    /// What was said since the last time. It does not wait.
    fn said(&mut self) -> Said;

    /// Is told what happens.
    fn on(&mut self, event: Event<'_>);
}

/// Goes through the steps that are selected. After each one the record is written.
///
/// # Errors
///
/// Why it ended before all was done.
pub fn run(
    record: &mut Record,
    selection: &Selection,
    patience: Patience,
    crew: &mut dyn Crew,
) -> Result<(), Halt> {
    resume(record, patience, crew)?;
    let steps = match selection {
        Selection::Open => record.open_steps(),
        Selection::One(step) => vec![step.clone()],
    };
    for step in steps {
        let id = step.to_string();
        let number = record.steps.iter().position(|entry| entry.step == id).unwrap_or_default() + 1;
        crew.on(Event::Begins { step: &step, number, of: record.steps.len() });
        let done = one(record, &step, patience, crew);
        if let Err(halt) = done {
            // Nothing was found out, so it is to be done again.
            let entry = record.entry_mut(&step);
            if entry.state == State::Running {
                entry.state = State::Open;
            }
            failure::save(record)?;
            return Err(halt);
        }
        failure::save(record)?;
        if let Some(entry) = record.entry(&step) {
            let (state, attempt) = (entry.state, entry.attempts.last());
            crew.on(Event::Ended { step: &step, state, attempt });
        }
    }
    Ok(())
}

fn attempt(record: &Record, crew: &dyn Crew) -> Attempt {
    let (director, boot) = crew.here();
    let last =
        record.steps.iter().flat_map(|entry| &entry.attempts).filter_map(|a| a.known.clone());
    let known = last.filter(|known| known.run == record.run).max_by_key(|known| known.sequence);
    Attempt { started: clock::utc_now().0, director, boot, known, ..Attempt::default() }
}

fn one(
    record: &mut Record,
    step: &Step,
    patience: Patience,
    crew: &mut dyn Crew,
) -> Result<(), Halt> {
    let mut attempt = attempt(record, crew);
    match step.action.phase() {
        Some(Phase::Format) => {
            record.entry_mut(step).begin(attempt.clone());
            let (findings, run) = crew.format()?;
            record.run = run;
            attempt.known = None;
            attempt.findings = findings;
        }
        Some(phase) => {
            record.entry_mut(step).begin(attempt.clone());
            attempt.findings = crew.checks(phase)?;
        }
        None => {
            if record.run.is_empty() {
                let why = format!("{step} needs the files of the integrity test: do format first");
                return Err(Halt::CannotGoOn(why));
            }
            match failure::play(step, attempt, record, patience, crew)? {
                Some(done) => attempt = done,
                None => return Ok(()),
            }
        }
    }
    record.entry_mut(step).end(attempt);
    Ok(())
}

/// Ends steps that were under way when the checker ended: if its host has been restarted since, that was
/// the failure, and what is there now tells the rest.
fn resume(record: &mut Record, patience: Patience, crew: &mut dyn Crew) -> Result<(), Halt> {
    let running = record.steps.iter().filter(|entry| entry.state == State::Running);
    let running: Vec<_> = running.filter_map(|entry| Step::of(&entry.step)).collect();
    let (here, boot) = crew.here();
    for step in running {
        let last = record.entry(&step).and_then(|entry| entry.attempts.last()).cloned();
        let before = last.unwrap_or_default();
        let died = matches!(step.action, Action::HostReset | Action::HostPower | Action::HostOff)
            && step.host == here
            && before.director == here
            && !boot.is_empty()
            && !before.boot.is_empty()
            && before.boot != boot;
        if !died {
            record.entry_mut(&step).state = State::Open;
            continue;
        }
        let text = format!("{here} was restarted while it appended.");
        crew.on(Event::Recognised(&text));
        let survey = failure::verify(&here, before.known.as_ref(), patience, crew)?;
        let attempt = after_restart(&step, before, text, &survey);
        record.entry_mut(&step).end(attempt);
        failure::save(record)?;
        if let Some(entry) = record.entry(&step) {
            let (state, attempt) = (entry.state, entry.attempts.last());
            crew.on(Event::Ended { step: &step, state, attempt });
        }
    }
    failure::save(record)
}

fn after_restart(
    step: &Step,
    mut attempt: Attempt,
    text: String,
    survey: &Result<integrity::Survey, integrity::Problem>,
) -> Attempt {
    let mut told = match survey {
        Ok(survey) => judge::of_survey(survey),
        Err(problem) => judge::of_problem(problem).into_iter().collect(),
    };
    told.push(("int.recover", Told::pass(text.clone())));
    attempt.recognised.push(text);
    // A copy that was started by hand on another host has noted how long it took.
    let takeover = survey.as_ref().ok().and_then(|survey| survey.takeovers.last());
    let other = takeover.filter(|takeover| {
        takeover.host != step.host && takeover.from == step.host && !takeover.orderly
    });
    attempt.takeover_seconds = other.and_then(|takeover| takeover.seconds);
    if let Some(seconds) = attempt.takeover_seconds {
        told.push(("int.takeover", judge::of_takeover(seconds, false)));
    } else {
        let not = "how long it takes until another host has the lock: direct this step from there";
        attempt.not_shown.push(not.to_owned());
    }
    let hosts = [step.host.clone()];
    let findings = integrity::findings(told, Phase::Failure, &hosts);
    attempt.findings = failure::named(findings, step);
    attempt
}
