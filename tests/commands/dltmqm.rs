use std::fs;

use crate::support::Machine;

fn created() -> Machine {
    let machine = Machine::new();
    machine.run("crtmqm -lf 64 -q Q").success();
    machine
}

#[test]
fn a_queue_manager_is_deleted_with_all_that_is_its_own() {
    let machine = created();
    let said = machine.run("dltmqm Q").success();
    assert_eq!(said.stdout, "Queue manager 'Q' was deleted.\n");
    assert!(!machine.path("qmgrs/Q").exists() && !machine.path("log/Q").exists());
    assert_eq!(machine.run("dspmq").success().stdout, "");
    let registry = fs::read_to_string(machine.path("mqs.ini")).unwrap();
    assert!(!registry.contains("QueueManager:\n   Name"), "{registry}");
    let said = machine.run("dltmqm Q").code(16);
    insta::assert_snapshot!(said.stderr, @"AMQ8118E: Queue manager 'Q' does not exist.");
}

#[test]
fn what_is_not_valid_is_refused() {
    let machine = created();
    for (line, code, id) in [
        ("dltmqm", 39, "AMQ"),
        ("dltmqm Q R", 39, "AMQ"),
        ("dltmqm -y Q", 39, "AMQ1000E"),
        ("dltmqm 'a b'", 72, "AMQ"),
        ("dltmqm q", 16, "AMQ8118E"),
    ] {
        let said = machine.run(line).code(code);
        assert!(said.stderr.starts_with(id), "{line}: {}", said.stderr);
        assert_eq!(said.stdout, "");
    }
    assert_eq!(machine.run("dltmqm -z q").code(16).stderr, "");
    assert!(machine.run("dspmq").success().stdout.contains("Ended normally"));
}

#[test]
fn what_is_not_its_own_stays_and_is_named() {
    let machine = created();
    fs::write(machine.path("qmgrs/Q/notes"), "mine").unwrap();
    let said = machine.run("dltmqm Q").code(0);
    insta::assert_snapshot!(said.stderr, @"AMQ1217W: The directory '[ROOT]/host1/var/qmgrs/Q' was kept.");
    assert_eq!(fs::read_dir(machine.path("qmgrs/Q")).unwrap().count(), 1);
    machine.run("crtmqm -lf 64 Q").success();
    assert!(machine.path("qmgrs/Q.000/qmid").exists());
}

#[test]
fn a_directory_that_is_not_its_own_is_not_touched() {
    let machine = created();
    fs::rename(machine.path("qmgrs/Q"), machine.path("away")).unwrap();
    let said = machine.run("dltmqm Q").code(25);
    insta::assert_snapshot!(said.stderr, @r"
    AMQ1115E: '[ROOT]/host1/var/qmgrs/Q/qmid' does not exist, so its directory is not that of a queue manager.
    AMQ7018E: The operation cannot be completed.
    ");
    fs::rename(machine.path("away"), machine.path("qmgrs/Q")).unwrap();
    let identity = machine.path("qmgrs/Q/qmid");
    let good = fs::read_to_string(&identity).unwrap();
    fs::write(&identity, good.replace("Format=1", "Format=9")).unwrap();
    let said = machine.run("dltmqm Q").code(25);
    assert!(said.stderr.starts_with("AMQ1117E: "), "{}", said.stderr);
    fs::write(&identity, good).unwrap();
    fs::rename(machine.path("log/Q"), machine.path("away")).unwrap();
    let said = machine.run("dltmqm Q").code(100);
    assert!(said.stderr.starts_with("AMQ1218E: "), "{}", said.stderr);
    fs::rename(machine.path("away"), machine.path("log/Q")).unwrap();
    machine.run("dltmqm Q").success();
}

#[test]
fn a_queue_manager_of_another_installation_is_refused() {
    let machine = created();
    let path = machine.path("mqs.ini");
    let text = fs::read_to_string(&path).unwrap().replace("=Installation1", "=Elsewhere");
    fs::write(&path, text).unwrap();
    let said = machine.run("dltmqm Q").code(62);
    assert!(said.stderr.starts_with("AMQ1122E: "), "{}", said.stderr);
}

/// A queue manager on shared directories that two hosts know.
fn pair() -> (Machine, Machine) {
    let one = Machine::new();
    one.run("crtmqm -lf 64 -md [SHARED] -ld [SHARED] Q").success();
    let two = one.beside("host2");
    let root = one.shared().parent().expect("a root").display().to_string();
    let command = one.run("dspmqinf -o command Q").success().stdout;
    two.run(command.replace("[ROOT]", &root).trim_end()).success();
    (one, two)
}

#[test]
fn a_queue_manager_that_runs_anywhere_is_not_deleted() {
    let (one, two) = pair();
    one.run("strmqm -x Q").success();
    let said = two.run("dltmqm Q").code(27);
    insta::assert_snapshot!(said.stderr, @"AMQ1216E: '[ROOT]/shared/Q/master' of queue manager 'Q' is locked by an instance.");
    two.run("strmqm -x Q").code(30);
    for (machine, line, code, id) in [
        (&one, "dltmqm Q", 5, "AMQ7005E: "),
        (&one, "rmvmqinf Q", 5, "AMQ7005E: "),
        (&two, "dltmqm Q", 26, "AMQ1423E: "),
        (&two, "rmvmqinf Q", 26, "AMQ1423E: "),
    ] {
        let said = machine.run(line).code(code);
        assert!(said.stderr.starts_with(id), "{line}: {}", said.stderr);
    }
    let shown = |machine: &Machine| machine.run("dspmq -x -o status -o standby").code(0).stdout;
    let instances = "    INSTANCE(host1) MODE(Active)\n    INSTANCE(host2) MODE(Standby)\n";
    let name = format!("{:<58}", "QMNAME(Q)");
    assert_eq!(shown(&one), format!("{name}STATUS(Running) STANDBY(Permitted)\n{instances}"));
    assert_eq!(
        shown(&two),
        format!("{name}STATUS(Running as standby) STANDBY(Permitted)\n{instances}")
    );
    let said = one.run("dspmq -a -n -c").code(5).stdout;
    assert!(said.starts_with(&format!("{name}STATUS(RUNNING)\n    PID(")), "{said}");

    one.run("endmqm -i Q").code(0);
    // The standby ends with the active; until it has, its lock is in the way.
    for _ in 0..100 {
        if two.run("dspmq").success().stdout.contains("Ended immediately") {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    two.run("dltmqm Q").success();
    assert_eq!(fs::read_dir(one.shared()).unwrap().count(), 0);
    let said = one.run("dltmqm Q").code(25);
    assert!(said.stderr.starts_with("AMQ1115E: "), "{}", said.stderr);
    one.run("rmvmqinf Q").success();
}

#[test]
fn a_killed_instance_ended_unexpectedly_and_can_be_deleted() {
    let (one, two) = pair();
    one.run("strmqm Q").success();
    assert!(
        two.run("dspmq -o standby -x")
            .success()
            .stdout
            .ends_with("STANDBY(Not permitted)\n    INSTANCE(host1) MODE(Active)\n")
    );
    let said = one.run("dspmq -c").success().stdout;
    let pid = said.split("PID(").nth(1).unwrap().split(')').next().unwrap();
    std::process::Command::new("kill").args(["-9", pid]).status().unwrap();
    for _ in 0..100 {
        if two.run("dspmq").success().stdout.contains("Ended unexpectedly") {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert!(one.run("dspmq -x").success().stdout.ends_with("STATUS(Ended unexpectedly)\n"));
    one.run("dltmqm Q").success();
    assert_eq!(fs::read_dir(one.shared()).unwrap().count(), 0);
}

#[test]
fn a_start_applies_automatic_settings_anew() {
    let machine = Machine::new();
    let auto = machine.shared().join("auto.ini");
    let write = |lease: u32| {
        fs::write(&auto, format!("TuningParameters:\n   LeaseTime={lease}\n")).unwrap();
    };
    let settings = || fs::read_to_string(machine.path("qmgrs/Q/qm.ini")).unwrap();
    write(60);
    machine.run("crtmqm -lf 64 -ii [SHARED]/auto.ini Q").success();
    assert!(settings().contains("LeaseTime=60\n"));
    write(70);
    machine.run("strmqm Q").success();
    assert!(settings().contains("LeaseTime=70\n"));
    machine.run("endmqm -i Q").code(0);
    write(1);
    let said = machine.run("strmqm Q").code(71);
    assert!(
        said.stderr.contains("AMQ1101E: Line 2 of ") || said.stderr.contains("LeaseTime"),
        "{}",
        said.stderr
    );
    fs::remove_file(&auto).unwrap();
    machine.run("strmqm Q").success();
    machine.run("endmqm -i Q").code(0);
    machine.run("dltmqm Q").success();
}

#[test]
fn a_deletion_killed_at_any_moment_is_finished_by_the_next() {
    let machine = Machine::new();
    for round in 0..20 {
        machine.run("crtmqm -lf 64 -q -md [SHARED] -ld [SHARED] Q").success();
        let mut child = std::process::Command::new(machine.command("dltmqm").get_program())
            .arg("Q")
            .env("MIQM_PREFIX", machine.prefix())
            .env("MIQM_RUNTIME_DIR", machine.runtime_dir())
            .env("MIQM_HOSTNAME", "host1")
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(std::time::Duration::from_micros(round * 1000));
        child.kill().unwrap();
        child.wait().unwrap();
        // The child of the command dies with it, but perhaps a moment later.
        let mut tries = 0;
        loop {
            let output = machine.command("dltmqm").arg("Q").output().unwrap();
            match output.status.code() {
                Some(0 | 16) => break,
                Some(3 | 5 | 27) if tries < 100 => tries += 1,
                code => panic!("round {round}: {code:?} {output:?}"),
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        assert_eq!(fs::read_dir(machine.shared()).unwrap().count(), 0, "round {round}");
        assert_eq!(fs::read_dir(machine.path("intent")).unwrap().count(), 0, "round {round}");
        assert_eq!(machine.run("dspmq").success().stdout, "", "round {round}");
    }
}
