//! Texts that are kept as files, and compared whole.

use std::fs;

use super::workspace;

/// Compares a text with `tests/golden/<path>`, or writes the file if `UPDATE_GOLDEN` is set.
pub(crate) fn golden(path: &str, text: &str) {
    let file = workspace().join("tests/golden").join(path);
    #[expect(clippy::disallowed_methods, reason = "a switch of the tests, not of the program")]
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    if update {
        fs::create_dir_all(file.parent().expect("a folder")).expect("the folder can be made");
        fs::write(&file, text).expect("the file can be written");
        return;
    }
    let expected = fs::read_to_string(&file).unwrap_or_default();
    assert!(
        text == expected,
        "{} differs. If the new text is right, run the tests once with UPDATE_GOLDEN=1.\n\
         --- expected\n{expected}\n--- found\n{text}",
        file.display()
    );
}
