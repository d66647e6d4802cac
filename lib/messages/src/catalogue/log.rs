//! AMQ1300 to AMQ1399: the recovery log and its display.

macro_rules! log {
    (($($next:ident)*) $($before:tt)*) => { then! { ($($next)*) $($before)*

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
