use std::collections::{BTreeMap, BTreeSet};

use miqm_fsck::{Outcome, Phase, Report, Verdict, render};
use serde_json::{Value, json};

use crate::sample;

/// What of JSON Schema our schema uses. Adds each definition's field that was seen to `seen`, and
/// refuses fields that are not described.
struct Validator {
    schema: Value,
    seen: BTreeMap<String, BTreeSet<String>>,
}

impl Validator {
    fn new() -> Self {
        Self { schema: serde_json::from_str(render::SCHEMA).unwrap(), seen: BTreeMap::new() }
    }

    fn check(&mut self, value: &Value, by: &Value, of: &str) {
        if let Some(path) = by["$ref"].as_str() {
            let name = path.strip_prefix("#/$defs/").unwrap();
            let definition = self.schema["$defs"][name].clone();
            assert!(!definition.is_null(), "{path} is nowhere");
            return self.check(value, &definition, name);
        }
        if let Some(values) = by["enum"].as_array() {
            assert!(values.contains(value), "{value} is none of {values:?}");
            return;
        }
        match by["type"].as_str().unwrap() {
            "object" => {
                let object = value.as_object().unwrap();
                for name in by["required"].as_array().unwrap() {
                    assert!(object.contains_key(name.as_str().unwrap()), "{of} has no {name}");
                }
                for (name, field) in object {
                    if by["properties"].is_null() {
                        self.check(field, &by["additionalProperties"].clone(), of);
                        continue;
                    }
                    let described = &by["properties"][name];
                    assert!(!described.is_null(), "{of}.{name} is not described");
                    self.seen.entry(of.into()).or_default().insert(name.clone());
                    self.check(field, &described.clone(), &format!("{of}.{name}"));
                }
            }
            "array" => {
                for item in value.as_array().unwrap() {
                    self.check(item, &by["items"], of);
                }
            }
            "string" => assert!(value.is_string(), "{of}: {value}"),
            "boolean" => assert!(value.is_boolean(), "{of}: {value}"),
            "integer" => assert!(value.is_u64() || value.is_i64(), "{of}: {value}"),
            "number" => assert!(value.is_number(), "{of}: {value}"),
            other => panic!("{of}: nothing checks a {other}"),
        }
    }

    fn report(&mut self, report: &Report) {
        let value = serde_json::to_value(report).unwrap();
        self.check(&value, &self.schema.clone(), "");
    }
}

#[test]
fn the_schema_describes_every_field_and_nothing_else() {
    let mut validator = Validator::new();
    for report in [sample::good(), sample::mixed(), sample::empty()] {
        validator.report(&report);
    }
    for field in render::fields() {
        assert!(validator.seen[&field.of].contains(&field.name), "no report has {field:?}");
        assert!(field.what.ends_with('.') && field.what.is_ascii(), "{field:?}");
    }
    let described: usize = validator.seen.values().map(BTreeSet::len).sum();
    assert_eq!(described, render::fields().len());
}

/// A field that is said to be there always is there in the least of all reports.
#[test]
fn what_is_required_is_always_there() {
    let mut least = sample::mixed();
    least.command.clear();
    least.ended_early.clear();
    least.not_shown.clear();
    let value = serde_json::to_value(&least).unwrap();
    for field in render::fields().iter().filter(|field| field.of == "report") {
        assert_eq!(value.get(&field.name).is_some(), field.always, "{field:?}");
    }
}

#[test]
fn every_word_of_the_enumerations_is_known() {
    let schema: Value = serde_json::from_str(render::SCHEMA).unwrap();
    let known =
        |values: &Value, word: Value| assert!(values.as_array().unwrap().contains(&word), "{word}");
    for outcome in [Outcome::Passed, Outcome::Failed, Outcome::NotTested] {
        known(&schema["$defs"]["report"]["properties"]["outcome"]["enum"], json!(outcome));
    }
    let verdicts = &schema["$defs"]["finding"]["properties"]["verdict"]["enum"];
    for verdict in
        [Verdict::Pass, Verdict::NotApplicable, Verdict::Warning, Verdict::NotTested, Verdict::Fail]
    {
        known(verdicts, json!(verdict));
    }
    for phase in [
        Phase::Environment,
        Phase::Basic,
        Phase::All,
        Phase::Concurrent,
        Phase::Waiting,
        Phase::Long,
        Phase::Format,
        Phase::Append,
        Phase::Verify,
        Phase::Failure,
    ] {
        known(&schema["$defs"]["phase"]["enum"], json!(phase));
    }
}

#[test]
fn a_report_comes_back_from_its_json() {
    for mut report in [sample::good(), sample::mixed(), sample::empty()] {
        // The last binary digit of a number may be another one; times are not that exact.
        report.findings.iter_mut().for_each(|found| found.series.clear());
        let text = serde_json::to_string_pretty(&report).unwrap();
        assert_eq!(serde_json::from_str::<Report>(&text).unwrap(), report);
    }
}
