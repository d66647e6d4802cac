//! What every command says about itself, and about arguments that it cannot use.

use std::ffi::OsString;

use crate::support::{Machine, golden};

#[test]
fn help_is_as_kept() {
    let machine = Machine::new();
    for command in miqm_bins::all() {
        let said = machine.run(&format!("{} --help", command.name)).success();
        assert!(said.stdout.lines().all(|line| line.len() <= 120), "{}", said.stdout);
        golden(&format!("help/{}.txt", command.name), &said.stdout);
        assert_eq!(machine.run(&format!("{} -?", command.name)).success().stdout, said.stdout);
    }
    golden("help/miqm.txt", &machine.run("miqm --help").success().stdout);
}

#[test]
fn every_command_has_a_version() {
    let machine = Machine::new();
    for command in miqm_bins::all() {
        let said = machine.run(&format!("{} --version", command.name)).success();
        assert_eq!(said.stdout, format!("{} {}\n", command.name, env!("CARGO_PKG_VERSION")));
        assert_eq!(
            machine.run(&format!("miqm {} --version", command.name)).success().stdout,
            said.stdout
        );
    }
}

#[test]
fn unknown_and_refused_options_are_named_and_nothing_happens() {
    let machine = Machine::new();
    for command in miqm_bins::all() {
        let usage = i32::from((command.usage).code());
        let said = machine.run(&format!("{} --no-such-option", command.name)).code(usage);
        assert!(
            said.stderr.starts_with(
                "AMQ1000E: '--no-such-option' is not an option of this command.\nUsage: "
            ),
            "{}",
            said.stderr
        );
        assert_eq!(said.stdout, "");
        for refused in command.refused {
            let said = machine.run(&format!("{} {}", command.name, refused.option)).code(usage);
            let message =
                format!("AMQ1007E: Option '{}' is refused: {}.\n", refused.option, refused.why);
            assert!(said.stderr.starts_with(&message), "{}", said.stderr);
        }
    }
    assert!(!machine.prefix().exists(), "a refused command made the prefix");
}

/// Goal: no command line makes the arguments of a command panic. Method: random lines from the options
/// that the command has, and from what is no option at all.
#[test]
fn no_command_line_panics() {
    let common = [
        "-",
        "--",
        "QM1",
        "a-b",
        "",
        "=",
        "-1",
        "4096",
        "--json",
        "--deadline",
        "\u{e9}",
        "-\u{e9}",
    ];
    for command in miqm_bins::all() {
        let arguments = (command.command)();
        let mut fragments: Vec<String> = common.iter().map(ToString::to_string).collect();
        for option in arguments.get_arguments() {
            fragments.extend(option.get_short().map(|letter| format!("-{letter}")));
            fragments.extend(option.get_long().map(|name| format!("-{name}")));
        }
        fragments.extend(command.refused.iter().map(|refused| refused.option.to_owned()));
        for seed in 0..2_000_u64 {
            let mut state = seed;
            let mut random = |below: usize| {
                // The upper bits of a linear congruence are random enough, and repeatable.
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                usize::try_from(state >> 33).expect("31 bits") % below
            };
            let words = 1 + random(6);
            let line: Vec<OsString> = (0..words)
                .map(|_| {
                    let glued = 1 + random(2);
                    (0..glued)
                        .map(|_| fragments[random(fragments.len())].as_str())
                        .collect::<String>()
                        .into()
                })
                .collect();
            // What it answers is for other tests; that it answers is the point.
            let _understood: bool = (command.accepts)(line);
        }
    }
}

#[test]
fn lost_output_is_a_failure_and_a_closed_pipe_is_not() {
    let machine = Machine::new();
    for command in miqm_bins::all() {
        let line = format!("exec {} --help > /dev/full", command.name);
        let mut shell = machine.command("/bin/sh");
        shell.arg("-c").arg(line).assert().code(71).stderr(format!(
            "AMQ1013E: Output could not be written: {}.\n",
            "No space left on device (os error 28)"
        ));
        let line = format!("( {} --help; echo $? >&2 ) | true", command.name);
        let mut shell = machine.command("/bin/sh");
        shell.arg("-c").arg(line).assert().success().stderr("0\n");
    }
}

#[test]
fn an_environment_that_cannot_be_used_is_refused() {
    let machine = Machine::new().with("MIQM_PREFIX", "var/mqm");
    let said = machine.run("dspmqver").code(71);
    insta::assert_snapshot!(said.stderr, @"AMQ1011E: The environment variable MIQM_PREFIX is 'var/mqm', which cannot be used: the path does not begin with a slash.");
    let machine = Machine::new().with("AMQ_DIAGNOSTIC_MSG_SEVERITY", "0");
    assert!(machine.run("dspmqver -p 2").code(10).stderr.starts_with("AMQ1024: "));
}

#[test]
fn the_file_of_all_commands_runs_them_by_either_name() {
    let machine = Machine::new();
    let other = machine.path("dspmqver");
    std::fs::create_dir_all(machine.prefix()).expect("a directory");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_miqm"), &other).expect("a link");
    let mut called = machine.command(other.to_str().expect("text"));
    called.args(["-b", "-f", "1"]).assert().success().stdout("miqm\n");
    assert_eq!(machine.run("miqm dspmqver -b -f 1").success().stdout, "miqm\n");
    let said = machine.run("miqm nosuch").code(39);
    assert!(said.stderr.starts_with("AMQ1018E: 'nosuch' is not one of the commands.\nUsage: miqm"));
    assert_eq!(machine.run("miqm --version").success().stdout, "miqm 0.1.0\n");
}
