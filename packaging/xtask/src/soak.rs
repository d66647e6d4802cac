//! `cargo xtask soak QMGR ACKS`: an instance with a load, for tests of what survives.
//!
//! The instance is a standby or active one like that of `miqmd -x`. While it is active, one application
//! changes an attribute of the queue manager again and again, each change a unit of its own in the
//! log, and notes each one that was acknowledged in the local file ACKS, as `ack EPOCH NUMBER TIME`; on
//! becoming active it notes `found EPOCH NUMBER TIME`, the number that recovery brought.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, bail};
use miqm_cli::{Env, Failure};
use miqm_ops::instance::{self, Applications, Report};
use miqm_ops::start::StartRequest;

const ATTRIBUTE: &str = "DESCR";

pub(crate) fn run(args: &[String]) -> anyhow::Result<()> {
    let [qmgr, acks] = args else { bail!("usage: cargo xtask soak QMGR ACKS") };
    let failed = |failure: Failure| anyhow::anyhow!("{}", failure.lines(true).join(" "));
    let env = Env::read().map_err(failed)?;
    let request = StartRequest {
        qmgr: qmgr.parse()?,
        multi_instance: true,
        remake_dirs: false,
        services: true,
        patience: env.deadline,
    };
    let file = OpenOptions::new().append(true).create(true).open(acks).context(acks.clone())?;
    let when_active = Arc::new(move |applications: Applications| {
        let file = file.try_clone();
        std::thread::spawn(move || match file {
            Ok(file) => load(&applications, file),
            Err(error) => crate::say(&error.to_string()),
        });
    });
    let host = env.host_env().map_err(failed)?;
    let ended = instance::run(&host, &request, Report::default(), env.journal, Some(when_active));
    match ended {
        Ok(outcome) => {
            crate::say(&format!("ended {}", outcome.end.as_str()));
            Ok(())
        }
        Err(error) => bail!("{error}"),
    }
}

fn load(applications: &Applications, mut acks: std::fs::File) {
    let Some(session) = applications.sessions.admit() else { return };
    let mut note = |what: &str, epoch: u64, number: u64| {
        let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        // One write, so that a line is there or not.
        let line = format!("{what} {epoch} {number} {time}\n");
        acks.write_all(line.as_bytes()).is_ok()
    };
    let Some(engine) = applications.engine.upgrade() else { return };
    let epoch = engine.log().epoch().0;
    let found = engine.qmgr().and_then(|qmgr| qmgr.shown(ATTRIBUTE)).unwrap_or_default();
    let mut number = found.trim_matches('\'').parse::<u64>().unwrap_or(0);
    drop(engine);
    note("found", epoch, number);
    while session.phase() == instance::Phase::Open {
        let Some(engine) = applications.engine.upgrade() else { return };
        number += 1;
        let at = instance::now();
        let changed = engine.alter_qmgr(at, |qmgr| qmgr.set(ATTRIBUTE, &number.to_string()));
        drop(engine);
        if changed.is_err() || !note("ack", epoch, number) {
            return;
        }
    }
}
