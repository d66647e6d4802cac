use std::os::unix::fs::{FileExt, MetadataExt};

use super::*;

pub(super) fn broken_by(behaviour: Behaviour) -> Option<Probe> {
    Some(match behaviour {
        Behaviour::NfsCaching | Behaviour::WriteBehind | Behaviour::WritesInvisible => seen_at_once,
        Behaviour::StaleAtOpen | Behaviour::WritesMinutesLate => seen_after_open,
        Behaviour::StaleUnderLock => seen_under_lock,
        Behaviour::SameSecondUnseen => quick_changes_are_seen,
        Behaviour::UnlockKeepsWrites => seen_after_unlock,
        Behaviour::TailLate => tail_is_read,
        Behaviour::WritesStay => seen_when_synced,
        Behaviour::StaleSize => whole_under_lock,
        Behaviour::StaleSizeShown => size_after_open,
        Behaviour::StaleAppend => appends_under_lock,
        Behaviour::CreationsInvisible => creation_is_seen,
        Behaviour::RenamesInvisible => replacement_is_seen,
        Behaviour::RemovalsInvisible => removal_is_seen,
        Behaviour::TruncationInvisible => truncation_is_seen,
        Behaviour::ListingStale => listing_is_fresh,
        Behaviour::TwoStores => one_store,
        Behaviour::InodesDiffer => same_number,
        Behaviour::OwnersDiffer => same_owner,
        Behaviour::StaleWhenRemoved => removed_elsewhere_but_open,
        _ => return None,
    })
}

/// What a host reads at the beginning of an open file.
fn start(file: &File) -> [u8; 3] {
    let mut bytes = [0; 3];
    file.read_exact_at(&mut bytes, 0).expect("read");
    bytes
}

/// The file with `old`, that the second host has read, then with `new` by the first host.
fn changed(lab: &Lab) -> (File, File) {
    let (a, b) = pair(lab);
    a.write_all_at(b"old", 0).expect("written");
    a.sync_all().expect("synced");
    drop(a);
    let a = open(&lab.path(0).join("file"));
    let _first = start(&open(&lab.path(1).join("file")));
    let _again = start(&b);
    a.write_all_at(b"new", 0).expect("written");
    (a, b)
}

fn seen_at_once(lab: &Lab) -> bool {
    start(&changed(lab).1) == *b"new"
}

fn seen_after_open(lab: &Lab) -> bool {
    let (a, _) = changed(lab);
    a.sync_all().expect("synced");
    start(&open(&lab.path(1).join("file"))) == *b"new"
}

fn seen_under_lock(lab: &Lab) -> bool {
    let (a, b) = changed(lab);
    a.sync_all().expect("synced");
    try_lock(&b) && start(&b) == *b"new"
}

fn quick_changes_are_seen(lab: &Lab) -> bool {
    (0..3).all(|_| seen_after_open(lab))
}

fn seen_after_unlock(lab: &Lab) -> bool {
    let (a, b) = pair(lab);
    assert!(try_lock(&a));
    a.write_all_at(b"new", 0).expect("written");
    take(&a, libc::F_UNLCK, 0, 0).expect("unlocked");
    try_lock(&b) && b.read_at(&mut [0; 3], 0).expect("read") == 3
}

fn tail_is_read(lab: &Lab) -> bool {
    let (_a, b) = grown(lab);
    let mut bytes = [0; 8192];
    b.read_exact_at(&mut bytes, 0).is_ok() && bytes[4096..] == [2; 4096]
}

fn seen_when_synced(lab: &Lab) -> bool {
    let a = open(&lab.path(0).join("file"));
    a.write_all_at(b"new", 0).expect("written");
    a.sync_all().expect("synced");
    drop(a);
    fs::read(lab.path(1).join("file")).expect("read") == b"new"
}

/// The file, of a page and then, by the first host, of two.
fn grown(lab: &Lab) -> (File, File) {
    let (a, b) = pair(lab);
    a.write_all_at(&[1; 4096], 0).expect("written");
    a.sync_all().expect("synced");
    assert!(b.metadata().is_ok());
    a.write_all_at(&[2; 4096], 4096).expect("written");
    a.sync_all().expect("synced");
    (a, b)
}

fn whole_under_lock(lab: &Lab) -> bool {
    let (_a, b) = grown(lab);
    let mut bytes = [0; 8192];
    try_lock(&b) && b.read_at(&mut bytes, 0).expect("read") == 8192
}

fn size_after_open(lab: &Lab) -> bool {
    drop(grown(lab));
    open(&lab.path(1).join("file")).metadata().expect("stat").len() == 8192
}

fn appends_under_lock(lab: &Lab) -> bool {
    let both =
        [0, 1].map(|host| open_with(&lab.path(host).join("file"), libc::O_APPEND).expect("opened"));
    for mut file in &both {
        assert!(try_lock(file));
        file.write_all(b"abc").expect("written");
        take(file, libc::F_UNLCK, 0, 0).expect("unlocked");
    }
    fs::metadata(lab.path(0).join("file")).expect("stat").len() == 6
}

fn creation_is_seen(lab: &Lab) -> bool {
    let there = lab.path(1).join("file");
    assert!(!there.exists());
    drop(open(&lab.path(0).join("file")));
    there.exists()
}

fn replacement_is_seen(lab: &Lab) -> bool {
    let (file, new) = (lab.path(0).join("file"), lab.path(0).join("new"));
    fs::write(&file, "old").expect("written");
    assert_eq!(fs::read(lab.path(1).join("file")).expect("read"), b"old");
    fs::write(&new, "new").expect("written");
    fs::rename(new, file).expect("renamed");
    fs::read(lab.path(1).join("file")).expect("read") == b"new"
}

fn removal_is_seen(lab: &Lab) -> bool {
    let there = lab.path(1).join("file");
    drop(open(&lab.path(0).join("file")));
    assert!(there.exists());
    fs::remove_file(lab.path(0).join("file")).expect("removed");
    !there.exists()
}

fn truncation_is_seen(lab: &Lab) -> bool {
    let (a, b) = grown(lab);
    assert_eq!(b.metadata().expect("stat").len(), 8192);
    a.set_len(10).expect("cut");
    open(&lab.path(1).join("file")).metadata().expect("stat").len() == 10
}

fn listing_is_fresh(lab: &Lab) -> bool {
    let many = || fs::read_dir(lab.path(1)).expect("listed").count();
    assert_eq!(many(), 0);
    drop(open(&lab.path(0).join("file")));
    many() == 1
}

fn one_store(lab: &Lab) -> bool {
    drop(open(&lab.path(0).join("file")));
    lab.path(1).join("file").exists()
}

fn same_number(lab: &Lab) -> bool {
    let (a, b) = pair(lab);
    a.metadata().expect("stat").ino() == b.metadata().expect("stat").ino()
}

fn same_owner(lab: &Lab) -> bool {
    let (a, b) = pair(lab);
    a.metadata().expect("stat").uid() == b.metadata().expect("stat").uid()
}

fn removed_elsewhere_but_open(lab: &Lab) -> bool {
    let (a, b) = pair(lab);
    a.write_all_at(b"abc", 0).expect("written");
    fs::remove_file(lab.path(1).join("file")).expect("removed");
    drop(b);
    a.read_exact_at(&mut [0; 3], 0).is_ok()
}
