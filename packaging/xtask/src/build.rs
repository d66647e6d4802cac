//! Building the programs that a task runs.

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, ensure};
use indicatif::{ProgressBar, ProgressStyle};

use crate::workspace;

/// How the programs are built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Profile {
    /// As for tests.
    Debug,
    /// As for measurements.
    Release,
}

/// The folder of the programs of a profile, whether or not they have been built.
pub(crate) fn programs(profile: Profile) -> anyhow::Result<PathBuf> {
    // This program is in such a folder itself, wherever the target directory is.
    let here = std::env::current_exe().context("cannot tell where this program is")?;
    let here = here.parent().and_then(|folder| folder.parent()).context("no target directory")?;
    Ok(here.join(match profile {
        Profile::Debug => "debug",
        Profile::Release => "release",
    }))
}

/// Builds the commands, and says so while it takes: on a terminal only.
pub(crate) fn commands(profile: Profile) -> anyhow::Result<PathBuf> {
    let folder = programs(profile)?;
    build("the commands", profile, &["--package", "miqm-bins", "--bins"])?;
    ensure!(folder.join("miqmd").is_file(), "the build did not make {}/miqmd", folder.display());
    Ok(folder)
}

/// Builds the benchmark of the storage checker.
pub(crate) fn fsck_benchmark() -> anyhow::Result<PathBuf> {
    let what = ["--package", "miqm-fsck", "--example", "fsck_bench"];
    build("the benchmark of the storage checker", Profile::Release, &what)?;
    Ok(programs(Profile::Release)?.join("examples/fsck_bench"))
}

/// Builds the benchmark of the log.
pub(crate) fn log_benchmark() -> anyhow::Result<PathBuf> {
    let what = ["--package", "miqm-wal", "--example", "wal_bench"];
    build("the benchmark of the log", Profile::Release, &what)?;
    Ok(programs(Profile::Release)?.join("examples/wal_bench"))
}

fn build(what: &str, profile: Profile, args: &[&str]) -> anyhow::Result<()> {
    let shown = wait_shown(&format!("building {what}"));
    let output = Command::new("cargo")
        .args(["build", "--quiet", "--locked"])
        .args((profile == Profile::Release).then_some("--release"))
        .args(args)
        .current_dir(workspace())
        .stdin(Stdio::null())
        .output()
        .context("cannot run cargo")?;
    shown.finish_and_clear();
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{what} cannot be built:\n{complaint}");
    Ok(())
}

/// A sign of life on standard error while something takes, if anybody looks.
pub(crate) fn wait_shown(what: &str) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} ({elapsed})") {
        bar.set_style(style);
    }
    bar.set_message(what.to_owned());
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}
