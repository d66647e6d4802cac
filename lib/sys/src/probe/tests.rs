use std::os::fd::AsFd;

use super::*;
use crate::lock::Range;

const RANGE: Range = Range { start: 100, len: 10 };

fn dir() -> (tempfile::TempDir, Dir) {
    let temporary = tempfile::tempdir().unwrap();
    let opened = Dir::open(temporary.path()).unwrap();
    (temporary, opened)
}

#[test]
fn error_numbers_have_names_and_words() {
    assert_eq!(errno_name(37), "ENOLCK");
    assert_eq!(errno_name(11), "EAGAIN");
    assert_eq!(errno_name(512), "ERESTARTSYS");
    assert_eq!(errno_name(9999), "errno");
    assert!(!errno_text(37).is_empty());
}

#[test]
fn each_family_excludes_and_names_the_holder() {
    let (_kept, dir) = dir();
    dir.open_file("file", How::NEW).unwrap();
    let (one, two) = (dir.open_file("file", How::RW), dir.open_file("file", How::RW));
    let (one, two) = (one.unwrap(), two.unwrap());
    lock(one.as_fd(), Family::Ofd, Kind::Write, RANGE, false).unwrap();
    let refused = lock(two.as_fd(), Family::Ofd, Kind::Read, RANGE, false).unwrap_err();
    assert_eq!(errno_name(refused), "EAGAIN");
    let held = test_lock(two.as_fd(), Family::Posix, Kind::Write, Range::WHOLE).unwrap().unwrap();
    assert_eq!((held.kind, held.range, held.pid), (Kind::Write, RANGE, -1));
    lock(one.as_fd(), Family::Ofd, Kind::Unlock, RANGE, false).unwrap();
    lock(one.as_fd(), Family::Flock, Kind::Write, Range::WHOLE, false).unwrap();
    assert!(lock(two.as_fd(), Family::Flock, Kind::Read, Range::WHOLE, false).is_err());
    assert!(test_lock(two.as_fd(), Family::Flock, Kind::Read, Range::WHOLE).is_err());
    let far = Range { start: u64::MAX, len: 0 };
    assert!(lock(one.as_fd(), Family::Ofd, Kind::Read, far, false).is_err());
}

#[test]
fn bytes_names_and_attributes_are_what_was_made() {
    let (_kept, dir) = dir();
    let how = How { mode: 0o640, ..How::NEW };
    let file = dir.open_file("a", how).unwrap();
    assert_eq!(how.to_string(), "O_RDWR|O_CREAT|O_EXCL");
    assert_eq!(errno_name(dir.open_file("a", how).unwrap_err()), "EEXIST");
    assert_eq!(write_at(file.as_fd(), b"hello", 3).unwrap(), 5);
    assert_eq!(write_at_durably(file.as_fd(), b"!", 8).unwrap(), 1);
    fsync(file.as_fd()).unwrap();
    fdatasync(file.as_fd()).unwrap();
    let mut bytes = [1; 16];
    assert_eq!(read_at(file.as_fd(), &mut bytes, 0).unwrap(), 9);
    assert_eq!(&bytes[..9], b"\0\0\0hello!");
    let end = dir.open_file("a", How { append: true, ..How::RW }).unwrap();
    assert_eq!(append(duplicate(end.as_fd()).unwrap().as_fd(), b"x").unwrap(), 1);
    set_mode(file.as_fd(), 0o600).unwrap();
    let found = attributes(file.as_fd()).unwrap();
    assert_eq!((found.bytes, found.permissions(), found.links), (10, 0o600, 1));
    dir.link("a", "b").unwrap();
    dir.rename("b", "c").unwrap();
    dir.symlink("a", "s").unwrap();
    assert_eq!(dir.read_link("s").unwrap(), "a");
    assert!(dir.open_file("s", How::RO).is_err(), "a planted link was followed");
    dir.make_dir("d", 0o700).unwrap();
    assert!(dir.attributes("d").unwrap().is_dir());
    let mut names = dir.list(".").unwrap();
    names.sort();
    assert_eq!(names, ["a", "c", "d", "s"]);
    dir.remove_dir("d").unwrap();
    dir.unlink("c").unwrap();
    dir.sync(".").unwrap();
    set_length(file.as_fd(), 2).unwrap();
    assert_eq!(dir.attributes("a").unwrap().bytes, 2);
    assert!(file_system(dir.fd()).unwrap().block_bytes > 0);
}
