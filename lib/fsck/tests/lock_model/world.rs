//! A model of files and locks, correct but for one defect at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use miqm_fsck::Value;
use miqm_sys::lock::Range;
use miqm_sys::probe::{Family, Held, Kind};

use crate::defect::Defect;

pub(crate) const EINTR: i32 = 4;
pub(crate) const EIO: i32 = 5;
pub(crate) const EBADF: i32 = 9;
pub(crate) const EAGAIN: i32 = 11;
pub(crate) const EACCES: i32 = 13;
pub(crate) const EINVAL: i32 = 22;
pub(crate) const ENOLCK: i32 = 37;
pub(crate) const EOVERFLOW: i32 = 75;

pub(crate) type Pid = u32;
pub(crate) type DescId = u32;

/// Who owns a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Owner {
    Process(Pid),
    Open(DescId),
}

#[derive(Clone, Debug)]
pub(crate) struct Lock {
    pub(crate) owner: Owner,
    pub(crate) family: Family,
    pub(crate) kind: Kind,
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) host: u8,
    pub(crate) pid: Pid,
    pub(crate) desc: DescId,
    pub(crate) since: Instant,
    /// Released, but not before then.
    pub(crate) gone_at: Option<Instant>,
    /// Granted to one who waited.
    pub(crate) waited: bool,
}

/// Who asks for a lock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asker {
    pub(crate) pid: Pid,
    pub(crate) desc: DescId,
    pub(crate) family: Family,
    pub(crate) host: u8,
    pub(crate) waits: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Desc {
    pub(crate) inode: u64,
    pub(crate) reads: bool,
    pub(crate) writes: bool,
    pub(crate) refs: u32,
    pub(crate) name: String,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Process {
    pub(crate) slots: BTreeMap<u8, DescId>,
    pub(crate) held: Option<DescId>,
}

/// A request that was forgotten by who made it.
#[derive(Clone, Debug)]
struct Ghost {
    asker: Asker,
    kind: Kind,
    range: Range,
    key: String,
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) defect: Defect,
    pub(crate) names: BTreeMap<String, u64>,
    pub(crate) data: BTreeMap<u64, Vec<u8>>,
    pub(crate) descs: BTreeMap<DescId, Desc>,
    pub(crate) processes: BTreeMap<Pid, Process>,
    /// By what locks go: the number of the file, as text.
    pub(crate) locks: BTreeMap<String, Vec<Lock>>,
    keys: BTreeMap<u64, String>,
    ghosts: Vec<Ghost>,
    /// Counts what wakes those who wait.
    pub(crate) wakes: u64,
    next: u32,
}

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) state: Mutex<State>,
    pub(crate) changed: Condvar,
}

impl World {
    pub(crate) fn new(defect: Defect) -> Self {
        let state = State {
            defect,
            names: BTreeMap::new(),
            data: BTreeMap::new(),
            descs: BTreeMap::new(),
            processes: BTreeMap::new(),
            locks: BTreeMap::new(),
            keys: BTreeMap::new(),
            ghosts: Vec::new(),
            wakes: 0,
            next: 100,
        };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

impl State {
    pub(crate) fn is(&self, defect: Defect) -> bool {
        self.defect == defect
    }

    pub(crate) fn fresh(&mut self) -> u32 {
        self.next += 1;
        self.next
    }

    pub(crate) fn key(&self, desc: DescId) -> String {
        let Some(desc) = self.descs.get(&desc) else { return String::new() };
        let inode = desc.inode;
        match self.defect {
            Defect::ByName => desc.name.clone(),
            Defect::ByOtherName if desc.name.contains("alias") => format!("alias {inode}"),
            Defect::FewTables => (inode % 4).to_string(),
            _ => self.keys.get(&inode).cloned().unwrap_or_else(|| inode.to_string()),
        }
    }

    /// A file takes the name of another one.
    pub(crate) fn takes_the_name(&mut self, inode: u64, of: u64) {
        if self.is(Defect::NewFileInherits) {
            let key = self.keys.get(&of).cloned().unwrap_or_else(|| of.to_string());
            self.keys.insert(inode, key);
        }
    }

    pub(crate) fn owner(&self, asker: &Asker) -> Owner {
        match asker.family {
            Family::Posix => Owner::Process(asker.pid),
            Family::Ofd if self.is(Defect::OpenFileIsProcess) => Owner::Process(asker.pid),
            _ => Owner::Open(asker.desc),
        }
    }

    /// First and last byte plus one.
    fn span(&self, desc: DescId, range: Range) -> (u64, u64) {
        let end = match range.len {
            0 => u64::MAX,
            len => range.start + len,
        };
        let size = || {
            let inode = self.descs.get(&desc).map_or(0, |desc| desc.inode);
            self.data.get(&inode).map_or(0, |data| data.len() as u64)
        };
        match self.defect {
            Defect::WholeFile => (0, u64::MAX),
            Defect::EndIsFileEnd if range.len == 0 => (range.start, size().max(range.start)),
            Defect::Cut32 if range.len != 0 => {
                (range.start & 0xffff_ffff, ((end - 1) & 0xffff_ffff) + 1)
            }
            Defect::Cut31 if range.len != 0 => {
                (range.start & 0x7fff_ffff, ((end - 1) & 0x7fff_ffff) + 1)
            }
            Defect::OneTooFar => (range.start, end.saturating_add(1)),
            Defect::OneTooShort if range.len > 1 => (range.start, end - 1),
            _ => (range.start, end),
        }
    }

    /// The lock that is in the way.
    pub(crate) fn conflict(&self, asker: &Asker, kind: Kind, range: Range) -> Option<Lock> {
        let owner = self.owner(asker);
        let (start, end) = self.span(asker.desc, range);
        let locks = self.locks.get(&self.key(asker.desc))?;
        let upgrades = locks.iter().any(|lock| lock.owner == owner && lock.kind == Kind::Read);
        let in_the_way = |lock: &&Lock| {
            let flock = |family| family == Family::Flock;
            let overlaps = match self.defect {
                Defect::StartOnly => lock.start <= start && start < lock.end,
                Defect::InsideOnly => {
                    (lock.start <= start && start < lock.end)
                        || (lock.start < end && end <= lock.end)
                }
                _ => lock.start < end && start < lock.end,
            };
            let kinds = kind == Kind::Write || lock.kind == Kind::Write;
            flock(lock.family) == flock(asker.family)
                && overlaps
                && (kinds || self.is(Defect::SharedExcludesShared))
                && (lock.owner != owner || self.is(Defect::OwnLockExcludes))
                && !self.overlooked(asker, kind, lock, upgrades)
        };
        locks.iter().find(in_the_way).cloned()
    }

    /// Whether the defect makes it overlook a lock that is in the way.
    fn overlooked(&self, asker: &Asker, kind: Kind, lock: &Lock, upgrades: bool) -> bool {
        let elsewhere = lock.host != asker.host;
        let whole = |lock: &Lock| lock.start == 0 && lock.end == u64::MAX;
        match self.defect {
            Defect::ExcludesNobody => true,
            Defect::LocalToHost => elsewhere,
            Defect::RangesLocal => elsewhere && !whole(lock),
            Defect::SharedLocal => elsewhere && lock.kind == Kind::Read,
            Defect::FamiliesApart => lock.family != asker.family,
            Defect::PosixExcludesNobody => asker.family == Family::Posix,
            Defect::FlockExcludesNobody => asker.family == Family::Flock,
            Defect::FlockLocal => asker.family == Family::Flock && elsewhere,
            Defect::SharedLetsWriteThrough => lock.kind == Kind::Read,
            Defect::WriteLetsReadThrough => kind == Kind::Read,
            Defect::UpgradeAlways => upgrades && kind == Kind::Write && lock.kind == Kind::Read,
            Defect::Expires => lock.since.elapsed() > Duration::from_millis(250),
            Defect::AllWaitersGranted => asker.waits && lock.waited,
            _ => false,
        }
    }

    /// Takes a lock; `None` if another one is in the way.
    pub(crate) fn take(
        &mut self,
        asker: &Asker,
        kind: Kind,
        range: Range,
    ) -> Option<Result<Value, i32>> {
        let key = self.key(asker.desc);
        if kind != Kind::Unlock && self.conflict(asker, kind, range).is_some() {
            let owner = self.owner(asker);
            let locks = self.locks.entry(key).or_default();
            match self.defect {
                Defect::RefusedLosesOwn => locks.retain(|lock| lock.owner != owner),
                Defect::RefusedBreaksHolder => locks.clear(),
                _ => {}
            }
            return None;
        }
        Some(self.set(asker, kind, range))
    }

    /// Refuses where a correct system would not.
    fn refuses(&self, asker: &Asker, kind: Kind, range: Range) -> Option<i32> {
        let key = self.key(asker.desc);
        let owner = self.owner(asker);
        let here = self.locks.get(&key).map_or(0, Vec::len);
        let all: usize = self.locks.values().map(Vec::len).sum();
        let owns = || {
            let (start, end) = self.span(asker.desc, range);
            let locks = self.locks.get(&key).map(Vec::as_slice).unwrap_or_default();
            locks.iter().any(|l| l.owner == owner && l.start < end && start < l.end)
        };
        let unlocks = kind == Kind::Unlock;
        match self.defect {
            Defect::NoLocks(errno) if asker.family != Family::Flock => Some(errno),
            Defect::NoFlock if asker.family == Family::Flock => Some(95),
            Defect::FewInFile if !unlocks && here >= 64 => Some(ENOLCK),
            Defect::FewInAll if !unlocks && all >= 900 => Some(ENOLCK),
            Defect::Positions31 if range.len != 0 && range.start + range.len > 1 << 31 => {
                Some(EOVERFLOW)
            }
            Defect::UnlockNeedsLock if unlocks && !owns() => Some(EINVAL),
            _ => None,
        }
    }

    /// Puts a lock in, changes it, or takes it out, and splits what is there.
    pub(crate) fn set(&mut self, asker: &Asker, kind: Kind, range: Range) -> Result<Value, i32> {
        if let Some(errno) = self.refuses(asker, kind, range) {
            return Err(errno);
        }
        let owner = self.owner(asker);
        let (start, end) = self.span(asker.desc, range);
        let key = self.key(asker.desc);
        let defect = self.defect;
        let locks = self.locks.entry(key).or_default();
        let own = |lock: &Lock| {
            lock.owner == owner && (lock.family == Family::Flock) == (asker.family == Family::Flock)
        };
        let had = |wanted: Kind, locks: &[Lock]| {
            locks.iter().any(|l| own(l) && l.kind == wanted && l.start < end && start < l.end)
        };
        let unlocks = kind == Kind::Unlock;
        match defect {
            Defect::UnlockDoesNothing if unlocks => return Ok(Value::Done),
            Defect::UnlockTakesOthers if unlocks => {
                locks.retain(|l| l.end <= start || end <= l.start);
            }
            Defect::ReaderTakesReaders if unlocks && had(Kind::Read, locks) => {
                locks.retain(|l| l.kind != Kind::Read);
            }
            Defect::PartTakesAll if unlocks => {
                locks.retain(|l| !own(l) || l.end <= start || end <= l.start);
            }
            Defect::PartTakesNothing if unlocks => {
                let inside = |l: &Lock| own(l) && l.start <= start && end <= l.end;
                if locks.iter().any(|l| inside(l) && (l.start < start || end < l.end)) {
                    return Ok(Value::Done);
                }
            }
            Defect::PartChangesAll if kind == Kind::Read && had(Kind::Write, locks) => {
                for lock in locks.iter_mut().filter(|l| own(l)) {
                    lock.kind = Kind::Read;
                }
                return Ok(Value::Done);
            }
            Defect::DowngradeLoses if kind == Kind::Read && had(Kind::Write, locks) => {
                locks.retain(|l| !own(l));
                return Ok(Value::Done);
            }
            Defect::DowngradeDoesNothing if kind == Kind::Read && had(Kind::Write, locks) => {
                return Ok(Value::Done);
            }
            Defect::OneLockEach => locks.retain(|l| !own(l)),
            Defect::AgainLoses if !unlocks && had(kind, locks) => {
                locks.retain(|l| !own(l));
                return Ok(Value::Done);
            }
            Defect::AgainCounts if !unlocks && had(kind, locks) => {
                let copy = locks.iter().find(|l| own(l)).cloned();
                locks.extend(copy);
                return Ok(Value::Done);
            }
            Defect::AgainCounts if unlocks => {
                let twice = |at: usize| {
                    let (a, rest) = (&locks[at], &locks[at + 1..]);
                    own(a) && rest.iter().any(|b| own(b) && (a.start, a.end) == (b.start, b.end))
                };
                if let Some(at) = (0..locks.len()).find(|at| twice(*at)) {
                    locks.remove(at);
                    return Ok(Value::Done);
                }
            }
            Defect::LaterForgotten if !unlocks && locks.len() >= 100 => return Ok(Value::Done),
            _ => {}
        }
        carve(locks, &own, start, end, unlocks.then_some(defect));
        if !unlocks && start < end {
            let merged = locks.iter().any(|l| own(l) && l.end == start);
            let end = if defect == Defect::MergeTooLong && merged { end + 50 } else { end };
            let (family, host, pid, desc) = (asker.family, asker.host, asker.pid, asker.desc);
            let since = Instant::now();
            locks.push(Lock {
                owner,
                family,
                kind,
                start,
                end,
                host,
                pid,
                desc,
                since,
                gone_at: None,
                waited: false,
            });
        }
        self.wakes += 1;
        self.settle();
        Ok(Value::Done)
    }

    /// Removes every lock that `gone` names, of all files or of one.
    pub(crate) fn release(&mut self, key: Option<&str>, gone: &dyn Fn(&Lock) -> bool) {
        let late = self.is(Defect::ReleasesLate);
        for (of, locks) in &mut self.locks {
            if key.is_some_and(|key| key != of) {
                continue;
            }
            if late {
                for lock in locks.iter_mut().filter(|lock| gone(lock) && lock.gone_at.is_none()) {
                    // Nobody is its owner any more.
                    lock.owner = Owner::Open(u32::MAX);
                    lock.gone_at = Some(Instant::now() + Duration::from_millis(40));
                }
            } else {
                locks.retain(|lock| !gone(lock));
            }
        }
        self.settle();
    }

    /// Lets time and ghosts do their work.
    pub(crate) fn settle(&mut self) {
        let now = Instant::now();
        for locks in self.locks.values_mut() {
            locks.retain(|lock| lock.gone_at.is_none_or(|at| now < at));
        }
        for ghost in std::mem::take(&mut self.ghosts) {
            if !self.descs.contains_key(&ghost.asker.desc)
                || self.key(ghost.asker.desc) != ghost.key
            {
                // Its file is closed: the lock has no owner that could give it back.
                self.haunt(&ghost);
            } else if self.conflict(&ghost.asker, ghost.kind, ghost.range).is_none() {
                self.set(&ghost.asker, ghost.kind, ghost.range).ok();
            } else {
                self.ghosts.push(ghost);
            }
        }
    }

    fn haunt(&mut self, ghost: &Ghost) {
        let locks = self.locks.entry(ghost.key.clone()).or_default();
        if !locks.is_empty() {
            self.ghosts.push(ghost.clone());
            return;
        }
        let (family, host, pid) = (ghost.asker.family, ghost.asker.host, ghost.asker.pid);
        locks.push(Lock {
            owner: Owner::Open(u32::MAX - 1),
            family,
            kind: ghost.kind,
            start: 0,
            end: u64::MAX,
            host,
            pid,
            desc: 0,
            since: Instant::now(),
            gone_at: None,
            waited: false,
        });
    }

    /// Leaves a request behind.
    pub(crate) fn leave(&mut self, asker: Asker, kind: Kind, range: Range) {
        let key = self.key(asker.desc);
        self.ghosts.push(Ghost { asker, kind, range, key });
    }

    /// What `F_GETLK` says.
    pub(crate) fn told(&self, asker: &Asker, kind: Kind, range: Range) -> Option<Held> {
        let found = match self.defect {
            Defect::ToldFree => None,
            Defect::ToldOwn => {
                let locks = self.locks.get(&self.key(asker.desc));
                locks.and_then(|locks| locks.first().cloned())
            }
            _ => self.conflict(asker, kind, range),
        };
        if self.is(Defect::ToldHeld) {
            return Some(Held { kind: Kind::Write, range, pid: 1 });
        }
        let lock = found?;
        let len = if lock.end == u64::MAX { 0 } else { lock.end - lock.start };
        let told = match self.defect {
            Defect::ToldWrongRange => Range::WHOLE,
            _ => Range { start: lock.start, len },
        };
        let kind = if self.is(Defect::ToldWrongKind) { Kind::Write } else { lock.kind };
        Some(Held { kind, range: told, pid: -1 })
    }

    /// One descriptor less.
    pub(crate) fn close(&mut self, pid: Pid, desc: DescId, by_call: bool) {
        let key = self.key(desc);
        let Some(open) = self.descs.get_mut(&desc) else { return };
        open.refs -= 1;
        let last = open.refs == 0;
        let inode = open.inode;
        let defect = self.defect;
        let keeps = by_call && defect == Defect::CloseKeeps;
        let gone = |lock: &Lock| match lock.owner {
            Owner::Process(of) => {
                of == pid
                    && (lock.family == Family::Posix || defect == Defect::OpenFileIsProcess)
                    && (defect != Defect::CloseOfOtherKeeps || lock.desc == desc)
            }
            Owner::Open(of) => {
                (of == desc && (last || defect == Defect::CopyCloseReleases))
                    || (lock.pid == pid && defect == Defect::OtherCloseReleases)
            }
        };
        if !keeps {
            let all = defect == Defect::AnyCloseReleases;
            self.release(Some(&key), &|lock| all || gone(lock));
        }
        if last {
            self.descs.remove(&desc);
            if !self.names.values().any(|named| *named == inode)
                && !self.descs.values().any(|desc| desc.inode == inode)
            {
                self.data.remove(&inode);
            }
        }
    }

    /// A process is gone.
    pub(crate) fn bury(&mut self, pid: Pid, killed: bool) {
        let Some(process) = self.processes.remove(&pid) else { return };
        let keeps = match self.defect {
            Defect::ExitKeeps => !killed,
            Defect::KillKeeps => killed,
            _ => false,
        };
        if self.is(Defect::DeathTakesOthers) {
            let keys: BTreeSet<_> = process.slots.values().map(|desc| self.key(*desc)).collect();
            for key in keys {
                self.release(Some(&key), &|_| true);
            }
        }
        if keeps {
            return;
        }
        for desc in process.slots.into_values().chain(process.held) {
            self.close(pid, desc, false);
        }
        // Those who wait are woken by a release, unless the defect is that they are not.
        if !self.is(Defect::DeathWakesNobody) {
            self.wakes += 1;
        }
    }
}

/// Cuts a range out of one's locks.
fn carve(
    locks: &mut Vec<Lock>,
    own: &dyn Fn(&Lock) -> bool,
    start: u64,
    end: u64,
    unlock: Option<Defect>,
) {
    let late = unlock == Some(Defect::ReleasesLate);
    let mut kept = Vec::with_capacity(locks.len() + 2);
    for lock in locks.drain(..) {
        if !own(&lock) || lock.end <= start || end <= lock.start {
            kept.push(lock);
            continue;
        }
        if lock.start < start {
            kept.push(Lock { end: start, ..lock.clone() });
        }
        if end < lock.end {
            kept.push(Lock { start: end, ..lock.clone() });
        }
        if late {
            let gone_at = Some(Instant::now() + Duration::from_millis(40));
            let (start, end) = (lock.start.max(start), lock.end.min(end));
            kept.push(Lock { owner: Owner::Open(u32::MAX), gone_at, start, end, ..lock });
        }
    }
    *locks = kept;
}
