//! Expressions in CEL that write mount options: those of a `MutatingAdmissionPolicy` and of a Kyverno
//! `MutatingPolicy` or `GeneratingPolicy`, as JSON patches, as applied configurations and as mappings.

use super::is_background;
use super::texts::leads_to_options;
use crate::subject::driver::names_mount_options;

/// Returns whether `bg` is among the mount options that an expression writes. `None` where it writes none:
/// one that validates reads them only.
pub(super) fn background_of(text: &str) -> Option<bool> {
    let literals = literals(text);
    let writes_path =
        || literals.iter().any(|literal| literal.is_path(text) && !is_taken_away(text, literal.start));
    if !writes_path() && !has_field(text) {
        return None;
    }
    Some(literals.iter().any(|literal| literal.is_written(text) && is_background(literal.text)))
}

/// A text in quotes.
struct Literal<'t> {
    /// The byte of its first quote, and the one after its last.
    start: usize,
    end: usize,
    text: &'t str,
}

impl Literal<'_> {
    /// Returns true for a JSON pointer to mount options, or a part of one: of a patch, or escaped for one.
    fn is_path(&self, text: &str) -> bool {
        let before = text.get(..self.start).unwrap_or_default().trim_end();
        let is_escaped = before.strip_suffix('(').is_some_and(|before| before.trim_end().ends_with(ESCAPES));
        let is_whole = || text.contains("JSONPatch") && (self.text.starts_with('/') || is_of_path(before));
        leads_to_options(self.text) && (is_escaped || is_whole())
    }

    /// Returns true if it is a value or an element, not an operand of a comparison or of a call.
    fn is_written(&self, text: &str) -> bool {
        let before = text.get(..self.start).unwrap_or_default().trim_end();
        let behind = text.get(self.end..).unwrap_or_default().trim_start();
        let is_operand = behind.starts_with("in ") || behind.starts_with(['=', '!']);
        without_types(before).ends_with(['[', ',', ':', '?', '+']) && !is_operand
    }
}

/// The function that escapes a key for a JSON pointer.
const ESCAPES: &str = "jsonpatch.escapeKey";

/// Returns true if a text ends within the path of a patch, after a `+`.
fn is_of_path(before: &str) -> bool {
    before.ends_with('+')
        && before.rsplit_once("path:").is_some_and(|(_, path)| !path.contains([',', '{', '}']))
}

/// Returns the text before a value without the calls around that value which only give it a type.
fn without_types(mut before: &str) -> &str {
    const CALLS: [&str; 3] = ["dyn(", "string(", "optional.of("];
    while let Some(rest) = CALLS.iter().find_map(|call| before.strip_suffix(call)) {
        before = rest.trim_end();
    }
    before
}

/// Returns the texts in quotes.
fn literals(text: &str) -> Vec<Literal<'_>> {
    let mut literals = Vec::new();
    let mut at = 0;
    while let Some(found) = text.get(at..).and_then(|rest| rest.find(['"', '\''])) {
        let start = at + found;
        let rest = text.get(start + 1..).unwrap_or_default();
        let quote = text.as_bytes().get(start).copied().unwrap_or_default();
        let mut is_escaped = false;
        let length = rest.bytes().position(|byte| {
            let ends = byte == quote && !is_escaped;
            is_escaped = byte == b'\\' && !is_escaped;
            ends
        });
        let Some(length) = length else { break };
        at = start + length + 2;
        literals.push(Literal { start, end: at, text: rest.get(..length).unwrap_or_default() });
    }
    literals
}

/// Returns true if the operation around a path takes away what is there, or only tests it.
fn is_taken_away(text: &str, path: usize) -> bool {
    let (before, behind) = text.split_at_checked(path).unwrap_or((text, ""));
    let before = before.rsplit('{').next().unwrap_or_default();
    let behind = behind.split('}').next().unwrap_or_default();
    let is_so = |part: &str| {
        let operation = part.split("op:").nth(1).unwrap_or_default().trim_start();
        let operation = operation.trim_start_matches(['"', '\'']);
        operation.starts_with("remove") || operation.starts_with("test")
    };
    is_so(before) || is_so(behind)
}

/// Returns true if a mapping or a message has a field of mount options.
fn has_field(text: &str) -> bool {
    text.match_indices(':').any(|(colon, _)| {
        let before = text.get(..colon).unwrap_or_default().trim_end().trim_end_matches(['"', '\'', '`']);
        let is_of_name = |letter: char| letter.is_ascii_alphanumeric() || "_-./".contains(letter);
        let rest = before.trim_end_matches(is_of_name);
        let name = before.get(rest.len()..).unwrap_or_default();
        // `?name:` is an optional field.
        let rest = rest.trim_end_matches(['"', '\'', '`']).trim_end().trim_end_matches('?').trim_end();
        rest.ends_with(['{', ',']) && name.rsplit('/').next().is_some_and(names_mount_options)
    })
}

#[cfg(test)]
mod tests {
    use super::background_of;

    #[test]
    fn an_expression_that_writes_options_is_told_from_one_that_reads_them() {
        for (text, found) in [
            ("[JSONPatch{op: \"add\", path: \"/mountOptions/-\", value: \"bg\"}]", Some(true)),
            (
                "[JSONPatch{op: 'add', path: '/spec/volumes/' + string(1) + '/csi/volumeAttributes/mountOptions', value: 'hard,bg'}]",
                Some(true),
            ),
            (
                "[JSONPatch{path: '/mountOptions', op: 'replace', value: object.mountOptions.filter(o, o != 'bg')}]",
                Some(false),
            ),
            ("[JSONPatch{op: 'remove', path: '/mountOptions/0'}]", None),
            ("[JSONPatch{path: '/mountOptions', op: \"test\", value: []}]", None),
            (
                "[JSONPatch{op: 'test', path: '/mountOptions/0', value: 'fg'}, JSONPatch{op: 'add', path: '/mountOptions/-', value: 'hard'}]",
                Some(false),
            ),
            ("Object{mountOptions: [\"hard\", \"bg\"]}", Some(true)),
            ("Object{\n  spec: Object.spec{\n    mountOptions: [\"hard\"]\n  }\n}", Some(false)),
            (
                "Object{metadata: Object.metadata{annotations: {'volume.beta.kubernetes.io/mount-options': 'bg'}}}",
                Some(true),
            ),
            ("Object{?mountOptions: optional.of(['hard'])}", Some(false)),
            // A path that is made of parts.
            (
                "[JSONPatch{op: 'add', path: '/metadata/annotations/' + jsonpatch.escapeKey('volume.beta.kubernetes.io/mount-options'), value: 'hard,bg'}]",
                Some(true),
            ),
            ("[JSONPatch{op: 'add', path: '/spec/' + 'mountOptions', value: ['hard']}]", Some(false)),
            ("'/metadata/annotations/' + jsonpatch.escapeKey( 'a.b/mount-options')", Some(false)),
            (
                "[JSONPatch{op: 'remove', path: '/metadata/annotations/' + jsonpatch.escapeKey('a.b/mount-options')}]",
                None,
            ),
            ("[JSONPatch{op: 'add', path: '/metadata/labels/a', value: 'x' + 'mountOptions'}]", None),
            // A mapping that becomes an object.
            ("[{\"kind\": dyn(\"StorageClass\"), \"mountOptions\": dyn([\"hard\", \"bg\"])}]", Some(true)),
            ("[{'kind': 'StorageClass', 'mountOptions': [dyn('hard'), dyn('bg')]}]", Some(true)),
            ("generator.Apply('', [{'mountOptions': ['hard']}])", Some(false)),
            ("!('bg' in object.mountOptions)", None),
            ("has(object.mountOptions) ? object.mountOptions : []", None),
            ("Object{allowVolumeExpansion: has(object.mountOptions) ? object.mountOptions : []}", None),
            ("Object{provisioner: 'a'}", None),
            ("'an open quote", None),
        ] {
            assert_eq!(background_of(text), found, "{text}");
        }
    }
}
