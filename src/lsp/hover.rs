//! Shows the explanation of `explain` for the option, the list or the finding under the cursor.

use std::ops::Range;

use super::diagnose::{Diagnostic, Text};
use super::document::{Document, MOST_BYTES};
use super::position::{Position, Range as Shown};
use crate::policy::Policy;
use crate::report::explanation::Explanation;
use crate::report::plain::plain;
use crate::source::object::Layout;
use crate::source::unjudged::is_terraform;
use crate::source::{Item, visit_each};
use crate::subject::Subject;

/// The text to show for a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hover {
    /// The text that it is about.
    pub(super) range: Shown,
    /// The option, with its readers and its meaning; `None` for a list as a whole.
    pub(super) option: Option<String>,
    /// The findings there.
    pub(super) findings: Vec<ShownFinding>,
    /// The paragraph of `explain -f`.
    pub(super) paragraph: String,
}

/// A finding, as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ShownFinding {
    /// The rule's code.
    pub(super) code: String,
    /// The rule's page.
    pub(super) page: String,
    /// The sentence.
    pub(super) message: String,
}

/// Returns the text for a position: none for a comment, for another field, and for a text that is
/// not evaluated.
pub(super) fn hover(
    policy: &Policy,
    document: &Document,
    text: &Text<'_>,
    diagnostics: &[Diagnostic],
    at: Position,
) -> Option<Hover> {
    if document.text.len() > MOST_BYTES || is_terraform(&document.path) {
        return None;
    }
    let offset = text.offset(at);
    let name = document.path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let here = |diagnostic: &&Diagnostic| {
        // A finding has a page; an unreadable text has none, and no option either.
        diagnostic.code_description.is_some() && diagnostic.range.start <= at && at < diagnostic.range.end
    };
    let here: Vec<&Diagnostic> = diagnostics.iter().filter(here).collect();
    let mut hover = None;
    visit_each(text.body, &text.lines, &mut |item| {
        let Item::Object(object) = item else { return };
        if hover.is_some() || offset < object.span.start || offset > object.span.end {
            return;
        }
        let line = text.lines.position(object.span.start).line;
        let layout = object.layout();
        // A workload has a part for each inline volume, and a finding names no part.
        let is_one = object.parts.len() == 1;
        hover = object.parts.iter().find_map(|part| {
            let subject = part.subject(&object, policy);
            let explanation = Explanation::of(&subject, &name, line, object.template);
            let (range, option) =
                if let Some((bytes, option)) = option(&subject, &layout, &explanation, offset) {
                    (text.range(&bytes), Some(option))
                } else if let Some(bytes) = list(&subject, &layout, offset, here.is_empty()) {
                    (text.range(&bytes), None)
                } else {
                    (here.first().filter(|_| is_one)?.range, None)
                };
            Some(Hover { range, option, findings: Vec::new(), paragraph: explanation.to_string() })
        });
    });
    let found = |diagnostic: &&Diagnostic| ShownFinding {
        code: diagnostic.code.clone().unwrap_or_default(),
        page: diagnostic.code_description.as_ref().map(|page| page.href.clone()).unwrap_or_default(),
        message: diagnostic.message.clone(),
    };
    hover.map(|hover| Hover { findings: here.iter().map(found).collect(), ..hover })
}

/// Returns the option at a byte, and what is said of it.
fn option(
    subject: &Subject<'_>,
    layout: &Layout<'_>,
    explanation: &Explanation,
    offset: usize,
) -> Option<(Range<usize>, String)> {
    explanation.options.iter().find_map(|option| {
        let site = option.site.as_ref()?;
        let place = &subject.carriers.get(site.carrier)?.place;
        let bytes = layout.option(place, site.element, &site.range)?;
        bytes.contains(&offset).then(|| (bytes, option.to_string()))
    })
}

/// Returns the key of a list at a byte. Where a finding stands it may be that of what surrounds a
/// list that is missing.
fn list(
    subject: &Subject<'_>,
    layout: &Layout<'_>,
    offset: usize,
    only_present: bool,
) -> Option<Range<usize>> {
    let carriers = subject.carriers.iter().filter(|carrier| carrier.present || !only_present);
    carriers.filter_map(|carrier| layout.key(&carrier.place)).find(|bytes| bytes.contains(&offset))
}

impl Hover {
    /// Writes Markdown, or plain text for an editor without it.
    pub(super) fn write(&self, is_markdown: bool) -> String {
        let mut blocks = Vec::new();
        if let Some(option) = &self.option {
            blocks.push(if is_markdown { escaped(option) } else { option.clone() });
        }
        for ShownFinding { code, page, message } in &self.findings {
            let message = plain(message);
            blocks.push(if is_markdown {
                format!("[{code}]({page}) {}", escaped(&message))
            } else {
                format!("{code} {message}\n{page}")
            });
        }
        let paragraph = self.paragraph.trim_end();
        blocks.push(if is_markdown { fenced(paragraph) } else { paragraph.to_owned() });
        blocks.join("\n\n")
    }
}

/// Puts a text into a fence that is longer than any in it.
fn fenced(text: &str) -> String {
    let longest = text.split(|letter| letter != '`').map(str::len).max().unwrap_or_default();
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}text\n{text}\n{fence}")
}

/// Escapes text so that nothing of it is Markdown: options are from anybody.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        if "\\`*_{}[]<>()#+!|~&$".contains(letter) {
            escaped.push('\\');
        }
        escaped.push(letter);
    }
    escaped
}
