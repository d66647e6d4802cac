//! The `qm.ini` that a new queue manager gets.

use std::path::{Path, PathBuf};

use miqm_format::stanza::{BadEdit, Document};
use miqm_types::{LogGeometry, LogManagement, LogType};

/// Who is asked whether somebody may use an object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SecurityPolicy {
    /// The groups of the user.
    #[default]
    Group,
    /// The user, then the groups.
    User,
    /// The user, who need not be known to the host.
    UserExternal,
}

impl SecurityPolicy {
    /// The names as `crtmqm -oa` and `qm.ini` have them.
    pub const NAMED: [(&'static str, Self); 4] = [
        ("group", Self::Group),
        ("user", Self::User),
        ("UserExternal", Self::UserExternal),
        ("default", Self::Group),
    ];

    /// The name of this one.
    pub fn name(self) -> &'static str {
        match self {
            Self::Group => "group",
            Self::User => "user",
            Self::UserExternal => "UserExternal",
        }
    }
}

/// What creation decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Initial {
    /// The prefix of the installation; exits are looked for in it.
    pub prefix: PathBuf,
    /// The log directory.
    pub log_path: PathBuf,
    /// The size of the log.
    pub geometry: LogGeometry,
    /// What becomes of extents that recovery does not need.
    pub log_type: LogType,
    /// `LogBufferPages`.
    pub buffer_pages: u32,
    /// Who is asked for authority, if creation said so.
    pub security_policy: Option<SecurityPolicy>,
    /// The group to which use is restricted.
    pub restricted_group: Option<String>,
    /// The file or directory of ini files that are applied at every start.
    pub auto_ini: Option<PathBuf>,
    /// The variables that such files can use.
    pub variables: Vec<(String, String)>,
}

const HEAD: &str = "\
# Settings of one queue manager; qm.ini(5) explains them. They count from the next start on.
#
# TuningParameters can hold the times of the lock protocol. The defaults suit storage that gives
# up the locks of a silent host after 90 seconds:
#   LockPollInterval=100    milliseconds between two attempts of a standby to take over
#   HoldCheckInterval=1000  milliseconds between two proofs that the active still holds its locks
#   HoldDeadline=20         seconds that such a proof may take before the instance ends itself
#   LeaseTime=90            seconds after which the storage gives a silent host's locks away
#   StorageRetryTime=5      seconds that the storage itself may take to try again
#   MaxStandbys=1           standby instances at a time, 1 to 16
#
";

/// The `qm.ini` of a new queue manager.
///
/// # Errors
///
/// [`BadEdit`] if a path or a variable cannot stand in an ini file, because of a new line
/// in it for example.
///
/// # Panics
///
/// Never: the head is comments only.
pub fn initial(of: &Initial) -> Result<Document, BadEdit> {
    let mut document = Document::parse(HEAD.as_bytes()).expect("the head is comments only");
    let exits = |name: &str| of.prefix.join(name).to_string_lossy().into_owned();
    let mut add = |name: &str, settings: &[(&str, &str)]| -> Result<(), BadEdit> {
        let stanza = document.push_stanza(name)?;
        settings.iter().try_for_each(|(key, value)| stanza.set(key, value))
    };
    add(
        "ExitPath",
        &[("ExitsDefaultPath", &exits("exits")), ("ExitsDefaultPath64", &exits("exits64"))],
    )?;
    add_log(&mut add, of)?;
    let mut service = vec![("Name", "AuthorizationService"), ("EntryPoints", "14")];
    if let Some(policy) = of.security_policy {
        service.push(("SecurityPolicy", policy.name()));
    }
    add("Service", &service)?;
    // The order of these five lines is interface: scripts look for the block as a whole.
    add(
        "ServiceComponent",
        &[
            ("Service", "AuthorizationService"),
            ("Name", "MQSeries.UNIX.auth.service"),
            ("Module", "amqzfu"),
            ("ComponentDataSize", "0"),
        ],
    )?;
    if let Some(group) = &of.restricted_group {
        add("RestrictedMode", &[("ApplicationGroup", group)])?;
    }
    if let Some(path) = &of.auto_ini {
        add("AutoConfig", &[("IniConfig", &text(path))])?;
    }
    if !of.variables.is_empty() {
        let settings: Vec<_> = of.variables.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        add("Variables", &settings)?;
    }
    Ok(document)
}

type Add<'a> = dyn FnMut(&str, &[(&str, &str)]) -> Result<(), BadEdit> + 'a;

fn add_log(add: &mut Add<'_>, of: &Initial) -> Result<(), BadEdit> {
    let (kind, management) = match of.log_type {
        LogType::Circular => ("CIRCULAR", None),
        LogType::Linear(LogManagement::Manual) => ("LINEAR", None),
        LogType::Linear(LogManagement::Automatic) => ("LINEAR", Some("Automatic")),
        LogType::Linear(LogManagement::Archive) => ("LINEAR", Some("Archive")),
    };
    let numbers = [
        of.geometry.primary().to_string(),
        of.geometry.secondary().to_string(),
        of.geometry.extent_pages().to_string(),
        of.buffer_pages.to_string(),
    ];
    let path = format!("{}/", text(&of.log_path).trim_end_matches('/'));
    let mut settings = vec![
        ("LogPrimaryFiles", numbers[0].as_str()),
        ("LogSecondaryFiles", &numbers[1]),
        ("LogFilePages", &numbers[2]),
        ("LogType", kind),
        ("LogBufferPages", &numbers[3]),
        ("LogPath", &path),
        ("LogWriteIntegrity", "TripleWrite"),
    ];
    settings.extend(management.map(|name| ("LogManagement", name)));
    add("Log", &settings)
}

/// Creation has checked that its paths are text.
fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
