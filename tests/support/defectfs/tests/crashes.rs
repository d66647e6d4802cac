use std::os::unix::fs::FileExt;

use super::*;

pub(super) fn broken_by(behaviour: Behaviour) -> Option<Probe> {
    Some(match behaviour {
        Behaviour::SyncIgnored | Behaviour::Forgotten | Behaviour::TornSynced => synced_stays,
        Behaviour::DataSyncIgnored => data_synced_stays,
        Behaviour::DataSyncWithoutSize => data_synced_size_stays,
        Behaviour::OpenSyncIgnored => written_through_stays,
        Behaviour::DirectorySyncIgnored => synced_name_stays,
        Behaviour::NamesNeedSync => name_stays,
        Behaviour::RenameNotDurable => synced_rename_stays,
        Behaviour::Reordered => both_files_stay,
        Behaviour::OldDataBack => old_syncs_stay,
        Behaviour::TornUnsynced => unsynced_is_gone,
        Behaviour::NoFence => the_loser_cannot_write,
        _ => return None,
    })
}

/// What is in the file after a crash, if there is one.
fn after_crash(lab: &Lab, name: &str) -> Option<Vec<u8>> {
    lab.crash(12345);
    fs::read(lab.path(1).join(name)).ok()
}

fn sync_directory(lab: &Lab) {
    File::open(lab.path(0)).and_then(|root| root.sync_all()).expect("synced");
}

/// An empty file whose name is durable.
fn file(lab: &Lab, name: &str) -> File {
    let file = open(&lab.path(0).join(name));
    sync_directory(lab);
    file
}

fn synced_stays(lab: &Lab) -> bool {
    let file = file(lab, "file");
    file.write_all_at(&[1; 4096], 0).expect("written");
    file.sync_all().expect("synced");
    drop(file);
    after_crash(lab, "file") == Some(vec![1; 4096])
}

fn data_synced_stays(lab: &Lab) -> bool {
    let file = file(lab, "file");
    file.set_len(4096).expect("extended");
    file.sync_all().expect("synced");
    file.write_all_at(&[1; 4096], 0).expect("written");
    file.sync_data().expect("synced");
    drop(file);
    after_crash(lab, "file") == Some(vec![1; 4096])
}

fn data_synced_size_stays(lab: &Lab) -> bool {
    let file = file(lab, "file");
    file.write_all_at(&[1; 4096], 0).expect("written");
    file.sync_data().expect("synced");
    drop(file);
    after_crash(lab, "file").is_some_and(|bytes| bytes.len() == 4096)
}

fn written_through_stays(lab: &Lab) -> bool {
    drop(file(lab, "file"));
    [libc::O_DSYNC, libc::O_SYNC].iter().zip(1..).all(|(flags, byte)| {
        let file = open_with(&lab.path(0).join("file"), *flags).expect("opened");
        file.write_all_at(&[byte; 10], 0).expect("written");
        drop(file);
        after_crash(lab, "file") == Some(vec![byte; 10])
    })
}

fn synced_name_stays(lab: &Lab) -> bool {
    file(lab, "file").sync_all().expect("synced");
    after_crash(lab, "file").is_some()
}

fn name_stays(lab: &Lab) -> bool {
    open(&lab.path(0).join("file")).sync_all().expect("synced");
    after_crash(lab, "file").is_some()
}

fn synced_rename_stays(lab: &Lab) -> bool {
    file(lab, "file").sync_all().expect("synced");
    fs::rename(lab.path(0).join("file"), lab.path(0).join("new")).expect("renamed");
    sync_directory(lab);
    after_crash(lab, "new").is_some() && !lab.path(0).join("file").exists()
}

fn both_files_stay(lab: &Lab) -> bool {
    for name in ["log", "data"] {
        let file = file(lab, name);
        file.write_all_at(b"abc", 0).expect("written");
        file.sync_all().expect("synced");
    }
    after_crash(lab, "log") == Some(b"abc".into())
}

fn old_syncs_stay(lab: &Lab) -> bool {
    let file = file(lab, "file");
    for round in 1..3_u8 {
        for page in 0..50 {
            file.write_all_at(&[round; 4096], page * 4096).expect("written");
            file.sync_all().expect("synced");
        }
    }
    drop(file);
    after_crash(lab, "file") == Some(vec![2; 50 * 4096])
}

fn unsynced_is_gone(lab: &Lab) -> bool {
    let file = file(lab, "file");
    file.write_all_at(&vec![1; 40960], 0).expect("written");
    file.sync_all().expect("synced");
    file.write_all_at(&vec![2; 40960], 0).expect("written");
    drop(file);
    after_crash(lab, "file") == Some(vec![1; 40960])
}

fn the_loser_cannot_write(lab: &Lab) -> bool {
    let (a, b) = pair(lab);
    assert!(try_lock(&a));
    a.write_all_at(b"before", 0).expect("written");
    assert_eq!(lab.revoke(0), 1);
    assert!(try_lock(&b));
    a.write_all_at(b"late", 0).is_err()
        && fs::read(lab.path(1).join("file")).expect("read") == b"before"
}
