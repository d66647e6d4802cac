//! The holder of the lock, and what it writes.

use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::time::Duration;

use miqm_sys::clock::{self, BootInstant};
use miqm_sys::fs;
use miqm_sys::lock::{LockedFile, Range};
use miqm_sys::probe::{Dir, How};

use super::{DATA, EIO, Entry, FIRST, File, Header, Kind, LOG, Layout, Method, PAGE_BYTES, open};
use crate::integrity::files::{refused_locked, write_durably};
use crate::integrity::job::{Problem, Progress, Sample, run_text};
use crate::integrity::log_scan::LogScan;
use crate::integrity::markers;
use crate::integrity::page::Stamp;
use crate::integrity::record::{FIRST_RECORD, RECORD_BYTES, Record, UNKNOWN};
use crate::integrity::survey::Takeover;

/// How often the locks are asserted anew.
const ASSERT: Duration = Duration::from_secs(1);
/// How often a marker file is made at the most.
const MARK: Duration = Duration::from_millis(500);
/// Times of a step that are told at the most.
const SAMPLES_MAX: usize = 64;
/// `EINVAL`, `ENOSYS`, `EOPNOTSUPP`: there is no such way to write here.
const UNSUPPORTED: [i32; 3] = [22, 38, 95];

/// Everything that is written to, locked.
#[derive(Debug)]
pub(super) struct Locked {
    /// Header, checkpoints and the regions of the methods that work on any descriptor.
    main: LockedFile,
    /// The regions for `O_DSYNC` and `O_SYNC`, and whether there is such a flag.
    regions: Vec<(LockedFile, bool)>,
    log: LockedFile,
    /// The files of the methods, in the order of [`Method::ALL`].
    sides: Vec<LockedFile>,
    asserted: BootInstant,
}

impl Locked {
    /// Takes every lock, with the data file open as `main`; gives that back, if it is still worth
    /// something, if somebody else holds one.
    pub(super) fn take(
        dir: &Dir,
        path: &Path,
        layout: Layout,
        main: fs::File,
    ) -> Result<Result<Self, Option<fs::File>>, Problem> {
        let pages =
            |from: u64, to: u64| Range { start: from * PAGE_BYTES, len: (to - from) * PAGE_BYTES };
        let middle = layout.region_start(Method::Odsync);
        let end = layout.region_start(Method::Osync);
        let path_of = path.join(DATA);
        let main = match lock(main, &path_of, pages(0, middle), DATA)? {
            Ok(main) => main,
            Err(main) => return Ok(Err(Some(main))),
        };
        let mut regions = Vec::new();
        for (how, range) in [
            (How { data_sync: true, ..How::RW }, pages(middle, end)),
            (How { sync: true, ..How::RW }, Range { start: end * PAGE_BYTES, len: 0 }),
        ] {
            // Where there is no such flag, the pages are synced otherwise, and the check says so.
            let (file, flagged) = match open(dir, DATA, how) {
                Ok(file) => (file, true),
                Err(_) => (open(dir, DATA, How::RW)?, false),
            };
            match lock(file, &path_of, range, DATA)? {
                Ok(file) => regions.push((file, flagged)),
                Err(_) => return Ok(Err(None)),
            }
        }
        let Ok(log) = lock(open(dir, LOG, How::RW)?, &path.join(LOG), Range::WHOLE, LOG)? else {
            return Ok(Err(None));
        };
        let mut sides = Vec::new();
        for method in Method::ALL {
            let name = method.file();
            let flagged = How {
                data_sync: method == Method::Odsync,
                sync: method == Method::Osync,
                ..How::RW
            };
            let file = open(dir, name, flagged).or_else(|_| open(dir, name, How::RW))?;
            match lock(file, &path.join(name), Range::WHOLE, name)? {
                Ok(file) => sides.push(file),
                Err(_) => return Ok(Err(None)),
            }
        }
        Ok(Ok(Self { main, regions, log, sides, asserted: BootInstant::now() }))
    }

    /// Whether the names still lead to what is locked.
    pub(super) fn still_named(&self) -> Result<bool, Problem> {
        let named = |file: &LockedFile, name| {
            let errno = |error: miqm_sys::IoError| error.errno().unwrap_or(EIO);
            file.still_named().map_err(|error| refused_locked("stat", name, errno(error)))
        };
        Ok(named(&self.main, DATA)? && named(&self.log, LOG)?)
    }

    /// Asserts every lock anew, if that has not been done for a while.
    pub(super) fn assert(&mut self) -> Result<(), Problem> {
        if self.asserted.elapsed() < ASSERT {
            return Ok(());
        }
        let regions = self.regions.iter().map(|(file, _)| (file, DATA));
        let sides = self.sides.iter().zip(Method::ALL.map(Method::file));
        let first = [(&self.main, DATA), (&self.log, LOG)];
        for (file, name) in first.into_iter().chain(regions).chain(sides) {
            let errno = match file.reassert() {
                Ok(true) => continue,
                Ok(false) => 0,
                Err(error) => error.errno().unwrap_or(EIO),
            };
            let (call, file) = ("fcntl(F_OFD_SETLK)".to_owned(), name.to_owned());
            return Err(Problem::LockLost { call, file, errno });
        }
        if !self.still_named()? {
            return Err(Problem::NotFormatted);
        }
        self.asserted = BootInstant::now();
        Ok(())
    }

    /// The descriptor for pages of a method, and whether it works so.
    fn region(&self, method: Method) -> (BorrowedFd<'_>, Method) {
        let region = match method {
            Method::Odsync => self.regions.first(),
            Method::Osync => self.regions.get(1),
            _ => None,
        };
        let (file, flagged) = region.map_or((&self.main, true), |(file, flagged)| (file, *flagged));
        (file.file().as_fd(), if flagged { method } else { Method::Fdatasync })
    }
}

fn lock(
    file: fs::File,
    path: &Path,
    range: Range,
    name: &str,
) -> Result<Result<LockedFile, fs::File>, Problem> {
    LockedFile::try_lock(file, path, range).map_err(|error| {
        let errno = error.errno().unwrap_or(EIO);
        Problem::Refused { call: "fcntl(F_OFD_SETLK, F_WRLCK)".into(), file: name.into(), errno }
    })
}

/// The holder.
#[derive(Debug)]
pub(super) struct Writer {
    dir: Dir,
    header: Header,
    locked: Locked,
    host: String,
    epoch: u32,
    /// The last sequence that was acknowledged.
    sequence: u64,
    /// Where the next record goes.
    offset: u64,
    /// Whether a write can be made durable by a flag of its own.
    rwf: bool,
    /// The last two markers, the newest first.
    marks: [Option<(u64, u32)>; 2],
    marked: Option<BootInstant>,
    samples: Vec<Sample>,
}

impl Writer {
    /// Begins an epoch: notes it, and writes what was last again, so that whatever the holder before
    /// has under way and comes late is recognised.
    pub(super) fn begin(
        dir: Dir,
        header: Header,
        locked: Locked,
        log: &LogScan,
        host: &str,
        since: Option<u64>,
    ) -> Result<(Self, Takeover), Problem> {
        let epoch = log.epoch().saturating_add(1);
        let orderly = log.last_entry == Some(Entry::End);
        let from = log.host().to_owned();
        let marks = [log.marker(0), log.marker(1)];
        let (host, sequence, offset) = (host.to_owned(), log.last, log.end);
        let (rwf, marked, samples) = (true, None, Vec::new());
        let mut new = Self {
            dir,
            header,
            locked,
            host,
            epoch,
            sequence,
            offset,
            rwf,
            marks,
            marked,
            samples,
        };
        let mut record = new.record(Entry::Epoch);
        record.extra = since.unwrap_or(UNKNOWN);
        record.flags = if orderly { Record::ORDERLY } else { 0 };
        let takeover = Takeover {
            run: run_text(&new.header.run),
            epoch,
            host: new.host.clone(),
            from,
            sequence,
            time: record.time,
            seconds: since.map(|micros| Duration::from_micros(micros).as_secs_f64()),
            orderly,
        };
        new.log(record, Method::Fsync)?;
        if sequence > 0 {
            new.write_side(sequence)?;
            new.write_page(sequence)?;
        }
        for page in [1, 2] {
            new.checkpoint(page, sequence, Method::Fsync)?;
        }
        Ok((new, takeover))
    }

    pub(super) fn acknowledged(&self) -> u64 {
        self.sequence
    }

    pub(super) fn go(&mut self, until: BootInstant) -> Result<Progress, Problem> {
        let first = self.sequence;
        loop {
            self.locked.assert()?;
            if self.marked.is_none_or(|marked| marked.elapsed() >= MARK) {
                self.mark()?;
            }
            self.append()?;
            if until.left().is_zero() {
                let (sequence, samples) = (self.sequence, std::mem::take(&mut self.samples));
                return Ok(Progress::Appended { sequence, count: sequence - first, samples });
            }
        }
    }

    /// Notes that this is an end in order.
    pub(super) fn end(&mut self) -> Result<(), Problem> {
        let record = self.record(Entry::End);
        self.log(record, Method::Fsync)
    }

    fn append(&mut self) -> Result<(), Problem> {
        let sequence = self.sequence + 1;
        let small = Layout::small_method(sequence);
        let method = Layout::method(sequence);
        let mut record = self.record(Entry::Sequence);
        record.sequence = sequence;
        record.page = self.header.layout.page(sequence);
        record.page_method = self.real(method) as u8;
        self.log(record, small)?;
        self.write_side(sequence)?;
        self.write_page(sequence)?;
        self.checkpoint(Layout::checkpoint(sequence), sequence, small)?;
        self.sequence = sequence;
        Ok(())
    }

    fn mark(&mut self) -> Result<(), Problem> {
        let number = self.marks[0].map_or(1, |(number, _)| number + 1);
        let run = self.header.run;
        let stamp = markers::stamp(run, self.epoch, number, self.sequence, &self.host);
        let synced = markers::make(&self.dir, &stamp, self.marks[1])?;
        let mut record = self.record(Entry::Marker);
        record.page = number;
        record.flags = if synced { 0 } else { Record::NO_DIR_SYNC };
        self.log(record, Method::Fsync)?;
        self.marks = [Some((number, self.epoch)), self.marks[0]];
        self.marked = Some(BootInstant::now());
        Ok(())
    }

    fn record(&self, entry: Entry) -> Record {
        Record {
            entry,
            own_method: 0,
            page_method: 0,
            flags: 0,
            epoch: self.epoch,
            sequence: self.sequence,
            page: 0,
            time: clock::utc_now().0,
            extra: 0,
            offset: self.offset,
            host: self.host.clone(),
        }
    }

    /// How something is made durable that should be by `method`.
    fn real(&self, method: Method) -> Method {
        match self.locked.region(method).1 {
            Method::Rwf if !self.rwf => Method::Fdatasync,
            method => method,
        }
    }

    fn log(&mut self, mut record: Record, method: Method) -> Result<(), Problem> {
        let offset = self.offset;
        let run = self.header.run;
        self.durably(Target::Log, offset, method, |method| {
            record.own_method = method as u8;
            record.bytes(&run).to_vec()
        })?;
        self.offset += RECORD_BYTES;
        Ok(())
    }

    /// Appends to the file of the method of a sequence.
    fn write_side(&mut self, sequence: u64) -> Result<(), Problem> {
        let method = Layout::method(sequence);
        let offset = FIRST_RECORD + Layout::place(sequence) * RECORD_BYTES;
        let page = self.header.layout.page(sequence);
        let record = Record { sequence, page, offset, ..self.record(Entry::Sequence) };
        let run = self.header.run;
        self.durably(Target::Side, offset, method, |method| {
            let own_method = method as u8;
            Record { own_method, ..record.clone() }.bytes(&run).to_vec()
        })
    }

    fn write_page(&mut self, sequence: u64) -> Result<(), Problem> {
        let page = self.header.layout.page(sequence);
        let method = Layout::method(sequence);
        let stamp = self.stamp(Kind::Sequence, page, sequence);
        self.durably(Target::Data, page * PAGE_BYTES, method, |method| {
            Stamp { method: method as u8, ..stamp.clone() }.page_bytes()
        })
    }

    fn checkpoint(&mut self, page: u64, sequence: u64, method: Method) -> Result<(), Problem> {
        debug_assert!(page > 0 && page < FIRST);
        let stamp = self.stamp(Kind::Checkpoint, page, sequence);
        self.durably(Target::Data, page * PAGE_BYTES, method, |method| {
            Stamp { method: method as u8, ..stamp.clone() }.page_bytes()
        })
    }

    fn stamp(&self, kind: Kind, page: u64, sequence: u64) -> Stamp {
        let new = Stamp::new(self.header.run, File::Data, kind, page);
        let (time, host) = (clock::utc_now().0, self.host.clone());
        Stamp { epoch: self.epoch, sequence, time, host, ..new }
    }

    /// Writes what `bytes` makes for a method, and makes it durable by that method.
    fn durably(
        &mut self,
        target: Target,
        at: u64,
        method: Method,
        mut bytes: impl FnMut(Method) -> Vec<u8>,
    ) -> Result<(), Problem> {
        loop {
            let real = self.real(method);
            let (fd, name) = match target {
                Target::Log => (self.locked.log.file().as_fd(), LOG),
                Target::Side => {
                    let side = self.locked.sides.get(method.at()).unwrap_or(&self.locked.log);
                    (side.file().as_fd(), method.file())
                }
                Target::Data => (self.locked.region(method).0, DATA),
            };
            let began = BootInstant::now();
            match write_durably(fd, &bytes(real), at, real) {
                Ok(()) => {
                    if self.samples.len() < SAMPLES_MAX {
                        let seconds = began.elapsed().as_secs_f64();
                        self.samples.push(Sample { method: real, seconds });
                    }
                    return Ok(());
                }
                Err((_, errno)) if real == Method::Rwf && UNSUPPORTED.contains(&errno) => {
                    self.rwf = false;
                }
                Err((call, errno)) => return Err(refused_locked(call, name, errno)),
            }
        }
    }
}

/// Which file.
#[derive(Clone, Copy, Debug)]
enum Target {
    Data,
    Log,
    /// The file of the method.
    Side,
}
