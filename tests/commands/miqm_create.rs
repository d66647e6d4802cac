use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use crate::support::{Machine, say};

/// The beginning of a file: the log of a test is small, and nothing is mounted for it.
const SHARED: &str = "[log]\nfile-pages = 64\n[paths]\nrequire-mount = false\n\
                      data-under = '[SHARED]/data'\nlog-under = '[SHARED]/log'\n";

/// Puts a file into `qmgr.d` of a host. `[SHARED]` stands for the shared directory.
fn put(machine: &Machine, name: &str, text: &str) -> PathBuf {
    let directory = machine.config_dir().join("qmgr.d");
    fs::create_dir_all(&directory).expect("the world of the test");
    fs::set_permissions(&directory, PermissionsExt::from_mode(0o755))
        .expect("the world of the test");
    let file = directory.join(name);
    let text = text.replace("[SHARED]", &machine.shared().display().to_string());
    fs::write(&file, text).expect("the world of the test");
    fs::set_permissions(&file, PermissionsExt::from_mode(0o644)).expect("the world of the test");
    file
}

fn parents(machine: &Machine) {
    for name in ["data", "log"] {
        fs::create_dir_all(machine.shared().join(name)).expect("the world of the test");
    }
}

/// A host with the directories, and with this in the file of QM1.
fn host(text: &str) -> Machine {
    let machine = Machine::new();
    parents(&machine);
    put(&machine, "QM1.toml", text);
    machine
}

/// Files below a directory, each with its bytes.
fn contents(top: &Path) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
    let mut found = BTreeMap::new();
    let mut rest = vec![top.to_owned()];
    while let Some(dir) = rest.pop() {
        let Ok(entries) = fs::read_dir(&dir) else { continue };
        for path in entries.flatten().map(|entry| entry.path()) {
            if path.is_dir() && !path.is_symlink() {
                rest.push(path.clone());
                found.insert(path, None);
            } else {
                let bytes = fs::read(&path).ok();
                found.insert(path, bytes);
            }
        }
    }
    found
}

/// The stanzas of queue managers in the registry of a host.
fn stanzas(machine: &Machine) -> usize {
    let registry = fs::read_to_string(machine.path("mqs.ini")).unwrap_or_default();
    registry.matches("\nQueueManager:").count()
}

#[test]
fn one_host_creates_the_next_joins_and_then_nothing_changes() {
    let text = format!(
        "description = ' Payments '\nport = 1414\ndefault = true\ndead-letter-queue = 'DLQ'\n{SHARED}"
    );
    let one = host(&text);
    let two = one.beside("host2");
    put(&two, "QM1.toml", &text);

    let before = contents(&one.shared());
    let said = one.run("miqm-create --dry-run QM1").success();
    insta::assert_snapshot!(said.stdout, @r"
    Queue manager 'QM1' would be created, with its data in '[ROOT]/shared/data/QM1' and its log in '[ROOT]/shared/log/QM1'.
    Queue manager 'QM1' would become the default queue manager of this host.
    ");
    assert_eq!(contents(&one.shared()), before);
    assert!(!one.prefix().exists(), "a dry run made the prefix");

    let said = one.run("miqm-create QM1").success();
    insta::assert_snapshot!(said.stdout, @r"
    Queue manager 'QM1' was created.
    Directory '[ROOT]/shared/data/QM1' created.
    Default objects statistics: 85 created. 0 replaced. 0 failed.
    Queue manager 'QM1' is the default queue manager of this host now.
    ");
    let shown = one.run("dspmq -o default -o status").success().stdout;
    assert!(shown.contains("DEFAULT(yes)") && shown.contains("Ended normally"), "{shown}");

    let said = two.run("miqm-create --dry-run QM1").success();
    insta::assert_snapshot!(said.stdout, @r"
    Queue manager 'QM1' in '[ROOT]/shared/data/QM1' would be added to this host.
    Queue manager 'QM1' would become the default queue manager of this host.
    ");
    assert_eq!(stanzas(&two), 0);
    let said = two.run("miqm-create QM1").success();
    insta::assert_snapshot!(said.stdout, @r"
    Queue manager 'QM1' in '[ROOT]/shared/data/QM1' was added to this host.
    Queue manager 'QM1' is the default queue manager of this host now.
    ");
    let inf = |machine: &Machine| {
        let said = machine.run("dspmqinf -o command QM1").success().stdout;
        said.replace(machine.host(), "HOST")
    };
    assert_eq!(inf(&one), inf(&two));

    for machine in [&one, &two] {
        let before = (contents(&machine.prefix()), contents(&machine.shared()));
        let said = machine.run("miqm-create QM1").success();
        let file = format!("[ROOT]/{}/etc/qmgr.d/QM1.toml", machine.host());
        assert_eq!(
            said.stdout,
            format!("Queue manager 'QM1' is as '{file}' asks, and was not changed.\n")
        );
        let said = machine.run("miqm-create --json --dry-run QM1").success().stdout;
        let json: serde_json::Value = serde_json::from_str(&said).unwrap();
        assert_eq!(json["outcome"], "unchanged");
        assert_eq!(json["dataPath"], "[ROOT]/shared/data/QM1");
        assert_eq!(json["logPath"], "[ROOT]/shared/log/QM1");
        assert_eq!((&json["dryRun"], &json["madeDefault"]), (&true.into(), &false.into()));
        assert_eq!((contents(&machine.prefix()), contents(&machine.shared())), before);
    }
    // What commands created is as good as what a file did.
    one.run("crtmqm -lf 64 -c text OTHER").success();
    put(&one, "OTHER.toml", "description = 'text'\n[log]\nfile-pages = 64\n");
    one.run("miqm-create OTHER").success();
}

#[test]
fn what_was_provisioned_starts_on_both_hosts() {
    let one = host(SHARED);
    let two = one.beside("host2");
    put(&two, "QM1.toml", SHARED);
    one.run("miqm-create QM1").success();
    two.run("miqm-create QM1").success();
    one.run("strmqm -x QM1").success();
    // Also of a queue manager that runs the file can be compared.
    two.run("miqm-create QM1").success();
    two.run("strmqm -x QM1").code(30);
    one.run("miqm-create QM1").success();
    two.run("endmqm -x QM1").success();
    one.run("endmqm -w QM1").success();
}

#[test]
fn without_paths_it_is_in_the_prefix_and_is_found_again() {
    let machine = Machine::new();
    put(&machine, "Q.1-\\x25.toml", "[log]\nfile-pages = 64\n");
    let said = machine.run("miqm-create --json Q.1/%").success().stdout;
    let json: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(json["outcome"], "created");
    assert_eq!(json["dataPath"], "[ROOT]/host1/var/qmgrs/Q!1&%");
    machine.run("rmvmqinf Q.1/%").success();
    let said = machine.run("miqm-create --json Q.1/%").success().stdout;
    assert!(said.contains("\"outcome\": \"joined\""), "{said}");
    assert_eq!(stanzas(&machine), 1);
    machine.run("strmqm Q.1/%").success();
    machine.run("endmqm -w Q.1/%").success();
}

#[test]
fn directories_can_be_named_and_are_the_only_ones() {
    let text = "[log]\nfile-pages = 64\n[paths]\nrequire-mount = false\n\
                data = '[SHARED]/data/one'\nlog = '[SHARED]/data/two'\n";
    let one = host(text);
    let two = one.beside("host2");
    put(&two, "QM1.toml", text);
    // An empty directory is as good as none.
    fs::create_dir(one.shared().join("data/one")).unwrap();
    one.run("miqm-create QM1").success();
    two.run("miqm-create QM1").success();
    let shown = two.run("dspmqinf QM1").success().stdout;
    assert!(shown.contains("Directory=QM1\n"), "{shown}");
    assert!(shown.contains("DataPath=[ROOT]/shared/data/one\n"), "{shown}");
    let made: Vec<_> = fs::read_dir(one.shared().join("data")).unwrap().collect();
    assert_eq!(made.len(), 2);
    two.run("strmqm QM1").success();
    two.run("endmqm -w QM1").success();
}

/// A directory that `crtmqm` chose because the first was in use is found by its identity.
#[test]
fn what_another_host_created_under_another_name_is_joined_and_not_made_twice() {
    let one = host(SHARED);
    fs::create_dir_all(one.shared().join("data/QM1/in-the-way")).unwrap();
    let two = one.beside("host2");
    put(&two, "QM1.toml", SHARED);
    one.run("crtmqm -lf 64 -md [SHARED]/data -ld [SHARED]/log QM1").success();
    assert!(one.shared().join("data/QM1.000/qmid").exists());
    let said = two.run("miqm-create QM1").success().stdout;
    assert!(said.contains("[ROOT]/shared/data/QM1.000' was added"), "{said}");
    one.run("miqm-create QM1").success();
    // Two of them are a riddle.
    let three = one.beside("host3");
    put(&three, "QM1.toml", SHARED);
    fs::create_dir(one.shared().join("data/QM1.001")).unwrap();
    fs::copy(one.shared().join("data/QM1.000/qmid"), one.shared().join("data/QM1.001/qmid"))
        .unwrap();
    let said = three.run("miqm-create QM1").code(25);
    insta::assert_snapshot!(said.stderr, @"AMQ1938E: Both '[ROOT]/shared/data/QM1.000' and '[ROOT]/shared/data/QM1.001' are data directories of queue manager 'QM1'.");
    assert!(!three.prefix().exists());
}

#[test]
fn a_file_that_is_wrong_is_refused_with_all_that_is_wrong_and_nothing_is_made() {
    for (text, told) in [
        ("prot = 1414", "AMQ1934E: '[FILE]:1:1': there is no key 'prot'; 'port' may be meant.\n"),
        (
            "port = '1'\n[log]\nprimary-files = 1",
            "AMQ1934E: '[FILE]:1:8': 'port' must be a whole number, and not a string.\nAMQ1934E: '[FILE]:3:17': 'log.primary-files' cannot be '1': it must be between 2 and 510.\n",
        ),
        (
            "[config]\nmqsc = ['/a.mqsc']",
            "AMQ1934E: '[FILE]:2:1': 'config.mqsc' is refused: this version does not run MQSC commands at a start.\n",
        ),
        (
            "[paths]\ndata = 'relative'",
            "AMQ1934E: '[FILE]:2:8': 'paths.data' cannot be 'relative': it must be a path that begins with a slash, without '..' and control characters, of up to 1024 bytes.\n",
        ),
        ("\u{0}", "AMQ1934E: '[FILE]:1:2': this is not TOML"),
    ] {
        let machine = host(text);
        for line in ["miqm-create --dry-run QM1", "miqm-create QM1"] {
            let said = machine.run(line).code(95);
            let told = told.replace("[FILE]", "[ROOT]/host1/etc/qmgr.d/QM1.toml");
            assert!(said.stderr.starts_with(&told), "{}", said.stderr);
            assert_eq!(said.stdout, "");
            assert!(!machine.prefix().exists());
        }
    }
}

#[test]
fn a_file_that_is_missing_too_long_or_not_to_be_trusted_is_not_used() {
    let machine = host("");
    let said = machine.run("miqm-create QM2").code(95);
    insta::assert_snapshot!(said.stderr, @"AMQ1931E: There is no provisioning file '[ROOT]/host1/etc/qmgr.d/QM2.toml'.");
    machine.run("miqm-create --file /no/such/file QM1").code(95);
    machine.run(&format!("miqm-create --file {} QM1", machine.shared().display())).code(95);
    machine.run("miqm-create 'a b'").code(72);
    machine.run("miqm-create --wait x QM1").code(39);
    let long = put(&machine, "LONG.toml", &"#".repeat(65_537));
    let said = machine.run("miqm-create LONG").code(95);
    insta::assert_snapshot!(said.stderr, @"AMQ1933E: The provisioning file '[ROOT]/host1/etc/qmgr.d/LONG.toml' is longer than 65536 bytes.");
    fs::write(long, "#".repeat(65_536)).unwrap();
    machine.run("miqm-create --dry-run LONG").success();

    let file = machine.config_dir().join("qmgr.d/QM1.toml");
    let directory = machine.config_dir().join("qmgr.d");
    let mode =
        |path: &Path, mode| fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
    machine.run("miqm-create --dry-run QM1").success();
    mode(&file, 0o646);
    let said = machine.run("miqm-create QM1").code(95);
    insta::assert_snapshot!(said.stderr, @"AMQ1932E: The provisioning file is not used, because '[ROOT]/host1/etc/qmgr.d/QM1.toml' is not safe: everybody may write it.");
    mode(&file, 0o644);
    mode(&directory, 0o777);
    let said = machine.run("miqm-create QM1").code(95);
    assert!(said.stderr.contains("qmgr.d' is not safe"), "{}", said.stderr);
    // Nobody can replace another user's file in a directory like /tmp.
    mode(&directory, 0o1777);
    machine.run("miqm-create --dry-run QM1").success();
    mode(&directory, 0o755);
    // A link to a file is as good as the file, and no better.
    let elsewhere = machine.shared().join("QM1.toml");
    fs::rename(&file, &elsewhere).unwrap();
    symlink(&elsewhere, &file).unwrap();
    machine.run("miqm-create --dry-run QM1").success();
    mode(&elsewhere, 0o666);
    machine.run("miqm-create QM1").code(95);
    mode(&elsewhere, 0o644);
    if fs::metadata(&elsewhere).unwrap().uid() == 0 {
        std::os::unix::fs::chown(&elsewhere, Some(12_345), None).unwrap();
        let said = machine.run("miqm-create QM1").code(95);
        assert!(said.stderr.contains("it belongs to the user '12345'"), "{}", said.stderr);
        std::os::unix::fs::chown(&elsewhere, Some(0), Some(12_345)).unwrap();
        mode(&elsewhere, 0o664);
        let said = machine.run("miqm-create QM1").code(95);
        assert!(said.stderr.contains("the members of group 12345"), "{}", said.stderr);
    } else {
        say("not root: files of other users were not tried");
    }
    assert!(!machine.prefix().exists());
}

#[test]
fn what_contradicts_is_named_and_nothing_changes() {
    let text = format!(
        "description = 'one'\nport = 1414\nmax-handles = 7\nsecurity-policy = 'user'\n\
         {SHARED}[config]\nini = '[SHARED]/auto.ini'\nvariables = {{ A = 'a' }}\n"
    );
    let one = host(&text);
    fs::write(one.shared().join("auto.ini"), "TuningParameters:\n   LeaseTime=50\n").unwrap();
    one.run("miqm-create QM1").success();
    let two = one.beside("host2");
    for (from, to, key, is, asked) in [
        ("'one'", "'two'", "description", "'one' since the creation", "'two'"),
        ("port = 1414", "port = 1415", "port", "'1414' since the creation", "'1415'"),
        (
            "max-handles",
            "trigger-interval",
            "trigger-interval",
            "nothing since the creation",
            "'7'",
        ),
        ("'user'", "'group'", "security-policy", "user", "group"),
        ("file-pages = 64", "file-pages = 65", "log.file-pages", "64", "65"),
        ("file-pages", "type = 'linear'\nfile-pages", "log.type", "circular", "linear"),
        ("file-pages", "primary-files = 4\nfile-pages", "log.primary-files", "3", "4"),
        ("file-pages", "secondary-files = 4\nfile-pages", "log.secondary-files", "2", "4"),
        ("'a'", "'b'", "config.variables", "A=a", "A=b"),
        (
            "auto.ini",
            "auto2.ini",
            "config.ini",
            "[ROOT]/shared/auto.ini",
            "[ROOT]/shared/auto2.ini",
        ),
        ("/log'", "'", "paths.log-under", "[ROOT]/shared/log", "[ROOT]/shared"),
        ("[log]", "application-group = 'g'\n[log]", "application-group", "none", "'g'"),
    ] {
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text, "{from}");
        for machine in [&one, &two] {
            put(machine, "QM1.toml", &changed);
            let before = (contents(&machine.prefix()), contents(&machine.shared()));
            let said = machine.run("miqm-create QM1").code(8);
            let file = format!("[ROOT]/{}/etc/qmgr.d/QM1.toml", machine.host());
            let begins = format!("AMQ1940E: For '{key}' there is {is}, but line ");
            let ends = format!(" of '{file}' asks for {asked}.\n");
            assert!(
                said.stderr.starts_with(&begins) && said.stderr.ends_with(&ends),
                "{key}: {}",
                said.stderr
            );
            assert_eq!((contents(&machine.prefix()), contents(&machine.shared())), before);
        }
    }
    // Other directories: this host has it elsewhere; the other one would create one of its own.
    fs::create_dir(one.shared().join("other")).unwrap();
    put(&one, "QM1.toml", &text.replacen("/data'", "/other'", 1));
    let said = one.run("miqm-create QM1").code(8);
    assert!(said.stderr.contains("For 'paths.data-under'"), "{}", said.stderr);
    put(
        &one,
        "QM1.toml",
        &format!("{}[paths]\ndata = '[SHARED]/other/QM1'\nrequire-mount = false\n", ""),
    );
    let said = one.run("miqm-create QM1").code(8);
    assert!(said.stderr.contains("For 'paths.data'"), "{}", said.stderr);
    // All at once.
    put(&one, "QM1.toml", "port = 1\nmax-handles = 8\n[log]\ntype = 'linear'\n");
    assert_eq!(one.run("miqm-create QM1").code(8).stderr.lines().count(), 3);
    // What the file does not say can be anything.
    put(&one, "QM1.toml", "");
    one.run("miqm-create QM1").success();
    // A path through a link is the same path.
    symlink(one.shared(), one.shared().join("way")).unwrap();
    put(&one, "QM1.toml", "[paths]\nrequire-mount = false\ndata-under = '[SHARED]/way/data'\n");
    one.run("miqm-create QM1").success();
}

#[test]
fn there_is_one_default_queue_manager() {
    let machine = host("default = true\n[log]\nfile-pages = 64\n");
    machine.run("crtmqm -q -lf 64 OTHER").success();
    let said = machine.run("miqm-create QM1").code(8);
    insta::assert_snapshot!(said.stderr, @"AMQ1940E: For 'default' there is 'OTHER', but line 1 of '[ROOT]/host1/etc/qmgr.d/QM1.toml' asks for this one.");
    assert_eq!(stanzas(&machine), 1);
    put(&machine, "QM1.toml", "default = false\n[log]\nfile-pages = 64\n");
    machine.run("miqm-create QM1").success();
    put(&machine, "OTHER.toml", "default = false\n");
    machine.run("miqm-create OTHER").code(8);
    machine.run("dltmqm OTHER").success();
    put(&machine, "QM1.toml", "default = true\n");
    let said = machine.run("miqm-create QM1").success().stdout;
    assert!(said.ends_with("is the default queue manager of this host now.\n"), "{said}");
}

#[test]
fn nothing_is_made_where_nothing_is_mounted() {
    let with = |mount: &str| SHARED.replace("require-mount = false", mount);
    let machine = host(&with("require-mount = '[SHARED]'"));
    let before = contents(&machine.shared());
    let said = machine.run("miqm-create QM1").code(25);
    insta::assert_snapshot!(said.stderr, @"AMQ1935E: Nothing is mounted at '[ROOT]/shared', where the provisioning file wants a mount.");
    put(&machine, "QM1.toml", &with("require-mount = ['/proc', '/no/such/mount']"));
    let said = machine.run("miqm-create --dry-run QM1").code(25);
    assert!(said.stderr.contains("'/no/such/mount'"), "{}", said.stderr);
    // The directory in which it is to be made is not there.
    put(&machine, "QM1.toml", &SHARED.replace("/data'", "/missing'"));
    let said = machine.run("miqm-create QM1").code(71);
    assert!(said.stderr.starts_with("AMQ7001S: "), "{}", said.stderr);
    put(&machine, "QM1.toml", &SHARED.replace("/log'", "/missing'"));
    machine.run("miqm-create QM1").code(100);
    assert_eq!(contents(&machine.shared()), before);
    // Also one that is known is not looked for where nothing is mounted.
    put(&machine, "QM1.toml", SHARED);
    machine.run("miqm-create QM1").success();
    put(&machine, "QM1.toml", &with("require-mount = '[SHARED]'"));
    machine.run("miqm-create QM1").code(25);
    fs::rename(machine.shared().join("data"), machine.shared().join("gone")).unwrap();
    put(&machine, "QM1.toml", SHARED);
    machine.run("miqm-create QM1").code(1);
}

#[test]
fn directories_in_use_are_left_alone() {
    let machine = host(SHARED);
    let data = machine.shared().join("data/QM1");
    let log = machine.shared().join("log/QM1");
    let refused = |why: &str, code| {
        let before = contents(&machine.shared());
        let said = machine.run("miqm-create QM1").code(code);
        assert!(said.stderr.contains(why), "{}", said.stderr);
        machine.run("miqm-create --dry-run QM1").code(code);
        assert_eq!(contents(&machine.shared()), before);
        assert_eq!(stanzas(&machine), 0);
    };
    for place in [&data, &log] {
        fs::write(place, "").unwrap();
        refused("it is not a directory", 25);
        fs::remove_file(place).unwrap();
        symlink("elsewhere", place).unwrap();
        refused("it is a symbolic link", 25);
        fs::remove_file(place).unwrap();
        fs::create_dir(place).unwrap();
        fs::write(place.join("something"), "").unwrap();
        refused("it holds something that is no queue manager", 25);
        fs::remove_dir_all(place).unwrap();
    }
    fs::create_dir(&data).unwrap();
    fs::write(data.join("qmid.deleting"), "").unwrap();
    refused("was deleted in part", 25);
    fs::remove_file(data.join("qmid.deleting")).unwrap();
    let identity =
        "QueueManager:\n   Name=QM2\n   QMgrId=0123456789abcdef0123456789abcdef\n   Format=1\n";
    fs::write(data.join("qmid"), identity).unwrap();
    refused("it is the directory of queue manager 'QM2'", 25);
    fs::remove_file(data.join("qmid")).unwrap();
    put(&machine, "QM1.toml", &SHARED.replace("/log'", "/data'"));
    refused("AMQ1939E", 95);
}

#[test]
fn a_creation_that_has_not_ended_is_waited_for_and_not_joined() {
    let one = host(SHARED);
    let two = one.beside("host2");
    put(&two, "QM1.toml", SHARED);
    one.run("miqm-create QM1").success();
    let qmid = fs::read_to_string(one.shared().join("data/QM1/qmid")).unwrap();
    let id = qmid.lines().find_map(|line| line.trim().strip_prefix("QMgrId=")).unwrap();
    let marker = one.shared().join(format!("data/QM1/.creating-{id}"));
    fs::write(&marker, "").unwrap();
    let said = two.run("miqm-create --wait 0 QM1").code(3);
    let told = format!(
        "AMQ1941E: Queue manager 'QM1' is still being created elsewhere after 0 seconds, as \
         '[ROOT]/shared/data/QM1/.creating-{id}' shows.\n"
    );
    assert_eq!(said.stderr, told);
    assert!(!two.prefix().exists() || stanzas(&two) == 0);
    let mut waiting = two.process("miqm-create");
    let waiting = waiting.arg("QM1").stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let mut waiting = waiting.unwrap();
    std::thread::sleep(Duration::from_millis(300));
    assert!(waiting.try_wait().unwrap().is_none(), "it did not wait");
    fs::remove_file(&marker).unwrap();
    assert!(waiting.wait().unwrap().success());
    assert_eq!(stanzas(&two), 1);
}

/// Goal: of two hosts that begin together one creates and the other joins. Method: both at once, many times,
/// with the directories missing or there and empty, or only one of them there.
#[test]
fn of_two_hosts_that_race_one_creates_and_the_other_joins() {
    let one = host(SHARED);
    let two = one.beside("host2");
    for round in 0..20 {
        let name = format!("QM{round}");
        for machine in [&one, &two] {
            put(machine, &format!("{name}.toml"), SHARED);
        }
        for (bit, below) in [(1, "data"), (2, "log")] {
            if round & bit != 0 {
                fs::create_dir(one.shared().join(below).join(&name)).unwrap();
            }
        }
        let run = |machine: &Machine| {
            let said = machine.run(&format!("miqm-create --json {name}")).success().stdout;
            let json: serde_json::Value = serde_json::from_str(&said).unwrap();
            json["outcome"].as_str().unwrap().to_owned()
        };
        let outcomes: Vec<String> = std::thread::scope(|scope| {
            let (first, second) = (scope.spawn(|| run(&one)), scope.spawn(|| run(&two)));
            vec![first.join().unwrap(), second.join().unwrap()]
        });
        let mut sorted = outcomes.clone();
        sorted.sort();
        assert_eq!(sorted, ["created", "joined"], "round {round}");
        let stanza = |machine: &Machine| {
            let all = fs::read_to_string(machine.path("mqs.ini")).unwrap();
            let at = all.find(&format!("Name={name}\n")).expect("a stanza");
            all[at..].lines().find(|line| line.contains("Identity=")).map(str::to_owned)
        };
        assert_eq!(stanza(&one), stanza(&two), "round {round}: two queue managers");
    }
    for below in ["data", "log"] {
        let made: Vec<_> = fs::read_dir(one.shared().join(below)).unwrap().flatten().collect();
        assert_eq!(made.len(), 20, "something is left: {made:?}");
        for directory in made {
            let names = fs::read_dir(directory.path()).unwrap().flatten();
            let marks = names.filter(|n| n.file_name().to_string_lossy().starts_with(".creating"));
            assert_eq!(marks.count(), 0);
        }
    }
}

/// Goal: whenever a host is killed, there is one whole queue manager in the end. Method: kill one of two after
/// a while that grows; then let it run again.
#[test]
fn a_host_that_is_killed_leaves_nothing_that_is_joined() {
    let one = host(SHARED);
    let two = one.beside("host2");
    let mut killed_at_work = 0;
    for round in 0..12_u64 {
        let name = format!("QM{round}");
        for machine in [&one, &two] {
            put(machine, &format!("{name}.toml"), SHARED);
        }
        let spawned = one.process("miqm-create").arg(&name).stdout(Stdio::null()).spawn();
        let mut first = spawned.unwrap();
        let second = two.process("miqm-create").arg(&name).stdout(Stdio::null()).spawn();
        std::thread::sleep(Duration::from_millis(3 + 5 * round));
        killed_at_work += u32::from(first.try_wait().unwrap().is_none());
        // The first process watches; its child, which does the work, dies with it.
        first.kill().unwrap();
        first.wait().unwrap();
        let said = one.run(&format!("miqm-create --json {name}")).success().stdout;
        assert!(said.contains("outcome"), "{said}");
        assert!(second.unwrap().wait().unwrap().success(), "round {round}");
        for machine in [&one, &two] {
            let said = machine.run(&format!("miqm-create --json {name}")).success().stdout;
            assert!(said.contains("\"outcome\": \"unchanged\""), "{said}");
        }
        two.run(&format!("strmqm {name}")).success();
        two.run(&format!("endmqm -w {name}")).success();
    }
    assert!(killed_at_work > 3, "only {killed_at_work} were killed at work");
    assert_eq!(fs::read_dir(one.shared().join("data")).unwrap().count(), 12);
}

/// Goal: who may not administer the installation makes nothing.
#[test]
fn a_stranger_is_refused() {
    let machine = host(SHARED);
    if fs::metadata(machine.config_dir()).unwrap().uid() != 0 {
        say("not root: a stranger was not tried");
        return;
    }
    machine.run("crtmqm -lf 64 OTHER").success();
    for path in [machine.shared(), machine.config_dir()] {
        fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
    }
    let root = machine.shared().parent().unwrap().to_owned();
    for path in [root.clone(), root.join("host1")] {
        fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
    }
    let setpriv = ["setpriv", "--reuid=12345", "--regid=12345", "--clear-groups"];
    let machine = machine.started_by(&setpriv);
    let said = machine.run("miqm-create QM1").code(119);
    assert!(said.stderr.starts_with("AMQ7077E: "), "{}", said.stderr);
}
