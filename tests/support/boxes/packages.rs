//! The packages under test, as `cargo xtask deb` has made them.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::support::workspace;

/// What a package is made of.
const SOURCES: &[&str] = &["Cargo.toml", "bins/src", "lib", "man", "packaging", "units"];

/// A folder with packages that were made from the source as it is.
#[derive(Clone, Debug)]
pub(crate) struct Packages {
    folder: PathBuf,
}

impl Packages {
    /// # Errors
    ///
    /// If there are none, or only older ones: a test of those would show nothing.
    pub(super) fn find() -> Result<Self, String> {
        let target = Path::new(env!("CARGO_BIN_EXE_miqm")).ancestors().nth(2);
        let found = Self { folder: target.expect("a target directory").join("packages") };
        let made = found.server_file().and_then(|file| modified(&file));
        let made = made.ok_or("there is no package (cargo xtask deb --profile dev)")?;
        let source = SOURCES.iter().filter_map(|path| newest(&workspace().join(path)));
        if let Some((_, path)) = source.max().filter(|(changed, _)| *changed > made) {
            let path = path.display();
            return Err(format!(
                "{path} is newer than the package (cargo xtask deb --profile dev)"
            ));
        }
        Ok(found)
    }

    /// Where they are, on this machine.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The package with commands and server.
    fn server_file(&self) -> Option<PathBuf> {
        let files = fs::read_dir(&self.folder).ok()?.flatten().map(|entry| entry.path());
        let machine = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
        let ends = format!("_{machine}.deb");
        let ours =
            files.filter(|path| name(path).starts_with("miqm_") && name(path).ends_with(&ends));
        ours.max_by_key(|path| modified(path))
    }

    /// The package with commands and server, as hosts see it.
    pub(crate) fn server(&self) -> String {
        let file = self.server_file().expect("it was there");
        format!("/packages/{}", name(&file))
    }
}

fn name(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|file| file.modified()).ok()
}

/// The file below here that has changed last, and when.
fn newest(path: &Path) -> Option<(SystemTime, PathBuf)> {
    if !path.is_dir() {
        return modified(path).map(|when| (when, path.to_owned()));
    }
    let entries = fs::read_dir(path).ok()?.flatten();
    entries.filter_map(|entry| newest(&entry.path())).max()
}
