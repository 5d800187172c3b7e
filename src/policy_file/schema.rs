//! The JSON Schema of a policy file, made from the rules.

use serde_json::{Map, Value, json};

use super::{API_VERSION, KIND};
use crate::finding::Action;
use crate::kind::Kind;
use crate::rules::{Profile, RULES, Rule};

/// Returns the schema, draft 2020-12.
pub fn schema() -> Value {
    let mut rules = Map::new();
    let mut names = Vec::new();
    for rule in RULES {
        // Both spellings: the reader takes either, and an editor completes both.
        names.push(json!(rule.name));
        names.push(json!(rule.code.to_string()));
        rules.insert(rule.name.to_owned(), rule_schema(rule));
        rules.insert(rule.code.to_string(), rule_schema(rule));
    }
    let profiles: Vec<&str> = Profile::spellings().collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "nfs-mount-guard MountPolicy",
        "description": "what nfs-mount-guard evaluates, and what it does about findings: the same file for the webhook and for files",
        "type": "object",
        "required": ["apiVersion", "kind"],
        "additionalProperties": false,
        "properties": {
            "apiVersion": {"const": API_VERSION, "description": "the version of this format"},
            "kind": {"const": KIND, "description": "the kind of this file"},
            "mode": {
                "enum": ["enforce", "observe"],
                "description": "enforce: repair and deny; observe: do neither, and report in warnings, log and metrics what enforce would do",
            },
            "profile": {
                "enum": profiles,
                "description": "the defaults of all rules: the newest version, or a fixed one (standard@1)",
            },
            "preview": {
                "type": "boolean",
                "description": "whether rules in preview run, too",
            },
            "rules": {
                // A key without a value is null to YAML, and the reader takes it for empty.
                "type": ["object", "null"],
                "description": "actions and settings of single rules, by name or code; they override the profile",
                "additionalProperties": false,
                "properties": rules,
            },
            "drivers": {
                "type": ["array", "null"],
                "description": "drivers that the driver table lacks, or other facts for drivers that it has",
                "items": driver(),
            },
            "provisioners": {
                "type": ["array", "null"],
                "description": "users, in addition to service accounts, whose annotation pv.kubernetes.io/provisioned-by is believed",
                "items": text("a user name; * matches any text"),
            },
            "exemptions": {
                "type": ["array", "null"],
                "description": "objects that are exempt from rules; every selector of an exemption must match",
                "items": exemption(&names),
            },
            "onUnreadable": {
                "enum": ["deny", "allow"],
                "description": "the response of /validate to an object that cannot be read",
            },
            "annotationExemptions": {
                "type": "boolean",
                "description": "whether the annotation nfs-mount-guard.io/exempt of an object exempts it; off by default, because authors of objects write it",
            },
        },
    })
}

/// Returns a text that is not empty.
fn text(description: &str) -> Value {
    json!({"type": "string", "minLength": 1, "description": description})
}

/// Returns one driver that the policy declares.
fn driver() -> Value {
    json!({
        "type": "object",
        "description": "one driver, or all whose names match a pattern",
        "required": ["name"],
        "additionalProperties": false,
        "properties": {
            "name": {"type": "string", "minLength": 1, "description": "a driver's name; * matches any text"},
            "nfs": {"type": "boolean", "description": "whether its volumes are NFS"},
            "timeo": range("timeo-not-set", "the timeo that is filled in, in tenths of a second"),
            "retrans": range("retrans-not-set", "the retrans that is filled in"),
        },
    })
}

/// Returns one exemption, with the spellings of all rules.
fn exemption(names: &[Value]) -> Value {
    let kinds: Vec<&str> = Kind::ALL.iter().map(|kind| kind.as_str()).collect();
    json!({
        "type": "object",
        "description": "one exemption; a selector that is not set matches every object",
        "required": ["rules", "reason"],
        "additionalProperties": false,
        "properties": {
            "rules": {
                "type": "array",
                "minItems": 1,
                "description": "rules, by code, name, or the beginning of either",
                // The list is what an editor completes; the beginning of a name is taken, too.
                "items": {
                    "anyOf": [{"enum": names}, {"type": "string", "minLength": 1}],
                    "description": "a code or name in any case; any other text selects every rule that begins with it",
                },
            },
            "kind": {"enum": kinds, "description": "the object's kind; StorageClass includes the volumes of the class"},
            "name": text("the object's name; * matches any text"),
            "namespace": text("the object's namespace; * matches any text; matches no class and no volume, which have none"),
            "storageClassName": text("the name of the class, for a class and its volumes; * matches any text"),
            "driver": text("the provisioner or CSI driver; * matches any text"),
            "options": {
                "type": "array",
                "description": "mount options; only findings about these options are exempt",
                "items": text("an option as written, or its keyword; * matches any text"),
            },
            "reason": text("why the object is exempt; shown in warnings, reports and log"),
            "expires": {"type": "string", "format": "date", "description": "the last day on which it is in effect"},
        },
    })
}

fn rule_schema(rule: &Rule) -> Value {
    let mut properties = Map::new();
    properties.insert("action".to_owned(), json!({
            "enum": Action::ALL.map(Action::as_str),
            "description": "off: do not run; audit: log and count; warn: also warn the user; deny: also reject, or repair",
        }));
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

/// Returns the range of the number that a rule fills in.
fn range(rule: &str, meaning: &str) -> Value {
    let setting = crate::rules::find(rule).and_then(|rule| rule.settings.first());
    json!({
        "type": "integer",
        "minimum": setting.map_or(0, |setting| setting.min),
        "maximum": setting.map_or(u32::MAX, |setting| setting.max),
        "description": meaning,
    })
}
