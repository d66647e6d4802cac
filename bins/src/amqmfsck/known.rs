//! What is known of the checks without a directory.

use miqm_cli::{Env, Exit, Failure, Message, Ui};
use miqm_fsck::{check, render};

use super::Amqmfsck;

/// Displays what was asked for about checks.
pub(super) fn display(asked: &Amqmfsck, env: &Env, ui: &mut Ui<'_>) -> Result<Exit, Failure> {
    let layout = asked.layout(env);
    if asked.json_schema {
        ui.line(render::SCHEMA.trim_end());
        return Ok(Exit::Done);
    }
    let Some(id) = &asked.explain else {
        if asked.json {
            ui.json(&render::checks_as_json(None));
        } else {
            ui.line(render::check_list(&layout).trim_end());
        }
        return Ok(Exit::Done);
    };
    let check = check::of(id).ok_or_else(|| no_such_check(id.clone()))?;
    if asked.json {
        ui.json(&render::checks_as_json(Some(check)));
    } else {
        ui.line(render::explanation(check, &layout).trim_end());
    }
    Ok(Exit::Done)
}

/// What is said about an id that no check has.
pub(super) fn no_such_check(id: String) -> Failure {
    let nearest = render::nearest(&id).join(", ");
    let message = match nearest.as_str() {
        "" => Message::NoSuchCheck { id },
        _ => Message::NoSuchCheckBut { id, nearest },
    };
    Failure::new(Exit::Usage, message)
}
