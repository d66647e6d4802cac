//! The log control file: two slots, each change made durable in one before the other is touched.

use miqm_format::control::{Control, FILE_NAME, SLOT_BYTES, SLOTS};
use miqm_format::page::BadPage;
use miqm_sys::IoError;
use miqm_sys::clock::utc_now;
use miqm_sys::disk::{Disk, DiskFile};
use miqm_types::{Epoch, InstanceId};

use crate::error::{Damage, OpenError, Poison};

/// Which state a slot holds; the greater counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Mark {
    epoch: Epoch,
    seq: u64,
    instance: InstanceId,
}

impl Mark {
    fn of(control: &Control) -> Self {
        Self { epoch: control.epoch, seq: control.seq, instance: control.instance }
    }
}

/// The open and locked control file.
#[derive(Debug)]
pub(crate) struct ControlFile<F> {
    file: F,
    state: Control,
    /// What each slot says; `None` if it is damaged.
    slots: [Option<Mark>; SLOTS],
}

impl<F: DiskFile> ControlFile<F> {
    /// Makes the file, locked and still empty.
    pub(crate) fn create<D: Disk<File = F>>(disk: &D, state: Control) -> Result<Self, OpenError> {
        let file = disk.create_new(FILE_NAME)?;
        if !file.try_lock_exclusive()? {
            return Err(OpenError::Busy { path: disk.path_of(FILE_NAME) });
        }
        Ok(Self { file, state, slots: [None; SLOTS] })
    }

    /// Opens, locks and reads the file.
    pub(crate) fn open<D: Disk<File = F>>(disk: &D) -> Result<Self, OpenError> {
        let path = disk.path_of(FILE_NAME);
        let Some(file) = disk.open_rw(FILE_NAME)? else {
            return Err(OpenError::Missing { path });
        };
        if !file.try_lock_exclusive()? {
            return Err(OpenError::Busy { path });
        }
        let slots = read_slots(&file)?;
        let marks = slots.each_ref().map(|slot| slot.as_ref().ok().map(Mark::of));
        let state = newest(slots).map_err(|bad| match bad {
            BadPage::Newer(version) => OpenError::NewerFormat { path, version },
            bad => OpenError::Damaged { path, offset: 0, what: Damage::Page(bad) },
        })?;
        Ok(Self { file, state, slots: marks })
    }

    /// What the file says.
    pub(crate) fn state(&self) -> &Control {
        &self.state
    }

    /// Whether one slot was damaged, or behind, when the file was opened.
    pub(crate) fn uneven(&self) -> bool {
        self.slots[0] != self.slots[1]
    }

    /// Changes what the file says, and makes that durable twice. After an error the file is not
    /// to be trusted.
    ///
    /// Where the storage lets a former active write, this must not undo what its successor wrote:
    /// whatever is not as it was left shows that there is one.
    pub(crate) fn update(&mut self, change: impl FnOnce(&mut Control)) -> Result<(), Poison> {
        let mut next = self.state.clone();
        change(&mut next);
        next.seq = self.state.seq + 1;
        next.written = utc_now();
        let bytes = next.encode();
        // The worse slot first: at no moment is the only good one being overwritten.
        let first = usize::from(self.slots[0] > self.slots[1]);
        for slot in [first, 1 - first] {
            self.check()?;
            self.file.write_at(&bytes, (slot * SLOT_BYTES) as u64)?;
            self.file.sync_data()?;
            self.slots[slot] = Some(Mark::of(&next));
        }
        self.state = next;
        Ok(())
    }

    /// Whether the slots say what they were left with.
    fn check(&self) -> Result<(), Poison> {
        for (slot, known) in read_slots(&self.file)?.iter().zip(self.slots) {
            if let Ok(found) = slot
                && Some(Mark::of(found)) != known
            {
                let path = self.file.path().to_owned();
                return Err(Poison::Fenced { path, epoch: found.epoch });
            }
        }
        Ok(())
    }

    /// The file, to look after its lock.
    pub(crate) fn file(&self) -> &F {
        &self.file
    }
}

/// Reads both slots of a control file.
pub(crate) fn read_slots<F: DiskFile>(
    file: &F,
) -> Result<[Result<Control, BadPage>; SLOTS], IoError> {
    let mut bytes = [0; SLOT_BYTES * SLOTS];
    let read = file.read_at(&mut bytes, 0)?;
    let (first, second) = bytes[..read].split_at(read.min(SLOT_BYTES));
    Ok([Control::decode(first), Control::decode(second)])
}

/// The slot that counts. A slot of a newer format is not passed over for an older one.
pub(crate) fn newest(slots: [Result<Control, BadPage>; SLOTS]) -> Result<Control, BadPage> {
    match slots {
        [Err(bad @ BadPage::Newer(_)), _]
        | [_, Err(bad @ BadPage::Newer(_))]
        | [Err(bad), Err(_)] => Err(bad),
        [Ok(a), Ok(b)] => Ok(if Mark::of(&b) > Mark::of(&a) { b } else { a }),
        [Ok(one), Err(_)] | [Err(_), Ok(one)] => Ok(one),
    }
}
