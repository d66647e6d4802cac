//! The file system of the queue manager is full.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::mount::{MntFlags, MsFlags, mount, umount2};

use super::tampering::tune;
use crate::support::instance::Foreground;
use crate::support::pair::{Pair, wait_until};
use crate::support::say;
use crate::support::witness::{Watch, Witness};

const SOON: Duration = Duration::from_secs(30);

/// A small file system in memory, mounted as long as this lives.
struct SmallDisk {
    at: PathBuf,
}

impl SmallDisk {
    /// Mounts it over a directory; `None`, and a line that says so, where this user cannot.
    fn or_skip(at: &Path) -> Option<Self> {
        let flags = MsFlags::MS_NODEV | MsFlags::MS_NOSUID;
        match mount(Some("miqm"), at, Some("tmpfs"), flags, Some("size=6m,mode=0770")) {
            Ok(()) => Some(Self { at: at.to_owned() }),
            Err(error) => {
                say(&format!("SKIPPED: a small file system cannot be mounted here: {error}"));
                None
            }
        }
    }

    /// Leaves so many bytes free.
    fn fill(&self, free: usize) {
        self.make_room();
        let mut file = fs::File::create(self.at.join("ballast")).expect("a file");
        let chunk = [1; 4096];
        while file.write_all(&chunk).is_ok() {}
        let bytes = file.metadata().expect("its length").len();
        file.set_len(bytes.saturating_sub(free as u64)).expect("some room");
    }

    fn make_room(&self) {
        drop(fs::remove_file(self.at.join("ballast")));
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Detached, so that it goes even if an instance still has files open.
        umount2(&self.at, MntFlags::MNT_DETACH).expect("what was mounted can be unmounted");
    }
}

/// `QM1` on two hosts, its directories on a small file system.
fn pair_on_small_disk() -> Option<(Pair, SmallDisk)> {
    let pair = Pair::new();
    let disk = SmallDisk::or_skip(&pair.one.shared())?;
    for dir in ["qmgrs", "logs"] {
        fs::create_dir(pair.one.shared().join(dir)).expect("a directory");
    }
    drop(pair.one.run("crtmqm -lf 64 -ld [SHARED]/logs -md [SHARED]/qmgrs QM1").success());
    let add = pair.one.run("dspmqinf -o command QM1").success().stdout;
    let add = add.replace("[ROOT]/shared", "[SHARED]").replace("[ROOT]/host1/var", "/var/mqm");
    drop(pair.two.run(&add).success());
    tune(&pair.one, &["HoldCheckInterval=100", "LockPollInterval=20"]);
    Some((pair, disk))
}

fn objects_are_all_there(pair: &Pair) {
    let said = pair.one.run("strmqm -c QM1").success().stdout;
    assert!(said.contains(" 0 created. ") && said.contains(" 0 failed."), "{said}");
}

#[test]
fn a_running_pair_goes_on_and_fails_over_on_a_full_disk() {
    let Some((pair, disk)) = pair_on_small_disk() else { return };
    let data = pair.one.shared().join("qmgrs/QM1");
    let mut one = Foreground::start(&pair.one);
    let epoch = one.reaches("Active").epoch;
    let mut two = Foreground::start(&pair.two);
    two.reaches("Standby");
    std::thread::sleep(Duration::from_millis(500));
    disk.fill(0);
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(one.reaches("Active").epoch, epoch, "it proves its hold without more room");
    two.reaches("Standby");

    // What the active had prepared and not used is the room that its successor needs.
    let witness = Witness::of(&data, &[&pair.one, &pair.two], Watch::Lock);
    drop(one);
    let told = two.reaches("Active");
    assert!(told.epoch > epoch, "{told:?}");
    let mut one = Foreground::start(&pair.one);
    one.reaches("Standby");
    drop(pair.two.run("endmqm -is QM1").success());
    assert_eq!(two.ended(SOON).map(|(code, _)| code), Some(Some(0)));
    assert!(one.reaches("Active").epoch > told.epoch);
    let said = pair.one.run("endmqm -w QM1").success().stdout;
    assert!(said.ends_with("ended.\n"), "{said}");
    witness.testify();
    let said = pair.two.run("dspmq").success().stdout;
    assert!(said.contains("STATUS(Ended normally)"), "{said}");
    disk.make_room();
    objects_are_all_there(&pair);
}

#[test]
fn a_start_without_room_says_so_and_works_when_there_is_some() {
    let Some((pair, disk)) = pair_on_small_disk() else { return };
    // Without what was prepared: the room that is missing cannot be found.
    let folder = pair.one.shared().join("logs/QM1/active");
    let mut extents: Vec<_> =
        fs::read_dir(&folder).expect("a folder").map(|entry| entry.expect("one").path()).collect();
    extents.sort();
    for extra in &extents[1..] {
        fs::remove_file(extra).expect("it can be removed");
    }
    disk.fill(0);
    for _ in 0..3 {
        let said = pair.one.run("strmqm -x QM1").code(23).stderr;
        assert!(said.contains("No space left") && said.contains("logs/QM1/active"), "{said}");
        let said = pair.one.run("dspmq").success().stdout;
        assert!(said.contains("QMNAME(QM1) ") && !said.contains("Running"), "{said}");
    }
    // Room for the extent that is written, and not for the one after it.
    disk.fill(300 * 1024);
    let mut one = Foreground::start(&pair.one);
    let epoch = one.reaches("Active").epoch;
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(one.reaches("Active").epoch, epoch, "it stays up");
    let own = || fs::read_dir(&folder).expect("a folder").count();
    let before = own();
    disk.make_room();
    // It is tried again and again, but not often; and the machine may be busy.
    wait_until(3 * SOON, "the next extent is prepared when there is room", || own() > before);
    drop(pair.one.run("endmqm -i QM1").success());
    assert_eq!(one.ended(SOON).map(|(code, _)| code), Some(Some(0)));
    objects_are_all_there(&pair);
}
