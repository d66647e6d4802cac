//! Two copies on one directory, of which one process is killed at a random moment: whoever survives
//! ends within its limits, says that all was tested only if all was, and leaves nothing behind.
//!
//! `MIQM_TEST_SEED` repeats a run, `MIQM_TEST_KILLS` sets the number of kills. Called with `--copy` it is
//! one of the two copies, unless `MIQM_TEST_CHECKER` names the command itself, which has longer limits.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test without the test harness"
)]

use std::cell::RefCell;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::rc::Rc;
use std::time::{Duration, Instant};

use miqm_fsck::agent::{self, Event};
use miqm_fsck::hold::{self, Part};
use miqm_fsck::host::LocalHost;
use miqm_fsck::pair::{self, Limits, Offer};
use miqm_fsck::run::Choice;
use miqm_fsck::stage::{self, SharedHost};
use miqm_fsck::{HostFacts, Outcome, Phase, Report, Stage, Verdict, two_hosts};
use miqm_types::UtcTime;

/// The longest silence of a living copy, with two busy processors for many tests.
const SILENCE: Duration = Duration::from_secs(3);

const BY_HAND: hold::Limits = hold::Limits {
    people: Duration::from_secs(3),
    take_over: Duration::from_secs(6),
    word: Duration::from_secs(4),
};
/// The longest that a copy may go on after a kill: all of its limits, one after the other.
const LIMIT: Duration = Duration::from_secs(100);
const PHASES: &[Phase] = &[Phase::Waiting];
const CHECKS: [&str; 3] = ["lock.exclusive", "lock.close", "lock.kill"];

fn choice() -> Choice {
    Choice::of(&CHECKS.map(String::from)).unwrap()
}

fn facts(name: &str) -> HostFacts {
    HostFacts { name: name.into(), ..HostFacts::default() }
}

/// A whole copy of -w; what came of it is written to `out`.
fn copy(path: &Path, name: &str, out: &Path) -> u8 {
    // More for storage that is slow, when copies are started on it by hand.
    let silence = Duration::from_secs(setting("MIQM_TEST_SILENCE", SILENCE.as_secs()));
    let limits = Limits { wait: Duration::from_secs(5) + silence, silence };
    let Ok(part) = Part::start(path, BY_HAND) else { return 2 };
    let part = Rc::new(RefCell::new(part));
    let ticking = part.clone();
    let tick = move || {
        if let Ok(mut part) = ticking.try_borrow_mut() {
            part.tick(&mut |_| {});
        }
        false
    };
    let met = pair::meet(path, Offer::new(name, PHASES, None), limits, &mut |_| {}, &tick);
    let report = match met {
        Ok(met) => {
            let folder = met.folder.clone();
            let host = LocalHost::new(path, facts(name));
            let report = if met.directs {
                direct(met, host, &part, tick)
            } else {
                serve(met, host, &part, silence)
            };
            two_hosts::remove_folder(path, &folder, Duration::from_secs(5)).ok();
            report
        }
        Err(error) => {
            println!("  {name}: {error}");
            None
        }
    };
    part.borrow_mut().clean_up();
    let Some(mut report) = report else { return 2 };
    report.outcome = report.judge();
    std::fs::write(out, serde_json::to_vec(&report).unwrap()).unwrap();
    match report.outcome {
        Outcome::Passed => 0,
        Outcome::Failed => 1,
        Outcome::NotTested => 2,
    }
}

fn direct(
    met: pair::Met,
    host: LocalHost,
    part: &Rc<RefCell<Part>>,
    tick: impl Fn() -> bool + 'static,
) -> Option<Report> {
    let (folder, run) = (met.folder.clone(), met.run.clone());
    let far = Rc::new(RefCell::new(met.direct(&facts("director")).ok()?));
    let near: SharedHost = Rc::new(RefCell::new(host));
    let stage = Stage::one_host(near.clone(), &folder, stage::Limits::default(), tick);
    stage.allow_one_host();
    let mut report = Report::new(&run, "", UtcTime(0), PHASES);
    let hosts = [near, far.clone() as SharedHost];
    let whole = two_hosts::run_of(&stage, &hosts, PHASES, &choice(), &mut report, &mut |_| {});
    drop((stage, hosts));
    let mut far = Rc::into_inner(far)?.into_inner();
    let hosts = report.hosts.iter().map(|facts| facts.name.clone()).collect();
    let mut part = part.borrow_mut();
    let told = if whole {
        report.outcome = report.judge();
        far.report(&report).ok();
        part.pressed();
        part.direct(&mut far, &mut |_| {}, &|| true, &|| false)
    } else {
        let since = far.last_heard();
        part.alone(&report.ended_early, since, &mut |_| {}, &|| false)
    };
    report.findings.push(hold::finding(told, hosts, 0.0));
    report.outcome = report.judge();
    two_hosts::finish(vec![far], &report, SILENCE);
    Some(report)
}

fn serve(
    met: pair::Met,
    mut host: LocalHost,
    part: &Rc<RefCell<Part>>,
    silence: Duration,
) -> Option<Report> {
    let (link, keeper) = met.serve().ok()?;
    let mut part = part.borrow_mut();
    part.pressed();
    let mut on = |event: Event<'_>| match event {
        Event::Tick => part.tick(&mut |_| {}),
        Event::Manual(what) => {
            part.heard(what);
            None
        }
        _ => None,
    };
    let end = agent::serve(link, &mut host, silence, &mut on, &|| false);
    drop(keeper);
    let mut report = end.report.map(|report| *report);
    if let Some(why) = end.why {
        println!("  served: {why}");
        let told = part.alone(&why, end.since, &mut |_| {}, &|| false);
        if let Some(report) = report.as_mut().filter(|report| !by_hand(report)) {
            report.findings.push(hold::finding(told, Vec::new(), 0.0));
        }
    }
    report
}

fn by_hand(report: &Report) -> bool {
    report.findings.iter().any(|found| found.check == "lock.by-hand")
}

/// A generator of numbers that is the same for the same seed.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self, below: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below.max(1)
    }

    fn index(&mut self, below: usize) -> usize {
        usize::try_from(self.next(below as u64)).unwrap()
    }
}

struct Copy {
    child: Child,
    out: PathBuf,
    code: Option<i32>,
}

impl Copy {
    fn start(dir: &Path, name: &str, out: PathBuf) -> Self {
        let mut command = if let Some(checker) = std::env::var_os("MIQM_TEST_CHECKER") {
            let mut command = Command::new(checker);
            command.args(["-w", "--json", "--wait", "8"]);
            for check in CHECKS {
                command.args(["--check", check]);
            }
            command.arg(dir).stdin(Stdio::null()).stderr(Stdio::null());
            command.stdout(std::fs::File::create(&out).unwrap());
            command
        } else {
            let mut command = Command::new(std::env::current_exe().unwrap());
            command.arg("--copy").args([dir, Path::new(name), &out]);
            command
        };
        Self { child: command.process_group(0).spawn().unwrap(), out, code: None }
    }

    fn has_ended(&mut self) -> bool {
        if self.code.is_none() {
            // A signal counts as -1.
            self.code = self.child.try_wait().unwrap().map(|status| status.code().unwrap_or(-1));
        }
        self.code.is_some()
    }

    /// Its processes that live, itself first.
    fn processes(&self) -> Vec<u32> {
        let group = self.child.id();
        let mut found = Vec::new();
        for entry in std::fs::read_dir("/proc").unwrap() {
            let name = entry.unwrap().file_name();
            let Some(pid) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else {
                continue;
            };
            let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else { continue };
            let Some((_, rest)) = stat.rsplit_once(") ") else { continue };
            let fields: Vec<_> = rest.split(' ').collect();
            if fields[2] == group.to_string() && fields[0] != "Z" {
                found.push(pid);
            }
        }
        found.sort_unstable();
        found
    }

    fn report(&self) -> Option<Report> {
        serde_json::from_slice(&std::fs::read(&self.out).ok()?).ok()
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        for pid in self.processes() {
            miqm_sys::proc::kill(pid, miqm_sys::proc::Signal::SIGKILL).unwrap();
        }
        self.child.wait().unwrap();
    }
}

struct Round {
    codes: [Option<i32>; 2],
    reports: [Option<Report>; 2],
    /// From the kill, or the beginning, until both copies had ended.
    took: Duration,
}

/// Two copies, started some time apart, and a kill of one process after some time, if any.
fn round(numbers: &mut Numbers, kill: Option<Duration>) -> Round {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("tested");
    std::fs::create_dir(&dir).unwrap();
    let began = Instant::now();
    let one = Copy::start(&dir, "one", temp.path().join("one.json"));
    std::thread::sleep(Duration::from_millis(numbers.next(200)));
    let mut copies = [one, Copy::start(&dir, "other", temp.path().join("other.json"))];
    let (mut since, mut killed) = (began, None);
    if let Some(kill) = kill {
        std::thread::sleep(kill.saturating_sub(began.elapsed()));
        let number = numbers.index(2);
        let processes = copies[number].processes();
        // The copy itself as often as all of its workers together.
        let at = if numbers.next(2) == 0 { 0 } else { numbers.index(processes.len().max(1)) };
        if let Some(pid) = processes.get(at) {
            println!("  {:?}: killing process {at} of {}", began.elapsed(), processes.len());
            miqm_sys::proc::kill(*pid, miqm_sys::proc::Signal::SIGKILL).unwrap();
            killed = (at == 0).then_some(number);
        }
        since = Instant::now();
    }
    while !copies.iter_mut().all(Copy::has_ended) {
        assert!(since.elapsed() < LIMIT, "a copy hangs");
        std::thread::sleep(Duration::from_millis(10));
    }
    let took = since.elapsed();
    // A postman outlives its owner for as long as it takes to tidy up.
    let left = || {
        let names = std::fs::read_dir(&dir).unwrap();
        names.map(|name| name.unwrap().file_name()).filter(|name| name != hold::FILE).count()
    };
    let until = Instant::now() + 4 * SILENCE;
    // A copy that has told the other one the end, and is killed while it tidies up, has no survivor.
    let alone = killed.is_some_and(|number| copies[1 - number].code == Some(0));
    while (!alone && left() > 0) || copies.iter().any(|copy| !copy.processes().is_empty()) {
        let names: Vec<_> =
            std::fs::read_dir(&dir).unwrap().map(|name| name.unwrap().path()).collect();
        assert!(Instant::now() < until, "there remain {names:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
    Round {
        codes: [copies[0].code, copies[1].code],
        reports: [copies[0].report(), copies[1].report()],
        took,
    }
}

/// Whether a report says that everything was done, and shows it.
fn is_whole(report: &Report, checks: usize) -> bool {
    let automatic = report.findings.iter().filter(|found| found.check != "lock.by-hand");
    report.ended_early.is_empty()
        && automatic.clone().count() == checks
        && report.findings.iter().all(|found| found.verdict < Verdict::NotTested)
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn main() -> ExitCode {
    let args: Vec<_> = std::env::args_os().collect();
    if args.get(1).is_some_and(|arg| arg == "--copy") {
        let name = args[3].to_str().unwrap();
        return ExitCode::from(copy(args[2].as_ref(), name, args[4].as_ref()));
    }
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let seed = setting("MIQM_TEST_SEED", now.as_secs());
    let kills = setting("MIQM_TEST_KILLS", 25);
    println!("MIQM_TEST_SEED={seed} MIQM_TEST_KILLS={kills}");
    let mut numbers = Numbers(seed);
    let began = Instant::now();
    // The shorter of some undisturbed runs, so that most kills come before the end.
    let undisturbed = (0..3).map(|_| {
        let whole = round(&mut numbers, None);
        assert_eq!(whole.codes, [Some(0); 2], "{:?}", whole.reports);
        whole
    });
    let whole = undisturbed.min_by_key(|round| round.took).unwrap();
    let report = whole.reports[0].as_ref().unwrap();
    let checks = report.findings.iter().filter(|found| found.check != "lock.by-hand").count();
    let lock_by_hand = by_hand(report);
    assert!(is_whole(report, checks), "{report:?}");
    let other = whole.reports[1].as_ref().unwrap();
    assert_eq!(other.findings, report.findings);
    println!("{checks} checks in {:?}", whole.took);
    let (mut longest, mut passes, mut fails) = (Duration::ZERO, 0, 0);
    for number in 1..=kills {
        let span = u64::try_from(whole.took.as_millis()).unwrap();
        let kill = Duration::from_millis(numbers.next(span + span / 8));
        println!("{number}: after {kill:?}");
        let round = round(&mut numbers, Some(kill));
        println!("  {:?} after {:?}", round.codes, round.took);
        longest = longest.max(round.took);
        for (code, report) in round.codes.iter().zip(&round.reports) {
            if *code == Some(0) {
                passes += 1;
                let whole =
                    |report: &Report| is_whole(report, checks) && by_hand(report) == lock_by_hand;
                assert!(report.as_ref().is_some_and(whole), "{report:?}");
            }
            // The command says so with the other number.
            if matches!(*code, Some(1 | 98)) {
                fails += 1;
                println!("  {report:?}");
            }
        }
    }
    println!(
        "{kills} kills, seed {seed}: longest end {longest:?}, {passes} passes with all done, {fails} \
         wrong failures, {:?} in all",
        began.elapsed()
    );
    assert_eq!(fails, 0, "a killed process was taken for a defect of the storage");
    ExitCode::SUCCESS
}
