//! What a host is to miqm: where its own files are and what it is called.

use std::path::PathBuf;

use miqm_types::HostName;

/// The prefix if nobody says otherwise.
pub const DEFAULT_PREFIX: &str = "/var/mqm";
/// The directory of runtime files if nobody says otherwise.
pub const DEFAULT_RUNTIME_DIR: &str = "/run/miqm";

/// The copy of miqm whose commands run: what `dspmq -o installation` shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installation {
    /// Its name, as `InstallationName` has it.
    pub name: String,
    /// The directory above the one with the commands.
    pub path: PathBuf,
    /// The version of the commands.
    pub version: String,
}

impl Installation {
    /// The name of the only installation of a host.
    pub const NAME: &'static str = "Installation1";
}

/// The host's own settings, read once from the environment by the command that runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Env {
    /// The directory with `mqs.ini` and the queue managers that are not shared.
    pub prefix: PathBuf,
    /// The directory of runtime files; never on shared storage.
    pub runtime: PathBuf,
    /// The registry, `mqs.ini`.
    pub mqs_ini: PathBuf,
    /// What counts instead of `DefaultPrefix` of `mqs.ini` when a queue manager is created.
    pub default_prefix: Option<PathBuf>,
    /// What this host is called in `INSTANCE(...)`.
    pub host: HostName,
    /// The copy of miqm that runs.
    pub installation: Installation,
}

impl Env {
    /// The directory of the host's own error logs.
    pub fn errors_dir(&self) -> PathBuf {
        self.prefix.join("errors")
    }

    /// The directory of notes about creations and deletions that are under way.
    pub fn intent_dir(&self) -> PathBuf {
        self.prefix.join("intent")
    }
}
