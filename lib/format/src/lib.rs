//! Bytes to values and back, without I/O: log records, control blocks, lock records, the stanza grammar,
//! provisioning files.
//!
//! Nothing here panics on any input, takes memory on the word of a length that it has not
//! bounded, or guesses: what cannot be read is told apart from what was never written.

pub mod catalogue;
pub mod control;
pub mod extent;
pub mod frame;
pub mod lockrec;
pub mod object;
pub mod page;
pub mod provision;
pub mod record;
pub mod stanza;

#[cfg(test)]
mod doc_table;
