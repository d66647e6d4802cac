//! AMQ1930 to AMQ1959: provisioning from files.

macro_rules! provision {
    (($($next:ident)*) $($before:tt)*) => { then! { ($($next)*) $($before)*

1930 Error CreationUnfinished { marker: String }
    "'{marker}' marks a creation of this queue manager that has not ended."
    explain "A creation, perhaps on another host, fills this directory, or was killed while it did. It may still remove what is there. Nothing was changed."
    respond "Wait until the creation has ended. If it was killed, run crtmqm or miqm-create for this queue manager on the host where it ran, which completes or removes it. Only if that host is gone for good, remove the file." ;

1931 Error ProvisionNoFile { file: String }
    "There is no provisioning file '{file}'."
    explain "A queue manager is provisioned from the file in qmgr.d that has its name, escaped as units are. Nothing was changed."
    respond "Write the file as qmgr.d(5) explains, or name another one with --file." ;

1932 Error ProvisionUntrusted { path: String, why: String }
    "The provisioning file is not used, because '{path}' is not safe: {why}."
    explain "What the file asks for is done with the rights of the user who runs the command, so nobody else than root, the owner of the installation and its group may be able to write it or the directory that it is in. Nothing was changed."
    respond "Look whether the file is as it should be; then give it to root, and take the right to write from others." ;

1933 Error ProvisionTooLong { file: String, bytes: u64 }
    "The provisioning file '{file}' is longer than {bytes} bytes."
    explain "No provisioning file needs to be so long, so this is not one. Nothing was changed."
    respond "Look what the file is." ;

1934 Error ProvisionWrong { file: String, line: u64, column: u64, why: String }
    "'{file}:{line}:{column}': {why}."
    explain "The provisioning file says something that cannot be understood or done; after its name come the line and the character in it. Nothing was changed."
    respond "Correct the line; qmgr.d(5) explains the keys. 'miqm-create --dry-run' tells whether the file is good." ;

1935 Error NothingMounted { path: String }
    "Nothing is mounted at '{path}', where the provisioning file wants a mount."
    explain "The storage of the queue manager is not there. Nothing was made, so that nothing lies hidden below the mount later."
    respond "Mount the storage, and repeat the command; for a unit, see that the mount is in /etc/fstab or a unit of its own. If the path is not to be a mount point, correct paths.require-mount." ;

1936 Error OnRootFileSystem { path: String }
    "'{path}' is on the file system of the root directory, so the storage for it is not mounted."
    explain "A directory outside of the prefix is named because other storage is to be mounted there. Nothing was made, so that nothing lies hidden below the mount later."
    respond "Mount the storage, and repeat the command. If the directory is meant to be on the file system of the root directory, set paths.require-mount to false." ;

1937 Error DirectoryInUse { path: String, why: String }
    "The queue manager cannot have the directory '{path}': {why}."
    explain "The provisioning file means just this directory, and it is used by something else. Nothing was changed."
    respond "Look what is in it. Remove it if it is not needed, or name another directory in the provisioning file." ;

1938 Error TwoDirectories { qmgr: QmgrName, one: String, other: String }
    "Both '{one}' and '{other}' are data directories of queue manager '{qmgr}'."
    explain "Which of two queue managers of the same name is meant nobody can know. Nothing was changed."
    respond "Name the right one with paths.data in the provisioning file. If the other one is a copy, move it elsewhere." ;

1939 Error OneDirectory { path: String }
    "The data and the log cannot both be in '{path}'."
    explain "The provisioning file names one directory for both. Nothing was changed."
    respond "Name two directories." ;

1940 Error Contradiction { key: String, is: String, file: String, line: u64, asked: String }
    "For '{key}' there is {is}, but line {line} of '{file}' asks for {asked}."
    explain "The queue manager exists and is not what the provisioning file asks for. A queue manager is never changed to fit the file. Nothing was changed."
    respond "Correct the file, or change the queue manager: attributes with MQSC commands, settings in qm.ini, directories and log only by creating it anew. If commands have changed an attribute, leave the value of its creation in the file." ;

1941 Error StillBeingCreated { qmgr: QmgrName, at: String, seconds: u64 }
    "Queue manager '{qmgr}' is still being created elsewhere after {seconds} seconds, as '{at}' shows."
    explain "Another command, perhaps on another host, is creating the queue manager or deleting one in its directory, or was killed while it did. Nothing was changed."
    respond "Wait until it has ended, and repeat the command. If it was killed, run crtmqm or miqm-create for this queue manager on the host where it ran, which completes or removes it. Only if that host is gone for good, remove the directory." ;

1942 Info QmgrJoined { qmgr: QmgrName, path: String }
    "Queue manager '{qmgr}' in '{path}' was added to this host."
    explain "Another host has created it, and this host can run an instance of it now."
    respond "No action is needed." ;

1943 Info QmgrAsAsked { qmgr: QmgrName, file: String }
    "Queue manager '{qmgr}' is as '{file}' asks, and was not changed."
    explain "The queue manager exists, this host knows it, and nothing of it contradicts the file."
    respond "No action is needed." ;

1944 Info MadeDefault { qmgr: QmgrName }
    "Queue manager '{qmgr}' is the default queue manager of this host now."
    explain "Commands without the name of a queue manager mean this one."
    respond "No action is needed." ;

1945 Info WouldCreate { qmgr: QmgrName, data: String, log: String }
    "Queue manager '{qmgr}' would be created, with its data in '{data}' and its log in '{log}'."
    explain "Nobody has the queue manager, and nothing is known that would prevent its creation."
    respond "Repeat the command without --dry-run to create it." ;

1946 Info WouldJoin { qmgr: QmgrName, path: String }
    "Queue manager '{qmgr}' in '{path}' would be added to this host."
    explain "Another host has created it, and it is as the file asks."
    respond "Repeat the command without --dry-run to add it." ;

1947 Info WouldBeDefault { qmgr: QmgrName }
    "Queue manager '{qmgr}' would become the default queue manager of this host."
    explain "The file asks for it, and this host has no default queue manager."
    respond "Repeat the command without --dry-run to make it so." ;

1948 Info NotCompared { keys: String }
    "What the queue manager was created with was not recorded, so these keys were not compared: {keys}."
    explain "Commands change these attributes, so what counts for them is what the queue manager was created with. Queue managers of versions without provisioning have no record of it."
    respond "No action is needed." ;

1949 Error ProvisionInterrupted { qmgr: QmgrName }
    "The provisioning of queue manager '{qmgr}' was interrupted."
    explain "The command was asked to end. All that it had made is removed again."
    respond "Repeat the command when it may run." ;

    } };
}
