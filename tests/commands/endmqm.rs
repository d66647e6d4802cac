//! `endmqm` where there is nothing to end; what it ends is in the scenarios.

use crate::support::Machine;

#[test]
fn what_is_not_there_is_not_ended() {
    let machine = Machine::new();
    for options in ["", "-c", "-w", "-i", "-p", "-s", "-x", "-is", "-t 5", "-tp 5", "-w -t 1"] {
        let said = machine.run(&format!("endmqm {options} QM1")).code(16);
        assert_eq!(said.stderr, "AMQ8118E: Queue manager 'QM1' does not exist.\n", "{options}");
        assert_eq!(said.stdout, "", "{options}");
    }
    drop(machine.run("endmqm 'no good'").code(72));
}

#[test]
fn options_are_checked_before_anything_is_done() {
    let machine = Machine::new();
    for line in [
        "endmqm",
        "endmqm -c -i QM1",
        "endmqm -w -p QM1",
        "endmqm -s -x QM1",
        "endmqm -t 0 QM1",
        "endmqm -t 3601 QM1",
        "endmqm -tp x QM1",
        "endmqm -t 5 -tp 5 QM1",
        "endmqm -y QM1",
    ] {
        let said = machine.run(line).code(39);
        assert!(said.stderr.starts_with("AMQ10"), "{line}: {}", said.stderr);
        assert_eq!(said.stdout, "", "{line}");
    }
    assert!(!machine.prefix().exists(), "nothing was made");
}
