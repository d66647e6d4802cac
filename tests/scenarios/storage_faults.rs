//! The storage dies, hangs, fills up or takes locks away while queue managers run.

use std::fmt::Write as _;
use std::fs;
use std::process::{Child, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::support::Machine;
use crate::support::faultfs::{Change, Fault, Fence, Mount, Op, SharedStore, What};

/// What a command may take beyond its deadline, on a busy machine.
const GRACE: Duration = Duration::from_secs(10);

/// A store that one host mounts.
struct Storage {
    mount: Mount,
    _directory: TempDir,
}

impl Storage {
    fn or_skip() -> Option<Self> {
        let directory = TempDir::new().expect("a directory");
        let (backing, at) = (directory.path().join("store"), directory.path().join("mount"));
        for path in [&backing, &at] {
            fs::create_dir(path).expect("a directory");
        }
        let mount = SharedStore::or_skip(&backing)?.mount("host1", &at);
        Some(Self { mount, _directory: directory })
    }
}

fn register(machine: &Machine, names_and_paths: &[(&str, String)]) {
    let mut registry = String::new();
    for (name, path) in names_and_paths {
        write!(
            registry,
            "QueueManager:\n   Name={name}\n   Prefix=/var/mqm\n   Directory={name}\n   DataPath={path}\n"
        )
        .expect("a string takes everything");
    }
    fs::create_dir_all(machine.prefix()).expect("the prefix");
    fs::write(machine.path("mqs.ini"), registry).expect("the registry");
}

/// One dead mount must not keep an operator from seeing the other queue managers.
#[test]
fn dspmq_answers_by_its_deadline_although_a_mount_is_dead() {
    let Some(storage) = Storage::or_skip() else { return };
    let machine = Machine::new();
    let dead = |name: &str| storage.mount.path().join(name).display().to_string();
    fs::create_dir_all(dead("DEAD1")).expect("a directory");
    register(
        &machine,
        &[
            ("QM1", "/nowhere/1".into()),
            ("DEAD1", dead("DEAD1")),
            ("DEAD2", dead("DEAD2")),
            ("QM2", "/nowhere/2".into()),
        ],
    );
    let reasons = |said: &str| -> Vec<String> {
        let lines = said.lines().filter(|line| line.starts_with("AMQ1"));
        lines.map(|line| line.split('\'').nth(1).unwrap_or_default().to_owned()).collect()
    };

    let said = machine.run("dspmq -x --deadline 60").code(0);
    assert_eq!(reasons(&said.stderr), ["QM1", "DEAD1", "DEAD2", "QM2"]);

    storage.mount.hang();
    for line in
        ["dspmq -x --deadline 1", "dspmq -o all --deadline 1", "dspmq --deadline 1 -m DEAD1"]
    {
        let started = Instant::now();
        let said = machine.run(line).code(0);
        let taken = started.elapsed();
        let asked = if line.ends_with("DEAD1") { 1 } else { 4 };
        assert_eq!(said.stdout.matches("STATUS(Status not available)").count(), asked, "{line}");
        assert_eq!(reasons(&said.stderr).len(), asked, "{line}: {}", said.stderr);
        assert!(taken >= Duration::from_secs(1), "{line}: it did not even try");
        assert!(taken < Duration::from_secs(2) + GRACE, "{line} took {taken:?}");
    }
    storage.mount.resume();
    let said = machine.run("dspmq -x --deadline 5").code(0);
    assert_eq!(reasons(&said.stderr), ["QM1", "DEAD1", "DEAD2", "QM2"]);
}

/// Two hosts that mount one store on the same path, each in a world of its own.
struct Pair {
    // In this order they go: processes, then what they have mounted, then what that stands on.
    hosts: [Machine; 2],
    mounts: [Mount; 2],
    store: SharedStore,
    _directory: TempDir,
}

/// Gives a command a mount table of its own, in which its host's view of the store (the first
/// argument) is at the place of the shared directory (the second).
const IN_OWN_WORLD: [&str; 5] =
    ["unshare", "--mount", "sh", "-c", "mount --bind \"$0\" \"$1\" && shift && exec \"$@\""];
/// Times that let a test see in a second what else takes a minute. Of a setting that is there
/// twice the last counts.
const SHORT_TIMES: &str = "TuningParameters:\n   LockPollInterval=20\n   HoldCheckInterval=20\n   \
     HoldDeadline=4\n   LeaseTime=8\n   StorageRetryTime=0\n";
/// How long to wait for something that should come at once.
const SOON: Duration = Duration::from_mins(1);

impl Pair {
    /// Two hosts, and QM1 made on the first and known to both.
    fn or_skip() -> Option<Self> {
        let directory = TempDir::new().expect("a directory");
        let backing = directory.path().join("store");
        fs::create_dir(&backing).expect("a directory");
        let store = SharedStore::or_skip(&backing)?;
        if !nix::unistd::geteuid().is_root() {
            skipped("two hosts with one path need root, for mount tables of their own");
            return None;
        }
        let mount = |host: &str| {
            let at = directory.path().join(host);
            fs::create_dir(&at).expect("a directory");
            store.mount(host, &at)
        };
        let mounts = [mount("host1"), mount("host2")];
        let first = Machine::new();
        let second = first.beside("host2");
        let within = |machine: Machine, mount: &Mount| {
            let shared = machine.shared();
            let [view, place] = [mount.path(), &shared].map(|path| path.display().to_string());
            let mut starter = IN_OWN_WORLD.to_vec();
            starter.extend([view.as_str(), place.as_str()]);
            machine.started_by(&starter)
        };
        let hosts = [within(first, &mounts[0]), within(second, &mounts[1])];
        let pair = Self { hosts, mounts, store, _directory: directory };
        pair.create();
        Some(pair)
    }

    fn create(&self) {
        let [first, second] = &self.hosts;
        for name in ["qmgrs", "logs"] {
            fs::create_dir(self.mounts[0].path().join(name)).expect("a directory");
        }
        drop(
            first
                .run("crtmqm --deadline 60 -lf 64 -md [SHARED]/qmgrs -ld [SHARED]/logs QM1")
                .success(),
        );
        let ini = self.mounts[0].path().join("qmgrs/QM1/qm.ini");
        let settings = fs::read_to_string(&ini).expect("qm.ini");
        fs::write(&ini, settings + SHORT_TIMES).expect("qm.ini");
        let root = first.shared().parent().expect("a root").display().to_string();
        let add = first.run("dspmqinf --deadline 60 -o command QM1").success().stdout;
        drop(second.run(&add.replace("[ROOT]", &root)).success());
    }

    /// Starts an instance in the foreground.
    fn start(&self, host: usize) -> Child {
        let mut command = self.hosts[host].process("miqmd");
        command.args(["-x", "QM1"]).stdin(Stdio::null());
        let log = fs::File::create(self.hosts[host].path("miqmd.out")).expect("a file");
        command.stdout(log.try_clone().expect("a file")).stderr(log).spawn().expect("miqmd runs")
    }

    fn has_role(&self, host: usize, role: &str) -> bool {
        let status = self.hosts[host].runtime_dir().join("QM1/status");
        fs::read_to_string(status).is_ok_and(|text| text.contains(&format!("Role={role}\n")))
    }

    fn await_role(&self, host: usize, role: &str) {
        eventually(&format!("host{} is {role}", host + 1), || self.has_role(host, role));
    }

    /// An active instance on the first host, and a standby on the second.
    fn start_both(&self) -> (Running, Running) {
        let active = Running(self.start(0));
        self.await_role(0, "Active");
        let standby = Running(self.start(1));
        self.await_role(1, "Standby");
        (active, standby)
    }

    /// What the first host changed. A file that is prepared to be added to the log does not
    /// count: it has a name of its own, that no one else reads, until it is given another.
    fn changes_of_first(&self, since: Instant) -> Vec<Change> {
        let mut changes = self.store.changes(Some(since), Some("host1"));
        changes.retain(|change| {
            let spare = change.path.to_string_lossy().starts_with("logs/QM1/active/new-");
            !spare || matches!(change.what, What::Rename { .. })
        });
        changes
    }
}

/// An instance. It is killed when this goes, so that a test that fails leaves nothing behind.
struct Running(Child);

impl Running {
    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.0.id()).expect("a process id");
        kill(Pid::from_raw(pid), signal).expect("it is a child");
    }

    /// Stops the process, and waits until the last of its threads has come back from the storage
    /// and stands still: a request on its way could else take a lock again.
    fn freeze(&self) {
        self.signal(Signal::SIGSTOP);
        let tasks = format!("/proc/{}/task", self.0.id());
        eventually("the process stands still", || {
            fs::read_dir(&tasks).expect("threads").flatten().all(|task| {
                let stat = fs::read_to_string(task.path().join("stat")).unwrap_or_default();
                stat.rsplit(')').next().is_some_and(|rest| rest.starts_with(" T "))
            })
        });
    }

    fn has_ended(&mut self) -> bool {
        self.0.try_wait().expect("it is a child").is_some()
    }

    fn ended(&mut self) -> ExitStatus {
        let mut status = None;
        eventually("the instance ends", || {
            status = self.0.try_wait().expect("it is a child");
            status.is_some()
        });
        status.expect("it has ended")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended; and one whose storage hangs cannot be waited for.
        drop(self.0.kill());
    }
}

fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < SOON, "it does not happen: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

#[expect(clippy::print_stderr, reason = "a test that does nothing must say so")]
fn skipped(why: &str) {
    eprintln!("SKIPPED: {why}");
}

/// The instance on the first host sleeps, its locks go, the standby takes over, and it wakes up
/// after `asleep`, counted from then.
fn a_former_active_wakes_up(fence: Fence, asleep: Duration) {
    let Some(pair) = Pair::or_skip() else { return };
    let (mut former, active) = pair.start_both();
    former.freeze();
    let locks = pair.mounts[0].revoke_locks(fence);
    let revoked = Instant::now();
    assert!(locks >= 4, "master, active, the control file and an extent, not {locks}");
    pair.await_role(1, "Active");
    thread::sleep(asleep);
    former.signal(Signal::SIGCONT);
    let status = former.ended();
    let said = fs::read_to_string(pair.hosts[0].path("miqmd.out")).expect("its words");
    // EIO does not tell whether the storage has fenced the host or is broken: 97. All else is 96.
    let fitting = status.code() == Some(96) || fence == Fence::Storage && status.code() == Some(97);
    assert!(fitting, "{status}: {said}");
    assert_eq!(said.matches("AMQ14").count(), 1, "{said}");
    let changes = pair.changes_of_first(revoked);
    assert!(changes.is_empty(), "a former active changed the store: {changes:#?}");

    // All is well for those who hold the queue manager now, and for the one who comes back.
    let role = fs::read_to_string(pair.hosts[0].runtime_dir().join("QM1/active"));
    assert!(role.is_err() || role.is_ok_and(|role| role == "0\n"));
    let listed = pair.hosts[1].run("dspmq -x --deadline 60").success().stdout;
    assert!(listed.contains("STATUS(Running)"), "{listed}");
    assert!(listed.contains("INSTANCE(host2) MODE(Active)"), "{listed}");
    assert!(!listed.contains("INSTANCE(host1)"), "{listed}");
    let back = Running(pair.start(0));
    pair.await_role(0, "Standby");
    drop((back, active));
}

#[test]
fn a_former_active_that_wakes_up_at_once_changes_nothing() {
    a_former_active_wakes_up(Fence::Storage, Duration::ZERO);
}

#[test]
fn a_former_active_that_wakes_up_after_its_lease_changes_nothing() {
    a_former_active_wakes_up(Fence::Storage, Duration::from_secs(5));
}

#[test]
fn a_former_active_changes_nothing_although_the_storage_would_let_it() {
    a_former_active_wakes_up(Fence::None, Duration::ZERO);
    a_former_active_wakes_up(Fence::None, Duration::from_secs(5));
}

/// A host that is cut off: nothing it asks of the storage is answered, and it cannot even be
/// killed. It must stop serving by itself.
#[test]
fn an_active_that_is_cut_off_stops_serving_before_another_can_begin() {
    let Some(pair) = Pair::or_skip() else { return };
    let (mut former, _active) = pair.start_both();
    let serves = |host: usize| {
        let role = pair.hosts[host].runtime_dir().join("QM1/active");
        fs::read_to_string(role).is_ok_and(|role| role == "1\n")
    };
    assert!(serves(0) && !serves(1));
    let cut = Instant::now();
    pair.mounts[0].hang();
    eventually("it stops serving", || !serves(0));
    assert!(cut.elapsed() < Duration::from_secs(8), "before its lease: {:?}", cut.elapsed());
    pair.mounts[0].revoke_locks(Fence::Storage);
    let revoked = Instant::now();
    eventually("the other serves", || serves(1));
    pair.mounts[0].resume();
    assert_eq!(former.ended().code(), Some(96));
    let changes = pair.changes_of_first(revoked);
    assert!(changes.is_empty(), "a former active changed the store: {changes:#?}");
}
/// After one failed write or sync nothing in the file is certain: the instance ends at once,
/// although the next call might succeed.
#[test]
fn an_active_whose_storage_fails_once_ends_and_the_standby_takes_over() {
    for op in [Op::Write, Op::Sync, Op::Lock] {
        let Some(pair) = Pair::or_skip() else { return };
        let (mut former, _active) = pair.start_both();
        pair.mounts[0].fail(Fault::eio(op, 1));
        let status = former.ended();
        assert_eq!(status.code(), Some(97), "{op:?}: {status}");
        pair.await_role(1, "Active");
        let listed = pair.hosts[1].run("dspmq -x --deadline 60").success().stdout;
        assert!(listed.contains("INSTANCE(host2) MODE(Active)"), "{op:?}: {listed}");
    }
}

/// What was ended on purpose must not look to a service manager like something to start again.
#[test]
fn an_end_that_was_asked_for_is_no_failure_although_its_last_records_cannot_be_written() {
    let Some(pair) = Pair::or_skip() else { return };
    let mut instance = Running(pair.start(0));
    pair.await_role(0, "Active");
    let mount = &pair.mounts[0];
    // The first checkpoint is over when the log is not written any more.
    let is_log = |change: &Change| change.path.extension().is_some_and(|part| part == "LOG");
    let mut since = Instant::now();
    eventually("the log is at rest", || {
        if pair.changes_of_first(since).iter().any(is_log) {
            since = Instant::now();
        }
        since.elapsed() > Duration::from_secs(1)
    });
    mount.fail(Fault { file: "amqhlctl.lfh".into(), times: None, ..Fault::eio(Op::Write, 1) });
    drop(pair.hosts[0].run("endmqm -i QM1").success());
    let status = instance.ended();
    let said = fs::read_to_string(pair.hosts[0].path("miqmd.out")).expect("its words");
    assert!(!mount.struck().is_empty(), "the end writes to the log");
    assert!(status.success(), "{status}: {said}");
    mount.repair();
    let _active = Running(pair.start(0));
    pair.await_role(0, "Active");
}

/// Whichever write, sync or lock of a start fails, the queue manager can be started after it.
#[test]
fn a_start_that_fails_anywhere_leaves_a_queue_manager_that_starts() {
    let Some(pair) = Pair::or_skip() else { return };
    let calls = |op| pair.mounts[0].calls(op);
    let before = [Op::Write, Op::Sync, Op::Lock].map(calls);
    let mut whole = Running(pair.start(0));
    pair.await_role(0, "Active");
    let needed = [Op::Write, Op::Sync, Op::Lock].map(calls);
    whole.signal(Signal::SIGTERM);
    assert!(whole.ended().success());
    for (op, count) in [Op::Write, Op::Sync, Op::Lock].into_iter().zip(0..) {
        // One more than a start needs: the first proof of hold.
        for nth in 1..=needed[count] - before[count] + 1 {
            pair.mounts[0].repair();
            pair.mounts[0].fail(Fault::eio(op, nth));
            let mut failing = Running(pair.start(0));
            eventually(
                "the fault strikes, or the machine is so slow that it gives up before",
                || !pair.mounts[0].struck().is_empty() || failing.has_ended(),
            );
            let on = pair.mounts[0].struck().pop().unwrap_or_default();
            let name = on.to_string_lossy();
            let for_people = ["qmstatus.ini", "/.miqm-", "/errors"];
            if name == "qmgrs/QM1" || for_people.iter().any(|part| name.contains(part)) {
                // It is no reason to end that qmstatus.ini or the error log cannot be written.
                pair.await_role(0, "Active");
                failing.signal(Signal::SIGTERM);
                assert!(failing.ended().success());
                continue;
            }
            let on = on.display();
            let status = failing.ended();
            let said = fs::read_to_string(pair.hosts[0].path("miqmd.out")).expect("its words");
            assert!(!status.success(), "{op:?} number {nth} on {on}: {status}");
            assert!(said.starts_with("AMQ"), "{op:?} number {nth} on {on}: {status}: {said}");
        }
    }
    pair.mounts[0].repair();
    let _active = Running(pair.start(1));
    pair.await_role(1, "Active");
}
/// A host whose storage is dead still answers its operator, whatever is asked.
#[test]
fn no_command_hangs_although_the_storage_of_a_running_queue_manager_does() {
    let Some(storage) = Storage::or_skip() else { return };
    let machine = Machine::new();
    let place = |name: &str| {
        let path = storage.mount.path().join(name);
        fs::create_dir_all(&path).expect("a directory");
        path.display().to_string()
    };
    let (data, logs) = (place("qmgrs"), place("logs"));
    drop(machine.run(&format!("crtmqm --deadline 60 -lf 64 -md {data} -ld {logs} QM1")).success());
    let ini = storage.mount.path().join("qmgrs/QM1/qm.ini");
    let settings = fs::read_to_string(&ini).expect("qm.ini");
    fs::write(&ini, settings + SHORT_TIMES).expect("qm.ini");
    drop(machine.run("strmqm --deadline 60 -x QM1").success());
    let serves =
        || fs::read_to_string(machine.runtime_dir().join("QM1/active")).is_ok_and(|r| r == "1\n");
    assert!(serves());

    storage.mount.hang();
    let answers = |line: &str| {
        let started = Instant::now();
        let output = machine.command("/bin/sh").args(["-c", line]).output().expect("sh");
        let taken = started.elapsed();
        // An end is over at the latest when the instance has to give up its hold.
        let may = Duration::from_secs(if line.starts_with("endmqm") { 5 } else { 1 });
        assert!(taken < may + GRACE, "{line} took {taken:?}");
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8(said).expect("UTF-8");
        assert!(said.contains("QM1"), "{line}: {said}");
        output.status.code().expect("an exit code")
    };
    let lines = [
        "dspmq -x --deadline 1",
        "dspmqinf --deadline 1 QM1",
        "strmqm --deadline 1 -x QM1",
        "endmqm --deadline 1 -i QM1",
        "dltmqm --deadline 1 QM1",
    ];
    for line in lines {
        let _: i32 = answers(line);
    }
    eventually("it stops serving", || !serves());
    for line in lines {
        let _: i32 = answers(line);
    }
    storage.mount.resume();
}

/// A standby holds nothing that anybody waits for, so a dead mount is no reason to stay.
#[test]
fn a_standby_whose_storage_is_dead_can_be_ended() {
    let Some(pair) = Pair::or_skip() else { return };
    let (active, mut standby) = pair.start_both();
    pair.mounts[1].hang();
    standby.signal(Signal::SIGTERM);
    let control = pair.hosts[1].runtime_dir().join("QM1/control");
    eventually("it withdraws from its host", || !control.exists());
    // The kernel keeps what is left of it until the storage has answered.
    pair.mounts[1].resume();
    assert!(standby.ended().success());
    assert!(pair.has_role(0, "Active"));
    drop(active);
}
