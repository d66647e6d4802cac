//! Byte-range locks of all mounts. Pure.

use std::collections::HashMap;

/// A lock, or the wish for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lock {
    /// The number of the mount.
    pub(super) side: usize,
    /// The kernel's number for a process or an open file; unique in its mount.
    pub(super) owner: u64,
    /// The open file it was asked for through.
    pub(super) fh: u64,
    /// The first byte.
    pub(super) start: u64,
    /// The last byte.
    pub(super) end: u64,
    pub(super) exclusive: bool,
    pub(super) pid: u32,
}

impl Lock {
    fn is_of(&self, other: &Self) -> bool {
        (self.side, self.owner) == (other.side, other.owner)
    }

    fn overlaps(&self, other: &Self) -> bool {
        self.start <= other.end && other.start <= self.end
    }
}

/// All locks, by inode.
#[derive(Debug, Default)]
pub(super) struct LockTable(HashMap<u64, Vec<Lock>>);

impl LockTable {
    /// The lock of somebody else that is in the way.
    pub(super) fn conflict(&self, inode: u64, wanted: &Lock) -> Option<Lock> {
        let in_the_way = |held: &&Lock| {
            !held.is_of(wanted) && held.overlaps(wanted) && (held.exclusive || wanted.exclusive)
        };
        self.0.get(&inode)?.iter().find(in_the_way).copied()
    }

    /// Takes a lock, in place of what the same owner holds of these bytes. Returns whether
    /// nobody else's was in the way.
    pub(super) fn take(&mut self, inode: u64, wanted: Lock) -> bool {
        if self.conflict(inode, &wanted).is_some() {
            return false;
        }
        self.let_go(inode, &wanted);
        self.0.entry(inode).or_default().push(wanted);
        true
    }

    /// Lets go of what the owner holds of these bytes.
    pub(super) fn let_go(&mut self, inode: u64, bytes: &Lock) {
        let Some(held) = self.0.get_mut(&inode) else { return };
        let mut rest = Vec::with_capacity(held.len());
        for lock in held.drain(..) {
            if !lock.is_of(bytes) || !lock.overlaps(bytes) {
                rest.push(lock);
                continue;
            }
            if lock.start < bytes.start {
                rest.push(Lock { end: bytes.start - 1, ..lock });
            }
            if lock.end > bytes.end {
                rest.push(Lock { start: bytes.end + 1, ..lock });
            }
        }
        *held = rest;
    }

    /// Removes what was taken through an open file that is closed now.
    pub(super) fn closed(&mut self, inode: u64, side: usize, fh: u64) {
        self.remove(inode, |lock| (lock.side, lock.fh) == (side, fh));
    }

    /// Removes what a process holds of a file of which it closed any descriptor. (An open file's
    /// own locks have another owner.)
    pub(super) fn flushed(&mut self, inode: u64, side: usize, owner: u64) {
        self.remove(inode, |lock| (lock.side, lock.owner) == (side, owner));
    }

    /// Removes and returns all locks of a mount.
    pub(super) fn revoke(&mut self, side: usize) -> Vec<Lock> {
        let mut gone = Vec::new();
        for held in self.0.values_mut() {
            gone.extend(held.extract_if(.., |lock| lock.side == side));
        }
        gone
    }

    /// How many locks a mount has.
    pub(super) fn held_by(&self, side: usize) -> usize {
        self.0.values().flatten().filter(|lock| lock.side == side).count()
    }

    fn remove(&mut self, inode: u64, unwanted: impl Fn(&Lock) -> bool) {
        if let Some(held) = self.0.get_mut(&inode) {
            held.retain(|lock| !unwanted(lock));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: u64 = 7;

    fn lock(side: usize, owner: u64, start: u64, end: u64, exclusive: bool) -> Lock {
        Lock { side, owner, fh: owner, start, end, exclusive, pid: 1 }
    }

    #[test]
    fn locks_exclude_across_owners_and_mounts() {
        let mut table = LockTable::default();
        assert!(table.take(FILE, lock(1, 1, 0, 9, true)));
        assert!(!table.take(FILE, lock(1, 2, 9, 9, true)));
        assert!(!table.take(FILE, lock(2, 1, 0, 0, false)), "the same number, another mount");
        assert!(table.take(FILE, lock(2, 1, 10, 10, true)));
        assert!(table.take(FILE + 1, lock(2, 1, 0, 9, true)), "another file");
        assert!(table.take(FILE, lock(1, 1, 0, 9, false)), "the owner's own");
        assert!(table.take(FILE, lock(2, 3, 0, 9, false)), "shared now");
        assert_eq!(table.conflict(FILE, &lock(1, 1, 0, 0, true)).map(|l| l.owner), Some(3));
    }

    #[test]
    fn a_part_can_be_let_go() {
        let mut table = LockTable::default();
        assert!(table.take(FILE, lock(1, 1, 0, u64::MAX, true)));
        table.let_go(FILE, &lock(1, 1, 5, 9, true));
        assert!(table.take(FILE, lock(2, 2, 5, 9, true)));
        assert!(!table.take(FILE, lock(2, 2, 4, 4, true)));
        assert!(!table.take(FILE, lock(2, 2, 10, 10, true)));
    }

    #[test]
    fn locks_go_with_their_file_their_process_or_their_mount() {
        let mut table = LockTable::default();
        for owner in 1..4 {
            assert!(table.take(FILE, lock(1, owner, owner, owner, true)));
        }
        table.closed(FILE, 2, 1);
        assert_eq!(table.held_by(1), 3, "another mount's file");
        table.closed(FILE, 1, 1);
        table.flushed(FILE, 1, 2);
        assert_eq!(table.held_by(1), 1);
        assert_eq!(table.revoke(1), [lock(1, 3, 3, 3, true)]);
        assert_eq!(table.held_by(1), 0);
    }
}
