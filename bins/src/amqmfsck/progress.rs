//! A sign of life on a terminal for what takes longer than a moment.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use miqm_fsck::render;

/// What is done within this time shows nothing.
const QUICK: Duration = Duration::from_secs(1);

/// A bar on standard error. It has no thread of its own: the test must be able to fork, so whoever
/// waits for something calls [`Progress::tick`].
#[derive(Clone, Debug)]
pub(super) struct Progress(Option<Rc<RefCell<Bar>>>);

#[derive(Debug)]
struct Bar {
    drawn: ProgressBar,
    began: Instant,
    shown: bool,
}

impl Progress {
    /// One that is shown if `terminal` says that somebody looks.
    pub(super) fn new(terminal: bool) -> Self {
        let bar = || {
            let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::hidden());
            let style = ProgressStyle::with_template("{spinner} {pos}/{len} {wide_msg} {elapsed}");
            if let Ok(style) = style {
                bar.set_style(style);
            }
            Rc::new(RefCell::new(Bar { drawn: bar, began: Instant::now(), shown: false }))
        };
        Self(terminal.then(bar))
    }

    /// Shows how far the run is.
    pub(super) fn show(&self, at: &render::Progress) {
        if let Some(shared) = &self.0 {
            let bar = &shared.borrow().drawn;
            bar.set_length(at.of);
            bar.set_position(at.done);
            bar.set_message(at.text.clone());
        }
        self.tick();
    }

    /// Shows that time passes.
    pub(super) fn tick(&self) {
        let Some(shared) = &self.0 else { return };
        let mut bar = shared.borrow_mut();
        if !bar.shown && bar.began.elapsed() >= QUICK {
            bar.drawn.set_draw_target(ProgressDrawTarget::stderr());
            bar.shown = true;
        }
        if bar.shown {
            bar.drawn.tick();
        }
    }

    /// Does something that prints lines, which the bar must not be in the way of.
    pub(super) fn aside<T>(&self, print: impl FnOnce() -> T) -> T {
        match &self.0 {
            Some(shared) => {
                let bar = shared.borrow().drawn.clone();
                bar.suspend(print)
            }
            None => print(),
        }
    }

    /// Takes the bar away.
    pub(super) fn clear(&self) {
        if let Some(shared) = &self.0 {
            shared.borrow().drawn.finish_and_clear();
        }
    }
}
