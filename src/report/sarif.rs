//! The report as SARIF 2.1.0, for code scanning.

use std::fmt::Write as _;
use std::path::{Component, Path, PathBuf};

use serde_json::{Value, json};

use super::json::plain;
use super::rule_page::{self, REPOSITORY};
use super::{
    FindingReport, Fingerprints, NotJudged, Origin, ReadError, Report, Reported, SubjectReport, TextEdit,
    exempted,
};
use crate::finding::{Action, Severity};
use crate::rules::{Profile, RULES, Rule};

/// The base of relative paths: the root of the Git repository, or the working directory outside
/// one.
#[derive(Debug, Clone)]
pub struct Root {
    working: PathBuf,
    folder: PathBuf,
}

impl Root {
    /// Makes the root of `folder`, for paths that are relative to `working`; both are absolute.
    pub fn new(working: &Path, folder: &Path) -> Self {
        Self { working: normal(working), folder: normal(folder) }
    }

    /// Returns the location of a file; a name that is no path stays as it is.
    fn location(&self, file: &str) -> Value {
        if file.starts_with('<') {
            return json!({"uri": uri(file)});
        }
        let path = normal(&self.working.join(file));
        match path.strip_prefix(&self.folder) {
            Ok(inside) => json!({"uri": uri(&inside.to_string_lossy()), "uriBaseId": BASE}),
            Err(_) => json!({"uri": absolute(&path)}),
        }
    }
}

/// The name that readers know for the root of the sources.
const BASE: &str = "%SRCROOT%";

/// Returns a path without `.` and `..`.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                normal.pop();
            }
            part => normal.push(part),
        }
    }
    normal
}

/// Returns an absolute path as a URI.
fn absolute(path: &Path) -> String {
    // A path of Windows: its drive has a slash before it (RFC 8089, appendix E.2).
    let path = path.to_string_lossy().replace('\\', "/");
    format!("file://{}{}", if path.starts_with('/') { "" } else { "/" }, uri(&path))
}

/// Returns the report as one run.
pub fn write(report: &Report, root: &Root) -> String {
    let mut fingerprints = Fingerprints::default();
    let mut results = Vec::new();
    for subject in &report.subjects {
        // An alert is shown by itself, so the list that would pass stands there as a whole.
        let mut shown: Vec<&str> = Vec::new();
        for finding in &subject.findings {
            let list = finding.way_out.as_deref().filter(|_| !shown.contains(&finding.carrier.as_str()));
            shown.extend(list.map(|_| finding.carrier.as_str()));
            let fingerprint = fingerprints.of(subject, finding);
            results.push(result(subject, (finding, list), &fingerprint, root));
        }
        for (finding, reason) in exempted::of(subject) {
            let result = result(subject, (&finding, None), &fingerprints.of(subject, &finding), root);
            results.push(suppressed(result, reason));
        }
    }
    for (subject, exempted) in &report.live.exempted {
        let (finding, reason) = exempted::as_exempt(exempted);
        let result = result(subject, (&finding, None), &fingerprints.of(subject, &finding), root);
        results.push(suppressed(result, reason));
    }
    state_suppressions(&mut results);
    let log = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": report.tool.name,
                "semanticVersion": report.tool.version,
                "informationUri": REPOSITORY,
                "rules": RULES.iter().map(|found| rule(found)).collect::<Vec<_>>(),
            }},
            "columnKind": "unicodeCodePoints",
            "originalUriBaseIds": {BASE: {"uri": format!("{}/", absolute(&root.folder).trim_end_matches('/'))}},
            "invocations": [{
                "executionSuccessful": report.errors.is_empty(),
                "toolExecutionNotifications":
                    report
                        .errors
                        .iter()
                        .map(|error| notification(error, root))
                        .chain(report.not_judged.iter().map(|found| not_judged(found, root)))
                        .collect::<Vec<_>>(),
            }],
            "results": results,
        }],
    });
    let mut text = serde_json::to_string_pretty(&log).unwrap_or_default();
    text.push('\n');
    plain(&text)
}

fn rule(rule: &Rule) -> Value {
    let level = match rule.default_action(Severity::Proper, Profile::default()) {
        Action::Deny => "error",
        Action::Warn => "warning",
        Action::Audit | Action::Off => "note",
    };
    json!({
        "id": rule.code,
        "name": rule.name,
        // Code scanning shows it as the title of an alert
        // (https://docs.github.com/en/code-security/code-scanning/integrating-with-code-scanning/sarif-support-for-code-scanning).
        "shortDescription": {"text": rule.title},
        "fullDescription": {"text": format!("Finds: {}. {}", rule.summary, rule.why)},
        "helpUri": rule_page::address(rule.code),
        "help": {"text": rule.remedy, "markdown": rule_page::page(rule)},
        "defaultConfiguration": {"level": level},
    })
}

fn result(
    subject: &SubjectReport,
    (finding, list): (&FindingReport, Option<&str>),
    fingerprint: &str,
    root: &Root,
) -> Value {
    let index = RULES.iter().position(|rule| rule.code == finding.code);
    let rendered = json!({
        "artifactLocation": root.location(&subject.file),
        "region": {
            "startLine": finding.line,
            "startColumn": finding.column,
            "endColumn": finding.end_column,
        },
    });
    let origin = finding.origin.as_ref();
    let from = origin.map(|origin| format!(" ({})", origin.describe(&subject.file, finding.line)));
    let from = from.unwrap_or_default();
    let place = origin.and_then(|origin| in_template(origin, root)).unwrap_or_else(|| rendered.clone());
    let mut result = json!({
        "ruleId": finding.code,
        "ruleIndex": index,
        "level": match finding.action {
            Reported::Deny => "error",
            Reported::Warn => "warning",
            Reported::Patch | Reported::Audit | Reported::Exempt => "note",
        },
        "message": {"text": format!("{}: {}{from}", subject.object(), finding.advised(list))},
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
    // A rendered document is rendered again: the fix belongs into the template.
    if let (Some(result), None, Some(offered)) = (result.as_object_mut(), origin, &finding.offered) {
        let fix = json!({
            "description": {"text": offered.title},
            "artifactChanges": [{
                "artifactLocation": root.location(&subject.file),
                "replacements": offered.edits.iter().map(replacement).collect::<Vec<_>>(),
            }],
        });
        result.insert("fixes".to_owned(), json!([fix]));
    }
    if let (Some(origin), Some(result)) = (origin, result.as_object_mut()) {
        let text = format!("rendered from {}", origin.template);
        let related = json!([{"physicalLocation": rendered, "message": {"text": text}}]);
        result.insert("relatedLocations".to_owned(), related);
    }
    result
}

/// Adds that an exemption of the policy suppresses a result (SARIF 2.1.0, section 3.35).
fn suppressed(mut result: Value, reason: &str) -> Value {
    if let Some(result) = result.as_object_mut() {
        let suppression = json!({"kind": "external", "justification": reason});
        result.insert("suppressions".to_owned(), json!([suppression]));
    }
    result
}

/// Says of every other result that it is not suppressed: either all results of a run have the property or none
/// has it (SARIF 2.1.0, section 3.27.23).
fn state_suppressions(results: &mut [Value]) {
    if results.iter().all(|result| result.get("suppressions").is_none()) {
        return;
    }
    for result in results.iter_mut().filter_map(Value::as_object_mut) {
        result.entry("suppressions").or_insert_with(|| json!([]));
    }
}

/// Writes a replacement: only text that comes in has a region without length.
fn replacement(edit: &TextEdit) -> Value {
    json!({
        "deletedRegion": {
            "startLine": edit.start.line,
            "startColumn": edit.start.column,
            "endLine": edit.end.line,
            "endColumn": edit.end.column,
        },
        "insertedContent": {"text": edit.with},
    })
}

/// Returns the template's file as a place, without a line: which one became the line of the
/// document is not known.
fn in_template(origin: &Origin, root: &Root) -> Option<Value> {
    origin.file.as_ref().map(|file| json!({"artifactLocation": root.location(file)}))
}

fn not_judged(found: &NotJudged, root: &Root) -> Value {
    json!({
        "level": "note",
        "message": {"text": found.describe()},
        "locations": [{"physicalLocation": {
            "artifactLocation": root.location(&found.file),
            "region": {"startLine": found.line},
        }}],
    })
}

fn notification(error: &ReadError, root: &Root) -> Value {
    let mut location = json!({"artifactLocation": root.location(&error.file)});
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

/// Returns a path as a relative URI reference.
fn uri(path: &str) -> String {
    let mut uri = String::new();
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(uri, "%{byte:02X}");
        }
    }
    uri
}
