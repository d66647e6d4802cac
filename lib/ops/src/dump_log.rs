//! The recovery log as it lies on disk, for people: every record with its place in its file.
//!
//! This shows what is there, also where recovery would refuse: a damaged place is reported, and
//! what follows it is shown. It takes no lock, so the queue manager must be stopped, and writes
//! nothing.

mod content;

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use miqm_format::page::BadPage;
use miqm_format::record::RecordHeader;
use miqm_qmgr::config::{ConfigError, Settings};
use miqm_qmgr::env::Env;
use miqm_qmgr::layout::LogDir;
use miqm_qmgr::registry::{Registry, RegistryError};
use miqm_sys::disk::RealDir;
use miqm_sys::lock::{self, Range};
use miqm_sys::{IoError, Op, fs};
use miqm_types::{ExtentNo, LogType, Lsn, QmgrName, UtcTime};
pub use miqm_wal::Control;
use miqm_wal::{Extent, Item as Found, OpenError, Place, Reader, Record};

pub use content::{Content, Verb};
/// The version of the control file's format.
pub use miqm_format::control::VERSION as CONTROL_VERSION;
/// The version of the records' format.
pub use miqm_format::record::VERSION as RECORD_VERSION;

/// Whose log is to be shown, and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The log directory.
    pub dir: LogDir,
    /// Whose it must be, if that is known.
    pub name: Option<QmgrName>,
    /// The directory of the saved objects, if that is known.
    pub objects: Option<PathBuf>,
}

impl Target {
    /// The log in a directory; `name` is whose it must be, if that is known.
    pub fn new(dir: &Path, name: Option<QmgrName>) -> Self {
        Self { dir: LogDir::new(dir), name, objects: None }
    }
}

/// Where a dump begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// Where recovery would begin.
    Head,
    /// At the start of the extent that recovery would begin in.
    Base,
    /// At the first record at or after a position.
    Lsn(Lsn),
    /// At the start of an extent; of a linear log only.
    Extent(ExtentNo),
}

/// What of a log is to be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Selection {
    /// Where to begin.
    pub start: Start,
    /// No record after this position.
    pub end: Option<Lsn>,
    /// No record older than this.
    pub from: Option<UtcTime>,
    /// No record younger than this.
    pub until: Option<UtcTime>,
}

/// Why a log cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum DumpError {
    /// The saved objects cannot be read.
    #[error(transparent)]
    Saved(Box<miqm_engine::SnapshotError>),
    /// The registry cannot be read.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The registry has no such queue manager.
    #[error("there is no queue manager {0}")]
    NoSuchQmgr(QmgrName),
    /// The settings of the queue manager cannot be used.
    #[error(transparent)]
    Settings(Box<ConfigError>),
    /// An instance holds the log.
    #[error("{} is held by an instance", path.display())]
    Held {
        /// The control file.
        path: PathBuf,
        /// Whose log it is, if the control file says.
        qmgr: Option<QmgrName>,
    },
    /// The log belongs to another queue manager.
    #[error("{} belongs to queue manager {found}", path.display())]
    Foreign {
        /// Whose it was to be.
        qmgr: QmgrName,
        /// The control file.
        path: PathBuf,
        /// Whose it is.
        found: QmgrName,
    },
    /// The start is an extent, and the log is circular.
    #[error("extents of a circular log cannot be selected by number")]
    NotLinear,
    /// The log has no such extent.
    #[error("{} is not part of the log", number.file_name())]
    NoExtent {
        /// Its number.
        number: ExtentNo,
    },
    /// The start lies before what a circular log still has.
    #[error("the log begins at {base}")]
    BelowBase {
        /// The first position that can be shown.
        base: Lsn,
    },
    /// A newer version of this program wrote the log.
    #[error("{} has format version {version}", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format version.
        version: u32,
    },
    /// The operating system refused.
    #[error(transparent)]
    Io(#[from] IoError),
}

/// A place where bytes are not what they must have been.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The file.
    pub path: PathBuf,
    /// Where in it, in bytes.
    pub offset: u64,
    /// What does not fit.
    pub what: String,
}

/// A record and its place.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a> {
    /// What it says about itself.
    pub header: RecordHeader,
    /// What it holds.
    pub body: &'a [u8],
    /// Its length, with header and padding, in bytes.
    pub total_bytes: usize,
    /// Its checksum, which fits.
    pub checksum: u32,
    /// Its file.
    pub path: &'a Path,
    /// Where in it, in bytes.
    pub offset: u64,
}

/// What a dump comes upon.
#[derive(Debug)]
pub enum Item<'a> {
    /// A record.
    Record(Shown<'a>),
    /// Something else.
    Damage(Damage),
}

/// What a dump came upon, in all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Records shown.
    pub records: u64,
    /// Damaged places.
    pub damages: u64,
}

/// The control file of a log, and what of it is readable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// What counts of it, if it can be read at all.
    pub control: Option<Control>,
    /// The sequence number in each slot, or what is wrong with it; `None` if there is no file.
    pub slots: Option<[Result<u64, BadPage>; 2]>,
    /// The control file.
    pub path: PathBuf,
    /// The directory of the extents.
    pub active: PathBuf,
    /// The start of the extent in which recovery would begin.
    pub base: Option<Lsn>,
    /// Where recovery would begin.
    pub head: Option<Lsn>,
    /// The last record, and the position after it.
    pub tail: Option<(Lsn, Lsn)>,
}

/// A log that can be shown.
pub struct LogDump {
    reader: Reader<RealDir>,
    header: Header,
}

/// Finds the log of a queue manager.
///
/// # Errors
///
/// [`DumpError`]: it is not known, or its settings cannot be read.
pub fn locate(env: &Env, name: &QmgrName) -> Result<Target, DumpError> {
    let registry = Registry::load(env)?;
    let entry = registry.find(name)?.ok_or_else(|| DumpError::NoSuchQmgr(name.clone()))?;
    let settings = Settings::load(&entry.data_dir().qm_ini())
        .map_err(|error| DumpError::Settings(Box::new(error)))?;
    let objects = Some(entry.data_dir().objects());
    Ok(Target { dir: LogDir::new(settings.log.path), name: Some(name.clone()), objects })
}

impl LogDump {
    /// Opens a log and finds its extents and its end.
    ///
    /// # Errors
    ///
    /// [`DumpError`], but none about a start. Damage is no error here.
    pub fn open(target: &Target) -> Result<Self, DumpError> {
        let path = target.dir.control();
        let held = match fs::open_read(&path) {
            Ok(file) => lock::held_elsewhere(&file, &path, Range::WHOLE)?,
            Err(error) if error.is_not_found() => false,
            Err(error) => return Err(error.into()),
        };
        if held {
            return Err(DumpError::Held { path, qmgr: target.name.clone() });
        }
        let directory = RealDir::open(target.dir.path(), None)?;
        let active = RealDir::open(&target.dir.active(), None)?;
        let reader = Reader::open(&directory, active).map_err(unreadable)?;
        if let (Some(name), Some(control)) = (&target.name, reader.control())
            && control.name != *name
        {
            let (qmgr, found) = (name.clone(), control.name.clone());
            return Err(DumpError::Foreign { qmgr, path, found });
        }
        let seq = |slot: &Result<Control, BadPage>| slot.as_ref().map(|c| c.seq).map_err(|e| *e);
        let header = Header {
            control: reader.control().cloned(),
            slots: reader.slots().map(|[one, two]| [seq(one), seq(two)]),
            path,
            active: target.dir.active(),
            base: reader.base(),
            head: reader.head(),
            tail: tail(&reader)?,
        };
        Ok(Self { reader, header })
    }

    /// Hands every object that the latest checkpoint saved to `visit`, in the order of type and name;
    /// returns how many there are. What the log says after that checkpoint is not among them.
    ///
    /// # Errors
    ///
    /// [`DumpError::Saved`], or [`DumpError::Io`].
    pub fn saved_objects(
        &self,
        directory: &Path,
        visit: &mut dyn FnMut(&Content),
    ) -> Result<u64, DumpError> {
        let Some(control) = self.reader.control() else { return Ok(0) };
        let objects = RealDir::open(directory, None)?;
        let catalogue = miqm_engine::saved(&objects, &control.body, control.qmgr)
            .map_err(|error| DumpError::Saved(Box::new(error)))?;
        for object in catalogue.iter() {
            visit(&Content::object(Verb::Define, &object.to_image()));
        }
        Ok(catalogue.len() as u64)
    }

    /// What is to be said about the log as a whole.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Hands the selected records, and every damaged place on the way, to `visit`, until that
    /// breaks.
    ///
    /// # Errors
    ///
    /// [`DumpError`].
    pub fn visit(
        &self,
        selection: &Selection,
        visit: &mut dyn FnMut(Item<'_>) -> ControlFlow<()>,
    ) -> Result<Summary, DumpError> {
        let start = self.start(selection.start)?;
        let to = selection.end.map_or(Lsn(u64::MAX), |end| Lsn(end.0.saturating_add(1)));
        let mut counting = Counting { summary: Summary::default(), visit };
        if let Some(lost) = self.control_damage()
            && counting.damage(lost).is_break()
        {
            return Ok(counting.summary);
        }
        let mut now: Option<Extent> = None;
        // The reader would cut the record in the middle of which the selection ends: it is asked
        // for everything, and stopped here.
        self.reader.read(start, Lsn(u64::MAX), false, &mut |found| match found {
            Found::Extent(extent) => {
                if start_of(extent).is_some_and(|start| start >= to) {
                    return ControlFlow::Break(());
                }
                now = Some(extent.clone());
                extent_damage(extent).map_or(CONTINUE, |lost| counting.damage(lost))
            }
            Found::Record(record) => {
                let RecordHeader { lsn, time, .. } = record.header;
                if lsn >= to {
                    return ControlFlow::Break(());
                }
                let wanted = selection.from.is_none_or(|from| time >= from)
                    && selection.until.is_none_or(|until| time <= until);
                match now.as_ref().filter(|_| wanted) {
                    Some(extent) => counting.record(record, extent),
                    None => CONTINUE,
                }
            }
            Found::Damage { path, offset, lsn, resumes } => {
                let what = format!("there is no valid record from {lsn} to {resumes}");
                counting.damage(Damage { path, offset, what })
            }
            Found::Missing { path } => {
                let what = "the file does not exist".to_owned();
                counting.damage(Damage { path, offset: 0, what })
            }
            Found::End(_) => CONTINUE,
        })?;
        Ok(counting.summary)
    }

    fn start(&self, start: Start) -> Result<Lsn, DumpError> {
        let (head, base) = (self.header.head, self.header.base);
        let linear = |control: &Control| control.log_type != LogType::Circular;
        let linear = self.header.control.as_ref().is_some_and(linear);
        match (start, base.or(head)) {
            (Start::Head, _) => Ok(head.unwrap_or(Lsn::ZERO)),
            (Start::Base, base) => Ok(base.unwrap_or(Lsn::ZERO)),
            (Start::Lsn(lsn), Some(base)) if !linear && lsn < base => {
                Err(DumpError::BelowBase { base })
            }
            (Start::Lsn(lsn), _) => Ok(lsn),
            (Start::Extent(_), _) if !linear => Err(DumpError::NotLinear),
            (Start::Extent(number), _) => {
                let extent = self.reader.extents().iter().find(|extent| extent.no == number);
                let part = extent.filter(|extent| extent.place != Place::Outside);
                part.and_then(start_of).ok_or(DumpError::NoExtent { number })
            }
        }
    }

    fn control_damage(&self) -> Option<Damage> {
        let path = self.header.path.clone();
        let Some(slots) = &self.header.slots else {
            return Some(Damage { path, offset: 0, what: "the file does not exist".to_owned() });
        };
        let bad = slots.iter().position(Result::is_err)?;
        let what = slots[bad].as_ref().err()?;
        let offset = (bad * miqm_format::control::SLOT_BYTES) as u64;
        Some(Damage { path, offset, what: format!("slot {}: {what}", bad + 1) })
    }
}

/// Why a reader cannot be opened; damage and locks are nothing to it.
fn unreadable(error: OpenError) -> DumpError {
    match error {
        OpenError::Io(error) => DumpError::Io(error),
        OpenError::NewerFormat { path, version } => DumpError::Newer { path, version },
        other => {
            let source = std::io::Error::other(other.to_string());
            DumpError::Io(IoError::new(Op::Read, "the log", source))
        }
    }
}

const CONTINUE: ControlFlow<()> = ControlFlow::Continue(());

/// Whoever is shown things, and how many there were.
struct Counting<'v> {
    summary: Summary,
    visit: &'v mut dyn FnMut(Item<'_>) -> ControlFlow<()>,
}

impl Counting<'_> {
    fn damage(&mut self, damage: Damage) -> ControlFlow<()> {
        self.summary.damages += 1;
        (self.visit)(Item::Damage(damage))
    }

    fn record(&mut self, record: &Record<'_>, extent: &Extent) -> ControlFlow<()> {
        self.summary.records += 1;
        let start = start_of(extent).unwrap_or(Lsn::ZERO);
        (self.visit)(Item::Record(Shown {
            header: record.header,
            body: record.body,
            total_bytes: record.total_bytes,
            checksum: record.checksum,
            path: &extent.path,
            offset: record.header.lsn.0.saturating_sub(start.0),
        }))
    }
}

fn start_of(extent: &Extent) -> Option<Lsn> {
    extent.header.as_ref().ok().map(|header| header.start)
}

fn extent_damage(extent: &Extent) -> Option<Damage> {
    let bad = extent.header.as_ref().err()?;
    Some(Damage { path: extent.path.clone(), offset: 0, what: format!("its header: {bad}") })
}

/// The last record, and the position after it: in the last extent of the log that has records.
fn tail(reader: &Reader<RealDir>) -> Result<Option<(Lsn, Lsn)>, IoError> {
    let part = |extent: &&Extent| extent.place != Place::Outside;
    for extent in reader.extents().iter().rev().filter(part) {
        let Some(start) = start_of(extent) else { continue };
        let mut tail = None;
        reader.read(start, Lsn(u64::MAX), false, &mut |found| {
            if let Found::Record(record) = found {
                tail = Some((record.header.lsn, record.end()));
            }
            ControlFlow::Continue(())
        })?;
        if tail.is_some() {
            return Ok(tail);
        }
    }
    Ok(None)
}
