//! Checks against a file system in memory that has one defect at a time: the right check fails, and no
//! other; and what is unusual and allowed passes.

#![expect(clippy::unwrap_used, reason = "a test")]

#[expect(dead_code, reason = "other tests use other parts")]
mod model;

use std::collections::BTreeSet;

use miqm_fsck::{Check, Finding, Phase, Report, Verdict, check, run};
use miqm_types::UtcTime;

use model::mutation::Mutation::{self, *};

/// What is tried here, and the lock that it needs.
fn is_tried(id: &str) -> bool {
    let group = id.split('.').next().unwrap();
    matches!(group, "name" | "data" | "sync" | "see") || id == "lock.exclusive"
}

fn findings(mutation: Mutation, two_hosts: bool) -> Vec<Finding> {
    let phases = if two_hosts { vec![Phase::Concurrent] } else { vec![Phase::Basic, Phase::All] };
    let stage = model::stage(mutation, two_hosts);
    let mut report = Report::new("test", "", UtcTime(0), &phases);
    for phase in phases {
        let due = |check: &&Check| check.runs.in_phase(phase) && is_tried(check.id);
        let checks: Vec<_> = check::all().filter(due).collect();
        assert!(run::these(&checks, &stage, phase, &mut report, &mut |_| {}), "{mutation:?}");
    }
    report.findings
}

fn with(findings: &[Finding], verdict: Verdict) -> BTreeSet<&str> {
    findings.iter().filter(|f| f.verdict == verdict).map(|f| f.check.as_str()).collect()
}

fn assert_all_hold(mutation: Mutation) {
    for two_hosts in [false, true] {
        let findings = findings(mutation, two_hosts);
        for found in &findings {
            assert!(
                matches!(found.verdict, Verdict::Pass | Verdict::NotApplicable),
                "{mutation:?}: {found:#?}"
            );
        }
        assert!(findings.len() > 15, "{mutation:?}: {}", findings.len());
    }
}

/// Each defect fails this check and no other.
fn assert_each_is_told(two_hosts: bool, expected: &[(Mutation, &str)]) {
    let mut wrong = Vec::new();
    for (mutation, id) in expected {
        let findings = findings(*mutation, two_hosts);
        let failed = with(&findings, Verdict::Fail);
        let warned = with(&findings, Verdict::Warning);
        if failed != BTreeSet::from([*id]) || !warned.is_empty() {
            let told = findings
                .iter()
                .filter(|found| !matches!(found.verdict, Verdict::Pass | Verdict::NotTested));
            let told: Vec<_> = told.map(|f| format!("{} {:?}", f.summary, f.evidence)).collect();
            wrong.push(format!("{mutation:?} should fail {id}: {failed:?} {warned:?} {told:#?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_correct_file_system_passes() {
    assert_all_hold(None);
}

#[test]
fn what_is_unusual_and_allowed_passes() {
    for mutation in [NfsLike, ShortWrites, NoSymlinks, NoFallocate, NoDurableWrites, CoarseTimes] {
        assert_all_hold(mutation);
    }
}

#[test]
fn what_is_worth_a_warning_gets_one() {
    for (mutation, id) in [
        (Only2Gib, "data.offsets"),
        (LinkNotCounted, "name.link"),
        (NamesShort, "name.long"),
        (SyncInstantNetwork, "sync.plausible"),
    ] {
        let findings = findings(mutation, false);
        assert_eq!(with(&findings, Verdict::Fail), BTreeSet::new(), "{mutation:?}");
        let warned = with(&findings, Verdict::Warning);
        // The time that calls of the model take is this machine's, which may be too slow for this one;
        // the rule itself is tested where it is.
        let slow = mutation == SyncInstantNetwork && warned.is_empty();
        assert!(slow || warned == BTreeSet::from([id]), "{mutation:?}: {warned:?}");
    }
}

#[test]
fn defects_of_data_are_told() {
    assert_each_is_told(
        false,
        &[
            (LostWrite, "data.readback"),
            (MisdirectedWrite, "data.readback"),
            (OtherFile, "data.readback"),
            (FlippedBit, "data.readback"),
            (HalfWritten, "data.readback"),
            (DirectOld, "data.readback"),
            (OverwriteLost, "data.overwrite"),
            (OverwriteNotForOthers, "data.overwrite"),
            (HoleGarbage, "data.holes"),
            (CutComesBack, "data.truncate"),
            (CutIgnored, "data.truncate"),
            (Wraps32, "data.offsets"),
            (Wraps31, "data.offsets"),
            (TailLostAtClose, "data.append-tail"),
            (TailZeroedByAppend, "data.append-tail"),
            (OldLength, "data.size"),
            (AppendOverwrites, "data.append"),
            (LargeWriteCut, "data.large-write"),
            (AllocateGarbage, "data.allocate"),
            (AllocateNoLength, "data.allocate"),
            (AllocateZeroes, "data.allocate"),
            (TimeGoesBack, "data.mtime"),
            (TimeStands, "data.mtime"),
        ],
    );
}

#[test]
fn defects_of_names_are_told() {
    assert_each_is_told(
        false,
        &[
            (CreateNotListed, "name.create"),
            (CreateOtherInode, "name.create"),
            (ExclusiveIgnored, "name.excl"),
            (ExclusiveCuts, "name.excl"),
            (ExclusiveNotAtomic, "name.excl-race"),
            (RenameRefusesTarget, "name.rename"),
            (RenameKeepsSource, "name.rename"),
            (RenameLosesTarget, "name.rename"),
            (RenameKeepsTarget, "name.rename"),
            (RenameCopies, "name.rename"),
            (RenameMissing, "name.rename-atomic"),
            (RenameHalf, "name.rename-atomic"),
            (LinkCopies, "name.link"),
            (LinkRefused, "name.link"),
            (LinkReplaces, "name.link"),
            (UnlinkStillListed, "name.unlink"),
            (UnlinkComesBack, "name.unlink"),
            (UnlinkBreaksOpen, "name.unlink-open"),
            (RmdirNotEmpty, "name.mkdir-rmdir"),
            (MkdirTwice, "name.mkdir-rmdir"),
            (ListMisses, "name.list"),
            (ListTwice, "name.list"),
            (ListGhosts, "name.list"),
            (CaseFolds, "name.case"),
            (NamesCut, "name.long"),
            (NamesTooShort, "name.long"),
            (PercentChanged, "name.characters"),
            (DotDropped, "name.characters"),
            (BangRefused, "name.characters"),
            (SymlinkFollowed, "name.symlink-not-followed"),
        ],
    );
}

#[test]
fn defects_of_durability_are_told() {
    assert_each_is_told(
        false,
        &[
            (FsyncMissing, "sync.fsync"),
            (FsyncFails, "sync.fsync"),
            (FdatasyncInvalid, "sync.fdatasync"),
            (SyncOpenRefused, "sync.osync"),
            (DataSyncOpenRefused, "sync.odsync"),
            (DirectorySyncInvalid, "sync.directory"),
        ],
    );
}

#[test]
fn what_the_other_host_does_not_see_is_told() {
    assert_each_is_told(
        true,
        &[
            (CreatesUnseen, "see.create"),
            (RemovalsUnseen, "see.unlink"),
            (RenamesUnseen, "see.rename"),
            (ReplacementsUnseen, "see.replace"),
            (DirectoriesUnseen, "see.mkdir"),
            (ModesUnseen, "see.mode"),
            (LinksAsCopies, "see.link"),
            (MissingForEver, "see.cached-negative"),
            (ListsForEver, "see.list"),
            (WritesUnseen, "see.write"),
            (LengthsUnseen, "see.size"),
            (AppendsUnseen, "see.append"),
            (CutsUnseen, "see.truncate"),
            (StaleUnderLock, "data.under-lock"),
            (StaleLengthUnderLock, "data.under-lock"),
            (AppendsAtOldEnd, "data.append-locked"),
            (OpenShowsOldForAWhile, "see.after-lock"),
            (ExclusivePerHost, "name.excl-race"),
            (RenameMissingThere, "name.rename-atomic"),
        ],
    );
}

/// These break more than one thing: what matters is that it is told.
#[test]
fn what_breaks_much_is_told() {
    for mutation in [SaysMore, SaysNothing, CaseLowers, RenameBreaksOpen] {
        let findings = findings(mutation, false);
        let failed = with(&findings, Verdict::Fail);
        let id = match mutation {
            CaseLowers => "name.case",
            RenameBreaksOpen => "name.rename",
            _ => "data.readback",
        };
        assert!(failed.contains(id), "{mutation:?}: {failed:?}");
    }
}
