//! The tree as serde sees it, so that files are read by the very schema that
//! the webhook reads requests by.

mod filled;
mod hint;
mod respelling;

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize as _;
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Unexpected, Visitor};
use serde::forward_to_deserialize_any;

use super::rewrite::Replacement;
use super::scalar::{Meaning, resolve};
use super::tree::{Content, NodeId, Style, Tree};
use crate::nfs::placeholder::is_placeholder;
use crate::subject::manifest::Text;
use filled::{Filled, OpenSource};
use hint::Wanted;
pub use respelling::Obstacle;

/// The error for a string in quotes that Go's YAML reader breaks in lines.
pub(super) const FOLDED: &str = "contains U+0085, U+2028 or U+2029, which kubectl folds as a line break; \
write \\N, \\L or \\P in double quotes, or delete it";

/// The remedy for a value of another type in the place of a text.
const IN_QUOTES: &str = "; put it in quotes";

/// The reason why a value does not fit the schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeserializeError {
    /// The offset of the value, in bytes.
    pub offset: Option<usize>,
    /// The keys and indices that lead to it, as in `spec.mountOptions[1]`; empty
    /// for the document itself.
    pub path: String,
    /// The fault.
    pub message: String,
    /// The text to write instead, if it can have one meaning only.
    pub remedy: Option<Box<Replacement>>,
    /// The reason why options in another form are not written in their own.
    pub obstacle: Option<Obstacle>,
    /// The type that the schema has there.
    wanted: Wanted,
    /// The item of the list that is wrong, until the list's own key is reached.
    item: Option<usize>,
}

impl DeserializeError {
    fn new(offset: Option<usize>, message: String) -> Self {
        let (path, remedy, obstacle, wanted, item) = (String::new(), None, None, Wanted::Other, None);
        Self { offset, path, message, remedy, obstacle, wanted, item }
    }

    fn within(mut self, offset: usize) -> Self {
        // The innermost value has set it first.
        self.offset.get_or_insert(offset);
        self
    }

    /// Adds that it is the value of `key`, or in it.
    fn under(mut self, key: &str, value: NodeDeserializer<'_>) -> Self {
        let item = self.item.take();
        self = self.with_hint(key, value, item);
        // An item that `fix` can write is in no one's way: of several the first is named that
        // has to be changed by hand, as `fix` names it.
        let others = item.filter(|_| self.remedy.is_some()).and_then(|item| {
            let items = value.tree.items(value.id)?.iter().copied().enumerate();
            items.skip(item + 1).find_map(|(index, id)| {
                let error = Text::deserialize(value.at(id)).err()?.within(value.at(id).offset());
                let error = error.behind(&format!("[{index}]")).with_hint(key, value, Some(index));
                error.remedy.is_none().then_some(error)
            })
        });
        others.unwrap_or(self).behind(key)
    }

    /// Adds what should be written there, for the value of `key` or an item of it.
    fn with_hint(mut self, key: &str, value: NodeDeserializer<'_>, item: Option<usize>) -> Self {
        if let Some(cut) = item.and_then(|item| hint::cut_off(key, value, item)) {
            self.message =
                format!("is the rest of {:?}, cut off by its comma; write {}", cut.head, cut.option);
            (self.remedy, self.obstacle) = split(cut.replacement);
        } else if let Some(hint) = hint::of_options(key, value, item, self.wanted) {
            // The options say more than that a text is wanted.
            let message = self.message.strip_suffix(IN_QUOTES).unwrap_or(&self.message);
            self.message = format!("{message}; {}", hint.advice);
            (self.remedy, self.obstacle) = split(hint.replacement);
        }
        self.wanted = Wanted::Other;
        self
    }

    /// Adds that it is in the member or item that `step` names.
    pub(super) fn behind(mut self, step: &str) -> Self {
        let dot = if self.path.is_empty() || self.path.starts_with('[') { "" } else { "." };
        self.path = format!("{step}{dot}{}", self.path);
        self
    }
}

fn split(replacement: Result<Replacement, Obstacle>) -> (Option<Box<Replacement>>, Option<Obstacle>) {
    match replacement {
        Ok(replacement) => (Some(Box::new(replacement)), None),
        Err(obstacle) => (None, Some(obstacle)),
    }
}

impl fmt::Display for DeserializeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for DeserializeError {}

impl de::Error for DeserializeError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(None, message.to_string())
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        let expected = expected.to_string();
        let hint = match (&found, expected.as_str()) {
            (Unexpected::Str(_), "a boolean") => "; write it without quotes",
            (
                Unexpected::Bool(_) | Unexpected::Unsigned(_) | Unexpected::Signed(_) | Unexpected::Float(_),
                "a string",
            ) => IN_QUOTES,
            _ => "",
        };
        let wanted = Wanted::parse(&expected);
        let expected = match expected.as_str() {
            "a sequence" => "a list",
            other if other.starts_with("struct ") => "a map",
            other => other,
        };
        let found = match found {
            Unexpected::Str(text) => format!("{text:?}"),
            Unexpected::Bool(value) => value.to_string(),
            Unexpected::Unsigned(value) => value.to_string(),
            Unexpected::Signed(value) => value.to_string(),
            Unexpected::Float(value) => value.to_string(),
            Unexpected::Seq => "a list".to_owned(),
            Unexpected::Map => "a map".to_owned(),
            Unexpected::Unit | Unexpected::Option => "null".to_owned(),
            other => other.to_string(),
        };
        Self { wanted, ..Self::new(None, format!("must be {expected}, not {found}{hint}")) }
    }
}

/// A node to be read.
#[derive(Debug, Clone, Copy)]
pub struct NodeDeserializer<'de> {
    /// The document.
    pub tree: &'de Tree<'de>,
    /// The node.
    pub id: NodeId,
}

impl NodeDeserializer<'_> {
    /// Returns another node of the same document.
    #[must_use]
    pub const fn at(self, id: NodeId) -> Self {
        Self { tree: self.tree, id }
    }

    /// Returns the offset of the node, in bytes.
    pub fn offset(self) -> usize {
        self.tree.written(self.id).map_or(0, |node| node.span.start)
    }

    /// Returns true for a placeholder that a program fills in: in quotes it stays a string.
    fn is_placeholder(self) -> bool {
        matches!(
            self.tree.node(self.id).map(|node| &node.content),
            Some(Content::Scalar { text, style: Style::Plain, .. }) if is_placeholder(text)
        )
    }

    /// Returns the key of a specification that is a placeholder and may become the source of the volume:
    /// no other names one.
    fn open_source(self) -> Option<Self> {
        let entries = self.tree.entries(self.id)?;
        let mut names = entries.iter().filter_map(|(key, _)| self.tree.text(*key));
        let is_known = names.any(|name| matches!(name, "nfs" | "csi" | "flexVolume"));
        let is_open = |key: &NodeId| {
            self.tree.text(*key).is_some_and(|name| is_placeholder(name.trim_end_matches(':')))
        };
        let key = entries.iter().map(|(key, _)| *key).find(is_open).filter(|_| !is_known)?;
        Some(self.at(key))
    }

    /// Returns true if nothing stands there.
    pub fn is_null(self) -> bool {
        matches!(
            self.tree.node(self.id).map(|node| &node.content),
            Some(Content::Scalar { text, is_string: false, .. }) if resolve(text) == Meaning::Null
        )
    }
}

impl<'de> Deserializer<'de> for NodeDeserializer<'de> {
    type Error = DeserializeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeserializeError> {
        let Some(node) = self.tree.node(self.id) else {
            return visitor.visit_unit();
        };
        let result = match &node.content {
            Content::Scalar { .. } if self.tree.is_folded(self.id) => Err(de::Error::custom(FOLDED)),
            Content::Scalar { text, is_string: true, .. } => visit_text(text, visitor),
            Content::Scalar { text, .. } => match resolve(text) {
                Meaning::Text => visit_text(text, visitor),
                Meaning::Null => visitor.visit_unit(),
                Meaning::Bool(value) => visitor.visit_bool(value),
                Meaning::Unsigned(value) => visitor.visit_u64(value),
                Meaning::Signed(value) => visitor.visit_i64(value),
                Meaning::Float(value) => visitor.visit_f64(value),
                Meaning::Timestamp => Err(de::Error::custom("is a date; put it in quotes")),
            },
            Content::List { items, .. } => {
                visitor.visit_seq(Items { at: self, items: items.iter().enumerate() })
            }
            Content::Map { .. } => {
                let pairs = self.tree.entries(self.id).unwrap_or_default();
                visitor.visit_map(Entries { at: self, pairs, next: 0, key: self.id, value: self.id })
            }
            // `node` follows aliases: one that stays leads into itself.
            Content::Alias(_) => visitor.visit_unit(),
        };
        result.map_err(|error| error.within(self.offset()))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeserializeError> {
        if self.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    /// Returns a list, or a placeholder that a program fills in with one: it stands for elements
    /// that are not known. In quotes it stays a string.
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeserializeError> {
        if self.is_placeholder() {
            return visitor.visit_seq(Once(Some(self)));
        }
        self.deserialize_any(visitor)
    }

    /// Returns a truth value, or false for a placeholder that a program fills in with one: what it will
    /// say is not known, and options are evaluated without it.
    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeserializeError> {
        if self.is_placeholder() { visitor.visit_bool(false) } else { self.deserialize_any(visitor) }
    }

    /// Returns a map, or for a placeholder that a program fills in with one the map of this key: the keys
    /// that it stands for are not known.
    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeserializeError> {
        if !self.is_placeholder() {
            return self.deserialize_any(visitor);
        }
        visitor.visit_map(Filled::new(&[], self))
    }

    /// Reads as [`Self::deserialize_map`] does. A placeholder stands for the name by which the structure is
    /// known: the options beside it are evaluated. Of any other structure nothing is left to be evaluated.
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DeserializeError> {
        filled::refuse_list(self, &visitor)?;
        let fields: &[&str] = match name {
            "Labels" | "Annotations" => return self.deserialize_map(visitor),
            "Metadata" => &["name", "annotations"],
            "NfsSource" => &["server"],
            "Nfs" => &["path"],
            "CsiSource" | "FlexSource" => &["driver"],
            // Of any driver.
            "Spec" => &["csi"],
            "ClaimRef" => &["namespace", "name"],
            // Steps to the volumes of a Pod.
            "WorkloadSpec" => &["volumes", "template", "jobTemplate"],
            "Template" | "JobTemplate" => &["spec"],
            "PodSpecification" => &["volumes"],
            "JobSpecification" => &["template"],
            _ => return self.deserialize_any(visitor),
        };
        if self.is_placeholder() {
            return visitor.visit_map(Filled::new(fields, self));
        }
        let open = if name == "Spec" { self.open_source() } else { None };
        match (open, self.tree.entries(self.id)) {
            (Some(key), Some(pairs)) => {
                let entries = Entries { at: self, pairs, next: 0, key: self.id, value: self.id };
                visitor.visit_map(OpenSource::new(entries, key)).map_err(|error| error.within(self.offset()))
            }
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeserializeError> {
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, DeserializeError> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct tuple tuple_struct enum identifier
    }
}

/// A list of the one value that stands where a list is wanted.
struct Once<'de>(Option<NodeDeserializer<'de>>);

impl<'de> SeqAccess<'de> for Once<'de> {
    type Error = DeserializeError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, DeserializeError> {
        self.0.take().map(|value| seed.deserialize(value)).transpose()
    }
}

fn visit_text<'de, V: Visitor<'de>>(
    text: &'de Cow<'de, str>,
    visitor: V,
) -> Result<V::Value, DeserializeError> {
    visitor.visit_borrowed_str(text)
}

struct Items<'de, 'i> {
    at: NodeDeserializer<'de>,
    items: std::iter::Enumerate<std::slice::Iter<'i, NodeId>>,
}

impl<'de> SeqAccess<'de> for Items<'de, '_> {
    type Error = DeserializeError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, DeserializeError> {
        let Some((index, item)) = self.items.next() else {
            return Ok(None);
        };
        seed.deserialize(self.at.at(*item)).map(Some).map_err(|error| {
            // Only of the list itself: deeper down the item is not what has the wrong type.
            let item = Some(index).filter(|_| error.path.is_empty());
            DeserializeError { item, ..error.behind(&format!("[{index}]")) }
        })
    }
}

struct Entries<'de> {
    at: NodeDeserializer<'de>,
    pairs: Cow<'de, [(NodeId, NodeId)]>,
    next: usize,
    key: NodeId,
    value: NodeId,
}

impl<'de> MapAccess<'de> for Entries<'de> {
    type Error = DeserializeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, DeserializeError> {
        let Some((key, value)) = self.pairs.get(self.next).copied() else {
            return Ok(None);
        };
        self.next += 1;
        (self.key, self.value) = (key, value);
        let key = KeyDeserializer(self.at.at(key));
        seed.deserialize(key).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, DeserializeError> {
        let value = self.at.at(self.value);
        let key = || self.at.tree.text(self.key).unwrap_or_default();
        seed.deserialize(value).map_err(|error| error.within(value.offset()).under(key(), value))
    }
}

/// A key: always text, for JSON has no other.
struct KeyDeserializer<'de>(NodeDeserializer<'de>);

impl<'de> Deserializer<'de> for KeyDeserializer<'de> {
    type Error = DeserializeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeserializeError> {
        if self.0.tree.is_folded(self.0.id) {
            return Err(DeserializeError::new(Some(self.0.offset()), FOLDED.to_owned()));
        }
        let Some(text) = self.0.tree.text(self.0.id) else {
            let message = "a key must be a string".to_owned();
            return Err(DeserializeError::new(Some(self.0.offset()), message));
        };
        visitor.visit_borrowed_str(text)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}
