//! Hosts with a real systemd as PID 1, each in a box of its own, and the storage that they share.
//!
//! `tests/systemd/systemd-box.sh` makes the boxes. All of them run on the kernel of this machine, so locks
//! on files of the shared directory hold between them as they hold between hosts.

mod bounded;
mod host;
mod packages;
pub(crate) mod qmgr;

pub(crate) use host::{Host, UnitState};
pub(crate) use packages::Packages;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Condvar, Mutex, Once, PoisonError};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use super::{say, workspace};
use bounded::bounded;

/// Booting, with whatever else the machine has to do.
const LIMIT: Duration = Duration::from_mins(3);
/// A tree for boxes is made from packages of the network.
const BUILD_LIMIT: Duration = Duration::from_mins(9);

/// Boxes of this process have names of their own.
static NEXT: AtomicU32 = AtomicU32::new(0);

/// The shared storage, and a place among the tests that have boxes at the same time.
pub(crate) struct Boxes {
    root: TempDir,
    packages: Packages,
    tag: String,
    _slot: Slot,
}

impl Boxes {
    /// `None`, and a line that says why, where there can be no boxes, or nothing to put into them.
    pub(crate) fn or_skip(what: &str) -> Option<Self> {
        let packages = match ready() {
            Ok(packages) => packages,
            Err(why) => {
                say(&format!("SKIPPED: {what}: {why}"));
                return None;
            }
        };
        let slot = Slot::take();
        let root = tempfile::Builder::new().prefix("miqm-boxes-").tempdir();
        let root = root.expect("a temporary directory");
        for dir in ["storage", "switch"] {
            std::fs::create_dir(root.path().join(dir)).expect("a directory");
        }
        let tag = format!("t{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        Some(Self { root, packages, tag, _slot: slot })
    }

    /// A host of this name that is up, with the shared storage at `/MQHA` and nothing of ours installed.
    pub(crate) fn boot(&self, name: &str) -> Host {
        let binds =
            vec![format!("--bind={}:/MQHA", self.storage().display()), self.bind_packages()];
        Host::boot(&format!("{}-{name}", self.tag), name, binds)
    }

    /// A host whose storage is not mounted: it is to be had at `/export`, as from a server.
    pub(crate) fn boot_without_storage(&self, name: &str) -> Host {
        let binds =
            vec![format!("--bind={}:/export", self.storage().display()), self.bind_packages()];
        Host::boot(&format!("{}-{name}", self.tag), name, binds)
    }

    fn bind_packages(&self) -> String {
        format!("--bind-ro={}:/packages", self.packages.folder().display())
    }

    /// The shared storage, as this machine sees it.
    pub(crate) fn storage(&self) -> PathBuf {
        self.root.path().join("storage")
    }

    /// What there is to install.
    pub(crate) fn packages(&self) -> &Packages {
        &self.packages
    }
}

/// The script, ready for its verb.
fn script() -> Command {
    Command::new(workspace().join("tests/systemd/systemd-box.sh"))
}

/// What the script says to this; what it complains of if it fails.
fn ask(args: &[&str], limit: Duration) -> Result<String, String> {
    let output = bounded(script().args(args), limit);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() {
        return Ok(text(&output.stdout));
    }
    Err(format!("{} {}", text(&output.stdout), text(&output.stderr)).trim().to_owned())
}

/// Whether there can be boxes, with a tree for them and packages to install.
fn ready() -> Result<Packages, String> {
    ask(&["possible"], LIMIT)?;
    let packages = Packages::find()?;
    TIDIED.call_once(remove_orphans);
    ask(&["build"], BUILD_LIMIT)?;
    Ok(packages)
}

static TIDIED: Once = Once::new();

/// Ends the boxes of tests that were killed. The names of boxes begin with the process of their test.
fn remove_orphans() {
    let boxes = ask(&["list"], LIMIT).unwrap_or_default();
    for name in boxes.lines() {
        let process = name.strip_prefix('t').and_then(|rest| rest.split('-').next());
        let Some(process) = process.and_then(|pid| pid.parse::<u32>().ok()) else { continue };
        if !Path::new("/proc").join(process.to_string()).exists() {
            // Another run of the tests may have been quicker.
            drop(ask(&["crash", name], LIMIT));
        }
    }
}

/// One of the few tests that have boxes at the same time: for each there are two hosts that boot.
struct Slot;

static TAKEN: Mutex<usize> = Mutex::new(0);
static FREE: Condvar = Condvar::new();

impl Slot {
    fn take() -> Self {
        let most = thread::available_parallelism().map_or(1, usize::from).min(4);
        let taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = FREE.wait_while(taken, |taken| *taken >= most);
        *taken.unwrap_or_else(PoisonError::into_inner) += 1;
        Self
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        *TAKEN.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        FREE.notify_one();
    }
}
