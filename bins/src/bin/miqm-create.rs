//! See `miqm-create(8)`.

fn main() -> std::process::ExitCode {
    miqm_cli::main::<miqm_bins::miqm_create::MiqmCreate>()
}
