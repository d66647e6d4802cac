//! `dmpmqlog`: what the recovery log of a stopped queue manager holds.

mod json;
mod text;

use std::ops::ControlFlow;
use std::path::PathBuf;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use miqm_cli::{Env, Exit, Failure, Message, Refused, Tool, Ui, clap, default_qmgr};
use miqm_ops::dump_log::{self, DumpError, Item, LogDump, Selection, Start, Target};
use miqm_types::{ExtentNo, Lsn, QmgrName, UtcTime};

/// Dump a formatted version of the recovery log
///
/// Displays the control file and the records of the log of a queue manager that is stopped: where each lies
/// in which file, its checksum, and what it holds. Nothing is changed.
#[derive(Debug, clap::Parser)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option")]
pub struct Dmpmqlog {
    /// Start at the base of the log: the start of the extent that recovery would start in
    #[arg(short = 'b', conflicts_with_all = ["start", "extent"])]
    base: bool,
    /// Start at this position, or at the first record after it
    #[arg(short = 's', value_name = "LSN", conflicts_with = "extent")]
    start: Option<Lsn>,
    /// Start at this extent of a linear log
    #[arg(short = 'n', value_name = "EXTENT")]
    #[arg(value_parser = clap::value_parser!(u64).range(0..=ExtentNo::MAX.0))]
    extent: Option<u64>,
    /// End after the record at this position
    #[arg(short = 'e', value_name = "LSN")]
    end: Option<Lsn>,
    /// The log directory, if it is not the one that the queue manager names
    #[arg(short = 'f', value_name = "DIRECTORY")]
    directory: Option<PathBuf>,
    /// The queue manager; without it, and without -f, the default one
    #[arg(short = 'm', value_name = "QMGR")]
    qmgr: Option<QmgrName>,
    /// Display no records that are older than this
    #[arg(short = 't', value_name = "TIME", value_parser = time)]
    from: Option<UtcTime>,
    /// Display no records that are younger than this
    #[arg(short = 'u', value_name = "TIME", value_parser = time)]
    until: Option<UtcTime>,
    /// Display the objects that the latest checkpoint saved, instead of the records
    #[arg(long, conflicts_with_all = ["base", "start", "extent", "end", "from", "until", "directory"])]
    objects: bool,
    /// Suppress error messages
    #[arg(short = 'z')]
    quiet: bool,
    /// Display as JSON: one document for the control file, one for each record and damaged place
    #[arg(long)]
    json: bool,
}

impl Tool for Dmpmqlog {
    const NAME: &'static str = "dmpmqlog";
    const EXITS: &'static [Exit] = &[Exit::Partly, Exit::NotDone, Exit::BadName];
    const USAGE: Exit = Exit::NotDone;
    const STORAGE: bool = true;
    const REFUSED: &'static [Refused] = &[
        Refused { option: "-d", why: "what it would display is displayed always" },
        Refused { option: "-r", why: "records are not selected by a filter; use -s, -e, -t and -u" },
    ];

    fn quiet(&self) -> bool {
        self.quiet
    }

    fn run(self, env: &Env, ui: &mut Ui<'_>) -> Result<Exit, Failure> {
        if !self.json {
            ui.report(&Message::DumpStarting);
        }
        self.dump(env, ui).map_err(|failure| failure.and(Message::DumpUnsuccessful))
    }
}

impl Dmpmqlog {
    fn dump(&self, env: &Env, ui: &mut Ui<'_>) -> Result<Exit, Failure> {
        let target = self.target(env)?;
        let log = LogDump::open(&target).map_err(failure)?;
        if self.json {
            ui.json(&json::header(log.header()));
        } else {
            text::header(log.header(), ui);
        }
        if self.objects {
            return self.objects(&target, &log, ui);
        }
        let summary = log.visit(&self.selection(), &mut |item| {
            match item {
                Item::Record(record) if self.json => ui.json(&json::record(&record)),
                Item::Record(record) => text::record(&record, ui),
                Item::Damage(damage) => {
                    if self.json {
                        ui.json(&json::damage(&damage));
                    }
                    ui.complain(&Message::LogPlaceDamaged {
                        path: damage.path.display().to_string(),
                        offset: damage.offset,
                        what: damage.what,
                    });
                }
            }
            if ui.is_heard() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        let summary = summary.map_err(failure)?;
        if summary.damages > 0 {
            return Err(Failure::silent(Exit::Partly));
        }
        if !self.json {
            ui.line("");
            ui.report(&Message::DumpFinished { records: summary.records });
        }
        Ok(Exit::Done)
    }

    fn objects(
        &self,
        target: &Target,
        log: &LogDump,
        ui: &mut Ui<'_>,
    ) -> Result<Exit, Failure> {
        // Known, because a directory of one's own goes with no objects.
        let directory = target.objects.as_deref().unwrap_or(target.dir.path());
        let count = log.saved_objects(directory, &mut |object| {
            if self.json {
                ui.json(&json::object(object));
            } else {
                ui.line("");
                text::content(object, ui);
            }
        });
        let objects = count.map_err(failure)?;
        if !self.json {
            ui.line("");
            ui.report(&Message::DumpedObjects { objects });
        }
        Ok(Exit::Done)
    }

    fn target(&self, env: &Env) -> Result<Target, Failure> {
        if let Some(directory) = &self.directory {
            return Ok(Target::new(directory, self.qmgr.clone()));
        }
        let host = env.host_env()?;
        let qmgr = self.qmgr.clone().map_or_else(|| default_qmgr(&host), Ok)?;
        dump_log::locate(&host, &qmgr).map_err(failure)
    }

    fn selection(&self) -> Selection {
        let start = match (self.start, self.extent) {
            (Some(lsn), _) => Start::Lsn(lsn),
            (None, Some(number)) => Start::Extent(ExtentNo(number)),
            (None, None) if self.base => Start::Base,
            (None, None) => Start::Head,
        };
        Selection { start, end: self.end, from: self.from, until: self.until }
    }
}

/// A point in time: with an offset from UTC, or else in UTC; a date alone is its first moment.
fn time(text: &str) -> Result<UtcTime, &'static str> {
    let utc = |time: DateTime| time.to_zoned(TimeZone::UTC).map(|zoned| zoned.timestamp()).ok();
    let time = text.parse().ok().or_else(|| text.parse().ok().and_then(utc));
    let time: Timestamp = time.ok_or("not a time such as 2026-11-21T16:30:00 or 2026-11-21")?;
    Ok(UtcTime(time.as_microsecond()))
}

fn failure(error: DumpError) -> Failure {
    let shown = |path: PathBuf| path.display().to_string();
    let message = match error {
        DumpError::Registry(error) => return at_20(error.into()),
        DumpError::Settings(error) => return at_20((*error).into()),
        DumpError::Io(error) => return at_20(error.into()),
        DumpError::Saved(error) => Message::ObjectsUnreadable { why: error.to_string() },
        DumpError::NoSuchQmgr(qmgr) => Message::NoSuchQmgr { qmgr },
        DumpError::Held { qmgr: Some(qmgr), .. } => Message::QmgrRunning { qmgr },
        DumpError::Held { path, qmgr: None } => Message::LogHeld { path: shown(path) },
        DumpError::Foreign { qmgr, path, found } => {
            Message::LogForeign { qmgr, path: shown(path), whose: format!("'{found}'") }
        }
        DumpError::NotLinear => Message::LogNotLinear,
        DumpError::NoExtent { number } => {
            Message::LogExtentUnknown { extent: number.file_name() }
        }
        DumpError::BelowBase { base } => Message::LogStartBelowBase { base },
        DumpError::Newer { path, version } => {
            Message::LogFileNewer { path: shown(path), version }
        }
    };
    Failure::new(Exit::NotDone, message)
}

/// The numbers of this command are 10 and 20, whatever other commands end with.
fn at_20(failure: Failure) -> Failure {
    Failure { exit: Exit::NotDone, ..failure }
}
