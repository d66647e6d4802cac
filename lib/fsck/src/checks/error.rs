//! Errors that must be told, told as what they are, and told until somebody has heard them.

use miqm_sys::probe::How;

use super::tools::{self, errno, must_all, not_refused, open, rename, stat, unlink};
use crate::call::{Bytes, Call, Reply, Value};
use crate::check::{Check, Runs};
use crate::finding::{Evidence, Told};
use crate::stage::{Actor, Place, Stage, Trouble};

const BASE: Check = Check {
    id: "",
    title: "",
    how: "Makes calls that must be refused, and looks at the error numbers.",
    why: "A queue manager decides by the error number whether to make a file, to wait or to end.",
    change: "See whether a newer version of the file system, or of its client, tells errors as they are.",
    needs: &["env.statfs", "error.full"],
    runs: Runs::BASIC,
    required: true,
    run: |_| Ok(Told::not_applicable("Nothing is asked.")),
};

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "error.fsync-twice",
        title: "syncs succeed, and an error is not told once and then forgotten",
        how: "Writes and syncs several times, each time twice.",
        why: "After a failed sync the data are gone, and the next sync says that all is well: what was \
              acknowledged in between is lost.",
        change: "Find out why the storage fails (disk, network, server, quota) before anything is put on it.",
        needs: &["env.statfs"],
        run: fsync_twice,
        ..BASE
    },
    Check {
        id: "error.full",
        title: "some megabytes can be written, synced and closed",
        how: "Writes 2 MiB to a file, syncs and closes it, and removes it. The storage is not filled.",
        why: "A full disk and a quota often show at the sync or the close only, and not in free space.",
        change: "Make room, or raise the quota of the user, the group or the directory.",
        needs: &["env.statfs", "error.fsync-twice"],
        run: full,
        ..BASE
    },
    Check {
        id: "error.missing-name",
        title: "what is not there is told to be missing",
        run: missing_name,
        ..BASE
    },
    Check {
        id: "error.exists",
        title: "what is there already is told to exist",
        run: exists,
        ..BASE
    },
    Check { id: "error.not-dir", title: "files are told from directories", run: not_dir, ..BASE },
    Check {
        id: "error.write-read-only-fd",
        title: "a descriptor does only what it was opened for",
        run: write_read_only,
        ..BASE
    },
    Check {
        id: "error.short-write",
        title: "a write does what it says that it did",
        how: "Writes pieces of many sizes, and compares the file with what the calls said.",
        why: "A count that is not true leaves a hole in the log, or puts a record there twice.",
        run: short_write,
        ..BASE
    },
];

/// Makes calls that must be refused; the first that was not, or otherwise.
fn all_refused(actor: &mut Actor, calls: Vec<(Call, &[i32])>) -> Result<Option<Evidence>, Trouble> {
    for (call, with) in calls {
        if let Some(evidence) = not_refused(actor, call, with)? {
            return Ok(Some(evidence));
        }
    }
    Ok(None)
}

fn told(wrong: Option<Evidence>, summary: &str, fine: &str) -> Told {
    match wrong {
        Some(evidence) => tools::fail(summary, evidence),
        None => Told::pass(fine),
    }
}

fn missing_name(stage: &Stage) -> Result<Told, Trouble> {
    let name = stage.name("missing");
    let below = format!("{name}/below");
    let mut actor = stage.actor(Place::First)?;
    let missing: &[i32] = &[errno::ENOENT];
    let wrong = all_refused(
        &mut actor,
        vec![
            (open(0, &name, How::RO), missing),
            (open(0, &name, How::RW), missing),
            (stat(&name), missing),
            (unlink(&name), missing),
            (rename(&name, &stage.name("missing")), missing),
            (open(0, &below, How::NEW), missing),
            (Call::RemoveDir { name: name.clone() }, missing),
        ],
    )?;
    let summary = "What is not there is not told to be missing.";
    Ok(told(wrong, summary, "Each call says that the name is missing."))
}

fn exists(stage: &Stage) -> Result<Told, Trouble> {
    let (file, dir) = (stage.name("exists"), stage.name("exists"));
    let mut actor = stage.actor(Place::First)?;
    let make_dir = |name: &str| Call::MakeDir { name: name.to_owned(), mode: 0o770 };
    must_all(&mut actor, vec![open(0, &file, How::NEW), make_dir(&dir)])?;
    let there: &[i32] = &[errno::EEXIST];
    let wrong = all_refused(
        &mut actor,
        vec![
            (open(1, &file, How::NEW), there),
            (open(1, &dir, How::NEW), there),
            (make_dir(&dir), there),
            (make_dir(&file), there),
        ],
    )?;
    let summary = "What is there already can be made again.";
    Ok(told(wrong, summary, "Each call says that the name exists."))
}

fn not_dir(stage: &Stage) -> Result<Told, Trouble> {
    let (file, dir) = (stage.name("kinds"), stage.name("kinds"));
    let inner = format!("{dir}/file");
    let mut actor = stage.actor(Place::First)?;
    let make = Call::MakeDir { name: dir.clone(), mode: 0o770 };
    must_all(&mut actor, vec![open(0, &file, How::NEW), make, open(1, &inner, How::NEW)])?;
    let remove_dir = |name: &str| Call::RemoveDir { name: name.to_owned() };
    let wrong = all_refused(
        &mut actor,
        vec![
            (open(2, &format!("{file}/below"), How::RO), &[errno::ENOTDIR]),
            (open(2, &dir, How::RW), &[errno::EISDIR]),
            (remove_dir(&file), &[errno::ENOTDIR]),
            (unlink(&dir), &[errno::EISDIR, errno::EPERM]),
            (rename(&dir, &file), &[errno::ENOTDIR]),
            (rename(&file, &dir), &[errno::EISDIR, errno::EEXIST, errno::ENOTEMPTY]),
        ],
    )?;
    let summary = "Files and directories are taken for each other.";
    Ok(told(wrong, summary, "Each call tells files from directories."))
}

fn write_read_only(stage: &Stage) -> Result<Told, Trouble> {
    let name = stage.name("read-only");
    let mut actor = stage.actor(Place::First)?;
    let bytes = Bytes::Text("kept".into());
    let write_only = How { write_only: true, ..How::RW };
    let calls = vec![
        open(0, &name, How::NEW),
        Call::Write { fd: 0, at: 0, bytes: bytes.clone() },
        open(1, &name, How::RO),
        open(2, &name, write_only),
    ];
    must_all(&mut actor, calls)?;
    let other = Bytes::Text("lost".into());
    let wrong = all_refused(
        &mut actor,
        vec![
            (Call::Write { fd: 1, at: 0, bytes: other.clone() }, &[errno::EBADF]),
            (Call::Append { fd: 1, bytes: other }, &[errno::EBADF]),
            (Call::SetLength { fd: 1, bytes: 0 }, &[errno::EBADF, errno::EINVAL]),
            (Call::Read { fd: 2, at: 0, bytes: 4 }, &[errno::EBADF]),
        ],
    )?;
    // That it can be read is shown elsewhere.
    let found = actor.call(Call::Read { fd: 0, at: 0, bytes: 8 })?.result;
    if wrong.is_none() && found.is_ok_and(|found| found != Value::Bytes(bytes.to_vec())) {
        let evidence = tools::on(&actor, &name, "a write that was refused changed it");
        return Ok(tools::fail("A call that was refused was done all the same.", evidence));
    }
    let summary = "A descriptor does more than it was opened for.";
    Ok(told(wrong, summary, "Reading descriptors do not write, and writing ones do not read."))
}

/// Makes calls whatever they give, one by one: if one does not come back, it is known which.
fn one_by_one(actor: &mut Actor, calls: &[Call]) -> Result<Vec<Reply>, Trouble> {
    calls.iter().map(|call| actor.call(call.clone())).collect()
}

/// What a call carries.
const PIECE: u32 = 64 * 1024;
/// 2 MiB of them.
const PIECES: u64 = 32;

/// Errors that say that there is no room.
fn no_room(number: i32) -> Option<&'static str> {
    match number {
        errno::ENOSPC => Some("the storage is full"),
        errno::EDQUOT => Some("the quota is used up"),
        errno::EFBIG => Some("files may not be so large"),
        _ => None,
    }
}

fn full(stage: &Stage) -> Result<Told, Trouble> {
    let name = stage.name("full");
    let mut actor = stage.actor(Place::First)?;
    let mut calls = vec![open(0, &name, How::NEW)];
    for piece in 0..PIECES {
        let bytes = Bytes::Seeded(piece, PIECE);
        calls.push(Call::Write { fd: 0, at: piece * u64::from(PIECE), bytes });
    }
    calls.extend([Call::Fsync { fd: 0 }, Call::Close { fd: 0 }]);
    let replies = one_by_one(&mut actor, &calls)?;
    // Before the verdict: the space is given back whatever it is.
    let removed = actor.call(unlink(&name))?;
    for (call, reply) in calls.iter().zip(replies) {
        let Err(number) = reply.result else { continue };
        let evidence = Evidence { call: call.to_string(), ..Evidence::default() };
        let evidence = evidence.host(actor.host_name()).file(&name).errno(number);
        let when = match call {
            Call::Open { .. } => "when a file is made",
            Call::Write { .. } => "at a write",
            Call::Fsync { .. } => "at the sync, not before",
            _ => "at the close, not before",
        };
        let Some(what) = no_room(number) else {
            return Err(Trouble::Refused(Box::new(evidence)));
        };
        return Ok(tools::fail(format!("{}: {what}, told {when}.", evidence.error), evidence)
            .with(Evidence::note(
                "a quota, or space set aside for others, does not show in statfs",
            )));
    }
    removed.result.map_err(|number| refused(&actor, &name, number))?;
    let mib = (PIECES * u64::from(PIECE)) >> 20;
    Ok(Told::pass(format!("{mib} MiB were written, synced and closed without an error.")))
}

fn refused(actor: &Actor, name: &str, number: i32) -> Trouble {
    let evidence = Evidence { call: unlink(name).to_string(), ..Evidence::default() };
    Trouble::Refused(Box::new(evidence.host(actor.host_name()).errno(number)))
}

/// Of many failures of one kind, so many are told.
const EVIDENCE_MAX: usize = 6;
/// So often a page is written and synced.
const ROUNDS: u64 = 3;

fn fsync_twice(stage: &Stage) -> Result<Told, Trouble> {
    let name = stage.name("fsync");
    let mut actor = stage.actor(Place::First)?;
    actor.open(0, &name, How::NEW)?;
    let mut calls = Vec::new();
    for round in 0..ROUNDS {
        let bytes = Bytes::Seeded(round, tools::PAGE);
        calls.push(Call::Write { fd: 0, at: round * u64::from(tools::PAGE), bytes });
        calls.extend([Call::Fsync { fd: 0 }, Call::Fsync { fd: 0 }, Call::Fdatasync { fd: 0 }]);
    }
    calls.push(Call::Close { fd: 0 });
    let replies = one_by_one(&mut actor, &calls)?;
    let mut failed = Vec::new();
    let mut forgotten = false;
    let mut after_error = false;
    for (call, reply) in calls.iter().zip(replies) {
        let sync = matches!(call, Call::Fsync { .. } | Call::Fdatasync { .. });
        match reply.result {
            Err(number) => {
                let evidence = Evidence { call: call.to_string(), ..Evidence::default() };
                failed.push(evidence.host(actor.host_name()).file(&name).errno(number));
                after_error |= sync;
            }
            Ok(_) if sync => forgotten |= after_error,
            Ok(_) => {}
        }
    }
    let Some(first) = failed.first().cloned() else {
        return Ok(Told::pass("Every sync and the close succeeded."));
    };
    if first.errno.and_then(no_room).is_some() {
        let summary = format!("{} failed with {}: see error.full.", first.call, first.error);
        // Not "not tested": what needs this check is to be made, and to say it as what it is.
        return Ok(Told::not_applicable(summary).with(first));
    }
    failed.truncate(EVIDENCE_MAX);
    let summary = if forgotten {
        format!(
            "{} failed with {}, and a later sync succeeded: the error is told once, and the data that it \
             was about are lost without another word.",
            first.call, first.error
        )
    } else {
        format!("{} failed with {}.", first.call, first.error)
    };
    Ok(Told::fail(summary).with_all(failed))
}

/// Around the sizes of sectors, pages and what file systems move at once.
const SIZES: [u32; 8] = [1, 511, 512, 513, 4095, 4096, 4097, 16_385];

fn short_write(stage: &Stage) -> Result<Told, Trouble> {
    let name = stage.name("short");
    let (mut one, mut two) = stage.pair()?;
    let appending = How { append: true, ..How::NEW };
    one.open(0, &name, appending)?;
    let mut expected: Vec<u8> = Vec::new();
    let mut cut = Vec::new();
    for (round, size) in (0_u64..).zip(SIZES) {
        let bytes = Bytes::Seeded(round, size);
        let call = Call::Append { fd: 0, bytes: bytes.clone() };
        let text = call.to_string();
        let at = expected.len() as u64;
        let Value::Count(count) = one.must(call)? else {
            return Err(tools::strange(&one, "no count was answered"));
        };
        let note = format!("{count} of {size} bytes");
        let evidence = Evidence { call: text, ..Evidence::note(note) };
        let evidence = evidence.host(one.host_name()).file(&name).offset(at);
        if count == 0 || count > u64::from(size) {
            return Ok(tools::fail(
                "A write says that it wrote nothing, or more than it was given.",
                evidence,
            ));
        }
        if count < u64::from(size) {
            cut.push(evidence);
        }
        let count = usize::try_from(count).unwrap_or_default();
        expected.extend(bytes.to_vec().into_iter().take(count));
    }
    two.open(0, &name, How::RO)?;
    let length = tools::attributes(&mut two, Call::StatFd { fd: 0 })?.bytes;
    if length != expected.len() as u64 {
        let note = format!("the calls said {} bytes in all, the file has {length}", expected.len());
        let evidence = tools::on(&two, &name, note);
        return Ok(tools::fail("Writes do not do what they say.", evidence).with_all(cut));
    }
    let difference = match first_difference(&mut two, &expected) {
        Err(Trouble::Refused(evidence)) => {
            let summary = "What was written cannot be read back: see the checks of data.";
            return Ok(Told::not_tested(summary).with(*evidence));
        }
        other => other?,
    };
    if let Some(at) = difference {
        let evidence = tools::on(&two, &name, "other bytes than the calls said").offset(at);
        return Ok(tools::fail("Writes do not do what they say.", evidence).with_all(cut));
    }
    if cut.is_empty() {
        return Ok(Told::pass("Every write took all it was given."));
    }
    let summary =
        "Some writes take less than they are given, and say so truly: whoever writes asks again.";
    Ok(Told::pass(summary).with_all(cut))
}

/// Where the file begins to differ, if it does. It is read with as many calls as it takes.
fn first_difference(actor: &mut Actor, expected: &[u8]) -> Result<Option<u64>, Trouble> {
    let mut at = 0;
    while at < expected.len() {
        let found = actor.read(0, at as u64, PIECE)?;
        let wanted = expected.get(at..).unwrap_or_default();
        let same = found.iter().zip(wanted).take_while(|(a, b)| a == b).count();
        if same < found.len() || found.is_empty() {
            return Ok(Some((at + same) as u64));
        }
        at += found.len();
    }
    Ok(None)
}
