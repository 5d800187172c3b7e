//! Stands in for a map that a program has still to fill in.

use serde::de::value::BorrowedStrDeserializer;
use serde::de::{DeserializeSeed, MapAccess};

use super::{DeserializeError, NodeDeserializer};

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
