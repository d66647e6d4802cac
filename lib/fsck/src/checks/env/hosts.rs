//! Two hosts: whether they are in the same directory, are two, and have mounted it alike.

use std::collections::BTreeSet;
use std::time::Duration;

use miqm_sys::probe::{Attributes, How};

use super::{MOUNT, Said, TWO_HOSTS, line};
use crate::call::{Bytes, Call, Value, Want};
use crate::check::Check;
use crate::checks::tools::{self, must_all};
use crate::facts::{Kind, kind};
use crate::finding::{Evidence, Told};
use crate::report::HostFacts;
use crate::stage::{Actor, Place, Stage, Trouble};

pub(super) const SAME_DIRECTORY: Check = Check {
    id: "env.same-directory",
    title: "both hosts are in the same directory",
    how: "Each host writes a file that only it can know; the other one must read it.",
    why: "Two directories by mistake (another export, another server, an unmounted one) pass every test \
          of one host.",
    change: "Mount the same export of the same server on both hosts.",
    needs: &["env.statfs"],
    runs: TWO_HOSTS,
    required: true,
    run: same_directory,
};

pub(super) const TWO_HOSTS_CHECK: Check = Check {
    id: "env.two-hosts",
    title: "the two copies run on two hosts",
    how: "Compares the kernels' boot ids (where /proc is missing, the hosts' names) and the device \
          numbers of the directory.",
    why: "Two copies behind one kernel and one mount share its caches and locks, whatever the storage does.",
    change: "Run the second copy on the other host. If you only want to see how the test works, add \
             --one-host.",
    runs: TWO_HOSTS,
    required: true,
    run: |stage| {
        let (first, second) = (stage.facts(Place::First)?, stage.facts(Place::Second)?);
        Ok(two_hosts(first, second, stage.one_host_meant()))
    },
    ..MOUNT
};

pub(super) const SAME_OPTIONS: Check = Check {
    id: "env.same-options",
    title: "both hosts have mounted it alike",
    how: "Compares types, versions and options of the two mounts.",
    why: "What was tested from one host to the other must hold the other way round, too.",
    change: "Mount it with the same options on both hosts.",
    runs: TWO_HOSTS,
    run: |stage| Ok(same_options(stage.facts(Place::First)?, stage.facts(Place::Second)?)),
    ..MOUNT
};

pub(super) const SAME_IDENTITY: Check = Check {
    id: "env.same-identity",
    title: "the server can tell the two hosts apart",
    how: "Compares the hosts' names and the ids that NFS adds to them.",
    why: "NFS servers keep locks by the client's name: of two with one name, each makes the other lose its locks.",
    change: "Give each host a name of its own, or set the parameter nfs4_unique_id of the module nfs.",
    runs: TWO_HOSTS,
    run: |stage| Ok(same_identity(stage.facts(Place::First)?, stage.facts(Place::Second)?)),
    ..MOUNT
};

/// How long the bytes are that only one host can know.
const NONCE_BYTES: u32 = 64;

fn same_directory(stage: &Stage) -> Result<Told, Trouble> {
    let (first, second) = (stage.facts(Place::First)?, stage.facts(Place::Second)?);
    let (mut one, mut two) = stage.pair()?;
    let mut said = Said::new();
    for swapped in [false, true] {
        let name = stage.name("same");
        let (writer, reader) = if swapped { (&mut two, &mut one) } else { (&mut one, &mut two) };
        match handed_over(stage, writer, reader, &name)? {
            Err(told) => return Ok(told),
            Ok((written, read)) if written.inode != read.inode => said.warn(
                format!(
                    "The same file has number {} on {} and {} on {}.",
                    written.inode,
                    writer.host_name(),
                    read.inode,
                    reader.host_name()
                ),
                "Mount so that numbers of files are the server's (SMB: serverino).",
            ),
            Ok(_) => {}
        }
    }
    if let (Some(a), Some(b)) = (first.space, second.space)
        && a.blocks.saturating_mul(a.block_bytes) != b.blocks.saturating_mul(b.block_bytes)
    {
        said.note(format!(
            "Only the size of the file system is not told alike by {} and {}.",
            first.name, second.name
        ));
    }
    Ok(said.told("What one host writes is what the other one reads, under the same number."))
}

/// Hands a file over; what both say of it, or what failed.
fn handed_over(
    stage: &Stage,
    writer: &mut Actor,
    reader: &mut Actor,
    name: &str,
) -> Result<Result<(Attributes, Attributes), Told>, Trouble> {
    let bytes = nonce(stage, name);
    let values = must_all(
        writer,
        vec![
            Call::Open { fd: 0, name: name.to_owned(), how: How::NEW },
            Call::Write { fd: 0, at: 0, bytes: bytes.clone() },
            Call::Fsync { fd: 0 },
            Call::StatFd { fd: 0 },
            Call::Close { fd: 0 },
        ],
    )?;
    let limit = stage.limits().change;
    let call = tools::open(0, name, How::RO);
    let text = call.to_string();
    let waited = tools::until(reader, vec![call], Want::Done, limit)?;
    let (from, to) = (writer.host_name().to_owned(), reader.host_name().to_owned());
    if !waited.came {
        let evidence = Evidence { call: text, ..Evidence::note("it did not appear") };
        let summary = format!(
            "A file that {from} made was not there on {to} within {:.0} s: these are two directories.",
            limit.as_secs_f64()
        );
        return Ok(Err(
            Told::fail(summary).with(evidence.host(to).file(name).seconds(waited.seconds))
        ));
    }
    if !read_in_time(reader, &bytes, limit.min(Duration::from_secs(10)))? {
        let evidence =
            Evidence::note("other bytes than were written and synced").host(&to).file(name);
        let summary = format!("A file that {from} wrote has other bytes on {to}.");
        return Ok(Err(Told::fail(summary).with(evidence)));
    }
    let read = must_all(reader, vec![Call::StatFd { fd: 0 }, Call::Close { fd: 0 }])?;
    Ok(Ok((attributes(values), attributes(read))))
}

/// Bytes that depend on this run.
fn nonce(stage: &Stage, name: &str) -> Bytes {
    let text = format!("{}{name}", stage.folder());
    let seed = text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    Bytes::Seeded(seed, NONCE_BYTES)
}

fn read_in_time(reader: &mut Actor, bytes: &Bytes, limit: Duration) -> Result<bool, Trouble> {
    let call = Call::Read { fd: 0, at: 0, bytes: NONCE_BYTES + 1 };
    Ok(tools::until(reader, vec![call], Want::Bytes(bytes.clone()), limit)?.came)
}

fn attributes(values: Vec<Value>) -> Attributes {
    let found = |value| if let Value::Attributes(found) = value { Some(found) } else { None };
    values.into_iter().find_map(found).unwrap_or_default()
}

/// `meant` is whether the user has said that one host is meant.
fn two_hosts(first: &HostFacts, second: &HostFacts, meant: bool) -> Told {
    const ONE: &str = "Both copies run on one host and use one mount: caches and locks are those of this \
                       host, and nothing is shown about two hosts.";
    let known = !first.boot.is_empty() && !second.boot.is_empty();
    let one = if known {
        first.boot == second.boot
    } else {
        !first.node.is_empty() && first.node == second.node
    };
    match (one, first.device == second.device) {
        (true, true) if meant => Told::warning(ONE),
        (true, true) => Told::not_tested(ONE),
        (true, false) => Told::pass(
            "Both copies run on one host, through two mounts: for two hosts run it on two.",
        ),
        (false, _) if known => Told::pass("These are two hosts."),
        (false, _) => Told::warning(
            "A host does not tell its kernel's boot id (/proc), so it is not certain that they are two.",
        ),
    }
}

/// Options that say who the host is, or that only it is concerned with.
const OWN: &[&str] = &[
    "clientaddr",
    "addr",
    "mountaddr",
    "mountport",
    "port",
    "relatime",
    "noatime",
    "nodiratime",
    "strictatime",
    "lazytime",
    "nosuid",
    "nodev",
    "noexec",
    "seclabel",
    "context",
    "fscontext",
    "rootcontext",
    "defcontext",
    "user_id",
    "group_id",
    "username",
    "name",
    "nconnect",
    "wsync",
];

fn shared_options(facts: &HostFacts) -> BTreeSet<&str> {
    let own = |option: &&str| OWN.contains(&option.split('=').next().unwrap_or_default());
    facts.options.split(',').filter(|option| !option.is_empty() && !own(option)).collect()
}

fn same_options(first: &HostFacts, second: &HostFacts) -> Told {
    if first.fs_type.is_empty() || second.fs_type.is_empty() {
        return Told::not_tested("The options of a mount are not known; see env.mount.");
    }
    let lines = [first, second].map(|facts| Evidence::note(line(facts)).host(&facts.name));
    if first.fs_type != second.fs_type {
        let types =
            format!("{} on {}, {} on {}", first.fs_type, first.name, second.fs_type, second.name);
        return Told::warning(format!("The types differ: {types}.")).with_all(lines);
    }
    let (one, two) = (shared_options(first), shared_options(second));
    let list = |options: Vec<&&str>| options.into_iter().copied().collect::<Vec<_>>().join(",");
    let only = [(first, one.difference(&two)), (second, two.difference(&one))];
    let mut said = Vec::new();
    for (facts, options) in only {
        let options = list(options.collect());
        if !options.is_empty() {
            said.push(format!("Only {} has {options}.", facts.name));
        }
    }
    if first.gluster.as_ref().map(arguments) != second.gluster.as_ref().map(arguments) {
        said.push("The GlusterFS clients have been started with other options.".to_owned());
    }
    if said.is_empty() {
        let told = Told::pass("Type and options of the two mounts are the same.");
        // One server may have several names and addresses.
        let other = first.source != second.source;
        return if other { told.with_all(lines) } else { told };
    }
    Told::warning(said.join(" ")).with_all(lines)
}

/// The arguments of a client that matter to what it does with files.
fn arguments(client: &crate::facts::GlusterFacts) -> BTreeSet<&str> {
    let own = ["--log-", "--pid-file", "--volfile-", "--process-name", "--no-daemon"];
    let matters = |argument: &&str| {
        argument.starts_with("--") && !own.iter().any(|prefix| argument.starts_with(prefix))
    };
    client.arguments.iter().map(String::as_str).filter(matters).collect()
}

fn same_identity(first: &HostFacts, second: &HostFacts) -> Told {
    if !first.boot.is_empty() && first.boot == second.boot {
        return Told::not_applicable("Both copies run on one host.");
    }
    if first.node.is_empty() || first.node != second.node {
        return Told::pass("The hosts have names of their own.");
    }
    let name = &first.node;
    let ids = |facts: &HostFacts| {
        let id = |key: &str| facts.settings.get(key).cloned().unwrap_or_default();
        (id("nfs.nfs4_unique_id"), id("nfs.identifier"))
    };
    if kind(first) != Kind::Nfs || ids(first) != ids(second) {
        return Told::warning(format!(
            "Both hosts call themselves {name}: whoever reads a log or a \
            status cannot tell them apart."
        ))
        .changing("Give each host a name of its own.");
    }
    Told::warning(format!(
        "Both hosts call themselves {name}, and have the same id for NFS: the server takes them for one \
         client, and drops the locks of one when the other connects."
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(name: &str, boot: &str, options: &str) -> HostFacts {
        HostFacts {
            name: name.into(),
            node: name.into(),
            boot: boot.into(),
            fs_type: "nfs4".into(),
            options: options.into(),
            ..HostFacts::default()
        }
    }

    #[test]
    fn one_host_that_plays_two_is_noticed() {
        use crate::Verdict::{NotTested, Pass, Warning};
        let a = facts("a", "1", "");
        assert_eq!(two_hosts(&a, &facts("b", "2", ""), false).verdict, Pass);
        assert_eq!(two_hosts(&a, &facts("b", "1", ""), false).verdict, NotTested);
        assert_eq!(two_hosts(&a, &facts("b", "1", ""), true).verdict, Warning);
        let other = HostFacts { device: 7, ..facts("b", "1", "") };
        let told = two_hosts(&a, &other, false);
        assert_eq!(told.verdict, Pass);
        assert!(told.summary.contains("one host"));
        // Without boot ids: hosts in one root without /proc have one name, whatever they are called here.
        assert_eq!(two_hosts(&a, &facts("b", "", ""), false).verdict, Warning);
        let nameless = facts("", "", "");
        assert_eq!(two_hosts(&nameless, &nameless, false).verdict, Warning);
        let same = HostFacts { node: "a".into(), ..facts("b", "", "") };
        assert_eq!(two_hosts(&a, &same, false).verdict, NotTested);
    }

    #[test]
    fn options_of_one_host_only_are_named() {
        use crate::Verdict::{Pass, Warning};
        let a = facts("a", "1", "rw,relatime,vers=4.2,clientaddr=10.0.0.1");
        let b = facts("b", "2", "rw,vers=4.2,noatime,clientaddr=10.0.0.2");
        assert_eq!(same_options(&a, &b).verdict, Pass);
        let told = same_options(&a, &facts("b", "2", "rw,vers=4.1,nocto"));
        assert_eq!(told.verdict, Warning);
        assert_eq!(told.summary, "Only a has vers=4.2. Only b has nocto,vers=4.1.");
        let told = same_options(&a, &HostFacts { fs_type: "nfs".into(), ..b });
        assert_eq!(told.summary, "The types differ: nfs4 on a, nfs on b.");
    }

    #[test]
    fn hosts_of_one_name_are_told_so_unless_nfs_has_other_ids() {
        use crate::Verdict::{NotApplicable, Pass, Warning};
        let (a, b) = (facts("a", "1", ""), facts("b", "2", ""));
        assert_eq!(same_identity(&a, &b).verdict, Pass);
        assert_eq!(same_identity(&a, &facts("a", "1", "")).verdict, NotApplicable);
        let mut clone = facts("a", "2", "");
        let told = same_identity(&a, &clone);
        assert_eq!(told.verdict, Warning);
        assert!(told.summary.contains("one client"));
        clone.settings.insert("nfs.nfs4_unique_id".into(), "x".into());
        assert!(!same_identity(&a, &clone).summary.contains("one client"));
    }
}
