//! The image of an object: what a log record that defines it and a catalogue entry both hold.
//!
//! ```text
//! offset  bytes  field       meaning
//!      0      2  version     1
//!      2      2  kind        the type of object; numbers are in the engine's table
//!      4      2  name_bytes  length of the name, at most NAME_BYTES_MAX
//!      6      2  attr_count  number of attributes, at most ATTRS_MAX
//! ```
//!
//! The name follows, then each attribute, by ascending id and each id once:
//!
//! ```text
//! id u16, tag u8, then
//!   tag 1  a number              i32
//!   tag 2  a text                length u16, that many bytes of UTF-8
//!   tag 3  a list of numbers     count u16, that many i32
//!   tag 4  a list of texts       count u16, that many texts as under tag 2
//! ```
//!
//! All integers are little-endian. An image carries no checksum: it is the body of something that
//! has one. There is one way to write an image down, so what decodes encodes to the same bytes.
//! Ids below 0x8000 are the PCF parameter numbers of the attributes, the others are ours; this
//! module gives them no meaning, so that what a newer version wrote can still be shown.

use zerocopy::byteorder::little_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// The version of the image that this module reads and writes. On disk.
pub const VERSION: u16 = 1;
/// The longest name, in bytes.
pub const NAME_BYTES_MAX: usize = 10_240;
/// The longest text, in bytes.
pub const TEXT_BYTES_MAX: usize = 10_240;
/// The most entries in a list.
pub const LIST_ITEMS_MAX: usize = 256;
/// The most attributes of an object.
pub const ATTRS_MAX: usize = 512;
/// The largest image, in bytes: one record of the log holds it.
pub const IMAGE_BYTES_MAX: usize = crate::record::BODY_BYTES_MAX;

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Value {
    /// A number, or the number of a keyword.
    Int(i32),
    /// A text.
    Text(Box<str>),
    /// A list of numbers.
    Ints(Box<[i32]>),
    /// A list of texts.
    Texts(Box<[Box<str>]>),
}

/// An object as it is written down, its attributes not yet checked against any table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectImage {
    /// The type of object.
    pub kind: u16,
    /// Its name.
    pub name: Box<str>,
    /// Its attributes by ascending id, each id once.
    pub attrs: Vec<(u16, Value)>,
}

/// Why bytes are not the image of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadObject {
    /// The bytes end before the image does.
    #[error("the object ends in the middle of a field")]
    Short,
    /// Bytes follow the image.
    #[error("{0} bytes follow the object")]
    Trailing(usize),
    /// A version this module does not know.
    #[error("objects of format {0} are not known to this version")]
    Version(u16),
    /// A length or count is over its limit.
    #[error("a field of the object is longer than its limit")]
    TooLong,
    /// A name or a text is not UTF-8.
    #[error("a text of the object is not UTF-8")]
    Utf8,
    /// Attribute ids do not ascend.
    #[error("attribute {0} is out of order")]
    Order(u16),
    /// An attribute has a type this module does not know.
    #[error("attribute {id} has a value of the unknown type {tag}")]
    Tag {
        /// The attribute.
        id: u16,
        /// Its type.
        tag: u8,
    },
}

const TAG_INT: u8 = 1;
const TAG_TEXT: u8 = 2;
const TAG_INTS: u8 = 3;
const TAG_TEXTS: u8 = 4;

#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct RawHeader {
    version: U16,
    kind: U16,
    name_bytes: U16,
    attr_count: U16,
}

const _: () = assert!(size_of::<RawHeader>() == 8);

impl ObjectImage {
    /// The attribute with this id.
    pub fn attr(&self, id: u16) -> Option<&Value> {
        let at = self.attrs.binary_search_by_key(&id, |(id, _)| *id).ok()?;
        self.attrs.get(at).map(|(_, value)| value)
    }

    /// Appends the image to `out`.
    ///
    /// # Errors
    ///
    /// [`BadObject`] if the object breaks a limit or the order of its attributes: nothing that
    /// could not be read back is ever written.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), BadObject> {
        let start = out.len();
        let done = self.encode_into(out);
        if done.is_err() {
            out.truncate(start);
        }
        done
    }

    fn encode_into(&self, out: &mut Vec<u8>) -> Result<(), BadObject> {
        let start = out.len();
        let header = RawHeader {
            version: U16::new(VERSION),
            kind: U16::new(self.kind),
            name_bytes: U16::new(bounded(self.name.len(), NAME_BYTES_MAX)?),
            attr_count: U16::new(bounded(self.attrs.len(), ATTRS_MAX)?),
        };
        out.extend_from_slice(header.as_bytes());
        out.extend_from_slice(self.name.as_bytes());
        let mut last = None;
        for (id, value) in &self.attrs {
            if last.is_some_and(|last| last >= *id) {
                return Err(BadObject::Order(*id));
            }
            last = Some(*id);
            out.extend_from_slice(&id.to_le_bytes());
            encode_value(value, out)?;
        }
        if out.len() - start > IMAGE_BYTES_MAX { Err(BadObject::TooLong) } else { Ok(()) }
    }

    /// Reads an image that fills `bytes` exactly.
    ///
    /// # Errors
    ///
    /// [`BadObject`] with the first thing found wrong. Every length is checked against its limit
    /// and against what is there before memory is taken for it.
    pub fn decode(bytes: &[u8]) -> Result<Self, BadObject> {
        if bytes.len() > IMAGE_BYTES_MAX {
            return Err(BadObject::TooLong);
        }
        let (header, rest) = RawHeader::read_from_prefix(bytes).map_err(|_| BadObject::Short)?;
        if header.version.get() != VERSION {
            return Err(BadObject::Version(header.version.get()));
        }
        let name_bytes = usize::from(header.name_bytes.get());
        let count = usize::from(header.attr_count.get());
        if name_bytes > NAME_BYTES_MAX || count > ATTRS_MAX {
            return Err(BadObject::TooLong);
        }
        let mut input = Input(rest);
        let name = input.utf8(name_bytes)?;
        let mut attrs: Vec<(u16, Value)> = Vec::with_capacity(count.min(input.0.len() / 5));
        for _ in 0..count {
            let id = input.u16()?;
            if attrs.last().is_some_and(|(last, _)| *last >= id) {
                return Err(BadObject::Order(id));
            }
            attrs.push((id, input.value(id)?));
        }
        if !input.0.is_empty() {
            return Err(BadObject::Trailing(input.0.len()));
        }
        Ok(Self { kind: header.kind.get(), name, attrs })
    }
}

fn bounded(len: usize, max: usize) -> Result<u16, BadObject> {
    if len > max {
        return Err(BadObject::TooLong);
    }
    u16::try_from(len).map_err(|_| BadObject::TooLong)
}

fn encode_value(value: &Value, out: &mut Vec<u8>) -> Result<(), BadObject> {
    match value {
        Value::Int(number) => {
            out.push(TAG_INT);
            out.extend_from_slice(&number.to_le_bytes());
        }
        Value::Text(text) => {
            out.push(TAG_TEXT);
            encode_text(text, out)?;
        }
        Value::Ints(numbers) => {
            out.push(TAG_INTS);
            out.extend_from_slice(&bounded(numbers.len(), LIST_ITEMS_MAX)?.to_le_bytes());
            for number in numbers {
                out.extend_from_slice(&number.to_le_bytes());
            }
        }
        Value::Texts(texts) => {
            out.push(TAG_TEXTS);
            out.extend_from_slice(&bounded(texts.len(), LIST_ITEMS_MAX)?.to_le_bytes());
            for text in texts {
                encode_text(text, out)?;
            }
        }
    }
    Ok(())
}

fn encode_text(text: &str, out: &mut Vec<u8>) -> Result<(), BadObject> {
    out.extend_from_slice(&bounded(text.len(), TEXT_BYTES_MAX)?.to_le_bytes());
    out.extend_from_slice(text.as_bytes());
    Ok(())
}

/// What is left to read.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn take(&mut self, bytes: usize) -> Result<&'a [u8], BadObject> {
        let (taken, rest) = self.0.split_at_checked(bytes).ok_or(BadObject::Short)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], BadObject> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(BadObject::Short)?;
        self.0 = rest;
        Ok(*taken)
    }

    fn u16(&mut self) -> Result<u16, BadObject> {
        self.array().map(u16::from_le_bytes)
    }

    fn i32(&mut self) -> Result<i32, BadObject> {
        self.array().map(i32::from_le_bytes)
    }

    fn utf8(&mut self, bytes: usize) -> Result<Box<str>, BadObject> {
        let text = std::str::from_utf8(self.take(bytes)?).map_err(|_| BadObject::Utf8)?;
        Ok(text.into())
    }

    fn text(&mut self) -> Result<Box<str>, BadObject> {
        let bytes = usize::from(self.u16()?);
        if bytes > TEXT_BYTES_MAX {
            return Err(BadObject::TooLong);
        }
        self.utf8(bytes)
    }

    fn count(&mut self, least_bytes: usize) -> Result<usize, BadObject> {
        let count = usize::from(self.u16()?);
        if count > LIST_ITEMS_MAX {
            return Err(BadObject::TooLong);
        }
        if self.0.len() < count * least_bytes { Err(BadObject::Short) } else { Ok(count) }
    }

    fn value(&mut self, id: u16) -> Result<Value, BadObject> {
        let [tag] = self.array()?;
        match tag {
            TAG_INT => self.i32().map(Value::Int),
            TAG_TEXT => self.text().map(Value::Text),
            TAG_INTS => {
                let count = self.count(4)?;
                (0..count).map(|_| self.i32()).collect::<Result<_, _>>().map(Value::Ints)
            }
            TAG_TEXTS => {
                let count = self.count(2)?;
                (0..count).map(|_| self.text()).collect::<Result<_, _>>().map(Value::Texts)
            }
            _ => Err(BadObject::Tag { id, tag }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doc_table;

    fn sample() -> ObjectImage {
        ObjectImage {
            kind: 2,
            name: "Q.1".into(),
            attrs: vec![
                (15, Value::Int(5000)),
                (2013, Value::Text("a queue".into())),
                (2020, Value::Texts(["A".into(), "B.C".into()].into())),
                (2021, Value::Ints([0, -1].into())),
            ],
        }
    }

    fn encoded(image: &ObjectImage) -> Vec<u8> {
        let mut out = Vec::new();
        image.encode(&mut out).expect("within the limits");
        out
    }

    #[test]
    fn the_table_is_the_struct() {
        let fields = doc_table::fields!(RawHeader { version, kind, name_bytes, attr_count });
        assert_eq!(doc_table::parse(include_str!("object.rs")), fields);
    }

    #[test]
    fn the_bytes_on_disk_do_not_change() {
        let golden: &[u8] = b"\x01\x00\x02\x00\x03\x00\x04\x00Q.1\
            \x0f\x00\x01\x88\x13\x00\x00\
            \xdd\x07\x02\x07\x00a queue\
            \xe4\x07\x04\x02\x00\x01\x00A\x03\x00B.C\
            \xe5\x07\x03\x02\x00\x00\x00\x00\x00\xff\xff\xff\xff";
        assert_eq!(encoded(&sample()), golden);
        assert_eq!(ObjectImage::decode(golden), Ok(sample()));
    }

    #[test]
    fn every_cut_is_refused_and_no_flip_is_ambiguous() {
        let bytes = encoded(&sample());
        for cut in 0..bytes.len() {
            assert!(ObjectImage::decode(&bytes[..cut]).is_err(), "cut at {cut}");
        }
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            if let Ok(image) = ObjectImage::decode(&flipped) {
                assert_ne!(image, sample(), "bit {bit}");
                assert_eq!(encoded(&image), flipped, "bit {bit}");
            }
        }
    }

    #[test]
    fn limits_hold_in_both_directions() {
        let mut long = sample();
        long.attrs = vec![(1, Value::Text("x".repeat(TEXT_BYTES_MAX + 1).into()))];
        assert_eq!(long.encode(&mut Vec::new()), Err(BadObject::TooLong));
        let mut disordered = sample();
        disordered.attrs.reverse();
        assert_eq!(disordered.encode(&mut Vec::new()), Err(BadObject::Order(2020)));
        let mut trailing = encoded(&sample());
        trailing.push(0);
        assert_eq!(ObjectImage::decode(&trailing), Err(BadObject::Trailing(1)));
        let lying = b"\x01\x00\x02\x00\x00\x00\x01\x00\x01\x00\x03\xff\xff";
        assert_eq!(ObjectImage::decode(lying), Err(BadObject::TooLong));
        let newer = b"\x02\x00\x02\x00\x00\x00\x00\x00";
        assert_eq!(ObjectImage::decode(newer), Err(BadObject::Version(2)));
    }

    #[test]
    fn an_unknown_type_of_value_is_named() {
        let bytes = b"\x01\x00\x02\x00\x00\x00\x01\x00\x05\x00\x09";
        assert_eq!(ObjectImage::decode(bytes), Err(BadObject::Tag { id: 5, tag: 9 }));
    }
}
