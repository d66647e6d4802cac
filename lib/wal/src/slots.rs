//! The log control file: two slots, each change made durable in one before the other is touched.

use miqm_format::control::{Control, FILE_NAME, SLOT_BYTES, SLOTS};
use miqm_format::page::BadPage;
use miqm_sys::IoError;
use miqm_sys::clock::utc_now;
use miqm_sys::disk::{Disk, DiskFile};

use crate::error::{Damage, OpenError, Poison};

/// The open and locked control file.
#[derive(Debug)]
pub(crate) struct ControlFile<F> {
    file: F,
    state: Control,
    /// The sequence number in each slot; `None` if the slot is damaged.
    seqs: [Option<u64>; SLOTS],
}

impl<F: DiskFile> ControlFile<F> {
    /// Makes the file, locked and still empty.
    pub(crate) fn create<D: Disk<File = F>>(disk: &D, state: Control) -> Result<Self, OpenError> {
        let file = disk.create_new(FILE_NAME)?;
        if !file.try_lock_exclusive()? {
            return Err(OpenError::Busy { path: disk.path_of(FILE_NAME) });
        }
        Ok(Self { file, state, seqs: [None; SLOTS] })
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
        let seqs = [slots[0].as_ref().ok().map(|c| c.seq), slots[1].as_ref().ok().map(|c| c.seq)];
        let state = newest(slots).map_err(|bad| match bad {
            BadPage::Newer(version) => OpenError::NewerFormat { path, version },
            bad => OpenError::Damaged { path, offset: 0, what: Damage::Page(bad) },
        })?;
        Ok(Self { file, state, seqs })
    }

    /// What the file says.
    pub(crate) fn state(&self) -> &Control {
        &self.state
    }

    /// Whether one slot was damaged, or behind, when the file was opened.
    pub(crate) fn uneven(&self) -> bool {
        self.seqs[0] != self.seqs[1]
    }

    /// Changes what the file says, and makes that durable twice. After an error the file is not
    /// to be trusted.
    ///
    /// Where the storage lets a former active write, this must not undo what its successor wrote:
    /// whatever is not as it was left shows that there is one.
    pub(crate) fn update(&mut self, change: impl FnOnce(&mut Control)) -> Result<(), Poison> {
        for slot in read_slots(&self.file)?.into_iter().flatten() {
            if slot.seq > self.state.seq || slot.epoch > self.state.epoch {
                let path = self.file.path().to_owned();
                return Err(Poison::Fenced { path, epoch: slot.epoch });
            }
        }
        let mut next = self.state.clone();
        change(&mut next);
        next.seq = self.state.seq + 1;
        next.written = utc_now();
        let bytes = next.encode();
        // The worse slot first: at no moment is the only good one being overwritten.
        let first = usize::from(self.seqs[0] > self.seqs[1]);
        for slot in [first, 1 - first] {
            self.file.write_at(&bytes, (slot * SLOT_BYTES) as u64)?;
            self.file.sync_data()?;
            self.seqs[slot] = Some(next.seq);
        }
        self.state = next;
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
        [Ok(a), Ok(b)] => Ok(if b.seq > a.seq { b } else { a }),
        [Ok(one), Err(_)] | [Err(_), Ok(one)] => Ok(one),
    }
}
