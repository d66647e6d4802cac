//! Two copies that were started by hand, and find each other through the directory alone.

use std::path::{Path, PathBuf};
use std::time::Duration;

use miqm_sys::clock::BootInstant;
use miqm_sys::port::{Incoming, Port};
use miqm_sys::worker::Worker;
use miqm_sys::{clock, proc};

pub use crate::post::{Id, Offer};

use crate::host::{Lost, RemoteHost};
use crate::post::{self, Seen, Task, Word};
use crate::report::HostFacts;
use crate::wire::{Hello, WIRE_BYTES_MAX};

/// How often it is looked whether to end, and people are told that it goes on.
const TICK: Duration = Duration::from_millis(200);
/// How long the process that looks after the files is given to remove them.
const TIDY: Duration = Duration::from_secs(5);

/// How long things may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Until another copy is found.
    pub wait: Duration,
    /// After so long without a sign of life the other copy, or what carries messages, is dead.
    pub silence: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { wait: Duration::from_mins(10), silence: Duration::from_secs(30) }
    }
}

/// What happens while a copy looks for another one.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// It has waited so long.
    Waiting(Duration),
    /// There are files of a copy that is not alive: of which host, when that began by the clock there (in
    /// microseconds since 1970 UTC), and whether they have been removed now.
    Leftover {
        /// The host.
        host: String,
        /// When the copy began.
        began: i64,
        /// Whether its files were removed.
        removed: bool,
    },
    /// Two others are testing in the same directory.
    Busy {
        /// Their hosts.
        hosts: [String; 2],
    },
    /// A living copy was found that was asked for something else.
    Other {
        /// Its host.
        host: String,
    },
    /// A living copy was found that was asked for the same.
    Found {
        /// Its host.
        host: String,
    },
    /// A file has a name of ours, and is none.
    Strange {
        /// The file.
        name: String,
    },
}

impl From<Seen> for Event {
    fn from(seen: Seen) -> Self {
        match seen {
            Seen::Leftover { host, began, removed } => Self::Leftover { host, began, removed },
            Seen::Busy { hosts } => Self::Busy { hosts },
            Seen::Other { host } => Self::Other { host },
            Seen::Found { host } => Self::Found { host },
            Seen::Strange { name } => Self::Strange { name },
        }
    }
}

/// Why no other copy was found. In each case nothing was tested.
#[derive(Debug, thiserror::Error)]
pub enum MeetError {
    /// There is none.
    #[error("no other copy of the checker was found in the directory within {0:?}")]
    Nobody(Duration),
    /// There is one with other parameters; what differs, as sentences without a full stop.
    #[error("{}", .0.join("; "))]
    Differs(Vec<String>),
    /// The directory, or this process, cannot do it; a sentence without a full stop.
    #[error("{0}")]
    Cannot(String),
    /// This copy was asked to end.
    #[error("it was asked to end")]
    Asked,
}

/// Two copies that are connected.
#[derive(Debug)]
pub struct Met {
    /// The host of the other copy.
    pub host: String,
    /// Whether both copies run under one kernel, so that what they find says nothing about two hosts.
    pub same_host: bool,
    /// Whether this copy directs; otherwise it serves.
    pub directs: bool,
    /// The folder of the run, in the directory. It exists.
    pub folder: String,
    /// The id of the run: that of the copy that directs.
    pub run: String,
    post: Post,
    silence: Duration,
}

/// The process that looks after the files.
#[derive(Debug)]
pub struct Post {
    port: Option<Port>,
    worker: Worker,
    dir: PathBuf,
    id: Id,
}

impl Drop for Post {
    fn drop(&mut self) {
        // It sees the end, delivers the last words, removes its files and ends.
        self.port = None;
        self.worker.hang_up();
        let until = BootInstant::now().saturating_add(TIDY);
        while !self.worker.has_ended() && !until.left().is_zero() {
            clock::sleep(Duration::from_millis(2));
        }
        if self.worker.has_ended() && self.worker.code() != Some(0) {
            // It died, and its files are still there. If no other process can be made, they stay.
            let (dir, id) = (self.dir.clone(), self.id);
            if let Ok(mut worker) = Worker::start(move |_| post::clean_up(&dir, id)) {
                while !worker.has_ended() && !until.left().is_zero() {
                    clock::sleep(Duration::from_millis(2));
                }
            }
        }
    }
}

impl Met {
    /// The host of the other copy, for the copy that directs.
    ///
    /// # Errors
    ///
    /// If the other copy is gone already, or does not understand this one.
    pub fn direct(mut self, facts: &HostFacts) -> Result<RemoteHost, Lost> {
        let host = self.host.clone();
        let lost = |why: &str| Lost { host, why: why.to_owned() };
        let port = self.post.port.take().ok_or_else(|| lost("the connection is in use"))?;
        let host = RemoteHost::over(port, &Hello::new(facts), self.silence, self.silence)?;
        Ok(host.carried_by(self.post))
    }

    /// The port for [`crate::agent::serve`], and what must live as long as it is used.
    ///
    /// # Errors
    ///
    /// If the connection is in use.
    pub fn serve(mut self) -> Result<(Port, Post), Lost> {
        match self.post.port.take() {
            Some(port) => Ok((port, self.post)),
            None => Err(Lost { host: self.host, why: "the connection is in use".into() }),
        }
    }
}

/// Looks for another copy in the directory at `path`, by a process of its own. `asked` tells whether
/// this one was asked to end.
///
/// # Errors
///
/// If there is none, or none that fits. All files of this copy are removed then.
pub fn meet(
    path: &Path,
    offer: Offer,
    limits: Limits,
    on: &mut dyn FnMut(Event),
    asked: &dyn Fn() -> bool,
) -> Result<Met, MeetError> {
    let offer = signed(offer);
    let boot = offer.boot.clone();
    let mut carrier = start(path.to_owned(), offer, limits.silence)?;
    let began = BootInstant::now();
    let (mut heard, mut told) = (began, began);
    loop {
        if asked() {
            return Err(MeetError::Asked);
        }
        let Some(port) = &mut carrier.port else { return Err(died()) };
        let incoming = port.receive(TICK).map_err(|error| MeetError::Cannot(error.to_string()))?;
        match incoming {
            Incoming::Message(bytes) => {
                heard = BootInstant::now();
                match serde_json::from_slice(&bytes) {
                    Ok(Word::Seen(seen)) => on(seen.into()),
                    Ok(Word::Beat) => {}
                    Ok(Word::Differs(what)) => return Err(MeetError::Differs(what)),
                    Ok(Word::Cannot(why)) => return Err(MeetError::Cannot(why)),
                    Ok(Word::Met { offer, directs, folder, .. }) => {
                        let same_host = !boot.is_empty() && boot == offer.boot;
                        let run = folder.strip_prefix("amqmfsck-").unwrap_or_default();
                        let run = run.strip_suffix(".tmp").unwrap_or_default().to_owned();
                        let (host, silence) = (offer.host, limits.silence);
                        return Ok(Met {
                            host,
                            same_host,
                            directs,
                            folder,
                            run,
                            post: carrier,
                            silence,
                        });
                    }
                    Err(error) => return Err(MeetError::Cannot(error.to_string())),
                }
            }
            Incoming::Late => {}
            Incoming::End => return Err(died()),
        }
        if heard.elapsed() >= limits.silence.max(Duration::from_secs(5)) {
            let why = "the storage does not answer";
            return Err(MeetError::Cannot(format!(
                "{why} for {:.0} s",
                heard.elapsed().as_secs_f64()
            )));
        }
        if began.elapsed() >= limits.wait {
            return Err(MeetError::Nobody(limits.wait));
        }
        if told.elapsed() >= Duration::from_secs(1) {
            told = BootInstant::now();
            on(Event::Waiting(began.elapsed()));
        }
    }
}

fn died() -> MeetError {
    MeetError::Cannot("the process that looks after the files died".into())
}

/// With who this process is.
fn signed(mut offer: Offer) -> Offer {
    offer.pid = proc::pid();
    offer.started_ticks = proc::start_time(offer.pid).unwrap_or_default();
    offer.boot = proc::boot_id().map(|boot| boot.to_string()).unwrap_or_default();
    offer.began = clock::utc_now().0;
    offer
}

fn start(dir: PathBuf, offer: Offer, silence: Duration) -> Result<Post, MeetError> {
    let cannot = |error: miqm_sys::IoError| MeetError::Cannot(error.to_string());
    let (id, nonce) = (Id::random().map_err(cannot)?, Id::random().map_err(cannot)?);
    let task = Task { dir: dir.clone(), id, nonce, offer, silence };
    let worker = Worker::start(move |stream| match Port::of_stream(stream, WIRE_BYTES_MAX) {
        Ok(port) => post::work(task, port),
        Err(_) => 1,
    });
    let worker = worker.map_err(cannot)?;
    let port = worker.port(WIRE_BYTES_MAX).map_err(cannot)?;
    Ok(Post { port: Some(port), worker, dir, id })
}
