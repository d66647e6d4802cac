//! `mqrc`: what a reason code or a message id means.

use std::io::{self, BufRead};

use miqm_cli::{Env, Exit, Failure, Message, Refused, Tool, Ui, clap};
use miqm_messages::{Entry, Reason, Severity};
use serde::Serialize;

/// Explain reason codes and messages
///
/// A number, or one in hexadecimal after 0x, is a reason code; AMQ and a number is a message; anything
/// else is the symbol of a reason code. A dash reads them from standard input.
#[derive(Debug, clap::Parser)]
#[command(group = clap::ArgGroup::new("what").required(true))]
#[expect(clippy::struct_excessive_bools, reason = "each is an option")]
pub struct Mqrc {
    /// Find a message whatever the letter of severity that is given with it
    #[arg(short = 'a')]
    all_severities: bool,
    /// Omit explanations
    #[arg(short = 'b')]
    brief: bool,
    /// A reason code, a message id or a symbol; '-' reads them from standard input
    #[arg(value_name = "CODE", group = "what")]
    code: Option<String>,
    /// Explain a reason code
    #[arg(short = 'r', value_name = "CODE", group = "what")]
    reason: Option<String>,
    /// Explain a message
    #[arg(short = 'm', value_name = "AMQnnnn", group = "what")]
    message: Option<String>,
    /// Explain the symbol of a reason code
    #[arg(short = 's', value_name = "SYMBOL", group = "what")]
    symbol: Option<String>,
    /// Display all reason codes, or those from -f to -l
    #[arg(short = 'R', group = "what")]
    reasons: bool,
    /// Display the messages from -f to -l
    #[arg(short = 'M', group = "what", requires = "first")]
    messages: bool,
    /// The first number of a range
    #[arg(short = 'f', value_name = "FIRST", requires = "last")]
    #[arg(conflicts_with_all = ["code", "reason", "message", "symbol"])]
    first: Option<String>,
    /// The last number of a range
    #[arg(short = 'l', value_name = "LAST", requires = "first")]
    #[arg(conflicts_with_all = ["code", "reason", "message", "symbol"])]
    last: Option<String>,
    /// How to display: text or json
    #[arg(short = 'i', value_name = "FORMAT", value_parser = ["text", "json"])]
    format: Option<String>,
    /// Display as JSON
    #[arg(long, conflicts_with = "format")]
    json: bool,
}

/// The longest word that is looked for; nothing that is known is as long.
const WORD_BYTES_MAX: usize = 256;

const UNTOLD: &str = "what it selects is not known here";

impl Tool for Mqrc {
    const NAME: &'static str = "mqrc";
    const EXITS: &'static [Exit] = &[Exit::Done, Exit::Partly, Exit::NotDone];
    const USAGE: Exit = Exit::NotDone;
    const STORAGE: bool = false;
    const REFUSED: &'static [Refused] = &[
        Refused { option: "-d", why: "messages are in one language only" },
        Refused { option: "-o", why: UNTOLD },
        Refused { option: "-p", why: UNTOLD },
        Refused { option: "-u", why: UNTOLD },
        Refused { option: "-x", why: UNTOLD },
    ];

    fn run(self, _: &Env, ui: &mut Ui<'_>) -> Result<Exit, Failure> {
        let json = self.json || self.format.as_deref() == Some("json");
        let mut report = Report { json, brief: self.brief, ui, found: Vec::new(), missed: false };
        if self.reasons {
            let (first, last) = self.range(number)?.unwrap_or((0, u32::MAX));
            for reason in Reason::all().filter(|reason| (first..=last).contains(&reason.code)) {
                report.reason(reason);
            }
        } else if self.messages {
            let range = self.range(|text| Some(message_number(text)?.0))?;
            for entry in miqm_messages::CATALOGUE {
                if range.is_none_or(|(first, last)| (first..=last).contains(&u32::from(entry.number))) {
                    report.message(entry);
                }
            }
        } else if let Some(code) = &self.reason {
            report.by_code(code);
        } else if let Some(id) = &self.message {
            report.by_id(id, self.all_severities);
        } else if let Some(symbol) = &self.symbol {
            report.by_symbol(symbol);
        } else if self.code.as_deref() == Some("-") {
            words(io::stdin().lock(), |word| report.look_up(word, self.all_severities))?;
        } else if let Some(code) = &self.code {
            report.look_up(code, self.all_severities);
        }
        Ok(report.finish())
    }
}

impl Mqrc {
    /// The range that was asked for, if one was.
    fn range(&self, number: impl Fn(&str) -> Option<u32>) -> Result<Option<(u32, u32)>, Failure> {
        let (Some(first), Some(last)) = (&self.first, &self.last) else { return Ok(None) };
        match (number(first), number(last)) {
            (Some(first), Some(last)) if first <= last => Ok(Some((first, last))),
            _ => {
                let message = Message::BadRange { first: first.clone(), last: last.clone() };
                Err(Failure::new(Exit::NotDone, message))
            }
        }
    }
}

/// A number as people write them here: decimal, or hexadecimal after `0x`.
fn number(text: &str) -> Option<u32> {
    let hex = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    let (digits, radix) = hex.map_or((text, 10), |digits| (digits, 16));
    // The parser would also take a sign.
    let good = !digits.is_empty() && digits.chars().all(|c| c.is_digit(radix));
    good.then(|| u32::from_str_radix(digits, radix).ok()).flatten()
}

/// The number of a message id, and its letter: `AMQ8118E`, `amq8118` or `8118`.
fn message_number(text: &str) -> Option<(u32, Option<Severity>)> {
    let prefixed = text.get(..3).is_some_and(|prefix| prefix.eq_ignore_ascii_case("AMQ"));
    let digits = if prefixed { &text[3..] } else { text };
    let severity = digits
        .chars()
        .last()
        .and_then(|letter| Severity::from_letter(letter.to_ascii_uppercase()));
    let digits = if severity.is_some() { &digits[..digits.len() - 1] } else { digits };
    let good = (1..=5).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    good.then(|| Some((digits.parse().ok()?, severity))).flatten()
}

/// Calls back with every word of the input. What is longer than any code is passed on cut off.
fn words(mut input: impl BufRead, mut look_up: impl FnMut(&str)) -> Result<(), Failure> {
    let lost = |error: io::Error| {
        Failure::new(Exit::NotDone, Message::InputLost { cause: error.to_string() })
    };
    let mut word = Vec::new();
    loop {
        let bytes = input.fill_buf().map_err(lost)?;
        let (end, len) = (bytes.is_empty(), bytes.len());
        for byte in bytes.iter().copied().chain(end.then_some(b'\n')) {
            if !byte.is_ascii_whitespace() {
                if word.len() < WORD_BYTES_MAX {
                    word.push(byte);
                }
            } else if !word.is_empty() {
                look_up(&String::from_utf8_lossy(&word));
                word.clear();
            }
        }
        if end {
            return Ok(());
        }
        input.consume(len);
    }
}

/// Something that was found, as JSON.
#[derive(Serialize)]
#[serde(untagged)]
enum Found {
    Reason {
        code: u32,
        hex: String,
        symbol: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        explanation: Option<&'static str>,
    },
    Message {
        id: String,
        severity: String,
        text: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        explanation: Option<&'static str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        response: Option<&'static str>,
    },
}

struct Report<'a, 'b> {
    json: bool,
    brief: bool,
    ui: &'a mut Ui<'b>,
    found: Vec<Found>,
    missed: bool,
}

impl Report<'_, '_> {
    /// Looks for whatever this looks like.
    fn look_up(&mut self, what: &str, all_severities: bool) {
        let is_message = what.get(..3).is_some_and(|prefix| prefix.eq_ignore_ascii_case("AMQ"));
        if is_message {
            self.by_id(what, all_severities);
        } else if what.starts_with(|c: char| c.is_ascii_digit()) {
            self.by_code(what);
        } else {
            self.by_symbol(what);
        }
    }

    fn by_code(&mut self, code: &str) {
        let mut known = false;
        for reason in number(code).into_iter().flat_map(Reason::by_code) {
            self.reason(reason);
            known = true;
        }
        if !known {
            self.miss(&Message::NothingKnown { what: code.to_owned() });
        }
    }

    fn by_symbol(&mut self, symbol: &str) {
        match Reason::by_symbol(symbol) {
            Some(reason) => self.reason(reason),
            None => self.miss(&Message::NothingKnown { what: symbol.to_owned() }),
        }
    }

    fn by_id(&mut self, id: &str, all_severities: bool) {
        let asked = message_number(id);
        let entry = asked.and_then(|(number, _)| Entry::find(u16::try_from(number).ok()?));
        match (entry, asked.and_then(|(_, severity)| severity)) {
            (None, _) => self.miss(&Message::NothingKnown { what: id.to_owned() }),
            (Some(entry), Some(severity)) if severity != entry.severity && !all_severities => {
                let (given, actual) = (id.to_owned(), entry.id_text());
                self.miss(&Message::SeverityDiffers { given, actual });
            }
            (Some(entry), _) => self.message(entry),
        }
    }

    fn miss(&mut self, message: &Message) {
        self.missed = true;
        self.ui.complain(message);
    }

    fn reason(&mut self, reason: &Reason) {
        let Reason { code, symbol, explanation } = *reason;
        let (hex, explanation) = (format!("0x{code:08x}"), explanation.filter(|_| !self.brief));
        if self.json {
            self.found.push(Found::Reason { code, hex, symbol, explanation });
            return;
        }
        self.ui.line(format_args!("{code:>10}  {hex}  {symbol}"));
        if let Some(text) = explanation {
            self.ui.line(format_args!("\n{text}\n"));
        }
    }

    fn message(&mut self, entry: &Entry) {
        let (id, text) = (entry.id_text(), entry.pattern());
        if self.json {
            self.found.push(Found::Message {
                id,
                severity: entry.severity.to_string(),
                text,
                explanation: (!self.brief).then_some(entry.explanation),
                response: (!self.brief).then_some(entry.response),
            });
            return;
        }
        self.ui.line(format_args!("{id}: {text}"));
        if !self.brief {
            self.ui.line(format_args!("\nExplanation:\n{}", entry.explanation));
            self.ui.line(format_args!("\nResponse:\n{}\n", entry.response));
        }
    }

    fn finish(self) -> Exit {
        if self.json {
            self.ui.json(&self.found);
        }
        if self.missed { Exit::Partly } else { Exit::Done }
    }
}
