//! Lengths, holes and space.

use miqm_sys::probe::{How, errno_name};

use super::super::tools::errno::NOT_THERE;
use super::super::tools::{
    attributes, compare, differs, fail, flush, must_all, on, open, pour, stamps, stat, unlink,
};
use crate::call::Call;
use crate::finding::{Evidence, Told};
use crate::stage::{Actor, Stage, Trouble};
use crate::stamp::Content::Zeros;

const KIB: u64 = 1024;

/// Leaves bytes on the storage that nobody must ever see again.
fn litter(stage: &Stage, actor: &mut Actor) -> Result<(), Trouble> {
    let name = stage.name("litter");
    let calls = vec![open(9, &name, How::NEW), pour(9, 9, 0, 256 * KIB)];
    must_all(actor, calls)?;
    flush(actor, 9)?;
    must_all(actor, vec![Call::Close { fd: 9 }, unlink(&name)]).map(drop)
}

pub(super) fn holes(stage: &Stage) -> Result<Told, Trouble> {
    let name = stage.name("holes");
    let (mut one, mut two) = stage.pair()?;
    litter(stage, &mut one)?;
    let (first, second, end) = (100 * KIB + 77, 150 * KIB, 154 * KIB + 1);
    let writes = vec![open(0, &name, How::NEW), pour(0, 1, first, 1000), pour(0, 1, second, 4097)];
    must_all(&mut one, writes)?;
    flush(&mut one, 0)?;
    let reads = || {
        vec![
            compare(0, Zeros, 0, first),
            stamps(0, 1, first, 1000),
            compare(0, Zeros, first + 1000, second - first - 1000),
            stamps(0, 1, second, end - second),
        ]
    };
    if let Some(evidence) = differs(&mut one, &name, reads())? {
        return Ok(fail("What was never written does not read as zeros.", evidence));
    }
    two.open(0, &name, How::RO)?;
    if let Some(evidence) = differs(&mut two, &name, reads())? {
        let told = "Another process does not read zeros where nothing was written.";
        return Ok(fail(told, evidence));
    }
    Ok(Told::pass("Holes before, between and behind data read as zeros."))
}

pub(super) fn truncate(stage: &Stage) -> Result<Told, Trouble> {
    let name = stage.name("truncate");
    let (mut one, mut two) = stage.pair()?;
    let whole = 64 * KIB;
    must_all(&mut one, vec![open(0, &name, How::NEW), pour(0, 1, 0, whole)])?;
    must_all(&mut two, vec![open(0, &name, How::RO), stamps(0, 1, 0, whole)])?;
    let length = |bytes| Call::SetLength { fd: 0, bytes };
    // Each step, and then what there is: stamps up to a position, zeros to the end.
    let steps: [(Vec<Call>, u64, u64); 6] = [
        (vec![length(10_000)], 10_000, 10_000),
        (vec![length(whole)], 10_000, whole),
        (vec![length(5000), length(5001), length(whole + 10)], 5000, whole + 10),
        (vec![pour(0, 1, 0, whole), length(4096), pour(0, 1, 4096, 1000)], 5096, 5096),
        (vec![length(100), length(101), length(4096 * 3)], 100, 4096 * 3),
        (vec![pour(0, 1, 0, whole), length(0), length(whole)], 0, whole),
    ];
    for (calls, data, end) in steps {
        must_all(&mut one, calls)?;
        for actor in [&mut one, &mut two] {
            if let Some(told) = extent(actor, &name, data, end)? {
                return Ok(told);
            }
        }
    }
    // A write behind the new end, and O_TRUNC.
    let emptied = How { truncate: true, ..How::RW };
    let calls = vec![pour(0, 1, 0, whole), length(3000), pour(0, 1, 20_000, 96)];
    must_all(&mut one, calls)?;
    let reads = vec![
        stamps(0, 1, 0, 3000),
        compare(0, Zeros, 3000, 17_000),
        stamps(0, 1, 20_000, 96),
        Call::Close { fd: 0 },
        open(0, &name, emptied),
        pour(0, 1, 9000, 96),
        compare(0, Zeros, 0, 9000),
    ];
    if let Some(evidence) = differs(&mut one, &name, reads)? {
        return Ok(fail(
            "Data that were cut off are there again after a write behind them.",
            evidence,
        ));
    }
    Ok(Told::pass("After a file was made longer again, the new part reads as zeros."))
}

/// What is wrong with a file in slot 0 that should have stamps up to `data` and zeros up to `end`.
fn extent(actor: &mut Actor, name: &str, data: u64, end: u64) -> Result<Option<Told>, Trouble> {
    let found = attributes(actor, Call::StatFd { fd: 0 })?.bytes;
    if found != end {
        let note = format!("its length was set to {end} bytes and is {found}");
        return Ok(Some(fail(
            "A file does not have the length it was given.",
            on(actor, name, note),
        )));
    }
    if let Some(evidence) = differs(actor, name, vec![stamps(0, 1, 0, data)])? {
        return Ok(Some(fail("A file lost data before the place where it was cut.", evidence)));
    }
    if let Some(evidence) = differs(actor, name, vec![compare(0, Zeros, data, end - data)])? {
        return Ok(Some(fail("Data that were cut off are there again.", evidence)));
    }
    Ok(beyond(actor, 0, name, end)?
        .map(|evidence| fail("Bytes can be read behind the end of a file.", evidence)))
}

/// Bytes behind the end of a file.
fn beyond(actor: &mut Actor, fd: u8, name: &str, end: u64) -> Result<Option<Evidence>, Trouble> {
    let from = end.saturating_sub(10);
    let found = actor.read(fd, from, 5000)?.len() as u64;
    let wanted = end - from;
    Ok((found != wanted).then(|| {
        let note = format!("the file ends at {end}; from {from} on {found} bytes could be read");
        on(actor, name, note).offset(end)
    }))
}

pub(super) fn size(stage: &Stage) -> Result<Told, Trouble> {
    let name = stage.name("size");
    let (mut one, mut two) = stage.pair()?;
    one.open(0, &name, How::NEW)?;
    two.open(0, &name, How::RO)?;
    let mut end = 0;
    for bytes in [1, 4095, 4096, 100, 10_000, 1, 65_536] {
        must_all(&mut one, vec![pour(0, 1, end, bytes)])?;
        end += bytes;
        for actor in [&mut one, &mut two] {
            let lengths = [
                ("fstat", attributes(actor, Call::StatFd { fd: 0 })?.bytes),
                ("stat", attributes(actor, stat(&name))?.bytes),
            ];
            for (call, found) in lengths {
                if found != end {
                    let note = format!("{end} bytes were written, {call} says {found}");
                    let told = "The length of a file is wrong after a write.";
                    return Ok(fail(told, on(actor, &name, note)));
                }
            }
            if let Some(evidence) = beyond(actor, 0, &name, end)? {
                return Ok(fail("The end of a file is wrong after a write.", evidence));
            }
        }
    }
    Ok(Told::pass("Two processes see the right length after each write."))
}

pub(super) fn allocate(stage: &Stage) -> Result<Told, Trouble> {
    let name = stage.name("allocate");
    let (mut one, mut two) = stage.pair()?;
    litter(stage, &mut one)?;
    must_all(&mut one, vec![open(0, &name, How::NEW), pour(0, 1, 0, 5000)])?;
    let (at, space) = (4096, 1024 * KIB);
    let end = at + space;
    let call = Call::Allocate { fd: 0, at, bytes: space };
    match one.call(call.clone())?.result {
        Ok(_) => {}
        Err(errno) if NOT_THERE.contains(&errno) => {
            let told =
                "There is no fallocate here; space is set aside by writing zeros, which is slower.";
            let evidence = Evidence { call: call.to_string(), ..on(&one, &name, "") };
            return Ok(Told::not_applicable(told).with(evidence.errno(errno)));
        }
        Err(errno) => {
            let told = format!("1 MiB cannot be set aside: {}.", errno_name(errno));
            let evidence = Evidence { call: call.to_string(), ..on(&one, &name, "") };
            return Ok(fail(told, evidence.errno(errno)));
        }
    }
    two.open(0, &name, How::RO)?;
    for actor in [&mut one, &mut two] {
        let found = attributes(actor, Call::StatFd { fd: 0 })?.bytes;
        if found != end {
            let note = format!("space was set aside up to {end} bytes, the length is {found}");
            let told = "The length of a file is wrong after space was set aside.";
            return Ok(fail(told, on(actor, &name, note)));
        }
        let reads = vec![stamps(0, 1, 0, 5000), compare(0, Zeros, 5000, end - 5000)];
        if let Some(evidence) = differs(actor, &name, reads)? {
            let told = "Setting space aside changed data, or left other ones there.";
            return Ok(fail(told, evidence));
        }
    }
    must_all(&mut one, vec![pour(0, 2, 100 * KIB, 10_000)])?;
    flush(&mut one, 0)?;
    let calls = vec![
        stamps(0, 1, 0, 5000),
        compare(0, Zeros, 5000, 100 * KIB - 5000),
        stamps(0, 2, 100 * KIB, 10_000),
    ];
    if let Some(evidence) = differs(&mut one, &name, calls)? {
        return Ok(fail("What was written to space that was set aside is not there.", evidence));
    }
    Ok(Told::pass("It has the right length, reads as zeros, and can be written."))
}
