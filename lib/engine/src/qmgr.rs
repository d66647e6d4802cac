//! The queue manager object.

use miqm_types::{QmgrName, UtcTime};

use crate::attr::Value;
use crate::date::Stamp;
use crate::kind::Kind;
use crate::level;
use crate::object::{BadDefinition, Object};

/// The longest part of its name in the identifier of a queue manager, in bytes.
const NAME_IN_QMID_BYTES: usize = 28;

/// A new queue manager's attributes: the defaults, its identifier and when it was made. The
/// caller sets what the operator asked for.
///
/// # Panics
///
/// If the table of attributes lacks one of those set here; a test makes one.
pub fn new_qmgr(name: &QmgrName, at: UtcTime) -> Object {
    let stamp = Stamp::of(at);
    let short = &name.as_str()[..name.as_str().len().min(NAME_IN_QMID_BYTES)];
    let qmid = format!("{short}_{}_{}", stamp.date, stamp.time);
    let mut qmgr = Object::new(Kind::Qmgr, name.as_str()).expect("it is a name");
    let fixed = [
        ("QMID", Value::Text(qmid.into())),
        ("CMDLEVEL", Value::Int(i32::from(level::MAX))),
        ("VERSION", Value::Text(level::version().into())),
    ];
    for (keyword, value) in fixed {
        qmgr.set_value(keyword, value).expect("the table has it");
    }
    qmgr.created(&stamp);
    qmgr
}

/// The command level of a queue manager; 0 if the object has none.
pub(crate) fn level_of(qmgr: &Object) -> u16 {
    let level = qmgr.number(crate::attr::CMDLEVEL).unwrap_or(0);
    u16::try_from(level).unwrap_or(0)
}

/// Raises the command level.
pub(crate) fn set_level(qmgr: &mut Object, level: u16) -> Result<(), BadDefinition> {
    qmgr.set_value("CMDLEVEL", Value::Int(i32::from(level)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_queue_manager_says_what_it_is() {
        let at = UtcTime(1_795_277_478_000_000);
        let qmgr = new_qmgr(&"Q".repeat(48).parse().unwrap(), at);
        let qmid = format!("{}_2026-11-21_16.11.18", "Q".repeat(28));
        assert_eq!(qmgr.shown("QMID"), Some(qmid));
        assert_eq!(qmgr.shown("CRTIME").as_deref(), Some("16.11.18"));
        assert_eq!(level_of(&qmgr), level::MAX);
        assert_eq!(qmgr.shown("MAXHANDS").as_deref(), Some("256"));
    }
}
