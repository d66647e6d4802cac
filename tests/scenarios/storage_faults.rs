//! The storage dies, hangs, fills up or takes locks away while queue managers run.

use std::fmt::Write as _;
use std::fs;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::support::Machine;
use crate::support::faultfs::{Mount, SharedStore};

/// What a command may take beyond its deadline, on a busy machine.
const GRACE: Duration = Duration::from_secs(3);

/// A store that one host mounts.
struct Storage {
    mount: Mount,
    _directory: TempDir,
}

impl Storage {
    fn or_skip() -> Option<Self> {
        let directory = TempDir::new().expect("a directory");
        let (backing, at) = (directory.path().join("store"), directory.path().join("mount"));
        for path in [&backing, &at] {
            fs::create_dir(path).expect("a directory");
        }
        let mount = SharedStore::or_skip(&backing)?.mount("host1", &at);
        Some(Self { mount, _directory: directory })
    }
}

fn register(machine: &Machine, names_and_paths: &[(&str, String)]) {
    let mut registry = String::new();
    for (name, path) in names_and_paths {
        write!(
            registry,
            "QueueManager:\n   Name={name}\n   Prefix=/var/mqm\n   Directory={name}\n   DataPath={path}\n"
        )
        .expect("a string takes everything");
    }
    fs::create_dir_all(machine.prefix()).expect("the prefix");
    fs::write(machine.path("mqs.ini"), registry).expect("the registry");
}

/// One dead mount must not keep an operator from seeing the other queue managers.
#[test]
fn dspmq_answers_by_its_deadline_although_a_mount_is_dead() {
    let Some(storage) = Storage::or_skip() else { return };
    let machine = Machine::new();
    let dead = |name: &str| storage.mount.path().join(name).display().to_string();
    fs::create_dir_all(dead("DEAD1")).expect("a directory");
    register(
        &machine,
        &[
            ("QM1", "/nowhere/1".into()),
            ("DEAD1", dead("DEAD1")),
            ("DEAD2", dead("DEAD2")),
            ("QM2", "/nowhere/2".into()),
        ],
    );
    let reasons = |said: &str| -> Vec<String> {
        let lines = said.lines().filter(|line| line.starts_with("AMQ1"));
        lines.map(|line| line.split('\'').nth(1).unwrap_or_default().to_owned()).collect()
    };

    let said = machine.run("dspmq -x").code(0);
    assert_eq!(reasons(&said.stderr), ["QM1", "DEAD1", "DEAD2", "QM2"]);

    storage.mount.hang();
    for line in
        ["dspmq -x --deadline 1", "dspmq -o all --deadline 1", "dspmq --deadline 1 -m DEAD1"]
    {
        let started = Instant::now();
        let said = machine.run(line).code(0);
        let taken = started.elapsed();
        let asked = if line.ends_with("DEAD1") { 1 } else { 4 };
        assert_eq!(said.stdout.matches("STATUS(Status not available)").count(), asked, "{line}");
        assert_eq!(reasons(&said.stderr).len(), asked, "{line}: {}", said.stderr);
        assert!(taken >= Duration::from_secs(1), "{line}: it did not even try");
        assert!(taken < Duration::from_secs(2) + GRACE, "{line} took {taken:?}");
    }
    storage.mount.resume();
    let said = machine.run("dspmq -x --deadline 5").code(0);
    assert_eq!(reasons(&said.stderr), ["QM1", "DEAD1", "DEAD2", "QM2"]);
}
