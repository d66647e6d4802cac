//! What the file system can be: right, odd but right, or wrong in exactly one way.

/// Whether a checker has to complain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// Everything is as one would wish.
    Correct,
    /// Odd, but a queue manager can live with it: no check may fail.
    Unusual,
    /// One property is broken.
    Defect,
}

/// Which run of a checker has to show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// One host.
    Basic,
    /// One host, with all checks that one host can make.
    All,
    /// Two hosts that write at the same time.
    Concurrent,
    /// Two hosts that wait for each other's locks.
    Waiting,
    /// Appends that are checked after a crash of the store.
    Integrity,
    /// Appends that are checked after the store took the writer's locks away.
    Takeover,
}

/// What is known of a behaviour.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    pub(crate) behaviour: Behaviour,
    /// Stable: reports and `MIQM_TEST_DEFECT` use it.
    pub(crate) name: &'static str,
    pub(crate) class: Class,
    pub(crate) phase: Phase,
    /// The checks that name the broken property rightly; a checker fails one or a few of them.
    pub(crate) ids: &'static [&'static str],
    /// One line.
    pub(crate) what: &'static str,
}

macro_rules! behaviours {
    ($($variant:ident $class:ident $phase:ident $name:literal [$($id:literal)*] $what:literal;)*) => {
        /// How the file system behaves.
        #[expect(clippy::doc_markdown, reason = "the lines are shown as they are")]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub(crate) enum Behaviour {
            $(#[doc = $what] $variant,)*
        }

        /// Every behaviour.
        pub(crate) const BEHAVIOURS: &[Row] = &[
            $(Row {
                behaviour: Behaviour::$variant,
                name: $name,
                class: Class::$class,
                phase: Phase::$phase,
                ids: &[$($id),*],
                what: $what,
            },)*
        ];
    };
}

behaviours! {
    Correct Correct Basic "correct" [] "everything is as one would wish";

    // Odd, but allowed.
    NfsCaching Unusual Concurrent "nfs-caching" []
        "data, attributes and names are cached; open and lock look at the server again";
    WriteBehind Unusual Concurrent "write-behind" []
        "written data stay with the writer's host until sync, close, unlock or 2 s";
    SlowWake Unusual Waiting "slow-wake" [] "who waits for a lock learns of its release 1.2 s late";
    PollingWaiters Unusual Waiting "polling-waiters" [] "who waits for a lock asks every 4 s";
    NotInterruptible Unusual Waiting "waiter-not-interruptible" []
        "who waits for a lock gets no signal before it has it, as in many FUSE clients";
    LateRelease Unusual Waiting "late-release" []
        "a lock is free 1.5 s after its file is closed or its process is dead";
    TornUnsynced Unusual Integrity "torn-unsynced" []
        "a crash leaves any of the sectors that were written and not synced";
    NamesNeedSync Unusual Integrity "names-need-directory-sync" []
        "new names survive a crash only after a sync of their directory";
    GetlkPidZero Unusual Waiting "getlk-pid-zero" [] "F_GETLK does not know whose lock it is";
    GetlkPidForeign Unusual Waiting "getlk-pid-foreign" []
        "F_GETLK tells the process id of another host";
    FlockIsFcntl Unusual Concurrent "flock-is-fcntl" []
        "flock and fcntl locks exclude each other, as on NFS";
    FlockLocal Unusual Concurrent "flock-local" [] "flock excludes only processes of its host";
    EaccesForConflict Unusual Concurrent "eacces-for-conflict" []
        "a refused lock is EACCES, not EAGAIN";
    NoFallocate Unusual Basic "no-fallocate" [] "fallocate is not supported";
    UnorderedListing Unusual Basic "unordered-listing" []
        "a directory lists its names in another order each time";
    ShortReads Unusual Basic "short-reads" [] "a read returns at most 3000 bytes";
    ShortWrites Unusual Basic "short-writes" []
        "a write over 3000 bytes takes those, or half, and says so";
    CoarseTimes Unusual Basic "coarse-times" [] "time stamps have whole seconds";
    ClockAhead Unusual Concurrent "clock-ahead" [] "the server's clock is five hours ahead";
    ClockBehind Unusual Basic "clock-behind" [] "the server's clock is five hours late";
    SillyRename Unusual Basic "silly-rename" []
        "an open file that is removed is renamed until it is closed";
    StaleWhenRemoved Unusual Concurrent "stale-when-removed" []
        "a file that another host removed is gone for who has it open: ESTALE";
    SlowEverything Unusual Basic "slow-everything" [] "every call takes 2 ms";
    Interrupted Unusual Basic "interrupted-calls" []
        "every seventh open, read, write or sync is EINTR";
    InodesDiffer Unusual Concurrent "inode-numbers-differ" []
        "the hosts number the files differently";
    StatfsZero Unusual Basic "statfs-zero" [] "statfs answers zeros";
    NoSpecialFiles Unusual Basic "no-special-files" [] "no named pipes, sockets or symbolic links";
    NoLargeFiles Unusual Basic "no-large-files" [] "a write beyond 2 GiB is EFBIG";
    LinksNotCounted Unusual Basic "links-not-counted" [] "every file says that it has one name";

    // Locks.
    LocksLocal Defect Concurrent "locks-local" [
        "lock.exclusive" "lock.exclusive-posix" "lock.available"
    ]
        "locks exclude only processes of their host";
    LocksInKernel Defect Concurrent "locks-in-kernel" [
        "lock.exclusive" "lock.exclusive-posix" "lock.available"
    ]
        "the server does not do locks, so each host's kernel keeps them to itself";
    LocksIgnored Defect Basic "locks-ignored" ["lock.exclusive"] "every lock is granted";
    WholeFileOnly Defect Basic "locks-whole-file" ["lock.ranges"]
        "a lock of a range locks the whole file";
    RangesRounded Defect Basic "lock-ranges-rounded" ["lock.ranges"]
        "the ranges of locks are rounded to 4 KiB";
    OneByteMore Defect Basic "lock-one-byte-more" ["lock.ranges"]
        "a lock of a range locks the byte after it, too";
    OneLockEach Defect Basic "one-lock-each" ["lock.merge" "lock.many"]
        "a second lock of a file replaces the first one of the same owner";
    LocksCollide Defect Basic "locks-collide" [
        "lock.other-file" "lock.replace" "lock.many" "lock.race"
    ]
        "files that were made one after the other share their locks";
    OverlapIgnored Defect Basic "lock-overlap-ignored" ["lock.ranges"]
        "locks exclude each other only if they begin at the same byte";
    SharedExcludesShared Defect Basic "shared-excludes-shared" ["lock.shared"]
        "every lock is exclusive";
    SharedAdmitsWriter Defect Basic "shared-admits-writer" ["lock.shared"]
        "a shared lock does not keep an exclusive one away";
    ExclusiveAdmitsReader Defect Basic "exclusive-admits-reader" ["lock.exclusive" "lock.shared"]
        "an exclusive lock does not keep a shared one away";
    RemoteReadersIgnored Defect Concurrent "remote-readers-ignored" ["lock.shared"]
        "an exclusive lock is granted over a shared one of another host";
    EndsAtEof Defect Basic "lock-ends-at-eof" ["lock.eof"]
        "a lock to the end does not reach beyond the size";
    Offsets32Bit Defect Basic "lock-offsets-32-bit" ["lock.offsets"]
        "offsets of locks are cut to 32 bits";
    OffsetsBeyond2G Defect Basic "lock-offsets-refused" ["lock.eof" "lock.offsets"]
        "a lock beyond 2 GiB is refused: EINVAL";
    UpgradeLosesShared Defect Basic "upgrade-loses-shared" ["lock.upgrade"]
        "a refused upgrade loses the shared lock";
    UpgradeNotRefused Defect Basic "upgrade-not-refused" ["lock.upgrade"]
        "a shared lock becomes exclusive though there are other readers";
    DowngradeExcludes Defect Basic "downgrade-still-excludes" ["lock.downgrade"]
        "an exclusive lock that was made shared still excludes";
    DowngradeDrops Defect Basic "downgrade-drops" ["lock.downgrade"]
        "an exclusive lock that is made shared is gone";
    UnlockDropsAll Defect Basic "unlock-drops-all" ["lock.split"]
        "to unlock some bytes unlocks the whole file";
    UnlockDropsOthers Defect Basic "unlock-drops-others" ["lock.unlock"]
        "to unlock bytes unlocks them for everybody";
    UnlockIgnored Defect Basic "unlock-ignored" ["lock.exclusive" "lock.unlock"]
        "to unlock does nothing; only a close does";
    NotReleasedAtClose Defect Basic "not-released-at-close" ["lock.close"]
        "a lock survives the close of its file";
    NotReleasedAtExit Defect Basic "not-released-at-exit" ["lock.exit"]
        "a lock survives its process";
    NotReleasedAtKill Defect Basic "not-released-at-kill" ["lock.kill"]
        "a lock survives a process that is killed";
    ReleasedMinutesLate Defect Waiting "released-minutes-late" ["lock.close" "lock.by-hand"]
        "a lock is free three minutes after its file is closed or its process is dead";
    ReleasedByChild Defect Basic "released-by-child" ["lock.close-other" "lock.fork"]
        "a child that closes an inherited descriptor drops its parent's lock";
    OwnedByFile Defect Basic "classic-owned-by-file" ["lock.owner" "lock.fork"]
        "a classic lock belongs to the open file: a child inherits it";
    OfdIsClassic Defect Basic "ofd-is-classic" ["lock.close-other"]
        "an open file description's lock goes when its process closes any descriptor of the file";
    OfdApart Defect Basic "ofd-apart-from-classic" ["lock.families"]
        "classic locks and those of open file descriptions do not exclude each other";
    OfdRefused Defect Basic "ofd-refused" ["lock.available"]
        "locks of open file descriptions are refused: EINVAL";
    GetlkSaysFree Defect Basic "getlk-says-free" ["lock.getlk"]
        "F_GETLK always says that nobody has a lock";
    GetlkReportsOwn Defect Basic "getlk-reports-own" ["lock.getlk"]
        "F_GETLK reports the asker's own lock";
    GetlkWholeFile Defect Basic "getlk-whole-file" ["lock.getlk"]
        "F_GETLK reports every lock as one of the whole file";
    SecondNotWoken Defect All "second-waiter-not-woken" ["lock.wait-queue"]
        "of those who wait for a lock only the first one is ever woken";
    WaiterIgnoresReaders Defect All "waiter-ignores-readers" ["lock.wait-end"]
        "who waits to write is let in while others read";
    NeverWoken Defect Waiting "waiter-never-woken" ["lock.wait"]
        "who waits for a lock waits for ever";
    WaitReturnsEarly Defect Waiting "wait-returns-without-lock" ["lock.wait"]
        "a wait for a lock ends at once, as if it were granted";
    WaitIsRefused Defect Basic "wait-refused" ["lock.wait"]
        "a wait for a lock is refused at once: EAGAIN";
    InterruptedWaitGrants Defect All "interrupted-wait-grants" ["lock.wait-signal"]
        "a wait that a signal ends says that the lock is taken; it is not";
    GhostLock Defect All "ghost-lock" ["lock.ghost"]
        "a wait that a signal ended is granted later, to nobody";
    NoLocks Defect Basic "locks-enolck" ["lock.available"] "every lock is ENOLCK";
    LocksNotImplemented Defect Basic "locks-enosys" ["lock.available"] "every lock is ENOSYS";
    LocksUnsupported Defect Basic "locks-eopnotsupp" ["lock.available"] "every lock is EOPNOTSUPP";
    LockExpires Defect Waiting "lock-expires" [
        "lock.long" "lock.stopped" "lock.idle" "lock.by-hand"
    ]
        "a lock is gone after 3 s though its holder lives and works";
    CheckThenSet Defect Basic "lock-race" [
        "lock.together" "lock.race" "lock.update" "data.append-locked"
    ]
        "the server looks for a conflict, and sets the lock 3 ms later whatever happened";
    LockLimit Defect All "lock-limit" ["lock.many"] "a file can have 64 locks; more are ENOLCK";
    LostAtRename Defect Basic "lock-lost-at-rename" ["lock.rename"]
        "locks of a file are gone when it is renamed";
    LockOnName Defect Basic "lock-on-name" ["lock.rename" "lock.link" "lock.replace"]
        "a lock belongs to the name, not to the file";
    LostAtWrite Defect Basic "lock-lost-at-write" ["lock.write-keeps"]
        "locks of a file are gone when it is written through another descriptor";
    LostAtSync Defect Basic "lock-lost-at-sync" ["lock.write-keeps"]
        "locks of a file are gone when it is synced";
    LocksMandatory Defect Basic "locks-mandatory" ["lock.advisory" "lock.write-keeps"]
        "a locked file can be read and written by nobody else: EACCES";
    LockHangs Defect Basic "lock-hangs" ["lock.available" "F_OFD_SETLK"]
        "a request for a lock is never answered";

    // What one host sees of what another did.
    WritesInvisible Defect Concurrent "writes-invisible" ["see.write" "see.append" "see.size"]
        "another host never sees what was written to a file it has read";
    WritesMinutesLate Defect Concurrent "writes-minutes-late" ["see.write" "see.append" "see.size"]
        "another host sees what was written to a file it has read minutes later";
    WritesStay Defect Concurrent "writes-stay" [
        "see.write" "see.create" "env.same-directory" "AMQ1836E"
    ]
        "written data stay with the writer's host for ever, and nobody is told";
    StaleUnderLock Defect Concurrent "stale-under-lock" [
        "data.under-lock-after-cache" "data.under-lock" "see.after-lock"
    ]
        "a lock does not make a host look at a file again that it has open";
    SameSecondUnseen Defect Concurrent "same-second-unseen" [
        "see.write" "data.under-lock" "data.under-lock-after-cache"
    ]
        "a host looks only for other lengths and other seconds of change";
    UnlockKeepsWrites Defect Concurrent "unlock-keeps-writes" ["see.write-open" "data.under-lock"]
        "to unlock does not send what was written under the lock";
    TailLate Defect Concurrent "tail-late" [
        "data.under-lock" "data.append-locked" "name.rename-atomic"
    ]
        "another host reads zeros behind the old end of a file for 0.2 s";
    StaleAtOpen Defect Concurrent "stale-at-open" ["see.write" "see.size"]
        "an open does not make a host look at a file again that it has read";
    StaleSize Defect Concurrent "stale-size" [
        "see.size" "see.append" "see.write" "data.under-lock"
        "data.under-lock-after-cache"
    ]
        "a host goes by the size of a file as it knew it: the end is missing";
    StaleSizeShown Defect Concurrent "stale-size-shown" ["see.size"]
        "a host shows size and time of a file as it knew them, also after another open";
    StaleAppend Defect Concurrent "stale-append" ["data.append-locked"]
        "an append goes to where its host last knew the end, lock or not";
    CreationsInvisible Defect Concurrent "creations-invisible" ["see.cached-negative"]
        "a name that a host once did not find stays away from it for minutes";
    RenamesInvisible Defect Concurrent "renames-invisible" [
        "see.replace" "see.rename" "name.rename-atomic"
    ]
        "a host goes on with the old file under a name that was replaced";
    RemovalsInvisible Defect Concurrent "removals-invisible" ["see.unlink" "see.rename" "see.mkdir"]
        "a host goes on seeing a file that another removed";
    TruncationInvisible Defect Concurrent "truncation-invisible" ["see.truncate"]
        "a host does not see that another made a file shorter";
    ListingStale Defect Concurrent "listing-stale" ["see.list"]
        "a host lists a directory as it listed it first, for minutes";
    TwoStores Defect Concurrent "two-stores" ["env.same-directory" "AMQ1836E"]
        "the hosts have mounted different stores";

    // Data.
    LostWrite Defect Basic "lost-write" [
        "data.readback" "error.short-write" "name.link" "name.rename-atomic"
        "name.symlink-not-followed" "name.unlink-open" "name.create" "data.append"
        "data.append-tail" "data.large-write" "data.overwrite" "sync.rwf-dsync"
    ]
        "one write in twenty is thrown away";
    MisdirectedWrite Defect Basic "misdirected-write" [
        "data.readback" "error.short-write" "name.link" "name.rename-atomic"
        "name.symlink-not-followed" "name.unlink-open" "name.create" "data.append"
        "data.append-tail" "data.large-write" "data.overwrite" "sync.rwf-dsync"
    ]
        "one write in twenty goes one page too far";
    FlippedBit Defect Basic "flipped-bit" [
        "data.readback" "error.short-write" "name.link" "name.rename-atomic"
        "name.symlink-not-followed" "name.unlink-open" "name.create" "data.append"
        "data.append-tail" "data.large-write" "data.overwrite" "sync.rwf-dsync"
    ]
        "one write in twenty has a flipped bit";
    ShortWriteSaysFull Defect Basic "short-write-says-full" ["data.readback" "error.short-write"]
        "of a write over 4 KiB the second half is thrown away";
    WriteSaysLess Defect Basic "append-says-less" [
        "data.append" "error.short-write" "data.append-locked"
    ]
        "an append takes everything and says that it took half";
    StaleOwnRead Defect Basic "stale-own-read" [
        "data.readback" "name.create" "error.write-read-only-fd" "error.short-write"
    ]
        "a read returns what was there before the last write, until a sync";
    HoleNotZero Defect Basic "hole-not-zero" ["data.holes" "data.truncate" "data.allocate"]
        "a hole is not full of zeros";
    ExtendShowsOld Defect Basic "extend-shows-old" ["data.truncate"]
        "a file that is made shorter and longer again shows its old data";
    CutIgnored Defect Basic "emptying-ignored" ["data.truncate"]
        "to make a file empty does nothing";
    AllocateWipes Defect Basic "allocate-wipes" ["data.allocate"]
        "to set space aside wipes what is there";
    TimeStays Defect Basic "mtime-stays" ["data.mtime"]
        "the time of the last change stays that of the creation";
    Aliases4G Defect Basic "offsets-alias-4g" ["data.offsets"]
        "offsets of writes are cut to 32 bits";
    PageTailLost Defect Basic "page-tail-lost" [
        "data.append-tail" "data.readback" "error.short-write" "data.append"
    ]
        "an append into a page wipes what that page held already";
    CrossedRead Defect Basic "crossed-read" [
        "data.readback" "name.unlink-open" "name.link" "name.rename-atomic"
        "name.symlink-not-followed" "name.create" "data.append" "data.append-tail"
        "data.large-write" "data.overwrite" "sync.rwf-dsync"
    ]
        "one read in twenty is of the page before";

    // Names.
    ExclIgnored Defect Concurrent "excl-two-winners" ["name.excl-race"]
        "O_EXCL is left to the hosts, so two of them can win";
    RenameGap Defect Concurrent "rename-gap" ["name.rename-atomic"]
        "a rename leaves the target missing for 20 ms";
    RenameRefuses Defect Basic "rename-refuses" ["name.rename"] "a rename onto a file is EEXIST";
    RenameLoses Defect Basic "rename-loses" ["name.rename"]
        "a rename onto a file loses the new one";
    RenameCopies Defect Basic "rename-keeps-old-name" ["name.rename"]
        "a renamed file keeps its old name, too";
    CaseFolded Defect Basic "case-folded" ["name.case" "name.characters"]
        "capital letters do not matter in names";
    NamesCut Defect Basic "names-cut" ["name.long"] "names are cut to 32 characters";
    NamesRefused Defect Basic "names-refused" ["name.characters"]
        "'!' and '%' are refused in names";
    NamesMangled Defect Basic "names-mangled" ["name.characters"]
        "'!', '%' and blanks become '_' in names";
    DotsStripped Defect Basic "dots-stripped" ["name.characters"]
        "dots at the end of names are dropped";
    UnlinkKills Defect Basic "unlink-kills" [
        "name.unlink-open" "name.rename-open" "name.rename-atomic"
    ]
        "a file that is removed is gone for who has it open";
    OpenIsBusy Defect Basic "open-files-busy" [
        "name.unlink-open" "name.rename-open" "lock.rename" "lock.replace"
    ]
        "a file that somebody has open cannot be removed or renamed: EBUSY";
    RemovesFull Defect Basic "rmdir-removes-full" ["name.mkdir-rmdir"]
        "a directory can be removed with what is in it";
    ListingMisses Defect Basic "listing-misses" ["name.list"]
        "a directory does not list every 20th name";
    ListingRepeats Defect Basic "listing-repeats" ["name.list" "name.characters"]
        "a directory lists some names twice";
    NoHardLinks Defect Basic "no-hard-links" ["name.link"] "link is not permitted";
    LinkCopies Defect Basic "link-copies" ["name.link"] "a hard link is a copy";

    // What is there after a crash.
    SyncIgnored Defect Integrity "sync-ignored" [
        "int.acknowledged" "int.witness" "int.fsync" "int.fdatasync" "int.rwf"
        "int.odsync" "int.osync" "int.order" "int.log" "int.size" "int.names"
    ]
        "fsync and fdatasync do nothing";
    DataSyncIgnored Defect Integrity "data-sync-ignored" [
        "int.fdatasync" "int.acknowledged" "int.witness" "int.order" "int.log" "int.size"
    ]
        "fdatasync does nothing";
    DataSyncWithoutSize Defect Integrity "data-sync-without-size" [
        "int.size" "int.fdatasync" "int.log" "int.acknowledged" "int.witness" "int.order"
    ]
        "fdatasync does not make a new size durable";
    OpenSyncIgnored Defect Integrity "open-sync-ignored" [
        "int.odsync" "int.osync" "int.acknowledged" "int.witness" "int.order" "int.log"
        "int.rwf"
    ]
        "O_SYNC and O_DSYNC do nothing";
    DirectorySyncIgnored Defect Integrity "directory-sync-ignored" [
        "int.names" "int.format" "int.witness" "int.acknowledged"
    ]
        "new names do not survive a crash though their directory was synced";
    RenameNotDurable Defect Integrity "rename-not-durable" ["int.names"]
        "a rename does not survive a crash though its directory was synced";
    Reordered Defect Integrity "reordered" [
        "int.order" "int.names" "int.acknowledged" "int.witness" "int.fdatasync"
        "int.fsync" "int.osync" "int.odsync" "int.rwf"
    ]
        "of two files that were synced one after the other only the later survives a crash";
    TornSynced Defect Integrity "torn-synced" [
        "int.page" "int.names" "int.log" "int.order" "int.acknowledged" "int.witness"
        "int.fsync" "int.fdatasync" "int.rwf" "int.odsync" "int.osync"
    ]
        "the last synced page is half old after a crash";
    Forgotten Defect Integrity "forgotten" [
        "int.acknowledged" "int.witness" "int.fsync" "int.fdatasync" "int.rwf"
        "int.odsync" "int.osync" "int.order" "int.log" "int.size" "int.names"
    ]
        "a crash loses everything that was synced in the last 5 s";
    OldDataBack Defect Integrity "old-data-back" [
        "int.acknowledged" "int.witness" "int.fsync" "int.fdatasync" "int.rwf"
        "int.odsync" "int.osync" "int.order" "int.log" "int.size" "int.names" "int.page"
    ]
        "a page that was synced long ago is old again after a crash";

    // Errors and the environment.
    Full Defect Basic "full" ["error.full" "env.space" "ENOSPC"]
        "there is no space: ENOSPC at write";
    FullAtSync Defect Basic "full-at-sync" [
        "error.full" "sync.fsync" "sync.fdatasync" "sync.directory" "error.fsync-twice"
        "lock.read-through"
    ]
        "there is no space: ENOSPC at sync";
    QuotaAtClose Defect Basic "quota-at-close" [
        "error.full" "error.fsync-twice" "sync.fsync" "sync.fdatasync" "lock.close"
    ]
        "the quota is used up: EDQUOT at close";
    ReadOnly Defect Basic "read-only" ["env.read-only" "error.full" "name.create" "EROFS"]
        "nothing can be changed: EROFS";
    SyncFailsOnce Defect Basic "sync-fails-once" [
        "sync.fsync" "sync.fdatasync" "sync.directory" "error.fsync-twice"
        "error.short-write" "lock.write-keeps"
    ]
        "every fourth sync is EIO and drops the data; the next one is content";
    ReadFails Defect Basic "read-fails" [
        "data.readback" "name.create" "error.short-write" "error.write-read-only-fd"
    ]
        "every read is EIO";
    RootSquash Defect Basic "root-squash" ["perm.create-owner"] "new files belong to nobody";
    ModeIgnored Defect Basic "mode-ignored" ["perm.mode" "perm.chmod" "perm.setgid-dir"]
        "every file has mode 0777";
    SetgidLost Defect Basic "setgid-lost" ["perm.setgid-dir"]
        "a new file does not inherit the group of a set-group-id directory";
    ChmodRefused Defect Basic "chmod-refused" ["perm.chmod" "perm.setgid-dir"] "chmod is EPERM";
    ChmodIgnored Defect Basic "chmod-ignored" ["perm.chmod" "perm.setgid-dir"] "chmod does nothing";
    GroupStays Defect Basic "group-stays" ["perm.chown-group"]
        "to give a file to another group does nothing";
    DirectorySyncRefused Defect Basic "directory-sync-refused" ["sync.directory"]
        "fsync of a directory is EIO";
    OwnersDiffer Defect Concurrent "owners-differ" ["perm.same-owner"]
        "the second host shows other owners";
    OpenSyncRefused Defect Basic "open-sync-refused" ["sync.osync" "sync.odsync"]
        "O_SYNC and O_DSYNC are EINVAL";
    SyncRefused Defect Basic "sync-refused" [
        "sync.fsync" "sync.fdatasync" "sync.directory" "error.fsync-twice"
        "lock.read-through" "error.full"
    ]
        "fsync is EINVAL";
    SyncHangs Defect Basic "sync-hangs" [
        "sync.fsync" "sync.fdatasync" "sync.directory" "error.fsync-twice"
        "lock.read-through" "error.full" "data.readback"
    ]
        "a sync is never answered";
    WriteHangs Defect Basic "write-hangs" [
        "error.full" "error.short-write" "error.fsync-twice" "name.create" "data.readback"
        "name.link" "name.rename" "lock.write-keeps" "name.unlink" "name.mkdir-rmdir"
        "sync.fsync" "sync.fdatasync"
    ]
        "the fifth write and all after it are never answered";
    DeadMount Defect Basic "dead-mount" ["ENOTCONN"] "every call is ENOTCONN";
    StatfsFails Defect Basic "statfs-fails" ["env.statfs"] "statfs is EIO";
    CreateDenied Defect Basic "create-denied" ["EACCES"] "nothing can be created: EACCES";
    NoFence Defect Takeover "no-fence" [
        "int.epoch" "int.log" "int.page" "int.order" "int.acknowledged" "int.witness"
        "int.fsync" "int.fdatasync" "int.rwf" "int.odsync" "int.osync" "int.names"
    ]
        "what a host that lost its lock writes reaches the store";
}
