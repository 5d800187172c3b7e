//! Skipping values that no rule reads, and checking that they are valid JSON.

use super::structural_index::StructuralIndex;

/// Returns the place after the value that begins at `at`, white space before it
/// included; `None` where there is no well-formed value.
pub(super) fn value(text: &[u8], marks: &StructuralIndex, at: usize) -> Option<usize> {
    let at = white_space(text, at);
    match text.get(at)? {
        b'"' => string(text, marks, at + 1),
        b'{' | b'[' => nested(text, marks, at),
        _ => scalar(text, at),
    }
}

/// The position of the reader of nested values.
enum Next {
    /// Before a value, or the white space before it.
    Value(usize),
    /// After the first quote of a key.
    Key(usize),
    /// After a value.
    End(usize),
}

/// Returns the place after an object or a list.
fn nested(text: &[u8], marks: &StructuralIndex, at: usize) -> Option<usize> {
    let mut inside = Nesting::NONE;
    let mut next = Next::Value(at);
    loop {
        next = match next {
            Next::Value(at) => value_inside(text, marks, white_space(text, at), &mut inside)?,
            Next::Key(at) => members(text, marks, at, &mut inside)?,
            Next::End(at) => {
                if inside.is_none() {
                    return Some(at);
                }
                let at = white_space(text, at);
                match (text.get(at)?, inside.is_object()) {
                    (b',', true) => Next::Key(quote(text, at + 1)?),
                    (b',', false) => Next::Value(at + 1),
                    (b'}', true) | (b']', false) => {
                        inside.leave();
                        Next::End(at + 1)
                    }
                    _ => return None,
                }
            }
        };
    }
}

/// Reads the beginning of a value, and all of one that holds no others.
fn value_inside(text: &[u8], marks: &StructuralIndex, at: usize, inside: &mut Nesting) -> Option<Next> {
    let end = match text.get(at)? {
        b'"' => string(text, marks, at + 1)?,
        b'{' => {
            let first = white_space(text, at + 1);
            if text.get(first) != Some(&b'}') {
                inside.enter(true)?;
                return quote(text, first).map(Next::Key);
            }
            first + 1
        }
        b'[' => {
            let first = white_space(text, at + 1);
            if text.get(first) != Some(&b']') {
                inside.enter(false)?;
                return Some(Next::Value(first));
            }
            first + 1
        }
        _ => scalar(text, at)?,
    };
    Some(Next::End(end))
}

/// Reads members of an object, the first quote of whose first key stands before
/// `at`, as long as they read so: `"key":{},`, `"key":"text",`, `"key":{`, and
/// the ends of objects. That is what `managedFields` are made of, without white
/// space.
#[inline]
fn members(text: &[u8], marks: &StructuralIndex, mut at: usize, inside: &mut Nesting) -> Option<Next> {
    // The two forms of which managedFields consists: `"f:name":{}` and `"f:spec":{"`.
    const EMPTY: [u8; 4] = *b"\":{}";
    const OBJECT: [u8; 4] = *b"\":{\"";
    loop {
        let end = marks.next(at);
        // Eight bytes at once: the end of a key and the beginning of the next one.
        let Some([head @ .., c4, c5, _, _]) = text.get(end..).and_then(<[u8]>::first_chunk::<8>) else {
            return member(text, marks, at);
        };
        let mut behind = if *head == EMPTY {
            if [*c4, *c5] == *b",\"" {
                at = end + 6;
                continue;
            }
            end + 4
        } else if *head == OBJECT {
            inside.enter(true)?;
            at = end + 4;
            continue;
        } else if let [b'"', b':', b'"', _] = head {
            string(text, marks, end + 3)?
        } else {
            return member(text, marks, at);
        };
        // All objects that end here, and the next key of the one around them.
        while text.get(behind) == Some(&b'}') {
            behind += 1;
            inside.leave();
            if !inside.is_object() {
                return Some(Next::End(behind));
            }
        }
        if text.get(behind..).and_then(<[u8]>::first_chunk) != Some(b",\"") {
            return Some(Next::End(behind));
        }
        at = behind + 2;
    }
}

/// Reads a key, whose first quote stands before `at`, and its colon.
fn member(text: &[u8], marks: &StructuralIndex, at: usize) -> Option<Next> {
    let end = string(text, marks, at)?;
    // A key with escapes may stand among others without.
    if text.get(end..).and_then(<[u8]>::first_chunk) == Some(b":{},\"") {
        return Some(Next::Key(end + 5));
    }
    word(text, white_space(text, end), b":").map(Next::Value)
}

/// Returns the place after a quote, white space before it.
fn quote(text: &[u8], at: usize) -> Option<usize> {
    word(text, white_space(text, at), b"\"")
}

/// Returns the first place at or after `at` that is not white space.
#[inline]
pub(super) fn white_space(text: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\n' | b'\r' | b'\t') = text.get(at) {
        at += 1;
    }
    at
}

/// Returns the place after a string whose first quote stands before `at`.
#[inline]
pub(super) fn string(text: &[u8], marks: &StructuralIndex, at: usize) -> Option<usize> {
    let at = marks.next(at);
    if text.get(at) == Some(&b'"') { Some(at + 1) } else { marked(text, marks, at) }
}

/// Skips what [`string`] skips, for one whose first mark is something else. Beside that it would be in the
/// way of what is usual.
#[cold]
#[inline(never)]
fn marked(text: &[u8], marks: &StructuralIndex, mut at: usize) -> Option<usize> {
    loop {
        // An object that is kept in an annotation is full of escaped quotes.
        while text.get(at..).and_then(<[u8]>::first_chunk) == Some(b"\\\"") {
            at = marks.next(at + 2);
        }
        match text.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at = marks.next(escape(text, at)?),
            0x80.. => {
                let others = text.get(at..)?.iter().position(u8::is_ascii)?;
                at = marks.next(at + others);
            }
            _ => return None,
        }
    }
}

/// Returns the place after `word`, if that stands at `at`.
#[inline]
pub(super) fn word(text: &[u8], at: usize, word: &[u8]) -> Option<usize> {
    text.get(at..)?.starts_with(word).then_some(at + word.len())
}

fn escape(text: &[u8], at: usize) -> Option<usize> {
    match text.get(at + 1)? {
        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(at + 2),
        b'u' => text.get(at + 2..at + 6)?.iter().all(u8::is_ascii_hexdigit).then_some(at + 6),
        _ => None,
    }
}

/// Returns the place after what is neither a string nor holds others.
fn scalar(text: &[u8], at: usize) -> Option<usize> {
    match text.get(at)? {
        b't' => word(text, at, b"true"),
        b'f' => word(text, at, b"false"),
        b'n' => word(text, at, b"null"),
        _ => number(text, at),
    }
}

fn number(text: &[u8], mut at: usize) -> Option<usize> {
    if text.get(at) == Some(&b'-') {
        at += 1;
    }
    // No number has a leading zero (RFC 8259, 6).
    at = if text.get(at) == Some(&b'0') { at + 1 } else { digits(text, at)? };
    if text.get(at) == Some(&b'.') {
        at = digits(text, at + 1)?;
    }
    if let Some(b'e' | b'E') = text.get(at) {
        at += 1;
        if let Some(b'+' | b'-') = text.get(at) {
            at += 1;
        }
        at = digits(text, at)?;
    }
    Some(at)
}

fn digits(text: &[u8], at: usize) -> Option<usize> {
    let count = text.get(at..)?.iter().take_while(|byte| byte.is_ascii_digit()).count();
    (count > 0).then_some(at + count)
}

/// The objects and lists around a value, fewer than a word has bits.
struct Nesting {
    /// One bit each, the innermost the lowest: whether it is an object. Above
    /// them stands a 0 for what is in none, and a 1 that tells where they end.
    are_objects: u64,
}

impl Nesting {
    const NONE: Self = Self { are_objects: 0b10 };

    fn enter(&mut self, is_object: bool) -> Option<()> {
        let is_full = self.are_objects.leading_zeros() == 0;
        self.are_objects = self.are_objects << 1 | u64::from(is_object);
        (!is_full).then_some(())
    }

    fn leave(&mut self) {
        self.are_objects >>= 1;
    }

    fn is_object(&self) -> bool {
        self.are_objects & 1 == 1
    }

    fn is_none(&self) -> bool {
        self.are_objects == Self::NONE.are_objects
    }
}
