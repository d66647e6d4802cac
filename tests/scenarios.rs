//! Stories over several commands and hosts.

mod damage;
mod fsck_defects;
mod fsck_filesystems;
mod fsck_ssh;
mod full_disk;
mod pauses;
mod storage_faults;
mod strangers;
mod takeovers;
mod tampering;
mod tutorial;
