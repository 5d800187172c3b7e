//! Describes the fix of one finding, as the title of a choice in an editor.

use std::borrow::Cow;

use crate::check::repair::{Step, steps};
use crate::engine::fix::{Traced, emptied};
use crate::finding::Finding;
use crate::report::plain::plain;
use crate::site::Place;
use crate::subject::Subject;
use crate::subject::carrier::Form;

/// Most characters of an option.
const LONGEST: usize = 40;

/// Most steps that are named.
const MOST: usize = 3;

/// Describes the change of the options: `Replace bg with fg`. `fixed` is what the fix
/// makes of the carriers, where it changes one.
pub(super) fn title(subject: &Subject<'_>, finding: &Finding, fixed: Option<&Traced<'_>>) -> String {
    let moved: Vec<Place> = emptied(finding).cloned().into_iter().collect();
    let changes = fixed.map(|fixed| steps(subject, &moved, fixed)).unwrap_or_default();
    let mut steps: Vec<String> = Vec::new();
    let (mut added, mut is_moved) = (Vec::new(), false);
    for change in &changes {
        match change {
            Step::Replace(old, new) => {
                let (old, new) = (shown(old), shown(new));
                // Both are shown without the white space at their ends.
                let is_trimmed = old == new;
                steps.push(if is_trimmed {
                    format!("trim {new}")
                } else {
                    format!("replace {old} with {new}")
                });
            }
            Step::Add(new) => added.push(shown(new)),
            Step::Remove(old) => steps.push(format!("remove {}", shown(old))),
            Step::Without(_) => is_moved = true,
            Step::Rename(from, to) => {
                let key = |place: &Place| shown(place.key().unwrap_or_default());
                steps.push(format!("rename {} to {}", key(from), key(to)));
            }
            Step::WithoutEmpty => steps.push("remove the empty element".to_owned()),
            Step::Split => steps.push("split it into one option an element".to_owned()),
        }
    }
    if let Some(place) = moved.first() {
        let list = subject.carriers.first().filter(|carrier| carrier.form == Form::List);
        steps.insert(
            0,
            match list.filter(|_| is_moved && !added.is_empty()) {
                Some(list) => format!("move {} to {}", shown(&place.to_string()), list.place.field(None)),
                None => format!("remove {}", shown(&place.to_string())),
            },
        );
    } else if let Some((last, rest)) = added.split_last() {
        let all = if rest.is_empty() { last.clone() } else { format!("{} and {last}", rest.join(", ")) };
        steps.push(format!("add {all}"));
    }
    let more = steps.len().saturating_sub(MOST);
    steps.truncate(MOST);
    if more > 0 {
        steps.push(format!("{more} more"));
    }
    let text = if steps.is_empty() { "write it plainly".to_owned() } else { steps.join(", ") };
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// Returns a text without what a terminal or an editor would act on, cut where it is long.
fn shown(text: &str) -> String {
    let text: Cow<'_, str> = plain(text.trim());
    if text.chars().count() <= LONGEST {
        return text.into_owned();
    }
    text.chars().take(LONGEST - 1).chain(['…']).collect()
}
