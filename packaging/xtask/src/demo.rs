//! `cargo xtask demo`: the tutorial, played with real commands on two "hosts" that are this machine.
//!
//! Every command is checked for the exit code that an operator would see, so that this is a test, too.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use clap::Parser as _;

use crate::build::{self, Profile};
use crate::interrupt::Interrupt;
use crate::say;
use crate::site::{Host, Site, is_there, kill_hard};

const QMGR: &str = "QM1";
const LONG: Duration = Duration::from_secs(30);
const COLUMNS: usize = 90;

/// The arguments.
#[derive(clap::Parser)]
#[command(name = "cargo xtask demo", about = "Play the tutorial: two \"hosts\" on this machine")]
struct Args {
    /// Use the programs that are there, and do not build them
    #[arg(long)]
    no_build: bool,
}

pub(crate) fn run(args: &[String]) -> anyhow::Result<()> {
    let args = Args::try_parse_from(
        std::iter::once("cargo xtask demo".to_owned()).chain(args.iter().cloned()),
    )?;
    let programs = if args.no_build {
        build::programs(Profile::Debug)?
    } else {
        build::commands(Profile::Debug)?
    };
    let interrupt = Interrupt::catch()?;
    let temporary = std::env::temp_dir();
    let site = Site::new(&temporary, None, programs)?;
    let stage = Stage { site: &site, interrupt: &interrupt };
    let (one, two) = (site.host("host1")?, site.host("host2")?);
    let began = Instant::now();
    stage.opening(one, two)?;
    stage.create(one, two)?;
    stage.start(one, two)?;
    stage.failover(one, two)?;
    stage.switchover(one, two)?;
    stage.delete(one, two)?;
    let seconds = began.elapsed().as_secs_f64();
    tell(&format!("That was all, in {seconds:.1} s; nothing of it is left on this machine."));
    Ok(())
}

struct Stage<'a> {
    site: &'a Site,
    interrupt: &'a Interrupt,
}

impl Stage<'_> {
    fn opening(&self, one: Host<'_>, two: Host<'_>) -> anyhow::Result<()> {
        tell(
            "Two hosts share storage. On this machine they are two sets of variables, and one \
             directory plays the storage. Nothing outside of it is touched, and no root is needed.",
        );
        for host in [one, two] {
            for (name, value) in host.variables() {
                say(&format!("{}$ export {name}={value}", host.name));
            }
        }
        let (logs, data) = self.dirs();
        say(&format!("host1$ mkdir -p {logs} {data}"));
        for dir in [logs, data] {
            std::fs::create_dir_all(&dir).with_context(|| format!("cannot make {dir}"))?;
        }
        Ok(())
    }

    fn dirs(&self) -> (String, String) {
        let shared = self.site.shared();
        (shared.join("logs").display().to_string(), shared.join("qmgrs").display().to_string())
    }

    fn create(&self, one: Host<'_>, two: Host<'_>) -> anyhow::Result<()> {
        let (logs, data) = self.dirs();
        tell("A queue manager is created once, on one host, with its log and data on the storage.");
        self.play(one, 0, &["crtmqm", "-ld", &logs, "-md", &data, QMGR])?;
        tell(
            "The other host only has to know of it. The first one prints the command to run there.",
        );
        let printed = self.play(one, 0, &["dspmqinf", "-o", "command", QMGR])?;
        let command = printed.first().context("dspmqinf printed nothing")?;
        let words: Vec<&str> = command.split_whitespace().collect();
        self.play(two, 0, &words)?;
        Ok(())
    }

    fn start(&self, one: Host<'_>, two: Host<'_>) -> anyhow::Result<()> {
        tell("The same command on both hosts: the first instance takes the locks and is active,");
        self.play(one, 0, &["strmqm", "-x", QMGR])?;
        tell("the second finds them held and waits as the standby. Its exit code says so.");
        self.play(two, 30, &["strmqm", "-x", QMGR])?;
        tell("Both hosts tell the same, from the locks and records on the storage.");
        let said = self.play(one, 0, &["dspmq", "-x"])?;
        expect(
            &said,
            &["STATUS(Running)", "INSTANCE(host1) MODE(Active)", "INSTANCE(host2) MODE(Standby)"],
        )?;
        let said = self.play(two, 0, &["dspmq", "-x"])?;
        expect(&said, &["STATUS(Running as standby)", "INSTANCE(host1) MODE(Active)"])
    }

    fn failover(&self, one: Host<'_>, two: Host<'_>) -> anyhow::Result<()> {
        tell("The active instance dies: no farewell, no cleaning up.");
        let victim = one.pid(QMGR)?;
        say(&format!("host1$ kill -9 {victim}"));
        ensure!(one.serves(QMGR) && !two.serves(QMGR), "host1 should serve, and host2 should not");
        let began = Instant::now();
        kill_hard(victim)?;
        let served = self.interrupt.wait_for("the takeover", LONG, || two.serves(QMGR))?;
        let took = (served - began).as_millis();
        tell(&format!("The standby took the locks, replayed the log and served {took} ms later."));
        let said = self.play(two, 0, &["dspmq", "-x"])?;
        expect(&said, &["STATUS(Running)", "INSTANCE(host2) MODE(Active)"])?;
        tell("Started again, the former active finds another one and becomes its standby.");
        self.play(one, 30, &["strmqm", "-x", QMGR])?;
        Ok(())
    }

    fn switchover(&self, one: Host<'_>, two: Host<'_>) -> anyhow::Result<()> {
        tell("Before maintenance of host 2, the role is handed back in order.");
        let leaves = two.pid(QMGR)?;
        let began = Instant::now();
        let (served, said) = std::thread::scope(|scope| {
            let ends = scope.spawn(|| self.play(two, 0, &["endmqm", "-is", QMGR]));
            let served = self.interrupt.wait_for("the switchover", LONG, || one.serves(QMGR));
            (served, ends.join())
        });
        let Ok(said) = said else { bail!("endmqm could not be run") };
        drop(said?);
        let took = (served? - began).as_millis();
        tell(&format!("Host 1 served {took} ms after the command was typed."));
        self.interrupt.wait_for("the end of the instance", LONG, || !is_there(leaves))?;
        let said = self.play(two, 0, &["dspmq", "-x"])?;
        expect(&said, &["STATUS(Running elsewhere)", "INSTANCE(host1) MODE(Active)"])
    }

    fn delete(&self, one: Host<'_>, two: Host<'_>) -> anyhow::Result<()> {
        tell("Ended and waited for, it is gone on both hosts: the log and the locks are let go.");
        self.play(one, 0, &["endmqm", "-w", QMGR])?;
        let said = self.play(two, 0, &["dspmq", "-x"])?;
        expect(&said, &["STATUS(Ended normally)"])?;
        tell("The other host forgets it, and it is deleted where it was created.");
        self.play(two, 0, &["rmvmqinf", QMGR])?;
        self.play(one, 0, &["dltmqm", QMGR])?;
        self.play(one, 0, &["dspmq"])?;
        let (logs, data) = self.dirs();
        for dir in [logs, data] {
            let left = std::fs::read_dir(&dir).with_context(|| format!("cannot list {dir}"))?;
            ensure!(left.count() == 0, "{dir} is not empty");
        }
        Ok(())
    }

    /// Types a command, shows what it says while it says it, and expects an exit code.
    fn play(&self, host: Host<'_>, expected: i32, words: &[&str]) -> anyhow::Result<Vec<String>> {
        self.interrupt.check()?;
        say(&format!("{}$ {}", host.name, words.join(" ")));
        let (program, args) = words.split_first().context("a program is needed")?;
        let (output, errors) = std::io::pipe()?;
        let mut command = host.command(program);
        command.args(args).stdout(errors.try_clone()?).stderr(Stdio::from(errors));
        let mut child = command.spawn().with_context(|| format!("cannot run {program}"))?;
        // Else this process would hold the pipe open itself.
        drop(command);
        let mut lines = Vec::new();
        for line in BufReader::new(output).lines() {
            let line = line?;
            say(&line);
            lines.push(line);
        }
        let status = child.wait()?;
        match status.code() {
            Some(code) if code == expected => {
                if code != 0 {
                    say(&format!("(exit code {code})"));
                }
                Ok(lines)
            }
            _ => bail!("'{}' ended with {status}, and not with {expected}", words.join(" ")),
        }
    }
}

/// Fails unless each of these is in what a command said.
fn expect(lines: &[String], all: &[&str]) -> anyhow::Result<()> {
    for what in all {
        ensure!(lines.iter().any(|line| line.contains(what)), "the display does not say {what}");
    }
    Ok(())
}

/// Says a sentence between the commands, within the width of a page.
fn tell(sentence: &str) {
    let mut line = String::from("\n#");
    for word in sentence.split(' ') {
        if line.len() + 1 + word.len() > COLUMNS {
            say(&std::mem::replace(&mut line, String::from("#")));
        }
        line.push(' ');
        line.push_str(word);
    }
    say(&line);
}
