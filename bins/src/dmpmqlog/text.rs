//! The display as text.

use jiff::Timestamp;
use miqm_cli::Ui;
use miqm_ops::dump_log::{CONTROL_VERSION, Content, Header, RECORD_VERSION, Shown, Verb};
use miqm_types::{LogManagement, LogType, Lsn, UtcTime};

const RULE: &str = "************************************************************************";
/// Where the second column begins.
const SECOND: usize = 40;

pub(super) fn header(header: &Header, ui: &mut Ui<'_>) {
    ui.line("LOG FILE HEADER");
    ui.line(RULE);
    let slot = |n: usize| match header.slots.as_ref().map(|slots| &slots[n]) {
        Some(Ok(seq)) => seq.to_string(),
        Some(Err(_)) => "damaged".to_owned(),
        None => "missing".to_owned(),
    };
    pair(ui, &field("counter1", slot(0)), &field("counter2", slot(1)));
    if let Some(control) = &header.control {
        let geometry = control.geometry;
        pair(ui, &field("FormatVersion", CONTROL_VERSION), &field("LogType", log_type(control.log_type)));
        pair(
            ui,
            &field("LogActive", geometry.primary()),
            &field("LogInactive", geometry.secondary()),
        );
        ui.line(field("LogSize", format_args!("{} pages", geometry.extent_pages())));
    }
    let lsn = |lsn: Option<Lsn>| lsn.unwrap_or(Lsn::ZERO);
    ui.line(field("BaseLSN", lsn(header.base)));
    ui.line(field("NextLSN", lsn(header.tail.map(|(_, next)| next))));
    // Units of work of which something is in the log and the end is not: none is begun yet.
    ui.line(field("LowTranLSN", Lsn::ZERO));
    ui.line(field("MinBuffLSN", lsn(header.head)));
    ui.line(field("HeadLSN", lsn(header.head)));
    ui.line(field("TailLSN", lsn(header.tail.map(|(last, _)| last))));
    ui.line(field("LogPath", header.active.display()));
    if let Some(control) = &header.control {
        ui.line(field("QMgrName", &control.name));
        ui.line(field("QMgrId", control.qmgr));
        let ended = if control.ended.is_some() { "ended orderly" } else { "not ended orderly" };
        pair(ui, &field("Epoch", control.epoch), &field("State", ended));
        pair(ui, &field("FenceLSN", control.fence), &field("DurableLSN", control.durable));
        ui.line(field("Written", moment(control.written)));
    }
}

pub(super) fn record(record: &Shown<'_>, ui: &mut Ui<'_>) {
    let header = &record.header;
    ui.line("");
    ui.line(format_args!("LOG RECORD - LSN {}", header.lsn));
    ui.line(RULE);
    ui.line(format_args!(
        "HLG Header: lrecsize {}, version {}, rmid {}, eyecatcher HLRH",
        record.total_bytes,
        RECORD_VERSION,
        record.manager(),
    ));
    ui.line(format_args!("Creation Time: {}", moment(header.time)));
    ui.line(field(
        "LogRecdType",
        format_args!("{} ({})", record.type_name(), header.kind.0),
    ));
    let file = record.path.file_name().unwrap_or_default().to_string_lossy();
    let place = format!("{file}, offset {}", record.offset);
    pair(ui, &field("File", place), &field("Checksum", format_args!("{:08x}", record.checksum)));
    pair(ui, &field("Epoch", header.epoch), &field("BatchLSN", header.batch_lsn));
    let uow = match header.uow {
        0 => "none".to_owned(),
        uow => uow.to_string(),
    };
    ui.line(field("XTranid", uow));
    pair(ui, &field("ThisLSN", header.lsn), &field("PrevLSN", header.uow_prev));
    content(&Content::of(record), ui);
}

pub(super) fn content(content: &Content, ui: &mut Ui<'_>) {
    match content {
        Content::Nothing => {}
        Content::ExtentStart { prev_end, prev_extent } => {
            let file = prev_extent.file_name();
            pair(ui, &field("PrevEndLSN", prev_end), &field("PrevExtent", file));
        }
        Content::Checkpoint { begin } => ui.line(field("BeginLSN", begin)),
        Content::Object { verb, object, attrs } => {
            let verb = match verb {
                Verb::Define => "DEFINE",
                Verb::Alter => "ALTER",
                Verb::Delete => "DELETE",
            };
            ui.line(format_args!("{verb} {object}"));
            columns(attrs, ui);
        }
        Content::Text(text) => ui.line(field("Text", text)),
        Content::Bytes(bytes) => {
            for (n, row) in bytes.chunks(16).enumerate() {
                ui.line(hex_row(n * 16, row));
            }
        }
    }
}

/// Attributes in two columns, as MQSC displays them; a long one has a line of its own.
fn columns(attrs: &[String], ui: &mut Ui<'_>) {
    let mut first: Option<&String> = None;
    for attr in attrs {
        match first.take() {
            None if attr.len() < SECOND => first = Some(attr),
            None => ui.line(format_args!("   {attr}")),
            Some(before) if attr.len() < SECOND => {
                ui.line(format_args!("   {before:<SECOND$}{attr}"));
            }
            Some(before) => {
                ui.line(format_args!("   {before}"));
                ui.line(format_args!("   {attr}"));
            }
        }
    }
    if let Some(last) = first {
        ui.line(format_args!("   {last}"));
    }
}

fn hex_row(at: usize, bytes: &[u8]) -> String {
    let hex: Vec<_> = bytes.iter().map(|byte| format!("{byte:02X}")).collect();
    let text = |byte: &u8| if byte.is_ascii_graphic() { char::from(*byte) } else { '.' };
    let text: String = bytes.iter().map(text).collect();
    format!("   {at:08X}  {:<47}  {text}", hex.join(" "))
}

/// A name, filled up with dots, and a value.
fn field(name: &str, value: impl std::fmt::Display) -> String {
    const DOTS: &str = " . . . . . . . ";
    let rest = DOTS.get(name.len()..).unwrap_or_default();
    let rest = rest.strip_prefix('.').map_or_else(|| rest.to_owned(), |rest| format!(" {rest}"));
    format!("{name}{rest}: {value}")
}

fn pair(ui: &mut Ui<'_>, one: &str, two: &str) {
    if one.len() < SECOND {
        ui.line(format_args!("{one:<SECOND$}{two}"));
    } else {
        ui.line(one);
        ui.line(two);
    }
}

fn moment(at: UtcTime) -> String {
    match Timestamp::from_microsecond(at.0) {
        Ok(time) => time.strftime("%Y-%m-%d %H:%M:%S.%6f UTC").to_string(),
        Err(_) => format!("{} microseconds after 1970", at.0),
    }
}

fn log_type(log_type: LogType) -> &'static str {
    match log_type {
        LogType::Circular => "circular",
        LogType::Linear(LogManagement::Manual) => "linear, manual",
        LogType::Linear(LogManagement::Automatic) => "linear, automatic",
        LogType::Linear(LogManagement::Archive) => "linear, archive",
    }
}
