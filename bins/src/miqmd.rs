//! `miqmd`: an instance of a queue manager, in the foreground.

use miqm_cli::{Env, Exit, Failure, Message, Tool, Ui, clap};
use miqm_ops::instance::{self, Notice, Report};
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
    /// Take the options of the strmqm that waits for this start, if one does
    #[arg(long, conflicts_with = "report")]
    on_request: bool,
    /// Run nothing: tell this host that the instance which ran here, perhaps killed, serves no more
    #[arg(long, conflicts_with_all = ["multi_instance", "remake_dirs", "no_services", "report", "on_request"])]
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

    fn run(self, env: &Env, ui: &mut Ui<'_>) -> Result<Exit, Failure> {
        let host = env.host_env()?;
        if self.stopped {
            instance::note_stopped(&host, &self.qmgr).map_err(Failure::from)?;
            return Ok(Exit::Done);
        }
        let request = StartRequest {
            qmgr: self.qmgr.clone(),
            multi_instance: self.multi_instance,
            remake_dirs: self.remake_dirs,
            services: !self.no_services,
            patience: env.deadline,
        };
        let (request, report) = if self.on_request {
            let wanted = instance::wanted(&host, &request)?;
            if let Some(notice) = wanted.notice {
                ui.complain(&self.told(notice));
            }
            (wanted.request, wanted.report)
        } else {
            // What was asked for before, of another instance, does not hold any more.
            drop(instance::forget_options(&host, &self.qmgr));
            let report = if self.report { instance::report() } else { Report::default() };
            (request, report)
        };
        let ended = instance::run(&host, &request, report.clone(), env.journal, None);
        let ended = ended.map(|_| Exit::Done).map_err(|error| {
            let failure = Failure::from(error);
            let lines = failure.lines(env.severity_letter);
            instance::tell_failure(&report, failure.exit.code(), &lines);
            failure
        });
        let goes_on = |failure: &Failure| AGAIN.contains(&failure.exit);
        if self.on_request && !ended.as_ref().is_err_and(goes_on) {
            // They would only count if the file were there at the next start, which would say so.
            drop(instance::forget_options(&host, &self.qmgr));
        }
        ended
    }
}

/// Ends after which a service manager starts the instance again, as it was.
const AGAIN: [Exit; 2] = [Exit::Fenced, Exit::StorageFailed];

impl Miqmd {
    fn told(&self, notice: Notice) -> Message {
        match notice {
            Notice::Kept => Message::OptionsKept { qmgr: self.qmgr.clone() },
            Notice::Unusable { path, why } => {
                Message::OptionsUnusable { path: path.display().to_string(), why }
            }
        }
    }
}
