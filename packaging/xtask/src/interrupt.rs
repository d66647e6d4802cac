//! Ctrl-C: a task that has started something ends it before it goes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};

/// Set by SIGINT and SIGTERM once it has been caught.
#[derive(Clone)]
pub(crate) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Catches the signals from now on: they set the flag and nothing else.
    pub(crate) fn catch() -> anyhow::Result<Self> {
        let flag = Arc::new(AtomicBool::new(false));
        for signal in [nix::libc::SIGINT, nix::libc::SIGTERM] {
            signal_hook::flag::register(signal, Arc::clone(&flag))
                .context("cannot catch Ctrl-C")?;
        }
        Ok(Self(flag))
    }

    /// Fails if there was one.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        ensure!(!self.0.load(Ordering::Relaxed), "interrupted");
        Ok(())
    }

    /// Sleeps, in pieces.
    pub(crate) fn sleep(&self, duration: Duration) -> anyhow::Result<()> {
        const PIECE: Duration = Duration::from_millis(50);
        let until = Instant::now() + duration;
        loop {
            self.check()?;
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            std::thread::sleep(left.min(PIECE));
        }
    }

    /// Looks every half of a millisecond until `done`; returns the moment at which it was.
    pub(crate) fn wait_for(
        &self,
        what: &str,
        limit: Duration,
        mut done: impl FnMut() -> bool,
    ) -> anyhow::Result<Instant> {
        const LOOK: Duration = Duration::from_micros(500);
        let began = Instant::now();
        loop {
            let now = Instant::now();
            if done() {
                return Ok(now);
            }
            self.check()?;
            if now - began > limit {
                bail!("{what}: not within {} s", limit.as_secs());
            }
            std::thread::sleep(LOOK);
        }
    }
}
