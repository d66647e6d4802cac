//! `amqmfsck`: whether storage can carry a queue manager.

mod by_hand;
mod failure;
mod far;
mod golive;
mod integrity;
mod known;
mod one_host;
mod press;
mod progress;
mod sense;
mod show;

use std::path::PathBuf;
use std::time::Duration;

use miqm_cli::{Env, Exit, Failure, Tool, Ui, clap};
use miqm_fsck::render::{self, Layout, Style};
use miqm_fsck::run::Choice;
use miqm_fsck::ssh::Target;
use miqm_fsck::stage::Limits;
use miqm_fsck::{Phase, session};

use sense::Mode;

/// How long a call may take that is not meant to wait, in seconds, unless it is said.
const CALL_LIMIT: u64 = 10;
/// How long a change may take to be seen elsewhere, in seconds, unless it is said.
const LIMIT: u64 = 60;
/// Signs of life of another copy may be so far apart on storage that is slow and not dead.
const SILENCE_MIN: Duration = Duration::from_secs(5);

/// Check whether storage can carry a queue manager
///
/// Tests a directory for what an active and a standby instance need of it: exclusive locks, their
/// release, durable writes, visible changes. Without an option it tests the basic behaviour on this
/// host. Run it as the user who is to run the queue manager.
#[derive(Debug, clap::Parser)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option")]
pub struct Amqmfsck {
    /// The directory to test
    #[arg(value_name = "DIRECTORY", required_unless_present_any = ["known", "agent"])]
    #[arg(conflicts_with_all = ["known", "agent"])]
    directory: Option<PathBuf>,
    /// Test concurrent writes, with a second copy on another host
    #[arg(short = 'c')]
    concurrent: bool,
    /// Test waiting for locks and their release, with a second copy on another host
    #[arg(short = 'w')]
    waiting: bool,
    /// Integrity: format the test file
    #[arg(short = 'f')]
    format: bool,
    /// Integrity: append pages under a lock, on two hosts; end it by a signal or a failure
    #[arg(short = 'a')]
    append: bool,
    /// Integrity: verify the test file
    #[arg(short = 'i')]
    verify: bool,
    /// Remove what earlier runs left in the directory
    #[arg(short = 'x')]
    remove: bool,
    /// The pages of 4 KiB of the test file, rounded up to a multiple of 16 [default: 262144]
    #[arg(short = 'p', value_name = "PAGES", value_parser = sense::pages)]
    pages: Option<u64>,
    /// Display each system call with its result, and every check
    #[arg(short = 'v')]
    verbose: bool,
    /// Make all checks that one host can make in seconds
    #[arg(long)]
    all: bool,
    /// Make also the checks that take minutes
    #[arg(long)]
    long: bool,
    /// Only look at what is mounted and how, and write nothing
    #[arg(long)]
    environment: bool,
    /// Make these checks only, and those that they need
    #[arg(long = "check", value_name = "ID")]
    checks: Vec<String>,
    /// Wait so long for the second copy [default: 600], with -a for the lock [default: 3600]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=604_800))]
    wait: Option<u64>,
    /// Wait so long for a change to be seen elsewhere, or format so long [default: 60]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=3600))]
    limit: Option<u64>,
    /// Give up a call that is not meant to wait [default: 10, with -f, -a and -i 900]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    call_limit: Option<u64>,
    /// Append for so long
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=604_800))]
    duration: Option<u64>,
    /// Tell acknowledged pages to a file on another file system, and ask it
    #[arg(long, value_name = "FILE")]
    witness: Option<PathBuf>,
    /// Test with this host, too, where a second copy is started over ssh; may be repeated
    #[arg(long, value_name = "[USER@]HOST[:PATH]", value_parser = far::target)]
    with: Vec<Target>,
    /// Let both copies use one mount on one host, to see how the test works
    #[arg(long)]
    one_host: bool,
    /// Use this command instead of ssh
    #[arg(long, value_name = "COMMAND")]
    ssh: Option<String>,
    /// Go through all tests and failures before go-live, with a record of what was done
    #[arg(long)]
    golive: bool,
    /// Keep the record in this file [default: amqmfsck-golive.json]
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// Do this step of the procedure only
    #[arg(long, value_name = "NAME")]
    step: Option<String>,
    /// Display what the record says
    #[arg(long)]
    status: bool,
    /// Ask nobody: what is to be done is done by a script
    #[arg(long)]
    yes: bool,
    /// Serve the copy that has started this one over ssh
    #[arg(long, hide = true)]
    agent: bool,
    /// Display as JSON
    #[arg(long)]
    json: bool,
    /// Write the report as a page in HTML, for a change ticket
    #[arg(long, value_name = "FILE")]
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
        let mode = sense::mode(&self)?;
        match mode {
            Mode::Agent => far::serve(&self, env),
            Mode::Golive => golive::test(&self, env, ui),
            _ if !self.with.is_empty() => far::test(&self, mode, env, ui),
            Mode::Known => known::display(&self, env, ui),
            Mode::OneHost => one_host::test(&self, env, ui),
            Mode::Remove => one_host::remove(&self, env, ui),
            Mode::Concurrent => by_hand::test(&self, Phase::Concurrent, env, ui),
            Mode::Waiting => by_hand::test(&self, Phase::Waiting, env, ui),
            Mode::Format => integrity::test(&self, Phase::Format, env, ui),
            Mode::Append => integrity::test(&self, Phase::Append, env, ui),
            Mode::Verify => integrity::test(&self, Phase::Verify, env, ui),
        }
    }
}

impl Amqmfsck {
    fn limits(&self) -> Limits {
        let limit = Duration::from_secs(self.limit.unwrap_or(LIMIT));
        let call = Duration::from_secs(self.call_limit.unwrap_or(CALL_LIMIT));
        Limits { call, change: limit, wake: limit, ..Limits::default() }
    }

    /// After so long without a sign of life another copy is dead: half of the limit for changes.
    fn silence(&self) -> Duration {
        Duration::from_secs(self.limit.unwrap_or(LIMIT) / 2).max(SILENCE_MIN)
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
