//! Finds bytes that cannot be read but may contain objects that are evaluated.
//!
//! kubectl reads more than this program: UTF-16 with a mark, bytes that are no
//! UTF-8 (cli-runtime, `FileVisitor`), some texts that another YAML reader
//! refuses. A file that a walk cannot read is passed over only where no kind and
//! no key of ours stands in it, however it is spelt.

use memchr::memmem;

/// Kinds that are evaluated, keys that hold options or an inline volume, and the tag
/// after which both may be.
const WORDS: [&str; 10] = [
    "StorageClass", "PersistentVolume", "VolumeSnapshotClass", "volumeAttributes", "mountOptions",
    "mount-options", "csi:", "csi\"", "!binary", ":binary",
];

/// Returns true if one of these words stands in the bytes: as it is, in UTF-16 or UTF-32, or with
/// the escapes of JSON and YAML.
pub fn speaks_of_volumes(bytes: &[u8]) -> bool {
    let has_word = |bytes: &[u8]| WORDS.iter().any(|word| memmem::find(bytes, word.as_bytes()).is_some());
    if has_word(bytes) {
        return true;
    }
    // UTF-16 and UTF-32 write a letter with NULs beside it.
    let letters: Vec<u8> = bytes.iter().copied().filter(|byte| *byte != 0).collect();
    has_word(&letters) || letters.iter().any(|byte| b"\\%".contains(byte)) && has_word(&unescaped(&letters))
}

/// Returns the bytes with their escapes carried out, as far as these make ASCII.
fn unescaped(bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((first, behind)) = rest.split_first() {
        let (letter, left) = match (first, behind.split_first()) {
            (b'\\', Some((kind, behind))) => match kind {
                b'x' => coded(behind, 2),
                b'u' => coded(behind, 4),
                b'U' => coded(behind, 8),
                _ => (None, joined(behind_break(*kind, behind))),
            },
            // A tag escapes characters with %.
            (b'%', Some(_)) => coded(behind, 2),
            _ => (Some(*first), behind),
        };
        plain.extend(letter);
        rest = left;
    }
    plain
}

/// Returns the letter that so many digits name, and what stands after them.
fn coded(bytes: &[u8], digits: usize) -> (Option<u8>, &[u8]) {
    let code = bytes.get(..digits).and_then(|digits| std::str::from_utf8(digits).ok());
    let code = code.and_then(|code| u32::from_str_radix(code, 16).ok());
    match code {
        Some(code) => (u8::try_from(code).ok(), bytes.get(digits..).unwrap_or_default()),
        None => (None, bytes),
    }
}

/// Returns the text after a backslash and `letter`, and whether that was the beginning of a line
/// break, of which Go's reader knows five.
fn behind_break(letter: u8, behind: &[u8]) -> (bool, &[u8]) {
    match letter {
        b'\n' | b'\r' => (true, behind),
        0xC2 => behind.strip_prefix(b"\x85").map_or((false, behind), |behind| (true, behind)),
        0xE2 => match behind {
            [0x80, 0xA8 | 0xA9, behind @ ..] => (true, behind),
            _ => (false, behind),
        },
        _ => (false, behind),
    }
}

/// Returns a continuation line: the white space it begins with does not count.
fn joined((is_break, behind): (bool, &[u8])) -> &[u8] {
    let blanks = behind.iter().take_while(|byte| is_break && byte.is_ascii_whitespace()).count();
    behind.get(blanks..).unwrap_or_default()
}

/// Returns true if a Pod may be among the objects of a text.
pub fn may_hold_pods(text: &[u8]) -> bool {
    let is_word = |byte: Option<&u8>| byte.is_none_or(|byte| !byte.is_ascii_alphanumeric());
    memmem::find_iter(text, "Pod").any(|at| {
        is_word(at.checked_sub(1).and_then(|before| text.get(before))) && is_word(text.get(at + "Pod".len()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_found_in_every_spelling() {
        let utf16 = |order: fn(u16) -> [u8; 2]| "kind: StorageClass".encode_utf16().flat_map(order).collect();
        let utf32 = "mountOptions".chars().flat_map(|c| u32::from(c).to_le_bytes()).collect();
        for bytes in [
            b"\xFFkind: StorageClass".to_vec(),
            b"kind: \"Storage\\x43lass\"".to_vec(),
            b"{\"\\u006bind\":\"Persistent\\u0056olume\"}".to_vec(),
            b"\"\\U0000006dountOptions\"".to_vec(),
            b"\"mount\\\n   Options\"".to_vec(),
            "\"mount\\\u{2028} Options\"".into(),
            "\"mount\\\u{85}Options\"".into(),
            utf16(u16::to_le_bytes),
            utf16(u16::to_be_bytes),
            utf32,
            b"volume.beta.kubernetes.io/mount-options".to_vec(),
            b"kind: Pod\nspec: {volumes: [{nfs: {}, csi: {}}]}".to_vec(),
            b"{\"kind\":\"Pod\",\"spec\":{\"volumes\":[{\"csi\" : 1}]}}".to_vec(),
            b"kind: !!binary U3RvcmFnZUNsYXNz".to_vec(),
            b"kind: !!bin%61ry U3RvcmFnZUNsYXNz".to_vec(),
        ] {
            assert!(speaks_of_volumes(&bytes), "{}", String::from_utf8_lossy(&bytes));
        }
        for bytes in
            [&b"kind: ConfigMap"[..], b"\\", b"\\x", b"\\u00", b"\\\xE2", b"Storage\nClass", &[0, 1, 2]]
        {
            assert!(!speaks_of_volumes(bytes), "{}", String::from_utf8_lossy(bytes));
        }
    }
}
