//! File systems in user space, and folders that a hypervisor hands through.

use super::{EACH_TIME, MOUNT, each, type_name};
use crate::check::Check;
use crate::facts::{Kind, kind};
use crate::finding::{Told, Verdict};
use crate::report::HostFacts;
use crate::stage::{Stage, Trouble};

pub(super) const FUSE: Check = Check {
    id: "env.fuse",
    title: "a file system in user space has locks between hosts",
    why: "The kernel keeps locks on the own host, and says nothing, if the program behind has none.",
    change: "Run the tests with a second host (-w, -c, or --with): they decide.",
    runs: EACH_TIME,
    run,
    ..MOUNT
};

/// Programs of which it is known that locks stay on the host.
const WITHOUT_LOCKS: &[(&str, &str)] = &[
    ("fuse.sshfs", "sshfs"),
    ("fuse.s3fs", "s3fs"),
    ("fuse.rclone", "rclone"),
    ("fuse.gcsfuse", "gcsfuse"),
    ("fuse.goofys", "goofys"),
    ("fuse.geesefs", "geesefs"),
    ("fuse.mountpoint-s3", "mountpoint-s3"),
    ("fuse.blobfuse", "blobfuse"),
    ("fuse.blobfuse2", "blobfuse2"),
    ("fuse.davfs", "davfs2"),
    ("fuse.davfs2", "davfs2"),
    ("fuse.curlftpfs", "curlftpfs"),
    ("fuse.gvfsd-fuse", "gvfs"),
    ("fuse.osxfs", "osxfs"),
    ("fuse.grpcfuse", "grpcfuse"),
];

/// Programs of which it is known that locks are their servers'.
const WITH_LOCKS: &[&str] = &["fuse.glusterfs", "fuse.ceph", "fuse.ceph-fuse"];

fn run(stage: &Stage) -> Result<Told, Trouble> {
    let told = each(stage, judge)?;
    // On two hosts the checks of locks tell, and this one has no more to warn of.
    if stage.two_hosts() && told.verdict == Verdict::Warning {
        return Ok(Told::pass(
            "The checks of locks on these two hosts tell whether locks are shared.",
        ));
    }
    Ok(told)
}

pub(super) fn judge(facts: &HostFacts) -> Told {
    let name = type_name(facts);
    if let Some((_, program)) = WITHOUT_LOCKS.iter().find(|(of, _)| *of == name) {
        return Told::fail(format!(
            "{program} has no locks between hosts: each host's kernel keeps its own, and two hosts can \
             hold the same one."
        ))
        .changing("Use NFS 4.1 or later, a cluster file system, or replicated GlusterFS.");
    }
    if WITH_LOCKS.contains(&name.as_str()) {
        return Told::pass(format!("{name} keeps locks on its servers."));
    }
    match kind(facts) {
        Kind::Guest => Told::warning(format!(
            "{name} hands a folder of the host machine through: locks may be granted to everybody or \
             kept in this guest only. Tests on one host cannot tell."
        )),
        Kind::Fuse if name == "fuseblk" => Told::warning(
            "fuseblk: a local disk behind a program; its locks are this host's, and durability is what \
             the program makes of it.",
        )
        .changing("Use ext4 or xfs."),
        Kind::Fuse => Told::warning(format!(
            "{name} is a program: locks may be kept on this host only, and tests on one host cannot \
             tell."
        )),
        _ => Told::not_applicable("It is not a file system in user space."),
    }
}
