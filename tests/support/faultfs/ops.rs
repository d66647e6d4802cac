//! What each call does to the directory behind the store.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{
    FileExt, FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt, chown, lchown,
};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use fuser::{FileAttr, FileType, INodeNo, Request, TimeOrNow};
use nix::fcntl::{
    AT_FDCWD, AtFlags, FallocateFlags, RenameFlags, fallocate, readlinkat, renameat2,
};
use nix::libc;
use nix::sys::stat::{Mode, SFlag, UtimensatFlags, mknod, utimensat};
use nix::sys::time::TimeSpec;
use nix::unistd::linkat;

use super::server::Server;
use super::side::{DirEntry, Handle, Op, errno, lock, path_of};
use super::{Change, Store, What};

/// Flags of `open` that the directory behind is not to see: they were obeyed already, or ask for
/// alignment that the kernel's copies do not have.
const FLAGS_DONE: i32 =
    libc::O_CREAT | libc::O_EXCL | libc::O_NOCTTY | libc::O_NOFOLLOW | libc::O_DIRECT;
const SET_GROUP_ID: u32 = 0o2000;

/// What `setattr` is asked to set.
pub(super) struct Wishes {
    pub(super) mode: Option<u32>,
    pub(super) uid: Option<u32>,
    pub(super) gid: Option<u32>,
    pub(super) size: Option<u64>,
    pub(super) atime: Option<TimeOrNow>,
    pub(super) mtime: Option<TimeOrNow>,
    pub(super) fh: Option<u64>,
}

impl Store {
    pub(super) fn name_of(&self, file: &File) -> PathBuf {
        let path = fs::read_link(path_of(file)).unwrap_or_default();
        path.strip_prefix(&self.backing).map(Path::to_owned).unwrap_or(path)
    }
}

impl Server {
    fn record(&self, request: &Request, path: PathBuf, what: What) {
        let by = self.side.name.clone();
        let change = Change { at: Instant::now(), by, thread: request.pid(), path, what };
        lock(&self.store.changes).push(change);
    }

    fn child(&self, parent: u64, name: &OsStr) -> io::Result<(PathBuf, PathBuf)> {
        let directory = self.side.inode(parent)?;
        // The path goes through the descriptor, which stays open as long as the inode is known.
        let path = path_of(&*directory).join(name);
        Ok((path, self.store.name_of(&directory).join(name)))
    }

    fn needs_space(&self) -> io::Result<()> {
        if self.side.is_full() { Err(errno(libc::ENOSPC)) } else { Ok(()) }
    }

    pub(super) fn attributes(&self, file: &File) -> io::Result<FileAttr> {
        let data = file.metadata()?;
        let time = |s: i64, ns: i64| {
            let seconds = Duration::from_secs(s.unsigned_abs());
            let nanos = Duration::from_nanos(ns.unsigned_abs());
            if s < 0 { UNIX_EPOCH - seconds + nanos } else { UNIX_EPOCH + seconds + nanos }
        };
        Ok(FileAttr {
            ino: INodeNo(self.side.number_of(data.ino())),
            size: data.size(),
            blocks: data.blocks(),
            atime: time(data.atime(), data.atime_nsec()),
            mtime: time(data.mtime(), data.mtime_nsec()),
            ctime: time(data.ctime(), data.ctime_nsec()),
            crtime: UNIX_EPOCH,
            kind: kind_of(data.file_type()),
            perm: u16::try_from(data.mode() & 0o7777).unwrap_or_default(),
            nlink: u32::try_from(data.nlink()).unwrap_or(u32::MAX),
            uid: data.uid(),
            gid: data.gid(),
            rdev: u32::try_from(data.rdev()).unwrap_or_default(),
            blksize: 4096,
            flags: 0,
        })
    }

    pub(super) fn look_up(&self, parent: u64, name: &OsStr) -> io::Result<FileAttr> {
        let file = self.side.look_up(parent, Path::new(name))?;
        self.attributes(&file)
    }

    pub(super) fn set_attributes(
        &self,
        request: &Request,
        number: u64,
        wishes: &Wishes,
    ) -> io::Result<FileAttr> {
        let inode = self.side.inode(number)?;
        let path = path_of(&*inode);
        if let Some(len_bytes) = wishes.size {
            match wishes.fh {
                Some(fh) => {
                    let handle = self.side.handle(fh)?;
                    handle.may_use()?;
                    handle.file.set_len(len_bytes)?;
                }
                None => OpenOptions::new().write(true).open(&path)?.set_len(len_bytes)?,
            }
            self.record(request, self.store.name_of(&inode), What::Truncate { len_bytes });
        }
        if wishes.uid.is_some() || wishes.gid.is_some() {
            chown(&path, wishes.uid, wishes.gid)?;
        }
        if let Some(mode) = wishes.mode {
            fs::set_permissions(&path, Permissions::from_mode(mode & 0o7777))?;
        }
        if wishes.atime.is_some() || wishes.mtime.is_some() {
            let (atime, mtime) = (time_spec(wishes.atime), time_spec(wishes.mtime));
            utimensat(AT_FDCWD, &path, &atime, &mtime, UtimensatFlags::FollowSymlink)?;
        }
        if wishes.size.is_none() {
            self.record(request, self.store.name_of(&inode), What::Attributes);
        }
        self.attributes(&inode)
    }

    pub(super) fn read_link(&self, number: u64) -> io::Result<Vec<u8>> {
        let link = self.side.inode(number)?;
        Ok(readlinkat(link.as_fd(), c"")?.into_encoded_bytes())
    }

    /// Gives something new its owner and mode, and tells the kernel about it.
    fn made(
        &self,
        request: &Request,
        parent: u64,
        name: &OsStr,
        mode: Option<u32>,
    ) -> io::Result<FileAttr> {
        let (path, shown) = self.child(parent, name)?;
        let directory = self.side.inode(parent)?.metadata()?;
        let of_group = directory.mode() & SET_GROUP_ID != 0;
        let gid = if of_group { directory.gid() } else { request.gid() };
        let data = fs::symlink_metadata(&path)?;
        if (data.uid(), data.gid()) != (request.uid(), gid) {
            lchown(&path, Some(request.uid()), Some(gid))?;
        }
        if let Some(mode) = mode {
            // A new directory inherits the bit; the kernel leaves that to the file system.
            let inherited = if of_group && data.is_dir() { SET_GROUP_ID } else { 0 };
            fs::set_permissions(&path, Permissions::from_mode(mode & 0o7777 | inherited))?;
        }
        self.record(request, shown, What::Create);
        self.look_up(parent, name)
    }

    pub(super) fn make_directory(
        &self,
        request: &Request,
        parent: u64,
        name: &OsStr,
        mode: u32,
    ) -> io::Result<FileAttr> {
        self.needs_space()?;
        fs::create_dir(self.child(parent, name)?.0)?;
        self.made(request, parent, name, Some(mode))
    }

    pub(super) fn make_node(
        &self,
        request: &Request,
        parent: u64,
        name: &OsStr,
        (mode, device): (u32, u32),
    ) -> io::Result<FileAttr> {
        self.needs_space()?;
        let kind = SFlag::from_bits_truncate(mode);
        mknod(&self.child(parent, name)?.0, kind, Mode::S_IRUSR, device.into())?;
        self.made(request, parent, name, Some(mode))
    }

    pub(super) fn make_link(
        &self,
        request: &Request,
        parent: u64,
        name: &OsStr,
        target: &Path,
    ) -> io::Result<FileAttr> {
        self.needs_space()?;
        std::os::unix::fs::symlink(target, self.child(parent, name)?.0)?;
        self.made(request, parent, name, None)
    }

    pub(super) fn make_name(
        &self,
        request: &Request,
        number: u64,
        parent: u64,
        name: &OsStr,
    ) -> io::Result<FileAttr> {
        self.needs_space()?;
        let (path, shown) = self.child(parent, name)?;
        let old = path_of(&*self.side.inode(number)?);
        linkat(AT_FDCWD, &old, AT_FDCWD, &path, AtFlags::AT_SYMLINK_FOLLOW)?;
        self.record(request, shown, What::Create);
        self.look_up(parent, name)
    }

    pub(super) fn remove(
        &self,
        request: &Request,
        parent: u64,
        name: &OsStr,
        directory: bool,
    ) -> io::Result<()> {
        let (path, shown) = self.child(parent, name)?;
        if directory {
            fs::remove_dir(path)?;
        } else {
            fs::remove_file(path)?;
        }
        self.record(request, shown, What::Remove);
        Ok(())
    }

    pub(super) fn rename(
        &self,
        request: &Request,
        (parent, name): (u64, &OsStr),
        (new_parent, new_name): (u64, &OsStr),
        flags: u32,
    ) -> io::Result<()> {
        let (path, shown) = self.child(parent, name)?;
        let (new_path, to) = self.child(new_parent, new_name)?;
        let flags = RenameFlags::from_bits_truncate(flags);
        renameat2(AT_FDCWD, &path, AT_FDCWD, &new_path, flags)?;
        self.record(request, shown, What::Rename { to });
        Ok(())
    }

    /// Makes a file unless it exists, and opens it.
    pub(super) fn create(
        &self,
        request: &Request,
        parent: u64,
        name: &OsStr,
        (mode, flags): (u32, i32),
    ) -> io::Result<(FileAttr, u64)> {
        let path = self.child(parent, name)?.0;
        let new = if self.side.is_full() && fs::symlink_metadata(&path).is_err() {
            Err(errno(libc::ENOSPC))
        } else {
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)
        };
        let attributes = match new {
            Ok(_) => self.made(request, parent, name, Some(mode))?,
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists && flags & libc::O_EXCL == 0 => {
                self.look_up(parent, name)?
            }
            Err(error) => return Err(error),
        };
        let fh = self.open(attributes.ino.0, flags)?;
        Ok((attributes, fh))
    }

    pub(super) fn open(&self, number: u64, flags: i32) -> io::Result<u64> {
        let inode = self.side.inode(number)?;
        let access = flags & libc::O_ACCMODE;
        let file = OpenOptions::new()
            .read(access != libc::O_WRONLY)
            .write(access != libc::O_RDONLY)
            .custom_flags(flags & !FLAGS_DONE & !libc::O_ACCMODE)
            .open(path_of(&*inode))?;
        let inode = file.metadata()?.ino();
        Ok(self.side.open(file, inode))
    }

    pub(super) fn read(&self, fh: u64, offset: u64, size: u32) -> io::Result<Vec<u8>> {
        let handle = self.used(fh, Op::Read)?;
        handle.may_use()?;
        let mut bytes = vec![0; size as usize];
        let mut len = 0;
        while len < bytes.len() {
            match handle.file.read_at(&mut bytes[len..], offset + len as u64)? {
                0 => break,
                more => len += more,
            }
        }
        bytes.truncate(len);
        Ok(bytes)
    }

    pub(super) fn write(
        &self,
        request: &Request,
        fh: u64,
        (offset, data): (u64, &[u8]),
        flags: i32,
    ) -> io::Result<()> {
        let handle = self.used(fh, Op::Write)?;
        if !handle.may_write(flags & libc::O_DSYNC != 0)? {
            return Ok(());
        }
        let len_bytes = data.len() as u64;
        self.has_space(&handle, offset + len_bytes)?;
        handle.file.write_all_at(data, offset)?;
        let what = What::Write { offset, len_bytes };
        self.record(request, self.store.name_of(&handle.file), what);
        Ok(())
    }

    pub(super) fn sync(&self, fh: u64, data_only: bool) -> io::Result<()> {
        let handle = self.used(fh, Op::Sync)?;
        handle.may_sync()?;
        if data_only { handle.file.sync_data() } else { handle.file.sync_all() }
    }

    pub(super) fn sync_directory(&self, number: u64) -> io::Result<()> {
        let directory = self.side.inode(number)?;
        self.side.strike(Op::Sync, &self.store.name_of(&directory))?;
        File::open(path_of(&*directory))?.sync_all()
    }

    pub(super) fn allocate(
        &self,
        request: &Request,
        fh: u64,
        (offset, len_bytes): (u64, u64),
        mode: i32,
    ) -> io::Result<()> {
        let handle = self.used(fh, Op::Write)?;
        handle.may_use()?;
        self.has_space(&handle, offset + len_bytes)?;
        let signed = |n: u64| i64::try_from(n).map_err(|_| errno(libc::EINVAL));
        let mode = FallocateFlags::from_bits_truncate(mode);
        fallocate(&handle.file, mode, signed(offset)?, signed(len_bytes)?)?;
        let what = What::Allocate { offset, len_bytes };
        self.record(request, self.store.name_of(&handle.file), what);
        Ok(())
    }

    pub(super) fn list(&self, number: u64) -> io::Result<u64> {
        let directory = self.side.inode(number)?;
        let special =
            |name: &str| DirEntry { inode: number, kind: FileType::Directory, name: name.into() };
        let mut entries = vec![special("."), special("..")];
        for entry in fs::read_dir(path_of(&*directory))? {
            let entry = entry?;
            let kind = kind_of(entry.file_type()?);
            let inode = std::os::unix::fs::DirEntryExt::ino(&entry);
            entries.push(DirEntry { inode, kind, name: entry.file_name() });
        }
        Ok(self.side.open_directory(entries))
    }

    fn used(&self, fh: u64, op: Op) -> io::Result<std::sync::Arc<Handle>> {
        let handle = self.side.handle(fh)?;
        self.side.strike(op, &self.store.name_of(&handle.file))?;
        Ok(handle)
    }

    /// Whether a file can be written up to `end` without new space.
    fn has_space(&self, handle: &Handle, end: u64) -> io::Result<()> {
        if self.side.is_full() {
            let data = handle.file.metadata()?;
            if end > data.size() || data.blocks() * 512 < data.size() {
                return Err(errno(libc::ENOSPC));
            }
        }
        Ok(())
    }
}

fn kind_of(kind: fs::FileType) -> FileType {
    if kind.is_dir() {
        FileType::Directory
    } else if kind.is_symlink() {
        FileType::Symlink
    } else if kind.is_fifo() {
        FileType::NamedPipe
    } else if kind.is_socket() {
        FileType::Socket
    } else {
        FileType::RegularFile
    }
}

fn time_spec(time: Option<TimeOrNow>) -> TimeSpec {
    match time {
        None => TimeSpec::UTIME_OMIT,
        Some(TimeOrNow::Now) => TimeSpec::UTIME_NOW,
        Some(TimeOrNow::SpecificTime(time)) => {
            TimeSpec::from(time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default())
        }
    }
}
