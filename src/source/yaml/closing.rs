//! Brackets that close at the beginning of a line.
//!
//! `]` and `}` may stand less deep than what they close for kubectl's reader, which
//! requires that of block collections only (`yaml_parser_fetch_next_token` of
//! [go-yaml v2]). The parser here refuses that where every value
//! in them stands in quotes, so it gets the text with the bracket moved to the last
//! of these values. No other character changes its place.
//!
//! [go-yaml v2]: https://github.com/yaml/go-yaml/blob/v2.4.4/scannerc.go

use std::ops::Range;

/// Returns the text with the bracket at `at`, which the parser refuses, moved up, after the value
/// that it stopped at or another one after `from`.
pub(super) fn moved_up(text: &str, from: usize, at: usize) -> Option<String> {
    let bytes = text.as_bytes();
    let bracket = *bytes.get(at).filter(|byte| matches!(byte, b']' | b'}'))?;
    let blank = last_token(text, from..at)?;
    let mut moved = bytes.to_vec();
    // The edits at the two places, and after the first if a comment begins there.
    let changes: &[(usize, u8)] = match bytes.get(blank..)? {
        [b'\n', ..] if blank + 1 == at => &[(blank, bracket), (at, b'\n')],
        [b'\r', b'\n', ..] | [b'\n', b' ' | b'\t' | b'\n' | b'\r', ..] => &[(blank, bracket), (at, b' ')],
        [b' ' | b'\t', b'#', next, ..] if next.is_ascii() && !next.is_ascii_control() => {
            &[(blank, bracket), (blank + 1, b' '), (blank + 2, b'#'), (at, b' ')]
        }
        [b' ' | b'\t', next, ..] if *next != b'#' => &[(blank, bracket), (at, b' ')],
        _ => return None,
    };
    for (place, byte) in changes {
        *moved.get_mut(*place)? = *byte;
    }
    String::from_utf8(moved).ok()
}

/// Returns the end of a list or mapping whose bracket the parser found at `at`: it may have been
/// moved up, over white space and comments.
pub(super) fn end(text: &str, mut at: usize) -> usize {
    let bytes = text.as_bytes();
    let found = at + 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b']' | b'}' => return at + 1,
            b'#' => {
                let rest = bytes.get(at..).unwrap_or_default();
                at += rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
            }
            byte if byte.is_ascii_whitespace() => at += 1,
            _ => break,
        }
    }
    found
}

/// Returns the end of the last value or comma of a range; comments are none.
fn last_token(text: &str, range: Range<usize>) -> Option<usize> {
    let bytes = text.as_bytes().get(..range.end)?;
    let mut at = range.start;
    let mut end = range.start;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b' ' | b'\t' | b'\r' | b'\n' => {}
            // A comment begins after white space only: a#b is a value (YAML 1.2.2, section 6.6).
            b'#' if at == 0 || bytes.get(at - 1).is_some_and(u8::is_ascii_whitespace) => {
                at += bytes.get(at..)?.iter().position(|byte| *byte == b'\n')?;
                continue;
            }
            b'"' | b'\'' => {
                at = behind_quotes(bytes, at)?;
                end = at;
                continue;
            }
            _ => end = at + 1,
        }
        at += 1;
    }
    Some(end)
}

/// Returns the byte after the quote that ends a scalar.
fn behind_quotes(bytes: &[u8], begin: usize) -> Option<usize> {
    let quote = *bytes.get(begin)?;
    let mut at = begin + 1;
    loop {
        match *bytes.get(at)? {
            // Only double quotes have escapes; a single quote is doubled (YAML 1.2.2, section 7.3).
            b'\\' if quote == b'"' => at += 2,
            b'\'' if quote == b'\'' && bytes.get(at + 1) == Some(&b'\'') => at += 2,
            byte if byte == quote => return Some(at + 1),
            _ => at += 1,
        }
    }
}

#[cfg(test)]
#[allow(clippy::expect_used, reason = "a test may end by panicking")]
mod tests {
    use serde_json::{Value, json};

    use crate::source::text::Lines;
    use crate::source::trees;

    fn read(text: &str) -> Vec<Value> {
        let lines = Lines::new(text);
        let trees: Vec<_> = trees(text, &lines).collect();
        let value = |tree: Result<_, _>| {
            let tree: crate::source::tree::Tree<'_> = tree.expect("a tree");
            tree.value(tree.root().expect("a root"))
        };
        trees.into_iter().map(value).collect()
    }

    #[test]
    fn a_bracket_at_a_lines_beginning_closes_values_in_quotes() {
        for inner in [
            "'x', \"y\"\n",
            "\n  'x',\n  \"y\"\n",
            "\n  'x', # ]\n  \"y\" # [\n",
            "\n  'x',\n  \"y\" # é\n\n",
            "\n  'x',\n  \"y\" # c\n  # d\n",
            "\n  'x',\n  \"y\",\n",
            "\n  'x',\n  \"y\",  # c\n",
            "\n  'x', \"y\"\n\n\n",
        ] {
            for line_break in ["\n", "\r\n"] {
                let text = format!("a: [{inner}] # e\nb: {{\"x\":\n 'y'\n}}\nc: [\n]\n---\nd: ['z'\n]")
                    .replace('\n', line_break);
                let wanted = [json!({"a": ["x", "y"], "b": {"x": "y"}, "c": []}), json!({"d": ["z"]})];
                assert_eq!(read(&text), wanted, "{text}");
            }
        }
    }
}
