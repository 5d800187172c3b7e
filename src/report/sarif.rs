//! The report as SARIF 2.1.0, for code scanning.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::json::plain;
use super::rule_page;
use super::{FindingReport, Fingerprints, Origin, ReadError, Report, Reported, SubjectReport};
use crate::finding::{Action, Grade};
use crate::rules::{Profile, RULES, Rule};

/// The report as one run.
pub fn write(report: &Report) -> String {
    let mut fingerprints = Fingerprints::default();
    let mut results = Vec::new();
    for subject in &report.subjects {
        for finding in &subject.findings {
            results.push(result(subject, finding, &fingerprints.of(subject, finding)));
        }
    }
    let log = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": report.tool.name,
                "semanticVersion": report.tool.version,
                "rules": RULES.iter().map(|found| rule(found)).collect::<Vec<_>>(),
            }},
            "columnKind": "unicodeCodePoints",
            "invocations": [{
                "executionSuccessful": report.errors.is_empty(),
                "toolExecutionNotifications":
                    report.errors.iter().map(notification).collect::<Vec<_>>(),
            }],
            "results": results,
        }],
    });
    let mut text = serde_json::to_string_pretty(&log).unwrap_or_default();
    text.push('\n');
    plain(&text)
}

fn rule(rule: &Rule) -> Value {
    let level = match rule.default_action(Grade::Proper, Profile::default()) {
        Action::Deny => "error",
        Action::Warn => "warning",
        Action::Audit | Action::Off => "note",
    };
    json!({
        "id": rule.code,
        "name": rule.name,
        "shortDescription": {"text": rule.summary},
        "fullDescription": {"text": rule.why},
        "help": {"text": rule.remedy, "markdown": rule_page::page(rule)},
        "defaultConfiguration": {"level": level},
    })
}

fn result(subject: &SubjectReport, finding: &FindingReport, fingerprint: &str) -> Value {
    let index = RULES.iter().position(|rule| rule.code == finding.code);
    let way_out = finding.way_out.as_ref().map(|list| format!("; use {list}")).unwrap_or_default();
    let rendered = json!({
        "artifactLocation": {"uri": uri(&subject.file)},
        "region": {
            "startLine": finding.line,
            "startColumn": finding.column,
            "endColumn": finding.end_column,
        },
    });
    let origin = finding.origin.as_ref();
    let from = origin.map(|origin| format!(" ({})", origin.describe(&subject.file, finding.line)));
    let from = from.unwrap_or_default();
    let place = origin.and_then(in_template).unwrap_or_else(|| rendered.clone());
    let mut result = json!({
        "ruleId": finding.code,
        "ruleIndex": index,
        "level": match finding.action {
            Reported::Deny => "error",
            Reported::Warn => "warning",
            Reported::Patch | Reported::Audit => "note",
        },
        "message": {"text": format!("{}: {}{way_out}{from}", subject.object(), finding.message)},
        "locations": [{
            "physicalLocation": place,
            "logicalLocations": [{
                "fullyQualifiedName": format!("{}{}", subject.object(), finding.pointer),
                "kind": "member",
            }],
        }],
        "partialFingerprints": {"ruleObjectPointer/v1": fingerprint},
        "properties": {"action": finding.action, "fix": finding.fix},
    });
    if let (Some(origin), Some(result)) = (origin, result.as_object_mut()) {
        let text = format!("rendered from {}", origin.template);
        let related = json!([{"physicalLocation": rendered, "message": {"text": text}}]);
        result.insert("relatedLocations".to_owned(), related);
    }
    result
}

/// The template's file as a place, without a line: which one became the line of
/// the document is not known.
fn in_template(origin: &Origin) -> Option<Value> {
    origin.file.as_ref().map(|file| json!({"artifactLocation": {"uri": uri(file)}}))
}

fn notification(error: &ReadError) -> Value {
    let mut location = json!({"artifactLocation": {"uri": uri(&error.file)}});
    if let (Some(line), Some(place)) = (error.line, location.as_object_mut()) {
        let region = json!({"startLine": line, "startColumn": error.column.unwrap_or(1)});
        place.insert("region".to_owned(), region);
    }
    let from = error.origin.as_ref().map(|origin| format!(" (rendered from {})", origin.place()));
    json!({
        "level": "error",
        "message": {"text": format!("{}{}", error.message, from.unwrap_or_default())},
        "locations": [{"physicalLocation": location}],
    })
}

/// A path as a relative URI reference.
fn uri(path: &str) -> String {
    let mut uri = String::new();
    for byte in path.trim_start_matches("./").bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(uri, "%{byte:02X}");
        }
    }
    uri
}
