//! The process that makes the calls.

mod burst;

pub use burst::{Makes, burst};

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use miqm_sys::clock::{self, BootInstant};
use miqm_sys::lock::{LockedFile, Range};
use miqm_sys::probe::{self, Dir};
use miqm_sys::worker::{receive, send};
use miqm_sys::{fs, proc, user};

use crate::call::{BYTES_MAX, Call, Reply, Value};
use crate::integrity::task::Task;

/// The longest message to an actor or from one, in bytes.
pub const MESSAGE_BYTES_MAX: usize = 1 << 20;

/// `EBADF`, as the system would say of a slot with nothing in it.
const NOT_OPEN: i32 = 9;
/// `EINVAL`.
const INVALID: i32 = 22;
/// `EOVERFLOW`: there are more names than an answer holds.
const TOO_MANY: i32 = 75;
/// `EIO`: what failed has no error number of its own.
const UNKNOWN: i32 = 5;

/// `EINTR`.
const INTERRUPTED: i32 = 4;
/// How often a call that was interrupted is made again. Programs of file systems in user space say so
/// of any call, and whoever uses files asks again.
const AGAIN: u32 = 10;

/// Whether to be interrupted is an answer: to a wait for a lock, and to what makes calls itself.
fn waits(call: &Call) -> bool {
    let many = matches!(call, Call::Burst(_) | Call::InChild { .. } | Call::AsUser { .. });
    many || matches!(call, Call::Lock { .. })
}

/// What an actor has open.
pub(crate) struct Body {
    path: PathBuf,
    /// Opened at the first call, because that may hang.
    dir: Option<Dir>,
    slots: Vec<Option<OwnedFd>>,
    held: Option<LockedFile>,
    /// The processes that it made and that were not ended yet. It ends no others, whoever asks.
    children: Vec<u32>,
    integrity: Task,
}

/// Serves calls on the directory at `path` until the other end closes; the code to end with.
pub fn serve(path: &Path, mut stream: impl std::io::Read + std::io::Write) -> u8 {
    // None of them affects what is answered, so their failure ends nothing.
    drop(miqm_sys::worker::let_go_of_terminal());
    let _ = probe::let_usr1_interrupt();
    // A key at the terminal tells all processes at once; it is the conductor that ends the others.
    drop(miqm_sys::signal::ignore_endings());
    proc::set_umask(0);
    let mut body = Body::new(path);
    loop {
        let message = match receive(&mut stream, MESSAGE_BYTES_MAX) {
            Ok(Some(message)) => message,
            Ok(None) => return 0,
            Err(_) => return 1,
        };
        let Ok(call) = serde_json::from_slice::<Call>(&message) else { return 1 };
        let reply = body.make(&call);
        let Ok(answer) = serde_json::to_vec(&reply) else { return 1 };
        if send(&mut stream, &answer).is_err() {
            return 1;
        }
    }
}

impl Makes for Body {
    fn make(&mut self, call: &Call) -> Reply {
        let began = BootInstant::now();
        let mut result = self.result_of(call);
        let mut again = AGAIN;
        while result == Err(INTERRUPTED) && again > 0 && !waits(call) {
            again -= 1;
            result = self.result_of(call);
        }
        Reply { result, seconds: began.elapsed().as_secs_f64() }
    }
}

impl Body {
    pub(crate) fn new(path: &Path) -> Self {
        let slots = (0..=burst::SCRATCH).map(|_| None).collect();
        Self {
            path: path.to_owned(),
            dir: None,
            slots,
            held: None,
            children: Vec::new(),
            integrity: Task::default(),
        }
    }

    fn dir(&mut self) -> Result<&Dir, i32> {
        if self.dir.is_none() {
            self.dir = Some(Dir::open(&self.path)?);
        }
        self.dir.as_ref().ok_or(NOT_OPEN)
    }

    fn fd(&self, slot: u8) -> Result<BorrowedFd<'_>, i32> {
        let fd = self.slots.get(usize::from(slot)).and_then(Option::as_ref);
        fd.map(AsFd::as_fd).ok_or(NOT_OPEN)
    }

    fn put(&mut self, slot: u8, fd: OwnedFd) -> Result<Value, i32> {
        *self.slots.get_mut(usize::from(slot)).ok_or(NOT_OPEN)? = Some(fd);
        Ok(Value::Done)
    }

    fn result_of(&mut self, call: &Call) -> Result<Value, i32> {
        match call {
            Call::Open { fd, name, how } => {
                if let Some(slot) = self.slots.get_mut(usize::from(*fd)) {
                    *slot = None;
                }
                let opened = self.dir()?.open_file(name, *how)?;
                self.put(*fd, opened)
            }
            Call::Close { fd } => {
                let slot = self.slots.get_mut(usize::from(*fd)).ok_or(NOT_OPEN)?;
                probe::close(slot.take().ok_or(NOT_OPEN)?).map(|()| Value::Done)
            }
            Call::Duplicate { fd, to } => {
                let copy = probe::duplicate(self.fd(*fd)?)?;
                self.put(*to, copy)
            }
            Call::Lock { fd, family, kind, range, wait } => {
                probe::lock(self.fd(*fd)?, *family, *kind, *range, *wait).map(|()| Value::Done)
            }
            Call::TestLock { fd, family, kind, range } => {
                probe::test_lock(self.fd(*fd)?, *family, *kind, *range).map(Value::Lock)
            }
            Call::Burst(many) => burst(self, many),
            Call::Integrity(step) => {
                Ok(Value::Integrity(Box::new(self.integrity.step(&self.path, step))))
            }
            Call::InChild { call } => self.in_child(None, call),
            Call::AsUser { uid, gid, groups, call } => {
                self.in_child(Some((*uid, *gid, groups.as_slice())), call)
            }
            Call::IdleChild => {
                let pid = probe::idle_child()?;
                self.children.push(pid);
                Ok(Value::Count(pid.into()))
            }
            Call::EndChild { pid } => {
                let at = self.children.iter().position(|child| child == pid).ok_or(INVALID)?;
                self.children.swap_remove(at);
                // It is gone if it cannot be killed.
                proc::kill(*pid, proc::Signal::SIGKILL).ok();
                probe::reap(*pid);
                Ok(Value::Done)
            }
            Call::Exit => probe::exit_at_once(0),
            Call::Hold { name } => self.hold(name),
            Call::Reassert => {
                let held = self.held.as_ref().ok_or(NOT_OPEN)?;
                held.reassert().map(Value::Yes).map_err(|error| error.errno().unwrap_or(UNKNOWN))
            }
            Call::LetGo => {
                self.held = None;
                Ok(Value::Done)
            }
            Call::Facts => {
                let path = self.path.clone();
                let facts = crate::facts::collect(&path, self.dir()?)?;
                Ok(Value::Facts(Box::new(facts)))
            }
            Call::Who => {
                let who = user::caller().map_err(|error| error.errno().unwrap_or(UNKNOWN))?;
                let (uid, gid) = (who.uid, who.gid);
                Ok(Value::Who { uid, gid, groups: who.groups, pid: proc::pid() })
            }
            Call::Clock => {
                let nanos = i128::from(clock::utc_now().0) * 1000;
                u64::try_from(nanos).map(Value::Count).map_err(|_| INVALID)
            }
            data => self.data(data),
        }
    }

    fn data(&mut self, call: &Call) -> Result<Value, i32> {
        let count = |n: usize| Value::Count(n as u64);
        match call {
            Call::Read { fd, at, bytes } => {
                if *bytes > BYTES_MAX {
                    return Err(INVALID);
                }
                let mut buffer = Aligned::zeros(*bytes as usize);
                let n = probe::read_at(self.fd(*fd)?, buffer.bytes(), *at)?;
                let found = buffer.bytes();
                Ok(Value::Bytes(found[..n.min(found.len())].to_vec()))
            }
            Call::Write { bytes, .. }
            | Call::Append { bytes, .. }
            | Call::WriteDurably { bytes, .. }
                if bytes.len() > bytes.most() =>
            {
                Err(INVALID)
            }
            Call::Write { fd, at, bytes } => {
                let mut buffer = Aligned::zeros(bytes.len());
                buffer.bytes().copy_from_slice(&bytes.to_vec());
                probe::write_at(self.fd(*fd)?, buffer.bytes(), *at).map(count)
            }
            Call::Append { fd, bytes } => probe::append(self.fd(*fd)?, &bytes.to_vec()).map(count),
            Call::WriteDurably { fd, at, bytes } => {
                probe::write_at_durably(self.fd(*fd)?, &bytes.to_vec(), *at).map(count)
            }
            Call::Fsync { fd } => probe::fsync(self.fd(*fd)?).map(|()| Value::Done),
            Call::Fdatasync { fd } => probe::fdatasync(self.fd(*fd)?).map(|()| Value::Done),
            Call::SetLength { fd, bytes } => {
                probe::set_length(self.fd(*fd)?, *bytes).map(|()| Value::Done)
            }
            Call::Allocate { fd, at, bytes } => {
                probe::allocate(self.fd(*fd)?, *at, *bytes).map(|()| Value::Done)
            }
            Call::StatFd { fd } => probe::attributes(self.fd(*fd)?).map(Value::Attributes),
            Call::SetMode { fd, mode } => {
                probe::set_mode(self.fd(*fd)?, *mode).map(|()| Value::Done)
            }
            Call::SetOwner { fd, uid, gid } => {
                probe::set_owner(self.fd(*fd)?, *uid, *gid).map(|()| Value::Done)
            }
            names => self.names(names),
        }
    }

    fn names(&mut self, call: &Call) -> Result<Value, i32> {
        let dir = self.dir()?;
        let done = |result: Result<(), i32>| result.map(|()| Value::Done);
        match call {
            Call::SyncDir { name } => done(dir.sync(name)),
            Call::Rename { from, to } => done(dir.rename(from, to)),
            Call::Link { from, to } => done(dir.link(from, to)),
            Call::Symlink { target, name } => done(dir.symlink(target, name)),
            Call::ReadLink { name } => dir.read_link(name).map(|target| Value::Names(vec![target])),
            Call::Unlink { name } => done(dir.unlink(name)),
            Call::MakeDir { name, mode } => done(dir.make_dir(name, *mode)),
            Call::RemoveDir { name } => done(dir.remove_dir(name)),
            Call::Stat { name } => dir.attributes(name).map(Value::Attributes),
            Call::List { name } => {
                let names = dir.list(name)?;
                // What does not fit into an answer is no directory of a test.
                let bytes: usize = names.iter().map(|name| name.len() + 8).sum();
                if bytes > MESSAGE_BYTES_MAX / 4 { Err(TOO_MANY) } else { Ok(Value::Names(names)) }
            }
            Call::StatFs => probe::file_system(dir.fd()).map(Value::FileSystem),
            _ => Err(INVALID),
        }
    }

    /// Makes a call in a forked child, as another user if one is given: its number, group, groups.
    fn in_child(&mut self, user: Option<(u32, u32, &[u32])>, call: &Call) -> Result<Value, i32> {
        let answer = probe::in_child(|| {
            let became = user.map_or(Ok(()), |(uid, gid, all)| probe::become_user(uid, gid, all));
            let reply = match became {
                Ok(()) => self.make(call),
                Err(errno) => Reply { result: Err(errno), seconds: 0.0 },
            };
            serde_json::to_vec(&reply).unwrap_or_default()
        })?;
        let reply = answer.and_then(|bytes| serde_json::from_slice::<Reply>(&bytes).ok());
        reply.ok_or(UNKNOWN)?.result
    }

    fn hold(&mut self, name: &str) -> Result<Value, i32> {
        let path = self.path.join(name);
        let errno = |error: miqm_sys::IoError| error.errno().unwrap_or(UNKNOWN);
        let file = fs::open_rw(&path).map_err(errno)?;
        let taken = LockedFile::try_lock(file, &path, Range::WHOLE).map_err(errno)?;
        self.held = taken.ok();
        Ok(Value::Yes(self.held.is_some()))
    }
}

/// Bytes whose address is one of a page's, which `O_DIRECT` needs.
struct Aligned {
    memory: Vec<u8>,
    start: usize,
    len: usize,
}

impl Aligned {
    fn zeros(len: usize) -> Self {
        let page = miqm_types::PAGE_BYTES as usize;
        let memory = vec![0; len + page];
        // Without an answer it is not aligned, and the call says so.
        let start = Some(memory.as_ptr().align_offset(page)).filter(|start| *start < page);
        Self { memory, start: start.unwrap_or_default(), len }
    }

    fn bytes(&mut self) -> &mut [u8] {
        &mut self.memory[self.start..self.start + self.len]
    }
}
