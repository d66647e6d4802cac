//! Rules over the units, beyond what systemd itself finds in `.ci/run`.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::process::Command;

use miqm_cli::Exit;
use miqm_types::QmgrName;

use crate::support::workspace;

/// The settings of a unit as pairs, lines that go on joined.
fn settings(unit: &str) -> Vec<(String, String)> {
    let path = workspace().join("units").join(unit);
    let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let lines = text.replace("\\\n", " ");
    lines
        .lines()
        .filter(|line| !line.starts_with(['#', ';', '[']))
        .filter_map(|line| line.split_once('='))
        .map(|(key, value)| (key.trim().to_owned(), value.trim().to_owned()))
        .collect()
}

/// The units of ours.
fn units() -> Vec<String> {
    let names = fs::read_dir(workspace().join("units"))
        .expect("units")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("a name in ASCII"));
    names.filter(|name| name.contains('@')).collect()
}

fn exits_of(name: &str) -> BTreeSet<u8> {
    let tool = miqm_bins::all().iter().find(|tool| tool.name == name).expect("a command");
    (tool.exits)().into_iter().map(Exit::code).collect()
}

/// What trying again mends sooner or later, or what is unexpected.
const TRIED_AGAIN: &[Exit] =
    &[Exit::BeingCreated, Exit::Stopping, Exit::Failed, Exit::Fenced, Exit::StorageFailed];

#[test]
fn every_way_to_end_is_either_tried_again_or_not() {
    let unit = settings("mqm@.service");
    let prevent = unit.iter().find(|(key, _)| key == "RestartPreventExitStatus").expect("set");
    let prevented: BTreeSet<u8> =
        prevent.1.split_whitespace().map(|n| n.parse().expect("a number")).collect();
    let retried: BTreeSet<u8> = TRIED_AGAIN.iter().map(|exit| exit.code()).collect();
    assert!(prevented.is_disjoint(&retried));
    let mut all: BTreeSet<u8> = prevented.union(&retried).copied().collect();
    all.insert(Exit::Done.code());
    assert_eq!(all, exits_of("miqmd"), "each exit of miqmd needs a decision, and no other");
}

#[test]
fn every_number_in_a_comment_about_exits_is_one() {
    let text = fs::read_to_string(workspace().join("units/mqm@.service")).expect("the unit");
    let comments: String =
        text.lines().filter_map(|line| line.strip_prefix('#')).collect::<Vec<_>>().join(" ");
    let exits = exits_of("miqmd");
    let in_brackets = comments.split('(').skip(1).filter_map(|part| part.split(')').next());
    let numbers: Vec<u8> = in_brackets
        .flat_map(|part| part.split(", "))
        .filter_map(|word| word.parse().ok())
        .filter(|number| *number != 8 && *number != 1)
        .collect();
    assert!(numbers.len() > 8, "{numbers:?}");
    for number in numbers {
        assert!(
            exits.contains(&number),
            "the unit speaks of {number}, with which miqmd never ends"
        );
    }
}

#[test]
fn programs_understand_what_units_run_them_with() {
    let mut seen = 0;
    for unit in units().iter().filter(|unit| unit.ends_with(".service")) {
        for (key, value) in settings(unit) {
            let value = value.trim_start_matches(['-', '+', '@', ':', '!']);
            let Some(line) = value.strip_prefix("/usr/libexec/miqm/") else { continue };
            assert!(key.starts_with("Exec"), "{unit}: {key}");
            let line = line.replace("%I", "QM.1/A").replace("%i", "QM.1-A");
            let mut words = line.split_whitespace();
            let name = words.next().expect("a program");
            let tool = miqm_bins::all().iter().find(|tool| tool.name == name);
            let tool = tool.unwrap_or_else(|| panic!("{unit} runs {name}, which is no program"));
            let args: Vec<OsString> = words.map(OsString::from).collect();
            assert!((tool.accepts)(args), "{unit}: {key}={value}");
            seen += 1;
        }
    }
    assert!(seen >= 2, "the units run nothing of ours");
}

/// A random name, of all that a name can have.
fn name(random: &mut miqm_testkit::Random) -> QmgrName {
    const ALL: &[u8] = b"ABXYZabxyz0189./_%";
    let len = 1 + random.below(48);
    let text: String =
        (0..len).map(|_| char::from(ALL[usize::try_from(random.below(18)).unwrap_or(0)])).collect();
    text.parse().expect("a name")
}

#[test]
fn units_are_named_as_systemd_escape_does() {
    let seed = u64::from(std::process::id());
    let mut random = miqm_testkit::Random::new(seed);
    let mut names: Vec<QmgrName> = (0..50).map(|_| name(&mut random)).collect();
    names.extend(["QM1", ".", "..", "/", "./", "%I", "a/.b"].map(|n| n.parse().expect("a name")));
    let Ok(output) =
        Command::new("systemd-escape").arg("--").args(names.iter().map(QmgrName::as_str)).output()
    else {
        return; // There is no systemd here.
    };
    assert!(output.status.success());
    let escaped = String::from_utf8(output.stdout).expect("text");
    let ours: Vec<String> = names.iter().map(QmgrName::to_unit_instance).collect();
    assert_eq!(escaped.split_whitespace().collect::<Vec<_>>(), ours, "seed {seed}");
}
