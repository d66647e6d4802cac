//! Every behaviour, shown by plain calls on the two mounts; and that the right file system shows none.

mod crashes;
mod data;
mod environment;
mod locks;
mod names;
mod sight;

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Mutex;
use std::sync::mpsc;
use std::time::{Duration, Instant};
use std::{fs, thread};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;

use super::*;

/// Whether a property holds on the two mounts.
type Probe = fn(&Lab) -> bool;

/// What has to be done within this is done in time.
const SOON: Duration = Duration::from_millis(800);
/// How many behaviours are tried at a time.
const PARALLEL: usize = 8;

/// The property that a behaviour breaks, as far as this group of properties knows it.
fn broken_by(behaviour: Behaviour) -> Option<Probe> {
    locks::broken_by(behaviour)
        .or_else(|| sight::broken_by(behaviour))
        .or_else(|| data::broken_by(behaviour))
        .or_else(|| names::broken_by(behaviour))
        .or_else(|| crashes::broken_by(behaviour))
        .or_else(|| environment::broken_by(behaviour))
}

/// Tries what each behaviour breaks on a file system, and returns those where it was never as it should
/// be: on a busy machine even the right one is late, and who wins a race is chance.
fn tried(
    all: &[&'static Row],
    on: impl Fn(&Row) -> Behaviour + Sync,
    holds: bool,
) -> Vec<&'static str> {
    let next = Mutex::new(all.iter());
    let wrong = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..PARALLEL {
            scope.spawn(|| {
                loop {
                    let Some(row) = lock(&next).next() else { return };
                    let probe = broken_by(row.behaviour).expect("every behaviour has a probe");
                    let as_it_should = || {
                        Lab::or_skip(on(row), Signals::Reach).is_none_or(|lab| probe(&lab) == holds)
                    };
                    if !(0..3).any(|_| as_it_should()) {
                        lock(&wrong).push(row.name);
                    }
                }
            });
        }
    });
    wrong.into_inner().expect("no panic under the lock")
}

fn rows() -> Vec<&'static Row> {
    let wanted = setting(SELECT).unwrap_or_default();
    let selected = |row: &&Row| row.class != Class::Correct && row.name.contains(&wanted);
    BEHAVIOURS.iter().filter(selected).collect()
}

#[test]
fn every_behaviour_shows() {
    assert_eq!(tried(&rows(), |row| row.behaviour, false), [""; 0]);
}

#[test]
fn the_right_one_shows_none_of_them() {
    assert_eq!(tried(&rows(), |_| Behaviour::Correct, true), [""; 0]);
}

#[test]
fn names_are_stable_words_and_classes_are_well_filled() {
    let mut names: Vec<_> = BEHAVIOURS.iter().map(|row| row.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), BEHAVIOURS.len(), "two of one name");
    for row in BEHAVIOURS {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        assert!(row.name.chars().all(plain) && !row.what.ends_with('.'), "{}", row.name);
        let harmless = row.class != Class::Defect;
        assert!(!harmless || row.ids.is_empty(), "{} breaks nothing", row.name);
    }
    let of = |class| BEHAVIOURS.iter().filter(|row| row.class == class).count();
    assert!(of(Class::Unusual) >= 8 && of(Class::Defect) >= 45);
}

/// Mounts the behaviour of [`SELECT`] on `one` and `two` below the directory `MIQM_TEST_MOUNTS`,
/// until a line, or the end, of standard input. A line `crash` cuts the power, `revoke` takes the first
/// host's locks.
#[test]
#[ignore = "not a test: a file system to try things on by hand"]
fn mount_by_hand() {
    let name = setting(SELECT).expect("MIQM_TEST_DEFECT names a behaviour");
    let below = setting("MIQM_TEST_MOUNTS").expect("MIQM_TEST_MOUNTS is a directory");
    let row = BEHAVIOURS.iter().find(|row| row.name == name);
    let Some(row) = row else {
        let names: Vec<_> = BEHAVIOURS.iter().map(|row| row.name).collect();
        panic!("{name} is none of {}", names.join(" "));
    };
    fs::create_dir_all(&below).expect("the directory");
    let lab = Lab::try_new(row.behaviour, Signals::Reach, Path::new(&below)).expect("mounts");
    let Row { what, phase, .. } = row;
    crate::support::say(&format!("{below}/one and {below}/two: {what} ({phase:?})"));
    for line in std::io::stdin().lines().map_while(Result::ok) {
        match line.trim() {
            "crash" => lab.crash(1),
            "revoke" => drop(lab.revoke(0)),
            _ => break,
        }
    }
}

/// Opens a file to read and write; makes it if it is not there.
fn open(path: &Path) -> File {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).open(path).expect("the file opens")
}

fn open_with(path: &Path, flags: i32) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).custom_flags(flags).open(path)
}

/// A file of the first host and one of the second, of the same name.
fn pair(lab: &Lab) -> (File, File) {
    (open(&lab.path(0).join("file")), open(&lab.path(1).join("file")))
}

fn range(kind: i32, start: i64, len: i64) -> libc::flock {
    let (l_type, l_whence) = (kind.try_into().unwrap_or_default(), 0);
    libc::flock { l_type, l_whence, l_start: start, l_len: len, l_pid: 0 }
}

/// Asks for a lock of the open file.
fn take(file: &File, kind: i32, start: i64, len: i64) -> Result<(), Errno> {
    fcntl(file, FcntlArg::F_OFD_SETLK(&range(kind, start, len))).map(drop)
}

/// Whether the whole file can be locked.
fn try_lock(file: &File) -> bool {
    take(file, libc::F_WRLCK, 0, 0).is_ok()
}

fn soon(mut holds: impl FnMut() -> bool) -> bool {
    let began = Instant::now();
    loop {
        if holds() {
            return true;
        }
        if began.elapsed() > SOON {
            return false;
        }
        thread::sleep(Duration::from_millis(10));
    }
}

/// What something gives that may never end, if it ends in time.
fn within<T: Send + 'static>(
    limit: Duration,
    act: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let (tell, told) = mpsc::channel();
    // It may outlive the test; the mount's end ends it.
    thread::spawn(move || drop(tell.send(act())));
    told.recv_timeout(limit).ok()
}

/// A process that has a file open, and does what it is told.
struct Process {
    child: Child,
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

/// One order a line. A lock is told as: command, type, start, length.
const PROCESS: &str = r#"
use Fcntl; use POSIX (); $| = 1; $SIG{USR1} = sub {};
my $path = shift; open(my $f, "+<", $path) or die; my $g;
sub set { my ($cmd, $type, $start, $len) = @_;
    my $lock = pack("s s x4 q q l x4", $type, 0, $start, $len, 0);
    return fcntl($f, $cmd, $lock) ? "ok" : 0 + $!; }
while (<STDIN>) {
    my ($order, @with) = split;
    if ($order eq "lock") { print set(@with), "\n"; }
    if ($order eq "reopen") { open($g, "+<", $path); close($g); print "ok\n"; }
    if ($order eq "child") { my $p = fork; if (!$p) { exec "true"; } waitpid($p, 0); print "ok\n"; }
    if ($order eq "childlock") { my $p = fork;
        if (!$p) { my $said = set(@with); kill 9, $$ if $said eq "ok"; exec "true"; }
        waitpid($p, 0); print $? == 9 ? "ok\n" : "no\n"; }
    if ($order eq "whose") { my $lock = pack("s s x4 q q l x4", 1, 0, 0, 0, 0);
        fcntl($f, 5, $lock); print((unpack("s s x4 q q l x4", $lock))[4], "\n"); }
    if ($order eq "exit") { POSIX::_exit(0); }
}
"#;

impl Process {
    fn new(path: &Path) -> Self {
        drop(open(path));
        let mut command = Command::new("perl");
        command.args(["-e", PROCESS]).arg(path).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("perl is part of every system");
        let answers = BufReader::new(child.stdout.take().expect("piped"));
        Self { orders: child.stdin.take(), child, answers }
    }

    fn order(&mut self, order: &str) {
        writeln!(self.orders.as_mut().expect("not ended"), "{order}").expect("it listens");
    }

    fn answer(&mut self) -> String {
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("it answers");
        line.trim().to_owned()
    }

    fn does(&mut self, order: &str) -> String {
        self.order(order);
        self.answer()
    }

    fn locks(&mut self, command: i32, kind: i32) -> bool {
        self.does(&format!("lock {command} {kind} 0 0")) == "ok"
    }

    fn id(&self) -> i32 {
        self.child.id().try_into().expect("a process id")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        // A process that waits for a lock for ever ends with the mount.
        drop(self.orders.take());
    }
}
