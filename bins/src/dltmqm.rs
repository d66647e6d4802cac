//! `dltmqm`: a queue manager is deleted.

use miqm_cli::{Env, Exit, Failure, Message, Tool, Ui, clap, explain};
use miqm_ops::delete;
use miqm_ops::inf::DefaultNow;
use miqm_ops::systemd::Systemd;
use miqm_types::QmgrName;

/// Says so if the machine goes on to start at each boot what is not there any more.
pub(crate) fn warn_if_enabled(
    host: &miqm_ops::Env,
    env: &Env,
    qmgr: QmgrName,
    ui: &mut Ui<'_>,
) {
    let systemd = Systemd::of(host, env.deadline);
    if let Some(unit) = systemd.and_then(|systemd| systemd.enabled_unit(&qmgr)) {
        ui.complain(&Message::UnitStillEnabled { qmgr, unit });
    }
}

/// Delete a queue manager
///
/// Deletes a queue manager with its data and its log. No instance of it may run on any host. On other
/// hosts that know it, rmvmqinf removes the name.
#[derive(Debug, clap::Parser)]
pub struct Dltmqm {
    /// Suppress error messages
    #[arg(short = 'z')]
    quiet: bool,
    /// The queue manager
    #[arg(value_name = "QMGR")]
    qmgr: QmgrName,
}

impl Tool for Dltmqm {
    const NAME: &'static str = "dltmqm";
    const EXITS: &'static [Exit] = &[
        Exit::BeingCreated,
        Exit::Running,
        Exit::NoSuchQmgr,
        Exit::DirectoryCheck,
        Exit::RunningAsStandby,
        Exit::DataLocked,
        Exit::DirectoryDelete,
        Exit::Stopping,
        Exit::OtherInstallation,
        Exit::BadName,
        Exit::LogLocation,
        Exit::DeletedStillDefault,
        Exit::NotAuthorized,
    ];
    const STORAGE: bool = true;

    fn quiet(&self) -> bool {
        self.quiet
    }

    fn run(self, env: &Env, ui: &mut Ui<'_>) -> Result<Exit, Failure> {
        let host = env.host_env()?;
        let deleted = delete::delete(&host, &self.qmgr)
            .map_err(|error| explain::deletion(error, self.qmgr.clone()))?;
        ui.say(&Message::QmgrDeleted { qmgr: self.qmgr.clone() });
        warn_if_enabled(&host, env, self.qmgr, ui);
        for path in deleted.kept {
            ui.complain(&Message::DirectoryKept { path: path.display().to_string() });
        }
        match deleted.default {
            DefaultNow::Good => Ok(Exit::Done),
            DefaultNow::Damaged(damaged) => {
                ui.complain(&Message::DefaultDamaged {
                    file: env.mqs_ini.display().to_string(),
                    line: u64::try_from(damaged.line).unwrap_or(u64::MAX),
                });
                Ok(Exit::DeletedStillDefault)
            }
        }
    }
}
