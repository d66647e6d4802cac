//! Options as these commands have always had them: several letters after a single dash.
//!
//! The parser reads `-lc` as `-l -c`. So an option whose name is two or three letters long is
//! declared as a long option (`#[arg(long = "lc")]`), and this module translates: what was typed
//! into what the parser expects (`normalise`), and what the parser writes into what people type
//! ([`as_typed`]). Options with longer names (`--json`, `--deadline`) keep their two dashes.
//!
//! Accepted are `-lc`, `-lf 128`, `-lf128`, `-lf=128`, `-p 1414`, `-p1414`, and switches of one letter
//! that are combined, as in `-is`. Three short words (`--all`, `--ssh`, `--yes`) are typed with two. The value of an option is the next argument whatever it looks
//! like, even if it begins with a dash. After `--` everything is an argument.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use clap::{Arg, Command};
use miqm_messages::Message;

/// An option that the interface has, and this program has not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// As typed, with its dash.
    pub option: &'static str,
    /// The end of the sentence "Option ... is refused: ...", without a full stop.
    pub why: &'static str,
}

/// The longest name that is typed with a single dash, in bytes.
const SINGLE_DASH_MAX: usize = 3;

/// Names as short as that which keep two dashes all the same: they are words, and ours.
const WORDS: &[&str] = &["all", "ssh", "yes"];

/// Whether a declared long option is typed with a single dash.
pub fn is_single_dash(name: &str) -> bool {
    (2..=SINGLE_DASH_MAX).contains(&name.len()) && !WORDS.contains(&name)
}

fn takes_value(arg: &Arg) -> bool {
    arg.get_action().takes_values()
}

/// Translates arguments (without the name of the command) into what the parser understands.
///
/// # Errors
///
/// The message for the first option that is refused, unknown or lacks its value.
pub(crate) fn normalise(
    command: &Command,
    refused: &[Refused],
    args: impl IntoIterator<Item = OsString>,
) -> Result<Vec<OsString>, Message> {
    let mut args = args.into_iter();
    let mut done = Vec::new();
    while let Some(arg) = args.next() {
        let bytes = arg.as_bytes();
        if bytes == b"--" {
            done.push(arg);
            done.extend(args);
            break;
        }
        if bytes == b"-" || !bytes.starts_with(b"-") {
            done.push(arg);
            continue;
        }
        if let Some(refused) = refused.iter().find(|refused| refused.option.as_bytes() == bytes) {
            return Err(refuse(refused));
        }
        if let Some(name) = bytes.strip_prefix(b"--") {
            double_dash(command, name, &arg, &mut args, &mut done)?;
        } else {
            single_dash(command, refused, &arg, &mut args, &mut done)?;
        }
    }
    Ok(done)
}

fn refuse(refused: &Refused) -> Message {
    Message::OptionRefused { option: refused.option.into(), why: refused.why.into() }
}

fn unknown(arg: &OsStr) -> Message {
    Message::UnknownOption { option: arg.to_string_lossy().into_owned() }
}

/// `--name`, `--name value` and `--name=value`.
fn double_dash(
    command: &Command,
    name: &[u8],
    arg: &OsStr,
    args: &mut impl Iterator<Item = OsString>,
    done: &mut Vec<OsString>,
) -> Result<(), Message> {
    let declared = |name: &[u8]| {
        let name = std::str::from_utf8(name).ok()?;
        find_long(command, name).filter(|_| !is_single_dash(name))
    };
    if let Some(at) = name.iter().position(|byte| *byte == b'=') {
        let found = declared(&name[..at]).ok_or_else(|| unknown(arg))?;
        if !takes_value(found) {
            return Err(Message::OptionTakesNoValue {
                option: String::from_utf8_lossy(&arg.as_bytes()[..at + 2]).into_owned(),
                value: String::from_utf8_lossy(&name[at + 1..]).into_owned(),
            });
        }
        done.push(arg.to_owned());
        return Ok(());
    }
    let found = declared(name).ok_or_else(|| unknown(arg))?;
    if takes_value(found) {
        let value = args.next().ok_or_else(|| needs_value(arg))?;
        done.push(joined(arg.as_bytes(), value.as_bytes()));
    } else {
        done.push(arg.to_owned());
    }
    Ok(())
}

/// `-name`, `-name value`, `-namevalue`, `-x`, `-x value`, `-xvalue` and `-xyz`.
fn single_dash(
    command: &Command,
    refused: &[Refused],
    arg: &OsStr,
    args: &mut impl Iterator<Item = OsString>,
    done: &mut Vec<OsString>,
) -> Result<(), Message> {
    let body = &arg.as_bytes()[1..];

    // The longest name wins: `-lla` is not `-ll` with the value `a`, `-tp` is not `-t` with `p`.
    for len in (2..=SINGLE_DASH_MAX.min(body.len())).rev() {
        let Ok(name) = std::str::from_utf8(&body[..len]) else { continue };
        let found = find_long(command, name).filter(|_| is_single_dash(name));
        let Some(found) = found else { continue };
        let rest = &body[len..];
        let long = format!("--{name}");
        match (takes_value(found), rest) {
            (false, []) => done.push(long.into()),
            (true, []) => {
                let value = args.next().ok_or_else(|| needs_value(arg))?;
                done.push(joined(long.as_bytes(), value.as_bytes()));
            }
            (true, rest) => {
                done.push(joined(long.as_bytes(), rest.strip_prefix(b"=").unwrap_or(rest)));
            }
            // A switch with something attached: perhaps letters of their own.
            (false, _) => continue,
        }
        return Ok(());
    }

    let mut at = 0;
    while let Some(byte) = body.get(at) {
        let letter = char::from(*byte);
        let option = format!("-{letter}");
        if let Some(refused) = refused.iter().find(|refused| refused.option == option) {
            return Err(refuse(refused));
        }
        let found = find_short(command, letter).ok_or_else(|| unknown(arg))?;
        if takes_value(found) {
            let rest = &body[at + 1..];
            let value = match rest {
                [] => args.next().ok_or_else(|| needs_value(OsStr::new(&option)))?,
                rest => OsString::from_vec(rest.to_vec()),
            };
            done.push(joined(option.as_bytes(), value.as_bytes()));
            return Ok(());
        }
        done.push(option.into());
        at += 1;
    }
    Ok(())
}

fn needs_value(option: &OsStr) -> Message {
    Message::OptionNeedsValue { option: option.to_string_lossy().into_owned() }
}

/// Option and value in one argument: the parser then does not ask what the value looks like.
fn joined(option: &[u8], value: &[u8]) -> OsString {
    OsString::from_vec([option, b"=", value].concat())
}

fn find_long<'a>(command: &'a Command, name: &str) -> Option<&'a Arg> {
    command.get_arguments().find(|arg| {
        arg.get_long() == Some(name)
            || arg.get_all_aliases().is_some_and(|aliases| aliases.contains(&name))
    })
}

fn find_short(command: &Command, letter: char) -> Option<&Arg> {
    command.get_arguments().find(|arg| {
        arg.get_short() == Some(letter)
            || arg.get_all_short_aliases().is_some_and(|aliases| aliases.contains(&letter))
    })
}

/// Rewrites text that the parser made, so that options look as they are typed: `--lc` becomes `-lc`.
///
/// In lists of options they move to the column of single dashes, and their help stays where it is.
pub fn as_typed(command: &Command, text: &str) -> String {
    let mut typed = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let translated = line_as_typed(command, line);
        match line.strip_prefix(LONG_OPTION_INDENT) {
            Some(rest) if rest.starts_with("--") && translated.len() < line.len() => {
                let entry = translated.trim_start();
                typed.push_str("  ");
                match entry.find("  ") {
                    Some(help) => {
                        let moved = LONG_OPTION_INDENT.len() - 2 + 1;
                        typed.push_str(&entry[..help]);
                        typed.push_str(&" ".repeat(moved));
                        typed.push_str(&entry[help..]);
                    }
                    None => typed.push_str(entry),
                }
            }
            _ => typed.push_str(&translated),
        }
    }
    typed
}

/// What stands before a long option without a short one in a list of options.
const LONG_OPTION_INDENT: &str = "      ";

fn line_as_typed(command: &Command, text: &str) -> String {
    let mut typed = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("--") {
        let (before, from) = rest.split_at(at);
        let name_bytes = &from.as_bytes()[2..];
        let len = name_bytes
            .iter()
            .position(|byte| !(byte.is_ascii_alphanumeric() || *byte == b'-'))
            .unwrap_or(name_bytes.len());
        let name = &from[2..2 + len];
        typed.push_str(before);
        let preceded = before.ends_with(|c: char| c.is_ascii_alphanumeric() || c == '-');
        let translated = !preceded && is_single_dash(name) && find_long(command, name).is_some();
        typed.push_str(if translated { "-" } else { "--" });
        typed.push_str(name);
        rest = &from[2 + len..];
    }
    typed.push_str(rest);
    typed
}

#[cfg(test)]
mod tests;
