//! Locks.
//!
//! Instances use locks of open files (`F_OFD_SETLK`) and ask again and again; what concerns only other
//! kinds of lock, or calls that wait, says so. A check that plays both kinds of record lock fails with
//! either: they are the same locks with different owners.

mod exclude;
mod file;
mod later;
mod meaning;
mod play;
mod race;
mod range;
mod release;
mod wait;

use miqm_sys::probe::Family;

pub(super) use self::later::{CHECKS as LATER, DATA};
use self::play::{INSTANCE_LOCKS, RECORD_LOCKS, each};
use crate::check::{Check, Runs};

/// What nearly every check needs.
const BASE: &[&str] = &["lock.exclusive", "lock.exclusive-posix"];

const LOCAL: &str = "Let the server keep the locks (on NFS: version 4, without nolock or \
     local_lock), or use a file system whose hosts share their locks.";
const MAKER: &str = "Use another file system, or another version of this one, and tell its maker: \
     its locks are not what POSIX describes.";
const RELEASE: &str = "Use a file system whose server releases the locks of processes that have \
     ended (on NFS: version 4), and keep it up to date.";
const WAITER: &str = "Nothing for an instance, which asks again and again and never waits in a \
     call; for other programs use a file system that wakes those who wait.";

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "lock.available",
        title: "locks can be had at all",
        how: "Each host locks a new file, and gives the lock back.",
        why: "Without locks no instance starts.",
        change: "Where a lock manager is needed, start it on the hosts and on the server (on NFS \
             version 3: rpc.statd), or mount NFS version 4; otherwise use a file system that has \
             locks.",
        needs: &["name.create", "see.create"],
        runs: Runs::BASIC.and(Runs::CONCURRENT).and(Runs::WAITING),
        required: true,
        run: exclude::available,
    },
    Check {
        id: "lock.exclusive",
        title: "an exclusive lock excludes everybody else",
        how: "One process locks a file as instances do (F_OFD_SETLK); the other asks for the same \
             lock and for a shared one; then they change places.",
        why: "Only the lock keeps two instances from serving, and writing, at the same time.",
        change: LOCAL,
        needs: &["lock.available", "see.create"],
        runs: Runs::BASIC.and(Runs::CONCURRENT).and(Runs::WAITING),
        required: true,
        run: |stage| {
            each(
                stage,
                "exclusive",
                INSTANCE_LOCKS,
                "An exclusive lock excludes the \
             other process.",
                exclude::exclusive,
            )
        },
    },
    Check {
        id: "lock.exclusive-posix",
        title: "an exclusive lock of a process excludes other processes",
        how: "The same with classic record locks (F_SETLK), which belong to a process.",
        why: "Other queue managers, and programs beside an instance, use this kind of lock.",
        change: LOCAL,
        needs: &["lock.exclusive"],
        runs: Runs::BASIC.and(Runs::CONCURRENT).and(Runs::WAITING),
        required: true,
        run: |stage| {
            each(
                stage,
                "exclusive-posix",
                &[Family::Posix],
                "A classic record lock \
             excludes the other process.",
                exclude::exclusive,
            )
        },
    },
    Check {
        id: "lock.families",
        title: "locks of open files and classic record locks exclude each other",
        how: "One process holds a lock of one kind; the other asks for one of the other kind.",
        why: "A program that uses the other kind of lock would not be kept out by an instance.",
        change: MAKER,
        needs: &["lock.exclusive-posix"],
        runs: Runs::BASIC.and(Runs::WAITING),
        required: true,
        run: exclude::families,
    },
    Check {
        id: "lock.unlock",
        title: "giving back a lock that one does not hold does no harm",
        how: "A process gives back bytes that the other has locked.",
        why: "A lock must not end by what another process does.",
        change: MAKER,
        needs: BASE,
        runs: Runs::BASIC.and(Runs::WAITING),
        required: true,
        run: |stage| {
            each(
                stage,
                "unlock",
                RECORD_LOCKS,
                "Nobody can give back the lock of \
             another process.",
                exclude::unlock_other,
            )
        },
    },
    Check {
        id: "lock.shared",
        title: "shared locks go together, and exclude a writer",
        how: "Two processes hold a shared lock; each in turn gives it back and asks for an \
             exclusive one.",
        why: "Tools read under a shared lock; a writer must wait for all of them.",
        change: LOCAL,
        needs: &["lock.unlock"],
        runs: Runs::BASIC.and(Runs::CONCURRENT).and(Runs::WAITING),
        required: true,
        run: |stage| {
            each(
                stage,
                "shared",
                RECORD_LOCKS,
                "Shared locks go together and exclude a \
             writer.",
                exclude::shared,
            )
        },
    },
    Check {
        id: "lock.again",
        title: "a lock can be asked for again by its holder",
        how: "A process asks for the lock that it holds; the other asks, too; the first gives it \
             back once.",
        why: "An active instance asserts its lock again every few seconds.",
        change: MAKER,
        needs: &["lock.shared"],
        runs: Runs::BASIC.and(Runs::WAITING),
        required: true,
        run: |stage| {
            each(
                stage,
                "again",
                RECORD_LOCKS,
                "A holder can ask again and keeps its \
             lock.",
                exclude::again,
            )
        },
    },
    Check {
        id: "lock.owner",
        title: "a lock belongs to the open file, or to the process, as its kind says",
        how: "One process opens the file twice and asks for the lock through both, and through a \
             copy of a descriptor.",
        why: "Several parts of one instance open the same files; the lock keeps them apart, too.",
        change: MAKER,
        needs: &["lock.again"],
        runs: Runs::BASIC.and(Runs::WAITING),
        required: true,
        run: |stage| {
            each(
                stage,
                "owner",
                RECORD_LOCKS,
                "Each kind of lock has the owner that it \
             should have.",
                exclude::owner,
            )
        },
    },
    Check {
        id: "lock.modes",
        title: "a descriptor that only reads gets shared locks only",
        how: "A process locks through descriptors that only read, or only write.",
        why: "Tools that may only look must not be able to keep an instance out.",
        change: MAKER,
        needs: &["lock.shared"],
        runs: Runs::BASIC.and(Runs::WAITING),
        required: true,
        run: |stage| {
            each(
                stage,
                "modes",
                RECORD_LOCKS,
                "Read-only descriptors get shared locks \
             only, and those hold.",
                exclude::modes,
            )
        },
    },
    Check {
        id: "lock.upgrade",
        title: "a shared lock becomes exclusive only if nobody else reads",
        how: "Two processes read; one asks for the exclusive lock, is refused, and must keep its \
             shared one; then it is alone.",
        why: "A process that is refused must know that it still holds what it held.",
        change: MAKER,
        needs: &["lock.again"],
        runs: Runs::BASIC.and(Runs::WAITING),
        required: true,
        run: |stage| {
            each(
                stage,
                "upgrade",
                RECORD_LOCKS,
                "A shared lock becomes exclusive when \
             it is the only one.",
                release::upgrade,
            )
        },
    },
    Check {
        id: "lock.downgrade",
        title: "an exclusive lock can be made shared",
        how: "The holder of an exclusive lock makes it shared; the other process reads, and asks \
             to write.",
        why: "Readers are let in without a moment in which a writer could come.",
        change: MAKER,
        needs: &["lock.again"],
        runs: Runs::BASIC.and(Runs::WAITING),
        required: true,
        run: |stage| {
            each(
                stage,
                "downgrade",
                RECORD_LOCKS,
                "An exclusive lock can be made \
             shared.",
                release::downgrade,
            )
        },
    },
    Check {
        id: "lock.ranges",
        title: "a lock covers its bytes and no others",
        how: "One process locks bytes 100 to 199; the other asks for bytes beside them, in them \
             and around them.",
        why: "Each standby instance locks a record of its own in one file.",
        change: MAKER,
        needs: &["lock.again"],
        runs: Runs::BASIC.and(Runs::WAITING),
        required: true,
        run: |stage| {
            each(
                stage,
                "ranges",
                RECORD_LOCKS,
                "Locks cover the bytes that they should, \
             and no others.",
                range::ranges,
            )
        },
    },
    Check {
        id: "lock.merge",
        title: "a process can hold several locks of one file",
        how: "A process takes locks beside each other and over each other; the other asks for each.",
        why: "A later lock must not replace an earlier one.",
        change: MAKER,
        needs: &["lock.ranges"],
        runs: Runs::BASIC.and(Runs::WAITING),
        required: true,
        run: |stage| {
            each(stage, "merge", RECORD_LOCKS, "Several locks of one file are kept.", range::merge)
        },
    },
    Check {
        id: "lock.split",
        title: "a part of a lock can be given back, or made shared",
        how: "The middle and the ends of a lock, and bytes of two locks, are given back, and a part is \
              made shared; the other process asks for each part.",
        why: "What is left of a lock must still protect.",
        change: MAKER,
        needs: &["lock.merge", "lock.downgrade"],
        runs: Runs::BASIC.and(Runs::WAITING),
        required: true,
        run: |stage| {
            each(stage, "split", RECORD_LOCKS, "Parts of locks can be given back.", range::split)
        },
    },
    Check {
        id: "lock.eof",
        title: "a lock can reach beyond the end of the file",
        how: "An empty file is locked up to its end, which is open; then a file is locked beyond \
             its end and grows.",
        why: "Lock files are locked before anything is written to them.",
        change: MAKER,
        needs: &["lock.ranges"],
        runs: Runs::BASIC.and(Runs::WAITING),
        required: true,
        run: |stage| {
            each(stage, "eof", RECORD_LOCKS, "Locks reach beyond the end of the file.", range::eof)
        },
    },
    Check {
        id: "lock.offsets",
        title: "locks far into a file are at their place",
        how: "Bytes around 2^31, 2^32 and at 2^62 are locked; the other process asks for them, \
             and for the bytes that they would be if the position were cut off.",
        why: "With positions that are cut off two locks become one, or one becomes none.",
        change: "Use a protocol with positions of 64 bits (on NFS: version 3 at least), or \
             another file system.",
        needs: &["lock.eof"],
        runs: Runs::BASIC.and(Runs::WAITING),
        required: true,
        run: |stage| {
            each(stage, "offsets", RECORD_LOCKS, "Positions of 63 bits are kept.", range::offsets)
        },
    },
    Check {
        id: "lock.close",
        title: "a lock ends when its holder closes the file",
        how: "The holder closes the file; the other process asks until it gets the lock.",
        why: "This is how an instance gives its locks back.",
        change: RELEASE,
        needs: BASE,
        runs: Runs::BASIC.and(Runs::CONCURRENT).and(Runs::WAITING),
        required: true,
        run: |stage| {
            each(
                stage,
                "close",
                RECORD_LOCKS,
                "A lock is released when its file is \
             closed.",
                release::closed,
            )
        },
    },
    Check {
        id: "lock.exclusive-flock",
        title: "a lock by flock excludes the other process",
        how: "The same with flock(2), exclusive and shared.",
        why: "Instances do not use flock; programs beside them may.",
        change: "Do not let programs rely on flock here; on NFS take local_lock out of the mount \
             options.",
        needs: &["lock.shared", "lock.close"],
        runs: Runs::BASIC.and(Runs::WAITING),
        required: false,
        run: exclude::exclusive_flock,
    },
    Check {
        id: "lock.close-other",
        title: "a lock does not end when the file is closed elsewhere",
        how: "The same file is opened and closed by other descriptors, copies of the descriptor, \
             and other processes, one of which is killed.",
        why: "Commands that look at lock files open and close them all the time.",
        change: MAKER,
        needs: &["lock.close", "lock.owner"],
        runs: Runs::BASIC.and(Runs::WAITING),
        required: true,
        run: |stage| {
            each(
                stage,
                "close-other",
                RECORD_LOCKS,
                "A lock is kept when others close \
             the file.",
                release::close_other,
            )
        },
    },
    Check {
        id: "lock.close-any",
        title: "a classic record lock ends when its process closes any descriptor of the file",
        how: "A process locks through one descriptor and closes another one.",
        why: "Instances do not use such locks; programs that do may rely on it.",
        change: MAKER,
        needs: &["lock.close"],
        runs: Runs::BASIC,
        required: false,
        run: |stage| {
            each(
                stage,
                "close-any",
                &[Family::Posix],
                "A classic record lock ends as \
             POSIX says.",
                release::close_any,
            )
        },
    },
    Check {
        id: "lock.exit",
        title: "a lock ends when its process ends",
        how: "The holder ends without closing anything itself; the other process asks until it \
             gets the lock.",
        why: "An instance that ends for whatever reason must be succeeded at once.",
        change: RELEASE,
        needs: &["lock.close"],
        runs: Runs::BASIC.and(Runs::WAITING),
        required: true,
        run: |stage| {
            each(
                stage,
                "exit",
                RECORD_LOCKS,
                "A lock is released when its process \
             ends.",
                release::exited,
            )
        },
    },
    Check {
        id: "lock.kill",
        title: "a lock ends when its process is killed",
        how: "The holder is killed by SIGKILL; the other process asks until it gets the lock.",
        why: "A standby takes over only when the lock of the instance that died is released.",
        change: RELEASE,
        needs: &["lock.exit"],
        runs: Runs::BASIC.and(Runs::WAITING),
        required: true,
        run: |stage| {
            each(
                stage,
                "kill",
                RECORD_LOCKS,
                "A lock is released when its process is \
             killed.",
                release::killed,
            )
        },
    },
    Check {
        id: "lock.fork",
        title: "a forked child has a lock exactly if its kind is shared by fork",
        how: "The holder forks children that lock, close and end; one outlives that its parent \
             closes the file.",
        why: "Commands run in forked children; their end must not end the lock.",
        change: MAKER,
        needs: &["lock.close-other", "lock.kill"],
        runs: Runs::BASIC.and(Runs::WAITING),
        required: true,
        run: |stage| {
            each(
                stage,
                "fork",
                RECORD_LOCKS,
                "Locks and forked children go together as \
             they should.",
                release::forked,
            )
        },
    },
    Check {
        id: "lock.instance",
        title: "the lock of an instance works, by its own code",
        how: "The very code of instances takes the lock, asserts it again, lets it go, and takes \
             over after a kill.",
        why: "Only the lock keeps two instances from serving, and writing, at the same time.",
        change: LOCAL,
        needs: &["lock.close-other", "lock.kill", "lock.again"],
        runs: Runs::BASIC.and(Runs::CONCURRENT).and(Runs::WAITING),
        required: true,
        run: exclude::instance,
    },
];
