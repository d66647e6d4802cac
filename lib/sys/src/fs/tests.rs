use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;

use nix::sys::stat::{Mode, umask};
use nix::unistd::mkfifo;

use super::*;

fn dir() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_owned();
    (dir, path)
}

fn write(path: &Path, bytes: &[u8]) {
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn absent_present_and_unreadable_are_three_answers() {
    let (_dir, root) = dir();
    write(&root.join("file"), b"");
    symlink("nowhere", root.join("dangling")).unwrap();
    mkfifo(&root.join("fifo"), Mode::S_IRUSR).unwrap();
    let seen = |name: &str| presence(&root.join(name));
    assert_eq!(seen("absent").unwrap(), Presence::Absent);
    assert_eq!(seen("file").unwrap(), Presence::File);
    assert_eq!(seen("dangling").unwrap(), Presence::Symlink);
    assert_eq!(seen("fifo").unwrap(), Presence::Other);
    assert_eq!(presence(&root).unwrap(), Presence::Dir);
    assert!(seen("file/below").is_err());
    symlink("loop", root.join("loop")).unwrap();
    assert_eq!(seen("loop").unwrap(), Presence::Symlink);
    assert_eq!(stat(&root.join("loop")).unwrap_err().errno(), Some(nix::libc::ELOOP));
}

#[test]
fn modes_are_exact_whatever_the_umask() {
    let (_dir, root) = dir();
    // The umask is the process's; this one leaves the other tests what they need.
    let before = umask(Mode::from_bits_truncate(0o077));
    let made = make_dir(&root.join("d"), 0o2770, None);
    let file = create_new(&root.join("f"), 0o660, None);
    let nested = make_dir_all(&root.join("a/b/c"), 0o2775, None);
    let replaced = replace(&root.join("r"), b"x", 0o664, None);
    umask(before);
    made.unwrap();
    drop(file.unwrap());
    replaced.unwrap();
    assert_eq!(nested.unwrap(), [root.join("a"), root.join("a/b"), root.join("a/b/c")]);
    let bits = |name: &str| stat(&root.join(name)).unwrap().mode;
    assert_eq!(
        ["d", "f", "r", "a", "a/b", "a/b/c"].map(bits),
        [0o2770, 0o660, 0o664, 0o2775, 0o2775, 0o2775]
    );
    assert!(make_dir_all(&root.join("a/b"), 0o700, None).unwrap().is_empty());
    assert_eq!(make_dir_all(&root.join("f/x"), 0o700, None).unwrap_err().errno(), Some(20));
}

#[test]
fn what_is_made_belongs_to_whom_it_should() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let (_dir, root) = dir();
    let owner = Owner { uid: 65534, gid: 65533 };
    make_dir(&root.join("d"), 0o2770, Some(owner)).unwrap();
    drop(create_new(&root.join("f"), 0o6770, Some(owner)).unwrap());
    replace(&root.join("r"), b"", 0o660, Some(owner)).unwrap();
    for (name, mode) in [("d", 0o2770), ("f", 0o6770), ("r", 0o660)] {
        let found = stat(&root.join(name)).unwrap();
        assert_eq!((found.owner, found.mode), (owner, mode), "{name}");
    }
    set_owner(&root.join("d"), Owner { uid: 0, gid: 0 }).unwrap();
    set_mode(&root.join("d"), 0o700).unwrap();
    let found = stat(&root.join("d")).unwrap();
    assert_eq!((found.owner, found.mode), (Owner { uid: 0, gid: 0 }, 0o700));
}

#[test]
fn a_new_file_never_goes_through_a_link() {
    let (_dir, root) = dir();
    symlink(root.join("victim"), root.join("planted")).unwrap();
    assert!(create_new(&root.join("planted"), 0o600, None).unwrap_err().is_already_there());
    assert_eq!(presence(&root.join("victim")).unwrap(), Presence::Absent);
    write(&root.join("victim"), b"secret");
    for open in [open_read, open_rw] {
        let error = open(&root.join("planted")).unwrap_err();
        assert_eq!(error.errno(), Some(nix::libc::ELOOP));
    }
    drop(open_read_following(&root.join("planted")).unwrap());
    assert_eq!(read_limited_following(&root.join("planted"), 6).unwrap(), b"secret");
}

#[test]
fn a_fifo_or_a_directory_is_not_opened_as_a_file_and_nothing_hangs() {
    let (_dir, root) = dir();
    let fifo = root.join("fifo");
    mkfifo(&fifo, Mode::S_IRUSR | Mode::S_IWUSR).unwrap();
    for path in [fifo.as_path(), root.as_path(), Path::new("/dev/null")] {
        assert!(open_read(path).is_err(), "{path:?}");
        assert!(open_rw(path).is_err(), "{path:?}");
        assert!(read_limited(path, 10).is_err(), "{path:?}");
    }
}

#[test]
fn reading_is_limited_before_memory_is_taken() {
    let (_dir, root) = dir();
    let path = root.join("f");
    write(&path, &[7; 5000]);
    assert_eq!(read_limited(&path, 5000).unwrap().len(), 5000);
    assert_eq!(read_limited(&path, 4999).unwrap_err().errno(), Some(nix::libc::EFBIG));
    std::fs::File::options().write(true).open(&path).unwrap().set_len(1 << 40).unwrap();
    assert!(read_limited(&path, 5000).is_err());
    // Files that do not tell their length.
    assert!(!read_limited(Path::new("/proc/self/stat"), 10_000).unwrap().is_empty());
    assert!(read_limited(Path::new("/proc/self/stat"), 10).is_err());
    write(&path, b"");
    assert_eq!(read_limited(&path, 0).unwrap(), b"");
}

#[test]
fn a_replacement_is_whole_or_leaves_nothing() {
    let (_dir, root) = dir();
    let path = root.join("qm.ini");
    replace(&path, b"one", 0o664, None).unwrap();
    replace(&path, b"two", 0o660, None).unwrap();
    assert_eq!(read_limited(&path, 10).unwrap(), b"two");
    assert_eq!(stat(&path).unwrap().mode, 0o660);
    make_dir(&root.join("taken"), 0o700, None).unwrap();
    let error = replace(&root.join("taken"), b"three", 0o660, None).unwrap_err();
    assert_eq!((error.op, error.path), (Op::Rename, root.join("taken")));
    replace(&root.join("x".repeat(256)), b"", 0o660, None).unwrap_err();
    replace(&root.join("x".repeat(255)), b"", 0o660, None).unwrap();
    assert!(replace(&root.join("absent/f"), b"", 0o660, None).unwrap_err().is_not_found());
    assert_eq!(list(&root).unwrap().len(), 3, "no temporary file is left");
}

#[test]
fn a_replacement_takes_the_place_of_a_link() {
    let (_dir, root) = dir();
    write(&root.join("victim"), b"old");
    symlink("victim", root.join("link")).unwrap();
    replace(&root.join("link"), b"new", 0o660, None).unwrap();
    assert_eq!(read_limited(&root.join("victim"), 9).unwrap(), b"old");
    assert_eq!(presence(&root.join("link")).unwrap(), Presence::File);
}

#[test]
fn a_tree_is_removed_without_what_its_links_lead_to() {
    let (_dir, root) = dir();
    make_dir_all(&root.join("keep/inner"), 0o700, None).unwrap();
    write(&root.join("keep/file"), b"precious");
    make_dir_all(&root.join("tree/a/b"), 0o700, None).unwrap();
    write(&root.join("tree/a/b/file"), b"");
    symlink(root.join("keep"), root.join("tree/a/link")).unwrap();
    symlink("nowhere", root.join("tree/dangling")).unwrap();
    mkfifo(&root.join("tree/fifo"), Mode::S_IRUSR).unwrap();
    remove_tree(&root.join("tree")).unwrap();
    assert_eq!(list(&root).unwrap(), ["keep"]);
    assert_eq!(list(&root.join("keep")).unwrap(), ["file", "inner"]);
    symlink("keep", root.join("link")).unwrap();
    remove_tree(&root.join("link")).unwrap();
    assert_eq!(list(&root.join("keep")).unwrap().len(), 2);
    assert!(remove_tree(&root.join("absent")).unwrap_err().is_not_found());
    assert!(remove_tree(Path::new("/")).is_err());
}

#[test]
fn a_tree_with_no_bottom_is_refused() {
    let (_dir, root) = dir();
    let deep: PathBuf =
        std::iter::once(root.join("top")).chain((0..80).map(|_| "d".into())).collect();
    make_dir_all(&deep, 0o700, None).unwrap();
    assert_eq!(remove_tree(&root.join("top")).unwrap_err().errno(), Some(nix::libc::ELOOP));
}

#[test]
fn a_mount_in_a_tree_is_not_entered() {
    // What is mounted there belongs to somebody else, whatever the permissions say.
    let (_dir, root) = dir();
    let flags = nix::mount::MsFlags::empty();
    make_dir_all(&root.join("tree/mnt"), 0o700, None).unwrap();
    let at = root.join("tree/mnt");
    if nix::mount::mount(Some("none"), &at, Some("tmpfs"), flags, None::<&str>).is_err() {
        return;
    }
    write(&at.join("file"), b"");
    let mounted = is_mount_point(&at);
    let removed = remove_tree(&root.join("tree"));
    let kept = presence(&at.join("file"));
    nix::mount::umount(&at).unwrap();
    assert!(mounted.unwrap());
    assert!(removed.is_err());
    assert_eq!(kept.unwrap(), Presence::File);
    assert!(!is_mount_point(&at).unwrap());
}

#[test]
fn names_come_and_go() {
    let (_dir, root) = dir();
    write(&root.join("a"), b"");
    link(&root.join("a"), &root.join("b")).unwrap();
    assert_eq!(stat(&root.join("b")).unwrap().links, 2);
    assert!(link(&root.join("a"), &root.join("b")).unwrap_err().is_already_there());
    rename(&root.join("a"), &root.join("c")).unwrap();
    assert_eq!(list(&root).unwrap(), ["b", "c"]);
    sync_dir(&root).unwrap();
    remove_file(&root.join("b")).unwrap();
    assert!(remove_file(&root.join("b")).unwrap_err().is_not_found());
    assert!(remove_dir(&root.join("c")).is_err());
    assert!(free_bytes(&root).unwrap() > 0);
    symlink("c", root.join("l")).unwrap();
    assert_eq!(canonical(&root.join("l")).unwrap(), canonical(&root.join("c")).unwrap());
}

#[test]
fn a_directory_that_may_not_be_searched_is_an_error() {
    if nix::unistd::geteuid().is_root() {
        // Root may search every directory.
        return;
    }
    let (_dir, root) = dir();
    make_dir(&root.join("shut"), 0o000, None).unwrap();
    assert!(presence(&root.join("shut/f")).unwrap_err().is_denied());
}

#[test]
fn space_is_reserved_where_the_file_system_can() {
    let (_dir, root) = dir();
    let path = root.join("f");
    let file = create_new(&path, 0o600, None).unwrap();
    if allocate(&file, &path, 65536).unwrap() {
        assert_eq!(stat_file(&file, &path).unwrap().size, 65536);
    }
    set_len(&file, &path, 10).unwrap();
    assert_eq!(stat_file(&file, &path).unwrap().size, 10);
    sync_all(&file, &path).unwrap();
    assert!(allocate(&file, &path, u64::MAX).is_err());
    close(file, &path);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}
