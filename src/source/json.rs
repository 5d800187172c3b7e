//! JSON, by far the largest input (`kubectl get pv -o json`): read by
//! `serde_json` straight into the schema. Places are looked up afterwards, and
//! only in objects that something is said about.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::tree::{Content, Node, NodeId, Style, Tree};

/// The fields that say what a document is.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Envelope<'t> {
    #[serde(borrow, default)]
    pub(super) api_version: Option<&'t RawValue>,
    #[serde(borrow, default)]
    pub(super) kind: Option<&'t RawValue>,
    #[serde(borrow, default)]
    pub(super) items: Option<Vec<&'t RawValue>>,
}

/// A field's text, if it is a string.
pub(super) fn string(value: Option<&RawValue>) -> Option<String> {
    serde_json::from_str(value?.get()).ok()
}

/// The documents of a JSON text, one behind the other, each with its place and
/// text. `None` where the text is no JSON, or holds something other than
/// objects.
pub(super) fn documents(text: &str) -> Option<Vec<(Envelope<'_>, &str)>> {
    let mut documents = Vec::new();
    let mut stream = serde_json::Deserializer::from_str(text).into_iter::<Envelope<'_>>();
    loop {
        let start = stream.byte_offset();
        let rest = text.get(start..)?.trim_start_matches([' ', '\t', '\r', '\n']);
        if rest.is_empty() {
            return Some(documents);
        }
        // serde would take an array for the fields in their order.
        if !rest.starts_with('{') {
            return None;
        }
        let envelope = stream.next()?.ok()?;
        let end = stream.byte_offset();
        documents.push((envelope, text.get(text.len() - rest.len()..end)?));
    }
}

/// Where `part`, a slice of `text`, begins in it.
pub(super) fn offset_in(text: &str, part: &str) -> usize {
    (part.as_ptr() as usize).saturating_sub(text.as_ptr() as usize)
}

/// The values of `part`, a slice of `text` that `serde_json` has read already,
/// with their places in `text`.
pub(super) fn tree<'t>(text: &'t str, part: &'t str) -> Tree<'t> {
    let base = offset_in(text, part);
    let mut reader = Reader { text, tree: Tree::default(), open: Vec::new() };
    let mut at = base;
    let end = base + part.len();
    while at < end {
        at = reader.step(at, end);
    }
    reader.tree
}

struct Reader<'t> {
    text: &'t str,
    tree: Tree<'t>,
    /// The containers not closed yet, with the key whose value comes next.
    open: Vec<(NodeId, Option<NodeId>)>,
}

impl Reader<'_> {
    /// Reads what stands at `at`, and gives the place behind it.
    fn step(&mut self, at: usize, end: usize) -> usize {
        let bytes = self.text.as_bytes();
        match bytes.get(at) {
            Some(b'{') => self.begin(at, Content::Map { entries: Vec::new(), flow: true }),
            Some(b'[') => self.begin(at, Content::List { items: Vec::new(), flow: true }),
            Some(b'}' | b']') => {
                if let Some((node, _)) = self.open.pop()
                    && let Some(node) = self.tree.nodes.get_mut(node)
                {
                    node.span.end = at + 1;
                }
                at + 1
            }
            Some(b'"') => {
                let mut close = at + 1;
                while close < end {
                    match bytes.get(close) {
                        Some(b'\\') => close += 2,
                        Some(b'"') => break,
                        _ => close += 1,
                    }
                }
                self.string(at, (close + 1).min(end))
            }
            Some(b' ' | b'\t' | b'\r' | b'\n' | b',' | b':') | None => at + 1,
            Some(_) => {
                let rest = bytes.get(at..end).unwrap_or_default();
                let length = rest
                    .iter()
                    .position(|byte| matches!(byte, b',' | b'}' | b']' | b' ' | b'\t' | b'\r' | b'\n'));
                let close = at + length.unwrap_or(rest.len()).max(1);
                let text = Cow::Borrowed(self.text.get(at..close).unwrap_or_default());
                let content = Content::Scalar { text, style: Style::Plain, is_string: false };
                self.add(Node { span: at..close, content });
                close
            }
        }
    }

    fn string(&mut self, at: usize, close: usize) -> usize {
        let written = self.text.get(at..close).unwrap_or_default();
        let inner = written.get(1..written.len().saturating_sub(1)).unwrap_or_default();
        let text = if inner.contains('\\') {
            Cow::Owned(serde_json::from_str(written).unwrap_or_default())
        } else {
            Cow::Borrowed(inner)
        };
        let content = Content::Scalar { text, style: Style::DoubleQuoted, is_string: true };
        self.add(Node { span: at..close, content });
        close
    }

    fn begin(&mut self, at: usize, content: Content<'static>) -> usize {
        let id = self.add(Node { span: at..at + 1, content });
        self.open.push((id, None));
        at + 1
    }
}

impl<'t> Reader<'t> {
    fn add(&mut self, node: Node<'t>) -> NodeId {
        let id = self.tree.nodes.len();
        self.tree.nodes.push(node);
        if let Some((parent, key)) = self.open.last_mut() {
            match (self.tree.nodes.get_mut(*parent).map(|node| &mut node.content), key.take()) {
                (Some(Content::List { items, .. }), _) => items.push(id),
                (Some(Content::Map { entries, .. }), Some(key)) => entries.push((key, id)),
                (Some(Content::Map { .. }), None) => *key = Some(id),
                _ => {}
            }
        }
        id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_those_of_the_whole_text() {
        let text = "  {\"a\": [1, \"b\\\"c\", {\"d\": null}]} {\"e\": 2}";
        let found = documents(text).unwrap();
        assert_eq!(found.len(), 2);
        let tree = tree(text, found[0].1);
        let list = tree.get(0, "a").unwrap();
        let items = tree.items(list).unwrap();
        assert_eq!(tree.text(items[1]), Some("b\"c"));
        let written = |id| text.get(tree.node(id).unwrap().span.clone());
        assert_eq!(written(items[1]), Some("\"b\\\"c\""));
        assert_eq!(written(list), Some("[1, \"b\\\"c\", {\"d\": null}]"));
    }

    #[test]
    fn other_texts_are_no_json() {
        for text in ["[]", "{a: b}", "{} x", "{}\n---\n{}", "{"] {
            assert!(documents(text).is_none(), "{text}");
        }
    }
}
