//! Options that have no list yet: the field is filled, or added.

use std::ops::Range;

use super::lines::{column, line_end, newline};
use super::{Change, Plan, Replacement, RewriteRefusal, RewriteStep, render};
use crate::kind::Kind;
use crate::site::Place;
use crate::source::object::Layout;
use crate::source::scalar::{Meaning, resolve};
use crate::source::tree::{Content, NodeId, Style};

fn plan(touched: NodeId, replacement: Replacement) -> Plan {
    Plan { touched: vec![touched], left: Vec::new(), steps: vec![RewriteStep { element: None, replacement }] }
}

/// Puts a list where the field has none: `mountOptions:` with nothing after it.
pub(super) fn fill(layout: &Layout<'_>, change: Change<'_>, value: NodeId) -> Result<Plan, RewriteRefusal> {
    let path = change.place.path();
    let (name, parents) = path.split_last().ok_or(RewriteRefusal::NoPlace)?;
    let parent = parents.iter().try_fold(layout.node, |at, step| layout.tree.get(at, step));
    let key = parent.and_then(|parent| layout.tree.entry(parent, name)).map(|(key, _)| key);
    let key = key.and_then(|key| layout.tree.written(key)).ok_or(RewriteRefusal::NoPlace)?;
    let node = layout.tree.written(value).ok_or(RewriteRefusal::NoPlace)?;
    if layout.tree.text(value).is_none_or(|text| resolve(text) != Meaning::Null) {
        return Err(RewriteRefusal::Unwieldy);
    }
    let list = flow_list(change.new, style_of(layout, key.span.start));
    if !layout.text.get(node.span.clone()).unwrap_or_default().is_empty() {
        return Ok(plan(value, Replacement::new(node.span.clone(), list)));
    }
    let rest = layout.text.get(key.span.end..).unwrap_or_default();
    let colon = rest.find(':').ok_or(RewriteRefusal::NoPlace)?;
    Ok(plan(value, Replacement::insert(key.span.end + colon + 1, format!(" {list}"))))
}

/// Returns the mapping to which the list is added, and the entry after which people write it.
fn neighbor(layout: &Layout<'_>, place: &Place) -> Result<(NodeId, (NodeId, NodeId)), RewriteRefusal> {
    let (parent, neighbor) = match place {
        // Next to the field after which the API reference has the list.
        Place::MountOptions(Kind::StorageClass) => (Some(layout.node), "provisioner"),
        _ => (layout.tree.get(layout.node, "spec"), "accessModes"),
    };
    let parent = parent.map(|parent| layout.tree.target(parent)).ok_or(RewriteRefusal::NoPlace)?;
    let entries = layout.tree.own_entries(parent).ok_or(RewriteRefusal::NoPlace)?;
    let beside = entries.iter().find(|(key, _)| layout.tree.text(*key) == Some(neighbor));
    Ok((parent, *beside.or(entries.last()).ok_or(RewriteRefusal::NoPlace)?))
}

/// Adds the list at a place as whole lines, which `lines` makes for an indent.
pub(super) fn add_text(
    layout: &Layout<'_>,
    place: &Place,
    lines: impl FnOnce(usize) -> String,
) -> Result<Plan, RewriteRefusal> {
    let (parent, beside) = neighbor(layout, place)?;
    if is_in_braces(layout, parent) {
        return Err(RewriteRefusal::Unwieldy);
    }
    add_lines(layout, parent, beside, &lines(indent(layout, beside.0)?))
}

/// Adds the field, after the one that people write it after.
pub(super) fn add(layout: &Layout<'_>, change: Change<'_>) -> Result<Plan, RewriteRefusal> {
    let (parent, beside) = neighbor(layout, change.place)?;
    if is_in_braces(layout, parent) {
        let field = Field { name: "mountOptions", value: FieldValue::List(change.new) };
        return add_to_flow(layout, parent, field);
    }
    let value = layout.tree.written(beside.1).ok_or(RewriteRefusal::NoPlace)?;
    let style = match &value.content {
        // Lists of one file look alike: the style and the indent of the neighbor are those of the
        // author.
        Content::List { flow: false, .. } => Some(column(layout.text, value.span.start)),
        Content::List { flow: true, .. } => None,
        _ => Some(2 + indent(layout, beside.0)?),
    };
    let margin = " ".repeat(indent(layout, beside.0)?);
    let newline = newline(layout.text, end_of(layout, beside)?);
    let mut lines = format!("{margin}mountOptions:");
    match style {
        None => {
            lines.push(' ');
            lines.push_str(&flow_list(change.new, Style::Plain));
        }
        Some(deeper) => {
            for element in change.new {
                lines.extend([newline, &" ".repeat(deeper), "- "]);
                lines.push_str(&render(element, Style::Plain, false));
            }
        }
    }
    add_lines(layout, parent, beside, &lines)
}

/// A field that a mapping does not have itself.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field<'f> {
    pub(super) name: &'f str,
    pub(super) value: FieldValue<'f>,
}

/// The value of such a field.
#[derive(Debug, Clone, Copy)]
pub(super) enum FieldValue<'f> {
    Text(&'f str),
    List(&'f [&'f str]),
    /// A mapping of one key and its text.
    Map(&'f str, &'f str),
}

impl Field<'_> {
    /// Returns its value on one line.
    fn value(self, style: Style, in_flow: bool) -> String {
        match self.value {
            FieldValue::Text(text) => render(text, style, in_flow),
            FieldValue::List(elements) => flow_list(elements, style),
            FieldValue::Map(key, text) => {
                let key = if style == Style::DoubleQuoted { format!("{key:?}") } else { key.to_owned() };
                format!("{{{key}: {}}}", render(text, style, true))
            }
        }
    }
}

/// Adds a field at the end of a mapping, where it wins over what is merged.
pub(super) fn add_last(layout: &Layout<'_>, map: NodeId, field: Field<'_>) -> Result<Plan, RewriteRefusal> {
    add_below(layout, map, field, &[])
}

/// Adds as [`add_last`] does, with comments on lines of their own above the field, which stand elsewhere
/// now.
pub(super) fn add_below(
    layout: &Layout<'_>,
    map: NodeId,
    field: Field<'_>,
    comments: &[Range<usize>],
) -> Result<Plan, RewriteRefusal> {
    if is_in_braces(layout, map) {
        return match comments.first() {
            // In braces it would speak of what follows in the line.
            Some(comment) => Err(RewriteRefusal::Comment(comment.start)),
            None => add_to_flow(layout, map, field),
        };
    }
    let last = *layout.tree.own_entries(map).and_then(<[_]>::last).ok_or(RewriteRefusal::NoPlace)?;
    let margin = " ".repeat(indent(layout, last.0)?);
    let newline = newline(layout.text, end_of(layout, last)?);
    let mut lines = String::new();
    for comment in comments {
        let comment = layout.text.get(comment.clone()).unwrap_or_default();
        lines.extend([margin.as_str(), comment, newline]);
    }
    lines.extend([margin.as_str(), field.name, ": ", &field.value(Style::Plain, false)]);
    add_lines(layout, map, last, &lines)
}

fn is_in_braces(layout: &Layout<'_>, map: NodeId) -> bool {
    matches!(layout.tree.written(map).map(|node| &node.content), Some(Content::Map { flow: true, .. }))
}

fn indent(layout: &Layout<'_>, key: NodeId) -> Result<usize, RewriteRefusal> {
    let key = layout.tree.written(key).ok_or(RewriteRefusal::NoPlace)?;
    Ok(column(layout.text, key.span.start))
}

fn end_of(layout: &Layout<'_>, (key, value): (NodeId, NodeId)) -> Result<usize, RewriteRefusal> {
    let span = |node: NodeId| layout.tree.written(node).map(|node| node.span.clone());
    let (key, value) =
        (span(key).ok_or(RewriteRefusal::NoPlace)?, span(value).ok_or(RewriteRefusal::NoPlace)?);
    Ok(if value.is_empty() { key.end } else { value.end })
}

/// Adds whole lines after an entry of a mapping.
fn add_lines(
    layout: &Layout<'_>,
    map: NodeId,
    behind: (NodeId, NodeId),
    lines: &str,
) -> Result<Plan, RewriteRefusal> {
    let end = end_of(layout, behind)?;
    let newline = newline(layout.text, end);
    // A block scalar ends with its line break.
    if layout.text.get(..end).is_some_and(|before| before.ends_with('\n')) {
        return Ok(plan(map, Replacement::insert(end, format!("{lines}{newline}"))));
    }
    Ok(plan(map, Replacement::insert(line_end(layout.text, end), format!("{newline}{lines}"))))
}

fn add_to_flow(layout: &Layout<'_>, map: NodeId, field: Field<'_>) -> Result<Plan, RewriteRefusal> {
    let span = |node: NodeId| layout.tree.written(node).map(|node| node.span.clone());
    let open = span(map).ok_or(RewriteRefusal::NoPlace)?.start;
    let entries = layout.tree.own_entries(map).ok_or(RewriteRefusal::NoPlace)?;
    let Some((key, value)) = entries.last() else {
        let style =
            if layout.text.trim_start().starts_with('{') { Style::DoubleQuoted } else { Style::Plain };
        let name =
            if style == Style::DoubleQuoted { format!("{:?}", field.name) } else { field.name.to_owned() };
        return Ok(plan(map, Replacement::insert(open + 1, format!("{name}: {}", field.value(style, true)))));
    };
    let (key, value) =
        (span(*key).ok_or(RewriteRefusal::NoPlace)?, span(*value).ok_or(RewriteRefusal::NoPlace)?);
    let before = entries.len().checked_sub(2).and_then(|index| entries.get(index));
    let from = before.and_then(|(_, value)| span(*value)).map_or(open + 1, |value| value.end);
    // The white space before the last entry, so that one line or many lines stay so.
    let blank = layout.text.get(from..key.start).unwrap_or_default().trim_start_matches(',');
    let blank =
        if blank.trim().is_empty() && (before.is_some() || blank.contains('\n')) { blank } else { " " };
    let style = style_of(layout, key.start);
    let name = if style == Style::DoubleQuoted { format!("{:?}", field.name) } else { field.name.to_owned() };
    let gap = layout.text.get(key.end..value.start).filter(|gap| gap.trim() == ":").unwrap_or(": ");
    let with = format!(",{blank}{name}{gap}{}", field.value(style, true));
    let end = if value.is_empty() { key.end } else { value.end };
    Ok(plan(map, Replacement::insert(end, with)))
}

/// Returns the style in which a list is written beside a key.
fn style_of(layout: &Layout<'_>, key: usize) -> Style {
    if layout.text.get(key..).is_some_and(|rest| rest.starts_with('"')) {
        Style::DoubleQuoted
    } else {
        Style::Plain
    }
}

pub(super) fn flow_list(elements: &[&str], style: Style) -> String {
    let elements: Vec<String> = elements.iter().map(|element| render(element, style, true)).collect();
    format!("[{}]", elements.join(", "))
}
