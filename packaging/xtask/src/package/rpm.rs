//! Packages for rpm.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use anyhow::Context;

use super::layout::{Entry, Package, What, packaging, read};
use super::stage::{fill, put, stage};
use super::tool::{line, run, tool};
use super::{Making, SUMMARY, SUMMARY_FSCK};

/// Makes a package, and returns its path.
pub(super) fn make(making: &Making, package: Package) -> anyhow::Result<PathBuf> {
    let work = tempfile::tempdir_in(&making.output).context("cannot make a folder")?;
    let root = work.path().join("root");
    let entries = making.entries_of(package);
    stage(&entries, &making.built, &root, making.epoch)?;

    let spec = work.path().join(format!("{}.spec", package.name()));
    put(&spec, spec_text(making, package, &entries)?.as_bytes())?;
    let machine = making.built.programs().machine.name();
    let made = work.path().join("rpms");
    let defined = [
        format!("_topdir {}", work.path().display()),
        format!("_dbpath {}", work.path().join("database").display()),
        format!("_rpmdir {}", made.display()),
        format!("miqm_root {}", root.display()),
        // Nothing of the machine that builds, and no time but that of the source.
        "_buildhost localhost".to_owned(),
        "use_source_date_epoch_as_buildtime 1".to_owned(),
        "clamp_mtime_to_source_date_epoch 1".to_owned(),
        "_build_name_fmt %{NAME}-%{VERSION}-%{RELEASE}.%{ARCH}.rpm".to_owned(),
        format!("_binary_payload {}", if making.quick { "w1.gzdio" } else { "w6.xzdio" }),
    ];
    let mut command = tool("rpmbuild")?;
    command.args(["-bb", "--quiet", "--target", &format!("{machine}-linux")]);
    for definition in &defined {
        command.args(["--define", definition]);
    }
    command.env("SOURCE_DATE_EPOCH", making.epoch.to_string());
    run(command.arg(&spec))?;

    let name = format!("{}-{}-{}.{machine}.rpm", package.name(), making.version, making.revision);
    let path = making.output.join(&name);
    fs::rename(made.join(&name), &path).with_context(|| format!("rpmbuild did not make {name}"))?;
    Ok(path)
}

fn spec_text(making: &Making, package: Package, entries: &[Entry]) -> anyhow::Result<String> {
    let date = ["-u", "+%a %b %d %Y", "-d", &format!("@{}", making.epoch)];
    let when = line(tool("date")?.args(date))?;
    let summary = match package {
        Package::Miqm => SUMMARY,
        Package::Fsck => SUMMARY_FSCK,
    };
    let template = read(&packaging().join(format!("rpm/{}.spec.in", package.name())))?;
    fill(
        &with_functions(&template, &read(&packaging().join("functions.sh"))?.replace('%', "%%")),
        &[
            ("VERSION", making.version),
            ("RELEASE", &making.revision),
            ("SUMMARY", &first_upper(summary)),
            ("MAINTAINER", &making.maintainer),
            ("DATE", &when),
            ("FOLDERS", &super::stage::folders_made()?),
            ("FILES", &files(entries)),
        ],
    )
}

/// A script with what all scripts share.
pub(super) fn scripted(template: &str) -> anyhow::Result<String> {
    let functions = read(&packaging().join("functions.sh"))?;
    fill(&with_functions(template, &functions), &[("FOLDERS", &super::stage::folders_made()?)])
}

fn with_functions(template: &str, functions: &str) -> String {
    template.replace("@FUNCTIONS@\n", functions)
}

fn first_upper(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(chars).collect()
}

/// The list of files, each with its owner, mode and nature.
fn files(entries: &[Entry]) -> String {
    let mut text = String::new();
    for entry in entries {
        let nature = if entry.what == What::Folder {
            "%dir "
        } else if entry.is_configuration() {
            "%config(noreplace) "
        } else if entry.to.starts_with("/usr/share/licenses/") {
            "%license "
        } else if entry.to.starts_with("/usr/share/doc/") {
            "%doc "
        } else {
            ""
        };
        _ = writeln!(text, "%attr({:04o},root,root) {nature}\"{}\"", entry.mode, entry.to);
    }
    // Folders of our own that no other package has.
    for folder in folders(entries) {
        _ = writeln!(text, "%attr(0755,root,root) %dir \"{folder}\"");
    }
    text
}

/// The folders that are named after the packages, and so are nobody else's.
fn folders(entries: &[Entry]) -> Vec<String> {
    let mut folders: Vec<_> = entries
        .iter()
        .filter(|entry| entry.what != What::Folder)
        .filter_map(|entry| entry.to.rsplit_once('/'))
        .flat_map(|(folder, _)| {
            // A folder within a folder of ours: both.
            let parent = folder.rsplit_once('/').map_or("", |(parent, _)| parent);
            [folder.to_owned(), parent.to_owned()]
        })
        .filter(|folder| {
            let name = folder.rsplit('/').next().unwrap_or_default();
            folder.starts_with("/usr/") && name.starts_with("miqm")
        })
        .collect();
    folders.sort();
    folders.dedup();
    folders
}
