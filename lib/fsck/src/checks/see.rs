//! What the other host sees, and when. Names need not be seen at once, and nobody demands here that
//! a file that stays open shows what another host wrote, unless under a lock.

mod content;
mod names;

use std::time::Duration;

use crate::check::{Check, Runs};
use crate::finding::{Evidence, Series, Told};
use crate::stage::{Actor, Stage, Trouble};

use super::tools::{Waited, on, until};
use crate::call::{Call, Reply, Value, Want};

const TAKEOVER: &str = "A standby instance works with what the failed one has left, and can begin only when it sees it.";
const CACHES: &str = "Mount so that cached attributes and names are looked up again after a few seconds: for NFS, smaller acregmax and acdirmax, or lookupcache=positive.";
const COHERENT: &str = "Mount so that opening a file looks up whether it has changed: for NFS without nocto; not with cache=loose.";

/// What takes longer delays a takeover so much that an operator should know.
const LATE: f64 = 10.0;

/// A check that runs on two hosts.
const fn row(
    id: &'static str,
    (title, how): (&'static str, &'static str),
    (why, change): (&'static str, &'static str),
    needs: &'static [&'static str],
    run: fn(&Stage) -> Result<Told, Trouble>,
) -> Check {
    let runs = Runs::CONCURRENT;
    Check { id, title, how, why, change, needs, runs, required: true, run }
}

/// Without which nothing else can be asked on two hosts.
pub(super) const FIRST: &[Check] = &[row(
    "see.create",
    (
        "the other host sees a new file",
        "One host makes a file; the other one opens it until that succeeds.",
    ),
    (TAKEOVER, CACHES),
    &[],
    names::create,
)];

pub(super) const CHECKS: &[Check] = &[
    row(
        "see.unlink",
        (
            "the other host no longer finds a removed file",
            "One host removes a file that the other one has opened; the other one opens it until it is gone.",
        ),
        ("Files that are no longer there must not be read as if they were.", CACHES),
        &["see.create"],
        names::unlinked,
    ),
    row(
        "see.mkdir",
        (
            "the other host sees new and removed directories",
            "One host makes a directory with a file in it, and removes both; the other one opens the file until it is there, and until it is gone.",
        ),
        (TAKEOVER, CACHES),
        &["see.create", "see.unlink"],
        names::directory,
    ),
    row(
        "see.list",
        (
            "the other host lists all new files",
            "One host makes 60 files in a directory; the other one lists it until they are there.",
        ),
        (TAKEOVER, CACHES),
        &["see.mkdir"],
        names::listed,
    ),
    row(
        "see.cached-negative",
        (
            "a file is seen though it was looked for before it was there",
            "One host looks for a file in vain and lists its directory, the other one makes it; the first looks again until it is there.",
        ),
        ("A standby instance looks again and again for what the active one makes.", CACHES),
        &["see.list"],
        names::cached_negative,
    ),
    row(
        "see.rename",
        (
            "the other host sees a new name instead of the old one",
            "One host renames a file that the other one has opened; the other one opens both names until one is there and the other is not.",
        ),
        (TAKEOVER, CACHES),
        &["see.unlink"],
        names::renamed,
    ),
    row(
        "see.link",
        (
            "the other host sees a second name of a file as the same file",
            "One host gives a file a second name by link; the other one looks at both names.",
        ),
        (TAKEOVER, CACHES),
        &["see.create"],
        names::linked,
    ),
    row(
        "see.mode",
        (
            "the other host sees changed permissions",
            "One host changes the mode of a file that the other one has open; the other one opens it and asks for the mode until it is the new one.",
        ),
        ("Who may open the files of a queue manager must be the same on both hosts.", CACHES),
        &["see.create"],
        names::mode,
    ),
    row(
        "see.write",
        (
            "the other host reads what was written, after opening the file anew",
            "One host reads a file; the other one overwrites it, synchronises and closes it; the first opens and reads it until the data are new.",
        ),
        ("An instance that takes over opens the files that the other one wrote.", COHERENT),
        &["see.create"],
        content::write,
    ),
    row(
        "see.replace",
        (
            "the other host reads the file that was renamed over another",
            "One host renames a file over one that the other host has read; the other one opens and reads it until it is the new one.",
        ),
        (
            "Control files are replaced by renaming, and the other instance must read the new one.",
            COHERENT,
        ),
        &["see.write"],
        names::replaced,
    ),
    row(
        "see.size",
        (
            "the other host sees the new length of a file",
            "One host makes a file longer and synchronises it; the other one, which knew the old length, opens it and asks for the length until it is the new one.",
        ),
        (
            "An instance that takes over finds the end of the log by the length of its files.",
            COHERENT,
        ),
        &["see.write"],
        content::size,
    ),
    row(
        "see.append",
        (
            "the other host reads what was appended",
            "One host reads a file; the other one appends to it, synchronises and closes it; the first opens and reads it until all is there.",
        ),
        (
            "What was added to the log last is what an instance that takes over needs most.",
            COHERENT,
        ),
        &["see.write", "see.size"],
        content::append,
    ),
    row(
        "see.truncate",
        (
            "the other host sees that a file was cut",
            "One host reads a file; the other one cuts and closes it; the first opens and reads it until it ends where it was cut.",
        ),
        ("What was cut off must not be replayed by the other instance.", COHERENT),
        &["see.size"],
        content::truncate,
    ),
];

/// What needs that locks guard data at all.
pub(super) const LOCKED: &[Check] = &[
    row(
        "see.write-open",
        (
            "a file that stays open shows what the other host wrote, once it is locked",
            "One host keeps a file open that it has read; the other one overwrites it under a lock, and the first reads it with and without a lock.",
        ),
        ("Without a lock nobody promises that; with one, instances rely on it.", COHERENT),
        &["data.under-lock"],
        content::write_open,
    ),
    row(
        "see.after-lock",
        (
            "who gets the lock of one file reads what was written to another",
            "One host holds a lock, overwrites another file that the other host has read, makes it longer, closes it and gives the lock back; the other one takes the lock, opens the file and reads it at once.",
        ),
        ("This is a takeover: the lock of one file guards the data in others.", COHERENT),
        &["data.under-lock"],
        content::after_lock,
    ),
    Check {
        required: false,
        ..row(
            "see.append-unlocked",
            (
                "appends of two hosts without a lock (for information)",
                "Both hosts append to a file with O_APPEND at the same time, and what is lost is counted.",
            ),
            (
                "Network file systems do not promise that; who needs it, as error logs do, uses a file for each host.",
                "Nothing needs to be changed.",
            ),
            &["data.under-lock"],
            content::append_unlocked,
        )
    },
];

/// A change that one host makes and the other one waits for.
struct Awaited {
    /// What the series is called: "new file".
    what: &'static str,
    /// What it means if it never comes, as a sentence.
    never: &'static str,
    /// After how many seconds each was seen.
    seconds: Vec<f64>,
}

impl Awaited {
    fn new(what: &'static str, never: &'static str) -> Self {
        Self { what, never, seconds: Vec::new() }
    }

    /// Makes the other host look until it sees what is wanted; what it means if it does not.
    fn wait(
        &mut self,
        (stage, other): (&Stage, &mut Actor),
        file: &str,
        calls: Vec<Call>,
        want: Want,
    ) -> Result<Option<Told>, Trouble> {
        self.wait_within(stage.limits().change, other, file, calls, want)
    }

    /// The same, with a limit of its own.
    fn wait_within(
        &mut self,
        limit: Duration,
        other: &mut Actor,
        file: &str,
        calls: Vec<Call>,
        want: Want,
    ) -> Result<Option<Told>, Trouble> {
        let text = calls.last().map(ToString::to_string).unwrap_or_default();
        let last_call = calls.last().cloned();
        let Waited { came, seconds, last } = until(other, calls, want, limit)?;
        if came {
            self.seconds.push(seconds);
            return Ok(None);
        }
        let note = format!("not within {:.0} s", limit.as_secs_f64());
        let evidence = Evidence { call: text, ..on(other, file, note) }.seconds(seconds);
        let evidence = last_call
            .iter()
            .fold(evidence, |evidence, call| with_last(evidence, call, last.clone()));
        Ok(Some(Told::fail(self.never).with(evidence)))
    }

    /// That all came, and when.
    fn told(self, stage: &Stage) -> Told {
        let longest = self.seconds.iter().copied().fold(0.0, f64::max);
        let place = format!(
            "{} to {}",
            stage.host_name(crate::Place::First),
            stage.host_name(crate::Place::Second)
        );
        let series = Series { name: self.what.to_owned(), place, seconds: self.seconds };
        let time = super::sync::in_words(longest);
        let told = if longest > LATE {
            Told::warning(format!(
                "The other host saw it only after {time}; a takeover that needs it waits as long."
            ))
        } else {
            Told::pass(format!("The other host saw it within {time}."))
        };
        told.measured(series)
    }
}

/// The last answer, as far as it says why what was wanted did not come.
fn with_last(evidence: Evidence, call: &Call, last: Reply) -> Evidence {
    let note = evidence.note.clone();
    let add = |evidence: Evidence, more: String| evidence.with_note(format!("{note}; {more}"));
    match last.result {
        Ok(Value::Replies(mut replies)) => match replies.pop() {
            Some(last) => with_last(evidence, call, last),
            None => evidence,
        },
        Err(errno) => evidence.errno(errno),
        Ok(Value::Attributes(found)) => {
            let (bytes, mode) = (found.bytes, found.permissions());
            add(
                evidence,
                format!("last seen: {bytes} bytes, mode {mode:04o}, {} names", found.links),
            )
        }
        Ok(value) => match super::tools::wrong(call, &value) {
            Some(wrong) => {
                let evidence = match wrong.offset {
                    Some(offset) => evidence.offset(offset),
                    None => evidence,
                };
                add(evidence, format!("last seen: {}", wrong.note))
            }
            None => evidence,
        },
    }
}
