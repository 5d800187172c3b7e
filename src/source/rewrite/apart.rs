//! Options that are read through an alias or a merge, and shall not change at
//! the other places that read them: the new value is written out here.

use super::field::{self, Field, FieldValue};
use super::{Change, Plan, Replacement, RewriteRefusal, RewriteStep, Way, in_place, render};
use crate::source::object::Layout;
use crate::source::tree::{Content, NodeId, Style};

/// The last alias or merge on the way from an object to one of its values.
enum Detour {
    None,
    /// The value itself is an alias.
    Value(NodeId),
    /// The field comes out of a mapping that is merged into this one.
    Merge(NodeId),
    /// Something around the value is an alias.
    Outer(NodeId),
}

/// Rewrites as [`super::rewrite`] does, and changes no other place that does not read the values that the
/// plan touches.
///
/// # Errors
///
/// When it cannot be done.
pub fn apart(layout: &Layout<'_>, change: Change<'_>) -> Result<Plan, RewriteRefusal> {
    if change.new.is_empty() {
        return Err(RewriteRefusal::NothingLeft);
    }
    match detour(layout, change) {
        Detour::None => in_place(layout, change, Way::Apart),
        Detour::Value(alias) => {
            let span = layout.tree.written(alias).ok_or(RewriteRefusal::NoPlace)?.span.clone();
            let in_flow = change.is_list() || layout.is_in_flow(span.start);
            let text = match change.new.first().filter(|_| !change.is_list()) {
                Some(text) => render(text, Style::Plain, in_flow),
                None => field::flow_list(change.new, Style::Plain),
            };
            let step = RewriteStep { element: None, replacement: Replacement::new(span, text) };
            Ok(Plan { touched: vec![alias], left: vec![layout.tree.target(alias)], steps: vec![step] })
        }
        Detour::Merge(map) => {
            let path = change.place.path();
            let name = path.last().ok_or(RewriteRefusal::NoPlace)?;
            let value = match change.new.first() {
                Some(text) if !change.is_list() => FieldValue::Text(text),
                _ => FieldValue::List(change.new),
            };
            let field = Field { name, value };
            let mut plan = field::add_last(layout, map, field)?;
            plan.left.extend(layout.value(change.place).map(|value| layout.tree.target(value)));
            Ok(plan)
        }
        Detour::Outer(alias) => {
            Err(RewriteRefusal::Outer(layout.tree.written(alias).map_or(0, |node| node.span.start)))
        }
    }
}

fn detour(layout: &Layout<'_>, change: Change<'_>) -> Detour {
    let tree = &layout.tree;
    let is_alias = |id: NodeId| matches!(tree.written(id).map(|node| &node.content), Some(Content::Alias(_)));
    let mut detour = if is_alias(layout.node) { Detour::Outer(layout.node) } else { Detour::None };
    let path = change.place.path();
    let mut at = layout.node;
    for (index, step) in path.iter().enumerate() {
        let Some((key, value)) = layout.step(at, step) else { break };
        let is_last = index + 1 == path.len();
        let map = tree.target(at);
        if let Some(key) = key.filter(|key| tree.parent(*key) != Some(map)) {
            detour = if is_last {
                Detour::Merge(map)
            } else {
                // The whole mapping comes from elsewhere: to write out one field would write out
                // all of it.
                Detour::Outer(merge_of(layout, map).unwrap_or(key))
            };
        } else if is_alias(value) {
            detour = if is_last { Detour::Value(value) } else { Detour::Outer(value) };
        }
        at = value;
    }
    detour
}

/// Returns the first merge in a mapping.
fn merge_of(layout: &Layout<'_>, map: NodeId) -> Option<NodeId> {
    let entries = layout.tree.own_entries(map)?;
    entries.iter().map(|(key, _)| *key).find(|key| layout.tree.is_merge(*key))
}
