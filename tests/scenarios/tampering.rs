//! Somebody removes, replaces or damages the files of a queue manager that runs on two hosts: there
//! are never two who serve, and nothing that was acknowledged is lost.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use miqm_format::catalogue;
use miqm_format::extent::ExtentHeader;
use miqm_types::{ExtentNo, PAGE_BYTES};

use crate::support::Machine;
use crate::support::instance::{Foreground, says_it_serves};
use crate::support::pair::{Pair, wait_until};
use crate::support::witness::{Watch, Witness};

const SOON: Duration = Duration::from_secs(30);
/// How often the active proves its hold here.
const HOLD_CHECK: Duration = Duration::from_millis(200);
/// How long it may take to end after it can no longer prove it.
const ENDS_WITHIN: Duration = Duration::from_millis(1200);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Victim {
    Master,
    Active,
    Standby,
    Control,
    CurrentExtent,
    NextExtent,
    Snapshot,
    Identity,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deed {
    Remove,
    RenameAway,
    ReplaceByCopy,
    ReplaceByEmpty,
    Truncate,
    Forbid,
}

const DEEDS: [Deed; 6] = [
    Deed::Remove,
    Deed::RenameAway,
    Deed::ReplaceByCopy,
    Deed::ReplaceByEmpty,
    Deed::Truncate,
    Deed::Forbid,
];

/// What comes of it when the active is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    TakenOver,
    Refused(i32),
}

/// Whether the path names another file, or none, after the deed.
fn is_another_file(deed: Deed) -> bool {
    !matches!(deed, Deed::Truncate | Deed::Forbid)
}

/// Whether the active ends by itself: it holds the file, and the path names it no more.
fn fences(victim: Victim, deed: Deed) -> bool {
    !matches!(victim, Victim::Standby | Victim::Identity) && is_another_file(deed)
}

fn then(victim: Victim, deed: Deed) -> Then {
    let is_gone = matches!(deed, Deed::Remove | Deed::RenameAway);
    match victim {
        // Their locks decide, and what stands in them only explains.
        Victim::Master | Victim::Active | Victim::Standby => Then::TakenOver,
        _ if matches!(deed, Deed::ReplaceByCopy | Deed::Forbid) => Then::TakenOver,
        // It was prepared, and nothing was written to it.
        Victim::NextExtent if is_gone => Then::TakenOver,
        Victim::Control if is_gone => Then::Refused(100),
        Victim::Identity => Then::Refused(71),
        Victim::Control | Victim::CurrentExtent | Victim::NextExtent | Victim::Snapshot => {
            Then::Refused(23)
        }
    }
}

struct Site {
    pair: Pair,
    epoch: u64,
}

/// Changes settings of `QM1`: lines for its stanza `TuningParameters`.
pub(super) fn tune(host: &Machine, lines: &[&str]) {
    let path = host.shared().join("qmgrs/QM1/qm.ini");
    let mut text = fs::read_to_string(&path).expect("qm.ini");
    assert!(!text.contains("\nTuningParameters:"), "nobody has tuned it yet");
    text.push_str("\nTuningParameters:\n");
    for line in lines {
        writeln!(text, "   {line}").expect("a string takes all");
    }
    fs::write(&path, text).expect("qm.ini");
}

impl Site {
    fn new() -> Self {
        let pair = Pair::created();
        tune(&pair.one, &["HoldCheckInterval=200", "LockPollInterval=20"]);
        Self { pair, epoch: 0 }
    }

    fn data(&self) -> PathBuf {
        self.pair.one.shared().join("qmgrs/QM1")
    }

    fn log(&self) -> PathBuf {
        self.pair.one.shared().join("logs/QM1")
    }

    /// The extents of the epoch, the one that is written first.
    fn extents(&self) -> Vec<PathBuf> {
        let mut found: Vec<PathBuf> = names(&self.log().join("active"));
        found.retain(|path| {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let page = fs::read(path).unwrap_or_default();
            let header = page.get(..PAGE_BYTES as usize).map(ExtentHeader::decode);
            ExtentNo::from_file_name(name).is_some()
                && matches!(header, Some(Ok(header)) if header.epoch.0 == self.epoch)
        });
        found.sort();
        found
    }

    /// The snapshot that the latest checkpoint names.
    fn snapshot(&self) -> PathBuf {
        let found = names(&self.data().join("objects"));
        let number = |path: &PathBuf| catalogue::from_file_name(path.file_name()?.to_str()?);
        let newest = found.into_iter().filter(|path| number(path).is_some()).max_by_key(number);
        newest.expect("a checkpoint was taken")
    }

    fn path(&self, victim: Victim) -> PathBuf {
        match victim {
            Victim::Master => self.data().join("master"),
            Victim::Active => self.data().join("active"),
            Victim::Standby => self.data().join("standby"),
            Victim::Identity => self.data().join("qmid"),
            Victim::Control => self.log().join("amqhlctl.lfh"),
            Victim::CurrentExtent => self.extents()[0].clone(),
            Victim::NextExtent => self.extents()[1].clone(),
            Victim::Snapshot => self.snapshot(),
        }
    }

    /// Both instances, when the active one has nothing left to do.
    fn started(&mut self) -> (Foreground, Foreground) {
        let mut one = Foreground::start(&self.pair.one);
        let told = one.reaches("Active");
        assert!(told.epoch > self.epoch, "{told:?} after epoch {}", self.epoch);
        self.epoch = told.epoch;
        let mut two = Foreground::start(&self.pair.two);
        two.reaches("Standby");
        wait_until(SOON, "the next extent is prepared", || self.extents().len() >= 2);
        let all = || [names(&self.log().join("active")), names(&self.data().join("objects"))];
        let mut before = all();
        let mut still = Instant::now();
        wait_until(SOON, "nothing is made or removed", || {
            let now = all();
            if now != before {
                before = now;
                still = Instant::now();
            }
            still.elapsed() > Duration::from_millis(150)
        });
        (one, two)
    }

    /// Ends the whole queue manager where it is active, and makes sure that it is a new epoch's.
    fn end(&mut self, host: usize, active: &mut Foreground, standby: Option<&mut Foreground>) {
        let told = active.reaches("Active");
        assert!(told.epoch > self.epoch, "{told:?} after epoch {}", self.epoch);
        self.epoch = told.epoch;
        let host = [&self.pair.one, &self.pair.two][host];
        drop(host.run("endmqm -w QM1").success());
        for instance in std::iter::once(active).chain(standby) {
            assert_eq!(instance.ended(SOON).map(|(code, _)| code), Some(Some(0)));
        }
    }

    fn objects_are_all_there(&self) {
        let said = self.pair.one.run("strmqm -c QM1").success().stdout;
        assert!(said.contains(" 0 created. ") && said.contains(" 0 failed."), "{said}");
    }
}

fn names(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut names: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    names.sort();
    names
}

fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("the mode can be set");
}

fn commit(deed: Deed, path: &Path) {
    let other = beside(path, ".other");
    let done = match deed {
        Deed::Remove => fs::remove_file(path),
        Deed::RenameAway => fs::rename(path, &other),
        Deed::ReplaceByCopy => fs::copy(path, &other).and_then(|_| fs::rename(&other, path)),
        Deed::ReplaceByEmpty => fs::write(&other, b"").and_then(|()| fs::rename(&other, path)),
        Deed::Truncate => fs::OpenOptions::new().write(true).open(path).and_then(|f| f.set_len(0)),
        Deed::Forbid => fs::set_permissions(path, fs::Permissions::from_mode(0o000)),
    };
    done.unwrap_or_else(|error| panic!("{deed:?} {}: {error}", path.display()));
}

fn undo(deed: Deed, path: &Path, bytes: &[u8]) {
    if deed == Deed::RenameAway {
        fs::rename(beside(path, ".other"), path).expect("it can be renamed back");
        return;
    }
    let other = beside(path, ".back");
    fs::write(&other, bytes).expect("it can be written");
    mode(&other, 0o660);
    fs::rename(&other, path).expect("it can be put back");
}

/// How often the host's own log has a message.
fn told(host: &Machine, id: &str) -> usize {
    let log = fs::read_to_string(host.path("errors/AMQERR01.LOG")).unwrap_or_default();
    log.matches(id).count()
}

/// The active has ended because it cannot prove its hold, and has said so.
fn fenced(host: &Machine, one: &mut Foreground, before: usize, what: &str) {
    let began = Instant::now();
    let Some((code, said)) = one.ended(ENDS_WITHIN) else {
        panic!("{what}: it still runs {:?} after its hold was lost", began.elapsed());
    };
    assert!(matches!(code, Some(96 | 97)), "{what}: it ended with {code:?}: {said}");
    assert!(said.contains("AMQ1410"), "{what}: {said}");
    assert_eq!(told(host, "AMQ1410"), before + 1, "{what}: the host's log");
    assert!(!says_it_serves(&host.runtime_dir()), "{what}: the role file");
}

fn tamper(victim: Victim) {
    let mut site = Site::new();
    for deed in DEEDS {
        let (mut one, mut two) = site.started();
        let (host1, host2) = (&site.pair.one, &site.pair.two);
        let what = format!("{deed:?} {victim:?}, epoch {}", site.epoch);
        let path = site.path(victim);
        let bytes = fs::read(&path).expect("the file is there");
        // A lock on the file that somebody put there proves nothing.
        let watch = if victim == Victim::Master { Watch::Look } else { Watch::Lock };
        let witness = Witness::of(&site.data(), &[host1, host2], watch);
        let before = told(host1, "AMQ1410");
        commit(deed, &path);
        if fences(victim, deed) {
            fenced(host1, &mut one, before, &what);
        } else {
            std::thread::sleep(HOLD_CHECK * 4);
            assert!(one.is_there() && two.is_there(), "{what}: one has ended");
            assert_eq!(one.reaches("Active").epoch, site.epoch, "{what}");
            two.reaches("Standby");
            if deed == Deed::Forbid {
                mode(&path, 0o660);
            }
            drop(one);
        }
        match then(victim, deed) {
            Then::TakenOver => drop(two.reaches("Active")),
            Then::Refused(code) => {
                let ended = two.ended(SOON).unwrap_or_else(|| panic!("{what}: it goes on"));
                assert_eq!(ended.0, Some(code), "{what}: {}", ended.1);
                let name = path.file_name().and_then(|name| name.to_str()).expect("ASCII");
                assert!(ended.1.contains("AMQ") && ended.1.contains(name), "{what}: {}", ended.1);
                let again = host1.run("strmqm -x QM1").code(code).stderr;
                assert!(again.contains(name), "{what}: {again}");
                undo(deed, &path, &bytes);
            }
        }
        let mut back = Foreground::start(host1);
        if then(victim, deed) == Then::TakenOver {
            back.reaches("Standby");
            witness.testify();
            site.end(1, &mut two, Some(&mut back));
        } else {
            back.reaches("Active");
            witness.testify();
            site.end(0, &mut back, None);
        }
        drop(fs::remove_file(beside(&path, ".other")));
    }
    site.objects_are_all_there();
}

#[test]
fn the_master_lock_file() {
    tamper(Victim::Master);
}

#[test]
fn the_active_lock_file() {
    tamper(Victim::Active);
}

#[test]
fn the_standby_lock_file() {
    tamper(Victim::Standby);
}

#[test]
fn the_control_file() {
    tamper(Victim::Control);
}

#[test]
fn the_extent_that_is_written() {
    tamper(Victim::CurrentExtent);
}

#[test]
fn the_extent_that_is_prepared() {
    tamper(Victim::NextExtent);
}

#[test]
fn the_snapshot_of_the_objects() {
    tamper(Victim::Snapshot);
}

#[test]
fn the_identity_file() {
    tamper(Victim::Identity);
}

/// Renames a directory away while both run, and returns where it is.
fn rename_away(path: &Path) -> PathBuf {
    let away = beside(path, ".away");
    fs::rename(path, &away).expect("it can be renamed");
    away
}

#[test]
fn the_data_directory_goes_and_comes_back() {
    let mut site = Site::new();
    // Once it is just not there; once there is an empty one, as under a mount that has gone.
    for empty in [false, true] {
        let (mut one, mut two) = site.started();
        let (host1, host2) = (&site.pair.one, &site.pair.two);
        let (what, data) = (format!("empty: {empty}"), site.data());
        let witness = Witness::of(&data, &[host1, host2], Watch::Look);
        let before = (told(host1, "AMQ1410"), told(host2, "AMQ1412"));
        let away = rename_away(&data);
        if empty {
            fs::create_dir(&data).expect("an empty directory");
        }
        fenced(host1, &mut one, before.0, &what);
        wait_until(SOON, "the standby says that it cannot reach the locks", || {
            told(host2, "AMQ1412") == before.1 + 1
        });
        let said = host1.run("dspmq -x").code(0);
        assert!(said.stdout.contains("STATUS(Status not available)"), "{what}: {}", said.stdout);
        assert!(said.stderr.contains("QM1"), "{what}: {}", said.stderr);
        let said = host1.run("strmqm -x QM1").code(71).stderr;
        assert!(said.contains("qmgrs/QM1"), "{what}: {said}");
        std::thread::sleep(Duration::from_millis(1500));
        two.reaches("Standby");
        assert_eq!(data.exists(), empty, "{what}");
        assert_eq!(names(&data), [] as [PathBuf; 0], "{what}: something was made");
        if empty {
            fs::remove_dir(&data).expect("the empty directory");
        }
        fs::rename(&away, &data).expect("it can be renamed back");
        two.reaches("Active");
        let mut back = Foreground::start(host1);
        back.reaches("Standby");
        witness.testify();
        site.end(1, &mut two, Some(&mut back));
    }
    site.objects_are_all_there();
}

#[test]
fn the_log_directory_goes_and_comes_back() {
    let mut site = Site::new();
    for part in ["", "active"] {
        let (mut one, mut two) = site.started();
        let (host1, host2) = (&site.pair.one, &site.pair.two);
        let (what, path) = (format!("log directory {part}"), site.log().join(part));
        let path = path.components().collect::<PathBuf>();
        let witness = Witness::of(&site.data(), &[host1, host2], Watch::Lock);
        let away = rename_away(&path);
        fenced(host1, &mut one, told(host1, "AMQ1410"), &what);
        let ended = two.ended(SOON).expect("there is no log to take over");
        assert_eq!(ended.0, Some(100), "{what}: {}", ended.1);
        let said = host1.run("strmqm -x QM1").code(100).stderr;
        for said in [&ended.1, &said.replace("[ROOT]", "")] {
            assert!(said.contains("AMQ1351") && said.contains("logs/QM1"), "{what}: {said}");
        }
        assert!(!path.exists(), "{what}: something was made");
        fs::rename(&away, &path).expect("it can be renamed back");
        let mut back = Foreground::start(host1);
        back.reaches("Active");
        witness.testify();
        site.end(0, &mut back, None);
    }
    site.objects_are_all_there();
}
