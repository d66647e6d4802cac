//! Changing a lock, and how it ends.

use miqm_sys::clock::BootInstant;
use miqm_sys::probe::{Family, How};

use super::exclude::as_warning;
use super::play::{
    ALL, Done, ONE, Play, R, SLOW, Step, THREE, TWO, W, bytes, close, does, get, open, refused,
    take, unlock, wants,
};
use crate::call::{Call, Value, Want};
use crate::finding::Told;
use crate::stage::Place;

const FREE: &str = "A lock that nobody holds was refused.";

pub(super) fn upgrade(on: &mut Play<'_>) -> Done {
    on.act(&[
        take(ONE, 0, R, ALL, FREE),
        take(TWO, 0, R, ALL, "A shared lock was refused because of another shared lock."),
        refused(ONE, 0, W, ALL, "A shared lock became exclusive although another process reads."),
        unlock(TWO, 0, ALL),
        refused(TWO, 0, W, ALL, "A shared lock is lost if making it exclusive is refused."),
        get(ONE, 0, W, ALL, "The only shared lock cannot be made exclusive."),
        refused(TWO, 0, R, ALL, "A shared lock that was made exclusive does not exclude readers."),
        refused(TWO, 0, W, ALL, "A shared lock that was made exclusive excludes nobody."),
        unlock(ONE, 0, ALL),
        get(TWO, 0, W, ALL, "A lock that was shared and then exclusive stays taken."),
        unlock(TWO, 0, ALL),
    ])
}

pub(super) fn downgrade(on: &mut Play<'_>) -> Done {
    on.act(&[
        take(ONE, 0, W, ALL, FREE),
        take(ONE, 0, R, ALL, "An exclusive lock cannot be made shared."),
        get(TWO, 0, R, ALL, "An exclusive lock that was made shared still excludes readers."),
        unlock(TWO, 0, ALL),
        refused(TWO, 0, W, ALL, "An exclusive lock is lost when it is made shared."),
        unlock(ONE, 0, ALL),
        get(TWO, 0, W, ALL, "A lock that was exclusive and then shared stays taken."),
        unlock(TWO, 0, ALL),
    ])
}

pub(super) fn closed(on: &mut Play<'_>) -> Done {
    const STAYS: &str = "A lock stays taken after its holder closed the file.";
    on.act(&[take(ONE, 0, W, ALL, FREE), refused(TWO, 0, W, ALL, "The lock excludes nobody.")])?;
    let began = BootInstant::now();
    on.act(&[close(ONE, 0), get(TWO, 0, W, ALL, STAYS)])?;
    on.measured("release by close", began);
    on.act(&[close(TWO, 0), open(ONE, 0, &on.file, How::RW), get(ONE, 0, W, bytes(5, 5), STAYS)])
}

/// What nobody needs, but POSIX says.
pub(super) fn close_any(on: &mut Play<'_>) -> Done {
    const STAYS: &str =
        "A lock of a process outlives that it closes another descriptor of the file.";
    let freed = get(TWO, 0, W, ALL, STAYS).within(SLOW / 5);
    let result = on.act(&[
        open(ONE, 1, &on.file, How::RW),
        take(ONE, 0, W, ALL, FREE),
        refused(TWO, 0, W, ALL, "The lock excludes nobody."),
        close(ONE, 1),
        freed,
    ]);
    as_warning(result, on)
}

pub(super) fn close_other(on: &mut Play<'_>) -> Done {
    const OPEN: &str =
        "A lock is lost when its process closes another descriptor of the same file.";
    const COPY: &str = "A lock is lost when a copy of its descriptor is closed.";
    const ELSEWHERE: &str = "A lock is lost when another process closes the same file.";
    const DEATH: &str = "A lock is lost when another process dies that has the same file open.";
    on.third(Place::First)?;
    on.act(&[
        open(ONE, 1, &on.file, How::RW),
        open(ONE, 2, &on.file, How::RO),
        does(ONE, Call::Duplicate { fd: 0, to: 3 }),
        open(TWO, 1, &on.file, How::RW),
        open(THREE, 1, &on.file, How::RW),
        take(ONE, 0, W, ALL, FREE),
    ])?;
    if on.family == Family::Ofd {
        on.act(&[
            close(ONE, 1),
            refused(TWO, 0, W, ALL, OPEN),
            close(ONE, 2),
            refused(TWO, 0, W, ALL, OPEN),
            close(ONE, 3),
            refused(TWO, 0, W, ALL, COPY),
        ])?;
    }
    on.act(&[
        refused(TWO, 1, W, ALL, "The lock excludes nobody."),
        close(TWO, 1),
        refused(TWO, 0, W, ALL, ELSEWHERE),
        refused(THREE, 1, W, ALL, "The lock excludes nobody."),
        close(THREE, 1),
        refused(TWO, 0, W, ALL, ELSEWHERE),
    ])?;
    let limit = on.stage.limits().call;
    on.kill_and_wait(THREE, limit)?;
    on.pause()?;
    on.act(&[refused(TWO, 0, W, ALL, DEATH)])
}

pub(super) fn exited(on: &mut Play<'_>) -> Done {
    death(on, false, "release by exit", "A lock stays taken after its process ended.")
}

pub(super) fn killed(on: &mut Play<'_>) -> Done {
    death(on, true, "release by kill", "A lock stays taken after its process was killed.")
}

fn death(on: &mut Play<'_>, by_kill: bool, what: &str, words: &'static str) -> Done {
    on.act(&[take(ONE, 0, W, ALL, FREE), refused(TWO, 0, W, ALL, "The lock excludes nobody.")])?;
    let began = BootInstant::now();
    on.end(ONE, by_kill)?;
    on.act(&[get(TWO, 0, W, ALL, words)])?;
    on.measured(what, began);
    on.act(&[unlock(TWO, 0, ALL)])
}

pub(super) fn forked(on: &mut Play<'_>) -> Done {
    const SHARED: &str = "A forked child does not share the lock of the open file.";
    const CHILD: &str = "A lock is lost when a forked child of its holder ends.";
    let lock = |kind| -> Box<Call> {
        let (fd, family) = (0, Family::Posix);
        Box::new(Call::Lock { fd, family, kind, range: ALL, wait: false })
    };
    if on.family == Family::Posix {
        const INHERITS: &str = "A forked child has the lock of its parent's process.";
        const GIVES: &str = "A forked child gave its parent's lock back.";
        return on.act(&[
            take(ONE, 0, W, ALL, FREE),
            wants(ONE, Call::InChild { call: lock(W) }, Want::Conflict, INHERITS),
            refused(TWO, 0, W, ALL, CHILD),
            does(ONE, Call::InChild { call: lock(miqm_sys::probe::Kind::Unlock) }),
            refused(TWO, 0, W, ALL, GIVES),
            does(ONE, Call::InChild { call: Box::new(Call::Close { fd: 0 }) }),
            refused(TWO, 0, W, ALL, CHILD),
        ]);
    }
    let again = Call::Lock { fd: 0, family: Family::Ofd, kind: W, range: ALL, wait: false };
    let child_closes = Call::InChild { call: Box::new(Call::Close { fd: 0 }) };
    on.act(&[
        take(ONE, 0, W, ALL, FREE),
        wants(ONE, Call::InChild { call: Box::new(again) }, Want::Done, SHARED),
        refused(TWO, 0, W, ALL, CHILD),
        does(ONE, child_closes),
        refused(TWO, 0, W, ALL, CHILD),
    ])?;
    let reply = on.actors[ONE].must(Call::IdleChild)?;
    let Value::Count(pid) = reply else {
        return Err(Told::not_tested("No child process could be made.").into());
    };
    let pid = u32::try_from(pid).unwrap_or_default();
    let held: Step = refused(
        TWO,
        0,
        W,
        ALL,
        "A lock is lost when one of two processes that share it closes it.",
    );
    let parent = on.act(&[close(ONE, 0), held]);
    on.actors[ONE].must(Call::EndChild { pid })?;
    parent?;
    on.act(&[get(TWO, 0, W, ALL, "A lock stays taken after the last process that shared it.")])
}
