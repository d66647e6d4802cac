use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::time::SystemTime;

use nix::sys::statvfs::statvfs;
use nix::unistd::{Gid, chown, fchown, geteuid};

use super::*;

pub(super) fn broken_by(behaviour: Behaviour) -> Option<Probe> {
    Some(match behaviour {
        Behaviour::Full | Behaviour::ReadOnly | Behaviour::DeadMount | Behaviour::CreateDenied => {
            can_write
        }
        Behaviour::FullAtSync | Behaviour::SyncRefused | Behaviour::SyncFailsOnce => can_sync,
        Behaviour::QuotaAtClose => can_close,
        Behaviour::ReadFails => can_read,
        Behaviour::RootSquash => owner_is_who_made_it,
        Behaviour::ModeIgnored | Behaviour::ChmodRefused | Behaviour::ChmodIgnored => mode_is_kept,
        Behaviour::SetgidLost => group_is_inherited,
        Behaviour::GroupStays => group_is_given,
        Behaviour::DirectorySyncRefused => directory_can_be_synced,
        Behaviour::OpenSyncRefused => can_open_synchronously,
        Behaviour::SyncHangs => sync_ends,
        Behaviour::WriteHangs => writes_end,
        Behaviour::StatfsFails | Behaviour::StatfsZero => statfs_tells,
        Behaviour::NoFallocate => can_allocate,
        Behaviour::CoarseTimes => times_are_fine,
        Behaviour::ClockAhead | Behaviour::ClockBehind => clocks_agree,
        Behaviour::SlowEverything => calls_are_quick,
        _ => return None,
    })
}

fn try_open(lab: &Lab) -> std::io::Result<File> {
    open_with(&lab.path(0).join("file"), 0)
}

fn file(lab: &Lab) -> File {
    open(&lab.path(0).join("file"))
}

fn can_write(lab: &Lab) -> bool {
    try_open(lab).is_ok_and(|file| file.write_all_at(b"abc", 0).is_ok())
}

fn can_sync(lab: &Lab) -> bool {
    let file = file(lab);
    (0..5).all(|_| file.write_all_at(b"abc", 0).is_ok() && file.sync_all().is_ok())
}

fn can_close(lab: &Lab) -> bool {
    let file = file(lab);
    file.write_all_at(b"abc", 0).expect("written");
    nix::unistd::close(file).is_ok()
}

fn can_read(lab: &Lab) -> bool {
    let file = file(lab);
    file.write_all_at(b"abc", 0).expect("written");
    file.read_exact_at(&mut [0; 3], 0).is_ok()
}

fn owner_is_who_made_it(lab: &Lab) -> bool {
    file(lab).metadata().expect("stat").uid() == geteuid().as_raw()
}

fn mode_is_kept(lab: &Lab) -> bool {
    let file = file(lab);
    file.set_permissions(fs::Permissions::from_mode(0o640)).is_ok()
        && file.metadata().expect("stat").mode() & 0o7777 == 0o640
}

fn group_is_inherited(lab: &Lab) -> bool {
    let directory = lab.path(0).join("directory");
    fs::create_dir(&directory).expect("made");
    chown(&directory, None, Some(Gid::from_raw(4711))).expect("given away");
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o2775)).expect("set");
    let new = open(&directory.join("file"));
    new.metadata().expect("stat").gid() == 4711
}

fn group_is_given(lab: &Lab) -> bool {
    let file = file(lab);
    fchown(&file, None, Some(Gid::from_raw(4711))).expect("given away");
    file.metadata().expect("stat").gid() == 4711
}

fn directory_can_be_synced(lab: &Lab) -> bool {
    File::open(lab.path(0)).and_then(|directory| directory.sync_all()).is_ok()
}

fn can_open_synchronously(lab: &Lab) -> bool {
    drop(file(lab));
    open_with(&lab.path(0).join("file"), libc::O_DSYNC).is_ok()
}

fn sync_ends(lab: &Lab) -> bool {
    let file = file(lab);
    within(SOON, move || file.sync_all().is_ok()) == Some(true)
}

fn writes_end(lab: &Lab) -> bool {
    let file = file(lab);
    within(SOON, move || (0..10).all(|_| file.write_all_at(b"x", 0).is_ok())) == Some(true)
}

fn statfs_tells(lab: &Lab) -> bool {
    statvfs(lab.path(0)).is_ok_and(|found| found.blocks() > 0)
}

fn can_allocate(lab: &Lab) -> bool {
    let flags = nix::fcntl::FallocateFlags::empty();
    nix::fcntl::fallocate(file(lab), flags, 0, 10_000).is_ok()
        && fs::metadata(lab.path(1).join("file")).expect("stat").len() == 10_000
}

fn times_are_fine(lab: &Lab) -> bool {
    file(lab).write_all_at(b"x", 0).expect("written");
    fs::metadata(lab.path(0).join("file")).expect("stat").mtime_nsec() != 0
}

fn clocks_agree(lab: &Lab) -> bool {
    file(lab).write_all_at(b"x", 0).expect("written");
    let time = fs::metadata(lab.path(0).join("file")).and_then(|found| found.modified());
    let (time, now) = (time.expect("a time"), SystemTime::now());
    let apart = now.duration_since(time).or_else(|_| time.duration_since(now));
    apart.expect("one is later") < Duration::from_mins(1)
}

fn calls_are_quick(lab: &Lab) -> bool {
    let file = file(lab);
    (0..20).any(|_| {
        let began = Instant::now();
        assert!(file.metadata().is_ok());
        began.elapsed() < Duration::from_millis(2)
    })
}
