//! `miqm-create`: a queue manager as its provisioning file asks for it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use miqm_cli::{Env, Exit, Failure, Message, Tool, Ui, clap, explain};
use miqm_ops::create;
use miqm_ops::provision::{self, Done, Manner, Order, Outcome};
use miqm_types::QmgrName;

/// Make a queue manager as its provisioning file asks
///
/// Reads qmgr.d(5). Creates the queue manager if nobody has, adds it to this host if another host has
/// created it, changes nothing if it is right, and refuses what contradicts the file. The unit
/// mqm-create@.service runs it before the instance starts.
#[derive(Debug, clap::Parser)]
pub struct MiqmCreate {
    /// The file, in place of the one in qmgr.d of that name
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Only say what would be done
    #[arg(long)]
    dry_run: bool,
    /// Display as JSON
    #[arg(long)]
    json: bool,
    /// Wait so long while another host creates it
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    #[arg(value_parser = clap::value_parser!(u64).range(0..=86_400))]
    wait: u64,
    /// The queue manager
    #[arg(value_name = "QMGR")]
    qmgr: QmgrName,
}

/// What `--json` displays.
#[derive(serde::Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    name: &'a str,
    file: &'a Path,
    dry_run: bool,
    outcome: &'static str,
    data_path: &'a Path,
    log_path: &'a Path,
    made_default: bool,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    not_compared: &'a [&'static str],
}

impl Tool for MiqmCreate {
    const NAME: &'static str = "miqm-create";
    const SECTION: u8 = 8;
    const EXITS: &'static [Exit] = &[
        Exit::LocationInvalid,
        Exit::BeingCreated,
        Exit::Exists,
        Exit::DirectoryCheck,
        Exit::Installations,
        Exit::NoQueueSpace,
        Exit::BadName,
        Exit::ProvisionFile,
        Exit::LogLocation,
        Exit::CreatedNotDefault,
        Exit::LogSize,
        Exit::NotAuthorized,
    ];
    const STORAGE: bool = true;

    fn run(self, env: &Env, ui: &mut Ui<'_>) -> Result<Exit, Failure> {
        let host = env.host_env()?;
        let file = match &self.file {
            Some(file) => file.clone(),
            None => env.qmgr_d().join(provision::file_name(&self.qmgr)),
        };
        let content = provision::read(&host, &file)?;
        let manner = Manner {
            dry_run: self.dry_run,
            patience: Duration::from_secs(self.wait),
            stop: create::stop_on_signals()?,
        };
        let order = Order { name: self.qmgr.clone(), content };
        let done = provision::provision(&host, &order, &manner)
            .map_err(|error| explain::provisioning(error, self.qmgr.clone(), &file))?;
        if self.json {
            ui.json(&self.document(&done, &file));
        } else {
            self.say(&done, &file, ui);
        }
        let Some(damaged) = done.not_default else { return Ok(Exit::Done) };
        ui.complain(&Message::DefaultDamaged {
            file: env.mqs_ini.display().to_string(),
            line: u64::try_from(damaged.line).unwrap_or(u64::MAX),
        });
        Ok(Exit::CreatedNotDefault)
    }
}

impl MiqmCreate {
    fn document<'a>(&'a self, done: &'a Done, file: &'a Path) -> Document<'a> {
        Document {
            name: self.qmgr.as_str(),
            file,
            dry_run: self.dry_run,
            outcome: match done.outcome {
                Outcome::Created => "created",
                Outcome::Joined => "joined",
                Outcome::Unchanged => "unchanged",
            },
            data_path: &done.data,
            log_path: &done.log,
            made_default: done.made_default,
            not_compared: &done.not_compared,
        }
    }

    fn say(&self, done: &Done, file: &Path, ui: &mut Ui<'_>) {
        let qmgr = self.qmgr.clone();
        let (path, log) = (shown(&done.data), shown(&done.log));
        match (done.outcome, self.dry_run) {
            (Outcome::Created, true) => {
                ui.say(&Message::WouldCreate { qmgr: qmgr.clone(), data: path, log });
            }
            (Outcome::Created, false) => {
                ui.say(&Message::QmgrCreated { qmgr: qmgr.clone() });
                ui.say(&Message::DirectoryMade { path });
                let (created, replaced, failed) = done.objects.unwrap_or_default();
                ui.say(&Message::Redefined { created, replaced, failed });
            }
            (Outcome::Joined, true) => {
                ui.say(&Message::WouldJoin { qmgr: qmgr.clone(), path });
            }
            (Outcome::Joined, false) => {
                ui.say(&Message::QmgrJoined { qmgr: qmgr.clone(), path });
            }
            (Outcome::Unchanged, _) => {
                ui.say(&Message::QmgrAsAsked { qmgr: qmgr.clone(), file: shown(file) });
            }
        }
        if done.made_default {
            let message = if self.dry_run {
                Message::WouldBeDefault { qmgr }
            } else {
                Message::MadeDefault { qmgr }
            };
            ui.say(&message);
        }
        if !done.not_compared.is_empty() {
            ui.say(&Message::NotCompared { keys: done.not_compared.join(", ") });
        }
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
