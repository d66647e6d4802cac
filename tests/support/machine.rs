//! A host with its own prefix, runtime directory, name and environment.

use std::ffi::OsString;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{self, Output};
use std::sync::Arc;
use std::time::Duration;

use assert_cmd::Command;
use tempfile::TempDir;

/// No command takes longer than this, whatever happens.
const LIMIT: Duration = Duration::from_mins(1);

/// A host: commands that run on it see nothing of the machine that runs the tests.
///
/// Hosts made by [`Machine::beside`] share a directory. When the last of them goes, so do all the
/// processes that were started on them.
pub(crate) struct Machine {
    site: Arc<Site>,
    host: String,
    variables: Vec<(String, String)>,
    /// What every command is started by.
    starter: Vec<String>,
}

/// What hosts have in common.
struct Site {
    root: TempDir,
}

impl Machine {
    /// A host called `host1`.
    pub(crate) fn new() -> Self {
        let root =
            tempfile::Builder::new().prefix("miqm-").tempdir().expect("a temporary directory");
        let machine = Self {
            site: Arc::new(Site { root }),
            host: "host1".into(),
            variables: vec![],
            starter: vec![],
        };
        fs::create_dir(machine.shared()).expect("the shared directory");
        machine.with_home()
    }

    /// Another host that has the same shared directory, and nothing else in common.
    pub(crate) fn beside(&self, host: &str) -> Self {
        let site = Arc::clone(&self.site);
        Self { site, host: host.into(), variables: vec![], starter: vec![] }.with_home()
    }

    /// With one more environment variable, for all commands from here on.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.into(), value.into()));
        self
    }

    /// With every command from here on started by this one, which gets it as its last arguments.
    pub(crate) fn started_by(mut self, starter: &[&str]) -> Self {
        self.starter = starter.iter().map(ToString::to_string).collect();
        self
    }

    fn with_home(self) -> Self {
        fs::create_dir(self.home()).expect("a directory for the host");
        self
    }

    fn root(&self) -> &Path {
        self.site.root.path()
    }

    /// What the host is called.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    fn home(&self) -> PathBuf {
        self.root().join(&self.host)
    }

    /// The prefix; it does not exist before a command makes it.
    pub(crate) fn prefix(&self) -> PathBuf {
        self.home().join("var")
    }

    /// A path below the prefix.
    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.prefix().join(below)
    }

    /// The runtime directory.
    pub(crate) fn runtime_dir(&self) -> PathBuf {
        self.home().join("run")
    }

    /// The directory of what the operator of the host configures.
    pub(crate) fn config_dir(&self) -> PathBuf {
        self.home().join("etc")
    }

    /// The directory that all hosts of the site see.
    pub(crate) fn shared(&self) -> PathBuf {
        self.root().join("shared")
    }

    /// A command without arguments, ready to run on this host; it is ended if it takes too long.
    pub(crate) fn command(&self, name: &str) -> Command {
        let mut command = Command::from_std(self.process(name));
        command.timeout(LIMIT);
        command
    }

    /// A command without arguments, ready to be started on this host and to run for long.
    pub(crate) fn process(&self, name: &str) -> process::Command {
        let bin = Path::new(env!("CARGO_BIN_EXE_miqm")).parent().expect("a folder of programs");
        let mut words = self.starter.iter().map(OsString::from).chain([bin.join(name).into()]);
        let mut command = process::Command::new(words.next().expect("at least the command"));
        command
            .args(words)
            .env_clear()
            .env("PATH", format!("{}:/usr/bin:/bin", bin.display()))
            .env("MIQM_PREFIX", self.prefix())
            .env("MIQM_RUNTIME_DIR", self.runtime_dir())
            .env("MIQM_CONFIG_DIR", self.config_dir())
            .env("MIQM_HOSTNAME", &self.host)
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .current_dir(self.home());
        command
    }

    /// Runs a command line: words between blanks, or between single quotes. `[SHARED]` stands for
    /// the shared directory.
    pub(crate) fn run(&self, line: &str) -> Outcome {
        let words = words(&line.replace("[SHARED]", &self.shared().display().to_string()));
        let (name, args) = words.split_first().expect("a command");
        self.outcome(line, self.command(name).args(args))
    }

    /// Runs a command line with this as its standard input.
    pub(crate) fn run_with_input(&self, line: &str, input: &str) -> Outcome {
        let words = words(line);
        let (name, args) = words.split_first().expect("a command");
        self.outcome(line, self.command(name).args(args).write_stdin(input))
    }

    fn outcome(&self, line: &str, command: &mut Command) -> Outcome {
        let output = command.output().expect("the command can be run");
        Outcome { line: line.to_owned(), root: self.root().display().to_string(), output }
    }
}

/// The words of a command line.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (at, part) in line.split('\'').enumerate() {
        if at % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    words
}

/// A command that has ended.
#[must_use = "assert on the exit code"]
pub(crate) struct Outcome {
    line: String,
    /// Empty if there is no such directory.
    root: String,
    output: Output,
}

/// What a command said. The temporary directory of the test is `[ROOT]` in it.
#[derive(Debug)]
pub(crate) struct Said {
    /// Standard output.
    pub(crate) stdout: String,
    /// Standard error.
    pub(crate) stderr: String,
}

impl Outcome {
    /// A command that has ended elsewhere; `line` is what it was.
    pub(crate) fn of(line: &str, output: Output) -> Self {
        Self { line: line.to_owned(), root: String::new(), output }
    }

    /// Asserts that the command was content and had nothing to complain about.
    pub(crate) fn success(self) -> Said {
        let said = self.code(0);
        assert_eq!(said.stderr, "", "complaints in spite of success");
        said
    }

    /// Asserts that the command ended in one of these ways, and returns which.
    pub(crate) fn code_among(self, expected: &[i32]) -> i32 {
        let code = self.output.status.code().unwrap_or(-1);
        if !expected.contains(&code) {
            drop(self.code(expected[0]));
        }
        code
    }

    /// Asserts how the command ended.
    pub(crate) fn code(self, expected: i32) -> Said {
        let clean = |bytes: &[u8]| {
            let text = String::from_utf8_lossy(bytes);
            if self.root.is_empty() { text.into() } else { text.replace(&self.root, "[ROOT]") }
        };
        let said = Said { stdout: clean(&self.output.stdout), stderr: clean(&self.output.stderr) };
        let status = self.output.status;
        assert!(
            status.code() == Some(expected),
            "'{}' ended with {:?} (signal {:?}), not {expected}\n--- stdout\n{}--- stderr\n{}",
            self.line,
            status.code(),
            status.signal(),
            said.stdout,
            said.stderr
        );
        said
    }
}

impl Drop for Site {
    /// Ends what was started on the hosts and is still there. Such a process has the directory of the
    /// site, which nobody else has, in its environment.
    fn drop(&mut self) {
        let mark = self.root.path().display().to_string();
        let Ok(processes) = fs::read_dir("/proc") else { return };
        for process in processes.flatten() {
            let environment = fs::read(process.path().join("environ")).unwrap_or_default();
            let ours = environment.windows(mark.len()).any(|part| part == mark.as_bytes());
            if ours && let Some(pid) = process.file_name().to_str() {
                // The process may have gone by itself; nobody is left to be told.
                drop(process::Command::new("kill").args(["-9", pid]).output());
            }
        }
    }
}
