//! Forked processes that do dangerous work for this one: each has a socket to talk over, can be
//! stopped, interrupted and killed, and dies with its maker.
//!
//! The maker must have one thread. It never touches what its workers touch, so it can give one up
//! that hangs in the kernel.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{
    ForkResult, Pid, dup2_stderr, dup2_stdin, dup2_stdout, fork, getpid, getppid, pipe,
};

use crate::error::{At, IoError, Op};
use crate::port::Port;

const NAME: &str = "a worker";

/// The maker's end of a worker.
#[derive(Debug)]
pub struct Worker {
    pid: Pid,
    stream: UnixStream,
    gone: bool,
    code: Option<u8>,
}

impl Worker {
    /// Forks a worker, which runs `work` with its end of the socket and then ends with its code.
    ///
    /// # Errors
    ///
    /// If this process has threads, or no process can be made.
    pub fn start(work: impl FnOnce(UnixStream) -> u8) -> Result<Self, IoError> {
        let name = Path::new(NAME);
        if crate::supervise::threads() > 1 {
            let source = io::Error::new(io::ErrorKind::InvalidInput, "the process has threads");
            return Err(IoError::new(Op::Fork, name, source));
        }
        let (ours, theirs) = UnixStream::pair().at(Op::Pipe, name)?;
        // For order only: the child ends without writing what is buffered. If nobody reads, whoever
        // writes next is told.
        drop(io::stdout().flush());
        let parent = getpid();
        #[expect(unsafe_code, reason = "only a process of its own can be given up when it hangs")]
        // SAFETY: the process has one thread, so the child has all of it, and every lock is free.
        match unsafe { fork() }.at(Op::Fork, name)? {
            ForkResult::Child => {
                drop(ours);
                let bound = prctl::set_pdeathsig(Signal::SIGKILL).is_ok() && getppid() == parent;
                // A limit on the size of files is an error of a call, which the worker tells.
                let bound = bound && crate::signal::ignore_sigxfsz().is_ok();
                let work = std::panic::AssertUnwindSafe(|| work(theirs));
                let code = if bound { std::panic::catch_unwind(work) } else { Ok(126) };
                crate::probe::exit_at_once(code.unwrap_or(125))
            }
            ForkResult::Parent { child } => {
                drop(theirs);
                Ok(Self { pid: child, stream: ours, gone: false, code: None })
            }
        }
    }

    /// Its process number.
    pub fn pid(&self) -> u32 {
        self.pid.as_raw().unsigned_abs()
    }

    /// The socket to it.
    pub fn stream(&mut self) -> &mut UnixStream {
        &mut self.stream
    }

    /// A port over the socket to it, which takes messages of at most `bytes_max` bytes. The worker lives
    /// as long as `self`, not as the port.
    ///
    /// # Errors
    ///
    /// If the socket cannot be doubled.
    pub fn port(&self, bytes_max: usize) -> Result<Port, IoError> {
        Port::of_stream(self.stream.try_clone().at(Op::Configure, Path::new(NAME))?, bytes_max)
    }

    /// Lets the worker see the end of its socket, also if ports to it are left.
    pub fn hang_up(&self) {
        // It sees the end all the same if it has gone already.
        self.stream.shutdown(std::net::Shutdown::Both).ok();
    }

    /// Sends a signal, unless it is known to be gone.
    pub fn signal(&mut self, signal: Signal) {
        if !self.has_ended() {
            let _ = kill(self.pid, signal);
        }
    }

    /// Whether it is gone. It may be long in going while the kernel closes its files.
    pub fn has_ended(&mut self) -> bool {
        if !self.gone {
            let status = waitpid(self.pid, Some(WaitPidFlag::WNOHANG));
            self.gone = !matches!(status, Ok(WaitStatus::StillAlive));
            if let Ok(WaitStatus::Exited(_, code)) = status {
                self.code = u8::try_from(code & 0xff).ok();
            }
        }
        self.gone
    }

    /// The code that it ended with; `None` as long as it has not, or if a signal ended it.
    pub fn code(&mut self) -> Option<u8> {
        self.has_ended();
        self.code
    }
}

/// Lets go of the standard input, output and error that this worker has from its maker: whoever reads
/// what the maker writes would otherwise wait for a worker that hangs in the kernel. What is written
/// to them from now on is lost, and nothing can be read.
///
/// # Errors
///
/// If the kernel refuses.
pub fn let_go_of_terminal() -> Result<(), IoError> {
    let name = Path::new(NAME);
    // Not the null device, which need not be there; and the numbers must not become free for files.
    let (input, gone) = pipe().at(Op::Pipe, name)?;
    drop(gone);
    let (gone, output) = pipe().at(Op::Pipe, name)?;
    drop(gone);
    dup2_stdin(&input).at(Op::Configure, name)?;
    dup2_stdout(&output).at(Op::Configure, name)?;
    dup2_stderr(&output).at(Op::Configure, name)
}

/// Lets this worker live on when its maker dies, which it then sees as the end of its socket. It must
/// end by itself.
///
/// # Errors
///
/// If the kernel refuses.
pub fn outlive_maker() -> Result<(), IoError> {
    prctl::set_pdeathsig(None).at(Op::Configure, Path::new(NAME))
}

impl AsFd for Worker {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // A worker in an uninterruptible sleep stays behind, and dies when it wakes up.
        self.signal(Signal::SIGKILL);
        let until = crate::clock::BootInstant::now().saturating_add(Duration::from_millis(50));
        while !self.has_ended() && !until.left().is_zero() {
            crate::clock::sleep(Duration::from_millis(1));
        }
    }
}

/// Waits until one of the descriptors can be read, or has ended; which ones. Empty after `limit`.
///
/// # Errors
///
/// If the system refuses. An interrupting signal is not an error: the answer is empty then.
pub fn wait_readable(fds: &[BorrowedFd<'_>], limit: Duration) -> Result<Vec<usize>, IoError> {
    let mut polled: Vec<_> = fds.iter().map(|fd| PollFd::new(*fd, PollFlags::POLLIN)).collect();
    let limit = PollTimeout::try_from(limit).unwrap_or(PollTimeout::MAX);
    match poll(&mut polled, limit) {
        Ok(_) | Err(nix::errno::Errno::EINTR) => {}
        Err(errno) => return Err(IoError::new(Op::Wait, NAME, errno)),
    }
    let ready = |fd: &PollFd<'_>| fd.revents().is_some_and(|events| !events.is_empty());
    Ok(polled.iter().enumerate().filter(|(_, fd)| ready(fd)).map(|(at, _)| at).collect())
}

/// Writes one message: its length in four bytes, the lowest first, then the bytes.
///
/// # Errors
///
/// If the other end is gone.
pub fn send(stream: &mut impl Write, message: &[u8]) -> io::Result<()> {
    let len = u32::try_from(message.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    let mut frame = Vec::with_capacity(message.len() + 4);
    frame.extend_from_slice(&len.to_le_bytes());
    frame.extend_from_slice(message);
    stream.write_all(&frame)?;
    stream.flush()
}

/// Reads one message of at most `bytes_max` bytes, waiting for it; `None` at the end.
///
/// # Errors
///
/// If the other end sends what is no message, or goes in the middle of one.
pub fn receive(stream: &mut impl Read, bytes_max: usize) -> io::Result<Option<Vec<u8>>> {
    let mut len = [0; 4];
    match stream.read_exact(&mut len) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let len = u32::from_le_bytes(len) as usize;
    if len > bytes_max {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut message = vec![0; len];
    stream.read_exact(&mut message)?;
    Ok(Some(message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_go_both_ways_and_have_a_limit() {
        let (mut a, mut b) = UnixStream::pair().unwrap();
        send(&mut a, b"hello").unwrap();
        assert_eq!(receive(&mut b, 5).unwrap().unwrap(), b"hello");
        send(&mut a, b"too long").unwrap();
        assert!(receive(&mut b, 7).is_err());
        drop(a);
        let (c, mut d) = UnixStream::pair().unwrap();
        drop(c);
        assert_eq!(receive(&mut d, 7).unwrap(), None);
    }

    #[test]
    fn a_process_with_threads_makes_no_worker() {
        // The harness has some.
        assert!(Worker::start(|_| 0).is_err());
    }
}
