//! Mounts a file system, and brings its server what its library does not pass on: signals.
//!
//! The kernel's requests go through a pair of sockets to the library, so that a look can be taken at
//! each. The library answers that it does not know interruptions; that makes every wait for
//! a lock unkillable, which is one behaviour of many here, not all of them.

use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::thread;

use fuser::{Config, Filesystem, Session, SessionACL};
use nix::errno::Errno;
use nix::libc;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    AddressFamily, Shutdown, SockFlag, SockType, setsockopt, shutdown, socketpair, sockopt,
};
use nix::unistd::{read, write};

/// The largest write, in bytes.
pub(super) const WRITE_MAX: u32 = 128 * 1024;
/// A message of the kernel or to it, in bytes.
const MESSAGE_MAX: usize = 1024 * 1024;
const HEADER: usize = 40;
const SETLKW: u32 = 33;
const INTERRUPT: u32 = 36;
/// How many calls are worked on at a time.
const THREADS: usize = 6;

/// What becomes of a signal for who waits.
pub(super) enum Interrupted {
    /// The request has been answered.
    Answered,
    /// The server does not know the request yet.
    NotYet,
    /// The server does not do such things.
    Unknown,
}

/// Tells the server that the request of this number is interrupted.
pub(super) type Hook = Box<dyn Fn(u64) -> Interrupted + Send>;

/// A mounted file system.
pub(super) struct Mounted {
    /// Where requests come from, if they are looked at.
    kernel: Option<Arc<OwnedFd>>,
}

/// Mounts on a directory. Needs root. Without a hook no signal reaches the server, and calls are quicker.
pub(super) fn mount_on(
    at: &Path,
    source: &str,
    server: impl Filesystem + 'static,
    hook: Option<Hook>,
) -> io::Result<Mounted> {
    let blocking = if hook.is_some() { libc::O_NONBLOCK } else { 0 };
    let mut open = OpenOptions::new();
    open.read(true).write(true).custom_flags(libc::O_CLOEXEC | blocking);
    let device = open.open("/dev/fuse")?;
    let options = format!(
        "fd={},rootmode=40000,user_id=0,group_id=0,default_permissions,allow_other,max_read={WRITE_MAX}",
        device.as_raw_fd()
    );
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOATIME;
    mount(Some(source), at, Some("fuse"), flags, Some(options.as_str()))?;
    let done = match hook {
        Some(hook) => relayed(device, hook)
            .and_then(|(kernel, library)| serve(server, library).map(|()| Some(kernel))),
        None => serve(server, device.into()).map(|()| None),
    };
    match done {
        Ok(kernel) => Ok(Mounted { kernel }),
        Err(error) => {
            let _ = umount2(at, MntFlags::MNT_FORCE | MntFlags::MNT_DETACH);
            Err(error)
        }
    }
}

fn serve(server: impl Filesystem + 'static, requests: OwnedFd) -> io::Result<()> {
    let mut config = Config::default();
    config.n_threads = Some(THREADS);
    // It ends by itself when the requests end.
    Session::from_fd(server, requests, SessionACL::All, config).and_then(Session::spawn).map(drop)
}

/// Lets the kernel's requests, and their answers, pass by here: our end and the library's.
fn relayed(device: File, hook: Hook) -> io::Result<(Arc<OwnedFd>, OwnedFd)> {
    let family = AddressFamily::Unix;
    let (kernel, library) = socketpair(family, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)?;
    for end in [&kernel, &library] {
        setsockopt(end, sockopt::SndBuf, &(2 * MESSAGE_MAX))?;
    }
    let (device, kernel) = (Arc::new(device), Arc::new(kernel));
    let (to_kernel, from_kernel) = (device.clone(), device);
    let (requests, answers) = (kernel.clone(), kernel.clone());
    thread::spawn(move || carry_requests(&from_kernel, &requests, &hook));
    thread::spawn(move || carry_answers(&answers, &to_kernel));
    Ok((kernel, library))
}

impl Mounted {
    /// Unmounts; calls that hang end with an error.
    pub(super) fn end(&self, at: &Path) {
        // It may be gone already.
        let _ = umount2(at, MntFlags::MNT_FORCE | MntFlags::MNT_DETACH);
        if let Some(kernel) = &self.kernel {
            let _ = shutdown(kernel.as_raw_fd(), Shutdown::Both);
        }
    }
}

#[expect(clippy::host_endian_bytes, reason = "the kernel speaks to this host only")]
fn number(message: &[u8], at: usize) -> u64 {
    message
        .get(at..at + 8)
        .map_or(0, |bytes| u64::from_ne_bytes(bytes.try_into().unwrap_or_default()))
}

/// Which call a request is.
fn code(message: &[u8]) -> u32 {
    // The length is before it, in the same eight bytes.
    #[cfg(target_endian = "little")]
    let halves = number(message, 0) >> 32;
    #[cfg(target_endian = "big")]
    let halves = number(message, 0) & u64::from(u32::MAX);
    u32::try_from(halves).unwrap_or_default()
}

/// The answer that makes the kernel ask again.
#[expect(clippy::host_endian_bytes, reason = "the kernel speaks to this host only")]
fn try_again(message: &[u8]) -> [u8; 16] {
    let mut again = [0; 16];
    again[..4].copy_from_slice(&16_u32.to_ne_bytes());
    again[4..8].copy_from_slice(&(-libc::EAGAIN).to_ne_bytes());
    again[8..].copy_from_slice(&number(message, 8).to_ne_bytes());
    again
}

/// The length of the kernel's next request, or `None` if there will be none.
fn next_request(device: &File, library: &OwnedFd, message: &mut [u8]) -> Option<usize> {
    loop {
        match read(device, message) {
            Ok(len) => return Some(len),
            Err(Errno::EAGAIN) => {
                let mut ready = [
                    PollFd::new(device.as_fd(), PollFlags::POLLIN),
                    PollFd::new(library.as_fd(), PollFlags::empty()),
                ];
                match poll(&mut ready, PollTimeout::NONE) {
                    Ok(_) | Err(Errno::EINTR) => (),
                    Err(_) => return None,
                }
                if ready[1].revents().is_some_and(|seen| seen.contains(PollFlags::POLLHUP)) {
                    return None;
                }
            }
            // The request was taken back.
            Err(Errno::EINTR | Errno::ENOENT) => (),
            Err(_) => return None,
        }
    }
}

fn carry_requests(device: &File, library: &OwnedFd, hook: &Hook) {
    let mut message = vec![0; MESSAGE_MAX];
    let mut waits = HashSet::new();
    while let Some(len) = next_request(device, library, &mut message) {
        if code(&message) == SETLKW {
            waits.insert(number(&message, 8));
        }
        if code(&message) == INTERRUPT && len >= HEADER + 8 {
            let request = number(&message, HEADER);
            match if waits.contains(&request) { hook(request) } else { Interrupted::Answered } {
                Interrupted::Answered => continue,
                Interrupted::NotYet => {
                    // An error means that the request was answered meanwhile.
                    let _ = write(device, &try_again(&message));
                    continue;
                }
                Interrupted::Unknown => (),
            }
        }
        if write(library, &message[..len]).is_err() {
            break;
        }
    }
    let _ = shutdown(library.as_raw_fd(), Shutdown::Both);
}

fn carry_answers(library: &OwnedFd, device: &File) {
    let mut message = vec![0; MESSAGE_MAX];
    loop {
        match read(library, &mut message) {
            Ok(0) => return,
            // An error concerns a request that nobody waits for any more.
            Ok(len) => drop(write(device, &message[..len])),
            Err(Errno::EINTR) => (),
            Err(_) => return,
        }
    }
}
