//! One mount: its gate, its faults, its open files and the inodes its kernel knows.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

use fuser::FileType;
use nix::libc;

/// What can be made to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    /// `read` and its kin.
    Read,
    /// `write` and its kin.
    Write,
    /// `fsync` and `fdatasync`, also of a directory.
    Sync,
    /// To take a lock.
    Lock,
}

/// A call that fails.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    /// Which call.
    pub(crate) op: Op,
    /// On files whose name ends so.
    pub(crate) file: String,
    /// How many of these calls are let through first.
    pub(crate) after: u64,
    /// How many fail then; `None`: all.
    pub(crate) times: Option<u64>,
    /// With what.
    pub(crate) errno: i32,
}

impl Fault {
    /// The call number `nth`, from 1, of any file fails once with EIO.
    pub(crate) fn eio(op: Op, nth: u64) -> Self {
        Self { op, file: String::new(), after: nth - 1, times: Some(1), errno: libc::EIO }
    }

    fn strikes(&mut self, op: Op, path: &Path) -> Option<i32> {
        let name = path.as_os_str().as_encoded_bytes();
        if self.op != op || !name.ends_with(self.file.as_bytes()) {
            return None;
        }
        if self.after > 0 {
            self.after -= 1;
            return None;
        }
        match &mut self.times {
            None => Some(self.errno),
            Some(0) => None,
            Some(times) => {
                *times -= 1;
                Some(self.errno)
            }
        }
    }
}

/// Whether calls are let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gate {
    Open,
    /// They wait.
    Closed,
    /// They fail: the mount is being removed.
    Gone,
}

struct Passage {
    gate: Gate,
    /// Calls that have passed the gate and have not answered yet.
    inside: usize,
}

#[derive(Default)]
struct Trouble {
    faults: Vec<Fault>,
    struck: Vec<PathBuf>,
    full: bool,
    calls: [u64; 4],
}

/// What a lost lock makes of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fenced {
    No,
    /// The client has not noticed.
    Unnoticed,
    /// A write was taken and thrown away; the next sync has to tell.
    OwesError,
    /// It was told.
    Told,
}

/// An open file.
pub(super) struct Handle {
    pub(super) file: File,
    pub(super) inode: u64,
    fenced: Mutex<Fenced>,
}

/// An entry of a directory that is being read.
#[derive(Clone)]
pub(super) struct DirEntry {
    pub(super) inode: u64,
    pub(super) kind: FileType,
    pub(super) name: std::ffi::OsString,
}

struct Known {
    /// Opened with `O_PATH`: keeps the inode, and so its number, alive.
    file: Arc<File>,
    lookups: u64,
}

pub(super) struct Side {
    pub(super) name: Arc<str>,
    pub(super) number: usize,
    root: Arc<File>,
    root_inode: u64,
    passage: Mutex<Passage>,
    passed: Condvar,
    trouble: Mutex<Trouble>,
    known: Mutex<HashMap<u64, Known>>,
    handles: Mutex<HashMap<u64, Arc<Handle>>>,
    directories: Mutex<HashMap<u64, Arc<Vec<DirEntry>>>>,
    last_handle: Mutex<u64>,
}

/// A call that has passed the gate.
pub(super) struct Inside<'a>(&'a Side);

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        lock(&self.0.passage).inside -= 1;
        self.0.passed.notify_all();
    }
}

/// The number of the root, in the kernel's eyes.
pub(super) const ROOT: u64 = 1;

impl Side {
    pub(super) fn new(name: &str, number: usize, backing: &Path) -> io::Result<Self> {
        let root = open_path(backing)?;
        let root_inode = root.metadata()?.ino();
        Ok(Self {
            name: name.into(),
            number,
            root: Arc::new(root),
            root_inode,
            passage: Mutex::new(Passage { gate: Gate::Open, inside: 0 }),
            passed: Condvar::new(),
            trouble: Mutex::default(),
            known: Mutex::default(),
            handles: Mutex::default(),
            directories: Mutex::default(),
            last_handle: Mutex::default(),
        })
    }

    /// Waits until the gate is open. An error means that the mount goes away.
    pub(super) fn enter(&self) -> io::Result<Inside<'_>> {
        let mut passage = lock(&self.passage);
        loop {
            match passage.gate {
                Gate::Open => {
                    passage.inside += 1;
                    return Ok(Inside(self));
                }
                Gate::Closed => {
                    passage = self.passed.wait(passage).expect("no panic under the lock");
                }
                Gate::Gone => return Err(errno(libc::EIO)),
            }
        }
    }

    pub(super) fn is_open(&self) -> bool {
        lock(&self.passage).gate == Gate::Open
    }

    /// Returns when no call is inside if the gate is not open now.
    pub(super) fn set_gate(&self, gate: Gate) {
        let mut passage = lock(&self.passage);
        passage.gate = gate;
        self.passed.notify_all();
        while passage.gate == Gate::Closed && passage.inside > 0 {
            passage = self.passed.wait(passage).expect("no panic under the lock");
        }
    }

    /// Does something while no call is inside.
    pub(super) fn pause<T>(&self, act: impl FnOnce() -> T) -> T {
        let before = lock(&self.passage).gate;
        self.set_gate(Gate::Closed);
        let done = act();
        self.set_gate(before);
        done
    }

    pub(super) fn add_fault(&self, fault: Fault) {
        lock(&self.trouble).faults.push(fault);
    }

    pub(super) fn repair(&self) {
        let mut trouble = lock(&self.trouble);
        trouble.faults.clear();
        trouble.struck.clear();
        trouble.full = false;
    }

    pub(super) fn fill_up(&self) {
        lock(&self.trouble).full = true;
    }

    pub(super) fn is_full(&self) -> bool {
        lock(&self.trouble).full
    }

    pub(super) fn calls(&self, op: Op) -> u64 {
        lock(&self.trouble).calls[op as usize]
    }

    pub(super) fn struck(&self) -> Vec<PathBuf> {
        lock(&self.trouble).struck.clone()
    }

    /// Counts a call, and fails it if it is its turn.
    pub(super) fn strike(&self, op: Op, path: &Path) -> io::Result<()> {
        let mut trouble = lock(&self.trouble);
        trouble.calls[op as usize] += 1;
        let codes = trouble.faults.iter_mut().filter_map(|fault| fault.strikes(op, path));
        let Some(code) = codes.min() else { return Ok(()) };
        trouble.struck.push(path.to_owned());
        Err(errno(code))
    }

    /// Makes an open file dead, if it is still open.
    pub(super) fn fence(&self, fh: u64) {
        if let Some(handle) = lock(&self.handles).get(&fh) {
            let mut fenced = lock(&handle.fenced);
            if *fenced == Fenced::No {
                *fenced = Fenced::Unnoticed;
            }
        }
    }

    /// The store's file behind a number of the kernel.
    pub(super) fn inode(&self, number: u64) -> io::Result<Arc<File>> {
        if number == ROOT {
            return Ok(self.root.clone());
        }
        let known = lock(&self.known);
        known.get(&number).map(|known| known.file.clone()).ok_or_else(|| errno(libc::ESTALE))
    }

    /// The kernel's number for a file of the store.
    pub(super) fn number_of(&self, inode: u64) -> u64 {
        if inode == self.root_inode { ROOT } else { inode }
    }

    /// Finds a name in a directory, and remembers that the kernel knows it.
    pub(super) fn look_up(&self, parent: u64, name: &Path) -> io::Result<Arc<File>> {
        let file = open_path(&path_of(&*self.inode(parent)?).join(name))?;
        let inode = file.metadata()?.ino();
        let mut known = lock(&self.known);
        let known = known.entry(inode).or_insert(Known { file: Arc::new(file), lookups: 0 });
        known.lookups += 1;
        Ok(known.file.clone())
    }

    pub(super) fn forget(&self, number: u64, lookups: u64) {
        let mut known = lock(&self.known);
        if let Some(inode) = known.get_mut(&number) {
            inode.lookups = inode.lookups.saturating_sub(lookups);
            if inode.lookups == 0 {
                known.remove(&number);
            }
        }
    }

    pub(super) fn open(&self, file: File, inode: u64) -> u64 {
        let fh = self.next_handle();
        let handle = Handle { file, inode, fenced: Mutex::new(Fenced::No) };
        lock(&self.handles).insert(fh, Arc::new(handle));
        fh
    }

    pub(super) fn handle(&self, fh: u64) -> io::Result<Arc<Handle>> {
        lock(&self.handles).get(&fh).cloned().ok_or_else(|| errno(libc::EBADF))
    }

    pub(super) fn close(&self, fh: u64) -> Option<Arc<Handle>> {
        lock(&self.handles).remove(&fh)
    }

    pub(super) fn open_directory(&self, entries: Vec<DirEntry>) -> u64 {
        let fh = self.next_handle();
        lock(&self.directories).insert(fh, Arc::new(entries));
        fh
    }

    pub(super) fn directory(&self, fh: u64) -> io::Result<Arc<Vec<DirEntry>>> {
        lock(&self.directories).get(&fh).cloned().ok_or_else(|| errno(libc::EBADF))
    }

    pub(super) fn close_directory(&self, fh: u64) {
        lock(&self.directories).remove(&fh);
    }

    fn next_handle(&self) -> u64 {
        let mut last = lock(&self.last_handle);
        *last += 1;
        *last
    }
}

impl Handle {
    /// Whether a write goes to the store: `Ok(false)` means to say yes and to throw it away.
    pub(super) fn may_write(&self, synchronous: bool) -> io::Result<bool> {
        let mut fenced = lock(&self.fenced);
        match *fenced {
            Fenced::No => Ok(true),
            Fenced::Unnoticed if !synchronous => {
                *fenced = Fenced::OwesError;
                Ok(false)
            }
            Fenced::Unnoticed | Fenced::OwesError | Fenced::Told => Err(errno(libc::EIO)),
        }
    }

    /// Whether a sync says that all is well.
    pub(super) fn may_sync(&self) -> io::Result<()> {
        let mut fenced = lock(&self.fenced);
        if *fenced == Fenced::OwesError {
            *fenced = Fenced::Told;
            return Err(errno(libc::EIO));
        }
        Ok(())
    }

    /// Whether anything else may be done.
    pub(super) fn may_use(&self) -> io::Result<()> {
        if *lock(&self.fenced) == Fenced::No { Ok(()) } else { Err(errno(libc::EIO)) }
    }
}

/// A path that leads to an open file, whatever its name is now.
pub(super) fn path_of(file: &impl AsRawFd) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

pub(super) fn errno(code: i32) -> io::Error {
    io::Error::from_raw_os_error(code)
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no panic under the lock")
}

fn open_path(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags(libc::O_PATH | libc::O_NOFOLLOW).open(path)
}
