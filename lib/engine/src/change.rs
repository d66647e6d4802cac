//! Changes to the catalogue, and the log records that hold them.
//!
//! The body of a record is the image of the object after the change; of a deletion, an image with
//! only the attributes that tell the object from others of its name. To make a change again, or to
//! make it to a catalogue that has later ones already, and these after it, gives the same.

use miqm_format::object::ObjectImage;
use miqm_wal::Kind as RecordKind;

use crate::attr::CHLAUTH_KEY;
use crate::kind::{Class, Kind};
use crate::object::{BadImage, Object, SharedObject};

/// A change to a catalogue. It says what is then, not what to do to what was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The object is as given, and did not exist or is replaced.
    Define(SharedObject),
    /// The object is as given, and existed.
    Alter(SharedObject),
    /// The object with this one's key is gone.
    Delete(SharedObject),
}

impl Change {
    /// The object that it is about.
    pub fn object(&self) -> &SharedObject {
        match self {
            Self::Define(object) | Self::Alter(object) | Self::Delete(object) => object,
        }
    }

    /// The kind and body of its log record.
    ///
    /// # Panics
    ///
    /// If the object breaks a limit of the format; the table's limits are narrower.
    pub fn to_record(&self) -> (RecordKind, Vec<u8>) {
        let mut image = self.object().to_image();
        let kind = match self {
            Self::Define(_) => RecordKind::OBJECT_DEFINE,
            Self::Alter(object) if object.kind() == Kind::Qmgr => RecordKind::QMGR_ATTRIBUTES,
            Self::Alter(_) => RecordKind::OBJECT_ALTER,
            Self::Delete(object) => {
                let rule = object.kind().class() == Class::Chlauth;
                image.attrs.retain(|(id, _)| rule && CHLAUTH_KEY.contains(id));
                RecordKind::OBJECT_DELETE
            }
        };
        let mut body = Vec::new();
        image.encode(&mut body).expect("an object within the table's limits can be written");
        (kind, body)
    }

    /// The change in a log record; `None` if it is of a kind that changes no object.
    ///
    /// # Errors
    ///
    /// [`BadImage`] if the object is not one that this version could have logged.
    pub fn from_record(kind: RecordKind, body: &[u8]) -> Result<Option<Self>, BadImage> {
        let change = match kind {
            RecordKind::OBJECT_DEFINE => Self::Define,
            RecordKind::OBJECT_ALTER | RecordKind::QMGR_ATTRIBUTES => Self::Alter,
            RecordKind::OBJECT_DELETE => Self::Delete,
            _ => return Ok(None),
        };
        let object = Object::from_image(ObjectImage::decode(body)?)?;
        Ok(Some(change(object.into())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attr::Value;

    #[test]
    fn a_change_reads_as_it_was_logged() {
        for kind in Kind::ALL {
            let object = SharedObject::from(Object::new(kind, "A").unwrap());
            for change in [Change::Define(object.clone()), Change::Alter(object.clone())] {
                let (record, body) = change.to_record();
                assert_eq!(Change::from_record(record, &body), Ok(Some(change)));
            }
            let (record, body) = Change::Delete(object.clone()).to_record();
            let deleted = Change::from_record(record, &body).unwrap().unwrap();
            assert_eq!(deleted.object().key(), object.key());
            assert!(body.len() < 64, "a deletion says which object and no more");
        }
    }

    #[test]
    fn the_largest_object_fits_one_record() {
        for kind in Kind::ALL {
            let mut image = Object::new(kind, "A").unwrap().to_image();
            image.name = "x".repeat(kind.class().name_bytes_max()).into();
            for (id, value) in &mut image.attrs {
                use crate::attr::Shape;
                match crate::attr::by_id(kind, *id).unwrap().shape {
                    Shape::Text { max_bytes, .. } => {
                        *value = Value::Text("x".repeat(max_bytes.into()).into());
                    }
                    Shape::TextList { items_max, max_bytes, .. } => {
                        let item: Box<str> = "x".repeat(max_bytes.into()).into();
                        *value = Value::Texts(vec![item; items_max.into()].into());
                    }
                    _ => {}
                }
            }
            let object = Object::from_image(image).unwrap_or_else(|e| panic!("{kind}: {e}"));
            let (_, body) = Change::Define(object.into()).to_record();
            assert!(body.len() <= miqm_format::record::BODY_BYTES_MAX, "{kind}: {}", body.len());
        }
    }

    #[test]
    fn other_records_change_no_object() {
        assert_eq!(Change::from_record(RecordKind::EPOCH_START, b"x"), Ok(None));
        assert!(Change::from_record(RecordKind::OBJECT_DEFINE, b"x").is_err());
    }
}
