//! The storage checker, beside what the machine does: `lib/fsck/examples/fsck_bench.rs`, which prints a
//! name and its samples on each line.

use std::process::Command;

use anyhow::{Context, ensure};

use super::Bench;
use super::figures::{Bar, Figure};
use super::log::Told;
use crate::build;

pub(super) fn run(bench: &Bench) -> anyhow::Result<Vec<Figure>> {
    let program = build::fsck_benchmark()?;
    let output = Command::new(&program)
        .arg(bench.storage.join("fsck"))
        .arg(bench.long_rounds().to_string())
        .output()
        .with_context(|| format!("cannot run {}", program.display()))?;
    bench.interrupt.check()?;
    ensure!(
        output.status.success(),
        "{} ended with {}\n{}",
        program.display(),
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    let told = Told::parse(&String::from_utf8_lossy(&output.stdout))?;
    Ok(vec![
        Figure::new("amqmfsck -f, 1 GiB", "MB/s", told.samples("format_mb")?)
            .against("write + fsync MB/s", told.median("plain_mb")?)
            .ratio(told.median("ratio_format_to_plain")?)
            .bar(Bar::RatioAtLeast(0.8)),
        Figure::new("amqmfsck -i, 1 GiB", "MB/s", told.samples("verify_mb")?),
    ])
}
