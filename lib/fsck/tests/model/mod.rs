//! A file system in memory with two hosts that each have a view of their own, and a defect if one is
//! wanted: for tests of checks, without processes.

pub(crate) mod file;
pub(crate) mod locks;
pub(crate) mod mutation;
pub(crate) mod view;
pub(crate) mod world;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use miqm_fsck::actor::{Makes, burst};
use miqm_fsck::call::{Call, Reply, SLOTS, Value};
use miqm_fsck::host::{ActorId, Host, Kick, Lost, Received};
use miqm_fsck::stage::{Limits, SharedHost};
use miqm_fsck::{HostFacts, Stage};
use miqm_sys::probe::{How, Kind};

use self::mutation::Mutation;
use self::world::{Desc, EEXIST, Who, World};

type Shared = Arc<Mutex<World>>;

const EAGAIN: i32 = 11;
const EBADF: i32 = 9;
const EINTR: i32 = 4;
const EINVAL: i32 = 22;

/// A stage on a new file system: with one host, or with two.
pub(crate) fn stage(mutation: Mutation, two_hosts: bool) -> Stage {
    let world = Arc::new(Mutex::new(World::new(mutation)));
    let limits = Limits {
        call: Duration::from_secs(20),
        change: Duration::from_millis(700),
        wake: Duration::from_secs(3),
        ..Limits::default()
    };
    let host = |number: usize| -> SharedHost {
        let name = ["here", "there"][number].to_owned();
        let facts = HostFacts { name, ..HostFacts::default() };
        let (world, actors) = (world.clone(), BTreeMap::new());
        Rc::new(RefCell::new(ModelHost { facts, number, world, actors }))
    };
    let one = Stage::one_host(host(0), ".", limits, || false);
    if two_hosts { one.with_hosts(host(0), host(1)) } else { one }
}

/// One actor, from the side of its host.
struct Running {
    calls: Sender<Call>,
    replies: Receiver<Reply>,
    killed: Arc<AtomicBool>,
    interrupted: Arc<AtomicBool>,
}

struct ModelHost {
    facts: HostFacts,
    number: usize,
    world: Shared,
    actors: BTreeMap<ActorId, Running>,
}

fn held(world: &Shared) -> MutexGuard<'_, World> {
    world.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl Host for ModelHost {
    fn facts(&self) -> &HostFacts {
        &self.facts
    }

    fn start(&mut self, actor: ActorId) -> Result<(), Lost> {
        let (calls, to_do) = channel::<Call>();
        let (done, replies) = channel();
        let (killed, interrupted) = (Arc::new(AtomicBool::new(false)), Arc::default());
        let slots = (0..=SLOTS).map(|_| None).collect();
        let mut body = Body {
            who: Who { host: self.number, actor },
            world: self.world.clone(),
            slots,
            killed: killed.clone(),
            interrupted: Arc::clone(&interrupted),
        };
        std::thread::spawn(move || {
            while let Ok(call) = to_do.recv() {
                let reply = body.make(&call);
                if call == Call::Exit || done.send(reply).is_err() {
                    break;
                }
            }
            held(&body.world).end(body.who);
        });
        self.actors.insert(actor, Running { calls, replies, killed, interrupted });
        Ok(())
    }

    fn send(&mut self, actor: ActorId, call: &Call) -> Result<(), Lost> {
        if let Some(running) = self.actors.get(&actor) {
            running.calls.send(call.clone()).ok();
        }
        Ok(())
    }

    fn receive(&mut self, actor: ActorId, limit: Duration) -> Result<Received, Lost> {
        let Some(running) = self.actors.get(&actor) else { return Ok(Received::Ended) };
        if running.killed.load(Ordering::Relaxed) {
            return Ok(Received::Ended);
        }
        Ok(match running.replies.recv_timeout(limit) {
            Ok(reply) => Received::Reply(reply),
            Err(RecvTimeoutError::Timeout) => Received::Late,
            Err(RecvTimeoutError::Disconnected) => Received::Ended,
        })
    }

    fn kick(&mut self, actor: ActorId, kick: Kick) -> Result<(), Lost> {
        if let Some(running) = self.actors.get(&actor) {
            match kick {
                Kick::Kill => {
                    running.killed.store(true, Ordering::Relaxed);
                    held(&self.world).end(Who { host: self.number, actor });
                }
                Kick::Interrupt => running.interrupted.store(true, Ordering::Relaxed),
                Kick::Stop | Kick::Continue => {}
            }
        }
        Ok(())
    }

    fn dismiss(&mut self, actor: ActorId) {
        self.kick(actor, Kick::Kill).ok();
        self.actors.remove(&actor);
    }
}

/// An actor.
struct Body {
    who: Who,
    world: Shared,
    slots: Vec<Option<Arc<Desc>>>,
    killed: Arc<AtomicBool>,
    interrupted: Arc<AtomicBool>,
}

impl Makes for Body {
    fn make(&mut self, call: &Call) -> Reply {
        let began = Instant::now();
        let result =
            if self.killed.load(Ordering::Relaxed) { Err(EINTR) } else { self.result(call) };
        Reply { result, seconds: began.elapsed().as_secs_f64() }
    }
}

impl Body {
    fn desc(&self, fd: u8) -> Result<Arc<Desc>, i32> {
        self.slots.get(usize::from(fd)).cloned().flatten().ok_or(EBADF)
    }

    fn close(&mut self, fd: u8) -> Result<Value, i32> {
        let slot = self.slots.get_mut(usize::from(fd)).ok_or(EBADF)?;
        let desc = slot.take().ok_or(EBADF)?;
        let last = Arc::strong_count(&desc) == 1;
        held(&self.world).close(self.who, &desc, last);
        Ok(Value::Done)
    }

    fn result(&mut self, call: &Call) -> Result<Value, i32> {
        match call {
            Call::Burst(many) => burst(self, many),
            Call::Open { fd, name, how } => {
                self.close(*fd).ok();
                let desc = self.open(name, *how)?;
                *self.slots.get_mut(usize::from(*fd)).ok_or(EBADF)? = Some(Arc::new(desc));
                Ok(Value::Done)
            }
            Call::Close { fd } => self.close(*fd),
            Call::Duplicate { fd, to } => {
                let desc = self.desc(*fd)?;
                *self.slots.get_mut(usize::from(*to)).ok_or(EBADF)? = Some(desc);
                Ok(Value::Done)
            }
            Call::Lock { fd, family, kind, range, wait } => {
                let desc = self.desc(*fd)?;
                loop {
                    if held(&self.world).lock(self.who, &desc, *family, *kind, *range) {
                        return Ok(Value::Done);
                    }
                    if !wait || *kind == Kind::Unlock {
                        return Err(EAGAIN);
                    }
                    let stop = self.interrupted.swap(false, Ordering::Relaxed);
                    if stop || self.killed.load(Ordering::Relaxed) {
                        return Err(EINTR);
                    }
                    std::thread::sleep(Duration::from_millis(1));
                }
            }
            Call::TestLock { fd, family, kind, range } => {
                let desc = self.desc(*fd)?;
                let world = held(&self.world);
                Ok(Value::Lock(world.locks.test(self.who, &desc, *family, *kind, *range)))
            }
            Call::Rename { from, to } => self.rename(from, to),
            Call::Who => {
                Ok(Value::Who { uid: 1000, gid: 1000, groups: vec![1000], pid: self.who.actor })
            }
            Call::Clock => Ok(Value::Count(1_700_000_000_000_000_000)),
            Call::Exit => Ok(Value::Done),
            Call::InChild { .. } | Call::IdleChild | Call::EndChild { .. } | Call::Hold { .. } => {
                Err(EINVAL)
            }
            by_name_or_fd => self.plain(by_name_or_fd),
        }
    }

    fn plain(&mut self, call: &Call) -> Result<Value, i32> {
        let desc = match call {
            Call::Read { fd, .. }
            | Call::Write { fd, .. }
            | Call::Append { fd, .. }
            | Call::WriteDurably { fd, .. }
            | Call::Fsync { fd }
            | Call::Fdatasync { fd }
            | Call::SetLength { fd, .. }
            | Call::Allocate { fd, .. }
            | Call::StatFd { fd }
            | Call::SetMode { fd, .. } => Some(self.desc(*fd)?),
            _ => None,
        };
        let mut world = held(&self.world);
        match desc {
            Some(desc) => world.on_file(self.who, &desc, call),
            None => world.on_names(self.who, call),
        }
    }

    /// With a gap between looking and making, if that is the defect.
    fn open(&mut self, name: &str, how: How) -> Result<Desc, i32> {
        let gap = held(&self.world).is(Mutation::ExclusiveNotAtomic);
        if gap && how.exclusive {
            let there = held(&self.world).lookup(self.who.host, name).is_ok();
            if there {
                return Err(EEXIST);
            }
            std::thread::sleep(Duration::from_micros(300));
            let how = How { exclusive: false, ..how };
            return held(&self.world).open(self.who, name, how);
        }
        held(&self.world).open(self.who, name, how)
    }

    /// With a moment in which the target is missing or half, if that is the defect.
    fn rename(&mut self, from: &str, to: &str) -> Result<Value, i32> {
        let moment = Duration::from_micros(500);
        let mutation = held(&self.world).mutation;
        match mutation {
            Mutation::RenameMissing => {
                held(&self.world).hide(to, true);
                std::thread::sleep(moment);
                let done = held(&self.world).rename(self.who, from, to);
                held(&self.world).hide(to, false);
                done?;
            }
            Mutation::RenameHalf => {
                held(&self.world).rename(self.who, from, to)?;
                let whole = held(&self.world).halve(to);
                std::thread::sleep(moment);
                if let Some((ino, file)) = whole {
                    held(&self.world).restore(ino, file);
                }
            }
            _ => held(&self.world).rename(self.who, from, to)?,
        }
        Ok(Value::Done)
    }
}
