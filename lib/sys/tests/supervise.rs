//! Supervision, as processes see it: each case runs in a process of its own, since the supervisor
//! must be the only thread.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the cases are about output")]
#![expect(clippy::unwrap_used, reason = "a test without the test harness")]

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use miqm_sys::supervise::supervise;
use miqm_sys::{Op, inflight, proc};

const SHORT: Duration = Duration::from_millis(300);
const STUCK: u8 = 99;
const REFUSED: u8 = 98;

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    if let (Some("case"), Some(case), Some(dir)) =
        (args.next().as_deref(), args.next(), args.next())
    {
        return ExitCode::from(case_of(&case, Path::new(&dir)));
    }
    check_all();
    ExitCode::SUCCESS
}

/// One case, in a process of its own.
fn case_of(case: &str, dir: &Path) -> u8 {
    let fifo = dir.join("fifo");
    if case == "threads" {
        std::thread::spawn(|| std::thread::sleep(Duration::from_mins(1)));
    }
    print!("early, ");
    let result = supervise(
        SHORT,
        |ticker| match case {
            "order" => {
                for n in 0..300 {
                    println!("out {n}");
                    eprintln!("err {n}");
                }
                7
            }
            "stuck" => {
                println!("before");
                let _entered = ticker.enter(Op::Open, &fifo);
                // Waits for a writer that never comes.
                drop(std::fs::File::open(&fifo));
                0
            }
            "stuck thread" => {
                let fifo = fifo.clone();
                std::thread::spawn(move || {
                    let _entered = inflight::enter(Op::Sync, &fifo);
                    drop(std::fs::File::open(&fifo));
                });
                std::thread::sleep(Duration::from_mins(1));
                0
            }
            "own deadline" => {
                let _deadline = ticker.deadline(Duration::from_mins(1));
                let _entered = ticker.enter(Op::Read, &fifo);
                std::thread::sleep(3 * SHORT);
                3
            }
            "killed" => {
                proc::kill(proc::pid(), proc::Signal::SIGKILL).unwrap();
                0
            }
            "panic" => panic!("on purpose"),
            "exit" =>
            {
                #[expect(clippy::exit, clippy::disallowed_methods, reason = "the case is about it")]
                std::process::exit(5)
            }
            "held output" => {
                println!("done");
                // Holds the output open beyond the end of the child.
                #[expect(clippy::zombie_processes, reason = "it outlives the child")]
                Command::new("sleep").arg("20").spawn().unwrap();
                4
            }
            "much output" => {
                let line = [b'x'; 999];
                for _ in 0..3000 {
                    println!("{}", line.escape_ascii());
                }
                0
            }
            "sleep" => {
                println!("{}", proc::pid());
                std::thread::sleep(Duration::from_mins(1));
                0
            }
            _ => 0,
        },
        |stuck| {
            println!("stuck: {} {}", stuck.op, stuck.path.display());
            assert!(stuck.elapsed >= SHORT);
            STUCK
        },
    );
    result.unwrap_or(REFUSED)
}

struct Bench {
    dir: PathBuf,
}

impl Bench {
    fn command(&self, case: &str) -> Command {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.arg("case").arg(case).arg(&self.dir).stdin(Stdio::null());
        command
    }

    /// The code, the output, and the time that a case takes until its output ends.
    fn run(&self, case: &str) -> (Option<i32>, String, Duration) {
        let start = Instant::now();
        let done = self.command(case).stderr(Stdio::null()).output().unwrap();
        let text = String::from_utf8(done.stdout).unwrap();
        (done.status.code(), text, start.elapsed())
    }

    /// Starts the case that sleeps; with the id of its worker.
    fn sleeper(&self) -> (Child, u32) {
        let mut child = self.command("sleep").stdout(Stdio::piped()).spawn().unwrap();
        let mut text = String::new();
        let stdout = child.stdout.as_mut().unwrap();
        while !text.ends_with('\n') {
            let mut byte = [0];
            stdout.read_exact(&mut byte).unwrap();
            text.push(char::from(byte[0]));
        }
        let worker = text.trim().rsplit(' ').next().unwrap().parse().unwrap();
        (child, worker)
    }
}

type Case = (&'static str, fn(&Bench));

fn check_all() {
    let dir = tempfile::tempdir().unwrap();
    nix::unistd::mkfifo(&dir.path().join("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let bench = Bench { dir: dir.path().to_owned() };
    let cases: &[Case] = &[
        ("what hangs is told and left", what_hangs),
        ("codes are passed on", codes),
        ("output keeps its order and is whole", output),
        ("whoever reads the output does not wait for the child", held_output),
        ("signals reach the child", signals),
        ("the child dies with the parent", dies_together),
    ];
    for (name, case) in cases {
        case(&bench);
        println!("case {name} ... ok");
    }
}

fn what_hangs(bench: &Bench) {
    let fifo = bench.dir.join("fifo");
    let (code, text, elapsed) = bench.run("stuck");
    assert_eq!(code, Some(i32::from(STUCK)));
    assert_eq!(text, format!("early, before\nstuck: open {}\n", fifo.display()));
    assert!(elapsed >= SHORT && elapsed < 10 * SHORT, "{elapsed:?}");
    let (code, text, _) = bench.run("stuck thread");
    assert_eq!(code, Some(i32::from(STUCK)));
    assert!(text.contains("stuck: sync "), "{text}");
    assert_eq!(bench.run("own deadline").0, Some(3));
}

fn codes(bench: &Bench) {
    assert_eq!(bench.run("nothing").0, Some(0));
    assert_eq!(bench.run("exit").0, Some(5));
    assert_eq!(bench.run("killed").0, Some(128 + 9));
    assert_eq!(bench.run("panic").0, Some(128 + 6));
    assert_eq!(bench.run("threads").0, Some(i32::from(REFUSED)));
}

fn output(bench: &Bench) {
    let (mut reader, writer) = std::io::pipe().unwrap();
    let mut command = bench.command("order");
    command.stdout(writer.try_clone().unwrap()).stderr(writer);
    let mut child = command.spawn().unwrap();
    drop(command);
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(7));
    let mut expected = String::from("early, ");
    for n in 0..300 {
        expected.extend([format!("out {n}\n"), format!("err {n}\n")]);
    }
    assert_eq!(text, expected);
    let (code, text, _) = bench.run("much output");
    assert_eq!((code, text.len()), (Some(0), "early, ".len() + 3000 * 1000));
    // To a file nothing is relayed.
    let path = bench.dir.join("out");
    let file = std::fs::File::create(&path).unwrap();
    let mut command = bench.command("order");
    assert_eq!(command.stdout(file).stderr(Stdio::null()).status().unwrap().code(), Some(7));
    assert!(std::fs::read_to_string(&path).unwrap().ends_with("out 299\n"));
    std::io::stdout().flush().unwrap();
}

fn held_output(bench: &Bench) {
    let (code, text, elapsed) = bench.run("held output");
    assert_eq!((code, text.as_str()), (Some(4), "early, done\n"));
    assert!(elapsed < Duration::from_secs(10), "{elapsed:?}");
}

fn signals(bench: &Bench) {
    for (signal, number) in [(proc::Signal::SIGTERM, 15), (proc::Signal::SIGINT, 2)] {
        if is_ignored(number) {
            // As for every process that a shell without job control starts in the background.
            println!("SKIPPED: whoever started this test made it ignore signal {number}");
            continue;
        }
        let (mut child, worker) = bench.sleeper();
        assert!(proc::alive(worker));
        proc::kill(child.id(), signal).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(128 + number));
        assert!(!proc::alive(worker));
    }
}

/// Whether this process, and with it what it starts, ignores a signal.
fn is_ignored(number: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap();
    u64::from_str_radix(mask.trim(), 16).unwrap() >> (number - 1) & 1 == 1
}

fn dies_together(bench: &Bench) {
    let (mut child, worker) = bench.sleeper();
    child.kill().unwrap();
    child.wait().unwrap();
    let start = Instant::now();
    while proc::alive(worker) {
        assert!(start.elapsed() < Duration::from_secs(10));
        std::thread::sleep(Duration::from_millis(5));
    }
}
