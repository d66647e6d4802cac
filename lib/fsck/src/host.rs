//! Where actors live.

mod local;
mod remote;

pub use local::LocalHost;
pub use remote::RemoteHost;
pub(crate) use remote::greet;

use std::time::Duration;

use crate::call::{Call, Reply};
use crate::report::HostFacts;

/// Names an actor of a host. The conductor chooses it, so that starting one needs no answer.
pub type ActorId = u32;

/// What can be done to an actor from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kick {
    /// `SIGKILL`; what the actor had open is closed by the kernel.
    Kill,
    /// A signal that interrupts what the actor waits for, and does nothing else.
    Interrupt,
    /// `SIGSTOP`.
    Stop,
    /// `SIGCONT`.
    Continue,
}

/// What came of waiting for an answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Received {
    /// The answer.
    Reply(Reply),
    /// Nothing within the limit.
    Late,
    /// The actor has ended, and no answer will come.
    Ended,
}

/// The host cannot be reached any more, or cannot make processes.
#[derive(Debug, thiserror::Error)]
#[error("{host}: {why}")]
pub struct Lost {
    /// Which.
    pub host: String,
    /// Why, as a sentence without a full stop.
    pub why: String,
}

/// A host: a place with processes of its own and its own view of the tested directory.
pub trait Host {
    /// What is known of it.
    fn facts(&self) -> &HostFacts;

    /// Starts an actor.
    ///
    /// # Errors
    ///
    /// If the host is lost, or cannot make one.
    fn start(&mut self, actor: ActorId) -> Result<(), Lost>;

    /// Asks an actor to make a call. It may have only one call to make at a time.
    ///
    /// # Errors
    ///
    /// If the host is lost. That the actor has ended shows when its answer is awaited.
    fn send(&mut self, actor: ActorId, call: &Call) -> Result<(), Lost>;

    /// Waits for the answer to that call, at most `limit`. That it is late may be because of the way to
    /// the host; see [`Host::settled`].
    ///
    /// # Errors
    ///
    /// If the host is lost.
    fn receive(&mut self, actor: ActorId, limit: Duration) -> Result<Received, Lost>;

    /// After [`Received::Late`]: whether an answer that was given when this was first asked would have
    /// been received by now, so that the call really goes on. If not: receive again, then ask again.
    ///
    /// # Errors
    ///
    /// If the host is lost.
    fn settled(&mut self, actor: ActorId) -> Result<bool, Lost> {
        let _ = actor;
        Ok(true)
    }

    /// Does something to an actor.
    ///
    /// # Errors
    ///
    /// If the host is lost.
    fn kick(&mut self, actor: ActorId, kick: Kick) -> Result<(), Lost>;

    /// Makes sure that the host is still there: whether no actor on it has ended since the last question
    /// but those that were killed or told to end. For this host it is known without a question.
    ///
    /// # Errors
    ///
    /// If the host is lost.
    fn confirm(&mut self) -> Result<bool, Lost> {
        Ok(true)
    }

    /// Shows a line to the people in front of the host, if that is not this one.
    ///
    /// # Errors
    ///
    /// If the host is lost.
    fn note(&mut self, line: &str) -> Result<(), Lost> {
        let _ = line;
        Ok(())
    }

    /// Kills an actor and forgets it. It is not waited for beyond a moment.
    fn dismiss(&mut self, actor: ActorId);
}
