//! Creation: what it makes, and that nothing of it is left wherever it stops.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicUsize, Ordering};

use miqm_qmgr::config::Settings;
use miqm_qmgr::env::Installation;
use miqm_qmgr::identity::Identity;
use tempfile::TempDir;

use super::*;

struct Host {
    dir: TempDir,
    env: Env,
}

fn host() -> Host {
    let dir = tempfile::tempdir().unwrap();
    let prefix = dir.path().join("var");
    let env = Env {
        runtime: dir.path().join("run"),
        mqs_ini: prefix.join("mqs.ini"),
        prefix,
        default_prefix: None,
        host: "host1".parse().unwrap(),
        installation: Installation { name: "I".into(), path: "/usr".into(), version: "0".into() },
    };
    Host { dir, env }
}

fn request(name: &str) -> Request {
    Request { extent_pages: Some(64), ..Request::new(name.parse().unwrap()) }
}

fn never() -> Stop {
    Arc::new(|| false)
}

impl Host {
    fn create(&self, request: &Request) -> Result<Created, CreateError> {
        create(&self.env, request, &never())
    }

    fn path(&self, below: &str) -> PathBuf {
        self.dir.path().join(below)
    }

    /// Everything below the directory, without what belongs to the installation.
    fn all(&self) -> BTreeSet<String> {
        let ours = ["var", "var/mqs.ini", "var/mqs.ini.lock", "var/intent", "var/qmgrs", "var/log"];
        let mut found = BTreeSet::new();
        let mut rest = vec![self.dir.path().to_owned()];
        while let Some(dir) = rest.pop() {
            for entry in std::fs::read_dir(&dir).unwrap() {
                let path = entry.unwrap().path();
                let name = path.strip_prefix(self.dir.path()).unwrap().display().to_string();
                if path.is_dir() && !path.is_symlink() {
                    rest.push(path);
                }
                if !ours.contains(&name.as_str()) {
                    found.insert(name);
                }
            }
        }
        found
    }
}

#[test]
fn a_queue_manager_is_made_with_all_its_files() {
    let host = host();
    let created = host.create(&request("Q.1")).unwrap();
    assert!(created.objects.0 > 50 && created.objects.1 == 0 && created.objects.2 == 0);
    assert_eq!(created.entry.directory, "Q!1");
    assert_eq!(created.entry.data_path, None);
    assert_eq!(created.entry.data_dir().path(), host.path("var/qmgrs/Q!1"));
    let identity = Identity::load(&created.data.identity()).unwrap();
    assert_eq!(Some(identity.id), created.entry.identity);
    let settings = Settings::load(&created.data.qm_ini()).unwrap();
    assert_eq!(settings.log.geometry.extent_pages(), 64);
    assert_eq!(settings.log.path, host.path("var/log/Q!1"));
    let all = host.all();
    for name in
        ["qm.ini", "qmstatus.ini", "master", "active", "standby", "qmid", "objects", "queues"]
    {
        assert!(all.contains(&format!("var/qmgrs/Q!1/{name}")), "{name}");
    }
    assert!(all.contains("var/log/Q!1/amqhlctl.lfh"));
    assert!(all.contains("var/log/Q!1/active/S0000000.LOG"));
    assert!(!all.iter().any(|name| name.contains("creating") || name.contains("intent")));
    for name in &all {
        let mode = std::fs::metadata(host.path(name)).unwrap().permissions().mode() & 0o7777;
        let expected = if host.path(name).is_dir() {
            0o2770
        } else if name.contains(".ini") || name.contains("qmid") {
            0o664
        } else {
            0o660
        };
        assert_eq!(mode, expected, "{name}");
    }
}

#[test]
fn a_name_is_taken_once() {
    let host = host();
    host.create(&request("Q")).unwrap();
    let before = host.all();
    assert!(matches!(host.create(&request("Q")), Err(CreateError::Exists(_))));
    assert_eq!(host.all(), before);
}

/// Stops at the first, second, third ... moment at which it can be stopped.
#[test]
fn wherever_it_stops_nothing_is_left() {
    let host = host();
    std::fs::create_dir_all(host.path("data/Q")).unwrap();
    std::fs::create_dir_all(host.path("logs")).unwrap();
    std::fs::set_permissions(host.path("data/Q"), PermissionsExt::from_mode(0o2770)).unwrap();
    let request = Request {
        data_parent: Some(host.path("data")),
        log_parent: Some(host.path("logs")),
        make_default: true,
        ..request("Q")
    };
    let before = host.all();
    let mut stops = 0;
    loop {
        let asked = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&asked);
        let stop: Stop = Arc::new(move || counter.fetch_add(1, Ordering::Relaxed) >= stops);
        match create(&host.env, &request, &stop) {
            Err(CreateError::Interrupted) => {}
            Ok(created) => {
                assert_eq!(created.data.path(), host.path("data/Q"));
                break;
            }
            Err(error) => panic!("stop {stops}: {error:?}"),
        }
        assert_eq!(host.all(), before, "stop {stops}");
        assert!(Registry::load(&host.env).unwrap().entries().is_empty());
        stops += 1;
    }
    assert!(stops > 30, "{stops}");
}

#[test]
fn directories_that_are_in_use_are_left_alone() {
    let host = host();
    std::fs::create_dir_all(host.path("var/qmgrs/Q/inner")).unwrap();
    std::fs::create_dir_all(host.path("var/qmgrs/Q.000")).unwrap();
    std::fs::create_dir_all(host.path("var/log")).unwrap();
    std::fs::write(host.path("var/log/Q"), "a file").unwrap();
    let created = host.create(&request("Q")).unwrap();
    assert_eq!(created.data.path(), host.path("var/qmgrs/Q.000"));
    assert_eq!(created.log.path(), host.path("var/log/Q.000"));
    assert_eq!(created.entry.directory, "Q.000");
    assert_eq!(std::fs::read_dir(host.path("var/qmgrs/Q")).unwrap().count(), 1);
}

#[test]
fn data_and_log_may_have_one_parent() {
    let host = host();
    std::fs::create_dir_all(host.path("both")).unwrap();
    let both = Some(host.path("both"));
    let request = Request { data_parent: both.clone(), log_parent: both, ..request("Q") };
    let created = host.create(&request).unwrap();
    assert_eq!(created.data.path(), host.path("both/Q"));
    assert_eq!(created.log.path(), host.path("both/Q.000"));
}

#[test]
fn a_log_in_the_data_directory_is_refused() {
    let host = host();
    std::fs::create_dir_all(host.path("data/Q")).unwrap();
    let request = Request {
        data_parent: Some(host.path("data")),
        log_parent: Some(host.path("data/Q")),
        ..request("Q")
    };
    let before = host.all();
    let error = host.create(&request).unwrap_err();
    assert!(matches!(error, CreateError::Location { why: Unusable::InData, .. }), "{error:?}");
    assert_eq!(host.all(), before);
}

#[test]
fn what_a_killed_creation_left_is_removed_by_the_next() {
    let host = host();
    let admin = owner::establish(&host.env).unwrap();
    let name: QmgrName = "Q".parse().unwrap();
    let id = QmgrId([9; 16]);
    for path in ["var/qmgrs/Q/objects", "var/qmgrs/Q.000", "var/log/Q"] {
        std::fs::create_dir_all(host.path(path)).unwrap();
    }
    std::fs::write(host.path("var/qmgrs/Q").join(intent::marker(id)), "").unwrap();
    std::fs::write(host.path("var/log/Q/another"), "another's").unwrap();
    match Intent::begin(&host.env, &name, admin.maker).unwrap() {
        Begun::Free(mut intent, None) => {
            intent.start(Operation::Create, id).unwrap();
            for path in ["var/qmgrs/Q", "var/log/Q"] {
                let place = intent::Place { path: host.path(path), made: true };
                intent.note(&place).unwrap();
            }
            assert!(matches!(host.create(&request("Q")), Err(CreateError::Busy(_))));
        }
        other => panic!("{other:?}"),
    }
    let created = host.create(&request("Q")).unwrap();
    assert_eq!(created.data.path(), host.path("var/qmgrs/Q"));
    assert_eq!(created.log.path(), host.path("var/log/Q.000"), "what was another's stays");
    assert!(host.path("var/log/Q/another").exists());
    assert!(!host.all().iter().any(|name| name.contains("intent/")));
}

#[test]
fn a_creation_killed_at_its_very_end_is_completed() {
    let host = host();
    let created = host.create(&request("Q")).unwrap();
    let id = created.entry.identity.unwrap();
    let admin = owner::establish(&host.env).unwrap();
    for place in [created.data.path(), created.log.path()] {
        std::fs::write(place.join(intent::marker(id)), "").unwrap();
    }
    match Intent::begin(&host.env, &created.entry.name, admin.maker).unwrap() {
        Begun::Free(mut intent, None) => {
            intent.start(Operation::Create, id).unwrap();
            for place in [created.data.path(), created.log.path()] {
                let place = intent::Place { path: place.to_owned(), made: true };
                intent.note(&place).unwrap();
            }
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(host.create(&request("Q")), Err(CreateError::Exists(_))));
    assert!(created.data.identity().exists());
    assert!(!host.all().iter().any(|name| name.contains("creating") || name.contains("intent/")));
}

#[test]
fn links_that_lead_nowhere_and_links_at_all_are_refused() {
    let host = host();
    std::fs::create_dir_all(host.path("good/Q")).unwrap();
    for (name, target) in [("dangling", "missing"), ("loop", "loop")] {
        std::os::unix::fs::symlink(target, host.path(name)).unwrap();
        let request = Request { data_parent: Some(host.path(name)), ..request("Q") };
        match host.create(&request) {
            Err(CreateError::Location { why: Unusable::Refused(_), purpose, .. }) => {
                assert_eq!(purpose, Purpose::Data);
            }
            other => panic!("{name}: {other:?}"),
        }
    }
    std::fs::create_dir_all(host.path("links")).unwrap();
    std::os::unix::fs::symlink("../good/Q", host.path("links/Q")).unwrap();
    let linked = Request { log_parent: Some(host.path("links")), ..request("Q") };
    let error = host.create(&linked).unwrap_err();
    assert!(matches!(error, CreateError::Location { why: Unusable::Link, .. }), "{error:?}");
    // A link above the directory is fine.
    std::os::unix::fs::symlink("good", host.path("way")).unwrap();
    host.create(&Request { log_parent: Some(host.path("way")), ..request("Q") }).unwrap();
}

#[test]
fn paths_that_cannot_be_used_are_refused_before_anything_is_made() {
    let host = host();
    std::fs::write(host.path("file"), "").unwrap();
    for path in
        ["relative", "/no/such/place", "/a\nb", " /tmp", host.path("file").to_str().unwrap()]
    {
        let data = Request { data_parent: Some(path.into()), ..request("Q") };
        assert!(matches!(host.create(&data), Err(CreateError::Location { .. })), "{path}");
        let log = Request { log_parent: Some(path.into()), ..request("Q") };
        assert!(matches!(host.create(&log), Err(CreateError::Location { .. })), "{path}");
    }
    assert_eq!(host.all(), BTreeSet::from(["file".to_owned()]));
}

#[test]
fn automatic_settings_count_from_the_beginning() {
    let host = host();
    let auto = host.path("auto");
    std::fs::create_dir_all(&auto).unwrap();
    std::fs::write(auto.join("b.ini"), "TuningParameters:\n   LeaseTime=+LEASE+\n").unwrap();
    std::fs::write(auto.join("a.ini"), "TuningParameters:\n   LeaseTime=50\n").unwrap();
    let request = Request {
        auto_ini: Some(auto.clone()),
        variables: vec![("LEASE".to_owned(), "60".to_owned())],
        ..request("Q")
    };
    let created = host.create(&request).unwrap();
    let settings = Settings::load(&created.data.qm_ini()).unwrap();
    assert_eq!(settings.locks.lease.as_secs(), 60);
    assert_eq!(settings.auto_ini, Some(auto.clone()));
    assert_eq!(std::fs::read_dir(created.data.autocfg()).unwrap().count(), 2);
    std::fs::write(auto.join("b.ini"), "TuningParameters:\n   LeaseTime=10\n").unwrap();
    let before = host.all();
    let bad = host.create(&Request { name: "R".parse().unwrap(), ..request }).unwrap_err();
    assert!(matches!(bad, CreateError::Settings(_)), "{bad:?}");
    assert_eq!(host.all(), before);
}

#[test]
fn what_it_is_asked_for_must_be_possible() {
    let host = host();
    let group = Request { restricted_group: Some("no such group".into()), ..request("Q") };
    assert!(matches!(host.create(&group), Err(CreateError::NoGroup(_))));
    let size = Request { extent_pages: Some(63), ..request("Q") };
    assert!(matches!(host.create(&size), Err(CreateError::Geometry(_))));
    let huge = Request { extent_pages: Some(65_535), primary: Some(500), ..request("Q") };
    match host.create(&huge) {
        Err(CreateError::NoSpace { needed_bytes, free_bytes, .. }) => {
            assert!(needed_bytes > free_bytes);
        }
        other => panic!("{other:?}"),
    }
    let handles = Request { max_handles: Some(0), ..request("Q") };
    assert!(matches!(host.create(&handles), Err(CreateError::Attribute(_))));
    assert!(host.all().is_empty(), "{:?}", host.all());
}
