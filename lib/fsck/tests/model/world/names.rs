//! Calls on names.

use std::collections::BTreeMap;
use std::time::Instant;

use miqm_fsck::call::{Call, Value};
use miqm_sys::probe::FileSystem;

use super::super::mutation::Mutation;
use super::{
    Born, CACHED, Done, EEXIST, EINVAL, EISDIR, ENOENT, ENOTEMPTY, EOPNOTSUPP, Gone, NOBODY, What,
    Who, World,
};

impl World {
    pub(crate) fn on_names(&mut self, who: Who, call: &Call) -> Done {
        match call {
            Call::Stat { name } => self.stat(who, name),
            Call::List { name } => self.list(who, name).map(Value::Names),
            Call::Unlink { name } => self.unlink(who, name),
            Call::MakeDir { name, mode } => self.make_dir(who, name, *mode),
            Call::RemoveDir { name } => self.remove_dir(who, name),
            Call::Link { from, to } => self.link(who, from, to),
            Call::Symlink { target, name } => {
                if self.is(Mutation::NoSymlinks) {
                    return Err(EOPNOTSUPP);
                }
                let (dir, last) = self.parent(who.host, name)?;
                if self.entries(dir)?.contains_key(&last) {
                    return Err(EEXIST);
                }
                let ino = self.add(What::Link(target.clone()), 0o777);
                self.put(who, dir, &last, ino, Born::Made)?;
                Ok(Value::Done)
            }
            Call::ReadLink { name } => {
                let ino = self.lookup(who.host, name)?.1.ino;
                match &self.node(ino)?.what {
                    What::Link(target) => Ok(Value::Names(vec![target.clone()])),
                    _ => Err(EINVAL),
                }
            }
            Call::SyncDir { name } => {
                self.lookup(who.host, name)?;
                let refused = self.is(Mutation::DirectorySyncInvalid);
                if refused { Err(EINVAL) } else { Ok(Value::Done) }
            }
            Call::StatFs => {
                let network = self.is(Mutation::SyncInstantNetwork);
                Ok(Value::FileSystem(FileSystem {
                    magic: if network { 0x6969 } else { 0x0102_1994 },
                    block_bytes: 4096,
                    blocks: 1 << 30,
                    blocks_available: 1 << 30,
                    files_free: 1 << 20,
                    name_bytes_max: 255,
                }))
            }
            _ => Err(EINVAL),
        }
    }

    fn stat(&mut self, who: Who, path: &str) -> Done {
        let (dir, name) = self.parent(who.host, path)?;
        if !name.is_empty() && self.believed_missing(who, dir, &name) {
            return Err(ENOENT);
        }
        let found = match self.lookup(who.host, path) {
            Ok((_, found, _)) => found,
            Err(errno) => {
                self.views[who.host].missing.insert((dir, name), Instant::now());
                return Err(errno);
            }
        };
        let mut attributes = self.attributes(who, found.ino)?;
        if found.foreign_link && self.is(Mutation::LinksAsCopies) {
            attributes.inode += 1_000_000;
        }
        if self.is(Mutation::CreateOtherInode) {
            attributes.inode += u64::from(who.actor);
        }
        Ok(Value::Attributes(attributes))
    }

    fn list(&mut self, who: Who, path: &str) -> Result<Vec<String>, i32> {
        let dir = self.lookup(who.host, path)?.1.ino;
        if let Some((at, names)) = self.views[who.host].lists.get(&dir)
            && self.policy.names
            && !self.is(Mutation::MissingForEver)
            && (self.is(Mutation::ListsForEver) || at.elapsed() < CACHED)
        {
            return Ok(names.clone());
        }
        let host = who.host;
        let unseen = self.is(Mutation::CreatesUnseen);
        let entries = self.entries(dir)?;
        let mut names: Vec<_> = entries
            .iter()
            .filter(|(_, entry)| !unseen || entry.by == host || entry.by == NOBODY)
            .map(|(name, _)| name.clone())
            .collect();
        match self.mutation {
            Mutation::CreateNotListed => names.retain(|name| !name.starts_with("create")),
            Mutation::ListMisses if names.len() > 200 => drop(names.remove(150)),
            Mutation::ListTwice if names.len() > 100 => names.push(names[50].clone()),
            Mutation::ListGhosts | Mutation::UnlinkStillListed => {
                let many = self.is(Mutation::UnlinkStillListed) || names.len() > 100;
                let gone = self
                    .tombs
                    .iter()
                    .filter(|tomb| many && tomb.dir == dir && tomb.gone == Gone::Removed);
                names.extend(gone.map(|tomb| tomb.name.clone()));
                names.sort();
                names.dedup();
            }
            _ => {}
        }
        self.views[who.host].lists.insert(dir, (Instant::now(), names.clone()));
        Ok(names)
    }

    /// One's own changes are seen at once.
    fn touched(&mut self, who: Who, dir: u64) {
        if !self.is(Mutation::ListsForEver) {
            self.views[who.host].lists.remove(&dir);
        }
    }

    fn unlink(&mut self, who: Who, path: &str) -> Done {
        let (dir, name) = self.parent(who.host, path)?;
        let ino = self.entry(NOBODY, dir, &name)?.ino;
        if matches!(self.node(ino)?.what, What::Dir(_)) {
            return Err(EISDIR);
        }
        if self.is(Mutation::UnlinkBreaksOpen) && self.node(ino)?.links == 1 {
            self.node(ino)?.broken = true;
        }
        self.bury(who, dir, &name, Gone::Removed)?;
        self.touched(who, dir);
        Ok(Value::Done)
    }

    fn make_dir(&mut self, who: Who, path: &str, mode: u32) -> Done {
        let (dir, name) = self.parent(who.host, path)?;
        if self.entries(dir)?.contains_key(&name) {
            let twice = self.is(Mutation::MkdirTwice);
            return if twice { Ok(Value::Done) } else { Err(EEXIST) };
        }
        let ino = self.add(What::Dir(BTreeMap::new()), mode);
        self.put(who, dir, &name, ino, Born::Dir)?;
        self.touched(who, dir);
        Ok(Value::Done)
    }

    fn remove_dir(&mut self, who: Who, path: &str) -> Done {
        let (dir, name) = self.parent(who.host, path)?;
        let ino = self.entry(NOBODY, dir, &name)?.ino;
        if !self.entries(ino)?.is_empty() && !self.is(Mutation::RmdirNotEmpty) {
            return Err(ENOTEMPTY);
        }
        self.bury(who, dir, &name, Gone::Removed)?;
        self.touched(who, dir);
        Ok(Value::Done)
    }

    fn link(&mut self, who: Who, from: &str, to: &str) -> Done {
        if self.is(Mutation::LinkRefused) {
            return Err(EOPNOTSUPP);
        }
        let mut ino = self.lookup(who.host, from)?.1.ino;
        let (dir, name) = self.parent(who.host, to)?;
        if self.entries(dir)?.contains_key(&name) && !self.is(Mutation::LinkReplaces) {
            return Err(EEXIST);
        }
        if self.is(Mutation::LinkCopies) {
            let copy = self.node(ino)?.clone();
            ino = self.add(copy.what, copy.mode[0]);
        } else if !self.is(Mutation::LinkNotCounted) {
            self.node(ino)?.links += 1;
        }
        self.put(who, dir, &name, ino, Born::Linked)?;
        self.touched(who, dir);
        Ok(Value::Done)
    }

    pub(crate) fn rename(&mut self, who: Who, from: &str, to: &str) -> Result<(), i32> {
        let (from_dir, from) = self.parent(who.host, from)?;
        let (dir, to) = self.parent(who.host, to)?;
        let mut ino = self.entry(NOBODY, from_dir, &from)?.ino;
        let replaces = self.entries(dir)?.contains_key(&to);
        match self.mutation {
            Mutation::RenameRefusesTarget if replaces => return Err(EEXIST),
            Mutation::RenameKeepsTarget if replaces => {
                self.bury(who, from_dir, &from, Gone::Renamed)?;
                return Ok(());
            }
            Mutation::RenameBreaksOpen => self.node(ino)?.broken = true,
            Mutation::RenameCopies => {
                let copy = self.node(ino)?.clone();
                ino = self.add(copy.what, copy.mode[0]);
            }
            _ => {}
        }
        if replaces {
            self.bury(who, dir, &to, Gone::Replaced)?;
        }
        if !self.is(Mutation::RenameKeepsSource) {
            self.bury(who, from_dir, &from, Gone::Renamed)?;
        }
        self.node(ino)?.links += 1;
        if !(replaces && self.is(Mutation::RenameLosesTarget)) {
            let born = if replaces { Born::Made } else { Born::Renamed };
            self.put(who, dir, &to, ino, born)?;
        }
        self.touched(who, from_dir);
        self.touched(who, dir);
        Ok(())
    }
}
