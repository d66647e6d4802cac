//! A report as people and programs read it: a table for a terminal, lines for a pipe, JSON, and a
//! page for the change ticket. Also the table of checks itself, and the position of a progress bar.
//!
//! Everything here is a function from data to text. What comes from a file system, from the other host
//! or from a command line is shown with its control characters spelt out, so that it can neither move
//! a cursor nor end a line nor become markup.

mod checks;
mod html;

mod measured;
mod progress;
mod schema;
mod text;
mod wrap;

pub use checks::{check_list, checks_as_json, explanation, nearest};
pub use html::page;

pub use progress::{Progress, Tracker};
pub use schema::{Field, SCHEMA, fields};
pub use text::{finding, heading, report};

use std::fmt::Write as _;

use crate::finding::{Evidence, Finding, Verdict};
use crate::report::{HostFacts, Outcome, Phase, Report};

/// Whether text has colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// None.
    Plain,
    /// Those of a terminal.
    Ansi,
}

impl Style {
    /// The text in a colour.
    fn paint(self, paint: Paint, text: &str) -> String {
        let code = match paint {
            Paint::Good => "32",
            Paint::Bad => "1;31",
            Paint::Odd => "33",
            Paint::Dim => "2",
            Paint::Strong => "1",
        };
        match self {
            Self::Plain => text.to_owned(),
            Self::Ansi => format!("\x1b[{code}m{text}\x1b[0m"),
        }
    }
}

/// What a colour says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Paint {
    Good,
    Bad,
    Odd,
    Dim,
    Strong,
}

/// How text is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Whether it has colours.
    pub style: Style,
    /// The columns of the terminal. `None` is a pipe: one line for each thing, never broken, each with
    /// a word in capitals in front.
    pub columns: Option<usize>,
    /// Whether what is as it should be is shown check by check.
    pub verbose: bool,
}

impl Layout {
    /// Lines for programs.
    pub const PIPE: Self = Self { style: Style::Plain, columns: None, verbose: false };
}

/// The word in capitals in front of a finding.
pub fn verdict_word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "PASS",
        Verdict::Warning => "WARN",
        Verdict::Fail => "FAIL",
        Verdict::NotApplicable | Verdict::NotTested => "SKIP",
    }
}

fn paint_of(verdict: Verdict) -> Paint {
    match verdict {
        Verdict::Pass => Paint::Good,
        Verdict::Warning => Paint::Odd,
        Verdict::Fail => Paint::Bad,
        Verdict::NotApplicable | Verdict::NotTested => Paint::Dim,
    }
}

fn outcome_word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Passed => "PASSED",
        Outcome::Failed => "FAILED",
        Outcome::NotTested => "NOT TESTED",
    }
}

/// A phase in words, with the option that asks for it.
pub fn phase_words(phase: Phase) -> &'static str {
    match phase {
        Phase::Environment => "environment",
        Phase::Basic => "basic behaviour",
        Phase::All => "every check on one host (--all)",
        Phase::Concurrent => "concurrent writes on two hosts (-c)",
        Phase::Waiting => "waiting for and release of locks on two hosts (-w)",
        Phase::Long => "what takes minutes (--long)",
        Phase::Format => "integrity: format (-f)",
        Phase::Append => "integrity: append (-a)",
        Phase::Verify => "integrity: verify (-i)",
        Phase::Failure => "a failure that was injected (--golive)",
    }
}

/// A phase as JSON names it.
fn phase_name(phase: Phase) -> &'static str {
    match phase {
        Phase::Environment => "environment",
        Phase::Basic => "basic",
        Phase::All => "all",
        Phase::Concurrent => "concurrent",
        Phase::Waiting => "waiting",
        Phase::Long => "long",
        Phase::Format => "format",
        Phase::Append => "append",
        Phase::Verify => "verify",
        Phase::Failure => "failure",
    }
}

const PHASES: &[Phase] = &[
    Phase::Environment,
    Phase::Basic,
    Phase::All,
    Phase::Concurrent,
    Phase::Waiting,
    Phase::Long,
    Phase::Format,
    Phase::Append,
    Phase::Verify,
    Phase::Failure,
];

/// The part of an id before the point, in words.
fn group_words(check: &str) -> &str {
    match group_of(check) {
        "env" => "environment",
        "perm" => "permissions",
        "error" => "errors",
        "lock" => "locks",
        "name" => "names",
        "data" => "data",
        "sync" => "durability",
        "see" => "visibility",
        "int" => "integrity",
        other => other,
    }
}

fn group_of(check: &str) -> &str {
    check.split_once('.').map_or(check, |(group, _)| group)
}

/// The groups of the findings in the order in which they come first.
fn groups(report: &Report) -> Vec<&str> {
    let mut groups = Vec::new();
    for found in &report.findings {
        let group = group_of(&found.check);
        if !groups.contains(&group) {
            groups.push(group);
        }
    }
    groups
}

/// Text that is safe to show: control characters, and those that reorder or hide text, are spelt out.
fn clean(text: &str) -> String {
    let mut done = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => done.push_str("\\n"),
            '\t' => done.push_str("\\t"),
            '\r' => done.push_str("\\r"),
            '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{2069}'
            | '\u{e000}'..='\u{f8ff}'
            | '\u{feff}'
            | '\u{fff0}'..='\u{ffff}'
            | '\u{e0000}'..='\u{10ffff}' => _ = write!(done, "\\u{{{:x}}}", u32::from(c)),
            c if c.is_control() => _ = write!(done, "\\x{:02x}", u32::from(c)),
            c => done.push(c),
        }
    }
    done
}

/// A word for a line that is read by columns: also blanks are spelt out, and it is never empty.
fn word(text: &str) -> String {
    let text = clean(text).replace(' ', "\\x20");
    if text.is_empty() { "-".to_owned() } else { text }
}

/// The hosts of a finding: `host1>host2` if the first acted first.
fn hosts_word(found: &Finding) -> String {
    if found.hosts.is_empty() {
        return "-".to_owned();
    }
    let hosts: Vec<_> = found.hosts.iter().map(|host| word(host)).collect();
    hosts.join(">")
}

/// A time in the unit that suits it.
fn duration(seconds: f64) -> String {
    match seconds {
        s if !(0.0..1e9).contains(&s) => "?".to_owned(),
        0.0 => "0 s".to_owned(),
        s if s < 0.000_999_5 => format!("{:.0} us", s * 1e6),
        s if s < 0.009_995 => format!("{:.2} ms", s * 1e3),
        s if s < 0.099_95 => format!("{:.1} ms", s * 1e3),
        s if s < 0.999_5 => format!("{:.0} ms", s * 1e3),
        s if s < 9.995 => format!("{s:.2} s"),
        s if s < 120.0 => format!("{s:.1} s"),
        s if s < 7200.0 => format!("{:.1} min", s / 60.0),
        s => format!("{:.1} h", s / 3600.0),
    }
}

/// A point in time, by the calendar: "2026-11-21 19:08:57 UTC".
pub fn date(microseconds: i64) -> String {
    let seconds = microseconds.div_euclid(1_000_000);
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // The calendar repeats every 400 years of 146097 days; counted from 0000-03-01, a year ends with
    // its leap day.
    let days = days + 719_468;
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + era * 400 + i64::from(month <= 2);
    let (hour, minute) = (second / 3600, second % 3600 / 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{:02} UTC", second % 60)
}

/// A text of the run without the name of the run's folder, which is random and gone when it is read.
fn without_folder(text: &str) -> String {
    let mut short = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("amqmfsck-") {
        short.push_str(before);
        let end = after.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(after.len());
        match after[end..].strip_prefix(".tmp/") {
            Some(name) if end == 32 => rest = name,
            _ => {
                short.push_str("amqmfsck-");
                rest = after;
            }
        }
    }
    short.push_str(rest);
    short
}

/// What one observation says, without its host: "fsync(3) of data-1: EIO (Input/output error)".
fn evidence_words(evidence: &Evidence) -> String {
    let (call, file) = (without_folder(&evidence.call), without_folder(&evidence.file));
    let mut text = clean(&call);
    if !file.is_empty() && !call.contains(&file) {
        let of = if text.is_empty() { "" } else { " of " };
        _ = write!(text, "{of}{}", clean(&file));
    }
    let mut parts = Vec::new();
    if let Some(errno) = evidence.errno {
        let words = miqm_sys::probe::errno_text(errno);
        // Also a report that was read from elsewhere has the number.
        let name = if evidence.error.is_empty() {
            format!("errno {errno}")
        } else {
            clean(&evidence.error)
        };
        parts.push(format!("{name} ({words})"));
    }
    match (evidence.page, evidence.offset) {
        (Some(page), Some(offset)) => parts.push(format!("page {page}, byte {offset}")),
        (Some(page), None) => parts.push(format!("page {page}")),
        (None, Some(offset)) => parts.push(format!("byte {offset}")),
        (None, None) => {}
    }
    if let Some(seconds) = evidence.seconds {
        parts.push(format!("after {}", duration(seconds)));
    }
    if !evidence.note.is_empty() {
        parts.push(clean(&without_folder(&evidence.note)));
    }
    match (text.is_empty(), parts.is_empty()) {
        (false, false) => format!("{text}: {}", parts.join("; ")),
        (true, _) => parts.join("; "),
        (_, true) => text,
    }
}

/// The same with the host in front.
fn evidence_line(evidence: &Evidence) -> String {
    let words = evidence_words(evidence);
    if evidence.host.is_empty() { words } else { format!("{}: {words}", clean(&evidence.host)) }
}

/// `nfs4, filer:/mqm on /MQHA`, as far as it is known.
fn mount_words(host: &HostFacts) -> String {
    let mut text = match (host.fs_type.as_str(), host.magic) {
        ("", 0) => "file system unknown".to_owned(),
        ("", magic) => format!("file system 0x{magic:x}"),
        (name, _) => clean(name),
    };
    if !host.source.is_empty() {
        _ = write!(text, ", {}", clean(&host.source));
    }
    if !host.mount_point.is_empty() {
        _ = write!(text, " on {}", clean(&host.mount_point));
    }
    text
}

/// The last word on a run, after "PASSED: ".
fn verdict_sentence(report: &Report) -> String {
    let directory = clean(&report.directory);
    let count = |verdict| report.count(verdict);
    let mut parts = Vec::new();
    let mut part = |count: usize, words: &str| {
        if count > 0 {
            parts.push(format!("{count} {words}"));
        }
    };
    part(count(Verdict::Fail), "failed");
    part(count(Verdict::Pass), "passed");
    match count(Verdict::Warning) {
        1 => part(1, "warning"),
        more => part(more, "warnings"),
    }
    part(count(Verdict::NotTested), "not tested");
    part(count(Verdict::NotApplicable), "not applicable");
    let counts = if parts.is_empty() { "no check was made".to_owned() } else { parts.join(", ") };
    let start = match report.outcome {
        Outcome::Passed => format!("Everything that was asked of {directory} holds"),
        Outcome::Failed => format!("{directory} must not carry a queue manager as it is"),
        Outcome::NotTested => {
            format!("Nothing failed on {directory}, but not all that was asked could be tested")
        }
    };
    format!("{start}: {counts}, in {}.", duration(report.seconds))
}

/// The checks that decided against the run, each once.
fn culprits(report: &Report) -> Vec<&str> {
    let guilty = |found: &&Finding| match report.outcome {
        Outcome::Failed => found.verdict == Verdict::Fail,
        Outcome::NotTested => found.verdict == Verdict::NotTested && found.required,
        Outcome::Passed => false,
    };
    let mut ids = Vec::new();
    for found in report.findings.iter().filter(guilty) {
        if !ids.contains(&found.check.as_str()) {
            ids.push(found.check.as_str());
        }
    }
    ids
}

/// Arguments as a shell reads them.
pub fn command_line<'a>(arguments: impl IntoIterator<Item = &'a str>) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    let quote = |argument: &str| {
        if !argument.is_empty() && argument.chars().all(plain) {
            argument.to_owned()
        } else {
            format!("'{}'", argument.replace('\'', "'\\''"))
        }
    };
    arguments.into_iter().map(quote).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests;
