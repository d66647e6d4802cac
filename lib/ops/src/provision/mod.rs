//! `miqm-create`: a queue manager that is as its file in `qmgr.d` asks.
//!
//! Nobody has it: it is created. Another host has it: it is added to the registry of this one. It is here and
//! is right: nothing changes. It contradicts the file: that is an error, and nothing changes either.
//!
//! Two hosts may begin at the same time. A creation takes the one directory that the file means, by `mkdir`
//! and a mark ([`miqm_qmgr::intent`]), so one of them gets it; the other one sees the mark, waits until it is
//! gone, and joins. Nobody joins what can still be undone.

mod compare;
mod file;
mod look;
mod mount;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::time::Duration;

use miqm_format::provision::{Directory, LogKind, Provision};
use miqm_qmgr::config::{ConfigError, SecurityPolicy, Settings};
use miqm_qmgr::env::Env;
use miqm_qmgr::identity::{Identity, IdentityError};
use miqm_qmgr::intent;
use miqm_qmgr::layout::LogDir;
use miqm_qmgr::owner::{self, OwnerError};
use miqm_qmgr::registry::{self, DefaultDamaged, DefaultQmgr, Entry, Registry, RegistryError};
use miqm_sys::clock::{self, BootInstant};
use miqm_sys::{IoError, fs, random};
use miqm_types::{LogManagement, LogType, QmgrName};

use crate::create::{self, CreateError, Request, Stop};
use crate::inf::{self, InfError, NewStanza};
use look::Found;

pub use compare::Contradiction;
pub use file::{FileError, Untrusted, file_name, read};
pub use look::Holder;
pub use miqm_format::provision::{Problem, Provision as Content};

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Order {
    /// The queue manager.
    pub name: QmgrName,
    /// What the file says.
    pub content: Provision,
}

/// How it is asked for.
#[derive(Clone)]
pub struct Manner {
    /// Whether to find out what would be done, and to change nothing.
    pub dry_run: bool,
    /// How long to wait for a creation that is under way elsewhere.
    pub patience: Duration,
    /// Whether to stop.
    pub stop: Stop,
}

/// What was done, or would be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was created.
    Created,
    /// It exists, and was added to the registry of this host.
    Joined,
    /// It was there, and right.
    Unchanged,
}

/// A queue manager that is as its file asks.
#[derive(Debug)]
pub struct Done {
    /// What was done.
    pub outcome: Outcome,
    /// Its data directory.
    pub data: PathBuf,
    /// Its log directory.
    pub log: PathBuf,
    /// How many default objects were created, replaced, and not.
    pub objects: Option<(u64, u64, u64)>,
    /// Whether it was made the default queue manager of this host.
    pub made_default: bool,
    /// Why it is not the default queue manager although it was to be.
    pub not_default: Option<DefaultDamaged>,
    /// The keys of which nobody knows what the queue manager was created with.
    pub not_compared: Vec<&'static str>,
}

/// Why a queue manager is not as its file asks.
#[derive(Debug, thiserror::Error)]
pub enum ProvisionError {
    /// The caller may not.
    #[error(transparent)]
    Owner(#[from] OwnerError),
    /// The registry cannot be read or changed.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// It cannot be created.
    #[error(transparent)]
    Create(CreateError),
    /// It cannot be added to the registry.
    #[error(transparent)]
    Join(InfError),
    /// Its data directory is not there, or is another's.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// Its settings cannot be read.
    #[error(transparent)]
    Settings(#[from] ConfigError),
    /// A file or directory cannot be looked at.
    #[error(transparent)]
    Io(#[from] IoError),
    /// The storage is not mounted.
    #[error("nothing is mounted at {}", path.display())]
    NotMounted {
        /// The mount point that was named, or the directory that is on the file system of `/`.
        path: PathBuf,
        /// Whether the file named the mount point.
        named: bool,
    },
    /// A directory that it was to have is another's.
    #[error("{} is taken", path.display())]
    Taken {
        /// The directory.
        path: PathBuf,
        /// By whom or what.
        by: Holder,
    },
    /// There is more than one directory with this queue manager.
    #[error("{} and {} are both the queue manager's", one.display(), other.display())]
    Ambiguous {
        /// One.
        one: PathBuf,
        /// Another.
        other: PathBuf,
    },
    /// Data and log would be in one directory.
    #[error("data and log are both in {}", path.display())]
    OnePlace {
        /// The directory.
        path: PathBuf,
    },
    /// It is not what the file asks for.
    #[error("it is not what the file asks for")]
    Contradicts(Vec<Contradiction>),
    /// It is being created, for longer than the patience.
    #[error("it is being created: {}", at.display())]
    BeingCreated {
        /// The mark or the notes of that creation, or the directory.
        at: PathBuf,
        /// How long this command waited.
        waited: Duration,
    },
    /// It was asked to stop.
    #[error("interrupted")]
    Interrupted,
}

/// Makes a queue manager as its file asks.
///
/// # Errors
///
/// [`ProvisionError`]. Nothing is changed then, but that the queue manager may have been created or joined
/// without becoming the default one.
pub fn provision(env: &Env, order: &Order, manner: &Manner) -> Result<Done, ProvisionError> {
    owner::authorize(env)?;
    let site = Site { env, order, manner };
    let start = BootInstant::now();
    let mut pause = PAUSE_MIN;
    let mut refused_before = false;
    loop {
        let at = match site.attempt() {
            Ok(Step::Done(done)) => return Ok(*done),
            Ok(Step::Wait(at)) => {
                refused_before = false;
                at
            }
            // Names were read while another host made or removed them: only what is seen twice is so.
            Err(error @ ProvisionError::Taken { .. }) if refused_before => return Err(error),
            Err(ProvisionError::Taken { path, .. }) => {
                refused_before = true;
                path
            }
            Err(error) => return Err(error),
        };
        if (manner.stop)() {
            return Err(ProvisionError::Interrupted);
        }
        let waited = start.elapsed();
        if waited >= manner.patience && !refused_before {
            return Err(ProvisionError::BeingCreated { at, waited });
        }
        // Two hosts that gave way to each other must not do so for ever.
        let share = random::u32()? % 100;
        clock::sleep(pause + pause * share / 100);
        pause = PAUSE_MAX.min(pause * 3 / 2);
    }
}

/// Between two looks, at least and at most.
const PAUSE_MIN: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// How far an attempt came.
enum Step {
    Done(Box<Done>),
    /// Somebody else is at work; this is the trace of it.
    Wait(PathBuf),
}

struct Site<'a> {
    env: &'a Env,
    order: &'a Order,
    manner: &'a Manner,
}

/// A queue manager that exists, whether or not this host knows it.
struct Existing {
    entry: Entry,
    settings: Settings,
    born_with: Option<Vec<(String, String)>>,
}

impl Site<'_> {
    fn attempt(&self) -> Result<Step, ProvisionError> {
        let name = &self.order.name;
        let notes = intent::file_of(self.env, name);
        if !self.manner.dry_run {
            match create::settle_name(self.env, name) {
                Err(CreateError::Busy(_)) => return Ok(Step::Wait(notes)),
                settled => settled.map_err(ProvisionError::Create)?,
            }
        }
        mount::check(&self.env.prefix, &self.order.content)?;
        let registry = Registry::load(self.env)?;
        self.default_is_free(&registry)?;
        match registry.find(name)? {
            Some(entry) => self.is_here(entry.clone()),
            None => self.is_elsewhere_or_nowhere(&registry),
        }
    }

    fn is_here(&self, entry: Entry) -> Result<Step, ProvisionError> {
        inf::own_installation(self.env, &entry).map_err(ProvisionError::Join)?;
        let existing = open(entry)?;
        let not_compared = self.compare(&existing)?;
        self.done(Outcome::Unchanged, &existing, not_compared)
    }

    fn is_elsewhere_or_nowhere(&self, registry: &Registry) -> Result<Step, ProvisionError> {
        let place = self.place(registry)?;
        match look::look(&place, &self.order.name)? {
            Found::Busy(at) => Ok(Step::Wait(at)),
            Found::Taken(path, by) => Err(ProvisionError::Taken { path, by }),
            Found::Nothing => self.create(&place),
            Found::Ours(path) => self.join(&place, path),
        }
    }

    /// Where the file wants it.
    fn place(&self, registry: &Registry) -> Result<Place, ProvisionError> {
        let prefix = match &self.env.default_prefix {
            Some(prefix) => prefix.clone(),
            None => registry.default_prefix()?.unwrap_or_else(|| self.env.prefix.clone()),
        };
        let own = self.order.name.to_dir_component();
        let content = &self.order.content;
        let logs = match registry.log_defaults()?.path {
            Some(path) => path,
            None => self.env.prefix.join("log"),
        };
        let data = Spot::of(content.data.as_ref(), &prefix.join("qmgrs"), &own);
        let log = Spot::of(content.log.as_ref(), &logs, &own);
        let place = Place { prefix, data, log };
        if place.data.path() == place.log.path() || place.is_one() {
            return Err(ProvisionError::OnePlace { path: place.data.path() });
        }
        Ok(place)
    }

    fn create(&self, place: &Place) -> Result<Step, ProvisionError> {
        let request = self.request(place);
        if self.manner.dry_run {
            create::check(self.env, &request).map_err(ProvisionError::Create)?;
            return Ok(Step::Done(Box::new(Done {
                outcome: Outcome::Created,
                data: place.data.path(),
                log: place.log.path(),
                objects: None,
                made_default: request.make_default,
                not_default: None,
                not_compared: Vec::new(),
            })));
        }
        let created = match create::create(self.env, &request, &self.manner.stop) {
            // On this host or on another one somebody was quicker: look again.
            Err(CreateError::Busy(_) | CreateError::Exists(_)) => {
                return Ok(Step::Wait(intent::file_of(self.env, &self.order.name)));
            }
            Err(CreateError::Taken { path, .. }) => return Ok(Step::Wait(path)),
            Err(CreateError::Interrupted) => return Err(ProvisionError::Interrupted),
            other => other.map_err(ProvisionError::Create)?,
        };
        Ok(Step::Done(Box::new(Done {
            outcome: Outcome::Created,
            data: created.data.path().to_owned(),
            log: created.log.path().to_owned(),
            objects: Some(created.objects),
            made_default: request.make_default && created.not_default.is_none(),
            not_default: created.not_default,
            not_compared: Vec::new(),
        })))
    }

    fn join(&self, place: &Place, path: PathBuf) -> Result<Step, ProvisionError> {
        let name = &self.order.name;
        let last = path.file_name().and_then(|last| last.to_str()).unwrap_or_default();
        let entry = Entry {
            name: name.clone(),
            prefix: place.prefix.clone(),
            directory: if place.data.given { name.to_dir_component() } else { last.to_owned() },
            data_path: place.data.given.then(|| path.clone()),
            installation: Some(self.env.installation.name.clone()),
            identity: None,
        };
        let existing = match open(entry) {
            // It went while we looked: what was being made or deleted is made or deleted now.
            Err(ProvisionError::Identity(IdentityError::Absent { .. })) => {
                return Ok(Step::Wait(path));
            }
            other => other?,
        };
        let not_compared = self.compare(&existing)?;
        if !self.manner.dry_run {
            let Entry { name, prefix, directory, data_path, .. } = existing.entry.clone();
            match inf::add(self.env, &NewStanza { name, prefix, directory, data_path }) {
                Err(InfError::Exists(_)) => return Ok(Step::Wait(path)),
                Err(InfError::Unfinished { marker }) => return Ok(Step::Wait(marker)),
                Err(InfError::Location(IdentityError::Absent { .. })) => {
                    return Ok(Step::Wait(path));
                }
                other => other.map_err(ProvisionError::Join)?,
            };
        }
        self.done(Outcome::Joined, &existing, not_compared)
    }

    /// Compares; the keys of which nobody knows.
    fn compare(&self, existing: &Existing) -> Result<Vec<&'static str>, ProvisionError> {
        let birth = create::birth(&self.attributes());
        let compared = compare::compare(&self.order.content, existing, &birth)?;
        if compared.contradictions.is_empty() {
            return Ok(compared.unknown);
        }
        Err(ProvisionError::Contradicts(compared.contradictions))
    }

    fn done(
        &self,
        outcome: Outcome,
        existing: &Existing,
        not_compared: Vec<&'static str>,
    ) -> Result<Step, ProvisionError> {
        Ok(Step::Done(Box::new(Done {
            outcome,
            data: existing.entry.data_dir().path().to_owned(),
            log: LogDir::new(&existing.settings.log.path).path().components().collect(),
            objects: None,
            made_default: self.be_default()?,
            not_default: None,
            not_compared,
        })))
    }

    /// Makes sure that what the file says of the default queue manager can be, before anything is done.
    fn default_is_free(&self, registry: &Registry) -> Result<(), ProvisionError> {
        let Some(asked) = self.order.content.is_default else { return Ok(()) };
        let name = &self.order.name;
        let is = match registry.default_qmgr() {
            DefaultQmgr::Name(other) if asked && other != *name => format!("'{other}'"),
            DefaultQmgr::Name(other) if !asked && other == *name => "this one".to_owned(),
            DefaultQmgr::Damaged { line } => {
                format!("a damaged stanza at line {line} of {}", registry.file().display())
            }
            _ => return Ok(()),
        };
        let asked = if asked { "this one" } else { "another one or none" };
        let line = self.order.content.line_of("default");
        let contradiction = Contradiction { key: "default", line, is, asked: asked.to_owned() };
        Err(ProvisionError::Contradicts(vec![contradiction]))
    }

    /// Makes it the default queue manager if the file says so and it is not; whether it did, or would.
    fn be_default(&self) -> Result<bool, ProvisionError> {
        if self.order.content.is_default != Some(true) {
            return Ok(false);
        }
        let name = &self.order.name;
        let is = |registry: &Registry| registry.default_qmgr() == DefaultQmgr::Name(name.clone());
        let registry = Registry::load(self.env)?;
        if self.manner.dry_run || is(&registry) {
            return Ok(!is(&registry));
        }
        let admin = owner::authorize(self.env)?;
        registry::edit(self.env, admin.maker, |edit| {
            // Somebody may have made another one the default meanwhile.
            self.default_is_free(edit.registry())?;
            if is(edit.registry()) {
                return Ok(false);
            }
            Ok(edit.set_default(name).is_ok())
        })
    }

    fn request(&self, place: &Place) -> Request {
        let given = |spot: &Spot| spot.given.then(|| spot.parent.clone());
        Request {
            data_parent: given(&place.data),
            data_name: Some(place.data.name.clone()),
            log_parent: given(&place.log),
            log_name: Some(place.log.name.clone()),
            ..self.attributes()
        }
    }

    /// The request without the directories.
    fn attributes(&self) -> Request {
        let content = &self.order.content;
        let log_type = |kind| match kind {
            LogKind::Circular => LogType::Circular,
            LogKind::Linear(managed) => LogType::Linear(managed.unwrap_or(LogManagement::Manual)),
        };
        Request {
            description: content.description.clone(),
            default_xmitq: content.default_xmitq.clone(),
            dead_letter: content.dead_letter.clone(),
            max_handles: content.max_handles,
            max_uncommitted: content.max_uncommitted,
            trigger_interval: content.trigger_interval,
            log_type: content.log_kind.map(log_type),
            extent_pages: content.extent_pages,
            primary: content.primary,
            secondary: content.secondary,
            security_policy: content.security_policy.and_then(policy),
            restricted_group: content.application_group.clone(),
            port: content.port,
            make_default: content.is_default == Some(true),
            auto_ini: content.ini.clone(),
            variables: content.variables.clone().unwrap_or_default(),
            ..Request::new(self.order.name.clone())
        }
    }
}

/// Reads what there is of a queue manager.
fn open(entry: Entry) -> Result<Existing, ProvisionError> {
    let data = entry.data_dir();
    Identity::expect(&data.identity(), &entry.name, entry.identity)?;
    let settings = Settings::load(&data.qm_ini())?;
    let born_with = Identity::born_with(&data.identity())?;
    Ok(Existing { entry, settings, born_with })
}

/// The policy of a name in the file.
fn policy(name: &str) -> Option<SecurityPolicy> {
    SecurityPolicy::NAMED.iter().find(|(known, _)| *known == name).map(|(_, policy)| *policy)
}

/// Where a queue manager is to be.
struct Place {
    /// The `Prefix` of its stanza.
    prefix: PathBuf,
    data: Spot,
    log: Spot,
}

impl Place {
    /// Whether two names lead to one directory.
    fn is_one(&self) -> bool {
        let real = |spot: &Spot| fs::canonical(&spot.parent).ok();
        self.data.name == self.log.name
            && real(&self.data).is_some_and(|one| Some(one) == real(&self.log))
    }
}

/// Where a directory is to be.
struct Spot {
    parent: PathBuf,
    name: String,
    /// Whether the file says where.
    given: bool,
    /// Whether the file says how it is called.
    named: bool,
}

impl Spot {
    fn of(asked: Option<&Directory>, default: &Path, own: &str) -> Self {
        let own = own.to_owned();
        match asked {
            None => Self { parent: default.into(), name: own, given: false, named: false },
            Some(Directory::Under(parent)) => {
                Self { parent: parent.clone(), name: own, given: true, named: false }
            }
            Some(Directory::At(path)) => {
                let last = path.file_name().and_then(|last| last.to_str()).unwrap_or_default();
                let parent = path.parent().unwrap_or(path).to_owned();
                Self { parent, name: last.to_owned(), given: true, named: true }
            }
        }
    }

    fn path(&self) -> PathBuf {
        self.parent.join(&self.name)
    }
}
