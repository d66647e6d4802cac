//! What actors are asked, and what they answer.

use std::fmt;

use miqm_sys::lock::Range;
use miqm_sys::probe::{Attributes, Family, FileSystem, Held, How, Kind};
use serde::{Deserialize, Serialize};

use crate::stamp::{self, Content, Difference};

/// The most bytes that one call carries or brings back.
pub const BYTES_MAX: u32 = 64 * 1024;
/// The most bytes that one call writes if they are made where it is made.
pub const WRITE_MAX: u32 = 1 << 20;
/// An actor has descriptors of these numbers: 0 to `SLOTS - 1`.
pub const SLOTS: u8 = 64;

/// Bytes to write.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Bytes {
    /// A text.
    Text(String),
    /// One byte, so many times.
    Fill(u8, u32),
    /// So many bytes that look random and are the same for the same seed; see [`seeded`].
    Seeded(u64, u32),
    /// Stamps of a position of a file; see [`crate::stamp`].
    Stamps {
        /// Which file and generation: 1 to 65535.
        tag: u32,
        /// The position in the file.
        at: u64,
        /// How many bytes.
        len: u32,
    },
    /// These.
    Raw(Vec<u8>),
}

impl Bytes {
    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Fill(_, len) | Self::Seeded(_, len) | Self::Stamps { len, .. } => *len as usize,
            Self::Raw(bytes) => bytes.len(),
        }
    }

    /// The most that one call may write: more if they are not carried to it.
    pub fn most(&self) -> usize {
        match self {
            Self::Text(_) | Self::Raw(_) => BYTES_MAX as usize,
            Self::Fill(..) | Self::Seeded(..) | Self::Stamps { .. } => WRITE_MAX as usize,
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes themselves.
    pub fn to_vec(&self) -> Vec<u8> {
        match self {
            Self::Text(text) => text.as_bytes().to_vec(),
            Self::Fill(byte, len) => vec![*byte; *len as usize],
            Self::Seeded(seed, len) => seeded(*seed, *len as usize),
            Self::Stamps { tag, at, len } => {
                stamp::content(Content::Stamps(*tag), *at, *len as usize)
            }
            Self::Raw(bytes) => bytes.clone(),
        }
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) if text.len() <= 32 => write!(f, "{text:?}"),
            _ => write!(f, "{} bytes", self.len()),
        }
    }
}

/// Bytes that look random and are the same for the same seed. No two positions of eight bytes agree
/// by design, so bytes that land in the wrong place are noticed.
pub fn seeded(seed: u64, len: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(len + 8);
    let mut state = seed ^ 0x9e37_79b9_7f4a_7c15;
    while bytes.len() < len {
        // splitmix64
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = state;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bytes.extend_from_slice(&(word ^ (word >> 31)).to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

/// One thing that an actor does. Names are relative to the tested directory; `fd` is a slot of the
/// actor, below [`SLOTS`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the fields are the arguments of the system calls")]
pub enum Call {
    /// `openat(2)` into a slot; what was open there is closed before.
    Open { fd: u8, name: String, how: How },
    /// `close(2)`.
    Close { fd: u8 },
    /// `dup(2)` into another slot.
    Duplicate { fd: u8, to: u8 },
    /// Takes, changes or gives back a lock. A waiting one is ended by [`crate::Actor::interrupt`].
    Lock { fd: u8, family: Family, kind: Kind, range: Range, wait: bool },
    /// `F_GETLK`: answers [`Value::Lock`].
    TestLock { fd: u8, family: Family, kind: Kind, range: Range },
    /// One `pread(2)`: answers [`Value::Bytes`].
    Read { fd: u8, at: u64, bytes: u32 },
    /// One `pwrite(2)`: answers [`Value::Count`].
    Write { fd: u8, at: u64, bytes: Bytes },
    /// One `write(2)` at the descriptor's position: answers [`Value::Count`].
    Append { fd: u8, bytes: Bytes },
    /// One `pwritev2(2)` with `RWF_DSYNC`: answers [`Value::Count`].
    WriteDurably { fd: u8, at: u64, bytes: Bytes },
    /// `fsync(2)`.
    Fsync { fd: u8 },
    /// `fdatasync(2)`.
    Fdatasync { fd: u8 },
    /// `fsync(2)` of a directory.
    SyncDir { name: String },
    /// `ftruncate(2)`.
    SetLength { fd: u8, bytes: u64 },
    /// `fallocate(2)`.
    Allocate { fd: u8, at: u64, bytes: u64 },
    /// `renameat(2)`.
    Rename { from: String, to: String },
    /// `linkat(2)`.
    Link { from: String, to: String },
    /// `symlinkat(2)`.
    Symlink { target: String, name: String },
    /// `readlinkat(2)`: answers [`Value::Names`] with one name.
    ReadLink { name: String },
    /// `unlinkat(2)`.
    Unlink { name: String },
    /// `mkdirat(2)`.
    MakeDir { name: String, mode: u32 },
    /// `unlinkat(2)` of a directory.
    RemoveDir { name: String },
    /// `fstatat(2)`: answers [`Value::Attributes`].
    Stat { name: String },
    /// `fstat(2)`: answers [`Value::Attributes`].
    StatFd { fd: u8 },
    /// The names in a directory: answers [`Value::Names`].
    List { name: String },
    /// `fchmod(2)`.
    SetMode { fd: u8, mode: u32 },
    /// `fchown(2)`.
    SetOwner { fd: u8, uid: u32, gid: u32 },
    /// `fstatfs(2)` of the tested directory: answers [`Value::FileSystem`].
    StatFs,
    /// What is known of the host and of what is mounted on the tested directory: answers
    /// [`Value::Facts`].
    Facts,
    /// Who the actor is: answers [`Value::Who`].
    Who,
    /// The actor's wall clock: answers [`Value::Count`], nanoseconds since 1970 UTC.
    Clock,
    /// Makes the call in a forked child, which shares the open files and then ends; its answer.
    InChild { call: Box<Call> },
    /// The same, after the child has become another user with these groups only; `EPERM` unless the
    /// actor is the superuser's.
    AsUser { uid: u32, gid: u32, groups: Vec<u32>, call: Box<Call> },
    /// Forks a child that shares the open files and sleeps: answers [`Value::Count`], its number.
    IdleChild,
    /// Kills such a child and waits for its end.
    EndChild { pid: u32 },
    /// Ends the actor at once without closing anything itself. There is no answer.
    Exit,
    /// Takes an exclusive lock of the whole file by the code of the instances, and keeps it in a slot
    /// of its own until [`Call::LetGo`]: answers [`Value::Yes`].
    Hold { name: String },
    /// Asserts that lock anew, by the code of the instances: answers [`Value::Yes`].
    Reassert,
    /// Lets it go.
    LetGo,
    /// Many operations at once.
    Burst(Burst),
    /// A step of the integrity test: answers [`Value::Integrity`].
    Integrity(Box<crate::integrity::Step>),
}

impl Call {
    /// Tells every name that it may make.
    pub fn makes(&self, tell: &mut dyn FnMut(&str)) {
        match self {
            Self::Open { name, how, .. } if how.create => tell(name),
            Self::Rename { to, .. } | Self::Link { to, .. } => tell(to),
            Self::Symlink { name, .. } | Self::MakeDir { name, .. } => tell(name),
            Self::InChild { call } => call.makes(tell),
            Self::Burst(burst) => burst.makes(tell),
            _ => {}
        }
    }
}

impl Burst {
    fn makes(&self, tell: &mut dyn FnMut(&str)) {
        match self {
            Self::Repeat { call, .. } | Self::Until { call, .. } => call.makes(tell),
            Self::All { calls } | Self::Chain { calls } => {
                for call in calls {
                    call.makes(tell);
                }
            }
            Self::Each { steps } => {
                for (call, _) in steps {
                    call.makes(tell);
                }
            }
            Self::Count { guard, .. } => tell(guard),
            Self::Exclusive { prefix, files } => {
                for number in 0..*files {
                    tell(&format!("{prefix}{number}"));
                }
            }
            Self::Watch { .. }
            | Self::Pour { .. }
            | Self::Compare { .. }
            | Self::Records { .. } => {}
        }
    }
}

/// Work of many operations that an actor does by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the variants' texts say what the fields are")]
pub enum Burst {
    /// Makes `call` `times` times, at least `every_ms` apart from beginning to beginning, as long as it
    /// succeeds: answers [`Value::Samples`], the seconds of each.
    Repeat { call: Box<Call>, times: u32, every_ms: u32 },
    /// Makes `call` again every `every_ms`, and then ever more seldom, a fiftieth of the time that has
    /// passed apart, until it gives what is wanted, at most `limit_ms`: answers [`Value::Waited`]. The
    /// last answer decides.
    Until { call: Box<Call>, want: Want, every_ms: u32, limit_ms: u32 },
    /// Makes the calls one after the other, whatever they give: answers [`Value::Replies`].
    All { calls: Vec<Call> },
    /// Makes the calls one after the other until one fails: answers what the last brought.
    Chain { calls: Vec<Call> },
    /// Makes the calls one after the other until one does not give what is wanted: answers
    /// [`Value::Replies`], and the last is that one's.
    Each { steps: Vec<(Call, Want)> },
    /// In turns: takes the exclusive lock of bytes 0 to 7, reads the number there, checks that no file
    /// `guard` exists by making it with `O_EXCL`, writes the number plus one, removes `guard`, gives
    /// the lock back: answers [`Value::Counted`].
    Count { fd: u8, family: Family, guard: String, turns: Turns },
    /// Makes files `prefix0` to `prefixN` with `O_CREAT|O_EXCL`: answers [`Value::Won`], those it made.
    Exclusive { prefix: String, files: u32 },
    /// Opens and reads `name` again and again for `for_ms`, and compares all of it with each of the
    /// texts: answers [`Value::Watched`].
    Watch { name: String, texts: Vec<Bytes>, for_ms: u32 },
    /// Writes stamps from `at` on, at most `chunk` bytes by one call, and goes on after a short one:
    /// answers [`Value::Poured`].
    Pour { fd: u8, tag: u32, at: u64, bytes: u64, chunk: u32 },
    /// Reads from `at` on, at most `chunk` bytes by one call, and compares: answers
    /// [`Value::Compared`].
    Compare { fd: u8, content: Content, at: u64, bytes: u64, chunk: u32 },
    /// In turns: takes the exclusive lock of the whole file, writes stamps of so many bytes at the end
    /// of the file by one call, gives the lock back: answers [`Value::Recorded`].
    Records { fd: u8, family: Family, tag: u32, bytes: u32, turns: Turns },
}

/// How often a lock is taken in [`Burst::Count`] and [`Burst::Records`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turns {
    /// So many times.
    pub most: u32,
    /// Fewer where a lock changes hands slowly: none begins after so many milliseconds; but two
    /// are had in any case.
    pub for_ms: u32,
    /// The lock is asked for every millisecond, for so many milliseconds.
    pub limit_ms: u32,
}

/// What [`Burst::Until`] waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Want {
    /// That it succeeds.
    Done,
    /// That it is refused with this error number.
    Errno(i32),
    /// That it brings these bytes.
    Bytes(Bytes),
    /// Attributes with this length.
    Length(u64),
    /// Attributes with these permission bits.
    Permissions(u32),
    /// Attributes with this number of names.
    Links(u64),
    /// So many bytes, compared, and the same.
    Same(u64),
    /// A list with this name in it.
    Name(String),
    /// A list without this name in it.
    NoName(String),
    /// `F_GETLK` says that nobody holds a lock.
    Free,
    /// That it is refused because of somebody else's lock: `EAGAIN` or `EACCES`.
    Conflict,
    /// That it answers [`Value::Yes`] with this.
    Yes(bool),
}

/// `EAGAIN`, `EACCES`: somebody else holds the lock.
pub(crate) const CONFLICT: [i32; 2] = [11, 13];

impl Want {
    /// Whether an answer is what is wanted. Of several answers the last decides, so that a file can
    /// be opened anew each time; the end of a wait says itself whether what it waited for came.
    pub fn is_met_by(&self, reply: &Reply) -> bool {
        match (&reply.result, self) {
            (Ok(Value::Waited { came, .. }), _) => *came,
            (Ok(Value::Replies(replies)), want) => {
                replies.last().is_some_and(|last| want.is_met_by(last))
            }
            (Ok(Value::Compared { bytes, differs, errno }), Self::Same(wanted)) => {
                bytes == wanted && differs.is_none() && errno.is_none()
            }
            (Ok(_), Self::Done) | (Ok(Value::Lock(None)), Self::Free) => true,
            (Err(errno), Self::Errno(wanted)) => errno == wanted,
            (Err(errno), Self::Conflict) => CONFLICT.contains(errno),
            (Ok(Value::Yes(yes)), Self::Yes(wanted)) => yes == wanted,
            (Ok(Value::Bytes(bytes)), Self::Bytes(wanted)) => *bytes == wanted.to_vec(),
            (Ok(Value::Attributes(found)), Self::Length(bytes)) => found.bytes == *bytes,
            (Ok(Value::Attributes(found)), Self::Permissions(mode)) => found.permissions() == *mode,
            (Ok(Value::Attributes(found)), Self::Links(links)) => found.links == *links,
            (Ok(Value::Names(names)), Self::Name(name)) => names.contains(name),
            (Ok(Value::Names(names)), Self::NoName(name)) => !names.contains(name),
            _ => false,
        }
    }
}

/// What a successful call brings back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Value {
    /// Nothing.
    Done,
    /// Yes or no.
    Yes(bool),
    /// A number.
    Count(u64),
    /// Bytes.
    Bytes(Vec<u8>),
    /// What `stat(2)` says.
    Attributes(Attributes),
    /// Names.
    Names(Vec<String>),
    /// The lock in the way, if there is one.
    Lock(Option<Held>),
    /// What `statfs(2)` says.
    FileSystem(FileSystem),
    /// What is known of the host; its name, directory and version as the actor knows them.
    Facts(Box<crate::report::HostFacts>),
    /// User, group, groups and process number.
    Who {
        /// The effective user.
        uid: u32,
        /// The effective group.
        gid: u32,
        /// All groups.
        groups: Vec<u32>,
        /// The process.
        pid: u32,
    },
    /// Seconds, one value for each time, until the first that failed.
    Samples {
        /// The seconds of each.
        seconds: Vec<f64>,
        /// The error number that ended it early.
        errno: Option<i32>,
    },
    /// The end of a wait.
    Waited {
        /// Whether what was wanted came.
        came: bool,
        /// How long it took, or was waited.
        seconds: f64,
        /// The last answer.
        last: Box<Reply>,
    },
    /// The answers to several calls.
    Replies(Vec<Reply>),
    /// The end of [`Burst::Count`].
    Counted {
        /// Rounds done.
        rounds: u32,
        /// How often somebody else was inside the lock at the same time.
        intruders: u32,
        /// How often the number was smaller than one's own last one.
        backwards: u32,
        /// How long each lock took to get, in seconds.
        seconds: Vec<f64>,
        /// From when to when each lock was held, in nanoseconds of the host's clock that runs since
        /// it was booted: after the lock was granted, and before it was given back.
        #[serde(default)]
        held: Vec<(u64, u64)>,
    },
    /// The files that were made.
    Won(Vec<u32>),
    /// How far the integrity test is.
    Integrity(Box<crate::integrity::Progress>),
    /// The end of [`Burst::Watch`].
    Watched {
        /// How often each text was seen.
        seen: Vec<u32>,
        /// How often the name was missing.
        missing: u32,
        /// How often something else was there: a part, or a mixture.
        other: u32,
        /// The error number of the last failure other than that the name was missing.
        errno: Option<i32>,
    },
    /// The end of [`Burst::Pour`].
    Poured {
        /// Bytes that the calls said they wrote.
        bytes: u64,
        /// Calls that wrote fewer bytes than they were given.
        short: u32,
        /// A call said that it wrote so many, which is more than it was given. That ended it.
        over: Option<u64>,
        /// The error number that ended it early.
        errno: Option<i32>,
    },
    /// The end of [`Burst::Compare`].
    Compared {
        /// Bytes that could be read.
        bytes: u64,
        /// The first difference, and the number of bytes of all.
        differs: Option<Difference>,
        /// The error number that ended it early.
        errno: Option<i32>,
    },
    /// The end of [`Burst::Records`].
    Recorded {
        /// Where each was written.
        places: Vec<u64>,
        /// How long each lock took to get, in seconds.
        seconds: Vec<f64>,
    },
}

/// The answer to a call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reply {
    /// What it brought, or the error number.
    pub result: Result<Value, i32>,
    /// How long the call took, by the actor's clock.
    pub seconds: f64,
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let span = |range: &Range| match range.len {
            0 => format!("{}..end", range.start),
            len => format!("{}..{}", range.start, range.start.saturating_add(len)),
        };
        match self {
            Self::Open { name, how, .. } => write!(f, "open({name}, {how})"),
            Self::Close { fd } => write!(f, "close({fd})"),
            Self::Duplicate { fd, to } => write!(f, "dup({fd}, {to})"),
            Self::Lock { fd, family, kind, range, wait } => {
                let (call, lock) = match (family, wait) {
                    (Family::Flock, _) => {
                        let how = match kind {
                            Kind::Read => "LOCK_SH",
                            Kind::Write => "LOCK_EX",
                            Kind::Unlock => "LOCK_UN",
                        };
                        return write!(
                            f,
                            "flock({fd}, {how}{})",
                            if *wait { "" } else { "|LOCK_NB" }
                        );
                    }
                    (Family::Posix, false) => ("F_SETLK", kind_name(*kind)),
                    (Family::Posix, true) => ("F_SETLKW", kind_name(*kind)),
                    (Family::Ofd, false) => ("F_OFD_SETLK", kind_name(*kind)),
                    (Family::Ofd, true) => ("F_OFD_SETLKW", kind_name(*kind)),
                };
                write!(f, "fcntl({fd}, {call}, {lock}, {})", span(range))
            }
            Self::TestLock { fd, family, kind, range } => {
                let call = if *family == Family::Ofd { "F_OFD_GETLK" } else { "F_GETLK" };
                write!(f, "fcntl({fd}, {call}, {}, {})", kind_name(*kind), span(range))
            }
            Self::Read { fd, at, bytes } => write!(f, "pread({fd}, {bytes} bytes, {at})"),
            Self::Write { fd, at, bytes } => write!(f, "pwrite({fd}, {bytes}, {at})"),
            Self::Append { fd, bytes } => write!(f, "write({fd}, {bytes})"),
            Self::WriteDurably { fd, at, bytes } => {
                write!(f, "pwritev2({fd}, {bytes}, {at}, RWF_DSYNC)")
            }
            Self::Fsync { fd } => write!(f, "fsync({fd})"),
            Self::Fdatasync { fd } => write!(f, "fdatasync({fd})"),
            Self::SyncDir { name } => write!(f, "fsync({name})"),
            Self::SetLength { fd, bytes } => write!(f, "ftruncate({fd}, {bytes})"),
            Self::Allocate { fd, at, bytes } => write!(f, "fallocate({fd}, {at}, {bytes})"),
            Self::Rename { from, to } => write!(f, "rename({from}, {to})"),
            Self::Link { from, to } => write!(f, "link({from}, {to})"),
            Self::Symlink { target, name } => write!(f, "symlink({target}, {name})"),
            Self::ReadLink { name } => write!(f, "readlink({name})"),
            Self::Unlink { name } => write!(f, "unlink({name})"),
            Self::MakeDir { name, mode } => write!(f, "mkdir({name}, {mode:04o})"),
            Self::RemoveDir { name } => write!(f, "rmdir({name})"),
            Self::Stat { name } => write!(f, "stat({name})"),
            Self::StatFd { fd } => write!(f, "fstat({fd})"),
            Self::List { name } => write!(f, "getdents({name})"),
            Self::SetMode { fd, mode } => write!(f, "fchmod({fd}, {mode:04o})"),
            Self::SetOwner { fd, uid, gid } => write!(f, "fchown({fd}, {uid}, {gid})"),
            Self::StatFs => f.write_str("fstatfs"),
            Self::Facts => f.write_str("open and fstatfs of the directory"),
            Self::Who => f.write_str("geteuid"),
            Self::Clock => f.write_str("clock_gettime(CLOCK_REALTIME)"),
            Self::InChild { call } => write!(f, "in a forked child: {call}"),
            Self::AsUser { uid, call, .. } => write!(f, "as user {uid}: {call}"),
            Self::IdleChild => f.write_str("fork"),
            Self::EndChild { pid } => write!(f, "kill({pid}, SIGKILL)"),
            Self::Exit => f.write_str("_exit"),
            Self::Hold { name } => write!(f, "lock {name} as an instance does"),
            Self::Reassert => f.write_str("assert the lock anew as an instance does"),
            Self::LetGo => f.write_str("let the lock go as an instance does"),
            Self::Burst(burst) => burst.fmt(f),
            Self::Integrity(step) => f.write_str(step.words()),
        }
    }
}

impl fmt::Display for Burst {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Repeat { call, times, .. } => write!(f, "{times} times {call}"),
            Self::Until { call, every_ms, .. } => write!(f, "every {every_ms} ms {call}"),
            Self::All { calls } | Self::Chain { calls } => write!(f, "{} calls", calls.len()),
            Self::Each { steps } => write!(f, "{} calls", steps.len()),
            Self::Count { turns, .. } => {
                write!(f, "{} times lock, read, write, unlock", turns.most)
            }
            Self::Exclusive { prefix, files } => {
                write!(f, "open({prefix}0..{files}, O_CREAT|O_EXCL)")
            }
            Self::Watch { name, for_ms, .. } => write!(f, "for {for_ms} ms open and read {name}"),
            Self::Pour { fd, at, bytes, chunk, .. } => {
                write!(f, "pwrite({fd}, {bytes} bytes, {at}) by {chunk}")
            }
            Self::Compare { fd, at, bytes, chunk, .. } => {
                write!(f, "pread({fd}, {bytes} bytes, {at}) by {chunk}")
            }
            Self::Records { turns, bytes, .. } => {
                write!(f, "{} times lock, append {bytes} bytes, unlock", turns.most)
            }
        }
    }
}

fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Read => "F_RDLCK",
        Kind::Write => "F_WRLCK",
        Kind::Unlock => "F_UNLCK",
    }
}
