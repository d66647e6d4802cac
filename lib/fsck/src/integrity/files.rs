//! The files of the test: whether they are ours, and how they are read and written.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use miqm_sys::probe::{self, Dir, How};

use super::job::Problem;
use super::layout::{Layout, Method};
use super::page::{self, Kind, PAGE, PAGE_BYTES, RunId, SECTOR, Sector, Stamp};
use super::record::Record;
use super::{DATA, LOG, MARK, MARK_NEW};

pub(super) const ENOENT: i32 = 2;
const EIO: i32 = 5;
const EBADF: i32 = 9;
const EINVAL: i32 = 22;
const EINTR: i32 = 4;
const ENOSPC: i32 = 28;
const EBADFD: i32 = 77;
const ESTALE: i32 = 116;
const EDQUOT: i32 = 122;
/// What is read at once.
pub(super) const CHUNK: usize = 1 << 20;

/// A call that failed, by the name of the call.
pub(super) fn refused(call: &str, file: &str, errno: i32) -> Problem {
    let (call, file) = (call.to_owned(), file.to_owned());
    match errno {
        ENOSPC | EDQUOT => Problem::Full { file },
        _ => Problem::Refused { call, file, errno },
    }
}

/// A call that failed on a file that was locked: what a storage says after it took the lock away is no
/// fault of a disk.
pub(super) fn refused_locked(call: &str, file: &str, errno: i32) -> Problem {
    match errno {
        EIO | EBADF | EBADFD | ESTALE => {
            Problem::LockLost { call: call.to_owned(), file: file.to_owned(), errno }
        }
        _ => refused(call, file, errno),
    }
}

/// Writes all of the bytes, in as many calls as it takes.
pub(super) fn write_all(fd: BorrowedFd<'_>, mut bytes: &[u8], mut at: u64) -> Result<(), i32> {
    while !bytes.is_empty() {
        let n = match probe::write_at(fd, bytes, at) {
            Ok(0) => return Err(EIO),
            Err(EINTR) => continue,
            written => written?.min(bytes.len()),
        };
        (bytes, at) = (&bytes[n..], at + n as u64);
    }
    Ok(())
}

/// Writes all of the bytes and makes them durable; the calls that are named in an error.
pub(super) fn write_durably(
    fd: BorrowedFd<'_>,
    bytes: &[u8],
    at: u64,
    method: Method,
) -> Result<(), (&'static str, i32)> {
    if method == Method::Rwf {
        let done = probe::write_at_durably(fd, bytes, at);
        return match done {
            Ok(n) if n >= bytes.len() => Ok(()),
            // The rest of a short write, so that all of it is durable.
            Ok(_) => {
                write_all(fd, bytes, at).map_err(|errno| ("pwrite", errno))?;
                probe::fdatasync(fd).map_err(|errno| ("fdatasync", errno))
            }
            Err(errno) => Err(("pwritev2(RWF_DSYNC)", errno)),
        };
    }
    write_all(fd, bytes, at).map_err(|errno| ("pwrite", errno))?;
    match method {
        Method::Fsync => probe::fsync(fd).map_err(|errno| ("fsync", errno)),
        Method::Fdatasync => probe::fdatasync(fd).map_err(|errno| ("fdatasync", errno)),
        // The descriptor has the flag, so the write was durable when it came back.
        Method::Rwf | Method::Odsync | Method::Osync => Ok(()),
    }
}

/// Reads a file from the beginning to the end, past the caches of this host if that can be.
#[derive(Debug)]
pub(super) struct Reader {
    name: String,
    fd: OwnedFd,
    direct: bool,
    bytes: Vec<u8>,
    /// Where in `bytes` a page of memory begins, as direct reads need it.
    start: usize,
}

impl Reader {
    pub(super) fn open(dir: &Dir, name: &str) -> Result<Self, i32> {
        let direct = dir.open_file(name, How { direct: true, ..How::RO });
        let (fd, direct) = match direct {
            Ok(fd) => (fd, true),
            Err(ENOENT) => return Err(ENOENT),
            Err(_) => (dir.open_file(name, How::RO)?, false),
        };
        let bytes = vec![0; CHUNK + PAGE];
        let start = bytes.as_ptr().align_offset(PAGE).min(PAGE);
        Ok(Self { name: name.to_owned(), fd, direct, bytes, start })
    }

    pub(super) fn direct(&self) -> bool {
        self.direct
    }

    /// The length of the file.
    pub(super) fn len(&self) -> Result<u64, i32> {
        Ok(probe::attributes(self.fd.as_fd())?.bytes)
    }

    /// The bytes from a position that is a multiple of a page on: at most a chunk, fewer at the end.
    pub(super) fn read(&mut self, dir: &Dir, at: u64, wanted: usize) -> Result<&[u8], i32> {
        let wanted = wanted.min(CHUNK);
        let mut have = 0;
        while have < wanted {
            let rest = &mut self.bytes[self.start + have..self.start + wanted];
            match probe::read_at(self.fd.as_fd(), rest, at + have as u64) {
                Ok(0) => break,
                Ok(n) => have += n.min(rest.len()),
                Err(EINTR) => {}
                // It can be opened to be read directly, and yet cannot; or a direct read was short.
                Err(EINVAL) if self.direct => {
                    self.fd = dir.open_file(&self.name, How::RO)?;
                    self.direct = false;
                }
                Err(errno) => return Err(errno),
            }
        }
        Ok(&self.bytes[self.start..self.start + have])
    }
}

/// What the header of the data file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) run: RunId,
    pub(super) layout: Layout,
    /// The pages that were asked for.
    pub(super) asked: u64,
    /// Whether every sector of it is as it was written.
    pub(super) whole: bool,
}

/// A header page.
pub(super) fn header_page(
    run: RunId,
    file: page::File,
    kind: Kind,
    pages: u64,
    asked: u64,
    host: &str,
) -> Vec<u8> {
    let time = miqm_sys::clock::utc_now().0;
    let stamp = Stamp::new(run, file, kind, 0);
    Stamp { sequence: asked, extra: pages, time, host: host.to_owned(), ..stamp }.page_bytes()
}

/// What is at the beginning of a file that may be ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum First {
    /// There is no such file.
    Absent,
    /// It has no bytes.
    Empty,
    /// Zeros and nothing else, as a crash leaves them.
    Zeros,
    /// Nothing of ours.
    Foreign,
    /// Ours, and no sector of its first page can be read.
    Damaged,
    /// What the first good sector says, and whether all do.
    Ours(Box<Stamp>, bool),
}

/// Looks at the beginning of a file.
pub(super) fn first(dir: &Dir, name: &str) -> Result<First, Problem> {
    let problem = |errno| refused("open", name, errno);
    match dir.attributes(name) {
        // A symbolic link, a directory or a FIFO is not ours, and is not opened.
        Ok(found) if found.mode & 0o170_000 != 0o100_000 => return Ok(First::Foreign),
        Ok(_) => {}
        Err(ENOENT) => return Ok(First::Absent),
        Err(errno) => return Err(refused("stat", name, errno)),
    }
    let mut reader = match Reader::open(dir, name) {
        Ok(reader) => reader,
        Err(ENOENT) => return Ok(First::Absent),
        Err(errno) => return Err(problem(errno)),
    };
    let bytes = reader.read(dir, 0, PAGE).map_err(|errno| refused("pread", name, errno))?;
    Ok(what_is_first(bytes))
}

fn what_is_first(bytes: &[u8]) -> First {
    if bytes.is_empty() {
        return First::Empty;
    }
    let sectors: Vec<_> = bytes.chunks(SECTOR).map(page::read_sector).collect();
    let good = sectors.iter().find_map(|sector| match sector {
        Sector::Good(stamp, _) => Some(stamp.clone()),
        _ => None,
    });
    match good {
        Some(stamp) => First::Ours(Box::new(stamp), page::read_whole(bytes).is_some()),
        None if sectors.contains(&Sector::Damaged) => First::Damaged,
        None if bytes.iter().all(|byte| *byte == 0) => First::Zeros,
        None => First::Foreign,
    }
}

/// The header of the data file, or of the log if that of the data file cannot be read.
pub(super) fn header(dir: &Dir) -> Result<Header, Problem> {
    let data = first(dir, DATA)?;
    let log = first(dir, LOG)?;
    let mut damaged = None;
    for (name, file, first) in [(DATA, page::File::Data, data), (LOG, page::File::Log, log)] {
        match first {
            First::Absent | First::Empty if damaged.is_none() => return Err(Problem::NotFormatted),
            First::Foreign if damaged.is_none() => {
                return Err(Problem::Foreign { file: name.to_owned() });
            }
            First::Ours(stamp, whole) => {
                if stamp.kind == Kind::Begun {
                    return Err(Problem::NotFormatted);
                }
                let layout = Layout::of(stamp.extra);
                let is_header = stamp.kind == Kind::Header && stamp.file == file;
                if let (Some(layout), true) = (layout, is_header) {
                    let whole = whole && damaged.is_none();
                    return Ok(Header { run: stamp.run, layout, asked: stamp.sequence, whole });
                }
                damaged = Some(name);
            }
            _ => damaged = damaged.or(Some(name)),
        }
    }
    Err(Problem::Damaged { file: damaged.unwrap_or(DATA).to_owned() })
}

/// Whether a file of one of our names was made by this program, so that it may be removed; `None` if there
/// is none. A file without bytes has nothing to lose.
pub(super) fn is_ours(dir: &Dir, name: &str) -> Result<Option<bool>, Problem> {
    Ok(match first(dir, name)? {
        First::Absent => None,
        First::Empty | First::Damaged | First::Ours(..) => Some(true),
        // A marker that a crash left as zeros has nothing to lose either.
        First::Zeros => Some(name.starts_with(MARK_NEW)),
        First::Foreign => Some(false),
    })
}

/// Removes a file if it is ours; whether there was one.
pub(super) fn remove_one(dir: &Dir, name: &str) -> Result<bool, Problem> {
    match is_ours(dir, name)? {
        None => Ok(false),
        Some(false) => Err(Problem::Foreign { file: name.to_owned() }),
        Some(true) => match dir.unlink(name) {
            Ok(()) => Ok(true),
            Err(ENOENT) => Ok(false),
            Err(errno) => Err(refused("unlink", name, errno)),
        },
    }
}

/// Removes the marker files; their names.
pub(super) fn remove_markers(dir: &Dir) -> Result<Vec<String>, Problem> {
    let mut names = dir.list(".").map_err(|errno| refused("getdents", ".", errno))?;
    names.retain(|name| name.starts_with(MARK) || name.starts_with(MARK_NEW));
    names.sort();
    let mut removed = Vec::new();
    for name in names {
        if remove_one(dir, &name)? {
            removed.push(name);
        }
    }
    Ok(removed)
}

/// Removes the files of the test; their names. The data file is the last, so that what is left by an
/// interruption is still known to be ours.
pub(super) fn remove(dir: &Dir) -> Result<Vec<String>, Problem> {
    let mut removed = remove_markers(dir)?;
    let sides = Method::ALL.into_iter().map(Method::file);
    for name in sides.chain([LOG, DATA]) {
        if remove_one(dir, name)? {
            removed.push(name.to_owned());
        }
    }
    Ok(removed)
}

/// The host that took the lock last, as far as the log tells; empty if it does not.
pub(super) fn last_holder(dir: &Dir, run: &RunId) -> String {
    let Ok(mut reader) = Reader::open(dir, LOG) else { return String::new() };
    let Ok(len) = reader.len() else { return String::new() };
    // The end of the log has the holder's name in every record.
    let from = len.saturating_sub(PAGE_BYTES) / PAGE_BYTES * PAGE_BYTES;
    let Ok(bytes) = reader.read(dir, from.max(PAGE_BYTES), 2 * PAGE) else { return String::new() };
    let records = bytes.chunks_exact(super::record::RECORD);
    let last = records.filter_map(|bytes| Record::read(bytes, run)).next_back();
    last.map(|record| record.host).unwrap_or_default()
}
