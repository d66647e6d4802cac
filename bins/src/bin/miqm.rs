//! All commands in one file, by the name that it is called as or by its first argument.

fn main() -> std::process::ExitCode {
    miqm_bins::multi_call(std::env::args_os())
}
