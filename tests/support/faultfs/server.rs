//! The kernel's calls, each let through the gate and answered.

use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::sync::{Arc, MutexGuard};
use std::time::{Duration, SystemTime};

use fuser::{
    BsdFileFlags, Errno, FileHandle, Filesystem, FopenFlags, Generation, INodeNo, InitFlags,
    KernelConfig, LockOwner, OpenFlags, RenameFlags, ReplyAttr, ReplyCreate, ReplyData,
    ReplyDirectory, ReplyEmpty, ReplyEntry, ReplyLock, ReplyOpen, ReplyStatfs, ReplyWrite, Request,
    TimeOrNow, WriteFlags,
};
use nix::libc;
use nix::sys::statvfs::fstatvfs;

use super::Store;
use super::ops::Wishes;
use super::side::{Op, Side, lock};
use crate::support::locks::{Lock, LockTable};

/// Nothing is cached: each mount sees what the others did.
const NO_TIME: Duration = Duration::ZERO;
const GENERATION: Generation = Generation(0);

/// The server of one mount.
pub(super) struct Server {
    pub(super) store: Arc<Store>,
    pub(super) side: Arc<Side>,
}

/// A process that waits for a lock.
pub(super) struct Waiter {
    side: Arc<Side>,
    inode: u64,
    wanted: Lock,
    reply: ReplyEmpty,
}

impl Store {
    pub(super) fn locks(&self) -> MutexGuard<'_, LockTable> {
        lock(&self.locks)
    }

    /// Gives those who wait what they can have now.
    pub(super) fn grant_waiters(&self) {
        let mut waiting = lock(&self.waiting);
        for waiter in std::mem::take(&mut *waiting) {
            if waiter.side.is_open() && self.locks().take(waiter.inode, waiter.wanted) {
                waiter.reply.ok();
            } else {
                waiting.push(waiter);
            }
        }
    }

    /// Sends away those who wait on a mount that goes.
    pub(super) fn refuse_waiters(&self, side: usize) {
        let mut waiting = lock(&self.waiting);
        for waiter in waiting.extract_if(.., |waiter| waiter.side.number == side) {
            waiter.reply.error(Errno::EIO);
        }
    }
}

impl Server {
    pub(super) fn new(store: Arc<Store>, side: Arc<Side>) -> Self {
        Self { store, side }
    }

    /// Does something once the gate is open. The answer must be given by `answer`, so that nothing
    /// is half done when the gate is closed.
    fn call<T>(&self, act: impl FnOnce() -> io::Result<T>, answer: impl FnOnce(Result<T, Errno>)) {
        match self.side.enter() {
            Ok(_inside) => answer(act().map_err(Errno::from)),
            Err(error) => answer(Err(error.into())),
        }
    }

    fn lock_of(
        &self,
        (fh, owner): (FileHandle, LockOwner),
        range: (u64, u64),
        typ: i32,
        pid: u32,
    ) -> Lock {
        Lock {
            side: self.side.number,
            owner: owner.0,
            fh: fh.0,
            start: range.0,
            end: range.1,
            exclusive: typ == libc::F_WRLCK,
            pid,
        }
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

impl Filesystem for Server {
    fn init(&mut self, _: &Request, config: &mut KernelConfig) -> io::Result<()> {
        // Without these the kernel keeps locks to itself, for each mount alone.
        let needed = InitFlags::FUSE_POSIX_LOCKS | InitFlags::FUSE_FLOCK_LOCKS;
        config.add_capabilities(needed).map_err(|_| io::ErrorKind::Unsupported.into())
    }

    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        self.call(|| self.look_up(parent.0, name), entry(reply));
    }

    fn forget(&self, _: &Request, ino: INodeNo, nlookup: u64) {
        self.side.forget(ino.0, nlookup);
    }

    fn getattr(&self, _: &Request, ino: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        self.call(|| self.attributes(&*self.side.inode(ino.0)?), attributes(reply));
    }

    fn setattr(
        &self,
        request: &Request,
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
        let wishes = Wishes { mode, uid, gid, size, atime, mtime, fh: fh.map(|fh| fh.0) };
        self.call(|| self.set_attributes(request, ino.0, &wishes), attributes(reply));
    }

    fn readlink(&self, _: &Request, ino: INodeNo, reply: ReplyData) {
        self.call(
            || self.read_link(ino.0),
            |target| match target {
                Ok(target) => reply.data(&target),
                Err(error) => reply.error(error),
            },
        );
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
        self.call(|| self.make_node(request, parent.0, name, (mode, rdev)), entry(reply));
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
        self.call(|| self.make_directory(request, parent.0, name, mode), entry(reply));
    }

    fn unlink(&self, request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        self.call(|| self.remove(request, parent.0, name, false), empty(reply));
    }

    fn rmdir(&self, request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        self.call(|| self.remove(request, parent.0, name, true), empty(reply));
    }

    fn symlink(
        &self,
        request: &Request,
        parent: INodeNo,
        link_name: &OsStr,
        target: &Path,
        reply: ReplyEntry,
    ) {
        self.call(|| self.make_link(request, parent.0, link_name, target), entry(reply));
    }

    fn rename(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        newparent: INodeNo,
        newname: &OsStr,
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        let (from, to) = ((parent.0, name), (newparent.0, newname));
        self.call(|| Server::rename(self, request, from, to, flags.bits()), empty(reply));
    }

    fn link(
        &self,
        request: &Request,
        ino: INodeNo,
        newparent: INodeNo,
        newname: &OsStr,
        reply: ReplyEntry,
    ) {
        self.call(|| self.make_name(request, ino.0, newparent.0, newname), entry(reply));
    }

    fn open(&self, _: &Request, ino: INodeNo, flags: OpenFlags, reply: ReplyOpen) {
        self.call(
            || Server::open(self, ino.0, flags.0),
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
        self.call(
            || Server::create(self, request, parent.0, name, (mode, flags)),
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
        self.call(
            || Server::read(self, fh.0, offset, size),
            |bytes| match bytes {
                Ok(bytes) => reply.data(&bytes),
                Err(error) => reply.error(error),
            },
        );
    }

    fn write(
        &self,
        request: &Request,
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
            || Server::write(self, request, fh.0, (offset, data), flags.0),
            |done| match done {
                Ok(()) => reply.written(u32::try_from(data.len()).unwrap_or(u32::MAX)),
                Err(error) => reply.error(error),
            },
        );
    }

    fn flush(&self, _: &Request, _: INodeNo, fh: FileHandle, owner: LockOwner, reply: ReplyEmpty) {
        self.call(
            || {
                let inode = self.side.handle(fh.0)?.inode;
                self.store.locks().flushed(inode, self.side.number, owner.0);
                Ok(())
            },
            empty(reply),
        );
        self.store.grant_waiters();
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
        self.call(
            || {
                if let Some(handle) = self.side.close(fh.0) {
                    self.store.locks().closed(handle.inode, self.side.number, fh.0);
                }
                Ok(())
            },
            empty(reply),
        );
        self.store.grant_waiters();
    }

    fn fsync(&self, _: &Request, _: INodeNo, fh: FileHandle, datasync: bool, reply: ReplyEmpty) {
        self.call(|| self.sync(fh.0, datasync), empty(reply));
    }

    fn opendir(&self, _: &Request, ino: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        self.call(
            || self.list(ino.0),
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
            || self.side.directory(fh.0),
            |entries| match entries {
                Ok(entries) => {
                    let skipped = usize::try_from(offset).unwrap_or(usize::MAX);
                    for (entry, next) in entries.iter().zip(1..).skip(skipped) {
                        let inode = INodeNo(self.side.number_of(entry.inode));
                        if reply.add(inode, next, entry.kind, &entry.name) {
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
        self.side.close_directory(fh.0);
        reply.ok();
    }

    fn fsyncdir(&self, _: &Request, ino: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        self.call(|| self.sync_directory(ino.0), empty(reply));
    }

    fn statfs(&self, _: &Request, ino: INodeNo, reply: ReplyStatfs) {
        self.call(
            || Ok(fstatvfs(&*self.side.inode(ino.0)?)?),
            |found| match found {
                Ok(s) => {
                    let free = |n: u64| if self.side.is_full() { 0 } else { n };
                    reply.statfs(
                        s.blocks(),
                        free(s.blocks_free()),
                        free(s.blocks_available()),
                        s.files(),
                        s.files_free(),
                        4096,
                        255,
                        u32::try_from(s.fragment_size()).unwrap_or(4096),
                    );
                }
                Err(error) => reply.error(error),
            },
        );
    }

    fn getlk(
        &self,
        _: &Request,
        _: INodeNo,
        fh: FileHandle,
        lock_owner: LockOwner,
        start: u64,
        end: u64,
        typ: i32,
        pid: u32,
        reply: ReplyLock,
    ) {
        let wanted = self.lock_of((fh, lock_owner), (start, end), typ, pid);
        self.call(
            || Ok(self.store.locks().conflict(self.side.handle(fh.0)?.inode, &wanted)),
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
        _: &Request,
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
        let wanted = self.lock_of((fh, lock_owner), (start, end), typ, pid);
        let act = || {
            let handle = self.side.handle(fh.0)?;
            if typ == libc::F_UNLCK {
                self.store.locks().let_go(handle.inode, &wanted);
                return Ok((handle.inode, true));
            }
            self.side.strike(Op::Lock, &self.store.name_of(&handle.file))?;
            Ok((handle.inode, self.store.locks().take(handle.inode, wanted)))
        };
        self.call(act, |taken| match taken {
            Ok((_, true)) => reply.ok(),
            Ok((inode, false)) if sleep => {
                let side = self.side.clone();
                lock(&self.store.waiting).push(Waiter { side, inode, wanted, reply });
            }
            Ok((_, false)) => reply.error(Errno::EAGAIN),
            Err(error) => reply.error(error),
        });
        self.store.grant_waiters();
    }

    fn fallocate(
        &self,
        request: &Request,
        _: INodeNo,
        fh: FileHandle,
        offset: u64,
        length: u64,
        mode: i32,
        reply: ReplyEmpty,
    ) {
        self.call(|| self.allocate(request, fh.0, (offset, length), mode), empty(reply));
    }
}
