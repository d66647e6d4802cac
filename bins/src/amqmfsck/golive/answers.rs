//! What people answer, or a script in their place.

use std::time::{Duration, Instant};

use miqm_fsck::golive::Said;
use miqm_fsck::session::typed;

/// How long a failure may take to show if nobody is asked, unless it is said.
const SHOW: Duration = Duration::from_mins(10);

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wants {
    /// Nobody has to do anything.
    Nothing,
    /// A failure.
    Failure(Instant),
    /// The return of what has failed.
    Return(Instant),
}

/// Answers from the standard input, or from nobody.
#[derive(Debug)]
pub(super) struct Answers {
    /// Nobody is asked.
    yes: bool,
    limit: Duration,
    wants: Wants,
}

impl Answers {
    pub(super) fn new(yes: bool, limit: Option<u64>) -> Self {
        Self { yes, limit: limit.map_or(SHOW, Duration::from_secs), wants: Wants::Nothing }
    }

    /// Nothing is waited for.
    pub(super) fn forget(&mut self) {
        self.wants = Wants::Nothing;
    }

    /// A failure is waited for, if somebody has to do something about it.
    pub(super) fn injecting(&mut self, by_people: bool) {
        self.wants = if by_people { Wants::Failure(Instant::now()) } else { Wants::Nothing };
    }

    /// The return is waited for.
    pub(super) fn returning(&mut self) {
        self.wants = Wants::Return(Instant::now());
    }

    /// Whether nobody is asked, and what has failed is to come back.
    pub(super) fn waits_for_hosts(&self) -> bool {
        self.yes && matches!(self.wants, Wants::Return(_))
    }

    /// What is said then, if all hosts are back or are not.
    pub(super) fn back(&mut self, back: bool) -> Said {
        let Wants::Return(since) = self.wants else { return Said::Nothing };
        if !back && since.elapsed() < self.limit {
            return Said::Nothing;
        }
        self.forget();
        Said::Done
    }

    /// What was said since the last time.
    pub(super) fn next(&mut self) -> Said {
        let since = match self.wants {
            Wants::Nothing => return Said::Nothing,
            Wants::Failure(since) | Wants::Return(since) => since,
        };
        if self.yes {
            if since.elapsed() < self.limit {
                return Said::Nothing;
            }
            self.forget();
            return Said::Skip(format!("nothing was seen within {} s", self.limit.as_secs()));
        }
        match typed() {
            None => Said::Nothing,
            // Nobody is there to answer.
            Some(line) if line.is_empty() => Said::Stop,
            Some(line) => answer(&line),
        }
    }
}

/// What a line means.
fn answer(line: &str) -> Said {
    let line = line.trim();
    match line.split_once(char::is_whitespace).unwrap_or((line, "")) {
        ("s" | "skip", reason) => Said::Skip(reason.trim().to_owned()),
        ("q" | "quit", _) => Said::Stop,
        ("", _) => Said::Done,
        // Whatever else was typed was not meant for this.
        _ => Said::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_an_answer_or_nothing() {
        assert_eq!(answer("\n"), Said::Done);
        assert_eq!(answer("q\n"), Said::Stop);
        assert_eq!(answer("s no such server\n"), Said::Skip("no such server".into()));
        assert_eq!(answer("s\n"), Said::Skip(String::new()));
        assert_eq!(answer("yes, I did\n"), Said::Nothing);
    }

    #[test]
    fn a_script_is_not_waited_for_beyond_its_limit() {
        let mut answers = Answers::new(true, Some(0));
        assert_eq!(answers.next(), Said::Nothing);
        answers.injecting(true);
        assert!(matches!(answers.next(), Said::Skip(_)));
        answers.returning();
        assert!(answers.waits_for_hosts());
        assert_eq!(answers.back(false), Said::Done);
        let mut answers = Answers::new(true, None);
        answers.returning();
        assert_eq!((answers.back(false), answers.back(true)), (Said::Nothing, Said::Done));
    }
}
