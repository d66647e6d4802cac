//! What `qm.ini` may say, and what a new one says.

use std::path::Path;
use std::time::Duration;

use miqm_format::stanza::Document;
use miqm_types::{LogGeometry, LogManagement, LogType};

use super::*;

fn settings(text: &str) -> Result<Settings, ConfigError> {
    let document = Document::parse(text.as_bytes()).expect("stanzas");
    Settings::of(&document, Path::new("/q/qm.ini"))
}

fn log_and(text: &str) -> Result<Settings, ConfigError> {
    settings(&format!("Log:\n   LogPath=/l/Q/\n{text}"))
}

fn creation() -> Initial {
    Initial {
        prefix: "/var/mqm".into(),
        log_path: "/l/Q".into(),
        geometry: LogGeometry::DEFAULT,
        log_type: LogType::Circular,
        buffer_pages: 0,
        security_policy: None,
        restricted_group: None,
        auto_ini: None,
        variables: Vec::new(),
    }
}

fn text_of(initial_of: &Initial) -> String {
    String::from_utf8(initial(initial_of).unwrap().to_bytes()).unwrap()
}

#[test]
fn a_new_queue_manager_has_these_settings() {
    let text = text_of(&creation());
    let stanzas: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(
        stanzas.join("\n"),
        "\
ExitPath:
   ExitsDefaultPath=/var/mqm/exits
   ExitsDefaultPath64=/var/mqm/exits64
Log:
   LogPrimaryFiles=3
   LogSecondaryFiles=2
   LogFilePages=4096
   LogType=CIRCULAR
   LogBufferPages=0
   LogPath=/l/Q/
   LogWriteIntegrity=TripleWrite
Service:
   Name=AuthorizationService
   EntryPoints=14
ServiceComponent:
   Service=AuthorizationService
   Name=MQSeries.UNIX.auth.service
   Module=amqzfu
   ComponentDataSize=0"
    );
    let settings = settings(&text).unwrap();
    assert_eq!(settings.unknown, []);
    assert_eq!(settings.log.geometry, LogGeometry::DEFAULT);
    assert_eq!(settings.locks.poll_interval, Duration::from_millis(100));
    assert_eq!(settings.locks.standbys_max, 1);
}

#[test]
fn the_comment_in_a_new_file_tells_the_defaults() {
    let text = text_of(&creation());
    let comment: Vec<_> = text
        .lines()
        .filter_map(|line| line.strip_prefix("#   "))
        .filter_map(|line| line.split(' ').next())
        .collect();
    assert_eq!(comment.len(), 6);
    let commented = log_and(&format!("TuningParameters:\n{}\n", comment.join("\n"))).unwrap();
    assert_eq!(commented, log_and("").unwrap());
}

#[test]
fn creation_can_say_more() {
    let of = Initial {
        log_type: LogType::Linear(LogManagement::Archive),
        security_policy: Some(SecurityPolicy::UserExternal),
        restricted_group: Some("app".to_owned()),
        auto_ini: Some("/etc/auto".into()),
        variables: vec![("SITE".to_owned(), "east=1".to_owned())],
        ..creation()
    };
    let settings = settings(&text_of(&of)).unwrap();
    assert_eq!(settings.log.log_type, LogType::Linear(LogManagement::Archive));
    assert_eq!(settings.security_policy, SecurityPolicy::UserExternal);
    assert_eq!(settings.restricted_group.as_deref(), Some("app"));
    assert_eq!(settings.auto_ini.as_deref(), Some(Path::new("/etc/auto")));
    assert_eq!(settings.variables, [("SITE".to_owned(), "east=1".to_owned())]);
    assert!(initial(&Initial { log_path: "/l\n/Q".into(), ..creation() }).is_err());
}

#[test]
fn a_wrong_value_is_named_with_its_line() {
    for (text, line_of, key_of) in [
        ("   LogPrimaryFiles=x\n", 3, "LogPrimaryFiles"),
        ("   LogPrimaryFiles=+3\n", 3, "LogPrimaryFiles"),
        ("   LogPrimaryFiles=99999999999999999999\n", 3, "LogPrimaryFiles"),
        ("   LogType=SQUARE\n", 3, "LogType"),
        ("   LogManagement=never\n", 3, "LogManagement"),
        ("   LogBufferPages=17\n", 3, "LogBufferPages"),
        ("   LogWriteIntegrity=Never\n", 3, "LogWriteIntegrity"),
        ("TuningParameters:\n   LockPollInterval=9\n", 4, "LockPollInterval"),
        ("TuningParameters:\n   HoldCheckInterval=10001\n", 4, "HoldCheckInterval"),
        ("TuningParameters:\n   MaxStandbys=0\n", 4, "MaxStandbys"),
        ("TuningParameters:\n   MaxStandbys=17\n", 4, "MaxStandbys"),
        ("Service:\n   SecurityPolicy=me\n", 4, "SecurityPolicy"),
        ("QMErrorLog:\n   ErrorLogSize=32767\n", 4, "ErrorLogSize"),
        ("TCP:\n   Port=70000\n", 4, "Port"),
        ("AutoConfig:\n   IniConfig=here\n", 4, "IniConfig"),
    ] {
        match log_and(text) {
            Err(ConfigError::Value(bad)) => {
                assert_eq!((bad.line, bad.key.as_str()), (line_of, key_of));
            }
            other => panic!("{text}: {other:?}"),
        }
    }
    match log_and("CHANNELS:\n   MAXCHANNELS=200\n   AdoptNewMCA=SDR,XYZ\n") {
        Err(ConfigError::Channels(bad)) => {
            assert_eq!((bad.line, bad.key.as_str()), (5, "AdoptNewMCA"));
        }
        other => panic!("{other:?}"),
    }
    assert!(log_and("CHANNELS:\n   MAXCHANNELS=200 AdoptNewMCACheck=QM,ADDRESS\n").is_ok());
}

#[test]
fn the_log_path_is_needed() {
    assert!(matches!(
        settings("# nothing\n"),
        Err(ConfigError::Missing { line: 0, key: "LogPath", .. })
    ));
    assert!(matches!(
        settings("\nLog:\n   LogPath=\n"),
        Err(ConfigError::Missing { line: 2, key: "LogPath", .. })
    ));
    assert!(
        matches!(settings("Log:\n   LogPath=l\n"), Err(ConfigError::Value(bad)) if bad.line == 2)
    );
}

#[test]
fn the_size_of_the_log_has_limits() {
    for text in ["   LogFilePages=63\n", "   LogPrimaryFiles=1\n", "   LogSecondaryFiles=510\n"] {
        assert!(matches!(log_and(text), Err(ConfigError::Geometry { .. })), "{text}");
    }
    assert!(matches!(
        log_and("   LogPrimaryFiles=300\n   LogSecondaryFiles=300\n"),
        Err(ConfigError::Geometry { .. })
    ));
}

#[test]
fn the_times_of_the_lock_protocol_go_together() {
    let tuned = |text: &str| log_and(&format!("TuningParameters:\n{text}"));
    for bad in [
        "HoldDeadline=10\nStorageRetryTime=5\n",
        "HoldDeadline=46\n",
        "LeaseTime=39\n",
        "HoldDeadline=1\nStorageRetryTime=0\nHoldCheckInterval=501\n",
    ] {
        assert!(matches!(tuned(bad), Err(ConfigError::Times { .. })), "{bad}");
    }
    for good in ["HoldDeadline=45\n", "HoldDeadline=2\nStorageRetryTime=0\nLeaseTime=4\n"] {
        assert!(tuned(good).is_ok(), "{good}: {:?}", tuned(good));
    }
}

#[test]
fn what_is_not_known_is_reported_and_harmless() {
    let found =
        log_and("   LogColour=red\nPaint:\n   Brush=1\nVariables:\n   any=thing\n").unwrap();
    assert_eq!(
        found.unknown,
        [
            Unknown { line: 3, stanza: "Log".to_owned(), key: Some("LogColour".to_owned()) },
            Unknown { line: 4, stanza: "Paint".to_owned(), key: None },
        ]
    );
}
