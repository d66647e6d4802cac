//! Directing the jobs of the integrity test from outside the storage.

use std::time::Duration;

use miqm_sys::clock::BootInstant;

use super::job::{Job, Known, Problem, Progress, Step};
use super::judge;
use super::survey::{Survey, Takeover};
use super::witness::Witness;
use crate::call::{Call, Value};
use crate::finding::{Finding, Series};
use crate::report::Phase;
use crate::stage::{Actor, Place, Stage, Trouble};

/// How long a step goes on by itself.
const STEP_MS: u32 = 50;
/// How long a step of something without acknowledgements goes on.
const LONG_STEP_MS: u32 = 250;
/// How often the world is looked at.
const TICK: Duration = Duration::from_millis(100);
/// How long an end in order may take.
const GOODBYE: Duration = Duration::from_secs(3);
/// Measured values that are kept of one kind.
const SERIES_MAX: usize = 2000;

/// How long things may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// A storage that does not answer is told after this time, and every such time again.
    pub tell: Duration,
    /// After this time without an answer the process that waits is given up.
    pub stuck: Duration,
    /// How long a lock is waited for that somebody else holds.
    pub lock: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            tell: Duration::from_secs(3),
            stuck: Duration::from_mins(15),
            lock: Duration::from_hours(1),
        }
    }
}

/// What happens.
#[derive(Debug)]
pub enum Event<'a> {
    /// Pages have been filled.
    Formatting {
        /// So many.
        done: u64,
        /// Of so many; fewer than asked for if all would take too long.
        pages: u64,
    },
    /// Files are being read.
    Checking {
        /// Bytes read.
        done: u64,
        /// Bytes to read.
        of: u64,
    },
    /// They have been read.
    Checked(&'a Survey),
    /// Somebody else holds the lock.
    Waiting {
        /// The host that took it last, as far as is known; may be empty.
        holder: &'a str,
        /// How long this copy has been waiting.
        seconds: f64,
        /// The last sequence that was seen in the storage meanwhile; 0 if none was.
        seen: u64,
    },
    /// The lock was taken.
    Taken(&'a Takeover),
    /// Sequences were acknowledged.
    Appended {
        /// The last one.
        sequence: u64,
        /// How many since the event before.
        count: u64,
    },
    /// The storage does not answer, and has not for so long. Told again and again.
    Stalled {
        /// On which host.
        host: &'a str,
        /// For how long.
        seconds: f64,
    },
    /// It answers again.
    Recovered {
        /// On which host.
        host: &'a str,
        /// How long it did not.
        seconds: f64,
    },
    /// It ended.
    Ended {
        /// The last sequence that was acknowledged.
        sequence: u64,
    },
}

/// Told what happens.
pub type On<'a> = &'a mut dyn FnMut(Event<'_>);

/// A time in which the storage did not answer.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Stall {
    /// The last sequence that had been acknowledged.
    pub sequence: u64,
    /// How long.
    pub seconds: f64,
}

/// What formatting came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Formatted {
    /// Names the files: 32 hexadecimal digits.
    pub run: String,
    /// The pages of the data file.
    pub pages: u64,
    /// The pages that were asked for; more if all would have taken too long.
    pub asked: u64,
    /// How long it took.
    pub seconds: f64,
    /// Of that, the sync at the end.
    pub sync_seconds: f64,
}

/// A job on one place.
#[derive(Debug)]
pub(crate) struct Runner {
    actor: Actor,
    patience: Patience,
    began: BootInstant,
    /// How much of the wait was told.
    told: Duration,
    busy: bool,
    /// The last sequence that was acknowledged.
    pub(crate) sequence: u64,
    pub(crate) stalls: Vec<Stall>,
}

impl Runner {
    pub(crate) fn new(stage: &Stage, place: Place, patience: Patience) -> Result<Self, Trouble> {
        let actor = stage.actor(place)?;
        let (began, told, busy) = (BootInstant::now(), Duration::ZERO, false);
        Ok(Self { actor, patience, began, told, busy, sequence: 0, stalls: Vec::new() })
    }

    /// Whether a step has been begun and not ended.
    pub(crate) fn busy(&self) -> bool {
        self.busy
    }

    /// How long the step under way has been taking.
    pub(crate) fn waiting(&self) -> Duration {
        if self.busy { self.began.elapsed() } else { Duration::ZERO }
    }

    /// Kills the process, as a crash would.
    pub(crate) fn kill(&mut self) -> Result<(), Trouble> {
        self.busy = false;
        self.actor.kill()
    }

    /// Begins a step.
    pub(crate) fn send(&mut self, step: Step) -> Result<(), Trouble> {
        (self.began, self.told, self.busy) = (BootInstant::now(), Duration::ZERO, true);
        self.actor.begin(Call::Integrity(Box::new(step)))
    }

    /// Looks for its end, for `limit` at most.
    pub(crate) fn poll(
        &mut self,
        limit: Duration,
        on: On<'_>,
    ) -> Result<Option<Progress>, Trouble> {
        let reply = self.actor.finish(limit);
        let reply = self.seen(reply, on)?;
        let Some(reply) = reply else { return Ok(None) };
        self.busy = false;
        let problem = |errno| {
            let (call, file) = (String::from("job"), String::from("."));
            Progress::Problem { problem: Problem::Refused { call, file, errno }, sequence: 0 }
        };
        let progress = match reply.result {
            Ok(Value::Integrity(progress)) => *progress,
            Ok(_) => problem(22),
            Err(errno) => problem(errno),
        };
        match &progress {
            Progress::Appended { sequence, .. } => self.sequence = *sequence,
            Progress::Taken(takeover) => self.sequence = takeover.sequence,
            Progress::Problem { sequence, .. } | Progress::Ended { sequence } => {
                self.sequence = self.sequence.max(*sequence);
            }
            _ => {}
        }
        Ok(Some(progress))
    }

    /// Tells how long it has been waited for.
    fn seen<T>(
        &mut self,
        reply: Result<Option<T>, Trouble>,
        on: On<'_>,
    ) -> Result<Option<T>, Trouble> {
        let waited = self.began.elapsed();
        let seconds = waited.as_secs_f64();
        let host = self.actor.host_name();
        match reply {
            Ok(Some(reply)) => {
                // It may not have been told while this process was stopped with the one that waited.
                if !self.told.is_zero() || waited >= self.patience.tell {
                    on(Event::Recovered { host, seconds });
                    self.stalls.push(Stall { sequence: self.sequence, seconds });
                }
                Ok(Some(reply))
            }
            Ok(None) => {
                if waited >= self.told.saturating_add(self.patience.tell) {
                    self.told = waited;
                    on(Event::Stalled { host, seconds });
                }
                if waited < self.patience.stuck {
                    return Ok(None);
                }
                let note = format!("no answer within {seconds:.0} s");
                let evidence = self.actor.evidence().with_note(note).seconds(seconds);
                self.stalls.push(Stall { sequence: self.sequence, seconds });
                self.kill()?;
                Err(Trouble::Stuck(Box::new(evidence)))
            }
            Err(trouble) => {
                if !self.told.is_zero() {
                    self.stalls.push(Stall { sequence: self.sequence, seconds });
                }
                Err(trouble)
            }
        }
    }

    /// Makes a step and waits for its end.
    pub(crate) fn step(&mut self, step: Step, on: On<'_>) -> Result<Progress, Trouble> {
        self.send(step)?;
        loop {
            if let Some(progress) = self.poll(TICK, on)? {
                return Ok(progress);
            }
        }
    }

    /// Ends the job in order, also if the run was asked to end; `None` if it does not answer.
    pub(crate) fn finish(&mut self) -> Result<Option<Progress>, Trouble> {
        let until = BootInstant::now().saturating_add(GOODBYE);
        let mut last = None;
        if self.busy && self.actor.settle(until.left())?.is_none() {
            self.kill()?;
            return Ok(None);
        }
        self.send(Step::Finish)?;
        self.busy = false;
        if let Some(reply) = self.actor.settle(until.left())? {
            if let Ok(Value::Integrity(progress)) = reply.result {
                last = Some(*progress);
            }
        } else {
            self.kill()?;
        }
        Ok(last)
    }
}

/// Formats the files: `-f`. `pages` is a multiple of [`super::PAGES_MIN`], `run` 32 hexadecimal digits.
///
/// # Errors
///
/// If the storage does not answer, or the run was asked to end. Why it cannot be done otherwise is the
/// inner error.
pub fn format(
    stage: &Stage,
    (pages, limit): (u64, Duration),
    run: &str,
    patience: Patience,
    on: On<'_>,
) -> Result<Result<Formatted, Problem>, Trouble> {
    let mut runner = Runner::new(stage, Place::First, patience)?;
    let host = stage.host_name(Place::First);
    let limit_ms = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
    let mut step = Step::Begin(Job::Format { pages, run: run.to_owned(), limit_ms, host });
    loop {
        match runner.step(step, on)? {
            Progress::Formatting { done, pages } => on(Event::Formatting { done, pages }),
            Progress::Formatted { pages, asked, seconds, sync_seconds } => {
                on(Event::Formatting { done: pages, pages });
                let run = run.to_owned();
                return Ok(Ok(Formatted { run, pages, asked, seconds, sync_seconds }));
            }
            Progress::Problem { problem, .. } => return Ok(Err(problem)),
            _ => {}
        }
        step = Step::Go { ms: LONG_STEP_MS, known: None };
    }
}

/// Verifies the files: `-i`. `known` is what a witness knows.
///
/// # Errors
///
/// As [`format()`].
pub fn verify(
    stage: &Stage,
    place: Place,
    known: Option<Known>,
    patience: Patience,
    on: On<'_>,
) -> Result<Result<Survey, Problem>, Trouble> {
    let mut runner = Runner::new(stage, place, patience)?;
    let told = known.as_ref().map_or(0, |known| known.sequence);
    let mut step = Step::Begin(Job::Verify { known });
    let until = BootInstant::now().saturating_add(patience.lock);
    loop {
        match runner.step(step, on)? {
            Progress::Checking { done, of } => on(Event::Checking { done, of }),
            Progress::Checked(survey) => {
                on(Event::Checked(&survey));
                return Ok(Ok(*survey));
            }
            Progress::Problem {
                problem: Problem::NotFormatted | Problem::Damaged { .. }, ..
            } if told > 0 => {
                return Ok(Err(Problem::Gone { sequence: told }));
            }
            Progress::Problem { problem, .. } => return Ok(Err(problem)),
            _ => {}
        }
        if until.left().is_zero() {
            return Err(Trouble::Asked);
        }
        step = Step::Go { ms: LONG_STEP_MS, known: None };
    }
}

/// What verification found, as findings of the report.
pub fn verify_findings(
    verified: &Result<Survey, Problem>,
    phase: Phase,
    hosts: &[String],
) -> Vec<Finding> {
    let told = match verified {
        Ok(survey) => judge::of_survey(survey),
        Err(problem) => judge::of_problem(problem).into_iter().collect(),
    };
    judge::findings(told, phase, hosts)
}

/// Removes the files of the test, for `-x`; their names.
///
/// # Errors
///
/// As [`format()`]. The inner error may be that a file of that name was made by something else.
pub fn remove(
    stage: &Stage,
    patience: Patience,
    on: On<'_>,
) -> Result<Result<Vec<String>, Problem>, Trouble> {
    let mut runner = Runner::new(stage, Place::First, patience)?;
    Ok(match runner.step(Step::Begin(Job::Remove), on)? {
        Progress::Removed(names) => Ok(names),
        Progress::Problem { problem, .. } => Err(problem),
        _ => Err(Problem::Nothing),
    })
}

/// After this sequence appending ends: the log has 1 GiB then, and the files of the methods together have as
/// much. Whoever takes the lock reads all of them.
pub const SEQUENCES_MAX: u64 = 8 << 20;

/// How to append.
#[derive(Debug, Default)]
pub struct Options<'a> {
    /// When to end; never by itself if `None`.
    pub duration: Option<Duration>,
    /// The sequence after which it ends; [`SEQUENCES_MAX`] if `None`.
    pub sequences_max: Option<u64>,
    /// What a witness knows to begin with, other than `witness`.
    pub known: Option<Known>,
    /// Is told every acknowledged sequence.
    pub witness: Option<&'a mut Witness>,
    /// How long things may take.
    pub patience: Patience,
}

/// What appending came to.
#[derive(Debug, Default)]
pub struct Appended {
    /// What was found before; `None` if it did not come to that.
    pub survey: Option<Survey>,
    /// How the lock was taken; `None` if it was not.
    pub takeover: Option<Takeover>,
    /// How long the lock was waited for, in seconds.
    pub waited: f64,
    /// The last sequence that was acknowledged.
    pub sequence: u64,
    /// How many were appended.
    pub count: u64,
    /// How long pages were appended, in seconds.
    pub seconds: f64,
    /// Whether it ended because the log has its limit.
    pub full: bool,
    /// When the storage did not answer.
    pub stalls: Vec<Stall>,
    /// Why it ended, if it did not end in order.
    pub problem: Option<Problem>,
    /// Why nothing more was heard of it, as a sentence without a full stop; empty if it was.
    pub lost: String,
    /// How long it took to make something durable.
    pub series: Vec<Series>,
}

impl Appended {
    /// What it came to, as findings of the report.
    pub fn findings(&self, hosts: &[String]) -> Vec<Finding> {
        judge::findings(judge::of_appended(self), Phase::Append, hosts)
    }

    pub(crate) fn measure(&mut self, samples: &[super::job::Sample]) {
        for sample in samples {
            let name = sample.method.words();
            let at = self.series.iter().position(|series| series.name == name);
            let at = at.unwrap_or_else(|| {
                let (name, place, seconds) = (name.to_owned(), String::new(), Vec::new());
                self.series.push(Series { name, place, seconds });
                self.series.len() - 1
            });
            let seconds = &mut self.series[at].seconds;
            if seconds.len() >= SERIES_MAX {
                // Every second one is forgotten, so that what is kept is of all of the time.
                let mut keep = false;
                seconds.retain(|_| {
                    keep = !keep;
                    keep
                });
            }
            seconds.push(sample.seconds);
        }
    }
}

/// One copy that appends or waits.
#[derive(Debug)]
struct Copy {
    runner: Runner,
    host: String,
    appended: Appended,
    began: BootInstant,
    writing: Option<BootInstant>,
    started: bool,
    over: bool,
    /// When a sequence was acknowledged last.
    heard: Option<BootInstant>,
}

impl Copy {
    fn new(stage: &Stage, place: Place, patience: Patience) -> Result<Self, Trouble> {
        Ok(Self {
            runner: Runner::new(stage, place, patience)?,
            host: stage.host_name(place),
            appended: Appended::default(),
            began: BootInstant::now(),
            writing: None,
            started: false,
            over: false,
            heard: None,
        })
    }

    /// Goes on, and looks for at most `limit` what came of it.
    fn turn(&mut self, known: Option<&Known>, limit: Duration, on: On<'_>) -> Result<(), Trouble> {
        if self.over {
            return Ok(());
        }
        if !self.runner.busy() {
            let known = known.cloned();
            self.runner.send(if self.started {
                Step::Go { ms: STEP_MS, known }
            } else {
                Step::Begin(Job::Append { host: self.host.clone(), known })
            })?;
            self.started = true;
        }
        let progress = self.runner.poll(limit, on);
        self.appended.stalls.clone_from(&self.runner.stalls);
        if let Some(progress) = progress? {
            self.take(progress, on);
        }
        Ok(())
    }

    fn take(&mut self, progress: Progress, on: On<'_>) {
        let waited = self.began.elapsed().as_secs_f64();
        match progress {
            Progress::Waiting { holder, seen } => {
                on(Event::Waiting { holder: &holder, seconds: waited, seen });
            }
            // The lock was had in this step.
            Progress::Checking { of: 0, .. } => self.appended.waited = waited,
            Progress::Checking { done, of } => on(Event::Checking { done, of }),
            Progress::Checked(survey) => {
                on(Event::Checked(&survey));
                self.appended.survey = Some(*survey);
            }
            Progress::Taken(takeover) => {
                on(Event::Taken(&takeover));
                self.appended.sequence = takeover.sequence;
                self.appended.takeover = Some(*takeover);
                self.writing = Some(BootInstant::now());
            }
            Progress::Appended { sequence, count, samples } => {
                self.appended.sequence = sequence;
                self.appended.count += count;
                self.appended.measure(&samples);
                self.heard = Some(BootInstant::now());
                on(Event::Appended { sequence, count });
            }
            Progress::Problem { problem, sequence } => {
                self.appended.sequence = self.appended.sequence.max(sequence);
                self.appended.problem = Some(problem);
                self.over = true;
            }
            _ => {}
        }
    }

    /// Tells the witness, if there is something new to tell.
    fn tell(&self, options: &mut Options<'_>) {
        if let Some(takeover) = &self.appended.takeover {
            tell(options, takeover, self.appended.sequence);
        }
    }

    /// What it has acknowledged.
    fn known(&self) -> Option<Known> {
        let (takeover, heard) = (self.appended.takeover.as_ref()?, self.heard?);
        let idle_ms = u64::try_from(heard.elapsed().as_millis()).ok();
        Some(Known { run: takeover.run.clone(), sequence: self.appended.sequence, idle_ms })
    }

    /// Ends in order what has not ended.
    fn end(mut self, options: &mut Options<'_>, on: On<'_>) -> Result<Appended, Trouble> {
        let appended = &mut self.appended;
        appended.seconds = self.writing.map_or(0.0, |writing| writing.elapsed().as_secs_f64());
        let last = if self.over { None } else { self.runner.finish()? };
        if let (Some(Progress::Ended { sequence }), true) = (last, self.writing.is_some()) {
            appended.count += sequence.saturating_sub(appended.sequence);
            appended.sequence = appended.sequence.max(sequence);
        }
        appended.stalls.clone_from(&self.runner.stalls);
        self.tell(options);
        on(Event::Ended { sequence: self.appended.sequence });
        Ok(self.appended)
    }
}

/// Waits for the lock, verifies and appends: `-a`. `stop` tells when to end in order. An end that was asked
/// for by a signal is in order, too.
///
/// # Errors
///
/// If the storage does not answer in time, or the host is lost. That the lock was lost is no error, but
/// [`Appended::problem`].
pub fn append(
    stage: &Stage,
    place: Place,
    mut options: Options<'_>,
    stop: &mut dyn FnMut() -> bool,
    on: On<'_>,
) -> Result<Appended, Trouble> {
    let mut copy = Copy::new(stage, place, options.patience)?;
    let from_file = options.witness.as_deref().and_then(Witness::known);
    let known = options.known.clone().or(from_file);
    loop {
        match copy.turn(known.as_ref(), TICK, on) {
            Err(Trouble::Asked) => break,
            turned => turned?,
        }
        copy.tell(&mut options);
        copy.appended.full = copy.writing.is_some() && is_full(copy.appended.sequence, &options);
        if copy.over || copy.appended.full || stop() || over(copy.began, copy.writing, &options) {
            break;
        }
    }
    copy.end(&mut options, on)
}

/// Appends on the host of the first place while that of the second waits, and takes over if the first can
/// no more: `-a` with a partner. Each is told what the other has acknowledged, so each is the witness
/// of the other. A copy whose host is lost is left behind; [`Appended::lost`] says why.
///
/// # Errors
///
/// If neither can go on.
pub fn append_both(
    stage: &Stage,
    mut options: Options<'_>,
    stop: &mut dyn FnMut() -> bool,
    on: &mut dyn FnMut(Place, Event<'_>),
) -> Result<[Appended; 2], Trouble> {
    let places = [Place::First, Place::Second];
    let patience = options.patience;
    let mut copies =
        [Copy::new(stage, Place::First, patience)?, Copy::new(stage, Place::Second, patience)?];
    let from_file = options.witness.as_deref().and_then(Witness::known);
    let mut known = options.known.clone().or(from_file);
    let mut asked = false;
    while !asked && !copies.iter().all(|copy| copy.over) && !stop() {
        // The second one begins when the first has the lock, so that it is clear who waits.
        let writing = copies.iter().find_map(|copy| copy.writing);
        let ready = if copies[0].over || writing.is_some() { 2 } else { 1 };
        for (copy, place) in copies.iter_mut().zip(places).take(ready) {
            match copy.turn(known.as_ref(), TICK / 5, &mut |event| on(place, event)) {
                Ok(()) => {}
                Err(Trouble::Asked) => asked = true,
                Err(trouble) => (copy.over, copy.appended.lost) = (true, lost(trouble)),
            }
            copy.tell(&mut options);
            known = copy.known().filter(|new| is_newer(new, known.as_ref())).or(known);
        }
        for copy in copies.iter_mut().filter(|copy| copy.writing.is_some()) {
            copy.appended.full = is_full(copy.appended.sequence, &options);
        }
        let full = copies.iter().any(|copy| copy.appended.full);
        if full || over(copies[0].began, writing, &options) {
            break;
        }
    }
    let [first, second] = copies;
    let mut end = |copy: Copy, place| {
        let gone = Appended { lost: "it did not end".into(), ..Appended::default() };
        copy.end(&mut options, &mut |event| on(place, event)).unwrap_or(gone)
    };
    // The one that waits ends first, so that it does not take over in the last moment.
    if first.writing.is_some() && !first.over {
        let second = end(second, Place::Second);
        Ok([end(first, Place::First), second])
    } else {
        let first = end(first, Place::First);
        Ok([first, end(second, Place::Second)])
    }
}

/// Whether something is known that was not.
fn is_newer(new: &Known, known: Option<&Known>) -> bool {
    known.is_none_or(|known| known.run != new.run || new.sequence >= known.sequence)
}

fn lost(trouble: Trouble) -> String {
    match trouble {
        Trouble::Lost(lost) => format!("host {} was lost: {}", lost.host, lost.why),
        Trouble::Refused(evidence) | Trouble::Stuck(evidence) | Trouble::Died(evidence) => {
            evidence.note
        }
        Trouble::Asked => String::new(),
    }
}

/// Whether the log has its limit.
fn is_full(sequence: u64, options: &Options<'_>) -> bool {
    sequence >= options.sequences_max.unwrap_or(SEQUENCES_MAX)
}

/// Whether the time to append, or to wait for the lock, has passed.
fn over(began: BootInstant, writing: Option<BootInstant>, options: &Options<'_>) -> bool {
    match (writing, options.duration) {
        (Some(writing), Some(duration)) => writing.elapsed() >= duration,
        (Some(_), None) => false,
        (None, _) => began.elapsed() >= options.patience.lock,
    }
}

/// A witness that cannot be told is left behind; what it knows stays true.
fn tell(options: &mut Options<'_>, takeover: &Takeover, sequence: u64) {
    if let Some(witness) = options.witness.as_deref_mut()
        && sequence > 0
        && witness.tell(&takeover.run, takeover.epoch, sequence).is_err()
    {
        options.witness = None;
    }
}
