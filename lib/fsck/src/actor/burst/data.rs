//! Much data.

use std::time::Duration;

use miqm_sys::lock::Range;
use miqm_sys::probe::Family;

use super::{INVALID, Left, Makes, UNKNOWN, give_back, take};
use crate::call::{BYTES_MAX, Burst, Bytes, Call, Turns, Value, WRITE_MAX};
use crate::stamp::{self, Content, Difference};

pub(super) fn burst(body: &mut dyn Makes, burst: &Burst) -> Result<Value, i32> {
    match burst {
        Burst::Pour { fd, tag, at, bytes, chunk } => {
            step(*chunk, WRITE_MAX)?;
            Ok(pour(body, *fd, *tag, (*at, *bytes), *chunk))
        }
        Burst::Compare { fd, content, at, bytes, chunk } => {
            step(*chunk, BYTES_MAX)?;
            Ok(compare(body, *fd, *content, (*at, *bytes), *chunk))
        }
        Burst::Records { fd, family, tag, bytes, turns } => {
            step(*bytes, WRITE_MAX)?;
            records(body, (*fd, *family), *tag, *bytes, *turns)
        }
        _ => Err(INVALID),
    }
}

fn step(bytes: u32, most: u32) -> Result<(), i32> {
    if (1..=most).contains(&bytes) { Ok(()) } else { Err(INVALID) }
}

fn pour(body: &mut dyn Makes, fd: u8, tag: u32, (at, bytes): (u64, u64), chunk: u32) -> Value {
    let (mut done, mut short, mut over, mut errno) = (0, 0, None, None);
    let mut chunk = chunk;
    while done < bytes {
        let place = at.saturating_add(done);
        let len = u32::try_from(bytes - done).unwrap_or(chunk).min(chunk);
        let stamps = Bytes::Stamps { tag, at: place, len };
        match body.get(&Call::Write { fd, at: place, bytes: stamps }) {
            Ok(Value::Count(0)) => break,
            Ok(Value::Count(n)) if n <= u64::from(len) => {
                if n < u64::from(len) {
                    short += 1;
                    // So that not much is made again and again of which little is taken.
                    chunk = chunk.min(BYTES_MAX);
                }
                done += n;
            }
            Ok(Value::Count(n)) => {
                over = Some(n);
                break;
            }
            Ok(_) => break,
            Err(number) => {
                errno = Some(number);
                break;
            }
        }
    }
    Value::Poured { bytes: done, short, over, errno }
}

fn compare(
    body: &mut dyn Makes,
    fd: u8,
    content: Content,
    (at, bytes): (u64, u64),
    chunk: u32,
) -> Value {
    let (mut done, mut errno) = (0, None);
    let mut differs: Option<Difference> = None;
    while done < bytes {
        let place = at.saturating_add(done);
        let len = u32::try_from(bytes - done).unwrap_or(chunk).min(chunk);
        match body.get(&Call::Read { fd, at: place, bytes: len }) {
            Ok(Value::Bytes(found)) if !found.is_empty() => {
                if let Some(more) = stamp::compare(content, place, &found) {
                    match &mut differs {
                        Some(first) => first.bytes += more.bytes,
                        None => differs = Some(more),
                    }
                }
                done += found.len() as u64;
            }
            Ok(_) => break,
            Err(number) => {
                errno = Some(number);
                break;
            }
        }
    }
    Value::Compared { bytes: done, differs, errno }
}

fn records(
    body: &mut dyn Makes,
    (fd, family): (u8, Family),
    tag: u32,
    bytes: u32,
    turns: Turns,
) -> Result<Value, i32> {
    let (mut places, mut seconds) = (Vec::new(), Vec::new());
    let limit = Duration::from_millis(turns.limit_ms.into());
    let mut left = Left::new(turns);
    while left.one_more() {
        seconds.push(take(body, fd, family, Range::WHOLE, limit)?);
        let Value::Attributes(found) = body.get(&Call::StatFd { fd })? else { return Err(UNKNOWN) };
        let at = found.bytes;
        let Value::Poured { bytes: done, errno, .. } =
            pour(body, fd, tag, (at, bytes.into()), bytes)
        else {
            return Err(UNKNOWN);
        };
        if done != u64::from(bytes) {
            return Err(errno.unwrap_or(UNKNOWN));
        }
        places.push(at);
        give_back(body, fd, family, Range::WHOLE)?;
    }
    Ok(Value::Recorded { places, seconds })
}
