#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use miqm_engine::{Creation, Dirs, Kind, Object, Replace, new_qmgr};
use miqm_sys::clock::BootInstant;
use miqm_sys::disk::RealDir;
use miqm_types::{InstanceId, LogGeometry, LogManagement, LogType, Lsn, QmgrId, QmgrName, UtcTime};
use miqm_wal::{Activation, Hold, Identity, Lost, OpenError, Recovery};

use crate::support::Machine;

struct Held;

impl Hold for Held {
    fn before_write(&self) -> Result<(), Lost> {
        Ok(())
    }

    fn before_ack(&self, _: BootInstant) -> Result<(), Lost> {
        Ok(())
    }

    fn proven(&self, _: BootInstant) {}
}

fn activation() -> Activation<'static> {
    Activation {
        instance: InstanceId([2; 16]),
        hold: Arc::new(Held),
        files: None,
        body: b"host1",
        background: false,
    }
}

/// A queue manager that was created and started once, and defined a queue.
struct Made {
    machine: Machine,
    log: PathBuf,
}

fn dir(path: &Path) -> RealDir {
    fs::create_dir_all(path).unwrap();
    RealDir::open(path, None).unwrap()
}

fn made(log_type: LogType) -> Made {
    let machine = Machine::new();
    let log = machine.shared().join("log");
    let dirs = || Dirs {
        log: dir(&log),
        active: dir(&log.join("active")),
        objects: dir(&machine.shared().join("objects")),
    };
    let name: QmgrName = "QM1".parse().unwrap();
    let qmgr = QmgrId([0x11; 16]);
    let creation = Creation {
        log: miqm_wal::Creation {
            name: name.clone(),
            qmgr,
            salt: 7,
            geometry: LogGeometry::new(64, 2, 1).unwrap(),
            log_type,
        },
        qmgr: new_qmgr(&name, UtcTime(0)),
        port: None,
        at: UtcTime(0),
        end_state: 1,
    };
    miqm_engine::create(dirs(), &creation, activation()).unwrap();
    // A process that another test is about to start has every lock of this one for a moment.
    let began = Instant::now();
    let opened = loop {
        let Dirs { log, active, .. } = dirs();
        match Recovery::open(log, active, Identity { name: &name, qmgr }, Lsn::ZERO) {
            Err(OpenError::Busy { .. }) if began.elapsed() < Duration::from_secs(10) => {
                std::thread::sleep(Duration::from_millis(5));
            }
            opened => break opened.unwrap(),
        }
    };
    let engine = miqm_engine::recover(opened, dirs().objects, &mut |_| ()).unwrap();
    let engine = engine.activate(activation()).unwrap();
    let mut queue = Object::new(Kind::Qremote, "APP.Q").unwrap();
    queue.set("DESCR", "a queue elsewhere").unwrap();
    engine.define(queue, Replace::No, UtcTime(0)).unwrap();
    engine.close(1).unwrap();
    Made { machine, log }
}

impl Made {
    fn run(&self, args: &str) -> crate::support::Outcome {
        self.machine.run(&format!("dmpmqlog -f [SHARED]/log {args}"))
    }
}

/// Times, and the checksums over them, replaced.
fn steady(text: &str) -> String {
    let mut lines = Vec::new();
    for line in text.lines() {
        let line = match line.split_once("Checksum") {
            Some((before, _)) => format!("{before}Checksum . . . : [CHECKSUM]"),
            None => line.to_owned(),
        };
        lines.push(match line.split_once(" UTC") {
            Some((before, _)) => format!("{}[TIME]", &before[..before.len() - 26]),
            None => line,
        });
    }
    lines.join("\n")
}

#[test]
fn the_log_is_shown_from_where_recovery_begins() {
    let outcome = made(LogType::Circular).run("").success();
    insta::assert_snapshot!(steady(&outcome.stdout), @"
    AMQ7701I: The display of the log is starting.
    LOG FILE HEADER
    ************************************************************************
    counter1 . . . : 8                      counter2 . . . : 8
    FormatVersion  : 1                      LogType  . . . : circular
    LogActive  . . : 2                      LogInactive  . : 1
    LogSize  . . . : 64 pages
    BaseLSN  . . . : <0:0:8:0>
    NextLSN  . . . : <0:0:8:16384>
    LowTranLSN . . : <0:0:0:0>
    MinBuffLSN . . : <0:0:8:12288>
    HeadLSN  . . . : <0:0:8:12288>
    TailLSN  . . . : <0:0:8:12352>
    LogPath  . . . : [ROOT]/shared/log/active
    QMgrName . . . : QM1
    QMgrId . . . . : 11111111111111111111111111111111
    Epoch  . . . . : 2                      State  . . . . : ended orderly
    FenceLSN . . . : <0:0:0:49152>          DurableLSN . . : <0:0:8:16384>
    Written  . . . : [TIME]

    LOG RECORD - LSN <0:0:8:12288>
    ************************************************************************
    HLG Header: lrecsize 64, version 1, rmid 0, eyecatcher HLRH
    Creation Time: [TIME]
    LogRecdType  . : ALM Start Checkpoint (3)
    File . . . . . : S0000002.LOG, offset 12288
    Checksum . . . : [CHECKSUM]
    Epoch  . . . . : 2                      BatchLSN . . . : <0:0:8:12288>
    XTranid  . . . : none
    ThisLSN  . . . : <0:0:8:12288>          PrevLSN  . . . : <0:0:0:0>

    LOG RECORD - LSN <0:0:8:12352>
    ************************************************************************
    HLG Header: lrecsize 4032, version 1, rmid 0, eyecatcher HLRH
    Creation Time: [TIME]
    LogRecdType  . : ALM End Checkpoint (4)
    File . . . . . : S0000002.LOG, offset 12352
    Checksum . . . : [CHECKSUM]
    Epoch  . . . . : 2                      BatchLSN . . . : <0:0:8:12288>
    XTranid  . . . : none
    ThisLSN  . . . : <0:0:8:12352>          PrevLSN  . . . : <0:0:8:12288>
    BeginLSN . . . : <0:0:8:12288>

    AMQ7702I: The display of the log has finished: 2 records.
    ");
}

#[test]
fn an_object_is_shown_with_its_attributes() {
    let outcome = made(LogType::Circular).run("-b").success();
    let from = outcome.stdout.find("DEFINE").expect("a definition");
    let shown = &outcome.stdout[from..];
    insta::assert_snapshot!(shown.split("\n\n").next().expect("a block"), @"
    DEFINE QREMOTE('APP.Q')
       ALTDATE(1970-01-01)                     ALTTIME(00.00.00)
       CLUSNL( )                               CLUSTER( )
       CLWLPRTY(0)                             CLWLRANK(0)
       CUSTOM( )                               DEFBIND(OPEN)
       DEFPRESP(SYNC)                          DEFPRTY(0)
       DEFPSIST(NO)                            DESCR(a queue elsewhere)
       PUT(ENABLED)                            RNAME( )
       RQMNAME( )                              SCOPE(QMGR)
       XMITQ( )
    ");
    assert!(outcome.stdout.contains("LogRecdType  . : ALM Start Epoch (2)"));
    assert!(outcome.stdout.contains("Text . . . . . : host1"));
}

/// Goal: the place and the checksum that are shown are those in the file. Method: read them there.
#[test]
fn places_and_checksums_are_those_in_the_files() {
    let made = made(LogType::Linear(LogManagement::Manual));
    let stdout = made.run("-n 0").success().stdout;
    let mut records = 0;
    for block in stdout.split("LOG RECORD - LSN ").skip(1) {
        let value = |name: &str| {
            let after = block.split(name).nth(1).unwrap_or_else(|| panic!("{name} in {block}"));
            after.split_once(": ").expect("a value").1.split_whitespace().next().unwrap()
        };
        let file =
            fs::File::open(made.log.join("active").join(value("File").trim_end_matches(',')));
        let offset: u64 = block
            .split("offset ")
            .nth(1)
            .unwrap()
            .split_whitespace()
            .next()
            .unwrap()
            .parse()
            .unwrap();
        let mut bytes = [0; 4];
        file.unwrap().read_exact_at(&mut bytes, offset).unwrap();
        assert_eq!(value("Checksum"), format!("{:08x}", u32::from_le_bytes(bytes)), "{block}");
        records += 1;
    }
    let objects = stdout.matches("AOC Define Object").count();
    assert_eq!(objects, miqm_engine::defaults::COUNT + 2, "defaults, queue manager, APP.Q");
    assert!(records > objects);
    assert!(stdout.contains("DEFINE QLOCAL('SYSTEM.DEFAULT.LOCAL.QUEUE')"));
    assert!(stdout.contains("DEFINE CHANNEL('SYSTEM.DEF.SENDER') CHLTYPE(SDR)"));
    assert!(stdout.contains("   MAXDEPTH(5000)"));
}

#[test]
fn a_selection_is_shown_and_nothing_else() {
    let made = made(LogType::Circular);
    let records = |args: &str| {
        let stdout = made.run(args).success().stdout;
        stdout.matches("LOG RECORD - LSN").count()
    };
    let all = records("-b");
    assert_eq!(records("-s 0:0:8:12289"), 1, "the first record after a position");
    assert_eq!(records("-e '<0:0:8:12288>'"), 1);
    assert_eq!(records("-b -e 0:0:8:4096"), 1);
    assert_eq!(records("-b -t 2000-01-01"), all);
    assert_eq!(records("-b -u 2000-01-01T00:00:00"), 0);
    assert_eq!(records("-b -t 2000-01-01T00:00:00+01:00 -u 9000-01-01"), all);
}

#[test]
fn damage_is_named_and_the_rest_is_shown() {
    let made = made(LogType::Circular);
    let extent = made.log.join("active/S0000002.LOG");
    let file = fs::OpenOptions::new().read(true).write(true).open(&extent).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, 8200).unwrap();
    file.write_all_at(&[byte[0] ^ 1], 8200).unwrap();
    let said = made.run("-b").code(10);
    assert!(said.stdout.contains("ALM Start Epoch"), "what is before the damage");
    assert!(said.stdout.contains("ALM Start Checkpoint"), "what is after it");
    insta::assert_snapshot!(said.stderr, @"
    AMQ1310E: '[ROOT]/shared/log/active/S0000002.LOG' is damaged at offset 8192: there is no valid record from <0:0:8:8192> to <0:0:8:12288>.
    AMQ7716E: The display of the log has finished unsuccessfully.
    ");
    let said = made.run("-b -z").code(10);
    assert_eq!(said.stderr, "");
    fs::write(made.log.join("amqhlctl.lfh"), "x").unwrap();
    let said = made.run("").code(10);
    assert!(said.stderr.contains("amqhlctl.lfh' is damaged at offset 0"), "{}", said.stderr);
}

#[test]
fn json_is_one_document_for_each_block() {
    let made = made(LogType::Circular);
    let stdout = made.run("--json -e 0:0:8:12288").success().stdout;
    let keys: Vec<_> = stdout.lines().filter(|line| line.starts_with("  \"")).collect();
    let keys: Vec<_> = keys.iter().filter_map(|line| line.split('"').nth(1)).collect();
    assert!(keys.contains(&"BaseLSN") && keys.contains(&"QMgrName") && keys.contains(&"Checksum"));
    assert_eq!(stdout.matches("\"Block\": \"record\"").count(), 1);
    assert!(!stdout.contains("AMQ"));
}

#[test]
fn a_log_in_use_is_refused() {
    let made = made(LogType::Circular);
    let directory = RealDir::open(&made.log, None).unwrap();
    let file = miqm_sys::disk::Disk::open_rw(&directory, "amqhlctl.lfh").unwrap().unwrap();
    assert!(miqm_sys::disk::DiskFile::try_lock_exclusive(&file).unwrap());
    let said = made.run("-m QM1").code(20);
    assert_eq!(said.stdout, "AMQ7701I: The display of the log is starting.\n");
    let lines: Vec<_> = said.stderr.lines().map(|line| &line[..7]).collect();
    assert_eq!(lines, ["AMQ7005", "AMQ7716"]);
}

#[test]
fn what_cannot_be_shown_is_refused() {
    let made = made(LogType::Circular);
    let ids = |args: &str| {
        let said = made.run(args).code(20);
        said.stderr.lines().map(|line| line[..7].to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(ids("-m QM2"), ["AMQ1352", "AMQ7716"]);
    assert_eq!(ids("-n 0"), ["AMQ1312", "AMQ7716"]);
    assert_eq!(ids("-s 0:0:0:4096"), ["AMQ1314", "AMQ7716"]);
    assert_eq!(ids("-d")[0], "AMQ1007");
    assert_eq!(ids("-r x")[0], "AMQ1007");
    assert_eq!(ids("-t yesterday")[0], "AMQ1002");
    assert_eq!(ids("-s 1:2")[0], "AMQ1002");
    assert_eq!(ids("-n 10000000")[0], "AMQ1002");
    let said = made.machine.run("dmpmqlog -f [SHARED]/none").code(20);
    assert!(said.stderr.contains("AMQ7716E"));
    let said = made.machine.run("dmpmqlog -m NONE").code(20);
    assert!(said.stderr.starts_with("AMQ8118E"), "{}", said.stderr);
}

/// The default objects are stored for real: each can be displayed, and the counts are of these.
#[test]
fn the_saved_objects_are_displayed() {
    let machine = Machine::new();
    let created = machine.run("crtmqm -lf 64 -p 1414 QM1").success().stdout;
    let count = created
        .lines()
        .find_map(|line| line.strip_prefix("Default objects statistics: "))
        .and_then(|rest| rest.split(' ').next())
        .and_then(|count| count.parse::<usize>().ok())
        .expect("a line with counts");
    let shown = machine.run("dmpmqlog -m QM1 --objects").success().stdout;
    let objects: Vec<&str> =
        shown.lines().filter_map(|line| line.strip_prefix("DEFINE ")).collect();
    assert_eq!(objects.len(), count + 1, "the default objects, and the queue manager itself");
    for name in ["SYSTEM.DEFAULT.LOCAL.QUEUE", "SYSTEM.DEAD.LETTER.QUEUE", "SYSTEM.LISTENER.TCP.1"]
    {
        assert!(objects.iter().any(|object| object.contains(name)), "{name}: {objects:?}");
    }
    assert!(shown.contains("PORT(1414)") && shown.contains("MAXDEPTH("), "{shown}");
    let json = machine.run("dmpmqlog -m QM1 --objects --json").success().stdout;
    assert!(json.contains("SYSTEM.DEFAULT.LOCAL.QUEUE"), "{json}");
}
