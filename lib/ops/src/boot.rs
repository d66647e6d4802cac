//! `miqm-generator`: what the units of the queue managers of this host need, for systemd.
//!
//! For each queue manager in `mqs.ini` a drop-in of `mqm@<name>.service` that requires the mounts of
//! its data and log directories: then the instance starts when they are there, and at shutdown it has
//! handed over before they go. For each file in `qmgr.d` one of `mqm-create@<name>.service`, so that a queue
//! manager is not looked for before its storage is there; and of `mqm@<name>.service`, too, as long as
//! `mqs.ini` does not know it. Only files of the host are read, never shared storage.

use std::path::{Component, Path, PathBuf};

use miqm_qmgr::boot;
use miqm_qmgr::env::Env;
use miqm_qmgr::registry::{Registry, RegistryError};
use miqm_sys::{IoError, fs};
use miqm_types::QmgrName;

use crate::provision;

pub use miqm_sys::sd::kernel_log;

/// More queue managers than that get no drop-ins: the directory is in memory.
const DROP_INS_MAX: usize = 1000;
/// What systemd and everybody may read.
const MODE: u32 = 0o644;
const DIR_MODE: u32 = 0o755;
/// What `mqm@.service` makes read-only: `ProtectSystem=full`.
const READ_ONLY: &[&str] = &["/usr", "/boot", "/efi", "/etc"];

/// What was done, and what was not.
#[derive(Debug, Default)]
pub struct Generated {
    /// What could not be heeded, in a sentence each without the full stop.
    pub problems: Vec<String>,
}

/// Writes the drop-ins of all queue managers of the host, of which `qmgr_d` has the provisioning files, into
/// a directory of units.
///
/// # Errors
///
/// [`RegistryError`] if the registry cannot be read. What is wrong in it is among the problems.
pub fn generate(env: &Env, qmgr_d: &Path, units: &Path) -> Result<Generated, RegistryError> {
    let registry = Registry::load(env)?;
    let file = registry.file().display();
    let mut generated = Generated::default();
    for problem in registry.problems() {
        generated.problems.push(format!("{file}, line {}: {}", problem.line, problem.why));
    }
    let beyond = registry.entries().len().saturating_sub(DROP_INS_MAX);
    if beyond > 0 {
        generated.problems.push(format!("{file}: {beyond} queue managers too many"));
    }
    for entry in registry.entries().iter().take(DROP_INS_MAX) {
        let data = entry.data_dir().path().to_owned();
        let paths = [Some(data), boot::noted_log(env, entry)].into_iter().flatten();
        generated.add(units, &entry.name, &["mqm"], paths, &env.mqs_ini);
    }
    for name in generated.provisioned(qmgr_d) {
        let file = qmgr_d.join(provision::file_name(&name));
        match provision::read(env, &file) {
            Ok(content) => {
                let known = registry.entries().iter().any(|entry| entry.name == name);
                let of: &[&str] = if known { &["mqm-create"] } else { &["mqm-create", "mqm"] };
                let paths = content.storage().into_iter().map(Path::to_owned);
                generated.add(units, &name, of, paths, &file);
            }
            Err(error) => generated.problems.push(format!("{name}: {error}")),
        }
    }
    Ok(generated)
}

impl Generated {
    /// The queue managers with a file.
    fn provisioned(&mut self, qmgr_d: &Path) -> Vec<QmgrName> {
        let files = match fs::list(qmgr_d) {
            Err(error) if error.is_not_found() => Vec::new(),
            Err(error) => {
                self.problems.push(error.to_string());
                Vec::new()
            }
            Ok(files) => files,
        };
        let name = |file: &str| QmgrName::from_unit_instance(file.strip_suffix(".toml")?);
        let mut names: Vec<_> = files.iter().filter_map(|file| name(file.to_str()?)).collect();
        names.sort();
        let beyond = names.len().saturating_sub(DROP_INS_MAX);
        if beyond > 0 {
            self.problems.push(format!("{}: {beyond} files too many", qmgr_d.display()));
            names.truncate(DROP_INS_MAX);
        }
        names
    }

    /// Writes the drop-in of each of these units of a queue manager.
    fn add(
        &mut self,
        units: &Path,
        name: &QmgrName,
        of: &[&str],
        paths: impl Iterator<Item = PathBuf>,
        source: &Path,
    ) {
        let (text, problems) = drop_in(paths, source);
        self.problems.extend(problems.into_iter().map(|why| format!("{name}: {why}")));
        for unit in of {
            let dir = units.join(format!("{unit}@{}.service.d", name.to_unit_instance()));
            if let Err(error) = write(&dir, &text) {
                self.problems.push(format!("{name}: {error}"));
            }
        }
    }
}

fn write(dir: &Path, text: &str) -> Result<(), IoError> {
    fs::make_dir_all(dir, DIR_MODE, None)?;
    fs::replace_volatile(&dir.join("50-miqm.conf"), text.as_bytes(), MODE, None)
}

/// The text of a drop-in for a queue manager with these directories, and what is not in it.
fn drop_in(paths: impl Iterator<Item = PathBuf>, source: &Path) -> (String, Vec<String>) {
    let (mut mounts, mut writable, mut problems) = (String::new(), String::new(), Vec::new());
    for path in paths {
        match usable(&path) {
            Err(why) => problems.push(format!("the path '{}' {why}", path.display())),
            Ok(text) => {
                mounts.extend(["RequiresMountsFor=", &quoted("", text), "\n"]);
                if READ_ONLY.iter().any(|dir| path.starts_with(dir)) {
                    // It need not be there: then the instance says so, and not systemd.
                    writable.extend(["ReadWritePaths=", &quoted("-", text), "\n"]);
                }
            }
        }
    }
    let source = source.to_str().filter(|text| !text.contains(char::is_control));
    let mut text = format!("# Made by miqm-generator from {}.\n[Unit]\n", source.unwrap_or("?"));
    text.push_str(&mounts);
    if !writable.is_empty() {
        text.push_str("[Service]\n");
        text.push_str(&writable);
    }
    (text, problems)
}

/// The path as text, if systemd takes it.
fn usable(path: &Path) -> Result<&str, &'static str> {
    let text = path.to_str().ok_or("is not text")?;
    if text.contains(char::is_control) {
        Err("has a control character")
    } else if !path.is_absolute() {
        Err("is not absolute")
    } else if path.components().any(|part| part == Component::ParentDir) {
        Err("contains '..'")
    } else {
        Ok(text)
    }
}

/// A word of a list of paths: quotes and backslashes are escaped, percent signs doubled.
fn quoted(before: &str, text: &str) -> String {
    let mut word = format!("\"{before}");
    for character in text.chars() {
        match character {
            '"' | '\\' => word.extend(['\\', character]),
            '%' => word.push_str("%%"),
            other => word.push(other),
        }
    }
    word.push('"');
    word
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text_of(paths: &[&str]) -> (String, Vec<String>) {
        drop_in(paths.iter().map(PathBuf::from), Path::new("/var/mqm/mqs.ini"))
    }

    const HEAD: &str = "# Made by miqm-generator from /var/mqm/mqs.ini.\n[Unit]\n";

    #[test]
    fn data_and_log_are_required() {
        let (text, problems) = text_of(&["/shared/qm1/data", "/shared/qm1/log"]);
        let lines =
            "RequiresMountsFor=\"/shared/qm1/data\"\nRequiresMountsFor=\"/shared/qm1/log\"\n";
        assert_eq!((text, problems), (format!("{HEAD}{lines}"), vec![]));
    }

    #[test]
    fn no_path_is_more_than_a_word() {
        for (path, word) in [
            ("/a b\u{e9}", "\"/a b\u{e9}\""),
            ("/100%", "\"/100%%\""),
            (r#"/a"b'c"#, r#""/a\"b'c""#),
            (r"/a\", r#""/a\\""#),
            (r"/a\x0aUser=root", r#""/a\\x0aUser=root""#),
            ("/#;", "\"/#;\""),
        ] {
            assert_eq!(text_of(&[path]), (format!("{HEAD}RequiresMountsFor={word}\n"), vec![]));
        }
        for path in ["/a\n[Service]\nUser=root", "/a\r", "/a\u{7f}", "/a/../etc", "a", ""] {
            let (text, problems) = text_of(&[path]);
            assert_eq!((text.as_str(), problems.len()), (HEAD, 1), "{path:?}");
        }
    }

    #[test]
    fn data_below_the_system_can_be_written() {
        let (text, problems) = text_of(&[r#"/usr/a\b "%"#, "/usrx"]);
        let lines = r#"RequiresMountsFor="/usr/a\\b \"%%"
RequiresMountsFor="/usrx"
[Service]
ReadWritePaths="-/usr/a\\b \"%%"
"#;
        assert_eq!((text, problems), (format!("{HEAD}{lines}"), vec![]));
    }
}
