//! What `qm.ini` means is answered, whatever it says.
#![no_main]

use std::path::Path;

use miqm_format::stanza::Document;
use miqm_qmgr::config::Settings;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let file = Path::new("qm.ini");
    if let Ok(document) = Document::parse(bytes) {
        // A size of the log that is accepted can be computed with.
        if let Ok(settings) = Settings::of(&document, file) {
            assert!(settings.log.geometry.extent_bytes() > 0);
        }
    }
});
