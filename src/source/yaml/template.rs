//! Helm templates, and what merely looks like one.
//!
//! A template that is not rendered is not valid YAML: where `{{` opens a value,
//! go-yaml finds a mapping as the key of a mapping and refuses the document.
//! `{{` in a comment, in quotes or inside a plain scalar is text like any other.

use saphyr_parser::Parser;

/// The opening of a template's action.
const OPEN: &str = "{{";

/// Places of `{{` that are tried, from the error backwards.
const MOST_TRIED: usize = 4;

/// Returns true if a value that `{{` opens is what makes `text` no YAML at `offset`. `is_read`
/// tells whether a text is read as kubectl reads it.
pub(super) fn breaks_at(text: &str, offset: usize, is_read: fn(&str) -> bool) -> bool {
    // The scanner may complain of the braces themselves.
    let end = text.len().min(offset + OPEN.len());
    let before = text.get(..end).unwrap_or(text);
    before
        .rmatch_indices(OPEN)
        .take(MOST_TRIED)
        .any(|(at, _)| opens_a_value(before.get(..at).unwrap_or_default(), is_read))
}

/// Returns true if a value begins after `before`: with `{{` there it is no YAML, with a word it
/// is. In a comment or inside a scalar both are YAML, in quotes neither.
fn opens_a_value(before: &str, is_read: fn(&str) -> bool) -> bool {
    // It may be a key, or one bracket may still be open.
    ["", ": b", "]", "}"]
        .iter()
        .any(|close| is_read(&format!("{before}a{close}")) && !is_yaml(&format!("{before}{OPEN}{close}")))
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
            assert!(!opens_a_value(before, is_yaml), "{before}");
        }
        for before in ["", "a: ", "- ", "a:\n  ", "a: b\n", "a: [", "a: [b, ", "a: {b: "] {
            assert!(opens_a_value(before, is_yaml), "{before}");
        }
    }
}
