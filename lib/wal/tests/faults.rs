//! Damage is found and named, failures end the log, and a former active cannot hurt it.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::ops::ControlFlow;

use common::{
    Failed, activate, activation, body, creation, disks, make, open, put, recover, recover_knowing,
};
use miqm_sys::disk::{Disk, DiskFile};
use miqm_testkit::{CrashDisk, CrashWorld, Fault, Random, Revoked};
use miqm_types::{LogManagement, LogType, Lsn};
use miqm_wal::{
    Full, Item, Log, LogError, OpenError, Place, Poison, Reader, Recovered, ReplayError, create,
};

fn log_one(log: &Log<CrashDisk>, n: usize) -> Lsn {
    let end = log.append(&[put(&body(n))]).unwrap().end;
    log.force(end).unwrap();
    end
}

/// A log of `n` records, each in a batch of its own, as a crash leaves it.
fn log_of(n: usize) -> (CrashWorld, Lsn) {
    let world = CrashWorld::new();
    let log = make(&world, 1).unwrap();
    let mut end = Lsn::ZERO;
    for n in 0..n {
        end = log_one(&log, n);
    }
    (world, end)
}

const EXTENT: u64 = 64 * 4096;

#[test]
fn every_flipped_bit_of_what_was_durable_is_found() {
    let (world, end) = log_of(60);
    let mut random = Random::new(42);
    let (log_end, mut found) = (end.0, 0);
    assert!(log_end > 2 * EXTENT, "the log has several extents");
    for round in 0..1500 {
        let lsn = random.below(log_end);
        // What follows the last record of a full extent was never written.
        let image = world.image(0);
        let name = miqm_types::ExtentNo(lsn / EXTENT).file_name();
        image.flip("active", &name, lsn % EXTENT, 1 << random.below(8));
        let about = format!("round {round}, position {lsn}");
        match recover_knowing(&image, 2, end) {
            Ok(outcome) => {
                assert_eq!(outcome.found, (0..60).collect::<Vec<_>>(), "{about}: shorter");
            }
            Err(Failed::Open(OpenError::Damaged { path, offset, .. })) => {
                assert!(path.ends_with(&name) && offset <= lsn % EXTENT, "{about}: {offset}");
                found += 1;
            }
            Err(Failed::Replay(ReplayError::Damaged { path, offset, lsn: at, .. })) => {
                assert!(path.ends_with(&name), "{about}: {}", path.display());
                assert!(offset <= lsn % EXTENT && lsn - at.0 < 40_000, "{about}: {at}");
                found += 1;
            }
            Err(other) => panic!("{about}: {other}"),
        }
    }
    assert!(found > 1300, "{found}");
}

#[test]
fn without_the_heartbeat_only_the_last_batch_is_in_doubt() {
    let (world, end) = log_of(60);
    let last = end.0 - body(59).len() as u64;
    for offset in (EXTENT..end.0).step_by(1000) {
        let image = world.image(0);
        let name = miqm_types::ExtentNo(offset / EXTENT).file_name();
        image.flip("active", &name, offset % EXTENT, 0x10);
        if let Ok(outcome) = recover(&image, 2) {
            let whole = outcome.found.len() == 60;
            assert!(whole || offset >= last - 4096 && outcome.found.len() == 59, "{offset}");
        }
    }
}

#[test]
fn one_slot_of_the_control_file_is_enough() {
    let (world, _) = log_of(3);
    for (slots, good) in [(&[0][..], true), (&[1], true), (&[0, 1], false)] {
        let image = world.image(0);
        for slot in slots {
            image.flip("log", "amqhlctl.lfh", slot * 4096 + 100, 4);
        }
        match open(&image, 2, Lsn::ZERO) {
            Ok(opened) => {
                assert!(good && opened.control_uneven());
                let log = activate(recovered(opened), 2).unwrap();
                drop(log);
                assert!(!open(&image, 3, Lsn::ZERO).unwrap().control_uneven(), "repaired");
            }
            Err(OpenError::Damaged { path, .. }) => {
                assert!(!good && path.ends_with("amqhlctl.lfh"));
            }
            Err(other) => panic!("{other}"),
        }
    }
}

fn recovered(opened: miqm_wal::Opened<CrashDisk>) -> Recovered<CrashDisk> {
    opened.replay(&mut |_| (), &mut |_| Ok::<(), ()>(())).unwrap_or_else(|_| panic!("it replays"))
}

#[test]
fn a_missing_file_is_named() {
    let (world, end) = log_of(60);
    for (directory, name) in [("log", "amqhlctl.lfh"), ("active", "S0000001.LOG")] {
        let image = world.image(0);
        assert!(image.remove(directory, name));
        match recover(&image, 2) {
            Err(Failed::Open(OpenError::Missing { path })) => assert!(path.ends_with(name)),
            Err(other) => panic!("{name}: {other}"),
            Ok(_) => panic!("{name}"),
        }
    }
    let image = world.image(0);
    let last = miqm_types::ExtentNo(end.0 / EXTENT).file_name();
    assert!(image.remove("active", &last));
    match recover_knowing(&image, 2, end) {
        Err(Failed::Open(OpenError::Missing { path })) => assert!(path.ends_with(last)),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("the last extent is missed"),
    }
}

#[test]
fn a_log_of_another_queue_manager_is_refused() {
    let (world, _) = log_of(1);
    let (directory, active) = disks(&world, 2);
    let other = "QM2".parse().unwrap();
    let identity = miqm_wal::Identity { name: &other, qmgr: miqm_types::QmgrId([7; 16]) };
    let error = miqm_wal::Recovery::open(directory, active, identity, Lsn::ZERO).err();
    assert!(matches!(error, Some(OpenError::Foreign { .. })), "{error:?}");
}

#[test]
fn a_held_log_is_busy() {
    let world = CrashWorld::new();
    let log = make(&world, 1).unwrap();
    log_one(&log, 0);
    assert!(matches!(open(&world, 2, Lsn::ZERO), Err(OpenError::Busy { .. })));
    // Somebody replaced the control file under the active: its extents still keep others out.
    let bytes = world.bytes("log", "amqhlctl.lfh");
    let directory = world.disk(3, "log");
    directory.unlink("amqhlctl.lfh").unwrap();
    directory.create_new("amqhlctl.lfh").unwrap().write_at(&bytes, 0).unwrap();
    let error = open(&world, 2, Lsn::ZERO).err();
    assert!(matches!(&error, Some(OpenError::Busy { path }) if path.starts_with("active")));
    assert!(log.misnamed().unwrap().unwrap().ends_with("amqhlctl.lfh"), "the active notices");
}

#[test]
fn a_failed_write_or_sync_ends_the_log_for_good() {
    for fault in [Fault::WriteFails(0), Fault::SyncFails(0)] {
        let world = CrashWorld::new();
        let log = make(&world, 1).unwrap();
        log_one(&log, 0);
        let end = log.append(&[put(&body(1))]).unwrap().end;
        world.fault(fault);
        assert!(matches!(log.force(end), Err(LogError::Poisoned(_))), "{fault:?}");
        world.heal();
        assert!(log.force(end).is_err() && log.append(&[put(b"x")]).is_err(), "{fault:?}");
        assert!(matches!(log.poisoned().as_deref(), Some(Poison::Io(_))), "{fault:?}");
        assert!(log.close(0).is_err());
        for seed in 0..50 {
            let found = recover(&world.image(seed), 2).unwrap().found;
            assert!(found == [0] || found == [0, 1], "{fault:?}, seed {seed}: {found:?}");
        }
    }
}

#[test]
fn nobody_waits_for_ever() {
    let world = CrashWorld::new();
    let (directory, active) = disks(&world, 1);
    let activation = miqm_wal::Activation { background: true, ..activation(1) };
    let log = create(directory, active, &creation(LogType::Circular), activation).unwrap();
    world.fault(Fault::SyncFails(10_000));
    std::thread::scope(|scope| {
        for thread in 0..24_usize {
            let log = &log;
            scope.spawn(move || {
                for n in 0.. {
                    let appended = match log.append(&[put(&body(n % 3))]) {
                        Ok(appended) => appended,
                        Err(LogError::Full(_)) if thread == 0 => {
                            let Ok(urgent) = log.append_urgent(&[put(b"x")]) else { break };
                            log.checkpoint(urgent.first, urgent.first, b"").ok();
                            urgent
                        }
                        Err(LogError::Full(_)) => {
                            std::thread::yield_now();
                            continue;
                        }
                        Err(LogError::Poisoned(_)) => break,
                    };
                    if log.force(appended.end).is_err() {
                        break;
                    }
                    if thread == 0 && n % 4 == 0 {
                        log.checkpoint(appended.first, appended.first, b"").ok();
                    }
                }
            });
        }
    });
    assert!(log.poisoned().is_some() && log.stats().batches > 5000, "{:?}", log.stats());
}

#[test]
fn a_lost_hold_ends_the_log_before_anything_is_written() {
    let world = CrashWorld::new();
    let (directory, active) = disks(&world, 1);
    let hold = std::sync::Arc::new(common::TestHold::default());
    let activation = miqm_wal::Activation { hold: hold.clone(), ..activation(1) };
    let log = create(directory, active, &creation(LogType::Circular), activation).unwrap();
    log_one(&log, 0);
    let end = log.append(&[put(&body(1))]).unwrap().end;
    let operations = world.operations();
    hold.0.store(true, std::sync::atomic::Ordering::SeqCst);
    let error = log.force(end).unwrap_err();
    assert!(matches!(error, LogError::Poisoned(why) if matches!(*why, Poison::Lost(_))));
    assert_eq!(world.operations(), operations);
}

#[test]
fn a_full_log_says_so_and_a_checkpoint_makes_room() {
    let world = CrashWorld::new();
    let log = make(&world, 1).unwrap();
    let mut first = None;
    let full = loop {
        match log.append(&[put(&body(1))]) {
            Ok(appended) => {
                first.get_or_insert(appended.first);
                log.force(appended.end).unwrap();
            }
            Err(error) => break error,
        }
    };
    assert!(matches!(full, LogError::Full(Full::Extents)), "{full}");
    assert_eq!(log.pressure().needed, 4);
    let end = log.append_urgent(&[put(b"the end of a unit of work")]).unwrap();
    log.force(end.end).unwrap();
    log.checkpoint(end.first, end.first, b"").unwrap();
    assert_eq!(log.pressure().needed, 1);
    for n in 0..200 {
        let appended = log.append(&[put(&body(n))]).unwrap();
        log.force(appended.end).unwrap();
        if n % 10 == 0 {
            log.checkpoint(appended.first, appended.first, b"").unwrap();
        }
    }
    assert!(world.names("active").len() <= 4, "secondary extents go again");
}

#[test]
fn a_full_disk_is_not_the_end() {
    let world = CrashWorld::new();
    let log = make(&world, 1).unwrap();
    world.fault(Fault::NoSpaceAfter(0));
    let mut last = Lsn::ZERO;
    let full = loop {
        match log.append(&[put(&body(1))]) {
            Ok(appended) => {
                log.force(appended.end).unwrap();
                last = appended.first;
            }
            Err(error) => break error,
        }
    };
    assert!(matches!(full, LogError::Full(Full::Disk(_))), "{full}");
    assert!(log.pressure().disk_full);
    assert!(log.poisoned().is_none());
    log.checkpoint(last, last, b"").unwrap();
    log_one(&log, 2);
    assert_eq!(world.names("active").len(), 2, "it goes on with what it has");
}

#[test]
fn a_former_active_cannot_hurt_the_log() {
    for revoked in [Revoked::Fenced, Revoked::Unfenced] {
        for records in [1, 4, 9, 14, 20] {
            stale_writer(revoked, records);
        }
    }
}

/// Host 1 loses its locks after some records, host 2 takes over; both go on.
fn stale_writer(revoked: Revoked, records: usize) {
    let about = format!("{revoked:?}, {records} records");
    let world = CrashWorld::new();
    let old = make(&world, 1).unwrap();
    for n in 0..records {
        log_one(&old, n);
    }
    world.revoke(1, revoked);
    let outcome = recover(&world, 2).unwrap();
    assert_eq!(outcome.found.len(), records, "{about}");
    let new = activate(outcome.recovered, 2).unwrap();
    assert!(!old.reassert_all().unwrap_or(false), "{about}: it can tell");
    let mut expected: Vec<usize> = (0..records).collect();
    let mut old_works = true;
    for n in 0..12 {
        // The former active scribbles past the fence, makes extents, links and removes names.
        old_works = old_works
            && old
                .append(&[put(&body(900 + n))])
                .and_then(|appended| old.force(appended.end))
                .is_ok();
        assert!(!old_works || revoked == Revoked::Unfenced, "{about}: it cannot write");
        log_one(&new, records + n);
        expected.push(records + n);
    }
    assert_eq!(new.misnamed().unwrap(), None, "{about}");
    drop(new);
    let outcome = recover(&world, 3).unwrap_or_else(|e| panic!("{about}: {e}"));
    assert_eq!(outcome.found, expected, "{about}");
    let third = activate(outcome.recovered, 3).unwrap_or_else(|e| panic!("{about}: {e}"));
    for n in 0..12 {
        old.append(&[put(&body(950))]).and_then(|appended| old.force(appended.end)).ok();
        let at = third.append(&[put(&body(records + 12 + n))]).unwrap();
        third.force(at.end).unwrap();
        expected.push(records + 12 + n);
        if n == 8 {
            third.checkpoint(at.first, at.first, b"").unwrap();
            expected = vec![records + 12 + n];
        }
    }
    drop((third, old));
    let outcome = recover(&world, 4).unwrap_or_else(|e| panic!("{about}: {e}"));
    assert_eq!(outcome.found, expected, "{about}");
}

/// An instance stops at any moment of its activation; another takes over; the first wakes up.
#[test]
fn an_activation_that_stalls_cannot_hurt_its_successor() {
    for revoked in [Revoked::Fenced, Revoked::Unfenced] {
        let mut stops = 0;
        while stalled_activation(revoked, stops) {
            stops += 1;
        }
        assert!(stops > 10, "{stops}");
    }
}

/// Whether the activation had not come to its end before it was to stop.
fn stalled_activation(revoked: Revoked, stop: u64) -> bool {
    let about = format!("{revoked:?}, operation {stop}");
    let (world, _) = log_of(5);
    let outcome = recover(&world, 2).unwrap();
    world.stop_after(2, stop);
    let stalled = std::thread::spawn(|| {
        let log = activate(outcome.recovered, 2)?;
        for n in 700..730 {
            log.append(&[put(&body(n))]).and_then(|appended| log.force(appended.end))?;
        }
        Ok::<(), OpenError>(())
    });
    if !world.wait_until_stopped(2, || stalled.is_finished()) {
        stalled.join().unwrap().unwrap();
        return false;
    }
    world.revoke(2, revoked);
    let outcome = recover(&world, 3).unwrap_or_else(|e| panic!("{about}: {e}"));
    // What it had logged so far may be there.
    let mut expected = outcome.found;
    assert!(expected.starts_with(&[0, 1, 2, 3, 4]), "{about}");
    let log = activate(outcome.recovered, 3).unwrap();
    for n in 5..30 {
        if n == 10 {
            world.wake(2);
            while !stalled.is_finished() {
                std::thread::yield_now();
            }
        }
        let done = log.append(&[put(&body(n))]).and_then(|appended| log.force(appended.end));
        match done {
            Ok(()) => (),
            // What the stalled instance had logged needs room as well.
            Err(LogError::Full(_)) => break,
            Err(error) => {
                assert_eq!(revoked, Revoked::Unfenced, "{about}: disturbed: {error}");
                break;
            }
        }
        expected.push(n);
    }
    drop(log);
    let stalled = stalled.join().unwrap();
    assert!(stalled.is_err() || revoked == Revoked::Unfenced, "{about}: it cannot write");
    let outcome = recover(&world, 4).unwrap_or_else(|e| panic!("{about}: {e}"));
    assert_eq!(outcome.found, expected, "{about}");
    true
}

#[test]
fn a_linear_log_keeps_its_extents_unless_told_otherwise() {
    for (management, kept) in [(LogManagement::Manual, true), (LogManagement::Automatic, false)] {
        let world = CrashWorld::new();
        let (directory, active) = disks(&world, 1);
        let log_type = LogType::Linear(management);
        let log = create(directory, active, &creation(log_type), activation(1)).unwrap();
        for n in 0..120 {
            let appended = log.append(&[put(&body(n))]).unwrap();
            log.force(appended.end).unwrap();
            if n % 10 == 0 {
                log.checkpoint(appended.first, appended.first, b"").unwrap();
            }
        }
        assert_eq!(log.stats().extents_reused, 0);
        let names = world.names("active");
        assert_eq!(names.contains(&"S0000000.LOG".to_owned()), kept, "{names:?}");
        drop(log);
        let outcome = recover(&world, 2).unwrap();
        assert_eq!(outcome.found.last(), Some(&119));
        drop(activate(outcome.recovered, 2).unwrap());
        assert_eq!(world.names("active").contains(&"S0000000.LOG".to_owned()), kept);
    }
}

/// Records, damaged places and ends that a reader finds from a position on.
fn read(world: &CrashWorld, from: Lsn, outside: bool) -> (Vec<Lsn>, Vec<(Lsn, Lsn)>, Vec<Lsn>) {
    let (directory, active) = disks(world, 9);
    let reader = Reader::open(&directory, active).unwrap();
    let (mut records, mut damage, mut ends) = (Vec::new(), Vec::new(), Vec::new());
    reader
        .read(from, Lsn(u64::MAX), outside, &mut |item| {
            match item {
                Item::Record(record) => records.push(record.header.lsn),
                Item::Damage { lsn, resumes, .. } => damage.push((lsn, resumes)),
                Item::End(lsn) => ends.push(lsn),
                Item::Extent(_) | Item::Missing { .. } => (),
            }
            ControlFlow::Continue(())
        })
        .unwrap();
    (records, damage, ends)
}

#[test]
fn a_reader_goes_on_after_damage_and_from_any_position() {
    let (world, _) = log_of(60);
    let (all, damage, ends) = read(&world, Lsn::ZERO, false);
    assert!(all.len() > 60 && all.is_sorted() && damage.is_empty() && ends.len() == 1);
    for n in 0..all.len() {
        assert_eq!(read(&world, all[n], false).0, all[n..], "from record {n}");
        assert_eq!(read(&world, Lsn(all[n].0 + 1), false).0, all[n + 1..], "after record {n}");
    }
    for n in 1..all.len() - 1 {
        let image = world.image(0);
        let name = miqm_types::ExtentNo(all[n].0 / EXTENT).file_name();
        image.flip("active", &name, all[n].0 % EXTENT + 70, 1);
        let (found, damage, _) = read(&image, Lsn::ZERO, false);
        let others: Vec<Lsn> = all.iter().copied().filter(|lsn| *lsn != all[n]).collect();
        // A bad first record of an extent hides where the one before it ended; a bad first record
        // of the last one also hides that it is the last one.
        if all[n].0 % EXTENT != 4096 {
            assert_eq!(found, others, "bad record {n}");
            assert!(damage[0].0 == all[n] && damage[0].1 <= all[n + 1], "{n}: {damage:?}");
            assert_eq!(damage.len(), 1, "bad record {n}");
        }
    }
    let image = world.image(0);
    image.flip("log", "amqhlctl.lfh", 50, 1);
    image.flip("log", "amqhlctl.lfh", 4096 + 50, 1);
    assert_eq!(read(&image, Lsn::ZERO, false).0, all, "without a control file");
    let (directory, active) = disks(&world, 9);
    let reader = Reader::open(&directory, active).unwrap();
    assert_eq!(reader.head(), Some(Lsn(4096)));
    assert_eq!(reader.base(), Some(Lsn::ZERO));
    assert_eq!(reader.extents().iter().filter(|e| e.place == Place::Last).count(), 1);
}
