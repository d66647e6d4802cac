//! Data and lengths that the other host sees.

use std::time::Duration;

use miqm_sys::lock::Range;
use miqm_sys::probe::{Family, How, Kind};

use super::super::tools::{
    PAGE, all, append_all, attributes, differs, fail, flush, make_file, must_all, on, open, pour,
    stamps, until,
};
use super::Awaited;
use crate::call::{Burst, Bytes, Call, Value, Want};
use crate::finding::Told;
use crate::stage::{Actor, Stage, Trouble};

const BYTES: u64 = 5 * PAGE as u64 + 100;
const ROUNDS: u32 = 3;
/// How long it is waited for what nobody promises.
const BRIEF: Duration = Duration::from_secs(3);
const FAMILY: Family = Family::Ofd;

/// A file that one host has made, and the other one has read and closed. Its tag is 1.
fn shared(
    stage: &Stage,
    one: &mut Actor,
    two: &mut Actor,
    name: &str,
) -> Result<Option<Told>, Trouble> {
    make_file(one, 0, name, 1, BYTES)?;
    flush(one, 0)?;
    one.close(0)?;
    let never = "The other host never saw a file that was made before.";
    let calls = vec![open(1, name, How::RW), stamps(1, 1, 0, BYTES)];
    let told = Awaited::new("", never).wait((stage, two), name, calls, Want::Same(BYTES))?;
    all(two, vec![Call::StatFd { fd: 1 }, Call::Close { fd: 1 }])?;
    Ok(told)
}

/// Opens, makes calls, synchronises and closes.
fn change(actor: &mut Actor, name: &str, how: How, calls: Vec<Call>) -> Result<(), Trouble> {
    let mut all = vec![open(0, name, how)];
    all.extend(calls);
    must_all(actor, all)?;
    flush(actor, 0)?;
    actor.close(0)
}

pub(super) fn write(stage: &Stage) -> Result<Told, Trouble> {
    let (mut one, mut two) = stage.pair()?;
    let name = stage.name("see-write");
    if let Some(told) = shared(stage, &mut one, &mut two, &name)? {
        return Ok(told);
    }
    let never = "The other host goes on reading old data, even after opening the file anew.";
    let mut new = Awaited::new("data after open", never);
    for tag in 2..2 + ROUNDS {
        change(&mut one, &name, How::RW, vec![pour(0, tag, 0, BYTES)])?;
        let calls = vec![open(1, &name, How::RO), stamps(1, tag, 0, BYTES)];
        let came = new.wait((stage, &mut two), &name, calls, Want::Same(BYTES))?;
        if let Some(told) = came {
            return Ok(told);
        }
        all(&mut two, vec![Call::Close { fd: 1 }])?;
    }
    Ok(new.told(stage))
}

pub(super) fn size(stage: &Stage) -> Result<Told, Trouble> {
    let (mut one, mut two) = stage.pair()?;
    let name = stage.name("see-size");
    if let Some(told) = shared(stage, &mut one, &mut two, &name)? {
        return Ok(told);
    }
    let mut new = Awaited::new("length", "The other host never sees the new length of a file.");
    let mut end = BYTES;
    for bytes in [1, 4096, 100_000] {
        must_all(&mut one, vec![open(0, &name, How::RW), pour(0, 1, end, bytes)])?;
        flush(&mut one, 0)?;
        end += bytes;
        let calls = vec![open(1, &name, How::RO), Call::StatFd { fd: 1 }];
        if let Some(told) = new.wait((stage, &mut two), &name, calls, Want::Length(end))? {
            return Ok(told);
        }
        must_all(&mut one, vec![Call::Close { fd: 0 }])?;
    }
    Ok(new.told(stage))
}

pub(super) fn append(stage: &Stage) -> Result<Told, Trouble> {
    let (mut one, mut two) = stage.pair()?;
    let name = stage.name("see-append");
    if let Some(told) = shared(stage, &mut one, &mut two, &name)? {
        return Ok(told);
    }
    let never = "The other host never reads all that was appended to a file.";
    let mut new = Awaited::new("appended data", never);
    let mut end = BYTES;
    for len in [10, 4096, 5000] {
        must_all(&mut one, vec![open(0, &name, How { append: true, ..How::RW })])?;
        append_all(&mut one, 0, 1, end, len)?;
        flush(&mut one, 0)?;
        one.close(0)?;
        end += u64::from(len);
        let calls = vec![open(1, &name, How::RO), stamps(1, 1, 0, end)];
        if let Some(told) = new.wait((stage, &mut two), &name, calls, Want::Same(end))? {
            return Ok(told);
        }
        all(&mut two, vec![Call::Close { fd: 1 }])?;
    }
    Ok(new.told(stage))
}

pub(super) fn truncate(stage: &Stage) -> Result<Told, Trouble> {
    let (mut one, mut two) = stage.pair()?;
    let name = stage.name("see-truncate");
    if let Some(told) = shared(stage, &mut one, &mut two, &name)? {
        return Ok(told);
    }
    let never = "The other host never sees that a file was cut.";
    let mut cut = Awaited::new("cut", never);
    for bytes in [2 * u64::from(PAGE) + 10, 5] {
        change(&mut one, &name, How::RW, vec![Call::SetLength { fd: 0, bytes }])?;
        let calls = vec![open(1, &name, How::RO), Call::StatFd { fd: 1 }];
        if let Some(told) = cut.wait((stage, &mut two), &name, calls, Want::Length(bytes))? {
            return Ok(told);
        }
        // One byte more than there is: what is read must end where the file ends.
        let calls = vec![open(1, &name, How::RO), stamps(1, 1, 0, bytes + 1)];
        cut.never = "The other host reads data that were cut off.";
        if let Some(told) = cut.wait((stage, &mut two), &name, calls, Want::Same(bytes))? {
            return Ok(told);
        }
        all(&mut two, vec![Call::Close { fd: 1 }])?;
    }
    Ok(cut.told(stage))
}

/// Takes or gives back a lock of slot 0, asking again until it can be had.
fn lock(stage: &Stage, actor: &mut Actor, fd: u8, kind: Kind) -> Result<(), Trouble> {
    let call = Call::Lock { fd, family: FAMILY, kind, range: Range::WHOLE, wait: false };
    if until(actor, vec![call.clone()], Want::Done, stage.limits().wake)?.came {
        return Ok(());
    }
    actor.must(call).map(drop)
}

pub(super) fn write_open(stage: &Stage) -> Result<Told, Trouble> {
    let (mut one, mut two) = stage.pair()?;
    let name = stage.name("see-write-open");
    if let Some(told) = shared(stage, &mut one, &mut two, &name)? {
        return Ok(told);
    }
    must_all(&mut two, vec![open(0, &name, How::RW), stamps(0, 1, 0, BYTES)])?;
    must_all(&mut one, vec![open(0, &name, How::RW)])?;
    lock(stage, &mut one, 0, Kind::Write)?;
    must_all(&mut one, vec![pour(0, 2, 0, BYTES)])?;
    lock(stage, &mut one, 0, Kind::Unlock)?;
    let limit = stage.limits().change.min(BRIEF);
    let before = until(&mut two, vec![stamps(0, 2, 0, BYTES)], Want::Same(BYTES), limit)?;
    lock(stage, &mut two, 0, Kind::Read)?;
    if let Some(evidence) = differs(&mut two, &name, vec![stamps(0, 2, 0, BYTES)])? {
        let told = "A file that stays open shows old data even under a lock.";
        return Ok(fail(told, evidence));
    }
    let time = super::super::sync::in_words(before.seconds);
    Ok(Told::pass(if before.came {
        format!(
            "Under a lock the data are new; without one they were after {time}, which nobody promises."
        )
    } else {
        format!(
            "Under a lock the data are new; without one they were old for {time}, as is allowed."
        )
    }))
}

pub(super) fn after_lock(stage: &Stage) -> Result<Told, Trouble> {
    let (mut one, mut two) = stage.pair()?;
    let (guard, name) = (stage.name("see-guard"), stage.name("see-guarded"));
    for file in [&guard, &name] {
        if let Some(told) = shared(stage, &mut one, &mut two, file)? {
            return Ok(told);
        }
    }
    must_all(&mut one, vec![open(5, &guard, How::RW)])?;
    must_all(&mut two, vec![open(5, &guard, How::RW)])?;
    let mut end = BYTES;
    for turn in 2..8 {
        let (writer, reader) =
            if turn % 2 == 0 { (&mut one, &mut two) } else { (&mut two, &mut one) };
        lock(stage, writer, 5, Kind::Write)?;
        end += 1000;
        change(writer, &name, How::RW, vec![pour(0, turn, 0, end)])?;
        lock(stage, writer, 5, Kind::Unlock)?;
        lock(stage, reader, 5, Kind::Write)?;
        must_all(reader, vec![open(1, &name, How::RO)])?;
        let found = attributes(reader, Call::StatFd { fd: 1 })?.bytes;
        if found != end {
            let note = format!(
                "{end} bytes were written before the lock was given back; fstat says {found}"
            );
            let told = "Who gets the lock sees an old length of another file.";
            return Ok(fail(told, on(reader, &name, note)));
        }
        if let Some(evidence) = differs(reader, &name, vec![stamps(1, turn, 0, end)])? {
            let told = "Who gets the lock reads old data of another file.";
            return Ok(fail(told, evidence));
        }
        must_all(reader, vec![Call::Close { fd: 1 }])?;
        lock(stage, reader, 5, Kind::Unlock)?;
    }
    Ok(Told::pass("Each read at once what the other had written before it gave the lock back."))
}

/// What is appended at once, and how often by each.
const RECORD: u32 = 500;
const TIMES: u32 = 50;

pub(super) fn append_unlocked(stage: &Stage) -> Result<Told, Trouble> {
    let (mut one, mut two) = stage.pair()?;
    let name = stage.name("see-unlocked");
    if let Some(told) = shared(stage, &mut one, &mut two, &name)? {
        return Ok(told);
    }
    let end = How { append: true, ..How::RW };
    for actor in [&mut one, &mut two] {
        must_all(actor, vec![open(0, &name, end)])?;
    }
    for (actor, byte) in [(&mut one, b'1'), (&mut two, b'2')] {
        let call = Box::new(Call::Append { fd: 0, bytes: Bytes::Fill(byte, RECORD) });
        actor.begin(Call::Burst(Burst::Repeat { call, times: TIMES, every_ms: 0 }))?;
    }
    let mut done = 0;
    for actor in [&mut one, &mut two] {
        let limit = actor.call_limit().saturating_mul(4);
        match actor.finish(limit)?.map(|reply| reply.result) {
            Some(Ok(Value::Samples { seconds, .. })) => done += seconds.len() as u64,
            _ => return Ok(Told::not_tested("Appending without a lock did not come to an end.")),
        }
        must_all(actor, vec![Call::Close { fd: 0 }])?;
    }
    must_all(&mut one, vec![open(0, &name, How::RW)])?;
    lock(stage, &mut one, 0, Kind::Write)?;
    let length = attributes(&mut one, Call::StatFd { fd: 0 })?.bytes;
    let kept = length.saturating_sub(BYTES) / u64::from(RECORD);
    Ok(Told::pass(if kept >= done {
        format!(
            "All of {done} appends without a lock are there, which network storage does not promise."
        )
    } else {
        format!(
            "{} of {done} appends without a lock were lost, as network storage may do.",
            done - kept
        )
    }))
}
