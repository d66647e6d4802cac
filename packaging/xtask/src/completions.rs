//! `cargo xtask completions`: completions for bash, zsh and fish, from the table of commands.
//!
//! Options and what they take come from the definitions of the commands. Names of queue managers are
//! read from `mqs.ini` by the shell itself, when somebody presses the key: no command is run, nobody's
//! rights are needed, shared storage is not touched, and a file that does not answer is given up.

mod bash;
mod fish;
mod zsh;

use std::fs;

use anyhow::Context;
use miqm_cli::clap::{Arg, ArgAction, Command, ValueHint};
use miqm_cli::{Definition, argv};

use crate::{say, workspace};

/// What a command is called, and what can follow.
struct Known {
    command: String,
    options: Vec<Choice>,
    arguments: Vec<Choice>,
}

/// An option or an argument.
struct Choice {
    /// As typed, with dashes; empty for an argument.
    typed: Vec<String>,
    /// What it takes; `None` for a switch.
    value: Option<Value>,
    /// The name of the value.
    name: String,
    help: String,
    repeated: bool,
}

/// What can be offered for a value.
enum Value {
    QueueManager,
    File,
    Directory,
    OneOf(Vec<String>),
    /// Anything: nothing is offered.
    Any,
}

/// A shell that is completed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shell {
    Bash,
    Fish,
    Zsh,
}

impl Shell {
    const ALL: [Self; 3] = [Self::Bash, Self::Fish, Self::Zsh];

    fn name(self) -> &'static str {
        match self {
            Self::Bash => "bash",
            Self::Fish => "fish",
            Self::Zsh => "zsh",
        }
    }

    /// The name of the file in which this shell looks for the completion of a command.
    fn file(self, command: &str) -> String {
        match self {
            Self::Bash => command.to_owned(),
            Self::Fish => format!("{command}.fish"),
            Self::Zsh => format!("_{command}"),
        }
    }
}

/// The completion of a command for a shell.
pub(crate) struct Completion {
    /// bash, fish or zsh.
    pub(crate) shell: &'static str,
    /// The name that the shell looks for.
    pub(crate) file: String,
    /// What it is called for: a command, or `miqm-fsck`.
    pub(crate) command: String,
    pub(crate) text: String,
}

pub(crate) fn run(args: &[String]) -> anyhow::Result<()> {
    crate::no_arguments(args)?;
    let target = workspace().join("target/completions");
    if target.exists() {
        fs::remove_dir_all(&target)
            .with_context(|| format!("cannot empty {}", target.display()))?;
    }
    let completions = completions();
    for Completion { shell, file, text, .. } in &completions {
        let folder = target.join(shell);
        fs::create_dir_all(&folder)
            .with_context(|| format!("cannot create {}", folder.display()))?;
        let path = folder.join(file);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    say(&format!("{} files in {}", completions.len(), target.display()));
    Ok(())
}

/// Every completion of what people type, for every shell.
pub(crate) fn completions() -> Vec<Completion> {
    let mut completions = Vec::new();
    for shell in Shell::ALL {
        completions.extend(commands().into_iter().map(|(definition, command)| Completion {
            shell: shell.name(),
            file: shell.file(command),
            command: command.to_owned(),
            text: completion(definition, command, shell),
        }));
    }
    completions
}

/// The completion of a command under the name that it has for people.
fn completion(definition: &Definition, name: &str, shell: Shell) -> String {
    let known = Known::of(definition, name);
    match shell {
        Shell::Bash => bash::text(&known),
        Shell::Fish => fish::text(&known),
        Shell::Zsh => zsh::text(&known),
    }
}

/// What people type, with its name. The others are started by the service manager.
fn commands() -> Vec<(&'static Definition, &'static str)> {
    let mut commands = Vec::new();
    for definition in miqm_bins::all().iter().filter(|definition| definition.section == 1) {
        commands.push((definition, definition.name));
        // The same program under the name that it has as one static file.
        if definition.name == "amqmfsck" {
            commands.push((definition, "miqm-fsck"));
        }
    }
    commands
}

impl Known {
    fn of(definition: &Definition, name: &str) -> Self {
        let command = (definition.command)();
        let shown = command.get_arguments().filter(|arg| !arg.is_hide_set());
        let (arguments, options): (Vec<_>, Vec<_>) = shown.partition(|arg| arg.is_positional());
        let choices = |args: Vec<&Arg>| args.iter().map(|arg| Choice::of(&command, arg)).collect();
        Self { command: name.to_owned(), options: choices(options), arguments: choices(arguments) }
    }

    /// The name of the command as a part of the name of a function.
    fn identifier(&self) -> String {
        self.command.replace('-', "_")
    }
}

impl Choice {
    fn of(command: &Command, arg: &Arg) -> Self {
        let mut typed: Vec<_> = arg.get_short().into_iter().map(|c| format!("-{c}")).collect();
        if let Some(long) = arg.get_long() {
            let dashes = if argv::is_single_dash(long) { "-" } else { "--" };
            typed.push(format!("{dashes}{long}"));
        }
        let name = arg.get_value_names().and_then(<[_]>::first).map(ToString::to_string);
        let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
        let takes_value = arg.get_action().takes_values();
        Self {
            typed,
            value: takes_value.then(|| Value::of(arg, name.as_deref().unwrap_or_default())),
            name: name.unwrap_or_default(),
            help: argv::as_typed(command, &help.replace('\n', " ")),
            repeated: matches!(arg.get_action(), ArgAction::Append | ArgAction::Count),
        }
    }
}

impl Value {
    fn of(arg: &Arg, name: &str) -> Self {
        let possible: Vec<_> = arg
            .get_possible_values()
            .iter()
            .filter(|value| !value.is_hide_set())
            .map(|value| value.get_name().to_owned())
            .collect();
        match (name, arg.get_value_hint()) {
            ("QMGR", _) => Self::QueueManager,
            ("DIRECTORY", _) | (_, ValueHint::DirPath) => Self::Directory,
            ("FILE" | "PATH", _) | (_, ValueHint::AnyPath | ValueHint::FilePath) => Self::File,
            _ if !possible.is_empty() => Self::OneOf(possible),
            _ => Self::Any,
        }
    }
}
