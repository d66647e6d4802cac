//! Work that may hang on dead storage, watched by a process that touches none.
//!
//! * The work runs in a child. The parent only looks at memory that it shares with the child
//!   ([`crate::inflight`]), at pipes and at the clock, so it answers even while the child is in a
//!   sleep of the kernel that no signal ends.
//! * The parent never waits for the child's end beyond a moment: what hangs is killed and left.
//! * Output that goes to a pipe or a socket passes through the parent. Otherwise a child that cannot
//!   end would keep it open, and whoever reads it (a shell's `$(...)`, an SSH client) would hang in
//!   the child's place. Two streams to one pipe stay one stream, so their order is kept.
//! * The child dies with the parent, however that ends.

mod relay;

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous};
use nix::sys::prctl;
use nix::sys::signal::{SigSet, SigmaskHow, Signal, kill};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::{ForkResult, Pid, fork, getpid, getppid, pipe2};

use crate::clock::BootInstant;
use crate::error::{At, IoError, Op};
use crate::inflight::{self, Deadline, InFlight, Table};
use crate::proc::Exit;
use relay::Relays;

pub use crate::inflight::Stuck;

/// How often the parent looks at the child's operations.
const TICK: Duration = Duration::from_millis(20);
/// How long a child that has reported its exit code may take to end.
const END_MAX: Duration = Duration::from_millis(200);
/// A parent that did not run for so long was stopped, as the child was: that time does not count.
const GAP_MIN: Duration = Duration::from_secs(1);

const NAME: &str = "the supervised work";

/// What the work may ask of its supervisor. The functions of [`crate::inflight`] do the same.
#[derive(Debug)]
pub struct Ticker(());

impl Ticker {
    /// Announces an operation that this crate does not make itself.
    pub fn enter(&self, op: Op, path: &Path) -> InFlight {
        inflight::enter(op, path)
    }

    /// Gives the operations that this thread begins from now on a deadline of their own.
    pub fn deadline(&self, duration: Duration) -> Deadline {
        inflight::deadline(duration)
    }

    /// Lets the operations that this thread begins from now on last as long as they need.
    pub fn suspend(&self) -> Deadline {
        inflight::suspend()
    }
}

/// Runs `work` in a child, and returns its code.
///
/// When an operation of the child lasts longer than `deadline`, the child is killed and the code
/// is `on_stuck`'s, which must not touch storage. A child that a signal of number n ended gives 128
/// + n. Signals that ask this process to end are passed on to the child.
///
/// To be called before the process has made a thread, and once. The child does not come back from
/// this function.
///
/// # Errors
///
/// If the process has threads, or the child cannot be made or watched.
pub fn supervise(
    deadline: Duration,
    work: impl FnOnce(&Ticker) -> u8,
    on_stuck: impl FnOnce(Stuck) -> u8,
) -> Result<u8, IoError> {
    let name = Path::new(NAME);
    if threads() > 1 {
        let source = io::Error::new(io::ErrorKind::InvalidInput, "the process has threads");
        return Err(IoError::new(Op::Fork, name, source));
    }
    let table = shared_table().at(Op::Map, name)?;
    let (report, report_end) = pipe2(OFlag::O_CLOEXEC).at(Op::Pipe, name)?;
    let mut relays = Relays::new().at(Op::Pipe, name)?;
    // What this process has buffered would otherwise be written by both.
    io::stdout().flush().at(Op::Write, Path::new("the standard output"))?;
    // Before the fork, so that no signal ends the parent alone.
    let passed_on = passed_on();
    let mask = passed_on.thread_swap_mask(SigmaskHow::SIG_BLOCK).at(Op::Signal, name)?;
    let parent = getpid();
    #[expect(unsafe_code, reason = "only a process of its own can be left behind when it hangs")]
    // SAFETY: the process has one thread, so the child has all of it, and every lock is free.
    let forked = unsafe { fork() };
    let child = match forked {
        Ok(ForkResult::Child) => {
            drop(report);
            let ready = dies_with(parent).and_then(|()| mask.thread_set_mask());
            if ready.and_then(|()| relays.into_child()).is_err() {
                end_at_once();
            }
            inflight::install(table);
            run(work, report_end);
        }
        Ok(ForkResult::Parent { child }) => child,
        Err(errno) => {
            let _ = mask.thread_set_mask();
            return Err(IoError::new(Op::Fork, name, errno));
        }
    };
    drop(report_end);
    relays.keep_own_ends();
    let watched = watch(child, table, deadline, File::from(report), &passed_on, &mut relays);
    if !matches!(watched, Ok(Outcome::Ended(_))) {
        // It may be beyond the reach of even this for now.
        let _ = kill(child, Signal::SIGKILL);
    }
    relays.finish();
    let _ = mask.thread_set_mask();
    Ok(match watched? {
        Outcome::Ended(code) | Outcome::Left(code) => code,
        Outcome::Stuck(stuck) => on_stuck(stuck),
    })
}

enum Outcome {
    /// The child is gone.
    Ended(u8),
    /// The child has reported its code and does not end.
    Left(u8),
    /// An operation of the child hangs.
    Stuck(Stuck),
}

/// The child's code, as far as it is known.
enum Report {
    Awaited,
    Made(u8, BootInstant),
    /// The child has closed its end without a code: it is ending.
    None,
}

fn watch(
    child: Pid,
    table: &Table,
    deadline: Duration,
    mut report: File,
    passed_on: &SigSet,
    relays: &mut Relays,
) -> Result<Outcome, IoError> {
    let name = Path::new(NAME);
    let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
    let signals = SignalFd::with_flags(passed_on, flags).at(Op::Signal, name)?;
    let mut known = Report::Awaited;
    let mut last = BootInstant::now();
    let mut counted_from = last;
    loop {
        let awaited = matches!(known, Report::Awaited);
        let tick = if awaited { TICK } else { Duration::from_millis(1) };
        let report_ready = wait(&signals, awaited.then_some(&report), relays, tick)?;
        pass_on(&signals, child);
        relays.pump();
        if report_ready {
            let mut code = [0];
            known = match report.read(&mut code) {
                Ok(1) => Report::Made(code[0], BootInstant::now()),
                _ => Report::None,
            };
        }
        let now = BootInstant::now();
        if now.since(last) > GAP_MIN {
            counted_from = now;
        }
        last = now;
        let ended = match waitpid(child, Some(WaitPidFlag::WNOHANG)) {
            Ok(status) => Exit::of(status),
            Err(Errno::EINTR) => None,
            Err(errno) => return Err(IoError::new(Op::Wait, name, errno)),
        };
        match (&known, ended) {
            (Report::Made(code, _), Some(_)) => return Ok(Outcome::Ended(*code)),
            (_, Some(Exit::Code(code))) => {
                // Its report may have come after the last look.
                let code = last_report(&mut report, &known).unwrap_or(code);
                return Ok(Outcome::Ended(code));
            }
            (_, Some(Exit::Signal(number))) => {
                let code = u8::try_from(128 + number).unwrap_or(u8::MAX);
                return Ok(Outcome::Ended(last_report(&mut report, &known).unwrap_or(code)));
            }
            (Report::Made(code, at), None) if now.since(*at) > END_MAX => {
                return Ok(Outcome::Left(*code));
            }
            (Report::Made(..), None) => {}
            (Report::Awaited | Report::None, None) => {
                if let Some(stuck) = table.overdue(deadline, counted_from) {
                    return Ok(Outcome::Stuck(stuck));
                }
            }
        }
    }
}

/// The code that a child that has ended left in the pipe.
fn last_report(report: &mut File, known: &Report) -> Option<u8> {
    let mut code = [0];
    match known {
        // All ends for writing are closed: this does not wait.
        Report::Awaited if matches!(report.read(&mut code), Ok(1)) => Some(code[0]),
        _ => None,
    }
}

/// Waits for a signal, the report, or output that can be moved, for a tick at most; whether the
/// report can be read.
fn wait(
    signals: &SignalFd,
    report: Option<&File>,
    relays: &Relays,
    tick: Duration,
) -> Result<bool, IoError> {
    let mut fds = vec![PollFd::new(signals.as_fd(), PollFlags::POLLIN)];
    if let Some(report) = report {
        fds.push(PollFd::new(report.as_fd(), PollFlags::POLLIN));
    }
    relays.add_to(&mut fds);
    match poll(&mut fds, PollTimeout::try_from(tick.as_millis()).unwrap_or(PollTimeout::ZERO)) {
        Ok(_) | Err(Errno::EINTR) => {}
        Err(errno) => return Err(IoError::new(Op::Wait, NAME, errno)),
    }
    Ok(report.is_some() && fds[1].any().unwrap_or(false))
}

/// Passes signals on to the child, but those of the terminal: they go to all processes of the
/// foreground by themselves.
fn pass_on(signals: &SignalFd, child: Pid) {
    while let Ok(Some(info)) = signals.read_signal() {
        let number = i32::try_from(info.ssi_signo).unwrap_or(0);
        if info.ssi_code <= 0
            && let Ok(signal) = Signal::try_from(number)
        {
            // A child that has ended needs no signal.
            let _ = kill(child, signal);
        }
    }
}

fn passed_on() -> SigSet {
    [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGQUIT].into_iter().collect()
}

/// The child's part: works, reports the code, and ends.
fn run(work: impl FnOnce(&Ticker) -> u8, report: OwnedFd) -> ! {
    let worked = catch_unwind(AssertUnwindSafe(|| work(&Ticker(()))));
    // Unwinding must not leave this function: the frames above are the parent's.
    let Ok(code) = worked else { std::process::abort() };
    // A failed flush was the work's to notice; the code stands for what it knew.
    drop(io::stdout().flush());
    drop(File::from(report).write_all(&[code]));
    #[expect(
        clippy::exit,
        clippy::disallowed_methods,
        reason = "the child has no main to return to"
    )]
    std::process::exit(i32::from(code))
}

fn dies_with(parent: Pid) -> nix::Result<()> {
    prctl::set_pdeathsig(Signal::SIGKILL)?;
    // It may have died before.
    if getppid() == parent { Ok(()) } else { Err(Errno::ESRCH) }
}

fn end_at_once() -> ! {
    #[expect(unsafe_code, reason = "a child that cannot work must not run what is the parent's")]
    // SAFETY: ends the process without running anything of it.
    unsafe {
        libc::_exit(127)
    }
}

pub(crate) fn threads() -> usize {
    // Without /proc it is the caller's promise.
    std::fs::read_dir("/proc/self/task").map_or(1, Iterator::count)
}

/// A table in memory that a child shares. It is never given back.
fn shared_table() -> nix::Result<&'static Table> {
    let bytes = const { std::num::NonZeroUsize::new(size_of::<Table>()).expect("it has slots") };
    let rights = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
    #[expect(
        unsafe_code,
        reason = "memory that outlives a fork as one is had from the kernel only"
    )]
    // SAFETY: a new mapping at a place of the kernel's choice; it is page-aligned, as large as the
    // table, all zero, which is an empty table, made of atomics only, and never unmapped.
    unsafe {
        Ok(mmap_anonymous(None, bytes, rights, MapFlags::MAP_SHARED)?.cast::<Table>().as_ref())
    }
}
