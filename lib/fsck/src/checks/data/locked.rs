//! Data under locks.

use std::time::Duration;

use miqm_sys::lock::Range;
use miqm_sys::probe::{Family, How, Kind, errno_name};

use super::super::tools::{
    Waited, attributes, differs, fail, flush, make_file, must_all, on, open, open_when_there, pour,
    stamps, strange, until,
};
use crate::call::{Burst, Call, Value, Want};
use crate::finding::{Evidence, Series, Told};
use crate::stage::{Actor, Stage, Trouble};

const PAGE: u64 = 4096;
/// Pages at the beginning; one more after each turn.
const PAGES: u64 = 4;
const TURNS: u32 = 10;
/// What is appended at once, of no alignment.
const RECORD: u32 = 1000;
const ROUNDS: u32 = 25;
/// The lock as instances take it.
const FAMILY: Family = Family::Ofd;

pub(super) fn turns(stage: &Stage) -> Result<Told, Trouble> {
    hand_over(stage, false)
}

pub(super) fn cached(stage: &Stage) -> Result<Told, Trouble> {
    hand_over(stage, true)
}

fn hand_over(stage: &Stage, look_before: bool) -> Result<Told, Trouble> {
    let name = stage.name("under-lock");
    let (mut one, mut two) = stage.pair()?;
    make_file(&mut one, 0, &name, 1, PAGES * PAGE)?;
    open_when_there(&mut two, 0, &name, How::RW, stage.limits().change)?;
    // Whatever was cached when the file was made, the first turn begins with its lock.
    let mut pages = PAGES;
    let mut waits = Vec::new();
    for turn in 1..=TURNS {
        let (holder, other) =
            if turn % 2 == 1 { (&mut one, &mut two) } else { (&mut two, &mut one) };
        if look_before {
            // Old pages and the old length, without a lock: nobody demands that they be new.
            let calls = vec![Call::StatFd { fd: 0 }, stamps(0, turn, 0, (pages + 1) * PAGE)];
            must_all(other, calls)?;
        }
        waits.push(lock(holder, &name, stage.limits().wake)?);
        if let Some(told) = old(holder, &name, turn, pages)? {
            return Ok(told);
        }
        pages += 1;
        must_all(holder, vec![pour(0, turn + 1, 0, pages * PAGE)])?;
        if turn % 4 < 2 {
            flush(holder, 0)?;
        }
        holder.unlock(0, FAMILY, Range::WHOLE)?;
    }
    // Shorter, too.
    lock(&mut two, &name, stage.limits().wake)?;
    must_all(&mut two, vec![Call::SetLength { fd: 0, bytes: PAGE }])?;
    // That a file can be cut at all is told by a check of its own.
    let cut = attributes(&mut two, Call::StatFd { fd: 0 })?.bytes == PAGE;
    two.unlock(0, FAMILY, Range::WHOLE)?;
    lock(&mut one, &name, stage.limits().wake)?;
    if cut && let Some(told) = old(&mut one, &name, TURNS + 1, 1)? {
        return Ok(told);
    }
    let place = format!("{} and {}", one.host_name(), two.host_name());
    let series = Series { name: "lock hand-over".into(), place, seconds: waits };
    Ok(Told::pass(format!("In {TURNS} turns each saw all that the other had written."))
        .measured(series))
}

/// Takes the lock of the whole file; how long it took.
fn lock(actor: &mut Actor, name: &str, limit: Duration) -> Result<f64, Trouble> {
    let range = Range::WHOLE;
    let call = Call::Lock { fd: 0, family: FAMILY, kind: Kind::Write, range, wait: false };
    let text = call.to_string();
    let Waited { came, seconds, last } = until(actor, vec![call], Want::Done, limit)?;
    if came {
        return Ok(seconds);
    }
    let evidence = on(actor, name, "the lock could not be had after it was given back");
    let evidence = Evidence { call: text, ..evidence }.seconds(seconds);
    Err(Trouble::Refused(Box::new(match last.result {
        Err(errno) => evidence.errno(errno),
        Ok(_) => evidence,
    })))
}

/// What is old for who has the lock, if anything: the length, or the pages.
fn old(holder: &mut Actor, name: &str, tag: u32, pages: u64) -> Result<Option<Told>, Trouble> {
    let wanted = pages * PAGE;
    let found = attributes(holder, Call::StatFd { fd: 0 })?.bytes;
    if found != wanted {
        let note = format!("under the lock fstat says {found} bytes, {wanted} were written before");
        let told = "Who gets the lock sees an old length of the file.";
        return Ok(Some(fail(told, on(holder, name, note))));
    }
    let Some(evidence) = differs(holder, name, vec![stamps(0, tag, 0, wanted)])? else {
        return Ok(None);
    };
    // So that it is known whether opening the file anew helps.
    let calls = vec![open(1, name, How::RO), stamps(1, tag, 0, wanted)];
    let anew = match differs(holder, name, calls)? {
        None => "after opening it anew they are new",
        Some(_) => "after opening it anew they are still old",
    };
    let note = format!("{}; {anew}", evidence.note);
    let told = "Who gets the lock reads what was there before the last holder wrote.";
    Ok(Some(fail(told, evidence.with_note(note))))
}

pub(super) fn append(stage: &Stage) -> Result<Told, Trouble> {
    let mut all = Vec::new();
    for end in [false, true] {
        let (told, seconds) = append_to(stage, end)?;
        if let Some(told) = told {
            return Ok(told);
        }
        all.extend(seconds);
    }
    let told = format!("{} records by two processes are all there.", all.len());
    let place = format!(
        "{} and {}",
        stage.host_name(crate::Place::First),
        stage.host_name(crate::Place::Second)
    );
    let series = Series { name: "lock with contention".into(), place, seconds: all };
    Ok(Told::pass(told).measured(series))
}

fn append_to(stage: &Stage, end: bool) -> Result<(Option<Told>, Vec<f64>), Trouble> {
    let name = stage.name("records");
    let (mut one, mut two) = stage.pair()?;
    let how = How { append: end, ..How::RW };
    one.open(0, &name, How { append: end, ..How::NEW })?;
    open_when_there(&mut two, 0, &name, how, stage.limits().change)?;
    let limit = stage.limits().change;
    let turns = stage.turns(ROUNDS);
    for (actor, tag) in [(&mut one, 1), (&mut two, 2)] {
        let burst = Burst::Records { fd: 0, family: FAMILY, tag, bytes: RECORD, turns };
        actor.begin(Call::Burst(burst))?;
    }
    let (mut places, mut seconds) = (Vec::new(), Vec::new());
    for (actor, tag) in [(&mut one, 1), (&mut two, 2)] {
        let evidence = actor.evidence().file(&name);
        // Who comes last waits for each of the others.
        let limit = (limit * 2).saturating_add(actor.call_limit());
        match actor.finish(limit)?.map(|reply| reply.result) {
            Some(Ok(Value::Recorded { places: at, seconds: took })) => {
                places.extend(at.into_iter().map(|at| (at, tag)));
                seconds.extend(took);
            }
            Some(Ok(_)) => return Err(strange(actor, "no end of appending was answered")),
            Some(Err(errno)) => {
                let note = format!("appending under a lock ended with {}", errno_name(errno));
                let evidence = evidence.errno(errno).with_note(note);
                return Err(Trouble::Refused(Box::new(evidence)));
            }
            None => {
                actor.kill()?;
                let note = format!("no answer within {:.0} s", limit.as_secs_f64());
                return Err(Trouble::Stuck(Box::new(evidence.with_note(note))));
            }
        }
    }
    places.sort_unstable();
    // Under the lock, by each of them: nobody is in the middle of anything.
    for actor in [&mut one, &mut two] {
        lock(actor, &name, limit)?;
        if let Some(told) = recorded(actor, &name, &places)? {
            return Ok((Some(told), seconds));
        }
        actor.unlock(0, FAMILY, Range::WHOLE)?;
    }
    Ok((None, seconds))
}

/// What is wrong with the records, if anything.
fn recorded(actor: &mut Actor, name: &str, places: &[(u64, u32)]) -> Result<Option<Told>, Trouble> {
    let record = u64::from(RECORD);
    for (number, (at, tag)) in places.iter().enumerate() {
        let wanted = number as u64 * record;
        if *at != wanted {
            let (what, told) = if *at < wanted {
                ("overwritten", "Appends under a lock overwrite each other.")
            } else {
                ("left out", "Appends under a lock leave gaps.")
            };
            let note = format!(
                "{record} bytes at {} were {what}; number {tag} wrote at {at}",
                wanted.min(*at)
            );
            return Ok(Some(fail(told, on(actor, name, note).offset(*at))));
        }
    }
    let found = attributes(actor, Call::StatFd { fd: 0 })?.bytes;
    let wanted = places.len() as u64 * record;
    if found != wanted {
        let note = format!("{wanted} bytes were appended, the length is {found}");
        let told = "A file that was appended to under a lock has another length.";
        return Ok(Some(fail(told, on(actor, name, note))));
    }
    let calls = places.iter().map(|(at, tag)| stamps(0, *tag, *at, record)).collect();
    let told = "A record that was appended under a lock is not there.";
    Ok(differs(actor, name, calls)?.map(|evidence| fail(told, evidence)))
}
