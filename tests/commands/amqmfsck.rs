//! `amqmfsck`.

use std::fs;

use crate::support::Machine;

/// The names in a directory.
fn names(path: &std::path::Path) -> Vec<String> {
    let entries = fs::read_dir(path).expect("a directory");
    entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into()).collect()
}

#[test]
fn local_storage_passes_and_nothing_is_left() {
    let machine = Machine::new();
    for options in ["", "-v", "--all", "--environment"] {
        let said = machine.run(&format!("amqmfsck {options} [SHARED]")).success();
        assert!(said.stdout.ends_with("completed successfully.\n"), "{}", said.stdout);
        assert!(said.stdout.starts_with("TEST ") || options == "-v", "{}", said.stdout);
    }
    assert_eq!(names(&machine.shared()), Vec::<String>::new());
}

#[test]
fn only_json_is_on_standard_output_if_json_was_asked_for() {
    let machine = Machine::new();
    let said = machine.run("amqmfsck --json [SHARED]").success();
    let report: serde_json::Value = serde_json::from_str(&said.stdout).expect("JSON");
    assert_eq!(report["outcome"], "passed");
    assert_eq!(report["hosts"][0]["name"], "host1");
    for line in ["amqmfsck --list-checks --json", "amqmfsck --json --explain lock.exclusive"] {
        let said = machine.run(line).success();
        let list: Vec<serde_json::Value> = serde_json::from_str(&said.stdout).expect("JSON");
        assert!(list.iter().any(|check| check["id"] == "lock.exclusive"));
    }
}

#[test]
fn what_makes_no_sense_is_refused() {
    let machine = Machine::new();
    for line in [
        "amqmfsck",
        "amqmfsck -x --all [SHARED]",
        "amqmfsck -x --environment [SHARED]",
        "amqmfsck --environment --all [SHARED]",
        "amqmfsck --check lock.exclusive -x [SHARED]",
        "amqmfsck --check no.such [SHARED]",
        "amqmfsck --explain no.such",
        "amqmfsck --list-checks [SHARED]",
        "amqmfsck --list-checks --explain lock.exclusive",
        "amqmfsck --json-schema --list-checks",
        "amqmfsck --report x -x [SHARED]",
        "amqmfsck --limit 0 [SHARED]",
        "amqmfsck --call-limit x [SHARED]",
        "amqmfsck -all [SHARED]",
        "amqmfsck [SHARED] [SHARED]",
    ] {
        let said = machine.run(line).code(39);
        assert_eq!(said.stdout, "", "{line}");
    }
    assert_eq!(names(&machine.shared()), Vec::<String>::new());
}

#[test]
fn a_directory_that_is_none_is_named() {
    let machine = Machine::new();
    let shared = machine.shared();
    fs::write(shared.join("file"), "").expect("a file");
    std::os::unix::fs::symlink("loop", shared.join("loop")).expect("a link");
    for (line, part) in [
        ("amqmfsck [SHARED]/none", "AMQ1810E: Directory '[ROOT]/shared/none' does not exist."),
        ("amqmfsck [SHARED]/file", "AMQ1811E: What is at '[ROOT]/shared/file' is not a directory."),
        ("amqmfsck [SHARED]/loop", "AMQ1812E: The name '[ROOT]/shared/loop' leads through"),
    ] {
        let said = machine.run(line).code(20);
        assert!(said.stderr.starts_with(part), "{}", said.stderr);
    }
}

#[test]
fn the_page_of_a_report_is_written_and_nothing_else_is_replaced() {
    let machine = Machine::new();
    let page = machine.shared().with_file_name("report.html");
    machine.run("amqmfsck --environment --report [SHARED]/../report.html [SHARED]").success();
    let text = fs::read_to_string(&page).expect("a page");
    assert!(text.starts_with("<!DOCTYPE html>") && text.contains("<strong>PASSED</strong>"));
    assert!(text.contains("<pre>amqmfsck --environment --report "), "the command");
    fs::create_dir(page.with_file_name("dir")).expect("a directory");
    std::os::unix::fs::symlink("report.html", page.with_file_name("link")).expect("a link");
    for other in ["/../dir", "/../link", "/../none/report.html"] {
        let said = machine.run(&format!("amqmfsck --report [SHARED]{other} [SHARED]")).code(71);
        assert_eq!(said.stdout, "", "nothing is tested: {other}");
        assert!(said.stderr.contains(other), "{}", said.stderr);
    }
}

#[test]
fn the_schema_is_json() {
    let said = Machine::new().run("amqmfsck --json-schema").success();
    let schema: serde_json::Value = serde_json::from_str(&said.stdout).expect("JSON");
    assert_eq!(schema["$ref"], "#/$defs/report");
}
