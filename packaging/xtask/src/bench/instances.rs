//! Two instances: how quickly one follows the other, how quickly one starts, how small a waiting one is.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use nix::unistd::Pid;

use super::Bench;
use super::figures::{Bar, Figure, Samples};
use super::machine::Pages;
use crate::interrupt::Interrupt;
use crate::site::{Host, is_there, kill_hard};

const QMGR: &str = "QM1";
const LONG: Duration = Duration::from_secs(30);
/// How long a standby is idle before its memory is looked at.
const IDLE: Duration = Duration::from_secs(10);

pub(super) fn run(bench: &Bench) -> anyhow::Result<Vec<Figure>> {
    let site = bench.site()?;
    let (one, two) = (site.host("host1")?, site.host("host2")?);
    site.create(QMGR, &[&one, &two])?;
    let pages = Pages::new(site.root())?;
    let mut pair =
        Pair { active: one, standby: two, pages, interrupt: &bench.interrupt, syncs: vec![] };
    pair.active.run(0, &["strmqm", "-x", QMGR])?;
    pair.standby.run(30, &["strmqm", "-x", QMGR])?;

    let resident = pair.resident()?;
    let (mut takeovers, mut switchovers) = (Vec::new(), Vec::new());
    for _ in 0..bench.rounds {
        takeovers.push(pair.takeover()?);
        switchovers.push(pair.switchover()?);
    }
    pair.end()?;
    let mut starts = Vec::new();
    for _ in 0..bench.rounds {
        starts.push(pair.start()?);
    }
    let samples = |values| Samples::new(values).context("nothing was measured");
    let sync = samples(pair.syncs)?.median();
    let what = "fdatasync of 4 KiB";
    let bar = Bar::MedianAtMost(100.0);
    Ok(vec![
        Figure::new("takeover after kill -9", "ms", samples(takeovers)?)
            .against(what, sync)
            .bar(bar),
        Figure::new("switchover by endmqm -is", "ms", samples(switchovers)?)
            .against(what, sync)
            .bar(bar),
        Figure::new("start of an empty queue manager", "ms", samples(starts)?)
            .against(what, sync)
            .bar(bar),
        Figure::new("idle standby, resident", "MiB", samples(resident)?).bar(Bar::MaxAtMost(10.0)),
    ])
}

struct Pair<'a> {
    active: Host<'a>,
    standby: Host<'a>,
    pages: Pages,
    interrupt: &'a Interrupt,
    /// How long the machine took to make a page durable, between the rounds, in milliseconds.
    syncs: Vec<f64>,
}

impl Pair<'_> {
    /// Waits for a part of the interval at which a standby polls, a different one each time.
    fn settle(&mut self) -> anyhow::Result<()> {
        let round = u64::try_from(self.syncs.len())?;
        for _ in 0..5 {
            self.syncs.push(self.pages.overwrite()?);
        }
        // Steps of the golden ratio fill an interval evenly.
        self.interrupt.sleep(Duration::from_millis(150 + round * 618 % 1000 / 5))
    }

    /// From the kill to the moment at which the other instance serves, in milliseconds.
    fn takeover(&mut self) -> anyhow::Result<f64> {
        self.settle()?;
        let (victim, heir) = (self.active.pid(QMGR)?, self.standby);
        ensure!(!heir.serves(QMGR), "both instances serve");
        let began = Instant::now();
        kill_hard(victim)?;
        let served = self.interrupt.wait_for("the takeover", LONG, || heir.serves(QMGR))?;
        self.change_places(victim)?;
        Ok(milliseconds(served - began))
    }

    /// From the start of the command to the moment at which the other instance serves, in milliseconds.
    fn switchover(&mut self) -> anyhow::Result<f64> {
        self.settle()?;
        let (leaves, heir) = (self.active.pid(QMGR)?, self.standby);
        let mut command = self.active.command("endmqm");
        command.args(["-is", QMGR]).stdout(std::process::Stdio::null());
        let began = Instant::now();
        let mut child = command.spawn().context("cannot run endmqm")?;
        let served = self.interrupt.wait_for("the switchover", LONG, || heir.serves(QMGR));
        let status = child.wait()?;
        ensure!(status.success(), "endmqm ended with {status}");
        let served = served?;
        self.change_places(leaves)?;
        Ok(milliseconds(served - began))
    }

    /// The one that served becomes a standby.
    fn change_places(&mut self, gone: Pid) -> anyhow::Result<()> {
        self.interrupt.wait_for("the end of the former active", LONG, || !is_there(gone))?;
        std::mem::swap(&mut self.active, &mut self.standby);
        self.standby.run(30, &["strmqm", "-x", QMGR])?;
        Ok(())
    }

    /// Ends both instances.
    fn end(&mut self) -> anyhow::Result<()> {
        let waits = self.standby.pid(QMGR)?;
        self.active.run(0, &["endmqm", "-w", QMGR])?;
        self.interrupt.wait_for("the end of the standby", LONG, || !is_there(waits))?;
        Ok(())
    }

    /// From the start of the command to its end, in milliseconds. It ends when the instance serves.
    fn start(&mut self) -> anyhow::Result<f64> {
        self.settle()?;
        let began = Instant::now();
        self.active.run(0, &["strmqm", QMGR])?;
        let taken = began.elapsed();
        ensure!(self.active.serves(QMGR), "strmqm has ended and nothing serves");
        let ends = self.active.pid(QMGR)?;
        self.active.run(0, &["endmqm", "-w", QMGR])?;
        self.interrupt.wait_for("the end of the instance", LONG, || !is_there(ends))?;
        Ok(milliseconds(taken))
    }

    /// The memory of the standby, several times after it has been idle, in MiB.
    fn resident(&self) -> anyhow::Result<Vec<f64>> {
        self.interrupt.sleep(IDLE)?;
        let path = format!("/proc/{}/status", self.standby.pid(QMGR)?);
        let mut samples = Vec::new();
        for _ in 0..5 {
            let status =
                fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
            let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
            let kib: Option<f64> =
                line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok());
            samples.push(kib.context("the kernel does not tell the memory")? / 1024.0);
            self.interrupt.sleep(Duration::from_millis(500))?;
        }
        Ok(samples)
    }
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
