//! Locks of files.

use miqm_fsck::host::ActorId;
use miqm_sys::lock::Range;
use miqm_sys::probe::{Family, Held, Kind};

use super::world::{Desc, Who};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Owner {
    Process(ActorId),
    Open(u64),
    Flock(u64),
}

impl Owner {
    fn is_flock(self) -> bool {
        matches!(self, Self::Flock(_))
    }
}

#[derive(Clone, Debug)]
struct Lock {
    ino: u64,
    owner: Owner,
    by: ActorId,
    kind: Kind,
    start: u64,
    end: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Locks(Vec<Lock>);

fn wanted(who: Who, desc: &Desc, family: Family, kind: Kind, range: Range) -> Lock {
    let owner = match family {
        Family::Posix => Owner::Process(who.actor),
        Family::Ofd => Owner::Open(desc.id),
        Family::Flock => Owner::Flock(desc.id),
    };
    let end = if range.len == 0 { u64::MAX } else { range.start + range.len };
    Lock { ino: desc.ino, owner, by: who.actor, kind, start: range.start, end }
}

impl Locks {
    fn blocker(&self, wanted: &Lock) -> Option<&Lock> {
        self.0.iter().find(|lock| {
            lock.ino == wanted.ino
                && lock.owner != wanted.owner
                && lock.owner.is_flock() == wanted.owner.is_flock()
                && lock.start < wanted.end
                && wanted.start < lock.end
                && (lock.kind == Kind::Write || wanted.kind == Kind::Write)
        })
    }

    /// Takes or gives back, unless somebody else's is in the way.
    pub(crate) fn set(
        &mut self,
        who: Who,
        desc: &Desc,
        family: Family,
        kind: Kind,
        range: Range,
    ) -> bool {
        let new = wanted(who, desc, family, kind, range);
        if kind != Kind::Unlock && self.blocker(&new).is_some() {
            return false;
        }
        let mut kept = Vec::new();
        for lock in self.0.drain(..) {
            let own = lock.ino == new.ino && lock.owner == new.owner;
            if !own || lock.end <= new.start || new.end <= lock.start {
                kept.push(lock);
                continue;
            }
            if lock.start < new.start {
                kept.push(Lock { end: new.start, ..lock.clone() });
            }
            if new.end < lock.end {
                kept.push(Lock { start: new.end, ..lock });
            }
        }
        self.0 = kept;
        if kind != Kind::Unlock {
            self.0.push(new);
        }
        true
    }

    pub(crate) fn test(
        &self,
        who: Who,
        desc: &Desc,
        family: Family,
        kind: Kind,
        range: Range,
    ) -> Option<Held> {
        let lock = self.blocker(&wanted(who, desc, family, kind, range))?;
        let len = if lock.end == u64::MAX { 0 } else { lock.end - lock.start };
        let pid = if matches!(lock.owner, Owner::Process(_)) { lock.by.cast_signed() } else { -1 };
        Some(Held { kind: lock.kind, range: Range { start: lock.start, len }, pid })
    }

    /// A descriptor was closed, and it was the last of its open file or not.
    pub(crate) fn closed(&mut self, who: Who, desc: &Desc, last: bool) {
        let mine = [Owner::Open(desc.id), Owner::Flock(desc.id)];
        self.0.retain(|lock| {
            let process = lock.ino == desc.ino && lock.owner == Owner::Process(who.actor);
            let closed = last && mine.contains(&lock.owner);
            !process && !closed
        });
    }

    pub(crate) fn ended(&mut self, actor: ActorId) {
        self.0.retain(|lock| lock.by != actor);
    }
}
