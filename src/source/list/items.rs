//! The items of a List, and the error for one whose objects are not under `items`.

use super::super::tree::{NodeId, Tree};
use super::super::unjudged::{self, Unjudged};
use super::super::{Implied, Item, Problem, Skip, Source, yaml};
use super::{DEEPEST_LIST, visit_node};
use crate::kind::Kind;

pub(super) fn too_deep(offset: usize) -> Problem {
    Problem::at(offset, format!("is a List in a List more than {DEEPEST_LIST} times"))
}

pub(super) fn no_list(offset: usize) -> Problem {
    Problem::at(offset, "items must be a list".to_owned())
}

/// Returns the problem of a List without items; `inner` is an object that is in it anyway.
pub(super) fn no_items(offset: usize, inner: Option<String>) -> Problem {
    let inner = inner.map(|inner| format!(", although {inner} is there")).unwrap_or_default();
    let message =
        format!("is a List without the key items, so kubectl finds no objects in it{inner}; add items");
    Problem::at(offset, message)
}

/// Returns a List without items; refused where objects stand under another key of it.
pub(super) fn empty_list(tree: &Tree<'_>, node: NodeId) -> Item<'static> {
    let offset = tree.node(node).map_or(0, |node| node.span.start);
    match inner_object(tree, node) {
        None => options_beside(tree, node).map_or(Item::Skipped(Skip::EmptyList), Item::Unjudged),
        Some((_, inner)) => Item::Unreadable(Problem::at(
            offset,
            format!(
                "is a List whose items are empty, although {inner} is under another key; move it to items"
            ),
        )),
    }
}

/// Returns the problem of objects under another key of a List with items, which kubectl passes over.
pub(super) fn beside_items(offset: usize, inner: &str) -> Problem {
    let message = format!(
        "{inner} is not under items, so kubectl passes over it and nothing judges it; move it to items"
    );
    Problem::at(offset, message)
}

/// Returns the first object under another key than items of the List at `node`: where it stands,
/// and what it is as `Kind/name`.
pub(super) fn inner_object(tree: &Tree<'_>, node: NodeId) -> Option<(usize, String)> {
    let entries = tree.entries(node)?;
    let mut others = entries.iter().filter(|(key, _)| is_other(tree, *key));
    others.find_map(|(_, value)| object_in(tree, *value))
}

/// Returns mount options under another key than items of the List at `node`, where what contains them does
/// not say what it is.
pub(super) fn options_beside(tree: &Tree<'_>, node: NodeId) -> Option<Unjudged> {
    let entries = tree.entries(node)?;
    let mut others = entries.iter().filter(|(key, _)| is_other(tree, *key));
    let items = tree.get(node, "items").and_then(|items| tree.written(items));
    let items = items.map_or(0..0, |items| items.span.clone());
    others.find_map(|(key, value)| {
        let mut found = unjudged::find_beside_items(tree, *value, items.clone())?;
        for place in &mut found.places {
            place.path.insert(0, tree.text(*key).unwrap_or_default().to_owned());
        }
        Some(found)
    })
}

/// Returns true if objects do not belong under a key of a List.
fn is_other(tree: &Tree<'_>, key: NodeId) -> bool {
    !matches!(tree.text(key), Some("items" | "metadata"))
}

/// Returns the object that a value is, or the first one of a list.
pub(super) fn object_in(tree: &Tree<'_>, value: NodeId) -> Option<(usize, String)> {
    let one = [value];
    tree.items(value).unwrap_or(&one).iter().find_map(|object| {
        tree.entries(*object)?;
        let text = |key| tree.get(*object, key).and_then(|value| tree.text(value));
        let kind = text("kind")?;
        // Values of charts have a `kind` as well.
        let is_object = text("apiVersion").is_some() || Kind::parse(kind).is_some();
        let name = field_name(tree, *object).unwrap_or_default();
        let start = tree.written(*object)?.span.start;
        is_object.then(|| (start, format!("{kind}/{name}")))
    })
}

/// Returns the name of the object at `node`, or what the API server begins it with.
fn field_name<'t>(tree: &'t Tree<'_>, node: NodeId) -> Option<&'t str> {
    metadata_text(tree, node, "name").or_else(|| metadata_text(tree, node, "generateName"))
}

fn metadata_text<'t>(tree: &'t Tree<'_>, node: NodeId, key: &str) -> Option<&'t str> {
    tree.get(node, "metadata")
        .and_then(|metadata| tree.get(metadata, key))
        .and_then(|text| tree.text(text))
        .filter(|text| !text.is_empty())
}

/// Returns the object at `node` as reports name it, `Pod/shop/web`; its kind alone where it has no name.
pub(super) fn object_name(tree: &Tree<'_>, node: NodeId, kind: Kind) -> String {
    match field_name(tree, node) {
        Some(name) => kind.name_object(metadata_text(tree, node, "namespace"), name),
        None => kind.as_str().to_owned(),
    }
}

/// Visits the items of a List; `at` has what they imply, how deep it is, and where it begins.
pub(super) fn visit_items(
    source: &Source<'_>,
    tree: &Tree<'_>,
    items: &[NodeId],
    at: (&Implied, usize, usize),
    visitor: &mut dyn FnMut(Item<'_>),
) {
    let (implied, depth, offset) = at;
    // The items of a long list are parsed one by one, so that only one is in memory.
    if tree.apart.is_some() {
        yaml::each_item(source.text, source.lines, tree, &mut |item| {
            visit_node(source, item, 0, implied, depth + 1, visitor);
        });
        return;
    }
    for item in items {
        if depth < DEEPEST_LIST {
            visit_node(source, tree, *item, implied, depth + 1, visitor);
        } else {
            visitor(Item::Unreadable(too_deep(offset)));
        }
    }
}
