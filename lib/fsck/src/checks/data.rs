//! Bytes of files.

mod extent;
mod locked;
mod offsets;
mod written;

use crate::check::{Check, Runs};

const HERE: Runs = Runs::BASIC;
const BOTH: Runs = Runs::BASIC.and(Runs::CONCURRENT);

/// Without which nothing that is read means anything.
pub(super) const FIRST: &[Check] = &[Check {
    id: "data.readback",
    title: "what was written is read",
    how: "Stamps that say where they belong are written in many sizes and places, up to 4 MiB, and read by the writer, by another process and, where possible, past the cache.",
    why: "Messages and log records must come back as they were written, and from where they were written.",
    change: "Do not use this storage: it loses or mixes up data.",
    needs: &["name.create"],
    runs: HERE,
    required: true,
    run: written::readback,
}];

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "data.overwrite",
        title: "what was overwritten is new for everybody",
        how: "Pages and unaligned parts that two processes have read are overwritten and read by both.",
        why: "Pages of queues are overwritten in place all the time.",
        change: "Do not use this storage: it shows data that no longer exist.",
        needs: &["data.readback"],
        runs: HERE,
        required: true,
        run: written::overwrite,
    },
    Check {
        id: "data.holes",
        title: "what was never written reads as zeros",
        how: "Data are written far beyond the end of a file, and what lies between is read.",
        why: "A page that was never written must not look like one that was.",
        change: "Do not use this storage: it shows data of other files.",
        needs: &["data.readback"],
        runs: HERE,
        required: true,
        run: extent::holes,
    },
    Check {
        id: "data.truncate",
        title: "what was cut off never comes back",
        how: "A file is shortened and made longer again, by ftruncate, by writing and by O_TRUNC.",
        why: "A log that is cut after a failure must not show its old records again.",
        change: "Do not use this storage: it shows data that were removed.",
        needs: &["data.overwrite", "data.holes"],
        runs: HERE,
        required: true,
        run: extent::truncate,
    },
    Check {
        id: "data.size",
        title: "the length of a file is right after each write",
        how: "After each of many writes at the end, both processes ask for the length, by fstat and by stat, and read across the end.",
        why: "The end of a log is found by the length of its files.",
        change: "Mount without options that relax the caching of attributes.",
        needs: &["data.readback"],
        runs: HERE,
        required: true,
        run: extent::size,
    },
    Check {
        id: "data.append",
        title: "O_APPEND writes at the end",
        how: "Two processes of one host append to a file in turn.",
        why: "Error logs are written by several processes of a host in this way.",
        change: "Use a file system that knows O_APPEND.",
        needs: &["data.size"],
        runs: HERE,
        required: false,
        run: written::append,
    },
    Check {
        id: "data.append-tail",
        title: "bytes at the end of a file survive more of them",
        how: "Pieces of 1 to 8193 bytes are added one after the other, some synchronised, some after the file was opened anew, and all are read again.",
        why: "The last page of a log is written many times as records are added.",
        change: "Do not use this storage: it damages the last page of a file.",
        needs: &["data.overwrite"],
        runs: HERE,
        required: true,
        run: written::tail,
    },
    Check {
        id: "data.large-write",
        title: "a write of 1 MiB is done",
        how: "A piece of 1 MiB is written by one call, and more calls if that wrote less, and read.",
        why: "The log is written in large pieces under load.",
        change: "Do not use this storage: it loses a part of large writes.",
        needs: &["data.readback"],
        runs: HERE,
        required: true,
        run: written::large,
    },
    Check {
        id: "data.offsets",
        title: "positions beyond 2 and 4 GiB are kept apart",
        how: "Pages are written around 2, 4 and 8 GiB of a file that is mostly a hole, and read.",
        why: "Files of queues can grow beyond that.",
        change: "Use a file system with positions of 64 bits.",
        needs: &["data.holes", "data.size"],
        runs: HERE,
        required: false,
        run: offsets::far,
    },
    Check {
        id: "data.allocate",
        title: "space that was set aside is there and empty",
        how: "Space is set aside by fallocate, in a new file and behind data, and then used.",
        why: "Log files are given their space when they are made, so that a full disk is noticed early.",
        change: "Do not use this storage, or one release of it that sets space aside correctly.",
        needs: &["data.holes"],
        runs: HERE,
        required: false,
        run: extent::allocate,
    },
    Check {
        id: "data.mtime",
        title: "the time of the last change moves on",
        how: "A file is written again until its time of modification is another, and never an earlier one.",
        why: "Other hosts tell by this time whether what they have cached is still right.",
        change: "Set the clock of the storage right, and mount without options that keep times from changing.",
        needs: &["data.readback"],
        runs: HERE,
        required: false,
        run: offsets::modified,
    },
];

/// What needs that the other host sees files at all.
pub(super) const SHARED: &[Check] = &[
    Check {
        id: "data.under-lock",
        title: "who gets the lock sees all that was written under it",
        how: "Two processes have a file open all the time. They take its lock in turn, read what the other one wrote, write new pages, make the file longer, and give the lock back.",
        why: "The log is handed over in this way: an instance that reads old pages after it got the lock loses messages.",
        change: "Mount so that locks are kept by the server and refresh what is cached: for NFS, version 4 without nolock, local_lock or nocto.",
        needs: &["lock.exclusive", "data.overwrite", "data.size", "see.append", "see.truncate"],
        runs: BOTH,
        required: true,
        run: locked::turns,
    },
    Check {
        id: "data.under-lock-after-cache",
        title: "what was cached before the lock was got is not used under it",
        how: "As data.under-lock, but who waits reads the file and its length, without a lock, just before the other one writes.",
        why: "A standby instance looks at the files while it waits; what it saw then must not be what it goes on with.",
        change: "Mount so that taking a lock refreshes what is cached: for NFS, version 4 without nolock, local_lock or nocto.",
        needs: &["data.under-lock"],
        runs: BOTH,
        required: true,
        run: locked::cached,
    },
    Check {
        id: "data.append-locked",
        title: "appends under a lock lose nothing",
        how: "Two processes append records at the same time, each under the lock: at the length that fstat says, and with O_APPEND.",
        why: "Two instances that add at the end of a file one after the other must not overwrite each other.",
        change: "Mount so that taking a lock refreshes the length of a file: for NFS, version 4 without nolock or local_lock.",
        needs: &["data.append", "data.under-lock"],
        runs: BOTH,
        required: true,
        run: locked::append,
    },
];
