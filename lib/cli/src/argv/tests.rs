use clap::Parser;

use super::*;

#[derive(Debug, Parser)]
#[command(name = "toy")]
#[expect(clippy::struct_excessive_bools, reason = "options")]
struct Toy {
    /// Log files
    #[arg(long = "lf")]
    lf: Option<String>,
    #[arg(long = "ll")]
    ll: bool,
    #[arg(long = "lla")]
    lla: bool,
    #[arg(long = "tp")]
    tp: Option<String>,
    #[arg(short = 't')]
    t: Option<String>,
    #[arg(short = 'i')]
    i: bool,
    #[arg(short = 's')]
    s: bool,
    #[arg(short = 'v')]
    v: Vec<String>,
    #[arg(long)]
    json: bool,
    #[arg(long)]
    deadline: Option<String>,
    rest: Vec<String>,
}

const REFUSED: &[Refused] =
    &[Refused { option: "-sx", why: "no" }, Refused { option: "-a", why: "no" }];

fn parse(line: &[&str]) -> Result<Toy, Message> {
    let mut command = <Toy as clap::CommandFactory>::command();
    command.build();
    let args = normalise(&command, REFUSED, line.iter().map(OsString::from))?;
    let args = std::iter::once(OsString::from("toy")).chain(args);
    Ok(Toy::try_parse_from(args).expect("the translation is what the parser expects"))
}

fn good(line: &[&str]) -> Toy {
    parse(line).unwrap_or_else(|message| panic!("{line:?}: {message}"))
}

#[test]
fn several_letters_after_one_dash_are_one_option() {
    assert!(good(&["-ll"]).ll);
    assert!(good(&["-lla"]).lla && !good(&["-lla"]).ll);
    for line in [&["-lf", "128"][..], &["-lf128"], &["-lf=128"]] {
        assert_eq!(good(line).lf.as_deref(), Some("128"), "{line:?}");
    }
    for line in [&["-tp", "10"][..], &["-tp10"], &["-tp=10"]] {
        let toy = good(line);
        assert_eq!((toy.tp.as_deref(), toy.t), (Some("10"), None), "{line:?}");
    }
    assert_eq!(good(&["-t", "10"]).t.as_deref(), Some("10"));
    assert_eq!(good(&["-t10"]).t.as_deref(), Some("10"));
}

#[test]
fn single_letters_can_be_combined() {
    let toy = good(&["-is", "QM1"]);
    assert!(toy.i && toy.s);
    assert_eq!(toy.rest, ["QM1"]);
    let toy = good(&["-ist", "5"]);
    assert!(toy.i && toy.s && toy.t.as_deref() == Some("5"));
    assert_eq!(good(&["-ist5"]).t.as_deref(), Some("5"));
}

#[test]
fn a_value_may_look_like_anything() {
    for value in ["-ll", "--", "-", "=x", "==", "", "--json", "-zz", "a=b", "-1"] {
        assert_eq!(good(&["-t", value]).t.as_deref(), Some(value));
        assert_eq!(good(&["-lf", value]).lf.as_deref(), Some(value));
        assert_eq!(good(&["--deadline", value]).deadline.as_deref(), Some(value));
    }
    assert_eq!(good(&["-v", "A=1", "-vB=2", "-v=C"]).v, ["A=1", "B=2", "=C"]);
    assert_eq!(good(&["--deadline=3"]).deadline.as_deref(), Some("3"));
}

#[test]
fn after_two_dashes_everything_is_an_argument() {
    assert_eq!(good(&["--", "-ll", "--json", "-a"]).rest, ["-ll", "--json", "-a"]);
    assert_eq!(good(&["-"]).rest, ["-"]);
}

#[test]
fn unknown_refused_and_incomplete_options_are_named_as_typed() {
    for (line, part) in [
        (&["-llx"][..], "'-llx' is not an option"),
        (&["-ix"], "'-ix' is not an option"),
        (&["--ll"], "'--ll' is not an option"),
        (&["--js"], "'--js' is not an option"),
        (&["--"], ""),
        (&["-lf"], "'-lf' needs a value"),
        (&["-it"], "'-t' needs a value"),
        (&["--deadline"], "'--deadline' needs a value"),
        (&["--json=1"], "'--json' takes no value, but '1'"),
        (&["-sx"], "'-sx' is refused"),
        (&["-a"], "'-a' is refused"),
        (&["-ia"], "'-a' is refused"),
    ] {
        match parse(line) {
            Ok(_) => assert_eq!(part, "", "{line:?}"),
            Err(message) => assert!(message.to_string().contains(part), "{line:?}: {message}"),
        }
    }
}

#[test]
fn what_the_parser_writes_is_turned_back() {
    let mut command = <Toy as clap::CommandFactory>::command();
    command.build();
    let typed = |text| as_typed(&command, text);
    assert_eq!(typed("  --lf <LF>  Log, see --lla"), "  -lf <LF>  Log, see -lla");
    assert_eq!(typed("--json -- --lfx a--lf ---lf --lf"), "--json -- --lfx a--lf ---lf -lf");
    let help = as_typed(&command, &command.clone().render_help().to_string());
    let column = |text| help.lines().find_map(|line| line.find(text)).unwrap_or(0);
    assert_eq!((column("-lf <LF>"), column("--deadline")), (2, 6), "{help}");
    assert_eq!(column("Log files"), column("Print help"), "{help}");
    assert!(
        help.contains("-lf <LF>") && help.contains("--json") && !help.contains("--lf"),
        "{help}"
    );
}

/// Goal: nothing that can be typed makes the translation or the parser panic, or loses an argument
/// without a word. Method: random command lines from fragments that mean something.
#[test]
fn no_command_line_panics() {
    let fragments: &[&[u8]] = &[
        b"-",
        b"--",
        b"l",
        b"ll",
        b"lla",
        b"lf",
        b"tp",
        b"t",
        b"i",
        b"s",
        b"v",
        b"a",
        b"sx",
        b"=",
        b"json",
        b"deadline",
        b"\xff",
        b"\xc3",
        b"\xc3\xa9",
        b"1",
        b" ",
        b"?",
        b"help",
        b"",
    ];
    let mut command = <Toy as clap::CommandFactory>::command();
    command.build();
    for seed in 0..20_000_u64 {
        // splitmix64: the same lines on every run, so that a failure can be repeated.
        let mut state = seed;
        let mut random = |below: usize| {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = state;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            usize::try_from((z ^ (z >> 31)) % below as u64).expect("below fits")
        };
        let line: Vec<OsString> = (0..random(5))
            .map(|_| {
                let parts = (0..random(5)).map(|_| fragments[random(fragments.len())]);
                OsString::from_vec(parts.flatten().copied().collect())
            })
            .collect();
        if let Ok(args) = normalise(&command, REFUSED, line.clone()) {
            let args = std::iter::once(OsString::from("toy")).chain(args);
            if let Err(error) = Toy::try_parse_from(args) {
                as_typed(&command, &error.to_string());
            }
        }
    }
}
