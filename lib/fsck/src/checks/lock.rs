//! Locks.
//!
//! Instances use locks of open files (`F_OFD_SETLK`) and ask again and again; what concerns only other
//! kinds of lock, or calls that wait, says so. A check that plays both kinds of record lock fails with
//! either: they are the same locks with different owners.

mod exclude;
mod file;
mod meaning;
mod play;
mod race;
mod range;
mod release;
mod wait;

use miqm_sys::probe::Family;

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
        how: "Each host locks a new file, makes the lock shared, and gives it back.",
        why: "Without locks no instance starts.",
        change: "Where a lock manager is needed, start it on the hosts and on the server (on NFS \
             version 3: rpc.statd), or mount NFS version 4; otherwise use a file system that has \
             locks.",
        needs: &[],
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
        needs: &["lock.available"],
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
    Check {
        id: "lock.getlk",
        title: "F_GETLK tells the truth",
        how: "One process locks some bytes; the other asks who has which lock, also through a \
             descriptor that only reads.",
        why: "A standby, and dspmq, ask this way whether an instance is active.",
        change: MAKER,
        needs: &["lock.eof", "lock.downgrade"],
        runs: Runs::BASIC.and(Runs::WAITING),
        required: true,
        run: |stage| each(stage, "getlk", RECORD_LOCKS, "F_GETLK tells the truth.", file::getlk),
    },
    Check {
        id: "lock.poll",
        title: "who asks again and again gets the lock soon after it is free",
        how: "One process gives the lock back while the other asks again and again; the time is \
             measured.",
        why: "This is how a standby instance waits: the time is part of each takeover.",
        change: RELEASE,
        needs: BASE,
        runs: Runs::BASIC.and(Runs::WAITING),
        required: true,
        run: |stage| {
            each(
                stage,
                "poll",
                INSTANCE_LOCKS,
                "Who asks again gets a lock that became \
             free.",
                wait::poll,
            )
        },
    },
    Check {
        id: "lock.wait",
        title: "a call that waits for a lock gets it when it is free",
        how: "A process waits in F_SETLKW; the holder gives the lock back; the time until the \
             waiting call has it is measured.",
        why: "Instances never wait in a call, because servers forget those who wait; other \
             programs do.",
        change: WAITER,
        needs: BASE,
        runs: Runs::BASIC.and(Runs::WAITING),
        required: false,
        run: |stage| {
            each(
                stage,
                "wait",
                RECORD_LOCKS,
                "A waiting call gets the lock when it is \
             free.",
                wait::wait,
            )
        },
    },
    Check {
        id: "lock.wait-end",
        title: "a waiting call is woken however the lock becomes free",
        how: "The holder makes its lock shared, gives it back, closes the file, or is killed, \
             while another process waits.",
        why: "Programs beside an instance would wait for ever.",
        change: WAITER,
        needs: &["lock.wait", "lock.kill", "lock.downgrade"],
        runs: Runs::ALL.and(Runs::WAITING),
        required: false,
        run: |stage| {
            each(
                stage,
                "wait-end",
                RECORD_LOCKS,
                "A waiting call is woken however the \
             lock becomes free.",
                wait::wait_end,
            )
        },
    },
    Check {
        id: "lock.wait-queue",
        title: "of two waiting calls one gets the lock, and then the other",
        how: "Two processes wait for an exclusive lock that a third one gives back.",
        why: "Two that get the same lock would both write.",
        change: MAKER,
        needs: &["lock.wait"],
        runs: Runs::ALL.and(Runs::WAITING),
        required: true,
        run: |stage| {
            each(
                stage,
                "wait-queue",
                RECORD_LOCKS,
                "Waiting calls get the lock one \
             after the other.",
                wait::wait_queue,
            )
        },
    },
    Check {
        id: "lock.wait-signal",
        title: "a waiting call can be interrupted",
        how: "A process that waits for a lock is sent signals: the call must come back with EINTR.",
        why: "A program that cannot be interrupted cannot be ended in good order.",
        change: WAITER,
        needs: &["lock.wait"],
        runs: Runs::ALL.and(Runs::WAITING),
        required: false,
        run: |stage| {
            each(
                stage,
                "wait-signal",
                RECORD_LOCKS,
                "A waiting call can be interrupted \
             by a signal.",
                wait::wait_signal,
            )
        },
    },
    Check {
        id: "lock.ghost",
        title: "who stopped waiting does not get the lock later",
        how: "A waiting process is interrupted and lives on; the lock is given back; others ask \
             for it.",
        why: "A lock that nobody knows to have is never given back: no instance could start.",
        change: MAKER,
        needs: &["lock.wait-signal"],
        runs: Runs::ALL.and(Runs::WAITING),
        required: true,
        run: |stage| {
            each(
                stage,
                "ghost",
                RECORD_LOCKS,
                "An interrupted request leaves nothing \
             behind.",
                wait::ghost,
            )
        },
    },
    Check {
        id: "lock.wait-kill",
        title: "a waiting process can be killed and leaves nothing",
        how: "A process that waits for a lock is killed; the lock is given back; others ask for \
             it.",
        why: "A lock that is granted to the dead is never given back: no instance could start.",
        change: MAKER,
        needs: &["lock.wait", "lock.close-other"],
        runs: Runs::ALL.and(Runs::WAITING),
        required: true,
        run: |stage| {
            each(
                stage,
                "wait-kill",
                RECORD_LOCKS,
                "A waiting process can be killed and \
             leaves nothing.",
                wait::wait_kill,
            )
        },
    },
    Check {
        id: "lock.rename",
        title: "a lock stays with its file when the file is renamed",
        how: "A locked file is renamed by its holder and by another process, which then asks for \
             the lock by old descriptors and new names.",
        why: "A lock that goes by names can be got around.",
        change: MAKER,
        needs: BASE,
        runs: Runs::BASIC.and(Runs::WAITING),
        required: true,
        run: |stage| {
            each(stage, "rename", RECORD_LOCKS, "A lock stays with its file.", file::renamed)
        },
    },
    Check {
        id: "lock.link",
        title: "a lock counts for each name of a file",
        how: "A locked file gets a second name, by which the other process opens it.",
        why: "A lock that goes by names can be got around.",
        change: MAKER,
        needs: &["lock.rename"],
        runs: Runs::BASIC.and(Runs::WAITING),
        required: true,
        run: file::linked,
    },
    Check {
        id: "lock.replace",
        title: "a new file is free although the one that had its name is locked",
        how: "A new file is renamed over a locked one, and is locked.",
        why: "A lock file that was restored must not stay locked by what was there before.",
        change: MAKER,
        needs: &["lock.rename", "lock.again"],
        runs: Runs::BASIC.and(Runs::WAITING),
        required: true,
        run: |stage| each(stage, "replace", RECORD_LOCKS, "A new file is free.", file::replaced),
    },
    Check {
        id: "lock.other-file",
        title: "a lock of one file does not affect others",
        how: "Eight more files are locked by the other process, unlocked and closed, while one \
             file is locked.",
        why: "A queue manager has hundreds of files, and locks several.",
        change: MAKER,
        needs: &["lock.exclusive", "lock.exclusive-posix", "lock.eof"],
        runs: Runs::BASIC.and(Runs::WAITING),
        required: true,
        run: |stage| {
            each(
                stage,
                "other-file",
                RECORD_LOCKS,
                "Locks of different files do not \
             affect each other.",
                file::other_file,
            )
        },
    },
    Check {
        id: "lock.read-through",
        title: "the holder of a lock can read and write",
        how: "The holder writes and reads through the descriptor that holds the lock.",
        why: "An instance writes who it is into the file that it has locked.",
        change: MAKER,
        needs: BASE,
        runs: Runs::BASIC.and(Runs::WAITING),
        required: true,
        run: |stage| {
            each(
                stage,
                "read-through",
                RECORD_LOCKS,
                "The holder of a lock reads what \
             it wrote.",
                file::read_through,
            )
        },
    },
    Check {
        id: "lock.write-keeps",
        title: "a lock outlives what is done to its file",
        how: "The holder writes, syncs, makes the file longer and shorter, also through another \
             descriptor; after each the other process asks.",
        why: "An active instance writes through its locks all the time.",
        change: MAKER,
        needs: &["lock.read-through", "lock.eof"],
        runs: Runs::BASIC.and(Runs::WAITING),
        required: true,
        run: |stage| {
            each(
                stage,
                "write-keeps",
                RECORD_LOCKS,
                "A lock is kept while its file is \
             written.",
                file::write_keeps,
            )
        },
    },
    Check {
        id: "lock.advisory",
        title: "a locked file can be read by who does not ask for the lock",
        how: "One process holds an exclusive lock; the other reads the file.",
        why: "A standby, and dspmq, read from the lock file who is active.",
        change: "Use locks that are advisory, as POSIX says (SMB servers make them mandatory: use \
             NFS version 4).",
        needs: BASE,
        runs: Runs::BASIC.and(Runs::WAITING),
        required: true,
        run: |stage| {
            each(stage, "advisory", RECORD_LOCKS, "A locked file can be read.", file::advisory)
        },
    },
    Check {
        id: "lock.stopped",
        title: "a lock outlives that its holder is stopped for a moment",
        how: "The holder is stopped by SIGSTOP and goes on; the other process asks meanwhile and \
             afterwards.",
        why: "A virtual machine that is moved stands still for a moment.",
        change: MAKER,
        needs: &["lock.again"],
        runs: Runs::ALL.and(Runs::WAITING),
        required: true,
        run: |stage| {
            each(stage, "stopped", RECORD_LOCKS, "A stopped process keeps its lock.", race::stopped)
        },
    },
    Check {
        id: "lock.together",
        title: "of several that ask at the same time one gets the lock",
        how: "Four processes ask at the same moment, eight times; this program, which is outside \
             the storage, counts who got it.",
        why: "Two standby instances see at the same moment that the active one is gone.",
        change: MAKER,
        needs: BASE,
        runs: Runs::BASIC.and(Runs::CONCURRENT).and(Runs::WAITING),
        required: true,
        run: |stage| {
            each(
                stage,
                "together",
                RECORD_LOCKS,
                "Of several that ask at once one gets \
             the lock.",
                race::together,
            )
        },
    },
    Check {
        id: "lock.race",
        title: "of many that take the lock in turns only one is inside",
        how: "Four processes take the lock 25 times each, as fast as they can, and note when they \
             had it and whom they met.",
        why: "Only the lock keeps two instances from serving, and writing, at the same time.",
        change: MAKER,
        needs: &["lock.together", "lock.read-through"],
        runs: Runs::ALL.and(Runs::CONCURRENT).and(Runs::WAITING),
        required: true,
        run: race::race,
    },
    Check {
        id: "lock.update",
        title: "what a holder wrote, the next holder reads",
        how: "Four processes add to a number in the file, 25 times each, under the lock.",
        why: "An instance that takes over reads what the former one wrote last.",
        change: "Mount without options that keep old data (on NFS: not nocto, no large actimeo; \
             on SMB: cache=none or cache=strict).",
        needs: &["lock.race"],
        runs: Runs::ALL.and(Runs::CONCURRENT).and(Runs::WAITING),
        required: true,
        run: |stage| {
            each(
                stage,
                "update",
                INSTANCE_LOCKS,
                "Whoever has the lock reads what the \
             last holder wrote.",
                race::update,
            )
        },
    },
    Check {
        id: "lock.many",
        title: "there can be many locks",
        how: "One process takes 512 locks in each of two files; the other asks for each of them, \
             and for bytes between them.",
        why: "Each file of an instance, each standby and each tool takes some.",
        change: "Raise the limits of locks at the server (on a lock service: of each file and \
             each mount), or use another file system.",
        needs: &["lock.merge"],
        runs: Runs::ALL.and(Runs::WAITING),
        required: true,
        run: |stage| {
            each(stage, "many", INSTANCE_LOCKS, "1024 locks can be held at once.", range::many)
        },
    },
    Check {
        id: "lock.long",
        title: "a lock is kept although its holder is idle for long",
        how: "One process holds a lock without input or output, for 100 seconds or twice the \
             lease of the server; the other asks every ten seconds.",
        why: "An idle queue manager must not lose its locks.",
        change: "Look for what drops idle connections between host and server (a firewall, a \
             balancer), and at the lease of the server.",
        needs: &["lock.exclusive"],
        runs: Runs::LONG,
        required: true,
        run: race::long,
    },
    Check {
        id: "lock.wait-long",
        title: "who has waited long for a lock gets it soon, too",
        how: "A process waits in F_SETLKW for 40 seconds before the lock is given back; the time \
             until it has it is measured.",
        why: "Some servers forget those who have waited long; instances therefore ask again and \
             again.",
        change: WAITER,
        needs: &["lock.wait", "lock.long"],
        runs: Runs::LONG,
        required: false,
        run: |stage| {
            each(
                stage,
                "wait-long",
                INSTANCE_LOCKS,
                "Who has waited long gets the lock \
             when it is free.",
                wait::wait_long,
            )
        },
    },
];
