//! SMB, also called CIFS.

use super::{MOUNT, Said, by_options, set};
use crate::check::Check;
use crate::facts::{Kind, kind};
use crate::finding::Told;
use crate::report::HostFacts;

pub(super) const SMB: Check = Check {
    id: "env.smb",
    title: "an SMB share is mounted so that locks, data and owners are the server's",
    why: "SMB was made for other clients: locks, fsync and owners are what its options make of them.",
    change: "Use NFS 4.1 or later instead of SMB.",
    run: |stage| by_options(stage, judge),
    ..MOUNT
};

pub(super) fn judge(facts: &HostFacts) -> Told {
    if kind(facts) != Kind::Smb {
        return Told::not_applicable("It is not SMB.");
    }
    let mut said = Said::new();
    if facts.fs_type == "smbfs" {
        said.fail("smbfs: this old client has no locks between hosts.", "Use NFS 4.1 or later.");
    }
    if let Some(option) = set(facts, &["nobrl", "nolock"]) {
        said.fail(
            format!(
                "{option}: locks are not sent to the server, and two hosts can hold the same one."
            ),
            format!("Mount without {option}."),
        );
    }
    if facts.has_option("cache=loose") {
        said.fail(
            "cache=loose: data are believed that another host has changed since.",
            "Mount with cache=strict or cache=none.",
        );
    }
    if facts.has_option("nostrictsync") {
        said.fail(
            "nostrictsync: fsync does not make the server write its disk.",
            "Mount without nostrictsync.",
        );
    }
    if facts.has_option("forcemandatorylock") {
        said.warn(
            "forcemandatorylock: whoever reads without a lock what another has locked is refused.",
            "Mount without forcemandatorylock.",
        );
    }
    if let Some(version) = facts.option("vers").filter(|version| !version.starts_with('3')) {
        said.warn(
            format!(
                "vers={version}: before version 3, open files and locks do not survive a short cut."
            ),
            "Mount with vers=3.1.1.",
        );
    }
    if facts.has_option("soft") {
        said.warn("soft: calls end with an error when the server is away.", "Mount with hard.");
    }
    if let Some(option) = set(facts, &["noperm", "forceuid", "forcegid"]) {
        said.warn(format!("{option}: owners and modes are not those of the server."), "");
    }
    said.warn(
        "SMB: a queue manager is not supported on it on this system; the tests on two hosts and failures \
         decide.",
        "Use NFS 4.1 or later instead of SMB.",
    );
    said.told("")
}
