//! Several "hosts" on this machine: each has a prefix, a runtime directory and a name of its own, and
//! all see one directory that stands for the shared storage.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{Context, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

/// The hosts and what they share. When it goes, so do the processes that were started on them.
pub(crate) struct Site {
    root: TempDir,
    runtime: Option<TempDir>,
    programs: PathBuf,
}

impl Site {
    /// Without hosts. What is shared or kept is made in `storage`; runtime directories, too, if they have
    /// no place of their own in `volatile`.
    pub(crate) fn new(
        storage: &Path,
        volatile: Option<&Path>,
        programs: PathBuf,
    ) -> anyhow::Result<Self> {
        let make = |below: &Path| {
            fs::create_dir_all(below)
                .and_then(|()| tempfile::Builder::new().prefix("miqm-").tempdir_in(below))
                .with_context(|| format!("cannot make a directory in {}", below.display()))
        };
        let site =
            Self { root: make(storage)?, runtime: volatile.map(make).transpose()?, programs };
        fs::create_dir(site.shared()).context("cannot make the shared directory")?;
        Ok(site)
    }

    /// Where all of it is.
    pub(crate) fn root(&self) -> &Path {
        self.root.path()
    }

    /// What all hosts see.
    pub(crate) fn shared(&self) -> PathBuf {
        self.root().join("shared")
    }

    fn runtime(&self, host: &str) -> PathBuf {
        match &self.runtime {
            Some(elsewhere) => elsewhere.path().join(host),
            None => self.root().join(host).join("run"),
        }
    }

    /// A new host; its prefix and runtime directory are made by what runs on it.
    pub(crate) fn host(&self, name: &'static str) -> anyhow::Result<Host<'_>> {
        let home = self.root().join(name);
        fs::create_dir(&home).with_context(|| format!("cannot make {}", home.display()))?;
        Ok(Host { site: self, name })
    }

    /// Makes a queue manager on the first host and known to the others: the smallest log there is.
    pub(crate) fn create(&self, qmgr: &str, hosts: &[&Host<'_>]) -> anyhow::Result<()> {
        let (first, others) = hosts.split_first().context("a host is needed")?;
        let (logs, data) = (self.shared().join("logs"), self.shared().join("qmgrs"));
        for dir in [&logs, &data] {
            fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
        }
        let (logs, data) = (logs.display().to_string(), data.display().to_string());
        first.run(0, &["crtmqm", "-ld", &logs, "-md", &data, qmgr])?;
        let told = first.run(0, &["dspmqinf", "-o", "command", qmgr])?;
        let told = String::from_utf8_lossy(&told.stdout).trim().to_owned();
        let words: Vec<&str> = told.split_whitespace().collect();
        for other in others {
            other.run(0, &words)?;
        }
        Ok(())
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
            let pid = process.file_name().to_str().and_then(|name| name.parse().ok());
            if let Some(pid) = pid.filter(|_| ours) {
                // It may have gone by itself; nobody is left to be told.
                kill(Pid::from_raw(pid), Signal::SIGKILL).ok();
            }
        }
    }
}

/// A host.
#[derive(Clone, Copy)]
pub(crate) struct Host<'a> {
    site: &'a Site,
    pub(crate) name: &'static str,
}

impl Host<'_> {
    /// The variables that make this host: name and value.
    pub(crate) fn variables(&self) -> [(&'static str, String); 3] {
        let prefix = self.site.root().join(self.name).join("var").display().to_string();
        let runtime = self.site.runtime(self.name).display().to_string();
        [
            ("MIQM_PREFIX", prefix),
            ("MIQM_RUNTIME_DIR", runtime),
            ("MIQM_HOSTNAME", self.name.to_owned()),
        ]
    }

    /// A program, to be run on this host.
    pub(crate) fn command(&self, program: &str) -> Command {
        let programs = &self.site.programs;
        let mut command = Command::new(programs.join(program));
        command
            .env_clear()
            .env("PATH", format!("{}:/usr/bin:/bin", programs.display()))
            .envs(self.variables())
            .current_dir(self.site.root())
            .stdin(Stdio::null());
        command
    }

    /// Runs a program with its arguments and expects an exit code.
    pub(crate) fn run(&self, expected: i32, words: &[&str]) -> anyhow::Result<Output> {
        let (program, args) = words.split_first().context("a program is needed")?;
        let output = self
            .command(program)
            .args(args)
            .output()
            .with_context(|| format!("cannot run {program}"))?;
        if output.status.code() != Some(expected) {
            bail!(
                "{}$ {} ended with {}, and not with {expected}\n{}{}",
                self.name,
                words.join(" "),
                output.status,
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr),
            );
        }
        Ok(output)
    }

    /// The runtime directory of a queue manager.
    pub(crate) fn runtime(&self, qmgr: &str) -> PathBuf {
        self.site.runtime(self.name).join(qmgr)
    }

    /// Whether the instance on this host serves: what it tells the local world.
    pub(crate) fn serves(&self, qmgr: &str) -> bool {
        fs::read(self.runtime(qmgr).join("active")).is_ok_and(|text| text == b"1\n")
    }

    /// The process of the instance on this host.
    pub(crate) fn pid(&self, qmgr: &str) -> anyhow::Result<Pid> {
        let path = self.runtime(qmgr).join("status");
        let text =
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let pid = text.lines().find_map(|line| line.trim().strip_prefix("Pid="));
        let pid = pid.and_then(|pid| pid.parse().ok()).context("the status names no process")?;
        Ok(Pid::from_raw(pid))
    }
}

/// Kills a process as a crash would.
pub(crate) fn kill_hard(pid: Pid) -> anyhow::Result<()> {
    kill(pid, Signal::SIGKILL).with_context(|| format!("cannot kill {pid}"))
}

/// Whether a process is still there, be it only to be waited for.
pub(crate) fn is_there(pid: Pid) -> bool {
    // A process that has ended and that nobody has waited for holds nothing any more.
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| {
        !stat.rsplit(')').next().unwrap_or_default().trim_start().starts_with('Z')
    })
}
