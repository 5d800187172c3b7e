//! Values in a form that the schema does not take, written as it takes them.

use super::Repaired;
use super::carrying_out::meanings;
use super::change::Changed;
use super::shift::Shift;
use crate::source::Problem;
use crate::source::rewrite::{self, Replacement};
use crate::source::text::Lines;

/// True if what a remedy takes the place of stands on one line and is nothing but a
/// value: a comment, an anchor or a key in another form would go away with it.
pub(super) fn is_plainly_written(text: &str, remedy: &Replacement) -> bool {
    let written = text.get(remedy.start..remedy.end).unwrap_or_default();
    let line = text.get(..remedy.start).and_then(|before| before.rsplit('\n').next()).unwrap_or_default();
    let is_value = line.trim_end().ends_with(['-', ':', '[', ',']);
    is_value && !written.is_empty() && !written.contains(['\n', '\r', '#', '?', '&', '*', '!', '|', '>'])
}

/// Takes the colon after a key without a value, too: `- nolock:` becomes `- nolock`.
pub(super) fn take_colon(text: &str, remedy: &mut Replacement) {
    let rest = text
        .get(remedy.end..)
        .and_then(|rest| rest.strip_prefix(':'))
        .map(|rest| rest.lines().next().unwrap_or_default().trim());
    if rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('#')) {
        remedy.end += 1;
    }
}

/// The text with what could not be read written as it can be, and the way there; `None` where nothing
/// comes of it, or something else would change.
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
        let word = format!("{written} -> {}", remedy.with);
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
