//! A disk in memory that loses power, runs full, fails, and lets two hosts disagree about locks.
//!
//! * Power: at the chosen operation everything stops; every operation after it fails. What is then
//!   on the disk is an [`CrashWorld::image`]: what was synced is there; of everything else, every
//!   sector of 512 bytes has, by chance, its old content, that of any later write, or a piece of
//!   each, and every name and length is old or new.
//! * A failed sync drops what it should have written, as Linux does; the next one succeeds.
//! * A host can be stopped before any of its operations, and woken when others have gone on.
//! * A host whose locks were revoked keeps its open files; whether it can still write them is the
//!   test's choice, names it can always change.
//!
//! Everything follows from the operations and the seed.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use miqm_sys::disk::{Allocation, Disk, DiskFile};
use miqm_sys::{IoError, Op};

use crate::random::Random;

const SECTOR: usize = 512;
type Sector = Arc<[u8; SECTOR]>;
/// `None` is a sector of zeros.
type Sectors = Vec<Option<Sector>>;

const EIO: i32 = 5;
const EEXIST: i32 = 17;
const ENOSPC: i32 = 28;

/// What goes wrong, besides a loss of power.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// No more than this many bytes can be set aside in files from now on.
    NoSpaceAfter(u64),
    /// The write number `n` from now on, from 0, is done in part and fails.
    WriteFails(u64),
    /// The sync number `n` from now on, from 0, fails and drops what was to be written.
    SyncFails(u64),
}

/// What a host can still do to files whose locks it lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revoked {
    /// Its writes and syncs fail.
    Fenced,
    /// The storage lets it write.
    Unfenced,
}

#[derive(Clone, Debug, Default)]
struct Inode {
    now: Sectors,
    now_bytes: u64,
    durable: Sectors,
    durable_bytes: u64,
    /// What each sector held after each write since the last sync.
    versions: BTreeMap<usize, Vec<Option<Sector>>>,
    /// The open file that holds the lock.
    lock: Option<u64>,
}

#[derive(Clone, Copy, Debug)]
enum Change {
    Link(usize),
    Unlink,
}

#[derive(Clone, Debug, Default)]
struct Directory {
    now: BTreeMap<String, usize>,
    durable: BTreeMap<String, usize>,
    /// What happened to each name since the last sync.
    changes: BTreeMap<String, Vec<Change>>,
}

#[derive(Debug, Default)]
struct World {
    inodes: Vec<Inode>,
    directories: BTreeMap<String, Directory>,
    operations: u64,
    crash_at: Option<u64>,
    space_bytes: Option<u64>,
    write_fails: Option<u64>,
    sync_fails: Option<u64>,
    revoked: BTreeMap<u32, Revoked>,
    /// How many operations each host may still do before it is stopped.
    stops: BTreeMap<u32, u64>,
    stopped: BTreeSet<u32>,
    handles: u64,
}

/// All directories of a storage, as several hosts see them.
#[derive(Clone, Debug, Default)]
pub struct CrashWorld(Arc<(Mutex<World>, Condvar)>);

impl CrashWorld {
    /// An empty storage that works.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A directory as a host sees it; it is made, durably, if it is not there.
    #[must_use]
    pub fn disk(&self, host: u32, directory: &str) -> CrashDisk {
        self.lock().directories.entry(directory.to_owned()).or_default();
        CrashDisk { world: self.clone(), host, directory: directory.to_owned() }
    }

    /// How many operations have changed anything or made anything durable.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.lock().operations
    }

    /// Cuts the power at operation number `n`, counted from 0 since the beginning.
    pub fn crash_at(&self, n: u64) {
        self.lock().crash_at = Some(n);
    }

    /// Whether the power was cut.
    #[must_use]
    pub fn crashed(&self) -> bool {
        let world = self.lock();
        world.crash_at.is_some_and(|at| world.operations > at)
    }

    /// Lets something go wrong from now on.
    pub fn fault(&self, fault: Fault) {
        let mut world = self.lock();
        match fault {
            Fault::NoSpaceAfter(bytes) => world.space_bytes = Some(bytes),
            Fault::WriteFails(n) => world.write_fails = Some(n),
            Fault::SyncFails(n) => world.sync_fails = Some(n),
        }
    }

    /// Lets nothing more go wrong.
    pub fn heal(&self) {
        let mut world = self.lock();
        (world.space_bytes, world.write_fails, world.sync_fails) = (None, None, None);
    }

    /// Takes every lock from a host.
    pub fn revoke(&self, host: u32, revoked: Revoked) {
        let mut world = self.lock();
        world.revoked.insert(host, revoked);
        for inode in &mut world.inodes {
            if inode.lock.is_some_and(|handle| handle >> 48 == u64::from(host)) {
                inode.lock = None;
            }
        }
    }

    /// Stops a host just before the operation that it does after `n` more.
    pub fn stop_after(&self, host: u32, n: u64) {
        self.lock().stops.insert(host, n);
    }

    /// Waits until the host has stopped, or `done` says that it will not; whether it has.
    pub fn wait_until_stopped(&self, host: u32, done: impl Fn() -> bool) -> bool {
        let step = std::time::Duration::from_millis(1);
        let mut world = self.lock();
        while !world.stopped.contains(&host) && !done() {
            let waited = self.0.1.wait_timeout(world, step);
            world = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        world.stopped.contains(&host)
    }

    /// Lets a host go on.
    pub fn wake(&self, host: u32) {
        self.lock().stops.remove(&host);
        self.0.1.notify_all();
    }

    /// Whether nothing is in doubt: every image is the same.
    #[must_use]
    pub fn settled(&self) -> bool {
        let world = self.lock();
        world.inodes.iter().all(|i| i.versions.is_empty() && i.now_bytes == i.durable_bytes)
            && world.directories.values().all(|d| d.changes.is_empty())
    }

    /// A storage as a loss of power may leave this one, without locks and faults.
    #[must_use]
    pub fn image(&self, seed: u64) -> Self {
        let mut random = Random::new(seed);
        let world = self.lock();
        let inodes = world.inodes.iter().map(|inode| inode.image(&mut random)).collect();
        let directories = world.directories.iter();
        let directories = directories
            .map(|(name, directory)| (name.clone(), directory.image(&mut random)))
            .collect();
        let world = World { inodes, directories, ..World::default() };
        Self(Arc::new((Mutex::new(world), Condvar::new())))
    }

    /// The names in a directory.
    #[must_use]
    pub fn names(&self, directory: &str) -> Vec<String> {
        let world = self.lock();
        world.directories.get(directory).map_or(Vec::new(), |d| d.now.keys().cloned().collect())
    }

    /// The bytes of a file.
    ///
    /// # Panics
    ///
    /// If there is no such file.
    #[must_use]
    pub fn bytes(&self, directory: &str, name: &str) -> Vec<u8> {
        let world = self.lock();
        let inode = &world.inodes[world.directories[directory].now[name]];
        let mut bytes = vec![0; usize::try_from(inode.now_bytes).expect("a file in memory")];
        inode.read(&mut bytes, 0);
        bytes
    }

    /// Damages a file behind everybody's back: flips the bits of `mask` at `offset`, durably.
    ///
    /// # Panics
    ///
    /// If there is no such file.
    pub fn flip(&self, directory: &str, name: &str, offset: u64, mask: u8) {
        let mut world = self.lock();
        let ino = world.directories[directory].now[name];
        let inode = &mut world.inodes[ino];
        let mut byte = [0];
        inode.read(&mut byte, offset);
        inode.write(&[byte[0] ^ mask], offset);
        inode.sync();
    }

    /// Removes a name behind everybody's back, durably; `false` if there was none.
    pub fn remove(&self, directory: &str, name: &str) -> bool {
        let mut world = self.lock();
        let directory = world.directories.entry(directory.to_owned()).or_default();
        directory.durable.remove(name);
        directory.now.remove(name).is_some()
    }

    fn lock(&self) -> MutexGuard<'_, World> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stops the calling host here, if it is to be stopped.
    fn pause(&self, host: u32) {
        let mut world = self.lock();
        match world.stops.get_mut(&host) {
            Some(0) => {
                world.stopped.insert(host);
                self.0.1.notify_all();
                while world.stops.contains_key(&host) {
                    world = self.0.1.wait(world).unwrap_or_else(PoisonError::into_inner);
                }
                world.stopped.remove(&host);
            }
            Some(left) => *left -= 1,
            None => (),
        }
    }
}

impl Inode {
    fn read(&self, bytes: &mut [u8], offset: u64) -> usize {
        let left = usize::try_from(self.now_bytes.saturating_sub(offset)).unwrap_or(usize::MAX);
        let n = bytes.len().min(left);
        let offset = usize::try_from(offset).expect("a file in memory");
        let mut done = 0;
        while done < n {
            let (sector, low) = ((offset + done) / SECTOR, (offset + done) % SECTOR);
            let step = (SECTOR - low).min(n - done);
            let to = &mut bytes[done..done + step];
            match self.now.get(sector) {
                Some(Some(data)) => to.copy_from_slice(&data[low..low + step]),
                _ => to.fill(0),
            }
            done += step;
        }
        n
    }

    fn write(&mut self, bytes: &[u8], offset: u64) {
        let offset = usize::try_from(offset).expect("a file in memory");
        let mut done = 0;
        while done < bytes.len() {
            let (sector, low) = ((offset + done) / SECTOR, (offset + done) % SECTOR);
            let step = (SECTOR - low).min(bytes.len() - done);
            let old = self.now.get(sector).cloned().flatten();
            let mut data = old.as_ref().map_or([0; SECTOR], |data| **data);
            data[low..low + step].copy_from_slice(&bytes[done..done + step]);
            if old.as_deref().unwrap_or(&[0; SECTOR]) != &data {
                let new = (data != [0; SECTOR]).then(|| Arc::new(data));
                if self.now.len() <= sector {
                    self.now.resize(sector + 1, None);
                }
                self.now[sector].clone_from(&new);
                self.versions.entry(sector).or_default().push(new);
            }
            done += step;
        }
        self.now_bytes = self.now_bytes.max((offset + bytes.len()) as u64);
    }

    fn sync(&mut self) {
        for (sector, versions) in std::mem::take(&mut self.versions) {
            if self.durable.len() <= sector {
                self.durable.resize(sector + 1, None);
            }
            self.durable[sector] = versions.into_iter().next_back().flatten();
        }
        self.durable_bytes = self.now_bytes;
    }

    fn image(&self, random: &mut Random) -> Self {
        let mut sectors = self.durable.clone();
        // Now and then all or nothing: what real disks mostly do.
        let style = random.below(4);
        for (sector, versions) in &self.versions {
            let old = self.durable.get(*sector).cloned().flatten();
            let pick = |n: u64| match n {
                0 => old.clone(),
                n => versions[usize::try_from(n - 1).expect("small")].clone(),
            };
            let count = versions.len() as u64 + 1;
            let new = match style {
                0 => pick(0),
                1 => pick(count - 1),
                _ => {
                    let (a, b) = (pick(random.below(count)), pick(random.below(count)));
                    let tear = random.below(8) == 0;
                    if tear { Some(torn(a.as_ref(), b.as_ref(), random)) } else { a }
                }
            };
            if sectors.len() <= *sector {
                sectors.resize(*sector + 1, None);
            }
            sectors[*sector] = new;
        }
        let bytes = match style {
            0 => self.durable_bytes,
            1 => self.now_bytes,
            _ if random.below(2) == 0 => self.durable_bytes,
            _ => self.now_bytes,
        };
        sectors.truncate(usize::try_from(bytes.div_ceil(SECTOR as u64)).expect("in memory"));
        Self {
            now: sectors.clone(),
            now_bytes: bytes,
            durable: sectors,
            durable_bytes: bytes,
            versions: BTreeMap::new(),
            lock: None,
        }
    }
}

fn torn(a: Option<&Sector>, b: Option<&Sector>, random: &mut Random) -> Sector {
    let mut data = a.map_or([0; SECTOR], |data| **data);
    let at = usize::try_from(random.below(SECTOR as u64)).expect("small");
    match b {
        Some(b) => data[at..].copy_from_slice(&b[at..]),
        None => data[at..].fill(0),
    }
    Arc::new(data)
}

impl Directory {
    fn change(&mut self, name: &str, change: Change) {
        match change {
            Change::Link(ino) => self.now.insert(name.to_owned(), ino),
            Change::Unlink => self.now.remove(name),
        };
        self.changes.entry(name.to_owned()).or_default().push(change);
    }

    fn image(&self, random: &mut Random) -> Self {
        let mut names = self.durable.clone();
        for (name, changes) in &self.changes {
            let kept = random.below(changes.len() as u64 + 1);
            for change in &changes[..usize::try_from(kept).expect("small")] {
                match change {
                    Change::Link(ino) => names.insert(name.clone(), *ino),
                    Change::Unlink => names.remove(name),
                };
            }
        }
        Self { now: names.clone(), durable: names, changes: BTreeMap::new() }
    }
}

/// What an operation is about to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// It is done, and says so.
    Done,
    /// It may be done, but nobody will know: the power was cut.
    Cut,
}

impl World {
    /// Counts an operation.
    fn operation(&mut self) -> Result<Verdict, i32> {
        let n = self.operations;
        match self.crash_at {
            Some(at) if n > at => Err(EIO),
            Some(at) if n == at => {
                self.operations += 1;
                Ok(Verdict::Cut)
            }
            _ => {
                self.operations += 1;
                Ok(Verdict::Done)
            }
        }
    }

    fn alive(&self) -> Result<(), i32> {
        if self.crash_at.is_some_and(|at| self.operations > at) { Err(EIO) } else { Ok(()) }
    }

    fn fenced(&self, host: u32) -> Result<(), i32> {
        if self.revoked.get(&host) == Some(&Revoked::Fenced) { Err(EIO) } else { Ok(()) }
    }
}

impl Verdict {
    fn known(self) -> Result<(), i32> {
        if self == Self::Done { Ok(()) } else { Err(EIO) }
    }
}

/// Counts down to a fault; `true` when it is due.
fn due(counter: &mut Option<u64>) -> bool {
    match counter {
        Some(0) => {
            *counter = None;
            true
        }
        Some(n) => {
            *n -= 1;
            false
        }
        None => false,
    }
}

/// A directory of a [`CrashWorld`] as one host sees it.
#[derive(Clone, Debug)]
pub struct CrashDisk {
    world: CrashWorld,
    host: u32,
    directory: String,
}

impl CrashDisk {
    fn error(&self, op: Op, name: &str, errno: i32) -> IoError {
        IoError::new(op, self.path_of(name), io::Error::from_raw_os_error(errno))
    }

    fn directory<'a>(&self, world: &'a mut World) -> &'a mut Directory {
        world.directories.get_mut(&self.directory).expect("a disk has its directory")
    }

    fn open(&self, name: &str) -> Result<Option<CrashFile>, IoError> {
        let mut world = self.world.lock();
        world.alive().map_err(|errno| self.error(Op::Open, name, errno))?;
        let ino = self.directory(&mut world).now.get(name).copied();
        Ok(ino.map(|ino| self.file(&mut world, name, ino)))
    }

    fn file(&self, world: &mut World, name: &str, ino: usize) -> CrashFile {
        world.handles += 1;
        CrashFile {
            world: self.world.clone(),
            host: self.host,
            handle: u64::from(self.host) << 48 | world.handles,
            ino,
            path: self.path_of(name),
        }
    }
}

impl Disk for CrashDisk {
    type File = CrashFile;

    fn open_rw(&self, name: &str) -> Result<Option<CrashFile>, IoError> {
        self.open(name)
    }

    fn open_ro(&self, name: &str) -> Result<Option<CrashFile>, IoError> {
        self.open(name)
    }

    fn create_new(&self, name: &str) -> Result<CrashFile, IoError> {
        self.world.pause(self.host);
        let mut world = self.world.lock();
        let fail = |errno| self.error(Op::Create, name, errno);
        let verdict = world.operation().map_err(fail)?;
        if self.directory(&mut world).now.contains_key(name) {
            return Err(fail(EEXIST));
        }
        let ino = world.inodes.len();
        world.inodes.push(Inode::default());
        self.directory(&mut world).change(name, Change::Link(ino));
        verdict.known().map_err(fail)?;
        Ok(self.file(&mut world, name, ino))
    }

    fn link(&self, old: &str, new: &str) -> Result<(), IoError> {
        self.world.pause(self.host);
        let mut world = self.world.lock();
        let fail = |errno| self.error(Op::Link, new, errno);
        let verdict = world.operation().map_err(fail)?;
        let directory = self.directory(&mut world);
        let ino = *directory.now.get(old).ok_or_else(|| fail(2))?;
        if directory.now.contains_key(new) {
            return Err(fail(EEXIST));
        }
        directory.change(new, Change::Link(ino));
        verdict.known().map_err(fail)
    }

    fn unlink(&self, name: &str) -> Result<bool, IoError> {
        self.world.pause(self.host);
        let mut world = self.world.lock();
        let fail = |errno| self.error(Op::Remove, name, errno);
        let verdict = world.operation().map_err(fail)?;
        let directory = self.directory(&mut world);
        let there = directory.now.contains_key(name);
        if there {
            directory.change(name, Change::Unlink);
        }
        verdict.known().map_err(fail)?;
        Ok(there)
    }

    fn list(&self) -> Result<Vec<String>, IoError> {
        let mut world = self.world.lock();
        world.alive().map_err(|errno| self.error(Op::List, "", errno))?;
        Ok(self.directory(&mut world).now.keys().cloned().collect())
    }

    fn sync_dir(&self) -> Result<(), IoError> {
        self.world.pause(self.host);
        let mut world = self.world.lock();
        let fail = |errno| self.error(Op::SyncDir, "", errno);
        world.operation().and_then(Verdict::known).map_err(fail)?;
        let directory = self.directory(&mut world);
        directory.durable = directory.now.clone();
        directory.changes.clear();
        Ok(())
    }

    fn names(&self, name: &str, file: &CrashFile) -> Result<bool, IoError> {
        let mut world = self.world.lock();
        world.alive().map_err(|errno| self.error(Op::Stat, name, errno))?;
        Ok(self.directory(&mut world).now.get(name) == Some(&file.ino))
    }

    fn path_of(&self, name: &str) -> PathBuf {
        Path::new(&self.directory).join(name)
    }
}

/// An open file of a [`CrashDisk`].
#[derive(Debug)]
pub struct CrashFile {
    world: CrashWorld,
    host: u32,
    handle: u64,
    ino: usize,
    path: PathBuf,
}

impl Drop for CrashFile {
    fn drop(&mut self) {
        let lock = &mut self.world.lock().inodes[self.ino].lock;
        if *lock == Some(self.handle) {
            *lock = None;
        }
    }
}

impl CrashFile {
    fn error(&self, op: Op, errno: i32) -> IoError {
        IoError::new(op, &self.path, io::Error::from_raw_os_error(errno))
    }
}

impl DiskFile for CrashFile {
    fn path(&self) -> &Path {
        &self.path
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> Result<usize, IoError> {
        let world = self.world.lock();
        world.alive().map_err(|errno| self.error(Op::Read, errno))?;
        Ok(world.inodes[self.ino].read(bytes, offset))
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> Result<(), IoError> {
        self.world.pause(self.host);
        let mut world = self.world.lock();
        let fail = |errno| self.error(Op::Write, errno);
        world.fenced(self.host).map_err(fail)?;
        let verdict = world.operation().map_err(fail)?;
        let failing = due(&mut world.write_fails);
        let written = if failing { &bytes[..bytes.len() / 2] } else { bytes };
        world.inodes[self.ino].write(written, offset);
        verdict.known().map_err(fail)?;
        if failing { Err(fail(EIO)) } else { Ok(()) }
    }

    fn sync_data(&self) -> Result<(), IoError> {
        self.world.pause(self.host);
        let mut world = self.world.lock();
        let fail = |errno| self.error(Op::Sync, errno);
        world.fenced(self.host).map_err(fail)?;
        world.operation().and_then(Verdict::known).map_err(fail)?;
        if due(&mut world.sync_fails) {
            world.inodes[self.ino].versions.clear();
            return Err(fail(EIO));
        }
        world.inodes[self.ino].sync();
        Ok(())
    }

    fn allocate(&self, bytes: u64) -> Result<Allocation, IoError> {
        self.world.pause(self.host);
        let mut world = self.world.lock();
        let fail = |errno| self.error(Op::Allocate, errno);
        let verdict = world.operation().map_err(fail)?;
        let more = bytes.saturating_sub(world.inodes[self.ino].now_bytes);
        if let Some(left) = world.space_bytes {
            if left < more {
                return Err(fail(ENOSPC));
            }
            world.space_bytes = Some(left - more);
        }
        let inode = &mut world.inodes[self.ino];
        inode.now_bytes = inode.now_bytes.max(bytes);
        verdict.known().map_err(fail)?;
        Ok(Allocation::Reserved)
    }

    fn len(&self) -> Result<u64, IoError> {
        let world = self.world.lock();
        world.alive().map_err(|errno| self.error(Op::Stat, errno))?;
        Ok(world.inodes[self.ino].now_bytes)
    }

    fn try_lock_exclusive(&self) -> Result<bool, IoError> {
        let mut world = self.world.lock();
        world.alive().map_err(|errno| self.error(Op::Lock, errno))?;
        let lock = &mut world.inodes[self.ino].lock;
        if lock.is_some_and(|holder| holder != self.handle) {
            return Ok(false);
        }
        *lock = Some(self.handle);
        Ok(true)
    }
}

#[cfg(test)]
#[path = "disk_tests.rs"]
mod tests;
