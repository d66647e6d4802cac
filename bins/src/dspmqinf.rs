//! `dspmqinf`: what the registry says of a queue manager.

use std::path::PathBuf;

use miqm_cli::{Env, Exit, Failure, Message, Tool, Ui, clap};
use miqm_ops::{Entry, inf};
use miqm_types::QmgrName;
use serde::Serialize;

/// Display configuration information
///
/// Displays the stanza of a queue manager in mqs.ini, or the command that adds it on another host that
/// shares its storage.
#[derive(Debug, clap::Parser)]
pub struct Dspmqinf {
    /// The type of the stanza
    #[arg(short = 's', value_name = "TYPE", default_value = inf::STANZA_TYPE)]
    stanza_type: String,
    /// What to display
    #[arg(short = 'o', value_name = "FORM", default_value = "stanza", conflicts_with = "json")]
    #[arg(value_parser = ["stanza", "command"])]
    form: String,
    /// Display as JSON
    #[arg(long)]
    json: bool,
    /// The queue manager
    #[arg(value_name = "QMGR")]
    qmgr: QmgrName,
}

/// The attributes as the stanza has them, in its order.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Document<'a> {
    name: &'a str,
    directory: &'a str,
    prefix: &'a PathBuf,
    #[serde(skip_serializing_if = "Option::is_none")]
    data_path: Option<&'a PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    installation_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    identity: Option<String>,
}

impl Tool for Dspmqinf {
    const NAME: &'static str = "dspmqinf";
    const EXITS: &'static [Exit] = &[Exit::NoStanza, Exit::BadName];
    const STORAGE: bool = true;

    fn run(self, env: &Env, ui: &mut Ui<'_>) -> Result<Exit, Failure> {
        check_type(&self.stanza_type)?;
        let entry = inf::stanza(&env.host_env()?, &self.qmgr)?;
        if self.json {
            ui.json(&document(&entry));
        } else if self.form == "command" {
            ui.line(inf::command_of(&entry));
        } else {
            for line in inf::stanza_lines(&entry) {
                ui.line(line);
            }
        }
        Ok(Exit::Done)
    }
}

fn document(entry: &Entry) -> Document<'_> {
    Document {
        name: entry.name.as_str(),
        directory: &entry.directory,
        prefix: &entry.prefix,
        data_path: entry.data_path.as_ref(),
        installation_name: entry.installation.as_deref(),
        identity: entry.identity.map(|id| id.to_string()),
    }
}

/// Refuses a type of stanza other than that of queue managers.
pub(crate) fn check_type(given: &str) -> Result<(), Failure> {
    if given.eq_ignore_ascii_case(inf::STANZA_TYPE) {
        return Ok(());
    }
    Err(Failure::new(Exit::Usage, Message::StanzaTypeUnknown { stanza: given.into() }))
}
