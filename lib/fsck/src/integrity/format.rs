//! Making and filling the files.

use std::os::fd::AsFd;
use std::path::Path;
use std::time::Duration;

use miqm_sys::clock::BootInstant;
use miqm_sys::fs;
use miqm_sys::lock::{LockedFile, Range};
use miqm_sys::probe::{self, Dir, How};

use super::files::{self, CHUNK, ENOENT, First, refused, write_all};
use super::job::{Problem, Progress, run_id};
use super::layout::{Method, PAGES_MIN, round_pages};
use super::page::{self, Kind, PAGE, PAGE_BYTES, RunId, Stencil};
use super::{DATA, LOG};

const EINVAL: i32 = 22;
/// After so many pages it is measured how long all would take.
const TRIAL_PAGES: u64 = 16 * 256;
/// A file with fewer pages than this is not tried out first.
const TRIAL_FROM: u64 = 4 * TRIAL_PAGES;
/// The share of the time after which the pages that are left are given up.
const SHARE: f64 = 0.75;

/// Formatting that is under way.
#[derive(Debug)]
pub(super) struct Formatting {
    dir: Dir,
    run: RunId,
    host: String,
    file: LockedFile,
    pages: u64,
    asked: u64,
    seconds_max: f64,
    began: BootInstant,
    /// The next page.
    next: u64,
    tried: bool,
    stencil: Stencil,
    /// Empty pages of the run, of any number.
    chunk: Vec<u8>,
}

impl Formatting {
    pub(super) fn begin(
        dir: Dir,
        path: &Path,
        (pages, limit_ms): (u64, u64),
        run: &str,
        host: &str,
    ) -> Result<Self, Problem> {
        let bad = || refused("format", DATA, EINVAL);
        let run = run_id(run).ok_or_else(bad)?;
        let pages = round_pages(pages).filter(|rounded| *rounded == pages).ok_or_else(bad)?;
        let sides = Method::ALL.into_iter().map(Method::file);
        for name in sides.chain([DATA, LOG]) {
            if files::is_ours(&dir, name)? == Some(false) {
                return Err(Problem::Foreign { file: name.to_owned() });
            }
        }
        if let First::Ours(stamp, _) = files::first(&dir, DATA)?
            && stamp.kind == Kind::Header
            && stamp.sequence != pages
        {
            return Err(Problem::OtherSize { pages: stamp.sequence });
        }
        let opened = match dir.open_file(DATA, How::RW) {
            Err(ENOENT) => dir.open_file(DATA, How::NEW),
            opened => opened,
        };
        let fd = opened.map_err(|errno| refused("open", DATA, errno))?;
        let locked = LockedFile::try_lock(fs::File::from(fd), &path.join(DATA), Range::WHOLE);
        let locked = locked.map_err(|error| refused("lock", DATA, error.errno().unwrap_or(5)))?;
        let Ok(file) = locked else {
            let holder = files::header(&dir).map(|header| files::last_holder(&dir, &header.run));
            let holder = holder.unwrap_or_default();
            return Err(Problem::InUse { file: DATA.to_owned(), holder });
        };
        let (stencil, page) = Stencil::new(run);
        let chunk = page.repeat(CHUNK / PAGE);
        let (host, began) = (host.to_owned(), BootInstant::now());
        let seconds_max = Duration::from_millis(limit_ms).as_secs_f64();
        let (next, tried, asked) = (0, pages < TRIAL_FROM, pages);
        let mut new = Self {
            dir,
            run,
            host,
            file,
            pages,
            asked,
            seconds_max,
            began,
            next,
            tried,
            stencil,
            chunk,
        };
        new.mark_begun()?;
        Ok(new)
    }

    /// From now on, and until the end, the files are known to be incomplete.
    fn mark_begun(&mut self) -> Result<(), Problem> {
        self.write_header(Kind::Begun)?;
        self.sync()?;
        files::remove_markers(&self.dir)?;
        for name in Method::ALL.into_iter().map(Method::file).chain([LOG]) {
            let file = self.dir.open_file(name, How::MAKE);
            let file = file.map_err(|errno| refused("open", name, errno))?;
            probe::set_length(file.as_fd(), 0).map_err(|e| refused("ftruncate", name, e))?;
        }
        self.next = 1;
        Ok(())
    }

    fn write_header(&self, kind: Kind) -> Result<(), Problem> {
        let (file, host) = (page::File::Data, &self.host);
        let bytes = files::header_page(self.run, file, kind, self.pages, self.asked, host);
        self.write(&bytes, 0)
    }

    fn write(&self, bytes: &[u8], at: u64) -> Result<(), Problem> {
        write_all(self.file.file().as_fd(), bytes, at)
            .map_err(|errno| refused("pwrite", DATA, errno))
    }

    fn sync(&self) -> Result<(), Problem> {
        probe::fsync(self.file.file().as_fd()).map_err(|errno| refused("fsync", DATA, errno))
    }

    pub(super) fn go(&mut self, until: BootInstant) -> Result<Progress, Problem> {
        let done = self.fill(until);
        if let Err(problem @ Problem::Full { .. }) = done {
            // What was filled is of no use, and the space is needed.
            files::remove(&self.dir).ok();
            return Err(problem);
        }
        done
    }

    fn fill(&mut self, until: BootInstant) -> Result<Progress, Problem> {
        while self.next < self.pages {
            let count = (self.pages - self.next).min((CHUNK / PAGE) as u64);
            let bytes = usize::try_from(count).unwrap_or_default() * PAGE;
            for (number, page) in (self.next..).zip(self.chunk[..bytes].chunks_exact_mut(PAGE)) {
                self.stencil.renumber(page, number);
            }
            self.write(&self.chunk[..bytes], self.next * PAGE_BYTES)?;
            self.next += count;
            self.reduce()?;
            if until.left().is_zero() {
                return Ok(Progress::Formatting { done: self.next, pages: self.pages });
            }
        }
        self.complete()
    }

    /// Makes the file shorter if filling all of it would take too long.
    fn reduce(&mut self) -> Result<(), Problem> {
        let spent = self.began.elapsed().as_secs_f64();
        let in_time = if !self.tried && self.next >= TRIAL_PAGES {
            self.tried = true;
            self.sync()?;
            let spent = self.began.elapsed().as_secs_f64().max(1e-6);
            pages_in(self.next, spent, self.seconds_max)
        } else if spent > self.seconds_max * SHARE {
            // What the caches of this host took so far must be synced, too.
            self.next
        } else {
            return Ok(());
        };
        let least = self.next.max(PAGES_MIN).next_multiple_of(PAGES_MIN);
        let fewer = (in_time / PAGES_MIN * PAGES_MIN).max(least);
        self.pages = self.pages.min(fewer);
        Ok(())
    }

    fn complete(&mut self) -> Result<Progress, Problem> {
        let fd = self.file.file().as_fd();
        probe::set_length(fd, self.pages * PAGE_BYTES)
            .map_err(|errno| refused("ftruncate", DATA, errno))?;
        let syncing = BootInstant::now();
        self.sync()?;
        let sync_seconds = syncing.elapsed().as_secs_f64();
        let (file, host) = (page::File::Log, &self.host);
        let bytes = files::header_page(self.run, file, Kind::Header, self.pages, self.asked, host);
        for name in Method::ALL.into_iter().map(Method::file).chain([LOG]) {
            let file = self.dir.open_file(name, How::RW);
            let file = file.map_err(|errno| refused("open", name, errno))?;
            write_all(file.as_fd(), &bytes, 0).map_err(|e| refused("pwrite", name, e))?;
            probe::fsync(file.as_fd()).map_err(|errno| refused("fsync", name, errno))?;
            probe::close(file).map_err(|errno| refused("close", name, errno))?;
        }
        // Not every file system can sync a directory; the checks tell that.
        let _ = self.dir.sync(".");
        self.write_header(Kind::Header)?;
        self.sync()?;
        let seconds = self.began.elapsed().as_secs_f64();
        Ok(Progress::Formatted { pages: self.pages, asked: self.asked, seconds, sync_seconds })
    }
}

/// How many pages can be filled in a time, if so many took so long.
fn pages_in(done: u64, spent: f64, seconds: f64) -> u64 {
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an estimate, and the conversion saturates"
    )]
    let pages = (done as f64 / spent * seconds) as u64;
    pages
}
