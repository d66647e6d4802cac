//! How names are spelled.

use miqm_sys::probe::{How, errno_name};

use super::super::tools::errno::{EEXIST, ENAMETOOLONG, ENOENT};
use super::super::tools::{
    PAGE, all, attributes, differs, fail, make_file, must_all, names, not_refused, on, open,
    stamps, stat, unlink,
};
use super::made;
use crate::call::{Call, Value};
use crate::finding::{Evidence, Told};
use crate::stage::{Actor, Place, Stage, Trouble};

const BYTES: u64 = PAGE as u64;
/// The longest name that Linux file systems are expected to take.
const USUAL: usize = 255;
/// What the names of a queue manager's files need at least.
const ENOUGH: usize = 128;
/// The type of a file, and that of a symbolic link.
const TYPE: u32 = 0o170_000;
const LINK: u32 = 0o120_000;

pub(super) fn case(stage: &Stage) -> Result<Told, Trouble> {
    let (mut one, mut two) = stage.pair()?;
    let dir = stage.name("case");
    one.must(Call::MakeDir { name: dir.clone(), mode: 0o770 })?;
    let (lower, upper) = (format!("{dir}/qm.prod"), format!("{dir}/QM.PROD"));
    make_file(&mut one, 0, &lower, 1, BYTES)?;
    if two.stat(&upper)?.is_some() {
        let evidence = on(&two, &upper, format!("{lower} was made, and stat finds {upper}"));
        return Ok(fail("Names that differ in case are the same.", evidence));
    }
    if let Err(errno) = one.call(open(1, &upper, How::NEW))?.result {
        let evidence = on(&one, &upper, format!("{lower} is there")).errno(errno);
        return Ok(fail("Names that differ in case are the same.", evidence));
    }
    let found = names(&mut two, &dir)?;
    if found != ["QM.PROD", "qm.prod"] {
        let note = format!("QM.PROD and qm.prod were made; the list has {}", found.join(" and "));
        return Ok(fail("The case of names is not kept.", on(&two, &dir, note)));
    }
    let calls = vec![open(0, &lower, How::RO), stamps(0, 1, 0, BYTES)];
    if let Some(evidence) = differs(&mut two, &lower, calls)? {
        return Ok(fail("Names that differ in case are the same file.", evidence));
    }
    Ok(Told::pass("Upper and lower case are two names."))
}

pub(super) fn long(stage: &Stage) -> Result<Told, Trouble> {
    let mut one = stage.actor(Place::First)?;
    let dir = stage.name("long");
    one.must(Call::MakeDir { name: dir.clone(), mode: 0o770 })?;
    let said = match one.call(Call::StatFs)?.result {
        Ok(Value::FileSystem(found)) => usize::try_from(found.name_bytes_max).unwrap_or(USUAL),
        _ => 0,
    };
    let most = if said == 0 { USUAL } else { said.min(USUAL) };
    let mut lengths = vec![most, 240, 200, 160, ENOUGH, 64, 32];
    lengths.retain(|length| *length <= most);
    for length in lengths {
        let (told, taken) = pair_of(&mut one, &dir, length)?;
        if let Some(told) = told {
            return Ok(told);
        }
        if taken {
            return longest(&mut one, &dir, length, most);
        }
    }
    let note = format!("statfs says that names may have {said} bytes");
    Ok(fail("Not even names of 32 bytes can be made.", on(&one, &dir, note)))
}

/// Makes two names of a length that differ at the end: what is wrong with them, if anything, and
/// whether the length is possible at all.
fn pair_of(actor: &mut Actor, dir: &str, length: usize) -> Result<(Option<Told>, bool), Trouble> {
    let names_of: Vec<_> = ['a', 'b'].map(|end| format!("{:x<1$}{end}", "", length - 1)).into();
    for name in &names_of {
        let call = open(0, &format!("{dir}/{name}"), How::NEW);
        let text = format!("open(a name of {length} bytes, O_RDWR|O_CREAT|O_EXCL)");
        match actor.call(call)?.result {
            Ok(_) => {}
            Err(ENAMETOOLONG) => return Ok((None, false)),
            Err(EEXIST) => {
                let note = format!("two names of {length} bytes that differ at the end are one");
                let told = fail("Long names are cut.", on(actor, dir, note).errno(EEXIST));
                return Ok((Some(told), true));
            }
            Err(errno) => {
                let evidence = Evidence { call: text, ..on(actor, dir, "") }.errno(errno);
                return Err(Trouble::Refused(Box::new(evidence)));
            }
        }
    }
    let found = names(actor, dir)?;
    let told = (found != names_of).then(|| {
        let note = format!("two names of {length} bytes were made; others were listed");
        fail("Long names are not kept.", on(actor, dir, note))
    });
    let removed = names_of.iter().map(|name| unlink(&format!("{dir}/{name}"))).collect();
    all(actor, removed)?;
    Ok((told, true))
}

/// Judges the longest name that can be made.
fn longest(actor: &mut Actor, dir: &str, length: usize, most: usize) -> Result<Told, Trouble> {
    // One byte more must be refused, or kept.
    let name = format!("{:y<1$}", "", most + 1);
    if actor.call(open(0, &format!("{dir}/{name}"), How::NEW))?.result.is_ok() {
        let found = names(actor, dir)?;
        if found != [name] {
            let note = format!("a name of {} bytes was made; another one was listed", most + 1);
            return Ok(fail("Names that are too long are cut.", on(actor, dir, note)));
        }
    }
    let note = || format!("the longest name that could be made has {length} bytes");
    Ok(if length < ENOUGH {
        fail("Names cannot be as long as those of a queue manager.", on(actor, dir, note()))
    } else if length < USUAL {
        Told::warning("Names cannot be as long as usual.").with(on(actor, dir, note()))
    } else {
        Told::pass(format!("Names of {length} bytes are kept whole."))
    })
}

/// Names with what can be in names of queue managers, objects and their files.
const SPELLINGS: &[&str] = &[
    "QM!PROD",
    "A%B",
    "A%2FB",
    "A%25",
    "a.b",
    ".hidden",
    "trailing.",
    "A_B-C",
    "a b",
    "a&b",
    "a#b",
    "a=b",
    "a~1",
    "a+b",
    "a@b",
    "a,b",
    "@SYSTEM",
    "!!",
    "..a",
];

pub(super) fn characters(stage: &Stage) -> Result<Told, Trouble> {
    let (mut one, mut two) = stage.pair()?;
    let dir = stage.name("characters");
    one.must(Call::MakeDir { name: dir.clone(), mode: 0o770 })?;
    let path = |name: &str| format!("{dir}/{name}");
    let calls = SPELLINGS.iter().map(|name| open(0, &path(name), How::NEW)).collect();
    for (name, reply) in SPELLINGS.iter().zip(all(&mut one, calls)?) {
        if let Err(errno) = reply.result {
            let told = format!("A file cannot have the name \"{name}\": {}.", errno_name(errno));
            return Ok(fail(told, on(&one, &path(name), "").errno(errno)));
        }
    }
    let found = names(&mut two, &dir)?;
    let mut wanted: Vec<_> = SPELLINGS.iter().map(|name| (*name).to_owned()).collect();
    wanted.sort();
    if found != wanted {
        let text = |name: Option<&String>| name.map_or("nothing", String::as_str).to_owned();
        let made = text(wanted.iter().find(|name| !found.contains(name)));
        let listed = text(found.iter().find(|name| !wanted.contains(name)));
        let note = format!("\"{made}\" was made, \"{listed}\" is listed");
        return Ok(fail("Names with special characters are changed.", on(&two, &dir, note)));
    }
    for (name, reply) in SPELLINGS
        .iter()
        .zip(all(&mut two, SPELLINGS.iter().map(|name| stat(&path(name))).collect())?)
    {
        if let Err(errno) = reply.result {
            let told = format!("A file with the name \"{name}\" is listed, but not found.");
            return Ok(fail(told, on(&two, &path(name), "").errno(errno)));
        }
    }
    // What is open is another matter.
    one.close(0)?;
    must_all(&mut one, SPELLINGS.iter().map(|name| unlink(&path(name))).collect())?;
    Ok(Told::pass(format!("{} names with special characters are kept.", SPELLINGS.len())))
}

pub(super) fn symlink(stage: &Stage) -> Result<Told, Trouble> {
    let mut one = stage.actor(Place::First)?;
    let (target, link) = (stage.name("target"), stage.name("symlink"));
    make_file(&mut one, 0, &target, 1, BYTES)?;
    if let Some(error) = made::symlink(&mut one, made::last(&target), &link)? {
        let told =
            format!("This file system has no symbolic links ({error}), so none can mislead.");
        return Ok(Told::not_applicable(told));
    }
    if attributes(&mut one, stat(&link))?.mode & TYPE != LINK {
        let evidence = on(&one, &link, "stat without following does not say that it is a link");
        return Ok(fail("A symbolic link is not told from a file.", evidence));
    }
    for how in [How::RW, How::RO, How::MAKE, How { truncate: true, ..How::MAKE }] {
        let call = open(1, &link, how);
        let text = format!("{call} with O_NOFOLLOW");
        if one.call(call)?.result.is_ok() {
            let evidence = on(&one, &link, "the link was followed although O_NOFOLLOW was given");
            let evidence = Evidence { call: text, ..evidence };
            return Ok(fail("A symbolic link is followed where that is refused.", evidence));
        }
    }
    let gone = vec![unlink(&link), open(1, &target, How::RO), stamps(1, 1, 0, BYTES)];
    if let Some(evidence) = differs(&mut one, &target, gone)? {
        return Ok(fail("Removing a symbolic link changed the file behind it.", evidence));
    }
    if let Some(evidence) = not_refused(&mut one, stat(&link), &[ENOENT])? {
        return Ok(fail("A removed symbolic link is still there.", evidence));
    }
    Ok(Told::pass("A link is refused, and removing it leaves the file behind it."))
}
