//! Automation of the project: `cargo xtask TASK`.

mod bench;
mod build;
mod catalog;
mod check;
mod completions;
mod demo;
mod fsck;
mod interrupt;
mod man;
mod package;
mod site;
mod soak;

use std::path::{Path, PathBuf};

/// What can be asked for: the name, what it does, and the function.
type Task = (&'static str, &'static str, fn(&[String]) -> anyhow::Result<()>);

const TASKS: &[Task] = &[
    ("bench", "measure a release build against the bars and the machine", bench::run),
    ("catalog", "write target/catalog: the messages, for journalctl -x", catalog::run),
    ("check", "do what continuous integration does", check::run),
    ("completions", "write target/completions: bash, zsh, fish", completions::run),
    ("deb", "make the packages of Debian and its kin", package::deb),
    ("demo", "play the tutorial: two \"hosts\" on this machine", demo::run),
    ("fsck", "build miqm-fsck, the storage checker that needs no libraries", fsck::run),
    ("install", "put everything below a folder, as packages do", package::install),
    ("man", "write target/man from man/*.in and the tables of the commands", man::run),
    ("rpm", "make the packages of Red Hat and its kin", package::rpm),
    ("soak", "run an instance with a load, for tests of what survives", soak::run),
];

fn main() -> anyhow::Result<()> {
    let mut args = std::env::args().skip(1);
    let asked = args.next().unwrap_or_default();
    let rest: Vec<String> = args.collect();
    if let Some((_, _, run)) = TASKS.iter().find(|(name, ..)| *name == asked) {
        return run(&rest);
    }
    let tasks: Vec<_> =
        TASKS.iter().map(|(name, what, _)| format!("  {name:<12} {what}")).collect();
    anyhow::bail!("usage: cargo xtask TASK, where TASK is\n{}", tasks.join("\n"))
}

/// The top of the source tree.
fn workspace() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_owned()
}

/// Says how a task went.
#[expect(clippy::print_stdout, reason = "a task of the developers, not a command of the product")]
fn say(line: &str) {
    println!("{line}");
}

/// Refuses arguments, for tasks that take none.
fn no_arguments(args: &[String]) -> anyhow::Result<()> {
    anyhow::ensure!(args.is_empty(), "this task takes no arguments");
    Ok(())
}
