//! The log control file, `amqhlctl.lfh`: two slots of 4 KiB, each complete by itself.
//!
//! ```text
//! offset  bytes  field             meaning
//!      0      8  magic             the ASCII letters "MIQMLCTL"
//!      8      4  version           1
//!     12      4  checksum          CRC-32C of the whole slot but this field
//!     16      8  seq               grows by one with each change; the higher slot counts
//!     24     16  qmgr              id of the queue manager
//!     40     16  instance          id of the instance that activated the epoch
//!     56      4  salt              seed of the checksums of the records
//!     60      4  extent_pages      size of an extent, in pages of 4 KiB
//!     64      2  primary           number of primary extents
//!     66      2  secondary         number of secondary extents
//!     68      1  log_type          0 circular, 1 linear
//!     69      1  management        linear: 0 manual, 1 automatic, 2 archive; else 0
//!     70      1  clean             1 if the epoch ended orderly and `durable` is its exact end
//!     71      1  end_state         how it ended, the instance's word; 0 if not clean
//!     72      8  epoch             the latest epoch
//!     80      8  fence             where the epochs before it ended
//!     88      8  first_extent      no extent of this epoch has a lower number
//!     96      8  checkpoint        position from which replay starts; 0 for none
//!    104      8  oldest_extent     number of the oldest extent that recovery needs
//!    112      8  durable           the log was durable at least to here when this was written
//!    120      8  written           wall clock, microseconds since 1970 UTC; for people only
//!    128      2  body_bytes        length of the checkpoint's reference, at most 256
//!    130      1  name_bytes        length of the queue manager's name, at most 48
//!    131      1  reserved          0
//!    132     48  name              name of the queue manager, filled up with 0
//!    180    256  body              the checkpoint's reference, the engine's; filled up with 0
//!    436   3660  unused            0
//! ```
//! All integers are little-endian. A change writes one slot, makes it durable, then the other: at
//! any moment one of them is whole, and rot in one loses nothing.

use miqm_types::{
    Epoch, ExtentNo, InstanceId, LogGeometry, LogManagement, LogType, Lsn, PAGE_BYTES, QmgrId,
    QmgrName, UtcTime,
};
use zerocopy::little_endian::{I64, U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::page::{self, BadPage};

/// The name of the log control file. On disk.
pub const FILE_NAME: &str = "amqhlctl.lfh";
/// The size of a slot, in bytes. On disk.
pub const SLOT_BYTES: usize = PAGE_BYTES as usize;
/// The number of slots. On disk.
pub const SLOTS: usize = 2;
/// The version of the control format. On disk.
pub const VERSION: u32 = 1;
/// The first bytes of a slot. On disk.
pub const MAGIC: [u8; 8] = *b"MIQMLCTL";
/// The longest reference of a checkpoint, in bytes. On disk.
pub const BODY_BYTES_MAX: usize = 256;

#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct RawControl {
    magic: [u8; 8],
    version: U32,
    checksum: U32,
    seq: U64,
    qmgr: [u8; 16],
    instance: [u8; 16],
    salt: U32,
    extent_pages: U32,
    primary: U16,
    secondary: U16,
    log_type: u8,
    management: u8,
    clean: u8,
    end_state: u8,
    epoch: U64,
    fence: U64,
    first_extent: U64,
    checkpoint: U64,
    oldest_extent: U64,
    durable: U64,
    written: I64,
    body_bytes: U16,
    name_bytes: u8,
    reserved: u8,
    name: [u8; 48],
    body: [u8; BODY_BYTES_MAX],
    unused: [u8; 3660],
}

const _: () = assert!(size_of::<RawControl>() == SLOT_BYTES);

/// What the log control file says: what the log is, and where recovery starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Control {
    /// Grows by one with each change.
    pub seq: u64,
    /// The queue manager's id.
    pub qmgr: QmgrId,
    /// The queue manager's name.
    pub name: QmgrName,
    /// The instance that activated [`Control::epoch`].
    pub instance: InstanceId,
    /// The seed of the checksums of the records.
    pub salt: u32,
    /// The size of the log.
    pub geometry: LogGeometry,
    /// What happens to extents that recovery no longer needs.
    pub log_type: LogType,
    /// The latest epoch.
    pub epoch: Epoch,
    /// Where the epochs before it ended: what they wrote past it is not part of the log.
    pub fence: Lsn,
    /// No extent of [`Control::epoch`] has a lower number.
    pub first_extent: ExtentNo,
    /// The position from which replay starts; `None` before the first checkpoint.
    pub checkpoint: Option<Lsn>,
    /// The checkpoint's reference, the engine's own; at most [`BODY_BYTES_MAX`] bytes.
    pub body: Vec<u8>,
    /// The oldest extent that recovery needs.
    pub oldest_extent: ExtentNo,
    /// The log was durable at least up to here when this was written.
    pub durable: Lsn,
    /// How the epoch ended, if it ended orderly; then `durable` is its exact end.
    pub ended: Option<u8>,
    /// When this was written, by the wall clock.
    pub written: UtcTime,
}

impl Control {
    /// The slot's bytes.
    ///
    /// # Panics
    ///
    /// If the checkpoint's reference is longer than [`BODY_BYTES_MAX`].
    pub fn encode(&self) -> [u8; SLOT_BYTES] {
        let (log_type, management) = match self.log_type {
            LogType::Circular => (0, 0),
            LogType::Linear(LogManagement::Manual) => (1, 0),
            LogType::Linear(LogManagement::Automatic) => (1, 1),
            LogType::Linear(LogManagement::Archive) => (1, 2),
        };
        let mut name = [0; 48];
        let text = self.name.as_str().as_bytes();
        name[..text.len()].copy_from_slice(text);
        let mut body = [0; BODY_BYTES_MAX];
        body[..self.body.len()].copy_from_slice(&self.body);
        let mut raw = RawControl {
            magic: MAGIC,
            version: U32::new(VERSION),
            checksum: U32::ZERO,
            seq: U64::new(self.seq),
            qmgr: self.qmgr.0,
            instance: self.instance.0,
            salt: U32::new(self.salt),
            extent_pages: U32::new(self.geometry.extent_pages()),
            primary: U16::new(self.geometry.primary()),
            secondary: U16::new(self.geometry.secondary()),
            log_type,
            management,
            clean: u8::from(self.ended.is_some()),
            end_state: self.ended.unwrap_or(0),
            epoch: U64::new(self.epoch.0),
            fence: U64::new(self.fence.0),
            first_extent: U64::new(self.first_extent.0),
            checkpoint: U64::new(self.checkpoint.map_or(0, |lsn| lsn.0)),
            oldest_extent: U64::new(self.oldest_extent.0),
            durable: U64::new(self.durable.0),
            written: I64::new(self.written.0),
            body_bytes: U16::new(u16::try_from(self.body.len()).expect("at most 256")),
            name_bytes: u8::try_from(text.len()).expect("at most 48"),
            reserved: 0,
            name,
            body,
            unused: [0; 3660],
        };
        raw.checksum = U32::new(page::checksum(raw.as_bytes()));
        zerocopy::transmute!(raw)
    }

    /// Reads a slot.
    ///
    /// # Errors
    ///
    /// [`BadPage`] with the first thing found wrong.
    pub fn decode(bytes: &[u8]) -> Result<Self, BadPage> {
        let (raw, _) = RawControl::ref_from_prefix(bytes).map_err(|_| BadPage::Short)?;
        page::verify(raw.as_bytes(), MAGIC, VERSION)?;
        raw.values().ok_or(BadPage::Content)
    }
}

impl RawControl {
    /// The values, or `None` if one of them is impossible.
    fn values(&self) -> Option<Control> {
        let log_type = match (self.log_type, self.management) {
            (0, 0) => LogType::Circular,
            (1, 0) => LogType::Linear(LogManagement::Manual),
            (1, 1) => LogType::Linear(LogManagement::Automatic),
            (1, 2) => LogType::Linear(LogManagement::Archive),
            _ => return None,
        };
        let ended = match (self.clean, self.end_state) {
            (0, 0) => None,
            (1, state) => Some(state),
            _ => return None,
        };
        let (name, name_rest) = self.name.split_at_checked(usize::from(self.name_bytes))?;
        let (body, body_rest) = self.body.split_at_checked(usize::from(self.body_bytes.get()))?;
        let rest = [name_rest, body_rest, &self.unused];
        if self.reserved != 0 || rest.iter().any(|part| part.iter().any(|byte| *byte != 0)) {
            return None;
        }
        Some(Control {
            seq: self.seq.get(),
            qmgr: QmgrId(self.qmgr),
            name: std::str::from_utf8(name).ok()?.parse().ok()?,
            instance: InstanceId(self.instance),
            salt: self.salt.get(),
            geometry: LogGeometry::new(
                self.extent_pages.get(),
                self.primary.get(),
                self.secondary.get(),
            )
            .ok()?,
            log_type,
            epoch: Epoch(self.epoch.get()),
            fence: Lsn(self.fence.get()),
            first_extent: extent_no(self.first_extent)?,
            checkpoint: (self.checkpoint.get() != 0).then(|| Lsn(self.checkpoint.get())),
            body: body.to_vec(),
            oldest_extent: extent_no(self.oldest_extent)?,
            durable: Lsn(self.durable.get()),
            ended,
            written: UtcTime(self.written.get()),
        })
    }
}

fn extent_no(number: U64) -> Option<ExtentNo> {
    let number = ExtentNo(number.get());
    (number <= ExtentNo::MAX).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doc_table;

    fn sample() -> Control {
        Control {
            seq: 42,
            qmgr: QmgrId([0x11; 16]),
            name: "QM.1".parse().unwrap(),
            instance: InstanceId([0x22; 16]),
            salt: 0x5eed_cafe,
            geometry: LogGeometry::DEFAULT,
            log_type: LogType::Linear(LogManagement::Archive),
            epoch: Epoch(3),
            fence: Lsn(0x0500_1000),
            first_extent: ExtentNo(6),
            checkpoint: Some(Lsn(0x0600_1000)),
            body: b"catalogue 3".to_vec(),
            oldest_extent: ExtentNo(5),
            durable: Lsn(0x0600_3000),
            ended: Some(2),
            written: UtcTime(1_700_000_000_000_000),
        }
    }

    #[test]
    fn the_table_is_the_struct() {
        let fields = doc_table::fields!(RawControl {
            magic,
            version,
            checksum,
            seq,
            qmgr,
            instance,
            salt,
            extent_pages,
            primary,
            secondary,
            log_type,
            management,
            clean,
            end_state,
            epoch,
            fence,
            first_extent,
            checkpoint,
            oldest_extent,
            durable,
            written,
            body_bytes,
            name_bytes,
            reserved,
            name,
            body,
            unused
        });
        assert_eq!(doc_table::parse(include_str!("control.rs")), fields);
    }

    #[test]
    fn golden_bytes() {
        let hex = doc_table::hex(&sample().encode()[..200]);
        assert_eq!(
            hex,
            concat!(
                "4d49514d4c43544c010000008e0a604b2a000000000000001111111111111111",
                "111111111111111122222222222222222222222222222222fecaed5e00100000",
                "0300020001020102030000000000000000100005000000000600000000000000",
                "00100006000000000500000000000000003000060000000000401e18240a0600",
                "0b000400514d2e31000000000000000000000000000000000000000000000000",
                "0000000000000000000000000000000000000000636174616c6f677565203300",
                "0000000000000000",
            )
        );
    }

    #[test]
    fn a_slot_reads_as_it_was_written() {
        assert_eq!(Control::decode(&sample().encode()), Ok(sample()));
        let other = Control {
            log_type: LogType::Circular,
            checkpoint: None,
            body: vec![7; BODY_BYTES_MAX],
            ended: None,
            name: "Q".repeat(48).parse().unwrap(),
            ..sample()
        };
        assert_eq!(Control::decode(&other.encode()), Ok(other));
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_refused() {
        crate::page::tests::every_flip_and_cut(&sample().encode(), |bytes| {
            Control::decode(bytes).is_err()
        });
    }

    #[test]
    fn impossible_values_are_refused_even_with_a_good_checksum() {
        let with = |at: usize, value: u8| {
            let mut bytes = sample().encode();
            bytes[at] = value;
            let checksum = page::checksum(&bytes);
            bytes[12..16].copy_from_slice(&checksum.to_le_bytes());
            Control::decode(&bytes)
        };
        for (at, value) in [(68, 2), (69, 3), (70, 2), (62, 1), (64, 0), (129, 2), (130, 49)] {
            assert_eq!(with(at, value), Err(BadPage::Content), "byte {at}");
        }
        for (at, value) in [(131, 1), (132, b'-'), (136, b'a'), (191, 1), (4095, 1), (95, 1)] {
            assert_eq!(with(at, value), Err(BadPage::Content), "byte {at}");
        }
        assert_eq!(with(8, 2), Err(BadPage::Newer(2)));
        assert_eq!(with(8, 0), Err(BadPage::Content));
    }
}
