//! Taking a queue manager for a moment to change it, without an instance process.

use std::sync::mpsc::channel;

use miqm_engine::Counts;

use crate::driver::Input;
use crate::eventlog::{EventLog, Origin};
use crate::keeper::{EndState, Keeper};
use crate::report::StartEvent;
use crate::sessions::Sessions;
use crate::shared::Shared;
use crate::store::Store;
use crate::{Error, Refused, Start};

/// What to change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Maintenance {
    /// Define the default objects anew.
    RedefineDefaults,
    /// Raise the command level.
    RaiseCommandLevel(u16),
}

/// What was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Maintained {
    /// The default objects, counted.
    Redefined(Counts),
    /// The command level now.
    Level(u16),
}

/// Takes the locks, replays, changes, and lets go.
///
/// # Errors
///
/// [`Error`]; the change was made wholly or not at all.
pub fn run(
    start: Start,
    what: Maintenance,
    on_event: &mut dyn FnMut(&StartEvent),
) -> Result<Maintained, Error> {
    let Some(_only_one_here) = start.runtime.try_own(start.owner)? else {
        return Err(Refused::RunsHere.into());
    };
    let log = EventLog::new(Origin::of(&start))?;
    let (driver, told) = channel();
    let (_orders, keeper_orders) = channel();
    let start = Start { multi_instance: false, ..start };
    let shared = Shared::new(start, log, Sessions::new(|| {}))?;
    let keeper = Keeper { shared: shared.clone(), driver, orders: keeper_orders };
    let taken = keeper.take_at_once()?;
    while let Ok(input) = told.try_recv() {
        if let Input::Replayed { records, in_flight } = input {
            on_event(&StartEvent::Replayed { records });
            on_event(&StartEvent::Recovered { in_flight });
        }
    }
    let done = change(&taken.store, what);
    // Let go in any case; what was changed before is in the log.
    keeper.release(taken, EndState::Normal, false)?;
    shared.withdraw();
    Ok(done?)
}

fn change(store: &Store, what: Maintenance) -> Result<Maintained, crate::StoreError> {
    match what {
        Maintenance::RedefineDefaults => Ok(Maintained::Redefined(store.redefine_defaults()?)),
        Maintenance::RaiseCommandLevel(level) => {
            store.raise_command_level(level)?;
            Ok(Maintained::Level(level))
        }
    }
}
