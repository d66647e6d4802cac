//! A command's end of the control socket.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use miqm_format::frame::{Decoder, FrameTooLong, encode};
use miqm_sys::IoError;
use miqm_sys::socket::{self, UnixStream};

use super::KIND_JSON;
use super::protocol::{Answer, Ask, Request, VERSION};

/// Why an instance could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// There is no socket, or nobody listens at it.
    #[error("nobody listens at {}", .0.display())]
    NobodyListens(PathBuf),
    /// The connection broke, or no answer came in time.
    #[error(transparent)]
    Io(#[from] IoError),
    /// The answer is not one.
    #[error("the instance gave an answer that cannot be read")]
    BadAnswer,
}

impl From<FrameTooLong> for CallError {
    fn from(_: FrameTooLong) -> Self {
        Self::BadAnswer
    }
}

/// A connection to an instance.
#[derive(Debug)]
pub struct Call {
    stream: UnixStream,
    path: PathBuf,
    decoder: Decoder,
    buffer: Vec<u8>,
}

impl Call {
    /// Connects to the socket at `path` and sends a request.
    ///
    /// # Errors
    ///
    /// [`CallError`].
    pub fn new(path: &Path, ask: Ask, patience: Duration) -> Result<Self, CallError> {
        let stream = socket::connect(path, patience).map_err(|error| {
            if error.is_not_found() || error.source.kind() == std::io::ErrorKind::ConnectionRefused
            {
                CallError::NobodyListens(path.to_owned())
            } else {
                CallError::Io(error)
            }
        })?;
        let mut call =
            Self { stream, path: path.to_owned(), decoder: Decoder::new(), buffer: Vec::new() };
        let body = serde_json::to_vec(&Request { version: VERSION, ask })
            .map_err(|_| CallError::BadAnswer)?;
        call.stream
            .write_all(&encode(KIND_JSON, &body)?)
            .map_err(|error| IoError::new(miqm_sys::Op::Write, path, error))?;
        Ok(call)
    }

    /// The next answer, however long it takes if `patience` is `None`; `Ok(None)` when the instance has
    /// closed the connection.
    ///
    /// # Errors
    ///
    /// [`CallError`].
    pub fn answer(&mut self, patience: Option<Duration>) -> Result<Option<Answer>, CallError> {
        let timed = self.stream.set_read_timeout(patience);
        timed.map_err(|error| IoError::new(miqm_sys::Op::Read, &self.path, error))?;
        loop {
            let mut bytes = &self.buffer[..];
            let frame = self.decoder.feed(&mut bytes)?;
            let left = bytes.len();
            self.buffer.drain(..self.buffer.len() - left);
            if let Some(frame) = frame {
                if frame.kind != KIND_JSON {
                    return Err(CallError::BadAnswer);
                }
                return serde_json::from_slice(&frame.body)
                    .map(Some)
                    .map_err(|_| CallError::BadAnswer);
            }
            let mut chunk = [0; 4096];
            match self.stream.read(&mut chunk) {
                Ok(0) => return Ok(None),
                Ok(read) => self.buffer.extend_from_slice(&chunk[..read]),
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => {
                    return Ok(None);
                }
                Err(error) => {
                    return Err(IoError::new(miqm_sys::Op::Read, &self.path, error).into());
                }
            }
        }
    }
}
