//! What goes wrong with instances, as exit codes and messages.

use std::path::Path;

use miqm_messages::Message;
use miqm_ops::end::{EndError, Refusal};
use miqm_ops::instance::InstanceError;
use miqm_ops::start::StartError;
use miqm_ops::store::{
    BadLevel, ChangeError, OpenError, RecoverError, ReplayError, SnapshotError, StoreError,
};
use miqm_ops::systemd::{How, SystemdError, WhySystemd};
use miqm_ops::{CallError, DefaultQmgr, LocalRole, Loss, Refused, Registry, ServerError};
use miqm_types::QmgrName;

use crate::{Exit, Failure};

impl From<InstanceError> for Failure {
    fn from(error: InstanceError) -> Self {
        match error {
            InstanceError::Start(error) => error.into(),
            InstanceError::Server { qmgr, source } => server_failure(source, qmgr),
        }
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        match error {
            StartError::NoSuchQmgr(qmgr) => {
                Self::new(Exit::NoSuchQmgr, Message::NoSuchQmgr { qmgr })
            }
            StartError::BeingCreated(qmgr) => {
                Self::new(Exit::BeingCreated, Message::BeingCreated { qmgr })
            }
            StartError::RunsHere { qmgr, role } => runs_here(qmgr, role),
            StartError::Failed { exit, lines } => {
                Self::told(Exit::from_code(exit).unwrap_or(Exit::Failed), lines)
            }
            StartError::Died { qmgr } => Self::new(Exit::Failed, Message::InstanceDied { qmgr }),
            StartError::Stuck { qmgr, what, seconds } => {
                Self::new(Exit::Failed, Message::InstanceStuck { qmgr, what, seconds })
            }
            StartError::NoServer(path) => {
                Self::new(Exit::Failed, Message::ServerMissing { path: path.display().to_string() })
            }
            StartError::WishUnknown(qmgr) => {
                Self::new(Exit::Failed, Message::VersionMismatch { qmgr })
            }
            StartError::Systemd(error) => error.into(),
            StartError::Registry(error) => error.into(),
            StartError::Owner(error) => error.into(),
            StartError::Io(error) => error.into(),
        }
    }
}

/// What the exit code of an instance tells by itself.
const TOLD: &[Exit] = &[
    Exit::BeingCreated,
    Exit::NoSuchQmgr,
    Exit::LogUnavailable,
    Exit::ActivePermitsStandby,
    Exit::Usage,
    Exit::ActiveRefusesStandby,
    Exit::StandbysFull,
    Exit::BadName,
    Exit::Fenced,
    Exit::StorageFailed,
    Exit::LogLocation,
    Exit::NotAuthorized,
];

impl From<SystemdError> for Failure {
    fn from(SystemdError { unit, why }: SystemdError) -> Self {
        match why {
            WhySystemd::Silent(why) => {
                Self::new(Exit::Failed, Message::SystemdSilent { unit, why })
            }
            WhySystemd::Denied(why) => {
                let user = miqm_ops::caller_name();
                Self::new(Exit::NotAuthorized, Message::SystemdDenied { unit, user, why })
            }
            WhySystemd::Unusable(state) => {
                Self::new(Exit::Failed, Message::UnitUnusable { unit, state })
            }
            WhySystemd::NotDone(why) => {
                Self::new(Exit::Failed, Message::SystemdRefused { unit, why })
            }
            WhySystemd::Deaf => Self::new(Exit::Failed, Message::UnitDeaf { unit }),
            WhySystemd::Ended(exit) => {
                let known = match exit {
                    How::Code(code) => Exit::from_code(code).filter(|exit| TOLD.contains(exit)),
                    How::Signal(_) => None,
                };
                let how = match (exit, known) {
                    (How::Code(_), Some(exit)) => exit.meaning().trim_end_matches('.').to_owned(),
                    (How::Code(code), None) => format!("exit status {code}"),
                    (How::Signal(signal), _) => format!("signal {signal}"),
                };
                Self::new(known.unwrap_or(Exit::Failed), Message::UnitEnded { unit, how })
            }
        }
    }
}

fn runs_here(qmgr: QmgrName, role: LocalRole) -> Failure {
    match role {
        LocalRole::Standby => Failure::new(Exit::Running, Message::StandbyRunsHere { qmgr }),
        LocalRole::Quiescing | LocalRole::EndingImmediately | LocalRole::EndingPreemptively => {
            Failure::new(Exit::Stopping, Message::QmgrStopping { qmgr })
        }
        LocalRole::Starting | LocalRole::Recovering | LocalRole::Active => {
            Failure::new(Exit::Running, Message::QmgrRunning { qmgr })
        }
    }
}

fn server_failure(error: ServerError, qmgr: QmgrName) -> Failure {
    match error {
        ServerError::Refused(Refused::ActiveElsewhere { host, permits_standby }) => {
            let host = host.unwrap_or_else(|| "unknown".to_owned());
            if permits_standby {
                Failure::new(Exit::ActivePermitsStandby, Message::ActiveElsewhere { qmgr, host })
            } else {
                let message = Message::ActiveRefusesStandby { qmgr, host };
                Failure::new(Exit::ActiveRefusesStandby, message)
            }
        }
        ServerError::Refused(Refused::TooManyStandbys { most }) => {
            let most = most.into();
            Failure::new(Exit::StandbysFull, Message::StandbysFull { qmgr, most })
        }
        ServerError::Refused(Refused::RunsHere) => {
            Failure::new(Exit::Running, Message::QmgrRunning { qmgr })
        }
        ServerError::Identity(error) => error.into(),
        ServerError::Config(error) => (*error).into(),
        ServerError::Auto(error) => (*error).into(),
        ServerError::Store(error) => store_failure(error, qmgr),
        ServerError::MissingDirectory(path) => {
            let path = path.display().to_string();
            Failure::new(Exit::Failed, Message::DirectoryMissing { qmgr, path })
        }
        ServerError::Fenced(loss) => {
            let exit = match loss {
                Loss::Io(_) => Exit::StorageFailed,
                Loss::Taken(_) | Loss::Replaced(_) | Loss::Overdue(_) | Loss::LetGo => Exit::Fenced,
            };
            Failure::new(exit, Message::HoldLost { qmgr, why: loss.to_string() })
        }
        ServerError::Io(error) => error.into(),
    }
}

/// A log or objects that cannot be used: 100 if the log is not where it should be, 23 if it is there
/// and not to be used as it is.
fn store_failure(error: StoreError, qmgr: QmgrName) -> Failure {
    let shown = |path: &Path| path.display().to_string();
    let unavailable = |why: String, qmgr| {
        Failure::new(Exit::LogUnavailable, Message::LogUnavailable { qmgr, why })
    };
    let damaged = |path: &Path, offset, what: String, qmgr| {
        let path = path.display().to_string();
        Failure::new(Exit::LogUnavailable, Message::LogDamaged { qmgr, path, offset, what })
    };
    match error {
        StoreError::Open(OpenError::Missing { path }) => {
            let is_control = path.extension().is_some_and(|extension| extension == "lfh");
            let exit = if is_control { Exit::LogLocation } else { Exit::LogUnavailable };
            Failure::new(exit, Message::LogFileMissing { qmgr, path: shown(&path) })
        }
        StoreError::Open(OpenError::Damaged { path, offset, what }) => {
            damaged(&path, offset, what.to_string(), qmgr)
        }
        StoreError::Recover(RecoverError::Replay(ReplayError::Damaged {
            path,
            offset,
            what,
            ..
        })) => damaged(&path, offset, what.to_string(), qmgr),
        StoreError::Recover(RecoverError::Snapshot(SnapshotError::Damaged {
            path,
            offset,
            what,
        })) => damaged(&path, offset, what.to_string(), qmgr),
        StoreError::Recover(RecoverError::Snapshot(SnapshotError::Missing { path })) => {
            let path = shown(&path);
            Failure::new(Exit::LogUnavailable, Message::LogFileMissing { qmgr, path })
        }
        StoreError::Recover(RecoverError::Snapshot(SnapshotError::Foreign { path })) => {
            let (path, whose) = (shown(&path), "another one".to_owned());
            Failure::new(Exit::LogUnavailable, Message::LogForeign { qmgr, path, whose })
        }
        StoreError::Open(OpenError::Foreign { path, name }) => {
            let whose = name.map_or_else(|| "another one".to_owned(), |name| format!("'{name}'"));
            let path = shown(&path);
            Failure::new(Exit::LogUnavailable, Message::LogForeign { qmgr, path, whose })
        }
        StoreError::Open(OpenError::NewerFormat { path, version }) => {
            let path = shown(&path);
            Failure::new(Exit::LogUnavailable, Message::LogNewer { qmgr, path, version })
        }
        StoreError::Recover(error) if error.is_newer() => {
            Failure::new(Exit::LogUnavailable, Message::LevelNewer { qmgr, why: error.to_string() })
        }
        StoreError::Io(error) if error.is_not_found() => {
            let exit = Exit::LogLocation;
            Failure::new(exit, Message::LogFileMissing { qmgr, path: shown(&error.path) })
        }
        StoreError::Change(ChangeError::Level(bad)) => {
            let exit = match bad {
                BadLevel::OutOfRange { .. } => Exit::LevelOutOfRange,
                BadLevel::NotHigher { .. } => Exit::LevelReached,
            };
            Failure::new(exit, Message::LevelRefused { qmgr, why: bad.to_string() })
        }
        StoreError::Open(error) => unavailable(error.to_string(), qmgr),
        StoreError::Recover(error) => unavailable(error.to_string(), qmgr),
        StoreError::Change(error) => unavailable(error.to_string(), qmgr),
        StoreError::Checkpoint(error) => unavailable(error.to_string(), qmgr),
        StoreError::Io(error) => error.into(),
    }
}

/// The queue manager that commands mean which are given no name.
///
/// # Errors
///
/// A [`Failure`] if there is none, or the registry does not tell.
pub fn default_qmgr(host: &miqm_ops::Env) -> Result<QmgrName, Failure> {
    let registry = Registry::load(host)?;
    match registry.default_qmgr() {
        DefaultQmgr::Name(qmgr) => Ok(qmgr),
        DefaultQmgr::None => Err(Failure::new(Exit::BadName, Message::NoDefaultQmgr)),
        DefaultQmgr::Damaged { line } => {
            let file = host.mqs_ini.display().to_string();
            let line = line.try_into().unwrap_or(u64::MAX);
            Err(Failure::new(Exit::BadName, Message::DefaultDamaged { file, line }))
        }
    }
}

/// Why `endmqm` did not do what was asked.
pub fn end_failure(error: EndError, qmgr: &QmgrName) -> Failure {
    let qmgr = qmgr.clone();
    match error {
        EndError::NoSuchQmgr(qmgr) => Failure::new(Exit::NoSuchQmgr, Message::NoSuchQmgr { qmgr }),
        EndError::BeingCreated(qmgr) => {
            Failure::new(Exit::BeingCreated, Message::BeingCreated { qmgr })
        }
        EndError::NotRunning { qmgr, active_host: None } => {
            Failure::new(Exit::NotRunning, Message::QmgrNotAvailable { qmgr })
        }
        EndError::NotRunning { qmgr, active_host: Some(host) } => {
            Failure::new(Exit::NotRunning, Message::RunsElsewhere { qmgr, host })
        }
        EndError::Refused(refusal) => refused(refusal, qmgr),
        EndError::Call(CallError::NobodyListens(_)) => {
            Failure::new(Exit::NotRunning, Message::QmgrNotAvailable { qmgr })
        }
        EndError::Call(error) => {
            Failure::new(Exit::Failed, Message::ControlFailed { qmgr, why: error.to_string() })
        }
        EndError::NoAnswer { qmgr, restart } => {
            let failure = Failure::new(Exit::Failed, Message::InstanceSilent { qmgr });
            match restart {
                None => failure,
                Some(SystemdError { unit, why }) => {
                    failure.and(Message::NotStopped { unit, why: why.to_string() })
                }
            }
        }
        EndError::Systemd(error) => error.into(),
        EndError::Registry(error) => error.into(),
        EndError::Owner(error) => error.into(),
        EndError::Io(error) => error.into(),
    }
}

fn refused(refusal: Refusal, qmgr: QmgrName) -> Failure {
    match refusal {
        Refusal::NotAuthorized => Failure::new(
            Exit::NotAuthorized,
            Message::NotAuthorized { user: miqm_ops::caller_name() },
        ),
        Refusal::BadRequest => Failure::new(Exit::Failed, Message::VersionMismatch { qmgr }),
        Refusal::NoStandby => Failure::new(Exit::NoSwitchover, Message::NoStandby { qmgr }),
        Refusal::StandbyNotPermitted => {
            Failure::new(Exit::NoSwitchover, Message::SwitchoverNotPermitted { qmgr })
        }
        Refusal::IsStandby => Failure::new(Exit::ActiveNotEnded, Message::ActiveNotEnded { qmgr }),
        Refusal::IsActive => Failure::new(Exit::StandbyNotEnded, Message::StandbyNotEnded { qmgr }),
        Refusal::Ending => Failure::new(Exit::Stopping, Message::QmgrStopping { qmgr }),
        Refusal::Busy => Failure::new(Exit::Failed, Message::InstanceBusy { qmgr }),
    }
}
