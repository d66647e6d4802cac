//! One mount: its calls on the store, and what goes wrong with them.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use fuser::{FileAttr, FileType, INodeNo};
use nix::libc;

use super::behaviour::Behaviour;
use super::bytes::PAGE;
use super::client::Client;
use super::disk::{Answer, Caller, Disk, Node, ROOT};
use super::locking::{self, Kind};
use super::{Store, lock};
use crate::support::locks::Lock;

/// Instead of an error number: there is no answer.
pub(super) const HANG: i32 = i32::MIN;
/// A write of data, not of a tool's own notes, in bytes.
const DATA_MIN: usize = 512;
/// One write or read in so many goes wrong.
const ONE_IN: u64 = 20;
const SHORT: u64 = 3000;
const SHORT_WRITE: usize = 3000;
const GAP: Duration = Duration::from_millis(20);
const SLOW: Duration = Duration::from_millis(2);
const SECOND_LOOK: Duration = Duration::from_millis(10);
const HOURS: Duration = Duration::from_hours(5);
const LISTED: Duration = Duration::from_mins(2);
const NAME_MAX: usize = 32;
const TAIL_LATE: Duration = Duration::from_millis(200);
/// How many files share their locks where they do.
const TOGETHER: u64 = 8;
/// What the second host adds to numbers where they differ.
const OTHER_NUMBERS: u64 = 1_000_000;
const NOBODY: u32 = 65534;

/// What a call is about, as far as it can fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    Look,
    /// Attributes, other than mode and owner.
    Change,
    Make,
    Open,
    Read,
    Write,
    Sync,
    Lock,
    Statfs,
    Close,
}

/// An open file.
#[derive(Clone, Debug)]
pub(super) struct Handle {
    pub(super) file: u64,
    /// The number of the name it was opened by.
    name: u64,
    wrote: bool,
    /// The lock it held was taken away.
    dead: bool,
}

/// An entry of a directory that is being read.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) number: u64,
    pub(super) kind: FileType,
    pub(super) name: OsString,
}

type Listing = Arc<Vec<Entry>>;

pub(super) struct Host {
    number: usize,
    pub(super) store: Arc<Store>,
    client: Mutex<Client>,
    handles: Mutex<HashMap<u64, Handle>>,
    listings: Mutex<HashMap<u64, Listing>>,
    known_listings: Mutex<HashMap<u64, (Instant, Listing)>>,
    silly: Mutex<HashMap<u64, (u64, OsString)>>,
    last: AtomicU64,
    calls: AtomicU64,
    writes: AtomicU64,
    reads: AtomicU64,
    ending: AtomicBool,
    /// Whether the network between the host and the store is cut.
    cut: Mutex<bool>,
    joined: Condvar,
}

/// What `setattr` is asked to set.
pub(super) struct Wishes {
    pub(super) mode: Option<u32>,
    pub(super) uid: Option<u32>,
    pub(super) gid: Option<u32>,
    pub(super) size: Option<u64>,
    pub(super) atime: Option<SystemTime>,
    pub(super) mtime: Option<SystemTime>,
    pub(super) fh: Option<u64>,
}

impl Host {
    pub(super) fn new(number: usize, store: Arc<Store>) -> Self {
        let client = Mutex::new(Client::new(store.behaviour));
        Self {
            number,
            store,
            client,
            handles: Mutex::default(),
            listings: Mutex::default(),
            known_listings: Mutex::default(),
            silly: Mutex::default(),
            last: AtomicU64::new(0),
            calls: AtomicU64::new(0),
            writes: AtomicU64::new(0),
            reads: AtomicU64::new(0),
            ending: AtomicBool::new(false),
            cut: Mutex::new(false),
            joined: Condvar::new(),
        }
    }

    pub(super) fn number(&self) -> usize {
        self.number
    }

    fn is(&self, behaviour: Behaviour) -> bool {
        self.store.behaviour == behaviour
    }

    fn next(&self) -> u64 {
        self.last.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// The store and what this host knows of it.
    fn both<T>(&self, act: impl FnOnce(&mut Disk, &mut Client) -> T) -> T {
        let mut disk = lock(&self.store.disk);
        let mut client = lock(&self.client);
        act(&mut disk, &mut client)
    }

    /// The mount goes: calls fail from now on, and nobody waits any more.
    pub(super) fn ends(&self) {
        self.ending.store(true, Ordering::Relaxed);
        self.set_cut(false);
        self.store.locks.host_goes(self.number);
    }

    /// Lets calls wait, or go on.
    pub(super) fn set_cut(&self, cut: bool) {
        *lock(&self.cut) = cut;
        self.joined.notify_all();
    }

    /// Forgets everything, as a host does that lost its power.
    pub(super) fn crashed(&self) {
        *lock(&self.client) = Client::new(self.store.behaviour);
        lock(&self.handles).clear();
        lock(&self.known_listings).clear();
        lock(&self.silly).clear();
    }

    /// Makes dead what is open under a lock, if the store does so.
    pub(super) fn fence_locked(&self) {
        if self.is(Behaviour::NoFence) {
            return;
        }
        let held = self.store.locks.held_by(self.number);
        let mut handles = lock(&self.handles);
        for one in held {
            if let Some(handle) = handles.get_mut(&one.fh) {
                handle.dead = true;
            }
        }
    }

    /// What every call goes through first.
    pub(super) fn before(&self, call: Call) -> Answer<()> {
        let cut = self.joined.wait_while(lock(&self.cut), |cut| *cut);
        drop(cut.expect("no panic under the lock"));
        if self.ending.load(Ordering::Relaxed) {
            return Err(libc::EIO);
        }
        let nth = self.calls.fetch_add(1, Ordering::Relaxed);
        match (self.store.behaviour, call) {
            (Behaviour::SlowEverything, _) => thread::sleep(SLOW),
            (Behaviour::WriteBehind | Behaviour::UnlockKeepsWrites, _) => {
                for host in lock(&self.store.hosts).iter() {
                    host.both(|disk, client| client.send_what_is_old(disk));
                }
            }
            (Behaviour::DeadMount, _) => return Err(libc::ENOTCONN),
            (Behaviour::ReadOnly, Call::Make | Call::Change | Call::Write) => {
                return Err(libc::EROFS);
            }
            (Behaviour::ReadFails, Call::Read) | (Behaviour::StatfsFails, Call::Statfs) => {
                return Err(libc::EIO);
            }
            (Behaviour::CreateDenied, Call::Make) => return Err(libc::EACCES),
            (Behaviour::Full, Call::Write) => return Err(libc::ENOSPC),
            (Behaviour::LockHangs, Call::Lock) | (Behaviour::SyncHangs, Call::Sync) => {
                return Err(HANG);
            }
            (Behaviour::WriteHangs, Call::Write)
                if self.writes.fetch_add(1, Ordering::Relaxed) >= 4 =>
            {
                return Err(HANG);
            }
            (Behaviour::Interrupted, Call::Open | Call::Read | Call::Write | Call::Sync)
                if nth % 7 == 6 =>
            {
                return Err(libc::EINTR);
            }
            _ => (),
        }
        Ok(())
    }

    /// The kernel's number for a file.
    pub(super) fn shown(&self, number: u64) -> u64 {
        let differs = self.is(Behaviour::InodesDiffer) && self.number == 2 && number != ROOT;
        if differs { number + OTHER_NUMBERS } else { number }
    }

    /// The file behind a number of the kernel.
    pub(super) fn meant(&self, number: u64) -> u64 {
        let differs = self.is(Behaviour::InodesDiffer) && self.number == 2 && number != ROOT;
        if differs { number - OTHER_NUMBERS } else { number }
    }

    /// A name as the store takes it.
    fn name(&self, name: &OsStr) -> Answer<OsString> {
        let mut bytes = name.as_bytes().to_vec();
        match self.store.behaviour {
            Behaviour::CaseFolded => bytes.make_ascii_lowercase(),
            Behaviour::NamesCut => bytes.truncate(NAME_MAX),
            Behaviour::NamesRefused if bytes.iter().any(|byte| b"!%".contains(byte)) => {
                return Err(libc::EINVAL);
            }
            Behaviour::NamesMangled => {
                for byte in bytes.iter_mut().filter(|byte| b"!% ".contains(byte)) {
                    *byte = b'_';
                }
            }
            Behaviour::DotsStripped => {
                let len = bytes.iter().rposition(|byte| *byte != b'.').map_or(0, |at| at + 1);
                bytes.truncate(len.max(1));
            }
            _ => (),
        }
        Ok(OsString::from_vec(bytes))
    }

    fn time(&self, time: SystemTime) -> SystemTime {
        match self.store.behaviour {
            Behaviour::CoarseTimes => {
                let seconds = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
                UNIX_EPOCH + Duration::from_secs(seconds)
            }
            Behaviour::ClockAhead => time + HOURS,
            Behaviour::ClockBehind => time - HOURS,
            _ => time,
        }
    }

    fn attributes_of(&self, client: &mut Client, number: u64, node: &Node) -> FileAttr {
        let seen = client.attributes(number, node);
        let foreign = self.is(Behaviour::OwnersDiffer) && self.number == 2;
        let mode = if self.is(Behaviour::ModeIgnored) { 0o777 } else { node.mode };
        FileAttr {
            ino: INodeNo(self.shown(number)),
            size: seen.size,
            blocks: node.bytes.allocated() * (PAGE / 512),
            atime: self.time(node.atime),
            mtime: self.time(seen.mtime),
            ctime: self.time(seen.ctime),
            crtime: UNIX_EPOCH,
            kind: node.kind,
            perm: u16::try_from(mode & 0o7777).unwrap_or_default(),
            nlink: if self.is(Behaviour::LinksNotCounted) { node.links.min(1) } else { node.links },
            uid: if foreign { NOBODY } else { node.uid },
            gid: if foreign { NOBODY } else { node.gid },
            rdev: node.device,
            blksize: 4096,
            flags: 0,
        }
    }

    pub(super) fn attributes(&self, number: u64) -> Answer<FileAttr> {
        self.both(|disk, client| Ok(self.attributes_of(client, number, disk.node(number)?)))
    }

    pub(super) fn look_up(&self, parent: u64, name: &OsStr) -> Answer<FileAttr> {
        let name = self.name(name)?;
        let found = self.both(|disk, client| {
            let number = client.look_up(disk, parent, &name)?;
            Ok(self.attributes_of(client, number, disk.node(number)?))
        });
        if self.is(Behaviour::ExclIgnored) && found.is_err() {
            thread::sleep(SECOND_LOOK);
        }
        found
    }

    pub(super) fn set_attributes(&self, number: u64, wishes: &Wishes) -> Answer<FileAttr> {
        if wishes.mode.is_some() && self.is(Behaviour::ChmodRefused) {
            return Err(libc::EPERM);
        }
        if let Some(fh) = wishes.fh {
            self.usable(fh)?;
        }
        self.both(|disk, client| {
            if let Some(len) = wishes.size.filter(|len| *len > 0 || !self.is(Behaviour::CutIgnored))
            {
                client.set_len(disk, number, len)?;
            }
            let node = disk.node_mut(number)?;
            if let Some(mode) = wishes.mode.filter(|_| !self.is(Behaviour::ChmodIgnored)) {
                node.mode = mode & 0o7777;
            }
            node.uid = wishes.uid.unwrap_or(node.uid);
            node.gid = wishes.gid.filter(|_| !self.is(Behaviour::GroupStays)).unwrap_or(node.gid);
            node.atime = wishes.atime.unwrap_or(node.atime);
            node.mtime = wishes.mtime.unwrap_or(node.mtime);
            node.ctime = SystemTime::now();
            node.version += 1;
            Ok(self.attributes_of(client, number, disk.node(number)?))
        })
    }

    /// This host has changed what is in a directory.
    fn changed(&self, client: &mut Client, parent: u64, name: &OsStr) {
        client.name_changed(parent, name);
        lock(&self.known_listings).remove(&parent);
    }

    pub(super) fn make(
        &self,
        (parent, name): (u64, &OsStr),
        (kind, mode): (FileType, u32),
        (uid, gid): (u32, u32),
        finish: impl FnOnce(&mut Node),
    ) -> Answer<FileAttr> {
        let name = self.name(name)?;
        let caller = Caller { uid, gid };
        self.both(|disk, client| {
            // Also if it is there already: then the host has learned of it.
            self.changed(client, parent, &name);
            let number = disk.make((parent, &name), kind, mode, caller)?;
            finish(disk.node_mut(number)?);
            Ok(self.attributes_of(client, number, disk.node(number)?))
        })
    }

    pub(super) fn link(&self, number: u64, parent: u64, name: &OsStr) -> Answer<FileAttr> {
        if self.is(Behaviour::NoHardLinks) {
            return Err(libc::EPERM);
        }
        let name = self.name(name)?;
        self.both(|disk, client| {
            let number = disk.link(number, parent, &name)?;
            self.changed(client, parent, &name);
            Ok(self.attributes_of(client, number, disk.node(number)?))
        })
    }

    pub(super) fn unlink(&self, parent: u64, name: &OsStr) -> Answer<()> {
        let name = self.name(name)?;
        self.both(|disk, client| {
            self.changed(client, parent, &name);
            let number = disk.look_up(parent, &name)?;
            if self.is(Behaviour::OpenIsBusy) && disk.node(number)?.is_open() {
                return Err(libc::EBUSY);
            }
            let used = disk.node(number)?.opens.get(&self.number).is_some_and(|opens| *opens > 0);
            if self.is(Behaviour::SillyRename) && used && disk.node(number)?.links == 1 {
                let silly = OsString::from(format!(".removed{:08x}", self.next()));
                disk.rename((parent, &name), (parent, &silly), 0, self.number)?;
                lock(&self.silly).insert(number, (parent, silly));
                return Ok(());
            }
            disk.unlink(parent, &name, self.number).map(drop)
        })
    }

    pub(super) fn remove_directory(&self, parent: u64, name: &OsStr) -> Answer<()> {
        let name = self.name(name)?;
        self.both(|disk, client| {
            self.changed(client, parent, &name);
            disk.remove_directory(parent, &name, self.number)
        })
    }

    pub(super) fn rename(
        &self,
        (parent, name): (u64, &OsStr),
        (to_parent, to_name): (u64, &OsStr),
        flags: u32,
    ) -> Answer<()> {
        let (name, to_name) = (self.name(name)?, self.name(to_name)?);
        if self.is(Behaviour::RenameGap) {
            let gap = self.both(|disk, _| disk.unlink(to_parent, &to_name, self.number)).is_ok();
            if gap {
                thread::sleep(GAP);
            }
        }
        let renamed = self.both(|disk, client| {
            let open = |at, name| {
                let found = disk.look_up(at, name).and_then(|number| disk.node(number));
                found.is_ok_and(Node::is_open)
            };
            if self.is(Behaviour::OpenIsBusy) && (open(parent, &name) || open(to_parent, &to_name))
            {
                return Err(libc::EBUSY);
            }
            self.changed(client, parent, &name);
            self.changed(client, to_parent, &to_name);
            disk.rename((parent, &name), (to_parent, &to_name), flags, self.number)
        })?;
        if self.is(Behaviour::LostAtRename) {
            self.store.locks.release(renamed, |_| true);
        }
        Ok(())
    }

    /// Makes a file unless it exists, and opens it.
    pub(super) fn create(
        &self,
        (parent, name): (u64, &OsStr),
        (mode, flags): (u32, i32),
        owner: (u32, u32),
    ) -> Answer<(FileAttr, u64)> {
        let exclusive = flags & libc::O_EXCL != 0 && !self.is(Behaviour::ExclIgnored);
        let attributes =
            match self.make((parent, name), (FileType::RegularFile, mode), owner, |_| ()) {
                Err(libc::EEXIST) if !exclusive => {
                    let plain = self.name(name)?;
                    self.both(|_, client| client.name_changed(parent, &plain));
                    self.look_up(parent, name)?
                }
                done => done?,
            };
        let fh = self.open(self.meant(attributes.ino.0), flags)?;
        Ok((attributes, fh))
    }

    pub(super) fn open(&self, file: u64, flags: i32) -> Answer<u64> {
        if flags & libc::O_DSYNC != 0 && self.is(Behaviour::OpenSyncRefused) {
            return Err(libc::EINVAL);
        }
        let name = self.both(|disk, client| {
            client.opened(disk, file);
            disk.opened(file, self.number);
            let mut hasher = DefaultHasher::new();
            disk.node(file)?.name.hash(&mut hasher);
            Answer::Ok(hasher.finish())
        })?;
        let fh = self.next();
        let handle = Handle { file, name, wrote: false, dead: false };
        lock(&self.handles).insert(fh, handle);
        Ok(fh)
    }

    pub(super) fn handle(&self, fh: u64) -> Answer<Handle> {
        lock(&self.handles).get(&fh).cloned().ok_or(libc::EBADF)
    }

    /// An open file with which something can still be done.
    fn usable(&self, fh: u64) -> Answer<Handle> {
        let handle = self.handle(fh)?;
        if handle.dead {
            return Err(libc::EIO);
        }
        let disk = lock(&self.store.disk);
        let node = disk.node(handle.file)?;
        let gone = node.links == 0;
        let elsewhere = node.removed_by.is_some_and(|host| host != self.number);
        if (gone && self.is(Behaviour::UnlinkKills))
            || (gone && elsewhere && self.is(Behaviour::StaleWhenRemoved))
        {
            return Err(libc::ESTALE);
        }
        Ok(handle)
    }

    pub(super) fn read(&self, fh: u64, offset: u64, size: u64) -> Answer<Vec<u8>> {
        let handle = self.usable(fh)?;
        self.barred(&handle, fh, (offset, size))?;
        let size = if self.is(Behaviour::ShortReads) { size.min(SHORT) } else { size };
        let mut offset = offset;
        if self.is(Behaviour::CrossedRead)
            && size >= DATA_MIN as u64
            && offset >= PAGE
            && self.reads.fetch_add(1, Ordering::Relaxed) % ONE_IN == ONE_IN - 1
        {
            offset -= PAGE;
        }
        self.both(|disk, client| {
            let mut bytes = client.read(disk, handle.file, (offset, size))?;
            if let Some((at, end, host)) = disk.node(handle.file)?.grown
                && host != self.number
                && at.elapsed() < TAIL_LATE
            {
                let known = usize::try_from(end.saturating_sub(offset)).unwrap_or(usize::MAX);
                bytes.iter_mut().skip(known).for_each(|byte| *byte = 0);
            }
            Ok(bytes)
        })
    }

    /// Refuses bytes that somebody else has locked, where that is so.
    fn barred(&self, handle: &Handle, fh: u64, bytes: (u64, u64)) -> Answer<()> {
        let key = self.lock_key(handle);
        let mandatory = self.is(Behaviour::LocksMandatory);
        let barred = mandatory && self.store.locks.bars(key, (self.number, fh), bytes);
        if barred { Err(libc::EACCES) } else { Ok(()) }
    }

    /// Writes, and returns how much it says that it wrote.
    pub(super) fn write(&self, fh: u64, (offset, data): (u64, &[u8]), flags: i32) -> Answer<usize> {
        let handle = self.usable(fh)?;
        self.barred(&handle, fh, (offset, data.len() as u64))?;
        if self.is(Behaviour::NoLargeFiles) && offset >> 31 != 0 {
            return Err(libc::EFBIG);
        }
        let appends = flags & libc::O_APPEND != 0;
        let unlucky = data.len() >= DATA_MIN
            && self.writes.fetch_add(1, Ordering::Relaxed) % ONE_IN == ONE_IN - 1;
        let said = match self.store.behaviour {
            Behaviour::ShortWrites => data.len().min(SHORT_WRITE.max(data.len() / 2)),
            Behaviour::WriteSaysLess if appends => data.len().div_ceil(2),
            _ => data.len(),
        };
        let mut stored = match self.store.behaviour {
            Behaviour::ShortWrites => data[..said].to_vec(),
            Behaviour::ShortWriteSaysFull if data.len() > 4096 => data[..data.len() / 2].to_vec(),
            Behaviour::LostWrite if unlucky => vec![],
            _ => data.to_vec(),
        };
        if self.is(Behaviour::FlippedBit) && unlucky {
            let middle = stored.len() / 2;
            stored[middle] ^= 0x10;
        }
        if self.is(Behaviour::LostAtWrite) {
            self.store.locks.release(handle.file, |lock| lock.fh != fh);
        }
        let synced = flags & libc::O_DSYNC != 0 && !self.is(Behaviour::OpenSyncIgnored);
        if synced && self.is(Behaviour::FullAtSync) {
            return Err(libc::ENOSPC);
        }
        self.both(|disk, client| {
            let mut offset = if appends { client.end_of(disk, handle.file)? } else { offset };
            match self.store.behaviour {
                Behaviour::MisdirectedWrite if unlucky => offset += PAGE,
                Behaviour::Aliases4G => offset &= u64::from(u32::MAX),
                Behaviour::PageTailLost => {
                    let end = disk.node(handle.file)?.bytes.len();
                    let within = offset % PAGE;
                    if within > 0 && offset == end {
                        let zeros = vec![0; usize::try_from(within).unwrap_or_default()];
                        disk.write(handle.file, offset - within, &zeros)?;
                    }
                }
                _ => (),
            }
            let end = disk.node(handle.file)?.bytes.len();
            if self.is(Behaviour::TailLate) && offset + stored.len() as u64 > end {
                disk.node_mut(handle.file)?.grown = Some((Instant::now(), end, self.number));
            }
            client.write(disk, handle.file, (offset, &stored))?;
            if synced {
                client.send(disk, handle.file);
                client.synced(handle.file);
                disk.make_durable(handle.file, false);
            }
            Answer::Ok(())
        })?;
        if let Some(handle) = lock(&self.handles).get_mut(&fh) {
            handle.wrote = true;
        }
        Ok(said)
    }

    pub(super) fn sync(&self, fh: u64, data_only: bool) -> Answer<()> {
        let handle = self.usable(fh)?;
        if self.is(Behaviour::LostAtSync) {
            self.store.locks.release(self.lock_key(&handle), |_| true);
        }
        self.both(|disk, client| {
            client.send(disk, handle.file);
            client.synced(handle.file);
            disk.sync(handle.file, data_only)
        })
    }

    pub(super) fn sync_directory(&self, number: u64) -> Answer<()> {
        self.both(|disk, _| disk.sync_directory(number))
    }

    pub(super) fn allocate(&self, fh: u64, (offset, len): (u64, u64), mode: i32) -> Answer<()> {
        if self.is(Behaviour::NoFallocate) {
            return Err(libc::EOPNOTSUPP);
        }
        let handle = self.usable(fh)?;
        self.both(|disk, client| {
            let size = disk.node(handle.file)?.bytes.len();
            if mode & !(libc::FALLOC_FL_KEEP_SIZE) != 0 {
                return Err(libc::EOPNOTSUPP);
            }
            if self.is(Behaviour::AllocateWipes) {
                let wiped = vec![0; usize::try_from(len.min(size)).unwrap_or_default()];
                client.write(disk, handle.file, (offset, &wiped))?;
            }
            if mode & libc::FALLOC_FL_KEEP_SIZE == 0 && offset + len > size {
                client.set_len(disk, handle.file, offset + len)?;
            }
            Ok(())
        })
    }

    /// A descriptor is closed; others may lead to the same open file.
    pub(super) fn flush(&self, fh: u64, owner: u64, thread: u32) -> Answer<()> {
        let handle = self.handle(fh)?;
        self.both(|disk, client| client.send(disk, handle.file));
        let key = self.lock_key(&handle);
        let survives = match self.store.behaviour {
            Behaviour::NotReleasedAtExit => locking::ending(thread).is_some(),
            Behaviour::NotReleasedAtKill => locking::ending(thread).is_some_and(|how| how != 0),
            _ => false,
        };
        let host = self.number;
        if survives {
            let of_it = |lock: &Lock| lock.side == host && (lock.fh == fh || lock.owner == owner);
            self.store.locks.keep(key, of_it, None);
            return Ok(());
        }
        match self.store.behaviour {
            Behaviour::ReleasedByChild => {
                self.store.locks.release(key, |lock| {
                    lock.side == host && (lock.fh == fh || lock.owner == owner)
                });
            }
            Behaviour::OfdIsClassic => {
                let process = locking::process_of(thread);
                self.store.locks.release(key, |lock| {
                    lock.side == host && (lock.pid == process || lock.owner == owner)
                });
            }
            _ => {
                self.store.locks.release(key, |lock| (lock.side, lock.owner) == (host, owner));
            }
        }
        if handle.wrote && self.is(Behaviour::QuotaAtClose) {
            return Err(libc::EDQUOT);
        }
        Ok(())
    }

    /// An open file is closed.
    pub(super) fn release(&self, fh: u64) {
        let Some(handle) = lock(&self.handles).remove(&fh) else { return };
        let host = self.number;
        let key = self.lock_key(&handle);
        self.store.locks.release(key, |lock| (lock.side, lock.fh) == (host, fh));
        self.both(|disk, client| {
            client.send(disk, handle.file);
            let silly = lock(&self.silly).get(&handle.file).cloned();
            if let Some((parent, name)) = silly
                && disk.node(handle.file).is_ok_and(|node| node.opens.get(&host) == Some(&1))
            {
                lock(&self.silly).remove(&handle.file);
                // Somebody may have removed it by that name, too.
                let _ = disk.unlink(parent, &name, host);
            }
            disk.closed(handle.file, host);
        });
    }

    /// What locks of an open file are on.
    pub(super) fn lock_key(&self, handle: &Handle) -> u64 {
        match self.store.behaviour {
            Behaviour::LockOnName => handle.name,
            Behaviour::LocksCollide => handle.file / TOGETHER,
            _ => handle.file,
        }
    }

    /// Whose a lock is.
    pub(super) fn lock_owner(&self, kind: Kind, owner: u64, fh: u64) -> u64 {
        if self.is(Behaviour::OwnedByFile) && kind == Kind::Classic { 1 << 63 | fh } else { owner }
    }

    pub(super) fn size_for_lock(&self, fh: u64) -> Answer<(Handle, u64)> {
        let handle = self.usable(fh)?;
        let size = lock(&self.store.disk).node(handle.file)?.bytes.len();
        Ok((handle, size))
    }

    pub(super) fn locked(&self, file: u64) {
        self.both(|disk, client| client.locked(disk, file));
    }

    pub(super) fn about_to_unlock(&self, file: u64) {
        if self.is(Behaviour::UnlockKeepsWrites) {
            return;
        }
        self.both(|disk, client| client.send(disk, file));
    }

    pub(super) fn read_link(&self, number: u64) -> Answer<Vec<u8>> {
        let disk = lock(&self.store.disk);
        Ok(disk.node(number)?.target.as_os_str().as_bytes().to_vec())
    }

    pub(super) fn list(&self, number: u64) -> Answer<u64> {
        let mut entries: Vec<Entry> = {
            let disk = lock(&self.store.disk);
            let named = disk.node(number)?.entries.iter().filter_map(|(name, to)| {
                let kind = disk.node(*to).ok()?.kind;
                Some(Entry { number: *to, kind, name: name.clone() })
            });
            named.collect()
        };
        let nth = self.next();
        match self.store.behaviour {
            Behaviour::UnorderedListing => entries.sort_by_key(|entry| {
                let mut hasher = DefaultHasher::new();
                (nth, &entry.name).hash(&mut hasher);
                hasher.finish()
            }),
            Behaviour::ListingMisses => {
                let mut at = 0;
                entries.retain(|_| {
                    at += 1;
                    at % ONE_IN != 0
                });
            }
            Behaviour::ListingRepeats => {
                let again: Vec<_> = entries.iter().skip(4).step_by(10).cloned().collect();
                entries.extend(again);
            }
            _ => (),
        }
        let special = |name: &str| Entry { number, kind: FileType::Directory, name: name.into() };
        entries.splice(0..0, [special("."), special("..")]);
        let mut entries = Arc::new(entries);
        if self.is(Behaviour::ListingStale) {
            let mut known = lock(&self.known_listings);
            match known.get(&number) {
                Some((at, listed)) if at.elapsed() < LISTED => entries = listed.clone(),
                _ => drop(known.insert(number, (Instant::now(), entries.clone()))),
            }
        }
        lock(&self.listings).insert(nth, entries);
        Ok(nth)
    }

    pub(super) fn listing(&self, fh: u64) -> Answer<Listing> {
        lock(&self.listings).get(&fh).cloned().ok_or(libc::EBADF)
    }

    pub(super) fn close_listing(&self, fh: u64) {
        lock(&self.listings).remove(&fh);
    }
}
