use std::fs;
use std::os::unix::fs::symlink;

use crate::support::Machine;

fn machine(registry: &str) -> Machine {
    let machine = Machine::new();
    fs::create_dir_all(machine.prefix()).expect("the world of the test");
    fs::write(machine.path("mqs.ini"), registry).expect("the world of the test");
    machine
}

const REGISTRY: &str = "\
QueueManager:
   Name=a/b
   Prefix=/var/mqm
   DataPath=/MQHA/qmgrs/a&b
   InstallationName=Installation1
   Directory=a&b
QueueManager:
   Name=..
   Prefix=/var/mqm
   Directory=!!
";

#[test]
fn a_stanza_is_displayed_in_the_order_of_the_interface() {
    let machine = machine(REGISTRY);
    insta::assert_snapshot!(machine.run("dspmqinf a/b").success().stdout, @r"
    QueueManager:
       Name=a/b
       Directory=a&b
       Prefix=/var/mqm
       DataPath=/MQHA/qmgrs/a&b
       InstallationName=Installation1
    ");
    insta::assert_snapshot!(machine.run("dspmqinf -s QueueManager -o stanza ..").success().stdout, @r"
    QueueManager:
       Name=..
       Directory=!!
       Prefix=/var/mqm
    ");
}

#[test]
fn the_command_is_quoted_for_a_shell() {
    let machine = machine(REGISTRY);
    insta::assert_snapshot!(machine.run("dspmqinf -o command a/b").success().stdout, @"addmqinf -s QueueManager -v Name=a/b -v Directory='a&b' -v Prefix=/var/mqm -v DataPath='/MQHA/qmgrs/a&b'");
    insta::assert_snapshot!(machine.run("dspmqinf -o command ..").success().stdout, @"addmqinf -s QueueManager -v Name=.. -v Directory='!!' -v Prefix=/var/mqm");
}

#[test]
fn json_has_the_same_names_and_values() {
    let machine = machine(REGISTRY);
    insta::assert_snapshot!(machine.run("dspmqinf --json ..").success().stdout, @r#"
    {
      "Name": "..",
      "Directory": "!!",
      "Prefix": "/var/mqm"
    }
    "#);
}

#[test]
fn what_is_not_there_or_not_valid_is_refused() {
    let machine = machine(REGISTRY);
    for (line, code, id) in [
        ("dspmqinf X", 44, "AMQ1108E"),
        ("dspmqinf a-b", 72, "AMQ"),
        ("dspmqinf -s Log a/b", 39, "AMQ1114E"),
        ("dspmqinf -o all a/b", 39, "AMQ"),
        ("dspmqinf", 39, "AMQ"),
        ("dspmqinf a/b c", 39, "AMQ"),
    ] {
        let said = machine.run(line).code(code);
        assert!(said.stderr.starts_with(id), "{line}: {}", said.stderr);
        assert_eq!(said.stdout, "");
    }
    assert_eq!(Machine::new().run("dspmqinf X").code(44).stdout, "");
}

#[test]
fn a_damaged_registry_is_named_with_its_line() {
    for (from, to, code, expected) in [
        (
            "   Directory=!!",
            "   Directory=..",
            71,
            "AMQ1101E: Line 10 of '[ROOT]/host1/var/mqs.ini' sets 'Directory' to '..', which is not the name of one directory.\n",
        ),
        (
            "   Directory=!!",
            "",
            71,
            "AMQ7006E: The attribute 'Directory' is missing from the stanza 'QueueManager' at line 7 of '[ROOT]/host1/var/mqs.ini'.\n",
        ),
        (
            "Name=a/b",
            "Name=..",
            71,
            "AMQ1102E: Line 7 of '[ROOT]/host1/var/mqs.ini' begins a second stanza for queue manager '..'; the first one is at line 1.\n",
        ),
        (
            "Queue",
            "  Queue",
            71,
            "AMQ1100E: Line 1 of '[ROOT]/host1/var/mqs.ini' is not valid: a stanza header must start at the beginning of the line.\n",
        ),
    ] {
        let machine = machine(&REGISTRY.replace(from, to));
        assert_eq!(machine.run("dspmqinf ..").code(code).stderr, expected);
    }
}

#[test]
fn a_link_that_leads_nowhere_is_named() {
    let machine = Machine::new();
    fs::create_dir_all(machine.prefix()).unwrap();
    symlink("mqs.ini", machine.path("mqs.ini")).unwrap();
    let said = machine.run("dspmqinf X").code(71);
    insta::assert_snapshot!(said.stderr, @"AMQ1103E: The symbolic link '[ROOT]/host1/var/mqs.ini' does not lead to a usable place: Too many levels of symbolic links (os error 40).");
}

#[test]
fn lost_output_is_a_failure() {
    let machine = machine(REGISTRY);
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut command = std::process::Command::new(machine.command("dspmqinf").get_program());
    command.args([".."]).env("MIQM_PREFIX", machine.prefix()).stdout(full);
    assert_eq!(command.status().unwrap().code(), Some(71));
}
