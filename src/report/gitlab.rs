//! The report as GitLab's code quality report.

use serde_json::json;

use super::json::plain;
use super::{Fingerprints, Report, Reported};

/// Returns one issue a finding.
pub fn write(report: &Report) -> String {
    let mut fingerprints = Fingerprints::default();
    let mut issues = Vec::new();
    for subject in &report.subjects {
        for (finding, list) in subject.told() {
            // An issue has a line, and the template's is not known.
            let from = finding.origin.as_ref().map(|origin| format!(" (rendered from {})", origin.place()));
            let from = from.unwrap_or_default();
            issues.push(json!({
                "description": format!("{}: {}{from}", subject.title(), finding.advised(list)),
                "check_name": format!("{} {}", finding.code, finding.name),
                "fingerprint": fingerprints.of(subject, finding),
                "severity": match finding.action {
                    Reported::Deny => "critical",
                    Reported::Warn => "minor",
                    Reported::Patch | Reported::Audit | Reported::Exempt => "info",
                },
                "location": {
                    "path": subject.file.trim_start_matches("./"),
                    "positions": {
                        "begin": {"line": finding.line, "column": finding.column},
                        "end": {"line": finding.line, "column": finding.end_column},
                    },
                    "lines": {"begin": finding.line},
                },
            }));
        }
    }
    for found in &report.not_judged {
        issues.push(json!({
            "description": found.describe(),
            "check_name": "not judged",
            "fingerprint": fingerprints.of_text(&format!("{}\n{}", found.file, found.describe())),
            "severity": "info",
            "location": {
                "path": found.file.trim_start_matches("./"),
                "lines": {"begin": found.line},
            },
        }));
    }
    for error in &report.errors {
        let text = format!("{}\n{}", error.file, error.message);
        issues.push(json!({
            "description": error.message,
            "check_name": "unreadable",
            "fingerprint": fingerprints.of_text(&text),
            "severity": "blocker",
            "location": {
                "path": error.file.trim_start_matches("./"),
                "lines": {"begin": error.line.unwrap_or(1)},
            },
        }));
    }
    let mut text = serde_json::to_string_pretty(&issues).unwrap_or_default();
    text.push('\n');
    plain(&text)
}
