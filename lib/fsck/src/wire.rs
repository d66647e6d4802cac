//! What two copies of the checker say to each other over a [`Port`]: the one that directs, the
//! *conductor*, and the one that serves it, the *agent*. Each message is JSON.

use std::path::{Path, PathBuf};
use std::time::Duration;

use miqm_sys::IoError;
use miqm_sys::clock::BootInstant;
use miqm_sys::port::{Incoming, Port};
use serde::{Deserialize, Serialize};

use crate::actor::MESSAGE_BYTES_MAX;
use crate::call::{Call, Reply};
use crate::host::{ActorId, Kick};
use crate::report::{HostFacts, Report};

/// The version of what is said. Copies of two versions do not work together.
pub const PROTOCOL: u32 = 1;
/// The longest message between two copies, in bytes: a report with all that was measured.
pub const WIRE_BYTES_MAX: usize = 8 * MESSAGE_BYTES_MAX;
/// How often each end says that it is there, if it has nothing else to say.
pub const BEAT: Duration = Duration::from_secs(1);

/// The first message in each direction.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Hello {
    /// [`PROTOCOL`].
    pub protocol: u32,
    /// The version of the program.
    pub version: String,
    /// Who says it.
    pub facts: HostFacts,
    /// From the conductor: the directory to test on the agent's host, as bytes, because a path need not
    /// be UTF-8; empty if the agent knows it already.
    pub directory: Vec<u8>,
}

impl Hello {
    /// A greeting of this program.
    pub fn new(facts: &HostFacts) -> Self {
        let version = env!("CARGO_PKG_VERSION").to_owned();
        Self { protocol: PROTOCOL, version, facts: facts.clone(), directory: Vec::new() }
    }

    /// With the directory to test.
    #[must_use]
    pub fn with_directory(mut self, directory: &Path) -> Self {
        use std::os::unix::ffi::OsStrExt;
        self.directory = directory.as_os_str().as_bytes().to_vec();
        self
    }

    /// The directory to test, if one is named.
    pub fn directory(&self) -> Option<PathBuf> {
        use std::os::unix::ffi::OsStringExt;
        let bytes = self.directory.clone();
        (!bytes.is_empty()).then(|| PathBuf::from(std::ffi::OsString::from_vec(bytes)))
    }
}

/// A message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the variants' texts say what the fields are")]
pub enum Message {
    /// The first one.
    Hello(Box<Hello>),
    /// To the agent: make an actor.
    Start { actor: ActorId },
    /// To the agent: pass a call on.
    Call { actor: ActorId, call: Call },
    /// To the agent: do something to an actor.
    Kick { actor: ActorId, kick: Kick },
    /// To the agent: kill an actor and forget it.
    Dismiss { actor: ActorId },
    /// To the agent: answer with [`Message::Pong`] of the same number, after all that was said before.
    Ping(u64),
    /// To the agent: a line for the people in front of it.
    Note(String),
    /// To the agent: the run is over, and this came of it.
    Report(Box<Report>),
    /// In both directions: the lock that is released by hand.
    Manual(Manual),
    /// In both directions: nothing more will be said.
    Bye,
    /// From the agent: an answer.
    Reply { actor: ActorId, reply: Reply },
    /// From the agent: an actor has ended, and no answer will come from it.
    Ended { actor: ActorId },
    /// From the agent: it cannot go on; a sentence without a full stop.
    Failed { why: String },
    /// From the agent: see [`Message::Ping`].
    Pong(u64),
    /// In both directions: nothing, but the sender is there.
    Beat,
    /// From the process that keeps the link, to its maker: the other copy is gone; a sentence without a
    /// full stop.
    Gone { why: String },
}

/// What copies say about the lock that is released by hand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Manual {
    /// The conductor: all automatic checks are over, now it begins.
    Begin,
    /// Who says it holds the lock.
    Held,
    /// Who says it waits for the lock.
    Waiting,
    /// Who says it let the lock go.
    Released,
    /// Who says it got the lock which the other one had.
    Got,
    /// Who says it cannot have the lock, or has lost it.
    Cannot,
}

/// What came over a link.
#[derive(Debug)]
pub enum Heard {
    /// A message other than [`Message::Beat`].
    Message(Message),
    /// Nothing within the limit.
    Late,
    /// The other end is gone, or makes no sense; why, as a sentence without a full stop.
    Lost(String),
}

/// A port on which both ends talk often enough to know that the other one is there.
#[derive(Debug)]
pub struct Link {
    port: Port,
    /// The longest silence of the other end.
    silence: Duration,
    /// When the other end was heard last, or when listening to it began again.
    heard: BootInstant,
    listened: BootInstant,
    said: BootInstant,
}

impl Link {
    /// A link over a port; a silence of the other end that is longer than `silence` is its end.
    pub fn new(port: Port, silence: Duration) -> Self {
        let now = BootInstant::now();
        Self { port, silence, heard: now, listened: now, said: now }
    }

    /// When the other end was last known to be there.
    pub fn last_heard(&self) -> BootInstant {
        self.heard
    }

    /// The port, to be polled together with others, or to be used in another way.
    pub fn port(&self) -> &Port {
        &self.port
    }

    /// The port alone.
    pub fn into_port(self) -> Port {
        self.port
    }

    /// Says something.
    ///
    /// # Errors
    ///
    /// Why not, as a sentence without a full stop: the link is useless then.
    pub fn say(&mut self, message: &Message) -> Result<(), String> {
        let bytes = serde_json::to_vec(message).map_err(|error| error.to_string())?;
        if bytes.len() > WIRE_BYTES_MAX {
            return Err(format!("a message of {} bytes is too long to be sent", bytes.len()));
        }
        self.said = BootInstant::now();
        self.port.send(&bytes, self.silence).map_err(|error| lost(&error))
    }

    /// Says that this end is there, if it has said nothing for a while.
    ///
    /// # Errors
    ///
    /// As [`Link::say`].
    pub fn beat(&mut self) -> Result<(), String> {
        if self.said.elapsed() < BEAT { Ok(()) } else { self.say(&Message::Beat) }
    }

    /// Listens, at most `limit`. Time in which nobody listened is no silence of the other end.
    pub fn hear(&mut self, limit: Duration) -> Heard {
        let until = BootInstant::now().saturating_add(limit);
        if self.listened.elapsed() > 2 * BEAT {
            self.heard = BootInstant::now();
        }
        loop {
            let quiet = self.silence.saturating_sub(self.heard.elapsed());
            let incoming = self.port.receive(until.left().min(quiet));
            self.listened = BootInstant::now();
            match incoming {
                Ok(Incoming::Message(bytes)) => {
                    self.heard = self.listened;
                    match serde_json::from_slice(&bytes) {
                        Ok(Message::Beat) => {}
                        Ok(Message::Gone { why }) => return Heard::Lost(why),
                        Ok(message) => return Heard::Message(message),
                        Err(_) => return Heard::Lost("what it says makes no sense".into()),
                    }
                }
                Ok(Incoming::Late) if until.left().is_zero() => return Heard::Late,
                Ok(Incoming::Late) => {
                    if self.heard.elapsed() >= self.silence {
                        let seconds = self.silence.as_secs_f64();
                        return Heard::Lost(format!("nothing was heard of it for {seconds:.0} s"));
                    }
                }
                Ok(Incoming::End) => return Heard::Lost("the connection to it was closed".into()),
                Err(error) => return Heard::Lost(lost(&error)),
            }
        }
    }
}

fn lost(error: &IoError) -> String {
    match error.errno() {
        Some(110) => "it takes nothing any more".into(),
        Some(32 | 104) => "the connection to it was closed".into(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn links(silence: Duration) -> (Link, Port) {
        let (one, other) = Port::pair(WIRE_BYTES_MAX).unwrap();
        (Link::new(one, silence), other)
    }

    #[test]
    fn silence_ends_a_link_and_beats_keep_it() {
        let (mut link, mut other) = links(Duration::from_millis(60));
        let beat = serde_json::to_vec(&Message::Beat).unwrap();
        other.send(&beat, BEAT).unwrap();
        assert!(matches!(link.hear(Duration::from_millis(20)), Heard::Late));
        let began = BootInstant::now();
        assert!(matches!(link.hear(Duration::from_secs(20)), Heard::Lost(_)));
        assert!(began.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn nonsense_and_the_end_are_losses() {
        let (mut link, mut other) = links(BEAT);
        other.send(b"{\"start\":{\"actor\":-1}}", BEAT).unwrap();
        assert!(matches!(link.hear(BEAT), Heard::Lost(_)));
        drop(other);
        assert!(matches!(link.hear(BEAT), Heard::Lost(_)));
        assert!(link.say(&Message::Bye).is_err());
    }

    #[test]
    fn a_path_of_any_bytes_survives() {
        use std::os::unix::ffi::OsStrExt;
        let path = Path::new(std::ffi::OsStr::from_bytes(b"/a b'\"$(x)\n\xff"));
        let hello = Hello::new(&HostFacts::default()).with_directory(path);
        let text = serde_json::to_vec(&hello).unwrap();
        let back: Hello = serde_json::from_slice(&text).unwrap();
        assert_eq!(back.directory().unwrap(), path);
        assert_eq!(Hello::default().directory(), None);
    }
}
