//! Messages through files alone, for copies of the checker that know nothing of each other but the
//! directory.
//!
//! A copy publishes *sheets*: numbered, with a checksum, each with all that the other copy may not have
//! seen yet, so that a sheet that is missed or seen late does no harm. Each is written twice, over the
//! one before in a file that stays, and as a new file. So storage that shows changes of a file late or
//! never, or new names, or that cannot lock, does not silence the copies, and a check can name it.
//!
//! Who publishes a number that grows is alive. Nothing is decided by a clock that two hosts would
//! have to agree on.

mod board;
mod carry;
mod meeting;
mod postman;
mod sheet;

pub use meeting::Offer;
pub use sheet::Id;

pub(crate) use meeting::Seen;
pub(crate) use postman::{Task, Word, clean_up, id_of, work};
pub(crate) use sheet::Head;
