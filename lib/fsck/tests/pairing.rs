//! Two copies through files alone: a program of its own, because a process that forks must have one
//! thread.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a test without the test harness")]

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

use miqm_fsck::host::LocalHost;
use miqm_fsck::pair::{self, Event, Limits, MeetError, Offer};
use miqm_fsck::run::Choice;
use miqm_fsck::stage::{self, SharedHost};
use miqm_fsck::{HostFacts, Outcome, Phase, Report, Stage, Verdict, agent, two_hosts};
use miqm_sys::worker::Worker;
use miqm_types::UtcTime;

/// A few of the checks, and those that they need: here it is about the copies.
const CHECKS: [&str; 2] = ["lock.shared", "see.write"];

const LIMITS: Limits = Limits { wait: Duration::from_secs(10), silence: Duration::from_secs(3) };

fn facts(name: &str) -> HostFacts {
    HostFacts { name: name.into(), ..HostFacts::default() }
}

/// A whole copy: 0 if everything held, 1 if something did not, 2 if it could not be tested.
fn copy(path: &Path, name: &str, phases: &[Phase], limits: Limits) -> u8 {
    let offer = Offer::new(name, phases, None);
    let began = Instant::now();
    let met = match pair::meet(path, offer, limits, &mut |_| {}, &|| false) {
        Ok(met) => met,
        Err(error) => {
            println!("{name}: {error} after {:?}", began.elapsed());
            return if matches!(error, MeetError::Differs(_)) { 3 } else { 2 };
        }
    };
    println!("{name}: met {} after {:?}, directs: {}", met.host, began.elapsed(), met.directs);
    let host = LocalHost::new(path, facts(name));
    let folder = met.folder.clone();
    let code = if met.directs { direct(met, host, phases) } else { serve(met, host) };
    two_hosts::remove_folder(path, &folder, Duration::from_secs(3)).unwrap();
    code
}

fn direct(met: pair::Met, host: LocalHost, phases: &[Phase]) -> u8 {
    let (folder, run) = (met.folder.clone(), met.run.clone());
    let Ok(far) = met.direct(&facts("director")) else { return 2 };
    let far = Rc::new(RefCell::new(far));
    let near: SharedHost = Rc::new(RefCell::new(host));
    let stage = Stage::one_host(near.clone(), &folder, stage::Limits::default(), || false);
    stage.allow_one_host();
    let mut report = Report::new(&run, "", UtcTime(0), phases);
    let hosts = [near, far.clone() as SharedHost];
    let began = Instant::now();
    let choice = Choice::of(&CHECKS.map(String::from)).unwrap();
    two_hosts::run_of(&stage, &hosts, phases, &choice, &mut report, &mut |_| {});
    drop((stage, hosts));
    println!("{} findings in {:?}", report.findings.len(), began.elapsed());
    for found in &report.findings {
        if found.verdict == Verdict::Fail {
            println!("{} {} {:?}", found.check, found.summary, found.evidence);
        }
    }
    report.outcome = report.judge();
    let Some(far) = Rc::into_inner(far).map(RefCell::into_inner) else { return 2 };
    two_hosts::finish(vec![far], &report, Duration::from_secs(3));
    code(report.outcome)
}

fn serve(met: pair::Met, mut host: LocalHost) -> u8 {
    let Ok((port, keeper)) = met.serve() else { return 2 };
    let end = agent::serve(port, &mut host, LIMITS.silence, &mut |_| None, &|| false);
    drop(keeper);
    println!("served: {:?}", end.why);
    end.report.map_or(2, |report| code(report.outcome))
}

fn code(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Passed => 0,
        Outcome::Failed => 1,
        Outcome::NotTested => 2,
    }
}

fn start(path: &Path, name: &'static str, phases: &'static [Phase]) -> Worker {
    let path = path.to_owned();
    Worker::start(move |_| copy(&path, name, phases, LIMITS)).unwrap()
}

fn ends(worker: &mut Worker, limit: Duration) -> Option<u8> {
    let began = Instant::now();
    while !worker.has_ended() {
        assert!(began.elapsed() < limit, "it goes on");
        std::thread::sleep(Duration::from_millis(5));
    }
    worker.code()
}

fn names(path: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(path).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

fn two_copies_meet_in_either_order() {
    for wait in [0, 1500] {
        let dir = tempfile::tempdir().unwrap();
        let mut one = start(dir.path(), "one", &[Phase::Concurrent]);
        std::thread::sleep(Duration::from_millis(wait));
        let mut other = start(dir.path(), "other", &[Phase::Concurrent]);
        let limit = Duration::from_mins(1);
        assert_eq!((ends(&mut one, limit), ends(&mut other, limit)), (Some(0), Some(0)));
        assert_eq!(names(dir.path()), [""; 0]);
    }
}

fn copies_that_were_asked_for_different_things_both_say_so() {
    let dir = tempfile::tempdir().unwrap();
    let mut one = start(dir.path(), "one", &[Phase::Concurrent]);
    let mut other = start(dir.path(), "other", &[Phase::Waiting]);
    let limit = Duration::from_secs(20);
    assert_eq!((ends(&mut one, limit), ends(&mut other, limit)), (Some(3), Some(3)));
    assert_eq!(names(dir.path()), [""; 0]);
}

fn a_copy_alone_gives_up_and_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let id = "0123456789abcdef0123456789abcdef";
    let planted = format!("amqmfsck-c-{id}.hello");
    std::fs::write(dir.path().join(&planted), vec![b'x'; 3000]).unwrap();
    let offer = Offer::new("alone", &[Phase::Concurrent], None);
    let limits = Limits { wait: Duration::from_secs(6), ..LIMITS };
    let mut seen = Vec::new();
    let met = pair::meet(dir.path(), offer, limits, &mut |event| seen.push(event), &|| false);
    assert!(matches!(met, Err(MeetError::Nobody(_))), "{met:?}");
    assert!(seen.contains(&Event::Strange { name: planted.clone() }), "{seen:?}");
    assert_eq!(names(dir.path()), [planted]);
    let nowhere = dir.path().join("none");
    let offer = Offer::new("alone", &[], None);
    let met = pair::meet(&nowhere, offer, limits, &mut |_| {}, &|| false);
    assert!(matches!(met, Err(MeetError::Cannot(_))), "{met:?}");
}

/// Neither what a dead copy left, nor what strangers put there under our names, disturbs two copies.
fn leftovers_and_strange_files_are_no_partners() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let mut dead = start(dir.path(), "dead", &[Phase::Concurrent]);
    std::thread::sleep(Duration::from_millis(500));
    let hello = names(dir.path()).into_iter().find(|name| name.len() == 49).unwrap();
    let bytes = std::fs::read(path(&hello)).unwrap();
    dead.signal(miqm_sys::proc::Signal::SIGKILL);
    let began = Instant::now();
    while !names(dir.path()).is_empty() {
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", names(dir.path()));
        std::thread::sleep(Duration::from_millis(20));
    }
    std::fs::write(path(&hello), &bytes).unwrap();
    let name = |digit: &str| format!("amqmfsck-c-{}.hello", digit.repeat(32));
    std::fs::write(path(&name("1")), "garbage").unwrap();
    // The leftover of one copy under the name of another.
    std::fs::write(path(&name("2")), &bytes).unwrap();
    std::os::unix::fs::symlink(&hello, path(&name("3"))).unwrap();
    let fifo = std::process::Command::new("mkfifo").arg(path(&name("4"))).status().unwrap();
    assert!(fifo.success());
    std::fs::File::create(path(&name("5"))).unwrap().set_len(1 << 42).unwrap();
    std::fs::create_dir(path(&name("6"))).unwrap();
    let mut one = start(dir.path(), "one", &[Phase::Concurrent]);
    let mut other = start(dir.path(), "other", &[Phase::Concurrent]);
    let limit = Duration::from_mins(1);
    assert_eq!((ends(&mut one, limit), ends(&mut other, limit)), (Some(0), Some(0)));
    // The dead process of this host was seen at once, if there was time to look.
    let mut left = names(dir.path());
    left.sort_unstable();
    left.retain(|name| *name != hello);
    let strange: Vec<_> = ["1", "2", "3", "4", "5", "6"].map(name).into();
    assert_eq!(left, strange);
}

fn copies_of_different_versions_both_say_so() {
    let dir = tempfile::tempdir().unwrap();
    let meet = |path: &Path, protocol: u32| {
        let mut offer = Offer::new("host", &[Phase::Concurrent], None);
        offer.protocol.1 = protocol;
        match pair::meet(path, offer, LIMITS, &mut |_| {}, &|| false) {
            Err(MeetError::Differs(what)) if what.len() == 1 => 3,
            _ => 2,
        }
    };
    let path = dir.path().to_owned();
    let mut other = Worker::start(move |_| meet(&path, 77)).unwrap();
    assert_eq!(meet(dir.path(), 78), 3);
    assert_eq!(ends(&mut other, Duration::from_secs(10)), Some(3));
    assert_eq!(names(dir.path()), [""; 0]);
}

fn what_a_killed_copy_left_is_removed() {
    let dir = tempfile::tempdir().unwrap();
    let mut dead = start(dir.path(), "dead", &[Phase::Concurrent]);
    std::thread::sleep(Duration::from_millis(500));
    assert!(!names(dir.path()).is_empty());
    dead.signal(miqm_sys::proc::Signal::SIGKILL);
    // Its postman sees that it died.
    let began = Instant::now();
    while !names(dir.path()).is_empty() {
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", names(dir.path()));
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn main() {
    two_copies_meet_in_either_order();
    copies_that_were_asked_for_different_things_both_say_so();
    a_copy_alone_gives_up_and_leaves_nothing();
    what_a_killed_copy_left_is_removed();
    leftovers_and_strange_files_are_no_partners();
    copies_of_different_versions_both_say_so();
}
