//! The service manager: told what the process is about, and asked about units ([`systemctl`]).
//!
//! Without a service manager (no `NOTIFY_SOCKET` in the environment) telling it succeeds and
//! does nothing. The environment is the manager's protocol, so this is the one place outside the
//! command layer that depends on it.

pub mod systemctl;

use std::path::Path;
use std::time::Duration;

use nix::fcntl::OFlag;
use nix::sys::stat::Mode;
use sd_notify::NotifyState;

use crate::error::{At, IoError, Op};

/// The service is up. For an instance: active or standby.
///
/// # Errors
///
/// If the service manager cannot be told.
pub fn ready() -> Result<(), IoError> {
    notify(&NotifyState::Ready)
}

/// One line for people, shown by `systemctl status`; line ends in it become blanks.
///
/// # Errors
///
/// If the service manager cannot be told.
pub fn status(text: &str) -> Result<(), IoError> {
    // A line end would begin another statement of the protocol.
    notify(&NotifyState::Status(&text.replace(['\n', '\r'], " ")))
}

/// The service has begun to end.
///
/// # Errors
///
/// If the service manager cannot be told.
pub fn stopping() -> Result<(), IoError> {
    notify(&NotifyState::Stopping)
}

/// The service is well: due within every [`watchdog_interval`].
///
/// # Errors
///
/// If the service manager cannot be told.
pub fn watchdog() -> Result<(), IoError> {
    notify(&NotifyState::Watchdog)
}

/// The start or the end takes up to `duration` longer, from now on.
///
/// # Errors
///
/// If the service manager cannot be told.
pub fn extend_timeout(duration: Duration) -> Result<(), IoError> {
    notify(&NotifyState::Custom(&format!("EXTEND_TIMEOUT_USEC={}", duration.as_micros())))
}

/// The time after which the service manager ends a service that did not say it is well; `None` if it
/// does not watch this process. Say it at half of that.
pub fn watchdog_interval() -> Option<Duration> {
    sd_notify::watchdog_enabled().filter(|interval| !interval.is_zero())
}

/// Whether the system was booted with systemd.
///
/// # Errors
///
/// If that cannot be found out.
pub fn booted() -> Result<bool, IoError> {
    sd_notify::booted().at(Op::Stat, Path::new("/run/systemd/system"))
}

/// Says a line in the log of the kernel, which is there before any other: for what systemd runs early.
///
/// # Errors
///
/// If there is no such log, or it may not be written.
pub fn kernel_log(line: &str) -> Result<(), IoError> {
    let path = Path::new("/dev/kmsg");
    // Warning, from a daemon. More than a line would be more than an entry.
    let line = format!("<28>{}", line.replace(['\n', '\r'], " "));
    // In a container it may be a pipe that nobody reads.
    let flags = OFlag::O_WRONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    let log = nix::fcntl::open(path, flags, Mode::empty()).at(Op::Open, path)?;
    nix::unistd::write(log, line.as_bytes()).at(Op::Write, path).map(drop)
}

fn notify(state: &NotifyState<'_>) -> Result<(), IoError> {
    let states = std::slice::from_ref(state);
    sd_notify::notify(states).at(Op::Notify, Path::new("the service manager"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_service_manager_nothing_fails() {
        ready().unwrap();
        status("two\nlines").unwrap();
        watchdog().unwrap();
        extend_timeout(Duration::from_secs(30)).unwrap();
        stopping().unwrap();
        assert_eq!(watchdog_interval(), None);
    }
}
