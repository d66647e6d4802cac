use std::fs;

use crate::support::Machine;

#[test]
fn what_is_missing_or_not_valid_is_refused_and_nothing_changes() {
    let machine = Machine::new();
    for (line, code, id) in [
        ("addmqinf", 46, "AMQ1110E"),
        ("addmqinf -v Name=Q", 46, "AMQ1110E"),
        ("addmqinf -v Name=Q -v Prefix=/var", 46, "AMQ1110E"),
        ("addmqinf -v Name= -v Prefix=/var -v Directory=Q", 46, "AMQ1110E"),
        ("addmqinf -v Name=Q -v Name=R", 39, "AMQ1112E"),
        ("addmqinf -v Colour=red", 39, "AMQ1111E"),
        ("addmqinf -v InstallationName=I", 39, "AMQ1111E"),
        ("addmqinf -v Name", 39, "AMQ1113E"),
        ("addmqinf -s Log -v Name=Q", 39, "AMQ1114E"),
        ("addmqinf Q", 39, "AMQ"),
        ("addmqinf -v 'Name=a b' -v Prefix=/var -v Directory=Q", 72, "AMQ"),
        ("addmqinf -v Name=Q -v Prefix=var -v Directory=Q", 39, "AMQ"),
        ("addmqinf -v Name=Q -v Prefix=/var -v Directory=../Q", 39, "AMQ"),
        ("addmqinf -v Name=Q -v Prefix=/var -v Directory=Q -v DataPath=Q", 39, "AMQ"),
        ("addmqinf -v Name=Q -v Prefix=/nowhere -v Directory=Q", 1, "AMQ1115E"),
    ] {
        let said = machine.run(line).code(code);
        assert!(said.stderr.starts_with(id), "{line}: {}", said.stderr);
        assert_eq!(said.stdout, "");
        assert!(!machine.prefix().exists(), "{line} made something");
    }
}

/// A data directory as creation leaves it, as far as this command looks at it.
fn data_directory(machine: &Machine, name: &str) -> String {
    let data = machine.shared().join(name);
    let log = machine.shared().join(format!("{name}.log"));
    fs::create_dir_all(&data).expect("the world of the test");
    fs::create_dir_all(&log).expect("the world of the test");
    let id = "0123456789abcdef0123456789abcdef";
    let identity = format!("QueueManager:\n   Name={name}\n   QMgrId={id}\n   Format=1\n");
    fs::write(data.join("qmid"), identity).expect("the world of the test");
    fs::write(data.join("qm.ini"), format!("Log:\n   LogPath={}/\n", log.display()))
        .expect("the world of the test");
    fs::write(log.join("amqhlctl.lfh"), "").expect("the world of the test");
    format!(
        "addmqinf -v Name={name} -v Prefix=/var/mqm -v Directory={name} -v DataPath=[SHARED]/{name}"
    )
}

#[test]
fn what_another_host_created_is_added_with_its_identity() {
    let machine = Machine::new();
    let command = data_directory(&machine, "Q");
    let said = machine.run(&command).success();
    assert_eq!(said.stdout, "The stanza for queue manager 'Q' was added.\n");
    let registry = fs::read_to_string(machine.path("mqs.ini")).unwrap();
    let stanza = format!(
        "QueueManager:\n   Name=Q\n   Prefix=/var/mqm\n   Directory=Q\n   DataPath={}/Q\n   \
         InstallationName=Installation1\n   Identity=0123456789abcdef0123456789abcdef\n",
        machine.shared().display()
    );
    assert!(registry.ends_with(&stanza), "{registry}");
    let said = machine.run(&command).code(45);
    insta::assert_snapshot!(said.stderr, @"AMQ1109E: There is a stanza for queue manager 'Q' already.");
    let shown = machine.run("dspmqinf -o command Q").success().stdout;
    assert!(
        shown
            .ends_with("-v Name=Q -v Directory=Q -v Prefix=/var/mqm -v DataPath=[ROOT]/shared/Q\n")
    );
}

#[test]
fn a_directory_that_is_not_this_queue_managers_is_refused() {
    let machine = Machine::new();
    let command = data_directory(&machine, "Q");
    let said = machine.run(&command.replace("Name=Q", "Name=R")).code(1);
    insta::assert_snapshot!(said.stderr, @"AMQ1118E: The directory of '[ROOT]/shared/Q/qmid' belongs to another queue manager, 'Q' with the identity 0123456789abcdef0123456789abcdef.");
    let identity = machine.shared().join("Q/qmid");
    let good = fs::read_to_string(&identity).unwrap();
    fs::write(&identity, good.replace("Format=1", "Format=2")).unwrap();
    let said = machine.run(&command).code(1);
    insta::assert_snapshot!(said.stderr, @"AMQ1117E: The queue manager of '[ROOT]/shared/Q/qmid' has format 2; this version of miqm handles formats up to 1.");
    fs::write(&identity, good.replace("0123", "012")).unwrap();
    let said = machine.run(&command).code(1);
    insta::assert_snapshot!(said.stderr, @"AMQ1116E: The identity file '[ROOT]/shared/Q/qmid' is damaged: 'QMgrId' at line 3 is missing or not valid.");
    assert!(!machine.prefix().exists());
}

#[test]
fn the_settings_and_the_log_must_be_there() {
    let machine = Machine::new();
    let command = data_directory(&machine, "Q");
    let settings = machine.shared().join("Q/qm.ini");
    fs::write(&settings, "Log:\n   LogPrimaryFiles=3\n").unwrap();
    let said = machine.run(&command).code(1);
    insta::assert_snapshot!(said.stderr, @"AMQ7006E: The attribute 'LogPath' is missing from the stanza 'Log' at line 1 of '[ROOT]/shared/Q/qm.ini'.");
    fs::write(&settings, "Log:\n   LogPath=/nowhere/Q/\n").unwrap();
    let said = machine.run(&command).code(100);
    insta::assert_snapshot!(said.stderr, @"AMQ7064E: The log path '/nowhere/Q/' cannot be used: No such file or directory (os error 2).");
    fs::remove_file(&settings).unwrap();
    machine.run(&command).code(1);
    assert!(!machine.prefix().exists());
}

#[test]
fn many_hosts_commands_at_a_time_lose_nothing() {
    let machine = Machine::new();
    let commands: Vec<_> = (0..12).map(|n| data_directory(&machine, &format!("Q{n}"))).collect();
    std::thread::scope(|scope| {
        for command in &commands {
            scope.spawn(|| machine.run(command).success());
        }
    });
    assert_eq!(machine.run("dspmq -o default").code(0).stdout.lines().count(), 12);
}

/// A creation that can still be undone, perhaps on another host, must not be joined.
#[test]
fn what_is_being_created_is_not_added() {
    let machine = Machine::new();
    let command = data_directory(&machine, "Q");
    let marker = machine.shared().join("Q/.creating-0123456789abcdef0123456789abcdef");
    fs::write(&marker, "").unwrap();
    let said = machine.run(&command).code(3);
    insta::assert_snapshot!(said.stderr, @"AMQ1930E: '[ROOT]/shared/Q/.creating-0123456789abcdef0123456789abcdef' marks a creation of this queue manager that has not ended.");
    assert!(!machine.prefix().exists());
    fs::remove_file(&marker).unwrap();
    machine.run(&command).success();
}
