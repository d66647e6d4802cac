//! The applications that are connected to an instance, and how they learn that it ends.
//!
//! A session looks at the [`Phase`] before each call of its application and says what it finds:
//! "quiescing" is for the application to heed, "ending" refuses calls, "cut" ends the connection.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How far the end of the instance has come, for those who are connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Not yet serving: nobody is let in.
    Closed,
    /// Serving.
    Open,
    /// Nobody else is let in, those who are connected are told.
    Quiescing,
    /// The call under way is completed, the next one refused.
    Ending,
    /// The connection is ended at once.
    Cut,
}

struct Inner {
    phase: Phase,
    open: u64,
    reconnect: bool,
}

type OnEmpty = Box<dyn Fn() + Send + Sync>;

/// The register of sessions. Cheap to clone.
#[derive(Clone)]
pub struct Sessions {
    inner: Arc<Mutex<Inner>>,
    on_empty: Arc<OnEmpty>,
}

/// A session; dropping it signs it off.
pub struct Session(Sessions);

impl Sessions {
    /// An empty register; `on_empty` is called each time the last session has gone.
    pub fn new(on_empty: impl Fn() + Send + Sync + 'static) -> Self {
        Self {
            inner: Arc::new(Mutex::new(Inner { phase: Phase::Closed, open: 0, reconnect: false })),
            on_empty: Arc::new(Box::new(on_empty)),
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets an application in, or `None` if nobody is let in at the moment.
    pub fn admit(&self) -> Option<Session> {
        let mut inner = self.inner();
        if inner.phase != Phase::Open {
            return None;
        }
        inner.open += 1;
        drop(inner);
        Some(Session(self.clone()))
    }

    /// How many are connected.
    pub fn count(&self) -> u64 {
        self.inner().open
    }

    /// The phase that every session has to heed.
    pub fn phase(&self) -> Phase {
        self.inner().phase
    }

    /// From now on those whose connection ends are told to reconnect to another instance (`-r`).
    pub fn ask_to_reconnect(&self) {
        self.inner().reconnect = true;
    }

    /// Goes to `phase` and returns how many are connected still. A phase never goes back.
    pub fn enter(&self, phase: Phase) -> u64 {
        let mut inner = self.inner();
        inner.phase = inner.phase.max(phase);
        inner.open
    }
}

impl Session {
    /// What the instance wants of this session.
    pub fn phase(&self) -> Phase {
        self.0.phase()
    }

    /// Whether its application is to be told to reconnect when the connection ends.
    pub fn is_to_reconnect(&self) -> bool {
        self.0.inner().reconnect
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let mut inner = self.0.inner();
        inner.open -= 1;
        let last = inner.open == 0;
        drop(inner);
        if last {
            (self.0.on_empty)();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[test]
    fn nobody_is_let_in_before_and_after_and_the_last_to_go_is_noticed() {
        let emptied = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&emptied);
        let sessions = Sessions::new(move || {
            count.fetch_add(1, Ordering::SeqCst);
        });
        assert!(sessions.admit().is_none());
        assert_eq!(sessions.enter(Phase::Open), 0);
        let one = sessions.admit().expect("open");
        let two = sessions.admit().expect("open");
        assert_eq!(sessions.enter(Phase::Quiescing), 2);
        assert!(sessions.admit().is_none());
        assert_eq!(one.phase(), Phase::Quiescing);
        assert_eq!(sessions.enter(Phase::Open), 2, "a phase does not go back");
        assert_eq!(sessions.phase(), Phase::Quiescing);
        drop(one);
        assert_eq!(emptied.load(Ordering::SeqCst), 0);
        drop(two);
        assert_eq!(emptied.load(Ordering::SeqCst), 1);
    }
}
