//! Stands in for a map that a program has still to fill in.

use serde::de::value::BorrowedStrDeserializer;
use serde::de::{DeserializeSeed, MapAccess};

use super::{DeserializeError, NodeDeserializer};

/// The map of one entry for a placeholder that a program fills in with a map. Its value is what is
/// written, and so is its key, if it has no name.
pub(super) struct Filled<'de> {
    is_read: bool,
    name: Option<&'static str>,
    written: NodeDeserializer<'de>,
}

impl<'de> Filled<'de> {
    /// Returns the map of `name`, or of the key that is written.
    pub(super) const fn new(name: Option<&'static str>, written: NodeDeserializer<'de>) -> Self {
        Self { is_read: false, name, written }
    }
}

impl<'de> MapAccess<'de> for Filled<'de> {
    type Error = DeserializeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, DeserializeError> {
        if std::mem::replace(&mut self.is_read, true) {
            return Ok(None);
        }
        match self.name {
            Some(name) => seed.deserialize(BorrowedStrDeserializer::new(name)).map(Some),
            None => seed.deserialize(self.written).map(Some),
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, DeserializeError> {
        seed.deserialize(self.written)
    }
}
