//! Two copies that were started by hand, and find each other through the directory.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use miqm_cli::{Env, Exit, Failure, Message, Ui};
use miqm_fsck::pair::{self, Limits, MeetError, Met, Offer};
use miqm_fsck::session::Session;
use miqm_fsck::stage::SharedHost;
use miqm_fsck::{Finding, Phase, Report, Verdict, agent, run, two_hosts};

use super::Amqmfsck;
use super::press::ByHand;
use super::show::{Show, facts};

/// How long the other copy may take to say that it has heard the verdict.
const FAREWELL: Duration = Duration::from_secs(10);
/// How often it is said that nobody has come yet.
const REMINDER: f64 = 30.0;

/// Tests with a copy on another host.
pub(super) fn test(
    asked: &Amqmfsck,
    phase: Phase,
    env: &Env,
    ui: &mut Ui<'_>,
) -> Result<Exit, Failure> {
    let choice = asked.choice()?;
    let mut show = Show::new(asked, env, ui);
    let session = show.open()?;
    session.refuse_live().map_err(|refusal| show.refused(refusal))?;
    let facts = facts(&session);
    facts.clone_into(session.host().borrow_mut().facts_mut());
    let report = show.begin(session.run(), &[phase])?;
    let (limit, silence) = (wait(asked).as_secs(), asked.silence().as_secs());
    show.say(&Message::FsckSecondCopy { limit, silence });
    let mut part = ByHand::start(asked, phase, &facts.name, &show)?;
    let met = meet(asked, phase, &mut show, &session, &mut part)?;
    if met.same_host {
        show.say(&Message::FsckSameHost { host: met.host.clone() });
    }
    part.other.clone_from(&met.host);
    if met.directs {
        direct(met, phase, &choice, report, show, session, part)
    } else {
        serve(met, show, &session, part)
    }
}

/// How long the other copy may take to come.
fn wait(asked: &Amqmfsck) -> Duration {
    asked.wait.map_or(Limits::default().wait, Duration::from_secs)
}

/// Finds the other copy.
fn meet(
    asked: &Amqmfsck,
    phase: Phase,
    show: &mut Show<'_, '_>,
    session: &Session,
    part: &mut ByHand,
) -> Result<Met, Failure> {
    let limits = Limits { wait: wait(asked), silence: asked.silence() };
    let host = session.host().borrow_mut().facts_mut().name.clone();
    let offer = Offer { one_host: asked.one_host, ..Offer::new(&host, &[phase], None) };
    let show = RefCell::new(show);
    let mut on = |event: pair::Event| {
        let mut show = show.borrow_mut();
        match event {
            pair::Event::Waiting(waited) => {
                let (now, limit) = (waited.as_secs(), limits.wait.as_secs());
                if waited.as_secs_f64() >= REMINDER {
                    let message = || Message::FsckStillWaiting { waited: now, limit };
                    show.remind(waited.as_secs_f64(), REMINDER, message);
                }
            }
            pair::Event::Leftover { host, removed: true, .. } => {
                show.say(&Message::FsckDeadCopyRemoved { host });
            }
            pair::Event::Leftover { host, .. } => show.say(&Message::FsckDeadCopy { host }),
            pair::Event::Busy { hosts: [one, other] } => {
                show.say(&Message::FsckBusy { one, other });
            }
            pair::Event::Other { host } => show.say(&Message::FsckOtherTest { host }),
            pair::Event::Found { host } => show.say(&Message::FsckFound { host }),
            pair::Event::Strange { name } => show.say(&Message::FsckStrange { name }),
        }
    };
    let path = asked.absolute();
    let part = RefCell::new(part);
    let ended = || {
        part.borrow_mut().tick(&mut show.borrow_mut());
        session.asked()
    };
    let met = pair::meet(&path, offer, limits, &mut on, &ended);
    let show = show.into_inner();
    show.progress.clear();
    met.map_err(|error| nobody(&show.directory, &error))
}

/// What is said when no other copy was found, or none that fits.
fn nobody(directory: &str, error: &MeetError) -> Failure {
    let directory = directory.to_owned();
    let message = match error {
        MeetError::Nobody(limit) => Message::FsckNobody { directory, seconds: limit.as_secs() },
        MeetError::Asked => Message::FsckEnded { directory },
        MeetError::Differs(_) => Message::FsckDiffers { why: error.to_string() },
        MeetError::Cannot(why) => Message::FsckNotTested { directory, why: why.clone() },
    };
    Failure::new(Exit::NotDone, message)
}

/// Makes the checks.
fn direct(
    met: Met,
    phase: Phase,
    choice: &run::Choice,
    mut report: Report,
    mut show: Show<'_, '_>,
    mut session: Session,
    mut part: ByHand,
) -> Result<Exit, Failure> {
    met.run.clone_into(&mut report.run);
    let other = met.host.clone();
    session.adopt(&met.run, &met.folder).map_err(|refusal| show.refused(refusal))?;
    let facts = facts(&session);
    let remote = match met.direct(&facts) {
        Ok(remote) => Rc::new(RefCell::new(remote)),
        Err(error) => {
            show.left(&session.clean_up());
            return Err(lost(error.host, error.why));
        }
    };
    show.say(&Message::FsckDirects { host: other });
    let hosts: Vec<SharedHost> = vec![session.host().clone(), remote.clone()];
    let on = &mut |event: run::Event<'_>| show.event(&event);
    let goes_on = two_hosts::run_of(session.stage(), &hosts, &[phase], choice, &mut report, on);
    drop(hosts);
    // Nobody else has it any more: actors are gone with their checks.
    let Some(remote) = Rc::into_inner(remote) else { return Err(still_used()) };
    let mut remote = remote.into_inner();
    if goes_on {
        show.judge(&mut report);
        // If this copy is killed while it holds the lock, the other one has all until then.
        remote.report(&report).ok();
        let found = part.direct(&mut remote, &mut show, &session);
        if let Some(found) = found {
            show.found(&found);
            report.findings.push(found);
        }
    }
    show.judge(&mut report);
    for host in two_hosts::finish(vec![remote], &report, FAREWELL) {
        show.say(&Message::FsckUnheard { host });
    }
    drop(part);
    // What the copies talk over goes last.
    show.left(&session.clean_up());
    Ok(show.close(&report))
}

/// A host is lost, and with it the test.
fn lost(host: String, why: String) -> Failure {
    Failure::new(Exit::NotDone, Message::FsckHostLost { host, why })
}

/// A bug of ours.
pub(super) fn still_used() -> Failure {
    let cause = "a check still uses the other host".into();
    Failure::new(Exit::Failed, Message::CannotStart { cause })
}

/// Lets the other copy make the checks.
fn serve(
    met: Met,
    mut show: Show<'_, '_>,
    session: &Session,
    mut part: ByHand,
) -> Result<Exit, Failure> {
    let silence = show.asked.silence();
    let (host, folder) = (met.host.clone(), met.folder.clone());
    show.say(&Message::FsckServes { host: host.clone() });
    let (wire, carrier) = met.serve().map_err(|error| lost(error.host, error.why))?;
    let ended = {
        let mut local = session.host().borrow_mut();
        let on = &mut |event: agent::Event<'_>| match event {
            agent::Event::Note(line) => {
                if !show.asked.json {
                    show.progress.aside(|| show.ui.line(line));
                }
                None
            }
            agent::Event::Tick => {
                show.progress.tick();
                part.tick(&mut show)
            }
            agent::Event::Manual(what) => {
                part.heard(what);
                part.tick(&mut show)
            }
            agent::Event::Conductor(_) | agent::Event::Report(_) => None,
        };
        agent::serve(wire, &mut local, silence, on, &|| session.asked())
    };
    drop(carrier);
    if ended.why.is_some() {
        // The copy that directed is dead, so nobody else removes what it made.
        two_hosts::remove_folder(&show.asked.absolute(), &folder, FAREWELL).ok();
    }
    let why = ended.why.unwrap_or_else(|| "it ended without a verdict".into());
    let Some(report) = ended.report else { return Err(lost(host, why)) };
    let mut report = *report;
    report.command.clone_from(&show.command);
    if let Some(found) = part.alone(&why, ended.since, &mut show, session) {
        report.findings.push(found);
        show.judge(&mut report);
    } else if !part.over && report.outcome != report.judge() {
        // What does not fit together is not believed.
        show.judge(&mut report);
    }
    let wrong = |found: &&Finding| matches!(found.verdict, Verdict::Fail | Verdict::Warning);
    for found in report.findings.iter().filter(wrong) {
        show.found(found);
    }
    Ok(show.close(&report))
}
