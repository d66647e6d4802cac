//! Reading a log for people: from any position, also where it is damaged, and without any lock.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::PathBuf;

use miqm_format::control::{Control, FILE_NAME, SLOTS};
use miqm_format::extent::{ExtentHeader, ExtentStart};
use miqm_format::page::BadPage;
use miqm_format::record::Record;
use miqm_sys::IoError;
use miqm_sys::disk::Disk;
use miqm_types::{Epoch, ExtentNo, LogType, Lsn};

use crate::error::OpenError;
use crate::extent;
use crate::scan::{Scanner, Span, first_record};
use crate::slots;

/// Something found while a log is read.
#[derive(Debug)]
pub enum Item<'a> {
    /// An extent begins.
    Extent(&'a Extent),
    /// A record.
    Record(&'a Record<'a>),
    /// No valid record where there should be one. Reading goes on after it.
    Damage {
        /// Which file.
        path: PathBuf,
        /// Where in it, in bytes.
        offset: u64,
        /// The position in the log.
        lsn: Lsn,
        /// Where the next valid record is, or where the extent should have ended.
        resumes: Lsn,
    },
    /// An extent of the log does not exist. Reading goes on after it.
    Missing {
        /// Which file.
        path: PathBuf,
    },
    /// The end of the log, or of what an epoch wrote past the end and is not part of it.
    End(Lsn),
}

/// An extent as it is found.
#[derive(Clone, Debug)]
pub struct Extent {
    /// Its number, by its name.
    pub no: ExtentNo,
    /// Its file.
    pub path: PathBuf,
    /// Its header, if it is whole.
    pub header: Result<ExtentHeader, BadPage>,
    /// What it continues, if its first record is whole.
    pub start: Option<ExtentStart>,
    /// Its place in the log.
    pub place: Place,
}

/// The place of an extent in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Part of the log, up to this position.
    Upto(Lsn),
    /// The last one of the log.
    Last,
    /// Prepared and not used, no longer needed, or written by an instance that was not active:
    /// not part of the log.
    Outside,
    /// Damage hides whether it is part of the log.
    Unknown,
}

/// A log that is read for people. It may be in use: then its end is where it was a moment ago.
pub struct Reader<D: Disk> {
    active: D,
    slots: Option<[Result<Control, BadPage>; SLOTS]>,
    control: Option<Control>,
    extents: Vec<Extent>,
}

impl<D: Disk> Reader<D> {
    /// Looks at the control file in `directory` and the extents in `active`.
    ///
    /// # Errors
    ///
    /// [`OpenError::Io`]; [`OpenError::NewerFormat`]. Damage is no error here.
    pub fn open(directory: &D, active: D) -> Result<Self, OpenError> {
        let slots = match directory.open_ro(FILE_NAME)? {
            Some(file) => Some(slots::read_slots(&file)?),
            None => None,
        };
        let control = match slots.clone().map(slots::newest) {
            Some(Ok(control)) => Some(control),
            Some(Err(BadPage::Newer(version))) => {
                return Err(OpenError::NewerFormat { path: directory.path_of(FILE_NAME), version });
            }
            Some(Err(_)) | None => None,
        };
        let mut extents = BTreeMap::new();
        for name in active.list()? {
            if let Some(no) = ExtentNo::from_file_name(&name)
                && let Some(file) = active.open_ro(&name)?
            {
                let header = extent::read_header(&file)?;
                let start = match &header {
                    Ok(header) => extent::read_start(&file, header)?,
                    Err(_) => None,
                };
                let path = active.path_of(&name);
                extents.insert(no, Extent { no, path, header, start, place: Place::Unknown });
            }
        }
        if let Some(no) = place(&mut extents, control.as_ref()) {
            let path = active.path_of(&no.file_name());
            let header = Err(BadPage::Short);
            extents.insert(no, Extent { no, path, header, start: None, place: Place::Unknown });
        }
        Ok(Self { active, slots, control, extents: extents.into_values().collect() })
    }

    /// The two slots of the control file; `None` if there is no such file.
    pub fn slots(&self) -> Option<&[Result<Control, BadPage>; SLOTS]> {
        self.slots.as_ref()
    }

    /// What the control file says, if one slot is whole.
    pub fn control(&self) -> Option<&Control> {
        self.control.as_ref()
    }

    /// The extents, by number.
    pub fn extents(&self) -> &[Extent] {
        &self.extents
    }

    /// Where recovery would start: the latest checkpoint, or the first record.
    pub fn head(&self) -> Option<Lsn> {
        let inside = |extent: &&Extent| extent.place != Place::Outside;
        let first = || self.extents.iter().find(inside).and_then(first_of);
        self.control.as_ref().and_then(|control| control.checkpoint).or_else(first)
    }

    /// The start of the extent that holds [`Reader::head`].
    pub fn base(&self) -> Option<Lsn> {
        let control = self.control.as_ref()?;
        Some(control.geometry.start_of(control.geometry.extent_of(self.head()?)))
    }

    /// Hands what is in the log from `from` on, and before `to`, to `take`, until it breaks.
    ///
    /// `from` need not be the position of a record: reading starts at the first one after it.
    /// With `outside`, also what is not part of the log.
    ///
    /// # Errors
    ///
    /// If the system refuses. Damage is no error here.
    pub fn read(
        &self,
        from: Lsn,
        to: Lsn,
        outside: bool,
        take: &mut dyn FnMut(Item<'_>) -> ControlFlow<()>,
    ) -> Result<(), IoError> {
        let mut scanner = Scanner::new();
        for extent in &self.extents {
            if extent.place == Place::Outside && !outside {
                continue;
            }
            let Some(span) = self.span(extent) else {
                if take(Item::Extent(extent)).is_break() {
                    return Ok(());
                }
                continue;
            };
            if span.to <= from || span.start >= to {
                continue;
            }
            if take(Item::Extent(extent)).is_break() {
                return Ok(());
            }
            let span = Span { to: span.to.min(to), ..span };
            if self.read_extent(&mut scanner, extent, span, from, take)?.is_break() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// What an extent should hold, if that is known.
    fn span(&self, extent: &Extent) -> Option<Span> {
        let (start, salt, pages, epoch) = match (&extent.header, &self.control) {
            (Ok(header), _) => (header.start, header.salt, header.extent_pages, Some(header.epoch)),
            (Err(_), Some(control)) => {
                let geometry = control.geometry;
                (geometry.start_of(extent.no), control.salt, geometry.extent_pages(), None)
            }
            (Err(_), None) => return None,
        };
        let whole = Lsn(start.0.saturating_add(u64::from(pages) * extent::PAGE));
        let to = match extent.place {
            Place::Upto(end) => end.min(whole),
            Place::Last | Place::Outside | Place::Unknown => whole,
        };
        Some(Span { start, from: first_record(start), to, epoch, salt })
    }

    fn read_extent(
        &self,
        scanner: &mut Scanner,
        extent: &Extent,
        mut span: Span,
        from: Lsn,
        take: &mut dyn FnMut(Item<'_>) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, IoError> {
        let Some(file) = self.active.open_ro(&extent.no.file_name())? else {
            return Ok(take(Item::Missing { path: extent.path.clone() }));
        };
        if from > span.from {
            // Batches that began before are of no use to find the first record: any will do.
            match scanner.find(&file, &span, from, span.to, |_| true)? {
                Some(first) => span.from = first,
                None => return Ok(ControlFlow::Continue(())),
            }
        }
        loop {
            let stop = scanner.read(
                &file,
                &span,
                |record| match take(Item::Record(record)) {
                    ControlFlow::Continue(()) => Ok(()),
                    ControlFlow::Break(()) => Err(Ended::Break),
                },
                |_| (),
            );
            let stop = match stop {
                Ok(stop) if stop.at >= span.to => return Ok(ControlFlow::Continue(())),
                Ok(stop) => stop,
                Err(Ended::Break) => return Ok(ControlFlow::Break(())),
                Err(Ended::Io(error)) => return Err(error),
            };
            let must = matches!(extent.place, Place::Upto(_));
            let will_do = |batch: Lsn| must || batch > stop.batch;
            let after = Lsn(stop.at.0 + 8);
            let next = scanner.find(&file, &span, after, span.to, will_do)?;
            if next.is_none() && !must {
                return Ok(take(Item::End(stop.at)));
            }
            let damage = Item::Damage {
                path: extent.path.clone(),
                offset: stop.at.0 - span.start.0,
                lsn: stop.at,
                resumes: next.unwrap_or(span.to),
            };
            let flow = take(damage);
            match next {
                Some(next) if flow.is_continue() => span.from = next,
                _ => return Ok(flow),
            }
        }
    }
}

enum Ended {
    Break,
    Io(IoError),
}

impl From<IoError> for Ended {
    fn from(error: IoError) -> Self {
        Self::Io(error)
    }
}

fn first_of(extent: &Extent) -> Option<Lsn> {
    extent.header.as_ref().ok().map(|header| first_record(header.start))
}

/// Finds the place of each extent: follows the chain back from the last one. Returns the one that
/// is missing, if one is.
fn place(extents: &mut BTreeMap<ExtentNo, Extent>, control: Option<&Control>) -> Option<ExtentNo> {
    let epochs = extents.values().filter_map(|extent| extent.header.as_ref().ok());
    let seen = epochs.map(|header| header.epoch).max().unwrap_or(Epoch(0));
    let epoch = control.map_or(seen, |control| control.epoch);
    let last = extents.values().rev().find(|extent| {
        extent.start.is_some() && extent.header.as_ref().is_ok_and(|header| header.epoch == epoch)
    });
    let (mut place, mut at) = match (last, control) {
        (Some(last), _) => (Place::Last, last.no),
        (None, Some(control)) if control.fence > Lsn::ZERO => {
            let no = control.geometry.extent_of(Lsn(control.fence.0 - 1));
            (Place::Upto(control.fence), no)
        }
        _ => return None,
    };
    // What is not reached is outside, down to where damage breaks the chain.
    let mut reached: BTreeMap<ExtentNo, Place> = BTreeMap::new();
    let broken = loop {
        reached.insert(at, place);
        let Some(start) = extents.get(&at).and_then(|extent| extent.start) else { break Some(at) };
        if start.prev_end == Lsn::ZERO || start.prev_extent >= at {
            break None;
        }
        (place, at) = (Place::Upto(start.prev_end), start.prev_extent);
        // A linear log keeps what recovery does not need; it may also have been taken away.
        let needed = control.is_none_or(|control| at >= control.oldest_extent);
        let circular = control.is_none_or(|control| control.log_type == LogType::Circular);
        if !needed && (circular || !extents.contains_key(&at)) {
            break None;
        }
    };
    for (no, extent) in extents.iter_mut() {
        extent.place = match (reached.get(no), broken) {
            (Some(place), _) => *place,
            (None, Some(broken)) if *no < broken => Place::Unknown,
            (None, _) => Place::Outside,
        };
    }
    broken.filter(|no| !extents.contains_key(no))
}
