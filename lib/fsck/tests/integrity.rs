//! The integrity test and the procedure with real processes: a program of its own, because a process that
//! forks must have one thread.
//!
//! `-- SEED KILLS` repeats a run.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a test without the test harness")]

use std::cell::RefCell;
use std::path::Path;
use std::process::Command;
use std::rc::Rc;
use std::time::{Duration, Instant};

use miqm_fsck::golive::{self, Halt, Record, Said, Selection, State, Step as Todo};
use miqm_fsck::host::LocalHost;
use miqm_fsck::integrity::job::{Job, Known, Progress, Step};
use miqm_fsck::integrity::{Event, Options, Patience, Witness, drive};
use miqm_fsck::stage::{Actor, Limits, Place, SharedHost, Stage};
use miqm_fsck::{Call, Finding, HostFacts, Outcome, Phase, Trouble, Value, Verdict};

const RUN: &str = "000102030405060708090a0b0c0d0e0f";
const PAGES: u64 = 64;

fn host(dir: &Path, name: &str) -> SharedHost {
    let facts = HostFacts { name: name.into(), ..HostFacts::default() };
    Rc::new(RefCell::new(LocalHost::new(dir, facts)))
}

fn stage(dir: &Path) -> Stage {
    Stage::one_host(host(dir, "here"), ".", Limits::default(), || false)
}

fn formatted() -> (tempfile::TempDir, Stage) {
    let dir = tempfile::tempdir().unwrap();
    let stage = stage(dir.path());
    let limit = Duration::from_mins(1);
    let done = drive::format(&stage, (PAGES, limit), RUN, Patience::default(), &mut |_| {});
    assert_eq!(done.unwrap().unwrap().pages, PAGES);
    (dir, stage)
}

/// The ids of what does not hold.
fn failed(findings: &[Finding]) -> Vec<&str> {
    let bad = findings.iter().filter(|found| found.verdict == Verdict::Fail);
    bad.map(|found| found.check.as_str()).collect()
}

fn verify(stage: &Stage, known: Option<u64>) -> Vec<Finding> {
    let known = known.map(|sequence| Known { run: RUN.into(), sequence, idle_ms: None });
    let verified =
        drive::verify(stage, Place::First, known, Patience::default(), &mut |_| {}).unwrap();
    drive::verify_findings(&verified, Phase::Verify, &["here".into()])
}

fn step(actor: &mut Actor, step: Step) -> Progress {
    let reply = actor.call_within(Call::Integrity(Box::new(step)), Duration::from_mins(1));
    match reply.unwrap().result.unwrap() {
        Value::Integrity(progress) => *progress,
        other => panic!("{other:?}"),
    }
}

fn begin(stage: &Stage, host: &str) -> Actor {
    let mut actor = stage.actor(Place::First).unwrap();
    step(&mut actor, Step::Begin(Job::Append { host: host.into(), known: None }));
    actor
}

fn go(known: u64) -> Step {
    let known = Known { run: RUN.into(), sequence: known, idle_ms: None };
    Step::Go { ms: 1, known: Some(known) }
}

/// A generator of its own, so that a seed means the same everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// The holder is killed again and again while another one waits.
fn killed_at_random(seed: u64, kills: u32) {
    println!("killed at random: seed {seed}, {kills} kills");
    let mut random = Random(seed | 1);
    let (_dir, stage) = formatted();
    let mut known = 0;
    let mut holder = begin(&stage, "host0");
    for round in 1..=kills {
        let until = Instant::now() + Duration::from_mins(1);
        loop {
            assert!(Instant::now() < until, "round {round}: nobody got the lock");
            match step(&mut holder, go(known)) {
                Progress::Problem { problem, .. } => panic!("round {round}: {problem}"),
                Progress::Appended { sequence, .. } => {
                    known = sequence;
                    break;
                }
                _ => {}
            }
        }
        let mut next = begin(&stage, &format!("host{round}"));
        assert!(matches!(step(&mut next, go(known)), Progress::Waiting { .. }));
        let long = Step::Go { ms: 1000, known: None };
        holder.begin(Call::Integrity(Box::new(long))).unwrap();
        std::thread::sleep(Duration::from_micros(random.below(20_000)));
        holder.kill().unwrap();
        holder = next;
    }
    drop(holder);
    std::thread::sleep(Duration::from_millis(100));
    let found = verify(&stage, Some(known));
    assert_eq!(failed(&found), [""; 0], "{found:?}");
}

fn append(
    stage: &Stage,
    options: Options<'_>,
    on: &mut dyn FnMut(Event<'_>),
) -> Result<drive::Appended, Trouble> {
    drive::append(stage, Place::First, options, &mut || false, on)
}

fn appended_with_a_witness() {
    let (_dir, stage) = formatted();
    let shelf = tempfile::tempdir().unwrap();
    let path = shelf.path().join("witness");
    let mut witness = Witness::open(&path, 0).unwrap();
    let duration = Some(Duration::from_millis(300));
    let options = Options { duration, witness: Some(&mut witness), ..Options::default() };
    let appended = append(&stage, options, &mut |_| {}).unwrap();
    assert!(appended.problem.is_none() && appended.count > 0, "{appended:?}");
    let findings = appended.findings(&["here".into()]);
    assert_eq!(failed(&findings), [""; 0], "{findings:?}");
    let known = Witness::open_to_read(&path).unwrap().known().unwrap();
    assert!(known.sequence <= appended.sequence && known.sequence > 0);
    assert!(failed(&verify(&stage, Some(appended.sequence))).is_empty());
    assert_eq!(failed(&verify(&stage, Some(appended.sequence + 1))), ["int.witness"]);
    let removed = drive::remove(&stage, Patience::default(), &mut |_| {}).unwrap().unwrap();
    assert!(removed.len() >= 2, "{removed:?}");
    assert_eq!(failed(&verify(&stage, Some(1))), ["int.witness"]);
    assert!(failed(&verify(&stage, None)).is_empty());
}

/// Appending ends when the log has its limit, and what is there can be verified.
fn the_log_has_a_limit() {
    let (_dir, stage) = formatted();
    for _ in 0..2 {
        let options = Options { sequences_max: Some(20), ..Options::default() };
        let appended = append(&stage, options, &mut |_| {}).unwrap();
        assert!(appended.full && appended.sequence >= 20, "{appended:?}");
        let findings = appended.findings(&["here".into()]);
        let lock = findings.iter().find(|found| found.check == "int.lock").unwrap();
        assert!(lock.required && lock.summary.contains("the log had its limit"), "{lock:?}");
        assert_eq!(failed(&verify(&stage, Some(appended.sequence))), [""; 0]);
    }
}

/// The second of two takes over when the first is killed, and each is the other's witness.
fn appended_by_two() {
    let (dir, base) = formatted();
    let stage = base.with_hosts(host(dir.path(), "mq1"), host(dir.path(), "mq2"));
    // It ends by itself only on a machine that is very slow.
    let options = Options { duration: Some(Duration::from_mins(1)), ..Options::default() };
    let (mut killed, mut taken, went_on) = (false, 0, std::cell::Cell::new(0_u64));
    let stop = &mut || went_on.get() >= 20;
    let both = drive::append_both(&stage, options, stop, &mut |place, event| match event {
        Event::Waiting { holder, .. } if !killed => {
            assert_eq!((place, holder), (Place::Second, "mq1"));
            killed = true;
            signal("-KILL", &children()[..1]);
        }
        Event::Taken(_) => taken += 1,
        Event::Appended { count, .. } if place == Place::Second => {
            went_on.set(went_on.get() + count);
        }
        _ => {}
    });
    let [first, second] = both.unwrap();
    assert!(killed && taken == 2 && !first.lost.is_empty(), "{first:?} {second:?}");
    assert!(second.sequence > first.sequence && second.count > 0);
    let takeover = second.takeover.as_ref().unwrap();
    assert!(takeover.seconds.unwrap() < 10.0 && takeover.host == "mq2", "{takeover:?}");
    let findings = second.findings(&["mq2".into()]);
    assert_eq!(failed(&findings), [""; 0], "{findings:?}");
    assert!(second.survey.unwrap().witnessed > 0);
    assert!(failed(&verify(&base, Some(second.sequence))).is_empty());
}

/// The processes that this one has made.
fn children() -> Vec<String> {
    let me = std::process::id();
    let path = format!("/proc/{me}/task/{me}/children");
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.split_whitespace().map(ToOwned::to_owned).collect()
}

fn signal(name: &str, pids: &[String]) {
    if !pids.is_empty() {
        assert!(Command::new("kill").arg(name).args(pids).status().unwrap().success());
    }
}

/// A process that hangs costs a pause, and in the end only itself.
fn stopped_and_continued() {
    let (_dir, stage) = formatted();
    let patience = Patience {
        tell: Duration::from_millis(200),
        stuck: Duration::from_secs(2),
        ..Patience::default()
    };
    let options =
        Options { duration: Some(Duration::from_secs(1)), patience, ..Options::default() };
    let (mut stopped, mut told, mut back) = (false, 0, 0);
    let appended = append(&stage, options, &mut |event| match event {
        Event::Appended { .. } if !stopped => {
            stopped = true;
            signal("-STOP", &children());
        }
        Event::Stalled { .. } => {
            told += 1;
            if told == 2 {
                signal("-CONT", &children());
            }
        }
        Event::Recovered { .. } => back += 1,
        _ => {}
    });
    let appended = appended.unwrap();
    assert!(told >= 2 && back == 1 && appended.stalls[0].seconds > 0.3, "{told} {appended:?}");
    let options = Options { patience, ..Options::default() };
    let mut stopped = false;
    let stuck = append(&stage, options, &mut |event| {
        if matches!(event, Event::Appended { .. }) && !stopped {
            stopped = true;
            signal("-STOP", &children());
        }
    });
    assert!(matches!(stuck, Err(Trouble::Stuck(_))), "{stuck:?}");
    std::thread::sleep(Duration::from_millis(200));
    assert!(failed(&verify(&stage, None)).is_empty());
}

/// Two hosts of one storage, and what people do to them.
struct Crew {
    dir: tempfile::TempDir,
    hosts: [SharedHost; 2],
    base: Stage,
    stage: Stage,
    boot: String,
    /// What is done at the injection.
    inject: fn(),
    after: fn(),
    answers: Vec<Said>,
    told: Vec<String>,
}

impl Crew {
    fn new() -> Self {
        let (dir, base) = formatted();
        let hosts = [host(dir.path(), "mq1"), host(dir.path(), "mq2")];
        let stage = base.with_hosts(hosts[0].clone(), hosts[1].clone());
        let (boot, told) = ("boot1".into(), Vec::new());
        Self { dir, hosts, base, stage, boot, inject: || (), after: || (), answers: vec![], told }
    }

    fn record(&self) -> Record {
        let path = self.dir.path().with_extension("json");
        let mut record = Record::open(&path, "/mqm", &["mq1".into(), "mq2".into()]).unwrap();
        record.run = RUN.into();
        record
    }

    fn play(&mut self, id: &str) -> (Record, Result<(), Halt>) {
        let mut record = self.record();
        let step = Todo::of(id).unwrap();
        let patience = Patience { tell: Duration::from_millis(500), ..Patience::default() };
        let done = golive::run(&mut record, &Selection::One(step), patience, self);
        (record, done)
    }

    fn state(&mut self, id: &str) -> (State, golive::Attempt) {
        let (record, done) = self.play(id);
        assert_eq!(done, Ok(()), "{id}");
        let entry = record.entry(&Todo::of(id).unwrap()).unwrap();
        println!("{id}: {:?}", entry.attempts.last().unwrap().recognised);
        (entry.state, entry.attempts.last().unwrap().clone())
    }
}

impl golive::Crew for Crew {
    fn checks(&mut self, phase: Phase) -> Result<Vec<Finding>, Halt> {
        Err(Halt::CannotGoOn(format!("{phase:?}")))
    }

    fn format(&mut self) -> Result<(Vec<Finding>, String), Halt> {
        Err(Halt::Stopped)
    }

    fn stage(&mut self, host: &str) -> Result<&Stage, Halt> {
        let [one, two] = self.hosts.clone();
        let turned = host == "mq2";
        let (first, second) = if turned { (two, one) } else { (one, two) };
        self.stage = self.base.with_hosts(first, second);
        Ok(&self.stage)
    }

    fn here(&self) -> (String, String) {
        ("mq1".into(), self.boot.clone())
    }

    fn said(&mut self) -> Said {
        self.answers.pop().unwrap_or(Said::Nothing)
    }

    fn on(&mut self, event: golive::Event<'_>) {
        match event {
            golive::Event::Inject { .. } => (self.inject)(),
            golive::Event::Recognised(text) => {
                self.told.push(text.to_owned());
                (self.after)();
            }
            golive::Event::Return { .. } => self.answers.push(Said::Done),
            _ => {}
        }
    }
}

fn failures_are_recognised() {
    let mut crew = Crew::new();
    for id in ["kill@mq1", "kill@mq2"] {
        let (state, attempt) = crew.state(id);
        assert_eq!(state, State::Passed, "{id}: {attempt:?}");
        assert!(attempt.takeover_seconds.unwrap() < 10.0);
        assert_eq!(attempt.holder, &id[5..]);
    }
    // The server is away: whoever makes a call hangs. Then it is back.
    crew.inject = || signal("-STOP", &children());
    crew.after = || {
        std::thread::sleep(Duration::from_millis(500));
        signal("-CONT", &children());
    };
    let (state, attempt) = crew.state("server-shutdown");
    assert_eq!(state, State::Passed, "{attempt:?}");
    assert!(attempt.stalled_seconds > 3.0 && attempt.takeover_seconds.is_none(), "{attempt:?}");
    // A host that is gone: the first of the two processes.
    crew.inject = || signal("-KILL", &children()[..1]);
    crew.after = || ();
    let (state, attempt) = crew.state("host-power@mq2");
    assert_eq!(state, State::Passed, "{attempt:?}");
    assert!(attempt.takeover_seconds.is_some());
    // Nothing happens although somebody says so.
    crew.inject = || ();
    crew.answers = vec![Said::Done];
    crew.answers.extend(std::iter::repeat_n(Said::Nothing, 400));
    let (state, attempt) = crew.state("server-halt");
    let recover = attempt.findings.iter().find(|found| found.check == "int.recover").unwrap();
    assert_eq!((state, recover.verdict), (State::Passed, Verdict::Warning), "{attempt:?}");
    crew.answers = vec![Said::Skip("no such thing here".into())];
    let (record, _) = crew.play("server-power");
    assert!(record.not_shown().iter().any(|not| not.contains("no such thing here")));
    crew.answers = vec![Said::Stop];
    let (record, done) = crew.play("server-reset");
    assert_eq!(done, Err(Halt::Stopped));
    assert_eq!(record.outcome(), Outcome::NotTested);
    // The host that directs is restarted in the middle.
    let mut record = crew.record();
    let step = Todo::of("host-power@mq1").unwrap();
    let entry = record.steps.iter_mut().find(|entry| entry.step == step.to_string()).unwrap();
    entry.state = State::Running;
    let (director, boot) = ("mq1".to_owned(), "boot0".to_owned());
    entry.attempts.push(golive::Attempt { director, boot, ..golive::Attempt::default() });
    record.save().unwrap();
    crew.answers = vec![Said::Skip("tired".into())];
    let (record, _) = crew.play("server-off");
    let entry = record.entry(&step).unwrap();
    assert_eq!(entry.state, State::Passed, "{entry:?}");
    assert!(!entry.attempts.last().unwrap().not_shown.is_empty());
    std::fs::remove_file(record.path()).unwrap();
}

fn main() {
    let mut numbers = std::env::args().skip(1).filter_map(|arg| arg.parse::<u64>().ok());
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos();
    let seed = numbers.next().unwrap_or_else(|| u64::try_from(now & 0xffff_ffff).unwrap());
    let kills = numbers.next().and_then(|kills| u32::try_from(kills).ok()).unwrap_or(100);
    appended_with_a_witness();
    println!("appended with a witness: ok");
    the_log_has_a_limit();
    println!("the log has a limit: ok");
    appended_by_two();
    println!("appended by two: ok");
    stopped_and_continued();
    println!("stopped and continued: ok");
    failures_are_recognised();
    println!("failures are recognised: ok");
    killed_at_random(seed, kills);
    println!("killed at random: ok");
}
