//! What is said about a run that cannot be made, and how the command ends then.

use miqm_cli::{Exit, Failure, Message};
use miqm_fsck::Evidence;
use miqm_fsck::integrity::{self, Problem};
use miqm_fsck::session::Refusal;

/// The words and the exit code for a run that cannot be made.
pub(super) fn of(directory: &str, refusal: Refusal) -> Failure {
    let directory = directory.to_owned();
    let text = |evidence: &Evidence| match evidence.errno {
        Some(errno) => miqm_fsck::errno_text(errno).to_owned(),
        None => evidence.note.clone(),
    };
    let (exit, message) = match refusal {
        Refusal::Missing => (Exit::NotDone, Message::FsckNoDirectory { directory }),
        Refusal::NotDirectory => (Exit::NotDone, Message::FsckNotDirectory { directory }),
        Refusal::Loop => (Exit::NotDone, Message::FsckLinkLoop { directory }),
        Refusal::NotAuthorized(denied) => {
            let (call, error) = (denied.evidence.call, denied.evidence.error);
            let why = denied.why;
            (Exit::NotAuthorized, Message::FsckNotAuthorized { directory, call, error, why })
        }
        Refusal::Live(live) => {
            let below = match live.directory.as_str() {
                "." => directory,
                below => format!("{}/{below}", directory.trim_end_matches('/')),
            };
            let (file, how) = (live.file, live.how);
            (Exit::Running, Message::FsckLive { directory: below, file, how })
        }
        Refusal::Failed(evidence) => {
            let text = text(&evidence);
            let (call, error) = (evidence.call, evidence.error);
            (Exit::CheckFailed, Message::FsckCallFailed { directory, call, error, text })
        }
        Refusal::Stuck(evidence) => {
            let (call, note) = (evidence.call, evidence.note);
            (Exit::NotDone, Message::FsckCallStuck { directory, call, note })
        }
        Refusal::Lost(lost) => {
            (Exit::NotDone, Message::FsckHostLost { host: lost.host, why: lost.why })
        }
        Refusal::Asked => (Exit::NotDone, Message::FsckEnded { directory }),
        Refusal::System(error) => {
            (Exit::Failed, Message::CannotStart { cause: error.to_string() })
        }
    };
    Failure::new(exit, message)
}

/// What the removal of the test files is told to have left, and why; nothing if there were none.
pub(super) fn of_removal(problem: &Problem) -> Option<(String, String)> {
    let file = match problem {
        Problem::NotFormatted | Problem::Nothing => return None,
        Problem::Foreign { file }
        | Problem::Damaged { file }
        | Problem::InUse { file, .. }
        | Problem::LockLost { file, .. }
        | Problem::Full { file }
        | Problem::Refused { file, .. } => file.clone(),
        Problem::OtherSize { .. } | Problem::Gone { .. } | Problem::Inconsistent => {
            integrity::DATA.to_owned()
        }
    };
    Some((file, problem.to_string()))
}
