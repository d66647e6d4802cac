//! The machine that is measured on: what it is, and how quickly it makes a page durable.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::Instant;

use anyhow::Context;

/// What to know about the figures.
pub(super) fn description(storage: &Path, volatile: Option<&Path>) -> Vec<String> {
    let cpus = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let model = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = model.lines().find_map(|line| line.strip_prefix("model name")?.split(": ").nth(1));
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load: Vec<_> = load.split(' ').take(3).collect();
    let kind = |path| {
        file_system(path)
            .map_or_else(|| "unknown".to_owned(), |(device, kind)| format!("{kind} ({device})"))
    };
    vec![
        format!("machine: {cpus} CPUs ({}), Linux {}", model.unwrap_or("unknown"), kernel.trim()),
        format!(
            "storage: {}, runtime directories: {}",
            kind(storage),
            kind(volatile.unwrap_or(storage))
        ),
        format!("load before the run: {}", load.join(" ")),
    ]
}

/// The device and the type of the file system of a path.
pub(super) fn file_system(path: &Path) -> Option<(String, String)> {
    let path = path.canonicalize().ok()?;
    let mounts = fs::read_to_string("/proc/self/mounts").ok()?;
    let mount = mounts
        .lines()
        .filter_map(|line| {
            let mut words = line.split(' ');
            Some((words.next()?, words.next()?, words.next()?))
        })
        .filter(|(_, point, _)| path.starts_with(point))
        // Of two on one directory, the later one is seen.
        .enumerate()
        .max_by_key(|(at, (_, point, _))| (point.len(), *at))?;
    let (_, (device, _, kind)) = mount;
    Some((device.to_owned(), kind.to_owned()))
}

/// A preallocated file of pages that are overwritten in turn.
pub(super) struct Pages {
    file: File,
    next: u64,
}

impl Pages {
    const COUNT: u64 = 1024;

    pub(super) fn new(dir: &Path) -> anyhow::Result<Self> {
        let path = dir.join("pages");
        let file = OpenOptions::new().create(true).truncate(true).write(true).open(&path);
        let file = file.with_context(|| format!("cannot make {}", path.display()))?;
        for page in 0..Self::COUNT {
            file.write_all_at(&[0; 4096], page * 4096)?;
        }
        file.sync_all()?;
        Ok(Self { file, next: 0 })
    }

    /// Overwrites a page and makes it durable. Returns how long that took, in milliseconds.
    pub(super) fn overwrite(&mut self) -> anyhow::Result<f64> {
        let at = self.next % Self::COUNT * 4096;
        self.next += 1;
        let began = Instant::now();
        self.file.write_all_at(&[1; 4096], at)?;
        self.file.sync_data()?;
        Ok(began.elapsed().as_secs_f64() * 1e3)
    }
}
