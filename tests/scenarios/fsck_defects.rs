//! The storage checker against file systems that are right, odd, or wrong in exactly one way.
//!
//! `MIQM_TEST_DEFECT` selects behaviours by a part of their names.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::defectfs::{
    BEHAVIOURS, Behaviour, Class, Lab, Phase, Row, SELECT, Signals, setting,
};
use crate::support::say;

/// How many file systems are tried at a time; the checkers mostly wait.
const PARALLEL: usize = 8;
/// No run takes longer, whatever the storage does.
const LIMIT: Duration = Duration::from_mins(4);
/// One cause, one failure; but a cause can break more than one property.
const FAILURES_MAX: usize = 8;

/// A checker that runs.
struct Run {
    child: Child,
    said: PathBuf,
    complained: PathBuf,
    began: Instant,
}

/// A checker that has ended.
#[derive(Debug, Default)]
struct Ended {
    /// `None` if it had to be killed.
    code: Option<i32>,
    failed: BTreeSet<String>,
    warned: BTreeSet<String>,
    untested: BTreeSet<String>,
    complaints: String,
    took: Duration,
}

/// What a host is called.
fn host_name(host: usize) -> &'static str {
    ["host1", "host2"][host]
}

/// Where the programs are.
fn programs() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_miqm")).parent().expect("a folder of programs")
}

impl Run {
    /// Starts the checker on a host, 0 or 1, of the lab. What it says goes to files: a process that the
    /// storage does not let go must not keep a pipe open.
    fn start(lab: &Lab, host: usize, notes: &Path, arguments: &[impl AsRef<OsStr>]) -> Self {
        let name = host_name(host);
        let said = notes.join(format!("{name}.json"));
        let complained = notes.join(format!("{name}.err"));
        let bin = programs();
        let file = |path: &Path| File::create(path).expect("a file for notes");
        let child = Command::new(bin.join("amqmfsck"))
            .args(arguments)
            .arg(lab.path(host))
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("MIQM_HOSTNAME", name)
            .env("MIQM_PREFIX", notes.join(format!("{name}.var")))
            .env("MIQM_RUNTIME_DIR", notes.join(format!("{name}.run")))
            .current_dir(notes)
            // A group of its own, to be ended with all that it has started.
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(file(&said))
            .stderr(file(&complained))
            .spawn()
            .expect("the checker runs");
        Self { child, said, complained, began: Instant::now() }
    }

    /// Waits for its end.
    fn end(mut self) -> Ended {
        let mut ended = Ended::default();
        loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                ended.code = status.code();
                break;
            }
            if self.began.elapsed() > LIMIT {
                self.kill();
                break;
            }
            thread::sleep(Duration::from_millis(20));
        }
        ended.took = self.began.elapsed();
        ended.complaints = fs::read_to_string(&self.complained).unwrap_or_default();
        let text = fs::read_to_string(&self.said).unwrap_or_default();
        let report: Value = serde_json::from_str(&text).unwrap_or_default();
        for finding in report["findings"].as_array().into_iter().flatten() {
            let id = finding["check"].as_str().unwrap_or_default().to_owned();
            match finding["verdict"].as_str() {
                Some("fail") => drop(ended.failed.insert(id)),
                Some("warning") => drop(ended.warned.insert(id)),
                Some("not-tested") => drop(ended.untested.insert(id)),
                _ => (),
            }
        }
        ended
    }

    fn kill(&self) {
        self.signal(Signal::SIGKILL);
    }

    /// To it and all that it has started.
    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).expect("a process id");
        // It may end at this moment.
        let _ = killpg(Pid::from_raw(pid), signal);
    }
}

impl Ended {
    /// With what another copy said of the same run.
    fn and(mut self, other: Self) -> Self {
        self.code = match (self.code, other.code) {
            (Some(one), Some(two)) => {
                // A failure, 98, weighs more than what could not be tested, 20, or only partly.
                Some(one.max(two))
            }
            _ => None,
        };
        self.failed.extend(other.failed);
        self.warned.extend(other.warned);
        self.untested.extend(other.untested);
        self.complaints.push_str(&other.complaints);
        self.took = self.took.max(other.took);
        self
    }
}

/// How the copies on two hosts come together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    /// Each is started by hand, and finds the other by files in the directory.
    Files,
    /// One starts the other over a connection. That costs half as much, and nothing of it goes through
    /// the storage, so that the checks alone are tried.
    Connection,
}

/// What concerns copies that find each other by files: what a host sees late, or never.
const BY_FILES: [Behaviour; 12] = [
    Behaviour::Correct,
    Behaviour::NfsCaching,
    Behaviour::WriteBehind,
    Behaviour::StaleWhenRemoved,
    Behaviour::ClockAhead,
    Behaviour::WritesInvisible,
    Behaviour::WritesStay,
    Behaviour::TwoStores,
    Behaviour::StaleSize,
    Behaviour::SameSecondUnseen,
    Behaviour::CreationsInvisible,
    Behaviour::ListingStale,
];

impl Link {
    fn of(row: &Row) -> Self {
        if BY_FILES.contains(&row.behaviour) { Self::Files } else { Self::Connection }
    }
}

/// What makes a connection to the second host: a program that runs a command there.
fn connector(notes: &Path) -> PathBuf {
    let path = notes.join("connect");
    let there = |name: &str| notes.join(format!("{}.{name}", host_name(1))).display().to_string();
    let script = format!(
        "#!/bin/sh\nshift\nexport PATH={}:/usr/bin:/bin MIQM_HOSTNAME={} MIQM_PREFIX={} \
         MIQM_RUNTIME_DIR={}\nexec sh -c \"$*\"\n",
        programs().display(),
        host_name(1),
        there("var"),
        there("run"),
    );
    let mut options = OpenOptions::new();
    let mut file =
        options.write(true).create(true).truncate(true).mode(0o755).open(&path).expect("a script");
    file.write_all(script.as_bytes()).expect("written");
    path
}

/// Two hosts that test together.
fn together(lab: &Lab, notes: &Path, link: Link, arguments: &[&str]) -> Ended {
    if link == Link::Files {
        let [one, two] = [0, 1].map(|host| Run::start(lab, host, notes, arguments));
        return one.end().and(two.end());
    }
    let with = format!("{}:{}", host_name(1), lab.path(1).display());
    let connect = connector(notes).display().to_string();
    let with = ["--with", with.as_str(), "--ssh", connect.as_str()];
    Run::start(lab, 0, notes, &[arguments, with.as_slice()].concat()).end()
}

/// What a checker makes of a behaviour, or `None` where it cannot be tried.
fn tried(row: &Row, phase: Phase) -> Option<Ended> {
    let behaviour = row.behaviour;
    let with_signals = matches!(phase, Phase::All | Phase::Waiting);
    let signals = if with_signals { Signals::Reach } else { Signals::Stay };
    let lab = Lab::or_skip(behaviour, signals)?;
    let notes = TempDir::new().expect("a directory");
    let both = |arguments: &[&str]| together(&lab, notes.path(), Link::of(row), arguments);
    let times = ["--json", "--limit", "12", "--call-limit", "4"];
    let with = |mode: &'static str| [&times[..], &["--wait", "20", mode]].concat();
    Some(match phase {
        Phase::Basic => Run::start(&lab, 0, notes.path(), &times).end(),
        Phase::All => Run::start(&lab, 0, notes.path(), &[&times[..], &["--all"]].concat()).end(),
        Phase::Concurrent => both(&with("-c")),
        Phase::Waiting => both(&with("-w")),
        Phase::Integrity => after_crashes(&lab, behaviour, notes.path()),
        Phase::Takeover => after_a_lost_lock(&lab, notes.path()),
    })
}

/// How long appends go on before the failure: longer than what a server may forget.
const APPEND: Duration = Duration::from_secs(7);
/// Enough for one of them to notice what the other did.
const NOTICE: Duration = Duration::from_secs(2);
/// A small file, so that what was written long ago is written again.
const FORMAT: [&str; 4] = ["--json", "-f", "-p", "64"];
const VERIFY: [&str; 2] = ["--json", "-i"];

/// Arguments, and where the witness of a host is.
fn witnessed(notes: &Path, host: usize, arguments: &[&str]) -> Vec<String> {
    let witness = notes.join(format!("witness{host}")).display().to_string();
    let given = arguments.iter().map(ToString::to_string);
    given.chain(["--witness".to_owned(), witness]).collect()
}

/// Appends on the first host until the power fails everywhere, and what the second makes of the rest.
/// Whether a single crash catches a call at the right moment is chance.
fn after_crashes(lab: &Lab, behaviour: Behaviour, notes: &Path) -> Ended {
    let formatted = Run::start(lab, 0, notes, &FORMAT).end();
    if formatted.code != Some(0) {
        return formatted;
    }
    let mut ended = after_a_crash(lab, APPEND, notes);
    let rows = BEHAVIOURS.iter().filter(|row| row.class == Class::Defect);
    let crashes = if rows.map(|row| row.behaviour).any(|one| one == behaviour) { 12 } else { 2 };
    for _ in 1..crashes {
        if ended.code != Some(0) {
            break;
        }
        ended = after_a_crash(lab, NOTICE, notes);
    }
    ended
}

fn after_a_crash(lab: &Lab, after: Duration, notes: &Path) -> Ended {
    let append = Run::start(lab, 0, notes, &witnessed(notes, 0, &["--json", "-a"]));
    thread::sleep(after);
    append.kill();
    drop(append.end());
    // What the processes had open is closed by then.
    thread::sleep(Duration::from_millis(300));
    let seed = fs::metadata(notes.join("witness0")).map_or(1, |found| found.len());
    lab.crash(seed);
    Run::start(lab, 1, notes, &witnessed(notes, 0, &VERIFY)).end()
}

/// Appends on the first host, which is cut off for a time in which it loses its lock to the second, and
/// what a check makes of the files then.
fn after_a_lost_lock(lab: &Lab, notes: &Path) -> Ended {
    let formatted = Run::start(lab, 0, notes, &FORMAT).end();
    if formatted.code != Some(0) {
        return formatted;
    }
    let append = ["--json", "-a", "--wait", "60"];
    let one = Run::start(lab, 0, notes, &witnessed(notes, 0, &append));
    thread::sleep(NOTICE);
    let two = Run::start(lab, 1, notes, &witnessed(notes, 1, &append));
    thread::sleep(NOTICE);
    lab.cut(0, true);
    lab.revoke(0);
    thread::sleep(2 * NOTICE);
    two.signal(Signal::SIGTERM);
    let two = two.end();
    // Only now what the first host was about to write arrives: nobody writes over it any more.
    lab.cut(0, false);
    thread::sleep(NOTICE);
    one.signal(Signal::SIGTERM);
    let appended = [one.end(), two];
    let ended = Run::start(lab, 0, notes, &witnessed(notes, 1, &VERIFY)).end();
    // That the lock was lost is told by who lost it; that is right.
    appended.into_iter().fold(ended, |mut ended, other| {
        ended.complaints.push_str(&other.complaints);
        ended
    })
}

/// What is wrong with what the checker said.
fn judged(row: &Row, ended: &Ended) -> Option<String> {
    let wrong: Vec<_> =
        ended.failed.iter().filter(|id| !row.ids.contains(&id.as_str())).cloned().collect();
    match row.class {
        _ if ended.code.is_none() => Some("it had to be killed".into()),
        Class::Correct | Class::Unusual => (ended.code != Some(0)).then(|| "false alarm".into()),
        Class::Defect if ended.code == Some(0) => Some("it was not seen".into()),
        // What keeps every test from being made is told as it is: by call and error.
        Class::Defect if ended.failed.is_empty() => {
            let told = row.ids.iter().any(|word| ended.complaints.contains(word));
            (!told).then(|| "nothing failed".into())
        }
        Class::Defect if !wrong.is_empty() => Some(format!("wrong names: {}", wrong.join(" "))),
        Class::Defect if ended.failed.len() > FAILURES_MAX => Some("too many names".into()),
        Class::Defect => None,
    }
}

fn line(row: &Row, ended: &Ended, wrong: Option<&str>) -> String {
    let words = |ids: &BTreeSet<String>| ids.iter().cloned().collect::<Vec<_>>().join(" ");
    let code = ended.code.map_or("killed".into(), |code| code.to_string());
    let mut line = format!(
        "{:8} {:30} {:10} exit {code:6} {:5.1} s  {}",
        if wrong.is_some() { "WRONG" } else { "ok" },
        row.name,
        format!("{:?}", row.phase),
        ended.took.as_secs_f64(),
        words(&ended.failed)
    );
    if let Some(wrong) = wrong {
        let more = (wrong, words(&ended.warned), words(&ended.untested), ended.complaints.trim());
        write!(line, "\n         {more:?}").expect("a string takes everything");
    }
    line
}

/// Tries the behaviours of a phase. What is right has to pass every phase, and what is odd that of one
/// host, too; those that were asked for by name, all.
fn try_all(phase: Phase) {
    let wanted = setting(SELECT);
    let due = |row: &&Row| match row.class {
        _ if row.phase == phase => true,
        Class::Correct => true,
        Class::Unusual => phase == Phase::Basic || wanted.is_some(),
        Class::Defect => false,
    };
    let named = |row: &&Row| wanted.as_ref().is_none_or(|wanted| row.name.contains(wanted));
    let rows: Vec<_> = BEHAVIOURS.iter().filter(due).filter(named).collect();
    let next = Mutex::new(rows.iter());
    let lines = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..PARALLEL {
            scope.spawn(|| {
                loop {
                    let row = next.lock().expect("no panic under the lock").next();
                    let Some(row) = row else { return };
                    let Some(ended) = tried(row, phase) else { return };
                    let wrong = judged(row, &ended);
                    let line = line(row, &ended, wrong.as_deref());
                    lines.lock().expect("no panic under the lock").push((wrong.is_some(), line));
                }
            });
        }
    });
    let mut lines = lines.into_inner().expect("no panic under the lock");
    for (wrong, line) in lines.iter_mut().filter(|(wrong, _)| *wrong) {
        // Limits are short here, and the machine was busy: once more, alone.
        let Some(row) = rows.iter().find(|row| line.contains(&format!(" {} ", row.name))) else {
            continue;
        };
        let Some(ended) = tried(row, phase) else { continue };
        let still = judged(row, &ended);
        *line = format!("{line}\n{}", self::line(row, &ended, still.as_deref()));
        *wrong = still.is_some();
    }
    lines.sort();
    let table: Vec<_> = lines.iter().map(|(_, line)| line.as_str()).collect();
    say(&format!("{phase:?}\n{}", table.join("\n")));
    let wrong: Vec<_> = lines.iter().filter(|(wrong, _)| *wrong).collect();
    assert!(wrong.is_empty(), "the checker was wrong {} times; see above", wrong.len());
}

#[test]
fn one_host_is_enough_for_these() {
    try_all(Phase::Basic);
}

#[test]
fn one_host_and_more_time_show_these() {
    try_all(Phase::All);
}

#[test]
fn two_hosts_that_write_show_these() {
    try_all(Phase::Concurrent);
}

#[test]
fn two_hosts_that_wait_show_these() {
    try_all(Phase::Waiting);
}

#[test]
fn a_crash_shows_these() {
    try_all(Phase::Integrity);
}

#[test]
fn a_lost_lock_shows_these() {
    try_all(Phase::Takeover);
}
