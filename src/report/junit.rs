//! The report as `JUnit` XML: one test case an object.

use std::fmt::Write as _;

use super::plain::is_unseen;
use super::{FindingReport, Report, Reported, exempted};

/// Returns the report as a test run.
pub fn write(report: &Report) -> String {
    let mut cases = String::new();
    let mut failures = 0;
    for subject in &report.subjects {
        // Writing to a string cannot fail.
        let _ = write!(
            cases,
            "  <testcase classname=\"{}\" name=\"{}\" file=\"{}\" line=\"{}\"",
            escape(&subject.file),
            escape(&subject.title()),
            escape(&subject.file),
            subject.line
        );
        let told: Vec<_> = subject.told().collect();
        let exempt: Vec<_> = exempted::of(subject).collect();
        if told.is_empty() && exempt.is_empty() {
            cases.push_str("/>\n");
            continue;
        }
        cases.push_str(">\n");
        let from = subject.origin.as_ref().map(|origin| format!(" (rendered from {})", origin.place()));
        let from = from.unwrap_or_default();
        let denied: Vec<_> = told.iter().filter(|(finding, _)| finding.action == Reported::Deny).collect();
        if let Some((first, _)) = denied.first() {
            failures += 1;
            let _ = writeln!(
                cases,
                "    <failure type=\"{}\" message=\"{}\">",
                escape(&format!("{} {}", first.code, first.name)),
                escape(&first.message)
            );
            for (finding, list) in &denied {
                let line = format!(
                    "{}:{}:{}: {} {}: {}{from}",
                    subject.file,
                    finding.line,
                    finding.column,
                    finding.code,
                    finding.name,
                    finding.advised(*list)
                );
                let _ = writeln!(cases, "{}", escape(&line));
            }
            cases.push_str("    </failure>\n");
        }
        let line = |finding: &FindingReport, said: &str| {
            format!(
                "{}:{}:{}: {} {} {}: {said}{from}",
                subject.file,
                finding.line,
                finding.column,
                finding.action.as_str(),
                finding.code,
                finding.name,
            )
        };
        let milder: Vec<String> =
            told.iter()
                .filter(|(finding, _)| finding.action < Reported::Deny)
                .map(|(finding, list)| line(finding, &finding.advised(*list)))
                .chain(exempt.iter().map(|(finding, reason)| {
                    line(finding, &format!("{} (reason: {reason})", finding.message))
                }))
                .collect();
        if !milder.is_empty() {
            let _ = writeln!(cases, "    <system-out>{}</system-out>", escape(&milder.join("\n")));
        }
        cases.push_str("  </testcase>\n");
    }
    for error in &report.errors {
        let place = error.line.map(|line| format!(":{line}")).unwrap_or_default();
        let _ = writeln!(
            cases,
            "  <testcase classname=\"{0}\" name=\"can be read\" file=\"{0}\">\n    <error type=\"unreadable\" message=\"{1}\">{0}{place}</error>\n  </testcase>",
            escape(&error.file),
            escape(&error.message)
        );
    }
    for found in &report.not_judged {
        let _ = writeln!(
            cases,
            "  <testcase classname=\"{0}\" name=\"{1}\" file=\"{0}\" line=\"{2}\">\n    <skipped message=\"{1}\"/>\n  </testcase>",
            escape(&found.file),
            escape(&found.describe()),
            found.line
        );
    }
    let (errors, skipped) = (report.errors.len(), report.not_judged.len());
    let tests = report.subjects.len() + errors + skipped;
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"nfs-mount-guard\" tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\">\n<testsuite name=\"nfs-mount-guard\" tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\" skipped=\"{skipped}\">\n{cases}</testsuite>\n</testsuites>\n"
    )
}

/// Writes text as XML takes it. XML has no way to write most control characters.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            // A reader makes spaces of both in an attribute (XML 1.0, section 3.3.3).
            '\n' => escaped.push_str("&#10;"),
            '\t' => escaped.push_str("&#9;"),
            // A runner of jobs would take it for a command.
            '#' if escaped.ends_with('#') => escaped.push_str("&#35;"),
            // XML 1.0 has neither of the two (production 2, Char).
            c if is_unseen(c) || matches!(c, '\u{fffe}' | '\u{ffff}') => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xml_holds_no_raw_markup_or_control_characters() {
        assert_eq!(escape("<a b=\"c\">&\u{1}"), "&lt;a b=&quot;c&quot;&gt;&amp;\u{fffd}");
    }
}
