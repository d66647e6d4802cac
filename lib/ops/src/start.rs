//! `strmqm`: starting an instance on this host.

mod supervised;

use std::ffi::OsString;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::time::Duration;

use miqm_qmgr::env::Env;
use miqm_qmgr::owner::{self, Admin, OwnerError};
use miqm_qmgr::registry::{Entry, Registry, RegistryError};
use miqm_qmgr::runtime::{LocalRole, RuntimeDir};

pub use miqm_server::report::StartEvent;
use miqm_sys::clock::{self, BootInstant};
use miqm_sys::lock::{self, Range};
use miqm_sys::proc::{self, Signal};
use miqm_sys::{IoError, fs, socket};
use miqm_types::{Epoch, QmgrName};

use crate::systemd::{Systemd, SystemdError};

/// How long an instance that is about to be gone may take to go.
const LAST_MOMENTS: Duration = Duration::from_secs(2);

/// What to start, and how.
#[derive(Clone, Debug)]
pub struct StartRequest {
    /// The queue manager.
    pub qmgr: QmgrName,
    /// Permit a standby, or become one (`-x`).
    pub multi_instance: bool,
    /// Make missing directories anew (`-f`).
    pub remake_dirs: bool,
    /// Start listeners and services (not `-ns`).
    pub services: bool,
    /// How long the storage may leave a call unanswered.
    pub patience: Duration,
}

/// What an instance has become.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Started {
    /// It serves.
    Active(Epoch),
    /// It waits.
    Standby {
        /// Where the active instance runs, if that can be told.
        active_host: Option<String>,
    },
}

/// Why an instance did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The registry has no such name.
    #[error("queue manager {0} is not in the registry")]
    NoSuchQmgr(QmgrName),
    /// It is being created.
    #[error("queue manager {0} is being created")]
    BeingCreated(QmgrName),
    /// An instance runs on this host.
    #[error("queue manager {qmgr} runs on this host")]
    RunsHere {
        /// Which queue manager.
        qmgr: QmgrName,
        /// What it is doing.
        role: LocalRole,
    },
    /// The instance said why it gave up.
    #[error("{}", lines.join(" "))]
    Failed {
        /// The exit code it wants.
        exit: u8,
        /// What it wants printed, with message ids.
        lines: Vec<String>,
    },
    /// The instance ended and did not say why.
    #[error("the instance of queue manager {qmgr} ended without a word")]
    Died {
        /// Which queue manager.
        qmgr: QmgrName,
    },
    /// The storage does not answer.
    #[error("the storage has not answered for {seconds} s: {what}")]
    Stuck {
        /// Which queue manager.
        qmgr: QmgrName,
        /// What is waited for.
        what: String,
        /// How long, in seconds.
        seconds: u64,
    },
    /// The program of the instance is not installed.
    #[error("{} does not exist", .0.display())]
    NoServer(PathBuf),
    /// The command that waits for this start wants something that is not known.
    #[error("the command that waits for queue manager {0} is of another version")]
    WishUnknown(QmgrName),
    /// The service manager did not start it.
    #[error(transparent)]
    Systemd(#[from] SystemdError),
    /// The registry cannot be read.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The caller may not.
    #[error(transparent)]
    Owner(#[from] OwnerError),
    /// A call failed.
    #[error(transparent)]
    Io(#[from] IoError),
}

/// Starts an instance and returns when it is active or a standby. `on_event` hears what happens.
///
/// If there is a service manager that has the unit, that starts it; else this process makes a process of its
/// own for it.
///
/// # Errors
///
/// [`StartError`]; then no instance was left behind.
pub fn start(
    env: &Env,
    request: &StartRequest,
    systemd: Option<&Systemd>,
    on_event: &mut dyn FnMut(&StartEvent),
) -> Result<Started, StartError> {
    let admin = owner::authorize(env)?;
    let entry = find(env, &request.qmgr)?;
    wait_for_the_last_one(env, &request.qmgr)?;
    let runtime = RuntimeDir::open(&env.runtime, &request.qmgr);
    let unit = systemd.map(|systemd| systemd.unit(&request.qmgr)).transpose()?.flatten();
    match unit {
        Some(unit) => supervised::start(&runtime, &entry, request, &admin, &unit, on_event),
        None => by_itself(env, &runtime, request, &admin, on_event),
    }
}

/// Starts an instance as a process that outlives this one.
fn by_itself(
    env: &Env,
    runtime: &RuntimeDir,
    request: &StartRequest,
    admin: &Admin,
    on_event: &mut dyn FnMut(&StartEvent),
) -> Result<Started, StartError> {
    let program = server_program()?;
    let mut args = vec!["--report".to_owned()];
    args.extend(request.multi_instance.then(|| "-x".to_owned()));
    args.extend(request.remake_dirs.then(|| "-f".to_owned()));
    args.extend((!request.services).then(|| "-ns".to_owned()));
    args.push(request.qmgr.to_string());
    let owner = Some(admin.maker);
    // Made here, because the instance has no right to do it any more.
    runtime.prepare(admin.maker)?;
    let (events, report) = socket::pipe()?;
    let mut child =
        proc::spawn_detached(&program, &words(args), &variables(env), owner, report.into())?;
    let mut events = BufReader::new(events);
    let mut line = String::new();
    loop {
        line.clear();
        let read = events.read_line(&mut line);
        if read.map_or(true, |read| read == 0) {
            child.wait()?;
            return Err(StartError::Died { qmgr: request.qmgr.clone() });
        }
        let Ok(event) = serde_json::from_str::<StartEvent>(&line) else { continue };
        on_event(&event);
        match decided(event, request) {
            None => {}
            Some(Err(error @ StartError::Failed { .. })) => {
                child.wait()?;
                return Err(error);
            }
            Some(Err(error)) => {
                // Ended for good: it must not become active when the storage is back.
                child.kill(Signal::SIGKILL)?;
                return Err(error);
            }
            Some(started) => return started,
        }
    }
}

/// How a start went, if this event decides it.
fn decided(event: StartEvent, request: &StartRequest) -> Option<Result<Started, StartError>> {
    match event {
        StartEvent::Active { epoch } => Some(Ok(Started::Active(Epoch(epoch)))),
        StartEvent::Standby { active_host } => Some(Ok(Started::Standby { active_host })),
        StartEvent::Failed { exit, lines } => Some(Err(StartError::Failed { exit, lines })),
        StartEvent::Waiting { seconds, what } if seconds >= request.patience.as_secs() => {
            Some(Err(StartError::Stuck { qmgr: request.qmgr.clone(), what, seconds }))
        }
        _ => None,
    }
}

/// The registry's entry of a queue manager.
///
/// # Errors
///
/// [`StartError`] if there is none.
pub fn find(env: &Env, qmgr: &QmgrName) -> Result<Entry, StartError> {
    let registry = Registry::load(env)?;
    match registry.find(qmgr)? {
        Some(entry) => Ok(entry.clone()),
        None if being_created(env, qmgr)? => Err(StartError::BeingCreated(qmgr.clone())),
        None => Err(StartError::NoSuchQmgr(qmgr.clone())),
    }
}

/// An instance that has just been ended may need a moment to be gone.
pub(crate) fn wait_for_the_last_one(env: &Env, qmgr: &QmgrName) -> Result<(), StartError> {
    let runtime = RuntimeDir::open(&env.runtime, qmgr);
    let began = BootInstant::now();
    loop {
        let Some(role) = crate::end::role_here(env, qmgr)? else { return Ok(()) };
        let serves_no_more = role == LocalRole::EndingImmediately && !has_socket(&runtime);
        if !serves_no_more || began.elapsed() > LAST_MOMENTS {
            return Err(StartError::RunsHere { qmgr: qmgr.clone(), role });
        }
        clock::sleep(Duration::from_millis(5));
    }
}

fn has_socket(runtime: &RuntimeDir) -> bool {
    fs::presence(&runtime.control()).is_ok_and(|found| found != fs::Presence::Absent)
}

/// `miqmd` beside the command that runs, or where packages put it.
fn server_program() -> Result<PathBuf, StartError> {
    let beside = proc::exe_dir()?.join("miqmd");
    let installed = PathBuf::from("/usr/libexec/miqm/miqmd");
    for program in [&beside, &installed] {
        if fs::stat(program).is_ok() {
            return Ok(program.clone());
        }
    }
    Err(StartError::NoServer(beside))
}

fn words(args: Vec<String>) -> Vec<OsString> {
    args.into_iter().map(OsString::from).collect()
}

fn variables(env: &Env) -> Vec<(OsString, OsString)> {
    [
        ("MIQM_PREFIX", env.prefix.as_os_str()),
        ("MIQM_RUNTIME_DIR", env.runtime.as_os_str()),
        ("MIQM_HOSTNAME", env.host.as_str().as_ref()),
        ("AMQ_MQS_INI_LOCATION", env.mqs_ini.as_os_str()),
    ]
    .map(|(name, value)| (name.into(), value.to_owned()))
    .into()
}

/// Whether `crtmqm` is at work on this queue manager: it holds a lock as long as it is.
pub(crate) fn being_created(env: &Env, qmgr: &QmgrName) -> Result<bool, IoError> {
    let path = env.intent_dir().join(format!("{}.ini", qmgr.to_dir_component()));
    match fs::open_read(&path) {
        Ok(file) => lock::held_elsewhere(&file, &path, Range::WHOLE),
        Err(error) if error.is_not_found() => Ok(false),
        Err(error) => Err(error),
    }
}
