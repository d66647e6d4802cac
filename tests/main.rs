//! The commands, run as an operator runs them. Rules for the source are in `tidy`.
//!
//! One binary for all, because linking is what tests cost. A file here that is not a module of one of
//! these is found by `tidy`.

mod commands;
mod scenarios;
mod support;
mod tidy;
mod units;
