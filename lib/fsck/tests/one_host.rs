//! Checks on one host: a program of its own, because a process that forks must have one thread.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a test without the test harness")]

use std::cell::RefCell;
use std::rc::Rc;

use miqm_fsck::host::LocalHost;
use miqm_fsck::run;
use miqm_fsck::stage::Limits;
use miqm_fsck::{HostFacts, Outcome, Phase, Report, Stage, Verdict};
use miqm_types::UtcTime;

fn main() {
    let dir = tempfile::tempdir().unwrap();
    let facts = HostFacts { name: "here".into(), ..HostFacts::default() };
    let host = Rc::new(RefCell::new(LocalHost::new(dir.path(), facts)));
    let stage = Stage::one_host(host, ".", Limits::default(), || false);
    if std::env::args().any(|arg| arg == "--trace") {
        stage.set_trace(|line| println!("{line}"));
    }
    let phases = [Phase::Basic, Phase::All];
    let mut report = Report::new("test", "", UtcTime(0), &phases);
    for phase in phases {
        assert!(run::phase(&stage, phase, &mut report, &mut |_| {}), "{}", report.ended_early);
    }
    for found in &report.findings {
        println!(
            "{:<24} {:<14} {:.3} {} {:?}",
            found.check,
            found.verdict.words(),
            found.seconds,
            found.summary,
            found.evidence
        );
    }
    // Where folders for temporary files are kept in memory or in a container, that is found, too.
    report.findings.retain(|found| found.check != "env.volatile");
    assert_eq!(report.judge(), Outcome::Passed);
    assert_eq!(report.count(Verdict::Fail), 0);
}
