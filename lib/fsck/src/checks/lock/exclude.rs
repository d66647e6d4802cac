//! Who is kept out, and by whom.

use miqm_sys::clock::BootInstant;
use miqm_sys::probe::{Family, How, Kind};

use super::meaning;
use super::play::{
    ALL, Done, INSTANCE_LOCKS, ONE, Play, R, SLOW, Step, Stop, TWO, W, close, does, each, ended,
    get, open, refused, soon, take, unlock, wants,
};
use crate::call::{CONFLICT, Call, Want};
use crate::finding::{Evidence, Told};
use crate::stage::{Place, Stage, Trouble};

const FREE: &str = "A lock that nobody holds was refused.";
const KEPT: &str = "A lock that was given back stays taken.";
const BOTH: &str = "A second process got the exclusive lock while the first one held it.";

/// `EBADF`.
const BAD: i32 = 9;

/// Each host gets a lock at all; otherwise the error number says why not.
pub(super) fn available(stage: &Stage) -> Result<Told, Trouble> {
    let mut slow = None;
    for place in [Place::First, Place::Second] {
        if place == Place::Second && !stage.two_hosts() {
            break;
        }
        let name = stage.name("available");
        let mut actor = stage.actor(place)?;
        actor.open(0, &name, How::NEW)?;
        for (family, kind) in [(Family::Ofd, W), (Family::Ofd, Kind::Unlock)] {
            let call = Call::Lock { fd: 0, family, kind, range: ALL, wait: false };
            let (text, began) = (call.to_string(), BootInstant::now());
            // A server that was started lately refuses or delays new locks for some 90 seconds.
            let reply = actor.call_within(call, stage.limits().change * 2)?;
            let evidence = Evidence { call: text.clone(), ..Evidence::default() };
            let evidence = evidence.host(actor.host_name()).file(&name);
            if let Err(errno) = reply.result {
                let summary = if CONFLICT.contains(&errno) {
                    "A lock of a new file, which nobody can hold, was refused.".into()
                } else {
                    meaning::refused(&text, errno)
                };
                return Ok(Told::fail(summary).with(evidence.errno(errno)));
            }
            if began.elapsed() > SLOW {
                let note = "the server may have been started lately, and waits for the locks of \
                            before; or it is overloaded";
                let seconds = began.elapsed().as_secs_f64();
                slow = Some(evidence.seconds(seconds).with_note(note));
            }
        }
    }
    Ok(match slow {
        Some(evidence) => {
            Told::warning("Locks can be had, but the first one took long.").with(evidence)
        }
        None => Told::pass("Locks can be had."),
    })
}

pub(super) fn exclusive(on: &mut Play<'_>) -> Done {
    on.act(&[
        take(ONE, 0, W, ALL, FREE),
        refused(TWO, 0, W, ALL, BOTH),
        refused(TWO, 0, R, ALL, "A shared lock was granted while another process held it all."),
        // Whoever was refused must not have changed anything.
        refused(TWO, 0, W, ALL, "A lock was refused first and granted later, and was never free."),
        unlock(ONE, 0, ALL),
        get(TWO, 0, W, ALL, KEPT),
        refused(ONE, 0, W, ALL, BOTH),
        refused(ONE, 0, R, ALL, "A shared lock was granted while another process held it all."),
        unlock(TWO, 0, ALL),
        get(ONE, 0, W, ALL, KEPT),
        unlock(ONE, 0, ALL),
    ])
}

/// `flock(2)`, which instances do not use: between hosts its troubles are worth a warning only.
pub(super) fn exclusive_flock(stage: &Stage) -> Result<Told, Trouble> {
    let pass = "A lock by flock excludes the other process.";
    let told = each(stage, "flock", &[Family::Flock], pass, |on| {
        exclusive(on)?;
        on.act(&[
            take(ONE, 0, R, ALL, "A shared lock by flock, which nobody holds, was refused."),
            take(TWO, 0, R, ALL, "A shared lock by flock excludes another shared one."),
            unlock(TWO, 0, ALL),
            refused(TWO, 0, W, ALL, "A shared lock by flock does not exclude a writer."),
            close(ONE, 0),
            get(TWO, 0, W, ALL, "A lock by flock was not released when its file was closed."),
        ])
    })?;
    let refused = told.evidence.iter().any(|seen| seen.errno.is_some());
    let harmless = told.verdict == crate::Verdict::Fail && (stage.two_hosts() || refused);
    if !harmless {
        return Ok(told);
    }
    let summary = format!("Programs that use flock are not protected: {}", told.summary);
    Ok(Told { series: told.series, ..Told::warning(summary).with_all(told.evidence) })
}

pub(super) fn families(stage: &Stage) -> Result<Told, Trouble> {
    const WORDS: &str = "The two kinds of record lock do not exclude each other.";
    let pass = "Locks of open files and locks of processes exclude each other.";
    each(stage, "families", INSTANCE_LOCKS, pass, |on| {
        let (ofd, posix) = (Family::Ofd, Family::Posix);
        on.act(&[
            take(ONE, 0, W, ALL, FREE).by(ofd),
            refused(TWO, 0, W, ALL, WORDS).by(posix),
            refused(TWO, 0, R, ALL, WORDS).by(posix),
            unlock(ONE, 0, ALL).by(ofd),
            get(TWO, 0, W, ALL, KEPT).by(posix),
            refused(ONE, 0, W, ALL, WORDS).by(ofd),
            refused(ONE, 0, R, ALL, WORDS).by(ofd),
            unlock(TWO, 0, ALL).by(posix),
            get(ONE, 0, W, ALL, KEPT).by(ofd),
        ])
    })
}

pub(super) fn shared(on: &mut Play<'_>) -> Done {
    const THROUGH: &str = "A shared lock does not exclude a writer.";
    const OTHERS: &str = "A reader that gave its shared lock back took the other reader's with it.";
    on.act(&[
        take(ONE, 0, R, ALL, FREE),
        take(TWO, 0, R, ALL, "A shared lock was refused because of another shared lock."),
        unlock(TWO, 0, ALL),
        refused(TWO, 0, W, ALL, THROUGH),
        take(TWO, 0, R, ALL, "A shared lock was refused because of another shared lock."),
        unlock(ONE, 0, ALL),
        refused(ONE, 0, W, ALL, OTHERS),
        take(ONE, 0, R, ALL, "A shared lock was refused because of another shared lock."),
        unlock(TWO, 0, ALL),
        refused(TWO, 0, W, ALL, OTHERS),
        unlock(ONE, 0, ALL),
        get(TWO, 0, W, ALL, "A shared lock that was given back stays taken."),
        refused(ONE, 0, R, ALL, "A shared lock was granted while another process held it all."),
        unlock(TWO, 0, ALL),
    ])
}

pub(super) fn again(on: &mut Play<'_>) -> Done {
    const OWN: &str = "A process was refused the lock that it holds itself.";
    const LOST: &str = "Asking again for a lock that one holds loses it.";
    for kind in [W, R] {
        on.act(&[
            get(ONE, 0, kind, ALL, FREE),
            take(ONE, 0, kind, ALL, OWN),
            refused(TWO, 0, W, ALL, LOST),
            unlock(ONE, 0, ALL),
            get(TWO, 0, W, ALL, "A lock that was asked for twice must be given back twice."),
            unlock(TWO, 0, ALL),
        ])?;
    }
    Ok(())
}

pub(super) fn unlock_other(on: &mut Play<'_>) -> Done {
    const TAKEN: &str = "Giving back a lock that one does not hold takes the other process's away.";
    on.act(&[
        unlock(ONE, 0, ALL),
        take(ONE, 0, W, ALL, FREE),
        unlock(TWO, 0, ALL),
        refused(TWO, 0, W, ALL, TAKEN),
        unlock(TWO, 0, ALL),
        refused(TWO, 0, W, ALL, TAKEN),
        unlock(ONE, 0, ALL),
        get(TWO, 0, W, ALL, KEPT),
        unlock(ONE, 0, ALL),
        refused(ONE, 0, W, ALL, TAKEN),
        unlock(TWO, 0, ALL),
    ])
}

pub(super) fn owner(on: &mut Play<'_>) -> Done {
    on.act(&[open(ONE, 1, &on.file, How::RW), take(ONE, 0, W, ALL, FREE)])?;
    if on.family == Family::Ofd {
        const WORDS: &str =
            "Two open files of one process hold the exclusive lock at the same time.";
        const TAKEN: &str = "A lock was given back through a descriptor that does not hold it.";
        return on.act(&[
            refused(ONE, 1, W, ALL, WORDS),
            refused(ONE, 1, R, ALL, WORDS),
            unlock(ONE, 1, ALL),
            refused(ONE, 1, W, ALL, TAKEN),
            refused(TWO, 0, W, ALL, TAKEN),
            does(ONE, Call::Duplicate { fd: 0, to: 2 }),
            take(ONE, 2, W, ALL, "A copy of a descriptor does not have the lock of its file."),
            unlock(ONE, 2, ALL),
            get(TWO, 0, W, ALL, "A lock cannot be given back through a copy of the descriptor."),
        ]);
    }
    on.act(&[
        take(ONE, 1, W, ALL, "A process was refused the lock that it holds itself."),
        unlock(ONE, 1, ALL),
        get(TWO, 0, W, ALL, "A process cannot give its lock back through another descriptor."),
    ])
}

pub(super) fn modes(on: &mut Play<'_>) -> Done {
    const LOST: &str =
        "A lock through a descriptor that only reads, or only writes, excludes nobody.";
    let write_only = How { write_only: true, ..How::RW };
    let family = on.family;
    let lock = |fd, kind| Call::Lock { fd, family, kind, range: ALL, wait: false };
    on.act(&[
        open(ONE, 1, &on.file, How::RO),
        open(ONE, 2, &on.file, write_only),
        wants(
            ONE,
            lock(1, W),
            Want::Errno(BAD),
            "An exclusive lock was granted through a descriptor that can only read.",
        ),
        wants(
            ONE,
            lock(2, R),
            Want::Errno(BAD),
            "A shared lock was granted through a descriptor that can only write.",
        ),
        take(ONE, 1, R, ALL, FREE),
        refused(TWO, 0, W, ALL, LOST),
        unlock(ONE, 1, ALL),
        get(ONE, 2, W, ALL, FREE),
        refused(TWO, 0, R, ALL, LOST),
        unlock(ONE, 2, ALL),
        get(TWO, 0, W, ALL, KEPT),
    ])
}

/// Plays with the code of the instances themselves.
pub(super) fn instance(stage: &Stage) -> Result<Told, Trouble> {
    ended(instance_play(stage))
}

fn instance_play(stage: &Stage) -> Done<Told> {
    let mut on = Play::new(stage)?;
    on.new_file("instance")?;
    on.act(&[close(ONE, 0), close(TWO, 0)])?;
    let name = on.file.clone();
    let hold =
        |who, yes, words| wants(who, Call::Hold { name: name.clone() }, Want::Yes(yes), words);
    let gets = |who, words| soon(who, Call::Hold { name: name.clone() }, Want::Yes(true), words);
    let still = |who, words| wants(who, Call::Reassert, Want::Yes(true), words);
    let looks = |who| -> [Step; 2] { [open(who, 1, &name, How::RO), close(who, 1)] };
    let [one_opens, one_closes] = looks(ONE);
    let [two_opens, two_closes] = looks(TWO);
    on.act(&[
        hold(ONE, true, "An instance does not get the lock although nobody has it."),
        hold(TWO, false, "Two instances have the lock at the same time."),
        still(ONE, "An instance was refused the lock that it has."),
        one_opens,
        one_closes,
        two_opens,
        two_closes,
        hold(TWO, false, "The lock was lost when the file was opened and closed again elsewhere."),
        still(ONE, "The lock was lost when the file was opened and closed again elsewhere."),
        does(ONE, Call::LetGo),
        gets(TWO, "A lock that an instance let go stays taken."),
        hold(ONE, false, "Two instances have the lock at the same time."),
        still(TWO, "An instance was refused the lock that it has."),
    ])?;
    let began = BootInstant::now();
    on.end(TWO, true)?;
    on.act(&[gets(ONE, "The lock of an instance that was killed stays taken.")])?;
    on.measured("take-over from an instance that was killed", began);
    Ok(on.told("One instance has the lock, keeps it, and another gets it afterwards."))
}

/// Makes a failure of a play a warning.
pub(super) fn as_warning(result: Done, on: &mut Play<'_>) -> Done {
    match result {
        Err(Stop::Told(told)) => {
            on.warn(*told);
            Ok(())
        }
        other => other,
    }
}
