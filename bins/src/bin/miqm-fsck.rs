//! `amqmfsck(1)` by another name, to be built without libraries for hosts that have nothing else of
//! this project; see `miqm-fsck(1)`.

fn main() -> std::process::ExitCode {
    miqm_cli::main::<miqm_bins::amqmfsck::Amqmfsck>()
}
