//! Placeholders in a file that another program fills in before the object
//! reaches a cluster: `${X}` and `${X:=4.1}` (envsubst, Flux), `$(X)`
//! (kustomize) and `{{ x }}` (Helm and other templates). Their values are not known here; a comma
//! or a quote inside one separates nothing.

use std::borrow::Cow;
use std::ops::Range;

use super::option::Piece;
use super::reading::every_piece;

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
const CHOICES: [&str; 4] = ["default ", "ternary ", "coalesce ", "list "];

/// Actions of templates that decide about the text around them.
const CONTROL: [&str; 5] = ["if", "else", "end", "with", "range"];

/// A text that a program may write in the place of others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Literal<'t> {
    /// Its first byte.
    pub start: usize,
    /// The text itself.
    pub text: &'t str,
    /// The bytes in the place of which it comes.
    pub within: Range<usize>,
}

/// Returns the texts of `text` that may come in the place of its placeholders: what `${X:=bg}`, `${X:-bg}` and
/// `${X:+bg}` name, the texts in quotes of `{{ "bg" }}` and `{{ default "bg" x }}`, and those between
/// `{{ if }}`, `{{ else }}` and `{{ end }}`.
pub fn literals(text: &str) -> Vec<Literal<'_>> {
    literals_to(text, MOST_NESTED)
}

/// Most values that are looked for inside of values: a text may be hostile, and nest without end.
const MOST_NESTED: usize = 32;

fn literals_to(text: &str, nested: usize) -> Vec<Literal<'_>> {
    let mut found = Vec::new();
    let mut control: Vec<Range<usize>> = Vec::new();
    for range in placeholders(text) {
        let Some(placeholder) = text.get(range.clone()) else { continue };
        if let Some((at, value)) = value_of_variable(placeholder) {
            let start = range.start + at;
            found.push(Literal { start, text: value, within: range.clone() });
            // A value may name another variable, with a value of its own.
            let inner = nested.checked_sub(1).map(|nested| literals_to(value, nested));
            found.extend(inner.into_iter().flatten().map(|inner| Literal {
                start: start + inner.start,
                within: range.clone(),
                ..inner
            }));
        } else if let Some(action) = placeholder.strip_prefix("{{") {
            let action = action.trim_start_matches(['-', ' ']);
            let word =
                action.split(|letter: char| !letter.is_ascii_alphanumeric()).next().unwrap_or_default();
            if CONTROL.contains(&word) {
                control.push(range);
            } else if action.starts_with(['"', '`']) || CHOICES.iter().any(|choice| action.contains(choice)) {
                let quoted = quoted(placeholder).into_iter();
                found.extend(quoted.map(|(at, text)| Literal {
                    start: range.start + at,
                    text,
                    within: range.clone(),
                }));
            }
        }
    }
    let (first, last) = (control.first().cloned(), control.last().cloned());
    if let (Some(first), Some(last)) = (first, last) {
        let branches = control.windows(2).filter_map(|pair| match pair {
            [before, after] => Some((before.end, text.get(before.end..after.start)?)),
            _ => None,
        });
        let within = first.start..last.end;
        found.extend(branches.map(|(start, text)| Literal { start, text, within: within.clone() }));
    }
    found
}

/// Returns the value that `${X:=value}` and its like name, and its beginning.
fn value_of_variable(placeholder: &str) -> Option<(usize, &str)> {
    let inner = placeholder.strip_prefix("${")?.strip_suffix('}')?;
    let at = inner.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')?;
    let rest = inner.get(at..)?;
    let operator = [":-", ":=", ":+", "-", "=", "+"].into_iter().find(|sign| rest.starts_with(sign))?;
    let value = rest.get(operator.len()..)?;
    // Past `${`, the name and the operator.
    Some((2 + at + operator.len(), value))
}

/// Returns the options that a literal may become: without its first piece where that is only a part of an
/// option, as in `fsc=${X:-bg}`, and without its last where another text continues it.
pub fn options_of<'t>(text: &str, literal: &Literal<'t>) -> impl Iterator<Item = Piece<'t>> {
    let is_joined = |rest: &str| !masked_out(rest).trim().is_empty();
    let before = text.get(..literal.within.start).unwrap_or_default();
    let before = masked(before).rfind(',').map_or(0, |comma| comma + 1);
    let head = is_joined(text.get(before..literal.within.start).unwrap_or_default());
    let after = text.get(literal.within.end..).unwrap_or_default();
    let after = after.get(..masked(after).find(',').unwrap_or(after.len())).unwrap_or_default();
    // `bg` is bg whatever follows its `=`.
    let tail = is_joined(after) && !masked_out(after).starts_with('=');
    let length = literal.text.len();
    every_piece(literal.text)
        .filter(move |piece| !(head && piece.range.start == 0 || tail && piece.range.end == length))
}

/// Returns `text` without its placeholders.
fn masked_out(text: &str) -> String {
    let (mut rest, mut at) = (String::new(), 0);
    for range in placeholders(text) {
        rest.push_str(text.get(at..range.start).unwrap_or_default());
        at = range.end;
    }
    rest.push_str(text.get(at..).unwrap_or_default());
    rest
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
            ("{{ \"bg\" }}", vec![(4, "bg")]),
            ("{{ list \"hard\" \"bg\" | join \",\" }}", vec![(9, "hard"), (16, "bg"), (28, ",")]),
            ("{{ if .x }}bg{{ else }}fg{{ end }}", vec![(11, "bg"), (23, "fg")]),
            ("${A:-${B:-bg}}", vec![(5, "${B:-bg}"), (10, "bg")]),
            ("${MODE}", vec![]),
            ("${#A}", vec![]),
            ("$(MODE)", vec![]),
            ("{{ \"bg }}", vec![]),
        ] {
            let found: Vec<_> = literals(text).iter().map(|literal| (literal.start, literal.text)).collect();
            assert_eq!(found, wanted, "{text}");
            let is_there =
                |(at, literal): &(usize, &str)| text.get(*at..).is_some_and(|rest| rest.starts_with(literal));
            assert!(found.iter().all(is_there), "{text}");
        }
    }

    #[test]
    fn values_that_nest_without_end_are_read_to_a_bound() {
        let nested = |depth: usize| format!("{}bg{}", "${A:-".repeat(depth), "}".repeat(depth));
        let has_background =
            |depth: usize| literals(&nested(depth)).iter().any(|literal| literal.text == "bg");
        assert!(has_background(MOST_NESTED));
        assert_eq!(literals(&nested(100_000)).len(), MOST_NESTED + 1);
    }

    #[test]
    fn a_function_whose_name_begins_as_an_action_makes_no_branch() {
        assert_eq!(literals("{{ endpoint }}bg{{ iffy }}"), []);
    }

    #[test]
    fn a_literal_that_is_a_part_of_an_option_is_none() {
        let options = |text: &str| {
            let literals = literals(text);
            let of = |literal: &Literal<'_>| {
                options_of(text, literal).map(|piece| piece.text.to_owned()).collect::<Vec<_>>()
            };
            literals.iter().flat_map(of).collect::<Vec<_>>()
        };
        for (text, wanted) in [
            ("${MODE:-bg}", vec!["bg"]),
            ("hard,${MODE:-bg}", vec!["bg"]),
            ("fsc=${TAG:-bg}", vec![]),
            ("fsc=${TAG:-a,bg}", vec!["bg"]),
            ("${TAG:-bg}x", vec![]),
            ("${TAG:-bg}=1", vec!["bg"]),
            ("${A}${TAG:-bg}${B}", vec!["bg"]),
            ("x,{{ if .x }}bg{{ else }}fg{{ end }},y", vec!["bg", "fg"]),
            ("timeo={{ if .x }}bg{{ end }}", vec![]),
        ] {
            assert_eq!(options(text), wanted, "{text}");
        }
    }

    #[test]
    fn a_mask_keeps_every_byte_in_its_place() {
        assert_eq!(masked("hard,a=${B,\"C},d"), "hard,a=xxxxxxx,d");
        assert_eq!(masked("${é}é"), "xxxxxé");
        assert!(matches!(masked("hard"), Cow::Borrowed("hard")));
    }
}
