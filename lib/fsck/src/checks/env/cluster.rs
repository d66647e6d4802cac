//! Cluster and parallel file systems.

use super::{MOUNT, Said, by_options, set};
use crate::check::Check;
use crate::facts::{Kind, is_on, kind};
use crate::finding::Told;
use crate::report::HostFacts;

pub(super) const LOCKS: Check = Check {
    id: "env.cluster-locks",
    title: "the locks of a cluster file system are known to all of its hosts",
    why: "A lock that only the own host knows does not keep the other host's instance out.",
    change: "Take the option away, and mount the file system anew on all hosts.",
    run: |stage| by_options(stage, judge),
    ..MOUNT
};

pub(super) fn judge(facts: &HostFacts) -> Told {
    if kind(facts) != Kind::Cluster {
        return Told::not_applicable("It is not a cluster file system.");
    }
    let mut said = Said::new();
    let local =
        ["localflocks", "localflock", "localcaching", "lockproto=lock_nolock", "local_lock"];
    if let Some(option) = set(facts, &local) {
        said.fail(
            format!(
                "{option}: locks are kept on this host only, and two hosts can hold the same one."
            ),
            format!("Mount without {option} on all hosts."),
        );
    }
    match facts.fs_type.as_str() {
        "ocfs2"
            if facts.settings.get("ocfs2.cluster_stack").is_some_and(|stack| stack == "o2cb") =>
        {
            said.fail(
                "o2cb: with this cluster stack fcntl locks, which queue managers use, are kept on \
                     each host by itself.",
                "Run ocfs2 with the stack of pacemaker and corosync (pcmk).",
            );
        }
        "lustre" => lustre(facts, &mut said),
        "ceph" => {
            if facts.has_option("recover_session=clean") {
                said.note(
                    "recover_session=clean: a host that was shut out comes back by itself; files with \
                     locks give EIO until they are closed.",
                );
            }
            said.note(
                "ceph: a host that died is shut out after session_autoclose, 300 s by default, and so \
                 long a standby instance waits.",
            );
        }
        "beegfs" => beegfs(facts, &mut said),
        "pvfs2" | "orangefs" => {
            said.fail(
                format!("{}: it has no locks between hosts.", facts.fs_type),
                "Use a file system that has them.",
            );
        }
        _ => {}
    }
    said.told("No option keeps locks on one host.")
}

fn lustre(facts: &HostFacts, said: &mut Said) {
    if facts.has_option("noflock") {
        said.fail("noflock: there are no locks at all.", "Mount with flock on all hosts.");
    } else if !facts.has_option("flock") && !facts.has_option("localflock") {
        said.note(
            "lustre: the option flock is not shown; the checks of locks tell whether it is on.",
        );
    }
}

fn beegfs(facts: &HostFacts, said: &mut Said) {
    match facts.settings.get("beegfs.tuneUseGlobalFileLocks") {
        Some(value) if is_on(value) => {}
        Some(value) => said.fail(
            format!(
                "tuneUseGlobalFileLocks = {value}: locks are kept on this host only, and two hosts can \
                 hold the same one."
            ),
            "Set tuneUseGlobalFileLocks = true in the client's configuration on all hosts.",
        ),
        None => said.warn(
            "beegfs: locks are kept on each host by itself unless the client's configuration says \
             tuneUseGlobalFileLocks = true, which could not be read.",
            "Set tuneUseGlobalFileLocks = true in the client's configuration on all hosts.",
        ),
    }
}
