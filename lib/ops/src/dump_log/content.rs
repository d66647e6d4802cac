//! What a record holds, for people.

use miqm_engine::describe;
use miqm_format::extent::ExtentStart;
use miqm_format::object::ObjectImage;
use miqm_format::record::Kind;
use miqm_types::{ExtentNo, Lsn};

use super::Shown;

/// What happens to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// It is defined, or replaced.
    Define,
    /// It is altered.
    Alter,
    /// It is deleted.
    Delete,
}

/// What a record holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// Nothing.
    Nothing,
    /// Where the log before this extent ended.
    ExtentStart {
        /// The position after its last record.
        prev_end: Lsn,
        /// The extent that holds it.
        prev_extent: ExtentNo,
    },
    /// The checkpoint that began there is complete.
    Checkpoint {
        /// Where it began.
        begin: Lsn,
    },
    /// An object.
    Object {
        /// What happens to it.
        verb: Verb,
        /// Its type and name, as a command would give them.
        object: String,
        /// Its attributes, as MQSC would show them.
        attrs: Vec<String>,
    },
    /// A text.
    Text(String),
    /// Bytes of which no more is known.
    Bytes(Vec<u8>),
}

/// Who wrote a kind of record, and what the interface calls it. Kinds of a newer version have a
/// name that tells their number.
fn named(kind: Kind) -> (u8, Option<&'static str>) {
    const LOG: u8 = 0;
    const OBJECTS: u8 = 1;
    const QUEUES: u8 = 2;
    const TRANSACTIONS: u8 = 3;
    match kind {
        Kind::EXTENT_START => (LOG, Some("ALM Start Extent")),
        Kind::EPOCH_START => (LOG, Some("ALM Start Epoch")),
        Kind::CHECKPOINT_BEGIN => (LOG, Some("ALM Start Checkpoint")),
        Kind::CHECKPOINT_END => (LOG, Some("ALM End Checkpoint")),
        Kind::OBJECT_DEFINE => (OBJECTS, Some("AOC Define Object")),
        Kind::OBJECT_ALTER => (OBJECTS, Some("AOC Change Object")),
        Kind::OBJECT_DELETE => (OBJECTS, Some("AOC Delete Object")),
        Kind::QMGR_ATTRIBUTES => (OBJECTS, Some("AOC Change Queue Manager")),
        Kind::PUT => (QUEUES, Some("AQM Put Message")),
        Kind::GET => (QUEUES, Some("AQM Get Message")),
        Kind::COMMIT => (TRANSACTIONS, Some("ATM Transaction Commit")),
        Kind::BACKOUT => (TRANSACTIONS, Some("ATM Transaction Rollback")),
        Kind::PREPARE => (TRANSACTIONS, Some("ATM Transaction Prepare")),
        _ => (u8::MAX, None),
    }
}

impl Shown<'_> {
    /// What the interface calls this type of record.
    pub fn type_name(&self) -> String {
        let kind = self.header.kind;
        named(kind).1.map_or_else(|| kind.to_string(), str::to_owned)
    }

    /// The number of the part of the queue manager that wrote it: 0 the log, 1 objects, 2 queues,
    /// 3 transactions, 255 not known.
    pub fn manager(&self) -> u8 {
        named(self.header.kind).0
    }
}

impl Content {
    /// What happens to an object, and its attributes.
    pub(super) fn object(verb: Verb, image: &ObjectImage) -> Self {
        let describe::Described { object, attrs } = describe::image(image);
        Self::Object { verb, object, attrs }
    }

    /// What a record holds. Never refuses: bytes that are not what they should be are shown as
    /// bytes.
    pub fn of(record: &Shown<'_>) -> Self {
        let bytes = || Self::Bytes(record.body.to_vec());
        let object = |verb| match ObjectImage::decode(record.body) {
            Ok(image) => Self::object(verb, &image),
            Err(_) => bytes(),
        };
        match record.header.kind {
            Kind::OBJECT_DEFINE => object(Verb::Define),
            Kind::OBJECT_ALTER | Kind::QMGR_ATTRIBUTES => object(Verb::Alter),
            Kind::OBJECT_DELETE => object(Verb::Delete),
            Kind::EXTENT_START => match ExtentStart::decode(record.body) {
                Some(ExtentStart { prev_end, prev_extent }) => {
                    Self::ExtentStart { prev_end, prev_extent }
                }
                None => bytes(),
            },
            Kind::CHECKPOINT_END => match <[u8; 8]>::try_from(record.body) {
                Ok(begin) => Self::Checkpoint { begin: Lsn(u64::from_le_bytes(begin)) },
                Err(_) => bytes(),
            },
            _ if record.body.is_empty() => Self::Nothing,
            _ => match std::str::from_utf8(record.body) {
                Ok(text) if !text.contains(char::is_control) => Self::Text(text.to_owned()),
                _ => bytes(),
            },
        }
    }
}
