//! From what is on disk to an active instance's objects: the latest snapshot, and the log since.

use miqm_format::catalogue::SnapshotRef;
use miqm_sys::disk::Disk;
use miqm_types::{Lsn, QmgrId, QmgrName};
use miqm_wal::{Activation, OpenError, Opened, Progress, Recovered as RecoveredLog, ReplayError};

use crate::catalogue::Catalogue;
use crate::engine::Engine;
use crate::error::RecoverError;
use crate::kind::Kind;
use crate::level;
use crate::qmgr;
use crate::redo::{BadRedo, Redo, Redone};
use crate::snapshot::{self, Snapshot};

/// What a recovery read and did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Log records read.
    pub records: u64,
    /// Their length in the log, in bytes.
    pub bytes: u64,
    /// The position of the first.
    pub start: Lsn,
    /// The exact end of the log.
    pub end: Lsn,
    /// Objects in the snapshot.
    pub saved_objects: u64,
    /// What was redone: changes, units of work.
    pub redone: Redone,
    /// How many objects of each type there are, the queue manager not counted.
    pub objects: Vec<(Kind, usize)>,
}

/// A queue manager that has been recovered, and may begin a new epoch. Nothing was written.
pub struct Recovered<D: Disk> {
    log: RecoveredLog<D>,
    objects: D,
    catalogue: Catalogue,
    snapshot: Option<Snapshot<D::File>>,
    report: Report,
}

/// Reads the objects of a queue manager: the snapshot that the latest checkpoint names, which it
/// locks, and every committed change in the log since. Writes nothing.
///
/// # Errors
///
/// [`RecoverError`]. [`SnapshotError::Busy`](crate::SnapshotError::Busy) in it means that another
/// instance holds the snapshot.
pub fn recover<D: Disk>(
    opened: Opened<D>,
    objects: D,
    progress: &mut dyn FnMut(Progress),
) -> Result<Recovered<D>, RecoverError> {
    let (name, id) = (opened.control().name.clone(), opened.control().qmgr);
    let (catalogue, snapshot) = load(&opened, &objects, &name, id)?;
    let saved_objects = catalogue.len() as u64;
    let mut redo = Redo::new(catalogue);
    let log = opened.replay(progress, &mut |record| redo.record(record))?;
    let (catalogue, redone) = redo.finish();
    check_qmgr(&catalogue, &name)?;
    let replayed = log.replayed();
    let counts = catalogue.counts();
    let report = Report {
        records: replayed.records,
        bytes: replayed.bytes,
        start: replayed.start,
        end: replayed.end,
        saved_objects,
        redone,
        objects: counts.into_iter().filter(|(kind, _)| *kind != Kind::Qmgr).collect(),
    };
    Ok(Recovered { log, objects, catalogue, snapshot, report })
}

type Loaded<D> = (Catalogue, Option<Snapshot<<D as Disk>::File>>);

fn load<D: Disk>(
    opened: &Opened<D>,
    objects: &D,
    name: &QmgrName,
    id: QmgrId,
) -> Result<Loaded<D>, RecoverError> {
    if opened.control().checkpoint.is_none() {
        // The log has everything from the first record on.
        return Ok((Catalogue::new(), None));
    }
    let reference = SnapshotRef::decode(&opened.control().body)
        .ok_or_else(|| RecoverError::Reference { qmgr: name.clone() })?;
    // Before the objects: those of a higher level may not be readable at all.
    check_level(name, reference.level)?;
    let file = snapshot::open(objects, reference, true)?;
    let (catalogue, snapshot) = snapshot::read(file, reference, id)?;
    Ok((catalogue, Some(snapshot)))
}

fn check_qmgr(catalogue: &Catalogue, name: &QmgrName) -> Result<(), RecoverError> {
    let qmgr = catalogue.qmgr().ok_or_else(|| RecoverError::Unfinished { qmgr: name.clone() })?;
    if qmgr.name() != name.as_str() {
        return Err(RecoverError::Foreign { qmgr: name.clone(), found: qmgr.name().into() });
    }
    check_level(name, qmgr::level_of(qmgr))
}

fn check_level(qmgr: &QmgrName, level: u16) -> Result<(), RecoverError> {
    if level > level::MAX {
        return Err(RecoverError::NewerLevel { qmgr: qmgr.clone(), level, most: level::MAX });
    }
    Ok(())
}

impl RecoverError {
    /// Whether a newer version of this program left something that this one does not know.
    pub fn is_newer(&self) -> bool {
        match self {
            Self::Reference { .. } | Self::NewerLevel { .. } => true,
            Self::Snapshot(error) => matches!(
                error,
                crate::SnapshotError::NewerFormat { .. } | crate::SnapshotError::Object { .. }
            ),
            Self::Replay(error) => {
                matches!(
                    error,
                    ReplayError::Apply { source: BadRedo::Kind(_) | BadRedo::Object(_), .. }
                )
            }
            Self::Unfinished { .. } | Self::Foreign { .. } => false,
        }
    }
}

impl<D: Disk> Recovered<D> {
    /// What was read and done.
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// The objects.
    pub fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// Begins the next epoch. A checkpoint soon after keeps the next recovery short.
    ///
    /// # Errors
    ///
    /// See [`OpenError`].
    pub fn activate(self, activation: Activation<'_>) -> Result<Engine<D>, OpenError> {
        let id = self.log.control().qmgr;
        let log = self.log.activate(activation)?;
        let changes = self.report.redone.changes;
        Ok(Engine::new(log, self.objects, id, self.catalogue, self.snapshot, changes))
    }
}
