//! `crtmqm`: a queue manager is created.

use std::path::PathBuf;

use miqm_cli::{Env, Exit, Failure, Message, Refused, Tool, Ui, clap, explain};
use miqm_ops::SecurityPolicy;
use miqm_ops::create::{self, Created, Request};
use miqm_types::{LogManagement, LogType, ObjectName, QmgrName};

/// Create a queue manager
///
/// Creates a queue manager with its directories, its log and its default objects, and adds it to
/// mqs.ini of this host. It is not started: see strmqm(1). If the creation fails or is interrupted,
/// nothing of it is left.
#[derive(Debug, clap::Parser)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option")]
pub struct Crtmqm {
    /// A description, up to 64 characters
    #[arg(short = 'c', value_name = "TEXT", value_parser = description)]
    description: Option<String>,
    /// The default transmission queue, which is not created
    #[arg(short = 'd', value_name = "QUEUE")]
    default_xmitq: Option<ObjectName>,
    /// Restrict use to the members of this group
    #[arg(short = 'g', value_name = "GROUP")]
    group: Option<String>,
    /// The most handles that an application can have open
    #[arg(short = 'h', value_name = "HANDLES", value_parser = number(1))]
    max_handles: Option<u32>,
    /// The ini file, or directory of ini files, to apply now and at every start
    #[arg(long = "ii", value_name = "PATH")]
    auto_ini: Option<PathBuf>,
    /// Variables for such files
    #[arg(long = "iv", value_name = "NAME=VALUE;...", value_parser = variables)]
    variables: Option<Variables>,
    /// Use circular logging (the default)
    #[arg(long = "lc", group = "log")]
    circular: bool,
    /// Use linear logging, and leave log files that are not needed to the operator
    #[arg(long = "ll", group = "log")]
    linear: bool,
    /// Use linear logging, and remove log files that are not needed
    #[arg(long = "lla", group = "log")]
    linear_automatic: bool,
    /// Use linear logging, and remove log files that are not needed and have been archived
    #[arg(long = "lln", group = "log")]
    linear_archive: bool,
    /// The directory in which the log directory is made
    #[arg(long = "ld", value_name = "PATH")]
    log_parent: Option<PathBuf>,
    /// The size of a log file, in pages of 4 KiB, 64 to 65535 [default: 4096]
    #[arg(long = "lf", value_name = "PAGES")]
    extent_pages: Option<u32>,
    /// The number of primary log files, 2 to 510 [default: 3]
    #[arg(long = "lp", value_name = "FILES")]
    primary: Option<u32>,
    /// The number of secondary log files, 1 to 509 [default: 2]
    #[arg(long = "ls", value_name = "FILES")]
    secondary: Option<u32>,
    /// The directory in which the data directory is made
    #[arg(long = "md", value_name = "PATH")]
    data_parent: Option<PathBuf>,
    #[arg(long = "oa", value_name = "POLICY", value_parser = policy)]
    #[arg(help = "Who is asked for authority: group, user or UserExternal [default: group]")]
    security_policy: Option<SecurityPolicy>,
    /// Also create a listener for this TCP port, which starts with the queue manager
    #[arg(short = 'p', value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,
    /// Make it the default queue manager
    #[arg(short = 'q')]
    make_default: bool,
    /// The trigger interval, in milliseconds
    #[arg(short = 't', value_name = "MILLISECONDS", value_parser = number(0))]
    trigger_interval: Option<u32>,
    /// The dead-letter queue
    #[arg(short = 'u', value_name = "QUEUE")]
    dead_letter: Option<ObjectName>,
    /// The most uncommitted messages under one syncpoint
    #[arg(short = 'x', value_name = "MESSAGES", value_parser = number(1))]
    max_uncommitted: Option<u32>,
    /// Suppress error messages
    #[arg(short = 'z')]
    quiet: bool,
    /// The queue manager
    #[arg(value_name = "QMGR")]
    qmgr: QmgrName,
}

/// The longest description, in characters.
const DESCRIPTION_MAX: usize = 64;

fn description(text: &str) -> Result<String, String> {
    if text.chars().count() > DESCRIPTION_MAX {
        return Err(format!("it is longer than {DESCRIPTION_MAX} characters"));
    }
    if text.contains(char::is_control) {
        return Err("it has control characters".to_owned());
    }
    Ok(text.to_owned())
}

fn number(min: i64) -> clap::builder::RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(min..=999_999_999)
}

fn policy(text: &str) -> Result<SecurityPolicy, String> {
    let found = SecurityPolicy::NAMED.iter().find(|(name, _)| name.eq_ignore_ascii_case(text));
    found
        .filter(|(name, _)| *name != "default")
        .map(|(_, policy)| *policy)
        .ok_or_else(|| "it must be group, user or UserExternal".to_owned())
}

type Variables = Vec<(String, String)>;

fn variables(text: &str) -> Result<Variables, String> {
    let mut found: Variables = Vec::new();
    for one in text.split(';').filter(|one| !one.is_empty()) {
        let (name, value) =
            one.split_once('=').ok_or_else(|| format!("'{one}' is not of the form NAME=VALUE"))?;
        let good = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if name.is_empty() || !name.chars().all(good) {
            return Err(format!("'{name}' is not the name of a variable"));
        }
        if found.iter().any(|(other, _)| other.eq_ignore_ascii_case(name)) {
            return Err(format!("'{name}' is given twice"));
        }
        found.push((name.to_owned(), value.to_owned()));
    }
    Ok(found)
}

const WINDOWS: &str = "it exists on Windows only";
const REPLICATED: &str = "there are no replicated queue managers";

impl Tool for Crtmqm {
    const NAME: &'static str = "crtmqm";
    const EXITS: &'static [Exit] = &[
        Exit::BeingCreated,
        Exit::Exists,
        Exit::NoQueueSpace,
        Exit::BadName,
        Exit::LogLocation,
        Exit::CreatedNotDefault,
        Exit::LogSize,
        Exit::NotAuthorized,
    ];
    const STORAGE: bool = true;
    const REFUSED: &'static [Refused] = &[
        Refused { option: "-ic", why: "this version does not run MQSC commands at a start" },
        Refused { option: "-a", why: WINDOWS },
        Refused { option: "-ar", why: WINDOWS },
        Refused { option: "-sa", why: WINDOWS },
        Refused { option: "-sax", why: WINDOWS },
        Refused { option: "-si", why: WINDOWS },
        Refused { option: "-ss", why: WINDOWS },
        Refused { option: "-lr", why: REPLICATED },
        Refused { option: "-sx", why: REPLICATED },
        Refused { option: "-sxs", why: REPLICATED },
        Refused { option: "-fs", why: REPLICATED },
        Refused { option: "-rr", why: REPLICATED },
        Refused { option: "-rt", why: REPLICATED },
        Refused { option: "-rl", why: REPLICATED },
        Refused { option: "-ri", why: REPLICATED },
        Refused { option: "-rn", why: REPLICATED },
        Refused { option: "-rp", why: REPLICATED },
    ];

    fn quiet(&self) -> bool {
        self.quiet
    }

    fn run(self, env: &Env, ui: &mut Ui<'_>) -> Result<Exit, Failure> {
        let request = self.request();
        let stop = create::stop_on_signals()?;
        let created = create::create(&env.host_env()?, &request, &stop)
            .map_err(|error| explain::creation(error, request.name.clone()))?;
        say(&created, ui);
        if let Some(damaged) = created.not_default {
            ui.complain(&Message::DefaultDamaged {
                file: env.mqs_ini.display().to_string(),
                line: u64::try_from(damaged.line).unwrap_or(u64::MAX),
            });
            return Ok(Exit::CreatedNotDefault);
        }
        Ok(Exit::Done)
    }
}

/// Said when it is true: a creation that fails on its way must not have been announced.
fn say(created: &Created, ui: &mut Ui<'_>) {
    let qmgr = &created.entry.name;
    ui.say(&Message::QmgrCreated { qmgr: qmgr.clone() });
    ui.say(&Message::DirectoryMade { path: created.data.path().display().to_string() });
    let installation = created.entry.installation.clone().unwrap_or_default();
    ui.say(&Message::AssociatedWith { installation });
    ui.say(&Message::MakingObjects { qmgr: qmgr.clone() });
    let (made, replaced, failed) = created.objects;
    ui.say(&Message::Redefined { created: made, replaced, failed });
    ui.say(&Message::CompletingSetup);
    ui.say(&Message::SetupCompleted);
}

impl Crtmqm {
    fn request(&self) -> Request {
        let log_type = match (self.circular, self.linear, self.linear_automatic) {
            (true, _, _) => Some(LogType::Circular),
            (_, true, _) => Some(LogType::Linear(LogManagement::Manual)),
            (_, _, true) => Some(LogType::Linear(LogManagement::Automatic)),
            _ if self.linear_archive => Some(LogType::Linear(LogManagement::Archive)),
            _ => None,
        };
        // A number that is too large for the type is too large for the log, which is what is said.
        let files = |number: Option<u32>| number.map(|n| u16::try_from(n).unwrap_or(u16::MAX));
        Request {
            name: self.qmgr.clone(),
            description: self.description.clone(),
            default_xmitq: self.default_xmitq.clone(),
            dead_letter: self.dead_letter.clone(),
            max_handles: self.max_handles,
            max_uncommitted: self.max_uncommitted,
            trigger_interval: self.trigger_interval,
            log_type,
            extent_pages: self.extent_pages,
            primary: files(self.primary),
            secondary: files(self.secondary),
            log_parent: self.log_parent.clone(),
            data_parent: self.data_parent.clone(),
            data_name: None,
            log_name: None,
            security_policy: self.security_policy,
            restricted_group: self.group.clone(),
            port: self.port,
            make_default: self.make_default,
            auto_ini: self.auto_ini.clone(),
            variables: self.variables.clone().unwrap_or_default(),
        }
    }
}
