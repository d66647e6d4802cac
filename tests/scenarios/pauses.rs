//! The active instance is stopped and continued: SIGSTOP stands for a host that stalls.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::tampering::tune;
use crate::support::Machine;
use crate::support::instance::{Foreground, says_it_serves};
use crate::support::pair::{Pair, signal, wait_until};
use crate::support::witness::{Watch, Witness, record};

/// Every file below a directory: inode, size, time of the last change, contents.
pub(super) type Everything = BTreeMap<PathBuf, (u64, u64, i64, i64, u32)>;

/// What is below a directory now.
pub(super) fn everything(below: &Path) -> Everything {
    let mut found = Everything::new();
    let mut folders = vec![below.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder").flatten() {
            let path = entry.path();
            let stat = fs::symlink_metadata(&path).expect("it is there");
            if stat.is_dir() {
                folders.push(path);
                continue;
            }
            let crc = crc32c::crc32c(&fs::read(&path).expect("it can be read"));
            found.insert(path, (stat.ino(), stat.size(), stat.mtime(), stat.mtime_nsec(), crc));
        }
    }
    found
}

fn heartbeats(host: &Machine) -> u64 {
    record(&host.shared().join("qmgrs/QM1/active")).map_or(0, |record| record.beats)
}

#[test]
fn a_pause_that_the_hold_outlives_changes_nothing() {
    let pair = Pair::created();
    let data = pair.one.shared().join("qmgrs/QM1");
    let mut one = Foreground::start(&pair.one);
    let epoch = one.reaches("Active").epoch;
    let mut two = Foreground::start(&pair.two);
    two.reaches("Standby");
    let witness = Witness::of(&data, &[&pair.one, &pair.two], Watch::Lock);
    wait_until(Duration::from_secs(10), "a heartbeat", || heartbeats(&pair.one) > 0);
    signal(one.pid(), "STOP");
    std::thread::sleep(Duration::from_millis(100));
    let before = heartbeats(&pair.one);
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(heartbeats(&pair.one), before, "it is stopped");
    two.reaches("Standby");
    signal(one.pid(), "CONT");
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(one.reaches("Active").epoch, epoch);
    two.reaches("Standby");
    assert!(heartbeats(&pair.one) > before, "it goes on proving its hold");
    assert!(says_it_serves(&pair.one.runtime_dir()));
    witness.testify();
    drop(pair.one.run("endmqm -is QM1").success());
    assert!(two.reaches("Active").epoch > epoch);
    drop(pair.two.run("endmqm -i QM1").success());
}

#[test]
fn a_pause_beyond_the_deadline_ends_the_instance_without_another_write() {
    let pair = Pair::created();
    let (host1, shared) = (&pair.one, pair.one.shared());
    let data = shared.join("qmgrs/QM1");
    tune(host1, &["HoldDeadline=1", "StorageRetryTime=0", "HoldCheckInterval=200"]);
    let mut last = 0;
    for with_standby in [false, true, false] {
        let mut one = Foreground::start(host1);
        let epoch = one.reaches("Active").epoch;
        assert!(epoch > last);
        let mut two = with_standby.then(|| Foreground::start(&pair.two));
        if let Some(two) = &mut two {
            two.reaches("Standby");
        }
        std::thread::sleep(Duration::from_millis(500));
        let witness = Witness::of(&data, &[host1, &pair.two], Watch::Lock);
        signal(one.pid(), "STOP");
        std::thread::sleep(Duration::from_millis(2500));
        let before = everything(&shared);
        if let Some(two) = &mut two {
            two.reaches("Standby");
        }
        signal(one.pid(), "CONT");
        let (code, said) = one.ended(Duration::from_secs(2)).expect("it ends by itself");
        assert_eq!(code, Some(96), "{said}");
        assert!(said.contains("AMQ1410") && said.contains("no write"), "{said}");
        assert!(!says_it_serves(&host1.runtime_dir()));
        let log = fs::read_to_string(host1.path("errors/AMQERR01.LOG")).expect("the host's log");
        assert!(log.contains("AMQ1410"), "{log}");
        last = epoch;
        if let Some(mut two) = two {
            last = two.reaches("Active").epoch;
            drop(pair.two.run("endmqm -i QM1").success());
        } else {
            let ignored = shared.join("host1-stderr");
            let unchanged = |mut all: Everything| {
                all.remove(&ignored);
                all
            };
            assert_eq!(unchanged(everything(&shared)), unchanged(before));
        }
        assert!(last >= epoch);
        witness.testify();
    }
    drop(host1.run("strmqm QM1").success());
    drop(host1.run("endmqm -i QM1").success());
}
