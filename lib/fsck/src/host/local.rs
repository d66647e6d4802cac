//! This host.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use miqm_sys::clock::BootInstant;
use miqm_sys::proc::Signal;
use miqm_sys::worker::{Worker, receive, send, wait_readable};

use super::{ActorId, Host, Kick, Lost, Received};
use crate::actor::{self, MESSAGE_BYTES_MAX};
use crate::call::Call;
use crate::report::HostFacts;

/// This host. The process must have one thread, because actors are forked.
#[derive(Debug)]
pub struct LocalHost {
    facts: HostFacts,
    path: PathBuf,
    actors: BTreeMap<ActorId, Worker>,
}

impl LocalHost {
    /// This host, with actors on the directory `path`. Nothing is touched yet.
    pub fn new(path: &Path, facts: HostFacts) -> Self {
        Self { facts, path: path.to_owned(), actors: BTreeMap::new() }
    }

    /// What is known of this host, to be completed.
    pub fn facts_mut(&mut self) -> &mut HostFacts {
        &mut self.facts
    }

    /// The sockets of all actors, to wait for several at once.
    pub fn sockets(&self) -> impl Iterator<Item = (ActorId, std::os::fd::BorrowedFd<'_>)> {
        self.actors.iter().map(|(id, worker)| (*id, worker.as_fd()))
    }

    fn lost(&self, why: &impl ToString) -> Lost {
        Lost { host: self.facts.name.clone(), why: why.to_string() }
    }
}

impl Host for LocalHost {
    fn facts(&self) -> &HostFacts {
        &self.facts
    }

    fn start(&mut self, id: ActorId) -> Result<(), Lost> {
        let path = self.path.clone();
        let worker = Worker::start(move |stream| actor::serve(&path, stream));
        let worker = worker.map_err(|error| self.lost(&error))?;
        self.actors.insert(id, worker);
        Ok(())
    }

    fn send(&mut self, id: ActorId, call: &Call) -> Result<(), Lost> {
        let message = serde_json::to_vec(call).map_err(|error| self.lost(&error))?;
        if let Some(worker) = self.actors.get_mut(&id) {
            match send(worker.stream(), &message) {
                Err(error) if !is_end(&error) => return Err(self.lost(&error)),
                _ => {}
            }
        }
        Ok(())
    }

    fn receive(&mut self, id: ActorId, limit: Duration) -> Result<Received, Lost> {
        let until = BootInstant::now().saturating_add(limit);
        let host = self.facts.name.clone();
        let lost = |why: &dyn std::fmt::Display| Lost { host: host.clone(), why: why.to_string() };
        let Some(worker) = self.actors.get_mut(&id) else { return Ok(Received::Ended) };
        loop {
            let ready = wait_readable(&[worker.as_fd()], until.left());
            if ready.map_err(|error| lost(&error))?.is_empty() {
                if until.left().is_zero() {
                    return Ok(Received::Late);
                }
                continue;
            }
            let message = match receive(worker.stream(), MESSAGE_BYTES_MAX) {
                Ok(Some(message)) => message,
                Ok(None) => return Ok(Received::Ended),
                Err(error) if is_end(&error) => return Ok(Received::Ended),
                Err(error) => return Err(lost(&error)),
            };
            return serde_json::from_slice(&message)
                .map(Received::Reply)
                .map_err(|error| lost(&error));
        }
    }

    fn kick(&mut self, id: ActorId, kick: Kick) -> Result<(), Lost> {
        if let Some(worker) = self.actors.get_mut(&id) {
            worker.signal(match kick {
                Kick::Kill => Signal::SIGKILL,
                Kick::Interrupt => Signal::SIGUSR1,
                Kick::Stop => Signal::SIGSTOP,
                Kick::Continue => Signal::SIGCONT,
            });
        }
        Ok(())
    }

    fn dismiss(&mut self, id: ActorId) {
        drop(self.actors.remove(&id));
    }
}

/// Whether the other end is gone.
fn is_end(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), BrokenPipe | ConnectionReset | UnexpectedEof)
}
