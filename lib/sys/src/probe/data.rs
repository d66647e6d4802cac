//! Bytes and their durability.

use std::io::IoSlice;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, fallocate};
use nix::libc;
use nix::sys::statfs::fstatfs;
use nix::sys::uio::{pread, pwrite};
use nix::unistd::{ftruncate, write};
use serde::{Deserialize, Serialize};

use super::{Refusal, raw};

fn offset(bytes: u64) -> Result<libc::off_t, Refusal> {
    libc::off_t::try_from(bytes).map_err(|_| libc::EOVERFLOW)
}

/// One `pread(2)`; the number of bytes read.
///
/// # Errors
///
/// What the system says.
pub fn read_at(fd: BorrowedFd<'_>, bytes: &mut [u8], at: u64) -> Result<usize, Refusal> {
    pread(fd, bytes, offset(at)?).map_err(raw)
}

/// One `pwrite(2)`; the number of bytes written.
///
/// # Errors
///
/// What the system says.
pub fn write_at(fd: BorrowedFd<'_>, bytes: &[u8], at: u64) -> Result<usize, Refusal> {
    pwrite(fd, bytes, offset(at)?).map_err(raw)
}

/// One `write(2)` where the descriptor stands, at the end of the file if it was opened to append.
///
/// # Errors
///
/// What the system says.
pub fn append(fd: BorrowedFd<'_>, bytes: &[u8]) -> Result<usize, Refusal> {
    write(fd, bytes).map_err(raw)
}

/// One `pwritev2(2)` with `RWF_DSYNC`: the bytes are durable when it returns.
///
/// # Errors
///
/// What the system says: `EOPNOTSUPP` if the file system knows no such thing.
pub fn write_at_durably(fd: BorrowedFd<'_>, bytes: &[u8], at: u64) -> Result<usize, Refusal> {
    let slice = [IoSlice::new(bytes)];
    #[expect(unsafe_code, reason = "there is no safe form of it")]
    // SAFETY: an IoSlice is an iovec by its own promise; one of them, whose bytes outlive the call.
    let done = unsafe {
        libc::pwritev2(fd.as_raw_fd(), slice.as_ptr().cast(), 1, offset(at)?, libc::RWF_DSYNC)
    };
    let done = Errno::result(done).map_err(raw)?;
    Ok(done.unsigned_abs())
}

/// `fsync(2)`.
///
/// # Errors
///
/// What the system says.
pub fn fsync(fd: BorrowedFd<'_>) -> Result<(), Refusal> {
    nix::unistd::fsync(fd).map_err(raw)
}

/// `fdatasync(2)`.
///
/// # Errors
///
/// What the system says.
pub fn fdatasync(fd: BorrowedFd<'_>) -> Result<(), Refusal> {
    nix::unistd::fdatasync(fd).map_err(raw)
}

/// `ftruncate(2)`.
///
/// # Errors
///
/// What the system says.
pub fn set_length(fd: BorrowedFd<'_>, bytes: u64) -> Result<(), Refusal> {
    ftruncate(fd, offset(bytes)?).map_err(raw)
}

/// `fallocate(2)` from `at` on.
///
/// # Errors
///
/// What the system says: `EOPNOTSUPP` if the file system knows no such thing.
pub fn allocate(fd: BorrowedFd<'_>, at: u64, bytes: u64) -> Result<(), Refusal> {
    fallocate(fd, FallocateFlags::empty(), offset(at)?, offset(bytes)?).map_err(raw)
}

/// `fcntl(F_DUPFD_CLOEXEC)`.
///
/// # Errors
///
/// What the system says.
pub fn duplicate(fd: BorrowedFd<'_>) -> Result<OwnedFd, Refusal> {
    fd.try_clone_to_owned().map_err(|error| error.raw_os_error().unwrap_or(libc::EBADF))
}

/// What `statfs(2)` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileSystem {
    /// Its magic number, 32 bits.
    pub magic: u64,
    /// Bytes in a block.
    pub block_bytes: u64,
    /// All of its blocks.
    pub blocks: u64,
    /// Those that an ordinary user may still take.
    pub blocks_available: u64,
    /// Files that can still be made; 0 where that is not counted.
    pub files_free: u64,
    /// The longest name in bytes.
    pub name_bytes_max: u64,
}

/// `fstatfs(2)`.
///
/// # Errors
///
/// What the system says.
pub fn file_system(fd: BorrowedFd<'_>) -> Result<FileSystem, Refusal> {
    let found = fstatfs(fd).map_err(raw)?;
    #[expect(clippy::cast_sign_loss, reason = "magic numbers are 32 bits of no sign")]
    let magic = found.filesystem_type().0 as u64 & 0xffff_ffff;
    #[allow(
        clippy::unnecessary_cast,
        clippy::cast_sign_loss,
        reason = "the types differ between C libraries; none of the values is negative"
    )]
    Ok(FileSystem {
        magic,
        block_bytes: found.block_size() as u64,
        blocks: found.blocks(),
        blocks_available: found.blocks_available(),
        files_free: found.files_free(),
        name_bytes_max: found.maximum_name_length() as u64,
    })
}

/// `close(2)`, whose error is told: some file systems report a failed write only here.
///
/// # Errors
///
/// What the system says. The descriptor is gone all the same.
pub fn close(fd: OwnedFd) -> Result<(), Refusal> {
    nix::unistd::close(fd).map_err(raw)
}
