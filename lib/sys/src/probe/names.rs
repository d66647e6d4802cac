//! Names, and what is behind them.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use nix::dir::Dir as List;
use nix::fcntl::{AtFlags, OFlag, open, openat, readlinkat, renameat};
use nix::sys::stat::{FchmodatFlags, FileStat, Mode, fchmod, fchmodat, fstat, fstatat, mkdirat};
use nix::unistd::{Gid, LinkatFlags, Uid, UnlinkatFlags, fchown, linkat, symlinkat, unlinkat};
use serde::{Deserialize, Serialize};

use super::{Refusal, raw};

/// How a file is opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of open(2)")]
#[serde(default)]
pub struct How {
    /// To read only; otherwise to read and write.
    pub read_only: bool,
    /// To write only.
    pub write_only: bool,
    /// `O_CREAT`.
    pub create: bool,
    /// `O_EXCL`.
    pub exclusive: bool,
    /// `O_TRUNC`.
    pub truncate: bool,
    /// `O_APPEND`.
    pub append: bool,
    /// `O_SYNC`.
    pub sync: bool,
    /// `O_DSYNC`.
    pub data_sync: bool,
    /// `O_DIRECT`.
    pub direct: bool,
    /// The mode of a file that is made; 0 is 0660. The umask is set to 0 by actors.
    pub mode: u32,
}

impl How {
    /// An existing file, to read and write.
    pub const RW: Self = Self {
        read_only: false,
        write_only: false,
        create: false,
        exclusive: false,
        truncate: false,
        append: false,
        sync: false,
        data_sync: false,
        direct: false,
        mode: 0,
    };
    /// An existing file, to read.
    pub const RO: Self = Self { read_only: true, ..Self::RW };
    /// A new file, to read and write.
    pub const NEW: Self = Self { create: true, exclusive: true, ..Self::RW };
    /// A file that is made if it is not there, to read and write.
    pub const MAKE: Self = Self { create: true, ..Self::RW };

    fn flags(self) -> OFlag {
        let mut flags = OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
        flags |= match (self.read_only, self.write_only) {
            (true, _) => OFlag::O_RDONLY,
            (_, true) => OFlag::O_WRONLY,
            _ => OFlag::O_RDWR,
        };
        for (wanted, flag) in [
            (self.create, OFlag::O_CREAT),
            (self.exclusive, OFlag::O_EXCL),
            (self.truncate, OFlag::O_TRUNC),
            (self.append, OFlag::O_APPEND),
            (self.sync, OFlag::O_SYNC),
            (self.data_sync, OFlag::O_DSYNC),
            (self.direct, OFlag::O_DIRECT),
        ] {
            flags.set(flag, wanted || flags.contains(flag));
        }
        flags
    }
}

impl std::fmt::Display for How {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match (self.read_only, self.write_only) {
            (true, _) => "O_RDONLY",
            (_, true) => "O_WRONLY",
            _ => "O_RDWR",
        })?;
        for (wanted, name) in [
            (self.create, "O_CREAT"),
            (self.exclusive, "O_EXCL"),
            (self.truncate, "O_TRUNC"),
            (self.append, "O_APPEND"),
            (self.sync, "O_SYNC"),
            (self.data_sync, "O_DSYNC"),
            (self.direct, "O_DIRECT"),
        ] {
            if wanted {
                write!(f, "|{name}")?;
            }
        }
        Ok(())
    }
}

/// What `stat(2)` says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attributes {
    /// The device of its file system.
    pub device: u64,
    /// Its number there.
    pub inode: u64,
    /// Type and permission bits.
    pub mode: u32,
    /// Its user.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// Its length in bytes.
    pub bytes: u64,
    /// The number of its names.
    pub links: u64,
    /// When it was last written: nanoseconds since 1970 UTC by whose clock the storage uses.
    pub modified_ns: i64,
    /// When its attributes last changed, likewise.
    pub changed_ns: i64,
}

impl Attributes {
    /// Permission bits, set-id bits and sticky bit.
    pub fn permissions(&self) -> u32 {
        self.mode & 0o7777
    }

    /// Whether it is a directory.
    pub fn is_dir(&self) -> bool {
        self.mode & nix::libc::S_IFMT == nix::libc::S_IFDIR
    }
}

impl From<FileStat> for Attributes {
    #[allow(
        clippy::unnecessary_cast,
        clippy::useless_conversion,
        reason = "the types differ between architectures and C libraries"
    )]
    fn from(stat: FileStat) -> Self {
        let nanos = |seconds: i64, nanos: i64| seconds.saturating_mul(1_000_000_000) + nanos;
        Self {
            device: stat.st_dev as u64,
            inode: stat.st_ino as u64,
            mode: stat.st_mode,
            uid: stat.st_uid,
            gid: stat.st_gid,
            bytes: u64::try_from(stat.st_size).unwrap_or_default(),
            links: u64::from(stat.st_nlink),
            modified_ns: nanos(stat.st_mtime.into(), stat.st_mtime_nsec.into()),
            changed_ns: nanos(stat.st_ctime.into(), stat.st_ctime_nsec.into()),
        }
    }
}

/// The directory under test, held open.
#[derive(Debug)]
pub struct Dir(OwnedFd);

impl Dir {
    /// Opens it; symbolic links are followed, because an operator named it.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn open(path: &Path) -> Result<Self, Refusal> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        open(path, flags, Mode::empty()).map(Self).map_err(raw)
    }

    /// The directory itself.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    /// `openat(2)`.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn open_file(&self, name: &str, how: How) -> Result<OwnedFd, Refusal> {
        let mode = Mode::from_bits_truncate(if how.mode == 0 { 0o660 } else { how.mode });
        openat(&self.0, name, how.flags(), mode).map_err(raw)
    }

    /// Opens a directory in it and calls `fsync(2)`; of itself if `name` is ".".
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn sync(&self, name: &str) -> Result<(), Refusal> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW;
        let dir = openat(&self.0, name, flags, Mode::empty()).map_err(raw)?;
        nix::unistd::fsync(&dir).map_err(raw)
    }

    /// `renameat(2)`.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn rename(&self, from: &str, to: &str) -> Result<(), Refusal> {
        renameat(&self.0, from, &self.0, to).map_err(raw)
    }

    /// `linkat(2)`.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn link(&self, from: &str, to: &str) -> Result<(), Refusal> {
        linkat(&self.0, from, &self.0, to, LinkatFlags::empty()).map_err(raw)
    }

    /// `symlinkat(2)`.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn symlink(&self, target: &str, name: &str) -> Result<(), Refusal> {
        symlinkat(target, &self.0, name).map_err(raw)
    }

    /// `readlinkat(2)`, bytes that are no UTF-8 replaced.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn read_link(&self, name: &str) -> Result<String, Refusal> {
        let target = readlinkat(&self.0, name).map_err(raw)?;
        Ok(target.to_string_lossy().into_owned())
    }

    /// `unlinkat(2)` of a file.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn unlink(&self, name: &str) -> Result<(), Refusal> {
        unlinkat(&self.0, name, UnlinkatFlags::NoRemoveDir).map_err(raw)
    }

    /// `mkdirat(2)`.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn make_dir(&self, name: &str, mode: u32) -> Result<(), Refusal> {
        mkdirat(&self.0, name, Mode::from_bits_truncate(mode)).map_err(raw)
    }

    /// `unlinkat(2)` of a directory.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn remove_dir(&self, name: &str) -> Result<(), Refusal> {
        unlinkat(&self.0, name, UnlinkatFlags::RemoveDir).map_err(raw)
    }

    /// `fstatat(2)`, a symbolic link not followed.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn attributes(&self, name: &str) -> Result<Attributes, Refusal> {
        fstatat(&self.0, name, AtFlags::AT_SYMLINK_NOFOLLOW).map(Into::into).map_err(raw)
    }

    /// `fchmodat(2)`.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn set_mode(&self, name: &str, mode: u32) -> Result<(), Refusal> {
        let mode = Mode::from_bits_truncate(mode);
        fchmodat(&self.0, name, mode, FchmodatFlags::FollowSymlink).map_err(raw)
    }

    /// The names in a directory in it, in no order; "." is itself.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn list(&self, name: &str) -> Result<Vec<String>, Refusal> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW;
        let mut dir = List::openat(&self.0, name, flags, Mode::empty()).map_err(raw)?;
        let mut names = Vec::new();
        for entry in dir.iter() {
            let name = entry.map_err(raw)?.file_name().to_string_lossy().into_owned();
            if name != "." && name != ".." {
                names.push(name);
            }
        }
        Ok(names)
    }
}

/// `fstat(2)`.
///
/// # Errors
///
/// What the system says.
pub fn attributes(fd: BorrowedFd<'_>) -> Result<Attributes, Refusal> {
    fstat(fd).map(Into::into).map_err(raw)
}

/// `fchmod(2)`.
///
/// # Errors
///
/// What the system says.
pub fn set_mode(fd: BorrowedFd<'_>, mode: u32) -> Result<(), Refusal> {
    fchmod(fd, Mode::from_bits_truncate(mode)).map_err(raw)
}

/// `fchown(2)`.
///
/// # Errors
///
/// What the system says.
pub fn set_owner(fd: BorrowedFd<'_>, uid: u32, gid: u32) -> Result<(), Refusal> {
    fchown(fd, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid))).map_err(raw)
}
