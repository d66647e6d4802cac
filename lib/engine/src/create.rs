//! Making the log and the objects of a new queue manager.

use miqm_sys::disk::Disk;
use miqm_types::{Lsn, UtcTime};
use miqm_wal::{self as wal, Activation};

use crate::catalogue::Catalogue;
use crate::change::Change;
use crate::date::Stamp;
use crate::defaults;
use crate::engine::{Counts, Engine};
use crate::error::{ChangeError, CreateError};
use crate::kind::Kind;
use crate::object::Object;

/// The three directories that hold the state of a queue manager.
#[derive(Debug)]
pub struct Dirs<D> {
    /// The log directory, which holds the control file.
    pub log: D,
    /// The directory of the extents.
    pub active: D,
    /// The directory of the object snapshots.
    pub objects: D,
}

/// What a new queue manager is to be.
#[derive(Clone, Debug)]
pub struct Creation {
    /// Its log.
    pub log: wal::Creation,
    /// Its attributes: [`crate::new_qmgr`] and what the operator asked for.
    pub qmgr: Object,
    /// The port for which it gets a listener that starts with it, if any.
    pub port: Option<u16>,
    /// When it is made.
    pub at: UtcTime,
    /// What the log says about how this first epoch ended.
    pub end_state: u8,
}

/// What was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Created {
    /// The default objects and the listener that were stored; the queue manager is not counted.
    pub counts: Counts,
    /// How many of each type.
    pub kinds: Vec<(Kind, usize)>,
    /// The end of the log.
    pub end: Lsn,
}

/// Makes the log of a new queue manager, stores its attributes and the default objects in it, and
/// takes a checkpoint. The directories are empty before; when it returns, everything in them is
/// durable and closed.
///
/// If it fails, what it made is left behind: the caller removes the directories.
///
/// # Errors
///
/// [`CreateError`].
pub fn create<D: Disk>(
    dirs: Dirs<D>,
    creation: &Creation,
    activation: Activation<'_>,
) -> Result<Created, CreateError> {
    let stamp = Stamp::of(creation.at);
    let mut objects: Vec<Object> = defaults::objects().collect();
    objects.extend(creation.port.map(port_listener).transpose()?);
    let changes = std::iter::once(creation.qmgr.clone()).chain(objects).map(|mut object| {
        object.created(&stamp);
        Change::Define(object.into())
    });
    let changes: Vec<_> = changes.collect();
    let log = wal::create(dirs.log, dirs.active, &creation.log, activation)?;
    let engine = Engine::new(log, dirs.objects, creation.log.qmgr, Catalogue::new(), None, 0);
    let ticket = engine.log_changes(changes).map_err(log_error)?;
    engine.settle(ticket).map_err(log_error)?;
    engine.checkpoint()?;
    // Counted from what is stored, not from what was meant to be.
    let kinds: Vec<_> = engine
        .read(Catalogue::counts)
        .into_iter()
        .filter(|(kind, _)| *kind != Kind::Qmgr)
        .collect();
    let created = kinds.iter().map(|(_, count)| *count as u64).sum();
    let counts = Counts { created, ..Counts::default() };
    let end = engine.close(creation.end_state)?;
    Ok(Created { counts, kinds, end })
}

/// The listener that `crtmqm -p` asks for.
fn port_listener(port: u16) -> Result<Object, CreateError> {
    let mut listener = Object::new(Kind::Listener, defaults::PORT_LISTENER)?;
    listener.set("TRPTYPE", "TCP")?;
    listener.set("PORT", &port.to_string())?;
    listener.set("CONTROL", "QMGR")?;
    Ok(listener)
}

fn log_error(error: ChangeError) -> CreateError {
    match error {
        ChangeError::Log(error) => CreateError::Log(error),
        ChangeError::Bad(error) => CreateError::Bad(error),
        // Nothing is checked against what exists when everything is logged as it is.
        other => unreachable!("logging a definition cannot fail with {other}"),
    }
}
