//! What one host can do by itself.

use miqm_cli::{Env, Exit, Failure, Message, Ui};
use miqm_fsck::integrity::{self, Patience};
use miqm_fsck::run::{self, Choice};
use miqm_fsck::Phase;

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
    if !asked.environment {
        session.prepare().map_err(|refusal| show.refused(refusal))?;
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
