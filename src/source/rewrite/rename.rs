//! Giving a field the name under which it is read.

use std::ops::Range;

use super::field::{Field, FieldValue, add_below};
use super::remove::remove_moving;
use super::{
    Change, Plan, Replacement, RewriteRefusal, RewriteStep, Way, quoted, sequence, single_quoted, string,
};
use crate::finding::Renaming;
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
    // Two keys of one name are read in no fixed order.
    if named(to_name).is_some() {
        return None;
    }
    let (key, value) = named(from_name)?;
    let Content::List { items, .. } = &layout.tree.written(value)?.content else { return None };
    // A mapping or a list in it is written as a text, in another place.
    let is_flat = items.iter().all(|item| layout.tree.text(*item).is_some());
    if !is_flat || items.len() != texts.len() {
        return None;
    }
    let key = layout.tree.written(key)?.span.clone();
    let name = name_like(layout, &key, to_name);
    let old: Vec<&str> = texts.iter().map(String::as_str).collect();
    let origins = origins(&old, new);
    let change = Change { place: to, old: &old, new, origins: &origins };
    Some(sequence::rewrite(layout, value, change, Way::Together).map(|mut plan| {
        plan.steps.push(RewriteStep { element: None, replacement: Replacement::new(key, name) });
        plan
    }))
}

/// Returns the name of a key as it is written in the place of the key at `written`, in the same quotes.
pub(super) fn name_like(layout: &Layout<'_>, written: &Range<usize>, name: &str) -> String {
    let first = layout.text.get(written.clone()).and_then(|key| key.chars().next());
    match first {
        Some('\'') => single_quoted(name).unwrap_or_else(|| quoted(name)),
        Some('"') => quoted(name),
        _ => name.to_owned(),
    }
}

/// Gives a key another name, in the same quotes, and its value another text. A field that is no
/// such key goes away, and the key is added.
///
/// # Errors
///
/// If an alias or a comment is in the way, or the value is no text.
pub fn rename_key(layout: &Layout<'_>, renaming: &Renaming) -> Result<Plan, RewriteRefusal> {
    if layout.has_aliases() {
        return Err(RewriteRefusal::Aliases);
    }
    let path = renaming.from.path();
    let (name, parents) = path.split_last().ok_or(RewriteRefusal::NoPlace)?;
    let to = renaming.to.key().ok_or(RewriteRefusal::NoPlace)?;
    if matches!(renaming.from, Place::Field(_)) {
        return become_key(layout, renaming);
    }
    let step = |at: NodeId, step: &std::borrow::Cow<'_, str>| layout.step(at, step).map(|(_, value)| value);
    let map = parents.iter().try_fold(layout.node, step).ok_or(RewriteRefusal::NoPlace)?;
    let (key, value) = layout.step(map, name).ok_or(RewriteRefusal::NoPlace)?;
    let key = key.and_then(|key| layout.tree.written(key)).ok_or(RewriteRefusal::NoPlace)?;
    let name = name_like(layout, &key.span, to);
    let mut replacements = string::rewrite(layout, value, &renaming.old, &renaming.new)?;
    replacements.push(Replacement::new(key.span.clone(), name));
    let step = |replacement| RewriteStep { element: None, replacement };
    let steps = replacements.into_iter().map(step).collect();
    Ok(Plan { touched: vec![map], left: Vec::new(), steps })
}

/// Takes a field out, and adds its options as a key, with the comments above it; with the mapping of such
/// keys, where the object has none.
fn become_key(layout: &Layout<'_>, renaming: &Renaming) -> Result<Plan, RewriteRefusal> {
    let gone = std::slice::from_ref(&renaming.from);
    let (mut plan, above) = remove_moving(layout, &renaming.from, gone)?;
    let path = renaming.to.path();
    let (name, parents) = path.split_last().ok_or(RewriteRefusal::NoPlace)?;
    let (map_name, around) = parents.split_last().ok_or(RewriteRefusal::NoPlace)?;
    let step = |at: NodeId, step: &std::borrow::Cow<'_, str>| layout.step(at, step).map(|(_, value)| value);
    let around = around.iter().try_fold(layout.node, step).ok_or(RewriteRefusal::NoPlace)?;
    let added = if let Some((_, map)) = layout.step(around, map_name) {
        add_below(layout, map, Field { name, value: FieldValue::Text(&renaming.new) }, &above)?
    } else {
        let value = FieldValue::Map(name, &renaming.new);
        add_below(layout, around, Field { name: map_name, value }, &above)?
    };
    plan.touched.extend(added.touched);
    plan.steps.extend(added.steps);
    Ok(plan)
}

/// Returns the elements `new` with those first that are elements of `old`, in their order: what several places
/// held does not contradict itself, so the order of the places does not count.
pub fn with_own_first<'n>(old: &[String], new: &[&'n str]) -> Vec<&'n str> {
    let old: Vec<&str> = old.iter().map(String::as_str).collect();
    // Those in front of the first one that is its own come from other places.
    let is_first = |text: &&str| origins(&old, &[text]).iter().any(Option::is_some);
    let first = new.iter().position(is_first);
    let Some((others, own)) = new.split_at_checked(first.unwrap_or_default()) else { return new.to_vec() };
    let origins = origins(&old, own);
    let is_own = |wanted: bool| {
        let pairs = own.iter().zip(&origins).filter(move |(_, origin)| origin.is_some() == wanted);
        pairs.map(|(text, _)| *text)
    };
    is_own(true).chain(others.iter().copied()).chain(is_own(false)).collect()
}

/// Returns the old element that each of the new ones is, or is a part of: the next that says the
/// same, `fg` for `bg`.
pub(super) fn origins(old: &[&str], new: &[&str]) -> Vec<Option<usize>> {
    let mut next = 0;
    new.iter()
        .map(|text| {
            let says_it = |piece: &str| piece.trim() == *text || piece.trim() == "bg" && *text == "fg";
            let is_it = |found: &&str| found.split(',').any(says_it);
            let at = next + old.get(next..)?.iter().position(is_it)?;
            // The next one may be another part of it.
            let is_whole = old.get(at).is_none_or(|found| !found.contains(','));
            next = at + usize::from(is_whole);
            Some(at)
        })
        .collect()
}
