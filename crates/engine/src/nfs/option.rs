//! One mount option, and how a string is split into them.

use std::borrow::Cow;
use std::ops::Range;

use super::catalog::{self, Entry};

/// One option of a list: the text between two separating commas, exactly as
/// it stands there, white space included.
///
/// mount(8), mount.nfs and the kernel all evaluate the *keyword*, the text before
/// the first `=`; whatever follows is the value. `bg=0` is therefore the
/// option `bg` (`po_rightmost`,
/// <https://git.linux-nfs.org/?p=steved/nfs-utils.git;a=blob;f=utils/mount/parse_opt.c;hb=nfs-utils-2-6-2>).
#[derive(Debug, Clone)]
pub struct MountOption<'a> {
    text: Cow<'a, str>,
    /// Byte offset of the first `=`, or the text's length without one.
    keyword_end: usize,
    entry: Option<&'static Entry>,
}

impl<'a> MountOption<'a> {
    /// Reads `text`, which must hold no separating comma.
    pub fn new(text: impl Into<Cow<'a, str>>) -> Self {
        let text = text.into();
        let keyword_end = text.bytes().position(|byte| byte == b'=').unwrap_or(text.len());
        let entry = catalog::find(text.get(..keyword_end).unwrap_or_default());
        Self { text, keyword_end, entry }
    }

    /// Returns the whole option.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns the catalog's row for it; `None` for a keyword that no layer knows.
    pub const fn entry(&self) -> Option<&'static Entry> {
        self.entry
    }

    /// Returns the text before the first `=`.
    pub fn keyword(&self) -> &str {
        self.text.get(..self.keyword_end).unwrap_or_default()
    }

    /// Returns the text after the first `=`; `None` if there is no `=`.
    pub fn value(&self) -> Option<&str> {
        self.text.get(self.keyword_end + 1..)
    }
}

/// One piece of a split element: the option's text and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece<'a> {
    /// The text between two separating commas; may be empty.
    pub text: &'a str,
    /// The bytes of the element that contain it.
    pub range: Range<usize>,
}

/// Splits one list element at the commas that separate options.
///
/// mount(8) and mount.nfs honour double quotes: a comma between two of them
/// separates nothing ([`token.c`] of nfs-utils; `ul_optstr_next` of libmount). Where a
/// quote is left open nothing would be mounted, so every comma is taken as a
/// separator there: a danger must not be hidden by a stray quote.
///
/// Yields at least one piece, and empty pieces too; joining the pieces with
/// commas gives the element back. Allocates nothing.
///
/// [`token.c`]: https://git.linux-nfs.org/?p=steved/nfs-utils.git;a=blob;f=utils/mount/token.c;hb=nfs-utils-2-6-2
pub fn split(element: &str) -> Split<'_> {
    Split { rest: Some(element), offset: 0, quotes: has_paired_quotes(element) }
}

/// Returns the options of an element as they are written, without the empty ones.
pub fn pieces(element: &str) -> impl Iterator<Item = &str> {
    split(element).map(|piece| piece.text).filter(|text| !text.is_empty())
}

/// Returns true if a text is nothing but options that some layer knows.
pub fn are_options(text: &str) -> bool {
    pieces_of(text).all(|option| option.entry().is_some())
}

/// Returns true if an option of the text is one of NFS alone.
pub fn has_nfs_option(text: &str) -> bool {
    pieces_of(text).any(|option| option.entry().is_some_and(|entry| entry.nfs_only))
}

fn pieces_of(text: &str) -> impl Iterator<Item = MountOption<'_>> {
    split(text).map(|piece| MountOption::new(piece.text.trim()))
}

/// Returns true if `element` is one option as it should be written: a keyword, and all of it
/// printable ASCII without a space, a comma, a quote of either kind, a backslash or another
/// character that means something to a shell.
pub fn is_plain(element: &str) -> bool {
    !matches!(element.as_bytes().first(), None | Some(b'='))
        && element.bytes().all(|byte| byte.is_ascii() && PLAIN >> byte & 1 == 1)
}

/// The bytes that [`is_plain`] allows, one bit each.
const PLAIN: u128 = {
    let mut bits = 0;
    let mut byte = 0;
    // A constant cannot be computed with `for`.
    while byte < 128 {
        if matches!(
            byte,
            b'!' | b'#' | b'%' | b'*'..=b'+' | b'-'..=b':' | b'=' | b'?'..=b'[' | b']'..=b'_' | b'a'..=b'z' | b'~'
        ) {
            bits |= 1_u128 << byte;
        }
        byte += 1;
    }
    bits
};

/// Returns true if `bg` may stand in `text` for some layer, by one look at its bytes: in any case, or hidden
/// by what a quote, a backslash, a shell, a template or an encoding makes of other characters.
///
/// ```
/// # use nfs_mount_guard_engine::nfs::option::may_hide_background;
/// assert!(may_hide_background("hard,Bg") && may_hide_background("b\\g") && may_hide_background("${x}"));
/// assert!(!may_hide_background("hard, dir_mode=0777,b,g,uid=@x"));
/// ```
pub fn may_hide_background(text: &str) -> bool {
    // `%` may begin an encoded character or a specifier.
    let is_open =
        |byte: u8| matches!(byte, b' ' | b',' | b'.' | b'/' | b':' | b'=' | b'@' | b'+' | b'-' | b'_');
    let mut before = b' ';
    text.bytes().any(|byte| {
        let is_word = before == b'b' && byte.eq_ignore_ascii_case(&b'g');
        before = byte.to_ascii_lowercase();
        is_word || !(byte.is_ascii_alphanumeric() || is_open(byte))
    })
}

/// Returns true if every double quote in `element` has its partner.
pub fn has_paired_quotes(element: &str) -> bool {
    element.bytes().filter(|byte| *byte == b'"').count() % 2 == 0
}

/// Iterator over the pieces of one element; see [`split`].
#[derive(Debug, Clone)]
pub struct Split<'a> {
    rest: Option<&'a str>,
    offset: usize,
    quotes: bool,
}

impl<'a> Iterator for Split<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        let rest = self.rest?;
        let mut quoted = false;
        let comma = rest.bytes().position(|byte| {
            // An open quote separates as if it were none, see above.
            quoted ^= self.quotes && byte == b'"';
            byte == b',' && !quoted
        });
        let (text, after) = match comma.and_then(|at| rest.split_at_checked(at)) {
            Some((text, after)) => (text, after.get(1..)),
            None => (rest, None),
        };
        let start = self.offset;
        let end = start + text.len();
        self.rest = after;
        // Over the comma.
        self.offset = end + 1;
        Some(Piece { text, range: start..end })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(element: &str) -> Vec<&str> {
        split(element).map(|piece| piece.text).collect()
    }

    #[test]
    fn splits_at_commas_and_keeps_empty_pieces() {
        assert_eq!(texts("nolock,,bg"), ["nolock", "", "bg"]);
        assert_eq!(texts(""), [""]);
        assert_eq!(texts(","), ["", ""]);
    }

    #[test]
    fn keeps_a_quoted_comma_in_its_option() {
        assert_eq!(texts("context=\"a,bg,c\",hard"), ["context=\"a,bg,c\"", "hard"]);
    }

    #[test]
    fn splits_everywhere_when_a_quote_is_left_open() {
        assert_eq!(texts("foo=\"a,bg"), ["foo=\"a", "bg"]);
    }

    #[test]
    fn judges_the_keyword_whatever_follows_it() {
        for (text, keyword, value) in [
            ("bg", "bg", None),
            ("bg=", "bg", Some("")),
            ("bg=0=1", "bg", Some("0=1")),
            ("=hard", "", Some("hard")),
        ] {
            let option = MountOption::new(text);
            assert_eq!((option.keyword(), option.value()), (keyword, value));
        }
    }

    #[test]
    fn names_the_place_of_every_piece() {
        let element = "hard,bg";
        let ranges: Vec<_> = split(element).map(|piece| piece.range).collect();
        assert_eq!(ranges, [0..4, 5..7]);
    }

    #[test]
    fn a_plain_element_is_one_option() {
        for element in [
            "", "hard,bg", "a\"b", " bg", "bg\t", "bg\u{7f}", "é", ",", "=hard", "a$b", "a;b", "a`", "a'b",
            "a\\",
        ] {
            assert!(!is_plain(element), "{element:?}");
        }
        assert!(is_plain("proto=tcp") && is_plain("!#+-~"));
    }
}
