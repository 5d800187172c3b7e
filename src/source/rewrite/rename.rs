//! Giving a field the name under which it is read.

use super::{Change, Plan, Replacement, RewriteRefusal, RewriteStep, Way, quoted, sequence};
use crate::site::Place;
use crate::source::object::Layout;
use crate::source::tree::{Content, NodeId};

/// Gives the list `from` the name of the list `to` and the elements `new`; `None` where
/// that is not enough: they belong into different mappings, the list is there already,
/// or the field is no list of these texts. Comments and style stay.
pub fn rename(
    layout: &Layout<'_>,
    from: &Place,
    to: &Place,
    texts: &[String],
    new: &[&str],
) -> Option<Result<Plan, RewriteRefusal>> {
    let (from_path, to_path) = (from.path(), to.path());
    let ((from_name, from_parents), (to_name, to_parents)) = (from_path.split_last()?, to_path.split_last()?);
    if layout.has_aliases() || from_parents != to_parents {
        return None;
    }
    let step = |at: NodeId, step: &std::borrow::Cow<'_, str>| layout.step(at, step).map(|(_, value)| value);
    let map = from_parents.iter().try_fold(layout.node, step)?;
    let entries = layout.tree.own_entries(map)?;
    let named = |name: &str| entries.iter().find(|(key, _)| layout.tree.text(*key) == Some(name)).copied();
    if named(to_name).is_some() {
        return None;
    }
    let (key, value) = named(from_name)?;
    let Content::List { items, .. } = &layout.tree.written(value)?.content else { return None };
    if items.len() != texts.len() {
        return None;
    }
    let key = layout.tree.written(key)?.span.clone();
    let is_quoted = layout.text.get(key.clone())?.starts_with(['"', '\'']);
    let name = if is_quoted { quoted(to_name) } else { to_name.to_string() };
    let old: Vec<&str> = texts.iter().map(String::as_str).collect();
    let origins = origins(&old, new);
    let change = Change { place: to, old: &old, new, origins: &origins };
    Some(sequence::rewrite(layout, value, change, Way::Together).map(|mut plan| {
        plan.steps.push(RewriteStep { element: None, replacement: Replacement::new(key, name) });
        plan
    }))
}

/// Returns the old element that each of the new ones is: the next that says the same, `fg` for
/// `bg`.
fn origins(old: &[&str], new: &[&str]) -> Vec<Option<usize>> {
    let mut next = 0;
    new.iter()
        .map(|text| {
            let is_it = |found: &&str| found.trim() == *text || found.trim() == "bg" && *text == "fg";
            let at = next + old.get(next..)?.iter().position(is_it)?;
            next = at + 1;
            Some(at)
        })
        .collect()
}
