//! `miqm-fsck`, the static program.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::support::{Machine, say, static_checker};

/// A root with the static program and one directory in it, and nothing else.
struct Root {
    at: PathBuf,
}

impl Root {
    /// `None`, and a line that says why, where that is not possible.
    fn or_skip(machine: &Machine) -> Option<Self> {
        let Some(program) = static_checker() else {
            say("SKIPPED: miqm-fsck alone in a root: it was not built (cargo xtask fsck)");
            return None;
        };
        if !nix::unistd::geteuid().is_root() {
            say("SKIPPED: miqm-fsck alone in a root: that needs root");
            return None;
        }
        let at = machine.shared();
        fs::copy(program, at.join("miqm-fsck")).expect("a copy");
        fs::create_dir(at.join("data")).expect("a directory");
        Some(Self { at })
    }

    /// Starts the program on a host of this name.
    fn start(&self, host: &str, args: &[&str]) -> Child {
        let mut command = Command::new("chroot");
        command.arg(&self.at).arg("/miqm-fsck").args(args);
        command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("MIQM_HOSTNAME", host);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().expect("chroot can be run")
    }

    /// The exit code, the standard output and the standard error.
    fn run(&self, args: &[&str]) -> (Option<i32>, String, String) {
        end(self.start("host1", args))
    }

    fn succeeds(&self, args: &[&str]) -> String {
        let (code, stdout, stderr) = self.run(args);
        assert_eq!(code, Some(0), "{args:?}: {stdout}{stderr}");
        stdout
    }
}

fn end(child: Child) -> (Option<i32>, String, String) {
    let output = child.wait_with_output().expect("its end");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

fn names(path: &Path) -> Vec<String> {
    let entries = fs::read_dir(path).expect("a directory");
    let mut names: Vec<String> = entries
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into())
        .collect();
    names.sort();
    names
}

/// Goal: the static program needs nothing but itself. Method: it is the only file in a root of its own,
/// without `/proc` and `/dev`, and does there what one host can do.
#[test]
fn the_static_program_runs_in_an_empty_root() {
    let machine = Machine::new();
    let Some(root) = Root::or_skip(&machine) else { return };
    let report: serde_json::Value =
        serde_json::from_str(&root.succeeds(&["--json", "/data"])).expect("JSON");
    assert_eq!(report["outcome"], "passed");
    let findings = report["findings"].as_array().expect("findings");
    assert!(findings.iter().any(|found| found["check"] == "lock.exclusive"), "{report}");
    let said = root.succeeds(&["--all", "--report", "/report.html", "/data"]);
    assert!(said.contains("\nPASS lock.exclusive "), "{said}");
    let page = fs::read_to_string(root.at.join("report.html")).expect("a page");
    assert!(page.starts_with("<!DOCTYPE html>") && page.contains("<strong>PASSED</strong>"));
    let said = root.succeeds(&["--list-checks"]);
    assert!(said.contains("lock.exclusive"), "{said}");
    drop(root.succeeds(&["--explain", "lock.exclusive"]));
    drop(root.succeeds(&["-f", "-p", "16", "/data"]));
    let said = root.succeeds(&["-a", "--duration", "1", "/data"]);
    assert!(said.contains("pages were acknowledged"), "{said}");
    drop(root.succeeds(&["-i", "/data"]));
    assert!(names(&root.at.join("data")).contains(&"amqmfsck.dat".to_owned()));
    drop(root.succeeds(&["-x", "/data"]));
    assert_eq!(names(&root.at.join("data")), Vec::<String>::new());
    assert_eq!(names(&root.at), ["data", "miqm-fsck", "report.html"]);
}

/// Goal: two copies in such a root find each other and finish both tests of two hosts.
#[test]
fn two_copies_of_the_static_program_meet_in_an_empty_root() {
    let machine = Machine::new();
    let Some(root) = Root::or_skip(&machine) else { return };
    for phase in ["-c", "-w"] {
        let args = [phase, "--one-host", "--wait", "50", "--limit", "20", "/data"];
        let copies = ["host1", "host2"].map(|host| root.start(host, &args));
        for (copy, other) in copies.into_iter().zip(["host2", "host1"]) {
            let (code, stdout, stderr) = end(copy);
            assert_eq!(code, Some(0), "{phase}: {stdout}{stderr}");
            let found = format!("Found the second copy on host {other}.");
            assert!(stdout.contains(&found), "{phase}: {stdout}");
        }
    }
    assert_eq!(names(&root.at.join("data")), Vec::<String>::new());
}
