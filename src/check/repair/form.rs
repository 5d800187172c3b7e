//! Values in a form that the schema does not take, written as it takes them.

use super::Repaired;
use super::carrying_out::meanings;
use super::change::Changed;
use super::shift::Shift;
use crate::admission::message::at_most;
use crate::source::Problem;
use crate::source::rewrite::{self, Replacement};
use crate::source::text::Lines;

/// Returns the text with what could not be read written as it can be, and the way there; `None` where
/// nothing comes of it, or something else would change.
pub(super) fn remedied(text: &str, lines: &Lines<'_>, unread: &[Problem]) -> Option<(String, Shift)> {
    let remedies: Vec<&Replacement> = unread.iter().filter_map(|problem| problem.remedy.as_deref()).collect();
    if remedies.is_empty() {
        return None;
    }
    let shift = Shift::of(remedies.iter().copied());
    let new = rewrite::apply(text, remedies).ok().filter(|new| new != text)?;
    let before = meanings(text, lines, &|_, _| {});
    let after = meanings(&new, &Lines::new(&new), &|_, _| {});
    let stays = before.iter().zip(&after).all(|(before, after)| before.is_none() || before == after);
    (stays && before.len() == after.len()).then_some((new, shift))
}

/// Names what was written in another form: what could not be read of `old`, of which
/// `repaired` came in the end.
pub(super) fn announce(repaired: &mut Repaired, old: &str, unread: &[Problem]) {
    let mut remedies: Vec<&Replacement> =
        unread.iter().filter_map(|problem| problem.remedy.as_deref()).collect();
    remedies.sort_by_key(|remedy| remedy.start);
    let mut changed = std::mem::take(&mut repaired.changed);
    for remedy in remedies {
        let at = repaired.forms.iter().fold(remedy.start, |at, form| form.after(at));
        let before = repaired.titles.partition_point(|(begins, _)| *begins <= at);
        let Some((begins, title)) = before.checked_sub(1).and_then(|index| repaired.titles.get(index)) else {
            continue;
        };
        let written = old.get(remedy.start..remedy.end).unwrap_or_default();
        let word = format!("{} -> {}", on_one_line(written), on_one_line(&remedy.with));
        match changed.iter_mut().find(|changed| changed.title == *title && changed.at == *begins) {
            Some(changed) => changed.words.insert(0, word),
            None => changed.push(Changed {
                at: *begins,
                title: title.clone(),
                codes: Vec::new(),
                words: vec![word],
                is_immutable: false,
            }),
        }
    }
    changed.sort_by_key(|changed| changed.at);
    repaired.changed = changed;
}

/// Returns a text as a report shows it, on one line.
fn on_one_line(text: &str) -> String {
    const LONGEST: usize = 120;
    if !text.contains('\n') {
        return text.to_owned();
    }
    at_most(text.split_whitespace().collect::<Vec<_>>().join(" "), LONGEST)
}
