//! The JSON Schema of a policy file, made from the rules.

use serde_json::{Map, Value, json};

use super::{API_VERSION, KIND};
use crate::finding::Action;
use crate::kind::Kind;
use crate::rules::{Profile, RULES, Rule};

/// The schema, draft 2020-12.
pub fn schema() -> Value {
    let mut rules = Map::new();
    let mut names = Vec::new();
    for rule in RULES {
        names.push(json!(rule.name));
        names.push(json!(rule.code.to_string()));
        rules.insert(rule.name.to_owned(), rule_schema(rule));
        rules.insert(rule.code.to_string(), rule_schema(rule));
    }
    let profiles: Vec<&str> = Profile::spellings().collect();
    let text = json!({"type": "string", "minLength": 1});
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "nfs-mount-guard MountPolicy",
        "type": "object",
        "required": ["apiVersion", "kind"],
        "additionalProperties": false,
        "properties": {
            "apiVersion": {"const": API_VERSION},
            "kind": {"const": KIND},
            "mode": {
                "enum": ["enforce", "observe"],
                "description": "observe: nothing is patched or refused; what would have been is told",
            },
            "profile": {
                "enum": profiles,
                "description": "the defaults of all rules; without a version the newest, with one as that was released",
            },
            "preview": {
                "type": "boolean",
                "description": "whether rules that are still tried out run, too",
            },
            "rules": {
                "type": ["object", "null"],
                "additionalProperties": false,
                "properties": rules,
            },
            "drivers": {
                "type": ["array", "null"],
                "items": {
                    "type": "object",
                    "required": ["name"],
                    "additionalProperties": false,
                    "properties": {
                        "name": {"type": "string", "minLength": 1, "description": "a driver's name; * stands for any text"},
                        "nfs": {"type": "boolean", "description": "whether its volumes are NFS"},
                        "timeo": range("timeo-not-set", "the timeo that is filled in, in tenths of a second"),
                        "retrans": range("retrans-not-set", "the retrans that is filled in"),
                    },
                },
            },
            "provisioners": {
                "type": ["array", "null"],
                "description": "users that make volumes as provisioners do, beside service accounts: what they send is judged as made by the provisioner that it names; * stands for any text",
                "items": text.clone(),
            },
            "exemptions": {
                "type": ["array", "null"],
                "items": {
                    "type": "object",
                    "required": ["rules", "reason"],
                    "additionalProperties": false,
                    "properties": {
                        "rules": {
                            "type": "array",
                            "minItems": 1,
                            "description": "codes or names, or what these begin with",
                            // The list is what an editor completes; the beginning of a name is taken, too.
                            "items": {"anyOf": [{"enum": names}, text.clone()]},
                        },
                        "kind": {"enum": Kind::ALL.iter().map(|kind| kind.as_str()).collect::<Vec<_>>()},
                        "name": text.clone(),
                        "namespace": text.clone(),
                        "storageClassName": text.clone(),
                        "driver": text.clone(),
                        "options": {"type": "array", "items": text.clone()},
                        "reason": text,
                        "expires": {"type": "string", "format": "date", "description": "the last day on which it holds"},
                    },
                },
            },
            "onUnreadable": {
                "enum": ["deny", "allow"],
                "description": "what /validate answers for an object that cannot be read",
            },
            "annotationExemptions": {
                "type": "boolean",
                "description": "whether an object's annotation nfs-mount-guard.io/exempt exempts it",
            },
        },
    })
}

fn rule_schema(rule: &Rule) -> Value {
    let mut properties = Map::new();
    properties.insert("action".to_owned(), json!({"enum": Action::ALL.map(Action::as_str)}));
    for setting in rule.settings {
        properties.insert(
            setting.name.to_owned(),
            json!({
                "type": "integer",
                "minimum": setting.min,
                "maximum": setting.max,
                "default": setting.default,
                "description": setting.meaning,
            }),
        );
    }
    json!({
        "type": ["object", "null"],
        "description": rule.summary,
        "additionalProperties": false,
        "properties": properties,
    })
}

/// The range of the number that a rule fills in.
fn range(rule: &str, meaning: &str) -> Value {
    let setting = crate::rules::find(rule).and_then(|rule| rule.settings.first());
    json!({
        "type": "integer",
        "minimum": setting.map_or(0, |setting| setting.min),
        "maximum": setting.map_or(u32::MAX, |setting| setting.max),
        "description": meaning,
    })
}
