//! `strmqm -c` and `strmqm -e`: start, change something, end, all in one process.

use miqm_qmgr::env::Env;
use miqm_qmgr::owner;
use miqm_server::maintain as server;
use miqm_server::report::{Report, StartEvent};

pub use miqm_engine::Counts;
pub use miqm_server::maintain::{Maintained, Maintenance};

use crate::instance::{InstanceError, prepare};
use crate::start::{StartError, StartRequest, wait_for_the_last_one};

/// Takes the queue manager as an active instance that permits no standby, changes it, and lets go.
///
/// # Errors
///
/// [`InstanceError`]; the change was made wholly or not at all.
pub fn maintain(
    env: &Env,
    request: &StartRequest,
    what: Maintenance,
    on_event: &mut dyn FnMut(&StartEvent),
) -> Result<Maintained, InstanceError> {
    // Before anything else: who may not is to hear that, and not what he cannot open.
    owner::authorize(env).map_err(StartError::from)?;
    wait_for_the_last_one(env, &request.qmgr)?;
    let start = prepare(env, request, Report::default(), false)?;
    server::run(start, what, on_event)
        .map_err(|source| InstanceError::Server { qmgr: request.qmgr.clone(), source })
}
