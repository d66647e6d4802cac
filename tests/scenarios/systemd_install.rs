//! Two hosts from nothing to a pair that survives reboots, and what follows the role.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::support::boxes::Host;
use crate::support::boxes::qmgr::{Pair, TARGET, UNIT, has_role, install, told, wait};
use crate::support::say;

/// The one file that an operator writes, the same on both hosts.
const PROVISION: &str = "[paths]\ndata-under = \"/MQHA/qmgrs\"\nlog-under = \"/MQHA/logs\"\n\n\
                         [log]\nfile-pages = 64\n";

/// A unit that runs where the active instance runs, and leaves files with the times of its starts and ends.
const FOLLOWER: &str = "[Unit]\nPartOf=mqm-active@QM1.target\n[Service]\n\
                        ExecStart=/bin/sh -c 'touch /MQHA/follower/%H-started; exec sleep infinity'\n\
                        ExecStopPost=/bin/touch /MQHA/follower/%H-ended\n\
                        [Install]\nWantedBy=mqm-active@QM1.target\n";

/// How many times the pair switches over.
const SWITCHOVERS: usize = 5;
/// How far what follows the role may be behind it.
const BEHIND: Duration = Duration::from_secs(1);

/// Goal: a package, a file and a command on each host make a pair, which reboots do not end; what depends on
/// the role is where the role is, within a second.
#[test]
fn a_package_and_a_file_make_a_pair_that_survives_reboots() {
    let Some(mut pair) = Pair::bare_or_skip("a pair from a package and a file") else { return };
    for host in pair.hosts() {
        install(host, &pair.boxes);
    }
    same_numbers(&pair);
    let storage = "install -d -o mqm -g mqm -m 2775 /MQHA/qmgrs /MQHA/logs";
    drop(pair.one.run(storage).success());
    for host in pair.hosts() {
        host.write("/etc/miqm/qmgr.d/QM1.toml", PROVISION);
    }
    pair.enable();
    pair.is_whole();
    for host in pair.hosts() {
        host.write("/etc/systemd/system/follower.service", FOLLOWER);
        let line = "install -d /MQHA/follower && systemctl enable --now --quiet follower";
        drop(host.run(line).code(0));
    }
    // Started by hand, it runs on either; from here on it follows.
    drop(pair.by_role().1.run("systemctl stop follower").success());
    pair.one.begin_reboot();
    pair.two.begin_reboot();
    pair.one.end_reboot();
    pair.two.end_reboot();
    wait("one serves, the other waits", || {
        let roles = pair.hosts().map(|host| told(host).map(|told| told.role));
        roles.iter().flatten().any(|role| role == "Active")
            && roles.iter().flatten().any(|role| role == "Standby")
    });
    pair.is_whole();
    follows(&pair);
}

/// User and group have the same numbers on both hosts: else neither could use the files of the other.
fn same_numbers(pair: &Pair) {
    let [one, two] = pair.hosts().map(|host| host.run("id mqm").success().stdout);
    assert_eq!(one, two);
}

/// When a file of a host changed.
fn changed(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|file| file.modified()).ok()
}

/// Waits until a file has changed after `since`, and returns when that was.
fn changed_after(path: &Path, since: SystemTime) -> SystemTime {
    wait(&format!("{} changes", path.display()), || changed(path).is_some_and(|now| now > since));
    changed(path).expect("it is there")
}

/// A switchover, and how far behind the roles of the hosts the follower ended and started.
fn switched(pair: &Pair) -> Duration {
    let (active, standby) = pair.by_role();
    let mark =
        |host: &Host, what| pair.boxes.storage().join(format!("follower/{}-{what}", host.name()));
    let role = |host: &Host| host.path("/run/miqm/QM1/active");
    active.reaches("follower.service", "active/running");
    assert_eq!(standby.unit("follower.service").state(), "inactive/dead");
    let before = SystemTime::now();
    drop(active.run_as("alice", "endmqm -is QM1").code(0));
    let serving = changed_after(&role(standby), before);
    has_role(standby, "Active");
    let ended = changed_after(&mark(active, "ended"), before);
    let started = changed_after(&mark(standby, "started"), before);
    let since = |then: SystemTime| started.duration_since(then).unwrap_or_default();
    let behind = since(serving);
    let end = ended.duration_since(before).unwrap_or_default();
    say(&format!(
        "switchover: a unit that follows ended {end:.0?} after the command began, and started {behind:.0?} \
         after the other host serves, {:.0?} after the command began",
        since(before)
    ));
    active.reaches(UNIT, "inactive/dead");
    drop(active.run_as("alice", "strmqm -x QM1").code(30));
    standby.reaches(TARGET, "active/active");
    active.reaches("follower.service", "inactive/dead");
    pair.is_whole();
    end.max(since(before))
}

/// Of several switchovers the middle one counts: this machine has other things to do.
fn follows(pair: &Pair) {
    let mut times: Vec<Duration> = (0..SWITCHOVERS).map(|_| switched(pair)).collect();
    times.sort();
    let middle = times[SWITCHOVERS / 2];
    assert!(middle < BEHIND, "what follows the role is {middle:?} behind it: {times:?}");
}
