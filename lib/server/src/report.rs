//! What an instance tells whoever started it, until it is active or a standby or has failed.
//!
//! A line of JSON for each event, through a pipe that the starting command has made. Nobody may be
//! at the other end, or no longer: the instance goes on.

use std::io::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

/// Something that happened while an instance started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StartEvent {
    /// The service manager has not begun with the start. Told by the command that waits, not by an instance.
    Queued {
        /// The unit.
        unit: String,
        /// For how long, in seconds.
        seconds: u64,
    },
    /// The storage has not answered a call for so long.
    Waiting {
        /// How long, in seconds.
        seconds: u64,
        /// What is waited for.
        what: String,
    },
    /// The log is being replayed.
    Replaying {
        /// How much of what is there to read has been read, in percent.
        percent: u8,
    },
    /// The log has been replayed.
    Replayed {
        /// Records read.
        records: u64,
    },
    /// Units of work have been resolved.
    Recovered {
        /// Units of work that were under way when the last instance ended, and are backed out.
        in_flight: u64,
    },
    /// The instance serves.
    Active {
        /// Its epoch.
        epoch: u64,
    },
    /// The instance waits.
    Standby {
        /// Where the active instance runs, if its record can be read.
        active_host: Option<String>,
    },
    /// The instance has given up.
    Failed {
        /// The exit code for the command.
        exit: u8,
        /// What to print, with message ids.
        lines: Vec<String>,
    },
}

/// The pipe to whoever started the instance. Cheap to clone.
#[derive(Clone, Default)]
pub struct Report(Arc<Mutex<Option<miqm_sys::fs::File>>>);

impl Report {
    /// A report through this pipe.
    pub fn through(pipe: std::os::fd::OwnedFd) -> Self {
        Self(Arc::new(Mutex::new(Some(pipe.into()))))
    }

    /// Tells an event. A reader that has gone away is not told again.
    pub fn tell(&self, event: &StartEvent) {
        let mut pipe = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(file) = pipe.as_mut() else { return };
        let Ok(mut line) = serde_json::to_vec(event) else { return };
        line.push(b'\n');
        if file.write_all(&line).is_err() {
            *pipe = None;
        }
    }

    /// Closes the pipe: the start is over.
    pub fn finish(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}
