//! Measures the log against what the machine can do, in the same run, interleaved.
//!
//! Arguments: a directory to work in (it must be on the storage to be measured), and the number of
//! rounds. Prints one line per figure: its name, and its value in each round. `cargo xtask bench log` runs
//! this and shows the spread.
#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on ends")]
#![allow(clippy::cast_precision_loss, reason = "figures for people")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use miqm_format::record::{HEADER_BYTES, Record};
use miqm_sys::clock::BootInstant;
use miqm_sys::disk::{Disk, DiskFile, RealDir};
use miqm_types::{InstanceId, LogGeometry, LogManagement, LogType, Lsn, QmgrId, QmgrName};
use miqm_wal::{Activation, Creation, Entry, Hold, Identity, Kind, Log, Lost, Recovery, create};

struct Held;

impl Hold for Held {
    fn before_write(&self) -> Result<(), Lost> {
        Ok(())
    }
    fn before_ack(&self, _: BootInstant) -> Result<(), Lost> {
        Ok(())
    }
    fn proven(&self, _: BootInstant) {}
}

const SLICE: Duration = Duration::from_millis(700);

fn main() {
    let mut arguments = std::env::args().skip(1);
    let root = PathBuf::from(arguments.next().unwrap_or_else(|| "target/wal-bench".into()));
    let rounds: usize = arguments.next().map_or(5, |n| n.parse().unwrap());
    std::fs::create_dir_all(&root).unwrap();
    let mut all: Vec<Series> = [
        "fdatasyncs",
        "sequential_mb",
        "commits_1",
        "commits_8",
        "commits_64",
        "commit_mb_1",
        "commit_mb_8",
        "commit_mb_64",
        "batch_64",
        "ratio_1_to_fdatasync",
        "ratio_64_to_1",
    ]
    .map(Series::new)
    .into();
    for round in 0..rounds {
        let dir = root.join(format!("round{round}"));
        let (log, scratch) = (new_log(&dir, 4096), Scratch::new(&dir));
        // Both ways round, so that a machine that slows down favours neither.
        let (a, one, b) = (scratch.overwrites(), commits(&log, 1), scratch.overwrites());
        let (two, c) = (commits(&log, 1), scratch.overwrites());
        let fdatasyncs = f64::midpoint(f64::midpoint(a, c), b);
        let one = Commits {
            per_second: f64::midpoint(one.per_second, two.per_second),
            mb_per_second: f64::midpoint(one.mb_per_second, two.mb_per_second),
        };
        let eight = commits(&log, 8);
        let before = log.stats();
        let many = commits(&log, 64);
        let after = log.stats();
        let batch =
            (after.records - before.records) as f64 / (after.batches - before.batches) as f64;
        let again = commits(&log, 1);
        let values = [
            fdatasyncs,
            scratch.bandwidth(),
            one.per_second,
            eight.per_second,
            many.per_second,
            one.mb_per_second,
            eight.mb_per_second,
            many.mb_per_second,
            batch,
            one.per_second / fdatasyncs,
            many.per_second / f64::midpoint(one.per_second, again.per_second),
        ];
        for (series, value) in all.iter_mut().zip(values) {
            series.add(value);
        }
        drop(log);
        std::fs::remove_dir_all(&dir).unwrap();
    }
    for series in &all {
        series.print();
    }
    takeover(&root, rounds);
    replay(&root, rounds);
    std::fs::remove_dir_all(&root).unwrap();
}

struct Series {
    name: &'static str,
    values: Vec<f64>,
}

impl Series {
    fn new(name: &'static str) -> Self {
        Self { name, values: Vec::new() }
    }

    fn add(&mut self, value: f64) {
        self.values.push(value);
    }

    fn print(&self) {
        let values: Vec<_> = self.values.iter().map(|value| format!("{value:.4}")).collect();
        println!("{} {}", self.name, values.join(" "));
    }
}

fn name() -> QmgrName {
    "BENCH".parse().unwrap()
}

fn activation(instance: u8) -> Activation<'static> {
    Activation {
        instance: InstanceId([instance; 16]),
        hold: Arc::new(Held),
        files: None,
        body: b"",
        background: true,
    }
}

fn new_log(dir: &Path, extent_pages: u32) -> Log {
    std::fs::create_dir_all(dir.join("active")).unwrap();
    let creation = Creation {
        name: name(),
        qmgr: QmgrId([1; 16]),
        salt: 1,
        geometry: LogGeometry::new(extent_pages, 40, 40).unwrap(),
        log_type: LogType::Linear(LogManagement::Automatic),
    };
    let (directory, active) = dirs(dir);
    create(directory, active, &creation, activation(1)).unwrap()
}

fn dirs(dir: &Path) -> (RealDir, RealDir) {
    (RealDir::open(dir, None).unwrap(), RealDir::open(&dir.join("active"), None).unwrap())
}

/// What a number of threads got done.
struct Commits {
    per_second: f64,
    /// Written to the log, headers and the rest of the last page included.
    mb_per_second: f64,
}

/// The commits of so many threads, each waiting for its own.
fn commits(log: &Log, threads: usize) -> Commits {
    let body = [7; 400];
    let done = AtomicU64::new(0);
    let (start, before) = (Instant::now(), log.stats().batch_bytes);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let entry = Entry { kind: Kind::PUT, uow: 0, uow_prev: Lsn::ZERO, body: &body };
                while start.elapsed() < SLICE {
                    let end = log.append(&[entry]).unwrap();
                    log.force(end.end).unwrap();
                    done.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    let seconds = start.elapsed().as_secs_f64();
    let bytes = log.stats().batch_bytes - before;
    let commits = Commits {
        per_second: done.load(Ordering::Relaxed) as f64 / seconds,
        mb_per_second: bytes as f64 / 1e6 / seconds,
    };
    let end = log.append(&[Entry { kind: Kind::PUT, uow: 0, uow_prev: Lsn::ZERO, body: &body }]);
    let end = end.unwrap();
    log.checkpoint(end.first, end.first, b"").unwrap();
    commits
}

/// A file as the log's own, without the log.
struct Scratch {
    file: miqm_sys::disk::RealFile,
}

impl Scratch {
    const BYTES: u64 = 16 << 20;

    fn new(dir: &Path) -> Self {
        let file = RealDir::open(dir, None).unwrap().create_new("scratch").unwrap();
        file.allocate(Self::BYTES).unwrap();
        file.write_at(&vec![0; usize::try_from(Self::BYTES).unwrap()], 0).unwrap();
        file.sync_data().unwrap();
        Self { file }
    }

    fn overwrites(&self) -> f64 {
        let (page, start, mut n) = ([1; 4096], Instant::now(), 0);
        while start.elapsed() < SLICE {
            self.file.write_at(&page, n * 4096 % Self::BYTES).unwrap();
            self.file.sync_data().unwrap();
            n += 1;
        }
        n as f64 / start.elapsed().as_secs_f64()
    }

    fn bandwidth(&self) -> f64 {
        let (piece, start, mut n) = (vec![1; 1 << 20], Instant::now(), 0);
        while start.elapsed() < SLICE {
            self.file.write_at(&piece, (n << 20) % Self::BYTES).unwrap();
            self.file.sync_data().unwrap();
            n += 1;
        }
        (n << 20) as f64 / 1e6 / start.elapsed().as_secs_f64()
    }
}

/// How long it takes from the locks to the first durable record of a new epoch, in milliseconds.
fn takeover(root: &Path, rounds: usize) {
    let dir = root.join("takeover");
    drop(new_log(&dir, 4096));
    let mut series = Series::new("takeover_ms");
    for round in 0..rounds {
        let start = Instant::now();
        let (directory, active) = dirs(&dir);
        let identity = Identity { name: &name(), qmgr: QmgrId([1; 16]) };
        let opened = Recovery::open(directory, active, identity, Lsn::ZERO).unwrap();
        let recovered = opened.replay(&mut |_| (), &mut |_| Ok::<(), ()>(())).ok().unwrap();
        let log = recovered.activate(activation(u8::try_from(round).unwrap() + 2)).unwrap();
        series.add(start.elapsed().as_secs_f64() * 1e3);
        // A moment of work, then a crash.
        std::thread::sleep(Duration::from_millis(500));
        commits(&log, 1);
    }
    series.print();
}

/// Replays a log of 1 GiB, and reads and checks the same files without the log.
fn replay(root: &Path, rounds: usize) {
    let dir = root.join("replay");
    let log = new_log(&dir, 4096);
    let body = vec![3; 2000];
    let entries = [Entry { kind: Kind::PUT, uow: 0, uow_prev: Lsn::ZERO, body: &body }; 50];
    let mut end = Lsn::ZERO;
    while end.0 < 1 << 30 {
        end = log.append(&entries).unwrap().end;
    }
    log.force(log.end()).unwrap();
    let (bytes, salt) = (log.end().0, log.control().salt);
    drop(log);
    let mut replays = Series::new("replay_mb");
    let mut reads = Series::new("read_mb");
    let mut ratio = Series::new("ratio_replay_to_read");
    for _ in 0..rounds {
        let start = Instant::now();
        let (directory, active) = dirs(&dir);
        let identity = Identity { name: &name(), qmgr: QmgrId([1; 16]) };
        let opened = Recovery::open(directory, active, identity, Lsn::ZERO).unwrap();
        let mut records = 0_u64;
        let recovered = opened.replay(&mut |_| (), &mut |_: &Record<'_>| {
            records += 1;
            Ok::<(), ()>(())
        });
        drop(recovered.ok().unwrap());
        let replay = bytes as f64 / 1e6 / start.elapsed().as_secs_f64();
        assert!(records > 400_000, "{records}");
        let start = Instant::now();
        let mut piece = vec![0; 1 << 20];
        let mut sum = salt;
        let active = dirs(&dir).1;
        for name in active.list().unwrap() {
            let file = active.open_rw(&name).unwrap().unwrap();
            let mut at = 0;
            loop {
                let read = file.read_at(&mut piece, at).unwrap();
                if read == 0 || at >= bytes {
                    break;
                }
                sum = checksum(sum, &piece[..read]);
                at += read as u64;
            }
        }
        assert!(sum != 1 || HEADER_BYTES == 0);
        let files = active.list().unwrap().len() as f64 * 16.0 * 1.048_576;
        let read = files / start.elapsed().as_secs_f64();
        replays.add(replay);
        reads.add(read);
        ratio.add(replay / read);
    }
    for series in [&replays, &reads, &ratio] {
        series.print();
    }
}

/// The same checksum that records have.
fn checksum(seed: u32, bytes: &[u8]) -> u32 {
    crc32c::crc32c_append(seed, bytes)
}
