//! The log and the objects of an instance, under its hold.

use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use miqm_engine::{ChangeError, CheckpointError, Counts, Engine, RecoverError, SnapshotError};
use miqm_qmgr::config::Settings;
use miqm_qmgr::instance::hold::{Held, Hold, Loss};
use miqm_sys::IoError;
use miqm_sys::clock::{self, BootInstant};
use miqm_sys::disk::RealDir;
use miqm_types::{Epoch, Lsn};
use miqm_wal::{Activation, Identity, Lost, OpenError, Recovery};

use crate::Error;
use crate::keeper::EndState;
use crate::shared::Shared;

/// How often to look whether a checkpoint is due.
const CHECKPOINT_LOOK: Duration = Duration::from_secs(1);

/// How long calls that are under way when everybody has been cut off may still take.
const LAST_CALLS: Duration = Duration::from_secs(1);

/// Why the log or the objects cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The log cannot be opened, or not begun.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The objects cannot be recovered.
    #[error(transparent)]
    Recover(#[from] RecoverError),
    /// An object cannot be changed.
    #[error(transparent)]
    Change(#[from] ChangeError),
    /// The last checkpoint cannot be taken.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// A directory cannot be opened.
    #[error(transparent)]
    Io(#[from] IoError),
}

impl StoreError {
    /// Whether another instance holds a file that is needed.
    pub fn is_busy(&self) -> bool {
        matches!(
            self,
            Self::Open(OpenError::Busy { .. })
                | Self::Recover(RecoverError::Snapshot(SnapshotError::Busy { .. }))
        )
    }
}

/// The hold, as the log asks for it.
struct Asked(Hold);

impl miqm_wal::Hold for Asked {
    fn before_write(&self) -> Result<(), Lost> {
        self.0.usable().map_err(|_| Lost)
    }

    fn before_ack(&self, _started: BootInstant) -> Result<(), Lost> {
        self.0.usable().map_err(|_| Lost)
    }

    fn proven(&self, started: BootInstant) {
        self.0.proven(started);
    }
}

/// A log that was replayed, and not yet written.
pub(crate) struct Recovered {
    inner: miqm_engine::Recovered<RealDir>,
    files: (u16, u16),
}

/// The log and the objects of an active instance.
pub(crate) struct Store {
    engine: Arc<Engine<RealDir>>,
    checkpoints: Checkpoints,
}

/// The thread that takes checkpoints.
struct Checkpoints {
    stop: Sender<()>,
    thread: JoinHandle<()>,
    failed: Arc<Mutex<Option<Loss>>>,
}

impl Store {
    /// Opens and replays. Writes nothing.
    pub(crate) fn recover(
        shared: &Shared,
        settings: &Settings,
        known_durable: Lsn,
        mut progress: impl FnMut(u8) -> Result<(), Error>,
    ) -> Result<Recovered, Error> {
        let dir = |path: &Path| RealDir::open(path, Some(shared.owner)).map_err(StoreError::Io);
        let path = &settings.log.path;
        let identity = Identity { name: shared.qmgr(), qmgr: shared.qmgr_id() };
        let opened =
            Recovery::open(dir(path)?, dir(&path.join("active"))?, identity, known_durable)
                .map_err(StoreError::from)?;
        let objects = dir(&shared.data_dir.objects())?;
        let mut failed = None;
        let inner = miqm_engine::recover(opened, objects, &mut |at| {
            if failed.is_none() {
                let percent = at.done_bytes * 100 / at.total_bytes.max(1);
                failed = progress(u8::try_from(percent).unwrap_or(100)).err();
            }
        })
        .map_err(StoreError::from)?;
        if let Some(error) = failed {
            return Err(error);
        }
        let geometry = settings.log.geometry;
        Ok(Recovered { inner, files: (geometry.primary(), geometry.secondary()) })
    }

    pub(crate) fn epoch(&self) -> Epoch {
        self.engine.log().epoch()
    }

    pub(crate) fn engine(&self) -> Weak<Engine<RealDir>> {
        Arc::downgrade(&self.engine)
    }

    pub(crate) fn durable(&self) -> Lsn {
        self.engine.log().durable()
    }

    /// Makes everything durable and notes how the epoch ended.
    pub(crate) fn close(self, end: EndState) -> Result<Lsn, StoreError> {
        drop(self.checkpoints.stop);
        // A checkpoint that panicked has left what the one before it left.
        drop(self.checkpoints.thread.join());
        let mut engine = self.engine;
        let began = BootInstant::now();
        let engine = loop {
            match Arc::try_unwrap(engine) {
                Ok(engine) => break engine,
                Err(in_use) if began.elapsed() > LAST_CALLS => {
                    // A call that does not end, in an end that waits for nobody: the log is left as a
                    // crash would leave it, and nothing is written to it any more.
                    in_use.log().abandon();
                    return Ok(in_use.log().durable());
                }
                Err(in_use) => engine = in_use,
            }
            clock::sleep(Duration::from_millis(2));
        };
        Ok(engine.close(end.number())?)
    }

    pub(crate) fn redefine_defaults(&self) -> Result<Counts, StoreError> {
        Ok(self.engine.redefine_defaults(clock::utc_now())?)
    }

    pub(crate) fn raise_command_level(&self, level: u16) -> Result<(), StoreError> {
        Ok(self.engine.raise_level(level, clock::utc_now())?)
    }
}

impl Recovered {
    /// Records read.
    pub(crate) fn records(&self) -> u64 {
        self.inner.report().records
    }

    /// Units of work that were under way, and are backed out.
    pub(crate) fn in_flight(&self) -> u64 {
        self.inner.report().redone.backed_out
    }

    /// Begins the next epoch.
    pub(crate) fn activate(self, shared: &Shared, hold: &Hold) -> Result<Store, Error> {
        let engine = self
            .inner
            .activate(Activation {
                instance: shared.instance(),
                hold: Arc::new(Asked(hold.clone())),
                files: Some(self.files),
                body: shared.host.as_str().as_bytes(),
                background: true,
            })
            .map_err(|error| match hold.loss() {
                Some(loss) => Error::Fenced(loss),
                None => StoreError::from(error).into(),
            })?;
        let engine = Arc::new(engine);
        let checkpoints = Checkpoints::start(Arc::clone(&engine))?;
        Ok(Store { engine, checkpoints })
    }
}

impl Checkpoints {
    fn start(engine: Arc<Engine<RealDir>>) -> Result<Self, IoError> {
        let (stop, stopped) = channel::<()>();
        let failed = Arc::new(Mutex::new(None));
        let tell = Arc::clone(&failed);
        let body = move || {
            // The first one at once: it frees what the epochs before needed.
            let mut due = true;
            loop {
                if due && let Err(error) = engine.checkpoint() {
                    let fatal = match error {
                        // There may be room again later; until then the log grows.
                        CheckpointError::Snapshot(error) if error.is_no_space() => None,
                        CheckpointError::Snapshot(error) => Some(Loss::Io(error.to_string())),
                        // A log that has ended says so itself; a full one is tried again.
                        CheckpointError::Log(_) => None,
                    };
                    *tell.lock().unwrap_or_else(PoisonError::into_inner) = fatal;
                }
                match stopped.recv_timeout(CHECKPOINT_LOOK) {
                    Err(RecvTimeoutError::Timeout) => due = engine.checkpoint_due(),
                    _ => return,
                }
            }
        };
        let thread = crate::spawn("checkpoint", body)?;
        Ok(Self { stop, thread, failed })
    }
}

impl Held for Store {
    fn check(&self) -> Result<(), Loss> {
        if let Some(poison) = self.engine.log().poisoned() {
            return Err(Loss::Io(poison.to_string()));
        }
        let failed = self.checkpoints.failed.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(loss) = failed {
            return Err(loss);
        }
        let io = |error: IoError| Loss::Io(error.to_string());
        if !self.engine.log().reassert_all().map_err(io)? {
            return Err(Loss::Taken("a file of the log".into()));
        }
        if !self.engine.reassert().map_err(io)? {
            return Err(Loss::Taken("the snapshot of the objects".into()));
        }
        for misnamed in [self.engine.log().misnamed(), self.engine.misnamed()] {
            if let Some(path) = misnamed.map_err(io)? {
                return Err(Loss::Replaced(path));
            }
        }
        Ok(())
    }
}
