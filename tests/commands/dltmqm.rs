use std::fs;

use crate::support::Machine;

fn created() -> Machine {
    let machine = Machine::new();
    machine.run("crtmqm -lf 64 -q Q").success();
    machine
}

#[test]
fn a_queue_manager_is_deleted_with_all_that_is_its_own() {
    let machine = created();
    let said = machine.run("dltmqm Q").success();
    assert_eq!(said.stdout, "Queue manager 'Q' was deleted.\n");
    assert!(!machine.path("qmgrs/Q").exists() && !machine.path("log/Q").exists());
    assert_eq!(machine.run("dspmq").success().stdout, "");
    let registry = fs::read_to_string(machine.path("mqs.ini")).unwrap();
    assert!(!registry.contains("QueueManager:\n   Name"), "{registry}");
    let said = machine.run("dltmqm Q").code(16);
    insta::assert_snapshot!(said.stderr, @"AMQ8118E: Queue manager 'Q' does not exist.");
}

#[test]
fn what_is_not_valid_is_refused() {
    let machine = created();
    for (line, code, id) in [
        ("dltmqm", 39, "AMQ"),
        ("dltmqm Q R", 39, "AMQ"),
        ("dltmqm -y Q", 39, "AMQ1000E"),
        ("dltmqm 'a b'", 72, "AMQ"),
        ("dltmqm q", 16, "AMQ8118E"),
    ] {
        let said = machine.run(line).code(code);
        assert!(said.stderr.starts_with(id), "{line}: {}", said.stderr);
        assert_eq!(said.stdout, "");
    }
    assert_eq!(machine.run("dltmqm -z q").code(16).stderr, "");
    assert!(machine.run("dspmq").success().stdout.contains("Ended normally"));
}

#[test]
fn what_is_not_its_own_stays_and_is_named() {
    let machine = created();
    fs::write(machine.path("qmgrs/Q/notes"), "mine").unwrap();
    let said = machine.run("dltmqm Q").code(0);
    insta::assert_snapshot!(said.stderr, @"AMQ1217W: The directory '[ROOT]/host1/var/qmgrs/Q' was kept.");
    assert_eq!(fs::read_dir(machine.path("qmgrs/Q")).unwrap().count(), 1);
    machine.run("crtmqm -lf 64 Q").success();
    assert!(machine.path("qmgrs/Q.000/qmid").exists());
}

#[test]
fn a_directory_that_is_not_its_own_is_not_touched() {
    let machine = created();
    fs::rename(machine.path("qmgrs/Q"), machine.path("away")).unwrap();
    let said = machine.run("dltmqm Q").code(25);
    insta::assert_snapshot!(said.stderr, @r"
    AMQ1115E: '[ROOT]/host1/var/qmgrs/Q/qmid' does not exist, so its directory is not that of a queue manager.
    AMQ7018E: The operation cannot be completed.
    ");
    fs::rename(machine.path("away"), machine.path("qmgrs/Q")).unwrap();
    let identity = machine.path("qmgrs/Q/qmid");
    let good = fs::read_to_string(&identity).unwrap();
    fs::write(&identity, good.replace("Format=1", "Format=9")).unwrap();
    let said = machine.run("dltmqm Q").code(25);
    assert!(said.stderr.starts_with("AMQ1117E: "), "{}", said.stderr);
    fs::write(&identity, good).unwrap();
    fs::rename(machine.path("log/Q"), machine.path("away")).unwrap();
    let said = machine.run("dltmqm Q").code(100);
    assert!(said.stderr.starts_with("AMQ1218E: "), "{}", said.stderr);
    fs::rename(machine.path("away"), machine.path("log/Q")).unwrap();
    machine.run("dltmqm Q").success();
}

#[test]
fn a_queue_manager_of_another_installation_is_refused() {
    let machine = created();
    let path = machine.path("mqs.ini");
    let text = fs::read_to_string(&path).unwrap().replace("=Installation1", "=Elsewhere");
    fs::write(&path, text).unwrap();
    let said = machine.run("dltmqm Q").code(62);
    assert!(said.stderr.starts_with("AMQ1122E: "), "{}", said.stderr);
}
