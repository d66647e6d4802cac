//! Finding the log as the last active instance left it, reading it, and beginning a new epoch.

use std::collections::VecDeque;
use std::panic::resume_unwind;
use std::path::PathBuf;
use std::sync::Arc;

use miqm_format::control::Control;
use miqm_format::extent::{ExtentHeader, ExtentStart};
use miqm_format::page::BadPage;
use miqm_format::record::Record;
use miqm_sys::IoError;
use miqm_sys::disk::{Disk, DiskFile};
use miqm_types::{ExtentNo, Lsn, QmgrId, QmgrName};

use crate::create::{ended, resized};
use crate::error::{Damage, LogError, OpenError, Poison, ReplayError};
use crate::extent::{self, Family, Filling, PAGE};
use crate::log::{Activation, Log};
use crate::scan::{Scanner, Span, first_record};
use crate::slots::ControlFile;
use crate::supply::{Link, Supply};

/// Whose log it must be.
#[derive(Clone, Copy, Debug)]
pub struct Identity<'a> {
    /// The queue manager's name.
    pub name: &'a QmgrName,
    /// The queue manager's id.
    pub qmgr: QmgrId,
}

/// The recovery of a log; see [`Recovery::open`].
#[derive(Clone, Copy, Debug)]
pub struct Recovery;

/// An extent of the chain.
struct Piece<F> {
    no: ExtentNo,
    header: ExtentHeader,
    file: F,
    /// Where the next one says that this one ended; `None` in the last of the latest epoch.
    to: Option<Lsn>,
}

/// A log that is locked and whose chain of extents is known.
pub struct Opened<D: Disk> {
    directory: D,
    active: D,
    control: ControlFile<D::File>,
    /// From the extent in which replay starts, oldest first.
    pieces: Vec<Piece<D::File>>,
    /// The numbers of the extents that recovery needs, oldest first.
    needed: VecDeque<ExtentNo>,
    /// Locked, but not part of the log.
    leftovers: Vec<D::File>,
    /// Every name in the directory of extents.
    names: Vec<String>,
    known_durable: Lsn,
}

/// How far a replay is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The bytes read.
    pub done_bytes: u64,
    /// The most bytes there can be to read.
    pub total_bytes: u64,
}

/// What a replay read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replayed {
    /// The position of the first record.
    pub start: Lsn,
    /// The exact end of the log: the position after its last record.
    pub end: Lsn,
    /// The number of records.
    pub records: u64,
    /// Their length in the log, in bytes.
    pub bytes: u64,
    /// The number of extents.
    pub extents: u64,
}

/// A log that has been read to its end, and may be written by a new epoch.
pub struct Recovered<D: Disk> {
    opened: Opened<D>,
    replayed: Replayed,
}

impl Recovery {
    /// Locks the log and finds its extents. Writes nothing.
    ///
    /// `known_durable` is a position that is known to have been durable, or [`Lsn::ZERO`]: with it
    /// damage is told from an unfinished write where the log itself cannot tell.
    ///
    /// # Errors
    ///
    /// See [`OpenError`].
    pub fn open<D: Disk>(
        directory: D,
        active: D,
        identity: Identity<'_>,
        known_durable: Lsn,
    ) -> Result<Opened<D>, OpenError> {
        let control = ControlFile::open(&directory)?;
        let state = control.state();
        if state.qmgr != identity.qmgr || state.name != *identity.name {
            let path = directory.path_of(miqm_format::control::FILE_NAME);
            return Err(OpenError::Foreign { path, name: Some(state.name.clone()) });
        }
        let known_durable = known_durable.max(state.durable);
        let names = active.list()?;
        let mut find = Find {
            active: &active,
            control: state,
            known_durable,
            leftovers: Vec::new(),
            pieces: Vec::new(),
            needed: VecDeque::new(),
        };
        find.chain(&names)?;
        let Find { leftovers, pieces, needed, .. } = find;
        Ok(Opened { directory, active, control, pieces, needed, leftovers, names, known_durable })
    }
}

/// An extent, and what it continues.
type Joint<F> = (Piece<F>, ExtentStart);

/// The search for the chain of extents.
struct Find<'a, D: Disk> {
    active: &'a D,
    control: &'a Control,
    known_durable: Lsn,
    leftovers: Vec<D::File>,
    pieces: Vec<Piece<D::File>>,
    needed: VecDeque<ExtentNo>,
}

impl<D: Disk> Find<'_, D> {
    /// Finds the last extent, and follows the chain back from it.
    fn chain(&mut self, names: &[String]) -> Result<(), OpenError> {
        let mut numbers: Vec<ExtentNo> =
            names.iter().filter_map(|name| ExtentNo::from_file_name(name)).collect();
        numbers.sort_unstable();
        let own = |no: &ExtentNo| *no >= self.control.first_extent;
        let candidates: Vec<ExtentNo> = numbers.into_iter().filter(own).rev().collect();
        let mut last = None;
        for no in candidates {
            last = self.last(no)?;
            if last.is_some() {
                break;
            }
        }
        let (fence, first) = (self.control.fence, self.control.first_extent);
        let known = self.control.geometry.extent_of(Lsn(self.known_durable.0.saturating_sub(1)));
        let mut end = match last {
            Some((piece, _)) if piece.no < known => {
                let path = self.active.path_of(&known.file_name());
                return Err(OpenError::Missing { path });
            }
            Some((piece, start)) => {
                self.take(piece);
                start
            }
            // The epoch ended before its first batch was durable.
            None if self.known_durable > fence => {
                let path = self.active.path_of(&first.file_name());
                return Err(OpenError::Missing { path });
            }
            None if fence == Lsn::ZERO => return Ok(()),
            None => {
                let prev_extent = self.control.geometry.extent_of(Lsn(fence.0 - 1));
                ExtentStart { prev_end: fence, prev_extent }
            }
        };
        let mut no = self.needed.front().copied();
        // The first extent of the log continues nothing.
        while end.prev_end != Lsn::ZERO && no.is_none_or(|no| no > self.control.oldest_extent) {
            let (piece, start) = self.previous(no, end)?;
            no = Some(piece.no);
            self.take(piece);
            end = start;
        }
        self.pieces.reverse();
        if let (Some(checkpoint), Some(piece)) = (self.control.checkpoint, self.pieces.first()) {
            let to = piece.to.unwrap_or(Lsn(u64::MAX));
            if self.control.geometry.extent_of(checkpoint) != piece.no || checkpoint >= to {
                return Err(self.broken(Some(piece.no), PAGE));
            }
        }
        let whole = end.prev_end == Lsn::ZERO || no == Some(self.control.oldest_extent);
        if whole { Ok(()) } else { Err(self.broken(no, PAGE)) }
    }

    /// Adds an extent before those that are known.
    fn take(&mut self, piece: Piece<D::File>) {
        self.needed.push_front(piece.no);
        let from = self.control.checkpoint;
        let replayed = from.is_none_or(|from| self.control.geometry.extent_of(from) <= piece.no);
        if replayed {
            self.pieces.push(piece);
        }
    }

    /// Looks whether this extent is the last that the latest epoch wrote. Locks it in any case:
    /// a former active might still write it.
    fn last(&mut self, no: ExtentNo) -> Result<Option<Joint<D::File>>, OpenError> {
        let name = no.file_name();
        let path = self.active.path_of(&name);
        let Some(file) = self.active.open_rw(&name)? else { return Ok(None) };
        if !file.try_lock_exclusive()? {
            return Err(OpenError::Busy { path });
        }
        let header = self.header(&file, no)?;
        let control = self.control;
        let own = header.instance == control.instance;
        if header.epoch > control.epoch || header.epoch == control.epoch && !own {
            // An instance says in the control file that it is active before it makes an extent:
            // somebody has put back what the control file said before.
            return Err(damaged(path, 0, Damage::Epoch(header.epoch)));
        }
        if header.epoch < control.epoch {
            self.leftovers.push(file);
            return Ok(None);
        }
        if let Some(start) = extent::read_start(&file, &header)? {
            return Ok(Some((Piece { no, header, file, to: None }, start)));
        }
        let first = first_record(header.start);
        let span = span(&header, first, Lsn(header.start.0 + control.geometry.extent_bytes()));
        let stop = crate::scan::Stop { at: first, batch: first };
        if self.known_durable > first || Scanner::new().later_batch(&file, &span, stop, span.to)? {
            return Err(damaged(path, PAGE, Damage::Record(first)));
        }
        // Prepared, and never used: its first batch was not durable.
        self.leftovers.push(file);
        Ok(None)
    }

    /// Opens the extent that holds the end of the log before extent `no`.
    fn previous(
        &self,
        no: Option<ExtentNo>,
        end: ExtentStart,
    ) -> Result<Joint<D::File>, OpenError> {
        let geometry = self.control.geometry;
        let prev = end.prev_extent;
        let consistent = end.prev_end != Lsn::ZERO
            && geometry.extent_of(Lsn(end.prev_end.0 - 1)) == prev
            && no.is_none_or(|no| prev < no);
        if !consistent {
            return Err(self.broken(no, PAGE));
        }
        let name = prev.file_name();
        let path = self.active.path_of(&name);
        let Some(file) = self.active.open_ro(&name)? else {
            return Err(OpenError::Missing { path });
        };
        let header = self.header(&file, prev)?;
        if header.epoch > self.control.epoch {
            return Err(damaged(path, 0, Damage::Epoch(header.epoch)));
        }
        let Some(start) = extent::read_start(&file, &header)? else {
            return Err(damaged(path, PAGE, Damage::Record(first_record(header.start))));
        };
        Ok((Piece { no: prev, header, file, to: Some(end.prev_end) }, start))
    }

    fn header(&self, file: &D::File, no: ExtentNo) -> Result<ExtentHeader, OpenError> {
        let path = self.active.path_of(&no.file_name());
        let header = match extent::read_header(file)? {
            Ok(header) => header,
            Err(BadPage::Newer(version)) => return Err(OpenError::NewerFormat { path, version }),
            Err(bad) => return Err(damaged(path, 0, Damage::Page(bad))),
        };
        let control = self.control;
        if header.qmgr != control.qmgr || header.salt != control.salt {
            return Err(OpenError::Foreign { path, name: None });
        }
        let geometry = control.geometry;
        if header.number != no
            || header.start != geometry.start_of(no)
            || header.extent_pages != geometry.extent_pages()
        {
            return Err(damaged(path, 0, Damage::Misnamed));
        }
        Ok(header)
    }

    fn broken(&self, no: Option<ExtentNo>, offset: u64) -> OpenError {
        let no = no.unwrap_or(self.control.first_extent);
        damaged(self.active.path_of(&no.file_name()), offset, Damage::Chain)
    }
}

fn damaged(path: PathBuf, offset: u64, what: Damage) -> OpenError {
    OpenError::Damaged { path, offset, what }
}

fn span(header: &ExtentHeader, from: Lsn, to: Lsn) -> Span {
    Span { start: header.start, from, to, epoch: Some(header.epoch), salt: header.salt }
}

impl<D: Disk> Opened<D> {
    /// What the control file says.
    pub fn control(&self) -> &Control {
        self.control.state()
    }

    /// Whether one of the two slots of the control file was damaged, or not yet written when the
    /// instance ended: the other one counts. The next epoch writes both.
    pub fn control_uneven(&self) -> bool {
        self.control.uneven()
    }

    /// Reads the log from the latest checkpoint on, hands every record to `apply`, and finds the
    /// exact end. Writes nothing.
    ///
    /// # Errors
    ///
    /// See [`ReplayError`].
    pub fn replay<E>(
        self,
        progress: &mut dyn FnMut(Progress),
        apply: &mut dyn FnMut(&Record<'_>) -> Result<(), E>,
    ) -> Result<Recovered<D>, ReplayError<E>> {
        let mut scanner = Scanner::new();
        let extent_bytes = self.control().geometry.extent_bytes();
        let mut replayed = Replayed {
            start: self.control().fence,
            end: self.control().fence,
            records: 0,
            bytes: 0,
            extents: 0,
        };
        let checkpoint = self.control().checkpoint.unwrap_or(Lsn::ZERO);
        let whole = |piece: &Piece<D::File>| {
            let from = first_record(piece.header.start).max(checkpoint);
            (from, piece.to.unwrap_or(Lsn(piece.header.start.0 + extent_bytes)))
        };
        let lengths = self.pieces.iter().map(|piece| {
            let (from, to) = whole(piece);
            to.0.saturating_sub(from.0)
        });
        let total_bytes = lengths.sum();
        let mut before_bytes = 0;
        for (n, piece) in self.pieces.iter().enumerate() {
            let (from, to) = whole(piece);
            // The next one is fetched while this one is read.
            let next = self.pieces.get(n + 1).into_iter();
            for piece in next.chain((n == 0).then_some(piece)) {
                piece.file.will_read(0, extent_bytes);
            }
            if n == 0 {
                replayed.start = from;
            }
            let span = span(&piece.header, from, to);
            let result = scanner.read(
                &piece.file,
                &span,
                |record| {
                    replayed.records += 1;
                    replayed.bytes += record.total_bytes as u64;
                    apply(record).map_err(|source| Refused::Apply(record.header.lsn, source))
                },
                |at| progress(Progress { done_bytes: before_bytes + (at.0 - from.0), total_bytes }),
            );
            let stop = result.map_err(|refused| match refused {
                Refused::Io(error) => ReplayError::Io(error),
                Refused::Apply(lsn, source) => ReplayError::Apply { lsn, source },
            })?;
            let durable = match piece.to {
                Some(to) => stop.at < to,
                None => {
                    stop.at < self.known_durable
                        || scanner.later_batch(&piece.file, &span, stop, span.to)?
                }
            };
            if durable {
                return Err(ReplayError::Damaged {
                    path: self.active.path_of(&piece.no.file_name()),
                    offset: stop.at.0 - piece.header.start.0,
                    lsn: stop.at,
                    what: Damage::Record(stop.at),
                });
            }
            before_bytes += stop.at.0 - from.0;
            replayed.end = stop.at;
            replayed.extents += 1;
        }
        progress(Progress { done_bytes: before_bytes, total_bytes: before_bytes });
        Ok(Recovered { opened: self, replayed })
    }
}

enum Refused<E> {
    Io(IoError),
    Apply(Lsn, E),
}

impl<E> From<IoError> for Refused<E> {
    fn from(error: IoError) -> Self {
        Self::Io(error)
    }
}

impl<D: Disk> Recovered<D> {
    /// What the replay read.
    pub fn replayed(&self) -> Replayed {
        self.replayed
    }

    /// What the control file says.
    pub fn control(&self) -> &Control {
        self.opened.control()
    }

    /// Begins the next epoch: from here on, what an older one writes is not part of the log.
    ///
    /// # Errors
    ///
    /// See [`OpenError`]. The next try may succeed, with another epoch.
    ///
    /// # Panics
    ///
    /// If [`Activation::files`] is outside the limits of [`miqm_types::LogGeometry`].
    pub fn activate(self, activation: Activation<'_>) -> Result<Log<D>, OpenError> {
        let Self { opened, replayed } = self;
        let Opened { directory, active, mut control, needed, leftovers, names, .. } = opened;
        activation
            .hold
            .before_write()
            .map_err(|lost| LogError::Poisoned(Arc::new(Poison::Lost(lost))))?;
        let before = control.state().clone();
        let highest = names.iter().filter_map(|name| ExtentNo::from_file_name(name)).max();
        let first_extent =
            highest.map_or(before.first_extent, |no| no.max(before.first_extent)).next();
        let geometry = resized(before.geometry, activation.files);
        let family = Family {
            qmgr: before.qmgr,
            instance: activation.instance,
            salt: before.salt,
            epoch: before.epoch.next(),
            extent_pages: geometry.extent_pages(),
        };
        if first_extent > ExtentNo::MAX {
            return Err(OpenError::NumbersUsedUp { path: active.path_of("") });
        }
        let stage = || extent::stage(&active, &family, first_extent, Filling::Later);
        let mut announce = || {
            control.update(|state| {
                state.instance = family.instance;
                state.epoch = family.epoch;
                state.fence = replayed.end;
                state.first_extent = first_extent;
                state.geometry = geometry;
                state.durable = replayed.end;
                state.ended = None;
            })
        };
        // The extent gets its name only after the control file says that there is an epoch. Until
        // then it can be made at the same time: a takeover should be quick.
        let (staged, announced) = if activation.background {
            std::thread::scope(|scope| {
                let staged = scope.spawn(stage);
                let announced = announce();
                (staged.join().unwrap_or_else(|panic| resume_unwind(panic)), announced)
            })
        } else {
            let staged = stage();
            (staged, announce())
        };
        drop(leftovers);
        let old = |name: &String| {
            extent::is_temporary(name)
                || ExtentNo::from_file_name(name).is_some_and(|no| {
                    let kept = no < before.oldest_extent && !is_freed(before.log_type);
                    no < first_extent && !needed.contains(&no) && !kept
                })
        };
        let mut garbage: Vec<String> = names.into_iter().filter(old).collect();
        let staged = match staged {
            // What the epoch before has prepared and not used may be the room that is missing.
            Err(Poison::Io(error)) if error.is_no_space() && announced.is_ok() => {
                let may = activation.hold.before_write().map_err(Poison::Lost);
                may.and_then(|()| {
                    Ok(garbage.drain(..).try_for_each(|n| active.unlink(&n).map(drop))?)
                })
                .and_then(|()| stage())
            }
            staged => staged,
        };
        let made = staged
            .and_then(|staged| announced.map(|()| staged))
            .and_then(|staged| extent::publish(&active, &family, staged, first_extent))
            .map_err(|poison| ended(poison, &active))?;
        let mut supply =
            Supply::new(geometry.primary(), geometry.secondary(), before.log_type, made.no.next());
        supply.ready.push_back(Arc::new(made));
        supply.garbage = garbage;
        supply.chain = needed.into_iter().map(|no| Link { no, own: None }).collect();
        Log::begin((directory, active), family, control, supply, activation)
    }
}

/// Whether extents that recovery no longer needs are removed.
fn is_freed(log_type: miqm_types::LogType) -> bool {
    use miqm_types::{LogManagement, LogType};
    matches!(log_type, LogType::Circular | LogType::Linear(LogManagement::Automatic))
}
