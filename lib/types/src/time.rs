//! Wall time, for people only: no decision depends on it.

/// Microseconds since 1970-01-01 00:00 UTC, as the host's clock had it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UtcTime(pub i64);
