//! The engine against a model of it, on a disk that loses power at every operation.
//!
//! Goal: what recovery finds is what the model had after some change that was logged, and none
//! that was acknowledged is missing. Method: one run of random changes and checkpoints without a
//! crash counts the operations of the disk; then the same run is stopped at each of them, and for
//! each stop the disk keeps what was not durable in several ways. Every failure names its seeds;
//! `MIQM_SEED` and `MIQM_RUNS` choose others.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::sync::Arc;

use miqm_engine::attr::Value;
use miqm_engine::{
    Catalogue, Change, ChangeError, CheckpointError, Class, Creation, Dirs, Engine, Key, Kind,
    Object, RecoverError, Recovered, Replace, Stamp, Ticket, create, defaults, new_qmgr, recover,
};
use miqm_sys::clock::BootInstant;
use miqm_testkit::{CrashDisk, CrashWorld, Fault, Random};
use miqm_types::{InstanceId, LogGeometry, LogType, Lsn, QmgrId, QmgrName, UtcTime};
use miqm_wal::{Activation, Hold, Identity, Lost, OpenError, Recovery};

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
        body: b"",
        background: false,
    }
}

fn name() -> QmgrName {
    "QM1".parse().unwrap()
}

fn dirs(world: &CrashWorld) -> Dirs<CrashDisk> {
    Dirs {
        log: world.disk(1, "log"),
        active: world.disk(1, "active"),
        objects: world.disk(1, "objects"),
    }
}

fn creation() -> Creation {
    Creation {
        log: miqm_wal::Creation {
            name: name(),
            qmgr: QmgrId([1; 16]),
            salt: 7,
            geometry: LogGeometry::new(64, 2, 1).unwrap(),
            log_type: LogType::Circular,
        },
        qmgr: new_qmgr(&name(), UtcTime(0)),
        port: None,
        at: UtcTime(0),
        end_state: 1,
    }
}

#[derive(Debug)]
#[expect(dead_code, reason = "shown when a test fails")]
enum Failed {
    Open(OpenError),
    Recover(RecoverError),
}

fn recovered(world: &CrashWorld) -> Result<Recovered<CrashDisk>, Failed> {
    let Dirs { log, active, objects } = dirs(world);
    let (name, qmgr) = (name(), QmgrId([1; 16]));
    let operations = world.operations();
    let opened = Recovery::open(log, active, Identity { name: &name, qmgr }, Lsn::ZERO)
        .map_err(Failed::Open)?;
    let found = recover(opened, objects, &mut |_| ()).map_err(Failed::Recover)?;
    assert_eq!(world.operations(), operations, "recovery writes nothing");
    Ok(found)
}

/// Every state of the catalogue that was logged, and how many of them were acknowledged.
struct Model {
    states: Vec<Catalogue>,
    acknowledged: usize,
}

impl Model {
    fn last(&self) -> &Catalogue {
        self.states.last().unwrap()
    }

    fn log(&mut self, change: Change) {
        let mut next = self.last().clone();
        next.apply(change);
        self.states.push(next);
    }

    fn acknowledge(&mut self) {
        self.acknowledged = self.states.len() - 1;
    }
}

/// An object of a type and name by chance, out of few, so that they meet again.
fn object(random: &mut Random) -> Object {
    let kinds = [Kind::Qlocal, Kind::Qalias, Kind::Sdr, Kind::Topic, Kind::ChlAddressMap];
    let kind = kinds[usize::try_from(random.below(5)).unwrap()];
    let mut object = Object::new(kind, &format!("O{}", random.below(6))).unwrap();
    object.set("DESCR", &"x".repeat(usize::try_from(random.below(60)).unwrap())).unwrap();
    object
}

fn key(random: &mut Random, catalogue: &Catalogue) -> Option<Key> {
    let own: Vec<_> = catalogue.iter().filter(|object| object.name().starts_with('O')).collect();
    let n = own.len() as u64;
    (n > 0).then(|| own[usize::try_from(random.below(n)).unwrap()].key())
}

/// Random changes, one at a time or several that share a force, and checkpoints. Stops at the
/// first error: then the power was cut.
fn workload(engine: &Engine<CrashDisk>, model: &mut Model, seed: u64) -> Result<(), ()> {
    let mut random = Random::new(seed);
    for at in 1..14 {
        let at = UtcTime(at * 1_000_000);
        let mut ticket = None;
        for _ in 0..=random.below(3) {
            let logged = change(engine, model, &mut random, at)?;
            ticket = logged.or(ticket);
        }
        if let Some(ticket) = ticket {
            engine.settle(ticket).map_err(drop)?;
            model.acknowledge();
            assert_eq!(engine.read(Clone::clone), *model.last(), "seed {seed}");
        }
        if random.below(4) == 0 {
            engine.checkpoint().map_err(drop)?;
            // What a checkpoint saved is durable.
            model.acknowledge();
        }
    }
    Ok(())
}

/// What is asked of the engine, and what the model says becomes of it.
enum Asked {
    Define(Object),
    Alter(Key),
    Delete(Key),
}

/// Logs a change by chance; `Ok(None)` if there was nothing to change or it was refused.
fn change(
    engine: &Engine<CrashDisk>,
    model: &mut Model,
    random: &mut Random,
    at: UtcTime,
) -> Result<Option<Ticket>, ()> {
    let asked = match random.below(8) {
        0..5 => Some(Asked::Define(object(random))),
        5 => key(random, model.last()).map(Asked::Alter),
        6 => key(random, model.last()).map(Asked::Delete),
        _ => model.last().qmgr().map(|qmgr| Asked::Alter(qmgr.key())),
    };
    let Some(asked) = asked else { return Ok(None) };
    let expected = expected(&asked, model.last(), at);
    let found = match asked {
        Asked::Define(object) => {
            let replaces = model.last().get(&object.key()).is_some();
            engine.log_define(object, Replace::Yes, at).map(|(ticket, replaced)| {
                assert_eq!(replaced, replaces);
                ticket
            })
        }
        Asked::Alter(key) => engine.log_alter(&key, at, |o| Ok(o.set("DESCR", "altered")?)),
        Asked::Delete(key) => engine.log_delete(&key),
    };
    match (found, expected) {
        (Ok(ticket), Some(change)) => {
            model.log(change);
            Ok(Some(ticket))
        }
        (Err(ChangeError::OtherType { .. }), None) => Ok(None),
        (Err(ChangeError::Log(_)), _) => Err(()),
        (found, expected) => panic!("{found:?}, but expected {expected:?}"),
    }
}

fn expected(asked: &Asked, before: &Catalogue, at: UtcTime) -> Option<Change> {
    let stamp = Stamp::of(at);
    match asked {
        Asked::Define(object) => {
            let mut object = object.clone();
            object.created(&stamp);
            if let Some(old) = before.get(&object.key()) {
                if old.kind() != object.kind() {
                    return None;
                }
                for keyword in ["CRDATE", "CRTIME"] {
                    if let Some(was) = old.shown(keyword) {
                        object.set_value(keyword, Value::Text(was.into())).unwrap();
                    }
                }
            }
            Some(Change::Define(object.into()))
        }
        Asked::Alter(key) => {
            let mut object = Object::clone(before.get(key).unwrap());
            object.set("DESCR", "altered").unwrap();
            object.altered(&stamp);
            Some(Change::Alter(object.into()))
        }
        Asked::Delete(key) => Some(Change::Delete(before.get(key).unwrap().clone())),
    }
}

/// A storage with a queue manager that has just been created.
fn created() -> (CrashWorld, Catalogue) {
    let world = CrashWorld::new();
    create(dirs(&world), &creation(), activation(1)).unwrap();
    let catalogue = recovered(&world).unwrap().catalogue().clone();
    (world, catalogue)
}

fn run(world: &CrashWorld, catalogue: &Catalogue, seed: u64) -> Model {
    let mut model = Model { states: vec![catalogue.clone()], acknowledged: 0 };
    let found = recovered(world).unwrap();
    if let Ok(engine) = found.activate(activation(2))
        && workload(&engine, &mut model, seed).is_ok()
        && engine.close(1).is_ok()
    {
        model.acknowledge();
    }
    model
}

fn setting(name: &str, default: u64) -> u64 {
    #[expect(clippy::disallowed_methods, reason = "a test is set up by its environment")]
    let value = std::env::var(name).ok();
    value.map_or(default, |value| value.parse().expect("a number"))
}

#[test]
#[expect(clippy::print_stdout, reason = "how much was tried belongs to the result")]
fn no_crash_loses_a_change_or_invents_one() {
    let (base, catalogue) = created();
    let first = setting("MIQM_SEED", 1);
    let (mut crashes, mut images, mut changes) = (0, 0, 0);
    for seed in first..first + setting("MIQM_RUNS", 1) {
        let whole = base.image(0);
        let model = run(&whole, &catalogue, seed);
        changes += model.states.len() - 1;
        let end = recovered(&whole).unwrap();
        assert_eq!(end.catalogue(), model.last(), "seed {seed}");
        for crash_at in 0..whole.operations() {
            let world = base.image(0);
            world.crash_at(crash_at);
            let model = run(&world, &catalogue, seed);
            crashes += 1;
            for image_seed in 0..4 {
                images += 1;
                let about = format!("seed {seed}, crash {crash_at}, image {image_seed}");
                let image = world.image(image_seed);
                check(&image, &model, &about);
            }
        }
    }
    println!("{changes} changes, {crashes} crashes, {images} images from seed {first}");
}

/// What recovery finds is in the model, and work goes on from there.
fn check(image: &CrashWorld, model: &Model, about: &str) {
    let found = recovered(image).unwrap_or_else(|e| panic!("{about}: {e:?}"));
    let state = model.states.iter().rposition(|state| state == found.catalogue());
    let state = state.unwrap_or_else(|| panic!("{about}: no state of the model"));
    assert!(state >= model.acknowledged, "{about}: {state} of {}", model.acknowledged);
    let catalogue = found.catalogue().clone();
    let engine = found.activate(activation(3)).unwrap_or_else(|e| panic!("{about}: {e}"));
    engine.define(Object::new(Kind::Process, "P").unwrap(), Replace::Yes, UtcTime(0)).unwrap();
    engine.checkpoint().unwrap_or_else(|e| panic!("{about}: {e}"));
    drop(engine);
    let again = recovered(image).unwrap_or_else(|e| panic!("{about}: {e:?}"));
    assert_eq!(again.catalogue().len(), catalogue.len() + 1, "{about}");
    assert_eq!(again.report().redone.changes, 0, "{about}: the checkpoint has it all");
    let snapshots = image.names("objects");
    assert_eq!(snapshots.len(), 1, "{about}: {snapshots:?}");
}

#[test]
fn a_creation_that_is_cut_is_whole_or_not_there() {
    let whole = CrashWorld::new();
    create(dirs(&whole), &creation(), activation(1)).unwrap();
    let mut complete = 0;
    for crash_at in 0..whole.operations() {
        let world = CrashWorld::new();
        world.crash_at(crash_at);
        let made = create(dirs(&world), &creation(), activation(1));
        // The last operation may have been done, and nobody heard of it.
        assert!(made.is_err(), "crash {crash_at}");
        for seed in 0..4 {
            // What is there is a queue manager with every object, or refused.
            let Ok(found) = recovered(&world.image(seed)) else { continue };
            assert_eq!(found.catalogue().len(), defaults::COUNT + 1, "crash {crash_at}, {seed}");
            complete += 1;
        }
    }
    assert!(complete > 0, "the last steps only tell that it is complete");
}

#[test]
fn a_snapshot_that_cannot_be_written_stops_checkpoints_and_nothing_else() {
    let (world, _) = created();
    let engine = recovered(&world).unwrap().activate(activation(2)).unwrap();
    let queue = |name: &str| Object::new(Kind::Qlocal, name).unwrap();
    engine.define(queue("A"), Replace::No, UtcTime(0)).unwrap();
    // The first write of a checkpoint is the snapshot's.
    world.fault(Fault::WriteFails(0));
    let failed = engine.checkpoint().unwrap_err();
    assert!(matches!(failed, CheckpointError::Snapshot(_)), "{failed}");
    engine.define(queue("B"), Replace::No, UtcTime(0)).unwrap();
    assert_eq!(world.names("objects").len(), 1, "nothing half-made is left");
    world.heal();
    assert_eq!(engine.checkpoint().unwrap().removed, 1);
    drop(engine);
    let found = recovered(&world).unwrap();
    assert!(["A", "B"].iter().all(|name| found.catalogue().find(Class::Queue, name).is_some()));
}

#[test]
fn after_a_failed_sync_nothing_is_acknowledged() {
    let (world, _) = created();
    let engine = recovered(&world).unwrap().activate(activation(2)).unwrap();
    let queue = |name: &str| Object::new(Kind::Qlocal, name).unwrap();
    world.fault(Fault::SyncFails(0));
    let lost = engine.define(queue("A"), Replace::No, UtcTime(0));
    assert!(matches!(lost, Err(ChangeError::Log(_))));
    assert!(engine.read(|catalogue| catalogue.find(Class::Queue, "A").is_none()), "not visible");
    let after = engine.define(queue("B"), Replace::No, UtcTime(0));
    assert!(matches!(after, Err(ChangeError::Log(_))), "the log has ended");
    assert!(matches!(engine.checkpoint(), Err(CheckpointError::Log(_))));
    assert!(engine.close(1).is_err());
    let found = recovered(&world).unwrap();
    assert!(found.catalogue().find(Class::Queue, "B").is_none());
}

#[test]
fn a_snapshot_that_cannot_be_made_durable_is_not_referred_to() {
    let (world, _) = created();
    let engine = recovered(&world).unwrap().activate(activation(2)).unwrap();
    let queue = Object::new(Kind::Qlocal, "A").unwrap();
    engine.define(queue, Replace::No, UtcTime(0)).unwrap();
    // The sync of the snapshot comes before any of the log.
    world.fault(Fault::SyncFails(0));
    assert!(matches!(engine.checkpoint(), Err(CheckpointError::Snapshot(_))));
    drop(engine);
    let found = recovered(&world).unwrap();
    assert!(found.catalogue().find(Class::Queue, "A").is_some());
    assert_eq!(found.report().redone.changes, 1);
}
