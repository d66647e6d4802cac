//! `amqmfsck` on every file system that can be had here: local ones in loop devices, and a replicated
//! one through two mounts of its own.
//!
//! The right verdict is not always "pass": what forgets at a restart is refused by name.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

use crate::support::{Machine, say, workspace};

/// A file system in a file, mounted as long as this lives.
struct Mounted {
    at: PathBuf,
}

impl Mounted {
    /// Makes and mounts a file system; `None`, and a line that says so, where that is not possible.
    fn or_skip(machine: &Machine, kind: &str) -> Option<Self> {
        let at = machine.shared().join(kind);
        fs::create_dir(&at).expect("a mount point");
        let work = |name: &str| {
            let path = machine.shared().join(format!("{kind}-{name}"));
            fs::create_dir(&path).expect("a directory");
            path.display().to_string()
        };
        let done = match kind {
            "tmpfs" => run("mount", &["-t", "tmpfs", "-o", "size=600m", "miqm", path_text(&at)]),
            "overlay" => {
                let (lower, upper, index) = (work("lower"), work("upper"), work("work"));
                let options = format!("lowerdir={lower},upperdir={upper},workdir={index}");
                run("mount", &["-t", "overlay", "-o", &options, "miqm", path_text(&at)])
            }
            _ => {
                let image = machine.shared().join(format!("{kind}.img"));
                let file = fs::File::create(&image).expect("an image");
                file.set_len(700 << 20).expect("a sparse image");
                let force = if kind == "ext4" { "-F" } else { "-f" };
                run(&format!("mkfs.{kind}"), &["-q", force, path_text(&image)])
                    .and_then(|()| run("mount", &["-o", "loop", path_text(&image), path_text(&at)]))
            }
        };
        match done {
            Ok(()) => Some(Self { at }),
            Err(why) => {
                say(&format!("SKIPPED: {kind} cannot be mounted here: {why}"));
                None
            }
        }
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        run("umount", &["-l", path_text(&self.at)]).expect("what was mounted can be unmounted");
    }
}

fn path_text(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

fn run(program: &str, args: &[&str]) -> Result<(), String> {
    let path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    let output = Command::new(program).args(args).env("PATH", path).output();
    let output = output.map_err(|error| format!("{program}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("{program}: {}", said.lines().next().unwrap_or("it failed")))
}

/// Starts a copy with its report as JSON on its output.
fn start(machine: &Machine, options: &[&str], at: &Path) -> Child {
    let mut command = machine.process("amqmfsck");
    command.args(options).arg("--json").arg(at);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().expect("amqmfsck")
}

/// The exit code, and the ids of the checks that failed.
fn verdict(output: &Output) -> (i32, Vec<String>) {
    let code = output.status.code().expect("no signal ends it");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!("{error}: {} {}", said(&output.stdout), said(&output.stderr))
    });
    let findings = report["findings"].as_array().expect("findings");
    assert!(!findings.is_empty(), "nothing was checked: {report}");
    let failed = findings.iter().filter(|found| found["verdict"] == "fail");
    let mut ids: Vec<String> =
        failed.map(|found| found["check"].as_str().expect("an id").to_owned()).collect();
    ids.sort();
    ids.dedup();
    (code, ids)
}

fn said(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// One copy alone.
fn alone(machine: &Machine, options: &[&str], at: &Path) -> (i32, Vec<String>) {
    verdict(&start(machine, options, at).wait_with_output().expect("its end"))
}

/// Two copies at the same time, in two directories.
fn together(hosts: [&Machine; 2], options: &[&str], at: [&Path; 2]) -> [(i32, Vec<String>); 2] {
    let copies = [start(hosts[0], options, at[0]), start(hosts[1], options, at[1])];
    copies.map(|copy| verdict(&copy.wait_with_output().expect("its end")))
}

const RIGHT: (i32, Vec<String>) = (0, vec![]);
/// The exit code of a run in which a check failed.
const FAILED: i32 = 98;

#[test]
fn local_file_systems_that_keep_their_word_pass() {
    for kind in ["ext4", "xfs", "btrfs"] {
        let machine = Machine::new();
        let other = machine.beside("host2");
        let Some(disk) = Mounted::or_skip(&machine, kind) else { continue };
        assert_eq!(alone(&machine, &["--all"], &disk.at), RIGHT, "{kind}");
        let both = together([&machine, &other], &["-c", "--one-host"], [&disk.at; 2]);
        assert_eq!(both, [RIGHT, RIGHT], "{kind}");
        assert_eq!(alone(&machine, &["-f", "-p", "1024"], &disk.at), RIGHT, "{kind}");
        assert_eq!(alone(&machine, &["-a", "--duration", "1"], &disk.at), RIGHT, "{kind}");
        assert_eq!(alone(&machine, &["-i"], &disk.at), RIGHT, "{kind}");
        let removed = start(&machine, &["-x"], &disk.at).wait_with_output().expect("its end");
        assert_eq!(removed.status.code(), Some(0), "{kind}: {}", said(&removed.stderr));
        let left: Vec<_> = fs::read_dir(&disk.at).expect("a list").flatten().collect();
        let left: Vec<_> = left.iter().filter(|left| left.file_name() != "lost+found").collect();
        assert!(left.is_empty(), "{kind}: {left:?}");
    }
}

#[test]
fn file_systems_that_forget_are_refused_by_name() {
    for kind in ["tmpfs", "overlay"] {
        let machine = Machine::new();
        let Some(disk) = Mounted::or_skip(&machine, kind) else { continue };
        let (code, failed) = alone(&machine, &["--all"], &disk.at);
        assert_eq!((code, failed), (FAILED, vec!["env.volatile".to_owned()]), "{kind}");
    }
}

/// A replicated volume on three servers of this machine, and two mounts that have nothing in common
/// but the volume, as long as this lives.
struct Replicated {
    settings: [(&'static str, String); 3],
    mounts: [PathBuf; 2],
}

impl Replicated {
    fn or_skip(machine: &Machine, profile: &str) -> Option<Self> {
        let mounts = ["a", "b"].map(|side| machine.shared().join(side));
        let name = format!("m{}", std::process::id() % 100_000);
        let settings = [
            ("GLAB_DIR", machine.shared().join("lab").display().to_string()),
            ("GLAB_NAME", name),
            ("GLAB_PROFILE", profile.to_owned()),
        ];
        let lab = Self { settings, mounts };
        // What is missing is not installed by a test.
        let there = ["glusterd", "gluster", "glusterfs", "ip", "nsenter"]
            .iter()
            .try_for_each(|program| run("sh", &["-c", &format!("command -v {program}")]))
            .and_then(|()| lab.make(&["up"]))
            .and_then(|()| lab.make(&["mount-a", path_text(&lab.mounts[0])]))
            .and_then(|()| lab.make(&["mount-b", path_text(&lab.mounts[1])]));
        match there {
            Ok(()) => Some(lab),
            Err(why) => {
                say(&format!("SKIPPED: no replicated volume can be had here: {why}"));
                None
            }
        }
    }

    fn make(&self, verb: &[&str]) -> Result<(), String> {
        let script = workspace().join("tests/gluster/gluster-lab.sh");
        let mut command = Command::new(script);
        command.args(verb).envs(self.settings.iter().map(|(name, value)| (name, value)));
        let output = command.stdin(Stdio::null()).output().map_err(|error| error.to_string())?;
        if output.status.success() {
            return Ok(());
        }
        Err(said(&output.stderr).lines().next_back().unwrap_or("it failed").to_owned())
    }
}

impl Drop for Replicated {
    fn drop(&mut self) {
        self.make(&["down"]).expect("what was started can be stopped");
    }
}

/// Whether `MIQM_TEST_WHOLE` asks for all that takes minutes.
#[expect(clippy::disallowed_methods, reason = "the environment of a test is its interface")]
fn whole() -> bool {
    std::env::var_os("MIQM_TEST_WHOLE").is_some()
}

/// One after the other, because the volume has one address on this machine.
#[test]
fn a_replicated_volume_passes_with_the_safe_profile_only() {
    let machine = Machine::new();
    let other = machine.beside("host2");
    if let Some(lab) = Replicated::or_skip(&machine, "default") {
        let (code, failed) = alone(&machine, &["--environment"], &lab.mounts[0]);
        assert_eq!((code, failed), (FAILED, vec!["env.gluster".to_owned()]));
    }
    if let Some(lab) = Replicated::or_skip(&machine, "safe") {
        let at = [lab.mounts[0].as_path(), lab.mounts[1].as_path()];
        let hosts = [&machine, &other];
        // All of both phases takes minutes on a busy machine.
        if whole() {
            for phase in ["-c", "-w"] {
                assert_eq!(
                    together(hosts, &[phase, "--limit", "15"], at),
                    [RIGHT, RIGHT],
                    "{phase}"
                );
            }
        } else {
            let checks = ["lock.exclusive", "lock.kill", "data.under-lock", "see.write"];
            let checks = checks.map(|check| ["--check", check]);
            let options = [&["-c"], checks.as_flattened()].concat();
            assert_eq!(together(hosts, &options, at), [RIGHT, RIGHT]);
        }
    }
}
