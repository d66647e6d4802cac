//! Signals, as values that are read from a pipe.
//!
//! A handler only writes one byte to a pipe that never blocks; what a signal means is decided by
//! the thread that reads it.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::libc;
use nix::sys::signal::{SigHandler, Signal, signal};
use nix::unistd::pipe2;
use signal_hook::SigId;

use crate::error::{At, IoError, Op};
use crate::socket::wait_readable;

/// What was asked for by a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// SIGTERM.
    Terminate,
    /// SIGINT.
    Interrupt,
    /// SIGHUP.
    Hangup,
}

const CAUGHT: [(Signal, Event); 3] = [
    (Signal::SIGTERM, Event::Terminate),
    (Signal::SIGINT, Event::Interrupt),
    (Signal::SIGHUP, Event::Hangup),
];

/// SIGTERM, SIGINT and SIGHUP, caught. While it lives they do not end the process; afterwards
/// they do nothing.
#[derive(Debug)]
pub struct Signals {
    reader: File,
    registered: Vec<SigId>,
}

impl Signals {
    /// Catches the signals from now on.
    ///
    /// # Errors
    ///
    /// If the pipe or the handlers cannot be made.
    pub fn catch() -> Result<Self, IoError> {
        let name = Path::new("SIGTERM, SIGINT and SIGHUP");
        let (reader, writer) = pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK).at(Op::Pipe, name)?;
        let mut signals = Self { reader: File::from(reader), registered: Vec::new() };
        for (signal, _) in CAUGHT {
            let writer: OwnedFd = writer.try_clone().at(Op::Pipe, name)?;
            let number = signal as libc::c_int;
            let byte = [number.to_le_bytes()[0]];
            let tell = move || {
                // A full pipe holds enough signals already.
                #[expect(unsafe_code, reason = "a signal handler may only call write itself")]
                // SAFETY: `write` is async-signal-safe, the buffer is one byte, and the handler
                // owns the descriptor.
                unsafe {
                    libc::write(writer.as_raw_fd(), byte.as_ptr().cast(), 1);
                }
            };
            #[expect(unsafe_code, reason = "a handler must be async-signal-safe")]
            // SAFETY: `tell` does nothing but one async-signal-safe system call; the registry
            // restores errno.
            let id = unsafe { signal_hook::low_level::register(number, tell) };
            signals.registered.push(id.at(Op::Signal, name)?);
        }
        Ok(signals)
    }

    /// Waits for a signal; `None` after `timeout`.
    ///
    /// # Errors
    ///
    /// If the pipe fails.
    pub fn wait(&self, timeout: Duration) -> Result<Option<Event>, IoError> {
        if !wait_readable(self.reader.as_fd(), timeout)? {
            return Ok(None);
        }
        let mut byte = [0];
        match (&self.reader).read(&mut byte) {
            Ok(_) => Ok(CAUGHT.iter().find(|(s, _)| *s as i32 == i32::from(byte[0])).map(|c| c.1)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(IoError::new(Op::Signal, "the pipe of signals", error)),
        }
    }
}

impl AsFd for Signals {
    /// Readable when [`Signals::wait`] has something to return.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.reader.as_fd()
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        for id in self.registered.drain(..) {
            signal_hook::low_level::unregister(id);
        }
    }
}

/// Ignores SIGTERM, SIGINT and SIGHUP from now on: for a process that another one ends.
///
/// # Errors
///
/// If the kernel refuses.
pub fn ignore_endings() -> Result<(), IoError> {
    for (signal_number, _) in CAUGHT {
        #[expect(unsafe_code, reason = "signal dispositions are the process's")]
        // SAFETY: the disposition runs no code.
        let set: Result<SigHandler, Errno> = unsafe { signal(signal_number, SigHandler::SigIgn) };
        set.map(drop).at(Op::Signal, Path::new("SIGTERM, SIGINT and SIGHUP"))?;
    }
    Ok(())
}

/// Makes a write to a pipe or socket without a reader fail instead of ending the process.
///
/// # Errors
///
/// If the kernel refuses.
pub fn ignore_sigpipe() -> Result<(), IoError> {
    set_sigpipe(SigHandler::SigIgn)
}

/// Makes a write to a pipe or socket without a reader end the process silently, as it does for the
/// tools of a shell.
///
/// # Errors
///
/// If the kernel refuses.
pub fn default_sigpipe() -> Result<(), IoError> {
    set_sigpipe(SigHandler::SigDfl)
}

fn set_sigpipe(handler: SigHandler) -> Result<(), IoError> {
    #[expect(unsafe_code, reason = "signal dispositions are the process's")]
    // SAFETY: neither disposition runs code.
    let set: Result<SigHandler, Errno> = unsafe { signal(Signal::SIGPIPE, handler) };
    set.map(drop).at(Op::Signal, Path::new("SIGPIPE"))
}

/// Makes a write beyond the largest file that this process may make (`ulimit -f`) fail with `EFBIG`
/// instead of ending the process.
///
/// # Errors
///
/// If the kernel refuses.
pub fn ignore_sigxfsz() -> Result<(), IoError> {
    #[expect(unsafe_code, reason = "signal dispositions are the process's")]
    // SAFETY: the disposition runs no code.
    let set: Result<SigHandler, Errno> = unsafe { signal(Signal::SIGXFSZ, SigHandler::SigIgn) };
    set.map(drop).at(Op::Signal, Path::new("SIGXFSZ"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_are_values() {
        let signals = Signals::catch().unwrap();
        assert_eq!(signals.wait(Duration::from_millis(1)).unwrap(), None);
        for (signal, event) in CAUGHT {
            nix::sys::signal::raise(signal).unwrap();
            assert_eq!(signals.wait(Duration::from_secs(10)).unwrap(), Some(event));
        }
        assert_eq!(signals.wait(Duration::ZERO).unwrap(), None);
    }

    #[test]
    fn a_pipe_without_a_reader_is_an_error() {
        use std::io::Write;
        ignore_sigpipe().unwrap();
        let (reader, mut writer) = crate::socket::pipe().unwrap();
        drop(reader);
        assert_eq!(writer.write(b"x").unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }
}
