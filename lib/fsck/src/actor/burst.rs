//! Work of many operations.

use std::time::Duration;

use miqm_sys::clock::{BootInstant, sleep};
use miqm_sys::lock::Range;
use miqm_sys::probe::{self, Family, How, Kind};

use super::{Body, UNKNOWN};
use crate::call::{Burst, Bytes, Call, Reply, Value, Want};

/// `EAGAIN`, `EACCES`: somebody else holds the lock.
const CONFLICT: [i32; 2] = [11, 13];
/// `ENOENT`.
const MISSING: i32 = 2;
/// `EEXIST`.
const EXISTS: i32 = 17;
/// `ETIMEDOUT`: what one waits for oneself did not come.
const TIMED_OUT: i32 = 110;
/// The bytes that hold the number.
const NUMBER: Range = Range { start: 0, len: 8 };

impl Body {
    pub(super) fn burst(&mut self, burst: &Burst) -> Result<Value, i32> {
        match burst {
            Burst::Repeat { call, times, every_ms } => Ok(self.repeat(call, *times, *every_ms)),
            Burst::Until { call, want, every_ms, limit_ms } => {
                Ok(self.until(call, want, millis(*every_ms), millis(*limit_ms)))
            }
            Burst::All { calls } => {
                Ok(Value::Replies(calls.iter().map(|call| self.make(call)).collect()))
            }
            Burst::Count { fd, family, guard, rounds, limit_ms } => {
                self.count(*fd, *family, guard, *rounds, millis(*limit_ms))
            }
            Burst::Exclusive { prefix, files } => self.exclusive(prefix, *files),
            Burst::Watch { name, texts, for_ms } => Ok(self.watch(name, texts, millis(*for_ms))),
        }
    }

    fn repeat(&mut self, call: &Call, times: u32, every_ms: u32) -> Value {
        let mut seconds = Vec::new();
        for _ in 0..times {
            let began = BootInstant::now();
            let reply = self.make(call);
            if let Err(errno) = reply.result {
                return Value::Samples { seconds, errno: Some(errno) };
            }
            seconds.push(reply.seconds);
            sleep(millis(every_ms).saturating_sub(began.elapsed()));
        }
        Value::Samples { seconds, errno: None }
    }

    fn until(&mut self, call: &Call, want: &Want, every: Duration, limit: Duration) -> Value {
        let began = BootInstant::now();
        loop {
            let reply = self.make(call);
            let (came, over) = (is(&reply, want), began.elapsed() >= limit);
            if came || over {
                let seconds = began.elapsed().as_secs_f64();
                return Value::Waited { came, seconds, last: Box::new(reply) };
            }
            sleep(every);
        }
    }

    fn count(
        &mut self,
        fd: u8,
        family: Family,
        guard: &str,
        rounds: u32,
        limit: Duration,
    ) -> Result<Value, i32> {
        let (mut intruders, mut backwards, mut last) = (0, 0, 0);
        let mut seconds = Vec::new();
        for _ in 0..rounds {
            let began = BootInstant::now();
            while let Err(errno) = probe::lock(self.fd(fd)?, family, Kind::Write, NUMBER, false) {
                if !CONFLICT.contains(&errno) {
                    return Err(errno);
                }
                if began.elapsed() > limit {
                    return Err(TIMED_OUT);
                }
                sleep(Duration::from_millis(1));
            }
            seconds.push(began.elapsed().as_secs_f64());
            let guarded = match self.dir()?.open_file(guard, How::NEW) {
                Ok(_) => true,
                Err(EXISTS) => false,
                Err(errno) => return Err(errno),
            };
            intruders += u32::from(!guarded);
            let mut number = [0; 8];
            let read = probe::read_at(self.fd(fd)?, &mut number, 0)?;
            let number = if read < 8 { 0 } else { u64::from_le_bytes(number) };
            backwards += u32::from(number < last);
            last = number.saturating_add(1);
            if probe::write_at(self.fd(fd)?, &last.to_le_bytes(), 0)? != 8 {
                return Err(UNKNOWN);
            }
            if guarded {
                match self.dir()?.unlink(guard) {
                    Ok(()) => {}
                    // Somebody was inside who had no guard of its own to remove.
                    Err(MISSING) => intruders += 1,
                    Err(errno) => return Err(errno),
                }
            }
            probe::lock(self.fd(fd)?, family, Kind::Unlock, NUMBER, false)?;
        }
        Ok(Value::Counted { rounds, intruders, backwards, seconds })
    }

    fn exclusive(&mut self, prefix: &str, files: u32) -> Result<Value, i32> {
        let mut won = Vec::new();
        for number in 0..files {
            match self.dir()?.open_file(&format!("{prefix}{number}"), How::NEW) {
                Ok(_) => won.push(number),
                Err(EXISTS) => {}
                Err(errno) => return Err(errno),
            }
        }
        Ok(Value::Won(won))
    }

    fn watch(&mut self, name: &str, texts: &[Bytes], limit: Duration) -> Value {
        let texts: Vec<_> = texts.iter().map(Bytes::to_vec).collect();
        let longest = texts.iter().map(Vec::len).max().unwrap_or_default();
        let mut seen = vec![0; texts.len()];
        let (mut missing, mut other, mut failed) = (0, 0, None);
        let began = BootInstant::now();
        while began.elapsed() < limit {
            match self.whole(name, longest) {
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
    fn whole(&mut self, name: &str, longest: usize) -> Result<Vec<u8>, i32> {
        let file = self.dir()?.open_file(name, How::RO)?;
        let fd = std::os::fd::AsFd::as_fd(&file);
        let mut bytes = vec![0; longest + 1];
        let mut done = 0;
        while done < bytes.len() {
            match probe::read_at(fd, &mut bytes[done..], done as u64)? {
                0 => break,
                n => done += n,
            }
        }
        bytes.truncate(done);
        Ok(bytes)
    }
}

fn is(reply: &Reply, want: &Want) -> bool {
    match (&reply.result, want) {
        (Ok(_), Want::Done) | (Ok(Value::Lock(None)), Want::Free) => true,
        (Err(errno), Want::Errno(wanted)) => errno == wanted,
        (Ok(Value::Bytes(bytes)), Want::Bytes(wanted)) => *bytes == wanted.to_vec(),
        (Ok(Value::Attributes(found)), Want::Length(bytes)) => found.bytes == *bytes,
        (Ok(Value::Names(names)), Want::Name(name)) => names.contains(name),
        (Ok(Value::Names(names)), Want::NoName(name)) => !names.contains(name),
        // Several calls: the last decides, so that a file can be opened anew each time.
        (Ok(Value::Replies(replies)), want) => replies.last().is_some_and(|last| is(last, want)),
        _ => false,
    }
}

fn millis(ms: u32) -> Duration {
    Duration::from_millis(ms.into())
}
