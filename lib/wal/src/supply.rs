//! The supply of extents: the next is ready before the current one is full, and those that
//! recovery no longer needs are used again or removed.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;

use miqm_sys::IoError;
use miqm_sys::disk::{Disk, DiskFile};
use miqm_types::{ExtentNo, LogManagement, LogType, Lsn};

use crate::error::{Full, Poison};
use crate::extent::{self, Extent};
use crate::log::Shared;

/// An extent of the log as recovery needs it.
#[derive(Debug)]
pub(crate) struct Link<F> {
    pub(crate) no: ExtentNo,
    /// The open file, if it is of one's own epoch.
    pub(crate) own: Option<Arc<Extent<F>>>,
}

/// The extents that are there, and what is to be done with them.
#[derive(Debug)]
pub(crate) struct Supply<F> {
    pub(crate) primary: usize,
    pub(crate) limit: usize,
    pub(crate) log_type: LogType,
    /// What recovery needs, oldest first; the last is being written.
    pub(crate) chain: VecDeque<Link<F>>,
    /// Ready to be written, in order.
    pub(crate) ready: VecDeque<Arc<Extent<F>>>,
    /// Of one's own epoch, not needed, to be used again; and how many had been made before it
    /// became so.
    pub(crate) inactive: Vec<(u64, Arc<Extent<F>>)>,
    /// Names to remove.
    pub(crate) garbage: Vec<String>,
    /// The lowest number that was never used.
    pub(crate) next_no: ExtentNo,
    /// Whether somebody is preparing an extent.
    pub(crate) preparing: bool,
    /// Why the latest try to prepare an extent failed for lack of space.
    pub(crate) no_space: Option<PathBuf>,
    /// A position that the control file should know to be durable.
    pub(crate) note_durable: bool,
    pub(crate) made: u64,
    pub(crate) reused: u64,
    pub(crate) removed: u64,
}

/// What to do next.
enum Task<F> {
    Note,
    Remove(Vec<String>),
    Make(ExtentNo),
    Reuse(ExtentNo, Arc<Extent<F>>),
}

impl<F: DiskFile> Supply<F> {
    pub(crate) fn new(primary: u16, secondary: u16, log_type: LogType, next_no: ExtentNo) -> Self {
        Self {
            primary: usize::from(primary),
            limit: usize::from(primary) + usize::from(secondary),
            log_type,
            chain: VecDeque::new(),
            ready: VecDeque::new(),
            inactive: Vec::new(),
            garbage: Vec::new(),
            next_no,
            preparing: false,
            no_space: None,
            note_durable: false,
            made: 0,
            reused: 0,
            removed: 0,
        }
    }

    fn total(&self) -> usize {
        self.chain.len() + self.ready.len() + self.inactive.len() + usize::from(self.preparing)
    }

    fn can_prepare(&self) -> bool {
        !self.inactive.is_empty() || self.total() < self.limit
    }

    /// Why there is no next extent, if there is none and nobody can make one now.
    pub(crate) fn full(&self) -> Option<Full> {
        if !self.ready.is_empty() || self.preparing {
            return None;
        }
        match &self.no_space {
            Some(path) => Some(Full::Disk(path.clone())),
            None => (!self.can_prepare()).then_some(Full::Extents),
        }
    }

    /// Lets go of the extents before `oldest`.
    ///
    /// A secondary extent is removed when other extents were prepared twice while it was not, so
    /// that a steady load does not make and remove one all the time.
    pub(crate) fn release(&mut self, oldest: ExtentNo) {
        while self.total() > self.primary
            && self.inactive.first().is_some_and(|(since, _)| since + 2 <= self.made)
        {
            let (_, surplus) = self.inactive.remove(0);
            self.garbage.push(surplus.no.file_name());
        }
        while self.chain.len() > 1 && self.chain[0].no < oldest {
            let link = self.chain.pop_front().expect("there is more than one");
            match (self.log_type, link.own) {
                (LogType::Circular, Some(own)) => self.inactive.push((self.made, own)),
                (LogType::Circular | LogType::Linear(LogManagement::Automatic), _) => {
                    self.garbage.push(link.no.file_name());
                }
                (LogType::Linear(LogManagement::Manual | LogManagement::Archive), _) => {}
            }
        }
        self.no_space = None;
    }

    /// Whether there is something to do that has not just failed for lack of space.
    pub(crate) fn is_due(&self) -> bool {
        self.note_durable || !self.garbage.is_empty() || self.no_space.is_none() && self.wants()
    }

    fn wants(&self) -> bool {
        let few = matches!(self.log_type, LogType::Circular) && self.total() < self.primary;
        !self.preparing && (self.ready.is_empty() || few) && self.can_prepare()
    }

    fn next_task(&mut self, retry: bool) -> Option<Task<F>> {
        if std::mem::take(&mut self.note_durable) {
            return Some(Task::Note);
        }
        // Space first: what is removed may be what the next extent needs.
        if !self.garbage.is_empty() {
            return Some(Task::Remove(std::mem::take(&mut self.garbage)));
        }
        if !self.wants() || self.no_space.is_some() && !retry {
            return None;
        }
        self.preparing = true;
        match self.inactive.pop() {
            Some((_, old)) => Some(Task::Reuse(self.next_no, old)),
            None => Some(Task::Make(self.next_no)),
        }
    }
}

impl<D: Disk> Shared<D> {
    /// Does what is due. With `retry`, also what lately failed for lack of space.
    pub(crate) fn tend(&self, retry: bool) {
        let mut retry = retry;
        while self.check().is_ok() {
            let task = self.lock().supply.next_task(retry);
            retry = false;
            let done = match task {
                None => return,
                Some(Task::Note) => self.note_durable(),
                Some(Task::Remove(names)) => self.remove(names),
                Some(Task::Make(no)) => self.prepared(
                    self.before_write().and_then(|()| extent::make(&self.disk, &self.family, no)),
                ),
                Some(Task::Reuse(no, old)) => self.prepared_again(no, old),
            };
            if let Err(poison) = done {
                self.poison(poison);
            }
        }
        self.supplied.notify_all();
    }

    fn note_durable(&self) -> Result<(), Poison> {
        self.before_write()?;
        let mut control = self.lock_control();
        let durable = self.durable();
        control.update(|control| control.durable = Lsn(control.durable.0.max(durable.0)))?;
        Ok(())
    }

    fn remove(&self, names: Vec<String>) -> Result<(), Poison> {
        self.before_write()?;
        let mut removed = 0;
        for name in names {
            removed += u64::from(self.disk.unlink(&name)?);
        }
        self.lock().supply.removed += removed;
        Ok(())
    }

    fn prepared_again(&self, no: ExtentNo, old: Arc<Extent<D::File>>) -> Result<(), Poison> {
        let result =
            self.before_write().and_then(|()| extent::reuse(&self.disk, &self.family, &old, no));
        if result.is_err() {
            let mut state = self.lock();
            let made = state.supply.made;
            state.supply.inactive.push((made, old));
        } else {
            self.lock().supply.reused += 1;
        }
        self.prepared(result)
    }

    fn prepared(&self, result: Result<Extent<D::File>, Poison>) -> Result<(), Poison> {
        let mut state = self.lock();
        let supply = &mut state.supply;
        supply.preparing = false;
        let outcome = match result {
            Ok(extent) => {
                supply.made += 1;
                supply.no_space = None;
                supply.next_no = extent.no.next();
                supply.ready.push_back(Arc::new(extent));
                Ok(())
            }
            Err(Poison::Io(error)) if error.is_no_space() => {
                supply.no_space = Some(error.path);
                Ok(())
            }
            Err(poison) => Err(poison),
        };
        drop(state);
        self.supplied.notify_all();
        outcome
    }

    /// Every file that is held, with the name that it should have.
    pub(crate) fn held_files(&self) -> Vec<(String, Arc<Extent<D::File>>)> {
        let state = self.lock();
        let supply = &state.supply;
        let chain = supply.chain.iter().filter_map(|link| link.own.as_ref());
        let inactive = supply.inactive.iter().map(|(_, extent)| extent);
        let all = chain.chain(&supply.ready).chain(inactive);
        all.map(|extent| (extent.no.file_name(), Arc::clone(extent))).collect()
    }

    /// Asserts every lock anew; `false` if one is somebody else's.
    pub(crate) fn reassert_all(&self) -> Result<bool, IoError> {
        if !self.lock_control().file().reassert()? {
            return Ok(false);
        }
        for (_, extent) in self.held_files() {
            if !extent.file.reassert().map_err(|error| extent.renamed(error))? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
