//! Messages over two descriptors: a socket, a program's pipes, or this program's own input and output.
//!
//! No wait is without a limit, also in the middle of a message, and a length is checked before it is
//! believed: who is at the other end may be stopped, slow, or no program of ours.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::clock::BootInstant;
use crate::error::{At, IoError, Op};

const NAME: &str = "the port";
/// A descriptor that can be written takes this many bytes without waiting, be it a pipe or a socket.
const PIECE_BYTES: usize = 4096;
/// The bytes of the length before each message.
const HEAD_BYTES: usize = 4;
/// The longest a single poll waits. A limit of days would not fit into the system's milliseconds.
const POLL_MAX: Duration = Duration::from_hours(1);

/// What came of waiting for a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Incoming {
    /// One.
    Message(Vec<u8>),
    /// None within the limit.
    Late,
    /// The other end has closed.
    End,
}

/// One end of a way on which messages go in both directions.
#[derive(Debug)]
pub struct Port {
    reader: File,
    writer: File,
    /// What came and was not taken yet.
    inbound: Vec<u8>,
    bytes_max: usize,
    ended: bool,
}

impl Port {
    /// A port over two descriptors that takes messages of at most `bytes_max` bytes. From now on a write
    /// to an end without a reader fails instead of ending the process.
    ///
    /// # Errors
    ///
    /// If that cannot be arranged.
    pub fn new(reader: OwnedFd, writer: OwnedFd, bytes_max: usize) -> Result<Self, IoError> {
        crate::signal::ignore_sigpipe()?;
        let (reader, writer) = (File::from(reader), File::from(writer));
        Ok(Self { reader, writer, inbound: Vec::new(), bytes_max, ended: false })
    }

    /// A port over a socket.
    ///
    /// # Errors
    ///
    /// If the socket cannot be doubled.
    pub fn of_stream(stream: UnixStream, bytes_max: usize) -> Result<Self, IoError> {
        let writer = stream.try_clone().at(Op::Configure, Path::new(NAME))?;
        Self::new(stream.into(), writer.into(), bytes_max)
    }

    /// Two ports that are the ends of one way.
    ///
    /// # Errors
    ///
    /// If there can be no more descriptors.
    pub fn pair(bytes_max: usize) -> Result<(Self, Self), IoError> {
        let (one, other) = UnixStream::pair().at(Op::Pipe, Path::new(NAME))?;
        Ok((Self::of_stream(one, bytes_max)?, Self::of_stream(other, bytes_max)?))
    }

    /// A port over the standard input and output. What else this process prints from now on goes to
    /// the standard error.
    ///
    /// # Errors
    ///
    /// If the descriptors are not open.
    pub fn of_standard(bytes_max: usize) -> Result<Self, IoError> {
        let name = Path::new("the standard input and output");
        let reader = io::stdin().as_fd().try_clone_to_owned().at(Op::Configure, name)?;
        let writer = io::stdout().as_fd().try_clone_to_owned().at(Op::Configure, name)?;
        nix::unistd::dup2_stdout(io::stderr().as_fd()).at(Op::Configure, name)?;
        Self::new(reader, writer, bytes_max)
    }

    /// Sends a message, waiting at most `limit` for room. What comes meanwhile is kept.
    ///
    /// # Errors
    ///
    /// If the other end is gone, or takes nothing for so long. The way is useless then, because part of
    /// the message may have gone.
    pub fn send(&mut self, message: &[u8], limit: Duration) -> Result<(), IoError> {
        let invalid = |_| io::Error::from(io::ErrorKind::InvalidInput);
        let len = u32::try_from(message.len()).map_err(invalid).at(Op::Write, Path::new(NAME))?;
        let mut frame = Vec::with_capacity(HEAD_BYTES + message.len());
        frame.extend_from_slice(&len.to_le_bytes());
        frame.extend_from_slice(message);
        self.send_raw(&frame, limit)
    }

    /// Whether there is so much room that a short message can be sent without waiting. Who is gone has
    /// room, too.
    ///
    /// # Errors
    ///
    /// If the system does not tell.
    pub fn has_room(&self) -> Result<bool, IoError> {
        self.poll_both(false, Duration::ZERO).map(|(_, writable)| writable)
    }

    /// Sends bytes that are no message.
    ///
    /// # Errors
    ///
    /// As [`Port::send`].
    pub fn send_raw(&mut self, bytes: &[u8], limit: Duration) -> Result<(), IoError> {
        let until = BootInstant::now().saturating_add(limit);
        let mut rest = bytes;
        while !rest.is_empty() {
            let may_read = !self.ended && self.inbound.len() <= self.bytes_max;
            let (readable, writable) = self.poll_both(may_read, until.left())?;
            if readable {
                self.fill()?;
            }
            if writable {
                let piece = &rest[..rest.len().min(PIECE_BYTES)];
                match self.writer.write(piece) {
                    Ok(n) => rest = &rest[n..],
                    Err(error) if is_nothing(&error) => {}
                    Err(error) => return Err(error).at(Op::Write, Path::new(NAME)),
                }
            } else if until.left().is_zero() {
                return Err(IoError::new(Op::Write, NAME, Errno::ETIMEDOUT));
            }
        }
        Ok(())
    }

    fn poll_both(&self, read: bool, limit: Duration) -> Result<(bool, bool), IoError> {
        let mut polled = vec![PollFd::new(self.writer.as_fd(), PollFlags::POLLOUT)];
        if read {
            polled.push(PollFd::new(self.reader.as_fd(), PollFlags::POLLIN));
        }
        wait(&mut polled, limit)?;
        let is = |at: usize| {
            let events = polled.get(at).and_then(PollFd::revents);
            events.is_some_and(|events| !events.is_empty())
        };
        Ok((is(1), is(0)))
    }

    /// The next message, waiting for it at most `limit`.
    ///
    /// # Errors
    ///
    /// If what comes is no message, or the other end goes in the middle of one.
    pub fn receive(&mut self, limit: Duration) -> Result<Incoming, IoError> {
        let until = BootInstant::now().saturating_add(limit);
        loop {
            if let Some(message) = self.take()? {
                return Ok(Incoming::Message(message));
            }
            if self.ended {
                return match self.inbound.len() {
                    0 => Ok(Incoming::End),
                    _ => Err(IoError::new(
                        Op::Read,
                        NAME,
                        io::Error::new(io::ErrorKind::UnexpectedEof, "a message breaks off"),
                    )),
                };
            }
            if !self.wait_readable(until.left())? {
                if until.left().is_zero() {
                    return Ok(Incoming::Late);
                }
                continue;
            }
            self.fill()?;
        }
    }

    /// Whether a message, or the end, can be had without waiting. A poll of the descriptor does not tell,
    /// because messages may have been read with one before.
    ///
    /// # Errors
    ///
    /// If what came is no message.
    pub fn has_message(&self) -> Result<bool, IoError> {
        Ok(self.ended
            || self.len_of_next()?.is_some_and(|len| self.inbound.len() - HEAD_BYTES >= len))
    }

    /// Skips what comes up to and with `mark`, at most `bytes` of it; `false` if the other end closes or
    /// `limit` passes before. What was skipped is lost.
    ///
    /// # Errors
    ///
    /// If it cannot be read, or there is more than `bytes` without the mark.
    pub fn skip_past(
        &mut self,
        mark: &[u8],
        bytes: usize,
        limit: Duration,
    ) -> Result<bool, IoError> {
        let until = BootInstant::now().saturating_add(limit);
        let mut skipped = 0;
        loop {
            if let Some(at) = find(&self.inbound, mark) {
                self.inbound.drain(..at + mark.len());
                return Ok(true);
            }
            let useless = self.inbound.len().saturating_sub(mark.len().saturating_sub(1));
            skipped += useless;
            self.inbound.drain(..useless);
            if skipped > bytes {
                let what =
                    io::Error::new(io::ErrorKind::InvalidData, "something else answers there");
                return Err(IoError::new(Op::Read, NAME, what));
            }
            if self.ended || (!self.wait_readable(until.left())? && until.left().is_zero()) {
                return Ok(false);
            }
            if self.wait_readable(Duration::ZERO)? {
                self.fill()?;
            }
        }
    }

    fn wait_readable(&self, limit: Duration) -> Result<bool, IoError> {
        let mut polled = [PollFd::new(self.reader.as_fd(), PollFlags::POLLIN)];
        wait(&mut polled, limit)?;
        Ok(polled[0].revents().is_some_and(|events| !events.is_empty()))
    }

    /// Reads once what is there; call it when something is.
    fn fill(&mut self) -> Result<(), IoError> {
        let mut piece = [0; 16 * 1024];
        match self.reader.read(&mut piece) {
            Ok(0) => self.ended = true,
            Ok(n) => self.inbound.extend_from_slice(&piece[..n]),
            Err(error) if is_nothing(&error) => {}
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => self.ended = true,
            Err(error) => return Err(error).at(Op::Read, Path::new(NAME)),
        }
        Ok(())
    }

    fn len_of_next(&self) -> Result<Option<usize>, IoError> {
        let Some(head) = self.inbound.first_chunk::<HEAD_BYTES>() else { return Ok(None) };
        let len = u32::from_le_bytes(*head) as usize;
        if len > self.bytes_max {
            let what = io::Error::new(io::ErrorKind::InvalidData, "what comes is no message");
            return Err(IoError::new(Op::Read, NAME, what));
        }
        Ok(Some(len))
    }

    fn take(&mut self) -> Result<Option<Vec<u8>>, IoError> {
        let Some(len) = self.len_of_next()? else { return Ok(None) };
        let Some(message) = self.inbound.get(HEAD_BYTES..HEAD_BYTES + len) else { return Ok(None) };
        let message = message.to_vec();
        self.inbound.drain(..HEAD_BYTES + len);
        Ok(Some(message))
    }
}

impl AsFd for Port {
    /// Readable when something comes; see [`Port::has_message`].
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.reader.as_fd()
    }
}

fn wait(polled: &mut [PollFd<'_>], limit: Duration) -> Result<(), IoError> {
    // Rounded up, so that what is left of a limit is not spent in polls of zero milliseconds.
    let up = Duration::from_nanos(if limit.is_zero() { 0 } else { 999_999 });
    let limit = limit.min(POLL_MAX).saturating_add(up);
    let limit = PollTimeout::try_from(limit).unwrap_or(PollTimeout::MAX);
    match poll(polled, limit) {
        Ok(_) | Err(Errno::EINTR) => Ok(()),
        Err(errno) => Err(IoError::new(Op::Wait, NAME, errno)),
    }
}

fn is_nothing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock)
}

fn find(bytes: &[u8], mark: &[u8]) -> Option<usize> {
    bytes.windows(mark.len().max(1)).position(|window| window == mark)
}

#[cfg(test)]
mod tests;
