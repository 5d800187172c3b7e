//! Shows the findings of `check` for a document in an editor.

use std::fmt::Write as _;
use std::ops::RangeInclusive;
use std::path::Path;

use serde::Serialize;

use super::document::{Document, MOST_BYTES};
use super::position::{Encoding, Index, Position, Range};
use crate::called;
use crate::check::proposed::Proposed;
use crate::check::{Checker, together};
use crate::count::counted;
use crate::engine::fix::Scope;
use crate::finding::Code;
use crate::policy_file::{self, Mistakes};
use crate::report::plain::plain;
use crate::report::rule_page::address;
use crate::report::text::not_rendered;
use crate::report::{FindingReport, PolicyOrigin, ReadError, Report, Reported, SubjectReport};
use crate::source::suspect::speaks_of_volumes;
use crate::source::text::{self, Lines, MARK};
use crate::source::{self};

/// Most diagnostics of one document: an editor lays each of them out.
const MOST: usize = 1000;

/// One thing that an editor underlines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Diagnostic {
    /// The range.
    pub(super) range: Range,
    /// The severity.
    pub(super) severity: DiagnosticSeverity,
    /// A rule's code, or what else it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) code: Option<String>,
    /// The rule's page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) code_description: Option<CodeDescription>,
    /// The source of the diagnostic.
    pub(super) source: &'static str,
    /// One sentence, without a final period.
    pub(super) message: String,
}

/// The page of a code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct CodeDescription {
    /// Its address.
    pub(super) href: String,
}

/// The severity, as the protocol numbers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum DiagnosticSeverity {
    /// It is denied, or cannot be read.
    Error = 1,
    /// It is warned about.
    Warning = 2,
    /// The mutating webhook repairs it, or it is not evaluated.
    Information = 3,
    /// It is counted.
    Hint = 4,
}

impl Serialize for DiagnosticSeverity {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(*self as u8)
    }
}

impl From<Reported> for DiagnosticSeverity {
    fn from(action: Reported) -> Self {
        match action {
            Reported::Deny => Self::Error,
            Reported::Warn => Self::Warning,
            Reported::Patch => Self::Information,
            Reported::Audit | Reported::Exempt => Self::Hint,
        }
    }
}

/// A document's text, counted as the reports count and as the editor does.
pub(super) struct Text<'d> {
    /// Without a byte order mark.
    pub(super) body: &'d str,
    /// Lines of that.
    pub(super) lines: Lines<'d>,
    /// Positions of the whole text.
    pub(super) index: Index<'d>,
    /// Bytes of the mark.
    mark: usize,
}

impl<'d> Text<'d> {
    /// Returns the text of a document.
    pub(super) fn new(text: &'d str, encoding: Encoding) -> Self {
        // A client counts the mark, and no reader of YAML does.
        let body = text.strip_prefix(MARK).unwrap_or(text);
        let mark = text.len() - body.len();
        Self { body, lines: Lines::new(body), index: Index::new(text, encoding), mark }
    }

    /// Returns the byte of the body at a position.
    pub(super) fn offset(&self, position: Position) -> usize {
        self.index.offset(position).saturating_sub(self.mark)
    }

    /// Returns the range of bytes of the body.
    pub(super) fn range(&self, bytes: &std::ops::Range<usize>) -> Range {
        self.index.range(&(bytes.start + self.mark..bytes.end + self.mark))
    }

    /// Returns the range between two places of a report.
    pub(super) fn between(&self, start: text::Position, end: text::Position) -> Range {
        self.range(&(self.lines.offset(start)..self.lines.offset(end)))
    }

    /// Returns the range of a finding.
    pub(super) fn of_finding(&self, finding: &FindingReport) -> Range {
        let start = text::Position { line: finding.line, column: finding.column };
        self.between(start, text::Position { column: finding.end_column, ..start })
    }

    /// Returns the range of the place where reading ended.
    pub(super) fn of_error(&self, error: &ReadError) -> Range {
        match error.line {
            Some(line) => self.of_line(line, error.column),
            None => self.range(&(0..0)),
        }
    }

    /// Returns the range of the text on a line, from a column on.
    fn of_line(&self, line: usize, column: Option<usize>) -> Range {
        let start = self.lines.offset(text::Position { line, column: column.unwrap_or(1) });
        let (_, rest) = self.lines.around(start);
        let indent = if column.is_none() { rest.len() - rest.trim_start().len() } else { 0 };
        self.range(&(start + indent..start + rest.trim_end().len().max(indent)))
    }
}

/// Returns the report of `check` on a document. With a scope each finding on these lines has the
/// edits of `fix`, and the fixed text comes with the report if it differs.
pub(super) fn report(
    check: &Checker<'_>,
    document: &Document,
    scope: Option<Scope>,
    lines: Option<RangeInclusive<usize>>,
) -> (Report, Option<String>) {
    let name = document.path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    // No diagnostic names the policy.
    let policy = PolicyOrigin {
        file: None,
        profile: String::new(),
        mode: "",
        hash: String::new(),
        webhook_hash: None,
        not_run: Vec::new(),
    };
    let mut report = Report::new(policy);
    let bytes = document.text.clone().into_bytes();
    let mut fixed = None;
    report.add(check.bytes_with(&document.path, &name, bytes, true, |text| {
        let mut proposed = Proposed::of(check, text, true, scope).on(lines);
        fixed = proposed.take_text().filter(|fixed| fixed != text);
        proposed
    }));
    together::judge(&mut report);
    (report, fixed)
}

/// Returns everything that is to be shown of a document.
pub(super) fn diagnostics(check: &Checker<'_>, document: &Document, encoding: Encoding) -> Vec<Diagnostic> {
    let text = Text::new(&document.text, encoding);
    // Each change of the text is evaluated while the user types.
    if document.text.len() > MOST_BYTES {
        let message = format!(
            "is larger than {} MiB, the limit of the language server; {} check reads it",
            MOST_BYTES / (1024 * 1024),
            called::name()
        );
        return vec![other(text.of_line(1, None), DiagnosticSeverity::Information, "too-large", &message)];
    }
    let (report, _) = report(check, document, None, None);
    let mut found = Vec::new();
    for subject in &report.subjects {
        if !subject.not_rendered.is_empty() {
            let range = text.of_line(subject.line, None);
            found.push(other(range, DiagnosticSeverity::Information, "not-rendered", &not_rendered(subject)));
        }
        // The list that would pass is the same for each finding of its carrier.
        let mut shown: Vec<&str> = Vec::new();
        for finding in &subject.findings {
            let list = finding.way_out.as_deref().filter(|_| !shown.contains(&finding.carrier.as_str()));
            shown.extend(list.map(|_| finding.carrier.as_str()));
            found.push(of_finding(&text, subject, finding, list));
        }
    }
    found.extend(report.errors.iter().filter_map(|error| of_error(&text, error)));
    found.extend(report.not_judged.iter().map(|not_judged| {
        let range = text.of_line(not_judged.line, None);
        other(range, DiagnosticSeverity::Information, "not-evaluated", &not_judged.describe())
    }));
    limited(found)
}

/// Returns the mistakes of a policy file.
pub(super) fn of_policy(mistakes: &Mistakes, text: &Text<'_>) -> Vec<Diagnostic> {
    let found = mistakes.mistakes.iter().map(|mistake| {
        let range = text.of_line(mistake.position.line, Some(mistake.position.column));
        other(range, DiagnosticSeverity::Error, "policy", &mistake.message)
    });
    limited(found.collect())
}

/// Reports that a policy file cannot be read at all.
pub(super) fn of_unreadable_policy(failure: &str, text: &Text<'_>) -> Diagnostic {
    other(text.range(&(0..0)), DiagnosticSeverity::Error, "policy", failure)
}

/// Returns true if a document is a policy file, by its name.
pub(super) fn is_policy(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == policy_file::FILE_NAME)
}

/// Returns the diagnostic of a finding; with the list that would pass, where that is to be shown.
pub(super) fn of_finding(
    text: &Text<'_>,
    subject: &SubjectReport,
    finding: &FindingReport,
    list: Option<&str>,
) -> Diagnostic {
    let mut message = format!("{}: {}", finding.name, plain(&finding.message));
    // Writing to a string cannot fail.
    if let Some(list) = list {
        let _ = write!(message, "; set {}: {}", plain(&finding.carrier), plain(list));
    } else if let Some(remedy) = finding.further_remedy() {
        let _ = write!(message, "; {}", plain(remedy));
    }
    if let Some(origin) = &finding.origin {
        let _ = write!(message, " ({})", plain(&origin.describe(&subject.file, finding.line)));
    }
    Diagnostic {
        range: text.of_finding(finding),
        severity: finding.action.into(),
        code: Some(finding.code.to_string()),
        code_description: Some(described(finding.code)),
        source: SOURCE,
        message,
    }
}

/// The source of a diagnostic.
const SOURCE: &str = "nfs-mount-guard";

fn described(code: Code) -> CodeDescription {
    CodeDescription { href: address(code) }
}

fn of_error(text: &Text<'_>, error: &ReadError) -> Option<Diagnostic> {
    // A chart's template is no fault of its author: it is named where it has what is evaluated.
    let is_template = error.message == called::by_name(source::TEMPLATE);
    let severity = if is_template { DiagnosticSeverity::Information } else { DiagnosticSeverity::Error };
    let is_shown = !is_template || speaks_of_volumes(text.body.as_bytes());
    is_shown.then(|| other(text.of_error(error), severity, "unreadable", &error.message))
}

fn other(range: Range, severity: DiagnosticSeverity, code: &str, message: &str) -> Diagnostic {
    Diagnostic {
        range,
        severity,
        code: Some(code.to_owned()),
        code_description: None,
        source: SOURCE,
        message: plain(message).into_owned(),
    }
}

/// Sorts in the order of the text; of too many keeps those that are worst.
fn limited(mut found: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let more = found.len().saturating_sub(MOST);
    if more > 0 {
        // The least severe are cut off.
        found.sort_by_key(|diagnostic| (diagnostic.severity, diagnostic.range));
        found.truncate(MOST);
        let start = Position { line: 0, character: 0 };
        let message =
            format!("{} not shown; {} check lists all", counted(more, "more finding"), called::name());
        found.push(other(Range { start, end: start }, DiagnosticSeverity::Information, "limited", &message));
    }
    found.sort_by_key(|diagnostic| diagnostic.range);
    found
}
