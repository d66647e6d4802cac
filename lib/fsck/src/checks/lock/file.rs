//! Locks and what else happens to their file.

use miqm_sys::lock::Range;
use miqm_sys::probe::{Held, How, Kind, errno_name};

use super::meaning;
use super::play::{
    ALL, Done, ONE, Play, R, Step, TWO, W, bytes, close, does, get, open, refused, soon, take,
    unlock, wants,
};
use crate::call::{Bytes, Call, Value, Want};
use crate::finding::Told;
use crate::stage::{Stage, Trouble};

const FREE: &str = "A lock that nobody holds was refused.";

/// What `F_GETLK` says.
fn told_lock(
    on: &mut Play<'_>,
    who: usize,
    fd: u8,
    kind: Kind,
    range: Range,
) -> Done<Option<Held>> {
    let call = Call::TestLock { fd, family: on.family, kind, range };
    match on.actors[who].call(call.clone())?.result {
        Ok(Value::Lock(held)) => Ok(held),
        Ok(_) => Err(Told::not_tested("A process of the test gave a wrong answer.").into()),
        Err(errno) => {
            let evidence = on.evidence(who, &call).errno(errno);
            Err(Told::fail(meaning::refused(&call.to_string(), errno)).with(evidence).into())
        }
    }
}

/// That it names a lock of `kind` at `range` to whoever wants `wanted` of `asked`.
fn names(
    on: &mut Play<'_>,
    fd: u8,
    (wanted, asked): (Kind, Range),
    kind: Kind,
    range: Range,
) -> Done {
    let found = told_lock(on, TWO, fd, wanted, asked)?;
    let call = Call::TestLock { fd, family: on.family, kind: wanted, range: asked };
    let evidence = on.evidence(TWO, &call);
    let summary = match found {
        None => "F_GETLK says that a lock is free which another process holds.",
        Some(held) if held.kind != kind => "F_GETLK tells the wrong kind of a lock.",
        Some(held) if held.range != range => "F_GETLK tells the wrong bytes of a lock.",
        Some(_) => return Ok(()),
    };
    let note = format!("{kind:?} {range:?} is held, and it answered {found:?}");
    Err(Told::fail(summary).with(evidence.with_note(note)).into())
}

/// That it names no lock.
fn free(on: &Play<'_>, who: usize, kind: Kind, range: Range, words: &'static str) -> Step {
    wants(who, Call::TestLock { fd: 0, family: on.family, kind, range }, Want::Free, words)
}

pub(super) fn getlk(on: &mut Play<'_>) -> Done {
    const FREE_IS_HELD: &str = "F_GETLK says that a lock is held which is free.";
    const OWN: &str = "F_GETLK names the lock of the one who asks.";
    on.act(&[
        open(TWO, 1, &on.file, How::RO),
        free(on, ONE, W, ALL, FREE_IS_HELD),
        take(ONE, 0, W, bytes(100, 100), FREE),
        free(on, ONE, W, ALL, OWN),
        free(on, TWO, W, bytes(0, 100), FREE_IS_HELD),
        free(on, TWO, W, bytes(200, 0), FREE_IS_HELD),
    ])?;
    names(on, 0, (W, ALL), W, bytes(100, 100))?;
    names(on, 0, (R, bytes(150, 1)), W, bytes(100, 100))?;
    names(on, 1, (W, ALL), W, bytes(100, 100))?;
    on.act(&[
        take(ONE, 0, R, bytes(100, 100), "An exclusive lock cannot be made shared."),
        free(on, TWO, R, ALL, "F_GETLK says that a shared lock excludes another shared one."),
    ])?;
    names(on, 0, (W, ALL), R, bytes(100, 100))?;
    let call = Call::TestLock { fd: 0, family: on.family, kind: W, range: ALL };
    on.act(&[
        unlock(ONE, 0, ALL),
        soon(TWO, call, Want::Free, "F_GETLK says that a lock is held which was given back."),
        get(ONE, 0, W, ALL, FREE),
    ])?;
    names(on, 0, (W, bytes(5000, 1)), W, ALL)
}

pub(super) fn renamed(on: &mut Play<'_>) -> Done {
    const NEW: &str = "A lock does not exclude who opens the file by its new name.";
    const OLD: &str = "A lock is lost when its file is renamed.";
    let rename = |from: &str, to: &str| Call::Rename { from: from.to_owned(), to: to.to_owned() };
    let (second, third) = (on.stage.name("renamed"), on.stage.name("renamed"));
    on.act(&[
        take(ONE, 0, W, ALL, FREE),
        does(ONE, rename(&on.file, &second)),
        refused(TWO, 0, W, ALL, OLD),
        open(TWO, 1, &second, How::RW),
        refused(TWO, 1, W, ALL, NEW),
        does(TWO, rename(&second, &third)),
        refused(TWO, 0, W, ALL, OLD),
        open(TWO, 2, &third, How::RW),
        refused(TWO, 2, W, ALL, NEW),
        unlock(ONE, 0, ALL),
        get(TWO, 2, W, ALL, "A lock stays taken after its file was renamed."),
        refused(ONE, 0, W, ALL, "A file that was renamed can be locked twice."),
    ])
}

pub(super) fn linked(stage: &Stage) -> Result<Told, Trouble> {
    const PASS: &str = "A lock excludes by each name of its file.";
    super::play::each(stage, "linked", super::play::RECORD_LOCKS, PASS, |on| {
        let alias = on.stage.name("alias");
        let call = Call::Link { from: on.file.clone(), to: alias.clone() };
        if let Err(errno) = on.actors[ONE].call(call.clone())?.result {
            let evidence = on.evidence(ONE, &call).errno(errno);
            let told = match errno_name(errno) {
                "EPERM" | "EOPNOTSUPP" | "ENOSYS" | "EMLINK" | "EACCES" => {
                    Told::not_applicable("A file cannot have two names here.")
                }
                _ => Told::fail(meaning::refused(&call.to_string(), errno)),
            };
            return Err(told.with(evidence).into());
        }
        on.act(&[
            open(TWO, 1, &alias, How::RW),
            take(ONE, 0, W, ALL, FREE),
            refused(TWO, 1, W, ALL, "A lock does not exclude who opens the file by another name."),
            unlock(ONE, 0, ALL),
            get(TWO, 1, W, ALL, "A lock that was given back stays taken by the other name."),
            refused(ONE, 0, W, ALL, "A lock does not exclude who opens the file by another name."),
            does(TWO, Call::Unlink { name: alias.clone() }),
            refused(ONE, 0, W, ALL, "A lock is lost when one of the names of its file is removed."),
        ])
    })
}

pub(super) fn replaced(on: &mut Play<'_>) -> Done {
    const WORDS: &str = "A new file counts as locked because the one that had its name is.";
    let made = on.stage.name("new");
    on.act(&[
        take(ONE, 0, W, ALL, FREE),
        open(TWO, 1, &made, How::NEW),
        take(TWO, 1, R, ALL, "A lock of a new file, which nobody can hold, was refused."),
        does(TWO, Call::Rename { from: made, to: on.file.clone() }),
        take(TWO, 1, W, ALL, WORDS),
        unlock(TWO, 1, ALL),
        open(TWO, 2, &on.file, How::RW),
        get(TWO, 2, W, ALL, WORDS).within(super::play::SLOW / 5),
    ])
}

pub(super) fn other_file(on: &mut Play<'_>) -> Done {
    const FILES: u8 = 8;
    const OTHER: &str = "A lock of one file excludes from another file.";
    const LOST: &str = "A lock is lost when another file is unlocked or closed.";
    let names: Vec<_> = (0..FILES).map(|_| on.stage.name("other")).collect();
    let slots = || names.iter().zip(10_u8..);
    let mut steps = vec![take(ONE, 0, W, ALL, FREE)];
    steps.extend(slots().map(|(name, fd)| open(ONE, fd, name, How::NEW)));
    steps.extend(slots().map(|(name, fd)| open(TWO, fd, name, How::RW)));
    steps.extend(slots().map(|(_, fd)| take(TWO, fd, W, ALL, OTHER)));
    steps.extend(slots().map(|(_, fd)| refused(ONE, fd, W, ALL, "The lock excludes nobody.")));
    steps.push(refused(TWO, 0, W, ALL, LOST));
    steps.extend(slots().map(|(_, fd)| close(ONE, fd)));
    steps.push(refused(TWO, 0, W, ALL, LOST));
    steps.extend(slots().map(|(_, fd)| unlock(TWO, fd, ALL)));
    steps.extend(slots().map(|(_, fd)| close(TWO, fd)));
    steps.push(refused(TWO, 0, W, ALL, LOST));
    on.act(&steps)
}

pub(super) fn write_keeps(on: &mut Play<'_>) -> Done {
    let fill = |fd, at| Call::Write { fd, at, bytes: Bytes::Fill(7, 600) };
    let acts = [
        (fill(0, 0), "A lock is lost when its holder writes to the file."),
        (Call::Fsync { fd: 0 }, "A lock is lost when its holder syncs the file."),
        (Call::Fdatasync { fd: 0 }, "A lock is lost when its holder syncs the file's data."),
        (fill(0, 8000), "A lock is lost when its holder makes the file longer."),
        (Call::SetLength { fd: 0, bytes: 100 }, "A lock is lost when its file is made shorter."),
        (Call::SetLength { fd: 0, bytes: 0 }, "A lock is lost when its file is emptied."),
        (fill(1, 0), "A lock is lost when its process writes through another descriptor."),
        (Call::Fsync { fd: 1 }, "A lock is lost when its process syncs another descriptor."),
        (Call::Read { fd: 0, at: 0, bytes: 600 }, "A lock is lost when its holder reads."),
    ];
    on.act(&[open(ONE, 1, &on.file, How::RW), take(ONE, 0, W, ALL, FREE)])?;
    for (call, words) in acts {
        on.act(&[does(ONE, call), refused(TWO, 0, W, ALL, words)])?;
    }
    Ok(())
}

pub(super) fn read_through(on: &mut Play<'_>) -> Done {
    const WORDS: &str = "The holder of a lock cannot use its file.";
    let write = Call::Write { fd: 0, at: 512, bytes: Bytes::Text("held".to_owned()) };
    let read = Call::Read { fd: 0, at: 512, bytes: 4 };
    on.act(&[
        take(ONE, 0, W, ALL, FREE),
        wants(ONE, write, Want::Done, WORDS),
        wants(ONE, read.clone(), Want::Done, WORDS),
        wants(ONE, Call::Fsync { fd: 0 }, Want::Done, WORDS),
        unlock(ONE, 0, ALL),
        get(ONE, 0, R, ALL, FREE),
        wants(ONE, read, Want::Done, WORDS),
    ])
}

pub(super) fn advisory(on: &mut Play<'_>) -> Done {
    const WORDS: &str = "A file cannot be read while another process holds a lock of it.";
    let read = |fd| Call::Read { fd, at: 0, bytes: 8 };
    on.act(&[
        take(ONE, 0, W, ALL, FREE),
        wants(TWO, read(0), Want::Done, WORDS),
        open(TWO, 1, &on.file, How::RO),
        wants(TWO, read(1), Want::Done, WORDS),
        wants(TWO, Call::StatFd { fd: 1 }, Want::Done, WORDS),
    ])
}
