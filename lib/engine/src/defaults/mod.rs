//! The objects that every queue manager has from its creation on.
//!
//! Each is the table's default of its type with the differences given here. `strmqm -c` makes
//! them anew from the same list.

mod queues;
mod rest;

use crate::kind::Kind;
use crate::object::Object;

/// A default object: its type, its name and what differs from the table.
pub(crate) struct Definition {
    kind: Kind,
    name: &'static str,
    attrs: &'static [(&'static str, &'static str)],
}

const fn plain(kind: Kind, name: &'static str) -> Definition {
    Definition { kind, name, attrs: &[] }
}

const fn with(
    kind: Kind,
    name: &'static str,
    attrs: &'static [(&'static str, &'static str)],
) -> Definition {
    Definition { kind, name, attrs }
}

/// The number of default objects.
pub const COUNT: usize = queues::QUEUES.len() + rest::CHANNELS.len() + rest::OTHERS.len();

/// Every default object, without dates.
///
/// # Panics
///
/// If the list contradicts the table of attributes; a test makes every object of it.
pub fn objects() -> impl Iterator<Item = Object> {
    queues::QUEUES.iter().chain(rest::CHANNELS).chain(rest::OTHERS).map(Definition::make)
}

/// The listener that `crtmqm -p` asks for.
pub const PORT_LISTENER: &str = "SYSTEM.LISTENER.TCP.1";

impl Definition {
    fn make(&self) -> Object {
        let mut object = Object::new(self.kind, self.name).expect("the name is in order");
        for (keyword, text) in self.attrs {
            object.set(keyword, text).expect("the list of defaults fits the table");
        }
        object
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashSet};

    use super::*;
    use crate::attr;
    use crate::catalogue::Catalogue;
    use crate::kind::Class;

    #[test]
    fn so_many_of_each_type() {
        let counts: BTreeMap<String, usize> = objects().fold(BTreeMap::new(), |mut counts, o| {
            *counts.entry(o.kind().to_string()).or_default() += 1;
            counts
        });
        let shown: Vec<_> = counts.iter().map(|(kind, n)| format!("{n} {kind}")).collect();
        assert_eq!(
            shown,
            [
                "1 AUTHINFO AUTHTYPE(CRLLDAP)",
                "1 AUTHINFO AUTHTYPE(IDPWLDAP)",
                "1 AUTHINFO AUTHTYPE(IDPWOS)",
                "1 AUTHINFO AUTHTYPE(OCSP)",
                "1 CHANNEL CHLTYPE(CLNTCONN)",
                "1 CHANNEL CHLTYPE(CLUSRCVR)",
                "1 CHANNEL CHLTYPE(CLUSSDR)",
                "2 CHANNEL CHLTYPE(RCVR)",
                "1 CHANNEL CHLTYPE(RQSTR)",
                "1 CHANNEL CHLTYPE(SDR)",
                "1 CHANNEL CHLTYPE(SVR)",
                "2 CHANNEL CHLTYPE(SVRCONN)",
                "2 CHLAUTH TYPE(ADDRESSMAP)",
                "1 CHLAUTH TYPE(BLOCKUSER)",
                "1 COMMINFO",
                "1 LISTENER",
                "3 NAMELIST",
                "1 PROCESS",
                "1 QALIAS",
                "44 QLOCAL",
                "7 QMODEL",
                "1 QREMOTE",
                "1 SERVICE",
                "1 SUB",
                "6 TOPIC",
            ]
        );
        assert_eq!(counts.values().sum::<usize>(), COUNT);
    }

    #[test]
    fn every_default_object_can_be_stored_and_shown() {
        let mut keys = HashSet::new();
        for object in objects() {
            assert!(
                object.name().starts_with("SYSTEM.") || object.kind().class() == Class::Chlauth
            );
            assert!(keys.insert(object.key()), "{object} twice");
            assert_eq!(Object::from_image(object.to_image()).as_ref(), Ok(&object));
            for (id, value) in object.to_image().attrs {
                let attr = attr::by_id(object.kind(), id).expect("in the table");
                attr.check(&value).unwrap_or_else(|e| panic!("{object} {}: {e}", attr.keyword));
            }
        }
    }

    #[test]
    fn names_that_default_objects_mention_exist() {
        let catalogue: Catalogue = objects().collect();
        for (class, name) in [
            (Class::Queue, "SYSTEM.ADMIN.COMMAND.QUEUE"),
            (Class::Authinfo, "SYSTEM.DEFAULT.AUTHINFO.IDPWOS"),
            (Class::Queue, "SYSTEM.DURABLE.MODEL.QUEUE"),
            (Class::Queue, "SYSTEM.NDURABLE.MODEL.QUEUE"),
            (Class::Comminfo, "SYSTEM.DEFAULT.COMMINFO.MULTICAST"),
            (Class::Queue, "SYSTEM.BROKER.DEFAULT.STREAM"),
            (Class::Topic, "SYSTEM.BROKER.DEFAULT.SUBPOINT"),
        ] {
            assert!(catalogue.find(class, name).is_some(), "{name}");
        }
        assert_eq!(catalogue.len(), COUNT);
    }

    #[test]
    fn each_type_has_an_object_with_the_table_s_defaults() {
        for name in ["SYSTEM.DEFAULT.LOCAL.QUEUE", "SYSTEM.DEF.SENDER", "SYSTEM.DEFAULT.PROCESS"] {
            let object = objects().find(|object| object.name() == name).expect("it exists");
            assert_eq!(object, Object::new(object.kind(), name).expect("a good name"));
        }
    }
}
