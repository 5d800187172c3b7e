//! Stands in for a map that a program has still to fill in.

use serde::de::value::BorrowedStrDeserializer;
use serde::de::{DeserializeSeed, MapAccess};

use super::{DeserializeError, NodeDeserializer};

/// The map of one entry for a placeholder that a program fills in with a map.
pub(super) struct Filled<'de> {
    key: Option<Key<'de>>,
    value: Value<'de>,
}

/// The key of that entry.
enum Key<'de> {
    Name(&'static str),
    Written(NodeDeserializer<'de>),
}

/// The value of that entry.
enum Value<'de> {
    Empty,
    Written(NodeDeserializer<'de>),
}

impl<'de> Filled<'de> {
    /// Returns the map of which the key is what is written, and the value empty.
    pub(super) const fn with_key(written: NodeDeserializer<'de>) -> Self {
        Self { key: Some(Key::Written(written)), value: Value::Empty }
    }

    /// Returns the map of `key` and of what is written.
    pub(super) const fn with_value(key: &'static str, written: NodeDeserializer<'de>) -> Self {
        Self { key: Some(Key::Name(key)), value: Value::Written(written) }
    }
}

impl<'de> MapAccess<'de> for Filled<'de> {
    type Error = DeserializeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, DeserializeError> {
        match self.key.take() {
            None => Ok(None),
            Some(Key::Name(name)) => seed.deserialize(BorrowedStrDeserializer::new(name)).map(Some),
            Some(Key::Written(node)) => seed.deserialize(node).map(Some),
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, DeserializeError> {
        match &self.value {
            Value::Empty => seed.deserialize(BorrowedStrDeserializer::new("")),
            Value::Written(node) => seed.deserialize(*node),
        }
    }
}
