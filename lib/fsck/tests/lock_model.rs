//! Every check of locks against a model of locks with one defect at a time: the check that is about
//! the defect fails, and no other one; a correct model, and unusual ones that are allowed, pass.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "lock_model/defect.rs"]
mod defect;
#[path = "lock_model/host.rs"]
mod host;
#[path = "lock_model/world.rs"]
mod world;

use std::cell::RefCell;
use std::fmt::Write;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use miqm_fsck::stage::Limits;
use miqm_fsck::{Check, Phase, Report, Stage, Verdict, check, run};
use miqm_types::UtcTime;

use defect::{Defect, ROWS, Row};
use host::ModelHost;
use world::World;

/// A row that does not come out is tried again with more time: the machine may be busy.
const TIMES: [u32; 3] = [1, 5, 25];

fn limits(times: u32) -> Limits {
    let (call, change) = (Duration::from_millis(500), Duration::from_millis(150));
    Limits {
        call: call * times,
        change: change * times,
        wake: change * times,
        hold: Duration::from_millis(400) * times,
    }
}

/// What the checks of some phases find.
fn report(defect: Defect, two: bool, phases: &[Phase], times: u32) -> Report {
    let world = Arc::new(World::new(defect));
    let here = Rc::new(RefCell::new(ModelHost::new("here", 0, world.clone())));
    let mut stage = Stage::one_host(here.clone(), "run", limits(times), || false);
    if two {
        let there = Rc::new(RefCell::new(ModelHost::new("there", 1, world)));
        stage = stage.with_hosts(here, there);
    }
    let mut report = Report::new("model", "", UtcTime(0), phases);
    for phase in phases {
        let about_locks = |check: &&Check| check.id.starts_with("lock.");
        let in_phase = |check: &&Check| check.runs.in_phase(*phase);
        let checks: Vec<_> = check::all().filter(about_locks).filter(in_phase).collect();
        assert!(run::these(&checks, &stage, *phase, &mut report, &mut |_| {}));
    }
    report
}

fn failed(report: &Report) -> Vec<&str> {
    let fails = report.findings.iter().filter(|found| found.verdict == Verdict::Fail);
    fails.map(|found| found.check.as_str()).collect()
}

/// What is wrong with the findings of one defect; nothing if they are as they must be.
fn judge(defect: Defect, two: bool, wanted: &[&str]) -> Option<String> {
    let phases = if two { &[Phase::Waiting] } else { &[Phase::Basic, Phase::All][..] };
    let mut report = report(defect, two, phases, TIMES[0]);
    for times in &TIMES[1..] {
        if failed(&report) == wanted {
            return None;
        }
        report = self::report(defect, two, phases, *times);
    }
    if failed(&report) == wanted {
        return None;
    }
    let mut text = format!(
        "{defect:?} on {} host(s): {wanted:?}, not {:?}\n",
        1 + u8::from(two),
        failed(&report)
    );
    for found in report.findings.iter().filter(|found| found.verdict == Verdict::Fail) {
        let _ = writeln!(text, "    {}: {} {:?}", found.check, found.summary, found.evidence);
    }
    Some(text)
}

#[test]
fn each_defect_is_named_by_its_check_and_by_no_other() {
    let next = AtomicUsize::new(0);
    let wrong = std::thread::scope(|scope| {
        let work = || {
            let mut wrong = Vec::new();
            while let Some(Row(defect, one, two)) = ROWS.get(next.fetch_add(1, Ordering::SeqCst)) {
                wrong.extend(judge(*defect, false, one));
                wrong.extend(judge(*defect, true, two));
            }
            wrong
        };
        let threads: Vec<_> = (0..16).map(|_| scope.spawn(work)).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_lock_that_expires_is_found_when_it_is_held_for_long() {
    for two in [false, true] {
        for (defect, wanted) in [(Defect::Expires, &["lock.long"][..]), (Defect::None, &[])] {
            let found = |times: &u32| {
                let report = report(defect, two, &[Phase::Long], *times);
                failed(&report) == wanted
            };
            assert!(TIMES.iter().any(found), "{defect:?}");
        }
    }
}
