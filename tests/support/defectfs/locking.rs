//! The server's locks, and who waits for one.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::sync::{Arc, Mutex, Weak};
use std::thread;
use std::time::{Duration, Instant};

use fuser::{Errno, ReplyEmpty};
use nix::libc;

use super::behaviour::Behaviour;
use super::lock;
use crate::support::locks::{Lock, LockTable};

/// The kernel's number for the end of all files.
const END: u64 = i64::MAX as u64;
const PAGE: u64 = 4096;
const LATE: Duration = Duration::from_millis(1500);
const MUCH_LATER: Duration = Duration::from_mins(3);
const WAKE_AFTER: Duration = Duration::from_millis(1200);
const POLL_EVERY: Duration = Duration::from_secs(4);
const EXPIRES_AFTER: Duration = Duration::from_secs(3);
const RACE: Duration = Duration::from_millis(3);
const LOCKS_MAX: usize = 64;
/// Longer than any test.
const NEVER: Duration = Duration::from_hours(1);
/// How often time is looked at.
const TICK: Duration = Duration::from_millis(50);

/// Which call asks for a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A process's: `F_SETLK` and its kin.
    Classic,
    /// An open file description's: `F_OFD_SETLK` and its kin.
    Ofd,
    /// `flock`.
    Flock,
}

impl Kind {
    /// What a thread that waits for our answer has called. The kernel's request does not say.
    pub(super) fn of_caller(thread: u32) -> Self {
        let call = fs::read_to_string(format!("/proc/{thread}/syscall")).unwrap_or_default();
        let mut words = call.split(' ');
        let number = words.next().and_then(|number| number.parse::<i64>().ok());
        let command = words.nth(1).and_then(|word| word.strip_prefix("0x"));
        let command = command.and_then(|digits| i32::from_str_radix(digits, 16).ok());
        let ofd = [libc::F_OFD_GETLK, libc::F_OFD_SETLK, libc::F_OFD_SETLKW];
        match (number, command) {
            (Some(libc::SYS_flock), _) => Self::Flock,
            (Some(libc::SYS_fcntl), Some(command)) if ofd.contains(&command) => Self::Ofd,
            _ => Self::Classic,
        }
    }
}

/// A request about a lock.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ask {
    pub(super) file: u64,
    pub(super) kind: Kind,
    pub(super) lock: Lock,
    /// The size of the file, in bytes.
    pub(super) size: u64,
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Granted,
    Conflict,
    Refused(i32),
}

struct Waiter {
    request: u64,
    ask: Ask,
    /// When the server thinks of it next.
    next: Instant,
    /// Nobody waits any more: it has been interrupted. The server has forgotten to forget.
    reply: Option<ReplyEmpty>,
    granted: Box<dyn Fn() + Send>,
}

/// Which locks exclude each other: those of the same number.
type Scope = usize;

#[derive(Default)]
struct State {
    tables: HashMap<Scope, LockTable>,
    waiting: Vec<Waiter>,
    /// What goes by itself, and when.
    leaving: Vec<(Instant, Scope, u64, Lock)>,
    phantoms: u64,
}

pub(super) struct Locks {
    behaviour: Behaviour,
    state: Mutex<State>,
}

impl Locks {
    pub(super) fn new(behaviour: Behaviour) -> Arc<Self> {
        let locks = Arc::new(Self { behaviour, state: Mutex::default() });
        let by_time = [
            Behaviour::LateRelease,
            Behaviour::ReleasedMinutesLate,
            Behaviour::SlowWake,
            Behaviour::PollingWaiters,
            Behaviour::LockExpires,
        ];
        if by_time.contains(&behaviour) {
            let watched = Arc::downgrade(&locks);
            thread::spawn(move || tick(&watched));
        }
        locks
    }

    /// The range and strength with which the server takes a wish.
    fn as_understood(&self, ask: &Ask) -> Lock {
        let mut lock = ask.lock;
        if lock.end >= END {
            lock.end = u64::MAX;
        }
        match self.behaviour {
            Behaviour::WholeFileOnly => (lock.start, lock.end) = (0, u64::MAX),
            Behaviour::RangesRounded => {
                lock.start -= lock.start % PAGE;
                lock.end |= PAGE - 1;
            }
            Behaviour::OneByteMore => lock.end = lock.end.saturating_add(1),
            Behaviour::SharedExcludesShared => lock.exclusive = true,
            Behaviour::EndsAtEof if lock.end == u64::MAX => {
                lock.end = ask.size.max(lock.start + 1) - 1;
            }
            Behaviour::Offsets32Bit => {
                lock.start &= u64::from(u32::MAX);
                if lock.end < u64::MAX {
                    lock.end &= u64::from(u32::MAX);
                }
                lock.end = lock.end.max(lock.start);
            }
            _ => (),
        }
        lock
    }

    fn scope(&self, kind: Kind, host: usize) -> Scope {
        let (local, apart) = match self.behaviour {
            Behaviour::LocksLocal => (host, kind == Kind::Flock),
            Behaviour::FlockLocal if kind == Kind::Flock => (host, true),
            Behaviour::FlockIsFcntl => (0, false),
            _ => (0, kind == Kind::Flock),
        };
        let ofd = self.behaviour == Behaviour::OfdApart && kind == Kind::Ofd;
        local * 4 + usize::from(apart) + 2 * usize::from(ofd)
    }

    fn in_the_way(&self, table: &LockTable, file: u64, wanted: &Lock) -> Option<Lock> {
        let held = table.held(file);
        let mine = |lock: &&Lock| lock.is_of(wanted) && lock.overlaps(wanted);
        let upgrade = wanted.exclusive && held.iter().any(|lock| mine(&lock) && !lock.exclusive);
        let excludes = |held: &Lock| match self.behaviour {
            Behaviour::LocksIgnored => false,
            Behaviour::SharedAdmitsWriter => held.exclusive,
            Behaviour::ExclusiveAdmitsReader => wanted.exclusive,
            Behaviour::RemoteReadersIgnored => held.exclusive || held.side == wanted.side,
            Behaviour::UpgradeNotRefused if upgrade => held.exclusive,
            Behaviour::OverlapIgnored => held.start == wanted.start,
            _ => true,
        };
        let found = held.iter().find(|held| {
            !held.is_of(wanted)
                && held.overlaps(wanted)
                && (held.exclusive || wanted.exclusive)
                && excludes(held)
        });
        found.copied()
    }

    /// What `F_GETLK` tells of whoever is in the way.
    pub(super) fn get(&self, ask: &Ask) -> Option<Lock> {
        let state = lock(&self.state);
        let table = state.tables.get(&self.scope(ask.kind, ask.lock.side))?;
        let wanted = self.as_understood(ask);
        let mut found = match self.behaviour {
            Behaviour::GetlkSaysFree => None,
            Behaviour::GetlkReportsOwn => {
                table.held(ask.file).iter().find(|held| held.overlaps(&wanted)).copied()
            }
            _ => self.in_the_way(table, ask.file, &wanted),
        };
        if let Some(found) = &mut found {
            if self.behaviour == Behaviour::GetlkWholeFile {
                (found.start, found.end) = (0, u64::MAX);
            }
            found.pid = match self.behaviour {
                Behaviour::GetlkPidZero => 0,
                Behaviour::GetlkPidForeign => 1,
                _ => found.pid,
            };
            found.end = found.end.min(END);
        }
        found
    }

    pub(super) fn unlock(&self, ask: &Ask) {
        let mut bytes = self.as_understood(ask);
        match self.behaviour {
            Behaviour::UnlockDropsAll => (bytes.start, bytes.end) = (0, u64::MAX),
            Behaviour::UnlockIgnored => return,
            _ => (),
        }
        let mut state = lock(&self.state);
        let scope = self.scope(ask.kind, ask.lock.side);
        let table = state.tables.entry(scope).or_default();
        table.let_go(ask.file, &bytes);
        if self.behaviour == Behaviour::UnlockDropsOthers {
            drop(table.remove(ask.file, |lock| lock.overlaps(&bytes)));
        }
        self.grant(&mut state);
    }

    /// Whether somebody else's exclusive lock keeps an open file of a host from these bytes.
    pub(super) fn bars(&self, file: u64, (host, fh): (usize, u64), bytes: (u64, u64)) -> bool {
        let (start, len) = bytes;
        let end = start.saturating_add(len.max(1) - 1);
        let state = lock(&self.state);
        let mut held = state.tables.values().flat_map(|table| table.held(file));
        held.any(|lock| {
            let theirs = (lock.side, lock.fh) != (host, fh);
            lock.exclusive && theirs && lock.start <= end && start <= lock.end
        })
    }

    fn take(&self, state: &mut State, ask: &Ask) -> Verdict {
        self.take_unless(state, ask, |_| true)
    }

    /// Takes a lock unless one of those that count is in the way.
    fn take_unless(&self, state: &mut State, ask: &Ask, counts: impl Fn(&Lock) -> bool) -> Verdict {
        let wanted = self.as_understood(ask);
        let scope = self.scope(ask.kind, wanted.side);
        let table = state.tables.entry(scope).or_default();
        let mine = table.held(ask.file).to_vec();
        let mine = mine.iter().filter(|held| held.is_of(&wanted) && held.overlaps(&wanted));
        let (shared, exclusive): (Vec<&Lock>, Vec<&Lock>) = mine.partition(|held| !held.exclusive);
        if self.in_the_way(table, ask.file, &wanted).is_some_and(|held| counts(&held)) {
            if self.behaviour == Behaviour::UpgradeLosesShared && !shared.is_empty() {
                table.let_go(ask.file, &wanted);
                self.grant(state);
            }
            return Verdict::Conflict;
        }
        let downgrade = !wanted.exclusive && !exclusive.is_empty();
        match self.behaviour {
            Behaviour::LockLimit if table.held(ask.file).len() >= LOCKS_MAX => {
                return Verdict::Refused(libc::ENOLCK);
            }
            Behaviour::DowngradeExcludes if downgrade => (),
            Behaviour::DowngradeDrops if downgrade => table.let_go(ask.file, &wanted),
            Behaviour::OneLockEach => {
                drop(table.remove(ask.file, |held| held.is_of(&wanted)));
                table.put(ask.file, wanted);
            }
            _ => table.put(ask.file, wanted),
        }
        if self.behaviour == Behaviour::LockExpires {
            state.leaving.push((Instant::now() + EXPIRES_AFTER, scope, ask.file, wanted));
        }
        if downgrade {
            self.grant(state);
        }
        Verdict::Granted
    }

    /// Takes a lock or says why not. Somebody who is to wait must call `wait` then.
    pub(super) fn set(&self, ask: &Ask, sleeps: bool) -> Verdict {
        match self.behaviour {
            Behaviour::NoLocks => return Verdict::Refused(libc::ENOLCK),
            Behaviour::LocksNotImplemented => return Verdict::Refused(libc::ENOSYS),
            Behaviour::LocksUnsupported => return Verdict::Refused(libc::EOPNOTSUPP),
            Behaviour::OfdRefused if ask.kind == Kind::Ofd => {
                return Verdict::Refused(libc::EINVAL);
            }
            Behaviour::OffsetsBeyond2G
                if ask.lock.start >> 31 != 0 || (ask.lock.end >> 31 != 0 && ask.lock.end < END) =>
            {
                return Verdict::Refused(libc::EINVAL);
            }
            _ => (),
        }
        let mut state = lock(&self.state);
        let verdict = if self.behaviour == Behaviour::CheckThenSet {
            let wanted = self.as_understood(ask);
            let scope = self.scope(ask.kind, wanted.side);
            let table = state.tables.entry(scope).or_default();
            if self.in_the_way(table, ask.file, &wanted).is_some() {
                Verdict::Conflict
            } else {
                drop(state);
                thread::sleep(RACE);
                state = lock(&self.state);
                state.tables.entry(scope).or_default().put(ask.file, wanted);
                Verdict::Granted
            }
        } else {
            self.take(&mut state, ask)
        };
        match (verdict, self.behaviour) {
            (Verdict::Conflict, Behaviour::WaitReturnsEarly) if sleeps => Verdict::Granted,
            (Verdict::Conflict, Behaviour::WaitIsRefused) if sleeps => {
                Verdict::Refused(libc::EAGAIN)
            }
            (Verdict::Conflict, Behaviour::EaccesForConflict) if !sleeps => {
                Verdict::Refused(libc::EACCES)
            }
            _ => verdict,
        }
    }

    /// Answers when the lock can be had, and calls `granted` just before.
    pub(super) fn wait(
        &self,
        request: u64,
        ask: Ask,
        reply: ReplyEmpty,
        granted: Box<dyn Fn() + Send>,
    ) {
        let mut state = lock(&self.state);
        let next = Instant::now() + self.patience();
        state.waiting.push(Waiter { request, ask, next, reply: Some(reply), granted });
        self.grant(&mut state);
    }

    fn patience(&self) -> Duration {
        match self.behaviour {
            Behaviour::SlowWake => WAKE_AFTER,
            Behaviour::PollingWaiters => POLL_EVERY,
            _ => Duration::ZERO,
        }
    }

    /// A signal has come for who waits. Returns whether the request was found.
    pub(super) fn interrupted(&self, request: u64) -> bool {
        let mut state = lock(&self.state);
        let Some(at) = state.waiting.iter().position(|waiter| waiter.request == request) else {
            return false;
        };
        let reply = state.waiting[at].reply.take();
        if self.behaviour != Behaviour::GhostLock {
            drop(state.waiting.remove(at));
        }
        match (reply, self.behaviour) {
            (Some(reply), Behaviour::InterruptedWaitGrants) => reply.ok(),
            (Some(reply), _) => reply.error(Errno::EINTR),
            (None, _) => (),
        }
        true
    }

    /// Gives those who wait what they can have now.
    fn grant(&self, state: &mut State) {
        if self.behaviour == Behaviour::NeverWoken {
            return;
        }
        let now = Instant::now();
        let mut served = HashSet::new();
        for mut waiter in std::mem::take(&mut state.waiting) {
            if self.behaviour == Behaviour::SecondNotWoken && served.contains(&waiter.ask.file) {
                waiter.next = now + NEVER;
            }
            if waiter.next > now {
                state.waiting.push(waiter);
                continue;
            }
            waiter.next = now + self.patience();
            let readers = self.behaviour != Behaviour::WaiterIgnoresReaders;
            let taken = self.take_unless(state, &waiter.ask, |held| held.exclusive || readers);
            match (taken, waiter.reply.take()) {
                (Verdict::Conflict, reply) => state.waiting.push(Waiter { reply, ..waiter }),
                (Verdict::Granted, Some(reply)) => {
                    served.insert(waiter.ask.file);
                    (waiter.granted)();
                    reply.ok();
                }
                (Verdict::Refused(error), Some(reply)) => reply.error(Errno::from_i32(error)),
                // A ghost has the lock now.
                (_, None) => (),
            }
        }
    }

    /// Locks go with their open file, their process or their host: those of `file` that are `gone`.
    pub(super) fn release(&self, file: u64, gone: impl Fn(&Lock) -> bool) {
        match self.behaviour {
            Behaviour::NotReleasedAtClose => self.keep(file, gone, None),
            Behaviour::LateRelease => self.keep(file, gone, Some(LATE)),
            Behaviour::ReleasedMinutesLate => self.keep(file, gone, Some(MUCH_LATER)),
            _ => {
                let mut state = lock(&self.state);
                for table in state.tables.values_mut() {
                    drop(table.remove(file, &gone));
                }
                self.grant(&mut state);
            }
        }
    }

    /// Keeps for some time, or for ever, locks that should be released.
    pub(super) fn keep(&self, file: u64, gone: impl Fn(&Lock) -> bool, after: Option<Duration>) {
        let mut state = lock(&self.state);
        let state = &mut *state;
        for (scope, table) in &mut state.tables {
            for lock in table.remove(file, &gone) {
                // Nobody's now: not even its owner can take it back, nor who has the same number
                // later.
                state.phantoms += 1;
                let lock = Lock { owner: u64::MAX - state.phantoms, fh: u64::MAX, ..lock };
                table.put(file, lock);
                if let Some(after) = after {
                    state.leaving.push((Instant::now() + after, *scope, file, lock));
                }
            }
        }
    }

    /// The locks of a host.
    pub(super) fn held_by(&self, host: usize) -> Vec<Lock> {
        let state = lock(&self.state);
        let all = state.tables.values().flat_map(LockTable::all);
        all.filter(|lock| lock.side == host).copied().collect()
    }

    /// Takes all locks of a host and returns how many there were.
    pub(super) fn revoke(&self, host: usize) -> Vec<Lock> {
        let mut state = lock(&self.state);
        let gone = state.tables.values_mut().flat_map(|table| table.revoke(host)).collect();
        self.grant(&mut state);
        gone
    }

    /// Sends away those who wait on a host that goes, and forgets its locks.
    pub(super) fn host_goes(&self, host: usize) {
        let mut state = lock(&self.state);
        for waiter in state.waiting.extract_if(.., |waiter| waiter.ask.lock.side == host) {
            if let Some(reply) = waiter.reply {
                reply.error(Errno::EIO);
            }
        }
        for table in state.tables.values_mut() {
            drop(table.revoke(host));
        }
        self.grant(&mut state);
    }

    fn look_at_the_clock(&self) {
        let now = Instant::now();
        let mut state = lock(&self.state);
        let state = &mut *state;
        for (_, scope, file, lock) in state.leaving.extract_if(.., |(at, ..)| *at <= now) {
            if let Some(table) = state.tables.get_mut(&scope) {
                table.let_go(file, &lock);
            }
        }
        self.grant(state);
    }
}

fn tick(locks: &Weak<Locks>) {
    while let Some(locks) = locks.upgrade() {
        locks.look_at_the_clock();
        drop(locks);
        thread::sleep(TICK);
    }
}

/// How the thread that called us is about to end, if it is: 0, or the signal that kills it.
///
/// Not from `stat`: that waits for a process that is in `exec` and closes descriptors there, and such
/// a process waits for us.
pub(super) fn ending(thread: u32) -> Option<u32> {
    const KILLED: u64 = 1 << (libc::SIGKILL - 1);
    // A process that is killed does not wait for our answer; it may be gone.
    let Ok(status) = fs::read_to_string(format!("/proc/{thread}/status")) else {
        return Some(libc::SIGKILL.unsigned_abs());
    };
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    // Memory goes before open files do.
    if field("VmSize:").is_some() {
        return None;
    }
    let pending = field("ShdPnd:").and_then(|digits| u64::from_str_radix(digits, 16).ok());
    let killed = pending.is_some_and(|signals| signals & KILLED != 0);
    Some(if killed { libc::SIGKILL.unsigned_abs() } else { 0 })
}

/// The process that a thread belongs to.
pub(super) fn process_of(thread: u32) -> u32 {
    let status = fs::read_to_string(format!("/proc/{thread}/status")).unwrap_or_default();
    let process = status.lines().find_map(|line| line.strip_prefix("Tgid:"));
    process.and_then(|process| process.trim().parse().ok()).unwrap_or(thread)
}
