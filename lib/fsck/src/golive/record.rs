//! What was done, and what came of it: a file that outlives restarts.

use std::path::{Path, PathBuf};

use miqm_sys::clock;
use miqm_sys::{IoError, fs};
use serde::{Deserialize, Serialize};

use super::step::{Step, steps};
use crate::finding::{Finding, Verdict};
use crate::integrity::job::Known;
use crate::report::{Outcome, Report};

/// The longest record that is read, in bytes.
const BYTES_MAX: usize = 16 << 20;
/// Attempts that are kept of a step.
const ATTEMPTS_MAX: usize = 16;

/// How far a step is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Nothing was done yet, or what was done showed nothing.
    #[default]
    Open,
    /// It is being done; or the checker, or its host, ended meanwhile.
    Running,
    /// It was done, and everything held.
    Passed,
    /// It was done, and something did not hold.
    Failed,
    /// Somebody decided that it is not to be done.
    Skipped,
}

/// One try of a step.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Attempt {
    /// When it began: microseconds since 1970 UTC by the clock of the host that directed it.
    pub started: i64,
    /// When it ended; `None` if the checker did not live to see it.
    pub ended: Option<i64>,
    /// The host that directed it.
    pub director: String,
    /// The boot of that host; empty if unknown.
    pub boot: String,
    /// The host that held the lock to begin with; empty if none did.
    pub holder: String,
    /// The last sequence that is known to have been acknowledged, and of which run.
    pub known: Option<Known>,
    /// What happened, as far as it was recognised, as sentences.
    pub recognised: Vec<String>,
    /// For how long the holder had no answer at the longest, in seconds.
    pub stalled_seconds: f64,
    /// How long after the last sign of the holder another one had the lock, in seconds.
    pub takeover_seconds: Option<f64>,
    /// What was found.
    pub findings: Vec<Finding>,
    /// What it did not show, as sentences without a full stop.
    pub not_shown: Vec<String>,
}

/// A step and what came of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Entry {
    /// The id of the step.
    pub step: String,
    /// How far it is.
    pub state: State,
    /// Why it was skipped; else empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// What was tried, the last one last.
    pub attempts: Vec<Attempt>,
}

/// A whole procedure. Its JSON form is documented in amqmfsck(1).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The version of this form: [`Record::FORMAT`].
    pub format: u32,
    /// Names the files of the integrity test: 32 hexadecimal digits; empty until they are formatted.
    #[serde(default)]
    pub run: String,
    /// The tested directory, on the host where the procedure was begun.
    pub directory: String,
    /// When it was begun: microseconds since 1970 UTC.
    pub started: i64,
    /// The hosts.
    pub hosts: Vec<String>,
    /// The steps, in order.
    pub steps: Vec<Entry>,
    /// Where it is kept.
    #[serde(skip)]
    path: PathBuf,
}

/// Why there is no record.
#[derive(Debug, thiserror::Error)]
pub enum BadRecord {
    /// The file is no record, or one of a newer version.
    #[error("{} is no record of this program: {why}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why, without a full stop.
        why: String,
    },
    /// The record is of another directory.
    #[error("{} is the record of {directory}", .path.display())]
    Other {
        /// The file.
        path: PathBuf,
        /// The directory that it is of.
        directory: String,
    },
    /// The system refused.
    #[error(transparent)]
    Io(#[from] IoError),
}

impl Record {
    /// The version of the JSON form.
    pub const FORMAT: u32 = 1;

    /// A new record, which is not written yet.
    pub fn new(path: &Path, directory: &str, hosts: &[String]) -> Self {
        let steps = steps(hosts).iter().map(|step| Entry::new(&step.to_string())).collect();
        Self {
            format: Self::FORMAT,
            run: String::new(),
            directory: directory.to_owned(),
            started: clock::utc_now().0,
            hosts: hosts.to_vec(),
            steps,
            path: path.to_owned(),
        }
    }

    /// Reads a record; `None` if there is none.
    ///
    /// # Errors
    ///
    /// If it cannot be read, or is none.
    pub fn load(path: &Path) -> Result<Option<Self>, BadRecord> {
        let bytes = match fs::read_limited(path, BYTES_MAX) {
            Err(error) if error.is_not_found() => return Ok(None),
            bytes => bytes?,
        };
        let bad = |why: String| BadRecord::Unreadable { path: path.to_owned(), why };
        let mut record: Self =
            serde_json::from_slice(&bytes).map_err(|error| bad(error.to_string()))?;
        if record.format != Self::FORMAT {
            return Err(bad(format!("its format is {}", record.format)));
        }
        if let Some(entry) = record.steps.iter().find(|entry| Step::of(&entry.step).is_none()) {
            return Err(bad(format!("it has a step {:?}", entry.step)));
        }
        path.clone_into(&mut record.path);
        Ok(Some(record))
    }

    /// Reads the record of a directory, or makes a new one. Hosts that it does not know yet are added.
    ///
    /// # Errors
    ///
    /// As [`Record::load`], and if it is of another directory.
    pub fn open(path: &Path, directory: &str, hosts: &[String]) -> Result<Self, BadRecord> {
        let Some(mut record) = Self::load(path)? else {
            return Ok(Self::new(path, directory, hosts));
        };
        if record.directory != directory {
            let directory = record.directory;
            return Err(BadRecord::Other { path: path.to_owned(), directory });
        }
        let news: Vec<_> =
            hosts.iter().filter(|host| !record.hosts.contains(host)).cloned().collect();
        if !news.is_empty() {
            record.hosts.extend(news);
            // What there is to do with all hosts, with what was done already.
            let mut done = std::mem::take(&mut record.steps);
            for step in steps(&record.hosts) {
                let id = step.to_string();
                let at = done.iter().position(|entry| entry.step == id);
                record.steps.push(at.map_or_else(|| Entry::new(&id), |at| done.remove(at)));
            }
            record.steps.append(&mut done);
        }
        Ok(record)
    }

    /// Writes it: whoever reads it finds the old one or the new one.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn save(&self) -> Result<(), IoError> {
        let mut bytes = serde_json::to_vec_pretty(self).map_err(|error| {
            IoError::new(miqm_sys::Op::Write, &self.path, std::io::Error::from(error))
        })?;
        bytes.push(b'\n');
        fs::replace(&self.path, &bytes, 0o640, None)
    }

    /// Where it is kept.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The entry of a step.
    pub fn entry(&self, step: &Step) -> Option<&Entry> {
        let id = step.to_string();
        self.steps.iter().find(|entry| entry.step == id)
    }

    pub(super) fn entry_mut(&mut self, step: &Step) -> &mut Entry {
        let id = step.to_string();
        let at = self.steps.iter().position(|entry| entry.step == id).unwrap_or_else(|| {
            self.steps.push(Entry::new(&id));
            self.steps.len() - 1
        });
        &mut self.steps[at]
    }

    /// The steps on which nothing was decided yet, in order.
    pub fn open_steps(&self) -> Vec<Step> {
        let open = |entry: &&Entry| matches!(entry.state, State::Open | State::Running);
        self.steps.iter().filter(open).filter_map(|entry| Step::of(&entry.step)).collect()
    }

    /// Notes that a step is not to be done.
    pub fn skip(&mut self, step: &Step, reason: &str) {
        let entry = self.entry_mut(step);
        entry.state = State::Skipped;
        reason.clone_into(&mut entry.reason);
    }

    /// What all of it comes to.
    pub fn outcome(&self) -> Outcome {
        let any = |state| self.steps.iter().any(|entry| entry.state == state);
        if any(State::Failed) {
            Outcome::Failed
        } else if any(State::Open) || any(State::Running) || self.steps.is_empty() {
            Outcome::NotTested
        } else {
            Outcome::Passed
        }
    }

    /// Everything that was not shown, as sentences without a full stop.
    pub fn not_shown(&self) -> Vec<String> {
        let mut all = Vec::new();
        for entry in &self.steps {
            let title = Step::of(&entry.step).map(|step| step.title()).unwrap_or_default();
            let id = &entry.step;
            match entry.state {
                State::Open | State::Running => all.push(format!("{id}: {title}")),
                State::Skipped if entry.reason.is_empty() => {
                    all.push(format!("{id}: {title} (skipped)"));
                }
                State::Skipped => all.push(format!("{id}: {title} (skipped: {})", entry.reason)),
                State::Passed | State::Failed => {
                    let last = entry.attempts.last();
                    let not = last.into_iter().flat_map(|attempt| &attempt.not_shown);
                    all.extend(not.map(|not| format!("{id}: {not}")));
                }
            }
        }
        all
    }

    /// Adds what was found in the last attempt of each step to a report, and what was not shown.
    pub fn add_to(&self, report: &mut Report) {
        for attempt in self.steps.iter().filter_map(|entry| entry.attempts.last()) {
            report.findings.extend(attempt.findings.iter().cloned());
        }
        report.not_shown.extend(self.not_shown());
        report.outcome = self.outcome();
    }
}

impl Entry {
    fn new(step: &str) -> Self {
        Self { step: step.to_owned(), ..Self::default() }
    }

    /// Begins an attempt.
    pub(super) fn begin(&mut self, attempt: Attempt) {
        if self.attempts.len() == ATTEMPTS_MAX {
            self.attempts.remove(0);
        }
        self.attempts.push(attempt);
        self.state = State::Running;
    }

    /// Ends the last attempt: failed if anything was, open if nothing was found out.
    pub(super) fn end(&mut self, attempt: Attempt) {
        let any = |verdict| attempt.findings.iter().any(|found| found.verdict == verdict);
        let required = |found: &Finding| found.verdict == Verdict::NotTested && found.required;
        self.state = if any(Verdict::Fail) {
            State::Failed
        } else if attempt.findings.is_empty() || attempt.findings.iter().any(required) {
            State::Open
        } else {
            State::Passed
        };
        self.attempts.pop();
        self.attempts.push(Attempt { ended: Some(clock::utc_now().0), ..attempt });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts() -> Vec<String> {
        vec!["mq1".into(), "mq2".into()]
    }

    fn passed() -> Attempt {
        let told = vec![("int.recover", crate::Told::pass("It went on."))];
        let findings = crate::integrity::findings(told, crate::Phase::Failure, &hosts());
        assert_eq!(findings.len(), 1);
        Attempt { findings, ..Attempt::default() }
    }

    #[test]
    fn a_record_comes_back_and_knows_what_is_left() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("record.json");
        let mut record = Record::open(&path, "/mqm", &hosts()).unwrap();
        assert_eq!(record.outcome(), Outcome::NotTested);
        let all = record.open_steps();
        for step in &all {
            record.entry_mut(step).begin(Attempt::default());
            record.save().unwrap();
            assert_eq!(Record::load(&path).unwrap().as_ref(), Some(&record));
            record.entry_mut(step).end(passed());
        }
        assert_eq!((record.outcome(), record.not_shown().len()), (Outcome::Passed, 0));
        record.skip(&all[7], "no key for that room");
        assert_eq!(record.outcome(), Outcome::Passed);
        assert!(record.not_shown()[0].contains("skipped: no key for that room"));
        record.entry_mut(&all[3]).end(Attempt::default());
        assert_eq!(
            (record.outcome(), record.open_steps()),
            (Outcome::NotTested, vec![all[3].clone()])
        );
        record.save().unwrap();
        assert!(matches!(
            Record::open(&path, "/other", &hosts()),
            Err(BadRecord::Other { directory, .. }) if directory == "/mqm"
        ));
        let three = Record::open(&path, "/mqm", &["mq3".into()]).unwrap();
        assert_eq!(three.steps.len(), record.steps.len() + 5);
        assert_eq!(three.open_steps().len(), 6);
        let mut report = Report::new("r", "/mqm", miqm_types::UtcTime(0), &[]);
        record.add_to(&mut report);
        assert_eq!(report.findings.len(), all.len() - 1);
        assert_eq!(report.outcome, Outcome::NotTested);
    }

    #[test]
    fn what_is_no_record_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("record.json");
        assert!(Record::load(&path).unwrap().is_none());
        let mut record = Record::new(&path, "/mqm", &hosts());
        record.save().unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        for cut in (0..text.len() - 2).step_by(7) {
            std::fs::write(&path, &text[..cut]).unwrap();
            assert!(Record::load(&path).is_err(), "{cut}");
        }
        record.format = 2;
        record.save().unwrap();
        assert!(matches!(Record::load(&path), Err(BadRecord::Unreadable { .. })));
        record.format = 1;
        record.steps[0].step = "dance".into();
        record.save().unwrap();
        let error = Record::load(&path).unwrap_err().to_string();
        assert!(error.ends_with("it has a step \"dance\""), "{error}");
    }
}
