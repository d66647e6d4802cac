//! Every kind of lock that matters.

use std::os::fd::{AsRawFd, BorrowedFd};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use serde::{Deserialize, Serialize};

use super::{Refusal, raw};
use crate::lock::Range;

/// Who owns a lock, and how it is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// `fcntl(F_SETLK)`: the process; gone when it closes any descriptor of the file.
    Posix,
    /// `fcntl(F_OFD_SETLK)`: the open file description. What instances use.
    Ofd,
    /// `flock(2)`: the open file description, and always the whole file.
    Flock,
}

/// What is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A shared lock.
    Read,
    /// An exclusive lock.
    Write,
    /// No lock.
    Unlock,
}

impl Kind {
    fn raw(self) -> libc::c_int {
        match self {
            Self::Read => libc::F_RDLCK,
            Self::Write => libc::F_WRLCK,
            Self::Unlock => libc::F_UNLCK,
        }
    }
}

/// A lock that stands in the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// Shared or exclusive.
    pub kind: Kind,
    /// Where.
    pub range: Range,
    /// Whose: -1 of an open file description, 0 or anything if it is another host's.
    pub pid: i32,
}

/// Takes, changes or gives back a lock; waits for it if `wait`.
///
/// # Errors
///
/// `EAGAIN` or `EACCES` if somebody else's is in the way; `EINTR` if a signal ended the wait.
pub fn lock(
    fd: BorrowedFd<'_>,
    family: Family,
    kind: Kind,
    range: Range,
    wait: bool,
) -> Result<(), Refusal> {
    if family == Family::Flock {
        return flock(fd, kind, wait);
    }
    let lock = wanted(kind, range)?;
    let arg = match (family, wait) {
        (Family::Posix, false) => FcntlArg::F_SETLK(&lock),
        (Family::Posix, true) => FcntlArg::F_SETLKW(&lock),
        (_, false) => FcntlArg::F_OFD_SETLK(&lock),
        (_, true) => FcntlArg::F_OFD_SETLKW(&lock),
    };
    fcntl(fd, arg).map(drop).map_err(raw)
}

/// Which lock of somebody else stands in the way of this one. Not for [`Family::Flock`].
///
/// # Errors
///
/// `EINVAL` for [`Family::Flock`]; otherwise what the system says.
pub fn test_lock(
    fd: BorrowedFd<'_>,
    family: Family,
    kind: Kind,
    range: Range,
) -> Result<Option<Held>, Refusal> {
    let mut lock = wanted(kind, range)?;
    let arg = match family {
        Family::Posix => FcntlArg::F_GETLK(&mut lock),
        Family::Ofd => FcntlArg::F_OFD_GETLK(&mut lock),
        Family::Flock => return Err(libc::EINVAL),
    };
    fcntl(fd, arg).map_err(raw)?;
    let kind = match i32::from(lock.l_type) {
        libc::F_UNLCK => return Ok(None),
        libc::F_RDLCK => Kind::Read,
        _ => Kind::Write,
    };
    let range = Range {
        start: u64::try_from(lock.l_start).unwrap_or_default(),
        len: u64::try_from(lock.l_len).unwrap_or_default(),
    };
    Ok(Some(Held { kind, range, pid: lock.l_pid }))
}

fn flock(fd: BorrowedFd<'_>, kind: Kind, wait: bool) -> Result<(), Refusal> {
    let how = match kind {
        Kind::Read => libc::LOCK_SH,
        Kind::Write => libc::LOCK_EX,
        Kind::Unlock => libc::LOCK_UN,
    };
    let how = if wait { how } else { how | libc::LOCK_NB };
    #[expect(unsafe_code, reason = "the safe form of flock takes the descriptor away")]
    // SAFETY: a system call on a descriptor that is open, with no memory.
    let done = unsafe { libc::flock(fd.as_raw_fd(), how) };
    Errno::result(done).map(drop).map_err(raw)
}

fn wanted(kind: Kind, range: Range) -> Result<libc::flock, Refusal> {
    let offset = |bytes: u64| libc::off_t::try_from(bytes).map_err(|_| libc::EOVERFLOW);
    #[expect(clippy::cast_possible_truncation, reason = "the constants are small")]
    Ok(libc::flock {
        l_type: kind.raw() as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: offset(range.start)?,
        l_len: offset(range.len)?,
        // Must be 0 for a lock of an open file description.
        l_pid: 0,
    })
}
