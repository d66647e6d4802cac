//! From `main` to an exit code.

use std::error::Error as _;
use std::ffi::OsString;
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, Command};
use miqm_messages::Message;
use miqm_sys::supervise::{Stuck, supervise};
use miqm_types::BadName;

use crate::argv::{self, Refused};
use crate::{Env, Exit, Failure, Ui};

/// A command: its arguments (the fields), how it can end, and what it does.
///
/// Options of two or three letters are declared as long options (`#[arg(long = "lc")]`) and typed with a
/// single dash; see [`argv`]. The value name of a queue manager is `QMGR`. The first
/// paragraph of the doc comment is the summary in help and manual page: imperative, no full stop.
pub trait Tool: clap::Parser + 'static {
    /// What it is called.
    const NAME: &'static str;
    /// The section of the manual that its page is in.
    const SECTION: u8 = 1;
    /// How it can end, apart from what [`exits_of`] adds.
    const EXITS: &'static [Exit];
    /// How it ends when its arguments are not valid.
    const USAGE: Exit = Exit::Usage;
    /// Whether it touches storage: then it runs under a deadline, and has the option `--deadline`.
    const STORAGE: bool;
    /// Options of the interface that this program does not have.
    const REFUSED: &'static [Refused] = &[];

    /// Whether error messages were asked to be suppressed (`-z`).
    fn quiet(&self) -> bool {
        false
    }

    /// Does the work.
    ///
    /// # Errors
    ///
    /// How the command ends and what it says about it.
    fn run(self, env: &Env, ui: &mut Ui<'_>) -> Result<Exit, Failure>;
}

/// A command as the table of commands has it.
#[derive(Clone, Copy)]
pub struct Definition {
    /// See [`Tool::NAME`].
    pub name: &'static str,
    /// See [`Tool::SECTION`].
    pub section: u8,
    /// Its arguments, common options included.
    pub command: fn() -> Command,
    /// Every way it can end, ascending; see [`exits_of`].
    pub exits: fn() -> Vec<Exit>,
    /// See [`Tool::USAGE`].
    pub usage: Exit,
    /// See [`Tool::REFUSED`].
    pub refused: &'static [Refused],
    /// Whether it understands these arguments, the name of the command not among them.
    pub accepts: fn(Vec<OsString>) -> bool,
    /// Runs it with these arguments, and returns the exit code; see [`run`].
    pub run: fn(Vec<OsString>) -> u8,
}

impl Definition {
    /// The definition of a tool.
    pub const fn of<T: Tool>() -> Self {
        Self {
            name: T::NAME,
            section: T::SECTION,
            command: command_of::<T>,
            exits: exits_of::<T>,
            usage: T::USAGE,
            refused: T::REFUSED,
            accepts: |args| parse::<T>(args).is_ok(),
            run: run::<T>,
        }
    }
}

/// Every way a tool can end, ascending: its own, done, bad arguments, and the unexpected.
pub fn exits_of<T: Tool>() -> Vec<Exit> {
    let mut exits = [T::EXITS, &[Exit::Done, T::USAGE, Exit::Failed]].concat();
    exits.sort_unstable();
    exits.dedup();
    exits
}

/// The arguments of a tool, with those that all tools have.
pub fn command_of<T: Tool>() -> Command {
    let mut command = T::command()
        .name(T::NAME)
        .bin_name(T::NAME)
        .version(env!("CARGO_PKG_VERSION"))
        .disable_help_flag(true)
        .disable_version_flag(true)
        .disable_help_subcommand(true)
        .args_override_self(false)
        .after_help(format!("The manual page is {}({}).", T::NAME, T::SECTION));
    if T::STORAGE {
        command = command.arg(
            Arg::new(DEADLINE)
                .long(DEADLINE)
                .value_name("SECONDS")
                .value_parser(clap::value_parser!(u64).range(1..=3600))
                .default_value("5")
                .help("Give up on storage that does not answer for so long"),
        );
    }
    let help = Arg::new("help").long("help").action(ArgAction::HelpShort).help("Print help");
    let version =
        Arg::new("version").long("version").action(ArgAction::Version).help("Print the version");
    let mut command = command.arg(help.short_alias('?')).arg(version);
    command.build();
    command
}

const DEADLINE: &str = "deadline";
const _: () = assert!(Env::DEADLINE_SECONDS == 5, "the default of --deadline says so, too");

/// What `main` of a command is.
pub fn main<T: Tool>() -> ExitCode {
    ExitCode::from(run::<T>(std::env::args_os().skip(1).collect()))
}

/// Runs a tool with these arguments, the name of the command not among them, and returns the exit code.
///
/// It is an [`Exit`] of the tool, or 128 and the number of the signal that ended its work.
pub fn run<T: Tool>(args: Vec<OsString>) -> u8 {
    let mut ui = Ui::standard();
    let typed = args.iter().map(|arg| arg.to_string_lossy().into_owned()).collect();
    let (tool, deadline) = match parse::<T>(args) {
        Ok(parsed) => parsed,
        Err(refusal) => {
            let result = refusal.show::<T>(&mut ui);
            return ui.finish(result).code();
        }
    };
    let env = match Env::read() {
        Ok(env) => Env { deadline: deadline.unwrap_or(env.deadline), typed, ..env },
        Err(failure) => return ui.finish(Err(failure)).code(),
    };
    if T::STORAGE { supervised(tool, &env) } else { work(tool, &env).code() }
}

/// Two streams that speak as the environment and the tool want it.
fn speaking(env: &Env, quiet: bool) -> Ui<'static> {
    let mut ui = Ui::standard();
    ui.set_severity_letter(env.severity_letter);
    ui.set_quiet(quiet);
    ui
}

fn work<T: Tool>(tool: T, env: &Env) -> Exit {
    let mut ui = speaking(env, tool.quiet());
    let result = tool.run(env, &mut ui);
    let exit = ui.finish(result);
    debug_assert!(
        exits_of::<T>().contains(&exit),
        "{} ended with {exit:?}, which its table does not have",
        T::NAME
    );
    exit
}

/// Works in another process, which this one gives up when storage does not answer.
fn supervised<T: Tool>(tool: T, env: &Env) -> u8 {
    let quiet = tool.quiet();
    let fail = |message| speaking(env, quiet).finish(Err(Failure::new(Exit::Failed, message)));
    let stuck = |stuck: Stuck| {
        let message = Message::NoAnswer {
            operation: stuck.op.to_string(),
            path: stuck.path.display().to_string(),
            seconds: stuck.elapsed.as_secs(),
        };
        fail(message).code()
    };
    match supervise(env.deadline, |_| work(tool, env).code(), stuck) {
        Err(error) => fail(Message::CannotStart { cause: error.to_string() }).code(),
        Ok(code) => {
            if let Some(signal) = code.checked_sub(128).filter(|_| !is_exit_of::<T>(code))
                && !ASKED_FOR.contains(&signal)
            {
                let signal = format!("signal {signal}");
                speaking(env, quiet).complain(&Message::CommandDied { signal });
            }
            code
        }
    }
}

/// Signals by which somebody ends a command on purpose, and needs not be told: HUP, INT, QUIT, PIPE,
/// TERM.
const ASKED_FOR: &[u8] = &[1, 2, 3, 13, 15];

fn is_exit_of<T: Tool>(code: u8) -> bool {
    exits_of::<T>().iter().any(|exit| exit.code() == code)
}

/// Why there is no tool to run.
enum Refusal {
    /// Help or the version was asked for.
    Shown(String),
    /// The arguments are not valid.
    Bad(Exit, Message),
}

impl Refusal {
    fn show<T: Tool>(self, ui: &mut Ui<'_>) -> Result<Exit, Failure> {
        match self {
            Self::Shown(text) => {
                ui.line(text.trim_end());
                Ok(Exit::Done)
            }
            Self::Bad(exit, message) => {
                ui.complain(&message);
                let mut command = command_of::<T>();
                let usage = command.render_usage().to_string();
                ui.note(argv::as_typed(&command, usage.trim_end()));
                Err(Failure::silent(exit))
            }
        }
    }
}

fn parse<T: Tool>(args: Vec<OsString>) -> Result<(T, Option<std::time::Duration>), Refusal> {
    let command = command_of::<T>();
    let bad = |message| Refusal::Bad(T::USAGE, message);
    for arg in &args {
        if arg.to_str().is_none() {
            let argument = arg.to_string_lossy().replace(char::REPLACEMENT_CHARACTER, "?");
            return Err(bad(Message::NotText { argument }));
        }
    }
    let args = argv::normalise(&command, T::REFUSED, args).map_err(bad)?;
    let args = std::iter::once(OsString::from(T::NAME)).chain(args);
    let refused = |error| refusal::<T>(&command, &error);
    let mut matches = command.clone().try_get_matches_from(args).map_err(refused)?;
    let deadline = if T::STORAGE { matches.remove_one::<u64>(DEADLINE) } else { None };
    let tool = T::from_arg_matches_mut(&mut matches).map_err(refused)?;
    Ok((tool, deadline.map(std::time::Duration::from_secs)))
}

/// What the parser objects to, as a message of ours.
fn refusal<T: Tool>(command: &Command, error: &clap::Error) -> Refusal {
    let typed = |text: &str| argv::as_typed(command, text);
    let context = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(typed(text)),
        Some(ContextValue::Strings(texts)) => Some(typed(&texts.join(", "))),
        _ => None,
    };
    let argument = || context(ContextKind::InvalidArg).unwrap_or_default();
    let value = || context(ContextKind::InvalidValue).unwrap_or_default();
    let message = match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            return Refusal::Shown(typed(&error.to_string()));
        }
        ErrorKind::ValueValidation => {
            let why = error.source().map(|cause| plainly(&cause.to_string())).unwrap_or_default();
            let bad_name = error.source().is_some_and(<dyn std::error::Error>::is::<BadName>);
            if bad_name && argument().contains("QMGR") {
                let exit = if T::EXITS.contains(&Exit::BadName) { Exit::BadName } else { T::USAGE };
                return Refusal::Bad(exit, Message::BadName { name: value(), why });
            }
            Message::BadOptionValue { option: option_of(&argument()), value: value(), why }
        }
        ErrorKind::InvalidValue if value().is_empty() => {
            Message::OptionNeedsValue { option: option_of(&argument()) }
        }
        ErrorKind::InvalidValue => {
            let why = match context(ContextKind::ValidValue) {
                Some(all) => format!("it must be one of {all}"),
                None => "it is not one of those that are accepted".into(),
            };
            Message::BadOptionValue { option: option_of(&argument()), value: value(), why }
        }
        ErrorKind::UnknownArgument if argument().starts_with('-') && argument() != "-" => {
            Message::UnknownOption { option: argument() }
        }
        ErrorKind::UnknownArgument => Message::UnexpectedArgument { argument: argument() },
        ErrorKind::MissingRequiredArgument => Message::ArgumentMissing { argument: argument() },
        ErrorKind::ArgumentConflict => {
            let one = option_of(&argument());
            match context(ContextKind::PriorArg).map(|other| option_of(&other)) {
                Some(other) if other != one => Message::OptionsConflict { one, other },
                _ => Message::OptionRepeated { option: one },
            }
        }
        _ => {
            let text = typed(&error.to_string());
            let detail = text.lines().next().unwrap_or_default();
            Message::BadArguments { detail: detail.trim_start_matches("error: ").into() }
        }
    };
    Refusal::Bad(T::USAGE, message)
}

/// What a parser of numbers objects to, in words for people who do not write programs.
fn plainly(why: &str) -> String {
    if let Some((_, bounds)) = why.split_once(" is not in ") {
        return match bounds.split_once("..=") {
            Some((first, "")) => format!("it must be {first} or more"),
            Some((first, last)) => format!("it must be between {first} and {last}"),
            None => format!("it must be in {bounds}"),
        };
    }
    match why {
        "invalid digit found in string" | "cannot parse integer from empty string" => {
            "it is not a whole number".into()
        }
        "number too large to fit in target type" => "the number is too large".into(),
        "number too small to fit in target type" => "the number is too small".into(),
        other => other.into(),
    }
}

/// The option alone out of `-lf <PAGES>`.
fn option_of(argument: &str) -> String {
    argument.split(['=', ' ']).next().unwrap_or_default().to_owned()
}
