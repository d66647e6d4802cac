//! A start that a command waits for while the service manager does it.
//!
//! The command listens on the socket `start` in the runtime directory and lets the service manager start the
//! unit. The instance that the unit starts finds the socket, is told the options, says that it has taken them,
//! and tells the events of its start. All are lines of JSON:
//!
//! ```text
//! command  -> instance   {"version":1,"multi_instance":true,"remake_dirs":false,"services":true}
//! instance -> command    "taken"
//! instance -> command    a line for each StartEvent
//! ```
//!
//! A wish lives as long as the command that has it: nothing is left behind that could come true later. Who is
//! at the other end is what the kernel says, on both sides: an administrator of the queue manager.

use std::io::{Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::time::Duration;

use miqm_qmgr::runtime::RuntimeDir;
use miqm_sys::clock::BootInstant;
use miqm_sys::fs::Owner;
use miqm_sys::lock::LockedFile;
use miqm_sys::socket::{self, Listener, PeerCred, UnixStream};
use miqm_sys::{IoError, Op, user};
use serde::{Deserialize, Serialize};

use crate::report::{Report, StartEvent};

/// The version of what is said here.
const VERSION: u32 = 1;
/// The longest wish, in bytes.
const WISH_BYTES_MAX: usize = 4096;
/// The longest event, in bytes.
const EVENT_BYTES_MAX: usize = 64 * 1024;
/// How long an instance waits for a command that has its socket open and says nothing.
const WISH_PATIENCE: Duration = Duration::from_secs(2);
/// How long a command waits for an instance that has connected and does not take the wish.
const TAKE_PATIENCE: Duration = Duration::from_secs(5);
/// Mode of the socket.
const MODE: u32 = 0o660;
const TAKEN: &str = "taken";

/// How an instance is to be started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// Permit a standby, or become one (`-x`).
    pub multi_instance: bool,
    /// Make missing directories anew (`-f`).
    pub remake_dirs: bool,
    /// Start listeners and services (not `-ns`).
    pub services: bool,
}

#[derive(Serialize, Deserialize)]
struct Wish {
    version: u32,
    #[serde(flatten)]
    options: Options,
}

/// A command waits for this start, and cannot be understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the command that waits for the start is of another version")]
pub struct BadWish;

/// Takes the wish of the command that waits for this start, if one does; it hears the events through the
/// report. `owner` owns the installation.
///
/// # Errors
///
/// [`BadWish`]: to start with other options than those that are wanted would be worse than not to start.
pub fn take(runtime: &RuntimeDir, owner: Owner) -> Result<Option<(Options, Report)>, BadWish> {
    // Mostly nobody is there; and whoever left a socket behind has no wish any more.
    let Ok(mut stream) = socket::connect(&runtime.start_socket(), WISH_PATIENCE) else {
        return Ok(None);
    };
    if !socket::peer(&stream).is_ok_and(|peer| administers(&peer, owner)) {
        return Ok(None);
    }
    let Some(line) = line_of(&mut stream) else { return Ok(None) };
    let wish: Wish = serde_json::from_slice(&line).map_err(|_| BadWish)?;
    if wish.version != VERSION {
        return Err(BadWish);
    }
    if stream.write_all(format!("\"{TAKEN}\"\n").as_bytes()).is_err() {
        return Ok(None);
    }
    Ok(Some((wish.options, Report::through(stream.into()))))
}

/// What the other end says first; `None` if it does not come to the point.
fn line_of(stream: &mut UnixStream) -> Option<Vec<u8>> {
    let began = BootInstant::now();
    let mut line = Vec::new();
    // The patience is for the whole line: a byte now and then does not hold up a start.
    while began.elapsed() < WISH_PATIENCE && line.len() < WISH_BYTES_MAX {
        let mut chunk = [0; 512];
        let read = stream.read(&mut chunk).ok().filter(|read| *read > 0)?;
        line.extend_from_slice(&chunk[..read]);
        if let Some(end) = line.iter().position(|byte| *byte == b'\n') {
            line.truncate(end);
            return Some(line);
        }
    }
    None
}

/// Root, the owner of the installation, and the members of group `mqm`.
fn administers(peer: &PeerCred, owner: Owner) -> bool {
    let mqm = user::mqm_group().ok().flatten();
    peer.uid == 0 || peer.uid == owner.uid || mqm.is_some_and(|group| peer.in_group(group))
}

/// What a command hears while it waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Something happened.
    Event(StartEvent),
    /// The instance that took the wish says no more.
    Over,
    /// Nothing yet.
    Nothing,
}

/// A command that waits for an instance to be started.
#[derive(Debug)]
pub struct Waiting {
    listener: Listener,
    wish: Vec<u8>,
    owner: Owner,
    instance: Option<Instance>,
    /// One command at a time waits for a start.
    _lock: LockedFile,
}

/// An instance that has connected.
#[derive(Debug)]
struct Instance {
    stream: UnixStream,
    since: BootInstant,
    buffer: Vec<u8>,
    taken: bool,
}

impl Waiting {
    /// Waits for the instance of a queue manager that is started next. `maker` owns what is made. `None` if
    /// another command waits already.
    ///
    /// # Errors
    ///
    /// [`IoError`] if the socket or the lock file cannot be made.
    pub fn listen(
        runtime: &RuntimeDir,
        options: Options,
        owner: Owner,
        maker: Owner,
    ) -> Result<Option<Self>, IoError> {
        let Some(lock) = runtime.try_wait_for_start(maker)? else { return Ok(None) };
        let path = runtime.start_socket();
        let bad = |error| IoError::new(Op::Write, &path, std::io::Error::other(error));
        let mut wish = serde_json::to_vec(&Wish { version: VERSION, options }).map_err(bad)?;
        wish.push(b'\n');
        let listener =
            Listener::bind(runtime.path(), RuntimeDir::START_SOCKET.as_ref(), MODE, Some(maker))?;
        Ok(Some(Self { listener, wish, owner, instance: None, _lock: lock }))
    }

    /// Whether an instance has taken the wish: from here on what it says decides.
    pub fn is_taken(&self) -> bool {
        self.instance.as_ref().is_some_and(|instance| instance.taken)
    }

    /// Whether an instance has connected, which has perhaps not taken the wish yet.
    ///
    /// # Errors
    ///
    /// [`IoError`] if the system does not tell.
    pub fn is_connected(&mut self) -> Result<bool, IoError> {
        if self.instance.is_none()
            && let Some(stream) = self.listener.accept_timeout(Duration::ZERO)?
        {
            self.instance = self.welcome(stream);
        }
        Ok(self.instance.is_some())
    }

    /// What is heard next, for which `patience` is waited at most.
    ///
    /// # Errors
    ///
    /// [`IoError`] if the system cannot wait.
    pub fn hear(&mut self, patience: Duration) -> Result<Heard, IoError> {
        let Some(instance) = &mut self.instance else {
            if let Some(stream) = self.listener.accept_timeout(patience)? {
                self.instance = self.welcome(stream);
            }
            return Ok(Heard::Nothing);
        };
        let heard = instance.hear(patience)?;
        let undecided = !instance.taken && instance.since.elapsed() > TAKE_PATIENCE;
        match heard {
            Heard::Over if instance.taken => Ok(Heard::Over),
            Heard::Over => {
                self.instance = None;
                Ok(Heard::Nothing)
            }
            Heard::Nothing if undecided => {
                self.instance = None;
                Ok(Heard::Nothing)
            }
            heard => Ok(heard),
        }
    }

    /// Tells the wish to an instance; `None` if it is none, or has gone.
    fn welcome(&self, mut stream: UnixStream) -> Option<Instance> {
        let peer = socket::peer(&stream).ok()?;
        if !administers(&peer, self.owner) {
            return None;
        }
        stream.set_write_timeout(Some(WISH_PATIENCE)).ok()?;
        stream.write_all(&self.wish).ok()?;
        Some(Instance { stream, since: BootInstant::now(), buffer: Vec::new(), taken: false })
    }
}

impl Instance {
    fn hear(&mut self, patience: Duration) -> Result<Heard, IoError> {
        let until = BootInstant::now().saturating_add(patience);
        loop {
            while let Some(line) = self.next_line() {
                if self.taken {
                    // Of an instance of a later version, perhaps.
                    let Ok(event) = serde_json::from_slice(&line) else { continue };
                    return Ok(Heard::Event(event));
                }
                match serde_json::from_slice::<String>(&line) {
                    Ok(word) if word == TAKEN => self.taken = true,
                    _ => return Ok(Heard::Over),
                }
            }
            if !socket::wait_readable(self.stream.as_fd(), until.left())? {
                return Ok(Heard::Nothing);
            }
            let mut chunk = [0; 4096];
            match self.stream.read(&mut chunk) {
                Ok(0) => return Ok(Heard::Over),
                Ok(read) => self.buffer.extend_from_slice(&chunk[..read]),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(_) => return Ok(Heard::Over),
            }
            if self.buffer.len() > EVENT_BYTES_MAX {
                return Ok(Heard::Over);
            }
        }
    }

    fn next_line(&mut self) -> Option<Vec<u8>> {
        let end = self.buffer.iter().position(|byte| *byte == b'\n')?;
        let mut line: Vec<u8> = self.buffer.drain(..=end).collect();
        line.pop();
        Some(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(20);
    const OPTIONS: Options = Options { multi_instance: false, remake_dirs: true, services: false };

    fn owner() -> Owner {
        let caller = user::caller().unwrap();
        Owner { uid: caller.uid, gid: caller.gid }
    }

    fn site() -> (tempfile::TempDir, RuntimeDir) {
        let dir = tempfile::tempdir().unwrap();
        let runtime = RuntimeDir::open(dir.path(), &"QM1".parse().unwrap());
        runtime.prepare(owner()).unwrap();
        (dir, runtime)
    }

    fn listen(runtime: &RuntimeDir) -> Waiting {
        Waiting::listen(runtime, OPTIONS, owner(), owner()).unwrap().expect("nobody waits yet")
    }

    /// What is heard, until it is something.
    fn next(waiting: &mut Waiting) -> Heard {
        let began = BootInstant::now();
        loop {
            match waiting.hear(Duration::from_millis(20)).unwrap() {
                Heard::Nothing => assert!(began.elapsed() < SOON, "nothing is heard"),
                heard => return heard,
            }
        }
    }

    #[test]
    fn an_instance_takes_the_options_and_tells_what_happens() {
        let (_dir, runtime) = site();
        assert!(take(&runtime, owner()).unwrap().is_none(), "nobody waits");
        let mut waiting = listen(&runtime);
        let again = Waiting::listen(&runtime, OPTIONS, owner(), owner()).unwrap();
        assert!(again.is_none(), "one command at a time");
        let there = runtime.clone();
        let instance = std::thread::spawn(move || take(&there, owner()).unwrap().unwrap());
        let lines = vec!["AMQ1000E: x".repeat(2000)];
        let failed = StartEvent::Failed { exit: 16, lines };
        assert_eq!(waiting.hear(SOON).unwrap(), Heard::Nothing);
        assert_eq!(waiting.hear(Duration::from_millis(300)).unwrap(), Heard::Nothing);
        assert!(waiting.is_taken());
        let (options, report) = instance.join().unwrap();
        assert_eq!(options, OPTIONS);
        report.tell(&StartEvent::Replaying { percent: 7 });
        report.tell(&failed);
        report.finish();
        assert_eq!(next(&mut waiting), Heard::Event(StartEvent::Replaying { percent: 7 }));
        assert_eq!(next(&mut waiting), Heard::Event(failed));
        assert_eq!(next(&mut waiting), Heard::Over);
        drop(waiting);
        assert!(take(&runtime, owner()).unwrap().is_none(), "the wish has gone with the command");
    }

    #[test]
    fn a_wish_that_cannot_be_read_is_not_ignored_and_silence_is() {
        let (_dir, runtime) = site();
        let says = |text: &'static [u8]| {
            let name = RuntimeDir::START_SOCKET.as_ref();
            let listener = Listener::bind(runtime.path(), name, MODE, None).unwrap();
            let command = std::thread::spawn(move || {
                let mut stream = listener.accept_timeout(SOON).unwrap().unwrap();
                drop(stream.write_all(text));
                // Until the instance has given up.
                drop(stream.set_read_timeout(Some(SOON)));
                drop(stream.read(&mut [0; 64]));
            });
            let began = BootInstant::now();
            let taken = take(&runtime, owner()).map(|taken| taken.map(|(options, _)| options));
            assert!(began.elapsed() < SOON / 2);
            command.join().unwrap();
            taken
        };
        assert_eq!(says(b"{\"version\":2}\n"), Err(BadWish));
        assert_eq!(says(b"\xff\xfe\n"), Err(BadWish));
        assert_eq!(
            says(
                b"{\"version\":9,\"multi_instance\":true,\"remake_dirs\":true,\"services\":true}\n"
            ),
            Err(BadWish)
        );
        assert_eq!(says(&[b'x'; WISH_BYTES_MAX + 1]), Ok(None));
        assert_eq!(says(b"{\"version\":1"), Ok(None));
    }

    #[test]
    fn whoever_connects_and_does_not_take_the_wish_does_not_end_the_wait() {
        let (_dir, runtime) = site();
        let mut waiting = listen(&runtime);
        let long = &vec![b'x'; 70_000][..];
        for garbage in [&b""[..], b"\"no\"\n", b"{\"active\":{\"epoch\":7}}\n", long] {
            let mut stream = socket::connect(&runtime.start_socket(), SOON).unwrap();
            assert_eq!(waiting.hear(SOON).unwrap(), Heard::Nothing);
            // More than the buffers hold would wait for the reader.
            stream.set_nonblocking(true).unwrap();
            drop(stream.write_all(garbage));
            drop(stream);
            while waiting.instance.is_some() {
                assert_eq!(waiting.hear(SOON).unwrap(), Heard::Nothing);
            }
        }
        // The real one is heard after that; what it says and is not known is passed over.
        let there = runtime.clone();
        let instance = std::thread::spawn(move || {
            let mut stream = socket::connect(&there.start_socket(), SOON).unwrap();
            line_of(&mut stream).unwrap();
            let said = b"\"taken\"\n{\"later\":1}\n{\"active\":{\"epoch\":3}}\n";
            stream.write_all(said).unwrap();
        });
        assert_eq!(next(&mut waiting), Heard::Event(StartEvent::Active { epoch: 3 }));
        instance.join().unwrap();
    }
}
