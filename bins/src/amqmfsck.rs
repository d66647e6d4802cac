//! `amqmfsck`: whether storage can carry a queue manager.

mod failure;
mod known;
mod one_host;
mod progress;

use std::path::PathBuf;
use std::time::Duration;

use miqm_cli::{Env, Exit, Failure, Message, Tool, Ui, clap};
use miqm_fsck::render::{self, Layout, Style};
use miqm_fsck::run::Choice;
use miqm_fsck::session;
use miqm_fsck::stage::Limits;

/// Check whether storage can carry a queue manager
///
/// Tests a directory for what an active and a standby instance need of it: exclusive locks, their
/// release, durable writes, visible changes. Run it as the user who is to run the queue manager.
#[derive(Debug, clap::Parser)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option")]
pub struct Amqmfsck {
    /// The directory to test
    #[arg(value_name = "DIRECTORY", required_unless_present_any = ["list_checks", "explain", "json_schema"])]
    #[arg(conflicts_with_all = ["list_checks", "explain", "json_schema"])]
    directory: Option<PathBuf>,
    /// Remove what earlier runs left in the directory
    #[arg(short = 'x')]
    remove: bool,
    /// Display each system call with its result, and every check
    #[arg(short = 'v')]
    verbose: bool,
    /// Make all checks that one host can make, also those that take longer
    #[arg(long)]
    all: bool,
    /// Only look at what is mounted and how, and write nothing
    #[arg(long)]
    environment: bool,
    /// Make these checks only, and those that they need
    #[arg(long = "check", value_name = "ID")]
    checks: Vec<String>,
    /// Make also the checks that take minutes
    #[arg(long)]
    long: bool,
    /// Wait so long for a change to be seen elsewhere
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=3600))]
    #[arg(default_value = "60")]
    limit: u64,
    /// Give up a call that is not meant to wait
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=3600))]
    #[arg(default_value = "10")]
    call_limit: u64,
    /// Display as JSON
    #[arg(long)]
    json: bool,
    /// Write the report as a page in HTML, for a change ticket
    #[arg(long, value_name = "FILE", conflicts_with_all = ["remove", "known"])]
    report: Option<PathBuf>,
    /// Display the JSON Schema of what --json displays
    #[arg(long, group = "known")]
    json_schema: bool,
    /// Display all checks, and in which tests they are made
    #[arg(long, group = "known")]
    list_checks: bool,
    /// Display what a check asserts, how, why, and what to change if it does not hold
    #[arg(long, value_name = "ID", group = "known")]
    explain: Option<String>,
}

impl Tool for Amqmfsck {
    const NAME: &'static str = "amqmfsck";
    const EXITS: &'static [Exit] =
        &[Exit::Running, Exit::NotDone, Exit::CheckFailed, Exit::NotAuthorized];
    // It gives up calls that hang by itself, one by one, and says which.
    const STORAGE: bool = false;

    fn run(self, env: &Env, ui: &mut Ui<'_>) -> Result<Exit, Failure> {
        if let Some(exit) = known::display(&self, env, ui)? {
            return Ok(exit);
        }
        self.make_sense()?;
        if self.remove { one_host::remove(&self, env, ui) } else { one_host::test(&self, env, ui) }
    }
}

impl Amqmfsck {
    /// Refuses combinations that ask for nothing that can be done.
    fn make_sense(&self) -> Result<(), Failure> {
        let modes = [
            ("-x", self.remove),
            ("--environment", self.environment),
            ("--all", self.all),
            ("--long", self.long),
            ("--check", !self.checks.is_empty()),
        ];
        let given: Vec<_> = modes.iter().filter(|(_, given)| *given).map(|(name, _)| *name).collect();
        // These two add checks, and --check selects among all of them.
        let more = ["--all", "--long", "--check"];
        let together = |one: &str, other: &str| more.contains(&one) && more.contains(&other);
        for (at, one) in given.iter().enumerate() {
            if let Some(other) = given[at + 1..].iter().find(|other| !together(one, other)) {
                let (one, other) = ((*one).to_owned(), (*other).to_owned());
                return Err(Failure::new(Exit::Usage, Message::OptionsConflict { one, other }));
            }
        }
        Ok(())
    }

    fn limits(&self) -> Limits {
        let limit = Duration::from_secs(self.limit);
        let call = Duration::from_secs(self.call_limit);
        Limits { call, change: limit, wake: limit, ..Limits::default() }
    }

    fn choice(&self) -> Result<Choice, Failure> {
        Choice::of(&self.checks).map_err(known::no_such_check)
    }

    /// The directory without a look at it.
    fn absolute(&self) -> PathBuf {
        // The parser demands it wherever it is used.
        session::absolute(self.directory.as_deref().unwrap_or(".".as_ref()))
    }

    /// The command as it was typed.
    fn command(env: &Env) -> String {
        let arguments = env.typed.iter().map(String::as_str);
        render::command_line(std::iter::once(Self::NAME).chain(arguments))
    }

    /// How text is laid out.
    fn layout(&self, env: &Env) -> Layout {
        Layout {
            style: if env.colour { Style::Ansi } else { Style::Plain },
            columns: env.columns.map(usize::from),
            verbose: self.verbose,
        }
    }
}
