//! A service manager made of files: what it shows, what happens when it is told to start, what it was told.

use std::process::Command;

use miqm_qmgr::env::Installation;
use miqm_qmgr::runtime::{LocalRole, LocalStatus, RuntimeDir};
use miqm_sys::fs::Owner;
use miqm_sys::lock::LockedFile;
use miqm_types::{Epoch, InstanceId, UtcTime};
use tempfile::TempDir;

use super::*;

/// A host with the queue manager `Q`, and a service manager that has its unit.
pub(crate) struct World {
    dir: TempDir,
    pub(crate) env: Env,
    pub(crate) systemd: Systemd,
    pub(crate) runtime: RuntimeDir,
    pub(crate) qmgr: QmgrName,
}

pub(crate) const DOWN: &str = "LoadState=loaded\nActiveState=inactive\nSubState=dead\nResult=success\n\
    InvocationID=\n";
pub(crate) const UP: &str = "LoadState=loaded\nActiveState=active\nSubState=running\nResult=success\n\
    InvocationID=new\nMainPID=4711\n";
const UNIT: &str = "mqm@Q.service";

pub(crate) fn world() -> World {
    let dir = tempfile::tempdir().unwrap();
    let path = |below: &str| dir.path().join(below);
    let env = Env {
        prefix: path("var"),
        runtime: path("run"),
        mqs_ini: path("var/mqs.ini"),
        default_prefix: None,
        host: "host1".parse().unwrap(),
        installation: Installation { name: "I".into(), path: "/usr".into(), version: "0".into() },
    };
    std::fs::create_dir_all(path("var/qmgrs/Q")).unwrap();
    let stanza =
        format!("QueueManager:\n   Name=Q\n   Prefix={}\n   Directory=Q\n", path("var").display());
    std::fs::write(&env.mqs_ini, stanza).unwrap();
    let script = format!(
        "cd {} && echo $4 $5 $6 $7 >>told\ncase $4 in\nshow) . ./show;;\nstart) . ./start;;\n\
         stop) . ./stop;;\nesac",
        dir.path().display()
    );
    // By another process: a program that this one has open for writing cannot be run.
    let write = "printf '#!/bin/sh\\n%s\\n' \"$1\" >\"$0\" && chmod 755 \"$0\"";
    let made = Command::new("sh").args(["-c", write]).arg(path("systemctl")).arg(script).status();
    assert!(made.unwrap().success());
    let qmgr: QmgrName = "Q".parse().unwrap();
    let patience = Duration::from_secs(5);
    let world = World {
        systemd: Systemd::through(Systemctl::at(path("systemctl")), patience),
        runtime: RuntimeDir::open(&env.runtime, &qmgr),
        dir,
        env,
        qmgr,
    };
    world.runtime.prepare(owner()).unwrap();
    world.shows(DOWN);
    world.script("start", "true");
    world.script("stop", "true");
    world
}

pub(crate) fn owner() -> Owner {
    let caller = miqm_sys::user::caller().unwrap();
    Owner { uid: caller.uid, gid: caller.gid }
}

impl World {
    /// From here on it shows this of the unit.
    pub(crate) fn shows(&self, text: &str) {
        std::fs::write(self.dir.path().join("shown"), text).unwrap();
        self.script("show", "cat shown");
    }

    /// What it does when it is told to do this.
    pub(crate) fn script(&self, verb: &str, script: &str) {
        // At once: it may be reading it.
        let new = self.dir.path().join(format!("{verb}.new"));
        std::fs::write(&new, script).unwrap();
        std::fs::rename(new, self.dir.path().join(verb)).unwrap();
    }

    /// What it was told to do, without the questions.
    pub(crate) fn told(&self) -> Vec<String> {
        let told = std::fs::read_to_string(self.dir.path().join("told")).unwrap_or_default();
        let acts = told.lines().map(|line| line.replace(" -- ", " ").replace(UNIT, "UNIT"));
        acts.map(|line| line.trim().to_owned()).filter(|line| !line.starts_with("show")).collect()
    }

    pub(crate) fn hurried(mut self) -> Self {
        self.systemd.patience = Duration::from_secs(1);
        self
    }

    /// An instance that was started, as it shows itself to the host.
    pub(crate) fn instance(&self, role: LocalRole, multi_instance: bool) -> LockedFile {
        let lock = self.runtime.try_own(owner()).unwrap().expect("there is none yet");
        let status = LocalStatus {
            role,
            pid: miqm_sys::proc::pid(),
            epoch: (role == LocalRole::Active).then_some(Epoch(7)),
            since: UtcTime(0),
            instance: InstanceId([3; 16]),
            host: "host1".parse().unwrap(),
            multi_instance,
        };
        self.runtime.write_status(&status, owner()).unwrap();
        lock
    }
}

#[test]
fn only_the_places_of_the_machine_are_the_units() {
    let World { env, .. } = world();
    assert!(!is_the_machine(&env));
    let machine = Env {
        prefix: DEFAULT_PREFIX.into(),
        runtime: DEFAULT_RUNTIME_DIR.into(),
        mqs_ini: "/var/mqm/mqs.ini".into(),
        ..env.clone()
    };
    assert!(is_the_machine(&machine));
    for other in [
        Env { prefix: env.prefix.clone(), ..machine.clone() },
        Env { runtime: env.runtime.clone(), ..machine.clone() },
        Env { mqs_ini: env.mqs_ini.clone(), ..machine.clone() },
    ] {
        assert!(!is_the_machine(&other));
        assert!(Systemd::of(&other, Duration::from_secs(1)).is_none());
    }
}

#[test]
fn a_unit_is_named_after_its_queue_manager() {
    assert_eq!(unit_name(&"QM.1/PAY".parse().unwrap()), "mqm@QM.1-PAY.service");
    assert_eq!(unit_name(&".A%B".parse().unwrap()), "mqm@\\x2eA\\x25B.service");
}

#[test]
fn a_unit_is_there_or_not_or_that_cannot_be_told() {
    let world = world();
    assert_eq!(world.systemd.unit(&world.qmgr).unwrap().unwrap().name, UNIT);
    assert_eq!(world.systemd.enabled_unit(&world.qmgr), None);
    world.shows(&format!("{DOWN}UnitFileState=enabled\n"));
    assert_eq!(world.systemd.enabled_unit(&world.qmgr).as_deref(), Some(UNIT));
    world.shows("LoadState=not-found\nActiveState=inactive\n");
    assert!(world.systemd.unit(&world.qmgr).unwrap().is_none());
    world.script("show", "echo 'Failed to connect to bus: Host is down' >&2; exit 1");
    let error = world.systemd.unit(&world.qmgr).unwrap_err();
    assert!(matches!(&error.why, WhySystemd::Silent(why) if why.ends_with("Host is down")));
    assert_eq!(world.systemd.enabled_unit(&world.qmgr), None);
    let world = world.hurried();
    world.script("show", "exec sleep 1000");
    let error = world.systemd.unit(&world.qmgr).unwrap_err();
    assert!(matches!(&error.why, WhySystemd::Silent(why) if why.contains("1 s")), "{error}");
    let nobody = Systemd { systemctl: None, patience: Duration::from_secs(1) };
    let error = nobody.unit(&world.qmgr).unwrap_err();
    assert!(matches!(&error.why, WhySystemd::Silent(why) if why.ends_with("is not there")));
}

#[test]
fn the_end_of_a_unit_is_waited_for_but_not_for_ever() {
    let world = world().hurried();
    world.shows(UP);
    let unit = world.systemd.unit(&world.qmgr).unwrap().unwrap();
    let waits = |pid| {
        let began = BootInstant::now();
        unit.wait_until_down(pid);
        began.elapsed() >= Duration::from_millis(900)
    };
    assert!(!waits(1), "its process is another");
    assert!(waits(4711));
    world.shows(DOWN);
    assert!(!waits(4711));
    world.shows("LoadState=loaded\nActiveState=deactivating\nMainPID=0\n");
    assert!(waits(4711));
    world.script("show", "exit 1");
    assert!(!waits(4711), "who cannot be asked is not waited for");
}
