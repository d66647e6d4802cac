use std::os::unix::fs::FileExt;

use nix::fcntl::{FallocateFlags, fallocate};

use super::*;

pub(super) fn broken_by(behaviour: Behaviour) -> Option<Probe> {
    Some(match behaviour {
        Behaviour::LostWrite
        | Behaviour::MisdirectedWrite
        | Behaviour::FlippedBit
        | Behaviour::CrossedRead => pages_are_where_they_were_put,
        Behaviour::ShortWriteSaysFull => large_writes_are_whole,
        Behaviour::WriteSaysLess => appends_are_once,
        Behaviour::StaleOwnRead => own_writes_are_seen,
        Behaviour::HoleNotZero => holes_are_zero,
        Behaviour::ExtendShowsOld => extension_is_zero,
        Behaviour::Aliases4G | Behaviour::NoLargeFiles => far_offsets,
        Behaviour::CutIgnored => emptied_is_empty,
        Behaviour::AllocateWipes => allocation_keeps,
        Behaviour::TimeStays => time_moves_on,
        Behaviour::PageTailLost => small_appends,
        Behaviour::ShortReads => reads_are_full,
        Behaviour::ShortWrites => writes_are_full,
        Behaviour::Interrupted => no_interruptions,
        _ => return None,
    })
}

fn file(lab: &Lab) -> File {
    open(&lab.path(0).join("file"))
}

fn pages_are_where_they_were_put(lab: &Lab) -> bool {
    let file = file(lab);
    let page = |at: u8| [at + 1; 4096];
    for at in 0..40 {
        file.write_all_at(&page(at), u64::from(at) * 4096).expect("written");
    }
    (0..40).all(|at| {
        let mut read = [0; 4096];
        file.read_exact_at(&mut read, u64::from(at) * 4096).is_ok() && read == page(at)
    })
}

fn large_writes_are_whole(lab: &Lab) -> bool {
    file(lab).write_all_at(&vec![7; 300_000], 0).expect("written");
    fs::read(lab.path(0).join("file")).expect("read") == vec![7; 300_000]
}

fn appends_are_once(lab: &Lab) -> bool {
    let path = lab.path(0).join("file");
    let mut file = open_with(&path, libc::O_APPEND).expect("opened");
    file.write_all(b"abcdef").expect("written");
    fs::read(path).expect("read") == b"abcdef"
}

fn own_writes_are_seen(lab: &Lab) -> bool {
    let file = file(lab);
    file.write_all_at(b"old", 0).expect("written");
    file.sync_all().expect("synced");
    file.write_all_at(b"new", 0).expect("written");
    let mut bytes = [0; 3];
    file.read_exact_at(&mut bytes, 0).expect("read");
    bytes == *b"new"
}

fn holes_are_zero(lab: &Lab) -> bool {
    let file = file(lab);
    file.write_all_at(b"x", 100_000).expect("written");
    let mut bytes = [1; 4096];
    file.read_exact_at(&mut bytes, 8192).expect("read");
    bytes == [0; 4096]
}

fn extension_is_zero(lab: &Lab) -> bool {
    let file = file(lab);
    file.write_all_at(&[1; 10_000], 0).expect("written");
    file.set_len(100).expect("cut");
    file.set_len(10_000).expect("extended");
    let mut bytes = [1; 9900];
    file.read_exact_at(&mut bytes, 100).expect("read");
    bytes == [0; 9900]
}

fn far_offsets(lab: &Lab) -> bool {
    let file = file(lab);
    file.write_all_at(b"near", 5).expect("written");
    if file.write_all_at(b"far!", (1 << 32) + 5).is_err() {
        return false;
    }
    let mut bytes = [0; 4];
    file.read_exact_at(&mut bytes, 5).expect("read");
    bytes == *b"near"
}

fn emptied_is_empty(lab: &Lab) -> bool {
    let file = file(lab);
    file.write_all_at(b"abc", 0).expect("written");
    file.set_len(0).expect("emptied");
    file.metadata().expect("stat").len() == 0
}

fn allocation_keeps(lab: &Lab) -> bool {
    let file = file(lab);
    file.write_all_at(b"abc", 0).expect("written");
    fallocate(&file, FallocateFlags::empty(), 0, 4096).expect("allocated");
    let mut bytes = [0; 3];
    file.read_exact_at(&mut bytes, 0).is_ok() && bytes == *b"abc"
}

fn time_moves_on(lab: &Lab) -> bool {
    let file = file(lab);
    let changed = || file.metadata().and_then(|found| found.modified()).expect("stat");
    let before = changed();
    thread::sleep(Duration::from_millis(20));
    file.write_all_at(b"abc", 0).expect("written");
    changed() > before
}

fn small_appends(lab: &Lab) -> bool {
    let file = file(lab);
    for at in 0..10_u8 {
        file.write_all_at(&[at + 1; 600], u64::from(at) * 600).expect("written");
    }
    let bytes = fs::read(lab.path(0).join("file")).expect("read");
    bytes.chunks(600).zip(1..).all(|(part, byte)| part.iter().all(|b| *b == byte))
}

fn reads_are_full(lab: &Lab) -> bool {
    let file = file(lab);
    file.set_len(10_000).expect("extended");
    file.read_at(&mut [0; 10_000], 0).expect("read") == 10_000
}

fn writes_are_full(lab: &Lab) -> bool {
    file(lab).write_at(&[1; 10_000], 0).expect("written") == 10_000
}

fn no_interruptions(lab: &Lab) -> bool {
    let file = file(lab);
    (0..20).all(|_| file.write_at(b"x", 0).is_ok())
}
