//! What a `GlusterFS` client tells of itself: the graph of translators that it runs, with the options
//! that are set, and its command line.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What only `GlusterFS` has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct GlusterFacts {
    /// The client's version: "10.3"; empty if unknown.
    pub version: String,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// The types of the translators that it runs, each once: "performance/write-behind".
    pub translators: Vec<String>,
    /// The number of bricks.
    pub bricks: u32,
    /// The number of bricks in the smallest set of replicas; 0 if nothing is replicated.
    pub replicas: u32,
    /// Whether a descriptor that has lost its lock stays dead, on every brick.
    pub strict_locks: bool,
    /// After how many seconds a silent brick is given up: the longest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ping_timeout_seconds: Option<u32>,
    /// The type of quorum, if it is set; empty for the default.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub quorum_type: String,
}

/// A part of the client.
#[derive(Debug, Default)]
struct Translator {
    kind: String,
    options: BTreeMap<String, String>,
    below: u32,
}

impl GlusterFacts {
    /// Whether it runs a translator.
    pub fn runs(&self, kind: &str) -> bool {
        self.translators.iter().any(|of| of == kind)
    }

    /// The value of an argument: of "attribute-timeout" in "--attribute-timeout=0".
    pub fn argument(&self, name: &str) -> Option<&str> {
        let mut value = None;
        for (at, argument) in self.arguments.iter().enumerate() {
            let Some(rest) = argument.strip_prefix("--").and_then(|rest| rest.strip_prefix(name))
            else {
                continue;
            };
            match rest.strip_prefix('=') {
                Some(given) => value = Some(given),
                None if rest.is_empty() => {
                    let next = self.arguments.get(at + 1).map(String::as_str);
                    value = next.filter(|next| !next.starts_with('-')).or(Some("on"));
                }
                None => {}
            }
        }
        value
    }
}

/// Whether the value of a switch means "on".
pub(crate) fn is_on(value: &str) -> bool {
    ["on", "yes", "true", "enable", "enabled", "1"].contains(&value.to_ascii_lowercase().as_str())
}

/// From the texts `graphs/active/volfile`, `cmdline` and `version` of the client's own folder.
pub(super) fn facts(volume: &str, command: &str, version: &str) -> GlusterFacts {
    let arguments = json_value(command, "Cmdlinestr").unwrap_or_default();
    let mut facts = GlusterFacts {
        version: json_value(version, "Package Version").unwrap_or_default(),
        arguments: arguments.split_whitespace().map(str::to_owned).collect(),
        strict_locks: true,
        ..GlusterFacts::default()
    };
    each_translator(volume, |part| add(&mut facts, &part));
    facts.strict_locks &= facts.bricks > 0;
    facts
}

fn add(facts: &mut GlusterFacts, part: &Translator) {
    let option = |name| part.options.get(name).map(String::as_str);
    if option("pass-through").is_some_and(is_on) {
        return;
    }
    match part.kind.as_str() {
        "protocol/client" => {
            facts.bricks = facts.bricks.saturating_add(1);
            facts.strict_locks &= option("strict-locks").is_some_and(is_on);
            let seconds = option("ping-timeout").and_then(|value| value.parse().ok());
            facts.ping_timeout_seconds = facts.ping_timeout_seconds.max(seconds);
        }
        "cluster/replicate" => {
            let least = if facts.replicas == 0 { u32::MAX } else { facts.replicas };
            facts.replicas = least.min(part.below);
            if let Some(kind) = option("quorum-type") {
                kind.clone_into(&mut facts.quorum_type);
            }
        }
        _ => {}
    }
    if !facts.runs(&part.kind) {
        facts.translators.push(part.kind.clone());
    }
}

fn json_value(text: &str, key: &str) -> Option<String> {
    let value: serde_json::Value = serde_json::from_str(text).ok()?;
    Some(value.get(key)?.as_str()?.trim().to_owned())
}

/// Reads a description of a graph: blocks from "volume NAME" to "end-volume".
fn each_translator(text: &str, mut tell: impl FnMut(Translator)) {
    let mut part: Option<Translator> = None;
    for line in text.lines() {
        let line = line.trim();
        let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let rest = rest.trim();
        match (word, part.as_mut()) {
            ("volume", _) => part = Some(Translator::default()),
            ("type", Some(part)) => rest.clone_into(&mut part.kind),
            ("option", Some(part)) => {
                let (name, value) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
                part.options.insert(name.to_owned(), value.trim().to_owned());
            }
            ("subvolumes", Some(part)) => {
                part.below = u32::try_from(rest.split_whitespace().count()).unwrap_or(u32::MAX);
            }
            ("end-volume", _) => part.take().into_iter().for_each(&mut tell),
            _ => {}
        }
    }
}
