//! `cargo xtask catalog`: the explanations of every message, for the journal of a host.
//!
//! Installed as `/usr/lib/systemd/catalog/miqm.catalog`, and compiled with `journalctl
//! --update-catalog`, the file lets `journalctl -x` explain each entry of an instance.

use std::fs;

use anyhow::Context;

use crate::{say, workspace};

pub(crate) fn run(args: &[String]) -> anyhow::Result<()> {
    crate::no_arguments(args)?;
    let folder = workspace().join("target/catalog");
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let path = folder.join("miqm.catalog");
    fs::write(&path, miqm_messages::journal_catalogue())
        .with_context(|| format!("cannot write {}", path.display()))?;
    say(&format!("{} messages in {}", miqm_messages::CATALOGUE.len(), path.display()));
    Ok(())
}
