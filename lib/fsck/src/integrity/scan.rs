//! Verifying: the log first, because it says what must be in the pages.

use std::ops::RangeInclusive;

use miqm_sys::clock::BootInstant;
use miqm_sys::probe::Dir;

use super::files::{CHUNK, ENOENT, Header, Reader, refused};
use super::job::{Known, Problem, Progress, run_text};
use super::layout::{FIRST, Layout, Method};
use super::log_scan::LogScan;
use super::page::{File, Kind, PAGE, PAGE_BYTES, SECTOR, Sector, read_sector, read_whole};
use super::record::{Entry, FIRST_RECORD};
use super::side::Sides;
use super::survey::Survey;
use super::{DATA, LOG, markers};
use crate::finding::Evidence;

/// What is left to do.
#[derive(Debug)]
enum Stage {
    Log(Reader),
    Data(Reader, u64),
    Sides(Sides),
    Names,
    Done,
}

/// A verification that is under way. Nothing is written.
#[derive(Debug)]
pub(super) struct Verifying {
    header: Header,
    pub(super) log: LogScan,
    survey: Survey,
    stage: Stage,
    /// Of the files.
    bytes: u64,
    began: BootInstant,
    /// The checkpoint pages: what they say, if they are whole.
    checkpoints: [Option<(u64, u32)>; 2],
}

impl Verifying {
    /// Begins; `known` is what a witness knows of this or another run.
    pub(super) fn begin(dir: &Dir, header: Header, known: Option<&Known>) -> Result<Self, Problem> {
        let began = BootInstant::now();
        let (run, layout) = (header.run, header.layout);
        let mut survey = Survey { run: run_text(&run), pages: layout.pages(), ..Survey::default() };
        survey.witnessed = witnessed(known, &survey.run);
        survey.other_witness = known.is_some_and(|known| known.run != survey.run);
        if !header.whole {
            let note =
                "the header was synced, and some of its sectors are not as they were written";
            survey
                .note("int.format", Evidence { page: Some(0), ..Evidence::note(note) }.file(DATA));
        }
        let log = match Reader::open(dir, LOG) {
            Ok(log) => log,
            Err(ENOENT) => {
                let note = "the log was made durable with its directory, and is not there";
                survey.note("int.names", Evidence::note(note).file(LOG).errno(ENOENT));
                survey.note("int.log", Evidence::note("there is no log").file(LOG));
                let data = Reader::open(dir, DATA).map_err(|errno| refused("open", DATA, errno))?;
                let bytes = data.len().map_err(|errno| refused("fstat", DATA, errno))?;
                let log = LogScan::new(run, layout, 0);
                let (stage, checkpoints) = (Stage::Names, [None; 2]);
                return Ok(Self { header, log, survey, stage, bytes, began, checkpoints });
            }
            Err(errno) => return Err(refused("open", LOG, errno)),
        };
        survey.direct = log.direct();
        let len = log.len().map_err(|errno| refused("fstat", LOG, errno))?;
        if len < FIRST_RECORD {
            let note = format!("{len} bytes, and its header page had been synced");
            survey.note("int.size", Evidence::note(note).file(LOG));
        }
        let bytes = len + layout.pages() * PAGE_BYTES;
        let (scan, checkpoints) = (LogScan::new(run, layout, len), [None; 2]);
        let stage = Stage::Log(log);
        Ok(Self { header, log: scan, survey, stage, bytes, began, checkpoints })
    }

    /// Goes on until about `until`: how far it is, or all of what was seen.
    pub(super) fn go(&mut self, dir: &Dir, until: BootInstant) -> Result<Progress, Problem> {
        loop {
            match std::mem::replace(&mut self.stage, Stage::Done) {
                Stage::Log(reader) => self.read_log(dir, reader)?,
                Stage::Data(reader, page) => self.read_data(dir, reader, page),
                Stage::Sides(sides) => self.read_side(dir, sides),
                Stage::Names => self.names(dir)?,
                Stage::Done => return Ok(Progress::Checked(Box::new(self.survey.clone()))),
            }
            if until.left().is_zero() && !matches!(self.stage, Stage::Done) {
                return Ok(Progress::Checking { done: self.survey.bytes, of: self.bytes });
            }
        }
    }

    fn read_log(&mut self, dir: &Dir, mut reader: Reader) -> Result<(), Problem> {
        let at = self.log.offset;
        let more = match reader.read(dir, at, CHUNK) {
            Ok(bytes) => {
                self.survey.bytes += bytes.len() as u64;
                self.log.feed(bytes, &mut self.survey)
            }
            Err(errno) => {
                let evidence = Evidence { call: "pread".into(), ..Evidence::default() };
                self.survey.note("int.log", evidence.file(LOG).errno(errno).offset(at));
                false
            }
        };
        if more {
            self.stage = Stage::Log(reader);
            return Ok(());
        }
        let data = Reader::open(dir, DATA).map_err(|errno| refused("open", DATA, errno))?;
        let len = data.len().map_err(|errno| refused("fstat", DATA, errno))?;
        let expected = self.header.layout.pages() * PAGE_BYTES;
        if len != expected {
            let note = format!("{len} bytes instead of {expected}");
            self.survey.note("int.size", Evidence::note(note).file(DATA));
        }
        self.survey.direct &= data.direct();
        self.stage = Stage::Data(data, 0);
        Ok(())
    }

    fn read_data(&mut self, dir: &Dir, mut reader: Reader, page: u64) {
        let at = page * PAGE_BYTES;
        let left = self.header.layout.pages() - page;
        let wanted = usize::try_from(left.saturating_mul(PAGE_BYTES)).unwrap_or(CHUNK).min(CHUNK);
        let bytes = match reader.read(dir, at, wanted) {
            Ok(bytes) => bytes,
            Err(errno) => {
                let evidence = Evidence { call: "pread".into(), ..Evidence::default() };
                self.survey.note("int.page", evidence.file(DATA).errno(errno).offset(at));
                self.stage = Stage::Sides(Sides::default());
                return;
            }
        };
        self.survey.bytes += bytes.len() as u64;
        let mut next = page;
        // A last page of fewer bytes is missing; the length was told before.
        for bytes in bytes.chunks_exact(PAGE) {
            match next {
                0 => {}
                1 | 2 => self.checkpoint(next, bytes),
                _ => {
                    if next == FIRST {
                        judge_checkpoints(&self.log, self.checkpoints, &mut self.survey);
                    }
                    judge_page(&self.log, self.header.layout, next, bytes, &mut self.survey);
                }
            }
            next += 1;
        }
        let over = next == page || next >= self.header.layout.pages();
        let sides = Stage::Sides(Sides::default());
        self.stage = if over { sides } else { Stage::Data(reader, next) };
    }

    fn checkpoint(&mut self, page: u64, bytes: &[u8]) {
        let stamp = read_whole(bytes).filter(|stamp| {
            (stamp.run, stamp.file, stamp.page) == (self.header.run, File::Data, page)
                && matches!(stamp.kind, Kind::Checkpoint | Kind::Empty)
        });
        let slot = usize::try_from(page - 1).unwrap_or_default();
        self.checkpoints[slot] = stamp.map(|stamp| (stamp.sequence, stamp.epoch));
    }

    /// Reads on in the file of a method.
    fn read_side(&mut self, dir: &Dir, mut sides: Sides) {
        let Some(method) = Method::ALL.get(sides.method).copied() else {
            self.stage = Stage::Names;
            return;
        };
        let more = sides.read(dir, method, &self.header.run, &self.log, &mut self.survey);
        self.stage = Stage::Sides(if more { sides } else { Sides::after(sides.method) });
    }

    fn names(&mut self, dir: &Dir) -> Result<(), Problem> {
        self.survey.last = self.log.last;
        self.survey.names_synced = self.log.names_synced;
        self.survey.markers = self.log.marker(0).map_or(0, |(number, _)| number);
        let witnessed = self.survey.witnessed;
        if witnessed > self.log.last {
            let last = self.log.last;
            let note = format!(
                "sequence {witnessed} was acknowledged, the log ends with sequence {last}; the record \
                 of {} had been made durable by {}",
                last + 1,
                self.log.small_method(last + 1).words()
            );
            self.survey.note("int.witness", Evidence::note(note).file(LOG));
        }
        if self.log.names_synced {
            markers::judge(dir, &self.header.run, &self.log, &mut self.survey)?;
        }
        self.survey.seconds = self.began.elapsed().as_secs_f64();
        self.stage = Stage::Done;
        Ok(())
    }
}

/// What a witness knows of this run.
pub(super) fn witnessed(known: Option<&Known>, run: &str) -> u64 {
    known.filter(|known| known.run == run).map_or(0, |known| known.sequence)
}

/// Compares the checkpoints with the log, and finds out what is known to have been acknowledged.
fn judge_checkpoints(log: &LogScan, found: [Option<(u64, u32)>; 2], survey: &mut Survey) {
    let last = log.last;
    // Whatever follows a sequence was begun after it had been acknowledged.
    let in_flight = matches!(log.last_entry, Some(Entry::Sequence | Entry::Epoch) | None);
    let best = found.iter().flatten().map(|(sequence, _)| *sequence).max().unwrap_or_default();
    let settled = if in_flight { last.saturating_sub(1) } else { last };
    survey.acknowledged = settled.max(best.min(last)).max(survey.witnessed.min(last));
    if log.last_entry.is_none() {
        return;
    }
    for (page, found) in (1u64..).zip(found) {
        let evidence = |note: String| {
            let offset = page * PAGE_BYTES;
            Evidence::note(note).file(DATA).offset(offset)
        };
        let allowed = allowed_in(page, log, survey.acknowledged);
        match found {
            None if *allowed.start() == 0 && log.last_entry == Some(Entry::Epoch) => {}
            None if allowed.start() < allowed.end() => {
                survey.tolerate(format!("checkpoint page {page} was being written"));
            }
            None => {
                let note = format!("the checkpoint of sequence {} is not whole", allowed.end());
                survey.note("int.page", evidence(note));
            }
            Some((sequence, _)) if sequence > last => {
                let note = format!("a checkpoint of sequence {sequence}; the log ends with {last}");
                survey.note("int.order", evidence(note));
            }
            Some((sequence, epoch))
                if epoch < log.epoch() && log.last_entry != Some(Entry::Epoch) =>
            {
                let note = format!(
                    "a checkpoint of epoch {epoch}, sequence {sequence}, although epoch {} had \
                     written here",
                    log.epoch()
                );
                survey.note("int.epoch", evidence(note));
            }
            Some((sequence, _)) if !allowed.contains(&sequence) => {
                let method = log.small_method(*allowed.start());
                let note = format!(
                    "a checkpoint of sequence {sequence}; that of {} was acknowledged by {}",
                    allowed.start(),
                    method.words()
                );
                survey.note(method.check(), evidence(note.clone()));
                survey.note("int.acknowledged", evidence(note));
            }
            Some(_) => {}
        }
    }
}

/// The sequences that a checkpoint page may be of. More than one if it may have been being written.
fn allowed_in(page: u64, log: &LogScan, acknowledged: u64) -> RangeInclusive<u64> {
    let (last, taken) = (log.last, log.taken());
    if log.last_entry == Some(Entry::Epoch) {
        // Both are written again, one after the other.
        return 0..=last;
    }
    // The last sequence up to `upto` that belongs here and is of this epoch; else what it began with.
    let of = |upto: u64| {
        let own = if Layout::checkpoint(upto) == page { upto } else { upto.saturating_sub(1) };
        own.max(taken)
    };
    of(acknowledged)..=of(last)
}

/// What the sectors of a page come to.
#[derive(Debug, Default)]
struct Seen {
    /// Sectors that are as they must be.
    right: usize,
    /// Sectors of an older sequence, or formatted and not written since.
    old: Vec<(usize, u64)>,
    /// Sectors of zeros.
    zero: usize,
    /// What else is wrong: the check, the sector and the words.
    wrong: Vec<(&'static str, usize, String)>,
}

fn judge_page(log: &LogScan, layout: Layout, page: u64, bytes: &[u8], survey: &mut Survey) {
    let expected = layout.sequence(page, log.last);
    let required = expected.filter(|sequence| *sequence <= survey.acknowledged);
    let method = expected.map(|sequence| log.method(sequence));
    if let (Some(method), true) = (method, required.is_some()) {
        survey.held[method.at()] += 1;
    }
    let seen = look(log, layout, page, bytes, survey, expected);
    let sectors = PAGE / SECTOR;
    if seen.right == sectors {
        return;
    }
    if expected.is_some() && required.is_none() {
        tolerate(page, expected, &seen, survey);
        return;
    }
    let offset = page * PAGE_BYTES;
    let evidence = |note: String| Evidence::note(note).file(DATA).offset(offset);
    if let Some((check, sector, what)) = seen.wrong.first() {
        let note = format!("sector {sector} of page {page}: {what}");
        survey.note(check, evidence(note.clone()));
        // A page of another epoch took the place of what was acknowledged; that is one fault.
        if expected.is_some() && *check == "int.page" {
            survey.note("int.acknowledged", evidence(note));
        }
        return;
    }
    let (Some(sequence), Some(method)) = (expected, method) else {
        let note = format!("{} sectors of page {page}, which was formatted, are zeros", seen.zero);
        survey.note("int.page", evidence(note));
        return;
    };
    survey.lose(method);
    let by = format!("sequence {sequence}, acknowledged by {}", method.words());
    let note = if seen.right > 0 {
        let sector = seen.old.first().map_or(0, |(sector, _)| *sector);
        let what = seen.old.first().map_or("zeros".to_owned(), |(_, old)| before(*old));
        let note = format!("page {page} is torn: {by}, but sector {sector} has {what}");
        survey.note("int.page", evidence(note.clone()));
        note
    } else {
        let what = seen.old.first().map_or("zeros".to_owned(), |(_, old)| before(*old));
        format!("page {page} must have {by}, and has {what}")
    };
    survey.note(method.check(), evidence(note.clone()));
    survey.note("int.acknowledged", evidence(note));
}

fn before(old: u64) -> String {
    match old {
        0 => "what it was formatted with".to_owned(),
        old => format!("sequence {old}"),
    }
}

/// What was written and not acknowledged may be there, or not, or in part.
fn tolerate(page: u64, expected: Option<u64>, seen: &Seen, survey: &mut Survey) {
    let sequence = expected.unwrap_or_default();
    // A late writer, or data that are ahead of the log, are faults whatever was acknowledged.
    for (check, sector, what) in &seen.wrong {
        if *check != "int.page" {
            let note = format!("sector {sector} of page {page}: {what}");
            survey.note(check, Evidence::note(note).file(DATA).offset(page * PAGE_BYTES));
            return;
        }
    }
    let how = if seen.right == 0 { "is not there" } else { "is there in part" };
    survey.tolerate(format!("sequence {sequence}, which was not acknowledged, {how}"));
}

fn look(
    log: &LogScan,
    layout: Layout,
    page: u64,
    bytes: &[u8],
    survey: &Survey,
    expected: Option<u64>,
) -> Seen {
    let mut seen = Seen::default();
    let epochs = expected.map_or((0, 0), |sequence| log.epochs_of(sequence));
    for (at, sector) in bytes.chunks_exact(SECTOR).enumerate() {
        let stamp = match read_sector(sector) {
            Sector::Zero => {
                seen.zero += 1;
                continue;
            }
            Sector::Good(stamp, index) => {
                let place = (stamp.file, stamp.page, usize::from(index));
                if run_text(&stamp.run) != survey.run {
                    seen.wrong.push(("int.page", at, "it is of another run".into()));
                    continue;
                } else if place != (File::Data, page, at) {
                    let what = format!("it is sector {index} of page {}", stamp.page);
                    seen.wrong.push(("int.page", at, what));
                    continue;
                }
                stamp
            }
            Sector::Damaged => {
                seen.wrong.push(("int.page", at, "its checksum is wrong".into()));
                continue;
            }
            Sector::Foreign => {
                let what = "it was not written by this program".to_owned();
                seen.wrong.push(("int.page", at, what));
                continue;
            }
        };
        let found = if stamp.kind == Kind::Empty { 0 } else { stamp.sequence };
        let fits = found == 0 || layout.page(found) == page;
        match (found, expected) {
            _ if !fits || !matches!(stamp.kind, Kind::Empty | Kind::Sequence) => {
                seen.wrong.push(("int.page", at, format!("sequence {found} does not belong here")));
            }
            (0, None) => seen.right += 1,
            (found, _) if found > log.last => {
                let last = log.last;
                let what = format!("sequence {found} of {}; the log ends with {last}", stamp.host);
                let known = stamp.epoch >= log.epoch();
                seen.wrong.push((if known { "int.order" } else { "int.epoch" }, at, what));
            }
            (found, Some(wanted)) if found == wanted => {
                if (epochs.0..=epochs.1).contains(&stamp.epoch) {
                    seen.right += 1;
                } else {
                    seen.wrong.push(("int.epoch", at, late(&stamp.host, stamp.epoch, epochs.1)));
                }
            }
            (0, _) => seen.old.push((at, 0)),
            (found, _) => {
                let own = log.epochs_of(found);
                // In the lap before, the page was written by its own epoch or by the one that began
                // right after it, and by no other.
                if (own.0..=own.1).contains(&stamp.epoch) {
                    seen.old.push((at, found));
                } else {
                    seen.wrong.push(("int.epoch", at, late(&stamp.host, stamp.epoch, epochs.1)));
                }
            }
        }
    }
    seen
}

fn late(host: &str, epoch: u32, newer: u32) -> String {
    format!("{host} wrote it in epoch {epoch}, after epoch {newer} had written here")
}
