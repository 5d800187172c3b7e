//! The events of one document, put together to a tree.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::ops::Range;

use saphyr_parser::{Event, ScalarStyle, Tag};

use super::breaks::Breaks;
use super::closing;
use super::properties::{self, Tagged};
use crate::source::Problem;
use crate::source::scalar::BLANKS;
use crate::source::tree::{Content, Node, NodeId, Style, Tree};

/// Levels of nesting that a document may have, its aliases written out.
const DEEPEST: usize = 200;

/// Values that a document may have once its aliases are written out.
// A few lines of aliases can stand for billions of values; go-yaml has a limit of its own
// (allowedAliasRatio: https://github.com/yaml/go-yaml/blob/v2.4.4/decode.go).
const MOST_EXPANDED: u64 = 2_000_000;

/// A container that is not closed yet.
struct Open {
    node: NodeId,
    anchor: usize,
    /// Values in it, aliases written out.
    weight: u64,
    /// Levels of nesting in it, itself included.
    height: usize,
    /// True if it stands in brackets or braces, or is written with them.
    in_flow: bool,
    /// The key whose value comes next, in a mapping.
    key: Option<NodeId>,
    /// The keys seen.
    keys: HashSet<String>,
}

/// A value that an alias may stand for.
#[derive(Clone, Copy)]
struct Anchored {
    node: NodeId,
    /// Values in it.
    weight: u64,
    /// Levels of nesting in it.
    height: usize,
}

pub(super) struct Builder<'t> {
    text: &'t str,
    pub(super) tree: Tree<'t>,
    open: Vec<Open>,
    /// By the parser's number.
    anchors: HashMap<usize, Anchored>,
    /// True if anything has an anchor.
    pub(super) has_anchors: bool,
    /// Levels of nesting around it, and whether one of them is in brackets.
    around: (usize, bool),
    /// The list under `items` of the outermost mapping.
    items: Option<NodeId>,
}

impl<'t> Builder<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self {
            text,
            tree: Tree { source: text, ..Tree::default() },
            open: Vec::new(),
            anchors: HashMap::new(),
            has_anchors: false,
            around: (0, false),
            items: None,
        }
    }

    /// Returns a builder for the value that comes next in this one.
    pub(super) fn inner(&self) -> Self {
        let in_flow = self.open.last().is_some_and(|open| open.in_flow);
        Self { around: (self.open.len(), in_flow), ..Self::new(self.text) }
    }

    /// Returns true if an item of the outermost mapping's `items` comes next, or their end.
    pub(super) fn is_in_items(&self) -> bool {
        let is_list =
            |list: NodeId| matches!(self.tree.written(list)?.content, Content::List { .. }).then_some(());
        matches!(self.open.as_slice(), [_, list] if Some(list.node) == self.items && is_list(list.node).is_some())
    }

    /// Returns true if nothing is open.
    pub(super) fn is_complete(&self) -> bool {
        self.open.is_empty()
    }

    /// Adds a value that a builder of its own has read, without anything that is in it.
    ///
    /// # Errors
    ///
    /// Never: no alias is in it.
    pub(super) fn add_apart(&mut self, inner: &Tree<'_>) -> Result<(), Problem> {
        let span = inner.written(0).map(|node| node.span.clone()).unwrap_or_default();
        let content = Content::Scalar { text: Cow::Borrowed(""), style: Style::Plain, is_string: false };
        self.tree.is_template |= inner.is_template;
        self.add(Node { span, content }, 1).map(drop)
    }

    pub(super) fn take(
        &mut self,
        event: Event<'_>,
        span: Range<usize>,
        breaks: &mut Breaks,
    ) -> Result<(), Problem> {
        match event {
            Event::Scalar(value, style, anchor, tag) => {
                let style = style_of(style);
                let tagged = self.properties(&span, anchor, tag.as_deref())?;
                let is_string = match tagged {
                    None => style != Style::Plain,
                    Some(tagged) => tagged == Tagged::Text,
                };
                let is_quoted = matches!(style, Style::SingleQuoted | Style::DoubleQuoted);
                let mut span = without_properties(self.text, span, anchor, tag.is_some());
                if is_quoted {
                    span = quoted(self.text, &span, style);
                }
                let is_folded = is_quoted && breaks.quoted(&span);
                // Outside of brackets both readers agree.
                if style == Style::Plain && self.is_in_flow() {
                    properties::check_plain(self.text, &span)?;
                }
                if matches!(style, Style::Literal | Style::Folded) {
                    // The parser counts the next line's indentation in.
                    let written = self.text.get(span.clone()).unwrap_or_default();
                    span.end = span.start + written.trim_end_matches([' ', '\t']).len();
                }
                if style == Style::Plain {
                    let written = self.text.get(span.clone()).unwrap_or_default();
                    span.end = span.start + written.trim_end_matches(BLANKS).len();
                }
                let value = borrowed(self.text, &span, value);
                let node = Node { span, content: Content::Scalar { text: value, style, is_string } };
                let node = self.add(node, 1)?;
                if is_folded {
                    self.tree.folded.insert(node);
                }
                self.anchor(anchor, Anchored { node, weight: 1, height: 0 });
            }
            Event::Alias(anchor) => {
                properties::check(self.text, &span)?;
                let Some(target) = self.anchors.get(&anchor).copied() else {
                    // The parser knows the anchor, but its node is still open.
                    let message = "an alias is inside its own anchor".to_owned();
                    return Err(Problem::at(span.start, message));
                };
                let start = span.start;
                let alias = self.add(Node { span, content: Content::Alias(target.node) }, target.weight)?;
                self.tree.aliases.push(alias);
                self.rise(target.height, start)?;
            }
            Event::SequenceStart(anchor, tag) => {
                self.properties(&span, anchor, tag.as_deref())?;
                let span = without_properties(self.text, span, anchor, tag.is_some());
                let flow = self.text.get(span.start..).is_some_and(|rest| rest.starts_with('['));
                self.open(Node { span, content: Content::List { items: Vec::new(), flow } }, anchor)?;
            }
            Event::MappingStart(anchor, tag) => {
                self.properties(&span, anchor, tag.as_deref())?;
                let span = without_properties(self.text, span, anchor, tag.is_some());
                let rest = self.text.get(span.start..).unwrap_or_default();
                let flow = rest.starts_with('{');
                // A map in a map as a key: no manifest has that, a template does.
                self.tree.is_template |= rest.starts_with("{{");
                self.open(Node { span, content: Content::Map { entries: Vec::new(), flow } }, anchor)?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(&span),
            _ => {}
        }
        Ok(())
    }

    /// Returns the effect of a tag on the value at `span`; `None` without a tag.
    fn properties(
        &self,
        span: &Range<usize>,
        anchor: usize,
        tag: Option<&Tag>,
    ) -> Result<Option<Tagged>, Problem> {
        if anchor != 0 || tag.is_some() {
            properties::check(self.text, span)?;
        }
        tag.map(|tag| properties::tagged(tag, span.start)).transpose()
    }

    fn is_in_flow(&self) -> bool {
        self.open.last().map_or(self.around.1, |open| open.in_flow)
    }

    fn add(&mut self, node: Node<'t>, weight: u64) -> Result<NodeId, Problem> {
        let id = self.tree.nodes.len();
        let (start, end) = (node.span.start, node.span.end);
        let is_container = matches!(node.content, Content::List { .. } | Content::Map { .. });
        self.tree.nodes.push(node);
        let Some(open) = self.open.last_mut() else { return Ok(id) };
        // An alias counts as the values that it brings.
        open.weight = open.weight.saturating_add(weight);
        // Values that are written are as many as the text has.
        if open.weight.saturating_sub(id as u64) > MOST_EXPANDED {
            let message = format!("its aliases stand for more than {MOST_EXPANDED} values");
            return Err(Problem::at(start, message));
        }
        let parent = open.node;
        match (self.tree.nodes.get_mut(parent).map(|node| &mut node.content), open.key.take()) {
            (Some(Content::List { items, .. }), _) => items.push(id),
            (Some(Content::Map { entries, .. }), Some(key)) => {
                entries.push((key, id));
                if parent == 0 && self.tree.text(key) == Some("items") {
                    self.items = Some(id);
                }
            }
            (Some(Content::Map { .. }), None) => {
                open.key = Some(id);
                // Two `<<` are no repeated key for kubectl.
                let is_merge = self.tree.is_merge(id);
                self.tree.has_merges |= is_merge;
                if let Some(key) = self.tree.text(id).filter(|_| !is_merge)
                    && !open.keys.insert(key.to_owned())
                {
                    self.tree.repeated.entry(parent).or_insert(id);
                }
            }
            _ => {}
        }
        if !is_container {
            self.extend_parent(parent, end);
        }
        Ok(id)
    }

    /// Notes that the innermost open container holds so many levels.
    fn rise(&mut self, height: usize, at: usize) -> Result<(), Problem> {
        let outer = self.open.len();
        if let Some(open) = self.open.last_mut() {
            open.height = open.height.max(height + 1);
        }
        if outer + height > DEEPEST {
            return Err(Problem::at(at, too_deep()));
        }
        Ok(())
    }

    /// Extends a block collection to the end of its last value.
    fn extend_parent(&mut self, parent: NodeId, end: usize) {
        if let Some(node) = self.tree.nodes.get_mut(parent) {
            node.span.end = node.span.end.max(end);
        }
    }

    fn open(&mut self, node: Node<'t>, anchor: usize) -> Result<(), Problem> {
        let start = node.span.start;
        if self.around.0 + self.open.len() >= DEEPEST {
            return Err(Problem::at(start, too_deep()));
        }
        let has_brackets =
            matches!(node.content, Content::List { flow: true, .. } | Content::Map { flow: true, .. });
        let in_flow = has_brackets || self.is_in_flow();
        let node = self.add(node, 1)?;
        self.open.push(Open { node, anchor, weight: 1, height: 1, in_flow, key: None, keys: HashSet::new() });
        Ok(())
    }

    fn close(&mut self, span: &Range<usize>) {
        let Some(closed) = self.open.pop() else { return };
        let Open { node, weight, height, .. } = closed;
        self.anchor(closed.anchor, Anchored { node, weight, height });
        let is_flow = matches!(
            self.tree.nodes.get(closed.node).map(|node| &node.content),
            Some(Content::List { flow: true, .. } | Content::Map { flow: true, .. })
        );
        if is_flow {
            self.extend_parent(closed.node, closing::end(self.text, span.start));
        } else {
            self.begin_at_dash(closed.node);
        }
        let end = self.tree.nodes.get(closed.node).map_or(span.end, |node| node.span.end);
        if let Some(open) = self.open.last_mut() {
            // Its own value is counted already.
            open.weight = open.weight.saturating_add(closed.weight - 1);
            open.height = open.height.max(height + 1);
            let parent = open.node;
            self.extend_parent(parent, end);
        }
    }

    /// Moves the beginning of a block sequence to its first dash, also where that is not indented, and the
    /// parser gives another place.
    fn begin_at_dash(&mut self, list: NodeId) {
        let first = match self.tree.nodes.get(list).map(|node| &node.content) {
            Some(Content::List { items, .. }) => items.first().and_then(|item| self.tree.nodes.get(*item)),
            _ => None,
        };
        let Some(first) = first.map(|node| node.span.start) else { return };
        let before = self.text.get(..first).unwrap_or_default();
        let dash = before.rmatch_indices('-').map(|(at, _)| at).find(|at| {
            let (line, rest) = before.split_at_checked(*at).unwrap_or_default();
            // A dash within a word or a number is none.
            let is_blank = |letter: char| BLANKS.contains(&letter);
            let is_bullet = rest.chars().nth(1).is_none_or(is_blank);
            is_bullet && line.chars().next_back().is_none_or(is_blank)
        });
        if let (Some(dash), Some(node)) = (dash, self.tree.nodes.get_mut(list)) {
            node.span.start = dash;
        }
    }

    fn anchor(&mut self, anchor: usize, anchored: Anchored) {
        if anchor != 0 {
            self.has_anchors = true;
            self.anchors.insert(anchor, anchored);
        }
    }
}

/// Returns a span without the anchor and tag before the value.
fn without_properties(text: &str, span: Range<usize>, anchor: usize, tagged: bool) -> Range<usize> {
    if anchor == 0 && !tagged {
        return span;
    }
    let mut start = span.start;
    while let Some(rest) = text.get(start..).filter(|rest| rest.starts_with(['&', '!'])) {
        let property = rest.find(BLANKS).unwrap_or(rest.len());
        let after = rest.get(property..).unwrap_or_default();
        start += property + (after.len() - after.trim_start_matches(BLANKS).len());
    }
    if start >= span.end && span.end > span.start { span.end..span.end } else { start..span.end.max(start) }
}

/// Returns a scalar in quotes up to the quote that ends it: the parser counts a comment after it
/// in.
fn quoted(text: &str, span: &Range<usize>, style: Style) -> Range<usize> {
    let written = text.get(span.clone()).unwrap_or_default();
    let quote = if style == Style::SingleQuoted { b'\'' } else { b'"' };
    let bytes = written.as_bytes();
    let mut at = 1;
    while let Some(byte) = bytes.get(at) {
        let next = bytes.get(at + 1);
        if *byte == b'\\' && style == Style::DoubleQuoted
            // Two single quotes are one that is written.
            || *byte == quote && quote == b'\'' && next == Some(&quote)
        {
            at += 1;
        } else if *byte == quote {
            return span.start..span.start + at + 1;
        }
        at += 1;
    }
    span.clone()
}

/// Returns the value as a slice of the text, where it stands there as it is.
fn borrowed<'t>(text: &'t str, span: &Range<usize>, value: Cow<'_, str>) -> Cow<'t, str> {
    let written = text.get(span.clone()).unwrap_or_default();
    let inner = written
        .strip_prefix(['"', '\''])
        .and_then(|inner| inner.strip_suffix(['"', '\'']))
        .unwrap_or(written);
    if inner == value { Cow::Borrowed(inner) } else { Cow::Owned(value.into_owned()) }
}

const fn style_of(style: ScalarStyle) -> Style {
    match style {
        ScalarStyle::Plain => Style::Plain,
        ScalarStyle::SingleQuoted => Style::SingleQuoted,
        ScalarStyle::DoubleQuoted => Style::DoubleQuoted,
        ScalarStyle::Literal => Style::Literal,
        ScalarStyle::Folded => Style::Folded,
    }
}

fn too_deep() -> String {
    format!("is nested more than {DEEPEST} levels deep")
}
