//! What directories list.

use super::super::tools::{clear, fail, must_all, names, on, strange, unlink};
use crate::call::{Burst, Call, Value};
use crate::finding::Told;
use crate::stage::{Actor, Stage, Trouble};

const FILES: u32 = 300;

pub(super) fn complete(stage: &Stage) -> Result<Told, Trouble> {
    let (mut one, mut two) = stage.pair()?;
    let dir = stage.name("list");
    one.must(Call::MakeDir { name: dir.clone(), mode: 0o770 })?;
    let prefix = format!("{dir}/some-file-");
    match must_all(&mut one, vec![Call::Burst(Burst::Exclusive { prefix, files: FILES })])?.pop() {
        Some(Value::Won(won)) if won.len() == FILES as usize => {}
        Some(Value::Won(won)) => {
            let note = format!("{} of {FILES} files in a new directory could be made", won.len());
            return Ok(fail("A new directory is not empty.", on(&one, &dir, note)));
        }
        _ => return Err(strange(&one, "no files were answered")),
    }
    for actor in [&mut one, &mut two] {
        if let Some(told) = listed(actor, &dir, &|_| true)? {
            return Ok(told);
        }
    }
    let even = (0..FILES).filter(|number| number % 2 == 0);
    let removed = even.map(|number| unlink(&format!("{dir}/some-file-{number}"))).collect();
    must_all(&mut one, removed)?;
    for actor in [&mut one, &mut two] {
        if let Some(told) = listed(actor, &dir, &|number| number % 2 == 1)? {
            return Ok(told);
        }
    }
    clear(&mut one, (0..FILES).map(|number| format!("{dir}/some-file-{number}")))?;
    one.call(Call::RemoveDir { name: dir })?;
    Ok(Told::pass(format!("{FILES} names were listed once each, and removed ones no more.")))
}

/// What is wrong with the list of a directory.
fn listed(
    actor: &mut Actor,
    dir: &str,
    there: &dyn Fn(u32) -> bool,
) -> Result<Option<Told>, Trouble> {
    let found = names(actor, dir)?;
    let mut wanted: Vec<_> = (0..FILES).filter(|number| there(*number)).collect();
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
