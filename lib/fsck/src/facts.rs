//! What is known of a host, and of what is mounted on the tested directory there.
//!
//! Everything is read by an actor, because the first look into a directory may mount it, or hang. What
//! the kernel does not show stays empty: a run in an empty root without `/proc` knows the magic
//! number of the file system and little else.

mod gluster;
mod kind;
mod nfs;

pub use gluster::GlusterFacts;
pub(crate) use gluster::is_on;
pub use kind::{Kind, kind, kind_of_magic, type_of_magic};
pub use nfs::NfsFacts;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use miqm_sys::mount::{self, Mount};
use miqm_sys::probe::{self, Dir};
use miqm_sys::{fs, proc, user};

use crate::report::HostFacts;

/// The longest table of the kernel that is read, in bytes. Hosts with thousands of containers have
/// some megabytes.
const TABLE_BYTES_MAX: usize = 32 << 20;
/// The longest single setting, in bytes.
const SETTING_BYTES_MAX: usize = 64 << 10;

/// The setting that tells with which error `fstatfs(2)` was refused, if it was.
pub const STATFS_ERROR: &str = "statfs.error";

/// Settings outside of the mount options: their name here, and where the kernel shows them.
const SETTINGS: &[(Kind, &str, &str)] = &[
    (Kind::Nfs, "nfs.recover_lost_locks", "/sys/module/nfs/parameters/recover_lost_locks"),
    (Kind::Nfs, "nfs.nfs4_unique_id", "/sys/module/nfs/parameters/nfs4_unique_id"),
    (Kind::Nfs, "nfs.identifier", "/sys/fs/nfs/net/nfs_client/identifier"),
    (Kind::Cluster, "ocfs2.cluster_stack", "/sys/fs/ocfs2/cluster_stack"),
];

/// Reads a text of the kernel or of a client program; `None` if there is none, or it is too long.
fn text(path: impl AsRef<Path>, bytes_max: usize) -> Option<String> {
    let bytes = fs::read_limited_following(path.as_ref(), bytes_max).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// What is known of this host, with the directory `dir` that was opened as `path`.
///
/// # Errors
///
/// What the system says of the directory itself: the error number of `fstat(2)`.
pub(crate) fn collect(path: &Path, dir: &Dir) -> Result<HostFacts, i32> {
    // The look into it lets an automounter mount what is to be there.
    let own = dir.attributes(".")?;
    let space = probe::file_system(dir.fd());
    let node = proc::hostname().unwrap_or_default();
    let mut facts = HostFacts {
        name: node.clone(),
        node,
        directory: path.to_string_lossy().into_owned(),
        kernel: proc::kernel_release(),
        boot: proc::boot_id().map(|id| id.to_string()).unwrap_or_default(),
        magic: space.as_ref().map_or(0, |space| space.magic),
        device: own.device,
        inode: own.inode,
        space: space.ok(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ..HostFacts::default()
    };
    if let Ok(caller) = user::caller() {
        facts.user = format!("{} ({})", user::user_name(caller.uid), caller.uid);
        (facts.uid, facts.groups) = (caller.uid, caller.groups);
    }
    let table = mount::mounts().unwrap_or_default();
    let absolute = fs::canonical(path).unwrap_or_else(|_| path.to_owned());
    if let Some(found) = mount_under(&table, mount::id_of(dir.fd()), own.device, &absolute) {
        describe(&mut facts, found);
    }
    add_details(&mut facts, &table);
    if let Err(errno) = space {
        facts.settings.insert(STATFS_ERROR.into(), probe::errno_name(errno).into());
    }
    Ok(facts)
}

/// The mount of a directory: by the number of the mount, else by the path as long as the device is the
/// same one, else by the device.
fn mount_under<'a>(
    table: &'a [Mount],
    id: Option<u64>,
    device: u64,
    path: &Path,
) -> Option<&'a Mount> {
    if let Some(found) = table.iter().find(|mount| Some(mount.id) == id) {
        return Some(found);
    }
    let over = || table.iter().filter(|mount| path.starts_with(&mount.mount_point));
    // Of several in one place, the last hides the rest: max_by_key returns the last of equals.
    let deepest = over().max_by_key(|mount| mount.mount_point.components().count());
    let same = |mount: &&Mount| mount.device == device;
    deepest.filter(same).or_else(|| over().rfind(same)).or(deepest)
}

/// Takes over a line of the table.
fn describe(facts: &mut HostFacts, found: &Mount) {
    facts.fs_type.clone_from(&found.fs_type);
    facts.source.clone_from(&found.source);
    facts.options.clone_from(&found.options);
    facts.mount_point = found.mount_point.to_string_lossy().into_owned();
    facts.root = found.root.to_string_lossy().into_owned();
}

/// Adds what only file systems of its kind have.
fn add_details(facts: &mut HostFacts, table: &[Mount]) {
    let kind = kind(facts);
    facts.settings = settings(kind, |path| text(path, SETTING_BYTES_MAX));
    if kind == Kind::Nfs {
        let stats = text("/proc/self/mountstats", TABLE_BYTES_MAX).unwrap_or_default();
        facts.nfs = Some(nfs::facts(facts, &stats));
    }
    if facts.fs_type == "fuse.glusterfs" {
        facts.gluster = whole_of(facts, table).and_then(|top| gluster_of(&top));
    }
    if facts.fs_type == "beegfs"
        && let Some(file) = facts.option("cfgFile")
        && let Some(config) = text(file, SETTING_BYTES_MAX)
        && let Some(value) = line_value(&config, "tuneUseGlobalFileLocks")
    {
        facts.settings.insert("beegfs.tuneUseGlobalFileLocks".into(), value.into());
    }
}

fn settings(kind: Kind, read: impl Fn(&str) -> Option<String>) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for (_, name, path) in SETTINGS.iter().filter(|(of, ..)| *of == kind) {
        if let Some(value) = read(path) {
            // The kernel prints a text that is not set like this.
            let value = value.trim().trim_start_matches("(null)");
            found.insert((*name).to_owned(), value.to_owned());
        }
    }
    found
}

/// The value of `key` in a text of lines `key = value`; `#` begins a comment.
fn line_value<'a>(config: &'a str, key: &str) -> Option<&'a str> {
    let lines = config.lines().rev().map(|line| line.split('#').next().unwrap_or_default());
    lines
        .filter_map(|line| line.split_once('='))
        .find(|(k, _)| k.trim() == key)
        .map(|(_, v)| v.trim())
}

/// Where the whole file system is mounted, and not a part of it.
fn whole_of(facts: &HostFacts, table: &[Mount]) -> Option<PathBuf> {
    if facts.root == "/" {
        return Some(PathBuf::from(&facts.mount_point));
    }
    let whole = |mount: &&Mount| {
        mount.device == facts.device
            && mount.fs_type == facts.fs_type
            && mount.root == Path::new("/")
    };
    table.iter().find(whole).map(|mount| mount.mount_point.clone())
}

/// What a `GlusterFS` client tells of itself in a folder of the mount that no listing shows.
fn gluster_of(top: &Path) -> Option<GlusterFacts> {
    let meta = top.join(".meta");
    let volume = text(meta.join("graphs/active/volfile"), TABLE_BYTES_MAX)?;
    let arguments = text(meta.join("cmdline"), SETTING_BYTES_MAX).unwrap_or_default();
    let version = text(meta.join("version"), SETTING_BYTES_MAX).unwrap_or_default();
    Some(gluster::facts(&volume, &arguments, &version))
}

/// What would be told of a line of the table of mounts, and of nothing else.
#[cfg(test)]
pub(crate) fn of_line(line: &str) -> HostFacts {
    let mut facts = HostFacts { name: "here".into(), ..HostFacts::default() };
    if let Some(found) = mount::parse_table(line.as_bytes()).first() {
        describe(&mut facts, found);
    }
    if kind(&facts) == Kind::Nfs {
        facts.nfs = Some(nfs::facts(&facts, ""));
    }
    facts
}

#[cfg(test)]
mod tests;
