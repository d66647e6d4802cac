//! Ending and starting a pair under systemd, by its tools and by ours: the states of the units, the exit
//! codes, and that nothing is started again that was ended on purpose.

use crate::support::boxes::Host;
use crate::support::boxes::qmgr::{Pair, TARGET, UNIT, has_role, says_so, serves, told};

/// Asserts that the instance on a host was ended and stays ended.
fn is_down(host: &Host) {
    // A unit that is to be started again is "activating", from the moment its process has ended.
    let unit = host.reaches(UNIT, "inactive/dead");
    assert_eq!(unit.get("Result"), "success", "{unit:?}\n{}", host.journal(UNIT));
    assert_eq!(unit.get("ExecMainStatus"), "0", "{unit:?}");
    assert!(told(host).is_none() && !says_so(host), "{:?}", told(host));
    host.reaches(TARGET, "inactive/dead");
}

/// The process of the unit on a host.
fn pid(host: &Host) -> String {
    host.unit(UNIT).get("MainPID").to_owned()
}

/// Starts what does not run, as a member over a plain shell, and asserts that it is what the unit runs.
fn start_missing(pair: &Pair) {
    let [first, second] = pair.hosts().map(|host| told(host).is_some());
    assert!(!(first && second), "something has ended");
    let nobody = !first && !second;
    for (host, runs) in [(&pair.one, first), (&pair.two, second)] {
        if runs {
            continue;
        }
        let (code, role) =
            if nobody && host.name() == pair.one.name() { (0, "Active") } else { (30, "Standby") };
        drop(host.run_as("alice", "strmqm -x QM1").code(code));
        let told = told(host).expect("it runs");
        assert_eq!(told.role, role, "the command returns when the instance is what it says");
        assert_eq!(pid(host), told.pid.to_string(), "the unit has the instance");
    }
    pair.is_whole();
}

/// Goal: the tools of systemd do what they say, and each of them hands over.
#[test]
fn stop_restart_and_reboot_hand_over_and_nothing_comes_back_unasked() {
    let Some(mut pair) = Pair::serving_or_skip("a pair under systemctl") else { return };
    pair.is_whole();
    let (active, standby) = pair.by_role();
    drop(active.run("systemctl stop mqm@QM1").success());
    is_down(active);
    has_role(standby, "Active");
    drop(active.run("systemctl start mqm@QM1").success());
    assert_eq!(told(active).expect("it runs").role, "Standby", "it is up when it stands by");
    pair.is_whole();

    let (active, standby) = pair.by_role();
    let serving = told(active);
    drop(standby.run("systemctl stop mqm@QM1").success());
    is_down(standby);
    assert_eq!(told(active), serving, "the active does not notice");
    drop(standby.run("systemctl restart mqm@QM1").success());
    pair.is_whole();

    let (active, standby) = pair.by_role();
    drop(active.run("systemctl restart mqm@QM1").success());
    has_role(standby, "Active");
    assert_eq!(told(active).expect("it runs").role, "Standby");
    pair.is_whole();

    rebooted(&mut pair);
}

/// A host that is rebooted hands over before it goes down, and comes back with a standby. One that was
/// ended by hand before comes back as well: it is enabled.
fn rebooted(pair: &mut Pair) {
    let (active, standby) = pair.by_role_mut();
    active.reboot();
    has_role(standby, "Active");
    has_role(active, "Standby");
    pair.is_whole();
    let (active, standby) = pair.by_role_mut();
    drop(active.run_as("alice", "endmqm -is QM1").code(0));
    is_down(active);
    active.reboot();
    has_role(active, "Standby");
    assert!(serves(standby));
    pair.is_whole();
}

/// What ends the whole queue manager.
const ENDS: [&str; 7] = ["", "-c", "-w", "-i", "-p", "-w -r", "-i -tp 5"];
/// What lets the standby take over.
const SWITCHES: [&str; 4] = ["-s", "-is", "-ws -t 5", "-ps"];

/// Goal: each form of endmqm leaves the units as it says, and strmqm over a plain shell starts the unit.
#[test]
fn what_endmqm_ended_stays_ended_and_strmqm_starts_the_unit() {
    let Some(pair) = Pair::serving_or_skip("endmqm and strmqm under systemd") else { return };
    pair.is_whole();
    for form in ENDS {
        let (active, _) = pair.by_role();
        drop(active.run_as("alice", &format!("endmqm {form} QM1")).code(0));
        for host in pair.hosts() {
            is_down(host);
        }
        start_missing(&pair);
    }
    for form in SWITCHES {
        let (active, standby) = pair.by_role();
        drop(active.run_as("alice", &format!("endmqm {form} QM1")).code(0));
        has_role(standby, "Active");
        is_down(active);
        start_missing(&pair);
    }
    refused(&pair);
    standby_ended(&pair);
}

/// What is refused changes nothing.
fn refused(pair: &Pair) {
    let (active, standby) = pair.by_role();
    let before = [told(active), told(standby)];
    for (host, user, line, code) in [
        (active, "alice", "endmqm -x QM1", 90),
        (standby, "alice", "endmqm -i QM1", 79),
        (standby, "alice", "endmqm QM1", 79),
        (active, "alice", "strmqm -x QM1", 5),
        (active, "alice", "endmqm -i NONE", 16),
        (active, "alice", "strmqm NONE", 16),
        (active, "bob", "endmqm -i QM1", 119),
        (standby, "bob", "endmqm -x QM1", 119),
        (active, "bob", "strmqm -x QM1", 119),
    ] {
        let said = host.run_as(user, line).code(code);
        assert!(said.stderr.contains("AMQ"), "{line}: {said:?}");
    }
    let unknown = "systemctl start mqm@NONE";
    drop(active.run(unknown).code(1));
    let unit = active.unit("mqm@NONE.service");
    assert_eq!(unit.state(), "failed/failed", "a start that cannot go well is not tried again");
    assert_eq!((unit.get("ExecMainStatus"), unit.get("NRestarts")), ("16", "0"), "{unit:?}");
    for command in ["stop", "restart", "kill"] {
        let line = format!("systemctl --no-ask-password {command} mqm@QM1");
        assert_ne!(active.run_as("bob", &line).code_among(&[1, 4, 5]), 0);
    }
    assert_eq!([told(active), told(standby)], before);
    pair.is_whole();
}

/// Only the standby ends; then there is nobody to switch over to.
fn standby_ended(pair: &Pair) {
    let (active, standby) = pair.by_role();
    let serving = told(active);
    drop(standby.run_as("alice", "endmqm -x QM1").code(0));
    is_down(standby);
    drop(active.run_as("alice", "endmqm -is QM1").code(77));
    assert_eq!(told(active), serving, "the active does not notice");
    assert_eq!(active.unit(UNIT).state(), "active/running");
    // A member of the group may use systemd's tools as well.
    drop(standby.run_as("alice", "systemctl --no-ask-password start mqm@QM1").code(0));
    pair.is_whole();
    drop(standby.run_as("alice", "systemctl --no-ask-password stop mqm@QM1").code(0));
    is_down(standby);
    start_missing(pair);
}

/// Goal: an instance that was started by hand and the unit know of each other, and there are never two.
#[test]
fn an_instance_started_by_hand_and_the_unit_are_never_two() {
    let Some(pair) = Pair::created_or_skip("an instance beside its unit") else { return };
    let host = &pair.one;
    drop(host.run_as("alice", "strmqm --no-systemd -x QM1").code(0));
    let by_hand = told(host).expect("it runs");
    assert_eq!(host.unit(UNIT).state(), "inactive/dead");
    drop(host.run("systemctl start mqm@QM1").code(1));
    assert_eq!(told(host), Some(by_hand.clone()), "it goes on");
    let unit = host.unit(UNIT);
    assert_eq!((unit.state().as_str(), unit.get("ExecMainStatus")), ("failed/failed", "5"));
    assert!(host.journal(UNIT).contains("AMQ"), "{}", host.journal(UNIT));
    drop(host.run_as("alice", "strmqm -x QM1").code(5));
    drop(host.run_as("alice", "endmqm -w QM1").code(0));
    assert!(told(host).is_none() && !says_so(host));
    // The unit has failed, and starts all the same when it is asked.
    drop(host.run_as("alice", "strmqm -x QM1").code(0));
    let told_now = told(host).expect("it runs");
    assert_eq!(pid(host), told_now.pid.to_string());
    drop(host.run_as("alice", "strmqm --no-systemd -x QM1").code(5));
    assert_eq!(told(host), Some(told_now));
    drop(host.run_as("alice", "endmqm -w QM1").code(0));
    is_down(host);
    // By hand on one host, the unit on the other.
    drop(host.run_as("alice", "strmqm --no-systemd -x QM1").code(0));
    drop(pair.two.run("systemctl start mqm@QM1").success());
    assert_eq!(told(&pair.two).expect("it runs").role, "Standby");
    drop(host.run_as("alice", "endmqm -is QM1").code(0));
    has_role(&pair.two, "Active");
    assert!(told(host).is_none() && serves(&pair.two));
}
