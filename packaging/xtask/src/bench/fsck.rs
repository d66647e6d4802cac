//! The storage checker, beside what the machine does: `lib/fsck/examples/fsck_bench.rs`, which prints a
//! name and its samples on each line.

use std::process::Command;
use std::time::Instant;

use anyhow::{Context, ensure};

use super::Bench;
use super::figures::{Bar, Figure, Samples};
use super::log::Told;
use crate::build;

pub(super) fn run(bench: &Bench) -> anyhow::Result<Vec<Figure>> {
    let mut figures = vec![
        checks(bench, &[], bench.rounds.min(20))?.bar(Bar::MedianAtMost(2.0)),
        checks(bench, &["--all"], bench.long_rounds())?.bar(Bar::MedianAtMost(10.0)),
    ];
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
    figures.extend([
        Figure::new("amqmfsck -f, 1 GiB", "MB/s", told.samples("format_mb")?)
            .against("write + fsync MB/s", told.median("plain_mb")?)
            .ratio(told.median("ratio_format_to_plain")?)
            .bar(Bar::RatioAtLeast(0.8)),
        Figure::new("amqmfsck -i, 1 GiB", "MB/s", told.samples("verify_mb")?),
    ]);
    Ok(figures)
}

/// How long a whole run of the command takes, in seconds.
fn checks(bench: &Bench, options: &[&str], rounds: usize) -> anyhow::Result<Figure> {
    let storage = bench.storage.join("checks");
    std::fs::create_dir_all(&storage)
        .with_context(|| format!("cannot make {}", storage.display()))?;
    let mut seconds = Vec::new();
    for _ in 0..rounds {
        let began = Instant::now();
        let mut command = Command::new(bench.programs.join("amqmfsck"));
        let output = command.args(options).arg(&storage).output().context("cannot run amqmfsck")?;
        seconds.push(began.elapsed().as_secs_f64());
        bench.interrupt.check()?;
        ensure!(
            output.status.success(),
            "amqmfsck ended with {}\n{}",
            output.status,
            String::from_utf8_lossy(&output.stdout)
        );
    }
    let name = ["amqmfsck"].iter().chain(options).copied().collect::<Vec<_>>().join(" ");
    let name = if options.is_empty() { "amqmfsck, basic behaviour".to_owned() } else { name };
    Ok(Figure::new(name, "s", Samples::new(seconds).context("nothing was measured")?))
}
