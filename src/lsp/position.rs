//! Positions as editors count them: lines and characters from 0, a character in the
//! unit that client and server agreed on.
//!
//! Source: Language Server Protocol 3.17, "Text Documents" and "`PositionEncodingKind`".

use serde::{Deserialize, Serialize};

/// A place between two characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Position {
    /// The line, from 0.
    pub(super) line: u32,
    /// The character in it, from 0, in the unit of the connection.
    pub(super) character: u32,
}

/// A part of a text; the end is exclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Range {
    /// The first character.
    pub(super) start: Position,
    /// The character after the last.
    pub(super) end: Position,
}

impl Range {
    /// Returns true if the two have a place in common; an end counts, because a cursor may stand
    /// there.
    pub(super) fn touches(&self, other: &Self) -> bool {
        self.start <= other.end && other.start <= self.end
    }
}

/// The unit of `character`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Encoding {
    /// A byte of UTF-8.
    Utf8,
    /// A unit of UTF-16, which every client supports.
    #[default]
    Utf16,
    /// A character.
    Utf32,
}

impl Encoding {
    /// Returns the first one that the client prefers and that is supported.
    pub(super) fn negotiate(offered: &[String]) -> Self {
        let known = [Self::Utf8, Self::Utf16, Self::Utf32];
        let find = |name: &String| known.into_iter().find(|encoding| encoding.as_str() == name);
        // A client that offers none counts in UTF-16 (LSP 3.17, general.positionEncodings).
        offered.iter().find_map(find).unwrap_or_default()
    }

    /// Returns the name in the protocol.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Utf8 => "utf-8",
            Self::Utf16 => "utf-16",
            Self::Utf32 => "utf-32",
        }
    }

    /// Returns the units of the character that begins with this byte of UTF-8; none for a byte
    /// inside a character.
    const fn units(self, byte: u8) -> usize {
        match (self, byte) {
            (Self::Utf8, _) => 1,
            // A byte within a character (RFC 3629, section 3).
            (_, 0x80..0xC0) => 0,
            // Four bytes of UTF-8 are a character beyond U+FFFF, and so a pair of surrogates.
            (Self::Utf16, 0xF0..) => 2,
            (Self::Utf16 | Self::Utf32, _) => 1,
        }
    }
}

/// Units are counted from the nearest step, because a text without line breaks may be
/// long.
const STEP: usize = 1024;

/// Turns bytes of a text into positions and back.
#[derive(Debug)]
pub(super) struct Index<'t> {
    text: &'t str,
    encoding: Encoding,
    /// The first byte of each line.
    starts: Vec<usize>,
    /// Units before every `STEP`-th byte; empty where a unit is a byte.
    counts: Vec<usize>,
}

impl<'t> Index<'t> {
    /// Looks through `text` once.
    pub(super) fn new(text: &'t str, encoding: Encoding) -> Self {
        let bytes = text.as_bytes();
        let mut starts = vec![0];
        // A carriage return alone ends a line, too.
        for at in memchr::memchr2_iter(b'\n', b'\r', bytes) {
            let is_pair = bytes.get(at) == Some(&b'\r') && bytes.get(at + 1) == Some(&b'\n');
            if !is_pair {
                starts.push(at + 1);
            }
        }
        let mut counts = Vec::new();
        if encoding != Encoding::Utf8 && !text.is_ascii() {
            let mut count = 0;
            for chunk in bytes.chunks(STEP) {
                counts.push(count);
                count += chunk.iter().map(|byte| encoding.units(*byte)).sum::<usize>();
            }
        }
        Self { text, encoding, starts, counts }
    }

    /// Returns the position of a byte; the end for one after it.
    pub(super) fn position(&self, offset: usize) -> Position {
        let offset = offset.min(self.text.len());
        let line = self.starts.partition_point(|start| *start <= offset).saturating_sub(1);
        let start = self.starts.get(line).copied().unwrap_or_default();
        let character = self.units_before(offset) - self.units_before(start);
        Position { line: number(line), character: number(character) }
    }

    /// Returns the range of some bytes.
    pub(super) fn range(&self, bytes: &std::ops::Range<usize>) -> Range {
        Range { start: self.position(bytes.start), end: self.position(bytes.end) }
    }

    /// Returns the byte at a position. One after the end of its line is the end of the line, one
    /// after the text its end, one inside a character the beginning of that.
    pub(super) fn offset(&self, position: Position) -> usize {
        let line = usize::try_from(position.line).unwrap_or(usize::MAX);
        let Some(start) = self.starts.get(line).copied() else { return self.text.len() };
        let next = self.starts.get(line.saturating_add(1)).copied().unwrap_or(self.text.len());
        let written = self.text.get(start..next).unwrap_or_default();
        let end = start + written.trim_end_matches(['\n', '\r']).len();
        let character = usize::try_from(position.character).unwrap_or(usize::MAX);
        let offset = self.byte_of(self.units_before(start).saturating_add(character)).min(end);
        // A byte of UTF-8 may lie inside a character.
        (0..=offset).rev().find(|at| self.text.is_char_boundary(*at)).unwrap_or_default()
    }

    fn units_before(&self, offset: usize) -> usize {
        let step = offset / STEP;
        match self.counts.get(step) {
            Some(count) => {
                let bytes = self.text.as_bytes().get(step * STEP..offset).unwrap_or_default();
                count + bytes.iter().map(|byte| self.encoding.units(*byte)).sum::<usize>()
            }
            None if self.counts.is_empty() => offset,
            // The text ends with a step.
            None => self.text.bytes().map(|byte| self.encoding.units(byte)).sum(),
        }
    }

    /// Returns the byte of the character that has the unit with this index.
    fn byte_of(&self, target: usize) -> usize {
        if self.counts.is_empty() {
            return target.min(self.text.len());
        }
        let step = self.counts.partition_point(|count| *count <= target).saturating_sub(1);
        let mut count = self.counts.get(step).copied().unwrap_or_default();
        for (at, byte) in self.text.bytes().enumerate().skip(step * STEP) {
            let units = self.encoding.units(byte);
            if units > 0 && count + units > target {
                return at;
            }
            count += units;
        }
        self.text.len()
    }
}

/// Returns a number of the protocol, which has 31 bits.
fn number(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX).min(i32::MAX.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENCODINGS: [Encoding; 3] = [Encoding::Utf8, Encoding::Utf16, Encoding::Utf32];

    fn at(line: u32, character: u32) -> Position {
        Position { line, character }
    }

    #[test]
    fn counts_in_the_unit_that_was_agreed_on() {
        // 1, 2, 3 and 4 bytes; 1, 1, 1 and 2 units of UTF-16.
        let text = "aé€😀x\nb";
        for (encoding, character) in [(Encoding::Utf8, 10), (Encoding::Utf16, 5), (Encoding::Utf32, 4)] {
            let index = Index::new(text, encoding);
            let x = text.find('x').unwrap();
            assert_eq!(index.position(x), at(0, character), "{encoding:?}");
            assert_eq!(index.offset(at(0, character)), x, "{encoding:?}");
            assert_eq!(index.position(text.len()), at(1, 1), "{encoding:?}");
        }
    }

    #[test]
    fn every_line_break_of_the_protocol_ends_a_line() {
        let text = "a\r\nb\rc\nd";
        let index = Index::new(text, Encoding::Utf16);
        for (letter, line) in [('a', 0), ('b', 1), ('c', 2), ('d', 3)] {
            assert_eq!(index.position(text.find(letter).unwrap()), at(line, 0), "{letter}");
        }
        assert_eq!(index.offset(at(0, 9)), 1);
        assert_eq!(index.offset(at(9, 9)), text.len());
    }

    #[test]
    fn a_position_inside_a_character_is_its_beginning() {
        let text = "a😀b";
        assert_eq!(Index::new(text, Encoding::Utf16).offset(at(0, 2)), 1);
        assert_eq!(Index::new(text, Encoding::Utf8).offset(at(0, 3)), 1);
    }

    #[test]
    fn agrees_with_itself_in_long_lines() {
        let text = "é€😀x".repeat(2000) + "\nend";
        for encoding in ENCODINGS {
            let index = Index::new(&text, encoding);
            for (offset, _) in text.char_indices().step_by(7) {
                assert_eq!(index.offset(index.position(offset)), offset, "{encoding:?}");
            }
            assert_eq!(index.offset(index.position(text.len())), text.len());
        }
    }

    #[test]
    fn a_text_as_long_as_a_step_ends_where_it_ends() {
        let text = "é".repeat(STEP / 2);
        let index = Index::new(&text, Encoding::Utf16);
        assert_eq!(index.position(text.len()), at(0, 512));
        assert_eq!(index.offset(at(0, 512)), text.len());
    }

    #[test]
    fn takes_the_first_encoding_that_both_know() {
        let of = |names: &[&str]| {
            Encoding::negotiate(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())
        };
        assert_eq!(of(&[]), Encoding::Utf16);
        assert_eq!(of(&["ebcdic"]), Encoding::Utf16);
        assert_eq!(of(&["utf-8", "utf-16"]), Encoding::Utf8);
        assert_eq!(of(&["utf-16", "utf-8"]), Encoding::Utf16);
        assert_eq!(of(&["ebcdic", "utf-32"]), Encoding::Utf32);
    }
}
