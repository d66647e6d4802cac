//! The file system itself.

mod names;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use miqm_fsck::call::{Call, Value};
use miqm_fsck::host::ActorId;
use miqm_sys::lock::Range;
use miqm_sys::probe::{Attributes, Family, How, Kind};

use super::file::{File, PAGE};
use super::locks::Locks;
use super::mutation::Mutation;
use super::view::{Policy, View};

pub(crate) const EEXIST: i32 = 17;
const EIO: i32 = 5;
const ENOENT: i32 = 2;
const ENOTDIR: i32 = 20;
const EISDIR: i32 = 21;
const EINVAL: i32 = 22;
const EFBIG: i32 = 27;
const ENAMETOOLONG: i32 = 36;
const ENOSYS: i32 = 38;
const ENOTEMPTY: i32 = 39;
const ELOOP: i32 = 40;
const EOPNOTSUPP: i32 = 95;
const ESTALE: i32 = 116;
/// How long names and attributes are cached.
const CACHED: Duration = Duration::from_millis(150);
/// Nobody's: what was there from the beginning.
const NOBODY: usize = usize::MAX;
const ROOT: u64 = 1;
const GIB: u64 = 1 << 30;

/// Who makes a call.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Who {
    pub(crate) host: usize,
    pub(crate) actor: ActorId,
}

/// An open file.
#[derive(Debug)]
pub(crate) struct Desc {
    pub(crate) id: u64,
    pub(crate) ino: u64,
    pub(crate) how: How,
    /// Whether it was opened after the file was last synchronised.
    pub(crate) actor: ActorId,
}

#[derive(Clone, Debug)]
enum What {
    File(File),
    Dir(BTreeMap<String, Entry>),
    Link(String),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Born {
    Made,
    Renamed,
    Linked,
    Dir,
}

#[derive(Clone, Debug)]
struct Entry {
    ino: u64,
    by: usize,
    born: Born,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Gone {
    Removed,
    Renamed,
    Replaced,
}

#[derive(Clone, Debug)]
struct Tomb {
    dir: u64,
    name: String,
    ino: u64,
    by: usize,
    gone: Gone,
    at: Instant,
}

#[derive(Clone, Debug)]
struct Node {
    what: What,
    mode: [u32; 2],
    links: u64,
    changed: i64,
    /// What was synchronised last, for a cache that is passed by.
    synced: Option<File>,
    broken: bool,
    /// Who wrote last, and the length that others still see.
    late: Option<(ActorId, u64)>,
}

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) mutation: Mutation,
    policy: Policy,
    nodes: BTreeMap<u64, Node>,
    tombs: Vec<Tomb>,
    pub(crate) locks: Locks,
    views: [View; 2],
    next: u64,
    ticks: u64,
    hidden: Option<String>,
    began: Instant,
}

type Done = Result<Value, i32>;

impl World {
    pub(crate) fn new(mutation: Mutation) -> Self {
        let mut world = Self {
            mutation,
            policy: mutation.policy(),
            nodes: BTreeMap::new(),
            tombs: Vec::new(),
            locks: Locks::default(),
            views: [View::default(), View::default()],
            next: ROOT,
            ticks: 0,
            hidden: None,
            began: Instant::now(),
        };
        world.add(What::Dir(BTreeMap::new()), 0o770);
        world
    }

    pub(crate) fn is(&self, mutation: Mutation) -> bool {
        self.mutation == mutation
    }

    fn now(&self) -> i64 {
        let nanos = i64::try_from(self.began.elapsed().as_nanos()).unwrap();
        let now = 1_700_000_000_000_000_000 + nanos;
        match self.mutation {
            Mutation::CoarseTimes => now / 1_000_000_000 * 1_000_000_000,
            Mutation::TimeGoesBack => 1_700_000_000_000_000_000 - nanos,
            Mutation::TimeStands => 1_700_000_000_000_000_000,
            _ => now,
        }
    }

    fn add(&mut self, what: What, mode: u32) -> u64 {
        let ino = self.next;
        self.next += 1;
        let changed = self.now();
        let node = Node {
            what,
            mode: [mode; 2],
            links: 1,
            changed,
            synced: None,
            broken: false,
            late: None,
        };
        self.nodes.insert(ino, node);
        ino
    }

    fn node(&mut self, ino: u64) -> Result<&mut Node, i32> {
        self.nodes.get_mut(&ino).ok_or(ESTALE)
    }

    fn file(&mut self, ino: u64) -> Result<&mut File, i32> {
        match &mut self.node(ino)?.what {
            What::File(file) => Ok(file),
            What::Dir(_) => Err(EISDIR),
            What::Link(_) => Err(EINVAL),
        }
    }

    fn entries(&mut self, dir: u64) -> Result<&mut BTreeMap<String, Entry>, i32> {
        match &mut self.node(dir)?.what {
            What::Dir(entries) => Ok(entries),
            _ => Err(ENOTDIR),
        }
    }

    /// The name that the file system makes of one.
    fn spelled(&self, name: &str) -> Result<String, i32> {
        let most = match self.mutation {
            Mutation::NamesShort => 143,
            Mutation::NamesTooShort => 60,
            _ => 255,
        };
        let mut name = name.to_owned();
        match self.mutation {
            Mutation::NamesCut => name.truncate(200),
            Mutation::CaseLowers => name = name.to_lowercase(),
            Mutation::PercentChanged => name = name.replace('%', "_"),
            Mutation::DotDropped if name.len() > 2 => {
                name.truncate(name.trim_end_matches('.').len());
            }
            Mutation::BangRefused if name.contains('!') => return Err(EINVAL),
            _ => {}
        }
        if name.len() > most { Err(ENAMETOOLONG) } else { Ok(name) }
    }

    /// The directory and the last component.
    fn parent(&mut self, host: usize, path: &str) -> Result<(u64, String), i32> {
        let mut parts: Vec<_> = path.split('/').filter(|p| !p.is_empty() && *p != ".").collect();
        let Some(last) = parts.pop() else { return Ok((ROOT, String::new())) };
        let mut dir = ROOT;
        for part in parts {
            let part = self.spelled(part)?;
            dir = self.entry(host, dir, &part)?.ino;
            self.entries(dir)?;
        }
        let mut last = self.spelled(last)?;
        if self.is(Mutation::CaseFolds) {
            let folded = self.entries(dir)?.keys().find(|key| key.eq_ignore_ascii_case(&last));
            last = folded.cloned().unwrap_or(last);
        }
        Ok((dir, last))
    }

    /// A name in a directory, as a host sees it.
    fn entry(&mut self, host: usize, dir: u64, name: &str) -> Result<Entry, i32> {
        let entry = self.entries(dir)?.get(name).cloned();
        let tomb = self
            .tombs
            .iter()
            .rev()
            .find(|tomb| tomb.dir == dir && tomb.name == name && tomb.by != host);
        if let Some(tomb) = tomb {
            let (ino, gone) = (tomb.ino, tomb.gone);
            let old = match self.mutation {
                Mutation::RemovalsUnseen => gone == Gone::Removed && entry.is_none(),
                Mutation::RenamesUnseen => gone == Gone::Renamed && entry.is_none(),
                Mutation::ReplacementsUnseen => gone == Gone::Replaced,
                _ => false,
            };
            if old {
                return Ok(Entry { ino, by: host, born: Born::Made });
            }
            let moment = tomb.at.elapsed() < Duration::from_millis(1);
            if self.is(Mutation::RenameMissingThere) && gone == Gone::Replaced && moment {
                return Err(ENOENT);
            }
        }
        let entry = entry.ok_or(ENOENT)?;
        let foreign = entry.by != host && entry.by != NOBODY && host != NOBODY;
        let unseen = match self.mutation {
            Mutation::CreatesUnseen => entry.born == Born::Made,
            Mutation::RenamesUnseen => entry.born == Born::Renamed,
            Mutation::DirectoriesUnseen => entry.born == Born::Dir,
            _ => false,
        };
        let hidden = self.hidden.as_deref() == Some(name);
        if (foreign && unseen) || hidden { Err(ENOENT) } else { Ok(entry) }
    }

    pub(crate) fn hide(&mut self, path: &str, hide: bool) {
        let last = path.rsplit('/').next().unwrap_or_default().to_owned();
        self.hidden = hide.then_some(last);
    }

    /// Leaves half of a file; what it was.
    pub(crate) fn halve(&mut self, path: &str) -> Option<(u64, File)> {
        let ino = self.lookup(0, path).ok()?.1.ino;
        let file = self.file(ino).ok()?;
        let whole = file.clone();
        file.set_size(whole.size / 2, false);
        Some((ino, whole))
    }

    pub(crate) fn restore(&mut self, ino: u64, file: File) {
        if let Ok(now) = self.file(ino) {
            *now = file;
        }
    }

    /// A path as a host sees it: the directory, the entry, and the name.
    pub(crate) fn lookup(
        &mut self,
        host: usize,
        path: &str,
    ) -> Result<(u64, EntryOf, String), i32> {
        let (dir, name) = self.parent(host, path)?;
        if name.is_empty() {
            return Ok((ROOT, EntryOf { ino: ROOT, foreign_link: false }, name));
        }
        let entry = self.entry(host, dir, &name)?;
        let foreign_link = entry.born == Born::Linked && entry.by != host;
        Ok((dir, EntryOf { ino: entry.ino, foreign_link }, name))
    }

    fn put(&mut self, who: Who, dir: u64, name: &str, ino: u64, born: Born) -> Result<(), i32> {
        self.views[who.host].missing.remove(&(dir, name.to_owned()));
        let entry = Entry { ino, by: who.host, born };
        self.entries(dir)?.insert(name.to_owned(), entry);
        Ok(())
    }

    fn bury(&mut self, who: Who, dir: u64, name: &str, gone: Gone) -> Result<Option<u64>, i32> {
        let Some(entry) = self.entries(dir)?.remove(name) else { return Ok(None) };
        let (name, ino, at) = (name.to_owned(), entry.ino, Instant::now());
        self.tombs.push(Tomb { dir, name, ino, by: who.host, gone, at });
        let node = self.node(ino)?;
        node.links = node.links.saturating_sub(1);
        Ok(Some(ino))
    }

    pub(crate) fn open(&mut self, who: Who, path: &str, how: How) -> Result<Desc, i32> {
        if how.sync && self.is(Mutation::SyncOpenRefused) {
            return Err(EINVAL);
        }
        if how.data_sync && self.is(Mutation::DataSyncOpenRefused) {
            return Err(EOPNOTSUPP);
        }
        let (dir, name) = self.parent(who.host, path)?;
        // Making a file asks the server.
        let host = if how.create { NOBODY } else { who.host };
        if !how.create && self.believed_missing(who, dir, &name) {
            return Err(ENOENT);
        }
        let found = match self.entry(host, dir, &name) {
            Ok(entry) if how.exclusive => self.existing(who, &entry, how)?.then_some(entry.ino),
            Ok(entry) => Some(entry.ino),
            Err(ENOENT) if how.create => None,
            Err(ENOENT) => {
                self.views[who.host].missing.insert((dir, name), Instant::now());
                return Err(ENOENT);
            }
            Err(errno) => return Err(errno),
        };
        let ino = match found {
            Some(ino) => ino,
            None => self.make(who, dir, &name, how)?,
        };
        self.opened(who, ino, how)
    }

    /// Whether a file that `O_EXCL` meets is taken all the same; an error as it should be.
    fn existing(&mut self, who: Who, entry: &Entry, how: How) -> Result<bool, i32> {
        let ino = entry.ino;
        match self.mutation {
            Mutation::ExclusiveIgnored => Ok(true),
            Mutation::ExclusivePerHost if entry.by != who.host => Ok(false),
            Mutation::ExclusiveCuts if how.truncate => {
                if let Ok(file) = self.file(ino) {
                    file.set_size(0, false);
                }
                Err(EEXIST)
            }
            _ => Err(EEXIST),
        }
    }

    fn make(&mut self, who: Who, dir: u64, name: &str, how: How) -> Result<u64, i32> {
        let mode = if how.mode == 0 { 0o660 } else { how.mode };
        let mut file = File::default();
        if self.is(Mutation::UnlinkComesBack) {
            let old = self.tombs.iter().rev().find(|tomb| tomb.dir == dir && tomb.name == *name);
            if let Some(ino) = old.map(|tomb| tomb.ino) {
                file = self.file(ino)?.clone();
            }
        }
        let ino = self.add(What::File(file), mode);
        self.put(who, dir, name, ino, Born::Made)?;
        Ok(ino)
    }

    fn opened(&mut self, who: Who, ino: u64, how: How) -> Result<Desc, i32> {
        let mut ino = ino;
        match self.node(ino)?.what.clone() {
            What::File(_) => {}
            What::Dir(_) => return Err(EISDIR),
            What::Link(target) if self.is(Mutation::SymlinkFollowed) => {
                ino = self.lookup(who.host, &target)?.1.ino;
            }
            What::Link(_) => return Err(ELOOP),
        }
        let after = Duration::from_millis(self.policy.open_drops_after);
        if self.policy.open_drops {
            let key = self.key(who, ino);
            let files = &mut self.views[who.host].files;
            if files.get(&key).is_some_and(|(at, _)| at.elapsed() >= after) {
                files.remove(&key);
            }
        }
        self.views[who.host].opened.insert(ino);
        let size = self.file(ino)?.size;
        self.views[who.host].ends.insert(ino, size);
        self.next += 1;
        let desc = Desc { id: self.next, ino, how, actor: who.actor };
        if how.truncate {
            self.set_size(who, &desc, 0)?;
        }
        Ok(desc)
    }

    pub(crate) fn close(&mut self, who: Who, desc: &Desc, last: bool) {
        let cut = last && !desc.how.read_only && self.is(Mutation::TailLostAtClose);
        if cut
            && let Ok(file) = self.file(desc.ino)
            && file.size % PAGE > 8
        {
            let at = file.size - 8;
            file.write(at, &[0; 8]);
        }
        self.locks.closed(who, desc, last);
    }

    /// An actor is gone, and with it what it had open.
    pub(crate) fn end(&mut self, who: Who) {
        self.locks.ended(who.actor);
    }

    pub(crate) fn lock(
        &mut self,
        who: Who,
        desc: &Desc,
        family: Family,
        kind: Kind,
        range: Range,
    ) -> bool {
        let done = self.locks.set(who, desc, family, kind, range);
        if done && kind != Kind::Unlock && self.policy.lock_drops {
            let key = self.key(who, desc.ino);
            self.views[who.host].files.remove(&key);
        }
        if done && !self.is(Mutation::AppendsAtOldEnd) {
            let size = self.file(desc.ino).map_or(0, |file| file.size);
            self.views[who.host].ends.insert(desc.ino, size);
        }
        done
    }

    fn key(&self, who: Who, ino: u64) -> (u32, u64) {
        (if self.policy.by_actor { who.actor } else { 0 }, ino)
    }

    fn believed_missing(&mut self, who: Who, dir: u64, name: &str) -> bool {
        if !self.policy.names || self.is(Mutation::ListsForEver) {
            return false;
        }
        let since = self.views[who.host].missing.get(&(dir, name.to_owned()));
        since.is_some_and(|since| self.is(Mutation::MissingForEver) || since.elapsed() < CACHED)
    }

    /// A file as an actor sees it.
    fn seen(&mut self, who: Who, ino: u64) -> Result<&File, i32> {
        if self.views[who.host].frozen.contains_key(&ino) {
            return Ok(&self.views[who.host].frozen[&ino]);
        }
        if !self.policy.cache {
            return self.file(ino).map(|file| &*file);
        }
        let key = self.key(who, ino);
        if !self.views[who.host].files.contains_key(&key) {
            let copy = self.file(ino)?.clone();
            self.views[who.host].files.insert(key, (Instant::now(), copy));
        }
        Ok(&self.views[who.host].files[&key].1)
    }

    fn size(&mut self, who: Who, ino: u64) -> Result<u64, i32> {
        if self.policy.fresh_size {
            Ok(self.file(ino)?.size)
        } else {
            Ok(self.seen(who, ino)?.size)
        }
    }

    fn attributes(&mut self, who: Who, ino: u64) -> Result<Attributes, i32> {
        let node = self.node(ino)?.clone();
        let (kind, bytes) = match &node.what {
            What::File(_) => {
                let late = node.late.filter(|(writer, _)| *writer != who.actor);
                (0o100_000, late.map_or(self.size(who, ino)?, |(_, size)| size))
            }
            What::Dir(_) => (0o040_000, 4096),
            What::Link(target) => (0o120_000, target.len() as u64),
        };
        Ok(Attributes {
            device: 7,
            inode: ino,
            mode: kind | node.mode[who.host],
            uid: 1000,
            gid: 1000,
            bytes,
            links: node.links,
            modified_ns: node.changed,
            changed_ns: node.changed,
        })
    }

    pub(crate) fn on_file(&mut self, who: Who, desc: &Desc, call: &Call) -> Done {
        if self.node(desc.ino)?.broken {
            return Err(ESTALE);
        }
        match call {
            Call::Read { at, bytes, .. } => self.read(who, desc, *at, (*bytes).into()),
            Call::Write { at, bytes, .. } => {
                let at = if desc.how.append { self.end_of(who, desc)? } else { *at };
                self.write(who, desc, at, &bytes.to_vec())
            }
            Call::Append { bytes, .. } => {
                let at = self.end_of(who, desc)?;
                self.write(who, desc, at, &bytes.to_vec())
            }
            Call::WriteDurably { at, bytes, .. } => match self.mutation {
                Mutation::NoDurableWrites => Err(EOPNOTSUPP),
                _ => self.write(who, desc, *at, &bytes.to_vec()),
            },
            Call::Fsync { .. } => match self.mutation {
                Mutation::FsyncMissing => Err(ENOSYS),
                Mutation::FsyncFails => Err(EIO),
                _ => self.sync(desc),
            },
            Call::Fdatasync { .. } => match self.mutation {
                Mutation::FdatasyncInvalid => Err(EINVAL),
                _ => self.sync(desc),
            },
            Call::SetLength { bytes, .. } => self.set_size(who, desc, *bytes),
            Call::Allocate { at, bytes, .. } => self.allocate(who, desc, *at, *bytes),
            Call::StatFd { .. } => self.attributes(who, desc.ino).map(Value::Attributes),
            Call::SetMode { mode, .. } => {
                let unseen = self.is(Mutation::ModesUnseen);
                let node = self.node(desc.ino)?;
                node.mode[who.host] = *mode;
                if !unseen {
                    node.mode = [*mode; 2];
                }
                Ok(Value::Done)
            }
            _ => Err(EINVAL),
        }
    }

    fn end_of(&mut self, who: Who, desc: &Desc) -> Result<u64, i32> {
        match self.mutation {
            Mutation::AppendOverwrites => Ok(0),
            Mutation::AppendsAtOldEnd => {
                Ok(self.views[who.host].ends.get(&desc.ino).copied().unwrap_or_default())
            }
            _ => self.size(who, desc.ino),
        }
    }

    fn sync(&mut self, desc: &Desc) -> Done {
        if self.is(Mutation::DirectOld) {
            return Ok(Value::Done);
        }
        let copy = self.file(desc.ino)?.clone();
        self.node(desc.ino)?.synced = Some(copy);
        Ok(Value::Done)
    }

    fn read(&mut self, who: Who, desc: &Desc, at: u64, len: u64) -> Done {
        let mut at = at;
        match self.mutation {
            Mutation::Wraps32 => at &= 0xffff_ffff,
            Mutation::Wraps31 => at &= 0x7fff_ffff,
            Mutation::DirectOld if desc.how.direct => {
                let size = self.file(desc.ino)?.size;
                let end = size.min(at + len).saturating_sub(at);
                return Ok(Value::Bytes(vec![0; usize::try_from(end).unwrap()]));
            }
            _ => {}
        }
        let size = self.size(who, desc.ino)?;
        let len = len.min(size.saturating_sub(at));
        let mut bytes = if self.policy.fresh_data {
            self.file(desc.ino)?.read(at, len)
        } else {
            self.seen(who, desc.ino)?.read(at, len)
        };
        // The length may be newer than the bytes.
        bytes.resize(usize::try_from(len).unwrap(), 0);
        if self.is(Mutation::HoleGarbage) && !self.file(desc.ino)?.has(at) {
            bytes.fill(0xaa);
        }
        if let Some(from) = self.views[who.host].blind.get(&desc.ino) {
            let from = usize::try_from(from.saturating_sub(at)).unwrap();
            if from < bytes.len() {
                bytes[from..].fill(0);
            }
        }
        Ok(Value::Bytes(bytes))
    }

    fn write(&mut self, who: Who, desc: &Desc, at: u64, bytes: &[u8]) -> Done {
        let (mut at, mut told, mut ino) = (at, bytes.len(), desc.ino);
        let mut bytes = bytes.to_vec();
        let size = self.file(ino)?.size;
        // Files of a few pages are those of other checks.
        let page = bytes.len() == 4096 && at.is_multiple_of(PAGE) && at > 20_000;
        self.ticks += u64::from(page);
        let ticks = self.ticks;
        let tail = at == size && at % PAGE > 16;
        let synced = tail && self.node(ino)?.synced.as_ref().is_some_and(|old| old.size == at);
        let old = page && self.file(ino)?.has(at);
        let each = |n: u64| page && ticks.is_multiple_of(n);
        match self.mutation {
            Mutation::ShortWrites if told > 3000 => {
                told = 3000;
                bytes.truncate(told);
            }
            Mutation::LostWrite if each(7) => bytes.fill(0),
            Mutation::MisdirectedWrite if each(11) => at += PAGE,
            Mutation::OtherFile if each(13) => {
                let other = self
                    .nodes
                    .iter()
                    .rev()
                    .find(|(other, node)| **other != ino && matches!(node.what, What::File(_)));
                ino = other.map_or(ino, |(other, _)| *other);
            }
            Mutation::FlippedBit if each(5) => bytes[1234] ^= 16,
            Mutation::HalfWritten if each(5) => bytes.truncate(2048),
            Mutation::SaysMore => told += 1,
            Mutation::SaysNothing if each(9) => return Ok(Value::Count(0)),
            Mutation::OverwriteLost if old => return Ok(Value::Count(4096)),
            Mutation::Wraps32 => at &= 0xffff_ffff,
            Mutation::Wraps31 => at &= 0x7fff_ffff,
            Mutation::Only2Gib if at + bytes.len() as u64 > 2 * GIB => return Err(EFBIG),
            Mutation::LargeWriteCut => bytes.truncate(512 * 1024),
            Mutation::TailZeroedByAppend if synced => {
                self.file(ino)?.write(at - 16, &[0; 16]);
            }
            Mutation::AppendsUnseen if at >= size && size > 0 => {
                let other = &mut self.views[1 - who.host];
                if other.opened.contains(&ino) {
                    other.blind.entry(ino).or_insert(size);
                }
            }
            _ => {}
        }
        self.file(ino)?.write(at, &bytes);
        if self.is(Mutation::LargeWriteCut) && told > bytes.len() {
            let end = at + told as u64;
            let file = self.file(ino)?;
            file.size = file.size.max(end);
        }
        // In pages that are not aligned.
        let odd = bytes.len() == 4096 && !at.is_multiple_of(PAGE) && at >= size;
        if odd && self.is(Mutation::OldLength) {
            self.node(ino)?.late = Some((who.actor, size));
        }
        let key = self.key(who, ino);
        if let Some((_, own)) = self.views[who.host].files.get_mut(&key) {
            own.write(at, &bytes);
        }
        let end = at + bytes.len() as u64;
        let known = self.views[who.host].ends.entry(ino).or_default();
        *known = (*known).max(end);
        let now = self.now();
        self.node(ino)?.changed = now;
        Ok(Value::Count(told as u64))
    }

    fn set_size(&mut self, who: Who, desc: &Desc, bytes: u64) -> Done {
        let ino = desc.ino;
        let size = self.file(ino)?.size;
        if self.is(Mutation::CutIgnored) && bytes < size {
            return Ok(Value::Done);
        }
        let other = 1 - who.host;
        let known = self.views[other].opened.contains(&ino);
        if self.is(Mutation::CutsUnseen) && bytes < size && known {
            let copy = self.file(ino)?.clone();
            self.views[other].frozen.entry(ino).or_insert(copy);
        }
        let keep = self.is(Mutation::CutComesBack);
        self.node(ino)?.late = None;
        self.file(ino)?.set_size(bytes, keep);
        let key = self.key(who, ino);
        if let Some((_, own)) = self.views[who.host].files.get_mut(&key) {
            own.set_size(bytes, keep);
        }
        let now = self.now();
        self.node(ino)?.changed = now;
        Ok(Value::Done)
    }

    fn allocate(&mut self, who: Who, desc: &Desc, at: u64, bytes: u64) -> Done {
        let (size, end) = (self.file(desc.ino)?.size, at + bytes);
        match self.mutation {
            Mutation::NoFallocate => return Err(EOPNOTSUPP),
            Mutation::AllocateNoLength => return Ok(Value::Done),
            Mutation::AllocateGarbage => self.file(desc.ino)?.write(end - PAGE, &[0xee; 4096]),
            Mutation::AllocateZeroes => self.file(desc.ino)?.write(at, &[0; 4096]),
            _ => {}
        }
        self.set_size(who, desc, size.max(end))
    }
}

/// What a path leads to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EntryOf {
    pub(crate) ino: u64,
    pub(crate) foreign_link: bool,
}
