//! The proof that an active instance still holds what made it active.
//!
//! Holding a lock is no evidence: a host that was cut off or paused holds nothing any more and is not
//! told. Evidence is a write through a locked description that was durable *after* the question was
//! asked; on storage that fences by lock, it fails when the lock is gone. So:
//!
//! * [`Hold::check`] (about once a second, on a thread of its own) asserts every lock again, looks
//!   whether each path still names the file that is held, and writes the heartbeat through the lock
//!   on `active`, durably.
//! * Every write of the log counts as a proof, too, from the moment at which it began.
//! * A proof wears off: after [`Limits::deadline`] without one, nothing is written or acknowledged
//!   any more. The deadline is below the lease of the storage, so this instance stops before another
//!   can begin. [`Hold::overdue`] is asked by a thread that does no I/O at all.
//! * Between checks, a write or an acknowledgement that comes later than [`Limits::fresh`] after the
//!   last assertion asserts `master` first: a process that was stopped and continued finds out
//!   before it does harm, on storage that does not fence, too.
//!
//! A hold that is lost stays lost: nothing here tries to take it back.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::Duration;

use miqm_sys::IoError;
use miqm_sys::clock::BootInstant;
use miqm_sys::lock::LockedFile;

use std::path::PathBuf;

/// Why an instance has to assume that it is not the owner any more.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Loss {
    /// Another instance has the lock on the file.
    #[error("the lock on {} is held by another instance", .0.display())]
    Taken(PathBuf),
    /// The path names another file than the one that is held, or none.
    #[error("{} is not the file any more that this instance has locked", .0.display())]
    Replaced(PathBuf),
    /// A call failed on a file that is held.
    #[error("{0}")]
    Io(String),
    /// The locks have been let go by this instance itself.
    #[error("the locks have been let go")]
    LetGo,
    /// No write has come back for too long.
    #[error("no write to the storage has been confirmed for {} s", .0.as_secs())]
    Overdue(Duration),
}

/// How long a proof is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Without a proof for this long, the instance stops serving. Below the lease of the storage.
    pub deadline: Duration,
    /// An assertion younger than this need not be repeated before a write.
    pub fresh: Duration,
}

/// The hold of an active instance on its queue manager. Cheap to clone.
#[derive(Clone)]
pub struct Hold(Arc<Shared>);

struct Shared {
    limits: Limits,
    /// Weak: to let go must not wait for those who look at the hold.
    master: Weak<LockedFile>,
    lost: AtomicBool,
    why: OnceLock<Loss>,
    proven_ns: AtomicU64,
    asserted_ns: AtomicU64,
    /// One assertion at a time: those who find one under way wait for its outcome.
    asserting: Mutex<()>,
}

/// Something whose lock an active instance holds, and that can tell whether it still does.
pub trait Held {
    /// Asserts the lock again, and makes sure that the path still names what is held.
    ///
    /// # Errors
    ///
    /// The loss.
    fn check(&self) -> Result<(), Loss>;
}

impl Held for LockedFile {
    fn check(&self) -> Result<(), Loss> {
        let lost = |error: IoError| Loss::Io(error.to_string());
        if !self.reassert().map_err(lost)? {
            return Err(Loss::Taken(self.path().to_owned()));
        }
        if self.still_named().map_err(lost)? {
            Ok(())
        } else {
            Err(Loss::Replaced(self.path().to_owned()))
        }
    }
}

impl Hold {
    /// A hold that was proven at `proven`, when the locks were taken.
    pub fn new(master: &Arc<LockedFile>, limits: Limits, proven: BootInstant) -> Self {
        let now = proven.as_nanos();
        Self(Arc::new(Shared {
            limits,
            master: Arc::downgrade(master),
            lost: AtomicBool::new(false),
            why: OnceLock::new(),
            proven_ns: AtomicU64::new(now),
            asserted_ns: AtomicU64::new(now),
            asserting: Mutex::new(()),
        }))
    }

    /// How long a proof is good for.
    pub fn deadline(&self) -> Duration {
        self.0.limits.deadline
    }

    /// Why the hold is lost, or `None` while it is not.
    pub fn loss(&self) -> Option<Loss> {
        if !self.0.lost.load(Ordering::Acquire) {
            return None;
        }
        Some(self.0.why.get().cloned().unwrap_or(Loss::Overdue(Duration::ZERO)))
    }

    /// Gives the hold up for good. The first reason is kept.
    pub fn lose(&self, loss: Loss) -> Loss {
        let kept = self.0.why.get_or_init(|| loss).clone();
        self.0.lost.store(true, Ordering::Release);
        kept
    }

    /// Notes that a synced write through a locked description, begun at `started`, has come back.
    pub fn proven(&self, started: BootInstant) {
        self.0.proven_ns.fetch_max(started.as_nanos(), Ordering::AcqRel);
    }

    /// The age of the last proof.
    pub fn age(&self) -> Duration {
        let proven = self.0.proven_ns.load(Ordering::Acquire);
        Duration::from_nanos(BootInstant::now().as_nanos().saturating_sub(proven))
    }

    /// Whether the last proof has worn off. Does no I/O; once true, the hold is lost.
    ///
    /// # Errors
    ///
    /// The loss.
    pub fn overdue(&self) -> Result<(), Loss> {
        if let Some(loss) = self.loss() {
            return Err(loss);
        }
        let age = self.age();
        if age > self.0.limits.deadline { Err(self.lose(Loss::Overdue(age))) } else { Ok(()) }
    }

    /// To be called before a write that only the owner may make, and before an acknowledgement.
    ///
    /// # Errors
    ///
    /// The loss; nothing may be written or acknowledged any more.
    pub fn usable(&self) -> Result<(), Loss> {
        self.overdue()?;
        if self.assertion_is_fresh() {
            return Ok(());
        }
        let _one_at_a_time =
            self.0.asserting.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if self.assertion_is_fresh() {
            return self.overdue();
        }
        let started = BootInstant::now();
        let master = self.0.master.upgrade().ok_or_else(|| self.lose(Loss::LetGo))?;
        self.assert_lock(&master)?;
        self.0.asserted_ns.fetch_max(started.as_nanos(), Ordering::AcqRel);
        // The assertion itself may have taken long.
        self.overdue()
    }

    fn assertion_is_fresh(&self) -> bool {
        let asserted = self.0.asserted_ns.load(Ordering::Acquire);
        let age = BootInstant::now().as_nanos().saturating_sub(asserted);
        Duration::from_nanos(age) < self.0.limits.fresh
    }

    fn assert_lock(&self, file: &LockedFile) -> Result<(), Loss> {
        match file.reassert() {
            Ok(true) => Ok(()),
            Ok(false) => Err(self.lose(Loss::Taken(file.path().to_owned()))),
            Err(error) => Err(self.lose_by(&error)),
        }
    }

    /// Gives the hold up because of a failed call.
    pub fn lose_by(&self, error: &IoError) -> Loss {
        self.lose(Loss::Io(error.to_string()))
    }

    /// Asks everything that is held; then `heartbeat` is to write durably through one of the locks.
    ///
    /// # Errors
    ///
    /// The loss.
    pub fn check(
        &self,
        held: &[&dyn Held],
        heartbeat: impl FnOnce() -> Result<(), IoError>,
    ) -> Result<(), Loss> {
        // A pause before this point must be noticed before anything is written.
        self.overdue()?;
        let started = BootInstant::now();
        for held in held {
            held.check().map_err(|loss| self.lose(loss))?;
        }
        self.0.asserted_ns.fetch_max(started.as_nanos(), Ordering::AcqRel);
        self.usable()?;
        let writing = BootInstant::now();
        heartbeat().map_err(|error| self.lose_by(&error))?;
        self.proven(writing);
        self.overdue()
    }
}
