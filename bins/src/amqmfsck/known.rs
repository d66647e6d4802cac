//! What is known of the checks without a directory.

use miqm_cli::{Env, Exit, Failure, Message, Ui};
use miqm_fsck::{check, render};

use super::Amqmfsck;

/// Displays what was asked for about checks; `None` if nothing was.
pub(super) fn display(
    asked: &Amqmfsck,
    env: &Env,
    ui: &mut Ui<'_>,
) -> Result<Option<Exit>, Failure> {
    let layout = asked.layout(env);
    if asked.list_checks {
        if asked.json {
            ui.json(&render::checks_as_json(None));
        } else {
            ui.line(render::check_list(&layout).trim_end());
        }
        return Ok(Some(Exit::Done));
    }
    if asked.json_schema {
        ui.line(render::SCHEMA.trim_end());
        return Ok(Some(Exit::Done));
    }
    let Some(id) = &asked.explain else { return Ok(None) };
    let check = check::of(id).ok_or_else(|| no_such_check(id.clone()))?;
    if asked.json {
        ui.json(&render::checks_as_json(Some(check)));
    } else {
        ui.line(render::explanation(check, &layout).trim_end());
    }
    Ok(Some(Exit::Done))
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
