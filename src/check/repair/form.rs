//! Values in a form that the schema does not take, written as it takes them.

use super::change::Changed;
use super::{Repaired, meanings};
use crate::source::Problem;
use crate::source::rewrite::{self, Replacement};
use crate::source::text::{Lines, Position};

/// True if what a remedy takes the place of stands on one line and is nothing but a
/// value: a comment, an anchor or a key in another form would go away with it.
pub(super) fn is_plainly_written(text: &str, remedy: &Replacement) -> bool {
    let written = text.get(remedy.start..remedy.end).unwrap_or_default();
    let line = text.get(..remedy.start).and_then(|before| before.rsplit('\n').next()).unwrap_or_default();
    let is_value = line.trim_end().ends_with(['-', ':', '[', ',']);
    is_value && !written.is_empty() && !written.contains(['\n', '\r', '#', '?', '&', '*', '!', '|', '>'])
}

/// The text with what could not be read written as it can be, and the objects that come
/// of it; `None` where nothing comes of it, or something else would change.
pub(super) fn remedied(text: &str, lines: &Lines<'_>, unread: &[Problem]) -> Option<(String, Vec<usize>)> {
    let remedies: Vec<&Replacement> = unread.iter().filter_map(|problem| problem.remedy.as_deref()).collect();
    if remedies.is_empty() {
        return None;
    }
    let new = rewrite::apply(text, remedies).ok()?;
    let before = meanings(text, lines, &|_, _| {});
    let after = meanings(&new, &Lines::new(&new), &|_, _| {});
    let stays = before.iter().zip(&after).all(|(before, after)| before.is_none() || before == after);
    let mut read = Vec::new();
    let mut object = 0;
    for (before, after) in before.iter().zip(&after) {
        if after.is_some() {
            read.extend(before.is_none().then_some(object));
            object += 1;
        }
    }
    // One that has a second fault is read only when that is mended, too.
    let is_progress = !read.is_empty() || new != text;
    (stays && before.len() == after.len() && is_progress).then_some((new, read))
}

/// Puts the faults that stay, when what has a remedy is mended, in the place of those that have one:
/// they are in the way. `left` is what cannot be read of the mended text.
pub(super) fn name_other_faults(unread: &mut [Problem], left: Vec<Problem>) {
    let mut edits: Vec<(usize, usize, usize)> = unread
        .iter()
        .filter_map(|problem| problem.remedy.as_deref())
        .map(|remedy| (remedy.start, remedy.end, remedy.with.len()))
        .collect();
    edits.sort_unstable();
    // Where a byte of the mended text is in the old one.
    let before = |offset: usize| {
        let (mut gained, mut lost) = (0, 0);
        for (start, end, length) in &edits {
            if (start + gained).saturating_sub(lost) >= offset {
                break;
            }
            gained += length;
            lost += end - start;
        }
        (offset + lost).saturating_sub(gained)
    };
    for fault in left.into_iter().filter(|fault| fault.remedy.is_none()) {
        let Some(offset) = fault.offset.map(before) else { continue };
        let is_mended = |problem: &&mut Problem| problem.remedy.is_some() && problem.offset <= Some(offset);
        if let Some(mended) = unread.iter_mut().rfind(is_mended) {
            *mended = Problem { offset: Some(offset), ..fault };
        }
    }
}

/// Names what was written in another form: what could not be read of `old`, of which
/// `repaired` came in the end.
pub(super) fn announce(repaired: &mut Repaired, old: &str, unread: &[Problem]) {
    let mut remedies: Vec<&Replacement> =
        unread.iter().filter_map(|problem| problem.remedy.as_deref()).collect();
    remedies.sort_by_key(|remedy| remedy.start);
    // A value that is written otherwise stays on its line, so that lines are those of both texts.
    let lines = Lines::new(old);
    let read = Lines::new(repaired.read.as_deref().unwrap_or(old));
    let mut changed = std::mem::take(&mut repaired.changed);
    for remedy in remedies {
        let line = lines.position(remedy.start).line;
        let before = repaired.titles.partition_point(|(begins, _)| *begins <= line);
        let Some((begins, title)) = before.checked_sub(1).and_then(|index| repaired.titles.get(index)) else {
            continue;
        };
        let written = old.get(remedy.start..remedy.end).unwrap_or_default();
        let word = format!("{written} -> {}", remedy.with);
        let is_it =
            |changed: &&mut Changed| changed.title == *title && read.position(changed.at).line == *begins;
        match changed.iter_mut().find(is_it) {
            Some(changed) => changed.words.insert(0, word),
            None => changed.push(Changed {
                at: read.offset(Position { line: *begins, column: 1 }),
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
