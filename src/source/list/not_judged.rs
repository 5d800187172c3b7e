//! Parts of a document that are not judged, and their mount options.

use super::super::tree::{NodeId, Tree};
use super::super::{Item, Skip, Source, json, unjudged};
use crate::kind::Kind;

/// Visits the mount options in an object at places that are not judged.
pub(super) fn visit_beside(tree: &Tree<'_>, node: NodeId, kind: Kind, visitor: &mut dyn FnMut(Item<'_>)) {
    let found = match kind.pod_spec() {
        Some(at) => unjudged::find_beside_volumes(tree, node, at),
        None => unjudged::find_in_texts(tree, node),
    };
    if let Some(found) = found {
        visitor(Item::Beside(found));
    }
}

/// Visits the texts with mount options in an object whose own places are judged.
pub(super) fn visit_texts(source: &Source<'_>, part: &str, visitor: &mut dyn FnMut(Item<'_>)) {
    if unjudged::may_have_options_in_text(part)
        && let Some(found) = unjudged::find_in_texts(&json::tree(source.text, part), 0)
    {
        visitor(Item::Beside(found));
    }
}

/// Returns the part at `node` that is not evaluated, with its mount options.
pub(super) fn not_judged(tree: &Tree<'_>, node: NodeId, skip: Skip) -> Item<'static> {
    unjudged::find(tree, node).map_or(Item::Skipped(skip), Item::Unjudged)
}

pub(super) fn not_judged_json(source: &Source<'_>, part: &str, skip: Skip) -> Item<'static> {
    let is_of_pods = skip == Skip::NoInlineVolume;
    if !(unjudged::may_hold_options(part) || is_of_pods && unjudged::has_others_in_source(part)) {
        return Item::Skipped(skip);
    }
    not_judged(&json::tree(source.text, part), 0, skip)
}
