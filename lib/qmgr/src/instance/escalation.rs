//! When an end that is taking its time is made to hurry (`endmqm -t` and `-tp`).

use std::time::Duration;

use super::role::Event;

/// How an end was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EndMode {
    /// Wait for the applications to disconnect.
    Controlled,
    /// Complete the calls under way.
    Immediate,
    /// Do not wait for anything.
    Preemptive,
}

/// The time in which the end should be over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// The time from the request on, in seconds.
    pub seconds: u32,
    /// Whether, when it is over, the end becomes pre-emptive (`-tp`) or stays immediate (`-t`).
    pub preemptive: bool,
}

impl EndMode {
    /// The event that starts the end.
    pub const fn event(self) -> Event {
        match self {
            Self::Controlled => Event::EndControlled,
            Self::Immediate => Event::EndImmediate,
            Self::Preemptive => Event::EndPreemptive,
        }
    }
}

/// What follows the request by itself, and how long after the request.
///
/// A controlled end has seven tenths of the target for the applications; one of a second or less has
/// one tenth. An immediate end that may become pre-emptive has half.
pub fn steps(mode: EndMode, target: Option<Target>) -> Vec<(Duration, Event)> {
    let Some(Target { seconds, preemptive }) = target else { return Vec::new() };
    let tenths = |n: u64| Duration::from_millis(u64::from(seconds) * 100 * n);
    let mut steps = Vec::new();
    if mode == EndMode::Controlled {
        steps.push((tenths(if seconds <= 1 { 1 } else { 7 }), Event::EndImmediate));
    }
    if preemptive && mode != EndMode::Preemptive {
        let last = if mode == EndMode::Controlled { 9 } else { 5 };
        steps.push((tenths(last), Event::EndPreemptive));
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(steps: &[(Duration, Event)]) -> Vec<(u128, Event)> {
        steps.iter().map(|(after, event)| (after.as_millis(), *event)).collect()
    }

    #[test]
    fn the_steps_are_those_of_the_documented_examples() {
        let target = |seconds, preemptive| Some(Target { seconds, preemptive });
        let c = |t| ms(&steps(EndMode::Controlled, t));
        let i = |t| ms(&steps(EndMode::Immediate, t));
        assert_eq!(c(None), []);
        assert_eq!(c(target(10, false)), [(7000, Event::EndImmediate)]);
        assert_eq!(
            c(target(10, true)),
            [(7000, Event::EndImmediate), (9000, Event::EndPreemptive)]
        );
        assert_eq!(c(target(1, false)), [(100, Event::EndImmediate)]);
        assert_eq!(i(target(2, true)), [(1000, Event::EndPreemptive)]);
        assert_eq!(i(target(2, false)), []);
        assert_eq!(ms(&steps(EndMode::Preemptive, target(2, true))), []);
    }
}
