//! AMQ1200 to AMQ1299: creation, deletion, layout of directories.

macro_rules! create {
    (($($next:ident)*) $($before:tt)*) => { then! { ($($next)*) $($before)*

1200 Info DirectoryMade { path: String }
    "Directory '{path}' created."
    explain "It is the data directory of the queue manager."
    respond "No action is needed." ;

1201 Info AssociatedWith { installation: String }
    "The queue manager is associated with the installation '{installation}'."
    explain "Commands of this installation may start, end and delete it."
    respond "No action is needed." ;

1202 Info MakingObjects { qmgr: QmgrName }
    "Creating or replacing default objects for queue manager '{qmgr}'."
    explain "Every queue manager has objects with names that begin with SYSTEM."
    respond "No action is needed." ;

1203 Warning AutoFromCopies { qmgr: QmgrName, why: String }
    "The automatic settings of queue manager '{qmgr}' come from the copies in its data directory: {why}."
    explain "The file or directory that the stanza AutoConfig names cannot be read on this host, so what was applied at the last start was applied again."
    respond "Put the automatic files where the stanza says on every host." ;

1204 Info CompletingSetup
    "Completing setup."
    explain "What is left of the creation itself is removed."
    respond "No action is needed." ;

1205 Info SetupCompleted
    "Setup completed."
    explain "The queue manager is complete. It is not running."
    respond "Start it with strmqm." ;

1207 Error CreationInterrupted { qmgr: QmgrName }
    "The creation of queue manager '{qmgr}' was interrupted."
    explain "The command was asked to end. All that it had made is removed again."
    respond "No action is needed; the name is free." ;

1208 Severe LeftBehind { notes: String, cause: String }
    "What was made, as noted in '{notes}', could not be removed again: {cause}."
    explain "The creation failed, and then the removal of what it had made."
    respond "Correct the cause; then run crtmqm or dltmqm with the same name, which remove what is left." ;

1209 Error GroupMissing { group: String }
    "The group '{group}' is not defined on this host."
    explain "Use of a queue manager can be restricted only to a group that exists. Nothing was created."
    respond "Create the group on every host, or name another one." ;

1210 Error NotInGroup { user: String, group: String }
    "The user '{user}' is not in the group '{group}'."
    explain "If the use of a queue manager is restricted to a group, whoever creates it and the owner of the installation must be in the group. Nothing was created."
    respond "Add the user to the group, log in anew, and repeat the command." ;

1211 Error NoAutoFiles { path: String }
    "The directory '{path}' has no files of which the names end in .ini."
    explain "It was named as the source of automatic settings."
    respond "Put ini files into it, or name another directory or a file." ;

1212 Error AutoVariable { file: String, line: u64, name: String }
    "Line {line} of '{file}' uses the variable '{name}', which has no value."
    explain "In automatic ini files, what stands between two plus signs is replaced by the value of the variable of that name. Two plus signs in a row stand for one."
    respond "Give the variable a value with -iv, or correct the line." ;

1213 Error AutoFixed { file: String, line: u64, attribute: String }
    "Line {line} of '{file}' sets '{attribute}', which an automatic file cannot set."
    explain "Only creation decides where a queue manager is and which automatic files it has."
    respond "Remove the line." ;

1214 Error AttributeImpossible { why: String }
    "The queue manager cannot have this attribute: {why}."
    explain "A value that was asked for is not one that the attribute of the queue manager can have. Nothing was created."
    respond "Correct the option." ;

1215 Error HalfDeleted { qmgr: QmgrName }
    "The deletion of queue manager '{qmgr}' was begun and did not finish."
    explain "A part of it is gone, so it can neither be started nor created anew."
    respond "Finish the deletion with dltmqm." ;

1216 Error DataLocked { qmgr: QmgrName, file: String }
    "'{file}' of queue manager '{qmgr}' is locked by an instance."
    explain "An instance of the queue manager runs, probably on another host. Nothing was deleted."
    respond "Look with 'dspmq -x' where it runs, and end it there. If it is to go on running there, use rmvmqinf here." ;

1217 Warning DirectoryKept { path: String }
    "The directory '{path}' was kept."
    explain "It holds something that is not the queue manager's, something is mounted there, or its path is a symbolic link. All that was the queue manager's is gone."
    respond "Look what is in it, and remove it if it is not needed." ;

1218 Error LogNotDeletable { path: String, why: String }
    "The log in '{path}' cannot be deleted: {why}."
    explain "The log that the settings of the queue manager name is not there, or is another queue manager's. Nothing was deleted."
    respond "Mount the storage or restore the log. If it is lost for good, correct LogPath in qm.ini, or use rmvmqinf and remove the data directory by hand." ;

1219 Error DeletionUnfinished { qmgr: QmgrName }
    "The deletion of queue manager '{qmgr}' did not finish."
    explain "A part of the queue manager is gone, and nothing can start it any more."
    respond "Correct the cause that the message before this one names, and run dltmqm again." ;

1220 Severe StoreFailed { why: String }
    "The log and the objects could not be made: {why}."
    explain "All that had been made is removed again."
    respond "Correct the cause, and repeat the command." ;

1221 Error LogFilesInAll { files: u64, min: u64, max: u64 }
    "There cannot be {files} log files in all; the number must be between {min} and {max}."
    explain "The sum of primary and secondary log files has limits."
    respond "Choose numbers of which the sum is within the limits." ;

    } };
}
