//! `rmvmqinf`: the registry forgets a queue manager.

use miqm_cli::{Env, Exit, Failure, Message, Tool, Ui, clap};
use miqm_ops::inf::{self, DefaultNow};
use miqm_types::QmgrName;

use crate::dltmqm::warn_if_enabled;
use crate::dspmqinf::check_type;

/// Remove configuration information
///
/// Removes the stanza of a queue manager from mqs.ini, so that this host does not know it any more. Its
/// data and logs stay as they are. If it was the default queue manager, there is none afterwards.
#[derive(Debug, clap::Parser)]
pub struct Rmvmqinf {
    /// The type of the stanza
    #[arg(short = 's', value_name = "TYPE", default_value = inf::STANZA_TYPE)]
    stanza_type: String,
    /// The queue manager
    #[arg(value_name = "QMGR")]
    qmgr: QmgrName,
}

impl Tool for Rmvmqinf {
    const NAME: &'static str = "rmvmqinf";
    const EXITS: &'static [Exit] = &[
        Exit::Running,
        Exit::RunningAsStandby,
        Exit::NoStanza,
        Exit::Stopping,
        Exit::Installations,
        Exit::BadName,
        Exit::NotAuthorized,
    ];
    const STORAGE: bool = true;

    fn run(self, env: &Env, ui: &mut Ui<'_>) -> Result<Exit, Failure> {
        check_type(&self.stanza_type)?;
        let host = env.host_env()?;
        let default = inf::remove(&host, &self.qmgr)?;
        ui.say(&Message::StanzaRemoved { qmgr: self.qmgr.clone() });
        warn_if_enabled(&host, env, self.qmgr, ui);
        if let DefaultNow::Damaged(damaged) = default {
            ui.complain(&Message::DefaultDamaged {
                file: env.mqs_ini.display().to_string(),
                line: u64::try_from(damaged.line).unwrap_or(u64::MAX),
            });
        }
        Ok(Exit::Done)
    }
}
