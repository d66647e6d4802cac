//! `cargo xtask man`: manual pages from the templates in `man/` and the tables of the commands.
//!
//! A template is a page in roff with holes: `@VERSION@` and `@DATE@` anywhere, `@OPTIONS@` and
//! `@EXIT_STATUS@` in the page of a command, `@MESSAGES@` in the reference of messages, `@COMMANDS@` and
//! `@EXIT_STATUS@` (all there are) in the overview, `@CHECKS@` and `@REPORT_FIELDS@` in the page of the
//! storage checker; the page of the inside has holes of its own (`formats`).
//!
//! A page that refers to another one of ours, or to one that nobody has heard of, is refused.

mod formats;
mod refers;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, bail, ensure};
use miqm_cli::{Definition, Exit, argv};

use crate::{say, workspace};

/// The day that pages carry: that of the last change of the interface.
const DATE: &str = "2026-11-21";

/// The longest line of source in a page.
const COLUMNS: usize = 78;

pub(crate) fn run(args: &[String]) -> anyhow::Result<()> {
    crate::no_arguments(args)?;
    let to = workspace().join("target/man");
    if to.exists() {
        fs::remove_dir_all(&to).with_context(|| format!("cannot empty {}", to.display()))?;
    }
    fs::create_dir_all(&to).with_context(|| format!("cannot create {}", to.display()))?;

    let pages = pages()?;
    for (page, text) in &pages {
        write(&to.join(page), text)?;
    }
    say(&format!("{} pages in {}", pages.len(), to.display()));
    Ok(())
}

/// Every page by its name, such as `miqm.7`.
pub(crate) fn pages() -> anyhow::Result<Vec<(String, String)>> {
    let from = workspace().join("man");
    let mut pages = Vec::new();
    for entry in fs::read_dir(&from).with_context(|| format!("cannot list {}", from.display()))? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let Some(page) = name.strip_suffix(".in") else {
            bail!("{} is not a template", path.display())
        };
        let template = fs::read_to_string(&path).with_context(|| format!("cannot read {name}"))?;
        let text = filled(page, &template).with_context(|| format!("in man/{name}"))?;
        pages.push((page.to_owned(), text));
    }
    for command in miqm_bins::all() {
        let page = format!("{}.{}", command.name, command.section);
        ensure!(pages.iter().any(|(name, _)| *name == page), "man/{page}.in is missing");
    }
    refers::check(&pages)?;
    refers::check_units(&pages)?;
    pages.sort();
    Ok(pages)
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

fn filled(page: &str, template: &str) -> anyhow::Result<String> {
    let mut text = template.replace("@VERSION@", env!("CARGO_PKG_VERSION")).replace("@DATE@", DATE);
    // The checker alone is the same program by another name.
    let of = if page == "miqm-fsck.1" { "amqmfsck.1" } else { page };
    let command = miqm_bins::all()
        .iter()
        .find(|command| of == format!("{}.{}", command.name, command.section));
    if let Some(command) = command {
        for hole in ["@OPTIONS@", "@EXIT_STATUS@"] {
            ensure!(text.contains(hole), "the page of a command needs {hole}");
        }
        text = text
            .replace("@OPTIONS@\n", &options(command))
            .replace("@EXIT_STATUS@\n", &exit_status(&(command.exits)()));
    }
    if page == "miqm-messages.7" {
        ensure!(text.contains("@MESSAGES@"), "the reference of messages needs @MESSAGES@");
        text = text.replace("@MESSAGES@\n", &messages());
    }
    if page == "miqm.7" {
        text = text
            .replace("@COMMANDS@\n", &commands())
            .replace("@EXIT_STATUS@\n", &exit_status(Exit::ALL));
    }
    if page == "amqmfsck.1" {
        text = text.replace("@CHECKS@\n", &checks()).replace("@REPORT_FIELDS@\n", &report_fields());
    }
    if page == "mqm@.service.8" {
        ensure!(text.contains("@NOT_RETRIED@"), "the page of the unit needs @NOT_RETRIED@");
        text = text.replace("@NOT_RETRIED@\n", &exit_status(&not_retried()?));
    }
    if page == "qm.ini.5" {
        for (stanza, key) in miqm_qmgr::config::known_attributes() {
            ensure!(text.contains(stanza) && text.contains(key), "{stanza}: {key} is missing");
        }
    }
    if page == "miqm-internals.7" {
        text = formats::filled(&text)?;
    }
    let left = text.lines().find(|line| line.starts_with('@'));
    ensure!(left.is_none(), "nothing fits into the hole {left:?}");
    Ok(folded(&text))
}

/// Breaks long lines of text between words, outside of passages that are not filled.
fn folded(text: &str) -> String {
    let (mut done, mut fills) = (String::new(), true);
    for line in text.lines() {
        match line {
            ".nf" | ".EX" => fills = false,
            ".fi" | ".EE" => fills = true,
            _ => {}
        }
        if !fills || line.starts_with('.') || line.len() <= COLUMNS {
            done.push_str(line);
        } else {
            let mut column = 0;
            for word in line.split(' ').filter(|word| !word.is_empty()) {
                if column > 0 && column + 1 + word.len() > COLUMNS {
                    done.push('\n');
                    column = 0;
                }
                // At the beginning of a line these would be requests.
                let guard = if column == 0 && word.starts_with(['.', '\'']) { "\\&" } else { "" };
                let blank = if column == 0 { "" } else { " " };
                _ = write!(done, "{blank}{guard}{word}");
                column += blank.len() + guard.len() + word.len();
            }
        }
        done.push('\n');
    }
    done
}

/// Text that roff shows as it is.
fn roff(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-");
    if text.starts_with(['.', '\'']) { format!("\\&{text}") } else { text }
}

/// A sentence out of the end of one.
fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(chars).collect()
}

/// The arguments and options of a command, each with its help.
fn options(definition: &Definition) -> String {
    let command = (definition.command)();
    let mut text = String::new();
    let positional = command.get_arguments().filter(|arg| arg.is_positional());
    let options = command.get_arguments().filter(|arg| !arg.is_positional() && !arg.is_hide_set());
    for arg in positional.chain(options) {
        let mut heading = String::new();
        if let Some(short) = arg.get_short() {
            _ = write!(heading, "\\fB\\-{short}\\fR");
        }
        if let Some(long) = arg.get_long() {
            let separator = if heading.is_empty() { "" } else { ", " };
            let dashes = if argv::is_single_dash(long) { "\\-" } else { "\\-\\-" };
            _ = write!(heading, "{separator}\\fB{dashes}{}\\fR", roff(long));
        }
        if arg.get_action().takes_values() {
            let names = arg.get_value_names().unwrap_or_default();
            for name in names {
                let separator = if heading.is_empty() { "" } else { " " };
                _ = write!(heading, "{separator}\\fI{}\\fR", roff(name));
            }
        }
        let help = arg.get_long_help().or(arg.get_help()).map(ToString::to_string);
        let mut help = argv::as_typed(&command, &help.unwrap_or_default());
        let defaults: Vec<_> =
            arg.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
        if !defaults.is_empty() && arg.get_action().takes_values() {
            _ = write!(help, " (default: {})", defaults.join(" "));
        }
        let stop = if help.ends_with('.') { "" } else { "." };
        let paragraphs: Vec<_> =
            help.split("\n\n").map(|part| roff(&part.replace('\n', " "))).collect();
        _ = writeln!(text, ".TP\n{heading}\n{}{stop}", paragraphs.join("\n.IP\n"));
    }
    if !definition.refused.is_empty() {
        text.push_str(".PP\nThese options of the interface are refused:\n");
        for refused in definition.refused {
            let (option, why) = (roff(refused.option), roff(&capitalised(refused.why)));
            _ = writeln!(text, ".TP\n\\fB{option}\\fR\n{why}.");
        }
    }
    text
}

/// What commands there are.
fn commands() -> String {
    let mut text = String::new();
    for command in miqm_bins::all() {
        let about = (command.command)().get_about().map(ToString::to_string).unwrap_or_default();
        let (name, section) = (roff(command.name), command.section);
        _ = writeln!(text, ".TP\n.BR {name} ({section})\n{}.", roff(&about));
    }
    text
}

/// How a command can end.
fn exit_status(exits: &[Exit]) -> String {
    let mut text = String::new();
    for exit in exits {
        _ = writeln!(text, ".TP\n\\fB{}\\fR\n{}", exit.code(), roff(exit.meaning()));
    }
    text
}

/// The endings after which the unit of an instance is not started again.
fn not_retried() -> anyhow::Result<Vec<Exit>> {
    const UNIT: &str = "units/mqm@.service";
    let unit = fs::read_to_string(workspace().join(UNIT)).context(UNIT)?;
    let codes = unit.lines().find_map(|line| line.strip_prefix("RestartPreventExitStatus="));
    let codes = codes.with_context(|| format!("{UNIT} does not say what is not retried"))?;
    let exit = |code: &str| {
        let found = Exit::ALL.iter().find(|exit| exit.code().to_string() == code);
        found.copied().with_context(|| format!("{UNIT}: {code} is no exit code"))
    };
    codes.split_whitespace().map(exit).collect()
}

/// Every check of storage.
fn checks() -> String {
    let mut text = String::new();
    for check in miqm_fsck::check::all() {
        let (id, title) = (roff(check.id), roff(&capitalised(check.title)));
        _ = writeln!(text, ".TP\n\\fB{id}\\fR\n{title}.");
    }
    text
}

/// Every field of the storage checker's report in JSON.
fn report_fields() -> String {
    let mut text = String::new();
    let mut of = String::new();
    for field in miqm_fsck::render::fields() {
        if field.of != of {
            of.clone_from(&field.of);
            _ = writeln!(text, ".PP\nThe fields of \\fI{}\\fR:", roff(&of));
        }
        _ = writeln!(text, ".TP\n\\fB{}\\fR\n{}", roff(&field.name), roff(&field.what));
    }
    text
}

/// Every message of the catalogue.
fn messages() -> String {
    let mut text = String::new();
    for entry in miqm_messages::CATALOGUE {
        let (id, sentence) = (entry.id_text(), roff(&entry.pattern()));
        let (explanation, response) = (roff(entry.explanation), roff(entry.response));
        _ = writeln!(text, ".TP\n\\fB{id}\\fR\n{sentence}\n.IP\n{explanation}\n.IP\n{response}");
    }
    text
}
