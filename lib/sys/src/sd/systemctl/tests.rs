use super::*;

/// A program in place of the real one.
fn fake(script: &str) -> (tempfile::TempDir, Systemctl) {
    let dir = tempfile::tempdir().unwrap();
    let program = dir.path().join("systemctl");
    // By another process: a program that this one has open for writing, or a child that is just being
    // made, cannot be run.
    let write = "printf '#!/bin/sh\\n%s\\n' \"$1\" >\"$0\" && chmod 755 \"$0\"";
    let made = Command::new("sh").args(["-c", write]).arg(&program).arg(script).status().unwrap();
    assert!(made.success());
    (dir, Systemctl::at(program))
}

const SOON: Duration = Duration::from_secs(20);
const SHOWN: &str = "LoadState=loaded\nActiveState=activating\nSubState=auto-restart\n\
    UnitFileState=enabled\nMainPID=0\nExecMainCode=2\nExecMainStatus=9\nResult=signal\n\
    InvocationID=abc\n";

#[test]
fn what_is_shown_of_a_unit_is_read() {
    let (_dir, systemctl) = fake(&format!("printf '%s' '{SHOWN}'"));
    let unit = systemctl.unit("mqm@QM1.service", SOON).unwrap();
    assert_eq!((&unit.load, &unit.active), (&Load::Loaded, &Active::Activating));
    assert!(unit.waits_to_be_restarted() && !unit.is_down() && unit.enabled && !unit.has_job);
    assert_eq!((unit.last_exit, unit.main_pid), (Some(Exit::Signal(9)), 0));
    assert_eq!((unit.result.as_str(), unit.invocation.as_str()), ("signal", "abc"));

    let unit = Unit::parse("LoadState=masked\nActiveState=failed\nJob=17\nMainPID=x\n").unwrap();
    assert_eq!((unit.load.clone(), unit.active.clone()), (Load::Masked, Active::Failed));
    assert!(unit.is_down() && unit.has_job && !unit.enabled && !unit.waits_to_be_restarted());
    assert_eq!((unit.main_pid, unit.last_exit), (0, None));
    let unit = Unit::parse("LoadState=bad-setting\nActiveState=maintenance\n").unwrap();
    assert_eq!(unit.load, Load::Broken("bad-setting".into()));
    assert_eq!(unit.active, Active::Other("maintenance".into()));
    assert_eq!(Unit::parse("LoadState=loaded\n"), None);
    assert_eq!(Unit::parse("nothing\0 of the kind"), None);
}

#[test]
fn it_is_asked_for_one_unit_without_questions_and_without_our_environment() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    let (_fake, systemctl) = fake(&format!(
        "{{ echo \"$@\"; env | cut -d= -f1 | sort | tr '\\n' ' '; pwd; read x || echo no input; }} >{}",
        log.display()
    ));
    systemctl.stop("mqm@QM1.service", SOON).unwrap();
    let said = std::fs::read_to_string(&log).unwrap();
    let mut lines = said.lines();
    let line = lines.next().unwrap();
    assert_eq!(line, "--system --no-ask-password --no-pager stop -- mqm@QM1.service");
    let names = lines.next().unwrap();
    for name in names.split_whitespace() {
        // What a shell sets by itself, and what is given.
        let known = ["LC_ALL", "PATH", "PWD", "OLDPWD", "SHLVL", "SYSTEMD_COLORS", "_", "/"];
        assert!(known.contains(&name), "{names}");
    }
    assert!(said.ends_with("no input\n"), "{said}");
    systemctl.begin_stop("u", SOON).unwrap();
    let said = std::fs::read_to_string(&log).unwrap();
    assert!(said.contains("stop --no-block -- u\n"), "{said}");
}

#[test]
fn refusals_are_told_apart_and_bounded() {
    let complaint = "Failed to stop mqm@QM1.service: Interactive authentication required.";
    let (_dir, systemctl) = fake(&format!("echo '{complaint}' >&2; echo more >&2; exit 1"));
    let error = systemctl.stop("u", SOON).unwrap_err();
    assert!(
        matches!(&error, SystemctlError::Denied(said) if *said == complaint.trim_end_matches('.'))
    );
    let nobody = "Failed to stop u.service: Unit polkit.service is masked. See more.";
    let (_dir, systemctl) = fake(&format!("echo '{nobody}'; exit 1"));
    let error = systemctl.stop("u", SOON).unwrap_err();
    assert!(
        matches!(&error, SystemctlError::Denied(said) if nobody.starts_with(said) && said.ends_with("masked"))
    );
    let (_dir, systemctl) = fake("exit 4");
    let error = systemctl.stop("u", SOON).unwrap_err();
    assert!(matches!(&error, SystemctlError::Denied(said) if said == "systemctl ended with 4"));
    let (_dir, systemctl) = fake("echo; echo ' Unit u.service not loaded.'; exit 5");
    let error = systemctl.stop("u", SOON).unwrap_err();
    assert!(matches!(&error, SystemctlError::Refused(said) if said == "Unit u.service not loaded"));
    let (_dir, systemctl) = fake("kill -9 $$");
    let error = systemctl.stop("u", SOON).unwrap_err();
    assert!(matches!(&error, SystemctlError::Refused(said) if said.ends_with("signal 9")));
    // More than a pipe holds, and more than is kept.
    let (_dir, systemctl) = fake("yes 0123456789 | head -c 1000000 | tr -d '\\n'; exit 1");
    let error = systemctl.stop("u", SOON).unwrap_err().to_string();
    assert_eq!(error.len(), COMPLAINT_CHARS_MAX);
    let (_dir, systemctl) = fake("echo nothing of the kind");
    assert!(matches!(systemctl.unit("u", SOON), Err(SystemctlError::Refused(_))));
    let nowhere = Systemctl::at("/no/such/systemctl".into());
    assert!(matches!(nowhere.stop("u", SOON), Err(SystemctlError::Io(_))));
}

#[test]
fn one_that_hangs_is_given_up_and_does_not_stay() {
    let dir = tempfile::tempdir().unwrap();
    let pid = dir.path().join("pid");
    let (_fake, systemctl) = fake(&format!("echo $$ >{}; exec sleep 1000", pid.display()));
    let began = BootInstant::now();
    let error = systemctl.stop("u", Duration::from_secs(1)).unwrap_err();
    assert!(matches!(error, SystemctlError::Silent(_)), "{error}");
    assert!(began.elapsed() < SOON);
    let pid: u32 = std::fs::read_to_string(&pid).unwrap().trim().parse().unwrap();
    while crate::proc::alive(pid) {
        assert!(began.elapsed() < SOON, "it is still there");
        sleep(TICK);
    }
}

#[test]
fn what_it_left_behind_does_not_keep_anybody_waiting() {
    // A child that keeps the pipe open, as an agent that asks for passwords would.
    let (_dir, systemctl) = fake("sleep 5 & echo done");
    let began = BootInstant::now();
    let mut running = systemctl.begin_start("u").unwrap();
    let ended = loop {
        if let Some(ended) = running.look(TICK).unwrap() {
            break ended;
        }
    };
    assert_eq!(ended.result().unwrap(), "done\n");
    assert!(began.elapsed() < Duration::from_secs(4));
}
