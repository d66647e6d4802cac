//! What is due to those whose libraries are in our programs: their names, and the texts of their licences.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, ensure};

use super::programs::Machine;
use super::tool::run;
use crate::workspace;

const HEAD: &str = "\
The programs of this package contain the following libraries, besides the standard library of Rust (MIT OR
Apache-2.0, The Rust Project contributors), and, in programs that need no libraries, the C library musl (MIT,
Rich Felker and others). The texts of the licences follow. Where there is a choice that includes the Apache
License 2.0, that is the licence chosen; its text is that of the licence of this package.
";

/// How files are called that a licence wants to be passed on.
const NAMES: &[&str] = &["LICENSE", "LICENCE", "COPYING", "COPYRIGHT", "NOTICE", "UNLICENSE"];

/// The notices, in an order that depends on nothing but what the programs are made of.
pub(super) fn text() -> anyhow::Result<String> {
    let tree = cargo(&["tree", "--package", "miqm-bins", "--edges", "normal,no-proc-macro"])?;
    let linked: BTreeSet<(String, String)> = tree
        .lines()
        .filter_map(|line| {
            let mut words = line.split(' ');
            Some((words.next()?.to_owned(), words.next()?.trim_start_matches('v').to_owned()))
        })
        .collect();
    let metadata: serde_json::Value = serde_json::from_str(&cargo(&["metadata"])?)?;
    let packages = metadata["packages"].as_array().context("cargo told of no packages")?;

    let (mut names, mut texts) = (BTreeMap::new(), BTreeMap::<String, BTreeSet<String>>::new());
    for package in packages {
        let field = |name: &str| package[name].as_str().unwrap_or_default().to_owned();
        let is_ours = package["source"].is_null();
        if is_ours || !linked.contains(&(field("name"), field("version"))) {
            continue;
        }
        let name = format!("{} {}", field("name"), field("version"));
        let licence = field("license");
        ensure!(!licence.is_empty(), "{name} does not say under which licence it is");
        let manifest = field("manifest_path");
        let folder = Path::new(&manifest).parent().context("a manifest without a folder")?;
        for text in licences(folder)? {
            texts.entry(text).or_default().insert(name.clone());
        }
        names.insert(name, licence);
    }
    ensure!(!names.is_empty(), "cargo told of no libraries");
    Ok(written(&names, &texts))
}

fn written(names: &BTreeMap<String, String>, texts: &BTreeMap<String, BTreeSet<String>>) -> String {
    let mut all = format!("{HEAD}\n");
    for (name, licence) in names {
        _ = writeln!(all, "  {name}: {licence}");
    }
    let mut texts: Vec<_> = texts.iter().map(|(text, of)| (of, text)).collect();
    texts.sort();
    for (of, text) in texts {
        let of: Vec<_> = of.iter().map(String::as_str).collect();
        _ = write!(all, "\n{}\n{}:\n\n{text}", "-".repeat(72), of.join(", "));
    }
    all
}

/// The texts in the folder of a library, except that of the Apache License, which is there already.
fn licences(folder: &Path) -> anyhow::Result<Vec<String>> {
    let mut texts = Vec::new();
    for entry in
        fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?
    {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().to_ascii_uppercase();
        if !NAMES.iter().any(|known| name.starts_with(known)) || !entry.file_type()?.is_file() {
            continue;
        }
        let text = fs::read_to_string(entry.path())
            .with_context(|| format!("cannot read {}", entry.path().display()))?;
        let is_apache =
            text.contains("Apache License") && text.contains("Version 2.0, January 2004");
        if !is_apache {
            texts.push(text.lines().fold(String::new(), |all, line| all + line.trim_end() + "\n"));
        }
    }
    texts.sort();
    Ok(texts)
}

/// Asks cargo something about what is locked.
fn cargo(args: &[&str]) -> anyhow::Result<String> {
    let mut command = Command::new("cargo");
    command.args(args).arg("--locked").current_dir(workspace());
    // Only of this system: libraries for others need not be there.
    let triple = format!("{}-unknown-linux-gnu", Machine::here()?.name());
    match args {
        ["tree", ..] => command.args(["--prefix", "none", "--target", &triple]),
        _ => command.args(["--format-version", "1", "--filter-platform", &triple]),
    };
    Ok(String::from_utf8(run(&mut command)?.stdout)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_library_is_named_and_tools_of_the_build_are_not() {
        let text = text().unwrap();
        let names: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("  ")).collect();
        for linked in ["nix ", "clap_builder ", "crc32c ", "sd-notify "] {
            assert!(names.iter().any(|name| name.starts_with(linked)), "{linked} is not named");
        }
        for not in ["syn ", "proptest ", "miqm-types ", "xtask "] {
            assert!(!names.iter().any(|name| name.starts_with(not)), "{not} is named");
        }
        assert!(text.contains("Permission is hereby granted"));
        assert!(!text.contains("TERMS AND CONDITIONS FOR USE, REPRODUCTION"));
    }
}
