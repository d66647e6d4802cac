//! Local sockets and pipes.
//!
//! * A socket's path may be longer than the 107 bytes that its address can hold: the directory is
//!   opened, and the address leads through that descriptor.
//! * A listener appears under its name with the right mode and owner, and listening.
//! * Who is at the other end is what the kernel says, not what the other end says.

use std::ffi::OsStr;
use std::io::{self, PipeReader, PipeWriter};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixListener;
pub use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, open};
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::sockopt::PeerCredentials;
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, UnixAddr, connect as connect_fd, getsockopt, socket,
};
use nix::sys::stat::{FchmodatFlags, Mode, fchmodat};
use nix::unistd::{Gid, Uid, fchownat};

use crate::clock::{BootInstant, sleep};
use crate::error::{At, IoError, Op};
use crate::fs::{self, Owner, Presence, Stat};
use crate::inflight;
use crate::random;

/// The longest name of a socket in its directory, in bytes.
pub const NAME_BYTES_MAX: usize = 64;

/// How long a connection that finds the queue of the listener full waits before it tries again.
const RETRY: Duration = Duration::from_millis(10);

/// Who is at the other end of a local connection, as the kernel knows it since it was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerCred {
    /// The effective user.
    pub uid: u32,
    /// The effective group.
    pub gid: u32,
    /// The process; it may have ended since.
    pub pid: u32,
    /// Every group: the effective one and the supplementary ones.
    pub groups: Vec<u32>,
}

impl PeerCred {
    /// Whether the peer is in a group.
    pub fn in_group(&self, gid: u32) -> bool {
        self.groups.contains(&gid)
    }
}

/// A socket that is listened on. Its file is removed when this is dropped, if it is still the same.
#[derive(Debug)]
pub struct Listener {
    socket: UnixListener,
    path: PathBuf,
    file: Stat,
}

impl Listener {
    /// Listens on the socket `name` in `dir`, whose file gets exactly this mode and owner. A socket
    /// that is there already is replaced: whoever calls this must know that nobody uses it.
    ///
    /// # Errors
    ///
    /// If something of that name is no socket (`EEXIST`), if the name is longer than
    /// [`NAME_BYTES_MAX`], or if the system refuses.
    pub fn bind(
        dir: &Path,
        name: &OsStr,
        mode: u32,
        owner: Option<Owner>,
    ) -> Result<Self, IoError> {
        let path = dir.join(name);
        let fail = |errno: Errno| IoError::new(Op::Bind, &path, errno);
        if name.len() > NAME_BYTES_MAX {
            return Err(fail(Errno::ENAMETOOLONG));
        }
        if !matches!(fs::presence(&path)?, Presence::Absent | Presence::Other) {
            return Err(fail(Errno::EEXIST));
        }
        let _entered = inflight::enter(Op::Bind, &path);
        let dir_fd = open_path(dir).at(Op::Bind, &path)?;
        // Made under another name, so that nobody sees it before it is as it should be.
        let temporary = format!(".miqm-{:08x}.sock", random::u32()?);
        let listener = UnixListener::bind(through(&dir_fd, temporary.as_ref()));
        let listener = listener.at(Op::Bind, &path)?;
        let unnamed = dir.join(&temporary);
        let finish = || {
            let at = temporary.as_str();
            if let Some(owner) = owner {
                let (uid, gid) = (Uid::from_raw(owner.uid), Gid::from_raw(owner.gid));
                let flags = AtFlags::AT_SYMLINK_NOFOLLOW;
                fchownat(&dir_fd, at, Some(uid), Some(gid), flags).at(Op::SetOwner, &path)?;
            }
            let bits = Mode::from_bits_truncate(mode);
            fchmodat(&dir_fd, at, bits, FchmodatFlags::FollowSymlink).at(Op::SetMode, &path)?;
            listener.set_nonblocking(true).at(Op::Bind, &path)?;
            let file = fs::lstat(&unnamed)?;
            fs::rename(&unnamed, &path).map(|()| file)
        };
        match finish() {
            Ok(file) => Ok(Self { socket: listener, path, file }),
            Err(error) => {
                drop(fs::remove_file(&unnamed));
                Err(error)
            }
        }
    }

    /// Waits for a connection; `None` after `timeout`. It has no time limits of its own yet.
    ///
    /// # Errors
    ///
    /// If the system refuses, for want of descriptors for example.
    pub fn accept_timeout(&self, timeout: Duration) -> Result<Option<UnixStream>, IoError> {
        if !wait_readable(self.socket.as_fd(), timeout)? {
            return Ok(None);
        }
        match self.socket.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(false).at(Op::Accept, &self.path)?;
                Ok(Some(stream))
            }
            // It went away again before it was accepted.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::WouldBlock
                        | io::ErrorKind::Interrupted
                        | io::ErrorKind::ConnectionAborted
                ) =>
            {
                Ok(None)
            }
            Err(error) => Err(IoError::new(Op::Accept, &self.path, error)),
        }
    }

    /// The path of the socket.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl AsFd for Listener {
    /// Readable when a connection waits.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let same = |found: Stat| (found.dev, found.ino) == (self.file.dev, self.file.ino);
        if fs::lstat(&self.path).is_ok_and(same) {
            // A stale socket does no harm; the next listener replaces it.
            drop(fs::remove_file(&self.path));
        }
    }
}

/// Connects to the socket at `path`; each read and write of the connection is limited to `timeout`.
///
/// # Errors
///
/// If nobody listens (`ECONNREFUSED`, `ENOENT`), or if the listener's queue stays full for
/// `timeout` (`ETIMEDOUT`).
pub fn connect(path: &Path, timeout: Duration) -> Result<UnixStream, IoError> {
    let timeout = timeout.max(Duration::from_millis(1));
    let until = BootInstant::now().saturating_add(timeout);
    let name = path.file_name().ok_or(Errno::EINVAL).at(Op::Connect, path)?;
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let dir_fd = open_path(dir).at(Op::Connect, path)?;
    let address = UnixAddr::new(&through(&dir_fd, name)).at(Op::Connect, path)?;
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let fd = socket(AddressFamily::Unix, SockType::Stream, flags, None).at(Op::Connect, path)?;
    loop {
        match connect_fd(fd.as_raw_fd(), &address) {
            Ok(()) => break,
            Err(Errno::EAGAIN | Errno::EINTR) if !until.left().is_zero() => {
                sleep(RETRY.min(until.left()));
            }
            Err(Errno::EAGAIN) => return Err(IoError::new(Op::Connect, path, Errno::ETIMEDOUT)),
            Err(errno) => return Err(IoError::new(Op::Connect, path, errno)),
        }
    }
    let stream = UnixStream::from(fd);
    stream.set_nonblocking(false).at(Op::Connect, path)?;
    stream.set_read_timeout(Some(timeout)).at(Op::Connect, path)?;
    stream.set_write_timeout(Some(timeout)).at(Op::Connect, path)?;
    Ok(stream)
}

/// Who is at the other end: for a listener's side, who connected; for the other, who listens.
///
/// # Errors
///
/// If the kernel does not tell.
pub fn peer(stream: &UnixStream) -> Result<PeerCred, IoError> {
    let name = Path::new("a local connection");
    let found = getsockopt(stream, PeerCredentials).at(Op::Peer, name)?;
    let mut groups = peer_groups(stream).at(Op::Peer, name)?;
    if !groups.contains(&found.gid()) {
        groups.push(found.gid());
    }
    Ok(PeerCred {
        uid: found.uid(),
        gid: found.gid(),
        pid: u32::try_from(found.pid()).unwrap_or(0),
        groups,
    })
}

/// A pipe.
///
/// # Errors
///
/// If the process has too many open files.
pub fn pipe() -> Result<(PipeReader, PipeWriter), IoError> {
    io::pipe().at(Op::Pipe, Path::new("another process"))
}

/// Waits until there is something to read, or nobody writes any more; `false` after `timeout`.
///
/// # Errors
///
/// If the kernel refuses.
pub fn wait_readable(fd: BorrowedFd<'_>, timeout: Duration) -> Result<bool, IoError> {
    let until = BootInstant::now().saturating_add(timeout);
    loop {
        // Rounded up: a poll of 0 ms for the last fraction would spin.
        let millis = until.left().as_nanos().div_ceil(1_000_000);
        let wait = PollTimeout::try_from(millis).unwrap_or(PollTimeout::MAX);
        let mut fds = [PollFd::new(fd, PollFlags::POLLIN)];
        match poll(&mut fds, wait) {
            Ok(0) if until.left().is_zero() => return Ok(false),
            Ok(0) | Err(Errno::EINTR) => {}
            Ok(_) => return Ok(true),
            Err(errno) => return Err(IoError::new(Op::Wait, "input", errno)),
        }
    }
}

/// A descriptor that only stands for a directory.
fn open_path(dir: &Path) -> nix::Result<OwnedFd> {
    open(dir, OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())
}

/// A short path to `name` in the directory.
fn through(dir: &OwnedFd, name: &OsStr) -> PathBuf {
    Path::new("/proc/self/fd").join(dir.as_raw_fd().to_string()).join(name)
}

fn peer_groups(stream: &UnixStream) -> nix::Result<Vec<u32>> {
    let mut groups: Vec<libc::gid_t> = vec![0; 64];
    loop {
        let mut bytes =
            libc::socklen_t::try_from(size_of_val(groups.as_slice())).map_err(|_| Errno::ERANGE)?;
        #[expect(unsafe_code, reason = "no wrapper knows SO_PEERGROUPS")]
        // SAFETY: the kernel writes at most `bytes` bytes to `groups`, which has as many, and
        // any bytes are group ids.
        let result = unsafe {
            libc::getsockopt(
                stream.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_PEERGROUPS,
                groups.as_mut_ptr().cast(),
                &raw mut bytes,
            )
        };
        let count = bytes as usize / size_of::<libc::gid_t>();
        match Errno::result(result) {
            Ok(_) => {
                groups.truncate(count);
                return Ok(groups);
            }
            // The kernel allows 65536 groups, and tells how many there are.
            Err(Errno::ERANGE) if count > groups.len() && count <= 65_536 => {
                groups.resize(count, 0);
            }
            Err(errno) => return Err(errno),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    const SOON: Duration = Duration::from_secs(10);

    fn bind(dir: &Path) -> Result<Listener, IoError> {
        Listener::bind(dir, OsStr::new("control"), 0o660, None)
    }

    #[test]
    fn a_path_longer_than_an_address_works() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("d".repeat(120)).join("e".repeat(120));
        fs::make_dir_all(&dir, 0o700, None).unwrap();
        let listener = bind(&dir).unwrap();
        assert!(listener.path().as_os_str().len() > 240);
        assert_eq!(fs::lstat(listener.path()).unwrap().mode, 0o660);
        assert_eq!(fs::list(&dir).unwrap(), ["control"]);
        let mut client = connect(listener.path(), SOON).unwrap();
        let mut server = listener.accept_timeout(SOON).unwrap().unwrap();
        client.write_all(b"ping").unwrap();
        let mut bytes = [0; 4];
        server.read_exact(&mut bytes).unwrap();
        assert_eq!(&bytes, b"ping");
        for end in [&client, &server] {
            let peer = peer(end).unwrap();
            assert_eq!(peer.pid, std::process::id());
            assert_eq!(peer.uid, nix::unistd::geteuid().as_raw());
            assert!(peer.in_group(nix::unistd::getegid().as_raw()));
        }
    }

    #[test]
    fn a_stale_socket_is_replaced_and_anything_else_is_not() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("control");
        drop(UnixListener::bind(&path).unwrap());
        assert_eq!(connect(&path, SOON).unwrap_err().errno(), Some(libc::ECONNREFUSED));
        let listener = bind(root.path()).unwrap();
        drop(connect(&path, SOON).unwrap());
        let newer = bind(root.path()).unwrap();
        drop(listener);
        drop(connect(&path, SOON).expect("the older listener leaves the newer one's file"));
        drop(newer);
        assert!(connect(&path, SOON).unwrap_err().is_not_found());
        drop(fs::create_new(&path, 0o600, None).unwrap());
        assert!(bind(root.path()).unwrap_err().is_already_there());
        let long = "n".repeat(NAME_BYTES_MAX + 1);
        assert!(Listener::bind(root.path(), long.as_ref(), 0o600, None).is_err());
    }

    #[test]
    fn nothing_waits_for_ever() {
        let root = tempfile::tempdir().unwrap();
        let listener = bind(root.path()).unwrap();
        let moment = Duration::from_millis(20);
        assert!(listener.accept_timeout(moment).unwrap().is_none());
        let mut silent = connect(listener.path(), moment).unwrap();
        assert!(IoError::new(Op::Read, "", silent.read(&mut [0]).unwrap_err()).is_timeout());
        // Until the queue of the listener is full.
        let mut queued = Vec::new();
        let error = loop {
            match connect(listener.path(), moment) {
                Ok(stream) => queued.push(stream),
                Err(error) => break error,
            }
            assert!(queued.len() < 100_000);
            if queued.len() > 5000 {
                return;
            }
        };
        assert!(error.is_timeout(), "{error}");
    }

    #[test]
    fn a_pipe_is_readable_when_its_writer_is_gone() {
        let (reader, writer) = pipe().unwrap();
        assert!(!wait_readable(reader.as_fd(), Duration::from_millis(5)).unwrap());
        drop(writer);
        assert!(wait_readable(reader.as_fd(), SOON).unwrap());
    }
}
