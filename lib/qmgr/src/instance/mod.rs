//! A running copy of a queue manager: its role, the locks that give it, the proof that it still has it.
//!
//! * [`role`] decides, and does nothing: a pure function from role and event to role and act.
//! * [`escalation`] says when an end that is taking its time is made to hurry.
//! * [`locks`] takes `master`, `active` and a slot of `standby`, in this order, and tells who holds them.
//! * [`hold`] proves, again and again, that what was taken is still held.

pub mod escalation;
pub mod hold;
pub mod locks;
pub mod role;
