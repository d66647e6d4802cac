//! Each command for itself.

mod addmqinf;
mod dspmq;
mod dspmqinf;
mod dspmqver;
mod help;
mod mqrc;
mod rmvmqinf;
