//! Reports as people and programs read them: golden files of each form, over a report that has
//! everything, and one made to break out of each form.

#![expect(clippy::unwrap_used, reason = "tests")]

mod checks;
mod html;
mod json;
mod sample;
mod text;

/// Compares a text with a file of the folder `golden`, or writes the file if `UPDATE_GOLDEN` is set.
fn golden(name: &str, text: &str) {
    let file = format!("{}/tests/render/golden/{name}", env!("CARGO_MANIFEST_DIR"));
    #[expect(clippy::disallowed_methods, reason = "a switch of the tests, not of the program")]
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&file, text).unwrap();
        return;
    }
    let expected = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        text == expected,
        "{file} differs. If the new text is right, run the tests once with UPDATE_GOLDEN=1.\n\
         --- expected\n{expected}\n--- found\n{text}"
    );
}
