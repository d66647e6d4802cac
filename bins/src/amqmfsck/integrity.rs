//! The integrity test: format, append, verify.

use std::time::Duration;

use miqm_cli::{Env, Exit, Failure, Message, Ui};
use miqm_fsck::integrity::{
    self, DATA, Event, Options, PAGES_DEFAULT, Patience, Problem, Survey, Witness, drive,
};
use miqm_fsck::session::Session;
use miqm_fsck::stage::{Place, Trouble};
use miqm_fsck::{Finding, HostFacts, Phase, Told, render};

use super::Amqmfsck;
use super::show::{Show, facts};

/// How often it is said that the lock is still waited for.
const REMINDER: f64 = 60.0;
/// The bytes of a page.
const PAGE: u64 = miqm_types::PAGE_BYTES as u64;

/// `-f`, `-a` or `-i`.
pub(super) fn test(
    asked: &Amqmfsck,
    phase: Phase,
    env: &Env,
    ui: &mut Ui<'_>,
) -> Result<Exit, Failure> {
    let mut show = Show::new(asked, env, ui);
    let session = show.open()?;
    if phase != Phase::Verify {
        session.refuse_live().map_err(|refusal| show.refused(refusal))?;
    }
    let facts = facts(&session);
    let mut report = show.begin(session.run(), &[phase])?;
    let hosts = [facts.name.clone()];
    let found = match phase {
        Phase::Format => format(asked, &session, &hosts, &mut show),
        Phase::Append => append(asked, &session, &facts, &mut show)?,
        _ => verify(asked, &session, &hosts, &mut show)?,
    };
    show.progress.clear();
    match found {
        Ok(findings) => {
            for found in &findings {
                show.found(found);
            }
            report.findings = findings;
        }
        Err(trouble) => report.ended_early = ended(&trouble),
    }
    report.hosts.push(facts);
    show.judge(&mut report);
    Ok(show.close(&report))
}

/// What came of it, or why it ended before that.
pub(super) type Found = Result<Vec<Finding>, Trouble>;

/// How long things may take.
pub(super) fn patience(asked: &Amqmfsck) -> Patience {
    let mut patience = Patience::default();
    if let Some(seconds) = asked.call_limit {
        patience.stuck = Duration::from_secs(seconds);
    }
    if let Some(seconds) = asked.wait {
        patience.lock = Duration::from_secs(seconds);
    }
    patience
}

/// Formats the files.
pub(super) fn format(
    asked: &Amqmfsck,
    session: &Session,
    hosts: &[String],
    show: &mut Show<'_, '_>,
) -> Found {
    let pages = asked.pages.unwrap_or(PAGES_DEFAULT);
    let limit = asked.limits().change;
    let stage = session.stage();
    let on = &mut |event: Event<'_>| told(show, &event);
    let formatted = drive::format(stage, (pages, limit), session.run(), patience(asked), on)?;
    show.progress.clear();
    let done = match formatted {
        Ok(done) => done,
        Err(problem) => {
            return Ok(drive::verify_findings(&Err(problem), Phase::Format, hosts));
        }
    };
    if done.pages < done.asked {
        show.say(&Message::FsckReduced { asked: done.asked, pages: done.pages });
    }
    let mib = done.pages * PAGE / (1 << 20);
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let rate = mib as f64 / done.seconds.max(1e-3);
    let told = Told::pass(format!(
        "{} pages ({mib} MiB) were written and synced in {:.1} s, {rate:.0} MiB/s.",
        done.pages, done.seconds
    ));
    Ok(integrity::findings(vec![("int.format", told)], Phase::Format, hosts))
}

fn verify(
    asked: &Amqmfsck,
    session: &Session,
    hosts: &[String],
    show: &mut Show<'_, '_>,
) -> Result<Found, Failure> {
    let witness = asked.witness.as_deref().map(Witness::open_to_read).transpose();
    let known = witness.map_err(|error| bad_witness(asked, &error))?.and_then(|w| w.known());
    let stage = session.stage();
    let on = &mut |event: Event<'_>| told(show, &event);
    let verified = match drive::verify(stage, Place::First, known, patience(asked), on) {
        Ok(verified) => verified,
        Err(trouble) => return Ok(Err(trouble)),
    };
    agrees(asked, &verified)?;
    Ok(Ok(drive::verify_findings(&verified, Phase::Verify, hosts)))
}

/// Refuses files of another size than was asked for.
fn agrees(asked: &Amqmfsck, verified: &Result<Survey, Problem>) -> Result<(), Failure> {
    match (asked.pages, verified) {
        (Some(asked), Ok(survey)) if asked != survey.pages => {
            let message = Message::FsckOtherPages { pages: survey.pages, asked };
            Err(Failure::new(Exit::NotDone, message))
        }
        _ => Ok(()),
    }
}

fn bad_witness(asked: &Amqmfsck, error: &integrity::witness::BadWitness) -> Failure {
    let file = asked.witness.as_deref().unwrap_or(DATA.as_ref()).display().to_string();
    Failure::new(Exit::NotDone, Message::FsckBadWitness { file, why: error.to_string() })
}

fn append(
    asked: &Amqmfsck,
    session: &Session,
    facts: &HostFacts,
    show: &mut Show<'_, '_>,
) -> Result<Found, Failure> {
    let open = |path: &std::path::Path| Witness::open(path, facts.device);
    let witness = asked.witness.as_deref().map(open).transpose();
    let mut witness = witness.map_err(|error| bad_witness(asked, &error))?;
    let options = Options {
        duration: asked.duration.map(Duration::from_secs),
        sequences_max: None,
        known: None,
        witness: witness.as_mut(),
        patience: patience(asked),
    };
    let on = &mut |event: Event<'_>| told(show, &event);
    let stage = session.stage();
    let appended = match drive::append(stage, Place::First, options, &mut || false, on) {
        Ok(appended) => appended,
        Err(trouble) => return Ok(Err(trouble)),
    };
    let (sequence, count) = (appended.sequence, appended.count);
    show.progress.clear();
    show.say(&Message::FsckAppended { sequence, count });
    Ok(Ok(appended.findings(std::slice::from_ref(&facts.name))))
}

/// Says what happens on the way.
pub(super) fn told(show: &mut Show<'_, '_>, event: &Event<'_>) {
    let bar = |done: u64, of: u64, text: &str| render::Progress { done, of, text: text.to_owned() };
    match event {
        Event::Formatting { done, pages } => show.progress.show(&bar(*done, *pages, "formatting")),
        Event::Checking { done, of } => {
            show.progress.show(&bar(*done / PAGE, *of / PAGE, "reading"));
        }
        Event::Waiting { holder, seconds, seen } => {
            show.progress.show(&bar(*seen, *seen, "waiting for the lock"));
            show.remind(*seconds, REMINDER, || match *holder {
                "" => Message::FsckWaitingForSome,
                holder => Message::FsckWaitingForLock { holder: holder.to_owned() },
            });
        }
        Event::Taken(taken) => show.say(&match taken.seconds {
            Some(seconds) if !taken.from.is_empty() => Message::FsckTakenOver {
                from: taken.from.clone(),
                epoch: taken.epoch,
                sequence: taken.sequence,
                seconds: format!("{seconds:.1}"),
            },
            _ => Message::FsckTaken { epoch: taken.epoch, sequence: taken.sequence },
        }),
        Event::Appended { sequence, .. } => {
            show.progress.show(&bar(*sequence, *sequence, "appending"));
        }
        Event::Stalled { host, seconds } => {
            let seconds = Duration::from_secs_f64(seconds.max(0.0)).as_secs();
            show.say(&Message::FsckStalled { host: (*host).to_owned(), seconds });
        }
        Event::Recovered { host, seconds } => {
            let (host, seconds) = ((*host).to_owned(), format!("{seconds:.1}"));
            show.say(&Message::FsckRecovered { host, seconds });
        }
        Event::Checked(_) | Event::Ended { .. } => show.progress.clear(),
    }
}

/// Why a run ended, as a sentence.
pub(super) fn ended(trouble: &Trouble) -> String {
    match trouble {
        Trouble::Refused(evidence) => match evidence.errno {
            Some(_) => format!("{} was refused: {}.", evidence.call, evidence.error),
            None => format!("{}: {}.", evidence.call, evidence.note),
        },
        Trouble::Stuck(evidence) => {
            format!("The storage does not answer: {}, {}.", evidence.call, evidence.note)
        }
        Trouble::Died(_) => "A process of the test died.".into(),
        Trouble::Lost(lost) => format!("Host {} was lost: {}.", lost.host, lost.why),
        Trouble::Asked => "The run was ended by a signal.".into(),
    }
}
