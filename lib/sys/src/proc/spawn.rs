//! A program that outlives the command that starts it.

use std::ffi::{CString, OsStr, OsString, c_char, c_int};
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::libc;
use nix::sys::resource::{Resource, getrlimit};
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
    let plan = Plan::new(program, args, envs, owner, pass_fd.as_fd())?;
    drop(pass_fd);
    let (report, low) = pipe2(nix::fcntl::OFlag::O_CLOEXEC).at(Op::Spawn, program)?;
    let child_end = high(low.as_fd()).at(Op::Spawn, program)?;
    // The end of the report is seen only when every copy of this end is closed.
    drop(low);
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

/// Takes the descriptor that [`spawn_detached`] passed to this program; `None` if there is none,
/// or it was taken. To be called at the start, before anything is opened.
pub fn take_passed_fd() -> Option<OwnedFd> {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    if TAKEN.swap(true, Ordering::AcqRel) {
        return None;
    }
    #[expect(unsafe_code, reason = "a descriptor of a known number comes from outside")]
    // SAFETY: borrowed for the check only; the kernel refuses a number that is not open.
    let passed = unsafe { BorrowedFd::borrow_raw(PASSED_FD) };
    fcntl(passed, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)).ok()?;
    #[expect(unsafe_code, reason = "a descriptor of a known number comes from outside")]
    // SAFETY: it is open, as the last call showed, and `TAKEN` makes this its only owner.
    Some(unsafe { OwnedFd::from_raw_fd(PASSED_FD) })
}

/// All that the child needs, made before there is a child.
struct Plan {
    program: CString,
    /// Pointers into `_texts`, ended by null.
    argv: Vec<*const c_char>,
    envp: Vec<*const c_char>,
    _texts: Vec<CString>,
    /// Groups, user and group to take on.
    identity: Option<(Vec<u32>, Owner)>,
    nowhere: OwnedFd,
    passed: OwnedFd,
    files_max: RawFd,
}

impl Plan {
    fn new(
        program: &Path,
        args: &[OsString],
        envs: &[(OsString, OsString)],
        owner: Option<Owner>,
        pass_fd: BorrowedFd<'_>,
    ) -> Result<Self, IoError> {
        let text = |text: &OsStr| {
            CString::new(text.as_bytes()).map_err(io::Error::from).at(Op::Spawn, program)
        };
        let mut texts = vec![text(program.as_os_str())?];
        for arg in args {
            texts.push(text(arg)?);
        }
        let args_end = texts.len();
        for (name, value) in envs {
            let mut pair = name.clone();
            pair.push("=");
            pair.push(value);
            texts.push(text(&pair)?);
        }
        let pointers = |texts: &[CString]| {
            texts.iter().map(|text| text.as_ptr()).chain([ptr::null()]).collect::<Vec<_>>()
        };
        let identity = match owner {
            Some(owner) if geteuid().is_root() && owner != current() => {
                Some((groups_of(owner)?, owner))
            }
            _ => None,
        };
        let nowhere = std::fs::File::options().read(true).write(true).open("/dev/null");
        let nowhere = nowhere.at(Op::Open, "/dev/null".as_ref())?;
        let (files_max, _) = getrlimit(Resource::RLIMIT_NOFILE).at(Op::Query, program)?;
        Ok(Self {
            program: text(program.as_os_str())?,
            argv: pointers(&texts[..args_end]),
            envp: pointers(&texts[args_end..]),
            _texts: texts,
            identity,
            nowhere: high(nowhere.as_fd()).at(Op::Spawn, program)?,
            passed: high(pass_fd).at(Op::Spawn, program)?,
            files_max: RawFd::try_from(files_max).unwrap_or(RawFd::MAX).min(1 << 20),
        })
    }

    /// The child, from its birth to the program or to its end.
    fn run(&self, report: RawFd) -> ! {
        let (errno, report) = match self.prepare(report) {
            Ok(()) => {
                #[expect(unsafe_code, reason = "execve takes what was made before the fork")]
                // SAFETY: the strings and the arrays, which end with null, live in `self`.
                unsafe {
                    libc::execve(self.program.as_ptr(), self.argv.as_ptr(), self.envp.as_ptr());
                }
                (Errno::last_raw(), REPORT_FD)
            }
            Err(failed) => failed,
        };
        #[expect(unsafe_code, reason = "a forked child may only use async-signal-safe functions")]
        // SAFETY: the buffer is four bytes; _exit runs nothing of this process.
        unsafe {
            libc::write(report, ptr::from_ref(&errno).cast(), size_of::<c_int>());
            libc::_exit(127)
        }
    }

    /// Everything but the program: on failure the error number and where to report it.
    fn prepare(&self, report: RawFd) -> Result<(), (c_int, RawFd)> {
        let check = |result: c_int, report: RawFd| {
            if result == -1 { Err((Errno::last_raw(), report)) } else { Ok(()) }
        };
        #[expect(unsafe_code, reason = "a forked child may only use async-signal-safe functions")]
        // SAFETY: system calls on descriptors that this process owns alone, and on memory that was
        // made before the fork; nothing allocates or takes a lock.
        unsafe {
            for signal in 1..=libc::SIGRTMAX() {
                // Refused for SIGKILL, SIGSTOP and the C library's own.
                libc::signal(signal, libc::SIG_DFL);
            }
            let mut none = std::mem::zeroed::<libc::sigset_t>();
            libc::sigemptyset(&raw mut none);
            check(libc::sigprocmask(libc::SIG_SETMASK, &raw const none, ptr::null_mut()), report)?;
            check(libc::setsid(), report)?;
            for standard in 0..=2 {
                check(libc::dup2(self.nowhere.as_raw_fd(), standard), report)?;
            }
            check(libc::dup2(self.passed.as_raw_fd(), PASSED_FD), report)?;
            check(libc::dup3(report, REPORT_FD, libc::O_CLOEXEC), report)?;
            let all: libc::c_uint = libc::c_uint::MAX;
            if libc::syscall(libc::SYS_close_range, REPORT_FD + 1, all, 0) == -1 {
                // Before Linux 5.9.
                for fd in REPORT_FD + 1..self.files_max {
                    libc::close(fd);
                }
            }
            libc::umask(0o007);
            check(libc::chdir(c"/".as_ptr()), REPORT_FD)?;
            if let Some((groups, owner)) = &self.identity {
                check(libc::setgroups(groups.len(), groups.as_ptr()), REPORT_FD)?;
                check(libc::setresgid(owner.gid, owner.gid, owner.gid), REPORT_FD)?;
                check(libc::setresuid(owner.uid, owner.uid, owner.uid), REPORT_FD)?;
            }
        }
        Ok(())
    }
}

fn current() -> Owner {
    Owner { uid: geteuid().as_raw(), gid: getegid().as_raw() }
}

/// A copy of a descriptor out of the way of the numbers that the program gets.
fn high(fd: BorrowedFd<'_>) -> nix::Result<OwnedFd> {
    let raw = fcntl(fd, FcntlArg::F_DUPFD_CLOEXEC(16))?;
    #[expect(unsafe_code, reason = "fcntl returns a new descriptor as a number")]
    // SAFETY: the call made it just now, so nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(raw) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::socket;

    /// What a script says on the passed descriptor, and how it ended.
    fn said(script: &str, owner: Option<Owner>) -> (String, Exit) {
        let (mut reader, writer) = socket::pipe().unwrap();
        let args = [OsString::from("-c"), OsString::from(script)];
        let envs = [(OsString::from("GIVEN"), OsString::from("v a l"))];
        let mut child =
            spawn_detached(Path::new("/bin/sh"), &args, &envs, owner, writer.into()).unwrap();
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        let exit = child.wait().unwrap();
        assert_eq!(child.try_wait().unwrap(), Some(exit));
        (text, exit)
    }

    #[test]
    fn a_program_starts_with_nothing_of_ours_but_what_is_given() {
        let probe = std::fs::File::open("/dev/zero").unwrap();
        fcntl(&probe, FcntlArg::F_SETFD(FdFlag::empty())).unwrap();
        let (text, exit) = said(
            "{ pwd; umask; echo $GIVEN; echo $HOME.; readlink /proc/$$/fd/0 /proc/$$/fd/2; \
             cut -d' ' -f6 /proc/$$/stat; echo $$; } >&3; exit 7",
            None,
        );
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[..6], ["/", "0007", "v a l", ".", "/dev/null", "/dev/null"]);
        assert_eq!(lines[6], lines[7], "the leader of its own session");
        // Programs look at themselves here: a shell that is about to start one is in between.
        let (text, _) = said("exec ls /proc/self/fd >&3", None);
        // 0, 1, 2, the passed one, and the directory that is being listed.
        assert!(text.lines().count() <= 5, "{text}");
        let (text, _) = said("exec grep SigBlk /proc/self/status >&3", None);
        assert_eq!(text.split_whitespace().last(), Some("0000000000000000"));
        assert_eq!(exit, Exit::Code(7));
    }

    #[test]
    fn a_program_takes_on_an_identity_without_roots_groups() {
        if !geteuid().is_root() {
            return;
        }
        let owner = Owner { uid: 3_999_999, gid: 3_999_998 };
        let (text, _) = said("{ id -u; id -g; id -G; } >&3", Some(owner));
        assert_eq!(text, "3999999\n3999998\n3999998\n");
    }

    #[test]
    fn a_program_that_cannot_run_is_an_error_and_no_child() {
        let (_reader, writer) = socket::pipe().unwrap();
        let error = spawn_detached(Path::new("/no/such"), &[], &[], None, writer.into());
        let error = error.unwrap_err();
        assert!(error.is_not_found());
        assert_eq!(error.op, Op::Spawn);
        let (_reader, writer) = socket::pipe().unwrap();
        let error = spawn_detached(Path::new("/bin/a\0b"), &[], &[], None, writer.into());
        assert!(error.is_err());
    }

    #[test]
    fn a_child_can_be_killed_once() {
        let (_reader, writer) = socket::pipe().unwrap();
        let args = [OsString::from("1000")];
        let mut child =
            spawn_detached(Path::new("/bin/sleep"), &args, &[], None, writer.into()).unwrap();
        assert_eq!(child.try_wait().unwrap(), None);
        assert!(child.kill(Signal::SIGKILL).unwrap());
        assert_eq!(child.wait().unwrap(), Exit::Signal(9));
        assert!(!child.kill(Signal::SIGKILL).unwrap());
    }
}
