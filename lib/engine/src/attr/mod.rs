//! The one table of attributes: keyword, type, limits, default, which objects have it, who may
//! change it, its PCF number and since when it is there.
//!
//! Everything that touches attributes is derived from this table: MQSC, PCF, MQINQ and MQSET, the
//! catalogue, the display of log records. The PCF number of an attribute is its identity on disk
//! too. An attribute that an object was written without has the table's default, so an object of
//! an older version needs no conversion.

mod channel;
mod misc;
mod qmgr;
mod queue;
mod value;
mod words;

pub use miqm_format::object::Value;

pub use crate::kind::{Class, Kind, KindSet};
pub(crate) use misc::CHLAUTH_KEY;
pub(crate) use qmgr::CMDLEVEL;
pub use value::BadValue;
pub(crate) use value::show_plain;

/// A keyword and its number.
pub type Word = (&'static str, i32);

/// The type of an attribute's value.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    /// A number in a range, or one of some keywords that stand for numbers outside it.
    Number {
        /// The smallest.
        min: i32,
        /// The largest.
        max: i32,
        /// Keywords allowed as well, such as `NOLIMIT`.
        words: &'static [Word],
    },
    /// One of some keywords.
    Words(&'static [Word]),
    /// A list of keywords, each at most once.
    WordList(&'static [Word]),
    /// A keyword without a value, or its opposite: `SHARE` and `NOSHARE`. 1 and 0.
    Flag {
        /// The keyword that stands for 1.
        on: &'static str,
        /// The keyword that stands for 0.
        off: &'static str,
    },
    /// A text of at most so many bytes.
    Text {
        /// The most bytes.
        max_bytes: u16,
        /// What it may consist of.
        form: Form,
    },
    /// A list of texts.
    TextList {
        /// The most entries.
        items_max: u16,
        /// The most bytes of an entry.
        max_bytes: u16,
        /// What an entry may consist of.
        form: Form,
    },
}

/// What a text may consist of. An empty text is always allowed: it means "none".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Anything but control characters.
    Any,
    /// The name of an object, channel or queue manager.
    Name,
}

/// Who gives an attribute its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// DEFINE and ALTER.
    Alter,
    /// DEFINE only.
    Define,
    /// The queue manager; stored with the object.
    Fixed,
    /// The queue manager, while it runs; not stored.
    Live,
}

/// A default, in the form a constant can have.
#[derive(Clone, Copy, Debug)]
pub enum Initial {
    /// A number.
    Int(i32),
    /// A text.
    Text(&'static str),
    /// A list of numbers.
    Ints(&'static [i32]),
    /// An empty list of texts.
    NoTexts,
}

/// An attribute.
#[derive(Clone, Copy, Debug)]
pub struct Attr {
    /// The MQSC keyword.
    pub keyword: &'static str,
    /// The PCF number (`MQIA_`, `MQCA_`, `MQIACH_`, `MQCACH_`, `MQIACF_`, `MQCACF_`); also on disk.
    pub id: u16,
    /// The objects that have it.
    pub kinds: KindSet,
    /// The type of its value.
    pub shape: Shape,
    /// Its value where nobody says otherwise.
    pub default: Initial,
    /// Who changes it.
    pub access: Access,
    /// Whether MQSET can change it.
    pub mqset: bool,
    /// The command level it came with.
    pub since: u16,
}

/// Every attribute, in groups; within a group as MQSC displays them.
const GROUPS: [&[Attr]; 8] = [
    qmgr::ATTRS,
    queue::ATTRS,
    channel::ATTRS,
    misc::LISTENERS_AND_SERVICES,
    misc::PROCESSES_AND_NAMELISTS,
    misc::TOPICS,
    misc::AUTHINFO,
    misc::CHLAUTH,
];

/// Every attribute.
pub fn all() -> impl Iterator<Item = &'static Attr> {
    GROUPS.into_iter().flatten()
}

/// The attributes of a type of object, in the order MQSC displays them.
pub fn of(kind: Kind) -> impl Iterator<Item = &'static Attr> {
    all().filter(move |attr| attr.kinds.has(kind))
}

/// The attribute with a PCF number.
pub fn by_id(kind: Kind, id: u16) -> Option<&'static Attr> {
    of(kind).find(|attr| attr.id == id)
}

/// The attribute with a keyword, in upper case; for a flag either of its two.
pub fn by_keyword(kind: Kind, keyword: &str) -> Option<&'static Attr> {
    of(kind).find(|attr| match attr.shape {
        Shape::Flag { on, off } => on == keyword || off == keyword,
        _ => attr.keyword == keyword,
    })
}

const fn attr(keyword: &'static str, id: u16, kinds: KindSet, shape: Shape) -> Attr {
    let default = match shape {
        Shape::Text { .. } => Initial::Text(""),
        Shape::TextList { .. } => Initial::NoTexts,
        Shape::WordList(_) => Initial::Ints(&[]),
        _ => Initial::Int(0),
    };
    Attr { keyword, id, kinds, shape, default, access: Access::Alter, mqset: false, since: 900 }
}

const fn number(keyword: &'static str, id: u16, kinds: KindSet, min: i32, max: i32) -> Attr {
    attr(keyword, id, kinds, Shape::Number { min, max, words: &[] })
}

const fn words(keyword: &'static str, id: u16, kinds: KindSet, words: &'static [Word]) -> Attr {
    attr(keyword, id, kinds, Shape::Words(words))
}

const fn flag(on: &'static str, off: &'static str, id: u16, kinds: KindSet) -> Attr {
    attr(on, id, kinds, Shape::Flag { on, off })
}

const fn text(keyword: &'static str, id: u16, kinds: KindSet, max_bytes: u16) -> Attr {
    attr(keyword, id, kinds, Shape::Text { max_bytes, form: Form::Any })
}

const fn name(keyword: &'static str, id: u16, kinds: KindSet) -> Attr {
    attr(keyword, id, kinds, Shape::Text { max_bytes: 48, form: Form::Name })
}

const fn texts(keyword: &'static str, id: u16, kinds: KindSet, items: u16, bytes: u16) -> Attr {
    let shape = Shape::TextList { items_max: items, max_bytes: bytes, form: Form::Any };
    attr(keyword, id, kinds, shape)
}

impl Attr {
    const fn is(mut self, value: i32) -> Self {
        self.default = Initial::Int(value);
        self
    }

    const fn is_text(mut self, value: &'static str) -> Self {
        self.default = Initial::Text(value);
        self
    }

    const fn is_list(mut self, value: &'static [i32]) -> Self {
        self.default = Initial::Ints(value);
        self
    }

    const fn or(mut self, more: &'static [Word]) -> Self {
        if let Shape::Number { min, max, .. } = self.shape {
            self.shape = Shape::Number { min, max, words: more };
        }
        self
    }

    const fn by(mut self, access: Access) -> Self {
        self.access = access;
        self
    }

    const fn mqset(mut self) -> Self {
        self.mqset = true;
        self
    }

    const fn since(mut self, level: u16) -> Self {
        self.since = level;
        self
    }

    /// Whether it is stored with the object.
    pub const fn stored(&self) -> bool {
        !matches!(self.access, Access::Live)
    }

    /// Whether MQINQ answers for it: the selectors of queues, processes, namelists and the queue
    /// manager.
    pub const fn mqinq(&self) -> bool {
        const OPENED: KindSet = KindSet::of(&[
            Kind::Qmgr,
            Kind::Qlocal,
            Kind::Qmodel,
            Kind::Qalias,
            Kind::Qremote,
            Kind::Process,
            Kind::Namelist,
        ]);
        self.kinds.meets(OPENED) && (self.id < 1000 || self.id > 2000 && self.id < 2700)
    }

    /// Its value where nobody says otherwise.
    pub fn initial(&self) -> Value {
        match self.default {
            Initial::Int(number) => Value::Int(number),
            Initial::Text(text) => Value::Text(text.into()),
            Initial::Ints(numbers) => Value::Ints(numbers.into()),
            Initial::NoTexts => Value::Texts([].into()),
        }
    }
}

/// When an object was last changed, on all of them.
const ALTERED: KindSet = KindSet::of(&Kind::ALL);

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn each_object_has_a_keyword_and_a_number_once() {
        for kind in Kind::ALL {
            let mut keywords = HashSet::new();
            let mut ids = HashSet::new();
            for attr in of(kind) {
                assert!(keywords.insert(attr.keyword), "{kind}: {} twice", attr.keyword);
                assert!(ids.insert(attr.id), "{kind}: {} twice ({})", attr.id, attr.keyword);
                if let Shape::Flag { off, .. } = attr.shape {
                    assert!(keywords.insert(off), "{kind}: {off} twice");
                }
            }
            assert!(keywords.contains("ALTDATE"), "{kind}");
        }
    }

    #[test]
    fn every_default_is_a_value_the_attribute_can_have() {
        for attr in all() {
            attr.check(&attr.initial())
                .unwrap_or_else(|e| panic!("{} {}: {e}", attr.keyword, attr.id));
        }
    }

    #[test]
    fn numbers_are_of_the_type_that_pcf_gives_them() {
        for attr in all() {
            let integer = attr.id <= 2000;
            let shape = !matches!(attr.shape, Shape::Text { .. } | Shape::TextList { .. });
            assert_eq!(integer, shape, "{} {}", attr.keyword, attr.id);
            assert!(attr.keyword.len() <= 8, "{}", attr.keyword);
        }
    }

    #[test]
    fn every_value_reads_as_it_is_shown() {
        for attr in all() {
            let value = attr.initial();
            let shown = attr.text_of(&value);
            assert_eq!(attr.parse(&shown), Ok(value), "{} {shown:?}", attr.keyword);
        }
    }
}
