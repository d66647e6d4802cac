//! A second host over `ssh`: the system's client, with its keys, its configuration and its questions.
//!
//! * Nothing that a user typed is part of a command for a shell: the directory goes over the connection.
//! * If the far side has no checker, or one of another version, this one is sent, into a private
//!   directory that is removed when the connection ends, however it ends.

mod courier;
mod program;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use miqm_sys::port::Port;
use miqm_sys::proc::{Exit, Filter};

use crate::agent::MARK;
use crate::host::{RemoteHost, greet};
use crate::report::HostFacts;
use crate::wire::{Hello, WIRE_BYTES_MAX};
use courier::Carrier;
pub use program::first_static;

/// What the far side says when it is ready to take the program.
const SEND_MARK: &[u8] = b"\nAMQMFSCK-SEND\n";
/// The most bytes that a far side may say before its mark: what its shell's start files print.
const CHATTER_BYTES_MAX: usize = 256 * 1024;
/// How much of the program is sent before it is looked how it goes.
const PIECE_BYTES: usize = 256 * 1024;
/// How long a program that has said all may take to end.
const END: Duration = Duration::from_secs(5);
/// What a shell says if there is no such command.
const NO_COMMAND: u8 = 127;
/// What ssh says if it could not connect.
const NO_CONNECTION: u8 = 255;

/// Where to go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// As ssh takes it: "user@host".
    pub destination: String,
    /// The directory there, if it is not called as here.
    pub directory: Option<PathBuf>,
}

impl Target {
    /// Reads `[USER@]HOST[:PATH]`. A host of colons is written in brackets: `[::1]:/mqm`.
    ///
    /// # Errors
    ///
    /// Why it is none, as a sentence without a full stop.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (user, rest) = match text.split_once('@') {
            Some((user, rest)) if !user.contains([':', '/']) => (Some(user), rest),
            _ => (None, text),
        };
        let (host, path) = if let Some(rest) = rest.strip_prefix('[') {
            let (host, rest) = rest.split_once(']').ok_or("the bracket is not closed")?;
            match rest.strip_prefix(':') {
                Some(path) => (host, path),
                None if rest.is_empty() => (host, ""),
                None => return Err("after the bracket there must be a colon and a path".into()),
            }
        } else {
            rest.split_once(':').unwrap_or((rest, ""))
        };
        for (what, name) in [("user", user.unwrap_or("x")), ("host", host)] {
            if name.is_empty() {
                return Err(format!("the {what} is missing"));
            }
            let odd = |c: char| !(c.is_alphanumeric() || "-._:%+~".contains(c));
            if name.starts_with('-') || name.contains(odd) {
                return Err(format!("{name:?} is no name of a {what}"));
            }
        }
        let user = user.map(|user| format!("{user}@")).unwrap_or_default();
        let directory = (!path.is_empty()).then(|| PathBuf::from(path));
        Ok(Self { destination: format!("{user}{host}"), directory })
    }
}

/// How to get there.
#[derive(Clone, Debug)]
pub struct Ways {
    /// The program, and what comes before destination and command.
    pub command: Vec<OsString>,
    /// The program that is sent to a host that has none: one that runs there, see [`first_static`].
    pub program: Option<PathBuf>,
    /// How long a connection may take to come about, answers of people to questions included.
    pub limit: Duration,
    /// After so long without a sign of life the other host is lost.
    pub silence: Duration,
}

impl Default for Ways {
    fn default() -> Self {
        Self {
            command: ["ssh", "-T"].map(OsString::from).to_vec(),
            program: None,
            limit: Duration::from_mins(2),
            silence: Duration::from_secs(30),
        }
    }
}

/// What happens while a connection comes about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The checker there is started.
    Starting,
    /// There is none that fits, so this one is sent: so many bytes of so many have gone.
    Sending {
        /// Gone.
        bytes: usize,
        /// Of.
        of: usize,
    },
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The program that connects cannot be started.
    #[error("{program} cannot be started: {source}")]
    NoProgram {
        /// The program.
        program: String,
        /// Why.
        source: miqm_sys::IoError,
    },
    /// It does not reach the host, and has said why on the standard error.
    #[error("{host} cannot be reached (the reason is above)")]
    Unreachable {
        /// The destination.
        host: String,
    },
    /// Nothing came within the limit.
    #[error("{host} did not answer within {seconds} s")]
    Late {
        /// The destination.
        host: String,
        /// The limit.
        seconds: u64,
    },
    /// The checker cannot run there; why, as a sentence without a full stop.
    #[error("the checker does not run on {host}: {why}")]
    CannotRun {
        /// The destination.
        host: String,
        /// Why.
        why: String,
    },
}

/// Connects to a host and its directory, which is `directory` unless the target names another one.
/// `facts` are those of this host.
///
/// # Errors
///
/// If the host is not reached, or the checker cannot run there.
pub fn connect(
    target: &Target,
    directory: &Path,
    ways: &Ways,
    facts: &HostFacts,
    on: &mut dyn FnMut(Event),
) -> Result<RemoteHost, ConnectError> {
    let directory = target.directory.as_deref().unwrap_or(directory);
    let hello = Hello::new(facts).with_directory(directory);
    let call = Dial { target, ways, hello };
    on(Event::Starting);
    let why = match call.installed()? {
        Answer::Greets(connection) => return call.carried(*connection),
        Answer::Other(why) => why,
    };
    let Some(program) = &ways.program else {
        let why = format!("{why}; and there is no program here that could be sent");
        return Err(call.cannot_run(why));
    };
    let program = program::read(program).map_err(|error| call.cannot_run(error.to_string()))?;
    match call.sent(&program, on)? {
        Answer::Greets(connection) => call.carried(*connection),
        Answer::Other(why) => Err(call.cannot_run(why)),
    }
}

/// A running client and the other side's greeting.
struct Connection {
    client: Filter,
    port: Port,
    hello: Hello,
}

enum Answer {
    Greets(Box<Connection>),
    /// Why there is no checker that fits.
    Other(String),
}

struct Dial<'a> {
    target: &'a Target,
    ways: &'a Ways,
    hello: Hello,
}

impl Dial<'_> {
    fn host(&self) -> String {
        self.target.destination.clone()
    }

    fn cannot_run(&self, why: String) -> ConnectError {
        ConnectError::CannotRun { host: self.host(), why }
    }

    /// Runs a script there.
    fn start(&self, script: &str) -> Result<(Filter, Port), ConnectError> {
        let mut words = self.ways.command.iter().cloned();
        let program = words.next().unwrap_or_else(|| "ssh".into());
        let mut args: Vec<OsString> = words.collect();
        args.push(self.target.destination.clone().into());
        args.push(format!("exec sh -c {}", quoted(script)).into());
        let failed = |source| ConnectError::NoProgram {
            program: program.to_string_lossy().into_owned(),
            source,
        };
        let (client, stream) = Filter::start(&program, &args).map_err(failed)?;
        Ok((client, Port::of_stream(stream, WIRE_BYTES_MAX).map_err(failed)?))
    }

    /// Tries the checker that is installed there.
    fn installed(&self) -> Result<Answer, ConnectError> {
        let (client, port) = self.start(INSTALLED)?;
        self.answer(client, port)
    }

    /// Sends a program and tries that.
    fn sent(&self, program: &[u8], on: &mut dyn FnMut(Event)) -> Result<Answer, ConnectError> {
        let script = SENT.replace("BYTES", &program.len().to_string());
        let (mut client, mut port) = self.start(&script)?;
        if !self.waits_for(&mut client, &mut port, SEND_MARK)? {
            return Ok(Answer::Other(self.ended(client)?));
        }
        for (at, piece) in program.chunks(PIECE_BYTES).enumerate() {
            on(Event::Sending { bytes: at * PIECE_BYTES, of: program.len() });
            if port.send_raw(piece, self.ways.limit).is_err() {
                return Ok(Answer::Other(self.ended(client)?));
            }
        }
        on(Event::Sending { bytes: program.len(), of: program.len() });
        self.answer(client, port)
    }

    /// Whether the far side says the mark; otherwise it closes.
    fn waits_for(
        &self,
        client: &mut Filter,
        port: &mut Port,
        mark: &[u8],
    ) -> Result<bool, ConnectError> {
        let came = port.skip_past(mark, CHATTER_BYTES_MAX, self.ways.limit);
        if matches!(came, Ok(false)) && matches!(port.has_message(), Ok(false)) {
            // Not closed.
            let seconds = self.ways.limit.as_secs();
            return Err(ConnectError::Late { host: self.host(), seconds });
        }
        if came.is_err() {
            client.wait(Duration::ZERO).ok();
        }
        Ok(came.unwrap_or(false))
    }

    fn answer(&self, mut client: Filter, mut port: Port) -> Result<Answer, ConnectError> {
        if !self.waits_for(&mut client, &mut port, MARK)? {
            drop(port);
            return Ok(Answer::Other(self.ended(client)?));
        }
        match greet(port, &self.hello, self.ways.limit) {
            Ok((hello, port)) => Ok(Answer::Greets(Box::new(Connection { client, port, hello }))),
            Err(lost) => Ok(Answer::Other(lost.why)),
        }
    }

    /// What it means that the far side ended.
    fn ended(&self, mut client: Filter) -> Result<String, ConnectError> {
        match client.wait(END) {
            Ok(Some(Exit::Code(NO_CONNECTION))) => {
                Err(ConnectError::Unreachable { host: self.host() })
            }
            Ok(Some(Exit::Code(NO_COMMAND))) => Ok("there is no checker there".into()),
            Ok(Some(Exit::Code(code))) => Ok(match code {
                124 => "no directory there lets a program run that is put into it".into(),
                125 => "the program did not arrive there whole".into(),
                126 => "the program cannot run there: it may be made for another machine".into(),
                _ => format!("it ended with code {code}"),
            }),
            Ok(Some(Exit::Signal(signal))) => Ok(format!("it was ended by signal {signal}")),
            _ => Ok("it says nothing that makes sense".into()),
        }
    }

    /// Leaves the connection to a process of its own, which notices the end of either side.
    fn carried(&self, connection: Connection) -> Result<RemoteHost, ConnectError> {
        let Connection { client, port, hello } = connection;
        let failed = |error: miqm_sys::IoError| self.cannot_run(error.to_string());
        let (carrier, port) = Carrier::start(client, port, self.ways.silence).map_err(failed)?;
        Ok(RemoteHost::greeted(hello, port, self.ways.silence).carried_by(carrier))
    }
}

/// A word that any shell takes as it is.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// Runs what is installed there.
const INSTALLED: &str = "PATH=$PATH:/usr/local/bin:/opt/miqm/bin; \
    for p in amqmfsck miqm-fsck; do \
    command -v $p >/dev/null 2>&1 && exec $p --agent; done; exit 127";

/// Takes a program into a private directory on a file system where programs may run, and runs it. The
/// shell stays, to remove the directory.
const SENT: &str = "umask 077; d=; \
    for t in \"${TMPDIR:-/tmp}\" /var/tmp \"$HOME\" /dev/shm; do \
    d=$(mktemp -d \"$t/amqmfsck.XXXXXXXX\" 2>/dev/null) || { d=; continue; }; \
    trap 'rm -rf \"$d\"' EXIT; trap 'exit 129' HUP INT TERM PIPE; \
    echo 'exit 0' >\"$d/try\"; chmod 700 \"$d/try\"; \
    sh -c '\"$1\"' sh \"$d/try\" >/dev/null 2>&1 && break; \
    rm -rf \"$d\"; d=; done; \
    [ -n \"$d\" ] || exit 124; \
    echo; echo AMQMFSCK-SEND; \
    head -c BYTES >\"$d/amqmfsck\"; \
    [ $(($(wc -c <\"$d/amqmfsck\"))) -eq BYTES ] || exit 125; \
    chmod 700 \"$d/amqmfsck\"; \"$d/amqmfsck\" --agent";

#[cfg(test)]
mod tests;
