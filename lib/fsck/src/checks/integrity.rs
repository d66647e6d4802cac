//! The checks of the integrity test. They are not made on a stage: [`crate::integrity`] finds them out,
//! in the phases in which files are formatted, appended to and verified.

use crate::check::{Check, Runs};
use crate::finding::Told;

const CHANGE_SERVER: &str = "Export with `sync`, switch off volatile write caches or protect them by a battery, and look for a newer version of the file server.";
const WHY_SYNC: &str = "A queue manager says that a message is safe once this call has come back.";
const HOW_SYNC: &str = "Pages that this call had made durable are read again after the failure, and compared with the log and with what a witness knows.";

const fn row(id: &'static str, title: &'static str, runs: Runs, texts: [&'static str; 3]) -> Check {
    let [how, why, change] = texts;
    Check {
        id,
        title,
        how,
        why,
        change,
        needs: &[],
        runs,
        required: false,
        run: |_| Ok(elsewhere()),
    }
}

pub(super) const CHECKS: &[Check] = &[
    row(
        "int.format",
        "the test files are there and can be read",
        Runs::FORMAT.and(Runs::APPEND).and(Runs::VERIFY),
        [
            "The headers of both files, written and synced once, are read.",
            "A file that was synced long ago must not change or vanish.",
            "Find out what else writes there; then remove the test files with -x and format anew.",
        ],
    ),
    row(
        "int.size",
        "the files have the length that was synced",
        Runs::APPEND.and(Runs::VERIFY),
        [
            "The length of both files is compared with what was written and synced.",
            "A log that is shorter than what was written to it has lost messages.",
            CHANGE_SERVER,
        ],
    ),
    row(
        "int.log",
        "the log has no gap and nothing twice",
        Runs::APPEND.and(Runs::VERIFY),
        [
            "Every record of the log says its own number and place; only the last may be in part there.",
            "Recovery reads the log from front to back and stops at the first thing it does not know.",
            CHANGE_SERVER,
        ],
    ),
    row(
        "int.page",
        "a page that was made durable is whole, and in its place",
        Runs::APPEND.and(Runs::VERIFY),
        [
            "Each 512 bytes of each page say which page and sequence they are of, with a checksum.",
            "A page with old and new parts, or of another place, is damage that recovery cannot repair.",
            CHANGE_SERVER,
        ],
    ),
    row(
        "int.fsync",
        "what fsync made durable is there",
        Runs::APPEND.and(Runs::VERIFY),
        [HOW_SYNC, WHY_SYNC, CHANGE_SERVER],
    ),
    row(
        "int.fdatasync",
        "what fdatasync made durable is there",
        Runs::APPEND.and(Runs::VERIFY),
        [HOW_SYNC, WHY_SYNC, CHANGE_SERVER],
    ),
    row(
        "int.rwf",
        "what a write with RWF_DSYNC made durable is there",
        Runs::APPEND.and(Runs::VERIFY),
        [HOW_SYNC, WHY_SYNC, CHANGE_SERVER],
    ),
    row(
        "int.odsync",
        "what was written with O_DSYNC is there",
        Runs::APPEND.and(Runs::VERIFY),
        [HOW_SYNC, WHY_SYNC, CHANGE_SERVER],
    ),
    row(
        "int.osync",
        "what was written with O_SYNC is there",
        Runs::APPEND.and(Runs::VERIFY),
        [HOW_SYNC, WHY_SYNC, CHANGE_SERVER],
    ),
    row(
        "int.order",
        "nothing is there without what was made durable before it",
        Runs::APPEND.and(Runs::VERIFY),
        [
            "A page was written only after its record in the log was durable, and a checkpoint only after the page.",
            "A queue file that is ahead of the log cannot be brought back to a state that ever was.",
            "Keep log and data on storage that keeps the order of synced writes across files, also in its caches and copies.",
        ],
    ),
    row(
        "int.acknowledged",
        "every sequence that was acknowledged is there",
        Runs::APPEND.and(Runs::VERIFY),
        [
            "What follows a sequence was written only after it had been acknowledged, so what is there tells what else must be.",
            "An application was told that its message is safe, and it is lost.",
            CHANGE_SERVER,
        ],
    ),
    row(
        "int.witness",
        "the storage knows all that a witness outside of it knows",
        Runs::APPEND.and(Runs::VERIFY),
        [
            "Every acknowledged sequence was told to another host, or written to a file on another file system.",
            "A server that forgets evenly leaves files that look whole, and messages are lost all the same.",
            CHANGE_SERVER,
        ],
    ),
    row(
        "int.epoch",
        "nobody has written after losing the lock",
        Runs::APPEND.and(Runs::VERIFY),
        [
            "Every page and record says under which holding of the lock it was written; one of an earlier holding must not overwrite one of a later.",
            "An old active instance that still writes destroys the data of the new one.",
            "Use a file system whose server refuses writes of a client whose lock has expired, and no option that lets clients take lost locks back.",
        ],
    ),
    row(
        "int.names",
        "names are durable once their directory was synced",
        Runs::APPEND.and(Runs::VERIFY),
        [
            "Small files are created, renamed and removed, and the directory is synced each time.",
            "A log file that exists but has lost its name is lost.",
            CHANGE_SERVER,
        ],
    ),
    row(
        "int.lock",
        "the lock is kept, or its loss is told",
        Runs::APPEND,
        [
            "The holder asserts its locks every second and writes only through locked descriptors.",
            "An active instance must learn that it no longer is one before the other has begun.",
            "Find out in the kernel's log why the lock was lost; without a failure it must not be.",
        ],
    ),
    row(
        "int.takeover",
        "the lock of a holder that died becomes free in time",
        Runs::APPEND.and(Runs::FAILURE),
        [
            "The time is taken from the last sign of the old holder until the other one has the lock.",
            "Until the lock is free the standby cannot become active, and nobody serves.",
            "Use locks with a lease, as NFSv4 has, and shorten the lease at the server.",
        ],
    ),
    row(
        "int.recover",
        "the holder goes on after a failure that it survived",
        Runs::FAILURE,
        [
            "A failure is injected while pages are appended; the holder must go on, or lose its lock and say so.",
            "A restart of the file server must cost a pause and not the queue manager.",
            "Mount with `hard`; let the server keep the state of its clients over a restart.",
        ],
    ),
];

/// These are found out elsewhere, so on a stage there is nothing to say.
fn elsewhere() -> Told {
    Told::not_tested("The integrity test finds this out, with -f, -a and -i.")
}
