//! A program that outlives the command that starts it.

use std::ffi::{CString, OsStr, OsString, c_char, c_int};
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork, getegid, geteuid, pipe2};

use super::{Signal, groups_of, kill};
use crate::error::{At, IoError, Op};
use crate::fs::Owner;
use crate::inflight;

/// The descriptor that a started program finds the passed one at.
pub const PASSED_FD: RawFd = 3;

/// Where the child keeps the pipe on which it reports that it could not start the program.
const REPORT_FD: RawFd = 4;

/// How a child ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// By itself, with this code.
    Code(u8),
    /// By a signal of this number.
    Signal(i32),
}

/// A started program. Dropping this does not end it.
#[derive(Debug)]
pub struct Child {
    pid: Pid,
    ended: Option<Exit>,
}

impl Child {
    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.pid.as_raw().unsigned_abs()
    }

    /// How it ended, if it has.
    ///
    /// # Errors
    ///
    /// If the kernel does not tell.
    pub fn try_wait(&mut self) -> Result<Option<Exit>, IoError> {
        self.wait_with(WaitPidFlag::WNOHANG)
    }

    /// Waits until it has ended, and tells how.
    ///
    /// # Errors
    ///
    /// If the kernel does not tell.
    pub fn wait(&mut self) -> Result<Exit, IoError> {
        loop {
            if let Some(exit) = self.wait_with(WaitPidFlag::empty())? {
                return Ok(exit);
            }
        }
    }

    /// Sends it a signal; `false` if it has ended.
    ///
    /// # Errors
    ///
    /// If the signal may not be sent.
    pub fn kill(&mut self, signal: Signal) -> Result<bool, IoError> {
        // Once it was waited for, its number may be another's.
        if self.try_wait()?.is_some() { Ok(false) } else { kill(self.pid(), signal) }
    }

    fn wait_with(&mut self, flags: WaitPidFlag) -> Result<Option<Exit>, IoError> {
        if self.ended.is_none() {
            match waitpid(self.pid, Some(flags)) {
                Ok(status) => self.ended = Exit::of(status),
                Err(Errno::EINTR) => {}
                Err(errno) => {
                    return Err(IoError::new(Op::Wait, format!("process {}", self.pid), errno));
                }
            }
        }
        Ok(self.ended)
    }
}

impl Exit {
    pub(crate) fn of(status: WaitStatus) -> Option<Self> {
        match status {
            WaitStatus::Exited(_, code) => Some(Self::Code(u8::try_from(code & 0xff).unwrap_or(0))),
            WaitStatus::Signaled(_, signal, _) => Some(Self::Signal(signal as i32)),
            _ => None,
        }
    }
}

/// Starts a program that outlives this process.
///
/// It has a session of its own, the directory `/`, umask 007, no input, output to nowhere, exactly
/// the environment `envs`, default signal handling with nothing blocked, and of this process's open
/// files only `pass_fd`, as descriptor [`PASSED_FD`]. A root caller gives it the identity `owner`.
///
/// # Errors
///
/// If the process cannot be made, cannot take on the identity, or cannot run the program; then
/// there is no child.
pub fn spawn_detached(
    program: &Path,
    args: &[OsString],
    envs: &[(OsString, OsString)],
    owner: Option<Owner>,
    pass_fd: OwnedFd,
) -> Result<Child, IoError> {
    let _entered = inflight::enter(Op::Spawn, program);
    let plan = Plan::new(program, args, envs, owner, pass_fd)?;
    let (report, child_end) = pipe2(nix::fcntl::OFlag::O_CLOEXEC).at(Op::Spawn, program)?;
    let child_end = high(child_end.as_fd()).at(Op::Spawn, program)?;
    #[expect(unsafe_code, reason = "what is done to a process before it runs a program needs fork")]
    // SAFETY: the child calls nothing but async-signal-safe functions (see `Plan::run`), touches no
    // lock and no allocator, and ends in execve or _exit.
    let pid = match unsafe { fork() }.at(Op::Spawn, program)? {
        ForkResult::Child => plan.run(child_end.as_raw_fd()),
        ForkResult::Parent { child } => child,
    };
    drop(child_end);
    let mut child = Child { pid, ended: None };
    let mut failure = Vec::new();
    // Ends when the child runs the program, which closes its end, or when the child has ended.
    let read = std::fs::File::from(report).take(4).read_to_end(&mut failure);
    match failure.as_slice().try_into().map(i32::from_ne_bytes) {
        Ok(errno) => {
            drop(child.wait());
            Err(IoError::new(Op::Spawn, program, io::Error::from_raw_os_error(errno)))
        }
        Err(_) => read.map(|_| child).at(Op::Spawn, program),
    }
}
