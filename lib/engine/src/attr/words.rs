//! Keyword lists that several attributes share.

use super::Word;

pub(super) const NO_YES: &[Word] = &[("NO", 0), ("YES", 1)];
pub(super) const OFF_ON: &[Word] = &[("OFF", 0), ("ON", 1)];
pub(super) const DISABLED_ENABLED: &[Word] = &[("DISABLED", 0), ("ENABLED", 1)];
/// GET and PUT: the number says whether it is inhibited.
pub(super) const ENABLED_DISABLED: &[Word] = &[("ENABLED", 0), ("DISABLED", 1)];
pub(super) const EXCEPTIONS: &[Word] = &[("DISABLED", 0), ("ENABLED", 1), ("EXCEPTION", 2)];
pub(super) const NO_LIMIT: &[Word] = &[("NOLIMIT", -1)];
/// Accounting and statistics on the queue manager.
pub(super) const OFF_ON_NONE: &[Word] = &[("OFF", 0), ("ON", 1), ("NONE", -1)];
/// Accounting and statistics on a queue.
pub(super) const QMGR_OFF_ON: &[Word] = &[("QMGR", -3), ("OFF", 0), ("ON", 1)];
/// Monitoring on the queue manager.
pub(super) const MONITORING: &[Word] =
    &[("OFF", 0), ("NONE", -1), ("LOW", 17), ("MEDIUM", 33), ("HIGH", 65)];
/// Monitoring of an object.
pub(super) const QMGR_MONITORING: &[Word] =
    &[("QMGR", -3), ("OFF", 0), ("LOW", 17), ("MEDIUM", 33), ("HIGH", 65)];
/// Who starts and stops a listener or service.
pub(super) const CONTROL: &[Word] = &[("QMGR", 0), ("STARTONLY", 1), ("MANUAL", 2)];
/// Who starts and stops the channel initiator and the command server.
pub(super) const QMGR_MANUAL: &[Word] = &[("QMGR", 0), ("MANUAL", 2)];
pub(super) const RECORDING: &[Word] = &[("DISABLED", 0), ("QUEUE", 1), ("MSG", 2)];
pub(super) const PROPCTL: &[Word] =
    &[("COMPAT", 0), ("NONE", 1), ("ALL", 2), ("FORCE", 3), ("V6COMPAT", 4)];
pub(super) const TRANSPORT: &[Word] = &[("LU62", 1), ("TCP", 2), ("NETBIOS", 3), ("SPX", 4)];
/// The largest number most attributes allow.
pub(super) const LARGE: i32 = 999_999_999;
/// The longest message, in bytes.
pub(super) const MESSAGE_BYTES_MAX: i32 = 104_857_600;
/// Which instances of a queue take part in workload management.
pub(super) const LOCAL_ANY: &[Word] = &[("LOCAL", 0), ("ANY", 1)];
