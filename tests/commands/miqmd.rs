//! `miqmd` where there is no queue manager; its life is in the scenarios.

use crate::support::Machine;

#[test]
fn an_instance_of_nothing_is_refused() {
    let machine = Machine::new();
    let said = machine.run("miqmd -x QM1").code(16);
    assert_eq!(said.stderr, "AMQ8118E: Queue manager 'QM1' does not exist.\n");
    drop(machine.run("miqmd").code(39));
    drop(machine.run("miqmd -c QM1").code(39));
    drop(machine.run("miqmd 'no good'").code(72));
}
