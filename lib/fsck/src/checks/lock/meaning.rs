//! What error numbers of lock calls mean.

use miqm_sys::probe::{errno_name, errno_text};

/// What an error number of a lock call means, as a clause; empty if there is nothing to add.
fn meaning(errno: i32) -> &'static str {
    match errno_name(errno) {
        "ENOLCK" => {
            "there is no lock manager, or it has no room for more locks; on NFS version 3 rpc.statd \
             or lockd does not run, here or on the server, or a firewall is between them"
        }
        "ENOSYS" => "this file system has no locks",
        "EOPNOTSUPP" => "the file system, or its server, does not support such locks",
        "EINVAL" => "the file system does not know such a lock, or such a range",
        "EIO" => {
            "the server has forgotten the lock, or cannot be reached through a soft mount, or the \
             storage is broken"
        }
        "ESTALE" => "the server does not know the file any more: it was removed or exported anew",
        "EBADF" | "EBADFD" => {
            "the descriptor is not open as the lock needs it, or was given up after the connection \
             to the storage had been lost"
        }
        "EINTR" => "the call was interrupted although nothing was to interrupt it",
        "ERESTARTSYS" => {
            "this is no error number for programs: a file server in user space let the kernel's \
             own number for an interrupted call through"
        }
        "ETIMEDOUT" | "EHOSTDOWN" | "EHOSTUNREACH" => "the server does not answer",
        "ENOTCONN" | "ECONNABORTED" => "the program that serves this file system has ended",
        "EREMOTEIO" => "the server could not do it and does not say why",
        "EOVERFLOW" | "EFBIG" => {
            "the position is more than the file system, or the protocol to its server, can lock"
        }
        "EDEADLK" => "a dead end of waiting processes was seen where there is none",
        "EPERM" => "locks are forbidden to this user here",
        _ => "",
    }
}

/// That a call was refused, with the error number in words, as a sentence.
pub(super) fn refused(call: &str, errno: i32) -> String {
    let (name, text) = (errno_name(errno), errno_text(errno));
    match meaning(errno) {
        "" => format!("{call} was refused: {name} ({text})."),
        meaning => format!("{call} was refused: {name} ({text}): {meaning}."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_the_number_and_says_what_it_means() {
        let told = refused("flock(0, LOCK_EX)", 37);
        assert!(told.starts_with("flock(0, LOCK_EX) was refused: ENOLCK ("));
        assert!(told.contains("rpc.statd"));
        assert_eq!(refused("x", 28), "x was refused: ENOSPC (No space left on device).");
        assert!(refused("x", 512).contains("ERESTARTSYS"));
    }
}
