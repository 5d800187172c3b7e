//! The report as one JSON object; its schema is docs/check.schema.json.

use super::Report;

/// The report, with a line break behind it.
pub fn write(report: &Report) -> String {
    // Strings, numbers and lists of them always serialise.
    let mut text = serde_json::to_string_pretty(report).unwrap_or_default();
    text.push('\n');
    text
}
