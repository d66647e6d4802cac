//! Clocks.
//!
//! Durations come from the boot-time clock: it never jumps and runs on while the machine is
//! suspended. Wall time is only for people; nothing is decided by it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use miqm_types::UtcTime;
use nix::time::{ClockId, clock_gettime};

/// A moment since this boot, in nanoseconds; suspended time counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BootInstant(u64);

impl BootInstant {
    /// Now.
    ///
    /// # Panics
    ///
    /// If the kernel has no boot-time clock (before Linux 2.6.39).
    #[must_use]
    pub fn now() -> Self {
        let time = clock_gettime(ClockId::CLOCK_BOOTTIME).expect("the kernel has CLOCK_BOOTTIME");
        let seconds = u64::try_from(time.tv_sec()).unwrap_or(0);
        let nanos = u64::try_from(time.tv_nsec()).unwrap_or(0);
        Self(seconds.saturating_mul(1_000_000_000).saturating_add(nanos))
    }

    /// The moment `nanos` nanoseconds after the boot.
    #[must_use]
    pub fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the boot.
    #[must_use]
    pub fn as_nanos(self) -> u64 {
        self.0
    }

    /// How long ago this was; zero for a moment to come.
    #[must_use]
    pub fn elapsed(self) -> Duration {
        Self::now().since(self)
    }

    /// The time from `earlier` to this moment; zero if `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// The time from now to this moment; zero if it has passed.
    #[must_use]
    pub fn left(self) -> Duration {
        self.since(Self::now())
    }

    /// This moment plus `duration`, or the end of time.
    #[must_use]
    pub fn saturating_add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)))
    }

    /// This moment minus `duration`, or the boot.
    #[must_use]
    pub fn saturating_sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)))
    }
}

/// Wall time as the host's clock has it.
#[must_use]
pub fn utc_now() -> UtcTime {
    let micros = |d: Duration| i64::try_from(d.as_micros()).unwrap_or(i64::MAX);
    UtcTime(match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(after) => micros(after),
        Err(before) => -micros(before.duration()),
    })
}

/// Blocks the calling thread for `duration`.
pub fn sleep(duration: Duration) {
    std::thread::sleep(duration);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_passes_and_never_wraps() {
        let start = BootInstant::now();
        sleep(Duration::from_millis(2));
        assert!(start.elapsed() >= Duration::from_millis(2));
        let later = start.saturating_add(Duration::from_mins(1));
        assert!(later > start && start.since(later).is_zero() && later.elapsed().is_zero());
        assert!(later.left() > Duration::from_secs(59));
        assert_eq!(start.saturating_sub(Duration::MAX), BootInstant::from_nanos(0));
        assert_eq!(start.saturating_add(Duration::MAX).as_nanos(), u64::MAX);
        assert!(utc_now().0 > 1_700_000_000_000_000);
    }
}
