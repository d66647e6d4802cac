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
}

use Mode::{Agent, Append, Concurrent, Format, Known, OneHost, Remove, Verify, Waiting};

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
fn options(asked: &Amqmfsck) -> [Rule; 14] {
    const ONE_HOST: &str = "tests on one host";
    let alone = !asked.environment;
    let with = !asked.with.is_empty();
    let one_host: &[Mode] = if alone { &[OneHost] } else { &[] };
    let checks: &[Mode] = if alone { &[OneHost, Concurrent, Waiting] } else { &[] };
    let waits: &[Mode] =
        if with { &[OneHost, Concurrent, Waiting] } else { &[Concurrent, Waiting, Append] };
    let tests = &[OneHost, Concurrent, Waiting, Format, Append, Verify];
    [
        ("-p", asked.pages.is_some(), &[Format, Append, Verify], "-f, -a or -i"),
        ("-v", asked.verbose, with_remove(), "a test"),
        ("--all", asked.all, one_host, ONE_HOST),
        ("--long", asked.long, one_host, ONE_HOST),
        ("--check", !asked.checks.is_empty(), checks, "-c, -w or a test on one host"),
        ("--wait", asked.wait.is_some(), waits, "-c, -w, -a or --with"),
        ("--duration", asked.duration.is_some(), &[Append], "-a"),
        ("--witness", asked.witness.is_some(), &[Append, Verify], "-a or -i"),
        ("--report", asked.report.is_some(), tests, "a test"),
        ("--call-limit", asked.call_limit.is_some(), with_remove(), "a test"),
        ("--limit", asked.limit.is_some(), tests, "a test"),
        ("--with", !asked.with.is_empty(), checks, "-c, -w or no other test"),
        ("--ssh", asked.ssh.is_some(), if with { checks } else { &[] }, "--with"),
        ("--json", asked.json, &[Known, OneHost, Concurrent, Waiting, Format, Append, Verify, Remove], "a test"),
    ]
}

const fn with_remove() -> &'static [Mode] {
    &[OneHost, Concurrent, Waiting, Format, Append, Verify, Remove]
}

/// A number of pages, rounded up.
pub(super) fn pages(text: &str) -> Result<u64, String> {
    let number = text.parse().map_err(|_| "it is not a whole number".to_owned())?;
    integrity::round_pages(number).ok_or_else(|| "no file can have so many".to_owned())
}
