//! The record that the holder of a lock leaves in the lock file: who it is and what it does.
//!
//! ```text
//! offset  bytes  field          meaning
//!      0      4  magic          the ASCII letters "MQLK"
//!      4      2  version        1
//!      6      1  state          see [`State`]
//!      7      1  flags          1: permits a standby; 2: multi-instance; 4: successor wanted; other bits 0
//!      8      4  checksum       CRC-32C of bytes 0..8 and 12..512
//!     12      4  pid            process id on the holder's host
//!     16      8  pid_started    when that process started, in clock ticks since boot
//!     24      8  epoch          the holder's epoch; a standby writes the epoch it saw
//!     32      8  since          when the holder got the lock, in microseconds UTC
//!     40      8  beats          grows by one at each proof of hold
//!     48      8  beat_time      when that was, in microseconds UTC
//!     56      8  durable_lsn    up to where the log is known to be durable
//!     64     16  qmgr_id        the queue manager
//!     80     16  instance_id    the instance
//!     96     16  boot_id        the boot of the holder's host
//!    112     64  host           the host name, padded with zero bytes
//!    176    336  reserved       zero bytes; covered by the checksum, not looked at
//! ```
//! All integers are little-endian.
//!
//! The lock decides, the record explains: it is for people and `dspmq`, and who reads it
//! without the lock may see half of two writes. The checksum tells that: read again.

use miqm_types::{BootId, Epoch, HostName, InstanceId, Lsn, QmgrId, UtcTime};
use zerocopy::little_endian::{I64, U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// The size of a record, in bytes, and the distance of the slots in `standby`. On disk.
pub const LOCK_RECORD_BYTES: usize = 512;

const MAGIC: [u8; 4] = *b"MQLK";
const VERSION: u16 = 1;
const PERMITS_STANDBY: u8 = 1;
const MULTI_INSTANCE: u8 = 2;
const SUCCESSOR_WANTED: u8 = 4;
/// Where `checksum` stands; what is before and after it is covered by it.
const CHECKSUM: std::ops::Range<usize> = 8..12;

#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct RawLockRecord {
    magic: [u8; 4],
    version: U16,
    state: u8,
    flags: u8,
    checksum: U32,
    pid: U32,
    pid_started: U64,
    epoch: U64,
    since: I64,
    beats: U64,
    beat_time: I64,
    durable_lsn: U64,
    qmgr_id: [u8; 16],
    instance_id: [u8; 16],
    boot_id: [u8; 16],
    host: [u8; HostName::LEN_MAX],
    reserved: [u8; 336],
}
const _: () = assert!(size_of::<RawLockRecord>() == LOCK_RECORD_BYTES);

macro_rules! states {
    ($($(#[$doc:meta])* $name:ident = $number:literal;)+) => {
        /// What the holder of a lock does, or how it ended. The numbers are on disk and never reused.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum State { $($(#[$doc])* $name = $number,)+ }

        impl State {
            /// Every state.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            fn from_number(number: u8) -> Option<Self> {
                match number { $($number => Some(Self::$name),)+ _ => None }
            }
        }
    };
}

states! {
    /// It has the locks and recovers; it does not serve yet.
    Starting = 1;
    /// It serves.
    Active = 2;
    /// It ends once its applications have disconnected.
    Quiescing = 3;
    /// It ends once the calls in progress are done.
    EndingImmediately = 4;
    /// It ends without waiting for anything.
    EndingPreemptively = 5;
    /// It waits to take over.
    Standby = 6;
    /// It ended as after [`State::Quiescing`].
    EndedNormally = 7;
    /// It ended as after [`State::EndingImmediately`].
    EndedImmediately = 8;
    /// It ended as after [`State::EndingPreemptively`].
    EndedPreemptively = 9;
}

impl State {
    /// Whether this is an orderly end. Any other state in a record whose lock nobody holds means
    /// that the holder ended unexpectedly.
    pub const fn is_end(self) -> bool {
        matches!(self, Self::EndedNormally | Self::EndedImmediately | Self::EndedPreemptively)
    }
}

/// A lock record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockRecord {
    /// What the holder does, or how it ended.
    pub state: State,
    /// Whether an active instance lets another one stand by.
    pub permits_standby: bool,
    /// Whether the instance was started as one of several.
    pub multi_instance: bool,
    /// With an orderly end: whether a standby is to take over.
    pub successor_wanted: bool,
    /// The host of the holder.
    pub host: HostName,
    /// The process id of the holder on its host.
    pub pid: u32,
    /// When that process started, in clock ticks since boot (field 22 of `/proc/PID/stat`): with
    /// it a process id that was given again is told from the holder's.
    pub pid_started: u64,
    /// The boot of the host of the holder.
    pub boot_id: BootId,
    /// The instance.
    pub instance_id: InstanceId,
    /// The queue manager.
    pub qmgr_id: QmgrId,
    /// The holder's epoch; a standby writes the epoch it saw.
    pub epoch: Epoch,
    /// When the holder got the lock.
    pub since: UtcTime,
    /// Grows by one at each proof of hold.
    pub beats: u64,
    /// When the last proof of hold was begun.
    pub beat_time: UtcTime,
    /// Up to where the log was known to be durable then.
    pub durable_lsn: Lsn,
}

/// What is found where a lock record can be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LockSlot {
    /// Nothing was ever written there: no bytes, or only zero bytes.
    Absent,
    /// A record.
    Present(LockRecord),
    /// Something that is not a whole record: perhaps one that is being written, so read again.
    Unreadable(BadLockRecord),
}

/// Why bytes are not a lock record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadLockRecord {
    /// There are fewer than [`LOCK_RECORD_BYTES`].
    #[error("the lock record has {len_bytes} bytes instead of {LOCK_RECORD_BYTES}")]
    Short {
        /// How many there are.
        len_bytes: usize,
    },
    /// They do not start with the magic letters.
    #[error("the lock record does not start with the letters MQLK")]
    Magic,
    /// The checksum is another one.
    #[error("the checksum of the lock record is wrong")]
    Checksum,
    /// They have another layout: a newer program wrote them.
    #[error("the lock record has version {0}; this program knows version {VERSION}")]
    Version(u16),
    /// A newer program wrote a state that this one does not know.
    #[error("the lock record has the unknown state {0}")]
    State(u8),
    /// The host name is not one.
    #[error("the host name in the lock record is not valid")]
    Host,
}

impl LockRecord {
    /// The bytes for the file.
    pub fn encode(&self) -> [u8; LOCK_RECORD_BYTES] {
        let mut host = [0; HostName::LEN_MAX];
        host.iter_mut().zip(self.host.as_str().bytes()).for_each(|(to, from)| *to = from);
        let flag = |set, bit| if set { bit } else { 0 };
        let mut raw = RawLockRecord {
            magic: MAGIC,
            version: VERSION.into(),
            state: self.state as u8,
            flags: flag(self.permits_standby, PERMITS_STANDBY)
                | flag(self.multi_instance, MULTI_INSTANCE)
                | flag(self.successor_wanted, SUCCESSOR_WANTED),
            checksum: 0.into(),
            pid: self.pid.into(),
            pid_started: self.pid_started.into(),
            epoch: self.epoch.0.into(),
            since: self.since.0.into(),
            beats: self.beats.into(),
            beat_time: self.beat_time.0.into(),
            durable_lsn: self.durable_lsn.0.into(),
            qmgr_id: self.qmgr_id.0,
            instance_id: self.instance_id.0,
            boot_id: self.boot_id.0,
            host,
            reserved: [0; 336],
        };
        raw.checksum = checksum(raw.as_bytes()).into();
        let mut bytes = [0; LOCK_RECORD_BYTES];
        bytes.copy_from_slice(raw.as_bytes());
        bytes
    }
}

impl LockSlot {
    /// Reads the first [`LOCK_RECORD_BYTES`] bytes, or fewer if the file ends there.
    pub fn decode(bytes: &[u8]) -> Self {
        let bytes = &bytes[..bytes.len().min(LOCK_RECORD_BYTES)];
        if bytes.iter().all(|byte| *byte == 0) {
            return Self::Absent;
        }
        match decode(bytes) {
            Ok(record) => Self::Present(record),
            Err(bad) => Self::Unreadable(bad),
        }
    }

    /// The record, if there is one.
    pub fn present(self) -> Option<LockRecord> {
        match self {
            Self::Present(record) => Some(record),
            Self::Absent | Self::Unreadable(_) => None,
        }
    }
}

fn decode(bytes: &[u8]) -> Result<LockRecord, BadLockRecord> {
    let short = |_| BadLockRecord::Short { len_bytes: bytes.len() };
    let raw = RawLockRecord::read_from_bytes(bytes).map_err(short)?;
    if raw.magic != MAGIC {
        return Err(BadLockRecord::Magic);
    }
    if raw.checksum.get() != checksum(bytes) {
        return Err(BadLockRecord::Checksum);
    }
    if raw.version.get() != VERSION {
        return Err(BadLockRecord::Version(raw.version.get()));
    }
    let host = raw.host.split(|byte| *byte == 0).next().unwrap_or_default();
    let padding = raw.host.get(host.len()..).unwrap_or_default();
    if padding.iter().any(|byte| *byte != 0) {
        return Err(BadLockRecord::Host);
    }
    let host = std::str::from_utf8(host).map_err(|_| BadLockRecord::Host)?;
    Ok(LockRecord {
        state: State::from_number(raw.state).ok_or(BadLockRecord::State(raw.state))?,
        permits_standby: raw.flags & PERMITS_STANDBY != 0,
        multi_instance: raw.flags & MULTI_INSTANCE != 0,
        successor_wanted: raw.flags & SUCCESSOR_WANTED != 0,
        host: host.parse().map_err(|_| BadLockRecord::Host)?,
        pid: raw.pid.get(),
        pid_started: raw.pid_started.get(),
        boot_id: BootId(raw.boot_id),
        instance_id: InstanceId(raw.instance_id),
        qmgr_id: QmgrId(raw.qmgr_id),
        epoch: Epoch(raw.epoch.get()),
        since: UtcTime(raw.since.get()),
        beats: raw.beats.get(),
        beat_time: UtcTime(raw.beat_time.get()),
        durable_lsn: Lsn(raw.durable_lsn.get()),
    })
}

/// Of a whole record, but for the place of the checksum itself.
fn checksum(bytes: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&bytes[..CHECKSUM.start]), &bytes[CHECKSUM.end..])
}

#[cfg(test)]
mod tests {
    use std::mem::offset_of;

    use proptest::prelude::*;

    use super::*;
    use crate::doc_table::{self, hex};

    fn record() -> LockRecord {
        LockRecord {
            state: State::Active,
            permits_standby: true,
            multi_instance: true,
            successor_wanted: false,
            host: "host1.example".parse().expect("a host name"),
            pid: 4711,
            pid_started: 123_456,
            boot_id: BootId([0xb0; 16]),
            instance_id: InstanceId([0x1d; 16]),
            qmgr_id: QmgrId([0x9a; 16]),
            epoch: Epoch(7),
            since: UtcTime(1_790_000_000_000_000),
            beats: 99,
            beat_time: UtcTime(1_790_000_001_000_000),
            durable_lsn: Lsn(0x1234_5678),
        }
    }

    /// Gives bytes that were changed a checksum that is right again.
    fn seal(mut bytes: [u8; LOCK_RECORD_BYTES]) -> [u8; LOCK_RECORD_BYTES] {
        let sum = checksum(&bytes);
        bytes[CHECKSUM].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    #[test]
    fn the_table_is_the_struct() {
        let fields = doc_table::fields!(RawLockRecord {
            magic,
            version,
            state,
            flags,
            checksum,
            pid,
            pid_started,
            epoch,
            since,
            beats,
            beat_time,
            durable_lsn,
            qmgr_id,
            instance_id,
            boot_id,
            host,
            reserved,
        });
        assert_eq!(doc_table::parse(include_str!("lockrec.rs")), fields);
        assert_eq!(CHECKSUM.start, offset_of!(RawLockRecord, checksum));
    }

    #[test]
    fn the_bytes_are_frozen() {
        let bytes = record().encode();
        assert_eq!(hex(&bytes[0..16]), "4d514c4b010002034d98ad5967120000");
        assert_eq!(
            hex(&bytes[16..64]),
            "40e2010000000000070000000000000000e025dafe5b0600\
             6300000000000000402235dafe5b06007856341200000000"
        );
        assert_eq!(hex(&bytes[64..112]), "9a".repeat(16) + &"1d".repeat(16) + &"b0".repeat(16));
        assert_eq!(&bytes[112..125], b"host1.example");
        assert!(bytes[125..].iter().all(|byte| *byte == 0));
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_refused() {
        let bytes = record().encode();
        assert_eq!(LockSlot::decode(&bytes), LockSlot::Present(record()));
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            let slot = LockSlot::decode(&flipped);
            assert!(matches!(slot, LockSlot::Unreadable(_)), "bit {bit}: {slot:?}");
        }
        for len_bytes in 1..bytes.len() {
            let bad = LockSlot::Unreadable(BadLockRecord::Short { len_bytes });
            assert_eq!(LockSlot::decode(&bytes[..len_bytes]), bad);
        }
    }

    #[test]
    fn a_half_of_each_of_two_records_is_refused() {
        let old = record().encode();
        let new = LockRecord { beats: 100, host: "host2".parse().expect("name"), ..record() };
        for cut in 13..120 {
            let torn = [&new.encode()[..cut], &old[cut..]].concat();
            assert_eq!(LockSlot::decode(&torn), LockSlot::Unreadable(BadLockRecord::Checksum));
        }
    }

    #[test]
    fn what_was_never_written_is_told_apart() {
        assert_eq!(LockSlot::decode(&[]), LockSlot::Absent);
        assert_eq!(LockSlot::decode(&[0; 17]), LockSlot::Absent);
        assert_eq!(LockSlot::decode(&[0; LOCK_RECORD_BYTES]), LockSlot::Absent);
        let next_slot = [[0; LOCK_RECORD_BYTES], record().encode()].concat();
        assert_eq!(LockSlot::decode(&next_slot), LockSlot::Absent);
    }

    #[test]
    fn what_is_whole_but_not_ours_is_named() {
        let changed = |at: usize, to: u8| {
            let mut bytes = record().encode();
            bytes[at] = to;
            LockSlot::decode(&seal(bytes))
        };
        assert_eq!(changed(0, b'X'), LockSlot::Unreadable(BadLockRecord::Magic));
        assert_eq!(changed(4, 2), LockSlot::Unreadable(BadLockRecord::Version(2)));
        assert_eq!(changed(6, 0), LockSlot::Unreadable(BadLockRecord::State(0)));
        assert_eq!(changed(6, 10), LockSlot::Unreadable(BadLockRecord::State(10)));
        for (at, to) in [(112, 0), (112, b' '), (113, 0), (112, 0xff), (175, b'x')] {
            assert_eq!(changed(at, to), LockSlot::Unreadable(BadLockRecord::Host), "{at}");
        }
        assert_eq!(changed(500, 1), LockSlot::Present(record()), "reserved");
    }

    #[test]
    fn the_longest_host_name_fits() {
        let host = "h".repeat(HostName::LEN_MAX).parse().expect("a host name");
        let record = LockRecord { host, ..record() };
        assert_eq!(LockSlot::decode(&record.encode()), LockSlot::Present(record));
    }

    proptest! {
        #[test]
        fn records_come_back(
            state in prop::sample::select(State::ALL),
            flags in any::<(bool, bool, bool)>(),
            host in "[!-'*-~]{1,64}",
            pid in any::<u32>(),
            numbers in any::<[u64; 4]>(),
            times in any::<[i64; 2]>(),
            ids in any::<[[u8; 16]; 3]>(),
        ) {
            let record = LockRecord {
                state,
                permits_standby: flags.0,
                multi_instance: flags.1,
                successor_wanted: flags.2,
                host: host.parse().expect("a host name"),
                pid,
                pid_started: numbers[0],
                boot_id: BootId(ids[0]),
                instance_id: InstanceId(ids[1]),
                qmgr_id: QmgrId(ids[2]),
                epoch: Epoch(numbers[1]),
                since: UtcTime(times[0]),
                beats: numbers[2],
                beat_time: UtcTime(times[1]),
                durable_lsn: Lsn(numbers[3]),
            };
            prop_assert_eq!(LockSlot::decode(&record.encode()), LockSlot::Present(record));
        }

        #[test]
        fn any_bytes_are_answered(mut bytes in prop::collection::vec(any::<u8>(), 512), good in any::<bool>()) {
            bytes[..6].copy_from_slice(b"MQLK\x01\0");
            let mut array = [0; LOCK_RECORD_BYTES];
            array.copy_from_slice(&bytes);
            let slot = LockSlot::decode(&if good { seal(array) } else { array });
            prop_assert!(slot != LockSlot::Absent);
        }
    }
}
