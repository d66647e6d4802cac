//! Two hosts that share one directory, and a queue manager on them.

use std::time::{Duration, Instant};

use super::Machine;

/// Two hosts with one shared directory that has `qmgrs` and `logs` in it.
pub(crate) struct Pair {
    pub(crate) one: Machine,
    pub(crate) two: Machine,
}

/// Waits until `condition` holds, and fails the test if it does not within `limit`.
pub(crate) fn wait_until(limit: Duration, what: &str, mut condition: impl FnMut() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < limit, "not within {} s: {what}", limit.as_secs());
        std::thread::sleep(Duration::from_millis(5));
    }
}

impl Pair {
    pub(crate) fn new() -> Self {
        let one = Machine::new();
        for dir in ["qmgrs", "logs"] {
            std::fs::create_dir(one.shared().join(dir)).expect("a shared directory");
        }
        let two = one.beside("host2");
        Self { one, two }
    }

    /// With `QM1`, created on the first host and added on the second; its log is small.
    pub(crate) fn created() -> Self {
        let pair = Self::new();
        drop(pair.one.run("crtmqm -lf 64 -ld [SHARED]/logs -md [SHARED]/qmgrs QM1").success());
        add(&pair.two);
        pair
    }

    /// One more host that knows `QM1`.
    pub(crate) fn third(&self) -> Machine {
        let three = self.one.beside("host3");
        add(&three);
        three
    }

    /// The process of the instance on a host.
    pub(crate) fn pid(host: &Machine) -> i32 {
        let status = std::fs::read_to_string(host.runtime_dir().join("QM1/status"))
            .expect("an instance has said what it does");
        let pid = status.lines().find_map(|line| line.trim().strip_prefix("Pid="));
        pid.and_then(|pid| pid.parse().ok()).expect("it has said its process id")
    }

    /// Ends the instance on a host with SIGKILL.
    pub(crate) fn kill(host: &Machine) {
        signal(Self::pid(host), "KILL");
    }
}

fn add(host: &Machine) {
    let line = "addmqinf -s QueueManager -v Name=QM1 -v Directory=QM1 -v Prefix=/var/mqm \
                -v DataPath=[SHARED]/qmgrs/QM1";
    drop(host.run(line).success());
}

/// Sends a signal to a process.
pub(crate) fn signal(pid: i32, name: &str) {
    let mut kill = std::process::Command::new("kill");
    let status = kill.args([&format!("-{name}"), &pid.to_string()]).status().expect("kill runs");
    assert!(status.success(), "kill -{name} {pid}");
}
