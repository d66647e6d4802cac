//! The local control socket: how commands on the same host talk to an instance.

pub mod client;
pub(crate) mod listener;
pub mod protocol;

/// The kind of a frame whose body is JSON.
const KIND_JSON: u8 = 1;
