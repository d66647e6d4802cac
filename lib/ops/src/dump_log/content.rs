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

impl Content {
    /// What a record holds. Never refuses: bytes that are not what they should be are shown as
    /// bytes.
    pub fn of(record: &Shown<'_>) -> Self {
        let bytes = || Self::Bytes(record.body.to_vec());
        let object = |verb| match ObjectImage::decode(record.body) {
            Ok(image) => {
                let describe::Described { object, attrs } = describe::image(&image);
                Self::Object { verb, object, attrs }
            }
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
