//! Hosts that are reached over ssh: `--with`, and the copy that serves there: `--agent`.

use std::cell::RefCell;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use miqm_cli::{Env, Exit, Failure, Message, Ui};
use miqm_fsck::host::RemoteHost;
use miqm_fsck::run::{self, Choice};
use miqm_fsck::session::{self, Session};
use miqm_fsck::ssh::{self, ConnectError, Target, Ways};
use miqm_fsck::stage::SharedHost;
use miqm_fsck::{HostFacts, Phase, Report, agent, two_hosts};

use super::by_hand::still_used;
use super::one_host::without_files;
use super::sense::Mode;
use super::show::{Show, facts};
use super::Amqmfsck;

/// How long a host may take to say that it has heard the verdict.
pub(super) const FAREWELL: Duration = Duration::from_secs(10);

/// Tests with all hosts that were named.
pub(super) fn test(
    asked: &Amqmfsck,
    mode: Mode,
    env: &Env,
    ui: &mut Ui<'_>,
) -> Result<Exit, Failure> {
    let choice = asked.choice()?;
    let (alone, together) = phases(asked, mode, &choice);
    let mut show = Show::new(asked, env, ui);
    let mut session = show.open()?;
    session.refuse_live().map_err(|refusal| show.refused(refusal))?;
    let here = facts(&session);
    here.clone_into(session.host().borrow_mut().facts_mut());
    let all = [alone.as_slice(), together.as_slice()].concat();
    let mut report = show.begin(session.run(), &all)?;
    let remotes = connect(asked, &here, &mut show)?;
    if let Err(refusal) = session.prepare() {
        return Err(without_files(&session, refusal, report, show));
    }
    let mut hosts: Vec<SharedHost> = vec![session.host().clone()];
    for remote in &remotes {
        hosts.push(remote.clone());
    }
    if by_themselves(&session, &hosts, &alone, &choice, &mut report, &mut show) {
        let on = &mut |event: run::Event<'_>| show.event(&event);
        two_hosts::run_of(session.stage(), &hosts, &together, &choice, &mut report, on);
    }
    drop(hosts);
    show.left(&session.clean_up());
    show.judge(&mut report);
    let mut gone = Vec::new();
    for remote in remotes {
        gone.push(Rc::into_inner(remote).ok_or_else(still_used)?.into_inner());
    }
    for host in two_hosts::finish(gone, &report, FAREWELL) {
        show.say(&Message::FsckUnheard { host });
    }
    Ok(show.close(&report))
}

/// What each host tests by itself, and what they test together.
fn phases(asked: &Amqmfsck, mode: Mode, choice: &Choice) -> (Vec<Phase>, Vec<Phase>) {
    let together = match mode {
        Mode::Concurrent => vec![Phase::Concurrent],
        Mode::Waiting => vec![Phase::Waiting],
        _ => vec![Phase::Concurrent, Phase::Waiting],
    };
    let mut alone = match mode {
        Mode::OneHost => vec![Phase::Basic, Phase::All],
        _ => Vec::new(),
    };
    if asked.long {
        alone.push(Phase::Long);
    }
    let wanted = |phase: &Phase| asked.checks.is_empty() || choice.in_phase(*phase);
    let keep = |phases: Vec<Phase>| phases.into_iter().filter(wanted).collect();
    (keep(alone), keep(together))
}

/// Connects to every host.
fn connect(
    asked: &Amqmfsck,
    here: &HostFacts,
    show: &mut Show<'_, '_>,
) -> Result<Vec<Rc<RefCell<RemoteHost>>>, Failure> {
    let mut remotes = Vec::new();
    for target in &asked.with {
        show.say(&Message::FsckConnecting { host: target.destination.clone() });
        let remote = connect_to(asked, target, here, show).map_err(|error| {
            Failure::new(Exit::NotDone, Message::FsckNotConnected { why: error.to_string() })
        })?;
        remotes.push(Rc::new(RefCell::new(remote)));
    }
    Ok(remotes)
}

/// Connects to one host.
pub(super) fn connect_to(
    asked: &Amqmfsck,
    target: &Target,
    here: &HostFacts,
    show: &mut Show<'_, '_>,
) -> Result<RemoteHost, ConnectError> {
    let silence = asked.silence();
    let mut ways = Ways { program: sendable(), silence, ..Ways::default() };
    if let Some(command) = &asked.ssh {
        ways.command = command.split_whitespace().map(OsString::from).collect();
    }
    if let Some(seconds) = asked.wait {
        ways.limit = Duration::from_secs(seconds);
    }
    let mut sending = false;
    let mut on = |event: ssh::Event| match event {
        ssh::Event::Sending { .. } if !sending => {
            sending = true;
            show.say(&Message::FsckSending { host: target.destination.clone() });
        }
        _ => show.progress.tick(),
    };
    ssh::connect(target, &asked.absolute(), &ways, here, &mut on)
}

/// A program that can be sent: this one or the one beside it, if it needs no libraries.
fn sendable() -> Option<PathBuf> {
    let program = std::env::current_exe().ok()?;
    let beside = |name: &str| program.parent().map(|dir| dir.join(name));
    let paths = [Some(program.clone()), beside("miqm-fsck"), beside("../libexec/miqm/miqm-fsck")];
    ssh::first_static(&paths.into_iter().flatten().collect::<Vec<_>>())
}

/// Makes the checks of one host on each of them; whether the run can go on.
pub(super) fn by_themselves(
    session: &Session,
    hosts: &[SharedHost],
    phases: &[Phase],
    choice: &Choice,
    report: &mut Report,
    show: &mut Show<'_, '_>,
) -> bool {
    if phases.is_empty() {
        return true;
    }
    for host in hosts {
        let name = host.borrow().facts().name.clone();
        let visit = match session.visit(host) {
            Ok(visit) => visit,
            Err(refusal) => {
                let failure = show.refused(refusal);
                let why = failure.messages.first().map(ToString::to_string).unwrap_or_default();
                report.ended_early = format!("Host {name} cannot test: {why}");
                return false;
            }
        };
        let mut goes_on = true;
        for phase in phases {
            let on = &mut |event: run::Event<'_>| show.event(&event);
            goes_on = run::phase_of(visit.stage(), *phase, choice, report, on);
            if !goes_on {
                break;
            }
        }
        show.left(&visit.leave(session));
        if !goes_on {
            return false;
        }
    }
    true
}

/// Serves whoever has started this copy over ssh.
pub(super) fn serve(asked: &Amqmfsck, env: &Env) -> Result<Exit, Failure> {
    let name = env.host.to_string();
    let facts = |path: &Path| {
        let known = HostFacts {
            name: name.clone(),
            directory: path.display().to_string(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            ..HostFacts::default()
        };
        session::facts_of(path, known, asked.limits())
    };
    match agent::standalone(&facts, Ways::default().silence) {
        Ok(()) => Ok(Exit::Done),
        Err(why) => {
            let host = "that directs".to_owned();
            Err(Failure::new(Exit::NotDone, Message::FsckHostLost { host, why }))
        }
    }
}

/// A host and its directory, as `--with` takes it.
pub(super) fn target(text: &str) -> Result<Target, String> {
    Target::parse(text)
}
