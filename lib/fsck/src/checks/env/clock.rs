//! The clock of the storage.

use miqm_sys::probe::How;

use super::MOUNT;
use crate::call::{Bytes, Call, Value};
use crate::check::{Check, Runs};
use crate::checks::tools::must_all;
use crate::finding::{Evidence, Told};
use crate::stage::{Place, Stage, Trouble};

pub(super) const CLOCK: Check = Check {
    id: "env.clock",
    title: "the storage's clock agrees with the host's",
    how: "Compares the time stamp of a file just written with the host's own clock, on each host.",
    why: "Nothing depends on it, but times in logs and of files mislead whoever looks for a cause.",
    change: "Run a time service on the hosts and on the server.",
    needs: &["env.statfs", "env.same-directory", "error.fsync-twice", "error.full"],
    // It writes a file, so it is nothing for the phase that writes nothing.
    runs: Runs::BASIC.and(Runs::CONCURRENT).and(Runs::WAITING),
    run: clock,
    ..MOUNT
};

const SECOND: i64 = 1_000_000_000;
/// Some file systems keep full even seconds only, and the kernel's stamps are up to 10 ms behind.
const COARSE: i64 = 2 * SECOND + SECOND / 100;
/// 1990: no file was written before.
const EPOCH: i64 = 631_152_000 * SECOND;

/// How far a clock is off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Skew {
    /// The stamp is no time of a file written now by any clock.
    Useless(i64),
    /// The storage is ahead by so many nanoseconds; behind, if it is negative. 0 within what stamps can tell.
    Ahead(i64),
}

/// From the stamp of a file that was written between two readings of the host's clock, in nanoseconds.
pub(super) fn skew(before: i64, stamp: i64, after: i64) -> Skew {
    if stamp < EPOCH {
        return Skew::Useless(stamp);
    }
    let ahead = if stamp < before {
        stamp.saturating_sub(before)
    } else {
        stamp.saturating_sub(after).max(0)
    };
    Skew::Ahead(if ahead.abs() <= COARSE { 0 } else { ahead })
}

fn clock(stage: &Stage) -> Result<Told, Trouble> {
    let mut seen = vec![(stage.host_name(Place::First), measure(stage, Place::First)?)];
    if stage.two_hosts() {
        seen.push((stage.host_name(Place::Second), measure(stage, Place::Second)?));
    }
    let mut told = judge(&seen);
    for (host, (skew, file)) in seen {
        let note = match skew {
            Skew::Useless(stamp) => format!("the file's time is {stamp} ns after 1970"),
            Skew::Ahead(0) => "the file's time is the host's".to_owned(),
            Skew::Ahead(ahead) => {
                let way = if ahead > 0 { "ahead of" } else { "behind" };
                format!("the file's time is {} {way} the host's", span(ahead.saturating_abs()))
            }
        };
        told = told.with(Evidence::note(note).host(host).file(file));
    }
    Ok(told)
}

fn judge(seen: &[(String, (Skew, String))]) -> Told {
    let mut said = Vec::new();
    for (host, (skew, _)) in seen {
        match skew {
            Skew::Useless(_) => {
                said.push(format!("A file that {host} wrote now has no time of now."));
            }
            Skew::Ahead(0) => {}
            Skew::Ahead(ahead) => {
                let (far, way) =
                    (span(ahead.saturating_abs()), if *ahead > 0 { "behind" } else { "ahead of" });
                said.push(format!("The clock of {host} is {far} {way} that of the storage."));
            }
        }
    }
    if said.is_empty() {
        return Told::pass("Time stamps of files agree with the hosts' clocks.");
    }
    Told::warning(said.join(" "))
}

/// "3 h 5 min", "2.5 s".
fn span(nanos: i64) -> String {
    let tenths = nanos.saturating_add(SECOND / 20) / (SECOND / 10);
    let minutes = nanos.saturating_add(30 * SECOND) / (60 * SECOND);
    match minutes {
        ..2 => format!("{}.{} s", tenths / 10, tenths % 10),
        2..120 => format!("{minutes} min"),
        _ => format!("{} h {} min", minutes / 60, minutes % 60),
    }
}

/// Writes a file, and compares.
fn measure(stage: &Stage, place: Place) -> Result<(Skew, String), Trouble> {
    let name = stage.name("clock");
    let mut actor = stage.actor(place)?;
    let calls = vec![
        Call::Clock,
        Call::Open { fd: 0, name: name.clone(), how: How::NEW },
        Call::Write { fd: 0, at: 0, bytes: Bytes::Text("now".into()) },
        Call::Fsync { fd: 0 },
        Call::StatFd { fd: 0 },
        Call::Clock,
    ];
    let values = must_all(&mut actor, calls)?;
    let (mut clocks, mut stamp) = (Vec::new(), None);
    for value in values {
        match value {
            Value::Count(nanos) if stamp.is_none() && clocks.is_empty() => clocks.push(nanos),
            Value::Attributes(found) => stamp = Some(found.modified_ns),
            Value::Count(nanos) if stamp.is_some() => clocks.push(nanos),
            _ => {}
        }
    }
    let clock = |at: usize| clocks.get(at).copied().and_then(|it| i64::try_from(it).ok());
    let (before, after) = (clock(0).unwrap_or_default(), clock(1).unwrap_or(i64::MAX));
    Ok((skew(before, stamp.unwrap_or_default(), after), name))
}
