//! What the two copies do about the lock that people release.

use std::time::Duration;

use miqm_sys::clock::BootInstant;

use super::{EVERY_MS, Event, FILE};
use crate::finding::{Evidence, Series, Told};
use crate::wire::Manual;

/// How long things may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Until people have released the lock. Then it is released without them.
    pub people: Duration,
    /// From the release, or the last sign of life of the holder, until the other copy has the lock.
    pub take_over: Duration,
    /// Until a word of the other copy arrives.
    pub word: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            people: Duration::from_mins(30),
            // Twice the longest usual lease.
            take_over: Duration::from_mins(3),
            word: Duration::from_secs(30),
        }
    }
}

/// What people are told while the lock changes hands.
#[derive(Clone, Debug, PartialEq)]
pub enum Scene {
    /// This copy got the lock at once, and holds it until all else is over.
    Holds,
    /// Another copy holds the lock, so this one waits for it.
    Waits,
    /// The lock cannot be had; why, as a sentence without a full stop.
    Cannot(String),
    /// This copy holds the lock: press ENTER, or kill this copy or its host.
    Press,
    /// The other copy holds it: it is to be released there.
    Wait,
    /// This copy has released it.
    Released,
    /// The other copy says that it has.
    OtherReleased,
    /// The other copy is gone; why.
    OtherGone(String),
    /// This copy has the lock now.
    Got,
    /// The other copy says that it has it.
    OtherGot,
}

/// What is to be done after a step.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Step {
    /// What is to be said to the other copy.
    pub(super) say: Option<Manual>,
    /// What people are to be told.
    pub(super) scene: Option<Scene>,
    /// What came of it. It is over.
    pub(super) told: Option<Told>,
}

/// What is known of the lock on the other copy's side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Theirs {
    Unknown,
    Held,
    Waiting,
    Released(BootInstant),
    Got,
    Cannot,
    /// Since when there was no sign of life.
    Gone(BootInstant),
}

/// The play of the two copies, from the side of one of them: it is told what happens, and says what to
/// do. Both copies play the same.
#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is something that happens once, in any order"
)]
pub(super) struct Play {
    limits: Limits,
    began: BootInstant,
    mine: Mine,
    theirs: Theirs,
    /// Whether all automatic checks are over.
    begun: bool,
    said: bool,
    shown: bool,
    why_gone: String,
    pressed: bool,
    told_released: bool,
    told_got: bool,
}

/// What this copy has of the lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mine {
    Unknown,
    Held,
    Waiting,
    Released(BootInstant),
    /// Since when it has the lock that the other copy had.
    Got(BootInstant),
    Cannot,
}

impl Play {
    /// A play that has not begun.
    pub(super) fn new(limits: Limits, now: BootInstant) -> Self {
        Self {
            limits,
            began: now,
            mine: Mine::Unknown,
            theirs: Theirs::Unknown,
            begun: false,
            said: false,
            shown: false,
            why_gone: String::new(),
            pressed: false,
            told_released: false,
            told_got: false,
        }
    }

    /// All automatic checks are over.
    pub(super) fn begin(&mut self, now: BootInstant) {
        (self.begun, self.began) = (true, now);
    }

    /// Something became of the lock on this side.
    pub(super) fn lock(&mut self, event: &Event, now: BootInstant) {
        self.mine = match event {
            Event::Held => Mine::Held,
            Event::Waiting => Mine::Waiting,
            Event::Got => Mine::Got(now),
            Event::Cannot(_) => Mine::Cannot,
        };
    }

    /// The other copy said something.
    pub(super) fn heard(&mut self, what: &Manual, now: BootInstant) {
        self.theirs = match what {
            Manual::Begin => return self.begin(now),
            Manual::Held => Theirs::Held,
            Manual::Waiting => Theirs::Waiting,
            Manual::Released => Theirs::Released(now),
            Manual::Got => Theirs::Got,
            Manual::Cannot => Theirs::Cannot,
        };
    }

    /// The other copy is gone; its last sign of life was at `since`.
    pub(super) fn lost(&mut self, why: &str, since: BootInstant) {
        if !matches!(self.theirs, Theirs::Gone(_)) {
            self.theirs = Theirs::Gone(since);
            why.clone_into(&mut self.why_gone);
            self.shown = false;
        }
    }

    /// ENTER was pressed, or there is nobody who could.
    pub(super) fn pressed(&mut self) {
        self.pressed = true;
    }

    pub(super) fn decide(&mut self, now: BootInstant, let_go: &mut dyn FnMut()) -> Step {
        if let Theirs::Gone(since) = self.theirs {
            return self.alone(since, now);
        }
        if !self.begun {
            return Step::default();
        }
        if self.mine == Mine::Cannot {
            let told = Some(Told::not_tested("The lock cannot be had, or was lost, on this side."));
            return Step { say: Some(Manual::Cannot), told, scene: None };
        }
        if self.theirs == Theirs::Cannot {
            return over(Told::not_tested(
                "The lock cannot be had, or was lost, on the other side.",
            ));
        }
        if !self.said {
            let say = match self.mine {
                Mine::Held => Manual::Held,
                Mine::Waiting => Manual::Waiting,
                // It got it although the other copy did not release it, or that is not known yet.
                Mine::Got(_) => Manual::Got,
                _ if self.is_late(self.limits.word, now) => {
                    return over(Told::not_tested("The storage does not answer for the lock."));
                }
                _ => return Step::default(),
            };
            self.said = true;
            return Step { say: Some(say), ..Step::default() };
        }
        match self.mine {
            Mine::Held => self.holder(now, let_go),
            Mine::Released(at) => self.releaser(at, now),
            Mine::Waiting => self.waiter(now),
            Mine::Got(at) => self.taker(at, now),
            Mine::Unknown | Mine::Cannot => Step::default(),
        }
    }

    fn is_late(&self, limit: Duration, now: BootInstant) -> bool {
        now.since(self.began) >= limit
    }

    fn show(&mut self, scene: Scene) -> Step {
        let first = !std::mem::replace(&mut self.shown, true);
        Step { scene: first.then_some(scene), ..Step::default() }
    }

    fn holder(&mut self, now: BootInstant, let_go: &mut dyn FnMut()) -> Step {
        match self.theirs {
            Theirs::Held | Theirs::Got => {
                let note =
                    "each of the two copies was told that it holds the lock of the whole file";
                let evidence = Evidence::note(note).file(FILE);
                let told = Told::fail("Both hosts hold the same exclusive lock.").with(evidence);
                // The other one is told, so that it says the same.
                Step { say: Some(Manual::Held), told: Some(told), ..Step::default() }
            }
            Theirs::Waiting if self.pressed || self.is_late(self.limits.people, now) => {
                let_go();
                self.mine = Mine::Released(now);
                let (say, scene) = (Some(Manual::Released), Some(Scene::Released));
                Step { say, scene, told: None }
            }
            Theirs::Waiting => self.show(Scene::Press),
            _ if self.is_late(self.limits.word, now) => {
                over(Told::not_tested("The other copy does not say whether it waits for the lock."))
            }
            _ => Step::default(),
        }
    }

    fn releaser(&self, at: BootInstant, now: BootInstant) -> Step {
        let limit = self.limits.take_over.saturating_add(self.limits.word);
        match self.theirs {
            Theirs::Got => {
                let told =
                    Told::pass("The other copy got the lock after it had been released here.");
                Step { scene: Some(Scene::OtherGot), told: Some(told), ..Step::default() }
            }
            _ if now.since(at) >= limit => over(not_taken("the other copy", limit)),
            _ => Step::default(),
        }
    }

    fn waiter(&mut self, now: BootInstant) -> Step {
        match self.theirs {
            Theirs::Held => self.show(Scene::Wait),
            Theirs::Released(at) if now.since(at) >= self.limits.take_over => {
                over(not_taken("this copy", self.limits.take_over))
            }
            Theirs::Released(_) => {
                let first = !std::mem::replace(&mut self.told_released, true);
                Step { scene: first.then_some(Scene::OtherReleased), ..Step::default() }
            }
            Theirs::Waiting => over(Told::not_tested(
                "Neither copy has the lock: somebody else has locked the file.",
            )),
            _ if self.is_late(self.limits.word, now) => {
                over(Told::not_tested("The other copy does not say whether it holds the lock."))
            }
            _ => Step::default(),
        }
    }

    fn taker(&mut self, at: BootInstant, now: BootInstant) -> Step {
        match self.theirs {
            Theirs::Released(since) => {
                let seconds = at.since(since).as_secs_f64();
                let text =
                    format!("The lock came {seconds:.3} s after the other copy released it.");
                let told = Told::pass(text).measured(series(seconds));
                let (say, scene) = (Some(Manual::Got), Some(Scene::Got));
                Step { say, scene, told: Some(told) }
            }
            // It may have released the lock a moment ago; if not, it says again that it holds it.
            Theirs::Held if now.since(at) >= self.limits.word => {
                let text =
                    "The lock was granted here although the other copy, which is alive, holds it.";
                over(
                    Told::fail(text)
                        .with(Evidence::note("it did not say that it let it go").file(FILE)),
                )
            }
            Theirs::Waiting | Theirs::Got => {
                over(Told::not_tested("The lock was not held by the other copy."))
            }
            _ if now.since(at) >= self.limits.word => {
                over(Told::not_tested("The other copy does not say whether it released the lock."))
            }
            // If it did not release it, it must know.
            _ => {
                let first = !std::mem::replace(&mut self.told_got, true);
                Step { say: first.then_some(Manual::Got), ..Step::default() }
            }
        }
    }

    /// The other copy is gone.
    fn alone(&mut self, since: BootInstant, now: BootInstant) -> Step {
        let lost = "Host of the other copy or the copy itself was lost";
        match self.mine {
            Mine::Got(at) => {
                let seconds = at.since(since).as_secs_f64();
                let text = format!(
                    "The lock came {seconds:.3} s after the last sign of life of the copy that held it."
                );
                let told = if self.begun && self.said {
                    Told::pass(text)
                } else {
                    Told::not_tested(format!("{lost} before all else was tested. {text}"))
                };
                let told = Some(told.measured(series(seconds)));
                Step { scene: Some(Scene::Got), told, say: None }
            }
            Mine::Waiting if now.since(since) >= self.limits.take_over => {
                over(not_taken("this copy", self.limits.take_over))
            }
            Mine::Waiting => {
                let why = self.why_gone.clone();
                self.show(Scene::OtherGone(why))
            }
            // What it would have taken over is still held here.
            _ => over(Told::not_tested(format!("{lost}: {}.", self.why_gone))),
        }
    }
}

fn over(told: Told) -> Step {
    Step { told: Some(told), ..Step::default() }
}

fn not_taken(who: &str, limit: Duration) -> Told {
    let seconds = limit.as_secs_f64();
    let evidence = Evidence::note(format!("{who} asked for it every {EVERY_MS} ms")).file(FILE);
    Told::fail(format!("The lock was released {seconds:.0} s ago, and {who} has not got it."))
        .with(evidence.seconds(seconds))
}

fn series(seconds: f64) -> Series {
    Series { name: "take-over by hand".into(), place: String::new(), seconds: vec![seconds] }
}

#[cfg(test)]
mod tests;
