//! What a check found.

use miqm_sys::probe;
use serde::{Deserialize, Serialize};

/// How one check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The property holds.
    Pass,
    /// The property means nothing here.
    NotApplicable,
    /// It holds, with a consequence that an operator should know.
    Warning,
    /// It could not be found out.
    NotTested,
    /// It does not hold.
    Fail,
}

impl Verdict {
    /// The words for people: "pass", "not tested".
    pub fn words(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::NotApplicable => "not applicable",
            Self::Warning => "warning",
            Self::NotTested => "not tested",
            Self::Fail => "FAIL",
        }
    }
}

/// One observation that a verdict rests on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Evidence {
    /// The host on which it was seen; empty if it concerns no single one.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub host: String,
    /// The system call with its arguments; empty if there was none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub call: String,
    /// The file, relative to the tested directory.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub file: String,
    /// The error number of the call, if it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub errno: Option<i32>,
    /// The name of the error number: "ENOLCK". Derived; see [`Evidence::errno`].
    #[serde(skip_serializing_if = "String::is_empty")]
    pub error: String,
    /// A byte position in the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// A page of 4096 bytes in the file, counted from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page: Option<u64>,
    /// How long it took.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
    /// What was expected and what was seen instead, as a sentence without a full stop.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub note: String,
}

impl Evidence {
    /// An observation in words.
    pub fn note(note: impl Into<String>) -> Self {
        Self { note: note.into(), ..Self::default() }
    }

    /// With the error number, and its name.
    #[must_use]
    pub fn errno(mut self, errno: i32) -> Self {
        self.errno = Some(errno);
        probe::errno_name(errno).clone_into(&mut self.error);
        self
    }

    /// With words.
    #[must_use]
    pub fn with_note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }

    /// With the host.
    #[must_use]
    pub fn host(mut self, host: impl Into<String>) -> Self {
        self.host = host.into();
        self
    }

    /// With the file.
    #[must_use]
    pub fn file(mut self, file: impl Into<String>) -> Self {
        self.file = file.into();
        self
    }

    /// With the time it took.
    #[must_use]
    pub fn seconds(mut self, seconds: f64) -> Self {
        self.seconds = Some(seconds);
        self
    }

    /// With the byte position, and the page that it is in.
    #[must_use]
    pub fn offset(mut self, offset: u64) -> Self {
        self.offset = Some(offset);
        self.page = Some(offset / u64::from(miqm_types::PAGE_BYTES));
        self
    }
}

/// Measured values of one kind, for statistics and plots.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// What was measured: "fdatasync", "lock hand-over by polling".
    pub name: String,
    /// Where, or from where to where; empty if that does not matter.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub place: String,
    /// In seconds, in the order in which they were measured.
    pub seconds: Vec<f64>,
}

impl Series {
    /// The value below which a share (0 to 1) of the values lies; `None` of nothing.
    pub fn quantile(&self, share: f64) -> Option<f64> {
        let mut sorted = self.seconds.clone();
        sorted.sort_by(f64::total_cmp);
        let last = sorted.len().checked_sub(1)?;
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a position in a short list"
        )]
        let at = (share.clamp(0.0, 1.0) * last as f64).round() as usize;
        sorted.get(at).copied()
    }
}

/// What one check found, before it is known which check and where.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// How it ended.
    pub verdict: Verdict,
    /// Why, as a sentence with a full stop.
    pub summary: String,
    /// What the verdict rests on.
    pub evidence: Vec<Evidence>,
    /// What was measured on the way.
    pub series: Vec<Series>,
    /// What to change in this very case, as a sentence; empty for what the check says in general.
    pub change: String,
}

impl Told {
    fn new(verdict: Verdict, summary: impl Into<String>) -> Self {
        let (evidence, series) = (Vec::new(), Vec::new());
        Self { verdict, summary: summary.into(), evidence, series, change: String::new() }
    }

    /// The property holds.
    pub fn pass(summary: impl Into<String>) -> Self {
        Self::new(Verdict::Pass, summary)
    }

    /// The property does not hold.
    pub fn fail(summary: impl Into<String>) -> Self {
        Self::new(Verdict::Fail, summary)
    }

    /// The property holds, with a consequence.
    pub fn warning(summary: impl Into<String>) -> Self {
        Self::new(Verdict::Warning, summary)
    }

    /// It could not be found out.
    pub fn not_tested(summary: impl Into<String>) -> Self {
        Self::new(Verdict::NotTested, summary)
    }

    /// It means nothing here.
    pub fn not_applicable(summary: impl Into<String>) -> Self {
        Self::new(Verdict::NotApplicable, summary)
    }

    /// With one more observation.
    #[must_use]
    pub fn with(mut self, evidence: Evidence) -> Self {
        self.evidence.push(evidence);
        self
    }

    /// With more observations.
    #[must_use]
    pub fn with_all(mut self, evidence: impl IntoIterator<Item = Evidence>) -> Self {
        self.evidence.extend(evidence);
        self
    }

    /// With what to change in this very case, as a sentence.
    #[must_use]
    pub fn changing(mut self, change: impl Into<String>) -> Self {
        self.change = change.into();
        self
    }

    /// With measured values.
    #[must_use]
    pub fn measured(mut self, series: Series) -> Self {
        self.series.push(series);
        self
    }
}

/// What one check found, where and when.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// The stable id of the check: "lock.exclusive".
    pub check: String,
    /// What it asserts.
    pub title: String,
    /// The phase of the run.
    pub phase: crate::Phase,
    /// The hosts that took part, the one that acted first before the other.
    pub hosts: Vec<String>,
    /// How it ended.
    pub verdict: Verdict,
    /// Whether "not tested" keeps the whole run from being a success.
    pub required: bool,
    /// Why, as a sentence.
    pub summary: String,
    /// What the verdict rests on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<Evidence>,
    /// Why a queue manager cares.
    pub why: String,
    /// What to change; empty unless something is wrong.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub change: String,
    /// How long it took.
    pub seconds: f64,
    /// What was measured on the way.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub series: Vec<Series>,
}
