//! The role of an instance, as a pure function.
//!
//! The driver performs the [`Act`] and feeds what comes of it back as the next [`Event`]. An event
//! that cannot happen in a role gives `None`; the driver logs it and goes on.
//!
//! Three properties protect data, and the tests hold them: an instance serves only after it has
//! replayed, replays only after it has every lock, and whatever it does, the loss of its hold makes
//! it stop at once without another write.

/// What an instance is at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// It has begun, and has not yet tried the locks.
    Starting,
    /// Another instance holds the locks; this one holds a standby slot and tries again and again.
    Standby,
    /// It holds every lock and replays the log.
    Recovering,
    /// It serves.
    Active,
    /// It serves those who are connected, lets nobody else in, and ends when the last has gone.
    Quiescing,
    /// It completes the calls that are under way, and ends.
    EndingImmediately,
    /// It ends without regard for anybody.
    EndingPreemptively,
    /// It holds nothing any more.
    Stopped,
}

/// What happened to an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Event {
    /// Another instance holds one of the locks that an active needs.
    LocksBusy,
    /// This instance holds every lock that an active needs.
    LocksTaken,
    /// The log has been replayed and the new epoch has begun.
    Replayed,
    /// An operator or the service manager asked for a controlled end.
    EndControlled,
    /// The same, to be immediate.
    EndImmediate,
    /// The same, to be pre-emptive.
    EndPreemptive,
    /// The active that this standby waited for has ended, and does not want a successor.
    NoSuccessorWanted,
    /// What is on disk cannot be started from: the instance ends with the error that says why.
    CannotStart,
    /// Nobody is connected any more.
    Drained,
    /// The standby slot is gone: its file was replaced, or the storage forgot the lock.
    SlotLost,
    /// The hold on the locks is lost, or cannot be proven in time, or a write failed.
    HoldLost,
}

/// What the driver is to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Act {
    /// Take a standby slot and try the locks until they are free.
    AwaitLocks,
    /// Find the end of the log, replay it, begin a new epoch.
    Replay,
    /// Let applications in.
    Serve,
    /// Let nobody else in, tell those who are there, wait until they have gone.
    Quiesce,
    /// End the connections when their present call is complete.
    Disconnect,
    /// Cut the connections.
    Cut,
    /// Write the last record, let the locks go, end.
    Release,
    /// Let the locks go without a word in them, end with the error.
    GiveUp,
    /// End at once: write nothing, release nothing by hand.
    Abort,
}

impl Role {
    /// Every role, for tables and tests.
    pub const ALL: [Self; 8] = [
        Self::Starting,
        Self::Standby,
        Self::Recovering,
        Self::Active,
        Self::Quiescing,
        Self::EndingImmediately,
        Self::EndingPreemptively,
        Self::Stopped,
    ];

    /// What follows when `event` happens in this role, or `None` if it cannot happen there.
    pub const fn on(self, event: Event) -> Option<(Self, Act)> {
        use {Act as A, Event as E, Role as R};
        Some(match (self, event) {
            (R::Starting | R::Standby | R::Recovering, E::LocksBusy)
            | (R::Standby, E::SlotLost) => (R::Standby, A::AwaitLocks),
            (R::Starting | R::Standby, E::LocksTaken) => (R::Recovering, A::Replay),
            (R::Recovering, E::Replayed) => (R::Active, A::Serve),

            (
                R::Starting | R::Standby | R::Recovering,
                E::EndControlled | E::EndImmediate | E::EndPreemptive,
            )
            | (R::Standby, E::NoSuccessorWanted)
            | (R::Quiescing | R::EndingImmediately | R::EndingPreemptively, E::Drained) => {
                (R::Stopped, A::Release)
            }

            (R::Starting | R::Standby | R::Recovering, E::CannotStart) => (R::Stopped, A::GiveUp),

            (R::Active, E::EndControlled) => (R::Quiescing, A::Quiesce),
            (R::Active | R::Quiescing, E::EndImmediate) => (R::EndingImmediately, A::Disconnect),
            (R::Active | R::Quiescing | R::EndingImmediately, E::EndPreemptive) => {
                (R::EndingPreemptively, A::Cut)
            }

            (
                R::Recovering
                | R::Active
                | R::Quiescing
                | R::EndingImmediately
                | R::EndingPreemptively,
                E::HoldLost,
            ) => (R::Stopped, A::Abort),
            _ => return None,
        })
    }

    /// The word in the runtime files and in `systemctl status`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Standby => "standby",
            Self::Recovering => "recovering",
            Self::Active => "active",
            Self::Quiescing => "quiescing",
            Self::EndingImmediately => "ending immediately",
            Self::EndingPreemptively => "ending pre-emptively",
            Self::Stopped => "stopped",
        }
    }

    /// Whether an instance in this role holds the locks of an active.
    pub const fn holds_locks(self) -> bool {
        matches!(
            self,
            Self::Recovering
                | Self::Active
                | Self::Quiescing
                | Self::EndingImmediately
                | Self::EndingPreemptively
        )
    }
}

impl Event {
    /// Every event, for tables and tests.
    pub const ALL: [Self; 11] = [
        Self::LocksBusy,
        Self::LocksTaken,
        Self::Replayed,
        Self::EndControlled,
        Self::EndImmediate,
        Self::EndPreemptive,
        Self::NoSuccessorWanted,
        Self::CannotStart,
        Self::Drained,
        Self::SlotLost,
        Self::HoldLost,
    ];
}

/// The whole machine as text, a line for each role and event that can meet.
pub fn table() -> String {
    use std::fmt::Write as _;
    let mut text = String::new();
    for role in Role::ALL {
        for event in Event::ALL {
            if let Some((next, act)) = role.on(event) {
                let line = format!("{role:?} + {event:?}");
                writeln!(text, "{line:<40} -> {next:?}, {act:?}").expect("a string takes all");
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_as_documented() {
        insta::assert_snapshot!(table());
    }

    #[test]
    fn an_instance_serves_only_after_replay_and_replays_only_with_every_lock() {
        for role in Role::ALL {
            for event in Event::ALL {
                match role.on(event) {
                    Some((_, Act::Serve)) => {
                        assert_eq!((role, event), (Role::Recovering, Event::Replayed));
                    }
                    Some((next, Act::Replay)) => {
                        assert_eq!(event, Event::LocksTaken);
                        assert_eq!(next, Role::Recovering);
                    }
                    _ => {}
                }
            }
        }
    }

    #[test]
    fn losing_the_hold_aborts_and_nothing_else_does() {
        for role in Role::ALL {
            for event in Event::ALL {
                let aborts = matches!(role.on(event), Some((_, Act::Abort)));
                assert_eq!(aborts, role.holds_locks() && event == Event::HoldLost, "{role:?}");
            }
        }
    }

    #[test]
    fn an_end_is_never_slowed_down() {
        let pace = |role| match role {
            Role::Quiescing => 1,
            Role::EndingImmediately => 2,
            Role::EndingPreemptively => 3,
            Role::Stopped => 4,
            _ => 0,
        };
        for role in Role::ALL {
            for event in Event::ALL {
                if let Some((next, _)) = role.on(event) {
                    assert!(pace(next) >= pace(role), "{role:?} + {event:?} -> {next:?}");
                }
            }
        }
    }
}
