//! Making the directories, files, log and objects of a new queue manager.

use std::sync::Arc;

use miqm_engine as engine;
use miqm_format::lockrec::{LockRecord, State};
use miqm_format::stanza::{BadEdit, Document};
use miqm_qmgr::autoconf;
use miqm_qmgr::config::{Initial, Settings, initial};
use miqm_qmgr::env::Env;
use miqm_qmgr::identity::{Birth, Identity};
use miqm_qmgr::intent::Intent;
use miqm_qmgr::layout::{DIR_MODE, DataDir, FILE_MODE, INI_MODE, LogDir};
use miqm_qmgr::owner::Admin;
use miqm_qmgr::registry::{Entry, Registry, RegistryError};
use miqm_sys::clock::BootInstant;
use miqm_sys::disk::RealDir;
use miqm_sys::{IoError, fs, proc, random};
use miqm_types::{Epoch, InstanceId, Lsn, QmgrId, UtcTime};
use miqm_wal as wal;

use super::disk::Stoppable;
use super::place::{Purpose, Taken, Unusable, take, try_take};
use super::{CreateError, Created, Plan, Request, Stop, in_registry, make_parent, register};

/// A creation at work.
pub(super) struct Work<'a> {
    pub(super) env: &'a Env,
    pub(super) request: &'a Request,
    pub(super) admin: &'a Admin,
    pub(super) plan: &'a Plan,
    pub(super) stop: &'a Stop,
    pub(super) id: QmgrId,
}

/// The attributes of the new queue manager: the defaults and what was asked for.
pub(super) fn attributes(request: &Request, at: UtcTime) -> Result<engine::Object, CreateError> {
    let mut qmgr = engine::new_qmgr(&request.name, at);
    let number = |value: Option<u32>| value.map(|value| value.to_string());
    let given = [
        ("DESCR", request.description.clone()),
        ("DEFXMITQ", request.default_xmitq.as_ref().map(ToString::to_string)),
        ("DEADQ", request.dead_letter.as_ref().map(ToString::to_string)),
        ("MAXHANDS", number(request.max_handles)),
        ("MAXUMSGS", number(request.max_uncommitted)),
        ("TRIGINT", number(request.trigger_interval)),
    ];
    for (keyword, value) in given {
        if let Some(value) = value {
            qmgr.set(keyword, &value)?;
        }
    }
    Ok(qmgr)
}

/// What the request asks for that commands can change later, by the names of the identity file.
pub(crate) fn birth(request: &Request) -> Birth {
    let number = |value: Option<u32>| value.map(|value| value.to_string());
    let queue = |value: &Option<miqm_types::ObjectName>| value.as_ref().map(ToString::to_string);
    let given = [
        ("Description", request.description.clone()),
        ("DefaultTransmissionQueue", queue(&request.default_xmitq)),
        ("DeadLetterQueue", queue(&request.dead_letter)),
        ("MaxHandles", number(request.max_handles)),
        ("MaxUncommittedMessages", number(request.max_uncommitted)),
        ("TriggerInterval", number(request.trigger_interval)),
        ("ListenerPort", number(request.port.map(u32::from))),
    ];
    Birth(given.into_iter().filter_map(|(key, value)| Some((key, value?))).collect())
}

impl Work<'_> {
    fn go_on(&self) -> Result<(), CreateError> {
        if (self.stop)() { Err(CreateError::Interrupted) } else { Ok(()) }
    }

    pub(super) fn build(&mut self, intent: &mut Intent) -> Result<Created, CreateError> {
        self.go_on()?;
        let registry = Registry::load(self.env)?;
        let data = self.take(Purpose::Data, intent, &registry)?;
        self.go_on()?;
        let log = self.take(Purpose::Log, intent, &registry)?;
        let data_dir = DataDir::new(&data.place.path);
        let log_dir = LogDir::new(&log.place.path);
        self.apart(&data_dir, &log_dir)?;

        let settings = self.fill_data(&data_dir, &log_dir)?;
        let store = self.make_store(&data_dir, &log_dir, &settings)?;
        self.go_on()?;
        self.seal(&data_dir, store.end)?;
        self.go_on()?;

        let entry = Entry {
            name: self.request.name.clone(),
            prefix: self.plan.prefix.clone(),
            // A directory that was named may be called otherwise than the queue manager.
            directory: match &self.request.data_name {
                Some(_) if self.request.data_parent.is_some() => {
                    self.request.name.to_dir_component()
                }
                _ => data.directory,
            },
            data_path: self.request.data_parent.is_some().then(|| data.place.path.clone()),
            installation: Some(self.env.installation.name.clone()),
            identity: Some(self.id),
        };
        let not_default = register(self.env, self.request, self.admin, &entry)?;
        let counts = store.counts;
        Ok(Created {
            entry,
            data: data_dir,
            log: log_dir,
            objects: (counts.created, counts.replaced, counts.failed),
            not_default,
        })
    }

    fn take(
        &self,
        purpose: Purpose,
        intent: &mut Intent,
        registry: &Registry,
    ) -> Result<Taken, CreateError> {
        let request = self.request;
        let (parent, given, only) = match purpose {
            Purpose::Data => (&self.plan.data_parent, &request.data_parent, &request.data_name),
            Purpose::Log => (&self.plan.log_parent, &request.log_parent, &request.log_name),
        };
        if given.is_none() {
            let unusable = |error| CreateError::Location {
                purpose,
                path: parent.clone(),
                why: Unusable::Refused(error),
            };
            make_parent(parent, self.admin).map_err(unusable)?;
        }
        if purpose == Purpose::Log {
            space(self.plan, parent)?;
        }
        let is_taken = |path: &std::path::Path| in_registry(registry, path);
        if let Some(directory) = only {
            let path = parent.join(directory);
            let place = if is_taken(&path) {
                None
            } else {
                try_take(&path, purpose, self.admin, intent, self.id)?
            };
            let place = place.ok_or(CreateError::Taken { purpose, path })?;
            return Ok(Taken { directory: directory.clone(), place });
        }
        take(parent, &request.name, purpose, self.admin, intent, self.id, is_taken)
    }

    /// A log in the data directory would go with it.
    fn apart(&self, data: &DataDir, log: &LogDir) -> Result<(), CreateError> {
        let inside = fs::canonical(log.path())?.starts_with(fs::canonical(data.path())?);
        if inside {
            return Err(CreateError::Location {
                purpose: Purpose::Log,
                path: self.plan.log_parent.clone(),
                why: Unusable::InData,
            });
        }
        Ok(())
    }

    /// Makes the directories and files of the data directory, but for the identity.
    fn fill_data(&self, data: &DataDir, log: &LogDir) -> Result<Settings, CreateError> {
        let maker = Some(self.admin.maker);
        for name in DataDir::SUBDIRS {
            self.go_on()?;
            fs::make_dir(&data.path().join(name), DIR_MODE, maker)?;
        }
        fs::make_dir(&log.active(), DIR_MODE, maker)?;
        self.go_on()?;

        let mut document = self
            .settings(log)
            .map_err(|source| RegistryError::Edit { file: data.qm_ini(), source })?;
        autoconf::apply(&mut document, &self.plan.auto, &self.request.variables)?;
        let settings = Settings::of(&document, &data.qm_ini())?;
        self.write(&data.qm_ini(), &document.to_bytes())?;
        autoconf::keep(data, &self.plan.auto, self.admin.maker)?;
        self.write(&data.qmstatus_ini(), self.status_text().as_bytes())?;
        for path in [data.active(), data.standby()] {
            self.go_on()?;
            fs::create_new(&path, FILE_MODE, maker).map(drop)?;
        }
        Ok(settings)
    }

    fn write(&self, path: &std::path::Path, bytes: &[u8]) -> Result<(), CreateError> {
        self.go_on()?;
        Ok(fs::replace(path, bytes, INI_MODE, Some(self.admin.maker))?)
    }

    fn settings(&self, log: &LogDir) -> Result<Document, BadEdit> {
        initial(&Initial {
            prefix: self.plan.prefix.clone(),
            log_path: log.path().to_owned(),
            geometry: self.plan.geometry,
            log_type: self.plan.log_type,
            buffer_pages: self.plan.buffer_pages,
            security_policy: self.request.security_policy,
            restricted_group: self.request.restricted_group.clone(),
            auto_ini: self.request.auto_ini.clone(),
            variables: self.request.variables.clone(),
        })
    }

    /// For people and monitors; nothing depends on it, and it never changes.
    fn status_text(&self) -> String {
        format!(
            "QMStatus:\n   Name={}\n   QMgrId={}\n   CreatedOn={}\n   CreatedBy={}\n",
            self.request.name, self.id, self.env.host, self.env.installation.version
        )
    }

    fn make_store(
        &self,
        data: &DataDir,
        log: &LogDir,
        settings: &Settings,
    ) -> Result<engine::Created, CreateError> {
        let open = |path: &std::path::Path| -> Result<Stoppable<RealDir>, IoError> {
            let inner = RealDir::open(path, Some(self.admin.maker))?;
            Ok(Stoppable { inner, stop: Arc::clone(self.stop) })
        };
        let dirs = engine::Dirs {
            log: open(log.path())?,
            active: open(&log.active())?,
            objects: open(&data.objects())?,
        };
        let creation = engine::Creation {
            log: wal::Creation {
                name: self.request.name.clone(),
                qmgr: self.id,
                salt: random::u32()?,
                geometry: settings.log.geometry,
                log_type: settings.log.log_type,
            },
            qmgr: self.plan.qmgr.clone(),
            port: self.request.port,
            at: self.plan.at,
            end_state: State::EndedNormally as u8,
        };
        let activation = wal::Activation {
            instance: InstanceId(self.id.0),
            hold: Arc::new(Unshared),
            files: None,
            body: self.env.host.as_str().as_bytes(),
            background: false,
        };
        let made = engine::create(dirs, &creation, activation);
        Ok(made.map_err(Box::new)?)
    }

    /// Writes how the creation ended into `master`, where everybody looks for how the queue manager
    /// is, and then the identity, with which it can be started.
    fn seal(&self, data: &DataDir, durable_lsn: Lsn) -> Result<(), CreateError> {
        let maker = Some(self.admin.maker);
        let pid = proc::pid();
        let record = LockRecord {
            state: State::EndedNormally,
            permits_standby: false,
            multi_instance: false,
            successor_wanted: false,
            host: self.env.host.clone(),
            pid,
            pid_started: proc::start_time(pid).unwrap_or(0),
            boot_id: proc::boot_id()?,
            instance_id: InstanceId(self.id.0),
            qmgr_id: self.id,
            epoch: Epoch(1),
            since: self.plan.at,
            beats: 0,
            beat_time: self.plan.at,
            durable_lsn,
        };
        let path = data.master();
        let file = fs::create_new(&path, FILE_MODE, maker)?;
        fs::write_all_at(&file, &path, &record.encode(), 0)?;
        fs::sync_all(&file, &path)?;
        fs::close(file, &path);
        for path in [data.active(), data.standby()] {
            fs::sync_all(&fs::open_rw(&path)?, &path)?;
        }
        self.go_on()?;
        let identity = Identity { name: self.request.name.clone(), id: self.id };
        Ok(fs::replace(
            &data.identity(),
            &identity.to_bytes_with(&birth(self.request)),
            INI_MODE,
            maker,
        )?)
    }
}

/// Makes sure that there is space for the log.
pub(super) fn space(plan: &Plan, parent: &std::path::Path) -> Result<(), CreateError> {
    let needed_bytes = u64::from(plan.geometry.primary()) * plan.geometry.extent_bytes();
    let free_bytes = fs::free_bytes(parent)?;
    if free_bytes < needed_bytes {
        return Err(CreateError::NoSpace { path: parent.into(), needed_bytes, free_bytes });
    }
    Ok(())
}

/// The hold on directories that nobody else knows of.
struct Unshared;

impl wal::Hold for Unshared {
    fn before_write(&self) -> Result<(), wal::Lost> {
        Ok(())
    }

    fn before_ack(&self, _: BootInstant) -> Result<(), wal::Lost> {
        Ok(())
    }

    fn proven(&self, _: BootInstant) {}
}
