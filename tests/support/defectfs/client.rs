//! What a host keeps of what it saw in the store, and for how long it believes it.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::time::{Duration, Instant, SystemTime};

use super::behaviour::Behaviour;
use super::bytes::Bytes;
use super::disk::{Answer, Disk, Node};

/// After this the writer's host sends what was written, whatever happens.
const WRITE_BEHIND_MAX: Duration = Duration::from_secs(2);
const NEVER: Duration = Duration::MAX;

/// For how long a host believes what it knows, and what makes it look again.
#[derive(Clone, Copy, Debug)]
struct Belief {
    data: Duration,
    attributes: Duration,
    at_open: bool,
    at_lock: bool,
}

fn belief(behaviour: Behaviour) -> Option<Belief> {
    let all = |life, at_open, at_lock| Belief { data: life, attributes: life, at_open, at_lock };
    let minute = Duration::from_mins(1);
    let seconds = Duration::from_secs;
    Some(match behaviour {
        Behaviour::SameSecondUnseen => all(3 * minute, true, true),
        Behaviour::NfsCaching | Behaviour::WriteBehind | Behaviour::UnlockKeepsWrites => {
            Belief { attributes: seconds(3), ..all(seconds(30), true, true) }
        }
        Behaviour::WritesInvisible | Behaviour::WritesStay => all(NEVER, false, false),
        Behaviour::WritesMinutesLate => all(3 * minute, false, false),
        Behaviour::StaleUnderLock => all(minute, true, false),
        Behaviour::StaleAtOpen => all(minute, false, true),
        Behaviour::StaleSize | Behaviour::StaleSizeShown => {
            Belief { data: Duration::ZERO, ..all(2 * minute, false, false) }
        }
        _ => return None,
    })
}

/// What a host knows of a file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    pub(super) size: u64,
    pub(super) mtime: SystemTime,
    pub(super) ctime: SystemTime,
}

/// Writes that the store does not know yet, in their order, and since when.
type Pending = (Instant, Vec<(u64, Vec<u8>)>);

pub(super) struct Client {
    behaviour: Behaviour,
    belief: Option<Belief>,
    attributes: HashMap<u64, (Seen, Instant)>,
    data: HashMap<u64, (Bytes, Instant)>,
    names: HashMap<(u64, OsString), (Option<u64>, Instant)>,
    pending: HashMap<u64, Pending>,
    /// Sizes as this host last made or saw them.
    sizes: HashMap<u64, u64>,
}

impl Client {
    pub(super) fn new(behaviour: Behaviour) -> Self {
        Self {
            behaviour,
            belief: belief(behaviour),
            attributes: HashMap::new(),
            data: HashMap::new(),
            names: HashMap::new(),
            pending: HashMap::new(),
            sizes: HashMap::new(),
        }
    }

    /// Looks at the store again from now on.
    fn refresh(&mut self, disk: &mut Disk, file: u64) {
        if self.behaviour != Behaviour::WritesStay {
            self.send(disk, file);
        }
        if self.behaviour == Behaviour::SameSecondUnseen && self.looks_alike(disk, file) {
            return;
        }
        self.attributes.remove(&file);
        self.data.remove(&file);
    }

    /// Whether a file has the length, and the second of change, that this host knows.
    fn looks_alike(&self, disk: &Disk, file: u64) -> bool {
        let second = |time: SystemTime| {
            time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
        };
        let (Some((seen, _)), Ok(node)) = (self.attributes.get(&file), disk.node(file)) else {
            return false;
        };
        (seen.size, second(seen.mtime)) == (node.bytes.len(), second(node.mtime))
    }

    pub(super) fn opened(&mut self, disk: &mut Disk, file: u64) {
        if self.belief.is_some_and(|belief| belief.at_open) {
            self.refresh(disk, file);
        }
        if let Ok(node) = disk.node(file) {
            self.sizes.entry(file).or_insert_with(|| node.bytes.len());
        }
    }

    pub(super) fn locked(&mut self, disk: &mut Disk, file: u64) {
        if self.belief.is_some_and(|belief| belief.at_lock) {
            self.refresh(disk, file);
        }
    }

    /// Sends to the store what was written, because of a sync, a close or an unlock.
    pub(super) fn send(&mut self, disk: &mut Disk, file: u64) {
        if self.behaviour == Behaviour::WritesStay {
            return;
        }
        let Some((_, writes)) = self.pending.remove(&file) else { return };
        for (offset, data) in writes {
            // A file that is gone takes nothing.
            let _ = disk.write(file, offset, &data);
        }
        self.attributes.remove(&file);
    }

    pub(super) fn send_what_is_old(&mut self, disk: &mut Disk) {
        let old = |pending: &&Pending| pending.0.elapsed() > WRITE_BEHIND_MAX;
        let files: Vec<u64> = self.pending.keys().copied().collect();
        for file in files {
            if self.pending.get(&file).as_ref().is_some_and(old) {
                self.send(disk, file);
            }
        }
    }

    /// Size and times as this host shows them.
    pub(super) fn attributes(&mut self, file: u64, node: &Node) -> Seen {
        let now = Seen { size: node.bytes.len(), mtime: node.mtime, ctime: node.ctime };
        if self.pending.contains_key(&file)
            && let Some((bytes, _)) = self.data.get(&file)
        {
            return Seen { size: bytes.len(), ..now };
        }
        if self.behaviour == Behaviour::TruncationInvisible {
            let largest = self.sizes.entry(file).or_default();
            *largest = now.size.max(*largest);
            return Seen { size: *largest, ..now };
        }
        let Some(belief) = self.belief.filter(|_| node.kind == fuser::FileType::RegularFile) else {
            return now;
        };
        match self.attributes.get(&file) {
            Some((seen, at)) if at.elapsed() < belief.attributes => *seen,
            _ => {
                self.attributes.insert(file, (now, Instant::now()));
                now
            }
        }
    }

    pub(super) fn read(
        &mut self,
        disk: &Disk,
        file: u64,
        (offset, size): (u64, u64),
    ) -> Answer<Vec<u8>> {
        let node = disk.node(file)?;
        let hole = if self.behaviour == Behaviour::HoleNotZero { 0xaa } else { 0 };
        match self.behaviour {
            Behaviour::StaleSize => {
                let known = self.attributes(file, node).size;
                return Ok(node.bytes.read(offset, size.min(known.saturating_sub(offset)), hole));
            }
            Behaviour::TruncationInvisible => {
                let known = self.attributes(file, node).size;
                let mut bytes = node.bytes.read(offset, size, hole);
                let len = size.min(known.saturating_sub(offset));
                bytes.resize(usize::try_from(len).unwrap_or_default(), 0);
                return Ok(bytes);
            }
            Behaviour::StaleOwnRead => {
                let bytes = self.data.get(&file).map_or(&node.bytes, |(bytes, _)| bytes);
                return Ok(bytes.read(offset, size, hole));
            }
            _ => (),
        }
        let Some(belief) = self.belief.filter(|belief| belief.data > Duration::ZERO) else {
            return Ok(node.bytes.read(offset, size, hole));
        };
        let pending = self.pending.contains_key(&file);
        let fresh = |at: &Instant| pending || at.elapsed() < belief.data;
        if self.data.get(&file).is_none_or(|(_, at)| !fresh(at)) {
            self.data.insert(file, (node.bytes.clone(), Instant::now()));
        }
        Ok(self.data.get(&file).map_or_else(Vec::new, |(bytes, _)| bytes.read(offset, size, 0)))
    }

    /// Where an append goes.
    pub(super) fn end_of(&mut self, disk: &Disk, file: u64) -> Answer<u64> {
        let node = disk.node(file)?;
        Ok(match self.behaviour {
            Behaviour::StaleAppend => self.sizes.get(&file).copied().unwrap_or_default(),
            Behaviour::NfsCaching
            | Behaviour::WriteBehind
            | Behaviour::WritesStay
            | Behaviour::UnlockKeepsWrites => self.attributes(file, node).size,
            _ => node.bytes.len(),
        })
    }

    pub(super) fn write(
        &mut self,
        disk: &mut Disk,
        file: u64,
        (offset, data): (u64, &[u8]),
    ) -> Answer<()> {
        let end = offset + data.len() as u64;
        let size = self.sizes.entry(file).or_default();
        *size = end.max(*size);
        if let Some((seen, _)) = self.attributes.get_mut(&file) {
            seen.size = seen.size.max(end);
            (seen.mtime, seen.ctime) = (SystemTime::now(), SystemTime::now());
        }
        match self.behaviour {
            Behaviour::WriteBehind | Behaviour::WritesStay | Behaviour::UnlockKeepsWrites => {
                let before = disk.node(file)?.bytes.clone();
                let (bytes, _) = self.data.entry(file).or_insert((before, Instant::now()));
                bytes.write(offset, data);
                let writes = self.pending.entry(file).or_insert((Instant::now(), Vec::new()));
                writes.1.push((offset, data.to_vec()));
                return Ok(());
            }
            Behaviour::StaleOwnRead => {
                let before = disk.node(file)?.bytes.clone();
                self.data.insert(file, (before, Instant::now()));
            }
            _ => {
                if let Some((bytes, _)) = self.data.get_mut(&file) {
                    bytes.write(offset, data);
                }
            }
        }
        disk.write(file, offset, data)
    }

    pub(super) fn set_len(&mut self, disk: &mut Disk, file: u64, len: u64) -> Answer<()> {
        self.send(disk, file);
        self.sizes.insert(file, len);
        self.attributes.remove(&file);
        if let Some((bytes, _)) = self.data.get_mut(&file) {
            bytes.set_len(len, false);
        }
        disk.set_len(file, len)
    }

    pub(super) fn synced(&mut self, file: u64) {
        if self.behaviour == Behaviour::StaleOwnRead {
            self.data.remove(&file);
        }
    }

    /// What this host finds under a name.
    pub(super) fn look_up(&mut self, disk: &Disk, parent: u64, name: &OsStr) -> Answer<u64> {
        let found = disk.look_up(parent, name);
        let key = (parent, name.to_owned());
        let minutes = Duration::from_mins(2);
        let believed = |known: Option<u64>| match self.behaviour {
            Behaviour::NfsCaching | Behaviour::WriteBehind | Behaviour::UnlockKeepsWrites => {
                Duration::from_secs(if known.is_some() { 1 } else { 3 })
            }
            Behaviour::CreationsInvisible if known.is_none() => minutes,
            Behaviour::RenamesInvisible if known.is_some() && found.is_ok() => minutes,
            Behaviour::RemovalsInvisible if known.is_some() && found.is_err() => minutes,
            _ => Duration::ZERO,
        };
        if let Some((known, at)) = self.names.get(&key)
            && at.elapsed() < believed(*known)
            && known.is_none_or(|known| disk.node(known).is_ok())
        {
            return known.ok_or(nix::libc::ENOENT);
        }
        if !matches!(found, Err(error) if error != nix::libc::ENOENT) {
            self.names.insert(key, (found.ok(), Instant::now()));
        }
        found
    }

    /// This host has changed what a name means.
    pub(super) fn name_changed(&mut self, parent: u64, name: &OsStr) {
        self.names.remove(&(parent, name.to_owned()));
    }
}
