use super::wrap::wrap;
use super::*;

#[test]
fn dates_are_those_of_the_calendar() {
    for (seconds, text) in [
        (0, "1970-01-01 00:00:00 UTC"),
        (951_782_399, "2000-02-28 23:59:59 UTC"),
        (951_868_799, "2000-02-29 23:59:59 UTC"),
        (951_868_800, "2000-03-01 00:00:00 UTC"),
        (1_795_288_137, "2026-11-21 19:08:57 UTC"),
        (4_107_542_400, "2100-03-01 00:00:00 UTC"),
        (-1, "1969-12-31 23:59:59 UTC"),
    ] {
        assert_eq!(date(seconds * 1_000_000), text);
    }
    // Only that they are dates, and no panic.
    assert!(date(i64::MIN).ends_with("UTC") && date(i64::MAX).ends_with("UTC"));
}

#[test]
fn times_have_the_unit_that_suits_them() {
    for (seconds, text) in [
        (0.0, "0 s"),
        (0.000_004_4, "4 us"),
        (0.000_999_9, "1.00 ms"),
        (0.001_234, "1.23 ms"),
        (0.099_99, "100 ms"),
        (0.999_9, "1.00 s"),
        (9.999, "10.0 s"),
        (119.0, "119.0 s"),
        (600.0, "10.0 min"),
        (10_800.0, "3.0 h"),
        (-1.0, "?"),
        (f64::NAN, "?"),
        (f64::INFINITY, "?"),
    ] {
        assert_eq!(duration(seconds), text, "{seconds}");
    }
}

#[test]
fn a_command_can_be_typed_again() {
    let arguments = ["amqmfsck", "-wv", "/a b", "it's", "", "$x", "--with=mqm@host2:/MQHA"];
    assert_eq!(
        command_line(arguments),
        "amqmfsck -wv '/a b' 'it'\\''s' '' '$x' --with=mqm@host2:/MQHA"
    );
}

#[test]
fn lines_are_broken_between_words_and_after_commas() {
    let mut text = String::new();
    wrap(
        &mut text,
        Some(26),
        "* ",
        2,
        "one two three four five six rw,vers=4.1,hard,timeo=600,sec=sys",
    );
    let expected = "* one two three four five\n  six rw,vers=4.1,hard,\n  timeo=600,sec=sys\n";
    assert_eq!(text, expected);
    let mut text = String::new();
    wrap(&mut text, Some(10), "", 0, "");
    assert_eq!(text, "\n");
}

#[test]
fn the_folder_of_a_run_is_left_out() {
    let folder = "amqmfsck-0123456789abcdef0123456789abcdef.tmp";
    for (text, short) in [
        (format!("rename({folder}/a-1, {folder}/b-2)"), "rename(a-1, b-2)"),
        (format!("{folder}/amqmfsck-x"), "amqmfsck-x"),
        (format!("mkdir({folder})"), &*format!("mkdir({folder})")),
        ("amqmfsck-12.tmp/x amqmfsck-".to_owned(), "amqmfsck-12.tmp/x amqmfsck-"),
        ("amqmfsck.dat".to_owned(), "amqmfsck.dat"),
    ] {
        assert_eq!(without_folder(&text), short);
    }
}
