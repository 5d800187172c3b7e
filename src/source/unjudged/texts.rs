//! Texts that hold mount options: paths, assignments, and documents that stand
//! in another one.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use memchr::memmem;

use super::super::text::Lines;
use super::super::tree::Tree;
use super::super::trees;
use crate::subject::driver::{ends_with_mount_options, names_mount_options};

/// Returns true if a text, such as a patch or a manifest in another one, has a line `mountOptions:`
/// with something after it or below.
pub(super) fn has_key(text: &str) -> bool {
    text.lines().any(|line| {
        let line = line.trim_start().trim_start_matches("- ");
        let key = line.split_once([':', '=']).map_or("", |(key, _)| key.trim());
        let quotes = ['"', '\'', '{', '}', '[', ']', ',', ' '];
        let value = line.split_once(':').map_or("", |(_, value)| value).trim_matches(quotes);
        let key = key.trim_matches(quotes);
        names_mount_options(key) || key == "path" && value.starts_with('/') && leads_to_options(value)
    })
}

/// Returns true if code gives a list, a text or a mapping to a field of mount options or to such an argument,
/// wherever on a line: `[{mountOptions = ["bg"]}]` of KCL, `{mountOptions: ['bg']}` of Jsonnet.
pub(super) fn has_field(text: &str) -> bool {
    text.match_indices([':', '=']).any(|(at, sign)| {
        let value = text.get(at + 1..).unwrap_or_default().trim_start();
        let marks: &[char] = &['"', '\'', ' ', ':', '+', '?'];
        let before = text.get(..at).unwrap_or_default().trim_end_matches(marks);
        let is_of_name = |letter: char| letter.is_ascii_alphanumeric() || "_-./".contains(letter);
        let rest = before.trim_end_matches(is_of_name);
        let name = before.get(rest.len()..).unwrap_or_default();
        let rest = rest.trim_end_matches(['"', '\'']).trim_end();
        value.starts_with(['[', '"', '\'', '{'])
            && names_mount_options(name)
            && (rest.ends_with('{')
                || rest.ends_with('(') && sign == "="
                || rest.ends_with(',') && rest.contains(['{', '(']))
    })
}

/// Returns true for a key of a text that people read.
pub(super) fn is_for_people(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    ["description", "message"].iter().any(|word| key.contains(word))
}

/// Returns true if a path leads to mount options, or to one of them: a JSON pointer, or keys with a
/// dot between them as Helm writes them.
pub(super) fn leads_to_options(path: &str) -> bool {
    let is_path = !path.contains(char::is_whitespace);
    is_path && path.replace("~1", "/").split(['.', '/', '[', ']']).any(names_options)
}

/// Returns true for the name of a parameter, a variable or a flag of mount options.
pub(super) fn names_options(name: &str) -> bool {
    names_mount_options(name) || ends_with_mount_options(name)
}

/// Returns a key of Helm's without the index after it: `storageClass.mountOptions[0]`.
pub(super) fn without_index(key: &str) -> &str {
    match key.strip_suffix(']').and_then(|inner| inner.rsplit_once('[')) {
        Some((key, index)) if index.bytes().all(|byte| byte.is_ascii_digit()) => key,
        _ => key,
    }
}

/// Returns true if a text is an assignment to mount options, or arguments with one:
/// `mountOptions=bg`, `--set storageClass.mountOptions={bg}`.
pub(super) fn assigns_options(text: &str) -> bool {
    // A sentence may hold one, too.
    let is_flag = |word: &str| word.starts_with('-');
    let mut after_flag = false;
    let all_arguments = text.split_whitespace().all(|word| {
        let is_argument = after_flag || is_flag(word) || word.contains('=');
        after_flag = is_flag(word);
        is_argument
    });
    if !all_arguments {
        return false;
    }
    // Longhorn takes options in the query of a URL.
    let words = text.split([' ', '\t', ',', '"', '\'', '?', '&']).map(|word| word.trim_start_matches('-'));
    words.filter_map(|word| word.split_once('=')).any(|(mut key, mut value)| {
        // `--set=key=value`
        if let Some((inner, of_inner)) = value.split_once('=').filter(|_| !names_options(key)) {
            (key, value) = (inner, of_inner);
        }
        !value.is_empty() && !value.starts_with('=') && names_options(without_index(key))
    })
}

/// Returns true if the word `bg` stands in what is not read closely, such as a template: there it
/// may be an option.
pub(super) fn mentions_background(text: &str) -> bool {
    let is_of_option = |letter: char| letter.is_ascii_alphanumeric() || "_-=.".contains(letter);
    text.split(|letter| !is_of_option(letter))
        .any(|word| word == "bg" || word.rsplit('=').next() == Some("bg") || word.starts_with("bg="))
}

/// Returns true if a text of one line is a sentence, and no document of one entry.
pub(super) fn is_prose(text: &str) -> bool {
    let text = text.trim_start().trim_start_matches("- ");
    if text.starts_with(['{', '[']) {
        return false;
    }
    let Some((key, value)) = text.split_once(": ") else { return true };
    let value = value.trim();
    let is_word = |text: &str| !text.contains(char::is_whitespace);
    !is_word(key.trim()) || !(is_word(value) || value.starts_with(['{', '[', '"', '\'']))
}

/// Returns a text in base64, as a Secret has it; `None` where it is none in UTF-8.
pub(super) fn decoded(text: &str) -> Option<String> {
    let text: String = text.split_whitespace().collect();
    String::from_utf8(STANDARD.decode(text).ok()?).ok()
}

/// The sort of a text inside a document.
pub(super) enum Embedded<'e> {
    /// Documents that can be read.
    Documents(Documents<'e>),
    /// Something else, or not yet rendered.
    Other,
}

/// The documents of a text in another one.
pub(super) struct Documents<'e> {
    text: &'e str,
    lines: Lines<'e>,
}

impl<'e> Embedded<'e> {
    pub(super) fn read(text: &'e str) -> Self {
        let documents = Documents { text, lines: Lines::new(text) };
        // Lines of assignments are one scalar to YAML.
        let is_scalar = |tree: &Tree<'_>| tree.root().is_some_and(|root| tree.text(root).is_some());
        let is_read = trees(text, &documents.lines)
            .all(|tree| tree.is_ok_and(|tree| !tree.is_template && !is_scalar(&tree)));
        if is_read { Self::Documents(documents) } else { Self::Other }
    }
}

impl Documents<'_> {
    pub(super) fn trees(&self) -> impl Iterator<Item = Tree<'_>> {
        trees(self.text, &self.lines).filter_map(Result::ok)
    }
}

/// Returns true if a text may hold mount options, without looking closely. A Secret may: what is in
/// base64 shows no word.
pub(crate) fn may_hold_options(part: &str) -> bool {
    let bytes = part.as_bytes();
    let follows = |at: usize, word: &[u8]| {
        let rest = bytes.get(at..).unwrap_or_default();
        let rest = rest.strip_prefix(b"_").or(rest.strip_prefix(b"-")).unwrap_or(rest);
        rest.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word))
    };
    let of_mount = memmem::find_iter(bytes, b"ount")
        .any(|at| [&b"opt"[..], b"flag"].iter().any(|word| follows(at + 4, word)));
    of_mount
        || [
            "nfsOptions", "nfs_options", "nfs-options", "ptions\"", "ptions:", "/options", "\\u", "MOUNT",
            "NFS", "\"Secret\"", "binaryData", "nfsmount", " nfs ", " nfs4 ", "\\tnfs", "Type=nfs",
            "\"data:", "mount.nfs", "mount ", "mount\"", "mounts:", "mounts\"", "[Mount]", "opts\"", "opts:",
            "/&", "-fstype", "\"-o", "\"nfs\",", "\"nfs4\",", "type=nfs", "mount_default",
        ]
        .iter()
        .any(|word| memmem::find(bytes, word.as_bytes()).is_some())
}

#[cfg(test)]
mod tests {
    use super::super::is_background;

    #[test]
    fn bg_is_seen_in_a_value_of_which_a_program_makes_the_options() {
        for (text, has_bg) in [
            ("{nfsvers=4,bg}", true),
            ("{bg}", true),
            ("{nfsvers=4,fg}", false),
            ("[]string | default=[\"hard\",\"bg\"]", true),
            ("[]string | default=[\"hard\"]", false),
            ("string | default=bg", true),
            ("${a ? [\"bg\"] : []}", true),
            ("hard,bg", true),
            ("bg.example.com:/x", false),
        ] {
            assert_eq!(is_background(text), has_bg, "{text}");
        }
    }
}
