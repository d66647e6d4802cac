//! Putting files where they belong below some folder, the same each time.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context, ensure};

use super::layout::{Entry, What};
use super::programs::{CHECKER, Programs};
use super::tool::{line, run, tool, variable};
use crate::workspace;

/// The time that all files of a package have, in seconds since 1970: `SOURCE_DATE_EPOCH`, or else that of
/// the last commit.
pub(crate) fn epoch() -> anyhow::Result<u64> {
    let text = match variable("SOURCE_DATE_EPOCH") {
        Some(text) => text,
        None => line(tool("git")?.args(["log", "-1", "--format=%ct"]).current_dir(workspace()))
            .context("without a git repository, set SOURCE_DATE_EPOCH")?,
    };
    text.parse().with_context(|| format!("SOURCE_DATE_EPOCH: '{text}' is not a number of seconds"))
}

/// The folders that built programs are in.
pub(crate) struct Built {
    programs: Programs,
    commands: Option<PathBuf>,
    checker: Option<PathBuf>,
}

impl Built {
    /// Builds what these entries need.
    pub(crate) fn new(programs: Programs, entries: &[Entry]) -> anyhow::Result<Self> {
        let needs = |checker: bool| {
            entries.iter().any(
                |entry| matches!(&entry.what, What::Program(name) if (name == CHECKER) == checker),
            )
        };
        Ok(Self {
            programs,
            commands: needs(false).then(|| programs.commands()).transpose()?,
            checker: needs(true).then(|| programs.checker()).transpose()?,
        })
    }

    pub(crate) fn programs(&self) -> Programs {
        self.programs
    }

    /// Where a program is.
    pub(crate) fn path(&self, name: &str) -> anyhow::Result<PathBuf> {
        let path = match (&self.commands, &self.checker) {
            (_, Some(checker)) if name == CHECKER => Some(checker.clone()),
            (Some(commands), _) => Some(commands.join(name)),
            _ => None,
        };
        path.with_context(|| format!("{name} was not built"))
    }
}

/// Puts entries below `root`, with their modes, and with one time for everything.
pub(crate) fn stage(
    entries: &[Entry],
    built: &Built,
    root: &Path,
    epoch: u64,
) -> anyhow::Result<()> {
    make_folder(root)?;
    let mut to_compress = Vec::new();
    for entry in entries {
        let path = below(root, &entry.to)?;
        let parent = path.parent().context("an entry without a folder")?;
        make_folders(root, parent)?;
        match &entry.what {
            What::Folder => make_folder(&path)?,
            What::Text(text) => put(&path, text.as_bytes())?,
            What::Compressed(text) => {
                remove(&path)?;
                let plain = path.with_extension("");
                put(&plain, text.as_bytes())?;
                to_compress.push(plain);
            }
            What::Program(name) => strip(built, name, &path)?,
        }
    }
    if !to_compress.is_empty() {
        run(tool("gzip")?.args(["-9", "-n"]).args(&to_compress))?;
    }
    for entry in entries {
        let path = below(root, &entry.to)?;
        set_mode(&path, entry.mode)?;
    }
    for entry in entries {
        let path = below(root, &entry.to)?;
        for path in path.ancestors().take_while(|path| path.starts_with(root)) {
            set_time(path, epoch)?;
        }
    }
    Ok(())
}

/// The path below a root of what has an absolute path on the machine.
fn below(root: &Path, to: &str) -> anyhow::Result<PathBuf> {
    let relative = to.strip_prefix('/').with_context(|| format!("{to} is not absolute"))?;
    Ok(root.join(relative))
}

/// Writes a file anew: a program that runs, or a file that is open, is not changed under anybody.
pub(crate) fn put(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    remove(path)?;
    fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}

fn remove(path: &Path) -> anyhow::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot replace {}", path.display()))
        }
        _ => Ok(()),
    }
}

/// A program without its symbols.
fn strip(built: &Built, name: &str, path: &Path) -> anyhow::Result<()> {
    let from = built.path(name)?;
    drop(built.programs().read(&from)?);
    remove(path)?;
    let mut command = tool(&built.programs().machine.strip())?;
    command.args(["--strip-unneeded", "--remove-section=.comment", "--remove-section=.note", "-o"]);
    run(command.arg(path).arg(from))?;
    Ok(())
}

/// Makes the folders between the root and this one, whatever the mask of this process. Those that are
/// there already are left as they are.
fn make_folders(root: &Path, folder: &Path) -> anyhow::Result<()> {
    let mut missing: Vec<_> = folder
        .ancestors()
        .take_while(|path| path.starts_with(root))
        .filter(|path| !path.is_dir())
        .collect();
    missing.reverse();
    missing.into_iter().try_for_each(make_folder)
}

fn make_folder(folder: &Path) -> anyhow::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    set_mode(folder, 0o755)
}

pub(crate) fn set_mode(path: &Path, mode: u32) -> anyhow::Result<()> {
    fs::set_permissions(path, Permissions::from_mode(mode))
        .with_context(|| format!("cannot set the mode of {}", path.display()))
}

pub(crate) fn set_time(path: &Path, epoch: u64) -> anyhow::Result<()> {
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(epoch);
    File::open(path)
        .and_then(|file| file.set_modified(time))
        .with_context(|| format!("cannot set the time of {}", path.display()))
}

/// Fills holes `@NAME@` of a template; each must be there, and none may be left.
pub(crate) fn fill(template: &str, holes: &[(&str, &str)]) -> anyhow::Result<String> {
    let mut text = template.to_owned();
    for (hole, with) in holes {
        text = text.replace(&format!("@{hole}@"), with);
    }
    let is_hole =
        |word: &str| !word.is_empty() && word.chars().all(|c| c.is_ascii_uppercase() || c == '_');
    for line in text.lines() {
        let words: Vec<_> = line.split('@').collect();
        let between = words.get(1..words.len() - 1).unwrap_or_default();
        let left = between.iter().find(|word| is_hole(word));
        ensure!(left.is_none(), "nothing fits into the hole {left:?}");
    }
    Ok(text)
}

/// The folders that the package makes when it is installed, besides those that it has: those below come
/// first. `/etc` is the package manager's business.
pub(crate) fn folders_made() -> anyhow::Result<String> {
    let path = workspace().join("units/tmpfiles.d/miqm.conf");
    let text =
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut folders: Vec<_> = text
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let (kind, folder) = (words.next()?, words.next()?);
            (kind == "d" && !folder.starts_with("/etc/")).then(|| folder.to_owned())
        })
        .collect();
    folders.sort();
    folders.reverse();
    Ok(folders.join(" "))
}
