//! Names that the other host sees.

use std::time::Duration;

use miqm_sys::probe::How;

use super::super::tools::errno::{ENOENT, NOT_THERE};
use super::super::tools::{
    PAGE, all, attributes, clear, fail, flush, list, make_file, must_all, names, on, open, rename,
    stamps, stat, unlink,
};
use super::Awaited;
use crate::call::{Burst, Call, Want};
use crate::finding::Told;
use crate::stage::{Actor, Stage, Trouble};

const BYTES: u64 = 2 * PAGE as u64;
const ROUNDS: u32 = 3;

/// Opens a file anew and reads all of it.
fn read(name: &str, tag: u32) -> Vec<Call> {
    vec![open(1, name, How::RO), stamps(1, tag, 0, BYTES)]
}

/// Makes a file on one host, and waits until the other one has opened it.
fn shared(
    (stage, one, two): (&Stage, &mut Actor, &mut Actor),
    name: &str,
    tag: u32,
) -> Result<Option<Told>, Trouble> {
    make_file(one, 0, name, tag, BYTES)?;
    flush(one, 0)?;
    one.close(0)?;
    let never = "The other host never saw a file that was made before.";
    let calls = vec![open(1, name, How::RO)];
    let told = Awaited::new("", never).wait((stage, two), name, calls, Want::Done)?;
    // What is read stays in its cache.
    all(two, vec![stamps(1, tag, 0, BYTES), Call::Close { fd: 1 }])?;
    Ok(told)
}

pub(super) fn create(stage: &Stage) -> Result<Told, Trouble> {
    let (mut one, mut two) = stage.pair()?;
    let mut new = Awaited::new("new file", "The other host never sees new files.");
    for _ in 0..ROUNDS {
        let name = stage.name("see-create");
        make_file(&mut one, 0, &name, 1, BYTES)?;
        flush(&mut one, 0)?;
        one.close(0)?;
        let calls = vec![open(1, &name, How::RO)];
        if let Some(told) = new.wait((stage, &mut two), &name, calls, Want::Done)? {
            return Ok(told);
        }
    }
    Ok(new.told(stage))
}

pub(super) fn cached_negative(stage: &Stage) -> Result<Told, Trouble> {
    let (mut one, mut two) = stage.pair()?;
    let name = stage.name("see-late");
    let limit = patience(stage);
    all(&mut two, vec![stat(&name), open(1, &name, How::RO), list(stage.folder())])?;
    make_file(&mut one, 0, &name, 1, BYTES)?;
    flush(&mut one, 0)?;
    one.close(0)?;
    let never = "The other host never sees a file that it looked for before it was made.";
    let mut new = Awaited::new("new file that was looked for", never);
    let calls = vec![open(1, &name, How::RO)];
    if let Some(told) = new.wait_within(limit, &mut two, &name, calls, Want::Done)? {
        return Ok(told);
    }
    let last = name.rsplit('/').next().unwrap_or_default().to_owned();
    let calls = vec![list(stage.folder())];
    if let Some(told) = new.wait_within(limit, &mut two, &name, calls, Want::Name(last))? {
        return Ok(told);
    }
    Ok(new.told(stage))
}

const FILES: u32 = 60;

/// How long it is waited for what was cached of a directory: longer than that is cached commonly.
fn patience(stage: &Stage) -> Duration {
    stage.limits().change.saturating_mul(3) / 2
}

pub(super) fn listed(stage: &Stage) -> Result<Told, Trouble> {
    let (mut one, mut two) = stage.pair()?;
    let dir = stage.name("see-list");
    one.must(Call::MakeDir { name: dir.clone(), mode: 0o770 })?;
    let prefix = format!("{dir}/file-");
    let prefix_of = prefix.clone();
    must_all(&mut one, vec![Call::Burst(Burst::Exclusive { prefix: prefix_of, files: FILES })])?;
    let mut new = Awaited::new("new files listed", "The other host never lists new files.");
    let last = format!("file-{}", FILES - 1);
    let calls = || vec![list(&dir)];
    if let Some(told) = new.wait((stage, &mut two), &dir, calls(), Want::Name(last))? {
        return Ok(told);
    }
    // Each that is still missing has the same patience.
    new.never = "The other host never lists some of the new files.";
    for number in 0..FILES {
        let name = format!("file-{number}");
        if names(&mut two, &dir)?.len() == FILES as usize {
            break;
        }
        if let Some(told) = new.wait((stage, &mut two), &dir, calls(), Want::Name(name))? {
            return Ok(told);
        }
    }
    clear(&mut one, (0..FILES).map(|number| format!("{prefix}{number}")))?;
    new.never = "The other host goes on listing files that were removed.";
    let gone = Want::NoName(format!("file-{}", FILES / 2));
    let limit = patience(stage);
    if let Some(told) = new.wait_within(limit, &mut two, &dir, calls(), gone)? {
        return Ok(told);
    }
    Ok(new.told(stage))
}

pub(super) fn unlinked(stage: &Stage) -> Result<Told, Trouble> {
    let (mut one, mut two) = stage.pair()?;
    let mut gone = Awaited::new("removal", "The other host goes on finding a removed file.");
    for _ in 0..ROUNDS {
        let name = stage.name("see-unlink");
        if let Some(told) = shared((stage, &mut one, &mut two), &name, 1)? {
            return Ok(told);
        }
        one.must(unlink(&name))?;
        let calls = vec![open(1, &name, How::RO)];
        if let Some(told) = gone.wait((stage, &mut two), &name, calls, Want::Errno(ENOENT))? {
            return Ok(told);
        }
    }
    Ok(gone.told(stage))
}

pub(super) fn renamed(stage: &Stage) -> Result<Told, Trouble> {
    let (mut one, mut two) = stage.pair()?;
    let mut moved = Awaited::new("rename", "");
    for _ in 0..ROUNDS {
        let (old, new) = (stage.name("see-rename"), stage.name("see-renamed"));
        if let Some(told) = shared((stage, &mut one, &mut two), &old, 1)? {
            return Ok(told);
        }
        one.must(rename(&old, &new))?;
        moved.never = "The other host never sees the new name of a file.";
        let calls = vec![open(1, &new, How::RO)];
        if let Some(told) = moved.wait((stage, &mut two), &new, calls, Want::Done)? {
            return Ok(told);
        }
        moved.never = "The other host goes on finding a file under its old name.";
        let calls = vec![open(1, &old, How::RO)];
        if let Some(told) = moved.wait((stage, &mut two), &old, calls, Want::Errno(ENOENT))? {
            return Ok(told);
        }
    }
    Ok(moved.told(stage))
}

pub(super) fn replaced(stage: &Stage) -> Result<Told, Trouble> {
    let (mut one, mut two) = stage.pair()?;
    let name = stage.name("see-replace");
    if let Some(told) = shared((stage, &mut one, &mut two), &name, 1)? {
        return Ok(told);
    }
    let never = "The other host goes on reading a file that another one was renamed over.";
    let mut new = Awaited::new("replacement", never);
    for tag in 2..2 + ROUNDS {
        let fresh = stage.name("see-fresh");
        make_file(&mut one, 0, &fresh, tag, BYTES)?;
        flush(&mut one, 0)?;
        must_all(&mut one, vec![Call::Close { fd: 0 }, rename(&fresh, &name)])?;
        let want = Want::Same(BYTES);
        if let Some(told) = new.wait((stage, &mut two), &name, read(&name, tag), want)? {
            return Ok(told);
        }
    }
    Ok(new.told(stage))
}

pub(super) fn directory(stage: &Stage) -> Result<Told, Trouble> {
    let (mut one, mut two) = stage.pair()?;
    let dir = stage.name("see-dir");
    let name = format!("{dir}/file");
    one.must(Call::MakeDir { name: dir.clone(), mode: 0o770 })?;
    make_file(&mut one, 0, &name, 1, BYTES)?;
    flush(&mut one, 0)?;
    one.close(0)?;
    let mut new = Awaited::new("directory", "The other host never sees a new directory.");
    let calls = vec![open(1, &name, How::RO)];
    if let Some(told) = new.wait((stage, &mut two), &name, calls, Want::Done)? {
        return Ok(told);
    }
    // An open file could keep the directory from being empty.
    all(&mut two, vec![Call::Close { fd: 1 }])?;
    must_all(&mut one, vec![unlink(&name), Call::RemoveDir { name: dir.clone() }])?;
    new.never = "The other host goes on finding a removed directory.";
    for calls in [vec![open(1, &name, How::RO)], vec![list(&dir)]] {
        if let Some(told) = new.wait((stage, &mut two), &dir, calls, Want::Errno(ENOENT))? {
            return Ok(told);
        }
    }
    Ok(new.told(stage))
}

pub(super) fn linked(stage: &Stage) -> Result<Told, Trouble> {
    let (mut one, mut two) = stage.pair()?;
    let (old, new) = (stage.name("see-link"), stage.name("see-linked"));
    if let Some(told) = shared((stage, &mut one, &mut two), &old, 1)? {
        return Ok(told);
    }
    let call = Call::Link { from: old.clone(), to: new.clone() };
    if let Err(errno) = one.call(call.clone())?.result {
        if NOT_THERE.contains(&errno) {
            return Ok(Told::not_applicable("This file system has no hard links."));
        }
        one.must(call)?;
    }
    let mut second = Awaited::new("link", "The other host never sees a second name of a file.");
    let calls = vec![open(1, &new, How::RO)];
    if let Some(told) = second.wait((stage, &mut two), &new, calls, Want::Done)? {
        return Ok(told);
    }
    let (first, other) = (attributes(&mut two, stat(&old))?, attributes(&mut two, stat(&new))?);
    if first.inode != other.inode {
        let note =
            format!("its inode is {} by one name and {} by the other", first.inode, other.inode);
        let told = "The other host sees two names of a file as two files.";
        return Ok(fail(told, on(&two, &new, note)));
    }
    Ok(second.told(stage))
}

pub(super) fn mode(stage: &Stage) -> Result<Told, Trouble> {
    let (mut one, mut two) = stage.pair()?;
    let name = stage.name("see-mode");
    // Both can be read by anybody, so that nothing but the mode decides.
    let (before, after) = (0o666, 0o644);
    let made = How { mode: before, ..How::NEW };
    must_all(&mut one, vec![open(0, &name, made), Call::SetMode { fd: 0, mode: before }])?;
    let look = || vec![open(1, &name, How::RO), Call::StatFd { fd: 1 }];
    let mut change = Awaited::new("mode", "The other host never sees a changed mode.");
    if attributes(&mut one, Call::StatFd { fd: 0 })?.permissions() != before {
        return Ok(Told::not_applicable("Modes cannot be changed here."));
    }
    let want = Want::Permissions(before);
    if let Some(told) = change.wait((stage, &mut two), &name, look(), want)? {
        return Ok(told);
    }
    one.must(Call::SetMode { fd: 0, mode: after })?;
    if attributes(&mut one, Call::StatFd { fd: 0 })?.permissions() != after {
        return Ok(Told::not_applicable("Modes cannot be changed here."));
    }
    let want = Want::Permissions(after);
    if let Some(told) = change.wait((stage, &mut two), &name, look(), want)? {
        return Ok(told);
    }
    Ok(change.told(stage))
}
