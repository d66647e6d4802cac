//! What there is to do.

use std::fmt;

use crate::report::Phase;

/// What a step is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// What is mounted, and how.
    Environment,
    /// The checks of one host.
    Basic,
    /// Concurrent writes, with two hosts.
    Concurrent,
    /// Waiting for locks and their release, with two hosts.
    Waiting,
    /// The files of the integrity test are formatted.
    Format,
    /// The process that holds the lock is killed. Nobody need do anything.
    Kill,
    /// A host is reset while it holds the lock.
    HostReset,
    /// The network of a host is cut while it holds the lock.
    HostNetwork,
    /// The power cable of a host is pulled while it holds the lock.
    HostPower,
    /// A host is switched off while it holds the lock.
    HostOff,
    /// The file server is shut down in order, and started again.
    ServerShutdown,
    /// The file server is halted without syncing.
    ServerHalt,
    /// The file server is reset.
    ServerReset,
    /// The network of the file server is cut.
    ServerNetwork,
    /// The power cable of the file server is pulled.
    ServerPower,
    /// The file server is switched off.
    ServerOff,
}

impl Action {
    const CHECKS: [Self; 5] =
        [Self::Environment, Self::Basic, Self::Concurrent, Self::Waiting, Self::Format];
    const HOST: [Self; 5] =
        [Self::Kill, Self::HostNetwork, Self::HostReset, Self::HostPower, Self::HostOff];
    const SERVER: [Self; 6] = [
        Self::ServerShutdown,
        Self::ServerHalt,
        Self::ServerReset,
        Self::ServerNetwork,
        Self::ServerPower,
        Self::ServerOff,
    ];

    fn word(self) -> &'static str {
        match self {
            Self::Environment => "environment",
            Self::Basic => "basic",
            Self::Concurrent => "concurrent",
            Self::Waiting => "waiting",
            Self::Format => "format",
            Self::Kill => "kill",
            Self::HostReset => "host-reset",
            Self::HostNetwork => "host-network",
            Self::HostPower => "host-power",
            Self::HostOff => "host-off",
            Self::ServerShutdown => "server-shutdown",
            Self::ServerHalt => "server-halt",
            Self::ServerReset => "server-reset",
            Self::ServerNetwork => "server-network",
            Self::ServerPower => "server-power",
            Self::ServerOff => "server-off",
        }
    }

    /// The phase of checks that it is; `None` of a failure.
    pub fn phase(self) -> Option<Phase> {
        Some(match self {
            Self::Environment => Phase::Environment,
            Self::Basic => Phase::Basic,
            Self::Concurrent => Phase::Concurrent,
            Self::Waiting => Phase::Waiting,
            Self::Format => Phase::Format,
            _ => return None,
        })
    }

    /// Whether it happens to one of the hosts.
    pub fn is_of_host(self) -> bool {
        Self::HOST.contains(&self)
    }
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Step {
    /// What.
    pub action: Action,
    /// To which host; empty unless it happens to one.
    pub host: String,
}

impl fmt::Display for Step {
    /// The stable id: `server-halt`, `host-power@mq1`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.action.word())?;
        if self.host.is_empty() { Ok(()) } else { write!(f, "@{}", self.host) }
    }
}

impl Step {
    /// The step of an id; `None` if there is none.
    pub fn of(id: &str) -> Option<Self> {
        let (word, host) = match id.split_once('@') {
            Some((_, "")) => return None,
            Some(both) => both,
            None => (id, ""),
        };
        let all = Action::CHECKS.into_iter().chain(Action::HOST).chain(Action::SERVER);
        let action = all.into_iter().find(|action| action.word() == word)?;
        let fits = action.is_of_host() != host.is_empty() && host.is_ascii();
        fits.then(|| Self { action, host: host.to_owned() })
    }

    /// What it shows, as a short sentence without a full stop.
    pub fn title(&self) -> String {
        let host = &self.host;
        match self.action {
            Action::Environment => "what is mounted, and how".into(),
            Action::Basic => "the basic behaviour, on one host".into(),
            Action::Concurrent => "concurrent writes, on two hosts".into(),
            Action::Waiting => "waiting for locks and their release, on two hosts".into(),
            Action::Format => "the files of the integrity test are formatted".into(),
            Action::Kill => format!("the process that holds the lock on {host} is killed"),
            Action::HostReset => format!("{host} is reset while it holds the lock"),
            Action::HostNetwork => format!("the network of {host} is cut while it holds the lock"),
            Action::HostPower => format!("{host} loses power while it holds the lock"),
            Action::HostOff => format!("{host} is switched off while it holds the lock"),
            Action::ServerShutdown => "the file server is shut down in order".into(),
            Action::ServerHalt => "the file server is halted without syncing its disks".into(),
            Action::ServerReset => "the file server is reset".into(),
            Action::ServerNetwork => "the network of the file server is cut".into(),
            Action::ServerPower => "the file server loses power".into(),
            Action::ServerOff => "the file server is switched off".into(),
        }
    }

    /// What people have to do now, as sentences; none if nobody need do anything.
    pub fn to_do(&self) -> Vec<String> {
        let host = &self.host;
        let first = match self.action {
            Action::HostReset => format!("Press the reset button of {host}, or reset it by its console."),
            Action::HostNetwork => {
                format!("Pull the network cable of {host}, or block all its traffic to the file server.")
            }
            Action::HostPower => format!("Pull the power cable of {host}."),
            Action::HostOff => {
                format!("Switch {host} off by its power button, held down. Do not shut it down.")
            }
            Action::ServerShutdown => {
                "Shut the operating system of the file server down in order, for example with poweroff."
                    .into()
            }
            Action::ServerHalt => {
                "Halt the file server at once without syncing, for example with halt -f -n.".into()
            }
            Action::ServerReset => "Press the reset button of the file server.".into(),
            Action::ServerNetwork => "Pull the network cable of the file server.".into(),
            Action::ServerPower => "Pull the power cable of the file server.".into(),
            Action::ServerOff => {
                "Switch the file server off by its power button, held down.".into()
            }
            _ => return Vec::new(),
        };
        let second = match self.action {
            Action::HostNetwork => format!(
                "Plug it in again when the other host has taken over, so that it is seen whether {host} \
                 can still write."
            ),
            Action::HostReset | Action::HostPower | Action::HostOff => {
                format!("{host} may be started again when the other host has taken over.")
            }
            Action::ServerNetwork => {
                "Plug it in again after a minute, and leave the hosts alone meanwhile.".into()
            }
            _ => "Start it again, and leave the hosts alone meanwhile.".into(),
        };
        vec![first, second]
    }
}

/// All that is to be done with these hosts, in order. With one host, what needs another host's lock is
/// named after it, too: the other copy is started there by hand.
pub fn steps(hosts: &[String]) -> Vec<Step> {
    let one = |action| Step { action, host: String::new() };
    let two = hosts.len() > 1;
    let checks = Action::CHECKS
        .into_iter()
        .filter(|action| two || !matches!(action, Action::Concurrent | Action::Waiting));
    let of_hosts = Action::HOST
        .into_iter()
        .flat_map(|action| hosts.iter().map(move |host| Step { action, host: host.clone() }));
    checks.map(one).chain(of_hosts).chain(Action::SERVER.into_iter().map(one)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_has_an_id_that_leads_back_to_it() {
        let steps = steps(&["mq1".into(), "mq2.example".into()]);
        assert_eq!(steps.len(), 5 + 2 * 5 + 6);
        for step in &steps {
            assert_eq!(Step::of(&step.to_string()).as_ref(), Some(step));
            assert!(!step.title().is_empty() && !step.title().ends_with('.'));
            let people = step.action.phase().is_none() && step.action != Action::Kill;
            assert_eq!(!step.to_do().is_empty(), people, "{step}");
            assert!(step.to_do().iter().all(|line| line.ends_with('.') && line.is_ascii()));
        }
        assert_eq!(super::steps(&["mq1".into()]).len(), 3 + 5 + 6);
        for bad in ["", "kill", "kill@", "server-halt@mq1", "basic@", "nothing"] {
            assert_eq!(Step::of(bad), None, "{bad}");
        }
    }
}
