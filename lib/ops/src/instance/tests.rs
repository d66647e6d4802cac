//! With which options an instance is started that a service manager starts.

use miqm_qmgr::runtime::LocalRole;

use super::*;
use crate::systemd::tests::{World, owner, world};

fn standing(world: &World) -> StartRequest {
    StartRequest {
        qmgr: world.qmgr.clone(),
        multi_instance: true,
        remake_dirs: false,
        services: true,
        patience: std::time::Duration::from_secs(5),
    }
}

fn take(world: &World) -> (bool, bool, bool, Option<Notice>) {
    let wanted = wanted(&world.env, &standing(world)).unwrap();
    let StartRequest { multi_instance, remake_dirs, services, .. } = wanted.request;
    (multi_instance, remake_dirs, services, wanted.notice)
}

/// What is taken if a command waits.
fn wanted_by_a_command(world: &World, options: Options) -> (bool, bool, bool, Option<Notice>) {
    let waiting = wish::Waiting::listen(&world.runtime, options, owner(), owner());
    let mut waiting = waiting.unwrap().expect("no other waits");
    std::thread::scope(|scope| {
        let taken = scope.spawn(|| take(world));
        while !waiting.is_taken() {
            drop(waiting.hear(std::time::Duration::from_millis(20)));
        }
        taken.join().unwrap()
    })
}

const OTHER: &[u8] = b"{\"multi_instance\":false,\"remake_dirs\":false,\"services\":true}";

#[test]
fn options_hold_until_the_instance_is_ended_in_order() {
    let world = world();
    assert_eq!(take(&world), (true, false, true, None), "those of the unit");
    let options = Options { multi_instance: false, remake_dirs: true, services: false };
    assert_eq!(wanted_by_a_command(&world, options), (false, true, false, None));
    // The command has gone, the instance was killed: the next one is as the command wanted it.
    for _ in 0..2 {
        assert_eq!(take(&world), (false, false, false, Some(Notice::Kept)));
    }
    let instance = world.instance(LocalRole::Active, false);
    forget_options(&world.env, &world.qmgr).unwrap();
    assert!(world.runtime.options_file().exists(), "they are of the one that runs");
    drop(instance);
    forget_options(&world.env, &world.qmgr).unwrap();
    forget_options(&world.env, &world.qmgr).unwrap();
    assert_eq!(take(&world), (true, false, true, None));
    // What the unit says anyway needs not be kept; it replaces what was.
    std::fs::write(world.runtime.options_file(), OTHER).unwrap();
    let options = Options { multi_instance: true, remake_dirs: true, services: true };
    assert_eq!(wanted_by_a_command(&world, options), (true, true, true, None));
    assert!(!world.runtime.options_file().exists());
    assert_eq!(take(&world), (true, false, true, None));
}

#[test]
fn options_that_somebody_else_put_there_are_not_believed() {
    let world = world();
    let path = world.runtime.options_file();
    let unusable = |what: &str| match take(&world) {
        (true, false, true, Some(Notice::Unusable { path: told, why })) => {
            assert_eq!(told, path);
            why
        }
        other => panic!("{what}: {other:?}"),
    };
    for bad in [
        &b""[..],
        b"{",
        b"\xff\xff",
        b"{\"multi_instance\":false}",
        b"{\"multi_instance\":false,\"remake_dirs\":false,\"services\":true,\"more\":1}",
        &[b' '; 10_000],
    ] {
        std::fs::write(&path, bad).unwrap();
        unusable("bytes");
    }
    std::fs::write(&path, OTHER).unwrap();
    assert_eq!(take(&world), (false, false, true, Some(Notice::Kept)), "so much is good");
    let real = path.with_extension("real");
    std::fs::rename(&path, &real).unwrap();
    std::os::unix::fs::symlink(&real, &path).unwrap();
    unusable("a link");
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    unusable("a directory");
    std::fs::remove_dir(&path).unwrap();
    if miqm_sys::user::caller().unwrap().is_root() {
        std::fs::rename(&real, &path).unwrap();
        std::os::unix::fs::chown(&path, Some(3_999_999), None).unwrap();
        assert_eq!(unusable("another user"), "it belongs to somebody else");
    }
}
