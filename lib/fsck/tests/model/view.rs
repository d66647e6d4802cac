//! What a host has cached.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use super::file::File;

/// What is cached, and when it is thrown away.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a habit of its own")]
pub(crate) struct Policy {
    /// Data and lengths are cached at all.
    pub(crate) cache: bool,
    /// Each process has a cache of its own.
    pub(crate) by_actor: bool,
    /// Opening a file throws away what is cached of it.
    pub(crate) open_drops: bool,
    /// Taking a lock of a file throws away what is cached of it.
    pub(crate) lock_drops: bool,
    /// The length is never cached.
    pub(crate) fresh_size: bool,
    /// The data are never cached.
    pub(crate) fresh_data: bool,
    /// Attributes by name, listings and missing names are cached for a while.
    pub(crate) names: bool,
    /// So many milliseconds must have passed before opening a file throws anything away.
    pub(crate) open_drops_after: u64,
}

#[derive(Debug, Default)]
pub(crate) struct View {
    /// By actor (or 0) and inode, with the time it was cached.
    pub(crate) files: BTreeMap<(u32, u64), (Instant, File)>,
    /// Names that were not there, and when that was seen.
    pub(crate) missing: BTreeMap<(u64, String), Instant>,
    /// What directories had.
    pub(crate) lists: BTreeMap<u64, (Instant, Vec<String>)>,
    /// Files that this host has opened.
    pub(crate) opened: BTreeSet<u64>,
    /// Files whose bytes from a position on this host never sees.
    pub(crate) blind: BTreeMap<u64, u64>,
    /// Files whose older form this host has for ever.
    pub(crate) frozen: BTreeMap<u64, File>,
    /// Where this host believes that files end.
    pub(crate) ends: BTreeMap<u64, u64>,
}
