//! The recovery log, beside what the machine does with the same files: `lib/wal/examples/wal_bench.rs`,
//! which prints a name and its samples on each line.

use std::collections::BTreeMap;
use std::process::Command;

use anyhow::{Context, ensure};

use super::Bench;
use super::figures::{Bar, Figure, Samples};
use crate::build;

pub(super) fn run(bench: &Bench) -> anyhow::Result<Vec<Figure>> {
    let program = build::log_benchmark()?;
    let output = Command::new(&program)
        .arg(bench.storage.join("log"))
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
    let (sync, bandwidth) = ("4 KiB overwrite + fdatasync /s", "sequential write MB/s");
    let commits = |writers: u32| -> anyhow::Result<[Figure; 2]> {
        let plural = if writers == 1 { "" } else { "s" };
        let name = format!("log, group commit, {writers} writer{plural}");
        let rate = Figure::new(&name, "commits/s", told.samples(&format!("commits_{writers}"))?);
        let bytes = Figure::new(name, "MB/s", told.samples(&format!("commit_mb_{writers}"))?);
        Ok([
            rate.against(sync, told.median("fdatasyncs")?),
            bytes.against(bandwidth, told.median("sequential_mb")?),
        ])
    };
    let [lone, lone_bytes] = commits(1)?;
    let [eight, eight_bytes] = commits(8)?;
    let [many, many_bytes] = commits(64)?;
    Ok(vec![
        lone,
        Figure::new("log, 1 writer to fdatasync", "times", told.samples("ratio_1_to_fdatasync")?)
            .ratio(told.median("ratio_1_to_fdatasync")?)
            .bar(Bar::RatioAtLeast(0.9)),
        eight,
        many,
        Figure::new("log, 64 writers to 1 writer", "times", told.samples("ratio_64_to_1")?)
            .ratio(told.median("ratio_64_to_1")?)
            .bar(Bar::RatioAtLeast(10.0)),
        Figure::new("log, commits in a batch of 64 writers", "commits", told.samples("batch_64")?),
        lone_bytes,
        eight_bytes,
        many_bytes,
        Figure::new("log, takeover of a short one", "ms", told.samples("takeover_ms")?),
        Figure::new("log, replay of 1 GiB", "MB/s", told.samples("replay_mb")?)
            .against("read + CRC-32C MB/s", told.median("read_mb")?)
            .ratio(told.median("ratio_replay_to_read")?)
            .bar(Bar::RatioAtLeast(0.5)),
    ])
}

/// The samples by name.
pub(super) struct Told(BTreeMap<String, Samples>);

impl Told {
    pub(super) fn parse(text: &str) -> anyhow::Result<Self> {
        let mut all = BTreeMap::new();
        for line in text.lines() {
            let mut words = line.split(' ');
            let name = words.next().unwrap_or_default().to_owned();
            let values = words.map(str::parse).collect::<Result<Vec<f64>, _>>();
            let samples = values.ok().and_then(Samples::new);
            all.insert(name, samples.with_context(|| format!("these are no samples: {line}"))?);
        }
        Ok(Self(all))
    }

    pub(super) fn samples(&self, name: &str) -> anyhow::Result<Samples> {
        self.0.get(name).cloned().with_context(|| format!("the benchmark does not tell {name}"))
    }

    pub(super) fn median(&self, name: &str) -> anyhow::Result<f64> {
        Ok(self.samples(name)?.median())
    }
}
