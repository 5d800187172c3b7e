//! A quick reader of JSON for the usual review, before `serde_json` and never
//! in its place. It reads well-formed text and gives up on whatever is out of
//! the ordinary: deep nesting, a list in an object's place, a mistake of any
//! kind. What it takes, `serde_json` takes with the same result;
//! what it gives up on is for `serde_json` to read from the beginning, so every
//! error and its place are that library's.
//!
//! It is here for the values that nobody reads. Most of a large object is
//! `managedFields`, and every library that was measured takes longer to skip it
//! (docs/performance.md).

mod skip;

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::value::{BorrowedStrDeserializer, StringDeserializer};
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;
use skip::Marks;

/// Reads `text`, or gives up.
pub fn read<'de, T: Deserialize<'de>>(text: &'de [u8]) -> Option<T> {
    let text = std::str::from_utf8(text).ok()?;
    let mut reader = Reader { text, marks: Marks::of(text.as_bytes()), at: 0 };
    let value = T::deserialize(&mut reader).ok()?;
    reader.peek().is_none().then_some(value)
}

/// It gives up. Why is of no interest.
#[derive(Debug)]
struct Unusual;

impl fmt::Display for Unusual {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("unusual JSON")
    }
}

impl std::error::Error for Unusual {}

impl serde::de::Error for Unusual {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
}

struct Reader<'de> {
    text: &'de str,
    marks: Marks,
    /// The first byte that is not read yet.
    at: usize,
}

impl<'de> Reader<'de> {
    /// The next byte that is not white space. It is not read yet.
    fn peek(&mut self) -> Option<u8> {
        self.at = skip::white_space(self.text.as_bytes(), self.at);
        self.text.as_bytes().get(self.at).copied()
    }

    /// Reads `word`, white space before it.
    fn expect(&mut self, word: &[u8]) -> Result<(), Unusual> {
        let at = skip::white_space(self.text.as_bytes(), self.at);
        self.at = skip::word(self.text.as_bytes(), at, word).ok_or(Unusual)?;
        Ok(())
    }

    /// A string, white space before it.
    fn string(&mut self) -> Result<Cow<'de, str>, Unusual> {
        self.expect(b"\"")?;
        let begin = self.at;
        let plain = self.marks.next(begin);
        self.at = skip::string(self.text.as_bytes(), &self.marks, plain).ok_or(Unusual)?;
        if self.at == plain + 1 {
            return self.text.get(begin..plain).map(Cow::Borrowed).ok_or(Unusual);
        }
        // What escapes mean is the library's to say.
        let quoted = self.text.get(begin - 1..self.at).ok_or(Unusual)?;
        serde_json::from_str(quoted).map(Cow::Owned).map_err(|_| Unusual)
    }
}

impl<'de> Deserializer<'de> for &mut Reader<'de> {
    type Error = Unusual;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Unusual> {
        Err(Unusual)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unusual> {
        match self.string()? {
            Cow::Borrowed(string) => visitor.visit_borrowed_str(string),
            Cow::Owned(string) => visitor.visit_string(string),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unusual> {
        self.deserialize_str(visitor)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unusual> {
        let is_true = self.peek() == Some(b't');
        self.expect(if is_true { b"true" } else { b"false" })?;
        visitor.visit_bool(is_true)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unusual> {
        if self.peek() != Some(b'n') {
            return visitor.visit_some(self);
        }
        self.expect(b"null")?;
        visitor.visit_none()
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unusual> {
        self.expect(b"[")?;
        let value = visitor.visit_seq(Members { reader: self, end: b']', is_first: true })?;
        self.expect(b"]")?;
        Ok(value)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unusual> {
        self.expect(b"{")?;
        let value = visitor.visit_map(Members { reader: self, end: b'}', is_first: true })?;
        self.expect(b"}")?;
        Ok(value)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unusual> {
        self.deserialize_map(visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unusual> {
        self.at = skip::value(self.text.as_bytes(), &self.marks, self.at).ok_or(Unusual)?;
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit unit_struct
        newtype_struct tuple tuple_struct enum identifier
    }
}

/// The members of an object or a list.
struct Members<'r, 'de> {
    reader: &'r mut Reader<'de>,
    end: u8,
    is_first: bool,
}

impl Members<'_, '_> {
    /// Whether a further one follows, the comma before it read.
    fn has_next(&mut self) -> Result<bool, Unusual> {
        if self.reader.peek() == Some(self.end) {
            return Ok(false);
        }
        if !std::mem::take(&mut self.is_first) {
            self.reader.expect(b",")?;
        }
        Ok(true)
    }
}

impl<'de> SeqAccess<'de> for Members<'_, 'de> {
    type Error = Unusual;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Unusual> {
        if !self.has_next()? {
            return Ok(None);
        }
        seed.deserialize(&mut *self.reader).map(Some)
    }
}

impl<'de> MapAccess<'de> for Members<'_, 'de> {
    type Error = Unusual;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Unusual> {
        if !self.has_next()? {
            return Ok(None);
        }
        let key = self.reader.string()?;
        self.reader.expect(b":")?;
        match key {
            Cow::Borrowed(key) => seed.deserialize(BorrowedStrDeserializer::new(key)),
            Cow::Owned(key) => seed.deserialize(StringDeserializer::new(key)),
        }
        .map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Unusual> {
        seed.deserialize(&mut *self.reader)
    }
}

#[cfg(test)]
mod tests;
