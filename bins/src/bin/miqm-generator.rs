//! See `miqm-generator(8)`.

fn main() -> std::process::ExitCode {
    miqm_cli::main::<miqm_bins::generator::Generator>()
}
