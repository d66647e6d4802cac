//! Objects and their attributes, and their recovery from the log.

pub mod attr;
mod catalogue;
mod date;
pub mod defaults;
mod kind;
mod object;

pub use catalogue::{Catalogue, Change};
pub use date::Stamp;
pub use kind::{Class, Kind, KindSet};
pub use object::{BadDefinition, BadImage, Key, Object, SharedObject};
