//! What the environment of a process says about this host: read once, checked, handed down.

use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use miqm_messages::Message;
use miqm_types::HostName;

use crate::{Exit, Failure};

/// Where things are on this host, and how the host is called.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own about this process")]
pub struct Env {
    /// `MIQM_PREFIX`: the machine-wide directory. Its owner is the owner of the installation; if it
    /// is missing, that is the user [`Env::OWNER_USER`] for [`Env::PREFIX`] and its maker elsewhere.
    pub prefix: PathBuf,
    /// `MIQM_RUNTIME_DIR`: sockets, role files and status of local instances.
    pub runtime_dir: PathBuf,
    /// `MIQM_HOSTNAME`, or else the kernel's name: what `INSTANCE(...)` shows.
    pub host: HostName,
    /// The path of `mqs.ini`: what `AMQ_MQS_INI_LOCATION` names if that ends in `.ini`, else the
    /// `mqs.ini` in the directory that it names; without the variable the one in the prefix.
    pub mqs_ini: PathBuf,
    /// `MQSPREFIX`: what counts instead of `DefaultPrefix` of `mqs.ini` when a queue manager is
    /// created.
    pub default_prefix: Option<PathBuf>,
    /// `MIQM_CONFIG_DIR`: the directory of what the operator of this host configures, `qmgr.d` among it.
    pub config_dir: PathBuf,
    /// `AMQ_DIAGNOSTIC_MSG_SEVERITY`: whether message ids end with the letter of their severity.
    pub severity_letter: bool,
    /// How long an operation on storage may take, from the option `--deadline`.
    pub deadline: Duration,
    /// Whether an instance logs to the journal if there is one: with the machine-wide prefix, and
    /// wherever a service manager has connected its output to the journal.
    pub journal: bool,
    /// Whether standard error is a terminal, where progress may be drawn.
    pub terminal: bool,
    /// The columns of standard output if that is a terminal.
    pub columns: Option<u16>,
    /// Whether standard output is a terminal and `NO_COLOR` is not set: then text may have colours.
    pub colour: bool,
    /// The arguments as they were typed, without the name of the command: for reports, not to be
    /// understood once more.
    pub typed: Vec<String>,
}

impl Env {
    /// The machine-wide directory, unless the environment names another.
    pub const PREFIX: &'static str = "/var/mqm";
    /// The runtime directory, unless the environment names another.
    pub const RUNTIME_DIR: &'static str = "/run/miqm";
    /// The directory of the host's configuration, unless the environment names another.
    pub const CONFIG_DIR: &'static str = "/etc/miqm";
    /// The user that owns a machine-wide directory at [`Env::PREFIX`].
    pub const OWNER_USER: &'static str = "mqm";
    /// The group whose members administer queue managers.
    pub const ADMIN_GROUP: &'static str = "mqm";
    /// [`Env::deadline`] unless `--deadline` says otherwise, in seconds.
    pub const DEADLINE_SECONDS: u64 = 5;

    /// The directory of the provisioning files.
    pub fn qmgr_d(&self) -> PathBuf {
        self.config_dir.join("qmgr.d")
    }

    /// Reads the environment of this process.
    ///
    /// # Errors
    ///
    /// A [`Failure`] that names the first variable that cannot be used.
    pub fn read() -> Result<Self, Failure> {
        #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
        let mut env = Self::from_variables(&|name| std::env::var_os(name))?;
        env.terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
        if std::io::IsTerminal::is_terminal(&std::io::stdout()) {
            env.columns = Some(miqm_sys::proc::stdout_columns().unwrap_or(80));
        }
        env.colour &= env.columns.is_some();
        Ok(env)
    }

    /// Reads these variables. An empty one counts as unset.
    ///
    /// # Errors
    ///
    /// As [`Env::read`].
    pub fn from_variables(get: &dyn Fn(&str) -> Option<OsString>) -> Result<Self, Failure> {
        let get = |name: &'static str| {
            get(name).filter(|value| !value.is_empty()).map(|value| Variable { name, value })
        };
        let path = |name| get(name).map(Variable::absolute_path).transpose();

        let prefix = path("MIQM_PREFIX")?.unwrap_or_else(|| Self::PREFIX.into());
        let mqs_ini = match path("AMQ_MQS_INI_LOCATION")? {
            // Told by the name: to look could hang, and nothing here is under a deadline yet.
            Some(path) if path.extension().is_some_and(|extension| extension == "ini") => path,
            Some(directory) => directory.join("mqs.ini"),
            None => prefix.join("mqs.ini"),
        };
        let severity_letter = match get("AMQ_DIAGNOSTIC_MSG_SEVERITY") {
            None => true,
            Some(variable) => match variable.value.to_str() {
                Some("0") => false,
                Some("1") => true,
                _ => return Err(variable.refuse("it must be 0 or 1")),
            },
        };
        Ok(Self {
            runtime_dir: path("MIQM_RUNTIME_DIR")?.unwrap_or_else(|| Self::RUNTIME_DIR.into()),
            config_dir: path("MIQM_CONFIG_DIR")?.unwrap_or_else(|| Self::CONFIG_DIR.into()),
            host: match get("MIQM_HOSTNAME") {
                Some(variable) => variable.host_name()?,
                None => kernel_host_name()?,
            },
            default_prefix: path("MQSPREFIX")?,
            deadline: Duration::from_secs(Self::DEADLINE_SECONDS),
            journal: prefix == Path::new(Self::PREFIX) || get("JOURNAL_STREAM").is_some(),
            terminal: false,
            columns: None,
            typed: Vec::new(),
            colour: get("NO_COLOR").is_none(),
            prefix,
            mqs_ini,
            severity_letter,
        })
    }
}

/// The name that the kernel goes by.
fn kernel_host_name() -> Result<HostName, Failure> {
    let name = miqm_sys::proc::hostname().map_err(|error| {
        Failure::new(Exit::Failed, Message::CannotStart { cause: error.to_string() })
    })?;
    let refuse = |_| Failure::new(Exit::Failed, Message::HostNameUnusable { name: name.clone() });
    name.parse().map_err(refuse)
}

/// A variable that is set.
struct Variable {
    name: &'static str,
    value: OsString,
}

impl Variable {
    fn refuse(&self, why: &str) -> Failure {
        let message = Message::BadEnvironment {
            variable: self.name.into(),
            value: self.value.to_string_lossy().into_owned(),
            why: why.into(),
        };
        Failure::new(Exit::Failed, message)
    }

    /// The value as a path. It goes into ini files, which are lines of text.
    fn absolute_path(self) -> Result<PathBuf, Failure> {
        let Some(text) = self.value.to_str() else {
            return Err(self.refuse("it is not text in UTF-8"));
        };
        let path = Path::new(text);
        if text.contains(char::is_control) {
            return Err(self.refuse("it contains a control character"));
        }
        if !path.is_absolute() {
            return Err(self.refuse("the path does not begin with a slash"));
        }
        if path.components().any(|part| part == Component::ParentDir) {
            return Err(self.refuse("the path contains '..'"));
        }
        Ok(path.components().collect())
    }

    fn host_name(&self) -> Result<HostName, Failure> {
        self.value.to_str().and_then(|name| name.parse().ok()).ok_or_else(|| {
            self.refuse(
                "it must be 1 to 64 printable ASCII characters without blanks and parentheses",
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Env, String> {
        let mut all: std::collections::HashMap<&str, &str> = variables.iter().copied().collect();
        all.entry("MIQM_HOSTNAME").or_insert("host1");
        Env::from_variables(&|name| all.get(name).map(OsString::from)).map_err(|failure| {
            assert_eq!(failure.exit, Exit::Failed);
            failure.messages[0].to_string()
        })
    }

    #[test]
    fn without_variables_it_is_the_installed_machine() {
        let env = read(&[("MIQM_PREFIX", "")]).unwrap();
        assert_eq!(env.prefix, Path::new("/var/mqm"));
        assert_eq!(env.runtime_dir, Path::new("/run/miqm"));
        assert_eq!(env.mqs_ini, Path::new("/var/mqm/mqs.ini"));
        assert_eq!(env.config_dir, Path::new("/etc/miqm"));
        assert_eq!(env.default_prefix, None);
        assert!(env.severity_letter);
    }

    #[test]
    fn the_ini_file_can_be_named_by_itself_or_by_its_directory() {
        let at =
            |path| read(&[("AMQ_MQS_INI_LOCATION", path), ("MIQM_PREFIX", "/x/")]).unwrap().mqs_ini;
        assert_eq!(at(""), Path::new("/x/mqs.ini"));
        assert_eq!(at("/usr"), Path::new("/usr/mqs.ini"));
        assert_eq!(at("/usr/no-such.ini"), Path::new("/usr/no-such.ini"));
    }

    #[test]
    fn bad_values_are_refused_by_name() {
        for (name, value, part) in [
            ("MIQM_PREFIX", "var/mqm", "does not begin with a slash"),
            ("MIQM_PREFIX", "/var/../mqm", "contains '..'"),
            ("MQSPREFIX", "/a\nb", "control character"),
            ("MIQM_RUNTIME_DIR", ".", "does not begin with a slash"),
            ("MIQM_CONFIG_DIR", "etc", "does not begin with a slash"),
            ("MIQM_HOSTNAME", "a b", "printable ASCII"),
            ("MIQM_HOSTNAME", "a) MODE(Active", "printable ASCII"),
            ("AMQ_DIAGNOSTIC_MSG_SEVERITY", "yes", "must be 0 or 1"),
        ] {
            let said = read(&[(name, value)]).unwrap_err();
            assert!(said.contains(name) && said.contains(part), "{said}");
        }
    }
}
