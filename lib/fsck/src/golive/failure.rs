//! A failure: pages are appended on one host, another one waits, something is done to one of them or to
//! the file server, and it is watched what comes of it.

mod outcome;
mod side;

use std::time::Duration;

use miqm_sys::clock::{BootInstant, sleep};

use super::procedure::{Crew, Event, Halt, Said};
use super::record::{Attempt, Record};
use super::step::{Action, Step};
use crate::integrity::job::Known;
use crate::integrity::{self, Patience};
use crate::stage::{Place, Trouble};
use outcome::Story;
pub(super) use outcome::named;
use side::{Doing, Side};

/// How many sequences show that somebody goes on.
const ENOUGH: u64 = 20;
/// How long is appended at least before anything is done.
const WARM_UP: Duration = Duration::from_secs(2);
/// A holder without an answer for so long has met the failure.
const STALL: Duration = Duration::from_secs(3);
/// How often the record is brought up to date.
const SAVE: Duration = Duration::from_secs(1);
/// How long the end of a holder that came back is watched.
const AFTER: Duration = Duration::from_secs(3);
/// How long a lock may take to become free for the verification.
const FREE: Duration = Duration::from_mins(2);

/// How far the step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scene {
    /// Until somebody appends and, with two hosts, the other one waits.
    Beginning,
    /// Until the failure shows.
    Injecting,
    /// Until somebody goes on.
    Recovering,
    /// Until the one that failed is back.
    Returning,
    /// A moment more.
    Closing(BootInstant),
    /// Nothing more to see.
    Over,
}

/// Plays a step; what came of it. `Ok(None)` if it is to be skipped; the reason was noted.
pub(super) fn play(
    step: &Step,
    attempt: Attempt,
    record: &mut Record,
    patience: Patience,
    crew: &mut dyn Crew,
) -> Result<Option<Attempt>, Halt> {
    let stage = crew.stage(&step.host)?;
    let by_hand = step.action.is_of_host() && stage.host_name(Place::First) != step.host;
    let side = |place| Side::new(stage, place, patience).map_err(|error| halt(&error));
    let (holder, other) = match (by_hand, stage.two_hosts()) {
        (false, true) => (Some(side(Place::First)?), Some(side(Place::Second)?)),
        (false, false) => (Some(side(Place::First)?), None),
        (true, _) => (None, Some(side(Place::First)?)),
    };
    let mut attempt = attempt;
    attempt.holder = holder.as_ref().map_or(step.host.clone(), |side| side.host.clone());
    let known = attempt.known.clone();
    let story = Story { attempt, ..Story::default() };
    let now = BootInstant::now();
    let mut play = Play {
        step,
        patience,
        holder,
        other,
        known,
        acknowledged: None,
        scene: Scene::Beginning,
        since: now,
        saved: now,
        story,
    };
    record.entry_mut(step).begin(play.story.attempt.clone());
    save(record)?;
    let skipped = play.watch(record, crew)?;
    if skipped {
        return Ok(None);
    }
    play.close(crew).map(Some)
}

/// Why a step cannot go on.
pub(super) fn halt(trouble: &Trouble) -> Halt {
    match trouble {
        Trouble::Asked => Halt::Asked,
        Trouble::Lost(lost) => {
            Halt::CannotGoOn(format!("host {} was lost: {}", lost.host, lost.why))
        }
        Trouble::Refused(evidence) | Trouble::Stuck(evidence) | Trouble::Died(evidence) => {
            Halt::CannotGoOn(format!("{}: {}", evidence.call, evidence.note))
        }
    }
}

pub(super) fn save(record: &Record) -> Result<(), Halt> {
    record.save().map_err(|error| Halt::CannotGoOn(error.to_string()))
}

struct Play<'a> {
    step: &'a Step,
    patience: Patience,
    holder: Option<Side>,
    other: Option<Side>,
    /// The best that is known to have been acknowledged, and when that was heard.
    known: Option<Known>,
    acknowledged: Option<BootInstant>,
    scene: Scene,
    /// Since when this scene is on.
    since: BootInstant,
    saved: BootInstant,
    story: Story,
}

impl Play<'_> {
    /// Watches until there is nothing more to see; whether the step is to be skipped.
    fn watch(&mut self, record: &mut Record, crew: &mut dyn Crew) -> Result<bool, Halt> {
        while self.scene != Scene::Over {
            self.turn(crew)?;
            match crew.said() {
                Said::Nothing => {}
                Said::Stop => {
                    self.leave();
                    return Err(Halt::Stopped);
                }
                Said::Skip(reason) => {
                    self.leave();
                    record.skip(self.step, &reason);
                    save(record)?;
                    return Ok(true);
                }
                Said::Done => self.done_said(),
            }
            self.advance(crew)?;
            if self.saved.elapsed() >= SAVE {
                self.saved = BootInstant::now();
                self.story.attempt.known.clone_from(&self.known);
                if let Some(last) = record.entry_mut(self.step).attempts.last_mut() {
                    last.clone_from(&self.story.attempt);
                }
                save(record)?;
            }
        }
        Ok(false)
    }

    /// Ends what goes on in order.
    fn leave(&mut self) {
        for side in [&mut self.holder, &mut self.other].into_iter().flatten() {
            side.finish();
        }
    }

    /// Lets both go on for a moment.
    fn turn(&mut self, crew: &mut dyn Crew) -> Result<(), Halt> {
        let known = self.known.clone().map(|known| {
            let idle = self.acknowledged.map(|at| at.elapsed().as_millis());
            Known { idle_ms: idle.and_then(|ms| u64::try_from(ms).ok()), ..known }
        });
        let (mut idle, mut asked) = (true, false);
        for side in [&mut self.holder, &mut self.other].into_iter().flatten() {
            idle &= side.doing == Doing::Over;
            let before = side.sequence();
            let mut on = |host: &str, event: integrity::Event<'_>| {
                crew.on(Event::Work { host, event });
            };
            asked |= side.turn(known.as_ref(), &mut on).is_err();
            if side.sequence() > before || side.just_taken() {
                self.known = side.known().or(self.known.take());
                self.acknowledged = Some(BootInstant::now());
            }
        }
        if asked {
            self.leave();
            return Err(Halt::Asked);
        }
        if idle {
            sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    fn set(&mut self, scene: Scene) {
        self.scene = scene;
        self.since = BootInstant::now();
    }

    /// Somebody says that what was asked for has been done.
    fn done_said(&mut self) {
        match self.scene {
            Scene::Injecting => {
                self.story.recognise("It was said to be done; nothing was noticed.");
                self.story.unnoticed = true;
                self.set(Scene::Recovering);
            }
            Scene::Returning => self.set(Scene::Closing(BootInstant::now())),
            _ => {}
        }
    }

    fn advance(&mut self, crew: &mut dyn Crew) -> Result<(), Halt> {
        self.look_for_two_holders();
        match self.scene {
            Scene::Beginning => self.begin(crew),
            Scene::Injecting => {
                self.recognise(crew);
                Ok(())
            }
            Scene::Recovering => self.recover(crew),
            Scene::Returning => {
                let back = self
                    .holder
                    .as_ref()
                    .is_some_and(|holder| holder.doing == Doing::Over && holder.told_of_loss());
                if back {
                    let text = "The old holder is back, and was told that its lock is lost.";
                    self.tell(crew, text);
                    self.set(Scene::Closing(BootInstant::now()));
                }
                Ok(())
            }
            Scene::Closing(since) => {
                if since.elapsed() >= AFTER {
                    self.scene = Scene::Over;
                }
                Ok(())
            }
            Scene::Over => Ok(()),
        }
    }

    fn tell(&mut self, crew: &mut dyn Crew, text: &str) {
        self.story.recognise(text);
        crew.on(Event::Recognised(text));
    }

    fn begin(&mut self, crew: &mut dyn Crew) -> Result<(), Halt> {
        for side in [&self.holder, &self.other].into_iter().flatten() {
            if side.doing == Doing::Over {
                self.story.problem.clone_from(&side.problem);
                self.scene = Scene::Over;
                return Ok(());
            }
        }
        let holds = match &self.holder {
            Some(holder) => holder.doing == Doing::Writing && holder.count >= ENOUGH,
            None => self.other.as_ref().is_some_and(|other| other.seen > 0),
        };
        let waits = self.other.as_ref().is_none_or(|other| other.doing == Doing::Waiting);
        if self.holder.is_none()
            && self.other.as_ref().is_some_and(|other| other.doing == Doing::Writing)
        {
            let why =
                format!("no copy on {} holds the lock: start one there with -a", self.step.host);
            self.leave();
            return Err(Halt::CannotGoOn(why));
        }
        if self.since.elapsed() >= self.patience.lock {
            self.leave();
            return Err(Halt::CannotGoOn("nobody could begin to append".into()));
        }
        if !(holds && waits && self.since.elapsed() >= WARM_UP) {
            return Ok(());
        }
        self.set(Scene::Injecting);
        if self.step.action == Action::Kill
            && let Some(holder) = &mut self.holder
        {
            holder.kill();
            self.tell(crew, "The process that held the lock was killed.");
            self.set(Scene::Recovering);
            return Ok(());
        }
        let dies = self.step.host == self.story.attempt.director
            && !matches!(self.step.action, Action::HostNetwork);
        crew.on(Event::Inject { step: self.step, director_dies: dies });
        Ok(())
    }

    /// Whether the failure shows.
    fn recognise(&mut self, crew: &mut dyn Crew) {
        let text = if let Some(other) = self.other.as_ref().filter(|other| other.took()) {
            format!("{} was granted the lock.", other.host)
        } else {
            let Some(holder) = &self.holder else { return };
            match &holder.problem {
                Some(why) => format!("{}: {why}.", holder.host),
                None if holder.waiting() >= STALL => {
                    format!("{} has no answer from the storage.", holder.host)
                }
                None => return,
            }
        };
        self.tell(crew, &text);
        self.set(Scene::Recovering);
    }

    /// Whether somebody goes on.
    fn recover(&mut self, crew: &mut dyn Crew) -> Result<(), Halt> {
        if let Some(other) = self.other.as_ref().filter(|other| other.took()) {
            if other.count >= ENOUGH {
                self.story.took_over(other, self.step);
                let text = self.story.taken_text();
                self.tell(crew, &text);
                let back = self.step.action.is_of_host() && self.step.action != Action::Kill;
                if back {
                    crew.on(Event::Return { step: self.step });
                }
                self.set(if back { Scene::Returning } else { Scene::Over });
            }
            return Ok(());
        }
        let other_gone = self.other.as_ref().is_none_or(|other| other.doing == Doing::Over);
        if let Some(holder) = &mut self.holder {
            if holder.doing == Doing::Over && other_gone {
                return self.again(crew);
            }
            let goes_on = holder.doing == Doing::Writing && holder.waiting() < STALL;
            if goes_on && holder.count >= holder.mark.saturating_add(ENOUGH) {
                self.story.went_on = true;
                self.story.stalls(holder);
                let text = self.story.went_on_text();
                self.tell(crew, &text);
                self.scene = Scene::Over;
                return Ok(());
            }
            if !goes_on {
                // What is counted is what comes after it.
                holder.mark = holder.count;
            }
        } else if other_gone {
            self.scene = Scene::Over;
        }
        if self.since.elapsed() >= self.patience.stuck {
            self.tell(crew, "Nobody went on in the time that was given.");
            self.scene = Scene::Over;
        }
        Ok(())
    }

    /// There is no other host, and the holder is gone: another process of the host that is left.
    fn again(&mut self, crew: &mut dyn Crew) -> Result<(), Halt> {
        if let Some(holder) = &self.holder {
            self.story.stalls(holder);
            self.story.problem = self.story.problem.take().or_else(|| holder.problem.clone());
        }
        if self.since.elapsed() >= self.patience.stuck {
            self.tell(crew, "Nobody could take the lock in the time that was given.");
            self.scene = Scene::Over;
            return Ok(());
        }
        match crew.stage("").and_then(|stage| {
            Side::new(stage, Place::First, self.patience).map_err(|error| halt(&error))
        }) {
            Ok(mut side) => {
                side.instead = true;
                self.other = Some(side);
                Ok(())
            }
            Err(Halt::CannotGoOn(_)) => {
                sleep(Duration::from_secs(1));
                Ok(())
            }
            Err(halt) => Err(halt),
        }
    }

    /// The one thing that must never be: both go on.
    fn look_for_two_holders(&mut self) {
        let (Some(holder), Some(other)) = (&mut self.holder, &self.other) else { return };
        if !other.took() || holder.doing != Doing::Writing {
            return;
        }
        match holder.count_at_loss {
            None => holder.count_at_loss = Some(holder.sequence()),
            Some(then) if holder.sequence() > then.saturating_add(1) => {
                self.story.two_holders = true;
            }
            Some(_) => {}
        }
    }

    /// Ends both, verifies, and judges.
    fn close(mut self, crew: &mut dyn Crew) -> Result<Attempt, Halt> {
        if let Some(holder) = &self.holder {
            self.story.stalls(holder);
        }
        self.leave();
        let hosts: Vec<_> = [&self.holder, &self.other].into_iter().flatten().collect();
        let hosts: Vec<_> = hosts.iter().map(|side| side.host.clone()).collect();
        // Of the one that is sure to be there; nothing of the failed ones is left open.
        let alive = self.other.as_ref().filter(|other| other.took()).or(self.holder.as_ref());
        let place = alive.map(|side| side.host.clone()).unwrap_or_default();
        drop((self.holder.take(), self.other.take()));
        self.story.attempt.known.clone_from(&self.known);
        let survey = verify(&place, self.known.as_ref(), self.patience, crew)?;
        Ok(self.story.judge(self.step, &survey, &hosts))
    }
}

/// Verifies, as soon as the locks are free.
pub(super) fn verify(
    host: &str,
    known: Option<&Known>,
    patience: Patience,
    crew: &mut dyn Crew,
) -> Result<Result<integrity::Survey, integrity::Problem>, Halt> {
    let until = BootInstant::now().saturating_add(FREE);
    loop {
        crew.on(Event::Verifying);
        let stage = crew.stage(host)?;
        let result = {
            let mut quiet = |_: integrity::Event<'_>| {};
            integrity::drive::verify(stage, Place::First, known.cloned(), patience, &mut quiet)
        };
        match result.map_err(|error| halt(&error))? {
            Err(integrity::Problem::InUse { .. }) if !until.left().is_zero() => {
                sleep(Duration::from_secs(1));
            }
            verified => return Ok(verified),
        }
    }
}
