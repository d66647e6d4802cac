//! A machine of one's own to run commands on, and what they said.

pub(crate) mod boxes;
pub(crate) mod defectfs;
pub(crate) mod faultfs;
mod golden;
pub(crate) mod instance;
mod locks;
mod machine;
pub(crate) mod pair;
pub(crate) mod witness;

pub(crate) use golden::golden;
pub(crate) use machine::{Machine, Outcome};

use std::path::{Path, PathBuf};

/// The top of the source tree.
pub(crate) fn workspace() -> PathBuf {
    let bins = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    bins.parent().expect("bins is a folder of the workspace").to_owned()
}

/// The checker that needs no libraries, as built last; `None` if it was not built.
pub(crate) fn static_checker() -> Option<PathBuf> {
    let debug = Path::new(env!("CARGO_BIN_EXE_miqm-fsck")).parent()?;
    let target = debug.with_file_name(format!("{}-unknown-linux-musl", std::env::consts::ARCH));
    let built = ["dist", "release", "debug"].map(|profile| target.join(profile).join("miqm-fsck"));
    let age = |path: &PathBuf| std::fs::metadata(path).and_then(|file| file.modified()).ok();
    built.into_iter().filter(|path| age(path).is_some()).max_by_key(age)
}

/// Says what whoever reads a run of the tests should know, though nothing failed.
#[expect(clippy::print_stderr, reason = "a test that does nothing, or by chance, must say so")]
pub(crate) fn say(line: &str) {
    eprintln!("{line}");
}
