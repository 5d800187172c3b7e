//! The parts of a document that are not evaluated, and their mount options.

use super::super::tree::{NodeId, Tree};
use super::super::{Item, Skip, Source, json, unjudged};

/// Visits the texts with mount options in an object whose own places are evaluated.
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
    if !unjudged::may_hold_options(part) {
        return Item::Skipped(skip);
    }
    not_judged(&json::tree(source.text, part), 0, skip)
}
