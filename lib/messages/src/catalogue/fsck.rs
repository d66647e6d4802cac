//! AMQ1800 to AMQ1899: the storage checker.

macro_rules! fsck {
    (($($next:ident)*) $($before:tt)*) => { then! { ($($next)*) $($before)*

1800 Info FsckPassed { directory: String }
    "The tests of '{directory}' completed successfully."
    explain "Everything that was asked for held. What one host cannot show needs the tests on two hosts, and what only a failure can show needs the integrity test."
    respond "Go on with the next test of the procedure in amqmfsck(1)." ;

1801 Error FsckFailed { directory: String, failed: usize }
    "The tests of '{directory}' found what does not hold: checks failed: {failed}."
    explain "A queue manager on this storage could lose data, fail to start, or run twice. Each failed check says what was seen, why it matters and what to change."
    respond "Correct the storage or its mount, then repeat the test. Do not run a queue manager there before it passes." ;

1802 Error FsckNotTested { directory: String, why: String }
    "The tests of '{directory}' could not be completed: {why}."
    explain "Nothing was found that does not hold, but not everything that was asked for could be found out, so there is no verdict."
    respond "Correct the cause and repeat the test." ;

1810 Error FsckNoDirectory { directory: String }
    "Directory '{directory}' does not exist."
    explain "The tests need a directory that exists: they make one of their own in it."
    respond "Check the name. If storage should be mounted there, check the mount." ;

1811 Error FsckNotDirectory { directory: String }
    "What is at '{directory}' is not a directory."
    explain "The tests need a directory, in which they make one of their own."
    respond "Name the directory that is to hold the data or the log of the queue manager." ;

1812 Error FsckLinkLoop { directory: String }
    "The name '{directory}' leads through symbolic links in a circle."
    explain "The name is made of symbolic links of which one leads back to another, so there is no directory behind it."
    respond "Correct the links." ;

1813 Error FsckNotAuthorized { directory: String, call: String, error: String, why: String }
    "User has no permission to test '{directory}': {call} was refused with {error}; {why}."
    explain "The tests make, write and lock files in the directory as the user who runs them. That should be the user who is to run the queue manager."
    respond "Run the command as that user, or correct owner, group and mode of the directory." ;

1814 Error FsckLive { directory: String, file: String, how: String }
    "A queue manager is running in '{directory}', or may be: '{file}' {how}."
    explain "The tests load the storage and take locks. In a directory with a running queue manager, or just above it, only the options that do nothing but read are allowed."
    respond "End the queue manager on all hosts, or test another directory of the same file system. The options --environment and -i only read." ;

1815 Error FsckCallFailed { directory: String, call: String, error: String, text: String }
    "The storage at '{directory}' does not allow what every test needs: {call} failed with {error} ({text})."
    explain "Files must be made in the directory before anything can be tested, and that was refused for another reason than a missing permission."
    respond "Correct what the error says: space, quota, a mount that is read-only, or a server that does not answer properly." ;

1816 Error FsckCallStuck { directory: String, call: String, note: String }
    "The storage at '{directory}' does not answer: {call} did not come back, {note}."
    explain "The operation was given up, not ended: a call on dead storage can often not be ended at all. The process that made it dies when the storage answers."
    respond "See to the mount, the network and the server. The option --call-limit sets how long a call may take." ;

1817 Error FsckHostLost { host: String, why: String }
    "Host {host} takes no part in the test any more: {why}."
    explain "The processes that make the calls on that host cannot be started or reached."
    respond "Correct the cause and repeat the test." ;

1818 Error FsckEnded { directory: String }
    "The tests of '{directory}' were ended by a signal."
    explain "Somebody, or the end of a session, asked the command to end. What it had made was removed."
    respond "Repeat the test if its verdict is needed." ;

1820 Warning FsckLeft { name: String, why: String }
    "'{name}' was left where it is: {why}."
    explain "It has a name of the storage checker, but nothing is removed that is in use, or that the checker cannot have made."
    respond "Look at it. If its run is alive, wait for the end; otherwise remove by hand what nobody needs." ;

1821 Info FsckRemoved { name: String }
    "'{name}' was removed."
    explain "It had been left by a run of the storage checker that did not end in order, or that had been asked to keep it."
    respond "No action is needed." ;

1822 Info FsckNothingToRemove { directory: String }
    "There is nothing to remove in '{directory}'."
    explain "The directory holds nothing that the storage checker has made."
    respond "No action is needed." ;

1823 Error NoSuchCheck { id: String }
    "There is no check '{id}'."
    explain "Checks are selected by their ids, such as lock.exclusive."
    respond "List the checks with amqmfsck --list-checks." ;

1824 Error NoSuchCheckBut { id: String, nearest: String }
    "There is no check '{id}', but there are these: {nearest}."
    explain "Checks are selected by their ids, such as lock.exclusive; those with similar names are listed."
    respond "Choose one of them, or list all with amqmfsck --list-checks." ;

    } };
}
