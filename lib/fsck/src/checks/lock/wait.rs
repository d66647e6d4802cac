//! Waiting for a lock: by a call that waits, and by asking again and again.

use std::time::Duration;

use miqm_sys::clock::BootInstant;
use miqm_sys::probe::Kind;

use super::exclude::as_warning;
use super::play::{
    ALL, Done, ONE, Play, R, SLOW, Stop, THREE, TWO, W, close, get, refused, take, unlock,
};
use crate::call::{Call, Reply, Value, Want};
use crate::finding::{Evidence, Told, Verdict};
use crate::stage::Place;

const FREE: &str = "A lock that nobody holds was refused.";
const EARLY: &str = "A waiting process was told that it has the lock, which another one holds.";
const NEVER: &str = "A process that waits for a lock is not woken when the lock becomes free.";

/// `EINTR`.
const INTERRUPTED: i32 = 4;

/// Lets a process wait for a lock of slot 0 that somebody else holds.
fn waits(on: &mut Play<'_>, who: usize, kind: Kind) -> Done {
    let call = Call::Lock { fd: 0, family: on.family, kind, range: ALL, wait: true };
    on.actors[who].begin(call)?;
    let moment = on.moment();
    match on.actors[who].finish(moment)? {
        None => Ok(()),
        Some(reply) => Err(came_back(on, who, kind, &reply).into()),
    }
}

/// The verdict on a waiting call that came back while the lock was held.
fn came_back(on: &Play<'_>, who: usize, kind: Kind, reply: &Reply) -> Told {
    let call = Call::Lock { fd: 0, family: on.family, kind, range: ALL, wait: true };
    let evidence = on.evidence(who, &call).seconds(reply.seconds);
    match reply.result {
        Ok(_) => Told::fail(EARLY).with(evidence.with_note("it was granted")),
        Err(errno) => {
            let summary = super::meaning::refused(&call.to_string(), errno);
            let note = "it should have waited until the lock becomes free";
            Told::fail(summary).with(evidence.errno(errno).with_note(note))
        }
    }
}

/// Waits until a waiting process has its lock.
fn woken(on: &mut Play<'_>, who: usize, kind: Kind, words: &'static str) -> Done {
    let limit = on.stage.limits().wake;
    match on.actors[who].finish(limit)? {
        Some(Reply { result: Ok(_), .. }) => Ok(()),
        Some(reply) => Err(came_back(on, who, kind, &reply).into()),
        None => {
            let evidence = on.actors[who].evidence().file(&on.file);
            let note =
                format!("still waiting {:.0} s after the lock became free", limit.as_secs_f64());
            let evidence = evidence.seconds(limit.as_secs_f64()).with_note(note);
            on.end(who, true)?;
            Err(Told::fail(words).with(evidence).into())
        }
    }
}

pub(super) fn wait(on: &mut Play<'_>) -> Done {
    on.act(&[take(ONE, 0, W, ALL, FREE)])?;
    waits(on, TWO, W)?;
    let began = BootInstant::now();
    on.act(&[unlock(ONE, 0, ALL)])?;
    woken(on, TWO, W, NEVER)?;
    on.measured("hand-over to a waiting call", began);
    on.act(&[
        refused(ONE, 0, W, ALL, "A waiting process was told that it has the lock, and does not."),
        unlock(TWO, 0, ALL),
        get(ONE, 0, W, ALL, "A lock that was waited for stays taken."),
        unlock(ONE, 0, ALL),
    ])
}

/// The other ways in which a lock becomes free.
pub(super) fn wait_end(on: &mut Play<'_>) -> Done {
    const CLOSED: &str = "A waiting process is not woken when the holder closes the file.";
    const KILLED: &str = "A waiting process is not woken when the holder is killed.";
    const SHARED: &str = "A waiting reader is not woken when the holder makes its lock shared.";
    const READ: &str = "A waiting writer is not woken when the last reader leaves.";
    on.act(&[take(ONE, 0, W, ALL, FREE)])?;
    waits(on, TWO, R)?;
    on.act(&[take(ONE, 0, R, ALL, "An exclusive lock cannot be made shared.")])?;
    let result = woken(on, TWO, R, SHARED);
    // Servers are known that wake those who wait for any other reason.
    as_warning(result, on)?;

    on.new_file("wait-read")?;
    on.act(&[take(ONE, 0, R, ALL, FREE)])?;
    waits(on, TWO, W)?;
    on.act(&[unlock(ONE, 0, ALL)])?;
    woken(on, TWO, W, READ)?;

    on.new_file("wait-close")?;
    on.act(&[take(ONE, 0, W, ALL, FREE)])?;
    waits(on, TWO, W)?;
    on.act(&[close(ONE, 0)])?;
    woken(on, TWO, W, CLOSED)?;

    on.new_file("wait-kill")?;
    on.act(&[take(ONE, 0, W, ALL, FREE)])?;
    waits(on, TWO, W)?;
    let began = BootInstant::now();
    on.end(ONE, true)?;
    woken(on, TWO, W, KILLED)?;
    on.measured("hand-over to a waiting call after a kill", began);
    Ok(())
}

/// Two that wait: one gets it, then the other.
pub(super) fn wait_queue(on: &mut Play<'_>) -> Done {
    on.third(Place::First)?;
    on.act(&[take(ONE, 0, W, ALL, FREE)])?;
    waits(on, TWO, W)?;
    waits(on, THREE, W)?;
    on.act(&[unlock(ONE, 0, ALL)])?;
    let winner = first_woken(on)?;
    let other = if winner == TWO { THREE } else { TWO };
    let moment = on.moment();
    if let Some(reply) = on.actors[other].finish(moment)? {
        let mut told = came_back(on, other, W, &reply);
        if reply.result.is_ok() {
            told.summary = "Two waiting processes got the exclusive lock at the same time.".into();
        }
        return Err(told.into());
    }
    on.act(&[unlock(winner, 0, ALL)])?;
    woken(on, other, W, "Of two waiting processes the second one is never woken.")?;
    on.act(&[refused(ONE, 0, W, ALL, EARLY), unlock(other, 0, ALL)])
}

/// Which of two waiting processes has the lock first.
fn first_woken(on: &mut Play<'_>) -> Done<usize> {
    let until = BootInstant::now().saturating_add(on.stage.limits().wake);
    while !until.left().is_zero() {
        for who in [TWO, THREE] {
            match on.actors[who].finish(Duration::from_millis(5))? {
                Some(Reply { result: Ok(_), .. }) => return Ok(who),
                Some(reply) => return Err(came_back(on, who, W, &reply).into()),
                None => {}
            }
        }
    }
    on.end(THREE, true)?;
    woken(on, TWO, W, "Of two waiting processes none is woken.").map(|()| TWO)
}

/// How long a waiting process has to come back when it is interrupted or killed.
fn patience(on: &Play<'_>) -> Duration {
    on.stage.limits().call / 4
}

/// Interrupts a waiting process until it comes back; its answer, or `None` if it does not.
fn interrupt(on: &mut Play<'_>, who: usize) -> Done<Option<Reply>> {
    let until = BootInstant::now().saturating_add(patience(on));
    while !until.left().is_zero() {
        // The first signal may come before the call waits.
        on.actors[who].interrupt()?;
        if let Some(reply) = on.actors[who].finish(Duration::from_millis(100))? {
            return Ok(Some(reply));
        }
    }
    Ok(None)
}

pub(super) fn wait_signal(on: &mut Play<'_>) -> Done {
    const LOST: &str = "A lock is lost when a process that waits for it is interrupted.";
    on.act(&[take(ONE, 0, W, ALL, FREE)])?;
    waits(on, TWO, W)?;
    match interrupt(on, TWO)? {
        Some(Reply { result: Err(INTERRUPTED), .. }) => {}
        Some(reply) => return Err(came_back(on, TWO, W, &reply).into()),
        None => {
            let evidence = on.actors[TWO].evidence().file(&on.file);
            let note = "signals were sent to it all the time, and it went on waiting";
            let evidence = evidence.seconds(patience(on).as_secs_f64()).with_note(note);
            let summary = "A process that waits for a lock cannot be interrupted by a signal.";
            // Many a client of a file system in user space is like that; no instance waits so.
            on.warn(Told::warning(summary).with(evidence));
            on.act(&[unlock(ONE, 0, ALL)])?;
            woken(on, TWO, W, "A waiting process that was sent signals does not get the lock.")?;
            return on.act(&[unlock(TWO, 0, ALL)]);
        }
    }
    on.act(&[
        refused(TWO, 0, W, ALL, LOST),
        unlock(ONE, 0, ALL),
        get(TWO, 0, W, ALL, "A process that was interrupted cannot have the lock later."),
        unlock(TWO, 0, ALL),
    ])
}

/// Mounts of replicated storage whose locks are asked of one server after the other.
const GLUSTER: &str = "fuse.glusterfs";

pub(super) fn ghost(on: &mut Play<'_>) -> Done {
    const GHOST: &str = "The request of a process that was interrupted got the lock all the same.";
    on.third(Place::First)?;
    on.act(&[take(ONE, 0, W, ALL, FREE)])?;
    waits(on, TWO, W)?;
    if interrupt(on, TWO)?.is_none() {
        on.act(&[unlock(ONE, 0, ALL)])?;
        on.end(TWO, true)?;
        return Err(Told::not_applicable("A process that waits cannot be interrupted here.").into());
    }
    // The interrupted one lives, keeps the file open, and asks for nothing.
    let result = on.act(&[
        refused(
            THREE,
            0,
            W,
            ALL,
            "A lock is lost when a process that waits for it is interrupted.",
        ),
        unlock(ONE, 0, ALL),
        get(THREE, 0, W, ALL, GHOST),
        unlock(THREE, 0, ALL),
    ]);
    if let Err(Stop::Told(mut told)) = result {
        on.end(TWO, true)?;
        let gone = on.act(&[get(THREE, 0, W, ALL, GHOST).within(SLOW / 2)]).is_ok();
        let note = if gone { "it was free when" } else { "it was not even free when" };
        let note = format!("{note} the process that had been interrupted was killed");
        told.evidence.push(Evidence::note(note).file(&on.file));
        // Known there, whatever the options. No instance waits in a call, and nothing else that this
        // storage promises is lost by it.
        let known = on.stage.facts(Place::Second).is_ok_and(|facts| facts.fs_type == GLUSTER);
        if known && gone {
            told.verdict = Verdict::Warning;
        }
        return Err(Stop::Told(told));
    }
    result?;
    on.pause()?;
    on.act(&[get(ONE, 0, W, ALL, GHOST), unlock(ONE, 0, ALL)])
}

pub(super) fn wait_kill(on: &mut Play<'_>) -> Done {
    const LEFT: &str =
        "The request of a waiting process that was killed got the lock all the same.";
    on.third(Place::Second)?;
    on.act(&[take(ONE, 0, W, ALL, FREE)])?;
    waits(on, TWO, W)?;
    let patience = patience(on);
    if !on.kill_and_wait(TWO, patience)? {
        let call = Call::Lock { fd: 0, family: on.family, kind: W, range: ALL, wait: true };
        let evidence = on.evidence(TWO, &call).seconds(patience.as_secs_f64());
        let summary = "A process that waits for a lock cannot be killed before it has the lock.";
        let note = "it did not end after SIGKILL";
        // Many a client of a file system in user space is like that; no instance waits so.
        on.warn(Told::warning(summary).with(evidence.with_note(note)));
    }
    on.act(&[
        refused(THREE, 0, W, ALL, "A lock is lost when a process that waits for it is killed."),
        unlock(ONE, 0, ALL),
        get(THREE, 0, W, ALL, LEFT),
        unlock(THREE, 0, ALL),
    ])?;
    on.pause()?;
    on.act(&[get(ONE, 0, W, ALL, LEFT), unlock(ONE, 0, ALL)])
}

pub(super) fn poll(on: &mut Play<'_>) -> Done {
    const ROUNDS: u32 = 3;
    let call = Call::Lock { fd: 0, family: on.family, kind: W, range: ALL, wait: false };
    for _ in 0..ROUNDS {
        on.act(&[get(ONE, 0, W, ALL, FREE)])?;
        let asks = on.until(call.clone(), Want::Done, None);
        on.actors[TWO].begin(asks)?;
        let moment = on.moment();
        if on.actors[TWO].finish(moment)?.is_some() {
            let evidence = on.evidence(TWO, &call).with_note("it was granted");
            let summary = "A process that asked again and again got a lock that another one holds.";
            return Err(Told::fail(summary).with(evidence).into());
        }
        let began = BootInstant::now();
        on.act(&[unlock(ONE, 0, ALL)])?;
        let limit = on.stage.limits().change + on.stage.limits().call;
        let reply = on.actors[TWO].finish(limit)?;
        if !reply.as_ref().is_some_and(|reply| Want::Done.is_met_by(reply)) {
            let last = match reply {
                Some(Reply { result: Ok(Value::Waited { last, .. }), .. }) => last.result.err(),
                _ => None,
            };
            let evidence = on.evidence(TWO, &call).seconds(limit.as_secs_f64());
            let evidence = last.into_iter().fold(evidence, crate::Evidence::errno);
            let summary = "A process that asks again and again does not get a lock that is free.";
            return Err(Told::fail(summary).with(evidence).into());
        }
        on.measured("hand-over by asking again", began);
        on.act(&[unlock(TWO, 0, ALL)])?;
    }
    Ok(())
}

/// Some servers forget those who have waited for long.
pub(super) fn wait_long(on: &mut Play<'_>) -> Done {
    let time = on.stage.limits().hold.min(Duration::from_secs(40));
    on.act(&[take(ONE, 0, W, ALL, FREE)])?;
    waits(on, TWO, W)?;
    on.stage.let_pass(time, Duration::ZERO, time)?;
    if let Some(reply) = on.actors[TWO].finish(Duration::from_millis(1))? {
        return Err(came_back(on, TWO, W, &reply).into());
    }
    let began = BootInstant::now();
    on.act(&[unlock(ONE, 0, ALL)])?;
    woken(on, TWO, W, "A process that has waited long for a lock is not woken.")?;
    on.measured("hand-over to a call that has waited long", began);
    Ok(())
}
