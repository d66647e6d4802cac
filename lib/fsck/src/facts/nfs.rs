//! What the kernel tells of an NFS mount beyond its options.

use serde::{Deserialize, Serialize};

use crate::report::HostFacts;

/// What only NFS has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NfsFacts {
    /// The version: "3", "4.2"; empty if unknown.
    pub version: String,
    /// After how many seconds of silence the server gives up a client; `None` if unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lease_seconds: Option<u32>,
    /// For how many seconds the lease has been over; 0 if it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lease_over_seconds: Option<u32>,
    /// Whether the client has a session (versions 4.1 and later).
    pub sessions: bool,
    /// The address that the client gave to the server for calls back; empty if it is not shown.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub client_address: String,
}

impl NfsFacts {
    /// Major and minor version, if known.
    pub fn numbers(&self) -> Option<(u32, u32)> {
        let (major, minor) = self.version.split_once('.').unwrap_or((&self.version, "0"));
        Some((major.parse().ok()?, minor.parse().ok()?))
    }
}

/// From the mount line in `facts`, and the text of `/proc/self/mountstats`.
pub(super) fn facts(facts: &HostFacts, mountstats: &str) -> NfsFacts {
    let section = section(mountstats, &facts.source, &facts.mount_point);
    NfsFacts {
        version: version(facts),
        lease_seconds: section.and_then(|text| number_in(text, "lease_time=")),
        lease_over_seconds: section.and_then(|text| number_in(text, "lease_expired=")),
        sessions: section.is_some_and(|text| nfs4_fields(text).any(|field| field == "sessions")),
        client_address: facts.option("clientaddr").unwrap_or_default().to_owned(),
    }
}

/// "vers=4.2", or "vers=4,minorversion=1" of old kernels.
fn version(facts: &HostFacts) -> String {
    let Some(version) = facts.option("vers").or_else(|| facts.option("nfsvers")) else {
        return String::new();
    };
    match facts.option("minorversion") {
        Some(minor) if !version.contains('.') => format!("{version}.{minor}"),
        _ if version == "4" => "4.0".to_owned(),
        _ => version.to_owned(),
    }
}

/// The lines of one mount. The text is that of the kernel, blanks as in the table of mounts.
fn section<'a>(mountstats: &'a str, source: &str, mount_point: &str) -> Option<&'a str> {
    let header =
        format!("device {} mounted on {} with fstype nfs", escaped(source), escaped(mount_point));
    // The last one hides the others.
    let mut found = None;
    let mut from = 0;
    for line in mountstats.split_inclusive('\n') {
        if line.starts_with(&header) {
            found = Some(from);
        }
        from += line.len();
    }
    let text = &mountstats[found?..];
    let after = text.find('\n').map_or(text.len(), |end| end + 1);
    let end = text[after..].find("\ndevice ").map_or(text.len(), |end| after + end + 1);
    Some(&text[..end])
}

fn escaped(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    for c in name.chars() {
        match c {
            ' ' => text.push_str("\\040"),
            '\t' => text.push_str("\\011"),
            '\n' => text.push_str("\\012"),
            '\\' => text.push_str("\\134"),
            other => text.push(other),
        }
    }
    text
}

/// What stands in the line of version 4.
fn nfs4_fields(section: &str) -> impl Iterator<Item = &str> {
    let lines = section.lines().map(str::trim_start);
    lines
        .filter_map(|line| line.strip_prefix("nfsv4:"))
        .flat_map(|rest| rest.split(','))
        .map(str::trim)
}

fn number_in(section: &str, key: &str) -> Option<u32> {
    nfs4_fields(section).find_map(|field| field.strip_prefix(key))?.parse().ok()
}
