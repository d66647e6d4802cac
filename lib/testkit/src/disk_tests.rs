//! The crash disk keeps its own promises.

use super::*;

#[test]
fn what_is_synced_survives_and_nothing_else_is_certain() {
    let world = CrashWorld::new();
    let disk = world.disk(1, "d");
    let file = disk.create_new("a").unwrap();
    file.write_at(&[1; 1024], 0).unwrap();
    file.sync_data().unwrap();
    disk.sync_dir().unwrap();
    assert!(world.settled());
    file.write_at(&[2; 1024], 512).unwrap();
    disk.link("a", "b").unwrap();
    assert!(!world.settled());
    let (mut old, mut new, mut mixed, mut linked) = (0, 0, 0, 0);
    for seed in 0..200 {
        let image = world.image(seed);
        let bytes = image.bytes("d", "a");
        assert_eq!(bytes[..512], [1; 512], "seed {seed}");
        match &bytes[512..] {
            rest if rest == [1; 512] => old += 1,
            rest if rest == [2; 1024] => new += 1,
            _ => mixed += 1,
        }
        linked += u32::from(image.names("d").contains(&"b".to_owned()));
        assert_eq!(bytes, world.image(seed).bytes("d", "a"), "the seed decides");
    }
    assert!(old > 10 && new > 10 && mixed > 10 && (20..180).contains(&linked));
}

#[test]
fn after_a_power_cut_nothing_works() {
    let world = CrashWorld::new();
    let disk = world.disk(1, "d");
    let file = disk.create_new("a").unwrap();
    world.crash_at(world.operations() + 1);
    file.write_at(b"x", 0).unwrap();
    assert!(file.sync_data().is_err());
    assert!(world.crashed());
    assert!(file.read_at(&mut [0], 0).is_err());
    assert!(file.write_at(b"y", 0).is_err());
    assert!(disk.list().is_err());
}

#[test]
fn a_failed_sync_drops_what_it_should_have_written() {
    let world = CrashWorld::new();
    let disk = world.disk(1, "d");
    let file = disk.create_new("a").unwrap();
    disk.sync_dir().unwrap();
    file.write_at(&[0; 4], 0).unwrap();
    file.sync_data().unwrap();
    file.write_at(b"lost", 0).unwrap();
    world.fault(Fault::SyncFails(0));
    assert!(file.sync_data().is_err());
    file.sync_data().unwrap();
    for seed in 0..50 {
        assert_eq!(world.image(seed).bytes("d", "a"), [0; 4]);
    }
}

#[test]
fn space_and_locks_are_counted() {
    let world = CrashWorld::new();
    let (one, two) = (world.disk(1, "d"), world.disk(2, "d"));
    let file = one.create_new("a").unwrap();
    world.fault(Fault::NoSpaceAfter(100));
    assert!(file.allocate(101).unwrap_err().is_no_space());
    file.allocate(100).unwrap();
    let other = two.open_rw("a").unwrap().unwrap();
    assert!(file.try_lock_exclusive().unwrap());
    assert!(!other.try_lock_exclusive().unwrap());
    world.revoke(1, Revoked::Fenced);
    assert!(other.try_lock_exclusive().unwrap());
    assert!(!file.reassert().unwrap());
    assert!(file.write_at(b"x", 0).is_err());
    one.link("a", "b").unwrap();
}
