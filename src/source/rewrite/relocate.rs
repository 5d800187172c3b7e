//! Moving a list that stands in a mapping of its own to the mapping in which it is read, with its comments.

use std::borrow::Cow;
use std::ops::Range;

use super::lines::{column, line_end, newline};
use super::remove::{last_end, remove_with_comments};
use super::rename::{name_like, origins};
use super::{Change, Plan, Replacement, RewriteRefusal, Way, comments, field, sequence};
use crate::site::Place;
use crate::source::object::Layout;
use crate::source::tree::{Content, NodeId};

/// A list that moves.
#[derive(Debug, Clone, Copy)]
pub struct Relocation<'r> {
    /// Its place.
    pub from: &'r Place,
    /// The place that goes away with it: the mapping around it.
    pub whole: &'r Place,
    /// The place at which it is read.
    pub to: &'r Place,
    /// Its elements now.
    pub old: &'r [String],
    /// Its elements then.
    pub new: &'r [&'r str],
}

/// Moves the text of a list, with the comments in it and around it. `None` where it has no comment, or
/// where the place to which it moves is there already, or is in braces.
pub fn relocate(layout: &Layout<'_>, relocation: Relocation<'_>) -> Option<Result<Plan, RewriteRefusal>> {
    let Relocation { from, whole, to, old, new } = relocation;
    let removal = remove_with_comments(layout, whole, std::slice::from_ref(whole)).ok()?;
    let [taken] = removal.steps.as_slice() else { return None };
    let taken = &taken.replacement;
    if !taken.with.is_empty() || comments::lost(layout.text, taken).is_empty() || layout.value(to).is_some() {
        return None;
    }
    let (map, key, value) = entry(layout, from)?;
    let Content::List { items, .. } = &layout.tree.written(value)?.content else { return None };
    let is_flat = items.iter().all(|item| layout.tree.text(*item).is_some());
    if !is_flat || items.len() != old.len() {
        return None;
    }
    let key = layout.tree.written(key)?.span.clone();
    let is_in_braces =
        matches!(layout.tree.written(map).map(|node| &node.content), Some(Content::Map { flow: true, .. }));
    let end = last_end(layout, value)?;
    let end = if is_in_braces { end } else { line_end(layout.text, end) };
    let old: Vec<&str> = old.iter().map(String::as_str).collect();
    let origins = origins(&old, new);
    let change = Change { place: to, old: &old, new, origins: &origins };
    // The changes of the list are made in its old place, and the result is moved.
    let moved = sequence::rewrite(layout, value, change, Way::Together).and_then(|plan| {
        let name = to.path().last().map_or_else(String::new, |name| name_like(layout, &key, name));
        let mut replacements: Vec<Replacement> =
            plan.steps.into_iter().map(|step| step.replacement).collect();
        replacements.push(Replacement::new(key.clone(), name));
        let text = field_text(layout.text, key.start..end, &replacements)?;
        let around = comments_around(layout.text, taken.start..taken.end, key.start..end);
        let column = if is_in_braces { None } else { Some(column(layout.text, key.start)) };
        field::add_text(layout, to, |margin| {
            let newline = newline(layout.text, key.start);
            let mut lines = String::new();
            for comment in &around {
                lines.extend([&" ".repeat(margin), *comment, newline]);
            }
            lines + &indented(&text, column.unwrap_or(margin), margin)
        })
    });
    Some(moved.map(|mut plan| {
        plan.touched.extend(removal.touched);
        // In one plan: half of it would leave two lists or none.
        plan.steps.extend(removal.steps);
        plan
    }))
}

/// Returns the mapping of a place, with its key and its value.
fn entry(layout: &Layout<'_>, place: &Place) -> Option<(NodeId, NodeId, NodeId)> {
    let path = place.path();
    let (name, parents) = path.split_last()?;
    let step = |at: NodeId, step: &Cow<'_, str>| layout.step(at, step).map(|(_, value)| value);
    let map = parents.iter().try_fold(layout.node, step)?;
    let (key, value) = layout.step(map, name)?;
    Some((map, key?, value))
}

/// Returns the text of a field once its replacements are made.
fn field_text(
    text: &str,
    field: Range<usize>,
    replacements: &[Replacement],
) -> Result<String, RewriteRefusal> {
    let shifted = |replacement: &Replacement| {
        let start = replacement.start.checked_sub(field.start)?;
        let end = replacement.end.checked_sub(field.start).filter(|end| *end <= field.len())?;
        Some(Replacement { start, end, with: replacement.with.clone() })
    };
    let shifted: Option<Vec<Replacement>> = replacements.iter().map(shifted).collect();
    let shifted = shifted.ok_or(RewriteRefusal::Unwieldy)?;
    super::apply(text.get(field).unwrap_or_default(), shifted.iter().collect())
}

/// Returns the comments of what is taken away that do not stand in the field itself.
fn comments_around(text: &str, taken: Range<usize>, field: Range<usize>) -> Vec<&str> {
    let all = comments::lost(text, &Replacement { start: taken.start, end: taken.end, with: String::new() });
    let outside = all.into_iter().filter(|at| !field.contains(at));
    outside.filter_map(|at| Some(text.get(at..line_end(text, at))?.trim_end())).collect()
}

/// Returns the lines of a field that was indented by `before`, indented by `margin`.
fn indented(text: &str, before: usize, margin: usize) -> String {
    let mut lines = " ".repeat(margin);
    for (index, line) in text.split_inclusive('\n').enumerate() {
        let blanks = line.len() - line.trim_start_matches(' ').len();
        if index > 0 && !line.trim().is_empty() {
            lines.push_str(&" ".repeat((blanks + margin).saturating_sub(before)));
        }
        lines.push_str(line.get(if index > 0 { blanks } else { 0 }..).unwrap_or_default());
    }
    lines
}
