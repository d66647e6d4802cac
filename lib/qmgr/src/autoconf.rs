//! Automatic ini files: settings that are merged into `qm.ini` at creation and at every start.
//!
//! The stanza `AutoConfig` names a file or a directory of `*.ini` files, which are applied in the order
//! of their names. In a value, `+NAME+` stands for the value of that name in the stanza `Variables`;
//! `++` stands for a plus sign. What was applied is kept in the directory `autocfg`, and is applied
//! from there when the source cannot be read: the file may be on a host that is gone.

use std::path::{Path, PathBuf};

use miqm_format::stanza::{BadEdit, BadStanza, Document, FILE_BYTES_MAX, Stanza};
use miqm_sys::fs::{Owner, Presence};
use miqm_sys::{IoError, fs};

use crate::config::{self, ConfigError, Settings};
use crate::layout::{DIR_MODE, DataDir, INI_MODE};

/// Why automatic ini files cannot be applied.
#[derive(Debug, thiserror::Error)]
pub enum AutoConfigError {
    /// A file cannot be read or kept.
    #[error(transparent)]
    Io(#[from] IoError),
    /// The directory has no file of which the name ends in `.ini`.
    #[error("{} has no files of which the names end in .ini", path.display())]
    Nothing {
        /// The directory.
        path: PathBuf,
    },
    /// A file does not keep to the grammar.
    #[error("{} is not a file of stanzas", file.display())]
    Syntax {
        /// The file.
        file: PathBuf,
        /// The line, and what is wrong with it.
        source: BadStanza,
    },
    /// A value names a variable that there is not, or has a single plus sign.
    #[error("{}:{line}: there is no variable '{name}'", file.display())]
    Variable {
        /// The file.
        file: PathBuf,
        /// The line.
        line: usize,
        /// What stands between the plus signs.
        name: String,
    },
    /// A setting that only creation decides.
    #[error("{}:{line}: {key} cannot be set by an automatic file", file.display())]
    Fixed {
        /// The file.
        file: PathBuf,
        /// The line.
        line: usize,
        /// The attribute.
        key: String,
    },
    /// The settings as they stand, or as they would become, cannot be right.
    #[error(transparent)]
    Settings(#[from] Box<ConfigError>),
    /// A value with its variables cannot stand in an ini file.
    #[error("{} sets something that an ini file cannot hold", file.display())]
    Edit {
        /// The file.
        file: PathBuf,
        /// What cannot be written.
        source: BadEdit,
    },
}

/// An automatic file: what it is called, and what is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AutoFile {
    /// Its path, for people.
    pub path: PathBuf,
    bytes: Vec<u8>,
}

/// The stanzas that no automatic file may set: they say who the queue manager is.
const FIXED_STANZAS: &[&str] = &["AutoConfig", "Variables", "RestrictedMode"];
/// The attributes of the stanza `Log` that only creation decides.
const FIXED_LOG: &[&str] = &["LogPath"];

/// Reads the automatic files that a path names, in the order in which they are applied.
///
/// # Errors
///
/// [`AutoConfigError`]: unreadable, or a directory without a file.
pub fn read(source: &Path) -> Result<Vec<AutoFile>, AutoConfigError> {
    let one = |path: PathBuf| -> Result<AutoFile, IoError> {
        let bytes = fs::read_limited_following(&path, FILE_BYTES_MAX)?;
        Ok(AutoFile { path, bytes })
    };
    if !fs::stat(source)?.is_dir {
        return Ok(vec![one(source.to_owned())?]);
    }
    let names = fs::list(source)?;
    let ini = |name: &&std::ffi::OsString| {
        let path = Path::new(name);
        path.extension().is_some_and(|e| e == "ini")
    };
    let files: Result<Vec<_>, _> =
        names.iter().filter(ini).map(|name| one(source.join(name))).collect();
    match files? {
        files if files.is_empty() => Err(AutoConfigError::Nothing { path: source.to_owned() }),
        files => Ok(files),
    }
}

/// Merges automatic files into the settings of a queue manager, and tells whether that changed
/// anything.
///
/// # Errors
///
/// [`AutoConfigError`]; `settings` may be half changed then.
pub fn apply(
    settings: &mut Document,
    files: &[AutoFile],
    variables: &[(String, String)],
) -> Result<bool, AutoConfigError> {
    let before = settings.clone();
    for file in files {
        let document = Document::parse(&file.bytes)
            .map_err(|source| AutoConfigError::Syntax { file: file.path.clone(), source })?;
        for stanza in document.all() {
            merge(settings, stanza, file, variables)?;
        }
    }
    Ok(*settings != before)
}

fn merge(
    settings: &mut Document,
    stanza: &Stanza,
    file: &AutoFile,
    variables: &[(String, String)],
) -> Result<(), AutoConfigError> {
    let name = stanza.name();
    let is = |names: &[&str], text: &str| names.iter().any(|n| n.eq_ignore_ascii_case(text));
    let bad = |source| AutoConfigError::Edit { file: file.path.clone(), source };
    let mut values = Vec::new();
    for setting in stanza.settings() {
        let line = setting.line.unwrap_or(0);
        if is(FIXED_STANZAS, name) || (is(&["Log"], name) && is(FIXED_LOG, setting.key)) {
            let key = setting.key.to_owned();
            return Err(AutoConfigError::Fixed { file: file.path.clone(), line, key });
        }
        let value = substituted(setting.value, variables)
            .map_err(|name| AutoConfigError::Variable { file: file.path.clone(), line, name })?;
        values.push((setting.key, value));
    }
    // Of stanzas that can be repeated, the one with the same name is meant.
    let own_name = values.iter().find(|(key, _)| key.eq_ignore_ascii_case("Name"));
    let same = |other: &Stanza| own_name.is_none_or(|(_, n)| other.value("Name") == Some(n));
    if settings.find(name, same).is_none() {
        settings.push_stanza(name).map_err(bad)?;
        let Some(new) = settings.stanzas_mut(name).next_back() else { return Ok(()) };
        return values.iter().try_for_each(|(key, value)| new.set(key, value)).map_err(bad);
    }
    match settings.find_mut(name, same) {
        None => Ok(()),
        Some(old) => values.iter().try_for_each(|(key, value)| old.set(key, value)).map_err(bad),
    }
}

/// The value with its variables replaced, or the name that is none.
fn substituted(value: &str, variables: &[(String, String)]) -> Result<String, String> {
    let mut text = String::new();
    let mut rest = value;
    while let Some((before, after)) = rest.split_once('+') {
        text.push_str(before);
        let (name, after) = after.split_once('+').ok_or_else(|| after.to_owned())?;
        if name.is_empty() {
            text.push('+');
        } else {
            let found = variables.iter().find(|(variable, _)| variable == name);
            text.push_str(&found.ok_or_else(|| name.to_owned())?.1);
        }
        rest = after;
    }
    text.push_str(rest);
    Ok(text)
}

/// Keeps copies of automatic files in the data directory, in the place of those kept before.
///
/// # Errors
///
/// [`IoError`] if one cannot be written.
pub fn keep(data: &DataDir, files: &[AutoFile], owner: Owner) -> Result<(), IoError> {
    let dir = data.autocfg();
    if fs::presence(&dir)? == Presence::Absent {
        fs::make_dir(&dir, DIR_MODE, Some(owner))?;
    }
    for (number, file) in files.iter().enumerate() {
        fs::replace(&copy_path(data, number), &file.bytes, INI_MODE, Some(owner))?;
    }
    for number in files.len().. {
        match fs::remove_file(&copy_path(data, number)) {
            Err(error) if error.is_not_found() => break,
            removed => removed?,
        }
    }
    Ok(())
}

fn copy_path(data: &DataDir, number: usize) -> PathBuf {
    data.autocfg().join(format!("ini-{number:04}.ini"))
}

/// The copies that were kept. The directory is not listed: a standby must not list anything.
fn kept(data: &DataDir) -> Result<Vec<AutoFile>, IoError> {
    let mut files = Vec::new();
    loop {
        let path = copy_path(data, files.len());
        match fs::read_limited(&path, FILE_BYTES_MAX) {
            Ok(bytes) => files.push(AutoFile { path, bytes }),
            Err(error) if error.is_not_found() => return Ok(files),
            Err(error) => return Err(error),
        }
    }
}

/// What was applied at a start.
#[derive(Debug)]
pub struct Applied {
    /// Whether `qm.ini` was changed.
    pub changed: bool,
    /// Why the source could not be read, if the kept copies were applied in its place.
    pub from_copies: Option<Box<AutoConfigError>>,
}

/// `qm.ini` with its automatic files merged into it.
struct Merged {
    document: Document,
    files: Vec<AutoFile>,
    applied: Applied,
}

/// `None` if the queue manager has no automatic files.
fn merged(data: &DataDir, settings: &Settings) -> Result<Option<Merged>, AutoConfigError> {
    let Some(source) = &settings.auto_ini else { return Ok(None) };
    let (files, from_copies) = match read(source) {
        Ok(files) => (files, None),
        Err(why) => (kept(data)?, Some(Box::new(why))),
    };
    let mut document = config::load_document(&data.qm_ini()).map_err(Box::new)?;
    let changed = apply(&mut document, &files, &settings.variables)?;
    Ok(Some(Merged { document, files, applied: Applied { changed, from_copies } }))
}

/// The settings that count from the next start on: those of `qm.ini`, with those of the automatic
/// files. Changes nothing.
///
/// # Errors
///
/// [`AutoConfigError`].
pub fn effective(data: &DataDir) -> Result<Settings, AutoConfigError> {
    let settings = Settings::load(&data.qm_ini()).map_err(Box::new)?;
    match merged(data, &settings)? {
        None => Ok(settings),
        Some(merged) => Ok(Settings::of(&merged.document, &data.qm_ini()).map_err(Box::new)?),
    }
}

/// Writes the settings that [`effective`] has read into `qm.ini`, and keeps copies of the automatic
/// files; `None` if there are none. Only for the instance that has the queue manager's locks.
///
/// # Errors
///
/// [`AutoConfigError`]; `qm.ini` is not changed then.
pub fn at_start(data: &DataDir, owner: Owner) -> Result<Option<Applied>, AutoConfigError> {
    let settings = Settings::load(&data.qm_ini()).map_err(Box::new)?;
    let Some(Merged { document, files, applied }) = merged(data, &settings)? else {
        return Ok(None);
    };
    Settings::of(&document, &data.qm_ini()).map_err(Box::new)?;
    if applied.changed {
        fs::replace(&data.qm_ini(), &document.to_bytes(), INI_MODE, Some(owner))?;
    }
    if applied.from_copies.is_none() {
        keep(data, &files, owner)?;
    }
    Ok(Some(applied))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(
        settings: &str,
        auto: &str,
        variables: &[(&str, &str)],
    ) -> Result<String, AutoConfigError> {
        let mut document = Document::parse(settings.as_bytes()).unwrap();
        let file = AutoFile { path: "/auto.ini".into(), bytes: auto.as_bytes().to_vec() };
        let variables: Vec<_> =
            variables.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        apply(&mut document, &[file], &variables)?;
        Ok(String::from_utf8(document.to_bytes()).unwrap())
    }

    #[test]
    fn settings_are_merged_and_variables_replaced() {
        let text = applied(
            "Log:\n   LogPath=/l/\n   LogBufferPages=0\n",
            "log:\n  LogBufferPages=512\nTuningParameters:\n  LeaseTime=+LEASE+\nPlus:\n  a=1++2\n",
            &[("LEASE", "45")],
        );
        assert_eq!(
            text.unwrap(),
            "Log:\n   LogPath=/l/\n   LogBufferPages=512\nTuningParameters:\n   LeaseTime=45\n\
             Plus:\n   a=1+2\n"
        );
    }

    #[test]
    fn repeated_stanzas_are_told_apart_by_name() {
        let text = applied(
            "ServiceComponent:\n   Name=A\n   Module=m\n",
            "ServiceComponent:\n   Name=B\n   Module=n\nServiceComponent:\n   Name=A\n   Module=o\n",
            &[],
        );
        assert_eq!(
            text.unwrap(),
            "ServiceComponent:\n   Name=A\n   Module=o\nServiceComponent:\n   Name=B\n   Module=n\n"
        );
    }

    #[test]
    fn what_an_automatic_file_may_not_say_is_refused() {
        for (auto, line) in [
            ("Log:\n  LogPath=/x\n", 2),
            ("Variables:\n  A=b\n", 2),
            ("AutoConfig:\n  IniConfig=/x\n", 2),
        ] {
            match applied("", auto, &[]) {
                Err(AutoConfigError::Fixed { line: found, .. }) => assert_eq!(found, line),
                other => panic!("{auto}: {other:?}"),
            }
        }
        for value in ["+NONE+", "one+", "+"] {
            let auto = format!("A:\n  b={value}\n");
            assert!(matches!(applied("", &auto, &[]), Err(AutoConfigError::Variable { .. })));
        }
        assert!(matches!(applied("", "A\n", &[]), Err(AutoConfigError::Syntax { .. })));
    }

    #[test]
    fn a_start_applies_what_the_files_say_now_or_said_last() {
        let dir = tempfile::tempdir().unwrap();
        let data = DataDir::new(dir.path().join("Q"));
        std::fs::create_dir_all(data.autocfg()).unwrap();
        let auto = dir.path().join("auto.ini");
        let lease = |text: &str| {
            std::fs::write(&auto, format!("TuningParameters:\n   LeaseTime={text}\n")).unwrap();
        };
        lease("60");
        let text = format!("Log:\n   LogPath=/l/\nAutoConfig:\n   IniConfig={}\n", auto.display());
        std::fs::write(data.qm_ini(), &text).unwrap();
        let caller = miqm_sys::user::caller().unwrap();
        let owner = Owner { uid: caller.uid, gid: caller.gid };
        let seconds = || effective(&data).unwrap().locks.lease.as_secs();
        assert_eq!(seconds(), 60);
        assert_eq!(std::fs::read_to_string(data.qm_ini()).unwrap(), text, "only looked at");
        let applied = at_start(&data, owner).unwrap().unwrap();
        assert!(applied.changed && applied.from_copies.is_none());
        assert!(!at_start(&data, owner).unwrap().unwrap().changed);
        std::fs::remove_file(&auto).unwrap();
        assert_eq!(seconds(), 60);
        assert!(at_start(&data, owner).unwrap().unwrap().from_copies.is_some());
        lease("1");
        assert!(matches!(effective(&data), Err(AutoConfigError::Settings(_))));
        assert!(at_start(&data, owner).is_err());
        lease("70");
        at_start(&data, owner).unwrap();
        assert_eq!(Settings::load(&data.qm_ini()).unwrap().locks.lease.as_secs(), 70);
    }
}
