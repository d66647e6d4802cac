//! What the service manager knows of a unit.

use crate::proc::Exit;

/// Whether a unit can be started at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Load {
    /// Its file was read.
    Loaded,
    /// It has no file.
    NotFound,
    /// Somebody has forbidden that it is started.
    Masked,
    /// It has a file that cannot be used; the manager's word for that.
    Broken(String),
}

/// Whether a unit is up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Active {
    /// It is.
    Active,
    /// It is on its way, or waits for the time to be started again.
    Activating,
    /// It is being stopped.
    Deactivating,
    /// It is not.
    Inactive,
    /// It is not, and did not end well.
    Failed,
    /// The manager has another word.
    Other(String),
}

/// What the service manager knows of a unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    /// Whether it can be started.
    pub load: Load,
    /// Whether it is up.
    pub active: Active,
    /// The same in more detail: `running`, `auto-restart`.
    pub sub: String,
    /// Whether it is started at boot.
    pub enabled: bool,
    /// Whether there is a job for it that has not been done.
    pub has_job: bool,
    /// The main process; 0 if there is none.
    pub main_pid: u32,
    /// How the last main process ended, if there was one and it has.
    pub last_exit: Option<Exit>,
    /// How the manager judges that: `success`, `exit-code`, `watchdog`.
    pub result: String,
    /// A different one for each time that it was started; empty if it never was.
    pub invocation: String,
}

impl Unit {
    /// What is asked for.
    pub(super) const PROPERTIES: [&'static str; 10] = [
        "LoadState",
        "ActiveState",
        "SubState",
        "UnitFileState",
        "Job",
        "MainPID",
        "ExecMainCode",
        "ExecMainStatus",
        "Result",
        "InvocationID",
    ];

    /// Reads lines of `Name=Value`. `None` without the states; what else is missing is as unset.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let get = |name: &str| {
            let value =
                |line: &str| Some(line.strip_prefix(name)?.strip_prefix('=')?.trim().to_owned());
            text.lines().find_map(value).unwrap_or_default()
        };
        let number = |name: &str| get(name).parse::<u32>().unwrap_or(0);
        let (load, active) = (get("LoadState"), get("ActiveState"));
        if load.is_empty() || active.is_empty() {
            return None;
        }
        let enabled = get("UnitFileState");
        Some(Self {
            load: match load.as_str() {
                "loaded" => Load::Loaded,
                "not-found" => Load::NotFound,
                "masked" => Load::Masked,
                _ => Load::Broken(load),
            },
            active: match active.as_str() {
                "active" | "reloading" => Active::Active,
                "activating" => Active::Activating,
                "deactivating" => Active::Deactivating,
                "inactive" => Active::Inactive,
                "failed" => Active::Failed,
                _ => Active::Other(active),
            },
            sub: get("SubState"),
            enabled: enabled == "enabled" || enabled == "enabled-runtime",
            has_job: number("Job") != 0,
            main_pid: number("MainPID"),
            last_exit: exit(number("ExecMainCode"), number("ExecMainStatus")),
            result: get("Result"),
            invocation: get("InvocationID"),
        })
    }

    /// Whether it waits for the time at which the manager starts it again.
    pub fn waits_to_be_restarted(&self) -> bool {
        self.active == Active::Activating && self.sub.starts_with("auto-restart")
    }

    /// Whether it has an end that nobody has to do anything for.
    pub fn is_down(&self) -> bool {
        matches!(self.active, Active::Inactive | Active::Failed)
    }
}

/// The kernel's code for how a child ended, and what goes with it.
fn exit(code: u32, status: u32) -> Option<Exit> {
    match code {
        1 => u8::try_from(status).ok().map(Exit::Code),
        2 | 3 => i32::try_from(status).ok().map(Exit::Signal),
        _ => None,
    }
}
