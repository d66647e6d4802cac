//! The log on real files: what is logged is there after a crash, an orderly end, a takeover.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::path::Path;
use std::sync::Arc;

use miqm_sys::clock::BootInstant;
use miqm_sys::disk::RealDir;
use miqm_types::{Epoch, InstanceId, LogGeometry, LogType, Lsn, QmgrId, QmgrName};
use miqm_wal::{
    Activation, Creation, Entry, Hold, Identity, Kind, Log, Lost, OpenError, Recovered, Recovery,
    create,
};

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

fn activation(instance: u8) -> Activation<'static> {
    Activation {
        instance: InstanceId([instance; 16]),
        hold: Arc::new(Held),
        files: None,
        body: b"host1",
        background: true,
    }
}

fn dirs(root: &Path) -> (RealDir, RealDir) {
    let active = root.join("active");
    if !active.exists() {
        std::fs::create_dir(&active).unwrap();
    }
    (RealDir::open(root, None).unwrap(), RealDir::open(&active, None).unwrap())
}

fn name() -> QmgrName {
    "QM1".parse().unwrap()
}

fn make(root: &Path) -> Log {
    let (directory, active) = dirs(root);
    let creation = Creation {
        name: name(),
        qmgr: QmgrId([7; 16]),
        salt: 0x5eed,
        geometry: LogGeometry::new(64, 2, 1).unwrap(),
        log_type: LogType::Circular,
    };
    create(directory, active, &creation, activation(1)).unwrap()
}

fn put(body: &[u8]) -> Entry<'_> {
    Entry { kind: Kind::PUT, uow: 0, uow_prev: Lsn::ZERO, body }
}

fn open(root: &Path) -> Result<miqm_wal::Opened<RealDir>, OpenError> {
    let (directory, active) = dirs(root);
    let identity = Identity { name: &name(), qmgr: QmgrId([7; 16]) };
    Recovery::open(directory, active, identity, Lsn::ZERO)
}

/// The bodies of the messages in the log.
fn replay(root: &Path) -> (Recovered<RealDir>, Vec<Vec<u8>>) {
    let mut bodies = Vec::new();
    let recovered = open(root)
        .unwrap()
        .replay(&mut |_| (), &mut |record| {
            if record.header.kind == Kind::PUT {
                bodies.push(record.body.to_vec());
            }
            Ok::<(), std::convert::Infallible>(())
        })
        .unwrap();
    (recovered, bodies)
}

#[test]
fn what_was_forced_is_replayed_epoch_after_epoch() {
    let temp = tempfile::tempdir().unwrap();
    let log = make(temp.path());
    assert!(matches!(open(temp.path()), Err(OpenError::Busy { .. })));
    let end = log.append(&[put(b"one"), put(b"two")]).unwrap().end;
    log.force(end).unwrap();
    log.close(3).unwrap();

    let (recovered, bodies) = replay(temp.path());
    assert_eq!(bodies, [b"one", b"two"]);
    assert_eq!(recovered.control().ended, Some(3));
    let log = recovered.activate(activation(2)).unwrap();
    assert_eq!(log.epoch(), Epoch(2));
    let end = log.append(&[put(b"three")]).unwrap().end;
    log.force(end).unwrap();
    assert!(log.reassert_all().unwrap());
    assert_eq!(log.misnamed().unwrap(), None);
    drop(log);

    let (recovered, bodies) = replay(temp.path());
    assert_eq!(bodies, [&b"one"[..], b"two", b"three"]);
    assert_eq!(recovered.control().ended, None);
    let (epoch, end) = (recovered.control().epoch, recovered.replayed().end);
    drop(recovered);
    assert_eq!(replay(temp.path()).0.replayed().end, end, "reading changes nothing");
    assert_eq!(epoch, Epoch(2));
}

#[test]
fn extents_are_used_again_while_checkpoints_are_taken() {
    let temp = tempfile::tempdir().unwrap();
    let log = make(temp.path());
    let body = vec![b'x'; 10_000];
    for n in 0..400_u32 {
        let begin = log.append(&[put(&body)]).unwrap();
        log.force(begin.end).unwrap();
        if n % 10 == 9 {
            log.checkpoint(begin.first, begin.first, b"reference").unwrap();
        }
    }
    let stats = log.stats();
    assert!(stats.extents_reused > 5, "{stats:?}");
    let files = std::fs::read_dir(temp.path().join("active")).unwrap().count();
    assert!(files <= 4, "{files} files");
    drop(log);
    let (recovered, bodies) = replay(temp.path());
    assert_eq!(bodies.len(), 1);
    assert_eq!(recovered.control().body, b"reference");
    let log = recovered.activate(activation(2)).unwrap();
    log.close(0).unwrap();
}

#[test]
fn many_threads_share_a_force() {
    let temp = tempfile::tempdir().unwrap();
    let log = make(temp.path());
    std::thread::scope(|scope| {
        for thread in 0..16_u8 {
            let log = &log;
            scope.spawn(move || {
                for n in 0..20_u8 {
                    let end = log.append(&[put(&[thread, n])]).unwrap().end;
                    log.force(end).unwrap();
                    assert!(log.durable() >= end);
                }
            });
        }
    });
    assert!(log.stats().batches < 330, "{:?}", log.stats());
    drop(log);
    let (_, bodies) = replay(temp.path());
    for thread in 0..16 {
        let of: Vec<u8> = bodies.iter().filter(|b| b[0] == thread).map(|b| b[1]).collect();
        assert_eq!(of, (0..20).collect::<Vec<u8>>(), "thread {thread}");
    }
}
