//! Reading, damaged files, and changes: alone, many at a time, and through links.

use std::thread;

use miqm_types::{HostName, QmgrId};
use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::env::Installation;

struct Host {
    dir: TempDir,
    env: Env,
    owner: miqm_sys::fs::Owner,
}

fn host() -> Host {
    let dir = tempfile::tempdir().unwrap();
    let caller = miqm_sys::user::caller().unwrap();
    let env = Env {
        prefix: dir.path().to_owned(),
        runtime: dir.path().join("run"),
        mqs_ini: dir.path().join("mqs.ini"),
        default_prefix: None,
        host: "host1".parse::<HostName>().unwrap(),
        installation: Installation {
            name: "Installation1".to_owned(),
            path: "/usr".into(),
            version: "0".to_owned(),
        },
    };
    Host { dir, env, owner: miqm_sys::fs::Owner { uid: caller.uid, gid: caller.gid } }
}

impl Host {
    fn write(&self, text: &str) {
        std::fs::write(self.dir.path().join("mqs.ini"), text).unwrap();
    }

    fn text(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("mqs.ini")).unwrap()
    }

    fn load(&self) -> Registry {
        Registry::load(&self.env).unwrap()
    }

    fn edit(&self, change: impl FnOnce(&mut Edit) -> Result<(), RegistryError>) {
        edit(&self.env, self.owner, change).unwrap();
    }
}

fn entry(name: &str) -> Entry {
    let name: QmgrName = name.parse().unwrap();
    Entry {
        directory: name.to_dir_component(),
        name,
        prefix: "/var/mqm".into(),
        data_path: None,
        installation: Some("Installation1".to_owned()),
        identity: Some(QmgrId([1; 16])),
    }
}

const TWO: &str = "\
# ours
QueueManager:
   Name=A
   Prefix=/var/mqm
   Directory=A
   Colour=red
; between
QueueManager:
   Name=B.C
   Prefix=/var/mqm
   Directory=B!C
   DataPath=/MQHA/qmgrs/B!C
DefaultQueueManager:
   Name=A
";

#[test]
fn no_registry_is_one_without_queue_managers() {
    let host = host();
    assert!(host.load().entries().is_empty());
    host.edit(|_| Ok(()));
    assert!(host.text().contains("LogDefaults:\n   LogPrimaryFiles=3\n"));
    let log = host.load().log_defaults().unwrap();
    assert_eq!(log.path.unwrap(), host.dir.path().join("log"));
}

#[test]
fn stanzas_are_read_in_order() {
    let host = host();
    host.write(TWO);
    let registry = host.load();
    let dirs: Vec<_> =
        registry.entries().iter().map(|e| e.data_dir().path().display().to_string()).collect();
    assert_eq!(dirs, ["/var/mqm/qmgrs/A", "/MQHA/qmgrs/B!C"]);
    assert_eq!(registry.default_qmgr(), DefaultQmgr::Name("A".parse().unwrap()));
    assert!(registry.find(&"b.c".parse().unwrap()).unwrap().is_none());
}

#[test]
fn a_change_keeps_what_it_does_not_concern() {
    let host = host();
    host.write(TWO);
    host.edit(|edit| {
        edit.add(&entry("D"))?;
        assert!(edit.remove(&"B.C".parse().unwrap()));
        assert!(!edit.remove(&"X".parse().unwrap()));
        edit.set_default(&"D".parse().unwrap()).unwrap();
        Ok(())
    });
    let expected = TWO.split("; between").next().unwrap().to_owned()
        + "; between\nDefaultQueueManager:\n   Name=D\nQueueManager:\n   Name=D\n   Prefix=/var/mqm\n   \
           Directory=D\n   InstallationName=Installation1\n   \
           Identity=01010101010101010101010101010101\n";
    assert_eq!(host.text(), expected);
}

#[test]
fn a_change_that_fails_changes_nothing() {
    let host = host();
    host.write(TWO);
    let failed = edit(&host.env, host.owner, |edit| {
        edit.remove(&"A".parse().unwrap());
        edit.add(&Entry { directory: "a\nb".to_owned(), ..entry("D") })
    });
    assert!(matches!(failed, Err(RegistryError::Edit { .. })));
    assert_eq!(host.text(), TWO);
}

#[test]
fn one_bad_stanza_does_not_hide_the_others() {
    let host = host();
    for (from, to, line, name) in [
        ("   Name=A\n   Prefix", "   Prefix", 2, None),
        ("Name=A\n   Prefix", "Name=a b\n   Prefix", 3, Some("a b")),
        ("   Prefix=/var/mqm\n   Directory=A", "   Directory=A", 2, Some("A")),
        ("Prefix=/var/mqm\n   Directory=A", "Prefix=var\n   Directory=A", 4, Some("A")),
        ("Directory=A", "Directory=../A", 5, Some("A")),
        ("Directory=A", "Directory=", 2, Some("A")),
        ("Colour=red", "DataPath=here", 6, Some("A")),
        ("Colour=red", "Identity=0", 6, Some("A")),
    ] {
        host.write(&TWO.replacen(from, to, 1));
        let registry = host.load();
        assert_eq!(registry.entries().len(), 1, "{to}");
        assert_eq!(registry.problems().len(), 1, "{to}");
        assert_eq!(registry.problems()[0].line, line, "{to}");
        assert_eq!(registry.problems()[0].name.as_deref(), name, "{to}");
        if name == Some("A") {
            assert!(registry.find(&"A".parse().unwrap()).is_err(), "{to}");
        }
    }
    host.write(&TWO.replace("B.C", "A"));
    let registry = host.load();
    assert!(registry.entries().is_empty());
    assert_eq!(registry.problems()[0].why, WhyInvalid::Repeated { first: 2 });
}

#[test]
fn a_damaged_file_is_refused_with_its_line() {
    let host = host();
    host.write(&TWO.replace("   Directory=A", "   Directory"));
    match Registry::load(&host.env) {
        Err(RegistryError::Syntax { source, .. }) => assert_eq!(source.line, 5),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_damaged_default_is_left_alone() {
    let host = host();
    for text in [
        "DefaultQueueManager:\n",
        "DefaultQueueManager:\n   Name=a b\n",
        "DefaultQueueManager:\n   Name=A\nDefaultQueueManager:\n   Name=B\n",
    ] {
        host.write(text);
        host.edit(|edit| {
            edit.set_default(&"D".parse().unwrap()).unwrap_err();
            edit.unset_default(&"D".parse().unwrap()).unwrap_err();
            Ok(())
        });
        assert_eq!(host.text(), text);
    }
}

#[test]
fn a_default_that_goes_is_no_longer_the_default() {
    let host = host();
    host.write(TWO);
    host.edit(|edit| {
        edit.unset_default(&"B.C".parse().unwrap()).unwrap();
        edit.unset_default(&"A".parse().unwrap()).unwrap();
        Ok(())
    });
    assert_eq!(host.load().default_qmgr(), DefaultQmgr::None);
}

#[test]
fn many_changes_at_a_time_lose_none() {
    let host = host();
    thread::scope(|scope| {
        for thread in 0..4 {
            let host = &host;
            scope.spawn(move || {
                for n in 0..10 {
                    host.edit(|edit| edit.add(&entry(&format!("Q{thread}.{n}"))));
                }
            });
        }
    });
    assert_eq!(host.load().entries().len(), 40);
    assert_eq!(host.load().problems().len(), 0);
}

#[test]
fn what_a_killed_change_left_is_removed_by_the_next() {
    let host = host();
    host.write(TWO);
    let left = host.dir.path().join(".miqm-0123456789abcdef.tmp");
    std::fs::write(&left, "half").unwrap();
    host.edit(|edit| edit.add(&entry("D")));
    assert!(!left.exists());
}

#[test]
fn a_change_that_cannot_have_its_turn_says_so() {
    let host = host();
    host.edit(|_| {
        let start = std::time::Instant::now();
        match edit(&host.env, host.owner, |_| Ok::<_, RegistryError>(())) {
            Err(RegistryError::Busy { waited, .. }) => assert!(waited >= EDIT_WAIT),
            other => panic!("{other:?}"),
        }
        assert!(start.elapsed() < EDIT_WAIT * 2);
        Ok(())
    });
}

#[test]
fn a_link_to_the_registry_stays_a_link() {
    let host = host();
    let real = host.dir.path().join("real.ini");
    std::fs::write(&real, TWO).unwrap();
    let link = host.dir.path().join("mqs.ini");
    std::os::unix::fs::symlink("real.ini", &link).unwrap();
    host.edit(|edit| edit.add(&entry("D")));
    assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
    assert!(std::fs::read_to_string(&real).unwrap().contains("Name=D"));
}

#[test]
fn a_link_that_leads_nowhere_is_refused() {
    let host = host();
    let link = host.dir.path().join("mqs.ini");
    for target in ["missing.ini", "mqs.ini"] {
        std::os::unix::fs::symlink(target, &link).unwrap();
        assert!(matches!(Registry::load(&host.env), Err(RegistryError::DeadLink { .. })));
        let edited = edit(&host.env, host.owner, |_| Ok::<_, RegistryError>(()));
        assert!(matches!(edited, Err(RegistryError::DeadLink { .. })));
        std::fs::remove_file(&link).unwrap();
    }
}

fn any_entry() -> impl Strategy<Value = Entry> {
    let path = "/[a-zA-Z0-9#;=:,.+&! '\"/-]{0,40}[a-z#;=]";
    let maybe_path = proptest::option::of(path.prop_map(PathBuf::from));
    let id = proptest::option::of(any::<[u8; 16]>().prop_map(QmgrId));
    ("[A-Za-z0-9._/%]{1,48}", path, maybe_path, "[A-Za-z0-9#;= ]{0,16}[A-Za-z]", id).prop_map(
        |(name, prefix, data_path, installation, identity)| {
            let name: QmgrName = name.parse().expect("a name");
            Entry {
                directory: name.to_dir_component(),
                name,
                prefix: prefix.into(),
                data_path,
                installation: Some(installation.trim().to_owned()),
                identity,
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn what_was_added_is_read_and_what_was_removed_is_gone(
        mut entries in proptest::collection::vec(any_entry(), 1..8),
        removed in any::<prop::sample::Index>(),
    ) {
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        entries.dedup_by(|a, b| a.name == b.name);
        let host = host();
        host.write(TWO);
        let before = host.load().entries().to_vec();
        entries.retain(|entry| before.iter().all(|other| other.name != entry.name));
        host.edit(|edit| entries.iter().try_for_each(|entry| edit.add(entry)));
        let registry = host.load();
        prop_assert!(registry.problems().is_empty());
        prop_assert_eq!(&registry.entries()[before.len()..], &entries[..]);
        host.edit(|edit| {
            for entry in &entries {
                assert!(edit.remove(&entry.name));
            }
            Ok(())
        });
        prop_assert_eq!(host.text(), TWO);
        let all = [before, entries].concat();
        let one = removed.get(&all);
        host.write(TWO);
        host.edit(|edit| {
            edit.remove(&one.name);
            Ok(())
        });
        prop_assert!(host.load().find(&one.name).unwrap().is_none());
    }
}
