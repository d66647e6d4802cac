//! Automation of the project: `cargo xtask TASK`.

fn main() -> anyhow::Result<()> {
    anyhow::bail!("no task has been written yet")
}
