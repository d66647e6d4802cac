//! What failed: the operation, the path, and the system's reason.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use nix::errno::Errno;

macro_rules! ops {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// An operation of the operating system, as a verb phrase that reads well after "cannot".
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Op {
            $($(#[$doc])* $name,)*
        }

        impl Op {
            /// Every operation.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The verb phrase: "open", "list the directory".
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

ops! {
    /// Open an existing file.
    Open = "open",
    /// Create a file or a directory.
    Create = "create",
    /// Read from a file.
    Read = "read",
    /// Write to a file.
    Write = "write",
    /// Make a file's bytes durable.
    Sync = "sync",
    /// Make a directory's entries durable.
    SyncDir = "sync the directory",
    /// Take, test or keep a lock.
    Lock = "lock",
    /// Close a file.
    Close = "close",
    /// Look at a file's attributes.
    Stat = "examine",
    /// Look at a file system's attributes.
    StatFs = "examine the file system of",
    /// List a directory.
    List = "list the directory",
    /// Find the path without symbolic links.
    Resolve = "resolve",
    /// Give a file another name.
    Rename = "rename",
    /// Give a file one more name.
    Link = "link",
    /// Remove a name.
    Remove = "remove",
    /// Reserve space.
    Allocate = "allocate space for",
    /// Change a file's length.
    Truncate = "set the length of",
    /// Set a file's user and group.
    SetOwner = "set the owner of",
    /// Set a file's mode.
    SetMode = "set the mode of",
    /// Connect to a socket.
    Connect = "connect to",
    /// Make a socket.
    Bind = "listen on",
    /// Accept a connection.
    Accept = "accept a connection on",
    /// Ask who is at the other end of a connection.
    Peer = "identify the peer of",
    /// Make a pipe.
    Pipe = "make a pipe for",
    /// Start a program.
    Spawn = "start",
    /// Make a second process.
    Fork = "fork",
    /// Wait for a process.
    Wait = "wait for",
    /// Send or receive a signal.
    Signal = "signal",
    /// Take on another user's identity.
    DropPrivileges = "take on the identity for",
    /// Ask the system about itself, a user or a group.
    Query = "query",
    /// Obtain random bytes.
    Random = "obtain random bytes from",
    /// Map memory.
    Map = "map",
    /// Set a limit or an attribute of the process.
    Configure = "configure",
    /// Talk to the service manager.
    Notify = "notify",
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// An operation that the operating system refused.
#[derive(Debug, thiserror::Error)]
#[error("cannot {op} {}: {source}", .path.display())]
pub struct IoError {
    /// What was tried.
    pub op: Op,
    /// On what: a path, or the name of a thing that is no file.
    pub path: PathBuf,
    /// The system's reason.
    pub source: io::Error,
}

impl IoError {
    /// An error of `op` on `path`.
    pub fn new(op: Op, path: impl AsRef<Path>, source: impl Into<io::Error>) -> Self {
        Self { op, path: path.as_ref().to_owned(), source: source.into() }
    }

    /// The system's error number, if the reason is one of the system's.
    pub fn errno(&self) -> Option<i32> {
        self.source.raw_os_error()
    }

    /// Whether the path, or a directory of it, does not exist.
    pub fn is_not_found(&self) -> bool {
        self.source.kind() == io::ErrorKind::NotFound
    }

    /// Whether the path exists already.
    pub fn is_already_there(&self) -> bool {
        self.source.kind() == io::ErrorKind::AlreadyExists
    }

    /// Whether the file system or the owner's quota is full.
    pub fn is_no_space(&self) -> bool {
        self.is(&[Errno::ENOSPC, Errno::EDQUOT])
    }

    /// Whether the file system is read-only.
    pub fn is_read_only(&self) -> bool {
        self.is(&[Errno::EROFS])
    }

    /// Whether permission is missing.
    pub fn is_denied(&self) -> bool {
        self.is(&[Errno::EACCES, Errno::EPERM])
    }

    /// Whether a time limit passed.
    pub fn is_timeout(&self) -> bool {
        matches!(self.source.kind(), io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock)
    }

    fn is(&self, any: &[Errno]) -> bool {
        self.errno().is_some_and(|errno| any.iter().any(|one| *one as i32 == errno))
    }
}

/// Turns a failure into an [`IoError`] of the operation and the path.
pub(crate) trait At<T> {
    fn at(self, op: Op, path: &Path) -> Result<T, IoError>;
}

impl<T, E: Into<io::Error>> At<T> for Result<T, E> {
    fn at(self, op: Op, path: &Path) -> Result<T, IoError> {
        self.map_err(|source| IoError::new(op, path, source))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_what_on_what_and_why() {
        let error = IoError::new(Op::SyncDir, "/a/b", Errno::ENOSPC);
        assert_eq!(
            error.to_string(),
            "cannot sync the directory /a/b: No space left on device (os error 28)"
        );
        assert_eq!(error.errno(), Some(28));
        assert!(error.is_no_space() && !error.is_not_found() && !error.is_denied());
    }

    #[test]
    fn quota_denial_and_read_only_are_told_apart() {
        assert!(IoError::new(Op::Write, "/a", Errno::EDQUOT).is_no_space());
        assert!(IoError::new(Op::Write, "/a", Errno::EROFS).is_read_only());
        assert!(IoError::new(Op::Write, "/a", Errno::EPERM).is_denied());
        assert!(IoError::new(Op::Write, "/a", Errno::ENOENT).is_not_found());
    }
}
