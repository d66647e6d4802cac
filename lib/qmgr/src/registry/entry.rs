//! One `QueueManager` stanza.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Seen;
use std::path::{Path, PathBuf};

use miqm_format::stanza::{Document, Stanza};
use miqm_types::{QmgrId, QmgrName};

use super::QUEUE_MANAGER;
use crate::layout::DataDir;

/// What the registry says of a queue manager.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub name: QmgrName,
    /// The directory under which its data directory is, unless `data_path` says otherwise.
    pub prefix: PathBuf,
    /// The name of its directory.
    pub directory: String,
    /// Its data directory, if that is not `prefix/qmgrs/directory`.
    pub data_path: Option<PathBuf>,
    /// The installation whose commands may run it.
    pub installation: Option<String>,
    /// Its identity when it was created or added on this host; `None` is not checked.
    pub identity: Option<QmgrId>,
}

impl Entry {
    /// Its data directory.
    pub fn data_dir(&self) -> DataDir {
        DataDir::new(
            self.data_path
                .clone()
                .unwrap_or_else(|| default_data_path(&self.prefix, &self.directory)),
        )
    }
}

/// The data directory of a queue manager whose stanza has no `DataPath`.
pub(crate) fn default_data_path(prefix: &Path, directory: &str) -> PathBuf {
    prefix.join("qmgrs").join(directory)
}

/// A stanza that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidEntry {
    /// The line of what is wrong.
    pub line: usize,
    /// The name in it as written, if there is one.
    pub name: Option<String>,
    /// What is wrong.
    pub why: WhyInvalid,
}

/// What is wrong with a stanza.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WhyInvalid {
    /// An attribute is not there.
    #[error("the stanza lacks {0}")]
    Missing(&'static str),
    /// A value is not one that the attribute can have.
    #[error("{key}={value} is not {expected}")]
    Value {
        /// The attribute.
        key: &'static str,
        /// The value as written.
        value: String,
        /// What it can be.
        expected: &'static str,
    },
    /// An earlier stanza has the same name.
    #[error("the queue manager has a stanza at line {first} already")]
    Repeated {
        /// The line of that one.
        first: usize,
    },
}

/// Reads the stanzas: the good ones and the bad ones, each in order.
pub(super) fn read_all(document: &Document) -> (Vec<Entry>, Vec<InvalidEntry>) {
    let mut entries: Vec<Entry> = Vec::new();
    let mut problems = Vec::new();
    let mut lines: HashMap<QmgrName, usize> = HashMap::new();
    for stanza in document.stanzas(QUEUE_MANAGER) {
        let line = stanza.line().unwrap_or(0);
        let invalid =
            |line, why| InvalidEntry { line, name: stanza.value("Name").map(str::to_owned), why };
        match read(stanza) {
            Err((at, why)) => problems.push(invalid(at.unwrap_or(line), why)),
            Ok(entry) => match lines.entry(entry.name.clone()) {
                Seen::Occupied(first) => {
                    let first = *first.get();
                    problems.push(invalid(line, WhyInvalid::Repeated { first }));
                }
                Seen::Vacant(slot) => {
                    slot.insert(line);
                    entries.push(entry);
                }
            },
        }
    }
    // Which of two stanzas of one name is right nobody can know, so neither is used.
    entries.retain(|entry| problems.iter().all(|p| p.name.as_deref() != Some(entry.name.as_str())));
    (entries, problems)
}

type Invalid = (Option<usize>, WhyInvalid);

fn read(stanza: &Stanza) -> Result<Entry, Invalid> {
    let need = |key: &'static str| match stanza.value(key) {
        Some(value) if !value.is_empty() => Ok(value),
        _ => Err((stanza.line(), WhyInvalid::Missing(key))),
    };
    let wrong = |key: &'static str, expected: &'static str| {
        let setting = stanza.get(key);
        let value = setting.map(|setting| setting.value).unwrap_or_default().to_owned();
        (setting.and_then(|setting| setting.line), WhyInvalid::Value { key, value, expected })
    };
    let absolute = |key: &'static str| match stanza.value(key).filter(|value| !value.is_empty()) {
        None => Ok(None),
        Some(value) if value.starts_with('/') => Ok(Some(PathBuf::from(value))),
        Some(_) => Err(wrong(key, "an absolute path")),
    };
    let name = need("Name")?.parse().map_err(|_| wrong("Name", "a queue manager name"))?;
    need("Prefix")?;
    let prefix = absolute("Prefix")?.unwrap_or_default();
    let directory = need("Directory")?;
    if !is_component(directory) {
        return Err(wrong("Directory", "the name of one directory"));
    }
    let identity = stanza
        .value("Identity")
        .map(|text| text.parse().map_err(|_| wrong("Identity", "32 hexadecimal digits")))
        .transpose()?;
    Ok(Entry {
        name,
        prefix,
        directory: directory.to_owned(),
        data_path: absolute("DataPath")?,
        installation: stanza.value("InstallationName").map(str::to_owned),
        identity,
    })
}

/// Whether a text can be the name of one directory.
pub(crate) fn is_component(text: &str) -> bool {
    !text.is_empty() && text != "." && text != ".." && !text.contains(['/', '\0'])
}
