//! Written and read again.

use miqm_sys::probe::How;

use super::super::tools::errno::NOT_THERE;
use super::super::tools::{
    PAGE, all, append_all, differs, fail, flush, must_all, open, pour, stamps,
};
use crate::call::{Burst, Call, Value};
use crate::finding::Told;
use crate::stage::{Actor, Place, Stage, Trouble};
use crate::stamp::Content;

const KIB: u64 = 1024;
const MIB: u64 = KIB * KIB;
/// The most that one read brings.
const LARGE: u32 = 64 * 1024;

/// A part of a file that is written: the tag, from where, how much, by how much at a time.
type Part = (u32, u64, u64, u32);

/// In pages, in pieces of no alignment, backwards, and large; two files in turn, so that data that
/// land in the other one are seen.
const PARTS: &[(usize, Part)] = &[
    (0, (1, 0, 64 * KIB, 4096)),
    (1, (2, 0, 64 * KIB, 4096)),
    (0, (1, 64 * KIB, 30_000, 1000)),
    (1, (2, 64 * KIB, 8000, 1)),
    (1, (2, 64 * KIB + 8000, 30_011, 7919)),
    (0, (1, 64 * KIB + 30_000, 20_000, 512)),
    (0, (1, 128 * KIB, 4 * MIB, LARGE)),
    (1, (2, 200 * KIB, 4096, 4096)),
    (1, (2, 192 * KIB, 4096, 4096)),
    (1, (2, 196 * KIB, 4096, 4096)),
];

fn write((fd, (tag, at, bytes, chunk)): (u8, Part)) -> Call {
    Call::Burst(Burst::Pour { fd, tag, at, bytes, chunk })
}

fn read((fd, (tag, at, bytes, _)): (u8, Part), chunk: u32) -> Call {
    let content = Content::Stamps(tag);
    Call::Burst(Burst::Compare { fd, content, at, bytes, chunk })
}

pub(super) fn readback(stage: &Stage) -> Result<Told, Trouble> {
    let files = [stage.name("readback"), stage.name("readback-too")];
    let (mut one, mut two) = stage.pair()?;
    must_all(&mut one, vec![open(0, &files[0], How::NEW), open(1, &files[1], How::NEW)])?;
    let parts = || PARTS.iter().map(|(file, part)| (*file, shorter(*part)));
    must_all(&mut one, parts().map(|(file, part)| write((slot(file), part))).collect())?;
    for (file, name) in files.iter().enumerate() {
        let own = |chunk| {
            let parts = parts().filter(move |(of, _)| *of == file);
            parts.map(move |(_, part)| read((slot(file), part), chunk)).collect::<Vec<_>>()
        };
        if let Some(evidence) = differs(&mut one, name, own(LARGE))? {
            return Ok(fail("What was written is not what is read by who wrote it.", evidence));
        }
        let mut calls = vec![open(slot(file), name, How::RO)];
        calls.extend(own(LARGE / 4));
        if let Some(evidence) = differs(&mut two, name, calls)? {
            return Ok(fail("What was written is not what another process reads.", evidence));
        }
    }
    for fd in [0, 1] {
        flush(&mut one, fd)?;
    }
    let direct = past_cache(&mut two, &files[0], (1, 0, 64 * KIB, LARGE))?;
    let told = match direct {
        Direct::Same => "by the writer, by another process and past the cache",
        Direct::Differs(told) => return Ok(*told),
        Direct::None => "by the writer and by another process; there is no O_DIRECT here",
    };
    must_all(&mut one, vec![Call::Close { fd: 0 }, Call::Close { fd: 1 }])?;
    let mut calls = vec![open(0, &files[0], How::RO)];
    calls.extend(parts().filter(|(of, _)| *of == 0).map(|(_, part)| read((0, part), LARGE)));
    if let Some(evidence) = differs(&mut one, &files[0], calls)? {
        return Ok(fail("What was written is not there after it was synchronised.", evidence));
    }
    Ok(Told::pass(format!("It is read {told}.")))
}

fn slot(file: usize) -> u8 {
    u8::try_from(file).unwrap_or_default()
}

/// Single bytes only a few times.
fn shorter((tag, at, bytes, chunk): Part) -> Part {
    if chunk == 1 { (tag, at + bytes - 64, 64, 1) } else { (tag, at, bytes, chunk) }
}

/// What reading past the cache showed.
enum Direct {
    Same,
    Differs(Box<Told>),
    /// It is not possible here.
    None,
}

fn past_cache(actor: &mut Actor, name: &str, part: Part) -> Result<Direct, Trouble> {
    let how = How { direct: true, ..How::RO };
    let opened = all(actor, vec![open(8, name, how), Call::Read { fd: 8, at: 0, bytes: PAGE }])?;
    for reply in opened {
        match reply.result {
            Err(errno) if NOT_THERE.contains(&errno) => return Ok(Direct::None),
            _ => {}
        }
    }
    let found = differs(actor, name, vec![open(8, name, how), read((8, part), LARGE)])?;
    Ok(found.map_or(Direct::Same, |evidence| {
        let told = "What was written and synchronised is not what is read past the cache.";
        Direct::Differs(Box::new(fail(told, evidence)))
    }))
}

pub(super) fn overwrite(stage: &Stage) -> Result<Told, Trouble> {
    let name = stage.name("overwrite");
    let (mut one, mut two) = stage.pair()?;
    let whole = 64 * KIB;
    must_all(&mut one, vec![open(0, &name, How::NEW), pour(0, 1, 0, whole)])?;
    must_all(
        &mut one,
        vec![open(1, &name, How::RO), stamps(0, 1, 0, whole), stamps(1, 1, 0, whole)],
    )?;
    must_all(&mut two, vec![open(0, &name, How::RO), stamps(0, 1, 0, whole)])?;
    // Whole pages, parts of pages, and the same page twice.
    let new: [(u32, u64, u64); 6] = [
        (1, 0, 100),
        (3, 100, 4900),
        (1, 5000, 3 * 4096 - 5000),
        (4, 3 * 4096, 4 * 4096),
        (1, 7 * 4096, whole - 8 * 4096),
        (6, whole - 4096, 4096),
    ];
    let mut writes: Vec<_> = new.iter().filter(|part| part.0 != 1).copied().collect();
    writes.insert(0, (5, 3 * 4096, 4096));
    must_all(&mut one, writes.iter().map(|(tag, at, bytes)| pour(0, *tag, *at, *bytes)).collect())?;
    let reads = |fd| new.iter().map(move |(tag, at, bytes)| stamps(fd, *tag, *at, *bytes));
    if let Some(evidence) = differs(&mut one, &name, reads(0).collect())? {
        return Ok(fail("Who overwrote data reads the old ones.", evidence));
    }
    if let Some(evidence) = differs(&mut one, &name, reads(1).collect())? {
        return Ok(fail("Overwritten data are still read by another descriptor.", evidence));
    }
    let mut calls: Vec<_> = reads(0).collect();
    calls.push(open(1, &name, How::RO));
    calls.extend(reads(1));
    if let Some(evidence) = differs(&mut two, &name, calls)? {
        return Ok(fail("Overwritten data are still read by another process.", evidence));
    }
    flush(&mut one, 0)?;
    if let Direct::Differs(told) = past_cache(&mut two, &name, (4, 3 * 4096, 4 * 4096, LARGE))? {
        return Ok(*told);
    }
    Ok(Told::pass("Whole and partial pages are new for the writer and for another process."))
}

pub(super) fn append(stage: &Stage) -> Result<Told, Trouble> {
    let name = stage.name("append");
    let end = How { append: true, ..How::MAKE };
    let mut actors = [stage.actor(Place::First)?, stage.actor(Place::First)?];
    for actor in &mut actors {
        actor.open(0, &name, end)?;
    }
    let mut at = 0;
    for turn in 0..12_u32 {
        let actor = &mut actors[turn as usize % 2];
        for len in [1, 100, 511, 4096] {
            append_all(actor, 0, 1, at, len + turn)?;
            at += u64::from(len + turn);
        }
    }
    let calls = vec![open(1, &name, How::RO), stamps(1, 1, 0, at)];
    if let Some(evidence) = differs(&mut actors[0], &name, calls)? {
        return Ok(fail("What was appended is not all at the end of the file.", evidence));
    }
    let found = super::super::tools::attributes(&mut actors[1], Call::StatFd { fd: 0 })?;
    if found.bytes != at {
        let note = format!("{at} bytes were appended, the length is {}", found.bytes);
        let evidence = super::super::tools::on(&actors[1], &name, note);
        return Ok(fail("A file that was appended to has another length.", evidence));
    }
    Ok(Told::pass("Two processes appended in turn, and nothing is lost."))
}

/// Lengths of what is added to a file.
const PIECES: &[u64] =
    &[1, 511, 513, 4095, 4097, 100, 8191, 8193, 1, 1, 7, 3000, 1096, 2048, 2047, 4096, 12, 1024];

pub(super) fn tail(stage: &Stage) -> Result<Told, Trouble> {
    let name = stage.name("tail");
    let (mut one, mut two) = stage.pair()?;
    one.open(0, &name, How::NEW)?;
    two.open(0, &name, How::RO)?;
    let mut end = 0;
    for (turn, bytes) in PIECES.iter().enumerate() {
        must_all(&mut one, vec![write((0, (1, end, *bytes, LARGE)))])?;
        end += bytes;
        if turn % 3 == 0 {
            flush(&mut one, 0)?;
        }
        let mut calls = Vec::new();
        if turn % 4 == 0 {
            calls.extend([Call::Close { fd: 0 }, open(0, &name, How::RW)]);
        }
        calls.push(stamps(0, 1, 0, end));
        if let Some(evidence) = differs(&mut one, &name, calls)? {
            return Ok(fail("Bytes near the end of a file were damaged by adding more.", evidence));
        }
        if let Some(evidence) = differs(&mut two, &name, vec![stamps(0, 1, 0, end)])? {
            let told = "Another process reads other bytes near the end of a file.";
            return Ok(fail(told, evidence));
        }
    }
    let calls = vec![Call::Close { fd: 0 }, open(0, &name, How::RO), stamps(0, 1, 0, end)];
    if let Some(evidence) = differs(&mut one, &name, calls)? {
        return Ok(fail("Bytes near the end of a file were damaged by closing it.", evidence));
    }
    Ok(Told::pass(format!("{} pieces up to {end} bytes are whole.", PIECES.len())))
}

pub(super) fn large(stage: &Stage) -> Result<Told, Trouble> {
    let name = stage.name("large");
    let (mut one, mut two) = stage.pair()?;
    one.open(0, &name, How::NEW)?;
    let chunk = u32::try_from(MIB).unwrap_or(u32::MAX);
    let call = Call::Burst(Burst::Pour { fd: 0, tag: 1, at: 0, bytes: MIB, chunk });
    let poured = must_all(&mut one, vec![call])?.pop();
    let Some(Value::Poured { short, .. }) = poured else {
        return Err(super::super::tools::strange(&one, "no end of a write was answered"));
    };
    let calls = vec![open(0, &name, How::RO), read((0, (1, 0, MIB, 0)), LARGE)];
    if let Some(evidence) = differs(&mut two, &name, calls)? {
        return Ok(fail("A part of a large write is not there.", evidence));
    }
    Ok(Told::pass(if short == 0 {
        "It is written by one call.".to_owned()
    } else {
        format!("It takes {} calls, and each says truly how much it wrote.", short + 1)
    }))
}
