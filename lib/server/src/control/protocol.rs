//! What commands and an instance say to each other over the local control socket.
//!
//! A request is one frame with a JSON object; the answers are frames of the same kind, the last of
//! which is [`Answer::Done`] or [`Answer::Refused`]. The socket is local, its peers are told apart by
//! the kernel's credentials, and both ends are of one version or refuse each other
//! ([`Request::version`]).

use miqm_qmgr::instance::escalation::{EndMode, Target};
use serde::{Deserialize, Serialize};

/// The version of this protocol.
pub const VERSION: u32 = 1;

/// What a command wants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// [`VERSION`] of the sender.
    pub version: u32,
    /// The wish.
    pub ask: Ask,
}

/// A wish.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Ask {
    /// Say what you are.
    Status,
    /// End, or refuse to.
    End(EndRequest),
}

/// How to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of the command of its own")]
pub struct EndRequest {
    /// Controlled, immediate or pre-emptive.
    pub mode: WireMode,
    /// A standby is to take over (`-s`).
    pub switchover: bool,
    /// Clients are to be told to reconnect (`-r`).
    pub reconnect: bool,
    /// This standby is to end (`-x`).
    pub standby: bool,
    /// Answer only when the instance has ended.
    pub wait: bool,
    /// When the end is to be over, in seconds from now (`-t`, `-tp`).
    pub target_seconds: Option<u32>,
    /// Whether the end may become pre-emptive to meet the target (`-tp`).
    pub target_preemptive: bool,
}

/// [`EndMode`] on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WireMode {
    /// `-c`, `-w`
    Controlled,
    /// `-i`
    Immediate,
    /// `-p`
    Preemptive,
}

impl From<WireMode> for EndMode {
    fn from(mode: WireMode) -> Self {
        match mode {
            WireMode::Controlled => Self::Controlled,
            WireMode::Immediate => Self::Immediate,
            WireMode::Preemptive => Self::Preemptive,
        }
    }
}

impl EndRequest {
    /// The target time, if one was given.
    pub fn target(&self) -> Option<Target> {
        self.target_seconds.map(|seconds| Target { seconds, preemptive: self.target_preemptive })
    }
}

/// What an instance answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Answer {
    /// The request was accepted; with `wait`, more follows.
    Accepted,
    /// The request is done; for an end with `wait`: everything is released, the process is about to exit.
    Done,
    /// What the instance is.
    Status(Status),
    /// The request was not done, and nothing has changed.
    Refused(Refusal),
}

/// What an instance is at the moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Status {
    /// The role, as in the runtime files.
    pub role: String,
    /// The epoch, once the instance has one.
    pub epoch: Option<u64>,
    /// The process.
    pub pid: u32,
    /// Applications that are connected.
    pub connections: u64,
}

/// Why a request was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// The caller does not administer the queue manager.
    #[error("the caller is not authorized")]
    NotAuthorized,
    /// The request cannot be read, or is of another version.
    #[error("the request is not of this version")]
    BadRequest,
    /// `-s` was asked for, and no standby waits.
    #[error("no standby waits")]
    NoStandby,
    /// `-s` was asked for an instance that permits no standby.
    #[error("the instance permits no standby")]
    StandbyNotPermitted,
    /// This is a standby, and `-x` was not given.
    #[error("this is a standby instance")]
    IsStandby,
    /// This is not a standby, and `-x` was given.
    #[error("this is not a standby instance")]
    IsActive,
    /// The instance is ending already, and at least as fast.
    #[error("the instance is ending already")]
    Ending,
    /// Too many callers at once.
    #[error("the instance is busy with other callers")]
    Busy,
}
