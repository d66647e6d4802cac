use crate::support::Machine;

#[test]
fn fields_are_labelled_and_padded() {
    let machine = Machine::new();
    let said = machine.run("dspmqver").success();
    for line in said.stdout.lines() {
        let (label, value) = line.split_at(13);
        assert!(label.trim_end().ends_with(':') && !value.starts_with(' '), "{line}");
    }
    let labels: Vec<_> = said.stdout.lines().filter_map(|line| line.split(':').next()).collect();
    assert_eq!(
        labels,
        [
            "Name",
            "Version",
            "Level",
            "BuildType",
            "Platform",
            "Mode",
            "O/S",
            "InstName",
            "InstDesc",
            "Primary",
            "InstPath",
            "DataPath",
            "MaxCmdLevel",
            "LicenseType"
        ]
    );
    assert!(said.stdout.contains("\nDataPath:    [ROOT]/host1/var\n"), "{}", said.stdout);
}

#[test]
fn the_numbers_that_scripts_use_select_what_they_expect() {
    let machine = Machine::new();
    let show = |line: &str| machine.run(line).success().stdout;
    assert_eq!(show("dspmqver -b -f 2"), "0.1.0\n");
    assert_eq!(show("dspmqver -f 3"), "Name:        miqm\nVersion:     0.1.0\n");
    assert_eq!(show("dspmqver -b -f 512"), "Installation1\n");
    assert_eq!(show("dspmqver -b -f 4096"), "[ROOT]/host1/var\n");
    assert_eq!(show("dspmqver -bf8192"), "Apache-2.0\n");
    let all = show("dspmqver -a");
    assert!(all.contains("O/S Details: ") && all.contains("ReleaseType: "), "{all}");
    assert_eq!(show("dspmqver -v"), all);
    assert_eq!(
        show("dspmqver -f 3 --json"),
        "{\n  \"Name\": \"miqm\",\n  \"Version\": \"0.1.0\"\n}\n"
    );
}

#[test]
fn what_is_not_installed_is_said_and_what_means_nothing_is_refused() {
    let machine = Machine::new();
    let said = machine.run("dspmqver -p 5 -f 1").code(10);
    assert_eq!(said.stdout, "Name:        miqm\n");
    insta::assert_snapshot!(said.stderr, @"AMQ1024W: The component 'JMS' is not installed.");
    let said = machine.run("dspmqver -p 8").code(10);
    assert_eq!(said.stdout, "");
    let said = machine.run("dspmqver -p 16384").code(20);
    insta::assert_snapshot!(said.stderr, @"AMQ1023E: The value 16384 of '-p' contains 16384, which stands for nothing here.");
    machine.run("dspmqver -f 0").code(20);
    machine.run("dspmqver -f 32771").code(20);
    machine.run("dspmqver -f -1").code(20);
    machine.run("dspmqver -f 99999999999999999999").code(20);
    machine.run("dspmqver -i -f 1").code(20);
    machine.run("dspmqver QM1").code(20);
}

#[test]
fn there_are_no_other_installations() {
    let machine = Machine::new();
    insta::assert_snapshot!(machine.run("dspmqver -i").success().stdout, @"No other installation is known on this host.");
    assert_eq!(machine.run("dspmqver -i --json").success().stdout, "[]\n");
}

#[test]
fn hosts_of_one_site_share_nothing_but_the_shared_directory() {
    let one = Machine::new();
    let two = one.beside("host2");
    assert_eq!(one.shared(), two.shared());
    assert_eq!(two.run("dspmqver -b -f 4096").success().stdout, "[ROOT]/host2/var\n");
}
