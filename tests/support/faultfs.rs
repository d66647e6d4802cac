//! A shared store that loses locks, fails, fills up and dies on command.
//!
//! A [`SharedStore`] is a directory that is mounted by FUSE as often as there are "hosts". Each
//! [`Mount`] is one host's client: what one writes the others see at once, because nothing is
//! cached, and byte-range locks exclude across mounts as they do on NFS: classic, OFD and
//! `flock` locks are one kind, a lock belongs to its owner *and* its mount, it goes when
//! its file is closed, at the death of the process for example, and only then.
//!
//! What a test can do to a mount:
//!
//! - [`Mount::revoke_locks`]: all its locks go at once, as after a lost lease. With
//!   [`Fence::Storage`], files that held one are dead as they are on NFS: nothing written to them
//!   reaches the store ever again, and the calls answer as there: the first unsynced `write`
//!   says that all is well, the `fsync` after it says EIO, then `write` says EIO and `fsync` says that
//!   all is well. With [`Fence::None`] writes go through.
//! - [`Mount::hang`] and [`Mount::resume`]: no call answers, not even to a signal, and no close or
//!   death of a process reaches the store.
//! - [`Mount::fail`]: a chosen call fails. [`Mount::fill_up`]: no space for anything new.
//! - [`SharedStore::changes`]: who changed what and when.
//!
//! A test must not touch a mount that hangs itself: it would wait for itself. Nor may it start a
//! process while it has a file of such a mount open (a close between fork and exec would wait).

mod ops;
mod server;
mod side;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use std::{fs, io, process, thread};

use fuser::{BackgroundSession, Config, MountOption, SessionACL};
use nix::mount::{MntFlags, umount2};

use super::locks::LockTable;

pub(crate) use self::side::{Fault, Op};

use self::server::Server;
use self::side::{Gate, Side};

/// The name under which mounts are listed, before the process id of the test.
const SOURCE: &str = "miqm-faultfs-";
/// How long to wait for a session to end after its mount is detached.
const SESSION_END_MAX: Duration = Duration::from_secs(2);

/// What keeps a host that lost its locks from writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fence {
    /// The store: files that held a lock stay dead.
    Storage,
    /// Nothing.
    None,
}

/// Something that one mount changed in the store.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    /// When it was done.
    pub(crate) at: Instant,
    /// The name of the mount.
    pub(crate) by: Arc<str>,
    /// The thread; the first thread of a process has the process's number.
    pub(crate) thread: u32,
    /// Which file, from the root of the store.
    pub(crate) path: PathBuf,
    /// What.
    pub(crate) what: What,
}

/// What was done to a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// Bytes were written.
    Write {
        /// The first one.
        offset: u64,
        /// How many.
        len_bytes: u64,
    },
    /// Space was allocated or freed.
    Allocate {
        /// From which byte.
        offset: u64,
        /// How many bytes.
        len_bytes: u64,
    },
    /// It was given a length.
    Truncate {
        /// In bytes.
        len_bytes: u64,
    },
    /// It was made: a file, directory, link or other.
    Create,
    /// It was removed.
    Remove,
    /// It has another name now.
    Rename {
        /// From the root of the store.
        to: PathBuf,
    },
    /// Its owner, mode or times were set.
    Attributes,
}

/// A directory that several "hosts" mount.
#[derive(Clone)]
pub(crate) struct SharedStore(Arc<Store>);

struct Store {
    /// Absolute, without links.
    backing: PathBuf,
    locks: Mutex<LockTable>,
    waiting: Mutex<Vec<server::Waiter>>,
    changes: Mutex<Vec<Change>>,
    sides: Mutex<usize>,
}

/// One host's view of the store. It goes when this is dropped.
#[must_use = "the store is unmounted at once if this is dropped"]
pub(crate) struct Mount {
    store: Arc<Store>,
    side: Arc<Side>,
    at: PathBuf,
    session: Option<BackgroundSession>,
}

impl SharedStore {
    /// A store in an existing directory, or `None`, after a line that says why, where this machine
    /// cannot mount it: then a test has nothing to test.
    pub(crate) fn or_skip(backing: &Path) -> Option<Self> {
        let why = match fs::OpenOptions::new().read(true).write(true).open("/dev/fuse") {
            Ok(_) => Self::new(backing).and_then(|store| store.probe().map(|()| store)),
            Err(error) => Err(error),
        };
        match why {
            Ok(store) => Some(store),
            Err(error) => {
                skipped(&error);
                None
            }
        }
    }

    fn new(backing: &Path) -> io::Result<Self> {
        remove_mounts_of_dead_tests();
        Ok(Self(Arc::new(Store {
            backing: backing.canonicalize()?,
            locks: Mutex::default(),
            waiting: Mutex::default(),
            changes: Mutex::default(),
            sides: Mutex::default(),
        })))
    }

    /// Mounts and unmounts once.
    fn probe(&self) -> io::Result<()> {
        let at = tempfile::tempdir()?;
        drop(self.try_mount("probe", at.path())?);
        Ok(())
    }

    /// Mounts the store on an existing directory.
    pub(crate) fn mount(&self, name: &str, at: &Path) -> Mount {
        self.try_mount(name, at).expect("the store can be mounted")
    }

    fn try_mount(&self, name: &str, at: &Path) -> io::Result<Mount> {
        let at = at.canonicalize()?;
        let number = {
            let mut sides = self.0.sides.lock().expect("no panic under the lock");
            *sides += 1;
            *sides
        };
        let side = Arc::new(Side::new(name, number, &self.0.backing)?);
        let mut config = Config::default();
        let source = format!("{SOURCE}{}", process::id());
        config.mount_options = vec![
            MountOption::FSName(source),
            MountOption::DefaultPermissions,
            MountOption::Exec,
            MountOption::NoAtime,
        ];
        if nix::unistd::geteuid().is_root() {
            config.acl = SessionACL::All;
        }
        config.n_threads = Some(3);
        let server = Server::new(self.0.clone(), side.clone());
        let session = fuser::spawn_mount(server, &at, &config)?;
        Ok(Mount { store: self.0.clone(), side, at, session: Some(session) })
    }

    /// What was changed, since a moment or ever, by the mount of this name or by all.
    pub(crate) fn changes(&self, since: Option<Instant>, by: Option<&str>) -> Vec<Change> {
        let changes = self.0.changes.lock().expect("no panic under the lock");
        let wanted = |c: &&Change| {
            since.is_none_or(|since| c.at >= since) && by.is_none_or(|by| *c.by == *by)
        };
        changes.iter().filter(wanted).cloned().collect()
    }
}

impl Mount {
    /// Where it is mounted.
    pub(crate) fn path(&self) -> &Path {
        &self.at
    }

    /// Takes all locks of this mount, and returns how many there were. No call of this mount is
    /// half done meanwhile: what it changes is before this call or after.
    pub(crate) fn revoke_locks(&self, fence: Fence) -> usize {
        let gone = self.side.pause(|| {
            let gone = self.store.locks().revoke(self.side.number);
            if fence == Fence::Storage {
                for lock in &gone {
                    self.side.fence(lock.fh);
                }
            }
            gone.len()
        });
        self.store.grant_waiters();
        gone
    }

    /// How many locks this mount holds.
    pub(crate) fn locks_held(&self) -> usize {
        self.store.locks().held_by(self.side.number)
    }

    /// Lets every call wait. Calls that have begun end before this returns.
    pub(crate) fn hang(&self) {
        self.side.set_gate(Gate::Closed);
    }

    /// Lets calls that wait go on.
    pub(crate) fn resume(&self) {
        self.side.set_gate(Gate::Open);
        self.store.grant_waiters();
    }

    /// Adds a fault.
    pub(crate) fn fail(&self, fault: Fault) {
        self.side.add_fault(fault);
    }

    /// The files, from the root of the store, on which calls failed by a fault.
    pub(crate) fn struck(&self) -> Vec<PathBuf> {
        self.side.struck()
    }

    /// Removes all faults, forgets on what they struck, and gives space again.
    pub(crate) fn repair(&self) {
        self.side.repair();
    }

    /// Gives no new space any more: ENOSPC. What is allocated can be written.
    pub(crate) fn fill_up(&self) {
        self.side.fill_up();
    }

    /// How often an operation was asked for, also in vain.
    pub(crate) fn calls(&self, op: Op) -> u64 {
        self.side.calls(op)
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        self.side.set_gate(Gate::Gone);
        self.store.refuse_waiters(self.side.number);
        // Lazily: processes of the test may still have files open there.
        let detached = umount2(&self.at, MntFlags::MNT_DETACH);
        if let Some(session) = self.session.take() {
            let started = Instant::now();
            while detached.is_ok()
                && !session.guard.is_finished()
                && started.elapsed() < SESSION_END_MAX
            {
                thread::sleep(Duration::from_millis(2));
            }
        }
    }
}

#[expect(clippy::print_stderr, reason = "a test that does nothing must say so")]
fn skipped(why: &io::Error) {
    eprintln!("SKIPPED: this machine cannot mount a FUSE file system: {why}");
}

/// Unmounts what tests left that were killed.
fn remove_mounts_of_dead_tests() {
    for line in fs::read_to_string("/proc/self/mounts").unwrap_or_default().lines() {
        let mut words = line.split(' ');
        let pid = words.next().and_then(|source| source.strip_prefix(SOURCE));
        if let (Some(pid), Some(at)) = (pid, words.next())
            && !Path::new("/proc").join(pid).exists()
        {
            // Another test may have been faster.
            let _ = umount2(at, MntFlags::MNT_DETACH);
        }
    }
}
