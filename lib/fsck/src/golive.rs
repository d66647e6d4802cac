//! The procedure before go-live: the checks one after the other, then every failure that is to be
//! injected, with a record that outlives restarts.
//!
//! * [`steps`] is what there is to do for some hosts, in order; a [`Step`] has an id of its own.
//! * [`Record`] is what was done and what came of it: a JSON file outside the tested directory.
//! * [`run()`] goes through the steps. What needs people or a terminal is done by a [`Crew`].
//!
//! A failure is not believed to have happened because somebody said so: it is recognised by what the
//! storage did, and what counts is what is found afterwards.

mod failure;
mod procedure;
mod record;
mod step;

pub use procedure::{Crew, Event, Halt, Said, Selection, run};
pub use record::{Attempt, BadRecord, Entry, Record, State};
pub use step::{Action, Step, steps};
