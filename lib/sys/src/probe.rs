//! Single system calls on a directory under test: no retry, no interpretation, and the error number
//! as it came. For whoever asks whether a file system can be trusted, and for nobody else.
//!
//! Names are relative to one directory that is held open, so a path that is renamed or mounted over
//! changes nothing. No call follows a symbolic link in the last component.

mod data;
mod lock;
mod names;

pub use data::{
    FileSystem, allocate, append, close, duplicate, fdatasync, file_system, fsync, read_at,
    set_length, write_at, write_at_durably,
};
pub use lock::{Family, Held, Kind, lock, test_lock};
pub use names::{Attributes, Dir, How, attributes, set_mode, set_owner};

use nix::errno::Errno;

/// The error number of a refused call.
pub type Refusal = i32;

/// The name of an error number: "ENOLCK"; "errno" for one that has none.
pub fn errno_name(errno: i32) -> &'static str {
    // A server of a file system in user space can leak the kernel's internal number (ERESTARTSYS).
    if errno == 512 {
        return "ERESTARTSYS";
    }
    match Errno::from_raw(errno) {
        Errno::UnknownErrno => "errno",
        Errno::EAGAIN => "EAGAIN",
        known => name_of(known),
    }
}

fn name_of(errno: Errno) -> &'static str {
    // The derived name is the constant's; it is leaked once per number at most.
    use std::collections::BTreeMap;
    use std::sync::Mutex;
    static NAMES: Mutex<BTreeMap<i32, &'static str>> = Mutex::new(BTreeMap::new());
    let mut names = NAMES.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    names.entry(errno as i32).or_insert_with(|| format!("{errno:?}").leak())
}

/// The system's words for an error number: "No locks available".
pub fn errno_text(errno: i32) -> &'static str {
    Errno::from_raw(errno).desc()
}

fn raw(errno: Errno) -> Refusal {
    errno as i32
}

/// Lets a signal USR1 interrupt what this process waits for, without doing anything else.
///
/// # Errors
///
/// If the kernel refuses.
pub fn let_usr1_interrupt() -> Result<(), Refusal> {
    use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
    extern "C" fn nothing(_: nix::libc::c_int) {}
    // Without SA_RESTART a waiting call comes back with EINTR.
    let action = SigAction::new(SigHandler::Handler(nothing), SaFlags::empty(), SigSet::empty());
    #[expect(unsafe_code, reason = "a handler is the only way to be interrupted and live")]
    // SAFETY: the handler does nothing, which any thread may do at any time.
    unsafe { sigaction(Signal::SIGUSR1, &action) }.map(drop).map_err(raw)
}

/// Ends this process at once, without closing anything itself.
pub fn exit_at_once(code: u8) -> ! {
    #[expect(unsafe_code, reason = "what is tested is that the kernel closes what is open")]
    // SAFETY: ends the process without running anything of it.
    unsafe {
        nix::libc::_exit(i32::from(code))
    }
}

/// Runs `work` in a forked child that shares this process's open files, and returns the bytes that
/// it hands back, at most 64 KiB; `None` if the child died. To be called by a process of one thread.
///
/// # Errors
///
/// If no child can be made.
pub fn in_child(work: impl FnOnce() -> Vec<u8>) -> Result<Option<Vec<u8>>, Refusal> {
    use nix::sys::wait::waitpid;
    use nix::unistd::{ForkResult, fork, pipe};
    use std::io::{Read, Write};
    let (from, to) = pipe().map_err(raw)?;
    #[expect(unsafe_code, reason = "what a child inherits is what is tested")]
    // SAFETY: the process has one thread, so the child has all of it, and every lock is free.
    match unsafe { fork() }.map_err(raw)? {
        ForkResult::Child => {
            drop(from);
            let answer = work();
            let written = std::fs::File::from(to).write_all(&answer);
            exit_at_once(u8::from(written.is_err()));
        }
        ForkResult::Parent { child } => {
            drop(to);
            let mut answer = Vec::new();
            let read = std::fs::File::from(from).take(64 * 1024).read_to_end(&mut answer);
            let _ = waitpid(child, None);
            Ok((read.is_ok() && !answer.is_empty()).then_some(answer))
        }
    }
}

/// Forks a child that shares this process's open files and does nothing until it is killed; its
/// process number. It dies with this process.
///
/// # Errors
///
/// If no child can be made.
pub fn idle_child() -> Result<u32, Refusal> {
    use nix::unistd::{ForkResult, fork, pause};
    #[expect(unsafe_code, reason = "what a child inherits is what is tested")]
    // SAFETY: the process has one thread, so the child has all of it, and every lock is free.
    match unsafe { fork() }.map_err(raw)? {
        ForkResult::Child => {
            let _ = nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGKILL);
            loop {
                pause();
            }
        }
        ForkResult::Parent { child } => Ok(child.as_raw().unsigned_abs()),
    }
}

/// Makes this process another user's for good, with these groups and no others. For a child that then
/// makes one call.
///
/// # Errors
///
/// What the system says: `EPERM` if this process is not the superuser's.
pub fn become_user(uid: u32, gid: u32, groups: &[u32]) -> Result<(), Refusal> {
    use nix::unistd::{Gid, Uid, setgid, setgroups, setuid};
    let groups: Vec<_> = groups.iter().copied().map(Gid::from_raw).collect();
    setgroups(&groups).map_err(raw)?;
    setgid(Gid::from_raw(gid)).map_err(raw)?;
    setuid(Uid::from_raw(uid)).map_err(raw)
}

/// Waits for a child of this process to be gone; call it after killing it.
pub fn reap(pid: u32) {
    if let Ok(pid) = i32::try_from(pid) {
        let _ = nix::sys::wait::waitpid(nix::unistd::Pid::from_raw(pid), None);
    }
}

#[cfg(test)]
mod tests;
