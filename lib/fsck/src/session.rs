//! A run on one directory, from the look whether it may be tested to the removal of what was made.
//!
//! * Looking comes first: the directory must be one, and no queue manager may be running in it.
//! * What checks make is below one folder of the run, which only its owner and group may enter. A
//!   marker file in it says whose it is, and is locked while the run lives.
//! * In the end exactly the names are removed that a call of this run may have made; whatever else
//!   is found in the folder is left where it is, and told.

mod directory;
mod folder;
mod leftovers;

pub use directory::Live;
pub use folder::Cleaned;
pub use leftovers::{Leftover, Tidied};

use std::cell::{Cell, RefCell};
use std::fmt;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use miqm_sys::signal::Signals;
use miqm_sys::{IoError, random};

use crate::finding::Evidence;
use crate::host::{LocalHost, Lost};
use crate::report::HostFacts;
use crate::stage::{Actor, Limits, Place, SharedHost, Stage, Trouble};

/// Why a run cannot be made.
#[derive(Debug)]
pub enum Refusal {
    /// There is nothing of that name.
    Missing,
    /// What is there is no directory.
    NotDirectory,
    /// The name leads through symbolic links in a circle.
    Loop,
    /// The directory may not be entered, or nothing may be made in it.
    NotAuthorized(Box<Denied>),
    /// A queue manager is running in it.
    Live(Live),
    /// A call on the directory failed that every run needs.
    Failed(Box<Evidence>),
    /// A call on the directory did not come back.
    Stuck(Box<Evidence>),
    /// This host cannot make the processes that the test consists of.
    Lost(Lost),
    /// A signal came first.
    Asked,
    /// This process cannot be prepared.
    System(IoError),
}

/// A call that was refused for want of a permission.
#[derive(Clone, Debug, PartialEq)]
pub struct Denied {
    /// The call and its error number.
    pub evidence: Evidence,
    /// Which permission is missing, as the end of a sentence.
    pub why: String,
}

impl From<Trouble> for Refusal {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Refused(evidence) | Trouble::Died(evidence) => Self::Failed(evidence),
            Trouble::Stuck(evidence) => Self::Stuck(evidence),
            Trouble::Lost(lost) => Self::Lost(lost),
            Trouble::Asked => Self::Asked,
        }
    }
}

/// What a run is made on, and how.
pub struct Setup {
    /// The tested directory.
    pub directory: PathBuf,
    /// What this host is called.
    pub host: String,
    /// How long things may take.
    pub limits: Limits,
    /// Called every now and then while the run waits for something.
    pub idle: Box<dyn Fn()>,
}

impl fmt::Debug for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Setup").field("directory", &self.directory).finish_non_exhaustive()
    }
}

/// A run on a directory. The process must have one thread.
pub struct Session {
    stage: Stage,
    host: Rc<RefCell<LocalHost>>,
    asked: Rc<Asked>,
    run: String,
    /// Keeps the marker of the folder locked.
    keeper: Option<Actor>,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("run", &self.run).finish_non_exhaustive()
    }
}

/// Signals that ask the run to end.
struct Asked {
    signals: Signals,
    came: Cell<u32>,
    /// So many have been obeyed already: what follows them is the removal of what was made.
    obeyed: Cell<u32>,
    idle: Box<dyn Fn()>,
}

impl Asked {
    fn now(&self) -> bool {
        (self.idle)();
        while let Ok(Some(_)) = self.signals.wait(std::time::Duration::ZERO) {
            self.came.set(self.came.get().saturating_add(1));
        }
        self.came.get() > self.obeyed.get()
    }
}

impl Session {
    /// Looks at the directory: it must be one. Nothing is made yet. From now on signals that ask this
    /// process to end make the run end in order.
    ///
    /// # Errors
    ///
    /// If there is no such directory, it cannot be entered, or this process cannot be prepared.
    pub fn open(setup: Setup) -> Result<Self, Refusal> {
        let signals = Signals::catch().map_err(Refusal::System)?;
        let run = hex(&random::bytes16().map_err(Refusal::System)?);
        let Setup { directory, host, limits, idle } = setup;
        let facts = HostFacts {
            name: host,
            directory: directory.display().to_string(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            ..HostFacts::default()
        };
        let host = Rc::new(RefCell::new(LocalHost::new(&directory, facts)));
        let asked = Rc::new(Asked { signals, came: Cell::new(0), obeyed: Cell::new(0), idle });
        let folder = folder::name_of(&run);
        let shared: SharedHost = host.clone();
        let stage = {
            let asked = asked.clone();
            Stage::one_host(shared, &folder, limits, move || asked.now())
        };
        let session = Self { stage, host, asked, run, keeper: None };
        directory::enter(&session.stage)?;
        Ok(session)
    }

    /// Where the checks of this host play.
    pub fn stage(&self) -> &Stage {
        &self.stage
    }

    /// This host.
    pub fn host(&self) -> &Rc<RefCell<LocalHost>> {
        &self.host
    }

    /// What names the run: 32 hexadecimal digits.
    pub fn run(&self) -> &str {
        &self.run
    }

    /// Whether a signal has asked the run to end.
    pub fn asked(&self) -> bool {
        self.asked.now()
    }

    /// Looks whether a queue manager is running in the directory or in one just below it.
    ///
    /// # Errors
    ///
    /// [`Refusal::Live`] if one is, or if that cannot be told; others if the directory cannot be read.
    pub fn refuse_live(&self) -> Result<(), Refusal> {
        directory::refuse_live(&self.stage)
    }

    /// Makes the folder of the run.
    ///
    /// # Errors
    ///
    /// If it cannot be made; nothing of it is left then.
    pub fn prepare(&mut self) -> Result<(), Refusal> {
        let name = self.stage.host_name(Place::First);
        let made = folder::make(&self.stage, &self.run, &name);
        match made {
            Ok(keeper) => {
                self.keeper = Some(keeper);
                Ok(())
            }
            Err(refusal) => {
                drop(self.clean_up());
                Err(refusal)
            }
        }
    }

    /// Goes on in the folder that two copies have agreed upon, and that is there already.
    ///
    /// # Errors
    ///
    /// As [`Session::prepare`].
    pub fn adopt(&mut self, run: &str, folder: &str) -> Result<(), Refusal> {
        run.clone_into(&mut self.run);
        self.stage = self.stage.with_folder(folder);
        let name = self.stage.host_name(Place::First);
        let marked = folder::mark(&self.stage, &self.run, &name);
        match marked {
            Ok(keeper) => {
                self.keeper = Some(keeper);
                Ok(())
            }
            Err(refusal) => {
                drop(self.clean_up());
                Err(refusal)
            }
        }
    }

    /// Makes a folder for checks that another host makes by itself.
    ///
    /// # Errors
    ///
    /// If the directory is not there on that host, or nothing can be made in it.
    pub fn visit(&self, host: &SharedHost) -> Result<Visit, Refusal> {
        let run = hex(&random::bytes16().map_err(Refusal::System)?);
        let name = host.borrow().facts().name.clone();
        let stage = self.stage.with_host(host.clone());
        directory::enter(&stage)?;
        let stage = stage.with_folder(&folder::name_of(&run));
        let keeper = folder::make(&stage, &run, &name)?;
        Ok(Visit { stage, keeper })
    }

    /// Removes all that calls of this run may have made in its folder, and the folder. A signal that
    /// came before does not hinder that; one that comes now ends it.
    pub fn clean_up(&mut self) -> Cleaned {
        self.asked.obeyed.set(self.asked.came.get());
        folder::remove(&self.stage, self.keeper.take())
    }

    /// Removes what dead runs left in the directory.
    ///
    /// # Errors
    ///
    /// If the directory cannot be read, or calls on it do not come back.
    pub fn tidy(&self) -> Result<Tidied, Refusal> {
        leftovers::tidy(&self.stage)
    }
}

/// A part of a run that another host makes by itself, in a folder of its own.
#[derive(Debug)]
pub struct Visit {
    stage: Stage,
    keeper: Actor,
}

impl Visit {
    /// Where the checks of that host play.
    pub fn stage(&self) -> &Stage {
        &self.stage
    }

    /// Removes what was made.
    pub fn leave(self, session: &Session) -> Cleaned {
        session.asked.obeyed.set(session.asked.came.get());
        folder::remove(&self.stage, Some(self.keeper))
    }
}

/// What is known of this host and of a directory; as much as `known` if it does not answer.
pub fn facts_of(path: &Path, known: HostFacts, limits: Limits) -> HostFacts {
    let host = Rc::new(RefCell::new(LocalHost::new(path, known.clone())));
    let stage = Stage::one_host(host, ".", limits, || false);
    stage.facts(Place::First).cloned().unwrap_or(known)
}

/// Whether ENTER was pressed, or there is nobody who could: the standard input has ended.
pub fn enter_pressed() -> bool {
    typed().is_some()
}

/// What was typed since the last time, with the ends of the lines; empty at the end of the standard
/// input, and `None` if nothing was. It does not wait.
pub fn typed() -> Option<String> {
    use std::io::Read;
    let input = std::io::stdin();
    let ready = miqm_sys::worker::wait_readable(&[input.as_fd()], std::time::Duration::ZERO);
    if ready.is_ok_and(|ready| ready.is_empty()) {
        return None;
    }
    let mut bytes = [0; 4096];
    let read = input.lock().read(&mut bytes).unwrap_or(0);
    Some(String::from_utf8_lossy(&bytes[..read]).into_owned())
}

impl Drop for Session {
    fn drop(&mut self) {
        // Whoever ends without a word for it still leaves nothing behind.
        if self.keeper.is_some() {
            drop(self.clean_up());
        }
    }
}

/// The directory as the checks name it: absolute, without a look at it.
pub fn absolute(directory: &Path) -> PathBuf {
    std::path::absolute(directory).unwrap_or_else(|_| directory.to_owned())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}
