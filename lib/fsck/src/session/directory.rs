//! Whether a directory may be tested.

use std::time::Duration;

use miqm_sys::clock;
use miqm_sys::lock::Range;
use miqm_sys::probe::{Family, How, Kind, errno_name, errno_text};

use super::{Denied, Refusal};
use crate::call::{Burst, Call, Value};
use crate::finding::Evidence;
use crate::stage::{Actor, Place, Stage, Trouble};

/// The settings of a queue manager: what makes a directory its data directory.
const SETTINGS: &str = "qm.ini";
/// The control file of a recovery log: what makes a directory a log directory.
const LOG_CONTROL: &str = "amqhlctl.lfh";
/// The files that an active instance locks in its data directory.
const LOCKED: [&str; 2] = ["master", "active"];
/// The file to which an active instance writes about once a second.
const HEARTBEAT: &str = "active";
/// How long the heartbeat of an instance is waited for.
const BEAT: Duration = Duration::from_millis(2500);
/// Where the name of the holder stands in a lock file, and how long it may be.
const HOLDER: std::ops::Range<usize> = 112..176;
/// The beginning of the record in a lock file.
const RECORD: &[u8] = b"MQLK";
/// The length of that record, in bytes.
const RECORD_BYTES: u32 = 512;
/// So many entries of a directory are looked at in one call.
const BATCH: usize = 64;

/// A queue manager that runs, or may be running.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Live {
    /// The directory, relative to the tested one; "." is itself.
    pub directory: String,
    /// The file that tells, in it.
    pub file: String,
    /// How it tells, as the end of a sentence: "is locked by host a".
    pub how: String,
}

/// Makes sure that there is a directory that can be entered.
pub(super) fn enter(stage: &Stage) -> Result<(), Refusal> {
    let mut actor = stage.actor(Place::First)?;
    let call = Call::Stat { name: ".".into() };
    let evidence = Evidence { call: call.to_string(), ..actor.evidence() };
    let Err(errno) = actor.call(call)?.result else { return Ok(()) };
    let evidence = evidence.errno(errno);
    Err(match errno_name(errno) {
        "ENOENT" => Refusal::Missing,
        "ENOTDIR" => Refusal::NotDirectory,
        "ELOOP" => Refusal::Loop,
        "EACCES" | "EPERM" => {
            let why = "it may not be read and entered by this user".to_owned();
            Refusal::NotAuthorized(Box::new(Denied { evidence, why }))
        }
        _ => Refusal::Failed(Box::new(evidence)),
    })
}

/// Refuses a directory in which, or just below which, a queue manager is running.
pub(super) fn refuse_live(stage: &Stage) -> Result<(), Refusal> {
    let mut actor = stage.actor(Place::First)?;
    let entries = match actor.call(Call::List { name: ".".into() })?.result {
        Ok(Value::Names(names)) => names,
        // What may be entered and not read: its own files have known names.
        _ => Vec::new(),
    };
    let mut at = vec![String::new()];
    at.extend(entries.into_iter().filter(|name| !name.starts_with("amqmfsck")).map(|n| n + "/"));
    for batch in at.chunks(BATCH) {
        for (prefix, files) in homes(&mut actor, batch)? {
            for file in &files {
                look(&mut actor, &prefix, file)?;
            }
            if files.contains(&HEARTBEAT) && beats(&mut actor, &prefix)? {
                return Err(live(&prefix, HEARTBEAT, "is being written to".into()));
            }
        }
    }
    Ok(())
}

/// Which of these directories belong to queue managers, and the files of each that are locked by a
/// running one.
fn homes(
    actor: &mut Actor,
    prefixes: &[String],
) -> Result<Vec<(String, Vec<&'static str>)>, Trouble> {
    const NAMES: [&str; 4] = [SETTINGS, LOCKED[0], LOCKED[1], LOG_CONTROL];
    let stat = |prefix: &String, name| Call::Stat { name: format!("{prefix}{name}") };
    let calls = prefixes.iter().flat_map(|prefix| NAMES.map(|name| stat(prefix, name))).collect();
    let Value::Replies(replies) = actor.must(Call::Burst(Burst::All { calls }))? else {
        return Ok(Vec::new());
    };
    let mut homes = Vec::new();
    for (prefix, replies) in prefixes.iter().zip(replies.chunks(NAMES.len())) {
        let there: Vec<_> = NAMES
            .into_iter()
            .zip(replies)
            .filter(|(_, reply)| reply.result.is_ok())
            .map(|(name, _)| name)
            .collect();
        let is_data = there.contains(&SETTINGS);
        let files: Vec<_> = there
            .into_iter()
            .filter(|name| *name == LOG_CONTROL || (is_data && LOCKED.contains(name)))
            .collect();
        if !files.is_empty() {
            homes.push((prefix.clone(), files));
        }
    }
    Ok(homes)
}

/// Refuses a file that somebody has locked, or of which that cannot be told.
fn look(actor: &mut Actor, prefix: &str, file: &str) -> Result<(), Refusal> {
    let name = format!("{prefix}{file}");
    let unknown = |what: &str, errno| {
        let reason = format!("cannot be {what}: {} ({})", errno_name(errno), errno_text(errno));
        live(prefix, file, reason)
    };
    let opened = actor.call(Call::Open { fd: 0, name, how: How::RO })?.result;
    if let Err(errno) = opened {
        // It has gone in the meantime.
        return if errno_name(errno) == "ENOENT" { Ok(()) } else { Err(unknown("read", errno)) };
    }
    let test =
        Call::TestLock { fd: 0, family: Family::Ofd, kind: Kind::Write, range: Range::WHOLE };
    let held = match actor.call(test)?.result {
        Ok(Value::Lock(held)) => held.is_some(),
        Ok(_) => false,
        Err(errno) => return Err(unknown("asked for its lock", errno)),
    };
    let holder = holder(&actor.read(0, 0, RECORD_BYTES).unwrap_or_default());
    actor.call(Call::Close { fd: 0 })?;
    if held {
        let by = holder.map(|host| format!(" by host {host}")).unwrap_or_default();
        return Err(live(prefix, file, format!("is locked{by}")));
    }
    Ok(())
}

/// Whether an instance on another host writes to its heartbeat although no lock is seen from here.
fn beats(actor: &mut Actor, prefix: &str) -> Result<bool, Refusal> {
    let name = format!("{prefix}{HEARTBEAT}");
    let mut record = || -> Result<Option<Vec<u8>>, Trouble> {
        let open = Call::Open { fd: 0, name: name.clone(), how: How::RO };
        if actor.call(open)?.result.is_err() {
            return Ok(None);
        }
        let bytes = actor.read(0, 0, RECORD_BYTES)?;
        actor.close(0)?;
        Ok(bytes.starts_with(RECORD).then_some(bytes))
    };
    let Some(before) = record()? else { return Ok(false) };
    clock::sleep(BEAT);
    Ok(record()?.is_some_and(|now| now != before))
}

/// The host that a record in a lock file names.
fn holder(record: &[u8]) -> Option<String> {
    let name = record.starts_with(RECORD).then(|| record.get(HOLDER))??;
    let name: Vec<u8> = name.iter().copied().take_while(|byte| *byte != 0).collect();
    let good = !name.is_empty() && name.iter().all(u8::is_ascii_graphic);
    good.then(|| String::from_utf8_lossy(&name).into_owned())
}

fn live(prefix: &str, file: &str, how: String) -> Refusal {
    let directory = match prefix.trim_end_matches('/') {
        "" => ".".to_owned(),
        below => below.to_owned(),
    };
    Refusal::Live(Live { directory, file: file.to_owned(), how })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_holder_of_a_lock_is_named_only_if_the_record_is_one() {
        let mut record = vec![0; RECORD_BYTES as usize];
        assert_eq!(holder(&record), None);
        record[..4].copy_from_slice(RECORD);
        assert_eq!(holder(&record), None);
        record[HOLDER][..5].copy_from_slice(b"hosta");
        assert_eq!(holder(&record).as_deref(), Some("hosta"));
        record[HOLDER][1] = 0x1b;
        assert_eq!(holder(&record), None);
        record[HOLDER].fill(b'x');
        assert_eq!(holder(&record).map(|name| name.len()), Some(64));
        assert_eq!(holder(b"MQLK"), None);
    }
}
