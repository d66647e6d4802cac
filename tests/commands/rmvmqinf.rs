use std::fs;

use crate::support::Machine;

const REGISTRY: &str = "\
# kept
QueueManager:
   Name=A
   Prefix=/p
   Directory=A
   Colour=red
QueueManager:
   Name=B
   Prefix=/p
   Directory=B
   InstallationName=Elsewhere
DefaultQueueManager:
   Name=A
";

fn machine(registry: &str) -> Machine {
    let machine = Machine::new();
    fs::create_dir_all(machine.prefix()).expect("the world of the test");
    fs::write(machine.path("mqs.ini"), registry).expect("the world of the test");
    machine
}

fn registry(machine: &Machine) -> String {
    fs::read_to_string(machine.path("mqs.ini")).expect("the world of the test")
}

#[test]
fn a_stanza_goes_with_its_default_and_nothing_else_does() {
    let machine = machine(REGISTRY);
    let said = machine.run("rmvmqinf A").success();
    assert_eq!(said.stdout, "The stanza for queue manager 'A' was removed.\n");
    let expected = REGISTRY
        .replace("QueueManager:\n   Name=A\n   Prefix=/p\n   Directory=A\n   Colour=red\n", "")
        .replace("DefaultQueueManager:\n   Name=A\n", "");
    assert_eq!(registry(&machine), expected);
}

#[test]
fn what_cannot_be_removed_is_refused_and_nothing_changes() {
    let machine = machine(REGISTRY);
    for (line, code, id) in [
        ("rmvmqinf C", 44, "AMQ1108E"),
        ("rmvmqinf a", 44, "AMQ1108E"),
        ("rmvmqinf 'no name'", 72, "AMQ"),
        ("rmvmqinf -s Log A", 39, "AMQ1114E"),
        ("rmvmqinf", 39, "AMQ"),
        ("rmvmqinf B", 58, "AMQ1122E"),
    ] {
        let said = machine.run(line).code(code);
        assert!(said.stderr.starts_with(id), "{line}: {}", said.stderr);
        assert_eq!(said.stdout, "");
        assert_eq!(registry(&machine), REGISTRY);
    }
}

#[test]
fn a_damaged_stanza_can_be_removed() {
    let machine = machine(&REGISTRY.replace("   Directory=A\n", ""));
    machine.run("rmvmqinf A").success();
    assert!(!registry(&machine).contains("Name=A"));
}

#[test]
fn a_damaged_default_is_left_alone_with_a_warning() {
    let machine = machine(
        &REGISTRY.replace("DefaultQueueManager:\n   Name=A\n", "DefaultQueueManager:\n   Name=\n"),
    );
    let said = machine.run("rmvmqinf A").code(0);
    insta::assert_snapshot!(said.stderr, @"AMQ1121W: The stanza DefaultQueueManager at line 12 of '[ROOT]/host1/var/mqs.ini' cannot be processed.");
    assert!(registry(&machine).ends_with("DefaultQueueManager:\n   Name=\n"));
}

#[test]
fn a_file_that_is_damaged_as_a_whole_is_named_with_its_line() {
    let machine = machine(&REGISTRY.replace("   Colour=red", "   Colour"));
    let said = machine.run("rmvmqinf A").code(71);
    insta::assert_snapshot!(said.stderr, @"AMQ1100E: Line 6 of '[ROOT]/host1/var/mqs.ini' is not valid: neither a stanza header (Name:) nor a setting (Key=Value) nor a comment.");
}
