//! What an ordinary user finds on one host: a program of its own, because it gives up root for good.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a test without the test harness")]

use std::cell::RefCell;
use std::os::unix::fs::chown;
use std::rc::Rc;

use miqm_fsck::host::LocalHost;
use miqm_fsck::run;
use miqm_fsck::stage::{Limits, Place};
use miqm_fsck::{Finding, HostFacts, Phase, Report, Stage, Verdict};
use miqm_types::UtcTime;

/// Nobody, and two groups.
const USER: u32 = 65534;
const GROUP: u32 = 65534;
const OTHER: u32 = 12;

fn main() {
    let dir = tempfile::tempdir().unwrap();
    let root = miqm_sys::user::caller().unwrap().is_root();
    if root {
        chown(dir.path(), Some(USER), Some(GROUP)).unwrap();
        miqm_sys::probe::become_user(USER, GROUP, &[GROUP, OTHER]).unwrap();
    }
    let facts = HostFacts { name: "here".into(), ..HostFacts::default() };
    let host = Rc::new(RefCell::new(LocalHost::new(dir.path(), facts)));
    let stage = Stage::one_host(host, ".", Limits::default(), || false);
    let facts = stage.facts(Place::First).unwrap();
    // This process has changed its user, so the kernel hides parts of its own /proc from it.
    assert!(!facts.fs_type.is_empty(), "{facts:?}");
    let mut report = Report::new("test", "", UtcTime(0), &[Phase::Basic]);
    assert!(run::phase(&stage, Phase::Basic, &mut report, &mut |_| {}), "{}", report.ended_early);
    for found in &report.findings {
        println!("{:<24} {:<14} {}", found.check, found.verdict.words(), found.summary);
    }
    let verdict =
        |id: &str| report.findings.iter().find(|found| found.check == id).unwrap().verdict;
    // Where folders for temporary files are kept in memory or in a container, that is found, too.
    let failed = |found: &&Finding| found.verdict == Verdict::Fail && found.check != "env.volatile";
    assert_eq!(report.findings.iter().find(failed), None);
    assert_eq!(verdict("perm.denied"), Verdict::Pass);
    if root {
        assert_eq!(verdict("perm.chown-group"), Verdict::Pass);
        assert_eq!(verdict("perm.setgid-dir"), Verdict::Pass);
    }
}
