//! The fault of a text that is not JSON, in the words of its author.

use serde_json::Error;

/// Faults by what the reader says of them; the first one that its message begins with counts.
/// The messages are those of `serde_json` 1.0 (`src/error.rs`).
const WORDS: &[(&str, &str)] = &[
    ("EOF while parsing", "it ends before it is closed"),
    ("expected `:`", "expected \":\" after a key"),
    ("expected `,` or `]`", "expected \",\" or \"]\""),
    ("expected `,` or `}`", "expected \",\" or \"}\""),
    ("expected ident", "expected true, false or null"),
    ("expected value", "expected a value: text in double quotes, a number, true, false, null, [ or {"),
    ("key must be a string", "expected a key in double quotes"),
    ("expected `\"`", "expected text in double quotes"),
    ("invalid escape", "unknown escape; write \\\\ for a backslash"),
    ("unexpected end of hex escape", "invalid \\u escape"),
    ("lone leading surrogate", "invalid \\u escape"),
    ("invalid unicode code point", "invalid \\u escape"),
    ("invalid number", "not a valid number"),
    ("number out of range", "the number is too large"),
    (
        "control character",
        "a line break or another control character in quotes; write \\n, or the escape for it",
    ),
    ("trailing comma", "a comma after the last element; delete it"),
    ("trailing characters", "text after the end; delete it"),
    ("recursion limit exceeded", "is nested too deeply: more than 128 levels"),
];

/// Returns the words for an error of the reader, without its place.
pub fn words(error: &Error) -> String {
    let text = error.to_string();
    // serde_json ends each text with it, and here it is said elsewhere.
    let place = format!(" at line {} column {}", error.line(), error.column());
    let text = text.strip_suffix(&place).unwrap_or(&text);
    let found = WORDS.iter().find(|(begin, _)| text.starts_with(begin));
    found.map_or_else(|| text.replace('`', "\""), |(_, words)| (*words).to_owned())
}

/// Returns the byte of a text at which an error was met; `serde_json` counts the column in bytes.
pub fn offset(text: &str, error: &Error) -> usize {
    let lines = text.split_inclusive('\n').take(error.line().saturating_sub(1));
    let before: usize = lines.map(str::len).sum();
    let mut at = (before + error.column().saturating_sub(1)).min(text.len());
    // serde_json counts columns in bytes, and one may end within a character.
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use serde::de::IgnoredAny;

    use super::*;

    #[test]
    fn a_fault_is_told_without_the_readers_terms() {
        for (text, wanted, at) in [
            ("{\"a\" 1}", "expected \":\" after a key", 5),
            ("{\"a\": [1 2]}", "expected \",\" or \"]\"", 9),
            ("{\"a\": 1 \"b\": 2}", "expected \",\" or \"}\"", 8),
            ("{\"a\": trye}", "expected true, false or null", 8),
            ("{\"a\": }", "expected a value: text in double quotes", 6),
            ("{a: 1}", "expected a key in double quotes", 1),
            ("{\"a\": \"\\q\"}", "unknown escape; write \\\\ for a backslash", 8),
            ("{\"a\": \"\\u12\"}", "", 11),
            ("{\"a\": 01}", "not a valid number", 7),
            ("{\"a\": 1e999}", "the number is too large", 10),
            ("{\"a\": \"\n\"}", "a line break or another control character", 7),
            ("{\"a\": [1,]}", "a comma after the last element", 9),
            ("{} x", "text after the end", 3),
            ("{\"a\": [", "it ends before it is closed", 6),
        ] {
            let Err(error) = serde_json::from_str::<serde_json::Value>(text) else {
                panic!("{text} is JSON")
            };
            let told = words(&error);
            assert!(told.contains(wanted), "{text:?}: {told}");
            assert!(!told.contains('`') && !told.contains("EOF") && !told.contains(" at line "), "{told}");
            assert!(offset(text, &error).abs_diff(at) <= 2, "{text:?}: {}", offset(text, &error));
        }
        let error = serde_json::from_str::<IgnoredAny>(&"[".repeat(200)).err();
        assert!(error.is_none_or(|error| words(&error).contains("nested too deeply") || error.is_eof()));
    }
}
