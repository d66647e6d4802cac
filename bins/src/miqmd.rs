//! `miqmd`: an instance of a queue manager, in the foreground.

use miqm_cli::{Env, Exit, Failure, Tool, Ui, clap};
use miqm_ops::instance::{self, Report};
use miqm_ops::start::StartRequest;
use miqm_types::QmgrName;

/// Run an instance of a queue manager in the foreground
///
/// This is the process that strmqm starts and that a service manager supervises. It runs until it is
/// ended by endmqm or SIGTERM, or ends itself because it cannot prove its hold on the storage. SIGTERM
/// ends this instance and lets a standby take over.
#[derive(Debug, clap::Parser)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option")]
pub struct Miqmd {
    /// Permit a standby; become one if there is an active instance that permits it
    #[arg(short = 'x')]
    multi_instance: bool,
    /// Make directories of the queue manager that are missing anew
    #[arg(short = 'f')]
    remake_dirs: bool,
    /// Do not start listeners and services
    #[arg(long = "ns")]
    no_services: bool,
    /// Tell the events of the start as lines of JSON through descriptor 3
    #[arg(long)]
    report: bool,
    /// Run nothing: tell this host that the instance which ran here, and may have been killed, serves no more
    #[arg(long, conflicts_with_all = ["multi_instance", "remake_dirs", "no_services", "report"])]
    stopped: bool,
    /// The queue manager
    #[arg(value_name = "QMGR")]
    qmgr: QmgrName,
}

impl Tool for Miqmd {
    const NAME: &'static str = "miqmd";
    const SECTION: u8 = 8;
    const EXITS: &'static [Exit] = &[
        Exit::BeingCreated,
        Exit::Running,
        Exit::NoSuchQmgr,
        Exit::LogUnavailable,
        Exit::ActivePermitsStandby,
        Exit::ActiveRefusesStandby,
        Exit::StandbysFull,
        Exit::Stopping,
        Exit::BadName,
        Exit::Fenced,
        Exit::StorageFailed,
        Exit::LogLocation,
        Exit::NotAuthorized,
    ];
    // It watches its storage itself, for as long as it lives.
    const STORAGE: bool = false;

    fn run(self, env: &Env, _ui: &mut Ui<'_>) -> Result<Exit, Failure> {
        if self.stopped {
            instance::note_stopped(&env.host_env()?, &self.qmgr).map_err(Failure::from)?;
            return Ok(Exit::Done);
        }
        let request = StartRequest {
            qmgr: self.qmgr.clone(),
            multi_instance: self.multi_instance,
            remake_dirs: self.remake_dirs,
            services: !self.no_services,
            patience: env.deadline,
        };
        let report = if self.report { instance::report() } else { Report::default() };
        let ended = instance::run(&env.host_env()?, &request, report.clone(), env.journal, None);
        ended.map(|_| Exit::Done).map_err(|error| {
            let failure = Failure::from(error);
            let lines = failure.lines(env.severity_letter);
            instance::tell_failure(&report, failure.exit.code(), &lines);
            failure
        })
    }
}
