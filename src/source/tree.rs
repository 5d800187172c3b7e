//! The values of one document, each with its place in the text.

use std::borrow::Cow;
use std::collections::HashSet;
use std::ops::Range;

/// Index of a node in its tree.
pub type NodeId = usize;

/// How a scalar is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Style {
    /// Without quotes.
    Plain,
    /// `'...'`
    SingleQuoted,
    /// `"..."`
    DoubleQuoted,
    /// `|`
    Literal,
    /// `>`
    Folded,
}

/// What a node holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content<'t> {
    /// A single value.
    Scalar {
        /// Its text, unescaped and unfolded.
        text: Cow<'t, str>,
        /// How it is written.
        style: Style,
        /// Whether a tag says that it is a string.
        is_string: bool,
    },
    /// A sequence.
    List {
        /// Its items.
        items: Vec<NodeId>,
        /// Whether it is written in brackets.
        flow: bool,
    },
    /// A mapping.
    Map {
        /// Keys and values in their order.
        entries: Vec<(NodeId, NodeId)>,
        /// Whether it is written in braces.
        flow: bool,
    },
    /// Another node's value over again.
    Alias(NodeId),
}

/// One value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node<'t> {
    /// Bytes of the text, without anchor and tag; quotes and brackets included.
    pub span: Range<usize>,
    /// What it holds.
    pub content: Content<'t>,
}

/// The values of one document.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tree<'t> {
    pub(super) nodes: Vec<Node<'t>>,
    /// Places where a mapping has a key again: the key's, and that of the first.
    pub(super) repeated: Vec<(usize, usize)>,
}

impl<'t> Tree<'t> {
    /// The outermost node; `None` for an empty document.
    pub fn root(&self) -> Option<NodeId> {
        (!self.nodes.is_empty()).then_some(0)
    }

    /// A node, aliases followed.
    pub fn node(&self, id: NodeId) -> Option<&Node<'t>> {
        let node = self.nodes.get(id)?;
        match node.content {
            // An alias names a finished node, and never another alias.
            Content::Alias(target) => self.nodes.get(target),
            _ => Some(node),
        }
    }

    /// A node as it stands in the text, aliases not followed.
    pub fn written(&self, id: NodeId) -> Option<&Node<'t>> {
        self.nodes.get(id)
    }

    /// The text of a scalar.
    pub fn text(&self, id: NodeId) -> Option<&str> {
        match &self.node(id)?.content {
            Content::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    /// The items of a list.
    pub fn items(&self, id: NodeId) -> Option<&[NodeId]> {
        match &self.node(id)?.content {
            Content::List { items, .. } => Some(items),
            _ => None,
        }
    }

    /// The entries of a mapping, those that `<<` merges into it included: its
    /// own first, then the merged ones that it does not have itself.
    pub fn entries(&self, id: NodeId) -> Option<Cow<'_, [(NodeId, NodeId)]>> {
        let Content::Map { entries, .. } = &self.node(id)?.content else {
            return None;
        };
        if entries.iter().all(|(key, _)| !self.is_merge(*key)) {
            return Some(Cow::Borrowed(entries));
        }
        let mut all = Vec::new();
        self.collect(entries, &mut all, &mut HashSet::new(), 0);
        Some(Cow::Owned(all))
    }

    /// The key and the value of an entry.
    pub fn entry(&self, id: NodeId, key: &str) -> Option<(NodeId, NodeId)> {
        self.entries(id)?.iter().copied().find(|(found, _)| self.text(*found) == Some(key))
    }

    /// The value of an entry.
    pub fn get(&self, id: NodeId, key: &str) -> Option<NodeId> {
        self.entry(id, key).map(|(_, value)| value)
    }

    /// Whether the key is a plain `<<`.
    pub fn is_merge(&self, key: NodeId) -> bool {
        matches!(
            self.nodes.get(key).map(|node| &node.content),
            Some(Content::Scalar { text, style: Style::Plain, is_string: false }) if text == "<<"
        )
    }

    fn collect<'s>(
        &'s self,
        entries: &[(NodeId, NodeId)],
        all: &mut Vec<(NodeId, NodeId)>,
        keys: &mut HashSet<Option<&'s str>>,
        depth: usize,
    ) {
        const DEEPEST_MERGE: usize = 16;
        for entry in entries.iter().filter(|(key, _)| !self.is_merge(*key)) {
            if keys.insert(self.text(entry.0)) {
                all.push(*entry);
            }
        }
        for (_, value) in entries.iter().filter(|(key, _)| self.is_merge(*key)) {
            let sources = match self.items(*value) {
                Some(items) => items,
                None => std::slice::from_ref(value),
            };
            for source in sources.iter().filter(|_| depth < DEEPEST_MERGE) {
                if let Some(Content::Map { entries, .. }) = self.node(*source).map(|node| &node.content) {
                    self.collect(entries, all, keys, depth + 1);
                }
            }
        }
    }

    /// A key that says what the object is and that the object has twice, with
    /// the place of the second: readers disagree on which one counts.
    pub fn ambiguous_head(&self, id: NodeId) -> Option<(&'static str, usize)> {
        let Content::Map { entries, .. } = &self.node(id)?.content else {
            return None;
        };
        ["apiVersion", "kind", "items", "request"].into_iter().find_map(|head| {
            let mut found = entries.iter().filter(|(key, _)| self.text(*key) == Some(head));
            let again = found.nth(1)?.0;
            Some((head, self.written(again)?.span.start))
        })
    }

    /// The place in `span` where a mapping has a key again, with that of the
    /// first.
    pub fn repeated_in(&self, span: &Range<usize>) -> Option<(usize, usize)> {
        self.repeated.iter().copied().find(|(again, _)| span.contains(again))
    }
}
