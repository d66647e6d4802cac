//! `cargo xtask fsck`: the storage checker as one file that needs no libraries, for hosts that have
//! nothing else.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, bail, ensure};

use crate::package::programs::{Machine, Profile, Programs};
use crate::say;

/// `debug` builds it as tests are built, in a fraction of the time.
fn profile(args: &[String]) -> anyhow::Result<Profile> {
    match args {
        [] => Ok(Profile::Dist),
        [one] if one == "debug" => Ok(Profile::Dev),
        _ => bail!("usage: cargo xtask fsck [debug]"),
    }
}

pub(crate) fn run(args: &[String]) -> anyhow::Result<()> {
    let programs = Programs { machine: Machine::here()?, profile: profile(args)?, no_build: false };
    let program = programs.checker()?;
    said_by(&program)?;
    let bytes = std::fs::metadata(&program)
        .with_context(|| format!("cannot read {}", program.display()))?
        .len();
    #[expect(clippy::cast_precision_loss, reason = "a size for people")]
    let mib = bytes as f64 / f64::from(1 << 20);
    say(&format!("{}: {mib:.2} MiB, needs no libraries", program.display()));
    Ok(())
}

/// It can be run here.
fn said_by(program: &Path) -> anyhow::Result<()> {
    let output = Command::new(program)
        .arg("--version")
        .output()
        .with_context(|| format!("cannot run {}", program.display()))?;
    ensure!(output.status.success(), "{} ended with {}", program.display(), output.status);
    Ok(())
}
