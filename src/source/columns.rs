//! Lines of a file as a terminal shows them, so that a caret stands under the
//! character that is meant. Positions count characters; this counts columns.

use unicode_width::UnicodeWidthStr as _;

/// Returns true if a terminal or a reader does not see the character as what it is.
pub fn is_unseen(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}'
            // Directions of writing.
            | '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
            // Without width.
            | '\u{200b}'..='\u{200d}' | '\u{2060}'..='\u{2065}' | '\u{206a}'..='\u{206f}' | '\u{feff}'
            // Line breaks beyond ASCII.
            | '\u{2028}' | '\u{2029}'
            | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Returns the columns that a text takes in which nothing is unseen: an ideograph and an emoji two,
/// a combining mark none.
pub fn width(text: &str) -> usize {
    text.width()
}

/// Returns the first `characters` of a text.
pub fn first(text: &str, characters: usize) -> &str {
    let end = text.char_indices().nth(characters).map_or(text.len(), |(at, _)| at);
    text.get(..end).unwrap_or(text)
}

/// Returns the text with a space for each character that is not seen, a tab among them.
pub fn seen(text: &str) -> String {
    text.chars().map(|character| if is_unseen(character) { ' ' } else { character }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_character_takes_two_columns_one_or_none() {
        for (text, columns) in
            [("abc", 3), ("日本", 4), ("e\u{301}", 1), ("👩", 2), ("ｗ", 2), ("ﾜ", 1), ("한", 2)]
        {
            assert_eq!(width(text), columns, "{text}");
        }
        assert_eq!(width(&seen("a\tb\u{200d}c")), 5);
        assert_eq!(first("日本=1", 2), "日本");
        assert_eq!(first("ab", 9), "ab");
    }
}
