//! Objects, checked against the table of attributes.

use std::fmt;
use std::sync::Arc;

use miqm_format::object::{BadObject, ObjectImage};
use miqm_types::{BadName, ObjectName};

use crate::attr::{self, Access, Attr, BadValue, Value};
use crate::date::Stamp;
use crate::kind::{Class, Kind};

/// Attributes that every object has, by their PCF numbers.
pub(crate) const ALTDATE: u16 = 2027;
pub(crate) const ALTTIME: u16 = 2028;
pub(crate) const CRDATE: u16 = 2004;
pub(crate) const CRTIME: u16 = 2005;

/// An object: a name and a value for each stored attribute of its type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    kind: Kind,
    name: Box<str>,
    /// By ascending id. One that is missing has the table's default.
    attrs: Vec<(u16, Value)>,
}

/// What makes an object the only one of its kind in a catalogue.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The name space.
    pub class: Class,
    /// The name.
    pub name: Box<str>,
    /// What else tells objects of a name apart: of channel authentication rules the type and what
    /// they match, else empty.
    pub qualifier: Box<str>,
}

/// Why an object cannot be as asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadDefinition {
    /// The name is not one.
    #[error("'{name}' cannot be the name of a {class}: {why}", class = class.keyword())]
    Name {
        /// What was to be named.
        class: Class,
        /// The name.
        name: Box<str>,
        /// What is wrong with it.
        why: BadName,
    },
    /// The type of object has no such attribute.
    #[error("{kind} objects have no attribute {keyword}")]
    NoSuchAttr {
        /// The type of object.
        kind: Kind,
        /// The keyword.
        keyword: Box<str>,
    },
    /// The attribute cannot have the value.
    #[error("{keyword}: {why}")]
    Value {
        /// The attribute.
        keyword: &'static str,
        /// What is wrong with the value.
        why: BadValue,
    },
    /// The attribute is not the operator's to change.
    #[error("{keyword} cannot be set")]
    Fixed {
        /// The attribute.
        keyword: &'static str,
    },
}

/// Why a stored object cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadImage {
    /// The bytes are not an object.
    #[error(transparent)]
    Bytes(#[from] BadObject),
    /// A type of object that the table does not have: a newer version's.
    #[error("'{name}' is an object of the unknown type {kind}")]
    Kind {
        /// The type's number.
        kind: u16,
        /// The object's name.
        name: Box<str>,
    },
    /// An attribute that the type does not have in the table: a newer version's.
    #[error("{kind} '{name}' has the unknown attribute {id}")]
    Attr {
        /// The type of object.
        kind: Kind,
        /// Its name.
        name: Box<str>,
        /// The attribute's number.
        id: u16,
    },
    /// A name or a value that the table does not allow.
    #[error("{kind} '{name}': {why}")]
    Content {
        /// The type of object.
        kind: Kind,
        /// Its name.
        name: Box<str>,
        /// What is wrong.
        why: BadDefinition,
    },
}

impl Object {
    /// An object whose attributes all have the table's defaults.
    ///
    /// # Errors
    ///
    /// [`BadDefinition::Name`].
    pub fn new(kind: Kind, name: &str) -> Result<Self, BadDefinition> {
        check_name(kind.class(), name)?;
        let mut attrs: Vec<_> = attr::of(kind)
            .filter(|attr| attr.stored())
            .map(|attr| (attr.id, attr.initial()))
            .collect();
        attrs.sort_unstable_by_key(|(id, _)| *id);
        Ok(Self { kind, name: name.into(), attrs })
    }

    /// The type.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The value of an attribute; `None` if the type has no such stored attribute.
    pub fn get(&self, id: u16) -> Option<Value> {
        match self.attrs.binary_search_by_key(&id, |(id, _)| *id) {
            Ok(at) => Some(self.attrs[at].1.clone()),
            Err(_) => attr::by_id(self.kind, id).filter(|a| a.stored()).map(Attr::initial),
        }
    }

    /// The number of a numeric attribute; `None` if it is not one.
    pub fn number(&self, id: u16) -> Option<i32> {
        match self.get(id) {
            Some(Value::Int(number)) => Some(number),
            _ => None,
        }
    }

    /// The value of an attribute as MQSC shows it; `None` if the type has no such attribute.
    pub fn shown(&self, keyword: &str) -> Option<String> {
        let attr = attr::by_keyword(self.kind, keyword)?;
        self.get(attr.id).map(|value| attr.text_of(&value))
    }

    /// Gives an attribute a value, as the operator may.
    ///
    /// # Errors
    ///
    /// [`BadDefinition`]: there is no such attribute, it is not the operator's, or the value is
    /// not allowed.
    pub fn set(&mut self, keyword: &str, text: &str) -> Result<(), BadDefinition> {
        let attr = self.attr(keyword)?;
        if !matches!(attr.access, Access::Alter | Access::Define) {
            return Err(BadDefinition::Fixed { keyword: attr.keyword });
        }
        let value =
            attr.parse(text).map_err(|why| BadDefinition::Value { keyword: attr.keyword, why })?;
        self.put(attr.id, value);
        Ok(())
    }

    /// Gives an attribute a value, also one that only the queue manager sets.
    ///
    /// # Errors
    ///
    /// [`BadDefinition`]: there is no such attribute, or the value is not allowed.
    pub fn set_value(&mut self, keyword: &str, value: Value) -> Result<(), BadDefinition> {
        let attr = self.attr(keyword)?;
        attr.check(&value).map_err(|why| BadDefinition::Value { keyword: attr.keyword, why })?;
        self.put(attr.id, value);
        Ok(())
    }

    /// The same object under another name, as DEFINE ... LIKE makes it.
    ///
    /// # Errors
    ///
    /// [`BadDefinition::Name`].
    pub fn like(&self, name: &str) -> Result<Self, BadDefinition> {
        check_name(self.kind.class(), name)?;
        Ok(Self { name: name.into(), ..self.clone() })
    }

    /// Notes when it was changed.
    pub fn altered(&mut self, at: &Stamp) {
        self.put(ALTDATE, Value::Text(at.date.clone()));
        self.put(ALTTIME, Value::Text(at.time.clone()));
    }

    /// Notes when it was made, where the type keeps that, and that it was changed then.
    pub fn created(&mut self, at: &Stamp) {
        self.altered(at);
        if attr::by_id(self.kind, CRDATE).is_some() {
            self.put(CRDATE, Value::Text(at.date.clone()));
            self.put(CRTIME, Value::Text(at.time.clone()));
        }
    }

    /// What makes it the only one.
    pub fn key(&self) -> Key {
        let class = self.kind.class();
        let mut qualifier = String::new();
        if let (Class::Chlauth, Some((_, subtype))) = (class, self.kind.subtype()) {
            qualifier.push_str(subtype);
            for id in attr::CHLAUTH_KEY {
                // No control character can be in a value, so no two lists of values join to one.
                qualifier.push('\u{1}');
                if let Some(Value::Text(text)) = self.get(id) {
                    qualifier.push_str(&text);
                }
            }
        }
        Key { class, name: self.name.clone(), qualifier: qualifier.into() }
    }

    /// Every stored attribute with its value as MQSC shows it, `KEYWORD(value)`, in the table's
    /// order.
    pub fn show(&self) -> Vec<String> {
        attr::of(self.kind)
            .filter_map(|attr| self.get(attr.id).map(|value| attr.show(&value)))
            .collect()
    }

    /// What is written down of it.
    pub fn to_image(&self) -> ObjectImage {
        ObjectImage { kind: self.kind.number(), name: self.name.clone(), attrs: self.attrs.clone() }
    }

    /// The object that was written down.
    ///
    /// # Errors
    ///
    /// [`BadImage`] if it is not one that this version could have written: whoever goes on from
    /// there would lose what it does not know.
    pub fn from_image(image: ObjectImage) -> Result<Self, BadImage> {
        let ObjectImage { kind, name, attrs } = image;
        let Some(kind) = Kind::from_number(kind) else {
            return Err(BadImage::Kind { kind, name });
        };
        let content = |why| BadImage::Content { kind, name: name.clone(), why };
        check_name(kind.class(), &name).map_err(content)?;
        for (id, value) in &attrs {
            let Some(attr) = attr::by_id(kind, *id).filter(|attr| attr.stored()) else {
                return Err(BadImage::Attr { kind, name, id: *id });
            };
            attr.check(value)
                .map_err(|why| content(BadDefinition::Value { keyword: attr.keyword, why }))?;
        }
        Ok(Self { kind, name, attrs })
    }

    fn attr(&self, keyword: &str) -> Result<&'static Attr, BadDefinition> {
        let none = || BadDefinition::NoSuchAttr { kind: self.kind, keyword: keyword.into() };
        attr::by_keyword(self.kind, keyword).filter(|attr| attr.stored()).ok_or_else(none)
    }

    pub(crate) fn put(&mut self, id: u16, value: Value) {
        match self.attrs.binary_search_by_key(&id, |(id, _)| *id) {
            Ok(at) => self.attrs[at].1 = value,
            Err(at) => self.attrs.insert(at, (id, value)),
        }
    }
}

impl fmt::Display for Object {
    /// `QLOCAL('APP.Q')`: as a command would name it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&title(self.kind, &self.name))
    }
}

/// A type and a name, as a command would give them: `QLOCAL('APP.Q')`.
pub(crate) fn title(kind: Kind, name: &str) -> String {
    match (kind.class(), kind.subtype()) {
        (Class::Queue, Some((_, subtype))) => format!("{subtype}('{name}')"),
        (class, Some((keyword, subtype))) => {
            format!("{}('{name}') {keyword}({subtype})", class.keyword())
        }
        (class, None) => format!("{}('{name}')", class.keyword()),
    }
}

fn check_name(class: Class, name: &str) -> Result<(), BadDefinition> {
    let bad = |why| BadDefinition::Name { class, name: name.into(), why };
    let max_bytes = class.name_bytes_max();
    if name.len() > max_bytes {
        return Err(bad(BadName::TooLong { len_bytes: name.len(), max_bytes }));
    }
    match class {
        Class::Sub => match name.chars().find(|c| c.is_control()) {
            Some(found) => Err(bad(BadName::Forbidden { found })),
            None if name.is_empty() => Err(bad(BadName::Empty)),
            None => Ok(()),
        },
        // A profile: the name of a channel, or the beginning of names and an asterisk.
        Class::Chlauth => match name.strip_suffix('*') {
            Some("") => Ok(()),
            Some(prefix) => prefix.parse::<ObjectName>().map(drop).map_err(bad),
            None => name.parse::<ObjectName>().map(drop).map_err(bad),
        },
        _ => name.parse::<ObjectName>().map(drop).map_err(bad),
    }
}

/// Objects of a catalogue are shared with the snapshots that are written of it.
pub type SharedObject = Arc<Object>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_reads_as_it_was_written_and_has_every_attribute() {
        for kind in Kind::ALL {
            let object = Object::new(kind, "SYSTEM.X").unwrap();
            let stored = attr::of(kind).filter(|attr| attr.stored()).count();
            assert_eq!(object.attrs.len(), stored);
            assert_eq!(object.show().len(), stored);
            assert_eq!(Object::from_image(object.to_image()), Ok(object));
        }
    }

    #[test]
    fn what_the_table_does_not_allow_is_refused() {
        let mut queue = Object::new(Kind::Qlocal, "Q").unwrap();
        queue.set("MAXDEPTH", "7").unwrap();
        queue.set("NOSHARE", "NOSHARE").unwrap();
        assert_eq!(queue.shown("MAXDEPTH").as_deref(), Some("7"));
        assert_eq!(queue.shown("SHARE").as_deref(), Some("NOSHARE"));
        assert!(matches!(queue.set("CRDATE", "x"), Err(BadDefinition::Fixed { .. })));
        assert!(matches!(queue.set("CURDEPTH", "1"), Err(BadDefinition::NoSuchAttr { .. })));
        assert!(matches!(queue.set("RNAME", "X"), Err(BadDefinition::NoSuchAttr { .. })));
        assert!(matches!(queue.set("MAXDEPTH", "-1"), Err(BadDefinition::Value { .. })));
        for bad in ["", "A B", &"x".repeat(49)] {
            assert!(Object::new(Kind::Qlocal, bad).is_err(), "{bad}");
        }
        assert!(Object::new(Kind::Sdr, &"x".repeat(21)).is_err());
        assert!(Object::new(Kind::ChlBlockUser, "SYSTEM.*").is_ok());
        assert!(Object::new(Kind::ChlBlockUser, "A*B").is_err());
    }

    #[test]
    fn what_a_newer_version_wrote_is_named_and_not_lost() {
        let mut image = Object::new(Kind::Qlocal, "Q").unwrap().to_image();
        image.attrs.push((2690, Value::Int(1)));
        let found = Object::from_image(image.clone());
        assert_eq!(found, Err(BadImage::Attr { kind: Kind::Qlocal, name: "Q".into(), id: 2690 }));
        image.kind = 999;
        assert_eq!(Object::from_image(image), Err(BadImage::Kind { kind: 999, name: "Q".into() }));
    }

    #[test]
    fn an_older_version_s_object_has_the_defaults() {
        let mut image = Object::new(Kind::Qlocal, "Q").unwrap().to_image();
        image.attrs.retain(|(id, _)| *id != 15);
        let queue = Object::from_image(image).unwrap();
        assert_eq!(queue.number(15), Some(5000));
    }

    #[test]
    fn rules_for_one_profile_differ_by_what_they_match() {
        let mut one = Object::new(Kind::ChlAddressMap, "*").unwrap();
        let mut two = one.clone();
        one.set("ADDRESS", "10.0.0.*").unwrap();
        two.set("ADDRESS", "*").unwrap();
        assert_ne!(one.key(), two.key());
        two.set("ADDRESS", "10.0.0.*").unwrap();
        two.set("USERSRC", "CHANNEL").unwrap();
        assert_eq!(one.key(), two.key());
        let queue = Object::new(Kind::Qlocal, "Q").unwrap();
        assert_eq!(queue.key(), Object::new(Kind::Qalias, "Q").unwrap().key());
    }
}
