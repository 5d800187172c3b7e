//! Taking a field out of a mapping.

use std::ops::Range;

use super::lines::{column, line_end, line_start};
use super::{Plan, Replacement, RewriteRefusal, RewriteStep, comments};
use crate::site::Place;
use crate::source::object::Layout;
use crate::source::tree::{Content, NodeId};

/// Takes a field out: its lines, or its text in braces with a comma. `gone` are all that
/// are taken out, this one among them.
///
/// # Errors
///
/// If a comment or an alias is in the way, or if other text is on the field's lines.
pub fn remove(layout: &Layout<'_>, place: &Place, gone: &[Place]) -> Result<Plan, RewriteRefusal> {
    let (plan, above) = remove_moving(layout, place, gone)?;
    match above.first() {
        // At the old place it would speak of the next field.
        Some(comment) => Err(RewriteRefusal::Comment(comment.start)),
        None => Ok(plan),
    }
}

/// Takes a field out as [`remove`] does, with the comments above it, which are returned: they move with
/// what it holds.
///
/// # Errors
///
/// If another comment or an alias is in the way, or if other text is on the field's lines.
pub(super) fn remove_moving(
    layout: &Layout<'_>,
    place: &Place,
    gone: &[Place],
) -> Result<(Plan, Vec<Range<usize>>), RewriteRefusal> {
    let (plan, above) = taken_out(layout, place, gone)?;
    let range = plan.steps.first().map(|step| step.replacement.start..step.replacement.end);
    let mut range = range.unwrap_or_default();
    range.start = above.last().map_or(range.start, |comment| comment.end);
    let taken = layout.text.get(range.clone()).unwrap_or_default();
    let behind = layout.text.get(range.end..line_end(layout.text, range.end)).unwrap_or_default();
    // After the end of the braces it is about more than this field.
    let behind = if behind.contains('}') { "" } else { behind };
    if let Some(comment) = comment(taken).or_else(|| comment(behind).map(|at| taken.len() + at)) {
        // The author wrote it for a reason: a person decides what becomes of it.
        return Err(RewriteRefusal::Comment(range.start + comment));
    }
    Ok((plan, above))
}

/// Takes a field out as [`remove`] does, with the comments in it.
///
/// # Errors
///
/// If an alias is in the way, or if other text is on the field's lines.
pub(super) fn remove_with_comments(
    layout: &Layout<'_>,
    place: &Place,
    gone: &[Place],
) -> Result<Plan, RewriteRefusal> {
    taken_out(layout, place, gone).map(|(plan, _)| plan)
}

/// Takes a field out with the comments in it and those above it, which are returned.
fn taken_out(
    layout: &Layout<'_>,
    place: &Place,
    gone: &[Place],
) -> Result<(Plan, Vec<Range<usize>>), RewriteRefusal> {
    if layout.has_aliases() {
        return Err(RewriteRefusal::Aliases);
    }
    let path = place.path();
    let (name, parents) = path.split_last().ok_or(RewriteRefusal::NoPlace)?;
    let step = |at: NodeId, step: &std::borrow::Cow<'_, str>| layout.step(at, step).map(|(_, value)| value);
    let map = parents.iter().try_fold(layout.node, step).ok_or(RewriteRefusal::NoPlace)?;
    let entries = layout.tree.own_entries(map).ok_or(RewriteRefusal::NoPlace)?;
    let is_it = |(key, _): &(NodeId, NodeId)| layout.tree.text(*key) == Some(name.as_ref());
    let index = entries.iter().position(is_it).ok_or(RewriteRefusal::NoPlace)?;
    let (key, value) = *entries.get(index).ok_or(RewriteRefusal::NoPlace)?;
    let span =
        |node: NodeId| layout.tree.written(node).map(|node| node.span.clone()).ok_or(RewriteRefusal::NoPlace);
    let (start, end) =
        (span(key)?.start, last_end(layout, value).ok_or(RewriteRefusal::NoPlace)?.max(span(key)?.end));
    let is_flow =
        matches!(layout.tree.written(map).map(|node| &node.content), Some(Content::Map { flow: true, .. }));
    let above = above(layout.text, start);
    let is_gone = |(key, _): &(NodeId, NodeId)| {
        gone.iter().any(|place| {
            let path = place.path();
            path.split_last().is_some_and(|(name, others)| {
                others == parents && layout.tree.text(*key) == Some(name.as_ref())
            })
        })
    };
    let (range, with) = if is_flow {
        // A comma goes with what stands before it only where nothing before that stays.
        let leads = entries.iter().take(index).all(is_gone);
        let before = index.checked_sub(1).and_then(|before| entries.get(before)).filter(|_| !leads);
        let range = match (before, entries.get(index + 1)) {
            (Some((key, value)), _) => {
                last_end(layout, *value).ok_or(RewriteRefusal::NoPlace)?.max(span(*key)?.end)..end
            }
            // The first entry goes with the comma after it.
            (None, Some((next, _))) => start..span(*next)?.start,
            (None, None) => start..end,
        };
        // Above the first entry it stays, and would speak of the next one.
        if let Some(comment) = above.first().filter(|comment| comment.start < range.start) {
            return Err(RewriteRefusal::Comment(comment.start));
        }
        (range, "")
    } else if index > 0 || !entries.iter().all(is_gone) {
        let begin = above.first().map_or(start, |comment| comment.start);
        lines_of(layout.text, start..end).ok_or(RewriteRefusal::SharedLine)?;
        (lines_of(layout.text, begin..end).ok_or(RewriteRefusal::SharedLine)?, "")
    } else if let Some(comment) = above.first() {
        // The braces that take the place of the mapping would stand below it.
        return Err(RewriteRefusal::Comment(comment.start));
    } else {
        // A mapping in lines cannot be empty: it goes into the line of its key, and the other entries go
        // with their lines.
        let before = layout.text.get(..start).unwrap_or_default().trim_end();
        let (start, with) = if before.ends_with(':') { (before.len(), " {}") } else { (start, "{}") };
        (start..end_of_text(layout.text, end), with)
    };
    let step = RewriteStep { element: None, replacement: Replacement::new(range, with) };
    Ok((Plan { touched: vec![map], left: Vec::new(), steps: vec![step] }, above))
}

/// Returns the comments on lines of their own right above the field that begins at `key`, which speak of
/// it. One that is indented more belongs to what is above.
fn above(text: &str, key: usize) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut at = line_start(text, key);
    // Something before the key in its line is what they are above.
    if !text.get(at..key).is_some_and(|before| before.trim().is_empty()) {
        return found;
    }
    while let Some(end) = at.checked_sub(1) {
        let start = line_start(text, end);
        let line = text.get(start..end).unwrap_or_default();
        let first = start + (line.len() - line.trim_start().len());
        if !line.trim_start().starts_with('#') || column(text, first) > column(text, key) {
            break;
        }
        found.push(first..first + line.trim().len());
        at = start;
    }
    found.reverse();
    found
}

/// Returns true if the field at `path` is the only one of its mapping.
pub fn is_alone(layout: &Layout<'_>, path: &[String]) -> bool {
    let Some((_, parents)) = path.split_last() else { return false };
    let step = |at: NodeId, step: &String| layout.step(at, step).map(|(_, value)| value);
    let map = parents.iter().try_fold(layout.node, step);
    map.and_then(|map| layout.tree.own_entries(map)).is_some_and(|entries| entries.len() == 1)
}

/// Returns the beginning of the first comment of a text.
fn comment(text: &str) -> Option<usize> {
    let mut start = 0;
    text.split_inclusive('\n').find_map(|line| {
        let found = comments::first(line).map(|at| start + at);
        start += line.len();
        found
    })
}

/// Returns the end without the line breaks before it, with which a block of text ends.
fn end_of_text(text: &str, end: usize) -> usize {
    text.get(..end).map_or(end, |text| text.trim_end_matches(['\n', '\r']).len())
}

/// Returns the lines of an entry that has them for itself, with the line break before.
fn lines_of(text: &str, entry: Range<usize>) -> Option<Range<usize>> {
    let line = line_start(text, entry.start);
    if !text.get(line..entry.start)?.trim().is_empty() {
        return None;
    }
    // A block of text ends with its line break.
    let written = text.get(..entry.end)?;
    let written = written.strip_suffix('\n').unwrap_or(written);
    let end = line_end(text, written.strip_suffix('\r').unwrap_or(written).len());
    match line.checked_sub(1) {
        Some(before) => Some(line_end(text, line_start(text, before))..end),
        None => Some(line..text.get(end..)?.find('\n').map_or(end, |behind| end + behind + 1)),
    }
}

/// Returns the end of the last text of a value: a block ends where the next one begins.
pub(super) fn last_end(layout: &Layout<'_>, value: NodeId) -> Option<usize> {
    let node = layout.tree.written(value)?;
    match &node.content {
        Content::List { items, flow: false } => last_end(layout, *items.last()?),
        Content::Map { entries, flow: false } => last_end(layout, entries.last()?.1),
        _ => Some(node.span.end),
    }
}
