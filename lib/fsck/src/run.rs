//! Making the checks of a phase, one after the other.

use miqm_sys::clock::BootInstant;
use miqm_sys::probe;

use crate::check::{self, Check};
use crate::finding::{Evidence, Finding, Told, Verdict};
use crate::report::{Phase, Report};
use crate::stage::{Place, Stage, Trouble};

/// What happens while checks are made.
#[derive(Debug)]
pub enum Event<'a> {
    /// A check begins: the how-manieth of how many.
    Begins {
        /// Which.
        check: &'static Check,
        /// Counted from 1.
        number: usize,
        /// Of the phase.
        of: usize,
    },
    /// A check has ended.
    Found(&'a Finding),
}

/// Which checks are made.
#[derive(Clone, Debug, Default)]
pub struct Choice {
    /// Their ids; all if it is empty.
    ids: Vec<&'static str>,
}

impl Choice {
    /// These checks, and those that they need; or the id that no check has.
    ///
    /// # Errors
    ///
    /// The first id that no check has.
    pub fn of(ids: &[String]) -> Result<Self, String> {
        let mut choice = Self::default();
        for id in ids {
            choice.add(check::of(id).ok_or_else(|| id.clone())?);
        }
        Ok(choice)
    }

    fn add(&mut self, check: &'static Check) {
        if !self.ids.contains(&check.id) {
            self.ids.push(check.id);
            for need in check.needs.iter().filter_map(|id| check::of(id)) {
                self.add(need);
            }
        }
    }

    /// Whether a check is among them.
    pub fn has(&self, check: &Check) -> bool {
        self.ids.is_empty() || self.ids.contains(&check.id)
    }

    /// Whether one of them is made in a phase.
    pub fn in_phase(&self, phase: Phase) -> bool {
        check::all().any(|check| check.runs.in_phase(phase) && self.has(check))
    }
}

/// Makes every check of a phase on the stage, and adds what is found to the report. If the run cannot
/// go on, [`Report::ended_early`] says why, and `false` is returned.
pub fn phase(
    stage: &Stage,
    phase: Phase,
    report: &mut Report,
    on: &mut dyn FnMut(Event<'_>),
) -> bool {
    phase_of(stage, phase, &Choice::default(), report, on)
}

/// The same with the checks of a choice only.
pub fn phase_of(
    stage: &Stage,
    phase: Phase,
    choice: &Choice,
    report: &mut Report,
    on: &mut dyn FnMut(Event<'_>),
) -> bool {
    let hosts = hosts_of(stage);
    let due = |check: &&Check| {
        let known = check.runs.is_once() && is_known(check, report, &hosts);
        // Whatever was chosen: nothing that is found means anything if these are no two hosts.
        let wanted = choice.has(check) || (stage.two_hosts() && check.id == "env.two-hosts");
        check.runs.in_phase(phase) && wanted && !known
    };
    let checks: Vec<_> = check::all().filter(due).collect();
    these(&checks, stage, phase, report, on)
}

/// The same with some checks only, in the order given.
pub fn these(
    checks: &[&'static Check],
    stage: &Stage,
    phase: Phase,
    report: &mut Report,
    on: &mut dyn FnMut(Event<'_>),
) -> bool {
    let hosts = hosts_of(stage);
    for (at, check) in checks.iter().enumerate() {
        on(Event::Begins { check, number: at + 1, of: checks.len() });
        let began = BootInstant::now();
        let (told, over) = if let Some(missing) = missing(check, report, &hosts) {
            (Told::not_tested(missing), None)
        } else {
            let result = made(check, stage);
            let dead = stage.count_stuck(matches!(result, Err(Trouble::Stuck(_)))) >= STUCK_MAX;
            let again = known_trouble(check, &result, report, &hosts);
            let (told, over) = told(result);
            let over = over.or_else(|| dead.then(|| no_answers(&told)));
            (again.or_else(|| no_room(&told, report, &hosts)).unwrap_or(told), over)
        };
        let finding = finding(check, stage, phase, told, began.elapsed().as_secs_f64());
        on(Event::Found(&finding));
        report.findings.push(finding);
        if let Some(why) = over {
            report.ended_early = why;
            return false;
        }
    }
    true
}

/// Makes a check. What it found means nothing if meanwhile a host was lost, or an actor died that nobody
/// killed: what such a one held is free then, which neither a pass nor a failure must rest on.
fn made(check: &Check, stage: &Stage) -> Result<Told, Trouble> {
    stage.take_died();
    let result = (check.run)(stage);
    if matches!(result, Err(Trouble::Lost(_) | Trouble::Asked)) {
        return result;
    }
    let mut sound = true;
    for place in [Place::First, Place::Second] {
        sound &= stage.host(place).borrow_mut().confirm()?;
    }
    sound &= !stage.take_died();
    if sound || matches!(result, Err(Trouble::Died(_))) {
        return result;
    }
    let note = "somebody, or a lack of memory, ended a process of the test";
    Err(Trouble::Died(Box::new(Evidence::note(note))))
}

/// The names of the hosts of a stage, in the order of the places.
pub fn hosts_of(stage: &Stage) -> Vec<String> {
    let first = stage.host_name(Place::First);
    if stage.two_hosts() { vec![first, stage.host_name(Place::Second)] } else { vec![first] }
}

/// Whether the report has findings of the check for all these hosts, from whatever phases.
fn is_known(check: &Check, report: &Report, hosts: &[String]) -> bool {
    let found = |host: &String| {
        report.findings.iter().any(|found| found.check == check.id && found.hosts.contains(host))
    };
    hosts.iter().all(found)
}

/// Why a check is not made on these hosts, as a sentence: the one need, or need of a need, that everything
/// else follows from. What a need that this phase is without needs in its turn counts as well.
fn missing(check: &Check, report: &Report, hosts: &[String]) -> Option<String> {
    let last = |id: &str| {
        let of_need = |found: &&Finding| found.check == id && found.hosts == hosts;
        report.findings.iter().rev().find(of_need).map(|found| found.verdict)
    };
    check.needs.iter().find_map(|need| {
        let deeper = || check::of(need).and_then(|need| missing(need, report, hosts));
        match last(need) {
            Some(Verdict::Fail) => Some(format!("It needs {need}, which did not hold.")),
            Some(Verdict::NotTested) => Some(
                deeper().unwrap_or_else(|| format!("It needs {need}, which could not be tested.")),
            ),
            Some(_) => None,
            None => deeper(),
        }
    })
}

/// What is told instead of a failure that says nothing about the check: its calls were refused for want of
/// room, and a check before it has failed for the same reason.
fn no_room(told: &Told, report: &Report, hosts: &[String]) -> Option<Told> {
    let errno = told.evidence.first()?.errno.filter(|errno| NO_ROOM.contains(errno))?;
    let refused = |one: &Evidence| one.errno == Some(errno);
    if told.verdict != Verdict::Fail || !told.evidence.iter().all(refused) {
        return None;
    }
    let same = |found: &&Finding| {
        let together = found.hosts.iter().any(|host| hosts.contains(host));
        found.verdict == Verdict::Fail && together && found.evidence.iter().any(refused)
    };
    let first = &report.findings.iter().find(same)?.check;
    let error = probe::errno_name(errno);
    let why = format!("There is no room for it ({error}), as {first} has found.");
    Some(Told::not_tested(why).with_all(told.evidence.iter().cloned()))
}

/// Calls that so many checks make on their way that one cause would be many failures.
const ON_THE_WAY: [&str; 6] = ["pread", "pwrite", "write", "close", "fsync", "fdatasync"];

/// What is told of a check that got no further than a call which another check has shown to fail in the same
/// way, or not to come back either. The checks of syncs are about the call itself.
fn known_trouble(
    check: &Check,
    result: &Result<Told, Trouble>,
    report: &Report,
    hosts: &[String],
) -> Option<Told> {
    let evidence = match result {
        Err(Trouble::Refused(evidence)) if evidence.errno.is_some() => evidence,
        Err(Trouble::Stuck(evidence)) => evidence,
        _ => return None,
    };
    let name = |one: &Evidence| one.call.split('(').next().unwrap_or_default().to_owned();
    let call = name(evidence);
    if check.id.starts_with("sync.") || !ON_THE_WAY.contains(&call.as_str()) {
        return None;
    }
    let alike = |one: &Evidence| name(one) == call && one.errno == evidence.errno;
    let same = |found: &&Finding| {
        let together = found.hosts.iter().any(|host| hosts.contains(host));
        found.verdict == Verdict::Fail && together && found.evidence.iter().any(alike)
    };
    let first = &report.findings.iter().find(same)?.check;
    let why = match evidence.errno {
        Some(_) => format!(
            "It got no further than {call}, which was refused ({}) as in {first}.",
            evidence.error
        ),
        None => format!("It got no further than {call}, which did not come back, as in {first}."),
    };
    Some(Told::not_tested(why).with((**evidence).clone()))
}

/// After so many checks in which a call did not come back the run ends: each of those that are left
/// would wait as long.
const STUCK_MAX: u32 = 3;

/// Why it ends then, as a sentence.
fn no_answers(told: &Told) -> String {
    let last = told.evidence.last().map(|evidence| evidence.call.as_str()).unwrap_or_default();
    format!(
        "The storage does not answer: in {STUCK_MAX} checks a call did not come back, the last {last}."
    )
}

/// ENOSPC and EDQUOT.
const NO_ROOM: [i32; 2] = [28, 122];

/// What is told of a check that ended in trouble; and why the run is over, if it is.
fn told(result: Result<Told, Trouble>) -> (Told, Option<String>) {
    let refused = |evidence: Evidence| {
        let call = if evidence.call.is_empty() { "A call" } else { evidence.call.as_str() };
        let summary = match evidence.errno {
            Some(errno) => {
                format!("{call} was refused: {} ({}).", evidence.error, probe::errno_text(errno))
            }
            None => format!("{call} did not do what it said: {}.", evidence.note),
        };
        Told::fail(summary).with(evidence)
    };
    match result {
        Ok(told) => (told, None),
        Err(Trouble::Refused(evidence)) => (refused(*evidence), None),
        Err(Trouble::Stuck(evidence)) => {
            let summary = format!("{} did not come back: {}.", evidence.call, evidence.note);
            (Told::fail(summary).with(*evidence), None)
        }
        Err(Trouble::Died(evidence)) => {
            let summary = "A process of the test died before the check was over.";
            (Told::not_tested(summary).with(*evidence), None)
        }
        Err(Trouble::Lost(lost)) => {
            let why = format!("Host {} was lost: {}.", lost.host, lost.why);
            (Told::not_tested(why.clone()), Some(why))
        }
        Err(Trouble::Asked) => {
            let why = "The run was ended by a signal.";
            (Told::not_tested(why), Some(why.to_owned()))
        }
    }
}

/// A finding of a check.
pub fn finding(check: &Check, stage: &Stage, phase: Phase, told: Told, seconds: f64) -> Finding {
    let wrong = matches!(told.verdict, Verdict::Fail | Verdict::Warning);
    Finding {
        check: check.id.to_owned(),
        title: check.title.to_owned(),
        phase,
        hosts: hosts_of(stage),
        verdict: told.verdict,
        required: check.required,
        summary: told.summary,
        evidence: told.evidence,
        why: check.why.to_owned(),
        change: match (wrong, told.change) {
            (false, _) => String::new(),
            (true, change) if change.is_empty() => check.change.to_owned(),
            (true, change) => change,
        },
        seconds,
        series: told.series,
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;
    use std::time::Duration;

    use super::*;
    use crate::call::Call;
    use crate::host::{ActorId, Host, Kick, Lost, Received};
    use crate::report::HostFacts;
    use crate::stage::Limits;

    /// A host on which no call comes back.
    struct Dead(HostFacts);

    impl Host for Dead {
        fn facts(&self) -> &HostFacts {
            &self.0
        }

        fn start(&mut self, _: ActorId) -> Result<(), Lost> {
            Ok(())
        }

        fn send(&mut self, _: ActorId, _: &Call) -> Result<(), Lost> {
            Ok(())
        }

        fn receive(&mut self, _: ActorId, limit: Duration) -> Result<Received, Lost> {
            std::thread::sleep(limit);
            Ok(Received::Late)
        }

        fn kick(&mut self, _: ActorId, _: Kick) -> Result<(), Lost> {
            Ok(())
        }

        fn dismiss(&mut self, _: ActorId) {}
    }

    #[test]
    fn a_storage_that_does_not_answer_ends_the_run_soon() {
        let host = Rc::new(RefCell::new(Dead(HostFacts::default())));
        let limits = Limits { call: Duration::from_millis(5), ..Limits::default() };
        let stage = Stage::one_host(host, "run", limits, || false);
        // The same one again and again, so that none is left out because of another.
        let checks: Vec<_> = check::of("name.create").into_iter().cycle().take(9).collect();
        let mut report = Report::new("", "", miqm_types::UtcTime(0), &[Phase::Basic]);
        assert!(!these(&checks, &stage, Phase::Basic, &mut report, &mut |_| {}));
        assert_eq!(report.findings.len(), 3, "{:?}", report.findings);
        assert!(
            report.ended_early.contains("in 3 checks a call did not come back"),
            "{}",
            report.ended_early
        );
    }

    fn of(check: &str, told: Told, hosts: &[String]) -> Finding {
        Finding {
            check: check.into(),
            title: String::new(),
            phase: Phase::Basic,
            hosts: hosts.to_vec(),
            verdict: told.verdict,
            required: false,
            summary: told.summary,
            evidence: told.evidence,
            why: String::new(),
            change: String::new(),
            seconds: 0.0,
            series: Vec::new(),
        }
    }

    #[test]
    fn a_call_that_fails_everywhere_fails_one_check() {
        let call = |call: &str| Evidence { call: call.into(), ..Evidence::default() };
        let refused = |name, errno| Err(Trouble::Refused(Box::new(call(name).errno(errno))));
        let stuck = |name| Err(Trouble::Stuck(Box::new(call(name))));
        let hosts = ["host".to_owned()];
        let mut report = Report::new("", "", miqm_types::UtcTime(0), &[Phase::Basic]);
        let [lock, sync] = ["lock.write-keeps", "sync.fdatasync"].map(|id| check::of(id).unwrap());
        let again = |check, result, report: &Report| {
            known_trouble(check, &result, report, &hosts).map(|told| told.verdict)
        };
        assert_eq!(
            again(lock, refused("fsync(0)", 5), &report),
            None,
            "the first one is a failure"
        );
        let first = Told::fail("It was refused.").with(call("fsync(3)").errno(5));
        report.findings.push(of("sync.fsync", first, &hosts));
        assert_eq!(again(lock, refused("fsync(0)", 5), &report), Some(Verdict::NotTested));
        assert_eq!(again(lock, refused("fsync(0)", 22), &report), None, "another error");
        assert_eq!(again(lock, refused("pread(0, 1 bytes, 0)", 5), &report), None, "another call");
        assert_eq!(again(lock, refused("rename(a, b)", 5), &report), None);
        assert_eq!(again(lock, stuck("fsync(0)"), &report), None, "it does not come back");
        assert_eq!(again(sync, refused("fsync(0)", 5), &report), None, "it is about that call");
        let hangs = Told::fail("It did not come back.").with(call("pwrite(0, 1 bytes, 0)"));
        report.findings.push(of("data.readback", hangs, &hosts));
        assert_eq!(again(lock, stuck("pwrite(7, 2 bytes, 9)"), &report), Some(Verdict::NotTested));
    }

    #[test]
    fn a_full_disk_is_the_cause_of_what_it_refuses_once_a_check_has_said_so() {
        let told = |errno| Told::fail("It was refused.").with(Evidence::note("").errno(errno));
        let hosts = ["host".to_owned()];
        let mut report = Report::new("", "", miqm_types::UtcTime(0), &[Phase::Basic]);
        assert_eq!(no_room(&told(28), &report, &hosts), None, "the first one is a failure");
        report.findings.push(of("error.full", told(28), &hosts));
        let then = no_room(&told(28), &report, &hosts).expect("no failure of its own");
        assert_eq!(then.verdict, Verdict::NotTested);
        assert_eq!(then.summary, "There is no room for it (ENOSPC), as error.full has found.");
        assert_eq!(no_room(&told(5), &report, &hosts), None, "EIO is another matter");
        assert_eq!(no_room(&told(28), &report, &["other".to_owned()]), None, "another host");
    }
}
