//! Packages for dpkg.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use super::layout::{Entry, Package, What, packaging, read};
use super::stage::{fill, put, set_mode, set_time, stage};
use super::tool::{line, run, tool};
use super::{Making, SUMMARY, SUMMARY_FSCK, elf};

/// The libraries that programs may need: the name in a program, the package, and the version of the
/// package that is old enough for everybody.
const LIBRARIES: &[(&str, &str, &str)] = &[
    ("ld-linux-aarch64.so.1", "libc6", "2.17"),
    ("ld-linux-x86-64.so.2", "libc6", "2.3"),
    ("libc.so.6", "libc6", "2.17"),
    ("libgcc_s.so.1", "libgcc-s1", "4.2"),
    ("libm.so.6", "libc6", "2.17"),
];

const SCRIPTS: &[&str] = &["preinst", "postinst", "prerm", "postrm"];

/// Makes a package, and returns its path.
pub(super) fn make(making: &Making, package: Package) -> anyhow::Result<PathBuf> {
    let work = tempfile::tempdir_in(&making.output).context("cannot make a folder")?;
    let root = work.path().join("root");
    let mut entries = making.entries_of(package);
    entries.push(changelog(making, package)?);
    stage(&entries, &making.built, &root, making.epoch)?;

    let control = root.join("DEBIAN");
    fs::create_dir(&control)?;
    set_mode(&control, 0o755)?;
    let put_control = |name: &str, text: &str, mode: u32| -> anyhow::Result<()> {
        let path = control.join(name);
        put(&path, text.as_bytes())?;
        set_mode(&path, mode)?;
        set_time(&path, making.epoch)
    };
    put_control("control", &control_text(making, package, &entries, &root)?, 0o644)?;
    put_control("md5sums", &sums(&entries, &root)?, 0o644)?;
    let configuration: Vec<_> = entries
        .iter()
        .filter(|entry| entry.is_configuration())
        .map(|entry| format!("{}\n", entry.to))
        .collect();
    if !configuration.is_empty() {
        put_control("conffiles", &configuration.concat(), 0o644)?;
    }
    for script in SCRIPTS {
        let template = packaging().join(format!("deb/{}.{script}.in", package.name()));
        if template.is_file() {
            put_control(script, &super::rpm::scripted(&read(&template)?)?, 0o755)?;
        }
    }
    set_time(&control, making.epoch)?;
    set_time(&root, making.epoch)?;

    let name = format!(
        "{}_{}_{}.deb",
        package.name(),
        version(making),
        making.built.programs().machine.deb()
    );
    let path = making.output.join(name);
    let pack: &[&str] = if making.quick { &["-Zgzip", "-z1"] } else { &["-Zxz", "-z6"] };
    let mut command = tool("dpkg-deb")?;
    command.args(["--root-owner-group", "--threads-max=1"]).args(pack).arg("--build");
    command.env("SOURCE_DATE_EPOCH", making.epoch.to_string());
    run(command.arg(&root).arg(&path))?;
    Ok(path)
}

fn version(making: &Making) -> String {
    format!("{}-{}", making.version, making.revision)
}

/// The history of the package itself.
fn changelog(making: &Making, package: Package) -> anyhow::Result<Entry> {
    let when = line(tool("date")?.args(["-u", "-R", "-d", &format!("@{}", making.epoch)]))?;
    let text = fill(
        &read(&packaging().join("deb/changelog.in"))?,
        &[
            ("PACKAGE", package.name()),
            ("VERSION", &version(making)),
            ("UPSTREAM", making.version),
            ("MAINTAINER", &making.maintainer),
            ("DATE", &when),
        ],
    )?;
    Ok(Entry {
        package,
        to: format!("/usr/share/doc/{}/changelog.Debian.gz", package.name()),
        mode: 0o644,
        what: What::Compressed(text),
    })
}

fn control_text(
    making: &Making,
    package: Package,
    entries: &[Entry],
    root: &Path,
) -> anyhow::Result<String> {
    let summary = match package {
        Package::Miqm => SUMMARY,
        Package::Fsck => SUMMARY_FSCK,
    };
    fill(
        &read(&packaging().join(format!("deb/{}.control.in", package.name())))?,
        &[
            ("VERSION", &version(making)),
            ("ARCHITECTURE", making.built.programs().machine.deb()),
            ("MAINTAINER", &making.maintainer),
            ("KIBIBYTES", &kibibytes(root)?.to_string()),
            ("LIBRARIES", &libraries(making, entries, root)?),
            ("SUMMARY", summary),
        ],
    )
}

/// The packages of the libraries that programs need, in versions that have all that they need.
fn libraries(making: &Making, entries: &[Entry], root: &Path) -> anyhow::Result<String> {
    let mut needs = BTreeSet::new();
    for entry in entries.iter().filter(|entry| matches!(entry.what, What::Program(_))) {
        let bytes = making.built.programs().read(&root.join(entry.to.trim_start_matches('/')))?;
        let (libraries, versions) = elf::Program::read(&bytes)?.needs()?;
        for library in libraries {
            let Some((_, package, least)) = LIBRARIES.iter().find(|(name, ..)| *name == library)
            else {
                bail!("{} needs {library}, and no package is known for that", entry.to)
            };
            needs.insert((*package, number(least)));
        }
        needs.extend(
            versions
                .iter()
                .filter_map(|version| version.strip_prefix("GLIBC_"))
                .map(|version| ("libc6", number(version))),
        );
    }
    // The last one of a package is the highest.
    let highest: std::collections::BTreeMap<_, _> = needs.into_iter().collect();
    let packages: Vec<_> = highest
        .iter()
        .map(|(package, version)| {
            let version: Vec<_> = version.iter().map(ToString::to_string).collect();
            format!("{package} (>= {})", version.join("."))
        })
        .collect();
    Ok(packages.join(", "))
}

/// A version to be compared.
fn number(version: &str) -> Vec<u32> {
    version.split('.').map_while(|part| part.parse().ok()).collect()
}

/// The room that it takes once installed, as dpkg counts.
fn kibibytes(folder: &Path) -> anyhow::Result<u64> {
    let mut sum = 1;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let data = entry.metadata()?;
        if !data.is_dir() {
            sum += data.len().div_ceil(1024);
        } else if entry.file_name() != "DEBIAN" {
            sum += kibibytes(&entry.path())?;
        }
    }
    Ok(sum)
}

fn sums(entries: &[Entry], root: &Path) -> anyhow::Result<String> {
    let mut command = tool("md5sum")?;
    command.current_dir(root);
    let mut any = false;
    for entry in entries {
        if entry.what != What::Folder && !entry.is_configuration() {
            command.arg(entry.to.trim_start_matches('/'));
            any = true;
        }
    }
    if !any {
        return Ok(String::new());
    }
    let mut text = String::from_utf8(run(&mut command)?.stdout)?;
    if !text.ends_with('\n') {
        _ = writeln!(text);
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_number() {
        assert!(number("2.34") > number("2.4"));
        assert!(number("2.3.4") > number("2.3"));
        assert_eq!(number("2.x"), [2]);
    }
}
