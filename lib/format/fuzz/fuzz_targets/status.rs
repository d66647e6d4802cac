//! A status file that is accepted is the one its own text says.
#![no_main]

use std::path::Path;

use miqm_qmgr::runtime::LocalStatus;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let file = Path::new("status");
    if let Ok(status) = LocalStatus::parse(bytes, file) {
        let again =
            LocalStatus::parse(&status.to_bytes(), file).expect("what was read can be written");
        assert_eq!(again, status);
    }
});
