//! What can be wrong with the file system, or unusual and allowed.

use super::view::Policy;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mutation {
    None,
    // Allowed.
    NfsLike,
    ShortWrites,
    NoSymlinks,
    NoFallocate,
    NoDurableWrites,
    CoarseTimes,
    LateNames,
    // Data.
    LostWrite,
    MisdirectedWrite,
    OtherFile,
    FlippedBit,
    HalfWritten,
    SaysMore,
    SaysNothing,
    OverwriteLost,
    OverwriteNotForOthers,
    DirectOld,
    HoleGarbage,
    CutComesBack,
    CutIgnored,
    Wraps32,
    Wraps31,
    Only2Gib,
    TailLostAtClose,
    TailZeroedByAppend,
    OldLength,
    AppendOverwrites,
    LargeWriteCut,
    AllocateGarbage,
    AllocateNoLength,
    AllocateZeroes,
    TimeGoesBack,
    TimeStands,
    // Names.
    CreateNotListed,
    CreateOtherInode,
    ExclusiveIgnored,
    ExclusiveCuts,
    ExclusiveNotAtomic,
    ExclusivePerHost,
    RenameRefusesTarget,
    RenameKeepsSource,
    RenameLosesTarget,
    RenameKeepsTarget,
    RenameCopies,
    RenameMissing,
    RenameHalf,
    RenameBreaksOpen,
    LinkCopies,
    LinkRefused,
    LinkReplaces,
    LinkNotCounted,
    UnlinkStillListed,
    UnlinkComesBack,
    UnlinkBreaksOpen,
    RmdirNotEmpty,
    MkdirTwice,
    ListMisses,
    ListTwice,
    ListGhosts,
    CaseFolds,
    CaseLowers,
    NamesCut,
    NamesShort,
    NamesTooShort,
    PercentChanged,
    DotDropped,
    BangRefused,
    SymlinkFollowed,
    // Durability.
    FsyncMissing,
    FsyncFails,
    FdatasyncInvalid,
    SyncOpenRefused,
    DataSyncOpenRefused,
    DirectorySyncInvalid,
    SyncInstantNetwork,
    // The other host.
    CreatesUnseen,
    RemovalsUnseen,
    RenamesUnseen,
    ReplacementsUnseen,
    DirectoriesUnseen,
    ModesUnseen,
    LinksAsCopies,
    MissingForEver,
    ListsForEver,
    WritesUnseen,
    LengthsUnseen,
    AppendsUnseen,
    CutsUnseen,
    StaleUnderLock,
    StaleLengthUnderLock,
    AppendsAtOldEnd,
    OpenShowsOldForAWhile,
    RenameMissingThere,
}

impl Mutation {
    /// What is cached.
    pub(crate) fn policy(self) -> Policy {
        let nfs = Policy {
            cache: true,
            open_drops: true,
            lock_drops: true,
            names: true,
            ..Policy::default()
        };
        let quiet = Policy { names: false, ..nfs };
        match self {
            Self::NfsLike | Self::LateNames => nfs,
            Self::MissingForEver | Self::ListsForEver => {
                Policy { names: true, ..Policy::default() }
            }
            Self::WritesUnseen => {
                Policy { open_drops: false, lock_drops: false, fresh_size: true, ..quiet }
            }
            Self::LengthsUnseen => {
                Policy { open_drops: false, lock_drops: false, fresh_data: true, ..quiet }
            }
            Self::StaleUnderLock => Policy { lock_drops: false, ..quiet },
            Self::StaleLengthUnderLock => Policy { lock_drops: false, fresh_data: true, ..quiet },
            Self::OpenShowsOldForAWhile => Policy { open_drops_after: 100, ..quiet },
            Self::OverwriteNotForOthers => {
                Policy { by_actor: true, lock_drops: false, fresh_size: true, ..quiet }
            }
            _ => Policy::default(),
        }
    }
}
