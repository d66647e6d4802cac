//! What one host can do by itself.

use miqm_cli::{Env, Exit, Failure, Message, Ui};
use miqm_fsck::integrity::{self, Patience};
use miqm_fsck::run::{self, Choice};
use miqm_fsck::session::{Refusal, Session};
use miqm_fsck::stage::Stage;
use miqm_fsck::{Evidence, Finding, Phase, Report, Told, Verdict, check};

use super::show::{Show, facts};
use super::{Amqmfsck, failure};

/// Tests on this host.
pub(super) fn test(asked: &Amqmfsck, env: &Env, ui: &mut Ui<'_>) -> Result<Exit, Failure> {
    let choice = asked.choice()?;
    let phases = phases(asked, &choice);
    let mut show = Show::new(asked, env, ui);
    let mut session = show.open()?;
    if !asked.environment {
        session.refuse_live().map_err(|refusal| show.refused(refusal))?;
    }
    let mut report = show.begin(session.run(), &phases)?;
    if !asked.environment
        && let Err(refusal) = session.prepare()
    {
        return Err(without_files(&session, refusal, report, show));
    }
    for phase in &phases {
        let on = &mut |event: run::Event<'_>| show.event(&event);
        if !run::phase_of(session.stage(), *phase, &choice, &mut report, on) {
            break;
        }
    }
    report.hosts.push(facts(&session));
    show.left(&session.clean_up());
    show.judge(&mut report);
    Ok(show.close(&report))
}

/// Nothing can be made in the directory, so no other check can be made: what is mounted, and how, is looked
/// at all the same, because it may be the reason.
pub(super) fn without_files(
    session: &Session,
    refusal: Refusal,
    mut report: Report,
    mut show: Show<'_, '_>,
) -> Failure {
    let refused = match &refusal {
        Refusal::Failed(evidence) => Some(evidence.as_ref().clone()),
        Refusal::NotAuthorized(_) => None,
        _ => return show.refused(refusal),
    };
    let failure = show.refused(refusal);
    let stage = session.stage();
    report.phases.insert(0, Phase::Environment);
    let on = &mut |event: run::Event<'_>| show.event(&event);
    let goes_on =
        run::phase_of(stage, Phase::Environment, &Choice::default(), &mut report, on);
    if let Some(found) = refused.filter(|_| goes_on).and_then(|why| not_made(stage, why, &report)) {
        show.found(&found);
        report.findings.push(found);
    }
    if report.ended_early.is_empty() {
        report.ended_early =
            failure.messages.first().map(ToString::to_string).unwrap_or_default();
    }
    report.hosts.push(facts(session));
    show.judge(&mut report);
    show.present(&report);
    failure
}

/// What it comes to that nothing can be made in the directory, unless a check has said so.
fn not_made(stage: &Stage, refused: Evidence, report: &Report) -> Option<Finding> {
    let id = match refused.error.as_str() {
        "EROFS" => "env.read-only",
        "ENOSPC" | "EDQUOT" => "error.full",
        _ => "name.create",
    };
    if report.findings.iter().any(|found| found.check == id && found.verdict == Verdict::Fail) {
        return None;
    }
    let summary = format!("{} was refused: {}.", refused.call, refused.error);
    let told = Told::fail(summary).with(refused);
    Some(run::finding(check::of(id)?, stage, Phase::Environment, told, 0.0))
}

/// What is tested.
fn phases(asked: &Amqmfsck, choice: &Choice) -> Vec<Phase> {
    let asked_for = |phase: &Phase| match phase {
        Phase::Environment => asked.environment,
        Phase::Basic => !asked.environment,
        Phase::Long => asked.long,
        _ => asked.all,
    };
    let mut phases = vec![Phase::Environment, Phase::Basic, Phase::All, Phase::Long];
    if asked.checks.is_empty() {
        phases.retain(asked_for);
    } else {
        // A check that was asked for by its name is made in whatever phase has it.
        phases.retain(|phase| choice.in_phase(*phase) && *phase != Phase::Environment);
    }
    phases
}

/// Removes what earlier runs left.
pub(super) fn remove(asked: &Amqmfsck, env: &Env, ui: &mut Ui<'_>) -> Result<Exit, Failure> {
    let show = Show::new(asked, env, ui);
    let session = show.open()?;
    session.refuse_live().map_err(|refusal| show.refused(refusal))?;
    let mut tidied = session.tidy().map_err(|refusal| show.refused(refusal))?;
    let removed = integrity::drive::remove(session.stage(), Patience::default(), &mut |_| {});
    match removed.map_err(|trouble| show.refused(trouble.into()))? {
        Ok(names) => names.iter().for_each(|name| tidied.note(name, None)),
        Err(problem) => {
            if let Some((name, why)) = failure::of_removal(&problem) {
                tidied.note(&name, Some(why));
            }
        }
    }
    show.progress.clear();
    if asked.json {
        show.ui.json(&tidied);
    } else {
        for gone in &tidied.removed {
            show.ui.say(&Message::FsckRemoved { name: gone.name.clone() });
        }
        if tidied.removed.is_empty() && tidied.left.is_empty() {
            show.ui.say(&Message::FsckNothingToRemove { directory: show.directory.clone() });
        }
    }
    for left in &tidied.left {
        show.ui.complain(&Message::FsckLeft { name: left.name.clone(), why: left.why.clone() });
    }
    Ok(if tidied.left.is_empty() { Exit::Done } else { Exit::NotDone })
}
