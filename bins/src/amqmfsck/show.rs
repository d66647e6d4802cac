//! What people and programs are shown of a run, from its first line to its verdict.

use std::time::Instant;

use miqm_cli::explain::io_message;
use miqm_cli::{Env, Exit, Failure, Message, Ui};
use miqm_fsck::render::{self, Layout, Tracker};
use miqm_fsck::run::Event;
use miqm_fsck::session::{Cleaned, Refusal, Session, Setup};
use miqm_fsck::{Finding, HostFacts, Outcome, Phase, Place, Report, Verdict, page};

use super::progress::Progress;
use super::{Amqmfsck, failure};

/// A run, from the side of those who look.
pub(super) struct Show<'a, 'b> {
    pub(super) asked: &'a Amqmfsck,
    pub(super) ui: &'a mut Ui<'b>,
    pub(super) progress: Progress,
    /// The tested directory.
    pub(super) directory: String,
    layout: Layout,
    host: String,
    /// The command as it was typed.
    pub(super) command: String,
    began: Instant,
    tracker: Tracker,
    /// When somebody was last reminded of what is waited for.
    reminded: Option<f64>,
}

impl<'a, 'b> Show<'a, 'b> {
    pub(super) fn new(asked: &'a Amqmfsck, env: &Env, ui: &'a mut Ui<'b>) -> Self {
        Self {
            asked,
            ui,
            progress: Progress::new(env.terminal),
            directory: asked.absolute().display().to_string(),
            layout: asked.layout(env),
            host: env.host.to_string(),
            command: Amqmfsck::command(env),
            began: Instant::now(),
            tracker: Tracker::new(),
            reminded: None,
        }
    }

    /// Begins a run: the directory is there.
    pub(super) fn open(&self) -> Result<Session, Failure> {
        let ticking = self.progress.clone();
        let setup = Setup {
            directory: self.asked.absolute(),
            host: self.host.clone(),
            limits: self.asked.limits(),
            idle: Box::new(move || ticking.tick()),
        };
        let session = Session::open(setup).map_err(|refusal| self.refused(refusal))?;
        if self.asked.one_host {
            session.stage().allow_one_host();
        }
        if self.asked.verbose {
            let (json, aside) = (self.asked.json, self.progress.clone());
            let mut ui = Ui::standard();
            session.stage().set_trace(move |line| {
                aside.aside(|| if json { ui.note(line) } else { ui.line(line) });
            });
        }
        Ok(session)
    }

    /// What is said of a run that cannot be made.
    pub(super) fn refused(&self, refusal: Refusal) -> Failure {
        failure::of(&self.directory, refusal)
    }

    /// The first line, and an empty report. Nothing is said if the report cannot be written.
    pub(super) fn begin(&mut self, run: &str, phases: &[Phase]) -> Result<Report, Failure> {
        let mut report = Report::new(run, &self.directory, miqm_fsck::now(), phases);
        report.command.clone_from(&self.command);
        if let Some(file) = &self.asked.report {
            page::begin(file, &report)?;
        }
        if !self.asked.json {
            let heading = render::heading(&self.directory, phases, &self.layout);
            self.ui.line(heading.trim_end());
        }
        Ok(report)
    }

    /// Something that happens while checks are made.
    pub(super) fn event(&mut self, event: &Event<'_>) {
        self.progress.show(&self.tracker.after(event));
        if let Event::Found(found) = event {
            self.found(found);
        }
    }

    /// One finding. On a terminal the report in the end has them all, better ordered.
    pub(super) fn found(&mut self, found: &Finding) {
        if self.layout.columns.is_none() && !self.asked.json {
            let text = render::finding(found, &self.layout);
            self.progress.aside(|| self.ui.line(text.trim_end()));
        }
    }

    /// A line for people on the way.
    pub(super) fn say(&mut self, message: &Message) {
        let json = self.asked.json;
        self.progress.aside(|| if json { self.ui.note(message) } else { self.ui.say(message) });
    }

    /// A line of text for people on the way.
    pub(super) fn line(&mut self, line: &str) {
        let json = self.asked.json;
        self.progress.aside(|| if json { self.ui.note(line) } else { self.ui.line(line) });
    }

    /// A line for people that is said at the first time and then every so many seconds.
    pub(super) fn remind(&mut self, seconds: f64, every: f64, message: impl FnOnce() -> Message) {
        if self.reminded.is_none_or(|last| seconds >= last + every || seconds < last) {
            self.reminded = Some(seconds);
            self.say(&message());
        }
    }

    /// What was left of the files of the run.
    pub(super) fn left(&mut self, cleaned: &Cleaned) {
        self.progress.clear();
        for (name, why) in &cleaned.left {
            self.ui.complain(&Message::FsckLeft { name: name.clone(), why: why.clone() });
        }
    }

    /// Judges the report.
    pub(super) fn judge(&self, report: &mut Report) {
        report.close(self.began.elapsed().as_secs_f64());
    }

    /// Shows the report that has been judged; whether the page was written, if one was asked for.
    pub(super) fn present(&mut self, report: &Report) -> bool {
        self.progress.clear();
        if self.asked.json {
            self.ui.json(report);
        } else {
            self.ui.line(render::report(report, &self.layout).trim_end());
        }
        let written = self.asked.report.as_ref().map_or(Ok(()), |file| page::write(file, report));
        if let Err(error) = &written {
            self.ui.complain(&io_message(error));
        }
        written.is_ok()
    }

    /// Shows the report that has been judged, and says what came of it.
    pub(super) fn close(mut self, report: &Report) -> Exit {
        let written = self.present(report);
        let directory = report.directory.clone();
        match report.outcome {
            Outcome::Passed => {
                if !self.asked.json {
                    self.ui.say(&Message::FsckPassed { directory });
                }
                if written { Exit::Done } else { Exit::Failed }
            }
            Outcome::Failed => {
                let failed = report.count(Verdict::Fail);
                self.ui.complain(&Message::FsckFailed { directory, failed });
                Exit::CheckFailed
            }
            Outcome::NotTested => {
                self.ui.complain(&Message::FsckNotTested { directory, why: not_tested(report) });
                Exit::NotDone
            }
        }
    }
}

/// What is known of this host.
pub(super) fn facts(session: &Session) -> HostFacts {
    match session.stage().facts(Place::First) {
        Ok(facts) => facts.clone(),
        // Whoever could not be asked has at least a name.
        Err(_) => session.host().borrow_mut().facts_mut().clone(),
    }
}

/// Why there is no verdict, as the end of a sentence.
fn not_tested(report: &Report) -> String {
    if !report.ended_early.is_empty() {
        return report.ended_early.trim_end_matches('.').to_owned();
    }
    let untested = |found: &&Finding| found.required && found.verdict == Verdict::NotTested;
    let untested: Vec<_> = report.findings.iter().filter(untested).collect();
    let mut ids: Vec<_> = untested.iter().map(|found| found.check.as_str()).collect();
    ids.dedup();
    match (untested.as_slice(), ids.as_slice()) {
        ([], _) => "no check was made".into(),
        ([found, ..], [id]) => format!("{id}: {}", found.summary.trim_end_matches('.')),
        (_, ids) => format!("these checks could not be made: {}", ids.join(", ")),
    }
}
