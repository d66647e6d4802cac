//! How far a run is.

use crate::finding::Verdict;
use crate::run::Event;

use super::clean;

/// What a progress bar shows at a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// How many checks of the phase have ended.
    pub done: u64,
    /// How many it has.
    pub of: u64,
    /// What is being done and what came out so far, in one line without control characters:
    /// "(1 failed) lock.shared: shared locks coexist".
    pub text: String,
}

/// Follows the events of a run.
#[derive(Debug, Default)]
pub struct Tracker {
    doing: String,
    done: u64,
    of: u64,
    failed: u32,
    warnings: u32,
}

impl Tracker {
    /// At the beginning of a run. The counts of failures go on from phase to phase.
    pub fn new() -> Self {
        Self::default()
    }

    /// What to show after an event.
    pub fn after(&mut self, event: &Event<'_>) -> Progress {
        match event {
            Event::Begins { check, number, of } => {
                self.done = number.saturating_sub(1) as u64;
                self.of = *of as u64;
                self.doing = format!("{}: {}", check.id, check.title);
            }
            Event::Found(found) => {
                self.done = (self.done + 1).min(self.of);
                match found.verdict {
                    Verdict::Fail => self.failed += 1,
                    Verdict::Warning => self.warnings += 1,
                    _ => {}
                }
            }
        }
        // The count comes first, because a narrow terminal cuts the end off.
        let counts = match (self.failed, self.warnings) {
            (0, 0) => String::new(),
            (0, 1) => "(1 warning) ".to_owned(),
            (0, warnings) => format!("({warnings} warnings) "),
            (failed, _) => format!("({failed} failed) "),
        };
        Progress { done: self.done, of: self.of, text: format!("{counts}{}", clean(&self.doing)) }
    }
}
