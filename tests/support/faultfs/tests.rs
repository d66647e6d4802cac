use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;

use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use super::*;

/// How long a test waits for something that should come at once.
const SOON: Duration = Duration::from_secs(10);
/// How long a test watches that something does not happen.
const A_WHILE: Duration = Duration::from_millis(200);

/// Two hosts that share a store.
struct World {
    a: Mount,
    b: Mount,
    store: SharedStore,
    directory: TempDir,
}

impl World {
    fn new() -> Option<Self> {
        let directory = TempDir::new().expect("a directory");
        let below = |name: &str| {
            let path = directory.path().join(name);
            fs::create_dir(&path).expect("a directory");
            path
        };
        let store = SharedStore::or_skip(&below("store"))?;
        let (a, b) = (store.mount("a", &below("a")), store.mount("b", &below("b")));
        Some(Self { a, b, store, directory })
    }
}

/// Makes the mounts, or ends the test where that is not possible.
macro_rules! world {
    () => {
        match World::new() {
            Some(world) => world,
            None => return,
        }
    };
}

fn open(mount: &Mount, name: &str) -> File {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true);
    options.open(mount.path().join(name)).expect("the file opens")
}

fn range(kind: i32, start: i64, len: i64) -> libc::flock {
    libc::flock {
        l_type: i16::try_from(kind).expect("a small number"),
        l_whence: i16::try_from(libc::SEEK_SET).expect("a small number"),
        l_start: start,
        l_len: len,
        l_pid: 0,
    }
}

/// Whether the lock was free.
fn try_lock(file: &File) -> bool {
    match fcntl(file, FcntlArg::F_OFD_SETLK(&range(libc::F_WRLCK, 0, 0))) {
        Ok(_) => true,
        Err(nix::errno::Errno::EAGAIN) => false,
        Err(other) => panic!("F_OFD_SETLK: {other}"),
    }
}

fn is_eio<T: std::fmt::Debug>(result: io::Result<T>) -> bool {
    result.expect_err("it fails").raw_os_error() == Some(libc::EIO)
}

fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < SOON, "{what}");
        thread::sleep(Duration::from_millis(5));
    }
}

fn spawn(program: &str, arguments: &[&str], file: &Path) -> Child {
    let mut command = Command::new(program);
    command.args(arguments).arg(file).stdin(Stdio::null()).stdout(Stdio::null());
    command.stderr(Stdio::null()).spawn().expect("a common command")
}

fn has_ended(child: &mut Child) -> bool {
    child.try_wait().expect("a child").is_some()
}

#[test]
fn two_mounts_are_one_store() {
    let world = world!();
    let (a, b) = (world.a.path(), world.b.path());
    fs::write(a.join("file"), "from a").expect("written");
    assert_eq!(fs::read(b.join("file")).expect("read"), b"from a");
    let file = open(&world.b, "file");
    fs::write(a.join("file"), "longer, from a").expect("written");
    assert_eq!(file.metadata().expect("stat").len(), 14, "no attribute is cached");
    file.write_all_at(b"LONGER", 0).expect("written");
    assert_eq!(fs::read(a.join("file")).expect("read"), b"LONGER, from a");

    fs::create_dir_all(a.join("deep/er")).expect("made");
    fs::set_permissions(a.join("deep"), fs::Permissions::from_mode(0o2770)).expect("set");
    fs::rename(b.join("file"), b.join("deep/file")).expect("renamed");
    symlink("file", b.join("deep/link")).expect("linked");
    fs::hard_link(a.join("deep/file"), a.join("deep/er/name")).expect("linked");
    assert_eq!(fs::read(a.join("deep/link")).expect("read"), b"LONGER, from a");
    let mode = |name: &str| fs::metadata(b.join(name)).expect("stat").mode() & 0o7777;
    assert_eq!(mode("deep"), 0o2770);
    fs::create_dir(b.join("deep/new")).expect("made");
    assert_eq!(mode("deep/new") & 0o2000, 0o2000, "inherited");
    let mut names: Vec<_> = fs::read_dir(b.join("deep"))
        .expect("listed")
        .map(|entry| entry.expect("listed").file_name().into_string().expect("ASCII"))
        .collect();
    names.sort();
    assert_eq!(names, ["er", "file", "link", "new"]);
    file.sync_all().expect("synced");
    File::open(b).expect("opened").sync_all().expect("synced");
    fs::remove_file(a.join("deep/file")).expect("removed");
    fs::remove_dir(a.join("deep/new")).expect("removed");
    assert_eq!(fs::metadata(b.join("deep/file")).expect_err("gone").kind(), ErrorKind::NotFound);
    assert_eq!(fs::read(b.join("deep/er/name")).expect("read"), b"LONGER, from a");
}

#[test]
fn changes_are_told_with_who_and_when() {
    let world = world!();
    fs::write(world.a.path().join("file"), "12345").expect("written");
    let later = Instant::now();
    open(&world.b, "file").write_all_at(b"xy", 3).expect("written");
    fs::rename(world.b.path().join("file"), world.b.path().join("name")).expect("renamed");
    let what = |changes: Vec<Change>| -> Vec<(PathBuf, What)> {
        changes.into_iter().map(|c| (c.path, c.what)).collect()
    };
    assert!(world.store.changes(Some(later), Some("a")).is_empty());
    assert_eq!(
        what(world.store.changes(Some(later), Some("b"))),
        [
            ("file".into(), What::Write { offset: 3, len_bytes: 2 }),
            ("file".into(), What::Rename { to: "name".into() }),
        ]
    );
    let by_a = world.store.changes(None, Some("a"));
    assert_eq!(by_a[0].what, What::Create);
    assert!(
        by_a.iter().all(|change| change.thread == nix::unistd::gettid().as_raw().unsigned_abs())
    );
    assert_eq!(by_a.last().expect("changes").what, What::Write { offset: 0, len_bytes: 5 });
}

#[test]
fn locks_exclude_across_mounts_until_the_file_is_closed() {
    let world = world!();
    let (a, b) = (open(&world.a, "lock"), open(&world.b, "lock"));
    assert!(try_lock(&a));
    assert!(try_lock(&a), "again");
    assert!(!try_lock(&b));
    assert!(!try_lock(&open(&world.a, "lock")), "another open file on the same host");
    assert_eq!(world.a.locks_held(), 1, "its close let go of nothing");
    drop(a);
    eventually("the close lets go", || try_lock(&b));
    assert_eq!((world.a.locks_held(), world.b.locks_held()), (0, 1));
}

#[test]
fn ranges_and_shared_locks_are_apart() {
    let world = world!();
    let (a, b) = (open(&world.a, "lock"), open(&world.b, "lock"));
    let set = |file: &File, kind, start, len| {
        fcntl(file, FcntlArg::F_OFD_SETLK(&range(kind, start, len))).is_ok()
    };
    assert!(set(&a, libc::F_WRLCK, 0, 512));
    assert!(set(&b, libc::F_WRLCK, 512, 512));
    assert!(!set(&b, libc::F_WRLCK, 511, 1));
    assert!(set(&a, libc::F_RDLCK, 0, 512));
    assert!(set(&b, libc::F_RDLCK, 0, 512));
    assert!(!set(&a, libc::F_WRLCK, 0, 1));
    let mut asked = range(libc::F_WRLCK, 0, 0);
    fcntl(&a, FcntlArg::F_OFD_GETLK(&mut asked)).expect("asked");
    assert_ne!(i32::from(asked.l_type), libc::F_UNLCK);
    assert!(set(&b, libc::F_UNLCK, 0, 1024));
    assert!(set(&a, libc::F_WRLCK, 0, 0));
}

#[test]
fn a_kill_lets_go() {
    let world = world!();
    let b = open(&world.b, "lock");
    let path = world.a.path().join("lock");
    let mut command = Command::new("flock");
    command.arg("--no-fork").arg(&path).args(["sleep", "1000"]).stdin(Stdio::null());
    let mut holder = command.spawn().expect("flock is part of util-linux");
    eventually("the process takes the lock", || world.a.locks_held() == 1);
    assert!(!try_lock(&b));
    holder.kill().expect("killed");
    holder.wait().expect("a child");
    eventually("the death lets go", || try_lock(&b));
}

#[test]
fn who_waits_for_a_lock_gets_it() {
    let world = world!();
    let a = open(&world.a, "lock");
    assert!(try_lock(&a));
    let b = open(&world.b, "lock");
    let (tell, told) = mpsc::channel();
    let waiter = thread::spawn(move || {
        fcntl(&b, FcntlArg::F_OFD_SETLKW(&range(libc::F_WRLCK, 0, 0))).expect("locked");
        tell.send(()).expect("somebody listens");
    });
    assert!(told.recv_timeout(A_WHILE).is_err());
    drop(a);
    told.recv_timeout(SOON).expect("the close lets go");
    waiter.join().expect("no panic");
}

#[test]
fn a_revoked_lock_leaves_a_dead_file_as_on_nfs() {
    let world = world!();
    let a = open(&world.a, "log");
    let other = open(&world.a, "other");
    assert!(try_lock(&a) && try_lock(&other));
    a.write_all_at(b"before", 0).expect("written");
    assert_eq!(world.a.revoke_locks(Fence::Storage), 2);
    let revoked = Instant::now();
    let b = open(&world.b, "log");
    assert!(try_lock(&b));
    b.write_all_at(b"new", 0).expect("written");

    a.write_all_at(b"stale1", 0).expect("the client has not noticed");
    assert!(is_eio(a.sync_data()));
    assert!(is_eio(a.write_all_at(b"stale2", 0)));
    a.sync_data().expect("on NFS this says yes");
    assert!(is_eio(a.read_at(&mut [0; 3], 0)));
    assert!(is_eio(a.set_len(0)));
    assert!(!try_lock(&a));
    drop(b);
    eventually("the lock is free", || try_lock(&a));
    assert!(is_eio(a.write_all_at(b"stale3", 0)), "the lock is no recovery");
    assert_eq!(fs::read(world.b.path().join("log")).expect("read"), b"newore");
    assert!(world.store.changes(Some(revoked), Some("a")).is_empty());

    open(&world.a, "log").write_all_at(b"fresh!", 0).expect("a new file is not fenced");
    assert_eq!(fs::read(world.b.path().join("log")).expect("read"), b"fresh!");
    let synchronous = || {
        let mut options = OpenOptions::new();
        std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, libc::O_DSYNC);
        options.write(true).open(world.a.path().join("sync")).expect("opened")
    };
    drop(open(&world.a, "sync"));
    let sync = synchronous();
    assert!(try_lock(&sync));
    world.a.revoke_locks(Fence::Storage);
    assert!(is_eio(sync.write_all_at(b"x", 0)), "O_DSYNC tells at once");
}

#[test]
fn without_a_fence_a_stale_write_goes_through() {
    let world = world!();
    let a = open(&world.a, "log");
    assert!(try_lock(&a));
    assert_eq!(world.a.revoke_locks(Fence::None), 1);
    let revoked = Instant::now();
    assert!(try_lock(&open(&world.b, "log")));
    a.write_all_at(b"stale", 0).expect("written");
    a.sync_data().expect("synced");
    assert_eq!(fs::read(world.b.path().join("log")).expect("read"), b"stale");
    assert_eq!(world.store.changes(Some(revoked), Some("a")).len(), 1);
}

#[test]
fn a_dead_mount_hangs_everyone_until_it_comes_back() {
    let world = world!();
    fs::write(world.a.path().join("file"), "12345").expect("written");
    let path = world.a.path().join("file");
    let mut holder = Command::new("flock");
    holder.arg("--no-fork").arg(&path).args(["sleep", "1000"]).stdin(Stdio::null());
    let mut holder = holder.spawn().expect("flock is part of util-linux");
    eventually("the process takes the lock", || world.a.locks_held() == 1);

    world.a.hang();
    let mut reader = spawn("cat", &[], &path);
    let mut killed = spawn("cat", &[], &path);
    holder.kill().expect("killed");
    thread::sleep(A_WHILE);
    killed.kill().expect("killed");
    thread::sleep(A_WHILE);
    assert!(!has_ended(&mut reader));
    assert!(!has_ended(&mut killed), "not even by a kill: the call is at the server");
    assert_eq!(world.a.locks_held(), 1, "the store does not learn of a death");
    assert!(!try_lock(&open(&world.b, "file")));
    assert_eq!(fs::read(world.b.path().join("file")).expect("read"), b"12345", "b works on");
    assert_eq!(world.a.revoke_locks(Fence::Storage), 1, "a lease runs out");
    assert!(try_lock(&open(&world.b, "file")));

    world.a.resume();
    eventually("the reader ends", || has_ended(&mut reader));
    eventually("the killed one ends", || has_ended(&mut killed));
    assert!(reader.wait().expect("a child").success());
    holder.wait().expect("a child");
}

#[test]
fn a_stopped_process_with_a_revoked_lock_changes_nothing_when_it_goes_on() {
    let world = world!();
    let path = world.a.path().join("file");
    // It writes to its locked file for ever, and ends at the first error.
    let script = "exec 9<>\"$0\"; flock 9; while printf x >&9; do sleep 0.01; done; exit 96";
    let mut writer = spawn("sh", &["-c", script], &path);
    eventually("it writes", || {
        let changes = world.store.changes(None, Some("a"));
        changes.iter().any(|change| matches!(change.what, What::Write { .. }))
    });
    let pid = Pid::from_raw(i32::try_from(writer.id()).expect("a process id"));
    kill(pid, Signal::SIGSTOP).expect("stopped");
    world.a.revoke_locks(Fence::Storage);
    let b = open(&world.b, "file");
    assert!(try_lock(&b));
    b.write_all_at(b"the new owner", 0).expect("written");
    let taken = Instant::now();
    kill(pid, Signal::SIGCONT).expect("continued");
    let status = writer.wait().expect("a child");
    assert_eq!(status.code(), Some(96));
    assert!(world.store.changes(Some(taken), None).is_empty());
}

#[test]
fn the_nth_call_fails() {
    let world = world!();
    let (log, other) = (open(&world.a, "S0000001.LOG"), open(&world.a, "other"));
    world.a.fail(Fault { file: "S0000001.LOG".into(), ..Fault::eio(Op::Write, 2) });
    world.a.fail(Fault { times: None, errno: libc::ESTALE, ..Fault::eio(Op::Sync, 2) });
    for _ in 0..3 {
        other.write_all_at(b"1", 0).expect("written");
    }
    log.write_all_at(b"1", 0).expect("the first");
    assert!(is_eio(log.write_all_at(b"2", 0)));
    log.write_all_at(b"3", 0).expect("the third");
    assert_eq!(world.a.calls(Op::Write), 6);
    log.sync_all().expect("the first");
    for _ in 0..2 {
        let error = other.sync_data().expect_err("it fails");
        assert_eq!(error.raw_os_error(), Some(libc::ESTALE));
    }
    let struck = world.a.struck();
    assert_eq!(struck, ["S0000001.LOG", "other", "other"].map(PathBuf::from));
    world.a.repair();
    assert!(world.a.struck().is_empty());
    other.sync_data().expect("repaired");
}

#[test]
fn a_full_store_takes_nothing_new() {
    let world = world!();
    let file = open(&world.a, "file");
    file.write_all_at(&[1; 8192], 0).expect("written");
    file.sync_all().expect("the space is allocated");
    world.a.fill_up();
    let full = |result: io::Result<()>| {
        assert_eq!(result.expect_err("full").raw_os_error(), Some(libc::ENOSPC));
    };
    full(file.write_all_at(&[2; 8192], 4096));
    full(fs::create_dir(world.a.path().join("new")));
    full(fs::write(world.a.path().join("new"), ""));
    file.write_all_at(&[3; 8192], 0).expect("allocated space can be written");
    fs::write(world.b.path().join("new"), "").expect("the other host has space");
    world.a.repair();
    file.write_all_at(&[2; 8192], 4096).expect("repaired");
}

#[test]
fn no_mount_is_left_behind() {
    let world = world!();
    let inside = |path: &Path| {
        let mounts = fs::read_to_string("/proc/self/mounts").expect("read");
        mounts.contains(&*path.to_string_lossy())
    };
    let directory = world.directory.path().to_owned();
    assert!(inside(&directory));
    let file = open(&world.a, "file");
    assert!(try_lock(&file));
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let world = world;
        world.b.hang();
        let mut hanging = spawn("cat", &[], &world.b.path().join("file"));
        thread::spawn(move || hanging.wait());
        assert!(!world.a.path().exists(), "a test fails");
    }));
    assert!(panicked.is_err());
    assert!(!inside(&directory));
    assert!(is_eio(file.metadata()) || is_eio(file.sync_all()), "open files are dead");
}
