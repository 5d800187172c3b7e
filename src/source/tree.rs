//! The values of one document, each with its place in the text.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};
use std::ops::Range;

use serde_json::Value;

use super::scalar::{Meaning, resolve};
use super::sharing::Sharing;

/// Index of a node in its tree.
pub type NodeId = usize;

/// The style of a scalar.
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

/// The contents of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content<'t> {
    /// A single value.
    Scalar {
        /// Its text, unescaped and unfolded.
        text: Cow<'t, str>,
        /// The style.
        style: Style,
        /// True if a tag says that it is a string.
        is_string: bool,
    },
    /// A sequence.
    List {
        /// Its items.
        items: Vec<NodeId>,
        /// True if it is written in brackets.
        flow: bool,
    },
    /// A mapping.
    Map {
        /// Keys and values in their order.
        entries: Vec<(NodeId, NodeId)>,
        /// True if it is written in braces.
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
    /// The contents.
    pub content: Content<'t>,
}

/// The values of one document.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tree<'t> {
    /// The whole text.
    pub(super) source: &'t str,
    pub(super) nodes: Vec<Node<'t>>,
    /// Mappings that have a key again: the key as it stands there the second
    /// time.
    pub(super) repeated: HashMap<NodeId, NodeId>,
    /// Scalars in quotes with a line break that only Go's reader takes for one.
    pub(super) folded: HashSet<NodeId>,
    /// True if a mapping merges another one.
    pub(super) has_merges: bool,
    /// True if `csi` is anywhere, once that was needed: each item of a List needs it again.
    pub(super) has_csi: OnceCell<bool>,
    /// True if `{{` opens a value: kubectl refuses the whole document.
    pub(super) is_template: bool,
    /// Aliases, in the order of the text.
    pub(super) aliases: Vec<NodeId>,
    /// The sharing of values through aliases, once that was needed.
    pub(super) sharing: OnceCell<Sharing>,
    /// True if a line of the document is a comment.
    pub(super) has_comment_line: bool,
    /// The template that the document says it was rendered from.
    pub(super) template: Option<&'t str>,
    /// The document's place, if each item of its List is read again when it is visited, and a
    /// scalar stands for it here.
    pub(super) apart: Option<Range<usize>>,
}

impl<'t> Tree<'t> {
    /// Returns the outermost node; `None` for an empty document.
    pub fn root(&self) -> Option<NodeId> {
        (!self.nodes.is_empty()).then_some(0)
    }

    /// Returns a node, aliases followed.
    pub fn node(&self, id: NodeId) -> Option<&Node<'t>> {
        self.nodes.get(self.target(id))
    }

    /// Returns the node that an alias stands for; any other is itself.
    pub(super) fn target(&self, id: NodeId) -> NodeId {
        match self.nodes.get(id).map(|node| &node.content) {
            // An alias names a finished node, and never another alias.
            Some(Content::Alias(target)) => *target,
            _ => id,
        }
    }

    /// Returns a node as it stands in the text, aliases not followed.
    pub fn written(&self, id: NodeId) -> Option<&Node<'t>> {
        self.nodes.get(id)
    }

    /// Returns the text of a scalar.
    pub fn text(&self, id: NodeId) -> Option<&str> {
        match &self.node(id)?.content {
            Content::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    /// Returns true if a key or a value anywhere says `csi`: without one no volume of a Pod is a
    /// CSI driver's, whatever is merged or stands there twice.
    pub(super) fn has_csi_key(&self) -> bool {
        let says_it =
            |node: &Node<'_>| matches!(&node.content, Content::Scalar { text, .. } if text == "csi");
        *self.has_csi.get_or_init(|| self.nodes.iter().any(says_it))
    }

    /// Returns the items of a list.
    pub fn items(&self, id: NodeId) -> Option<&[NodeId]> {
        match &self.node(id)?.content {
            Content::List { items, .. } => Some(items),
            _ => None,
        }
    }

    /// Returns true if Go's reader sees a line break in the scalar where the text here has a
    /// character.
    pub(super) fn is_folded(&self, id: NodeId) -> bool {
        !self.folded.is_empty() && self.folded.contains(&self.target(id))
    }

    /// Returns the text of a scalar that kubectl reads as a string, and that is not empty.
    pub(super) fn string(&self, id: NodeId) -> Option<&str> {
        match &self.node(id)?.content {
            Content::Scalar { text, is_string, .. } if !self.is_folded(id) => {
                // kubectl sends a timestamp as text (go-yaml v2), but a number or boolean as such, which is
                // no string to the API server.
                let is_text = *is_string || matches!(resolve(text), Meaning::Text | Meaning::Timestamp);
                Some(&**text).filter(|text| is_text && !text.is_empty())
            }
            _ => None,
        }
    }

    /// Returns the whole value as JSON has it, dates as their text.
    pub(super) fn value(&self, id: NodeId) -> Value {
        match self.node(id).map(|node| &node.content) {
            Some(Content::Scalar { text, is_string: false, .. }) => match resolve(text) {
                Meaning::Text | Meaning::Timestamp => Value::from(&**text),
                Meaning::Null => Value::Null,
                Meaning::Bool(value) => Value::from(value),
                Meaning::Unsigned(value) => Value::from(value),
                Meaning::Signed(value) => Value::from(value),
                Meaning::Float(value) => Value::from(value),
            },
            Some(Content::Scalar { text, .. }) => Value::from(&**text),
            Some(Content::List { items, .. }) => items.iter().map(|item| self.value(*item)).collect(),
            Some(Content::Map { .. }) => {
                let entries = self.entries(id).unwrap_or_default();
                let pair = |(key, value): &(NodeId, NodeId)| {
                    (self.text(*key).unwrap_or_default().to_owned(), self.value(*value))
                };
                Value::Object(entries.iter().map(pair).collect())
            }
            Some(Content::Alias(_)) | None => Value::Null,
        }
    }

    /// Returns the key and the value of an entry.
    pub fn entry(&self, id: NodeId, key: &str) -> Option<(NodeId, NodeId)> {
        self.entries(id)?.iter().copied().find(|(found, _)| self.text(*found) == Some(key))
    }

    /// Returns the value of an entry.
    pub fn get(&self, id: NodeId, key: &str) -> Option<NodeId> {
        self.entry(id, key).map(|(_, value)| value)
    }
}
