//! Work of many operations, made of single calls.

mod data;

use std::time::Duration;

use miqm_sys::clock::{BootInstant, sleep};
use miqm_sys::lock::Range;
use miqm_sys::probe::{Family, How, Kind};

use crate::call::{BYTES_MAX, Burst, Bytes, CONFLICT, Call, Reply, SLOTS, Turns, Value, Want};

use super::{INVALID, UNKNOWN};

/// `ENOENT`.
const MISSING: i32 = 2;
/// `EEXIST`.
const EXISTS: i32 = 17;
/// `ETIMEDOUT`: what one waits for oneself did not come.
const TIMED_OUT: i32 = 110;
/// The bytes that hold the number.
const NUMBER: Range = Range { start: 0, len: 8 };
/// The slot of files that a burst opens for itself: one more than callers have.
pub(super) const SCRATCH: u8 = SLOTS;

/// Whoever makes single calls.
pub trait Makes {
    /// Makes one.
    fn make(&mut self, call: &Call) -> Reply;

    /// Makes one whose time does not matter.
    ///
    /// # Errors
    ///
    /// The error number of the call.
    fn get(&mut self, call: &Call) -> Result<Value, i32> {
        self.make(call).result
    }
}

/// Makes a burst.
///
/// # Errors
///
/// The error number of a call without which it cannot go on.
pub fn burst(body: &mut dyn Makes, burst: &Burst) -> Result<Value, i32> {
    match burst {
        Burst::Repeat { call, times, every_ms } => Ok(repeat(body, call, *times, *every_ms)),
        Burst::Until { call, want, every_ms, limit_ms } => {
            Ok(until(body, call, want, millis(*every_ms), millis(*limit_ms)))
        }
        Burst::All { calls } => {
            Ok(Value::Replies(calls.iter().map(|call| body.make(call)).collect()))
        }
        Burst::Chain { calls } => {
            let mut last = Value::Done;
            for call in calls {
                last = body.get(call)?;
            }
            Ok(last)
        }
        Burst::Each { steps } => Ok(each(body, steps)),
        Burst::Count { fd, family, guard, turns } => count(body, *fd, *family, guard, *turns),
        Burst::Exclusive { prefix, files } => exclusive(body, prefix, *files),
        Burst::Watch { name, texts, for_ms } => Ok(watch(body, name, texts, millis(*for_ms))),
        Burst::Pour { .. } | Burst::Compare { .. } | Burst::Records { .. } => {
            data::burst(body, burst)
        }
    }
}

fn repeat(body: &mut dyn Makes, call: &Call, times: u32, every_ms: u32) -> Value {
    let mut seconds = Vec::new();
    for _ in 0..times {
        let began = BootInstant::now();
        let reply = body.make(call);
        if let Err(errno) = reply.result {
            return Value::Samples { seconds, errno: Some(errno) };
        }
        seconds.push(reply.seconds);
        sleep(millis(every_ms).saturating_sub(began.elapsed()));
    }
    Value::Samples { seconds, errno: None }
}

/// A wait is measured to such a part of itself.
const PRECISION: u32 = 50;

fn until(
    body: &mut dyn Makes,
    call: &Call,
    want: &Want,
    every: Duration,
    limit: Duration,
) -> Value {
    let began = BootInstant::now();
    loop {
        let reply = body.make(call);
        let elapsed = began.elapsed();
        let (came, over) = (want.is_met_by(&reply), elapsed >= limit);
        if came || over {
            let seconds = elapsed.as_secs_f64();
            return Value::Waited { came, seconds, last: Box::new(reply) };
        }
        // What takes long is measured well enough, and the storage may have others to serve.
        sleep(every.max(elapsed / PRECISION).min(limit.saturating_sub(elapsed)));
    }
}

fn each(body: &mut dyn Makes, steps: &[(Call, Want)]) -> Value {
    let mut replies = Vec::with_capacity(steps.len());
    for (call, want) in steps {
        let reply = body.make(call);
        let as_wanted = want.is_met_by(&reply);
        replies.push(reply);
        if !as_wanted {
            break;
        }
    }
    Value::Replies(replies)
}

/// Takes a lock, asking again every millisecond; how long it took.
fn take(
    body: &mut dyn Makes,
    fd: u8,
    family: Family,
    range: Range,
    limit: Duration,
) -> Result<f64, i32> {
    let began = BootInstant::now();
    let call = Call::Lock { fd, family, kind: Kind::Write, range, wait: false };
    while let Err(errno) = body.get(&call) {
        if !CONFLICT.contains(&errno) {
            return Err(errno);
        }
        if began.elapsed() > limit {
            return Err(TIMED_OUT);
        }
        sleep(Duration::from_millis(1));
    }
    Ok(began.elapsed().as_secs_f64())
}

fn give_back(body: &mut dyn Makes, fd: u8, family: Family, range: Range) -> Result<(), i32> {
    let call = Call::Lock { fd, family, kind: Kind::Unlock, range, wait: false };
    body.get(&call).map(drop)
}

fn count(
    body: &mut dyn Makes,
    fd: u8,
    family: Family,
    guard: &str,
    turns: Turns,
) -> Result<Value, i32> {
    let (mut intruders, mut backwards, mut last) = (0, 0, 0);
    let (mut seconds, mut held) = (Vec::new(), Vec::new());
    let mut left = Left::new(turns);
    while left.one_more() {
        seconds.push(take(body, fd, family, NUMBER, millis(turns.limit_ms))?);
        let granted = BootInstant::now();
        let guarded = match make_new(body, guard) {
            Ok(()) => true,
            Err(EXISTS) => false,
            Err(errno) => return Err(errno),
        };
        intruders += u32::from(!guarded);
        let read = body.get(&Call::Read { fd, at: 0, bytes: 8 })?;
        let number = match read {
            Value::Bytes(bytes) => bytes.try_into().map_or(0, u64::from_le_bytes),
            _ => 0,
        };
        backwards += u32::from(number < last);
        last = number.saturating_add(1);
        let bytes = Bytes::Raw(last.to_le_bytes().to_vec());
        if body.get(&Call::Write { fd, at: 0, bytes })? != Value::Count(8) {
            return Err(UNKNOWN);
        }
        if guarded {
            match body.get(&Call::Unlink { name: guard.to_owned() }) {
                Ok(_) => {}
                // Somebody was inside who had no guard of its own to remove.
                Err(MISSING) => intruders += 1,
                Err(errno) => return Err(errno),
            }
        }
        held.push((granted.as_nanos(), BootInstant::now().as_nanos()));
        give_back(body, fd, family, NUMBER)?;
    }
    Ok(Value::Counted { rounds: left.begun, intruders, backwards, seconds, held })
}

/// The turns that may still begin.
struct Left {
    turns: Turns,
    since: BootInstant,
    begun: u32,
}

impl Left {
    fn new(turns: Turns) -> Self {
        Self { turns, since: BootInstant::now(), begun: 0 }
    }

    fn one_more(&mut self) -> bool {
        let time = self.begun < 2 || self.since.elapsed() < millis(self.turns.for_ms);
        let more = time && self.begun < self.turns.most;
        self.begun += u32::from(more);
        more
    }
}

/// Makes a file that must not be there, and closes it.
fn make_new(body: &mut dyn Makes, name: &str) -> Result<(), i32> {
    body.get(&Call::Open { fd: SCRATCH, name: name.to_owned(), how: How::NEW })?;
    body.get(&Call::Close { fd: SCRATCH }).map(drop)
}

fn exclusive(body: &mut dyn Makes, prefix: &str, files: u32) -> Result<Value, i32> {
    let mut won = Vec::new();
    for number in 0..files {
        match make_new(body, &format!("{prefix}{number}")) {
            Ok(()) => won.push(number),
            Err(EXISTS) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(Value::Won(won))
}

fn watch(body: &mut dyn Makes, name: &str, texts: &[Bytes], limit: Duration) -> Value {
    let texts: Vec<_> = texts.iter().map(Bytes::to_vec).collect();
    let longest = texts.iter().map(Vec::len).max().unwrap_or_default();
    let mut seen = vec![0; texts.len()];
    let (mut missing, mut other, mut failed) = (0, 0, None);
    let began = BootInstant::now();
    while began.elapsed() < limit {
        match whole(body, name, longest) {
            Ok(bytes) => match texts.iter().position(|text| *text == bytes) {
                Some(at) => seen[at] += 1,
                None => other += 1,
            },
            Err(MISSING) => missing += 1,
            Err(errno) => failed = Some(errno),
        }
    }
    Value::Watched { seen, missing, other, errno: failed }
}

/// All of a file, or the beginning of one that is longer than expected.
fn whole(body: &mut dyn Makes, name: &str, longest: usize) -> Result<Vec<u8>, i32> {
    let mut found = Vec::new();
    body.get(&Call::Open { fd: SCRATCH, name: name.to_owned(), how: How::RO })?;
    while found.len() <= longest {
        let wanted = u32::try_from(longest + 1 - found.len()).unwrap_or(BYTES_MAX).min(BYTES_MAX);
        let call = Call::Read { fd: SCRATCH, at: found.len() as u64, bytes: wanted };
        match body.get(&call)? {
            Value::Bytes(bytes) if !bytes.is_empty() => found.extend(bytes),
            _ => break,
        }
    }
    body.get(&Call::Close { fd: SCRATCH })?;
    Ok(found)
}

fn millis(ms: u32) -> Duration {
    Duration::from_millis(ms.into())
}
