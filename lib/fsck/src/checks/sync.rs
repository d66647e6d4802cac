//! Whether what was synchronised can be believed to be durable, as far as one can tell without a
//! failure.

mod calls;
mod times;

use crate::check::{Check, Runs};

pub(super) use times::in_words;

const DURABLE: &str = "What the queue manager has confirmed to an application must survive a failure of the host and of the storage, and this call is what it trusts.";

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "sync.fsync",
        title: "fsync is there",
        how: "A file is written and synchronised by fsync several times.",
        why: DURABLE,
        change: "Use a file system that has fsync; an error of it must never be ignored, and a second call does not repair what the first one lost.",
        needs: &["name.create"],
        runs: Runs::BASIC.and(Runs::CONCURRENT),
        required: true,
        run: calls::fsync,
    },
    Check {
        id: "sync.fdatasync",
        title: "fdatasync is there",
        how: "A file is written and synchronised by fdatasync several times, in place and at its end.",
        why: DURABLE,
        change: "Use a file system that has fdatasync; instances synchronise their log with it.",
        needs: &["sync.fsync"],
        runs: Runs::BASIC,
        required: true,
        run: calls::fdatasync,
    },
];

/// What needs that data are kept at all.
pub(super) const LATER: &[Check] = &[
    Check {
        id: "sync.directory",
        title: "directories can be synchronised",
        how: "A file is made, renamed and removed, and the directory is synchronised by fsync after each.",
        why: "A new file whose name is lost in a failure is lost with all that was written to it.",
        change: "Use a file system on which fsync of a directory works.",
        needs: &["name.rename", "sync.fsync"],
        runs: Runs::BASIC,
        required: true,
        run: calls::directory,
    },
    Check {
        id: "sync.osync",
        title: "O_SYNC is there",
        how: "A file is opened with O_SYNC, written in place and at its end, and read.",
        why: DURABLE,
        change: "Use a file system that takes O_SYNC.",
        needs: &["data.readback"],
        runs: Runs::BASIC,
        required: true,
        run: calls::osync,
    },
    Check {
        id: "sync.odsync",
        title: "O_DSYNC is there",
        how: "A file is opened with O_DSYNC, written in place and at its end, and read.",
        why: DURABLE,
        change: "Use a file system that takes O_DSYNC.",
        needs: &["sync.osync"],
        runs: Runs::BASIC,
        required: true,
        run: calls::odsync,
    },
    Check {
        id: "sync.rwf-dsync",
        title: "single writes can be synchronised",
        how: "A file is written by pwritev2 with RWF_DSYNC, and read.",
        why: "It is a quicker way to the same as O_DSYNC; a queue manager can do without.",
        change: "Use a newer kernel, or do without.",
        needs: &["data.readback"],
        runs: Runs::BASIC,
        required: false,
        run: calls::rwf_dsync,
    },
    Check {
        id: "sync.size",
        title: "fdatasync includes the new length",
        how: "A file is made longer and synchronised by fdatasync; another process asks for the length and reads to the end.",
        why: "Log records beyond the length that the storage knows are lost in a failure.",
        change: "Use a file system whose fdatasync writes the length, too.",
        needs: &["sync.fdatasync", "data.size", "data.overwrite"],
        runs: Runs::BASIC,
        required: true,
        run: calls::size,
    },
    Check {
        id: "sync.plausible",
        title: "synchronising takes the time that it must take",
        how: "A page is overwritten and synchronised again and again, by fdatasync, O_DSYNC and O_SYNC, and the times are compared with what disks and networks can do.",
        why: "Storage that says at once that data are durable has them in memory only, and loses confirmed messages when the power fails.",
        change: "Look for an export with async, for a write cache without battery and for options such as nobarrier; only a failure test (-f, -a, -i) can show the truth.",
        needs: &["sync.fdatasync"],
        runs: Runs::BASIC,
        required: false,
        run: times::plausible,
    },
    Check {
        id: "sync.slow",
        title: "nothing takes longer than an instance can wait",
        how: "Synchronised writes, locks, new names, renames and synchronised directories are timed.",
        why: "An active instance that cannot write or prove its lock for that long is taken to have failed, and every commit waits for a synchronised write.",
        change: "Look for the bottleneck of the storage: its load, its network, its disks.",
        needs: &["sync.fdatasync"],
        runs: Runs::ALL,
        required: false,
        run: times::slow,
    },
];
