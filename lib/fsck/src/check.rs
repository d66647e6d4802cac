//! What a check is.

use crate::finding::Told;
use crate::report::Phase;
use crate::stage::{Stage, Trouble};

/// In which phases a check runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Runs(u16);

impl Runs {
    /// On one host, always: it takes a few milliseconds on local storage.
    pub const BASIC: Self = Self(1);
    /// On one host, if all checks were asked for.
    pub const ALL: Self = Self(2);
    /// On two hosts, with `-c`.
    pub const CONCURRENT: Self = Self(4);
    /// On two hosts, with `-w`.
    pub const WAITING: Self = Self(8);
    /// On one host or two, with `--long`: it takes minutes because something is left alone.
    pub const LONG: Self = Self(16);

    /// Where nothing is to be written: what is mounted, and how.
    pub const ENVIRONMENT: Self = Self(32);
    /// What it finds does not change during a run: it is not made again in a later phase with hosts of
    /// which it has been made.
    pub const ONCE: Self = Self(64);
    /// When the files of the integrity test are formatted, with `-f`.
    pub const FORMAT: Self = Self(128);
    /// When pages are appended, with `-a`.
    pub const APPEND: Self = Self(256);
    /// When they are verified, with `-i`.
    pub const VERIFY: Self = Self(512);
    /// When a failure was injected, with `--golive`.
    pub const FAILURE: Self = Self(1024);

    /// In no phase: two copies that were started by hand do it afterwards, with the help of people.
    pub const BY_HAND: Self = Self(0);

    /// In the phases of either.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether it need not be made twice; see [`Runs::ONCE`].
    pub fn is_once(self) -> bool {
        self.0 & Self::ONCE.0 != 0
    }

    /// Whether it runs in a phase. The phase of all one-host checks is on top of the basic one.
    pub fn in_phase(self, phase: Phase) -> bool {
        let bit = match phase {
            Phase::Environment => Self::ENVIRONMENT,
            Phase::Basic => Self::BASIC,
            Phase::All => Self::ALL,
            Phase::Concurrent => Self::CONCURRENT,
            Phase::Waiting => Self::WAITING,
            Phase::Long => Self::LONG,
            Phase::Format => Self::FORMAT,
            Phase::Append => Self::APPEND,
            Phase::Verify => Self::VERIFY,
            Phase::Failure => Self::FAILURE,
        };
        self.0 & bit.0 != 0
    }
}

// Each has a bit of its own.
const _: () = {
    let all = [
        Runs::BASIC,
        Runs::ALL,
        Runs::CONCURRENT,
        Runs::WAITING,
        Runs::LONG,
        Runs::ENVIRONMENT,
        Runs::ONCE,
        Runs::FORMAT,
        Runs::APPEND,
        Runs::VERIFY,
        Runs::FAILURE,
    ];
    let (mut at, mut taken) = (0, 0);
    while at < all.len() {
        assert!(all[at].0.is_power_of_two() && taken & all[at].0 == 0);
        taken |= all[at].0;
        at += 1;
    }
};

/// A property of storage, and how it is found out whether it holds.
#[derive(Debug)]
pub struct Check {
    /// Its stable id: "lock.exclusive". It never changes its meaning.
    pub id: &'static str,
    /// What it asserts, as a short sentence without a full stop.
    pub title: &'static str,
    /// How it finds out, as a sentence.
    pub how: &'static str,
    /// Why a queue manager cares, as a sentence.
    pub why: &'static str,
    /// What to change if it does not hold, as a sentence.
    pub change: &'static str,
    /// The checks without which it means nothing: if one of them failed, this one is not made.
    pub needs: &'static [&'static str],
    /// When it runs.
    pub runs: Runs,
    /// Whether the run is no success if it cannot be found out.
    pub required: bool,
    /// Finds it out.
    pub run: fn(&Stage) -> Result<Told, Trouble>,
}

/// Every check of a table in `checks`, in the order in which they run.
pub fn all() -> impl Iterator<Item = &'static Check> {
    crate::checks::TABLES.iter().copied().flatten()
}

/// The check of an id.
pub fn of(id: &str) -> Option<&'static Check> {
    all().find(|check| check.id == id)
}
