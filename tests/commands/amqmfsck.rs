//! `amqmfsck`.

use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{self, Child, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::{Machine, say};

/// The names in a directory.
fn names(path: &Path) -> Vec<String> {
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
        "amqmfsck -cw [SHARED]",
        "amqmfsck -c -f [SHARED]",
        "amqmfsck -ai [SHARED]",
        "amqmfsck -fx [SHARED]",
        "amqmfsck -w --environment [SHARED]",
        "amqmfsck -p 16 [SHARED]",
        "amqmfsck -c -p 16 [SHARED]",
        "amqmfsck -f -p 0 [SHARED]",
        "amqmfsck -f -p x [SHARED]",
        "amqmfsck -f -p 99999999999999999999 [SHARED]",
        "amqmfsck -c --all [SHARED]",
        "amqmfsck -f --check lock.exclusive [SHARED]",
        "amqmfsck --wait 5 [SHARED]",
        "amqmfsck -i --duration 5 [SHARED]",
        "amqmfsck -f --witness x [SHARED]",
        "amqmfsck -f --with host2 [SHARED]",
        "amqmfsck -a --with host2 [SHARED]",
        "amqmfsck -x --with host2 [SHARED]",
        "amqmfsck --environment --with host2 [SHARED]",
        "amqmfsck --ssh ssh [SHARED]",
        "amqmfsck --one-host [SHARED]",
        "amqmfsck --one-host -f [SHARED]",
        "amqmfsck --with -oProxyCommand=x [SHARED]",
        "amqmfsck --with 'host two' [SHARED]",
        "amqmfsck --agent [SHARED]",
        "amqmfsck --agent --json",
        "amqmfsck --list-checks -v",
        "amqmfsck --status [SHARED]",
        "amqmfsck --step kill@host1 [SHARED]",
        "amqmfsck -c --yes [SHARED]",
        "amqmfsck --golive --status --yes [SHARED]",
        "amqmfsck --golive -w [SHARED]",
        "amqmfsck --golive --all [SHARED]",
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

/// A command in the background; it is killed if the test ends before it does.
struct Running(Child);

impl Running {
    fn start(mut command: process::Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self(command.spawn().expect("the command can be run"))
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.0.id()).expect("a process number");
        kill(Pid::from_raw(pid), signal).expect("the process is there");
    }

    /// What it said, and how it ended.
    fn end(mut self) -> (Option<i32>, String) {
        let mut said = String::new();
        let mut out = self.0.stdout.take().expect("a pipe");
        let mut err = self.0.stderr.take().expect("a pipe");
        out.read_to_string(&mut said).expect("text");
        err.read_to_string(&mut said).expect("text");
        (self.0.wait().expect("an end").code(), said)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

fn wait_until(what: &str, mut happens: impl FnMut() -> bool) {
    let began = Instant::now();
    while !happens() {
        assert!(began.elapsed() < Duration::from_mins(1), "{what} does not come");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn checker(machine: &Machine, args: &[&str]) -> process::Command {
    let mut command = machine.process("amqmfsck");
    command.args(args).arg(machine.shared());
    command
}

#[test]
fn a_signal_ends_the_run_in_order() {
    let machine = Machine::new();
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        let run = Running::start(checker(&machine, &["--all"]));
        // Somewhere in the middle.
        wait_until("a file", || {
            let folders = names(&machine.shared());
            folders.iter().any(|folder| {
                fs::read_dir(machine.shared().join(folder)).is_ok_and(|dir| dir.count() > 3)
            })
        });
        run.signal(signal);
        let (code, said) = run.end();
        assert_eq!(code, Some(20), "{said}");
        assert!(said.contains("ended by a signal"), "{said}");
        assert_eq!(names(&machine.shared()), Vec::<String>::new());
    }
}

#[test]
fn what_a_killed_run_left_is_removed_and_what_others_made_is_not() {
    let machine = Machine::new();
    let shared = machine.shared();
    let run = Running::start(checker(&machine, &["--all"]));
    wait_until("a folder", || {
        let folders = names(&shared);
        folders.iter().any(|folder| names(&shared.join(folder)).len() > 3)
    });
    let folder = names(&shared).remove(0);
    let said = machine.run("amqmfsck -x [SHARED]").code(20);
    assert!(said.stderr.contains("its run is alive"), "{}", said.stderr);
    run.signal(Signal::SIGKILL);
    drop(run.end());
    fs::write(shared.join(&folder).join("notes.txt"), "mine").expect("a file");
    fs::write(shared.join("amqmfsck.dat"), "mine, too").expect("a file");
    fs::create_dir(shared.join("amqmfsck-of-somebody.tmp")).expect("a directory");
    let said = machine.run("amqmfsck -x [SHARED]").code(20);
    assert!(said.stderr.contains("no run made 'notes.txt' in it"), "{}", said.stderr);
    assert!(said.stderr.contains("amqmfsck.dat was not made by this program"), "{}", said.stderr);
    fs::remove_file(shared.join(&folder).join("notes.txt")).expect("the file");
    fs::remove_file(shared.join("amqmfsck.dat")).expect("the file");
    let said = machine.run("amqmfsck -x [SHARED]").success();
    assert_eq!(said.stdout, format!("'{folder}' was removed.\n"));
    assert_eq!(names(&shared), ["amqmfsck-of-somebody.tmp"]);
}

#[test]
fn two_runs_in_one_directory_do_not_disturb_each_other() {
    let machine = Machine::new();
    let runs = [(); 2].map(|()| Running::start(checker(&machine, &[])));
    for run in runs {
        let (code, said) = run.end();
        assert_eq!(code, Some(0), "{said}");
    }
    assert_eq!(names(&machine.shared()), Vec::<String>::new());
}

#[test]
fn a_directory_with_a_live_queue_manager_is_only_looked_at() {
    let machine = Machine::new();
    for below in ["data", "log"] {
        fs::create_dir(machine.shared().join(below)).expect("a directory");
    }
    drop(machine.run("crtmqm -md [SHARED]/data -ld [SHARED]/log QM1").success());
    drop(machine.run("strmqm QM1").success());
    // In the directory itself and just below it.
    for (below, file) in [
        ("/data", "master"),
        ("/data/QM1", "master"),
        ("/log", "amqhlctl.lfh"),
        ("/log/QM1", "amqhlctl.lfh"),
    ] {
        let said = machine.run(&format!("amqmfsck [SHARED]{below}")).code(5);
        assert!(said.stderr.starts_with("AMQ1814E: "), "{}", said.stderr);
        assert!(said.stderr.contains(file), "{}", said.stderr);
        drop(machine.run(&format!("amqmfsck -f [SHARED]{below}")).code(5));
        drop(machine.run(&format!("amqmfsck -x [SHARED]{below}")).code(5));
        drop(machine.run(&format!("amqmfsck -c [SHARED]{below}")).code(5));
    }
    drop(machine.run("amqmfsck --environment [SHARED]/data/QM1").success());
    drop(machine.run("endmqm -w QM1").success());
    drop(machine.run("amqmfsck --check lock.exclusive [SHARED]/data/QM1").success());
    drop(machine.run("amqmfsck --check lock.exclusive [SHARED]/data").success());
}

#[test]
fn two_copies_find_each_other_and_share_a_verdict() {
    let one = Machine::new();
    let other = one.beside("host2");
    for phase in ["-c", "-w"] {
        let args = [phase, "--one-host", "--check", "lock.exclusive", "--wait", "50"];
        let runs = [&one, &other].map(|machine| Running::start(checker(machine, &args)));
        for (run, host) in runs.into_iter().zip(["host2", "host1"]) {
            let (code, said) = run.end();
            assert_eq!(code, Some(0), "{said}");
            assert!(said.contains(&format!("Found the second copy on host {host}.")), "{said}");
            assert!(said.contains("completed successfully."), "{said}");
        }
    }
    assert_eq!(names(&one.shared()), Vec::<String>::new());
}

#[test]
fn two_copies_on_one_mount_of_one_host_are_not_two_hosts() {
    let one = Machine::new();
    let other = one.beside("host2");
    let args = ["-c", "--check", "env.two-hosts", "--wait", "50", "--limit", "20"];
    let runs = [&one, &other].map(|machine| Running::start(checker(machine, &args)));
    for run in runs {
        let (code, said) = run.end();
        assert_eq!(code, Some(20), "{said}");
        assert!(said.contains("use one mount"), "{said}");
        assert!(said.contains("after 10 seconds without a sign of life"), "{said}");
    }
    // They do not agree on what is meant.
    let first = Running::start(checker(&one, &args));
    let second = Running::start(checker(&other, &[&args[..], &["--one-host"]].concat()));
    for run in [first, second] {
        let (code, said) = run.end();
        assert_eq!(code, Some(20), "{said}");
        assert!(said.contains("--one-host"), "{said}");
    }
    assert_eq!(names(&one.shared()), Vec::<String>::new());
}

/// Goal: a limit on the size of files is told as that. Method: one far below what is written.
#[test]
fn a_limit_on_the_size_of_files_is_an_error_of_a_call() {
    let machine = Machine::new();
    let program = machine.process("amqmfsck").get_program().to_owned();
    let program = program.to_string_lossy();
    let shared = machine.shared().display().to_string();
    for options in ["", "-f -p 64"] {
        let script = format!("ulimit -f 8 && exec {program} {options} {shared}");
        let output = process::Command::new("sh").args(["-c", &script]).output().expect("sh");
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(matches!(output.status.code(), Some(20 | 98)), "{:?}: {said}", output.status);
        assert!(said.contains("EFBIG"), "{said}");
        assert!(!said.contains("died"), "{said}");
        assert!(said.contains("NOT TESTED") || said.contains("FAILED"), "{said}");
    }
}

#[test]
fn a_copy_alone_waits_no_longer_than_it_was_told_and_not_for_another_test() {
    let one = Machine::new();
    let said = one.run("amqmfsck -c --wait 1 [SHARED]").code(20);
    assert!(said.stderr.contains("within 1 seconds"), "{}", said.stderr);
    let other = one.beside("host2");
    let first = Running::start(checker(&one, &["-c", "--wait", "50"]));
    let second = Running::start(checker(&other, &["-w", "--wait", "50"]));
    for run in [first, second] {
        let (code, said) = run.end();
        assert_eq!(code, Some(20), "{said}");
        assert!(said.contains("The copies do not fit together"), "{said}");
    }
    assert_eq!(names(&one.shared()), Vec::<String>::new());
}

/// A command that connects like ssh to a host called far, which is this one.
fn fake_ssh(machine: &Machine) -> String {
    let fake = machine.shared().with_file_name("fake-ssh");
    fs::write(&fake, "#!/bin/sh\nshift\nMIQM_HOSTNAME=far exec sh -c \"$1\"\n").expect("a script");
    fs::set_permissions(&fake, fs::Permissions::from_mode(0o755)).expect("a mode");
    fake.display().to_string()
}

#[test]
fn a_second_copy_is_started_by_a_command_like_ssh() {
    let machine = Machine::new();
    let fake = fake_ssh(&machine);
    let line = format!(
        "amqmfsck --with me@far --one-host --ssh {fake} --check lock.exclusive --json [SHARED]"
    );
    let said = machine.run(&line).code(0);
    let report: serde_json::Value = serde_json::from_str(&said.stdout).expect("JSON");
    assert_eq!(report["hosts"][1]["name"], "far");
    let of = |hosts: &serde_json::Value| hosts.as_array().map_or(0, Vec::len);
    let findings = report["findings"].as_array().expect("a list");
    assert!(findings.iter().any(|found| found["hosts"][0] == "far" && of(&found["hosts"]) == 1));
    assert!(findings.iter().any(|found| found["hosts"][0] == "far" && of(&found["hosts"]) == 2));
    assert_eq!(names(&machine.shared()), Vec::<String>::new());
    let said = machine.run(&format!("amqmfsck --with far:/no/such --ssh {fake} [SHARED]")).code(20);
    assert!(said.stderr.contains("does not exist"), "{}", said.stderr);
    let said = machine.run("amqmfsck --with far --ssh /no/such/program [SHARED]").code(20);
    assert!(said.stderr.contains("cannot be started"), "{}", said.stderr);
    assert_eq!(names(&machine.shared()), Vec::<String>::new());
}

#[test]
fn the_integrity_test_formats_appends_and_verifies() {
    let machine = Machine::new();
    let said = machine.run("amqmfsck -i [SHARED]").code(20);
    assert!(said.stdout.contains("format them with -f first"), "{}", said.stdout);
    drop(machine.run("amqmfsck -f -p 17 [SHARED]").success());
    let said = machine.run("amqmfsck -a --duration 1 [SHARED]").success();
    assert!(said.stdout.contains("The lock was acquired: epoch 1"), "{}", said.stdout);
    drop(machine.run("amqmfsck -i -p 32 [SHARED]").success());
    drop(machine.run("amqmfsck -i -p 33 [SHARED]").code(20));
    let file = machine.shared().join("amqmfsck.dat");
    let mut bytes = fs::read(&file).expect("the file");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&file, bytes).expect("the file");
    let said = machine.run("amqmfsck -i [SHARED]").code(98);
    assert!(said.stdout.contains("FAIL int."), "{}", said.stdout);
    drop(machine.run("amqmfsck -x [SHARED]").success());
    assert_eq!(names(&machine.shared()), Vec::<String>::new());
}

/// Runs a command as a user who is nobody in particular; `None` if that cannot be done here.
fn as_nobody(machine: &Machine, args: &[&str]) -> Option<(Option<i32>, String)> {
    const NOBODY: u32 = 65_534;
    if !nix::unistd::geteuid().is_root() {
        say("amqmfsck: not tested as another user, because that needs root");
        return None;
    }
    let root = machine.shared();
    fs::set_permissions(root.parent()?, fs::Permissions::from_mode(0o755)).expect("a mode");
    let mut command = checker(machine, args);
    command.uid(NOBODY).gid(NOBODY).current_dir("/");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    match command.spawn() {
        Ok(child) => Some(Running(child).end()),
        Err(error) => {
            say(&format!("amqmfsck: not tested as another user: {error}"));
            None
        }
    }
}

#[test]
fn an_ordinary_user_tests_what_is_theirs_and_is_told_what_is_missing() {
    let machine = Machine::new();
    let mode = |mode| fs::set_permissions(machine.shared(), fs::Permissions::from_mode(mode));
    mode(0o755).expect("a mode");
    let Some((code, said)) = as_nobody(&machine, &[]) else { return };
    assert_eq!(code, Some(119), "{said}");
    assert!(said.contains("mkdir(amqmfsck-") && said.contains("EACCES"), "{said}");
    assert!(said.contains("mode 0755, and user 65534 is neither its owner"), "{said}");
    mode(0o700).expect("a mode");
    let (code, said) = as_nobody(&machine, &[]).expect("it worked before");
    assert_eq!(code, Some(119), "{said}");
    mode(0o777).expect("a mode");
    let (code, said) = as_nobody(&machine, &["--all"]).expect("it worked before");
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(names(&machine.shared()), Vec::<String>::new());
}

#[test]
fn storage_that_is_read_only_or_full_is_told_as_that() {
    let machine = Machine::new();
    let program = machine.process("amqmfsck").get_program().to_owned();
    let program = program.to_string_lossy();
    let shared = machine.shared().display().to_string();
    for (options, part, check) in
        [("ro", "EROFS", "env.read-only"), ("nr_inodes=1", "ENOSPC", "error.full")]
    {
        let script = format!("mount -t tmpfs -o {options} t {shared} && exec {program} {shared}");
        let mut shell = process::Command::new("unshare");
        let output = shell.args(["-m", "sh", "-c", &script]).output();
        let Ok(output) = output else { return say("amqmfsck: no unshare, so nothing is mounted") };
        let said = String::from_utf8_lossy(&output.stderr);
        if output.status.code() == Some(1) || output.status.code() == Some(32) {
            return say(&format!("amqmfsck: nothing can be mounted here: {said}"));
        }
        assert_eq!(output.status.code(), Some(98), "{said}");
        assert!(said.starts_with("AMQ1815E: ") && said.contains(part), "{said}");
        let told = String::from_utf8_lossy(&output.stdout);
        let named = format!("FAIL {check} ");
        assert!(told.lines().any(|line| line.starts_with(&named)), "{told}");
        assert!(told.contains("\nFAILED: ") && told.contains("\nHOST "), "{told}");
    }
}

#[test]
fn the_procedure_before_go_live_is_recorded_step_by_step() {
    let machine = Machine::new();
    let fake = fake_ssh(&machine);
    let record = machine.shared().with_file_name("record.json");
    let golive = format!(
        "amqmfsck --golive --yes --with far --one-host --ssh {fake} --record {} -p 64",
        record.display()
    );
    let status = format!("amqmfsck --golive --status --record {} [SHARED]", record.display());
    assert!(machine.run(&status).code(20).stderr.starts_with("AMQ1879E: "));
    drop(machine.run(&format!("{golive} --step no-such [SHARED]")).code(39));
    drop(machine.run("amqmfsck --golive --record [SHARED]/record.json [SHARED]").code(39));
    for step in ["environment", "format", "kill@host1", "kill@far"] {
        let said = machine.run(&format!("{golive} --step {step} [SHARED]")).success();
        assert!(
            said.stdout.contains(&format!("Step {step} has ended: passed.")),
            "{}",
            said.stdout
        );
    }
    let said = machine.run(&status).code(20);
    let line = |step: &str| said.stdout.lines().find(|line| line.contains(step)).map(str::to_owned);
    assert!(line(" kill@far ").is_some_and(|line| line.starts_with("passed")), "{}", said.stdout);
    assert!(line(" server-halt ").is_some_and(|line| line.starts_with("open")), "{}", said.stdout);
    // Nobody is there to answer: it stops at the first thing that people have to do.
    let alone =
        format!("amqmfsck --golive --record {}.2 --step server-halt [SHARED]", record.display());
    let said = machine.run(&alone).code(20);
    assert!(said.stdout.contains("can be resumed"), "{}", said.stdout);
    drop(machine.run("amqmfsck -x [SHARED]").success());
    assert_eq!(names(&machine.shared()), Vec::<String>::new());
}

#[test]
fn how_long_it_takes_is_said() {
    let machine = Machine::new();
    for options in ["", "--all"] {
        let began = Instant::now();
        drop(machine.run(&format!("amqmfsck {options} [SHARED]")).success());
        say(&format!("amqmfsck {options}: {:.2} s", began.elapsed().as_secs_f64()));
    }
}
