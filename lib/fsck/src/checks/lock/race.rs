//! Several at the same time, and long times.

use std::time::Duration;

use miqm_sys::probe::{Family, How};

use super::meaning;
use super::play::{
    ALL, Done, ONE, Play, RECORD_LOCKS, TWO, W, close, does, ended, family_name, get, open,
    refused, take, unlock, wants,
};
use crate::call::{Burst, Bytes, CONFLICT, Call, Reply, Value, Want};
use crate::finding::{Evidence, Told};
use crate::stage::{Place, Stage, Trouble};

const FREE: &str = "A lock that nobody holds was refused.";
/// How many take part.
const CROWD: usize = 4;

/// Two processes at each place, with the file open.
fn crowd(on: &mut Play<'_>) -> Done {
    for who in on.actors.len()..CROWD {
        on.add(if who % 2 == 0 { Place::First } else { Place::Second })?;
    }
    on.act(&(2..CROWD).map(|who| open(who, 0, &on.file, How::RW)).collect::<Vec<_>>())
}

/// All ask at the same time, and this process, which is outside the storage, counts who got it.
pub(super) fn together(on: &mut Play<'_>) -> Done {
    const ROUNDS: u32 = 8;
    crowd(on)?;
    let call = Call::Lock { fd: 0, family: on.family, kind: W, range: ALL, wait: false };
    let mut granted_ever = false;
    for round in 1..=ROUNDS {
        for actor in &mut on.actors {
            actor.begin(call.clone())?;
        }
        let mut winners = Vec::new();
        for who in 0..CROWD {
            match answer(on, who)?.result {
                Ok(_) => winners.push(who),
                Err(errno) if CONFLICT.contains(&errno) => {}
                Err(errno) => {
                    let evidence = on.evidence(who, &call).errno(errno);
                    let summary = meaning::refused(&call.to_string(), errno);
                    return Err(Told::fail(summary).with(evidence).into());
                }
            }
        }
        if winners.len() > 1 {
            let summary = "Of several who asked at the same time more than one got the lock.";
            let note = format!("{} of {CROWD} processes got it in round {round}", winners.len());
            let seen = winners.iter().map(|who| on.evidence(*who, &call).with_note(note.clone()));
            return Err(Told::fail(summary).with_all(seen).into());
        }
        granted_ever |= !winners.is_empty();
        on.act(&winners.iter().map(|who| unlock(*who, 0, ALL)).collect::<Vec<_>>())?;
    }
    if !granted_ever {
        let summary = "Of several who asked for a free lock at the same time nobody ever got it.";
        return Err(Told::fail(summary).with(on.evidence(ONE, &call)).into());
    }
    Ok(())
}

/// The answer to a call that was begun.
fn answer(on: &mut Play<'_>, who: usize) -> Done<Reply> {
    let limit = on.stage.limits().call;
    if let Some(reply) = on.actors[who].finish(limit)? {
        return Ok(reply);
    }
    let evidence = on.actors[who].evidence().file(&on.file).seconds(limit.as_secs_f64());
    let note = format!("no answer within {:.0} s", limit.as_secs_f64());
    Err(Trouble::Stuck(Box::new(evidence.with_note(note))).into())
}

/// What the processes of a crowd counted.
#[derive(Default)]
struct Count {
    /// How often a file was there that only a holder makes.
    intruders: u32,
    /// Increases that were lost.
    lost: u64,
    /// Times in which two processes of one host held the lock, by that host's clock.
    overlaps: u32,
    /// How many times processes had the lock, all together.
    turns: u64,
}

/// What the process that made the file uses it by.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Descriptor {
    /// By the descriptor with which it was made. While that is open, processes of its host may read
    /// from a cache: seen with the FUSE client of `GlusterFS` 10, whose `direct-io-mode` is for
    /// files that are opened, not for those that are made.
    Made,
    /// By one that was opened after that was closed, as everybody else.
    Opened,
}

/// Lets everybody add to a number in the file, under the lock.
fn count(on: &mut Play<'_>, descriptor: Descriptor) -> Done<Count> {
    if descriptor == Descriptor::Opened {
        // Closed before anybody opens it: while it is open, others of its host may read old data.
        on.act(&[close(ONE, 0), close(TWO, 0)])?;
        on.act(&[ONE, TWO].map(|who| open(who, 0, &on.file, How::RW)))?;
    }
    crowd(on)?;
    on.act(&[does(ONE, Call::SetLength { fd: 0, bytes: 0 })])?;
    let guard = on.stage.name("guard");
    let limit = on.stage.limits().change;
    let turns = on.stage.turns(25);
    let call = Burst::Count { fd: 0, family: on.family, guard: guard.clone(), turns };
    // All wait before the first begins, or it might be done before the last one asks.
    on.act(&[get(ONE, 0, W, ALL, FREE)])?;
    for actor in &mut on.actors[TWO..] {
        actor.begin(Call::Burst(call.clone()))?;
    }
    on.pause()?;
    on.act(&[unlock(ONE, 0, ALL)])?;
    on.actors[ONE].begin(Call::Burst(call.clone()))?;
    let mut found = Count::default();
    let mut times: [Vec<(u64, u64)>; 2] = [Vec::new(), Vec::new()];
    for who in 0..CROWD {
        match on.actors[who].finish(limit * 4)?.map(|reply| reply.result) {
            Some(Ok(Value::Counted { intruders, held, .. })) => {
                found.intruders += intruders;
                found.turns += held.len() as u64;
                let host = if on.stage.two_hosts() { who % 2 } else { 0 };
                times[host].extend(held);
            }
            Some(Err(errno)) => {
                let call = Call::Burst(call);
                let evidence = on.evidence(who, &call).errno(errno);
                let summary = match errno {
                    110 => "One of several processes never got the lock that they share in turns."
                        .into(),
                    _ => meaning::refused(&call.to_string(), errno),
                };
                return Err(Told::fail(summary).with(evidence).into());
            }
            _ => {
                let evidence = on.actors[who].evidence().file(&on.file);
                let note = format!("no answer within {:.0} s", (limit * 4).as_secs_f64());
                return Err(Trouble::Stuck(Box::new(evidence.with_note(note))).into());
            }
        }
    }
    found.overlaps = times.iter_mut().map(overlaps).sum();
    on.act(&[get(ONE, 0, W, ALL, "A lock that was given back stays taken.")])?;
    let read = on.actors[ONE].read(0, 0, 8)?;
    let number = read.try_into().map_or(0, u64::from_le_bytes);
    found.lost = found.turns.saturating_sub(number);
    // A file of two holders may be left.
    on.actors[ONE].call(Call::Unlink { name: guard })?;
    Ok(found)
}

/// How many times overlap.
fn overlaps(times: &mut Vec<(u64, u64)>) -> u32 {
    times.sort_unstable();
    let mut end = 0;
    let mut found = 0;
    for (from, to) in times {
        found += u32::from(*from < end);
        end = end.max(*to);
    }
    found
}

pub(super) fn race(stage: &Stage) -> Result<Told, Trouble> {
    const PASS: &str = "Of processes that take the lock in turns only one is inside at a time.";
    super::play::each(stage, "race", RECORD_LOCKS, PASS, |on| {
        let found = count(on, Descriptor::Opened)?;
        // A file that another host removed may be seen for a while where names are remembered, so
        // that alone proves nothing.
        if found.overlaps == 0 && (found.intruders == 0 || found.lost == 0) {
            return Ok(());
        }
        let note = format!(
            "{CROWD} processes took the {} {} times: {} times two of one host had it by that \
             host's clock, {} times the file of another holder was there, {} increases of a number \
             were lost",
            family_name(on.family),
            found.turns,
            found.overlaps,
            found.intruders,
            found.lost
        );
        let evidence = Evidence::note(note).file(&on.file);
        let summary = "Two processes held the exclusive lock at the same time when several asked.";
        Err(Told::fail(summary).with(evidence).into())
    })
}

pub(super) fn update(on: &mut Play<'_>) -> Done {
    let Some(evidence) = lost(on, Descriptor::Opened)? else { return Ok(()) };
    let summary = "Who gets a lock reads older data than its last holder wrote.";
    Err(Told::fail(summary).with(evidence).into())
}

pub(super) fn update_by_maker(on: &mut Play<'_>) -> Done {
    let Some(evidence) = lost(on, Descriptor::Made)? else { return Ok(()) };
    let summary = "While the maker of a file has it open, its host reads older data than the last \
                   holder of the lock wrote.";
    Err(Told::warning(summary).with(evidence).into())
}

/// What was lost although everybody had the lock, if anything.
fn lost(on: &mut Play<'_>, descriptor: Descriptor) -> Done<Option<Evidence>> {
    let found = count(on, descriptor)?;
    if found.lost == 0 {
        return Ok(None);
    }
    let note = format!(
        "{CROWD} processes added 1 to a number {} times, under the lock; {} increases were lost",
        found.turns, found.lost
    );
    Ok(Some(Evidence::note(note).file(&on.file).offset(0)))
}

pub(super) fn stopped(on: &mut Play<'_>) -> Done {
    const WORDS: &str = "A lock is lost when its holder is stopped for a moment.";
    on.act(&[take(ONE, 0, W, ALL, FREE)])?;
    on.actors[ONE].pause(true)?;
    on.pause()?;
    let held = on.act(&[refused(TWO, 0, W, ALL, WORDS)]);
    on.actors[ONE].pause(false)?;
    held?;
    on.act(&[
        take(ONE, 0, W, ALL, "A process was refused the lock that it holds itself."),
        refused(TWO, 0, W, ALL, WORDS),
    ])
}

/// A lock that is held, and nothing else, for longer than servers wait for a sign of life.
pub(super) fn long(stage: &Stage) -> Result<Told, Trouble> {
    let mut lease = 0;
    for place in [Place::First, Place::Second] {
        // Whoever cannot be asked is in trouble with the first call on a lock, too.
        let nfs = stage.facts(place).ok().and_then(|facts| facts.nfs.as_ref());
        lease = lease.max(nfs.and_then(|nfs| nfs.lease_seconds).unwrap_or_default());
    }
    idle(stage, hold(stage.limits().hold, lease))
}

/// The longest lease that is believed, in seconds.
const LEASE_MAX: u32 = 3600;

/// How long a lock is held, with a lease of so many seconds; 0 if none is known.
fn hold(at_least: Duration, lease: u32) -> Duration {
    at_least.max(Duration::from_secs(2 * u64::from(lease.min(LEASE_MAX))))
}

/// The same for a moment, which finds the worst.
pub(super) fn brief(stage: &Stage) -> Result<Told, Trouble> {
    idle(stage, stage.limits().hold / 20)
}

fn idle(stage: &Stage, all: Duration) -> Result<Told, Trouble> {
    const WORDS: &str = "A lock was given away although its holder lives: it had only been idle.";
    let play = || {
        let mut on = Play::new(stage)?;
        on.family = Family::Ofd;
        on.new_file("idle")?;
        on.act(&[take(ONE, 0, W, ALL, FREE), refused(TWO, 0, W, ALL, "It excludes nobody.")])?;
        let part = (all / 5).min(Duration::from_secs(10));
        let mut done = Duration::ZERO;
        while done < all {
            let next = part.min(all.saturating_sub(done));
            stage.let_pass(next, done, all)?;
            done += next;
            on.act(&[refused(TWO, 0, W, ALL, WORDS)])?;
        }
        let useless = "A lock that was held for long is no use: its holder cannot write.";
        let write = Call::Write { fd: 0, at: 0, bytes: Bytes::Text("still here".to_owned()) };
        on.act(&[
            take(ONE, 0, W, ALL, "A process was refused the lock that it holds itself."),
            wants(ONE, write, Want::Done, useless),
            wants(ONE, Call::Fsync { fd: 0 }, Want::Done, useless),
            refused(TWO, 0, W, ALL, WORDS),
            unlock(ONE, 0, ALL),
            get(TWO, 0, W, ALL, "A lock that was given back stays taken."),
        ])?;
        let seconds = all.as_secs_f64();
        Ok(on.told(&format!("A lock is kept for {seconds:.0} s without input or output.")))
    };
    ended(play())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_held_for_twice_the_lease_at_least() {
        let at_least = Duration::from_secs(100);
        for (lease, seconds) in [(0, 100), (10, 100), (90, 180), (u32::MAX, 7200)] {
            assert_eq!(hold(at_least, lease), Duration::from_secs(seconds), "{lease}");
        }
    }
}
