//! See `amqmfsck(1)`.

fn main() -> std::process::ExitCode {
    miqm_cli::main::<miqm_bins::amqmfsck::Amqmfsck>()
}
