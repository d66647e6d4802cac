//! Byte-range locks of all mounts of a file system for tests. Pure.

use std::collections::HashMap;

/// A lock, or the wish for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lock {
    /// The number of the mount.
    pub(crate) side: usize,
    /// The kernel's number for a process or an open file; unique in its mount.
    pub(crate) owner: u64,
    /// The open file it was asked for through.
    pub(crate) fh: u64,
    /// The first byte.
    pub(crate) start: u64,
    /// The last byte.
    pub(crate) end: u64,
    pub(crate) exclusive: bool,
    pub(crate) pid: u32,
}

impl Lock {
    pub(crate) fn is_of(&self, other: &Self) -> bool {
        (self.side, self.owner) == (other.side, other.owner)
    }

    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        self.start <= other.end && other.start <= self.end
    }
}

/// All locks, by inode.
#[derive(Debug, Default)]
pub(crate) struct LockTable(HashMap<u64, Vec<Lock>>);

impl LockTable {
    /// The lock of somebody else that is in the way.
    pub(crate) fn conflict(&self, inode: u64, wanted: &Lock) -> Option<Lock> {
        let in_the_way = |held: &&Lock| {
            !held.is_of(wanted) && held.overlaps(wanted) && (held.exclusive || wanted.exclusive)
        };
        self.held(inode).iter().find(in_the_way).copied()
    }

    /// All locks of a file.
    pub(crate) fn held(&self, inode: u64) -> &[Lock] {
        self.0.get(&inode).map_or(&[], Vec::as_slice)
    }

    /// Takes a lock, in place of what the same owner holds of these bytes. Returns whether
    /// nobody else's was in the way.
    pub(crate) fn take(&mut self, inode: u64, wanted: Lock) -> bool {
        if self.conflict(inode, &wanted).is_some() {
            return false;
        }
        self.put(inode, wanted);
        true
    }

    /// Sets a lock in place of what the same owner holds of these bytes, whoever is in the way.
    pub(crate) fn put(&mut self, inode: u64, lock: Lock) {
        self.let_go(inode, &lock);
        self.0.entry(inode).or_default().push(lock);
    }

    /// Lets go of what the owner holds of these bytes.
    pub(crate) fn let_go(&mut self, inode: u64, bytes: &Lock) {
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
    pub(crate) fn closed(&mut self, inode: u64, side: usize, fh: u64) {
        drop(self.remove(inode, |lock| (lock.side, lock.fh) == (side, fh)));
    }

    /// Removes what a process holds of a file of which it closed any descriptor. (An open file's
    /// own locks have another owner.)
    pub(crate) fn flushed(&mut self, inode: u64, side: usize, owner: u64) {
        drop(self.remove(inode, |lock| (lock.side, lock.owner) == (side, owner)));
    }

    /// Removes and returns all locks of a mount.
    pub(crate) fn revoke(&mut self, side: usize) -> Vec<Lock> {
        let mut gone = Vec::new();
        for held in self.0.values_mut() {
            gone.extend(held.extract_if(.., |lock| lock.side == side));
        }
        gone
    }

    /// All locks of all files.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Lock> {
        self.0.values().flatten()
    }

    /// How many locks a mount has.
    pub(crate) fn held_by(&self, side: usize) -> usize {
        self.all().filter(|lock| lock.side == side).count()
    }

    /// Removes and returns the locks of a file that are unwanted.
    pub(crate) fn remove(&mut self, inode: u64, unwanted: impl Fn(&Lock) -> bool) -> Vec<Lock> {
        let Some(held) = self.0.get_mut(&inode) else { return Vec::new() };
        held.extract_if(.., |lock| unwanted(lock)).collect()
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
