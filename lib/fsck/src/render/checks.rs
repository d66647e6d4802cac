//! The table of checks itself.

use serde::Serialize;

use super::wrap::{pad, wrap};
use super::{Layout, PHASES, Paint, group_of, phase_words};
use crate::check::{self, Check};
use crate::report::Phase;

/// The most suggestions for an id that nothing has.
const SUGGESTIONS_MAX: usize = 5;

fn phases(check: &Check) -> impl Iterator<Item = Phase> {
    PHASES.iter().copied().filter(|phase| check.runs.in_phase(*phase))
}

/// When a check runs, as letters; [`LEGEND`] says what they mean.
fn letters(check: &Check) -> String {
    use Phase::{All, Append, Basic, Concurrent, Failure, Format, Long, Verify, Waiting};
    let marks: [(char, &[Phase]); 6] = [
        ('1', &[Basic]),
        ('A', &[All]),
        ('L', &[Long]),
        ('c', &[Concurrent]),
        ('w', &[Waiting]),
        ('i', &[Format, Append, Verify, Failure]),
    ];
    let runs = |phases: &[Phase]| phases.iter().any(|phase| check.runs.in_phase(*phase));
    marks.into_iter().map(|(mark, phases)| if runs(phases) { mark } else { '-' }).collect()
}

const LEGEND: &str = "1: with no option. A: with --all. L: with --long. c: with -c, on two hosts. w: with \
    -w, on two hosts. i: in the integrity test. --explain ID tells all about one.";

/// Every check: id, when it runs, what it asserts. A line each.
pub fn check_list(layout: &Layout) -> String {
    let mut text = String::new();
    let columns = check::all().map(|check| check.id.len()).max().unwrap_or(0);
    for check in check::all() {
        let id = layout.style.paint(Paint::Strong, check.id);
        let first = format!("{}  {}  ", pad(&id, columns), letters(check));
        wrap(&mut text, layout.columns, &first, columns + 10, check.title);
    }
    if layout.columns.is_some() {
        text.push('\n');
        wrap(&mut text, layout.columns, "", 0, LEGEND);
    }
    text
}

/// A check as JSON.
#[derive(Serialize)]
struct Row {
    id: &'static str,
    title: &'static str,
    how: &'static str,
    why: &'static str,
    change: &'static str,
    needs: &'static [&'static str],
    phases: Vec<Phase>,
    required: bool,
}

/// A check, or all of them if there is none, as something that serialises to what `--json` prints.
pub fn checks_as_json(only: Option<&Check>) -> impl Serialize + use<> {
    let row = |check: &Check| Row {
        id: check.id,
        title: check.title,
        how: check.how,
        why: check.why,
        change: check.change,
        needs: check.needs,
        phases: phases(check).collect(),
        required: check.required,
    };
    match only {
        Some(check) => vec![row(check)],
        None => check::all().map(row).collect(),
    }
}

/// All that there is to say about a check.
pub fn explanation(check: &Check, layout: &Layout) -> String {
    let mut text = String::new();
    wrap(&mut text, layout.columns, "", 2, &{
        let id = layout.style.paint(Paint::Strong, check.id);
        format!("{id}: {}", check.title)
    });
    let needs = if check.needs.is_empty() { "nothing".to_owned() } else { check.needs.join(", ") };
    let mut runs: Vec<_> = phases(check).map(phase_words).collect();
    if runs.is_empty() {
        runs.push("a test that people take part in");
    }
    let required = if check.required {
        "The run is no success if it cannot be made."
    } else {
        "The run may be a success without it."
    };
    for (name, words) in [
        ("How:      ", check.how),
        ("Why:      ", check.why),
        ("Change:   ", check.change),
        ("Needs:    ", needs.as_str()),
        ("Runs in:  ", runs.join("; ").as_str()),
        ("Required: ", required),
    ] {
        wrap(&mut text, layout.columns, &format!("  {name}"), 12, words);
    }
    text
}

/// The ids that somebody may have meant: those of a group that was named, or else the most similar.
pub fn nearest(asked: &str) -> Vec<&'static str> {
    let group: Vec<_> =
        check::all().map(|check| check.id).filter(|id| group_of(id) == asked).collect();
    if !group.is_empty() {
        return group;
    }
    // Longer than any id can be meant: nothing is compared with it.
    if asked.len() > 64 {
        return Vec::new();
    }
    let asked = asked.to_ascii_lowercase();
    let mut found: Vec<_> = check::all()
        .map(|check| {
            let (_, rest) = check.id.split_once('.').unwrap_or(("", check.id));
            let nearness = distance(&asked, check.id).min(distance(&asked, rest));
            // A part of a name is as good as a slip of the finger.
            let part = asked.len() > 2 && check.id.contains(&asked);
            (if part { nearness.min(1) } else { nearness }, check.id)
        })
        .filter(|(nearness, id)| *nearness <= 1 + id.len() / 5)
        .collect();
    found.sort_unstable();
    found.into_iter().take(SUGGESTIONS_MAX).map(|(_, id)| id).collect()
}

/// How many letters must be put in, taken out or changed to make one text of the other.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<_> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (at, c) in one.chars().enumerate() {
        let mut corner = row[0];
        row[0] = at + 1;
        for (column, d) in other.iter().enumerate() {
            let changed = corner + usize::from(c != *d);
            corner = row[column + 1];
            row[column + 1] = changed.min(corner + 1).min(row[column] + 1);
        }
    }
    row[other.len()]
}
