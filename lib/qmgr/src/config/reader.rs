//! Reads values of a document and says where a wrong one stands.

use std::path::{Path, PathBuf};

use miqm_format::stanza::{Document, Setting, Stanza};

use super::known::{self, Rule};
use super::{BadValue, ConfigError};

pub(super) struct Reader<'a> {
    pub(super) document: &'a Document,
    pub(super) file: &'a Path,
}

impl Reader<'_> {
    pub(super) fn missing(&self, stanza: &'static str, key: &'static str) -> ConfigError {
        let line = self.document.stanzas(stanza).next().and_then(Stanza::line).unwrap_or(0);
        ConfigError::Missing { file: self.file.to_owned(), line, stanza, key }
    }

    pub(super) fn bad(&self, stanza: &'static str, key: &str, expected: &str) -> ConfigError {
        let setting = self.document.get(stanza, key);
        let setting = setting.unwrap_or(Setting { key, value: "", line: None });
        ConfigError::Value(Box::new(self.bad_value(stanza, &setting, expected.to_owned())))
    }

    fn bad_value(&self, stanza: &'static str, setting: &Setting<'_>, expected: String) -> BadValue {
        BadValue {
            file: self.file.to_owned(),
            line: setting.line.unwrap_or(0),
            stanza,
            key: setting.key.to_owned(),
            value: setting.value.to_owned(),
            expected,
        }
    }

    pub(super) fn text(&self, stanza: &'static str, key: &str) -> Option<String> {
        let value = self.document.get(stanza, key)?.value;
        (!value.is_empty()).then(|| value.to_owned())
    }

    /// The number, or the default if there is none. `range` is inclusive.
    pub(super) fn number(
        &self,
        stanza: &'static str,
        key: &str,
        default: u64,
        range: (u64, u64),
    ) -> Result<u64, ConfigError> {
        let Some(setting) = self.document.get(stanza, key) else { return Ok(default) };
        number_in(setting.value, range).ok_or_else(|| self.bad(stanza, key, &range_text(range)))
    }

    pub(super) fn choice<T: Copy>(
        &self,
        stanza: &'static str,
        key: &str,
        choices: &[(&str, T)],
    ) -> Result<Option<T>, ConfigError> {
        let Some(setting) = self.document.get(stanza, key) else { return Ok(None) };
        let found = choices.iter().find(|(name, _)| name.eq_ignore_ascii_case(setting.value));
        if let Some((_, value)) = found {
            return Ok(Some(*value));
        }
        let names: Vec<_> = choices.iter().map(|(name, _)| *name).collect();
        Err(self.bad(stanza, key, &one_of(&names)))
    }

    pub(super) fn absolute_path(
        &self,
        stanza: &'static str,
        key: &str,
    ) -> Result<Option<PathBuf>, ConfigError> {
        match self.text(stanza, key).map(PathBuf::from) {
            Some(path) if !path.is_absolute() => Err(self.bad(stanza, key, "an absolute path")),
            path => Ok(path),
        }
    }

    /// Checks the stanzas that channels live by, and the values of what is known but has no effect
    /// yet, so that a mistake is found on the day it is made. The first wrong line is named.
    pub(super) fn check_all(&self) -> Result<(), ConfigError> {
        self.check(known::CHANNEL_RULES).map_err(ConfigError::Channels)?;
        self.check(known::OTHER_RULES).map_err(ConfigError::Value)
    }

    fn check(&self, stanzas: &[(&'static str, &[Rule])]) -> Result<(), Box<BadValue>> {
        for (stanza, rules) in stanzas {
            for setting in self.document.stanzas(stanza).flat_map(Stanza::settings) {
                let rule = rules.iter().find(|rule| rule.key.eq_ignore_ascii_case(setting.key));
                if let Some(Err(expected)) = rule.map(|rule| rule.values.check(setting.value)) {
                    return Err(Box::new(self.bad_value(stanza, &setting, expected)));
                }
            }
        }
        Ok(())
    }
}

pub(super) fn number_in(text: &str, (min, max): (u64, u64)) -> Option<u64> {
    // No sign: Rust would take a plus.
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let number = digits.then(|| text.parse().ok()).flatten()?;
    (min..=max).contains(&number).then_some(number)
}

pub(super) fn range_text((min, max): (u64, u64)) -> String {
    format!("a number from {min} to {max}")
}

pub(super) fn one_of(names: &[&str]) -> String {
    match names {
        [] => "empty".to_owned(),
        [only] => (*only).to_owned(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}
