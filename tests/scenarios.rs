//! Stories over several commands and hosts.

mod damage;
mod fsck_defects;
mod fsck_filesystems;
mod fsck_ssh;
mod full_disk;
mod pauses;
mod service_manager;
mod storage_faults;
mod strangers;
mod systemd_boot;
mod systemd_crashes;
mod systemd_ends;
mod systemd_install;
mod systemd_provision;
mod systemd_strangers;
mod systemd_texts;
mod systemd_upgrade;
mod takeovers;
mod tampering;
mod tutorial;
