//! AMQ7000 to AMQ7999: ids that the interface fixes.

macro_rules! ids_7000 {
    (($($next:ident)*) $($before:tt)*) => { then! { ($($next)*) $($before)*

7001 Severe LocationInvalid { path: String, why: String }
    "The location '{path}' cannot hold a queue manager: {why}."
    explain "The directory is missing, is not mounted, or the owner of the installation may not use it."
    respond "Mount or create the directory, give it to the owner of the installation, and repeat the command." ;

7002 Severe FileFailed { operation: String, path: String, cause: String }
    "The operating system refused to {operation} '{path}': {cause}."
    explain "A file or directory of a queue manager could not be worked on. The cause is in the words of the operating system."
    respond "Correct the cause (space, authority, a mount that is read-only) and repeat the command." ;

7005 Error QmgrRunning { qmgr: QmgrName }
    "Queue manager '{qmgr}' is running."
    explain "The queue manager runs on this host, and what was asked for needs it to be stopped or is done already."
    respond "If it must be stopped, end it with endmqm." ;

7006 Error AttributeMissing { attribute: String, stanza: String, file: String, line: u64 }
    "The attribute '{attribute}' is missing from the stanza '{stanza}' at line {line} of '{file}'."
    explain "The stanza cannot be used without the attribute, and there is no default for it."
    respond "Add the attribute to the stanza." ;

7008 Error NameTaken { qmgr: QmgrName }
    "There is a queue manager '{qmgr}' already."
    explain "The name of a queue manager is unique on a host."
    respond "Choose another name, or delete the existing queue manager first." ;

7009 Error DirectoryNameTaken { directory: String, qmgr: QmgrName }
    "There is no free directory name like '{directory}' for queue manager '{qmgr}'."
    explain "The directory of this name exists and is in use, and so do all the names that are tried instead, which end in .000 to .999."
    respond "Remove what is no longer needed, or name another place with -md." ;

7017 Error LogUnavailable { qmgr: QmgrName, why: String }
    "The log of queue manager '{qmgr}' is not available: {why}."
    explain "The queue manager cannot start without its log. Nothing was changed."
    respond "Make the log directory available, or restore it together with the data directory." ;

7018 Error CannotComplete
    "The operation cannot be completed."
    explain "The message before this one says why."
    respond "Do what the message before this one says." ;

7064 Error LogPathInvalid { path: String, why: String }
    "The log path '{path}' cannot be used: {why}."
    explain "The directory for the log is missing, is not a directory, or the owner of the installation may not use it."
    respond "Create the directory, give it to the owner of the installation, or name another one." ;

7065 Error NoSpace { path: String, needed_kib: u64, free_kib: u64 }
    "There is too little space in '{path}': {needed_kib} KiB are needed and {free_kib} KiB are free."
    explain "What was to be created does not fit on the file system."
    respond "Make room, choose another file system, or ask for fewer or smaller log files." ;

7075 Warning AttributeNotKnown { attribute: String, file: String, line: u64 }
    "The attribute '{attribute}' at line {line} of '{file}' is not known."
    explain "The setting has no effect. It is kept as it is."
    respond "Correct the name of the attribute, or remove the line." ;

7077 Error NotAuthorized { user: String }
    "The user '{user}' is not authorized to do this."
    explain "Queue managers are administered by the owner of the installation, by the members of the group mqm, and by root."
    respond "Repeat the command as one of these users." ;

7097 Error LogFileSize { pages: u64, min: u64, max: u64 }
    "A log file cannot have {pages} pages; the number must be between {min} and {max}."
    explain "Log files are made of pages of 4 KiB, and the size cannot be changed later."
    respond "Choose a number within the limits." ;

7098 Error SecondaryLogFiles { files: u64, min: u64, max: u64 }
    "There cannot be {files} secondary log files; the number must be between {min} and {max}."
    explain "The number of secondary log files is limited, and so is the sum of primary and secondary ones."
    respond "Choose a number within the limits." ;

7099 Error PrimaryLogFiles { files: u64, min: u64, max: u64 }
    "There cannot be {files} primary log files; the number must be between {min} and {max}."
    explain "The number of primary log files is limited, and so is the sum of primary and secondary ones."
    respond "Choose a number within the limits." ;

7229 Info LogReplaying { records: u64 }
    "{records} log records accessed during the log replay phase."
    explain "The log is read from the last checkpoint on, to bring everything to the state in which the last instance left it."
    respond "No action is needed." ;

7230 Info LogReplayed { qmgr: QmgrName }
    "Log replay for queue manager '{qmgr}' is complete."
    explain "Everything that had been committed is there again."
    respond "No action is needed." ;

7232 Info TransactionsRecovered { qmgr: QmgrName }
    "Transaction manager state recovered for queue manager '{qmgr}'."
    explain "Units of work that had not been committed are backed out."
    respond "No action is needed." ;

7233 Info InFlightResolved { count: u64 }
    "{count} units of work that were under way have been backed out."
    explain "They had not been committed when the last instance ended."
    respond "No action is needed; their applications have seen an error." ;

7701 Info DumpStarting
    "The display of the log is starting."
    explain "The control file comes first, then the records that were selected."
    respond "No action is needed." ;

7702 Info DumpFinished { records: u64 }
    "The display of the log has finished: {records} records."
    explain "Every record that was selected has been shown."
    respond "No action is needed." ;

7716 Error DumpUnsuccessful
    "The display of the log has finished unsuccessfully."
    explain "Something could not be read. What was shown before is as it lies in the log."
    respond "See the messages before this one." ;

    } };
}
