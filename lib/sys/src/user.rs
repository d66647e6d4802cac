//! Users and groups: who calls, and who the installation's user is.

use std::ffi::CString;
use std::path::Path;

use nix::errno::Errno;
use nix::unistd::{Gid, Group, Uid, User, getegid, geteuid, getgrouplist, getgroups};

use crate::error::{At, IoError, Op};
use crate::fs::Owner;

/// The user that owns an installation, by name.
pub const MQM_USER: &str = "mqm";
/// The group of the administrators, by name.
pub const MQM_GROUP: &str = "mqm";

/// Who runs this process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The effective user.
    pub uid: u32,
    /// The effective group.
    pub gid: u32,
    /// Every group: the effective one and the supplementary ones.
    pub groups: Vec<u32>,
}

impl Caller {
    /// Whether this is the superuser.
    pub fn is_root(&self) -> bool {
        self.uid == 0
    }

    /// Whether the caller is in a group.
    pub fn in_group(&self, gid: u32) -> bool {
        self.groups.contains(&gid)
    }
}

/// Who runs this process.
///
/// # Errors
///
/// If the groups cannot be had.
pub fn caller() -> Result<Caller, IoError> {
    let gid = getegid().as_raw();
    let mut groups: Vec<u32> = getgroups()
        .at(Op::Query, "the caller's groups".as_ref())?
        .iter()
        .map(|g| g.as_raw())
        .collect();
    if !groups.contains(&gid) {
        groups.push(gid);
    }
    Ok(Caller { uid: geteuid().as_raw(), gid, groups })
}

/// The installation's user and its login group, if there is such a user.
///
/// # Errors
///
/// If the user database cannot be read.
pub fn mqm_user() -> Result<Option<Owner>, IoError> {
    let user = User::from_name(MQM_USER);
    let user = absent_is_none(user).at(Op::Query, "the user mqm".as_ref())?;
    Ok(user.map(|user| Owner { uid: user.uid.as_raw(), gid: user.gid.as_raw() }))
}

/// The administrators' group, if there is one.
///
/// # Errors
///
/// If the group database cannot be read.
pub fn mqm_group() -> Result<Option<u32>, IoError> {
    let group = Group::from_name(MQM_GROUP);
    let group = absent_is_none(group).at(Op::Query, "the group mqm".as_ref())?;
    Ok(group.map(|group| group.gid.as_raw()))
}

/// The number of a group, if there is one of that name.
///
/// # Errors
///
/// If the group database cannot be read.
pub fn group_id(name: &str) -> Result<Option<u32>, IoError> {
    let group = absent_is_none(Group::from_name(name)).at(Op::Query, name.as_ref())?;
    Ok(group.map(|group| group.gid.as_raw()))
}

/// The groups that the user database lists for a user; none if it does not know the user.
///
/// # Errors
///
/// If the database cannot be read.
pub fn groups_of(uid: u32) -> Result<Vec<u32>, IoError> {
    let name = Path::new("the user database");
    let Some(user) = absent_is_none(User::from_uid(Uid::from_raw(uid))).at(Op::Query, name)? else {
        return Ok(Vec::new());
    };
    let login = CString::new(user.name).map_err(std::io::Error::from).at(Op::Query, name)?;
    let groups = getgrouplist(&login, user.gid).at(Op::Query, name)?;
    Ok(groups.into_iter().map(Gid::as_raw).collect())
}

/// A user's name, or its number as text where it has none or the database cannot be read.
pub fn user_name(uid: u32) -> String {
    match User::from_uid(Uid::from_raw(uid)) {
        Ok(Some(user)) => user.name,
        _ => uid.to_string(),
    }
}

/// A group's name, or its number as text where it has none or the database cannot be read.
pub fn group_name(gid: u32) -> String {
    match Group::from_gid(Gid::from_raw(gid)) {
        Ok(Some(group)) => group.name,
        _ => gid.to_string(),
    }
}

/// Some C libraries answer "no such entry" with an error number.
fn absent_is_none<T>(found: nix::Result<Option<T>>) -> nix::Result<Option<T>> {
    match found {
        Err(Errno::ENOENT | Errno::ESRCH) => Ok(None),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caller_is_in_its_own_group() {
        let caller = caller().unwrap();
        assert!(caller.in_group(caller.gid));
        assert_eq!(caller.is_root(), caller.uid == 0);
    }

    #[test]
    fn names_are_found_and_numbers_stand_in() {
        assert_eq!(user_name(0), "root");
        assert_eq!(group_name(0), "root");
        assert_eq!(user_name(3_999_999_999), "3999999999");
        assert!(mqm_user().is_ok() && mqm_group().is_ok());
        assert_eq!(group_id("root").unwrap(), Some(0));
        assert_eq!(group_id("no such group").unwrap(), None);
        assert!(groups_of(0).unwrap().contains(&0));
        assert_eq!(groups_of(3_999_999_999).unwrap(), []);
    }
}
