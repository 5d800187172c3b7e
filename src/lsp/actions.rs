//! Offers the edits of `fix` as code actions.

use std::ops::RangeInclusive;
use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};
use similar::{DiffTag, TextDiff};

use super::diagnose::{self, Diagnostic, Text};
use super::document::{Document, MOST_BYTES};
use super::position::{Position, Range};
use crate::check::Checker;
use crate::engine::fix::Scope;
use crate::report::{FindingReport, Offered, Report, SubjectReport};
use crate::source::unjudged::is_terraform;

/// The kind of an action that repairs one finding.
pub(super) const QUICK_FIX: &str = "quickfix";

/// The kind of the action that repairs a whole document, as editors run it on saving.
pub(super) const FIX_ALL: &str = "source.fixAll.nfs-mount-guard";

/// One change that an editor offers.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Action {
    /// The title.
    pub(super) title: String,
    /// The kind of action.
    pub(super) kind: &'static str,
    /// The diagnostics that it repairs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) diagnostics: Vec<Diagnostic>,
    /// True if an editor may carry it out without showing a choice.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) is_preferred: bool,
    /// The edit.
    pub(super) edit: Value,
}

/// New text for a range.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Edit {
    range: Range,
    new_text: String,
}

/// The actions that an editor requests.
#[derive(Debug)]
pub(super) struct Wanted {
    /// The part of the document.
    pub(super) range: Range,
    /// The kinds; `None` for all.
    pub(super) only: Option<Vec<String>>,
    /// True if edits name the version of the text that they are for.
    pub(super) with_version: bool,
}

impl Wanted {
    /// Returns the lines of the part, as reports count them.
    fn lines(&self, text: &Text<'_>) -> RangeInclusive<usize> {
        let line = |position: Position| text.lines.position(text.offset(position)).line;
        line(self.range.start)..=line(self.range.end)
    }

    /// Returns true if a kind is wanted: a kind includes those whose names begin with it, `source` all of
    /// `source.fixAll`.
    fn kind(&self, kind: &str) -> bool {
        let includes = |only: &String| {
            kind.strip_prefix(only.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        self.only.as_ref().is_none_or(|only| only.iter().any(includes))
    }
}

/// Returns the actions for a part of a document: for each finding the edits of `fix` for it alone,
/// if there are any; else those of `fix --unsafe-fixes`, with that name; and the edits of `fix` for
/// the whole document.
pub(super) fn actions(
    check: &Checker<'_>,
    document: &Document,
    text: &Text<'_>,
    wanted: &Wanted,
) -> Vec<Action> {
    // In Terraform nothing is fixed.
    if document.text.len() > MOST_BYTES || is_terraform(&document.path) {
        return Vec::new();
    }
    let mut actions = Vec::new();
    let (safe, fixed) = diagnose::report(check, document, Some(Scope::FILE), Some(wanted.lines(text)));
    // Text that cannot be read may have one meaning only, and `fix` writes it so.
    let mut is_at_error = false;
    if wanted.kind(QUICK_FIX) {
        is_at_error = safe.errors.iter().any(|error| text.of_error(error).touches(&wanted.range));
        let all =
            safe.subjects.iter().flat_map(|subject| subject.findings.iter().map(move |one| (subject, one)));
        // A rendered document is rendered again: the fix belongs into the template.
        let is_here = |finding: &FindingReport| {
            finding.origin.is_none() && text.of_finding(finding).touches(&wanted.range)
        };
        let here: Vec<_> = all.enumerate().filter(|(_, (_, finding))| is_here(finding)).collect();
        // An editor requests actions at every move of the cursor, and most fixes are safe.
        let is_bold = here.iter().any(|(_, (_, finding))| finding.fix.is_some() && finding.offered.is_none());
        let bold = is_bold
            .then(|| diagnose::report(check, document, Some(Scope::FILE_UNSAFE), Some(wanted.lines(text))).0);
        let bold: Vec<&FindingReport> = bold.iter().flat_map(Report::findings).collect();
        for (index, (subject, finding)) in here {
            let is_safe = finding.offered.is_some();
            let found = if is_safe { Some(finding) } else { bold.get(index).copied() };
            if let Some(offered) = found.and_then(|found| found.offered.as_ref()) {
                actions.push(quick_fix((subject, finding), offered, is_safe, (document, text), wanted));
            }
        }
    }
    let is_for_more = actions.len() > 1 || is_at_error;
    if (wanted.kind(FIX_ALL) || is_for_more)
        && let Some(new) = fixed
    {
        let edit = edit(document, wanted, &differences(text, &new));
        let all = |kind: &'static str, title: &str| Action {
            title: title.to_owned(),
            kind,
            diagnostics: Vec::new(),
            is_preferred: false,
            edit: edit.clone(),
        };
        if is_for_more {
            actions.push(all(QUICK_FIX, "Fix all mount options of this file"));
        }
        if wanted.kind(FIX_ALL) {
            actions.push(all(FIX_ALL, "Fix all mount options of this file"));
        }
    }
    actions
}

fn quick_fix(
    (subject, finding): (&SubjectReport, &FindingReport),
    offered: &Offered,
    is_safe: bool,
    (document, text): (&Document, &Text<'_>),
    wanted: &Wanted,
) -> Action {
    let suffix = if !is_safe {
        ", unsafe: changes the meaning or an immutable field"
    } else if offered.is_immutable {
        ", immutable: recreate an existing object"
    } else {
        ""
    };
    let title = format!("{} ({} {}){suffix}", offered.title, finding.code, finding.name);
    let edits: Vec<Edit> = offered
        .edits
        .iter()
        .map(|edit| Edit { range: text.between(edit.start, edit.end), new_text: edit.with.clone() })
        .collect();
    Action {
        title,
        kind: QUICK_FIX,
        diagnostics: vec![diagnose::of_finding(text, subject, finding, None)],
        is_preferred: is_safe,
        edit: edit(document, wanted, &edits),
    }
}

/// Most time for finding the lines that differ.
const LONGEST_DIFF: Duration = Duration::from_millis(200);

/// Returns the lines that differ.
fn differences(text: &Text<'_>, new: &str) -> Vec<Edit> {
    // A rough difference is as right as a fine one, and comes in time.
    let diff = TextDiff::configure().timeout(LONGEST_DIFF).diff_lines(text.body, new);
    let starts = |lines: &[&str]| {
        let ends = lines.iter().scan(0, |end, line| {
            *end += line.len();
            Some(*end)
        });
        std::iter::once(0).chain(ends).collect::<Vec<usize>>()
    };
    let (old, with) = (starts(diff.old_slices()), starts(diff.new_slices()));
    let bytes = |starts: &[usize], lines: std::ops::Range<usize>| {
        let at = |line: usize| starts.get(line).copied().unwrap_or_default();
        at(lines.start)..at(lines.end)
    };
    let changed = diff.ops().iter().filter(|step| step.tag() != DiffTag::Equal);
    changed
        .map(|step| Edit {
            range: text.range(&bytes(&old, step.old_range())),
            new_text: new.get(bytes(&with, step.new_range())).unwrap_or_default().to_owned(),
        })
        .collect()
}

/// Edits of one document.
fn edit(document: &Document, wanted: &Wanted, edits: &[Edit]) -> Value {
    if wanted.with_version {
        let document = json!({"uri": document.uri, "version": document.version});
        return json!({"documentChanges": [{"textDocument": document, "edits": edits}]});
    }
    json!({"changes": {&document.uri: edits}})
}
