use super::*;

const MQS: &str = "# the registry\n\nAllQueueManagers:\n   DefaultPrefix=/var/mqm\n\
    QueueManager:\n   Name=QM1\n   Directory=QM1\n   Colour=red ; green\n# about QM2\n\
    QueueManager:\n   Name=QM2\n   Directory = QM!2  \n\n; the end\n";

fn parse(text: &str) -> Document {
    Document::parse(text.as_bytes()).expect(text)
}

fn why(bytes: &[u8]) -> BadStanza {
    Document::parse(bytes).expect_err("it is wrong")
}

fn text(document: &Document) -> String {
    String::from_utf8(document.to_bytes()).expect("UTF-8")
}

#[test]
fn settings_are_found_whatever_the_case_and_know_their_line() {
    let document = parse(MQS);
    let second = document.find("queuemanager", |s| s.value("NAME") == Some("QM2")).expect("QM2");
    assert_eq!(second.line(), Some(10));
    let setting = second.get("directory").expect("directory");
    assert_eq!((setting.key, setting.value, setting.line), ("Directory", "QM!2", Some(12)));
    assert_eq!(document.stanzas("QueueManager").count(), 2);
    let first = document.stanzas("QueueManager").next().expect("QM1");
    assert_eq!(first.value("Colour"), Some("red ; green"));
    assert_eq!(first.value("DataPath"), None);
    let prefix = document.get("AllQueueManagers", "DefaultPrefix");
    assert_eq!(prefix.map(|s| s.value), Some("/var/mqm"));
}

#[test]
fn what_is_not_edited_stays() {
    let mut document = parse(MQS);
    let second = document.find_mut("QueueManager", |s| s.value("Name") == Some("QM2"));
    let second = second.expect("QM2");
    second.set("DIRECTORY", "QM2.000").expect("set");
    second.set("DataPath", "/MQHA/a b;c").expect("set");
    let expected =
        MQS.replace("Directory = QM!2  \n", "Directory = QM2.000  \n   DataPath=/MQHA/a b;c\n");
    assert_eq!(text(&document), expected);
    assert_eq!(document.remove_stanzas("QueueManager", |s| s.value("Name") == Some("QM1")), 1);
    assert_eq!(
        text(&document),
        expected
            .replace("QueueManager:\n   Name=QM1\n   Directory=QM1\n   Colour=red ; green\n", "")
    );
}

#[test]
fn a_new_stanza_follows_the_last_line_even_if_that_has_no_end() {
    let mut document = parse("Log:\r\n   A=1");
    let stanza = document.push_stanza("TCP").expect("name");
    stanza.set("Port", "1414").expect("value");
    stanza.set("KeepAlive", "YES").expect("value");
    assert_eq!(stanza.line(), None);
    assert_eq!(text(&document), "Log:\r\n   A=1\r\nTCP:\r\n   Port=1414\r\n   KeepAlive=YES\r\n");
    let mut document = parse("Log:");
    document.find_mut("Log", |_| true).expect("Log").set("A", "1").expect("value");
    assert_eq!(text(&document), "Log:\n   A=1\n");
    let mut document = Document::new();
    document.push_stanza("Log").expect("name");
    assert_eq!(text(&document), "Log:\n");
}

#[test]
fn settings_share_a_line_only_in_the_stanzas_of_distributed_queuing() {
    let line = "   MaxChannels=100 , PipeLineLength = 2\tX=a,b,  Y=   ; not Z=1\n";
    let mut document = parse(&format!("CHANNELS:\n{line}Other:\n{line}"));
    let read = |s: &Stanza| -> Vec<(String, String)> {
        s.settings().map(|s| (s.key.to_owned(), s.value.to_owned())).collect()
    };
    let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    let channels = document.find("Channels", |_| true).expect("stanza");
    assert_eq!(
        read(channels),
        [pair("MaxChannels", "100"), pair("PipeLineLength", "2"), pair("X", "a,b"), pair("Y", "")]
    );
    let other = document.find("Other", |_| true).expect("stanza");
    let value = "100 , PipeLineLength = 2\tX=a,b,  Y=   ; not Z=1";
    assert_eq!(read(other), [pair("MaxChannels", value)]);

    let channels = document.find_mut("Channels", |_| true).expect("stanza");
    channels.set("x", "17").expect("value");
    assert!(channels.set("X", "17 W=1").is_err(), "a second setting");
    assert!(channels.set("X", "17 ;").is_err(), "a comment");
    assert!(channels.remove("PipeLineLength"));
    assert!(channels.remove("Y"));
    assert!(!channels.remove("Y"));
    assert!(text(&document).starts_with("CHANNELS:\n   MaxChannels=100 , X=17   ; not Z=1\n"));
    let channels = document.find_mut("Channels", |_| true).expect("stanza");
    assert!(channels.remove("X") && channels.remove("MaxChannels"));
    assert_eq!(text(&document), format!("CHANNELS:\nOther:\n{line}"));
}

#[test]
fn the_last_of_repeated_keys_counts_and_is_the_one_that_is_set() {
    let mut document = parse("Log:\n A=1\n a=2\nLog:\n A=3\n");
    assert_eq!(document.get("log", "A").map(|s| s.value), Some("3"));
    let log = document.find_mut("Log", |_| true).expect("Log");
    assert_eq!(log.value("A"), Some("2"));
    log.set("A", "4").expect("value");
    assert_eq!(text(&document), "Log:\n A=1\n a=4\nLog:\n A=3\n");
    assert!(document.find_mut("Log", |_| true).expect("Log").remove("A"));
    assert_eq!(text(&document), "Log:\nLog:\n A=3\n");
}

#[test]
fn a_byte_order_mark_and_colons_and_equals_in_values_are_kept() {
    let all = "\u{feff}Log: # as = is\n   LogPath=/a:b=c:\n";
    let document = parse(all);
    assert_eq!(document.get("Log", "LogPath").map(|s| s.value), Some("/a:b=c:"));
    assert_eq!(text(&document), all);
}

#[test]
fn damage_is_named_with_its_line() {
    let line = |line, why| BadStanza { line, why };
    assert_eq!(why(b"A=1\n"), line(1, Why::NoStanza { key: "A".into() }));
    assert_eq!(why(b"Log:\n   A\n"), line(2, Why::NotASetting));
    assert_eq!(why(b"Log: A=1\n"), line(1, Why::NotASetting));
    assert_eq!(why(b"\n  Log:\n"), line(2, Why::IndentedHeader));
    assert_eq!(why(b":\n"), line(1, Why::StanzaName { name: String::new() }));
    assert_eq!(why(b"a b:\n"), line(1, Why::StanzaName { name: "a b".into() }));
    assert_eq!(why(b"L:\n =1\n"), line(2, Why::Key { key: String::new() }));
    assert_eq!(why(b"L:\n a b=1\n"), line(2, Why::Key { key: "a b".into() }));
    assert_eq!(why(b"L:\n a=\0\n"), line(2, Why::Control { at: 4, found: '\0' }));
    assert_eq!(why(b"L:\n a=1\r\r\n"), line(2, Why::Control { at: 5, found: '\r' }));
    assert_eq!(why(b"L:\n\n a=\xff\n"), line(3, Why::NotUtf8 { at: 4 }));
    assert_eq!(why(b"L:\n a b=1").to_string(), "line 2: \"a b\" is not an attribute name");
}

#[test]
fn sizes_have_limits() {
    let comment = |len| [vec![b'#'; len], vec![b'\n']].concat();
    assert!(Document::parse(&comment(LINE_BYTES_MAX)).is_ok());
    let bad = BadStanza { line: 1, why: Why::LineTooLong { len_bytes: LINE_BYTES_MAX + 1 } };
    assert_eq!(why(&comment(LINE_BYTES_MAX + 1)), bad);
    assert!(Document::parse(&vec![b'\n'; LINES_MAX]).is_ok());
    let bad = BadStanza { line: LINES_MAX + 1, why: Why::TooManyLines };
    assert_eq!(why(&vec![b'\n'; LINES_MAX + 1]), bad);
    let all = comment(1023).repeat(FILE_BYTES_MAX / 1024);
    assert!(Document::parse(&all).is_ok());
    let bad = BadStanza { line: FILE_BYTES_MAX / 1024 + 1, why: Why::FileTooLong };
    assert_eq!(why(&[all, vec![b'#']].concat()), bad);
}

#[test]
fn what_would_not_read_back_is_not_written() {
    let mut document = parse("Log:\n   A=1\n");
    let log = document.find_mut("Log", |_| true).expect("Log");
    let over_long = "x".repeat(LINE_BYTES_MAX);
    for value in ["a\nb", " a", "a\t", "\r", "\0", "\u{1b}[2J", &over_long] {
        assert!(log.set("A", value).is_err(), "{value:?}");
        assert!(log.set("B", value).is_err(), "{value:?}");
    }
    for key in ["", "a b", "a=", "#a", "a:", "\u{e9}"] {
        assert_eq!(log.set(key, "1"), Err(BadEdit::Key(key.to_owned())));
    }
    log.set("B", "").expect("an empty value");
    for name in ["", "a b", "a:", "#", "a\n", &over_long] {
        assert!(document.push_stanza(name).is_err(), "{name:?}");
    }
    assert_eq!(text(&document), "Log:\n   A=1\n   B=\n");
}

mod any {
    use proptest::prelude::*;

    use super::*;

    /// Lines that are mostly well-formed and collide often.
    fn a_line() -> impl Strategy<Value = String> {
        prop_oneof![
            3 => "[ \t]{0,3}(Aa|B|c)[ ]?=[ -~]{0,12}",
            2 => "[ \t]{0,3}(Aa|B|c)=[0-9 ,;]{0,6}(B|c)=[0-9 ;,]{0,5}",
            2 => "(Log|TCP|Channels|log)[ ]?:([ \t]{0,2}|[ ]?#[ -~]{0,4})",
            1 => "[ \t]{0,2}[#;][ -~\u{e4}]{0,8}",
            1 => "[ \t]{0,3}",
        ]
    }

    fn a_file() -> impl Strategy<Value = String> {
        let lines = prop::collection::vec((a_line(), prop::bool::weighted(0.3)), 0..24);
        (lines, any::<bool>()).prop_map(|(lines, cut)| {
            let mut text = "Log:\n".to_owned();
            for (line, crlf) in lines {
                text.push_str(&line);
                text.push_str(if crlf { "\r\n" } else { "\n" });
            }
            let uncut = text.strip_suffix('\n').filter(|_| cut);
            uncut.map_or(&*text, |uncut| uncut.strip_suffix('\r').unwrap_or(uncut)).to_owned()
        })
    }

    fn model(document: &Document) -> Vec<(String, Vec<(String, String)>)> {
        let pairs = |s: &Stanza| -> Vec<(String, String)> {
            s.settings().map(|s| (s.key.to_owned(), s.value.to_owned())).collect()
        };
        document.all().map(|s| (s.name().to_owned(), pairs(s))).collect()
    }

    proptest! {
        #[test]
        fn bytes_are_refused_or_kept(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(document) = Document::parse(&bytes) {
                prop_assert_eq!(document.to_bytes(), bytes);
            }
        }

        #[test]
        fn texts_are_refused_or_kept(text in "[A-Za-z:=#; ,\t\r\n\u{e4}\u{feff}]{0,80}") {
            if let Ok(document) = Document::parse(text.as_bytes()) {
                prop_assert_eq!(document.to_bytes(), text.as_bytes());
            }
        }

        #[test]
        fn files_are_kept(text in a_file()) {
            prop_assert_eq!(parse(&text).to_bytes(), text.as_bytes());
        }

        #[test]
        fn an_edit_does_what_it_says_and_nothing_else(
            text in a_file(),
            which in any::<prop::sample::Index>(),
            key in "Aa|B|c|New",
            value in "[ -~]{0,8}",
        ) {
            let mut document = parse(&text);
            let mut expected = model(&document);
            let index = which.index(expected.len());
            let name = expected[index].0.clone();
            let nth = expected[..index].iter().filter(|s| s.0.eq_ignore_ascii_case(&name)).count();
            let stanza = document.stanzas_mut(&name).nth(nth).expect("it is there");
            if stanza.set(&key, &value).is_err() {
                prop_assert_eq!(document.to_bytes(), text.as_bytes());
                return Ok(());
            }
            let settings = &mut expected[index].1;
            match settings.iter_mut().rfind(|(k, _)| k.eq_ignore_ascii_case(&key)) {
                Some(setting) => setting.1 = value,
                None => settings.push((key, value)),
            }
            prop_assert_eq!(&model(&document), &expected);
            let again = Document::parse(&document.to_bytes()).expect("it reads back");
            prop_assert_eq!(&model(&again), &expected);
            let others = |d: &Document| -> Vec<String> {
                let lines = String::from_utf8(d.to_bytes()).expect("UTF-8");
                lines.lines().filter(|l| !l.contains('=')).map(str::to_owned).collect()
            };
            prop_assert_eq!(others(&document), others(&parse(&text)));
        }

        #[test]
        fn removals_do_what_they_say_and_nothing_else(
            text in a_file(),
            which in any::<prop::sample::Index>(),
            key in "Aa|B|c|New",
        ) {
            let mut document = parse(&text);
            let mut expected = model(&document);
            let index = which.index(expected.len());
            let name = expected[index].0.clone();
            let nth = expected[..index].iter().filter(|s| s.0.eq_ignore_ascii_case(&name)).count();
            let stanza = document.stanzas_mut(&name).nth(nth).expect("it is there");
            let found = stanza.remove(&key);
            let before = expected[index].1.len();
            expected[index].1.retain(|(k, _)| !k.eq_ignore_ascii_case(&key));
            prop_assert_eq!(found, before > expected[index].1.len());
            prop_assert_eq!(&model(&document), &expected);
            let again = Document::parse(&document.to_bytes()).expect("it reads back");
            prop_assert_eq!(&model(&again), &expected);

            expected.retain(|s| !s.0.eq_ignore_ascii_case("TCP"));
            document.remove_stanzas("tcp", |_| true);
            let again = Document::parse(&document.to_bytes()).expect("it reads back");
            prop_assert_eq!(&model(&again), &expected);
        }
    }
}
