use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::Machine;

/// Files and directories below one.
fn tree(top: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    let mut rest = vec![top.to_owned()];
    while let Some(dir) = rest.pop() {
        let Ok(entries) = fs::read_dir(dir) else { continue };
        for path in entries.flatten().map(|entry| entry.path()) {
            if path.is_dir() && !path.is_symlink() {
                rest.push(path.clone());
            }
            found.insert(path);
        }
    }
    found
}

/// What a creation that came to nothing may leave: the installation, without a queue manager.
fn is_bare(machine: &Machine) -> bool {
    let names = ["mqs.ini", "mqs.ini.lock", "intent", "qmgrs", "log"];
    tree(&machine.prefix()).iter().all(|path| names.iter().any(|name| *path == machine.path(name)))
        && !fs::read_to_string(machine.path("mqs.ini"))
            .unwrap_or_default()
            .contains("\nQueueManager:")
        && tree(&machine.shared()).is_empty()
}

#[test]
fn a_queue_manager_is_created_with_these_words() {
    let machine = Machine::new();
    let said =
        machine.run("crtmqm -lf 64 -c 'a text' -h 100 -x 5 -t 7 -p 1414 -d X -u D QM1").success();
    insta::assert_snapshot!(said.stdout, @r"
    Queue manager 'QM1' was created.
    Directory '[ROOT]/host1/var/qmgrs/QM1' created.
    The queue manager is associated with the installation 'Installation1'.
    Creating or replacing default objects for queue manager 'QM1'.
    Default objects statistics: 85 created. 0 replaced. 0 failed.
    Completing setup.
    Setup completed.
    ");
    insta::assert_snapshot!(machine.run("dspmqinf QM1").success().stdout, @r"
    QueueManager:
       Name=QM1
       Directory=QM1
       Prefix=[ROOT]/host1/var
       InstallationName=Installation1
    ");
    let shown = machine.run("dspmq -x -o status -o default -o standby").success().stdout;
    insta::assert_snapshot!(shown, @"QMNAME(QM1)                                               STATUS(Ended normally) DEFAULT(no) STANDBY(Not applicable)");
    let mode =
        |below: &str| fs::metadata(machine.path(below)).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode("qmgrs/QM1"), 0o2770);
    assert_eq!(mode("log/QM1/active"), 0o2770);
    assert_eq!(mode("log/QM1/active/S0000000.LOG"), 0o660);
    assert_eq!(mode("qmgrs/QM1/master"), 0o660);
    assert_eq!(mode("qmgrs/QM1/qm.ini"), 0o664);
    assert_eq!(mode("mqs.ini"), 0o664);
}

#[test]
fn shared_directories_are_recorded_and_another_host_can_be_told() {
    let one = Machine::new();
    fs::create_dir(one.shared().join("qmgrs")).unwrap();
    fs::create_dir(one.shared().join("logs")).unwrap();
    let said = one.run("crtmqm -lf 64 -q -md [SHARED]/qmgrs -ld [SHARED]/logs/ Q.M/1").success();
    assert!(said.stdout.contains("Directory '[ROOT]/shared/qmgrs/Q!M&1' created.\n"));
    let settings = fs::read_to_string(one.shared().join("qmgrs/Q!M&1/qm.ini")).unwrap();
    assert!(settings.contains(&format!("LogPath={}/logs/Q!M&1/\n", one.shared().display())));
    assert!(one.run("dspmq -o default").success().stdout.ends_with("DEFAULT(yes)\n"));
    let two = one.beside("host2");
    let root = one.shared().parent().unwrap().display().to_string();
    let command = one.run("dspmqinf -o command Q.M/1").success().stdout.replace("[ROOT]", &root);
    // Without blanks in it, quotes are not needed.
    two.run(&command.trim_end().replace('\'', "")).success();
    assert_eq!(two.run("dspmq").success().stdout, one.run("dspmq").success().stdout);
    let said = two.run("crtmqm -lf 64 -md [SHARED]/qmgrs -ld [SHARED]/logs Q.M/1").code(8);
    insta::assert_snapshot!(said.stderr, @"AMQ8110E: Queue manager 'Q.M/1' exists already.");
}

#[test]
fn what_is_not_valid_is_refused_before_anything_is_made() {
    let machine = Machine::new();
    let long = "x".repeat(49);
    for (line, code, id) in [
        ("crtmqm", 39, "AMQ"),
        ("crtmqm A B", 39, "AMQ"),
        (&format!("crtmqm {long}"), 72, "AMQ"),
        ("crtmqm 'a b'", 72, "AMQ"),
        ("crtmqm a-b", 72, "AMQ"),
        ("crtmqm ''", 72, "AMQ"),
        ("crtmqm -y Q", 39, "AMQ1000E"),
        ("crtmqm -lc -ll Q", 39, "AMQ"),
        ("crtmqm -lla -lln Q", 39, "AMQ"),
        ("crtmqm -lr one Q", 39, "AMQ"),
        ("crtmqm -ic /x Q", 39, "AMQ"),
        ("crtmqm -a Q", 39, "AMQ"),
        ("crtmqm -sax Q", 39, "AMQ"),
        ("crtmqm -rr Q", 39, "AMQ"),
        ("crtmqm -lf 63 Q", 115, "AMQ7097E"),
        ("crtmqm -lf 65536 Q", 115, "AMQ7097E"),
        ("crtmqm -lf many Q", 39, "AMQ"),
        ("crtmqm -lp 1 Q", 115, "AMQ7099E"),
        ("crtmqm -lp 511 Q", 115, "AMQ7099E"),
        ("crtmqm -lp 70000 Q", 115, "AMQ7099E"),
        ("crtmqm -ls 0 Q", 115, "AMQ7098E"),
        ("crtmqm -ls 510 Q", 115, "AMQ7098E"),
        ("crtmqm -lp 300 -ls 300 Q", 115, "AMQ1221E"),
        ("crtmqm -h 0 Q", 39, "AMQ"),
        ("crtmqm -x 1000000000 Q", 39, "AMQ"),
        ("crtmqm -t -1 Q", 39, "AMQ"),
        ("crtmqm -p 0 Q", 39, "AMQ"),
        ("crtmqm -p 65536 Q", 39, "AMQ"),
        ("crtmqm -oa nobody Q", 39, "AMQ"),
        ("crtmqm -d 'a b' Q", 39, "AMQ"),
        (&format!("crtmqm -u {long} Q"), 39, "AMQ"),
        (&format!("crtmqm -c {} Q", "y".repeat(65)), 39, "AMQ"),
        ("crtmqm -g no-such-group Q", 39, "AMQ1209E"),
        ("crtmqm -iv novalue Q", 39, "AMQ"),
        ("crtmqm -iv a=1;A=2 Q", 39, "AMQ"),
        ("crtmqm -ii /nowhere Q", 71, "AMQ7002S"),
        ("crtmqm -md relative Q", 71, "AMQ7001S"),
        ("crtmqm -md /nowhere/at/all Q", 71, "AMQ7001S"),
        ("crtmqm -md /dev/null Q", 71, "AMQ7001S"),
        ("crtmqm -ld relative Q", 100, "AMQ7064E"),
        ("crtmqm -ld /nowhere/at/all Q", 100, "AMQ7064E"),
        ("crtmqm -ld /proc Q", 70, "AMQ7065E"),
    ] {
        let said = machine.run(line).code(code);
        assert!(said.stderr.starts_with(id), "{line}: {}", said.stderr);
        assert_eq!(said.stdout, "", "{line}");
        assert!(is_bare(&machine), "{line}: {:?}", tree(&machine.prefix()));
        let quiet = line.replacen("crtmqm", "crtmqm -z", 1);
        if code != 39 && code != 72 {
            assert_eq!(machine.run(&quiet).code(code).stderr, "", "{quiet}");
        }
    }
}

#[test]
fn names_that_collide_get_directories_of_their_own() {
    let machine = Machine::new();
    fs::create_dir_all(machine.path("qmgrs/A!B/lost+found")).unwrap();
    fs::create_dir_all(machine.path("log/A!B")).unwrap();
    machine.run("crtmqm -lf 64 A.B").success();
    machine.run("crtmqm -lf 64 a.b").success();
    let shown = |name: &str| machine.run(&format!("dspmqinf {name}")).success().stdout;
    assert!(shown("A.B").contains("Directory=A!B.000\n"));
    assert!(shown("a.b").contains("Directory=a!b\n"));
    assert!(machine.path("log/A!B/amqhlctl.lfh").exists(), "an empty directory is used");
}

#[test]
fn dead_links_are_named() {
    let machine = Machine::new();
    symlink("nowhere", machine.shared().join("dangling")).unwrap();
    symlink("loop", machine.shared().join("loop")).unwrap();
    let said = machine.run("crtmqm -md [SHARED]/dangling Q").code(71);
    insta::assert_snapshot!(said.stderr, @r"
    AMQ7001S: The location '[ROOT]/shared/dangling' cannot hold a queue manager: No such file or directory (os error 2).
    AMQ7018E: The operation cannot be completed.
    ");
    let said = machine.run("crtmqm -ld [SHARED]/loop Q").code(100);
    insta::assert_snapshot!(said.stderr, @r"
    AMQ7064E: The log path '[ROOT]/shared/loop' cannot be used: Too many levels of symbolic links (os error 40).
    AMQ7018E: The operation cannot be completed.
    ");
}

#[test]
fn a_damaged_default_gets_an_exit_code_of_its_own() {
    let machine = Machine::new();
    fs::create_dir_all(machine.prefix()).unwrap();
    fs::write(machine.path("mqs.ini"), "DefaultQueueManager:\n   Name=a b\n").unwrap();
    let said = machine.run("crtmqm -lf 64 -q Q").code(111);
    assert!(said.stdout.ends_with("Setup completed.\n"));
    insta::assert_snapshot!(said.stderr, @"AMQ1121W: The stanza DefaultQueueManager at line 1 of '[ROOT]/host1/var/mqs.ini' cannot be processed.");
    let said = machine.run("dltmqm Q").code(112);
    assert_eq!(said.stdout, "Queue manager 'Q' was deleted.\n");
    assert!(said.stderr.starts_with("AMQ1121W: "));
}

#[test]
fn a_hand_damaged_registry_stops_a_creation_with_its_line() {
    let machine = Machine::new();
    fs::create_dir_all(machine.prefix()).unwrap();
    for (text, expected) in [
        ("QueueManager\n", "AMQ1100E: Line 1 of "),
        ("LogDefaults:\n   LogFilePages=x\n", "AMQ1101E: Line 2 of "),
        ("AllQueueManagers:\n   DefaultPrefix=var\n", "AMQ1101E: Line 2 of "),
    ] {
        fs::write(machine.path("mqs.ini"), text).unwrap();
        let said = machine.run("crtmqm Q").code(71);
        assert!(said.stderr.starts_with(expected), "{}", said.stderr);
        assert_eq!(fs::read_to_string(machine.path("mqs.ini")).unwrap(), text);
    }
    // A name in a stanza that is damaged is taken.
    fs::write(machine.path("mqs.ini"), "QueueManager:\n   Name=Q\n").unwrap();
    machine.run("crtmqm Q").code(8);
    machine.run("crtmqm -lf 64 R").success();
}

#[test]
fn settings_come_from_automatic_files() {
    let machine = Machine::new();
    let auto = machine.shared().join("auto.ini");
    fs::write(&auto, "TuningParameters:\n   LeaseTime=+T+\n").unwrap();
    machine.run("crtmqm -lf 64 -ii [SHARED]/auto.ini -iv T=60 Q").success();
    let settings = fs::read_to_string(machine.path("qmgrs/Q/qm.ini")).unwrap();
    assert!(settings.contains("TuningParameters:\n   LeaseTime=60\n"), "{settings}");
    assert!(settings.contains("Variables:\n   T=60\n"), "{settings}");
    let said = machine.run("crtmqm -lf 64 -ii [SHARED]/auto.ini R").code(71);
    insta::assert_snapshot!(said.stderr, @r"
    AMQ1212E: Line 2 of '[ROOT]/shared/auto.ini' uses the variable 'T', which has no value.
    AMQ7018E: The operation cannot be completed.
    ");
    assert!(!machine.path("qmgrs/R").exists() && !machine.path("log/R").exists());
}

#[test]
fn the_environment_can_name_another_prefix() {
    let machine = Machine::new();
    let other = machine.shared().join("other");
    let machine = machine.with("MQSPREFIX", other.to_str().unwrap());
    let said = machine.run("crtmqm -lf 64 Q").code(71);
    assert!(said.stderr.starts_with("AMQ7001S: "), "{}", said.stderr);
    fs::create_dir(&other).unwrap();
    machine.run("crtmqm -lf 64 Q").success();
    assert!(other.join("qmgrs/Q/qmid").exists());
    assert!(machine.run("dspmqinf Q").success().stdout.contains("Prefix=[ROOT]/shared/other\n"));
    machine.run("dltmqm Q").success();
}

#[test]
fn use_can_be_restricted_to_a_group_of_the_creator() {
    if !is_root() {
        return;
    }
    let machine = Machine::new();
    machine.run("crtmqm -lf 64 -g root -oa UserExternal Q").success();
    let settings = fs::read_to_string(machine.path("qmgrs/Q/qm.ini")).unwrap();
    assert!(settings.contains("RestrictedMode:\n   ApplicationGroup=root\n"), "{settings}");
    assert!(settings.contains("   EntryPoints=14\n   SecurityPolicy=UserExternal\n"), "{settings}");
}

#[test]
fn many_creations_at_a_time_lose_nothing() {
    let machine = Machine::new();
    std::thread::scope(|scope| {
        for n in 0..6 {
            let machine = &machine;
            scope.spawn(move || machine.run(&format!("crtmqm -lf 64 Q{n}")).success());
        }
    });
    assert_eq!(machine.run("dspmq").success().stdout.matches("Ended normally").count(), 6);
}

#[test]
fn one_name_at_a_time_is_created_once() {
    let machine = Machine::new();
    let codes: Vec<_> = std::thread::scope(|scope| {
        let all: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| machine.command("crtmqm").args(["-lf", "64", "Q"]).output()))
            .collect();
        all.into_iter().map(|one| one.join().unwrap().unwrap().status.code().unwrap()).collect()
    });
    assert_eq!(codes.iter().filter(|code| **code == 0).count(), 1, "{codes:?}");
    assert!(codes.iter().all(|code| [0, 3, 8].contains(code)), "{codes:?}");
    machine.run("dltmqm Q").success();
    assert!(is_bare(&machine));
}

/// `crtmqm -lf 64 Q` on shared directories, ended by this signal after this time.
fn ended_after(machine: &Machine, signal: &str, micros: u64) {
    let shared = machine.shared();
    let mut child = Command::new(machine.command("crtmqm").get_program())
        .args(["-lf", "64", "-md", shared.to_str().expect("text"), "Q"])
        .env("MIQM_PREFIX", machine.prefix())
        .env("MIQM_RUNTIME_DIR", machine.runtime_dir())
        .env("MIQM_HOSTNAME", "host1")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("crtmqm runs");
    std::thread::sleep(Duration::from_micros(micros));
    let pid = child.id().to_string();
    Command::new("kill").args([signal, &pid]).status().expect("kill runs");
    child.wait().expect("it ends");
}

#[test]
fn a_creation_killed_at_any_moment_is_cleaned_up_by_the_next() {
    let machine = Machine::new();
    for round in 0..40 {
        ended_after(&machine, "-KILL", round * 1500);
        // The child of the command dies with it, but perhaps a moment later.
        let mut tries = 0;
        let created = loop {
            let line = format!("crtmqm -lf 64 -md {} Q", machine.shared().display());
            let output = machine.command("crtmqm").args(line.split(' ').skip(1)).output();
            let output = output.expect("crtmqm runs");
            match output.status.code() {
                Some(3) if tries < 300 => tries += 1,
                _ => break output,
            }
            std::thread::sleep(Duration::from_millis(10));
        };
        assert!(matches!(created.status.code(), Some(0 | 8)), "round {round}: {created:?}");
        machine.run("dltmqm Q").success();
        let left = tree(machine.shared().parent().unwrap());
        assert!(is_bare(&machine), "round {round}: {left:?}");
    }
}

#[test]
fn a_creation_that_is_interrupted_leaves_nothing() {
    let machine = Machine::new();
    for round in 0..20 {
        ended_after(&machine, if round % 2 == 0 { "-INT" } else { "-TERM" }, round * 2500);
        if machine.run("dspmq").success().stdout.is_empty() {
            assert!(is_bare(&machine), "round {round}: {:?}", tree(&machine.shared()));
        } else {
            machine.run("dltmqm Q").success();
        }
    }
}

#[test]
fn lost_output_is_a_failure_of_a_command_that_did_its_work() {
    let machine = Machine::new();
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let status = Command::new(machine.command("crtmqm").get_program())
        .args(["-lf", "64", "Q"])
        .env("MIQM_PREFIX", machine.prefix())
        .stdout(full)
        .stderr(Stdio::null())
        .status();
    assert_eq!(status.unwrap().code(), Some(71));
    assert!(machine.run("dspmq").success().stdout.contains("Ended normally"));
}

/// Whether the tests run as root, which some need.
fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().expect("id runs");
    id.stdout == b"0\n"
}

/// A small file system, unmounted when it goes.
struct Mounted(PathBuf);

impl Mounted {
    fn new(path: PathBuf, options: &str) -> Self {
        fs::create_dir_all(&path).expect("a mount point");
        let status = Command::new("mount")
            .args(["-t", "tmpfs", "-o", options, "none"])
            .arg(&path)
            .status()
            .expect("mount runs");
        assert!(status.success(), "cannot mount {}", path.display());
        Self(path)
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        drop(Command::new("umount").arg(&self.0).status());
    }
}

#[test]
fn a_full_file_system_leaves_nothing() {
    if !is_root() {
        return;
    }
    let machine = Machine::new();
    // Too small for the log, which is found out first; and too small for something else.
    for (kib, line) in [
        (512, "crtmqm -lf 64 -ld [SHARED]/small Q"),
        (772, "crtmqm -lf 64 -ld [SHARED]/small Q"),
        (16, "crtmqm -lf 64 -md [SHARED]/small Q"),
        (28, "crtmqm -lf 64 -md [SHARED]/small Q"),
    ] {
        let small = Mounted::new(machine.shared().join("small"), &format!("size={kib}k"));
        let said = machine.run(line).code(70);
        assert!(said.stderr.ends_with("AMQ7018E: The operation cannot be completed.\n"));
        assert_eq!(fs::read_dir(&small.0).unwrap().count(), 0, "{line}");
        drop(small);
        fs::remove_dir(machine.shared().join("small")).unwrap();
        assert!(is_bare(&machine), "{line}");
    }
}

#[test]
fn a_read_only_file_system_leaves_nothing() {
    if !is_root() {
        return;
    }
    let machine = Machine::new();
    for (option, code, id) in [("-md", 71, "AMQ7001S: "), ("-ld", 100, "AMQ7064E: ")] {
        let fixed = Mounted::new(machine.shared().join("fixed"), "ro");
        let said = machine.run(&format!("crtmqm -lf 64 {option} [SHARED]/fixed Q")).code(code);
        assert!(said.stderr.starts_with(id), "{}", said.stderr);
        assert!(said.stderr.contains("Read-only file system"), "{}", said.stderr);
        drop(fixed);
        fs::remove_dir(machine.shared().join("fixed")).unwrap();
        assert!(is_bare(&machine));
    }
}

#[test]
fn a_directory_of_somebody_else_is_refused() {
    if !is_root() {
        return;
    }
    let machine = Machine::new();
    let data = machine.shared().join("Q");
    fs::create_dir(&data).unwrap();
    std::os::unix::fs::chown(&data, Some(12_345), Some(12_345)).unwrap();
    let said = machine.run("crtmqm -lf 64 -md [SHARED] Q").code(71);
    insta::assert_snapshot!(said.stderr, @r"
    AMQ7001S: The location '[ROOT]/shared/Q' cannot hold a queue manager: it belongs to the user '12345'.
    AMQ7018E: The operation cannot be completed.
    ");
    let said = machine.run("crtmqm -lf 64 -ld [SHARED] Q").code(100);
    assert!(said.stderr.starts_with("AMQ7064E: "), "{}", said.stderr);
    fs::remove_dir(&data).unwrap();
    assert!(is_bare(&machine));
}

#[test]
fn root_works_for_the_owner_of_the_prefix_and_others_may_not() {
    if !is_root() {
        return;
    }
    let machine = Machine::new();
    fs::create_dir(machine.prefix()).unwrap();
    let root = machine.shared().parent().unwrap().to_owned();
    fs::set_permissions(&root, PermissionsExt::from_mode(0o755)).unwrap();
    std::os::unix::fs::chown(machine.prefix(), Some(12_345), Some(12_345)).unwrap();
    machine.run("crtmqm -lf 64 Q").success();
    for path in tree(&machine.prefix()) {
        let data = fs::symlink_metadata(&path).unwrap();
        assert_eq!((data.uid(), data.gid()), (12_345, 12_345), "{}", path.display());
    }
    let as_user = |uid: &str, command: &str| {
        let mut run = Command::new("setpriv");
        run.args(["--reuid", uid, "--regid", uid, "--clear-groups"])
            .arg(machine.command(command).get_program())
            .env("MIQM_PREFIX", machine.prefix())
            .env("MIQM_RUNTIME_DIR", "/nowhere");
        run
    };
    let reachable = as_user("12345", "dspmq").arg("--version").status().unwrap().success();
    if !reachable {
        return; // The programs are in a directory that only root may search.
    }
    assert_eq!(as_user("54321", "crtmqm").arg("R").status().unwrap().code(), Some(119));
    assert_eq!(as_user("54321", "dltmqm").arg("Q").status().unwrap().code(), Some(119));
    assert_eq!(as_user("54321", "rmvmqinf").arg("Q").status().unwrap().code(), Some(119));
    let said = as_user("12345", "crtmqm").args(["-lf", "64", "R"]).status().unwrap();
    assert_eq!(said.code(), Some(0));
}
