//! Baselines: findings that are known and tolerated, so that only new ones
//! fail a build. Keyed by rule, object and pointer, which lines do not move.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::report::{Report, Reported};
use crate::source::json_fault;
use crate::source::text::{Lines, Position};

/// The version of the file; there is no other.
const VERSION: u32 = 1;

/// Known findings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Baseline {
    schema_version: u32,
    findings: BTreeSet<BaselineEntry>,
}

/// One known finding.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct BaselineEntry {
    rule: String,
    object: String,
    pointer: String,
}

/// The reason why a baseline cannot be used; its text follows the name of the file.
#[derive(Debug, thiserror::Error)]
pub enum BaselineError {
    /// It is not what `--write-baseline` writes.
    #[error(" is not a baseline file (create one with --write-baseline FILE)")]
    Syntax,
    /// It begins as JSON and is none.
    #[error(
        ":{line}:{column}: is not JSON: {reason}; correct it, or write it again with --write-baseline FILE"
    )]
    Json {
        /// The line, counted from 1.
        line: usize,
        /// The character in the line, counted from 1.
        column: usize,
        /// The fault.
        reason: String,
    },
    /// It is of another version.
    #[error(
        " is a baseline of version {0}, and only version {VERSION} is supported; write it again with --write-baseline FILE"
    )]
    Version(u32),
}

impl Baseline {
    /// Reads the text of a baseline.
    ///
    /// # Errors
    ///
    /// When it is not JSON of the known form and version.
    pub fn parse(text: &str) -> Result<Self, BaselineError> {
        let baseline: Self = nfs_mount_guard_json::from_str(text).map_err(|error| fault(text, &error))?;
        if baseline.schema_version == VERSION {
            Ok(baseline)
        } else {
            Err(BaselineError::Version(baseline.schema_version))
        }
    }

    /// Returns all findings of a report at `warn` or above.
    pub fn of(report: &Report) -> Self {
        let findings = report
            .subjects
            .iter()
            .flat_map(|subject| {
                // Findings for audit fail no build: there is nothing to tolerate.
                let told = subject.findings.iter().filter(|finding| finding.action > Reported::Audit);
                told.map(|finding| BaselineEntry {
                    rule: finding.code.to_string(),
                    object: subject.object(),
                    pointer: finding.pointer.clone(),
                })
            })
            .collect();
        Self { schema_version: VERSION, findings }
    }

    /// Returns the text of the file.
    pub fn write(&self) -> String {
        // Strings and lists of them always serialise.
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }

    /// Takes the known findings out of a report. Gives the number of entries
    /// that nothing matched: they can go.
    pub fn apply(&self, report: &mut Report) -> usize {
        let mut used = BTreeSet::new();
        for subject in &mut report.subjects {
            let object = subject.object();
            let before = subject.findings.len();
            subject.findings.retain(|finding| {
                let entry = BaselineEntry {
                    rule: finding.code.to_string(),
                    object: object.clone(),
                    pointer: finding.pointer.clone(),
                };
                let is_known = self.findings.contains(&entry);
                if is_known {
                    used.insert(entry);
                }
                !is_known
            });
            report.summary.baselined += before - subject.findings.len();
            // The decision was made with those that are gone now.
            let gravest = subject.findings.iter().map(|finding| finding.action).max();
            match gravest {
                Some(Reported::Deny) => {}
                Some(Reported::Patch) => subject.decision = "patch",
                _ => subject.decision = "allow",
            }
        }
        self.findings.len() - used.len()
    }
}

/// Returns the fault of a text that is no baseline. Only one that begins as JSON was meant as one.
fn fault(text: &str, error: &serde_json::Error) -> BaselineError {
    // JSON of another kind, or no JSON: a place in it would help no reader.
    if error.is_data() || !text.trim_start().starts_with('{') {
        return BaselineError::Syntax;
    }
    let Position { line, column } = Lines::new(text).position(json_fault::offset(text, error));
    BaselineError::Json { line, column, reason: json_fault::words(error) }
}
