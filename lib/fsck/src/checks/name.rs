//! Names.

mod listing;
mod made;
mod moved;
mod spelling;

use crate::check::{Check, Runs};

/// What only the local host is asked.
const HERE: Runs = Runs::BASIC;
/// What is asked again with two hosts.
const BOTH: Runs = Runs::BASIC.and(Runs::CONCURRENT);

/// Without which nothing else can be asked.
pub(super) const FIRST: &[Check] = &[Check {
    id: "name.create",
    title: "a file that was made is there",
    how: "One process makes a file; it and another one find it by stat, by open and by listing.",
    why: "Everything that a queue manager keeps is in files of these names.",
    change: "Mount another file system; one that loses new files can hold nothing.",
    needs: &[],
    runs: HERE,
    required: true,
    run: made::create,
}];

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "name.excl",
        title: "O_EXCL makes no file over an existing name",
        how: "Files, a directory and a symbolic link are there, and O_CREAT|O_EXCL is tried on each name.",
        why: "An instance that makes a file of the log must not take or empty one that is already there.",
        change: "Use a file system that honours O_EXCL; for NFS, mount version 4.",
        needs: &["data.readback"],
        runs: HERE,
        required: true,
        run: made::exclusive,
    },
    Check {
        id: "name.excl-race",
        title: "of several who make a file with O_EXCL one wins",
        how: "Four processes make the same files with O_CREAT|O_EXCL at the same time.",
        why: "Two instances that both believe to have made a file would both write to it.",
        change: "Use a file system whose server makes files atomically; for NFS, mount version 4.",
        needs: &["name.excl", "see.create"],
        runs: BOTH,
        required: true,
        run: made::race,
    },
    Check {
        id: "name.unlink",
        title: "a removed file is gone",
        how: "A file is removed, looked for by stat, open and listing, and made anew.",
        why: "Files of the log that are no longer needed are removed; one that comes back is old data.",
        change: "Use another file system.",
        needs: &["name.create"],
        runs: HERE,
        required: true,
        run: made::remove,
    },
    Check {
        id: "name.unlink-open",
        title: "an open file can be used after its name was removed",
        how: "One process has a file open, another one of the same host removes it and makes a new one of that name.",
        why: "A reader of a file must not fail because the queue manager removes it at that moment.",
        change: "Use a file system that keeps open files until they are closed.",
        needs: &["name.unlink", "data.readback"],
        runs: HERE,
        required: false,
        run: made::remove_open,
    },
    Check {
        id: "name.rename",
        title: "rename replaces the target",
        how: "A file is renamed to a free name, and over an existing file of another length.",
        why: "Control files are replaced by renaming a new one over the old one.",
        change: "Use a file system whose rename is the one of POSIX.",
        needs: &["data.readback"],
        runs: HERE,
        required: true,
        run: moved::rename,
    },
    Check {
        id: "name.rename-open",
        title: "open files follow a rename",
        how: "Files are open while one of them is renamed over the other; both are read and written on.",
        why: "Log files are renamed while they are open.",
        change: "Use a file system that keeps open files usable when they are renamed.",
        needs: &["name.rename", "name.unlink-open"],
        runs: HERE,
        required: true,
        run: moved::rename_open,
    },
    Check {
        id: "name.link",
        title: "a hard link is a second name of the same file",
        how: "A file gets a second name by link; it is written by one name and read by the other, then one is removed.",
        why: "Instances give a finished file its name by link, because link never replaces anything.",
        change: "Use a file system that has hard links; many gateways to object stores and some SMB servers have none.",
        needs: &["data.readback"],
        runs: HERE,
        required: true,
        run: moved::link,
    },
    Check {
        id: "name.mkdir-rmdir",
        title: "directories are made and removed, and not while something is in them",
        how: "A directory is made, made again, filled, emptied and removed.",
        why: "A queue manager's data are a tree of directories.",
        change: "Use a file system with the directories of POSIX.",
        needs: &["name.create"],
        runs: HERE,
        required: true,
        run: made::directory,
    },
    Check {
        id: "name.list",
        title: "a directory lists every name once, and no removed one",
        how: "Some 300 files (60 where that is slow) are made, listed, every second one removed, and listed again.",
        why: "What belongs to a queue manager is found by listing its directories when it starts.",
        change: "Use a file system whose listings are complete.",
        needs: &["name.excl", "name.unlink", "name.mkdir-rmdir"],
        runs: HERE,
        required: true,
        run: listing::complete,
    },
    Check {
        id: "name.case",
        title: "names that differ in case are different",
        how: "Two files are made whose names differ in the case of their letters only.",
        why: "Names of queue managers and queues are case-sensitive: two of them would share files.",
        change: "Turn case folding off where the file system or the share is configured.",
        needs: &["data.readback"],
        runs: HERE,
        required: true,
        run: spelling::case,
    },
    Check {
        id: "name.long",
        title: "long names are kept whole",
        how: "Two files are made whose names are as long as allowed and differ in the last letter.",
        why: "A name that is cut silently makes two objects one.",
        change: "Use a file system that takes names of 255 bytes.",
        needs: &["name.create"],
        runs: HERE,
        required: true,
        run: spelling::long,
    },
    Check {
        id: "name.characters",
        title: "special characters in names are kept",
        how: "Files are made whose names have the characters that names of queue managers and their objects can have, and listed.",
        why: "Names of objects become names of files, with such characters in them.",
        change: "Turn the translation of names off where the file system or the share is configured.",
        needs: &["name.case", "name.list"],
        runs: HERE,
        required: true,
        run: spelling::characters,
    },
    Check {
        id: "name.symlink-not-followed",
        title: "a symbolic link is not followed where that is refused",
        how: "A symbolic link is opened with O_NOFOLLOW, with and without O_CREAT, and removed.",
        why: "Instances refuse links, so that nobody can make them write to another place.",
        change: "Use a file system that tells links from files.",
        needs: &["data.readback"],
        runs: HERE,
        required: false,
        run: spelling::symlink,
    },
];

/// What needs that the other host sees names at all.
pub(super) const SHARED: &[Check] = &[Check {
    id: "name.rename-atomic",
    title: "a name that is renamed over is never missing and never half",
    how: "One process renames new files over a name again and again; another one opens and reads it all the time.",
    why: "An instance that starts in that moment would find no control file, or half of one.",
    change: "Use a file system whose rename is atomic.",
    needs: &["name.rename-open", "see.rename", "see.replace"],
    runs: BOTH,
    required: true,
    run: moved::atomic,
}];
