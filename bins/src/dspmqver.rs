//! `dspmqver`: what is installed here.

use miqm_cli::{Env, Exit, Failure, Message, Tool, Ui, clap};
use serde::{Serialize, Serializer};

/// Display version and build information
///
/// Displays what is installed on this host: name, version, platform, paths and the highest command
/// level.
#[derive(Debug, clap::Parser)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option")]
pub struct Dspmqver {
    /// Display every field
    #[arg(short = 'a', conflicts_with_all = ["components", "fields", "others"])]
    all: bool,
    /// Display these components: a sum of numbers, 1 is the server, see dspmqver(1)
    #[arg(short = 'p', value_name = "COMPONENTS", conflicts_with = "others")]
    components: Option<u64>,
    /// Display these fields: a sum of numbers, 2 is the version, see dspmqver(1)
    #[arg(short = 'f', value_name = "FIELDS", conflicts_with = "others")]
    fields: Option<u64>,
    /// Omit the headers
    #[arg(short = 'b')]
    brief: bool,
    /// Display the details that are otherwise left out
    #[arg(short = 'v', conflicts_with_all = ["fields", "others"])]
    verbose: bool,
    /// Display the other installations on this host
    #[arg(short = 'i')]
    others: bool,
    /// Display as JSON
    #[arg(long, conflicts_with = "brief")]
    json: bool,
}

/// The component that is installed; the others of [`ABSENT`] belong to the interface only.
const SERVER: u64 = 1;
const ABSENT: &[(u64, &str)] = &[
    (2, "Java"),
    (4, "JMS"),
    (8, "hub"),
    (16, "WCF"),
    (32, "XMS .NET"),
    (64, "security toolkit"),
    (128, "advanced message security"),
    (256, "AMQP"),
    (512, "telemetry"),
    (1024, "other components"),
    (2048, "web server"),
    (4096, "JRE"),
    (8192, "replicated data"),
];

/// One thing to display: its number in `-f` (0: only shown among the details) and its label.
struct Field {
    number: u64,
    label: &'static str,
    value: fn(&Env) -> String,
}

/// In the order in which they are displayed.
const FIELDS: &[Field] = &[
    Field { number: 1, label: "Name", value: |_| "miqm".into() },
    Field { number: 2, label: "Version", value: |_| env!("CARGO_PKG_VERSION").into() },
    Field { number: 4, label: "Level", value: |_| concat!("v", env!("CARGO_PKG_VERSION")).into() },
    Field { number: 8, label: "BuildType", value: |_| build_type().into() },
    Field { number: 16, label: "Platform", value: |_| platform() },
    Field { number: 32, label: "Mode", value: |_| format!("{}-bit", usize::BITS) },
    Field { number: 64, label: "O/S", value: |_| "Linux".into() },
    Field { number: 0, label: "O/S Details", value: |_| std::env::consts::ARCH.into() },
    Field { number: 512, label: "InstName", value: |_| "Installation1".into() },
    Field { number: 256, label: "InstDesc", value: |_| "Active/standby queue managers".into() },
    Field { number: 2048, label: "Primary", value: |_| "Yes".into() },
    Field { number: 128, label: "InstPath", value: |_| installation_path() },
    Field { number: 4096, label: "DataPath", value: |env| env.prefix.display().to_string() },
    Field { number: 1024, label: "MaxCmdLevel", value: |_| miqm_ops::COMMAND_LEVEL_MAX.to_string() },
    Field { number: 8192, label: "LicenseType", value: |_| "Apache-2.0".into() },
    Field { number: 0, label: "ReleaseType", value: |_| "Open source".into() },
];

impl Tool for Dspmqver {
    const NAME: &'static str = "dspmqver";
    const EXITS: &'static [Exit] = &[Exit::Done, Exit::Partly, Exit::NotDone];
    const USAGE: Exit = Exit::NotDone;
    const STORAGE: bool = false;

    fn run(self, env: &Env, ui: &mut Ui<'_>) -> Result<Exit, Failure> {
        if self.others {
            // Installations are known to each other by nothing but their packages: there is one.
            if self.json { ui.json(&[(); 0]) } else { ui.say(&Message::NoOthers) }
            return Ok(Exit::Done);
        }
        let components = self.components.unwrap_or(SERVER);
        known("-p", components, ABSENT.iter().fold(SERVER, |all, (number, _)| all | number))?;
        let fields = self.fields.unwrap_or(u64::MAX);
        if self.fields.is_some() {
            known("-f", fields, FIELDS.iter().fold(0, |all, field| all | field.number))?;
        }

        let details = self.all || self.verbose;
        let shown = FIELDS.iter().filter(|field| match field.number {
            0 => details,
            number => number & fields != 0,
        });
        if components & SERVER != 0 {
            self.show(shown.map(|field| (field.label, (field.value)(env))), ui);
        }
        let mut exit = Exit::Done;
        for (_, component) in ABSENT.iter().filter(|(number, _)| components & number != 0) {
            ui.complain(&Message::ComponentNotInstalled { component: (*component).into() });
            exit = Exit::Partly;
        }
        Ok(exit)
    }
}

impl Dspmqver {
    fn show(&self, fields: impl Iterator<Item = (&'static str, String)>, ui: &mut Ui<'_>) {
        if self.json {
            return ui.json(&Document(fields.collect()));
        }
        for (label, value) in fields {
            if self.brief {
                ui.line(value);
            } else {
                ui.line(format_args!("{:<13}{value}", format!("{label}:")));
            }
        }
    }
}

/// A JSON object with its members in the order of the fields.
struct Document(Vec<(&'static str, String)>);

impl Serialize for Document {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(label, value)| (label, value)))
    }
}

/// Refuses a sum with numbers in it that stand for nothing, and an empty one.
fn known(option: &str, sum: u64, all: u64) -> Result<(), Failure> {
    let message = match (sum, sum & !all) {
        (0, _) => Message::BadOptionValue {
            option: option.into(),
            value: "0".into(),
            why: "it selects nothing".into(),
        },
        (_, 0) => return Ok(()),
        (value, unknown) => Message::UnknownBits { option: option.into(), value, unknown },
    };
    Err(Failure::new(Exit::NotDone, message))
}

const fn build_type() -> &'static str {
    if cfg!(debug_assertions) { "Debug" } else { "Production" }
}

fn platform() -> String {
    format!("miqm for Linux ({} platform)", std::env::consts::ARCH)
}

/// The directory above the one that holds the commands.
fn installation_path() -> String {
    let program = std::env::current_exe().unwrap_or_default();
    let path = program.parent().and_then(std::path::Path::parent);
    path.map(|path| path.display().to_string()).unwrap_or_default()
}
