//! What is in the packages: the one table of what goes where, in which package, with which mode.
//!
//! Both kinds of packages and `cargo xtask install` are made of it. A program, unit or other file of the
//! source that has no place in it is an error.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use miqm_cli::Definition;

use super::notices;
use super::programs::CHECKER;
use crate::{completions, man, workspace};

const COMMANDS: &str = "/usr/bin";
const HELPERS: &str = "/usr/libexec/miqm";
const UNITS: &str = "/usr/lib/systemd/system";
const GENERATORS: &str = "/usr/lib/systemd/system-generators";
const CATALOG: &str = "/usr/lib/systemd/catalog";
const MAN: &str = "/usr/share/man";
const BASH: &str = "/usr/share/bash-completion/completions";
const FISH: &str = "/usr/share/fish/vendor_completions.d";
const DOC: &str = "/usr/share/doc";

/// Programs that are not shipped, and why.
const NOT_SHIPPED: &[(&str, &str)] =
    &[("miqm", "each command that is in it is also a program of its own")];

/// Programs whose place does not follow from the section of their page.
const PLACES: &[(&str, &str)] = &[("miqm-generator", GENERATORS), (CHECKER, COMMANDS)];

/// Where files of `units/` go: the folder there, how their names end, and the place.
const PLACES_OF_UNITS: &[(&str, &[&str], &str)] = &[
    ("", &["service", "target", "path", "timer", "socket", "slice", "mount"], UNITS),
    ("sysusers.d", &["conf"], "/usr/lib/sysusers.d"),
    ("tmpfiles.d", &["conf"], "/usr/lib/tmpfiles.d"),
    ("polkit-1", &["rules"], "/usr/share/polkit-1/rules.d"),
    ("polkit-1/rules.d", &["rules"], "/usr/share/polkit-1/rules.d"),
    ("examples", &["toml", "ini", "mqsc", "conf", "service"], "/usr/share/doc/miqm/examples"),
];

/// Folders that belong to the package although nothing is in them.
const FOLDERS: &[&str] = &["/etc/miqm", "/etc/miqm/qmgr.d"];

const MODE_PROGRAM: u32 = 0o755;
const MODE_FILE: u32 = 0o644;
const MODE_FOLDER: u32 = 0o755;

/// The packages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub(crate) enum Package {
    /// The commands, the server, its units and their documents.
    #[value(name = "miqm")]
    Miqm,
    /// The storage checker alone.
    #[value(name = "miqm-fsck")]
    Fsck,
}

impl Package {
    pub(crate) const ALL: [Self; 2] = [Self::Miqm, Self::Fsck];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Miqm => "miqm",
            Self::Fsck => CHECKER,
        }
    }
}

/// For whom: a few things have other places with other distributions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Flavour {
    Deb,
    Rpm,
    /// As with rpm.
    Plain,
}

impl Flavour {
    fn zsh(self) -> &'static str {
        match self {
            Self::Deb => "/usr/share/zsh/vendor-completions",
            Self::Rpm | Self::Plain => "/usr/share/zsh/site-functions",
        }
    }
}

/// What an entry is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// The program of that name.
    Program(String),
    /// The text.
    Text(String),
    /// The text, compressed; the path of the entry ends in `.gz`.
    Compressed(String),
    /// A folder.
    Folder,
}

/// A row of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) package: Package,
    /// The absolute path on the machine that it is installed on.
    pub(crate) to: String,
    pub(crate) mode: u32,
    pub(crate) what: What,
}

impl Entry {
    /// Whether operators may change it, so that an upgrade keeps what they wrote.
    pub(crate) fn is_configuration(&self) -> bool {
        self.to.starts_with("/etc/") && self.what != What::Folder
    }
}

/// All entries, in the order of their paths.
pub(crate) fn table(flavour: Flavour) -> anyhow::Result<Vec<Entry>> {
    let mut table = Table { flavour, entries: Vec::new() };
    table.programs()?;
    table.units()?;
    table.pages()?;
    table.completions()?;
    table.documents()?;
    for folder in FOLDERS {
        table.add(Package::Miqm, *folder, MODE_FOLDER, What::Folder);
    }
    let mut entries = table.entries;
    entries.sort_by(|one, other| one.to.cmp(&other.to));
    for pair in entries.windows(2) {
        ensure!(pair[0].to != pair[1].to, "{} is in the table twice", pair[0].to);
    }
    Ok(entries)
}

struct Table {
    flavour: Flavour,
    entries: Vec<Entry>,
}

impl Table {
    fn add(&mut self, package: Package, to: impl Into<String>, mode: u32, what: What) {
        self.entries.push(Entry { package, to: to.into(), mode, what });
    }

    fn text(&mut self, package: Package, to: impl Into<String>, text: String) {
        self.add(package, to, MODE_FILE, What::Text(text));
    }

    fn compressed(&mut self, package: Package, to: impl std::fmt::Display, text: String) {
        self.add(package, format!("{to}.gz"), MODE_FILE, What::Compressed(text));
    }

    fn programs(&mut self) -> anyhow::Result<()> {
        for path in files(&workspace().join("bins/src/bin"))? {
            let name = name_of(&path)?.trim_end_matches(".rs").to_owned();
            if NOT_SHIPPED.iter().any(|(not, _)| *not == name) {
                continue;
            }
            let folder = place(&name)?;
            let package = if name == CHECKER { Package::Fsck } else { Package::Miqm };
            let to = format!("{folder}/{name}");
            self.add(package, to, MODE_PROGRAM, What::Program(name));
        }
        Ok(())
    }

    fn units(&mut self) -> anyhow::Result<()> {
        let root = workspace().join("units");
        let mut folders = vec![root.clone()];
        while let Some(folder) = folders.pop() {
            folders.extend(sub_folders(&folder)?);
            let below = folder.strip_prefix(&root)?.to_str().context("a name is not text")?;
            for path in files(&folder)? {
                let name = name_of(&path)?;
                let Some(place) = place_of_unit(below, name) else {
                    bail!("{} has no place in any package", path.display())
                };
                self.text(Package::Miqm, format!("{place}/{name}"), read(&path)?);
            }
        }
        Ok(())
    }

    fn pages(&mut self) -> anyhow::Result<()> {
        for (page, text) in man::pages()? {
            let (name, section) = page.rsplit_once('.').context("a page without a section")?;
            let package = if name == CHECKER { Package::Fsck } else { Package::Miqm };
            self.compressed(package, format!("{MAN}/man{section}/{page}"), text);
        }
        Ok(())
    }

    fn completions(&mut self) -> anyhow::Result<()> {
        for completion in completions::completions() {
            let folder = match completion.shell {
                "bash" => BASH,
                "fish" => FISH,
                "zsh" => self.flavour.zsh(),
                other => bail!("completions for {other} have no place in any package"),
            };
            let package = if completion.command == CHECKER { Package::Fsck } else { Package::Miqm };
            self.text(package, format!("{folder}/{}", completion.file), completion.text);
        }
        Ok(())
    }

    fn documents(&mut self) -> anyhow::Result<()> {
        let explanations = miqm_messages::journal_catalogue();
        self.text(Package::Miqm, format!("{CATALOG}/miqm.catalog"), explanations);
        let changes = read(&workspace().join("CHANGELOG.md"))?;
        let notices = notices::text()?;
        for package in Package::ALL {
            let name = package.name();
            self.compressed(package, format!("{DOC}/{name}/third-party"), notices.clone());
            if self.flavour == Flavour::Deb {
                self.compressed(package, format!("{DOC}/{name}/changelog"), changes.clone());
                let overrides = packaging().join(format!("deb/{name}.lintian-overrides"));
                if overrides.is_file() {
                    let to = format!("/usr/share/lintian/overrides/{name}");
                    self.text(package, to, read(&overrides)?);
                }
                let copyright = read(&packaging().join("deb/copyright"))?;
                self.text(package, format!("{DOC}/{name}/copyright"), copyright);
            } else {
                self.text(package, format!("{DOC}/{name}/CHANGELOG.md"), changes.clone());
                let licence = read(&workspace().join("LICENSE"))?;
                self.text(package, format!("/usr/share/licenses/{name}/LICENSE"), licence);
            }
        }
        if self.flavour == Flavour::Deb {
            let text = read(&packaging().join("deb/needrestart.conf"))?;
            self.text(Package::Miqm, "/etc/needrestart/conf.d/miqm.conf", text);
        }
        Ok(())
    }
}

/// Whether people type it.
fn is_public(command: &Definition) -> bool {
    command.section == 1
}

/// The folder that a program goes into: people's commands are in section 1 of the manual.
fn place(program: &str) -> anyhow::Result<&'static str> {
    if let Some((_, place)) = PLACES.iter().find(|(name, _)| *name == program) {
        return Ok(place);
    }
    match miqm_bins::all().iter().find(|command| command.name == program) {
        Some(command) if is_public(command) => Ok(COMMANDS),
        Some(_) => Ok(HELPERS),
        None => bail!("the program {program} has no place in any package"),
    }
}

/// The folder that a file of `units/` goes into, or of the folder `below` there.
fn place_of_unit(below: &str, name: &str) -> Option<&'static str> {
    let (_, ending) = name.rsplit_once('.')?;
    let mut places = PLACES_OF_UNITS.iter();
    places.find(|(at, endings, _)| *at == below && endings.contains(&ending)).map(|place| place.2)
}

/// The folder of what is only for packages.
pub(crate) fn packaging() -> PathBuf {
    workspace().join("packaging")
}

pub(crate) fn read(path: &Path) -> anyhow::Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

fn name_of(path: &Path) -> anyhow::Result<&str> {
    path.file_name().and_then(|name| name.to_str()).context("a name is not text")
}

fn list(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries =
        fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    let mut paths =
        entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<PathBuf>>>()?;
    paths.sort();
    Ok(paths)
}

fn files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    Ok(list(folder)?.into_iter().filter(|path| !path.is_dir()).collect())
}

fn sub_folders(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    Ok(list(folder)?.into_iter().filter(|path| path.is_dir()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_source_has_a_place() {
        for flavour in [Flavour::Deb, Flavour::Rpm, Flavour::Plain] {
            let table = table(flavour).unwrap();
            for package in Package::ALL {
                assert!(table.iter().any(|entry| entry.package == package), "{flavour:?}");
            }
        }
    }

    #[test]
    fn what_nobody_has_given_a_place_is_refused() {
        assert!(place("no-such-program").is_err());
        assert_eq!(place("miqm-generator").unwrap(), GENERATORS);
        assert_eq!(place("miqmd").unwrap(), HELPERS);
        assert_eq!(place("dspmq").unwrap(), COMMANDS);
        assert_eq!(place_of_unit("", "mqm@.service"), Some(UNITS));
        assert_eq!(place_of_unit("sysusers.d", "miqm.conf"), Some("/usr/lib/sysusers.d"));
        for (below, name) in [("", "miqm.conf"), ("", "README"), ("other", "mqm@.service")] {
            assert_eq!(place_of_unit(below, name), None, "{below}/{name}");
        }
    }

    #[test]
    fn programs_that_are_not_shipped_are_there() {
        for (name, _) in NOT_SHIPPED {
            assert!(workspace().join(format!("bins/src/bin/{name}.rs")).is_file(), "{name}");
        }
    }
}
