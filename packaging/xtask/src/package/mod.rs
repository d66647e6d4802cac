//! `cargo xtask deb`, `cargo xtask rpm`, `cargo xtask install`: packages, and what they are made of.

mod deb;
mod elf;
mod layout;
mod notices;
pub(crate) mod programs;
mod rpm;
mod stage;
mod tool;

use std::path::PathBuf;

use anyhow::{Context, ensure};
use clap::Parser as _;

use crate::say;
use layout::{Entry, Flavour, Package, table};
use programs::{Machine, Profile, Programs};
use stage::Built;

/// What all packages say of themselves.
const SUMMARY: &str = "queue managers that survive the loss of a host";
const SUMMARY_FSCK: &str = "check whether storage can carry a queue manager";

/// The arguments that all three tasks have.
#[derive(Debug, clap::Args)]
struct Common {
    /// How the programs are built
    #[arg(long, value_enum, default_value_t = Profile::Dist)]
    profile: Profile,
    /// The machine that they are for [default: one like this]
    #[arg(long, value_enum, value_name = "TRIPLE")]
    target: Option<Machine>,
    /// Make only this package; may be repeated
    #[arg(long = "package", value_enum, value_name = "NAME")]
    packages: Vec<Package>,
    /// Use the programs that are there, and do not build them
    #[arg(long)]
    no_build: bool,
}

impl Common {
    fn packages(&self) -> Vec<Package> {
        let wanted =
            |package: &Package| self.packages.is_empty() || self.packages.contains(package);
        Package::ALL.into_iter().filter(wanted).collect()
    }

    /// The entries of the packages that were asked for, with their programs built.
    fn entries(&self, flavour: Flavour) -> anyhow::Result<(Vec<Entry>, Built)> {
        let machine = self.target.map_or_else(Machine::here, Ok)?;
        let programs = Programs { machine, profile: self.profile, no_build: self.no_build };
        let packages = self.packages();
        let mut entries = table(flavour)?;
        entries.retain(|entry| packages.contains(&entry.package));
        let built = Built::new(programs, &entries)?;
        Ok((entries, built))
    }
}

#[derive(Debug, clap::Parser)]
struct PackageArgs {
    #[command(flatten)]
    common: Common,
    /// Which package of the same version it is
    #[arg(long, default_value = "1", value_parser = revision)]
    revision: String,
    /// Who answers for the package, as `NAME <ADDRESS>`
    #[arg(long, default_value = "miqm maintainers <miqm@packages.invalid>")]
    maintainer: String,
    /// Where the packages go [default: packages in the target directory]
    #[arg(long, value_name = "DIRECTORY")]
    output: Option<PathBuf>,
}

#[derive(Debug, clap::Parser)]
#[command(name = "cargo xtask install", about = "Put everything below a folder, as packages do")]
struct InstallArgs {
    #[command(flatten)]
    common: Common,
    /// The folder, made if it is missing
    #[arg(long, value_name = "DIRECTORY")]
    root: PathBuf,
    /// With the places of which distributions
    #[arg(long, value_enum, default_value_t = Flavour::Plain)]
    flavour: Flavour,
}

/// Both kinds of packages understand digits, letters and dots.
fn revision(text: &str) -> Result<String, String> {
    let is_good = |c: char| c.is_ascii_alphanumeric() || c == '.';
    if !text.is_empty()
        && text.chars().all(is_good)
        && text.starts_with(|c: char| c.is_ascii_digit())
    {
        return Ok(text.to_owned());
    }
    Err("it must be a digit, and then digits, letters and dots".to_owned())
}

/// Everything that a package is made of, beside its entries.
struct Making {
    entries: Vec<Entry>,
    built: Built,
    packages: Vec<Package>,
    version: &'static str,
    revision: String,
    maintainer: String,
    epoch: u64,
    /// The folder to leave the packages in.
    output: PathBuf,
    /// Whether it is only for tests: then it is packed quickly, and not tightly.
    quick: bool,
}

impl Making {
    fn new(task: &str, args: &[String], flavour: Flavour) -> anyhow::Result<Self> {
        let name = format!("cargo xtask {task}");
        let args = PackageArgs::try_parse_from(std::iter::once(&name).chain(args))?;
        let (entries, built) = args.common.entries(flavour)?;
        let output = match args.output {
            Some(output) => std::path::absolute(output)?,
            None => {
                crate::build::programs(crate::build::Profile::Debug)?.with_file_name("packages")
            }
        };
        std::fs::create_dir_all(&output)
            .with_context(|| format!("cannot make {}", output.display()))?;
        Ok(Self {
            entries,
            built,
            packages: args.common.packages(),
            version: env!("CARGO_PKG_VERSION"),
            revision: args.revision,
            maintainer: args.maintainer,
            epoch: stage::epoch()?,
            output,
            quick: args.common.profile == Profile::Dev,
        })
    }

    fn entries_of(&self, package: Package) -> Vec<Entry> {
        self.entries.iter().filter(|entry| entry.package == package).cloned().collect()
    }
}

/// `cargo xtask deb`
pub(crate) fn deb(args: &[String]) -> anyhow::Result<()> {
    drop(tool::tool("dpkg-deb")?);
    let making = Making::new("deb", args, Flavour::Deb)?;
    for package in &making.packages {
        say(&deb::make(&making, *package)?.display().to_string());
    }
    Ok(())
}

/// `cargo xtask rpm`
pub(crate) fn rpm(args: &[String]) -> anyhow::Result<()> {
    drop(tool::tool("rpmbuild")?);
    let making = Making::new("rpm", args, Flavour::Rpm)?;
    for package in &making.packages {
        say(&rpm::make(&making, *package)?.display().to_string());
    }
    Ok(())
}

/// `cargo xtask install`
pub(crate) fn install(args: &[String]) -> anyhow::Result<()> {
    let name = "cargo xtask install".to_owned();
    let args = InstallArgs::try_parse_from(std::iter::once(&name).chain(args))?;
    let (entries, built) = args.common.entries(args.flavour)?;
    ensure!(!entries.is_empty(), "there is nothing to install");
    let root = std::path::absolute(&args.root)?;
    stage::stage(&entries, &built, &root, stage::epoch()?)?;
    say(&format!("{} files and folders below {}", entries.len(), root.display()));
    Ok(())
}
