//! AMQ1100 to AMQ1199: ini files and the registry of queue managers.

macro_rules! registry {
    (($($next:ident)*) $($before:tt)*) => { then! { ($($next)*) $($before)*

1100 Error BadLine { file: String, line: u64, why: String }
    "Line {line} of '{file}' is not valid: {why}."
    explain "The file does not keep to the form of ini files: stanza headers with a colon, settings of the form Key=Value below them, and comments. Nothing was changed."
    respond "Correct the line, or restore the file from a copy." ;

1101 Error BadSetting { file: String, line: u64, attribute: String, value: String, expected: String }
    "Line {line} of '{file}' sets '{attribute}' to '{value}', which is not {expected}."
    explain "The attribute cannot have this value. Nothing was changed."
    respond "Correct the line." ;

1102 Error StanzaRepeated { qmgr: String, file: String, line: u64, first: u64 }
    "Line {line} of '{file}' begins a second stanza for queue manager '{qmgr}'; the first one is at line {first}."
    explain "Which of the two is right cannot be known, so the queue manager cannot be used on this host."
    respond "Remove the wrong one of the two stanzas, or both with rmvmqinf." ;

1103 Error DeadLink { path: String, cause: String }
    "The symbolic link '{path}' does not lead to a usable place: {cause}."
    explain "The link leads nowhere, leads back to itself, or leads to a place that cannot be reached. Nothing was changed."
    respond "Correct or remove the link, or mount what it leads to." ;

1104 Error RegistryBusy { file: String, seconds: u64 }
    "'{file}' has been locked by another command for {seconds} seconds."
    explain "The registry of queue managers is changed by one command at a time, and another one did not finish. Nothing was changed."
    respond "Wait for the other command, or end it, and repeat this one." ;

1105 Error NotForIniFile { file: String, why: String }
    "'{file}' cannot hold this: {why}."
    explain "Ini files are lines of text, so a value cannot have line ends or other control characters, or blanks around it. Nothing was changed."
    respond "Choose another name or path." ;

1106 Error TimesConflict { file: String, why: String }
    "The times in '{file}' do not go together: {why}."
    explain "The times of the lock protocol in the stanza TuningParameters keep two instances from being active at once only if they go together."
    respond "Correct the stanza; qm.ini(5) explains the attributes." ;

1107 Error LogNumbers { file: String, why: String }
    "The log that '{file}' describes is not possible: {why}."
    explain "The size and number of log files have limits."
    respond "Correct the stanza Log or LogDefaults." ;

1108 Error StanzaMissing { qmgr: QmgrName }
    "There is no stanza for queue manager '{qmgr}'."
    explain "The registry of this host, mqs.ini, does not have this name. Names are case sensitive."
    respond "List the known names with dspmq." ;

1109 Error StanzaExists { qmgr: QmgrName }
    "There is a stanza for queue manager '{qmgr}' already."
    explain "The registry of this host, mqs.ini, has this name. Nothing was changed."
    respond "To replace the stanza, remove it first with rmvmqinf." ;

1110 Error AttributeNeeded { attribute: String }
    "The attribute '{attribute}' is required."
    explain "A stanza for a queue manager needs Name, Prefix and Directory. Nothing was changed."
    respond "Give it with -v, as in: addmqinf -v Name=QM1 -v Prefix=/var/mqm -v Directory=QM1." ;

1111 Error AttributeUnknown { attribute: String }
    "A stanza of a queue manager has no attribute '{attribute}' that can be given."
    explain "Name, Prefix, Directory and DataPath can be given. Nothing was changed."
    respond "Correct the name of the attribute." ;

1112 Error AttributeGivenTwice { attribute: String }
    "The attribute '{attribute}' was given more than once."
    explain "Which of the values is meant cannot be known. Nothing was changed."
    respond "Give each attribute once." ;

1113 Error NotAnAssignment { text: String }
    "'{text}' is not of the form Attribute=Value."
    explain "Each -v takes the name of an attribute, an equals sign and a value. Nothing was changed."
    respond "Correct the argument, and quote it if it contains blanks or characters that the shell interprets." ;

1114 Error StanzaTypeUnknown { stanza: String }
    "Stanzas of type '{stanza}' cannot be displayed, added or removed."
    explain "Only stanzas of type QueueManager can."
    respond "Leave -s out, or give it the value QueueManager." ;

1115 Error IdentityAbsent { path: String }
    "'{path}' does not exist, so its directory is not that of a queue manager."
    explain "Every data directory of a queue manager holds this file. It is missing where storage is not mounted, where creation or deletion did not finish, and where the path is wrong. Nothing was changed."
    respond "Mount the storage, or correct the path; look at the directory on a host where the queue manager runs." ;

1116 Error IdentityDamaged { path: String, line: u64, attribute: String }
    "The identity file '{path}' is damaged: '{attribute}' at line {line} is missing or not valid."
    explain "The file tells which queue manager a directory belongs to. It never changes after creation. Nothing was changed."
    respond "Restore the file from a backup of the data directory." ;

1117 Error IdentityNewer { path: String, found: u32, known: u32 }
    "The queue manager of '{path}' has format {found}; this version of miqm handles formats up to {known}."
    explain "A newer version made or changed the queue manager. This version does not touch it, because it could not read all of it."
    respond "Use the newer version on this host, too." ;

1118 Error IdentityForeign { path: String, qmgr: QmgrName, id: QmgrId }
    "The directory of '{path}' belongs to another queue manager, '{qmgr}' with the identity {id}."
    explain "The name or the identity in the directory is not the one that this host knows. Perhaps other storage is mounted there, or the queue manager was deleted and created anew on another host."
    respond "Mount the right storage. If the queue manager was created anew, remove the old stanza on this host with rmvmqinf and add the new one with addmqinf." ;

1119 Info StanzaAdded { qmgr: QmgrName }
    "The stanza for queue manager '{qmgr}' was added."
    explain "This host knows the queue manager now."
    respond "Start it with strmqm." ;

1120 Info StanzaRemoved { qmgr: QmgrName }
    "The stanza for queue manager '{qmgr}' was removed."
    explain "This host does not know the queue manager any more. Its data and logs are untouched."
    respond "No action is needed." ;

1121 Warning DefaultDamaged { file: String, line: u64 }
    "The stanza DefaultQueueManager at line {line} of '{file}' cannot be processed."
    explain "The stanza has no valid Name, or there is more than one such stanza. It was left as it is."
    respond "Correct the stanza, so that there is one with the Name of a queue manager, or remove it." ;

1122 Error OtherInstallation { qmgr: QmgrName, installation: String }
    "Queue manager '{qmgr}' belongs to the installation '{installation}'."
    explain "The attribute InstallationName of its stanza in mqs.ini names another installation than the one whose command this is. Nothing was changed."
    respond "Run the command of that installation." ;

    } };
}
