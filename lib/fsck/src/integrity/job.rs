//! What an actor is asked to do for the integrity test, and what it says on the way.

use serde::{Deserialize, Serialize};

use super::layout::Method;
use super::survey::{Survey, Takeover};

/// Work on the files of the test.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Job {
    /// Makes and fills the files.
    Format {
        /// The pages of the data file: a multiple of [`super::PAGES_MIN`].
        pages: u64,
        /// Names these files: 32 hexadecimal digits.
        run: String,
        /// How long it may take; the pages are reduced if they would take longer.
        limit_ms: u64,
        /// This host.
        host: String,
    },
    /// Waits for the lock, verifies, appends until it is asked to finish.
    Append {
        /// This host.
        host: String,
        /// What a witness knows to have been acknowledged.
        known: Option<Known>,
    },
    /// Verifies.
    Verify {
        /// What a witness knows to have been acknowledged.
        known: Option<Known>,
    },
    /// Removes the files of the test, if they are.
    Remove,
}

/// What is known outside the storage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// The run it is known of: 32 hexadecimal digits.
    pub run: String,
    /// The last sequence that was acknowledged.
    pub sequence: u64,
    /// How long ago the last one was; `None` if that is not known.
    #[serde(default)]
    pub idle_ms: Option<u64>,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// Begins a job; what was begun before is given up, with its locks.
    Begin(Job),
    /// Goes on for about so long.
    Go {
        /// Milliseconds.
        ms: u32,
        /// What a witness knows by now.
        known: Option<Known>,
    },
    /// Ends it in order.
    Finish,
}

impl Step {
    /// What it does, for traces and evidence.
    pub fn words(&self) -> &'static str {
        match self {
            Self::Begin(Job::Format { .. }) => "begin to format",
            Self::Begin(Job::Append { .. }) => "begin to append",
            Self::Begin(Job::Verify { .. }) => "begin to verify",
            Self::Begin(Job::Remove) => "remove the test files",
            Self::Go { .. } => "go on with the integrity test",
            Self::Finish => "end in order",
        }
    }
}

/// How long it took to make something durable.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// How.
    pub method: Method,
    /// How long write and sync took together.
    pub seconds: f64,
}

/// What a step came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Progress {
    /// The job has begun.
    Begun,
    /// Pages are being filled.
    Formatting {
        /// Those that are.
        done: u64,
        /// All.
        pages: u64,
    },
    /// The files are ready.
    Formatted {
        /// The pages of the data file.
        pages: u64,
        /// The pages that had been asked for.
        asked: u64,
        /// How long it took, with the sync at the end.
        seconds: f64,
        /// How long the sync at the end took.
        sync_seconds: f64,
    },
    /// Somebody else holds the lock.
    Waiting {
        /// The host that took it last, as far as the log tells.
        holder: String,
        /// The last sequence that was seen in the storage while waiting; 0 if none was.
        seen: u64,
    },
    /// The files are being read.
    Checking {
        /// Bytes read.
        done: u64,
        /// Bytes to read.
        of: u64,
    },
    /// They have been read.
    Checked(Box<Survey>),
    /// The lock was taken and a new epoch has begun.
    Taken(Box<Takeover>),
    /// Sequences were appended.
    Appended {
        /// The last one that was acknowledged.
        sequence: u64,
        /// How many in this step.
        count: u64,
        /// Some of the times they took.
        samples: Vec<Sample>,
    },
    /// It ended in order after this sequence.
    Ended {
        /// The last one that was acknowledged.
        sequence: u64,
    },
    /// These files were removed.
    Removed(Vec<String>),
    /// It cannot go on.
    Problem {
        /// Why.
        problem: Problem,
        /// The last sequence that was acknowledged by this job; 0 if none was.
        sequence: u64,
    },
}

/// Why a job cannot go on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
pub enum Problem {
    /// There are no formatted files.
    #[error("the directory has no formatted test files")]
    NotFormatted,
    /// A file of that name was not made by this program.
    #[error("{file} was not made by this program")]
    Foreign {
        /// Its name.
        file: String,
    },
    /// The files are there with another size.
    #[error("the files are there already, formatted with {pages} pages")]
    OtherSize {
        /// The pages that were asked for when they were made.
        pages: u64,
    },
    /// The header cannot be read, so nothing is known of the rest.
    #[error("the header of {file} is damaged")]
    Damaged {
        /// The file.
        file: String,
    },
    /// Another copy holds the lock.
    #[error("another copy holds the lock of {file}, last {holder}")]
    InUse {
        /// The file.
        file: String,
        /// The host that took it last, as far as the log tells; may be empty.
        holder: String,
    },
    /// The lock is gone.
    #[error("the lock was lost: {call} on {file} ended with {}", errno_words(*.errno))]
    LockLost {
        /// What showed it.
        call: String,
        /// On which file.
        file: String,
        /// The error number; 0 if another one was granted the lock.
        errno: i32,
    },
    /// The file system or a quota is full.
    #[error("there is no space left for {file}")]
    Full {
        /// The file.
        file: String,
    },
    /// A call was refused.
    #[error("{call} on {file} was refused: {}", errno_words(*.errno))]
    Refused {
        /// The call.
        call: String,
        /// On which file.
        file: String,
        /// The error number.
        errno: i32,
    },
    /// A witness knows of sequences, and there are no files, or none that can be read.
    #[error(
        "a witness knows that pages up to {sequence} were acknowledged, and their files are gone"
    )]
    Gone {
        /// The last one that it knows.
        sequence: u64,
    },
    /// What is there is not consistent, so nothing may be appended. The survey was told before.
    #[error("the files are not consistent")]
    Inconsistent,
    /// Nothing of that kind has begun.
    #[error("no job has begun")]
    Nothing,
}

fn errno_words(errno: i32) -> String {
    use miqm_sys::probe::{errno_name, errno_text};
    match errno {
        0 => "somebody else holding it".to_owned(),
        errno => format!("{} ({})", errno_name(errno), errno_text(errno)),
    }
}

/// A run id in hexadecimal digits.
pub(crate) fn run_text(run: &[u8; 16]) -> String {
    run.iter().fold(String::with_capacity(32), |text, byte| text + &format!("{byte:02x}"))
}

/// A run id from hexadecimal digits.
pub(crate) fn run_id(text: &str) -> Option<[u8; 16]> {
    let digits = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let number = digits.then(|| u128::from_str_radix(text, 16).ok()).flatten()?;
    Some(number.to_be_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn run_ids_are_texts_and_back() {
        let run = *b"\x00\x01\x02\x03456789abcdef";
        assert_eq!(run_text(&run), "00010203343536373839616263646566");
        assert_eq!(run_id(&run_text(&run)), Some(run));
        for bad in
            ["", "+0010203343536373839616263646566", "0001", "zz010203343536373839616263646566"]
        {
            assert_eq!(run_id(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_lost_lock_says_how_it_was_noticed() {
        let lost = Problem::LockLost { call: "fsync".into(), file: "a.dat".into(), errno: 5 };
        let text = "the lock was lost: fsync on a.dat ended with EIO (I/O error)";
        assert_eq!(lost.to_string(), text);
    }
}
