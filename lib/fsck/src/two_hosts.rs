//! Phases that need two hosts: every pair of hosts, in both directions.

use std::path::Path;
use std::time::Duration;

use miqm_sys::clock::{BootInstant, sleep};
use miqm_sys::fs;
use miqm_sys::probe::{Dir, errno_text};
use miqm_sys::proc::set_umask;
use miqm_sys::worker::Worker;

use crate::host::RemoteHost;
use crate::render::{self, Layout};
use crate::report::{Phase, Report};
use crate::run::{self, Choice, Event};
use crate::stage::{SharedHost, Stage};

/// `EIO`: what failed has no error number of its own.
const UNKNOWN: i32 = 5;
/// How soon a removal is tried again.
const RETRY: Duration = Duration::from_millis(100);

/// Whether a phase needs two hosts.
pub fn needed_for(phase: Phase) -> bool {
    matches!(phase, Phase::Concurrent | Phase::Waiting)
}

/// How many times each phase is played with so many hosts.
pub fn rounds(hosts: usize) -> usize {
    hosts * hosts.saturating_sub(1)
}

/// Plays those of the phases that need two hosts, with each ordered pair of the hosts, and adds what is
/// found, and the facts of hosts that are not in the report yet. `stage` gives the folder and the
/// limits; what is found is also shown to people in front of the other hosts. `false` if the run
/// cannot go on; [`Report::ended_early`] says why.
pub fn run(
    stage: &Stage,
    hosts: &[SharedHost],
    phases: &[Phase],
    report: &mut Report,
    on: &mut dyn FnMut(Event<'_>),
) -> bool {
    run_of(stage, hosts, phases, &Choice::default(), report, on)
}

/// The same with the checks of a choice only.
pub fn run_of(
    stage: &Stage,
    hosts: &[SharedHost],
    phases: &[Phase],
    choice: &Choice,
    report: &mut Report,
    on: &mut dyn FnMut(Event<'_>),
) -> bool {
    for host in hosts {
        let facts = host.borrow().facts().clone();
        if !report.hosts.contains(&facts) {
            report.hosts.push(facts);
        }
    }
    let mut told = |event: Event<'_>| {
        if let Event::Found(found) = &event {
            // The other copy says it as this one does in a pipe, without the evidence.
            let told = render::finding(found, &Layout::PIPE);
            let line = told.lines().next().unwrap_or_default();
            for host in hosts {
                // That it is lost is found by the next check.
                host.borrow_mut().note(line).ok();
            }
        }
        on(event);
    };
    for phase in phases.iter().filter(|phase| needed_for(**phase)) {
        for (at, one) in hosts.iter().enumerate() {
            for other in &hosts[at + 1..] {
                for (first, second) in [(one, other), (other, one)] {
                    let stage = stage.with_hosts(first.clone(), second.clone());
                    if !run::phase_of(&stage, *phase, choice, report, &mut told) {
                        return false;
                    }
                }
            }
        }
    }
    true
}

/// Tells the other hosts what came of the run and ends the connections: which of them did not confirm
/// that they heard it, each within `limit`. What was found holds all the same.
pub fn finish(hosts: Vec<RemoteHost>, report: &Report, limit: Duration) -> Vec<String> {
    let mut unheard = Vec::new();
    for mut host in hosts {
        let name = crate::host::Host::facts(&host).name.clone();
        if host.report(report).is_err() || !host.goodbye(limit) {
            unheard.push(name);
        }
    }
    unheard
}

/// Makes the folder of a run in the directory `path`, by a process of its own.
///
/// # Errors
///
/// Why not, as a sentence without a full stop; also if that takes longer than `limit`.
pub fn make_folder(path: &Path, folder: &str, limit: Duration) -> Result<(), String> {
    let folder = folder.to_owned();
    by_worker(path, limit, move |path| {
        let dir = Dir::open(path)?;
        dir.make_dir(&folder, 0o770)
    })
}

/// Removes the folder of a run with all that is in it, by a process of its own. It is no error if it is
/// not there.
///
/// # Errors
///
/// Why not, as a sentence without a full stop; also if that takes longer than `limit`.
pub fn remove_folder(path: &Path, folder: &str, limit: Duration) -> Result<(), String> {
    let name = folder.strip_prefix("amqmfsck-").and_then(|rest| rest.strip_suffix(".tmp"));
    if name.is_none_or(|name| name.is_empty() || name.contains('/')) {
        return Err(format!("{folder} is not the folder of a run"));
    }
    let until = BootInstant::now().saturating_add(limit);
    let folder = folder.to_owned();
    by_worker(path, limit, move |path| {
        loop {
            match fs::remove_tree(&path.join(&folder)) {
                Ok(()) => return Ok(()),
                Err(error) if error.is_not_found() => return Ok(()),
                // Somebody who is about to end may still be writing there.
                Err(_) if until.left() > RETRY => sleep(RETRY),
                Err(error) => return Err(error.errno().unwrap_or(UNKNOWN)),
            }
        }
    })
}

/// Does something with the directory that may hang. The worker's code is the error number.
fn by_worker(
    path: &Path,
    limit: Duration,
    work: impl FnOnce(&Path) -> Result<(), i32>,
) -> Result<(), String> {
    let path = path.to_owned();
    let worker = Worker::start(move |_| {
        // The folder is for whoever tests here on another host, too.
        set_umask(0);
        work(&path).map_or_else(|errno| u8::try_from(errno).unwrap_or(u8::MAX), |()| 0)
    });
    let mut worker = worker.map_err(|error| error.to_string())?;
    let until = BootInstant::now().saturating_add(limit.saturating_add(RETRY));
    while !worker.has_ended() {
        if until.left().is_zero() {
            return Err(format!("the storage does not answer within {:.0} s", limit.as_secs_f64()));
        }
        sleep(Duration::from_millis(1));
    }
    match worker.code() {
        Some(0) => Ok(()),
        Some(errno) => Err(errno_text(i32::from(errno)).to_owned()),
        None => Err("the process that did it died".into()),
    }
}
