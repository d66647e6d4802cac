//! `strmqm`: start a queue manager.

use clap::ValueEnum;
use miqm_cli::{Env, Exit, Failure, Message, Refused, Tool, Ui, clap};
use miqm_ops::maintain::{self, Counts, Maintained, Maintenance};
use miqm_ops::start::{self, StartEvent, StartRequest, Started};
use miqm_ops::systemd::Systemd;
use miqm_types::QmgrName;

/// How much the start says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Detail {
    /// Only how it ended
    None,
    /// Each phase, when it is over
    Minimal,
    /// Progress within a phase, too
    All,
}

/// Start a queue manager
///
/// Starts an instance of the queue manager on this host and returns when it is active or a standby.
/// Without a name, the default queue manager is started.
#[derive(Debug, clap::Parser)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option")]
pub struct Strmqm {
    /// Permit a standby; become one if there is an active instance that permits it
    #[arg(short = 'x', conflicts_with_all = ["redefine", "level"])]
    multi_instance: bool,
    /// Start, define the default objects anew, and end
    #[arg(short = 'c', conflicts_with = "level")]
    redefine: bool,
    /// Start, raise the command level, and end
    #[arg(short = 'e', value_name = "CMDLEVEL=LEVEL", value_parser = command_level)]
    level: Option<u16>,
    /// Make directories of the queue manager that are missing anew
    #[arg(short = 'f')]
    remake_dirs: bool,
    /// Do not start listeners and services
    #[arg(long = "ns")]
    no_services: bool,
    /// Start a process that nobody supervises, although systemd has a unit for it
    #[arg(long)]
    no_systemd: bool,
    /// How much to say while it starts
    #[arg(short = 'd', value_name = "INFORMATION", value_enum, default_value = "all")]
    detail: Detail,
    /// Suppress error messages
    #[arg(short = 'z')]
    quiet: bool,
    /// The queue manager to start
    #[arg(value_name = "QMGR")]
    qmgr: Option<QmgrName>,
}

fn command_level(text: &str) -> Result<u16, String> {
    let number = text.strip_prefix("CMDLEVEL=").ok_or("it must be of the form CMDLEVEL=LEVEL")?;
    let number: u64 = number.parse().map_err(|_| "the level must be a number".to_owned())?;
    // What is too large for a level is out of range, not a bad option.
    Ok(u16::try_from(number).unwrap_or(u16::MAX))
}

impl Tool for Strmqm {
    const NAME: &'static str = "strmqm";
    const EXITS: &'static [Exit] = &[
        Exit::BeingCreated,
        Exit::Running,
        Exit::NoSuchQmgr,
        Exit::LogUnavailable,
        Exit::StandbyStarted,
        Exit::ActivePermitsStandby,
        Exit::ActiveRefusesStandby,
        Exit::StandbysFull,
        Exit::Stopping,
        Exit::BadName,
        Exit::LevelOutOfRange,
        Exit::LevelReached,
        Exit::Fenced,
        Exit::StorageFailed,
        Exit::LogLocation,
        Exit::NotAuthorized,
    ];
    const STORAGE: bool = true;
    const REFUSED: &'static [Refused] = &[
        Refused { option: "-a", why: "there are no backup queue managers yet" },
        Refused { option: "-r", why: "there are no backup queue managers yet" },
        Refused { option: "-si", why: "it belongs to another platform" },
        Refused { option: "-ss", why: "it belongs to another platform" },
    ];

    fn quiet(&self) -> bool {
        self.quiet
    }

    fn run(self, env: &Env, ui: &mut Ui<'_>) -> Result<Exit, Failure> {
        let host = env.host_env()?;
        let qmgr = match self.qmgr.clone() {
            Some(qmgr) => qmgr,
            None => miqm_cli::default_qmgr(&host)?,
        };
        let request = StartRequest {
            qmgr: qmgr.clone(),
            multi_instance: self.multi_instance,
            remake_dirs: self.remake_dirs,
            services: !self.no_services,
            patience: env.deadline,
        };
        if self.redefine {
            return self.maintain(&host, &request, Maintenance::RedefineDefaults, ui);
        }
        if let Some(level) = self.level {
            return self.maintain(&host, &request, Maintenance::RaiseCommandLevel(level), ui);
        }
        self.say(ui, Detail::Minimal, &Message::Starting { qmgr: qmgr.clone() });
        let systemd =
            (!self.no_systemd).then(|| Systemd::of(&host, env.deadline)).flatten();
        let mut on_event = |event: &StartEvent| self.event(ui, &qmgr, event);
        let started = start::start(&host, &request, systemd.as_ref(), &mut on_event)
            .map_err(Failure::from)?;
        match started {
            Started::Active(_) => {
                let version = env!("CARGO_PKG_VERSION").to_owned();
                ui.say(&Message::StartedWith { qmgr, version });
                Ok(Exit::Done)
            }
            Started::Standby { active_host } => {
                let host = active_host.unwrap_or_else(|| "unknown".to_owned());
                ui.say(&Message::StartedAsStandby { qmgr, host });
                Ok(Exit::StandbyStarted)
            }
        }
    }
}

impl Strmqm {
    fn say(&self, ui: &mut Ui<'_>, from: Detail, message: &Message) {
        if self.detail >= from {
            ui.say(message);
        }
    }

    fn event(&self, ui: &mut Ui<'_>, qmgr: &QmgrName, event: &StartEvent) {
        match event {
            StartEvent::Queued { unit, seconds } => {
                let message =
                    Message::WaitingForSystemd { unit: unit.clone(), seconds: *seconds };
                self.say(ui, Detail::All, &message);
            }
            StartEvent::Waiting { seconds, what } => {
                let message =
                    Message::WaitingForStorage { what: what.clone(), seconds: *seconds };
                self.say(ui, Detail::All, &message);
            }
            StartEvent::Replaying { percent } => {
                let message = Message::ReplayProgress { percent: (*percent).into() };
                self.say(ui, Detail::All, &message);
            }
            StartEvent::Replayed { records } => {
                self.say(ui, Detail::Minimal, &Message::LogReplaying { records: *records });
                self.say(ui, Detail::Minimal, &Message::LogReplayed { qmgr: qmgr.clone() });
            }
            StartEvent::Recovered { in_flight } => {
                let message = Message::TransactionsRecovered { qmgr: qmgr.clone() };
                self.say(ui, Detail::Minimal, &message);
                if *in_flight > 0 {
                    let message = Message::InFlightResolved { count: *in_flight };
                    self.say(ui, Detail::Minimal, &message);
                }
            }
            StartEvent::Active { .. }
            | StartEvent::Standby { .. }
            | StartEvent::Failed { .. } => {}
        }
    }

    fn maintain(
        &self,
        host: &miqm_ops::Env,
        request: &StartRequest,
        what: Maintenance,
        ui: &mut Ui<'_>,
    ) -> Result<Exit, Failure> {
        let qmgr = &request.qmgr;
        if what == Maintenance::RedefineDefaults {
            self.say(ui, Detail::Minimal, &Message::Redefining { qmgr: qmgr.clone() });
        }
        let done = maintain::maintain(host, request, what, &mut |event| {
            self.event(ui, qmgr, event);
        })
        .map_err(Failure::from)?;
        match done {
            Maintained::Redefined(counts) => {
                let Counts { created, replaced, failed } = counts;
                ui.say(&Message::Redefined { created, replaced, failed });
            }
            Maintained::Level(level) => {
                ui.say(&Message::CommandLevelRaised { qmgr: qmgr.clone(), level: level.into() });
            }
        }
        Ok(Exit::Done)
    }
}
