//! For a terminal and for a pipe.
//!
//! The lines of a pipe are an interface: a word in capitals, then words without blanks, then after a
//! colon what people read. Lines that begin with blanks belong to the finding above them.

use std::fmt::Write as _;

use super::measured::{Measured, measured};
use super::wrap::{pad, pad_left, wrap};
use super::{
    Layout, Paint, clean, culprits, duration, evidence_line, group_of, group_words, groups,
    hosts_word, mount_words, outcome_word, paint_of, phase_name, phase_words, verdict_sentence,
    verdict_word, without_folder, word,
};
use crate::finding::{Evidence, Finding, Verdict};
use crate::report::{HostFacts, Outcome, Phase, Report};

/// The most observations of one finding that are shown, unless everything is.
const EVIDENCE_MAX: usize = 6;

/// The indent of what belongs to a finding.
const INDENT: usize = 6;

/// What stands above everything: which directory, and the phases. Ends with a line feed, as all here.
pub fn heading(directory: &str, phases: &[Phase], layout: &Layout) -> String {
    let mut text = String::new();
    let version = env!("CARGO_PKG_VERSION");
    if layout.columns.is_none() {
        let names: Vec<_> = phases.iter().map(|phase| phase_name(*phase)).collect();
        let directory = word(directory);
        _ = writeln!(text, "TEST {directory} phases={} version={version}", names.join(","));
        return text;
    }
    let title = format!("amqmfsck {version}: {}", clean(directory));
    wrap(&mut text, layout.columns, "", 2, &layout.style.paint(Paint::Strong, &title));
    if !phases.is_empty() {
        let words: Vec<_> = phases.iter().map(|phase| phase_words(*phase)).collect();
        wrap(&mut text, layout.columns, "  ", 2, &words.join("; "));
    }
    text
}

/// One finding by itself, for whoever wants each as it is found: a line, and below it what is wrong.
pub fn finding(found: &Finding, layout: &Layout) -> String {
    let mut text = String::new();
    let word_of = layout.style.paint(paint_of(found.verdict), verdict_word(found.verdict));
    let (id, hosts) = (word(&found.check), hosts_word(found));
    let kind = match found.verdict {
        Verdict::NotTested if found.required => "not tested, but required: ",
        Verdict::NotTested => "not tested: ",
        Verdict::NotApplicable => "not applicable: ",
        _ => "",
    };
    let summary = format!("{kind}{}", clean(&without_folder(&found.summary)));
    let Some(columns) = layout.columns else {
        _ = writeln!(text, "{word_of} {id} {:.3}s {hosts}: {summary}", found.seconds);
        let is_good = matches!(found.verdict, Verdict::Pass | Verdict::NotApplicable);
        let shown = if is_good && !layout.verbose { &[][..] } else { &found.evidence };
        let evidence: Vec<_> = shown.iter().collect();
        details(&mut text, found, &evidence, layout, usize::MAX);
        return text;
    };
    let start = format!("{word_of}  {} {} ", pad(&id, 24), pad_left(&duration(found.seconds), 7));
    let hosts = if found.hosts.len() < 2 { String::new() } else { format!("{hosts}: ") };
    wrap(&mut text, Some(columns), &start, INDENT, &format!("{hosts}{summary}"));
    text
}

/// Evidence, reason and remedy of a finding that is not as it should be.
fn details(
    text: &mut String,
    found: &Finding,
    evidence: &[&Evidence],
    layout: &Layout,
    evidence_max: usize,
) {
    let line = |text: &mut String, name: &str, words: &str| {
        let first = format!("{:INDENT$}{name}", "");
        let indent = if name == "- " { INDENT + 2 } else { INDENT + 8 };
        wrap(text, layout.columns, &first, indent, words);
    };
    for one in evidence.iter().take(evidence_max) {
        line(text, "- ", &evidence_line(one));
    }
    if evidence.len() > evidence_max {
        let more = evidence.len() - evidence_max;
        line(text, "- ", &format!("and {more} more, which -v and --json show"));
    }
    if matches!(found.verdict, Verdict::Fail | Verdict::Warning) {
        line(text, "Why:    ", &clean(&found.why));
    }
    if !found.change.is_empty() {
        line(text, "Change: ", &clean(&found.change));
    }
}

/// The whole report. For a pipe it is what follows the findings, which were told one by one by
/// [`finding`]; for a terminal it is everything below [`heading`].
pub fn report(report: &Report, layout: &Layout) -> String {
    if layout.columns.is_none() {
        return tail(report);
    }
    let mut text = String::new();
    hosts(&mut text, report, layout);
    if layout.verbose {
        section(&mut text, layout, "Checks");
        for found in &report.findings {
            text.push_str(&finding(found, layout));
        }
    } else {
        table(&mut text, report, layout);
    }
    times(&mut text, report, layout);
    not_tested(&mut text, report, layout);
    for verdict in [Verdict::Warning, Verdict::Fail] {
        blocks(&mut text, report, verdict, layout);
    }
    if !report.not_shown.is_empty() {
        section(&mut text, layout, "Not shown by this run");
        for what in &report.not_shown {
            wrap(&mut text, layout.columns, "  * ", 4, &clean(what));
        }
    }
    if !report.ended_early.is_empty() {
        section(&mut text, layout, "Ended early");
        wrap(&mut text, layout.columns, "  ", 2, &clean(&report.ended_early));
    }
    text.push('\n');
    last_line(&mut text, report, layout);
    text
}

/// What a pipe gets after the findings.
fn tail(report: &Report) -> String {
    let mut text = String::new();
    for host in &report.hosts {
        _ = write!(text, "HOST {} directory={}", word(&host.name), word(&host.directory));
        for (name, value) in [
            ("fs", &host.fs_type),
            ("source", &host.source),
            ("mount", &host.mount_point),
            ("options", &host.options),
            ("user", &host.user),
            ("kernel", &host.kernel),
        ] {
            // A user is "mqm (990)".
            _ = write!(text, " {name}={}", word(&value.replace(" (", "(")));
        }
        text.push('\n');
    }
    for one in measured(report) {
        let [p50, p99, max] = [0.5, 0.99, 1.0].map(|share| one.quantile(share));
        let name = word(&one.name.replace(' ', "-"));
        let place = one.place.replace(" > ", ">").replace(" to ", ">").replace(" and ", "+");
        let (place, count) = (word(&place), one.seconds.len());
        _ = writeln!(text, "TIME {name} {place} n={count} p50={p50:.6} p99={p99:.6} max={max:.6}");
    }
    for what in &report.not_shown {
        _ = writeln!(text, "NOTE not shown: {}", clean(what));
    }
    if !report.ended_early.is_empty() {
        _ = writeln!(text, "NOTE ended early: {}", clean(&report.ended_early));
    }
    last_line(&mut text, report, &Layout::PIPE);
    text
}

fn section(text: &mut String, layout: &Layout, title: &str) {
    _ = writeln!(text, "\n{}", layout.style.paint(Paint::Strong, title));
}

fn hosts(text: &mut String, report: &Report, layout: &Layout) {
    let name_columns = report.hosts.iter().map(|host| clean(&host.name).chars().count()).max();
    let name_columns = name_columns.unwrap_or(0).clamp(6, 24);
    for host in &report.hosts {
        let first = format!("  {}  ", pad(&clean(&host.name), name_columns));
        let indent = name_columns + 4;
        let user = match host.user.as_str() {
            "" => String::new(),
            user => format!(", as {}", clean(user)),
        };
        let line = format!("{}{user}", mount_words(host));
        wrap(text, layout.columns, &first, indent, &line);
        if !host.options.is_empty() && (layout.verbose || is_shared(host)) {
            wrap(text, layout.columns, &" ".repeat(indent), indent, &clean(&host.options));
        }
        if layout.verbose && !host.kernel.is_empty() {
            let kernel = format!("kernel {}", clean(&host.kernel));
            wrap(text, layout.columns, &" ".repeat(indent), indent, &kernel);
        }
    }
}

/// Whether the mount options decide much: those of a local disk do not.
fn is_shared(host: &HostFacts) -> bool {
    let local =
        ["ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "f2fs", "tmpfs", "ramfs", "overlay"];
    !local.contains(&host.fs_type.as_str())
}

/// A line for each group of checks.
fn table(text: &mut String, report: &Report, layout: &Layout) {
    if !report.findings.is_empty() {
        text.push('\n');
    }
    for group in groups(report) {
        let of_group = || report.findings.iter().filter(|found| group_of(&found.check) == group);
        let count = |verdict| of_group().filter(|found| found.verdict == verdict).count();
        let mut parts = Vec::new();
        for (verdict, words) in [
            (Verdict::Fail, "FAILED"),
            (Verdict::Pass, "passed"),
            (Verdict::Warning, if count(Verdict::Warning) == 1 { "warning" } else { "warnings" }),
            (Verdict::NotTested, "not tested"),
            (Verdict::NotApplicable, "not applicable"),
        ] {
            if count(verdict) > 0 {
                parts.push(format!("{} {words}", count(verdict)));
            }
        }
        let seconds: f64 = of_group().map(|found| found.seconds).sum();
        // The findings of the integrity test come all at once, in the end.
        let took = if seconds == 0.0 { String::new() } else { duration(seconds) };
        let name = pad(&clean(group_words(group)), 14);
        let first = format!("  {name}{}   ", pad_left(&took, 8));
        wrap(text, layout.columns, &first, 27, &parts.join(", "));
    }
}

/// Below so many values, all of them short, times are not worth a line.
const VALUES_MIN: usize = 10;
/// What is short, in seconds.
const SHORT: f64 = 0.1;

fn times(text: &mut String, report: &Report, layout: &Layout) {
    let mut all = measured(report);
    if !layout.verbose {
        // Between hosts a lock's way is what the test was made for.
        let is_way = |one: &Measured<'_>| report.hosts.len() > 1 && one.group == "lock";
        let is_much = |one: &Measured<'_>| one.seconds.len() >= VALUES_MIN || one.max() >= SHORT;
        all.retain(|one| is_way(one) || is_much(one));
    }
    if all.is_empty() {
        return;
    }
    let labels: Vec<_> = all.iter().map(Measured::label).collect();
    let widest = labels.iter().map(|label| label.chars().count()).max().unwrap_or(0);
    // The numbers take 37 columns.
    let room = layout.columns.unwrap_or(80).saturating_sub(39).clamp(16, 60);
    let columns = widest.min(room);
    let title = |text: &str| layout.style.paint(Paint::Strong, text);
    _ = writeln!(
        text,
        "\n{}{} {} {} {}",
        pad(&title("Measured"), columns + 2),
        pad_left("count", 7),
        pad_left("median", 9),
        pad_left("99 %", 9),
        pad_left("longest", 9)
    );
    for (one, label) in all.iter().zip(&labels) {
        if label.chars().count() > columns {
            // A label that is too long has a line of its own.
            _ = writeln!(text, "  {label}");
        }
        let shown = if label.chars().count() > columns { "" } else { label.as_str() };
        let [p50, p99, max] = [one.quantile(0.5), one.quantile(0.99), one.max()].map(duration);
        _ = writeln!(
            text,
            "  {}{} {} {} {}",
            pad(shown, columns),
            pad_left(&one.seconds.len().to_string(), 7),
            pad_left(&p50, 9),
            pad_left(&p99, 9),
            pad_left(&max, 9)
        );
    }
}

/// Findings that say the same of one check, in one phase or several, between these hosts or those.
pub(super) struct Block<'a> {
    pub(super) found: &'a Finding,
    /// "host1 > host2", each once.
    pub(super) hosts: Vec<String>,
    pub(super) evidence: Vec<&'a Evidence>,
}

pub(super) fn merged(report: &Report, verdict: Verdict) -> Vec<Block<'_>> {
    let mut blocks: Vec<Block<'_>> = Vec::new();
    for found in report.findings.iter().filter(|found| found.verdict == verdict) {
        let same = |block: &Block<'_>| {
            block.found.check == found.check && block.found.summary == found.summary
        };
        let at = blocks.iter().position(same).unwrap_or_else(|| {
            blocks.push(Block { found, hosts: Vec::new(), evidence: Vec::new() });
            blocks.len() - 1
        });
        let hosts = hosts_word(found).replace('>', " > ");
        if !blocks[at].hosts.contains(&hosts) {
            blocks[at].hosts.push(hosts);
        }
        for one in &found.evidence {
            if !blocks[at].evidence.contains(&one) {
                blocks[at].evidence.push(one);
            }
        }
    }
    blocks
}

/// What is wrong, each with all that is known of it.
fn blocks(text: &mut String, report: &Report, verdict: Verdict, layout: &Layout) {
    for Block { found, hosts, evidence } in merged(report, verdict) {
        let mark = layout.style.paint(paint_of(verdict), verdict_word(verdict));
        let id = layout.style.paint(Paint::Strong, &clean(&found.check));
        let hosts = match hosts.join(", ") {
            hosts if hosts == "-" => String::new(),
            hosts => format!(" ({hosts})"),
        };
        text.push('\n');
        wrap(text, layout.columns, &format!("{mark}  "), INDENT, &format!("{id}{hosts}"));
        wrap(
            text,
            layout.columns,
            &" ".repeat(INDENT),
            INDENT,
            &clean(&without_folder(&found.summary)),
        );
        let most = if layout.verbose { usize::MAX } else { EVIDENCE_MAX };
        details(text, found, &evidence, layout, most);
    }
}

/// What could not be tested: the checks that share a cause together.
fn not_tested(text: &mut String, report: &Report, layout: &Layout) {
    let blocks = merged(report, Verdict::NotTested);
    if blocks.is_empty() {
        return;
    }
    section(text, layout, "Not tested");
    let mut causes: Vec<&str> = Vec::new();
    for block in &blocks {
        if !causes.contains(&block.found.summary.as_str()) {
            causes.push(&block.found.summary);
        }
    }
    for cause in causes {
        let of_cause = || blocks.iter().filter(|block| block.found.summary == cause);
        let id = |block: &Block<'_>| {
            let required = if block.found.required { " (required)" } else { "" };
            format!("{}{required}", layout.style.paint(Paint::Strong, &clean(&block.found.check)))
        };
        let ids: Vec<_> = of_cause().map(id).collect();
        let mark = layout.style.paint(Paint::Dim, verdict_word(Verdict::NotTested));
        let words = format!("{}: {}", ids.join(", "), clean(&without_folder(cause)));
        wrap(text, layout.columns, &format!("{mark}  "), INDENT, &words);
        for Block { found, evidence, .. } in of_cause() {
            details(text, found, evidence, layout, EVIDENCE_MAX);
        }
    }
}

/// The last line, and above it which checks it rests on.
fn last_line(text: &mut String, report: &Report, layout: &Layout) {
    let paint = match report.outcome {
        Outcome::Passed => Paint::Good,
        Outcome::Failed => Paint::Bad,
        Outcome::NotTested => Paint::Odd,
    };
    let word = layout.style.paint(paint, outcome_word(report.outcome));
    let mut sentence = verdict_sentence(report);
    let ids: Vec<_> = culprits(report).into_iter().map(clean).collect();
    if !ids.is_empty() {
        sentence.truncate(sentence.len() - 1);
        _ = write!(sentence, " ({}).", ids.join(", "));
    }
    wrap(text, layout.columns, &format!("{word}: "), 2, &sentence);
}
