//! Far positions, and times.

use std::time::Duration;

use miqm_sys::clock::BootInstant;
use miqm_sys::probe::{How, errno_name};

use super::super::tools::errno::{EDQUOT, EFBIG, EINVAL, ENOSPC, EOVERFLOW};
use super::super::tools::{
    all, attributes, differs, fail, flush, make_file, must_all, on, open, pour, stamps, stat,
};
use crate::call::{Call, Value};
use crate::finding::{Evidence, Told};
use crate::stage::{Actor, Place, Stage, Trouble};

const GIB: u64 = 1 << 30;
const PIECE: u64 = 4096;
/// A first hole: where holes cost nothing, so much is quick.
const SMALL: u64 = 64 << 20;
/// How long a hole of that may take.
const QUICK: Duration = Duration::from_secs(1);
/// Around the borders of signed and unsigned 32 bits, in pages and not, and behind them.
const PLACES: [u64; 7] = [
    0,
    2 * GIB - 100,
    2 * GIB + 12_288,
    4 * GIB - 2048,
    4 * GIB + 8192,
    6 * GIB + 4096,
    8 * GIB + 40_960,
];

pub(super) fn far(stage: &Stage) -> Result<Told, Trouble> {
    let name = stage.name("far");
    let (mut one, mut two) = stage.pair()?;
    one.open(0, &name, How::NEW)?;
    let began = BootInstant::now();
    if let Some(told) = piece(&mut one, &name, SMALL)? {
        return Ok(told);
    }
    if began.elapsed() > QUICK {
        let told = "Holes are filled by writing zeros here, so far positions would take too long.";
        return Ok(Told::not_tested(told));
    }
    for at in PLACES {
        if let Some(told) = piece(&mut one, &name, at)? {
            return Ok(told);
        }
    }
    two.open(0, &name, How::RO)?;
    let end = PLACES[PLACES.len() - 1] + PIECE;
    for actor in [&mut one, &mut two] {
        let reads = PLACES.iter().map(|at| stamps(0, 1, *at, PIECE)).collect();
        if let Some(evidence) = differs(actor, &name, reads)? {
            return Ok(fail("Far positions of a file are not kept apart.", evidence));
        }
        let found = [
            attributes(actor, Call::StatFd { fd: 0 })?.bytes,
            attributes(actor, stat(&name))?.bytes,
        ];
        if found != [end, end] {
            let note = format!("it ends at {end}; fstat says {} and stat {}", found[0], found[1]);
            return Ok(fail("The length of a large file is wrong.", on(actor, &name, note)));
        }
    }
    // Gives the space back now.
    one.must(Call::SetLength { fd: 0, bytes: 0 })?;
    Ok(Told::pass("Pages up to 8 GiB are where they were written."))
}

/// Writes a piece; what that means if it is refused.
fn piece(actor: &mut Actor, name: &str, at: u64) -> Result<Option<Told>, Trouble> {
    let call = pour(0, 1, at, PIECE);
    let evidence = Evidence { call: call.to_string(), ..on(actor, name, "") }.offset(at);
    let Some(reply) = all(actor, vec![call.clone()])?.pop() else { return Ok(None) };
    let errno = match reply.result {
        Ok(Value::Poured { errno: Some(errno), .. }) | Err(errno) => errno,
        Ok(Value::Poured { bytes: PIECE, .. }) => return Ok(None),
        // It says what is wrong.
        Ok(_) => return must_all(actor, vec![call]).map(|_| None),
    };
    let evidence = evidence.errno(errno);
    Ok(Some(match errno {
        EFBIG | EOVERFLOW | EINVAL => {
            let told = format!(
                "Files can be no larger than {} MiB ({}), by the file system or by ulimit -f.",
                at >> 20,
                errno_name(errno)
            );
            Told::warning(told).with(evidence)
        }
        ENOSPC | EDQUOT => {
            let told = format!("There is no space for far positions ({}).", errno_name(errno));
            Told::not_tested(told).with(evidence)
        }
        _ => return Err(Trouble::Refused(Box::new(evidence))),
    }))
}

/// How coarse times may be.
const COARSE: Duration = Duration::from_secs(4);

pub(super) fn modified(stage: &Stage) -> Result<Told, Trouble> {
    let name = stage.name("mtime");
    let mut one = stage.actor(Place::First)?;
    make_file(&mut one, 0, &name, 1, PIECE)?;
    flush(&mut one, 0)?;
    let first = attributes(&mut one, Call::StatFd { fd: 0 })?.modified_ns;
    let (began, mut last) = (BootInstant::now(), first);
    for round in 2.. {
        stage.let_pass(Duration::from_millis(5), Duration::ZERO, COARSE)?;
        let tag = 2 + round % 2;
        must_all(&mut one, vec![pour(0, tag, 0, PIECE)])?;
        flush(&mut one, 0)?;
        let found = attributes(&mut one, Call::StatFd { fd: 0 })?.modified_ns;
        let by_name = attributes(&mut one, stat(&name))?.modified_ns;
        if found.min(by_name) < last {
            let back = Duration::from_nanos(last.abs_diff(found.min(by_name)));
            let note = format!("it went back by {} ms after a write", back.as_millis());
            let told = "The time of the last change went back.";
            return Ok(fail(told, on(&one, &name, note)));
        }
        last = found;
        if last > first {
            break;
        }
        if began.elapsed() > COARSE {
            let note = format!("after {round} writes in {} s it is the same", COARSE.as_secs());
            let told = "The time of the last change does not move on.";
            return Ok(fail(told, on(&one, &name, note)));
        }
    }
    must_all(&mut one, vec![open(1, &name, How::RO)])?;
    let after = attributes(&mut one, stat(&name))?.modified_ns;
    if after < last {
        let told = "The time of the last change went back when the file was opened.";
        return Ok(fail(told, on(&one, &name, "stat says an earlier time than fstat before")));
    }
    let told = format!("It moved on within {:.3} s of writing.", began.elapsed().as_secs_f64());
    Ok(Told::pass(told))
}
