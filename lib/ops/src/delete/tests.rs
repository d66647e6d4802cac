//! Deletion: of everything and nothing else, against locks, and after it was killed.

use std::os::unix::fs::symlink;
use std::sync::Arc;

use miqm_qmgr::env::Installation;
use tempfile::TempDir;

use super::*;
use crate::create::{Created, Request, create};

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

impl Host {
    fn create(&self, name: &str) -> Created {
        let name = name.parse().unwrap();
        let request = Request { extent_pages: Some(64), make_default: true, ..Request::new(name) };
        create(&self.env, &request, &(Arc::new(|| false) as create::Stop)).unwrap()
    }

    fn delete(&self, name: &str) -> Result<Deleted, DeleteError> {
        delete(&self.env, &name.parse().unwrap())
    }

    /// How many files and directories there are, but for what is the installation's.
    fn count(&self) -> usize {
        let mut count = 0;
        let mut rest = vec![self.dir.path().to_owned()];
        while let Some(dir) = rest.pop() {
            for entry in std::fs::read_dir(dir).unwrap() {
                let path = entry.unwrap().path();
                count += 1;
                if path.is_dir() && !path.is_symlink() {
                    rest.push(path);
                }
            }
        }
        // var, mqs.ini and its lock, intent, qmgrs, log, and run
        count - 6 - usize::from(self.dir.path().join("run").exists())
    }
}

#[test]
fn everything_goes_and_can_be_made_again() {
    let host = host();
    for _ in 0..2 {
        let created = host.create("Q");
        let deleted = host.delete("Q").unwrap();
        assert!(deleted.kept.is_empty());
        assert_eq!(deleted.default, DefaultNow::Good);
        assert!(!created.data.path().exists() && !created.log.path().exists());
        assert_eq!(host.count(), 0);
        let registry = Registry::load(&host.env).unwrap();
        assert!(registry.entries().is_empty());
        assert_eq!(registry.default_qmgr(), registry::DefaultQmgr::None);
    }
    assert!(matches!(host.delete("Q"), Err(DeleteError::NoSuchQmgr(_))));
}

#[test]
fn what_is_not_the_queue_managers_stays() {
    let host = host();
    let created = host.create("Q");
    let outside = host.dir.path().join("outside");
    std::fs::create_dir(&outside).unwrap();
    std::fs::write(outside.join("precious"), "").unwrap();
    symlink(&outside, created.data.queues().join("link")).unwrap();
    symlink(&outside, created.log.active().join("link")).unwrap();
    std::fs::write(created.data.path().join("notes.txt"), "").unwrap();
    let deleted = host.delete("Q").unwrap();
    assert_eq!(deleted.kept, [created.data.path()]);
    assert!(outside.join("precious").exists());
    assert_eq!(std::fs::read_dir(created.data.path()).unwrap().count(), 1);
    assert!(!created.log.path().exists());
}

#[test]
fn a_lock_of_anybody_stops_it() {
    let host = host();
    let created = host.create("Q");
    let before = host.count();
    let files = [
        created.data.master(),
        created.data.active(),
        created.data.standby(),
        created.log.control(),
    ];
    for path in files {
        let file = fs::open_rw(&path).unwrap();
        let range = Range { start: 0, len: 512 };
        let held = LockedFile::try_lock(file, &path, range).unwrap().unwrap();
        match host.delete("Q") {
            Err(DeleteError::Locked { .. }) => {}
            other => panic!("{}: {other:?}", path.display()),
        }
        drop(held);
        // The runtime directory of this host stays.
        assert!(host.count() <= before + 2);
    }
    let runtime = RuntimeDir::open(&host.env.runtime, &created.entry.name);
    let admin = owner::authorize(&host.env).unwrap();
    let held = runtime.try_own(admin.maker).unwrap().unwrap();
    assert!(matches!(host.delete("Q"), Err(DeleteError::Running { .. })));
    drop(held);
    host.delete("Q").unwrap();
    assert_eq!(host.count(), 0);
}

#[test]
fn a_directory_that_is_not_its_own_is_left_alone() {
    let host = host();
    let created = host.create("Q");
    let moved = host.dir.path().join("moved");
    std::fs::rename(created.data.path(), &moved).unwrap();
    let identity = |result| matches!(result, Err(DeleteError::Identity(_)));
    assert!(identity(host.delete("Q")));
    std::fs::create_dir(created.data.path()).unwrap();
    assert!(identity(host.delete("Q")), "an empty directory, as under a mount point");
    std::fs::remove_dir(created.data.path()).unwrap();
    let other = host.create("R");
    std::fs::rename(other.data.path(), created.data.path()).unwrap();
    assert!(identity(host.delete("Q")), "another queue manager's");
    std::fs::rename(created.data.path(), other.data.path()).unwrap();
    std::fs::rename(&moved, created.data.path()).unwrap();
    let logs = host.dir.path().join("logs");
    std::fs::rename(created.log.path(), &logs).unwrap();
    assert!(matches!(host.delete("Q"), Err(DeleteError::Log { .. })));
    std::fs::rename(other.log.path(), created.log.path()).unwrap();
    assert!(matches!(host.delete("Q"), Err(DeleteError::Log { .. })), "another one's log");
    std::fs::rename(created.log.path(), other.log.path()).unwrap();
    std::fs::rename(&logs, created.log.path()).unwrap();
    host.delete("Q").unwrap();
    host.delete("R").unwrap();
    assert_eq!(host.count(), 0);
}

/// Removes files in the order of a deletion, one more each time, and then runs it again.
#[test]
fn a_deletion_that_was_killed_is_finished_by_the_next() {
    for stage in 0..7 {
        let host = host();
        let created = host.create("Q");
        let (data, log) = (&created.data, &created.log);
        let steps: [&dyn Fn(); 6] = [
            &|| std::fs::rename(data.identity(), data.deleted_identity()).unwrap(),
            &|| std::fs::remove_dir_all(log.active()).unwrap(),
            &|| std::fs::remove_dir_all(log.path()).unwrap(),
            &|| {
                std::fs::remove_dir_all(data.objects()).unwrap();
                std::fs::remove_file(data.qm_ini()).unwrap();
            },
            &|| {
                std::fs::remove_file(data.master()).unwrap();
                std::fs::remove_file(data.active()).unwrap();
            },
            &|| std::fs::remove_dir_all(data.path()).unwrap(),
        ];
        for step in steps.iter().take(stage) {
            step();
        }
        if stage == 6 {
            let admin = owner::authorize(&host.env).unwrap();
            match Intent::begin(&host.env, &created.entry.name, admin.maker).unwrap() {
                Begun::Free(mut intent, None) => {
                    intent.start(Operation::Delete, created.entry.identity.unwrap()).unwrap();
                }
                other => panic!("{other:?}"),
            }
        }
        host.delete("Q").unwrap_or_else(|error| panic!("stage {stage}: {error:?}"));
        assert_eq!(host.count(), 0, "stage {stage}");
        host.create("Q");
    }
}
