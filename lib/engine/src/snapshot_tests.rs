use std::path::Path;

use miqm_sys::disk::RealDir;

use super::*;
use crate::defaults;
use crate::kind::Kind;

const QMGR: QmgrId = QmgrId([7; 16]);

fn new(seq: u64) -> NewSnapshot {
    NewSnapshot {
        qmgr: QMGR,
        epoch: Epoch(3),
        seq,
        begin: Lsn(4096),
        level: 940,
        written: UtcTime(0),
    }
}

fn disk(path: &Path) -> RealDir {
    RealDir::open(path, None).unwrap()
}

fn look(disk: &RealDir, wanted: SnapshotRef) -> Result<Catalogue, SnapshotError> {
    let file = open(disk, wanted, false)?;
    read(file, wanted, QMGR).map(|(catalogue, _)| catalogue)
}

#[test]
fn a_snapshot_reads_as_it_was_written() {
    let dir = tempfile::tempdir().unwrap();
    let disk = disk(dir.path());
    let mut catalogue: Catalogue = defaults::objects().collect();
    // More than a chunk.
    for n in 0..4000 {
        let queue = Object::new(Kind::Qlocal, &format!("APP.Q{n}")).unwrap();
        catalogue.apply(crate::Change::Define(queue.into()));
    }
    for catalogue in [Catalogue::new(), defaults::objects().collect(), catalogue] {
        let seq = catalogue.len() as u64 + 1;
        let written = new(seq).write(&disk, &catalogue).unwrap();
        let reference = written.header.reference();
        assert_eq!(written.header.entries as usize, catalogue.len());
        assert!(matches!(open(&disk, reference, true), Err(SnapshotError::Busy { .. })));
        assert_eq!(look(&disk, reference).unwrap(), catalogue);
        drop(written);
        let file = open(&disk, reference, true).unwrap();
        assert_eq!(read(file, reference, QMGR).unwrap().0, catalogue);
    }
}

#[test]
fn every_flipped_bit_and_every_cut_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let disk = disk(dir.path());
    let catalogue: Catalogue =
        [Object::new(Kind::Qalias, "A").unwrap(), Object::new(Kind::Namelist, "B").unwrap()]
            .into_iter()
            .collect();
    let reference = new(1).write(&disk, &catalogue).unwrap().header.reference();
    let path = dir.path().join(reference.file_name());
    let bytes = std::fs::read(&path).unwrap();
    let mut bad = bytes.clone();
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    let put = |at: usize, byte: u8| {
        std::os::unix::fs::FileExt::write_all_at(&file, &[byte], at as u64).unwrap();
    };
    for bit in 0..bytes.len() * 8 {
        bad[bit / 8] ^= 1 << (bit % 8);
        put(bit / 8, bad[bit / 8]);
        match look(&disk, reference) {
            Err(SnapshotError::Damaged { path: named, offset, .. }) => {
                assert_eq!(named, path);
                assert!(offset <= (bit / 8) as u64, "bit {bit}: found at {offset}");
            }
            other => panic!("bit {bit}: {other:?}"),
        }
        bad[bit / 8] ^= 1 << (bit % 8);
        put(bit / 8, bad[bit / 8]);
    }
    assert_eq!(look(&disk, reference).unwrap(), catalogue);
    for len in (0..bytes.len()).rev() {
        file.set_len(len as u64).unwrap();
        let found = look(&disk, reference);
        assert!(matches!(found, Err(SnapshotError::Damaged { .. })), "cut at {len}");
    }
    std::fs::remove_file(&path).unwrap();
    assert!(matches!(look(&disk, reference), Err(SnapshotError::Missing { .. })));
}

#[test]
fn only_the_snapshot_that_is_named_is_taken() {
    let dir = tempfile::tempdir().unwrap();
    let disk = disk(dir.path());
    let catalogue: Catalogue = defaults::objects().collect();
    let one = new(1).write(&disk, &catalogue).unwrap().header.reference();
    let two = new(2).write(&disk, &Catalogue::new()).unwrap().header.reference();
    std::fs::copy(dir.path().join(two.file_name()), dir.path().join(one.file_name())).unwrap();
    assert!(matches!(
        look(&disk, one),
        Err(SnapshotError::Damaged { what: SnapshotDamage::Another, .. })
    ));
    let file = open(&disk, two, false).unwrap();
    let other = read(file, two, QmgrId([8; 16]));
    assert!(matches!(other, Err(SnapshotError::Foreign { .. })));
}

#[test]
fn only_snapshots_before_the_kept_one_are_removed() {
    let dir = tempfile::tempdir().unwrap();
    let disk = disk(dir.path());
    for name in ["C2-9.cat", "C3-1.cat", "C3-10.cat", "C4-1.cat", "notes.txt", "C3-1.cat.old"] {
        std::fs::write(dir.path().join(name), "x").unwrap();
    }
    let kept = new(2).write(&disk, &Catalogue::new()).unwrap();
    assert_eq!(remove_before(&disk, kept.header.reference()).unwrap(), 2);
    let mut left = disk.list().unwrap();
    left.sort_unstable();
    assert_eq!(left, ["C3-1.cat.old", "C3-10.cat", "C3-2.cat", "C4-1.cat", "notes.txt"]);
    // The name is taken already: the file of another try is not written into.
    assert!(new(10).write(&disk, &Catalogue::new()).is_err_and(|e| e.is_already_there()));
    assert_eq!(std::fs::read(dir.path().join("C3-10.cat")).unwrap(), b"x");
}
