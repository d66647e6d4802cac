//! Whatever the disk keeps of what was not forced, replay yields a prefix of what was logged, all
//! that was acknowledged, and the next epoch works.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use common::{Model, Outcome, activate, body, check, make, put, recover, sequence};
use miqm_testkit::{CrashWorld, Random};
use miqm_wal::Lsn;

/// Creation, two epochs, several units of work, extents that fill up and are used again,
/// checkpoints, an orderly end between the epochs.
fn workload(world: &CrashWorld, model: &mut Model) -> Option<()> {
    let mut log = make(world, 1).ok()?;
    model.created = true;
    for epoch in 0..2_u8 {
        for unit in 0..9_usize {
            let mut first = Lsn::ZERO;
            // One call for two records, another for the third; all forced together.
            for count in [2, 1] {
                let bodies: Vec<Vec<u8>> = (0..count).map(|n| body(model.logged + n)).collect();
                let entries: Vec<_> = bodies.iter().map(|body| put(body)).collect();
                model.logged += entries.len();
                first = log.append(&entries).ok()?.first;
            }
            log.force(log.end()).ok()?;
            model.acknowledged = model.logged;
            if unit % 3 == 2 {
                model.tried_checkpoint = model.logged - 1;
                log.checkpoint(first, first, b"reference").ok()?;
                model.checkpoint = model.logged - 1;
            }
        }
        if epoch == 0 {
            log.close(1).ok()?;
            log = activate(recover(world, 1).ok()?.recovered, 2).ok()?;
        }
    }
    Some(())
}

#[test]
fn no_crash_loses_what_was_acknowledged() {
    let whole = CrashWorld::new();
    workload(&whole, &mut Model::default()).unwrap();
    let operations = whole.operations();
    assert!(operations > 150, "{operations} operations");
    let mut images = 0;
    for crash_at in 0..operations {
        let (world, mut model) = (CrashWorld::new(), Model::default());
        world.crash_at(crash_at);
        assert!(workload(&world, &mut model).is_none(), "crash {crash_at}");
        if !model.created {
            continue;
        }
        for seed in 0..if world.settled() { 1 } else { 200 } {
            let image = world.image(seed);
            let about = format!("crash {crash_at}, seed {seed}");
            let outcome = recover(&image, 9).unwrap_or_else(|e| panic!("{about}: {e}"));
            check(&model, &outcome, &about);
            go_on(&image, outcome, seed, &about);
            images += 1;
        }
    }
    assert!(images > 10_000, "{images} images");
}

/// The next activation works, also if it is crashed itself and tried again.
fn go_on(image: &CrashWorld, outcome: Outcome, seed: u64, about: &str) {
    let Outcome { recovered, mut found } = outcome;
    let mut random = Random::new(seed);
    if random.below(4) == 0 {
        image.crash_at(random.below(14));
        let log = activate(recovered, 8);
        let crashed = image.crashed();
        assert!(crashed || log.is_ok(), "{about}");
        drop(log);
        let again = image.image(seed);
        let second = recover(&again, 7).unwrap_or_else(|e| panic!("{about}, again: {e}"));
        assert_eq!(second.found, found, "{about}, again");
        return;
    }
    let log = activate(recovered, 8).unwrap_or_else(|e| panic!("{about}: {e}"));
    let next = found.last().map_or(0, |n| n + 1);
    let end = log.append(&[put(&body(next))]).unwrap().end;
    log.force(end).unwrap();
    drop(log);
    found.push(next);
    let last = recover(image, 7).unwrap_or_else(|e| panic!("{about}, after: {e}"));
    assert_eq!(last.found, found, "{about}, after");
    assert_eq!(sequence(&body(next)), next);
}
