//! `miqm-generator`: what systemd is to know of the queue managers of this host.

use std::path::PathBuf;

use miqm_cli::{Env, Exit, Failure, Message, Tool, Ui, clap};
use miqm_ops::boot;

/// Tell systemd which mounts the queue managers of this host need
///
/// systemd runs this program early at every boot, and whenever it reads its units again. For each queue
/// manager in mqs.ini it writes a drop-in that has mqm@QMGR.service wait for the mounts of its data and log
/// directories, and for each file in qmgr.d one that has mqm-create@QMGR.service wait for those. What is wrong with a queue manager is said in the log of the kernel, and keeps nothing else back.
#[derive(Debug, clap::Parser)]
pub struct Generator {
    /// Where the drop-ins go
    #[arg(value_name = "NORMAL")]
    normal: PathBuf,
    /// Where units would go that the administrator's do not replace; there are none
    #[arg(value_name = "EARLY")]
    _early: Option<PathBuf>,
    /// Where units would go that replace nothing; there are none
    #[arg(value_name = "LATE")]
    _late: Option<PathBuf>,
}

impl Tool for Generator {
    const NAME: &'static str = "miqm-generator";
    const SECTION: u8 = 8;
    const EXITS: &'static [Exit] = &[Exit::Partly];
    // A registry on storage that does not answer must not hold up a boot.
    const STORAGE: bool = true;

    fn run(self, env: &Env, ui: &mut Ui<'_>) -> Result<Exit, Failure> {
        let said = |why: String, ui: &mut Ui<'_>, message: fn(String) -> Message| {
            let message = message(why);
            // There may be no log of the kernel: in a container, for one.
            drop(boot::kernel_log(&format!("miqm-generator: {}: {message}", message.id_text())));
            ui.complain(&message);
        };
        let generated = match boot::generate(&env.host_env()?, &env.qmgr_d(), &self.normal) {
            Ok(generated) => generated,
            Err(error) => {
                said(error.to_string(), ui, |why| Message::UnitsNotGenerated { why });
                return Err(Failure::silent(Exit::Failed));
            }
        };
        let exit = if generated.problems.is_empty() { Exit::Done } else { Exit::Partly };
        for problem in generated.problems {
            said(problem, ui, |why| Message::MountsUnknown { why });
        }
        Ok(exit)
    }
}
