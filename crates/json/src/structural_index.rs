//! Indexes the bytes of a text that end the plain part of a string.

use wide::i8x64;

/// A bit a byte: quotes, backslashes, control characters and whatever is not
/// ASCII. They are found in one pass before the text is read, because that
/// goes by many bytes at a time and needs no guess at how long a string is.
pub(super) struct StructuralIndex(Vec<u8>);

/// Bytes of a text that are looked at together: as many as a word has bits.
const BLOCK: usize = 64;

/// Returns true if `text` is ASCII that needs nothing but quotes to be a JSON string.
pub(super) fn is_plain(text: &str) -> bool {
    if text.len() < SHORT {
        return text.bytes().all(|byte| matches!(byte, b' ' | b'!' | b'#'..=b'[' | b']'..=0x7f));
    }
    let (blocks, rest) = text.as_bytes().as_chunks();
    blocks.iter().all(|block| marks_of(block) == 0) && marks_of(&filled_up(rest, b' ')) == 0
}

/// A text below this length is sooner looked at byte by byte.
const SHORT: usize = 16;

/// Returns the beginning of a block, and `byte` after it.
fn filled_up(beginning: &[u8], byte: u8) -> [u8; BLOCK] {
    let mut block = [byte; BLOCK];
    if let Some(place) = block.get_mut(..beginning.len()) {
        place.copy_from_slice(beginning);
    }
    block
}

impl StructuralIndex {
    /// Returns those of a whole text. It stands by itself, so that a profile shows it.
    #[inline(never)]
    pub(super) fn of(text: &[u8]) -> Self {
        let (blocks, rest) = text.as_chunks();
        let mut bits = vec![u8::MAX; (blocks.len() + 2) * size_of::<u64>()];
        let mut words = bits.as_chunks_mut().0.iter_mut();
        for (block, word) in blocks.iter().zip(&mut words) {
            *word = marks_of(block).to_le_bytes();
        }
        // After the end all are marks, so that a search ends there.
        if let Some(word) = words.next() {
            *word = marks_of(&filled_up(rest, 0)).to_le_bytes();
        }
        Self(bits)
    }

    /// Returns the first mark at or after `at`; without one a place at or after the
    /// end of the text.
    #[inline]
    pub(super) fn next(&self, at: usize) -> usize {
        match self.left(at) {
            Some(left @ 1..) => at + left.trailing_zeros() as usize,
            _ => self.far(at),
        }
    }

    #[cold]
    fn far(&self, mut at: usize) -> usize {
        loop {
            match self.left(at) {
                Some(0) => at += 64 - at % 8,
                left => return at + left.unwrap_or_default().trailing_zeros() as usize,
            }
        }
    }

    /// Returns the bits of what follows `at`, at least 57 of them; `None` after the end.
    #[inline]
    fn left(&self, at: usize) -> Option<u64> {
        let bytes = self.0.get(at / 8..at / 8 + 8)?.first_chunk()?;
        Some(u64::from_le_bytes(*bytes) >> (at % 8))
    }
}

/// Returns the marks of a block, its first byte's the lowest bit.
#[inline]
fn marks_of(block: &[u8; BLOCK]) -> u64 {
    let bytes = i8x64::new(block.map(u8::cast_signed));
    let are = |byte: u8| bytes.simd_eq(i8x64::splat(byte.cast_signed()));
    // Bytes beyond ASCII are negative.
    let are_others = bytes.simd_lt(i8x64::splat(b' '.cast_signed()));
    (are(b'"') | are(b'\\') | are_others).to_bitmask()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn is_mark(byte: u8) -> bool {
        matches!(byte, b'"' | b'\\' | 0..b' ' | 0x80..)
    }

    #[test]
    fn every_byte_is_a_mark_or_none() {
        for byte in 0..=u8::MAX {
            for place in [0, 1, 15, 16, 31, 63] {
                let mut block = [b'a'; BLOCK];
                block[place] = byte;
                assert_eq!(marks_of(&block), u64::from(is_mark(byte)) << place, "{byte} at {place}");
            }
        }
    }

    proptest! {
        #[test]
        fn a_plain_text_is_itself_between_quotes(text in prop_oneof!["[ -~]{0,200}", any::<String>()]) {
            let is_itself = serde_json::to_string(&text)? == format!("\"{text}\"");
            prop_assert_eq!(is_plain(&text), is_itself && text.bytes().all(|byte| !is_mark(byte)));
        }

        #[test]
        fn the_next_mark_is_found_from_everywhere(text in prop::collection::vec(
            prop_oneof![20 => Just(b'a'), 1 => any::<u8>()], 0..400)) {
            let marks = StructuralIndex::of(&text);
            for at in 0..text.len() {
                match text[at..].iter().position(|byte| is_mark(*byte)) {
                    Some(distance) => prop_assert_eq!(marks.next(at), at + distance),
                    None => prop_assert!(marks.next(at) >= text.len()),
                }
            }
        }
    }
}
