//! Measures the formatting of the integrity test's files against a plain sequential write with the same
//! sync, in the same run, interleaved; and verification.
//!
//! Arguments: a directory to work in (it must be on the storage to be measured), and the number of
//! rounds. Prints one line per figure: its name, and its value in each round. `cargo xtask bench fsck` runs
//! this and shows the spread.
#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on ends")]
#![expect(clippy::cast_precision_loss, reason = "figures for people")]

use std::cell::RefCell;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};

use miqm_fsck::host::LocalHost;
use miqm_fsck::integrity::{Patience, drive};
use miqm_fsck::stage::{Limits, Place, Stage};
use miqm_fsck::{HostFacts, integrity};

const RUN: &str = "000102030405060708090a0b0c0d0e0f";
/// 1 GiB, as without `-p`.
const PAGES: u64 = integrity::PAGES_DEFAULT;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let root = PathBuf::from(arguments.next().unwrap_or_else(|| "target/fsck-bench".into()));
    let rounds: usize = arguments.next().map_or(5, |n| n.parse().unwrap());
    std::fs::create_dir_all(&root).unwrap();
    let mut figures: [(&str, Vec<f64>); 4] = [
        ("plain_mb", Vec::new()),
        ("format_mb", Vec::new()),
        ("ratio_format_to_plain", Vec::new()),
        ("verify_mb", Vec::new()),
    ];
    for round in 0..rounds {
        let mut pair = [0.0; 2];
        // Whoever is the second meets what the first has left to the storage.
        for turn in [round % 2, 1 - round % 2] {
            pair[turn] = if turn == 0 { plain(&root) } else { format(&root) };
        }
        let [plain, format] = pair;
        let verify = verify(&root);
        for (figure, value) in figures.iter_mut().zip([plain, format, format / plain, verify]) {
            figure.1.push(value);
        }
    }
    std::fs::remove_dir_all(&root).unwrap();
    for (name, values) in figures {
        let values: Vec<_> = values.iter().map(|value| format!("{value:.3}")).collect();
        println!("{name} {}", values.join(" "));
    }
}

fn megabytes_in(seconds: Duration) -> f64 {
    (PAGES * 4096) as f64 / 1e6 / seconds.as_secs_f64()
}

/// As many bytes, in pieces of the same size, with a sync at the end.
fn plain(root: &Path) -> f64 {
    let path = root.join("plain");
    let piece = vec![0x5a; 1 << 20];
    let began = Instant::now();
    let mut file = std::fs::File::create_new(&path).unwrap();
    for _ in 0..PAGES * 4096 / (1 << 20) {
        file.write_all(&piece).unwrap();
    }
    file.sync_all().unwrap();
    let took = began.elapsed();
    std::fs::remove_file(&path).unwrap();
    megabytes_in(took)
}

fn stage(root: &Path) -> Stage {
    let facts = HostFacts { name: "here".into(), ..HostFacts::default() };
    let host = Rc::new(RefCell::new(LocalHost::new(root, facts)));
    Stage::one_host(host, ".", Limits::default(), || false)
}

fn format(root: &Path) -> f64 {
    let stage = stage(root);
    drive::remove(&stage, Patience::default(), &mut |_| {}).unwrap().unwrap();
    let limit = Duration::from_mins(10);
    let began = Instant::now();
    let done = drive::format(&stage, (PAGES, limit), RUN, Patience::default(), &mut |_| {});
    assert_eq!(done.unwrap().unwrap().pages, PAGES);
    megabytes_in(began.elapsed())
}

fn verify(root: &Path) -> f64 {
    let began = Instant::now();
    let survey = drive::verify(&stage(root), Place::First, None, Patience::default(), &mut |_| {});
    assert!(survey.unwrap().unwrap().consistent());
    megabytes_in(began.elapsed())
}
