//! Rules over the source: what the compiler cannot hold.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::support::workspace;

/// Which of our crates each of our crates may use, and what it inherits. To add an edge is a decision about
/// the architecture: see `lib/README.md`.
const LAYERS: &[(&str, &[&str])] = &[
    ("types", &[]),
    ("messages", &["types"]),
    ("format", &["types"]),
    ("sys", &["types"]),
    ("testkit", &["types", "sys"]),
    ("wal", &["types", "format", "sys"]),
    ("qmgr", &["types", "format", "sys"]),
    ("engine", &["types", "messages", "format", "sys", "wal", "qmgr"]),
    ("server", &["types", "messages", "format", "sys", "wal", "qmgr", "engine"]),
    ("ops", &["types", "messages", "format", "sys", "wal", "qmgr", "engine", "server"]),
    ("fsck", &["types", "sys"]),
    ("cli", &["types", "messages", "ops", "sys"]),
    ("bins", &["types", "messages", "cli", "ops", "server", "fsck"]),
];

const TOP_LEVEL: &[&str] = &[
    "CHANGELOG.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "README.md",
    "bins",
    "lib",
    "man",
    "packaging",
    "tests",
    "units",
];

/// Folders that are made, not written.
fn is_made(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name == "target" || name.starts_with("target-") || name == ".git" || name == "corpus"
}

/// Every file below these folders.
fn files(below: &[&str]) -> Vec<PathBuf> {
    let mut folders: Vec<_> = below.iter().map(|folder| workspace().join(folder)).collect();
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for entry in entries {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.extend((!is_made(&path)).then_some(path));
            } else {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

fn rust_files(below: &[&str]) -> Vec<PathBuf> {
    let is_rust = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "rs");
    files(below).into_iter().filter(is_rust).collect()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn stem(path: &Path) -> &str {
    path.file_stem().and_then(|stem| stem.to_str()).expect("a file name in ASCII")
}

/// Our crates in a section of a manifest, without their common prefix.
fn ours(manifest: &str, section: &str) -> BTreeSet<String> {
    let lines = manifest.lines().skip_while(|line| line.trim() != section).skip(1);
    lines
        .take_while(|line| !line.starts_with('['))
        .filter_map(|line| line.strip_prefix("miqm-"))
        .map(|line| line.split(['.', ' ', '=']).next().unwrap_or_default().to_owned())
        .collect()
}

#[test]
fn crates_use_only_the_layers_below_them() {
    let layers: BTreeMap<_, _> = LAYERS.iter().copied().collect();
    let mut crates: Vec<_> = fs::read_dir(workspace().join("lib"))
        .expect("lib")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.is_dir())
        .collect();
    crates.push(workspace().join("bins"));
    for path in crates {
        let name = stem(&path);
        let may: BTreeSet<String> = layers
            .get(name)
            .unwrap_or_else(|| panic!("lib/{name} has no row in LAYERS"))
            .iter()
            .map(ToString::to_string)
            .collect();
        let manifest = read(&path.join("Cargo.toml"));
        assert!(
            manifest.contains(&format!("name = \"miqm-{name}\"")),
            "{name} is called otherwise"
        );
        let uses = ours(&manifest, "[dependencies]");
        let beyond: Vec<_> = uses.difference(&may).collect();
        assert!(beyond.is_empty(), "lib/{name} must not use {beyond:?}");
        let mut may = may;
        may.insert("testkit".into());
        // The tests of the commands look at what the commands leave behind.
        may.extend(
            (name == "bins")
                .then_some(["format", "sys", "wal", "qmgr", "engine"])
                .into_iter()
                .flatten()
                .map(String::from),
        );
        let uses = ours(&manifest, "[dev-dependencies]");
        let beyond: Vec<_> = uses.difference(&may).collect();
        assert!(beyond.is_empty(), "the tests of lib/{name} must not use {beyond:?}");
    }
}

#[test]
fn every_command_has_all_that_a_command_has() {
    let root = workspace();
    let table: BTreeSet<_> =
        miqm_bins::all().iter().map(|command| command.name.to_owned()).collect();
    let mut programs: BTreeSet<_> =
        rust_files(&["bins/src/bin"]).iter().map(|path| stem(path).to_owned()).collect();
    assert!(programs.remove("miqm"), "the multi-call program is missing");
    assert!(
        programs.remove("miqm-fsck"),
        "the checker for hosts that have nothing else is missing"
    );
    assert_eq!(table, programs, "the table and bins/src/bin differ");

    let names: Vec<_> = miqm_bins::all().iter().map(|command| command.name).collect();
    assert!(names.is_sorted(), "the table is not in alphabetic order");
    for command in miqm_bins::all() {
        let name = command.name;
        for path in [
            format!("man/{name}.{}.in", command.section),
            format!("tests/commands/{}.rs", name.replace('-', "_")),
            format!("tests/golden/help/{name}.txt"),
        ] {
            assert!(root.join(&path).is_file(), "{path} is missing");
        }
        (command.command)().debug_assert();
        for refused in command.refused {
            assert!(refused.option.starts_with('-') && !refused.why.ends_with('.'), "{refused:?}");
        }
    }
    for path in files(&["tests/golden/help"]) {
        let name = stem(&path);
        assert!(name == "miqm" || table.contains(name), "{} belongs to no command", path.display());
    }
}

#[test]
fn every_file_of_the_tests_is_a_module() {
    let root = workspace().join("tests");
    for path in rust_files(&["tests"]) {
        let folder = path.parent().expect("a folder");
        let parent =
            if folder == root { root.join("main.rs") } else { folder.with_extension("rs") };
        if path == root.join("main.rs") {
            continue;
        }
        let declared = read(&parent)
            .lines()
            .any(|line| line.trim_start_matches("pub(crate) ") == format!("mod {};", stem(&path)));
        assert!(declared, "{} is no module of {}", path.display(), parent.display());
    }
}

#[test]
fn source_is_ascii_and_files_are_short() {
    for path in files(&["bins", "lib", "man", "packaging", "tests", "units"]) {
        let Ok(text) = fs::read_to_string(&path) else { continue };
        let is_source = path
            .extension()
            .is_some_and(|e| ["rs", "toml", "md", "in", "sh"].iter().any(|s| e == *s));
        if is_source {
            let bad = text.lines().position(|line| !line.is_ascii());
            assert_eq!(
                bad.map(|at| at + 1),
                None,
                "{} has a line that is not ASCII",
                path.display()
            );
            let lines = text.lines().count();
            assert!(lines <= 800, "{} has {lines} lines; 800 is the limit", path.display());
        }
        let marks = [["TO", "DO"].concat(), ["FIX", "ME"].concat()];
        if let Some(mark) = marks.iter().find(|mark| text.contains(*mark)) {
            panic!("{} has a {mark}", path.display());
        }
    }
}

/// Source without its unit tests: those may do what they like.
fn without_tests(path: &Path) -> String {
    let name = stem(path);
    if name == "tests"
        || name.ends_with("_tests")
        || path.components().any(|part| part.as_os_str() == "tests")
    {
        return String::new();
    }
    let text = read(path);
    let cut = text
        .find("#[cfg(test)]\nmod ")
        .filter(|at| text[*at..].lines().nth(1).is_some_and(|line| line.ends_with('{')));
    text[..cut.unwrap_or(text.len())].to_owned()
}

#[test]
fn only_sys_calls_the_operating_system() {
    let root = workspace();
    for path in rust_files(&["bins/src", "lib"]) {
        let below = path.strip_prefix(&root).expect("below the workspace");
        let part = |at| below.components().nth(at).map(|part| part.as_os_str().to_owned());
        let krate =
            if below.starts_with("bins") { "bins".into() } else { part(1).expect("a crate") };
        // The formats' fuzz targets are programs of their own, and testkit makes worlds for tests.
        if krate == "sys" || krate == "testkit" || below.starts_with("lib/format/fuzz") {
            continue;
        }
        let is_integration = part(2)
            .is_some_and(|folder| ["tests", "benches", "examples"].iter().any(|f| folder == *f));
        if is_integration {
            continue;
        }
        for (at, line) in without_tests(&path).lines().enumerate() {
            let line =
                line.split("//").next().unwrap_or_default().replace("std::process::ExitCode", "");
            for banned in [
                "std::fs",
                "std::process",
                "std::net",
                "std::os::unix::net",
                "nix::",
                "libc::",
                "println!",
                "eprintln!",
            ] {
                // Not the end of a longer word, as in `unix::`.
                let whole = |at: usize| {
                    !line[..at].ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
                };
                let found = line.match_indices(banned).any(|(at, _)| whole(at));
                let place = format!("{}:{}", below.display(), at + 1);
                assert!(!found, "{place}: only miqm-sys may mention {banned}");
            }
        }
    }
}

#[test]
fn the_top_level_is_as_agreed() {
    let found: BTreeSet<_> = fs::read_dir(workspace())
        .expect("the workspace")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| !is_made(path))
        .filter_map(|path| path.file_name()?.to_str().map(str::to_owned))
        .filter(|name| !name.starts_with('.'))
        .collect();
    let agreed: BTreeSet<_> = TOP_LEVEL.iter().map(ToString::to_string).collect();
    let beyond: Vec<_> = found.difference(&agreed).collect();
    assert!(beyond.is_empty(), "{beyond:?} do not belong into the top level");
}

#[test]
fn messages_name_only_options_and_pages_that_exist() {
    let names: BTreeSet<_> = miqm_bins::all().iter().map(|command| command.name).collect();
    for entry in miqm_messages::CATALOGUE {
        for text in [entry.explanation, entry.response] {
            for word in text.split(|c: char| !c.is_ascii_lowercase()) {
                let looks_like_one =
                    ["strm", "endm", "crtm", "dltm", "dspm", "addm", "rmvm", "runm"]
                        .iter()
                        .any(|p| word.starts_with(p));
                if looks_like_one && names.contains("crtmqm") && names.contains("dltmqm") {
                    assert!(
                        names.contains(word),
                        "AMQ{} speaks of {word}, which is no command",
                        entry.number
                    );
                }
            }
        }
    }
}
