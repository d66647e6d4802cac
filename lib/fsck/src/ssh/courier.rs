//! The process that carries messages between a conductor, which may be busy for long, and a client that
//! is connected to another host: it is always there to say so, and to notice that the other is not.

use std::collections::VecDeque;
use std::os::fd::AsFd;
use std::time::Duration;

use miqm_sys::IoError;
use miqm_sys::clock::{self, BootInstant};
use miqm_sys::port::{Incoming, Port};
use miqm_sys::proc::Filter;
use miqm_sys::worker::{Worker, wait_readable};

use crate::wire::{BEAT, Message, WIRE_BYTES_MAX};

/// When so much waits for the conductor, no more is taken from the other host.
const WAITING_BYTES: usize = 4 << 20;
/// How often it is looked whether there is time for a sign of life.
const TICK: Duration = Duration::from_millis(200);
/// How long the last words may take.
const FAREWELL: Duration = Duration::from_secs(3);

/// What lives as long as the connection.
pub(super) struct Carrier {
    worker: Worker,
    client: Filter,
}

impl Carrier {
    /// Leaves the connection to a process of its own; the port to it.
    pub(super) fn start(
        client: Filter,
        far: Port,
        silence: Duration,
    ) -> Result<(Self, Port), IoError> {
        // The maker gives its own copy of the connection up, so that it ends with the worker.
        let worker = Worker::start(move |stream| {
            let Ok(near) = Port::of_stream(stream, WIRE_BYTES_MAX) else { return 1 };
            Courier::new(near, far, silence).run();
            0
        })?;
        let near = worker.port(WIRE_BYTES_MAX)?;
        Ok((Self { worker, client }, near))
    }
}

impl Drop for Carrier {
    fn drop(&mut self) {
        self.worker.hang_up();
        let until = BootInstant::now().saturating_add(FAREWELL);
        while !self.worker.has_ended() && !until.left().is_zero() {
            clock::sleep(Duration::from_millis(2));
        }
        // The client ends when the far side has; the far side, when it sees the end of its input.
        self.client.wait(FAREWELL).ok();
    }
}

struct Courier {
    near: Port,
    far: Port,
    silence: Duration,
    waiting: VecDeque<Vec<u8>>,
    waiting_bytes: usize,
    heard: BootInstant,
    said_near: BootInstant,
    said_far: BootInstant,
    beat: Vec<u8>,
}

/// Which side has ended, and why.
enum Over {
    Near,
    Far(String),
}

impl Courier {
    fn new(near: Port, far: Port, silence: Duration) -> Self {
        let now = BootInstant::now();
        let beat = serde_json::to_vec(&Message::Beat).unwrap_or_default();
        Self {
            near,
            far,
            silence,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            heard: now,
            said_near: now,
            said_far: now,
            beat,
        }
    }

    fn run(mut self) {
        let over = loop {
            if let Err(over) = self.step() {
                break over;
            }
        };
        if let Over::Far(why) = over {
            // What it said before comes first.
            let until = BootInstant::now().saturating_add(FAREWELL);
            while !self.waiting.is_empty() && !until.left().is_zero() && self.deliver().is_ok() {
                clock::sleep(Duration::from_millis(2));
            }
            let gone = serde_json::to_vec(&Message::Gone { why }).unwrap_or_default();
            self.near.send(&gone, FAREWELL).ok();
        }
    }

    fn step(&mut self) -> Result<(), Over> {
        let near = |_: IoError| Over::Near;
        let full = self.waiting_bytes >= WAITING_BYTES;
        let ready = self.near.has_message().map_err(near)?
            || (!full && self.far.has_message().unwrap_or(true));
        if !ready {
            let mut fds = vec![self.near.as_fd()];
            if !full {
                fds.push(self.far.as_fd());
            }
            // What waits for a conductor that does not listen is offered again soon.
            let tick = if self.waiting.is_empty() { TICK.min(self.silence / 4) } else { TICK / 20 };
            wait_readable(&fds, tick).map_err(near)?;
        }
        self.take_near()?;
        if full {
            self.heard = BootInstant::now();
        } else {
            self.take_far()?;
        }
        self.deliver()?;
        self.beat()
    }

    fn take_near(&mut self) -> Result<(), Over> {
        loop {
            match self.near.receive(Duration::ZERO) {
                Ok(Incoming::Message(message)) if message == self.beat => {}
                Ok(Incoming::Message(message)) => self.say_far(&message)?,
                Ok(Incoming::Late) => return Ok(()),
                Ok(Incoming::End) | Err(_) => return Err(Over::Near),
            }
        }
    }

    fn take_far(&mut self) -> Result<(), Over> {
        while self.waiting_bytes < WAITING_BYTES {
            match self.far.receive(Duration::ZERO) {
                Ok(Incoming::Message(message)) => {
                    self.heard = BootInstant::now();
                    if message != self.beat {
                        self.waiting_bytes += message.len();
                        self.waiting.push_back(message);
                    }
                }
                Ok(Incoming::Late) => break,
                Ok(Incoming::End) => {
                    return Err(Over::Far("the connection to it was closed".into()));
                }
                Err(_) => return Err(Over::Far("what it says makes no sense".into())),
            }
        }
        if self.heard.elapsed() >= self.silence {
            let seconds = self.silence.as_secs_f64();
            return Err(Over::Far(format!("nothing was heard of it for {seconds:.0} s")));
        }
        Ok(())
    }

    fn deliver(&mut self) -> Result<(), Over> {
        while let Some(message) = self.waiting.front() {
            if !self.near.has_room().map_err(|_| Over::Near)? {
                break;
            }
            self.near.send(message, self.silence).map_err(|_| Over::Near)?;
            self.said_near = BootInstant::now();
            self.waiting_bytes -= message.len();
            self.waiting.pop_front();
        }
        Ok(())
    }

    fn say_far(&mut self, message: &[u8]) -> Result<(), Over> {
        self.said_far = BootInstant::now();
        let said = self.far.send(message, self.silence);
        said.map_err(|_| Over::Far("the connection to it was closed".into()))
    }

    fn beat(&mut self) -> Result<(), Over> {
        let beat = self.beat.clone();
        let every = BEAT.min(self.silence / 4);
        if self.said_far.elapsed() >= every {
            self.say_far(&beat)?;
        }
        if self.said_near.elapsed() >= every && self.near.has_room().unwrap_or(false) {
            self.said_near = BootInstant::now();
            self.near.send(&beat, self.silence).map_err(|_| Over::Near)?;
        }
        Ok(())
    }
}
