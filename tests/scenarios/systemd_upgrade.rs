//! Packages over a pair that runs: upgraded, removed, purged.

use crate::support::boxes::Host;
use crate::support::boxes::qmgr::{Pair, TARGET, UNIT, has_role, serves, told};

/// Makes a package of an older version out of the package under test, and installs it instead.
fn install_previous(pair: &Pair, host: &Host) {
    let package = pair.boxes.packages().server();
    let line = format!(
        "dpkg-deb -R {package} /root/old && \
         sed -i 's/^Version:.*/Version: 0.0.1/' /root/old/DEBIAN/control && \
         dpkg-deb -Znone -b /root/old /root/old.deb && rm -r /root/old && \
         apt-get install -y -qq --allow-downgrades /root/old.deb"
    );
    drop(host.run(&format!("({line}) 2>&1")).code(0));
    drop(host.run("useradd -m -G mqm alice && useradd -m bob").code(0));
    assert_eq!(version(host), "0.0.1");
}

fn version(host: &Host) -> String {
    host.run("dpkg-query -W -f '${Version}' miqm").code(0).stdout
}

fn upgrade(pair: &Pair, host: &Host) {
    let line = format!("apt-get install -y -qq {} 2>&1", pair.boxes.packages().server());
    drop(host.run(&line).code(0));
    assert_ne!(version(host), "0.0.1");
}

/// Every file of the queue manager on the storage and below the prefix, for what must not be deleted.
fn data(host: &Host) -> String {
    let files = "find /MQHA/qmgrs /MQHA/logs /var/mqm -type f -printf '%p\\n' | grep -v /errors/";
    host.run(&format!("{files} | sort")).success().stdout
}

/// Goal: an upgrade leaves the active instance alone, in whichever order the hosts are done; removing and
/// purging leave the data.
#[test]
fn an_upgrade_disturbs_no_active_and_a_purge_deletes_no_data() {
    let Some(pair) = Pair::bare_or_skip("upgrade, removal and purge of the package") else {
        return;
    };
    for host in pair.hosts() {
        install_previous(&pair, host);
    }
    pair.create();
    pair.enable();
    pair.is_whole();
    // As documented: the standby first, then over to it, then the other.
    let (active, standby) = pair.by_role();
    let serving = told(active);
    upgrade(&pair, standby);
    pair.is_whole();
    assert_eq!(told(active), serving, "the active does not notice");
    drop(active.run_as("alice", "endmqm -is QM1").code(0));
    has_role(standby, "Active");
    active.reaches(UNIT, "inactive/dead");
    upgrade(&pair, active);
    assert_eq!(active.unit(UNIT).state(), "inactive/dead", "what was ended is not started");
    drop(active.run("systemctl start mqm@QM1").success());
    pair.is_whole();
    active_first(&pair);
    removed(&pair);
}

/// In the wrong order: the active one goes on as it is.
fn active_first(pair: &Pair) {
    let (active, standby) = pair.by_role();
    let line = "apt-get install -y -qq --allow-downgrades /root/old.deb 2>&1";
    drop(active.run(line).code(0));
    let before = (told(active), active.unit(UNIT).get("MainPID").to_owned());
    upgrade(pair, active);
    assert_eq!((told(active), active.unit(UNIT).get("MainPID").to_owned()), before);
    assert!(serves(active) && !serves(standby));
    pair.is_whole();
}

/// Removed from one host and then the other: nothing runs there, and all data is where it was.
fn removed(pair: &Pair) {
    let (active, standby) = pair.by_role();
    let before = data(active);
    drop(standby.run("apt-get remove -y -qq miqm 2>&1").code(0));
    assert!(told(standby).is_none() && !standby.has("/usr/bin/strmqm"));
    assert_eq!(standby.unit(TARGET).get("ActiveState"), "inactive");
    assert!(serves(active));
    assert_eq!(data(active), before);
    // Back again, and it is the standby that it was.
    upgrade(pair, standby);
    drop(standby.run("systemctl start mqm@QM1").success());
    pair.is_whole();
    drop(active.run("systemctl stop mqm@QM1").success());
    has_role(standby, "Active");
    for line in ["apt-get remove -y -qq miqm 2>&1", "apt-get purge -y -qq miqm 2>&1"] {
        drop(active.run(line).code(0));
        assert!(told(active).is_none());
        assert!(active.has("/var/mqm/mqs.ini"), "{line} deletes the registry");
    }
    assert!(serves(standby));
    drop(standby.run_as("alice", "endmqm -w QM1").code(0));
    let before = data(standby);
    drop(standby.run("apt-get purge -y -qq miqm 2>&1").code(0));
    assert_eq!(data(standby), before);
}
