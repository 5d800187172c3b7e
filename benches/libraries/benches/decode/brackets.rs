//! A scan that knows of JSON no more than strings and brackets.

use wide::i8x64;

/// Returns the number of brackets that are open at the end of `text`.
pub fn depth(text: &[u8]) -> i64 {
    let (blocks, rest) = text.as_chunks::<64>();
    let mut last = [b' '; 64];
    last[..rest.len()].copy_from_slice(rest);
    let mut scan = Scan::default();
    for block in blocks.iter().chain([&last]) {
        scan.add(block);
    }
    scan.depth
}

#[derive(Default)]
struct Scan {
    depth: i64,
    /// All bits where the last block ended in a string, else none.
    in_string: u64,
    /// True if the last block ended with a backslash that escapes what follows.
    is_escaped: bool,
}

impl Scan {
    fn add(&mut self, block: &[u8; 64]) {
        let bytes = i8x64::new(block.map(u8::cast_signed));
        let are = |byte: u8| bytes.simd_eq(i8x64::splat(byte.cast_signed()));
        let escaped = self.escaped(are(b'\\').to_bitmask());
        let mut strings = are(b'"').to_bitmask() & !escaped;
        // Each bit becomes the parity of those up to it.
        for distance in [1, 2, 4, 8, 16, 32] {
            strings ^= strings << distance;
        }
        strings ^= self.in_string;
        self.in_string = if strings >> 63 == 1 { u64::MAX } else { 0 };
        let opening = (are(b'{') | are(b'[')).to_bitmask() & !strings;
        let closing = (are(b'}') | are(b']')).to_bitmask() & !strings;
        self.depth += i64::from(opening.count_ones()) - i64::from(closing.count_ones());
    }

    /// The bytes that a backslash escapes.
    fn escaped(&mut self, mut backslashes: u64) -> u64 {
        let mut escaped = u64::from(self.is_escaped);
        backslashes &= !escaped;
        self.is_escaped = false;
        while backslashes != 0 {
            let backslash = backslashes & backslashes.wrapping_neg();
            self.is_escaped = backslash >> 63 == 1;
            escaped |= backslash << 1;
            backslashes &= !(backslash | backslash << 1);
        }
        escaped
    }
}
