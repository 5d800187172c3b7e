//! Helm templates, and what merely looks like one.
//!
//! A template that is not rendered is not valid YAML: where `{{` opens a value,
//! go-yaml finds a mapping as the key of a mapping and refuses the document.
//! `{{` in a comment, in quotes or inside a plain scalar is text like any other.

use saphyr_parser::Parser;

/// What opens a template's action.
const OPEN: &str = "{{";

/// Places of `{{` that are tried, from the error backwards.
const MOST_TRIED: usize = 4;

/// Whether a value that `{{` opens is what makes `text` no YAML at `offset`.
pub(super) fn breaks_at(text: &str, offset: usize) -> bool {
    // The scanner may complain of the braces themselves.
    let end = text.len().min(offset + OPEN.len());
    let before = text.get(..end).unwrap_or(text);
    before
        .rmatch_indices(OPEN)
        .take(MOST_TRIED)
        .any(|(at, _)| opens_a_value(before.get(..at).unwrap_or_default()))
}

/// Whether a value begins behind `before`: with `{{` there it is no YAML, with a
/// word it is. In a comment or inside a scalar both are YAML, in quotes neither.
fn opens_a_value(before: &str) -> bool {
    // It may be a key, or one bracket may still be open.
    ["", ": b", "]", "}"]
        .iter()
        .any(|close| is_yaml(&format!("{before}a{close}")) && !is_yaml(&format!("{before}{OPEN}{close}")))
}

fn is_yaml(text: &str) -> bool {
    Parser::new_from_str(text).all(|event| event.is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn braces_in_comments_quotes_and_scalars_are_text() {
        for before in ["# ", "a: b # ", "a: '", "a: \"", "a: b ", "a: b", "a: |\n  x ", "- x"] {
            assert!(!opens_a_value(before), "{before}");
        }
        for before in ["", "a: ", "- ", "a:\n  ", "a: b\n", "a: [", "a: [b, ", "a: {b: "] {
            assert!(opens_a_value(before), "{before}");
        }
    }
}
