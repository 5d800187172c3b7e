//! Stands in for a map that a program has still to fill in.

use serde::de::value::BorrowedStrDeserializer;
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde::forward_to_deserialize_any;

use super::{DeserializeError, NodeDeserializer};

/// Refuses a list in the place of a structure: one that serde derives takes the items for its fields.
pub(super) fn refuse_list(
    at: NodeDeserializer<'_>,
    wanted: &dyn de::Expected,
) -> Result<(), DeserializeError> {
    if at.tree.items(at.id).is_none() {
        return Ok(());
    }
    let error: DeserializeError = de::Error::invalid_type(de::Unexpected::Seq, wanted);
    Err(error.within(at.offset()))
}

/// The map for a placeholder that a program fills in with one. The value of each of its fields is what
/// is written; without any it has one entry, of which the key is that, too.
pub(super) struct Filled<'de> {
    is_begun: bool,
    fields: std::slice::Iter<'static, &'static str>,
    written: NodeDeserializer<'de>,
}

impl<'de> Filled<'de> {
    /// Returns the map of these fields.
    pub(super) fn new(fields: &'static [&'static str], written: NodeDeserializer<'de>) -> Self {
        Self { is_begun: false, fields: fields.iter(), written }
    }
}

impl<'de> MapAccess<'de> for Filled<'de> {
    type Error = DeserializeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, DeserializeError> {
        let is_first = !std::mem::replace(&mut self.is_begun, true);
        match self.fields.next().copied() {
            Some(field) => seed.deserialize(BorrowedStrDeserializer::new(field)).map(Some),
            None if is_first => seed.deserialize(self.written).map(Some),
            None => Ok(None),
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, DeserializeError> {
        seed.deserialize(self.written)
    }
}

/// A specification whose source has a placeholder for its name, `${SOURCE}:`. It is one of any driver, as
/// under a placeholder for the whole.
pub(super) struct OpenSource<'de, M> {
    entries: M,
    /// The key, until it was given out.
    key: Option<NodeDeserializer<'de>>,
    /// The key, once it is to be read.
    begun: Option<NodeDeserializer<'de>>,
}

impl<'de, M> OpenSource<'de, M> {
    /// Returns the map of `entries`, of which one has the placeholder `key`.
    pub(super) fn new(entries: M, key: NodeDeserializer<'de>) -> Self {
        Self { entries, key: Some(key), begun: None }
    }
}

impl<'de, M: MapAccess<'de, Error = DeserializeError>> MapAccess<'de> for OpenSource<'de, M> {
    type Error = DeserializeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, DeserializeError> {
        self.begun = self.key.take();
        match self.begun {
            Some(_) => seed.deserialize(BorrowedStrDeserializer::new("csi")).map(Some),
            None => self.entries.next_key_seed(seed),
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, DeserializeError> {
        match self.begun.take() {
            Some(key) => seed.deserialize(AnyDriver(key)),
            None => self.entries.next_value_seed(seed),
        }
    }
}

/// The source of a driver whose name is what is written.
struct AnyDriver<'de>(NodeDeserializer<'de>);

impl<'de> Deserializer<'de> for AnyDriver<'de> {
    type Error = DeserializeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeserializeError> {
        visitor.visit_map(Filled::new(&["driver"], self.0))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeserializeError> {
        // The visitor of an Option takes no map.
        visitor.visit_some(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}
