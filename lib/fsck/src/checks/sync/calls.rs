//! The calls that make data durable: whether they are there.

use miqm_sys::probe::{How, errno_name};

use super::super::tools::errno::NOT_THERE;
use super::super::tools::{
    PAGE, attributes, differs, fail, make_file, must_all, on, open, pour, rename, stamps, stat,
    unlink,
};
use crate::call::{Bytes, Call, Value};
use crate::finding::{Evidence, Told};
use crate::stage::{Actor, Stage, Trouble};

const BYTES: u64 = 4 * PAGE as u64;

/// Makes a call that a queue manager cannot do without; what its refusal means. It is not made again:
/// after an error the next one may succeed although the data are lost.
fn sync(actor: &mut Actor, name: &str, call: Call, meaning: &str) -> Result<Option<Told>, Trouble> {
    let text = call.to_string();
    let is_sync = matches!(call, Call::Fsync { .. } | Call::Fdatasync { .. });
    let reply = actor.call(call);
    let failed = reply.as_ref().map_or(true, |reply| reply.result.is_err());
    actor.no_sync().set(actor.no_sync().get() || (is_sync && failed));
    let Err(errno) = reply?.result else { return Ok(None) };
    let kind = if NOT_THERE.contains(&errno) { meaning } else { "It failed" };
    let evidence = Evidence { call: text, ..on(actor, name, "") }.errno(errno);
    Ok(Some(fail(format!("{kind}: {}.", errno_name(errno)), evidence)))
}

/// Writes in place and at the end, synchronises each time, and reads by another process.
fn rounds(stage: &Stage, how: How, call: Option<&Call>, what: &str) -> Result<Told, Trouble> {
    let name = stage.name(what);
    let (mut one, mut two) = stage.pair()?;
    let missing = format!("There is no {what} here");
    let made = How { create: true, exclusive: true, ..how };
    if let Some(told) = sync(&mut one, &name, open(0, &name, made), &missing)? {
        return Ok(told);
    }
    let steps = [(1, 0, BYTES), (2, 0, 4096), (3, BYTES, 100), (4, BYTES + 100, 5000)];
    for (tag, at, bytes) in steps {
        must_all(&mut one, vec![pour(0, tag, at, bytes)])?;
        if let Some(call) = call
            && let Some(told) = sync(&mut one, &name, call.clone(), &missing)?
        {
            return Ok(told);
        }
    }
    if call.is_some() {
        // Whether the data are right is told by checks of its own, which come later.
        one.close(0)?;
        return Ok(Told::pass(format!("{what} succeeded {} times.", steps.len())));
    }
    let reads = vec![
        open(0, &name, How::RO),
        stamps(0, 2, 0, 4096),
        stamps(0, 1, 4096, BYTES - 4096),
        stamps(0, 3, BYTES, 100),
        stamps(0, 4, BYTES + 100, 5000),
    ];
    if let Some(evidence) = differs(&mut two, &name, reads)? {
        return Ok(fail("What was synchronised is not what is read.", evidence));
    }
    one.close(0)?;
    Ok(Told::pass(format!("{} writes with {what} succeeded, and the data are read.", steps.len())))
}

pub(super) fn fsync(stage: &Stage) -> Result<Told, Trouble> {
    rounds(stage, How::RW, Some(&Call::Fsync { fd: 0 }), "fsync")
}

pub(super) fn fdatasync(stage: &Stage) -> Result<Told, Trouble> {
    rounds(stage, How::RW, Some(&Call::Fdatasync { fd: 0 }), "fdatasync")
}

pub(super) fn osync(stage: &Stage) -> Result<Told, Trouble> {
    rounds(stage, How { sync: true, ..How::RW }, None, "O_SYNC")
}

pub(super) fn odsync(stage: &Stage) -> Result<Told, Trouble> {
    rounds(stage, How { data_sync: true, ..How::RW }, None, "O_DSYNC")
}

pub(super) fn rwf_dsync(stage: &Stage) -> Result<Told, Trouble> {
    let name = stage.name("rwf-dsync");
    let (mut one, mut two) = stage.pair()?;
    make_file(&mut one, 0, &name, 1, BYTES)?;
    let call = |at, len| {
        let bytes = Bytes::Stamps { tag: 2, at, len };
        Call::WriteDurably { fd: 0, at, bytes }
    };
    if let Err(errno) = one.call(call(0, 1))?.result
        && NOT_THERE.contains(&errno)
    {
        let evidence = Evidence { call: call(0, 1).to_string(), ..on(&one, &name, "") };
        let told = format!("This file system or kernel has no RWF_DSYNC ({}).", errno_name(errno));
        return Ok(Told::not_applicable(told).with(evidence.errno(errno)));
    }
    for (from, bytes) in [(0, PAGE), (BYTES, 100)] {
        let (mut at, end) = (from, from + u64::from(bytes));
        while at < end {
            let left = u32::try_from(end - at).unwrap_or(PAGE);
            match one.must(call(at, left))? {
                Value::Count(n) if (1..=u64::from(left)).contains(&n) => at += n,
                other => {
                    let note = format!("{left} bytes were given, the answer was {other:?}");
                    let evidence = on(&one, &name, note);
                    let call = call(at, left).to_string();
                    return Err(Trouble::Refused(Box::new(Evidence { call, ..evidence })));
                }
            }
        }
    }
    let reads = vec![
        open(0, &name, How::RO),
        stamps(0, 2, 0, PAGE.into()),
        stamps(0, 1, PAGE.into(), BYTES - u64::from(PAGE)),
        stamps(0, 2, BYTES, 100),
    ];
    if let Some(evidence) = differs(&mut two, &name, reads)? {
        return Ok(fail("What was written with RWF_DSYNC is not what is read.", evidence));
    }
    Ok(Told::pass("Writes with RWF_DSYNC succeeded, and the data are read."))
}

pub(super) fn directory(stage: &Stage) -> Result<Told, Trouble> {
    let (mut one, mut two) = stage.pair()?;
    let dir = stage.name("sync-dir");
    one.must(Call::MakeDir { name: dir.clone(), mode: 0o770 })?;
    let (name, other) = (format!("{dir}/file"), format!("{dir}/renamed"));
    make_file(&mut one, 0, &name, 1, BYTES)?;
    one.close(0)?;
    let meaning = "A directory cannot be synchronised here";
    for step in [Some(rename(&name, &other)), Some(unlink(&other)), None] {
        for name in [dir.as_str(), stage.folder()] {
            let call = Call::SyncDir { name: name.to_owned() };
            if let Some(told) = sync(&mut one, name, call, meaning)? {
                return Ok(told);
            }
        }
        if let Some(call) = step {
            one.must(call)?;
        }
    }
    if two.stat(&other)?.is_some() {
        let evidence = on(&two, &other, "it was removed, and its directory synchronised");
        return Ok(fail("A removed file is still there.", evidence));
    }
    Ok(Told::pass("Directories were synchronised after a file was made, renamed and removed."))
}

pub(super) fn size(stage: &Stage) -> Result<Told, Trouble> {
    let name = stage.name("sync-size");
    let (mut one, mut two) = stage.pair()?;
    one.open(0, &name, How::NEW)?;
    two.open(0, &name, How::RO)?;
    let mut end = 0;
    for bytes in [4096, 1, 10_000] {
        must_all(&mut one, vec![pour(0, 1, end, bytes), Call::Fdatasync { fd: 0 }])?;
        end += bytes;
        let lengths = [
            attributes(&mut two, Call::StatFd { fd: 0 })?.bytes,
            attributes(&mut two, stat(&name))?.bytes,
        ];
        if lengths != [end, end] {
            let note = format!("{end} bytes; fstat says {}, stat {}", lengths[0], lengths[1]);
            let told = "The length after fdatasync is not the one that was written.";
            return Ok(fail(told, on(&two, &name, note)));
        }
        if let Some(evidence) = differs(&mut two, &name, vec![stamps(0, 1, 0, end)])? {
            return Ok(fail("Data beyond the old end are not there after fdatasync.", evidence));
        }
    }
    Ok(Told::pass("Another process sees the new length and the data after fdatasync."))
}
