//! Files that come and go.

use std::time::Duration;

use miqm_sys::clock::BootInstant;
use miqm_sys::probe::{How, errno_name};

use super::super::tools::errno::{EEXIST, ENOENT, ENOTEMPTY, NOT_THERE};
use super::super::tools::{
    PAGE, all, attributes, clear, differs, fail, make_file, must_all, names, not_refused, on, open,
    patience, pour, stamps, stat, unlink,
};
use crate::call::{Burst, Call, Value};
use crate::finding::{Evidence, Told};
use crate::stage::{Actor, Place, Stage, Trouble};

const BYTES: u64 = 3 * PAGE as u64;

/// The last component of a name.
pub(super) fn last(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

pub(super) fn create(stage: &Stage) -> Result<Told, Trouble> {
    let name = stage.name("create");
    let (mut one, mut two) = stage.pair()?;
    one.open(0, &name, How::NEW)?;
    let made = attributes(&mut one, Call::StatFd { fd: 0 })?;
    for actor in [&mut one, &mut two] {
        actor.open(1, &name, How::RW)?;
        let calls = vec![stat(&name), Call::StatFd { fd: 1 }];
        for call in calls {
            let found = attributes(actor, call)?;
            if (found.inode, found.bytes) != (made.inode, 0) {
                let note = format!(
                    "inode {} without bytes was made; inode {} with {} bytes is there",
                    made.inode, found.inode, found.bytes
                );
                let told = "The file of a name is not the one that was made.";
                return Ok(fail(told, on(actor, &name, note)));
            }
        }
        if !names(actor, stage.folder())?.iter().any(|found| found == last(&name)) {
            let told = "A listing lacks a file that was made.";
            return Ok(fail(told, on(actor, &name, "the name is not in the list")));
        }
    }
    Ok(Told::pass("Two processes find it by stat, by open and by listing."))
}

pub(super) fn exclusive(stage: &Stage) -> Result<Told, Trouble> {
    let (mut one, mut two) = stage.pair()?;
    let name = stage.name("excl");
    make_file(&mut one, 0, &name, 1, BYTES)?;
    let cut = How { truncate: true, ..How::NEW };
    for actor in [&mut one, &mut two] {
        for how in [How::NEW, cut] {
            if let Some(evidence) = not_refused(actor, open(1, &name, how), &[EEXIST])? {
                let told = "A file can be made with O_EXCL although it is there.";
                return Ok(fail(told, evidence.file(&name)));
            }
        }
    }
    let calls = vec![open(1, &name, How::RO), stamps(1, 1, 0, BYTES)];
    if let Some(evidence) = differs(&mut two, &name, calls)? {
        return Ok(fail("A refused O_EXCL changed the file that was there.", evidence));
    }
    let dir = stage.name("excl-dir");
    one.must(Call::MakeDir { name: dir.clone(), mode: 0o770 })?;
    if let Some(evidence) = not_refused(&mut one, open(1, &dir, How::NEW), &[EEXIST])? {
        return Ok(fail("A file can be made with O_EXCL over a directory.", evidence));
    }
    let link = stage.name("excl-link");
    let target = "nowhere".to_owned();
    let linked = one.call(Call::Symlink { target, name: link.clone() })?.result.is_ok();
    if linked && let Some(evidence) = not_refused(&mut one, open(1, &link, How::NEW), &[EEXIST])? {
        let told = "A file can be made with O_EXCL over a symbolic link.";
        return Ok(fail(told, evidence.file(&link)));
    }
    Ok(Told::pass("An existing file, directory or link is refused, and not changed."))
}

/// Rounds of the race, each with more files, until both places had a chance in the same round.
const FILES: [u32; 3] = [100, 400, 1600];
/// A round that took so long is the last.
const SLOW: Duration = Duration::from_secs(2);

pub(super) fn race(stage: &Stage) -> Result<Told, Trouble> {
    let mut actors = Vec::new();
    for place in [Place::First, Place::Second, Place::First, Place::Second] {
        let mut actor = stage.actor(place)?;
        // So that each of them has begun, and the directory is open.
        attributes(&mut actor, stat(stage.folder()))?;
        actors.push(actor);
    }
    let mut nobody = Vec::new();
    let mut met = false;
    for files in FILES {
        let prefix = format!("{}-", stage.name("race"));
        let began = BootInstant::now();
        let won = race_once(&mut actors, &prefix, files)?;
        clear(&mut actors[0], (0..files).map(|number| format!("{prefix}{number}")))?;
        for number in 0..files {
            let name = format!("{prefix}{number}");
            let winners: Vec<_> = (0..won.len()).filter(|at| won[*at].contains(&number)).collect();
            match winners.as_slice() {
                [_] => {}
                [] => nobody.push(Evidence::note("nobody made it").file(name)),
                [first, second, ..] => {
                    let (first, second) = (&actors[*first], &actors[*second]);
                    let note = format!(
                        "a process of {} and a process of {} both made it with O_EXCL",
                        first.host_name(),
                        second.host_name()
                    );
                    let told = "Two processes made the same file with O_EXCL.";
                    return Ok(fail(told, Evidence::note(note).file(name)));
                }
            }
        }
        let slow = began.elapsed() > SLOW;
        let here = won.iter().step_by(2).map(Vec::len).sum::<usize>();
        let all = files as usize;
        met = (all / 20..all - all / 20).contains(&here);
        if met || slow {
            break;
        }
    }
    if !nobody.is_empty() {
        nobody.truncate(8);
        let told =
            "Files appeared although every process was told that somebody else had made them.";
        return Ok(Told::warning(told).with_all(nobody));
    }
    Ok(Told::pass(if met {
        "Each file was made by exactly one of four processes."
    } else {
        "Each file was made by exactly one of four processes, though one was always faster."
    }))
}

fn race_once(actors: &mut [Actor], prefix: &str, files: u32) -> Result<Vec<Vec<u32>>, Trouble> {
    for actor in &mut *actors {
        actor.begin(Call::Burst(Burst::Exclusive { prefix: prefix.to_owned(), files }))?;
    }
    let mut won = Vec::new();
    for actor in actors {
        let limit = patience(actor, 4 * u64::from(files));
        let evidence = actor.evidence();
        match actor.finish(limit)?.map(|reply| reply.result) {
            Some(Ok(Value::Won(files))) => won.push(files),
            Some(Err(errno)) => return Err(Trouble::Refused(Box::new(evidence.errno(errno)))),
            _ => {
                let note = format!("no answer within {:.0} s", limit.as_secs_f64());
                actor.kill()?;
                return Err(Trouble::Stuck(Box::new(evidence.with_note(note))));
            }
        }
    }
    Ok(won)
}

/// Whether there is still something of a name, seen in any way.
fn ghost(actor: &mut Actor, stage: &Stage, name: &str) -> Result<Option<Evidence>, Trouble> {
    for call in [stat(name), open(1, name, How::RO)] {
        if let Some(evidence) = not_refused(actor, call, &[ENOENT])? {
            return Ok(Some(evidence.file(name)));
        }
    }
    let listed = names(actor, stage.folder())?.iter().any(|found| found == last(name));
    Ok(listed.then(|| on(actor, name, "the name is still in the list")))
}

pub(super) fn remove(stage: &Stage) -> Result<Told, Trouble> {
    let name = stage.name("unlink");
    let (mut one, mut two) = stage.pair()?;
    make_file(&mut one, 0, &name, 1, BYTES)?;
    one.close(0)?;
    // The other one has seen it, too.
    attributes(&mut two, stat(&name))?;
    one.must(unlink(&name))?;
    for actor in [&mut one, &mut two] {
        if let Some(evidence) = ghost(actor, stage, &name)? {
            return Ok(fail("A removed file is still there.", evidence));
        }
    }
    if let Some(evidence) = not_refused(&mut one, unlink(&name), &[ENOENT])? {
        return Ok(fail("A file can be removed twice.", evidence.file(&name)));
    }
    two.open(0, &name, How::NEW)?;
    let found = attributes(&mut two, Call::StatFd { fd: 0 })?;
    if found.bytes != 0 {
        let note = format!("it has {} bytes", found.bytes);
        return Ok(fail("A file that is made anew is not empty.", on(&two, &name, note)));
    }
    Ok(Told::pass("It is neither found nor listed, and a new one of its name is empty."))
}

pub(super) fn remove_open(stage: &Stage) -> Result<Told, Trouble> {
    let name = stage.name("unlink-open");
    let (mut one, mut two) = stage.pair()?;
    make_file(&mut one, 0, &name, 1, BYTES)?;
    two.must(unlink(&name))?;
    make_file(&mut two, 0, &name, 2, BYTES)?;
    let calls = vec![stamps(0, 1, 0, BYTES), pour(0, 3, BYTES, BYTES), stamps(0, 3, BYTES, BYTES)];
    if let Some(evidence) = differs(&mut one, &name, calls)? {
        let told = "An open file has other content after its name was removed.";
        return Ok(fail(told, evidence));
    }
    let calls = vec![open(1, &name, How::RO), stamps(1, 2, 0, BYTES)];
    if let Some(evidence) = differs(&mut two, &name, calls)? {
        let told = "A new file has content of the removed one of its name.";
        return Ok(fail(told, evidence));
    }
    let found = attributes(&mut two, stat(&name))?;
    if found.bytes != BYTES {
        let note = format!("it has {} bytes instead of {BYTES}", found.bytes);
        let told = "A write to a removed file changed a new one of its name.";
        return Ok(fail(told, on(&two, &name, note)));
    }
    Ok(Told::pass("It is read and written on, apart from a new file of its name."))
}

pub(super) fn directory(stage: &Stage) -> Result<Told, Trouble> {
    let dir = stage.name("dir");
    let file = format!("{dir}/file");
    let (mut one, mut two) = stage.pair()?;
    one.must(Call::MakeDir { name: dir.clone(), mode: 0o770 })?;
    if !attributes(&mut two, stat(&dir))?.is_dir() {
        let evidence = on(&two, &dir, "stat says that it is no directory");
        return Ok(fail("A directory that was made is none.", evidence));
    }
    let again = Call::MakeDir { name: dir.clone(), mode: 0o770 };
    if let Some(evidence) = not_refused(&mut two, again, &[EEXIST])? {
        return Ok(fail("A directory can be made twice.", evidence));
    }
    make_file(&mut two, 0, &file, 1, BYTES)?;
    two.close(0)?;
    let remove = Call::RemoveDir { name: dir.clone() };
    let full = [ENOTEMPTY, EEXIST];
    if let Some(evidence) = not_refused(&mut one, remove.clone(), &full)? {
        return Ok(fail("A directory can be removed with a file in it.", evidence));
    }
    must_all(&mut one, vec![unlink(&file), remove])?;
    for actor in [&mut one, &mut two] {
        if let Some(evidence) = not_refused(actor, stat(&dir), &[ENOENT])? {
            return Ok(fail("A removed directory is still there.", evidence));
        }
    }
    Ok(Told::pass("They are made once, and removed only when empty."))
}

/// Makes a symbolic link; why there can be none, if so.
pub(super) fn symlink(
    actor: &mut Actor,
    target: &str,
    name: &str,
) -> Result<Option<String>, Trouble> {
    let call = Call::Symlink { target: target.to_owned(), name: name.to_owned() };
    match all(actor, vec![call.clone()])?.pop().map(|reply| reply.result) {
        Some(Err(errno)) if NOT_THERE.contains(&errno) => Ok(Some(errno_name(errno).to_owned())),
        Some(Err(errno)) => {
            let evidence = on(actor, name, "").errno(errno);
            Err(Trouble::Refused(Box::new(Evidence { call: call.to_string(), ..evidence })))
        }
        _ => Ok(None),
    }
}
