//! The documents that an editor has open, and its changes of them.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::position::{Encoding, Index, Range};

/// Most bytes of a document that is evaluated: 4 MiB. The text of a longer one is kept, so
/// that its changes can be followed.
pub(super) const MOST_BYTES: usize = 4 * 1024 * 1024;

/// A document as the editor has it.
#[derive(Debug)]
pub(super) struct Document {
    /// Its address, as the client writes it.
    pub(super) uri: String,
    /// The path; the address for a document without a file.
    pub(super) path: PathBuf,
    /// The version of its text.
    pub(super) version: Option<i64>,
    /// Its text.
    pub(super) text: String,
    /// True if it changed since it was evaluated.
    pub(super) is_changed: bool,
}

/// One change of a document: of a part, or of all of it.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Change {
    /// The part; `None` for all.
    range: Option<Range>,
    /// The new text.
    text: String,
}

impl Document {
    /// Returns a document that was opened.
    pub(super) fn new(uri: String, version: Option<i64>, text: String) -> Self {
        let path = path_of(&uri).unwrap_or_else(|| PathBuf::from(&uri));
        Self { uri, path, version, text, is_changed: true }
    }

    /// Carries out changes, each of the text that the one before it left.
    pub(super) fn change(&mut self, version: Option<i64>, changes: Vec<Change>, encoding: Encoding) {
        for Change { range, text } in changes {
            let Some(range) = range else {
                self.text = text;
                continue;
            };
            let (start, end) = {
                let index = Index::new(&self.text, encoding);
                (index.offset(range.start), index.offset(range.end))
            };
            // The protocol does not keep a client from an end before its start.
            self.text.replace_range(start..end.max(start), &text);
        }
        self.version = version.or(self.version);
        self.is_changed = true;
    }
}

/// Returns the path of a `file:` address; `None` for one of another kind.
pub(super) fn path_of(uri: &str) -> Option<PathBuf> {
    let rest = uri.strip_prefix("file://")?;
    // An authority other than this machine names no file here.
    let path = rest.strip_prefix("localhost").unwrap_or(rest);
    path.starts_with('/').then(|| PathBuf::from(decoded(path)))
}

/// Returns the address of an absolute path.
pub(super) fn uri_of(path: &Path) -> String {
    let mut uri = String::from("file://");
    for byte in path.to_string_lossy().bytes() {
        // The unreserved characters (RFC 3986, section 2.3), and the slash between steps.
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(uri, "%{byte:02X}");
        }
    }
    uri
}

/// Returns an address without its escapes.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let escaped = match tail {
            [high, low, ..] if *first == b'%' => hex(*high).zip(hex(*low)),
            _ => None,
        };
        if let Some((high, low)) = escaped {
            bytes.push(high << 4 | low);
            rest = tail.get(2..).unwrap_or_default();
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::super::position::Position;
    use super::*;

    fn change(from: (u32, u32), to: (u32, u32), text: &str) -> Change {
        let at = |(line, character)| Position { line, character };
        Change { range: Some(Range { start: at(from), end: at(to) }), text: text.to_owned() }
    }

    #[test]
    fn changes_are_of_the_text_that_the_one_before_left() {
        let mut document = Document::new("file:///a".to_owned(), Some(1), "a: 😀\r\nb: 2\r\n".to_owned());
        let changes = vec![
            // After the pair of UTF-16 units.
            change((0, 5), (0, 5), "!"),
            change((1, 3), (1, 4), "[x,\n  y]"),
            change((2, 2), (2, 3), ""),
        ];
        document.change(Some(2), changes, Encoding::Utf16);
        assert_eq!(document.text, "a: 😀!\r\nb: [x,\n  ]\r\n");
        assert_eq!(document.version, Some(2));
        document.change(Some(3), vec![Change { range: None, text: "c".to_owned() }], Encoding::Utf16);
        assert_eq!(document.text, "c");
        document.change(None, vec![change((7, 0), (9, 9), "d"), change((0, 2), (0, 1), "e")], Encoding::Utf8);
        assert_eq!((document.text.as_str(), document.version), ("cde", Some(3)));
    }

    #[test]
    fn addresses_lead_to_paths_and_back() {
        for (uri, path) in [
            ("file:///a/b.yaml", Some("/a/b.yaml")),
            ("file:///a%20b/%C3%A9%25.yaml", Some("/a b/é%.yaml")),
            ("file://localhost/a", Some("/a")),
            ("file:///a%2", Some("/a%2")),
            ("file://host/a", None),
            ("untitled:Untitled-1", None),
        ] {
            assert_eq!(path_of(uri).as_deref(), path.map(Path::new), "{uri}");
        }
        let path = Path::new("/a b/é%+.yaml");
        assert_eq!(path_of(&uri_of(path)).as_deref(), Some(path));
    }
}
