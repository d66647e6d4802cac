//! Who owns an installation, and who may administer it.
//!
//! The owner is the owner of the prefix directory. What is made belongs to the owner if root makes
//! it, else to its maker and, if possible, the owner's group. Root, the owner and the members
//! of the group `mqm` are administrators.

use miqm_sys::fs::{Owner, Presence};
use miqm_sys::user::Caller;
use miqm_sys::{IoError, fs, user};

use crate::env::{DEFAULT_PREFIX, Env};
use crate::layout::PREFIX_MODE;

/// Why somebody may not administer an installation, or why nobody can.
#[derive(Debug, thiserror::Error)]
pub enum OwnerError {
    /// The caller is neither root nor the owner nor in the group `mqm`.
    #[error("user {user} does not administer the installation of user {owner}")]
    NotAuthorized {
        /// Who called.
        user: String,
        /// Who owns the prefix.
        owner: String,
    },
    /// The default prefix is to be made for the user `mqm`, and there is no such user.
    #[error("there is no user mqm")]
    NoMqmUser,
    /// The prefix is not a directory.
    #[error("{} is not a directory", path.display())]
    NotADirectory {
        /// The prefix.
        path: std::path::PathBuf,
    },
    /// The prefix cannot be examined or made.
    #[error(transparent)]
    Io(#[from] IoError),
}

/// An administrator at work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admin {
    /// Who owns the installation.
    pub owner: Owner,
    /// Who called.
    pub caller: Caller,
    /// To whom what is made now belongs.
    pub maker: Owner,
}

impl Admin {
    fn new(owner: Owner, caller: Caller) -> Self {
        let maker = if caller.is_root() {
            owner
        } else {
            let gid = if caller.in_group(owner.gid) { owner.gid } else { caller.gid };
            Owner { uid: caller.uid, gid }
        };
        Self { owner, caller, maker }
    }

    /// Whether a directory of this user is one of the installation's.
    pub fn is_ours(&self, uid: u32) -> bool {
        uid == self.owner.uid || uid == self.caller.uid
    }
}

/// Who owns the installation, or `None` if there is none yet.
///
/// # Errors
///
/// [`OwnerError`] if the prefix cannot be examined or is not a directory.
pub fn of_prefix(env: &Env) -> Result<Option<Owner>, OwnerError> {
    if fs::presence(&env.prefix)? == Presence::Absent {
        return Ok(None);
    }
    let stat = fs::stat(&env.prefix)?;
    if stat.is_dir {
        Ok(Some(stat.owner))
    } else {
        Err(OwnerError::NotADirectory { path: env.prefix.clone() })
    }
}

/// Makes sure that the caller may administer the installation. Where there is none yet,
/// whoever may make it may.
///
/// # Errors
///
/// [`OwnerError::NotAuthorized`], or that of [`of_prefix`].
pub fn authorize(env: &Env) -> Result<Admin, OwnerError> {
    let caller = user::caller()?;
    let Some(owner) = of_prefix(env)? else {
        let owner = future_owner(env, &caller)?;
        return Ok(Admin::new(owner, caller));
    };
    let mqm = user::mqm_group()?;
    let may = caller.is_root()
        || caller.uid == owner.uid
        || mqm.is_some_and(|group| caller.in_group(group));
    if may {
        return Ok(Admin::new(owner, caller));
    }
    Err(OwnerError::NotAuthorized {
        user: user::user_name(caller.uid),
        owner: user::user_name(owner.uid),
    })
}

/// Makes the prefix if it is not there, and makes sure that the caller may administer it.
///
/// # Errors
///
/// [`OwnerError`].
pub fn establish(env: &Env) -> Result<Admin, OwnerError> {
    let admin = authorize(env)?;
    if fs::presence(&env.prefix)? == Presence::Absent {
        fs::make_dir_all(&env.prefix, PREFIX_MODE, Some(admin.maker))?;
    }
    Ok(admin)
}

fn future_owner(env: &Env, caller: &Caller) -> Result<Owner, OwnerError> {
    if env.prefix == std::path::Path::new(DEFAULT_PREFIX) && caller.is_root() {
        return user::mqm_user()?.ok_or(OwnerError::NoMqmUser);
    }
    Ok(Owner { uid: caller.uid, gid: caller.gid })
}
