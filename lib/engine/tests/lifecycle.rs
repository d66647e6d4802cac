//! A queue manager's objects from creation to recovery, on the real file system.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use miqm_engine::{
    ChangeError, Class, Counts, Creation, Dirs, Engine, Key, Kind, Object, RecoverError, Recovered,
    Replace, SnapshotError, create, defaults, level, new_qmgr, recover,
};
use miqm_sys::clock::BootInstant;
use miqm_sys::disk::RealDir;
use miqm_types::{InstanceId, LogGeometry, LogType, Lsn, QmgrId, QmgrName, UtcTime};
use miqm_wal::{Activation, Hold, Identity, Lost, Recovery};

struct Held;

impl Hold for Held {
    fn before_write(&self) -> Result<(), Lost> {
        Ok(())
    }

    fn before_ack(&self, _: BootInstant) -> Result<(), Lost> {
        Ok(())
    }

    fn proven(&self, _: BootInstant) {}
}

const AT: UtcTime = UtcTime(1_795_277_478_000_000);

fn activation() -> Activation<'static> {
    Activation {
        instance: InstanceId([2; 16]),
        hold: Arc::new(Held),
        files: None,
        body: b"",
        background: true,
    }
}

fn name() -> QmgrName {
    "QM1".parse().unwrap()
}

fn dir(root: &Path, name: &str) -> RealDir {
    let path = root.join(name);
    std::fs::create_dir_all(&path).unwrap();
    RealDir::open(&path, None).unwrap()
}

fn dirs(root: &Path) -> Dirs<RealDir> {
    Dirs { log: dir(root, "log"), active: dir(root, "log/active"), objects: dir(root, "objects") }
}

fn creation(port: Option<u16>) -> Creation {
    Creation {
        log: miqm_wal::Creation {
            name: name(),
            qmgr: QmgrId([1; 16]),
            salt: 7,
            geometry: LogGeometry::new(64, 2, 1).unwrap(),
            log_type: LogType::Circular,
        },
        qmgr: new_qmgr(&name(), AT),
        port,
        at: AT,
        end_state: 1,
    }
}

fn recovered(root: &Path) -> Result<Recovered<RealDir>, RecoverError> {
    let Dirs { log, active, objects } = dirs(root);
    let (name, qmgr) = (name(), QmgrId([1; 16]));
    let identity = Identity { name: &name, qmgr };
    let opened = Recovery::open(log, active, identity, Lsn::ZERO).unwrap();
    recover(opened, objects, &mut |_| ())
}

fn started(root: &Path) -> Engine<RealDir> {
    recovered(root).unwrap().activate(activation()).unwrap()
}

fn made() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    create(dirs(root.path()), &creation(None), activation()).unwrap();
    root
}

fn queue(name: &str) -> Object {
    Object::new(Kind::Qlocal, name).unwrap()
}

fn key(class: Class, name: &str) -> Key {
    Key { class, name: name.into(), qualifier: "".into() }
}

#[test]
fn what_was_created_is_counted_and_is_there() {
    let root = tempfile::tempdir().unwrap();
    let created = create(dirs(root.path()), &creation(Some(1414)), activation()).unwrap();
    let stored = defaults::COUNT as u64 + 1;
    assert_eq!(created.counts, Counts { created: stored, replaced: 0, failed: 0 });
    let found = recovered(root.path()).unwrap();
    // The end of the checkpoint and nothing else comes after its beginning.
    assert_eq!(found.report().records, 2);
    assert_eq!(found.report().saved_objects, stored + 1);
    assert_eq!(found.report().objects, created.kinds);
    assert_eq!(found.report().end, created.end);
    let listener = found.catalogue().find(Class::Listener, "SYSTEM.LISTENER.TCP.1").unwrap();
    let shown = listener.show();
    for expected in ["PORT(1414)", "CONTROL(QMGR)", "TRPTYPE(TCP)", "ALTDATE(2026-11-21)"] {
        assert!(shown.iter().any(|attr| attr == expected), "{expected} in {shown:?}");
    }
}

#[test]
fn changes_survive_a_crash_and_an_orderly_end() {
    let root = made();
    let engine = started(root.path());
    assert!(!engine.define(queue("A"), Replace::No, AT).unwrap());
    engine.define(queue("B"), Replace::No, AT).unwrap();
    engine.alter(&key(Class::Queue, "A"), AT, |a| a.set("MAXDEPTH", "7")).unwrap();
    engine.delete(&key(Class::Queue, "B")).unwrap();
    engine.alter_qmgr(AT, |qmgr| qmgr.set("DESCR", "the one")).unwrap();
    let before = engine.read(Clone::clone);
    drop(engine);
    let found = recovered(root.path()).unwrap();
    assert_eq!(found.report().redone.changes, 5);
    assert_eq!(*found.catalogue(), before);
    found.activate(activation()).unwrap().close(1).unwrap();
    let found = recovered(root.path()).unwrap();
    assert_eq!(found.report().redone.changes, 0, "the end took a checkpoint");
    assert_eq!(*found.catalogue(), before);
    assert_eq!(found.catalogue().qmgr().unwrap().shown("DESCR").as_deref(), Some("the one"));
}

#[test]
fn a_refused_change_changes_nothing() {
    let root = made();
    let engine = started(root.path());
    engine.define(queue("A"), Replace::No, AT).unwrap();
    let before = engine.read(Clone::clone);
    let end = engine.log().end();
    let again = engine.define(queue("A"), Replace::No, AT);
    assert!(matches!(again, Err(ChangeError::Exists { .. })));
    let alias = Object::new(Kind::Qalias, "A").unwrap();
    let other = engine.define(alias, Replace::Yes, AT);
    assert!(matches!(other, Err(ChangeError::OtherType { is: Kind::Qlocal, .. })));
    let qmgr = engine.define(new_qmgr(&name(), AT), Replace::Yes, AT);
    assert!(matches!(qmgr, Err(ChangeError::Qmgr)));
    assert!(matches!(engine.delete(&key(Class::Qmgr, "QM1")), Err(ChangeError::Qmgr)));
    let none = engine.delete(&key(Class::Queue, "B"));
    assert!(matches!(none, Err(ChangeError::Missing { .. })));
    let bad = engine.alter(&key(Class::Queue, "A"), AT, |a| a.set("MAXDEPTH", "-1"));
    assert!(matches!(bad, Err(ChangeError::Bad(_))));
    let level = engine.raise_level(level::MAX + 1, AT);
    assert!(matches!(level, Err(ChangeError::Level(level::BadLevel::OutOfRange { .. }))));
    let level = engine.raise_level(level::MAX, AT);
    assert!(matches!(level, Err(ChangeError::Level(level::BadLevel::NotHigher { .. }))));
    assert_eq!(engine.read(Clone::clone), before);
    assert_eq!(engine.log().end(), end, "nothing was logged");
}

#[test]
fn defaults_are_made_anew_and_the_rest_stays() {
    let root = made();
    let engine = started(root.path());
    let later = UtcTime(AT.0 + 86_400_000_000);
    let local = key(Class::Queue, "SYSTEM.DEFAULT.LOCAL.QUEUE");
    engine.alter(&local, AT, |q| q.set("MAXDEPTH", "7")).unwrap();
    engine.delete(&key(Class::Queue, "SYSTEM.DEAD.LETTER.QUEUE")).unwrap();
    engine.delete(&key(Class::Queue, "SYSTEM.CHANNEL.INITQ")).unwrap();
    let alias = Object::new(Kind::Qalias, "SYSTEM.CHANNEL.INITQ").unwrap();
    engine.define(alias, Replace::No, AT).unwrap();
    engine.define(queue("A"), Replace::No, AT).unwrap();
    engine.alter_qmgr(AT, |qmgr| qmgr.set("DEADQ", "A")).unwrap();
    let counts = engine.redefine_defaults(later).unwrap();
    let replaced = defaults::COUNT as u64 - 2;
    assert_eq!(counts, Counts { created: 1, replaced, failed: 1 });
    drop(engine);
    let found = recovered(root.path()).unwrap();
    let shown = |name: &str, keyword: &str| {
        found.catalogue().find(Class::Queue, name).and_then(|o| o.shown(keyword)).unwrap()
    };
    assert_eq!(shown("SYSTEM.DEFAULT.LOCAL.QUEUE", "MAXDEPTH"), "5000");
    assert_eq!(shown("SYSTEM.DEFAULT.LOCAL.QUEUE", "CRDATE"), "2026-11-21");
    assert_eq!(shown("SYSTEM.DEFAULT.LOCAL.QUEUE", "ALTDATE"), "2026-11-22");
    assert_eq!(shown("SYSTEM.DEAD.LETTER.QUEUE", "CRDATE"), "2026-11-22");
    assert!(found.catalogue().find(Class::Queue, "A").is_some());
    assert_eq!(found.catalogue().qmgr().unwrap().shown("DEADQ").as_deref(), Some("A"));
}

#[test]
fn checkpoints_keep_one_snapshot_and_let_the_log_be_used_again() {
    let root = made();
    let engine = started(root.path());
    let nothing_new = engine.checkpoint().unwrap();
    assert!(!nothing_new.written, "the snapshot of the creation serves on");
    let mut extents = 0;
    for n in 0..3000 {
        let object = Object::new(Kind::Process, &format!("P{}", n % 50)).unwrap();
        engine.define(object, Replace::Yes, AT).unwrap();
        if engine.checkpoint_due() {
            let checkpoint = engine.checkpoint().unwrap();
            assert!(checkpoint.written);
            assert_eq!(checkpoint.removed, 1);
            extents += 1;
        }
    }
    assert!(extents > 5, "{extents} checkpoints");
    assert!(engine.log().stats().extents_reused + engine.log().stats().extents_removed > 3);
    let files = std::fs::read_dir(root.path().join("objects")).unwrap().count();
    assert_eq!(files, 1);
    assert_eq!(engine.misnamed().unwrap(), None);
    assert!(engine.reassert().unwrap());
    let before = engine.read(Clone::clone);
    drop(engine);
    assert_eq!(*recovered(root.path()).unwrap().catalogue(), before);
}

#[test]
fn many_changes_share_a_force_and_become_visible_in_order() {
    let root = made();
    let engine = started(root.path());
    let batches = engine.log().stats().batches;
    let mut last = None;
    for n in 0..100 {
        let (ticket, _) = engine.log_define(queue(&format!("Q{n}")), Replace::No, AT).unwrap();
        last = Some(ticket);
    }
    assert!(engine.get(&key(Class::Queue, "Q0")).is_none(), "not durable, not visible");
    let twice = engine.define(queue("Q0"), Replace::No, AT);
    assert!(matches!(twice, Err(ChangeError::Exists { .. })), "but it counts");
    engine.settle(last.unwrap()).unwrap();
    assert!(engine.get(&key(Class::Queue, "Q99")).is_some());
    assert!(engine.log().stats().batches - batches <= 2);
}

#[test]
fn a_higher_level_is_refused_before_the_objects_are_read() {
    let root = made();
    let engine = started(root.path());
    engine
        .alter_qmgr(AT, |qmgr| {
            let higher = i32::from(level::MAX) + 1;
            qmgr.set_value("CMDLEVEL", miqm_engine::attr::Value::Int(higher))
        })
        .unwrap();
    drop(engine);
    let refused = |root: &Path| match recovered(root) {
        Err(error @ RecoverError::NewerLevel { .. }) => assert!(error.is_newer()),
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("it starts"),
    };
    refused(root.path());
}

#[test]
fn a_missing_or_held_snapshot_is_named() {
    let root = made();
    let engine = started(root.path());
    let name = engine.checkpoint().unwrap().snapshot.file_name();
    let path = root.path().join("objects").join(name);
    drop(engine);
    let aside = root.path().join("aside");
    std::fs::rename(&path, &aside).unwrap();
    match recovered(root.path()) {
        Err(RecoverError::Snapshot(SnapshotError::Missing { path: named })) => {
            assert_eq!(named, path);
        }
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("it starts"),
    }
    std::fs::rename(&aside, &path).unwrap();
    let held = RealDir::open(&root.path().join("objects"), None).unwrap();
    let file = miqm_sys::disk::Disk::open_rw(&held, path.file_name().unwrap().to_str().unwrap());
    let file = file.unwrap().unwrap();
    assert!(miqm_sys::disk::DiskFile::try_lock_exclusive(&file).unwrap());
    match recovered(root.path()) {
        Err(RecoverError::Snapshot(SnapshotError::Busy { path: named })) => assert_eq!(named, path),
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("it starts"),
    }
}

#[test]
fn changes_checkpoints_and_looks_at_the_locks_do_not_disturb_each_other() {
    let root = made();
    let engine = started(root.path());
    let (engine, working) = (&engine, &AtomicUsize::new(4));
    std::thread::scope(|scope| {
        for thread in 0..4 {
            scope.spawn(move || {
                for n in 0..200 {
                    let name = format!("T{thread}.{}", n % 20);
                    engine.define(queue(&name), Replace::Yes, AT).unwrap();
                    if n % 7 == 0 {
                        engine.delete(&key(Class::Queue, &name)).unwrap();
                    }
                }
                working.fetch_sub(1, Ordering::Relaxed);
            });
        }
        scope.spawn(|| {
            while working.load(Ordering::Relaxed) > 0 {
                engine.checkpoint().unwrap();
            }
        });
        scope.spawn(|| {
            while working.load(Ordering::Relaxed) > 0 {
                assert_eq!(engine.misnamed().unwrap(), None);
                assert!(engine.reassert().unwrap());
            }
        });
    });
    let before = engine.read(Clone::clone);
    assert_eq!(*recovered_copy(root.path()).catalogue(), before);
}

/// What recovery finds in a copy: the files themselves are locked.
fn recovered_copy(root: &Path) -> Recovered<RealDir> {
    let copy = tempfile::tempdir().unwrap();
    for dir in ["log", "log/active", "objects"] {
        std::fs::create_dir_all(copy.path().join(dir)).unwrap();
        for entry in std::fs::read_dir(root.join(dir)).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_file() {
                let to = copy.path().join(dir).join(entry.file_name());
                std::fs::copy(entry.path(), to).unwrap();
            }
        }
    }
    recovered(copy.path()).unwrap()
}
