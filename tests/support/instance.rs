//! Instances of `QM1` as the outside sees them: in the foreground, with an exit status; and by what
//! they tell their host.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use super::Machine;

/// What an instance tells its host of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) role: String,
    pub(crate) pid: i32,
    pub(crate) epoch: u64,
    pub(crate) instance: String,
}

impl Told {
    /// What stands in the status file of `QM1` in this runtime directory.
    pub(crate) fn read(runtime: &Path) -> Option<Self> {
        let text = fs::read_to_string(runtime.join("QM1/status")).ok()?;
        let value = |key: &str| {
            let mut lines = text.lines();
            lines.find_map(|line| line.trim().strip_prefix(key)?.strip_prefix('='))
        };
        Some(Self {
            role: value("Role")?.to_owned(),
            pid: value("Pid")?.parse().ok()?,
            epoch: value("Epoch")?.parse().ok()?,
            instance: value("InstanceId")?.to_owned(),
        })
    }

    /// Whether its process may still run code of its own. One that was killed takes a moment to go,
    /// and lets its files go on the way; the kernel has marked each of its threads before.
    pub(crate) fn is_alive(&self) -> bool {
        const EXITING: u64 = 4;
        self.threads(|flags| flags & EXITING == 0)
    }

    /// Whether its process has let everything go.
    pub(crate) fn is_gone(&self) -> bool {
        !self.threads(|_| true)
    }

    /// Whether there is a thread with such flags that is not dead.
    fn threads(&self, wanted: impl Fn(u64) -> bool) -> bool {
        let Ok(threads) = fs::read_dir(format!("/proc/{}/task", self.pid)) else { return false };
        threads.flatten().any(|thread| {
            let Ok(stat) = fs::read_to_string(thread.path().join("stat")) else { return false };
            let Some((_, fields)) = stat.rsplit_once(") ") else { return false };
            let fields: Vec<&str> = fields.split(' ').collect();
            let flags = fields.get(6).and_then(|flags| flags.parse().ok()).unwrap_or(0);
            !matches!(fields[0], "Z" | "X") && wanted(flags)
        })
    }
}

/// Whether the host's role file says that an instance serves here.
pub(crate) fn says_it_serves(runtime: &Path) -> bool {
    fs::read_to_string(runtime.join("QM1/active")).is_ok_and(|text| text == "1\n")
}

/// `miqmd -x QM1` in the foreground, as a service manager runs it.
pub(crate) struct Foreground {
    child: Child,
    runtime: PathBuf,
    errors: PathBuf,
}

/// How long an instance may take to get where it should be, on a busy machine.
const SOON: Duration = Duration::from_secs(30);

impl Foreground {
    pub(crate) fn start(host: &Machine) -> Self {
        let runtime = host.runtime_dir();
        let errors = host.shared().join(format!("{}-stderr", host.host()));
        let mut command = host.process("miqmd");
        command.args(["-x", "QM1"]).stdin(Stdio::null()).stdout(Stdio::null());
        command.stderr(fs::File::create(&errors).expect("a file for what it says"));
        Self { child: command.spawn().expect("the instance can be run"), runtime, errors }
    }

    pub(crate) fn pid(&self) -> i32 {
        self.child.id().try_into().expect("a process id")
    }

    /// Waits until it is in this role.
    pub(crate) fn reaches(&mut self, role: &str) -> Told {
        let began = Instant::now();
        loop {
            let told = Told::read(&self.runtime).filter(|told| told.pid == self.pid());
            if let Some(told) = told.clone().filter(|told| told.role == role) {
                return told;
            }
            let ended = self.child.try_wait().expect("it is a child");
            assert!(ended.is_none(), "it is to be {role} and ended: {ended:?} {}", self.said());
            assert!(began.elapsed() < SOON, "it is {told:?} and not {role}");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Whether it has not ended.
    pub(crate) fn is_there(&mut self) -> bool {
        self.child.try_wait().expect("it is a child").is_none()
    }

    /// Waits until it ends, and returns its exit code and what it said; `None` if it is still there.
    pub(crate) fn ended(&mut self, within: Duration) -> Option<(Option<i32>, String)> {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("it is a child") {
                return Some((status.code(), self.said()));
            }
            if began.elapsed() > within {
                return None;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    fn said(&self) -> String {
        fs::read_to_string(&self.errors).unwrap_or_default()
    }
}

impl Drop for Foreground {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
