//! A user who administers nothing tries every command, and the control socket.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use miqm_format::frame;
use miqm_server::control::protocol::{Ask, EndRequest, Request, VERSION, WireMode};

use super::pauses::everything;
use crate::support::pair::Pair;
use crate::support::{Machine, say};

const NOBODY: &str = "65534";

/// A program as a user who is in no group that matters.
fn as_nobody(host: &Machine, program: &str, args: &[&str]) -> Command {
    let bin = Path::new(env!("CARGO_BIN_EXE_miqm")).parent().expect("a folder of programs");
    let program = if program.contains('/') { program.into() } else { bin.join(program) };
    let mut command = host.process("/usr/bin/setpriv");
    command.args(["--reuid", NOBODY, "--regid", NOBODY, "--clear-groups", "--"]);
    command.arg(program).args(args).current_dir("/");
    command
}

/// Whether this user can become another one, who can run the programs.
fn can_be_tried(host: &Machine) -> bool {
    let tried = as_nobody(host, "dspmqver", &["-b"]).output();
    let can = tried.as_ref().is_ok_and(|output| output.status.success());
    if !can {
        say(&format!("SKIPPED: the programs cannot be run as another user here: {tried:?}"));
    }
    can
}

fn open_up(path: &Path) {
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("the mode can be set");
}

fn text(output: &Output) -> String {
    let (out, err) = (&output.stdout, &output.stderr);
    format!("{}{}", String::from_utf8_lossy(out), String::from_utf8_lossy(err))
}

#[test]
fn a_user_who_is_no_administrator_is_refused_everywhere() {
    let pair = Pair::created();
    let host = &pair.one;
    let root = host.shared().parent().expect("a root").to_owned();
    // So that it is the commands that refuse, and not the directories above.
    for path in [root.clone(), host.prefix().parent().expect("a home").to_owned(), host.shared()] {
        open_up(&path);
    }
    if !can_be_tried(host) {
        return;
    }
    drop(host.run("strmqm -x QM1").success());
    let before = everything(&host.prefix());
    let shared = host.shared().display().to_string();
    let (log, data) = (format!("{shared}/logs"), format!("{shared}/qmgrs"));
    let lines: &[(&str, &[&str])] = &[
        ("crtmqm", &["-lf", "64", "-ld", &log, "-md", &data, "QM2"]),
        ("crtmqm", &["QM2"]),
        ("dltmqm", &["QM1"]),
        ("strmqm", &["QM1"]),
        ("strmqm", &["-x", "QM1"]),
        ("strmqm", &["-c", "QM1"]),
        ("endmqm", &["QM1"]),
        ("endmqm", &["-i", "QM1"]),
        ("endmqm", &["-x", "QM1"]),
        (
            "addmqinf",
            &["-v", "Name=QM2", "-v", "Directory=QM2", "-v", "Prefix=/tmp", "-v", "DataPath=/tmp"],
        ),
        ("rmvmqinf", &["QM1"]),
        ("miqmd", &["QM1"]),
        ("miqmd", &["-x", "QM1"]),
    ];
    for (program, args) in lines {
        let output = as_nobody(host, program, args).output().expect("it can be run");
        let said = text(&output);
        assert_eq!(output.status.code(), Some(119), "{program} {args:?}: {said}");
        assert!(said.contains("AMQ7077"), "{program} {args:?}: {said}");
    }
    // It reads whatever its caller may read, and here that is nothing.
    let output = as_nobody(host, "dmpmqlog", &["-m", "QM1"]).output().expect("it can be run");
    let said = text(&output);
    assert_eq!(output.status.code(), Some(20), "{said}");
    assert!(said.contains("Permission denied"), "{said}");
    assert!(everything(&host.prefix()) == before, "something was changed");
    assert!(!Path::new(&data).join("QM2").exists() && !Path::new(&log).join("QM2").exists());
    let said = host.run("dspmq -x").success().stdout;
    assert!(said.contains("INSTANCE(host1) MODE(Active)"), "{said}");
    drop(host.run("endmqm -i QM1").success());
}

/// Connects to the socket named in the first argument, sends the file named in the second, and prints
/// what comes back.
const SEND: &str = r#"
use IO::Socket::UNIX;
my $socket = IO::Socket::UNIX->new(Peer => $ARGV[0]) or die "not connected: $!\n";
open(my $file, "<", $ARGV[1]) or die; binmode $file; local $/;
print {$socket} readline($file); $socket->flush; $socket->shutdown(1);
print readline($socket);
"#;

#[test]
fn the_control_socket_refuses_a_user_who_is_no_administrator() {
    let pair = Pair::created();
    let host = &pair.one;
    let root = host.shared().parent().expect("a root").to_owned();
    for path in [root, host.prefix().parent().expect("a home").to_owned(), host.shared()] {
        open_up(&path);
    }
    if !can_be_tried(host) || !Path::new("/usr/bin/perl").exists() {
        say("SKIPPED: no other user, or no perl to connect with");
        return;
    }
    drop(host.run("strmqm QM1").success());
    let end = EndRequest {
        mode: WireMode::Preemptive,
        switchover: false,
        reconnect: false,
        standby: false,
        wait: false,
        target_seconds: None,
        target_preemptive: false,
    };
    let request = Request { version: VERSION, ask: Ask::End(end) };
    let body = serde_json::to_vec(&request).expect("a request");
    let bytes = frame::encode(1, &body).expect("it is short");
    let file = host.shared().join("request");
    fs::write(&file, bytes).expect("the request");
    open_up(&file);
    let socket = host.runtime_dir().join("QM1/control");
    let (socket, file) = (socket.display().to_string(), file.display().to_string());
    let send = || as_nobody(host, "/usr/bin/perl", &["-e", SEND, &socket, &file]).output();

    let said = text(&send().expect("perl runs"));
    assert!(said.contains("not connected: Permission denied"), "{said}");
    // Even where somebody has opened the directories, the credentials decide.
    for path in [host.runtime_dir(), host.runtime_dir().join("QM1")] {
        open_up(&path);
    }
    let said = text(&send().expect("perl runs"));
    assert!(said.contains("not_authorized"), "{said}");
    let said = host.run("dspmq").success().stdout;
    assert!(said.contains("STATUS(Running)"), "{said}");
    drop(host.run("endmqm -i QM1").success());
}
