//! A machine of one's own to run commands on, and what they said.

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

use std::path::PathBuf;

/// The top of the source tree.
pub(crate) fn workspace() -> PathBuf {
    let bins = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    bins.parent().expect("bins is a folder of the workspace").to_owned()
}

/// Says what whoever reads a run of the tests should know, though nothing failed.
#[expect(clippy::print_stderr, reason = "a test that does nothing, or by chance, must say so")]
pub(crate) fn say(line: &str) {
    eprintln!("{line}");
}
