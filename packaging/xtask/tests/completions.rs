//! What the shells offer when somebody presses the key.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// A registry with everything that its grammar permits, and names that are none.
const MQS_INI: &str = "\
# Name=COMMENT
AllQueueManagers:
   DefaultPrefix=/var/mqm
   Name=NOT.ONE
QueueManager:
   Name=QM1
   Prefix=/var/mqm
   Directory=QM1
   DataPath=/MQHA/Name=QM9:1
queuemanager :  # again
\tNAME = PAY/ROLL_%.1 \t
;  Name=COMMENT
   Prefix=/var/mqm
QueueManager:
   Name=$(touch BAD)
QueueManager:
   Name=`touch BAD`
QueueManager:
   Name=A B
QueueManager:
   Name=QM2\r
DefaultQueueManager:
   Name=QM1
QueueManager:
   Name=LAST";

const NAMES: [&str; 4] = ["LAST", "PAY/ROLL_%.1", "QM1", "QM2"];

fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("the top of the source tree")
}

/// The folder of the completions, which are written once.
fn written() -> &'static Path {
    static WRITTEN: OnceLock<PathBuf> = OnceLock::new();
    WRITTEN.get_or_init(|| {
        let output = Command::new(env!("CARGO_BIN_EXE_xtask")).arg("completions").output();
        let output = output.expect("it can be run");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        top().join("target/completions")
    })
}

/// A host with a registry.
struct Host(tempfile::TempDir);

impl Host {
    fn new(mqs_ini: &str) -> Self {
        let host = Self(tempfile::tempdir().expect("a directory"));
        fs::write(host.0.path().join("mqs.ini"), mqs_ini).expect("it is written");
        host
    }

    fn run(&self, shell: &str, args: &[&str]) -> Output {
        let mut command = Command::new(shell);
        command.args(args).current_dir(self.0.path()).env_remove("AMQ_MQS_INI_LOCATION");
        command.env("MIQM_PREFIX", self.0.path()).env("HOME", self.0.path());
        command.output().expect("the shell can be run")
    }

    /// What bash offers for the last of these words.
    fn bash(&self, words: &[&str]) -> Vec<String> {
        let file = written().join("bash").join(words[0]);
        let script = format!(
            "set -u; source '{}'; COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); \
             _miqm_{}; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
            file.display(),
            words[0].replace('-', "_"),
        );
        let mut args = vec!["--norc", "--noprofile", "-c", &script, "bash"];
        args.extend(words);
        offered(&self.run("bash", &args))
    }
}

fn offered(output: &Output) -> Vec<String> {
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && complaint.is_empty(), "{}: {complaint}", output.status);
    let said = String::from_utf8_lossy(&output.stdout);
    let mut words: Vec<_> =
        said.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect();
    words.sort_unstable();
    words
}

/// A shell that is not there is not tested; `.ci/run` installs it.
#[expect(clippy::print_stderr, reason = "whoever reads the run must know what was left out")]
fn has(shell: &str) -> bool {
    let there = Command::new(shell).arg("--version").output().is_ok();
    if !there {
        eprintln!("skipped: there is no {shell} here");
    }
    there
}

#[test]
fn bash_offers_the_names_of_the_registry_for_every_queue_manager() {
    let host = Host::new(MQS_INI);
    for words in [
        ["strmqm", ""].as_slice(),
        &["strmqm", "-x", ""],
        &["endmqm", "-w", ""],
        &["dltmqm", ""],
        &["dspmqinf", ""],
        &["rmvmqinf", ""],
        &["dspmq", "-m", ""],
        &["dmpmqlog", "-m", ""],
    ] {
        assert_eq!(host.bash(words), NAMES, "{words:?}");
    }
    assert_eq!(host.bash(&["endmqm", "QM"]), ["QM1", "QM2"]);
    assert_eq!(host.bash(&["endmqm", "PAY/"]), ["PAY/ROLL_%.1"]);
    assert_eq!(host.bash(&["endmqm", "-t", ""]), [""; 0], "a number");
    assert_eq!(host.bash(&["strmqm", "-d", ""]), ["all", "minimal", "none"]);
    assert!(!host.0.path().join("BAD").exists(), "a name was executed");
}

#[test]
fn bash_offers_every_option_that_help_has() {
    let host = Host::new("");
    for entry in fs::read_dir(top().join("tests/golden/help")).expect("the helps") {
        let path = entry.expect("an entry").path();
        let name = path.file_stem().and_then(|name| name.to_str()).expect("a name");
        if !written().join("bash").join(name).exists() {
            assert!(!name.starts_with("dsp"), "{name} has no completion");
            continue;
        }
        let help = fs::read_to_string(&path).expect("a help");
        let words = |line: &str| -> Vec<String> {
            let typed = line.split("  ").next().unwrap_or_default();
            let options = typed.split([' ', ',']).filter(|word| word.starts_with('-'));
            options.map(str::to_owned).collect()
        };
        let of_help = help.lines().map(str::trim_start).filter(|line| line.starts_with('-'));
        let mut expected: Vec<_> = of_help.flat_map(words).collect();
        expected.sort_unstable();
        assert_eq!(host.bash(&[name, "-"]), expected, "{name}");
        assert!(expected.contains(&"--help".to_owned()), "{expected:?}");
    }
}

#[test]
fn a_registry_that_is_not_there_is_no_matter() {
    let host = Host::new("");
    assert_eq!(host.bash(&["strmqm", ""]), [""; 0]);
    fs::remove_file(host.0.path().join("mqs.ini")).expect("it is there");
    assert_eq!(host.bash(&["strmqm", ""]), [""; 0]);
    fs::create_dir(host.0.path().join("mqs.ini")).expect("it is not there");
    assert_eq!(host.bash(&["strmqm", ""]), [""; 0]);
}

#[test]
fn a_registry_that_does_not_answer_is_given_up() {
    let host = Host::new("");
    let file = host.0.path().join("mqs.ini");
    fs::remove_file(&file).expect("it is there");
    assert!(Command::new("mkfifo").arg(&file).status().expect("mkfifo").success());
    let begin = Instant::now();
    assert_eq!(host.bash(&["strmqm", ""]), [""; 0]);
    assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", begin.elapsed());
}

#[test]
fn the_static_checker_is_completed_as_the_command_is() {
    let host = Host::new("");
    assert_eq!(host.bash(&["miqm-fsck", "--"]), host.bash(&["amqmfsck", "--"]));
}

#[test]
fn zsh_reads_every_file_and_offers_the_names() {
    if !has("zsh") {
        return;
    }
    let host = Host::new(MQS_INI);
    let folder = written().join("zsh");
    for entry in fs::read_dir(&folder).expect("the folder") {
        let path = entry.expect("an entry").path();
        offered(&host.run("zsh", &["-f", "-n", path.to_str().expect("a path")]));
    }
    // The specifications are printed, and what would be offered.
    let script = "_arguments() { print -rl -- \"$@\" }; compadd() { print -rl -- $names }; \
                  source $1 >specs; _miqm_queue_managers";
    let file = folder.join("_strmqm");
    let args = ["-f", "-c", script, "zsh", file.to_str().expect("a path")];
    assert_eq!(offered(&host.run("zsh", &args)), NAMES);
    let specs = fs::read_to_string(host.0.path().join("specs")).expect("they are printed");
    for spec in [
        "-ns[Do not start listeners and services]",
        "-d[How much to say while it starts]:INFORMATION:(none minimal all)",
        ":QMGR:_miqm_queue_managers",
    ] {
        assert!(specs.lines().any(|line| line == spec), "{spec} is not in\n{specs}");
    }
    assert!(!host.0.path().join("BAD").exists(), "a name was executed");
}

#[test]
fn fish_reads_every_file_and_offers_the_names() {
    if !has("fish") {
        return;
    }
    let host = Host::new(MQS_INI);
    let folder = written().join("fish");
    for entry in fs::read_dir(&folder).expect("the folder") {
        let path = entry.expect("an entry").path();
        offered(&host.run("fish", &["--no-config", "-n", path.to_str().expect("a path")]));
    }
    let file = folder.join("strmqm.fish");
    let offer = |line: &str| {
        let script = format!("source '{}'; complete -C '{line}'", file.display());
        let said = offered(&host.run("fish", &["--no-config", "-c", &script]));
        said.iter().map(|line| line.split('\t').next().unwrap_or_default().to_owned()).collect()
    };
    let names: Vec<String> = offer("strmqm ");
    assert_eq!(names, NAMES);
    let options: Vec<String> = offer("strmqm -n");
    assert_eq!(options, ["-ns"]);
    let words: Vec<String> = offer("strmqm -d ");
    assert_eq!(words, ["all", "minimal", "none"]);
    assert!(!host.0.path().join("BAD").exists(), "a name was executed");
}
