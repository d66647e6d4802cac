//! The procedure before go-live.

mod answers;

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

use miqm_cli::{Env, Exit, Failure, Message, Ui};
use miqm_fsck::golive::{
    self, BadRecord, Crew, Event, Halt, Record, Said, Selection, State, Step, steps,
};
use miqm_fsck::host::{Host, RemoteHost};
use miqm_fsck::integrity::{Patience, drive};
use miqm_fsck::run::{Choice, Event as CheckEvent};
use miqm_fsck::session::{Session, absolute};
use miqm_fsck::ssh::Target;
use miqm_fsck::stage::{SharedHost, Stage};
use miqm_fsck::{Finding, HostFacts, Outcome, Phase, Report, Verdict, two_hosts};

use super::far::{FAREWELL, by_themselves, connect_to};
use super::integrity::{format, told};
use super::show::{Show, facts};
use super::{Amqmfsck, integrity};
use answers::Answers;

/// Where the record is, unless it is said.
const RECORD: &str = "amqmfsck-golive.json";
/// How often a host is tried that is to come back.
const RETRY: Duration = Duration::from_secs(5);

/// Goes through the procedure, or tells how far it is.
pub(super) fn test(asked: &Amqmfsck, env: &Env, ui: &mut Ui<'_>) -> Result<Exit, Failure> {
    let path = absolute(asked.record.as_deref().unwrap_or(RECORD.as_ref()));
    if path.starts_with(asked.absolute()) {
        let message = Message::BadOptionValue {
            option: "--record".into(),
            value: path.display().to_string(),
            why: "it must not be in the directory that is tested".into(),
        };
        return Err(Failure::new(Exit::Usage, message));
    }
    let mut show = Show::new(asked, env, ui);
    if asked.status {
        return status(asked, &path, show);
    }
    let session = show.open()?;
    session.refuse_live().map_err(|refusal| show.refused(refusal))?;
    let here = facts(&session);
    here.clone_into(session.host().borrow_mut().facts_mut());
    let mut report = show.begin(session.run(), &[Phase::Failure])?;
    let directory = show.directory.clone();
    let mut company = Company::gather(asked, session, here, show)?;
    let names = company.names();
    let mut record = Record::open(&path, &directory, &names).map_err(|error| bad_record(&error))?;
    let selection = selection(asked, &names)?;
    record.save()?;
    let done = golive::run(&mut record, &selection, integrity::patience(asked), &mut company);
    let Company { session, here, far, mut show, stage, .. } = company;
    // It shares the hosts, and each is to be told what came of it.
    drop(stage);
    leave(session, far, here, &mut report, &mut show);
    show.judge(&mut report);
    report.not_shown.clear();
    record.add_to(&mut report);
    if let Selection::One(step) = &selection {
        report.outcome = outcome_of(&record, step);
    }
    if let Err(halt) = done {
        report.ended_early = match halt {
            Halt::Asked => "The run was ended by a signal.".into(),
            Halt::Stopped => "It was stopped, and can be resumed.".into(),
            Halt::CannotGoOn(why) => format!("It cannot go on: {why}."),
        };
        show.say(&Message::GoliveStopped { file: path.display().to_string() });
        if report.outcome == Outcome::Passed {
            report.outcome = Outcome::NotTested;
        }
    }
    Ok(show.close(&report))
}

/// Ends the connections, and removes what was made.
fn leave(
    mut session: Session,
    far: Vec<Far>,
    here: HostFacts,
    report: &mut Report,
    show: &mut Show<'_, '_>,
) {
    show.left(&session.clean_up());
    report.hosts.push(here);
    let mut gone = Vec::new();
    for host in far.into_iter().filter_map(|far| far.host) {
        report.hosts.push(host.borrow().facts().clone());
        gone.extend(Rc::into_inner(host).map(RefCell::into_inner));
    }
    for host in two_hosts::finish(gone, report, FAREWELL) {
        show.say(&Message::FsckUnheard { host });
    }
}

fn bad_record(error: &BadRecord) -> Failure {
    Failure::new(Exit::NotDone, Message::GoliveBadRecord { why: error.to_string() })
}

/// What is to be done.
fn selection(asked: &Amqmfsck, hosts: &[String]) -> Result<Selection, Failure> {
    let Some(id) = &asked.step else { return Ok(Selection::Open) };
    let all = steps(hosts);
    let step = Step::of(id).filter(|step| all.contains(step));
    step.map(Selection::One).ok_or_else(|| {
        let steps: Vec<_> = all.iter().map(ToString::to_string).collect();
        let (step, steps) = (id.clone(), steps.join(", "));
        Failure::new(Exit::Usage, Message::GoliveNoStep { step, steps })
    })
}

/// What one step came to.
fn outcome_of(record: &Record, step: &Step) -> Outcome {
    match record.entry(step).map(|entry| entry.state) {
        Some(State::Passed) => Outcome::Passed,
        Some(State::Failed) => Outcome::Failed,
        _ => Outcome::NotTested,
    }
}

/// Tells how far the procedure is.
fn status(
    asked: &Amqmfsck,
    path: &Path,
    mut show: Show<'_, '_>,
) -> Result<Exit, Failure> {
    let file = path.display().to_string();
    let record = Record::load(path).map_err(|error| bad_record(&error))?;
    let no_record = || Failure::new(Exit::NotDone, Message::GoliveNoRecord { file });
    let record = record.ok_or_else(no_record)?;
    if record.directory != show.directory {
        let (path, directory) = (path.to_owned(), record.directory);
        return Err(bad_record(&BadRecord::Other { path, directory }));
    }
    if asked.json {
        show.ui.json(&record);
    } else {
        for entry in &record.steps {
            let title = Step::of(&entry.step).map(|step| step.title()).unwrap_or_default();
            show.line(&format!("{:<8} {:<24} {title}", words(entry.state), entry.step));
        }
    }
    Ok(match record.outcome() {
        Outcome::Passed => Exit::Done,
        Outcome::Failed => Exit::CheckFailed,
        Outcome::NotTested => Exit::NotDone,
    })
}

fn words(state: State) -> &'static str {
    match state {
        State::Open => "open",
        State::Running => "running",
        State::Passed => "passed",
        State::Failed => "FAILED",
        State::Skipped => "skipped",
    }
}

/// A host that is reached over ssh, if it is.
struct Far {
    target: Target,
    /// What it is called, once it was reached.
    name: String,
    host: Option<Rc<RefCell<RemoteHost>>>,
}

/// Everybody who takes part.
struct Company<'a, 'b> {
    asked: &'a Amqmfsck,
    session: Session,
    here: HostFacts,
    far: Vec<Far>,
    show: Show<'a, 'b>,
    stage: Stage,
    answers: Answers,
    tried: Instant,
}

impl<'a, 'b> Company<'a, 'b> {
    /// Connects to all hosts, and makes the folder of the run.
    fn gather(
        asked: &'a Amqmfsck,
        mut session: Session,
        here: HostFacts,
        mut show: Show<'a, 'b>,
    ) -> Result<Self, Failure> {
        let mut far = Vec::new();
        for target in &asked.with {
            show.say(&Message::FsckConnecting { host: target.destination.clone() });
            let host = connect_to(asked, target, &here, &mut show).map_err(|error| {
                Failure::new(Exit::NotDone, Message::FsckNotConnected { why: error.to_string() })
            })?;
            let (target, name) = (target.clone(), host.facts().name.clone());
            far.push(Far { target, name, host: Some(Rc::new(RefCell::new(host))) });
        }
        session.prepare().map_err(|refusal| show.refused(refusal))?;
        let stage = session.stage().with_host(session.host().clone());
        let answers = Answers::new(asked.yes, asked.wait);
        let tried = Instant::now();
        Ok(Self { asked, session, here, far, show, stage, answers, tried })
    }

    /// The names of all hosts, this one first.
    fn names(&self) -> Vec<String> {
        let far = self.far.iter().map(|far| far.name.clone());
        std::iter::once(self.here.name.clone()).chain(far).collect()
    }

    /// Connects anew to hosts that were lost; whether all are there.
    fn reconnect(&mut self) -> bool {
        self.tried = Instant::now();
        let mut all = true;
        for far in &mut self.far {
            let lost = |host: &Rc<RefCell<RemoteHost>>| host.borrow_mut().note("").is_err();
            if far.host.as_ref().is_some_and(lost) {
                far.host = None;
            }
            if far.host.is_none() {
                let host = connect_to(self.asked, &far.target, &self.here, &mut self.show);
                far.host = host.ok().map(|host| Rc::new(RefCell::new(host)));
            }
            all &= far.host.is_some();
        }
        all
    }

    /// Every host that is there, this one first.
    fn hosts(&self) -> Vec<SharedHost> {
        let mut hosts: Vec<SharedHost> = vec![self.session.host().clone()];
        for host in self.far.iter().filter_map(|far| far.host.clone()) {
            hosts.push(host);
        }
        hosts
    }
}

impl Crew for Company<'_, '_> {
    fn checks(&mut self, phase: Phase) -> Result<Vec<Finding>, Halt> {
        if !self.reconnect() && two_hosts::needed_for(phase) {
            return Err(Halt::CannotGoOn("not all hosts can be reached".into()));
        }
        let hosts = self.hosts();
        let run = self.session.run().to_owned();
        let mut report = Report::new(&run, &self.show.directory, miqm_fsck::now(), &[phase]);
        let choice = Choice::default();
        if two_hosts::needed_for(phase) {
            let show = &mut self.show;
            let on = &mut |event: CheckEvent<'_>| show.event(&event);
            two_hosts::run(self.session.stage(), &hosts, &[phase], &mut report, on);
        } else {
            let (session, show) = (&self.session, &mut self.show);
            by_themselves(session, &hosts, &[phase], &choice, &mut report, show);
        }
        self.show.progress.clear();
        if self.session.asked() {
            return Err(Halt::Asked);
        }
        let failed = report.count(Verdict::Fail) > 0;
        if failed || report.ended_early.is_empty() {
            // What failed is in the record, also if nothing more can be found out.
            Ok(report.findings)
        } else {
            Err(Halt::CannotGoOn(report.ended_early.trim_end_matches('.').to_owned()))
        }
    }

    fn format(&mut self) -> Result<(Vec<Finding>, String), Halt> {
        let halt = |trouble| match trouble {
            miqm_fsck::Trouble::Asked => Halt::Asked,
            other => Halt::CannotGoOn(integrity::ended(&other).trim_end_matches('.').to_owned()),
        };
        let patience = Patience::default();
        let removed = drive::remove(self.session.stage(), patience, &mut |_| {}).map_err(halt)?;
        removed.map_err(|problem| Halt::CannotGoOn(problem.to_string()))?;
        let hosts = [self.here.name.clone()];
        let found = format(self.asked, &self.session, &hosts, &mut self.show).map_err(halt)?;
        Ok((found, self.session.run().to_owned()))
    }

    fn stage(&mut self, host: &str) -> Result<&Stage, Halt> {
        self.reconnect();
        let mut hosts = self.hosts();
        // The named one comes first.
        hosts.sort_by_key(|one| one.borrow().facts().name != host);
        let mut hosts = hosts.into_iter();
        let first = hosts.next().ok_or_else(|| Halt::CannotGoOn("there is no host".into()))?;
        self.stage = match hosts.next() {
            Some(second) => self.session.stage().with_hosts(first, second),
            None => self.session.stage().with_host(first),
        };
        Ok(&self.stage)
    }

    fn here(&self) -> (String, String) {
        (self.here.name.clone(), self.here.boot.clone())
    }

    fn said(&mut self) -> Said {
        self.show.progress.tick();
        if self.session.asked() {
            return Said::Stop;
        }
        if self.answers.waits_for_hosts() {
            let back = self.tried.elapsed() >= RETRY && self.reconnect();
            return self.answers.back(back);
        }
        self.answers.next()
    }

    fn on(&mut self, event: Event<'_>) {
        let show = &mut self.show;
        match event {
            Event::Begins { step, number, of } => {
                self.answers.forget();
                show.say(&Message::GoliveStep {
                    number: number as u64,
                    of: of as u64,
                    step: step.to_string(),
                    title: step.title(),
                });
            }
            Event::Inject { step, director_dies } => {
                let to_do = step.to_do();
                self.answers.injecting(!to_do.is_empty());
                for line in &to_do {
                    show.line(line);
                }
                if director_dies {
                    let host = self.here.name.clone();
                    show.say(&Message::GoliveDirectorDies { host });
                } else if !to_do.is_empty() && !self.asked.yes {
                    show.say(&Message::GoliveAnswers);
                }
            }
            Event::Recognised(what) => show.line(what),
            Event::Return { .. } => {
                self.answers.returning();
                if !self.asked.yes {
                    show.say(&Message::GoliveReturn);
                }
            }
            Event::Verifying => show.say(&Message::GoliveVerifying),
            Event::Work { event, .. } => told(show, &event),
            Event::Ended { step, state, .. } => {
                self.answers.forget();
                let (step, state) = (step.to_string(), words(state).to_owned());
                show.say(&Message::GoliveEnded { step, state });
            }
        }
    }
}
