//! The journal of the host, in its native protocol: entries made of fields.
//!
//! * An entry is one datagram; one that is too large for that goes as a sealed file in memory.
//! * Nothing here waits for longer than [`WAIT`]: a journal that does not read is not waited for.
//! * The socket is looked up for each entry, so a journal that comes back is found again.

use std::os::fd::AsRawFd;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::socket::{ControlMessage, MsgFlags, UnixAddr, sendmsg};

use crate::error::{At, IoError, Op};

/// Where the journal listens.
pub const SOCKET: &str = "/run/systemd/journal/socket";

/// How long an entry waits for a journal that has too much to read already.
pub const WAIT: Duration = Duration::from_millis(100);

/// The longest name of a field, in bytes.
const NAME_BYTES_MAX: usize = 64;

/// One entry: fields in the order in which they were added.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry(Vec<u8>);

impl Entry {
    /// An entry without fields.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a field; the value can be any text. A name that the journal would not take (anything but
    /// upper-case letters, digits and underscores, or one of these two first, or more than 64 bytes)
    /// adds nothing.
    #[must_use]
    pub fn field(mut self, name: &str, value: &str) -> Self {
        if !is_name(name) {
            return self;
        }
        self.0.extend_from_slice(name.as_bytes());
        if value.contains('\n') {
            self.0.push(b'\n');
            self.0.extend_from_slice(&(value.len() as u64).to_le_bytes());
        } else {
            self.0.push(b'=');
        }
        self.0.extend_from_slice(value.as_bytes());
        self.0.push(b'\n');
        self
    }
}

fn is_name(name: &str) -> bool {
    name.len() <= NAME_BYTES_MAX
        && name.starts_with(|c: char| c.is_ascii_uppercase())
        && name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
}

/// A way to the journal.
#[derive(Debug)]
pub struct Journal {
    socket: UnixDatagram,
    path: PathBuf,
}

impl Journal {
    /// A way to the journal that listens on `path`, which is [`SOCKET`] but for tests.
    ///
    /// # Errors
    ///
    /// If nobody listens there.
    pub fn open(path: &Path) -> Result<Self, IoError> {
        let socket = UnixDatagram::unbound().at(Op::Connect, path)?;
        socket.set_write_timeout(Some(WAIT)).at(Op::Configure, path)?;
        let journal = Self { socket, path: path.to_owned() };
        // An entry without fields is none; but it is refused where nobody listens.
        journal.send(&Entry::new())?;
        Ok(journal)
    }

    /// Gives an entry to the journal.
    ///
    /// # Errors
    ///
    /// If nobody listens any more, or nobody reads for [`WAIT`].
    pub fn send(&self, entry: &Entry) -> Result<(), IoError> {
        match self.socket.send_to(&entry.0, &self.path) {
            Ok(_) => Ok(()),
            Err(error) => match error.raw_os_error().map(Errno::from_raw) {
                Some(Errno::EMSGSIZE | Errno::ENOBUFS) => {
                    self.send_in_memory(&entry.0).at(Op::Write, &self.path)
                }
                _ => Err(IoError::new(Op::Write, &self.path, error)),
            },
        }
    }

    /// The journal takes a file in memory that nobody can change any more.
    fn send_in_memory(&self, bytes: &[u8]) -> nix::Result<()> {
        let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
        let file = memfd_create("journal-entry", flags)?;
        let mut left = bytes;
        while !left.is_empty() {
            match nix::unistd::write(&file, left) {
                Ok(0) => return Err(Errno::EIO),
                Ok(written) => left = &left[written..],
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno),
            }
        }
        let seals = SealFlag::F_SEAL_SHRINK
            | SealFlag::F_SEAL_GROW
            | SealFlag::F_SEAL_WRITE
            | SealFlag::F_SEAL_SEAL;
        fcntl(&file, FcntlArg::F_ADD_SEALS(seals))?;
        let address = UnixAddr::new(&self.path)?;
        let files = [file.as_raw_fd()];
        let rights = [ControlMessage::ScmRights(&files)];
        let flags = MsgFlags::MSG_NOSIGNAL;
        sendmsg(self.socket.as_raw_fd(), &[], &rights, flags, Some(&address)).map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use std::io::{IoSliceMut, Read, Seek};
    use std::os::fd::{FromRawFd, OwnedFd};

    use nix::sys::socket::{ControlMessageOwned, recvmsg};

    use super::*;

    fn listener() -> (tempfile::TempDir, PathBuf, UnixDatagram) {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("socket");
        let listener = UnixDatagram::bind(&path).unwrap();
        listener.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        (root, path, listener)
    }

    fn received(listener: &UnixDatagram) -> Vec<u8> {
        let mut bytes = vec![0; 1 << 20];
        let len = listener.recv(&mut bytes).unwrap();
        bytes.truncate(len);
        bytes
    }

    #[test]
    fn an_entry_is_its_fields() {
        let (_root, path, listener) = listener();
        let journal = Journal::open(&path).unwrap();
        assert_eq!(received(&listener), b"", "the question whether somebody listens");
        let entry = Entry::new().field("MESSAGE", "a=b").field("MQ_WHY", "one\nPRIORITY=0\n");
        journal.send(&entry).unwrap();
        let expected = b"MESSAGE=a=b\nMQ_WHY\n\x0f\0\0\0\0\0\0\0one\nPRIORITY=0\n\n";
        assert_eq!(received(&listener), expected);
    }

    #[test]
    fn a_name_that_is_none_adds_nothing() {
        let long = "A".repeat(65);
        for name in ["", "_PID", "1A", "message", "A=B", "A\nB", "A.B", &long] {
            assert_eq!(Entry::new().field(name, "x"), Entry::new(), "{name}");
        }
        assert_ne!(Entry::new().field("MQ_1", ""), Entry::new());
    }

    #[test]
    fn a_large_entry_goes_as_a_sealed_file() {
        let (_root, path, listener) = listener();
        let journal = Journal::open(&path).unwrap();
        received(&listener);
        let text = "x".repeat(4 << 20);
        journal.send(&Entry::new().field("MESSAGE", &text)).unwrap();

        let mut space = nix::cmsg_space!([std::os::fd::RawFd; 1]);
        let mut buffer = [0; 16];
        let mut iov = [IoSliceMut::new(&mut buffer)];
        let fd = listener.as_raw_fd();
        let message =
            recvmsg::<UnixAddr>(fd, &mut iov, Some(&mut space), MsgFlags::empty()).unwrap();
        assert_eq!(message.bytes, 0);
        let rights = message.cmsgs().unwrap().next();
        let Some(ControlMessageOwned::ScmRights(files)) = rights else {
            panic!("no file: {rights:?}")
        };
        #[expect(unsafe_code, reason = "a descriptor out of a message is a number")]
        // SAFETY: the kernel has just made it for this process, and nobody else has its number.
        let file = unsafe { OwnedFd::from_raw_fd(files[0]) };
        let seals = SealFlag::from_bits_retain(fcntl(&file, FcntlArg::F_GET_SEALS).unwrap());
        assert!(seals.contains(SealFlag::F_SEAL_WRITE | SealFlag::F_SEAL_SEAL));
        let mut file = std::fs::File::from(file);
        file.rewind().unwrap();
        let mut whole = String::new();
        file.read_to_string(&mut whole).unwrap();
        assert_eq!(whole, format!("MESSAGE={text}\n"));
    }

    #[test]
    fn a_journal_that_does_not_read_is_not_waited_for() {
        let (_root, path, _listener) = listener();
        let journal = Journal::open(&path).unwrap();
        let entry = Entry::new().field("MESSAGE", &"x".repeat(1000));
        let begin = std::time::Instant::now();
        let mut sent = 0;
        while journal.send(&entry).is_ok() {
            sent += 1;
            assert!(sent < 100_000, "it takes everything");
        }
        let waited = begin.elapsed();
        assert!(waited >= WAIT / 2, "{waited:?}");
        assert!(waited < Duration::from_secs(20), "{waited:?} for {sent}");
    }

    #[test]
    fn a_journal_that_comes_back_is_found_again() {
        let (_root, path, listener) = listener();
        let journal = Journal::open(&path).unwrap();
        drop(listener);
        let entry = Entry::new().field("MESSAGE", "x");
        assert!(journal.send(&entry).is_err());
        std::fs::remove_file(&path).unwrap();
        assert!(Journal::open(&path).is_err());
        let again = UnixDatagram::bind(&path).unwrap();
        journal.send(&entry).unwrap();
        assert_eq!(received(&again), b"MESSAGE=x\n");
    }
}
