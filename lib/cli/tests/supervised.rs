//! A command that touches storage, and what becomes of it when the storage does not answer.
//!
//! Without the harness of tests, because that makes threads, and a command is to be supervised from its
//! first. Called with `tool`, this program is the command; else it runs itself as that.

use std::path::Path;
use std::process::{Command, ExitCode, Output};
use std::time::{Duration, Instant};

use miqm_cli::{Env, Exit, Failure, Message, Tool, Ui, clap};
use miqm_sys::{Op, inflight};

/// Do what is said
#[derive(Debug, clap::Parser)]
struct Toy {
    #[arg(short = 'z')]
    quiet: bool,
    what: String,
}

impl Tool for Toy {
    const NAME: &'static str = "toy";
    const EXITS: &'static [Exit] = &[Exit::Exists, Exit::StandbyStarted];
    const STORAGE: bool = true;

    fn quiet(&self) -> bool {
        self.quiet
    }

    fn run(self, env: &Env, ui: &mut Ui<'_>) -> Result<Exit, Failure> {
        ui.line(format_args!("begin {}", env.deadline.as_secs()));
        match self.what.as_str() {
            "hang" => {
                let _operation = inflight::enter(Op::Open, Path::new("/dead/qm.ini"));
                std::thread::sleep(Duration::from_mins(1));
                Ok(Exit::Done)
            }
            "die" => std::process::abort(),
            "fail" => Err(Failure::new(Exit::Exists, Message::CannotComplete).cannot_complete()),
            _ => Ok(Exit::StandbyStarted),
        }
    }
}

fn run(args: &[&str]) -> Output {
    let program = std::env::current_exe().expect("this program");
    let mut command = Command::new(program);
    command.arg("tool").args(args).env_clear().env("MIQM_HOSTNAME", "host1");
    command.output().expect("the tool can be run")
}

fn check(args: &[&str], code: i32, out: &str, err: &str) {
    let output = run(args);
    let found = (
        output.status.code(),
        String::from_utf8_lossy(&output.stdout).into_owned(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    );
    assert_eq!(found, (Some(code), out.to_owned(), err.to_owned()), "{args:?}");
}

fn main() -> ExitCode {
    let args: Vec<_> = std::env::args_os().skip(1).collect();
    if args.first().is_some_and(|first| first == "tool") {
        return ExitCode::from(miqm_cli::run::<Toy>(args[1..].to_vec()));
    }
    check(&["ok"], 30, "begin 5\n", "");
    check(
        &["fail", "--deadline", "60"],
        8,
        "begin 60\n",
        "AMQ7018E: The operation cannot be completed.\nAMQ7018E: The operation cannot be completed.\n",
    );
    check(&["-z", "fail"], 8, "begin 5\n", "");
    check(
        &["die"],
        134,
        "begin 5\n",
        "AMQ1015S: The part of the command that works on storage was ended by signal 6.\n",
    );

    let begin = Instant::now();
    check(
        &["hang", "--deadline=1"],
        71,
        "begin 1\n",
        "AMQ1014S: There was no answer within 1 s to: open '/dead/qm.ini'.\n",
    );
    let took = begin.elapsed();
    assert!(took < Duration::from_secs(10), "a deadline of one second took {took:?}");
    check(&["-z", "hang", "--deadline=1"], 71, "begin 1\n", "");

    let output = run(&["ok", "--deadline", "0"]);
    assert_eq!(output.status.code(), Some(39));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let why =
        "AMQ1002E: The value '0' of '--deadline' is not valid: it must be between 1 and 3600.\n";
    assert!(said.starts_with(why), "{said}");
    ExitCode::SUCCESS
}
