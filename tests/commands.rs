//! Each command for itself.

mod dspmqver;
mod help;
mod mqrc;
