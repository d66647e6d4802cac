use std::io::ErrorKind;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;

pub(super) fn broken_by(behaviour: Behaviour) -> Option<Probe> {
    Some(match behaviour {
        Behaviour::ExclIgnored => one_creator,
        Behaviour::RenameGap => target_is_always_there,
        Behaviour::RenameRefuses | Behaviour::RenameLoses => rename_replaces,
        Behaviour::RenameCopies => old_name_is_gone,
        Behaviour::CaseFolded => case_matters,
        Behaviour::NamesCut => long_names,
        Behaviour::NamesRefused | Behaviour::NamesMangled => special_characters,
        Behaviour::DotsStripped => dots_stay,
        Behaviour::UnlinkKills | Behaviour::OpenIsBusy => removed_but_open,
        Behaviour::RemovesFull => full_directories_stay,
        Behaviour::LinksNotCounted => names_are_counted,
        Behaviour::ListingMisses | Behaviour::ListingRepeats => listing_is_whole,
        Behaviour::UnorderedListing => listing_is_ordered,
        Behaviour::LinkCopies | Behaviour::NoHardLinks => a_link_is_the_file,
        Behaviour::SillyRename => removed_is_gone,
        Behaviour::NoSpecialFiles => symbolic_links,
        _ => return None,
    })
}

fn create_new(path: &Path) -> bool {
    File::create_new(path).is_ok()
}

fn one_creator(lab: &Lab) -> bool {
    (0..10).all(|round| {
        let name = format!("file{round}");
        let won = thread::scope(|scope| {
            let other = scope.spawn(|| create_new(&lab.path(1).join(&name)));
            (create_new(&lab.path(0).join(&name)), other.join().expect("no panic"))
        });
        won.0 != won.1
    })
}

fn target_is_always_there(lab: &Lab) -> bool {
    let (target, new) = (lab.path(0).join("target"), lab.path(0).join("new"));
    drop(open(&target));
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut there = true;
            while !done.load(Ordering::Relaxed) {
                there &= fs::metadata(lab.path(1).join("target")).is_ok();
            }
            there
        });
        for _ in 0..5 {
            drop(open(&new));
            fs::rename(&new, &target).expect("renamed");
        }
        done.store(true, Ordering::Relaxed);
        watcher.join().expect("no panic")
    })
}

fn rename_replaces(lab: &Lab) -> bool {
    let (target, new) = (lab.path(0).join("target"), lab.path(0).join("new"));
    fs::write(&target, "old").expect("written");
    fs::write(&new, "new").expect("written");
    fs::rename(&new, &target).is_ok() && fs::read(&target).is_ok_and(|read| read == b"new")
}

fn old_name_is_gone(lab: &Lab) -> bool {
    let (target, new) = (lab.path(0).join("target"), lab.path(0).join("new"));
    fs::write(&new, "new").expect("written");
    fs::rename(&new, &target).expect("renamed");
    !new.exists()
}

fn case_matters(lab: &Lab) -> bool {
    drop(open(&lab.path(0).join("file")));
    create_new(&lab.path(0).join("FILE"))
}

fn long_names(lab: &Lab) -> bool {
    let name = |last: char| format!("{}{last}", "n".repeat(250));
    drop(open(&lab.path(0).join(name('1'))));
    create_new(&lab.path(0).join(name('2')))
}

fn special_characters(lab: &Lab) -> bool {
    create_new(&lab.path(0).join("QM!1%2")) && create_new(&lab.path(0).join("QM_1_2"))
}

fn dots_stay(lab: &Lab) -> bool {
    create_new(&lab.path(0).join("file")) && create_new(&lab.path(0).join("file."))
}

fn removed_but_open(lab: &Lab) -> bool {
    use std::os::unix::fs::FileExt;
    let file = open(&lab.path(0).join("file"));
    file.write_all_at(b"abc", 0).expect("written");
    let removed = fs::remove_file(lab.path(0).join("file")).is_ok();
    let mut bytes = [0; 3];
    removed && file.read_exact_at(&mut bytes, 0).is_ok() && bytes == *b"abc"
}

fn full_directories_stay(lab: &Lab) -> bool {
    let directory = lab.path(0).join("directory");
    fs::create_dir(&directory).expect("made");
    drop(open(&directory.join("file")));
    fs::remove_dir(&directory).is_err()
}

fn names_are_counted(lab: &Lab) -> bool {
    use std::os::unix::fs::MetadataExt;
    let (file, name) = (lab.path(0).join("file"), lab.path(0).join("name"));
    drop(open(&file));
    fs::hard_link(&file, &name).expect("linked");
    fs::metadata(&file).expect("stat").nlink() == 2
}

fn listing_is_whole(lab: &Lab) -> bool {
    let mut made: Vec<_> = (0..50).map(|n| format!("file{n:02}")).collect();
    for name in &made {
        drop(open(&lab.path(0).join(name)));
    }
    made.sort();
    let mut found = listed(lab);
    found.sort();
    found == made
}

fn listed(lab: &Lab) -> Vec<String> {
    let entries = fs::read_dir(lab.path(0)).expect("listed");
    entries
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("ASCII"))
        .collect()
}

fn listing_is_ordered(lab: &Lab) -> bool {
    for n in 0..20 {
        drop(open(&lab.path(0).join(format!("file{n}"))));
    }
    listed(lab) == listed(lab)
}

fn a_link_is_the_file(lab: &Lab) -> bool {
    let (file, name) = (lab.path(0).join("file"), lab.path(0).join("name"));
    drop(open(&file));
    fs::hard_link(&file, &name).is_ok()
        && fs::write(&file, "abc").is_ok()
        && fs::read(&name).is_ok_and(|read| read == b"abc")
}

fn removed_is_gone(lab: &Lab) -> bool {
    let _file = open(&lab.path(0).join("file"));
    fs::remove_file(lab.path(0).join("file")).expect("removed");
    let gone = fs::read(lab.path(0).join("file")).is_err_and(|e| e.kind() == ErrorKind::NotFound);
    gone && listed(lab).is_empty()
}

fn symbolic_links(lab: &Lab) -> bool {
    std::os::unix::fs::symlink("to", lab.path(0).join("link")).is_ok()
        && fs::read_link(lab.path(0).join("link")).is_ok_and(|to| to == Path::new("to"))
}
