//! The instance's end of the control socket.
//!
//! A thread for each caller, few at a time: callers are administrators' commands. A caller that says
//! nothing, or does not read, is given up after [`PATIENCE`].

use std::io::{Read as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use miqm_format::frame::{Decoder, encode};
use miqm_qmgr::instance::locks::LockFiles;
use miqm_sys::clock::BootInstant;
use miqm_sys::socket::{self, Listener, UnixStream};
use miqm_sys::{IoError, user};

use super::KIND_JSON;
use super::protocol::{Answer, Ask, EndRequest, Refusal, Request, Status, VERSION};
use crate::driver::Input;
use crate::shared::Shared;
use crate::spawn;

/// How long a caller may take to say what it wants, and to read an answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Callers at a time.
const CALLERS_MAX: u32 = 32;
/// Mode of the socket: who may do what is decided by credentials.
const MODE: u32 = 0o666;

/// Opens the socket and serves it on a thread of its own.
pub(crate) fn start(shared: Shared, driver: Sender<Input>) -> Result<(), IoError> {
    let listener =
        Listener::bind(shared.runtime.path(), "control".as_ref(), MODE, Some(shared.owner))?;
    let callers = Arc::new(AtomicU32::new(0));
    spawn("control", move || {
        loop {
            let stream = match listener.accept_timeout(Duration::from_hours(1)) {
                Ok(Some(stream)) => stream,
                Ok(None) => continue,
                Err(_) => {
                    // Out of descriptors, perhaps: they come back.
                    miqm_sys::clock::sleep(Duration::from_millis(100));
                    continue;
                }
            };
            let (shared, driver) = (shared.clone(), driver.clone());
            let Some(place) = Place::take(&callers) else {
                // No thread for one too many; the answer fits into the socket's buffer.
                if stream.set_nonblocking(true).is_ok() {
                    Caller { stream, shared }.answer(&Answer::Refused(Refusal::Busy));
                }
                continue;
            };
            // If there is no thread to be had, the caller sees the connection close.
            drop(spawn("caller", move || {
                Caller { stream, shared }.serve(&driver);
                drop(place);
            }));
        }
    })?;
    Ok(())
}

/// One of the [`CALLERS_MAX`] places.
struct Place(Arc<AtomicU32>);

impl Place {
    fn take(callers: &Arc<AtomicU32>) -> Option<Self> {
        if callers.fetch_add(1, Ordering::AcqRel) < CALLERS_MAX {
            return Some(Self(Arc::clone(callers)));
        }
        callers.fetch_sub(1, Ordering::AcqRel);
        None
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

struct Caller {
    stream: UnixStream,
    shared: Shared,
}

impl Caller {
    fn serve(mut self, driver: &Sender<Input>) {
        let timed = self.stream.set_read_timeout(Some(PATIENCE));
        if timed.and_then(|()| self.stream.set_write_timeout(Some(PATIENCE))).is_err() {
            return;
        }
        let Some(request) = self.request() else {
            self.answer(&Answer::Refused(Refusal::BadRequest));
            return;
        };
        match request.ask {
            Ask::Status => {
                let status = self.status();
                self.answer(&Answer::Status(status));
            }
            Ask::End(_) if !self.may_administer() => {
                self.answer(&Answer::Refused(Refusal::NotAuthorized));
            }
            Ask::End(request) => self.end(request, driver),
        }
    }

    fn request(&mut self) -> Option<Request> {
        let mut decoder = Decoder::new();
        let mut chunk = [0; 4096];
        let began = BootInstant::now();
        // The patience is for the whole request: a byte now and then does not keep the place.
        while began.elapsed() < PATIENCE {
            let read = self.stream.read(&mut chunk).ok().filter(|read| *read > 0)?;
            let mut bytes = &chunk[..read];
            if let Some(frame) = decoder.feed(&mut bytes).ok()? {
                let request: Request = serde_json::from_slice(&frame.body).ok()?;
                return (frame.kind == KIND_JSON && request.version == VERSION).then_some(request);
            }
        }
        None
    }

    fn status(&self) -> Status {
        let (role, epoch) = self.shared.role();
        Status {
            role: role.as_str().to_owned(),
            epoch: epoch.map(|epoch| epoch.0),
            pid: miqm_sys::proc::pid(),
            connections: self.shared.sessions().count(),
        }
    }

    /// Root, the owner of the installation, and the members of group `mqm`.
    fn may_administer(&self) -> bool {
        let Ok(peer) = socket::peer(&self.stream) else { return false };
        let mqm = user::mqm_group().ok().flatten();
        peer.uid == 0
            || peer.uid == self.shared.owner.uid
            || mqm.is_some_and(|group| peer.in_group(group))
    }

    fn end(mut self, request: EndRequest, driver: &Sender<Input>) {
        // Looking for a standby is I/O on shared storage, so it is done here and not by the driver.
        let standby_waits = request.switchover
            && LockFiles::new(self.shared.data_dir.path(), self.shared.owner)
                .standby_waits()
                .unwrap_or(false);
        let (reply, answers) = channel();
        let _answering = self.shared.answering();
        if driver.send(Input::End { request, standby_waits, reply }).is_err() {
            return;
        }
        while let Ok(answer) = answers.recv() {
            if !self.answer(&answer) {
                return;
            }
        }
    }

    fn answer(&mut self, answer: &Answer) -> bool {
        let Ok(body) = serde_json::to_vec(answer) else { return false };
        let Ok(bytes) = encode(KIND_JSON, &body) else { return false };
        self.stream.write_all(&bytes).is_ok()
    }
}
