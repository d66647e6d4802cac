//! File systems of one host, and those that keep nothing.

use super::{EACH_TIME, MOUNT, Said, by_options, each, set, type_name};
use crate::check::Check;
use crate::facts::{Kind, kind};
use crate::finding::Told;
use crate::report::HostFacts;
use crate::stage::{Place, Stage, Trouble};

pub(super) const VOLATILE: Check = Check {
    id: "env.volatile",
    title: "files are kept on storage, and not in memory or in a layer over other files",
    how: "Takes the type from /proc/self/mountinfo, or the magic number of fstatfs.",
    why: "What a queue manager has acknowledged must still be there after the power went.",
    change: "Put the queue manager on a real file system; in a container, on a mounted volume.",
    run: |stage| each(stage, volatile),
    ..MOUNT
};

pub(super) const LOCAL: Check = Check {
    id: "env.local",
    title: "a file system of one host is used by one host",
    why: "A disk that two hosts mount at once is destroyed, unless its file system was made for that.",
    change: "Unmount it on one host at once; use NFS or a cluster file system for two.",
    runs: EACH_TIME,
    run: local,
    ..MOUNT
};

pub(super) const BARRIERS: Check = Check {
    id: "env.barriers",
    title: "a local file system makes the disk flush its cache",
    why: "Without it, what fsync has promised sits in the disk's memory when the power goes.",
    change: "Take the option away, and mount the file system anew.",
    run: |stage| by_options(stage, barriers),
    ..MOUNT
};

pub(super) fn volatile(facts: &HostFacts) -> Told {
    let name = type_name(facts);
    if kind(facts) == Kind::Volatile {
        let stacked =
            ["overlay", "overlayfs", "aufs", "unionfs", "fuse.fuse-overlayfs", "fuse.unionfs"];
        return Told::fail(if stacked.contains(&name.as_str()) {
            format!(
                "{name} lays one directory over another: a file becomes another one when it is first \
                 written, with other locks, and no other host has it. In a container it is gone with \
                 the container. Whatever else passes here, a queue manager must not be put on it."
            )
        } else {
            format!(
                "{name} keeps files in memory: they are gone when the host restarts, and no other host \
                 has them. Whatever else passes here, a queue manager must not be put on it."
            )
        });
    }
    let in_memory = ["/dev/ram", "/dev/zram"].iter().any(|disk| facts.source.starts_with(disk));
    if in_memory {
        let source = &facts.source;
        return Told::fail(format!(
            "{source} is a disk in memory: it is gone when the host restarts."
        ));
    }
    Told::pass(format!("{name} is neither memory of this host nor a layer over other files."))
}

fn local(stage: &Stage) -> Result<Told, Trouble> {
    let first = stage.facts(Place::First)?;
    if kind(first) == Kind::Local && stage.two_hosts() {
        let second = stage.facts(Place::Second)?;
        let known = !first.boot.is_empty() && !second.boot.is_empty();
        if known && first.boot != second.boot && kind(second) == Kind::Local {
            return Ok(Told::fail(format!(
                "{} can be mounted by one host at a time. If these are two mounts of one disk, it is \
                 being destroyed; otherwise they are two directories.",
                type_name(first)
            )));
        }
    }
    each(stage, one_host)
}

pub(super) fn one_host(facts: &HostFacts) -> Told {
    if kind(facts) != Kind::Local {
        return Told::not_applicable("It is not a local file system.");
    }
    let name = type_name(facts);
    match name.as_str() {
        "vfat" | "msdos" | "exfat" | "ntfs" | "ntfs3" | "hfsplus" => Told::warning(format!(
            "{name} has no owners and modes of its own, and survives no crash for certain."
        ))
        .changing("Use ext4 or xfs."),
        "ext2" => Told::warning("ext2 has no journal: after a crash it must be repaired first.")
            .changing("Use ext4 or xfs."),
        _ => Told::pass(format!(
            "{name} belongs to this host: another host can take over only with the disk itself, or a \
             replica of it."
        )),
    }
}

pub(super) fn barriers(facts: &HostFacts) -> Told {
    if kind(facts) != Kind::Local {
        return Told::not_applicable("It is not a local file system.");
    }
    let mut said = Said::new();
    let off = ["nobarrier", "barrier=0", "barrier=none", "barrier=off", "fsync_mode=nobarrier"];
    if let Some(option) = set(facts, &off) {
        said.fail(
            format!(
                "{option}: fsync does not make the disk write its cache, and acknowledged messages are \
                 lost with the power."
            ),
            format!("Take {option} away, and mount the file system anew."),
        );
    }
    if let Some(option) = set(facts, &["data=writeback", "journal_async_commit", "nointegrity"]) {
        said.warn(
            format!(
                "{option}: after a crash, files can hold blocks that were never written to them."
            ),
            format!("Take {option} away, and mount the file system anew."),
        );
    }
    if let Some(option) = set(facts, &["noload", "norecovery"]) {
        said.warn(
            format!("{option}: the journal was not replayed at the mount."),
            format!("Mount it without {option}."),
        );
    }
    if facts.fs_type == "zfs" {
        said.note("zfs: whether its property sync is disabled does not show here.");
    }
    said.told("No option keeps the disk from flushing its cache.")
}
