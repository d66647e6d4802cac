//! Which options go together.

use miqm_cli::{Exit, Failure, Message};
use miqm_fsck::integrity;

use super::Amqmfsck;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// What is known of the checks.
    Known,
    /// What a copy does that was started over ssh.
    Agent,
    /// Tests on this host, also of what is mounted only.
    OneHost,
    /// `-x`.
    Remove,
    /// `-c`.
    Concurrent,
    /// `-w`.
    Waiting,
    /// `-f`.
    Format,
    /// `-a`.
    Append,
    /// `-i`.
    Verify,
    /// `--golive`.
    Golive,
}

use Mode::{
    Agent, Append, Concurrent, Format, Golive, Known, OneHost, Remove, Verify, Waiting,
};

/// What is asked for, if it makes sense.
pub(super) fn mode(asked: &Amqmfsck) -> Result<Mode, Failure> {
    let (mode, name) = of_options(asked)?;
    for (option, given, modes, with) in options(asked) {
        if given && !modes.contains(&mode) {
            let option = option.to_owned();
            let message = match name {
                // Nothing is in the way, but what it belongs to is missing.
                "" => Message::OptionNeedsOther { option, other: with.to_owned() },
                name => Message::OptionsConflict { one: option, other: name.to_owned() },
            };
            return Err(Failure::new(Exit::Usage, message));
        }
    }
    Ok(mode)
}

/// The mode and the option that asks for it.
fn of_options(asked: &Amqmfsck) -> Result<(Mode, &'static str), Failure> {
    let all = [
        (asked.list_checks, Known, "--list-checks"),
        (asked.explain.is_some(), Known, "--explain"),
        (asked.json_schema, Known, "--json-schema"),
        (asked.agent, Agent, "--agent"),
        (asked.append, Append, "-a"),
        (asked.concurrent, Concurrent, "-c"),
        (asked.format, Format, "-f"),
        (asked.verify, Verify, "-i"),
        (asked.waiting, Waiting, "-w"),
        (asked.remove, Remove, "-x"),
        (asked.environment, OneHost, "--environment"),
        (asked.golive, Golive, "--golive"),
    ];
    let mut given = all.into_iter().filter(|(given, ..)| *given).map(|(_, mode, name)| (mode, name));
    let first = given.next();
    if let (Some((_, one)), Some((_, other))) = (first, given.next()) {
        let (one, other) = (one.to_owned(), other.to_owned());
        return Err(Failure::new(Exit::Usage, Message::OptionsConflict { one, other }));
    }
    Ok(first.unwrap_or((OneHost, "")))
}

/// An option, whether it was given, the modes that it goes with, and those in words.
type Rule = (&'static str, bool, &'static [Mode], &'static str);

/// The rules of options that do not go with every mode.
fn options(asked: &Amqmfsck) -> [Rule; 19] {
    const ONE_HOST: &str = "tests on one host";
    const TESTS: &[Mode] = &[OneHost, Concurrent, Waiting, Format, Append, Verify, Golive];
    const DISPLAYS: &[Mode] =
        &[Known, OneHost, Concurrent, Waiting, Format, Append, Verify, Golive, Remove];
    let only = |allowed: bool, modes: &'static [Mode]| if allowed { modes } else { &[] };
    let alone = !asked.environment;
    let with = !asked.with.is_empty();
    let one_host = only(alone, &[OneHost]);
    let checks = only(alone, &[OneHost, Concurrent, Waiting]);
    let hosts = only(alone && !asked.status, &[OneHost, Concurrent, Waiting, Golive]);
    let waits = if with { hosts } else { &[Concurrent, Waiting, Append, Golive] };
    let pairs = if with { hosts } else { &[Concurrent, Waiting] };
    let golive = only(!asked.status, &[Golive]);
    [
        ("-p", asked.pages.is_some(), &[Format, Append, Verify, Golive], "-f, -a or -i"),
        ("-v", asked.verbose, &DISPLAYS[1..], "a test"),
        ("--all", asked.all, one_host, ONE_HOST),
        ("--long", asked.long, one_host, ONE_HOST),
        ("--check", !asked.checks.is_empty(), checks, "-c, -w or a test on one host"),
        ("--wait", asked.wait.is_some(), waits, "-c, -w, -a or --with"),
        ("--duration", asked.duration.is_some(), &[Append], "-a"),
        ("--witness", asked.witness.is_some(), &[Append, Verify], "-a or -i"),
        ("--report", asked.report.is_some(), TESTS, "a test"),
        ("--call-limit", asked.call_limit.is_some(), &DISPLAYS[1..], "a test"),
        ("--limit", asked.limit.is_some(), TESTS, "a test"),
        ("--with", with, hosts, "-c, -w, --golive or no other test"),
        ("--one-host", asked.one_host, pairs, "-c, -w or --with"),
        ("--ssh", asked.ssh.is_some(), only(with, &[OneHost, Concurrent, Waiting, Golive]), "--with"),
        ("--record", asked.record.is_some(), &[Golive], "--golive"),
        ("--step", asked.step.is_some(), golive, "--golive"),
        ("--status", asked.status, &[Golive], "--golive"),
        ("--yes", asked.yes, golive, "--golive"),
        ("--json", asked.json, DISPLAYS, "a test"),
    ]
}

/// A number of pages, rounded up.
pub(super) fn pages(text: &str) -> Result<u64, String> {
    let number = text.parse().map_err(|_| "it is not a whole number".to_owned())?;
    integrity::round_pages(number).ok_or_else(|| "no file can have so many".to_owned())
}
