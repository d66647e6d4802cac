//! A host in a box.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::{LIMIT, ask, bounded, script};
use crate::support::Outcome;

/// No command on a host takes longer, whatever happens.
const COMMAND_LIMIT: Duration = Duration::from_mins(2);
/// How long a unit may take to get where it should be, on a busy machine.
pub(crate) const SOON: Duration = Duration::from_mins(1);

/// A host that is up, or has been: with a name, a root of its own that survives until this goes, and
/// systemd.
pub(crate) struct Host {
    /// What the box is called.
    label: String,
    /// What the host is called.
    name: String,
    binds: Vec<String>,
    /// Its PID 1, as this machine sees it.
    init: u32,
}

/// What systemd says of a unit: properties and their values.
#[derive(Clone, Debug)]
pub(crate) struct UnitState(BTreeMap<String, String>);

impl UnitState {
    /// The value of a property that was asked for.
    pub(crate) fn get(&self, property: &str) -> &str {
        self.0.get(property).map_or("", String::as_str)
    }

    /// Its state and its state in detail, as in `active/running`.
    pub(crate) fn state(&self) -> String {
        format!("{}/{}", self.get("ActiveState"), self.get("SubState"))
    }
}

impl Host {
    pub(super) fn boot(label: &str, name: &str, binds: Vec<String>) -> Self {
        let mut host = Self { label: label.into(), name: name.into(), binds, init: 0 };
        host.up(&[]);
        host
    }

    fn up(&mut self, more: &[&str]) {
        let mut args = vec!["up", &self.label, "--hostname", &self.name];
        args.extend(self.binds.iter().flat_map(|bind| bind.splitn(2, '=')));
        args.extend(more);
        ask(&args, LIMIT).unwrap_or_else(|why| panic!("{} does not boot: {why}", self.name));
        let pid = ask(&["pid", &self.label], LIMIT).expect("it has a first process");
        self.init = pid.parse().expect("a process id");
    }

    /// What the host is called.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// A file of the host, as this machine sees it; only while the host is up.
    pub(crate) fn path(&self, absolute: &str) -> PathBuf {
        Path::new("/proc").join(self.init.to_string()).join("root").join(&absolute[1..])
    }

    /// The text of a file of the host; empty if it is not there.
    pub(crate) fn text(&self, absolute: &str) -> String {
        fs::read_to_string(self.path(absolute)).unwrap_or_default()
    }

    /// Whether a file or directory is there.
    pub(crate) fn has(&self, absolute: &str) -> bool {
        self.path(absolute).exists()
    }

    /// Writes a file, and makes the directories that it is in.
    pub(crate) fn write(&self, absolute: &str, text: &str) {
        let path = self.path(absolute);
        fs::create_dir_all(path.parent().expect("a path")).expect("directories");
        fs::write(path, text).expect("a file");
    }

    /// Runs a line of shell as root, in no session and no unit.
    pub(crate) fn run(&self, line: &str) -> Outcome {
        self.outcome(line, &["/bin/sh", "-c", line])
    }

    /// Runs a line of shell as another user with all of that user's groups.
    pub(crate) fn run_as(&self, user: &str, line: &str) -> Outcome {
        let words = ["/usr/sbin/runuser", "-u", user, "--", "/bin/sh", "-c", line];
        self.outcome(&format!("{user}$ {line}"), &words)
    }

    fn outcome(&self, line: &str, words: &[&str]) -> Outcome {
        let mut command = script();
        command.args(["exec", &self.label]).args(words);
        let output = bounded(&mut command, COMMAND_LIMIT);
        Outcome::of(&format!("{}: {line}", self.name), output)
    }

    /// What systemd says of a unit.
    pub(crate) fn unit(&self, unit: &str) -> UnitState {
        let wanted = "ActiveState,SubState,Result,MainPID,NRestarts,StatusText,ExecMainStatus,\
                      ExecMainCode,UnitFileState,LoadState,NeedDaemonReload";
        let said = self.run(&format!("systemctl show -p {wanted} '{unit}'")).success().stdout;
        let pairs = said.lines().filter_map(|line| line.split_once('='));
        UnitState(pairs.map(|(name, value)| (name.into(), value.into())).collect())
    }

    /// Waits until what systemd says of a unit is as it should be, and returns it.
    pub(crate) fn wait_unit(
        &self,
        unit: &str,
        what: &str,
        mut wanted: impl FnMut(&UnitState) -> bool,
    ) -> UnitState {
        let began = Instant::now();
        loop {
            let state = self.unit(unit);
            if wanted(&state) {
                return state;
            }
            if began.elapsed() > SOON {
                let journal = self.journal(unit);
                panic!("{}: {unit} is not {what}: {state:?}\n{journal}", self.name);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits until a unit is in this state, as in `active/running`.
    pub(crate) fn reaches(&self, unit: &str, state: &str) -> UnitState {
        self.wait_unit(unit, state, |now| now.state() == state)
    }

    /// The end of a unit's journal, for people who look for what went wrong.
    pub(crate) fn journal(&self, unit: &str) -> String {
        let line = format!("journalctl --no-pager -n 60 -o short-precise -u '{unit}'");
        let mut command = script();
        command.args(["exec", &self.label, "/bin/sh", "-c", &line]);
        let output = bounded(&mut command, COMMAND_LIMIT);
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Pulls the plug: everything ends at once. What is on its disk stays.
    pub(crate) fn lose_power(&mut self) {
        ask(&["crash", &self.label, "--keep"], LIMIT).expect("the plug can be pulled");
        self.init = 0;
    }

    /// Switches it on again.
    pub(crate) fn power_on(&mut self) {
        self.up(&["--keep"]);
    }

    /// Switches it on again, and does not wait until all that is to start has started.
    pub(crate) fn power_on_early(&mut self) {
        self.up(&["--keep", "--early"]);
    }

    /// Shuts it down in order, as a host whose power button was pressed.
    pub(crate) fn shut_down(&mut self) {
        ask(&["down", &self.label, "--keep"], LIMIT).expect("it shuts down");
        self.init = 0;
    }

    /// Boots it again in order, as an operator does.
    pub(crate) fn reboot(&mut self) {
        self.begin_reboot();
        self.end_reboot();
    }

    /// Asks it to boot again.
    pub(crate) fn begin_reboot(&self) {
        // The host may be gone before the command has ended.
        drop(ask(&["exec", &self.label, "systemctl", "reboot", "--no-block"], LIMIT));
    }

    /// Waits until it has booted again.
    pub(crate) fn end_reboot(&mut self) {
        ask(&["wait", &self.label], LIMIT).expect("it goes down");
        self.up(&["--keep"]);
    }

    /// Stops every process at once, as a host that hangs.
    pub(crate) fn freeze(&self) {
        ask(&["freeze", &self.label], LIMIT).expect("it can be frozen");
    }

    /// Lets a frozen host go on.
    pub(crate) fn thaw(&self) {
        ask(&["thaw", &self.label], LIMIT).expect("it can be thawed");
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // Whatever state it is in; what is left is found by the next run.
        drop(ask(&["crash", &self.label], LIMIT));
    }
}
