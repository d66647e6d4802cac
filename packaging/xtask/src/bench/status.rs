//! `dspmq -x` over many queue managers, of which some run.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, ensure};

use super::Bench;
use super::figures::{Bar, Figure, Samples};
use crate::site::{Host, Site};

const QMGRS: usize = 1000;
/// So many of them run here with a standby on another host, and so many there with a standby here.
const RUNNING: usize = 5;

pub(super) fn run(bench: &Bench) -> anyhow::Result<Vec<Figure>> {
    let site = bench.site()?;
    let (one, two) = (site.host("host1")?, site.host("host2")?);
    let names: Vec<String> = (0..QMGRS).map(|number| format!("QM{number:04}")).collect();
    let (real, copies) = names.split_at(2 * RUNNING + 1);
    for name in real {
        bench.interrupt.check()?;
        site.create(name, &[&one, &two])?;
    }
    for (number, name) in real.iter().take(2 * RUNNING).enumerate() {
        let (active, standby) = if number < RUNNING { (one, two) } else { (two, one) };
        active.run(0, &["strmqm", "-x", name])?;
        standby.run(30, &["strmqm", "-x", name])?;
    }
    copy(&site, one, &real[2 * RUNNING], copies)?;

    let (mut shown, mut floor) = (Vec::new(), Vec::new());
    // One more than counts, so that every round finds what it reads in memory.
    for _ in 0..=bench.rounds.min(30) {
        bench.interrupt.check()?;
        floor.push(read_all(&site, &names)?);
        let began = Instant::now();
        let output = one.run(0, &["dspmq", "-x"])?;
        shown.push(began.elapsed().as_secs_f64() * 1e3);
        is_right(&String::from_utf8_lossy(&output.stdout))?;
    }
    let samples = |values: Vec<f64>| {
        Samples::new(values.into_iter().skip(1).collect()).context("nothing was measured")
    };
    let floor = samples(floor)?.median();
    Ok(vec![
        Figure::new("dspmq -x over 1,000 queue managers", "ms", samples(shown)?)
            .against("one thread that reads the lock files", floor)
            .bar(Bar::MedianAtMost(150.0)),
    ])
}

/// Makes further queue managers of one that has never run: directories with what the display looks at,
/// and entries in the registry. They share the identity, which is no matter to it.
fn copy(site: &Site, host: Host<'_>, from: &str, names: &[String]) -> anyhow::Result<()> {
    let data = site.shared().join("qmgrs");
    let [(_, prefix), ..] = host.variables();
    let registry = Path::new(&prefix).join("mqs.ini");
    let mut text = fs::read_to_string(&registry).context("the registry")?;
    let stanza: Vec<&str> = text
        .split_inclusive('\n')
        .skip_while(|line| line.trim() != format!("Name={from}"))
        .take_while(|line| line.starts_with([' ', '\t']))
        .collect();
    let stanza = stanza.concat();
    ensure!(stanza.contains(from), "the registry has no stanza of {from}");
    for name in names {
        let dir = data.join(name);
        fs::create_dir(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
        for file in ["qm.ini", "qmid", "master", "active", "standby"] {
            fs::copy(data.join(from).join(file), dir.join(file))
                .with_context(|| format!("cannot copy {file}"))?;
        }
        write!(text, "QueueManager:\n{}", stanza.replace(from, name))?;
    }
    fs::write(&registry, text).context("the registry")
}

/// What cannot be done without, by one thread: the lock files opened and read. In milliseconds.
fn read_all(site: &Site, names: &[String]) -> anyhow::Result<f64> {
    let data = site.shared().join("qmgrs");
    let began = Instant::now();
    for name in names {
        for file in ["master", "standby"] {
            let path = data.join(name).join(file);
            fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        }
    }
    Ok(began.elapsed().as_secs_f64() * 1e3)
}

fn is_right(text: &str) -> anyhow::Result<()> {
    let count = |what: &str| text.lines().filter(|line| line.contains(what)).count();
    ensure!(count("QMNAME(") == QMGRS, "not every queue manager is shown");
    ensure!(count("STATUS(Running)") == RUNNING, "the active ones are not shown");
    ensure!(count("STATUS(Running as standby)") == RUNNING, "the standbys are not shown");
    ensure!(count("MODE(Active)") == 2 * RUNNING, "not every active instance is shown");
    ensure!(count("MODE(Standby)") == 2 * RUNNING, "not every standby instance is shown");
    Ok(())
}
