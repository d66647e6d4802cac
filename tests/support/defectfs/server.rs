//! The kernel's calls, each answered by the host.

use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use fuser::{
    BsdFileFlags, Errno, FileHandle, FileType, Filesystem, FopenFlags, Generation, INodeNo,
    InitFlags, KernelConfig, LockOwner, OpenFlags, RenameFlags, ReplyAttr, ReplyCreate, ReplyData,
    ReplyDirectory, ReplyEmpty, ReplyEntry, ReplyLock, ReplyOpen, ReplyStatfs, ReplyWrite, Request,
    TimeOrNow, WriteFlags,
};
use nix::libc;

use super::behaviour::Behaviour;
use super::disk::Answer;
use super::host::{Call, HANG, Host, Wishes};
use super::locking::{Ask, Kind, Verdict};
use super::session::WRITE_MAX;
use crate::support::locks::Lock;

/// The kernel is to keep nothing: what a host knows is for the host to say.
const NO_TIME: Duration = Duration::ZERO;
const GENERATION: Generation = Generation(0);
/// The store's size, in blocks of 4096 bytes: 16 GiB.
const BLOCKS: u64 = 4 << 20;

/// The server of one mount.
pub(super) struct Server {
    host: Arc<Host>,
}

/// Answers, unless this is how it goes: there never is an answer.
fn answer<T>(done: Answer<T>, reply: impl FnOnce(Result<T, Errno>)) {
    match done {
        // What is forgotten is the kernel's request; it ends with the mount.
        Err(HANG) => std::mem::forget(reply),
        done => reply(done.map_err(Errno::from_i32)),
    }
}

/// Answers a call that says nothing but yes or no.
fn empty(reply: ReplyEmpty) -> impl FnOnce(Result<(), Errno>) {
    |done| match done {
        Ok(()) => reply.ok(),
        Err(error) => reply.error(error),
    }
}

/// Answers a call that finds or makes a file.
fn entry(reply: ReplyEntry) -> impl FnOnce(Result<fuser::FileAttr, Errno>) {
    |found| match found {
        Ok(attributes) => reply.entry(&NO_TIME, &attributes, GENERATION),
        Err(error) => reply.error(error),
    }
}

/// Answers a call that tells a file's attributes.
fn attributes(reply: ReplyAttr) -> impl FnOnce(Result<fuser::FileAttr, Errno>) {
    |found| match found {
        Ok(attributes) => reply.attr(&NO_TIME, &attributes),
        Err(error) => reply.error(error),
    }
}

/// Answers a call with bytes.
fn data(reply: ReplyData) -> impl FnOnce(Result<Vec<u8>, Errno>) {
    |found| match found {
        Ok(bytes) => reply.data(&bytes),
        Err(error) => reply.error(error),
    }
}

fn time(time: TimeOrNow) -> SystemTime {
    match time {
        TimeOrNow::SpecificTime(time) => time,
        TimeOrNow::Now => SystemTime::now(),
    }
}

impl Server {
    pub(super) fn new(host: Arc<Host>) -> Self {
        Self { host }
    }

    fn call<T>(
        &self,
        call: Call,
        act: impl FnOnce(&Host) -> Answer<T>,
        reply: impl FnOnce(Result<T, Errno>),
    ) {
        answer(self.host.before(call).and_then(|()| act(&self.host)), reply);
    }

    fn behaviour(&self) -> Behaviour {
        self.host.store.behaviour
    }

    fn ask(
        &self,
        (fh, owner): (FileHandle, LockOwner),
        (start, end): (u64, u64),
        (typ, pid): (i32, u32),
        thread: u32,
    ) -> Answer<(u64, Ask)> {
        let (handle, size) = self.host.size_for_lock(fh.0)?;
        let kind = Kind::of_caller(thread);
        let lock = Lock {
            side: self.host.number(),
            owner: self.host.lock_owner(kind, owner.0, fh.0),
            fh: fh.0,
            start,
            end,
            exclusive: typ == libc::F_WRLCK,
            pid,
        };
        Ok((handle.file, Ask { file: self.host.lock_key(&handle), kind, lock, size }))
    }
}

impl Filesystem for Server {
    fn init(&mut self, _: &Request, config: &mut KernelConfig) -> io::Result<()> {
        let refused = |_| io::Error::from(io::ErrorKind::Unsupported);
        // The least that the kernel does not like is the nearest that it does.
        config.set_max_write(WRITE_MAX).map_err(refused)?;
        if self.behaviour() != Behaviour::LocksInKernel {
            // Without these the kernel keeps locks to itself, for each mount alone.
            let needed = InitFlags::FUSE_POSIX_LOCKS | InitFlags::FUSE_FLOCK_LOCKS;
            config
                .add_capabilities(needed)
                .map_err(|_| io::Error::from(io::ErrorKind::Unsupported))?;
        }
        Ok(())
    }

    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        self.call(Call::Look, |host| host.look_up(host.meant(parent.0), name), entry(reply));
    }

    fn getattr(&self, _: &Request, ino: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        self.call(Call::Look, |host| host.attributes(host.meant(ino.0)), attributes(reply));
    }

    fn setattr(
        &self,
        _: &Request,
        ino: INodeNo,
        mode: Option<u32>,
        uid: Option<u32>,
        gid: Option<u32>,
        size: Option<u64>,
        atime: Option<TimeOrNow>,
        mtime: Option<TimeOrNow>,
        _: Option<SystemTime>,
        fh: Option<FileHandle>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let fh = fh.map(|fh| fh.0);
        let (atime, mtime) = (atime.map(time), mtime.map(time));
        let wishes = Wishes { mode, uid, gid, size, atime, mtime, fh };
        self.call(
            Call::Change,
            |host| host.set_attributes(host.meant(ino.0), &wishes),
            attributes(reply),
        );
    }

    fn readlink(&self, _: &Request, ino: INodeNo, reply: ReplyData) {
        self.call(Call::Look, |host| host.read_link(host.meant(ino.0)), data(reply));
    }

    fn mknod(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        _umask: u32,
        rdev: u32,
        reply: ReplyEntry,
    ) {
        let kind = match mode & libc::S_IFMT {
            libc::S_IFIFO => FileType::NamedPipe,
            libc::S_IFSOCK => FileType::Socket,
            libc::S_IFCHR => FileType::CharDevice,
            libc::S_IFBLK => FileType::BlockDevice,
            _ => FileType::RegularFile,
        };
        let refused =
            self.behaviour() == Behaviour::NoSpecialFiles && kind != FileType::RegularFile;
        let owner = (request.uid(), request.gid());
        self.call(
            Call::Make,
            |host| {
                if refused {
                    return Err(libc::EPERM);
                }
                let at = (host.meant(parent.0), name);
                host.make(at, (kind, mode), owner, |node| node.device = rdev)
            },
            entry(reply),
        );
    }

    fn mkdir(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        _umask: u32,
        reply: ReplyEntry,
    ) {
        let owner = (request.uid(), request.gid());
        self.call(
            Call::Make,
            |host| {
                let at = (host.meant(parent.0), name);
                host.make(at, (FileType::Directory, mode), owner, |_| ())
            },
            entry(reply),
        );
    }

    fn unlink(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        self.call(Call::Change, |host| host.unlink(host.meant(parent.0), name), empty(reply));
    }

    fn rmdir(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let act = |host: &Host| host.remove_directory(host.meant(parent.0), name);
        self.call(Call::Change, act, empty(reply));
    }

    fn symlink(
        &self,
        request: &Request,
        parent: INodeNo,
        link_name: &OsStr,
        target: &Path,
        reply: ReplyEntry,
    ) {
        let owner = (request.uid(), request.gid());
        let refused = self.behaviour() == Behaviour::NoSpecialFiles;
        self.call(
            Call::Make,
            |host| {
                if refused {
                    return Err(libc::EPERM);
                }
                let at = (host.meant(parent.0), link_name);
                let what = (FileType::Symlink, 0o777);
                host.make(at, what, owner, |node| target.clone_into(&mut node.target))
            },
            entry(reply),
        );
    }

    fn rename(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        newparent: INodeNo,
        newname: &OsStr,
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        self.call(
            Call::Change,
            |host| {
                let from = (host.meant(parent.0), name);
                host.rename(from, (host.meant(newparent.0), newname), flags.bits())
            },
            empty(reply),
        );
    }

    fn link(
        &self,
        _: &Request,
        ino: INodeNo,
        newparent: INodeNo,
        newname: &OsStr,
        reply: ReplyEntry,
    ) {
        let act = |host: &Host| host.link(host.meant(ino.0), host.meant(newparent.0), newname);
        self.call(Call::Make, act, entry(reply));
    }

    fn open(&self, _: &Request, ino: INodeNo, flags: OpenFlags, reply: ReplyOpen) {
        self.call(
            Call::Open,
            |host| host.open(host.meant(ino.0), flags.0),
            |fh| match fh {
                Ok(fh) => reply.opened(FileHandle(fh), FopenFlags::FOPEN_DIRECT_IO),
                Err(error) => reply.error(error),
            },
        );
    }

    fn create(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        _umask: u32,
        flags: i32,
        reply: ReplyCreate,
    ) {
        let owner = (request.uid(), request.gid());
        self.call(
            Call::Make,
            |host| host.create((host.meant(parent.0), name), (mode, flags), owner),
            |made| match made {
                Ok((attributes, fh)) => {
                    let flags = FopenFlags::FOPEN_DIRECT_IO;
                    reply.created(&NO_TIME, &attributes, GENERATION, FileHandle(fh), flags);
                }
                Err(error) => reply.error(error),
            },
        );
    }

    fn read(
        &self,
        _: &Request,
        _: INodeNo,
        fh: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        self.call(Call::Read, |host| host.read(fh.0, offset, size.into()), data(reply));
    }

    fn write(
        &self,
        _: &Request,
        _: INodeNo,
        fh: FileHandle,
        offset: u64,
        data: &[u8],
        _: WriteFlags,
        flags: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        self.call(
            Call::Write,
            |host| host.write(fh.0, (offset, data), flags.0),
            |done| match done {
                Ok(said) => reply.written(u32::try_from(said).unwrap_or(u32::MAX)),
                Err(error) => reply.error(error),
            },
        );
    }

    fn flush(
        &self,
        request: &Request,
        _: INodeNo,
        fh: FileHandle,
        owner: LockOwner,
        reply: ReplyEmpty,
    ) {
        let thread = request.pid();
        self.call(Call::Close, |host| host.flush(fh.0, owner.0, thread), empty(reply));
    }

    fn release(
        &self,
        _: &Request,
        _: INodeNo,
        fh: FileHandle,
        _: OpenFlags,
        _: Option<LockOwner>,
        _: bool,
        reply: ReplyEmpty,
    ) {
        self.host.release(fh.0);
        reply.ok();
    }

    fn fsync(&self, _: &Request, _: INodeNo, fh: FileHandle, datasync: bool, reply: ReplyEmpty) {
        self.call(Call::Sync, |host| host.sync(fh.0, datasync), empty(reply));
    }

    fn opendir(&self, _: &Request, ino: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        self.call(
            Call::Look,
            |host| host.list(host.meant(ino.0)),
            |fh| match fh {
                Ok(fh) => reply.opened(FileHandle(fh), FopenFlags::empty()),
                Err(error) => reply.error(error),
            },
        );
    }

    fn readdir(
        &self,
        _: &Request,
        _: INodeNo,
        fh: FileHandle,
        offset: u64,
        mut reply: ReplyDirectory,
    ) {
        self.call(
            Call::Look,
            |host| host.listing(fh.0),
            |entries| match entries {
                Ok(entries) => {
                    let skipped = usize::try_from(offset).unwrap_or(usize::MAX);
                    for (entry, next) in entries.iter().zip(1..).skip(skipped) {
                        let number = INodeNo(self.host.shown(entry.number));
                        if reply.add(number, next, entry.kind, &entry.name) {
                            break;
                        }
                    }
                    reply.ok();
                }
                Err(error) => reply.error(error),
            },
        );
    }

    fn releasedir(&self, _: &Request, _: INodeNo, fh: FileHandle, _: OpenFlags, reply: ReplyEmpty) {
        self.host.close_listing(fh.0);
        reply.ok();
    }

    fn fsyncdir(&self, _: &Request, ino: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        self.call(Call::Sync, |host| host.sync_directory(host.meant(ino.0)), empty(reply));
    }

    fn statfs(&self, _: &Request, _: INodeNo, reply: ReplyStatfs) {
        let zero = self.behaviour() == Behaviour::StatfsZero;
        self.call(
            Call::Statfs,
            |_| Ok(if zero { 0 } else { BLOCKS }),
            |found| match found {
                Ok(blocks) => {
                    let free = blocks - blocks / 8;
                    reply.statfs(blocks, free, free, blocks, free, 4096, 255, 4096);
                }
                Err(error) => reply.error(error),
            },
        );
    }

    fn getlk(
        &self,
        request: &Request,
        _: INodeNo,
        fh: FileHandle,
        lock_owner: LockOwner,
        start: u64,
        end: u64,
        typ: i32,
        pid: u32,
        reply: ReplyLock,
    ) {
        self.call(
            Call::Look,
            |host| {
                let who = (fh, lock_owner);
                let (_, ask) = self.ask(who, (start, end), (typ, pid), request.pid())?;
                Ok(host.store.locks.get(&ask))
            },
            |found| match found {
                Ok(Some(held)) => {
                    let typ = if held.exclusive { libc::F_WRLCK } else { libc::F_RDLCK };
                    reply.locked(held.start, held.end, typ, held.pid);
                }
                Ok(None) => reply.locked(start, end, libc::F_UNLCK, 0),
                Err(error) => reply.error(error),
            },
        );
    }

    fn setlk(
        &self,
        request: &Request,
        _: INodeNo,
        fh: FileHandle,
        lock_owner: LockOwner,
        start: u64,
        end: u64,
        typ: i32,
        pid: u32,
        sleep: bool,
        reply: ReplyEmpty,
    ) {
        let act = || {
            self.host.before(Call::Lock)?;
            let who = (fh, lock_owner);
            let (file, ask) = self.ask(who, (start, end), (typ, pid), request.pid())?;
            let locks = &self.host.store.locks;
            if typ == libc::F_UNLCK {
                self.host.about_to_unlock(file);
                locks.unlock(&ask);
                return Ok((file, ask, Verdict::Granted));
            }
            let verdict = locks.set(&ask, sleep);
            if verdict == Verdict::Granted {
                self.host.locked(file);
            }
            Ok((file, ask, verdict))
        };
        match act() {
            Ok((_, _, Verdict::Granted)) => reply.ok(),
            Ok((file, ask, Verdict::Conflict)) if sleep => {
                let host = self.host.clone();
                let granted = Box::new(move || host.locked(file));
                self.host.store.locks.wait(request.unique().0, ask, reply, granted);
            }
            Ok((_, _, Verdict::Conflict)) => reply.error(Errno::EAGAIN),
            Ok((_, _, Verdict::Refused(error))) => reply.error(Errno::from_i32(error)),
            Err(error) => answer(Err(error), empty(reply)),
        }
    }

    fn fallocate(
        &self,
        _: &Request,
        _: INodeNo,
        fh: FileHandle,
        offset: u64,
        length: u64,
        mode: i32,
        reply: ReplyEmpty,
    ) {
        self.call(Call::Write, |host| host.allocate(fh.0, (offset, length), mode), empty(reply));
    }
}
