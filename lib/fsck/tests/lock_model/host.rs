//! A host in the model: its processes are threads.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use miqm_fsck::actor::{Makes, burst};
use miqm_fsck::host::{ActorId, Host, Kick, Lost, Received};
use miqm_fsck::{Call, HostFacts, Reply, Value};
use miqm_sys::lock::Range;
use miqm_sys::probe::{Attributes, Family, Kind};

use crate::defect::Defect;
use crate::world::{Asker, Desc, EACCES, EAGAIN, EBADF, EINTR, EINVAL, EIO, Pid, Process, World};

#[derive(Debug, Default)]
struct Signals {
    killed: AtomicBool,
    interrupted: AtomicBool,
    waits: AtomicBool,
}

struct Running {
    pid: Pid,
    calls: Sender<Call>,
    replies: Receiver<Reply>,
    signals: Arc<Signals>,
}

pub(crate) struct ModelHost {
    facts: HostFacts,
    number: u8,
    world: Arc<World>,
    running: BTreeMap<ActorId, Running>,
}

impl ModelHost {
    pub(crate) fn new(name: &str, number: u8, world: Arc<World>) -> Self {
        let facts = HostFacts { name: name.into(), ..HostFacts::default() };
        Self { facts, number, world, running: BTreeMap::new() }
    }

    fn kill(&mut self, id: ActorId) {
        let Some(running) = self.running.get(&id) else { return };
        let mut state = self.world.state();
        let waits = running.signals.waits.load(Ordering::SeqCst);
        running.signals.killed.store(true, Ordering::SeqCst);
        if !waits {
            state.bury(running.pid, true);
        }
        drop(state);
        self.world.changed.notify_all();
    }
}

impl Host for ModelHost {
    fn facts(&self) -> &HostFacts {
        &self.facts
    }

    fn start(&mut self, id: ActorId) -> Result<(), Lost> {
        let (calls, to_make) = channel::<Call>();
        let (answers, replies) = channel();
        let signals = Arc::new(Signals::default());
        let pid = {
            let mut state = self.world.state();
            let pid = state.fresh();
            state.processes.insert(pid, Process::default());
            pid
        };
        let mut body =
            Body { pid, host: self.number, world: self.world.clone(), signals: signals.clone() };
        thread::spawn(move || {
            for call in to_make {
                if call == Call::Exit {
                    body.world.state().bury(body.pid, false);
                    body.world.changed.notify_all();
                    return;
                }
                let reply = body.make(&call);
                if body.signals.killed.load(Ordering::SeqCst) || answers.send(reply).is_err() {
                    body.world.state().bury(body.pid, true);
                    body.world.changed.notify_all();
                    return;
                }
            }
        });
        self.running.insert(id, Running { pid, calls, replies, signals });
        Ok(())
    }

    fn send(&mut self, id: ActorId, call: &Call) -> Result<(), Lost> {
        if let Some(running) = self.running.get(&id) {
            running.calls.send(call.clone()).ok();
        }
        Ok(())
    }

    fn receive(&mut self, id: ActorId, limit: Duration) -> Result<Received, Lost> {
        let Some(running) = self.running.get(&id) else { return Ok(Received::Ended) };
        if running.signals.killed.load(Ordering::SeqCst)
            && !running.signals.waits.load(Ordering::SeqCst)
        {
            return Ok(Received::Ended);
        }
        Ok(match running.replies.recv_timeout(limit) {
            Ok(reply) => Received::Reply(reply),
            Err(RecvTimeoutError::Timeout) => Received::Late,
            Err(RecvTimeoutError::Disconnected) => Received::Ended,
        })
    }

    fn kick(&mut self, id: ActorId, kick: Kick) -> Result<(), Lost> {
        match kick {
            Kick::Kill => self.kill(id),
            Kick::Interrupt => {
                if let Some(running) = self.running.get(&id) {
                    running.signals.interrupted.store(true, Ordering::SeqCst);
                    self.world.changed.notify_all();
                }
            }
            Kick::Stop => {
                let mut state = self.world.state();
                if let Some(running) = self.running.get(&id)
                    && state.is(Defect::StopReleases)
                {
                    let pid = running.pid;
                    state.release(None, &|lock| lock.pid == pid);
                }
            }
            Kick::Continue => {}
        }
        Ok(())
    }

    fn dismiss(&mut self, id: ActorId) {
        self.kill(id);
        self.running.remove(&id);
    }
}

/// A process.
struct Body {
    pid: Pid,
    host: u8,
    world: Arc<World>,
    signals: Arc<Signals>,
}

impl Makes for Body {
    fn make(&mut self, call: &Call) -> Reply {
        let began = Instant::now();
        let result = self.result_of(call);
        Reply { result, seconds: began.elapsed().as_secs_f64() }
    }
}

impl Body {
    fn result_of(&mut self, call: &Call) -> Result<Value, i32> {
        match call {
            Call::Burst(many) => burst(self, many),
            Call::InChild { call } => self.in_child(call),
            Call::Lock { fd, family, kind, range, wait } => {
                let desc = self.desc(*fd)?;
                self.lock(desc, *family, *kind, *range, *wait)
            }
            Call::Hold { name } => {
                let desc = self.open(name, true, true)?;
                let taken = self.lock(desc, Family::Ofd, Kind::Write, Range::WHOLE, false);
                let mut state = self.world.state();
                if taken == Err(EAGAIN) || taken == Err(EACCES) {
                    state.close(self.pid, desc, true);
                    return Ok(Value::Yes(false));
                }
                taken?;
                let process = state.processes.get_mut(&self.pid).ok_or(EIO)?;
                process.held = Some(desc);
                Ok(Value::Yes(true))
            }
            Call::Reassert => {
                let state = self.world.state();
                let held = state.processes.get(&self.pid).and_then(|process| process.held);
                if state.is(Defect::ReassertFails) {
                    return Ok(Value::Yes(false));
                }
                drop(state);
                let desc = held.ok_or(EBADF)?;
                let again = self.lock(desc, Family::Ofd, Kind::Write, Range::WHOLE, false);
                Ok(Value::Yes(again.is_ok()))
            }
            Call::LetGo => {
                let mut state = self.world.state();
                let held = state.processes.get_mut(&self.pid).and_then(|of| of.held.take());
                state.close(self.pid, held.ok_or(EBADF)?, true);
                Ok(Value::Done)
            }
            single => self.single(single),
        }
    }

    fn desc(&self, fd: u8) -> Result<u32, i32> {
        let state = self.world.state();
        let process = state.processes.get(&self.pid).ok_or(EIO)?;
        process.slots.get(&fd).copied().ok_or(EBADF)
    }

    fn open(&self, name: &str, reads: bool, writes: bool) -> Result<u32, i32> {
        let mut state = self.world.state();
        let inode = *state.names.get(name).ok_or(2)?;
        let id = state.fresh();
        state.descs.insert(id, Desc { inode, reads, writes, refs: 1, name: name.to_owned() });
        Ok(id)
    }

    fn single(&self, call: &Call) -> Result<Value, i32> {
        match call {
            Call::Open { fd, name, how } => {
                let mut state = self.world.state();
                if how.create && state.names.contains_key(name) && how.exclusive {
                    return Err(17);
                }
                if how.create && !state.names.contains_key(name) {
                    let inode = u64::from(state.fresh());
                    state.names.insert(name.clone(), inode);
                    state.data.insert(inode, Vec::new());
                }
                drop(state);
                let desc = self.open(name, !how.write_only, !how.read_only)?;
                self.put(*fd, desc)
            }
            Call::Close { fd } => {
                let mut state = self.world.state();
                let process = state.processes.get_mut(&self.pid).ok_or(EIO)?;
                let desc = process.slots.remove(fd).ok_or(EBADF)?;
                state.close(self.pid, desc, true);
                if !state.is(Defect::CloseWakesNobody) {
                    state.wakes += 1;
                }
                drop(state);
                self.world.changed.notify_all();
                Ok(Value::Done)
            }
            Call::Duplicate { fd, to } => {
                let desc = self.desc(*fd)?;
                self.world.state().descs.get_mut(&desc).ok_or(EBADF)?.refs += 1;
                self.put(*to, desc)
            }
            Call::IdleChild => {
                let mut state = self.world.state();
                let mut process = state.processes.get(&self.pid).ok_or(EIO)?.clone();
                process.held = None;
                for desc in process.slots.values() {
                    state.descs.get_mut(desc).ok_or(EBADF)?.refs += 1;
                }
                let pid = state.fresh();
                state.processes.insert(pid, process);
                Ok(Value::Count(pid.into()))
            }
            Call::EndChild { pid } => {
                self.world.state().bury(*pid, true);
                self.world.changed.notify_all();
                Ok(Value::Done)
            }
            Call::TestLock { fd, family, kind, range } => {
                let asker = self.asker(self.desc(*fd)?, *family);
                let mut state = self.world.state();
                state.settle();
                Ok(Value::Lock(state.told(&asker, *kind, *range)))
            }
            data => self.data(data),
        }
    }

    fn put(&self, fd: u8, desc: u32) -> Result<Value, i32> {
        let mut state = self.world.state();
        let process = state.processes.get_mut(&self.pid).ok_or(EIO)?;
        if let Some(before) = process.slots.insert(fd, desc) {
            state.close(self.pid, before, true);
        }
        Ok(Value::Done)
    }

    fn in_child(&self, call: &Call) -> Result<Value, i32> {
        let Value::Count(pid) = self.single(&Call::IdleChild)? else { return Err(EIO) };
        let pid = u32::try_from(pid).map_err(|_| EIO)?;
        let (world, signals) = (self.world.clone(), Arc::new(Signals::default()));
        let inherits = world.state().is(Defect::ChildInherits);
        let mut child =
            Self { pid: if inherits { self.pid } else { pid }, host: self.host, world, signals };
        let result = if let Call::Close { fd } = call {
            let mut state = self.world.state();
            let process = state.processes.get_mut(&pid).ok_or(EIO)?;
            let desc = process.slots.remove(fd).ok_or(EBADF)?;
            state.close(pid, desc, true);
            Ok(Value::Done)
        } else {
            child.result_of(call)
        };
        let mut state = self.world.state();
        state.bury(pid, false);
        if state.is(Defect::ChildEndReleases) {
            state.release(None, &|lock| lock.pid == self.pid);
        }
        result
    }

    fn data(&self, call: &Call) -> Result<Value, i32> {
        let mut state = self.world.state();
        let process = state.processes.get(&self.pid).ok_or(EIO)?;
        let desc_of = |fd: u8| process.slots.get(&fd).copied().ok_or(EBADF);
        match call {
            Call::Read { fd, at, bytes } => {
                let desc = desc_of(*fd)?;
                let key = state.key(desc);
                let locks = state.locks.get(&key).map(Vec::as_slice).unwrap_or_default();
                let other = locks.iter().any(|l| l.pid != self.pid && l.kind == Kind::Write);
                let own = locks.iter().any(|l| l.pid == self.pid);
                if (other && state.is(Defect::ReadRefused))
                    || (own && state.is(Defect::HolderReadRefused))
                {
                    return Err(EACCES);
                }
                let inode = state.descs.get(&desc).ok_or(EBADF)?.inode;
                let data = state.data.get(&inode).ok_or(EIO)?;
                let from = usize::try_from(*at).unwrap_or(usize::MAX).min(data.len());
                let to = from.saturating_add(*bytes as usize).min(data.len());
                let mut read = data[from..to].to_vec();
                if state.is(Defect::StaleData) && *bytes == 8 && self.pid.is_multiple_of(2) {
                    // One process out of two sees a little of the past.
                    read.first_mut().into_iter().for_each(|byte| *byte = byte.saturating_sub(1));
                }
                Ok(Value::Bytes(read))
            }
            Call::Write { fd, at, bytes } => {
                let desc = desc_of(*fd)?;
                let inode = state.descs.get(&desc).ok_or(EBADF)?.inode;
                let (at, new) = (usize::try_from(*at).map_err(|_| EINVAL)?, bytes.to_vec());
                let data = state.data.get_mut(&inode).ok_or(EIO)?;
                data.resize(data.len().max(at + new.len()), 0);
                data[at..at + new.len()].copy_from_slice(&new);
                // The first write of a file is before any lock.
                if state.is(Defect::WriteReleases) && new.len() == 600 {
                    let key = state.key(desc);
                    state.release(Some(&key), &|_| true);
                }
                Ok(Value::Count(new.len() as u64))
            }
            Call::Fsync { fd } | Call::Fdatasync { fd } => {
                let key = state.key(desc_of(*fd)?);
                if state.is(Defect::SyncReleases) {
                    state.release(Some(&key), &|_| true);
                }
                Ok(Value::Done)
            }
            Call::SetLength { fd, bytes } => {
                let desc = desc_of(*fd)?;
                let inode = state.descs.get(&desc).ok_or(EBADF)?.inode;
                let len = usize::try_from(*bytes).map_err(|_| EINVAL)?;
                state.data.get_mut(&inode).ok_or(EIO)?.resize(len, 0);
                if state.is(Defect::TruncateReleases) {
                    let key = state.key(desc);
                    state.release(Some(&key), &|_| true);
                }
                Ok(Value::Done)
            }
            Call::StatFd { .. } => Ok(Value::Attributes(Attributes::default())),
            Call::Rename { from, to } => {
                let inode = state.names.remove(from).ok_or(2)?;
                if let Some(replaced) = state.names.insert(to.clone(), inode) {
                    state.takes_the_name(inode, replaced);
                }
                Ok(Value::Done)
            }
            Call::Link { from, to } => {
                let inode = *state.names.get(from).ok_or(2)?;
                state.names.insert(to.clone(), inode);
                Ok(Value::Done)
            }
            Call::Unlink { name } => {
                state.names.remove(name).ok_or(2)?;
                Ok(Value::Done)
            }
            _ => Err(EINVAL),
        }
    }

    fn asker(&self, desc: u32, family: Family) -> Asker {
        Asker { pid: self.pid, desc, family, host: self.host, waits: false }
    }

    fn lock(
        &self,
        desc: u32,
        family: Family,
        kind: Kind,
        range: Range,
        wait: bool,
    ) -> Result<Value, i32> {
        let asker = self.asker(desc, family);
        let mut state = self.world.state();
        state.settle();
        let open = state.descs.get(&desc).ok_or(EBADF)?;
        let allowed = match kind {
            Kind::Write => open.writes || family == Family::Flock,
            Kind::Read => open.reads || family == Family::Flock,
            Kind::Unlock => true,
        };
        if !allowed && !state.is(Defect::ReadOnlyWrites) {
            return Err(EBADF);
        }
        if let Defect::NoLocks(EAGAIN) = state.defect {
            return Err(EAGAIN);
        }
        if state.is(Defect::CheckThenSet) && kind != Kind::Unlock && !wait {
            if state.conflict(&asker, kind, range).is_some() {
                return Err(EAGAIN);
            }
            drop(state);
            thread::sleep(Duration::from_millis(2));
            return self.world.state().set(&asker, kind, range);
        }
        if let Some(done) = state.take(&asker, kind, range) {
            drop(state);
            self.world.changed.notify_all();
            return done;
        }
        if !wait && !state.is(Defect::TryWaits) {
            let eacces = state.is(Defect::RefusesWithEacces);
            return Err(if eacces { EACCES } else { EAGAIN });
        }
        drop(state);
        self.signals.interrupted.store(false, Ordering::SeqCst);
        self.signals.waits.store(true, Ordering::SeqCst);
        let result = self.waits_for(asker, kind, range);
        self.signals.waits.store(false, Ordering::SeqCst);
        result
    }

    fn waits_for(&self, mut asker: Asker, kind: Kind, range: Range) -> Result<Value, i32> {
        asker.waits = true;
        let began = Instant::now();
        let mut state = self.world.state();
        let mut seen = state.wakes;
        let mut chances = 0;
        loop {
            state = self.world.changed.wait_timeout(state, Duration::from_millis(1)).unwrap().0;
            state.settle();
            let killed = self.signals.killed.load(Ordering::SeqCst);
            if killed && !state.is(Defect::WaiterUnkillable) {
                if state.is(Defect::GhostOfKilled) {
                    state.leave(asker, kind, range);
                }
                return Err(EINTR);
            }
            if self.signals.interrupted.swap(false, Ordering::SeqCst) {
                match state.defect {
                    Defect::IgnoresSignals => {}
                    Defect::LeaksRestart => return Err(512),
                    Defect::SignalGrants => return Ok(Value::Done),
                    Defect::GhostOfInterrupted => {
                        state.leave(asker, kind, range);
                        return Err(EINTR);
                    }
                    _ => return Err(EINTR),
                }
            }
            let woken = state.wakes != seen;
            seen = state.wakes;
            chances += u32::from(woken);
            let granted = state.conflict(&asker, kind, range).is_none();
            match state.defect {
                Defect::NeverWakes => continue,
                Defect::GrantsEarly if began.elapsed() > Duration::from_millis(5) => {
                    return Ok(Value::Done);
                }
                Defect::GrantsNothing if granted => return Ok(Value::Done),
                Defect::DeathWakesNobody | Defect::CloseWakesNobody if !woken => continue,
                Defect::SecondWaitsForEver if chances > 1 => continue,
                Defect::WakesLate if began.elapsed() < Duration::from_millis(90) => continue,
                _ => {}
            }
            if let Some(done) = state.take(&asker, kind, range) {
                let (owner, key) = (state.owner(&asker), state.key(asker.desc));
                for lock in state.locks.entry(key).or_default() {
                    lock.waited |= lock.owner == owner;
                }
                return done;
            }
        }
    }
}
