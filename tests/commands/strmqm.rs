//! `strmqm` where there is nothing to start; what it starts is in the scenarios.

use crate::support::Machine;

#[test]
fn what_cannot_be_named_is_not_started() {
    let machine = Machine::new();
    let said = machine.run("strmqm QM1").code(16);
    assert_eq!(said.stderr, "AMQ8118E: Queue manager 'QM1' does not exist.\n");
    let said = machine.run("strmqm -z QM1").code(16);
    assert_eq!(said.stderr, "");
    drop(machine.run("strmqm 'no good'").code(72));
    drop(machine.run(&format!("strmqm {}", "x".repeat(49))).code(72));
    let said = machine.run("strmqm").code(72);
    assert!(said.stderr.starts_with("AMQ1427E: "), "{}", said.stderr);
}

#[test]
fn options_are_checked_before_anything_is_done() {
    let machine = Machine::new();
    for line in [
        "strmqm -a QM1",
        "strmqm -r QM1",
        "strmqm -si QM1",
        "strmqm -x -c QM1",
        "strmqm -e 5 QM1",
        "strmqm -e CMDLEVEL=x QM1",
        "strmqm -d sometimes QM1",
        "strmqm -q QM1",
        "strmqm QM1 QM2",
        "strmqm --deadline 0 QM1",
    ] {
        let said = machine.run(line).code(39);
        assert!(said.stderr.starts_with("AMQ10"), "{line}: {}", said.stderr);
        assert_eq!(said.stdout, "", "{line}");
    }
    assert!(!machine.prefix().exists(), "nothing was made");
}
