//! What a failure came to.

use super::side::Side;
use crate::finding::{Evidence, Finding, Series, Told, Verdict};
use crate::golive::record::Attempt;
use crate::golive::step::{Action, Step};
use crate::integrity::drive::Stall;
use crate::integrity::{self, Problem, Survey, judge};
use crate::report::Phase;

/// What was seen.
#[derive(Debug, Default)]
pub(super) struct Story {
    pub(super) attempt: Attempt,
    /// The failure was said to have been injected, and nothing was noticed.
    pub(super) unnoticed: bool,
    /// The holder goes on.
    pub(super) went_on: bool,
    /// Another one has the lock: who, and whether it is another process of a host without a partner.
    pub(super) taken: Option<(String, bool)>,
    /// Both went on.
    pub(super) two_holders: bool,
    /// Why the holder ended.
    pub(super) problem: Option<String>,
    pub(super) stalls: Vec<Stall>,
}

impl Story {
    pub(super) fn recognise(&mut self, text: &str) {
        self.attempt.recognised.push(text.to_owned());
    }

    /// Takes over for how long the holder had no answer.
    pub(super) fn stalls(&mut self, side: &Side) {
        if side.stalls().len() > self.stalls.len() {
            self.stalls = side.stalls().to_vec();
        }
        let now = side.waiting().as_secs_f64();
        let longest = self.stalls.iter().map(|stall| stall.seconds).fold(now, f64::max);
        // What is shorter than a look at it says nothing.
        if longest >= 1.0 {
            self.attempt.stalled_seconds = self.attempt.stalled_seconds.max(longest);
        }
    }

    pub(super) fn took_over(&mut self, other: &Side, step: &Step) {
        self.taken = Some((other.host.clone(), other.instead));
        let seconds = other.takeover.as_ref().and_then(|takeover| takeover.seconds);
        if step.action.is_of_host() || !other.instead {
            self.attempt.takeover_seconds = seconds;
        }
    }

    pub(super) fn taken_text(&self) -> String {
        let who = self.taken.as_ref().map_or("", |(host, _)| host);
        match self.attempt.takeover_seconds {
            Some(seconds) => {
                format!("{who} has the lock, {seconds:.1} s after the last sign of the old holder.")
            }
            None => format!("{who} has the lock."),
        }
    }

    pub(super) fn went_on_text(&self) -> String {
        let seconds = self.attempt.stalled_seconds;
        if seconds > 0.0 {
            format!("The holder went on after {seconds:.1} s without an answer.")
        } else {
            "The holder went on all the time.".to_owned()
        }
    }

    /// Verdicts, from what was seen and what was found in the files.
    pub(super) fn judge(
        mut self,
        step: &Step,
        verified: &Result<Survey, Problem>,
        hosts: &[String],
    ) -> Attempt {
        let mut told = match verified {
            Ok(survey) => judge::of_survey(survey),
            Err(problem) => judge::of_problem(problem).into_iter().collect(),
        };
        // What holds in every step is said once; what does not is said each time.
        let always = ["int.acknowledged", "int.epoch", "int.witness"];
        told.retain(|(id, told)| match told.verdict {
            _ if always.contains(id) => true,
            Verdict::Pass | Verdict::NotApplicable => false,
            Verdict::NotTested => verified.is_err(),
            Verdict::Warning | Verdict::Fail => true,
        });
        told.push(("int.recover", self.recover(step)));
        if self.two_holders {
            let text = "Both copies appended at the same time, each with the lock.";
            told.push(("int.lock", Told::fail(text)));
        }
        match self.attempt.takeover_seconds {
            Some(seconds) => {
                let name = format!("takeover, {step}");
                let place = hosts.join(" to ");
                let series = Series { name, place, seconds: vec![seconds] };
                told.push(("int.takeover", judge::of_takeover(seconds, false).measured(series)));
            }
            None if step.action.is_of_host() => {
                let not = "how long it takes until another host has the lock";
                self.attempt.not_shown.push(not.to_owned());
            }
            None => {}
        }
        self.attempt.findings = named(integrity::findings(told, Phase::Failure, hosts), step);
        self.attempt
    }

    fn recover(&self, step: &Step) -> Told {
        let what = step.title();
        let told = match &self.taken {
            Some((_, true)) if !step.action.is_of_host() => Told::warning(format!(
                "After {what} the holder did not go on; another process could."
            )),
            Some((host, _)) if !step.action.is_of_host() => {
                Told::warning(format!("After {what} the holder did not go on; {host} took over."))
            }
            Some((_, true)) if step.action == Action::Kill => {
                Told::pass(format!("After {what} another process took over."))
            }
            Some((host, _)) => Told::pass(format!("After {what}, {host} took over.")),
            None if self.went_on && self.unnoticed => {
                let text = format!("That {what} was said, and nothing was noticed of it.");
                Told::warning(text)
            }
            None if self.went_on => Told::pass(format!("After {what} the holder went on.")),
            None => {
                let why = self.problem.clone().unwrap_or_else(|| "no reason was told".to_owned());
                let text = format!("After {what} nobody could go on: {why}.");
                if self.attempt.recognised.is_empty() {
                    // It did not come to the failure.
                    Told::not_tested(format!("It could not be begun: {why}."))
                } else {
                    Told::fail(text)
                }
            }
        };
        let notes =
            self.attempt.recognised.iter().map(|text| Evidence::note(text.trim_end_matches('.')));
        let stalls = self.stalls.iter().map(|stall| {
            let note = format!("no answer after sequence {}", stall.sequence);
            Evidence::note(note).seconds(stall.seconds)
        });
        told.with_all(notes).with_all(stalls)
    }
}

/// With the step before what was found, as the same checks are made in many steps.
pub(in crate::golive) fn named(mut findings: Vec<Finding>, step: &Step) -> Vec<Finding> {
    for found in &mut findings {
        found.summary = format!("{step}: {}", found.summary);
        // That nothing could be found out is what keeps a step open.
        found.required |= found.check == "int.recover";
    }
    findings
}
