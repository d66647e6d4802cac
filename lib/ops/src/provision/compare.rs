//! Whether a queue manager is what its file asks for.

use std::path::{Path, PathBuf};

use miqm_format::provision::{Directory, LogKind, Provision};
use miqm_qmgr::identity::Birth;
use miqm_sys::{IoError, fs};
use miqm_types::{LogManagement, LogType};

use super::{Existing, policy};

/// A key of which the queue manager has another value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contradiction {
    /// The key.
    pub key: &'static str,
    /// The line of the file.
    pub line: usize,
    /// What the queue manager has.
    pub is: String,
    /// What the file asks for.
    pub asked: String,
}

/// What came out.
#[derive(Debug, Default)]
pub(super) struct Compared {
    pub(super) contradictions: Vec<Contradiction>,
    /// The keys of the file of which it was not recorded what the queue manager was created with.
    pub(super) unknown: Vec<&'static str>,
}

/// The keys of attributes that commands change later: what counts is what the queue manager was created
/// with. With the names that they have in the identity file.
const ATTRIBUTES: &[(&str, &str)] = &[
    ("description", "Description"),
    ("default-transmission-queue", "DefaultTransmissionQueue"),
    ("dead-letter-queue", "DeadLetterQueue"),
    ("max-handles", "MaxHandles"),
    ("max-uncommitted-messages", "MaxUncommittedMessages"),
    ("trigger-interval", "TriggerInterval"),
    ("port", "ListenerPort"),
];

struct Comparison<'a> {
    content: &'a Provision,
    done: Compared,
}

/// Compares what the file says with what there is; what the file does not say can be anything.
pub(super) fn compare(
    content: &Provision,
    existing: &Existing,
    birth: &Birth,
) -> Result<Compared, IoError> {
    let mut comparison = Comparison { content, done: Compared::default() };
    comparison.paths(existing)?;
    comparison.log(existing);
    comparison.settings(existing);
    comparison.attributes(existing, birth);
    Ok(comparison.done)
}

impl Comparison<'_> {
    fn differs(&mut self, key: &'static str, is: impl Into<String>, asked: impl Into<String>) {
        let line = self.content.line_of(key);
        let (is, asked) = (is.into(), asked.into());
        self.done.contradictions.push(Contradiction { key, line, is, asked });
    }

    /// Compares if the file says something.
    fn value<T: PartialEq>(
        &mut self,
        key: &'static str,
        asked: Option<T>,
        is: &T,
        shown: impl Fn(&T) -> String,
    ) {
        if let Some(asked) = asked.filter(|asked| asked != is) {
            self.differs(key, shown(is), shown(&asked));
        }
    }

    fn paths(&mut self, existing: &Existing) -> Result<(), IoError> {
        let content = self.content;
        let data = existing.entry.data_dir();
        self.path(["paths.data", "paths.data-under"], content.data.as_ref(), data.path())?;
        let log = &existing.settings.log.path;
        self.path(["paths.log", "paths.log-under"], content.log.as_ref(), log)
    }

    fn path(
        &mut self,
        [at, under]: [&'static str; 2],
        asked: Option<&Directory>,
        is: &Path,
    ) -> Result<(), IoError> {
        let is: PathBuf = is.components().collect();
        let (key, asked, is) = match asked {
            None => return Ok(()),
            Some(Directory::At(path)) => (at, path, is),
            Some(Directory::Under(path)) => (under, path, is.parent().unwrap_or(&is).to_owned()),
        };
        if !is_same(asked, &is)? {
            self.differs(key, is.display().to_string(), asked.display().to_string());
        }
        Ok(())
    }

    fn log(&mut self, existing: &Existing) {
        let (content, log) = (self.content, &existing.settings.log);
        match (content.log_kind, log.log_type) {
            (None | Some(LogKind::Circular), LogType::Circular) | (None, LogType::Linear(_)) => {}
            (Some(LogKind::Circular), LogType::Linear(_)) => {
                self.differs("log.type", "linear", "circular");
            }
            (Some(LogKind::Linear(_)), LogType::Circular) => {
                self.differs("log.type", "circular", "linear");
            }
            (Some(LogKind::Linear(asked)), LogType::Linear(is)) => {
                self.value("log.management", asked, &is, |one| word(*one).to_owned());
            }
        }
        let geometry = log.geometry;
        let shown = |number: &u32| number.to_string();
        self.value("log.file-pages", content.extent_pages, &geometry.extent_pages(), shown);
        let files = [
            ("log.primary-files", content.primary, geometry.primary()),
            ("log.secondary-files", content.secondary, geometry.secondary()),
        ];
        for (key, asked, is) in files {
            self.value(key, asked.map(u32::from), &u32::from(is), shown);
        }
    }

    fn settings(&mut self, existing: &Existing) {
        let (content, settings) = (self.content, &existing.settings);
        let asked = content.security_policy.and_then(policy);
        self.value("security-policy", asked, &settings.security_policy, |one| {
            one.name().to_owned()
        });
        let quoted = |text: &Option<String>| {
            text.as_ref().map_or_else(|| "none".to_owned(), |text| format!("'{text}'"))
        };
        let group = content.application_group.clone().map(Some);
        self.value("application-group", group, &settings.restricted_group, quoted);
        let ini = content.ini.clone().map(Some);
        self.value("config.ini", ini, &settings.auto_ini, |path| match path {
            None => "none".to_owned(),
            Some(path) => path.display().to_string(),
        });
        let sorted = |mut all: Vec<(String, String)>| {
            all.sort();
            all
        };
        let asked = content.variables.clone().map(sorted);
        self.value("config.variables", asked, &sorted(settings.variables.clone()), |all| {
            let all: Vec<_> = all.iter().map(|(name, value)| format!("{name}={value}")).collect();
            if all.is_empty() { "none".to_owned() } else { all.join(";") }
        });
    }

    fn attributes(&mut self, existing: &Existing, birth: &Birth) {
        for (key, name) in ATTRIBUTES {
            let Some((_, asked)) = birth.0.iter().find(|(asked, _)| asked == name) else {
                continue;
            };
            let asked = Birth::plain(asked);
            let Some(facts) = &existing.born_with else {
                self.done.unknown.push(key);
                continue;
            };
            match facts.iter().find(|(fact, _)| fact.eq_ignore_ascii_case(name)) {
                Some((_, is)) if *is == asked => {}
                Some((_, is)) => {
                    self.differs(key, format!("'{is}' since the creation"), format!("'{asked}'"));
                }
                None => self.differs(key, "nothing since the creation", format!("'{asked}'")),
            }
        }
    }
}

fn word(management: LogManagement) -> &'static str {
    match management {
        LogManagement::Manual => "manual",
        LogManagement::Automatic => "automatic",
        LogManagement::Archive => "archive",
    }
}

/// Whether two paths are one directory, by their texts or by where symbolic links lead.
fn is_same(one: &Path, other: &Path) -> Result<bool, IoError> {
    if one == other {
        return Ok(true);
    }
    let real = |path: &Path| match fs::canonical(path) {
        Err(error) if error.is_not_found() => Ok(None),
        real => real.map(Some),
    };
    Ok(match (real(one)?, real(other)?) {
        (Some(one), Some(other)) => one == other,
        _ => false,
    })
}
