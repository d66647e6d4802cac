//! The real directory keeps the contract that the crash disk imitates.

use std::os::unix::fs::{MetadataExt, symlink};

use super::*;

fn dir() -> (tempfile::TempDir, RealDir) {
    let temp = tempfile::tempdir().expect("a temporary directory");
    let dir = RealDir::open(temp.path(), None).expect("it opens");
    (temp, dir)
}

#[test]
fn what_was_written_is_read_and_the_mode_is_exact() {
    let (temp, dir) = dir();
    let file = dir.create_new("a").unwrap();
    assert_eq!(file.allocate(8192).unwrap(), Allocation::Reserved);
    file.write_at(b"hello", 4000).unwrap();
    file.sync_data().unwrap();
    assert_eq!(file.len().unwrap(), 8192);
    let mut bytes = [1; 10];
    assert_eq!(file.read_at(&mut bytes, 3998).unwrap(), 10);
    assert_eq!(&bytes, b"\0\0hello\0\0\0");
    assert_eq!(file.read_at(&mut bytes, 8190).unwrap(), 2);
    let mode = std::fs::metadata(temp.path().join("a")).unwrap().mode();
    assert_eq!(mode & 0o7777, 0o660);
}

#[test]
fn names_are_made_linked_and_removed() {
    let (_temp, dir) = dir();
    let file = dir.create_new("a").unwrap();
    assert!(dir.create_new("a").unwrap_err().is_already_there());
    dir.link("a", "b").unwrap();
    assert!(dir.link("a", "b").unwrap_err().is_already_there());
    assert!(dir.names("a", &file).unwrap() && dir.names("b", &file).unwrap());
    assert!(dir.unlink("a").unwrap());
    assert!(!dir.unlink("a").unwrap());
    assert!(!dir.names("a", &file).unwrap());
    dir.sync_dir().unwrap();
    assert_eq!(dir.list().unwrap(), ["b"]);
    assert!(dir.open_rw("a").unwrap().is_none());
    assert!(dir.open_ro("b").unwrap().is_some());
}

#[test]
fn a_lock_is_between_open_files_and_ends_with_them() {
    let (_temp, dir) = dir();
    let one = dir.create_new("a").unwrap();
    let two = dir.open_rw("a").unwrap().unwrap();
    assert!(one.try_lock_exclusive().unwrap());
    assert!(one.reassert().unwrap());
    assert!(!two.try_lock_exclusive().unwrap());
    drop(dir.open_rw("a").unwrap());
    assert!(!two.try_lock_exclusive().unwrap());
    drop(one);
    assert!(two.try_lock_exclusive().unwrap());
}

#[test]
fn neither_a_link_nor_a_fifo_nor_a_directory_is_opened() {
    let (temp, dir) = dir();
    dir.create_new("a").unwrap();
    symlink("a", temp.path().join("link")).unwrap();
    nix::unistd::mkfifo(&temp.path().join("fifo"), Mode::S_IRWXU).unwrap();
    std::fs::create_dir(temp.path().join("sub")).unwrap();
    for name in ["link", "fifo", "sub"] {
        assert!(dir.open_rw(name).is_err(), "{name}");
    }
    assert!(RealDir::open(&temp.path().join("link"), None).is_err());
    assert!(RealDir::open(&temp.path().join("none"), None).unwrap_err().is_not_found());
}
