//! Provisioning that is interrupted, and hosts that begin together.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use miqm_qmgr::env::Installation;
use tempfile::TempDir;

use super::*;

fn env(dir: &TempDir, host: &str) -> Env {
    let prefix = dir.path().join(host);
    Env {
        runtime: dir.path().join("run"),
        mqs_ini: prefix.join("mqs.ini"),
        prefix,
        default_prefix: None,
        host: host.parse().unwrap(),
        installation: Installation { name: "I".into(), path: "/usr".into(), version: "0".into() },
    }
}

fn order(dir: &TempDir, name: &str) -> Order {
    let text = format!(
        "port = 1414\n[log]\nfile-pages = 64\n[paths]\nrequire-mount = false\n\
         data-under = '{0}/shared/data'\nlog-under = '{0}/shared/log'\n",
        dir.path().display()
    );
    let content = Provision::parse(text.as_bytes()).unwrap();
    Order { name: name.parse().unwrap(), content }
}

fn manner(stop: Stop) -> Manner {
    Manner { dry_run: false, patience: Duration::from_mins(1), stop }
}

fn never() -> Manner {
    manner(Arc::new(|| false))
}

fn site() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(dir.path().join("shared/data")).unwrap();
    std::fs::create_dir_all(dir.path().join("shared/log")).unwrap();
    dir
}

/// What is on the shared storage.
fn shared(dir: &TempDir) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    let mut rest = vec![dir.path().join("shared")];
    while let Some(dir) = rest.pop() {
        for path in std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                rest.push(path.clone());
            }
            found.insert(path);
        }
    }
    found
}

/// Stops at the first, second, third ... moment at which it can be stopped, while another host waits to join.
#[test]
fn wherever_it_stops_nothing_is_left_and_nothing_is_joined() {
    let dir = site();
    let (one, two) = (env(&dir, "host1"), env(&dir, "host2"));
    let order = order(&dir, "Q");
    let before = shared(&dir);
    let mut stops = 0;
    loop {
        let asked = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&asked);
        let stop: Stop = Arc::new(move || counter.fetch_add(1, Ordering::Relaxed) >= stops);
        match provision(&one, &order, &manner(stop)) {
            Err(ProvisionError::Interrupted) => {}
            Ok(done) => {
                assert_eq!(done.outcome, Outcome::Created);
                break;
            }
            Err(error) => panic!("stop {stops}: {error:?}"),
        }
        assert_eq!(shared(&dir), before, "stop {stops}");
        assert!(Registry::load(&one).unwrap().entries().is_empty(), "stop {stops}");
        stops += 1;
    }
    assert!(stops > 30, "{stops}");
    assert_eq!(provision(&two, &order, &never()).unwrap().outcome, Outcome::Joined);
    assert_eq!(provision(&one, &order, &never()).unwrap().outcome, Outcome::Unchanged);
}

/// Goal: of many hosts that begin together one creates, whatever was interrupted before. Method: the hosts in
/// threads, with the places missing, or there and empty.
#[test]
fn of_many_hosts_one_creates_and_the_others_join() {
    let dir = site();
    for round in 0..10 {
        let order = order(&dir, &format!("Q{round}"));
        if round % 2 == 1 {
            std::fs::create_dir(dir.path().join(format!("shared/data/Q{round}"))).unwrap();
        }
        let hosts: Vec<_> = (0..4).map(|n| env(&dir, &format!("host{n}"))).collect();
        let outcomes: Vec<_> = std::thread::scope(|scope| {
            let started: Vec<_> = hosts
                .iter()
                .map(|host| scope.spawn(|| provision(host, &order, &never()).unwrap().outcome))
                .collect();
            started.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let created = outcomes.iter().filter(|o| **o == Outcome::Created).count();
        let joined = outcomes.iter().filter(|o| **o == Outcome::Joined).count();
        assert_eq!((created, joined), (1, 3), "round {round}: {outcomes:?}");
        let identities: BTreeSet<_> = hosts
            .iter()
            .map(|host| Registry::load(host).unwrap().find(&order.name).unwrap().unwrap().identity)
            .map(|identity| identity.expect("it was recorded").to_string())
            .collect();
        assert_eq!(identities.len(), 1, "round {round}");
    }
}

/// A creation that was killed is undone by the next one of the same host, not by another.
#[test]
fn a_killed_creation_is_waited_for_elsewhere_and_removed_at_home() {
    let dir = site();
    let (one, two) = (env(&dir, "host1"), env(&dir, "host2"));
    let order = order(&dir, "Q");
    let data = dir.path().join("shared/data/Q");
    let admin = owner::establish(&one).unwrap();
    let id = miqm_types::QmgrId([9; 16]);
    let begun = intent::Intent::begin(&one, &order.name, admin.maker).unwrap();
    let intent::Begun::Free(mut notes, None) = begun else { panic!("{begun:?}") };
    notes.start(intent::Operation::Create, id).unwrap();
    notes.note(&intent::Place { path: data.clone(), made: true }).unwrap();
    std::fs::create_dir(&data).unwrap();
    std::fs::write(data.join(intent::marker(id)), "").unwrap();
    // All of it is there but for the end.
    let identity = Identity { name: order.name.clone(), id };
    std::fs::write(data.join("qmid"), identity.to_bytes()).unwrap();
    drop(notes);

    let hasty = Manner { patience: Duration::ZERO, ..never() };
    match provision(&two, &order, &hasty) {
        Err(ProvisionError::BeingCreated { at, .. }) => {
            assert!(at.starts_with(&data), "{}", at.display());
        }
        other => panic!("{other:?}"),
    }
    let notes = intent::file_of(&one, &order.name);
    assert!(notes.exists());
    assert_eq!(provision(&one, &order, &hasty).unwrap().outcome, Outcome::Created);
    assert!(!notes.exists());
    assert_eq!(provision(&two, &order, &hasty).unwrap().outcome, Outcome::Joined);
}

#[test]
fn the_names_of_policies_are_known() {
    for name in miqm_format::provision::POLICIES {
        assert_eq!(policy(name).map(SecurityPolicy::name), Some(name));
    }
}
