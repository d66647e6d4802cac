//! The stanzas of the registry: displayed, added, removed.

use std::path::{Path, PathBuf};

use miqm_qmgr::boot;
use miqm_qmgr::config::{ConfigError, Settings};
use miqm_qmgr::env::Env;
use miqm_qmgr::identity::{Identity, IdentityError};
use miqm_qmgr::intent;
use miqm_qmgr::layout::{DataDir, LogDir};
use miqm_qmgr::owner::{self, OwnerError};
use miqm_qmgr::registry::{self, DefaultDamaged, Entry, Registry, RegistryError};
use miqm_qmgr::runtime::{LocalRole, RuntimeDir};
use miqm_sys::{IoError, fs};
use miqm_types::QmgrName;

/// The only type of stanza that can be displayed, added and removed.
pub const STANZA_TYPE: &str = registry::QUEUE_MANAGER;

/// Why a stanza could not be displayed, added or removed.
#[derive(Debug, thiserror::Error)]
pub enum InfError {
    /// The caller may not.
    #[error(transparent)]
    Owner(#[from] OwnerError),
    /// The registry cannot be read or changed.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// A file cannot be read.
    #[error(transparent)]
    Io(#[from] IoError),
    /// There is no stanza of this name.
    #[error("there is no stanza of {0}")]
    NoStanza(QmgrName),
    /// There is a stanza of this name.
    #[error("there is a stanza of {0} already")]
    Exists(QmgrName),
    /// The stanza is another installation's.
    #[error("{qmgr} belongs to installation {installation}")]
    OtherInstallation {
        /// The queue manager.
        qmgr: QmgrName,
        /// Whose it is.
        installation: String,
    },
    /// The data directory is marked as being filled by a creation, which may still be undone.
    #[error("{} is there", marker.display())]
    Unfinished {
        /// The mark.
        marker: PathBuf,
    },
    /// The data directory is not that of this queue manager.
    #[error(transparent)]
    Location(#[from] IdentityError),
    /// The settings in the data directory cannot be used.
    #[error(transparent)]
    Settings(#[from] ConfigError),
    /// The log directory that the settings name is not there.
    #[error("the log control file cannot be read")]
    Log {
        /// The log directory.
        path: PathBuf,
        /// What the system said.
        source: IoError,
    },
    /// An instance runs on this host.
    #[error("{qmgr} runs on this host")]
    Running {
        /// The queue manager.
        qmgr: QmgrName,
        /// What it is doing; `None` if it does not say.
        role: Option<LocalRole>,
    },
}

/// The stanza of a queue manager.
///
/// # Errors
///
/// [`InfError::NoStanza`], or [`InfError::Registry`] if the registry or the stanza is damaged.
pub fn stanza(env: &Env, name: &QmgrName) -> Result<Entry, InfError> {
    let registry = Registry::load(env)?;
    registry.find(name)?.cloned().ok_or_else(|| InfError::NoStanza(name.clone()))
}

/// The stanza that would be added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewStanza {
    /// The name of the queue manager.
    pub name: QmgrName,
    /// The directory under which its data directory is, unless `data_path` says otherwise.
    pub prefix: PathBuf,
    /// The name of its directory.
    pub directory: String,
    /// Its data directory.
    pub data_path: Option<PathBuf>,
}

/// Adds a queue manager that exists to the registry of this host.
///
/// The data directory must be that of the queue manager, by its identity file, which this host
/// records; and the log directory that its settings name must be there.
///
/// # Errors
///
/// [`InfError`]. Nothing is changed then.
pub fn add(env: &Env, new: &NewStanza) -> Result<Entry, InfError> {
    let admin = owner::authorize(env)?;
    let free = |registry: &Registry| match registry.find(&new.name)? {
        Some(_) => Err(InfError::Exists(new.name.clone())),
        None => Ok(()),
    };
    // Before the storage is touched, which may take its time, and again when the registry is locked.
    free(&Registry::load(env)?)?;

    let mut entry = Entry {
        name: new.name.clone(),
        prefix: new.prefix.clone(),
        directory: new.directory.clone(),
        data_path: new.data_path.clone(),
        installation: Some(env.installation.name.clone()),
        identity: None,
    };
    let data = entry.data_dir();
    let identity = Identity::expect(&data.identity(), &entry.name, None)?;
    entry.identity = Some(identity.id);
    let settings = Settings::load(&data.qm_ini())?;
    log_is_there(&settings.log.path)?;
    finished(&data, &identity)?;

    if admin.caller.is_root() || miqm_sys::fs::presence(&env.prefix)? == fs::Presence::Absent {
        owner::establish(env)?;
    }
    registry::edit(env, admin.maker, |edit| {
        free(edit.registry())?;
        edit.add(&entry)?;
        Ok::<_, InfError>(())
    })?;
    Ok(entry)
}

/// Makes sure that no creation, perhaps on another host, can still undo what is there.
///
/// The mark goes when the queue manager is in the registry of its creator. A creation that is undone removes
/// the identity before the mark: if that is still there when the mark is not, it will stay.
fn finished(data: &DataDir, identity: &Identity) -> Result<(), InfError> {
    let marker = data.path().join(intent::marker(identity.id));
    if fs::presence(&marker)? != fs::Presence::Absent {
        return Err(InfError::Unfinished { marker });
    }
    Identity::expect(&data.identity(), &identity.name, Some(identity.id))?;
    Ok(())
}

fn log_is_there(path: &Path) -> Result<(), InfError> {
    let control = LogDir::new(path).control();
    fs::open_read(&control)
        .map(drop)
        .map_err(|source| InfError::Log { path: path.to_owned(), source })
}

/// What became of the default queue manager when a stanza went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DefaultNow {
    /// It is not the queue manager that went.
    Good,
    /// Its stanza is damaged and was left alone.
    Damaged(DefaultDamaged),
}

/// Removes a queue manager from the registry of this host. Its data stay as they are.
///
/// If it was the default queue manager, there is none afterwards.
///
/// # Errors
///
/// [`InfError`]. Nothing is changed then.
pub fn remove(env: &Env, name: &QmgrName) -> Result<DefaultNow, InfError> {
    let admin = owner::authorize(env)?;
    // Also a stanza that is damaged can be removed, so it need only be there.
    let registry = Registry::load(env)?;
    let is_there = |registry: &Registry| match registry.find(name) {
        Ok(None) => Err(InfError::NoStanza(name.clone())),
        Ok(Some(entry)) => own_installation(env, entry),
        Err(_) => Ok(()),
    };
    is_there(&registry)?;
    not_running(env, name)?;
    let default = registry::edit(env, admin.maker, |edit| {
        is_there(edit.registry())?;
        edit.remove(name);
        Ok::<_, InfError>(match edit.unset_default(name) {
            Ok(()) => DefaultNow::Good,
            Err(damaged) => DefaultNow::Damaged(damaged),
        })
    })?;
    // What stays of it says nothing any more.
    drop(boot::forget(env, name));
    Ok(default)
}

/// Makes sure that the stanza is not another installation's.
pub(crate) fn own_installation(env: &Env, entry: &Entry) -> Result<(), InfError> {
    match &entry.installation {
        Some(name) if *name != env.installation.name => Err(InfError::OtherInstallation {
            qmgr: entry.name.clone(),
            installation: name.clone(),
        }),
        _ => Ok(()),
    }
}

/// Makes sure that no instance runs on this host.
pub(crate) fn not_running(env: &Env, name: &QmgrName) -> Result<(), InfError> {
    let runtime = RuntimeDir::open(&env.runtime, name);
    if !runtime.running()? {
        return Ok(());
    }
    let role = runtime.status().ok().flatten().map(|status| status.role);
    Err(InfError::Running { qmgr: name.clone(), role })
}

/// The command that adds this stanza on another host, each value quoted for a shell.
pub fn command_of(entry: &Entry) -> String {
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let mut values = vec![
        ("Name", entry.name.to_string()),
        ("Directory", entry.directory.clone()),
        ("Prefix", text(&entry.prefix)),
    ];
    values.extend(entry.data_path.as_ref().map(|path| ("DataPath", text(path))));
    let mut command = "addmqinf -s QueueManager".to_owned();
    for (key, value) in values {
        command.extend([" -v ", key, "=", &quoted(&value)]);
    }
    command
}

/// The lines of this stanza as it stands in the registry.
pub fn stanza_lines(entry: &Entry) -> Vec<String> {
    let mut lines = vec![
        format!("{}:", registry::QUEUE_MANAGER),
        format!("   Name={}", entry.name),
        format!("   Directory={}", entry.directory),
        format!("   Prefix={}", entry.prefix.display()),
    ];
    if let Some(path) = &entry.data_path {
        lines.push(format!("   DataPath={}", path.display()));
    }
    if let Some(name) = &entry.installation {
        lines.push(format!("   InstallationName={name}"));
    }
    lines
}

/// A word that every shell reads as this text.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-%+,:@=".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, data_path: Option<&str>) -> Entry {
        let name: QmgrName = name.parse().unwrap();
        Entry {
            directory: name.to_dir_component(),
            name,
            prefix: "/var/mqm".into(),
            data_path: data_path.map(PathBuf::from),
            installation: Some("Installation1".to_owned()),
            identity: None,
        }
    }

    #[test]
    fn the_command_is_one_that_a_shell_reads_back() {
        assert_eq!(
            command_of(&entry("QM", Some("/shared/data/QM"))),
            "addmqinf -s QueueManager -v Name=QM -v Directory=QM -v Prefix=/var/mqm \
             -v DataPath=/shared/data/QM"
        );
        assert_eq!(
            command_of(&entry("Q.M/%1", Some("/it's here/&"))),
            "addmqinf -s QueueManager -v Name=Q.M/%1 -v Directory='Q!M&%1' -v Prefix=/var/mqm \
             -v DataPath='/it'\\''s here/&'"
        );
    }

    #[test]
    fn the_lines_have_the_order_of_the_interface() {
        assert_eq!(
            stanza_lines(&entry("a/b", Some("/d"))),
            [
                "QueueManager:",
                "   Name=a/b",
                "   Directory=a&b",
                "   Prefix=/var/mqm",
                "   DataPath=/d",
                "   InstallationName=Installation1",
            ]
        );
    }
}
