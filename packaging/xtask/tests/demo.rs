//! The demonstration, as a newcomer runs it.

use std::path::Path;
use std::process::Command;

#[test]
fn the_demonstration_is_played_to_its_end() {
    let xtask = Path::new(env!("CARGO_BIN_EXE_xtask"));
    let mut command = Command::new(xtask);
    command.arg("demo");
    // Whoever tests everything has built the commands already.
    command.args(xtask.with_file_name("miqmd").is_file().then_some("--no-build"));
    let output = command.output().expect("it can be run");
    let said = String::from_utf8_lossy(&output.stdout);
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{complaint}");
    for line in
        ["host1$ strmqm -x QM1", "(exit code 30)", "host2$ endmqm -is QM1", "host1$ dltmqm QM1"]
    {
        assert!(said.lines().any(|said| said == line), "{line} is not in\n{said}");
    }
    assert!(said.contains("nothing of it is left on this machine"), "{said}");
}
