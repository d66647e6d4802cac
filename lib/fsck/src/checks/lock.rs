//! Locks.

use miqm_sys::lock::Range;
use miqm_sys::probe::{Family, How, Kind};

use crate::check::{Check, Runs};
use crate::finding::{Evidence, Told};
use crate::stage::{Stage, Trouble};

pub(super) const CHECKS: &[Check] = &[Check {
    id: "lock.exclusive",
    title: "an exclusive lock excludes everybody else",
    how: "One process locks a file exclusively; the other asks for the same lock, by each kind of lock.",
    why: "The lock is what keeps two instances from serving, and writing, at the same time.",
    change: "Mount the file system so that locks are kept by its server, or use one that has them.",
    needs: &[],
    runs: Runs::BASIC.and(Runs::CONCURRENT).and(Runs::WAITING),
    required: true,
    run: exclusive,
}];

fn exclusive(stage: &Stage) -> Result<Told, Trouble> {
    let name = stage.name("exclusive");
    let (mut one, mut two) = stage.pair()?;
    one.open(0, &name, How::NEW)?;
    two.open(0, &name, How::RW)?;
    for family in [Family::Ofd, Family::Posix, Family::Flock] {
        if !one.try_lock(0, family, Kind::Write, Range::WHOLE)? {
            let note = "a lock that nobody else holds was refused";
            return Ok(
                Told::fail("A free lock cannot be had.").with(one.evidence().with_note(note))
            );
        }
        for kind in [Kind::Write, Kind::Read] {
            if two.try_lock(0, family, kind, Range::WHOLE)? {
                let note = format!("a second {family:?} lock was granted while the first was held");
                let evidence = Evidence::note(note).host(two.host_name()).file(&name);
                return Ok(Told::fail("Two processes hold an exclusive lock at the same time.")
                    .with(evidence));
            }
        }
        one.unlock(0, family, Range::WHOLE)?;
        if !two.try_lock(0, family, Kind::Write, Range::WHOLE)? {
            let note = format!("the {family:?} lock was refused after it had been given back");
            let evidence = Evidence::note(note).host(two.host_name()).file(&name);
            return Ok(Told::fail("A lock that was given back stays taken.").with(evidence));
        }
        two.unlock(0, family, Range::WHOLE)?;
    }
    Ok(Told::pass("Each kind of exclusive lock excludes the other process."))
}
