//! `GlusterFS`: what of the safe profile shows in the client.

use super::{MOUNT, Said, by_options};
use crate::check::Check;
use crate::facts::{GlusterFacts, Kind, is_on, kind};
use crate::finding::Told;
use crate::report::HostFacts;

pub(super) const PROFILE: Check = Check {
    id: "env.gluster",
    title: "a GlusterFS volume has the settings that fence lost locks and keep caches coherent",
    how: "Reads the graph and the arguments that the client shows in .meta at the top of the mount.",
    why: "As delivered, a host that was cut off keeps writing after it has lost its lock, and a standby \
          reads old and truncated files under a lock that it has just taken.",
    change: "Set the options of the safe profile on the volume, and mount with direct-io-mode=yes, \
             attribute-timeout=0, entry-timeout=0 on both hosts.",
    run: |stage| by_options(stage, judge),
    ..MOUNT
};

/// Translators that serve or keep data of their own, and the options that switch them off.
const CACHES: &[(&str, &str)] = &[
    ("performance/write-behind", "performance.write-behind"),
    ("performance/open-behind", "performance.open-behind"),
    ("performance/quick-read", "performance.quick-read"),
    ("performance/md-cache", "performance.stat-prefetch"),
    ("performance/io-cache", "performance.io-cache"),
    ("performance/read-ahead", "performance.read-ahead"),
    ("performance/nl-cache", "performance.nl-cache"),
];

/// A host or a brick that is silent so long is given up by its clients; the default is 42.
const PING_SECONDS: u32 = 15;

pub(super) fn judge(facts: &HostFacts) -> Told {
    let may_be = facts.fs_type.is_empty() && kind(facts) == Kind::Fuse;
    if facts.fs_type != "fuse.glusterfs" && !may_be {
        return Told::not_applicable("It is not GlusterFS.");
    }
    let Some(client) = &facts.gluster else {
        return Told::warning(
            "The client does not show its settings (.meta at the top of the mount), so it cannot be told \
             whether the volume has the default profile, with which it must not be used.",
        )
        .changing(
            "Make sure that the volume has client.strict-locks on, network.ping-timeout 5 and \
             performance.write-behind, open-behind, quick-read and stat-prefetch off, and that it is \
             mounted with direct-io-mode=yes, attribute-timeout=0, entry-timeout=0.",
        );
    };
    let mut said = Said::new();
    let caches: Vec<_> =
        CACHES.iter().filter(|(kind, _)| client.runs(kind)).map(|(_, name)| *name).collect();
    if !client.strict_locks && caches.len() >= 3 {
        said.fail("This is the default profile of GlusterFS.", "");
    }
    volume(client, &caches, &mut said);
    mount(client, &mut said);
    replicas(client, &mut said);
    said.told(
        "The settings that a client can see are those of the safe profile; server.tcp-user-timeout and \
         server.keepalive-* do not show here.",
    )
}

fn volume(client: &GlusterFacts, caches: &[&str], said: &mut Said) {
    if !client.strict_locks {
        said.fail(
            "client.strict-locks off: a host that was cut off and has lost its lock writes on over the \
             other host's data.",
            "Set client.strict-locks on.",
        );
    }
    if !caches.is_empty() {
        let names = caches.join(", ");
        said.fail(
            format!(
                "{names} on: the client shows old data, and acknowledges writes it has not made."
            ),
            format!("Set {names} off."),
        );
    }
    if let Some(seconds) = client.ping_timeout_seconds.filter(|it| *it > PING_SECONDS) {
        said.warn(
            format!(
                "network.ping-timeout {seconds}: a silent brick stalls every call for up to {} s.",
                u64::from(seconds) * 2
            ),
            "Set network.ping-timeout 5.",
        );
    }
}

fn mount(client: &GlusterFacts, said: &mut Said) {
    let zero = |name| client.argument(name).is_some_and(|value| value.parse() == Ok(0.0));
    let mut missing = Vec::new();
    if !client.argument("direct-io-mode").is_some_and(is_on) {
        missing.push("direct-io-mode=yes");
    }
    if !zero("attribute-timeout") {
        missing.push("attribute-timeout=0");
    }
    if !zero("entry-timeout") {
        missing.push("entry-timeout=0");
    }
    if !missing.is_empty() {
        let options = missing.join(",");
        said.fail(
            format!("Mounted without {options}: a host that has looked at a file before reads its old end."),
            format!("Mount with {options} on both hosts."),
        );
    }
}

fn replicas(client: &GlusterFacts, said: &mut Said) {
    let none = client.quorum_type == "none";
    match client.replicas {
        // Dispersed volumes have redundancy of another kind.
        0 if client.runs("cluster/disperse") => {}
        0 => said.warn(
            "The volume is not replicated: with a server its part of the data is gone.",
            "Use replica 3, or replica 3 arbiter 1.",
        ),
        1 | 2 => said.fail(
            "replica 2: a cut between the servers makes two active instances, or, with quorum, one \
             server's loss ends the service.",
            "Use replica 3, or replica 3 arbiter 1.",
        ),
        _ if none => said.fail(
            "cluster.quorum-type none: both sides of a cut can write.",
            "Set cluster.quorum-type auto.",
        ),
        _ => {}
    }
}
