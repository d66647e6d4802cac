//! Short plays about locks: processes at the two places, one step after the other.
//!
//! A step is a call of one process and what must come of it. Between two hosts the steps that one
//! process makes in a row are one message. What must hold at once is asked once; what may come late,
//! because something was given back or made before, is asked again until its limit.

use std::time::Duration;

use miqm_sys::clock::{BootInstant, sleep};
use miqm_sys::lock::Range;
use miqm_sys::probe::{Family, How, Kind};

use super::meaning;
use crate::call::{Burst, Bytes, CONFLICT, Call, Reply, Value, Want};
use crate::finding::{Evidence, Series, Told, Verdict};
use crate::stage::{Actor, Place, Stage, Trouble};

/// The process that acts first.
pub(super) const ONE: usize = 0;
/// The one at the other place.
pub(super) const TWO: usize = 1;
/// A third one, where it is wanted.
pub(super) const THREE: usize = 2;
/// An exclusive lock.
pub(super) const W: Kind = Kind::Write;
/// A shared lock.
pub(super) const R: Kind = Kind::Read;
/// The whole file.
pub(super) const ALL: Range = Range::WHOLE;
/// The kinds of lock with byte ranges.
pub(super) const RECORD_LOCKS: &[Family] = &[Family::Ofd, Family::Posix];
/// The kind that instances use.
pub(super) const INSTANCE_LOCKS: &[Family] = &[Family::Ofd];

/// What takes longer than this is worth a warning.
pub(super) const SLOW: Duration = Duration::from_secs(10);
/// The bytes that a file has at first.
const FILE_BYTES: u32 = 4096;

/// Why a play is over.
pub(super) enum Stop {
    /// The verdict is known.
    Told(Box<Told>),
    /// It cannot go on.
    Trouble(Trouble),
}

impl From<Trouble> for Stop {
    fn from(trouble: Trouble) -> Self {
        Self::Trouble(trouble)
    }
}

impl From<Told> for Stop {
    fn from(told: Told) -> Self {
        Self::Told(Box::new(told))
    }
}

/// What a part of a play comes to.
pub(super) type Done<T = ()> = Result<T, Stop>;

/// What is done in a step.
enum Act {
    /// Takes a lock that is free, and has been.
    Take(u8, Kind, Range),
    /// Takes a lock that was given back.
    Get(u8, Kind, Range),
    /// Asks for a lock that somebody else has.
    Refused(u8, Kind, Range),
    /// Makes a call that brings this.
    Call(Call, Want),
    /// Makes a call again until it brings this.
    Soon(Call, Want),
}

/// A call of one process, and what it must bring.
pub(super) struct Step {
    who: usize,
    act: Act,
    family: Option<Family>,
    limit: Option<Duration>,
    words: &'static str,
}

impl Step {
    fn new(who: usize, act: Act, words: &'static str) -> Self {
        Self { who, act, family: None, limit: None, words }
    }

    /// By another kind of lock than the play's.
    pub(super) fn by(mut self, family: Family) -> Self {
        self.family = Some(family);
        self
    }

    /// Asks again for no longer than this.
    pub(super) fn within(mut self, limit: Duration) -> Self {
        self.limit = Some(limit);
        self
    }
}

/// A lock that nobody holds, or has held lately, is granted; `words` say what it means if not.
pub(super) fn take(who: usize, fd: u8, kind: Kind, range: Range, words: &'static str) -> Step {
    Step::new(who, Act::Take(fd, kind, range), words)
}

/// A lock that was given back is granted.
pub(super) fn get(who: usize, fd: u8, kind: Kind, range: Range, words: &'static str) -> Step {
    Step::new(who, Act::Get(fd, kind, range), words)
}

/// A lock that somebody else holds is refused.
pub(super) fn refused(who: usize, fd: u8, kind: Kind, range: Range, words: &'static str) -> Step {
    Step::new(who, Act::Refused(fd, kind, range), words)
}

/// Gives a lock back.
pub(super) fn unlock(who: usize, fd: u8, range: Range) -> Step {
    let words = "Giving a lock back was refused.";
    Step::new(who, Act::Take(fd, Kind::Unlock, range), words)
}

/// A call that must succeed.
pub(super) fn does(who: usize, call: Call) -> Step {
    wants(who, call, Want::Done, "A call that the check needs was refused.")
}

/// A call that must bring something.
pub(super) fn wants(who: usize, call: Call, want: Want, words: &'static str) -> Step {
    Step::new(who, Act::Call(call, want), words)
}

/// A call that must bring something soon.
pub(super) fn soon(who: usize, call: Call, want: Want, words: &'static str) -> Step {
    Step::new(who, Act::Soon(call, want), words)
}

/// Opens a file that another process may have made just before.
pub(super) fn open(who: usize, fd: u8, name: &str, how: How) -> Step {
    let call = Call::Open { fd, name: name.to_owned(), how };
    let words = "A file that was made cannot be opened by the other process.";
    if how.exclusive { does(who, call) } else { soon(who, call, Want::Done, words) }
}

/// Closes a slot.
pub(super) fn close(who: usize, fd: u8) -> Step {
    does(who, Call::Close { fd })
}

/// A range.
pub(super) const fn bytes(start: u64, len: u64) -> Range {
    Range { start, len }
}

/// Processes, a file that is open in slot 0 of the first two, and what was found so far.
pub(super) struct Play<'a> {
    pub(super) stage: &'a Stage,
    pub(super) family: Family,
    /// The name of the file.
    pub(super) file: String,
    pub(super) actors: Vec<Actor>,
    places: Vec<Place>,
    /// Processes that have ended.
    gone: Vec<usize>,
    warnings: Vec<Told>,
    series: Vec<Series>,
}

/// Makes a play of each kind of lock, with a file of its own for each; passes with the words if none
/// of them ends early.
pub(super) fn each(
    stage: &Stage,
    stem: &str,
    families: &[Family],
    pass: &str,
    play: impl Fn(&mut Play<'_>) -> Done,
) -> Result<Told, Trouble> {
    let all = || {
        let mut on = Play::new(stage)?;
        for family in families {
            on.family = *family;
            on.new_file(stem)?;
            play(&mut on)?;
        }
        Ok(on.told(pass))
    };
    ended(all())
}

/// The verdict of a play that is over.
pub(super) fn ended(result: Done<Told>) -> Result<Told, Trouble> {
    match result {
        Ok(told) => Ok(told),
        Err(Stop::Told(told)) => Ok(*told),
        Err(Stop::Trouble(trouble)) => Err(trouble),
    }
}

impl<'a> Play<'a> {
    /// A process at each place, without a file.
    pub(super) fn new(stage: &'a Stage) -> Done<Self> {
        let (one, two) = stage.pair()?;
        Ok(Self {
            stage,
            family: Family::Ofd,
            file: String::new(),
            actors: vec![one, two],
            places: vec![Place::First, Place::Second],
            gone: Vec::new(),
            warnings: Vec::new(),
            series: Vec::new(),
        })
    }

    /// One more process; its number.
    pub(super) fn add(&mut self, place: Place) -> Done<usize> {
        self.actors.push(self.stage.actor(place)?);
        self.places.push(place);
        Ok(self.actors.len() - 1)
    }

    /// A third process, with the file open in slot 0.
    pub(super) fn third(&mut self, place: Place) -> Done {
        if self.actors.len() <= THREE {
            self.add(place)?;
        }
        self.act(&[open(THREE, 0, &self.file, How::RW)])
    }

    /// A new process in the place of one that has ended.
    fn renew(&mut self) -> Done {
        while let Some(who) = self.gone.pop() {
            self.actors[who] = self.stage.actor(self.places[who])?;
        }
        Ok(())
    }

    /// Makes a file of 4096 bytes and opens it in slot 0 of the first two processes.
    pub(super) fn new_file(&mut self, stem: &str) -> Done {
        self.renew()?;
        self.file = self.stage.name(stem);
        let content = Call::Write { fd: 0, at: 0, bytes: Bytes::Fill(0, FILE_BYTES) };
        self.act(&[
            open(ONE, 0, &self.file, How::NEW),
            wants(ONE, content, Want::Done, "The file cannot be written."),
            open(TWO, 0, &self.file, How::RW),
        ])
    }

    /// Makes the steps, in order.
    pub(super) fn act(&mut self, steps: &[Step]) -> Done {
        let mut rest = steps;
        while let Some(first) = rest.first() {
            // Between hosts a message costs more than many calls.
            let same = |step: &&Step| self.stage.two_hosts() && step.who == first.who;
            let now = 1 + rest[1..].iter().take_while(same).count();
            self.round(&rest[..now])?;
            rest = &rest[now..];
        }
        Ok(())
    }

    /// Makes steps of one process, by one message.
    pub(super) fn round(&mut self, steps: &[Step]) -> Done {
        let Some(first) = steps.first() else { return Ok(()) };
        let wanted: Vec<_> = steps.iter().map(|step| self.call_of(step)).collect();
        let waits = steps.iter().filter(|step| step.waits()).count();
        // Many calls in one message have more time.
        let mut limit = self.stage.limits().call * u32::try_from(1 + steps.len() / 50).unwrap_or(1);
        limit += self.stage.limits().change * u32::try_from(waits).unwrap_or(u32::MAX);
        let actor = &mut self.actors[first.who];
        let replies = if let [(call, _)] = wanted.as_slice() {
            vec![actor.call_within(call.clone(), limit)?]
        } else {
            let burst = Burst::Each { steps: wanted.clone() };
            match actor.call_within(Call::Burst(burst), limit)?.result {
                Ok(Value::Replies(replies)) => replies,
                Ok(_) => Vec::new(),
                Err(errno) => vec![Reply { result: Err(errno), seconds: 0.0 }],
            }
        };
        for ((step, (call, want)), reply) in steps.iter().zip(&wanted).zip(&replies) {
            if !want.is_met_by(reply) {
                return Err(self.surprise(step, call, reply).into());
            }
        }
        if replies.len() < steps.len() {
            let told = Told::not_tested("A process of the test did not answer each call.");
            return Err(told.into());
        }
        Ok(())
    }

    /// The call of a step, and what it must bring.
    fn call_of(&self, step: &Step) -> (Call, Want) {
        let family = step.family.unwrap_or(self.family);
        let lock = |fd, kind, range| Call::Lock { fd, family, kind, range, wait: false };
        match &step.act {
            Act::Take(fd, kind, range) => (lock(*fd, *kind, *range), Want::Done),
            Act::Refused(fd, kind, range) => (lock(*fd, *kind, *range), Want::Conflict),
            Act::Get(fd, kind, range) => {
                (self.until(lock(*fd, *kind, *range), Want::Done, step.limit), Want::Done)
            }
            Act::Call(call, want) => (call.clone(), want.clone()),
            Act::Soon(call, want) => {
                (self.until(call.clone(), want.clone(), step.limit), want.clone())
            }
        }
    }

    /// A call that is made again until it brings what is wanted.
    pub(super) fn until(&self, call: Call, want: Want, limit: Option<Duration>) -> Call {
        let limit = limit.unwrap_or(self.stage.limits().change).min(self.stage.limits().change);
        let limit_ms = u32::try_from(limit.as_millis()).unwrap_or(u32::MAX);
        let every_ms = if self.stage.two_hosts() { 10 } else { 2 };
        Call::Burst(Burst::Until { call: Box::new(call), want, every_ms, limit_ms })
    }

    /// The verdict on a step that did not bring what it must.
    fn surprise(&self, step: &Step, call: &Call, reply: &Reply) -> Told {
        let (call, last, waited) = match (call, &reply.result) {
            (Call::Burst(Burst::Until { call, .. }), Ok(Value::Waited { last, seconds, .. })) => {
                (&**call, &**last, Some(*seconds))
            }
            _ => (call, reply, None),
        };
        let mut evidence = self.evidence(step.who, call);
        evidence.seconds = waited;
        let after = waited.map_or(String::new(), |waited| format!(" for {waited:.1} s"));
        let is_lock = matches!(call, Call::Lock { .. } | Call::Hold { .. });
        match &last.result {
            Err(errno) if is_lock && CONFLICT.contains(errno) => Told::fail(step.words).with(
                evidence
                    .errno(*errno)
                    .with_note(format!("it was refused{after} although nobody else holds it")),
            ),
            Err(errno) => {
                let summary = meaning::refused(&call.to_string(), *errno);
                Told::fail(summary).with(evidence.errno(*errno).with_note(step.words))
            }
            Ok(Value::Done) if is_lock => {
                Told::fail(step.words).with(evidence.with_note("it was granted"))
            }
            Ok(value) => {
                let note = format!("it answered {value:?}{after}");
                Told::fail(step.words).with(evidence.with_note(note))
            }
        }
    }

    /// An observation of a call on the play's file.
    pub(super) fn evidence(&self, who: usize, call: &Call) -> Evidence {
        let host = self.actors.get(who).map(|actor| actor.host_name().to_owned());
        let evidence = Evidence { call: call.to_string(), ..Evidence::default() };
        let evidence = evidence.file(&self.file).host(host.unwrap_or_default());
        match call {
            Call::Lock { range, .. } | Call::TestLock { range, .. } if range.start > 0 => {
                evidence.offset(range.start)
            }
            _ => evidence,
        }
    }

    /// Ends a process.
    pub(super) fn end(&mut self, who: usize, killed: bool) -> Done {
        let actor = &mut self.actors[who];
        if killed {
            actor.kill()?;
        } else {
            actor.exit()?;
        }
        self.gone.push(who);
        Ok(())
    }

    /// Kills a process and waits until it is gone, at most `limit`; whether it is.
    pub(super) fn kill_and_wait(&mut self, who: usize, limit: Duration) -> Done<bool> {
        self.gone.push(who);
        Ok(self.actors[who].kill_and_wait(limit)?)
    }

    /// Lets a moment pass in which something could happen that must not.
    pub(super) fn pause(&self) -> Done {
        if self.stage.asked() {
            return Err(Trouble::Asked.into());
        }
        sleep(self.moment());
        Ok(())
    }

    /// How long to look whether something happens that must not.
    pub(super) fn moment(&self) -> Duration {
        let longest = Duration::from_millis(if self.stage.two_hosts() { 300 } else { 10 });
        longest.min(self.stage.limits().call / 32)
    }

    /// Notes how long something took since `began`; a warning if that is slow.
    pub(super) fn measured(&mut self, what: &str, began: BootInstant) {
        let (seconds, name) = (began.elapsed(), format!("{what} ({})", family_name(self.family)));
        let place = if self.stage.two_hosts() {
            let (one, two) = (self.actors[ONE].host_name(), self.actors[TWO].host_name());
            format!("{one} to {two}")
        } else {
            self.actors[ONE].host_name().to_owned()
        };
        if seconds > SLOW {
            let summary = format!("The {name} took {:.0} s.", seconds.as_secs_f64());
            let note = "an instance that waits for it takes over later by this time";
            let evidence = Evidence::note(note).file(&self.file).seconds(seconds.as_secs_f64());
            self.warnings.push(Told::warning(summary).with(evidence));
        }
        let same = |series: &&mut Series| series.name == name && series.place == place;
        if let Some(series) = self.series.iter_mut().find(same) {
            series.seconds.push(seconds.as_secs_f64());
        } else {
            let seconds = vec![seconds.as_secs_f64()];
            self.series.push(Series { name, place, seconds });
        }
    }

    /// Notes something that an operator should know.
    pub(super) fn warn(&mut self, told: Told) {
        self.warnings.push(Told { verdict: Verdict::Warning, ..told });
    }

    /// The verdict if nothing was wrong.
    pub(super) fn told(self, pass: &str) -> Told {
        let mut told = match self.warnings.first() {
            Some(first) => Told::warning(first.summary.clone()),
            None => Told::pass(pass),
        };
        told.evidence = self.warnings.into_iter().flat_map(|warning| warning.evidence).collect();
        told.series = self.series;
        told
    }
}

impl Step {
    fn waits(&self) -> bool {
        matches!(self.act, Act::Get(..) | Act::Soon(..))
    }
}

/// What a kind of lock is called.
pub(super) fn family_name(family: Family) -> &'static str {
    match family {
        Family::Ofd => "lock of the open file",
        Family::Posix => "lock of the process",
        Family::Flock => "flock",
    }
}
