use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::*;

const READ: i32 = libc::F_RDLCK;
const WRITE: i32 = libc::F_WRLCK;
const FREE: i32 = libc::F_UNLCK;

pub(super) fn broken_by(behaviour: Behaviour) -> Option<Probe> {
    Some(match behaviour {
        Behaviour::LocksLocal | Behaviour::LocksInKernel => excludes_the_other_host,
        Behaviour::LocksIgnored
        | Behaviour::NoLocks
        | Behaviour::LocksNotImplemented
        | Behaviour::LocksUnsupported
        | Behaviour::OfdRefused => excludes_here,
        Behaviour::WholeFileOnly | Behaviour::RangesRounded | Behaviour::OneByteMore => {
            adjacent_ranges_are_apart
        }
        Behaviour::OneLockEach => two_locks_of_one_file,
        Behaviour::LocksCollide => files_are_apart,
        Behaviour::OverlapIgnored => overlaps_are_seen,
        Behaviour::SharedExcludesShared => shared_with_shared,
        Behaviour::SharedAdmitsWriter => shared_keeps_writer_away,
        Behaviour::ExclusiveAdmitsReader => exclusive_keeps_reader_away,
        Behaviour::RemoteReadersIgnored => shared_keeps_other_hosts_writer_away,
        Behaviour::EndsAtEof => reaches_beyond_the_end,
        Behaviour::Offsets32Bit => far_apart,
        Behaviour::OffsetsBeyond2G => far_out,
        Behaviour::UpgradeLosesShared => refused_upgrade_keeps_shared,
        Behaviour::UpgradeNotRefused => upgrade_is_refused,
        Behaviour::DowngradeExcludes => downgrade_admits,
        Behaviour::DowngradeDrops => downgrade_keeps,
        Behaviour::UnlockDropsAll => unlock_of_a_part,
        Behaviour::UnlockIgnored => unlock_unlocks,
        Behaviour::UnlockDropsOthers => others_cannot_unlock,
        Behaviour::NotReleasedAtClose | Behaviour::ReleasedMinutesLate | Behaviour::LateRelease => {
            close_releases
        }
        Behaviour::NotReleasedAtExit => exit_releases,
        Behaviour::NotReleasedAtKill => kill_releases,
        Behaviour::ReleasedByChild => child_does_not_release,
        Behaviour::OwnedByFile => child_does_not_inherit,
        Behaviour::OfdIsClassic => other_close_keeps,
        Behaviour::OfdApart => classic_and_ofd_exclude,
        Behaviour::GetlkSaysFree => getlk_sees,
        Behaviour::GetlkReportsOwn => getlk_does_not_see_its_own,
        Behaviour::GetlkWholeFile => getlk_knows_the_range,
        Behaviour::SecondNotWoken => second_waiter_gets_it,
        Behaviour::WaiterIgnoresReaders => waiter_waits_for_readers,
        Behaviour::GetlkPidZero | Behaviour::GetlkPidForeign => getlk_knows_whose,
        Behaviour::NeverWoken
        | Behaviour::WaitReturnsEarly
        | Behaviour::WaitIsRefused
        | Behaviour::SlowWake
        | Behaviour::PollingWaiters => waiter_gets_it,
        Behaviour::NotInterruptible | Behaviour::InterruptedWaitGrants => waiter_is_interrupted,
        Behaviour::GhostLock => interrupted_waiter_leaves_nothing,
        Behaviour::LockExpires => lasts,
        Behaviour::CheckThenSet => one_winner,
        Behaviour::LockLimit => many,
        Behaviour::LostAtRename => survives_rename,
        Behaviour::LockOnName => is_on_the_file,
        Behaviour::LostAtWrite => survives_write,
        Behaviour::LostAtSync => survives_sync,
        Behaviour::LocksMandatory => locked_can_be_read,
        Behaviour::LockHangs => answers,
        Behaviour::FlockIsFcntl => flock_is_apart,
        Behaviour::FlockLocal => flock_excludes_the_other_host,
        Behaviour::EaccesForConflict => conflict_is_eagain,
        _ => return None,
    })
}

/// Two open files of the first host.
fn twice(lab: &Lab) -> (File, File) {
    let path = lab.path(0).join("file");
    (open(&path), open(&path))
}

fn excludes_the_other_host(lab: &Lab) -> bool {
    let (a, b) = pair(lab);
    try_lock(&a) && !try_lock(&b)
}

fn excludes_here(lab: &Lab) -> bool {
    let (one, other) = twice(lab);
    try_lock(&one) && !try_lock(&other)
}

fn adjacent_ranges_are_apart(lab: &Lab) -> bool {
    let (one, other) = twice(lab);
    take(&one, WRITE, 0, 10).is_ok() && take(&other, WRITE, 10, 10).is_ok()
}

fn overlaps_are_seen(lab: &Lab) -> bool {
    let (one, other) = twice(lab);
    take(&one, WRITE, 0, 100).is_ok() && take(&other, WRITE, 50, 10).is_err()
}

fn shared_with_shared(lab: &Lab) -> bool {
    let (one, other) = twice(lab);
    take(&one, READ, 0, 0).is_ok() && take(&other, READ, 0, 0).is_ok()
}

fn shared_keeps_writer_away(lab: &Lab) -> bool {
    let (one, other) = twice(lab);
    take(&one, READ, 0, 0).is_ok() && take(&other, WRITE, 0, 0).is_err()
}

fn exclusive_keeps_reader_away(lab: &Lab) -> bool {
    let (one, other) = twice(lab);
    take(&one, WRITE, 0, 0).is_ok() && take(&other, READ, 0, 0).is_err()
}

fn shared_keeps_other_hosts_writer_away(lab: &Lab) -> bool {
    let (a, b) = pair(lab);
    take(&a, READ, 0, 0).is_ok() && take(&b, WRITE, 0, 0).is_err()
}

fn reaches_beyond_the_end(lab: &Lab) -> bool {
    let (one, other) = twice(lab);
    try_lock(&one) && take(&other, WRITE, 1000, 1).is_err()
}

fn two_locks_of_one_file(lab: &Lab) -> bool {
    let (one, other) = twice(lab);
    assert!(take(&one, WRITE, 0, 10).is_ok() && take(&one, WRITE, 20, 10).is_ok());
    take(&other, WRITE, 0, 10).is_err()
}

fn files_are_apart(lab: &Lab) -> bool {
    let files: Vec<_> = (0..9).map(|n| open(&lab.path(0).join(format!("file{n}")))).collect();
    files.iter().all(try_lock)
}

fn others_cannot_unlock(lab: &Lab) -> bool {
    let (one, other) = twice(lab);
    assert!(try_lock(&one) && take(&other, FREE, 0, 0).is_ok());
    !try_lock(&other)
}

fn survives_sync(lab: &Lab) -> bool {
    let (one, other) = twice(lab);
    assert!(try_lock(&one) && one.sync_all().is_ok());
    !try_lock(&other)
}

fn locked_can_be_read(lab: &Lab) -> bool {
    let (a, _) = pair(lab);
    assert!(try_lock(&a));
    fs::read(lab.path(1).join("file")).is_ok()
}

fn far_apart(lab: &Lab) -> bool {
    let (one, other) = twice(lab);
    take(&one, WRITE, 5, 1).is_ok() && take(&other, WRITE, (1 << 32) + 5, 1).is_ok()
}

fn far_out(lab: &Lab) -> bool {
    take(&twice(lab).0, WRITE, 3 << 30, 1).is_ok()
}

fn refused_upgrade_keeps_shared(lab: &Lab) -> bool {
    let (one, other) = twice(lab);
    take(&one, READ, 0, 0).expect("locked");
    take(&other, READ, 0, 0).expect("locked");
    take(&one, WRITE, 0, 0).expect_err("another reader");
    take(&other, FREE, 0, 0).expect("unlocked");
    !try_lock(&other)
}

fn upgrade_is_refused(lab: &Lab) -> bool {
    let (one, other) = twice(lab);
    take(&one, READ, 0, 0).expect("locked");
    take(&other, READ, 0, 0).expect("locked");
    !try_lock(&one)
}

fn downgrade_admits(lab: &Lab) -> bool {
    let (one, other) = twice(lab);
    assert!(try_lock(&one) && take(&one, READ, 0, 0).is_ok());
    take(&other, READ, 0, 0).is_ok()
}

fn downgrade_keeps(lab: &Lab) -> bool {
    let (one, other) = twice(lab);
    assert!(try_lock(&one) && take(&one, READ, 0, 0).is_ok());
    !try_lock(&other)
}

fn unlock_of_a_part(lab: &Lab) -> bool {
    let (one, other) = twice(lab);
    take(&one, WRITE, 0, 100).expect("locked");
    take(&one, FREE, 40, 20).expect("unlocked");
    take(&other, WRITE, 0, 1).is_err() && take(&other, WRITE, 40, 20).is_ok()
}

fn unlock_unlocks(lab: &Lab) -> bool {
    let (one, other) = twice(lab);
    assert!(try_lock(&one) && take(&one, FREE, 0, 0).is_ok());
    try_lock(&other)
}

fn close_releases(lab: &Lab) -> bool {
    let (one, other) = twice(lab);
    assert!(try_lock(&one) && !try_lock(&other));
    drop(one);
    soon(|| try_lock(&other))
}

/// A process of the first host that has the classic lock.
fn holder(lab: &Lab) -> (Process, File) {
    let path = lab.path(0).join("file");
    let mut process = Process::new(&path);
    assert!(process.locks(libc::F_SETLK, WRITE));
    let other = open(&path);
    assert!(!try_lock(&other));
    (process, other)
}

fn exit_releases(lab: &Lab) -> bool {
    let (mut process, other) = holder(lab);
    process.order("exit");
    process.child.wait().expect("a child");
    soon(|| try_lock(&other))
}

fn kill_releases(lab: &Lab) -> bool {
    let (mut process, other) = holder(lab);
    process.child.kill().expect("killed");
    process.child.wait().expect("a child");
    soon(|| try_lock(&other))
}

fn child_does_not_release(lab: &Lab) -> bool {
    let (mut process, other) = holder(lab);
    assert_eq!(process.does("child"), "ok");
    !try_lock(&other)
}

fn child_does_not_inherit(lab: &Lab) -> bool {
    let (mut process, _other) = holder(lab);
    process.does(&format!("childlock {} {WRITE} 0 0", libc::F_SETLK)) == "no"
}

fn other_close_keeps(lab: &Lab) -> bool {
    let path = lab.path(0).join("file");
    let mut process = Process::new(&path);
    assert!(process.locks(libc::F_OFD_SETLK, WRITE));
    assert_eq!(process.does("reopen"), "ok");
    !try_lock(&open(&path))
}

fn classic_and_ofd_exclude(lab: &Lab) -> bool {
    let path = lab.path(0).join("file");
    let mut process = Process::new(&path);
    let other = open(&path);
    process.locks(libc::F_SETLK, WRITE) && !try_lock(&other)
}

fn getlk(file: &File) -> libc::flock {
    let mut asked = range(WRITE, 0, 0);
    fcntl(file, FcntlArg::F_OFD_GETLK(&mut asked)).expect("asked");
    asked
}

fn getlk_sees(lab: &Lab) -> bool {
    let (one, other) = twice(lab);
    assert!(try_lock(&one));
    i32::from(getlk(&other).l_type) == WRITE
}

fn getlk_does_not_see_its_own(lab: &Lab) -> bool {
    let (one, _) = twice(lab);
    assert!(try_lock(&one));
    i32::from(getlk(&one).l_type) == FREE
}

fn getlk_knows_whose(lab: &Lab) -> bool {
    let (process, other) = holder(lab);
    drop(other);
    Process::new(&lab.path(1).join("file")).does("whose") == process.id().to_string()
}

fn waiter_gets_it(lab: &Lab) -> bool {
    let (a, b) = pair(lab);
    assert!(try_lock(&a));
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        let done = fcntl(&b, FcntlArg::F_OFD_SETLKW(&range(WRITE, 0, 0)));
        // Nobody listens if it comes too late.
        let _ = tell.send(done);
        drop(b);
    });
    let waits = told.recv_timeout(Duration::from_millis(200)).is_err();
    drop(a);
    waits && matches!(told.recv_timeout(SOON), Ok(Ok(_)))
}

/// Waits for a lock in a thread; what it gave, when it gives anything.
fn waits(file: File, kind: i32) -> mpsc::Receiver<File> {
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        let done = fcntl(&file, FcntlArg::F_OFD_SETLKW(&range(kind, 0, 0)));
        // Nobody listens if it comes too late, or the mount has ended.
        drop(done.map(|_| tell.send(file)));
    });
    told
}

fn second_waiter_gets_it(lab: &Lab) -> bool {
    let path = lab.path(0).join("file");
    let (a, b) = pair(lab);
    assert!(try_lock(&a));
    let waiting = [waits(b, WRITE), waits(open(&path), WRITE)];
    thread::sleep(Duration::from_millis(200));
    drop(a);
    // Each lets go of it at once.
    let mut first = waiting.iter();
    soon(|| waiting.iter().any(|one| one.try_recv().is_ok()))
        && soon(|| first.any(|one| one.recv_timeout(SOON / 2).is_ok()))
}

fn waiter_waits_for_readers(lab: &Lab) -> bool {
    let (a, b) = pair(lab);
    assert!(take(&a, READ, 0, 0).is_ok());
    waits(b, WRITE).recv_timeout(Duration::from_millis(200)).is_err()
}

fn getlk_knows_the_range(lab: &Lab) -> bool {
    let (one, other) = twice(lab);
    take(&one, WRITE, 100, 10).expect("locked");
    let found = getlk(&other);
    (found.l_start, found.l_len) == (100, 10)
}

/// A process of the second host whose wait for the first one's lock is interrupted, and what it said.
fn interrupted(lab: &Lab) -> (File, Option<Process>, Option<String>) {
    let (a, _) = pair(lab);
    assert!(try_lock(&a));
    let mut process = Process::new(&lab.path(1).join("file"));
    assert_eq!(process.does("lock 5 1 0 0"), "ok", "it is there: F_GETLK");
    process.order(&format!("lock {} {WRITE} 0 0", libc::F_SETLKW));
    thread::sleep(Duration::from_millis(200));
    kill(Pid::from_raw(process.id()), Signal::SIGUSR1).expect("a signal");
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        let said = process.answer();
        // Nobody listens if it comes too late.
        drop(tell.send((process, said)));
    });
    match told.recv_timeout(SOON) {
        Ok((process, said)) => (a, Some(process), Some(said)),
        Err(_) => (a, None, None),
    }
}

fn waiter_is_interrupted(lab: &Lab) -> bool {
    interrupted(lab).2.as_deref() == Some("4")
}

fn interrupted_waiter_leaves_nothing(lab: &Lab) -> bool {
    let (a, _process, said) = interrupted(lab);
    assert_eq!(said.as_deref(), Some("4"));
    take(&a, FREE, 0, 0).expect("unlocked");
    try_lock(&open(&lab.path(0).join("file")))
}

fn lasts(lab: &Lab) -> bool {
    let (a, b) = pair(lab);
    assert!(try_lock(&a));
    thread::sleep(Duration::from_millis(3300));
    !try_lock(&b)
}

fn one_winner(lab: &Lab) -> bool {
    let (a, b) = pair(lab);
    (0..20).all(|_| {
        let won = thread::scope(|scope| {
            let other = scope.spawn(|| try_lock(&b));
            (try_lock(&a), other.join().expect("no panic"))
        });
        take(&a, FREE, 0, 0).expect("unlocked");
        take(&b, FREE, 0, 0).expect("unlocked");
        won != (true, true)
    })
}

fn many(lab: &Lab) -> bool {
    let (a, _) = pair(lab);
    (0..1000).all(|at| take(&a, WRITE, at * 10, 1).is_ok())
}

fn survives_rename(lab: &Lab) -> bool {
    let (a, b) = pair(lab);
    assert!(try_lock(&a));
    fs::rename(lab.path(0).join("file"), lab.path(0).join("new")).expect("renamed");
    !try_lock(&b)
}

fn is_on_the_file(lab: &Lab) -> bool {
    let (a, _) = pair(lab);
    assert!(try_lock(&a));
    let path = lab.path(0).join("file");
    fs::rename(&path, lab.path(0).join("new")).expect("renamed");
    try_lock(&open(&path))
}

fn survives_write(lab: &Lab) -> bool {
    let (one, mut other) = twice(lab);
    assert!(try_lock(&one));
    other.write_all(b"x").expect("written");
    !try_lock(&other)
}

fn answers(lab: &Lab) -> bool {
    let (a, _) = pair(lab);
    within(SOON, move || try_lock(&a)) == Some(true)
}

fn flock_is_apart(lab: &Lab) -> bool {
    let (one, other) = twice(lab);
    one.try_lock().expect("locked");
    try_lock(&other)
}

fn flock_excludes_the_other_host(lab: &Lab) -> bool {
    let (a, b) = pair(lab);
    a.try_lock().expect("locked");
    b.try_lock().is_err()
}

fn conflict_is_eagain(lab: &Lab) -> bool {
    let (one, other) = twice(lab);
    assert!(try_lock(&one));
    take(&other, WRITE, 0, 0) == Err(Errno::EAGAIN)
}
