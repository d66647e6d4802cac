//! The server's store: files, names, and what of them survives a crash. In memory.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use fuser::FileType;
use nix::libc;

use super::behaviour::Behaviour;
use super::bytes::{Bytes, PAGE, Page, mixed};

/// What a call gives, or its error number.
pub(super) type Answer<T> = Result<T, i32>;

/// The number of the root.
pub(super) const ROOT: u64 = 1;
const SET_GROUP_ID: u32 = 0o2000;
/// What a server that forgets has told of and not done.
const FORGOTTEN: Duration = Duration::from_secs(5);
/// Between a look at a name and the open of what it was.
const LOOKED_UP: Duration = Duration::from_secs(2);
/// How many syncs can be undone.
const SYNCS_MAX: usize = 4096;
/// How long ago, in syncs of its file, an old page comes from.
const LONG_AGO: usize = 40;

/// A file, directory or other.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) kind: FileType,
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) links: u32,
    pub(super) device: u32,
    pub(super) atime: SystemTime,
    pub(super) mtime: SystemTime,
    pub(super) ctime: SystemTime,
    /// Grows with every change.
    pub(super) version: u64,
    pub(super) bytes: Bytes,
    pub(super) entries: BTreeMap<OsString, u64>,
    pub(super) target: PathBuf,
    /// The name it was last given, for those who go by names.
    pub(super) name: (u64, OsString),
    /// By how many open files it is used, by host.
    pub(super) opens: HashMap<usize, u32>,
    /// The host that removed its last name.
    pub(super) removed_by: Option<usize>,
    /// When a host last made it longer, how long it was before, and which host.
    pub(super) grown: Option<(Instant, u64, usize)>,
    /// What a crash leaves.
    stable_bytes: Bytes,
    stable_entries: BTreeMap<OsString, u64>,
    dirty: BTreeSet<u64>,
}

/// A sync that may have to be undone.
struct Sync {
    at: Instant,
    node: u64,
    len_before: u64,
    before: Vec<(u64, Page)>,
}

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Caller {
    pub(super) uid: u32,
    pub(super) gid: u32,
}

pub(super) struct Disk {
    behaviour: Behaviour,
    nodes: HashMap<u64, Node>,
    last: u64,
    syncs: VecDeque<Sync>,
    sync_calls: u64,
    /// Files that nobody can reach any more, but for who has just looked them up.
    gone: VecDeque<(Instant, u64)>,
}

fn new_node(kind: FileType, mode: u32, (uid, gid): (u32, u32), name: (u64, OsString)) -> Node {
    let now = SystemTime::now();
    Node {
        kind,
        mode,
        uid,
        gid,
        links: if kind == FileType::Directory { 2 } else { 1 },
        device: 0,
        atime: now,
        mtime: now,
        ctime: now,
        version: 0,
        bytes: Bytes::default(),
        entries: BTreeMap::new(),
        target: PathBuf::new(),
        name,
        opens: HashMap::new(),
        removed_by: None,
        grown: None,
        stable_bytes: Bytes::default(),
        stable_entries: BTreeMap::new(),
        dirty: BTreeSet::new(),
    }
}

impl Node {
    pub(super) fn touch(&mut self) {
        self.mtime = SystemTime::now();
        self.ctime = self.mtime;
        self.version += 1;
    }

    pub(super) fn is_open(&self) -> bool {
        self.opens.values().any(|opens| *opens > 0)
    }
}

impl Disk {
    pub(super) fn new(behaviour: Behaviour) -> Self {
        let root = new_node(FileType::Directory, 0o777, (0, 0), (ROOT, OsString::new()));
        Self {
            behaviour,
            nodes: HashMap::from([(ROOT, root)]),
            last: ROOT,
            syncs: VecDeque::new(),
            sync_calls: 0,
            gone: VecDeque::new(),
        }
    }

    pub(super) fn node(&self, number: u64) -> Answer<&Node> {
        self.nodes.get(&number).ok_or(libc::ESTALE)
    }

    pub(super) fn node_mut(&mut self, number: u64) -> Answer<&mut Node> {
        self.nodes.get_mut(&number).ok_or(libc::ESTALE)
    }

    pub(super) fn look_up(&self, parent: u64, name: &OsStr) -> Answer<u64> {
        let parent = self.node(parent)?;
        if parent.kind != FileType::Directory {
            return Err(libc::ENOTDIR);
        }
        parent.entries.get(name).copied().ok_or(libc::ENOENT)
    }

    /// Changes a name, also in what survives a crash if that is at once so.
    fn set_name(&mut self, parent: u64, name: &OsStr, node: Option<u64>, durable: bool) {
        let Some(parent) = self.nodes.get_mut(&parent) else { return };
        parent.touch();
        let put = |entries: &mut BTreeMap<OsString, u64>| match node {
            Some(node) => drop(entries.insert(name.to_owned(), node)),
            None => drop(entries.remove(name)),
        };
        put(&mut parent.entries);
        if durable {
            put(&mut parent.stable_entries);
        }
    }

    fn names_are_durable(&self) -> bool {
        !matches!(self.behaviour, Behaviour::NamesNeedSync | Behaviour::DirectorySyncIgnored)
    }

    pub(super) fn make(
        &mut self,
        (parent, name): (u64, &OsStr),
        kind: FileType,
        mode: u32,
        caller: Caller,
    ) -> Answer<u64> {
        if self.look_up(parent, name).is_ok() {
            return Err(libc::EEXIST);
        }
        if name.len() > 255 {
            return Err(libc::ENAMETOOLONG);
        }
        let directory = self.node(parent)?;
        let of_group =
            directory.mode & SET_GROUP_ID != 0 && self.behaviour != Behaviour::SetgidLost;
        let inherited = if of_group && kind == FileType::Directory { SET_GROUP_ID } else { 0 };
        let gid = if of_group { directory.gid } else { caller.gid };
        let owner = match self.behaviour {
            Behaviour::RootSquash => (65534, 65534),
            _ => (caller.uid, gid),
        };
        self.last += 1;
        let number = self.last;
        let mode = mode & 0o7777 | inherited;
        self.nodes.insert(number, new_node(kind, mode, owner, (parent, name.to_owned())));
        self.set_name(parent, name, Some(number), self.names_are_durable());
        Ok(number)
    }

    pub(super) fn link(&mut self, number: u64, parent: u64, name: &OsStr) -> Answer<u64> {
        if self.look_up(parent, name).is_ok() {
            return Err(libc::EEXIST);
        }
        let mut to = number;
        if self.behaviour == Behaviour::LinkCopies {
            let mut copy = self.node(number)?.clone();
            copy.opens.clear();
            self.last += 1;
            to = self.last;
            self.nodes.insert(to, copy);
        } else {
            let node = self.node_mut(number)?;
            node.links += 1;
            node.ctime = SystemTime::now();
            node.version += 1;
        }
        self.set_name(parent, name, Some(to), self.names_are_durable());
        Ok(to)
    }

    /// Takes one name from a node, and its data if nobody can reach them any more.
    fn let_go(&mut self, number: u64, host: usize) {
        let Some(node) = self.nodes.get_mut(&number) else { return };
        node.links = node.links.saturating_sub(1);
        node.ctime = SystemTime::now();
        node.version += 1;
        if node.links == 0 {
            node.removed_by = Some(host);
        }
        self.drop_if_gone(number);
    }

    /// Drops the data of what has been gone for some time.
    fn drop_if_gone(&mut self, number: u64) {
        let durable = self.names_are_durable() && self.behaviour != Behaviour::RenameNotDurable;
        let gone = |node: &Node| node.links == 0 && !node.is_open();
        if !durable || !self.nodes.get(&number).is_some_and(gone) {
            return;
        }
        self.gone.push_back((Instant::now(), number));
        while let Some((_, number)) = self.gone.pop_front_if(|(at, _)| at.elapsed() > LOOKED_UP) {
            if let Some(node) = self.nodes.get_mut(&number).filter(|node| gone(node)) {
                (node.bytes, node.stable_bytes) = <_>::default();
                node.dirty.clear();
            }
        }
    }

    pub(super) fn unlink(&mut self, parent: u64, name: &OsStr, host: usize) -> Answer<u64> {
        let number = self.look_up(parent, name)?;
        if self.node(number)?.kind == FileType::Directory {
            return Err(libc::EISDIR);
        }
        self.set_name(parent, name, None, self.names_are_durable());
        self.let_go(number, host);
        Ok(number)
    }

    pub(super) fn remove_directory(
        &mut self,
        parent: u64,
        name: &OsStr,
        host: usize,
    ) -> Answer<()> {
        let number = self.look_up(parent, name)?;
        let removes_full = self.behaviour == Behaviour::RemovesFull;
        let node = self.node_mut(number)?;
        if node.kind != FileType::Directory {
            return Err(libc::ENOTDIR);
        }
        if !node.entries.is_empty() && !removes_full {
            return Err(libc::ENOTEMPTY);
        }
        node.links = 1;
        self.set_name(parent, name, None, self.names_are_durable());
        self.let_go(number, host);
        Ok(())
    }

    /// Renames, and returns what was renamed.
    pub(super) fn rename(
        &mut self,
        (parent, name): (u64, &OsStr),
        (to_parent, to_name): (u64, &OsStr),
        flags: u32,
        host: usize,
    ) -> Answer<u64> {
        let number = self.look_up(parent, name)?;
        let target = self.look_up(to_parent, to_name).ok();
        let durable = self.names_are_durable() && self.behaviour != Behaviour::RenameNotDurable;
        if to_name.len() > 255 {
            return Err(libc::ENAMETOOLONG);
        }
        if flags & libc::RENAME_EXCHANGE != 0 {
            let target = target.ok_or(libc::ENOENT)?;
            self.set_name(parent, name, Some(target), durable);
            self.set_name(to_parent, to_name, Some(number), durable);
            return Ok(number);
        }
        if target == Some(number) {
            return Ok(number);
        }
        if let Some(target) = target {
            if flags & libc::RENAME_NOREPLACE != 0 || self.behaviour == Behaviour::RenameRefuses {
                return Err(libc::EEXIST);
            }
            let (moved, there) = (self.node(number)?.kind, self.node(target)?);
            match (moved == FileType::Directory, there.kind == FileType::Directory) {
                (true, false) => return Err(libc::ENOTDIR),
                (false, true) => return Err(libc::EISDIR),
                (true, true) if !there.entries.is_empty() => return Err(libc::ENOTEMPTY),
                _ => (),
            }
            if self.behaviour == Behaviour::RenameLoses {
                self.set_name(parent, name, None, durable);
                self.let_go(number, host);
                return Ok(target);
            }
            self.let_go(target, host);
        }
        if self.behaviour != Behaviour::RenameCopies {
            self.set_name(parent, name, None, durable);
        }
        self.set_name(to_parent, to_name, Some(number), durable);
        let node = self.node_mut(number)?;
        node.name = (to_parent, to_name.to_owned());
        node.ctime = SystemTime::now();
        node.version += 1;
        Ok(number)
    }

    pub(super) fn write(&mut self, number: u64, offset: u64, data: &[u8]) -> Answer<()> {
        let stays = self.behaviour == Behaviour::TimeStays;
        let node = self.node_mut(number)?;
        node.bytes.write(offset, data);
        node.dirty.extend(Bytes::touched(offset, data.len() as u64));
        let before = node.mtime;
        node.touch();
        if stays {
            node.mtime = before;
        }
        Ok(())
    }

    pub(super) fn set_len(&mut self, number: u64, len: u64) -> Answer<()> {
        let keep = self.behaviour == Behaviour::ExtendShowsOld;
        let node = self.node_mut(number)?;
        node.bytes.set_len(len, keep);
        node.dirty.insert(len / PAGE);
        node.touch();
        Ok(())
    }

    pub(super) fn opened(&mut self, number: u64, host: usize) {
        if let Some(node) = self.nodes.get_mut(&number) {
            *node.opens.entry(host).or_default() += 1;
        }
    }

    /// Returns whether nobody on that host has it open any more.
    pub(super) fn closed(&mut self, number: u64, host: usize) -> bool {
        let Some(node) = self.nodes.get_mut(&number) else { return true };
        let opens = node.opens.entry(host).or_default();
        *opens = opens.saturating_sub(1);
        let last = *opens == 0;
        self.drop_if_gone(number);
        last
    }

    /// Makes a file's content durable, as far as the behaviour does so.
    pub(super) fn sync(&mut self, number: u64, data_only: bool) -> Answer<()> {
        self.sync_calls += 1;
        let calls = self.sync_calls;
        let behaviour = self.behaviour;
        let node = self.node_mut(number)?;
        match behaviour {
            Behaviour::SyncIgnored => return Ok(()),
            Behaviour::DataSyncIgnored if data_only => return Ok(()),
            Behaviour::FullAtSync => return Err(libc::ENOSPC),
            Behaviour::SyncRefused => return Err(libc::EINVAL),
            Behaviour::SyncFailsOnce if calls.is_multiple_of(4) => {
                // As a kernel does: the pages are clean now, and what was in them is lost.
                node.bytes = node.stable_bytes.clone();
                node.dirty.clear();
                return Err(libc::EIO);
            }
            _ => (),
        }
        self.make_durable(number, data_only && behaviour == Behaviour::DataSyncWithoutSize);
        Ok(())
    }

    /// Makes durable what is in a file.
    pub(super) fn make_durable(&mut self, number: u64, without_size: bool) {
        let Some(node) = self.nodes.get_mut(&number) else { return };
        let dirty = std::mem::take(&mut node.dirty);
        let len_before = node.stable_bytes.len();
        let mut before = Vec::with_capacity(dirty.len());
        for page in dirty {
            before.push((page, node.stable_bytes.page(page)));
            node.stable_bytes.set_page(page, node.bytes.page(page));
        }
        if !without_size {
            node.stable_bytes.set_len(node.bytes.len(), false);
        }
        if !before.is_empty() || len_before != node.bytes.len() {
            self.syncs.push_back(Sync { at: Instant::now(), node: number, len_before, before });
            if self.syncs.len() > SYNCS_MAX {
                self.syncs.pop_front();
            }
        }
    }

    /// Makes a directory's names durable.
    pub(super) fn sync_directory(&mut self, number: u64) -> Answer<()> {
        let behaviour = self.behaviour;
        let node = self.node_mut(number)?;
        match behaviour {
            Behaviour::SyncRefused => return Err(libc::EINVAL),
            Behaviour::DirectorySyncRefused => return Err(libc::EIO),
            Behaviour::DirectorySyncIgnored | Behaviour::RenameNotDurable => (),
            _ => node.stable_entries = node.entries.clone(),
        }
        Ok(())
    }

    /// Throws away what is not durable, as a power cut does.
    pub(super) fn crash(&mut self, random: impl FnMut() -> u64) {
        match self.behaviour {
            Behaviour::Forgotten => {
                while let Some(sync) = self.syncs.pop_back_if(|sync| sync.at.elapsed() < FORGOTTEN)
                {
                    self.undo(&sync);
                }
            }
            Behaviour::Reordered => self.undo_all_but_the_last_file(),
            Behaviour::TornSynced => self.tear_last_syncs(),
            Behaviour::OldDataBack => self.bring_old_data_back(),
            Behaviour::TornUnsynced => self.keep_some_sectors(random),
            _ => (),
        }
        for node in self.nodes.values_mut() {
            node.bytes = node.stable_bytes.clone();
            node.entries = node.stable_entries.clone();
            node.dirty.clear();
            node.version += 1;
        }
        self.syncs.clear();
        let mut links: HashMap<u64, u32> = HashMap::new();
        for named in self.nodes.values().flat_map(|node| node.entries.values()) {
            *links.entry(*named).or_default() += 1;
        }
        let reached: HashSet<u64> = links.keys().copied().chain([ROOT]).collect();
        self.nodes.retain(|number, _| reached.contains(number));
        for (number, node) in &mut self.nodes {
            let names = links.get(number).copied().unwrap_or(1);
            node.links = if node.kind == FileType::Directory { 2 } else { names };
            node.opens.clear();
        }
    }

    fn undo(&mut self, sync: &Sync) {
        if let Some(node) = self.nodes.get_mut(&sync.node) {
            for (page, before) in &sync.before {
                node.stable_bytes.set_page(*page, before.clone());
            }
            node.stable_bytes.set_len(sync.len_before, true);
        }
    }

    fn undo_all_but_the_last_file(&mut self) {
        let Some(last) = self.syncs.back().map(|sync| sync.node) else { return };
        let mut done = HashSet::from([last]);
        while let Some(sync) = self.syncs.pop_back() {
            if done.insert(sync.node) {
                self.undo(&sync);
            }
        }
    }

    fn tear_last_syncs(&mut self) {
        let mut done = HashSet::new();
        while let Some(sync) = self.syncs.pop_back() {
            let whole = sync.before.last().filter(|_| done.insert(sync.node));
            if let (Some((page, before)), Some(node)) = (whole, self.nodes.get_mut(&sync.node)) {
                let torn = mixed(&node.stable_bytes.page(*page), before, |sector| sector < 3);
                node.stable_bytes.set_page(*page, Some(torn));
            }
        }
    }

    /// The page is one that the syncs after that did not touch.
    fn bring_old_data_back(&mut self) {
        let mut later: HashMap<u64, usize> = HashMap::new();
        let mut touched: HashSet<(u64, u64)> = HashSet::new();
        while let Some(sync) = self.syncs.pop_back() {
            let times = later.entry(sync.node).or_default();
            *times += 1;
            let old = sync.before.iter().rev().find(|(page, _)| touched.insert((sync.node, *page)));
            if let (Some((page, before)), Some(node)) = (old, self.nodes.get_mut(&sync.node))
                && *times == LONG_AGO
            {
                node.stable_bytes.set_page(*page, before.clone());
            }
        }
    }

    fn keep_some_sectors(&mut self, mut random: impl FnMut() -> u64) {
        for node in self.nodes.values_mut() {
            for page in std::mem::take(&mut node.dirty) {
                let kept = random();
                let (new, old) = (node.bytes.page(page), node.stable_bytes.page(page));
                let torn = mixed(&new, &old, |at| kept >> at & 1 == 1);
                node.stable_bytes.set_page(page, Some(torn));
            }
            if random() & 1 == 1 && node.bytes.len() > node.stable_bytes.len() {
                node.stable_bytes.set_len(node.bytes.len(), true);
            }
        }
    }
}
