//! Where checks play: two places, actors, names, limits.

mod actor;

pub use actor::Actor;

use std::cell::{OnceCell, RefCell};
use std::collections::BTreeSet;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use miqm_sys::clock::{BootInstant, sleep};

use crate::call::{Call, Turns, Value};
use crate::finding::Evidence;
use crate::host::{ActorId, Host, Lost};
use crate::report::HostFacts;

/// A host that several may use, one after the other.
pub type SharedHost = Rc<RefCell<dyn Host>>;

/// One of the two places of a check: two processes of one host, or two hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Where the check acts first.
    First,
    /// The other one.
    Second,
}

/// How long things may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// One call that is not meant to wait.
    pub call: Duration,
    /// Until another process or host sees a change, or gets a lock that became free.
    pub change: Duration,
    /// Until a waiting lock call is woken after the lock became free.
    pub wake: Duration,
    /// How long a lock is held without any input or output, for `--long`, unless twice the lease of the
    /// server is known and longer.
    pub hold: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            call: Duration::from_secs(10),
            change: Duration::from_mins(1),
            wake: Duration::from_mins(1),
            hold: Duration::from_secs(100),
        }
    }
}

/// Why a check has no answer of its own.
#[derive(Debug)]
pub enum Trouble {
    /// A call that the check needs was refused.
    Refused(Box<Evidence>),
    /// A call did not come back within its limit. Its actor was killed.
    Stuck(Box<Evidence>),
    /// An actor died although nobody killed it.
    Died(Box<Evidence>),
    /// A host cannot be reached any more: the run is over.
    Lost(Lost),
    /// The run was asked to end.
    Asked,
}

impl From<Lost> for Trouble {
    fn from(lost: Lost) -> Self {
        Self::Lost(lost)
    }
}

/// Told each call.
type Trace = Box<dyn FnMut(&str)>;

/// Told how far a check is that takes long: how much of how much time.
type Progress = Box<dyn FnMut(Duration, Duration)>;

/// What all actors of a run share.
pub(crate) struct Shared {
    pub(crate) limits: Limits,
    next_actor: std::cell::Cell<ActorId>,
    next_name: std::cell::Cell<u32>,
    /// Where each call is told, if anywhere.
    trace: RefCell<Option<Trace>>,
    /// Where it is told how far a long check is, if anywhere.
    progress: RefCell<Option<Progress>>,
    /// The names that calls may have made, to be removed in the end.
    made: RefCell<BTreeSet<String>>,
    /// Whether an actor was found dead that nobody of this run killed.
    pub(crate) died: std::cell::Cell<bool>,
    /// Whether the run was asked to end.
    asked: Box<dyn Fn() -> bool>,
    /// Whether a call that makes data durable failed, or did not come back: so that checks of other
    /// things do without.
    pub(crate) no_sync: std::cell::Cell<bool>,
    /// Whether two copies on one host and one mount are meant.
    one_host_meant: std::cell::Cell<bool>,
    /// In how many checks a call did not come back.
    stuck_checks: std::cell::Cell<u32>,
}

impl Shared {
    pub(crate) fn trace(&self, line: impl FnOnce() -> String) {
        if let Some(trace) = self.trace.borrow_mut().as_mut() {
            trace(&line());
        }
    }

    pub(crate) fn makes(&self, call: &crate::call::Call) {
        call.makes(&mut |name| {
            self.made.borrow_mut().insert(name.to_owned());
        });
    }

    pub(crate) fn asked(&self) -> bool {
        (self.asked)()
    }
}

/// The two places of a run, and what checks need there.
pub struct Stage {
    first: SharedHost,
    second: SharedHost,
    two_hosts: bool,
    folder: String,
    shared: Rc<Shared>,
    /// What was learned of the hosts of the two places.
    facts: [OnceCell<HostFacts>; 2],
}

impl fmt::Debug for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stage").field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl Stage {
    /// A stage on which both places are processes of one host. Files are made in `folder`, a directory
    /// in the tested one. `asked` tells whether the run was asked to end.
    pub fn one_host(
        host: SharedHost,
        folder: &str,
        limits: Limits,
        asked: impl Fn() -> bool + 'static,
    ) -> Self {
        let shared = Shared {
            limits,
            next_actor: 1.into(),
            next_name: 1.into(),
            trace: RefCell::new(None),
            progress: RefCell::new(None),
            made: RefCell::default(),
            died: false.into(),
            asked: Box::new(asked),
            no_sync: false.into(),
            one_host_meant: false.into(),
            stuck_checks: 0.into(),
        };
        let second = host.clone();
        let folder = folder.to_owned();
        let facts = Default::default();
        Self { first: host, second, two_hosts: false, folder, shared: Rc::new(shared), facts }
    }

    /// The same with two hosts; all else is shared with `self`.
    #[must_use]
    pub fn with_hosts(&self, first: SharedHost, second: SharedHost) -> Self {
        let (folder, shared) = (self.folder.clone(), self.shared.clone());
        Self { first, second, two_hosts: true, folder, shared, facts: Default::default() }
    }

    /// The same with one host, which may be another one; all else is shared.
    #[must_use]
    pub fn with_host(&self, host: SharedHost) -> Self {
        let (folder, shared) = (self.folder.clone(), self.shared.clone());
        let (second, facts) = (host.clone(), Default::default());
        Self { first: host, second, two_hosts: false, folder, shared, facts }
    }

    /// The same with another folder, which is taken for made by this run; all else is shared.
    #[must_use]
    pub fn with_folder(&self, folder: &str) -> Self {
        self.shared.made.borrow_mut().insert(folder.to_owned());
        let (first, second, shared) =
            (self.first.clone(), self.second.clone(), self.shared.clone());
        let (folder, facts) = (folder.to_owned(), Default::default());
        Self { first, second, two_hosts: self.two_hosts, folder, shared, facts }
    }

    /// Takes it for meant that two copies share one host and one mount, which shows nothing about two
    /// hosts: otherwise such a run is none of two hosts, and `env.two-hosts` says so.
    pub fn allow_one_host(&self) {
        self.shared.one_host_meant.set(true);
    }

    /// Whether [`Stage::allow_one_host`] was called.
    pub(crate) fn one_host_meant(&self) -> bool {
        self.shared.one_host_meant.get()
    }

    /// Counts the checks in which a call did not come back: the number so far, with this one.
    pub(crate) fn count_stuck(&self, stuck: bool) -> u32 {
        let count = self.shared.stuck_checks.get().saturating_add(u32::from(stuck));
        self.shared.stuck_checks.set(count);
        count
    }

    /// Tells each call, with its result, to `trace`.
    pub fn set_trace(&self, trace: impl FnMut(&str) + 'static) {
        *self.shared.trace.borrow_mut() = Some(Box::new(trace));
    }

    /// Tells `progress` how far a check is that takes long by itself: how much of how much time.
    pub fn set_progress(&self, progress: impl FnMut(Duration, Duration) + 'static) {
        *self.shared.progress.borrow_mut() = Some(Box::new(progress));
    }

    /// Lets time pass, and tells how far it is: `done` of `all` had passed before.
    ///
    /// # Errors
    ///
    /// If the run was asked to end.
    pub fn let_pass(&self, time: Duration, done: Duration, all: Duration) -> Result<(), Trouble> {
        let began = BootInstant::now();
        loop {
            let passed = began.elapsed().min(time);
            if let Some(progress) = self.shared.progress.borrow_mut().as_mut() {
                progress(done + passed, all);
            }
            if self.shared.asked() {
                return Err(Trouble::Asked);
            }
            if passed == time {
                return Ok(());
            }
            sleep(time.saturating_sub(passed).min(Duration::from_millis(200)));
        }
    }

    /// Every name that a call may have made so far, relative to the tested directory.
    pub fn made(&self) -> BTreeSet<String> {
        self.shared.made.borrow().clone()
    }

    /// Whether since the last question an actor was found dead that nobody of this run killed.
    pub(crate) fn take_died(&self) -> bool {
        self.shared.died.take()
    }

    /// Whether the places are two hosts.
    pub fn two_hosts(&self) -> bool {
        self.two_hosts
    }

    /// The host of a place.
    pub fn host(&self, place: Place) -> &SharedHost {
        match place {
            Place::First => &self.first,
            Place::Second => &self.second,
        }
    }

    /// The name of the host of a place.
    pub fn host_name(&self, place: Place) -> String {
        self.host(place).borrow().facts().name.clone()
    }

    /// What is known of the host of a place and of what is mounted there. It is asked once: a process
    /// there touches the directory.
    ///
    /// # Errors
    ///
    /// If the directory cannot be opened, or the host is lost.
    pub fn facts(&self, place: Place) -> Result<&HostFacts, Trouble> {
        let cell = match place {
            Place::Second if self.two_hosts => &self.facts[1],
            _ => &self.facts[0],
        };
        if let Some(facts) = cell.get() {
            return Ok(facts);
        }
        let mut actor = self.actor(place)?;
        let Value::Facts(mut facts) = actor.must(Call::Facts)? else {
            let evidence = actor.evidence().with_note("the answer is not one to this question");
            return Err(Trouble::Refused(Box::new(evidence)));
        };
        let host = self.host(place).borrow();
        let given = host.facts();
        facts.name.clone_from(&given.name);
        for (known, own) in [
            (&given.directory, &mut facts.directory),
            (&given.version, &mut facts.version),
            (&given.user, &mut facts.user),
        ] {
            if !known.is_empty() {
                own.clone_from(known);
            }
        }
        Ok(cell.get_or_init(|| *facts))
    }

    /// How long things may take.
    pub fn limits(&self) -> Limits {
        self.shared.limits
    }

    /// How often processes take a lock in turns: `most` times, or as often as some seconds allow.
    pub(crate) fn turns(&self, most: u32) -> Turns {
        const ENOUGH: Duration = Duration::from_secs(3);
        let millis = |time: Duration| u32::try_from(time.as_millis()).unwrap_or(u32::MAX);
        let limit = self.limits().change;
        Turns { most, for_ms: millis(ENOUGH.min(limit)), limit_ms: millis(limit) }
    }

    /// The directory, in the tested one, for the files of this run.
    pub fn folder(&self) -> &str {
        &self.folder
    }

    /// A name that nobody has used: `FOLDER/STEM-NUMBER`. Nothing is made.
    pub fn name(&self, stem: &str) -> String {
        let number = self.shared.next_name.replace(self.shared.next_name.get() + 1);
        format!("{}/{stem}-{number}", self.folder)
    }

    /// A new process at a place.
    ///
    /// # Errors
    ///
    /// If the host is lost, or the run was asked to end.
    pub fn actor(&self, place: Place) -> Result<Actor, Trouble> {
        if self.shared.asked() {
            return Err(Trouble::Asked);
        }
        let id = self.shared.next_actor.replace(self.shared.next_actor.get() + 1);
        let host = self.host(place).clone();
        host.borrow_mut().start(id)?;
        Ok(Actor::new(host, id, self.shared.clone()))
    }

    /// Two new processes, one at each place.
    ///
    /// # Errors
    ///
    /// As [`Stage::actor`].
    pub fn pair(&self) -> Result<(Actor, Actor), Trouble> {
        Ok((self.actor(Place::First)?, self.actor(Place::Second)?))
    }

    /// Whether the run was asked to end.
    pub fn asked(&self) -> bool {
        self.shared.asked()
    }
}
