//! `dspmq`: which queue managers there are, and what runs where.

use miqm_cli::{Env, Exit, Failure, Message, Refused, Tool, Ui, clap, explain};
use miqm_ops::status::{self, Ask, View};
use miqm_ops::{DefaultQmgr, Entry, Registry};
use miqm_types::QmgrName;
use serde::Serialize;
use serde::ser::SerializeMap;

/// Display queue managers
///
/// Displays the queue managers of this host, one on a line, with their status. It needs no running
/// queue manager, and storage that does not answer delays nobody else's line.
#[derive(Debug, clap::Parser)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option")]
pub struct Dspmq {
    /// Display only this queue manager
    #[arg(short = 'm', value_name = "QMGR")]
    qmgr: Option<QmgrName>,
    /// Display the status; the same as -o status
    #[arg(short = 's', conflicts_with = "fields")]
    status: bool,
    /// Display all, default, installation, status, standby, ha, dr or nativeha; can be repeated
    #[arg(short = 'o', value_name = "FIELD", action = clap::ArgAction::Append)]
    #[arg(value_enum, hide_possible_values = true)]
    fields: Vec<Field>,
    /// Display a line for each instance
    #[arg(short = 'x')]
    instances: bool,
    /// Display keywords in upper case, whatever the language
    #[arg(short = 'n')]
    untranslated: bool,
    /// Display only queue managers that run on this host
    #[arg(short = 'a')]
    active: bool,
    /// Display the processes of each queue manager on this host
    #[arg(short = 'c')]
    processes: bool,
    /// Display as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Field {
    All,
    Default,
    #[value(alias = "inst")]
    Installation,
    Status,
    Standby,
    Ha,
    Dr,
    #[value(name = "nativeha")]
    NativeHa,
}

/// The columns of `QMNAME(...)` and the blanks after it.
const NAME_COLUMNS: usize = 58;

impl Tool for Dspmq {
    const NAME: &'static str = "dspmq";
    const EXITS: &'static [Exit] = &[Exit::Running, Exit::BadName];
    const USAGE: Exit = Exit::Arguments;
    const STORAGE: bool = true;
    const REFUSED: &'static [Refused] =
        &[Refused { option: "-g", why: "there are no groups of replicated queue managers" }];

    fn run(self, env: &Env, ui: &mut Ui<'_>) -> Result<Exit, Failure> {
        let host = env.host_env()?;
        let registry = Registry::load(&host)?;
        let entries = self.wanted(&registry)?;
        let ask = Ask {
            instances: self.instances,
            shared: self.shows(Field::Status) || self.shows(Field::Standby),
            deadline: env.deadline,
        };
        let default = registry.default_qmgr();
        let mut rows = Vec::new();
        let mut any = false;
        status::survey(&host, &entries, ask, |entry, view| {
            if self.active && !view.runs_here() {
                return;
            }
            any = true;
            let is_default = matches!(&default, DefaultQmgr::Name(name) if *name == entry.name);
            let row = self.row(&host, entry, &view, is_default);
            if self.json {
                rows.push(row);
            } else {
                row.lines().into_iter().for_each(|line| ui.line(line));
            }
            if let Some(message) = trouble(&view) {
                ui.complain(&message);
            }
        });
        if self.json {
            ui.json(&rows);
        }
        if let DefaultQmgr::Damaged { line } = default {
            let line = u64::try_from(line).unwrap_or(u64::MAX);
            let file = registry.file().display().to_string();
            ui.complain(&Message::DefaultDamaged { file, line });
        }
        if self.qmgr.is_none() && !registry.problems().is_empty() {
            for invalid in registry.problems() {
                ui.complain(&explain::stanza_message(registry.file(), invalid));
            }
            return Err(Failure::silent(Exit::Failed));
        }
        Ok(if self.active && any { Exit::Running } else { Exit::Done })
    }
}

impl Dspmq {
    fn wanted(&self, registry: &Registry) -> Result<Vec<Entry>, Failure> {
        let Some(name) = &self.qmgr else { return Ok(registry.entries().to_vec()) };
        let none = || {
            let message = Message::NoSuchQmgr { qmgr: name.clone() };
            Failure::new(Exit::BadName, message)
        };
        registry.find(name)?.map(|entry| vec![entry.clone()]).ok_or_else(none)
    }

    fn shows(&self, field: Field) -> bool {
        let of_all = !matches!(field, Field::Ha | Field::Dr | Field::NativeHa);
        self.fields.contains(&field)
            || (of_all && self.fields.contains(&Field::All))
            || (field == Field::Status && self.fields.is_empty())
    }

    fn row(&self, host: &miqm_ops::Env, entry: &Entry, view: &View, is_default: bool) -> Row {
        let word = |text: &str| {
            if self.untranslated { text.to_ascii_uppercase() } else { text.to_owned() }
        };
        let mut fields = vec![("QMNAME", entry.name.to_string())];
        let mut add = |shown: bool, keyword, value: String| {
            if shown {
                fields.push((keyword, value));
            }
        };
        add(self.shows(Field::Status), "STATUS", word(view.status.words()));
        add(self.shows(Field::Default), "DEFAULT", word(if is_default { "yes" } else { "no" }));
        add(self.shows(Field::Standby), "STANDBY", word(view.standby.words()));
        let installation = self.shows(Field::Installation);
        let name = entry.installation.as_ref().unwrap_or(&host.installation.name);
        add(installation, "INSTNAME", name.clone());
        add(installation, "INSTPATH", host.installation.path.display().to_string());
        add(installation, "INSTVER", host.installation.version.clone());
        // Neither kind of replication exists here, so there is nothing to say but that.
        add(self.shows(Field::Ha), "HA", String::new());
        add(self.shows(Field::Dr), "DRROLE", String::new());
        let native = self.shows(Field::NativeHa);
        add(native, "ROLE", word("Not configured"));
        add(native, "INSTANCE", String::new());
        add(native, "INSYNC", String::new());
        add(native, "QUORUM", String::new());

        let instances = view.instances.iter().map(|instance| {
            let host = instance.host.as_ref().map_or("unknown", |host| host.as_str());
            vec![("INSTANCE", host.to_owned()), ("MODE", word(instance.mode.word()))]
        });
        let process = view.process.filter(|_| self.processes).and_then(|process| process.pid);
        let processes = process.into_iter().map(|pid| {
            vec![("PID", pid.to_string()), ("SUBPOOL", "QMGR".to_owned())]
        });
        Row { fields, instances: instances.collect(), processes: processes.collect() }
    }
}

/// What to say about a view that is not whole.
fn trouble(view: &View) -> Option<Message> {
    let why = explain::trouble(view.trouble.as_ref()?);
    let qmgr = view.name.clone();
    Some(if view.status == status::Status::NotAvailable {
        Message::StatusUnknown { qmgr, why }
    } else {
        Message::InstancesUnknown { qmgr, why }
    })
}

type Fields = Vec<(&'static str, String)>;

/// What is displayed of one queue manager.
struct Row {
    fields: Fields,
    instances: Vec<Fields>,
    processes: Vec<Fields>,
}

impl Row {
    /// The lines of the display. Monitors read them by column: not a byte of this may change.
    fn lines(&self) -> Vec<String> {
        let words = |fields: &[(&str, String)]| {
            let words: Vec<_> = fields.iter().map(|(key, value)| format!("{key}({value})")).collect();
            words.join(" ")
        };
        let (name, rest) = self.fields.split_at(1);
        let first = match rest {
            [] => words(name),
            rest => format!("{:<NAME_COLUMNS$}{}", words(name), words(rest)),
        };
        let more = self.instances.iter().chain(&self.processes);
        std::iter::once(first).chain(more.map(|fields| format!("    {}", words(fields)))).collect()
    }
}

impl Serialize for Row {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (key, value) in &self.fields {
            map.serialize_entry(key, value)?;
        }
        for (key, rows) in [("INSTANCES", &self.instances), ("PROCESSES", &self.processes)] {
            if !rows.is_empty() {
                let rows: Vec<_> = rows.iter().map(Members).collect();
                map.serialize_entry(key, &rows)?;
            }
        }
        map.end()
    }
}

/// An object with its members in this order.
struct Members<'a>(&'a Fields);

impl Serialize for Members<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, value)| (key, value)))
    }
}
