//! A host behind a link.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use miqm_sys::clock::BootInstant;
use miqm_sys::port::Port;

use super::{ActorId, Host, Kick, Lost, Received};
use crate::call::Call;
use crate::report::{HostFacts, Report};
use crate::wire::{Heard, Hello, Link, Manual, Message, PROTOCOL};

/// How long is listened at a time.
const TICK: Duration = Duration::from_secs(1);

/// A host whose actors are looked after by another copy of the checker.
#[derive(Debug)]
pub struct RemoteHost {
    link: Link,
    facts: HostFacts,
    version: String,
    actors: BTreeMap<ActorId, Seat>,
    /// The number of the last question whether all that was said has arrived, and of the last answer.
    asked: u64,
    answered: u64,
    /// The actors that were killed or told to end, and whether others have ended.
    killed: BTreeSet<ActorId>,
    died: bool,
    /// Why the host is lost.
    lost: Option<String>,
    /// What the other copy said about the lock that is released by hand.
    manual: Vec<Manual>,
    /// What lives as long as the link: the process that carries it.
    carrier: Option<Box<dyn std::any::Any>>,
}

/// What is known of an actor.
#[derive(Debug, Default)]
struct Seat {
    /// What came for whoever will wait for it.
    received: Option<Received>,
    /// The question that was asked when its limit passed.
    question: Option<u64>,
}

impl RemoteHost {
    /// A host behind a port, with which `hello` and its answer are exchanged, within `limit` at most. A
    /// silence longer than `silence` is the end of it.
    ///
    /// # Errors
    ///
    /// If nobody answers, or the other copy does not understand this one.
    pub fn over(
        port: Port,
        hello: &Hello,
        limit: Duration,
        silence: Duration,
    ) -> Result<Self, Lost> {
        let (theirs, port) = greet(port, hello, limit)?;
        Ok(Self::greeted(theirs, port, silence))
    }

    /// A host behind a port over which both copies have greeted.
    pub(crate) fn greeted(theirs: Hello, port: Port, silence: Duration) -> Self {
        Self {
            link: Link::new(port, silence),
            facts: theirs.facts,
            version: theirs.version,
            actors: BTreeMap::new(),
            asked: 0,
            answered: 0,
            killed: BTreeSet::new(),
            died: false,
            lost: None,
            manual: Vec::new(),
            carrier: None,
        }
    }

    /// With something that lives as long as this: the process that carries the link.
    #[must_use]
    pub fn carried_by(mut self, carrier: impl std::any::Any) -> Self {
        self.carrier = Some(Box::new(carrier));
        self
    }

    /// The version of the checker on it.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Tells it what came of the run.
    ///
    /// # Errors
    ///
    /// If the host is lost.
    pub fn report(&mut self, report: &Report) -> Result<(), Lost> {
        self.say(&Message::Report(Box::new(report.clone())))
    }

    /// Says something about the lock that is released by hand.
    ///
    /// # Errors
    ///
    /// If the host is lost.
    pub fn say_manual(&mut self, what: Manual) -> Result<(), Lost> {
        self.say(&Message::Manual(what))
    }

    /// Listens for at most `limit`; what it said about the lock that is released by hand, in order.
    ///
    /// # Errors
    ///
    /// If the host is lost.
    pub fn manual(&mut self, limit: Duration) -> Result<Vec<Manual>, Lost> {
        if self.manual.is_empty() {
            self.listen(limit)?;
        }
        Ok(std::mem::take(&mut self.manual))
    }

    /// When the other copy was last known to be there.
    pub fn last_heard(&self) -> BootInstant {
        self.link.last_heard()
    }

    /// Ends the connection: whether the other copy has said, within `limit`, that it heard all.
    pub fn goodbye(mut self, limit: Duration) -> bool {
        let until = BootInstant::now().saturating_add(limit);
        if self.say(&Message::Bye).is_err() {
            return false;
        }
        loop {
            match self.link.hear(until.left()) {
                Heard::Message(Message::Bye) => return true,
                Heard::Message(_) => {}
                Heard::Late | Heard::Lost(_) => return false,
            }
        }
    }

    fn say(&mut self, message: &Message) -> Result<(), Lost> {
        self.check()?;
        let said = self.link.say(message);
        said.map_err(|why| self.lose(why))
    }

    fn check(&self) -> Result<(), Lost> {
        let lost = |why: &String| Lost { host: self.facts.name.clone(), why: why.clone() };
        self.lost.as_ref().map_or(Ok(()), |why| Err(lost(why)))
    }

    fn lose(&mut self, why: String) -> Lost {
        self.lost = Some(why.clone());
        Lost { host: self.facts.name.clone(), why }
    }

    /// Takes what comes first, waiting for it at most `limit`.
    fn listen(&mut self, limit: Duration) -> Result<(), Lost> {
        self.check()?;
        let message = match self.link.hear(limit) {
            Heard::Message(message) => message,
            Heard::Late => return Ok(()),
            Heard::Lost(why) => return Err(self.lose(why)),
        };
        match message {
            Message::Reply { actor, reply } => self.put(actor, Received::Reply(reply)),
            Message::Ended { actor } => {
                self.died |= !self.killed.contains(&actor);
                self.put(actor, Received::Ended);
            }
            Message::Pong(number) => self.answered = self.answered.max(number),
            Message::Manual(what) => self.manual.push(what),
            Message::Failed { why } => return Err(self.lose(why)),
            Message::Bye => return Err(self.lose("the checker there ended".into())),
            _ => return Err(self.lose("it says what only this side may say".into())),
        }
        Ok(())
    }

    /// Keeps what came for an actor, unless that was dismissed meanwhile.
    fn put(&mut self, actor: ActorId, received: Received) {
        if let Some(seat) = self.actors.get_mut(&actor) {
            // That it ended is told after its last answer, which somebody may still wait for.
            if seat.received.is_none() {
                seat.received = Some(received);
            }
        }
    }
}

/// Greets, and gives the greeting of the other copy, if both understand each other.
pub(crate) fn greet(port: Port, hello: &Hello, limit: Duration) -> Result<(Hello, Port), Lost> {
    let mut link = Link::new(port, limit.saturating_mul(2));
    let unknown = |why: String| Lost { host: "the other host".into(), why };
    link.say(&Message::Hello(Box::new(hello.clone()))).map_err(unknown)?;
    let theirs = match link.hear(limit) {
        Heard::Message(Message::Hello(theirs)) => *theirs,
        Heard::Message(Message::Failed { why }) | Heard::Lost(why) => return Err(unknown(why)),
        Heard::Message(_) => return Err(unknown("it does not greet".into())),
        Heard::Late => {
            let why = format!("it does not greet within {:.0} s", limit.as_secs_f64());
            return Err(unknown(why));
        }
    };
    if theirs.protocol == PROTOCOL {
        return Ok((theirs, link.into_port()));
    }
    let why = format!(
        "version {} of the checker there does not work together with version {} here",
        theirs.version, hello.version
    );
    Err(Lost { host: theirs.facts.name, why })
}

impl Host for RemoteHost {
    fn facts(&self) -> &HostFacts {
        &self.facts
    }

    fn start(&mut self, actor: ActorId) -> Result<(), Lost> {
        self.actors.insert(actor, Seat::default());
        self.say(&Message::Start { actor })
    }

    fn send(&mut self, actor: ActorId, call: &Call) -> Result<(), Lost> {
        if let Some(seat) = self.actors.get_mut(&actor) {
            seat.question = None;
        }
        if matches!(call, Call::Exit) {
            self.killed.insert(actor);
        }
        self.say(&Message::Call { actor, call: call.clone() })
    }

    fn receive(&mut self, actor: ActorId, limit: Duration) -> Result<Received, Lost> {
        let until = BootInstant::now().saturating_add(limit);
        loop {
            let Some(seat) = self.actors.get_mut(&actor) else { return Ok(Received::Ended) };
            match seat.received {
                // It stays so for whoever asks again.
                Some(Received::Ended) => return Ok(Received::Ended),
                Some(_) => return Ok(seat.received.take().unwrap_or(Received::Late)),
                None => {}
            }
            let question = seat.question;
            self.listen(until.left())?;
            let answered = question.is_some_and(|number| number <= self.answered);
            if until.left().is_zero() || answered {
                let seat = self.actors.get_mut(&actor).filter(|seat| seat.received.is_some());
                if seat.is_none() {
                    return Ok(Received::Late);
                }
            }
        }
    }

    fn settled(&mut self, actor: ActorId) -> Result<bool, Lost> {
        let question = self.actors.get(&actor).and_then(|seat| seat.question);
        let Some(question) = question else {
            self.asked += 1;
            let number = self.asked;
            if let Some(seat) = self.actors.get_mut(&actor) {
                seat.question = Some(number);
            }
            self.say(&Message::Ping(number))?;
            return Ok(false);
        };
        let settled = question <= self.answered;
        if let Some(seat) = self.actors.get_mut(&actor).filter(|_| settled) {
            seat.question = None;
        }
        Ok(settled)
    }

    fn kick(&mut self, actor: ActorId, kick: Kick) -> Result<(), Lost> {
        if kick == Kick::Kill {
            self.killed.insert(actor);
        }
        self.say(&Message::Kick { actor, kick })
    }

    fn confirm(&mut self) -> Result<bool, Lost> {
        self.asked += 1;
        let number = self.asked;
        self.say(&Message::Ping(number))?;
        // It ends because a host that says nothing for long is lost.
        while self.answered < number {
            self.listen(TICK)?;
        }
        Ok(!std::mem::take(&mut self.died))
    }

    fn note(&mut self, line: &str) -> Result<(), Lost> {
        self.say(&Message::Note(line.to_owned()))
    }

    fn dismiss(&mut self, actor: ActorId) {
        self.actors.remove(&actor);
        // If it cannot be said, the other copy ends all its actors anyway.
        self.say(&Message::Dismiss { actor }).ok();
    }
}
