//! From the tree that a TOML reader makes to checked values.

use std::path::{Component, PathBuf};

use miqm_types::{
    EXTENT_PAGES_MAX, EXTENT_PAGES_MIN, LogManagement, PRIMARY_MAX, PRIMARY_MIN, SECONDARY_MAX,
    SECONDARY_MIN,
};
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::near::nearest;
use super::{
    DESCRIPTION_MAX, Directory, LogKind, Mounts, PATH_BYTES_MAX, POLICIES, PROBLEMS_MAX, Problem,
    Provision, Why,
};

/// The most of a value that is shown, in characters.
const SHOWN_MAX: usize = 80;
/// The largest number of the attributes that are counts.
const COUNT_MAX: u32 = 999_999_999;
/// The most mounts or variables that are asked for.
const LIST_MAX: usize = 100;

/// What is wrong with a value, without its key.
enum Fault {
    Type(&'static str),
    Value(String),
}

type Read<T> = Result<T, Fault>;
type Key<'t> = Spanned<DeString<'t>>;
type Value<'t> = Spanned<DeValue<'t>>;

struct Reader<'t> {
    text: &'t str,
    problems: Vec<Problem>,
    file: Provision,
    /// `log.management`, and where its value stands.
    management: Option<(LogManagement, usize)>,
}

pub(super) fn read(bytes: &[u8]) -> Result<Provision, Vec<Problem>> {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let good = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
            let (line, column) = position(&good, good.len());
            return Err(vec![Problem { line, column, why: Why::NotText }]);
        }
    };
    let table = DeTable::parse(text);
    let mut reader =
        Reader { text, problems: Vec::new(), file: Provision::default(), management: None };
    match &table {
        Err(error) => {
            let at = error.span().map_or(0, |span| span.start);
            let what = error.message().lines().collect::<Vec<_>>().join(", ");
            reader.blame(at, Why::Syntax(shortened(&what)));
        }
        Ok(table) => {
            each(table.get_ref(), |key, value| reader.top(key, value));
            reader.together();
        }
    }
    let Reader { mut problems, file, .. } = reader;
    if problems.is_empty() {
        return Ok(file);
    }
    problems.sort_by_key(|problem| (problem.line, problem.column));
    problems.truncate(PROBLEMS_MAX);
    Err(problems)
}

/// Line and character, each from 1, of a byte of a text.
fn position(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line = before.rsplit('\n').next().unwrap_or_default();
    (before.matches('\n').count() + 1, line.chars().count() + 1)
}

fn shortened(text: &str) -> String {
    if text.chars().count() <= SHOWN_MAX {
        return text.to_owned();
    }
    text.chars().take(SHOWN_MAX).chain("...".chars()).collect()
}

fn each<'t>(table: &'t DeTable<'t>, mut act: impl FnMut(&'t Key<'t>, &'t Value<'t>)) {
    for (key, value) in table {
        act(key, value);
    }
}

impl<'t> Reader<'t> {
    fn blame(&mut self, at: usize, why: Why) {
        let (line, column) = position(self.text, at);
        self.problems.push(Problem { line, column, why });
    }

    /// What a value is, if it can be that.
    fn take<T>(
        &mut self,
        key: &'static str,
        value: &Value<'t>,
        read: impl FnOnce(&DeValue<'t>) -> Read<T>,
    ) -> Option<T> {
        let at = value.span().start;
        let (line, _) = position(self.text, at);
        self.file.lines.insert(key, line);
        match read(value.get_ref()) {
            Ok(found) => Some(found),
            Err(fault) => {
                self.fault(key, value, fault);
                None
            }
        }
    }

    fn fault(&mut self, key: &str, value: &Value<'t>, fault: Fault) {
        let key = key.to_owned();
        let why = match fault {
            Fault::Type(expected) => {
                Why::Type { key, expected, found: named(value.get_ref().type_str()) }
            }
            Fault::Value(why) => Why::Value { key, value: shown(value.get_ref()), why },
        };
        self.blame(value.span().start, why);
    }

    fn unknown(&mut self, table: &str, key: &Key<'t>) {
        let key_text = shortened(key.get_ref());
        let whole = if table.is_empty() { key_text } else { format!("{table}.{key_text}") };
        let near = nearest(&whole);
        self.blame(key.span().start, Why::Unknown { key: whole, near });
    }

    fn table(
        &mut self,
        name: &'static str,
        value: &'t Value<'t>,
        inner: fn(&mut Self, &'t Key<'t>, &'t Value<'t>),
    ) {
        match value.get_ref() {
            DeValue::Table(table) => each(table, |key, value| inner(self, key, value)),
            _ => self.fault(name, value, Fault::Type("a table")),
        }
    }

    fn top(&mut self, key: &'t Key<'t>, value: &'t Value<'t>) {
        match key.get_ref().as_ref() {
            "description" => self.file.description = self.take("description", value, description),
            "dead-letter-queue" => {
                self.file.dead_letter = self.take("dead-letter-queue", value, name);
            }
            "default-transmission-queue" => {
                self.file.default_xmitq = self.take("default-transmission-queue", value, name);
            }
            "max-handles" => {
                self.file.max_handles = self.take("max-handles", value, count(1, COUNT_MAX));
            }
            "max-uncommitted-messages" => {
                let read = count(1, COUNT_MAX);
                self.file.max_uncommitted = self.take("max-uncommitted-messages", value, read);
            }
            "trigger-interval" => {
                let read = count(0, COUNT_MAX);
                self.file.trigger_interval = self.take("trigger-interval", value, read);
            }
            "port" => self.file.port = self.take("port", value, short(1, u16::MAX)),
            "default" => self.file.is_default = self.take("default", value, flag),
            "security-policy" => {
                self.file.security_policy = self.take("security-policy", value, policy);
            }
            "application-group" => {
                self.file.application_group = self.take("application-group", value, group);
            }
            "paths" => self.table("paths", value, Self::paths),
            "log" => self.table("log", value, Self::log),
            "config" => self.table("config", value, Self::config),
            _ => self.unknown("", key),
        }
    }

    fn paths(&mut self, key: &'t Key<'t>, value: &'t Value<'t>) {
        let word = key.get_ref().as_ref();
        let (known, is_log, is_parent) = match word {
            "data" => ("paths.data", false, false),
            "data-under" => ("paths.data-under", false, true),
            "log" => ("paths.log", true, false),
            "log-under" => ("paths.log-under", true, true),
            "require-mount" => {
                self.file.require_mount = self.take("paths.require-mount", value, mounts);
                return;
            }
            _ => return self.unknown("paths", key),
        };
        let read = if is_parent { path } else { inner_path };
        let Some(path) = self.take(known, value, read) else { return };
        let found = if is_parent { Directory::Under(path) } else { Directory::At(path) };
        let slot = if is_log { &mut self.file.log } else { &mut self.file.data };
        if slot.replace(found).is_some() {
            let why = if is_log {
                Why::Both { key: "paths.log", other: "paths.log-under" }
            } else {
                Why::Both { key: "paths.data", other: "paths.data-under" }
            };
            self.blame(value.span().start, why);
        }
    }

    fn log(&mut self, key: &'t Key<'t>, value: &'t Value<'t>) {
        match key.get_ref().as_ref() {
            "type" => self.file.log_kind = self.take("log.type", value, log_kind),
            "management" => {
                let at = value.span().start;
                let found = self.take("log.management", value, management);
                self.management = found.map(|found| (found, at));
            }
            "file-pages" => {
                let read = count(EXTENT_PAGES_MIN, EXTENT_PAGES_MAX);
                self.file.extent_pages = self.take("log.file-pages", value, read);
            }
            "primary-files" => {
                let read = short(PRIMARY_MIN, PRIMARY_MAX);
                self.file.primary = self.take("log.primary-files", value, read);
            }
            "secondary-files" => {
                let read = short(SECONDARY_MIN, SECONDARY_MAX);
                self.file.secondary = self.take("log.secondary-files", value, read);
            }
            _ => self.unknown("log", key),
        }
    }

    fn config(&mut self, key: &'t Key<'t>, value: &'t Value<'t>) {
        match key.get_ref().as_ref() {
            "ini" => self.file.ini = self.take("config.ini", value, path),
            "variables" => self.file.variables = self.take("config.variables", value, variables),
            "mqsc" => {
                let why = "this version does not run MQSC commands at a start";
                self.blame(key.span().start, Why::Refused { key: "config.mqsc", why });
            }
            _ => self.unknown("config", key),
        }
    }

    /// What holds of several keys together.
    fn together(&mut self) {
        let Some((management, at)) = self.management else { return };
        match &mut self.file.log_kind {
            Some(LogKind::Linear(managed)) => *managed = Some(management),
            _ if self.problems.iter().any(|problem| problem.is_about("log.type")) => {}
            _ => {
                let needs = "log.type = 'linear'";
                self.blame(at, Why::Alone { key: "log.management", needs });
            }
        }
    }
}

impl Problem {
    fn is_about(&self, of: &str) -> bool {
        matches!(&self.why, Why::Type { key, .. } | Why::Value { key, .. } if key == of)
    }
}

fn named(kind: &'static str) -> &'static str {
    match kind {
        "string" => "a string",
        "integer" => "a whole number",
        "float" => "a number with a fraction",
        "boolean" => "true or false",
        "datetime" => "a date or time",
        "array" => "a list",
        _ => "a table",
    }
}

fn shown(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => shortened(text),
        DeValue::Integer(number) => shortened(&number.to_string()),
        DeValue::Boolean(flag) => flag.to_string(),
        other => named(other.type_str()).to_owned(),
    }
}

fn text<'v>(value: &'v DeValue<'_>) -> Read<&'v str> {
    value.as_str().ok_or(Fault::Type("a string"))
}

fn flag(value: &DeValue<'_>) -> Read<bool> {
    value.as_bool().ok_or(Fault::Type("true or false"))
}

fn count(min: u32, max: u32) -> impl FnOnce(&DeValue<'_>) -> Read<u32> {
    move |value| {
        let number = value.as_integer().ok_or(Fault::Type("a whole number"))?;
        u32::from_str_radix(number.as_str(), number.radix())
            .ok()
            .filter(|number| (min..=max).contains(number))
            .ok_or_else(|| Fault::Value(format!("between {min} and {max}")))
    }
}

fn short(min: u16, max: u16) -> impl FnOnce(&DeValue<'_>) -> Read<u16> {
    let read = count(min.into(), max.into());
    move |value| read(value).map(|number| u16::try_from(number).unwrap_or(max))
}

fn description(value: &DeValue<'_>) -> Read<String> {
    let text = text(value)?;
    let good = text.chars().count() <= DESCRIPTION_MAX && !text.contains(char::is_control);
    let why = || format!("up to {DESCRIPTION_MAX} characters without control characters");
    good.then(|| text.to_owned()).ok_or_else(|| Fault::Value(why()))
}

fn name<T: std::str::FromStr>(value: &DeValue<'_>) -> Read<T> {
    let why = "the name of a queue: 1 to 48 of A-Z a-z 0-9 . / _ %";
    text(value)?.parse().map_err(|_| Fault::Value(why.to_owned()))
}

fn group(value: &DeValue<'_>) -> Read<String> {
    let text = text(value)?;
    let good = !text.is_empty() && text.trim() == text && !text.contains(char::is_control);
    good.then(|| text.to_owned()).ok_or_else(|| Fault::Value("the name of a group".to_owned()))
}

/// One of a few words, upper or lower case.
fn word<T: Copy>(value: &DeValue<'_>, words: &[(&'static str, T)]) -> Read<T> {
    let text = text(value)?;
    let found = words.iter().find(|(word, _)| word.eq_ignore_ascii_case(text));
    found.map(|(_, meaning)| *meaning).ok_or_else(|| {
        let all: Vec<_> = words.iter().map(|(word, _)| *word).collect();
        Fault::Value(format!("one of {}", all.join(", ")))
    })
}

fn policy(value: &DeValue<'_>) -> Read<&'static str> {
    word(value, &POLICIES.map(|name| (name, name)))
}

fn log_kind(value: &DeValue<'_>) -> Read<LogKind> {
    word(value, &[("circular", LogKind::Circular), ("linear", LogKind::Linear(None))])
}

fn management(value: &DeValue<'_>) -> Read<LogManagement> {
    word(
        value,
        &[
            ("manual", LogManagement::Manual),
            ("automatic", LogManagement::Automatic),
            ("archive", LogManagement::Archive),
        ],
    )
}

/// A path that can stand in an ini file and means the same everywhere.
fn path(value: &DeValue<'_>) -> Read<PathBuf> {
    let text = text(value)?;
    let path = PathBuf::from(text);
    let dots = path.components().any(|part| part == Component::ParentDir);
    let plain = !text.contains(char::is_control) && text.trim() == text;
    if path.is_absolute() && !dots && plain && text.len() <= PATH_BYTES_MAX {
        // Without repeated slashes, dots, and a slash at the end.
        return Ok(path.components().collect());
    }
    let why = format!(
        "a path that begins with a slash, without '..' and control characters, of up to \
         {PATH_BYTES_MAX} bytes"
    );
    Err(Fault::Value(why))
}

/// A path of a directory that is made in another one.
fn inner_path(value: &DeValue<'_>) -> Read<PathBuf> {
    let path = path(value)?;
    if path.parent().is_some() {
        return Ok(path);
    }
    Err(Fault::Value("a directory below the root".to_owned()))
}

fn mounts(value: &DeValue<'_>) -> Read<Mounts> {
    const EXPECTED: &str = "true or false, the path of a mount, or a list of them";
    match value {
        DeValue::Boolean(any) => Ok(Mounts::Any(*any)),
        DeValue::String(_) => path(value).map(|one| Mounts::These(vec![one])),
        DeValue::Array(list) if list.is_empty() || list.len() > LIST_MAX => {
            Err(Fault::Value(format!("a list of 1 to {LIST_MAX} paths")))
        }
        DeValue::Array(list) => {
            let paths: Read<Vec<_>> = list
                .iter()
                .map(|one| match path(one.get_ref()) {
                    Err(Fault::Type(_)) => Err(Fault::Type(EXPECTED)),
                    other => other,
                })
                .collect();
            paths.map(Mounts::These)
        }
        _ => Err(Fault::Type(EXPECTED)),
    }
}

fn variables(value: &DeValue<'_>) -> Read<Vec<(String, String)>> {
    const EXPECTED: &str = "a table of strings";
    let table = value.as_table().ok_or(Fault::Type(EXPECTED))?;
    let mut found: Vec<(String, String)> = Vec::new();
    for (key, value) in table {
        let name = key.get_ref();
        let value = value.get_ref().as_str().ok_or(Fault::Type(EXPECTED))?;
        let letters = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if name.is_empty() || !letters || found.len() >= LIST_MAX {
            let why = format!("up to {LIST_MAX} names of letters, digits and underscores");
            return Err(Fault::Value(why));
        }
        if found.iter().any(|(other, _)| other.eq_ignore_ascii_case(name)) {
            return Err(Fault::Value(format!("without '{name}' twice")));
        }
        if value.contains(char::is_control) || value.trim() != value {
            return Err(Fault::Value(format!("without blanks around the value of '{name}'")));
        }
        found.push((name.to_string(), value.to_owned()));
    }
    Ok(found)
}
