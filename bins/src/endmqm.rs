//! `endmqm`: end a queue manager.

use miqm_cli::{Env, Exit, Failure, Message, Tool, Ui, clap};
use miqm_ops::end::{self, EndRequest, Ended, WireMode};
use miqm_ops::systemd::Systemd;
use miqm_types::QmgrName;

/// End a queue manager
///
/// Ends the instance of the queue manager on this host. Without -s the whole queue manager ends, its
/// standby included; with -s a standby takes over; with -x only the standby on this host ends.
#[derive(Debug, clap::Parser)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option")]
pub struct Endmqm {
    /// Wait for applications to disconnect, and return at once (the default)
    #[arg(short = 'c', conflicts_with_all = ["wait", "immediate", "preemptive"])]
    controlled: bool,
    /// Wait for applications to disconnect, and return when the instance has ended
    #[arg(short = 'w', conflicts_with_all = ["immediate", "preemptive"])]
    wait: bool,
    /// Complete the calls under way, and end
    #[arg(short = 'i', conflicts_with = "preemptive")]
    immediate: bool,
    /// End without regard for applications
    #[arg(short = 'p')]
    preemptive: bool,
    /// Let a standby take over
    #[arg(short = 's', conflicts_with = "standby")]
    switchover: bool,
    /// Tell clients that can to reconnect
    #[arg(short = 'r', conflicts_with = "standby")]
    reconnect: bool,
    /// End the standby on this host
    #[arg(short = 'x')]
    standby: bool,
    /// End in so many seconds, if need be immediately
    #[arg(short = 't', value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=3600))]
    #[arg(conflicts_with = "preemptive_target")]
    target: Option<u32>,
    /// End in so many seconds, if need be pre-emptively
    #[arg(long = "tp", value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=3600))]
    preemptive_target: Option<u32>,
    /// Suppress error messages
    #[arg(short = 'z')]
    quiet: bool,
    /// The queue manager to end
    #[arg(value_name = "QMGR")]
    qmgr: QmgrName,
}

impl Tool for Endmqm {
    const NAME: &'static str = "endmqm";
    const EXITS: &'static [Exit] = &[
        Exit::BeingCreated,
        Exit::NoSuchQmgr,
        Exit::NotRunning,
        Exit::Stopping,
        Exit::BadName,
        Exit::NoSwitchover,
        Exit::ActiveNotEnded,
        Exit::StandbyNotEnded,
        Exit::NotAuthorized,
    ];
    const STORAGE: bool = true;

    fn quiet(&self) -> bool {
        self.quiet
    }

    fn run(self, env: &Env, ui: &mut Ui<'_>) -> Result<Exit, Failure> {
        let request = self.request();
        let qmgr = &self.qmgr;
        let waits = self.wait;
        let mut accepted = || {
            ui.say(&if request.standby {
                Message::StandbyEnding { qmgr: qmgr.clone() }
            } else if waits {
                Message::WaitingForEnd { qmgr: qmgr.clone() }
            } else {
                Message::Ending { qmgr: qmgr.clone() }
            });
        };
        let host = env.host_env()?;
        let systemd = Systemd::of(&host, env.deadline);
        let ended =
            end::end(&host, qmgr, systemd.as_ref(), request, env.deadline, &mut accepted)
                .map_err(|error| miqm_cli::end_failure(error, qmgr))?;
        if let Ended::NotRestarted { unit } = &ended {
            ui.say(&Message::RestartCancelled { unit: unit.clone() });
        }
        if ended != Ended::Accepted {
            let qmgr = qmgr.clone();
            ui.say(&if request.standby {
                Message::StandbyEnded { qmgr }
            } else if request.switchover {
                Message::EndedForSwitchover { qmgr }
            } else {
                Message::QmgrEnded { qmgr }
            });
        }
        Ok(Exit::Done)
    }
}

impl Endmqm {
    fn request(&self) -> EndRequest {
        let mode = if self.preemptive {
            WireMode::Preemptive
        } else if self.immediate || self.standby {
            WireMode::Immediate
        } else {
            WireMode::Controlled
        };
        EndRequest {
            mode,
            switchover: self.switchover,
            // A switchover is of no use to clients that do not follow it.
            reconnect: self.reconnect || self.switchover,
            standby: self.standby,
            wait: self.wait || mode != WireMode::Controlled,
            target_seconds: self.target.or(self.preemptive_target),
            target_preemptive: self.preemptive_target.is_some(),
        }
    }
}
