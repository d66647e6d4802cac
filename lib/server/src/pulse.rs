//! Whether the instance gets on: what the service manager's watchdog is fed by.
//!
//! The keeper beats: with each proof of the hold while active, with each try of the locks while a
//! standby. A proof takes the lock of the log, too, so a log that is stuck stops the beats; a log that is being
//! written is in a call, and calls that do not return are known to [`miqm_sys::inflight`].

use std::time::Duration;

use miqm_qmgr::instance::role::Role;
use miqm_sys::clock::BootInstant;

/// When the keeper was last seen to beat.
#[derive(Debug)]
pub(crate) struct Pulse {
    beats: u64,
    since: BootInstant,
}

impl Pulse {
    pub(crate) fn new() -> Self {
        Self { beats: 0, since: BootInstant::now() }
    }

    /// Looks at the number of beats so far.
    pub(crate) fn feel(&mut self, beats: u64) {
        if beats != self.beats {
            *self = Self { beats, since: BootInstant::now() };
        }
    }

    /// How long there has been no beat.
    pub(crate) fn silent_for(&self) -> Duration {
        self.since.elapsed()
    }
}

/// Whether an instance gets on of which the longest call has taken `stuck` so far, and whose keeper has been
/// silent for `silent`. Neither may be longer than `limit`.
pub(crate) fn is_well(
    role: Role,
    stuck: Option<Duration>,
    silent: Duration,
    limit: Duration,
) -> bool {
    match role {
        // Starts and ends have a time limit of their own, and a replay is watched by the age of the hold.
        Role::Starting | Role::Recovering | Role::Stopped => true,
        // To end a standby because its storage is away does not bring the storage back.
        Role::Standby => stuck.is_some() || silent < limit,
        Role::Active | Role::Quiescing | Role::EndingImmediately | Role::EndingPreemptively => {
            silent < limit && stuck.is_none_or(|stuck| stuck < limit)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    #[test]
    fn an_active_instance_is_well_only_while_lock_guard_and_log_get_on() {
        for role in [Role::Active, Role::Quiescing, Role::EndingImmediately] {
            assert!(is_well(role, None, S, 20 * S));
            assert!(is_well(role, Some(19 * S), 19 * S, 20 * S));
            assert!(!is_well(role, Some(20 * S), S, 20 * S), "a write of the log hangs");
            assert!(!is_well(role, None, 20 * S, 20 * S), "the keeper hangs");
        }
    }

    #[test]
    fn a_standby_may_wait_for_its_storage() {
        assert!(is_well(Role::Standby, Some(600 * S), 600 * S, 20 * S));
        assert!(is_well(Role::Standby, None, 19 * S, 20 * S));
        assert!(!is_well(Role::Standby, None, 20 * S, 20 * S), "the keeper hangs");
    }

    #[test]
    fn only_a_new_beat_is_a_sign_of_life() {
        let mut pulse = Pulse { beats: 7, since: BootInstant::now().saturating_sub(60 * S) };
        pulse.feel(7);
        assert!(pulse.silent_for() >= 60 * S);
        pulse.feel(8);
        assert!(pulse.silent_for() < 60 * S);
    }
}
