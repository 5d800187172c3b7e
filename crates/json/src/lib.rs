//! A quick reader of JSON for the usual review, before `serde_json` and never
//! in its place. It reads well-formed text and gives up on whatever is out of
//! the ordinary: deep nesting, a list in an object's place, a mistake of any
//! kind. Any text that it takes, [`from_slice`] takes with the same result; if it gives up,
//! that reads the text from the beginning, so every error and its place are those of `serde_json`.
//!
//! It exists for the values that no rule reads. Most of a large object is
//! `managedFields`, and every library that was measured takes longer to skip it
//! (docs/development/performance.md). Its treatment of strings serves the writer of responses too.

mod objects;
mod skip;
mod structural_index;

use std::borrow::Cow;
use std::fmt;

use memchr::memchr;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;

pub use objects::{Objects, from_slice, from_str};
use structural_index::{StructuralIndex, is_plain};

/// Reads `text`, or gives up.
pub fn read<'de, T: Deserialize<'de>>(text: &'de [u8]) -> Option<T> {
    let mut reader = Reader { text, beginning: beginning(text), marks: StructuralIndex::of(text), at: 0 };
    let value = T::deserialize(&mut reader).ok()?;
    reader.peek().is_none().then_some(value)
}

/// Returns the longest beginning of `text` that was checked as UTF-8. All of a small text is
/// checked once; in a large one each string is checked when it is read, because most strings are
/// skipped.
fn beginning(text: &[u8]) -> &str {
    // Most reviews are shorter: one check of the whole text is quicker than one a string.
    const LONGEST: usize = 8 * 1024;
    let (beginning, _) = text.split_at_checked(LONGEST).unwrap_or((text, &[]));
    simdutf8::basic::from_utf8(beginning).unwrap_or_else(|_| {
        // Its end may stand inside a character.
        let end = str::from_utf8(beginning).map_or_else(|error| error.valid_up_to(), str::len);
        beginning.get(..end).and_then(|valid| str::from_utf8(valid).ok()).unwrap_or_default()
    })
}

/// Adds `text` to `json` as a string.
pub fn push_string(json: &mut String, text: &str) {
    if is_plain(text) {
        json.push('"');
        json.push_str(text);
        json.push('"');
    } else {
        // A string always serialises.
        json.push_str(&serde_json::to_string(text).unwrap_or_default());
    }
}

/// Returns the bytes that `text` takes inside a string.
pub fn length_within(text: &str) -> usize {
    text.chars().map(escaped).sum()
}

/// Returns the longest beginning of `text` that takes at most `most` bytes inside a string.
pub fn beginning_within(text: &str, most: usize) -> &str {
    // No character takes more than six times its bytes.
    // A control character becomes six bytes, as in backslash u0000.
    if text.len() <= most / 6 || text.len() <= most && is_plain(text) {
        return text;
    }
    let mut left = most;
    let end = text.char_indices().find_map(|(at, character)| {
        let fits = left.checked_sub(escaped(character));
        left = fits.unwrap_or_default();
        fits.is_none().then_some(at)
    });
    end.and_then(|end| text.get(..end)).unwrap_or(text)
}

/// Returns the bytes of a character inside a string.
const fn escaped(character: char) -> usize {
    match character {
        '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
        '\0'..'\u{20}' => 6,
        _ => character.len_utf8(),
    }
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
    text: &'de [u8],
    beginning: &'de str,
    marks: StructuralIndex,
    /// The first byte that is not read yet.
    at: usize,
}

impl<'de> Reader<'de> {
    /// Returns the next byte that is not white space. It is not read yet.
    #[inline]
    fn peek(&mut self) -> Option<u8> {
        self.at = skip::white_space(self.text, self.at);
        self.text.get(self.at).copied()
    }

    /// Reads `byte`, white space before it.
    #[inline]
    fn expect(&mut self, byte: u8) -> Result<(), Unusual> {
        if self.peek() != Some(byte) {
            return Err(Unusual);
        }
        self.at += 1;
        Ok(())
    }

    /// Reads `word`, white space before it.
    fn expect_word(&mut self, word: &[u8]) -> Result<(), Unusual> {
        self.at = skip::word(self.text, skip::white_space(self.text, self.at), word).ok_or(Unusual)?;
        Ok(())
    }

    /// Returns a string, white space before it.
    #[inline]
    fn string<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Unusual> {
        self.expect(b'"')?;
        let (begin, end) = (self.at, self.marks.next(self.at));
        if self.text.get(end) != Some(&b'"') {
            return visit(self.marked_string()?, visitor);
        }
        // The usual string: nothing in it needs a second look.
        self.at = end + 1;
        visitor.visit_borrowed_str(self.plain(begin, end)?)
    }

    /// Returns the text of a string without escapes.
    #[inline]
    fn plain(&self, begin: usize, end: usize) -> Result<&'de str, Unusual> {
        self.beginning.get(begin..end).map_or_else(|| self.plain_beyond(begin, end), Ok)
    }

    #[cold]
    fn plain_beyond(&self, begin: usize, end: usize) -> Result<&'de str, Unusual> {
        let bytes = self.text.get(begin..end).ok_or(Unusual)?;
        str::from_utf8(bytes).map_err(|_| Unusual)
    }

    /// Reads a key of plain ASCII and its colon, a comma before it where it is
    /// not the first, all without white space; `None` where anything else
    /// stands here, of which nothing is read.
    #[inline]
    fn plain_key(&mut self, is_first: bool) -> Option<&'de [u8]> {
        let begin = if is_first {
            (self.text.get(self.at) == Some(&b'"')).then_some(self.at + 1)?
        } else {
            (two(self.text, self.at)? == *b",\"").then_some(self.at + 2)?
        };
        let end = self.marks.next(begin);
        // Written without white space, as Go and kubectl write it.
        if two(self.text, end)? != *b"\":" {
            return None;
        }
        self.at = end + 2;
        self.text.get(begin..end)
    }

    /// Returns the next key and its colon, a comma before it where it is not the first;
    /// `None` where the object ends.
    #[cold]
    #[inline(never)]
    fn key(&mut self, is_first: bool) -> Result<Option<Cow<'de, str>>, Unusual> {
        if self.peek() == Some(b'}') {
            return Ok(None);
        }
        if !is_first {
            self.expect(b',')?;
        }
        self.expect(b'"')?;
        let key = self.marked_string()?;
        self.expect(b':')?;
        Ok(Some(key))
    }

    /// Reads what [`Self::string`] reads, for one that has more than plain ASCII; its first quote is read.
    #[cold]
    #[inline(never)]
    fn marked_string(&mut self) -> Result<Cow<'de, str>, Unusual> {
        let begin = self.at - 1;
        self.at = skip::string(self.text, &self.marks, self.at).ok_or(Unusual)?;
        let quoted = self.text.get(begin..self.at).ok_or(Unusual)?;
        if memchr(b'\\', quoted).is_some() {
            // The library defines the meaning of escapes.
            return serde_json::from_slice(quoted).map(Cow::Owned).map_err(|_| Unusual);
        }
        self.plain(begin + 1, self.at - 1).map(Cow::Borrowed)
    }
}

/// Returns two bytes of a text.
#[inline]
fn two(text: &[u8], at: usize) -> Option<[u8; 2]> {
    text.get(at..).and_then(<[u8]>::first_chunk).copied()
}

fn visit<'de, V: Visitor<'de>>(text: Cow<'de, str>, visitor: V) -> Result<V::Value, Unusual> {
    match text {
        Cow::Borrowed(text) => visitor.visit_borrowed_str(text),
        Cow::Owned(text) => visitor.visit_string(text),
    }
}

/// A key that was read.
enum Key<'de> {
    /// ASCII without escapes, which is nearly every one.
    Plain(&'de [u8]),
    /// Any other.
    Marked(Cow<'de, str>),
}

impl<'de> Deserializer<'de> for Key<'de> {
    type Error = Unusual;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unusual> {
        match self {
            Self::Plain(bytes) => visitor.visit_borrowed_str(str::from_utf8(bytes).map_err(|_| Unusual)?),
            Self::Marked(text) => visit(text, visitor),
        }
    }

    /// Reads a name of a field; such names are compared as bytes.
    #[inline]
    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unusual> {
        match self {
            // Keys are compared with ASCII names, so their UTF-8 need not be checked.
            Self::Plain(bytes) => visitor.visit_borrowed_bytes(bytes),
            Self::Marked(text) => visit(text, visitor),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map struct enum ignored_any
    }
}

impl<'de> Deserializer<'de> for &mut Reader<'de> {
    type Error = Unusual;

    /// Reads a string. Anything else is left to the library.
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unusual> {
        if self.peek() == Some(b'"') { self.string(visitor) } else { Err(Unusual) }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unusual> {
        self.string(visitor)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unusual> {
        self.deserialize_str(visitor)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unusual> {
        let is_true = self.peek() == Some(b't');
        self.expect_word(if is_true { b"true" } else { b"false" })?;
        visitor.visit_bool(is_true)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unusual> {
        if self.peek() != Some(b'n') {
            return visitor.visit_some(self);
        }
        self.expect_word(b"null")?;
        visitor.visit_none()
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unusual> {
        self.expect(b'[')?;
        let value = visitor.visit_seq(Members { reader: self, is_first: true })?;
        self.expect(b']')?;
        Ok(value)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unusual> {
        self.expect(b'{')?;
        let value = visitor.visit_map(Members { reader: self, is_first: true })?;
        self.expect(b'}')?;
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
        self.at = skip::value(self.text, &self.marks, self.at).ok_or(Unusual)?;
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit unit_struct
        newtype_struct tuple tuple_struct enum identifier
    }
}

/// The items of a list, or the members of an object.
struct Members<'r, 'de> {
    reader: &'r mut Reader<'de>,
    is_first: bool,
}

impl<'de> SeqAccess<'de> for Members<'_, 'de> {
    type Error = Unusual;

    #[inline]
    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Unusual> {
        if self.reader.peek() == Some(b']') {
            return Ok(None);
        }
        if !std::mem::take(&mut self.is_first) {
            self.reader.expect(b',')?;
        }
        seed.deserialize(&mut *self.reader).map(Some)
    }
}

impl<'de> MapAccess<'de> for Members<'_, 'de> {
    type Error = Unusual;

    #[inline]
    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Unusual> {
        let is_first = std::mem::take(&mut self.is_first);
        let key = match self.reader.plain_key(is_first) {
            Some(key) => Key::Plain(key),
            None => match self.reader.key(is_first)? {
                Some(key) => Key::Marked(key),
                None => return Ok(None),
            },
        };
        seed.deserialize(key).map(Some)
    }

    #[inline]
    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Unusual> {
        seed.deserialize(&mut *self.reader)
    }
}

#[cfg(test)]
mod tests;
