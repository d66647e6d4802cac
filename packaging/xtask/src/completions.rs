//! `cargo xtask completions`: completions for shells, from the table of commands.
//!
//! The generators know options of one letter with a dash and longer ones with two. What they write is
//! turned into what people type, in the way of each shell.

use std::fs;

use anyhow::{Context, ensure};
use clap_complete::Shell;
use miqm_cli::{Definition, argv};

use crate::{say, workspace};

pub(crate) fn run(args: &[String]) -> anyhow::Result<()> {
    crate::no_arguments(args)?;
    let target = workspace().join("target/completions");
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        let folder = target.join(shell.to_string());
        fs::create_dir_all(&folder)
            .with_context(|| format!("cannot create {}", folder.display()))?;
        for command in miqm_bins::all() {
            let name = match shell {
                Shell::Zsh => format!("_{}", command.name),
                Shell::Fish => format!("{}.fish", command.name),
                _ => command.name.to_owned(),
            };
            let path = folder.join(name);
            let text = completion(command, shell)?;
            fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        }
    }
    say(&format!("{} commands in {}", miqm_bins::all().len(), target.display()));
    Ok(())
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

/// Every completion of what people type, for every shell.
pub(crate) fn completions() -> Vec<Completion> {
    let mut completions = Vec::new();
    for (kind, shell, before, behind) in [
        (Shell::Bash, "bash", "", ""),
        (Shell::Fish, "fish", "", ".fish"),
        (Shell::Zsh, "zsh", "_", ""),
    ] {
        for command in miqm_bins::all().iter().filter(|command| command.section == 1) {
            let text = completion(command, kind).unwrap_or_else(|error| panic!("{error}"));
            for name in [command.name, "miqm-fsck"] {
                if name != command.name && command.name != "amqmfsck" {
                    continue;
                }
                completions.push(Completion {
                    shell,
                    file: format!("{before}{name}{behind}"),
                    command: name.to_owned(),
                    text: text.replace(command.name, name),
                });
            }
        }
    }
    completions
}

/// The completion of a command, with its options as they are typed.
fn completion(definition: &Definition, shell: Shell) -> anyhow::Result<String> {
    let command = (definition.command)();
    let mut bytes = Vec::new();
    clap_complete::generate(shell, &mut command.clone(), definition.name, &mut bytes);
    let mut text = argv::as_typed(&command, &String::from_utf8(bytes)?);
    for option in command.get_arguments().filter_map(clap::Arg::get_long) {
        if !argv::is_single_dash(option) {
            continue;
        }
        // fish calls long options with a single dash old; for zsh a value follows as the next word.
        text = text.replace(&format!(" -l {option} "), &format!(" -o {option} "));
        text = text.replace(&format!("'-{option}=["), &format!("'-{option}["));
        let typed = match shell {
            Shell::Fish => format!(" -o {option} "),
            _ => format!("-{option}"),
        };
        let (name, other) = (definition.name, format!("--{option}"));
        ensure!(text.contains(&typed), "{shell}: {name} lacks {typed}");
        ensure!(!text.contains(&other), "{shell}: {name} has {other}");
    }
    Ok(text)
}
