//! The objects of a queue manager, in memory.

use std::collections::BTreeMap;

use crate::change::Change;
use crate::kind::{Class, Kind};
use crate::object::{Key, Object, SharedObject};

/// The objects of a queue manager. A copy costs little: it shares the objects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Catalogue {
    objects: BTreeMap<Key, SharedObject>,
}

impl Catalogue {
    /// A catalogue without objects.
    pub fn new() -> Self {
        Self::default()
    }

    /// The number of objects.
    pub fn len(&self) -> usize {
        self.objects.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }

    /// The object with a key.
    pub fn get(&self, key: &Key) -> Option<&SharedObject> {
        self.objects.get(key)
    }

    /// The object of a class with a name; of channel authentication rules, use
    /// [`Catalogue::get`].
    pub fn find(&self, class: Class, name: &str) -> Option<&SharedObject> {
        let key = Key { class, name: name.into(), qualifier: "".into() };
        self.objects.get(&key)
    }

    /// The queue manager object.
    pub fn qmgr(&self) -> Option<&SharedObject> {
        self.of(Class::Qmgr).next()
    }

    /// The objects of a class, by name.
    pub fn of(&self, class: Class) -> impl Iterator<Item = &SharedObject> {
        let from = Key { class, name: "".into(), qualifier: "".into() };
        self.objects.range(from..).take_while(move |(key, _)| key.class == class).map(|(_, o)| o)
    }

    /// Every object, by class and name.
    pub fn iter(&self) -> impl Iterator<Item = &SharedObject> {
        self.objects.values()
    }

    /// How many objects there are of each type, of those there are any.
    pub fn counts(&self) -> Vec<(Kind, usize)> {
        let mut counts = BTreeMap::new();
        for object in self.iter() {
            *counts.entry(object.kind()).or_insert(0) += 1;
        }
        counts.into_iter().collect()
    }

    /// Makes a change.
    pub fn apply(&mut self, change: Change) {
        match change {
            Change::Define(object) | Change::Alter(object) => {
                self.objects.insert(object.key(), object);
            }
            Change::Delete(object) => {
                self.objects.remove(&object.key());
            }
        }
    }
}

impl FromIterator<Object> for Catalogue {
    fn from_iter<I: IntoIterator<Item = Object>>(objects: I) -> Self {
        let objects = objects.into_iter().map(|object| (object.key(), object.into())).collect();
        Self { objects }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queues_share_one_name_space_and_channels_have_two() {
        let object = |kind, name| Object::new(kind, name).unwrap();
        let catalogue: Catalogue = [
            object(Kind::Qlocal, "A"),
            object(Kind::Qalias, "A"),
            object(Kind::Svrconn, "A"),
            object(Kind::Clntconn, "A"),
            object(Kind::Sdr, "A"),
        ]
        .into_iter()
        .collect();
        assert_eq!(catalogue.counts(), [(Kind::Qalias, 1), (Kind::Sdr, 1), (Kind::Clntconn, 1)]);
        assert!(catalogue.find(Class::Queue, "A").is_some());
        assert!(catalogue.find(Class::Topic, "A").is_none());
    }

    #[test]
    fn a_change_made_twice_is_made_once() {
        let queue = SharedObject::from(Object::new(Kind::Qlocal, "A").unwrap());
        let mut once = Catalogue::new();
        once.apply(Change::Define(queue.clone()));
        let mut twice = once.clone();
        twice.apply(Change::Define(queue.clone()));
        assert_eq!(once, twice);
        twice.apply(Change::Delete(queue.clone()));
        twice.apply(Change::Delete(queue.clone()));
        assert!(twice.is_empty());
    }
}
