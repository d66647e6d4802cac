//! Which bytes are locked.

use miqm_sys::lock::Range;
use miqm_sys::probe::How;

use super::play::{ALL, Done, ONE, Play, R, TWO, W, bytes, does, get, open, refused, take, unlock};
use crate::call::{Bytes, Call};

const BESIDE: &str = "A lock was refused although the other process holds only other bytes.";
const OVER: &str = "A lock was granted over bytes that another process holds.";

pub(super) fn ranges(on: &mut Play<'_>) -> Done {
    on.act(&[
        take(ONE, 0, W, bytes(100, 100), "A lock of bytes that nobody holds was refused."),
        refused(TWO, 0, W, bytes(100, 1), OVER),
        refused(TWO, 0, W, bytes(199, 1), OVER),
        refused(TWO, 0, W, bytes(150, 10), OVER),
        refused(TWO, 0, R, bytes(150, 10), OVER),
        refused(TWO, 0, W, bytes(100, 100), OVER),
        refused(TWO, 0, W, bytes(50, 100), OVER),
        refused(TWO, 0, W, bytes(150, 100), OVER),
        refused(TWO, 0, W, bytes(50, 500), OVER),
        refused(TWO, 0, W, bytes(150, 0), OVER),
        refused(TWO, 0, W, ALL, OVER),
        take(TWO, 0, W, bytes(0, 100), BESIDE),
        refused(ONE, 0, W, bytes(0, 1), OVER),
        refused(ONE, 0, W, bytes(99, 1), OVER),
        unlock(TWO, 0, ALL),
        take(TWO, 0, W, bytes(200, 100), BESIDE),
        refused(ONE, 0, W, bytes(299, 1), OVER),
        refused(ONE, 0, W, bytes(200, 0), OVER),
        unlock(ONE, 0, ALL),
        unlock(TWO, 0, ALL),
        get(ONE, 0, W, ALL, "Locks of bytes that were given back stay taken."),
    ])
}

pub(super) fn merge(on: &mut Play<'_>) -> Done {
    const LOST: &str = "A lock is lost when the same process locks other bytes of the file, too.";
    on.act(&[
        take(ONE, 0, W, bytes(0, 50), "A lock of bytes that nobody holds was refused."),
        take(ONE, 0, W, bytes(200, 10), BESIDE),
        take(ONE, 0, W, bytes(50, 50), BESIDE),
        refused(TWO, 0, W, bytes(0, 1), LOST),
        refused(TWO, 0, W, bytes(205, 1), LOST),
        refused(TWO, 0, W, bytes(49, 2), LOST),
        refused(TWO, 0, W, bytes(99, 1), OVER),
        take(TWO, 0, W, bytes(100, 100), "Two locks became one that is longer than both."),
        unlock(TWO, 0, ALL),
        get(ONE, 0, W, bytes(10, 195), "A lock cannot be made longer over what one has already."),
        refused(TWO, 0, W, bytes(150, 1), OVER),
        refused(TWO, 0, W, bytes(209, 1), LOST),
        unlock(ONE, 0, ALL),
        get(TWO, 0, W, ALL, "A lock in several parts cannot be given back at once."),
    ])
}

pub(super) fn split(on: &mut Play<'_>) -> Done {
    const STAYS: &str = "A part of a lock that was given back stays taken.";
    const MORE: &str = "Giving back a part of a lock gave back more than that part.";
    const CHANGE: &str = "Making a part of a lock shared changed another part of it, too.";
    on.act(&[
        take(ONE, 0, W, bytes(0, 100), "A lock of bytes that nobody holds was refused."),
        unlock(ONE, 0, bytes(40, 20)),
        get(TWO, 0, W, bytes(40, 20), STAYS),
        refused(TWO, 0, W, bytes(39, 1), MORE),
        refused(TWO, 0, W, bytes(60, 1), MORE),
        refused(TWO, 0, W, bytes(0, 1), MORE),
        refused(TWO, 0, W, bytes(99, 1), MORE),
        unlock(TWO, 0, ALL),
        refused(TWO, 0, W, bytes(39, 1), MORE),
        take(ONE, 0, R, bytes(70, 10), "A part of a lock cannot be made shared."),
        get(TWO, 0, R, bytes(70, 10), "A part of a lock that was made shared excludes readers."),
        unlock(TWO, 0, bytes(70, 10)),
        refused(TWO, 0, W, bytes(70, 10), "A part of a lock that was made shared is lost."),
        refused(TWO, 0, R, bytes(69, 1), CHANGE),
        refused(TWO, 0, R, bytes(80, 1), CHANGE),
        unlock(ONE, 0, bytes(0, 10)),
        unlock(ONE, 0, bytes(90, 100)),
        get(TWO, 0, W, bytes(0, 10), STAYS),
        get(TWO, 0, W, bytes(90, 10), STAYS),
        refused(TWO, 0, R, bytes(10, 1), MORE),
        refused(TWO, 0, R, bytes(89, 1), MORE),
        unlock(TWO, 0, ALL),
        unlock(ONE, 0, ALL),
        get(ONE, 0, W, bytes(0, 50), "A lock in several parts cannot be given back at once."),
        take(ONE, 0, W, bytes(50, 50), "A lock of bytes that nobody holds was refused."),
        unlock(ONE, 0, bytes(25, 50)),
        get(TWO, 0, W, bytes(25, 50), "Bytes of two locks cannot be given back at once."),
        refused(TWO, 0, W, bytes(24, 1), MORE),
        refused(TWO, 0, W, bytes(75, 1), MORE),
    ])
}

pub(super) fn eof(on: &mut Play<'_>) -> Done {
    const ENDS: &str = "A lock up to the end of the file does not reach beyond it.";
    const GROWN: &str = "A lock up to the end of the file does not grow with the file.";
    on.act(&[
        does(ONE, Call::SetLength { fd: 0, bytes: 0 }),
        take(ONE, 0, W, ALL, "An empty file cannot be locked."),
        refused(TWO, 0, W, ALL, "A lock of an empty file excludes nobody."),
        refused(TWO, 0, W, bytes(0, 1), "A lock of an empty file excludes nobody."),
        refused(TWO, 0, W, bytes(1000, 1), ENDS),
        refused(TWO, 0, W, bytes(1 << 30, 1), ENDS),
        unlock(ONE, 0, ALL),
        does(ONE, Call::SetLength { fd: 0, bytes: 100 }),
        get(ONE, 0, W, bytes(50, 0), "A lock that was given back stays taken."),
        refused(TWO, 0, W, bytes(50, 1), OVER),
        refused(TWO, 0, W, bytes(99, 10), OVER),
        refused(TWO, 0, W, bytes(100, 1), ENDS),
        refused(TWO, 0, W, bytes(1000, 10), ENDS),
        take(TWO, 0, W, bytes(0, 50), BESIDE),
        does(ONE, Call::Write { fd: 0, at: 5000, bytes: Bytes::Fill(1, 10) }),
        refused(TWO, 0, W, bytes(5000, 1), GROWN),
        refused(TWO, 0, W, bytes(6000, 1), GROWN),
        unlock(TWO, 0, ALL),
        unlock(ONE, 0, ALL),
        get(ONE, 0, W, bytes(10_000, 10), "A lock beyond the end of the file was refused."),
        refused(TWO, 0, W, bytes(10_000, 1), "A lock beyond the end of the file excludes nobody."),
        refused(TWO, 0, W, ALL, "A lock beyond the end of the file excludes nobody."),
        take(TWO, 0, W, bytes(20_000, 10), BESIDE),
    ])
}

pub(super) fn offsets(on: &mut Play<'_>) -> Done {
    const ALIAS: &str = "A lock far into the file is taken for one at another place.";
    const NONE: &str = "A lock far into the file excludes nobody.";
    for (number, at) in [(1 << 31) - 1, 1 << 31, (1 << 32) - 1, 1 << 32, (1 << 32) + 5, 1 << 62]
        .into_iter()
        .enumerate()
    {
        if number > 0 {
            on.new_file("offsets")?;
        }
        let mut steps = vec![
            take(ONE, 0, W, bytes(at, 1), "A lock far into the file was refused."),
            refused(TWO, 0, W, bytes(at, 1), NONE),
            refused(TWO, 0, W, bytes(at - 1, 3), NONE),
            refused(TWO, 0, W, ALL, NONE),
        ];
        let mut others = vec![at - 1, at + 1, 0, 5, at & 0x7fff_ffff, at & 0xffff_ffff];
        others.retain(|other| *other != at);
        steps.extend(others.iter().map(|other| take(TWO, 0, W, bytes(*other, 1), ALIAS)));
        on.act(&steps)?;
    }
    // A long lock over both borders.
    let long = Range { start: 1 << 30, len: 1 << 33 };
    on.new_file("offsets")?;
    on.act(&[
        take(ONE, 0, W, long, "A lock of eight gigabytes was refused."),
        refused(TWO, 0, W, bytes((1 << 31) + 7, 1), NONE),
        refused(TWO, 0, W, bytes((1 << 33) + 7, 1), NONE),
        take(TWO, 0, W, bytes(0, 1 << 30), ALIAS),
        take(TWO, 0, W, bytes(long.start + long.len, 0), ALIAS),
    ])
}

/// 512 ranges in each of two files.
pub(super) fn many(on: &mut Play<'_>) -> Done {
    const RANGES: u64 = 512;
    const LOST: &str = "Of many locks some are forgotten.";
    const NO: &str = "There cannot be as many locks as an instance with its standbys may need.";
    let at = |number: u64| bytes(number * 16, 8);
    let first = on.file.clone();
    on.new_file("many")?;
    // One file in slot 0, the other in slot 1.
    on.act(&[open(ONE, 1, &first, How::RW), open(TWO, 1, &first, How::RW)])?;
    for fd in [0, 1] {
        let steps: Vec<_> = (0..RANGES).map(|number| take(ONE, fd, W, at(number), NO)).collect();
        on.round(&steps)?;
    }
    for fd in [0, 1] {
        let held = (0..RANGES).map(|number| refused(TWO, fd, W, at(number), LOST));
        let free = (0..RANGES)
            .step_by(8)
            .map(|number| take(TWO, fd, W, bytes(number * 16 + 8, 8), BESIDE));
        let steps: Vec<_> = held.chain(free).collect();
        on.round(&steps)?;
    }
    on.act(&[
        unlock(TWO, 0, ALL),
        unlock(TWO, 1, ALL),
        unlock(ONE, 0, ALL),
        unlock(ONE, 1, ALL),
        get(TWO, 0, W, ALL, "Many locks cannot be given back at once."),
        get(TWO, 1, W, ALL, "Many locks cannot be given back at once."),
    ])
}
