//! A log on a crash disk, and what is to be true of it.
#![allow(dead_code, reason = "each test uses its part")]

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use miqm_sys::clock::BootInstant;
use miqm_testkit::{CrashDisk, CrashWorld};
use miqm_types::{InstanceId, LogGeometry, LogType, QmgrId, QmgrName};
use miqm_wal::{
    Activation, Creation, Entry, Hold, Identity, Kind, Log, Lost, Lsn, OpenError, Opened,
    Recovered, Recovery, ReplayError, create,
};

/// A hold that a test can take away.
#[derive(Default)]
pub(crate) struct TestHold(pub(crate) AtomicBool);

impl Hold for TestHold {
    fn before_write(&self) -> Result<(), Lost> {
        if self.0.load(Ordering::SeqCst) { Err(Lost) } else { Ok(()) }
    }
    fn before_ack(&self, _: BootInstant) -> Result<(), Lost> {
        self.before_write()
    }
    fn proven(&self, _: BootInstant) {}
}

/// What a workload did.
#[derive(Debug, Default)]
pub(crate) struct Model {
    /// Whether the log was completely made.
    pub(crate) created: bool,
    /// How many records were logged, at most.
    pub(crate) logged: usize,
    /// How many of them were acknowledged.
    pub(crate) acknowledged: usize,
    /// The record at which the latest complete checkpoint began.
    pub(crate) checkpoint: usize,
    /// The record at which the latest checkpoint began.
    pub(crate) tried_checkpoint: usize,
}

/// What a recovery found.
pub(crate) struct Outcome {
    pub(crate) recovered: Recovered<CrashDisk>,
    /// The numbers of the records.
    pub(crate) found: Vec<usize>,
}

pub(crate) fn name() -> QmgrName {
    "QM1".parse().unwrap()
}

pub(crate) fn activation(instance: u8) -> Activation<'static> {
    Activation {
        instance: InstanceId([instance; 16]),
        hold: Arc::new(TestHold::default()),
        files: None,
        body: b"host1",
        background: false,
    }
}

pub(crate) fn creation(log_type: LogType) -> Creation {
    Creation {
        name: name(),
        qmgr: QmgrId([7; 16]),
        salt: 0x5eed,
        geometry: LogGeometry::new(64, 2, 2).unwrap(),
        log_type,
    }
}

pub(crate) fn disks(world: &CrashWorld, host: u32) -> (CrashDisk, CrashDisk) {
    (world.disk(host, "log"), world.disk(host, "active"))
}

pub(crate) fn make(world: &CrashWorld, host: u32) -> Result<Log<CrashDisk>, OpenError> {
    let (directory, active) = disks(world, host);
    create(directory, active, &creation(LogType::Circular), activation(1))
}

pub(crate) fn open(
    world: &CrashWorld,
    host: u32,
    durable: Lsn,
) -> Result<Opened<CrashDisk>, OpenError> {
    let (directory, active) = disks(world, host);
    let identity = Identity { name: &name(), qmgr: QmgrId([7; 16]) };
    Recovery::open(directory, active, identity, durable)
}

/// Why a recovery ended.
#[derive(Debug)]
pub(crate) enum Failed {
    Open(OpenError),
    Replay(ReplayError<Infallible>),
}

impl std::fmt::Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Open(e) => write!(f, "{e}"),
            Self::Replay(e) => write!(f, "{e}"),
        }
    }
}

pub(crate) fn recover(world: &CrashWorld, host: u32) -> Result<Outcome, Failed> {
    recover_knowing(world, host, Lsn::ZERO)
}

pub(crate) fn recover_knowing(
    world: &CrashWorld,
    host: u32,
    durable: Lsn,
) -> Result<Outcome, Failed> {
    let operations = world.operations();
    let mut found = Vec::new();
    let recovered = open(world, host, durable)
        .map_err(Failed::Open)?
        .replay(&mut |_| (), &mut |record| {
            if record.header.kind == Kind::PUT {
                found.push(sequence(record.body));
            }
            Ok(())
        })
        .map_err(Failed::Replay)?;
    assert_eq!(world.operations(), operations, "a reader writes nothing");
    Ok(Outcome { recovered, found })
}

pub(crate) fn activate(
    recovered: Recovered<CrashDisk>,
    instance: u8,
) -> Result<Log<CrashDisk>, OpenError> {
    recovered.activate(activation(instance))
}

pub(crate) fn put(body: &[u8]) -> Entry<'_> {
    Entry { kind: Kind::PUT, uow: 1, uow_prev: Lsn::ZERO, body }
}

/// The body of record number `n`: its number, and something to be checked, of changing length.
pub(crate) fn body(n: usize) -> Vec<u8> {
    let mut body = u32::try_from(n).unwrap().to_le_bytes().to_vec();
    body.resize(40 + n * 7919 % 25_000, u8::try_from(n % 251).unwrap());
    body
}

/// The number of a record, which is whole.
pub(crate) fn sequence(found: &[u8]) -> usize {
    let n = usize::try_from(u32::from_le_bytes(found[..4].try_into().unwrap())).unwrap();
    assert!(found == body(n), "record {n} is whole");
    n
}

/// Nothing lost, nothing invented, in order.
pub(crate) fn check(model: &Model, outcome: &Outcome, about: &str) {
    let found = &outcome.found;
    let first = found.first().copied().unwrap_or(0);
    let checkpoints = [model.checkpoint, model.tried_checkpoint];
    assert!(checkpoints.contains(&first) || found.is_empty(), "{about}: starts at {first}");
    assert!(
        found.iter().copied().eq(first..first + found.len()),
        "{about}: out of order: {found:?}"
    );
    let end = first + found.len();
    assert!(end >= model.acknowledged, "{about}: lost: {end} of {}", model.acknowledged);
    assert!(end <= model.logged, "{about}: invented: {end} of {}", model.logged);
}
