//! What the service manager is told. A manager that cannot be told does not stop an instance.

use std::time::Duration;

use miqm_sys::sd;

pub(crate) fn ready() {
    drop(sd::ready());
}

pub(crate) fn status(text: &str) {
    drop(sd::status(text));
}

pub(crate) fn stopping() {
    drop(sd::stopping());
}

pub(crate) fn watchdog() {
    drop(sd::watchdog());
}

pub(crate) fn extend_timeout(duration: Duration) {
    drop(sd::extend_timeout(duration));
}
