//! What is mounted, and how: judged from what the kernel tells, before anything is tried. What is
//! known not to work fails here even if every other check passes.

mod clock;
mod cluster;
mod gluster;
mod hosts;
mod local;
mod nfs;
mod smb;
mod user_space;

use crate::check::{Check, Runs};
use crate::facts::{Kind, STATFS_ERROR, kind, kind_of_magic, type_of_magic};
use crate::finding::{Evidence, Told, Verdict};
use crate::report::HostFacts;
use crate::stage::{Place, Stage, Trouble};

/// When a look at the mount is taken: in every phase, but once for each host.
const EVERYWHERE: Runs =
    Runs::ENVIRONMENT.and(Runs::BASIC).and(Runs::CONCURRENT).and(Runs::WAITING).and(Runs::ONCE);
/// The same where two hosts say more than one.
const EACH_TIME: Runs = Runs::ENVIRONMENT.and(Runs::BASIC).and(Runs::CONCURRENT).and(Runs::WAITING);
/// On two hosts.
const TWO_HOSTS: Runs = Runs::CONCURRENT.and(Runs::WAITING);

/// What checks of mount options have in common.
const MOUNT: Check = Check {
    id: "",
    title: "",
    how: "Reads the mount's line in /proc/self/mountinfo.",
    why: "",
    change: "Change the options of the mount on both hosts, and mount it anew.",
    needs: &["env.statfs"],
    runs: EVERYWHERE,
    required: false,
    run: |_| Ok(Told::not_applicable("Nothing is asked.")),
};

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "env.statfs",
        title: "the directory can be entered, and the sizes of its file system make sense",
        how: "Opens the directory in a process of its own and asks fstatfs.",
        why: "Free space is watched by these numbers, and the type is told by them where /proc is not.",
        change: "See why the directory cannot be opened, or does not answer.",
        needs: &[],
        run: |stage| each(stage, statfs),
        ..MOUNT
    },
    Check {
        id: "env.mount",
        title: "it is known what is mounted on the directory",
        how: "Finds the mount of the open directory in /proc/self/mountinfo by its number.",
        why: "Some mount options break locks or durability without a call ever failing.",
        change: "Run the test where /proc is mounted.",
        run: |stage| each(stage, mount),
        ..MOUNT
    },
    Check {
        id: "env.type",
        title: "the type of the file system is one that can carry a queue manager",
        how: "Takes the type from /proc/self/mountinfo, or the magic number of fstatfs.",
        why: "An active and a standby instance need locks and data that both hosts see alike.",
        change: "Use NFS 4.1 or later, a cluster file system, or replicated GlusterFS.",
        run: |stage| each(stage, fs_type),
        ..MOUNT
    },
    local::VOLATILE,
    Check {
        id: "env.read-only",
        title: "the file system is mounted to be written",
        why: "A queue manager writes for every message; many systems turn to read-only after an error.",
        change: "Find out why it is read-only (an option, or an error of the disk), and mount it rw.",
        run: |stage| by_options(stage, read_only),
        ..MOUNT
    },
    Check {
        id: "env.space",
        title: "there is space for a queue manager",
        how: "Asks fstatfs for free space and files.",
        why: "A queue manager that cannot extend its log ends.",
        change: "Make room, or give the queue manager a larger file system.",
        run: |stage| each(stage, space),
        ..MOUNT
    },
    local::LOCAL,
    local::BARRIERS,
    nfs::VERSION,
    nfs::LOCKS,
    nfs::SOFT,
    nfs::CACHE,
    nfs::TRANSPORT,
    nfs::LEASE,
    nfs::LOST_LOCKS,
    nfs::EXPORT,
    smb::SMB,
    cluster::LOCKS,
    user_space::FUSE,
    gluster::PROFILE,
    hosts::SAME_DIRECTORY,
    hosts::TWO_HOSTS_CHECK,
    hosts::SAME_OPTIONS,
    hosts::SAME_IDENTITY,
];

/// What is tried once it is known that files can be written.
pub(super) const TRIED: &[Check] = &[clock::CLOCK];

/// Judges the mount of each host.
fn each(stage: &Stage, judge: impl Fn(&HostFacts) -> Told) -> Result<Told, Trouble> {
    let first = stage.facts(Place::First)?;
    let one = with_mount(judge(first), first);
    if !stage.two_hosts() {
        return Ok(one);
    }
    let second = stage.facts(Place::Second)?;
    let other = with_mount(judge(second), second);
    Ok(both((&first.name, one), (&second.name, other)))
}

/// Judges the options of the mount of each host.
fn by_options(stage: &Stage, judge: impl Fn(&HostFacts) -> Told) -> Result<Told, Trouble> {
    each(stage, |facts| known(facts, judge(facts)))
}

/// A verdict on options, if they are known. That something is another kind of file system is told by
/// its magic number, too.
fn known(facts: &HostFacts, told: Told) -> Told {
    if facts.fs_type.is_empty() && told.verdict != Verdict::NotApplicable {
        return Told::not_tested("The options of the mount are not known; see env.mount.");
    }
    told
}

/// What the verdict rests on.
fn with_mount(told: Told, facts: &HostFacts) -> Told {
    if !matches!(told.verdict, Verdict::Fail | Verdict::Warning) {
        return told;
    }
    told.with(Evidence::note(line(facts)).host(&facts.name))
}

/// The mount as `mount(8)` shows it.
fn line(facts: &HostFacts) -> String {
    let HostFacts { source, mount_point, fs_type, options, magic, .. } = facts;
    if fs_type.is_empty() {
        return format!("the magic number of the file system is {magic:#x}");
    }
    format!("{source} on {mount_point} type {fs_type} ({options})")
}

/// One verdict for two hosts: the worse one.
fn both(one: (&str, Told), other: (&str, Told)) -> Told {
    let rank = |told: &Told| match told.verdict {
        Verdict::NotApplicable => 0,
        Verdict::Pass => 1,
        Verdict::NotTested => 2,
        Verdict::Warning => 3,
        Verdict::Fail => 4,
    };
    let ((one, a), (other, b)) = (one, other);
    if a.verdict == b.verdict {
        let summary = if a.summary == b.summary {
            a.summary.clone()
        } else {
            format!("{one}: {} {other}: {}", a.summary, b.summary)
        };
        let change = match (a.change.as_str(), b.change.as_str()) {
            (a, b) if a == b || b.is_empty() => a.to_owned(),
            ("", b) => b.to_owned(),
            (a, b) => format!("{one}: {a} {other}: {b}"),
        };
        return Told { summary, change, ..a }.with_all(b.evidence);
    }
    let (host, mut worse) = if rank(&a) > rank(&b) { (one, a) } else { (other, b) };
    worse.summary = format!("{host}: {}", worse.summary);
    worse
}

/// What a judge has to say, sentence by sentence.
struct Said {
    verdict: Verdict,
    sentences: Vec<String>,
    changes: Vec<String>,
}

impl Said {
    fn new() -> Self {
        Self { verdict: Verdict::Pass, sentences: Vec::new(), changes: Vec::new() }
    }

    fn fail(&mut self, sentence: impl Into<String>, change: impl Into<String>) {
        self.verdict = Verdict::Fail;
        self.add(sentence.into(), change.into());
    }

    fn warn(&mut self, sentence: impl Into<String>, change: impl Into<String>) {
        if self.verdict != Verdict::Fail {
            self.verdict = Verdict::Warning;
        }
        self.add(sentence.into(), change.into());
    }

    /// Something worth to be known that is no reason to worry.
    fn note(&mut self, sentence: impl Into<String>) {
        self.sentences.push(sentence.into());
    }

    fn add(&mut self, sentence: String, change: String) {
        self.sentences.push(sentence);
        if !change.is_empty() && !self.changes.contains(&change) {
            self.changes.push(change);
        }
    }

    /// All of it; `fine` if there is nothing to say.
    fn told(self, fine: &str) -> Told {
        let summary =
            if self.sentences.is_empty() { fine.to_owned() } else { self.sentences.join(" ") };
        let told = match self.verdict {
            Verdict::Fail => Told::fail(summary),
            Verdict::Warning => Told::warning(summary),
            _ => Told::pass(summary),
        };
        told.changing(self.changes.join(" "))
    }
}

/// The first of the options that is set, as it stands in the line: `local_lock=all`.
fn set<'a>(facts: &'a HostFacts, options: &[&'a str]) -> Option<&'a str> {
    options.iter().copied().find(|option| facts.has_option(option))
}

/// The number that is the value of an option, if it has one.
fn number(facts: &HostFacts, option: &str) -> Option<u64> {
    facts.option(option)?.parse().ok()
}

/// The type for sentences: by its name, else by its magic number.
fn type_name(facts: &HostFacts) -> String {
    match (facts.fs_type.as_str(), type_of_magic(facts.magic)) {
        ("", None) => format!("a file system of number {:#x}", facts.magic),
        ("", Some(name)) | (name, _) => name.to_owned(),
    }
}

fn statfs(facts: &HostFacts) -> Told {
    if let Some(error) = facts.settings.get(STATFS_ERROR) {
        return Told::fail(format!("fstatfs of the directory is refused: {error}."));
    }
    let Some(space) = facts.space else {
        return Told::not_tested("The host did not tell the sizes of the file system.");
    };
    let by_magic = kind_of_magic(space.magic);
    // Many types have the number of what they are built upon, so only a contradiction counts.
    let known = |of: Kind| !matches!(of, Kind::Unknown | Kind::Fuse | Kind::Volatile);
    if known(by_magic) && known(kind(facts)) && by_magic != kind(facts) {
        return Told::warning(format!(
            "The table of mounts says {}, but fstatfs says {}: one hides the other.",
            facts.fs_type,
            type_of_magic(space.magic).unwrap_or_default(),
        ));
    }
    if space.blocks == 0 || space.block_bytes == 0 {
        return Told::warning(
            "The file system says that it has no size, so its free space cannot be watched.",
        )
        .changing("Watch the space where the file system is served.");
    }
    if space.blocks_available > space.blocks {
        return Told::warning("The file system says that more is free than it has.")
            .changing("Watch the space where the file system is served.");
    }
    Told::pass("The directory can be entered, and the sizes make sense.")
}

fn mount(facts: &HostFacts) -> Told {
    if facts.fs_type.is_empty() {
        return Told::not_tested(
            "The table of mounts (/proc/self/mountinfo) cannot be read, or does not have it: \
             options that break locks or durability would not be noticed.",
        );
    }
    let part = if matches!(facts.root.as_str(), "" | "/") {
        String::new()
    } else {
        format!(", of which {} is mounted", facts.root)
    };
    let HostFacts { source, fs_type, mount_point, .. } = facts;
    Told::pass(format!("{source} ({fs_type}) is mounted on {mount_point}{part}."))
}

fn fs_type(facts: &HostFacts) -> Told {
    let name = type_name(facts);
    match kind(facts) {
        Kind::Nfs => {
            Told::pass(format!("{name}: whether it is set up well is told by its own checks."))
        }
        Kind::Cluster => Told::pass(format!("{name} is made for several hosts.")),
        Kind::Local => Told::pass(format!("{name} is a file system of one host.")),
        Kind::Fuse | Kind::Guest => Told::pass(format!("{name}: see the check env.fuse.")),
        Kind::Smb => Told::pass(format!("{name}: see the check env.smb.")),
        Kind::Volatile => Told::pass(format!("{name}: see the check env.volatile.")),
        Kind::Afs if matches!(facts.option("flock"), Some("strict" | "write")) => {
            Told::warning(format!(
                "{name} locks whole files only, and was not made for files that change all the time."
            ))
        }
        Kind::Afs => Told::fail(format!(
            "{name} keeps byte-range locks on the host that asks: two hosts can hold the same lock."
        )),
        Kind::Pseudo => Told::fail(format!("{name} belongs to the kernel, and keeps no files.")),
        Kind::Unknown => Told::warning(format!(
            "Nothing is known of the type {name}: only the tests on two hosts, and failures, show \
             what it does."
        ))
        .changing("Run all tests on two hosts, and the go-live procedure."),
    }
}

fn read_only(facts: &HostFacts) -> Told {
    if let Some(option) = set(facts, &["ro", "emergency_ro"]) {
        return Told::fail(format!("The mount has the option {option}: nothing can be written."));
    }
    Told::pass("It is mounted to be written.")
}

/// Below this, a queue manager with a log of ordinary size does not start.
const SPACE_BYTES_MIN: u64 = 256 << 20;
/// A queue manager has some hundreds of files at once.
const FILES_MIN: u64 = 1000;

fn space(facts: &HostFacts) -> Told {
    let Some(space) = facts.space.filter(|space| space.blocks > 0) else {
        return Told::not_tested("The file system does not tell its size.");
    };
    let free = space.blocks_available.saturating_mul(space.block_bytes);
    let mib = free >> 20;
    if free < SPACE_BYTES_MIN {
        return Told::warning(format!("Only {mib} MiB are free: a queue manager needs more."));
    }
    // File systems that make room for files as they need it tell 0.
    if (1..FILES_MIN).contains(&space.files_free) {
        return Told::warning(format!("Only {} more files can be made.", space.files_free));
    }
    Told::pass(format!("{mib} MiB are free (a quota would not show here)."))
}

#[cfg(test)]
mod tests;
