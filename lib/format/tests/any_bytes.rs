//! What the fuzz targets check, with random bytes instead of a fuzzer: no nightly compiler needed.

#[path = "../fuzz/checks.rs"]
mod checks;

use proptest::prelude::*;

/// Random bytes with many zeros and a few values in them: lengths, counts and padding are
/// small numbers followed by zeros.
fn bytes(len: usize) -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![4 => Just(0_u8), 2 => 0..4_u8, 2 => any::<u8>(), 1 => b' '..b'~'];
    prop::collection::vec(byte, 0..len)
}

/// Pieces of a stanza file with all that the grammar has, and an edit.
fn stanza_bytes() -> impl Strategy<Value = Vec<u8>> {
    const PIECES: &[&str] = &[
        "TCP:\n", "Log:\r\n", " a=1", "b = 2,", "\n", "#", ";", "\t", "=", "Log", "a", "b",
        "\u{feff}",
    ];
    prop::collection::vec(prop::sample::select(PIECES), 0..40)
        .prop_map(|pieces| pieces.concat().into_bytes())
}

/// Pieces of a provisioning file with all that TOML has.
fn provision_bytes() -> impl Strategy<Value = Vec<u8>> {
    const PIECES: &[&str] = &[
        "[log]\n",
        "[paths]\n",
        "[[config]]\n",
        "[config.variables]\n",
        "type",
        "data",
        "port",
        "\"a",
        "-under",
        "require-mount",
        " = ",
        "'linear'",
        "'/a'",
        "\"\"\"",
        "1",
        "0x",
        "-",
        "_",
        ".",
        "true",
        "{",
        "}",
        "[",
        "]",
        ",",
        "\n",
        "#",
        "\u{e9}",
        "1979-05-27",
        "nan",
        "\\u00",
        "\r",
    ];
    prop::collection::vec(prop::sample::select(PIECES), 0..40)
        .prop_map(|pieces| pieces.concat().into_bytes())
}

/// The start of an object's image, then anything.
fn object_bytes() -> impl Strategy<Value = Vec<u8>> {
    (0..3_u8, 0..3_u8, bytes(100)).prop_map(|(name, attrs, rest)| {
        [&[1, 0, 2, 0, name, 0, attrs, 0], rest.as_slice()].concat()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn stanza(bytes in stanza_bytes()) {
        checks::stanza(&bytes);
    }

    #[test]
    fn provision(bytes in provision_bytes()) {
        checks::provision(&bytes);
    }

    #[test]
    fn lockrec(bytes in bytes(600)) {
        checks::lockrec(&bytes);
    }

    #[test]
    fn frame(bytes in bytes(400)) {
        checks::frame(&bytes);
    }

    #[test]
    fn record(bytes in bytes(400)) {
        checks::record(&bytes);
    }

    #[test]
    fn extent(bytes in bytes(200)) {
        checks::extent(&bytes);
    }

    #[test]
    fn control(bytes in bytes(600)) {
        checks::control(&bytes);
    }

    #[test]
    fn object(bytes in object_bytes()) {
        checks::object(&bytes);
    }

    #[test]
    fn catalogue(bytes in bytes(200)) {
        checks::catalogue(&bytes);
    }
}
