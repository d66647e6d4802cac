//! A third party that watches a queue manager all the time: never two who serve, never an epoch that
//! goes back or belongs to two instances.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use miqm_format::lockrec::{LOCK_RECORD_BYTES, LockRecord, LockSlot};
use miqm_sys::fs as sys_fs;
use miqm_sys::lock::{LockedFile, Range};

use super::Machine;
use super::instance::{Told, says_it_serves};

/// How long the witness rests between two looks.
const REST: Duration = Duration::from_millis(1);

/// What a witness looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Watch {
    /// It takes the lock on `master` whenever it is free, and holds it for a moment.
    Lock,
    /// It looks only. For when somebody replaces lock files: a lock on the new one proves nothing.
    Look,
}

/// A thread that watches until it is asked what it has seen.
pub(crate) struct Witness {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Seen>>,
}

/// What a witness has seen.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// How often it looked.
    pub(crate) looks: u64,
    /// How often it had the lock on `master`.
    pub(crate) locked: u64,
    /// The instance of each epoch.
    pub(crate) epochs: BTreeMap<u64, String>,
    /// What must not be.
    pub(crate) wrong: Vec<String>,
}

/// The record in a lock file, if it can be read.
pub(crate) fn record(path: &Path) -> Option<LockRecord> {
    let file = sys_fs::open_read(path).ok()?;
    let mut bytes = [0; LOCK_RECORD_BYTES];
    let read = sys_fs::read_at(&file, path, &mut bytes, 0).ok()?;
    match LockSlot::decode(&bytes[..read]) {
        LockSlot::Present(record) => Some(record),
        LockSlot::Absent | LockSlot::Unreadable(_) => None,
    }
}

impl Witness {
    /// Watches the queue manager in data directory `data` on these hosts.
    pub(crate) fn of(data: &Path, hosts: &[&Machine], watch: Watch) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let eyes = Eyes {
            data: data.to_owned(),
            runtimes: hosts.iter().map(|host| host.runtime_dir()).collect(),
            watch,
            seen: Seen::default(),
            last: 0,
        };
        let thread = std::thread::spawn(move || eyes.watch_until(&stopped));
        Self { stop, thread: Some(thread) }
    }

    /// Ends the watch; fails the test if anything was wrong.
    pub(crate) fn testify(mut self) -> Seen {
        self.stop.store(true, Ordering::Release);
        let thread = self.thread.take().expect("it is asked once");
        let seen = thread.join().expect("the witness watched to the end");
        assert!(seen.wrong.is_empty(), "the witness saw:\n{}", seen.wrong.join("\n"));
        assert!(seen.looks > 10, "the witness slept");
        seen
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
    }
}

struct Eyes {
    data: PathBuf,
    runtimes: Vec<PathBuf>,
    watch: Watch,
    seen: Seen,
    last: u64,
}

impl Eyes {
    fn watch_until(mut self, stop: &AtomicBool) -> Seen {
        while !stop.load(Ordering::Acquire) && self.seen.wrong.len() < 20 {
            self.look();
            self.seen.looks += 1;
            std::thread::sleep(REST);
        }
        self.seen
    }

    fn look(&mut self) {
        if self.watch == Watch::Lock {
            self.nobody_serves_without_the_lock();
            self.epochs_grow();
        }
        self.two_do_not_serve();
        self.a_standby_does_not_say_it_serves();
        for runtime in self.runtimes.clone() {
            if let Some(told) = Told::read(&runtime)
                && told.epoch > 0
            {
                self.note(told.epoch, &told.instance);
            }
        }
    }

    fn wrong(&mut self, what: String) {
        self.seen.wrong.push(what);
    }

    fn nobody_serves_without_the_lock(&mut self) {
        let path = self.data.join("master");
        let Ok(file) = sys_fs::open_rw(&path) else { return };
        let Ok(Ok(lock)) = LockedFile::try_lock(file, &path, Range::WHOLE) else { return };
        self.seen.locked += 1;
        for runtime in self.runtimes.clone() {
            if let Some(told) = serves(&runtime) {
                self.wrong(format!("{told:?} serves while the witness has its lock"));
            }
        }
        drop(lock);
    }

    fn epochs_grow(&mut self) {
        let Some(record) = record(&self.data.join("master")) else { return };
        let (epoch, state) = (record.epoch.0, record.state);
        if epoch < self.last {
            self.wrong(format!("epoch {epoch} in master after {}", self.last));
        }
        self.last = self.last.max(epoch);
        // Who starts shows the epoch of its predecessor until it has one of its own.
        if state != miqm_format::lockrec::State::Starting {
            self.note(epoch, &record.instance_id.to_string());
        }
    }

    fn note(&mut self, epoch: u64, instance: &str) {
        let first = self.seen.epochs.entry(epoch).or_insert_with(|| instance.to_owned());
        if first != instance {
            let what = format!("epoch {epoch} belongs to {first} and to {instance}");
            self.wrong(what);
        }
    }

    fn two_do_not_serve(&mut self) {
        for (at, one) in self.runtimes.clone().iter().enumerate() {
            let Some(first) = serves(one) else { continue };
            for other in &self.runtimes.clone()[at + 1..] {
                let Some(second) = serves(other) else { continue };
                // The first may have ended between the two looks.
                if serves(one).as_ref() == Some(&first) {
                    self.wrong(format!("{first:?} and {second:?} serve"));
                }
            }
        }
    }

    fn a_standby_does_not_say_it_serves(&mut self) {
        for runtime in self.runtimes.clone() {
            let before = Told::read(&runtime);
            let serves = says_it_serves(&runtime);
            let standby = before.filter(|told| told.role == "Standby" && told.is_alive());
            if serves && standby.is_some() && standby == Told::read(&runtime) {
                self.wrong(format!("{standby:?} says that it serves"));
            }
        }
    }
}

/// The instance that says it serves here and is alive.
fn serves(runtime: &Path) -> Option<Told> {
    if !says_it_serves(runtime) {
        return None;
    }
    let told = Told::read(runtime)?;
    // What a dead instance left stands until the next one here has said something.
    let may_serve = !matches!(told.role.as_str(), "Standby" | "Starting");
    (may_serve && told.is_alive()).then_some(told)
}
