//! The identity of a queue manager: the file `qmid` in its data directory.
//!
//! It tells the directory of a queue manager from the empty directory under a mount point, and one
//! queue manager from another of the same name. It is written last when a queue manager is
//! created and renamed first when one is deleted, and it never changes in between, so a directory
//! without it is one that nothing may start from.

use std::path::{Path, PathBuf};

use miqm_format::stanza::{BadStanza, Document};
use miqm_sys::{IoError, fs};
use miqm_types::{QmgrId, QmgrName};

/// The version of everything on disk that this code writes, and the newest that it reads.
pub const FORMAT_VERSION: u32 = 1;

/// The largest identity file, in bytes.
const FILE_BYTES_MAX: usize = 65_536;
const STANZA: &str = "QueueManager";
/// The stanza of what the queue manager was created with.
const CREATION: &str = "Creation";

/// Who a data directory belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The name of the queue manager.
    pub name: QmgrName,
    /// Its identity, also in its log.
    pub id: QmgrId,
}

/// What a queue manager was created with that commands may have changed since: the attributes that
/// creation was asked for, by the names that this module's users give them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Birth(pub Vec<(&'static str, String)>);

impl Birth {
    /// A value as it is recorded: without control characters, and without blanks around it.
    pub fn plain(value: &str) -> String {
        value.replace(char::is_control, " ").trim().to_owned()
    }

    fn line((key, value): &(&'static str, String)) -> String {
        format!("   {key}={}\n", Self::plain(value))
    }
}

/// Why a data directory is not the queue manager's.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// There is no identity file: the storage is not mounted, creation or deletion did not
    /// finish, or this is not the directory of a queue manager.
    #[error("{} does not exist", file.display())]
    Absent {
        /// The file.
        file: PathBuf,
    },
    /// The file cannot be read.
    #[error(transparent)]
    Io(#[from] IoError),
    /// The file does not keep to the grammar.
    #[error("{} is not a file of stanzas", file.display())]
    Syntax {
        /// The file.
        file: PathBuf,
        /// The line, and what is wrong with it.
        source: BadStanza,
    },
    /// An attribute is missing or wrong.
    #[error("{}:{line}: {key} is missing or wrong", file.display())]
    Damaged {
        /// The file.
        file: PathBuf,
        /// The line; 0 if it is not there.
        line: usize,
        /// The attribute.
        key: &'static str,
    },
    /// A newer version of miqm made this queue manager, or changed it.
    #[error("{} has format {found}; this version reads formats up to {known}", file.display())]
    Newer {
        /// The file.
        file: PathBuf,
        /// Its format.
        found: u32,
        /// The newest format that this version reads.
        known: u32,
    },
    /// The directory belongs to another queue manager.
    #[error("{} belongs to queue manager {found} with identity {found_id}", file.display())]
    Foreign {
        /// The file.
        file: PathBuf,
        /// Whose directory it is.
        found: QmgrName,
        /// The identity of that one.
        found_id: QmgrId,
    },
}

impl Identity {
    /// Reads an identity file.
    ///
    /// # Errors
    ///
    /// [`IdentityError`], but not [`IdentityError::Foreign`].
    pub fn load(file: &Path) -> Result<Self, IdentityError> {
        Self::of(&document(file)?, file)
    }

    fn of(document: &Document, file: &Path) -> Result<Self, IdentityError> {
        let damaged = |key| IdentityError::Damaged {
            file: file.to_owned(),
            line: document.get(STANZA, key).and_then(|setting| setting.line).unwrap_or(0),
            key,
        };
        let text = |key| document.get(STANZA, key).map(|s| s.value).ok_or_else(|| damaged(key));
        // The version first: a newer format may say the rest differently.
        let found: u32 = text("Format")?.parse().map_err(|_| damaged("Format"))?;
        match found {
            1..=FORMAT_VERSION => {}
            0 => return Err(damaged("Format")),
            _ => {
                return Err(IdentityError::Newer {
                    file: file.to_owned(),
                    found,
                    known: FORMAT_VERSION,
                });
            }
        }
        Ok(Self {
            name: text("Name")?.parse().map_err(|_| damaged("Name"))?,
            id: text("QMgrId")?.parse().map_err(|_| damaged("QMgrId"))?,
        })
    }

    /// Reads an identity file and makes sure that it is the expected queue manager's.
    ///
    /// `id` is what the registry recorded when the queue manager was created or added on this
    /// host; `None` checks the name only.
    ///
    /// # Errors
    ///
    /// [`IdentityError`].
    pub fn expect(file: &Path, name: &QmgrName, id: Option<QmgrId>) -> Result<Self, IdentityError> {
        let found = Self::load(file)?;
        if found.name == *name && id.is_none_or(|id| id == found.id) {
            return Ok(found);
        }
        Err(IdentityError::Foreign { file: file.to_owned(), found: found.name, found_id: found.id })
    }

    /// What creation was asked for, by the identity file: an attribute that it was not asked for has no value
    /// here. `None` if that was not recorded.
    ///
    /// # Errors
    ///
    /// [`IdentityError`], if the file cannot be read.
    pub fn born_with(file: &Path) -> Result<Option<Vec<(String, String)>>, IdentityError> {
        let document = document(file)?;
        let stanza = document.find(CREATION, |_| true);
        Ok(stanza.map(|stanza| {
            let text = |setting: miqm_format::stanza::Setting<'_>| {
                (setting.key.to_owned(), setting.value.to_owned())
            };
            stanza.settings().map(text).collect()
        }))
    }

    /// The bytes of the identity file of a queue manager that was created with this.
    pub fn to_bytes_with(&self, birth: &Birth) -> Vec<u8> {
        let mut bytes = self.to_bytes();
        bytes.extend_from_slice(format!("{CREATION}:\n").as_bytes());
        bytes.extend(birth.0.iter().flat_map(|fact| Birth::line(fact).into_bytes()));
        bytes
    }

    /// The bytes of the identity file.
    pub fn to_bytes(&self) -> Vec<u8> {
        format!(
            "# Made when the queue manager was created; never changed. Do not edit or copy.\n\
             {STANZA}:\n   Name={}\n   QMgrId={}\n   Format={FORMAT_VERSION}\n",
            self.name, self.id
        )
        .into_bytes()
    }
}

fn document(file: &Path) -> Result<Document, IdentityError> {
    let bytes = fs::read_limited(file, FILE_BYTES_MAX).map_err(|error| {
        if error.is_not_found() {
            IdentityError::Absent { file: file.to_owned() }
        } else {
            IdentityError::Io(error)
        }
    })?;
    parse(&bytes, file)
}

fn parse(bytes: &[u8], file: &Path) -> Result<Document, IdentityError> {
    Document::parse(bytes).map_err(|source| IdentityError::Syntax { file: file.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Identity, IdentityError> {
        let file = Path::new("/q/qmid");
        Identity::of(&super::parse(text.as_bytes(), file)?, file)
    }

    #[test]
    fn what_it_was_created_with_is_read_back_and_changes_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("qmid");
        let identity = Identity { name: "Q.M/1".parse().unwrap(), id: QmgrId([7; 16]) };
        std::fs::write(&file, identity.to_bytes()).unwrap();
        assert_eq!(Identity::born_with(&file).unwrap(), None);
        for (birth, read) in [
            (vec![], vec![]),
            (
                vec![("A", " a = b ".to_owned()), ("B", String::new())],
                vec![("A", "a = b"), ("B", "")],
            ),
        ] {
            std::fs::write(&file, identity.to_bytes_with(&Birth(birth))).unwrap();
            let read: Vec<_> =
                read.into_iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
            assert_eq!(Identity::born_with(&file).unwrap(), Some(read));
            assert_eq!(Identity::load(&file).unwrap(), identity);
        }
    }

    #[test]
    fn an_identity_reads_what_it_writes() {
        let identity = Identity { name: "Q.M/1".parse().unwrap(), id: QmgrId([7; 16]) };
        let text = String::from_utf8(identity.to_bytes()).unwrap();
        assert_eq!(parse(&text).unwrap(), identity);
    }

    #[test]
    fn damage_and_newer_formats_are_told_apart() {
        let good =
            "QueueManager:\n  Name=Q\n  QMgrId=00000000000000000000000000000000\n  Format=1\n";
        assert!(parse(good).is_ok());
        let bad = |from: &str, to: &str| parse(&good.replace(from, to)).unwrap_err();
        assert!(matches!(bad("Format=1", "Format=2"), IdentityError::Newer { found: 2, .. }));
        for (from, to, at) in [
            ("Format=1", "Format=0", 4),
            ("Format=1", "Format=x", 4),
            ("Format=1", "", 0),
            ("Name=Q", "Name=", 2),
            ("Name=Q", "Name=a b", 2),
            ("000000=", "0=", 0),
            ("Id=00", "Id=0", 3),
        ] {
            if good.replace(from, to) == good {
                continue;
            }
            match bad(from, to) {
                IdentityError::Damaged { line, .. } => assert_eq!(line, at, "{to}"),
                other => panic!("{to}: {other}"),
            }
        }
        assert!(matches!(parse("Name=Q\n"), Err(IdentityError::Syntax { .. })));
        assert!(matches!(parse(""), Err(IdentityError::Damaged { line: 0, .. })));
    }
}
