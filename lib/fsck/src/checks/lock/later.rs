//! Locks: asking, waiting, what happens to the file, many at once, and long times.

use super::play::{INSTANCE_LOCKS, RECORD_LOCKS, each};
use super::{BASE, MAKER, RELEASE, WAITER, file, race, range, wait};
use crate::check::{Check, Runs};

pub(in crate::checks) const CHECKS: &[Check] = &[
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
        needs: &["lock.wait", "lock.kill", "lock.downgrade", "lock.together"],
        runs: Runs::ALL.and(Runs::WAITING),
        required: false,
        run: |stage| {
            each(
                stage,
                "wait-end",
                INSTANCE_LOCKS,
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
                INSTANCE_LOCKS,
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
        runs: Runs::BASIC.and(Runs::WAITING),
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
        why: "While that process lives nobody can have the lock: an instance that needs it cannot \
             start.",
        change: "Let no program wait in a call for a lock here (instances never do: they ask again \
             and again), or use another file system.",
        needs: &["lock.wait-signal"],
        runs: Runs::BASIC.and(Runs::WAITING),
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
        needs: &["lock.ghost", "lock.close-other"],
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
        needs: &["lock.exclusive", "lock.exclusive-posix", "name.rename"],
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
        needs: &["lock.rename", "name.link"],
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
        how: "The holder writes, syncs and reads through the descriptor that holds the lock.",
        why: "An instance writes who it is into the file that it has locked.",
        change: MAKER,
        needs: &[
            "lock.exclusive",
            "lock.exclusive-posix",
            "data.readback",
            "sync.fsync",
            "sync.fdatasync",
        ],
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
        needs: &["lock.exclusive", "lock.exclusive-posix", "data.readback"],
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
        id: "lock.race",
        title: "of many that take the lock in turns only one is inside",
        how: "Four processes take the lock up to 25 times each, as fast as they can, and note when they \
             had it and whom they met.",
        why: "Only the lock keeps two instances from serving, and writing, at the same time.",
        change: MAKER,
        needs: &["lock.together", "lock.read-through", "name.unlink"],
        runs: Runs::BASIC.and(Runs::CONCURRENT).and(Runs::WAITING),
        required: true,
        run: race::race,
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
        runs: Runs::BASIC.and(Runs::WAITING),
        required: true,
        run: |stage| {
            each(stage, "many", INSTANCE_LOCKS, "1024 locks can be held at once.", range::many)
        },
    },
    Check {
        id: "lock.idle",
        title: "a lock is kept although its holder is idle for a moment",
        how: "One process holds a lock without input or output for five seconds, or a twentieth of \
             the time of --long; the other asks meanwhile.",
        why: "An active instance may do nothing for longer than that.",
        change: MAKER,
        needs: &["lock.again", "lock.write-keeps"],
        runs: Runs::WAITING,
        required: true,
        run: race::brief,
    },
    Check {
        id: "lock.long",
        title: "a lock is kept although its holder is idle for long",
        how: "One process holds a lock without input or output, for 100 seconds, or for \
             twice the lease of the server if that is longer; the other asks every ten seconds.",
        why: "An idle queue manager must not lose its locks.",
        change: "Look for what drops idle connections between host and server (a firewall, a \
             balancer), and at the lease of the server.",
        needs: &["lock.exclusive", "lock.idle"],
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

/// What comes after the checks of data: if those fail, so does this, and it says less.
pub(in crate::checks) const DATA: &[Check] = &[
    Check {
        id: "lock.update",
        title: "what a holder wrote, the next holder reads",
        how: "Four processes add to a number in the file, up to 25 times each, under the lock.",
        why: "An instance that takes over reads what the former one wrote last.",
        change: "Mount without options that keep old data (on NFS: not nocto, no large actimeo; \
             on SMB: cache=none or cache=strict).",
        needs: &["lock.race", "data.under-lock"],
        runs: Runs::BASIC.and(Runs::CONCURRENT).and(Runs::WAITING),
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
        id: "lock.update-maker",
        title: "the host of a file's maker reads what others wrote, while the maker has it open",
        how: "As lock.update, but one of the processes made the file, and goes on with that descriptor.",
        why: "A program that makes a file, keeps it open and shares it with another host works on old \
              data. Instances open files again before they read what another may have written.",
        change: "Where it can be had, use a client that treats this descriptor as any other. Other \
                 programs that share files between the hosts should open them again after making them.",
        needs: &["lock.update"],
        runs: Runs::CONCURRENT.and(Runs::WAITING),
        required: false,
        run: |stage| {
            each(
                stage,
                "update-maker",
                INSTANCE_LOCKS,
                "Whoever has the lock reads what the last holder wrote, the maker of the file, too.",
                race::update_by_maker,
            )
        },
    },
];
