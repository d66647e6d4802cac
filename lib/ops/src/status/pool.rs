//! Looking at many queue managers, some of whose storage may never answer.
//!
//! Workers take one queue manager after the other. A worker whose storage does not answer is left
//! alone, and others are started in its place, so that the answers for all that can answer come in
//! time. What a worker that was left alone finds later is not heard.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use miqm_qmgr::env::Env;
use miqm_qmgr::registry::Entry;

use super::{Ask, Unavailable, View, probe};

/// How many workers there are at first.
const WORKERS: usize = 8;
/// How many there can be, those included that were left alone.
const WORKERS_MAX: usize = 256;
/// After which time a worker counts as slow, so that another one is started.
const SLOW: Duration = Duration::from_millis(100);

struct Shared {
    env: Env,
    entries: Vec<Entry>,
    ask: Ask,
    next: AtomicUsize,
    /// When the look at each queue manager began, until it ended.
    begun: Vec<Mutex<Option<Instant>>>,
}

type Found = (usize, View);

/// Looks at queue managers, many at a time; hands each view to `each` in the order of the entries,
/// as soon as it and all before it are there.
///
/// No queue manager takes longer than the deadline from when its turn has come.
pub fn survey(env: &Env, entries: &[Entry], ask: Ask, mut each: impl FnMut(&Entry, View)) {
    let shared = Arc::new(Shared {
        env: env.clone(),
        entries: entries.to_vec(),
        ask,
        next: AtomicUsize::new(0),
        begun: entries.iter().map(|_| Mutex::new(None)).collect(),
    });
    let (sender, receiver) = mpsc::channel::<Found>();
    let mut workers = 0;
    let mut start = |wanted: usize| -> usize {
        for _ in 0..wanted.min(WORKERS_MAX - workers) {
            let (shared, sender) = (Arc::clone(&shared), sender.clone());
            let builder = thread::Builder::new().name("status".to_owned());
            if builder.spawn(move || work(&shared, &sender)).is_ok() {
                workers += 1;
            }
        }
        workers
    };
    if start(WORKERS.min(entries.len())) == 0 {
        // No threads to be had: then one after the other, and the command's own deadline counts.
        for entry in entries {
            each(entry, probe::look(env, entry, ask));
        }
        return;
    }

    let mut views: Vec<Turn> = entries.iter().map(|_| Turn::Awaited).collect();
    let mut shown = 0;
    while shown < entries.len() {
        if let Ok((index, view)) = receiver.recv_timeout(SLOW) {
            views[index].found(view);
        } else {
            let slow = give_up(&shared, &mut views);
            let waiting = shared.next.load(Ordering::Relaxed) < entries.len();
            if waiting && start(slow.workers) == WORKERS_MAX && slow.stuck == WORKERS_MAX {
                // Every worker is lost, so nobody will look at those that still wait.
                for (entry, turn) in entries.iter().zip(&mut views) {
                    turn.found(no_answer(entry, ask));
                }
            }
        }
        while let Some(view) = views.get_mut(shown).and_then(Turn::show) {
            each(&entries[shown], view);
            shown += 1;
        }
    }
}

/// How far a queue manager is.
enum Turn {
    Awaited,
    Found(View),
    Shown,
}

impl Turn {
    /// The first answer counts: one that comes after the deadline is not heard.
    fn found(&mut self, view: View) {
        if matches!(self, Self::Awaited) {
            *self = Self::Found(view);
        }
    }

    fn show(&mut self) -> Option<View> {
        if !matches!(self, Self::Found(_)) {
            return None;
        }
        match std::mem::replace(self, Self::Shown) {
            Self::Found(view) => Some(view),
            Self::Awaited | Self::Shown => None,
        }
    }
}

/// How many workers are slow, and how many of these are given up.
#[derive(Default)]
struct Slow {
    workers: usize,
    stuck: usize,
}

/// Gives up those whose deadline has passed.
fn give_up(shared: &Shared, views: &mut [Turn]) -> Slow {
    let mut slow = Slow::default();
    for ((begun, entry), turn) in shared.begun.iter().zip(&shared.entries).zip(views) {
        let Some(begun) = *begun.lock().unwrap_or_else(PoisonError::into_inner) else { continue };
        let waited = begun.elapsed();
        slow.workers += usize::from(waited >= SLOW);
        if waited >= shared.ask.deadline {
            slow.stuck += 1;
            turn.found(no_answer(entry, shared.ask));
        }
    }
    slow
}

fn no_answer(entry: &Entry, ask: Ask) -> View {
    let path = entry.data_dir();
    View::unavailable(&entry.name, Unavailable::NoAnswer { path, waited: ask.deadline })
}

fn work(shared: &Shared, sender: &mpsc::Sender<Found>) {
    // The deadline of a queue manager is kept here; the command as a whole goes on without it.
    let _deadline = miqm_sys::inflight::suspend();
    loop {
        let index = shared.next.fetch_add(1, Ordering::Relaxed);
        let Some(entry) = shared.entries.get(index) else { return };
        let set = |moment| {
            *shared.begun[index].lock().unwrap_or_else(PoisonError::into_inner) = moment;
        };
        set(Some(Instant::now()));
        let view = probe::look(&shared.env, entry, shared.ask);
        set(None);
        if sender.send((index, view)).is_err() {
            return;
        }
    }
}
