//! What happens under systemd to a pair of which one instance crashes, hangs, or loses its host.

use std::time::{Duration, Instant};

use crate::support::boxes::UnitState;
use crate::support::boxes::qmgr::{Pair, UNIT, has_role, says_so, told, wait};
use crate::support::say;

/// So that a test of a hang does not take a minute.
const WATCHDOG: Duration = Duration::from_secs(3);
const DROP_IN: &str = "[Service]\nWatchdogSec=3s\n";

/// Goal: whatever ends the active instance, the standby serves, and the pair is whole again without help.
#[test]
fn a_pair_is_whole_again_after_a_kill_a_hang_and_a_lost_host() {
    let Some(mut pair) = Pair::created_or_skip("a pair under systemd that crashes") else { return };
    for host in pair.hosts() {
        host.write("/etc/systemd/system/mqm@.service.d/test.conf", DROP_IN);
        drop(host.run("systemctl daemon-reload").success());
    }
    pair.enable();
    pair.is_whole();
    killed(&pair);
    killed_standby(&pair);
    hung(&pair);
    frozen(&pair);
    lost(&mut pair);
    alone(&pair);
}

/// SIGKILL: the standby serves, and systemd starts the old one as a standby.
fn killed(pair: &Pair) {
    let (active, standby) = pair.by_role();
    let before = active.unit(UNIT);
    let epoch = has_role(active, "Active").epoch;
    drop(active.run(&format!("kill -KILL {}", before.get("MainPID"))).success());
    let began = Instant::now();
    let now = has_role(standby, "Active");
    say(&format!("after SIGKILL the standby serves in {:.0?}", began.elapsed()));
    assert!(now.epoch > epoch, "{now:?} after epoch {epoch}");
    restarted_once(pair, before.get("MainPID"), before.get("NRestarts"));
}

/// The former active has been started again, once, and waits.
fn restarted_once(pair: &Pair, pid: &str, restarts: &str) {
    let (_, standby) = pair.by_role();
    has_role(standby, "Standby");
    let after = standby.reaches(UNIT, "active/running");
    assert_ne!(after.get("MainPID"), pid);
    let count = |text: &str| text.parse::<u64>().expect("a number");
    assert_eq!(count(after.get("NRestarts")), count(restarts) + 1, "{after:?}");
    assert!(after.get("StatusText").to_lowercase().contains("standby"), "{after:?}");
    pair.is_whole();
}

/// A standby that is killed comes back, and the active notices nothing.
fn killed_standby(pair: &Pair) {
    let (active, standby) = pair.by_role();
    let (serving, before) = (told(active), standby.unit(UNIT));
    drop(standby.run(&format!("kill -KILL {}", before.get("MainPID"))).success());
    let changed = |now: &UnitState| {
        now.state() == "active/running" && now.get("MainPID") != before.get("MainPID")
    };
    standby.wait_unit(UNIT, "started again", changed);
    assert_eq!(told(active), serving);
    pair.is_whole();
}

/// SIGSTOP: the watchdog ends it; until then nobody can take over, because it holds the locks.
fn hung(pair: &Pair) {
    let (active, standby) = pair.by_role();
    let before = active.unit(UNIT);
    let began = Instant::now();
    drop(active.run(&format!("kill -STOP {}", before.get("MainPID"))).success());
    has_role(standby, "Active");
    let took = began.elapsed();
    say(&format!(
        "after SIGSTOP, with a watchdog of {WATCHDOG:?}, the standby serves in {took:.1?}"
    ));
    // Fed at half of the interval at least, so half of it may have passed before.
    assert!(took > WATCHDOG / 3, "the locks were held until the watchdog came: {took:?}");
    restarted_once(pair, before.get("MainPID"), before.get("NRestarts"));
    let (_, standby) = pair.by_role();
    let journal = standby.journal(UNIT);
    assert!(journal.contains("Watchdog timeout"), "{journal}");
}

/// A host that hangs for a while keeps its locks on a common kernel. When it goes on, one of the two
/// serves.
fn frozen(pair: &Pair) {
    let (active, standby) = pair.by_role();
    active.freeze();
    std::thread::sleep(WATCHDOG + Duration::from_secs(1));
    assert!(!says_so(standby), "nobody serves while another holds the locks");
    active.thaw();
    wait("one serves, the other waits", || {
        let roles = pair.hosts().map(|host| told(host).map(|told| told.role));
        let count = |role| roles.iter().filter(|found| found.as_deref() == Some(role)).count();
        count("Active") == 1 && count("Standby") == 1
    });
    pair.is_whole();
}

/// Power lost: the standby serves; the host comes back with a standby, because the unit is enabled.
fn lost(pair: &mut Pair) {
    let (active, standby) = pair.by_role_mut();
    let began = Instant::now();
    active.lose_power();
    has_role(standby, "Active");
    say(&format!("after a loss of power the standby serves in {:.0?}", began.elapsed()));
    active.power_on();
    has_role(active, "Standby");
    let after = active.reaches(UNIT, "active/running");
    assert_eq!(after.get("NRestarts"), "0", "{after:?}");
    pair.is_whole();
}

/// With nobody to take over, the active comes back as the active.
fn alone(pair: &Pair) {
    let (active, standby) = pair.by_role();
    drop(standby.run("systemctl stop mqm@QM1").success());
    let before = has_role(active, "Active");
    drop(active.run(&format!("kill -KILL {}", before.pid)).success());
    wait("it serves again", || told(active).is_some_and(|now| now.epoch > before.epoch));
    has_role(active, "Active");
    drop(standby.run("systemctl start mqm@QM1").success());
    pair.is_whole();
}
