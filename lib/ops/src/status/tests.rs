//! The table of what each host shows, with real locks; storage that does not answer.

use std::path::PathBuf;

use miqm_format::lockrec::{LOCK_RECORD_BYTES, LockRecord, State};
use miqm_qmgr::env::Installation;
use miqm_qmgr::runtime::{LocalRole, LocalStatus, RuntimeDir};
use miqm_sys::fs::{self, Owner};
use miqm_sys::lock::{LockedFile, Range};
use miqm_types::{BootId, Epoch, InstanceId, Lsn, QmgrId, UtcTime};
use tempfile::TempDir;

use super::*;

struct World {
    dir: TempDir,
    env: Env,
    entry: Entry,
    owner: Owner,
}

const ID: QmgrId = QmgrId([5; 16]);

fn world() -> World {
    let dir = tempfile::tempdir().unwrap();
    let caller = miqm_sys::user::caller().unwrap();
    let env = Env {
        prefix: dir.path().to_owned(),
        runtime: dir.path().join("run"),
        mqs_ini: dir.path().join("mqs.ini"),
        default_prefix: None,
        host: "host1".parse().unwrap(),
        installation: Installation { name: "I".into(), path: "/usr".into(), version: "0".into() },
    };
    let entry = Entry {
        name: "Q".parse().unwrap(),
        prefix: dir.path().to_owned(),
        directory: "Q".to_owned(),
        data_path: None,
        installation: None,
        identity: Some(ID),
    };
    std::fs::create_dir_all(entry.data_dir().path()).unwrap();
    World { dir, env, entry, owner: Owner { uid: caller.uid, gid: caller.gid } }
}

fn record(state: State, host: &str) -> LockRecord {
    LockRecord {
        state,
        permits_standby: true,
        successor_wanted: false,
        multi_instance: true,
        host: host.parse().unwrap(),
        pid: 1,
        pid_started: 1,
        boot_id: BootId([1; 16]),
        instance_id: InstanceId([1; 16]),
        qmgr_id: ID,
        epoch: Epoch(3),
        since: UtcTime(0),
        beats: 1,
        beat_time: UtcTime(0),
        durable_lsn: Lsn(0),
    }
}

impl World {
    fn path(&self, name: &str) -> PathBuf {
        self.entry.data_dir().path().join(name)
    }

    fn write(&self, name: &str, slot: usize, bytes: &[u8]) {
        use std::os::unix::fs::FileExt;
        let file = std::fs::OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(self.path(name))
            .unwrap();
        file.write_all_at(bytes, (slot * LOCK_RECORD_BYTES) as u64).unwrap();
    }

    fn put(&self, name: &str, slot: usize, record: &LockRecord) {
        self.write(name, slot, &record.encode());
    }

    fn lock(&self, name: &str, slot: u64) -> LockedFile {
        let path = self.path(name);
        let len = LOCK_RECORD_BYTES as u64;
        let range = if name == "master" { Range::WHOLE } else { Range { start: slot * len, len } };
        LockedFile::try_lock(fs::open_rw(&path).unwrap(), &path, range).unwrap().unwrap()
    }

    fn here(&self, role: LocalRole) -> LockedFile {
        let runtime = RuntimeDir::open(&self.env.runtime, &self.entry.name);
        runtime.prepare(self.owner).unwrap();
        let held = runtime.try_own(self.owner).unwrap().unwrap();
        let status = LocalStatus {
            role,
            pid: std::process::id(),
            epoch: None,
            since: UtcTime(0),
            instance: InstanceId([1; 16]),
            host: self.env.host.clone(),
            multi_instance: true,
        };
        runtime.write_status(&status, self.owner).unwrap();
        held
    }

    fn look(&self) -> View {
        look(&self.env, &self.entry, Ask { instances: true, shared: true, deadline: DEADLINE })
    }
}

const DEADLINE: Duration = Duration::from_millis(400);

/// Status, standby permission and instances in one line.
fn line(view: &View) -> String {
    let mut text = format!("{}, {}", view.status.words(), view.standby.words());
    for instance in &view.instances {
        let host = instance.host.as_ref().map_or("unknown", HostName::as_str);
        text.extend([", ", host, " ", instance.mode.word()]);
    }
    text
}

#[test]
fn what_ended_says_how() {
    let world = world();
    world.put("standby", 0, &record(State::Standby, "host9"));
    for (state, expected) in [
        (State::EndedNormally, "Ended normally, Not applicable"),
        (State::EndedImmediately, "Ended immediately, Not applicable"),
        (State::EndedPreemptively, "Ended pre-emptively, Not applicable"),
        (State::Active, "Ended unexpectedly, Not applicable"),
        (State::Starting, "Ended unexpectedly, Not applicable"),
        (State::Quiescing, "Ended unexpectedly, Not applicable"),
    ] {
        world.put("master", 0, &record(state, "host9"));
        assert_eq!(line(&world.look()), expected);
    }
}

#[test]
fn an_instance_elsewhere_is_shown_while_it_holds_its_lock() {
    let world = world();
    world.put("master", 0, &record(State::Active, "hostA"));
    world.put("standby", 1, &record(State::Standby, "hostC"));
    world.put("standby", 0, &record(State::Standby, "hostB"));
    let master = world.lock("master", 0);
    assert_eq!(line(&world.look()), "Running elsewhere, Permitted, hostA Active");
    let standby = world.lock("standby", 1);
    assert_eq!(line(&world.look()), "Running elsewhere, Permitted, hostA Active, hostC Standby");
    let first = world.lock("standby", 0);
    assert_eq!(
        line(&world.look()),
        "Running elsewhere, Permitted, hostA Active, hostB Standby, hostC Standby"
    );
    drop((master, first));
    let over = LockRecord { successor_wanted: false, ..record(State::EndedNormally, "hostA") };
    world.put("master", 0, &over);
    assert_eq!(line(&world.look()), "Ended normally, Not applicable, hostC Standby");
    world.put("master", 0, &LockRecord { successor_wanted: true, ..over });
    assert_eq!(line(&world.look()), "Running elsewhere, Permitted, hostC Standby");
    world.put("master", 0, &record(State::Active, "hostA"));
    assert_eq!(line(&world.look()), "Running elsewhere, Permitted, hostC Standby");
    drop(standby);
    assert_eq!(line(&world.look()), "Ended unexpectedly, Not applicable");
    let alone = LockRecord { permits_standby: false, ..record(State::Active, "hostA") };
    world.put("master", 0, &alone);
    let _master = world.lock("master", 0);
    assert_eq!(line(&world.look()), "Running elsewhere, Not permitted, hostA Active");
}

#[test]
fn an_instance_here_is_asked_first() {
    let world = world();
    for (role, expected) in [
        (LocalRole::Starting, "Starting, Permitted"),
        (LocalRole::Recovering, "Starting, Permitted"),
        (LocalRole::Standby, "Running as standby, Permitted"),
        (LocalRole::Active, "Running, Permitted"),
        (LocalRole::Quiescing, "Quiescing, Permitted"),
        (LocalRole::EndingImmediately, "Ending immediately, Permitted"),
        (LocalRole::EndingPreemptively, "Ending pre-emptively, Permitted"),
    ] {
        let held = world.here(role);
        let ask = Ask { instances: false, shared: true, deadline: DEADLINE };
        // There are no lock files at all: they are not looked at.
        let view = look(&world.env, &world.entry, ask);
        assert_eq!(line(&view), expected);
        assert!(view.runs_here() && view.trouble.is_none());
        drop(held);
    }
    world.put("master", 0, &record(State::EndedNormally, "host1"));
    assert_eq!(line(&world.look()), "Ended normally, Not applicable");
}

#[test]
fn what_cannot_be_read_is_not_guessed() {
    let world = world();
    let view = world.look();
    assert_eq!(view.status, Status::NotAvailable);
    assert!(matches!(view.trouble, Some(Unavailable::NoLockFile { .. })));

    world.write("master", 0, &[0; 512]);
    assert!(matches!(world.look().trouble, Some(Unavailable::Record { source: None, .. })));

    let mut torn = record(State::Active, "hostA").encode();
    torn[200] ^= 1;
    world.write("master", 0, &torn);
    assert_eq!(world.look().status, Status::NotAvailable);
    let held = world.lock("master", 0);
    let view = world.look();
    assert_eq!(line(&view), "Running elsewhere, Not applicable, unknown Active");
    assert!(matches!(view.trouble, Some(Unavailable::Record { source: Some(_), .. })));
    drop(held);

    let foreign = LockRecord { qmgr_id: QmgrId([6; 16]), ..record(State::Active, "hostA") };
    world.put("master", 0, &foreign);
    let _held = world.lock("master", 0);
    let view = world.look();
    assert_eq!(view.status, Status::NotAvailable);
    assert!(matches!(view.trouble, Some(Unavailable::Foreign { .. })));
}

/// A FIFO would hang an open that is not careful; the look must take it for what it is.
#[test]
fn a_lock_file_that_is_no_file_is_refused() {
    let world = world();
    std::os::unix::fs::symlink("master", world.path("master")).unwrap();
    assert!(matches!(world.look().trouble, Some(Unavailable::Io(_))));
}

#[test]
fn views_come_in_order_and_all_of_them() {
    let world = world();
    world.put("master", 0, &record(State::EndedNormally, "hostA"));
    let entries: Vec<_> = (0..300)
        .map(|n| Entry { name: format!("Q{n}").parse().unwrap(), ..world.entry.clone() })
        .collect();
    let mut names = Vec::new();
    let ask = Ask { instances: true, shared: true, deadline: DEADLINE };
    survey(&world.env, &entries, ask, |entry, view| {
        assert_eq!(entry.name, view.name);
        assert_eq!(view.status, Status::EndedNormally);
        names.push(view.name);
    });
    assert_eq!(names, entries.iter().map(|entry| entry.name.clone()).collect::<Vec<_>>());
    survey(&world.env, &[], ask, |_, _| panic!("there is none"));
    assert!(world.dir.path().exists());
}
