//! What the registry says for queue managers that are created, and a registry that says it.

use std::path::{Path, PathBuf};

use miqm_format::stanza::{BadEdit, Document};
use miqm_types::{LogGeometry, LogType};

use super::{ALL_QUEUE_MANAGERS, LOG_DEFAULTS, Registry, RegistryError};

const HEAD: &str = "\
# The queue managers that this host can run; mqs.ini(5) explains the settings.
# Change it with crtmqm, dltmqm, addmqinf and rmvmqinf.
#
";

/// The settings for the logs of queue managers that are created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogDefaults {
    /// The size of an extent, in pages of 4 KiB.
    pub extent_pages: u32,
    /// The number of primary extents.
    pub primary: u16,
    /// The number of secondary extents.
    pub secondary: u16,
    /// What becomes of extents that recovery does not need.
    pub log_type: LogType,
    /// The buffer of the log writer, in pages; 0 leaves it to the queue manager.
    pub buffer_pages: u32,
    /// The directory under which log directories are; `None` if it does not say.
    pub path: Option<PathBuf>,
}

pub(super) fn log_defaults(registry: &Registry) -> Result<LogDefaults, RegistryError> {
    let number = |key: &'static str, default: u32, expected: &'static str, max: u32| match registry
        .document
        .get(LOG_DEFAULTS, key)
    {
        None => Ok(default),
        Some(setting) => setting
            .value
            .parse()
            .ok()
            .filter(|number| *number <= max && !setting.value.starts_with('+'))
            .ok_or_else(|| registry.bad_value(LOG_DEFAULTS, key, expected)),
    };
    let default = LogGeometry::DEFAULT;
    let short = |key, default: u16, expected, max| {
        number(key, u32::from(default), expected, max).map(|n| u16::try_from(n).unwrap_or(u16::MAX))
    };
    let buffer_pages = number("LogBufferPages", 0, "0 or a number from 18 to 4096", 4096)?;
    if (1..18).contains(&buffer_pages) {
        let expected = "0 or a number from 18 to 4096";
        return Err(registry.bad_value(LOG_DEFAULTS, "LogBufferPages", expected));
    }
    let log_type = match registry.document.get(LOG_DEFAULTS, "LogType").map(|s| s.value) {
        None => LogType::Circular,
        Some(value) if value.eq_ignore_ascii_case("CIRCULAR") => LogType::Circular,
        Some(value) if value.eq_ignore_ascii_case("LINEAR") => {
            LogType::Linear(miqm_types::LogManagement::Manual)
        }
        Some(_) => return Err(registry.bad_value(LOG_DEFAULTS, "LogType", "CIRCULAR or LINEAR")),
    };
    Ok(LogDefaults {
        extent_pages: number(
            "LogFilePages",
            default.extent_pages(),
            "a number from 64 to 65535",
            65_535,
        )?,
        primary: short("LogPrimaryFiles", default.primary(), "a number from 2 to 510", 510)?,
        secondary: short("LogSecondaryFiles", default.secondary(), "a number from 1 to 509", 509)?,
        log_type,
        buffer_pages,
        path: registry.path_setting(LOG_DEFAULTS, "LogDefaultPath")?,
    })
}

/// A registry without queue managers.
///
/// # Errors
///
/// [`BadEdit`] if the prefix cannot stand in an ini file.
///
/// # Panics
///
/// Never: the head is comments only.
pub fn defaults_document(prefix: &Path) -> Result<Document, BadEdit> {
    let mut document = Document::parse(HEAD.as_bytes()).expect("the head is comments only");
    let text = |path: &Path| path.to_string_lossy().into_owned();
    document.push_stanza(ALL_QUEUE_MANAGERS)?.set("DefaultPrefix", &text(prefix))?;
    let default = LogGeometry::DEFAULT;
    let log = document.push_stanza(LOG_DEFAULTS)?;
    log.set("LogPrimaryFiles", &default.primary().to_string())?;
    log.set("LogSecondaryFiles", &default.secondary().to_string())?;
    log.set("LogFilePages", &default.extent_pages().to_string())?;
    log.set("LogType", "CIRCULAR")?;
    log.set("LogBufferPages", "0")?;
    log.set("LogDefaultPath", &text(&prefix.join("log")))?;
    Ok(document)
}
