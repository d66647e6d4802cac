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

1830 Info FsckSecondCopy { limit: u64, silence: u64 }
    "Start a second copy of this command with the same options on another host, within {limit} seconds; after {silence} seconds without a sign of life a copy counts as dead."
    explain "This test needs two hosts. The copies find each other through files in the directory; it does not matter which one is first."
    respond "Start the other copy, or end this one. The option --wait sets how long it waits; half of --limit is how long a copy may be silent." ;

1831 Info FsckStillWaiting { waited: u64, limit: u64 }
    "Waiting for the second copy: {waited} of {limit} seconds have passed."
    explain "No copy of the checker with the same options has been seen in the directory yet."
    respond "Start the second copy. If it is running, it sees another directory, or its changes are not visible here." ;

1832 Info FsckFound { host: String }
    "Found the second copy on host {host}."
    explain "A living copy that was asked for the same was found, and both agree to work together."
    respond "No action is needed." ;

1833 Info FsckDirects { host: String }
    "Testing with host {host}; this copy directs."
    explain "One of the two copies makes the checks, and lets the other one make calls on its host. Both show the verdict."
    respond "Wait for the verdict." ;

1834 Info FsckServes { host: String }
    "Testing with host {host}; the copy there directs."
    explain "One of the two copies makes the checks, and lets the other one make calls on its host. Both show the verdict."
    respond "Wait for the verdict." ;

1835 Warning FsckSameHost { host: String }
    "The second copy runs on this host, too, as host {host}: what is found says nothing about two hosts."
    explain "Both copies run under one kernel, which has one view of the storage."
    respond "Start the second copy on another host. If you only want to see how the test works, add --one-host: without it, two copies that use one mount end with 20." ;

1836 Error FsckNobody { directory: String, seconds: u64 }
    "No second copy has come to '{directory}' within {seconds} seconds."
    explain "The test needs a copy of this command with the same options on another host, and none was seen in the directory."
    respond "Start both copies on the same directory. If both were running, the hosts do not see each other's files: compare the mounts on both." ;

1837 Error FsckDiffers { why: String }
    "The copies do not fit together: {why}."
    explain "A living copy was found in the directory, but it was asked for something else or is of another version."
    respond "Start both copies with the same options and the same version." ;

1838 Info FsckDeadCopy { host: String }
    "There are files of a copy on host {host} that shows no sign of life."
    explain "They were left by a copy that was killed, or whose host is down. They do not disturb this test."
    respond "No action is needed; amqmfsck -x removes them when they are old enough." ;

1839 Info FsckDeadCopyRemoved { host: String }
    "Files of a dead copy on host {host} were removed."
    explain "A copy that was killed had left them, and it is certain that it is dead."
    respond "No action is needed." ;

1840 Info FsckBusy { one: String, other: String }
    "Hosts {one} and {other} are testing in the same directory."
    explain "Two other copies have found each other there. They and this copy do not disturb each other, but may be slower."
    respond "No action is needed." ;

1841 Info FsckOtherTest { host: String }
    "A copy on host {host} is in the same directory with other options."
    explain "Copies work together only if they were asked for the same."
    respond "Start the second copy with the same options as this one." ;

1842 Warning FsckStrange { name: String }
    "'{name}' has a name of the storage checker and is not one of its files."
    explain "Its content was not written by this program, so it is neither used nor removed."
    respond "Find out who made it, and remove it if nobody needs it." ;

1843 Warning FsckUnheard { host: String }
    "Host {host} did not confirm that it has heard the verdict."
    explain "What was found holds all the same; the copy on that host may show no verdict."
    respond "See to the copy on that host if it is still running." ;

1844 Info FsckConnecting { host: String }
    "Connecting to host {host}."
    explain "The second copy is started over ssh, which may ask for a password or a confirmation."
    respond "Answer what ssh asks." ;

1845 Info FsckSending { host: String }
    "Sending the checker to host {host}, which has none that fits."
    explain "The program is put into a private directory there, and is removed when the test is over."
    respond "No action is needed." ;

1846 Error FsckNotConnected { why: String }
    "There is no connection to the second host: {why}."
    explain "The second copy could not be started over ssh."
    respond "Try ssh to that host by hand, as this user and without a password. If no checker is installed there, install one, or have the static miqm-fsck beside this program." ;

1847 Info FsckLockHeld { file: String }
    "This copy holds the lock of {file}."
    explain "The first copy takes the lock, and keeps it until all automatic checks are over."
    respond "Start the second copy." ;

1848 Info FsckLockWaits { file: String }
    "Waiting for the lock of {file}, which another copy holds."
    explain "The lock is asked for all the time, as a standby instance does."
    respond "No action is needed until the other copy asks for ENTER." ;

1849 Warning FsckLockCannot { file: String, why: String }
    "The lock of {file} cannot be had: {why}."
    explain "The part of the test in which people release a lock is not made."
    respond "Look at what the automatic checks say of locks." ;

1850 Info FsckLockPress { seconds: u64 }
    "The lock is held: press ENTER to release it, or end this copy or its host; it is released after {seconds} s."
    explain "Whatever happens to this copy, the other one must get the lock soon after."
    respond "Press ENTER, or kill this copy, or fail its host, to see how long it takes." ;

1851 Info FsckLockWait { host: String }
    "The lock is to be released on host {host}: press ENTER there, or end that copy or its host."
    explain "This copy asks for the lock all the time and tells when it has it."
    respond "Go to the other host." ;

1852 Info FsckLockReleased { host: String }
    "The lock was released on host {host}."
    explain "Now the other copy must get it."
    respond "Wait until the other copy has the lock." ;

1853 Info FsckLockOtherGone { host: String, why: String }
    "The copy on host {host} is gone: {why}; waiting for its lock."
    explain "The storage must release the lock of a process or host that died."
    respond "Wait; it is told how long it takes." ;

1854 Info FsckLockGot { host: String }
    "The lock was acquired on host {host}."
    explain "It has changed hands."
    respond "No action is needed." ;

1860 Warning FsckReduced { asked: u64, pages: u64 }
    "The test file has {pages} pages and not {asked}, because all would take too long to format."
    explain "The size is reduced so that formatting ends within the limit on slow storage, too."
    respond "To have all of them, remove the file with -x and format it with a larger --limit." ;

1861 Info FsckWaitingForLock { holder: String }
    "Waiting for the lock, which host {holder} holds."
    explain "Another copy appends pages. This one takes over when that copy ends, or when its host fails."
    respond "Inject the failure that is to be tested, or end the other copy." ;

1862 Info FsckTaken { epoch: u32, sequence: u64 }
    "The lock was acquired: epoch {epoch}, after sequence {sequence}; appending."
    explain "What the copy before had acknowledged was verified before the lock was used."
    respond "Start a second copy of this command on another host if it is not running. Then inject the failure, or end this copy." ;

1863 Info FsckTakenOver { from: String, epoch: u32, sequence: u64, seconds: String }
    "The lock was taken over from host {from} after {seconds} s: epoch {epoch}, after sequence {sequence}; appending."
    explain "The time is counted from the last sign of the copy that had the lock before."
    respond "Inject the next failure, or end this copy; then verify with amqmfsck -i." ;

1864 Warning FsckStalled { host: String, seconds: u64 }
    "The storage has not answered on host {host} for {seconds} seconds."
    explain "That is what a failure of the server or the network looks like from a host. The test goes on when it answers."
    respond "If that is the failure that was injected, wait; otherwise see to the server and the network." ;

1865 Info FsckRecovered { host: String, seconds: String }
    "The storage answers again on host {host} after {seconds} s."
    explain "The call that was waiting came back."
    respond "No action is needed." ;

1866 Info FsckAppended { sequence: u64, count: u64 }
    "Appending ended after sequence {sequence}; {count} pages were acknowledged by this copy."
    explain "Every acknowledged page must be there when the files are verified."
    respond "Verify with amqmfsck -i." ;

1867 Error FsckBadWitness { file: String, why: String }
    "The witness '{file}' cannot be used: {why}."
    explain "A witness is a file outside of the storage that is tested. It is told what was acknowledged."
    respond "Name a file on another file system that this user may write." ;

1868 Error FsckOtherPages { pages: u64, asked: u64 }
    "The test file is formatted with {pages} pages, and {asked} were asked for."
    explain "The option -p must agree with what the file was formatted with; it can be left out."
    respond "Leave -p out, or remove the file with -x and format it anew." ;

1869 Error OptionNeedsOther { option: String, other: String }
    "Option '{option}' makes sense only with {other}."
    explain "The option says something about a test that was not asked for."
    respond "Add the other option, or leave this one out." ;

1870 Info GoliveStep { number: u64, of: u64, step: String, title: String }
    "Step {number} of {of}, {step}: {title}."
    explain "The procedure before go-live goes through the checks and then through the failures, one at a time."
    respond "Wait, or do what is said next." ;

1871 Info GoliveAnswers
    "It is recognised when it shows; press ENTER if it was done and nothing shows it, type s to skip it, or q to stop for now."
    explain "Nothing is believed because somebody said so: what counts is what the storage did, and what is found afterwards."
    respond "Inject the failure." ;

1872 Warning GoliveDirectorDies { host: String }
    "This copy ends with host {host}; start the same command again when the host is back."
    explain "The failure is one of the host on which the procedure is directed. The record tells how far it was."
    respond "Inject the failure, and repeat the command afterwards." ;

1873 Info GoliveReturn
    "Bring back what has failed, and press ENTER when it is back."
    explain "The procedure goes on with all hosts and the server as they were before."
    respond "Restore it, then press ENTER." ;

1874 Info GoliveVerifying
    "Verifying all that was acknowledged."
    explain "The files of the integrity test are read and compared with what is known outside of the storage."
    respond "Wait until the verdict is told." ;

1875 Info GoliveEnded { step: String, state: String }
    "Step {step} has ended: {state}."
    explain "What came of it is in the record."
    respond "No action is needed unless it failed." ;

1876 Info GoliveStopped { file: String }
    "The procedure was stopped and can be resumed; the record is '{file}'."
    explain "What was done is kept. Steps on which nothing was decided are still to be done."
    respond "Repeat the command to go on, or use --status to see what is left." ;

1877 Error GoliveBadRecord { why: String }
    "The record cannot be used: {why}."
    explain "The record of the procedure is a file outside of the tested directory. It belongs to one directory."
    respond "Name another file with --record, or correct the cause." ;

1878 Error GoliveNoStep { step: String, steps: String }
    "There is no step '{step}' for these hosts; there are: {steps}."
    explain "Steps are named by what is done and, if it is done to a host, by the host after an at sign."
    respond "Choose one of them; amqmfsck --golive --status lists them with what they mean." ;

1879 Error GoliveNoRecord { file: String }
    "There is no record '{file}'."
    explain "The procedure was not begun with this record, so there is no status of it."
    respond "Begin it with amqmfsck --golive, or name its record with --record." ;

1880 Info FsckWaitingForSome
    "Waiting for the lock, which another copy holds; on which host is not known yet."
    explain "Another copy appends pages, or has just begun to. This one takes over when that copy ends, or when its host fails."
    respond "Inject the failure that is to be tested, or end the other copy." ;

    } };
}
