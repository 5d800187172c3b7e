//! Skipping values that nobody reads, and checking them all the same.

/// The place behind the value that begins at `at`, white space before it
/// included; `None` where there is no well-formed value.
pub(super) fn value(text: &[u8], marks: &Marks, mut at: usize) -> Option<usize> {
    let mut inside = Nesting::default();
    loop {
        at = white_space(text, at);
        match text.get(at)? {
            b'"' => at = string(text, marks, at + 1)?,
            b'{' => {
                at = white_space(text, at + 1);
                if text.get(at) != Some(&b'}') {
                    inside.enter(true)?;
                    at = key(text, marks, at, &mut inside)?;
                    continue;
                }
                at += 1;
            }
            b'[' => {
                at = white_space(text, at + 1);
                if text.get(at) != Some(&b']') {
                    inside.enter(false)?;
                    continue;
                }
                at += 1;
            }
            b't' => at = word(text, at, b"true")?,
            b'f' => at = word(text, at, b"false")?,
            b'n' => at = word(text, at, b"null")?,
            _ => at = number(text, at)?,
        }
        // A value has ended, and whatever ends with it.
        loop {
            let Some(is_object) = inside.innermost() else {
                return Some(at);
            };
            at = white_space(text, at);
            match (text.get(at)?, is_object) {
                (b',', true) => {
                    at = key(text, marks, at + 1, &mut inside)?;
                    break;
                }
                (b',', false) => {
                    at += 1;
                    break;
                }
                (b'}', true) | (b']', false) => {
                    at += 1;
                    inside.leave();
                }
                _ => return None,
            }
        }
    }
}

/// The first place at or behind `at` that is not white space.
pub(super) fn white_space(text: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\n' | b'\r' | b'\t') = text.get(at) {
        at += 1;
    }
    at
}

/// The place behind a string whose first quote stands before `at`.
#[inline]
pub(super) fn string(text: &[u8], marks: &Marks, at: usize) -> Option<usize> {
    let at = marks.next(at);
    if text.get(at) == Some(&b'"') { Some(at + 1) } else { escaped(text, marks, at) }
}

/// As [`string`], for one whose first mark is something else. Beside that it
/// would be in the way of what is usual.
#[cold]
#[inline(never)]
fn escaped(text: &[u8], marks: &Marks, mut at: usize) -> Option<usize> {
    loop {
        match text.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at = marks.next(escape(text, at)?),
            _ => return None,
        }
    }
}

/// The place behind `word`, if that stands at `at`.
pub(super) fn word(text: &[u8], at: usize, word: &[u8]) -> Option<usize> {
    let end = at + word.len();
    (text.get(at..end)? == word).then_some(end)
}

/// The place behind a key and its colon, and before them behind all members
/// that read so: `"key":{},`, `"key":"text",`, and the beginning of an object,
/// `"key":{`. That is what `managedFields` are made of, without white space.
fn key(text: &[u8], marks: &Marks, at: usize, inside: &mut Nesting) -> Option<usize> {
    const LEAF: u64 = u64::from_le_bytes(*b":{},\"\0\0\0");
    const OBJECT: u64 = u64::from_le_bytes(*b":{\"\0\0\0\0\0");
    const TEXT: u64 = u64::from_le_bytes(*b":\"\0\0\0\0\0\0");
    const NEXT: u64 = u64::from_le_bytes(*b",\"\0\0\0\0\0\0");
    let mut at = word(text, white_space(text, at), b"\"")?;
    loop {
        at = string(text, marks, at)?;
        let Some(bytes) = text.get(at..at + 8).and_then(<[u8]>::first_chunk) else { break };
        let bytes = u64::from_le_bytes(*bytes);
        if bytes & 0xFF_FFFF_FFFF == LEAF {
            at += 5;
        } else if bytes & 0xFF_FFFF == OBJECT {
            inside.enter(true)?;
            at += 3;
        } else if bytes & 0xFFFF == TEXT {
            let end = string(text, marks, at + 2)?;
            let next = text.get(end..).and_then(<[u8]>::first_chunk).map(|two| u16::from_le_bytes(*two));
            if next.map(u64::from) != Some(NEXT) {
                break;
            }
            at = end + 2;
        } else {
            break;
        }
    }
    word(text, white_space(text, at), b":")
}

fn escape(text: &[u8], at: usize) -> Option<usize> {
    match text.get(at + 1)? {
        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(at + 2),
        b'u' => text.get(at + 2..at + 6)?.iter().all(u8::is_ascii_hexdigit).then_some(at + 6),
        _ => None,
    }
}

fn number(text: &[u8], mut at: usize) -> Option<usize> {
    if text.get(at) == Some(&b'-') {
        at += 1;
    }
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

/// Where in a text the bytes stand that end the plain part of a string: quotes,
/// backslashes and control characters. They are found in one pass before the
/// text is read, because that goes by many bytes at a time and needs no guess
/// at how long a string is.
pub(super) struct Marks(Vec<u8>);

/// Bytes of a text that are looked at together.
const BLOCK: usize = 1024;

impl Marks {
    pub(super) fn of(text: &[u8]) -> Self {
        let mut bits = Vec::with_capacity(text.len() / 8 + 16);
        let mut are_marks = [0; BLOCK];
        for block in text.chunks(BLOCK) {
            // Two plain loops, of which compilers make vector instructions.
            for (is_mark, byte) in are_marks.iter_mut().zip(block) {
                *is_mark = u8::from(*byte == b'"') | u8::from(*byte == b'\\') | u8::from(*byte < b' ');
            }
            let (words, _) = are_marks.as_chunks();
            bits.extend(words.iter().take(block.len().div_ceil(8)).map(|bytes| packed(*bytes)));
        }
        // Behind the end all are marks, so that a search ends there.
        bits.extend_from_slice(&[u8::MAX; 8]);
        Self(bits)
    }

    /// The first mark at or behind `at`; without one a place at or behind the
    /// end of the text.
    #[inline]
    pub(super) fn next(&self, at: usize) -> usize {
        match self.left(at) {
            0 => self.far(at),
            left => at + left.trailing_zeros() as usize,
        }
    }

    #[cold]
    fn far(&self, mut at: usize) -> usize {
        while self.left(at) == 0 {
            at += 64 - at % 8;
        }
        at + self.left(at).trailing_zeros() as usize
    }

    /// The bits of what follows `at`, at least 57 of them.
    #[inline]
    fn left(&self, at: usize) -> u64 {
        let bytes = self.0.get(at / 8..at / 8 + 8).and_then(<[u8]>::first_chunk);
        bytes.map_or(u64::MAX, |bytes| u64::from_le_bytes(*bytes)) >> (at % 8)
    }
}

/// The lowest bits of eight bytes, the first byte's the lowest.
fn packed(bytes: [u8; 8]) -> u8 {
    // Each arrives at a place of its own in the highest byte.
    u64::from_le_bytes(bytes).wrapping_mul(0x0102_0408_1020_4080).to_be_bytes()[0]
}

/// The objects and lists around a value, fewer than a word has bits.
#[derive(Default)]
struct Nesting {
    depth: u32,
    /// One bit each, the innermost the lowest: whether it is an object.
    are_objects: u64,
}

impl Nesting {
    fn enter(&mut self, is_object: bool) -> Option<()> {
        self.depth += 1;
        self.are_objects = self.are_objects << 1 | u64::from(is_object);
        (self.depth <= u64::BITS).then_some(())
    }

    fn leave(&mut self) {
        self.depth -= 1;
        self.are_objects >>= 1;
    }

    fn innermost(&self) -> Option<bool> {
        (self.depth > 0).then_some(self.are_objects & 1 == 1)
    }
}
