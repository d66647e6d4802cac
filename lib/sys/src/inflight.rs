//! Which operation each thread is in, since when, on which path: how a hang is noticed.
//!
//! * A thread that enters an operation never waits for the observer, and the observer never waits
//!   for a thread: the table is made of atomics under a sequence lock, in memory that an observer
//!   in another process may share.
//! * Nothing is recorded, at the cost of one atomic load, until a table is installed
//!   ([`observe`], or [`crate::supervise::supervise`] in the child that it makes).
//! * Operations that announce themselves are single calls of the system. A composite (replacing
//!   a file, removing a tree) announces its parts, so that it may last as long as it makes progress.
//! * Within an announced operation another one is not recorded: the outermost counts.
//! * At most [`THREADS_MAX`] threads at a time are recorded; a thread beyond them is not.

use std::cell::Cell;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU8, AtomicU32, AtomicU64, Ordering, fence};
use std::time::Duration;

use crate::clock::BootInstant;
use crate::error::Op;

/// How many threads can be recorded at a time.
pub const THREADS_MAX: usize = 256;
/// How many bytes of a path are recorded; the rest of a longer one is cut off.
pub const PATH_BYTES_MAX: usize = 1000;

/// A deadline that never passes.
const NEVER: u64 = u64::MAX;

/// An operation that has lasted longer than its deadline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stuck {
    /// The operation.
    pub op: Op,
    /// Its path, perhaps cut off after [`PATH_BYTES_MAX`] bytes.
    pub path: PathBuf,
    /// How long it has lasted.
    pub elapsed: Duration,
}

/// An announced operation; it ends when this is dropped.
#[must_use = "the operation ends when this is dropped"]
#[derive(Debug)]
pub struct InFlight {
    slot: Option<&'static Slot>,
    /// A guard must be dropped by the thread that made it.
    _thread: std::marker::PhantomData<*const ()>,
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if let Some(slot) = self.slot {
            slot.change(|slot| slot.since.store(0, Ordering::Relaxed));
        }
    }
}

/// Announces an operation of this thread on `path`.
pub fn enter(op: Op, path: &Path) -> InFlight {
    InFlight { slot: begin(op, path), _thread: std::marker::PhantomData }
}

/// While it lives, the operations that this thread begins have a deadline of their own.
#[must_use = "the deadline ends when this is dropped"]
#[derive(Debug)]
pub struct Deadline {
    before: u64,
    _thread: std::marker::PhantomData<*const ()>,
}

impl Drop for Deadline {
    fn drop(&mut self) {
        MINE.try_with(|mine| mine.deadline.set(self.before)).unwrap_or(());
    }
}

/// Gives the operations that this thread begins from now on a deadline of their own.
pub fn deadline(duration: Duration) -> Deadline {
    set_deadline(nanos(duration).min(NEVER - 1))
}

/// Lets the operations that this thread begins from now on last as long as they need.
pub fn suspend() -> Deadline {
    set_deadline(NEVER)
}

/// Starts to record the operations of this process's threads. Once is enough; more do no harm.
pub fn observe() {
    static OWN: Table = Table::new();
    if TABLE.load(Ordering::Acquire).is_null() {
        install(&OWN);
    }
}

/// The recorded operation of this process that has been in flight longest, if any is.
pub fn longest() -> Option<Stuck> {
    installed()?.overdue(Duration::ZERO, BootInstant::from_nanos(0))
}

/// What every thread is in: all zero bits is the empty table.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct Table {
    slots: [Slot; THREADS_MAX],
}

impl Table {
    #[expect(clippy::large_stack_arrays, reason = "evaluated at compile time, for a static")]
    const fn new() -> Self {
        Self { slots: [const { Slot::new() }; THREADS_MAX] }
    }

    /// The operation furthest beyond its deadline, which is `default` unless it has its own. Time
    /// before `not_before` does not count.
    pub(crate) fn overdue(&self, default: Duration, not_before: BootInstant) -> Option<Stuck> {
        let now = BootInstant::now();
        let mut worst: Option<(Duration, Stuck)> = None;
        for seen in self.slots.iter().filter_map(Slot::read) {
            let elapsed = now.since(seen.since.max(not_before));
            let deadline = match seen.deadline {
                0 => default,
                NEVER => continue,
                nanos => Duration::from_nanos(nanos),
            };
            let Some(over) = elapsed.checked_sub(deadline) else { continue };
            if worst.as_ref().is_none_or(|(most, _)| over > *most) {
                worst = Some((over, Stuck { op: seen.op, path: seen.path, elapsed }));
            }
        }
        worst.map(|(_, stuck)| stuck)
    }
}

/// Makes `table` the one that this process's threads record in.
pub(crate) fn install(table: &'static Table) {
    TABLE.store(ptr::from_ref(table).cast_mut(), Ordering::Release);
}

static TABLE: AtomicPtr<Table> = AtomicPtr::new(ptr::null_mut());

fn installed() -> Option<&'static Table> {
    let table = TABLE.load(Ordering::Acquire);
    #[expect(
        unsafe_code,
        reason = "a table shared with another process has no owner to borrow from"
    )]
    // SAFETY: only `install` stores it, from a reference that lives as long as the process.
    unsafe {
        table.as_ref()
    }
}

#[repr(C)]
#[derive(Debug)]
struct Slot {
    /// 0 while no thread owns the slot.
    owned: AtomicU32,
    /// Odd while the owner changes what follows.
    sequence: AtomicU32,
    op: AtomicU32,
    path_len: AtomicU32,
    /// Nanoseconds since the boot; 0 while no operation is in flight.
    since: AtomicU64,
    /// Nanoseconds; 0 for the observer's own, [`NEVER`] for none.
    deadline: AtomicU64,
    path: [AtomicU8; PATH_BYTES_MAX],
}

struct Seen {
    op: Op,
    path: PathBuf,
    since: BootInstant,
    deadline: u64,
}

impl Slot {
    const fn new() -> Self {
        Self {
            owned: AtomicU32::new(0),
            sequence: AtomicU32::new(0),
            op: AtomicU32::new(0),
            path_len: AtomicU32::new(0),
            since: AtomicU64::new(0),
            deadline: AtomicU64::new(0),
            path: [const { AtomicU8::new(0) }; PATH_BYTES_MAX],
        }
    }

    /// Lets the owner change the slot so that no observer takes half of it for the whole.
    fn change(&self, change: impl FnOnce(&Self)) {
        let sequence = self.sequence.load(Ordering::Relaxed);
        self.sequence.store(sequence.wrapping_add(1), Ordering::Relaxed);
        fence(Ordering::Release);
        change(self);
        self.sequence.store(sequence.wrapping_add(2), Ordering::Release);
    }

    /// What is in flight; nothing if the owner changes it just now: then it has just begun or ended.
    fn read(&self) -> Option<Seen> {
        let before = self.sequence.load(Ordering::Acquire);
        let since = self.since.load(Ordering::Relaxed);
        if before % 2 == 1 || since == 0 {
            return None;
        }
        let op = self.op.load(Ordering::Relaxed);
        let deadline = self.deadline.load(Ordering::Relaxed);
        let len = (self.path_len.load(Ordering::Relaxed) as usize).min(PATH_BYTES_MAX);
        let path: Vec<u8> = self.path[..len].iter().map(|b| b.load(Ordering::Relaxed)).collect();
        fence(Ordering::Acquire);
        if self.sequence.load(Ordering::Relaxed) != before {
            return None;
        }
        let op = *Op::ALL.get(op as usize)?;
        let path = OsStr::from_bytes(&path).into();
        Some(Seen { op, path, since: BootInstant::from_nanos(since), deadline })
    }
}

/// This thread's slot and deadline.
struct Mine {
    table: Cell<*const Table>,
    slot: Cell<Option<&'static Slot>>,
    deadline: Cell<u64>,
}

impl Drop for Mine {
    fn drop(&mut self) {
        if let Some(slot) = self.slot.get() {
            slot.owned.store(0, Ordering::Release);
        }
    }
}

thread_local! {
    static MINE: Mine = const {
        Mine { table: Cell::new(ptr::null()), slot: Cell::new(None), deadline: Cell::new(0) }
    };
}

fn begin(op: Op, path: &Path) -> Option<&'static Slot> {
    let table = installed()?;
    // A thread that is being torn down has no slot any more.
    MINE.try_with(|mine| {
        let slot = own_slot(mine, table)?;
        if slot.since.load(Ordering::Relaxed) != 0 {
            return None;
        }
        let now = BootInstant::now().as_nanos().max(1);
        slot.change(|slot| {
            let path = path.as_os_str().as_bytes();
            let len = path.len().min(PATH_BYTES_MAX);
            for (to, from) in slot.path.iter().zip(&path[..len]) {
                to.store(*from, Ordering::Relaxed);
            }
            slot.path_len.store(u32::try_from(len).unwrap_or(0), Ordering::Relaxed);
            slot.op.store(u32::from(op as u8), Ordering::Relaxed);
            slot.deadline.store(mine.deadline.get(), Ordering::Relaxed);
            slot.since.store(now, Ordering::Relaxed);
        });
        Some(slot)
    })
    .ok()
    .flatten()
}

fn own_slot(mine: &Mine, table: &'static Table) -> Option<&'static Slot> {
    if !ptr::eq(mine.table.get(), table) {
        let free = |slot: &&Slot| {
            slot.owned.compare_exchange(0, 1, Ordering::AcqRel, Ordering::Relaxed).is_ok()
        };
        mine.slot.set(table.slots.iter().find(free));
        // Where all slots were taken, the next operation tries again.
        mine.table.set(if mine.slot.get().is_some() { table } else { ptr::null() });
    }
    mine.slot.get()
}

fn set_deadline(nanos: u64) -> Deadline {
    let before = MINE.try_with(|mine| mine.deadline.replace(nanos)).unwrap_or(0);
    Deadline { before, _thread: std::marker::PhantomData }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(NEVER).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::sleep;

    const MOMENT: Duration = Duration::from_millis(5);

    fn mine(path: &str) -> Option<Stuck> {
        // Tests share the process's table: only this test's path is of interest.
        let table = installed().unwrap();
        let seen = table.slots.iter().filter_map(Slot::read).find(|s| s.path == Path::new(path))?;
        Some(Stuck { op: seen.op, path: seen.path, elapsed: seen.since.elapsed() })
    }

    #[test]
    fn the_outermost_operation_is_seen_until_it_ends() {
        observe();
        let outer = enter(Op::Sync, Path::new("/outer"));
        let inner = enter(Op::Write, Path::new("/inner"));
        sleep(MOMENT);
        let seen = mine("/outer").unwrap();
        assert_eq!(seen.op, Op::Sync);
        assert!(seen.elapsed >= MOMENT);
        assert_eq!(mine("/inner"), None);
        drop(inner);
        assert!(mine("/outer").is_some());
        drop(outer);
        assert_eq!(mine("/outer"), None);
    }

    #[test]
    fn a_deadline_of_its_own_is_kept_and_none_never_passes() {
        static TABLE: Table = Table::new();
        let overdue = |by| TABLE.overdue(by, BootInstant::from_nanos(0)).map(|stuck| stuck.op);
        let slot = &TABLE.slots[7];
        let start = |deadline| {
            slot.change(|slot| {
                slot.op.store(Op::Lock as u32, Ordering::Relaxed);
                slot.deadline.store(deadline, Ordering::Relaxed);
                slot.since.store(BootInstant::now().as_nanos(), Ordering::Relaxed);
            });
            sleep(MOMENT);
        };
        start(0);
        assert_eq!(overdue(Duration::from_millis(1)), Some(Op::Lock));
        assert_eq!(overdue(Duration::from_secs(1000)), None);
        assert!(TABLE.overdue(Duration::from_millis(1), BootInstant::now()).is_none());
        start(nanos(Duration::from_secs(1000)));
        assert_eq!(overdue(Duration::from_millis(1)), None);
        start(NEVER);
        assert_eq!(overdue(Duration::ZERO), None);
    }

    #[test]
    fn deadlines_nest() {
        {
            let _outer = deadline(Duration::from_secs(9));
            {
                let _inner = suspend();
                assert_eq!(MINE.with(|mine| mine.deadline.get()), NEVER);
            }
            assert_eq!(MINE.with(|mine| mine.deadline.get()), 9_000_000_000);
        }
        assert_eq!(MINE.with(|mine| mine.deadline.get()), 0);
    }

    #[test]
    fn a_thread_gives_its_slot_back() {
        observe();
        for _ in 0..2 * THREADS_MAX {
            std::thread::spawn(|| {
                let _entered = enter(Op::Read, Path::new("/slot"));
                assert!(mine("/slot").is_some());
            })
            .join()
            .unwrap();
        }
    }

    #[test]
    fn a_long_path_is_cut_off() {
        observe();
        let long = "/x".repeat(PATH_BYTES_MAX);
        let _entered = enter(Op::Read, Path::new(&long));
        assert!(mine(&long[..PATH_BYTES_MAX]).is_some());
    }
}
