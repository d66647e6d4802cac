//! The packages, as a package manager and a lint see them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::LazyLock;

/// Made from what is built already, by whoever tests everything.
fn xtask(args: &[&str]) -> Output {
    let xtask = Path::new(env!("CARGO_BIN_EXE_xtask"));
    let mut command = Command::new(xtask);
    command.args(args).args(["--profile", "dev"]).env("SOURCE_DATE_EPOCH", "1790000000");
    let built = xtask.with_file_name("miqmd").is_file();
    command.args(built.then_some("--no-build"));
    if !checker_is_built() {
        skipped("miqm-fsck has not been built (cargo xtask fsck debug): its package is not tested");
        command.args(["--package", "miqm"]);
    }
    command.output().expect("it can be run")
}

#[expect(clippy::print_stderr, reason = "whoever tests should know what was not")]
fn skipped(why: &str) {
    eprintln!("{why}");
}

fn checker_is_built() -> bool {
    let target = Path::new(env!("CARGO_BIN_EXE_xtask")).ancestors().nth(2).expect("a target");
    let triple = format!("{}-unknown-linux-musl", std::env::consts::ARCH);
    target.join(triple).join("debug/miqm-fsck").is_file()
}

fn passed(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{complaint}");
    said
}

/// A folder for a test, empty. It stays in the target directory.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("packages").join(name);
    if folder.exists() {
        fs::remove_dir_all(&folder).expect("it can be emptied");
    }
    fs::create_dir_all(&folder).expect("it can be made");
    folder
}

fn is_there(tool: &str) -> bool {
    let there = Command::new(tool).arg("--version").output().is_ok();
    if !there {
        skipped(&format!("{tool} is not installed: what needs it is not tested"));
    }
    there
}

/// Without the database of this machine, which it would make.
fn rpm_tool() -> Command {
    let mut command = Command::new("rpm");
    command.args(["--dbpath", concat!(env!("CARGO_TARGET_TMPDIR"), "/packages/rpm-database")]);
    command
}

fn make(kind: &str, name: &str) -> Vec<PathBuf> {
    let output = folder(name);
    let said = passed(&xtask(&[kind, "--output", output.to_str().expect("text")]));
    said.lines().map(PathBuf::from).collect()
}

/// The packages for dpkg, made once.
static DEBS: LazyLock<Vec<PathBuf>> = LazyLock::new(|| make("deb", "debs"));
static RPMS: LazyLock<Vec<PathBuf>> = LazyLock::new(|| make("rpm", "rpms"));

/// What a package has, unpacked: its path, and that of its control files.
static UNPACKED: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = folder("unpacked");
    for deb in DEBS.iter() {
        passed(
            &Command::new("dpkg-deb")
                .arg("-R")
                .arg(deb)
                .arg(folder.join(name(deb)))
                .output()
                .expect("it runs"),
        );
    }
    folder
});

/// The name of a package out of that of its file.
fn name(file: &Path) -> String {
    let name = file.file_name().and_then(|name| name.to_str()).expect("a name");
    let end = name.find(|c: char| c.is_ascii_digit()).expect("a version");
    name[..end - 1].to_owned()
}

/// Every file and folder below: its path on the machine, and its mode.
fn below(root: &Path) -> BTreeMap<String, u32> {
    let (mut found, mut folders) = (BTreeMap::new(), vec![root.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let data = fs::symlink_metadata(&path).expect("it is there");
            assert!(!data.is_symlink(), "{}", path.display());
            let to = format!("/{}", path.strip_prefix(root).expect("below").display());
            found.insert(to, data.permissions().mode() & 0o7777);
            folders.extend(data.is_dir().then_some(path));
        }
    }
    found
}

fn commands() -> Vec<String> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("a workspace");
    let pages = fs::read_dir(workspace.join("man")).expect("pages");
    let pages = pages.map(|page| page.expect("a page").file_name().into_string().expect("a name"));
    pages.filter_map(|page| page.strip_suffix(".1.in").map(str::to_owned)).collect()
}

#[test]
fn everything_is_where_other_distributions_want_it_and_is_replaced_and_not_rewritten() {
    let root = folder("installed");
    let install = || passed(&xtask(&["install", "--root", root.to_str().expect("text")]));
    install();
    let found = below(&root);
    let mut commands = commands();
    if !checker_is_built() {
        commands.retain(|command| command != "miqm-fsck");
    }
    assert!(commands.len() >= 12, "{commands:?}");
    for command in &commands {
        for (path, mode) in [
            (format!("/usr/bin/{command}"), 0o755),
            (format!("/usr/share/man/man1/{command}.1.gz"), 0o644),
            (format!("/usr/share/bash-completion/completions/{command}"), 0o644),
            (format!("/usr/share/zsh/site-functions/_{command}"), 0o644),
            (format!("/usr/share/fish/vendor_completions.d/{command}.fish"), 0o644),
        ] {
            assert_eq!(found.get(&path), Some(&mode), "{path}");
        }
    }
    for (path, mode) in [
        ("/usr/libexec/miqm/miqmd", 0o755),
        ("/usr/share/man/man8/miqmd.8.gz", 0o644),
        ("/usr/share/man/man7/miqm-upgrade.7.gz", 0o644),
        ("/usr/lib/systemd/system/mqm@.service", 0o644),
        ("/usr/lib/systemd/system-generators/miqm-generator", 0o755),
        ("/usr/lib/systemd/catalog/miqm.catalog", 0o644),
        ("/usr/lib/sysusers.d/miqm.conf", 0o644),
        ("/usr/lib/tmpfiles.d/miqm.conf", 0o644),
        ("/usr/share/polkit-1/rules.d/50-miqm.rules", 0o644),
        ("/etc/miqm/qmgr.d", 0o755),
    ] {
        assert_eq!(found.get(path), Some(&mode), "{path}");
    }
    assert!(!found.contains_key("/usr/bin/miqm"));
    let in_bin = found.keys().filter_map(|path| path.strip_prefix("/usr/bin/"));
    assert_eq!(in_bin.map(str::to_owned).collect::<BTreeSet<_>>(), commands.into_iter().collect());
    for (path, mode) in &found {
        assert!([0o755, 0o644].contains(mode), "{path} has the mode {mode:o}");
        assert!(path.starts_with("/usr") || path.starts_with("/etc"), "{path}");
    }

    // A program that runs goes on with its file, although another one is put in its place.
    let program = root.join("usr/libexec/miqm/miqmd");
    let before = fs::File::open(&program).expect("it is there");
    install();
    let (old, new) = (before.metadata().expect("open"), fs::metadata(&program).expect("there"));
    assert_ne!(old.ino(), new.ino());
    assert_eq!((old.nlink(), old.len()), (0, new.len()));
    assert_eq!(below(&root), found);
}

#[test]
fn two_packages_of_one_source_are_equal() {
    for (kind, first, tool) in [("deb", &DEBS, "dpkg-deb"), ("rpm", &RPMS, "rpmbuild")] {
        if !is_there(tool) {
            continue;
        }
        let again = make(kind, &format!("{kind}s-again"));
        assert_eq!(again.len(), first.len());
        for (one, other) in first.iter().zip(&again) {
            assert_ne!(one, other);
            let bytes = |path| fs::read(path).expect("a package");
            assert!(bytes(one) == bytes(other), "{} is another each time", one.display());
        }
    }
}

#[test]
fn dpkg_sees_root_as_owner_and_nothing_unusual() {
    if !is_there("dpkg-deb") {
        return;
    }
    for deb in DEBS.iter() {
        let list = Command::new("dpkg-deb").arg("-c").arg(deb).output().expect("it runs");
        for line in passed(&list).lines() {
            let mode = line.split_whitespace().next().expect("a mode");
            assert!(["drwxr-xr-x", "-rwxr-xr-x", "-rw-r--r--"].contains(&mode), "{line}");
            assert!(line.contains(" root/root "), "{line}");
            assert!(line.contains("2026-09-21"), "the time of the source: {line}");
        }
        let root = UNPACKED.join(name(deb));
        let control = fs::read_to_string(root.join("DEBIAN/control")).expect("control");
        let field = |name: &str| {
            let line = control.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|line| line.strip_prefix(": ")).map(str::to_owned)
        };
        assert_eq!(field("Package"), Some(name(deb)));
        assert_eq!(field("Version"), Some(format!("{}-1", env!("CARGO_PKG_VERSION"))));
        let depends = field("Depends").unwrap_or_default();
        // The one needs what it was linked with; the other needs nothing at all.
        assert_eq!(depends.contains("libc6 (>= 2."), name(deb) == "miqm", "{depends}");
        let sums = Command::new("md5sum")
            .args(["--check", "--quiet", "--strict", "DEBIAN/md5sums"])
            .current_dir(&root)
            .output();
        passed(&sums.expect("it runs"));
    }
}

#[test]
fn what_operators_may_change_is_kept_by_an_upgrade() {
    if !is_there("dpkg-deb") {
        return;
    }
    let root = UNPACKED.join("miqm");
    let files = below(&root).into_keys().filter(|path| {
        path.starts_with("/etc/") && !root.join(path.trim_start_matches('/')).is_dir()
    });
    let conffiles = fs::read_to_string(root.join("DEBIAN/conffiles")).expect("conffiles");
    assert_eq!(files.collect::<Vec<_>>(), conffiles.lines().collect::<Vec<_>>());
}

#[test]
fn rpm_sees_the_same_as_dpkg() {
    if !is_there("rpmbuild") || !is_there("dpkg-deb") {
        return;
    }
    for rpm in RPMS.iter() {
        let format = "[%{FILEMODES:octal} %{FILEUSERNAME}:%{FILEGROUPNAME} %{FILENAMES}\n]";
        let list = rpm_tool().args(["-qp", "--qf", format]).arg(rpm).output();
        let list = passed(&list.expect("it runs"));
        let mut found = BTreeMap::new();
        for line in list.lines() {
            let words: Vec<_> = line.splitn(3, ' ').collect();
            assert_eq!(words[1], "root:root", "{line}");
            found.insert(words[2], u32::from_str_radix(words[0], 8).expect("octal"));
        }
        let of_deb = below(&UNPACKED.join(name(rpm)));
        let programs =
            |path: &&String| ["/usr/bin/", "/usr/lib"].iter().any(|at| path.starts_with(at));
        for (path, mode) in of_deb.iter().filter(|(path, _)| programs(path)) {
            let file = UNPACKED.join(name(rpm)).join(path.trim_start_matches('/'));
            if file.is_file() {
                assert_eq!(
                    found.get(path.as_str()).map(|mode| mode & 0o7777),
                    Some(*mode),
                    "{path}"
                );
            }
        }
        for (path, mode) in &found {
            assert!([0o755, 0o644].contains(&(mode & 0o7777)), "{path} has the mode {mode:o}");
        }
    }
}

#[test]
fn a_tool_that_is_missing_is_named_with_what_to_install() {
    let xtask = Path::new(env!("CARGO_BIN_EXE_xtask"));
    for (task, tool) in [("deb", "dpkg-deb"), ("rpm", "rpmbuild")] {
        let output =
            Command::new(xtask).args([task, "--no-build"]).env("PATH", "/nonexistent").output();
        let output = output.expect("it runs");
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success());
        assert!(complaint.contains(&format!("{tool} is not installed; install ")), "{complaint}");
    }
}

/// A machine for the scripts of a package: commands that note how they were called, and the folders that
/// scripts look at, below another root.
struct Machine {
    root: PathBuf,
}

impl Machine {
    /// With these lines of `dspmq -a`, and systemd running or not.
    fn new(name: &str, instances: &str, booted: bool) -> Self {
        let root = folder(&format!("machine-{name}"));
        for made in [
            "bin",
            "etc/systemd/system/multi-user.target.wants",
            "var/mqm/errors",
            "var/lib/miqm/fsck",
        ] {
            fs::create_dir_all(root.join(made)).expect("it can be made");
        }
        if booted {
            fs::create_dir_all(root.join("run/systemd/system")).expect("it can be made");
        }
        let machine = Self { root };
        for command in ["systemd-sysusers", "systemd-tmpfiles", "systemctl", "journalctl", "endmqm"]
        {
            machine.command(command, "");
        }
        machine.command("systemd-escape", "echo mqm@$3.service");
        machine.command("timeout", "shift; exec \"$@\"");
        machine.command("dspmq", &format!("cat <<'.'\n{instances}.\n"));
        machine
    }

    fn command(&self, name: &str, then: &str) {
        let log = self.root.join("log").display().to_string();
        let text = format!("#!/bin/sh\necho {name} \"$@\" >>{log}\n{then}\n");
        self.program(&format!("bin/{name}"), &text);
    }

    fn program(&self, path: &str, text: &str) {
        let path = self.root.join(path);
        fs::write(&path, text).expect("it can be written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("its mode");
    }

    /// Runs a script of the package; how it ended, what it complained of, and the commands it called.
    fn run(&self, script: &str, args: &[&str]) -> (bool, String, Vec<String>) {
        let mut text =
            fs::read_to_string(UNPACKED.join("miqm/DEBIAN").join(script)).expect("a script");
        for path in ["/run/systemd/system", "/etc/systemd/system", "/var/mqm", "/var/lib/miqm"] {
            text = text.replace(path, &format!("{}{path}", self.root.display()));
        }
        let output = Command::new("/bin/sh")
            .args(["-c", &text, script])
            .args(args)
            .env("PATH", format!("{}:/usr/bin:/bin", self.root.join("bin").display()))
            // Root's own business, which scripts must not fall for.
            .env("MIQM_PREFIX", "/nonexistent")
            .output()
            .expect("a shell");
        let log = fs::read_to_string(self.root.join("log")).unwrap_or_default();
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.success(), complaint, log.lines().map(str::to_owned).collect())
    }
}

const ACTIVE: &str = "QMNAME(QM1)                                     STATUS(Running)\n";
const STANDBY: &str =
    "QMNAME(QM2)                                     STATUS(Running as standby)\n";

/// What is different on a machine.
type Change = fn(&Machine);

/// Whether a command is one that ends or begins an instance.
fn touches(log: &[String], qmgr: &str) -> Vec<String> {
    let deed = |line: &&String| {
        line.starts_with("endmqm")
            || ["start", "stop", "restart", "try-restart", "kill"]
                .iter()
                .any(|verb| line.starts_with(&format!("systemctl {verb} ")))
    };
    log.iter().filter(deed).filter(|line| line.contains(qmgr)).cloned().collect()
}

#[test]
fn an_upgrade_restarts_standbys_and_never_an_active_instance() {
    if !is_there("dpkg-deb") {
        return;
    }
    let machine = Machine::new("upgrade", &format!("{ACTIVE}{STANDBY}"), true);
    let (passed, complaint, log) = machine.run("postinst", &["configure", "0.0.9-1"]);
    assert!(passed, "{complaint}");
    assert_eq!(touches(&log, "QM1"), [""; 0], "{log:?}");
    assert_eq!(touches(&log, "QM2"), ["endmqm -x QM2", "systemctl start mqm@QM2.service"]);
    assert!(complaint.contains("'QM1' is active here"), "{complaint}");
    let at = |what: &str| log.iter().position(|line| line.starts_with(what)).expect(what);
    assert!(at("systemd-sysusers miqm.conf") < at("systemd-tmpfiles --create miqm.conf"));
    assert!(at("systemctl daemon-reload") < at("endmqm"), "{log:?}");
    assert!(at("journalctl --update-catalog") < at("endmqm"), "{log:?}");

    // The first time there is nothing to restart.
    let machine = Machine::new("first", &format!("{ACTIVE}{STANDBY}"), true);
    let (passed, complaint, log) = machine.run("postinst", &["configure", ""]);
    assert!(passed, "{complaint}");
    assert_eq!(touches(&log, "QM"), [""; 0]);
    // The scripts of the version before and after end nothing.
    for (script, args) in [
        ("prerm", ["upgrade", "9"]),
        ("postrm", ["upgrade", "9"]),
        ("postinst", ["abort-upgrade", "9"]),
        ("prerm", ["failed-upgrade", "9"]),
    ] {
        let (passed, complaint, log) = machine.run(script, &args);
        assert!(passed, "{complaint}");
        assert_eq!(touches(&log, "QM"), [""; 0], "{script} {args:?}");
    }
}

#[test]
fn a_standby_that_cannot_be_restarted_does_not_fail_the_upgrade() {
    if !is_there("dpkg-deb") {
        return;
    }
    let changes: [(&str, Change, &[&str], &str); 4] = [
        // It has become active at this moment, for instance.
        ("endmqm", |m| m.command("endmqm", "exit 5"), &["endmqm -x QM2"], "could not be ended"),
        (
            "start",
            |m| m.command("systemctl", "[ \"$1\" != start ]"),
            &["endmqm -x QM2", "systemctl start mqm@QM2.service"],
            "is not up again",
        ),
        (
            "by-hand",
            |m| m.command("systemctl", "[ \"$2\" != is-active ]"),
            &[],
            "was not started by systemd",
        ),
        (
            "policy",
            |m| m.program("bin/policy-rc.d", "#!/bin/sh\nexit 101\n"),
            &[],
            "policy-rc.d forbids",
        ),
    ];
    for (name, change, deeds, said) in changes {
        let machine = Machine::new(name, STANDBY, true);
        change(&machine);
        let (passed, complaint, log) = machine.run("postinst", &["configure", "0.0.9-1"]);
        assert!(passed, "{name}: {complaint}");
        assert_eq!(touches(&log, "QM2"), deeds, "{name}: {complaint}");
        assert!(complaint.contains(said), "{name}: {complaint}");
    }
}

#[test]
fn the_scripts_work_where_systemd_does_not_run() {
    if !is_there("dpkg-deb") {
        return;
    }
    let machine = Machine::new("container", &format!("{ACTIVE}{STANDBY}"), false);
    for (script, args) in [
        ("postinst", vec!["configure", "0.0.9-1"]),
        ("postrm", vec!["remove"]),
        ("postrm", vec!["purge"]),
    ] {
        let (passed, complaint, log) = machine.run(script, &args);
        assert!(passed, "{script}: {complaint}");
        assert!(log.iter().all(|line| !line.starts_with("systemctl")), "{log:?}");
        assert_eq!(touches(&log, "QM"), [""; 0]);
    }
    // Directories that are not as they should be are an operator's business; the user is not.
    let machine = Machine::new("directories", "", true);
    machine.command("systemd-tmpfiles", "exit 73");
    assert!(machine.run("postinst", &["configure", ""]).0);
    machine.command("systemd-sysusers", "exit 1");
    assert!(!machine.run("postinst", &["configure", ""]).0);
}

#[test]
fn removal_ends_what_systemd_started_and_refuses_to_end_the_rest() {
    if !is_there("dpkg-deb") {
        return;
    }
    let machine = Machine::new("remove", "", true);
    let (passed, complaint, log) = machine.run("prerm", &["remove"]);
    assert!(passed, "{complaint}");
    assert!(log.contains(&"systemctl stop mqm@*.service mqm-*@*".to_owned()), "{log:?}");

    let machine = Machine::new("remove-by-hand", &format!("{ACTIVE}{STANDBY}"), true);
    let (passed, complaint, log) = machine.run("prerm", &["remove"]);
    assert!(!passed, "{complaint}");
    assert_eq!(touches(&log, "QM"), [""; 0]);
    assert!(complaint.contains("'QM1' runs here") && complaint.contains("'QM2' runs here"));
}

#[test]
fn purging_removes_what_is_generated_and_nothing_else() {
    if !is_there("dpkg-deb") {
        return;
    }
    let machine = Machine::new("purge", "", true);
    let etc = machine.root.join("etc/systemd/system");
    let wants = etc.join("multi-user.target.wants");
    let link = |name: &str, to: &str| {
        std::os::unix::fs::symlink(to, wants.join(name)).expect("a link");
        wants.join(name)
    };
    let ours = link("mqm@QM1.service", "/usr/lib/systemd/system/mqm@-gone.service");
    let older = link("mqm-fsck@x.service", "/lib/systemd/system/mqm-fsck@-gone.service");
    let foreign = link("mqm@QM2.service", "/opt/other/mqm@-gone.service");
    let own = etc.join("mqm@QM1.service");
    fs::write(&own, "[Service]\n").expect("a unit of an operator");
    let data = machine.root.join("var/mqm/mqs.ini");
    fs::write(&data, "QueueManager:\n").expect("data");
    let state = machine.root.join("var/lib/miqm");
    let (report, notes) = (state.join("fsck/mnt-mqha.html"), state.join("notes"));
    fs::write(&report, "<html>\n").expect("a report");
    fs::write(&notes, "ours\n").expect("somebody's notes");
    let (passed, complaint, log) = machine.run("postrm", &["purge"]);
    assert!(passed, "{complaint}");
    assert!(!report.exists() && notes.is_file() && !state.join("fsck").exists());
    let is_link = |path: &Path| fs::symlink_metadata(path).is_ok();
    assert!(!is_link(&ours) && !is_link(&older), "links of systemctl enable are left");
    assert!(is_link(&foreign) && is_link(&own), "what is not ours is gone");
    assert!(data.is_file(), "data is gone");
    assert!(!machine.root.join("var/mqm/errors").exists(), "an empty directory is left");
    assert_eq!(touches(&log, "QM"), [""; 0]);

    fs::remove_file(&data).expect("it can be removed");
    assert!(machine.run("postrm", &["purge"]).0);
    assert!(!machine.root.join("var/mqm").exists(), "an empty directory is left");
    assert!(machine.run("postrm", &["purge"]).0, "a second time there is nothing to do");
}

#[test]
fn scripts_are_right_for_any_shell() {
    let mut scripts = Vec::new();
    let folder = folder("scripts");
    if is_there("dpkg-deb") {
        for script in ["postinst", "prerm", "postrm"] {
            scripts.push(UNPACKED.join("miqm/DEBIAN").join(script));
        }
    }
    if is_there("rpmbuild") {
        let rpm = RPMS.iter().find(|rpm| name(rpm) == "miqm").expect("the package");
        for tag in ["POSTIN", "PREUN", "POSTUN"] {
            let query = rpm_tool().args(["-qp", "--qf", &format!("%{{{tag}}}")]).arg(rpm).output();
            let text = passed(&query.expect("it runs"));
            assert!(text.contains("printf 'miqm: %s\\n'"), "{tag}: {text}");
            let path = folder.join(tag);
            fs::write(&path, format!("#!/bin/sh\n{text}\n")).expect("it can be written");
            scripts.push(path);
        }
    }
    for script in &scripts {
        let checked = Command::new("sh").arg("-n").arg(script).output().expect("a shell");
        passed(&checked);
        let text = fs::read_to_string(script).expect("a script");
        assert!(!text.contains("@FUNCTIONS@") && !text.contains("@FOLDERS@"), "{text}");
        for deed in ["rm -r", "userdel", "deluser", "groupdel", "dltmqm"] {
            assert!(!text.contains(deed), "{} does {deed}", script.display());
        }
        if is_there("shellcheck") {
            let linted =
                Command::new("shellcheck").args(["-s", "sh", "-S", "warning"]).arg(script).output();
            passed(&linted.expect("it runs"));
        }
    }
}
