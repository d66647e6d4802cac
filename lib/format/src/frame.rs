//! Frames of the local control socket: a length, a kind, and a body of bytes.
//!
//! ```text
//! offset  bytes  field  meaning
//!      0      4  len    length of the body, little-endian, at most [`BODY_BYTES_MAX`]
//!      4      1  kind   what the body is; the protocol above says
//!      5    len  body
//! ```
//!
//! The decoder takes chunks as they come, holds at most one body, and takes memory for bytes
//! that have arrived, never for those announced.

/// The largest body, in bytes.
pub const BODY_BYTES_MAX: usize = 64 * 1024;
/// What stands before the body, in bytes.
pub const HEADER_BYTES: usize = 5;

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// What the body is.
    pub kind: u8,
    /// The body, at most [`BODY_BYTES_MAX`].
    pub body: Vec<u8>,
}

/// A body is longer than [`BODY_BYTES_MAX`], as the sender has it or as a received header says.
///
/// After this a connection cannot be read on: where the next frame starts is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a frame of {len_bytes} bytes is longer than {BODY_BYTES_MAX}")]
pub struct FrameTooLong {
    /// How long, in bytes.
    pub len_bytes: u64,
}

/// The bytes of a frame.
///
/// # Errors
///
/// [`FrameTooLong`] if the body is longer than [`BODY_BYTES_MAX`].
pub fn encode(kind: u8, body: &[u8]) -> Result<Vec<u8>, FrameTooLong> {
    let too_long = FrameTooLong { len_bytes: body.len() as u64 };
    if body.len() > BODY_BYTES_MAX {
        return Err(too_long);
    }
    let len = u32::try_from(body.len()).map_err(|_| too_long)?;
    let mut bytes = Vec::with_capacity(HEADER_BYTES + body.len());
    bytes.extend_from_slice(&len.to_le_bytes());
    bytes.push(kind);
    bytes.extend_from_slice(body);
    Ok(bytes)
}

/// Takes bytes as they arrive and gives frames.
///
/// ```
/// # use miqm_format::frame::{Decoder, encode};
/// let bytes = [encode(1, b"first").unwrap(), encode(2, b"").unwrap()].concat();
/// let mut decoder = Decoder::new();
/// let mut chunk = &bytes[..];
/// while let Some(frame) = decoder.feed(&mut chunk).unwrap() {
///     assert!(frame.kind == 1 || frame.body.is_empty());
/// }
/// assert!(chunk.is_empty() && decoder.is_between_frames());
/// ```
#[derive(Clone, Debug, Default)]
pub struct Decoder {
    header: [u8; HEADER_BYTES],
    header_len: usize,
    body: Vec<u8>,
    bad: Option<FrameTooLong>,
}

impl Decoder {
    /// A decoder at the start of a frame.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes bytes from the front of `input` up to the end of a frame, and returns the frame.
    /// `None` means that all bytes were taken and the frame is not complete.
    ///
    /// # Errors
    ///
    /// [`FrameTooLong`] if a header announces too long a body; then and on every later call.
    pub fn feed(&mut self, input: &mut &[u8]) -> Result<Option<Frame>, FrameTooLong> {
        if let Some(bad) = self.bad {
            return Err(bad);
        }
        if self.header_len < HEADER_BYTES {
            let wanted = take(input, HEADER_BYTES - self.header_len);
            let end = self.header_len + wanted.len();
            self.header[self.header_len..end].copy_from_slice(wanted);
            self.header_len = end;
            if end < HEADER_BYTES {
                return Ok(None);
            }
        }
        let [a, b, c, d, kind] = self.header;
        let len = u32::from_le_bytes([a, b, c, d]);
        let body_bytes = match usize::try_from(len) {
            Ok(bytes) if bytes <= BODY_BYTES_MAX => bytes,
            _ => {
                let bad = FrameTooLong { len_bytes: u64::from(len) };
                self.bad = Some(bad);
                return Err(bad);
            }
        };
        let wanted = take(input, body_bytes - self.body.len());
        self.body.extend_from_slice(wanted);
        if self.body.len() < body_bytes {
            return Ok(None);
        }
        self.header_len = 0;
        Ok(Some(Frame { kind, body: std::mem::take(&mut self.body) }))
    }

    /// Whether the connection may end here without cutting a frame short.
    pub fn is_between_frames(&self) -> bool {
        self.header_len == 0 && self.bad.is_none()
    }
}

fn take<'a>(input: &mut &'a [u8], len_max: usize) -> &'a [u8] {
    let (taken, rest) = input.split_at(len_max.min(input.len()));
    *input = rest;
    taken
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn drain(decoder: &mut Decoder, mut chunk: &[u8]) -> Result<Vec<Frame>, FrameTooLong> {
        let mut frames = Vec::new();
        while let Some(frame) = decoder.feed(&mut chunk)? {
            frames.push(frame);
        }
        assert!(chunk.is_empty());
        Ok(frames)
    }

    #[test]
    fn the_layout_is_frozen() {
        assert_eq!(encode(7, b"abc"), Ok(vec![3, 0, 0, 0, 7, b'a', b'b', b'c']));
        assert_eq!(encode(0, b""), Ok(vec![0; 5]));
    }

    #[test]
    fn the_length_is_checked_on_both_sides() {
        let longest = vec![9; BODY_BYTES_MAX];
        let bytes = encode(1, &longest).expect("it fits");
        let frames = drain(&mut Decoder::new(), &bytes).expect("it fits");
        assert_eq!(frames, [Frame { kind: 1, body: longest }]);

        let too_long = vec![9; BODY_BYTES_MAX + 1];
        let bad = FrameTooLong { len_bytes: BODY_BYTES_MAX as u64 + 1 };
        assert_eq!(encode(1, &too_long), Err(bad));
        let mut decoder = Decoder::new();
        assert_eq!(drain(&mut decoder, &[1, 0, 1, 0, 0]), Err(bad));
        assert_eq!(drain(&mut decoder, b"more"), Err(bad));
        assert!(!decoder.is_between_frames());
        let bad = FrameTooLong { len_bytes: u64::from(u32::MAX) };
        assert_eq!(drain(&mut Decoder::new(), &[0xff; 9]), Err(bad));
    }

    #[test]
    fn an_announced_length_takes_no_memory() {
        let mut decoder = Decoder::new();
        assert_eq!(drain(&mut decoder, &[0, 0, 1, 0, 0]), Ok(vec![]));
        assert_eq!(decoder.body.capacity(), 0);
    }

    proptest! {
        #[test]
        fn frames_arrive_whatever_the_chunks(
            frames in prop::collection::vec((any::<u8>(), prop::collection::vec(any::<u8>(), 0..40)), 0..6),
            cuts in prop::collection::vec(1..20_usize, 1..60),
        ) {
            let sent: Vec<Frame> =
                frames.into_iter().map(|(kind, body)| Frame { kind, body }).collect();
            let bytes: Vec<u8> =
                sent.iter().flat_map(|f| encode(f.kind, &f.body).expect("short")).collect();
            let mut decoder = Decoder::new();
            let mut received = Vec::new();
            let mut rest = &bytes[..];
            for cut in cuts.iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                received.extend(drain(&mut decoder, take(&mut rest, *cut)).expect("good"));
            }
            prop_assert_eq!(received, sent);
            prop_assert!(decoder.is_between_frames());
        }

        #[test]
        fn no_bytes_panic_or_hold_more_than_a_frame(
            chunks in prop::collection::vec(prop::collection::vec(0..3_u8, 0..300), 0..8),
        ) {
            let mut decoder = Decoder::new();
            for chunk in chunks {
                if drain(&mut decoder, &chunk).is_err() {
                    break;
                }
                prop_assert!(decoder.body.len() <= BODY_BYTES_MAX);
            }
        }
    }
}
