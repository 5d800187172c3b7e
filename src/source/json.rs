//! JSON, by far the largest input (`kubectl get pv -o json`): read by
//! `serde_json` straight into the schema. Places are looked up afterwards, and
//! only in objects that something is said about.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::tree::{Content, Node, NodeId, Style, Tree};
use crate::subject::manifest::Text;

/// The fields that say what a document is.
#[derive(Debug, Default)]
pub(super) struct Envelope<'t> {
    pub(super) api_version: Option<&'t RawValue>,
    pub(super) kind: Option<&'t RawValue>,
    pub(super) items: Option<Items<'t>>,
    /// The objects and lists under other keys.
    pub(super) others: Vec<(Text<'t>, &'t RawValue)>,
}

impl<'de: 't, 't> Deserialize<'de> for Envelope<'t> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct EnvelopeVisitor;
        impl<'de> Visitor<'de> for EnvelopeVisitor {
            type Value = Envelope<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Envelope<'de>, A::Error> {
                let mut envelope = Envelope::default();
                while let Some(key) = map.next_key::<Text<'de>>()? {
                    match &*key {
                        "apiVersion" => once(&mut envelope.api_version, map.next_value()?)?,
                        "kind" => once(&mut envelope.kind, map.next_value()?)?,
                        "items" => once(&mut envelope.items, map.next_value()?)?,
                        _ => {
                            let value: &RawValue = map.next_value()?;
                            // Only these may hold an object that a reader would overlook.
                            if value.get().starts_with(['{', '[']) && &*key != "metadata" {
                                envelope.others.push((key, value));
                            }
                        }
                    }
                }
                Ok(envelope)
            }
        }
        from.deserialize_map(EnvelopeVisitor)
    }
}

/// Rejects a key that is there twice, which is read by the tree, which knows both.
fn once<T, E: Error>(field: &mut Option<T>, value: T) -> Result<(), E> {
    if field.replace(value).is_some() {
        // The tree then reads the object, and names the place.
        return Err(E::custom("a key twice"));
    }
    Ok(())
}

/// The value of the key `items`.
#[derive(Debug)]
pub(super) enum Items<'t> {
    List(Vec<&'t RawValue>),
    Null,
    Other,
}

impl<'de: 't, 't> Deserialize<'de> for Items<'t> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct ItemsVisitor;
        impl<'de> Visitor<'de> for ItemsVisitor {
            type Value = Items<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("items")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Items<'de>, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = list.next_element()? {
                    items.push(item);
                }
                Ok(Items::List(items))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Items<'de>, A::Error> {
                // serde_json reads on where a visitor leaves off, so the rest has to be consumed.
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Items::Other)
            }

            fn visit_unit<E>(self) -> Result<Items<'de>, E> {
                Ok(Items::Null)
            }

            fn visit_bool<E>(self, _: bool) -> Result<Items<'de>, E> {
                Ok(Items::Other)
            }

            fn visit_u64<E>(self, _: u64) -> Result<Items<'de>, E> {
                Ok(Items::Other)
            }

            fn visit_i64<E>(self, _: i64) -> Result<Items<'de>, E> {
                Ok(Items::Other)
            }

            fn visit_f64<E>(self, _: f64) -> Result<Items<'de>, E> {
                Ok(Items::Other)
            }

            fn visit_str<E>(self, _: &str) -> Result<Items<'de>, E> {
                Ok(Items::Other)
            }
        }
        from.deserialize_any(ItemsVisitor)
    }
}

/// Returns true if an object may have a key that ends with `end`, quote included, also one that is
/// written with escapes.
pub(super) fn may_have_key(part: &str, end: &str) -> bool {
    let has = |text: &str| memchr::memmem::find(part.as_bytes(), text.as_bytes()).is_some();
    // An escaped letter, as in "items" with \u0069, is the same key.
    has(end) || has("\\u")
}

/// Returns a field's text, if it is a string that is not empty.
pub(super) fn string(value: Option<&RawValue>) -> Option<String> {
    serde_json::from_str(value?.get()).ok().filter(|text: &String| !text.is_empty())
}

/// The JSON objects that a text begins with.
pub(super) struct Stream<'t> {
    /// Each with what it says it is, where that can be read, and its text.
    pub(super) documents: Vec<(Option<Envelope<'t>>, &'t str)>,
    /// The end of them and of the whitespace after them; the text's length if no text follows.
    pub(super) end: usize,
}

/// Returns the objects that stand at the text's beginning, one after the other.
pub(super) fn documents(text: &str) -> Stream<'_> {
    let mut documents = Vec::new();
    let mut end = 0;
    loop {
        let rest = text.get(end..).unwrap_or_default().trim_start_matches([' ', '\t', '\r', '\n']);
        end = text.len() - rest.len();
        // A list is no object, and serde would take it for the fields in their order.
        if !rest.starts_with('{') {
            return Stream { documents, end };
        }
        let read = first::<Envelope<'_>>(rest).map(|(envelope, length)| (Some(envelope), length));
        // A key twice is JSON all the same.
        let read = read.or_else(|| first::<&RawValue>(rest).map(|(_, length)| (None, length)));
        let Some((envelope, length)) = read else { return Stream { documents, end } };
        documents.push((envelope, rest.get(..length).unwrap_or_default()));
        end += length;
    }
}

/// Returns the value that a text begins with, and its length.
fn first<'t, T: Deserialize<'t>>(text: &'t str) -> Option<(T, usize)> {
    let mut stream = serde_json::Deserializer::from_str(text).into_iter();
    let value = stream.next()?.ok()?;
    Some((value, stream.byte_offset()))
}

/// Returns the offset of `part`, a slice of `text`.
pub(super) fn offset_in(text: &str, part: &str) -> usize {
    // No search: the same text may occur many times.
    (part.as_ptr() as usize).saturating_sub(text.as_ptr() as usize)
}

/// Returns the values of `part`, a slice of `text` that `serde_json` has read already, with their
/// places in `text`.
pub(super) fn tree<'t>(text: &'t str, part: &'t str) -> Tree<'t> {
    let base = offset_in(text, part);
    let mut reader = JsonReader { text, tree: Tree { source: text, ..Tree::default() }, open: Vec::new() };
    let mut at = base;
    let end = base + part.len();
    while at < end {
        at = reader.step(at, end);
    }
    reader.tree
}

struct JsonReader<'t> {
    text: &'t str,
    tree: Tree<'t>,
    /// The containers not closed yet, with the key whose value comes next.
    open: Vec<(NodeId, Option<NodeId>)>,
}

impl JsonReader<'_> {
    /// Reads what stands at `at`, and gives the place after it.
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
                        // An escaped quote does not end the string.
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

impl<'t> JsonReader<'t> {
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
        let found = documents(text);
        assert_eq!((found.documents.len(), found.end), (2, text.len()));
        let tree = tree(text, found.documents[0].1);
        let list = tree.get(0, "a").unwrap();
        let items = tree.items(list).unwrap();
        assert_eq!(tree.text(items[1]), Some("b\"c"));
        let written = |id| text.get(tree.node(id).unwrap().span.clone());
        assert_eq!(written(items[1]), Some("\"b\\\"c\""));
        assert_eq!(written(list), Some("[1, \"b\\\"c\", {\"d\": null}]"));
    }

    #[test]
    fn ends_where_the_text_is_no_json_any_more() {
        for (text, count, end) in [
            ("[]", 0, 0),
            (" {a: b}", 0, 1),
            ("{} x", 1, 3),
            ("{}\n---\n{}", 1, 3),
            ("{", 0, 0),
            ("{}:", 1, 2),
            ("{\"kind\":1,\"kind\":2}{}", 2, 21),
        ] {
            let found = documents(text);
            assert_eq!((found.documents.len(), found.end), (count, end), "{text}");
        }
    }
}
