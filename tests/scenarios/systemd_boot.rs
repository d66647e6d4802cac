//! Hosts that boot when their storage is not there, comes late, or cannot be written; and runtime
//! directories that are full.

use crate::support::boxes::qmgr::{Pair, UNIT, has_role, install, says_so, serves, told, wait};
use crate::support::boxes::{Boxes, Host};

/// As for storage from a server, which boot does not insist on.
const MOUNT: &str = "/export/site /MQHA none bind,_netdev,nofail 0 0\n";
const READ_ONLY: &str = "/export/site /MQHA none bind,ro,_netdev,nofail 0 0\n";
/// Holds the mount back until a file says otherwise.
const LATE: &str = "[Unit]\nDefaultDependencies=no\n[Service]\nType=oneshot\nRemainAfterExit=yes\n\
                    ExecStart=/bin/sh -c 'until [ -e /run/mount-now ]; do sleep 0.05; done'\n";
const AFTER_LATE: &str = "[Unit]\nWants=late.service\nAfter=late.service\n";

/// A host with `QM1`, enabled, on storage that `/etc/fstab` mounts; its instance serves.
fn host_with_mount(boxes: &Boxes) -> Host {
    let mut host = boxes.boot_without_storage("host1");
    install(&host, boxes);
    host.write("/etc/fstab", MOUNT);
    let lines = [
        "mkdir -p /export/site /MQHA && systemctl daemon-reload && systemctl start MQHA.mount",
        "install -d -o mqm -g mqm -m 2775 /MQHA/qmgrs /MQHA/logs",
    ];
    for line in lines {
        drop(host.run(line).success());
    }
    let create = "crtmqm -lf 64 -ld /MQHA/logs -md /MQHA/qmgrs QM1";
    drop(host.run_as("mqm", create).success());
    drop(host.run("systemctl enable --quiet mqm@QM1").code(0));
    host.reboot();
    has_role(&host, "Active");
    host
}

/// Everything below a directory, with sizes and times of change.
fn content(host: &Host, path: &str) -> String {
    let line = format!("find {path} -printf '%P %s %T@ %m %u\\n' | sort");
    host.run(&line).success().stdout
}

/// Goal: an instance starts when its storage is there and never without it, whatever boot finds.
#[test]
fn boot_waits_for_storage_and_makes_nothing_where_it_is_not() {
    let Some(boxes) = Boxes::or_skip("boot with a mount that is missing, late and read-only")
    else {
        return;
    };
    let mut host = host_with_mount(&boxes);
    missing(&boxes, &mut host);
    late(&mut host);
    read_only(&mut host);
}

/// The storage is not there: the unit fails for want of it, and says so; nothing is made in its place.
fn missing(boxes: &Boxes, host: &mut Host) {
    host.shut_down();
    let (site, away) = (boxes.storage().join("site"), boxes.storage().join("away"));
    std::fs::rename(&site, &away).expect("the storage goes");
    // Else systemd makes a directory to be mounted.
    std::fs::write(&site, "").expect("a file");
    host.power_on();
    let unit = host.reaches(UNIT, "inactive/dead");
    assert_eq!(unit.get("MainPID"), "0", "{unit:?}");
    let said = host.run("systemctl start mqm@QM1 2>&1").code(1).stdout;
    assert!(said.contains("dependency"), "{said}");
    let journal = host.journal(UNIT);
    assert!(journal.contains("Dependency failed"), "{journal}");
    assert_eq!(host.unit("MQHA.mount").state(), "failed/failed");
    let said = host.run_as("alice", "strmqm -x QM1").code_among(&[16, 23, 71, 100]);
    assert_ne!(said, 0);
    assert!(told(host).is_none() && !says_so(host));
    assert_eq!(host.run("find /MQHA -mindepth 1").success().stdout, "");
    // What displays answers all the same.
    let shown = host.run_as("alice", "dspmq").code(0).stdout;
    assert!(shown.contains("QMNAME(QM1)"), "{shown}");
    std::fs::remove_file(&site).expect("the file goes");
    std::fs::rename(&away, &site).expect("the storage comes back");
    drop(host.run("systemctl start mqm@QM1").success());
    has_role(host, "Active");
}

/// The storage comes late: the instance waits for it and starts by itself.
fn late(host: &mut Host) {
    host.write("/etc/systemd/system/late.service", LATE);
    host.write("/etc/systemd/system/MQHA.mount.d/late.conf", AFTER_LATE);
    host.shut_down();
    host.power_on_early();
    // Everything else has had its turn when only what waits for the mount is left.
    wait("the start waits", || {
        host.run("systemctl list-jobs --no-legend").code(0).stdout.contains(UNIT)
    });
    assert_eq!(host.unit(UNIT).get("MainPID"), "0");
    assert_eq!(host.run("find /MQHA -mindepth 1").success().stdout, "");
    host.write("/run/mount-now", "");
    has_role(host, "Active");
    host.reaches(UNIT, "active/running");
    drop(host.run("rm -r /etc/systemd/system/MQHA.mount.d").success());
}

/// The storage cannot be written: the instance says so, nothing changes, and when somebody has mended it, the
/// instance serves without further ado.
fn read_only(host: &mut Host) {
    drop(host.run_as("alice", "endmqm -w QM1").code(0));
    host.reaches(UNIT, "inactive/dead");
    host.write("/etc/fstab", READ_ONLY);
    host.shut_down();
    host.power_on_early();
    host.reaches("MQHA.mount", "active/mounted");
    let before = content(host, "/MQHA/");
    wait("the journal tells why the instance does not start", || {
        let journal = host.journal(UNIT);
        journal.contains("AMQ") && journal.to_lowercase().contains("read-only")
    });
    assert!(!says_so(host) && told(host).is_none_or(|told| told.role != "Active"));
    assert_eq!(content(host, "/MQHA/"), before);
    drop(host.run("mount -o remount,rw,bind /MQHA").success());
    has_role(host, "Active");
    host.reaches(UNIT, "active/running");
}

/// Fills the runtime directory of a host, which is small from now on.
fn fill(host: &Host) {
    let line =
        "dd if=/dev/zero of=/run/miqm/filler bs=4096 2>/dev/null; df --output=avail /run/miqm";
    let said = host.run(line).code(0).stdout;
    assert_eq!(said.split_whitespace().last(), Some("0"), "{said}");
}

const SMALL: &str = "[ -d /run/miqm ] || install -d -o mqm -g mqm -m 2775 /run/miqm; \
                     mount -t tmpfs -o size=128k,mode=2775,uid=mqm,gid=mqm small /run/miqm";

/// Goal: where the runtime directory is full, an instance starts or says why not, and a host never
/// goes on to say that it serves after it has handed over.
#[test]
fn a_full_runtime_directory_neither_lies_nor_hangs() {
    let Some(pair) = Pair::created_or_skip("a full runtime directory") else { return };
    for host in pair.hosts() {
        drop(host.run(SMALL).success());
    }
    pair.enable();
    pair.is_whole();
    // Full while it serves: it hands over all the same, and its host does not say that it serves.
    let (active, standby) = pair.by_role();
    fill(active);
    drop(active.run_as("alice", "endmqm -is QM1").code(0));
    has_role(standby, "Active");
    active.wait_unit(UNIT, "ended", |unit| unit.get("MainPID") == "0");
    wait("the host does not say that it serves", || !says_so(active));
    // Full at the start.
    let began = std::time::Instant::now();
    let code = active.run("systemctl start mqm@QM1").code_among(&[0, 1]);
    assert!(began.elapsed().as_secs() < 60, "{:?}", began.elapsed());
    let unit = active.unit(UNIT);
    if code == 0 {
        assert!(unit.get("StatusText").to_lowercase().contains("standby"), "{unit:?}");
    } else {
        let journal = active.journal(UNIT);
        assert!(journal.contains("AMQ") && journal.contains("/run/miqm"), "{journal}");
    }
    assert!(!says_so(active) && serves(standby));
    active.run("rm /run/miqm/filler; systemctl reset-failed mqm@QM1").code_among(&[0, 1]);
    drop(active.run("systemctl restart mqm@QM1").success());
    has_role(active, "Standby");
    pair.is_whole();
}
