//! Processes: this one, others, and those it starts.

mod filter;
mod spawn;

pub use filter::Filter;
pub use spawn::{Child, Exit, PASSED_FD, spawn_detached, take_passed_fd};

use std::io;
use std::path::{Path, PathBuf};

use miqm_types::BootId;
use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::stat::{Mode, umask};
use nix::unistd::{Gid, Pid, Uid, User, geteuid, getgid, getuid, setgid, setgroups, setuid};

pub use nix::sys::signal::Signal;

use crate::error::{At, IoError, Op};
use crate::fs::Owner;

/// The kernel's id of this boot.
///
/// # Errors
///
/// If the kernel does not tell it.
pub fn boot_id() -> Result<BootId, IoError> {
    let path = Path::new("/proc/sys/kernel/random/boot_id");
    let text = std::fs::read_to_string(path).at(Op::Read, path)?;
    let invalid = |_| io::Error::from(io::ErrorKind::InvalidData);
    text.trim().parse().map_err(invalid).at(Op::Read, path)
}

/// The host's name as the kernel has it, bytes that are no UTF-8 replaced.
///
/// # Errors
///
/// If the kernel does not tell it.
pub fn hostname() -> Result<String, IoError> {
    let name = nix::unistd::gethostname().at(Op::Query, "the host name".as_ref())?;
    Ok(name.to_string_lossy().into_owned())
}

/// The kernel's release: "6.1.0-50-amd64"; empty if it does not tell.
pub fn kernel_release() -> String {
    nix::sys::utsname::uname()
        .map(|name| name.release().to_string_lossy().into_owned())
        .unwrap_or_default()
}

/// This process's id.
pub fn pid() -> u32 {
    std::process::id()
}

/// The id of the process that made this one, or of the one that took it over when that died.
pub fn parent() -> u32 {
    std::os::unix::process::parent_id()
}

/// Whether a process of this id is running: one that ended and was not waited for is not.
pub fn alive(pid: u32) -> bool {
    let Some(raw) = raw_pid(pid) else { return false };
    match nix::sys::signal::kill(raw, None) {
        Ok(()) | Err(Errno::EPERM) => !matches!(state(pid), Some(b'Z' | b'X')),
        Err(_) => false,
    }
}

/// When a process started, in clock ticks since the boot: with the pid and the boot id it names
/// one process. `None` if there is no such process.
pub fn start_time(pid: u32) -> Option<u64> {
    // The fields after the command's name, which may hold anything, begin with the third.
    stat_fields(pid)?.split_ascii_whitespace().nth(22 - 3)?.parse().ok()
}

/// The directory of the program that this process runs.
///
/// # Errors
///
/// If the kernel does not tell it.
pub fn exe_dir() -> Result<PathBuf, IoError> {
    let link = Path::new("/proc/self/exe");
    let program = std::env::current_exe().at(Op::Resolve, link)?;
    let dir = program.parent().ok_or(io::ErrorKind::NotFound).at(Op::Resolve, link)?;
    Ok(dir.to_owned())
}

/// Sends a signal to a process; `false` if there is no such process.
///
/// # Errors
///
/// If the signal may not be sent.
pub fn kill(pid: u32, signal: Signal) -> Result<bool, IoError> {
    let name = PathBuf::from(format!("process {pid}"));
    let raw = raw_pid(pid).ok_or(Errno::EINVAL).at(Op::Signal, &name)?;
    match nix::sys::signal::kill(raw, signal) {
        Ok(()) => Ok(true),
        Err(Errno::ESRCH) => Ok(false),
        Err(errno) => Err(IoError::new(Op::Signal, name, errno)),
    }
}

/// Gives up root for good: this process becomes `owner`, with the groups that the user database
/// lists for it, or with its own group only if it lists no such user. Before any thread is made.
///
/// A process that is `owner` already is left as it is.
///
/// # Errors
///
/// If this process may not, or could take root back.
pub fn drop_to(owner: Owner) -> Result<(), IoError> {
    let name = PathBuf::from(format!("user {}", owner.uid));
    let (uid, gid) = (Uid::from_raw(owner.uid), Gid::from_raw(owner.gid));
    if geteuid() == uid && getuid() == uid && !uid.is_root() {
        return Ok(());
    }
    let groups: Vec<Gid> = groups_of(owner)?.into_iter().map(Gid::from_raw).collect();
    setgroups(&groups).at(Op::DropPrivileges, &name)?;
    setgid(gid).at(Op::DropPrivileges, &name)?;
    setuid(uid).at(Op::DropPrivileges, &name)?;
    let kept = getuid() != uid || getgid() != gid;
    if kept || (!uid.is_root() && setuid(Uid::from_raw(0)).is_ok()) {
        return Err(IoError::new(Op::DropPrivileges, name, Errno::EPERM));
    }
    Ok(())
}

/// Raises the limit of open files to what the system grants; the limit that holds now.
///
/// # Errors
///
/// If the limit cannot be read or set.
pub fn raise_limit_nofile() -> Result<u64, IoError> {
    let name = Path::new("the limit of open files");
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).at(Op::Query, name)?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most).at(Op::Configure, name)?;
    Ok(most)
}

/// Whether this process may be dumped and traced by processes of the same user.
///
/// # Errors
///
/// If the kernel refuses.
pub fn set_dumpable(dumpable: bool) -> Result<(), IoError> {
    prctl::set_dumpable(dumpable).at(Op::Configure, "the process".as_ref())
}

/// The columns of the terminal that the standard output is; `None` if it is none, or one that does
/// not tell.
pub fn stdout_columns() -> Option<u16> {
    use nix::libc;
    use std::os::fd::AsRawFd;
    let mut size = libc::winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 };
    let fd = io::stdout().as_raw_fd();
    #[expect(unsafe_code, reason = "the size of a terminal is asked for by an ioctl")]
    // SAFETY: the request fills in the structure that it is given, and nothing else.
    let asked = unsafe { libc::ioctl(fd, libc::TIOCGWINSZ, &mut size) };
    (asked == 0 && size.ws_col > 0).then_some(size.ws_col)
}

/// Sets the bits that new files of this process never get; the bits until now.
pub fn set_umask(bits: u32) -> u32 {
    umask(Mode::from_bits_truncate(bits)).bits()
}

/// The groups of a user: those the user database lists, and always its own.
fn groups_of(owner: Owner) -> Result<Vec<u32>, IoError> {
    let name = PathBuf::from(format!("the groups of user {}", owner.uid));
    let user = match User::from_uid(Uid::from_raw(owner.uid)) {
        Err(Errno::ENOENT | Errno::ESRCH) => None,
        found => found.at(Op::Query, &name)?,
    };
    let Some(user) = user else { return Ok(vec![owner.gid]) };
    let login = std::ffi::CString::new(user.name).map_err(io::Error::from).at(Op::Query, &name)?;
    let groups = nix::unistd::getgrouplist(&login, Gid::from_raw(owner.gid));
    Ok(groups.at(Op::Query, &name)?.into_iter().map(Gid::as_raw).collect())
}

/// Zero and what is beyond the range would name groups of processes, or all.
fn raw_pid(pid: u32) -> Option<Pid> {
    i32::try_from(pid).ok().filter(|pid| *pid > 0).map(Pid::from_raw)
}

fn state(pid: u32) -> Option<u8> {
    stat_fields(pid)?.trim_start().bytes().next()
}

fn stat_fields(pid: u32) -> Option<String> {
    let bytes = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    Some(text.rsplit_once(')')?.1.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_known() {
        assert!(alive(pid()));
        assert!(start_time(pid()).unwrap() > 0);
        assert!(boot_id().unwrap().0.iter().any(|b| *b != 0));
        assert!(!hostname().unwrap().is_empty());
        assert!(exe_dir().unwrap().is_absolute());
        assert!(raise_limit_nofile().unwrap() > 0);
        set_dumpable(true).unwrap();
    }

    #[test]
    fn no_process_is_not_every_process() {
        for pid in [0, u32::MAX, 1 << 31] {
            assert!(!alive(pid));
            assert_eq!(start_time(pid), None);
            assert!(kill(pid, Signal::SIGKILL).is_err());
        }
    }

    #[test]
    fn a_process_that_ended_is_not_alive_before_it_is_waited_for() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let until = crate::clock::BootInstant::now();
        while alive(child.id()) && until.elapsed().as_secs() < 10 {
            crate::clock::sleep(std::time::Duration::from_millis(1));
        }
        assert!(!alive(child.id()));
        child.wait().unwrap();
        assert!(!kill(child.id(), Signal::SIGTERM).unwrap());
    }
}
