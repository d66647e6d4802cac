//! The programs that go into packages: for which machine, how built, where they then are.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail, ensure};

use super::elf;
use super::tool::{find, tool, variable};
use crate::{build, workspace};

/// The storage checker that needs no libraries.
pub(crate) const CHECKER: &str = "miqm-fsck";

/// How programs are built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Profile {
    /// As for tests, in a fraction of the time.
    Dev,
    /// As for measurements.
    Release,
    /// As for other people's machines.
    Dist,
}

impl Profile {
    fn name(self) -> &'static str {
        match self {
            Self::Dev => "dev",
            Self::Release => "release",
            Self::Dist => "dist",
        }
    }

    /// The folder that cargo puts them into.
    fn folder(self) -> &'static str {
        if self == Self::Dev { "debug" } else { self.name() }
    }
}

/// The machine that programs are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Machine {
    #[value(name = "x86_64-unknown-linux-gnu")]
    X86,
    #[value(name = "aarch64-unknown-linux-gnu")]
    Arm,
}

impl Machine {
    /// The one that this program runs on.
    pub(crate) fn here() -> anyhow::Result<Self> {
        match std::env::consts::ARCH {
            "x86_64" => Ok(Self::X86),
            "aarch64" => Ok(Self::Arm),
            other => bail!("packages are made for x86_64 and aarch64, and not for {other}"),
        }
    }

    /// What the kernel, the compiler and rpm call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::X86 => "x86_64",
            Self::Arm => "aarch64",
        }
    }

    /// What dpkg calls it.
    pub(crate) fn deb(self) -> &'static str {
        match self {
            Self::X86 => "amd64",
            Self::Arm => "arm64",
        }
    }

    /// Its number in the header of a program.
    fn number(self) -> u64 {
        match self {
            Self::X86 => 62,
            Self::Arm => 183,
        }
    }

    fn is_here(self) -> bool {
        Self::here().is_ok_and(|here| here == self)
    }

    /// What removes symbols from a program for it.
    pub(crate) fn strip(self) -> String {
        if self.is_here() { "strip".into() } else { format!("{}-linux-gnu-strip", self.name()) }
    }
}

/// Programs to build, or that have been built.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Programs {
    pub(crate) machine: Machine,
    pub(crate) profile: Profile,
    /// Use what is there.
    pub(crate) no_build: bool,
}

impl Programs {
    /// Builds the commands, and returns the folder that they are in.
    pub(crate) fn commands(self) -> anyhow::Result<PathBuf> {
        let triple = (!self.machine.is_here()).then(|| self.triple("gnu"));
        self.cargo("the commands", &["--bins"], triple.as_deref())
    }

    /// Builds the storage checker that needs no libraries, and returns its path.
    pub(crate) fn checker(self) -> anyhow::Result<PathBuf> {
        let strip = format!("profile.{}.strip=\"symbols\"", self.profile.name());
        let args = ["--bin", CHECKER, "--config", &strip];
        let program = self.cargo(CHECKER, &args, Some(&self.triple("musl")))?.join(CHECKER);
        let bytes = self.read(&program)?;
        let needs = elf::Program::read(&bytes)?.needs_loader()?;
        ensure!(!needs, "{} needs libraries", program.display());
        Ok(program)
    }

    /// The bytes of a program, which is for the right machine.
    pub(crate) fn read(self, path: &Path) -> anyhow::Result<Vec<u8>> {
        let bytes =
            std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let machine =
            elf::Program::read(&bytes).and_then(|program| program.machine()).with_context(
                || format!("{} is not a program for {}", path.display(), self.machine.name()),
            )?;
        ensure!(
            machine == self.machine.number(),
            "{} is for another machine than {}",
            path.display(),
            self.machine.name()
        );
        Ok(bytes)
    }

    fn triple(self, library: &str) -> String {
        format!("{}-unknown-linux-{library}", self.machine.name())
    }

    /// Builds, and returns the folder of the programs.
    fn cargo(self, what: &str, args: &[&str], triple: Option<&str>) -> anyhow::Result<PathBuf> {
        let debug = build::programs(build::Profile::Debug)?;
        let target = debug.parent().context("no target directory")?;
        let folder = target.join(triple.unwrap_or_default()).join(self.profile.folder());
        if self.no_build {
            return Ok(folder);
        }
        let mut command = Command::new("cargo");
        command
            .args(["build", "--quiet", "--locked", "--package", "miqm-bins"])
            .args(["--profile", self.profile.name()])
            .args(args)
            .current_dir(workspace())
            .stdin(Stdio::null());
        if let Some(triple) = triple {
            ensure!(is_installed(triple)?, "{what}: first run 'rustup target add {triple}'");
            command.args(["--target", triple]);
            self.cross(&mut command, triple)?;
        }
        if self.profile == Profile::Dist {
            forget_paths(&mut command);
        }
        let shown = build::wait_shown(&format!("building {what}"));
        let output = command.output().context("cannot run cargo")?;
        shown.finish_and_clear();
        let complaint = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{what} cannot be built:\n{complaint}");
        Ok(folder)
    }

    /// Names the linker for another machine, unless the environment does.
    fn cross(self, command: &mut Command, triple: &str) -> anyhow::Result<()> {
        let name = format!("CARGO_TARGET_{}_LINKER", triple.replace('-', "_").to_ascii_uppercase());
        if !self.machine.is_here() && variable(&name).is_none() {
            let linker = format!("{}-linux-gnu-gcc", self.machine.name());
            drop(tool(&linker)?);
            command.env(name, linker);
        }
        Ok(())
    }
}

/// Keeps the folders of the machine that builds out of what is shipped: they are nobody's business, and
/// two builds in different places are equal without them.
fn forget_paths(command: &mut Command) {
    let mut flags: Vec<String> = match variable("CARGO_ENCODED_RUSTFLAGS") {
        Some(flags) => flags.split('\x1f').map(str::to_owned).collect(),
        None => variable("RUSTFLAGS")
            .map(|flags| flags.split_whitespace().map(str::to_owned).collect())
            .unwrap_or_default(),
    };
    let home = variable("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| variable("HOME").map(|home| Path::new(&home).join(".cargo")));
    for (from, to) in [(Some(workspace()), "/usr/src/miqm"), (home, "/usr/src/cargo")] {
        let from = from.map(|from| from.display().to_string());
        flags.extend(from.map(|from| format!("--remap-path-prefix={from}={to}")));
    }
    command.env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"));
}

/// Whether the compiler has the libraries of a target.
fn is_installed(triple: &str) -> anyhow::Result<bool> {
    let root = super::tool::line(tool("rustc")?.args(["--print", "sysroot"]))?;
    let has = Path::new(&root).join("lib/rustlib").join(triple).join("lib").is_dir();
    // Without rustup the compiler may find them elsewhere.
    Ok(has || find("rustup").is_none())
}
