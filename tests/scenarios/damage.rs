//! Files of a queue manager that are missing, damaged, somebody else's or from the future when it is to
//! be started: it is refused with what is wrong and what to do, and nothing is changed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use miqm_format::catalogue;
use miqm_format::control::{Control, SLOT_BYTES};
use miqm_format::extent::ExtentHeader;
use miqm_types::{ExtentNo, PAGE_BYTES};

use super::pauses::everything;
use crate::support::Machine;
use crate::support::pair::wait_until;

const PAGE: usize = PAGE_BYTES as usize;

/// `QM1`, which has run and is to be damaged, and `QM2`, whose files can be mixed in.
struct Site {
    host: Machine,
    /// The extent that holds the end of the log.
    extent: PathBuf,
    control: PathBuf,
    snapshot: PathBuf,
}

impl Site {
    fn new() -> Self {
        let host = Machine::new();
        for dir in ["q", "l"] {
            fs::create_dir(host.shared().join(dir)).expect("a shared directory");
        }
        for name in ["QM1", "QM2"] {
            let line = format!("crtmqm -lf 64 -ld [SHARED]/l -md [SHARED]/q {name}");
            drop(host.run(&line).success());
        }
        // Changes after the latest checkpoint, so that there is something to lose.
        drop(host.run("strmqm QM1").success());
        drop(host.run("endmqm -i QM1").success());
        drop(host.run("strmqm -c QM1").success());
        let (extent, snapshot) = (last_extent(&host), snapshot_of(&host, "QM1"));
        let control = host.shared().join("l/QM1/amqhlctl.lfh");
        Self { host, extent, control, snapshot }
    }

    /// Where in the last extent the latest checkpoint begins: what is replayed.
    fn checkpoint_offset(&self) -> usize {
        let bytes = fs::read(&self.control).expect("the control file");
        let control = Control::decode(&bytes[..SLOT_BYTES]).expect("a good slot");
        let checkpoint = control.checkpoint.expect("a checkpoint was taken");
        let offset = checkpoint.0 % control.geometry.extent_bytes();
        assert_eq!(control.geometry.extent_of(checkpoint).file_name(), name(&self.extent));
        usize::try_from(offset).expect("an extent is small")
    }

    fn data(&self, below: &str) -> PathBuf {
        self.host.shared().join("q/QM1").join(below)
    }

    /// Damages something, and expects that the start is refused in this way; mends it again.
    fn refused(
        &self,
        what: &str,
        path: &Path,
        code: i32,
        says: &[&str],
        damage: impl FnOnce(&Path),
    ) {
        let kept = fs::read(path).expect("it is there");
        damage(path);
        let registry = self.host.path("mqs.ini");
        let before = (contents(&self.host.shared()), fs::read(&registry).ok());
        for line in ["strmqm QM1", "strmqm -x QM1"] {
            let said = self.host.run(line).code(code).stderr;
            for part in says {
                assert!(said.contains(part), "{what}: '{part}' is not in: {said}");
            }
            assert!(said.starts_with("AMQ"), "{what}: {said}");
        }
        let after = (contents(&self.host.shared()), fs::read(&registry).ok());
        assert_eq!(before, after, "{what}: something was changed");
        if path != registry {
            let said = self.host.run("dspmq").code(0).stdout;
            assert!(
                said.contains("QMNAME(QM1) ") && said.contains("QMNAME(QM2) "),
                "{what}: {said}"
            );
        }
        fs::write(path, kept).expect("it can be mended");
    }

    fn starts(&self, what: &str) {
        let said = self.host.run("strmqm QM1").success().stdout;
        assert!(said.contains("'QM1' started"), "{what}: {said}");
        drop(self.host.run("endmqm -i QM1").success());
        let said = self.host.run("strmqm -c QM1").success().stdout;
        assert!(said.contains(" 0 created. "), "{what}: {said}");
    }
}

/// Size and checksum of every file below a directory.
fn contents(below: &Path) -> BTreeMap<PathBuf, (u64, u32)> {
    everything(below)
        .into_iter()
        .map(|(path, (_, bytes, _, _, crc))| (path, (bytes, crc)))
        .collect()
}

fn names(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()).collect()
}

fn name(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).expect("ASCII")
}

/// The extent of `QM1` that was written last: the first one of the latest epoch.
fn last_extent(host: &Machine) -> PathBuf {
    let epoch = |path: &PathBuf| {
        ExtentNo::from_file_name(name(path))?;
        let page = fs::read(path).ok()?;
        ExtentHeader::decode(page.get(..PAGE)?).ok().map(|header| header.epoch)
    };
    let mut found = names(&host.shared().join("l/QM1/active"));
    found.sort();
    let latest = found.iter().filter_map(epoch).max().expect("an extent");
    found.into_iter().find(|path| epoch(path) == Some(latest)).expect("an extent")
}

fn snapshot_of(host: &Machine, qmgr: &str) -> PathBuf {
    let found = names(&host.shared().join("q").join(qmgr).join("objects"));
    let found = found.into_iter().filter(|path| catalogue::from_file_name(name(path)).is_some());
    found.max_by_key(|path| catalogue::from_file_name(name(path))).expect("a snapshot")
}

fn remove(path: &Path) {
    fs::remove_file(path).expect("it can be removed");
}

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).expect("it can be read");
    bytes[at] ^= 0x40;
    fs::write(path, bytes).expect("it can be written");
}

fn cut(path: &Path, bytes: u64) {
    let file = fs::OpenOptions::new().write(true).open(path).expect("it can be opened");
    file.set_len(bytes).expect("it can be cut");
}

fn replace(path: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(path).expect("it can be read");
    assert!(text.contains(from), "{from} is in {}", path.display());
    fs::write(path, text.replacen(from, to, 1)).expect("it can be written");
}

/// Makes pages those of a format that nobody knows yet: their checksums are right.
fn make_newer(path: &Path, pages: &[usize]) {
    let mut bytes = fs::read(path).expect("it can be read");
    for page in pages {
        let page = &mut bytes[page * PAGE..(page + 1) * PAGE];
        page[8..12].copy_from_slice(&9_u32.to_le_bytes());
        let checksum = crc32c::crc32c_append(crc32c::crc32c(&page[..12]), &page[16..]);
        page[12..16].copy_from_slice(&checksum.to_le_bytes());
    }
    fs::write(path, bytes).expect("it can be written");
}

#[test]
fn a_log_that_cannot_be_used_is_refused() {
    let site = Site::new();
    let (extent, control) = (&site.extent, &site.control);
    let other = |below: &str| fs::read(site.host.shared().join("l/QM2").join(below)).expect("it");
    let (their_control, their_extent) = (other("amqhlctl.lfh"), other("active/S0000000.LOG"));
    let put = |bytes: &[u8]| {
        let bytes = bytes.to_owned();
        move |path: &Path| fs::write(path, bytes).expect("it can be written")
    };
    let file = name(extent);

    site.refused("missing extent", extent, 23, &["AMQ1351S", file], remove);
    site.refused("foreign extent", extent, 23, &["AMQ1352S", file], put(&their_extent));
    site.refused("empty extent", extent, 23, &["AMQ1350S", file, "offset 0"], put(b""));
    site.refused("extent cut", extent, 23, &["AMQ1350S", file, "offset 4096"], |p| cut(p, 4096));
    site.refused("bad header", extent, 23, &["AMQ1350S", file, "offset 0"], |p| flip(p, 50));
    site.refused("newer extent", extent, 23, &["AMQ1353S", file, " 9"], |p| make_newer(p, &[0]));
    site.refused("bad first record", extent, 23, &["AMQ1350S", file], |p| flip(p, PAGE + 30));
    let (checkpoint, file) = (site.checkpoint_offset(), name(extent));
    site.refused("bad record", extent, 23, &["AMQ1350S", file], |p| flip(p, checkpoint + 30));

    let file = "amqhlctl.lfh";
    site.refused("missing control", control, 100, &["AMQ1351S", file], remove);
    site.refused("foreign control", control, 23, &["AMQ1352S", file, "QM2"], put(&their_control));
    site.refused("empty control", control, 23, &["AMQ1350S", file], put(b""));
    let both = |path: &Path| {
        flip(path, 100);
        flip(path, SLOT_BYTES + 100);
    };
    site.refused("bad slots", control, 23, &["AMQ1350S", file], both);
    site.refused("newer control", control, 23, &["AMQ1353S", file], |p| make_newer(p, &[0, 1]));
    site.refused("newer slot", control, 23, &["AMQ1353S", file], |p| make_newer(p, &[1]));
    site.starts("everything was mended");
}

#[test]
fn objects_that_cannot_be_read_are_refused() {
    let site = Site::new();
    let snapshot = &site.snapshot;
    let theirs = fs::read(snapshot_of(&site.host, "QM2")).expect("it can be read");
    let file = name(snapshot);
    site.refused("missing", snapshot, 23, &["AMQ1351S", file], remove);
    site.refused("cut", snapshot, 23, &["AMQ1350S", file], |p| cut(p, 9000));
    site.refused("header", snapshot, 23, &["AMQ1350S", file, "offset 0"], |p| flip(p, 60));
    site.refused("entry", snapshot, 23, &["AMQ1350S", file], |p| flip(p, 7000));
    site.refused("newer", snapshot, 23, &["AMQ1354S", file], |p| make_newer(p, &[0]));
    site.refused("foreign", snapshot, 23, &["AMQ1352S", file], |path| {
        fs::write(path, theirs).expect("it can be written");
    });
    site.starts("everything was mended");
}

#[test]
fn one_damaged_control_slot_is_survived_and_repaired() {
    let site = Site::new();
    let slots = || {
        let bytes = fs::read(&site.control).expect("the control file");
        [0, 1].map(|n| Control::decode(&bytes[n * SLOT_BYTES..][..SLOT_BYTES]).map(|c| c.seq))
    };
    for slot in [0, 1] {
        flip(&site.control, slot * SLOT_BYTES + 200);
        assert!(slots()[slot].is_err());
        drop(site.host.run("strmqm QM1").success());
        // The first checkpoint may be writing one of them at this moment.
        wait_until(Duration::from_secs(10), "both slots say the same", || {
            let found = slots();
            found[0].is_ok() && found[0] == found[1]
        });
        drop(site.host.run("endmqm -i QM1").success());
    }
    site.starts("both slots are good");
}

#[test]
fn settings_that_make_no_sense_are_refused_by_file_and_line() {
    let site = Site::new();
    let ini = site.data("qm.ini");
    let text = fs::read_to_string(&ini).expect("qm.ini");
    let line = |part: &str| {
        let at = text.lines().position(|line| line.contains(part)).expect("it is there");
        format!("ine {} of", at + 1)
    };
    let log = site.host.shared().join("l").display().to_string();
    let (ours, theirs) = (format!("{log}/QM1"), format!("{log}/QM2"));
    let end = format!("ine {} of", text.lines().count() + 1);

    let says = ["AMQ1101E", &line("LogPrimaryFiles=3"), "qm.ini", "LogPrimaryFiles"];
    site.refused("number", &ini, 71, &says, |p| {
        replace(p, "LogPrimaryFiles=3", "LogPrimaryFiles=x");
    });
    site.refused("syntax", &ini, 71, &["AMQ1100E", &end, "qm.ini"], |path| {
        fs::write(path, format!("{text}what is this\n")).expect("it can be written");
    });
    site.refused("no path", &ini, 71, &["LogPath", "qm.ini"], |p| {
        replace(p, "LogPath=", "LogPat=");
    });
    site.refused("times", &ini, 71, &["HoldDeadline", "qm.ini"], |path| {
        let text = format!("{text}TuningParameters:\n   HoldDeadline=60\n");
        fs::write(path, text).expect("it can be written");
    });
    site.refused("another's log", &ini, 23, &["AMQ1352S", "QM2"], |p| replace(p, &ours, &theirs));
    site.refused("no log", &ini, 100, &["AMQ1351S", "QM9"], |p| {
        replace(p, &ours, &theirs.replace("QM2", "QM9"));
    });
    site.refused("no qm.ini", &ini, 71, &["qm.ini"], remove);
    site.starts("everything was mended");
    // What is not known is none of our business: it is kept.
    fs::write(&ini, format!("{text}Wonders:\n   Of=TheWorld\n")).expect("it can be written");
    site.starts("an unknown stanza");
    let now = fs::read_to_string(&ini).expect("qm.ini");
    assert!(now.ends_with("Wonders:\n   Of=TheWorld\n"), "{now}");
}

#[test]
fn a_directory_that_is_not_its_own_is_refused() {
    let site = Site::new();
    let qmid = site.data("qmid");
    let theirs = fs::read(site.host.shared().join("q/QM2/qmid")).expect("it can be read");
    site.refused("no identity", &qmid, 71, &["AMQ1115E", "qmid"], remove);
    site.refused("another's", &qmid, 71, &["AMQ1118E", "QM2"], |path| {
        fs::write(path, theirs).expect("it can be written");
    });
    site.refused("newer", &qmid, 71, &["AMQ1117E", "qmid"], |p| replace(p, "Format=1", "Format=2"));
    site.refused("damaged", &qmid, 71, &["AMQ111", "qmid"], |p| replace(p, "QMgrId=", "QMgrId=x"));
    for below in ["objects", "queues", "errors"] {
        let (path, away) = (site.data(below), site.data("away"));
        fs::rename(&path, &away).expect("it can be renamed");
        let said = site.host.run("strmqm QM1").code(71).stderr;
        assert!(said.contains("AMQ1418E") && said.contains(below), "{said}");
        fs::rename(&away, &path).expect("it can be renamed back");
    }
    site.starts("everything was mended");
}

#[test]
fn a_damaged_registry_is_refused_by_line() {
    let site = Site::new();
    let registry = site.host.path("mqs.ini");
    let text = fs::read_to_string(&registry).expect("mqs.ini");
    let end = format!("ine {} of", text.lines().count() + 1);
    let syntax = |path: &Path| {
        fs::write(path, format!("{text}what is this\n")).expect("it can be written");
    };
    site.refused("syntax", &registry, 71, &["AMQ1100E", &end, "mqs.ini"], syntax);
    // An entry that cannot be read hides itself, and nothing else.
    fs::write(&registry, text.replacen("Name=QM2", "Name=Q M2", 1)).expect("it can be written");
    let said = site.host.run("dspmq").code(71);
    assert!(said.stdout.contains("QMNAME(QM1) "), "{}", said.stdout);
    assert!(said.stderr.contains("mqs.ini") && said.stderr.contains("Q M2"), "{}", said.stderr);
    fs::write(&registry, text).expect("it can be written");
    site.starts("everything was mended");
}
