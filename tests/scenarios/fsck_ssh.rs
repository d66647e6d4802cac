//! `amqmfsck --with` over a real ssh daemon of its own, on a free port of this machine.
//!
//! The other host is this one: it has another name (`MIQM_HOSTNAME`), a directory for temporary files and
//! a search path of its own, and it sees the same directory through the same mount, which `--one-host`
//! allows.

use std::fs;
use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::{Machine, say, static_checker};

const DAEMON: &str = "/usr/sbin/sshd";
/// Where a daemon that is started by root wants a directory.
const PRIVATE: &str = "/run/sshd";
/// No run here takes so long unless it hangs.
const LIMIT: Duration = Duration::from_mins(1);

/// A daemon with keys and a configuration of its own, as long as this lives.
struct Daemon {
    child: Child,
    root: PathBuf,
    port: u16,
}

impl Daemon {
    /// `None`, and a line that says why, where there is none. `path` is what commands are looked for in.
    fn or_skip(machine: &Machine, path: &str) -> Option<Self> {
        if !Path::new(DAEMON).is_file() || !Path::new("/usr/bin/ssh").is_file() {
            say(
                "SKIPPED: --with over a real ssh: openssh-server or openssh-client is not installed",
            );
            return None;
        }
        let root = machine.shared().with_file_name("ssh");
        fs::create_dir(&root).expect("a directory");
        fs::create_dir(root.join("tmp")).expect("a directory");
        for key in ["host-key", "key", "wrong-key"] {
            let file = root.join(key).display().to_string();
            let made = run("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-f", &file]);
            made.expect("ssh-keygen makes a key");
        }
        fs::copy(root.join("key.pub"), root.join("allowed")).expect("a copy");
        if nix::unistd::geteuid().is_root() {
            // The package's service makes it; here no service runs. It stays, empty: daemons confine
            // processes to it that speak to strangers.
            fs::create_dir_all(PRIVATE).expect("the daemon's directory");
        }
        for _ in 0..5 {
            if let Some(daemon) = Self::start(&root, path) {
                return Some(daemon);
            }
        }
        let log = fs::read_to_string(root.join("log")).unwrap_or_default();
        panic!("the daemon does not start: {log}");
    }

    /// On a port that was free a moment ago; `None` if it is not any more.
    fn start(root: &Path, path: &str) -> Option<Self> {
        let port = TcpListener::bind("127.0.0.1:0").and_then(|port| port.local_addr());
        let port = port.expect("a free port").port();
        let at = root.display();
        let config = format!(
            "ListenAddress 127.0.0.1:{port}\nHostKey {at}/host-key\nAuthorizedKeysFile {at}/allowed\n\
             PidFile none\nUsePAM no\nStrictModes no\nPasswordAuthentication no\n\
             KbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\n\
             SetEnv MIQM_HOSTNAME=far TMPDIR={at}/tmp PATH={path}\n"
        );
        fs::write(root.join("sshd_config"), config).expect("a configuration");
        let log = fs::File::create(root.join("log")).expect("a log");
        let mut command = Command::new(DAEMON);
        command.args(["-D", "-e", "-f"]).arg(root.join("sshd_config"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let mut daemon =
            Self { child: command.spawn().expect("the daemon"), root: root.into(), port };
        let began = Instant::now();
        while !daemon.answers() {
            if daemon.child.try_wait().expect("its state").is_some() {
                return None;
            }
            assert!(began.elapsed() < LIMIT, "the daemon does not answer");
            std::thread::sleep(Duration::from_millis(20));
        }
        daemon.configure_client();
        Some(daemon)
    }

    fn answers(&self) -> bool {
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.port)) else { return false };
        stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a limit");
        let mut greeting = [0; 4];
        stream.read_exact(&mut greeting).is_ok() && &greeting == b"SSH-"
    }

    /// Hosts `far`, `wrong-key`, `wrong-host` (which has another key than is known) and `closed`.
    fn configure_client(&self) {
        let (at, port) = (self.root.display(), self.port);
        let public = fs::read_to_string(self.root.join("host-key.pub")).expect("a key");
        let wrong = fs::read_to_string(self.root.join("wrong-key.pub")).expect("a key");
        for (name, key) in [("known", public), ("known-wrong", wrong)] {
            let line = format!("[127.0.0.1]:{port} {key}");
            fs::write(self.root.join(name), line).expect("a file");
        }
        // Of several values for one thing, the first counts.
        let config = format!(
            "Host wrong-key\n  IdentityFile {at}/wrong-key\nHost closed\n  Port 1\n\
             Host wrong-host\n  UserKnownHostsFile {at}/known-wrong\n\
             Host !wrong-key *\n  IdentityFile {at}/key\nHost *\n  HostName 127.0.0.1\n  Port {port}\n  \
             IdentitiesOnly yes\n  UserKnownHostsFile {at}/known\n  GlobalKnownHostsFile /dev/null\n  \
             StrictHostKeyChecking yes\n  LogLevel ERROR\n"
        );
        fs::write(self.root.join("ssh_config"), config).expect("a configuration");
    }

    /// What was put into the directory for temporary files of the other host and is still there.
    fn left(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.root.join("tmp")).expect("a directory");
        entries.map(|entry| entry.expect("an entry").path()).collect()
    }

    /// A checker that uses this daemon; `program` is its path.
    fn checker(&self, machine: &Machine, program: &Path, args: &[&str]) -> Command {
        let mut command = machine.process("amqmfsck");
        if program != Path::new("") {
            let environment: Vec<_> = command
                .get_envs()
                .filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())))
                .collect();
            command = Command::new(program);
            command.env_clear().envs(environment).current_dir(&self.root);
        }
        let ssh = format!("ssh -T -F {}/ssh_config", self.root.display());
        command.args(["--one-host", "--check", "lock.exclusive", "--ssh", &ssh]).args(args);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs it to its end: the exit code and all that it said.
    fn run(&self, machine: &Machine, program: &Path, args: &[&str]) -> (Option<i32>, String) {
        let mut command = self.checker(machine, program, args);
        let began = Instant::now();
        let output = command.arg(machine.shared()).output().expect("the command can be run");
        assert!(began.elapsed() < LIMIT, "{args:?} took {:?}", began.elapsed());
        let said = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8_lossy(&said).into_owned())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn run(program: &str, args: &[&str]) -> Result<(), String> {
    let output = Command::new(program).args(args).stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("{program}: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    output.status.success().then_some(()).ok_or(said)
}

fn is_empty(path: &Path) -> bool {
    fs::read_dir(path).expect("a directory").next().is_none()
}

const STANDARD: &str = "/usr/bin:/bin";

/// Goal: a host that has no checker gets one, and it is gone afterwards, however the run ends.
#[test]
fn the_program_is_sent_where_there_is_none_and_removed_afterwards() {
    let Some(program) = static_checker() else {
        return say("SKIPPED: sending miqm-fsck: it was not built (cargo xtask fsck)");
    };
    let machine = Machine::new();
    let Some(daemon) = Daemon::or_skip(&machine, STANDARD) else { return };
    let (code, said) = daemon.run(&machine, &program, &["--with", "far"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("Sending the checker to host far"), "{said}");
    assert!(said.lines().any(|line| line.starts_with("HOST far ")), "{said}");
    for hosts in [" host1>far: ", " far>host1: "] {
        let line = |line: &str| line.starts_with("PASS lock.exclusive ") && line.contains(hosts);
        assert!(said.lines().any(line), "{hosts}: {said}");
    }
    assert_eq!(daemon.left(), Vec::<PathBuf>::new());
    assert!(is_empty(&machine.shared()));
    // The whole run again, whose directing copy is killed as soon as the program is there.
    let mut command = daemon.checker(&machine, &program, &["--with", "far", "-w"]);
    let mut child = command.arg(machine.shared()).spawn().expect("the command can be run");
    let began = Instant::now();
    let sent = |folder: &PathBuf| folder.join("amqmfsck").is_file();
    while !daemon.left().iter().any(sent) {
        assert!(began.elapsed() < LIMIT, "the program does not arrive");
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill().expect("it runs");
    child.wait().expect("its end");
    let began = Instant::now();
    while !daemon.left().is_empty() {
        assert!(began.elapsed() < LIMIT, "{:?} stays", daemon.left());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Goal: what keeps a connection from coming about is told, and nothing hangs.
#[test]
fn a_checker_that_is_there_is_used_and_what_fails_is_told() {
    let machine = Machine::new();
    let bin = Path::new(env!("CARGO_BIN_EXE_miqm-fsck")).parent().expect("a folder of programs");
    let path = format!("{}:{STANDARD}", bin.display());
    let Some(daemon) = Daemon::or_skip(&machine, &path) else { return };
    let here = Path::new("");
    let (code, said) = daemon.run(&machine, here, &["--with", "far"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.lines().any(|line| line.starts_with("HOST far ")), "{said}");
    assert!(!said.contains("Sending the checker"), "{said}");
    assert_eq!(daemon.left(), Vec::<PathBuf>::new());
    for (host, why) in [
        ("wrong-key", "Permission denied"),
        ("wrong-host", "Host key verification failed"),
        ("closed", "Connection refused"),
    ] {
        let (code, said) = daemon.run(&machine, here, &["--with", host]);
        assert_eq!(code, Some(20), "{host}: {said}");
        assert!(said.contains(why), "{host}: {said}");
        assert!(said.contains(&format!("{host} cannot be reached")), "{host}: {said}");
    }
    let (code, said) = daemon.run(&machine, here, &["--with", "far:/no/such"]);
    assert_eq!(code, Some(20), "{said}");
    assert!(said.contains("does not exist"), "{said}");
    let file = machine.shared().with_file_name("file");
    fs::write(&file, "").expect("a file");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).expect("a mode");
    let (code, said) = daemon.run(&machine, here, &["--with", &format!("far:{}", file.display())]);
    assert_eq!(code, Some(20), "{said}");
    assert!(said.contains("not a directory"), "{said}");
    assert!(is_empty(&machine.shared()));
}

/// Goal: what is in another directory on the other host is not taken for the same storage.
#[test]
fn another_directory_on_the_other_host_is_noticed() {
    let machine = Machine::new();
    let bin = Path::new(env!("CARGO_BIN_EXE_miqm-fsck")).parent().expect("a folder of programs");
    let path = format!("{}:{STANDARD}", bin.display());
    let Some(daemon) = Daemon::or_skip(&machine, &path) else { return };
    let other = machine.shared().with_file_name("other");
    fs::create_dir(&other).expect("a directory");
    let target = format!("far:{}", other.display());
    let args = ["--with", &target, "-c", "--limit", "5", "--check", "env.same-directory"];
    let (code, said) = daemon.run(&machine, Path::new(""), &args);
    assert_eq!(code, Some(98), "{said}");
    let named = |line: &str| line.starts_with("FAIL env.same-directory ");
    assert!(said.lines().any(named) && said.contains("two directories"), "{said}");
    assert!(is_empty(&machine.shared()) && is_empty(&other));
}
