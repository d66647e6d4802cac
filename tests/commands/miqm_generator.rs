//! `miqm-generator` at a boot.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::Machine;

/// The drop-in of a unit, if it was made.
fn drop_in(units: &Path, instance: &str) -> Option<String> {
    drop_in_of(units, "mqm", instance)
}

fn drop_in_of(units: &Path, unit: &str, instance: &str) -> Option<String> {
    fs::read_to_string(units.join(format!("{unit}@{instance}.service.d/50-miqm.conf"))).ok()
}

/// A host with this registry, and a directory for units.
fn host(registry: &[u8]) -> (Machine, PathBuf) {
    let machine = Machine::new();
    fs::create_dir(machine.prefix()).expect("made");
    fs::write(machine.path("mqs.ini"), registry).expect("written");
    let units = machine.shared().join("units");
    fs::create_dir(&units).expect("made");
    (machine, units)
}

fn stanza(name: &str, data: &str) -> String {
    format!(
        "QueueManager:\n   Name={name}\n   Prefix=/var/mqm\n   Directory=D\n   DataPath={data}\n"
    )
}

#[test]
fn a_boot_without_queue_managers_is_a_boot() {
    let machine = Machine::new();
    let units = machine.shared();
    let said = machine.run(&format!("miqm-generator {0} {0} {0}", units.display())).code(0);
    assert_eq!((said.stdout.as_str(), said.stderr.as_str()), ("", ""));
    assert_eq!(fs::read_dir(units).expect("read").count(), 0);
}

#[test]
fn each_queue_manager_gets_the_mounts_that_it_needs() {
    let registry = [stanza("QM1", "/shared/a b"), stanza("./%", "/shared/\"100%\"")].concat();
    let (machine, units) = host(registry.as_bytes());
    drop(machine.run(&format!("miqm-generator {0} {0} {0}", units.display())).code(0));
    let text = drop_in(&units, "QM1").expect("made");
    assert!(text.ends_with("[Unit]\nRequiresMountsFor=\"/shared/a b\"\n"), "{text}");
    let text = drop_in(&units, r"\x2e-\x25").expect("made");
    assert!(text.ends_with("[Unit]\nRequiresMountsFor=\"/shared/\\\"100%%\\\"\"\n"), "{text}");
}

/// What is provisioned waits for its storage before anybody looks whether it exists.
#[test]
fn a_queue_manager_with_a_file_gets_its_mounts_before_it_exists() {
    let (machine, units) = host(stanza("QM2", "/shared/qm2").as_bytes());
    let qmgr_d = machine.shared().join("etc/qmgr.d");
    fs::create_dir_all(&qmgr_d).expect("made");
    let file = |name: &str, text: &str| fs::write(qmgr_d.join(name), text).expect("written");
    let paths = "[paths]\ndata-under = '/mq/data'\nlog = '/mq/log 1'\nrequire-mount = ['/mq']\n";
    file(r"QM.1-\x25.toml", paths);
    file("QM2.toml", "[paths]\nlog-under = '/mq'\n");
    file("BAD.toml", "[paths]\ndata = 1\n");
    for other in ["QM5.toml~", "a b.toml", ".toml"] {
        file(other, paths);
    }
    let mut command = machine.process("miqm-generator");
    let said = command.arg(&units).env("MIQM_CONFIG_DIR", qmgr_d.parent().expect("above"));
    let said = said.output().expect("it runs");
    assert_eq!(said.status.code(), Some(10));
    let text = String::from_utf8(said.stderr).expect("text");
    assert!(text.matches("AMQ1901W").count() == 1 && text.contains("BAD"), "{text}");
    let wanted = "[Unit]\nRequiresMountsFor=\"/mq/data\"\nRequiresMountsFor=\"/mq/log 1\"\n\
                  RequiresMountsFor=\"/mq\"\n";
    for unit in ["mqm", "mqm-create"] {
        let text = drop_in_of(&units, unit, r"QM.1-\x25").expect("made");
        assert!(text.ends_with(wanted), "{text}");
    }
    // What is in the registry is there, and may be elsewhere than the file says by now.
    let text = drop_in(&units, "QM2").expect("made");
    assert!(text.ends_with("[Unit]\nRequiresMountsFor=\"/shared/qm2\"\n"), "{text}");
    let text = drop_in_of(&units, "mqm-create", "QM2").expect("made");
    assert!(text.ends_with("[Unit]\nRequiresMountsFor=\"/mq\"\n"), "{text}");
    assert_eq!(fs::read_dir(&units).expect("read").count(), 4);
}

#[test]
fn what_is_wrong_keeps_nothing_else_back() {
    let registry = [
        stanza("QM1", "/shared/../etc"),
        stanza("no name", "/shared"),
        stanza("QM2", "relative"),
        stanza("QM3", "/shared/a\tb"),
        stanza("QM4", "/shared/qm4"),
    ]
    .concat();
    let (machine, units) = host(registry.as_bytes());
    let said = machine.run(&format!("miqm-generator {}", units.display())).code(10);
    assert_eq!(said.stderr.matches("AMQ1901W").count(), 4, "{}", said.stderr);
    assert!(drop_in(&units, "QM4").is_some_and(|text| text.contains("\"/shared/qm4\"")));
    assert!(drop_in(&units, "QM1").is_some_and(|text| !text.contains("RequiresMountsFor")));
    assert_eq!(fs::read_dir(&units).expect("read").count(), 3, "QM1, QM3, QM4");
}

#[test]
fn garbage_for_a_registry_is_said_and_nothing_is_made() {
    for garbage in [&b"\xff\xfe\0"[..], b"Name=QM1\n", &[b'x'; 9_000]] {
        let (machine, units) = host(garbage);
        let said = machine.run(&format!("miqm-generator {}", units.display())).code(71);
        assert!(said.stderr.starts_with("AMQ1902E: "), "{}", said.stderr);
        assert_eq!(fs::read_dir(&units).expect("read").count(), 0);
    }
}

#[test]
fn no_place_for_the_drop_ins_is_said() {
    let (machine, units) = host(stanza("QM1", "/shared").as_bytes());
    fs::remove_dir(&units).expect("removed");
    fs::write(&units, "a file").expect("written");
    let said = machine.run(&format!("miqm-generator {}", units.display())).code(10);
    assert!(said.stderr.contains("AMQ1901W: ") && said.stderr.contains("QM1"), "{}", said.stderr);
    drop(machine.run("miqm-generator").code(39));
}
