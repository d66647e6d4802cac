//! A thousand takeovers in a row, planned and not, with somebody watching all the time.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use miqm_format::catalogue;
use miqm_format::extent::ExtentHeader;
use miqm_testkit::random::Random;
use miqm_types::{ExtentNo, PAGE_BYTES};

use crate::support::instance::{Told, says_it_serves};
use crate::support::pair::{Pair, signal, wait_until};
use crate::support::witness::{Watch, Witness, record};
use crate::support::{Machine, say};

const SOON: Duration = Duration::from_secs(30);

/// How many takeovers there are, unless `MIQM_TEST_TAKEOVERS` says otherwise.
const TAKEOVERS: u64 = 1000;

/// A number from the environment.
fn number(name: &str) -> Option<u64> {
    #[expect(clippy::disallowed_methods, reason = "a switch of the tests, not of the program")]
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is a number and not {text}")))
}

/// How the active instance goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Killed,
    Terminated,
    SwitchedOver,
}

const WAYS: [Way; 3] = [Way::Killed, Way::Terminated, Way::SwitchedOver];

/// By what a change of a file shows.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Print {
    epoch: u64,
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
    crc: u32,
}

/// What is on the shared directory from epochs that are over.
struct Past {
    shared: PathBuf,
    prints: BTreeMap<PathBuf, Print>,
    /// Other names of files that were seen lately, so that a write shows after they were removed.
    kept: VecDeque<(PathBuf, Print)>,
}

/// How many files to keep an eye on that may have been removed.
const KEPT: usize = 16;

impl Past {
    fn of(host: &Machine) -> Self {
        let past = Self { shared: host.shared(), prints: BTreeMap::new(), kept: VecDeque::new() };
        fs::create_dir(past.shared.join("kept")).expect("a folder for other names");
        past
    }

    /// Makes sure that nothing that an epoch before `now` left has changed since that was seen first.
    fn has_not_changed(&mut self, now: u64) {
        let folders = [self.shared.join("logs/QM1/active"), self.shared.join("qmgrs/QM1/objects")];
        let mut found = BTreeMap::new();
        for folder in &folders {
            for entry in fs::read_dir(folder).expect("the folder is there") {
                let path = entry.expect("an entry").path();
                if let Some(print) = print(&path).filter(|print| print.epoch < now) {
                    found.insert(path, print);
                }
            }
        }
        assert!(!found.is_empty(), "epoch {now} needs something of the epochs before it");
        for (path, print) in &found {
            let before = self.prints.get(path).unwrap_or(print);
            assert_eq!(before, print, "{} has changed in epoch {now}", path.display());
        }
        for (other, before) in &self.kept {
            let now = print(other).expect("it has this name still");
            assert_eq!(*before, now, "{} has changed", other.display());
        }
        // What is gone stays gone: no name is used twice.
        for (path, print) in found {
            if !self.prints.contains_key(&path) {
                self.keep(&path, &print);
                self.prints.insert(path, print);
            }
        }
    }
}

impl Past {
    fn keep(&mut self, path: &Path, print: &Print) {
        let other = self.shared.join("kept").join(path.file_name().expect("a name"));
        // It may have been removed since it was looked at.
        if fs::hard_link(path, &other).is_ok() {
            self.kept.push_back((other, print.clone()));
        }
        if self.kept.len() > KEPT
            && let Some((oldest, _)) = self.kept.pop_front()
        {
            fs::remove_file(oldest).expect("it was kept");
        }
    }
}

/// The print of an extent or a snapshot; `None` for another file, or one that has just gone.
fn print(path: &Path) -> Option<Print> {
    let name = path.file_name()?.to_str()?;
    let snapshot = catalogue::from_file_name(name);
    if snapshot.is_none() && ExtentNo::from_file_name(name).is_none() {
        return None;
    }
    let bytes = fs::read(path).ok()?;
    let stat = fs::metadata(path).ok()?;
    let epoch = if let Some((epoch, _)) = snapshot {
        epoch
    } else {
        let page = bytes.get(..PAGE_BYTES as usize).expect("an extent has a first page");
        ExtentHeader::decode(page).expect("an extent has a name once it has a header").epoch
    };
    Some(Print {
        epoch: epoch.0,
        inode: stat.ino(),
        bytes: stat.size(),
        modified: (stat.mtime(), stat.mtime_nsec()),
        crc: crc32c::crc32c(&bytes),
    })
}

/// Waits until an instance serves here in an epoch after `last`.
fn serves(host: &Machine, last: u64) -> Option<Told> {
    let told = Told::read(&host.runtime_dir())?;
    let fresh = told.role == "Active" && told.epoch > last && told.is_alive();
    (fresh && says_it_serves(&host.runtime_dir())).then_some(told)
}

#[test]
fn a_thousand_takeovers_have_one_active_at_every_instant() {
    let takeovers = number("MIQM_TEST_TAKEOVERS").unwrap_or(TAKEOVERS);
    let seed = number("MIQM_TEST_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    say(&format!("seed {seed}, {takeovers} takeovers (MIQM_TEST_SEED, MIQM_TEST_TAKEOVERS)"));
    let began = Instant::now();
    let mut random = Random::new(seed);
    let pair = Pair::created();
    let data = pair.one.shared().join("qmgrs/QM1");
    pair.one.run("strmqm -x QM1").success();
    pair.two.run("strmqm -x QM1").code(30);
    let witness = Witness::of(&data, &[&pair.one, &pair.two], Watch::Lock);
    let (mut active, mut standby) = (&pair.one, &pair.two);
    let mut past = Past::of(active);
    let mut told = serves(active, 0).expect("it has said that it serves");

    let mut kept = 0;
    for n in 0..takeovers {
        let way = WAYS[usize::try_from(random.below(3)).expect("small")];
        match way {
            Way::Killed => signal(told.pid, "KILL"),
            Way::Terminated => signal(told.pid, "TERM"),
            Way::SwitchedOver => drop(active.run("endmqm -is QM1").success()),
        }
        let gone = told.clone();
        wait_until(SOON, "the former active is gone", || gone.is_gone());
        // Now and then the old one is back before the other has noticed.
        let hasty = random.below(4) == 0;
        if hasty {
            active.run("strmqm -x QM1").code_among(&[0, 30]);
        }
        let after = |host| serves(host, gone.epoch);
        let what = format!("takeover {n} ({way:?}, hasty {hasty}, {gone:?})");
        wait_until(SOON, &what, || after(active).or_else(|| after(standby)).is_some());
        if after(active).is_none() {
            std::mem::swap(&mut active, &mut standby);
        }
        told = after(active).expect("it serves");
        let record = record(&data.join("master")).expect("the active has said who it is");
        assert_eq!(record.epoch.0, told.epoch, "{what}");
        assert_eq!(record.instance_id.to_string(), told.instance, "{what}");
        assert_eq!(record.host.as_str(), active.host(), "{what}");
        past.has_not_changed(told.epoch);
        kept += past.kept.len();
        if !hasty {
            drop(standby.run("strmqm -x QM1").code(30));
        }
        wait_until(SOON, "there is a standby", || {
            Told::read(&standby.runtime_dir())
                .is_some_and(|told| told.role == "Standby" && told.is_alive())
        });
    }

    let wall = began.elapsed();
    drop(active.run("endmqm -w QM1").success());
    wait_until(SOON, "the standby ends, too", || {
        Told::read(&standby.runtime_dir()).is_some_and(|told| told.is_gone())
    });
    let watched = witness.testify();
    say(&format!(
        "{takeovers} takeovers in {wall:.1?}, {} looks, {} locks, {kept} files of older epochs compared",
        watched.looks, watched.locked
    ));
    assert!(u64::try_from(watched.epochs.len()).expect("few") > takeovers, "an epoch each");
    for host in [active, standby] {
        let said = host.run("dspmq -x").success().stdout;
        assert_eq!(said, format!("{:<58}STATUS(Ended normally)\n", "QMNAME(QM1)"));
    }
    past.has_not_changed(told.epoch);
    drop(standby.run("strmqm QM1").success());
    let after = serves(standby, told.epoch).expect("it serves");
    assert!(after.epoch > told.epoch);
    past.has_not_changed(after.epoch);
    drop(standby.run("endmqm -i QM1").success());
}
