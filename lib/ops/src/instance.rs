//! `miqmd`: an instance in this process.

use miqm_qmgr::boot;
use miqm_qmgr::env::Env;
use miqm_qmgr::owner;
use miqm_qmgr::runtime::RuntimeDir;
use miqm_server::Start;
use miqm_server::report::StartEvent;

pub use miqm_server::sessions::Phase;
pub use miqm_server::{Applications, Outcome, WhenActive};
pub use miqm_sys::clock::utc_now as now;
use miqm_sys::{fs, proc};
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
