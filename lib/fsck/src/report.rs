//! All that a run found.

use std::collections::BTreeMap;

use miqm_sys::probe::FileSystem;
use miqm_types::UtcTime;
use serde::{Deserialize, Serialize};

use crate::facts::{GlusterFacts, NfsFacts};
use crate::finding::{Finding, Verdict};

/// A part of a run, with an option of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// What is mounted, and how: nothing is written.
    Environment,
    /// One host, no option: the basic behaviour.
    Basic,
    /// One host, `--all`: what takes longer.
    All,
    /// Two hosts, `-c`: concurrent writes.
    Concurrent,
    /// Two hosts, `-w`: waiting for locks and their release.
    Waiting,
    /// `--long`: what takes minutes, on one host or two.
    Long,
    /// `-f`: the integrity test's files are formatted.
    Format,
    /// `-a`: pages are appended under a lock.
    Append,
    /// `-i`: the pages are verified.
    Verify,
    /// `--golive`: a failure that was injected, and what came of it.
    Failure,
}

/// One host that took part.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HostFacts {
    /// Its name.
    pub name: String,
    /// The tested directory on it.
    pub directory: String,
    /// The kernel's release: "6.1.0-50-amd64"; empty if unknown.
    pub kernel: String,
    /// The kernel's id of this boot; empty if unknown.
    pub boot: String,
    /// The user the test ran as: "mqm (990)".
    pub user: String,
    /// The number of that user.
    pub uid: u32,
    /// The groups of that user, the effective one among them.
    pub groups: Vec<u32>,
    /// The name by which the host's kernel knows it; empty if unknown.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub node: String,
    /// The type of the file system: "nfs4"; empty if unknown.
    pub fs_type: String,
    /// What is mounted: `filer:/mqm`; empty if unknown.
    pub source: String,
    /// Where it is mounted.
    pub mount_point: String,
    /// The options of the mount and of the file system, separated by commas.
    pub options: String,
    /// The magic number of the file system, as `statfs(2)` lists them; 0 if unknown.
    pub magic: u64,
    /// The device number of the tested directory on that host.
    pub device: u64,
    /// The number of the tested directory in its file system.
    pub inode: u64,
    /// The directory of the file system that is mounted: not "/" for a bind mount of a part of it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub root: String,
    /// Sizes and free space.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub space: Option<FileSystem>,
    /// What only NFS has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nfs: Option<NfsFacts>,
    /// What only `GlusterFS` has; also `None` if its client does not tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gluster: Option<GlusterFacts>,
    /// Settings outside of the mount options that matter, by name: `nfs.recover_lost_locks`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub settings: BTreeMap<String, String>,
    /// The version of the checker there.
    pub version: String,
}

impl HostFacts {
    /// Whether an option is set: "hard", "nolock".
    pub fn has_option(&self, name: &str) -> bool {
        self.options.split(',').any(|option| option == name)
    }

    /// The value of an option: of "vers" in "vers=4.2".
    pub fn option(&self, name: &str) -> Option<&str> {
        let value = |option| str::strip_prefix(option, name)?.strip_prefix('=');
        self.options.split(',').find_map(value)
    }
}

/// How a whole run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Everything that was asked held.
    Passed,
    /// Something does not hold.
    Failed,
    /// Nothing failed, but something that was asked could not be tested.
    NotTested,
}

/// A whole run. Its JSON form is documented in amqmfsck(1).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The version of this form: [`Report::FORMAT`].
    pub format: u32,
    /// The version of the checker.
    pub version: String,
    /// Names this run: 32 hexadecimal digits.
    pub run: String,
    /// The command as it was typed, quoted for a shell; empty if it is not known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub command: String,
    /// The tested directory, on the first host.
    pub directory: String,
    /// When it began: microseconds since 1970 UTC by the clock of the first host.
    pub started: i64,
    /// How long it took.
    pub seconds: f64,
    /// How it ended.
    pub outcome: Outcome,
    /// What ended it early, as a sentence; empty if nothing did.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub ended_early: String,
    /// What was asked.
    pub phases: Vec<Phase>,
    /// Who took part; the first is where the run was directed.
    pub hosts: Vec<HostFacts>,
    /// Every check, in the order in which they were made.
    pub findings: Vec<Finding>,
    /// Things that were not asked for, and so not shown: "what a second host sees".
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_shown: Vec<String>,
}

impl Report {
    /// The version of the JSON form.
    pub const FORMAT: u32 = 1;

    /// An empty report of a run that begins now.
    pub fn new(run: &str, directory: &str, started: UtcTime, phases: &[Phase]) -> Self {
        Self {
            format: Self::FORMAT,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            run: run.to_owned(),
            command: String::new(),
            directory: directory.to_owned(),
            started: started.0,
            seconds: 0.0,
            outcome: Outcome::NotTested,
            ended_early: String::new(),
            phases: phases.to_vec(),
            hosts: Vec::new(),
            findings: Vec::new(),
            not_shown: Vec::new(),
        }
    }

    /// Completes the report of a run that is over: how it ended, how long it took, what it does not show.
    pub fn close(&mut self, seconds: f64) {
        self.seconds = seconds;
        self.outcome = self.judge();
        self.not_shown = not_shown(&self.phases);
        let one_host =
            |found: &Finding| found.check == "env.two-hosts" && found.verdict != Verdict::Pass;
        if self.findings.iter().any(one_host) {
            let what = "Anything about two hosts: two copies ran on the same one, or it is not known on which.";
            self.not_shown.insert(0, what.to_owned());
        }
    }

    /// What the findings come to.
    pub fn judge(&self) -> Outcome {
        let any = |test: &dyn Fn(&Finding) -> bool| self.findings.iter().any(test);
        if any(&|found| found.verdict == Verdict::Fail) {
            Outcome::Failed
        } else if !self.ended_early.is_empty()
            || self.findings.is_empty()
            || any(&|found| found.verdict == Verdict::NotTested && found.required)
        {
            Outcome::NotTested
        } else {
            Outcome::Passed
        }
    }

    /// The number of findings with a verdict.
    pub fn count(&self, verdict: Verdict) -> usize {
        self.findings.iter().filter(|found| found.verdict == verdict).count()
    }
}

/// What these phases leave open, a sentence each, the most important first.
fn not_shown(phases: &[Phase]) -> Vec<String> {
    use Phase::{All, Append, Basic, Concurrent, Failure, Format, Verify, Waiting};
    let asked = |any: &[Phase]| any.iter().any(|phase| phases.contains(phase));
    let mut left = Vec::new();
    match (asked(&[Concurrent]), asked(&[Waiting])) {
        (false, false) if !asked(&[Append, Failure, Format, Verify]) => left.push(
            "What a second host sees, and whether a lock of this host excludes it: run -c and -w on \
             two hosts, or --with HOST on one.",
        ),
        (true, false) => left.push(
            "Whether a waiting host gets a lock, and how long after its holder's end: run -w on two \
             hosts.",
        ),
        (false, true) => {
            left.push("Whether two hosts see what the other writes: run -c on two hosts.");
        }
        _ => {}
    }
    if asked(&[Verify]) && !asked(&[Failure]) {
        left.push(
            "What a failure does that was not injected while -a ran: what is verified is what the storage \
             has kept so far.",
        );
    }
    if asked(&[Basic]) && !asked(&[All]) {
        left.push("What takes longer than a moment on one host: run --all.");
    }
    if !asked(&[Failure, Verify]) {
        left.push(
            "What survives the failure of a host, of the network or of the storage's server: no failure \
             was injected. Run --golive, or -f, -a and -i around a failure.",
        );
    }
    left.into_iter().map(str::to_owned).collect()
}
