//! What `fix` would do about each finding, as text to be put in place of other
//! text.

use std::collections::HashMap;

use super::repair::{Edit, repair};
use super::{Check, passed_over};
use crate::engine::fix::Scope;
use crate::finding::{self, Finding};
use crate::report::TextEdit;
use crate::source::Fault;
use crate::source::object::Object;
use crate::source::text::Lines;

/// What `fix` would do to the objects of a text.
#[derive(Debug, Default)]
pub(super) struct Proposed {
    /// By the indices of the object and its part.
    edits: HashMap<(usize, usize), Vec<Edit>>,
}

impl Proposed {
    pub(super) fn of(check: &Check<'_>, text: &str, named: bool) -> Self {
        let wants = |object: &Object<'_>| named || passed_over(object).is_none();
        let repaired = repair(check.policy, check.today, Scope::FILE, text, &wants);
        if repaired.unread.iter().any(|problem| problem.fault == Fault::Template) {
            return Self::default();
        }
        let mut edits: HashMap<(usize, usize), Vec<Edit>> = HashMap::new();
        for edit in repaired.edits {
            edits.entry((edit.object, edit.part)).or_default().push(edit);
        }
        Self { edits }
    }

    /// What becomes of the text for one finding. Where elements come or go, that is
    /// done for all findings of the list at once, and each of them has all of it.
    pub(super) fn about(&self, part: (usize, usize), finding: &Finding, lines: &Lines<'_>) -> Vec<TextEdit> {
        let (Some(edits), Some(fix)) = (self.edits.get(&part), &finding.fix) else { return Vec::new() };
        if fix.applicability > Scope::FILE.applicability {
            return Vec::new();
        }
        let mut about: Vec<&Edit> = Vec::new();
        for (carrier, element) in fix.edits.iter().map(target) {
            let of = |wanted: Option<usize>| {
                let is_it = move |edit: &&Edit| edit.carrier == carrier && edit.element == wanted;
                edits.iter().filter(is_it)
            };
            let own = element.map(|element| of(Some(element))).into_iter().flatten();
            let before = about.len();
            about.extend(own);
            if about.len() == before {
                about.extend(of(None));
            }
        }
        let is_of_place = |edit: &&Edit| edit.removed.is_some() && edit.removed == finding.place;
        about.extend(edits.iter().filter(is_of_place));
        about.sort_by_key(|edit| (edit.replacement.start, edit.replacement.end));
        about.dedup_by(|one, other| std::ptr::eq(*one, *other));
        about
            .into_iter()
            .map(|edit| TextEdit {
                start: lines.position(edit.replacement.start),
                end: lines.position(edit.replacement.end),
                with: edit.replacement.with.clone(),
            })
            .collect()
    }
}

/// The carrier that an edit is about, and the element if it is about one.
const fn target(edit: &finding::Edit) -> (usize, Option<usize>) {
    match edit {
        finding::Edit::Replace { site, .. } | finding::Edit::Remove { site } => {
            (site.carrier, Some(site.element))
        }
        finding::Edit::Split { carrier, element } => (*carrier, Some(*element)),
        finding::Edit::Append { carrier, .. } => (*carrier, None),
    }
}
