//! The stanzas and attributes of `qm.ini` that are known, and what some of them can be.

use miqm_format::stanza::Document;
use miqm_types::LogManagement;

use super::Unknown;
use super::reader::{number_in, one_of, range_text};

/// The limits of `ErrorLogSize`, in bytes.
pub(super) const ERROR_LOG: (u64, u64) = (32_768, 2_147_483_648);

pub(super) const LOG_MANAGEMENT: [(&str, LogManagement); 3] = [
    ("Manual", LogManagement::Manual),
    ("Automatic", LogManagement::Automatic),
    ("Archive", LogManagement::Archive),
];

/// What a value can be.
pub(super) enum Values {
    Any,
    Number(u64, u64),
    OneOf(&'static [&'static str]),
    /// Several of these, with commas or blanks between them.
    SomeOf(&'static [&'static str]),
}

impl Values {
    pub(super) fn check(&self, value: &str) -> Result<(), String> {
        let is_in = |names: &[&str], word: &str| names.iter().any(|n| n.eq_ignore_ascii_case(word));
        match self {
            Self::Any => Ok(()),
            Self::Number(min, max) => {
                number_in(value, (*min, *max)).map(|_| ()).ok_or_else(|| range_text((*min, *max)))
            }
            Self::OneOf(names) if is_in(names, value) => Ok(()),
            Self::OneOf(names) => Err(one_of(names)),
            Self::SomeOf(names) => {
                let mut words = value.split([',', ' ', '\t']).filter(|w| !w.is_empty()).peekable();
                let any = words.peek().is_some();
                if any && words.all(|word| is_in(names, word)) {
                    Ok(())
                } else {
                    Err(format!("one or more of {}", one_of(names)))
                }
            }
        }
    }
}

pub(super) struct Rule {
    pub(super) key: &'static str,
    pub(super) values: Values,
}

const fn rule(key: &'static str, values: Values) -> Rule {
    Rule { key, values }
}

const YES_NO: Values = Values::OneOf(&["YES", "NO"]);

pub(super) const CHANNEL_RULES: &[(&str, &[Rule])] = &[
    (
        "Channels",
        &[
            rule("MaxChannels", Values::Number(1, 65_535)),
            rule("MaxActiveChannels", Values::Number(1, 65_535)),
            rule("MaxInitiators", Values::Number(1, 3)),
            rule("MQIBindType", Values::OneOf(&["STANDARD", "FASTPATH"])),
            rule("PipeLineLength", Values::Number(1, 65_535)),
            rule(
                "AdoptNewMCA",
                Values::SomeOf(&["NO", "SVR", "SDR", "RCVR", "CLUSRCVR", "ALL", "FASTPATH"]),
            ),
            rule("AdoptNewMCATimeout", Values::Number(1, 3600)),
            rule("AdoptNewMCACheck", Values::SomeOf(&["QM", "ADDRESS", "NAME", "ALL"])),
            rule("ChlauthEarlyAdopt", Values::OneOf(&["Y", "N"])),
            rule("ChlauthIgnoreUserCase", Values::OneOf(&["Y", "N"])),
            rule("ChlauthIssueWarn", Values::OneOf(&["Y", "N"])),
        ],
    ),
    (
        "SSL",
        &[
            rule("OCSPAuthentication", Values::OneOf(&["REQUIRED", "WARN", "OPTIONAL"])),
            rule("OCSPCheckExtensions", YES_NO),
            rule("OCSPTimeout", Values::Number(0, 3600)),
            rule("CDPCheckExtensions", YES_NO),
            rule("SSLHTTPProxyName", Values::Any),
            rule("SSLHTTPConnectTimeout", Values::Number(0, 3600)),
            rule("AllowTLSV13", YES_NO),
            rule("AllowedCipherSpecs", Values::Any),
            rule("MinimumRSAKeySize", Values::Number(1, 65_535)),
            rule("EncryptionPolicySuiteB", Values::Any),
            rule("OutboundSNI", Values::OneOf(&["CHANNEL", "HOSTNAME"])),
        ],
    ),
];

pub(super) const OTHER_RULES: &[(&str, &[Rule])] = &[
    (
        "TCP",
        &[
            rule("Port", Values::Number(1, 65_535)),
            rule("KeepAlive", YES_NO),
            rule("SecureCommsOnly", YES_NO),
            rule("ListenerBacklog", Values::Number(0, 65_535)),
            rule("Connect_Timeout", Values::Number(0, 999_999_999)),
            rule("SndBuffSize", Values::Number(0, 1_073_741_824)),
            rule("RcvBuffSize", Values::Number(0, 1_073_741_824)),
            rule("RcvSndBuffSize", Values::Number(0, 1_073_741_824)),
            rule("RcvRcvBuffSize", Values::Number(0, 1_073_741_824)),
            rule("ClntSndBuffSize", Values::Number(0, 1_073_741_824)),
            rule("ClntRcvBuffSize", Values::Number(0, 1_073_741_824)),
            rule("SvrSndBuffSize", Values::Number(0, 1_073_741_824)),
            rule("SvrRcvBuffSize", Values::Number(0, 1_073_741_824)),
            rule("IPAddressVersion", Values::OneOf(&["MQIPADDR_IPV4", "MQIPADDR_IPV6"])),
        ],
    ),
    (
        "Log",
        &[
            rule("LogPrimaryFiles", Values::Any),
            rule("LogSecondaryFiles", Values::Any),
            rule("LogFilePages", Values::Any),
            rule("LogType", Values::Any),
            rule("LogBufferPages", Values::Any),
            rule("LogPath", Values::Any),
            rule("LogManagement", Values::Any),
            rule(
                "LogWriteIntegrity",
                Values::OneOf(&["SingleWrite", "DoubleWrite", "TripleWrite"]),
            ),
        ],
    ),
    (
        "TuningParameters",
        &[
            rule("LockPollInterval", Values::Any),
            rule("HoldCheckInterval", Values::Any),
            rule("HoldDeadline", Values::Any),
            rule("LeaseTime", Values::Any),
            rule("StorageRetryTime", Values::Any),
            rule("MaxStandbys", Values::Any),
            rule("SuppressDspAuthFail", YES_NO),
            rule("ImplSyncOpenOutput", Values::Any),
            rule("UniformClusterName", Values::Any),
            rule("OAMLdapConnectTimeout", Values::Number(0, 999_999_999)),
        ],
    ),
    (
        "Service",
        &[
            rule("Name", Values::Any),
            rule("EntryPoints", Values::Number(0, 65_535)),
            rule("SecurityPolicy", Values::Any),
        ],
    ),
    (
        "ServiceComponent",
        &[
            rule("Service", Values::Any),
            rule("Name", Values::Any),
            rule("Module", Values::Any),
            rule("ComponentDataSize", Values::Number(0, 2_147_483_647)),
        ],
    ),
    (
        "QMErrorLog",
        &[
            rule("ErrorLogSize", Values::Any),
            rule("ExcludeMessage", Values::Any),
            rule("SuppressMessage", Values::Any),
            rule("SuppressInterval", Values::Number(1, 86_400)),
        ],
    ),
    ("ExitPath", &[rule("ExitsDefaultPath", Values::Any), rule("ExitsDefaultPath64", Values::Any)]),
    ("AutoConfig", &[rule("MQSCConfig", Values::Any), rule("IniConfig", Values::Any)]),
    ("RestrictedMode", &[rule("ApplicationGroup", Values::Any)]),
];

/// Every attribute that is known, with its stanza.
pub fn known_attributes() -> impl Iterator<Item = (&'static str, &'static str)> {
    let stanzas = CHANNEL_RULES.iter().chain(OTHER_RULES);
    stanzas.flat_map(|(stanza, rules)| rules.iter().map(|rule| (*stanza, rule.key)))
}

/// Stanzas whose attributes are anybody's, or are not looked at by this version.
const OPEN_STANZAS: &[&str] = &[
    "Variables",
    "DiagnosticMessages",
    "DiagnosticSystemMessages",
    "DiagnosticMessagesTemplate",
    "AutoCluster",
    "InstanceData",
    "Subpool",
    "Security",
    "XAResourceManager",
    "NativeHALocalInstance",
    "NativeHAInstance",
    "AuthToken",
    "ApiExitLocal",
    "ApiExitCommon",
    "ApiExitTemplate",
    "ExitProperties",
    "LU62",
    "NETBIOS",
    "SPX",
    "Filesystem",
    "AllQueueManagers",
];

/// What in a document is not known, in the order of the file.
pub(super) fn unknown(document: &Document) -> Vec<Unknown> {
    let mut found = Vec::new();
    for stanza in document.all() {
        let name = stanza.name();
        if OPEN_STANZAS.iter().any(|open| open.eq_ignore_ascii_case(name)) {
            continue;
        }
        let rules = CHANNEL_RULES
            .iter()
            .chain(OTHER_RULES)
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, rules)| *rules);
        let Some(rules) = rules else {
            let line = stanza.line().unwrap_or(0);
            found.push(Unknown { line, stanza: name.to_owned(), key: None });
            continue;
        };
        for setting in stanza.settings() {
            if !rules.iter().any(|rule| rule.key.eq_ignore_ascii_case(setting.key)) {
                found.push(Unknown {
                    line: setting.line.unwrap_or(0),
                    stanza: name.to_owned(),
                    key: Some(setting.key.to_owned()),
                });
            }
        }
    }
    found
}
