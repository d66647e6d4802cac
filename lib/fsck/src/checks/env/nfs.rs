//! NFS.

use super::{MOUNT, Said, by_options, number, set};
use crate::check::Check;
use crate::facts::{Kind, kind};
use crate::finding::Told;
use crate::report::HostFacts;

pub(super) const VERSION: Check = Check {
    id: "env.nfs-version",
    title: "NFS is of version 4",
    why: "Before version 4 the locks of a host that died stay until it comes back, so nobody takes over.",
    change: "Mount with vers=4.1 or vers=4.2.",
    run: |stage| by_options(stage, version),
    ..MOUNT
};

pub(super) const LOCKS: Check = Check {
    id: "env.nfs-locks",
    title: "the locks of NFS are kept by the server",
    why: "A lock that only the own host knows does not keep the other host's instance out.",
    change: "Mount without nolock and local_lock.",
    run: |stage| by_options(stage, locks),
    ..MOUNT
};

pub(super) const SOFT: Check = Check {
    id: "env.nfs-soft",
    title: "NFS waits for its server and does not give up",
    why: "A call that gives up has perhaps been done all the same; later writes can fail silently.",
    change: "Mount with hard.",
    run: |stage| by_options(stage, soft),
    ..MOUNT
};

pub(super) const CACHE: Check = Check {
    id: "env.nfs-cache",
    title: "NFS asks its server before it uses what it remembers",
    why: "The instance that takes over must see what the other one wrote last, not what it saw before.",
    change: "Mount without these options.",
    run: |stage| by_options(stage, cache),
    ..MOUNT
};

pub(super) const TRANSPORT: Check = Check {
    id: "env.nfs-transport",
    title: "NFS runs over a reliable connection with reasonable time-outs",
    why: "Lost datagrams and early time-outs look like a dead server.",
    change: "Mount with proto=tcp, and without timeo.",
    run: |stage| by_options(stage, transport),
    ..MOUNT
};

pub(super) const LEASE: Check = Check {
    id: "env.nfs-lease",
    title: "it is known when the server gives up a host that is silent",
    how: "Reads lease_time in /proc/self/mountstats.",
    why: "So long, and not shorter, a standby instance waits for the locks of a host that died.",
    change: "Set a shorter lease on the server.",
    run: |stage| by_options(stage, lease),
    ..MOUNT
};

pub(super) const LOST_LOCKS: Check = Check {
    id: "env.nfs-lost-locks",
    title: "the NFS client does not take lost locks back by itself",
    how: "Reads /sys/module/nfs/parameters/recover_lost_locks.",
    why: "A host that was cut off would go on to write over what the other host has written since.",
    change: "Set the parameter recover_lost_locks of the module nfs to N, and mount anew.",
    run: |stage| by_options(stage, lost_locks),
    ..MOUNT
};

pub(super) const EXPORT: Check = Check {
    id: "env.nfs-export",
    title: "the server writes before it answers (export option sync)",
    how: "It cannot be seen from a client: only a crash of the server shows it.",
    why: "A server that exports with async loses what it has acknowledged when it crashes.",
    change: "Export with sync.",
    run: |stage| by_options(stage, export),
    ..MOUNT
};

fn is_nfs(facts: &HostFacts) -> Result<(), Told> {
    if kind(facts) == Kind::Nfs { Ok(()) } else { Err(Told::not_applicable("It is not NFS.")) }
}

/// Major and minor version.
fn numbers(facts: &HostFacts) -> Option<(u32, u32)> {
    facts.nfs.as_ref()?.numbers()
}

pub(super) fn version(facts: &HostFacts) -> Told {
    if let Err(told) = is_nfs(facts) {
        return told;
    }
    match numbers(facts) {
        Some((major @ ..4, _)) => Told::fail(format!(
            "vers={major}: the locks of a host that died are not released, so a standby instance never \
             takes over."
        )),
        Some((4, 0)) => Told::pass(
            "vers=4.0: good; a host that waits for a lock notices up to 30 s later that it is free, \
             where 4.1 can be told at once.",
        ),
        Some((major, minor)) => Told::pass(format!("vers={major}.{minor}.")),
        None => Told::not_tested("The mount does not tell its version."),
    }
}

pub(super) fn locks(facts: &HostFacts) -> Told {
    if let Err(told) = is_nfs(facts) {
        return told;
    }
    let mut said = Said::new();
    if let Some(option) = set(facts, &["nolock", "local_lock=all", "local_lock=posix"]) {
        said.fail(
            format!(
                "{option}: locks are kept on this host only, and two hosts can hold the same one. Both \
                 instances would be active."
            ),
            format!("Mount without {option}; better, with vers=4.2."),
        );
    }
    if facts.has_option("local_lock=flock") {
        said.note(
            "local_lock=flock: flock is local, fcntl locks, which queue managers use, are not.",
        );
    }
    said.told("Locks are kept by the server.")
}

pub(super) fn soft(facts: &HostFacts) -> Told {
    if let Err(told) = is_nfs(facts) {
        return told;
    }
    let mut said = Said::new();
    if let Some(option) = set(facts, &["soft", "softerr"]) {
        let error = if option == "soft" { "EIO" } else { "ETIMEDOUT" };
        said.warn(
            format!(
                "{option}: calls end with {error} when the server is away for some time. The queue \
                 manager then ends instead of waiting, and what it wrote before may be lost without \
                 another error."
            ),
            format!("Mount with hard instead of {option}."),
        );
    }
    if facts.has_option("softreval") {
        said.warn(
            "softreval: while the server is away, what was seen of files before is told again.",
            "Mount without softreval.",
        );
    }
    said.told("hard: calls wait until the server is back.")
}

/// Attributes are believed this long by default, in seconds.
const ATTRIBUTES_SECONDS: u64 = 60;

pub(super) fn cache(facts: &HostFacts) -> Told {
    if let Err(told) = is_nfs(facts) {
        return told;
    }
    let mut said = Said::new();
    if facts.has_option("nocto") {
        said.warn(
            "nocto: a file that is opened is not compared with the server, so its newest data and size \
             can be missing after a takeover.",
            "Mount without nocto.",
        );
    }
    for option in ["acregmax", "acdirmax", "actimeo"] {
        if let Some(seconds) = number(facts, option).filter(|it| *it > ATTRIBUTES_SECONDS) {
            said.warn(
                format!("{option}={seconds} (or actimeo): sizes and names can be {seconds} s old."),
                format!("Mount without {option} and actimeo: the default is at most 60 s."),
            );
        }
    }
    if facts.has_option("fsc") {
        said.warn(
            "fsc: file data are also cached on a disk of this host.",
            "Mount without fsc: a queue manager reads little twice.",
        );
    }
    for option in ["noac", "sync", "lookupcache=none", "lookupcache=pos"] {
        if facts.has_option(option) {
            said.note(format!("{option}: safe, at the price of speed."));
        }
    }
    said.told("Caching is as NFS has it by default.")
}

/// Tenths of a second, as the option has them. The default is 600 over TCP.
const TIMEO_MIN: u64 = 100;

pub(super) fn transport(facts: &HostFacts) -> Told {
    if let Err(told) = is_nfs(facts) {
        return told;
    }
    let mut said = Said::new();
    if let Some(option) = set(facts, &["udp", "proto=udp", "proto=udp6"]) {
        said.warn(
            format!("{option}: lost and mixed-up fragments can damage data unnoticed."),
            "Mount with proto=tcp.",
        );
    } else if let Some(timeo) = number(facts, "timeo").filter(|it| *it < TIMEO_MIN) {
        let seconds = timeo / 10;
        said.warn(
            format!("timeo={timeo}: after {seconds} s a request counts as lost, which a busy server can need."),
            "Mount without timeo: the default is 60 s.",
        );
    }
    if let Some(sec) = facts.option("sec").filter(|sec| sec.starts_with("krb5")) {
        said.warn(
            format!(
                "sec={sec}: the queue manager's user needs a ticket at any time; when it expires, every \
                 call fails."
            ),
            "Give the user a key table, and let tickets be renewed without a person.",
        );
    }
    said.told("The connection is as NFS has it by default.")
}

/// A takeover takes about as long as the lease, and few want to wait longer than this.
const LEASE_SECONDS: u32 = 120;

pub(super) fn lease(facts: &HostFacts) -> Told {
    if let Err(told) = is_nfs(facts) {
        return told;
    }
    if numbers(facts).is_some_and(|(major, _)| major < 4) {
        return Told::not_applicable("Only version 4 of NFS has leases.");
    }
    match facts.nfs.as_ref().and_then(|nfs| nfs.lease_seconds) {
        None | Some(0) => {
            Told::not_tested("The kernel does not tell the lease (/proc/self/mountstats).")
        }
        Some(seconds @ ..=LEASE_SECONDS) => Told::pass(format!(
            "The lease is {seconds} s: so long after a host's last sign its locks are free, and a \
             standby instance takes over."
        )),
        Some(seconds) => Told::warning(format!(
            "The lease is {seconds} s: a standby instance waits so long for a host that died."
        )),
    }
}

pub(super) fn lost_locks(facts: &HostFacts) -> Told {
    if let Err(told) = is_nfs(facts) {
        return told;
    }
    match facts.settings.get("nfs.recover_lost_locks").map(String::as_str) {
        Some("Y" | "y" | "1") => Told::fail(
            "recover_lost_locks=1: a host that was cut off longer than its lease takes its locks back \
             and writes on, although another host may have had them meanwhile.",
        ),
        Some(_) => Told::pass("A lock that was lost stays lost, and the next call says so."),
        None => Told::not_tested("The module's parameter recover_lost_locks is not shown in /sys."),
    }
}

pub(super) fn export(facts: &HostFacts) -> Told {
    if let Err(told) = is_nfs(facts) {
        return told;
    }
    Told::not_tested(
        "No client can see whether the server exports with sync or async: a crash of the server in the \
         go-live procedure shows it.",
    )
}
