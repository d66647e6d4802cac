//! See `miqmd(8)`.

fn main() -> std::process::ExitCode {
    miqm_cli::main::<miqm_bins::miqmd::Miqmd>()
}
