//! `cargo xtask check`: what continuous integration does, with what is installed here.

use std::process::Command;

use anyhow::{Context, ensure};

use crate::workspace;

pub(crate) fn run(args: &[String]) -> anyhow::Result<()> {
    crate::no_arguments(args)?;
    let script = workspace().join(".ci/run");
    let status = Command::new(&script)
        .arg("--no-install")
        .status()
        .with_context(|| format!("cannot run {}", script.display()))?;
    ensure!(status.success(), "a check failed; it is named above");
    Ok(())
}
