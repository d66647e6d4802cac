//! What all commands share: arguments, output, exit codes, errors to messages.
//!
//! A command is a type that implements [`Tool`]: its fields are its arguments, its doc comment is its
//! help, `EXITS` is how it can end. [`main`] parses, runs it and returns the exit code; [`Ui`] is the
//! only way to print, [`Failure`] the only way to fail, [`Env`] all that it knows about the host.
//! How to add one: `lib/README.md`.

pub mod argv;
mod env;
mod exit;
pub mod explain;
mod failure;
mod instances;
mod run;
mod ui;

pub use argv::Refused;
pub use clap;
pub use env::Env;
pub use exit::Exit;
pub use failure::Failure;
pub use instances::{default_qmgr, end_failure};
pub use miqm_messages::Message;
pub use run::{Definition, Tool, command_of, exits_of, main, run};
pub use ui::Ui;
