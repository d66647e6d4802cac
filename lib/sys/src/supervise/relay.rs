//! Output on its way from the child through the parent.

use std::io::{self, stderr, stdout};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::stat::{FileStat, SFlag, fstat};
use nix::unistd::{dup2_stderr, dup2_stdout, pipe2, read, write};

/// What a pipe that is ready for writing takes without making the writer wait.
const CHUNK_BYTES: usize = 4096;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stream {
    Output,
    Error,
}

impl Stream {
    fn fd(self) -> BorrowedFd<'static> {
        // Borrowed from the standard library, which never closes them.
        #[expect(unsafe_code, reason = "the standard streams are not owned by a value")]
        // SAFETY: descriptors 1 and 2 stay open as long as the process; see `Relays::new`, which
        // found them open.
        unsafe {
            BorrowedFd::borrow_raw(match self {
                Self::Output => 1,
                Self::Error => 2,
            })
        }
    }
}

/// One pipe from the child, for one stream or for both.
struct Relay {
    /// `None` when all was read, or nobody reads what is written.
    from: Option<OwnedFd>,
    /// The child's end; `None` in the parent.
    into: Option<OwnedFd>,
    to: Stream,
    both: bool,
    buffer: Vec<u8>,
}

/// The streams that pass through the parent.
pub(super) struct Relays(Vec<Relay>);

impl Relays {
    pub(super) fn new() -> nix::Result<Self> {
        let output = passing(stdout().as_fd());
        let error = passing(stderr().as_fd());
        let mut relays = Vec::new();
        let same = |one: &FileStat, other: &FileStat| {
            (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino)
        };
        match (output, error) {
            (Some(one), Some(other)) if same(&one, &other) => {
                relays.push(Relay::new(Stream::Output, true)?);
            }
            (output, error) => {
                if output.is_some() {
                    relays.push(Relay::new(Stream::Output, false)?);
                }
                if error.is_some() {
                    relays.push(Relay::new(Stream::Error, false)?);
                }
            }
        }
        Ok(Self(relays))
    }

    /// In the child: its streams are the pipes now.
    pub(super) fn into_child(self) -> nix::Result<()> {
        for relay in self.0 {
            let Some(into) = relay.into else { continue };
            if relay.both || relay.to == Stream::Output {
                dup2_stdout(&into)?;
            }
            if relay.both || relay.to == Stream::Error {
                dup2_stderr(&into)?;
            }
        }
        Ok(())
    }

    /// In the parent: the other ends are the child's alone.
    pub(super) fn keep_own_ends(&mut self) {
        for relay in &mut self.0 {
            relay.into = None;
        }
    }

    /// Adds what there is to wait for.
    pub(super) fn add_to<'a>(&'a self, fds: &mut Vec<PollFd<'a>>) {
        for relay in &self.0 {
            if !relay.buffer.is_empty() {
                fds.push(PollFd::new(relay.to.fd(), PollFlags::POLLOUT));
            } else if let Some(from) = &relay.from {
                fds.push(PollFd::new(from.as_fd(), PollFlags::POLLIN));
            }
        }
    }

    /// Moves what can be moved without waiting.
    pub(super) fn pump(&mut self) {
        for relay in &mut self.0 {
            while relay.deliver(PollTimeout::ZERO) && relay.fetch() {}
        }
    }

    /// Moves all that the child has written until now, at the pace of whoever reads it.
    pub(super) fn finish(mut self) {
        for relay in &mut self.0 {
            while relay.deliver(PollTimeout::NONE) && relay.fetch() {}
        }
    }
}

impl Relay {
    fn new(to: Stream, both: bool) -> nix::Result<Self> {
        let (from, into) = pipe2(OFlag::O_CLOEXEC)?;
        fcntl(&from, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        Ok(Self { from: Some(from), into: Some(into), to, both, buffer: Vec::new() })
    }

    /// Writes what is buffered; whether all of it is written.
    fn deliver(&mut self, wait: PollTimeout) -> bool {
        while !self.buffer.is_empty() {
            let mut fds = [PollFd::new(self.to.fd(), PollFlags::POLLOUT)];
            match poll(&mut fds, wait) {
                Ok(0) => return false,
                Err(Errno::EINTR) => continue,
                Ok(_) | Err(_) => {}
            }
            match write(self.to.fd(), &self.buffer) {
                Ok(n) => drop(self.buffer.drain(..n)),
                Err(Errno::EINTR | Errno::EAGAIN) if wait == PollTimeout::NONE => {}
                Err(Errno::EINTR | Errno::EAGAIN) => return false,
                Err(_) => {
                    // Nobody reads: the child is to notice when it writes more.
                    self.buffer.clear();
                    self.from = None;
                }
            }
        }
        true
    }

    /// Reads what the child has written, a chunk at most; whether there was any.
    fn fetch(&mut self) -> bool {
        let Some(from) = &self.from else { return false };
        let mut chunk = [0; CHUNK_BYTES];
        match read(from, &mut chunk) {
            Ok(0) => {
                self.from = None;
                false
            }
            Ok(n) => {
                self.buffer.extend_from_slice(&chunk[..n]);
                true
            }
            Err(Errno::EINTR) => true,
            Err(Errno::EAGAIN) => false,
            Err(_) => {
                self.from = None;
                false
            }
        }
    }
}

/// The attributes of a stream that somebody else reads until it is closed.
fn passing(fd: BorrowedFd<'_>) -> Option<FileStat> {
    let found = fstat(fd).map_err(io::Error::from).ok()?;
    let kind = SFlag::from_bits_truncate(found.st_mode & SFlag::S_IFMT.bits());
    (kind == SFlag::S_IFIFO || kind == SFlag::S_IFSOCK).then_some(found)
}
