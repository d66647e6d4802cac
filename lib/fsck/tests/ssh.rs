//! A second host over a program that connects: a program of its own, because a process that forks must
//! have one thread. Called with `--agent` it is the checker on the far side.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a test without the test harness")]

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use miqm_fsck::host::{Host, Received, RemoteHost};
use miqm_fsck::ssh::{self, ConnectError, Event, Target, Ways};
use miqm_fsck::{Call, HostFacts, Value, agent};

const LIMIT: Duration = Duration::from_secs(5);
/// The directory to test: whatever is in it must not be taken for a part of a command.
const ODD: &str = "a b'c\"d $(touch oops) `touch oops`; touch oops #\n\\";

struct World {
    temp: tempfile::TempDir,
}

impl World {
    /// A far side whose only programs are the system's and what is put into `bin`. `before` is what the
    /// transport does before it runs the command, which is all that it does with it.
    fn new(before: &str) -> Self {
        let temp = tempfile::tempdir().unwrap();
        for dir in ["bin", "tmp", "home", ODD] {
            std::fs::create_dir(temp.path().join(dir)).unwrap();
        }
        let world = Self { temp };
        let root = world.path("").display().to_string();
        world.script(
            "transport",
            &format!(
                "{before}\n[ \"$1\" = u@far ] || exit 99\ncd {root}/home || exit 98\nshift\n\
                 export HOME={root}/home TMPDIR={root}/tmp PATH={root}/bin:/usr/bin:/bin\n\
                 exec sh -c \"$*\"\n"
            ),
        );
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.temp.path().join(name)
    }

    fn script(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::write(&path, format!("#!/bin/sh\n{text}")).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
    }

    fn install(&self) {
        let me = std::env::current_exe().unwrap();
        self.script("bin/amqmfsck", &format!("exec {} \"$@\"\n", me.display()));
    }

    fn ways(&self) -> Ways {
        let command = vec![self.path("transport").into()];
        Ways { command, program: None, limit: LIMIT, silence: LIMIT }
    }

    fn ways_that_send(&self) -> Ways {
        Ways { program: Some(std::env::current_exe().unwrap()), ..self.ways() }
    }

    fn connect(&self, ways: &Ways) -> Result<(RemoteHost, Vec<Event>), ConnectError> {
        let facts = HostFacts { name: "near".into(), ..HostFacts::default() };
        let target = Target::parse("u@far").unwrap();
        let mut events = Vec::new();
        let host =
            ssh::connect(&target, &self.path(ODD), ways, &facts, &mut |event| events.push(event));
        host.map(|host| (host, events))
    }

    /// How much is left where the program was put, after a little while.
    fn left(&self) -> usize {
        let count = || std::fs::read_dir(self.path("tmp")).unwrap().count();
        let began = Instant::now();
        while count() > 0 && began.elapsed() < LIMIT {
            std::thread::sleep(Duration::from_millis(10));
        }
        count()
    }
}

fn works(host: &mut RemoteHost) {
    assert_eq!(host.facts().name, "far side");
    host.start(1).unwrap();
    host.send(1, &Call::List { name: ".".into() }).unwrap();
    let Received::Reply(reply) = host.receive(1, LIMIT).unwrap() else { panic!("no reply") };
    assert_eq!(reply.result, Ok(Value::Names(Vec::new())));
}

fn an_installed_checker_is_used() {
    let world = World::new("echo Welcome; echo");
    world.install();
    let (mut host, events) = world.connect(&world.ways()).unwrap();
    assert_eq!(events, [Event::Starting]);
    works(&mut host);
    // A conductor that is busy for longer than the limit does not lose it.
    std::thread::sleep(LIMIT + Duration::from_secs(1));
    works_again(&mut host);
    assert!(host.goodbye(LIMIT));
    assert!(!world.path("home/oops").exists());
}

fn works_again(host: &mut RemoteHost) {
    host.send(1, &Call::Who).unwrap();
    assert!(matches!(host.receive(1, LIMIT), Ok(Received::Reply(_))));
}

fn a_missing_checker_is_sent_and_removed() {
    let world = World::new("");
    let error = world.connect(&world.ways()).unwrap_err();
    assert!(matches!(error, ConnectError::CannotRun { .. }), "{error}");
    let (mut host, events) = world.connect(&world.ways_that_send()).unwrap();
    assert!(matches!(events.last(), Some(Event::Sending { bytes, of }) if bytes == of));
    let sent: Vec<_> = std::fs::read_dir(world.path("tmp")).unwrap().collect();
    let mode = sent[0].as_ref().unwrap().metadata().unwrap().permissions().mode();
    assert_eq!((sent.len(), mode & 0o777), (1, 0o700));
    works(&mut host);
    assert!(host.goodbye(LIMIT));
    assert_eq!(world.left(), 0);
    // Also if nobody says goodbye.
    let (mut host, _) = world.connect(&world.ways_that_send()).unwrap();
    works(&mut host);
    drop(host);
    assert_eq!(world.left(), 0);
}

fn a_checker_that_does_not_fit_is_replaced() {
    for other in
        ["echo usage >&2; exit 39", "exit 126", "printf '\\nAMQMFSCK-AGENT\\nnonsense......'"]
    {
        let world = World::new("");
        world.script("bin/amqmfsck", other);
        let (mut host, _) = world.connect(&world.ways_that_send()).unwrap();
        works(&mut host);
    }
}

fn a_far_side_that_cannot_be_used_is_an_error_within_the_limit() {
    let began = Instant::now();
    let unreachable = World::new("echo 'no such host' >&2; exit 255");
    let error = unreachable.connect(&unreachable.ways_that_send()).unwrap_err();
    assert!(matches!(error, ConnectError::Unreachable { .. }), "{error}");
    let noisy = World::new("exec cat /dev/zero");
    let error = noisy.connect(&noisy.ways_that_send()).unwrap_err();
    assert!(matches!(error, ConnectError::CannotRun { .. }), "{error}");
    assert!(began.elapsed() < 5 * LIMIT);
    let silent = World::new("exec sleep 100");
    let error = silent.connect(&silent.ways()).unwrap_err();
    assert!(matches!(error, ConnectError::Late { .. }), "{error}");
    let none = Ways { command: vec!["/no/such/ssh".into()], ..silent.ways() };
    assert!(matches!(silent.connect(&none), Err(ConnectError::NoProgram { .. })));
    // What arrives in part is not run.
    let lossy = World::new("");
    lossy.script("bin/head", "dd bs=1 count=100 2>/dev/null");
    let error = lossy.connect(&lossy.ways_that_send()).unwrap_err();
    assert!(error.to_string().contains("whole"), "{error}");
    assert_eq!(lossy.left(), 0);
}

/// A connection that dies, or only falls silent, is a lost host; the far side cleans up.
fn a_connection_that_dies_is_a_lost_host() {
    for stop in ["KILL", "STOP"] {
        let world = World::new("");
        let root = world.path("");
        // The transport passes bytes on by processes of its own, which can be killed.
        let inner = root.join("inner");
        std::fs::rename(world.path("transport"), &inner).unwrap();
        world.script(
            "transport",
            &format!(
                "mkfifo {0}/up {0}/down; exec 3<&0\n\
                 cat >{0}/up <&3 & echo $! >{0}/pids\n\
                 cat <{0}/down & echo $! >>{0}/pids\n\
                 exec {1} \"$@\" <{0}/up >{0}/down\n",
                root.display(),
                inner.display()
            ),
        );
        world.install();
        let (mut host, _) = world.connect(&world.ways()).unwrap();
        works(&mut host);
        let pids = std::fs::read_to_string(world.path("pids")).unwrap();
        for pid in pids.split_whitespace() {
            let kill = std::process::Command::new("kill").args(["-s", stop, pid]).status().unwrap();
            assert!(kill.success());
        }
        let began = Instant::now();
        // It makes no answer.
        let lost = host.receive(1, 4 * LIMIT).unwrap_err();
        println!("{stop}: {lost} after {:?}", began.elapsed());
        assert!(began.elapsed() < LIMIT + LIMIT / 2);
        drop(host);
        for pid in pids.split_whitespace() {
            drop(std::process::Command::new("kill").args(["-s", "KILL", pid]).status());
        }
    }
}

fn serve() -> ExitCode {
    let facts = |directory: &Path| HostFacts {
        name: "far side".into(),
        directory: directory.display().to_string(),
        ..HostFacts::default()
    };
    match agent::standalone(&facts, LIMIT) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::from(2),
    }
}

fn main() -> ExitCode {
    if std::env::args().nth(1).is_some_and(|arg| arg == "--agent") {
        return serve();
    }
    an_installed_checker_is_used();
    a_missing_checker_is_sent_and_removed();
    a_checker_that_does_not_fit_is_replaced();
    a_far_side_that_cannot_be_used_is_an_error_within_the_limit();
    a_connection_that_dies_is_a_lost_host();
    ExitCode::SUCCESS
}
