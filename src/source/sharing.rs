//! Finds the values of a document that are read at more than one place: through an alias, or
//! because an alias stands for something around them. Changing such a value changes all of these
//! places.

use std::ops::Range;

use super::tree::{Content, NodeId, Tree};
use super::unread_field::unread_values;

/// The number of times that each value of a document is read, its aliases written out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Sharing {
    /// By value: the value around it.
    parents: Vec<Option<NodeId>>,
    /// By value: how often it is read.
    readers: Vec<u64>,
    /// The values at places that nothing reads, in order.
    unread: Vec<NodeId>,
}

impl Sharing {
    fn of(tree: &Tree<'_>) -> Self {
        let count = tree.nodes.len();
        let mut parents = vec![None; count];
        for (id, node) in tree.nodes.iter().enumerate() {
            let inner: Box<dyn Iterator<Item = NodeId>> = match &node.content {
                Content::List { items, .. } => Box::new(items.iter().copied()),
                Content::Map { entries, .. } => {
                    Box::new(entries.iter().flat_map(|(key, value)| [*key, *value]))
                }
                Content::Scalar { .. } | Content::Alias(_) => continue,
            };
            for inner in inner {
                if let Some(parent) = parents.get_mut(inner) {
                    *parent = Some(id);
                }
            }
        }
        let unread = unread_values(tree);
        let readers = readers(tree, &parents, &unread);
        Self { parents, readers, unread }
    }
}

/// Returns a value that no alias names is read as often as the one around it. One that has aliases
/// is read there, too; those stand after its end, inside values that end later than it does, so the
/// last to end is counted first.
fn readers(tree: &Tree<'_>, parents: &[Option<NodeId>], unread: &[NodeId]) -> Vec<u64> {
    let count = tree.nodes.len();
    // The last value inside each one: what is inside has a larger index.
    let mut ends: Vec<NodeId> = (0..count).collect();
    for id in (0..count).rev() {
        let end = ends.get(id).copied().unwrap_or(id);
        if let Some(outer) = parents.get(id).copied().flatten().and_then(|parent| ends.get_mut(parent)) {
            *outer = end.max(*outer);
        }
    }
    let mut aliases: Vec<(NodeId, NodeId)> =
        tree.aliases.iter().map(|alias| (tree.target(*alias), *alias)).collect();
    aliases.sort_unstable();
    let is_named = |id: NodeId| aliases.binary_search_by_key(&id, |(target, _)| *target).is_ok();
    // An anchor where nothing reads it is no reader: its aliases are.
    let is_unread = |id: NodeId| unread.binary_search(&id).is_ok();
    // The innermost value around each one that has aliases, or the outermost.
    let mut around: Vec<NodeId> = Vec::with_capacity(count);
    for id in 0..count {
        let outer = parents.get(id).copied().flatten().and_then(|parent| around.get(parent).copied());
        around.push(match outer {
            Some(outer) if !is_named(id) && !is_unread(id) => outer,
            _ => id,
        });
    }
    let mut named: Vec<NodeId> = aliases.iter().map(|(target, _)| *target).collect();
    named.dedup();
    named.sort_by_key(|id| (std::cmp::Reverse(ends.get(*id).copied()), *id));
    let mut readers: Vec<u64> = (0..count).map(|id| u64::from(!is_unread(id))).collect();
    let read_around = |readers: &[u64], id: NodeId| {
        if is_unread(id) {
            return 0;
        }
        let parent = parents.get(id).copied().flatten();
        parent.and_then(|parent| readers.get(*around.get(parent)?).copied()).unwrap_or(1)
    };
    for target in named {
        let from = aliases.partition_point(|(found, _)| *found < target);
        let own = aliases.get(from..).unwrap_or_default().iter().take_while(|(found, _)| *found == target);
        let sum = own.fold(read_around(&readers, target), |sum, (_, alias)| {
            sum.saturating_add(read_around(&readers, *alias))
        });
        if let Some(place) = readers.get_mut(target) {
            *place = sum;
        }
    }
    let mut of_all: Vec<u64> = around.iter().map(|outer| readers.get(*outer).copied().unwrap_or(1)).collect();
    for (target, alias) in &aliases {
        for value in overridden(tree, parents, *target, *alias) {
            let within = value..=ends.get(value).copied().unwrap_or(value);
            let unread = read_around(&readers, *alias);
            for id in within.filter(|id| around.get(*id) == Some(target)) {
                if let Some(count) = of_all.get_mut(id) {
                    *count = count.saturating_sub(unread).max(1);
                }
            }
        }
    }
    of_all
}

/// Returns the values of the mapping `target` that are not read where `alias` merges it: a key of
/// that mapping's own, written after the `<<`, has another value.
fn overridden(tree: &Tree<'_>, parents: &[Option<NodeId>], target: NodeId, alias: NodeId) -> Vec<NodeId> {
    let parent = |id: NodeId| parents.get(id).copied().flatten();
    let entries = |id: NodeId| match tree.written(id).map(|node| &node.content) {
        Some(Content::Map { entries, .. }) => Some(entries.as_slice()),
        _ => None,
    };
    // `<<: *a`, or `<<: [*a, *b]`
    let merged = [Some(alias), parent(alias)].into_iter().flatten().find_map(|value| {
        let into = entries(parent(value)?)?;
        let at = into.iter().position(|(key, found)| *found == value && tree.is_merge(*key))?;
        into.get(at + 1..)
    });
    let (Some(own), Some(of_target)) = (merged, entries(target)) else { return Vec::new() };
    let is_own = |key: NodeId| own.iter().any(|(found, _)| tree.text(*found) == tree.text(key));
    of_target.iter().filter(|(key, _)| is_own(*key)).map(|(_, value)| *value).collect()
}

impl Tree<'_> {
    /// Counts the places of the document at which the value is read.
    pub fn readers(&self, id: NodeId) -> u64 {
        if self.aliases.is_empty() {
            return 1;
        }
        self.sharing().readers.get(id).copied().unwrap_or(1)
    }

    /// Returns true for a value in a field of an object that nothing reads, if an alias brings it to a place
    /// that is read.
    pub(super) fn is_kept_for_aliases(&self, id: NodeId) -> bool {
        let is_unread = |id: NodeId| self.sharing().unread.binary_search(&id).is_ok();
        !self.aliases.is_empty()
            && !self.sharing().unread.is_empty()
            && self.readers(id) > 0
            && std::iter::successors(Some(id), |id| self.parent(*id)).any(is_unread)
    }

    /// Returns the aliases through which the value is read, or the innermost one around it that has
    /// some.
    pub(super) fn aliases_of(&self, id: NodeId) -> Vec<NodeId> {
        let parents = &self.sharing().parents;
        let mut within = Vec::new();
        let mut names = |id: NodeId| -> Vec<NodeId> {
            within.push(id);
            let is_overridden = |alias: NodeId| {
                overridden(self, parents, id, alias).iter().any(|value| within.contains(value))
            };
            let is_read = |alias: &NodeId| self.target(*alias) == id && !is_overridden(*alias);
            self.aliases.iter().copied().filter(is_read).collect()
        };
        let mut around = std::iter::successors(Some(id), |id| self.parent(*id));
        around.find_map(|id| Some(names(id)).filter(|names| !names.is_empty())).unwrap_or_default()
    }

    /// Returns the mapping into which an alias merges: `<<: *a`, or `<<: [*a, *b]`.
    pub(super) fn merged_into(&self, alias: NodeId) -> Option<NodeId> {
        [Some(alias), self.parent(alias)].into_iter().flatten().find_map(|value| {
            let into = self.parent(value)?;
            let merges = |(key, found): &(NodeId, NodeId)| *found == value && self.is_merge(*key);
            self.own_entries(into)?.iter().any(merges).then_some(into)
        })
    }

    /// Returns true if an alias within the bytes `range` stands for this very value.
    pub(super) fn is_named_in(&self, id: NodeId, range: &Range<usize>) -> bool {
        let is_within = |alias: NodeId| {
            self.written(alias).is_some_and(|node| range.contains(&node.span.start))
                && self.target(alias) == id
        };
        self.aliases.iter().any(|alias| *alias != id && is_within(*alias))
    }

    /// Returns the value around a value.
    pub(super) fn parent(&self, id: NodeId) -> Option<NodeId> {
        self.sharing().parents.get(id).copied().flatten()
    }

    fn sharing(&self) -> &Sharing {
        self.sharing.get_or_init(|| Sharing::of(self))
    }
}

#[cfg(test)]
#[allow(clippy::expect_used, reason = "a test may end by panicking")]
mod tests {
    use crate::source::text::Lines;
    use crate::source::trees;

    /// Returns the number of times that each scalar `x...` of a document is read.
    fn counts(text: &str) -> Vec<(String, u64)> {
        let lines = Lines::new(text);
        let tree = trees(text, &lines).next().expect("a document").expect("a tree");
        let written = (0..tree.nodes.len()).filter(|id| tree.aliases.binary_search(id).is_err());
        let named = written.filter_map(|id| Some((tree.text(id)?.to_owned(), tree.readers(id))));
        named.filter(|(text, _)| text.starts_with('x')).collect()
    }

    #[test]
    fn a_value_is_read_once_for_every_way_that_leads_to_it() {
        for (text, expected) in [
            ("a: x1\nb: [x2]\n", vec![("x1", 1), ("x2", 1)]),
            ("a: &a x1\nb: [*a, *a]\nc: x2\n", vec![("x1", 3), ("x2", 1)]),
            ("a: &a {b: [x1, &b x2]}\nc: *a\nd: *b\n", vec![("x1", 2), ("x2", 3)]),
            ("a: &a x1\nb: &b [*a, *a, x2]\nc: &c [*b, *b]\nd: *c\n", vec![("x1", 11), ("x2", 5)]),
            ("- &a {x1: x2}\n- {<<: *a, x3: x4}\n", vec![("x1", 2), ("x2", 2), ("x3", 1), ("x4", 1)]),
            (
                "- &a {x1: x2, x3: [x4]}\n- {<<: *a, x3: x5}\n",
                vec![("x1", 2), ("x2", 2), ("x3", 2), ("x4", 1), ("x3", 1), ("x5", 1)],
            ),
            (
                "- &a {x1: x2}\n- {<<: [*a], x1: x3}\n- {x1: x4, <<: *a}\n",
                vec![("x1", 3), ("x2", 2), ("x1", 1), ("x3", 1), ("x1", 1), ("x4", 1)],
            ),
            ("- &a x1\n- &a x2\n- *a\n", vec![("x1", 1), ("x2", 2)]),
            (
                "apiVersion: v1\nkind: Pod\ny-a: &a x1\ny-b: &b {c: [x2], d: *a}\nspec: {e: *a, <<: *b}\n",
                vec![("x1", 2), ("x2", 1)],
            ),
            ("apiVersion: a/v1\nkind: Other\ny-a: &a x1\nspec: *a\n", vec![("x1", 2)]),
        ] {
            let expected: Vec<(String, u64)> =
                expected.into_iter().map(|(text, count)| (text.to_owned(), count)).collect();
            assert_eq!(counts(text), expected, "{text}");
        }
    }
}
