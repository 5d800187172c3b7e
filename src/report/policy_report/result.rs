//! One result of a report: the fields as Policy Reporter reads them ([`id_generator.go`] and
//! [`reconditioner.go`]).
//!
//! [`id_generator.go`]: https://github.com/kyverno/policy-reporter/blob/v3.9.0/pkg/report/result/id_generator.go
//! [`reconditioner.go`]: https://github.com/kyverno/policy-reporter/blob/v3.9.0/pkg/report/result/reconditioner.go

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::NAME;
use crate::finding::Code;
use crate::report::{FindingReport, Report, Reported, SubjectReport};
use crate::rules::{BACKGROUND_MOUNT, REDIRECTED_MOUNT};

/// The category of all results; Policy Reporter makes "Other" of an empty one.
pub(super) const CATEGORY: &str = "NFS mounts";

/// Most bytes of a message.
pub(super) const LONGEST_MESSAGE: usize = 1024;

/// Most bytes of a property.
const LONGEST_PROPERTY: usize = 1024;

/// Most bytes of a remedy. A longer one is a list of options, which the report of the cluster has
/// whole in `use`.
const LONGEST_REMEDY: usize = 256;

/// Texts of a result by name.
pub(super) type Properties = BTreeMap<String, String>;

/// The outcome of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Outcome {
    Pass,
    Fail,
    Warn,
    Skip,
    Error,
}

#[derive(Debug, Serialize)]
pub(super) struct ReportResult<'r> {
    pub(super) source: &'static str,
    pub(super) policy: &'r str,
    pub(super) rule: String,
    pub(super) category: &'static str,
    pub(super) severity: &'static str,
    pub(super) result: Outcome,
    pub(super) scored: bool,
    pub(super) message: String,
    /// One: Policy Reporter reads no other.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) resources: Vec<Reference>,
    pub(super) properties: Properties,
    /// Only of the heartbeat: a result that did not change is not written again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) timestamp: Option<Timestamp>,
}

/// An object, as events name one.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Reference {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) api_version: String,
    pub(super) kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) namespace: Option<String>,
    pub(super) name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) uid: Option<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct Timestamp {
    pub(super) seconds: i64,
    pub(super) nanos: i32,
}

impl Reference {
    pub(super) fn of(subject: &SubjectReport) -> Self {
        Self {
            api_version: subject.api_version.clone().into_owned(),
            kind: subject.kind,
            namespace: subject.namespace.clone().map(String::from),
            name: subject.name.clone(),
            uid: subject.tie.uid.map(|uid| uid.to_string()),
        }
    }
}

/// Returns the result for a finding. A fault that the mutating webhook would repair on a new object
/// is still there on this one, and no scan fails because of it.
pub(super) const fn outcome(action: Reported) -> Outcome {
    match action {
        Reported::Deny => Outcome::Fail,
        Reported::Patch | Reported::Warn | Reported::Audit | Reported::Exempt => Outcome::Warn,
    }
}

/// Returns the severity: a finding that loses data or mounts something else is critical, whatever the
/// policy does.
pub(super) fn severity(code: Code, action: Reported) -> &'static str {
    // Data goes to the wrong place, whatever the policy does about it.
    if code == BACKGROUND_MOUNT.code || code == REDIRECTED_MOUNT.code {
        "critical"
    } else if action == Reported::Deny {
        "high"
    } else {
        "medium"
    }
}

/// Returns a finding as a result without properties of its own.
pub(super) fn result<'r>(
    report: &'r Report,
    subject: &SubjectReport,
    finding: &FindingReport,
    outcome: Outcome,
    id: String,
) -> ReportResult<'r> {
    let mut properties = Properties::new();
    properties.insert("code".to_owned(), finding.code.to_string());
    properties.insert("action".to_owned(), finding.action.as_str().to_owned());
    properties.insert("policyHash".to_owned(), report.policy.hash.clone());
    // Without it the id would be made of the report's scope, which a shared report lacks.
    properties.insert("resultID".to_owned(), id);
    ReportResult {
        source: NAME,
        policy: &report.policy.profile,
        rule: format!("{} {}", finding.code, finding.name),
        category: CATEGORY,
        severity: severity(finding.code, finding.action),
        result: outcome,
        scored: outcome == Outcome::Fail,
        message: cut(&finding.message, LONGEST_MESSAGE),
        resources: vec![Reference::of(subject)],
        properties,
        timestamp: None,
    }
}

/// Adds the remedy: Policy Reporter shows properties next to the message.
pub(super) fn add_remedy(properties: &mut Properties, remedy: Option<&str>) {
    if let Some(remedy) = remedy {
        properties.insert("remedy".to_owned(), cut(remedy, LONGEST_REMEDY));
    }
}

/// Adds a text that is not empty.
pub(super) fn add(properties: &mut Properties, key: &str, value: &str) {
    if !value.is_empty() {
        properties.insert(key.to_owned(), cut(value, LONGEST_PROPERTY));
    }
}

/// Returns the text, with an ellipsis where it has more bytes.
pub(super) fn cut(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    let ellipsis = '…';
    let mut kept = String::with_capacity(most);
    for letter in text.chars() {
        if kept.len() + letter.len_utf8() + ellipsis.len_utf8() > most {
            break;
        }
        kept.push(letter);
    }
    kept.push(ellipsis);
    kept
}

/// Returns the result as JSON; texts and numbers always serialize.
pub(super) fn raw(result: &ReportResult<'_>) -> Option<Box<RawValue>> {
    serde_json::value::to_raw_value(result).ok()
}
