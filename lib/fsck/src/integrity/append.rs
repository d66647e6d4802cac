//! Waiting for the lock, verifying, and appending under it.

mod writer;

use std::path::{Path, PathBuf};
use std::time::Duration;

use miqm_sys::clock::{BootInstant, sleep};
use miqm_sys::fs;
use miqm_sys::probe::{Dir, How};

use super::files::{self, Header, Reader, refused};
use super::job::{Known, Problem, Progress, run_text};
use super::layout::{FIRST, Layout, Method};
use super::page::{File, Kind, PAGE, PAGE_BYTES, RunId, read_whole};
use super::record::Entry;
use super::scan::{self, Verifying};
use super::{DATA, LOG};
use writer::{Locked, Writer};

/// `EAGAIN`, `EACCES`: somebody else holds the lock.
pub(super) const CONFLICT: [i32; 2] = [11, 13];
const EIO: i32 = 5;
/// How often a lock is asked for that somebody else holds. By asking and not by waiting in a call, as
/// instances do: a server that does not notify waiters delays nobody.
const ASK: Duration = Duration::from_millis(100);
/// How often the one who waits looks whether the holder goes on.
const LOOK: Duration = Duration::from_secs(1);

/// Appending, from waiting for the lock on.
#[derive(Debug)]
pub(super) struct Appending {
    dir: Dir,
    path: PathBuf,
    host: String,
    known: Option<Known>,
    stage: Stage,
    seen: Seen,
}

#[derive(Debug)]
enum Stage {
    Waiting,
    Checking(Box<Checking>),
    /// The next step begins the epoch.
    Ready(Box<Checking>),
    Inconsistent,
    Writing(Box<Writer>),
}

#[derive(Debug)]
struct Checking {
    header: Header,
    locked: Locked,
    verifying: Verifying,
    /// How long the last sign of the holder before is ago, in microseconds.
    since: Option<u64>,
}

/// What was seen of the holder while waiting.
#[derive(Debug, Default)]
struct Seen {
    run: RunId,
    /// The last checkpoint: its page was durable before it was written.
    sequence: u64,
    /// When it was seen to change last; `None` if it never was.
    changed: Option<BootInstant>,
    looked: Option<BootInstant>,
    holder: String,
}

impl Appending {
    pub(super) fn begin(
        dir: Dir,
        path: &Path,
        host: &str,
        known: Option<Known>,
    ) -> Result<Self, Problem> {
        files::header(&dir)?;
        let (path, host) = (path.to_owned(), host.to_owned());
        Ok(Self { dir, path, host, known, stage: Stage::Waiting, seen: Seen::default() })
    }

    /// The last sequence that this job acknowledged; 0 if none was.
    pub(super) fn acknowledged(&self) -> u64 {
        if let Stage::Writing(writer) = &self.stage { writer.acknowledged() } else { 0 }
    }

    pub(super) fn go(
        &mut self,
        until: BootInstant,
        known: Option<&Known>,
    ) -> Result<Progress, Problem> {
        if let Some(known) = known {
            self.known = Some(known.clone());
        }
        match std::mem::replace(&mut self.stage, Stage::Inconsistent) {
            Stage::Waiting => {
                self.stage = Stage::Waiting;
                self.wait(until)
            }
            Stage::Checking(mut checking) => {
                checking.locked.assert()?;
                let progress = checking.verifying.go(&self.dir, until)?;
                self.stage = match &progress {
                    Progress::Checked(survey) if survey.consistent() => Stage::Ready(checking),
                    Progress::Checked(_) => Stage::Inconsistent,
                    _ => Stage::Checking(checking),
                };
                Ok(progress)
            }
            Stage::Ready(checking) => {
                let dir = Dir::open(&self.path).map_err(|errno| refused("open", ".", errno))?;
                let Checking { header, locked, verifying, since } = *checking;
                let log = verifying.log;
                let (writer, takeover) =
                    Writer::begin(dir, header, locked, &log, &self.host, since)?;
                self.stage = Stage::Writing(Box::new(writer));
                Ok(Progress::Taken(Box::new(takeover)))
            }
            Stage::Inconsistent => Err(Problem::Inconsistent),
            Stage::Writing(writer) => {
                // Put back first: what it has acknowledged is asked for if it fails.
                self.stage = Stage::Writing(writer);
                if let Stage::Writing(writer) = &mut self.stage {
                    writer.go(until)
                } else {
                    Err(Problem::Nothing)
                }
            }
        }
    }

    pub(super) fn finish(&mut self) -> Result<Progress, Problem> {
        if let Stage::Writing(writer) = &mut self.stage {
            writer.end()?;
        }
        Ok(Progress::Ended { sequence: self.acknowledged() })
    }

    fn wait(&mut self, until: BootInstant) -> Result<Progress, Problem> {
        let mut main = None;
        loop {
            let file = match main.take() {
                Some(file) => file,
                None => open(&self.dir, DATA, How::RW)?,
            };
            let header = files::header(&self.dir)?;
            match Locked::take(&self.dir, &self.path, header.layout, file)? {
                // It may have been formatted anew while we waited.
                Ok(locked) if !locked.still_named()? => {}
                Ok(locked) => {
                    self.taken(locked)?;
                    return Ok(Progress::Checking { done: 0, of: 0 });
                }
                Err(file) => {
                    main = file;
                    self.look(&header);
                    if until.left().is_zero() {
                        let (holder, seen) = (self.seen.holder.clone(), self.seen.sequence);
                        return Ok(Progress::Waiting { holder, seen });
                    }
                    sleep(until.left().min(ASK));
                }
            }
        }
    }

    /// The locks are had.
    fn taken(&mut self, locked: Locked) -> Result<(), Problem> {
        let header = files::header(&self.dir)?;
        let run = run_text(&header.run);
        let same_run = self.seen.run == header.run;
        let seen = self.seen.changed.filter(|_| same_run).map(BootInstant::elapsed);
        let known = self.known.as_ref().filter(|known| known.run == run);
        let told = known.and_then(|known| known.idle_ms).map(Duration::from_millis);
        let since = seen.into_iter().chain(told).min();
        let since = since.and_then(|since| u64::try_from(since.as_micros()).ok());
        let witnessed = scan::witnessed(self.known.as_ref(), &run);
        let seen = if same_run { self.seen.sequence } else { 0 };
        let known = Known { run, sequence: witnessed.max(seen), idle_ms: None };
        let verifying = Verifying::begin(&self.dir, header.clone(), Some(&known))?;
        self.stage = Stage::Checking(Box::new(Checking { header, locked, verifying, since }));
        Ok(())
    }

    /// Looks whether the holder goes on. That it cannot be seen is no fault.
    fn look(&mut self, header: &Header) {
        if self.seen.looked.is_some_and(|looked| looked.elapsed() < LOOK) {
            return;
        }
        self.seen.looked = Some(BootInstant::now());
        if self.seen.run != header.run {
            self.seen = Seen { run: header.run, looked: self.seen.looked, ..Seen::default() };
        }
        self.seen.holder = files::last_holder(&self.dir, &header.run);
        let Ok(mut reader) = Reader::open(&self.dir, DATA) else { return };
        let Ok(bytes) = reader.read(&self.dir, PAGE_BYTES, 2 * PAGE) else { return };
        let best = bytes
            .chunks_exact(PAGE)
            .filter_map(read_whole)
            .filter(|stamp| (stamp.run, stamp.kind) == (header.run, Kind::Checkpoint))
            .map(|stamp| stamp.sequence)
            .max();
        let Some(best) = best else { return };
        if best > self.seen.sequence {
            // The first look tells nothing about when it was written.
            if self.seen.sequence > 0 {
                self.seen.changed = Some(BootInstant::now());
            }
            self.seen.sequence = best;
        }
    }
}

fn open(dir: &Dir, name: &str, how: How) -> Result<fs::File, Problem> {
    dir.open_file(name, how).map(fs::File::from).map_err(|errno| refused("open", name, errno))
}
