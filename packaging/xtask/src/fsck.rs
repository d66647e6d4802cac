//! `cargo xtask fsck`: the storage checker as one file that needs no libraries, for hosts that have
//! nothing else.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, bail, ensure};

use crate::{build, say, workspace};

const PROGRAM: &str = "miqm-fsck";
/// In a header of the kind "program header": the segment that names the loader of libraries.
const INTERPRETER: u32 = 3;

/// How it is built, and the folder that cargo puts it into.
struct How {
    profile: &'static str,
    folder: &'static str,
}

/// `debug` builds it as tests are built, in a fraction of the time.
fn how(args: &[String]) -> anyhow::Result<How> {
    match args {
        [] => Ok(How { profile: "dist", folder: "dist" }),
        [one] if one == "debug" => Ok(How { profile: "dev", folder: "debug" }),
        _ => bail!("usage: cargo xtask fsck [debug]"),
    }
}

pub(crate) fn run(args: &[String]) -> anyhow::Result<()> {
    let How { profile, folder } = how(args)?;
    let target = format!("{}-unknown-linux-musl", std::env::consts::ARCH);
    let shown = build::wait_shown(&format!("building {PROGRAM} for {target}"));
    let output = Command::new("cargo")
        .args(["build", "--quiet", "--locked", "--profile", profile, "--package", "miqm-bins"])
        .args(["--bin", PROGRAM, "--target", &target])
        .args(["--config", &format!("profile.{profile}.strip=\"symbols\"")])
        .current_dir(workspace())
        .stdin(Stdio::null())
        .output()
        .context("cannot run cargo")?;
    shown.finish_and_clear();
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "{PROGRAM} cannot be built (rustup target add {target}):\n{complaint}"
    );
    let debug = build::programs(build::Profile::Debug)?;
    let folder = debug.parent().context("no target directory")?.join(&target).join(folder);
    let program = folder.join(PROGRAM);
    let bytes =
        std::fs::read(&program).with_context(|| format!("cannot read {}", program.display()))?;
    ensure!(!needs_loader(&bytes)?, "{} needs libraries", program.display());
    said_by(&program)?;
    #[expect(clippy::cast_precision_loss, reason = "a size for people")]
    let mib = bytes.len() as f64 / f64::from(1 << 20);
    say(&format!("{}: {mib:.2} MiB, needs no libraries", program.display()));
    Ok(())
}

/// It can be run here.
fn said_by(program: &Path) -> anyhow::Result<()> {
    let output = Command::new(program)
        .arg("--version")
        .output()
        .with_context(|| format!("cannot run {}", program.display()))?;
    ensure!(output.status.success(), "{} ended with {}", program.display(), output.status);
    Ok(())
}

/// Whether a program for a little-endian machine of 64 bits names a loader of libraries.
fn needs_loader(elf: &[u8]) -> anyhow::Result<bool> {
    let field = |at: usize, bytes: usize| -> anyhow::Result<usize> {
        let Some(field) = at.checked_add(bytes).and_then(|end| elf.get(at..end)) else {
            bail!("the program is cut off");
        };
        let number = field.iter().rev().fold(0_u64, |sum, byte| (sum << 8) | u64::from(*byte));
        Ok(usize::try_from(number)?)
    };
    ensure!(elf.starts_with(b"\x7fELF\x02\x01"), "this is no program for such a machine");
    let (at, size, count) = (field(32, 8)?, field(54, 2)?, field(56, 2)?);
    for header in 0..count {
        if field(at + header * size, 4)? == INTERPRETER as usize {
            return Ok(true);
        }
    }
    Ok(count == 0)
}
