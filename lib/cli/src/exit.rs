//! The vocabulary of exit codes: interface, shared by all commands, never renumbered.

/// Defines [`Exit`] from the one table of numbers.
macro_rules! exits {
    ($( $name:ident = $code:literal $meaning:literal; )*) => {
        /// How a command can end. The number is what the shell sees.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Exit {
            $( #[doc = $meaning] $name = $code, )*
        }

        impl Exit {
            /// All of them, in ascending order.
            pub const ALL: &'static [Self] = &[$( Self::$name, )*];

            /// What it means, as a sentence.
            pub const fn meaning(self) -> &'static str {
                match self { $( Self::$name => $meaning, )* }
            }
        }
    };
}

exits! {
    Done = 0 "The command did what was asked.";
    LocationInvalid = 1 "The data directory named in the stanza cannot be used.";
    BeingCreated = 3 "The queue manager is being created.";
    ListenerEnded = 4 "The listener was ended by another command.";
    Running = 5 "The queue manager is running.";
    Exists = 8 "The queue manager exists already.";
    Partly = 10 "The command did only a part of what was asked, or has something to warn about.";
    NoSuchQmgr = 16 "The queue manager does not exist.";
    NotDone = 20 "The command could not do its work.";
    LogUnavailable = 23 "The log is not available.";
    OldProcesses = 24 "A process of the previous instance is still there.";
    DirectoryCheck = 25 "The directories could not be created or checked.";
    RunningAsStandby = 26 "The queue manager is running as a standby instance.";
    DataLocked = 27 "The data of the queue manager are locked, probably by another host.";
    NotRecoverable = 28 "The object is set not to be recoverable.";
    DirectoryService = 29 "Deleted, but not removed from a directory service.";
    StandbyStarted = 30 "A standby instance was started; the active instance runs elsewhere.";
    ActivePermitsStandby = 31 "An active instance exists and permits a standby.";
    NotResolved = 32 "The transactions could not be resolved.";
    DirectoryDelete = 33 "The directories could not be deleted.";
    NoResourceManager = 34 "The resource manager is not known.";
    ResourceManagerAvailable = 35 "The resource manager is not permanently unavailable.";
    Arguments = 36 "The arguments are not valid.";
    Usage = 39 "An option or argument is not valid.";
    NotRunning = 40 "The queue manager is not running.";
    ActiveRefusesStandby = 43 "An active instance exists and does not permit a standby.";
    NoStanza = 44 "The stanza does not exist.";
    StanzaExists = 45 "The stanza exists already.";
    AttributeMissing = 46 "A required attribute is missing.";
    StandbysFull = 47 "As many standby instances as are permitted are there already.";
    Stopping = 49 "The queue manager is stopping.";
    Installations = 58 "Installations are mixed in a way that does not work.";
    OtherInstallation = 62 "The queue manager belongs to another installation.";
    NoImage = 66 "The media image is not available.";
    CircularLog = 68 "The log is circular, so media recovery is not possible.";
    NoMemory = 69 "There is not enough memory.";
    NoQueueSpace = 70 "There is no space for queues.";
    Failed = 71 "An unexpected error happened; the message says which.";
    BadName = 72 "The name of the queue manager is not valid or not known.";
    ServiceNotStarted = 74 "The service was not started.";
    NoSwitchover = 77 "The queue manager cannot switch over: there is no standby instance.";
    ActiveNotEnded = 79 "The active instance was not ended.";
    NoSuchTransaction = 85 "The transaction number is not known.";
    StandbyNotEnded = 90 "The standby instance was not ended.";
    LevelOutOfRange = 91 "The command level is out of range.";
    LevelReached = 92 "The queue manager is at the command level, or above it, already.";
    ReplicaStarted = 94 "A replica was started.";
    ProvisionFile = 95 "The provisioning file is not there, not trusted or not valid.";
    Fenced = 96 "The instance ended itself, because it could not prove its hold on the storage any more.";
    StorageFailed = 97 "The instance ended itself after an input or output error on its storage.";
    CheckFailed = 98 "A property that was checked does not hold.";
    SampleUsage = 99 "A required argument of the sample program is missing.";
    LogLocation = 100 "The location of the log is not valid.";
    NoTransactions = 102 "No transactions were found.";
    CreatedNotDefault = 111 "Created, but the entry for the default queue manager could not be written.";
    DeletedStillDefault = 112 "Deleted, but the entry for the default queue manager could not be removed.";
    LogSize = 115 "The size or number of log files is not valid.";
    NotAuthorized = 119 "The user is not authorized to do this.";
    NoObjects = 128 "No objects were processed.";
    NoResources = 131 "A resource ran short.";
    ObjectDamaged = 132 "An object is damaged.";
    TemporaryObject = 135 "A temporary object cannot be recorded or recovered.";
    ObjectInUse = 136 "An object that is in use cannot be recovered.";
}

impl Exit {
    /// The number.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The exit of this number, if the table has it.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.iter().copied().find(|exit| exit.code() == code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_ascend_and_meanings_are_sentences() {
        for pair in Exit::ALL.windows(2) {
            assert!(pair[0].code() < pair[1].code(), "{:?} must stand earlier", pair[1]);
        }
        for exit in Exit::ALL {
            assert!(exit.meaning().ends_with('.') && exit.meaning().is_ascii(), "{exit:?}");
            assert_eq!(Exit::from_code(exit.code()), Some(*exit));
        }
        assert_eq!(Exit::from_code(2), None, "2 is what a shell says about its own errors");
    }
}
