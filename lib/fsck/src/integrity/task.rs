//! A job of the integrity test, as an actor does it: in short steps.

use std::path::Path;
use std::time::Duration;

use miqm_sys::clock::BootInstant;
use miqm_sys::probe::{self, Dir, Family, Kind};

use super::append::Appending;
use super::files::{self, refused};
use super::format::Formatting;
use super::job::{Job, Known, Problem, Progress, Step};
use super::scan::Verifying;
use super::{DATA, LOG};
use miqm_sys::lock::Range;

/// The longest that one step goes on by itself, if no call takes longer.
const STEP_MAX: Duration = Duration::from_secs(1);

/// Work under way, with what it has open and locked.
#[derive(Debug, Default)]
pub struct Task(Work);

#[derive(Debug, Default)]
enum Work {
    #[default]
    Nothing,
    Format(Box<Formatting>),
    Append(Box<Appending>),
    Verify(Box<Checking>),
    /// It said this last, and says it again.
    Over(Box<Progress>),
}

/// A verification with its lock.
#[derive(Debug)]
struct Checking {
    dir: Dir,
    verifying: Verifying,
    /// Holds shared locks that keep everybody from writing.
    _locked: Vec<std::os::fd::OwnedFd>,
}

impl Task {
    /// Does what is asked in the directory at `path`.
    pub fn step(&mut self, path: &Path, step: &Step) -> Progress {
        let result = match step {
            Step::Begin(job) => {
                self.0 = Work::Nothing;
                begin(path, job).map(|work| {
                    let over = matches!(work, Work::Over(_));
                    self.0 = work;
                    if over { self.repeat() } else { Progress::Begun }
                })
            }
            Step::Go { ms, known } => {
                let span = Duration::from_millis((*ms).into()).min(STEP_MAX);
                self.go(BootInstant::now().saturating_add(span), known.as_ref())
            }
            Step::Finish => self.finish(),
        };
        let progress = result.unwrap_or_else(|problem| {
            let sequence = if let Work::Append(work) = &self.0 { work.acknowledged() } else { 0 };
            Progress::Problem { problem, sequence }
        });
        let over = matches!(
            progress,
            Progress::Problem { .. } | Progress::Formatted { .. } | Progress::Ended { .. }
        );
        if over {
            // Whatever was open is closed, and every lock given back.
            self.0 = Work::Over(Box::new(progress.clone()));
        }
        progress
    }

    fn repeat(&self) -> Progress {
        match &self.0 {
            Work::Over(progress) => progress.as_ref().clone(),
            _ => Progress::Problem { problem: Problem::Nothing, sequence: 0 },
        }
    }

    fn go(&mut self, until: BootInstant, known: Option<&Known>) -> Result<Progress, Problem> {
        match &mut self.0 {
            Work::Format(work) => work.go(until),
            Work::Append(work) => work.go(until, known),
            Work::Verify(work) => {
                let progress = work.verifying.go(&work.dir, until)?;
                if matches!(progress, Progress::Checked(_)) {
                    self.0 = Work::Over(Box::new(progress.clone()));
                }
                Ok(progress)
            }
            Work::Nothing | Work::Over(_) => Ok(self.repeat()),
        }
    }

    fn finish(&mut self) -> Result<Progress, Problem> {
        match &mut self.0 {
            Work::Append(work) => work.finish(),
            Work::Over(_) => Ok(self.repeat()),
            Work::Format(_) | Work::Verify(_) | Work::Nothing => {
                self.0 = Work::Nothing;
                Ok(Progress::Ended { sequence: 0 })
            }
        }
    }
}

fn begin(path: &Path, job: &Job) -> Result<Work, Problem> {
    let dir = Dir::open(path).map_err(|errno| refused("open", ".", errno))?;
    Ok(match job {
        Job::Format { pages, run, limit_ms, host } => {
            let formatting = Formatting::begin(dir, path, (*pages, *limit_ms), run, host)?;
            Work::Format(Box::new(formatting))
        }
        Job::Append { host, known } => {
            Work::Append(Box::new(Appending::begin(dir, path, host, known.clone())?))
        }
        Job::Verify { known } => Work::Verify(Box::new(verify(dir, known.as_ref())?)),
        Job::Remove => Work::Over(Box::new(Progress::Removed(files::remove(&dir)?))),
    })
}

fn verify(dir: Dir, known: Option<&Known>) -> Result<Checking, Problem> {
    let header = files::header(&dir)?;
    let mut locked = Vec::new();
    for name in [DATA, LOG] {
        // Through descriptors for reading only: there may be no permission to write.
        let fd = match dir.open_file(name, probe::How::RO) {
            Ok(fd) => fd,
            Err(files::ENOENT) => continue,
            Err(errno) => return Err(refused("open", name, errno)),
        };
        let as_fd = std::os::fd::AsFd::as_fd(&fd);
        match probe::lock(as_fd, Family::Ofd, Kind::Read, Range::WHOLE, false) {
            Ok(()) => locked.push(fd),
            Err(errno) if super::append::CONFLICT.contains(&errno) => {
                let holder = files::last_holder(&dir, &header.run);
                return Err(Problem::InUse { file: name.to_owned(), holder });
            }
            Err(errno) => return Err(refused("fcntl(F_OFD_SETLK, F_RDLCK)", name, errno)),
        }
    }
    let verifying = Verifying::begin(&dir, header, known)?;
    Ok(Checking { dir, verifying, _locked: locked })
}
