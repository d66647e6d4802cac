//! The folder of a run.

use std::collections::BTreeSet;
use std::time::Duration;

use miqm_sys::clock::BootInstant;
use miqm_sys::lock::Range;
use miqm_sys::probe::{Family, How, Kind, errno_name, errno_text};
use miqm_sys::{clock, proc};

use super::{Denied, Refusal};
use crate::call::{Burst, Bytes, Call, Value};
use crate::finding::Evidence;
use crate::stage::{Actor, Place, Stage, Trouble};

/// What the names of all folders begin and end with; between stands the id of the run.
pub(super) const PREFIX: &str = "amqmfsck-";
pub(super) const SUFFIX: &str = ".tmp";
/// The directory in the folder over which two copies talk.
pub(super) const LINK: &str = "link";
/// What the names of the files in it end with.
const MAIL: &str = ".mail";
/// The file that says whose folder it is.
pub(super) const MARKER: &str = "marker";
/// The first line of that file.
pub(super) const MAGIC: &str = "amqmfsck run 1";
/// The mode of the folder.
const MODE: u32 = 0o770;
/// The mode of the marker.
const MARKER_MODE: u32 = 0o660;
/// So many names are removed in one call.
const BATCH: usize = 64;
/// How long names that a client of a network file system keeps for an open file may stay.
const KEPT: Duration = Duration::from_secs(2);
/// How long another copy may take to remove its files from the folder.
const MAIL_KEPT: Duration = Duration::from_secs(5);
/// How deep directories may be in each other.
const DEPTH_MAX: usize = 16;

/// What came of removing the files of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cleaned {
    /// The number of names that were removed.
    pub removed: usize,
    /// What was left, relative to the tested directory, and why.
    pub left: Vec<(String, String)>,
}

/// The name of a run's folder.
pub(super) fn name_of(run: &str) -> String {
    format!("{PREFIX}{run}{SUFFIX}")
}

/// What stands in the marker: the magic, then names and values, a line each.
pub(super) fn marker_text(run: &str, host: &str) -> String {
    let boot = proc::boot_id().map(|id| super::hex(&id.0)).unwrap_or_default();
    let pid = proc::pid();
    let start = proc::start_time(pid).unwrap_or_default();
    format!("{MAGIC}\nrun={run}\nhost={host}\npid={pid}\nstart={start}\nboot={boot}\n")
}

/// Makes the folder and its marker; the actor keeps the marker locked.
pub(super) fn make(stage: &Stage, run: &str, host: &str) -> Result<Actor, Refusal> {
    let mut keeper = stage.actor(Place::First)?;
    demand(&mut keeper, Call::MakeDir { name: stage.folder().to_owned(), mode: MODE })?;
    marked(keeper, stage.folder(), run, host)
}

/// Makes the marker in a folder that is there; the actor keeps it locked.
pub(super) fn mark(stage: &Stage, run: &str, host: &str) -> Result<Actor, Refusal> {
    marked(stage.actor(Place::First)?, stage.folder(), run, host)
}

fn marked(mut keeper: Actor, folder: &str, run: &str, host: &str) -> Result<Actor, Refusal> {
    let how = How { mode: MARKER_MODE, ..How::NEW };
    demand(&mut keeper, Call::Open { fd: 0, name: format!("{folder}/{MARKER}"), how })?;
    // Where locks do not work the checks say so; the marker then tells by process and boot.
    let lock = Call::Lock {
        fd: 0,
        family: Family::Ofd,
        kind: Kind::Write,
        range: Range::WHOLE,
        wait: false,
    };
    keeper.call(lock)?;
    let bytes = Bytes::Text(marker_text(run, host));
    demand(&mut keeper, Call::Write { fd: 0, at: 0, bytes })?;
    Ok(keeper)
}

/// Makes a call without which there is no run.
fn demand(actor: &mut Actor, call: Call) -> Result<(), Refusal> {
    let evidence = Evidence { call: call.to_string(), ..actor.evidence() };
    let Err(errno) = actor.call(call)?.result else { return Ok(()) };
    let evidence = Box::new(evidence.errno(errno));
    if matches!(errno_name(errno), "EACCES" | "EPERM") {
        let why = permission(actor)?;
        return Err(Refusal::NotAuthorized(Box::new(Denied { evidence: *evidence, why })));
    }
    Err(Refusal::Failed(evidence))
}

/// Which permission is missing.
fn permission(actor: &mut Actor) -> Result<String, Refusal> {
    let who = actor.call(Call::Who)?.result;
    let what = actor.call(Call::Stat { name: ".".into() })?.result;
    let (Ok(Value::Who { uid, gid, groups, .. }), Ok(Value::Attributes(dir))) = (who, what) else {
        return Ok("it may not be written".into());
    };
    let (class, bits) = if uid == dir.uid {
        ("its owner", dir.permissions() >> 6)
    } else if gid == dir.gid || groups.contains(&dir.gid) {
        ("a member of its group", dir.permissions() >> 3)
    } else {
        ("neither its owner nor in its group", dir.permissions())
    };
    let about = format!(
        "it belongs to user {} and group {} with mode {:04o}, and user {uid} is {class}",
        dir.uid,
        dir.gid,
        dir.permissions()
    );
    Ok(if bits & 0o3 == 0o3 || uid == 0 {
        format!(
            "{about}, which should be enough: the storage refuses on grounds of its own, such as squashed users or an access list"
        )
    } else {
        format!("{about}: write and search permission are needed")
    })
}

/// Removes what calls of the run may have made in its folder, and the folder.
pub(super) fn remove(stage: &Stage, keeper: Option<Actor>) -> Cleaned {
    let folder = stage.folder().to_owned();
    let within = format!("{folder}/");
    let mut made = stage.made();
    made.retain(|name| name.starts_with(&within) || *name == folder);
    if made.is_empty() {
        return Cleaned::default();
    }
    let mut sweep = Sweep { made: &made, cleaned: Cleaned::default() };
    // The open marker would keep a name in the folder on some file systems.
    drop(keeper);
    let swept = stage.actor(Place::First).and_then(|mut actor| sweep.folder(&mut actor, &folder));
    if let Err(trouble) = swept {
        sweep.cleaned.left.push((folder, why(&trouble)));
    }
    sweep.cleaned
}

/// Why something was left, in words.
pub(super) fn why(trouble: &Trouble) -> String {
    match trouble {
        Trouble::Refused(evidence) => match evidence.errno {
            Some(errno) => format!("{} ({})", evidence.error, errno_text(errno)),
            None => evidence.note.clone(),
        },
        Trouble::Stuck(evidence) => format!("{} did not come back", evidence.call),
        Trouble::Died(_) => "the process that removes it died".into(),
        Trouble::Lost(lost) => lost.to_string(),
        Trouble::Asked => "a second signal ended the removal".into(),
    }
}

/// Whether a client of a network file system made the name for a file that is open and was removed.
fn is_kept(name: &str) -> bool {
    let last = name.rsplit('/').next().unwrap_or_default();
    last.starts_with(".nfs") || last.starts_with(".fuse_hidden")
}

/// Whether all that is left in a directory are names that go by themselves.
fn waits(actor: &mut Actor, name: &str) -> Result<bool, Trouble> {
    let left = list(actor, name)?;
    Ok(!left.is_empty() && left.iter().all(|name| is_kept(name)))
}

struct Sweep<'a> {
    made: &'a BTreeSet<String>,
    cleaned: Cleaned,
}

impl Sweep<'_> {
    /// Removes a directory and what was made in it.
    fn folder(&mut self, actor: &mut Actor, name: &str) -> Result<(), Trouble> {
        let until = BootInstant::now().saturating_add(KEPT);
        self.mail(actor, &format!("{name}/{LINK}"))?;
        loop {
            self.contents(actor, name, 0)?;
            match actor.call(Call::RemoveDir { name: name.to_owned() })?.result {
                Ok(_) => {
                    self.cleaned.removed += 1;
                    return Ok(());
                }
                Err(errno) if errno_name(errno) == "ENOENT" => return Ok(()),
                Err(_) if !until.left().is_zero() && waits(actor, name)? => {
                    clock::sleep(Duration::from_millis(50));
                }
                Err(errno) => {
                    // What is missing in the list of names is removed by its name.
                    let made: Vec<_> = self.made.iter().rev().cloned().collect();
                    self.unlink(actor, &made)?;
                    return self.give_up(actor, name, errno);
                }
            }
        }
    }

    /// Removes what two copies have talked over, if there is any. The other copy removes its own files
    /// unless it was killed.
    fn mail(&mut self, actor: &mut Actor, link: &str) -> Result<(), Trouble> {
        let until = BootInstant::now().saturating_add(MAIL_KEPT);
        loop {
            let removed = actor.call(Call::RemoveDir { name: link.to_owned() })?.result;
            match removed.map_err(errno_name) {
                Ok(_) => {
                    self.cleaned.removed += 1;
                    return Ok(());
                }
                Err("ENOTEMPTY" | "EEXIST") if !until.left().is_zero() => {
                    clock::sleep(Duration::from_millis(50));
                }
                Err("ENOTEMPTY" | "EEXIST") => break,
                Err(_) => return Ok(()),
            }
        }
        let mut names: Vec<_> = list(actor, link)?;
        names.retain(|name| name.ends_with(MAIL));
        let names: Vec<_> = names.into_iter().map(|name| format!("{link}/{name}")).collect();
        self.unlink(actor, &names)?;
        let removed = actor.call(Call::RemoveDir { name: link.to_owned() })?.result.is_ok();
        self.cleaned.removed += usize::from(removed);
        Ok(())
    }

    fn give_up(&mut self, actor: &mut Actor, name: &str, errno: i32) -> Result<(), Trouble> {
        if actor.call(Call::RemoveDir { name: name.to_owned() })?.result.is_ok() {
            self.cleaned.removed += 1;
            return Ok(());
        }
        let strange: Vec<_> = list(actor, name)?
            .into_iter()
            .map(|entry| format!("{name}/{entry}"))
            .filter(|entry| !self.made.contains(entry))
            .collect();
        for entry in &strange {
            let why = "this run did not make it".to_owned();
            self.cleaned.left.push((entry.clone(), why));
        }
        let why = if strange.is_empty() {
            format!("{} ({})", errno_name(errno), errno_text(errno))
        } else {
            "it is not empty".into()
        };
        self.cleaned.left.push((name.to_owned(), why));
        Ok(())
    }

    /// Removes what was made in a directory.
    fn contents(&mut self, actor: &mut Actor, name: &str, depth: usize) -> Result<(), Trouble> {
        let entries = list(actor, name)?.into_iter().map(|entry| format!("{name}/{entry}"));
        let ours: Vec<_> = entries.filter(|entry| self.made.contains(entry)).collect();
        for entry in self.unlink(actor, &ours)? {
            if depth < DEPTH_MAX {
                self.contents(actor, &entry, depth + 1)?;
                let removed = actor.call(Call::RemoveDir { name: entry })?.result.is_ok();
                self.cleaned.removed += usize::from(removed);
            }
        }
        Ok(())
    }

    /// Removes names; those that are directories are returned.
    fn unlink(&mut self, actor: &mut Actor, names: &[String]) -> Result<Vec<String>, Trouble> {
        let mut dirs = Vec::new();
        for batch in names.chunks(BATCH) {
            let calls = batch.iter().map(|name| Call::Unlink { name: name.clone() }).collect();
            let Value::Replies(replies) = actor.must(Call::Burst(Burst::All { calls }))? else {
                continue;
            };
            for (name, reply) in batch.iter().zip(replies) {
                match reply.result.map_err(errno_name) {
                    Ok(_) => self.cleaned.removed += 1,
                    Err("EISDIR" | "EPERM") => dirs.push(name.clone()),
                    Err(_) => {}
                }
            }
        }
        Ok(dirs)
    }
}

/// The names in a directory; none if it cannot be read.
pub(super) fn list(actor: &mut Actor, name: &str) -> Result<Vec<String>, Trouble> {
    Ok(match actor.call(Call::List { name: name.to_owned() })?.result {
        Ok(Value::Names(names)) => names,
        _ => Vec::new(),
    })
}
