//! The system's own tools that make packages.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{Context, bail, ensure};

/// The tools, and what to install to have them.
const TOOLS: &[(&str, &str)] = &[
    ("aarch64-linux-gnu-gcc", "gcc-aarch64-linux-gnu libc6-dev-arm64-cross"),
    ("aarch64-linux-gnu-strip", "binutils-aarch64-linux-gnu"),
    ("date", "coreutils"),
    ("dpkg-deb", "dpkg"),
    ("git", "git"),
    ("gzip", "gzip"),
    ("md5sum", "coreutils"),
    ("rpmbuild", "rpm (Debian) or rpm-build"),
    ("rustc", "a Rust toolchain"),
    ("strip", "binutils"),
    ("x86_64-linux-gnu-gcc", "gcc-x86-64-linux-gnu libc6-dev-amd64-cross"),
    ("x86_64-linux-gnu-strip", "binutils-x86-64-linux-gnu"),
];

/// A call of a tool. That it is not installed is said with the package to install.
pub(crate) fn tool(name: &str) -> anyhow::Result<Command> {
    let Some((name, package)) = TOOLS.iter().find(|(known, _)| *known == name) else {
        bail!("{name} is not among the tools")
    };
    ensure!(find(name).is_some(), "{name} is not installed; install {package}");
    let mut command = Command::new(name);
    command.stdin(Stdio::null()).env("LC_ALL", "C");
    Ok(command)
}

/// Where a program is in `PATH`.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    let path = variable("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|path| is_program(path))
}

fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    path.metadata().is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

/// Runs a tool, and returns what it said. What it complains of is in the error.
pub(crate) fn run(command: &mut Command) -> anyhow::Result<Output> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().with_context(|| format!("cannot run {name}"))?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{name} ended with {}:\n{complaint}", output.status);
    Ok(output)
}

/// Runs a tool that says one line.
pub(crate) fn line(command: &mut Command) -> anyhow::Result<String> {
    Ok(String::from_utf8(run(command)?.stdout)?.trim().to_owned())
}

/// A variable of the environment, unless it is empty.
#[expect(clippy::disallowed_methods, reason = "a task of the developers reads its own variables")]
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
