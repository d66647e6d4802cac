//! The copy that serves: it makes actors on its host for the one that directs, and passes calls and
//! answers on.
//!
//! What comes over the port may come from anybody who may write into the directory. So an agent
//! touches only what the checker itself makes there: see [`confine`].

use std::collections::BTreeSet;
use std::os::fd::AsFd;
use std::path::Path;
use std::time::Duration;

use miqm_sys::clock::BootInstant;
use miqm_sys::port::Port;
use miqm_sys::worker::wait_readable;

use crate::call::{Call, Reply};
use crate::host::{ActorId, Host, LocalHost, Lost, Received};
use crate::report::{HostFacts, Report};
use crate::wire::{BEAT, Heard, Hello, Link, Manual, Message, PROTOCOL, WIRE_BYTES_MAX};

/// The most actors at the same time.
const ACTORS_MAX: usize = 1024;
/// `EPERM`: what an agent says to a call that it does not pass on.
const NOT_ALLOWED: i32 = 1;
/// How often an agent looks whether it was asked to end.
const TICK: Duration = Duration::from_millis(200);
/// What every name begins with that the checker makes in a tested directory.
const OURS: &str = "amqmfsck";
/// What an agent says before the first message when it talks over its standard output, because what
/// started it may have said something, too.
pub const MARK: &[u8] = b"\nAMQMFSCK-AGENT\n";
/// The longest that whoever started an agent may be silent before it greets.
const GREETING: Duration = Duration::from_mins(2);

/// What happens to an agent.
#[derive(Debug)]
pub enum Event<'a> {
    /// The conductor has greeted.
    Conductor(&'a HostFacts),
    /// The conductor wants the people in front of this host to read a line.
    Note(&'a str),
    /// The run is over, and this came of it.
    Report(&'a Report),
    /// The conductor said something about the lock that is released by hand.
    Manual(&'a Manual),
    /// A moment has passed. What is returned for it is said to the conductor.
    Tick,
}

/// How an agent's work ended. Its actors are gone.
#[derive(Debug, Clone, PartialEq)]
pub struct End {
    /// What came of the run, if the conductor told it.
    pub report: Option<Box<Report>>,
    /// Why the work ended other than by a farewell of the conductor: a sentence without a full stop.
    pub why: Option<String>,
    /// When the conductor was last known to be there.
    pub since: BootInstant,
}

/// Serves the conductor at the other end of `port` until it says goodbye, is gone, is silent longer
/// than `silence`, or `asked` says that this copy is to end. `on` is told what happens, and may
/// return what is to be said about the lock that is released by hand.
pub fn serve(
    port: Port,
    host: &mut LocalHost,
    silence: Duration,
    on: &mut dyn FnMut(Event<'_>) -> Option<Manual>,
    asked: &dyn Fn() -> bool,
) -> End {
    let mut link = Link::new(port, silence);
    let hello = match greeted(&mut link, silence.min(GREETING)) {
        Ok(hello) => hello,
        Err(why) => return End { report: None, why: Some(why), since: link.last_heard() },
    };
    let greeting = Message::Hello(Box::new(Hello::new(host.facts())));
    if let Err(why) = link.say(&greeting) {
        return End { report: None, why: Some(why), since: link.last_heard() };
    }
    on(Event::Conductor(&hello.facts));
    let mut agent = Agent { link, host, actors: BTreeSet::new(), report: None };
    let why = agent.serve(on, asked).err();
    for actor in std::mem::take(&mut agent.actors) {
        agent.host.dismiss(actor);
    }
    End { report: agent.report, why, since: agent.link.last_heard() }
}

/// Serves over the standard input and output, on the directory that the conductor names; `facts` finds
/// out what is known of this host and that directory.
///
/// # Errors
///
/// Why it ended other than by a farewell, as a sentence without a full stop.
pub fn standalone(facts: &dyn Fn(&Path) -> HostFacts, silence: Duration) -> Result<(), String> {
    let mut port = Port::of_standard(WIRE_BYTES_MAX).map_err(|error| error.to_string())?;
    port.send_raw(MARK, silence).map_err(|error| error.to_string())?;
    let mut link = Link::new(port, GREETING);
    let hello = greeted(&mut link, GREETING)?;
    let Some(directory) = hello.directory() else { return Err("no directory was named".into()) };
    let facts = facts(&directory);
    let mut host = LocalHost::new(&directory, facts);
    let greeting = Message::Hello(Box::new(Hello::new(host.facts())));
    let mut link = Link::new(link.into_port(), silence);
    link.say(&greeting)?;
    let mut agent = Agent { link, host: &mut host, actors: BTreeSet::new(), report: None };
    let ended = agent.serve(&mut |_| None, &|| false);
    for actor in std::mem::take(&mut agent.actors) {
        agent.host.dismiss(actor);
    }
    ended
}

/// The conductor's greeting, if both understand each other; otherwise it is told why not.
fn greeted(link: &mut Link, limit: Duration) -> Result<Hello, String> {
    let hello = match link.hear(limit) {
        Heard::Message(Message::Hello(hello)) => *hello,
        Heard::Lost(why) => return Err(why),
        Heard::Message(_) | Heard::Late => return Err("the other copy does not greet".into()),
    };
    if hello.protocol == PROTOCOL {
        return Ok(hello);
    }
    let ours = env!("CARGO_PKG_VERSION");
    let why = format!(
        "version {ours} of the checker does not work together with version {}",
        hello.version
    );
    link.say(&Message::Failed { why: why.clone() }).ok();
    Err(why)
}

struct Agent<'a> {
    link: Link,
    host: &'a mut LocalHost,
    actors: BTreeSet<ActorId>,
    report: Option<Box<Report>>,
}

impl Agent<'_> {
    fn serve(
        &mut self,
        on: &mut dyn FnMut(Event<'_>) -> Option<Manual>,
        asked: &dyn Fn() -> bool,
    ) -> Result<(), String> {
        loop {
            if asked() {
                self.link.say(&Message::Bye).ok();
                return Err("it was asked to end".into());
            }
            if let Some(manual) = on(Event::Tick) {
                self.link.say(&Message::Manual(manual))?;
            }
            self.wait()?;
            self.pass_answers_on()?;
            // As many as have come, because polling costs more than listening.
            loop {
                match self.link.hear(Duration::ZERO) {
                    Heard::Message(Message::Bye) => {
                        self.link.say(&Message::Bye).ok();
                        return Ok(());
                    }
                    Heard::Message(message) => self.obey(message, on)?,
                    Heard::Late => break,
                    Heard::Lost(why) => return Err(why),
                }
            }
            self.link.beat()?;
        }
    }

    /// Waits until something can be read somewhere.
    fn wait(&self) -> Result<(), String> {
        if self.link.port().has_message().map_err(|error| error.to_string())? {
            return Ok(());
        }
        let mut fds = vec![self.link.port().as_fd()];
        fds.extend(self.host.sockets().map(|(_, fd)| fd));
        wait_readable(&fds, TICK.min(BEAT)).map(drop).map_err(|error| error.to_string())
    }

    fn pass_answers_on(&mut self) -> Result<(), String> {
        let (ids, fds): (Vec<_>, Vec<_>) = self.host.sockets().unzip();
        let ready = wait_readable(&fds, Duration::ZERO).map_err(|error| error.to_string())?;
        let ready: Vec<_> = ready.into_iter().filter_map(|at| ids.get(at).copied()).collect();
        for actor in ready {
            match self.host.receive(actor, Duration::ZERO) {
                Ok(Received::Reply(reply)) => self.answer(actor, reply)?,
                Ok(Received::Ended) => self.ended(actor)?,
                Ok(Received::Late) => {}
                Err(lost) => return Err(self.failed(lost)),
            }
        }
        Ok(())
    }

    fn answer(&mut self, actor: ActorId, reply: Reply) -> Result<(), String> {
        self.link.say(&Message::Reply { actor, reply })
    }

    fn ended(&mut self, actor: ActorId) -> Result<(), String> {
        self.actors.remove(&actor);
        self.host.dismiss(actor);
        self.link.say(&Message::Ended { actor })
    }

    fn failed(&mut self, lost: Lost) -> String {
        self.link.say(&Message::Failed { why: lost.why.clone() }).ok();
        lost.why
    }

    fn obey(
        &mut self,
        message: Message,
        on: &mut dyn FnMut(Event<'_>) -> Option<Manual>,
    ) -> Result<(), String> {
        match message {
            Message::Start { actor } => {
                if self.actors.len() >= ACTORS_MAX || !self.actors.insert(actor) {
                    return Err("it asks for more processes than any check needs".into());
                }
                self.host.start(actor).map_err(|lost| self.failed(lost))
            }
            Message::Call { actor, .. } if !self.actors.contains(&actor) => {
                self.link.say(&Message::Ended { actor })
            }
            Message::Call { actor, call } if confine(&call) => {
                self.host.send(actor, &call).map_err(|lost| self.failed(lost))
            }
            Message::Call { actor, .. } => {
                self.answer(actor, Reply { result: Err(NOT_ALLOWED), seconds: 0.0 })
            }
            Message::Kick { actor, kick } => {
                self.host.kick(actor, kick).map_err(|lost| self.failed(lost))
            }
            Message::Dismiss { actor } => {
                // That it died before it was dismissed must be known.
                self.pass_answers_on()?;
                self.actors.remove(&actor);
                self.host.dismiss(actor);
                Ok(())
            }
            Message::Ping(number) => {
                // What the actors have said until now comes first.
                self.pass_answers_on()?;
                self.link.say(&Message::Pong(number))
            }
            Message::Note(line) => {
                on(Event::Note(&printable(&line)));
                Ok(())
            }
            Message::Report(report) => {
                on(Event::Report(&report));
                self.report = Some(report);
                Ok(())
            }
            Message::Manual(what) => match on(Event::Manual(&what)) {
                Some(answer) => self.link.say(&Message::Manual(answer)),
                None => Ok(()),
            },
            _ => Err("the other copy says what only this one may say".into()),
        }
    }
}

/// A line of somebody else, without what a terminal would take for commands.
fn printable(line: &str) -> String {
    line.chars().map(|c| if c.is_control() && c != '\t' { '?' } else { c }).collect()
}

/// Whether a call stays within what the checker makes in the tested directory: every name is that of
/// the directory itself, or begins with the checker's own name and goes nowhere else.
///
/// Each text in a call is taken for such a name unless it is known to be none, so that a call which is
/// added later is refused rather than let through.
pub fn confine(call: &Call) -> bool {
    // It has no names: the files are always the same, and are touched only if they are ours.
    if matches!(call, Call::Integrity(_)) {
        return true;
    }
    serde_json::to_value(call).is_ok_and(|call| texts_are_ours("call", &call))
}

fn texts_are_ours(key: &str, value: &serde_json::Value) -> bool {
    match (key, value) {
        // Words of ours, bytes to be written, and what is waited for.
        ("call" | "calls" | "family" | "kind" | "text" | "want", serde_json::Value::String(_))
        | ("want", _) => true,
        // Pairs of a call and what is waited for.
        ("steps", serde_json::Value::Array(steps)) => {
            steps.iter().all(|step| texts_are_ours("call", &step[0]))
        }
        // Else a name through the link could lead anywhere.
        ("target", serde_json::Value::String(target)) => {
            !target.starts_with('/') && !target.split('/').any(|part| part == "..")
        }
        (_, serde_json::Value::String(name)) => is_ours(name),
        (_, serde_json::Value::Array(items)) => items.iter().all(|item| texts_are_ours(key, item)),
        (_, serde_json::Value::Object(fields)) => {
            fields.iter().all(|(key, value)| texts_are_ours(key, value))
        }
        _ => true,
    }
}

fn is_ours(name: &str) -> bool {
    let parts = || name.split('/');
    name == "." || (name.starts_with(OURS) && parts().all(|part| part != ".." && !part.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::{Burst, Bytes, Want};
    use miqm_sys::probe::How;

    fn open(name: &str) -> Call {
        Call::Open { fd: 0, name: name.into(), how: How::RW }
    }

    #[test]
    fn an_agent_touches_only_what_is_the_checkers() {
        for name in ["amqmfsck.dat", "amqmfsck-1.tmp/x-1", "."] {
            assert!(confine(&open(name)), "{name}");
        }
        for name in
            ["/etc/passwd", "../amqmfsck", "amqmfsck-1.tmp/../../x", "qm.ini", "", "amqmfsck//x"]
        {
            assert!(!confine(&open(name)), "{name}");
            let inner = Call::InChild { call: Box::new(open(name)) };
            let all = Burst::All { calls: vec![Call::Who, inner] };
            assert!(!confine(&Call::Burst(all)), "{name}");
        }
        let until = |call: Call| {
            let want = Want::Name("other".into());
            Call::Burst(Burst::Until { call: Box::new(call), want, every_ms: 1, limit_ms: 1 })
        };
        assert!(confine(&until(Call::List { name: ".".into() })));
        assert!(!confine(&until(Call::List { name: "/".into() })));
        assert!(confine(&Call::Append { fd: 0, bytes: Bytes::Text("/etc".into()) }));
        for target in ["/etc", "x/../../y"] {
            let (target, name) = (target.into(), "amqmfsck-1.tmp/x".into());
            assert!(!confine(&Call::Symlink { target, name }));
        }
    }

    #[test]
    fn what_others_say_does_not_command_the_terminal() {
        assert_eq!(printable("a\x1b[2Jb\r\u{9b}c"), "a?[2Jb??c");
    }
}
