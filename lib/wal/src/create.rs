//! Making the log of a new queue manager.

use std::sync::Arc;

use miqm_format::control::Control;
use miqm_sys::clock::utc_now;
use miqm_sys::disk::Disk;
use miqm_types::{Epoch, ExtentNo, LogGeometry, LogType, Lsn, QmgrId, QmgrName};

use crate::error::{LogError, OpenError, Poison};
use crate::extent::{self, Family};
use crate::log::{Activation, Log};
use crate::slots::ControlFile;
use crate::supply::Supply;

/// What a new log is to be.
#[derive(Clone, Debug)]
pub struct Creation {
    /// The queue manager's name.
    pub name: QmgrName,
    /// The queue manager's id.
    pub qmgr: QmgrId,
    /// A random number of the queue manager: with it nothing in a message can forge a record.
    pub salt: u32,
    /// The size of the log.
    pub geometry: LogGeometry,
    /// What happens to extents that recovery no longer needs.
    pub log_type: LogType,
}

/// Makes the log of a new queue manager in two empty directories: the control file in
/// `directory`, the primary extents, filled with zeros, in `active`. Begins epoch 1.
///
/// If it fails, what it made is left behind: the caller removes the directories.
///
/// # Errors
///
/// [`OpenError::Io`], also if the files exist already; [`OpenError::Log`].
///
/// # Panics
///
/// If [`Activation::files`] is outside the limits of [`LogGeometry`].
pub fn create<D: Disk>(
    directory: D,
    active: D,
    creation: &Creation,
    activation: Activation<'_>,
) -> Result<Log<D>, OpenError> {
    let geometry = resized(creation.geometry, activation.files);
    let family = Family {
        qmgr: creation.qmgr,
        instance: activation.instance,
        salt: creation.salt,
        epoch: Epoch(1),
        extent_pages: geometry.extent_pages(),
    };
    let mut control = ControlFile::create(
        &directory,
        Control {
            seq: 0,
            qmgr: creation.qmgr,
            name: creation.name.clone(),
            instance: activation.instance,
            salt: creation.salt,
            geometry,
            log_type: creation.log_type,
            epoch: family.epoch,
            fence: Lsn::ZERO,
            first_extent: ExtentNo(0),
            checkpoint: None,
            body: Vec::new(),
            oldest_extent: ExtentNo(0),
            durable: Lsn::ZERO,
            ended: None,
            written: utc_now(),
        },
    )?;
    let mut supply =
        Supply::new(geometry.primary(), geometry.secondary(), creation.log_type, ExtentNo(0));
    for _ in 0..geometry.primary() {
        let extent = extent::make(&active, &family, supply.next_no)
            .map_err(|poison| ended(poison, &active))?;
        supply.next_no = extent.no.next();
        supply.ready.push_back(Arc::new(extent));
    }
    control.update(|_| ()).map_err(|poison| ended(poison, &active))?;
    directory.sync_dir()?;
    Log::begin((directory, active), family, control, supply, activation)
}

/// The geometry with another number of extents, if it is to change.
pub(crate) fn resized(geometry: LogGeometry, files: Option<(u16, u16)>) -> LogGeometry {
    files.map_or(geometry, |(primary, secondary)| {
        LogGeometry::new(geometry.extent_pages(), primary, secondary)
            .expect("whoever reads the number of log files checks it")
    })
}

/// The way an end of the log before its beginning is told.
pub(crate) fn ended<D: Disk>(poison: Poison, active: &D) -> OpenError {
    match poison {
        Poison::Io(error) => OpenError::Io(error),
        Poison::NumbersUsedUp => OpenError::NumbersUsedUp { path: active.path_of("") },
        other @ (Poison::Lost(_) | Poison::Fenced { .. }) => {
            OpenError::Log(LogError::Poisoned(Arc::new(other)))
        }
    }
}
