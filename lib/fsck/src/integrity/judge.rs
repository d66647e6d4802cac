//! What a survey comes to, check by check.

use super::drive::{Appended, Stall};
use super::job::Problem;
use super::layout::Method;
use super::survey::{Survey, Wrong};
use crate::check;
use crate::finding::{Evidence, Finding, Told, Verdict};
use crate::report::Phase;

/// A takeover that took longer than this is a failure: twice the longest usual lease, in seconds.
const TAKEOVER_MAX: f64 = 180.0;
/// One that took longer than this is slow.
const TAKEOVER_SLOW: f64 = 60.0;
/// A lock that is lost without a pause of this many seconds before was lost without a failure.
const PAUSE: f64 = 3.0;

/// Makes findings of what was told about checks, by id. What has no row is left out.
pub fn findings(told: Vec<(&str, Told)>, phase: Phase, hosts: &[String]) -> Vec<Finding> {
    let made = told.into_iter().filter_map(|(id, told)| {
        let check = check::of(id)?;
        let wrong = matches!(told.verdict, Verdict::Fail | Verdict::Warning);
        Some(Finding {
            check: check.id.to_owned(),
            title: check.title.to_owned(),
            phase,
            hosts: hosts.to_vec(),
            verdict: told.verdict,
            required: told.verdict == Verdict::NotTested
                && ["int.format", "int.lock"].contains(&id),
            summary: told.summary,
            evidence: told.evidence,
            why: check.why.to_owned(),
            change: if wrong { check.change.to_owned() } else { String::new() },
            seconds: 0.0,
            series: told.series,
        })
    });
    made.collect()
}

/// What a survey comes to.
pub(crate) fn of_survey(survey: &Survey) -> Vec<(&'static str, Told)> {
    let mut told = Vec::new();
    let pages = survey.pages;
    let mut add = |id, pass: Told, fail: &str| {
        let verdict = match survey.wrong.get(id) {
            None => pass,
            Some(Wrong { count, evidence }) => {
                let more = count.saturating_sub(evidence.len() as u64);
                let told = Told::fail(format!("{fail} ({count} found.)"))
                    .with_all(evidence.iter().cloned());
                if more == 0 { told } else { told.with(Evidence::note(format!("and {more} more"))) }
            }
        };
        told.push((id, verdict));
    };
    let pass = Told::pass(format!("Formatted with {pages} pages."));
    add("int.format", pass, "The headers are not as they were written.");
    add("int.size", Told::pass("Both files are as long as they must be."), "A length is wrong.");
    let log = format!("{} sequences in {} epochs, without a gap.", survey.last, survey.epochs);
    let mut log = Told::pass(log);
    for what in &survey.tolerated {
        log = log.with(Evidence::note(format!("{what}; that is no fault")));
    }
    add("int.log", log, "The log is not what was written and synced.");
    let whole = format!("All {pages} pages are whole and in their places.");
    add("int.page", Told::pass(whole), "Pages that were made durable are torn or damaged.");
    for method in Method::ALL {
        let (lost, held_pages) = (survey.lost[method.at()], survey.held[method.at()]);
        let fail = if lost == 0 {
            format!("What {} had made durable is lost.", method.words())
        } else {
            format!(
                "{lost} of {held_pages} pages that {} had made durable are lost.",
                method.words()
            )
        };
        add(method.check(), held(survey, method), &fail);
    }
    add(
        "int.order",
        Told::pass("Nothing is ahead of what came before it."),
        "Something is there without what was made durable before it.",
    );
    let all = match survey.acknowledged {
        0 => Told::pass("Nothing has been acknowledged yet."),
        last => {
            Told::pass(format!("All sequences up to {last}, the last acknowledged, are there."))
        }
    };
    add("int.acknowledged", all, "Acknowledged sequences are lost.");
    let witness = match survey.witnessed {
        0 if survey.other_witness => {
            Told::not_tested("The witness knows nothing of these files, only of others.")
        }
        0 => Told::not_tested("No witness outside the storage was asked."),
        last => Told::pass(format!("A witness knows of {last}, the storage of {}.", survey.last)),
    };
    add("int.witness", witness, "The storage has forgotten what it had acknowledged.");
    let epoch = format!("{} epochs, and no page of an older one over a newer.", survey.epochs);
    add("int.epoch", Told::pass(epoch), "A holder wrote after another had taken the lock.");
    let names = if !survey.names_synced {
        Told::not_applicable("This file system cannot sync a directory.")
    } else if survey.markers == 0 {
        Told::not_tested("No marker file has been made yet.")
    } else {
        Told::pass(format!("{} markers were made, and the last ones are there.", survey.markers))
    };
    add("int.names", names, "Names that were synced are lost, or came back.");
    told
}

fn held(survey: &Survey, method: Method) -> Told {
    let (held, words) = (survey.held[method.at()], method.words());
    match held {
        0 if survey.held.iter().all(|held| *held == 0) => {
            Told::not_tested(format!("Nothing was acknowledged by {words} yet."))
        }
        0 => Told::not_applicable(format!("There is no {words} here.")),
        _ => Told::pass(format!("All {held} pages that {words} made durable are there.")),
    }
}

/// What it means that a job could not go on; `None` if what was told before says it all.
pub(crate) fn of_problem(problem: &Problem) -> Option<(&'static str, Told)> {
    let sentence = |problem: &Problem, more: &str| {
        let text = problem.to_string();
        let mut letters = text.chars();
        let first = letters.next().map(|letter| letter.to_ascii_uppercase());
        format!("{}{}{more}.", first.unwrap_or_default(), letters.as_str())
    };
    Some(match problem {
        Problem::Inconsistent => return None,
        Problem::LockLost { call, file, errno } => {
            let evidence = Evidence { call: call.clone(), ..Evidence::default() }.file(file);
            let evidence = if *errno == 0 {
                evidence.with_note("another copy was granted the lock meanwhile")
            } else {
                evidence.errno(*errno)
            };
            ("int.lock", Told::warning(sentence(problem, "")).with(evidence))
        }
        Problem::Damaged { file } => {
            ("int.format", Told::fail(sentence(problem, "")).with(Evidence::default().file(file)))
        }
        Problem::Refused { call, file, errno } => {
            let evidence = Evidence { call: call.clone(), ..Evidence::default() };
            let evidence = evidence.file(file).errno(*errno);
            let told = if [5, 77, 116, 117].contains(errno) {
                Told::fail(sentence(problem, ""))
            } else {
                Told::not_tested(sentence(problem, ""))
            };
            ("int.format", told.with(evidence))
        }
        Problem::NotFormatted => {
            let more = "; if they were formatted before a failure, the storage has lost them, else \
                        format them with -f first";
            ("int.format", Told::not_tested(sentence(problem, more)))
        }
        Problem::Gone { .. } => ("int.witness", Told::fail(sentence(problem, ""))),
        Problem::OtherSize { .. } => {
            ("int.format", Told::not_tested(sentence(problem, ": remove them with -x first")))
        }
        Problem::Foreign { .. }
        | Problem::InUse { .. }
        | Problem::Full { .. }
        | Problem::Nothing => ("int.format", Told::not_tested(sentence(problem, ""))),
    })
}

/// What an end of appending comes to.
pub(super) fn of_appended(appended: &Appended) -> Vec<(&'static str, Told)> {
    let mut told = appended.survey.as_ref().map(of_survey).unwrap_or_default();
    let problem = appended.problem.as_ref().and_then(of_problem);
    let begun = appended.takeover.is_some();
    match problem {
        Some(("int.lock", lost)) => told.push(("int.lock", judge_loss(lost, appended))),
        Some((_, other)) if begun => {
            let told_lock = Told { verdict: Verdict::Fail, ..other };
            told.push(("int.lock", told_lock));
        }
        Some((id, other)) => {
            told.retain(|(other, _)| *other != id);
            told.push((id, other));
        }
        None if !appended.lost.is_empty() => {
            let text = format!("Nothing more was heard of this copy: {}.", appended.lost);
            told.push(("int.lock", stalls(Told::not_tested(text), &appended.stalls)));
        }
        None if begun => {
            let seconds = appended.seconds;
            let sequence = appended.sequence;
            let kept = format!("It was kept for {seconds:.0} s, up to sequence {sequence}.");
            let kept = if appended.full {
                Told::not_tested(format!(
                    "{kept} Then the log had its limit, and appending ended: verify with -i, then remove \
                     the files with -x and format them anew."
                ))
            } else {
                Told::pass(kept)
            };
            told.push(("int.lock", stalls(kept, &appended.stalls)));
        }
        None => {}
    }
    told.extend(appended.takeover.as_ref().and_then(|takeover| {
        let seconds = takeover.seconds?;
        Some(("int.takeover", of_takeover(seconds, takeover.orderly)))
    }));
    if let Some((_, last)) = told.last_mut() {
        last.series.extend(appended.series.iter().cloned());
    }
    told
}

/// That a lock is lost and told to be is what must happen in a failure, and shows nothing else. That the
/// storage takes it away, or gives it to somebody else, while it answers all the time is a fault: no failure
/// is so short that a lease ends in it.
fn judge_loss(lost: Told, appended: &Appended) -> Told {
    let paused = appended.stalls.iter().any(|stall| stall.seconds >= PAUSE);
    let (verdict, more) = if paused {
        (Verdict::NotTested, "That is right if a failure was injected; verify with -i.")
    } else {
        (
            Verdict::Fail,
            "The storage had answered all the time: it took the lock away without a failure.",
        )
    };
    let summary = format!("{} {more}", lost.summary);
    let told = Told { verdict, summary, ..lost };
    stalls(told, &appended.stalls)
}

fn stalls(mut told: Told, stalls: &[Stall]) -> Told {
    for stall in stalls {
        let note = format!("no answer after sequence {}", stall.sequence);
        told = told.with(Evidence::note(note).seconds(stall.seconds));
    }
    told
}

/// What the time of a takeover comes to.
pub(crate) fn of_takeover(seconds: f64, orderly: bool) -> Told {
    let evidence = Evidence::note("from the last sign of the old holder").seconds(seconds);
    let text = format!("The lock was had {seconds:.1} s after the last sign of the old holder.");
    let told = if orderly || seconds <= TAKEOVER_SLOW {
        Told::pass(text)
    } else if seconds <= TAKEOVER_MAX {
        Told::warning(text)
    } else {
        Told::fail(text)
    };
    told.with(evidence)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is told of the lock if it is lost with this error, 0 for "somebody else has it", after a pause.
    fn lost(errno: i32, pause: f64) -> Told {
        let (call, file) = ("fsync".to_owned(), "amqmfsck.log".to_owned());
        let stalls = vec![Stall { sequence: 7, seconds: pause }];
        let problem = Some(Problem::LockLost { call, file, errno });
        let appended = Appended { stalls, problem, ..Appended::default() };
        let (id, told) = of_appended(&appended).remove(0);
        assert_eq!(id, "int.lock");
        told
    }

    #[test]
    fn a_lock_that_is_lost_without_a_failure_is_one() {
        for errno in [0, 5, 116] {
            let told = lost(errno, 0.5);
            assert_eq!(told.verdict, Verdict::Fail, "{errno}");
            assert!(told.summary.starts_with("The lock was lost: "), "{}", told.summary);
            let told = lost(errno, 30.0);
            assert_eq!(told.verdict, Verdict::NotTested, "{errno}");
            assert!(told.summary.contains("right if a failure was injected"), "{}", told.summary);
        }
    }
}
