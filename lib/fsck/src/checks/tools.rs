//! What many checks do.

use std::time::Duration;

use miqm_sys::probe::{Attributes, How, errno_name};

use crate::call::{Burst, Bytes, Call, Reply, Value, Want};
use crate::finding::{Evidence, Told};
use crate::stage::{Actor, Trouble};
use crate::stamp::Content;

/// A page, and what most calls carry.
pub(super) const PAGE: u32 = miqm_types::PAGE_BYTES;
/// Calls in one message.
const BATCH: usize = 400;

/// Opens.
pub(super) fn open(fd: u8, name: &str, how: How) -> Call {
    Call::Open { fd, name: name.to_owned(), how }
}

/// Looks at a name.
pub(super) fn stat(name: &str) -> Call {
    Call::Stat { name: name.to_owned() }
}

/// Lists a directory.
pub(super) fn list(name: &str) -> Call {
    Call::List { name: name.to_owned() }
}

/// Removes a name.
pub(super) fn unlink(name: &str) -> Call {
    Call::Unlink { name: name.to_owned() }
}

/// Renames.
pub(super) fn rename(from: &str, to: &str) -> Call {
    Call::Rename { from: from.to_owned(), to: to.to_owned() }
}

/// Writes stamps, in pages.
pub(super) fn pour(fd: u8, tag: u32, at: u64, bytes: u64) -> Call {
    Call::Burst(Burst::Pour { fd, tag, at, bytes, chunk: PAGE })
}

/// Reads and compares, in pages.
pub(super) fn compare(fd: u8, content: Content, at: u64, bytes: u64) -> Call {
    Call::Burst(Burst::Compare { fd, content, at, bytes, chunk: PAGE })
}

/// Reads and compares with stamps, in pages.
pub(super) fn stamps(fd: u8, tag: u32, at: u64, bytes: u64) -> Call {
    compare(fd, Content::Stamps(tag), at, bytes)
}

/// Why a burst did not do all that it was asked, if so.
fn incomplete(call: &Call, value: &Value) -> Option<Evidence> {
    let Call::Burst(burst) = call else { return None };
    let evidence = match (burst, value) {
        (Burst::Pour { at, bytes, chunk, .. }, Value::Poured { bytes: done, over, errno, .. }) => {
            let evidence = Evidence::default().offset(at + done);
            match (errno, over) {
                (Some(errno), _) => evidence.errno(*errno),
                (None, Some(said)) => evidence.with_note(format!(
                    "a call said that it wrote {said} bytes, of at most {chunk} that it was given"
                )),
                (None, None) if done < bytes => evidence.with_note("a call wrote nothing"),
                (None, None) => return None,
            }
        }
        (Burst::Compare { at, .. }, Value::Compared { bytes: done, errno: Some(errno), .. }) => {
            Evidence::default().offset(at + done).errno(*errno)
        }
        _ => return None,
    };
    Some(Evidence { call: call.to_string(), ..evidence })
}

/// What is wrong with what was compared, if anything.
pub(super) fn wrong(call: &Call, value: &Value) -> Option<Evidence> {
    let Call::Burst(Burst::Compare { at, bytes, .. }) = call else { return None };
    let Value::Compared { bytes: done, differs, .. } = value else { return None };
    let evidence = Evidence { call: call.to_string(), ..Evidence::default() };
    match differs {
        Some(differs) => Some(evidence.offset(differs.at).with_note(differs.to_string())),
        None if done < bytes => {
            let note = format!("the file ended after {done} of {bytes} bytes");
            Some(evidence.offset(at + done).with_note(note))
        }
        None => None,
    }
}

/// Makes calls, all of which must succeed, by one message; what they bring.
pub(super) fn must_all(actor: &mut Actor, calls: Vec<Call>) -> Result<Vec<Value>, Trouble> {
    let replies = all(actor, calls.clone())?;
    let mut values = Vec::with_capacity(replies.len());
    for (call, reply) in calls.into_iter().zip(replies) {
        let refused = match reply.result {
            Ok(value) => match incomplete(&call, &value).or_else(|| short(&call, &value)) {
                None => {
                    values.push(value);
                    continue;
                }
                Some(evidence) => evidence,
            },
            Err(errno) => Evidence { call: call.to_string(), ..Evidence::default() }.errno(errno),
        };
        return Err(Trouble::Refused(Box::new(refused.host(actor.host_name()))));
    }
    Ok(values)
}

/// A single write that did not write all.
fn short(call: &Call, value: &Value) -> Option<Evidence> {
    let len = match call {
        Call::Write { bytes, .. }
        | Call::Append { bytes, .. }
        | Call::WriteDurably { bytes, .. } => bytes.len() as u64,
        _ => return None,
    };
    let written = if let Value::Count(n) = value { *n } else { 0 };
    let note = format!("{written} of {len} bytes were written");
    (written != len).then(|| Evidence { call: call.to_string(), ..Evidence::note(note) })
}

/// Makes calls by one message, whatever they give; their answers, as many as calls.
pub(super) fn all(actor: &mut Actor, calls: Vec<Call>) -> Result<Vec<Reply>, Trouble> {
    let count = calls.len();
    let limit = patience(actor, calls.iter().map(weight).sum());
    let first = calls.first().map(ToString::to_string).unwrap_or_default();
    let reply = actor.call_within(Call::Burst(Burst::All { calls }), limit);
    match reply.map_err(|trouble| named(trouble, &first, count))?.result {
        Ok(Value::Replies(replies)) if replies.len() == count => Ok(replies),
        _ => Err(strange(actor, "the answers are fewer than the calls")),
    }
}

/// Says which calls did not come back.
fn named(trouble: Trouble, first: &str, count: usize) -> Trouble {
    let Trouble::Stuck(mut evidence) = trouble else { return trouble };
    evidence.call = match count {
        1 => first.to_owned(),
        _ => format!("One of {count} calls, of which the first was {first},"),
    };
    Trouble::Stuck(evidence)
}

/// Makes what was written so far durable, where that can be asked: whether it can is told by checks of
/// its own, but a new error of it is never passed over.
pub(super) fn flush(actor: &mut Actor, fd: u8) -> Result<(), Trouble> {
    if actor.no_sync().get() {
        return Ok(());
    }
    let call = Call::Fdatasync { fd };
    let text = call.to_string();
    match actor.call(call)?.result {
        Err(errno) if !errno::NOT_THERE.contains(&errno) => {
            let evidence = Evidence { call: text, ..Evidence::default() }.errno(errno);
            Err(Trouble::Refused(Box::new(evidence.host(actor.host_name()))))
        }
        _ => Ok(()),
    }
}

/// Appends stamps to a file that ends at `at`, in as many calls as it takes.
pub(super) fn append_all(
    actor: &mut Actor,
    fd: u8,
    tag: u32,
    at: u64,
    bytes: u32,
) -> Result<(), Trouble> {
    let mut left = bytes;
    while left > 0 {
        let from = at + u64::from(bytes - left);
        let call = Call::Append { fd, bytes: Bytes::Stamps { tag, at: from, len: left } };
        let text = call.to_string();
        let written = match actor.must(call)? {
            Value::Count(n) => u32::try_from(n).unwrap_or(u32::MAX),
            _ => 0,
        };
        if !(1..=left).contains(&written) {
            let note = format!("{written} of {left} bytes were written");
            let evidence = Evidence { call: text, ..Evidence::note(note) };
            return Err(Trouble::Refused(Box::new(evidence.host(actor.host_name()))));
        }
        left -= written;
    }
    Ok(())
}

/// How many system calls a call makes, about.
fn weight(call: &Call) -> u64 {
    match call {
        Call::Burst(Burst::Pour { bytes, chunk, .. } | Burst::Compare { bytes, chunk, .. }) => {
            1 + bytes / u64::from((*chunk).max(1))
        }
        Call::Burst(Burst::Exclusive { files, .. }) => 2 * u64::from(*files),
        _ => 1,
    }
}

/// How long so many system calls may take: slow storage is no failure of these checks.
pub(super) fn patience(actor: &Actor, calls: u64) -> Duration {
    actor.call_limit().saturating_add(
        Duration::from_millis(100).saturating_mul(u32::try_from(calls).unwrap_or(u32::MAX)),
    )
}

/// What should never be: an actor that answers something else than was asked.
pub(super) fn strange(actor: &Actor, note: &str) -> Trouble {
    Trouble::Died(Box::new(actor.evidence().with_note(note)))
}

/// Makes calls and the comparisons among them; the first that shows other bytes.
pub(super) fn differs(
    actor: &mut Actor,
    file: &str,
    calls: Vec<Call>,
) -> Result<Option<Evidence>, Trouble> {
    let values = must_all(actor, calls.clone())?;
    let first = calls.into_iter().zip(values).find_map(|(call, value)| wrong(&call, &value));
    Ok(first.map(|evidence| evidence.host(actor.host_name()).file(file)))
}

/// The attributes that a call brings, which must be given.
pub(super) fn attributes(actor: &mut Actor, call: Call) -> Result<Attributes, Trouble> {
    match actor.must(call)? {
        Value::Attributes(found) => Ok(found),
        _ => Err(strange(actor, "no attributes were answered")),
    }
}

/// The names in a directory, which must be given, in order.
pub(super) fn names(actor: &mut Actor, dir: &str) -> Result<Vec<String>, Trouble> {
    match actor.must(list(dir))? {
        Value::Names(mut names) => {
            names.sort();
            Ok(names)
        }
        _ => Err(strange(actor, "no names were answered")),
    }
}

/// Makes a file, and fills it with stamps; it stays open.
pub(super) fn make_file(
    actor: &mut Actor,
    fd: u8,
    name: &str,
    tag: u32,
    bytes: u64,
) -> Result<(), Trouble> {
    must_all(actor, vec![open(fd, name, How::NEW), pour(fd, tag, 0, bytes)]).map(drop)
}

/// Removes many names, whatever comes of it.
pub(super) fn clear(
    actor: &mut Actor,
    names: impl IntoIterator<Item = String>,
) -> Result<(), Trouble> {
    let calls: Vec<_> = names.into_iter().map(|name| Call::Unlink { name }).collect();
    for batch in calls.chunks(BATCH) {
        all(actor, batch.to_vec())?;
    }
    Ok(())
}

/// How a wait ended.
pub(super) struct Waited {
    /// Whether what was wanted came.
    pub(super) came: bool,
    /// After how long, in seconds, or for how long it was waited.
    pub(super) seconds: f64,
    /// The last answer.
    pub(super) last: Reply,
}

/// Makes calls again and again until the last of them gives what is wanted, for `limit` at most.
pub(super) fn until(
    actor: &mut Actor,
    mut calls: Vec<Call>,
    want: Want,
    limit: Duration,
) -> Result<Waited, Trouble> {
    let millis = |time: Duration| u32::try_from(time.as_millis()).unwrap_or(u32::MAX);
    let call = if calls.len() == 1 { calls.remove(0) } else { Call::Burst(Burst::All { calls }) };
    let limit_ms = millis(limit);
    let until = Burst::Until { call: Box::new(call), want, every_ms: 20, limit_ms };
    let call = Call::Burst(until);
    let grace = actor.call_limit();
    let reply = actor.call_within(call, limit.saturating_add(grace))?;
    match reply.result {
        Ok(Value::Waited { came, seconds, last }) => Ok(Waited { came, seconds, last: *last }),
        _ => Err(strange(actor, "no end of a wait was answered")),
    }
}

/// Waits until a name that another place has made can be opened, and opens it.
pub(super) fn open_when_there(
    actor: &mut Actor,
    fd: u8,
    name: &str,
    how: How,
    limit: Duration,
) -> Result<(), Trouble> {
    let call = open(fd, name, how);
    let text = call.to_string();
    let Waited { came, seconds, last } = until(actor, vec![call], Want::Done, limit)?;
    if came {
        return Ok(());
    }
    let evidence = Evidence { call: text, ..Evidence::note("it never came") }.seconds(seconds);
    let evidence = match last.result {
        Err(errno) => evidence.errno(errno),
        Ok(_) => evidence,
    };
    Err(Trouble::Refused(Box::new(evidence.host(actor.host_name()))))
}

/// An observation on a file.
pub(super) fn on(actor: &Actor, file: &str, note: impl Into<String>) -> Evidence {
    Evidence::note(note).host(actor.host_name()).file(file)
}

/// The answer to a call that should have been refused with one of these error numbers, if it was
/// something else.
pub(super) fn not_refused(
    actor: &mut Actor,
    call: Call,
    with: &[i32],
) -> Result<Option<Evidence>, Trouble> {
    let text = call.to_string();
    let evidence = Evidence { call: text, ..Evidence::default() }.host(actor.host_name());
    let wanted: Vec<_> = with.iter().map(|errno| errno_name(*errno)).collect();
    let wanted = wanted.join(" or ");
    Ok(match actor.call(call)?.result {
        Ok(_) => Some(evidence.with_note(format!("it succeeded instead of failing with {wanted}"))),
        Err(errno) if with.contains(&errno) => None,
        Err(errno) => {
            Some(evidence.errno(errno).with_note(format!("it should have failed with {wanted}")))
        }
    })
}

/// A failure with one observation.
pub(super) fn fail(summary: impl Into<String>, evidence: Evidence) -> Told {
    Told::fail(summary).with(evidence)
}

/// Error numbers of Linux.
pub(super) mod errno {
    pub(crate) const EBADF: i32 = 9;
    pub(crate) const EACCES: i32 = 13;
    pub(crate) const ENOTDIR: i32 = 20;
    pub(crate) const EISDIR: i32 = 21;
    pub(crate) const EPERM: i32 = 1;
    pub(crate) const ENOENT: i32 = 2;
    pub(crate) const EEXIST: i32 = 17;
    pub(crate) const EINVAL: i32 = 22;
    pub(crate) const EFBIG: i32 = 27;
    pub(crate) const ENOSPC: i32 = 28;
    pub(crate) const ENAMETOOLONG: i32 = 36;
    pub(crate) const ENOSYS: i32 = 38;
    pub(crate) const ENOTEMPTY: i32 = 39;
    pub(crate) const EOVERFLOW: i32 = 75;
    pub(crate) const EOPNOTSUPP: i32 = 95;
    pub(crate) const ESTALE: i32 = 116;
    pub(crate) const EDQUOT: i32 = 122;

    /// The call is not made for this file system.
    pub(crate) const NOT_THERE: [i32; 4] = [EPERM, EINVAL, ENOSYS, EOPNOTSUPP];
}
