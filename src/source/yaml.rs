//! From YAML text to trees, one a document.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span, StrInput, Tag};

use super::Problem;
use super::text::Lines;
use super::tree::{Content, Node, NodeId, Style, Tree};

/// Levels of nesting that a document may have.
const DEEPEST: usize = 200;

/// Values that a document may have once its aliases are written out.
const MOST_EXPANDED: u64 = 2_000_000;

/// Reads the documents of a text one by one.
pub(super) struct Documents<'t, 'l> {
    text: &'t str,
    lines: &'l Lines<'t>,
    parser: Parser<'t, StrInput<'t>>,
    ended: bool,
}

impl<'t, 'l> Documents<'t, 'l> {
    /// Begins at the text's beginning.
    pub(super) fn new(text: &'t str, lines: &'l Lines<'t>) -> Self {
        Self { text, lines, parser: Parser::new_from_str(text), ended: false }
    }

    fn document(&mut self) -> Option<Result<Tree<'t>, Problem>> {
        loop {
            match self.parser.next_event()? {
                Err(error) => return Some(Err(self.syntax(&error))),
                Ok((Event::StreamEnd, _)) => return None,
                Ok((Event::DocumentStart(_), _)) => return Some(self.tree()),
                Ok(_) => {}
            }
        }
    }

    fn tree(&mut self) -> Result<Tree<'t>, Problem> {
        let mut builder = Builder::default();
        loop {
            let event = match self.parser.next_event() {
                None => break,
                Some(event) => event.map_err(|error| self.syntax(&error))?,
            };
            if matches!(event, (Event::DocumentEnd | Event::StreamEnd, _)) {
                break;
            }
            let span = self.bytes(&event.1);
            builder.take(self.text, event.0, span)?;
        }
        Ok(builder.tree)
    }

    fn bytes(&self, span: &Span) -> Range<usize> {
        let start = self.lines.byte_of_character(span.start.index());
        start..self.lines.byte_of_character(span.end.index()).max(start)
    }

    fn syntax(&self, error: &ScanError) -> Problem {
        let offset = self.lines.byte_of_character(error.marker().index());
        Problem::at(offset, format!("is not YAML: {}", error.info()))
    }
}

impl<'t> Iterator for Documents<'t, '_> {
    type Item = Result<Tree<'t>, Problem>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let document = self.document();
        self.ended = !matches!(document, Some(Ok(_)));
        document
    }
}

/// A container that is not closed yet.
struct Open {
    node: NodeId,
    anchor: usize,
    /// Values in it, aliases written out.
    weight: u64,
    /// The key whose value comes next, in a mapping.
    key: Option<NodeId>,
    /// The keys seen, once there are many.
    keys: HashMap<String, usize>,
}

#[derive(Default)]
struct Builder<'t> {
    tree: Tree<'t>,
    open: Vec<Open>,
    /// By the parser's number: the node, and the values in it.
    anchors: HashMap<usize, (NodeId, u64)>,
}

impl<'t> Builder<'t> {
    fn take(&mut self, text: &'t str, event: Event<'t>, span: Range<usize>) -> Result<(), Problem> {
        match event {
            Event::Scalar(value, style, anchor, tag) => {
                let style = style_of(style);
                let is_string = style != Style::Plain || tag.as_ref().is_some_and(|tag| is_str(tag));
                let mut span = without_properties(text, span, anchor, tag.is_some());
                if matches!(style, Style::Literal | Style::Folded) {
                    // The parser counts the next line's indentation in.
                    let written = text.get(span.clone()).unwrap_or_default();
                    span.end = span.start + written.trim_end_matches([' ', '\t']).len();
                }
                let value = borrowed(text, &span, value);
                let node = Node { span, content: Content::Scalar { text: value, style, is_string } };
                let id = self.add(node, 1)?;
                self.anchor(anchor, id, 1);
            }
            Event::Alias(anchor) => {
                let Some((target, weight)) = self.anchors.get(&anchor).copied() else {
                    let message = "an alias stands inside its own anchor".to_owned();
                    return Err(Problem::at(span.start, message));
                };
                self.add(Node { span, content: Content::Alias(target) }, weight)?;
            }
            Event::SequenceStart(anchor, tag) => {
                let span = without_properties(text, span, anchor, tag.is_some());
                let flow = text.get(span.start..).is_some_and(|rest| rest.starts_with('['));
                self.open(Node { span, content: Content::List { items: Vec::new(), flow } }, anchor)?;
            }
            Event::MappingStart(anchor, tag) => {
                let span = without_properties(text, span, anchor, tag.is_some());
                let flow = text.get(span.start..).is_some_and(|rest| rest.starts_with('{'));
                self.open(Node { span, content: Content::Map { entries: Vec::new(), flow } }, anchor)?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(text, &span),
            _ => {}
        }
        Ok(())
    }

    fn add(&mut self, node: Node<'t>, weight: u64) -> Result<NodeId, Problem> {
        let id = self.tree.nodes.len();
        let start = node.span.start;
        let end = node.span.end;
        let key = match &node.content {
            Content::Scalar { text, .. } => Some(text.clone().into_owned()),
            _ => None,
        };
        let is_container = matches!(node.content, Content::List { .. } | Content::Map { .. });
        self.tree.nodes.push(node);
        let Some(open) = self.open.last_mut() else { return Ok(id) };
        open.weight = open.weight.saturating_add(weight);
        if open.weight > MOST_EXPANDED {
            let message = format!("its aliases stand for more than {MOST_EXPANDED} values");
            return Err(Problem::at(start, message));
        }
        let parent = open.node;
        match (self.tree.nodes.get_mut(parent).map(|node| &mut node.content), open.key.take()) {
            (Some(Content::List { items, .. }), _) => items.push(id),
            (Some(Content::Map { entries, .. }), Some(key)) => entries.push((key, id)),
            (Some(Content::Map { .. }), None) => {
                open.key = Some(id);
                if let Some(key) = key {
                    let is_merge = self.tree.is_merge(id);
                    let Some(open) = self.open.last_mut() else { return Ok(id) };
                    if let Some(first) = open.keys.insert(key, start).filter(|_| !is_merge) {
                        self.tree.repeated.push((start, first));
                    }
                }
            }
            _ => {}
        }
        if !is_container {
            self.extend_parent(parent, end);
        }
        Ok(id)
    }

    /// A block collection ends where its last value does.
    fn extend_parent(&mut self, parent: NodeId, end: usize) {
        if let Some(node) = self.tree.nodes.get_mut(parent) {
            node.span.end = node.span.end.max(end);
        }
    }

    fn open(&mut self, node: Node<'t>, anchor: usize) -> Result<(), Problem> {
        let start = node.span.start;
        if self.open.len() >= DEEPEST {
            let message = format!("is nested more than {DEEPEST} levels deep");
            return Err(Problem::at(start, message));
        }
        let node = self.add(node, 1)?;
        self.open.push(Open { node, anchor, weight: 1, key: None, keys: HashMap::new() });
        Ok(())
    }

    fn close(&mut self, text: &str, span: &Range<usize>) {
        let Some(closed) = self.open.pop() else { return };
        self.anchor(closed.anchor, closed.node, closed.weight);
        let is_flow = matches!(
            self.tree.nodes.get(closed.node).map(|node| &node.content),
            Some(Content::List { flow: true, .. } | Content::Map { flow: true, .. })
        );
        if is_flow {
            self.extend_parent(closed.node, span.end);
        } else {
            self.begin_at_dash(text, closed.node);
        }
        let end = self.tree.nodes.get(closed.node).map_or(span.end, |node| node.span.end);
        if let Some(open) = self.open.last_mut() {
            // Its own value is counted already.
            open.weight = open.weight.saturating_add(closed.weight - 1);
            let parent = open.node;
            self.extend_parent(parent, end);
        }
    }

    /// A block sequence begins at its first dash, also where that is not
    /// indented, and the parser gives another place.
    fn begin_at_dash(&mut self, text: &str, list: NodeId) {
        let first = match self.tree.nodes.get(list).map(|node| &node.content) {
            Some(Content::List { items, .. }) => items.first().and_then(|item| self.tree.nodes.get(*item)),
            _ => None,
        };
        let Some(first) = first.map(|node| node.span.start) else { return };
        let before = text.get(..first).unwrap_or_default();
        let dash = before.rmatch_indices('-').map(|(at, _)| at).find(|at| {
            let (line, rest) = before.split_at_checked(*at).unwrap_or_default();
            let is_bullet = rest.chars().nth(1).is_none_or(char::is_whitespace);
            is_bullet && line.chars().next_back().is_none_or(char::is_whitespace)
        });
        if let (Some(dash), Some(node)) = (dash, self.tree.nodes.get_mut(list)) {
            node.span.start = dash;
        }
    }

    fn anchor(&mut self, anchor: usize, node: NodeId, weight: u64) {
        if anchor != 0 {
            self.anchors.insert(anchor, (node, weight));
        }
    }
}

/// A span without the anchor and tag before the value.
fn without_properties(text: &str, span: Range<usize>, anchor: usize, tagged: bool) -> Range<usize> {
    if anchor == 0 && !tagged {
        return span;
    }
    let mut start = span.start;
    while let Some(rest) = text.get(start..).filter(|rest| rest.starts_with(['&', '!'])) {
        let property = rest.find(char::is_whitespace).unwrap_or(rest.len());
        let after = rest.get(property..).unwrap_or_default();
        start += property + (after.len() - after.trim_start().len());
    }
    if start >= span.end && span.end > span.start { span.end..span.end } else { start..span.end.max(start) }
}

/// The value as a slice of the text, where it stands there as it is.
fn borrowed<'t>(text: &'t str, span: &Range<usize>, value: Cow<'t, str>) -> Cow<'t, str> {
    let Some(written) = text.get(span.clone()) else { return value };
    let inner = written
        .strip_prefix(['"', '\''])
        .and_then(|inner| inner.strip_suffix(['"', '\'']))
        .unwrap_or(written);
    if inner == value { Cow::Borrowed(inner) } else { value }
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

fn is_str(tag: &Tag) -> bool {
    tag.is_yaml_core_schema() && tag.suffix == "str" || tag.handle.is_empty() && tag.suffix == "!"
}
