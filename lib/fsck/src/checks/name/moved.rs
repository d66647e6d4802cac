//! Files that get other names.

use std::time::Duration;

use miqm_sys::clock::BootInstant;
use miqm_sys::probe::{How, errno_name};

use super::super::tools::errno::{EEXIST, ENOENT, ESTALE, NOT_THERE};
use super::super::tools::{
    PAGE, attributes, differs, fail, make_file, must_all, not_refused, on, open, open_when_there,
    pour, rename as renames, stamps, stat, strange, unlink,
};
use crate::call::{Burst, Bytes, Call, Value};
use crate::finding::{Evidence, Told};
use crate::stage::{Actor, Stage, Trouble};

const LONG: u64 = 3 * PAGE as u64;
const SHORT: u64 = 2 * PAGE as u64;

pub(super) fn rename(stage: &Stage) -> Result<Told, Trouble> {
    let (mut one, mut two) = stage.pair()?;
    let (source, free, taken) = (stage.name("from"), stage.name("to"), stage.name("over"));
    make_file(&mut one, 0, &source, 1, SHORT)?;
    make_file(&mut one, 1, &taken, 2, LONG)?;
    let inode = attributes(&mut one, Call::StatFd { fd: 0 })?.inode;
    must_all(&mut one, vec![Call::Close { fd: 0 }, Call::Close { fd: 1 }])?;
    attributes(&mut two, stat(&taken))?;
    for (from, to) in [(&source, &free), (&free, &taken)] {
        one.must(renames(from, to))?;
        for actor in [&mut one, &mut two] {
            if let Some(told) = renamed(actor, from, to, inode)? {
                return Ok(told);
            }
        }
    }
    if let Some(evidence) = not_refused(&mut one, renames(&source, &taken), &[ENOENT])? {
        return Ok(fail("A file that is not there can be renamed.", evidence));
    }
    Ok(Told::pass("The old name is gone, and the new one is the same file."))
}

/// What is wrong after a file of [`SHORT`] stamps with the tag 1 was renamed.
fn renamed(actor: &mut Actor, from: &str, to: &str, inode: u64) -> Result<Option<Told>, Trouble> {
    let Some(found) = actor.stat(to)? else {
        let evidence = on(actor, to, format!("rename({from}, {to}) succeeded"));
        return Ok(Some(fail("A renamed file is not there under its new name.", evidence)));
    };
    let calls = vec![open(2, to, How::RO), stamps(2, 1, 0, SHORT), Call::Close { fd: 2 }];
    if let Some(evidence) = differs(actor, to, calls)? {
        return Ok(Some(fail("A renamed file has other content under its new name.", evidence)));
    }
    if (found.inode, found.bytes) != (inode, SHORT) {
        let note = format!(
            "inode {inode} with {SHORT} bytes was renamed; inode {} with {} bytes is there",
            found.inode, found.bytes
        );
        return Ok(Some(fail("A renamed file is not the same file.", on(actor, to, note))));
    }
    let gone = not_refused(actor, stat(from), &[ENOENT])?;
    Ok(gone.map(|evidence| fail("A renamed file still has its old name, too.", evidence)))
}

/// For how long the watcher watches.
const WATCH: Duration = Duration::from_millis(120);
/// Renames in one message.
const ROUNDS: u32 = 8;

pub(super) fn atomic(stage: &Stage) -> Result<Told, Trouble> {
    let (mut one, mut two) = stage.pair()?;
    let name = stage.name("atomic");
    let fresh = format!("{name}.new");
    replace(&mut one, &fresh, &name, 1)?;
    open_when_there(&mut two, 0, &name, How::RO, stage.limits().change)?;
    two.close(0)?;
    let watch = if stage.two_hosts() { 10 * WATCH } else { WATCH };
    let for_ms = u32::try_from(watch.as_millis()).unwrap_or(u32::MAX);
    let texts = [1, 2].map(|tag| Bytes::Stamps { tag, at: 0, len: 2 * PAGE }).into();
    two.begin(Call::Burst(Burst::Watch { name: name.clone(), texts, for_ms }))?;
    let limit = watch.saturating_add(stage.limits().call);
    let until = BootInstant::now().saturating_add(limit);
    let mut renames = 0;
    let watched = loop {
        for at in 0..ROUNDS {
            replace(&mut one, &fresh, &name, 2 - at % 2)?;
            renames += 1;
        }
        if let Some(reply) = two.finish(Duration::ZERO)? {
            break reply;
        }
        if until.left().is_zero() {
            let note = format!("no answer within {:.0} s", limit.as_secs_f64());
            let evidence = two.evidence().with_note(note);
            two.kill()?;
            return Err(Trouble::Stuck(Box::new(evidence)));
        }
    };
    match watched.result {
        Ok(Value::Watched { seen, missing, other, errno }) => {
            let count = seen.iter().sum::<u32>();
            Ok(judge(stage, &two, &name, renames, (count, missing, other, errno)))
        }
        Ok(_) => Err(strange(&two, "no end of a watch was answered")),
        Err(errno) => Err(Trouble::Refused(Box::new(two.evidence().file(&name).errno(errno)))),
    }
}

/// Writes a new file, and renames it over another.
fn replace(actor: &mut Actor, fresh: &str, name: &str, tag: u32) -> Result<(), Trouble> {
    let write = pour(3, tag, 0, SHORT);
    let calls = vec![open(3, fresh, How::NEW), write, Call::Close { fd: 3 }, renames(fresh, name)];
    must_all(actor, calls).map(drop)
}

fn judge(
    stage: &Stage,
    watcher: &Actor,
    name: &str,
    renames: u32,
    (seen, missing, other, errno): (u32, u32, u32, Option<i32>),
) -> Told {
    let looks = seen + missing + other;
    let evidence = |count: u32, what: &str| {
        let note = format!("{what} {count} of {looks} times, during {renames} renames");
        on(watcher, name, note)
    };
    if missing > 0 {
        let told = "A name was missing for a moment while a file was renamed over it.";
        return fail(told, evidence(missing, "it was missing"));
    }
    if other > 0 {
        let told = "A name had neither the old nor the new content while it was renamed over.";
        return fail(told, evidence(other, "it had other content"));
    }
    match errno {
        // A file that another host has replaced may be gone while it is being read.
        Some(errno) if errno != ESTALE || !stage.two_hosts() => {
            let note = "it could not be opened or read while it was renamed over";
            let told = format!(
                "A name could not be read while it was renamed over: {}.",
                errno_name(errno)
            );
            fail(told, on(watcher, name, note).errno(errno))
        }
        _ if seen == 0 => Told::not_tested("The watcher could not look even once."),
        _ => Told::pass(format!("{seen} looks during {renames} renames found old or new content.")),
    }
}

pub(super) fn rename_open(stage: &Stage) -> Result<Told, Trouble> {
    let (mut one, mut two) = stage.pair()?;
    let (source, taken) = (stage.name("open-from"), stage.name("open-over"));
    make_file(&mut one, 0, &source, 1, SHORT)?;
    make_file(&mut one, 1, &taken, 2, LONG)?;
    two.must(renames(&source, &taken))?;
    // The renamed one is written on by its old descriptor, and read by its new name.
    let calls = vec![stamps(0, 1, 0, SHORT), pour(0, 3, SHORT, SHORT)];
    if let Some(evidence) = differs(&mut one, &source, calls)? {
        return Ok(fail("An open file has other content after it was renamed.", evidence));
    }
    let calls = vec![open(2, &taken, How::RO), stamps(2, 1, 0, SHORT), stamps(2, 3, SHORT, SHORT)];
    if let Some(evidence) = differs(&mut two, &taken, calls)? {
        let told =
            "What was written to an open file after it was renamed is not under its new name.";
        return Ok(fail(told, evidence));
    }
    // The replaced one is still whole for who has it open.
    if let Some(evidence) = differs(&mut one, &taken, vec![stamps(1, 2, 0, LONG)])? {
        let told = "An open file has other content after another one was renamed over it.";
        return Ok(fail(told, evidence));
    }
    Ok(Told::pass(
        "The renamed and the replaced file can be read and written by who has them open.",
    ))
}

pub(super) fn link(stage: &Stage) -> Result<Told, Trouble> {
    let (mut one, mut two) = stage.pair()?;
    let (old, new) = (stage.name("link"), stage.name("link-new"));
    make_file(&mut one, 0, &old, 1, SHORT)?;
    let call = Call::Link { from: old.clone(), to: new.clone() };
    if let Err(errno) = one.call(call.clone())?.result {
        let evidence = Evidence { call: call.to_string(), ..on(&one, &old, "") }.errno(errno);
        let told = if NOT_THERE.contains(&errno) {
            "This file system has no hard links.".to_owned()
        } else {
            format!("A hard link could not be made: {}.", errno_name(errno))
        };
        return Ok(fail(told, evidence));
    }
    if let Some(evidence) = not_refused(&mut one, call, &[EEXIST])? {
        return Ok(fail("A hard link can be made over an existing name.", evidence));
    }
    let calls = vec![open(0, &new, How::RW), stamps(0, 1, 0, SHORT), pour(0, 2, 0, SHORT)];
    if let Some(evidence) = differs(&mut two, &new, calls)? {
        return Ok(fail("A file has other content under its second name.", evidence));
    }
    let calls = vec![open(1, &old, How::RO), stamps(1, 2, 0, SHORT)];
    if let Some(evidence) = differs(&mut one, &old, calls)? {
        let told = "What was written by one name of a file is not there by the other: link copies.";
        return Ok(fail(told, evidence));
    }
    let (first, second) = (attributes(&mut one, stat(&old))?, attributes(&mut two, stat(&new))?);
    if first.inode != second.inode {
        let note =
            format!("it has inode {} by one name and {} by the other", first.inode, second.inode);
        return Ok(fail("A hard link is another file.", on(&two, &new, note)));
    }
    // Whether what is open can be removed is another matter.
    two.close(0)?;
    must_all(&mut one, vec![Call::Close { fd: 0 }, Call::Close { fd: 1 }, unlink(&old)])?;
    let calls = vec![open(1, &new, How::RO), stamps(1, 2, 0, SHORT)];
    if let Some(evidence) = differs(&mut one, &new, calls)? {
        return Ok(fail("A file lost content with one of its names.", evidence));
    }
    let left = attributes(&mut one, stat(&new))?;
    if (first.links, left.links) != (2, 1) {
        let note = format!("stat counted {} names of two, and {} of one", first.links, left.links);
        let told = "Hard links work, but are not counted right.";
        return Ok(Told::warning(told).with(on(&one, &new, note)));
    }
    Ok(Told::pass("Both names are the same file, and it lives on when one is removed."))
}
