//! Placeholders in a file that another program fills in before the object
//! reaches a cluster: `${X}` and `${X:=4.1}` (envsubst, Flux), `$(X)`
//! (kustomize) and `{{ x }}` (Helm and other templates). Their values are not known here; a comma
//! or a quote inside one separates nothing.

use std::borrow::Cow;
use std::ops::Range;

/// The syntax of a placeholder.
struct Form {
    open: &'static str,
    close: &'static str,
    /// The inner opening texts that want a close of their own.
    nests: &'static str,
}

const FORMS: [Form; 3] = [
    Form { open: "${", close: "}", nests: "{" },
    Form { open: "$(", close: ")", nests: "(" },
    Form { open: "{{", close: "}}", nests: "{{" },
];

/// Returns the placeholders of `text`, in order. One that nothing closes is text like any other.
///
/// ```
/// # use nfs_mount_guard_engine::nfs::placeholder::placeholders;
/// let found = |text: &str| placeholders(text).collect::<Vec<_>>();
/// assert_eq!(found("nfsvers=${V:=4.1},hard"), [8..17]);
/// assert!(found("$X,%X%,${X,{x}").is_empty());
/// ```
pub fn placeholders(text: &str) -> impl Iterator<Item = Range<usize>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
            let start = at + rest.find(['$', '{'])?;
            match text.get(start..).and_then(length) {
                Some(length) => {
                    at = start + length;
                    return Some(start..at);
                }
                // A sign that nothing closes is text.
                None => at = start + 1,
            }
        }
        None
    })
}

/// Returns true if `text` has a placeholder.
pub fn has_placeholder(text: &str) -> bool {
    placeholders(text).next().is_some()
}

/// Returns true if `text` is one placeholder and nothing else.
pub fn is_placeholder(text: &str) -> bool {
    placeholders(text).next() == Some(0..text.len())
}

/// Returns `text` with letters in place of its placeholders, byte for byte.
pub fn masked(text: &str) -> Cow<'_, str> {
    let mut masked = String::new();
    let mut at = 0;
    for range in placeholders(text) {
        masked.push_str(text.get(at..range.start).unwrap_or_default());
        // The same length, so that the places of commas and quotes stay.
        masked.extend(range.clone().map(|_| 'x'));
        at = range.end;
    }
    if at == 0 {
        return text.into();
    }
    masked.push_str(text.get(at..).unwrap_or_default());
    masked.into()
}

/// Returns true if a template printed a part of `text` in place of a value that it did not have: Go's
/// `text/template` and `fmt` write these for nothing.
///
/// ```
/// # use nfs_mount_guard_engine::nfs::placeholder::is_leftover;
/// assert!(is_leftover("nfsvers=<no value>") && is_leftover("%!s(<nil>)") && is_leftover("[]"));
/// assert!(!is_leftover("hard") && !is_leftover("[hard]"));
/// ```
pub fn is_leftover(text: &str) -> bool {
    matches!(text.trim(), "[]" | "map[]" | "[ ]")
        || text.contains('<') && ["<no value>", "<nil>"].iter().any(|word| text.contains(word))
}

/// Functions of templates of which a text in quotes is the result. Others compare with one.
const CHOICES: [&str; 3] = ["default ", "ternary ", "coalesce "];

/// Returns the texts in the placeholders of `text` that may come in their place, each with its beginning:
/// what `${X:=bg}`, `${X:-bg}` and `${X:+bg}` name, and the texts in quotes of `{{ default "bg" x }}`.
pub fn literals(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    for range in placeholders(text) {
        let Some(placeholder) = text.get(range.clone()) else { continue };
        if let Some(inner) = placeholder.strip_prefix("${").and_then(|inner| inner.strip_suffix('}')) {
            let name = inner.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
            let Some((at, rest)) = name.and_then(|at| Some((at, inner.get(at..)?))) else { continue };
            let operator = [":-", ":=", ":+", "-", "=", "+"].into_iter().find(|sign| rest.starts_with(sign));
            let Some(value) = operator.and_then(|sign| rest.get(sign.len()..)) else { continue };
            // Past `${`, the name and the operator.
            found.push((range.start + 2 + at + rest.len() - value.len(), value));
        } else if placeholder.starts_with("{{") && CHOICES.iter().any(|choice| placeholder.contains(choice)) {
            found.extend(quoted(placeholder).into_iter().map(|(at, literal)| (range.start + at, literal)));
        }
    }
    found
}

/// Returns the texts between two quotes of one sort, each with its beginning.
fn quoted(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(start) =
        text.get(at..).and_then(|rest| rest.find(['"', '\'', '`'])).map(|start| at + start)
    {
        let begin = start + 1;
        let quote = text.get(start..begin).unwrap_or_default();
        let Some(length) = text.get(begin..).and_then(|rest| rest.find(quote)) else { break };
        found.extend(text.get(begin..begin + length).map(|literal| (begin, literal)));
        at = begin + length + 1;
    }
    found
}

/// Returns the bytes of the placeholder that `text` begins with.
fn length(text: &str) -> Option<usize> {
    let form = FORMS.iter().find(|form| text.starts_with(form.open))?;
    let (mut at, mut depth) = (form.open.len(), 1_usize);
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        if rest.starts_with(form.close) {
            at += form.close.len();
            depth -= 1;
            if depth == 0 {
                return Some(at);
            }
        } else if rest.starts_with(form.nests) {
            at += form.nests.len();
            depth += 1;
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<&str> {
        placeholders(text).filter_map(|range| text.get(range)).collect()
    }

    #[test]
    fn a_placeholder_ends_where_its_own_bracket_closes() {
        for (text, wanted) in [
            ("nfsvers=${NFS_VERSION:=4.1}", vec!["${NFS_VERSION:=4.1}"]),
            ("${A:-${B:-hard,bg}},fg", vec!["${A:-${B:-hard,bg}}"]),
            ("$(NFS_VERSION)", vec!["$(NFS_VERSION)"]),
            ("$(a $(b, c)),d", vec!["$(a $(b, c))"]),
            ("timeo={{ .Values.timeo | default \"6,0\" }}0", vec!["{{ .Values.timeo | default \"6,0\" }}"]),
            ("{{- if .x -}}bg{{- end }}", vec!["{{- if .x -}}", "{{- end }}"]),
            ("${A}${B}=$(C)", vec!["${A}", "${B}", "$(C)"]),
            ("$${A}", vec!["${A}"]),
            ("é${é}é", vec!["${é}"]),
            ("${}", vec!["${}"]),
        ] {
            assert_eq!(found(text), wanted, "{text}");
        }
    }

    #[test]
    fn what_is_not_closed_or_written_otherwise_is_text() {
        for text in
            ["", "$", "{", "$A", "%A%", "{a}", "@A@", "<A>", "${A", "$(A", "{{ A }", "a}b)c}}", "$ {A}"]
        {
            assert!(!has_placeholder(text), "{text}");
        }
        assert_eq!(found("${A ${B}"), ["${B}"]);
    }

    #[test]
    fn the_texts_that_may_come_in_the_place_of_a_placeholder_are_found() {
        for (text, wanted) in [
            ("${MODE:=bg}", vec![(8, "bg")]),
            ("hard,${MODE:-bg,soft}", vec![(13, "bg,soft")]),
            ("${A:+bg}${B-fg}", vec![(5, "bg"), (12, "fg")]),
            ("{{ .Values.mode | default \"bg\" }}", vec![(27, "bg")]),
            ("{{ ternary `bg` 'fg' .x }}", vec![(12, "bg"), (17, "fg")]),
            ("{{ if eq .mode \"bg\" }}", vec![]),
            ("${MODE}", vec![]),
            ("${#A}", vec![]),
            ("$(MODE)", vec![]),
            ("{{ \"bg }}", vec![]),
        ] {
            assert_eq!(literals(text), wanted, "{text}");
            let is_there =
                |(at, literal): &(usize, &str)| text.get(*at..).is_some_and(|rest| rest.starts_with(literal));
            assert!(literals(text).iter().all(is_there), "{text}");
        }
    }

    #[test]
    fn a_mask_keeps_every_byte_in_its_place() {
        assert_eq!(masked("hard,a=${B,\"C},d"), "hard,a=xxxxxxx,d");
        assert_eq!(masked("${é}é"), "xxxxxé");
        assert!(matches!(masked("hard"), Cow::Borrowed("hard")));
    }
}
