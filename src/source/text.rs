//! The text of an input: what can be read as text at all, and where in it, by
//! line and column, a byte stands.

/// The reason why bytes are no text that can be evaluated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// Bytes that no UTF-8 text holds.
    #[error("line {line}: is not UTF-8; save it as UTF-8")]
    NotUtf8 {
        /// The line, counted from 1.
        line: usize,
    },
    /// UTF-16, by its byte order mark.
    #[error("is UTF-16; save it as UTF-8")]
    Utf16,
    /// A NUL byte, which no manifest holds.
    #[error("is binary, or UTF-16 without a mark; save text as UTF-8")]
    Binary,
}

/// Reads bytes as UTF-8 and drops a byte order mark. Gives also whether there
/// was one.
///
/// # Errors
///
/// When the bytes are binary or in another encoding; with the bytes.
pub fn decode(bytes: Vec<u8>) -> Result<(String, bool), (TextError, Vec<u8>)> {
    if bytes.starts_with(&[0xFF, 0xFE]) || bytes.starts_with(&[0xFE, 0xFF]) {
        return Err((TextError::Utf16, bytes));
    }
    // UTF-16 of ASCII letters has a NUL in every second byte.
    if bytes.contains(&0) {
        return Err((TextError::Binary, bytes));
    }
    let mut text = String::from_utf8(bytes).map_err(|error| {
        let good = error.as_bytes().iter().take(error.utf8_error().valid_up_to());
        let line = good.filter(|byte| **byte == b'\n').count() + 1;
        (TextError::NotUtf8 { line }, error.into_bytes())
    })?;
    let has_mark = text.starts_with(MARK);
    if has_mark {
        text.drain(..MARK.len_utf8());
    }
    Ok((text, has_mark))
}

/// The byte order mark.
pub const MARK: char = '\u{feff}';

/// A line and a column, both counted from 1, the column in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The character in the line.
    pub column: usize,
}

/// Finds lines and columns in a text.
#[derive(Debug)]
pub struct Lines<'t> {
    text: &'t str,
    /// The first byte of each line; four bytes suffice for all texts but those that no memory holds.
    starts: Vec<u32>,
    /// Characters before every `STEP`-th byte; empty for plain ASCII.
    counts: Vec<usize>,
}

/// A text without line breaks may be long: characters are counted from the
/// nearest step, not from the line's beginning.
const STEP: usize = 1024;

impl<'t> Lines<'t> {
    /// Looks through `text` once.
    pub fn new(text: &'t str) -> Self {
        let breaks = memchr::memchr_iter(b'\n', text.as_bytes()).map(|at| at + 1);
        let place = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        // Counted first: a vector that grows would need twice the memory for a moment.
        let mut starts = Vec::with_capacity(1 + memchr::memchr_iter(b'\n', text.as_bytes()).count());
        starts.extend(std::iter::once(0).chain(breaks).map(place));
        let mut counts = Vec::new();
        // In ASCII the column is the byte: nearly all manifests need no counts.
        if !text.is_ascii() {
            let mut count = 0;
            for chunk in text.as_bytes().chunks(STEP) {
                counts.push(count);
                count += characters(chunk);
            }
        }
        Self { text, starts, counts }
    }

    /// Returns the first byte of a line, counted from 0.
    fn start(&self, line: usize) -> Option<usize> {
        self.starts.get(line).map(|start| *start as usize)
    }

    /// Returns the position of the byte at `offset`; the end for one after it.
    pub fn position(&self, offset: usize) -> Position {
        let offset = offset.min(self.text.len());
        let line = self.starts.partition_point(|start| *start as usize <= offset);
        let start = self.start(line.saturating_sub(1)).unwrap_or_default();
        Position { line, column: self.characters_before(offset) - self.characters_before(start) + 1 }
    }

    /// Returns the byte at a position: the reverse of [`Lines::position`]; the end for one after
    /// the text.
    pub fn offset(&self, position: Position) -> usize {
        let line = position.line.saturating_sub(1);
        let Some(start) = self.start(line) else { return self.text.len() };
        self.byte_of_character(self.characters_before(start) + position.column.saturating_sub(1))
    }

    /// Returns the line in which the byte stands: what comes before it, and the rest without the
    /// line break.
    pub fn around(&self, offset: usize) -> (&'t str, &'t str) {
        let offset = offset.min(self.text.len());
        let line = self.starts.partition_point(|start| *start as usize <= offset);
        let start = self.start(line.saturating_sub(1)).unwrap_or_default();
        let end = self.start(line).unwrap_or(self.text.len());
        let before = self.text.get(start..offset).unwrap_or_default();
        (before, self.text.get(offset..end).unwrap_or_default().trim_end_matches(['\n', '\r']))
    }

    /// Returns the byte at which the character with this index stands.
    pub fn byte_of_character(&self, character: usize) -> usize {
        if self.counts.is_empty() {
            return character.min(self.text.len());
        }
        let step = self.counts.partition_point(|count| *count <= character).saturating_sub(1);
        let mut left = character - self.counts.get(step).copied().unwrap_or_default();
        let from = step * STEP;
        for (at, byte) in self.text.bytes().enumerate().skip(from) {
            if is_first_byte(byte) {
                if left == 0 {
                    return at;
                }
                left -= 1;
            }
        }
        self.text.len()
    }

    /// Characters before the byte at `offset`.
    pub(super) fn characters_before(&self, offset: usize) -> usize {
        let step = offset / STEP;
        match self.counts.get(step) {
            Some(count) => {
                count + characters(self.text.as_bytes().get(step * STEP..offset).unwrap_or_default())
            }
            None if self.counts.is_empty() => offset,
            None => self.text.chars().count(),
        }
    }
}

fn characters(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| is_first_byte(**byte)).count()
}

const fn is_first_byte(byte: u8) -> bool {
    // Further bytes of a character in UTF-8 begin with the bits 10.
    byte & 0xC0 != 0x80
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_characters_not_bytes() {
        let text = "a\r\né: x\n\tb";
        let lines = Lines::new(text);
        for (found, line, column) in [("é", 2, 1), ("x", 2, 4), ("b", 3, 2)] {
            let offset = text.find(found).unwrap();
            assert_eq!(lines.position(offset), Position { line, column }, "{found}");
            assert_eq!(lines.offset(Position { line, column }), offset, "{found}");
        }
        assert_eq!(lines.around(text.find('x').unwrap()), ("é: ", "x"));
        assert_eq!(lines.around(99), ("\tb", ""));
    }

    #[test]
    fn agrees_with_itself_in_a_long_line() {
        let text = "é€x".repeat(3000);
        let lines = Lines::new(&text);
        for (character, (offset, _)) in text.char_indices().enumerate() {
            assert_eq!(lines.byte_of_character(character), offset);
            let position = lines.position(offset);
            assert_eq!((position.column, lines.offset(position)), (character + 1, offset));
        }
        assert_eq!(lines.position(text.len()).column, 9001);
    }

    #[test]
    fn drops_a_mark_and_refuses_what_is_no_text() {
        assert_eq!(decode("\u{feff}a".into()), Ok(("a".to_owned(), true)));
        for (bytes, error) in [
            (vec![b'\n', 0xE9], TextError::NotUtf8 { line: 2 }),
            (vec![0xFF, 0xFE, b'a', 0], TextError::Utf16),
            (vec![b'a', 0], TextError::Binary),
        ] {
            assert_eq!(decode(bytes.clone()), Err((error, bytes)));
        }
    }
}
