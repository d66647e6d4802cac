//! A shared store that is wrong in one way, chosen by name.
//!
//! A [`Lab`] is one store, in memory, that two hosts have mounted by FUSE, with one of the
//! [`BEHAVIOURS`]: right, odd but right, or wrong in exactly one way. It is what a checker of
//! file systems is tried on. Nothing is durable but what was synced, so [`Lab::crash`] shows what a power
//! cut would leave; [`Lab::revoke`] takes a host's locks as a server does after a lost lease.
//!
//! How it differs from `faultfs`, which fails on command: this one has a character.

mod behaviour;
mod bytes;
mod client;
mod disk;
mod host;
mod locking;
mod server;
mod session;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::{fs, io, process};

use nix::mount::{MntFlags, umount2};
use tempfile::TempDir;

pub(crate) use self::behaviour::{BEHAVIOURS, Behaviour, Class, Phase, Row};

use self::disk::Disk;
use self::host::Host;
use self::locking::Locks;
use self::server::Server;
use self::session::{Interrupted, Mounted};

/// The name under which mounts are listed, before the process id of the test.
const SOURCE: &str = "miqm-defectfs-";
/// The environment variable that selects behaviours: a part of their names.
pub(crate) const SELECT: &str = "MIQM_TEST_DEFECT";

/// What whoever runs the tests has set.
#[expect(clippy::disallowed_methods, reason = "a test has no command line of its own")]
pub(crate) fn setting(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// What all hosts share.
struct Store {
    behaviour: Behaviour,
    disk: Mutex<Disk>,
    locks: Arc<Locks>,
    hosts: Mutex<Vec<Arc<Host>>>,
}

/// Whether signals reach the server for who waits for a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signals {
    /// Yes, at the price of slower calls.
    Reach,
    /// No, as is usual with the library.
    Stay,
}

/// A store and the two hosts that have mounted it. All goes when this is dropped.
#[must_use = "the store is unmounted at once if this is dropped"]
pub(crate) struct Lab {
    behaviour: Behaviour,
    stores: Vec<Arc<Store>>,
    hosts: Vec<Arc<Host>>,
    mounts: Vec<(Mounted, PathBuf)>,
    /// Removed after the mounts are gone.
    directory: Option<TempDir>,
}

impl Lab {
    /// Two mounts in a directory of their own, or `None`, after a line that says why, where this
    /// machine cannot mount them: then a test has nothing to test.
    pub(crate) fn or_skip(behaviour: Behaviour, signals: Signals) -> Option<Self> {
        let directory = TempDir::new().expect("a directory");
        match Self::try_new(behaviour, signals, directory.path()) {
            Ok(mut lab) => {
                lab.directory = Some(directory);
                Some(lab)
            }
            Err(error) => {
                super::say(&format!(
                    "SKIPPED: this machine cannot mount a FUSE file system: {error}"
                ));
                None
            }
        }
    }

    /// Mounts on `one` and `two` below an existing directory.
    pub(crate) fn try_new(
        behaviour: Behaviour,
        signals: Signals,
        below: &Path,
    ) -> io::Result<Self> {
        remove_mounts_of_dead_tests();
        let below = below.canonicalize()?;
        let store = || {
            Arc::new(Store {
                behaviour,
                disk: Mutex::new(Disk::new(behaviour)),
                locks: Locks::new(behaviour),
                hosts: Mutex::default(),
            })
        };
        let one = store();
        let two = if behaviour == Behaviour::TwoStores { store() } else { one.clone() };
        let stores = vec![one, two];
        let mut lab = Self { behaviour, stores, hosts: vec![], mounts: vec![], directory: None };
        for (number, name) in [(1, "one"), (2, "two")] {
            let at = below.join(name);
            fs::create_dir_all(&at)?;
            lab.mount(number, signals, at)?;
        }
        Ok(lab)
    }

    fn mount(&mut self, number: usize, signals: Signals, at: PathBuf) -> io::Result<()> {
        let store = self.stores[number - 1].clone();
        let host = Arc::new(Host::new(number, store.clone()));
        lock(&store.hosts).push(host.clone());
        let hook: session::Hook = {
            let behaviour = self.behaviour;
            Box::new(move |request| match behaviour {
                Behaviour::NotInterruptible => Interrupted::Unknown,
                _ if store.locks.interrupted(request) => Interrupted::Answered,
                _ => Interrupted::NotYet,
            })
        };
        let hook = Some(hook).filter(|_| signals == Signals::Reach);
        let server = Server::new(host.clone());
        let source = format!("{SOURCE}{}", process::id());
        let mounted = session::mount_on(&at, &source, server, hook)?;
        self.hosts.push(host);
        self.mounts.push((mounted, at));
        Ok(())
    }

    /// Where a host, 0 or 1, has mounted the store.
    pub(crate) fn path(&self, host: usize) -> &Path {
        &self.mounts[host].1
    }

    /// Cuts the power of the store and of both hosts: what is not durable is gone, and so are
    /// locks, open files and what hosts had cached. Processes must be gone before. `seed`
    /// decides where there is a choice.
    pub(crate) fn crash(&self, seed: u64) {
        let mut state = seed | 1;
        for store in &self.stores {
            let mut disk = lock(&store.disk);
            disk.crash(|| {
                // xorshift64
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                state >> 11
            });
            drop(disk);
            for host in &*lock(&store.hosts) {
                host.crashed();
                drop(store.locks.revoke(host.number()));
            }
        }
    }

    /// Cuts the network between a host, 0 or 1, and the store: calls wait. `false` joins it again.
    pub(crate) fn cut(&self, host: usize, cut: bool) {
        self.hosts[host].set_cut(cut);
    }

    /// Takes all locks of a host, 0 or 1, as after a lost lease, and returns how many there were.
    /// What it has open under a lock is dead then, if the store fences.
    pub(crate) fn revoke(&self, host: usize) -> usize {
        let store = &self.stores[host];
        // Dead first: the locks are given to who waits as soon as they are taken.
        self.hosts[host].fence_locked();
        store.locks.revoke(self.hosts[host].number()).len()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for host in &self.hosts {
            host.ends();
        }
        for (mounted, at) in &self.mounts {
            mounted.end(at);
        }
        for store in &self.stores {
            lock(&store.hosts).clear();
        }
        drop(self.directory.take());
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no panic under the lock")
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
            let _ = umount2(at, MntFlags::MNT_FORCE | MntFlags::MNT_DETACH);
        }
    }
}
