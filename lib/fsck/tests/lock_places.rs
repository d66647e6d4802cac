//! The lock checks with real processes, on one host and on two that are one: a program of its own,
//! because a process that forks must have one thread. With two directories, which are two mounts of
//! one file system, it plays there: `cargo test -p miqm-fsck --test lock_places -- DIR DIR [--trace] [--long] [lock.ID]`.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a test without the test harness")]

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use miqm_fsck::host::LocalHost;
use miqm_fsck::stage::Limits;
use miqm_fsck::{Check, HostFacts, Phase, Report, Stage, Verdict, check, run};
use miqm_types::UtcTime;

fn host(name: &str, path: &Path) -> Rc<RefCell<LocalHost>> {
    let facts = HostFacts { name: name.into(), ..HostFacts::default() };
    Rc::new(RefCell::new(LocalHost::new(path, facts)))
}

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let given: Vec<_> = arguments.iter().filter(|arg| arg.starts_with('/')).collect();
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = match given.as_slice() {
        [] => (dir.path(), dir.path()),
        [one] => (Path::new(one), Path::new(one)),
        [one, two, ..] => (Path::new(one), Path::new(two)),
    };
    let change = Duration::from_secs(if given.is_empty() { 60 } else { 5 });
    // A short limit of calls makes the looks for what must not happen short, too.
    let call = Duration::from_secs(if given.is_empty() { 3 } else { 10 });
    let hold = Duration::from_secs(if given.is_empty() { 1 } else { 80 });
    let limits = Limits { call, change, wake: change, hold };
    let folder = tempfile::tempdir_in(one).unwrap();
    let (one, two) = (host("one", one), host("two", two));
    let folder = folder.path().file_name().unwrap().to_str().unwrap();
    let alone = Stage::one_host(one.clone(), folder, limits, || false);
    let pair = alone.with_hosts(one, two);
    if arguments.iter().any(|arg| arg == "--trace") {
        alone.set_trace(|line| println!("{line}"));
    }
    let only = arguments.iter().find(|arg| arg.starts_with("lock."));
    let mut report = Report::new("test", "", UtcTime(0), &[]);
    for phase in [Phase::Basic, Phase::All, Phase::Concurrent, Phase::Waiting, Phase::Long] {
        if phase == Phase::Long && !given.is_empty() && !arguments.iter().any(|arg| arg == "--long")
        {
            continue;
        }
        let one_host = matches!(phase, Phase::Basic | Phase::All);
        let stage = if one_host { &alone } else { &pair };
        let wanted = |check: &&Check| {
            check.id.starts_with("lock.")
                && check.runs.in_phase(phase)
                && only.is_none_or(|only| check.id == only)
        };
        let checks: Vec<_> = check::all().filter(wanted).collect();
        let before = report.findings.len();
        assert!(run::these(&checks, stage, phase, &mut report, &mut |_| {}));
        let found = &report.findings[before..];
        for found in found {
            let (check, verdict, seconds) = (&found.check, found.verdict.words(), found.seconds);
            if found.verdict == Verdict::Pass && given.is_empty() {
                continue;
            }
            println!("{phase:?} {check:<20} {verdict} {seconds:.3} {}", found.summary);
            for seen in &found.evidence {
                println!("    {seen:?}");
            }
        }
        let seconds: f64 = found.iter().map(|found| found.seconds).sum();
        println!("{phase:?}: {} checks, {seconds:.3} s", found.len());
    }
    assert!(!given.is_empty() || report.count(Verdict::Pass) == report.findings.len());
}
