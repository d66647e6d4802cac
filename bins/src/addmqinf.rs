//! `addmqinf`: the registry learns of a queue manager that exists.

use std::path::PathBuf;

use miqm_cli::{Env, Exit, Failure, Message, Tool, Ui, clap};
use miqm_ops::inf::{self, NewStanza};
use miqm_types::QmgrName;

use crate::dspmqinf::check_type;

/// Add configuration information
///
/// Adds a queue manager that another host created on shared storage to mqs.ini of this host. 'dspmqinf -o
/// command' on the other host prints the command to run here.
#[derive(Debug, clap::Parser)]
pub struct Addmqinf {
    /// The type of the stanza
    #[arg(short = 's', value_name = "TYPE", default_value = inf::STANZA_TYPE)]
    stanza_type: String,
    /// An attribute of the stanza: Name, Prefix, Directory or the path of the data
    #[arg(short = 'v', value_name = "ATTRIBUTE=VALUE", action = clap::ArgAction::Append)]
    values: Vec<String>,
}

impl Tool for Addmqinf {
    const NAME: &'static str = "addmqinf";
    const EXITS: &'static [Exit] = &[
        Exit::LocationInvalid,
        Exit::BeingCreated,
        Exit::StanzaExists,
        Exit::AttributeMissing,
        Exit::BadName,
        Exit::LogLocation,
        Exit::NotAuthorized,
    ];
    const STORAGE: bool = true;

    fn run(self, env: &Env, ui: &mut Ui<'_>) -> Result<Exit, Failure> {
        check_type(&self.stanza_type)?;
        let entry = inf::add(&env.host_env()?, &self.stanza()?)?;
        ui.say(&Message::StanzaAdded { qmgr: entry.name });
        Ok(Exit::Done)
    }
}

impl Addmqinf {
    fn stanza(&self) -> Result<NewStanza, Failure> {
        let given = Given::of(&self.values)?;
        let name = required(given.name.as_ref(), "Name")?;
        let prefix = required(given.prefix.as_ref(), "Prefix")?;
        let directory = required(given.directory.as_ref(), "Directory")?;
        let qmgr: QmgrName = name.parse().map_err(|why: miqm_types::BadName| {
            Failure::new(Exit::BadName, Message::BadName { name: name.into(), why: why.to_string() })
        })?;
        if directory == "." || directory == ".." || directory.contains('/') {
            return Err(invalid("Directory", directory, "it must be the name of one directory"));
        }
        let data_path = given.data_path.as_deref().filter(|path| !path.is_empty());
        Ok(NewStanza {
            name: qmgr,
            prefix: absolute("Prefix", prefix)?,
            directory: directory.to_owned(),
            data_path: data_path.map(|path| absolute("DataPath", path)).transpose()?,
        })
    }
}

/// The attributes as they were given.
#[derive(Default)]
struct Given {
    name: Option<String>,
    prefix: Option<String>,
    directory: Option<String>,
    data_path: Option<String>,
}

impl Given {
    fn of(values: &[String]) -> Result<Self, Failure> {
        let usage = |message| Err(Failure::new(Exit::Usage, message));
        let mut given = Self::default();
        for text in values {
            let Some((attribute, value)) = text.split_once('=') else {
                return usage(Message::NotAnAssignment { text: text.clone() });
            };
            let attribute = attribute.trim();
            let slot = match attribute.to_ascii_lowercase().as_str() {
                "name" => &mut given.name,
                "prefix" => &mut given.prefix,
                "directory" => &mut given.directory,
                "datapath" => &mut given.data_path,
                _ => return usage(Message::AttributeUnknown { attribute: attribute.into() }),
            };
            if slot.replace(value.to_owned()).is_some() {
                return usage(Message::AttributeGivenTwice { attribute: attribute.into() });
            }
        }
        Ok(given)
    }

}

fn required<'a>(value: Option<&'a String>, attribute: &str) -> Result<&'a str, Failure> {
    value.map(String::as_str).filter(|value| !value.is_empty()).ok_or_else(|| {
        let message = Message::AttributeNeeded { attribute: attribute.into() };
        Failure::new(Exit::AttributeMissing, message)
    })
}

fn absolute(attribute: &str, path: &str) -> Result<PathBuf, Failure> {
    if path.starts_with('/') {
        Ok(PathBuf::from(path))
    } else {
        Err(invalid(attribute, path, "the path does not begin with a slash"))
    }
}

fn invalid(attribute: &str, value: &str, why: &str) -> Failure {
    let message = Message::BadOptionValue {
        option: format!("-v {attribute}"),
        value: value.into(),
        why: why.into(),
    };
    Failure::new(Exit::Usage, message)
}
