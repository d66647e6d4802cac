//! What one host can do by itself.

use std::time::Instant;

use miqm_cli::explain::io_message;
use miqm_cli::{Env, Exit, Failure, Message, Ui};
use miqm_fsck::page;
use miqm_fsck::render::{self, Layout};
use miqm_fsck::run::{self, Choice, Event};
use miqm_fsck::session::{Cleaned, Session, Setup};
use miqm_fsck::{Finding, HostFacts, Outcome, Phase, Place, Report, Verdict};

use super::progress::Progress;
use super::{Amqmfsck, failure};

/// Begins a run: the directory is there, and may be tested.
pub(super) fn open(asked: &Amqmfsck, env: &Env, progress: &Progress) -> Result<Session, Failure> {
    let directory = asked.absolute();
    let ticking = progress.clone();
    let setup = Setup {
        directory: directory.clone(),
        host: env.host.to_string(),
        limits: asked.limits(),
        idle: Box::new(move || ticking.tick()),
    };
    let session = Session::open(setup)
        .map_err(|refusal| failure::of(&directory.display().to_string(), refusal))?;
    if asked.verbose {
        let (json, aside) = (asked.json, progress.clone());
        let mut ui = Ui::standard();
        session.stage().set_trace(move |line| {
            aside.aside(|| if json { ui.note(line) } else { ui.line(line) });
        });
    }
    Ok(session)
}

/// Tests on this host.
pub(super) fn test(asked: &Amqmfsck, env: &Env, ui: &mut Ui<'_>) -> Result<Exit, Failure> {
    let choice = asked.choice()?;
    let phases = phases(asked, &choice);
    let began = Instant::now();
    let directory = asked.absolute().display().to_string();
    let refused = |refusal| failure::of(&directory, refusal);
    let layout = asked.layout(env);
    let progress = Progress::new(env.terminal);
    let mut session = open(asked, env, &progress)?;
    if !asked.environment {
        session.refuse_live().map_err(refused)?;
    }
    let mut report = Report::new(session.run(), &directory, miqm_fsck::now(), &phases);
    report.command = Amqmfsck::command(env);
    if let Some(file) = &asked.report {
        page::begin(file, &report)?;
    }
    if !asked.json {
        ui.line(render::heading(&directory, &phases, &layout).trim_end());
    }
    if !asked.environment {
        session.prepare().map_err(refused)?;
    }
    let mut tracker = render::Tracker::new();
    for phase in &phases {
        let mut on = |event: Event<'_>| {
            progress.show(&tracker.after(&event));
            // On a terminal the report in the end has it all, better ordered.
            if let Event::Found(found) = event
                && layout.columns.is_none()
                && !asked.json
            {
                progress.aside(|| ui.line(render::finding(found, &layout).trim_end()));
            }
        };
        if !run::phase_of(session.stage(), *phase, &choice, &mut report, &mut on) {
            break;
        }
    }
    report.hosts.push(facts(&session));
    let cleaned = session.clean_up();
    progress.clear();
    report.close(began.elapsed().as_secs_f64());
    Ok(close(asked, &report, &cleaned, &layout, ui))
}

/// What is tested.
fn phases(asked: &Amqmfsck, choice: &Choice) -> Vec<Phase> {
    let asked_for = |phase| match phase {
        Phase::Environment => asked.environment,
        Phase::Basic => !asked.environment,
        Phase::Long => asked.long,
        _ => asked.all,
    };
    let one_host = [Phase::Environment, Phase::Basic, Phase::All, Phase::Long];
    let mut phases = one_host.to_vec();
    // A check that was asked for by its name is made in the first phase that has it.
    phases.retain(|phase| match asked.checks.as_slice() {
        [] => asked_for(*phase),
        _ => choice.in_phase(*phase) && *phase != Phase::Environment,
    });
    phases
}

/// What is known of this host.
pub(super) fn facts(session: &Session) -> HostFacts {
    match session.stage().facts(Place::First) {
        Ok(facts) => facts.clone(),
        // Whoever could not be asked has at least a name.
        Err(_) => session.host().borrow_mut().facts_mut().clone(),
    }
}

/// Says what came of it.
fn close(
    asked: &Amqmfsck,
    report: &Report,
    cleaned: &Cleaned,
    layout: &Layout,
    ui: &mut Ui<'_>,
) -> Exit {
    if asked.json {
        ui.json(report);
    } else {
        ui.line(render::report(report, layout).trim_end());
    }
    for (name, why) in &cleaned.left {
        ui.complain(&Message::FsckLeft { name: name.clone(), why: why.clone() });
    }
    let written = asked.report.as_ref().map_or(Ok(()), |file| page::write(file, report));
    if let Err(error) = &written {
        ui.complain(&io_message(error));
    }
    let directory = report.directory.clone();
    match report.outcome {
        Outcome::Passed if written.is_err() => Exit::Failed,
        Outcome::Passed => {
            if !asked.json {
                ui.say(&Message::FsckPassed { directory });
            }
            Exit::Done
        }
        Outcome::Failed => {
            let failed = report.count(Verdict::Fail);
            ui.complain(&Message::FsckFailed { directory, failed });
            Exit::CheckFailed
        }
        Outcome::NotTested => {
            ui.complain(&Message::FsckNotTested { directory, why: not_tested(report) });
            Exit::NotDone
        }
    }
}

/// Why there is no verdict, as the end of a sentence.
fn not_tested(report: &Report) -> String {
    if !report.ended_early.is_empty() {
        return report.ended_early.trim_end_matches('.').to_owned();
    }
    let untested = |found: &&Finding| found.required && found.verdict == Verdict::NotTested;
    let ids: Vec<_> =
        report.findings.iter().filter(untested).map(|found| found.check.as_str()).collect();
    format!("these checks could not be made: {}", ids.join(", "))
}

/// Removes what earlier runs left.
pub(super) fn remove(asked: &Amqmfsck, env: &Env, ui: &mut Ui<'_>) -> Result<Exit, Failure> {
    let directory = asked.absolute().display().to_string();
    let refused = |refusal| failure::of(&directory, refusal);
    let progress = Progress::new(env.terminal);
    let session = open(asked, env, &progress)?;
    let tidied = session.tidy().map_err(refused)?;
    progress.clear();
    if asked.json {
        ui.json(&tidied);
    } else {
        for gone in &tidied.removed {
            ui.say(&Message::FsckRemoved { name: gone.name.clone() });
        }
        if tidied.removed.is_empty() && tidied.left.is_empty() {
            ui.say(&Message::FsckNothingToRemove { directory: directory.clone() });
        }
    }
    for left in &tidied.left {
        ui.complain(&Message::FsckLeft { name: left.name.clone(), why: left.why.clone() });
    }
    Ok(if tidied.left.is_empty() { Exit::Done } else { Exit::NotDone })
}
