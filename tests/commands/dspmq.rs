use std::fs;

use crate::support::Machine;

const REGISTRY: &str = "\
QueueManager:
   Name=QM1
   Prefix=/nowhere
   Directory=QM1
   InstallationName=Installation1
QueueManager:
   Name=a.very.long.name.of.a.queue.manager.48.byte.long
   Prefix=/nowhere
   Directory=Q2
DefaultQueueManager:
   Name=QM1
";

fn machine(registry: &str) -> Machine {
    let machine = Machine::new();
    fs::create_dir_all(machine.prefix()).expect("the world of the test");
    fs::write(machine.path("mqs.ini"), registry).expect("the world of the test");
    machine
}

#[test]
fn no_queue_managers_are_no_lines() {
    let machine = Machine::new();
    assert_eq!(machine.run("dspmq").success().stdout, "");
    assert_eq!(machine.run("dspmq -a").success().stdout, "");
    assert_eq!(machine.run("dspmq --json").success().stdout, "[]\n");
    assert!(!machine.prefix().exists(), "looking made something");
}

#[test]
fn what_cannot_be_read_is_said_for_each_queue_manager() {
    let machine = machine(REGISTRY);
    let said = machine.run("dspmq -x -o all").code(0);
    let path = said.stdout.split("INSTPATH(").nth(1).unwrap().split(')').next().unwrap();
    insta::assert_snapshot!(said.stdout.replace(path, "PATH"), @r"
    QMNAME(QM1)                                               STATUS(Status not available) DEFAULT(yes) STANDBY(Not applicable) INSTNAME(Installation1) INSTPATH(PATH) INSTVER(0.1.0)
    QMNAME(a.very.long.name.of.a.queue.manager.48.byte.long)  STATUS(Status not available) DEFAULT(no) STANDBY(Not applicable) INSTNAME(Installation1) INSTPATH(PATH) INSTVER(0.1.0)
    ");
    insta::assert_snapshot!(said.stderr, @r"
    AMQ1700E: The status of queue manager 'QM1' is not available: /nowhere/qmgrs/QM1/master does not exist.
    AMQ1700E: The status of queue manager 'a.very.long.name.of.a.queue.manager.48.byte.long' is not available: /nowhere/qmgrs/Q2/master does not exist.
    ");
}

#[test]
fn fields_can_be_combined_and_keep_their_order() {
    let machine = machine(REGISTRY);
    let show = |line: &str| machine.run(line).code(0).stdout;
    let one = |line: &str| show(line).lines().next().unwrap()[58..].to_owned();
    assert_eq!(one("dspmq -n -m QM1"), "STATUS(STATUS NOT AVAILABLE)");
    assert_eq!(one("dspmq -s -m QM1"), "STATUS(Status not available)");
    assert_eq!(
        one("dspmq -n -o standby -o default -m QM1"),
        "DEFAULT(YES) STANDBY(NOT APPLICABLE)"
    );
    assert_eq!(one("dspmq -o inst -m QM1"), one("dspmq -o installation -m QM1"));
    assert_eq!(
        one("dspmq -o ha -o dr -o nativeha -m QM1"),
        "HA() DRROLE() ROLE(Not configured) INSTANCE() INSYNC() QUORUM()"
    );
    assert_eq!(show("dspmq -a"), "");
}

#[test]
fn what_is_not_valid_is_refused() {
    let machine = machine(REGISTRY);
    for (line, code, id) in [
        ("dspmq -m NOSUCH", 72, "AMQ8118E"),
        ("dspmq -m 'a b'", 72, "AMQ"),
        ("dspmq -o everything", 36, "AMQ"),
        ("dspmq -s -o status", 36, "AMQ"),
        ("dspmq -g", 36, "AMQ"),
        ("dspmq QM1", 36, "AMQ"),
        ("dspmq -y", 36, "AMQ1000E"),
    ] {
        let said = machine.run(line).code(code);
        assert!(said.stderr.starts_with(id), "{line}: {}", said.stderr);
        assert_eq!(said.stdout, "");
    }
}

#[test]
fn a_damaged_stanza_does_not_hide_the_others() {
    let machine = machine(&REGISTRY.replacen("   Directory=QM1\n", "", 1));
    let said = machine.run("dspmq -o default").code(71);
    assert_eq!(said.stdout.lines().count(), 1);
    assert!(said.stderr.ends_with("AMQ7006E: The attribute 'Directory' is missing from the stanza 'QueueManager' at line 1 of '[ROOT]/host1/var/mqs.ini'.\n"), "{}", said.stderr);
    let said = machine.run("dspmq -m QM1").code(71);
    assert!(said.stderr.starts_with("AMQ7006E: "), "{}", said.stderr);
}
