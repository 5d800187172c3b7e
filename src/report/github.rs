//! The report as workflow commands, which GitHub shows beside the lines.

use std::fmt::Write as _;

use super::plain::{ends_as_command, escape, is_unseen};
use super::{Report, Reported};

/// One command a finding, and the last line of the text report.
pub fn write(report: &Report) -> String {
    let mut out = String::new();
    for error in &report.errors {
        let place = error.line.map(|line| format!(",line={line},col={}", error.column.unwrap_or(1)));
        // Writing to a string cannot fail.
        let _ = writeln!(
            out,
            "::error file={}{},title=unreadable::{}",
            property(&error.file),
            place.unwrap_or_default(),
            data(&error.message)
        );
    }
    for subject in &report.subjects {
        for finding in &subject.findings {
            let level = match finding.action {
                Reported::Deny => "error",
                Reported::Warn => "warning",
                Reported::Patch => "notice",
                Reported::Audit => continue,
            };
            let _ = writeln!(
                out,
                "::{level} file={},line={},col={},endColumn={},title={}::{}",
                property(&subject.file),
                finding.line,
                finding.column,
                finding.end_column,
                property(&format!("{} {}", finding.code, finding.name)),
                data(&match &finding.way_out {
                    Some(list) => format!("{}; use {list}", finding.message),
                    None => finding.message.clone(),
                })
            );
        }
    }
    let summary = &report.summary;
    let _ = writeln!(
        out,
        "{} documents read, {} judged, {} skipped, {} unreadable",
        summary.documents, summary.judged, summary.skipped, summary.unreadable
    );
    out
}

/// What a command says, escaped as the runner unescapes it; it shows line
/// breaks, and nothing else that is not seen.
fn data(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '%' => escaped.push_str("%25"),
            '\r' => escaped.push_str("%0D"),
            '\n' => escaped.push_str("%0A"),
            '[' if ends_as_command(&escaped) => escaped.push_str("\\["),
            other if is_unseen(other) => escape(&mut escaped, other),
            other => escaped.push(other),
        }
    }
    escaped
}

/// A property of a command, where `:` and `,` mean something too.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_what_the_runner_would_take_for_its_own() {
        assert_eq!(property("a,b:c%\n"), "a%2Cb%3Ac%25%0A");
        assert_eq!(data("a,b:c%\r\n"), "a,b:c%25%0D%0A");
    }
}
