//! `systemctl`: what the service manager knows of a unit, and the wish that it starts or stops one.
//!
//! * A child with a deadline, and with nothing of this process's environment: no pager and no question for
//!   a password makes it wait, and no variable of the caller leads it to another manager.
//! * It is not in the foreground of the terminal: what a key sends to this process does not reach it. A job
//!   that the manager has accepted goes on without it anyway.
//! * What it says is bounded, and is text that somebody else chose.

mod unit;

pub use unit::{Active, Load, Unit};

use std::io::{PipeReader, Read as _};
use std::os::fd::AsFd as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::clock::{BootInstant, sleep};
use crate::error::{At as _, IoError, Op};
use crate::proc::Exit;
use crate::socket;

/// Where the program is. Not looked for anywhere else: a caller's search path says nothing about it.
const PROGRAMS: [&str; 2] = ["/usr/bin/systemctl", "/bin/systemctl"];
/// What is kept of its output, in bytes.
const SAID_BYTES_MAX: usize = 64 * 1024;
/// What is passed on of a complaint, in characters.
const COMPLAINT_CHARS_MAX: usize = 300;
/// How often a child is looked at.
const TICK: Duration = Duration::from_millis(10);
/// The status of the program for what the caller may not do.
const NO_PERMISSION: u8 = 4;

/// Why the service manager did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum SystemctlError {
    /// There is no such program.
    #[error("{} is not there", PROGRAMS[0])]
    Missing,
    /// It has not come back.
    #[error("it has not answered for {} s", .0.as_secs())]
    Silent(Duration),
    /// The caller may not.
    #[error("{0}")]
    Denied(String),
    /// It said why not.
    #[error("{0}")]
    Refused(String),
    /// It cannot be run.
    #[error(transparent)]
    Io(#[from] IoError),
}

/// The program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Systemctl {
    program: PathBuf,
}

impl Systemctl {
    /// The program of this host.
    ///
    /// # Errors
    ///
    /// [`SystemctlError::Missing`].
    pub fn of_this_host() -> Result<Self, SystemctlError> {
        let found = PROGRAMS.iter().map(Path::new).find(|path| path.exists());
        found.map(|path| Self::at(path.to_owned())).ok_or(SystemctlError::Missing)
    }

    /// The program of this path.
    pub fn at(program: PathBuf) -> Self {
        Self { program }
    }

    /// What the service manager knows of a unit; nothing needs to be permitted for that.
    ///
    /// # Errors
    ///
    /// [`SystemctlError`].
    pub fn unit(&self, unit: &str, deadline: Duration) -> Result<Unit, SystemctlError> {
        let properties = format!("--property={}", Unit::PROPERTIES.join(","));
        let said = self.run(&["show", &properties, "--", unit], deadline)?;
        Unit::parse(&said).ok_or_else(|| {
            let what = "its answer lacks the state of the unit";
            SystemctlError::Refused(what.to_owned())
        })
    }

    /// Begins to start a unit; the program ends when the unit is up or is not going to be.
    ///
    /// # Errors
    ///
    /// [`SystemctlError::Io`] if the program cannot be run.
    pub fn begin_start(&self, unit: &str) -> Result<Running, SystemctlError> {
        self.begin(&["start", "--", unit])
    }

    /// Stops a unit and cancels what was to start it, and waits until that is done.
    ///
    /// # Errors
    ///
    /// [`SystemctlError`]; after [`SystemctlError::Silent`] the manager goes on with it.
    pub fn stop(&self, unit: &str, deadline: Duration) -> Result<(), SystemctlError> {
        self.run(&["stop", "--", unit], deadline).map(drop)
    }

    /// As [`Systemctl::stop`], without waiting for the end.
    ///
    /// # Errors
    ///
    /// [`SystemctlError`].
    pub fn begin_stop(&self, unit: &str, deadline: Duration) -> Result<(), SystemctlError> {
        self.run(&["stop", "--no-block", "--", unit], deadline).map(drop)
    }

    fn run(&self, args: &[&str], deadline: Duration) -> Result<String, SystemctlError> {
        let mut running = self.begin(args)?;
        let until = BootInstant::now().saturating_add(deadline);
        loop {
            if let Some(ended) = running.look(TICK.min(until.left()))? {
                return ended.result();
            }
            if until.left().is_zero() {
                return Err(SystemctlError::Silent(deadline));
            }
        }
    }

    fn begin(&self, args: &[&str]) -> Result<Running, SystemctlError> {
        let (output, input) = socket::pipe()?;
        let copy = input.try_clone().at(Op::Pipe, &self.program)?;
        let mut command = Command::new(&self.program);
        command
            .args(["--system", "--no-ask-password", "--no-pager"])
            .args(args)
            .env_clear()
            .envs([("PATH", "/usr/bin:/bin"), ("LC_ALL", "C"), ("SYSTEMD_COLORS", "0")])
            .current_dir("/")
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::from(copy))
            .stderr(Stdio::from(input));
        let child = command.spawn().at(Op::Spawn, &self.program)?;
        // Its ends of the pipe are the child's alone from here on.
        drop(command);
        Ok(Running { child, output: Some(output), said: Vec::new() })
    }
}

/// The program at work. Dropping this ends the program, not what the manager does.
#[derive(Debug)]
pub struct Running {
    child: Child,
    /// `None` when all was read.
    output: Option<PipeReader>,
    said: Vec<u8>,
}

impl Running {
    /// How it ended, waiting for that at most about `wait`; `None` if it is at work.
    ///
    /// # Errors
    ///
    /// If the kernel does not tell.
    pub fn look(&mut self, wait: Duration) -> Result<Option<Ended>, IoError> {
        if self.output.is_some() {
            self.read(wait)?;
        } else {
            sleep(wait);
        }
        let name = Path::new("systemctl");
        let Some(status) = self.child.try_wait().at(Op::Wait, name)? else { return Ok(None) };
        // Whatever it started may keep the pipe: only what is there already counts.
        while self.read(Duration::ZERO)? {}
        let code = status.code().and_then(|code| u8::try_from(code).ok());
        let exit = code.map_or(Exit::Signal(status.signal().unwrap_or_default()), Exit::Code);
        let said = String::from_utf8_lossy(&self.said).into_owned();
        Ok(Some(Ended { exit, said }))
    }

    /// Reads once; whether there was something.
    fn read(&mut self, wait: Duration) -> Result<bool, IoError> {
        let Some(output) = &mut self.output else { return Ok(false) };
        if !socket::wait_readable(output.as_fd(), wait)? {
            return Ok(false);
        }
        let mut chunk = [0; 4096];
        let read = output.read(&mut chunk).at(Op::Read, Path::new("systemctl"))?;
        if read == 0 {
            self.output = None;
            return Ok(false);
        }
        let room = SAID_BYTES_MAX - self.said.len();
        self.said.extend_from_slice(&chunk[..read.min(room)]);
        Ok(true)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            // It may have ended meanwhile; whoever cannot be killed is left behind.
            drop(self.child.kill());
            drop(self.child.try_wait());
        }
    }
}

/// How the program ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    exit: Exit,
    said: String,
}

impl Ended {
    /// What it said, if it did what was asked.
    ///
    /// # Errors
    ///
    /// [`SystemctlError::Denied`] or [`SystemctlError::Refused`], with what it complained about.
    pub fn result(self) -> Result<String, SystemctlError> {
        if self.exit == Exit::Code(0) {
            return Ok(self.said);
        }
        let complaint = self.complaint();
        // The last one: whom the manager asks about permission does not answer.
        let asked_for_more = ["nteractive authentication required", "ccess denied", "polkit"];
        if self.exit == Exit::Code(NO_PERMISSION)
            || asked_for_more.iter().any(|text| self.said.contains(text))
        {
            return Err(SystemctlError::Denied(complaint));
        }
        Err(SystemctlError::Refused(complaint))
    }

    /// The first sentence, as part of another.
    fn complaint(&self) -> String {
        let line = self.said.lines().map(str::trim).find(|line| !line.is_empty());
        match (line, self.exit) {
            (Some(line), _) => {
                let line = line.split_once(". ").map_or(line, |(first, _)| first);
                line.trim_end_matches('.').chars().take(COMPLAINT_CHARS_MAX).collect()
            }
            (None, Exit::Code(code)) => format!("systemctl ended with {code}"),
            (None, Exit::Signal(signal)) => format!("systemctl was ended by signal {signal}"),
        }
    }
}

#[cfg(test)]
mod tests;
