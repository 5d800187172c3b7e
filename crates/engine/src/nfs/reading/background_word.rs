//! Finds `bg` in a text between two commas, in whatever spelling some layer takes for it.

use super::{every_piece, is_mark};

/// The freedom with which a keyword is compared with `bg`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Latitude {
    /// Letters may become small on the way.
    pub folds: bool,
    /// White space around it may go away on the way.
    pub trims: bool,
}

impl Latitude {
    /// Of a way that is not known.
    pub const WIDE: Self = Self { folds: true, trims: true };
}

/// Returns true if some piece of a text may be `bg` to some layer, wherever it is written.
pub fn mentions_background(text: &str) -> bool {
    every_piece(text).any(|piece| background_word(piece.text, Latitude::WIDE).is_some())
}

/// Returns the word that `piece` may be to some layer where that is `bg`, in its own
/// letters: its keyword, without quotes and backslashes.
pub fn background_word(piece: &str, latitude: Latitude) -> Option<&'static str> {
    // `bg=0` and `bg=no` are bg, too: the value is not looked at.
    let keyword = after_switch(piece).split('=').next()?;
    let keyword = if latitude.trims { trimmed(keyword) } else { keyword };
    // Quotes inside the word vanish in a shell: b"g".
    let mut letters = keyword.bytes().filter(|byte| !is_mark(*byte));
    let word = match (letters.next()?, letters.next()?, letters.next()) {
        (b'b', b'g', None) => "bg",
        (b'B', b'G', None) if latitude.folds => "BG",
        (b'B', b'g', None) if latitude.folds => "Bg",
        (b'b', b'G', None) if latitude.folds => "bG",
        _ => return None,
    };
    Some(word)
}

/// Returns the text after the switch of mount(8) for options: `-o bg`, `-obg`, `-vobg`, `--options=bg`. Trident
/// takes `-o ` off the string ([`mount_linux.go`]); to ceph-csi each element of a list is an argument
/// of its own where it has a `netNamespaceFilePath` ([`mountNFS`]).
///
/// [`mount_linux.go`]: https://github.com/NetApp/trident/blob/71dd7161840c3d1ef0be16a97891f745e9224e27/utils/mount/mount_linux.go
/// [`mountNFS`]: https://github.com/ceph/ceph-csi/blob/0756d5443fe30886264cb06ce1068aa6c2cf22b8/internal/nfs/nodeserver/nodeserver.go
fn after_switch(piece: &str) -> &str {
    let Some(switches) = piece.strip_prefix('-') else { return piece };
    let rest = if let Some(long) = switches.strip_prefix('-') {
        long.strip_prefix("options")
    } else {
        // Letters before it are switches without a value: getopt(3).
        let letters = switches.bytes().take_while(|byte| byte.is_ascii_alphabetic() && *byte != b'o').count();
        switches.get(letters..).and_then(|rest| rest.strip_prefix('o'))
    };
    rest.map_or(piece, |rest| rest.trim_start_matches([' ', '=']))
}

/// Returns true for a character that some language takes off the ends of a text: Unicode's white space,
/// as Go, what Python's `str.strip` and Java's `String.trim` have beside it, all up to the space, and what
/// JavaScript's and .NET's have.
pub const fn is_blank(character: char) -> bool {
    character.is_whitespace() || character <= ' ' || matches!(character, '\u{200b}' | '\u{feff}')
}

/// Removes white space and marks around it.
fn trimmed(keyword: &str) -> &str {
    let is_around = |character: char| is_blank(character) || u8::try_from(character).is_ok_and(is_mark);
    keyword.trim_matches(is_around)
}

/// Returns the replacement for `piece` of `element`, whose keyword is `bg` to some layer: `fg`, or,
/// where that would leave a quote without its partner or take away a backslash before a quote or a
/// comma, the same text with `fg` for its letters.
pub fn foreground_instead(piece: &str, element: &str) -> String {
    let is_even = |mark: u8| piece.bytes().filter(|byte| *byte == mark).count() % 2 == 0;
    let escapes_nothing = !piece.contains('\\') || !piece.contains(['"', '\'']) && !piece.ends_with('\\');
    // Marks that are paired inside of the piece go with it; others belong to its neighbors, and
    // stay. mount(8) and mount.nfs pair double quotes over elements, and single ones not at all.
    let is_single_paired = is_even(b'\'') || !element.contains(',');
    if is_even(b'"') && is_single_paired && escapes_nothing {
        return "fg".to_owned();
    }
    foreground_letters(piece)
}

/// Returns `piece`, whose keyword is `bg` to some layer, with `fg` for its letters: what is around
/// them stays, such as the quotes of JSON.
pub fn foreground_letters(piece: &str) -> String {
    let keyword_end = piece.find('=').unwrap_or(piece.len());
    let (keyword, value) = piece.split_at_checked(keyword_end).unwrap_or((piece, ""));
    keyword.to_ascii_lowercase().replace('b', "f") + value
}

#[cfg(test)]
mod tests {
    use super::*;

    const WIDE: Latitude = Latitude::WIDE;
    const EXACT: Latitude = Latitude { folds: false, trims: false };

    #[test]
    fn a_word_is_bg_without_its_quotes_and_backslashes() {
        for piece in [
            "bg", "-o bg", "-obg", "-vobg=1", "--options=bg", "-o=bg", "\"bg\"", "'bg'=1", r"b\g",
            r#"b""g=0"#, r"\bg\",
        ] {
            assert_eq!(background_word(piece, EXACT), Some("bg"), "{piece}");
        }
        for piece in
            [" bg", "\" bg \"", "BG", r" B\g", "\u{a0}bG=1", "\x1cbg", "bg\u{feff}", "\u{200b}bg", "-oBG"]
        {
            assert!(background_word(piece, EXACT).is_none(), "{piece}");
            assert!(background_word(piece, WIDE).is_some(), "{piece}");
        }
        for piece in ["", "b", "bgx", "x-bg", "b g", "b-g", "=bg", "-bg", "--bg", "-o", "--optionsbg-", "-4o"]
        {
            assert!(background_word(piece, WIDE).is_none(), "{piece}");
        }
    }

    #[test]
    fn what_takes_its_place_keeps_quotes_in_pairs() {
        for (piece, wanted) in [
            ("bg", "fg"),
            (" BG =1", "fg"),
            ("\"bg\"", "fg"),
            ("bg=\"a\"", "fg"),
            ("\"bg", "\"fg"),
            (r"b\g", "fg"),
            (r"bg\", r"fg\"),
            (r#"b\"g""#, r#"f\"g""#),
            ("bg=\"b", "fg=\"b"),
            ("\"BG\\\"=B", "\"fg\\\"=B"),
        ] {
            assert_eq!(foreground_instead(piece, "hard,bg"), wanted, "{piece}");
        }
        for (piece, element, wanted) in
            [("b'g", "b'g", "fg"), ("'bg", "'bg,x'", "'fg"), ("\"bg", "\"bg", "\"fg")]
        {
            assert_eq!(foreground_instead(piece, element), wanted, "{piece} of {element}");
        }
    }
}
