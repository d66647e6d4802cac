//! AMQ1300 to AMQ1399: the recovery log and its display.

macro_rules! log {
    (($($next:ident)*) $($before:tt)*) => { then! { ($($next)*) $($before)*

1310 Error LogPlaceDamaged { path: String, offset: u64, what: String }
    "'{path}' is damaged at offset {offset}: {what}."
    explain "What was durable there is not what it was. The display of the log goes on after the damaged place."
    respond "If recovery needs that place, the queue manager cannot start: restore the file, or the whole queue manager, from a copy. Check the storage with amqmfsck." ;

1312 Error LogNotLinear
    "Extents of a circular log cannot be selected by number."
    explain "The files of a circular log are used again, so a number selects nothing that lasts."
    respond "Start at a position with -s, or at the base of the log with -b." ;

1313 Error LogExtentUnknown { extent: String }
    "The extent '{extent}' is not part of the log."
    explain "The log has no file of that number, or the file was prepared and has not been used."
    respond "Look into the directory of the log for the numbers there are." ;

1314 Error LogStartBelowBase { base: Lsn }
    "The log begins at {base}, after the position to start at."
    explain "What a circular log held before that has been overwritten, or will be."
    respond "Start at a later position, or at the base of the log with -b." ;

1317 Error LogFileNewer { path: String, version: u32 }
    "'{path}' has format version {version}, which this program does not know."
    explain "A newer version of this program wrote it."
    respond "Use the version that wrote it, or a later one." ;

1318 Error LogHeld { path: String }
    "'{path}' is held by an instance."
    explain "An instance of the queue manager runs, on this host or on another one, or is starting."
    respond "End the queue manager first: 'dspmq -x' tells where it runs." ;

1340 Info DumpedObjects { objects: u64 }
    "The display of the saved objects has finished: {objects} objects."
    explain "Every object that the latest checkpoint saved has been shown. What has changed since is in the records of the log."
    respond "No action is needed." ;

1341 Severe ObjectsUnreadable { why: String }
    "The saved objects cannot be displayed: {why}."
    explain "The file that the latest checkpoint names is missing, damaged, or of a newer version."
    respond "Restore the data directory and the log directory together from a copy of the same moment." ;

1350 Severe LogDamaged { qmgr: QmgrName, path: String, offset: u64, what: String }
    "'{path}' of queue manager '{qmgr}' is damaged at offset {offset}: {what}."
    explain "Bytes that had been made durable are not what they were. The queue manager does not start from them, because work that was acknowledged would be missing. Nothing was changed."
    respond "Look at the storage. Restore the data directory and the log directory together from a copy of the same moment; dmpmqlog shows what can still be read." ;

1351 Severe LogFileMissing { qmgr: QmgrName, path: String }
    "'{path}', which queue manager '{qmgr}' needs, does not exist."
    explain "A file or directory of the log is missing, or the storage is not mounted. Nothing was changed."
    respond "Mount the storage, or restore the data directory and the log directory together from a copy of the same moment." ;

1352 Severe LogForeign { qmgr: QmgrName, path: String, whose: String }
    "'{path}' is not a file of queue manager '{qmgr}' but of {whose}."
    explain "The identity in the file is another one. Somebody has mixed the directories of two queue managers, or restored only one of the two directories."
    respond "Correct LogPath in qm.ini, or restore the directories that belong together." ;

1353 Severe LogNewer { qmgr: QmgrName, path: String, version: u32 }
    "'{path}' of queue manager '{qmgr}' has format version {version}, which this version of the program does not know."
    explain "A newer version has run this queue manager. Nothing was changed."
    respond "Start it with the newer version." ;

1354 Severe LevelNewer { qmgr: QmgrName, why: String }
    "Queue manager '{qmgr}' has run with a newer version of the program: {why}."
    explain "A queue manager is never started with an older version than it has run with. Nothing was changed."
    respond "Start it with the newer version." ;

1355 Error LevelRefused { qmgr: QmgrName, why: String }
    "The command level of queue manager '{qmgr}' was not raised: {why}."
    explain "A command level can only be raised, and only as far as this version has levels."
    respond "Look with dspmqver at the highest command level of this version." ;

    } };
}
