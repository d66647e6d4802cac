//! A process that makes calls, from the side of the one who asks.

use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use miqm_sys::clock::BootInstant;
use miqm_sys::lock::Range;
use miqm_sys::probe::{Attributes, Family, How, Kind, errno_name, errno_text};

use super::{Shared, SharedHost, Trouble};
use crate::call::{Burst, Bytes, CONFLICT, Call, Reply, Value};
use crate::finding::Evidence;
use crate::host::{ActorId, Kick, Received};

/// How long a run that was asked to end may not notice it.
const TICK: Duration = Duration::from_millis(200);

/// A process that makes calls. Dropping it kills it.
pub struct Actor {
    host: SharedHost,
    name: String,
    id: ActorId,
    shared: Rc<Shared>,
    /// The call that is being made.
    pending: Option<Call>,
    /// Whether it was killed, or told to end.
    killed: bool,
}

impl fmt::Debug for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Actor({} of {})", self.id, self.name)
    }
}

impl Actor {
    pub(super) fn new(host: SharedHost, id: ActorId, shared: Rc<Shared>) -> Self {
        let name = host.borrow().facts().name.clone();
        Self { host, name, id, shared, pending: None, killed: false }
    }

    /// The name of its host.
    pub fn host_name(&self) -> &str {
        &self.name
    }

    /// How long a call that is not meant to wait may take.
    pub fn call_limit(&self) -> Duration {
        self.shared.limits.call
    }

    /// Whether calls that make data durable are known to fail, or not to come back.
    pub(crate) fn no_sync(&self) -> &std::cell::Cell<bool> {
        &self.shared.no_sync
    }

    /// Begins a call. It must be finished before the next.
    ///
    /// # Errors
    ///
    /// If the host is lost.
    pub fn begin(&mut self, call: Call) -> Result<(), Trouble> {
        self.shared.trace(|| format!("{}[{}] {call} ...", self.name, self.id));
        self.send(call)
    }

    fn send(&mut self, call: Call) -> Result<(), Trouble> {
        debug_assert!(self.pending.is_none(), "{:?} has not been finished", self.pending);
        self.shared.makes(&call);
        self.host.borrow_mut().send(self.id, &call)?;
        self.pending = Some(call);
        Ok(())
    }

    /// Waits for the call that was begun, at most `limit`; `None` if it goes on.
    ///
    /// # Errors
    ///
    /// If the host is lost, the actor has died, or the run was asked to end.
    pub fn finish(&mut self, limit: Duration) -> Result<Option<Reply>, Trouble> {
        self.await_reply(limit, true)
    }

    /// As [`Actor::finish`], also if the run was asked to end: to end something in order.
    ///
    /// # Errors
    ///
    /// If the host is lost, or the actor has died.
    pub fn settle(&mut self, limit: Duration) -> Result<Option<Reply>, Trouble> {
        self.await_reply(limit, false)
    }

    fn await_reply(&mut self, limit: Duration, heed: bool) -> Result<Option<Reply>, Trouble> {
        let until = BootInstant::now().saturating_add(limit);
        loop {
            if heed && self.shared.asked() {
                return Err(Trouble::Asked);
            }
            let over = until.left().is_zero();
            // An answer that is on its way is not late.
            let settled = over && self.host.borrow_mut().settled(self.id)?;
            let wait = match (over, settled) {
                (true, true) => Duration::ZERO,
                (true, false) => TICK,
                (false, _) => until.left().min(TICK),
            };
            let received = self.host.borrow_mut().receive(self.id, wait)?;
            match received {
                Received::Reply(reply) => {
                    self.told(&reply);
                    self.pending = None;
                    return Ok(Some(reply));
                }
                Received::Late if settled => return Ok(None),
                Received::Late => {}
                Received::Ended => {
                    let evidence = self.evidence().with_note("the process that made it died");
                    self.pending = None;
                    return Err(Trouble::Died(Box::new(evidence)));
                }
            }
        }
    }

    fn told(&self, reply: &Reply) {
        let Some(call) = &self.pending else { return };
        // Of several calls each is told.
        let one = [call];
        let calls: Vec<&Call> = match call {
            Call::Burst(Burst::All { calls }) => calls.iter().collect(),
            Call::Burst(Burst::Each { steps }) => steps.iter().map(|(call, _)| call).collect(),
            _ => one.to_vec(),
        };
        let replies = match &reply.result {
            Ok(Value::Replies(replies)) => replies.as_slice(),
            _ => std::slice::from_ref(reply),
        };
        for (call, reply) in calls.iter().zip(replies) {
            self.shared.trace(|| {
                let result = match &reply.result {
                    Ok(value) => value_text(value),
                    Err(errno) => format!("-1 {} ({})", errno_name(*errno), errno_text(*errno)),
                };
                format!("{}[{}] {call} = {result} <{:.6}>", self.name, self.id, reply.seconds)
            });
        }
    }

    /// Makes a call within the limit of a call; its answer, whatever it is.
    ///
    /// # Errors
    ///
    /// If it does not come back, the host is lost, or the actor died.
    pub fn call(&mut self, call: Call) -> Result<Reply, Trouble> {
        let limit = self.shared.limits.call;
        self.call_within(call, limit)
    }

    /// Makes a call within a limit of its own; its answer, whatever it is.
    ///
    /// # Errors
    ///
    /// If it does not come back, the host is lost, or the actor died.
    pub fn call_within(&mut self, call: Call, limit: Duration) -> Result<Reply, Trouble> {
        self.send(call)?;
        if let Some(reply) = self.finish(limit)? {
            return Ok(reply);
        }
        let note = format!("no answer within {:.0} s", limit.as_secs_f64());
        let evidence = self.evidence().with_note(note).seconds(limit.as_secs_f64());
        self.pending = None;
        self.killed = true;
        self.host.borrow_mut().kick(self.id, Kick::Kill)?;
        Err(Trouble::Stuck(Box::new(evidence)))
    }

    /// Makes a call that must succeed; what it brings.
    ///
    /// # Errors
    ///
    /// [`Trouble::Refused`] if it fails; as [`Actor::call`] otherwise.
    pub fn must(&mut self, call: Call) -> Result<Value, Trouble> {
        let text = call.to_string();
        match self.call(call)?.result {
            Ok(value) => Ok(value),
            Err(errno) => {
                let evidence = Evidence { call: text, ..Evidence::default() };
                Err(Trouble::Refused(Box::new(evidence.host(&self.name).errno(errno))))
            }
        }
    }

    /// An observation that names the host and the call being made, if there is one.
    pub fn evidence(&self) -> Evidence {
        let call = self.pending.as_ref().map(ToString::to_string).unwrap_or_default();
        Evidence { call, ..Evidence::default() }.host(&self.name)
    }

    /// Opens a file into a slot.
    ///
    /// # Errors
    ///
    /// As [`Actor::must`].
    pub fn open(&mut self, fd: u8, name: &str, how: How) -> Result<(), Trouble> {
        self.must(Call::Open { fd, name: name.to_owned(), how }).map(drop)
    }

    /// Closes a slot.
    ///
    /// # Errors
    ///
    /// As [`Actor::must`].
    pub fn close(&mut self, fd: u8) -> Result<(), Trouble> {
        self.must(Call::Close { fd }).map(drop)
    }

    /// Takes a lock, without waiting; `false` if somebody else's is in the way.
    ///
    /// # Errors
    ///
    /// As [`Actor::must`].
    pub fn try_lock(
        &mut self,
        fd: u8,
        family: Family,
        kind: Kind,
        range: Range,
    ) -> Result<bool, Trouble> {
        let call = Call::Lock { fd, family, kind, range, wait: false };
        let text = call.to_string();
        match self.call(call)?.result {
            Ok(_) => Ok(true),
            Err(errno) if CONFLICT.contains(&errno) => Ok(false),
            Err(errno) => {
                let evidence = Evidence { call: text, ..Evidence::default() };
                Err(Trouble::Refused(Box::new(evidence.host(&self.name).errno(errno))))
            }
        }
    }

    /// Gives a lock back.
    ///
    /// # Errors
    ///
    /// As [`Actor::must`].
    pub fn unlock(&mut self, fd: u8, family: Family, range: Range) -> Result<(), Trouble> {
        self.must(Call::Lock { fd, family, kind: Kind::Unlock, range, wait: false }).map(drop)
    }

    /// Reads at a position; fewer bytes at the end of the file.
    ///
    /// # Errors
    ///
    /// As [`Actor::must`].
    pub fn read(&mut self, fd: u8, at: u64, bytes: u32) -> Result<Vec<u8>, Trouble> {
        match self.must(Call::Read { fd, at, bytes })? {
            Value::Bytes(bytes) => Ok(bytes),
            _ => Ok(Vec::new()),
        }
    }

    /// Writes all bytes at a position, in as many calls as it takes.
    ///
    /// # Errors
    ///
    /// As [`Actor::must`]; also if a call says that it wrote nothing, or more than it was given.
    pub fn write(&mut self, fd: u8, at: u64, bytes: Bytes) -> Result<(), Trouble> {
        let len = bytes.len() as u64;
        let call = Call::Write { fd, at, bytes };
        let text = call.to_string();
        match self.must(call)? {
            Value::Count(n) if n == len => Ok(()),
            written => {
                let count = if let Value::Count(n) = written { n } else { 0 };
                let note = format!("{count} of {len} bytes were written");
                let evidence = Evidence { call: text, ..Evidence::note(note) };
                Err(Trouble::Refused(Box::new(evidence.host(&self.name))))
            }
        }
    }

    /// Calls `fsync(2)`.
    ///
    /// # Errors
    ///
    /// As [`Actor::must`].
    pub fn fsync(&mut self, fd: u8) -> Result<(), Trouble> {
        self.must(Call::Fsync { fd }).map(drop)
    }

    /// The attributes of a name, or `None` if there is nothing of that name.
    ///
    /// # Errors
    ///
    /// As [`Actor::must`].
    pub fn stat(&mut self, name: &str) -> Result<Option<Attributes>, Trouble> {
        let call = Call::Stat { name: name.to_owned() };
        let text = call.to_string();
        match self.call(call)?.result {
            Ok(Value::Attributes(found)) => Ok(Some(found)),
            Ok(_) => Ok(None),
            Err(errno) if errno_name(errno) == "ENOENT" => Ok(None),
            Err(errno) => {
                let evidence = Evidence { call: text, ..Evidence::default() };
                Err(Trouble::Refused(Box::new(evidence.host(&self.name).errno(errno))))
            }
        }
    }

    /// Interrupts what it waits for.
    ///
    /// # Errors
    ///
    /// If the host is lost.
    pub fn interrupt(&mut self) -> Result<(), Trouble> {
        Ok(self.host.borrow_mut().kick(self.id, Kick::Interrupt)?)
    }

    /// Kills it, as a crash would.
    ///
    /// # Errors
    ///
    /// If the host is lost.
    pub fn kill(&mut self) -> Result<(), Trouble> {
        self.pending = None;
        self.killed = true;
        self.shared.trace(|| format!("{}[{}] killed", self.name, self.id));
        Ok(self.host.borrow_mut().kick(self.id, Kick::Kill)?)
    }

    /// Kills it and waits until it is gone, at most `limit`; whether it is.
    ///
    /// # Errors
    ///
    /// If the host is lost.
    pub fn kill_and_wait(&mut self, limit: Duration) -> Result<bool, Trouble> {
        self.kill()?;
        let until = BootInstant::now().saturating_add(limit);
        loop {
            match self.host.borrow_mut().receive(self.id, until.left().min(TICK))? {
                Received::Ended => return Ok(true),
                Received::Late if until.left().is_zero() => return Ok(false),
                // An answer may have been on its way.
                Received::Late | Received::Reply(_) => {}
            }
            if self.shared.asked() {
                return Err(Trouble::Asked);
            }
        }
    }

    /// Stops it, or lets it go on.
    ///
    /// # Errors
    ///
    /// If the host is lost.
    pub fn pause(&mut self, paused: bool) -> Result<(), Trouble> {
        let kick = if paused { Kick::Stop } else { Kick::Continue };
        Ok(self.host.borrow_mut().kick(self.id, kick)?)
    }

    /// Makes it end at once without closing anything itself.
    ///
    /// # Errors
    ///
    /// If the host is lost.
    pub fn exit(&mut self) -> Result<(), Trouble> {
        self.begin(Call::Exit)?;
        self.killed = true;
        self.pending = None;
        Ok(())
    }
}

impl Drop for Actor {
    fn drop(&mut self) {
        let mut host = self.host.borrow_mut();
        // What it held is free then, which must not be taken for a defect of the storage.
        let mut ended = || matches!(host.receive(self.id, Duration::ZERO), Ok(Received::Ended));
        if !self.killed && ended() {
            self.shared.died.set(true);
        }
        host.dismiss(self.id);
    }
}

fn value_text(value: &Value) -> String {
    match value {
        Value::Done => "0".into(),
        Value::Yes(yes) => if *yes { "yes" } else { "no" }.into(),
        Value::Count(count) => count.to_string(),
        Value::Bytes(bytes) => format!("{} bytes", bytes.len()),
        Value::Names(names) if names.len() > 4 => format!("{} names", names.len()),
        Value::Samples { seconds, errno: None } => format!("{} samples", seconds.len()),
        Value::Facts(facts) => format!("{} at {}", facts.fs_type, facts.mount_point),
        Value::Replies(replies) => format!("{} answers", replies.len()),
        other => format!("{other:?}"),
    }
}
