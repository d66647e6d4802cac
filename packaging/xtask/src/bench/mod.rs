//! `cargo xtask bench`: a release build, measured against the bars of the project and against what the
//! machine does in the same run.
//!
//! Everything is made in a directory of its own on the storage that is to be measured, and goes at the
//! end, with the processes that were started. Runtime directories are on a tmpfs if there is one, as
//! `/run` is. Rounds of what is compared alternate, so that a machine that slows down favours neither.

mod figures;
mod fsck;
mod instances;
mod log;
mod machine;
mod status;

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use clap::Parser as _;

use crate::build::{self, Profile};
use crate::interrupt::Interrupt;
use crate::site::Site;
use crate::{say, workspace};
use figures::{Bar, Figure, table};

/// What can be measured: the name, what it is, and the function.
type Benchmark = (&'static str, &'static str, fn(&Bench) -> anyhow::Result<Vec<Figure>>);

const BENCHMARKS: &[Benchmark] = &[
    ("fsck", "the storage checker: checks, formatting for the integrity test", fsck::run),
    ("instances", "takeover, switchover, start; memory of a standby", instances::run),
    ("log", "group commit and replay", log::run),
    ("status", "dspmq -x over 1,000 queue managers", status::run),
];

/// The arguments.
#[derive(clap::Parser)]
#[command(name = "cargo xtask bench", about = "Measure a release build")]
struct Args {
    /// What to measure: fsck, instances, log, status; all of it without a name
    names: Vec<String>,
    /// Fail if a bar is not met
    #[arg(long)]
    check: bool,
    /// Where to work: a directory on the storage to be measured
    #[arg(long)]
    dir: Option<PathBuf>,
    /// How many takeovers, switchovers and starts; of all else there are as many rounds as fit
    #[arg(long, default_value_t = 100)]
    rounds: usize,
}

/// What every benchmark needs.
struct Bench {
    programs: PathBuf,
    storage: PathBuf,
    volatile: Option<PathBuf>,
    rounds: usize,
    interrupt: Interrupt,
}

impl Bench {
    fn site(&self) -> anyhow::Result<Site> {
        Site::new(&self.storage, self.volatile.as_deref(), self.programs.clone())
    }

    /// Of something that takes longer.
    fn long_rounds(&self) -> usize {
        (self.rounds / 20).max(3)
    }
}

pub(crate) fn run(args: &[String]) -> anyhow::Result<()> {
    let args = Args::try_parse_from(
        std::iter::once("cargo xtask bench".to_owned()).chain(args.iter().cloned()),
    )?;
    ensure!(args.rounds > 0, "at least one round is needed");
    let chosen: Vec<_> = match args.names.as_slice() {
        [] => BENCHMARKS.iter().collect(),
        names => names
            .iter()
            .map(|name| {
                let found = BENCHMARKS.iter().find(|(known, ..)| known == name);
                found.with_context(|| format!("there is no benchmark '{name}'"))
            })
            .collect::<anyhow::Result<_>>()?,
    };
    let interrupt = Interrupt::catch()?;
    let programs = build::commands(Profile::Release)?;
    let below = args.dir.unwrap_or_else(|| workspace().join("target"));
    std::fs::create_dir_all(&below).with_context(|| format!("cannot make {}", below.display()))?;
    let below = below.canonicalize()?;
    let storage = tempfile::Builder::new().prefix("bench-").tempdir_in(&below)?;
    let volatile = volatile();
    let bench = Bench {
        programs,
        storage: storage.path().to_owned(),
        volatile,
        rounds: args.rounds,
        interrupt,
    };
    for line in machine::description(&bench.storage, bench.volatile.as_deref()) {
        say(&line);
    }
    let mut figures = Vec::new();
    for (name, what, measure) in chosen {
        let shown = build::wait_shown(&format!("{name}: {what}"));
        let measured = measure(&bench).with_context(|| format!("benchmark '{name}'"));
        shown.finish_and_clear();
        figures.extend(measured?);
    }
    say("");
    for line in table(&figures) {
        say(&line);
    }
    let missed = figures.iter().filter(|figure| figure.is_met() == Some(false)).count();
    let bars = figures.iter().filter(|figure| figure.bar != Bar::None).count();
    say(&format!("\n{} of {bars} bars met", bars - missed));
    ensure!(missed == 0 || !args.check, "a bar is missed");
    Ok(())
}

/// Where runtime directories go: memory, as on every host whose `/run` is, if there is any to write to.
fn volatile() -> Option<PathBuf> {
    let memory = Path::new("/dev/shm");
    let usable = machine::file_system(memory).is_some_and(|(_, kind)| kind == "tmpfs")
        && nix::unistd::access(memory, nix::unistd::AccessFlags::W_OK).is_ok();
    usable.then(|| memory.to_owned())
}
