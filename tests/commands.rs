//! Each command for itself.

mod addmqinf;
mod amqmfsck;
mod crtmqm;
mod dltmqm;
mod dmpmqlog;
mod dspmq;
mod dspmqinf;
mod dspmqver;
mod endmqm;
mod help;
mod miqm_create;
mod miqm_fsck;
mod miqm_generator;
mod miqmd;
mod mqrc;
mod rmvmqinf;
mod strmqm;
