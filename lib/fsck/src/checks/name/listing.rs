//! What directories list.

use std::time::Duration;

use miqm_sys::clock::BootInstant;

use super::super::tools::{clear, fail, must_all, names, on, strange, unlink};
use crate::call::{Burst, Call, Value};
use crate::finding::Told;
use crate::stage::{Actor, Stage, Trouble};

/// First so many, then the rest, unless the first took too long.
const FEW: u32 = 60;
const MANY: u32 = 300;
const QUICK: Duration = Duration::from_millis(500);

pub(super) fn complete(stage: &Stage) -> Result<Told, Trouble> {
    let (mut one, mut two) = stage.pair()?;
    let dir = stage.name("list");
    one.must(Call::MakeDir { name: dir.clone(), mode: 0o770 })?;
    let prefix = format!("{dir}/some-file-");
    let began = BootInstant::now();
    let mut files = FEW;
    if let Some(told) = make(&mut one, &prefix, FEW, FEW)? {
        return Ok(told);
    }
    if began.elapsed() < QUICK {
        files = MANY;
        // What is there already is not made again.
        if let Some(told) = make(&mut one, &prefix, MANY, MANY - FEW)? {
            return Ok(told);
        }
    }
    for actor in [&mut one, &mut two] {
        if let Some(told) = listed(actor, &dir, files, &|_| true)? {
            return Ok(told);
        }
    }
    let even = (0..files).filter(|number| number % 2 == 0);
    let removed = even.map(|number| unlink(&format!("{dir}/some-file-{number}"))).collect();
    must_all(&mut one, removed)?;
    for actor in [&mut one, &mut two] {
        if let Some(told) = listed(actor, &dir, files, &|number| number % 2 == 1)? {
            return Ok(told);
        }
    }
    clear(&mut one, (0..files).map(|number| format!("{dir}/some-file-{number}")))?;
    one.call(Call::RemoveDir { name: dir })?;
    Ok(Told::pass(format!("{files} names were listed once each, and removed ones no more.")))
}

/// Makes files, of which some are there already.
fn make(actor: &mut Actor, prefix: &str, files: u32, new: u32) -> Result<Option<Told>, Trouble> {
    let prefix = prefix.to_owned();
    let call = Call::Burst(Burst::Exclusive { prefix: prefix.clone(), files });
    match must_all(actor, vec![call])?.pop() {
        Some(Value::Won(won)) if won.len() == new as usize => Ok(None),
        Some(Value::Won(won)) => {
            let note = format!("{} of {new} new files could be made", won.len());
            Ok(Some(fail("New files are there already.", on(actor, &prefix, note))))
        }
        _ => Err(strange(actor, "no files were answered")),
    }
}

/// What is wrong with the list of a directory.
fn listed(
    actor: &mut Actor,
    dir: &str,
    files: u32,
    there: &dyn Fn(u32) -> bool,
) -> Result<Option<Told>, Trouble> {
    let found = names(actor, dir)?;
    let mut wanted: Vec<_> = (0..files).filter(|number| there(*number)).collect();
    wanted.sort_by_key(ToString::to_string);
    let wanted: Vec<_> = wanted.iter().map(|number| format!("some-file-{number}")).collect();
    if found == wanted {
        return Ok(None);
    }
    let missing: Vec<_> = wanted.iter().filter(|name| !found.contains(name)).collect();
    let ghosts: Vec<_> = found.iter().filter(|name| !wanted.contains(name)).collect();
    let counts = format!("{} names were listed, {} are there", found.len(), wanted.len());
    Ok(Some(match (missing.first(), ghosts.first()) {
        (Some(name), _) => {
            let note = format!("{counts}; {name} is missing, and {} in all", missing.len());
            fail("A listing lacks names that are there.", on(actor, dir, note))
        }
        (None, Some(name)) => {
            let note = format!("{counts}; {name} was removed or never made");
            fail("A listing has names that are not there.", on(actor, dir, note))
        }
        (None, None) => fail("A listing has names twice.", on(actor, dir, counts)),
    }))
}
