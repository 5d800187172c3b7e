//! The report as workflow commands, which GitHub shows beside the lines.

use std::fmt::Write as _;

use super::plain::{ends_as_command, escape, is_unseen};
use super::{Origin, Report, Reported, exempted};
use crate::count::counted;

/// Returns one command a finding, and the last line of the text report.
pub fn write(report: &Report) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    for error in &report.errors {
        let line = error.line.unwrap_or(1);
        let place = if let Some(Origin { file: Some(file), .. }) = &error.origin {
            format!("file={}", property(file))
        } else {
            let place = error.line.map(|line| format!(",line={line},col={}", error.column.unwrap_or(1)));
            format!("file={}{}", property(&error.file), place.unwrap_or_default())
        };
        let message = with_origin(&error.message, error.origin.as_ref(), &error.file, line);
        let _ = writeln!(out, "::error {place},title=unreadable::{}", data(&message));
    }
    for subject in &report.subjects {
        for (finding, list) in subject.told() {
            let level = match finding.action {
                Reported::Deny => "error",
                Reported::Warn => "warning",
                Reported::Patch => "notice",
                Reported::Audit | Reported::Exempt => continue,
            };
            let place = match &finding.origin {
                // The line of the template is not known.
                Some(Origin { file: Some(file), .. }) => format!("file={}", property(file)),
                _ => format!(
                    "file={},line={},col={},endColumn={}",
                    property(&subject.file),
                    finding.line,
                    finding.column,
                    finding.end_column
                ),
            };
            let message =
                with_origin(&finding.advised(list), finding.origin.as_ref(), &subject.file, finding.line);
            let title = property(&format!("{} {}", finding.code, finding.name));
            let _ = writeln!(out, "::{level} {place},title={title}::{}", data(&message));
        }
    }
    for found in &report.not_judged {
        let _ = writeln!(
            out,
            "::notice file={},line={},title=not judged::{}",
            property(&found.file),
            found.line,
            data(&found.describe())
        );
    }
    if let Some(line) = exempted::line(report) {
        let _ = writeln!(out, "{line}");
    }
    let summary = &report.summary;
    let _ = write!(
        out,
        "{} read, {} judged, {} skipped, {} unreadable",
        counted(summary.documents, "document"),
        summary.judged,
        summary.skipped,
        summary.unreadable
    );
    if summary.not_judged > 0 {
        let _ = write!(out, ", {} not judged", summary.not_judged);
    }
    out.push('\n');
    out
}

fn with_origin(message: &str, origin: Option<&Origin>, file: &str, line: usize) -> String {
    match origin {
        Some(origin) => format!("{message} ({})", origin.describe(file, line)),
        None => message.to_owned(),
    }
}

/// Escapes the text of a command as the runner unescapes it; it shows line breaks, and no other
/// invisible characters.
fn data(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            // The same as escapeData and escapeProperty (actions/toolkit packages/core/src/command.ts).
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

/// Returns a property of a command, where `:` and `,` mean something too.
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
