//! Owners, modes and groups.

use miqm_sys::probe::{Attributes, How};

use super::tools::{self, attributes, errno, must_all, open, stat};
use crate::call::{Call, Value};
use crate::check::{Check, Runs};
use crate::facts::{Kind, kind};
use crate::finding::{Evidence, Told};
use crate::stage::{Actor, Place, Stage, Trouble};

const BASE: Check = Check {
    id: "",
    title: "",
    how: "",
    why: "Instances on two hosts share their files by owner, group and mode, and nothing else.",
    change: "See how the server maps users and groups, and mount without options that set owners or modes.",
    needs: &["env.statfs", "error.full"],
    runs: Runs::BASIC,
    required: true,
    run: |_| Ok(Told::not_applicable("Nothing is asked.")),
};

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "perm.create-owner",
        title: "a new file belongs to who made it",
        how: "Makes a file and a directory, and compares their owner with the user of the test.",
        run: create_owner,
        ..BASE
    },
    Check {
        id: "perm.mode",
        title: "new files and directories have the mode that was asked for",
        how: "Makes files and directories of several modes with a umask of 0.",
        why: "Too little keeps the other instance out; too much lets everybody read messages.",
        change: "Mount without options that set modes (file_mode, dir_mode, umask), and look for a default \
                 ACL on the directory.",
        run: mode,
        ..BASE
    },
    Check {
        id: "perm.chmod",
        title: "the owner can change modes",
        how: "Changes the mode of a file, and looks at it through the descriptor and by another process.",
        needs: &["perm.create-owner", "perm.mode"],
        run: chmod,
        ..BASE
    },
    Check {
        id: "perm.chown-group",
        title: "the owner can give a file to another group of theirs",
        how: "Changes the group of a file to a supplementary group of the user; as root to any.",
        needs: &["perm.create-owner"],
        run: chown_group,
        ..BASE
    },
    Check {
        id: "perm.setgid-dir",
        title: "what is made in a set-group-id directory gets its group",
        how: "Makes such a directory, and in it a file and a directory.",
        why: "This is how files of all instances and administrators end up in the group mqm.",
        needs: &["perm.create-owner", "perm.chmod"],
        run: setgid_dir,
        ..BASE
    },
    Check {
        id: "perm.groups",
        title: "supplementary groups count",
        how: "Opens a file that only a supplementary group gives access to, if one can be made.",
        why: "An administrator, or a user of a container, is in the group mqm by a supplementary group.",
        change: "Keep users in at most 16 groups, or let the server look groups up itself and know them.",
        needs: &["env.statfs", "perm.create-owner"],
        required: false,
        run: groups,
        ..BASE
    },
    Check {
        id: "perm.denied",
        title: "a file that its mode closes cannot be opened",
        how: "Makes a file of mode 0000 and tries to open it, unless the user is root.",
        why: "Modes are what keeps other users from reading messages and changing the log.",
        needs: &["perm.mode"],
        run: denied,
        ..BASE
    },
];

pub(super) const SHARED: &[Check] = &[Check {
    id: "perm.same-owner",
    title: "both hosts see the same owners",
    how: "Each host makes a file; both must see the same owner and group, and be the same user.",
    change: "Give users and groups the same numbers on both hosts, and the same domain for id mapping.",
    needs: &["env.same-directory"],
    runs: Runs::CONCURRENT.and(Runs::WAITING),
    run: same_owner,
    ..BASE
}];

/// Who an actor is.
struct Who {
    uid: u32,
    gid: u32,
    groups: Vec<u32>,
}

fn who(actor: &mut Actor) -> Result<Who, Trouble> {
    match actor.must(Call::Who)? {
        Value::Who { uid, gid, groups, .. } => Ok(Who { uid, gid, groups }),
        _ => Err(tools::strange(actor, "no user was answered")),
    }
}

fn make_dir(name: &str, mode: u32) -> Call {
    Call::MakeDir { name: name.to_owned(), mode }
}

/// A new file of a mode.
fn new(mode: u32) -> How {
    How { mode, ..How::NEW }
}

/// The attributes among what calls brought, in order.
fn attributes_of(values: Vec<Value>) -> Vec<Attributes> {
    let found = |value| if let Value::Attributes(found) = value { Some(found) } else { None };
    values.into_iter().filter_map(found).collect()
}

/// Makes calls, and hands back the attributes that they bring, which are so many.
fn looks<const N: usize>(actor: &mut Actor, calls: Vec<Call>) -> Result<[Attributes; N], Trouble> {
    let found = attributes_of(must_all(actor, calls)?);
    found.try_into().map_err(|_| tools::strange(actor, "attributes are missing"))
}

/// Users that stand for nobody: of most systems, of NFS by 32 and by 16 bits, of old ones.
const NOBODY: [u32; 4] = [65534, 4_294_967_294, 65533, 99];

fn create_owner(stage: &Stage) -> Result<Told, Trouble> {
    let (file, dir) = (stage.name("owner"), stage.name("owner"));
    let mut actor = stage.actor(Place::First)?;
    let me = who(&mut actor)?;
    let calls = vec![
        stat(stage.folder()),
        open(0, &file, How::NEW),
        make_dir(&dir, 0o770),
        stat(&file),
        stat(&dir),
    ];
    let [above, of_file, of_dir] = looks(&mut actor, calls)?;
    for (found, name) in [(of_file, &file), (of_dir, &dir)] {
        // A set-group-id directory and the mount option grpid pass the group of the directory on.
        if found.uid == me.uid && (found.gid == me.gid || found.gid == above.gid) {
            continue;
        }
        let note = format!(
            "made by user {} group {}, owned by user {} group {}",
            me.uid, me.gid, found.uid, found.gid
        );
        let told = Told::fail(whose(me.uid, found)).with(tools::on(&actor, name, note));
        return Ok(told.changing(what_to_change(me.uid, found.uid)));
    }
    Ok(Told::pass(format!("New files belong to user {} and group {}.", of_file.uid, of_file.gid)))
}

fn whose(uid: u32, found: Attributes) -> String {
    match (uid, found.uid) {
        (0, owner) if NOBODY.contains(&owner) => format!(
            "What root makes belongs to user {owner} (nobody): the server does not trust root of other \
             hosts (root squash)."
        ),
        (_, owner) if NOBODY.contains(&owner) => format!(
            "New files belong to user {owner} (nobody): the server does not know user {uid}, or the names \
             of users are not mapped (NFS id mapping)."
        ),
        (uid, owner) if uid != owner => format!("What user {uid} makes belongs to user {owner}."),
        _ => format!("New files are in group {}, which is not that of their maker.", found.gid),
    }
}

fn what_to_change(uid: u32, owner: u32) -> &'static str {
    match (uid, NOBODY.contains(&owner)) {
        (0, true) => {
            "Run the test, and the queue manager, as the user mqm; or export with no_root_squash."
        }
        (_, true) => {
            "Give the user the same number on the server; for NFS, the same id mapping domain on all \
             hosts, and no all_squash."
        }
        _ => {
            "Mount without options that set an owner (uid, gid), and see how the server maps users."
        }
    }
}

/// Set-group-id, which a directory hands down to directories in it.
const SETGID: u32 = 0o2000;

fn mode(stage: &Stage) -> Result<Told, Trouble> {
    let mut actor = stage.actor(Place::First)?;
    let mut wanted = Vec::new();
    let mut calls = Vec::new();
    for bits in [0o600, 0o640, 0o660, 0o664, 0o400] {
        let name = stage.name("mode");
        calls.extend([open(0, &name, new(bits)), stat(&name)]);
        wanted.push((name, bits));
    }
    for bits in [0o700, 0o750, 0o770] {
        let name = stage.name("mode");
        calls.extend([make_dir(&name, bits), stat(&name)]);
        wanted.push((name, bits));
    }
    let found = attributes_of(must_all(&mut actor, calls)?);
    let mut wrong = Vec::new();
    for ((name, bits), found) in wanted.iter().zip(found) {
        let has = found.permissions();
        let inherited = if found.is_dir() { SETGID } else { 0 };
        if has & !inherited != *bits {
            let note = format!("asked for {bits:04o}, it has {has:04o}");
            wrong.push(tools::on(&actor, name, note));
        }
    }
    if wrong.is_empty() {
        return Ok(Told::pass("They have it, from 0400 to 0770."));
    }
    let summary = format!("{} of {} modes are not what was asked for.", wrong.len(), wanted.len());
    Ok(Told::fail(summary).with_all(wrong))
}

fn chmod(stage: &Stage) -> Result<Told, Trouble> {
    let (mut one, mut two) = stage.pair()?;
    let (file, dir) = (stage.name("chmod"), stage.name("chmod"));
    let begin = vec![open(0, &file, new(0o600)), make_dir(&dir, 0o700), open(1, &dir, How::RO)];
    must_all(&mut one, begin)?;
    for (bits, dir_bits) in [(0o660, 0o770), (0o640, 0o755), (0o600, 0o700)] {
        let calls = vec![
            Call::SetMode { fd: 0, mode: bits },
            Call::SetMode { fd: 1, mode: dir_bits },
            Call::StatFd { fd: 0 },
            Call::StatFd { fd: 1 },
        ];
        let [of_file, of_dir] = looks(&mut one, calls)?;
        let [by_name, dir_by_name] = looks(&mut two, vec![stat(&file), stat(&dir)])?;
        let seen = [
            (of_file, bits, &file),
            (by_name, bits, &file),
            (of_dir, dir_bits, &dir),
            (dir_by_name, dir_bits, &dir),
        ];
        for (found, bits, name) in seen {
            let has = found.permissions();
            if has & !SETGID != bits {
                let note = format!("changed to {bits:04o}, it has {has:04o}");
                let evidence = tools::on(&one, name, note);
                return Ok(tools::fail(
                    "A change of the mode succeeded, and changed something else.",
                    evidence,
                ));
            }
        }
    }
    Ok(Told::pass("Modes of files and directories can be changed."))
}

/// A group other than the one that files get by themselves, which the user may give them: one of the
/// user's; root may give any.
fn other_group(me: &Who, usual: u32) -> Option<u32> {
    let own = me.groups.iter().copied().find(|gid| *gid != usual);
    own.or((me.uid == 0).then_some(if usual == 1 { 2 } else { 1 }))
}

fn chown_group(stage: &Stage) -> Result<Told, Trouble> {
    let file = stage.name("group");
    let mut actor = stage.actor(Place::First)?;
    let me = who(&mut actor)?;
    let [before] = looks(&mut actor, vec![open(0, &file, How::NEW), Call::StatFd { fd: 0 }])?;
    let Some(gid) = other_group(&me, before.gid) else {
        return Ok(Told::not_applicable("The user is in one group only."));
    };
    for gid in [gid, before.gid] {
        let call = Call::SetOwner { fd: 0, uid: before.uid, gid };
        let text = call.to_string();
        match actor.call(call)?.result {
            Ok(_) => {}
            // A container need not know all groups.
            Err(errno::EINVAL) if me.uid == 0 => {
                return Ok(Told::not_applicable("Root may not use other groups here."));
            }
            // A group that is no other's to give back: a set-group-id directory above.
            Err(errno::EPERM) if gid == before.gid && !me.groups.contains(&gid) => break,
            Err(number) => {
                let evidence = Evidence { call: text, ..Evidence::default() };
                let evidence = evidence.host(actor.host_name()).file(&file).errno(number);
                let summary = format!("The owner cannot give a file to group {gid}.");
                return Ok(tools::fail(summary, evidence));
            }
        }
        let found = attributes(&mut actor, Call::StatFd { fd: 0 })?;
        if found.gid != gid {
            let note = format!("given to group {gid}, it is in group {}", found.gid);
            let evidence = tools::on(&actor, &file, note);
            return Ok(tools::fail(
                "A change of the group succeeded, and changed nothing.",
                evidence,
            ));
        }
    }
    Ok(Told::pass(format!("A file can be given to group {gid}.")))
}

fn setgid_dir(stage: &Stage) -> Result<Told, Trouble> {
    let top = stage.name("setgid");
    let mut actor = stage.actor(Place::First)?;
    let me = who(&mut actor)?;
    let calls = vec![make_dir(&top, 0o770), open(0, &top, How::RO), Call::StatFd { fd: 0 }];
    let [made] = looks(&mut actor, calls)?;
    let gid = other_group(&me, made.gid).unwrap_or(made.gid);
    if me.uid != 0 && !me.groups.contains(&gid) {
        return Ok(Told::not_applicable("The directory is in a group that the user is not in."));
    }
    if gid != made.gid {
        match actor.call(Call::SetOwner { fd: 0, uid: made.uid, gid })?.result {
            Ok(_) => {}
            Err(errno::EINVAL | errno::EPERM) => {
                return Ok(Told::not_tested("The directory could not be given to another group."));
            }
            Err(number) => return Err(refused(&actor, "fchown", number)),
        }
    }
    let (file, dir) = (format!("{top}/file"), format!("{top}/dir"));
    let calls = vec![
        Call::SetMode { fd: 0, mode: 0o2770 },
        Call::StatFd { fd: 0 },
        open(1, &file, How::NEW),
        Call::StatFd { fd: 1 },
        make_dir(&dir, 0o770),
        stat(&dir),
    ];
    let [top_now, of_file, of_dir] = looks(&mut actor, calls)?;
    if top_now.permissions() & SETGID == 0 {
        let evidence = tools::on(&actor, &top, format!("it has {:04o}", top_now.permissions()));
        return Ok(tools::fail("A directory does not keep its set-group-id bit.", evidence));
    }
    if top_now.gid != gid {
        let told = "The directory stayed in its group, though it was given to another one.";
        return Ok(Told::not_tested(told));
    }
    for (found, name) in [(of_file, &file), (of_dir, &dir)] {
        if found.gid != gid {
            let note = format!("the directory is in group {gid}, this is in group {}", found.gid);
            let evidence = tools::on(&actor, name, note);
            return Ok(tools::fail(
                "What is made in a set-group-id directory is in another group.",
                evidence,
            ));
        }
    }
    if of_dir.permissions() & SETGID == 0 {
        let evidence = tools::on(&actor, &dir, format!("it has {:04o}", of_dir.permissions()));
        return Ok(tools::fail(
            "A directory in a set-group-id directory is none itself.",
            evidence,
        ));
    }
    Ok(Told::pass(format!("Files and directories get group {gid}, and directories hand it on.")))
}

fn refused(actor: &Actor, call: &str, number: i32) -> Trouble {
    let evidence = Evidence { call: call.to_owned(), ..Evidence::default() };
    Trouble::Refused(Box::new(evidence.host(actor.host_name()).errno(number)))
}

/// As many groups as a request of NFS with `AUTH_SYS` has room for.
const GROUPS_MAX: usize = 16;

fn groups(stage: &Stage) -> Result<Told, Trouble> {
    let facts = stage.facts(Place::First)?;
    let mut actor = stage.actor(Place::First)?;
    let me = who(&mut actor)?;
    let by_ticket = facts.option("sec").is_some_and(|sec| sec.starts_with("krb5"));
    if kind(facts) == Kind::Nfs && me.groups.len() > GROUPS_MAX && !by_ticket {
        return Ok(Told::warning(format!(
            "The user is in {} groups, but NFS sends only {GROUPS_MAX} of them: the others count only if \
             the server looks them up itself.",
            me.groups.len()
        )));
    }
    if me.uid == 0 { as_another(stage, &mut actor) } else { of_the_directory(&mut actor, &me) }
}

/// Root makes a file for a group, and lets a child that is somebody else in that group open it.
fn as_another(stage: &Stage, actor: &mut Actor) -> Result<Told, Trouble> {
    const UID: u32 = 65534;
    const GID: u32 = 65534;
    const GROUP: u32 = 12;
    let (closed, free) = (stage.name("groups"), stage.name("groups"));
    let above = attributes(actor, stat(stage.folder()))?.gid;
    let calls = vec![
        open(0, &closed, new(0o060)),
        Call::SetOwner { fd: 0, uid: 0, gid: GROUP },
        open(1, &free, new(0o666)),
    ];
    if tools::all(actor, calls)?.iter().any(|reply| reply.result.is_err()) {
        return Ok(Told::not_tested("Root cannot make a file for another group here."));
    }
    // The folder of the test is closed to all but its group.
    let mut open_as = |name: &str| {
        let (groups, call) = (vec![above, GROUP], Box::new(open(2, name, How::RO)));
        actor.call(Call::AsUser { uid: UID, gid: GID, groups, call })
    };
    if open_as(&free)?.result.is_err() {
        return Ok(Told::not_tested("Other users than root cannot get at the files of this test."));
    }
    let reply = open_as(&closed)?;
    let Err(number) = reply.result else {
        return Ok(Told::pass("A supplementary group opens what only it may open."));
    };
    let note = format!("opened by user {UID} with the supplementary group {GROUP}");
    let evidence = tools::on(actor, &closed, note).errno(number);
    let summary = "A process was refused a file that one of its supplementary groups may open: the server \
                   may look groups up itself, and not know them.";
    Ok(Told::warning(summary).with(evidence))
}

/// A user's own files are opened by the owner's bits, so only the directory itself can tell.
fn of_the_directory(actor: &mut Actor, me: &Who) -> Result<Told, Trouble> {
    let dir = attributes(actor, stat("."))?;
    let only_group = dir.uid != me.uid && dir.permissions() & 0o002 == 0;
    if only_group && dir.gid != me.gid && me.groups.contains(&dir.gid) {
        return Ok(Told::pass(format!(
            "The directory can be written by its group {}, a supplementary one of the user.",
            dir.gid
        )));
    }
    Ok(Told::not_applicable("Nothing here is open to a supplementary group of the user only."))
}

fn denied(stage: &Stage) -> Result<Told, Trouble> {
    let mut actor = stage.actor(Place::First)?;
    if who(&mut actor)?.uid == 0 {
        return Ok(Told::not_applicable("Root may open anything."));
    }
    let file = stage.name("denied");
    must_all(&mut actor, vec![open(0, &file, new(0o600)), Call::SetMode { fd: 0, mode: 0 }])?;
    for how in [How::RO, How::RW] {
        let refused = [errno::EACCES, errno::EPERM];
        if let Some(evidence) = tools::not_refused(&mut actor, open(1, &file, how), &refused)? {
            return Ok(tools::fail("A file of mode 0000 can be opened.", evidence.file(file)));
        }
    }
    Ok(Told::pass("A file of mode 0000 is refused."))
}

fn same_owner(stage: &Stage) -> Result<Told, Trouble> {
    let (mut one, mut two) = stage.pair()?;
    let (first, second) = (who(&mut one)?, who(&mut two)?);
    let limit = stage.limits().change;
    let mut seen = Vec::new();
    for swapped in [false, true] {
        let name = stage.name("same-owner");
        let (maker, other) = if swapped { (&mut two, &mut one) } else { (&mut one, &mut two) };
        let made = must_all(
            maker,
            vec![open(0, &name, new(0o666)), Call::Fsync { fd: 0 }, Call::StatFd { fd: 0 }],
        )?;
        tools::open_when_there(other, 0, &name, How::RO, limit)?;
        let found = attributes(other, Call::StatFd { fd: 0 })?;
        let Some(made) = attributes_of(made).pop() else {
            return Err(tools::strange(maker, "no attributes were answered"));
        };
        if (made.uid, made.gid) != (found.uid, found.gid) {
            let note = format!(
                "user {} group {} on {}, user {} group {} on {}",
                made.uid,
                made.gid,
                maker.host_name(),
                found.uid,
                found.gid,
                other.host_name()
            );
            seen.push(Evidence::note(note).file(&name));
        }
    }
    // Where owners go by name, each host may see its own number for the user that both have.
    if first.uid == second.uid && !seen.is_empty() {
        return Ok(Told::fail("The hosts see different owners of the same file.").with_all(seen));
    }
    if first.uid != second.uid {
        let summary = format!(
            "The test runs as user {} on {} and as user {} on {}: what one makes, the other may not open.",
            first.uid,
            one.host_name(),
            second.uid,
            two.host_name()
        );
        return Ok(Told::warning(summary).with_all(seen));
    }
    Ok(Told::pass(format!("Both hosts see user {} and group {} alike.", first.uid, first.gid)))
}
