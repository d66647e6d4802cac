//! What was read in the files of the integrity test.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::layout::Method;
use crate::finding::Evidence;

/// The most observations that are kept of one kind; all are counted.
const EVIDENCE_MAX: usize = 8;
/// The most epochs of which more is kept than that they were.
pub(crate) const TAKEOVERS_MAX: usize = 64;

/// Everything that a verification saw. It has the same size however large the files are.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Survey {
    /// Names the files: 32 hexadecimal digits.
    pub run: String,
    /// The pages of the data file.
    pub pages: u64,
    /// Bytes read.
    pub bytes: u64,
    /// How long that took.
    pub seconds: f64,
    /// Whether it was read past the caches of this host.
    pub direct: bool,
    /// The last sequence that was begun.
    pub last: u64,
    /// The last sequence that is known to have been acknowledged.
    pub acknowledged: u64,
    /// The last sequence that a witness outside the storage knows; 0 if there is none.
    pub witnessed: u64,
    /// Whether a witness was asked that knows only another formatting of the files.
    pub other_witness: bool,
    /// The number of epochs.
    pub epochs: u32,
    /// The last of them.
    pub takeovers: Vec<Takeover>,
    /// Pages that were acknowledged, by how they were made durable, in the order of [`Method::ALL`].
    pub held: [u64; 5],
    /// Of these the ones that are not there, or not whole.
    pub lost: [u64; 5],
    /// Markers made.
    pub markers: u64,
    /// Whether directories can be synced, so that something follows from names that are lost.
    pub names_synced: bool,
    /// What is wrong, by the id of the check.
    pub wrong: BTreeMap<String, Wrong>,
    /// What looks damaged and is no fault, as sentences without a full stop.
    pub tolerated: Vec<String>,
}

/// Observations of one kind.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Wrong {
    /// How many.
    pub count: u64,
    /// The first of them.
    pub evidence: Vec<Evidence>,
}

impl Survey {
    /// Notes something that is wrong.
    pub(crate) fn note(&mut self, check: &str, evidence: Evidence) {
        let wrong = self.wrong.entry(check.to_owned()).or_default();
        wrong.count += 1;
        if wrong.evidence.len() < EVIDENCE_MAX {
            wrong.evidence.push(evidence);
        }
    }

    /// Notes something that looks wrong and may be.
    pub(crate) fn tolerate(&mut self, what: String) {
        if self.tolerated.len() < EVIDENCE_MAX {
            self.tolerated.push(what);
        }
    }

    /// Notes that a page, acknowledged by `method`, is not wholly there.
    pub(crate) fn lose(&mut self, method: Method) {
        self.lost[method.at()] += 1;
    }

    /// Whether all is as it must be.
    pub fn consistent(&self) -> bool {
        self.wrong.is_empty()
    }

    pub(crate) fn took_over(&mut self, takeover: Takeover) {
        if self.takeovers.len() == TAKEOVERS_MAX {
            self.takeovers.remove(0);
        }
        self.takeovers.push(takeover);
    }
}

/// The beginning of an epoch: somebody took the lock.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Takeover {
    /// Names the files: 32 hexadecimal digits.
    pub run: String,
    /// The epoch, from 1.
    pub epoch: u32,
    /// Who took it.
    pub host: String,
    /// Who had it before; empty for the first.
    pub from: String,
    /// The last sequence before.
    pub sequence: u64,
    /// When, by the clock of the host that took it: microseconds since 1970 UTC.
    pub time: i64,
    /// How long before that the last sign of the holder before was; `None` if nobody saw one.
    pub seconds: Option<f64>,
    /// Whether the holder before had ended in order.
    pub orderly: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn observations_are_counted_and_only_some_are_kept() {
        let mut survey = Survey::default();
        assert!(survey.consistent());
        for _ in 0..1000 {
            survey.note("int.page", Evidence::note("x"));
            survey.tolerate("y".into());
            survey.took_over(Takeover::default());
        }
        let wrong = &survey.wrong["int.page"];
        assert_eq!((wrong.count, wrong.evidence.len()), (1000, EVIDENCE_MAX));
        assert_eq!(survey.tolerated.len(), EVIDENCE_MAX);
        assert_eq!(survey.takeovers.len(), TAKEOVERS_MAX);
        assert!(!survey.consistent());
    }
}
