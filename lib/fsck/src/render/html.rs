//! One page for the change ticket: no scripts, and nothing from elsewhere.
//!
//! It is HTML that is also well-formed XML, so that a strict parser shows that nothing broke out of
//! its place. Every text goes through [`text`] or, in an attribute, the same.

mod plot;

use std::fmt::Write as _;

use super::measured::{Measured, measured};
use super::text::{Block, merged};
use super::{
    clean, command_line, culprits, date, duration, evidence_line, group_of, group_words, groups,
    outcome_word, phase_words, verdict_sentence, verdict_word, without_folder,
};
use crate::finding::{Finding, Verdict};
use crate::report::{HostFacts, Outcome, Phase, Report};

const CSS: &str = include_str!("html/page.css");

/// Nothing may be loaded, run or sent; the only style is the page's own.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/// The most observations of one finding; JSON has all of them.
const EVIDENCE_MAX: usize = 50;

/// Text between tags or in an attribute.
fn text(raw: &str) -> String {
    let mut safe = String::with_capacity(raw.len());
    for c in clean(raw).chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c => safe.push(c),
        }
    }
    safe
}

/// The page of a report.
pub fn page(report: &Report) -> String {
    let mut page = String::new();
    let directory = text(&report.directory);
    _ = write!(
        page,
        "<!DOCTYPE html>\n<html lang=\"en\" xmlns=\"http://www.w3.org/1999/xhtml\">\n<head>\n\
         <meta charset=\"utf-8\"/>\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{}\"/>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n\
         <meta name=\"referrer\" content=\"no-referrer\"/>\n\
         <title>{}: storage check of {directory}</title>\n<style>\n{CSS}</style>\n</head>\n<body>\n",
        text(POLICY),
        outcome_word(report.outcome),
    );
    header(&mut page, report);
    page.push_str("<main>\n");
    wrong(&mut page, report);
    hosts(&mut page, report);
    checks(&mut page, report);
    times(&mut page, report);
    not_shown(&mut page, report);
    repeat(&mut page, report);
    page.push_str("</main>\n");
    _ = write!(
        page,
        "<footer><p>Written by amqmfsck {}. This page runs no scripts and loads nothing. The same \
         report for programs: <code>--json</code>.</p></footer>\n</body>\n</html>\n",
        text(&report.version)
    );
    page
}

fn header(page: &mut String, report: &Report) {
    let class = match report.outcome {
        Outcome::Passed => "good",
        Outcome::Failed => "bad",
        Outcome::NotTested => "odd",
    };
    _ = write!(
        page,
        "<header>\n<h1>Storage check of <code>{}</code></h1>\n<div class=\"banner {class}\">\
         <strong>{}</strong><span>{}",
        text(&report.directory),
        outcome_word(report.outcome),
        text(&verdict_sentence(report))
    );
    let culprits: Vec<_> =
        culprits(report).iter().map(|id| format!("<code>{}</code>", text(id))).collect();
    if !culprits.is_empty() {
        _ = write!(page, " It rests on {}.", culprits.join(", "));
    }
    if !report.ended_early.is_empty() {
        _ = write!(page, " The run ended early: {}", text(&report.ended_early));
    }
    page.push_str("</span></div>\n<dl>\n");
    let phases: Vec<_> = report.phases.iter().map(|phase| phase_words(*phase)).collect();
    for (name, value) in [
        ("Begun", date(report.started)),
        ("Took", duration(report.seconds)),
        ("Phases", phases.join("; ")),
        ("Hosts", report.hosts.iter().map(|host| clean(&host.name)).collect::<Vec<_>>().join(", ")),
        ("Run", clean(&report.run)),
    ] {
        if !value.is_empty() {
            _ = writeln!(page, "<dt>{name}</dt><dd>{}</dd>", text(&value));
        }
    }
    page.push_str("</dl>\n</header>\n");
}

/// Class and word of a verdict.
fn mark(verdict: Verdict) -> (&'static str, String) {
    let class = match verdict {
        Verdict::Pass => "good",
        Verdict::Warning => "odd",
        Verdict::Fail => "bad",
        Verdict::NotApplicable | Verdict::NotTested => "skip",
    };
    (class, format!("<span class=\"mark {class}\">{}</span>", verdict_word(verdict)))
}

/// The hosts of a finding, with an arrow from the one that acted first.
fn host_names(found: &Finding) -> String {
    let names: Vec<_> = found.hosts.iter().map(|host| text(host)).collect();
    names.join(" &#8594; ")
}

/// What failed, what has a consequence, what could not be tested: each with all that is known.
fn wrong(page: &mut String, report: &Report) {
    for (title, verdict) in [
        ("What does not hold", Verdict::Fail),
        ("What holds with a consequence", Verdict::Warning),
        ("What could not be tested", Verdict::NotTested),
    ] {
        let blocks = merged(report, verdict);
        if blocks.is_empty() {
            continue;
        }
        _ = writeln!(page, "<section>\n<h2>{title}</h2>");
        for block in blocks {
            article(page, &block);
        }
        page.push_str("</section>\n");
    }
}

fn article(page: &mut String, Block { found, hosts, evidence }: &Block<'_>) {
    let (class, mark) = mark(found.verdict);
    let (id, title) = (text(&found.check), text(&found.title));
    let hosts: Vec<_> =
        hosts.iter().map(|hosts| text(hosts).replace(" &gt; ", " &#8594; ")).collect();
    _ = write!(
        page,
        "<article class=\"{class}\">\n<h3>{mark} <code>{id}</code> <small>{}</small></h3>\n\
         <p>{}</p>\n",
        hosts.join(", "),
        text(&without_folder(&found.summary))
    );
    if !evidence.is_empty() {
        page.push_str("<ul>\n");
        for one in evidence.iter().take(EVIDENCE_MAX) {
            _ = writeln!(page, "<li>{}</li>", text(&evidence_line(one)));
        }
        if let Some(more @ 1..) = evidence.len().checked_sub(EVIDENCE_MAX) {
            _ = writeln!(page, "<li>and {more} more, which <code>--json</code> shows</li>");
        }
        page.push_str("</ul>\n");
    }
    _ = writeln!(page, "<dl>\n<dt>Asserts</dt><dd>{title}</dd>");
    for (name, value) in [("Why", &found.why), ("Change", &found.change)] {
        if !value.is_empty() {
            _ = writeln!(page, "<dt>{name}</dt><dd>{}</dd>", text(value));
        }
    }
    page.push_str("</dl>\n</article>\n");
}

/// What is known of a host, by name.
fn facts(host: &HostFacts) -> [(&'static str, String); 14] {
    let groups: Vec<_> = host.groups.iter().map(ToString::to_string).collect();
    let lease = host.nfs.as_ref().and_then(|nfs| nfs.lease_seconds);
    let free = host.space.map(|space| space.blocks_available.saturating_mul(space.block_bytes));
    let settings: Vec<_> =
        host.settings.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let magic = if host.magic == 0 { String::new() } else { format!("0x{:x}", host.magic) };
    [
        ("Directory", host.directory.clone()),
        ("File system", host.fs_type.clone()),
        ("Mounted from", host.source.clone()),
        ("Mounted on", host.mount_point.clone()),
        ("Options", host.options.clone()),
        ("Magic number", magic),
        ("Settings", settings.join(", ")),
        ("Lease", lease.map(|seconds| format!("{seconds} s")).unwrap_or_default()),
        ("Free", free.map(|bytes| format!("{} MiB", bytes >> 20)).unwrap_or_default()),
        ("User", host.user.clone()),
        ("Groups", groups.join(", ")),
        ("Node", host.node.clone()),
        ("Kernel", host.kernel.clone()),
        ("Checker", host.version.clone()),
    ]
}

fn hosts(page: &mut String, report: &Report) {
    if report.hosts.is_empty() {
        return;
    }
    page.push_str("<section>\n<h2>Hosts and mounts</h2>\n<div class=\"scroll\"><table>\n");
    if report.hosts.len() > 1 {
        page.push_str("<caption>Mount options that not all hosts have are marked.</caption>\n");
    }
    page.push_str("<thead><tr><th scope=\"col\">Host</th>");
    for host in &report.hosts {
        _ = write!(page, "<th scope=\"col\">{}</th>", text(&host.name));
    }
    page.push_str("</tr></thead>\n<tbody>\n");
    let all: Vec<_> = report.hosts.iter().map(facts).collect();
    for at in 0..all[0].len() {
        let name = all[0][at].0;
        if all.iter().all(|facts| facts[at].1.is_empty()) {
            continue;
        }
        _ = write!(page, "<tr><th scope=\"row\">{name}</th>");
        for facts in &all {
            let value = if name == "Options" {
                let others: Vec<_> = all.iter().map(|facts| facts[at].1.as_str()).collect();
                options(&facts[at].1, &others)
            } else {
                text(&facts[at].1)
            };
            _ = write!(page, "<td>{value}</td>");
        }
        page.push_str("</tr>\n");
    }
    page.push_str("</tbody>\n</table></div>\n</section>\n");
}

/// Mount options, marked where one of all hosts does not have the same.
fn options(own: &str, all: &[&str]) -> String {
    let parts: Vec<_> = own
        .split(',')
        .map(|option| {
            // Every client has an address of its own.
            let shared = option.starts_with("clientaddr=")
                || all.iter().all(|other| other.split(',').any(|one| one == option));
            let option = text(option);
            if shared { option } else { format!("<mark>{option}</mark>") }
        })
        .collect();
    parts.join(", ")
}

fn checks(page: &mut String, report: &Report) {
    if report.findings.is_empty() {
        return;
    }
    page.push_str(
        "<section>\n<h2>Checks</h2>\n<div class=\"scroll\"><table>\n<thead><tr>\
         <th scope=\"col\">Verdict</th><th scope=\"col\">Check</th><th scope=\"col\">Hosts</th>\
         <th scope=\"col\">Found</th><th scope=\"col\" class=\"number\">Took</th></tr></thead>\n",
    );
    for group in groups(report) {
        let name = text(group_words(group));
        _ = writeln!(
            page,
            "<tbody>\n<tr class=\"group\"><th scope=\"rowgroup\" colspan=\"5\">{name}</th></tr>"
        );
        for found in report.findings.iter().filter(|found| group_of(&found.check) == group) {
            let words = match found.verdict {
                Verdict::NotApplicable => "Not applicable: ",
                Verdict::NotTested if found.required => "Not tested, but required: ",
                Verdict::NotTested => "Not tested: ",
                _ => "",
            };
            _ = writeln!(
                page,
                "<tr><td>{}</td><th scope=\"row\"><code>{}</code><small>{}</small></th><td>{}</td><td>{words}{}</td>\
                 <td class=\"number\">{}</td></tr>",
                mark(found.verdict).1,
                text(&found.check),
                text(&found.title),
                host_names(found),
                text(&without_folder(&found.summary)),
                duration(found.seconds)
            );
        }
        page.push_str("</tbody>\n");
    }
    page.push_str("</table></div>\n</section>\n");
}

fn times(page: &mut String, report: &Report) {
    let all = measured(report);
    if all.is_empty() {
        return;
    }
    page.push_str("<section>\n<h2>Measured</h2>\n");
    let mut groups: Vec<&str> = Vec::new();
    for one in &all {
        if !groups.contains(&one.group) {
            groups.push(one.group);
        }
    }
    for group in groups {
        let rows: Vec<_> = all.iter().filter(|one| one.group == group).collect();
        let name = group_words(group);
        _ = writeln!(page, "<h3>{}</h3>", text(name));
        page.push_str(&plot::strips(name, &rows));
        page.push_str(&plot::shares(name, &rows));
        numbers(page, &rows);
    }
    page.push_str("</section>\n");
}

/// The same as numbers.
fn numbers(page: &mut String, rows: &[&Measured<'_>]) {
    page.push_str("<div class=\"scroll\"><table>\n<thead><tr><th scope=\"col\">What</th>");
    for name in ["Count", "Shortest", "Median", "90 %", "99 %", "Longest"] {
        _ = write!(page, "<th scope=\"col\" class=\"number\">{name}</th>");
    }
    page.push_str("</tr></thead>\n<tbody>\n");
    for row in rows {
        _ = write!(page, "<tr><th scope=\"row\">{}</th>", text(&row.label()));
        _ = write!(page, "<td class=\"number\">{}</td>", row.seconds.len());
        for share in [0.0, 0.5, 0.9, 0.99, 1.0] {
            _ = write!(page, "<td class=\"number\">{}</td>", duration(row.quantile(share)));
        }
        page.push_str("</tr>\n");
    }
    page.push_str("</tbody>\n</table></div>\n");
}

fn not_shown(page: &mut String, report: &Report) {
    page.push_str("<section>\n<h2>What this run does not show</h2>\n<ul>\n");
    for what in &report.not_shown {
        _ = writeln!(page, "<li>{}</li>", text(what));
    }
    page.push_str(
        "<li>Anything about other directories, other mount options, other versions of the server or \
         of the kernel, or times after this run.</li>\n</ul>\n</section>\n",
    );
}

/// What to type to have the same again.
fn repeat(page: &mut String, report: &Report) {
    page.push_str("<section>\n<h2>How to repeat it</h2>\n");
    if !report.command.is_empty() {
        let command = text(&report.command);
        let host = report.hosts.first().map(|host| format!(" On {}:", text(&host.name)));
        let host = host.unwrap_or_default();
        _ = writeln!(page, "<p>This run.{host}</p>\n<pre>{command}</pre>");
    }
    let directory = clean(&report.directory);
    let option = |phase: &Phase| match phase {
        Phase::All => Some("--all"),
        Phase::Concurrent => Some("-c"),
        Phase::Waiting => Some("-w"),
        Phase::Long => Some("--long"),
        Phase::Format => Some("-f"),
        Phase::Append => Some("-a"),
        Phase::Verify => Some("-i"),
        Phase::Failure => Some("--golive"),
        Phase::Environment | Phase::Basic => None,
    };
    let options: Vec<_> = report.phases.iter().filter_map(option).collect();
    let mut commands = vec![command_line(["amqmfsck", &directory])];
    commands.extend(options.iter().map(|option| command_line(["amqmfsck", option, &directory])));
    if options.contains(&"--all") {
        // It has the checks of the basic phase, too.
        commands.remove(0);
    }
    _ = write!(
        page,
        "<p>Each phase by itself; those of two hosts on both at the same time, or on one with \
         <code>--with</code> and the name of the other.</p>\n<pre>{}</pre>\n",
        commands.iter().map(|command| text(command)).collect::<Vec<_>>().join("\n")
    );
    page.push_str(
        "<p>What a check does and why: <code>amqmfsck --explain ID</code>.</p>\n</section>\n",
    );
}
