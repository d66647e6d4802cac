//! Redo: the records of the log applied to a catalogue, committed work only.
//!
//! A record outside a unit of work counts at once. One in a unit of work is kept until the record
//! that commits it, and forgotten with the one that backs it out; what is neither when the log
//! ends never happened. So nothing uncommitted reaches the catalogue, and replay needs no undo.

use std::collections::BTreeMap;

use miqm_wal::{Kind, Record};

use crate::catalogue::Catalogue;
use crate::change::Change;
use crate::object::BadImage;

/// Why a record cannot be redone.
#[derive(Debug, thiserror::Error)]
pub enum BadRedo {
    /// A kind of record that this version does not know: a newer version's.
    #[error("records of kind {0} are not known to this version")]
    Kind(Kind),
    /// The object in the record.
    #[error(transparent)]
    Object(#[from] BadImage),
}

/// What a redo did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Redone {
    /// Changes made to objects.
    pub changes: u64,
    /// Units of work that were committed.
    pub committed: u64,
    /// Units of work that were backed out, or not complete when the log ended.
    pub backed_out: u64,
}

/// A redo under way.
pub(crate) struct Redo {
    catalogue: Catalogue,
    /// The changes of each unit of work that is not complete, in order.
    open: BTreeMap<u64, Vec<Change>>,
    done: Redone,
}

impl Redo {
    /// A redo on top of a snapshot.
    pub(crate) fn new(catalogue: Catalogue) -> Self {
        Self { catalogue, open: BTreeMap::new(), done: Redone::default() }
    }

    /// Redoes a record, or keeps it for later.
    pub(crate) fn record(&mut self, record: &Record<'_>) -> Result<(), BadRedo> {
        let uow = record.header.uow;
        match record.header.kind {
            Kind::EXTENT_START
            | Kind::EPOCH_START
            | Kind::CHECKPOINT_BEGIN
            | Kind::CHECKPOINT_END => {}
            Kind::COMMIT => {
                for change in self.open.remove(&uow).unwrap_or_default() {
                    self.apply(change);
                }
                self.done.committed += 1;
            }
            Kind::BACKOUT => {
                self.open.remove(&uow);
                self.done.backed_out += 1;
            }
            kind => {
                let change = Change::from_record(kind, record.body)?.ok_or(BadRedo::Kind(kind))?;
                match uow {
                    0 => self.apply(change),
                    uow => self.open.entry(uow).or_default().push(change),
                }
            }
        }
        Ok(())
    }

    /// The log has ended.
    pub(crate) fn finish(mut self) -> (Catalogue, Redone) {
        self.done.backed_out += self.open.len() as u64;
        (self.catalogue, self.done)
    }

    fn apply(&mut self, change: Change) {
        self.catalogue.apply(change);
        self.done.changes += 1;
    }
}

#[cfg(test)]
mod tests {
    use miqm_types::{Epoch, Lsn, UtcTime};
    use miqm_wal::RecordHeader;

    use super::*;
    use crate::kind::{Class, Kind as ObjectKind};
    use crate::object::Object;

    fn redo(redo: &mut Redo, kind: Kind, uow: u64, body: &[u8]) -> Result<(), BadRedo> {
        let header = RecordHeader {
            kind,
            last: true,
            lsn: Lsn(8),
            batch_lsn: Lsn(8),
            uow,
            uow_prev: Lsn::ZERO,
            epoch: Epoch(1),
            time: UtcTime(0),
        };
        redo.record(&Record { header, body, total_bytes: 64, checksum: 0 })
    }

    #[test]
    fn only_committed_work_is_done() {
        let define = |name: &str| {
            let queue = Object::new(ObjectKind::Qlocal, name).unwrap();
            Change::Define(queue.into()).to_record()
        };
        let mut under_way = Redo::new(Catalogue::new());
        for (uow, name) in [(0, "A"), (1, "B"), (2, "C"), (1, "D"), (3, "E")] {
            let (kind, body) = define(name);
            redo(&mut under_way, kind, uow, &body).unwrap();
        }
        redo(&mut under_way, Kind::COMMIT, 1, b"").unwrap();
        redo(&mut under_way, Kind::BACKOUT, 2, b"").unwrap();
        redo(&mut under_way, Kind::COMMIT, 4, b"").unwrap();
        let (catalogue, done) = under_way.finish();
        let names: Vec<_> = catalogue.of(Class::Queue).map(|o| o.name().to_owned()).collect();
        assert_eq!(names, ["A", "B", "D"]);
        assert_eq!(done, Redone { changes: 3, committed: 2, backed_out: 2 });
    }

    #[test]
    fn a_record_of_a_newer_version_stops_the_redo() {
        let mut under_way = Redo::new(Catalogue::new());
        let found = redo(&mut under_way, Kind(999), 0, b"");
        assert!(matches!(found, Err(BadRedo::Kind(Kind(999)))));
        let found = redo(&mut under_way, Kind::PUT, 0, b"");
        assert!(matches!(found, Err(BadRedo::Kind(Kind::PUT))));
    }
}
