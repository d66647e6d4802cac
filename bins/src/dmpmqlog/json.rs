//! The display as JSON: names and values of the text, one document for each block of it.

use std::path::PathBuf;

use miqm_ops::dump_log::{Content, Damage, Header, Shown, Verb};
use miqm_types::{LogManagement, LogType, Lsn};
use serde::Serialize;

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct HeaderDocument<'a> {
    block: &'static str,
    control_file: &'a PathBuf,
    log_path: &'a PathBuf,
    slots: Option<[Option<u64>; 2]>,
    #[serde(rename = "BaseLSN")]
    base: Option<String>,
    #[serde(rename = "HeadLSN")]
    head: Option<String>,
    #[serde(rename = "TailLSN")]
    tail: Option<String>,
    #[serde(rename = "NextLSN")]
    next: Option<String>,
    #[serde(flatten)]
    control: Option<ControlDocument>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ControlDocument {
    #[serde(rename = "QMgrName")]
    name: String,
    #[serde(rename = "QMgrId")]
    id: String,
    log_type: &'static str,
    log_management: Option<&'static str>,
    log_active: u16,
    log_inactive: u16,
    log_size: u32,
    epoch: u64,
    ended_orderly: bool,
    #[serde(rename = "FenceLSN")]
    fence: String,
    #[serde(rename = "DurableLSN")]
    durable: String,
    written_microseconds: i64,
}

pub(super) fn header(header: &Header) -> HeaderDocument<'_> {
    let lsn = |lsn: Lsn| lsn.to_string();
    let control = header.control.as_ref().map(|control| {
        let (log_type, log_management) = match control.log_type {
            LogType::Circular => ("circular", None),
            LogType::Linear(LogManagement::Manual) => ("linear", Some("manual")),
            LogType::Linear(LogManagement::Automatic) => ("linear", Some("automatic")),
            LogType::Linear(LogManagement::Archive) => ("linear", Some("archive")),
        };
        ControlDocument {
            name: control.name.to_string(),
            id: control.qmgr.to_string(),
            log_type,
            log_management,
            log_active: control.geometry.primary(),
            log_inactive: control.geometry.secondary(),
            log_size: control.geometry.extent_pages(),
            epoch: control.epoch.0,
            ended_orderly: control.ended.is_some(),
            fence: lsn(control.fence),
            durable: lsn(control.durable),
            written_microseconds: control.written.0,
        }
    });
    let slots = header.slots.as_ref();
    HeaderDocument {
        block: "header",
        control_file: &header.path,
        log_path: &header.active,
        slots: slots.map(|[one, two]| [one.as_ref().ok().copied(), two.as_ref().ok().copied()]),
        base: header.base.map(lsn),
        head: header.head.map(lsn),
        tail: header.tail.map(|(last, _)| lsn(last)),
        next: header.tail.map(|(_, next)| lsn(next)),
        control,
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct RecordDocument {
    block: &'static str,
    #[serde(rename = "ThisLSN")]
    lsn: String,
    #[serde(rename = "PrevLSN")]
    prev: Option<String>,
    #[serde(rename = "BatchLSN")]
    batch: String,
    log_rec_type: String,
    kind: u16,
    epoch: u64,
    xtranid: Option<u64>,
    time_microseconds: i64,
    file: PathBuf,
    offset: u64,
    lrecsize: usize,
    checksum: String,
    #[serde(flatten)]
    content: Option<ContentDocument>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum ContentDocument {
    ExtentStart {
        #[serde(rename = "PrevEndLSN")]
        prev_end: String,
        #[serde(rename = "PrevExtent")]
        prev_extent: String,
    },
    Checkpoint {
        #[serde(rename = "BeginLSN")]
        begin: String,
    },
    Object {
        #[serde(rename = "Verb")]
        verb: &'static str,
        #[serde(rename = "Object")]
        object: String,
        #[serde(rename = "Attributes")]
        attrs: Vec<String>,
    },
    Text {
        #[serde(rename = "Text")]
        text: String,
    },
    Bytes {
        #[serde(rename = "Bytes")]
        hex: String,
    },
}

pub(super) fn record(record: &Shown<'_>) -> RecordDocument {
    let header = &record.header;
    let some = |lsn: Lsn| (lsn != Lsn::ZERO).then(|| lsn.to_string());
    RecordDocument {
        block: "record",
        lsn: header.lsn.to_string(),
        prev: some(header.uow_prev),
        batch: header.batch_lsn.to_string(),
        log_rec_type: record.type_name(),
        kind: header.kind.0,
        epoch: header.epoch.0,
        xtranid: (header.uow != 0).then_some(header.uow),
        time_microseconds: header.time.0,
        file: record.path.to_owned(),
        offset: record.offset,
        lrecsize: record.total_bytes,
        checksum: format!("{:08x}", record.checksum),
        content: content(Content::of(record)),
    }
}

/// An object that a checkpoint saved.
pub(super) fn object(object: &Content) -> impl Serialize {
    content(object.clone())
}

fn content(content: Content) -> Option<ContentDocument> {
    Some(match content {
        Content::Nothing => return None,
        Content::ExtentStart { prev_end, prev_extent } => ContentDocument::ExtentStart {
            prev_end: prev_end.to_string(),
            prev_extent: prev_extent.file_name(),
        },
        Content::Checkpoint { begin } => ContentDocument::Checkpoint { begin: begin.to_string() },
        Content::Object { verb, object, attrs } => {
            let verb = match verb {
                Verb::Define => "DEFINE",
                Verb::Alter => "ALTER",
                Verb::Delete => "DELETE",
            };
            ContentDocument::Object { verb, object, attrs }
        }
        Content::Text(text) => ContentDocument::Text { text },
        Content::Bytes(bytes) => {
            let hex: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            ContentDocument::Bytes { hex: hex.concat() }
        }
    })
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct DamageDocument<'a> {
    block: &'static str,
    file: &'a PathBuf,
    offset: u64,
    what: &'a str,
}

pub(super) fn damage(damage: &Damage) -> DamageDocument<'_> {
    DamageDocument {
        block: "damage",
        file: &damage.path,
        offset: damage.offset,
        what: &damage.what,
    }
}
