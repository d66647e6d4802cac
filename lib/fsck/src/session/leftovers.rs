//! Removing what runs left that were killed.
//!
//! A folder is removed if its name is one of a run's, its marker says the same, and the run is dead:
//! nobody has the marker locked and, if it was on this boot of this host, its process is gone. In it
//! only names of the form that runs use are removed. Everything else is left and told.

use std::time::Duration;

use miqm_sys::lock::Range;
use miqm_sys::probe::{Family, How, Kind, errno_name, errno_text};
use miqm_sys::{clock, proc};

use super::Refusal;
use super::folder::{LINK, MAGIC, MARKER, PREFIX, SUFFIX, list, why};
use crate::call::{Call, Value};
use crate::post::{Head, Id, id_of};
use crate::stage::{Actor, Place, Stage, Trouble};

/// The length of a run's id in its names.
const RUN_LETTERS: usize = 32;
/// The longest marker, in bytes.
const MARKER_BYTES_MAX: u32 = 1024;
/// How long a run that has just begun may take to write its marker.
const BEGINNING: Duration = Duration::from_secs(1);
/// A living copy gives its file a new number within this time.
const QUIET: Duration = Duration::from_secs(6);
/// So many bytes of a file of a copy are enough to know it.
const HEAD_BYTES: u32 = 128;
/// How deep directories may be in each other.
const DEPTH_MAX: usize = 16;

/// Something that has a name of ours.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Leftover {
    /// Its name, relative to the tested directory.
    pub name: String,
    /// Why it was left; empty if it was removed.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub why: String,
}

/// What was found, in the order of the names.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Tidied {
    /// What was removed.
    pub removed: Vec<Leftover>,
    /// What was left.
    pub left: Vec<Leftover>,
}

impl Tidied {
    /// Adds something: removed, or left for this reason.
    pub fn note(&mut self, name: &str, left: Option<String>) {
        let kind = if left.is_some() { &mut self.left } else { &mut self.removed };
        kind.push(Leftover { name: name.to_owned(), why: left.unwrap_or_default() });
    }
}

/// Removes the folders of dead runs.
pub(super) fn tidy(stage: &Stage) -> Result<Tidied, Refusal> {
    let mut actor = stage.actor(Place::First)?;
    let Value::Names(mut names) = actor.must(Call::List { name: ".".into() })? else {
        return Ok(Tidied::default());
    };
    names.sort_unstable();
    let mut tidied = Tidied::default();
    for name in &names {
        if let Some(run) = run_of(name).filter(|_| *name != stage.folder()) {
            let left = match folder(&mut actor, name, run) {
                Ok(left) => left,
                Err(trouble @ (Trouble::Stuck(_) | Trouble::Died(_))) => {
                    actor = stage.actor(Place::First)?;
                    Some(why(&trouble))
                }
                Err(trouble @ Trouble::Refused(_)) => Some(why(&trouble)),
                Err(trouble) => return Err(trouble.into()),
            };
            tidied.note(name, left);
        }
    }
    hellos(&mut actor, &names, &mut tidied)?;
    Ok(tidied)
}

/// Removes the files of dead copies that had looked for another one. A living one numbers its files
/// anew all the time.
fn hellos(actor: &mut Actor, names: &[String], tidied: &mut Tidied) -> Result<(), Trouble> {
    let ids: Vec<_> = names.iter().filter_map(|name| Some((name, id_of(name)?.1))).collect();
    if ids.is_empty() {
        return Ok(());
    }
    let before = heads(actor, &ids)?;
    clock::sleep(QUIET);
    let after = heads(actor, &ids)?;
    for (at, (name, id)) in ids.iter().enumerate() {
        let lives = ids.iter().enumerate().any(|(other, (_, of))| {
            let (was, is) = (&before[other], &after[other]);
            of == id && was != is
        });
        let left = match &after[at] {
            _ if lives => Some("its copy is alive".to_owned()),
            Seen::Gone => continue,
            Seen::Strange => Some("no copy wrote what is in it".to_owned()),
            Seen::Sheet(_) => {
                let unlinked = actor.call(Call::Unlink { name: (*name).clone() })?.result;
                let errno = unlinked.err().filter(|errno| errno_name(*errno) != "ENOENT");
                errno.map(|errno| format!("{} ({})", errno_name(errno), errno_text(errno)))
            }
        };
        tidied.note(name, left);
    }
    Ok(())
}

/// What is in a file of a copy.
#[derive(Debug, PartialEq)]
enum Seen {
    /// It is not there any more.
    Gone,
    /// Something else.
    Strange,
    /// What a copy writes, with its number; 0 if the copy died before it could write.
    Sheet(u64),
}

fn heads(actor: &mut Actor, ids: &[(&String, Id)]) -> Result<Vec<Seen>, Trouble> {
    let mut seen = Vec::new();
    for (name, id) in ids {
        let open = Call::Open { fd: 0, name: (*name).clone(), how: How::RO };
        seen.push(match actor.call(open)?.result.map_err(errno_name) {
            Err("ENOENT") => Seen::Gone,
            Err(_) => Seen::Strange,
            Ok(_) => {
                let bytes = actor.read(0, 0, HEAD_BYTES)?;
                actor.close(0)?;
                match Head::read(&bytes) {
                    Some(head) if head.id == *id => Seen::Sheet(head.number),
                    None if bytes.is_empty() => Seen::Sheet(0),
                    _ => Seen::Strange,
                }
            }
        });
    }
    Ok(seen)
}

/// The run that a folder of this name belongs to.
fn run_of(name: &str) -> Option<&str> {
    let run = name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?;
    let good = run.len() == RUN_LETTERS && run.bytes().all(|b| b"0123456789abcdef".contains(&b));
    good.then_some(run)
}

/// Whether a name has the form that runs give their files: a stem, a dash and a number, and
/// whatever the check puts behind.
fn has_our_form(name: &str) -> bool {
    let after_dash =
        name.split('-').skip(1).any(|part| part.starts_with(|c: char| c.is_ascii_digit()));
    after_dash && name.starts_with(|c: char| c.is_ascii_lowercase())
}

/// Removes a folder, or tells why not.
fn folder(actor: &mut Actor, name: &str, run: &str) -> Result<Option<String>, Trouble> {
    if let Some(why) = alive(actor, name, run)? {
        return Ok(Some(why));
    }
    let mut strange = Vec::new();
    for entry in list(actor, name)? {
        let path = format!("{name}/{entry}");
        if entry == MARKER {
            continue;
        }
        if has_our_form(&entry) || entry == LINK {
            remove(actor, &path, 0)?;
        } else {
            strange.push(entry);
        }
    }
    if !strange.is_empty() {
        strange.sort_unstable();
        return Ok(Some(format!("no run made '{}' in it", strange.join("', '"))));
    }
    actor.call(Call::Unlink { name: format!("{name}/{MARKER}") })?;
    actor.call(Call::Close { fd: 0 })?;
    Ok(match actor.call(Call::RemoveDir { name: name.to_owned() })?.result.map_err(errno_name) {
        Ok(_) | Err("ENOENT") => None,
        Err(error) => Some(format!("it cannot be removed: {error}")),
    })
}

/// Why the folder must be left: its run is alive, or it is not a run's. If there is no reason, the
/// actor holds the marker open in its first slot, and locked.
fn alive(actor: &mut Actor, name: &str, run: &str) -> Result<Option<String>, Trouble> {
    let marker = format!("{name}/{MARKER}");
    for last in [false, true] {
        let opened = actor.call(Call::Open { fd: 0, name: marker.clone(), how: How::RW })?.result;
        match opened.map_err(|errno| (errno_name(errno), errno_text(errno))) {
            Ok(_) => {}
            Err(("ENOENT", _)) if list(actor, name)?.is_empty() => {
                if last {
                    return Ok(None);
                }
                clock::sleep(BEGINNING);
                continue;
            }
            Err(("ENOENT", _)) => return Ok(Some("it has no marker of a run".into())),
            Err((error, text)) => {
                return Ok(Some(format!("its marker cannot be opened: {error} ({text})")));
            }
        }
        let lock = Call::Lock {
            fd: 0,
            family: Family::Ofd,
            kind: Kind::Write,
            range: Range::WHOLE,
            wait: false,
        };
        let locked = actor.call(lock)?.result.map_err(errno_name);
        let text = String::from_utf8_lossy(&actor.read(0, 0, MARKER_BYTES_MAX)?).into_owned();
        if text.is_empty() && !last {
            clock::sleep(BEGINNING);
            continue;
        }
        return Ok(of_marker(&text, run, locked.map(drop)));
    }
    Ok(None)
}

/// Why the folder with this marker must be left.
fn of_marker(text: &str, run: &str, locked: Result<(), &'static str>) -> Option<String> {
    let field = |name: &str| {
        text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('=')).unwrap_or_default()
    };
    let host = field("host");
    let clean = !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_graphic());
    let host = if clean { host } else { "unknown" };
    match locked {
        Ok(()) => {}
        Err("EAGAIN" | "EACCES") => return Some(format!("its run is alive on host {host}")),
        Err(error) => {
            return Some(format!(
                "whether its run on host {host} is alive cannot be told, because locks do not work: {error}"
            ));
        }
    }
    // Killed before it could write its marker.
    if text.is_empty() {
        return None;
    }
    if text.lines().next() != Some(MAGIC) || field("run") != run {
        return Some("its marker is not one of this run".into());
    }
    let boot = proc::boot_id().map(|id| super::hex(&id.0)).unwrap_or_default();
    if let Ok(pid) = field("pid").parse()
        && boot == field("boot")
        && proc::alive(pid)
        && proc::start_time(pid).is_none_or(|start| field("start") == start.to_string())
    {
        return Some(format!("its run is alive as process {pid} of this host"));
    }
    None
}

/// Removes a name and, if it is a directory, what is in it.
fn remove(actor: &mut Actor, path: &str, depth: usize) -> Result<(), Trouble> {
    let unlinked = actor.call(Call::Unlink { name: path.to_owned() })?.result.map_err(errno_name);
    if matches!(unlinked, Err("EISDIR" | "EPERM")) && depth < DEPTH_MAX {
        for entry in list(actor, path)? {
            remove(actor, &format!("{path}/{entry}"), depth + 1)?;
        }
        actor.call(Call::RemoveDir { name: path.to_owned() })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: &str = "0123456789abcdef0123456789abcdef";

    #[test]
    fn only_names_of_runs_are_names_of_runs() {
        assert_eq!(run_of(&format!("amqmfsck-{RUN}.tmp")), Some(RUN));
        for name in ["amqmfsck-.tmp", "amqmfsck-0.tmp", "amqmfsck", "amqmfsck.tmp", "x.tmp", ""] {
            assert_eq!(run_of(name), None, "{name}");
        }
        assert_eq!(run_of(&format!("amqmfsck-{}.tmp", RUN.to_uppercase())), None);
        assert!(
            has_our_form("lock-12") && has_our_form("o-excl-3.lnk") && has_our_form("x-1/../y")
        );
        for name in ["notes.txt", "Lock-1", "-1", "marker", "1-1", "lock-x"] {
            assert!(!has_our_form(name), "{name}");
        }
    }

    #[test]
    fn a_folder_is_removed_only_if_its_marker_is_of_a_dead_run() {
        let text = super::super::folder::marker_text(RUN, "here");
        let left = |text: &str, locked| of_marker(text, RUN, locked).unwrap_or_default();
        // This process is alive, and its marker may be on storage where locks are granted to all.
        assert!(left(&text, Ok(())).contains("is alive as process"));
        assert!(left(&text, Err("EAGAIN")).contains("alive on host here"));
        assert!(left(&text, Err("ENOLCK")).contains("ENOLCK"));
        let elsewhere = text.replace("boot=", "boot=0");
        assert_eq!(left(&elsewhere, Ok(())), "");
        assert_eq!(left("", Ok(())), "");
        assert!(left(&elsewhere.replace("run=0", "run=1"), Ok(())).contains("not one of this run"));
        assert!(left("notes", Ok(())).contains("not one of this run"));
        assert!(left("host=a\x1b[31m", Err("EAGAIN")).contains("host unknown"));
    }
}
