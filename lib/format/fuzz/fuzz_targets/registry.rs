//! What `mqs.ini` means is answered, whatever it says: each stanza is a queue manager, or a problem
//! that its name is found to have.
#![no_main]

use miqm_format::stanza::Document;
use miqm_qmgr::registry::Registry;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(document) = Document::parse(bytes) else { return };
    let stanzas = document.stanzas("QueueManager").count();
    let registry = Registry::of(document, "mqs.ini".into());
    assert!(registry.entries().len() + registry.problems().len() <= stanzas);
    for entry in registry.entries() {
        let _ = entry.data_dir();
        assert_eq!(registry.find(&entry.name).expect("it has no problem"), Some(entry));
    }
    for problem in registry.problems() {
        if let Some(Ok(name)) = problem.name.as_deref().map(str::parse) {
            registry.find(&name).expect_err("it has a problem");
        }
    }
    let _ = (registry.default_qmgr(), registry.default_prefix(), registry.log_defaults());
});
