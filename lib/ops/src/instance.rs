//! `miqmd`: an instance in this process.

use std::path::PathBuf;

use miqm_qmgr::boot;
use miqm_qmgr::env::Env;
use miqm_qmgr::layout::INI_MODE;
use miqm_qmgr::owner::{self, Admin};
use miqm_qmgr::runtime::RuntimeDir;
use miqm_server::Start;
use miqm_server::report::StartEvent;
use miqm_server::wish::{self, Options};

pub use miqm_server::sessions::Phase;
pub use miqm_server::{Applications, Outcome, WhenActive};
pub use miqm_sys::clock::utc_now as now;
use miqm_sys::{IoError, Op, fs, proc};
use miqm_types::QmgrName;

pub use miqm_server::report::Report;

use crate::start::{StartError, StartRequest, find, wait_for_the_last_one};

/// Why an instance did not start, or ended without being asked.
#[derive(Debug, thiserror::Error)]
pub enum InstanceError {
    /// It did not get as far as to be one.
    #[error(transparent)]
    Start(#[from] StartError),
    /// It gave up.
    #[error("queue manager {qmgr}: {source}")]
    Server {
        /// Which queue manager.
        qmgr: QmgrName,
        /// Why.
        source: miqm_server::Error,
    },
}

/// The pipe to whoever started this process, if there is one.
pub fn report() -> Report {
    proc::take_passed_fd().map_or_else(Report::default, Report::through)
}

/// The longest file of options, in bytes.
const OPTIONS_BYTES_MAX: usize = 512;

/// How an instance is to be started that a service manager starts.
pub struct Wanted {
    /// The options.
    pub request: StartRequest,
    /// Where the command that waits hears of the start.
    pub report: Report,
    /// What the options are, if they are not simply those of the unit or of the command.
    pub notice: Option<Notice>,
}

/// Something to tell about options.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// They are those that the last command gave.
    Kept,
    /// They cannot be kept for the next start, or were not kept well.
    Unusable {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
}

/// How to start: as the command wants it that waits for this start; else as the last one wanted it, if its
/// instance was not ended in order; else as the unit has it, which is `request`.
///
/// # Errors
///
/// [`StartError`] if a command waits that cannot be understood, or the caller may not.
pub fn wanted(env: &Env, request: &StartRequest) -> Result<Wanted, StartError> {
    let admin = owner::authorize(env)?;
    let runtime = RuntimeDir::open(&env.runtime, &request.qmgr);
    let unusable = |why| Notice::Unusable { path: runtime.options_file(), why };
    let as_asked = |options: Options| StartRequest {
        multi_instance: options.multi_instance,
        remake_dirs: options.remake_dirs,
        services: options.services,
        ..request.clone()
    };
    let taken = wish::take(&runtime, admin.owner);
    let taken = taken.map_err(|_| StartError::WishUnknown(request.qmgr.clone()))?;
    if let Some((options, report)) = taken {
        let standing = options.multi_instance == request.multi_instance
            && options.services == request.services;
        // Those of the unit hold without being kept.
        let kept = if standing { forget(&runtime) } else { keep(&runtime, options, &admin) };
        let notice = kept.err().map(|error| unusable(error.to_string()));
        return Ok(Wanted { request: as_asked(options), report, notice });
    }
    let (request, notice) = match kept_options(&runtime, &admin) {
        Ok(None) => (request.clone(), None),
        Ok(Some(options)) => (as_asked(options), Some(Notice::Kept)),
        Err(why) => (request.clone(), Some(unusable(why))),
    };
    Ok(Wanted { request, report: Report::default(), notice })
}

/// Keeps options for the case that this instance is not ended in order.
fn keep(runtime: &RuntimeDir, options: Options, admin: &Admin) -> Result<(), IoError> {
    // What was missing once is there after that.
    let options = Options { remake_dirs: false, ..options };
    let bytes = serde_json::to_vec(&options).map_err(|error| {
        IoError::new(Op::Write, runtime.options_file(), std::io::Error::other(error))
    })?;
    fs::replace_volatile(&runtime.options_file(), &bytes, INI_MODE, Some(admin.maker))
}

/// The options that were kept, or why they are not believed.
fn kept_options(runtime: &RuntimeDir, admin: &Admin) -> Result<Option<Options>, String> {
    let path = runtime.options_file();
    let file = match fs::open_read(&path) {
        Err(error) if error.is_not_found() => return Ok(None),
        opened => opened.map_err(|error| error.to_string())?,
    };
    let stat = fs::stat_file(&file, &path).map_err(|error| error.to_string())?;
    if stat.owner.uid != 0 && !admin.is_ours(stat.owner.uid) {
        return Err("it belongs to somebody else".to_owned());
    }
    let mut bytes = vec![0; OPTIONS_BYTES_MAX];
    let read = fs::read_at(&file, &path, &mut bytes, 0).map_err(|error| error.to_string())?;
    serde_json::from_slice(&bytes[..read])
        .map(Some)
        .map_err(|_| "it does not hold what was written there".to_owned())
}

/// Forgets the options that a command gave: the instance was ended in order, or does not start like this.
///
/// # Errors
///
/// [`IoError`] if they are there and cannot be removed.
pub fn forget_options(env: &Env, qmgr: &QmgrName) -> Result<(), IoError> {
    let runtime = RuntimeDir::open(&env.runtime, qmgr);
    // Those of an instance that runs are still needed.
    if runtime.running()? { Ok(()) } else { forget(&runtime) }
}

pub(crate) fn forget(runtime: &RuntimeDir) -> Result<(), IoError> {
    fs::remove_file_if_there(&runtime.options_file())
}

/// Tells whoever started this process that it has failed.
pub fn tell_failure(report: &Report, exit: u8, lines: &[String]) {
    report.tell(&StartEvent::Failed { exit, lines: lines.to_vec() });
    report.finish();
}

/// What an instance in this process has to know. Privileges that it does not need are given up.
///
/// # Errors
///
/// [`StartError`] if the queue manager is not to be found, or the caller may not.
pub(crate) fn prepare(
    env: &Env,
    request: &StartRequest,
    report: Report,
    journal: bool,
) -> Result<Start, StartError> {
    let admin = owner::authorize(env)?;
    let entry = find(env, &request.qmgr)?;
    wait_for_the_last_one(env, &request.qmgr)?;
    let runtime = RuntimeDir::open(&env.runtime, &request.qmgr);
    runtime.prepare(admin.maker)?;
    fs::make_dir_all(&env.errors_dir(), miqm_qmgr::layout::DIR_MODE, Some(admin.maker))?;
    proc::drop_to(admin.maker)?;
    proc::set_umask(0o007);
    let boot_note = boot::note_file(env, &request.qmgr);
    Ok(Start {
        qmgr: request.qmgr.clone(),
        data_dir: entry.data_dir(),
        expected_id: entry.identity,
        multi_instance: request.multi_instance,
        remake_dirs: request.remake_dirs,
        services: request.services,
        host: env.host.clone(),
        owner: admin.maker,
        runtime,
        errors_dir: env.errors_dir(),
        boot_note,
        journal,
        report,
        when_active: None,
    })
}

/// Tells the host that no instance of a queue manager serves here, unless one does: what an instance
/// that was killed could not say.
///
/// # Errors
///
/// [`StartError`] if the caller may not, or the files of the host cannot be written.
pub fn note_stopped(env: &Env, qmgr: &QmgrName) -> Result<(), StartError> {
    let admin = owner::authorize(env)?;
    let runtime = RuntimeDir::open(&env.runtime, qmgr);
    if fs::presence(runtime.path())? == fs::Presence::Absent {
        return Ok(());
    }
    let nobody_here = runtime.try_own(admin.maker)?;
    // Killed and held up in a call, it has its lock for longer; it does nothing any more.
    let is_dead = || runtime.status().ok().flatten().is_some_and(|status| !proc::alive(status.pid));
    if nobody_here.is_some() || is_dead() {
        runtime.write_role(false, admin.maker)?;
    }
    Ok(())
}

/// Runs an instance until it ends. `when_active` is given what it needs to serve applications.
///
/// # Errors
///
/// [`InstanceError`].
pub fn run(
    env: &Env,
    request: &StartRequest,
    report: Report,
    journal: bool,
    when_active: Option<WhenActive>,
) -> Result<Outcome, InstanceError> {
    proc::raise_limit_nofile().map_err(StartError::from)?;
    let start = Start { when_active, ..prepare(env, request, report, journal)? };
    miqm_server::run(start)
        .map_err(|source| InstanceError::Server { qmgr: request.qmgr.clone(), source })
}

#[cfg(test)]
mod tests;
