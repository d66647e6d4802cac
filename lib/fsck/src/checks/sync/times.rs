//! How long it takes.

use std::time::Duration;

use miqm_sys::clock::BootInstant;
use miqm_sys::lock::Range;
use miqm_sys::probe::{Family, How, Kind};

use super::super::tools::{PAGE, make_file, must_all, on, open, rename, strange};
use crate::call::{Burst, Bytes, Call, Value};
use crate::finding::{Evidence, Series, Told};
use crate::stage::{Actor, Place, Stage, Trouble};

/// Measurements in one message.
const BATCH: u32 = 16;
/// Times that no disk reaches: that of a few copies in memory.
const DISK: f64 = 5e-6;
/// Times that no network reaches.
const NETWORK: f64 = 20e-6;
/// Two ways to the same durability do not differ by more, once the slower one takes so long.
const RATIO: f64 = 20.0;
const NOTABLE: f64 = 400e-6;
/// What an instance waits between two proofs that it still holds its locks, and a commit at most
/// before somebody asks.
const SLOW: f64 = 1.0;
/// The magic numbers of file systems behind a network.
const NETWORKS: &[u64] = &[
    0x6969,
    0xff53_4d42,
    0xfe53_4d42,
    0x517b,
    0x00c3_6400,
    0x0116_1970,
    0x7461_636f,
    0x4750_4653,
    0x0bd0_0bd0,
    0x5346_414f,
    0x6b41_4653,
    0x7375_7245,
    0x1983_0326,
    0x2003_0528,
    0xaad7_aaea,
];
/// Those of file systems in memory, which claim nothing.
const MEMORIES: &[u64] = &[0x0102_1994, 0x8584_58f6];

/// Times a call for about so long, at least [`BATCH`] times and at most 16 times as often.
fn times(
    actor: &mut Actor,
    file: &str,
    name: &str,
    call: &Call,
    about: Duration,
) -> Result<Series, Trouble> {
    let began = BootInstant::now();
    let mut all = Vec::new();
    while all.is_empty() || (began.elapsed() < about && all.len() < 16 * BATCH as usize) {
        let repeat = Burst::Repeat { call: Box::new(call.clone()), times: BATCH, every_ms: 0 };
        let limit = actor.call_limit().saturating_mul(BATCH);
        match actor.call_within(Call::Burst(repeat), limit)?.result {
            Ok(Value::Samples { seconds, errno: None }) => all.extend(seconds),
            Ok(Value::Samples { errno: Some(errno), .. }) | Err(errno) => {
                let evidence = Evidence { call: name.to_owned(), ..on(actor, file, "") };
                return Err(Trouble::Refused(Box::new(evidence.errno(errno))));
            }
            Ok(_) => return Err(strange(actor, "no times were answered")),
        }
    }
    let place = actor.host_name().to_owned();
    Ok(Series { name: name.to_owned(), place, seconds: all })
}

/// A time, as people say it.
pub(crate) fn in_words(seconds: f64) -> String {
    if seconds < 1e-3 {
        format!("{:.0} us", seconds * 1e6)
    } else if seconds < 1.0 {
        format!("{:.1} ms", seconds * 1e3)
    } else {
        format!("{seconds:.1} s")
    }
}

fn spread(series: &Series) -> String {
    let quantile = |share| in_words(series.quantile(share).unwrap_or_default());
    let [half, most, all] = [0.5, 0.99, 1.0].map(quantile);
    format!("{}: half within {half}, 99 of 100 within {most}, all within {all}", series.name)
}

/// A page that is overwritten, and made durable.
fn overwrite(fd: u8, sync: Option<Call>) -> Call {
    let bytes = Bytes::Stamps { tag: 2, at: 0, len: PAGE };
    let mut calls = vec![Call::Write { fd, at: 0, bytes }];
    calls.extend(sync);
    Call::Burst(Burst::Chain { calls })
}

pub(super) fn plausible(stage: &Stage) -> Result<Told, Trouble> {
    let name = stage.name("plausible");
    let mut one = stage.actor(Place::First)?;
    make_file(&mut one, 0, &name, 1, 4 * u64::from(PAGE))?;
    one.fsync(0)?;
    let about = Duration::from_millis(40);
    let data = Some(Call::Fdatasync { fd: 0 });
    let mut all = vec![times(&mut one, &name, "fdatasync", &overwrite(0, data), about)?];
    let ways = [
        ("O_DSYNC", How { data_sync: true, ..How::RW }),
        ("O_SYNC", How { sync: true, ..How::RW }),
    ];
    for (way, how) in ways {
        // That it can be opened so is a check of its own.
        if one.call(open(1, &name, how))?.result.is_ok() {
            all.push(times(&mut one, &name, way, &overwrite(1, None), about)?);
        }
    }
    let magic = match one.call(Call::StatFs)?.result {
        Ok(Value::FileSystem(found)) => found.magic,
        _ => 0,
    };
    let told = judge(&all, magic, |note| on(&one, &name, note));
    Ok(all.into_iter().fold(told, Told::measured))
}

fn judge(all: &[Series], magic: u64, evidence: impl Fn(String) -> Evidence) -> Told {
    let half = |series: &Series| series.quantile(0.5).unwrap_or_default();
    let spreads = || all.iter().map(|series| evidence(spread(series)));
    let slowest = all.iter().map(half).fold(0.0, f64::max);
    let quickest = all.iter().min_by(|a, b| half(a).total_cmp(&half(b)));
    let Some(quickest) = quickest else { return Told::not_tested("Nothing was timed.") };
    let time = half(quickest);
    let name = &quickest.name;
    let (least, what) = match magic {
        magic if MEMORIES.contains(&magic) => (0.0, "memory"),
        magic if NETWORKS.contains(&magic) => (NETWORK, "network"),
        _ => (DISK, "disk"),
    };
    if time < least {
        let told = format!(
            "Writing a page durably with {name} takes {}, which no {what} can do: the data may be in memory only.",
            in_words(time)
        );
        return Told::warning(told).with_all(spreads());
    }
    // Storage with a cache of its own is quick at times and slow at times: one that never waits is
    // quick nearly always.
    let mostly = quickest.quantile(0.9).unwrap_or_default();
    if slowest > NOTABLE && mostly * RATIO < slowest {
        let told = format!(
            "Writing a page durably with {name} takes {}, in another way {}: {name} may not be honoured.",
            in_words(time),
            in_words(slowest)
        );
        return Told::warning(told).with_all(spreads());
    }
    let told = all.first().map(spread).unwrap_or_default();
    let told = if what == "memory" {
        format!("This is memory, which is never durable; {told}.")
    } else {
        format!("A page is overwritten durably by {told}.")
    };
    Told::pass(told).with_all(spreads())
}

pub(super) fn slow(stage: &Stage) -> Result<Told, Trouble> {
    let (name, other) = (stage.name("slow"), stage.name("slow-renamed"));
    let mut one = stage.actor(Place::First)?;
    make_file(&mut one, 0, &name, 1, 4 * u64::from(PAGE))?;
    let lock = |kind| {
        let (fd, family, range) = (0, Family::Ofd, Range::WHOLE);
        Call::Lock { fd, family, kind, range, wait: false }
    };
    let chain = |calls| Call::Burst(Burst::Chain { calls });
    let folder = stage.folder().to_owned();
    let calls = [
        ("page and fdatasync", overwrite(0, Some(Call::Fdatasync { fd: 0 }))),
        ("lock and unlock", chain(vec![lock(Kind::Write), lock(Kind::Unlock)])),
        ("rename and back", chain(vec![rename(&name, &other), rename(&other, &name)])),
        ("fsync of the directory", Call::SyncDir { name: folder }),
        ("open and close", chain(vec![open(1, &name, How::RW), Call::Close { fd: 1 }])),
    ];
    let mut all = Vec::new();
    for (what, call) in calls {
        match times(&mut one, &name, what, &call, Duration::from_millis(300)) {
            Ok(series) => all.push(series),
            // Whether it works is told by a check of its own.
            Err(Trouble::Refused(_)) => {}
            Err(trouble) => return Err(trouble),
        }
    }
    must_all(&mut one, vec![Call::Close { fd: 0 }])?;
    let longest = |series: &Series| series.quantile(1.0).unwrap_or_default();
    let spreads: Vec<_> = all.iter().map(|series| on(&one, "", spread(series))).collect();
    let worst = all.iter().max_by(|a, b| longest(a).total_cmp(&longest(b)));
    let told = match worst {
        None => Told::not_tested("Nothing could be timed."),
        Some(worst) if longest(worst) > SLOW => {
            let told = format!(
                "{} took {} once; an instance proves every second that it holds its locks.",
                worst.name,
                in_words(longest(worst))
            );
            Told::warning(told).with_all(spreads)
        }
        Some(worst) => {
            let told = format!("The longest was {}: {}.", worst.name, in_words(longest(worst)));
            Told::pass(told).with_all(spreads)
        }
    };
    Ok(all.into_iter().fold(told, Told::measured))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Verdict;

    fn series(name: &str, seconds: &[f64]) -> Series {
        Series { name: name.into(), place: String::new(), seconds: seconds.repeat(10) }
    }

    #[test]
    fn a_way_that_never_waits_is_noticed_and_one_that_does_at_times_is_not() {
        let ext4 = 0xef53;
        let judged = |quick: &[f64]| {
            let all = [series("fdatasync", quick), series("O_SYNC", &[3e-3, 3.1e-3, 4e-3])];
            judge(&all, ext4, Evidence::note).verdict
        };
        assert_eq!(judged(&[130e-6, 136e-6, 140e-6]), Verdict::Warning);
        assert_eq!(judged(&[130e-6, 136e-6, 5.5e-3]), Verdict::Pass);
    }

    #[test]
    fn what_is_quicker_than_its_kind_can_be_is_noticed() {
        let judged =
            |magic, time| judge(&[series("fsync", &[time])], magic, Evidence::note).verdict;
        let (nfs, ext4, tmpfs) = (0x6969, 0xef53, 0x0102_1994);
        assert_eq!(judged(nfs, 15e-6), Verdict::Warning);
        assert_eq!(judged(nfs, 25e-6), Verdict::Pass);
        assert_eq!(judged(ext4, 15e-6), Verdict::Pass);
        assert_eq!(judged(ext4, 3e-6), Verdict::Warning);
        assert_eq!(judged(tmpfs, 3e-6), Verdict::Pass);
    }
}
