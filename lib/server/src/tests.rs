//! Two instances in one process: open-file-description locks tell them apart as on two hosts.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use miqm_engine::{Creation, Dirs};
use miqm_qmgr::identity::Identity;
use miqm_qmgr::layout::DataDir;
use miqm_qmgr::runtime::RuntimeDir;
use miqm_sys::clock::BootInstant;
use miqm_sys::disk::RealDir;
use miqm_sys::fs::Owner;
use miqm_types::{InstanceId, LogGeometry, LogType, QmgrId, UtcTime};

use crate::control::client::Call;
use crate::control::protocol::{Answer, Ask, EndRequest, Refusal, WireMode};
use crate::report::Report;
use crate::sessions::Phase;
use crate::{EndState, Error, Outcome, Refused, Start, WhenActive, run};

const SOON: Duration = Duration::from_secs(20);

fn owner() -> Owner {
    let caller = miqm_sys::user::caller().unwrap();
    Owner { uid: caller.uid, gid: caller.gid }
}

struct Always;

impl miqm_wal::Hold for Always {
    fn before_write(&self) -> Result<(), miqm_wal::Lost> {
        Ok(())
    }
    fn before_ack(&self, _: BootInstant) -> Result<(), miqm_wal::Lost> {
        Ok(())
    }
    fn proven(&self, _: BootInstant) {}
}

/// A queue manager without objects, in a temporary directory.
struct Site {
    dir: tempfile::TempDir,
    when_active: Option<WhenActive>,
}

impl Site {
    fn new() -> Self {
        let site = Self { dir: tempfile::tempdir().unwrap(), when_active: None };
        let (data, log) = (site.data(), site.path("log"));
        for dir in [
            data.path(),
            &log,
            &log.join("active"),
            &data.errors(),
            &data.objects(),
            &data.queues(),
        ] {
            std::fs::create_dir_all(dir).unwrap();
        }
        let identity = Identity { name: "QM1".parse().unwrap(), id: QmgrId([7; 16]) };
        std::fs::write(data.identity(), identity.to_bytes()).unwrap();
        let ini = format!(
            "Log:\n   LogPrimaryFiles=3\n   LogSecondaryFiles=2\n   LogFilePages=64\n   \
             LogType=CIRCULAR\n   LogPath={}/\n",
            log.display()
        );
        std::fs::write(data.qm_ini(), ini).unwrap();
        let dir = |path: &Path| RealDir::open(path, None).unwrap();
        let dirs = Dirs {
            log: dir(&log),
            active: dir(&log.join("active")),
            objects: dir(&data.objects()),
        };
        let creation = Creation {
            qmgr: miqm_engine::new_qmgr(&identity.name, UtcTime(0)),
            log: miqm_wal::Creation {
                name: identity.name,
                qmgr: identity.id,
                salt: 5,
                geometry: LogGeometry::new(64, 3, 2).unwrap(),
                log_type: LogType::Circular,
            },
            port: None,
            at: UtcTime(0),
            end_state: 0,
        };
        let activation = miqm_wal::Activation {
            instance: InstanceId([1; 16]),
            hold: Arc::new(Always),
            files: None,
            body: b"",
            background: false,
        };
        miqm_engine::create(dirs, &creation, activation).unwrap();
        site
    }

    fn path(&self, below: &str) -> PathBuf {
        self.dir.path().join(below)
    }

    fn data(&self) -> DataDir {
        DataDir::new(self.path("data"))
    }

    fn start(&self, host: &str, multi_instance: bool) -> Instance {
        let home = self.path(host);
        std::fs::create_dir_all(home.join("errors")).unwrap();
        let runtime = RuntimeDir::open(&home.join("run"), &"QM1".parse().unwrap());
        let start = Start {
            qmgr: "QM1".parse().unwrap(),
            data_dir: self.data(),
            expected_id: Some(QmgrId([7; 16])),
            multi_instance,
            remake_dirs: false,
            services: true,
            host: host.parse().unwrap(),
            owner: owner(),
            runtime: runtime.clone(),
            errors_dir: home.join("errors"),
            boot_note: home.join("boot").join("QM1.ini"),
            journal: false,
            report: Report::default(),
            when_active: self.when_active.clone(),
        };
        let (tell, outcome) = channel();
        std::thread::spawn(move || tell.send(run(start)));
        Instance { runtime, outcome }
    }
}

struct Instance {
    runtime: RuntimeDir,
    outcome: Receiver<Result<Outcome, Error>>,
}

impl Instance {
    fn reaches(&self, role: &str) {
        let began = BootInstant::now();
        let said = || match Call::new(&self.runtime.control(), Ask::Status, SOON) {
            Ok(mut call) => match call.answer(Some(SOON)) {
                Ok(Some(Answer::Status(status))) => status.role,
                other => format!("{other:?}"),
            },
            Err(error) => error.to_string(),
        };
        while said() != role {
            assert!(began.elapsed() < SOON, "it is {} and not {role}", said());
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    fn shows(&self, role: &str) {
        let began = BootInstant::now();
        while std::fs::read_to_string(self.runtime.role_file()).unwrap() != role {
            assert!(began.elapsed() < SOON, "the role file does not become {role}");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn end(&self, request: EndRequest) -> Answer {
        let mut call = Call::new(&self.runtime.control(), Ask::End(request), SOON).unwrap();
        let first = call.answer(Some(SOON)).unwrap().unwrap();
        if first == Answer::Accepted && request.wait {
            return call.answer(Some(SOON)).unwrap().unwrap();
        }
        first
    }

    fn outcome(&self) -> Result<Outcome, Error> {
        self.outcome.recv_timeout(SOON).expect("it ends")
    }
}

const END: EndRequest = EndRequest {
    mode: WireMode::Controlled,
    switchover: false,
    reconnect: false,
    standby: false,
    wait: true,
    target_seconds: None,
    target_preemptive: false,
};

#[test]
fn a_standby_takes_over_at_a_switchover_and_ends_with_its_active_otherwise() {
    let site = Site::new();
    let one = site.start("host1", true);
    one.reaches("active");
    one.shows("1\n");
    assert_eq!(
        one.end(EndRequest { switchover: true, ..END }),
        Answer::Refused(Refusal::NoStandby)
    );
    let two = site.start("host2", true);
    two.reaches("standby");
    let three = site.start("host3", true);
    assert!(matches!(three.outcome(), Err(Error::Refused(Refused::TooManyStandbys { most: 1 }))));
    assert_eq!(two.end(END), Answer::Refused(Refusal::IsStandby));
    assert_eq!(one.end(EndRequest { standby: true, ..END }), Answer::Refused(Refusal::IsActive));

    assert_eq!(one.end(EndRequest { switchover: true, ..END }), Answer::Done);
    assert_eq!(one.outcome().unwrap().end, EndState::Normal);
    one.shows("0\n");
    two.reaches("active");
    drop(one);
    let one = site.start("host1", true);
    one.reaches("standby");
    assert_eq!(two.end(EndRequest { mode: WireMode::Immediate, ..END }), Answer::Done);
    assert_eq!(two.outcome().unwrap().end, EndState::Immediate);
    one.outcome().expect("the standby ends with the active");

    // What was ended can be started again, and is not taken for one that just ended.
    let one = site.start("host1", false);
    one.reaches("active");
    let two = site.start("host2", true);
    assert!(matches!(
        two.outcome(),
        Err(Error::Refused(Refused::ActiveElsewhere { permits_standby: false, .. }))
    ));
    assert_eq!(one.end(EndRequest { mode: WireMode::Preemptive, ..END }), Answer::Done);
    assert_eq!(one.outcome().unwrap().end, EndState::Preemptive);
}

#[test]
fn a_lock_file_that_is_replaced_ends_the_active_and_never_makes_two() {
    for victim in ["data/master", "data/active", "log/amqhlctl.lfh"] {
        let site = Site::new();
        let one = site.start("host1", true);
        one.reaches("active");
        let two = site.start("host2", true);
        two.reaches("standby");
        let path = site.path(victim);
        std::fs::copy(&path, site.path("copy")).unwrap();
        std::fs::rename(site.path("copy"), &path).unwrap();
        let ended = one.outcome();
        assert!(matches!(ended, Err(Error::Fenced(_))), "{victim}: {ended:?}");
        two.reaches("active");
        assert_eq!(two.end(END), Answer::Done);
        two.outcome().unwrap();
    }
}

/// A quiescing instance waits for those who are connected, lets nobody else in, and can be hurried.
#[test]
fn a_controlled_end_waits_for_applications_until_it_is_hurried() {
    let (tell, told) = channel();
    let site = Site {
        when_active: Some(Arc::new(move |applications| tell.send(applications).unwrap())),
        ..Site::new()
    };
    let end = |instance: &Instance, request| {
        let mut call = Call::new(&instance.runtime.control(), Ask::End(request), SOON).unwrap();
        assert_eq!(call.answer(Some(SOON)).unwrap(), Some(Answer::Accepted));
        call
    };

    let one = site.start("host1", true);
    let applications = told.recv_timeout(SOON).unwrap();
    let session = applications.sessions.admit().expect("it serves");
    let mut waiting = end(&one, END);
    one.reaches("quiescing");
    assert!(applications.sessions.admit().is_none());
    assert_eq!(session.phase(), Phase::Quiescing);
    assert!(waiting.answer(Some(Duration::from_millis(50))).is_err(), "it waits");
    drop(session);
    assert_eq!(waiting.answer(Some(SOON)).unwrap(), Some(Answer::Done));
    assert_eq!(one.outcome().unwrap().end, EndState::Normal);

    let one = site.start("host1", true);
    let applications = told.recv_timeout(SOON).unwrap();
    let session = applications.sessions.admit().expect("it serves");
    let mut waiting = end(&one, END);
    one.reaches("quiescing");
    assert_eq!(one.end(EndRequest { wait: false, ..END }), Answer::Refused(Refusal::Ending));
    let mut hurried = end(&one, EndRequest { mode: WireMode::Immediate, ..END });
    one.reaches("ending immediately");
    assert_eq!(session.phase(), Phase::Ending);
    drop(session);
    assert_eq!(waiting.answer(Some(SOON)).unwrap(), Some(Answer::Done));
    assert_eq!(hurried.answer(Some(SOON)).unwrap(), Some(Answer::Done));
    assert_eq!(one.outcome().unwrap().end, EndState::Immediate);

    // An application that never goes, and a target time.
    let one = site.start("host1", true);
    let applications = told.recv_timeout(SOON).unwrap();
    let session = applications.sessions.admit().expect("it serves");
    let target = EndRequest { target_seconds: Some(1), target_preemptive: true, ..END };
    let mut waiting = end(&one, target);
    assert_eq!(waiting.answer(Some(SOON)).unwrap(), Some(Answer::Done));
    assert_eq!(one.outcome().unwrap().end, EndState::Preemptive);
    drop(session);
}

/// What was ended on purpose must not look to a service manager like something to start again.
#[test]
fn an_end_that_was_asked_for_is_no_failure_although_the_hold_is_lost_meanwhile() {
    let (tell, told) = channel();
    let site = Site {
        when_active: Some(Arc::new(move |applications| tell.send(applications).unwrap())),
        ..Site::new()
    };
    let one = site.start("host1", false);
    let applications = told.recv_timeout(SOON).unwrap();
    let session = applications.sessions.admit().expect("it serves");
    assert_eq!(one.end(EndRequest { wait: false, ..END }), Answer::Accepted);
    one.reaches("quiescing");
    let path = site.path("data/master");
    std::fs::copy(&path, site.path("copy")).unwrap();
    std::fs::rename(site.path("copy"), &path).unwrap();
    one.outcome().expect("an end that was asked for");
    assert_eq!(session.phase(), Phase::Cut, "the application does not go on");
    one.shows("0\n");
}

#[test]
fn garbage_silence_and_crowds_at_the_socket_harm_nobody() {
    use std::io::{Read as _, Write as _};
    let site = Site::new();
    let one = site.start("host1", false);
    one.reaches("active");
    let connect = || miqm_sys::socket::connect(&one.runtime.control(), SOON).unwrap();
    for garbage in [&b"\xff\xff\xff\xff\x01"[..], b"\x02\0\0\0\x01{}", b"\x02\0\0\0\x07{}"] {
        let mut stream = connect();
        stream.write_all(garbage).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        assert!(String::from_utf8_lossy(&answer).contains("bad_request"), "{garbage:?}");
    }
    // As many as may say nothing; one more is told so, and those who have gone make room.
    let silent: Vec<_> = (0..32).map(|_| connect()).collect();
    let began = BootInstant::now();
    let mut extra = String::new();
    while !extra.contains("busy") {
        assert!(began.elapsed() < SOON, "{extra}");
        extra.clear();
        drop(connect().read_to_string(&mut extra));
    }
    drop(silent);
    one.reaches("active");
    assert_eq!(one.end(END), Answer::Done);
    one.outcome().unwrap();
}

/// The last word on whether a standby takes over is the operator's last, and it reaches applications.
#[test]
fn an_end_that_is_hurried_with_a_switchover_is_one() {
    let (tell, told) = channel();
    let site = Site {
        when_active: Some(Arc::new(move |applications| tell.send(applications).unwrap())),
        ..Site::new()
    };
    let one = site.start("host1", true);
    let applications = told.recv_timeout(SOON).unwrap();
    assert!(applications.services);
    let session = applications.sessions.admit().expect("it serves");
    let two = site.start("host2", true);
    two.reaches("standby");
    assert_eq!(one.end(EndRequest { wait: false, ..END }), Answer::Accepted);
    one.reaches("quiescing");
    assert!(!session.is_to_reconnect());
    let hurried = EndRequest {
        mode: WireMode::Immediate,
        switchover: true,
        reconnect: true,
        wait: false,
        ..END
    };
    assert_eq!(one.end(hurried), Answer::Accepted);
    assert!(session.is_to_reconnect());
    drop(session);
    one.outcome().unwrap();
    two.reaches("active");
    assert_eq!(two.end(END), Answer::Done);
    two.outcome().unwrap();
}
